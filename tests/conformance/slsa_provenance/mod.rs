//! Area `slsa-provenance`: provenance of several builders. Signature, log and subject are verified by hallmark; what
//! slsa-verifier asks beyond that (source, branch, tag, version, builder) is judged here from the facts that hallmark
//! proves about the signer, as a policy would.

use hallmark::{
    attest::{self, Carrier, Envelope, Listing, Raw},
    digest::{Digest, ManifestDigest},
    image::MediaType,
    limits::Limits,
    trust::sigstore::{self, Claim, Demands, KeylessIdentity, TextMatch, TrustedRoot, Vouched},
};
use serde_json::Value;

use super::{Case, Outcome, Verdict, sigstore_bundle};

/// Workflows that slsa-verifier trusts where a case names no builder.
const BUILDERS: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/";

pub(crate) fn run(case: &Case) -> Outcome {
    if case.text("bundle").is_some() {
        return sigstore_bundle::judged(case, policy);
    }
    match case.text("oci_layout") {
        Some(layout) => attached(case, layout),
        None => Err("this form of provenance is not run yet".to_owned()),
    }
}

/// Attestations as `cosign save` writes them beside an image; one that holds is enough.
fn attached(case: &Case, layout: &str) -> Outcome {
    let limits = Limits::default();
    let root = case.file("trusted_root")?;
    let root = TrustedRoot::from_json(&root, &limits).map_err(|error| error.to_string())?;
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|e| e.to_string());
    let blob = |digest: &Value| {
        let hex = digest.as_str().unwrap_or_default().trim_start_matches("sha256:");
        case.read(&format!("{layout}/blobs/sha256/{hex}"))
    };
    let index = json(&case.read(&format!("{layout}/index.json"))?)?;
    let attestations = index["manifests"].as_array().into_iter().flatten();
    let attestations = attestations
        .filter(|entry| entry["annotations"]["kind"] == "dev.cosignproject.cosign/atts");
    let mut last = Verdict::refused("signature-missing", "no attestation");
    for entry in attestations {
        for layer in json(&blob(&entry["digest"])?)?["layers"].as_array().into_iter().flatten() {
            last = one(case, layer, blob(&layer["digest"])?, &root, &limits)?;
            if matches!(last, Verdict::Accepted) {
                return Ok(last);
            }
        }
    }
    Ok(last)
}

fn one(case: &Case, layer: &Value, bytes: Vec<u8>, root: &TrustedRoot, limits: &Limits) -> Outcome {
    let annotations = serde_json::from_value(layer["annotations"].clone());
    let digest = ManifestDigest::of(&bytes);
    let raw = Raw {
        carrier: Carrier::Referrer { manifest: digest.clone(), via: Listing::Layout },
        media_type: MediaType::new(layer["mediaType"].as_str().unwrap_or_default()),
        bytes: bytes.into(),
        annotations: annotations.map_err(|error| error.to_string())?,
        attached_to: digest,
    };
    let signed = match attest::open(&raw, limits).map(|mut all| all.pop()) {
        Ok(Some(Envelope::Signed(signed))) => signed,
        Ok(_) => return Ok(Verdict::refused("signature-unsupported", "no envelope")),
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let [signature] = signed.signatures.as_slice() else { return Err("not one".to_owned()) };
    let Some(claim) = Claim::of(&signed, signature) else {
        return Ok(Verdict::refused("signature-malformed", "nothing beside the signature"));
    };
    let anybody = KeylessIdentity { issuer: None, subject: TextMatch::UnsafeAny };
    let vouched = match sigstore::verify(&claim, &anybody, root, &Demands::default()) {
        Ok(vouched) => vouched,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let image: Digest = case
        .text("image_digest")
        .unwrap_or_default()
        .parse()
        .map_err(|error| format!("image_digest: {error}"))?;
    if !signed.statement.speaks_about(&image) {
        return Ok(Verdict::refused("signature-subject-mismatch", "another image"));
    }
    Ok(policy(case, &vouched))
}

fn policy(case: &Case, vouched: &Vouched) -> Verdict {
    let claim = |name: &str| vouched.claims.get(name).cloned();
    let legacy = claim("githubWorkflowRepository").map(|name| format!("https://github.com/{name}"));
    let source = claim("sourceRepositoryUri").or(legacy).unwrap_or_default();
    let reference = claim("sourceRepositoryRef").or(claim("githubWorkflowRef")).unwrap_or_default();
    if let Some(expected) = case.text("source_uri") {
        let expected = expected.trim_start_matches("git+").trim_start_matches("https://");
        if source != format!("https://{expected}") {
            return Verdict::refused("source", source);
        }
    }
    let subject = vouched.subject.as_str();
    if !is_builder(subject, case.text("builder_id")) {
        return Verdict::refused("builder", subject);
    }
    let asked = [("source_branch", "refs/heads/"), ("source_tag", "refs/tags/")];
    for (input, prefix) in asked {
        if let Some(name) = case.text(input)
            && reference.strip_prefix(prefix) != Some(name)
        {
            return Verdict::refused("reference", reference);
        }
    }
    match case.text("source_versioned_tag") {
        Some(version) if !is_version(reference.strip_prefix("refs/tags/"), version) => {
            Verdict::refused("reference", reference)
        }
        _ => Verdict::Accepted,
    }
}

/// Whether the signer is the builder that a case names, with or without its tag, or one that slsa-verifier trusts.
fn is_builder(subject: &str, expected: Option<&str>) -> bool {
    let (builder, version) = subject.split_once('@').unwrap_or((subject, ""));
    match expected.map(|expected| expected.split_once('@').unwrap_or((expected, ""))) {
        None => builder.starts_with(BUILDERS),
        Some((path, "")) => builder == path,
        Some((path, tag)) => {
            builder == path && (version == tag || version.strip_prefix("refs/tags/") == Some(tag))
        }
    }
}

/// Whether the parts that `expected` has are those of the tag, which has zeroes for what it lacks: v1 and v1.2 are v1.2.3's,
/// v1.0 is v1's, v1.2.3 is not v1.2's.
fn is_version(tag: Option<&str>, expected: &str) -> bool {
    let tag = tag.and_then(|tag| tag.strip_prefix('v'));
    let (Some(tag), Some(expected)) = (tag, expected.strip_prefix('v')) else { return false };
    let mut parts = tag.split('.').chain(std::iter::repeat("0"));
    expected.split('.').all(|part| parts.next() == Some(part))
}
