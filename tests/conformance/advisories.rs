//! Advisories and VEX: records of OSV, documents of OpenVEX, CycloneDX and CSAF.

use hallmark::{
    limits::Limits,
    vulnerabilities::{
        osv::{self, RecordError},
        vex::read::{self, TreeError, VexError},
    },
};

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    let limits = Limits::default();
    if case.text("osv").is_some() {
        return Ok(match osv::read(&case.file("osv")?, &limits) {
            Ok(_) => Verdict::Accepted,
            Err(error) => Verdict::refused(of_record(&error), error),
        });
    }
    let key = if case.text("csaf").is_some() { "csaf" } else { "vex" };
    Ok(match read::read(&case.file(key)?, &limits) {
        Ok(_) => Verdict::Accepted,
        Err(error) => Verdict::refused(of_document(&error), error),
    })
}

fn of_record(error: &RecordError) -> &'static str {
    match error {
        RecordError::NothingAffected => "nothing-affected",
        RecordError::EventTwice { .. } => "event-twice",
        _ => "record",
    }
}

fn of_document(error: &VexError) -> &'static str {
    match error {
        VexError::Undefined { .. } | VexError::Tree(TreeError::Undefined { .. }) => "undefined",
        _ => "document",
    }
}
