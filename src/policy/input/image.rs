//! What rules see of the image itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    contents::secrets::{shown_line, shown_named, shown_value, shown_variable, shown_words},
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
    /// How many of the first layers are a known base's, by their diffIDs; null where no base of `contents.bases` fits.
    pub base_layers: Option<usize>,
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
    (shown_line(&name), value)
}

/// A variable, without a secret in its name or value.
fn shown_entry(entry: &str) -> String {
    let shown = shown_variable(entry);
    match shown.split_once('=') {
        Some((name, value)) => format!("{}={value}", shown_line(name)),
        None => shown_line(&shown),
    }
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
                user: shown_named("User", &runtime.user),
                env: runtime.env.iter().map(|entry| shown_entry(entry)).collect(),
                entrypoint: shown_words(&runtime.entrypoint),
                cmd: shown_words(&runtime.cmd),
                working_dir: shown_named("WorkingDir", &runtime.working_dir),
                exposed_ports: runtime.exposed_ports.iter().map(|port| shown_line(port)).collect(),
                volumes: runtime.volumes.iter().map(|volume| shown_line(volume)).collect(),
                healthcheck: shown_words(&runtime.healthcheck),
            },
            layers: image.manifest.layers.len(),
            base_layers: evidence.base.configured_layers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g32_a_secret_is_shown_in_no_name_of_the_configuration() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        for (entry, want) in [
            (format!("{token}=1"), "[secret]=1"),
            (token.clone(), "[secret]"),
            ("PGPASSWORD=s9df8sdf".to_owned(), "PGPASSWORD=[secret]"),
            ("PATH=/bin:/usr/bin".to_owned(), "PATH=/bin:/usr/bin"),
            ("A=b c=d".to_owned(), "A=b c=d"),
        ] {
            assert_eq!(shown_entry(&entry), want);
        }
        assert_eq!(label((token, "1".to_owned())).0, "[secret]");
        assert_eq!(label(("org.example.a".to_owned(), "1".to_owned())).0, "org.example.a");
    }
}
