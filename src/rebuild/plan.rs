//! From provenance to a plan, or to everything that is missing from it.
//!
//! Turns [`Provenance`] and the published image into a [`Plan`] or a list of [`Gap`]s. All gaps are collected, not the
//! first alone, so that a producer can close them in one go. Refuses to plan what would fetch something without a digest,
//! read the builder's own disk, use a secret, or reach the host's network; the provenance is hostile (attack D4: its URLs
//! decide what this machine connects to).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EmbeddedLayer, EngineKind, Gap, Plan, Planned, PlannedRepository, PlannedSource, covered,
    exporter, pins,
};
use crate::{
    attest::provenance::{
        COMPATIBILITY, Commit, Frontend, Material, MaterialKind, Network, Pin, Producer,
        Provenance, SourceCode,
    },
    contents::secrets::{shown_line, shown_named},
    digest::Digest,
    image::{Image, gzip::GzipHeader},
    reach::Reach,
    reference::Location,
};

/// What the layers of an image tell about how it was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerTraces {
    /// The build manifest in the last layer, where there is one and nothing else can be meant.
    pub embedded: Option<EmbeddedLayer>,
    /// The gzip header of each layer, base first, which tells who compressed it; empty where the layers were not read.
    pub headers: Vec<Option<GzipHeader>>,
}

/// What the operator allows a rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// What the steps of a rebuild may reach.
    pub network: StepNetwork,
    /// Frontends besides the built-in one that may read a Dockerfile.
    pub frontends: BTreeSet<Digest>,
}

/// What the steps of a rebuild may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepNetwork {
    /// Nothing.
    #[default]
    None,
    /// What BuildKit's proxy recorded when the image was made, and only that.
    Recorded,
}

/// Options that an engine can repeat: they change what a step sees, and nothing outside the build.
const REPEATABLE: [&str; 3] = ["add-hosts", "shm-size", "ulimit"];

/// Plans a rebuild of `image`.
pub fn plan(
    provenance: &Provenance,
    image: &Image,
    traces: &LayerTraces,
    options: &PlanOptions,
) -> Planned {
    if !provenance.producer.is_replayable() {
        return Planned::NotReplayable(vec![unknown_build_type(provenance)]);
    }
    let mut gaps = Vec::new();
    let source = source(provenance, &mut gaps);
    completeness(provenance, &mut gaps);
    secrets(provenance, &mut gaps);
    network(provenance, options.network, &mut gaps);
    let frontend_options = frontend_options(provenance, &mut gaps);
    materials(provenance, &mut gaps);
    frontend(provenance, &options.frontends, &mut gaps);
    platform(provenance, image, &mut gaps);
    dockerfile(provenance, &mut gaps);
    gaps.extend(covered::gaps(provenance, &image.platform));
    let (Some(source), []) = (source, gaps.as_slice()) else {
        gaps.sort();
        gaps.dedup();
        return Planned::NotReplayable(gaps);
    };
    let (engine, engine_reason) = engine(provenance, image);
    let carried = usize::from(traces.embedded.is_some());
    let mut exporter = exporter::infer(image, provenance, engine, carried);
    let written = image.manifest.layers.len().checked_sub(carried + 1);
    let header = written.and_then(|last| traces.headers.get(last).copied().flatten());
    exporter::add_level(&mut exporter, provenance, engine, header);
    let alternatives = exporter::alternatives(provenance, engine, &exporter);
    let registry = match &image.reference.location {
        Location::Registry(repository) => Some(repository.registry.clone()),
        _ => None,
    };
    Planned::Plan(Box::new(Plan {
        registry,
        producer: provenance.producer,
        engine,
        engine_reason,
        source,
        dockerfile_path: dockerfile_path(provenance).to_owned(),
        frontend: provenance.frontend.clone(),
        frontends: options.frontends.clone(),
        target: provenance.target.clone(),
        build_args: provenance.build_args.clone(),
        labels: provenance.labels.clone(),
        options: frontend_options,
        platform: image.platform.clone(),
        epoch_seconds: provenance.epoch_seconds,
        recorded_network: provenance.network,
        fetched: provenance.fetched_by_steps.clone(),
        materials: provenance.materials.clone(),
        exporter,
        alternatives,
        published_layers: image.manifest.layers.iter().map(|l| l.digest.clone()).collect(),
        made_by: provenance.engine.clone(),
        compatibility: provenance.exporter.get(COMPATIBILITY).and_then(|v| v.parse().ok()),
        embedded: traces.embedded.clone(),
    }))
}

fn gap(
    code: &'static str,
    field: impl Into<String>,
    why: impl Into<String>,
    fix: impl Into<String>,
) -> Gap {
    Gap { code, field: field.into(), why: why.into(), fix: fix.into() }
}

fn unknown_build_type(provenance: &Provenance) -> Gap {
    gap(
        "unknown-build-type",
        "buildType",
        format!("hallmark cannot replay builds of type {:?}", shown_line(&provenance.build_type)),
        "publish BuildKit's provenance (mode=max), or embed a build manifest with hallmark provenance",
    )
}

fn dockerfile_path(provenance: &Provenance) -> &str {
    provenance.dockerfile_path.as_deref().unwrap_or("Dockerfile")
}

fn source(provenance: &Provenance, gaps: &mut Vec<Gap>) -> Option<PlannedSource> {
    let from_git = "build from a git context: docker buildx build https://HOST/REPO.git#REF, or an archive over https";
    for name in &provenance.local_inputs {
        let why = format!("the folder {name:?} was sent from the client's disk; it has no digest");
        gaps.push(gap("local-context", "request.locals", why, from_git));
    }
    let Some(source) = &provenance.source else {
        if provenance.local_inputs.is_empty() {
            let why = "no source repository is recorded";
            gaps.push(gap("no-source", "configSource.uri", why, from_git));
        }
        return None;
    };
    // Whether it may be fetched is asked of every material.
    if let Some(download) = download(source, provenance) {
        return Some(download);
    }
    if let Some(why) = refuse_url(&source.url) {
        let code = if is_ssh(&source.url) { "ssh" } else { "source-url" };
        gaps.push(gap(code, "configSource.uri", why, "use a repository that https can reach"));
    }
    if source.folder.as_deref().is_some_and(leaves_folder) {
        let why = "the folder leaves the repository";
        gaps.push(gap("source-url", "configSource.uri", why, from_git));
    }
    let Some(commit) = source.commit.clone().or_else(|| commit_of(source, &provenance.materials))
    else {
        let why = format!("{} is recorded without a commit", source.url);
        gaps.push(gap("no-commit", "configSource.digest", why, from_git));
        return None;
    };
    Some(PlannedSource::Repository(PlannedRepository {
        url: source.url.clone(),
        reference: source.reference.clone(),
        folder: source.folder.clone(),
        commit,
    }))
}

/// BuildKit takes a context from any URL that is no repository's, and records it as it records what `ADD` downloads.
fn download(source: &SourceCode, provenance: &Provenance) -> Option<PlannedSource> {
    let whole = source.commit.is_none() && source.reference.is_none() && source.folder.is_none();
    let builds = matches!(provenance.producer, Producer::BuildkitV1 | Producer::BuildkitV02);
    let mut materials = provenance.materials.iter().filter(|_| whole && builds);
    materials.find_map(|material| match (&material.kind, &material.pin) {
        (MaterialKind::Http, Pin::Content(digest)) if material.uri == source.url => {
            Some(PlannedSource::Download { url: source.url.clone(), digest: digest.clone() })
        }
        _ => None,
    })
}

/// BuildKit before 0.30 records the commit of a context that is a folder of the repository with the material alone. Two
/// different ones are none.
fn commit_of(source: &SourceCode, materials: &[Material]) -> Option<Commit> {
    let whole = source
        .reference
        .as_ref()
        .map_or_else(|| source.url.clone(), |reference| format!("{}#{reference}", source.url));
    let is_source = |uri: &str| {
        let rest = uri.strip_prefix(&whole);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let mut commits = materials.iter().filter_map(|material| match &material.pin {
        Pin::Commit(commit) if is_source(&material.uri) => Some(commit),
        _ => None,
    });
    let first = commits.next()?;
    commits.all(|other| other == first).then(|| first.clone())
}

fn is_ssh(url: &str) -> bool {
    url.starts_with("ssh://") || (!url.contains("://") && url.contains('@'))
}

fn leaves_folder(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

/// Why a URL is not fetched: only https, git, and http on this machine itself; nothing link-local, where clouds keep
/// their credentials, or otherwise out of reach; nothing that BuildKit or git would read as an option, pattern or template.
pub fn refuse_url(url: &str) -> Option<String> {
    if is_ssh(url) {
        return Some(format!("{url} needs an SSH key"));
    }
    let parsed = match url::Url::parse(url) {
        Ok(parsed) => parsed,
        Err(why) => return Some(format!("{url:?} is no URL: {why}")),
    };
    let Some(host) = parsed.host_str().filter(|h| !h.is_empty()) else {
        return Some(format!("{url:?} names no host"));
    };
    let reach = Reach::of_host(host);
    match parsed.scheme() {
        "https" | "git" => {}
        "http" if reach == Some(Reach::Loopback) => {}
        other => return Some(format!("scheme {other:?} is not fetched from {host:?}")),
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Some("the URL holds credentials".to_owned());
    }
    if let Some(reach @ Reach::Never) = reach {
        return Some(format!("{host} is {}", reach.words()));
    }
    let plain = pins::is_plain(url) && pins::git_identifier(url).is_some();
    (!plain).then(|| format!("{url:?} holds characters that cannot be pinned"))
}

fn completeness(provenance: &Provenance, gaps: &mut Vec<Gap>) {
    let fix = "build with --attest type=provenance,mode=max";
    if !provenance.complete.steps {
        let why = "mode=min does not record build arguments, labels, secrets and steps";
        gaps.push(gap("mode-min", "buildConfig.llbDefinition", why, fix));
    } else if !provenance.complete.parameters {
        let why = "the producer says that not every parameter is recorded";
        gaps.push(gap("incomplete-parameters", "completeness", why, fix));
    }
}

fn secrets(provenance: &Provenance, gaps: &mut Vec<Gap>) {
    let fix = "make the build work without it: hallmark gives no secrets to builds";
    for secret in provenance.secrets.iter().filter(|s| !s.optional) {
        let why = format!("the build needs the secret {:?}", secret.id);
        gaps.push(gap("required-secret", "request.secrets", why, fix));
    }
    for id in &provenance.ssh {
        let why = format!("the build needs the SSH agent {id:?}");
        gaps.push(gap("ssh", "request.ssh", why, fix));
    }
}

fn network(provenance: &Provenance, allowed: StepNetwork, gaps: &mut Vec<Gap>) {
    if provenance.network == Network::Host {
        gaps.push(gap(
            "host-network",
            "force-network-mode",
            "steps could reach the builder's own network",
            "build with --network none",
        ));
    }
    let count = provenance.fetched_by_steps.len();
    if count > 0 && allowed == StepNetwork::None {
        gaps.push(gap(
            "recorded-network",
            "metadata.network.mode",
            format!("steps downloaded {count} recorded files, and rebuilds have no network"),
            "allow what was recorded with rebuild.network: recorded, or fetch with ADD --checksum",
        ));
    }
    if provenance.fetched_unrecorded > 0 {
        let count = provenance.fetched_unrecorded;
        gaps.push(gap(
            "unrecorded-download",
            "metadata.network.proxy.incomplete",
            format!("the builder's proxy could not record {count} downloads of steps"),
            "fetch with ADD --checksum, or make the steps read each answer to its end",
        ));
    }
}

fn frontend_options(provenance: &Provenance, gaps: &mut Vec<Gap>) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (key, value) in &provenance.other_options {
        match key.split_once(':') {
            _ if REPEATABLE.contains(&key.as_str()) => {
                kept.insert(key.clone(), value.clone());
            }
            Some(("dockerfile-digest", _)) => {
                kept.insert(key.clone(), value.clone());
            }
            Some(("context", name)) => named_context(provenance, name, value, gaps, &mut kept),
            Some(("hidden-build-arg", name)) => gaps.push(gap(
                "hidden-build-arg",
                "externalParameters.hiddenBuildArgs",
                format!("the value of build argument {name} is not recorded"),
                format!("record it: hallmark provenance create --build-arg {name}=VALUE"),
            )),
            Some(("input", name)) => gaps.push(gap(
                "linked-input",
                "request.inputs",
                format!("the build takes {name:?} from another build"),
                "build it in one Dockerfile with several stages",
            )),
            _ => gaps.push(gap(
                "unknown-frontend-option",
                format!("request.args.{key}"),
                format!("hallmark does not know what {key}={:?} changes", shown_named(key, value)),
                "build without this option",
            )),
        }
    }
    kept
}

/// A named context is repeated where it is an image that the materials pin.
fn named_context(
    provenance: &Provenance,
    name: &str,
    value: &str,
    gaps: &mut Vec<Gap>,
    kept: &mut BTreeMap<String, String>,
) {
    let covered = value
        .strip_prefix("docker-image://")
        .is_some_and(|reference| covered::is_pinned(&provenance.materials, reference));
    if covered {
        kept.insert(format!("context:{name}"), value.to_owned());
        return;
    }
    gaps.push(gap(
        "local-context",
        format!("request.args.context:{name}"),
        format!("the named context {name:?} is {:?}, which no material pins", shown_line(value)),
        "use an image as the named context: --build-context NAME=docker-image://IMAGE@DIGEST",
    ));
}

fn materials(provenance: &Provenance, gaps: &mut Vec<Gap>) {
    let mut tags: BTreeMap<(&str, &str), &Digest> = BTreeMap::new();
    for material in &provenance.materials {
        if let Some(gap) = unusable(material, provenance.fetched_by_steps.contains(&material.uri)) {
            gaps.push(gap);
        }
        if let (MaterialKind::Image { name, tag, .. }, Pin::Content(digest)) =
            (&material.kind, &material.pin)
        {
            let Some(tag) = tag else { continue };
            let earlier = tags.insert((name, tag), digest);
            if earlier.is_some_and(|earlier| earlier != digest) {
                gaps.push(gap(
                    "conflicting-material",
                    "resolvedDependencies",
                    format!("{name}:{tag} is recorded with two digests"),
                    "pin the base image by digest in the Dockerfile",
                ));
            }
        }
    }
}

/// Why a material cannot be pinned, or must not be fetched. What a step downloads is compared as part of its layer, so that it
/// may come without TLS, as packages do.
fn unusable(material: &Material, by_step: bool) -> Option<Gap> {
    let field = "resolvedDependencies";
    let uri = &material.uri;
    let fetched = material.kind != MaterialKind::Other;
    if fetched && material.pin == Pin::Nothing {
        let why = format!("{uri} is recorded without a digest");
        return Some(gap(
            "unpinned-material",
            field,
            why,
            "pin it by digest or checksum in the Dockerfile",
        ));
    }
    let refused = match &material.kind {
        MaterialKind::Image { tag, .. } => {
            let odd = tag.as_deref().is_some_and(|tag| !is_tag(tag));
            odd.then(|| format!("{uri} has no valid tag"))
        }
        MaterialKind::Git => refuse_url(uri.trim_start_matches("git+").split('#').next()?),
        MaterialKind::Http => match uri.strip_prefix("http://") {
            Some(rest) if by_step => refuse_download(&format!("https://{rest}")),
            _ => refuse_download(uri),
        },
        MaterialKind::Other => None,
    };
    refused.map(|why| gap("source-url", field, why, "fetch it over https, from a plain URL"))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

/// A download may have a query, which a repository may not; all else is the same.
fn refuse_download(url: &str) -> Option<String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let odd = query.contains(['*', '[', ']', '{', '}', '$', '\\']);
    refuse_url(path).or_else(|| odd.then(|| format!("{url:?} cannot be pinned")))
}

/// A frontend is a program of whoever names it, and it makes the steps: it runs only where the operator knows its digest.
fn frontend(provenance: &Provenance, allowed: &BTreeSet<Digest>, gaps: &mut Vec<Gap>) {
    match &provenance.frontend {
        Frontend::BuiltIn => {}
        Frontend::Image { reference } if covered::is_pinned(&provenance.materials, reference) => {
            let digest = covered::pin(&provenance.materials, reference);
            if digest.is_none_or(|digest| !allowed.contains(digest)) {
                let digest = digest.map(|d| format!(" ({d})")).unwrap_or_default();
                gaps.push(gap(
                    "frontend-not-allowed",
                    "request.frontend",
                    format!("the Dockerfile is read by {reference:?}{digest}, a program that the operator does not list"),
                    "build without a # syntax= line, or list the digest under rebuild.frontends in hallmark.yaml",
                ));
            }
        }
        Frontend::Image { reference } => gaps.push(gap(
            "unpinned-material",
            "request.frontend",
            format!("the frontend image {reference:?} is not among the materials"),
            "pin it by digest: # syntax=docker/dockerfile:1@sha256:…",
        )),
        Frontend::Unknown => gaps.push(gap(
            "unknown-frontend",
            "request.frontend",
            "the frontend that read the Dockerfile is not recorded",
            "build a Dockerfile with docker buildx or buildctl",
        )),
    }
}

fn platform(provenance: &Provenance, image: &Image, gaps: &mut Vec<Gap>) {
    if let Some(recorded) = &provenance.platform
        && !recorded.serves(&image.platform)
        && !image.platform.serves(recorded)
    {
        let why = format!("provenance is for {recorded}, the image for {}", image.platform);
        gaps.push(gap("platform", "platform", why, "publish provenance for each platform"));
    }
}

fn dockerfile(provenance: &Provenance, gaps: &mut Vec<Gap>) {
    if leaves_folder(dockerfile_path(provenance)) {
        gaps.push(gap(
            "source-url",
            "configSource.path",
            "the Dockerfile's path leaves the repository",
            "keep the Dockerfile in the repository",
        ));
    }
}

/// Only the kind of engine that made an image lays its layers and history out in the same way.
fn engine(provenance: &Provenance, image: &Image) -> (EngineKind, String) {
    if let Some(engine) = &provenance.engine {
        let kind = match engine.name.as_str() {
            "buildah" | "podman" => EngineKind::Buildah,
            _ => EngineKind::Buildkit,
        };
        return (kind, format!("provenance names {} {}", engine.name, engine.version));
    }
    if provenance.producer != Producer::Hallmark {
        return (EngineKind::Buildkit, "provenance is BuildKit's".to_owned());
    }
    let last = image.config.history.iter().rev().find(|h| !h.empty_layer || !h.comment.is_empty());
    if last.is_some_and(|h| h.comment.starts_with("buildkit")) {
        return (EngineKind::Buildkit, format!("history says {:?}", "buildkit.dockerfile.v0"));
    }
    let label = image.config.runtime.labels.get("io.buildah.version");
    match label {
        Some(version) => (EngineKind::Buildah, format!("label io.buildah.version={version}")),
        None => (EngineKind::Buildkit, "nothing in the image names its builder".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::tests::{image, parse, predicate, provenance};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn planned(provenance: &Provenance, options: &PlanOptions) -> Planned {
        plan(provenance, &image(), &LayerTraces::default(), options)
    }

    fn codes(provenance: &Provenance) -> Vec<&'static str> {
        match planned(provenance, &PlanOptions::default()) {
            Planned::Plan(_) => Vec::new(),
            Planned::NotReplayable(gaps) => {
                for gap in &gaps {
                    assert!(
                        !gap.why.is_empty() && !gap.fix.is_empty() && !gap.field.is_empty(),
                        "{gap:?}"
                    );
                }
                gaps.iter().map(|gap| gap.code).collect()
            }
        }
    }

    #[test]
    fn what_suffices_becomes_a_plan() {
        let plan = crate::rebuild::tests::plan();
        assert_eq!(plan.engine, EngineKind::Buildkit);
        let repository = plan.source.repository().unwrap();
        assert_eq!(repository.url, "https://git.example/app.git");
        assert_eq!(repository.folder.as_deref(), Some("sub"));
        assert_eq!(
            pins::context(&plan),
            format!("https://git.example/app.git#{}:sub", "c".repeat(40))
        );
        assert_eq!(plan.target.as_deref(), Some("release"));
        assert_eq!(plan.build_args.get("A").map(String::as_str), Some("b"));
        assert_eq!(plan.labels.get("l").map(String::as_str), Some("v"));
        assert_eq!(plan.options.get("add-hosts").map(String::as_str), Some("a=192.0.2.1"));
        assert_eq!(plan.epoch_seconds, Some(1_735_689_600));
        assert_eq!(plan.recorded_network, Network::None);
    }

    #[test]
    fn g11_a_frontend_needs_the_operators_list() {
        let mut named = provenance();
        named.frontend = Frontend::Image { reference: "golang:1.24".to_owned() };
        assert_eq!(codes(&named), ["frontend-not-allowed"]);
        let digest = covered::pin(&named.materials, "golang:1.24").unwrap().clone();
        let options = PlanOptions { frontends: [digest].into(), ..PlanOptions::default() };
        assert!(matches!(planned(&named, &options), Planned::Plan(_)));
        named.frontend = Frontend::Image { reference: "other:1".to_owned() };
        assert_eq!(codes(&named), ["unpinned-material"]);
    }

    #[test]
    fn a_context_may_be_downloaded_where_its_digest_is_recorded() {
        let url = "https://files.example/tool.tgz?v=1";
        let from = |uri: &str, pinned: bool| {
            let mut predicate = predicate();
            let digest = if pinned { json!({ "sha256": "d".repeat(64) }) } else { json!({}) };
            *predicate.pointer_mut("/invocation/configSource").unwrap() =
                json!({ "uri": uri, "digest": digest, "entryPoint": "Dockerfile" });
            if !pinned {
                let materials = predicate["materials"].as_array_mut().unwrap();
                materials.retain(|material| material["uri"] != url);
            }
            parse(predicate)
        };
        let Planned::Plan(plan) = planned(&from(url, true), &PlanOptions::default()) else {
            panic!("no plan");
        };
        let digest = format!("sha256:{}", "d".repeat(64)).parse().unwrap();
        assert_eq!(plan.source, PlannedSource::Download { url: url.to_owned(), digest });
        assert_eq!(pins::context(&plan), url);
        // No digest, and another file than any material. What has a fragment is a repository to BuildKit.
        assert_eq!(codes(&from(url, false)), ["no-commit", "source-url"]);
        assert_eq!(codes(&from("https://files.example/other.tgz", true)), ["no-commit"]);
        assert_eq!(codes(&from(&format!("{url}#:sub"), true)), ["source-url"]);
    }

    /// Provenance as BuildKit's proxy leaves it: `tool.tgz` is the build's own, `data` was downloaded by a step.
    fn captured(proxy: &Value) -> Provenance {
        let mut predicate = predicate();
        let text = |value: &mut Value, pointer: &str, new: Value| {
            *value.pointer_mut(pointer).unwrap() = new;
        };
        text(&mut predicate, "/invocation/parameters/args/force-network-mode", json!("sandbox"));
        let own = json!({ "source": { "identifier": "https://files.example/tool.tgz?v=1" } });
        let exec = json!({ "exec": { "meta": {} } });
        let steps = json!([{ "id": "step0", "op": { "Op": own } }, { "id": "step1", "op": { "Op": exec } }]);
        text(&mut predicate, "/buildConfig/llbDefinition", steps);
        let download =
            json!({ "uri": "http://h.example/data", "digest": { "sha256": "e".repeat(64) } });
        predicate["materials"].as_array_mut().unwrap().push(download);
        predicate["metadata"]["https://mobyproject.org/buildkit@v1#metadata"] =
            json!({ "network": { "mode": "proxy", "proxy": proxy } });
        parse(predicate)
    }

    #[test]
    fn what_steps_downloaded_needs_a_record_and_the_operators_word() {
        let (recorded, none) = (StepNetwork::Recorded, StepNetwork::None);
        let missed = json!({ "incomplete": [{ "method": "GET", "uri": "http://h.example/x" }] });
        let cases: [(Value, StepNetwork, &[&str]); 5] = [
            (Value::Null, recorded, &[]),
            (json!({ "incomplete": null }), recorded, &[]),
            (Value::Null, none, &["recorded-network"]),
            (missed.clone(), recorded, &["unrecorded-download"]),
            (missed, none, &["recorded-network", "unrecorded-download"]),
        ];
        for (proxy, network, want) in cases {
            let provenance = captured(&proxy);
            assert_eq!(provenance.network, Network::Proxy, "{proxy}");
            let options = PlanOptions { network, ..PlanOptions::default() };
            match planned(&provenance, &options) {
                Planned::Plan(plan) => {
                    assert!(want.is_empty(), "{proxy}");
                    let fetched: Vec<&str> = plan.fetched.iter().map(String::as_str).collect();
                    assert_eq!(fetched, ["http://h.example/data"]);
                    let policy = pins::buildkit_policy(&plan);
                    let rules = policy["rules"].as_array().unwrap().iter();
                    let about: Vec<&Value> = rules
                        .filter(|rule| rule["selector"]["identifier"] == "http://h.example/data")
                        .collect();
                    let selector =
                        json!({ "identifier": "http://h.example/data", "match_type": "EXACT" });
                    assert_eq!(about, [&json!({ "action": "ALLOW", "selector": selector })]);
                }
                Planned::NotReplayable(gaps) => {
                    let codes: Vec<&str> = gaps.iter().map(|gap| gap.code).collect();
                    assert_eq!(codes, want, "{proxy}");
                }
            }
        }
    }

    #[test]
    fn every_gap_is_named() {
        let cases: Vec<(&str, Value, &[&str])> = vec![
            ("/buildConfig/llbDefinition", json!([]), &["mode-min"]),
            ("/metadata/completeness/parameters", json!(false), &["incomplete-parameters"]),
            ("/invocation/parameters/locals", json!([{ "name": "context" }]), &["local-context"]),
            ("/invocation/parameters/secrets", json!([{ "id": "npm" }]), &["required-secret"]),
            ("/invocation/parameters/ssh", json!([{ "id": "default" }]), &["ssh"]),
            ("/invocation/parameters/ssh", json!([{ "id": "default", "optional": true }]), &[]),
            ("/invocation/parameters/args/force-network-mode", json!("host"), &["host-network"]),
            ("/invocation/parameters/args/hostname", json!("x"), &["unknown-frontend-option"]),
            ("/invocation/parameters/args/context:x", json!("input:x"), &["local-context"]),
            ("/invocation/parameters/args/context:x", json!("docker-image://golang:1.24"), &[]),
            (
                "/invocation/parameters/args/context:x",
                json!("docker-image://golang:1.25"),
                &["local-context"],
            ),
            ("/invocation/parameters/inputs", json!({ "x": {} }), &["linked-input"]),
            ("/invocation/parameters/frontend", json!(""), &["unknown-frontend"]),
            ("/invocation/parameters/args/platform", json!("linux/arm64"), &["platform"]),
            // The material of the same repository and ref has the commit, too.
            ("/invocation/configSource/digest", json!({}), &[]),
            (
                "/invocation/configSource",
                json!({ "uri": "https://git.example/app.git#main" }),
                &["no-commit"],
            ),
            ("/invocation/configSource", json!({}), &["no-source"]),
            ("/invocation/configSource/uri", json!("git@h.example:org/app.git#main"), &["ssh"]),
            ("/invocation/configSource/uri", json!("file:///etc#main"), &["source-url"]),
            (
                "/invocation/configSource/uri",
                json!("http://h.example/app.git#main"),
                &["source-url"],
            ),
            (
                "/invocation/configSource/uri",
                json!("https://169.254.169.254/a.git#main"),
                &["source-url"],
            ),
            (
                "/invocation/configSource/uri",
                json!("https://u:p@h.example/a.git#main"),
                &["source-url"],
            ),
            (
                "/invocation/configSource/uri",
                json!("https://h.example/*.git#main"),
                &["source-url"],
            ),
            (
                "/invocation/configSource/uri",
                json!("https://git.example/app.git#main:../.."),
                &["source-url"],
            ),
            ("/invocation/configSource/entryPoint", json!("../Dockerfile"), &["source-url"]),
            ("/materials/0/digest", json!({}), &["unpinned-material"]),
            ("/materials/3/uri", json!("http://169.254.169.254/x"), &["source-url"]),
            ("/materials/0/uri", json!("pkg:docker/golang@-x"), &["source-url"]),
            (
                "/buildType",
                json!("https://actions.github.io/buildtypes/workflow/v1"),
                &["unknown-build-type"],
            ),
        ];
        for (pointer, value, want) in cases {
            let mut predicate = predicate();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = predicate.pointer_mut(parent).unwrap();
            match parent {
                Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
                _ => parent[key] = value.clone(),
            }
            assert_eq!(codes(&parse(predicate)), want, "{pointer} = {value}");
        }
    }

    #[test]
    fn a_tag_with_two_digests_is_a_conflict() {
        let mut predicate = predicate();
        let again =
            json!({ "uri": "pkg:docker/golang@1.24", "digest": { "sha256": "e".repeat(64) } });
        predicate["materials"].as_array_mut().unwrap().push(again);
        assert_eq!(codes(&parse(predicate)), ["conflicting-material"]);
    }

    #[test]
    fn a_frontend_image_has_to_be_among_the_materials() {
        let mut predicate = predicate();
        predicate["invocation"]["parameters"]["frontend"] = json!("gateway.v0");
        predicate["invocation"]["parameters"]["args"]["source"] = json!("docker/dockerfile:1");
        assert_eq!(codes(&parse(predicate.clone())), ["unpinned-material"]);
        let frontend = json!({ "uri": "pkg:docker/docker/dockerfile@1", "digest": { "sha256": "e".repeat(64) } });
        predicate["materials"].as_array_mut().unwrap().push(frontend);
        assert_eq!(codes(&parse(predicate)), ["frontend-not-allowed"]);
    }

    #[test]
    fn urls_of_this_machine_and_of_strangers() {
        let cases = [
            ("https://github.com/org/app.git", true),
            ("git://127.0.0.1:9418/app.git", true),
            ("http://127.0.0.1:8080/app.git", true),
            ("http://localhost/app.git", true),
            // BuildKit would read the brackets as a pattern.
            ("http://[::1]:80/app.git", false),
            ("http://192.0.2.1/app.git", false),
            ("https://[fe80::1]/app.git", false),
            ("https://[::ffff:169.254.169.254]/app.git", false),
            ("https://2852039166/app.git", false),
            ("git://2852039166/app.git", false),
            ("git://0xa9fea9fe/app.git", false),
            ("https://100.100.100.200/app.git", false),
            ("https://[fd00:ec2::254]/app.git", false),
            ("https://224.0.0.1/app.git", false),
            ("ext::sh -c x", false),
            ("-oProxyCommand=x", false),
            ("https:///app.git", false),
            ("https://h/a b.git", true),
            ("", false),
        ];
        for (url, want) in cases {
            assert_eq!(refuse_url(url).is_none(), want, "{url}: {:?}", refuse_url(url));
        }
    }

    proptest! {
        #[test]
        fn hostile_options_and_urls_never_panic(key in "[a-z:-]{0,20}", value in "\\PC{0,40}", uri in "\\PC{0,60}") {
            let mut provenance = provenance();
            provenance.other_options.insert(key, value);
            provenance.source.as_mut().unwrap().url = uri.clone();
            let _ = refuse_url(&uri);
            let _ = planned(&provenance, &PlanOptions::default());
        }
    }
}
