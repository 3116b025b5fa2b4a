//! Edits of bundles, one row each. Nothing here has a private key: what an attacker between signer and verifier can do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{Donors, Expect, Outcome, Sink};
use Expect::{Either, Fail, Pass};

/// An edit of the base bundle, with the other honest ones at hand.
enum Change {
    /// Of the document
    Edit(fn(&mut Value, &Donors) -> Outcome<()>),
    /// Of its text, where the document cannot say it
    Text(fn(&str) -> String),
}
use Change::{Edit, Text};

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
const ENTRIES: &str = "/verificationMaterial/tlogEntries";
const PROOF: &str = "/verificationMaterial/tlogEntries/0/inclusionProof";
const CHECKPOINT: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint";
const NOTE: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
const STAMPS: &str = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
const STAMP: &str =
    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
const CERTIFICATE: &str = "/verificationMaterial/certificate/rawBytes";
const SIGNATURES: &str = "/dsseEnvelope/signatures";
const SIGNATURE: &str = "/dsseEnvelope/signatures/0/sig";

/// name, what to expect, why, the honest bundle it starts from, the edit.
type Row = (&'static str, Expect, &'static str, &'static str, Change);

/// `keyless`: user@example.com on the image. `moved`: the same signer on another image. `older`: the same on the image, earlier in
/// the log. `evil`: another identity on the image. `foreign`: everything from services that nobody trusts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Harmless: what the signature does not cover, and what JSON leaves open.
    ("json-pretty", Pass, "same document, other white space", "keyless", Text(pretty)),
    ("json-number", Pass, "tree size and index as numbers, which proto3 JSON allows", "keyless", Edit(numbers)),
    ("keyid-added", Either, "a key id, which is a hint that nothing covers", "keyless", Edit(|b, _| set(b, "/dsseEnvelope/signatures/0/keyid", json!("anything")))),
    // The log entry.
    ("entry-of-another-artifact", Fail, "log entry is about another artifact", "keyless", Edit(|b, d| copy(b, d, "moved", ENTRY))),
    ("entry-of-another-signer", Fail, "log entry has another signer's certificate", "keyless", Edit(|b, d| copy(b, d, "evil", ENTRY))),
    ("entry-of-same-signer-again", Fail, "log entry is of another signature by the same identity over the same payload", "keyless", Edit(|b, d| copy(b, d, "older", ENTRY))),
    ("entry-from-other-log", Fail, "log entry comes from a log that is not trusted", "keyless", Edit(|b, d| copy(b, d, "foreign", ENTRY))),
    ("entry-missing", Fail, "no log entry", "keyless", Edit(|b, _| set(b, ENTRIES, json!([])))),
    ("entry-twice", Fail, "one log entry listed twice", "keyless", Edit(|b, _| twice(b, ENTRIES))),
    ("entry-body-edited", Fail, "log entry's digest edited to fit nothing", "keyless", Edit(|b, _| flip(b, "/verificationMaterial/tlogEntries/0/canonicalizedBody", 90))),
    ("entry-body-of-another", Fail, "body of another entry under this entry's proof", "keyless", Edit(|b, d| copy(b, d, "moved", "/verificationMaterial/tlogEntries/0/canonicalizedBody"))),
    ("entry-body-missing", Fail, "log entry without a body", "keyless", Edit(|b, _| remove(b, ENTRY, "canonicalizedBody"))),
    ("entry-kind-lies", Fail, "kind says dsse where the body says hashedrekord", "keyless", Edit(|b, _| set(b, "/verificationMaterial/tlogEntries/0/kindVersion/kind", json!("dsse")))),
    ("entry-version-lies", Fail, "version says 0.0.1 where the body says 0.0.2", "keyless", Edit(|b, _| set(b, "/verificationMaterial/tlogEntries/0/kindVersion/version", json!("0.0.1")))),
    ("entry-index-shifted", Fail, "log index of another entry", "keyless", Edit(|b, _| set(b, "/verificationMaterial/tlogEntries/0/logIndex", json!("0")))),
    ("entry-index-huge", Fail, "log index beyond the tree", "keyless", Edit(|b, _| set(b, "/verificationMaterial/tlogEntries/0/logIndex", json!("9223372036854775807")))),
    ("entry-log-id-other", Fail, "log id of a log that is not trusted", "keyless", Edit(|b, d| copy(b, d, "foreign", "/verificationMaterial/tlogEntries/0/logId/keyId"))),
    ("entry-time-invented", Fail, "integrated time that no log signed, in place of the timestamp", "keyless", Edit(|b, _| { set(b, "/verificationMaterial/tlogEntries/0/integratedTime", json!("1795473900"))?; set(b, STAMPS, json!([])) })),
    // Its proof and checkpoint.
    ("proof-missing", Fail, "no inclusion proof", "keyless", Edit(|b, _| remove(b, ENTRY, "inclusionProof"))),
    ("proof-hash-edited", Fail, "a bit of the proof's first hash changed", "keyless", Edit(|b, _| flip(b, "/verificationMaterial/tlogEntries/0/inclusionProof/hashes/0", 0))),
    ("proof-hash-dropped", Fail, "proof is one hash too short", "keyless", Edit(|b, _| { list(b, "/verificationMaterial/tlogEntries/0/inclusionProof/hashes")?.pop(); Ok(()) })),
    ("proof-hash-added", Fail, "proof is one hash too long", "keyless", Edit(|b, _| twice(b, "/verificationMaterial/tlogEntries/0/inclusionProof/hashes"))),
    ("proof-size-edited", Fail, "tree size is not the checkpoint's", "keyless", Edit(|b, _| set(b, "/verificationMaterial/tlogEntries/0/inclusionProof/treeSize", json!("1000")))),
    ("proof-root-edited", Fail, "root hash is not the checkpoint's", "keyless", Edit(|b, _| flip(b, "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash", 3))),
    ("checkpoint-missing", Fail, "proof without a checkpoint", "keyless", Edit(|b, _| remove(b, PROOF, "checkpoint"))),
    ("checkpoint-of-other-log", Fail, "checkpoint of a log that is not trusted", "keyless", Edit(|b, d| copy(b, d, "foreign", CHECKPOINT))),
    ("checkpoint-of-smaller-tree", Fail, "checkpoint of the log before the entry was in it", "keyless", Edit(|b, d| copy(b, d, "older", CHECKPOINT))),
    ("checkpoint-of-smaller-tree-fitted", Fail, "as before, with root hash and tree size to fit", "keyless", Edit(|b, d| { let index = b.pointer("/verificationMaterial/tlogEntries/0/logIndex").cloned(); copy(b, d, "older", PROOF)?; set(b, "/verificationMaterial/tlogEntries/0/logIndex", index.unwrap_or_default()) })),
    ("checkpoint-size-edited", Fail, "tree size in the checkpoint edited", "keyless", Edit(|b, _| line(b, 1, "1000"))),
    ("checkpoint-root-edited", Fail, "root hash in the checkpoint edited", "keyless", Edit(|b, _| line(b, 2, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))),
    ("checkpoint-origin-edited", Fail, "checkpoint says that it is another log's", "keyless", Edit(|b, _| line(b, 0, "log.example.org"))),
    ("checkpoint-unsigned", Fail, "checkpoint without its signature", "keyless", Edit(|b, _| line(b, 4, ""))),
    // The time.
    ("timestamp-missing", Fail, "nothing says when it was signed", "keyless", Edit(|b, _| set(b, STAMPS, json!([])))),
    ("timestamp-data-missing", Fail, "nothing says when it was signed, not even an empty list", "keyless", Edit(|b, _| remove(b, "/verificationMaterial", "timestampVerificationData"))),
    ("timestamp-of-another", Fail, "timestamp is over another signature", "keyless", Edit(|b, d| copy(b, d, "moved", STAMP))),
    ("timestamp-from-other-authority", Fail, "timestamp of an authority that is not trusted, over another signature", "keyless", Edit(|b, d| copy(b, d, "foreign", STAMP))),
    ("timestamp-twice", Either, "one timestamp listed twice", "keyless", Edit(|b, _| twice(b, STAMPS))),
    ("timestamp-edited", Fail, "a bit of the timestamp's signature changed", "keyless", Edit(|b, _| flip_last(b, STAMP))),
    ("timestamp-truncated", Fail, "timestamp cut short", "keyless", Edit(|b, _| bytes(b, STAMP, |x| x.truncate(x.len() / 2)))),
    ("timestamp-trailing-bytes", Fail, "bytes after the end of the timestamp", "keyless", Edit(|b, _| bytes(b, STAMP, |x| x.extend_from_slice(b"\0\0\0\0")))),
    ("timestamp-garbage", Fail, "timestamp is no DER", "keyless", Edit(|b, _| bytes(b, STAMP, |x| *x = b"garbage".to_vec()))),
    // The certificate.
    ("certificate-of-another", Fail, "somebody else's certificate", "keyless", Edit(|b, d| copy(b, d, "evil", CERTIFICATE))),
    ("certificate-of-another-for-evil", Fail, "the user's certificate over somebody else's signature", "evil-as-user", Edit(|b, d| copy(b, d, "keyless", CERTIFICATE))),
    ("certificate-of-other-root", Fail, "certificate of a CA that is not trusted", "keyless", Edit(|b, d| copy(b, d, "foreign", CERTIFICATE))),
    ("certificate-truncated", Fail, "certificate cut short", "keyless", Edit(|b, _| bytes(b, CERTIFICATE, |x| x.truncate(x.len() - 9)))),
    ("certificate-trailing-bytes", Fail, "bytes after the end of the certificate", "keyless", Edit(|b, _| bytes(b, CERTIFICATE, |x| x.extend_from_slice(b"\0\0")))),
    ("certificate-signature-edited", Fail, "a bit of the CA's signature changed", "keyless", Edit(|b, _| flip_last(b, CERTIFICATE))),
    ("certificate-missing", Fail, "no certificate and no key", "keyless", Edit(|b, _| remove(b, "/verificationMaterial", "certificate"))),
    ("certificate-as-raw-key", Fail, "a key hint in place of the certificate", "keyless", Edit(|b, _| { remove(b, "/verificationMaterial", "certificate")?; set(b, "/verificationMaterial/publicKey", json!({"hint": "user@example.com"})) })),
    ("certificate-and-key", Fail, "certificate and key hint, of which there may be one", "keyless", Edit(|b, _| set(b, "/verificationMaterial/publicKey", json!({"hint": "user@example.com"})))),
    ("certificate-as-chain", Fail, "a certificate chain, which version 0.3 does not know", "keyless", Edit(|b, _| chain(b, None))),
    ("certificate-behind-evil", Fail, "a chain that begins with somebody else's certificate", "keyless", Edit(|b, d| chain(b, Some(d.get("evil")?)))),
    // The envelope.
    ("signature-moved", Fail, "whole bundle of another image", "moved-here", Edit(|_, _| Ok(()))),
    ("signature-of-another", Fail, "signature over another payload", "keyless", Edit(|b, d| copy(b, d, "moved", SIGNATURE))),
    ("signature-edited", Fail, "a bit of the signature changed", "keyless", Edit(|b, _| flip_last(b, SIGNATURE))),
    ("signature-trailing-bytes", Fail, "bytes after the end of the signature", "keyless", Edit(|b, _| bytes(b, SIGNATURE, |x| x.extend_from_slice(b"\0\0")))),
    ("signature-empty", Fail, "empty signature", "keyless", Edit(|b, _| set(b, SIGNATURE, json!("")))),
    ("signatures-none", Fail, "no signature", "keyless", Edit(|b, _| set(b, SIGNATURES, json!([])))),
    ("signatures-two", Fail, "two signatures in an envelope, of which a bundle has one", "keyless", Edit(|b, d| { let other = d.get("evil")?.pointer("/dsseEnvelope/signatures/0").cloned().unwrap_or_default(); list(b, SIGNATURES)?.push(other); Ok(()) })),
    ("signatures-two-garbage-first", Fail, "garbage before the signature", "keyless", Edit(|b, _| { list(b, SIGNATURES)?.insert(0, json!({"sig": "AAAA"})); Ok(()) })),
    ("payload-subject-swapped", Fail, "another image's subject in a signed payload", "moved-here", Edit(|b, d| payload(b, |s| s["subject"] = subject_of(d, "keyless")))),
    ("payload-subject-added", Fail, "a subject added to a signed payload", "moved-here", Edit(|b, d| payload(b, |s| if let (Some(list), Value::Array(more)) = (s["subject"].as_array_mut(), subject_of(d, "keyless")) { list.extend(more) }))),
    ("payload-predicate-type", Fail, "predicate type changed", "attest", Edit(|b, _| payload(b, |s| s["predicateType"] = json!("https://slsa.dev/verification_summary/v1")))),
    ("payload-predicate-edited", Fail, "predicate changed", "attest", Edit(|b, _| payload(b, |s| s["predicate"]["edited"] = json!(true)))),
    ("payload-white-space", Fail, "a space added to the payload", "keyless", Edit(|b, _| bytes(b, "/dsseEnvelope/payload", |x| x.push(b' ')))),
    ("payload-of-another", Fail, "payload of another signature", "keyless", Edit(|b, d| copy(b, d, "attest", "/dsseEnvelope/payload"))),
    ("payload-type-changed", Fail, "payload type changed", "keyless", Edit(|b, _| set(b, "/dsseEnvelope/payloadType", json!("text/plain")))),
    ("payload-type-case", Fail, "payload type in upper case", "keyless", Edit(|b, _| set(b, "/dsseEnvelope/payloadType", json!("application/vnd.IN-TOTO+json")))),
    ("message-for-envelope", Fail, "the envelope's signature as if it were over the image's bytes", "keyless", Edit(message)),
    ("envelope-and-message", Fail, "envelope and message signature, of which there may be one", "keyless", Edit(|b, d| { let whole = b["dsseEnvelope"].clone(); message(b, d)?; b["dsseEnvelope"] = whole; Ok(()) })),
    ("envelope-missing", Fail, "verification material and nothing that it is for", "keyless", Edit(|b, _| remove(b, "", "dsseEnvelope"))),
    // The document.
    ("media-type-unknown", Fail, "a version that does not exist", "keyless", Edit(|b, _| set(b, "/mediaType", json!("application/vnd.dev.sigstore.bundle.v0.9+json")))),
    ("media-type-other", Fail, "not a bundle's media type", "keyless", Edit(|b, _| set(b, "/mediaType", json!("application/json")))),
    ("media-type-missing", Fail, "no media type", "keyless", Edit(|b, _| remove(b, "", "mediaType"))),
    ("media-type-0.1", Fail, "version 0.1, which requires a signed entry timestamp", "keyless", Edit(|b, _| set(b, "/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.1")))),
    ("json-duplicate-envelope", Fail, "two members dsseEnvelope", "keyless", Text(|t| t.replacen('{', "{\"dsseEnvelope\":{\"payload\":\"e30=\",\"payloadType\":\"application/vnd.in-toto+json\",\"signatures\":[]},", 1))),
    ("json-duplicate-payload", Fail, "two members payload", "keyless", Text(|t| t.replacen("\"payload\":", "\"payload\":\"e30=\",\"payload\":", 1))),
    ("json-both-names", Fail, "one field under its two names", "keyless", Text(|t| t.replacen("\"payloadType\":", "\"payload_type\":\"text/plain\",\"payloadType\":", 1))),
    ("json-trailing", Fail, "a second document after the first", "keyless", Text(|t| format!("{t}{{}}"))),
    ("json-truncated", Fail, "document cut short", "keyless", Text(|t| t.chars().take(t.len() / 2).collect())),
    ("json-empty", Fail, "empty object", "keyless", Text(|_| "{}".to_owned())),
    ("json-deep", Fail, "nested a hundred thousand times", "keyless", Text(|_| format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))),
    // Keys.
    ("key-signature-edited", Fail, "a bit of the signature changed", "key", Edit(|b, _| flip_last(b, SIGNATURE))),
    ("key-payload-edited", Fail, "predicate type changed", "key", Edit(|b, _| payload(b, |s| s["predicateType"] = json!("https://slsa.dev/provenance/v1")))),
    ("key-of-another", Fail, "signed with a key that is not trusted", "key-b-as-a", Edit(|_, _| Ok(()))),
    ("key-hint-lies", Fail, "signed with a key that is not trusted, under the trusted key's hint", "key-b-as-a", Edit(|b, d| copy(b, d, "key", "/verificationMaterial/publicKey/hint"))),
    ("key-with-certificate", Fail, "somebody's certificate in place of the key", "key", Edit(|b, d| { remove(b, "/verificationMaterial", "publicKey")?; let certificate = d.get("evil")?["verificationMaterial"]["certificate"].clone(); set(b, "/verificationMaterial/certificate", certificate) })),
    ("key-moved", Fail, "whole bundle of another image", "key-moved-here", Edit(|_, _| Ok(()))),
    ("key-entry-of-another", Fail, "log entry is about another artifact", "key", Edit(|b, d| copy(b, d, "key-moved-here", ENTRY))),
];

pub(crate) fn write_all(donors: &Donors, sink: &Sink) -> Outcome<()> {
    for (name, expect, reason, base, change) in ROWS {
        let honest = donors.get(base)?;
        let text = match change {
            Edit(edit) => {
                let mut bundle = honest.clone();
                edit(&mut bundle, donors).map_err(|error| format!("{name}: {error}"))?;
                bundle.to_string()
            }
            Text(edit) => edit(&honest.to_string()),
        };
        sink.put(name, *expect, reason, base, &text)?;
    }
    Ok(())
}

fn at<'a>(bundle: &'a mut Value, pointer: &str) -> Outcome<&'a mut Value> {
    Ok(bundle.pointer_mut(pointer).ok_or_else(|| format!("there is no {pointer}"))?)
}

fn list<'a>(bundle: &'a mut Value, pointer: &str) -> Outcome<&'a mut Vec<Value>> {
    Ok(at(bundle, pointer)?.as_array_mut().ok_or_else(|| format!("{pointer} is no list"))?)
}

fn set(bundle: &mut Value, pointer: &str, value: Value) -> Outcome<()> {
    let (parent, key) = pointer.rsplit_once('/').ok_or("a JSON pointer begins with /")?;
    match at(bundle, parent)? {
        Value::Array(items) => {
            let position: usize = key.parse()?;
            *items.get_mut(position).ok_or("no such position")? = value;
        }
        object => object[key] = value,
    }
    Ok(())
}

fn remove(bundle: &mut Value, parent: &str, key: &str) -> Outcome<()> {
    let object = at(bundle, parent)?.as_object_mut().ok_or("not an object")?;
    object.remove(key).ok_or_else(|| format!("there is no {key} in {parent}"))?;
    Ok(())
}

/// Takes the same part of another bundle.
fn copy(bundle: &mut Value, donors: &Donors, donor: &str, pointer: &str) -> Outcome<()> {
    let part =
        donors.get(donor)?.pointer(pointer).ok_or_else(|| format!("{donor} has no {pointer}"))?;
    if bundle.pointer(pointer) == Some(part) {
        return Err(format!("{donor} has the same {pointer}").into());
    }
    set(bundle, pointer, part.clone())
}

fn twice(bundle: &mut Value, pointer: &str) -> Outcome<()> {
    let items = list(bundle, pointer)?;
    let first = items.first().ok_or("empty list")?.clone();
    items.push(first);
    Ok(())
}

/// Edits what is in base64.
fn bytes(bundle: &mut Value, pointer: &str, edit: impl FnOnce(&mut Vec<u8>)) -> Outcome<()> {
    let text = at(bundle, pointer)?;
    let mut raw = STANDARD.decode(text.as_str().ok_or("no text")?)?;
    edit(&mut raw);
    *text = json!(STANDARD.encode(raw));
    Ok(())
}

fn flip(bundle: &mut Value, pointer: &str, position: usize) -> Outcome<()> {
    bytes(bundle, pointer, |raw| {
        if let Some(byte) = raw.get_mut(position) {
            *byte ^= 1;
        }
    })
}

fn flip_last(bundle: &mut Value, pointer: &str) -> Outcome<()> {
    bytes(bundle, pointer, |raw| {
        if let Some(byte) = raw.last_mut() {
            *byte ^= 1;
        }
    })
}

fn payload(bundle: &mut Value, edit: impl FnOnce(&mut Value)) -> Outcome<()> {
    let text = at(bundle, "/dsseEnvelope/payload")?;
    let mut statement = serde_json::from_slice(&STANDARD.decode(text.as_str().ok_or("no text")?)?)?;
    edit(&mut statement);
    *text = json!(STANDARD.encode(statement.to_string()));
    Ok(())
}

fn subject_of(donors: &Donors, name: &str) -> Value {
    let payload = |bundle: &Value| -> Option<Value> {
        let text = bundle.pointer("/dsseEnvelope/payload")?.as_str()?;
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    };
    donors.get(name).ok().and_then(payload).map(|s| s["subject"].clone()).unwrap_or_default()
}

/// Replaces a line of the checkpoint: origin, size, root hash, empty, signature.
fn line(bundle: &mut Value, number: usize, text: &str) -> Outcome<()> {
    let note = at(bundle, NOTE)?;
    let mut lines: Vec<_> = note.as_str().ok_or("no text")?.split('\n').collect();
    *lines.get_mut(number).ok_or("checkpoint is too short")? = text;
    *note = json!(lines.join("\n"));
    Ok(())
}

fn chain(bundle: &mut Value, before: Option<&Value>) -> Outcome<()> {
    let own = bundle["verificationMaterial"]["certificate"].clone();
    remove(bundle, "/verificationMaterial", "certificate")?;
    let mut all: Vec<_> = before
        .map(|other| other["verificationMaterial"]["certificate"].clone())
        .into_iter()
        .collect();
    all.push(own);
    set(bundle, "/verificationMaterial/x509CertificateChain", json!({"certificates": all}))
}

fn message(bundle: &mut Value, donors: &Donors) -> Outcome<()> {
    let digest = subject_of(donors, "keyless")[0]["digest"]["sha256"].clone();
    let digest = STANDARD.encode(hex::decode(digest.as_str().ok_or("no digest")?)?);
    let signature = at(bundle, SIGNATURE)?.clone();
    remove(bundle, "", "dsseEnvelope")?;
    set(
        bundle,
        "/messageSignature",
        json!({"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": signature}),
    )
}

fn numbers(bundle: &mut Value, _: &Donors) -> Outcome<()> {
    for pointer in [
        "/verificationMaterial/tlogEntries/0/logIndex",
        "/verificationMaterial/tlogEntries/0/inclusionProof/treeSize",
    ] {
        let text = at(bundle, pointer)?;
        let number: u64 = text.as_str().ok_or("no text")?.parse()?;
        *text = json!(number);
    }
    Ok(())
}

fn pretty(text: &str) -> String {
    serde_json::from_str::<Value>(text)
        .and_then(|document| serde_json::to_string_pretty(&document))
        .unwrap_or_default()
}
