//! SLSA verification summary, v1 (slsa.dev/spec/v1.2/verification_summary).
//!
//! A verifier's word that it judged an artifact by a policy. The spec asks consumers to check signer and verifier as a pair,
//! the subject, the resource, the result and the levels: the first and second are the trust rules' affair, `resource`
//! is compared by [`Summary::is_about`]. A result that contradicts the levels is refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, Resource, typed};
use crate::{
    attest::provenance::{
        MaterialKind, Pin,
        material::{self, DigestSet},
    },
    digest::Digest,
    reference::{Location, Reference, Selector},
};

/// Its predicate type.
pub const TYPE: &str = "https://slsa.dev/verification_summary/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    verifier: WireVerifier,
    #[serde(default)]
    time_verified: Option<String>,
    resource_uri: String,
    policy: Resource,
    verification_result: String,
    verified_levels: Vec<String>,
    #[serde(default)]
    dependency_levels: Option<BTreeMap<String, u64>>,
    #[serde(default)]
    slsa_version: Option<String>,
    #[serde(default)]
    input_attestations: Vec<Resource>,
}

#[derive(Deserialize)]
struct WireVerifier {
    id: String,
}

/// What a verifier decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Who decided.
    pub verifier: String,
    /// When, where it says so.
    pub time: Option<Timestamp>,
    /// About what, by its name.
    pub resource: String,
    /// By which policy.
    pub policy: Resource,
    /// What.
    pub result: Outcome,
    /// Levels that it reached, as `SLSA_BUILD_LEVEL_3`.
    pub levels: Vec<String>,
    /// How many of its dependencies reached which level; `None` claims nothing about them, an empty map says that there are none.
    pub dependency_levels: Option<BTreeMap<String, u64>>,
    /// Version of the SLSA specification.
    pub slsa_version: Option<String>,
    /// The attestations that it rests on.
    pub inputs: Vec<Resource>,
}

/// Reads a predicate.
pub(super) fn read(predicate: &Value) -> Result<Summary, String> {
    let wire: Wire = typed(predicate)?;
    let result = match Outcome::of(&wire.verification_result) {
        // Not a word of this format.
        Outcome::Warned => Outcome::Unknown,
        result => result,
    };
    if wire.verifier.id.is_empty() {
        return Err("verifier.id is empty".to_owned());
    }
    if wire.policy.uri.is_none() {
        return Err("policy.uri is missing".to_owned());
    }
    if result == Outcome::Passed && wire.verified_levels.iter().any(|level| level == "FAILED") {
        return Err("the result is PASSED and a verified level is FAILED".to_owned());
    }
    Ok(Summary {
        verifier: wire.verifier.id,
        time: wire
            .time_verified
            .map(|time| time.parse().map_err(|e| format!("timeVerified: {e}")))
            .transpose()?,
        resource: wire.resource_uri,
        policy: wire.policy,
        result,
        levels: wire.verified_levels,
        dependency_levels: wire.dependency_levels,
        slsa_version: wire.slsa_version,
        inputs: wire.input_attestations,
    })
}

impl Summary {
    /// Whether the verifier let it pass. Any other word than its own for success does not.
    pub fn passed(&self) -> bool {
        self.result == Outcome::Passed
    }

    /// Whether its resource is the image at `location` with one of these digests. A digest in the resource has to be one of
    /// them; where the image has no name, as in a layout, only a digest can say that it is meant.
    pub fn is_about(&self, location: &Location, digests: &[Digest]) -> bool {
        let (name, digest) = match self.resource.strip_prefix("pkg:") {
            Some(_) => match material::material(&self.resource, &DigestSet::new()) {
                Ok(found) => match (found.kind, found.pin) {
                    (MaterialKind::Image { name, .. }, Pin::Content(digest)) => {
                        (Some(name), Some(digest))
                    }
                    (MaterialKind::Image { name, .. }, _) => (Some(name), None),
                    (_, Pin::Content(digest)) => (None, Some(digest)),
                    _ => return false,
                },
                Err(_) => return false,
            },
            None => match plain(&self.resource).parse() {
                Ok(Reference::At(Location::Registry(repository), selector)) => {
                    (Some(repository.to_string()), digest_of(&selector))
                }
                _ => return false,
            },
        };
        let same_digest = digest.as_ref().map(|digest| digests.contains(digest));
        match location {
            Location::Registry(here) => {
                name == Some(here.to_string()) && same_digest != Some(false)
            }
            _ => same_digest == Some(true),
        }
    }
}

/// The reference in a URL of a registry.
fn plain(resource: &str) -> &str {
    let schemes = ["oci://", "docker://", "https://", "http://"];
    schemes.iter().find_map(|scheme| resource.strip_prefix(scheme)).unwrap_or(resource)
}

fn digest_of(selector: &Selector) -> Option<Digest> {
    match selector {
        Selector::Digest(digest) => Some(digest.digest().clone()),
        _ => None,
    }
}
