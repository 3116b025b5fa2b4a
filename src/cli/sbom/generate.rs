//! `hallmark sbom generate`: a bill of materials of what is in an image.

use std::path::Path;

use super::check::unread;
use crate::{
    cli::{
        Answer, Failure,
        args::{FilesListed, Global, SbomFormat, SbomGenerate},
        context,
    },
    contents::{CollectorName, Inventory, accounts::Accounts},
    image::Image,
    reference::PinnedReference,
    report,
    sbom::generate::{Files, Format, Material, Options, document},
    source::{PlatformChoice, Source},
    verify::{World, fetch_contents, open_alone, read_contents},
};

/// Runs the command.
pub(super) async fn run(args: &SbomGenerate, global: &Global) -> Result<Answer, Failure> {
    if let Some(file) = &args.output {
        no_format(file)?;
    }
    let platforms = args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One);
    let (mut config, world) = context::world(global, platforms)?;
    context::look_up(&args.lookup, [&args.image], &mut config)?;
    let reference = context::pin(&args.image, &config, &world).await?;
    let (source, images) = open_alone(&reference, &world).await?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::refused(format!("{reference} has no image")));
    };
    let (inventory, accounts) = stock(&*source, &image, &reference, &world).await?;
    let material = Material { image: &image, inventory: &inventory, accounts: &accounts };
    let text = report::json::lines(&document(material, options(args)));
    Ok(match &args.output {
        None => Answer::data(text),
        Some(file) => Answer { files: vec![(file.clone(), text)], ..Answer::data(String::new()) },
    })
}

/// Words that are formats, where other commands have an option of this name.
const WORDS: [&str; 8] = [
    "json",
    "text",
    "spdx",
    "spdx-2.3",
    "spdx-json",
    "cyclonedx",
    "cyclonedx-1.6",
    "cyclonedx-json",
];

/// Refuses the name of a format where a file is asked for: whoever writes it means no file of that name.
fn no_format(file: &Path) -> Result<(), Failure> {
    let Some(word) = WORDS.iter().find(|word| file.as_os_str() == **word) else { return Ok(()) };
    let mut failure = Failure::usage(format!(
        "-o {word}: here it takes the file to write, and {word} is a format"
    ));
    failure.help(&format!(
        "--format spdx-2.3 and --format cyclonedx-1.6 say what is written, both as JSON; a file of this name is -o ./{word}"
    ));
    Err(failure)
}

fn options(args: &SbomGenerate) -> Options<'_> {
    Options {
        format: match args.format {
            SbomFormat::Spdx23 => Format::Spdx23,
            SbomFormat::CycloneDx16 => Format::CycloneDx16,
        },
        files: match args.files {
            FilesListed::Own => Files::Own,
            FilesListed::All => Files::All,
            FilesListed::None => Files::None,
        },
        author: args.author.as_deref(),
        epoch: args.epoch,
    }
}

async fn stock(
    source: &dyn Source,
    image: &Image,
    reference: &PinnedReference,
    world: &World,
) -> Result<(Inventory, Accounts), Failure> {
    let names = [CollectorName::Inventory, CollectorName::Contents, CollectorName::Files].into();
    let fetched = fetch_contents(source, image, &world.limits, &*world.sink).await;
    let contents = read_contents(fetched, image, &names, &world.limits, &*world.sink, None).await;
    match (contents.inventory, contents.accounts) {
        (Some(inventory), Some(accounts)) => Ok((inventory, accounts)),
        _ => Err(unread(reference, contents.findings)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_no_file_to_write() {
        for word in ["json", "text", "cyclonedx-1.6"] {
            let failure = no_format(Path::new(word)).unwrap_err();
            assert!(failure.told().contains(&format!("-o ./{word}")), "{failure}");
        }
        for file in ["./json", "app.json", "-", "out/json"] {
            assert!(no_format(Path::new(file)).is_ok(), "{file}");
        }
    }
}
