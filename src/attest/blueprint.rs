//! An approved build: the predicate `https://hallmark.dev/blueprint/v0.1` (`docs/schemas/blueprint.v0.1.json`).
//!
//! Turns a predicate into a [`Blueprint`] and back: which stages a build has, on what each stands, what may be copied between
//! them, what reads the Dockerfile, and how a container of the result starts. Says nothing about truth: who may sign one,
//! `policy.blueprints` says. Refuses members that it does not know, since whoever wrote one means that it constrains something.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{digest::Digest, reference::Repository, untrusted::misleads};

/// The predicate type.
pub const BLUEPRINT: &str = "https://hallmark.dev/blueprint/v0.1";
/// The word for the Dockerfile frontend that is part of BuildKit.
pub const BUILT_IN: &str = "builtin";
/// Most entries of one list.
const MAX_ENTRIES: usize = 1000;
/// Longest text, in bytes.
const TEXT_BYTES: usize = 1024;

/// A build as somebody approved it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Blueprint {
    /// The stages, of which one is the image.
    pub stages: Vec<BlueprintStage>,
    /// What may be copied or mounted from one into another.
    #[serde(default)]
    pub edges: Vec<BlueprintEdge>,
    /// What may read the Dockerfile: `builtin`, or digests of frontend images.
    pub frontends: Vec<String>,
    /// SHA-256 digests of Dockerfiles; any that fits the rest where there are none.
    #[serde(default)]
    pub dockerfiles: Vec<String>,
    /// Images that the builder may take besides, as one that writes an SBOM.
    #[serde(default)]
    pub tools: Vec<BlueprintImage>,
    /// How a container starts; what is left out may be anything.
    #[serde(default)]
    pub runtime: BlueprintRuntime,
}

/// A stage of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlueprintStage {
    /// Its name in lower case; that of a stage without one is its number, counted from 0.
    pub name: String,
    /// What it is for.
    pub role: StageRole,
    /// On what it stands.
    pub base: BlueprintSource,
}

/// What a stage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageRole {
    /// Makes what others copy.
    Build,
    /// Tests, and need not be there.
    Test,
    /// Becomes the image.
    Runtime,
}

/// What a stage stands on, or takes files from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BlueprintSource {
    /// An image from elsewhere.
    Image {
        /// `registry/path`, as `docker.io/library/debian`.
        repository: String,
        /// Digests of which it may have one.
        digests: Vec<String>,
    },
    /// Another stage.
    Stage {
        /// Its name.
        stage: String,
    },
    /// Nothing.
    Scratch,
}

/// An image that may be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlueprintImage {
    /// `registry/path`.
    pub repository: String,
    /// Digests of which it may have one.
    pub digests: Vec<String>,
}

/// What may be copied or mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlueprintEdge {
    /// From where: a stage or an image.
    pub from: BlueprintSource,
    /// Into which stage.
    pub to: String,
    /// Patterns of absolute paths there: `*` stands for anything but `/`, `**` for anything.
    pub paths: Vec<String>,
}

/// How a container starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BlueprintRuntime {
    /// User and group as configured.
    #[serde(default)]
    pub user: Option<String>,
    /// Entry point.
    #[serde(default)]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    #[serde(default)]
    pub cmd: Option<Vec<String>>,
    /// Names of all environment variables.
    #[serde(default)]
    pub env: Option<Vec<String>>,
    /// All ports, as `8080/tcp`.
    #[serde(default)]
    pub ports: Option<Vec<String>>,
    /// All volumes.
    #[serde(default)]
    pub volumes: Option<Vec<String>>,
    /// Names of all labels.
    #[serde(default)]
    pub labels: Option<Vec<String>>,
}

/// Why a predicate is no blueprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlueprintError {
    /// It does not have the form.
    #[error("the blueprint is malformed: {0}")]
    Form(String),
    /// It holds what cannot be meant.
    #[error("the blueprint cannot be meant: {at}: {why}")]
    Meaning {
        /// Which member.
        at: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

fn wrong(at: impl Into<String>, why: &'static str) -> BlueprintError {
    BlueprintError::Meaning { at: at.into(), why }
}

impl Blueprint {
    /// Reads a predicate.
    ///
    /// # Errors
    /// See [`BlueprintError`].
    pub fn parse(predicate: &Value) -> Result<Self, BlueprintError> {
        let read = Self::deserialize(predicate);
        let read = read.map_err(|error| BlueprintError::Form(error.to_string()))?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), BlueprintError> {
        let mut names = BTreeSet::new();
        bounded("stages", self.stages.len())?;
        for stage in &self.stages {
            if !is_stage_name(&stage.name) {
                return Err(wrong(format!("stages: {:?}", stage.name), NAME));
            }
            if !names.insert(stage.name.as_str()) {
                return Err(wrong(format!("stages: {:?}", stage.name), "each name stands once"));
            }
        }
        let runtime = self.stages.iter().filter(|stage| stage.role == StageRole::Runtime).count();
        if runtime != 1 {
            return Err(wrong("stages", "exactly one has the role runtime: it becomes the image"));
        }
        for stage in &self.stages {
            source(&format!("stages: {:?}: base", stage.name), &stage.base, &names)?;
        }
        bounded("edges", self.edges.len())?;
        for (index, edge) in self.edges.iter().enumerate() {
            edge.check(&format!("edges[{index}]"), &names)?;
        }
        self.readers()?;
        bounded("tools", self.tools.len())?;
        for (index, tool) in self.tools.iter().enumerate() {
            image(&format!("tools[{index}]"), &tool.repository, &tool.digests)?;
        }
        self.runtime.check()
    }

    /// Frontends and Dockerfiles.
    fn readers(&self) -> Result<(), BlueprintError> {
        if self.frontends.is_empty() {
            return Err(wrong("frontends", "name builtin, or digests of frontend images"));
        }
        for (at, list) in [("frontends", &self.frontends), ("dockerfiles", &self.dockerfiles)] {
            bounded(at, list.len())?;
            let fits = |text: &String| is_digest(text) || at == "frontends" && text == BUILT_IN;
            if !list.iter().all(fits) {
                return Err(wrong(at, "each is a digest, as sha256: and 64 lower-case digits"));
            }
        }
        Ok(())
    }
}

impl BlueprintEdge {
    fn check(&self, at: &str, names: &BTreeSet<&str>) -> Result<(), BlueprintError> {
        if !names.contains(self.to.as_str()) {
            return Err(wrong(format!("{at}.to"), "it names no stage of the blueprint"));
        }
        if self.from == BlueprintSource::Scratch {
            return Err(wrong(format!("{at}.from"), "nothing can be copied from scratch"));
        }
        source(&format!("{at}.from"), &self.from, names)?;
        bounded(&format!("{at}.paths"), self.paths.len())?;
        match !self.paths.is_empty() && self.paths.iter().all(|path| is_path(path)) {
            true => Ok(()),
            false => Err(wrong(
                format!("{at}.paths"),
                "at least one absolute path without .. and the signs ? [ ] { } ! and \\; * and ** are patterns",
            )),
        }
    }
}

impl BlueprintRuntime {
    fn check(&self) -> Result<(), BlueprintError> {
        let lists = [
            ("entrypoint", &self.entrypoint),
            ("cmd", &self.cmd),
            ("env", &self.env),
            ("ports", &self.ports),
            ("volumes", &self.volumes),
            ("labels", &self.labels),
        ];
        let lists = lists.into_iter().filter_map(|(at, list)| Some((at, list.as_ref()?)));
        for (at, list) in lists {
            let at = format!("runtime.{at}");
            bounded(&at, list.len())?;
            if list.iter().any(|text| text.len() > TEXT_BYTES) {
                return Err(wrong(at, "a text is longer than 1024 bytes"));
            }
        }
        match self.user.as_ref().is_some_and(|user| user.len() > TEXT_BYTES) {
            true => Err(wrong("runtime.user", "it is longer than 1024 bytes")),
            false => Ok(()),
        }
    }
}

const NAME: &str = "a name has lower-case letters, digits, -, _ and . and is at most 128 long";

/// Whether a text is a stage's name in its normal form, or the number of one without.
pub fn is_stage_name(text: &str) -> bool {
    let letters =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    let named = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(letters);
    let numbered = text.parse::<usize>().is_ok_and(|number| number.to_string() == text);
    text.len() <= 128 && (named || numbered)
}

fn is_digest(text: &str) -> bool {
    text.parse::<Digest>().is_ok_and(|digest| digest.to_string() == text)
}

fn is_path(text: &str) -> bool {
    let parts = text.split('/').skip(1);
    text.starts_with('/')
        && text.len() <= TEXT_BYTES
        && !text.contains(|c: char| misleads(c) || "?[]{}!\\".contains(c))
        && !text.contains("***")
        && parts.into_iter().all(|part| !matches!(part, "." | ".."))
}

fn bounded(at: &str, found: usize) -> Result<(), BlueprintError> {
    match found <= MAX_ENTRIES {
        true => Ok(()),
        false => Err(wrong(at, "it has more than 1000 entries")),
    }
}

fn source(
    at: &str,
    source: &BlueprintSource,
    names: &BTreeSet<&str>,
) -> Result<(), BlueprintError> {
    match source {
        BlueprintSource::Scratch => Ok(()),
        BlueprintSource::Stage { stage } if names.contains(stage.as_str()) => Ok(()),
        BlueprintSource::Stage { .. } => Err(wrong(at, "it names no stage of the blueprint")),
        BlueprintSource::Image { repository, digests } => image(at, repository, digests),
    }
}

fn image(at: &str, repository: &str, digests: &[String]) -> Result<(), BlueprintError> {
    let normal = repository.parse::<Repository>().is_ok_and(|r| r.to_string() == repository);
    if !normal {
        let why = "the repository is written in full, as docker.io/library/debian";
        return Err(wrong(at, why));
    }
    bounded(at, digests.len())?;
    match !digests.is_empty() && digests.iter().all(|text| is_digest(text)) {
        true => Ok(()),
        false => Err(wrong(at, "it has at least one digest, as sha256: and 64 lower-case digits")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A build in two stages.
    pub(crate) fn example() -> Value {
        let digest = format!("sha256:{}", "e".repeat(64));
        json!({
            "stages": [
                {"name": "build", "role": "build", "base":
                    {"kind": "image", "repository": "registry.example/base/debian", "digests": [digest]}},
                {"name": "final", "role": "runtime", "base": {"kind": "scratch"}},
            ],
            "edges": [{"from": {"kind": "stage", "stage": "build"}, "to": "final", "paths": ["/out/*"]}],
            "frontends": ["builtin"],
            "runtime": {"user": "65532", "ports": ["8080/tcp"]},
        })
    }

    #[test]
    fn what_is_read_is_what_is_written() {
        let read = Blueprint::parse(&example()).unwrap();
        assert_eq!(read.stages[0].role, StageRole::Build);
        let again = serde_json::to_value(&read).unwrap();
        assert_eq!(Blueprint::parse(&again).unwrap(), read);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let build = json!({"kind": "stage", "stage": "build"});
        let cases = [
            ("/stages", json!([]), "exactly one"),
            ("/stages/1/role", json!("build"), "exactly one"),
            ("/stages/0/role", json!("runtime"), "exactly one"),
            ("/stages/0/role", json!("other"), "malformed"),
            ("/stages/0/name", json!("Build"), "lower-case"),
            ("/stages/0/name", json!("final"), "each name stands once"),
            ("/stages/0/base", json!({"kind": "stage", "stage": "x"}), "names no stage"),
            ("/stages/0/base/repository", json!("debian"), "written in full"),
            ("/stages/0/base/digests", json!([]), "at least one digest"),
            ("/stages/0/base/digests", json!(["sha256:ab"]), "at least one digest"),
            ("/edges/0/from", json!({"kind": "scratch"}), "copied from scratch"),
            ("/edges/0/to", json!("x"), "names no stage"),
            ("/edges/0/paths", json!([]), "absolute path"),
            ("/edges/0/paths", json!(["out"]), "absolute path"),
            ("/edges/0/paths", json!(["/out/../etc"]), "absolute path"),
            ("/edges/0/paths", json!(["/out/[ab]"]), "absolute path"),
            ("/frontends", json!([]), "builtin"),
            ("/frontends", json!(["docker/dockerfile:1"]), "a digest"),
            ("/dockerfiles", json!(["builtin"]), "a digest"),
            ("/tools", json!([{"repository": "a", "digests": []}]), "written in full"),
            ("/network", json!("none"), "unknown field"),
            ("/runtime/shell", json!("none"), "unknown field"),
            ("/runtime/env", json!(vec!["A"; MAX_ENTRIES + 1]), "more than 1000"),
            ("/runtime/user", json!("u".repeat(TEXT_BYTES + 1)), "longer than 1024"),
        ];
        for (pointer, value, words) in cases {
            let mut changed = example();
            changed["edges"][0]["from"] = build.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            match changed.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
                object => object[key] = value,
            }
            let error = Blueprint::parse(&changed).expect_err(pointer).to_string();
            assert!(error.contains(words), "{pointer}: {error}");
        }
        let mut full = example();
        full["dockerfiles"] = json!([]);
        full["runtime"]["env"] = json!(vec!["A"; MAX_ENTRIES]);
        full["runtime"]["user"] = json!("u".repeat(TEXT_BYTES));
        assert!(Blueprint::parse(&full).is_ok(), "at the bounds");
    }

    proptest! {
        #[test]
        fn never_panics(name in "[a-z/*.\\[]{0,8}", path in "[/a.*]{0,12}") {
            let mut any = example();
            any["stages"][0]["name"] = json!(name);
            any["edges"][0]["paths"] = json!([path]);
            let _ = Blueprint::parse(&any);
        }
    }
}
