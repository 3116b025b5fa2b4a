//! `hallmark sbom check`: what a document is and lacks, and whether the SBOMs of an image agree with it.

use crate::{
    cli::{
        Answer, Failure,
        args::{Format, Global, Listed, SbomCheck},
        bills, context, inquiry,
    },
    reference::Reference,
    report::sbom::check::{Check, Checked, Stand},
    verify::{Wanted, gather, open},
};

/// Runs the command; the answer is yes where all is good.
pub(super) async fn run(args: &SbomCheck, global: &Global) -> Result<Answer, Failure> {
    let checked = match &args.listed {
        Listed::File(file) => {
            if let Some(option) = of_images(args) {
                return Err(Failure::usage(format!(
                    "{option} is about images; {} is a file",
                    file.display()
                )));
            }
            let limits = context::configuration(global)?.limits;
            let sbom = Box::new(bills::checked(file, &limits)?);
            Checked::File { name: file.display().to_string(), sbom }
        }
        Listed::Image(image) => Checked::Image(stands(image, args, global).await?),
    };
    let check = Check { checked, profiles: args.profile.clone() };
    let text = match args.output {
        Format::Text => check.text(),
        Format::Json => check.json(),
    };
    Ok(Answer::new(text, u8::from(!check.is_good())))
}

/// An option that says something of images alone.
fn of_images(args: &SbomCheck) -> Option<&'static str> {
    let options = [
        ("--platform", args.platforms.platform.is_some()),
        ("--all-platforms", args.platforms.all_platforms),
        ("--repository", !args.inquiry.lookup.repository.is_empty()),
        ("--bundle", !args.inquiry.bundles.bundle.is_empty()),
        ("--sbom", !args.inquiry.sboms.sbom.is_empty()),
        ("--key", !args.inquiry.vouch.key.is_empty()),
    ];
    options.into_iter().find(|(_, given)| *given).map(|(option, _)| option)
}

async fn stands(
    image: &Reference,
    args: &SbomCheck,
    global: &Global,
) -> Result<Vec<Stand>, Failure> {
    let platforms = context::platforms(&args.platforms);
    let by = "hallmark sbom check";
    let vouch = Some(&args.inquiry.vouch);
    let (mut config, mut inquiry) = context::inquiry(global, platforms, vouch, by)?;
    inquiry.wanted = Wanted::Files;
    inquiry::hand_in(&args.inquiry, image, &mut config, &mut inquiry.world)?;
    let reference = context::pin(image, &config, &inquiry.world).await;
    let reference = reference.map_err(|failure| bills::nor_a_file(failure, image))?;
    let (source, images) = open(&reference, &inquiry.world).await?;
    let (mut stands, now) = (Vec::with_capacity(images.len()), jiff::Timestamp::now());
    for image in images {
        let (evidence, findings) = gather(&*source, image, &inquiry, now).await;
        if evidence.inventory.is_none() {
            return Err(unread(&reference, findings));
        }
        stands.push(Stand { evidence, findings });
    }
    Ok(stands)
}

/// Why there is no inventory: an error, and what is said besides is none.
pub(super) fn unread(
    reference: &impl std::fmt::Display,
    findings: Vec<crate::finding::Finding>,
) -> Failure {
    let gravest = findings.into_iter().max_by_key(|finding| finding.severity);
    let unread = || Failure::refused(format!("{reference}: its layers cannot be read"));
    gravest.map_or_else(unread, Failure::of_finding)
}
