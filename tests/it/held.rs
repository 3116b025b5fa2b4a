//! Every document that the real program prints or writes, held against the schema that it publishes.
//!
//! [`hold`] looks at each call of the integration tests: what stands on stdout, and in the files that the call was asked to write. A
//! document that no schema knows is a failure, and so is one with a member that its schema does not name.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use hallmark::report::schema::{self, ALL};
use jsonschema::Validator;
use serde_json::Value;

use crate::support::Answer;

/// Predicate types of statements that hallmark writes, and their schemas.
const STATEMENTS: [(&str, &str); 3] = [
    ("https://hallmark.dev/rebuild-verdict/v0.1", "rebuild-verdict"),
    ("https://slsa.dev/verification_summary/v1", "verification-summary"),
    ("https://slsa.dev/provenance/v1", "build-statement"),
];

fn validators() -> &'static BTreeMap<&'static str, Validator> {
    static ALL_OF_THEM: OnceLock<BTreeMap<&'static str, Validator>> = OnceLock::new();
    ALL_OF_THEM.get_or_init(|| {
        let one = |schema: &schema::Published| {
            let options = jsonschema::options().should_validate_formats(true);
            let validator = options.build(&schema.bundled());
            (schema.name, validator.unwrap_or_else(|error| panic!("{}: {error}", schema.name)))
        };
        ALL.iter().map(one).collect()
    })
}

/// The schema of a document, by what it says of itself.
pub fn schema_of(document: &Value) -> Option<&'static str> {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    if let Some(word) = text("schema").or_else(|| text("format")) {
        return schema::find(word).map(|schema| schema.name);
    }
    match (text("_type"), text("predicateType")) {
        (Some(_), Some(kind)) => {
            STATEMENTS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
        }
        (None, Some(_)) => Some("build-manifest"),
        // A predicate alone, before it is signed.
        _ if document.get("stages").is_some() && document.get("frontends").is_some() => {
            Some("blueprint")
        }
        _ => None,
    }
}

/// What is wrong with a document, and with those that it has in it.
#[track_caller]
pub fn holds(document: &Value, place: &str) {
    let Some(name) = schema_of(document) else {
        panic!("{place}: no schema knows this document\n{document:#}")
    };
    let errors: Vec<String> = validators()[name]
        .iter_errors(document)
        .map(|error| format!("{}: {error:.300}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place}: {name}\n{}\n{document:#}", errors.join("\n"));
    for partial in document["partial"].as_array().into_iter().flatten() {
        holds(partial, place);
    }
}

/// How a call asks for JSON on stdout.
fn asks_for_json(words: &[&str]) -> bool {
    let apart = |pair: &[&str]| matches!(pair, ["-o" | "--output", "json"]);
    let creates = words.windows(2).any(|pair| pair == ["provenance", "create"]);
    let joined = words.iter().any(|word| ["-ojson", "-o=json", "--output=json"].contains(word));
    !creates && (joined || words.windows(2).any(apart))
}

/// The files of a call that get a document, by its options.
fn files(words: &[&str]) -> Vec<PathBuf> {
    let embeds = words.windows(2).any(|pair| pair == ["provenance", "embed"]);
    let creates = words.windows(2).any(|pair| pair == ["provenance", "create"]);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).copied().unwrap_or_default();
        match *word {
            "--attest" => found.extend(with_platforms(Path::new(next))),
            "--statement" if embeds => found.push(next.into()),
            "-o" | "--output" if creates => found.push(next.into()),
            "-o" | "--output" => found.extend(next.strip_prefix("json=").map(PathBuf::from)),
            word => found.extend(word.strip_prefix("--output=json=").map(PathBuf::from)),
        }
    }
    found
}

/// `vsa.json`, and `vsa-linux-amd64.json` beside it.
fn with_platforms(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| {
        let stem = |path: &Path| path.file_stem().and_then(OsStr::to_str).map(str::to_owned);
        let (own, asked) = (stem(path).unwrap_or_default(), stem(file).unwrap_or_default());
        let rest = own.strip_prefix(&asked);
        path.extension() == file.extension()
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("-linux-"))
    };
    beside.map(|entry| entry.path()).filter(is_one).collect()
}

/// Whether what a call prints has the form of others: `tests/it/{sbom,rules,reports}.rs` hold it against what others take.
fn generates(words: &[&str]) -> bool {
    let others = [["sbom", "generate"], ["policy", "export"], ["-o", "gitlab-container-scanning"]];
    words.windows(2).any(|pair| others.iter().any(|other| pair == other))
}

/// Holds an answer, and the files that came with it, against the schemas.
#[track_caller]
pub fn hold(words: &[&str], answer: &Answer) {
    let call = words.join(" ");
    let is_document = answer.stdout.starts_with('{');
    // Whoever is killed says nothing any more.
    if asks_for_json(words) && answer.code >= 0 {
        assert!(is_document, "{call}: no document on stdout\n{}", answer.all());
    }
    let is_foreign = ["spdxVersion", "bomFormat", "transports", "\"scan\""]
        .iter()
        .any(|key| answer.stdout.contains(key));
    if is_document && !(generates(words) && is_foreign) {
        let documents = serde_json::Deserializer::from_str(&answer.stdout).into_iter::<Value>();
        let documents: Result<Vec<Value>, _> = documents.collect();
        let documents = documents.unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_eq!(documents.len(), 1, "{call}: one answer is one document\n{}", answer.all());
        documents.iter().filter(|one| one.get("$schema").is_none()).for_each(|document| {
            holds(document, &call);
        });
    }
    // Devices and pipes have no end.
    for file in files(words).into_iter().filter(|file| file.is_file()) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if let Ok(document) = serde_json::from_str(&text) {
            holds(&document, &format!("{call}: {}", file.display()));
        }
    }
}
