//! A statement, and what it means.
//!
//! A statement is read for its meaning once it is proven, and the meaning is handed on with the proof: everybody after
//! that sees the same reading of it. What nobody proved is read for whoever asks, each time, and is not kept: it is not
//! worth its memory (attack C13).

use std::{borrow::Cow, ops::Deref, sync::Arc};

use super::PredicateClass;
use crate::{
    attest::{
        Statement,
        predicate::{Predicate, PredicateError},
        provenance::{self, Provenance, ProvenanceError},
        rebuilt::{REBUILD_VERDICT, RebuildVerdict},
    },
    limits::Limits,
    sbom::{self, Sbom, SbomError},
};

/// A statement that was made about an image. Two are equal where their statements are.
#[derive(Debug, Clone)]
pub struct Claimed {
    statement: Statement,
    /// What it means; `None` where nobody proved it.
    meaning: Option<Arc<Meaning>>,
}

/// What a statement means, or why nobody can say it.
#[derive(Debug)]
enum Meaning {
    /// How the image was built.
    Provenance(Box<Result<Provenance, ProvenanceError>>),
    /// What is in it.
    Sbom(Result<Arc<Sbom>, SbomError>),
    /// What a rebuilder found out.
    Rebuild(Box<Result<RebuildVerdict, String>>),
    /// The result of a check, or another predicate that hallmark reads.
    Predicate(Box<Result<Predicate, PredicateError>>),
    /// No more than that it is signed, or a type that hallmark does not read.
    Unread,
}

impl Meaning {
    fn of(statement: &Statement, limits: &Limits) -> Self {
        if is_provenance(statement) {
            return Self::Provenance(Box::new(provenance::parse(statement)));
        }
        if is_sbom(statement) {
            return Self::Sbom(read_sbom(statement, limits));
        }
        if is_rebuild(statement) {
            return Self::Rebuild(Box::new(read_rebuild(statement, limits)));
        }
        match statement.read() {
            Some(read) => Self::Predicate(Box::new(read)),
            None => Self::Unread,
        }
    }
}

fn is_provenance(statement: &Statement) -> bool {
    PredicateClass::Provenance.includes(&statement.predicate_type)
}

fn is_sbom(statement: &Statement) -> bool {
    PredicateClass::Sbom.includes(&statement.predicate_type)
}

fn is_rebuild(statement: &Statement) -> bool {
    statement.predicate_type == REBUILD_VERDICT
}

fn read_sbom(statement: &Statement, limits: &Limits) -> Result<Arc<Sbom>, SbomError> {
    sbom::from_predicate(&statement.predicate, limits).map(Arc::new)
}

fn read_rebuild(statement: &Statement, limits: &Limits) -> Result<RebuildVerdict, String> {
    let predicate = statement.predicate.value().map_err(|error| error.to_string())?;
    RebuildVerdict::parse(&predicate, limits).map_err(|error| error.to_string())
}

impl Claimed {
    /// A statement that somebody vouches for.
    pub(in crate::trust) fn proven(statement: Statement, limits: &Limits) -> Self {
        let meaning = Some(Arc::new(Meaning::of(&statement, limits)));
        Self { statement, meaning }
    }

    /// How the image was built, where it says that.
    pub fn provenance(&self) -> Option<Cow<'_, Result<Provenance, ProvenanceError>>> {
        match self.meaning.as_deref() {
            Some(Meaning::Provenance(read)) => Some(Cow::Borrowed(read)),
            Some(_) => None,
            None => is_provenance(self).then(|| Cow::Owned(provenance::parse(self))),
        }
    }

    /// What is in the image, where it says that.
    pub fn sbom(&self, limits: &Limits) -> Option<Result<Arc<Sbom>, SbomError>> {
        match self.meaning.as_deref() {
            Some(Meaning::Sbom(read)) => Some(read.clone()),
            Some(_) => None,
            None => is_sbom(self).then(|| read_sbom(self, limits)),
        }
    }

    /// What a rebuilder found out, where it says that.
    pub fn rebuild(&self, limits: &Limits) -> Option<Cow<'_, Result<RebuildVerdict, String>>> {
        match self.meaning.as_deref() {
            Some(Meaning::Rebuild(read)) => Some(Cow::Borrowed(read)),
            Some(_) => None,
            None => is_rebuild(self).then(|| Cow::Owned(read_rebuild(self, limits))),
        }
    }

    /// The result of a check, or another predicate that hallmark reads, where it says that.
    pub fn predicate(&self) -> Option<Cow<'_, Result<Predicate, PredicateError>>> {
        match self.meaning.as_deref() {
            Some(Meaning::Predicate(read)) => Some(Cow::Borrowed(read)),
            Some(_) => None,
            None => self.read().map(Cow::Owned),
        }
    }
}

impl From<Statement> for Claimed {
    /// A statement that nobody proved.
    fn from(statement: Statement) -> Self {
        Self { statement, meaning: None }
    }
}

impl Deref for Claimed {
    type Target = Statement;

    fn deref(&self) -> &Statement {
        &self.statement
    }
}

impl PartialEq for Claimed {
    fn eq(&self, other: &Self) -> bool {
        self.statement == other.statement
    }
}

impl Eq for Claimed {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::attest::{predicate::summary, statement::SIGNATURE};

    fn statement(predicate_type: &str, predicate: Value) -> Statement {
        let predicate_type = predicate_type.to_owned();
        Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() }
    }

    /// What it is read as, and whether it could be read.
    fn readings(claimed: &Claimed) -> [Option<bool>; 4] {
        let limits = Limits::default();
        [
            claimed.provenance().map(|read| read.is_ok()),
            claimed.sbom(&limits).map(|read| read.is_ok()),
            claimed.rebuild(&limits).map(|read| read.is_ok()),
            claimed.predicate().map(|read| read.is_ok()),
        ]
    }

    #[test]
    fn a_statement_means_one_thing_and_the_same_whether_or_not_it_is_proven() {
        let built = json!({
            "buildDefinition": { "buildType": "https://b.example/t", "externalParameters": {} },
            "runDetails": { "builder": { "id": "https://b.example" } },
        });
        let cases = [
            (provenance::SLSA_V1, built, [Some(true), None, None, None]),
            (provenance::SLSA_V1, json!({}), [Some(false), None, None, None]),
            ("https://spdx.dev/Document", json!({}), [None, Some(false), None, None]),
            (REBUILD_VERDICT, json!({}), [None, None, Some(false), None]),
            (summary::TYPE, json!({}), [None, None, None, Some(false)]),
            (SIGNATURE, json!({}), [None; 4]),
            ("https://example.com/unknown/v1", json!({}), [None; 4]),
        ];
        for (predicate_type, predicate, want) in cases {
            let statement = statement(predicate_type, predicate);
            let proven = Claimed::proven(statement.clone(), &Limits::default());
            assert_eq!(readings(&proven), want, "{predicate_type}");
            assert_eq!(readings(&Claimed::from(statement)), want, "{predicate_type}, unproven");
        }
    }

    #[test]
    fn what_is_proven_is_read_once() {
        let read = statement(provenance::SLSA_V1, json!({}));
        let proven = Claimed::proven(read.clone(), &Limits::default());
        assert!(matches!(proven.provenance(), Some(Cow::Borrowed(_))));
        // Nobody vouches for it, so that nothing of it is kept.
        assert!(matches!(Claimed::from(read).provenance(), Some(Cow::Owned(_))));
    }
}
