//! Builds that somebody approved: blueprints by configured signers.
//!
//! Turns a signed statement in a file into an [`ApprovedBuild`], which exists only where one of the signers who are asked for
//! signed it. Everything else is refused with who did sign.

use super::{ImagePattern, files::StatementFile};
use crate::{
    attest::blueprint::{BLUEPRINT, Blueprint, BlueprintError},
    digest::Digest,
};

/// A blueprint that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedBuild {
    /// Which images.
    images: Vec<ImagePattern>,
    /// The file, as the operator names it.
    file: String,
    /// Who of those that are asked for signed it.
    signers: Vec<String>,
    /// Digest of the signed payload.
    payload: Digest,
    /// What is approved.
    blueprint: Blueprint,
}

/// Why a statement approves no build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// It says something else.
    #[error("its predicate type is {0:?}, and that of a blueprint is {BLUEPRINT}")]
    PredicateType(String),
    /// Nobody signed it who has to.
    #[error("{}", signed_by(_0, _1))]
    Signers(Vec<String>, Vec<String>),
    /// Its predicate is no blueprint.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// Its predicate cannot be read.
    #[error("its predicate cannot be read: {0}")]
    Unreadable(String),
}

/// Who signed, and who has to.
pub(crate) fn signed_by(found: &[String], asked: &[String]) -> String {
    let asked = asked.join(" or ");
    match found {
        [] => format!("no configured signer signed it, and {asked} has to"),
        found => format!("it is signed by {}, and {asked} has to", found.join(", ")),
    }
}

impl ApprovedBuild {
    /// A blueprint for images, where one of `asked` signed it.
    ///
    /// # Errors
    /// See [`NotApproved`].
    pub fn new(
        images: Vec<ImagePattern>,
        file: String,
        read: StatementFile,
        asked: &[String],
    ) -> Result<Self, NotApproved> {
        let StatementFile { statement, payload, signers } = read;
        // Who signed comes first: what a stranger wrote is not looked into.
        let counting: Vec<String> =
            signers.iter().filter(|name| asked.contains(name)).cloned().collect();
        if counting.is_empty() {
            return Err(NotApproved::Signers(signers, asked.to_vec()));
        }
        if statement.predicate_type != BLUEPRINT {
            let found = statement.predicate_type.chars().take(200).collect();
            return Err(NotApproved::PredicateType(found));
        }
        let predicate = statement.predicate.value();
        let predicate = predicate.map_err(|error| NotApproved::Unreadable(error.to_string()))?;
        let blueprint = Blueprint::parse(&predicate)?;
        Ok(Self { images, file, signers: counting, payload, blueprint })
    }

    /// Whether it is for images at a location, which it is written as.
    pub fn is_for(&self, location: &str) -> bool {
        self.images.iter().any(|images| images.matches_written(location))
    }

    /// The file, as the operator names it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Who signed it, of those that are asked for.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }

    /// Digest of the signed payload.
    pub fn payload(&self) -> &Digest {
        &self.payload
    }

    /// What is approved.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// What a verdict depends on of it.
    pub fn json(&self) -> serde_json::Value {
        let images: Vec<String> = self.images.iter().map(ToString::to_string).collect();
        serde_json::json!({ "images": images, "payload": self.payload.to_string() })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::attest::{Statement, blueprint::tests::example};

    /// A statement in a file, signed by these.
    fn file(predicate_type: &str, predicate: Value, signers: &[&str]) -> StatementFile {
        StatementFile {
            statement: Statement {
                subjects: Vec::new(),
                predicate_type: predicate_type.to_owned(),
                predicate: predicate.into(),
            },
            payload: Digest::sha256(b"payload"),
            signers: signers.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// The example, approved for all images.
    pub(crate) fn approved() -> ApprovedBuild {
        let read = file(BLUEPRINT, example(), &["team"]);
        let images = vec!["**".parse().unwrap()];
        ApprovedBuild::new(images, "app.json".to_owned(), read, &["team".to_owned()]).unwrap()
    }

    #[test]
    fn a_blueprint_counts_where_one_who_has_to_signed_it() {
        let asked = ["team".to_owned(), "lead".to_owned()];
        let cases = [
            (BLUEPRINT, example(), &["team", "other"][..], None),
            (BLUEPRINT, example(), &[], Some("no configured signer signed it, and team or lead")),
            (BLUEPRINT, example(), &["other"], Some("it is signed by other, and team or lead")),
            ("https://x.example/v1", example(), &["team"], Some("its predicate type is")),
            (BLUEPRINT, json!({}), &["team"], Some("malformed")),
            (BLUEPRINT, json!({}), &["other"], Some("it is signed by other")),
        ];
        for (kind, predicate, signers, wrong) in cases {
            let read = file(kind, predicate, signers);
            let made = ApprovedBuild::new(Vec::new(), "f".to_owned(), read, &asked);
            match (made, wrong) {
                (Ok(made), None) => assert_eq!(made.signers(), ["team"]),
                (Err(error), Some(words)) => {
                    assert!(error.to_string().contains(words), "{error}");
                }
                (made, wrong) => panic!("{made:?}, {wrong:?}"),
            }
        }
        let here = ApprovedBuild::new(
            vec!["r.example/app".parse().unwrap()],
            "f".to_owned(),
            file(BLUEPRINT, example(), &["lead"]),
            &asked,
        );
        let here = here.unwrap();
        assert!(here.is_for("r.example/app") && !here.is_for("r.example/app2"));
    }
}
