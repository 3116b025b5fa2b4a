//! What cosign 2.5.0, 3.1.1 and 3.1.3 really wrote, and published cosign cases of others.

use std::{fs, path::PathBuf};

use super::*;
use crate::trust::{PublicKey, SignerKeys};

/// A folder of files that are not part of the product; `None`, and a word about it, where it is not here.
pub(super) fn folder(variable: &str, default: &str) -> Option<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os(variable).map_or_else(|| here.join(default), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: {} is not here; set {variable}", folder.display());
        return None;
    }
    Some(folder)
}

fn signer(pem: &[u8]) -> TrustRules {
    let keys = SignerKeys::new(vec![PublicKey::from_pem(pem).unwrap()]).unwrap();
    let signers = BTreeMap::from([("captured".to_owned(), keys)]);
    TrustRules::new(signers, vec![rule(("**", "signature sbom", "captured", 1))]).unwrap()
}

/// An image whose index is this file.
fn image_of(index: &[u8]) -> Image {
    image_with(std::str::from_utf8(index).unwrap())
}

fn prove_here(raws: &[Raw], index: &[u8], rules: &TrustRules) -> Proofs {
    prove(raws, &image_of(index), rules, &location("127.0.0.1:5000/app/bk"), &Limits::default())
}

fn one_signer(list: &[Proof<Claimed>]) -> bool {
    matches!(list, [proof] if names_of(proof) == ["captured"])
}

/// The annotation with the signature, from the captured manifest.
fn annotated(mut raw: Raw, manifest: &[u8]) -> Raw {
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let annotations = manifest["layers"][0]["annotations"].as_object().unwrap();
    let texts = annotations.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned()));
    raw.annotations = texts.collect();
    raw
}

#[test]
fn what_cosign_wrote_with_keys_is_proven() {
    let Some(folder) = folder("HALLMARK_CAPTURED", "../shared/captured") else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let index = read("buildkit-image-index.json");
    let (old, new) = (signer(&read("cosign-2.5.0.pub")), signer(&read("cosign-3.1.1.pub")));

    let payload = raw("sig", MediaType::SIMPLE_SIGNING, read("cosign-2.5.0-simplesigning.json"));
    let signature = annotated(payload, &read("cosign-2.5.0-sig-manifest.json"));
    let envelope = raw("att", MediaType::DSSE, read("cosign-2.5.0-att-dsse.json"));
    let attestation = annotated(envelope, &read("cosign-2.5.0-att-manifest.json"));
    let bundle = raw("bundle", BUNDLE, read("cosign-3.1.1-bundle-v0.3.json"));

    let proofs = prove_here(&[signature.clone(), attestation.clone()], &index, &old);
    assert!(one_signer(&proofs.signatures) && one_signer(&proofs.attestations), "{proofs:?}");
    assert_eq!(codes(&proofs), []);
    let proofs = prove_here(std::slice::from_ref(&bundle), &index, &new);
    assert!(one_signer(&proofs.signatures), "{proofs:?}");
    assert_eq!(codes(&proofs), []);

    for raw in [&signature, &attestation, &bundle] {
        let swapped = if raw.carrier == bundle.carrier { &old } else { &new };
        let proofs = prove_here(std::slice::from_ref(raw), &index, swapped);
        assert!(codes(&proofs).contains(&Code::SignatureUntrusted), "other key: {proofs:?}");
        let right = if raw.carrier == bundle.carrier { &new } else { &old };
        let moved = prove_here(std::slice::from_ref(raw), b"another index", right);
        assert!(codes(&moved).contains(&Code::SignatureSubjectMismatch), "moved: {moved:?}");
        let mut all = moved.signatures.iter().chain(&moved.attestations);
        assert!(all.all(|proof| proof.proven().is_none()));
    }
}

/// `cosign sign-blob` over a file, attached to an image whose bytes are others, with the very key that is trusted.
#[test]
fn a_bundle_that_cosign_made_of_a_blob_is_no_signature_of_an_image() {
    let Some(folder) = folder("HALLMARK_CAPTURED", "../shared/captured") else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let index = read("cosign-3.1.3-keyless-subject-index.json");
    let bundle = raw("k", BUNDLE, read("cosign-2.5.0-blob-bundle-v0.3.json"));
    let attached = |about: &[u8]| Raw { attached_to: ManifestDigest::of(about), ..bundle.clone() };
    let rules = signer(&read("cosign-2.5.0.pub"));
    let proofs = prove_here(&[attached(&index)], &index, &rules);
    let mut all = proofs.signatures.iter().chain(&proofs.attestations);
    assert!(all.all(|proof| proof.proven().is_none()), "{proofs:?}");
    assert_eq!(codes(&proofs), [Code::SignatureMissing, Code::SignatureInvalid], "{proofs:?}");
}

/// The key hint that cosign 3 writes is the fingerprint of its key.
#[test]
fn the_hint_of_cosign_names_its_key() {
    let Some(folder) = folder("HALLMARK_CAPTURED", "../shared/captured") else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let bundle: Value = serde_json::from_slice(&read("cosign-3.1.1-bundle-v0.3.json")).unwrap();
    let hint = bundle["verificationMaterial"]["publicKey"]["hint"].as_str().unwrap();
    let [own, other] = ["cosign-3.1.1.pub", "cosign-2.5.0.pub"]
        .map(|name| PublicKey::from_pem(&read(name)).unwrap());
    assert!(own.is_hinted_by(hint) && !other.is_hinted_by(hint));
}

/// Published cases that come out otherwise here, and why. Strict: one that comes out as published fails the test.
const DIFFERENT: [(&str, &str); 4] = [
    ("key-rekor-valid#wrong-rekor-key", "entries of transparency logs are not judged yet"),
    ("key-valid#match-exact", MIRRORS),
    ("key-valid#wrong-reference", MIRRORS),
    ("key-valid-2-signatures#wrong-reference", MIRRORS),
];
const MIRRORS: &str = "the repository in the payload is not compared: mirrors are honest";

/// Cases of containers/image that need keys alone.
#[test]
fn published_cosign_images_with_keys() {
    let Some(folder) = folder("HALLMARK_CONFORMANCE", "../shared/conformance") else { return };
    let folder = folder.join("cosign-image");
    let table = fs::read_to_string(folder.join("CASES.tsv")).unwrap();
    let mut different = 0;
    for line in table.lines().filter_map(|line| line.strip_prefix("containers-image/")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, expect, inputs, ..] = fields.as_slice() else { panic!("{line}") };
        let inputs: Value = serde_json::from_str(inputs).unwrap();
        let (Some(image), None) =
            (inputs["image_dir"].as_str(), inputs.get("ca").or(inputs.get("ca_roots")))
        else {
            continue;
        };
        let mut keys = inputs["keys"].as_array().into_iter().flatten();
        let passes = keys.any(|key| {
            let pem = fs::read(folder.join(key.as_str().unwrap())).unwrap();
            passes(&folder.join(image), &signer(&pem))
        });
        let reason = DIFFERENT.iter().find(|(case, _)| case == name).map(|(_, reason)| reason);
        assert_eq!(passes == (*expect == "pass"), reason.is_none(), "{line}: {reason:?}");
        different += usize::from(reason.is_some());
    }
    assert_eq!(different, DIFFERENT.len(), "a case of the list is gone");
}

fn passes(place: &std::path::Path, rules: &TrustRules) -> bool {
    let Ok(manifest) = fs::read(place.join("manifest.json")) else { return false };
    let numbers = (1..).map(|n: u8| n.to_string());
    let stored = numbers.map_while(|n| {
        let text = fs::read(place.join(format!("signature-{n}.json"))).ok()?;
        let stored: Value = serde_json::from_slice(&text).unwrap();
        let payload = fs::read(place.join(format!("signature-{n}.payload.json"))).unwrap();
        let mut raw = raw(&n, stored["mimeType"].as_str().unwrap(), payload);
        let annotations = stored["annotations"].as_object().into_iter().flatten();
        raw.annotations =
            annotations.map(|(k, v)| (k.clone(), v.as_str().unwrap().into())).collect();
        Some(raw)
    });
    let proofs = prove_here(&stored.collect::<Vec<_>>(), &manifest, rules);
    proofs.signatures.iter().any(|proof| proof.proven().is_some())
}
