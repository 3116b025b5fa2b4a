//! Suites of other projects, run against hallmark.
//!
//! Reads every `CASES.tsv` under the folder that `HALLMARK_CONFORMANCE` names (default `../shared/conformance`): a case has
//! a name, what has to come out (`pass`, `fail`, `info`), its inputs as JSON and a note. Prints a table and names every
//! wrong case. A `fail` row counts only when it is refused with the code that `tests/conformance-reasons.tsv` holds for
//! it. `tests/conformance-skips.tsv` lists cases with a reason; it is strict: a listed case that comes out right, and a
//! line that matches no case, fail the run. One module for each area.

mod advisories;
mod cosign_image;
mod in_toto;
mod merkle;
mod oci;
mod rego;
mod sbom;
mod sigstore_bundle;
mod slsa_provenance;
mod statements;
mod tar;
mod trust_root;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde_json::Value;

/// What hallmark says about a case.
pub(crate) enum Verdict {
    Accepted,
    Refused { code: String, why: String },
}

/// One line of `CASES.tsv`.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) inputs: Value,
    folder: PathBuf,
    expect: String,
}

/// `Err` where the case could not be run: never right, except for `info`.
pub(crate) type Outcome = Result<Verdict, String>;

type Runner = fn(&Case) -> Outcome;

const AREAS: [(&str, Runner); 13] = [
    ("sigstore-bundle", sigstore_bundle::run),
    ("cosign-image", cosign_image::run),
    ("trust-root", trust_root::run),
    ("merkle", merkle::run),
    ("in-toto", in_toto::run),
    ("attestation-examples", statements::run),
    ("slsa-provenance", slsa_provenance::run),
    ("tar", tar::run),
    ("oci", oci::run),
    ("sbom-cyclonedx", sbom::run),
    ("sbom-spdx", sbom::run),
    ("vex-osv-csaf", advisories::run),
    ("rego", rego::run),
];

impl Verdict {
    pub(crate) fn refused(code: impl ToString, why: impl ToString) -> Self {
        Self::Refused { code: code.to_string(), why: why.to_string() }
    }
}

impl Case {
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.inputs.get(key).and_then(Value::as_str)
    }

    pub(crate) fn list(&self, key: &str) -> Vec<&str> {
        self.inputs
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.path(name)).map_err(|error| format!("{name}: {error}"))
    }

    /// The bytes of the file that an input names.
    pub(crate) fn file(&self, key: &str) -> Result<Vec<u8>, String> {
        self.read(self.text(key).ok_or_else(|| format!("no input {key}"))?)
    }
}

fn cases(folder: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(folder.join("CASES.tsv")).unwrap_or_default();
    let lines = text.lines().skip(1).filter(|line| !line.is_empty());
    let case = |line: &str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (name, expect, inputs) = (next(), next(), next());
        let inputs = serde_json::from_str(&inputs).expect("inputs are JSON");
        Case { name, expect, inputs, folder: folder.to_owned() }
    };
    lines.map(case).collect()
}

/// Lines of a list in this folder: area, case, text. A case may end with `*`.
fn list(name: &str) -> Vec<[String; 3]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    let text = std::fs::read_to_string(path).expect(name);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.splitn(3, '\t').map(str::to_owned);
            std::array::from_fn(|_| fields.next().expect("three fields between tabs"))
        })
        .collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

/// Why a case came out wrong.
fn wrong(area: &str, case: &Case, run: Runner, reasons: &[[String; 3]]) -> Option<String> {
    let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| run(case))) else {
        return Some("panicked".to_owned());
    };
    match (case.expect.as_str(), outcome) {
        ("info", _) | ("pass", Ok(Verdict::Accepted)) => None,
        ("pass", Ok(Verdict::Refused { code, why })) => Some(format!("refused: {code}: {why}")),
        ("fail", Ok(Verdict::Accepted)) => Some("FALSELY ACCEPTED".to_owned()),
        ("fail", Ok(Verdict::Refused { code, why })) => {
            let expected = reasons.iter().find(|[a, c, _]| a == area && matches(c, &case.name));
            match expected.map(|[.., expected]| expected) {
                Some(expected) if *expected == code => None,
                Some(expected) => Some(format!("refused with {code}, expected {expected}: {why}")),
                None => {
                    Some(format!("no expected reason; add {area}\t{}\t{code} ({why})", case.name))
                }
            }
        }
        (_, Err(why)) => Some(format!("could not be run: {why}")),
        (expect, Ok(_)) => Some(format!("unknown expectation {expect:?}")),
    }
}

#[test]
fn suites_of_other_projects() {
    let folder = std::env::var_os("HALLMARK_CONFORMANCE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!("SKIPPED suites_of_other_projects: no conformance data at {}", folder.display());
        return;
    }
    let reasons = list("conformance-reasons.tsv");
    let skips = list("conformance-skips.tsv");
    let mut complaints = Vec::new();
    let mut used = vec![false; skips.len()];
    println!("{:24} {:>6} {:>6} {:>7}", "area", "passed", "failed", "skipped");
    for (area, run) in AREAS {
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for case in cases(&folder.join(area)) {
            let wrong = wrong(area, &case, run, &reasons);
            let listed = skips.iter().position(|[a, c, _]| a == area && matches(c, &case.name));
            if let Some(at) = listed {
                used[at] = true;
            }
            // Rows without a verdict to hold to cannot be skipped, only panic.
            match (wrong, listed) {
                (None, Some(_)) if case.expect != "info" => {
                    failed += 1;
                    complaints
                        .push(format!("{area}/{}: listed in the skips, and right", case.name));
                }
                (None, _) => passed += 1,
                (Some(why), Some(_)) if !why.starts_with("FALSELY") && why != "panicked" => {
                    skipped += 1;
                }
                (Some(why), _) => {
                    failed += 1;
                    complaints.push(format!("{area}/{} [{}]: {why}", case.name, case.expect));
                }
            }
        }
        let present = folder.join(area).is_dir();
        match present {
            true => println!("{area:24} {passed:>6} {failed:>6} {skipped:>7}"),
            false => println!("{area:24} SKIPPED: no folder {}", folder.join(area).display()),
        }
        for ([_, case, _], used) in skips.iter().zip(&used).filter(|([a, ..], _)| a == area) {
            if present && !used {
                complaints.push(format!("{area}/{case}: in the skips, and no such case"));
            }
        }
    }
    assert!(complaints.is_empty(), "{} wrong:\n{}", complaints.len(), complaints.join("\n"));
}
