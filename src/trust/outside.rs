//! Provenance that lies in no registry, judged whole: what Google Cloud Build says of an image, and the npm registry of a
//! package.
//!
//! Turns such a document, the keys and identities that may vouch for it, a digest and [`Expectations`] into what is
//! [`Proven`]. Everything is asked of one and the same statement, and a document of which a part fails proves nothing. No
//! verdict about an image comes of it: that is `verify`'s alone, from what lies beside the image.

use super::{
    Expectations, KeyRing, KeyRingError, Keyless, Unmet,
    npm::{self, NpmError},
};
use crate::{
    attest::{
        AttestError,
        cloud_build::{Described, Entry},
        npm::{Package, Pair},
        provenance::{self, Provenance, ProvenanceError},
    },
    digest::Digest,
};

/// Provenance for which somebody vouches, and which says what was expected.
#[derive(Debug)]
pub struct Proven {
    /// What it says.
    pub provenance: Provenance,
    /// Name of the key, or the identity and who says it.
    pub signer: String,
    /// The package, where it is about one.
    pub package: Option<Package>,
}

/// Why a document proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// About something else.
    #[error("it is about {found}, not about {asked}")]
    Subject {
        /// What it is about.
        found: String,
        /// What was asked for.
        asked: Digest,
    },
    /// Without provenance.
    #[error("it holds no provenance")]
    Empty,
    /// Not of its form.
    #[error(transparent)]
    Form(#[from] AttestError),
    /// Not signed by a key that is named and known.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// Half of a pair does not hold.
    #[error(transparent)]
    Npm(#[from] NpmError),
    /// What people read there is not what was signed.
    #[error("the statement in clear is another one than the signed one")]
    Clear,
    /// A statement that cannot be read.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// Not what was expected.
    #[error(transparent)]
    Unmet(#[from] Unmet),
}

/// What Google Cloud Build proves of an image: one entry that holds in everything is enough; of several that do not, the
/// last says why.
///
/// # Errors
/// See [`Refused`].
pub fn cloud_build(
    described: Described,
    keys: &KeyRing,
    image: &Digest,
    expected: &Expectations,
) -> Result<Proven, Refused> {
    if !described.describes(image) {
        let found = described.digest.to_string();
        return Err(Refused::Subject { found, asked: image.clone() });
    }
    let mut last = Refused::Empty;
    for entry in described.entries {
        let proven =
            entry.map_err(Refused::from).and_then(|entry| build(&entry, keys, image, expected));
        match proven {
            Ok(proven) => return Ok(proven),
            Err(refused) => last = refused,
        }
    }
    Err(last)
}

fn build(
    entry: &Entry,
    keys: &KeyRing,
    image: &Digest,
    expected: &Expectations,
) -> Result<Proven, Refused> {
    // A signature in one of the two forms is enough.
    let mut made = Err(Refused::Empty);
    for signed in &entry.signed {
        made = keys.maker(signed).map(|name| (signed, name)).map_err(Refused::from);
        if made.is_ok() {
            break;
        }
    }
    let (signed, name) = made?;
    if entry.resource != *image || !signed.statement.speaks_about(image) {
        let found = entry.resource.to_string();
        return Err(Refused::Subject { found, asked: image.clone() });
    }
    if !entry.repeats() {
        return Err(Refused::Clear);
    }
    let provenance = provenance::parse(&signed.statement)?;
    expected.check(&provenance, None)?;
    Ok(Proven { provenance, signer: name.to_owned(), package: None })
}

/// What the npm registry and a builder prove of a package.
///
/// # Errors
/// See [`Refused`].
pub fn npm(
    pair: &Pair,
    keys: &KeyRing,
    builder: &Keyless,
    archive: &Digest,
    expected: &Expectations,
) -> Result<Proven, Refused> {
    let Keyless { identity, root, demands } = builder;
    let vouched = npm::verify(pair, keys, identity, root, demands)?;
    for half in [&pair.publish, &pair.provenance] {
        if !half.statement.speaks_about(archive) {
            let names = half.statement.subjects.iter().filter_map(|s| s.name.as_deref());
            let found = names.collect::<Vec<_>>().join(", ");
            return Err(Refused::Subject { found, asked: archive.clone() });
        }
    }
    let package = pair.package()?;
    let provenance = provenance::parse(&pair.provenance.statement)?;
    expected.check(&provenance, Some(&vouched))?;
    let issuer = vouched.issuer.as_deref().unwrap_or("the authority itself");
    let signer = format!("{} (by {issuer})", vouched.subject.as_str());
    Ok(Proven { provenance, signer, package: Some(package) })
}

#[cfg(test)]
pub(crate) mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde_json::{Value, json};

    use super::*;
    use crate::{image::MediaType, limits::Limits, trust::testing::TestKey};

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// Name of a key whose signatures are over the PAE.
    pub(crate) const KEY: &str = "projects/p/locations/global/keyRings/attestor/cryptoKeys/google-hosted-worker/cryptoKeyVersions/1";

    pub(crate) fn image() -> Digest {
        format!("sha256:{}", "a".repeat(64)).parse().unwrap()
    }

    /// What Cloud Build says of [`image`], signed by `key` under [`KEY`]; `edit` changes the finished document.
    pub(crate) fn document(key: &TestKey, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let image = image();
        let predicate = json!({
            "builder": { "id": "https://cloudbuild.googleapis.com/GoogleHostedWorker@v0.3" },
            "recipe": {
                "type": "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1",
                "entryPoint": "cloudbuild.yaml",
                "arguments": { "substitutions": { "TAG_NAME": "v1", "BRANCH_NAME": "main" } },
            },
            "metadata": { "buildInvocationId": "run" },
            "materials": [{ "uri": "https://github.com/org/app", "digest": { "sha1": COMMIT } }],
        });
        let subject = json!([{ "name": "x", "digest": { "sha256": "a".repeat(64) } }]);
        let (kind, of) = ("https://in-toto.io/Statement/v0.1", "https://slsa.dev/provenance/v0.1");
        let payload =
            json!({ "_type": kind, "predicateType": of, "subject": subject, "predicate": predicate })
                .to_string();
        let mut signature = key.dsse(payload.as_bytes());
        signature["keyid"] = KEY.into();
        let mut document = json!({
            "image_summary": {
                "digest": image.to_string(),
                "fully_qualified_digest": format!("r.example/app@{image}"),
            },
            "provenance_summary": { "provenance": [{
                "kind": "BUILD",
                "resourceUri": format!("https://r.example/app@{image}"),
                "build": { "intotoStatement": {
                    "_type": kind, "predicateType": of, "subject": subject, "slsaProvenance": predicate,
                } },
                "envelope": {
                    "payloadType": MediaType::IN_TOTO,
                    "payload": STANDARD.encode(&payload),
                    "signatures": [signature],
                },
            }] },
        });
        edit(&mut document);
        document.to_string().into_bytes()
    }

    fn ring(key: &TestKey) -> KeyRing {
        let mut ring = KeyRing::default();
        ring.add(KEY, key.public.clone()).unwrap();
        ring
    }

    fn expecting(source: &str) -> Expectations {
        Expectations { source: Some(source.to_owned()), ..Expectations::default() }
    }

    #[test]
    fn an_image_by_cloud_build_is_proven_whole_or_not_at_all() {
        let key = TestKey::p256();
        let judged = |keys: &KeyRing, image: &Digest, source: &str, edit: fn(&mut Value)| {
            let document = document(&key, edit);
            let described = Described::parse(&document, &Limits::default())?;
            cloud_build(described, keys, image, &expecting(source))
        };
        let (keys, source) = (ring(&key), "github.com/org/app");
        let proven = judged(&keys, &image(), source, |_| {}).unwrap();
        assert_eq!(proven.signer, KEY);
        assert_eq!(proven.provenance.source.unwrap().url, "https://github.com/org/app");

        let other = format!("sha256:{}", "b".repeat(64)).parse().unwrap();
        let refused = judged(&keys, &other, source, |_| {});
        assert!(matches!(refused, Err(Refused::Subject { .. })), "{refused:?}");
        let refused = judged(&keys, &image(), "github.com/org/other", |_| {});
        assert!(matches!(refused, Err(Refused::Unmet(_))), "{refused:?}");
        for strangers in [ring(&TestKey::p256()), KeyRing::default()] {
            let refused = judged(&strangers, &image(), source, |_| {});
            assert!(matches!(refused, Err(Refused::Keys(_))), "{refused:?}");
        }
        type Edit = fn(&mut Value);
        type Sees = fn(&Refused) -> bool;
        let edits: [(&str, Edit, Sees); 4] = [
            (
                "the statement in clear",
                |d| {
                    d["provenance_summary"]["provenance"][0]["build"]["intotoStatement"]["slsaProvenance"]
                        ["builder"]["id"] = "x".into();
                },
                |r| matches!(r, Refused::Clear),
            ),
            (
                "the image of the entry",
                |d| {
                    let other = format!("https://r.example/app@sha256:{}", "b".repeat(64));
                    d["provenance_summary"]["provenance"][0]["resourceUri"] = other.into();
                },
                |r| matches!(r, Refused::Subject { .. }),
            ),
            (
                "the signed payload",
                |d| {
                    let envelope = &mut d["provenance_summary"]["provenance"][0]["envelope"];
                    let text = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
                    let text = String::from_utf8(text).unwrap().replace("main", "evil");
                    envelope["payload"] = STANDARD.encode(text).into();
                },
                |r| matches!(r, Refused::Keys(KeyRingError::Signature)),
            ),
            (
                "no entry",
                |d| d["provenance_summary"]["provenance"] = json!([]),
                |r| matches!(r, Refused::Empty),
            ),
        ];
        for (name, edit, is_meant) in edits {
            let refused = judged(&keys, &image(), source, edit).unwrap_err();
            assert!(is_meant(&refused), "{name}: {refused:?}");
        }
        // All that is not signed names the other image: the statement is about this one.
        let moved = judged(&keys, &other, source, |d| {
            let [from, to] = ["a", "b"].map(|digit| format!("sha256:{}", digit.repeat(64)));
            *d = serde_json::from_str(&d.to_string().replace(&from, &to)).unwrap();
        });
        assert!(matches!(moved, Err(Refused::Subject { .. })), "{moved:?}");
        let beside = judged(&keys, &image(), source, |d| {
            let all = d["provenance_summary"]["provenance"].as_array_mut().unwrap();
            all.insert(
                0,
                json!({ "kind": "BUILD", "resourceUri": "x", "build": {},
                "envelope": { "payloadType": "", "payload": "", "signatures": [] } }),
            );
        });
        assert!(beside.is_ok(), "one entry that holds is enough: {beside:?}");
    }
}
