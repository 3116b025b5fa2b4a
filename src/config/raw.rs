//! `hallmark.yaml` as written: serde structs, nothing checked but the form.
//!
//! Unknown keys are refused everywhere. The JSON schema of these structs lists every key, and a test holds
//! docs/configuration.md against it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// The file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct File {
    pub version: u64,
    #[serde(default)]
    pub repositories: Vec<String>,
    #[serde(default)]
    pub registries: Vec<Registry>,
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub rebuild: Rebuild,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub limits: yaml_serde::Mapping,
    pub gate: Option<Gate>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Registry {
    pub host: String,
    pub plain_http: Option<bool>,
    pub ca: Option<String>,
    #[serde(default)]
    pub auth_realms: Vec<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Trust {
    #[serde(default)]
    pub signers: Vec<Signer>,
    #[serde(default)]
    pub rules: Vec<Rule>,
    #[serde(default)]
    pub layouts: Vec<Layout>,
    #[serde(default)]
    pub delegates: Vec<Delegate>,
    pub unmatched: Option<String>,
    pub unmatched_layouts: Option<String>,
    #[serde(default)]
    pub sources: Vec<Source>,
    #[serde(default)]
    pub roots: Vec<Root>,
    pub root_folder: Option<String>,
    pub warn_root_age: Option<String>,
    pub max_root_age: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Layout {
    pub name: String,
    pub images: Vec<String>,
    pub layout: String,
    pub keys: Vec<String>,
    #[serde(rename = "unsafe_skipInspections")]
    pub unsafe_skip_inspections: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Delegate {
    pub images: Vec<String>,
    pub signer: String,
    pub verifier: String,
    #[serde(default)]
    pub levels: Vec<String>,
    #[serde(default)]
    pub policies: Vec<String>,
    pub max_age: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Source {
    pub images: Vec<String>,
    pub repository: String,
    #[serde(default)]
    pub branches: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub folder: Option<String>,
    pub dockerfile: Option<String>,
    pub target: Option<String>,
    #[serde(default)]
    pub build_args: Vec<String>,
    #[serde(default)]
    pub bases: Vec<String>,
    #[serde(default)]
    pub frontends: Vec<String>,
    #[serde(default)]
    pub downloads: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Root {
    pub name: String,
    pub ca: Option<String>,
    pub intermediates: Option<String>,
    #[serde(default)]
    pub log_keys: Vec<String>,
    #[serde(default)]
    pub ct_log_keys: Vec<String>,
    #[serde(default)]
    pub timestamp_authorities: Vec<String>,
    pub tuf: Option<Tuf>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Tuf {
    pub url: String,
    pub root: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Signer {
    pub name: String,
    pub key: Option<String>,
    pub root: Option<String>,
    pub logs: Option<usize>,
    pub times: Option<usize>,
    pub valid_from: Option<String>,
    pub valid_until: Option<String>,
    pub keyless: Option<Keyless>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Keyless {
    pub issuer: Option<String>,
    pub issuer_pattern: Option<String>,
    #[serde(rename = "unsafe_anyIssuer")]
    pub unsafe_any_issuer: Option<bool>,
    pub identity: Option<String>,
    pub identity_pattern: Option<String>,
    #[serde(rename = "unsafe_anyIdentity")]
    pub unsafe_any_identity: Option<bool>,
    pub root: String,
    pub logs: Option<usize>,
    pub times: Option<usize>,
    pub no_ct_log: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rule {
    pub images: Vec<String>,
    pub predicates: Vec<String>,
    pub signers: Vec<String>,
    pub threshold: Option<usize>,
    pub required: Option<bool>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Policy {
    pub preset: Option<String>,
    pub bundles: Option<Vec<String>>,
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    pub settings: Option<yaml_serde::Value>,
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Exception {
    pub code: String,
    pub package: Option<String>,
    pub images: Vec<String>,
    pub reason: String,
    pub owner: String,
    pub expires: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RebuildMirror {
    pub registry: String,
    pub at: String,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rebuild {
    pub when: Option<String>,
    pub engine: Option<String>,
    pub shared_daemon: Option<bool>,
    pub twice: Option<bool>,
    pub network: Option<String>,
    #[serde(default)]
    pub frontends: Vec<String>,
    #[serde(default)]
    pub private_sources: Vec<String>,
    #[serde(default)]
    pub mirrors: Vec<RebuildMirror>,
    pub address: Option<String>,
    pub tls: Option<BuilderTls>,
    #[serde(default)]
    pub attested: RebuildAttested,
    #[serde(default)]
    pub allow: Vec<Allow>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Allow {
    pub class: String,
    pub paths: Vec<String>,
    pub images: Option<Vec<String>>,
    pub reason: String,
    pub owner: String,
    pub expires: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BuilderTls {
    pub ca: String,
    pub certificate: String,
    pub key: String,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RebuildAttested {
    pub accept: Option<bool>,
    pub max_age: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Gate {
    pub listen: Option<String>,
    pub certificate: String,
    pub key: String,
    #[serde(default)]
    pub namespaces_exempt: Vec<String>,
    pub budget: Option<String>,
    pub tags: Option<String>,
    pub platforms: Option<Vec<String>>,
}
