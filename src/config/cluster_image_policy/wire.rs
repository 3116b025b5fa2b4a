//! Documents as written, and as an apiserver gives them: serde structs, nothing checked but the form.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    /// What the apiserver says about it.
    #[serde(default, rename = "status")]
    pub(super) _status: IgnoredAny,
}

/// What an object is, before it is read.
#[derive(Deserialize)]
pub(super) struct Outline {
    pub(super) kind: Option<String>,
    pub(super) items: Option<Vec<yaml_serde::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default, rename = "labels")]
    pub(super) _labels: BTreeMap<String, String>,
    #[serde(default, rename = "annotations")]
    pub(super) _annotations: BTreeMap<String, String>,
    /// What an apiserver adds: it says nothing about images.
    #[serde(flatten)]
    pub(super) added: BTreeMap<String, IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) images: Vec<Image>,
    #[serde(default)]
    pub(super) authorities: Vec<Authority>,
    pub(super) mode: Option<String>,
    #[serde(default, rename = "match")]
    pub(super) matches: Vec<Match>,
    pub(super) policy: Option<yaml_serde::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    #[serde(default)]
    pub(super) glob: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Match {
    #[serde(default)]
    pub(super) resource: String,
    #[serde(default, rename = "version")]
    pub(super) _version: String,
    #[serde(default, rename = "group")]
    pub(super) _group: String,
    #[serde(rename = "selector")]
    pub(super) _selector: Option<yaml_serde::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Authority {
    pub(super) name: Option<String>,
    pub(super) key: Option<Key>,
    pub(super) keyless: Option<Keyless>,
    #[serde(rename = "static")]
    pub(super) fixed: Option<yaml_serde::Value>,
    #[serde(default)]
    pub(super) attestations: Vec<yaml_serde::Value>,
    pub(super) ctlog: Option<Ctlog>,
    #[serde(default)]
    pub(super) source: Vec<Source>,
    pub(super) rfc3161timestamp: Option<yaml_serde::Value>,
    pub(super) signature_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) data: Option<String>,
    pub(super) kms: Option<String>,
    pub(super) secret_ref: Option<SecretRef>,
    pub(super) hash_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretRef {
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "namespace")]
    pub(super) _namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Keyless {
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) identities: Vec<Identity>,
    #[serde(rename = "ca-cert")]
    pub(super) ca_cert: Option<Key>,
    pub(super) trust_root_ref: Option<String>,
    #[serde(rename = "insecureIgnoreSCT")]
    pub(super) insecure_ignore_sct: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Identity {
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) issuer_reg_exp: Option<String>,
    pub(super) subject_reg_exp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Ctlog {
    pub(super) url: Option<String>,
    pub(super) trust_root_ref: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Source {
    pub(super) oci: Option<String>,
    #[serde(rename = "signaturePullSecrets")]
    pub(super) _pull_secrets: Option<Vec<SecretRef>>,
    pub(super) tag_prefix: Option<String>,
}
