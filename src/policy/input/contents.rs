//! What rules see of whose the files of an image are.

use schemars::JsonSchema;
use serde::Serialize;

use crate::contents::{
    Inventory,
    accounts::{Accounts, Base, Count, Faded, Hidden, Stray},
    claims::Content,
};

/// Whose every regular file and link of the root filesystem is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContentsInput {
    /// How many of the first layers are a known base's; null where none fits.
    pub base_layers: Option<usize>,
    /// By what the base is known: `configured` (one of `contents.bases`) or `provenance` (an input that proven provenance names;
    /// that says where the layers are from, and not that anybody trusts them).
    pub base_basis: Option<String>,
    /// Files by class.
    pub files: FilesInput,
    /// Packages whose files are there and whose entry is gone.
    pub hidden: Vec<HiddenInput>,
    /// Records of installed packages that a later layer took away or changed.
    pub faded: Vec<FadedInput>,
}

/// Files by class.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesInput {
    /// How many there are; all are counted.
    pub counts: Vec<CountInput>,
    /// Modified and unowned files that may be run or loaded: of upper layers first, then by path, up to
    /// `limits.toldFiles`.
    pub strays: Vec<StrayInput>,
    /// How many more of them there are.
    pub more: u64,
    /// Files that may be run or loaded and that packages of languages alone call theirs: `self-recorded`, or `owned-unverified`
    /// where these recorded no bytes. Whoever makes an image writes such records. In the same order, up to `limits.toldFiles`.
    pub self_recorded: Vec<StrayInput>,
    /// How many more of them there are.
    pub self_recorded_more: u64,
    /// Files whose record is of an algorithm that was not computed; they are among the unverified.
    pub left_out: u64,
}

/// How many files there are of one class, layer and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountInput {
    /// `owned-verified`, `self-recorded`, `modified`, `owned-unverified`, `self-described`, `explained`, `generated` or `unowned`.
    pub class: String,
    /// `executable`, `library`, `archive`, `script`, `kernel-module`, `link` or `other`.
    pub kind: String,
    /// The layer that they are from, counted from 0.
    pub layer: usize,
    /// Whose this layer is: `base`, `own`, or `unknown` where no known base fits.
    pub side: String,
    /// Files and links.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// A file that may be run or loaded, and that is modified, unowned, or vouched for by a record of the image alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StrayInput {
    /// Path from the root.
    pub path: String,
    /// `modified` or `unowned`; in `selfRecorded`, `self-recorded` or `owned-unverified`.
    pub class: String,
    /// As in `counts`.
    pub kind: String,
    /// Permissions.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// The layer that it is from, counted from 0.
    pub layer: usize,
    /// Whose this layer is.
    pub side: String,
    /// SHA-256 of its bytes; null where they were not read.
    pub sha256: Option<String>,
    /// Who claims it.
    pub owner: Option<OwnerInput>,
}

/// What the package of a file recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerInput {
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// `md5`, `sha1` or `sha256`; null where a link was recorded.
    pub algorithm: Option<String>,
    /// The recorded checksum, in hexadecimal digits, or the target of a link.
    pub recorded: Option<String>,
    /// Whether the package calls the file configuration.
    pub configuration: bool,
    /// The layer of the package's record, counted from 0: a file of an upper layer was changed later.
    pub layer: Option<usize>,
    /// The layer of the list that names this file, counted from 0.
    pub record_layer: Option<usize>,
    /// Whose this layer is: `base`, `own`, or `unknown` where no known base fits.
    pub record_side: Option<String>,
}

/// A package whose files are there and whose entry is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HiddenInput {
    /// Type of the package URL.
    pub ecosystem: String,
    /// Its name; of what has none, the path that it was listed at.
    pub name: String,
    /// The file that tells of it.
    pub evidence: String,
    /// The layer of that file, counted from 0.
    pub layer: Option<usize>,
    /// Why that means that it is hidden.
    pub why: String,
    /// How many of its files are in the tree and nobody else's.
    pub files: usize,
    /// The first of them.
    pub first: Option<String>,
}

/// Records of an installed package that a later layer took away or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FadedInput {
    /// Type of the package URL.
    pub ecosystem: String,
    /// Name of the package.
    pub name: String,
    /// The list of the lower layer.
    pub evidence: String,
    /// The layer of that list, counted from 0.
    pub layer: usize,
    /// What became of it.
    pub why: String,
    /// How many files it is about that are in the tree.
    pub files: usize,
    /// The first of them.
    pub first: String,
}

/// The files of one package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageFilesInput {
    /// Files and links of it that are in the tree.
    pub there: usize,
    /// Those with the recorded bytes.
    pub verified: usize,
    /// Those with others.
    pub modified: usize,
    /// Claimed and absent, without documentation and what others make.
    pub missing: usize,
}

impl ContentsInput {
    /// What rules see of an account.
    pub fn of(accounts: &Accounts, inventory: Option<&Inventory>, base: Base) -> Self {
        let counts = accounts.counts.iter().map(|((class, layer, kind), count)| {
            let Count { files, bytes } = *count;
            CountInput {
                class: class.word().to_owned(),
                kind: kind.word().to_owned(),
                layer: *layer,
                side: base.side(*layer).word().to_owned(),
                files,
                bytes,
            }
        });
        let told = |strays: &[Stray]| -> Vec<StrayInput> {
            strays.iter().map(|one| StrayInput::of(one, inventory, base)).collect()
        };
        Self {
            base_layers: base.layers(),
            base_basis: base.basis().map(|basis| basis.word().to_owned()),
            files: FilesInput {
                counts: counts.collect(),
                strays: told(&accounts.strays),
                more: accounts.more,
                self_recorded: told(&accounts.self_recorded),
                self_recorded_more: accounts.self_recorded_more,
                left_out: accounts.left_out,
            },
            hidden: accounts.hidden.iter().map(HiddenInput::of).collect(),
            faded: accounts.faded.iter().map(FadedInput::of).collect(),
        }
    }
}

impl StrayInput {
    fn of(stray: &Stray, inventory: Option<&Inventory>, base: Base) -> Self {
        let package = stray.package.and_then(|at| inventory?.packages.get(at));
        let (algorithm, recorded) = match &stray.recorded {
            Some(Content::Sum(sum)) => (Some(sum.algorithm().to_owned()), Some(sum.hex())),
            Some(Content::Link(target)) => (None, Some(target.to_string())),
            Some(Content::Unknown) | None => (None, None),
        };
        Self {
            path: stray.path.clone(),
            class: stray.class.word().to_owned(),
            kind: stray.kind.word().to_owned(),
            mode: stray.mode,
            size: stray.size,
            layer: stray.layer,
            side: base.side(stray.layer).word().to_owned(),
            sha256: stray.sha256.map(hex::encode),
            owner: package.map(|package| OwnerInput {
                name: package.name.clone(),
                version: package.version.clone(),
                algorithm,
                recorded,
                configuration: stray.configuration,
                layer: package.layer,
                record_layer: stray.record_layer,
                record_side: stray.record_layer.map(|layer| base.side(layer).word().to_owned()),
            }),
        }
    }
}

impl FadedInput {
    fn of(faded: &Faded) -> Self {
        Self {
            ecosystem: faded.ecosystem.to_owned(),
            name: faded.name.clone(),
            evidence: faded.evidence.clone(),
            layer: faded.layer,
            why: faded.fading.why().to_owned(),
            files: faded.files,
            first: faded.first.clone(),
        }
    }
}

impl HiddenInput {
    fn of(hidden: &Hidden) -> Self {
        Self {
            ecosystem: hidden.ecosystem.to_owned(),
            name: hidden.name.clone(),
            evidence: hidden.evidence.clone(),
            layer: hidden.layer,
            why: hidden.why.to_owned(),
            files: hidden.files,
            first: hidden.first.clone(),
        }
    }
}
