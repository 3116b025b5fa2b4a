//! What rules see of the image itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    contents::secrets::{shown_command, shown_value, shown_variable},
    image::{Checked, Image, LeftOut},
    verdict::Evidence,
};

/// The image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageInput {
    /// `location@digest` as it is judged.
    pub reference: String,
    /// Location without digest: `host/path` for registries.
    pub repository: String,
    /// Digest that the reference names: of the index where there is one.
    pub digest: String,
    /// Digest of the platform's manifest.
    pub manifest: String,
    /// Digests of every document on the way from the reference to what runs, the outermost first: indexes, manifest,
    /// configuration, each by sha256 and by sha512.
    pub digests: Vec<String>,
    /// As `linux/amd64`, in containerd's normal form.
    pub platform: String,
    /// What the reference lists for other platforms and nobody judges in this run.
    pub not_judged: Vec<NotJudgedInput>,
    /// Creation time as the configuration has it: a claim.
    pub created: Option<String>,
    /// Labels: claims.
    pub labels: BTreeMap<String, String>,
    /// How a container starts.
    pub config: ConfigInput,
    /// How many layers it has.
    pub layers: usize,
}

/// A manifest or index that is not judged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotJudgedInput {
    /// Its platform; null where none is said.
    pub platform: Option<String>,
    /// Its digest.
    pub manifest: String,
}

impl NotJudgedInput {
    /// What reports and rules see of it.
    pub fn of(left_out: &LeftOut) -> Self {
        Self {
            platform: left_out.platform.as_ref().map(ToString::to_string),
            manifest: left_out.manifest.to_string(),
        }
    }
}

/// How a container starts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigInput {
    /// User and group; empty is root.
    pub user: String,
    /// Environment, `NAME=value`; the value of a secret is `[secret]`, as in labels and commands.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Ports.
    pub exposed_ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// How Docker asks whether it is well: `CMD`, `CMD-SHELL` or `NONE` with arguments; empty where nothing is said.
    pub healthcheck: Vec<String>,
}

/// Every digest by which a document on the way to what runs can be meant.
fn digests(image: &Image) -> Vec<String> {
    let documents = image.documents().flat_map(Checked::digests);
    documents.chain(image.config.document.digests()).map(|digest| digest.to_string()).collect()
}

/// A label, without a secret.
fn label((name, value): (String, String)) -> (String, String) {
    let value = shown_value(&name, &value);
    (name, value)
}

impl ImageInput {
    pub(super) fn of(evidence: &Evidence) -> Self {
        let image = &evidence.image;
        let runtime = image.config.runtime.clone();
        Self {
            reference: image.reference.to_string(),
            repository: image.reference.location.to_string(),
            digest: image.reference.digest.to_string(),
            manifest: image.manifest.document.digest.to_string(),
            digests: digests(image),
            platform: image.platform.to_string(),
            not_judged: image.left_out.iter().map(NotJudgedInput::of).collect(),
            created: image.config.created.clone(),
            labels: runtime.labels.into_iter().map(label).collect(),
            config: ConfigInput {
                user: runtime.user,
                env: runtime.env.iter().map(|entry| shown_variable(entry)).collect(),
                entrypoint: shown_command(&runtime.entrypoint),
                cmd: shown_command(&runtime.cmd),
                working_dir: runtime.working_dir,
                exposed_ports: runtime.exposed_ports,
                volumes: runtime.volumes,
                healthcheck: shown_command(&runtime.healthcheck),
            },
            layers: image.manifest.layers.len(),
        }
    }
}
