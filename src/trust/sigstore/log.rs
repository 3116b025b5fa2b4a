//! Entries of transparency logs: that the log has this entry, and when it took it.
//!
//! Rekor v1 (sigstore/rekor): a signed entry timestamp over body, time, index and log; an inclusion proof (RFC 6962
//! section 2.1.1) to a root that a checkpoint signs (C2SP tlog-checkpoint, signed-note). Rekor v2 (sigstore/rekor-tiles)
//! has the proof alone, and no time of its own. The order is that of attack A5: proof, checkpoint, key of the log from the
//! root (A21); what the entry says is `entry`'s affair. A time counts only where a signed entry timestamp covers it (A6).

use jiff::Timestamp;
use sigstore_crypto::{Checkpoint, verify_signature};
use sigstore_merkle::{hash_leaf, verify_inclusion_proof};
use sigstore_types::{Sha256Hash, SignatureBytes};

use super::{
    error::LogFault,
    root::{Log, TrustedRoot},
};
use crate::attest::{Form, InclusionProof, LogEntry};

/// Signatures that one checkpoint may have.
const MAX_CHECKPOINT_SIGNATURES: usize = 32;

/// An entry that a log of the root has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    /// Which log, by its id.
    pub(super) log: [u8; 32],
    /// When, where the log signed that.
    pub(super) time: Option<Timestamp>,
}

/// Which generation of Rekor an entry is of.
fn is_v2(entry: &LogEntry) -> bool {
    entry.version == "0.0.2" && matches!(entry.kind.as_str(), "hashedrekord" | "dsse")
}

/// Checks that a log of the root has the entry, as its form of evidence asks.
pub(super) fn verify(entry: &LogEntry, form: Form, root: &TrustedRoot) -> Result<Logged, LogFault> {
    // 1. The log is one of the root's.
    let log = root.logs.iter().find(|log| log.id.as_slice() == entry.log_id);
    let log = log.ok_or(LogFault::UnknownLog)?;
    // 2. What the form promises is there.
    // Rekor v2 makes no promises, so it cannot be in a bundle 0.1.
    let first_form = form == Form::Bundle01 || form == Form::Cosign && !is_v2(entry);
    if first_form && entry.promise.is_none() {
        return Err(LogFault::NoPromise);
    }
    if !first_form && entry.proof.is_none() {
        return Err(LogFault::NoProof);
    }
    // 3. Everything that is there verifies.
    let time = promised_time(entry, log)?;
    if let Some(proof) = &entry.proof {
        included(entry, proof, log)?;
    }
    Ok(Logged { log: log.id, time })
}

/// The time in the signed entry timestamp, where there is one.
fn promised_time(entry: &LogEntry, log: &Log) -> Result<Option<Timestamp>, LogFault> {
    let Some(promise) = &entry.promise else { return Ok(None) };
    if is_v2(entry) {
        return Err(LogFault::Promise);
    }
    let signature = SignatureBytes::from_bytes(promise);
    let scheme = log.algorithm.default_signing_scheme();
    verify_signature(&log.key, entry.promised().as_bytes(), &signature, scheme)
        .map_err(|_| LogFault::Promise)?;
    let Some(seconds) = entry.integrated_time else { return Ok(None) };
    let time = Timestamp::from_second(seconds).map_err(|_| LogFault::Promise)?;
    if !log.counts_at(time) {
        return Err(LogFault::KeyValidity(time));
    }
    Ok(Some(time))
}

/// The leaf is in the tree that the log signed.
fn included(entry: &LogEntry, proof: &InclusionProof, log: &Log) -> Result<(), LogFault> {
    let checkpoint =
        Checkpoint::from_text(&proof.checkpoint).map_err(|_| LogFault::CheckpointForm)?;
    signed_by(&checkpoint, log)?;
    // The index of Rekor v1 counts over all shards, that of its proof in one.
    let index = if is_v2(entry) { entry.index } else { proof.index };
    let repeated = proof.index == index
        && proof.tree_size == checkpoint.tree_size()
        && proof.root == checkpoint.root_hash().as_bytes();
    if !repeated {
        return Err(LogFault::OtherTree);
    }
    let hashes: Vec<Sha256Hash> = proof.hashes.iter().map(|hash| Sha256Hash::new(*hash)).collect();
    let leaf = hash_leaf(&entry.body);
    verify_inclusion_proof(&leaf, index, checkpoint.tree_size(), &hashes, checkpoint.root_hash())
        .map_err(|_| LogFault::Inclusion)
}

/// One of the note's signatures is the log's; those of witnesses and unknown keys say nothing. Hints of four bytes may
/// collide, so each that fits is tried.
fn signed_by(checkpoint: &Checkpoint, log: &Log) -> Result<(), LogFault> {
    let scheme = log.algorithm.default_signing_scheme();
    let origin = checkpoint.origin();
    let names_log = |name: &str| {
        origin.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" - "))
    };
    let mut fitting = checkpoint
        .signatures()
        .iter()
        .take(MAX_CHECKPOINT_SIGNATURES)
        .filter(|signature| log.id.starts_with(signature.key_id.as_bytes()))
        .filter(|signature| names_log(&signature.name));
    fitting
        .any(|s| verify_signature(&log.key, checkpoint.signed_data(), &s.signature, scheme).is_ok())
        .then_some(())
        .ok_or(LogFault::CheckpointSignature)
}
