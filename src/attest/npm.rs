//! Attestations of the npm registry: a package's publication and its provenance.
//!
//! Turns the registry's answer (`/-/npm/v1/attestations/PACKAGE`) into a [`Pair`] of Sigstore bundles with statements about
//! one and the same package. Refuses a list that has not exactly one of each, a bundle whose statement is of another type
//! than the list says, a payload that is no in-toto statement, and two statements with different subjects: each half
//! would vouch for something else (attack A22: both have to be verified).

use serde::Deserialize;
use serde_json::Value;

use super::{AttestError, Bundle, BundleContent, Statement, provenance, read_value, shown, within};
use crate::{image::MediaType, limits::Limits};

/// Predicate type of a publication.
pub const PUBLISH: &str = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1";

const WHAT: &str = "list of npm attestations";

#[derive(Deserialize)]
struct Wire {
    attestations: Vec<WireAttestation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttestation {
    predicate_type: String,
    bundle: Value,
}

/// What the registry publishes about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The registry's word that it published the package.
    pub publish: Half,
    /// The builder's word how the package was made.
    pub provenance: Half,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    /// The bundle.
    pub bundle: Bundle,
    /// Its payload.
    pub payload: Vec<u8>,
    /// What the payload says.
    pub statement: Statement,
}

/// A package, as a publication names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Its name with the scope, as `@scope/name`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Pair {
    /// Reads a list.
    ///
    /// # Errors
    /// See the module.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, AttestError> {
        let wire: Wire = read_value(WHAT, bytes, limits)?;
        within(WHAT, wire.attestations.len(), "attestations", limits.attestations, "attestations")?;
        let publish = one(&wire.attestations, "publish attestation", |t| t == PUBLISH)?;
        let types = [provenance::SLSA_V02, provenance::SLSA_V1];
        let made = one(&wire.attestations, "provenance attestation", |t| types.contains(&t))?;
        let pair =
            Self { publish: Half::read(publish, limits)?, provenance: Half::read(made, limits)? };
        if pair.publish.statement.subjects != pair.provenance.statement.subjects {
            return Err(AttestError::Unexpected {
                what: "subject of the provenance",
                found: names(&pair.provenance.statement),
                expected: "the subject of the publish attestation",
            });
        }
        Ok(pair)
    }

    /// The package that both are about.
    ///
    /// # Errors
    /// Where the publication's predicate and its subject name different packages.
    pub fn package(&self) -> Result<Package, AttestError> {
        let statement = &self.publish.statement;
        let what = "predicate of the publish attestation";
        let package: Package =
            statement.predicate.read().map_err(|error| AttestError::Json { what, error })?;
        let named: Vec<_> = statement.subjects.iter().map(|s| s.name.as_deref()).collect();
        if named != [Some(package.purl().as_str())] {
            return Err(AttestError::Unexpected {
                what: "subject of the publish attestation",
                found: names(statement),
                expected: "the package in its predicate",
            });
        }
        Ok(package)
    }
}

impl Package {
    /// The package URL that npm gives it: of the name only the scope's sign is escaped.
    pub fn purl(&self) -> String {
        let name = self.name.strip_prefix('@').map(|rest| format!("%40{rest}"));
        format!("pkg:npm/{}@{}", name.as_deref().unwrap_or(&self.name), self.version)
    }
}

fn names(statement: &Statement) -> String {
    let names = statement.subjects.iter().filter_map(|subject| subject.name.as_deref());
    shown(&names.collect::<Vec<_>>().join(", "))
}

fn one<'a>(
    all: &'a [WireAttestation],
    what: &'static str,
    is: impl Fn(&str) -> bool,
) -> Result<&'a WireAttestation, AttestError> {
    let found: Vec<_> = all.iter().filter(|attestation| is(&attestation.predicate_type)).collect();
    match found.as_slice() {
        [] => Err(AttestError::Missing { what }),
        [one] => Ok(one),
        several => Err(AttestError::Ambiguous { what, found: several.len() }),
    }
}

impl Half {
    fn read(wire: &WireAttestation, limits: &Limits) -> Result<Self, AttestError> {
        // The list was read strictly, so that the bundle can be written out again without loss.
        let bundle = Bundle::parse(wire.bundle.to_string().as_bytes(), limits)?;
        let BundleContent::Envelope { payload_type, payload } = &bundle.content else {
            return Err(AttestError::Missing { what: "DSSE envelope of an npm attestation" });
        };
        if payload_type != MediaType::IN_TOTO {
            return Err(AttestError::Unexpected {
                what: "payload type of an npm attestation",
                found: shown(payload_type),
                expected: MediaType::IN_TOTO,
            });
        }
        let payload = payload.clone();
        let statement = Statement::parse(&payload, limits)?;
        if statement.predicate_type != wire.predicate_type {
            return Err(AttestError::Unexpected {
                what: "predicate type of an npm attestation",
                found: shown(&statement.predicate_type),
                expected: "the type that the list says",
            });
        }
        Ok(Self { bundle, payload, statement })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn statement(predicate_type: &str, subject: &str, predicate: Value) -> Value {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": predicate_type,
            "subject": [{ "name": subject, "digest": { "sha512": "a".repeat(128) } }],
            "predicate": predicate,
        })
    }

    fn attestation(listed: &str, payload: &Value, payload_type: &str) -> Value {
        json!({ "predicateType": listed, "bundle": {
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2",
            "verificationMaterial": { "publicKey": { "hint": "SHA256:x" } },
            "dsseEnvelope": {
                "payloadType": payload_type,
                "payload": STANDARD.encode(payload.to_string()),
                "signatures": [{ "sig": "AAAA", "keyid": "SHA256:x" }],
            },
        } })
    }

    const PURL: &str = "pkg:npm/%40org/app@1.2.3";

    fn publish() -> Value {
        statement(PUBLISH, PURL, json!({ "name": "@org/app", "version": "1.2.3" }))
    }

    fn pair(all: &[Value]) -> Result<Pair, AttestError> {
        Pair::parse(json!({ "attestations": all }).to_string().as_bytes(), &Limits::default())
    }

    #[test]
    fn a_publication_and_its_provenance_are_one_pair() {
        let published = attestation(PUBLISH, &publish(), MediaType::IN_TOTO);
        let made = |subject, kind, payload_type| {
            attestation(kind, &statement(provenance::SLSA_V1, subject, json!({})), payload_type)
        };
        let good = made(PURL, provenance::SLSA_V1, MediaType::IN_TOTO);
        let read = pair(&[published.clone(), good.clone()]).unwrap();
        let package = read.package().unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@org/app", "1.2.3"));
        let refused = [
            ("no provenance", vec![published.clone()]),
            ("no publication", vec![good.clone()]),
            ("two provenances", vec![published.clone(), good.clone(), good.clone()]),
            (
                "another package",
                vec![
                    published.clone(),
                    made("pkg:npm/x@1", provenance::SLSA_V1, MediaType::IN_TOTO),
                ],
            ),
            (
                "another type than listed",
                vec![published.clone(), made(PURL, provenance::SLSA_V02, MediaType::IN_TOTO)],
            ),
            ("another payload", vec![published, made(PURL, provenance::SLSA_V1, "text/plain")]),
        ];
        for (name, all) in refused {
            assert!(pair(&all).is_err(), "{name}");
        }
        let lies = statement(PUBLISH, PURL, json!({ "name": "@org/app", "version": "1.2.4" }));
        let read = pair(&[attestation(PUBLISH, &lies, MediaType::IN_TOTO), good]).unwrap();
        assert!(read.package().is_err(), "the predicate names another version than the subject");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = Pair::parse(text.as_bytes(), &Limits::default());
            let _ = pair(&[json!({ "predicateType": PUBLISH, "bundle": text })]);
        }
    }
}
