//! Area `cosign-image`: signatures of cosign 1 and 2 in the `dir:` layout of containers/image.
//!
//! Signature, certificate, log and digest are hallmark's affair. Whether the name in the payload is the one that the
//! image was asked for by is judged here, from the proven payload, as a policy would: hallmark itself lets mirrors be.

use std::collections::BTreeMap;

use bytes::Bytes;
use hallmark::{
    attest::{self, Carrier, Content as Packed, Envelope, Listing, Raw, Signed},
    config::cluster_image_policy,
    digest::{Digest, ManifestDigest},
    image::MediaType,
    limits::Limits,
    trust::{
        PublicKey,
        sigstore::{
            self, Claim, Content, Demands, KeylessIdentity, NoCtLog, PrivateRoot, TextMatch, Times,
            TrustedRoot,
        },
    },
};
use serde_json::Value;

use super::{Case, Outcome, Verdict};

/// Within the time of the private authority's certificate; upstream's suite states a time of its own.
const PRIVATE_TIME: &str = "2024-12-01T00:00:00Z";

pub(crate) fn run(case: &Case) -> Outcome {
    if case.text("cluster_image_policy").is_some() {
        return policy(&case.file("cluster_image_policy")?);
    }
    if let Some(name) = case.text("signature") {
        return signature(case, &case.read(name)?, None);
    }
    let folder = case.text("image_dir").ok_or("no image_dir")?;
    let Ok(manifest) = case.read(&format!("{folder}/manifest.json")) else {
        return Ok(Verdict::refused("image-blob-missing", "no manifest"));
    };
    let digest = Digest::sha256(&manifest);
    let mut last = Verdict::refused("signature-missing", "no signature");
    for number in 1.. {
        let Ok(bytes) = case.read(&format!("{folder}/signature-{number}.json")) else { break };
        last = signature(case, &bytes, Some(&digest))?;
        if matches!(last, Verdict::Accepted) {
            break;
        }
    }
    Ok(last)
}

/// Whether policy-controller would take the policy. What is left out of the translation is still a policy.
fn policy(bytes: &[u8]) -> Outcome {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(match cluster_image_policy::import(text) {
        Ok(imported) if imported.yaml.is_none() && imported.left_out.is_empty() => {
            return Err("nothing is said, and nothing left out".to_owned());
        }
        Ok(_) => Verdict::Accepted,
        Err(invalid) => Verdict::refused(invalid.at, invalid.why),
    })
}

fn signature(case: &Case, bytes: &[u8], image: Option<&Digest>) -> Outcome {
    let file: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let payload = file["payload"].as_str().unwrap_or_default();
    let payload =
        sigstore_types::PayloadBytes::from_base64(payload).map_err(|error| error.to_string())?;
    let annotations: BTreeMap<String, String> =
        serde_json::from_value(file["annotations"].clone()).map_err(|error| error.to_string())?;
    let digest = ManifestDigest::of(bytes);
    let raw = Raw {
        carrier: Carrier::Referrer { manifest: digest.clone(), via: Listing::Layout },
        media_type: MediaType::new(file["mimeType"].as_str().unwrap_or_default()),
        bytes: Bytes::copy_from_slice(payload.as_bytes()),
        annotations,
        attached_to: digest,
    };
    let limits = Limits::default();
    let signed = match attest::open(&raw, &limits).map(|mut all| all.pop()) {
        Ok(Some(Envelope::Signed(signed))) => signed,
        Ok(_) => return Ok(Verdict::refused("signature-unsupported", "no signed payload")),
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    if let refused @ Verdict::Refused { .. } = made(case, &signed)? {
        return Ok(refused);
    }
    if image.is_some_and(|image| !signed.statement.speaks_about(image)) {
        return Ok(Verdict::refused("signature-subject-mismatch", "another image"));
    }
    let payload = signed.statement.predicate.value().unwrap_or_default();
    let name = payload.pointer("/critical/identity/docker-reference");
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let asked = case.text("reference").unwrap_or_default();
    let repository = |text: &str| match text.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before.to_owned(),
        _ => text.to_owned(),
    };
    let same = match case.text("match") {
        Some("exact") => name == asked && repository(name) != name,
        _ => repository(name) == repository(asked),
    };
    Ok(if same { Verdict::Accepted } else { Verdict::refused("reference", name) })
}

/// Who made the signature, by the means that the case trusts.
fn made(case: &Case, signed: &Signed) -> Outcome {
    assert!(matches!(signed.content, Packed::Payload));
    let [signature] = signed.signatures.as_slice() else { return Err("not one".to_owned()) };
    let read = |name: &&str| case.read(name);
    let log_keys: Vec<Vec<u8>> =
        case.list("rekor_keys").iter().map(read).collect::<Result<_, _>>()?;
    let log_keys = log_keys.concat();
    let authorities = case.text("ca").or(case.text("ca_roots"));
    if authorities.is_none() && log_keys.is_empty() {
        let keys = case.list("keys").iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let keys = keys.iter().filter_map(|pem| PublicKey::from_pem(pem).ok());
        let made = keys.into_iter().any(|key| key.verifies(&signed.message, &signature.bytes));
        return Ok(if made {
            Verdict::Accepted
        } else {
            Verdict::refused("signature-untrusted", "none of the keys")
        });
    }
    let Some(material) = &signed.material else {
        return Ok(Verdict::refused("signature-untrusted", "no certificate, no log"));
    };
    let roots = authorities.map(|name| case.read(name)).transpose()?.unwrap_or_default();
    let between = case.text("ca_intermediates").map(|name| case.read(name)).transpose()?;
    let between = between.unwrap_or_default();
    let files = PrivateRoot {
        roots: &roots,
        intermediates: &between,
        log_keys: &log_keys,
        ..PrivateRoot::default()
    };
    let root = TrustedRoot::from_pem(&files).map_err(|error| error.to_string())?;
    let claim = Claim {
        content: Content::Message(&signed.message),
        signature: &signature.bytes,
        stated_digest: None,
        material,
    };
    let logs = usize::from(!log_keys.is_empty());
    let times = match logs {
        0 => Times::At(PRIVATE_TIME.parse().expect("a time")),
        _ => Times::Proven(1),
    };
    let demands = Demands { logs, times, no_ct_log: NoCtLog::Allow, now: None };
    let verified = if authorities.is_some() {
        let exact = |text: &str| TextMatch::Exact(text.to_owned());
        let identity = KeylessIdentity {
            issuer: case.text("issuer").map(exact),
            subject: exact(case.text("identity").unwrap_or_default()),
        };
        sigstore::verify(&claim, &identity, &root, &demands).map(drop)
    } else {
        let pem = case.read(case.list("keys").first().ok_or("no key")?)?;
        let key = PublicKey::from_pem(&pem).map_err(|error| error.to_string())?;
        sigstore::verify_keyed(&claim, &key, &root, &demands).map(drop)
    };
    Ok(match verified {
        Ok(()) => Verdict::Accepted,
        Err(error) => Verdict::refused(error.code(), error),
    })
}
