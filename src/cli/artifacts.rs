//! `policy.bundles: [oci: …]`: bundles of rules in registries, by digest.
//!
//! Fetches each when it is named first, once for a process: what has a digest does not change. What was fetched is kept and read
//! again as if it were files, so that `verify --from` judges by the same rules, and is held against the digest each time.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bytes::Bytes;

use super::Failure;
use crate::{
    config::Config,
    digest::ManifestDigest,
    image::Checked,
    json,
    policy::{Bundle, PolicyError, archive},
    reference::PinnedReference,
    source::{
        SourceSettings,
        artifact::{self, Artifact, Kind},
    },
    trust,
};

/// What a bundle is in a registry: as `oras push` and OPA's own loader have it, and as trivy has its checks.
const BUNDLE: Kind = Kind {
    media_types: &[
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.cncf.openpolicyagent.layer.v1.tar+gzip",
    ],
    max_bytes: archive::MAX_ARCHIVE_BYTES,
    is_signed: false,
};
/// Artifacts that a process keeps.
const MAX_KEPT: usize = 64;

static FETCHED: Mutex<BTreeMap<(PinnedReference, bool), Arc<Artifact>>> =
    Mutex::new(BTreeMap::new());

/// All bundles that the configuration names in registries.
pub(super) fn bundle(config: &Config, sources: &SourceSettings) -> Result<Bundle, Failure> {
    let mut all = Bundle::default();
    for reference in &config.policy.selection.artifacts {
        let read = one(reference, config, sources);
        let refused =
            |why: String| Failure::of_operator(&format!("policy.bundles: {reference}: {why}"));
        let read = read.map_err(refused)?.at(&reference.to_string());
        all = all.join(read).map_err(|error: PolicyError| refused(error.to_string()))?;
    }
    Ok(all)
}

fn one(
    reference: &PinnedReference,
    config: &Config,
    sources: &SourceSettings,
) -> Result<Bundle, String> {
    let asked = &config.policy.selection.bundle_signers;
    let kind = Kind { is_signed: !asked.is_empty(), ..BUNDLE };
    let part = |name: &str, most: u64, take: fn(&Artifact) -> Vec<u8>| {
        let path = PathBuf::from(format!("{reference}{name}"));
        let read = || {
            let fetched = fetched(reference, kind, config, sources);
            fetched.map(|artifact| take(&artifact)).map_err(io::Error::other)
        };
        config.files.file(Path::new(&path), most, read).map_err(|error| error.to_string())
    };
    let limits = &config.limits;
    let manifest = part("", limits.manifest_bytes as u64, |found| found.manifest.to_vec())?;
    let manifest = artifact::manifest(&reference.digest, Bytes::from(manifest), kind, limits);
    let (document, described) = manifest.map_err(|error| error.to_string())?;
    let file = part("#bundle", BUNDLE.max_bytes, |found| found.file.to_vec())?;
    let file = artifact::file(&described, Bytes::from(file)).map_err(|error| error.to_string())?;
    if kind.is_signed {
        let most = (limits.attestation_bytes as u64).saturating_mul(4);
        let signatures = part("#signatures", most, |found| lines(&found.signatures))?;
        signed(reference, &document, &signatures, config)?;
    }
    let read = archive::read(&file).map_err(|error| error.to_string())?;
    if read.is_empty() {
        return Err("it holds no *.rego file".to_owned());
    }
    Ok(read)
}

/// Sigstore bundles, one in a line.
fn lines(signatures: &[Bytes]) -> Vec<u8> {
    let one_line = |bytes: &Bytes| {
        let line: serde_json::Value = json::from_slice(bytes, bytes.len()).ok()?;
        Some(format!("{line}\n").into_bytes())
    };
    signatures.iter().filter_map(one_line).flatten().collect()
}

/// That one of those signed the artifact who have to.
fn signed(
    reference: &PinnedReference,
    document: &Checked<ManifestDigest>,
    signatures: &[u8],
    config: &Config,
) -> Result<(), String> {
    let asked = &config.policy.selection.bundle_signers;
    let signatures = signatures.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut found = signatures.flat_map(|signature| {
        trust::files::signers_of_artifact(document, signature, &config.trust, &config.limits)
    });
    if found.any(|name| asked.contains(&name)) {
        return Ok(());
    }
    Err(format!(
        "policy.bundleSigners asks for a signature by {}, and none is attached to it\n  help: cosign sign --key KEY {reference}",
        asked.join(", ")
    ))
}

/// The artifact, fetched by the first who asks for it. Whoever asks waits; there is no other work yet.
fn fetched(
    reference: &PinnedReference,
    kind: Kind,
    config: &Config,
    sources: &SourceSettings,
) -> Result<Arc<Artifact>, String> {
    let key = (reference.clone(), kind.is_signed);
    if let Some(known) = FETCHED.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(Arc::clone(known));
    }
    let fetch = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let fetch = artifact::fetch(reference, kind, sources, &config.limits);
        runtime.block_on(fetch).map_err(|error| error.to_string())
    };
    // A thread of its own: this one may be at work for another runtime, which forbids to wait in it.
    let ended = thread::scope(|scope| scope.spawn(fetch).join());
    let artifact = Arc::new(ended.map_err(|_| "fetching it broke down".to_owned())??);
    let mut kept = FETCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(key, Arc::clone(&artifact));
    Ok(artifact)
}
