//! Bundles by somebody whom the services believe: the certificate, the log entry and the timestamp are real, and what is put
//! together from them, or signed with them, is not what an honest client makes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::services::{Authority, Curve, Key, Lab};
use crate::{Donors, Expect, Outcome, Sink};
use Expect::{Either, Fail, Pass};

/// Requests to the services at one time.
pub(crate) const AT_ONCE: usize = 8;
const USER: &str = "user@example.com";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

/// A bundle to be made. Its default is what cosign makes.
pub(crate) struct Draft {
    pub(crate) payload: String,
    pub(crate) payload_type: &'static str,
    pub(crate) curve: Curve,
    pub(crate) stamp: Stamp,
    pub(crate) entry: Entry,
}

/// What the timestamp is over, and whose it is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Stamp {
    Signature,
    /// Two, some time apart
    SignatureTwice,
    Payload,
    ByOther,
    /// And the certificate is asked for afterwards
    BeforeCertificate,
    ByTrustedAndOther,
}

/// What the log entry is about.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    Own,
    /// The same key and certificate, another payload
    OtherPayload,
    /// A checkpoint in the log's name, signed with a key of ours
    ForgedCheckpoint,
}

/// name, what to expect, why, verified as which base, the draft for (image, other image).
type Row = (&'static str, Expect, &'static str, &'static str, fn(&str, &str) -> Draft);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("crafted", Pass, "made by hand as cosign makes it", "keyless", |a, _| Draft::of(&statement(a))),
    ("crafted-p384", Pass, "a key on P-384", "keyless", |a, _| Draft { curve: Curve::P384, ..Draft::of(&statement(a)) }),
    ("crafted-two-timestamps", Pass, "two timestamps over the signature", "keyless", |a, _| Draft { stamp: Stamp::SignatureTwice, ..Draft::of(&statement(a)) }),
    ("crafted-timestamps-one-good", Pass, "a second timestamp, by an authority that is not trusted", "keyless", |a, _| Draft { stamp: Stamp::ByTrustedAndOther, ..Draft::of(&statement(a)) }),
    ("crafted-two-subjects", Pass, "one statement about two images", "keyless", |a, b| Draft::of(&subjects(&[sha256(b), sha256(a)]))),
    ("crafted-subject-named", Pass, "a subject with a name of its own", "keyless", |a, _| Draft::of(&subjects(&[json!({"name": "anything", "digest": {"sha256": hex_of(a)}})]))),
    ("crafted-two-digests", Pass, "a subject with a second digest of another algorithm", "keyless", |a, _| Draft::of(&subjects(&[json!({"digest": {"sha256": hex_of(a), "gitCommit": "3107087b6969fafd32efa5c7ec31cc8a452e9655"}})]))),
    ("crafted-statement-v0.1", Pass, "in-toto statement v0.1", "keyless", |a, _| Draft::of(&statement(a).replace("Statement/v1", "Statement/v0.1"))),
    ("crafted-subject-other", Fail, "a statement about another image", "keyless", |_, b| Draft::of(&statement(b))),
    ("crafted-subject-none", Fail, "a statement about nothing", "keyless", |_, _| Draft::of(&subjects(&[]))),
    ("crafted-subject-name-only", Fail, "the image's digest as a name and another as digest", "keyless", |a, b| Draft::of(&subjects(&[json!({"name": a, "digest": {"sha256": hex_of(b)}})]))),
    ("crafted-subject-upper-case", Fail, "digest in upper case", "keyless", |a, _| Draft::of(&subjects(&[json!({"digest": {"sha256": hex_of(a).to_uppercase()}})]))),
    ("crafted-subject-algorithm", Fail, "the digest under the name of another algorithm", "keyless", |a, _| Draft::of(&subjects(&[json!({"digest": {"sha512": hex_of(a)}})]))),
    ("crafted-subject-algorithm-case", Fail, "the algorithm's name in upper case", "keyless", |a, _| Draft::of(&subjects(&[json!({"digest": {"SHA256": hex_of(a)}})]))),
    ("crafted-subject-prefix", Fail, "half of the digest", "keyless", |a, _| Draft::of(&subjects(&[json!({"digest": {"sha256": hex_of(a).get(..32)}})]))),
    ("crafted-subject-digests-disagree", Fail, "sha256 of another image, the image's own as sha3", "keyless", |a, b| Draft::of(&subjects(&[json!({"digest": {"sha256": hex_of(b), "sha3_256": hex_of(a)}})]))),
    ("crafted-duplicate-subject", Fail, "two members subject, the last of them about the image", "keyless", |a, b| Draft::of(&statement(a).replacen("\"subject\":", &format!("\"subject\":{},\"subject\":", json!([sha256(b)])), 1))),
    ("crafted-duplicate-digest", Fail, "two members sha256, the last of them the image's", "keyless", |a, b| Draft::of(&statement(a).replacen("\"sha256\":", &format!("\"sha256\":\"{}\",\"sha256\":", hex_of(b)), 1))),
    ("crafted-trailing-statement", Fail, "a second statement after the first", "keyless", |a, b| Draft::of(&format!("{}{}", statement(a), statement(b)))),
    ("crafted-statement-type", Fail, "an in-toto type that does not exist", "keyless", |a, _| Draft::of(&statement(a).replace("Statement/v1", "Statement/v9"))),
    ("crafted-statement-no-type", Fail, "no in-toto type", "keyless", |a, _| Draft::of(&statement(a).replacen("\"_type\"", "\"type\"", 1))),
    ("crafted-payload-type", Fail, "a statement signed as text", "keyless", |a, _| Draft { payload_type: "text/plain", ..Draft::of(&statement(a)) }),
    ("crafted-payload-type-in-toto", Fail, "a statement signed as another in-toto media type", "keyless", |a, _| Draft { payload_type: "application/vnd.in-toto.provenance+json", ..Draft::of(&statement(a)) }),
    ("crafted-other-predicate", Fail, "a statement of another kind, given as a signature", "keyless", |a, _| Draft::of(&statement(a).replace(SIGN, "https://example.org/scan-failed/v1"))),
    ("crafted-predicate-prefix", Fail, "provenance of a type that only begins like SLSA's", "attest", |a, _| Draft::of(&statement(a).replace(SIGN, "https://slsa.dev/provenance/v1.evil.example"))),
    ("crafted-stamp-payload", Fail, "timestamp over the payload and not the signature", "keyless", |a, _| Draft { stamp: Stamp::Payload, ..Draft::of(&statement(a)) }),
    ("crafted-stamp-other", Fail, "timestamp over the signature by an authority that is not trusted", "keyless", |a, _| Draft { stamp: Stamp::ByOther, ..Draft::of(&statement(a)) }),
    ("crafted-stamp-before-certificate", Fail, "signed before the certificate was valid", "keyless", |a, _| Draft { stamp: Stamp::BeforeCertificate, ..Draft::of(&statement(a)) }),
    ("crafted-entry-other", Fail, "log entry is of another payload by the same key and certificate", "keyless", |a, _| Draft { entry: Entry::OtherPayload, ..Draft::of(&statement(a)) }),
    ("crafted-checkpoint-forged", Fail, "checkpoint in the log's name by somebody else's key", "keyless", |a, _| Draft { entry: Entry::ForgedCheckpoint, ..Draft::of(&statement(a)) }),
];

impl Draft {
    pub(crate) fn of(payload: &str) -> Draft {
        Draft {
            payload: payload.to_owned(),
            payload_type: IN_TOTO,
            curve: Curve::P256,
            stamp: Stamp::Signature,
            entry: Entry::Own,
        }
    }
}

pub(crate) async fn write_all(
    lab: &Lab,
    image: &str,
    other: &str,
    donors: &Donors,
    sink: &Sink,
) -> Outcome<()> {
    let made = ROWS.iter().map(|row| async move {
        let draft = row.4(image, other);
        let key = Key::generate(draft.curve)?;
        make(lab, &draft, &key).await.map_err(|error| format!("{}: {error}", row.0).into())
    });
    // The log answers when its next batch is done, so they wait together.
    let made: Outcome<Vec<_>> = stream::iter(made).buffered(AT_ONCE).try_collect().await;
    for ((name, expect, reason, base, _), bundle) in ROWS.iter().zip(made?) {
        sink.put(name, *expect, reason, base, &bundle.to_string())?;
    }
    message(lab, image, donors, sink).await
}

/// A signature over the bytes of the image's own manifest, which a bundle can say and cosign's image signatures never do.
async fn message(lab: &Lab, image: &str, donors: &Donors, sink: &Sink) -> Outcome<()> {
    let key = Key::generate(Curve::P256)?;
    let Some(manifest) = donors.manifest() else { return Ok(()) };
    let certificate = lab.certificate(&key, USER).await?;
    let signature = key.sign(manifest)?;
    let stamps = vec![lab.stamp(Authority::Trusted, &signature).await?];
    let entry = lab.log(manifest, &signature, &key, &certificate).await?;
    let mut bundle = bundle(&certificate, &entry, &stamps);
    bundle["messageSignature"] = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(hex::decode(hex_of(image))?)},
        "signature": STANDARD.encode(&signature),
    });
    sink.put(
        "crafted-message",
        Either,
        "a signature over the manifest itself",
        "keyless",
        &bundle.to_string(),
    )?;
    bundle["messageSignature"]["messageDigest"]["digest"] = json!(STANDARD.encode([0; 32]));
    sink.put(
        "crafted-message-digest",
        Fail,
        "the same with another digest stated",
        "keyless",
        &bundle.to_string(),
    )
}

async fn make(lab: &Lab, draft: &Draft, key: &Key) -> Outcome<Value> {
    let signed = pae(draft.payload_type, &draft.payload);
    let signature = key.sign(&signed)?;
    let early = match draft.stamp {
        Stamp::BeforeCertificate => {
            let stamp = lab.stamp(Authority::Trusted, &signature).await?;
            // Both times have whole seconds.
            tokio::time::sleep(Duration::from_secs(3)).await;
            Some(stamp)
        }
        _ => None,
    };
    let certificate = lab.certificate(key, USER).await?;
    let mut bundle = assemble(lab, draft, key, &certificate, &signature).await?;
    if let Some(stamp) = early {
        bundle["verificationMaterial"]["timestampVerificationData"] = stamp_data(&[stamp]);
    }
    Ok(bundle)
}

/// The rest of a bundle whose certificate is there.
pub(crate) async fn assemble(
    lab: &Lab,
    draft: &Draft,
    key: &Key,
    certificate: &[u8],
    signature: &[u8],
) -> Outcome<Value> {
    let stamps = match draft.stamp {
        Stamp::Signature | Stamp::BeforeCertificate => {
            vec![lab.stamp(Authority::Trusted, signature).await?]
        }
        Stamp::SignatureTwice => {
            vec![
                lab.stamp(Authority::Trusted, signature).await?,
                lab.stamp(Authority::Trusted, signature).await?,
            ]
        }
        Stamp::ByTrustedAndOther => {
            vec![
                lab.stamp(Authority::Other, signature).await?,
                lab.stamp(Authority::Trusted, signature).await?,
            ]
        }
        Stamp::Payload => vec![lab.stamp(Authority::Trusted, draft.payload.as_bytes()).await?],
        Stamp::ByOther => vec![lab.stamp(Authority::Other, signature).await?],
    };
    let signed = pae(draft.payload_type, &draft.payload);
    let entry = match draft.entry {
        Entry::Own => lab.log(&signed, signature, key, certificate).await?,
        Entry::OtherPayload => {
            let other = b"something else";
            lab.log(other, &key.sign(other)?, key, certificate).await?
        }
        Entry::ForgedCheckpoint => {
            let mut entry = lab.log(&signed, signature, key, certificate).await?;
            let checkpoint = &mut entry["inclusionProof"]["checkpoint"]["envelope"];
            *checkpoint =
                json!(forge(&lab.log_origin, checkpoint.as_str().ok_or("no checkpoint")?, key)?);
            entry
        }
    };
    let mut bundle = bundle(certificate, &entry, &stamps);
    bundle["dsseEnvelope"] = json!({
        "payload": STANDARD.encode(&draft.payload),
        "payloadType": draft.payload_type,
        "signatures": [{"sig": STANDARD.encode(signature)}],
    });
    Ok(bundle)
}

fn bundle(certificate: &[u8], entry: &Value, stamps: &[Vec<u8>]) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": STANDARD.encode(certificate)},
            "tlogEntries": [entry],
            "timestampVerificationData": stamp_data(stamps),
        },
    })
}

fn stamp_data(stamps: &[Vec<u8>]) -> Value {
    let stamps: Vec<_> =
        stamps.iter().map(|stamp| json!({"signedTimestamp": STANDARD.encode(stamp)})).collect();
    json!({"rfc3161Timestamps": stamps})
}

/// The body of a signed note with a signature of ours, under the key id that the real one has.
fn forge(origin: &str, note: &str, key: &Key) -> Outcome<String> {
    let (body, signatures) = note.split_once("\n\n").ok_or("no signed note")?;
    let body = format!("{body}\n");
    let real = signatures.split(' ').nth(2).ok_or("no signature")?;
    let mut raw = STANDARD.decode(real.lines().next().unwrap_or_default())?;
    raw.truncate(4);
    raw.extend(key.sign(body.as_bytes())?);
    Ok(format!("{body}\n\u{2014} {origin} {}\n", STANDARD.encode(raw)))
}

/// DSSE v1, pre-authentication encoding.
pub(crate) fn pae(payload_type: &str, payload: &str) -> Vec<u8> {
    format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len()).into_bytes()
}

/// What cosign 3 signs for an image.
pub(crate) fn statement(image: &str) -> String {
    subjects(&[sha256(image)])
}

fn subjects(subjects: &[Value]) -> String {
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": SIGN, "predicate": {}}).to_string()
}

fn sha256(image: &str) -> Value {
    json!({"digest": {"sha256": hex_of(image)}})
}

fn hex_of(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}
