//! A comparison for machines: `hallmark/comparison/v1`.
//!
//! The wire form of a comparison; fields of one version never change their meaning. `docs/schemas/comparison.v1.json` is
//! generated from these types.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use crate::{
    compare::{
        Allowance, Class, Comparison, Difference, Inside, LayerFacts, LikelyCause, Part, Place,
        SideWords,
    },
    contents::secrets::shown_path,
};

/// The value of `schema`.
pub const ID: &str = "hallmark/comparison/v1";

/// What comparing two images gave.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonReport {
    /// `hallmark/comparison/v1`.
    pub schema: String,
    /// The left image.
    pub left: String,
    /// The right image.
    pub right: String,
    /// The highest rung on which they agree, 0 to 5.
    pub level: u8,
    /// Its name.
    pub level_name: String,
    /// Whether the rung counts as reproduced (R5 and R4).
    pub reproducible: bool,
    /// What differs, sorted.
    pub differences: Vec<DifferenceReport>,
    /// How many more differences there are.
    pub omitted: u64,
    /// The operator's allow entries that explain differences.
    pub allowed: Vec<AllowedReport>,
    /// Layer by layer.
    pub layers: Vec<LayerReport>,
    /// Packages whose versions differ.
    pub packages: Vec<PackageReport>,
}

/// An allow entry of the operator that explains differences.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedReport {
    /// As `explainedBy` of a difference has it.
    pub name: String,
    /// The class that may differ.
    pub class: String,
    /// Which paths.
    pub pattern: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it counts.
    pub expires: String,
    /// How many differences it explains.
    pub uses: usize,
}

/// Two layers at the same position.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// Position, counted from 0.
    pub position: usize,
    /// The left layer, where there is one.
    pub left: Option<BlobReport>,
    /// The right layer.
    pub right: Option<BlobReport>,
}

/// A layer as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlobReport {
    /// Digest of the stored bytes.
    pub digest: String,
    /// Stored bytes.
    pub size: u64,
    /// Recomputed digest of the uncompressed bytes; null where nothing depended on it.
    pub diff_id: Option<String>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceReport {
    /// Where, in words.
    pub place: String,
    /// The layer, counted from 0; of the left side, unless only the right side has it.
    pub layer: Option<usize>,
    /// The layer of the left side, where images with different numbers of layers were compared as a whole.
    pub left_layer: Option<usize>,
    /// The layer of the right side, then.
    pub right_layer: Option<usize>,
    /// The path in it.
    pub path: Option<String>,
    /// Letter of the class, B to O.
    pub class: String,
    /// Name of the class, as `tar-security`.
    pub class_name: String,
    /// Whether the class has no effect on what the image holds and does.
    pub benign: bool,
    /// What differs there: `content`, `mode`, `only in left`.
    pub what: String,
    /// The left side in words.
    pub left: Option<String>,
    /// The right side.
    pub right: Option<String>,
    /// The normalizers or the allow entry that explain it.
    pub explained_by: Option<String>,
    /// Line of the Dockerfile.
    pub line: Option<u32>,
    /// Instruction of the Dockerfile.
    pub instruction: Option<String>,
    /// Whether a second rebuild came to the same: `repeats`, `varies` or `unknown`.
    pub repeats: String,
    /// What probably happened, and what to do about it.
    pub hint: Option<HintReport>,
    /// What differs inside the file.
    pub inside: Option<InsideReport>,
}

/// A probable cause.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HintReport {
    /// As `embedded-time`.
    pub code: String,
    /// What probably happened.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// What differs inside a file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InsideReport {
    /// `text`, `zip`, `tar`, `ar`, `gzip` or `elf`.
    pub kind: String,
    /// Lines of a text, that begin with `-`, `+`, a space, or `@` for a new place.
    pub lines: Vec<String>,
    /// Members or sections that differ.
    pub parts: Vec<PartReport>,
    /// How many more parts differ; of a text, 1 where lines were left out.
    pub omitted: u64,
}

/// A member of an archive or a section of a program.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    /// Its name.
    pub name: String,
    /// The left side in words.
    pub left: Option<String>,
    /// The right side.
    pub right: Option<String>,
    /// What differs inside it.
    pub inside: Option<Box<InsideReport>>,
}

/// A package that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageReport {
    /// `deb` or `apk`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version on the left.
    pub left: Option<String>,
    /// Version on the right.
    pub right: Option<String>,
}

impl ComparisonReport {
    /// The wire form of a comparison of the images that are called so.
    pub fn new(comparison: &Comparison, left: &str, right: &str) -> Self {
        let level = comparison.level;
        let layers = comparison.layers.iter().map(|pair| LayerReport {
            position: pair.position,
            left: pair.left.as_ref().map(BlobReport::of),
            right: pair.right.as_ref().map(BlobReport::of),
        });
        let allowed = |allowance: &Allowance| AllowedReport {
            name: allowance.to_string(),
            class: allowance.class.name().to_owned(),
            pattern: allowance.pattern.to_string(),
            reason: allowance.reason.clone(),
            owner: allowance.owner.clone(),
            expires: allowance.expires.to_string(),
            uses: allowance.uses(&comparison.differences),
        };
        let packages = comparison.packages.iter().map(|change| PackageReport {
            ecosystem: change.ecosystem.to_owned(),
            name: change.name.clone(),
            left: change.left.clone(),
            right: change.right.clone(),
        });
        Self {
            schema: ID.to_owned(),
            left: left.to_owned(),
            right: right.to_owned(),
            level: level.number(),
            level_name: level.name().to_owned(),
            reproducible: level.is_reproducible(),
            differences: comparison.differences.iter().map(DifferenceReport::of).collect(),
            omitted: comparison.omitted,
            allowed: comparison.allowed.iter().map(allowed).collect(),
            layers: layers.collect(),
            packages: packages.collect(),
        }
    }

    /// The JSON schema of the wire form.
    pub fn json_schema() -> Schema {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        settings.into_generator().into_root_schema_for::<Self>()
    }
}

impl BlobReport {
    fn of(facts: &LayerFacts) -> Self {
        Self {
            digest: facts.blob.to_string(),
            size: facts.size,
            diff_id: facts.diff_id.as_ref().map(ToString::to_string),
        }
    }
}

impl DifferenceReport {
    fn of(difference: &Difference) -> Self {
        let (layer, path) = match &difference.place {
            Place::Manifest(_) | Place::Config(_) => (None, None),
            Place::Layer(layer) => (Some(*layer), None),
            Place::Entry { layer, path } => (Some(*layer), Some(shown_path(path))),
        };
        let class: Class = difference.class;
        Self {
            place: difference.place.to_string(),
            layer,
            left_layer: difference.layers.and_then(|layers| layers.left),
            right_layer: difference.layers.and_then(|layers| layers.right),
            path,
            class: class.letter().to_string(),
            class_name: class.name().to_owned(),
            benign: class.is_benign(),
            what: difference.what.told(SideWords::TWO_IMAGES),
            left: difference.left.as_ref().map(ToString::to_string),
            right: difference.right.as_ref().map(ToString::to_string),
            explained_by: difference.explained_by.as_ref().map(ToString::to_string),
            line: difference.cause.as_ref().and_then(|cause| cause.line),
            instruction: difference.cause.as_ref().map(|cause| cause.instruction.clone()),
            repeats: difference.repeats.name().to_owned(),
            hint: difference.hint.map(HintReport::of),
            inside: difference.inside.as_ref().map(InsideReport::of),
        }
    }
}

impl HintReport {
    fn of(hint: LikelyCause) -> Self {
        Self {
            code: hint.code().to_owned(),
            why: hint.why().to_owned(),
            fix: hint.fix().to_owned(),
        }
    }
}

impl InsideReport {
    fn of(inside: &Inside) -> Self {
        match inside {
            Inside::Lines { lines, more, .. } => Self {
                kind: "text".to_owned(),
                lines: lines.clone(),
                parts: Vec::new(),
                omitted: u64::from(*more),
            },
            Inside::Parts { of, parts, omitted } => Self {
                kind: of.name().to_owned(),
                lines: Vec::new(),
                parts: parts.iter().map(PartReport::of).collect(),
                omitted: *omitted,
            },
        }
    }
}

impl PartReport {
    fn of(part: &Part) -> Self {
        Self {
            name: part.name.to_string(),
            left: part.left.as_ref().map(ToString::to_string),
            right: part.right.as_ref().map(ToString::to_string),
            inside: part.inside.as_ref().map(|inside| Box::new(InsideReport::of(inside))),
        }
    }
}
