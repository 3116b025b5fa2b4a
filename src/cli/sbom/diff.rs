//! `hallmark sbom diff`: what two images, or two bills of materials, list differently.

use jiff::{Timestamp, tz::TimeZone};

use super::check::unread;
use crate::{
    cli::{
        Answer, Failure,
        args::{Format, Global, Listed, SbomDiff},
        bills, context, vulns,
    },
    config::Config,
    contents::CollectorName,
    report::sbom::diff::{self as told, Side},
    sbom::diff::{List, difference},
    source::PlatformChoice,
    verify::{World, fetch_contents, open_alone, read_contents},
    vulnerabilities::{
        database::Database,
        matching::{self, Known},
    },
};

/// Runs the command; the answer is yes where nothing differs.
pub(super) async fn run(args: &SbomDiff, global: &Global) -> Result<Answer, Failure> {
    let platforms = args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One);
    let (config, world) = context::world(global, platforms)?;
    let database = args
        .vulns
        .as_deref()
        .map(|file| vulns::named("--vulns ", file, &config.limits))
        .transpose()?;
    let (before, old) = list(&args.before, &config, &world).await?;
    let (after, new) = list(&args.after, &config, &world).await?;
    let mut found = difference(&old, &new);
    if let Some(database) = &database {
        let (known, then) = (known(database, &old)?, known(database, &new)?);
        found = found.with((&old, &known), (&new, &then));
    }
    let text = match args.output {
        Format::Text => told::text(&before, &after, &found),
        Format::Json => told::json(&before, &after, &found),
    };
    Ok(Answer::new(text, u8::from(!found.is_none())))
}

fn known(database: &Database, list: &List) -> Result<Known, Failure> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date().to_string();
    let known = matching::known(database, list.distribution.as_ref(), &list.subjects, &today);
    known.map_err(|error| Failure::refused(error.to_string()))
}

/// What a file or an image lists.
async fn list(listed: &Listed, config: &Config, world: &World) -> Result<(Side, List), Failure> {
    let (name, list) = match listed {
        Listed::File(file) => {
            let sbom = bills::read(file, &world.limits)?;
            (file.display().to_string(), List::of_document(&sbom))
        }
        Listed::Image(image) => {
            let reference = context::pin(image, config, world).await;
            let reference = reference.map_err(|failure| bills::nor_a_file(failure, image))?;
            let (source, images) = open_alone(&reference, world).await?;
            let Some(image) = images.into_iter().next() else {
                return Err(Failure::refused(format!("{reference} has no image")));
            };
            let names = [CollectorName::Inventory].into();
            let fetched = fetch_contents(&*source, &image, &world.limits, &*world.sink).await;
            let contents =
                read_contents(fetched, &image, &names, &world.limits, &*world.sink, None).await;
            let Some(inventory) = contents.inventory else {
                return Err(unread(&reference, contents.findings));
            };
            (reference.to_string(), List::of_inventory(&inventory))
        }
    };
    let side = Side { name, components: list.entries.len(), unread: list.unread.clone() };
    Ok((side, list))
}
