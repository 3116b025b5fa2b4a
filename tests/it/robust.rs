//! Builds that go wrong, with real engines: the status says what happened, nothing is left behind, and the next build works.
//! And builds that mean harm: rows G of `docs/attacks.md`.
//!
//! Each test publishes a commit of its own in the lab's git server, and plans its build as if the image's provenance had
//! named it.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hallmark::{
    attest::provenance::{Commit, MaterialKind},
    engine::{self, EngineChoice, EngineSettings, Finished, host::find_program},
    limits::Limits,
    progress::{ProgressSink, Silent, Step},
    rebuild::{Bound, EngineKind, Failure, FailureKind, Plan, PlannedRepository, PlannedSource},
};

use crate::rebuild::{Lab, planned, rebuilt, traces};

/// Engines that are here: every test runs with each that it is about.
pub fn engines() -> Vec<EngineChoice> {
    let mut found = vec![EngineChoice::Docker, EngineChoice::Buildah];
    if find_program("buildkitd").is_some() {
        found.push(EngineChoice::Buildkitd);
    }
    found
}

/// A commit of these files in a repository of its own.
pub fn publish(lab: &Lab, name: &str, files: &[(&str, &str)]) -> (String, Commit) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
    let tree = tempfile::tempdir().unwrap();
    for (path, text) in files {
        std::fs::write(tree.path().join(path), text).unwrap();
    }
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "init.defaultBranch=main", "-c", "user.name=lab", "-c"])
            .args(["user.email=lab@example.org", "-C"])
            .arg(tree.path())
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", &name]);
    let bare = lab.folder.join(format!("git/{name}.git"));
    git(&["clone", "-q", "--bare", ".", &bare.display().to_string()]);
    git(&["-C", &bare.display().to_string(), "config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = lab.images["source"]["git"].as_str().unwrap().replace("/app.git", "");
    (format!("{url}/{name}.git"), Commit::new(&git(&["rev-parse", "HEAD"])).unwrap())
}

/// The honest image's plan, for another source. `BUILD` names a base that has a shell.
pub async fn plan_of(lab: &Lab, name: &str, dockerfile: &str) -> Plan {
    let (image, provenance) = lab.load("HONEST").await;
    let mut plan = planned(&provenance.expect("no provenance"), &image);
    let (url, commit) = publish(lab, name, &[("Dockerfile", dockerfile)]);
    plan.materials.retain(|material| material.kind != MaterialKind::Git);
    plan.source =
        PlannedSource::Repository(PlannedRepository { url, reference: None, folder: None, commit });
    plan.options = BTreeMap::new();
    plan
}

/// A build in a folder of its own, and the proof that it leaves nothing there.
pub async fn run(
    plan: &Plan,
    settings: EngineSettings,
    choice: EngineChoice,
    limits: &Limits,
    sink: &dyn ProgressSink,
) -> Result<Finished, Failure> {
    let base = tempfile::tempdir().unwrap();
    let settings = EngineSettings { work: Some(base.path().to_owned()), ..settings };
    let result = engine::build(plan, &settings, choice, limits, sink).await;
    match &result {
        Err(failure) => {
            eprintln!("{choice:?}: {:?}: {}", failure.kind, failure.why);
            gone(base.path()).await;
        }
        // It is needed for as long as the result is.
        Ok(_) => std::mem::forget(base),
    }
    result
}

/// Waits a moment for what was killed, then insists.
pub async fn gone(base: &Path) {
    let left = || {
        let files = std::fs::read_dir(base).into_iter().flatten().flatten();
        let mut left: Vec<String> = files.map(|f| f.path().display().to_string()).collect();
        left.extend(traces(&base.to_string_lossy()));
        left
    };
    for _ in 0..100 {
        if left().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(left(), Vec::<String>::new());
    let groups = ["memory", "pids", ""].map(|c| Path::new("/sys/fs/cgroup").join(c));
    let ours = |name: &str| traces_of_group(name, base);
    for group in groups.iter().filter_map(|g| std::fs::read_dir(g).ok()).flatten().flatten() {
        assert!(!ours(&group.file_name().to_string_lossy()), "{group:?}");
    }
}

/// Groups have the names of work folders, which are gone by now.
fn traces_of_group(name: &str, base: &Path) -> bool {
    name.starts_with("hallmark-") && base.join(name).exists()
}

/// After whatever happened, the honest image can be built.
async fn next_build_works(lab: &Lab, choice: EngineChoice) {
    let plan = plan_of(lab, "fine", "ARG BUILD\nFROM ${BUILD}\nRUN echo fine > /fine\n").await;
    let plan = for_engine(plan, choice);
    let finished = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
    let folder = finished.expect("the next build failed").workspace.path().to_owned();
    assert!(!folder.exists());
}

/// buildah replays its own images only; what is built here is judged by nobody.
pub fn for_engine(mut plan: Plan, choice: EngineChoice) -> Plan {
    if choice == EngineChoice::Buildah {
        plan.engine = EngineKind::Buildah;
    }
    plan
}

/// Does something at a moment: the first time that a line holds a text.
pub struct At<F: Fn() + Send + Sync> {
    moment: &'static str,
    done: AtomicBool,
    what: F,
}

impl<F: Fn() + Send + Sync> At<F> {
    pub fn new(moment: &'static str, what: F) -> Self {
        Self { moment, done: AtomicBool::new(false), what }
    }
}

impl<F: Fn() + Send + Sync> ProgressSink for At<F> {
    fn stage(&self, name: &str) {
        self.line(name);
    }
    fn line(&self, text: &str) {
        if text.contains(self.moment) && !self.done.swap(true, Ordering::SeqCst) {
            (self.what)();
        }
    }
    fn output(&self, text: &str) {
        self.line(text);
    }
}

/// Kills the processes of these programs that have `folder` in their arguments.
fn kill(programs: &[&str], folder: &Path) -> usize {
    let mut killed = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let comm = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let ours = String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy());
        if ours && programs.contains(&comm.trim()) {
            let pid: i32 = process.file_name().to_str().unwrap().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            killed += 1;
        }
    }
    killed
}

/// Prints `step runs` only while it runs: BuildKit repeats the command itself, and so does buildah.
pub const ENDLESS: &str =
    "ARG BUILD\nFROM ${BUILD}\nRUN echo step run''s; while :; do sleep 1; done\n";

/// Kills one of the engine's own processes in the middle of a step.
async fn killed(name: &str, choice: EngineChoice, programs: &'static [&'static str]) {
    let Some(lab) = Lab::find() else { return };
    let plan = for_engine(plan_of(&lab, name, ENDLESS).await, choice);
    let base = tempfile::tempdir().unwrap();
    let settings = EngineSettings { work: Some(base.path().to_owned()), ..lab.settings() };
    let folder = base.path().to_owned();
    let sink = At::new("step runs", move || {
        assert!(kill(programs, &folder) > 0, "none of {programs:?} runs");
    });
    let limits = Limits { rebuild: Duration::from_secs(60), ..Limits::default() };
    let failure =
        engine::build(&plan, &settings, choice, &limits, &sink).await.expect_err("it was built");
    assert_eq!(failure.kind, FailureKind::EngineUnavailable, "{}\n{}", failure.why, failure.log);
    gone(base.path()).await;
    next_build_works(&lab, choice).await;
}

#[tokio::test]
async fn a_daemon_that_vanishes_is_an_engine_error() {
    killed("daemon-docker", EngineChoice::Docker, &["dockerd"]).await;
    if find_program("buildkitd").is_some() {
        killed("daemon-buildkitd", EngineChoice::Buildkitd, &["buildkitd"]).await;
    }
}

#[tokio::test]
async fn a_killed_builder_is_an_engine_error() {
    killed("builder-buildah", EngineChoice::Buildah, &["buildah"]).await;
    killed("builder-docker", EngineChoice::Docker, &["docker-buildx", "docker"]).await;
}

#[tokio::test]
async fn a_build_that_never_ends_is_a_timeout() {
    let Some(lab) = Lab::find() else { return };
    for choice in engines() {
        let plan = for_engine(plan_of(&lab, "endless", ENDLESS).await, choice);
        let limits = Limits { rebuild: Duration::from_secs(15), ..Limits::default() };
        let began = Arc::new(AtomicBool::new(false));
        let seen = began.clone();
        let sink = At::new("step runs", move || seen.store(true, Ordering::SeqCst));
        let failure =
            run(&plan, lab.settings(), choice, &limits, &sink).await.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::Timeout, "{choice:?}: {}", failure.why);
        assert!(began.load(Ordering::SeqCst), "{choice:?}: it did not come to the step");
        next_build_works(&lab, choice).await;
    }
}

#[tokio::test]
async fn a_build_that_fills_the_disk_is_ended() {
    let Some(lab) = Lab::find() else { return };
    let filling = "ARG BUILD\nFROM ${BUILD}\nRUN cat /dev/zero > /zeros\n";
    for choice in engines() {
        let plan = for_engine(plan_of(&lab, "filling", filling).await, choice);
        let limits = Limits { rebuild_disk_bytes: 512 << 20, ..Limits::default() };
        let failure =
            run(&plan, lab.settings(), choice, &limits, &Silent).await.expect_err("it was built");
        let beyond = FailureKind::Exceeded(Bound::Disk);
        assert_eq!(failure.kind, beyond, "{choice:?}: {}", failure.why);
        assert!(failure.why.contains("limits.rebuildDiskBytes"), "{choice:?}: {}", failure.why);
        next_build_works(&lab, choice).await;
    }
}

/// Whether memory and processes can be bounded on this machine.
fn has_groups() -> bool {
    let bounds = hallmark::scratch::cgroup::Bounds { memory_bytes: 1 << 30, processes: 1 << 10 };
    let name = format!("hallmark-probe-{}", std::process::id());
    let made = hallmark::scratch::cgroup::Cgroup::new(&name, bounds);
    if let Err(why) = &made {
        eprintln!("SKIPPED: no control groups here: {why}");
    }
    made.is_ok()
}

#[tokio::test]
async fn g1_a_step_gets_no_more_memory_and_processes_than_allowed() {
    let Some(lab) = Lab::find() else { return };
    if !has_groups() {
        return;
    }
    // A shell that takes ever more memory, and one that starts ever more processes.
    let hungry = "ARG BUILD\nFROM ${BUILD}\nRUN a=xxxxxxxx; while :; do a=$a$a; done\n";
    let forking = "ARG BUILD\nFROM ${BUILD}\nRUN while :; do sleep 1000 & done\n";
    for choice in engines() {
        for (name, dockerfile, bound, why) in [
            (
                "hungry",
                hungry,
                Bound::Memory,
                "it wanted more than 1.0 GiB of memory (limits.rebuildMemoryBytes)",
            ),
            (
                "forking",
                forking,
                Bound::Processes,
                "it wanted more than 400 processes (limits.rebuildProcesses)",
            ),
        ] {
            let plan = for_engine(plan_of(&lab, name, dockerfile).await, choice);
            let limits = Limits {
                rebuild_memory_bytes: 1 << 30,
                rebuild_processes: 400,
                rebuild: Duration::from_secs(90),
                ..Limits::default()
            };
            let failure = run(&plan, lab.settings(), choice, &limits, &Silent)
                .await
                .expect_err("it was built");
            assert_eq!(failure.kind, FailureKind::Exceeded(bound), "{choice:?}: {}", failure.why);
            // Nothing else is said to be the cause.
            assert_eq!(failure.why, why, "{choice:?}");
        }
        next_build_works(&lab, choice).await;
    }
}

/// A registry on the way to the lab's, which passes this many bytes in all and then nothing more.
fn cut_after(upstream: String, bytes: u64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let left = Arc::new(AtomicU64::new(bytes));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&upstream) else { return };
            if left.load(Ordering::SeqCst) == 0 {
                continue;
            }
            let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut &up.0, &mut &up.1));
            let left = left.clone();
            std::thread::spawn(move || pass(&server, &client, &left));
        }
    });
    address
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, left: &AtomicU64) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let allowed = left.load(Ordering::SeqCst).min(length as u64);
        left.fetch_sub(allowed, Ordering::SeqCst);
        if to.write_all(&buffer[..usize::try_from(allowed).unwrap()]).is_err() || allowed == 0 {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn a_registry_that_is_cut_off_is_a_source_out_of_reach() {
    let Some(lab) = Lab::find() else { return };
    for choice in engines() {
        let mut plan = plan_of(&lab, "cut", "ARG BUILD\nFROM ${BUILD}\nRUN echo x > /x\n").await;
        plan = for_engine(plan, choice);
        // Enough for the manifests, too little for a layer.
        let cut = cut_after(lab.registry.clone(), 64 << 10);
        through(&mut plan, &lab.registry, &cut);
        let limits = Limits { rebuild: Duration::from_secs(120), ..Limits::default() };
        let refused = run(&plan, lab.settings(), choice, &limits, &Silent).await;
        let refused = refused.expect_err("no registry there is listed");
        assert_eq!(refused.kind, FailureKind::SourceForbidden, "{choice:?}: {}", refused.why);
        let plain_http = vec![lab.registry.clone(), cut];
        let settings = EngineSettings { plain_http, ..lab.settings() };
        let failure = run(&plan, settings, choice, &limits, &Silent).await;
        let failure = failure.expect_err("it was built");
        assert_eq!(
            failure.kind,
            FailureKind::SourceUnreachable,
            "{choice:?}: {}\n{}",
            failure.why,
            failure.log
        );
        next_build_works(&lab, choice).await;
    }
}

/// The same plan, with its bases behind another address.
fn through(plan: &mut Plan, registry: &str, other: &str) {
    for material in &mut plan.materials {
        if let MaterialKind::Image { name, .. } = &mut material.kind {
            *name = name.replace(registry, other);
        }
        material.uri = material.uri.replace(registry, other);
    }
    for value in plan.build_args.values_mut() {
        *value = value.replace(registry, other);
    }
}

/// What a failing build of this Dockerfile says, by each engine that is here.
async fn refused(lab: &Lab, name: &str, dockerfile: &str) -> Vec<(EngineChoice, Failure)> {
    let mut failures = Vec::new();
    for choice in engines() {
        let plan = for_engine(plan_of(lab, name, dockerfile).await, choice);
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        failures.push((choice, result.expect_err("it was built")));
    }
    failures
}

#[tokio::test]
async fn g1_entitlements_are_never_granted() {
    let Some(lab) = Lab::find() else { return };
    for (name, step) in [
        ("insecure", "RUN --security=insecure echo x > /x"),
        ("hostnet", "RUN --network=host echo x > /x"),
    ] {
        let dockerfile = format!("ARG BUILD\nFROM ${{BUILD}}\n{step}\n");
        for (choice, failure) in refused(&lab, name, &dockerfile).await {
            // An old buildah is given no such option.
            let kept = choice == EngineChoice::Buildah && failure.why.contains("RUN has an option");
            assert!(
                kept || matches!(failure.kind, FailureKind::BuildFailed | FailureKind::Denied),
                "{choice:?}: {:?}: {}",
                failure.kind,
                failure.why
            );
        }
    }
}

#[tokio::test]
async fn g2_a_frontend_that_the_source_names_is_refused_unless_it_is_pinned() {
    let Some(lab) = Lab::find() else { return };
    let evil = format!("{}/demo/honest:1", lab.registry);
    let dockerfile = format!("# syntax={evil}\nARG BUILD\nFROM ${{BUILD}}\nRUN echo x > /x\n");
    let settings = lab.settings();
    for choice in engines() {
        let plan = for_engine(plan_of(&lab, "syntax", &dockerfile).await, choice);
        let result = run(&plan, settings.clone(), choice, &Limits::default(), &Silent).await;
        if choice == EngineChoice::Buildah {
            // It has no frontends: the line is a comment, and nothing is fetched for it.
            result.expect("buildah reads the line as a comment");
            continue;
        }
        let failure = result.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::Denied, "{choice:?}: {}", failure.why);
    }
}

#[tokio::test]
async fn g3_a_mount_shows_nothing_of_the_host() {
    let Some(lab) = Lab::find() else { return };
    let canary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(canary.path(), "canary").unwrap();
    let host = canary.path().display().to_string();
    // A stage whose folder is a link out, mounted (CVE-2024-1753, 9407), and a cache that leads out (9675).
    let by_link = format!(
        "ARG BUILD\nFROM ${{BUILD}} AS evil\nRUN ln -s / /out\nFROM ${{BUILD}}\n\
         RUN --mount=type=bind,from=evil,source=/out,target=/m,rw cat /m{host} && echo x > /m{host}\n"
    );
    let by_cache = format!(
        "ARG BUILD\nFROM ${{BUILD}}\n\
         RUN --mount=type=cache,id=../../../../../../../..,target=/m cat /m{host} && echo x > /m{host}\n"
    );
    let by_context = format!(
        "ARG BUILD\nFROM ${{BUILD}}\nCOPY ../../../../../../../../..{host} /seen\nRUN cat /seen\n"
    );
    for (name, text) in [("link", by_link), ("cache", by_cache), ("context", by_context)] {
        for (choice, failure) in refused(&lab, &format!("mount-{name}"), &text).await {
            assert!(!failure.log.contains("canary"), "{choice:?}, {name}: {}", failure.log);
        }
        assert_eq!(std::fs::read_to_string(canary.path()).unwrap(), "canary", "{name}");
    }
}

#[tokio::test]
async fn g4_a_working_folder_leads_to_no_leaked_descriptor() {
    let Some(lab) = Lab::find() else { return };
    // CVE-2024-21626: a descriptor of the host's file system, by its number.
    for number in 5..10 {
        let dockerfile = format!(
            "ARG BUILD\nFROM ${{BUILD}}\nWORKDIR /proc/self/fd/{number}\n\
             RUN ls ../../../../../../proc/1/root/etc/debian_version && false\nRUN false\n"
        );
        let choices = if number == 7 { engines() } else { vec![EngineChoice::Buildah] };
        for choice in choices {
            let plan = for_engine(plan_of(&lab, "descriptor", &dockerfile).await, choice);
            let failure = run(&plan, lab.settings(), choice, &Limits::default(), &Silent)
                .await
                .expect_err("it was built");
            let seen = failure.log.lines().any(|l| l.ends_with("etc/debian_version"));
            assert!(!seen, "{choice:?}, {number}: {}", failure.log);
        }
    }
}

#[tokio::test]
async fn g5_names_and_paths_of_a_plan_run_nothing() {
    let Some(lab) = Lab::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let touched = folder.path().join("touched");
    let evil = format!("$(touch {0});`touch {0}`", touched.display());
    for choice in engines() {
        let fine = "ARG BUILD\nFROM ${BUILD}\nARG EVIL\nRUN echo fine > /fine\n";
        let mut plan = for_engine(plan_of(&lab, "hostile", fine).await, choice);
        plan.build_args.insert("EVIL".to_owned(), evil.clone());
        plan.labels.insert("evil".to_owned(), format!("--tag x {evil}"));
        let _ = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        plan.target = Some(format!("--help {evil}"));
        plan.dockerfile_path = format!("../../{evil}");
        let failure = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        failure.expect_err("a path that leaves the repository was built");
        assert!(!touched.exists(), "{choice:?}");
    }
}

#[tokio::test]
async fn g6_a_build_cannot_poison_the_next_one() {
    let Some(lab) = Lab::find() else { return };
    let step = "RUN --mount=type=cache,target=/cache cat /cache/x > /seen || echo clean > /seen";
    let poison = "RUN --mount=type=cache,target=/cache echo poison > /cache/x";
    for choice in engines() {
        let build = async |name: &str, steps: &str| {
            let dockerfile = format!("ARG BUILD\nFROM ${{BUILD}}\n{steps}\n");
            let mut plan = for_engine(plan_of(&lab, name, &dockerfile).await, choice);
            plan.exporter.rewrite_timestamp = plan.epoch_seconds;
            let finished = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await?;
            let image = rebuilt(&finished).await;
            Ok::<_, Failure>(image.config.diff_ids.last().unwrap().clone())
        };
        let before = match build("victim", step).await {
            Ok(layer) => layer,
            // An old buildah is given no mount at all, and so has no cache.
            Err(failure) if choice == EngineChoice::Buildah => {
                assert!(failure.why.contains("--mount"), "{}", failure.why);
                continue;
            }
            Err(failure) => panic!("{choice:?}: {}", failure.why),
        };
        build("poisoner", poison).await.unwrap();
        assert_eq!(before, build("victim", step).await.unwrap(), "{choice:?}");
        let poisoned = build("both", &format!("{poison}\n{step}")).await.unwrap();
        assert_ne!(before, poisoned, "{choice:?}: the cache has no effect at all");
    }
}

/// All that is told while it builds.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl ProgressSink for Heard {
    fn stage(&self, name: &str) {
        self.line(name);
    }
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn step(&self, step: &Step) {
        self.line(&step.to_string());
    }
    fn output(&self, text: &str) {
        self.line(text);
    }
}

#[tokio::test]
async fn g7_a_step_sees_nothing_of_the_hosts_environment() {
    let Some(lab) = Lab::find() else { return };
    for choice in engines() {
        let plan = plan_of(&lab, "environment", "ARG BUILD\nFROM ${BUILD}\nRUN env | sort\n").await;
        let sink = Heard::default();
        let plan = for_engine(plan, choice);
        run(&plan, lab.settings(), choice, &Limits::default(), &sink).await.expect("it failed");
        let said = sink.0.into_inner().unwrap().join("\n");
        assert!(said.contains("PATH="), "{choice:?}: {said}");
        // The test's own environment has all of these.
        for canary in
            ["HALLMARK_LAB", "CARGO_MANIFEST_DIR", "DOCKER_CONFIG", "HALLMARK_", "REGISTRY="]
        {
            assert!(!said.contains(canary), "{choice:?}: {canary} in {said}");
        }
    }
}

#[test]
fn what_a_killed_hallmark_left_is_removed_at_the_next_start() {
    let Some(lab) = crate::support::Lab::here("what_a_killed_hallmark_left") else { return };
    let home = tempfile::tempdir().unwrap();
    let beside = tempfile::tempdir().unwrap();
    let config = beside.path().join("hallmark.yaml");
    std::fs::write(&config, crate::support::near("version: 1\n", lab.get("REGISTRY"))).unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallmark"));
        command
            .args(["rebuild", lab.get("HONEST"), "--config"])
            .arg(&config)
            .env_clear()
            .env("PATH", lab.get("PATH"))
            .env("DOCKER_CONFIG", lab.get("DOCKER_CONFIG"))
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut first = start();
    let mut told = std::io::BufReader::new(first.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("building") {
        line.clear();
        let length = std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        assert!(length > 0, "it ended before it built");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!traces(&home.path().to_string_lossy()).is_empty(), "the kill left nothing to find");
    let second = start().wait_with_output().unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    for _ in 0..100 {
        if traces(&home.path().to_string_lossy()).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(traces(&home.path().to_string_lossy()), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Everything fetched, then the registry and the git server taken away: the image can still be built, and from nothing else.
#[test]
fn an_image_is_rebuilt_from_a_store_when_its_sources_are_gone() {
    let name = "an_image_is_rebuilt_from_a_store_when_its_sources_are_gone";
    let Some(lab) = crate::support::Lab::here(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let images = [Some(lab.get("BUILDAH").to_owned()), lab.built("BUILDKIT", name)];
    for (number, image) in images.into_iter().flatten().enumerate() {
        let store = folder.path().join(format!("store-{number}")).display().to_string();
        // Once by a relative path: programs of the sandbox run in another folder.
        let depth = std::env::current_dir().unwrap().components().count() - 1;
        let relative = format!("{}{}", "../".repeat(depth), store.trim_start_matches('/'));
        let fetched = lab.hallmark(["materials", "fetch", &image, "--to", &relative]).run();
        fetched.exits(0).says("fetched");
        let asked =
            lab.hallmark(["materials", "fetch", &image, "--to", &store, "-o", "json"]).run();
        let asked = asked.exits(0).json();
        assert_eq!(asked["fetched"], 0, "{asked:#}");
        assert_eq!(asked["platforms"][0]["complete"], true, "{asked:#}");
        let again = lab.hallmark(["materials", "fetch", &image, "--to", &store]).run();
        again.exits(0).says(" 0 fetched");
        let layout = folder.path().join(format!("image-{number}"));
        let (repository, digest) = image.split_once('@').unwrap();
        let attestations = format!("{repository}:{}.att", digest.replace(':', "-"));
        for (from, tag) in [
            (image.clone(), "1".to_owned()),
            (attestations, format!("{}.att", digest.replace(':', "-"))),
        ] {
            let to = format!("oci:{}:{tag}", layout.display());
            let copied = Command::new("skopeo")
                .args(["copy", "--all", "--preserve-digests", "--src-tls-verify=false"])
                .args([format!("docker://{from}"), to])
                .envs(&lab.variables)
                .output()
                .unwrap();
            assert!(tag != "1" || copied.status.success(), "{copied:?}");
        }
        let image = format!("oci:{}:1", layout.display());
        // A network in which nothing is: neither the registry nor the git server, nor anything else.
        let alone = |arguments: &[&str]| {
            let home = tempfile::tempdir().unwrap();
            let script = "ip link set lo up && exec \"$@\"";
            let output = Command::new("unshare")
                .args(["--net", "--", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_hallmark")])
                .args(arguments)
                .env_clear()
                .env("PATH", lab.get("PATH"))
                .env("HOME", home.path())
                .env("TMPDIR", home.path())
                .output()
                .unwrap();
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            (output.status.code(), said)
        };
        let (code, said) = alone(&["rebuild", &image, "--materials", &store]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("R5"), "{said}");
        let config = folder.path().join("hallmark.yaml");
        let listed = format!(
            "version: 1\nregistries: [{{host: {:?}, plainHttp: true}}]\nrebuild: {{privateSources: [127.0.0.1]}}\n",
            lab.get("REGISTRY")
        );
        std::fs::write(&config, listed).unwrap();
        let config = config.display().to_string();
        let (code, said) = alone(&["rebuild", &image, "--config", &config]);
        assert_eq!(code, Some(3), "it was rebuilt from nowhere: {said}");
        assert!(said.contains("source-unreachable"), "{said}");
        // What was changed in the store is not built from.
        spoil(Path::new(&store));
        let (code, said) = alone(&["rebuild", &image, "--materials", &store]);
        assert_eq!(code, Some(1), "{said}");
    }
}

/// Turns a byte of every large blob of a store around.
fn spoil(store: &Path) {
    for entry in std::fs::read_dir(store.join("blobs/sha256")).unwrap().flatten() {
        let mut bytes = std::fs::read(entry.path()).unwrap();
        let middle = bytes.len() / 2;
        if bytes.len() > 4096 {
            bytes[middle] ^= 1;
            std::fs::write(entry.path(), bytes).unwrap();
        }
    }
}

#[test]
fn what_another_rebuilder_built_is_compared() {
    let Some(lab) = crate::support::Lab::here("what_another_rebuilder_built_is_compared") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = |image: &str, name: &str| {
        let layout = folder.path().join(name).display().to_string();
        let (from, to) = (format!("docker://{image}"), format!("oci:{layout}:1"));
        let all = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &from, &to];
        lab.tool("skopeo", &all);
        format!("oci:{layout}:1")
    };
    let (same, other) = (copy(lab.get("HONEST"), "same"), copy(lab.get("SWAPPED"), "other"));
    let compared = |rebuilt: &str| {
        lab.hallmark(["rebuild", lab.get("HONEST"), "--rebuilt", rebuilt, "-o", "json"]).run()
    };
    let answer = compared(&same);
    answer.exits(0);
    let rebuild = &answer.json()["rebuild"];
    assert_eq!(rebuild["engine"]["kind"], "replay", "{}", answer.all());
    let answer = compared(&other);
    answer.exits(1).says("/srv/app/greet");
    // Two looks at one result are not two rebuilds.
    answer.says_not("consistently-different");
    let registry = lab.get("SWAPPED");
    compared(registry).exits(2).says("--rebuilt takes oci:DIR");
}
