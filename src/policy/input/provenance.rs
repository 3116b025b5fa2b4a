//! What rules see of how the image says that it was built.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    proof::{Audience, ProofInput},
    refs::Names,
};
use crate::{
    attest::provenance::{Frontend, Material, MaterialKind, Pin, Provenance},
    contents::secrets::{shown_json, shown_line},
    json::numbers,
    rebuild::shown,
    trust::{
        SourceRefs,
        refs::{Kind, Standing},
    },
    verdict::Evidence,
};

/// How the image says that it was built.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceInput {
    /// What was proven.
    #[serde(flatten)]
    pub proof: ProofInput,
    /// What it says; null unless it is proven.
    pub build: Option<BuildInput>,
}

/// What provenance says.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BuildInput {
    /// `buildkit`, `hallmark`, `github-actions`, `slsa-github-generator`, `npm`, `cloud-build`, `tekton-chains` or `other`.
    pub producer: String,
    /// The build type as written.
    pub build_type: String,
    /// The builder's identity as written; may be empty.
    pub builder_id: String,
    /// Where the source came from.
    pub source: Option<SourceInput>,
    /// The branch that was built, or from which the tag was pushed; without `refs/heads/`. Null unless the branch is proven to
    /// hold the commit.
    pub branch: Option<String>,
    /// The tag that was built; without `refs/tags/`. Null unless the tag is proven to hold the commit.
    pub tag: Option<String>,
    /// What the provenance calls branch, tag and ref of its source, and whether that holds.
    pub refs: Vec<RefInput>,
    /// File in the source's repository that told the builder what to do.
    pub entry_point: Option<String>,
    /// What started the build, in the builder's words.
    pub event: Option<String>,
    /// The run, as the builder names it.
    pub invocation: Option<String>,
    /// What the caller asked for, as written; branches, tags and refs of the source are null unless they are proven to hold the
    /// commit, and cut off where a text ends in one. Null where the provenance has a number that 64 bits do not hold exactly.
    pub parameters: Value,
    /// Path of the Dockerfile.
    pub dockerfile_path: Option<String>,
    /// The frontend image, where one was named.
    pub frontend: Option<String>,
    /// The stage that became the image.
    pub target: Option<String>,
    /// Build arguments; those for branches, tags and refs of the source are empty unless they are proven to hold the commit.
    pub build_args: BTreeMap<String, String>,
    /// What the steps could reach: `none`, `default`, `host`, `unknown`.
    pub network: String,
    /// Every input.
    pub materials: Vec<MaterialInput>,
    /// Ids of secrets that the build asked for.
    pub secrets: Vec<String>,
    /// Local folders that were sent to the builder.
    pub local_inputs: Vec<String>,
    /// Whether all parameters are recorded.
    pub complete_parameters: bool,
    /// Whether all materials are recorded.
    pub complete_materials: bool,
    /// Whether the steps themselves are recorded.
    pub complete_steps: bool,
}

/// A name that the provenance has for its source.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefInput {
    /// `branch`, `tag` or `reference`.
    pub kind: String,
    /// The name as the provenance has it: a claim.
    pub claimed: String,
    /// `proven` (the repository's history or the signer's certificate says that it holds the commit) or `unproven`.
    pub state: String,
    /// Why it is not proven.
    pub why: Option<String>,
}

/// A source repository.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceInput {
    /// URL without fragment.
    pub url: String,
    /// Branch, tag or other ref. Null unless it is proven to hold the commit.
    pub reference: Option<String>,
    /// Folder in the repository.
    pub folder: Option<String>,
    /// The commit; null where none was recorded.
    pub commit: Option<String>,
}

/// An input of the build.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaterialInput {
    /// `image`, `git`, `http` or `other`.
    pub kind: String,
    /// The URI as written, without a ref of the source that is not proven to hold the commit.
    pub uri: String,
    /// `registry/path` of an image.
    pub name: Option<String>,
    /// Tag of an image.
    pub tag: Option<String>,
    /// Digest or commit; null where it is pinned to nothing.
    pub pin: Option<String>,
    /// Role: `base`, `toolchain`, `lockfile` ...
    pub role: Option<String>,
}

impl ProvenanceInput {
    /// What is seen of the provenance that counts.
    pub(super) fn of(evidence: &Evidence, audience: Audience) -> Self {
        let provenance = &evidence.provenance;
        let heard = provenance.value().filter(|_| audience.hears(provenance));
        let build = heard.map(|heard| {
            let build = BuildInput::of(heard, audience, &evidence.refs);
            match audience {
                Audience::Rules => build.for_rules(heard, evidence),
                Audience::Readers => build.for_readers(),
            }
        });
        Self { proof: ProofInput::of(provenance), build }
    }
}

impl BuildInput {
    fn of(provenance: &Provenance, audience: Audience, refs: &SourceRefs) -> Self {
        // Whoever reads a report sees what is claimed, and beside it whether it holds.
        let name = |kind: Kind| {
            let told = audience == Audience::Readers
                || refs.standing(kind, provenance) == Standing::Proven;
            kind.said(provenance).filter(|_| told).map(str::to_owned)
        };
        Self {
            producer: provenance.producer.name().to_owned(),
            build_type: provenance.build_type.clone(),
            builder_id: provenance.builder_id.clone(),
            source: provenance.source.as_ref().map(|source| SourceInput {
                url: source.url.clone(),
                reference: name(Kind::Reference),
                folder: source.folder.clone(),
                commit: source.commit.as_ref().map(|commit| commit.as_str().to_owned()),
            }),
            branch: name(Kind::Branch),
            tag: name(Kind::Tag),
            refs: Kind::ALL
                .into_iter()
                .filter_map(|kind| RefInput::of(kind, provenance, refs))
                .collect(),
            entry_point: provenance.entry_point.clone(),
            event: provenance.event.clone(),
            invocation: provenance.invocation.clone(),
            parameters: provenance.parameters.clone(),
            dockerfile_path: provenance.dockerfile_path.clone(),
            frontend: match &provenance.frontend {
                Frontend::Image { reference } => Some(reference.clone()),
                Frontend::BuiltIn | Frontend::Unknown => None,
            },
            target: provenance.target.clone(),
            build_args: provenance.build_args.clone(),
            network: provenance.network.name().to_owned(),
            materials: provenance.materials.iter().map(MaterialInput::of).collect(),
            secrets: provenance.secrets.iter().map(|secret| secret.id.clone()).collect(),
            local_inputs: provenance.local_inputs.clone(),
            complete_parameters: provenance.complete.parameters,
            complete_materials: provenance.complete.materials,
            complete_steps: provenance.complete.steps,
        }
    }
}

impl BuildInput {
    /// Without names of the source that nothing proves, and without numbers that nobody can hold.
    fn for_rules(mut self, provenance: &Provenance, evidence: &Evidence) -> Self {
        let names = Names::of(provenance, &evidence.refs);
        let payload = evidence.provenance.payload();
        let same = evidence.attestations.iter().filter(|proof| proof.payload() == payload);
        let mut texts = same.filter_map(|proof| Some(proof.value()?.predicate.text()));
        if texts.any(|text| numbers::inexact(text).is_some()) {
            self.parameters = Value::Null;
        }
        names.blank(&mut self.parameters);
        for (name, value) in &mut self.build_args {
            *value = names.argument(name, value);
        }
        for material in self.materials.iter_mut().filter(|material| material.kind != "image") {
            material.uri = names.text(&material.uri).unwrap_or_default();
        }
        self.entry_point = self.entry_point.and_then(|text| names.text(&text));
        self.invocation = self.invocation.and_then(|text| names.text(&text));
        self
    }
}

impl BuildInput {
    /// Without what looks like a secret (attack G28): whoever reads a report need not be one of those who may pull the image.
    fn for_readers(mut self) -> Self {
        self.build_type = shown_line(&self.build_type);
        self.build_args = shown::values(&self.build_args);
        self.parameters = shown_json("parameters", &self.parameters, usize::MAX);
        if let Some(source) = &mut self.source {
            source.url = shown_line(&source.url);
        }
        for material in &mut self.materials {
            material.uri = shown_line(&material.uri);
        }
        self
    }
}

impl RefInput {
    fn of(kind: Kind, provenance: &Provenance, refs: &SourceRefs) -> Option<Self> {
        let standing = refs.standing(kind, provenance);
        Some(Self {
            kind: kind.name().to_owned(),
            claimed: kind.said(provenance)?.to_owned(),
            state: standing.name().to_owned(),
            why: match standing {
                Standing::Unproven(why) => Some(why),
                Standing::Missing | Standing::Proven => None,
            },
        })
    }
}

impl MaterialInput {
    fn of(material: &Material) -> Self {
        let (kind, name, tag) = match &material.kind {
            MaterialKind::Image { name, tag, .. } => ("image", Some(name.clone()), tag.clone()),
            MaterialKind::Git => ("git", None, None),
            MaterialKind::Http => ("http", None, None),
            MaterialKind::Other => ("other", None, None),
        };
        Self {
            kind: kind.to_owned(),
            uri: material.uri.clone(),
            name,
            tag,
            pin: match &material.pin {
                Pin::Content(digest) => Some(digest.to_string()),
                Pin::Commit(commit) => Some(commit.as_str().to_owned()),
                Pin::Nothing => None,
            },
            role: material.role.clone(),
        }
    }
}
