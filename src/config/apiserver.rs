//! `gate.apiserver`: where the gate reads the labels of namespaces.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};

/// Where a pod finds what it needs to ask, by its service account.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The apiserver's name inside of a cluster, which its certificate has.
const SERVER: &str = "https://kubernetes.default.svc";

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    server: Option<String>,
    ca: Option<String>,
    token: Option<String>,
}

/// How the apiserver is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiserverConfig {
    /// Its address, by HTTPS.
    pub server: Url,
    /// PEM file of the authorities of its certificate; no others are trusted. Read for each question.
    pub ca: PathBuf,
    /// File with the bearer token. Read for each question.
    pub token: PathBuf,
}

/// What `gate.apiserver` says. The files are read where the gate runs, and not where the configuration is only looked at.
pub(super) fn apiserver(reader: &Reader<'_>, raw: &Raw) -> Result<ApiserverConfig, ConfigError> {
    let text = raw.server.as_deref().unwrap_or(SERVER);
    let refuse = || {
        let help =
            "such as https://10.96.0.1:443; who asks is told by the file gate.apiserver.token";
        let complaint = want("the https:// address of the apiserver, without path and user", help);
        reader.refuse(key!["gate", "apiserver", "server"], text, complaint)
    };
    let server: Url = text.parse().map_err(|_| refuse())?;
    let is_bare = server.path() == "/" && server.query().is_none() && server.fragment().is_none();
    let is_nobodys = server.username().is_empty() && server.password().is_none();
    if server.scheme() != "https" || server.host().is_none() || !is_bare || !is_nobodys {
        return Err(refuse());
    }
    let path = |text: &Option<String>, name: &str| {
        let there = PathBuf::from(FOLDER).join(name);
        text.as_ref().map_or(there, |text| reader.path(text))
    };
    Ok(ApiserverConfig { server, ca: path(&raw.ca, "ca.crt"), token: path(&raw.token, "token") })
}
