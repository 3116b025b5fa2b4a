//! Google Cloud Build: what `gcloud artifacts docker images describe --show-provenance --format json` prints.
//!
//! Turns that document into the digest that it describes and its [`Entry`]s, each with signed statements. Two forms of
//! signature are in use, and only the name of the key says which one is meant: the regional keys `builtByGCB` sign the
//! payload as it is, all others the PAE of DSSE v1. A signature by a name of another form says nothing that could be
//! verified, and is left out. The statement that the document repeats in clear is nobody's word: [`Entry::repeats`] holds
//! it against the signed one, so that what a person reads there is what was signed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;
use sigstore_types::SignatureBytes;

use super::{
    AttestError, Signature, Signed,
    dsse::{self, WireEnvelope, WireSignature},
    read_value, shown, within,
};
use crate::{digest::Digest, limits::Limits};

/// Name of the format in reports.
pub const FORMAT: &str = "google-cloud-build";

const WHAT: &str = "Cloud Build provenance";
/// What every entry's `kind` is.
const KIND: &str = "BUILD";

#[derive(Deserialize)]
struct Wire {
    image_summary: WireSummary,
    provenance_summary: WireProvenance,
}

#[derive(Deserialize)]
struct WireSummary {
    digest: String,
    fully_qualified_digest: String,
}

#[derive(Deserialize)]
struct WireProvenance {
    provenance: Vec<WireEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEntry {
    kind: String,
    resource_uri: String,
    build: WireBuild,
    envelope: WireEnvelope,
}

#[derive(Deserialize)]
struct WireBuild {
    #[serde(default, rename = "intotoStatement")]
    v01: Option<Value>,
    #[serde(default, rename = "inTotoSlsaProvenanceV1")]
    v1: Option<Value>,
}

/// What the document says about one image; none of it is believed.
#[derive(Debug)]
pub struct Described {
    /// The digest of `image_summary`.
    pub digest: Digest,
    /// The same digest as the end of the full name.
    pub qualified: Digest,
    /// Every provenance that could be read, in the order of the document; why another could not.
    pub entries: Vec<Result<Entry, AttestError>>,
}

/// One provenance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The digest at the end of `resourceUri`.
    pub resource: Digest,
    /// The signed statement: once for the signatures over the payload, once for those over its PAE; at least one.
    pub signed: Vec<Signed>,
    /// The statement in clear.
    text: Value,
    payload: Value,
}

/// The name of one of Cloud Build's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyName<'a> {
    /// Where it is: a region, or `global`.
    pub location: &'a str,
    /// `builtByGCB`, `provenanceSigner`, `google-hosted-worker`.
    pub key: &'a str,
    /// Its version.
    pub version: &'a str,
}

/// What a signature is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedForm {
    /// The payload.
    Payload,
    /// The PAE of the envelope.
    Pae,
}

impl<'a> KeyName<'a> {
    /// Reads a name as Google's key management writes it.
    pub fn parse(name: &'a str) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        let [
            "projects",
            _,
            "locations",
            location,
            "keyRings",
            "attestor",
            "cryptoKeys",
            key,
            "cryptoKeyVersions",
            version,
        ] = parts.as_slice()
        else {
            return None;
        };
        let whole = [location, key, version].iter().all(|part| !part.is_empty());
        whole.then_some(Self { location, key, version })
    }

    /// What signatures by this key are over.
    pub fn form(&self) -> SignedForm {
        if self.key == "builtByGCB" { SignedForm::Payload } else { SignedForm::Pae }
    }
}

impl Described {
    /// Reads a document.
    ///
    /// # Errors
    /// Where it is no JSON of this form, or its digests are none.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        let wire: Wire = read_value(WHAT, bytes, limits)?;
        let found = wire.provenance_summary.provenance;
        within(WHAT, found.len(), "provenances", limits.attestations, "attestations")?;
        let what = "digest of the image summary";
        let digest = wire.image_summary.digest.parse();
        Ok(Self {
            digest: digest.map_err(|error| AttestError::Digest { what, error })?,
            qualified: digest_of(what, &wire.image_summary.fully_qualified_digest)?,
            entries: found.into_iter().map(|entry| Entry::read(entry, limits)).collect(),
        })
    }

    /// Whether both digests are this one.
    pub fn describes(&self, image: &Digest) -> bool {
        self.digest == *image && self.qualified == *image
    }
}

/// The digest at the end of `NAME@DIGEST`.
fn digest_of(what: &'static str, name: &str) -> Result<Digest, AttestError> {
    let (_, digest) = name.rsplit_once('@').ok_or(AttestError::Missing { what })?;
    digest.parse().map_err(|error| AttestError::Digest { what, error })
}

impl Entry {
    fn read(wire: WireEntry, limits: &Limits) -> Result<Self, AttestError> {
        if wire.kind != KIND {
            let (what, found) = ("kind of a Cloud Build provenance", shown(&wire.kind));
            return Err(AttestError::Unexpected { what, found, expected: KIND });
        }
        let resource = digest_of("resourceUri of a Cloud Build provenance", &wire.resource_uri)?;
        let text = match (wire.build.v01, wire.build.v1) {
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => return Err(AttestError::Missing { what: "statement in clear" }),
            (Some(_), Some(_)) => {
                return Err(AttestError::Ambiguous { what: "statement in clear", found: 2 });
            }
        };
        let bytes = unpadded("payload of a Cloud Build provenance", &wire.envelope.payload)?;
        let payload = read_value(WHAT, &bytes, limits)?;
        let signed = signed(&wire.envelope, &bytes, limits)?;
        Ok(Self { resource, signed, text, payload })
    }

    /// Whether the statement in clear is the signed one. Version 0.1 is signed with its predicate under two names, of
    /// which the clear text has the older.
    pub fn repeats(&self) -> bool {
        let member = |document: &Value, name: &str| document.get(name).cloned().unwrap_or_default();
        let same = |name: &str| member(&self.text, name) == member(&self.payload, name);
        let predicate = match self.text.get("slsaProvenance") {
            Some(clear) => *clear == member(&self.payload, "predicate"),
            None => same("predicate"),
        };
        predicate && same("_type") && same("predicateType") && same("subject")
    }
}

/// The signatures of an envelope by what they are over.
fn signed(
    envelope: &WireEnvelope,
    payload: &[u8],
    limits: &Limits,
) -> Result<Vec<Signed>, AttestError> {
    within(WHAT, envelope.signatures.len(), "signatures", limits.signatures, "signatures")?;
    let mut found = Vec::new();
    for form in [SignedForm::Payload, SignedForm::Pae] {
        let named = envelope.signatures.iter().filter(|signature| {
            let name = signature.keyid.as_deref().and_then(KeyName::parse);
            name.is_some_and(|name| name.form() == form)
        });
        let signatures = named.map(signature).collect::<Result<Vec<_>, _>>()?;
        if signatures.is_empty() {
            continue;
        }
        let mut signed = dsse::signed(FORMAT, &envelope.payload_type, payload, signatures, limits)?;
        if form == SignedForm::Payload {
            signed.message = payload.to_vec();
            signed.content = super::Content::Payload;
        }
        found.push(signed);
    }
    if found.is_empty() {
        return Err(AttestError::Missing {
            what: "signature with the name of a key of Cloud Build",
        });
    }
    Ok(found)
}

fn signature(wire: &WireSignature) -> Result<Signature, AttestError> {
    let bytes = SignatureBytes::from_base64(&wire.sig)
        .map_err(|_| AttestError::Base64 { what: "signature of a Cloud Build provenance" })?;
    Ok(Signature { bytes: bytes.into_bytes(), key_hint: wire.keyid.clone() })
}

/// Base64 of the URL alphabet or the standard one, with padding or without: all are in use.
fn unpadded(what: &'static str, text: &str) -> Result<Vec<u8>, AttestError> {
    let url: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    URL_SAFE_NO_PAD.decode(url).map_err(|_| AttestError::Base64 { what })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn document(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let hex = "a".repeat(64);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.1",
            "subject": [{ "name": "x", "digest": { "sha256": hex } }],
            "predicate": { "builder": { "id": "b" } },
        });
        let clear = json!({
            "_type": statement["_type"], "predicateType": statement["predicateType"],
            "subject": statement["subject"], "slsaProvenance": statement["predicate"],
        });
        let name = |location: &str, key: &str| {
            format!(
                "projects/p/locations/{location}/keyRings/attestor/cryptoKeys/{key}/cryptoKeyVersions/1"
            )
        };
        let mut document = json!({
            "image_summary": {
                "digest": format!("sha256:{hex}"),
                "fully_qualified_digest": format!("r.example/app@sha256:{hex}"),
            },
            "provenance_summary": { "provenance": [{
                "kind": "BUILD",
                "resourceUri": format!("https://r.example/app@sha256:{hex}"),
                "build": { "intotoStatement": clear },
                "envelope": {
                    "payloadType": "application/vnd.in-toto+json",
                    "payload": URL_SAFE_NO_PAD.encode(statement.to_string()),
                    "signatures": [
                        { "keyid": name("us-west2", "builtByGCB"), "sig": "AAAA" },
                        { "keyid": name("global", "provenanceSigner"), "sig": "BBBB" },
                        { "keyid": "another", "sig": "CCCC" },
                    ],
                },
            }] },
        });
        edit(&mut document);
        document.to_string().into_bytes()
    }

    fn entry(edit: impl FnOnce(&mut Value)) -> Result<Entry, AttestError> {
        let bytes = document(|d| edit(&mut d["provenance_summary"]["provenance"][0]));
        Described::parse(&bytes, &Limits::default())?.entries.remove(0)
    }

    #[test]
    fn signatures_are_sorted_by_what_they_are_over() {
        let read = entry(|_| {}).unwrap();
        let [plain, pae] = read.signed.as_slice() else { panic!("{:?}", read.signed) };
        assert!(plain.message.starts_with(b"{"), "the regional key signs the payload");
        assert!(pae.message.starts_with(b"DSSEv1 28 application/vnd.in-toto+json "));
        assert_eq!(
            (plain.signatures.len(), pae.signatures.len()),
            (1, 1),
            "a stranger's is left out"
        );
        assert!(read.repeats());
        assert!(
            Described::parse(&document(|_| {}), &Limits::default())
                .unwrap()
                .describes(&read.resource)
        );
    }

    #[test]
    fn what_is_not_one_image_s_build_is_refused() {
        type Edit = fn(&mut Value);
        let cases: [(&str, Edit); 7] = [
            ("another kind", |e| e["kind"] = "BUIL".into()),
            ("no digest", |e| e["resourceUri"] = "https://r.example/app:tag".into()),
            ("another payload type", |e| e["envelope"]["payloadType"] = "text/plain".into()),
            ("no statement in clear", |e| e["build"] = json!({})),
            ("two statements in clear", |e| e["build"]["inTotoSlsaProvenanceV1"] = json!({})),
            ("a payload that is not base64", |e| e["envelope"]["payload"] = "%".into()),
            ("no key of Cloud Build", |e| e["envelope"]["signatures"] = json!([{ "sig": "AAAA" }])),
        ];
        for (name, edit) in cases {
            assert!(entry(edit).is_err(), "{name}");
        }
    }

    #[test]
    fn a_statement_in_clear_that_says_something_else_is_seen() {
        for place in ["_type", "predicateType", "subject", "slsaProvenance"] {
            let read = entry(|e| e["build"]["intotoStatement"][place] = "other".into()).unwrap();
            assert!(!read.repeats(), "{place}");
        }
    }

    #[test]
    fn names_of_keys_are_read_whole() {
        let good =
            "projects/p/locations/l/keyRings/attestor/cryptoKeys/builtByGCB/cryptoKeyVersions/1";
        assert_eq!(KeyName::parse(good).unwrap().form(), SignedForm::Payload);
        for bad in [
            "",
            "builtByGCB",
            &good.replace("/l/", "//"),
            &format!("{good}/x"),
            &good.replace("/l/", "/l/x/"),
        ] {
            assert_eq!(KeyName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn entries_are_bounded() {
        let limits = Limits { attestations: 1, signatures: 3, ..Limits::default() };
        assert!(Described::parse(&document(|_| {}), &limits).unwrap().entries[0].is_ok());
        let two = document(|d| {
            let one = d["provenance_summary"]["provenance"][0].clone();
            d["provenance_summary"]["provenance"] = json!([one, one]);
        });
        assert!(matches!(Described::parse(&two, &limits), Err(AttestError::Limit { .. })));
        let limits = Limits { signatures: 2, ..limits };
        let read = Described::parse(&document(|_| {}), &limits).unwrap();
        assert!(matches!(read.entries[0], Err(AttestError::Limit { .. })));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}", at in 0_usize..4) {
            let path = ["kind", "resourceUri", "build", "envelope"][at];
            let _ = entry(|e| e[path] = text.clone().into());
            let _ = KeyName::parse(&text);
            let _ = Described::parse(text.as_bytes(), &Limits::default());
        }
    }
}
