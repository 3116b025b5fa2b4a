//! What rules see of secrets: what and where each is, and nothing of it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::contents::secrets::{Secret, Secrets, Source, Unsearched};

/// Private keys and tokens in every layer, in the configuration and in the history.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretsInput {
    /// What was found, no more than `limits.facts`.
    pub found: Vec<SecretInput>,
    /// How many more there are in layers.
    pub left_out: usize,
    /// Files that were not searched, or not to their ends; empty where all were.
    pub unsearched: Vec<UnsearchedInput>,
    /// How many there are in test data and documents that packages of the distribution recorded with these very bytes: they open nothing
    /// and are not listed.
    pub fixtures: usize,
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretInput {
    /// What it opens: `private-key`, `aws-access-key`, `github-token`, `credentials`, `named-secret` ...
    pub kind: String,
    /// Where it is: `file`, `env`, `labels`, `entrypoint`, `cmd`, `healthcheck`, `shell`, `onbuild`,
    /// `history` or `annotations`; of a document's other words, `config` or `manifest`.
    pub source: String,
    /// Whether a passphrase protects it.
    pub encrypted: bool,
    /// Path of the file.
    pub path: Option<String>,
    /// The layer that the file is from, counted from 0.
    pub layer: Option<usize>,
    /// Whether a later layer deletes or replaces the file: whoever pulls the image has it all the same.
    pub hidden: bool,
    /// Line, from 1, where the file is text.
    pub line: Option<u64>,
    /// Bytes from the beginning of the file.
    pub offset: Option<u64>,
    /// Its place among variables, labels or steps of the history, counted from 0.
    pub index: Option<usize>,
    /// Name of the variable, label or annotation; of a file whose entry holds it and not its bytes, `path`, `link`, `owner`,
    /// `xattr NAME` or `pax KEY`.
    pub name: Option<String>,
}

/// Files that were not searched, or not as a whole, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnsearchedInput {
    /// The first of the files.
    pub path: String,
    /// Why.
    pub why: String,
    /// How many files there are.
    pub files: usize,
}

impl SecretsInput {
    pub(super) fn of(secrets: &Secrets) -> Self {
        Self {
            found: secrets.found.items.iter().map(SecretInput::of).collect(),
            left_out: secrets.found.left_out,
            unsearched: secrets.unsearched.iter().map(UnsearchedInput::of).collect(),
            fixtures: secrets.fixtures,
        }
    }
}

impl UnsearchedInput {
    pub(super) fn of(one: &Unsearched) -> Self {
        Self { path: one.path.clone(), why: one.why.clone(), files: one.files }
    }
}

impl SecretInput {
    fn of(secret: &Secret) -> Self {
        let none = Self {
            kind: secret.kind.word().to_owned(),
            source: "file".to_owned(),
            encrypted: secret.encrypted,
            path: None,
            layer: None,
            hidden: false,
            line: None,
            offset: None,
            index: None,
            name: None,
        };
        match &secret.source {
            Source::File { spot, offset, line, field, hidden } => Self {
                path: Some(spot.path.clone()),
                layer: spot.layer,
                hidden: *hidden,
                line: *line,
                offset: *offset,
                name: field.clone(),
                ..none
            },
            Source::Config { part, index, name } => {
                Self { source: (*part).to_owned(), index: Some(*index), name: name.clone(), ..none }
            }
        }
    }
}
