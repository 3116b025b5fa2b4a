//! Keys by the names under which signatures ask for them.
//!
//! Some signers publish a list of named keys, and a signature is good only by the key that it names: Google Cloud Build (one
//! key for each region), the npm registry, verifiers that write summaries. Turns such a list into a [`KeyRing`]. Unlike
//! the keys of a trust rule, where names in the evidence find nothing (attack A3), a name here only narrows: the key is
//! still the operator's, and a signature that names no key, or another, proves nothing.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;

use super::{KeyError, PublicKey};
use crate::{
    attest::Signed,
    finding::Code,
    json::{self, JsonError},
    limits::Limits,
};

/// What npm's keys for attestations are for; the other ones sign packages.
const NPM_USAGE: &str = "npm:attestations";

/// Keys by name.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(BTreeMap<String, NamedKey>);

/// A key, and when signatures by it count.
#[derive(Debug, Clone)]
pub struct NamedKey {
    /// The key.
    pub key: PublicKey,
    /// From when.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub not_after: Option<Timestamp>,
}

/// Why a list of keys is refused, or a signature by it.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// Not a list of this form.
    #[error("the list of keys cannot be read: {0}")]
    Form(#[from] JsonError),
    /// A key that is none.
    #[error("key {name:?}: {error}")]
    Key {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A time that is none.
    #[error("key {0:?} is valid from or until something that is not a time")]
    Time(String),
    /// A key without a name: it would be anybody's.
    #[error("a key has no name")]
    NoName,
    /// Two keys of one name.
    #[error("two keys have the name {0:?}")]
    Twice(String),
    /// No signature names a key that is here.
    #[error("no signature names one of the {known} keys; named: {named:?}")]
    UnknownName {
        /// What the signatures name.
        named: Vec<String>,
        /// How many keys there are.
        known: usize,
    },
    /// The named key did not make the signature.
    #[error("the key that the signature names did not make it")]
    Signature,
    /// Made outside the key's time.
    #[error("the signature was made at {time}, when its key did not count")]
    Validity {
        /// When it was made.
        time: Timestamp,
    },
}

impl KeyRingError {
    /// The finding that it is.
    pub fn code(&self) -> Code {
        match self {
            Self::UnknownName { .. } => Code::SignatureUntrusted,
            Self::Signature => Code::SignatureInvalid,
            Self::Validity { .. } => Code::SignatureTimeInvalid,
            _ => Code::SignatureMalformed,
        }
    }
}

#[derive(Deserialize)]
struct WireList {
    keys: Vec<WireKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    key_id: String,
    key_usage: String,
    public_key: WirePublic,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePublic {
    raw_bytes: String,
    #[serde(default)]
    valid_for: WireValidity,
}

#[derive(Default, Deserialize)]
struct WireValidity {
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    end: Option<String>,
}

impl KeyRing {
    /// Adds a key that counts at any time.
    ///
    /// # Errors
    /// Without a name, and for a name that is there already.
    pub fn add(&mut self, name: &str, key: PublicKey) -> Result<(), KeyRingError> {
        self.insert(name.to_owned(), NamedKey { key, not_before: None, not_after: None })
    }

    fn insert(&mut self, name: String, key: NamedKey) -> Result<(), KeyRingError> {
        if name.is_empty() {
            return Err(KeyRingError::NoName);
        }
        if self.0.contains_key(&name) {
            return Err(KeyRingError::Twice(name));
        }
        self.0.insert(name, key);
        Ok(())
    }

    /// Reads the keys for attestations from the npm registry's list, as its TUF repository has it
    /// (`registry.npmjs.org/keys.json`).
    ///
    /// # Errors
    /// Where the list or a key in it cannot be read.
    pub fn of_npm(list: &[u8], limits: &Limits) -> Result<Self, KeyRingError> {
        let wire: WireList = json::from_slice(list, limits.trusted_root_bytes)
            .map_err(|error| error.raised_by(crate::limits::key("trusted_root_bytes")))?;
        let mut ring = Self::default();
        for WireKey { key_id, public_key, .. } in
            wire.keys.into_iter().filter(|key| key.key_usage == NPM_USAGE)
        {
            let error = |error| KeyRingError::Key { name: key_id.clone(), error };
            let der =
                STANDARD.decode(&public_key.raw_bytes).map_err(|_| error(KeyError::Encoding))?;
            let time = |text: &Option<String>| {
                let time = text.as_ref().map(|text| text.parse::<Timestamp>());
                time.transpose().map_err(|_| KeyRingError::Time(key_id.clone()))
            };
            let key = NamedKey {
                key: PublicKey::from_der(&der).map_err(error)?,
                not_before: time(&public_key.valid_for.start)?,
                not_after: time(&public_key.valid_for.end)?,
            };
            ring.insert(key_id, key)?;
        }
        Ok(ring)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this name.
    pub fn get(&self, name: &str) -> Option<&NamedKey> {
        self.0.get(name)
    }

    /// The name of a key that made one of the signatures which name it.
    ///
    /// # Errors
    /// [`KeyRingError::UnknownName`] where no signature names a key that is here, [`KeyRingError::Signature`] where none of
    /// the named keys made its signature.
    pub fn maker(&self, signed: &Signed) -> Result<&str, KeyRingError> {
        let mut named = false;
        for signature in &signed.signatures {
            let hint = signature.key_hint.as_deref().unwrap_or_default();
            let Some((name, known)) = self.0.get_key_value(hint) else { continue };
            named = true;
            if known.key.verifies_in_any_encoding(&signed.message, &signature.bytes) {
                return Ok(name);
            }
        }
        if named {
            return Err(KeyRingError::Signature);
        }
        let hints = signed.signatures.iter().filter_map(|s| s.key_hint.as_deref()).take(4);
        let named = hints.map(|hint| hint.chars().take(80).collect()).collect();
        Err(KeyRingError::UnknownName { named, known: self.0.len() })
    }
}

impl NamedKey {
    /// Whether signatures made at this time count.
    ///
    /// # Errors
    /// [`KeyRingError::Validity`] where not.
    pub fn counts_at(&self, time: Timestamp) -> Result<(), KeyRingError> {
        let early = self.not_before.is_some_and(|start| time < start);
        let late = self.not_after.is_some_and(|end| time > end);
        if early || late { Err(KeyRingError::Validity { time }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        attest::{Carrier, Envelope, Listing, Raw},
        digest::ManifestDigest,
        image::MediaType,
        trust::testing::TestKey,
    };

    fn signed(signatures: Value) -> Signed {
        let document = json!({
            "payloadType": MediaType::IN_TOTO,
            "payload": STANDARD.encode(PAYLOAD),
            "signatures": signatures,
        });
        let bytes = document.to_string();
        let manifest = ManifestDigest::of(bytes.as_bytes());
        let raw = Raw {
            carrier: Carrier::Referrer { manifest: manifest.clone(), via: Listing::Layout },
            media_type: MediaType::new(MediaType::DSSE),
            bytes: bytes.into(),
            annotations: BTreeMap::new(),
            attached_to: manifest,
        };
        match crate::attest::open(&raw, &Limits::default()).unwrap().remove(0) {
            Envelope::Signed(signed) => *signed,
            other => panic!("{other:?}"),
        }
    }

    const PAYLOAD: &str = concat!(
        r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"t","predicate":{},"#,
        r#""subject":[{"digest":{"sha256":"#,
        r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]}"#
    );

    #[test]
    fn a_signature_is_good_only_by_the_key_that_it_names() {
        let (a, b) = (TestKey::p256(), TestKey::p256());
        let mut ring = KeyRing::default();
        ring.add("a", a.public.clone()).unwrap();
        ring.add("b", b.public.clone()).unwrap();
        let by = |key: &TestKey, name: &str| {
            let mut signature = key.dsse(PAYLOAD.as_bytes());
            signature["keyid"] = name.into();
            signature
        };
        assert_eq!(ring.maker(&signed(json!([by(&a, "a")]))).unwrap(), "a");
        assert_eq!(
            ring.maker(&signed(json!([by(&a, "x"), by(&a, "b"), by(&b, "b")]))).unwrap(),
            "b"
        );
        let wrong = ring.maker(&signed(json!([by(&a, "b")])));
        assert!(matches!(wrong, Err(KeyRingError::Signature)), "{wrong:?}");
        for name in ["", "c"] {
            let stranger = ring.maker(&signed(json!([by(&a, name)])));
            assert!(matches!(stranger, Err(KeyRingError::UnknownName { .. })), "{stranger:?}");
        }
        assert!(matches!(ring.add("", a.public), Err(KeyRingError::NoName)));
        assert!(matches!(ring.add("a", b.public), Err(KeyRingError::Twice(_))));
    }

    #[test]
    fn a_signature_may_be_its_two_numbers() {
        let key = TestKey::p256();
        let mut ring = KeyRing::default();
        ring.add("a", key.public.clone()).unwrap();
        let signed_with =
            |bytes: &[u8]| signed(json!([{ "keyid": "a", "sig": STANDARD.encode(bytes) }]));
        let pae = sigstore_types::pae(MediaType::IN_TOTO, PAYLOAD.as_bytes());
        let der = key.sign(&pae);
        // SEQUENCE, INTEGER r, INTEGER s; each with its length, and a zero before a high first bit.
        let number = |der: &[u8]| {
            let plain = der.strip_prefix(&[0]).unwrap_or(der);
            [vec![0; 32 - plain.len()], plain.to_vec()].concat()
        };
        let r_end = 4 + usize::from(der[3]);
        let mut fixed = [number(&der[4..r_end]), number(&der[r_end + 2..])].concat();
        assert_eq!(ring.maker(&signed_with(&fixed)).unwrap(), "a");
        fixed[40] ^= 1;
        assert!(ring.maker(&signed_with(&fixed)).is_err());
        assert!(ring.maker(&signed_with(&[0; 64])).is_err());
        assert!(ring.maker(&signed_with(&fixed[1..])).is_err());
    }

    #[test]
    fn npm_s_list_gives_the_keys_for_attestations_with_their_times() {
        let key = TestKey::p256();
        let entry = |usage: &str, end: &str| {
            json!({ "keyId": "SHA256:x", "keyUsage": usage, "publicKey": {
                "rawBytes": STANDARD.encode(key.public.der()),
                "validFor": { "start": "2022-12-01T00:00:00.000Z", "end": end },
            } })
        };
        let read = |keys: Value| {
            KeyRing::of_npm(json!({ "keys": keys }).to_string().as_bytes(), &Limits::default())
        };
        let end = "2025-01-29T00:00:00.000Z";
        let ring = read(json!([entry("npm:signatures", "x"), entry(NPM_USAGE, end)])).unwrap();
        let named = ring.get("SHA256:x").unwrap();
        for (time, counts) in [
            ("2022-11-30T23:59:59Z", false),
            ("2022-12-01T00:00:00Z", true),
            ("2025-01-29T00:00:00Z", true),
            ("2025-01-29T00:00:01Z", false),
        ] {
            assert_eq!(named.counts_at(time.parse().unwrap()).is_ok(), counts, "{time}");
        }
        assert!(read(json!([entry(NPM_USAGE, end), entry(NPM_USAGE, end)])).is_err());
        assert!(read(json!([entry(NPM_USAGE, "soon")])).is_err());
    }
}
