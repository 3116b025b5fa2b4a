//! `gate`: the admission webhook.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ApiserverConfig, ConfigError, apiserver,
    error::key,
    presets,
    reader::{Reader, want},
    units,
};
use crate::{gate::Tags, image::Platform, source::PlatformChoice};

/// Where reviews come in where nothing is said: at port 8443 of every address. Names that whoever may reach it sends lead to public
/// addresses alone, which is the stricter rule.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);

/// The section as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    listen: Option<String>,
    certificate: String,
    key: String,
    #[serde(default)]
    namespaces_exempt: Vec<String>,
    budget: Option<String>,
    tags: Option<String>,
    platforms: Option<Vec<String>>,
    apiserver: Option<apiserver::Raw>,
    object_presets: Option<Vec<String>>,
}

/// The admission webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// PEM file of the certificate chain; read again when it changes.
    pub certificate: PathBuf,
    /// PEM file of its private key; read again when it changes.
    pub key: PathBuf,
    /// Namespaces that are let through unseen, by exact name, sorted.
    pub namespaces_exempt: Vec<String>,
    /// Time for one answer; the apiserver's own timeout shortens it.
    pub budget: Duration,
    /// What happens to images that are named by tag.
    pub tags: Tags,
    /// Which platforms of an image are judged: those of the nodes.
    pub platforms: PlatformChoice,
    /// How the apiserver is asked for labels of namespaces; it is not asked where nothing is said.
    pub apiserver: Option<ApiserverConfig>,
    /// Presets that an object may ask for where they are stricter than its own, each once.
    pub object_presets: Vec<&'static str>,
}

/// What `gate` says.
pub(super) fn gate(reader: &Reader<'_>, raw: &Raw) -> Result<GateConfig, ConfigError> {
    let listen = raw.listen.as_deref().map(|listen| {
        listen.parse().map_err(|_| {
            let complaint = want("an address with a port", "such as 0.0.0.0:8443 or [::]:8443");
            reader.refuse(key!["gate", "listen"], listen, complaint)
        })
    });
    let listen = listen.transpose()?.unwrap_or(LISTEN);
    let (certificate, _) = reader.file(key!["gate", "certificate"], &raw.certificate)?;
    let (key_file, _) = reader.file(key!["gate", "key"], &raw.key)?;
    let tags = [("deny", Tags::Deny), ("resolve", Tags::Resolve)];
    Ok(GateConfig {
        listen,
        certificate,
        key: key_file,
        namespaces_exempt: namespaces(reader, &raw.namespaces_exempt)?,
        budget: budget(reader, raw.budget.as_deref())?,
        tags: reader.word(key!["gate", "tags"], raw.tags.as_deref(), &tags, Tags::default())?,
        platforms: platforms(reader, raw.platforms.as_deref())?,
        apiserver: raw
            .apiserver
            .as_ref()
            .map(|raw| apiserver::apiserver(reader, raw))
            .transpose()?,
        object_presets: object_presets(reader, raw.object_presets.as_deref())?,
    })
}

/// The presets that objects may ask for.
fn object_presets(
    reader: &Reader<'_>,
    raw: Option<&[String]>,
) -> Result<Vec<&'static str>, ConfigError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    reader.not_empty(key!["gate", "objectPresets"], raw)?;
    let mut found = Vec::new();
    for (index, name) in raw.iter().enumerate() {
        let preset = presets::preset(reader, key!["gate", "objectPresets", index], name)?;
        if found.contains(&preset) {
            let complaint = want("each preset once", "remove one of them");
            return Err(reader.refuse(key!["gate", "objectPresets", index], name, complaint));
        }
        found.push(preset);
    }
    Ok(found)
}

/// The platforms of the nodes that pods can land on; all where nothing is said.
fn platforms(reader: &Reader<'_>, raw: Option<&[String]>) -> Result<PlatformChoice, ConfigError> {
    let Some(raw) = raw else { return Ok(PlatformChoice::All) };
    let help = "the platforms of the cluster's nodes, such as linux/amd64; leave it out to judge every platform";
    if raw.is_empty() {
        let complaint = want("at least one platform", help);
        return Err(reader.refuse(key!["gate", "platforms"], "[]", complaint));
    }
    let parse = |(index, text): (usize, &String)| match text.parse::<Platform>() {
        Ok(platform) if !platform.is_unknown() => Ok(platform),
        _ => {
            let complaint = want("os/architecture or os/architecture/variant", help);
            Err(reader.refuse(key!["gate", "platforms", index], text, complaint))
        }
    };
    raw.iter().enumerate().map(parse).collect::<Result<_, _>>().map(PlatformChoice::Listed)
}

fn namespaces(reader: &Reader<'_>, raw: &[String]) -> Result<Vec<String>, ConfigError> {
    // RFC 1123 label, as Kubernetes asks for: no pattern can slip in.
    let label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    for (index, name) in raw.iter().enumerate() {
        if !label(name) {
            let complaint = want("the exact name of a namespace", "patterns are not read here");
            return Err(reader.refuse(key!["gate", "namespacesExempt", index], name, complaint));
        }
    }
    Ok(raw.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
}

fn budget(reader: &Reader<'_>, raw: Option<&str>) -> Result<Duration, ConfigError> {
    // admissionregistration.k8s.io/v1 `timeoutSeconds` is at most 30.
    let range = Duration::from_millis(500)..=Duration::from_secs(30);
    let text = raw.unwrap_or("9s");
    units::duration(text).filter(|budget| range.contains(budget)).ok_or_else(|| {
        let help = "the apiserver waits 30 s at most; stay below the webhook's timeoutSeconds";
        reader.refuse(key!["gate", "budget"], text, want("a time from 500ms to 30s", help))
    })
}
