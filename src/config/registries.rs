//! `registries`: how single registries are reached.

use std::path::PathBuf;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, canonical, host_is_valid, want},
};
use crate::{reach::is_loopback, source::RegistrySettings};

/// One registry as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    host: String,
    plain_http: Option<bool>,
    ca: Option<String>,
    #[serde(default)]
    auth_realms: Vec<String>,
}

/// What `registries` says; each host once.
pub(super) fn registries(
    reader: &Reader<'_>,
    raw: &[Raw],
) -> Result<Vec<RegistrySettings>, ConfigError> {
    let mut all: Vec<RegistrySettings> = Vec::new();
    for (index, one) in raw.iter().enumerate() {
        let settings = registry(reader, index, one)?;
        let written = raw.iter().take(index).any(|earlier| earlier.host == one.host);
        match all.iter().find(|known| known.host == settings.host) {
            // Another spelling of one registry, of which the same is said.
            Some(known) if *known == settings && !written => {}
            Some(_) => {
                let complaint = want("each host once", "put its settings into one entry");
                return Err(reader.refuse(key!["registries", index, "host"], &one.host, complaint));
            }
            None => all.push(settings),
        }
    }
    Ok(all)
}

fn registry(reader: &Reader<'_>, index: usize, raw: &Raw) -> Result<RegistrySettings, ConfigError> {
    let host =
        want("a host, with its port where references have one", "such as registry.example:5000");
    if !host_is_valid(&raw.host) {
        return Err(reader.refuse(key!["registries", index, "host"], &raw.host, host));
    }
    for (position, realm) in raw.auth_realms.iter().enumerate() {
        if !host_is_valid(realm) {
            let at = key!["registries", index, "authRealms", position];
            return Err(reader.refuse(
                at,
                realm,
                want("a host", "such as auth.example, without https://"),
            ));
        }
    }
    if raw.plain_http == Some(true) && raw.ca.is_some() {
        let help = "remove plainHttp where the registry speaks TLS";
        let complaint = want("either plainHttp or ca", help);
        return Err(reader.refuse(key!["registries", index, "ca"], "both", complaint));
    }
    let ca = raw.ca.as_deref().map(|text| authorities(reader, index, text)).transpose()?;
    let host = canonical(&raw.host);
    // As where it is not listed: to say something else about a registry on this machine takes nothing away.
    let plain = raw.plain_http.unwrap_or_else(|| ca.is_none() && is_loopback(&host));
    Ok(RegistrySettings { host, plain_http: plain, ca, auth_hosts: raw.auth_realms.clone() })
}

fn authorities(reader: &Reader<'_>, index: usize, text: &str) -> Result<PathBuf, ConfigError> {
    let at = || key!["registries", index, "ca"];
    let (path, bytes) = reader.file(at(), text)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(path),
        _ => {
            let complaint = want("certificates in PEM", "convert it: openssl x509 -inform der");
            Err(reader.refuse(at(), path.display(), complaint))
        }
    }
}
