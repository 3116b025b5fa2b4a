//! Area `attestation-examples`: documents of many producers; whatever they are, the answer is a verdict.

use hallmark::{
    attest::{Statement, provenance},
    limits::Limits,
};

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    let Some(name) = case.text("file").or(case.text("policy_input")) else {
        return Err("no file".to_owned());
    };
    let limits = Limits::default();
    Ok(match Statement::parse(&case.read(name)?, &limits) {
        Err(error) => Verdict::refused(error.code(), error),
        Ok(statement) => match provenance::parse(&statement) {
            Ok(_) => Verdict::Accepted,
            Err(error) => Verdict::refused("provenance", error),
        },
    })
}
