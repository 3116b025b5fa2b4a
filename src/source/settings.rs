//! What the operator says about registries.
//!
//! Plain values: whoever calls this module has read them from `hallmark.yaml` and the environment. Nothing below the
//! shell looks at an environment variable, so the places of credentials and the proxy variables arrive here as settings.

use std::{path::PathBuf, time::Duration};

use super::{address::Unlisted, handed::Handed};
use crate::saved::Access;

/// How registries are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// Registries about which there is something to say; all others are reached by HTTPS with the system's roots.
    pub registries: Vec<RegistrySettings>,
    /// Files with credentials, as `docker login` and `podman login` write them, in the order in which they are looked into; a
    /// folder stands for `config.json` in it. Empty means that there are no credentials.
    pub credentials: Vec<PathBuf>,
    /// A proxy for everything but loopback registries, as `http://proxy.example:3128`.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy, comma separated, as `NO_PROXY` lists them.
    pub no_proxy: Option<String>,
    /// Where registries may be that are not under `registries`.
    pub unlisted: Unlisted,
    /// The wait before the second attempt of a request; it doubles with each further one.
    pub backoff: Duration,
    /// Evidence that is judged besides what lies beside an image.
    pub handed: Vec<Handed>,
    /// Whether answers are kept, or were.
    pub access: Access,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            credentials: Vec::new(),
            proxy: None,
            no_proxy: None,
            unlisted: Unlisted::default(),
            backoff: Duration::from_millis(250),
            handed: Vec::new(),
            access: Access::Live,
        }
    }
}

/// What is special about one registry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistrySettings {
    /// Host and port in canonical form, as references have them.
    pub host: String,
    /// Reached without TLS. Loopback registries that are not listed at all are reached so too.
    pub plain_http: bool,
    /// PEM file of certificates that are trusted beside the system's roots.
    pub ca: Option<PathBuf>,
    /// Hosts beside the registry's own, and their parent domains, to which its credentials may be sent when it asks
    /// for a token from there.
    pub auth_hosts: Vec<String>,
}

impl SourceSettings {
    /// What is said about `host`.
    pub fn registry(&self, host: &str) -> Option<&RegistrySettings> {
        self.registries.iter().find(|registry| registry.host == host)
    }
}
