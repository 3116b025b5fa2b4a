//! What BuildKit records, in SLSA v0.2 and v1 alike.
//!
//! Turns BuildKit's request, materials, LLB and metadata (moby/buildkit, `solver/llbsolver/provenance/types`) into
//! [`Provenance`]. The two SLSA versions differ only in where these parts stand. Refuses materials that contradict
//! themselves; leaves empty what `mode=min` does not record.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::{
    COMPATIBILITY, Frontend, Material, MaterialKind, Network, Provenance, ProvenanceError, Secret,
    Step,
    material::{self, DigestSet},
    or_default,
};
use crate::digest::BlobDigest;

/// Where the build began: `configSource`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ConfigSource {
    #[serde(default)]
    pub uri: String,
    #[serde(default, deserialize_with = "or_default")]
    pub digest: DigestSet,
    #[serde(default, alias = "entryPoint")]
    pub path: Option<String>,
}

/// What was asked of the builder: `request` in v1, `parameters` in v0.2.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    pub frontend: String,
    #[serde(default, deserialize_with = "or_default")]
    pub args: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    pub secrets: Vec<Asked>,
    #[serde(default, deserialize_with = "or_default")]
    pub ssh: Vec<Asked>,
    #[serde(default, deserialize_with = "or_default")]
    pub locals: Vec<Local>,
    #[serde(default, deserialize_with = "or_default")]
    pub inputs: BTreeMap<String, serde_json::Value>,
    /// Which form of its own output BuildKit was asked for (since 0.30).
    pub compatibility_version: Option<i64>,
}

/// A secret or SSH agent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub optional: bool,
}

/// A folder that the client sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Local {
    #[serde(default)]
    pub name: String,
}

/// A material or resolved dependency.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Dependency {
    #[serde(default)]
    pub uri: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub digest: DigestSet,
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, serde_json::Value>,
}

/// The steps. Which sources they name tells what the build fetched itself from what its steps downloaded.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BuildConfig {
    #[serde(default, rename = "llbDefinition", deserialize_with = "or_default")]
    pub llb_definition: Vec<LlbStep>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LlbStep {
    #[serde(default, deserialize_with = "or_default")]
    op: LlbOp,
}

#[derive(Debug, Default, Deserialize)]
struct LlbOp {
    #[serde(default, rename = "Op", deserialize_with = "or_default")]
    op: LlbOneOf,
}

#[derive(Debug, Default, Deserialize)]
struct LlbOneOf {
    #[serde(default, deserialize_with = "or_default")]
    source: LlbSource,
}

#[derive(Debug, Default, Deserialize)]
struct LlbSource {
    #[serde(default)]
    identifier: String,
}

/// BuildKit's own metadata.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default, deserialize_with = "or_default")]
    pub source: SourceMap,
    #[serde(default, deserialize_with = "or_default")]
    pub layers: BTreeMap<String, Vec<Vec<Layer>>>,
    #[serde(default, deserialize_with = "or_default")]
    pub network: Capture,
}

/// What BuildKit says of the network of its steps (moby/buildkit, `NetworkMetadata`, since 0.31).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Capture {
    #[serde(default)]
    mode: String,
    #[serde(default, deserialize_with = "or_default")]
    proxy: Proxy,
}

#[derive(Debug, Default, Deserialize)]
struct Proxy {
    #[serde(default, deserialize_with = "or_default")]
    incomplete: Vec<serde::de::IgnoredAny>,
}

/// Dockerfiles and which of their lines made which steps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SourceMap {
    #[serde(default, deserialize_with = "or_default")]
    pub locations: BTreeMap<String, Locations>,
    #[serde(default, deserialize_with = "or_default")]
    pub infos: Vec<Info>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Info {
    #[serde(default)]
    filename: String,
    #[serde(default, deserialize_with = "or_default")]
    data: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Locations {
    #[serde(default, deserialize_with = "or_default")]
    locations: Vec<Place>,
}

#[derive(Debug, Default, Deserialize)]
struct Place {
    #[serde(default, deserialize_with = "or_default")]
    ranges: Vec<Range>,
}

#[derive(Debug, Default, Deserialize)]
struct Range {
    #[serde(default)]
    start: Position,
}

#[derive(Debug, Default, Deserialize)]
struct Position {
    #[serde(default)]
    line: u32,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Layer {
    #[serde(default)]
    digest: String,
}

/// Everything of BuildKit's that both SLSA versions hold.
pub(super) struct Parts<'a> {
    pub config_source: ConfigSource,
    pub request: Request,
    pub dependencies: &'a [Dependency],
    pub steps: BuildConfig,
    pub metadata: Metadata,
    pub target_platform: Option<String>,
}

/// Fills `into` with what BuildKit recorded.
pub(super) fn fill(into: &mut Provenance, parts: Parts<'_>) -> Result<(), ProvenanceError> {
    let Parts { config_source, request, dependencies, steps, metadata, target_platform } = parts;
    into.materials = materials(dependencies)?;
    into.complete.steps = !steps.llb_definition.is_empty();
    into.platform = target_platform.and_then(|p| p.parse().ok());
    into.dockerfile_path = config_source.path.clone().filter(|path| !path.is_empty());
    if !config_source.uri.is_empty() {
        into.source = Some(material::source(&config_source.uri, &config_source.digest));
    }
    into.frontend = frontend(&request);
    into.network = Network::Default;
    into.secrets =
        request.secrets.iter().map(|s| Secret { id: s.id.clone(), optional: s.optional }).collect();
    into.ssh = request.ssh.iter().filter(|s| !s.optional).map(|s| s.id.clone()).collect();
    into.local_inputs = request.locals.iter().map(|l| l.name.clone()).collect();
    for name in request.inputs.keys() {
        into.other_options.insert(format!("input:{name}"), String::new());
    }
    if let Some(version) = request.compatibility_version {
        into.exporter.insert(COMPATIBILITY.to_owned(), version.to_string());
    }
    for (key, value) in request.args {
        option(into, &key, value)?;
    }
    captured(into, &metadata.network, &steps);
    into.dockerfile = dockerfile(&metadata.source, into.dockerfile_path.as_deref());
    into.steps = explain_steps(&metadata);
    Ok(())
}

/// Reads every dependency.
pub(super) fn materials(dependencies: &[Dependency]) -> Result<Vec<Material>, ProvenanceError> {
    dependencies
        .iter()
        .map(|d| {
            let uri = if d.uri.is_empty() { d.name.as_deref().unwrap_or_default() } else { &d.uri };
            let role = d.annotations.get("role").and_then(|r| r.as_str()).map(str::to_owned);
            Ok(Material { role, ..material::material(uri, &d.digest)? })
        })
        .collect()
}

fn frontend(request: &Request) -> Frontend {
    match request.frontend.as_str() {
        "dockerfile.v0" => Frontend::BuiltIn,
        "gateway.v0" => {
            let reference = request.args.get("source").or_else(|| request.args.get("cmdline"));
            // `cmdline` is a whole `# syntax=` line: the reference is its first word.
            let first = reference.and_then(|text| text.split_whitespace().next());
            first.map_or(Frontend::Unknown, |r| Frontend::Image { reference: r.to_owned() })
        }
        _ => Frontend::Unknown,
    }
}

/// Options that say how the builder worked, and not what it made.
const WITHOUT_EFFECT: [&str; 9] = [
    "no-cache",
    "source",
    "cmdline",
    "frontend.caps",
    "image-resolve-mode",
    "cache-imports",
    "cache-from",
    "multi-platform",
    "cgroup-parent",
];

fn option(into: &mut Provenance, key: &str, value: String) -> Result<(), ProvenanceError> {
    if let Some(name) = key.strip_prefix("build-arg:") {
        if name == "SOURCE_DATE_EPOCH" {
            into.epoch_seconds = value.parse().ok();
        }
        into.build_args.insert(name.to_owned(), value);
    } else if let Some(name) = key.strip_prefix("label:") {
        into.labels.insert(name.to_owned(), value);
    } else {
        plain_option(into, key, value)?;
    }
    Ok(())
}

fn plain_option(into: &mut Provenance, key: &str, value: String) -> Result<(), ProvenanceError> {
    match key {
        "target" => into.target = Some(value).filter(|v| !v.is_empty()),
        "filename" => into.dockerfile_path = Some(value),
        "platform" => into.platform = value.parse().ok(),
        "force-network-mode" => into.network = network(key, &value)?,
        // Hints of the client about its own checkout; BuildKit does not check them.
        _ if key.starts_with("vcs:") || key.starts_with("attest:") => {}
        _ if WITHOUT_EFFECT.contains(&key) => {}
        _ => {
            into.other_options.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// Tells downloads of steps, which the recording proxy put among the materials, from what the build itself fetched.
fn captured(into: &mut Provenance, capture: &Capture, steps: &BuildConfig) {
    if capture.mode != "proxy" || into.network != Network::Default {
        return;
    }
    into.network = Network::Proxy;
    into.fetched_unrecorded = capture.proxy.incomplete.len();
    let own: BTreeSet<&str> =
        steps.llb_definition.iter().map(|step| step.op.op.source.identifier.as_str()).collect();
    let downloads = into.materials.iter().filter(|m| m.kind == MaterialKind::Http);
    into.fetched_by_steps = downloads
        .filter(|material| !own.contains(material.uri.as_str()))
        .map(|material| material.uri.clone())
        .collect();
}

fn network(field: &str, value: &str) -> Result<Network, ProvenanceError> {
    match value {
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        "" | "default" | "sandbox" => Ok(Network::Default),
        other => Err(ProvenanceError::field(field, other, "none, host, sandbox or default")),
    }
}

/// The text of the Dockerfile, among the files that the frontend read.
fn dockerfile(source: &SourceMap, path: Option<&str>) -> Option<String> {
    let name = path.unwrap_or("Dockerfile").rsplit('/').next()?;
    let named = source.infos.iter().find(|i| i.filename.rsplit('/').next() == Some(name));
    let info = named.or_else(|| source.infos.first())?;
    String::from_utf8(BASE64_STANDARD.decode(&info.data).ok()?).ok()
}

/// Joins each step's line with the layers that it added. BuildKit lists for each step the whole chain of layers below
/// its result; what a step made is what no shorter chain holds.
fn explain_steps(metadata: &Metadata) -> Vec<Step> {
    let chains: BTreeMap<&str, Vec<BlobDigest>> = metadata
        .layers
        .iter()
        .filter_map(|(output, chains)| {
            let chain = chains.first()?.iter().map(|l| l.digest.parse().ok());
            Some((output.split(':').next()?, chain.collect::<Option<Vec<_>>>()?))
        })
        .collect();
    let made = |chain: &Vec<BlobDigest>| {
        let shorter = chains.values().filter(|c| c.len() < chain.len() && chain.starts_with(c));
        let below = shorter.map(Vec::len).max().unwrap_or(0);
        chain.iter().skip(below).cloned().collect::<Vec<_>>()
    };
    let ids = metadata.source.locations.keys().map(String::as_str).chain(chains.keys().copied());
    let mut steps: Vec<Step> = ids
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|id| Step {
            id: id.to_owned(),
            line: metadata.source.locations.get(id).and_then(first_line),
            layers: chains.get(id).map(made).unwrap_or_default(),
        })
        .collect();
    steps.sort_by_key(|step| (number(&step.id), step.id.clone()));
    steps
}

fn first_line(locations: &Locations) -> Option<u32> {
    let lines = locations.locations.iter().flat_map(|place| &place.ranges);
    lines.map(|range| range.start.line).filter(|line| *line > 0).min()
}

/// `step10` comes after `step9`.
fn number(id: &str) -> u64 {
    id.strip_prefix("step").and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
}
