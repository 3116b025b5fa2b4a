//! Build engines: a plan in, an OCI layout out.
//!
//! Every engine runs with storage made for one job, no network for build steps, no secrets, an empty environment, and
//! limits on time and log; what it leaves behind is removed on every way out. The plan's pins are enforced by the
//! engine itself where it can (BuildKit's source policy), and by giving it nothing else where it cannot (buildah). A result
//! that somebody else built can be taken in an engine's place (replay).

pub mod ancestry;
pub mod buildah;
pub mod buildkit;
pub mod command;
mod git;
pub mod grpc;
pub mod layout;
pub mod replay;
pub mod sandbox;
mod step;
pub mod store;
mod version;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use crate::{
    limits::{Limits, key},
    progress::{Talk, Underway, Work},
    rebuild::{EngineKind, EngineReport, Failure, FailureKind, Plan, Producer, pins},
    reference::Repository,
    scratch::{
        cgroup::{Cgroup, Exceeded},
        used_bytes,
    },
    source::address::is_loopback,
};
use layout::Layout;
use sandbox::{Log, Shell, Workspace};
use store::Store;

/// Time between two looks at what a job has on disk.
const LOOK: Duration = Duration::from_millis(250);
/// The registry that Docker's own daemon has mirrors for.
const DOCKER_HUB: &str = "docker.io";
/// What a build must leave on the disk, in bytes.
const RESERVE_BYTES: u64 = 128 << 20;

/// Something that can follow a plan.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> EngineKind;

    /// Builds into a new OCI layout under `shell.work`, a folder for this job that the caller removes.
    async fn build(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure>;
}

/// What an engine gives.
#[derive(Debug, Clone)]
pub struct Built {
    /// Folder of the OCI layout; it holds one image.
    pub layout: PathBuf,
    /// What built it.
    pub report: EngineReport,
    /// Digest of the source policy or pin list that was in force.
    pub pins: crate::digest::Digest,
}

/// How engines reach registries: the same settings as the image's own source.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// Registries that are spoken to without TLS.
    pub plain_http: Vec<String>,
    /// Registries with certificate authorities of their own, as PEM files.
    pub certificate_authorities: Vec<(String, PathBuf)>,
    /// Where images of a registry are asked for first. They are asked for by digest, so a mirror need not be believed.
    pub mirrors: Vec<Mirror>,
    /// Whether a builder that is already there, and that others use too, may be used where no own one can be started.
    pub shared_builder: SharedBuilder,
    /// Where work folders are made, instead of the system's folder for temporary files.
    pub work: Option<PathBuf>,
    /// A BuildKit to ask, instead of starting one.
    pub address: Option<grpc::Address>,
    /// Where all inputs come from, instead of their origins.
    pub store: Option<Store>,
    /// What somebody else rebuilt, to be taken instead of building.
    pub rebuilt: Option<replay::Elsewhere>,
}

impl EngineSettings {
    /// Every registry about which something is said, sorted.
    fn hosts(&self) -> BTreeSet<&str> {
        let mirrored = self.mirrors.iter().map(|mirror| mirror.registry.as_str());
        self.plain_http.iter().map(String::as_str).chain(mirrored).collect()
    }

    fn is_plain(&self, host: &str) -> bool {
        self.plain_http.iter().any(|plain| plain == host)
    }

    fn mirrors_of<'a>(&'a self, registry: &'a str) -> impl Iterator<Item = &'a Mirror> {
        self.mirrors.iter().filter(move |mirror| mirror.registry == registry)
    }
}

/// A registry that has copies of another one's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry as references have it.
    pub registry: String,
    /// Host, and below it the path under which the copies are, if they are under one.
    pub at: String,
}

impl Mirror {
    /// The host alone.
    pub fn host(&self) -> &str {
        self.at.split('/').next().unwrap_or(&self.at)
    }
}

/// Whether a builder may be used that others use, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SharedBuilder {
    /// Only one that is made for the job and removed with it.
    #[default]
    Refused,
    /// The one that `DOCKER_HOST` names, as a last resort, or the one that `BUILDKIT_HOST` names: its storage and cache are
    /// not ours to trust.
    Allowed,
}

/// Which engine the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum EngineChoice {
    /// The plan's kind, with whatever can run it here.
    #[default]
    Auto,
    /// BuildKit inside a Docker daemon of the job's own.
    Docker,
    /// BuildKit's own daemon.
    Buildkitd,
    /// buildah.
    Buildah,
}

/// What a build gave, and the folder that holds it until this is dropped.
#[derive(Debug)]
pub struct Finished {
    /// The result.
    pub built: Built,
    /// Keeps the layout; removes it, and everything that the engine left, when dropped.
    pub workspace: Workspace,
}

/// Follows a plan with the engine that fits it.
///
/// # Errors
/// A [`Failure`] of a kind; never an image that was built in another way than planned.
pub async fn build(
    plan: &Plan,
    settings: &EngineSettings,
    preference: EngineChoice,
    limits: &Limits,
    talk: &dyn Talk,
) -> Result<Finished, Failure> {
    let log = Log::new(limits.log_bytes);
    let settings = &reaching_loopback(plan, settings);
    let (engine, reason) = choose(plan, settings, preference, limits)?;
    talk.line(&format!("engine: {reason}"));
    let workspace = Workspace::new(settings.work.as_deref(), limits)
        .map_err(|e| unavailable(format!("cannot make a work folder: {e}")))?;
    if let Err(why) = workspace.group() {
        talk.line(&format!("no bound on memory and processes, only on time and disk: {why}"));
    }
    let shell = Shell::new(&workspace, log.clone(), talk);
    let _underway = Underway::new(talk, Work::new("building"));
    let job = async {
        let mut built = engine.build(plan, &shell).await.map_err(|mut failure| {
            failure.engine.iter_mut().for_each(|report| report.reason.clone_from(&reason));
            failure
        })?;
        built.report.reason.clone_from(&reason);
        carry(&built, plan, limits).map_err(|e| Failure {
            kind: FailureKind::EngineUnavailable,
            why: e.to_string(),
            log: log.text(),
            engine: Some(Box::new(built.report.clone())),
        })?;
        Ok(built)
    };
    let failed = |kind, why| Failure { kind, why, log: log.text(), engine: None };
    let ended = tokio::select! {
        built = job => built.map_err(|failure| bounded(failure, &workspace, limits)),
        () = tokio::time::sleep(limits.rebuild) => Err(failed(
            FailureKind::Timeout,
            format!("not done after {} s ({})", limits.rebuild.as_secs(), key("rebuild")),
        )),
        why = disk_is_full(workspace.path(), limits) => Err(failed(FailureKind::BuildFailed, why)),
    };
    drop(shell);
    ended.map(|built| Finished { built, workspace })
}

/// What really happened to a build that the kernel bounded: its own last words are of something that broke.
fn bounded(failure: Failure, workspace: &Workspace, limits: &Limits) -> Failure {
    let exceeded = workspace.group().ok().and_then(Cgroup::exceeded);
    let why = match exceeded {
        Some(Exceeded::Memory) => {
            let (bytes, key) = (limits.rebuild_memory_bytes, key("rebuild_memory_bytes"));
            format!("it wanted more than {bytes} bytes of memory ({key})")
        }
        Some(Exceeded::Processes) => {
            let (count, key) = (limits.rebuild_processes, key("rebuild_processes"));
            format!("it wanted more than {count} processes ({key})")
        }
        None => return failure,
    };
    Failure { kind: FailureKind::BuildFailed, why: format!("{why}: {}", failure.why), ..failure }
}

/// Ends when the job has more on disk than it may, or when so little is left that others would suffer.
async fn disk_is_full(work: &Path, limits: &Limits) -> String {
    let limit = limits.rebuild_disk_bytes;
    loop {
        let (folder, began) = (work.to_owned(), Instant::now());
        let look = move || (used_bytes(&folder), left_bytes(&folder));
        // A look that panics has seen nothing.
        let (used, left) = tokio::task::spawn_blocking(look).await.unwrap_or((0, u64::MAX));
        if used > limit {
            return format!("it wrote more than {limit} bytes ({})", key("rebuild_disk_bytes"));
        }
        if left < RESERVE_BYTES {
            return format!("the disk of {} is full: {left} bytes are left", work.display());
        }
        // Looking takes a twentieth of the time at most, however many files there are.
        tokio::time::sleep(LOOK.max(began.elapsed() * 20)).await;
    }
}

fn left_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Registries on this machine need no TLS, for engines as for the image's own source; buildah has to be told.
fn reaching_loopback(plan: &Plan, settings: &EngineSettings) -> EngineSettings {
    let mut settings = settings.clone();
    for base in pins::bases(plan) {
        let Ok(Repository { registry, .. }) = base.repository.parse() else { continue };
        let with_tls = settings.certificate_authorities.iter().any(|(host, _)| *host == registry);
        if is_loopback(&registry) && !with_tls && !settings.plain_http.contains(&registry) {
            settings.plain_http.push(registry);
        }
    }
    for mirror in settings.mirrors.clone() {
        let host = mirror.host().to_owned();
        let with_tls = settings.certificate_authorities.iter().any(|(other, _)| *other == host);
        if is_loopback(&host) && !with_tls && !settings.plain_http.contains(&host) {
            settings.plain_http.push(host);
        }
    }
    settings
}

/// Puts the published image's embedded build manifest on top of what was rebuilt.
fn carry(built: &Built, plan: &Plan, limits: &Limits) -> Result<(), layout::LayoutError> {
    if let Some(layer) = &plan.embedded {
        Layout::open(&built.layout, limits)?.embed(layer)?;
    }
    Ok(())
}

/// Docker's own BuildKit writes SLSA v0.2 and BuildKit by itself v1; layers compress to the same bytes only with the same
/// compressor, so the kind of daemon that made the image is tried first.
fn choose(
    plan: &Plan,
    settings: &EngineSettings,
    preference: EngineChoice,
    limits: &Limits,
) -> Result<(Arc<dyn Engine>, String), Failure> {
    if let Some(elsewhere) = &settings.rebuilt {
        let reason = "the result of another rebuilder was given".to_owned();
        return Ok((Arc::new(replay::Replay::new(elsewhere.clone(), limits)), reason));
    }
    if !plan.fetched.is_empty() {
        return recording(plan, settings, preference, limits);
    }
    if let (Some(address), EngineKind::Buildkit, None) =
        (&settings.address, plan.engine, &settings.store)
    {
        return Ok(at_address(plan, address, limits));
    }
    let order: &[EngineChoice] = match (preference, plan.engine, plan.producer) {
        (EngineChoice::Auto, EngineKind::Buildah, _) => &[EngineChoice::Buildah],
        // Docker has mirrors for one registry alone.
        (EngineChoice::Auto, _, _) if settings.store.is_some() => &[EngineChoice::Buildkitd],
        (EngineChoice::Auto, _, _) if settings.mirrors.iter().any(|m| m.registry != DOCKER_HUB) => {
            &[EngineChoice::Buildkitd, EngineChoice::Docker]
        }
        (EngineChoice::Auto, _, Producer::BuildkitV1) => {
            &[EngineChoice::Buildkitd, EngineChoice::Docker]
        }
        (EngineChoice::Auto, _, _) => &[EngineChoice::Docker, EngineChoice::Buildkitd],
        (EngineChoice::Docker, _, _) => &[EngineChoice::Docker],
        (EngineChoice::Buildkitd, _, _) => &[EngineChoice::Buildkitd],
        (EngineChoice::Buildah, _, _) => &[EngineChoice::Buildah],
    };
    let mut missing = Vec::new();
    for choice in order {
        let found: Result<Arc<dyn Engine>, String> = match choice {
            EngineChoice::Buildah => {
                buildah::Buildah::find(settings, limits).map(|e| Arc::new(e) as _)
            }
            EngineChoice::Buildkitd => buildkit::find(settings, limits),
            _ if settings.store.is_some() => {
                Err("BuildKit inside Docker cannot take its images from a store".to_owned())
            }
            _ => buildkit::docker::Docker::find(settings).map(|e| Arc::new(e) as _),
        };
        match found {
            Ok(engine) => return Ok((engine, reason(plan, preference, *choice, &missing))),
            Err(why) => missing.push(why),
        }
    }
    Err(unavailable(missing.join("; ")))
}

fn at_address(plan: &Plan, address: &grpc::Address, limits: &Limits) -> (Arc<dyn Engine>, String) {
    let reason = format!("BuildKit at rebuild.address: {}", plan.engine_reason);
    (Arc::new(grpc::Grpc::new(address.clone(), limits)), reason)
}

/// For steps that download: the one engine that gives them a network in which nothing else is.
fn recording(
    plan: &Plan,
    settings: &EngineSettings,
    preference: EngineChoice,
    limits: &Limits,
) -> Result<(Arc<dyn Engine>, String), Failure> {
    if settings.store.is_some() {
        let why = "steps download, and cannot do so from a store; rebuild without it";
        return Err(unavailable(why.to_owned()));
    }
    let may_run = matches!(preference, EngineChoice::Auto | EngineChoice::Buildkitd);
    if settings.address.is_none() && !may_run {
        let why = "steps download, and only BuildKit's own daemon has a proxy that holds them to what was recorded (rebuild.engine: buildkitd)";
        return Err(unavailable(why.to_owned()));
    }
    let (engine, reason) = match &settings.address {
        Some(address) => at_address(plan, address, limits),
        None => {
            let engine = buildkit::find(settings, limits).map_err(unavailable)?;
            (engine, reason(plan, preference, EngineChoice::Buildkitd, &[]))
        }
    };
    Ok((engine, format!("{reason}; its proxy lets steps download what was recorded")))
}

/// Why this engine: what the image says, what the operator says, and what is not here.
fn reason(plan: &Plan, asked: EngineChoice, chosen: EngineChoice, missing: &[String]) -> String {
    let name = match chosen {
        EngineChoice::Buildah => "buildah",
        EngineChoice::Buildkitd => "BuildKit's own daemon",
        EngineChoice::Docker | EngineChoice::Auto => "BuildKit inside Docker",
    };
    if asked != EngineChoice::Auto {
        return format!("{name}: rebuild.engine asks for it ({})", plan.engine_reason);
    }
    let kind = match (chosen, plan.producer) {
        (EngineChoice::Buildah, _) => "",
        (_, Producer::BuildkitV1) => ", SLSA v1 as BuildKit's own daemon writes it",
        (_, Producer::BuildkitV02) => ", SLSA v0.2 as BuildKit inside Docker writes it",
        _ => "",
    };
    let instead = match missing {
        [] => String::new(),
        all => format!("; not as first choice: {}", all.join("; ")),
    };
    format!("{name}: {}{kind}{instead}", plan.engine_reason)
}

fn unavailable(why: String) -> Failure {
    Failure { kind: FailureKind::EngineUnavailable, why, log: String::new(), engine: None }
}

/// One file with the machine's certificate authorities and the operator's: every program that engines use (Go, git)
/// takes `SSL_CERT_FILE` or `GIT_SSL_CAINFO`.
fn certificates(settings: &EngineSettings, work: &Path) -> io::Result<Option<PathBuf>> {
    const SYSTEM: [&str; 3] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    if settings.certificate_authorities.is_empty() {
        return Ok(None);
    }
    let system = SYSTEM.iter().find_map(|path| fs::read(path).ok());
    let mut bundle = system.unwrap_or_default();
    for (_, path) in &settings.certificate_authorities {
        bundle.push(b'\n');
        bundle.extend(fs::read(path)?);
    }
    let path = work.join("ca.pem");
    fs::write(&path, bundle)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::provenance::MaterialKind;

    /// A plan whose bases all come from this registry.
    fn plan_from(registry: &str) -> Plan {
        let mut plan = crate::rebuild::tests::plan();
        for material in &mut plan.materials {
            if let MaterialKind::Image { name, .. } = &mut material.kind {
                *name = format!("{registry}/base");
            }
        }
        plan
    }

    #[test]
    fn registries_on_this_machine_are_reached_without_tls() {
        let with_own_ca = EngineSettings {
            certificate_authorities: vec![("127.0.0.1:5000".to_owned(), PathBuf::from("ca.pem"))],
            ..EngineSettings::default()
        };
        let cases = [
            ("127.0.0.1:5000", EngineSettings::default(), true),
            ("localhost:5000", EngineSettings::default(), true),
            ("registry.example", EngineSettings::default(), false),
            ("127.0.0.1:5000", with_own_ca, false),
        ];
        for (registry, settings, plain) in cases {
            let reaching = reaching_loopback(&plan_from(registry), &settings);
            let want: &[String] = if plain { &[registry.to_owned()] } else { &[] };
            assert_eq!(reaching.plain_http, want, "{registry}");
        }
    }
}
