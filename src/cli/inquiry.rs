//! What the command line hands in about one image: files of evidence, and where a bare digest is looked up.

use super::{Failure, args::InquiryArgs, bills, bundles, context};
use crate::{config::Config, reference::Reference, verify::World};

/// Puts it where evidence is looked for. Who may vouch is part of the trust rules already.
pub(super) fn hand_in(
    asked: &InquiryArgs,
    image: &Reference,
    config: &mut Config,
    world: &mut World,
) -> Result<(), Failure> {
    world.sources.handed = bundles::read(&asked.bundles.bundle, &config.limits, &config.files)?;
    world.sboms = bills::given(&asked.sboms.sbom, &config.limits, &config.files)?;
    context::look_up(&asked.lookup, [image], config)
}
