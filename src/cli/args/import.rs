//! The words of `hallmark policy import`.

use std::path::PathBuf;

use clap::Args;

use super::Format;

/// `hallmark policy import`
///
/// Reads verifyImages and ImageValidatingPolicies of Kyverno, policies of Conforma and ClusterImagePolicies of policy-controller. What cannot be said
/// is listed with its place, the reason, and whether less or more is accepted for it. Exit code 1 where anything but the other tool's
/// way of working is left out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  hallmark policy import policy.yaml > imported.yaml")]
pub struct PolicyImport {
    /// The policies, in YAML or JSON
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write what can be said although more is accepted by it than by the policy
    #[arg(long)]
    pub lossy: bool,
    /// Form of the answer on stdout
    #[arg(long, short, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}
