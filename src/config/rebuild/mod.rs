//! `rebuild`: whether and how images are rebuilt.

mod allow;

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    AttestedConfig, ConfigError, Daemon, EngineConfig, OnMismatch, RebuildConfig, RebuildWhen,
    error::key,
    reader::{Reader, canonical, host_is_valid, want},
    units,
};
use crate::{
    digest::Digest,
    engine::{Mirror, grpc::Address},
    rebuild::plan::StepNetwork,
    reference::Repository,
};

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
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
    pub mirrors: Vec<RawMirror>,
    pub address: Option<String>,
    pub tls: Option<RawTls>,
    #[serde(default)]
    pub attested: RawAttested,
    #[serde(default)]
    pub allow: Vec<allow::Raw>,
}

/// One mirror as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawMirror {
    pub registry: String,
    pub at: String,
}

/// `rebuild.tls` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTls {
    pub ca: String,
    pub certificate: String,
    pub key: String,
}

/// `rebuild.attested` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawAttested {
    pub accept: Option<bool>,
    pub max_age: Option<String>,
}

/// What `rebuild` says.
pub(super) fn rebuild(
    reader: &Reader<'_>,
    raw: &Raw,
    now: Option<Timestamp>,
) -> Result<RebuildConfig, ConfigError> {
    let when = [
        ("policy", RebuildWhen::Policy),
        ("always", RebuildWhen::Always),
        ("never", RebuildWhen::Never),
    ];
    let engine = [
        ("auto", EngineConfig::Auto),
        ("docker", EngineConfig::Docker),
        ("buildkitd", EngineConfig::Buildkitd),
        ("buildah", EngineConfig::Buildah),
    ];
    let network = [("none", StepNetwork::None), ("recorded", StepNetwork::Recorded)];
    nothing_idle(reader, raw)?;
    Ok(RebuildConfig {
        when: reader.word(key!["rebuild", "when"], raw.when.as_deref(), &when)?,
        engine: reader.word(key!["rebuild", "engine"], raw.engine.as_deref(), &engine)?,
        daemon: if raw.shared_daemon == Some(true) { Daemon::Shared } else { Daemon::Ephemeral },
        on_mismatch: match raw.twice {
            Some(false) => OnMismatch::Report,
            _ => OnMismatch::BuildAgain,
        },
        network: reader.word(key!["rebuild", "network"], raw.network.as_deref(), &network)?,
        frontends: frontends(reader, &raw.frontends)?,
        private_sources: private_sources(reader, &raw.private_sources)?,
        mirrors: mirrors(reader, &raw.mirrors)?,
        address: address(reader, raw)?,
        attested: attested(reader, &raw.attested)?,
        allow: allow::allow(reader, &raw.allow, now)?,
    })
}

/// What would decide nothing beside the rest is refused: whoever wrote it believes that it does.
fn nothing_idle(reader: &Reader<'_>, raw: &Raw) -> Result<(), ConfigError> {
    let by_buildah = raw.engine.as_deref() == Some("buildah");
    let idle = [
        (
            "tls",
            raw.tls.is_some() && raw.address.is_none(),
            "address beside it",
            "only a builder at tcp:// has certificates",
        ),
        (
            "sharedDaemon",
            raw.shared_daemon == Some(true) && by_buildah,
            "another engine",
            "buildah has no daemon",
        ),
        (
            "network",
            raw.network.as_deref() == Some("recorded") && by_buildah,
            "another engine",
            "BuildKit alone records what a build downloads",
        ),
    ];
    match idle.into_iter().find(|(_, is_idle, ..)| *is_idle) {
        None => Ok(()),
        Some((name, _, expected, help)) => {
            Err(reader.refuse(key!["rebuild", name], "it without effect", want(expected, help)))
        }
    }
}

/// Digests of frontend images.
fn frontends(reader: &Reader<'_>, raw: &[String]) -> Result<BTreeSet<Digest>, ConfigError> {
    let read = |(index, text): (usize, &String)| {
        text.parse::<Digest>().map_err(|_| {
            let help = "name the frontend image by its digest; its tag can be moved";
            reader.refuse(key!["rebuild", "frontends", index], text, want("sha256:HEX", help))
        })
    };
    raw.iter().enumerate().map(read).collect()
}

/// Hosts of sources that may lie in private networks.
fn private_sources(reader: &Reader<'_>, raw: &[String]) -> Result<Vec<String>, ConfigError> {
    for (index, host) in raw.iter().enumerate() {
        if !host_is_valid(host) || host.contains(':') {
            let complaint = want("a host without a port", "such as git.example");
            return Err(reader.refuse(key!["rebuild", "privateSources", index], host, complaint));
        }
    }
    Ok(raw.iter().map(|host| host.to_ascii_lowercase()).collect())
}

/// Registries and where copies of their images are: a host, and the path below which they are, if any.
fn mirrors(reader: &Reader<'_>, raw: &[RawMirror]) -> Result<Vec<Mirror>, ConfigError> {
    for (index, mirror) in raw.iter().enumerate() {
        let refuse = |name: &'static str, found: &str| {
            let help = "such as registry.example:5000, or registry.example/copies for at";
            let complaint = want("a host, with its port where references have one", help);
            Err(reader.refuse(key!["rebuild", "mirrors", index, name], found, complaint))
        };
        if !host_is_valid(&mirror.registry) {
            return refuse("registry", &mirror.registry);
        }
        let (host, path) = mirror.at.split_once('/').unwrap_or((&mirror.at, "a"));
        let repository = format!("{host}/{path}").parse::<Repository>();
        if !host_is_valid(host) || repository.is_err() {
            return refuse("at", &mirror.at);
        }
    }
    let mirror = |m: &RawMirror| {
        let (host, path) = m.at.split_once('/').map_or((&*m.at, None), |(h, p)| (h, Some(p)));
        let at = [Some(canonical(host)), path.map(str::to_owned)];
        let at = at.into_iter().flatten().collect::<Vec<_>>().join("/");
        Mirror { registry: canonical(&m.registry), at }
    };
    Ok(raw.iter().map(mirror).collect())
}

/// `unix:///path`, or `tcp://host:port` with certificates: whoever reaches a builder without them is its master.
fn address(reader: &Reader<'_>, raw: &Raw) -> Result<Option<Address>, ConfigError> {
    let Some(text) = &raw.address else { return Ok(None) };
    let refuse = |expected: &str, help: &str| {
        Err(reader.refuse(key!["rebuild", "address"], text, want(expected, help)))
    };
    let form = "unix:///PATH or tcp://HOST:PORT";
    match (text.strip_prefix("unix://"), text.strip_prefix("tcp://"), &raw.tls) {
        (Some(path), _, None) if path.starts_with('/') => Ok(Some(Address::Unix(path.into()))),
        (Some(_), _, Some(_)) => refuse("no rebuild.tls beside a socket", "leave rebuild.tls out"),
        (_, Some(host), Some(tls)) if host.contains(':') => Ok(Some(Address::Tls {
            host: host.to_owned(),
            ca: reader.path(&tls.ca),
            certificate: reader.path(&tls.certificate),
            key: reader.path(&tls.key),
        })),
        (_, Some(_), None) => {
            refuse("rebuild.tls beside a tcp:// address", "give ca, certificate and key")
        }
        _ => refuse(form, "as buildctl --addr has it"),
    }
}

fn attested(reader: &Reader<'_>, raw: &RawAttested) -> Result<AttestedConfig, ConfigError> {
    let default = AttestedConfig::default();
    let max_age = match &raw.max_age {
        None => default.max_age,
        Some(text) => units::duration(text).ok_or_else(|| {
            reader.refuse(
                key!["rebuild", "attested", "maxAge"],
                text,
                want(units::DURATION, "90 days are 2160h"),
            )
        })?,
    };
    Ok(AttestedConfig { accept: raw.accept.unwrap_or(default.accept), max_age })
}
