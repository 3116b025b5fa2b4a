//! Area `slsa-provenance`: provenance of several builders, and summaries. Signature, log and subject are verified by
//! hallmark; what slsa-verifier asks beyond that (source, branch, tag, version, builder) is held against what hallmark
//! read and proved, by [`Expectations`].

mod cloud_build;
mod npm;
mod summary;

use hallmark::{
    attest::{
        self, Carrier, Envelope, Listing, Raw, Statement,
        provenance::{self, Provenance},
    },
    digest::{Digest, ManifestDigest},
    image::MediaType,
    limits::Limits,
    trust::{
        Expectations, Unmet,
        expectation::Question,
        outside::Refused,
        sigstore::{self, Claim, Demands, KeylessIdentity, TextMatch, TrustedRoot, Vouched},
    },
};
use serde_json::Value;

use super::{Case, Outcome, Verdict, sigstore_bundle};

/// Workflows that slsa-verifier trusts where a case names no builder.
const BUILDERS: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/";

pub(crate) fn run(case: &Case) -> Outcome {
    let has = |key: &str| case.text(key).is_some();
    match case.text("oci_layout") {
        Some(layout) => attached(case, layout),
        None if has("bundle") => sigstore_bundle::judged(case, policy),
        None if has("gcb_provenance") => cloud_build::run(case),
        None if has("npm_attestations") => npm::run(case),
        None if has("vsa_dsse") => summary::run(case),
        None if has("dsse_envelope") => unlogged(case),
        None => Err("none of the forms of provenance that are run".to_owned()),
    }
}

/// An envelope with nothing beside it: slsa-verifier looks it up in the log, over the network. Here it proves nothing.
fn unlogged(case: &Case) -> Outcome {
    let bytes = case.file("dsse_envelope")?;
    let digest = ManifestDigest::of(&bytes);
    let raw = Raw {
        carrier: Carrier::Referrer { manifest: digest.clone(), via: Listing::Layout },
        media_type: MediaType::new(MediaType::DSSE),
        bytes: bytes.into(),
        annotations: Default::default(),
        attached_to: digest,
    };
    Ok(match attest::open(&raw, &Limits::default()) {
        Ok(_) => Verdict::refused("signature-untrusted", "no log entry and no key"),
        Err(error) => Verdict::refused(error.code(), error),
    })
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
    Ok(policy(case, &vouched, signed.payload_bytes()))
}

/// What slsa-verifier asks of provenance by a workflow, of facts that hallmark proved.
fn policy(case: &Case, vouched: &Vouched, payload: &[u8]) -> Verdict {
    if case.text("source_uri").is_none() {
        return Verdict::Accepted;
    }
    let provenance = match provenance_of(payload) {
        Ok(provenance) => provenance,
        Err(refused) => return refused,
    };
    let expected = expectations(case);
    if expected.builder.is_none() && !vouched.subject.as_str().starts_with(BUILDERS) {
        return Verdict::refused("builder", &vouched.subject);
    }
    judged(expected.check(&provenance, Some(vouched)))
}

fn provenance_of(payload: &[u8]) -> Result<Provenance, Verdict> {
    let statement = Statement::parse(payload, &Limits::default())
        .map_err(|error| Verdict::refused(error.code(), error))?;
    provenance::parse(&statement).map_err(|error| Verdict::refused("provenance-malformed", error))
}

/// The questions of a case in hallmark's words.
fn expectations(case: &Case) -> Expectations {
    let text = |key: &str| case.text(key).map(str::to_owned);
    Expectations {
        source: text("source_uri"),
        branch: text("source_branch"),
        tag: text("source_tag"),
        version: text("source_versioned_tag"),
        builder: text("builder_id"),
        ..Expectations::default()
    }
}

/// Why a document proves nothing.
fn refused(why: Refused) -> Verdict {
    match why {
        Refused::Unmet(unmet) => judged(Err(unmet)),
        Refused::Form(error) => Verdict::refused(error.code(), error),
        Refused::Keys(error) => Verdict::refused(error.code(), error),
        Refused::Npm(error) => Verdict::refused(error.code(), error),
        Refused::Subject { .. } => Verdict::refused("signature-subject-mismatch", why),
        Refused::Empty => Verdict::refused("provenance-missing", why),
        Refused::Clear => Verdict::refused("provenance-conflict", why),
        Refused::Provenance(_) => Verdict::refused("provenance-malformed", why),
    }
}

/// What becomes of an expectation, by the name of what was asked.
fn judged(checked: Result<(), Unmet>) -> Verdict {
    match checked {
        Ok(()) => Verdict::Accepted,
        Err(unmet @ Unmet::Signer(_)) => Verdict::refused("provenance-signer-mismatch", unmet),
        Err(ref unmet @ Unmet::Value { what, .. }) => {
            let code = match what {
                Question::Branch | Question::Tag | Question::Version => "reference",
                Question::Source => "source",
                Question::Builder => "builder",
                Question::BuildType | Question::EntryPoint => "other",
            };
            Verdict::refused(code, unmet)
        }
    }
}
