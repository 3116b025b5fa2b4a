//! Links: what a step started from and what it left (in-toto specification 1.0.0, section 4.4).
//!
//! Turns the payload of a link, or a statement with the predicate link v0.3 (in-toto/attestation, spec/predicates/link.md),
//! into a [`Link`]. Names of artifacts are brought into their normal form, so that `./x` and `x` are one artifact and no
//! rule can be stepped around (attack B5); a link in which two names become one is refused. Byproducts and environment
//! are not kept: no rule of the specification speaks about them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::{AttestError, Statement, shown, within};
use crate::{
    digest::{Algorithm, Digest},
    limits::Limits,
};

/// The predicate type of a link that is a statement.
pub const LINK_V03: &str = "https://in-toto.io/attestation/link/v0.3";
const WHAT: &str = "in-toto link";

/// What a functionary says about one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Name of the step.
    pub name: String,
    /// The command that was run, as far as its functionary is believed.
    pub command: Vec<String>,
    /// What the step started from.
    pub materials: Artifacts,
    /// What it left.
    pub products: Artifacts,
}

/// Artifacts by their names, in normal form.
pub type Artifacts = BTreeMap<String, Artifact>;

/// The contents of an artifact: digests by the name of their algorithm, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artifact {
    digests: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Wire {
    name: String,
    #[serde(default)]
    command: Option<Vec<String>>,
    #[serde(default)]
    materials: Option<WireArtifacts>,
    #[serde(default)]
    products: Option<WireArtifacts>,
}

type WireArtifacts = BTreeMap<String, BTreeMap<String, String>>;

/// The predicate of a link that is a statement; its products are the subjects.
#[derive(Deserialize)]
struct Predicate {
    name: String,
    #[serde(default)]
    command: Option<Vec<String>>,
    #[serde(default)]
    materials: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

impl Artifact {
    /// Reads digests; those of accepted algorithms have to be well-formed.
    fn new(wire: BTreeMap<String, String>) -> Result<Self, AttestError> {
        let mut digests = BTreeMap::new();
        for (algorithm, hex) in wire {
            let hex = hex.to_ascii_lowercase();
            if is_strong(&algorithm) {
                let read: Result<Digest, _> = format!("{algorithm}:{hex}").parse();
                let what = "digest of an artifact";
                read.map_err(|error| AttestError::Digest { what, error })?;
            }
            digests.insert(algorithm, hex);
        }
        Ok(Self { digests })
    }

    /// Whether both have the same digests, one of them of an algorithm that binds content.
    pub fn equals(&self, other: &Self) -> bool {
        self.digests == other.digests && self.digests.keys().any(|name| is_strong(name))
    }

    /// Its digests of accepted algorithms, by the name of the algorithm.
    pub fn strong(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.digests.iter().map(|(name, hex)| (name.as_str(), hex.as_str()));
        all.filter(|(name, _)| is_strong(name))
    }

    /// Whether the digests differ.
    pub fn differs(&self, other: &Self) -> bool {
        self.digests != other.digests
    }

    /// Whether it has digests of accepted algorithms and all of them are among these.
    pub fn is_one_of(&self, digests: &[Digest]) -> bool {
        let mut own = self.digests.iter().filter(|(name, _)| is_strong(name)).peekable();
        let known = |(name, hex): (&String, &String)| {
            digests.iter().any(|d| d.algorithm().name() == name && d.hex() == *hex)
        };
        own.peek().is_some() && own.all(known)
    }
}

fn is_strong(algorithm: &str) -> bool {
    [Algorithm::Sha256, Algorithm::Sha512].iter().any(|strong| strong.name() == algorithm)
}

impl Link {
    pub(super) fn new(wire: Wire, limits: &Limits) -> Result<Self, AttestError> {
        Ok(Self {
            name: named(wire.name)?,
            command: wire.command.unwrap_or_default(),
            materials: artifacts(wire.materials.unwrap_or_default(), limits)?,
            products: artifacts(wire.products.unwrap_or_default(), limits)?,
        })
    }

    /// Reads a statement with the predicate [`LINK_V03`].
    ///
    /// # Errors
    /// Where the predicate is of another form, or a material or subject has no name.
    pub fn from_statement(statement: &Statement, limits: &Limits) -> Result<Self, AttestError> {
        let predicate: Predicate =
            statement.predicate.read().map_err(|error| AttestError::Json { what: WHAT, error })?;
        let mut materials = Vec::new();
        for descriptor in predicate.materials.unwrap_or_default() {
            materials.push((descriptor.name, descriptor.digest));
        }
        let products = statement.subjects.iter().map(|subject| {
            let strong = subject.digests.iter().map(|d| (d.algorithm().name().to_owned(), d.hex()));
            let all = strong.chain(subject.weak.clone()).collect();
            (subject.name.clone(), all)
        });
        Ok(Self {
            name: named(predicate.name)?,
            command: predicate.command.unwrap_or_default(),
            materials: artifacts(all_named(materials)?, limits)?,
            products: artifacts(all_named(products)?, limits)?,
        })
    }
}

fn named(name: String) -> Result<String, AttestError> {
    if name.is_empty() {
        return Err(AttestError::Missing { what: "name of the in-toto link" });
    }
    Ok(name)
}

/// Artifacts of a list, in which each has to have a name of its own.
fn all_named(
    list: impl IntoIterator<Item = (Option<String>, BTreeMap<String, String>)>,
) -> Result<WireArtifacts, AttestError> {
    let mut named = WireArtifacts::new();
    for (name, digests) in list {
        let name = name.ok_or(AttestError::Missing { what: "name of an artifact" })?;
        if named.insert(name.clone(), digests).is_some() {
            return Err(twice(&name));
        }
    }
    Ok(named)
}

fn artifacts(wire: WireArtifacts, limits: &Limits) -> Result<Artifacts, AttestError> {
    within(WHAT, wire.len(), "artifacts", limits.link_artifacts, "link_artifacts")?;
    let mut artifacts = Artifacts::new();
    for (name, digests) in wire {
        let expected = "a name that is not empty";
        let what = "name of an artifact";
        let normal = normal(&name).ok_or_else(|| AttestError::Unexpected {
            what,
            found: shown(&name),
            expected,
        })?;
        within(WHAT, digests.len(), "digests", limits.subject_digests, "subject_digests")?;
        if artifacts.insert(normal, Artifact::new(digests)?).is_some() {
            return Err(twice(&name));
        }
    }
    Ok(artifacts)
}

fn twice(name: &str) -> AttestError {
    AttestError::Unexpected {
        what: "name of an artifact",
        found: shown(name),
        expected: "names that stay different in their normal form",
    }
}

/// The normal form of a name: no empty segment, no `.`, and `..` at the front alone. `None` for a name of nothing. What
/// stands before `://` is kept: artifacts may be named by URIs (ITE-4).
pub(super) fn normal(name: &str) -> Option<String> {
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if let Some((scheme, rest)) = name.split_once("://")
        && !scheme.is_empty()
        && scheme.chars().all(scheme_char)
    {
        return path(rest).map(|rest| format!("{scheme}://{rest}"));
    }
    path(name)
}

fn path(name: &str) -> Option<String> {
    let mut segments: Vec<&str> = Vec::new();
    let absolute = name.starts_with('/');
    for segment in name.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            ".." if absolute => {}
            segment => segments.push(segment),
        }
    }
    let root = if absolute { "/" } else { "" };
    (!segments.is_empty()).then(|| format!("{root}{}", segments.join("/")))
}
