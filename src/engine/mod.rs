//! Build engines: a plan in, an OCI layout out.
//!
//! Every engine runs with storage made for one job, no secrets, an empty environment, and limits on time and log; what it leaves
//! behind is removed on every way out. One that is started here is shut in ([`cage`]): there is no network around it but what
//! the plan pins, brought to it by hallmark's own clients (`inputs`), whatever it, its frontends or its steps ask for. The
//! plan's pins are enforced by the engine itself, too, where it can (BuildKit's source policy). A result that somebody else
//! built can be taken in an engine's place (replay).

pub mod ancestry;
pub mod blocks;
pub mod buildah;
pub mod buildkit;
pub mod cage;
mod calls;
pub mod command;
mod disk;
mod egress;
mod frontend;
mod git;
pub mod host;
pub mod ids;
mod inputs;
pub mod keep;
mod lasting;
pub mod layout;
mod masked;
mod memory;
pub mod replay;
mod runc;
pub mod sandbox;
mod step;
pub mod store;
mod submodules;
mod version;
mod without;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use crate::{
    amount,
    digest::Digest,
    environment,
    image::Image,
    limits::{Limits, key},
    progress::{ProgressSink, Underway, Work},
    rebuild::{
        Bound, EngineKind, EngineReport, Failure, FailureKind, Lack, Numbers, Plan, Producer,
        Unbounded,
    },
    scratch::{
        cgroup::{self, Cgroup, Exceeded},
        used_bytes,
    },
    source::{address::Unlisted, images::StoredLayers},
};
use cage::{Cage, CageError};
pub use git::is_ref_name;
use host::Missing;
use ids::WantedNumbers;
use inputs::Inputs;
use keep::Keep;
use layout::Layout;
use masked::Masks;
use sandbox::{Log, Shell, Workspace};
use store::Store;

/// Time between two looks at what a job has on disk.
const LOOK: Duration = Duration::from_millis(250);

/// Something that can follow a plan.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> EngineKind;

    /// Where it runs.
    fn runs(&self) -> Runs {
        Runs::Here
    }

    /// Builds into a new OCI layout under `shell.work`, a folder for this job that the caller removes.
    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<Built, Failure>;
}

/// Where an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Started for the job and shut in.
    Here,
    /// At an address, or not at all: what it can reach is not known here.
    Elsewhere,
}

/// What an engine gives.
#[derive(Debug, Clone)]
pub struct Built {
    /// Folder of the OCI layout; it holds one image.
    pub layout: PathBuf,
    /// What built it.
    pub report: EngineReport,
    /// Digest of the source policy or pin list that was in force.
    pub pins: Digest,
    /// What read the Dockerfile, where it was not the engine itself.
    pub frontend: Option<Digest>,
}

/// How engines reach registries: the same settings as the image's own source.
#[derive(Debug, Clone, Default)]
pub struct EngineSettings {
    /// Registries that are spoken to without TLS.
    pub plain_http: Vec<String>,
    /// Registries that the operator lists, whatever is said of them: they may be anywhere.
    pub listed: Vec<String>,
    /// Where the image's own registry may be, where it is not listed.
    pub unlisted: Unlisted,
    /// Registries with certificate authorities of their own, as PEM files.
    pub certificate_authorities: Vec<(String, PathBuf)>,
    /// Hosts of git and http sources that may lie in private networks, or be this machine.
    pub private_sources: Vec<String>,
    /// Where images of a registry are asked for first. They are asked for by digest, so a mirror need not be believed.
    pub mirrors: Vec<Mirror>,
    /// Whether a builder that is already there, and that others use too, may be used where no own one can be started.
    pub shared_builder: SharedBuilder,
    /// Where work folders are made, instead of the system's folder for temporary files.
    pub work: Option<PathBuf>,
    /// Which numbers of users and groups a builder that is started here has.
    pub numbers: WantedNumbers,
    /// A BuildKit to ask, instead of starting one.
    pub address: Option<buildkit::grpc::Address>,
    /// Where all inputs come from, instead of their origins.
    pub store: Option<Store>,
    /// What somebody else rebuilt, to be taken instead of building.
    pub rebuilt: Option<replay::Elsewhere>,
    /// Where the image that a comparison is made with is kept.
    pub keep: Option<Arc<Keep>>,
    /// A proxy for everything but this machine, as `http://proxy.example:3128`: for hallmark's own clients, never for builders.
    pub proxy: Option<String>,
    /// Hosts that are reached without it, comma separated.
    pub no_proxy: Option<String>,
}

impl EngineSettings {
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
    /// The OCI layout with the bases that the builder was given.
    pub inputs: PathBuf,
    keep: Option<Arc<Keep>>,
}

impl Finished {
    /// Keeps its image, as it was read, where the operator asked for that.
    pub async fn keep(&self, image: &Image, layers: &StoredLayers) {
        if let Some(keep) = &self.keep {
            keep.image(image, layers).await;
        }
    }
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
    sink: &dyn ProgressSink,
) -> Result<Finished, Failure> {
    let masks = Masks::of(plan);
    let built = follow(plan, settings, preference, limits, &masks.before(sink)).await;
    built.map_err(|failure| masks.failure(failure))
}

async fn follow(
    plan: &Plan,
    settings: &EngineSettings,
    preference: EngineChoice,
    limits: &Limits,
    sink: &dyn ProgressSink,
) -> Result<Finished, Failure> {
    let log = Log::new(limits.log_bytes);
    let settings = &found(settings.clone());
    let (engine, reason) = choose(plan, settings, preference, limits)?;
    sink.line(&format!("engine: {reason}"));
    if let (Some(store), None) = (&settings.store, &settings.rebuilt) {
        let not_kept = |why| Failure { kind: FailureKind::NotKept, ..unavailable(why) };
        store.holds(plan).map_err(not_kept)?;
    }
    let store = settings.store.as_ref().map(Store::layout);
    let workspace = Workspace::make(settings.work.as_deref(), limits, store, settings.numbers)
        .await
        .map_err(|e| without::work_folder(settings.work.as_deref(), &e))?;
    say_what_is_missing(&*engine, &workspace, sink)?;
    let settings = &lent(settings.clone(), plan, &workspace).await?;
    let shell = Shell::new(&workspace, log.clone(), sink);
    let inputs = Inputs::of(settings, limits, &shell);
    let _underway = Underway::new(sink, Work::new("building"));
    let here = engine.runs() == Runs::Here && engine.kind() != EngineKind::Replay;
    let unbounded = here.then(|| unbounded(&workspace).map(|(what, _)| what).collect::<Vec<_>>());
    let note = |report: &mut EngineReport| {
        report.reason.clone_from(&reason);
        report.served = here.then(|| inputs.given());
        report.unbounded.clone_from(&unbounded);
    };
    let job = async {
        submodules::refuse_unpinned(plan, settings, &shell).await?;
        if engine.runs() == Runs::Elsewhere && engine.kind() != EngineKind::Replay {
            inputs.check_downloads_of_steps(plan, &shell).await?;
        }
        let mut built = engine.build(plan, &shell, &inputs).await.map_err(|mut failure| {
            failure.engine.iter_mut().for_each(|report| note(report));
            failure
        })?;
        note(&mut built.report);
        built.frontend = frontend::that_read(plan, &built.report);
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
        (kind, why) = disk_is_full(&workspace, limits) => Err(failed(kind, why)),
        why = memory::is_short(workspace.group().ok()), if engine.kind() != EngineKind::Replay => {
            Err(failed(FailureKind::BuildFailed, why))
        }
    };
    let (inputs, keep) = (inputs.store().layout().to_owned(), settings.keep.clone());
    drop(shell);
    ended.map(|built| Finished { built, workspace, inputs, keep })
}

/// Before anything is built: a builder that cannot be shut in is not started, and bounds that cannot be had are said.
fn say_what_is_missing(
    engine: &dyn Engine,
    workspace: &Workspace,
    sink: &dyn ProgressSink,
) -> Result<(), Failure> {
    if engine.kind() == EngineKind::Replay {
        return Ok(());
    }
    if engine.runs() == Runs::Elsewhere {
        sink.line("this builder is not started here: what its steps can reach, and how much they take, is not known");
        return Ok(());
    }
    match workspace.cage() {
        Err(why @ CageError::Block(_)) => return Err(unavailable(why.to_string())),
        Err(why @ CageError::Missing(_)) => {
            return Err(without::lacking(Lack::Programs, why.to_string()));
        }
        _ if !cgroup::are_mounted() => {
            let why = "no control groups are mounted, and without them no builder makes containers";
            return Err(without::lacking(Lack::Groups, why.to_owned()));
        }
        _ => {}
    }
    if let Err(why) = workspace.cage() {
        let why = format!(
            "builds are shut in, and here they cannot be: {why}; run as root with the right to make namespaces"
        );
        return Err(Failure { kind: FailureKind::EngineForbidden, ..unavailable(why) });
    }
    if let Ok(Err(why)) = workspace.cage().map(Cage::ids) {
        sink.line(&format!(
            "steps have the machine's numbers of users, and its root is theirs: {why}"
        ));
    }
    unbounded(workspace).for_each(|(_, said)| sink.line(&said));
    Ok(())
}

/// What the kernel does not bound here, and what is said of it.
fn unbounded(workspace: &Workspace) -> impl Iterator<Item = (Unbounded, String)> {
    let memory = workspace.group().err().map(|why| {
        let said = format!("no bound on memory and processes, only on time and disk: {why}");
        (Unbounded::Memory, said)
    });
    let takes = workspace.group().is_ok_and(Cgroup::lets_take_huge_pages);
    let pages = takes.then(|| {
        let said = "no bound on huge pages, of which this machine has some: there is no control group that counts them";
        (Unbounded::HugePages, said.to_owned())
    });
    let disk = workspace.disk().err().map(|why| {
        let said = format!("the disk is watched, and not bounded by the kernel: {why}");
        (Unbounded::Disk, said)
    });
    [memory, pages, disk].into_iter().flatten()
}

/// What really happened to a build that the kernel bounded: its own last words are of something that broke.
fn bounded(failure: Failure, workspace: &Workspace, limits: &Limits) -> Failure {
    let exceeded = workspace.group().ok().and_then(Cgroup::exceeded);
    let (kind, why) = match exceeded {
        Some(Exceeded::Memory) => beyond(Bound::Memory, limits),
        Some(Exceeded::Processes) => beyond(Bound::Processes, limits),
        None if disk::is_full(workspace.path())
            || failure.log.contains("o space left on device") =>
        {
            too_much_on_disk(workspace, limits)
        }
        None => return without_devices(failure),
    };
    Failure { kind, why, ..failure }
}

/// What may have been missing, for people: a step can print what it likes, so nothing is decided by it, and no advice that
/// would open the cage comes of it (attack G52).
fn without_devices(mut failure: Failure) -> Failure {
    let refused = failure.log.contains("mknod") && failure.log.contains("peration not permitted");
    let own = failure.engine.as_ref().is_some_and(|engine| engine.numbers == Numbers::Own);
    if own && refused && failure.kind == FailureKind::BuildFailed {
        failure.why.push_str("; steps make no device nodes here");
    }
    failure
}

/// That it went beyond a bound, and nothing else: what broke of it says no more than that.
fn beyond(bound: Bound, limits: &Limits) -> (FailureKind, String) {
    let what = match bound {
        Bound::Memory => {
            format!("it wanted more than {} of memory", amount::bytes(limits.rebuild_memory_bytes))
        }
        Bound::Processes => {
            format!("it wanted more than {} processes", limits.rebuild_processes)
        }
        Bound::Disk => {
            format!("it wrote more than {}", amount::bytes(limits.rebuild_disk_bytes))
        }
    };
    (FailureKind::Exceeded(bound), format!("{what} ({})", key(bound.limit_name())))
}

fn too_much_on_disk(workspace: &Workspace, limits: &Limits) -> (FailureKind, String) {
    match workspace.disk() {
        Ok(bytes) if bytes < limits.rebuild_disk_bytes => {
            let why = format!(
                "it wrote more than the {} that the disk of {} had to spare",
                amount::bytes(bytes),
                workspace.outside().display()
            );
            (FailureKind::Lacks(Lack::Room), why)
        }
        _ => beyond(Bound::Disk, limits),
    }
}

/// Ends when the job has more on disk than it may, or when so little is left that others would suffer. Where the kernel keeps the
/// bound, this only says so.
async fn disk_is_full(workspace: &Workspace, limits: &Limits) -> (FailureKind, String) {
    let (work, outside) = (workspace.path(), workspace.outside());
    let bounded = workspace.disk().is_ok();
    loop {
        let (folder, outer, began) = (work.to_owned(), outside.to_owned(), Instant::now());
        let limit = limits.rebuild_disk_bytes;
        let look = move || {
            let full = if bounded { disk::is_full(&folder) } else { used_bytes(&folder) > limit };
            (full, disk::free_bytes(&outer).unwrap_or(u64::MAX))
        };
        // A look that panics has seen nothing.
        let (full, left) = tokio::task::spawn_blocking(look).await.unwrap_or((false, u64::MAX));
        if full {
            return too_much_on_disk(workspace, limits);
        }
        if left < disk::RESERVE_BYTES {
            return (FailureKind::Lacks(Lack::Room), without::room(outside, left));
        }
        // Looking takes a twentieth of the time at most, however many files there are.
        tokio::time::sleep(LOOK.max(began.elapsed() * 20)).await;
    }
}

/// The store by its whole path: builders work elsewhere.
fn found(settings: EngineSettings) -> EngineSettings {
    let whole = |store: Store| fs::canonicalize(store.layout()).map_or(store, |f| Store::at(&f));
    EngineSettings { store: settings.store.map(whole), ..settings }
}

/// The operator's store as programs read it whose root is not the machine's.
async fn lent(
    settings: EngineSettings,
    plan: &Plan,
    workspace: &Workspace,
) -> Result<EngineSettings, Failure> {
    let own = workspace.cage().is_ok_and(|cage| cage.ids().is_ok());
    let Some(store) = settings.store.clone().filter(|_| own) else { return Ok(settings) };
    let (plan, to) = (plan.clone(), workspace.path().join("repositories"));
    let lend = tokio::task::spawn_blocking(move || store.lend(&plan, &to)).await;
    let lent = lend.map_err(io::Error::other).and_then(|lent| lent);
    let lent = lent.map_err(|e| unavailable(format!("repositories of the store: {e}")))?;
    Ok(EngineSettings { store: Some(lent), ..settings })
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
        (EngineChoice::Auto, _, Producer::BuildkitV1) => {
            &[EngineChoice::Buildkitd, EngineChoice::Docker]
        }
        (EngineChoice::Auto, _, _) => &[EngineChoice::Docker, EngineChoice::Buildkitd],
        (EngineChoice::Docker, _, _) => &[EngineChoice::Docker],
        (EngineChoice::Buildkitd, _, _) => &[EngineChoice::Buildkitd],
        (EngineChoice::Buildah, _, _) => &[EngineChoice::Buildah],
    };
    let mut missing: Vec<Missing> = Vec::new();
    for choice in order {
        let found: Result<Arc<dyn Engine>, Missing> = match choice {
            EngineChoice::Buildah => buildah::Buildah::find(limits).map(|e| Arc::new(e) as _),
            EngineChoice::Buildkitd => buildkit::find(settings, limits),
            _ => buildkit::docker::Docker::find(settings).map(|e| Arc::new(e) as _),
        };
        match found {
            Ok(engine) => return Ok((engine, reason(plan, preference, *choice, &missing))),
            Err(why) => missing.push(why),
        }
    }
    Err(without::engine(plan.engine, missing, cage::missing_programs(), host::is_root()))
}

fn at_address(
    plan: &Plan,
    address: &buildkit::grpc::Address,
    limits: &Limits,
) -> (Arc<dyn Engine>, String) {
    let reason = format!("BuildKit at rebuild.address: {}", plan.engine_reason);
    (Arc::new(buildkit::grpc::Grpc::new(address.clone(), limits)), reason)
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
            let engine = buildkit::find(settings, limits).map_err(|missing| {
                let (beside, root) = (cage::missing_programs(), host::is_root());
                without::engine(plan.engine, vec![missing], beside, root)
            })?;
            (engine, reason(plan, preference, EngineChoice::Buildkitd, &[]))
        }
    };
    Ok((engine, format!("{reason}; its proxy lets steps download what was recorded")))
}

/// Why this engine: what the image says, what the operator says, and what is not here.
fn reason(plan: &Plan, asked: EngineChoice, chosen: EngineChoice, missing: &[Missing]) -> String {
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
        all => format!("; not as first choice: {}", without::joined(all)),
    };
    format!("{name}: {}{kind}{instead}", plan.engine_reason)
}

fn unavailable(why: String) -> Failure {
    Failure { kind: FailureKind::EngineUnavailable, why, log: String::new(), engine: None }
}

/// One file with the machine's certificate authorities and the operator's, where git's own choice is not enough: builders reach
/// nobody who has a certificate.
fn certificates(settings: &EngineSettings, work: &Path) -> io::Result<Option<PathBuf>> {
    const SYSTEM: [&str; 3] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let given = environment::variable("SSL_CERT_FILE").map(PathBuf::from);
    if settings.certificate_authorities.is_empty() && given.is_none() {
        return Ok(None);
    }
    let system = SYSTEM.iter().map(PathBuf::from);
    let system = given.into_iter().chain(system).find_map(|path| fs::read(path).ok());
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

    /// What a step prints is not believed: neither where it could have made one, nor as a reason to open the cage.
    #[test]
    fn g52_the_words_of_a_step_choose_no_setting() {
        let failed = |numbers: Option<Numbers>, log: &str, kind| {
            let report = |numbers| EngineReport {
                kind: EngineKind::Buildah,
                driver: "buildah".to_owned(),
                version: "1.28.2".to_owned(),
                reason: String::new(),
                network: crate::attest::provenance::Network::None,
                numbers,
                ephemeral: true,
                served: None,
                unbounded: None,
            };
            let engine = numbers.map(|numbers| Box::new(report(numbers)));
            without_devices(Failure { kind, why: "exit code 3".into(), log: log.into(), engine })
                .why
        };
        let log = "mknod: Operation not permitted";
        let said = failed(Some(Numbers::Own), log, FailureKind::BuildFailed);
        assert_eq!(said, "exit code 3; steps make no device nodes here");
        assert!(!said.contains("rebuild."), "{said}");
        for (numbers, log, kind) in [
            (Some(Numbers::Machine), log, FailureKind::BuildFailed),
            (Some(Numbers::Unknown), log, FailureKind::BuildFailed),
            (None, log, FailureKind::BuildFailed),
            (Some(Numbers::Own), "mknod", FailureKind::BuildFailed),
            (Some(Numbers::Own), log, FailureKind::SourceGone),
        ] {
            assert_eq!(failed(numbers, log, kind), "exit code 3", "{numbers:?}, {kind:?}");
        }
    }
}
