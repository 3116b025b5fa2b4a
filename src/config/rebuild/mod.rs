//! `rebuild`: whether and how images are rebuilt.

mod allow;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ConfigError,
    error::key,
    reader::{Reader, canonical, host_is_valid, want},
    units,
};
use crate::{
    digest::Digest,
    engine::{
        EngineChoice, EngineSettings, Mirror, SharedBuilder, buildkit::grpc::Address,
        ids::WantedNumbers,
    },
    rebuild::plan::{PlanOptions, StepNetwork},
    reference::Repository,
    source::RegistrySettings,
    trust::TrustRules,
    verify::{AttestedOptions, OnMismatch, RebuildOptions, Uncounted, When},
};

/// How old the verdict of another rebuilder may be where nothing is said.
const VERDICT_AGE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The section as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    when: Option<String>,
    engine: Option<String>,
    shared_daemon: Option<bool>,
    twice: Option<bool>,
    network: Option<String>,
    numbers: Option<String>,
    #[serde(default)]
    frontends: Vec<String>,
    #[serde(default)]
    private_sources: Vec<String>,
    #[serde(default)]
    mirrors: Vec<RawMirror>,
    address: Option<String>,
    tls: Option<RawTls>,
    #[serde(default)]
    attested: RawAttested,
    #[serde(default)]
    allow: Vec<allow::Raw>,
}

/// One mirror as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawMirror {
    registry: String,
    at: String,
}

/// `rebuild.tls` as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTls {
    ca: String,
    certificate: String,
    key: String,
}

/// `rebuild.attested` as it is written.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawAttested {
    accept: Option<bool>,
    max_age: Option<String>,
}

/// What holds where the file says nothing.
pub(super) fn unsaid() -> RebuildOptions {
    RebuildOptions {
        when: When::PolicyAsks,
        engine: EngineChoice::Auto,
        plan: PlanOptions::default(),
        settings: EngineSettings::default(),
        on_mismatch: OnMismatch::BuildAgain,
        attested: AttestedOptions { accept: false, max_age: VERDICT_AGE },
        allow: Vec::new(),
        // A stranger chooses what such a build runs: it is made for who asks for it, on the command line.
        uncounted: Uncounted::Skip,
    }
}

/// What `rebuild` says, beside the registries and sources that the rest of the file names.
pub(super) fn rebuild(
    reader: &Reader<'_>,
    raw: &Raw,
    registries: &[RegistrySettings],
    trust: &TrustRules,
    now: Option<Timestamp>,
) -> Result<RebuildOptions, ConfigError> {
    let when = [
        ("policy", When::PolicyAsks),
        ("always", When::Always),
        ("never", When::Never("rebuild.when: never")),
    ];
    let engine = [
        ("auto", EngineChoice::Auto),
        ("docker", EngineChoice::Docker),
        ("buildkitd", EngineChoice::Buildkitd),
        ("buildah", EngineChoice::Buildah),
    ];
    let network = [("none", StepNetwork::None), ("recorded", StepNetwork::Recorded)];
    nothing_idle(reader, raw)?;
    let unsaid = unsaid();
    Ok(RebuildOptions {
        when: reader.word(key!["rebuild", "when"], raw.when.as_deref(), &when, unsaid.when)?,
        engine: reader.word(
            key!["rebuild", "engine"],
            raw.engine.as_deref(),
            &engine,
            unsaid.engine,
        )?,
        plan: PlanOptions {
            network: reader.word(
                key!["rebuild", "network"],
                raw.network.as_deref(),
                &network,
                unsaid.plan.network,
            )?,
            frontends: frontends(reader, &raw.frontends)?,
        },
        settings: settings(reader, raw, registries, trust)?,
        on_mismatch: match raw.twice {
            Some(false) => OnMismatch::Accept,
            _ => OnMismatch::BuildAgain,
        },
        attested: attested(reader, &raw.attested, unsaid.attested)?,
        allow: allow::allow(reader, &raw.allow, now)?,
        uncounted: unsaid.uncounted,
    })
}

/// How the engine reaches what a rebuild takes.
fn settings(
    reader: &Reader<'_>,
    raw: &Raw,
    registries: &[RegistrySettings],
    trust: &TrustRules,
) -> Result<EngineSettings, ConfigError> {
    let mut private_sources = private_sources(reader, &raw.private_sources)?;
    // Whoever trusts a repository by name lets it lie in a private network.
    let host = |url: &str| Some(url::Url::parse(url).ok()?.host_str()?.to_owned());
    private_sources.extend(trust.sources().iter().filter_map(|source| host(&source.repository)));
    let plain = registries.iter().filter(|registry| registry.plain_http);
    let own_ca = registries.iter().filter_map(|r| Some((r.host.clone(), r.ca.clone()?)));
    let unsaid = EngineSettings::default();
    let numbers = [("own", WantedNumbers::Own), ("machine", WantedNumbers::Machine)];
    Ok(EngineSettings {
        numbers: reader.word(
            key!["rebuild", "numbers"],
            raw.numbers.as_deref(),
            &numbers,
            unsaid.numbers,
        )?,
        plain_http: plain.map(|registry| registry.host.clone()).collect(),
        listed: registries.iter().map(|registry| registry.host.clone()).collect(),
        certificate_authorities: own_ca.collect(),
        private_sources,
        mirrors: mirrors(reader, &raw.mirrors)?,
        shared_builder: match raw.shared_daemon {
            Some(true) => SharedBuilder::Allowed,
            _ => SharedBuilder::Refused,
        },
        address: address(reader, raw)?,
        ..unsaid
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

fn attested(
    reader: &Reader<'_>,
    raw: &RawAttested,
    unsaid: AttestedOptions,
) -> Result<AttestedOptions, ConfigError> {
    let max_age = match &raw.max_age {
        None => unsaid.max_age,
        Some(text) => {
            let age = units::duration(text).ok_or_else(|| {
                let complaint = want(units::DURATION, "90 days are 2160h");
                reader.refuse(key!["rebuild", "attested", "maxAge"], text, complaint)
            })?;
            // A time that does not fit is longer than any verdict is old.
            SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX)
        }
    };
    Ok(AttestedOptions { accept: raw.accept.unwrap_or(unsaid.accept), max_age })
}
