//! What a rebuilder says about an image: the predicate `https://hallmark.dev/rebuild-verdict/v0.1`.
//!
//! Turns a predicate into a [`RebuildVerdict`] and back. The subject of its statement is the published manifest of one
//! platform; the predicate says who rebuilt it with what, which digests came out, which rung of the ladder was reached, and
//! what was left. Says nothing about truth: `trust::quorum` asks how many of whom say the same. Refuses verdicts without a
//! rebuilder, an end or a result, levels that are none, and levels without the digests that show them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    digest::{ConfigDigest, Digest, ManifestDigest},
    limits::Limits,
};

/// The predicate type.
pub const REBUILD_VERDICT: &str = "https://hallmark.dev/rebuild-verdict/v0.1";
/// Longest text that is kept of a verdict, in bytes.
const TEXT_BYTES: usize = 512;

/// What a rebuilder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildVerdict {
    /// Who rebuilt it, with what.
    pub rebuilder: Rebuilder,
    /// The provenance that it was rebuilt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<UsedProvenance>,
    /// What came out; none where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<RebuiltDigests>,
    /// The result.
    pub verdict: Result,
    /// What went in.
    #[serde(default)]
    pub inputs: Inputs,
    /// When.
    pub timing: Timing,
}

/// Who rebuilt it, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilder {
    /// A URI of the rebuilder's own choice.
    pub id: String,
    /// Who operates it. A word of the statement: whose vote it is, the operator's own configuration decides.
    #[serde(default)]
    pub operator: String,
    /// hallmark's version.
    #[serde(default)]
    pub version: String,
    /// Engine, architecture and the like.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The provenance that an image was rebuilt from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedProvenance {
    /// Digest of the statement: a verdict counts where that is the provenance that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Names of its signers, or `unsigned`.
    pub signer: String,
    /// Its build type.
    pub build_type: String,
}

/// What came out of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuiltDigests {
    /// The manifest.
    pub manifest: ManifestDigest,
    /// The configuration, which names every uncompressed layer.
    pub config: ConfigDigest,
    /// The layers, uncompressed, recomputed.
    #[serde(rename = "diffIDs", default)]
    pub diff_ids: Vec<Digest>,
}

/// The result of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Result {
    /// `compared`, `not-replayable`, `build-failed`, `published-unreadable`, `source-gone`, `source-unreachable`,
    /// `source-denied`, `timeout`, `platform-foreign` or `engine-error`.
    pub status: String,
    /// `R5` to `R0`; none unless compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// As `consistently-different`.
    #[serde(default)]
    pub determinism: String,
    /// How much was built.
    #[serde(default)]
    pub coverage: CoveredLayers,
    /// What steps could reach.
    #[serde(default)]
    pub network: String,
    /// What is left of differences, as many as fit.
    #[serde(default)]
    pub residual: Vec<Residue>,
    /// Why there is no level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How much of an image was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoveredLayers {
    /// Layers that the engine built; nothing where nobody saw which are the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_rebuilt: Option<usize>,
    /// Layers that are those of the base; nothing where nobody saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_inherited: Option<usize>,
    /// Layers that were taken over from the published image.
    #[serde(default)]
    pub layers_carried: usize,
}

/// A difference that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residue {
    /// Where.
    pub place: String,
    /// As `content`.
    pub class: String,
    /// What explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalizer: Option<String>,
}

/// What went into a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Digest of the source policy or pin list that was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Digest>,
    /// Every pinned input that the builder was given.
    #[serde(default)]
    pub materials: Vec<UsedMaterial>,
}

/// A pinned input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedMaterial {
    /// Its URI in the provenance.
    pub uri: String,
    /// What it was pinned to: a digest or a commit.
    pub pin: String,
    /// `origin` or `store`; `unknown` where the builder was not given it by the rebuilder.
    pub source: String,
}

/// When an image was rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// When it began.
    pub started_on: Timestamp,
    /// When it was done.
    pub finished_on: Timestamp,
}

/// Why a predicate is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// It is not of the form.
    #[error("not of the form of a rebuild verdict: {0}")]
    Form(#[from] serde_json::Error),
    /// A text that says something is empty or too long.
    #[error("{field} has {length} bytes, expected 1 to {TEXT_BYTES}")]
    Text {
        /// Which field.
        field: &'static str,
        /// How long it is.
        length: usize,
    },
    /// The level is no rung, is missing, or is there without its digests.
    #[error("verdict.level is {0:?}, which a verdict of this status and these digests cannot have")]
    Level(Option<String>),
    /// More than is read.
    #[error("{count} {what}, more than {limit} ({})", crate::limits::key(.limit_name))]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many are read.
        limit: usize,
        /// The limit's field.
        limit_name: &'static str,
    },
}

impl RebuildVerdict {
    /// Reads a predicate.
    ///
    /// # Errors
    /// See [`VerdictError`].
    pub fn parse(predicate: &Value, limits: &Limits) -> std::result::Result<Self, VerdictError> {
        let verdict = Self::deserialize(predicate)?;
        for (field, text) in
            [("rebuilder.id", &verdict.rebuilder.id), ("verdict.status", &verdict.verdict.status)]
        {
            if text.is_empty() || text.len() > TEXT_BYTES {
                return Err(VerdictError::Text { field, length: text.len() });
            }
        }
        let counts = [
            (
                "layers",
                verdict.rebuilt.as_ref().map_or(0, |r| r.diff_ids.len()),
                limits.layers,
                "layers",
            ),
            ("differences", verdict.verdict.residual.len(), limits.differences, "differences"),
            ("materials", verdict.inputs.materials.len(), limits.subjects, "subjects"),
            (
                "facts of the environment",
                verdict.rebuilder.environment.len(),
                limits.subjects,
                "subjects",
            ),
        ];
        if let Some((what, count, limit, limit_name)) =
            counts.into_iter().find(|(_, n, limit, _)| n > limit)
        {
            return Err(VerdictError::TooMany { what, count, limit, limit_name });
        }
        let compared = verdict.verdict.status == "compared" && verdict.rebuilt.is_some();
        if compared != verdict.level().is_some() {
            return Err(VerdictError::Level(verdict.verdict.level));
        }
        Ok(verdict)
    }

    /// The rung, 0 to 5; `None` for an abstention.
    pub fn level(&self) -> Option<u8> {
        let number = self.verdict.level.as_deref()?.strip_prefix('R')?;
        let [digit @ b'0'..=b'5'] = number.as_bytes() else { return None };
        Some(digit - b'0')
    }

    /// The statement about a published manifest, as it is signed.
    pub fn statement(&self, name: &str, published: &ManifestDigest) -> Value {
        let digest = published.digest();
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": name, "digest": { digest.algorithm().name(): digest.hex() } }],
            "predicateType": REBUILD_VERDICT,
            "predicate": self,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A verdict of this level, about digests made of one letter each.
    pub(crate) fn predicate(level: u8, config: &str) -> Value {
        json!({
            "rebuilder": { "id": "https://a.example/rebuilder", "operator": "a", "version": "0.1.0",
                "environment": { "engine": "buildctl" } },
            "provenance": { "signer": "unsigned", "buildType": "https://b.example" },
            "rebuilt": { "manifest": format!("sha256:{}", config.repeat(64)),
                "config": format!("sha256:{}", config.repeat(64)),
                "diffIDs": [format!("sha256:{}", "1".repeat(64))] },
            "verdict": { "status": "compared", "level": format!("R{level}"),
                "determinism": "not-needed", "network": "none", "residual": [],
                "coverage": { "layersRebuilt": 1, "layersInherited": 1, "layersCarried": 0 } },
            "inputs": { "materials": [{ "uri": "pkg:docker/x", "pin": "sha256:…", "source": "origin" }] },
            "timing": { "startedOn": "2026-01-01T00:00:00Z", "finishedOn": "2026-01-01T00:01:00Z" },
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        let verdict = RebuildVerdict::parse(&predicate(5, "a"), &Limits::default()).unwrap();
        assert_eq!(verdict.level(), Some(5));
        let published = ManifestDigest::of(b"{}");
        let statement = verdict.statement("r.example/app", &published);
        let bytes = serde_json::to_vec(&statement).unwrap();
        let read = crate::attest::Statement::parse(&bytes, &Limits::default()).unwrap();
        assert!(read.speaks_about(published.digest()));
        assert_eq!(read.predicate_type, REBUILD_VERDICT);
        assert_eq!(
            RebuildVerdict::parse(&read.predicate.value().unwrap(), &Limits::default()).unwrap(),
            verdict
        );
    }

    #[test]
    fn an_abstention_has_no_level() {
        let mut silent = predicate(5, "a");
        silent["verdict"] = json!({ "status": "not-replayable", "reason": "local-context" });
        silent.as_object_mut().unwrap().remove("rebuilt");
        let verdict = RebuildVerdict::parse(&silent, &Limits::default()).unwrap();
        assert_eq!(verdict.level(), None);
    }

    #[test]
    fn verdicts_that_contradict_themselves_are_refused() {
        let cases: [(&str, Value); 10] = [
            ("/verdict/level", json!("R6")),
            ("/verdict/level", json!("R55")),
            ("/verdict/level", json!("5")),
            ("/verdict/level", Value::Null),
            ("/verdict/level", json!(5)),
            ("/verdict/status", json!("not-replayable")),
            ("/verdict/status", json!("")),
            ("/rebuilt", Value::Null),
            ("/rebuilder/id", json!("x".repeat(TEXT_BYTES + 1))),
            ("/timing/finishedOn", json!("yesterday")),
        ];
        for (pointer, value) in cases {
            let mut predicate = predicate(5, "a");
            *predicate.pointer_mut(pointer).unwrap() = value.clone();
            let read = RebuildVerdict::parse(&predicate, &Limits::default());
            assert!(read.is_err(), "{pointer} = {value}");
        }
    }

    #[test]
    fn lists_are_bounded_at_n_and_n_plus_one() {
        let limits = Limits { differences: 2, ..Limits::default() };
        let residue = json!({ "place": "/x", "class": "content" });
        for (count, want) in [(2, true), (3, false)] {
            let mut predicate = predicate(2, "a");
            predicate["verdict"]["residual"] = json!(vec![residue.clone(); count]);
            assert_eq!(RebuildVerdict::parse(&predicate, &limits).is_ok(), want, "{count}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_predicates_never_panic(text in "\\PC{0,200}") {
            let _ = RebuildVerdict::parse(&json!({ "verdict": { "level": text } }), &Limits::default());
        }
    }
}
