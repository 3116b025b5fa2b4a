//! The words of whoever looks at the evidence of one image, to judge by it or not.

use clap::Args;

use super::{Bundles, Lookup, Sboms, Vouch};

/// Where an image is looked up, who may vouch for it, and evidence of it in files.
#[derive(Debug, Clone, Default, Args)]
pub struct InquiryArgs {
    /// Where a bare digest is looked up.
    #[command(flatten)]
    pub lookup: Lookup,
    /// Who may vouch.
    #[command(flatten)]
    pub vouch: Vouch,
    /// Evidence in files.
    #[command(flatten)]
    pub bundles: Bundles,
    /// SBOMs in files.
    #[command(flatten)]
    pub sboms: Sboms,
}
