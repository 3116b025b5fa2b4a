//! What rules see of signatures and attestations.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    predicate::PredicateInput,
    proof::{Audience, ProofInput, UNPROVEN_CHARS},
    refs::Names,
};
use crate::{
    contents::secrets::shown_json,
    json::numbers,
    trust::{Claimed, PredicateClass, Proof},
    verdict::{Evidence, standing},
};

/// How a `problem` begins that says that a predicate has a number which nobody can hold.
const NOT_HELD: &str = "its predicate holds the number ";

/// The number because of which rules see nothing of a predicate, where a claim's problem is one.
fn number(problem: &str) -> Option<String> {
    let problem = problem.strip_prefix(NOT_HELD)?;
    Some(problem.split(',').next()?.to_owned())
}

/// The first claim of a list that rules see nothing of because of a number: where, and the number.
pub(super) fn first_not_held(list: &str, claims: &[StatementInput]) -> Option<(String, String)> {
    claims.iter().enumerate().find_map(|(i, claim)| {
        let number = number(claim.problem.as_deref()?)?;
        Some((format!("input.{list}[{i}].predicate"), number))
    })
}

/// The same in an input that was saved.
pub(in crate::policy) fn not_held(input: &Value) -> Option<(String, String)> {
    ["signatures", "attestations"].into_iter().find_map(|list| {
        let claims = input.get(list)?.as_array()?.iter().enumerate();
        let problem = |claim: &Value| number(claim.get("problem")?.as_str()?);
        let mut found = claims.filter_map(|(i, claim)| {
            Some((format!("input.{list}[{i}].predicate"), problem(claim)?))
        });
        found.next()
    })
}

/// A signature or attestation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementInput {
    /// What was proven.
    #[serde(flatten)]
    pub proof: ProofInput,
    /// Its predicate type.
    pub predicate_type: String,
    /// Its predicate; null unless it is proven, since what nobody proved decides nothing, and where it holds more values than
    /// `limits.jsonValues` or a number that 64 bits do not hold exactly. In provenance, refs of the source are blanked as in
    /// `provenance.build.parameters`.
    pub predicate: Value,
    /// The same with its meaning, whatever version of a format it came in; null unless it is proven, for types that hallmark does
    /// not read, and for signatures, provenance and SBOMs, which have places of their own.
    pub content: Option<PredicateInput>,
    /// Why `content` is null although the type is one that hallmark reads, or `predicate` although it is proven.
    pub problem: Option<String>,
    /// False where it says that something is not good: a summary or test result that failed or says neither, a summary of
    /// another resource, a predicate that is not of its form; and for whatever is not proven.
    pub holds: bool,
}

impl StatementInput {
    pub(super) fn of(
        proof: &Proof<Claimed>,
        audience: Audience,
        evidence: &Evidence,
    ) -> Option<Self> {
        let statement = proof.value()?;
        let heard = audience.hears(proof);
        let rules = heard && audience == Audience::Rules;
        let number = rules.then(|| numbers::inexact(statement.predicate.text())).flatten();
        let problem = number.map(|number| {
            format!(
                "{NOT_HELD}{number}, which 64 bits do not hold exactly: rules see nothing of it"
            )
        });
        if problem.is_some() {
            return Some(Self { problem, ..Self::told(proof, statement, heard) });
        }
        let read = heard.then(|| statement.predicate()).flatten();
        let (content, problem) = match read.as_deref() {
            Some(Ok(predicate)) => (Some(predicate), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        // Nothing that nobody vouches for takes memory, or is there to be relied on.
        let proven = proof.proven().map(|verified| verified.value());
        let mut predicate = proven.and_then(|s| s.predicate.value().ok()).unwrap_or_default();
        let says_build = PredicateClass::Provenance.includes(&statement.predicate_type);
        match audience {
            Audience::Rules if says_build => {
                let same = proof.payload() == evidence.provenance.payload();
                let provenance = evidence.provenance.value().filter(|_| same);
                let names = provenance.map(|provenance| Names::of(provenance, &evidence.refs));
                names.unwrap_or_default().blank(&mut predicate);
            }
            // As the arguments of the build that counts.
            Audience::Readers if says_build => {
                predicate = shown_json("predicate", &predicate, usize::MAX);
            }
            Audience::Rules | Audience::Readers => {}
        }
        Some(Self {
            holds: heard && problem.is_none() && standing(content, &evidence.image).is_ok(),
            content: content.map(PredicateInput::of),
            problem,
            predicate,
            ..Self::told(proof, statement, heard)
        })
    }

    /// That it is there.
    fn told(proof: &Proof<Claimed>, statement: &Claimed, heard: bool) -> Self {
        Self {
            proof: ProofInput::of(proof),
            predicate_type: match heard {
                true => statement.predicate_type.clone(),
                false => statement.predicate_type.chars().take(UNPROVEN_CHARS).collect(),
            },
            predicate: Value::Null,
            content: None,
            problem: None,
            holds: false,
        }
    }
}
