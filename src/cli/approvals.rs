//! `--approval FILE`: approvals of this call, beside those of the configuration.

use std::path::PathBuf;

use super::{Failure, files::Operand};
use crate::config::{self, Config};

/// What `--approval` takes.
const APPROVAL: Operand = Operand {
    option: "--approval ",
    form: page!(
        "it takes a signed approval, as hallmark sign --bundle writes it; ",
        "policy",
        " says how one is made"
    ),
};

/// Adds the approvals in these files to those of a configuration.
pub(super) fn add(files: &[PathBuf], config: &mut Config) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    if config.policy.approvals.signers.is_empty() {
        let mut failure = Failure::usage("--approval: nobody may approve anything");
        failure.help("name those who may: policy: {approvals: {signers: [NAME]}} in hallmark.yaml");
        return Err(failure);
    }
    for file in files {
        let most = config.limits.attestation_bytes as u64;
        let bytes = APPROVAL.read_from(&config.files, file, most)?;
        let name = file.display().to_string();
        let asked = &config.policy.approvals.signers;
        let given = config::given(&name, &bytes, asked, (&config.trust, &config.limits));
        let given = given.map_err(|error| APPROVAL.unusable(file, &error))?;
        config.policy.approvals.given.push(given);
    }
    Ok(())
}
