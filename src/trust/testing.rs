//! Keys, images and evidence for the tests of this folder.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use sigstore::crypto::{SigningScheme, signing_key::SigStoreSigner};

use super::{
    Basis, Claimed, Force, Proof, PublicKey, Rule, Signer, SignerIdentity, SignerKeys, TrustRules,
    Verified,
};
use crate::{
    attest::{Carrier, Listing, Raw, cosign},
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{Checked, Descriptor, Image, ImageConfig, Index, Manifest, MediaType, RuntimeConfig},
    limits::Limits,
    reference::{Location, Reference},
};

pub const SLSA: &str = "https://slsa.dev/provenance/v1";
pub const SPDX: &str = "https://spdx.dev/Document";

/// A key pair made for one test.
pub struct TestKey {
    signer: SigStoreSigner,
    /// The public half as PEM.
    pub pem: String,
    /// The public half.
    pub public: PublicKey,
}

impl TestKey {
    /// A new key pair.
    pub fn new(scheme: SigningScheme) -> Self {
        let signer = scheme.create_signer().unwrap();
        let pem = signer.to_sigstore_keypair().unwrap().public_key_to_pem().unwrap();
        let public = PublicKey::from_pem(pem.as_bytes()).unwrap();
        Self { signer, pem, public }
    }

    /// A new key pair of the kind that cosign makes.
    pub fn p256() -> Self {
        Self::new(SigningScheme::ECDSA_P256_SHA256_ASN1)
    }

    /// A signature over `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.signer.sign(message).unwrap()
    }

    /// A signature as a DSSE envelope lists it.
    pub fn dsse(&self, payload: &[u8]) -> Value {
        let pae = sigstore_types::pae(MediaType::IN_TOTO, payload);
        json!({ "keyid": "", "sig": STANDARD.encode(self.sign(&pae)) })
    }
}

pub fn location(text: &str) -> Location {
    match text.parse() {
        Ok(Reference::At(location, _)) => location,
        other => panic!("{text}: {other:?}"),
    }
}

/// Rules from signers (name, keys) and rules (pattern, predicates, signers, threshold); words are separated by blanks.
pub fn rules(signers: &[(&str, &[&TestKey])], grants: &[(&str, &str, &str, usize)]) -> TrustRules {
    let keys = |keys: &[&TestKey]| SignerKeys::new(keys.iter().map(|k| k.public.clone()).collect());
    let signers = signers.iter().map(|(name, k)| ((*name).to_owned(), keys(k).unwrap())).collect();
    let rules = grants.iter().map(|grant| rule(*grant)).collect();
    TrustRules::new(signers, rules).unwrap()
}

pub fn rule((images, predicates, signers, threshold): (&str, &str, &str, usize)) -> Rule {
    Rule {
        images: images.split_whitespace().map(|i| i.parse().unwrap()).collect(),
        predicates: predicates.split_whitespace().map(|p| p.parse().unwrap()).collect(),
        signers: signers.split_whitespace().map(str::to_owned).collect(),
        threshold,
        force: Force::Grant,
    }
}

/// A blank document: `trust` looks at digests and bytes alone.
fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
    Descriptor {
        media_type: MediaType::new(media_type),
        digest: BlobDigest::of(content),
        size: content.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

fn checked(text: &str) -> Checked<ManifestDigest> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Checked { digest: ManifestDigest::of(&bytes), bytes }
}

pub const MANIFEST: &str = "the platform's manifest";
pub const ATTESTATIONS: &str = "the attestation manifest";

/// An image with an index that lists [`MANIFEST`] and [`ATTESTATIONS`]; `index` is the index's text.
pub fn image_with(index: &str) -> Image {
    let index = checked(index);
    let config = Checked { digest: ConfigDigest::of(b"{}"), bytes: Bytes::from_static(b"{}") };
    let platform: crate::image::Platform = "linux/amd64".parse().unwrap();
    let oci = || MediaType::new(MediaType::OCI_MANIFEST);
    let place = format!("r.example/team/app@{}", index.digest);
    let Ok(Reference::At(location, _)) = place.parse() else { panic!("{place}") };
    Image {
        reference: crate::reference::PinnedReference { location, digest: index.digest.clone() },
        index: Some(std::sync::Arc::new(Index {
            document: index,
            media_type: MediaType::new(MediaType::OCI_INDEX),
            manifests: [MANIFEST, ATTESTATIONS]
                .map(|text| descriptor(MediaType::OCI_MANIFEST, text.as_bytes()))
                .to_vec(),
            annotations: BTreeMap::new(),
        })),
        outer: Vec::new(),
        left_out: std::sync::Arc::default(),
        manifest: Manifest {
            document: checked(MANIFEST),
            media_type: oci(),
            artifact_type: None,
            config: descriptor(MediaType::OCI_CONFIG, b"{}"),
            layers: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        },
        config: std::sync::Arc::new(ImageConfig {
            document: config,
            platform: (&platform).into(),
            created: None,
            runtime: RuntimeConfig::default(),
            diff_ids: Vec::new(),
            history: Vec::new(),
        }),
        platform,
    }
}

pub fn image() -> Image {
    image_with("the index")
}

/// The digest of the index of [`image`].
pub fn index() -> ManifestDigest {
    ManifestDigest::of(b"the index")
}

/// The digest of the manifest of [`image`].
pub fn manifest() -> ManifestDigest {
    ManifestDigest::of(MANIFEST.as_bytes())
}

/// A statement about one digest.
pub fn statement(predicate_type: &str, digest: &ManifestDigest) -> Vec<u8> {
    let subject = json!([{ "name": "app", "digest": { "sha256": digest.hex() } }]);
    statement_about(predicate_type, subject)
}

pub fn statement_about(predicate_type: &str, subject: Value) -> Vec<u8> {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": predicate_type,
        "predicate": { "a": 1 },
    })
    .to_string()
    .into_bytes()
}

/// A DSSE envelope around a payload.
pub fn envelope(payload: &[u8], signatures: &[Value]) -> Value {
    json!({
        "payloadType": MediaType::IN_TOTO,
        "payload": STANDARD.encode(payload),
        "signatures": signatures,
    })
}

/// A bundle made with a key, as cosign 3 writes it.
pub fn bundle(envelope: Value, hint: &str) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": hint } },
        "dsseEnvelope": envelope,
    })
}

pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Evidence as a referrer; `place` tells carriers apart.
pub fn raw(place: &str, media_type: &str, bytes: impl Into<Vec<u8>>) -> Raw {
    let manifest = ManifestDigest::of(place.as_bytes());
    Raw {
        carrier: Carrier::Referrer { manifest, via: Listing::Api },
        media_type: MediaType::new(media_type),
        bytes: Bytes::from(bytes.into()),
        annotations: BTreeMap::new(),
        attached_to: index(),
    }
}

/// An attestation signed by each of the keys, in an envelope of its own.
pub fn attested(place: &str, payload: &[u8], keys: &[&TestKey]) -> Raw {
    let signatures: Vec<Value> = keys.iter().map(|key| key.dsse(payload)).collect();
    raw(place, MediaType::DSSE, envelope(payload, &signatures).to_string())
}

/// A payload as cosign 2 signs it.
pub fn simple_payload(digest: &ManifestDigest) -> String {
    json!({
        "critical": {
            "identity": { "docker-reference": "r.example/team/app" },
            "image": { "docker-manifest-digest": digest.to_string() },
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
}

/// A cosign 2 signature over `signed`, on a layer with the content `payload`.
pub fn simple(place: &str, payload: &str, signed: &str, key: &TestKey) -> Raw {
    let mut raw = raw(place, MediaType::SIMPLE_SIGNING, payload);
    let signature = STANDARD.encode(key.sign(signed.as_bytes()));
    raw.annotations.insert(cosign::SIGNATURE_ANNOTATION.to_owned(), signature);
    raw
}

/// A bare statement in the attestation manifest of the index of [`image`].
pub fn bare(payload: &[u8]) -> Raw {
    let mut raw = raw("bare", MediaType::IN_TOTO, payload);
    raw.carrier = Carrier::IndexAttestation {
        manifest: ManifestDigest::of(ATTESTATIONS.as_bytes()),
        index: index(),
    };
    raw
}

/// A proof of [`manifest`] as it comes out where this signer may vouch for the statement.
pub fn vouched_for<T>(value: T, identity: SignerIdentity) -> Proof<T> {
    let signer = Signer { name: "ci".to_owned(), identity };
    let carrier = raw("proof", MediaType::DSSE, "").carrier;
    let payload = crate::digest::Digest::sha256(b"payload");
    let verified = Verified::new(value, manifest(), vec![signer], Basis::Signed, carrier, payload);
    Proof::Proven(verified)
}

/// As [`vouched_for`], for a statement.
pub fn said_by(statement: crate::attest::Statement, identity: SignerIdentity) -> Proof<Claimed> {
    vouched_for(Claimed::proven(statement, &Limits::default()), identity)
}
