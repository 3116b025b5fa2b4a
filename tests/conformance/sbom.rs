//! Areas `sbom-cyclonedx` and `sbom-spdx`: documents that are read or refused, and those that lack an element of NTIA's.

use hallmark::{
    limits::Limits,
    sbom::{
        self, SbomError,
        quality::{Profile, gaps},
    },
};

use super::{Case, Outcome, Verdict};

/// What an error says, and the word of its reason.
const REASONS: [(&str, &str); 18] = [
    ("bomFormat is", "format"),
    ("empty bom-ref", "bom-ref"),
    ("have the bom-ref", "bom-ref"),
    ("missing field `tagId`", "swid"),
    ("missing field `name`", "name"),
    ("missing field `type`", "type"),
    ("missing field `SPDXID`", "identifier"),
    ("algorithm of a hash", "hash-algorithm"),
    ("which is no digest", "hash"),
    ("encoding of a licence's text", "licence-encoding"),
    ("the licence id", "licence-id"),
    ("stands twice", "licence-count"),
    ("does not stand alone", "licence-mix"),
    ("type of a patch", "patch"),
    ("property without a name", "property"),
    ("the scope", "scope"),
    ("the flow", "flow"),
    ("versionRange", "version-range"),
];

pub(crate) fn run(case: &Case) -> Outcome {
    let bytes = case.file("sbom")?;
    let read = match sbom::read(&bytes, &Limits::default()) {
        Ok(read) => read,
        Err(error) => return Ok(Verdict::refused(word(&error), error)),
    };
    if case.text("check").is_some() {
        let gaps = gaps(&read, Profile::Ntia2021);
        if let Some(gap) = gaps.first() {
            let all: Vec<&str> = gaps.iter().map(|gap| gap.element).collect();
            return Ok(Verdict::refused(gap.element, all.join(", ")));
        }
    }
    Ok(Verdict::Accepted)
}

fn word(error: &SbomError) -> &'static str {
    let said = error.to_string();
    if said.contains("metadata has no member") {
        return "metadata";
    }
    match (REASONS.iter().find(|(part, _)| said.contains(part)), error) {
        (Some((_, word)), _) => word,
        (None, SbomError::Unsupported(_)) => "unsupported",
        (None, SbomError::UnknownFormat(_)) => "format",
        (None, _) => "other",
    }
}
