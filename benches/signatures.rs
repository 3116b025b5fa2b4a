//! What verifying a signature costs, next to what cannot be saved: the operation of the crypto provider itself.
//!
//! `raw` verifies the same signatures over the same bytes with aws-lc-rs alone; `hallmark` goes from the stored bundles to
//! proofs, which includes reading JSON and base64, the statement, and the trust rules. The lines printed at the end are the
//! ratios, and the time of one keyless bundle with a proof of Rekor v2 and a timestamp (`fixtures/keyless`).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use hallmark::{
    attest::{Carrier, Listing, Raw},
    digest::{BlobDigest, ConfigDigest, ManifestDigest},
    image::{
        Checked, Descriptor, Image, ImageConfig, Index, Manifest, MediaType, Platform,
        RuntimeConfig,
    },
    limits::Limits,
    reference::{PinnedReference, Reference, Selector},
    trust::{
        Force, Keyless, Proof, PublicKey, Rule, SignerKeys, TrustRules,
        sigstore::{Demands, KeylessIdentity, NoCtLog, TextMatch, TrustedRoot},
        verify::prove,
    },
};
use serde_json::{Value, json};
use sigstore::crypto::SigningScheme;

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Bundles that are verified together: as many as an image with some history has.
const BUNDLES: usize = 32;
const ROUNDS: usize = 25;

/// One kind of key: name, how it signs, how the provider verifies, and where its raw form begins in the key's DER.
type Kind = (&'static str, SigningScheme, &'static dyn VerificationAlgorithm, usize);

const KINDS: [Kind; 4] = [
    ("P-256", SigningScheme::ECDSA_P256_SHA256_ASN1, &ECDSA_P256_SHA256_ASN1, 26),
    ("P-384", SigningScheme::ECDSA_P384_SHA384_ASN1, &ECDSA_P384_SHA384_ASN1, 23),
    ("Ed25519", SigningScheme::ED25519, &ED25519, 12),
    ("RSA-2048", SigningScheme::RSA_PKCS1_SHA256(2048), &RSA_PKCS1_2048_8192_SHA256, 24),
];

fn checked(bytes: &[u8]) -> Checked<ManifestDigest> {
    Checked { digest: ManifestDigest::of(bytes), bytes: Bytes::copy_from_slice(bytes) }
}

/// An image whose index has these bytes.
fn image(index: &[u8]) -> Image {
    let document = checked(index);
    let text = format!("registry.example/app@{}", document.digest);
    let Ok(Reference::At(location, Selector::Digest(digest))) = text.parse() else {
        panic!("{text}")
    };
    let platform: Platform = "linux/amd64".parse().unwrap();
    let config = Checked { digest: ConfigDigest::of(b"{}"), bytes: Bytes::from_static(b"{}") };
    Image {
        reference: PinnedReference { location, digest },
        index: Some(std::sync::Arc::new(Index {
            document,
            media_type: MediaType::new(MediaType::OCI_INDEX),
            manifests: Vec::new(),
            annotations: BTreeMap::new(),
        })),
        outer: Vec::new(),
        left_out: std::sync::Arc::default(),
        manifest: Manifest {
            document: checked(b"the platform's manifest"),
            media_type: MediaType::new(MediaType::OCI_MANIFEST),
            artifact_type: None,
            config: Descriptor {
                media_type: MediaType::new(MediaType::OCI_CONFIG),
                digest: BlobDigest::of(b"{}"),
                size: 2,
                platform: None,
                selective: false,
                artifact_type: None,
                annotations: BTreeMap::new(),
            },
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

fn raw(name: &str, bundle: &[u8], image: &Image) -> Raw {
    Raw {
        carrier: Carrier::Referrer {
            manifest: ManifestDigest::of(name.as_bytes()),
            via: Listing::Api,
        },
        media_type: MediaType::new(BUNDLE),
        bytes: Bytes::copy_from_slice(bundle),
        annotations: BTreeMap::new(),
        attached_to: image.reference.digest.clone(),
    }
}

fn trusting(keys: SignerKeys) -> TrustRules {
    let rule = Rule {
        images: vec!["**".parse().unwrap()],
        predicates: ["signature", "provenance"].map(|p| p.parse().unwrap()).to_vec(),
        signers: vec!["signer".to_owned()],
        threshold: 1,
        force: Force::Grant,
    };
    TrustRules::new(BTreeMap::from([("signer".to_owned(), keys)]), vec![rule]).unwrap()
}

/// Signatures in bundles, and what each is over.
struct Signed {
    rules: TrustRules,
    key: Vec<u8>,
    raws: Vec<Raw>,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

fn sign(scheme: SigningScheme, key_from: usize, image: &Image) -> Signed {
    let signer = scheme.create_signer().unwrap();
    let pem = signer.to_sigstore_keypair().unwrap().public_key_to_pem().unwrap();
    let public = PublicKey::from_pem(pem.as_bytes()).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
    let key = STANDARD.decode(body).unwrap()[key_from..].to_vec();
    let (mut raws, mut signed) = (Vec::new(), Vec::new());
    for number in 0..BUNDLES {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "app", "digest": { "sha256": image.reference.digest.hex() } }],
            "predicateType": "https://slsa.dev/provenance/v1", "predicate": { "number": number },
        })
        .to_string();
        let message = sigstore_types::pae(MediaType::IN_TOTO, statement.as_bytes());
        let signature = signer.sign(&message).unwrap();
        let bundle = json!({
            "mediaType": BUNDLE, "verificationMaterial": { "publicKey": { "hint": "" } },
            "dsseEnvelope": {
                "payloadType": MediaType::IN_TOTO, "payload": STANDARD.encode(statement),
                "signatures": [{ "keyid": "", "sig": STANDARD.encode(&signature) }],
            },
        });
        raws.push(raw(&number.to_string(), bundle.to_string().as_bytes(), image));
        signed.push((message, signature));
    }
    let rules = trusting(SignerKeys::new(vec![public]).unwrap());
    Signed { rules, key, raws, signed }
}

fn verify_raw(algorithm: &'static dyn VerificationAlgorithm, signed: &Signed) {
    let key = UnparsedPublicKey::new(algorithm, &signed.key);
    for (message, signature) in &signed.signed {
        key.verify(black_box(message), black_box(signature)).unwrap();
    }
}

fn verify_all(signed: &Signed, image: &Image) {
    let location = &image.reference.location;
    let proofs = prove(black_box(&signed.raws), image, &signed.rules, location, &Limits::default());
    let proven = proofs.attestations.iter().filter(|p| matches!(p, Proof::Proven(_))).count();
    assert_eq!(proven, BUNDLES);
}

/// A bundle by an identity of a private Sigstore.
struct Certified {
    image: Image,
    rules: TrustRules,
    raw: Raw,
}

fn certified() -> Certified {
    let image = image(include_bytes!("../fixtures/keyless/index.json"));
    let root = include_bytes!("../fixtures/keyless/trusted-root.json");
    let root = TrustedRoot::from_json(root, &Limits::default()).unwrap();
    let who: Value =
        serde_json::from_slice(include_bytes!("../fixtures/keyless/signer.json")).unwrap();
    let text = |name: &str| TextMatch::Exact(who[name].as_str().unwrap().to_owned());
    let keyless = Keyless {
        identity: KeylessIdentity { issuer: Some(text("issuer")), subject: text("identity") },
        root: Arc::new(root),
        demands: Demands { no_ct_log: NoCtLog::Allow, ..Demands::default() },
    };
    let raw = raw("keyless", include_bytes!("../fixtures/keyless/bundle.json"), &image);
    Certified { rules: trusting(SignerKeys::keyless(keyless)), raw, image }
}

impl Certified {
    fn verify(&self) {
        let location = &self.image.reference.location;
        let raws = std::slice::from_ref(&self.raw);
        let proofs = prove(black_box(raws), &self.image, &self.rules, location, &Limits::default());
        assert!(matches!(proofs.signatures.as_slice(), [Proof::Proven(_)]), "{proofs:?}");
    }
}

/// The middle one of several times, in turns with the other so that both meet the same machine.
fn medians(mut one: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (run, times) in [(&mut one as &mut dyn FnMut(), &mut ones), (&mut other, &mut others)] {
            let began = Instant::now();
            run();
            times.push(began.elapsed());
        }
    }
    ones.sort();
    others.sort();
    (ones[ROUNDS / 2], others[ROUNDS / 2])
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let image = image(b"the index");
    let made: Vec<(Kind, Signed)> =
        KINDS.map(|kind| (kind, sign(kind.1, kind.3, &image))).into_iter().collect();
    let certified = certified();
    {
        let mut group = criterion.benchmark_group("signatures");
        group.sample_size(20).throughput(Throughput::Elements(BUNDLES as u64));
        for ((name, _, algorithm, _), signed) in &made {
            group.bench_function(format!("{name} raw"), |b| {
                b.iter(|| verify_raw(*algorithm, signed));
            });
            group.bench_function(format!("{name} hallmark"), |b| {
                b.iter(|| verify_all(signed, &image));
            });
        }
        group.throughput(Throughput::Elements(1));
        group.bench_function("keyless hallmark", |b| b.iter(|| certified.verify()));
        group.finish();
    }
    criterion.final_summary();
    for ((name, _, algorithm, _), signed) in &made {
        let (raw, ours) = medians(|| verify_raw(*algorithm, signed), || verify_all(signed, &image));
        let each = |time: Duration| time.as_secs_f64() * 1e6 / BUNDLES as f64;
        let ratio = raw.as_secs_f64() / ours.as_secs_f64();
        println!(
            "{name}: {:.1} us a bundle, {:.1} us for the raw operation: {:.0} % of its speed",
            each(ours),
            each(raw),
            ratio * 100.0
        );
    }
    let (one, _) = medians(|| certified.verify(), || ());
    println!("keyless with Rekor v2 and a timestamp: {:.0} us", one.as_secs_f64() * 1e6);
}
