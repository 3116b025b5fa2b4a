//! Saved evidence: what a verification was told by the world, in a folder, so that it can be made again without a network.
//!
//! Turns answers (a registry's about a tag, a repository's about its history, a builder's result) into a folder, and that folder
//! into the same answers. The folder is an OCI image layout: bytes lie in `blobs` under their digest, `index.json` lists the
//! manifests. What has no digest of its own stands in one document, [`RECORD`] (`hallmark/evidence/v1`): answers by question, the
//! time, and the configuration. Its digest is that of the whole folder.
//!
//! A folder is handed over by somebody. Bytes under a digest are checked whenever they are read, and prove what they prove,
//! whoever kept them. What only the one who saved it has seen (the time, a rebuild, the history of a repository) proves nothing
//! by lying there: it counts where [`Saved::is_believed`] says so, because the operator named the digest of the record, or said
//! that the whole folder is believed. Nothing that could be a secret is written: a file that holds a private key is refused.

mod access;
mod folder;
mod record;

pub use access::Access;
pub use folder::{Belief, Saved, SavedError, Saver};
pub use record::{Configuration, RECORD, Record, SCHEMA};

/// A question to the world, by its parts.
pub fn question(parts: &[&str]) -> String {
    serde_json::json!(parts).to_string()
}

#[cfg(test)]
mod tests;
