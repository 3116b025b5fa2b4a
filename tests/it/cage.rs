//! What a build can reach and leave behind, with real engines: rows G8 to G14 of `docs/attacks.md`.
//!
//! Each test puts something beside the job that a build must not touch or hear: files, listeners, a folder of another user's; and
//! has a hostile source try.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpListener,
    os::{linux::net::SocketAddrExt as _, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hallmark::{
    attest::provenance::{Commit, Frontend, Material, MaterialKind, Network, Pin},
    digest::Digest,
    engine::{
        EngineChoice, EngineSettings,
        ancestry::{Held, Unproven, holds},
        host::find_program,
        sandbox::{Environment, Log, Shell, Workspace},
    },
    limits::Limits,
    progress::Silent,
    rebuild::{FailureKind, Plan, PlannedRepository, PlannedSource},
};

use serde_json::{Value, json};

use crate::{
    rebuild::{Lab, traces},
    robust::{At, ENDLESS, engines, for_engine, plan_of, publish, run},
    support,
};

/// A plan of buildah's with a Dockerfile of this name.
async fn named(lab: &Lab, case: &str, name: &str, files: &[(&str, &str)]) -> Plan {
    let mut plan = plan_of(lab, case, "FROM scratch\n").await;
    let (url, commit) = publish(lab, case, files);
    plan.source =
        PlannedSource::Repository(PlannedRepository { url, reference: None, folder: None, commit });
    plan.dockerfile_path = name.to_owned();
    for_engine(plan, EngineChoice::Buildah)
}

#[tokio::test]
async fn g8_no_text_leads_to_the_hosts_files() {
    let Some(lab) = Lab::find() else { return };
    let canaries = tempfile::tempdir().unwrap();
    let canary = canaries.path().join("canary");
    std::fs::write(&canary, "whole").unwrap();
    let host = canaries.path().display();
    let mount =
        format!("=type=bind,rw,source={host},target=/h sh -c 'cat /h/canary; echo x > /h/canary'");
    let from = "ARG BUILD\nFROM ${BUILD}\n";
    let cases = [
        ("plain", format!("{from}RUN --mount{mount}\n")),
        ("continued", format!("{from}RUN --mo\\\nunt{mount}\n")),
        ("commented", format!("{from}RUN --mo\\\n# x\nunt{mount}\n")),
        ("backtick", format!("# escape=`\n{from}RUN --mo`\nunt{mount}\n")),
        ("variable", format!("{from}ARG M=mount\nRUN --$M{mount}\n")),
        ("quoted", format!("{from}RUN --mo\"un\"t{mount}\n")),
        ("second", format!("{from}ARG M=mount\nRUN --network=none --$M{mount}\n")),
        ("trigger", format!("{from}ARG M=mount\nONBUILD RUN --network=none --$M{mount}\n")),
    ];
    let said = Command::new("buildah").arg("--version").output().map(|o| o.stdout);
    let said = String::from_utf8(said.unwrap_or_default()).unwrap();
    let old = said.split_whitespace().nth(2).is_some_and(|v| v.starts_with("1.28."));
    for (case, dockerfile) in cases {
        for choice in engines() {
            let plan = for_engine(plan_of(&lab, case, &dockerfile).await, choice);
            let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
            if old && choice == EngineChoice::Buildah {
                let failure = result.as_ref().expect_err("it was built");
                assert_eq!(failure.kind, FailureKind::EngineUnavailable, "{case}: {}", failure.why);
            }
            let log = result.err().map(|failure| failure.log).unwrap_or_default();
            assert!(!log.contains("whole"), "{case}, {choice:?}: {log}");
            assert_eq!(std::fs::read_to_string(&canary).unwrap(), "whole", "{case}, {choice:?}");
        }
    }
}

#[tokio::test]
async fn g8_no_preprocessor_reads_a_dockerfile() {
    let Some(lab) = Lab::find() else { return };
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "RUN echo the secret line\n").unwrap();
    let text = format!("ARG BUILD\nFROM ${{BUILD}}\n#include \"{}\"\n", secret.path().display());
    let plan = named(&lab, "cpp", "Dockerfile.in", &[("Dockerfile.in", &text)]).await;
    let said = Arc::new(Mutex::new(String::new()));
    let heard = said.clone();
    let sink = At::new("secret line", move || heard.lock().unwrap().push_str("heard"));
    let choice = EngineChoice::Buildah;
    let result = run(&plan, lab.settings(), choice, &Limits::default(), &sink).await;
    result.expect("the line is a comment");
    assert_eq!(said.lock().unwrap().as_str(), "");
}

/// Listeners of the host that nothing of a build may reach.
pub struct Ears {
    pub loopback: TcpListener,
    pub link_local: Option<TcpListener>,
    hidden: UnixListener,
    name: String,
}

/// What clouds answer their credentials at.
const METADATA: &str = "169.254.169.254";

impl Ears {
    pub fn open() -> Self {
        let alias = |word: &str| {
            let mut ip = Command::new("ip");
            ip.args(["addr", word, &format!("{METADATA}/32"), "dev", "lo"]).stderr(Stdio::null());
            ip.status().is_ok_and(|status| status.success())
        };
        let link_local = alias("add").then(|| TcpListener::bind((METADATA, 0)).unwrap());
        // Tests run side by side, in one process.
        static OPENED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = OPENED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("hallmark-ears-{}-{count}", std::process::id());
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let ears = Self {
            loopback: TcpListener::bind(("127.0.0.1", 0)).unwrap(),
            link_local,
            hidden: UnixListener::bind_addr(&address).unwrap(),
            name,
        };
        ears.loopback.set_nonblocking(true).unwrap();
        ears.link_local.iter().for_each(|ear| ear.set_nonblocking(true).unwrap());
        ears.hidden.set_nonblocking(true).unwrap();
        ears
    }

    /// Shell words that knock at all of them.
    pub fn knock(&self) -> String {
        let mut words = Vec::new();
        for ear in std::iter::once(&self.loopback).chain(&self.link_local) {
            let at = ear.local_addr().unwrap();
            words.push(format!(
                "wget -T 2 -O /dev/null http://{at}/ || nc -w 2 {} {} < /dev/null",
                at.ip(),
                at.port()
            ));
        }
        words.push(format!("nc local:@{} < /dev/null", self.name));
        words.join("; ")
    }

    pub fn heard(&self) -> Vec<&'static str> {
        let silent = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        let mut heard = Vec::new();
        if !self.loopback.accept().map_or_else(silent, |_| false) {
            heard.push("loopback");
        }
        if self.link_local.as_ref().is_some_and(|e| !e.accept().map_or_else(silent, |_| false)) {
            heard.push("link-local");
        }
        if !self.hidden.accept().map_or_else(silent, |_| false) {
            heard.push("abstract socket");
        }
        heard
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        if self.link_local.is_some() {
            let mut ip = Command::new("ip");
            let _ = ip.args(["addr", "del", &format!("{METADATA}/32"), "dev", "lo"]).status();
        }
    }
}

#[tokio::test]
async fn g9_no_step_reaches_the_hosts_network_whatever_it_asks_for() {
    let Some(lab) = Lab::find() else { return };
    let ears = Ears::open();
    let knock = ears.knock();
    for network in ["", "--network=default ", "--network=host "] {
        let dockerfile =
            format!("ARG BUILD\nFROM ${{BUILD}}\nRUN {network}({knock}); echo tried > /x\n");
        for choice in engines() {
            let plan = for_engine(plan_of(&lab, "knock", &dockerfile).await, choice);
            let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
            assert_eq!(ears.heard(), [""; 0], "{choice:?} with {network:?}");
            // The word in the report is what the job's network was.
            if let Ok(finished) = result {
                assert_eq!(finished.built.report.network, Network::None, "{choice:?}");
            }
        }
    }
}

#[tokio::test]
async fn g10_a_source_inside_is_not_fetched_for_a_name_outside() {
    let Some(lab) = Lab::find() else { return };
    let ears = Ears::open();
    let Some(metadata) = &ears.link_local else { return eprintln!("SKIPPED: no alias on lo") };
    let port = metadata.local_addr().unwrap().port();
    for url in
        [format!("git://{METADATA}:{port}/a.git"), format!("https://{METADATA}:{port}/a.git")]
    {
        for choice in engines() {
            let mut plan = for_engine(plan_of(&lab, "inside", "FROM scratch\n").await, choice);
            if let PlannedSource::Repository(repository) = &mut plan.source {
                repository.url.clone_from(&url);
            }
            let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
            assert_eq!(result.expect_err("it was built").kind, FailureKind::SourceGone, "{url}");
            assert_eq!(ears.heard(), [""; 0], "{url}");
        }
    }
}

/// Nobody who writes a provenance has hallmark ask what listens beside it: as a source, as a download, as a base.
#[tokio::test]
async fn g17_no_provenance_leads_to_this_machine() {
    let Some(lab) = Lab::find() else { return };
    let ears = Ears::open();
    let at = ears.loopback.local_addr().unwrap();
    let settings = || EngineSettings { private_sources: Vec::new(), ..lab.settings() };
    for choice in engines() {
        for url in [
            format!("git://{at}/a.git"),
            format!("http://{at}/a.git"),
            format!("http://localhost:{}/a.git", at.port()),
        ] {
            let mut plan = for_engine(plan_of(&lab, "here", "FROM scratch\n").await, choice);
            if let PlannedSource::Repository(repository) = &mut plan.source {
                repository.url.clone_from(&url);
            }
            let result = run(&plan, settings(), choice, &Limits::default(), &Silent).await;
            let failure = result.expect_err("it was built");
            assert_eq!(failure.kind, FailureKind::SourceForbidden, "{url}: {}", failure.why);
            assert!(failure.why.contains("rebuild.privateSources"), "{url}: {}", failure.why);
            assert_eq!(ears.heard(), [""; 0], "{url}");
        }
        let digest = Digest::sha256(b"anything");
        let download = MaterialKind::Http;
        let base = MaterialKind::Image { name: format!("{at}/a"), tag: None, platform: None };
        for (kind, help) in [(download, "rebuild.privateSources"), (base, "registries")] {
            let mut plan = for_engine(plan_of(&lab, "here", "FROM scratch\n").await, choice);
            let uri = format!("http://{at}/delete-all");
            let pin = Pin::Content(digest.clone());
            plan.materials.push(Material { uri, kind: kind.clone(), pin, role: None });
            // The source may be here, and nothing else is by that.
            let result = match kind {
                MaterialKind::Http => {
                    plan.source = PlannedSource::Download {
                        url: format!("http://{at}/delete-all"),
                        digest: digest.clone(),
                    };
                    run(&plan, settings(), choice, &Limits::default(), &Silent).await
                }
                _ => run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await,
            };
            let failure = result.expect_err("it was built");
            assert!(
                failure.why.contains(help) || choice == EngineChoice::Buildah,
                "{}",
                failure.why
            );
            assert_eq!(ears.heard(), [""; 0], "{kind:?}");
        }
    }
}

/// What this user, who is nobody, can do to a path.
fn as_nobody(words: &[&str]) -> bool {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).args(words);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

#[tokio::test]
async fn g13_nobody_reads_or_holds_anything_of_a_build() {
    let Some(lab) = Lab::find() else { return };
    let base = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(base.path(), mode).unwrap();
    for choice in engines() {
        let plan = for_engine(plan_of(&lab, "nobody", ENDLESS).await, choice);
        let settings = EngineSettings { work: Some(base.path().to_owned()), ..lab.settings() };
        let (folder, found) = (base.path().to_owned(), Arc::new(Mutex::new(Vec::new())));
        let seen = found.clone();
        let sink = At::new("step runs", move || {
            for entry in std::fs::read_dir(&folder).unwrap().flatten() {
                let path = entry.path().display().to_string();
                let owner = format!("{path}/.owner");
                for words in [
                    &["ls", path.as_str()][..],
                    &["cat", owner.as_str()],
                    &["flock", "-n", owner.as_str(), "true"],
                ] {
                    seen.lock().unwrap().push(as_nobody(words));
                }
            }
        });
        let limits = Limits { rebuild: Duration::from_secs(20), ..Limits::default() };
        let failure = hallmark::engine::build(&plan, &settings, choice, &limits, &sink).await;
        failure.expect_err("it was built");
        let found = found.lock().unwrap();
        assert!(found.len() >= 3 && !found.contains(&true), "{choice:?}: {found:?}");
    }
}

/// How long an uninterrupted rebuild takes with this engine.
fn length_of(lab: &support::Lab, engine: &str) -> Duration {
    let began = Instant::now();
    let image = lab.get(if engine == "buildah" { "BUILDAH" } else { "HONEST" });
    let config = format!("version: 1\nrebuild: {{engine: {engine}, twice: false}}\n");
    let answer = lab.hallmark(["rebuild", image]).config(&config).run();
    assert_ne!(answer.code, 2, "{engine}: {}", answer.all());
    began.elapsed()
}

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Control groups with the name of a folder.
fn groups(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
    let all = std::iter::once(root.to_owned()).chain(hierarchies).map(|folder| folder.join(name));
    all.filter(|group| group.exists()).collect()
}

/// Kills hallmark at random moments of a rebuild; what it had started ends with it, and the next one finds nothing. `HALLMARK_KILLS`
/// says how many moments, `HALLMARK_KILLS_SEED` which: those of a run that failed are told.
#[test]
fn g13_what_a_killed_hallmark_started_ends_with_it() {
    let Some(lab) = support::Lab::here("g13_what_a_killed_hallmark_started_ends_with_it") else {
        return;
    };
    let times = number("HALLMARK_KILLS").unwrap_or(5);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let drawn = u64::try_from(now.as_nanos() & u128::from(u32::MAX)).unwrap();
    let seed = number("HALLMARK_KILLS_SEED").unwrap_or(drawn);
    eprintln!("{times} moments of HALLMARK_KILLS_SEED={seed}");
    let mut random = Random(seed);
    let base = tempfile::tempdir().unwrap();
    let mut engines = vec!["docker", "buildah"];
    engines.extend(find_program("buildkitd").map(|_| "buildkitd"));
    let lengths: Vec<Duration> = engines.iter().map(|engine| length_of(&lab, engine)).collect();
    for time in 0..times {
        // Each engine has its turn, and every moment of its rebuild is as likely as the others.
        let at = usize::try_from(time).unwrap() % engines.len();
        let (engine, length) = (engines[at], lengths[at]);
        let moment = Duration::from_millis(random.below(length.as_millis()));
        let told = format!("{engine}, kill {time} after {moment:?}, HALLMARK_KILLS_SEED={seed}");
        let image = lab.get(if engine == "buildah" { "BUILDAH" } else { "HONEST" });
        let config = base.path().join("hallmark.yaml");
        std::fs::write(
            &config,
            format!("version: 1\nrebuild: {{engine: {engine}, privateSources: [127.0.0.1]}}\n"),
        )
        .unwrap();
        let work = base.path().join("work");
        std::fs::create_dir_all(&work).unwrap();
        let mut hallmark = Command::new(env!("CARGO_BIN_EXE_hallmark"))
            .args(["rebuild", image, "--config"])
            .arg(&config)
            .env("PATH", lab.get("PATH"))
            .env("TMPDIR", &work)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(moment);
        hallmark.kill().unwrap();
        hallmark.wait().unwrap();
        let folder = work.display().to_string();
        assert_eq!(left_running(&folder), Vec::<String>::new(), "{told}");
        let jobs = std::fs::read_dir(&work).unwrap().flatten().map(|entry| entry.file_name());
        let jobs: Vec<String> = jobs.map(|name| name.to_string_lossy().into_owned()).collect();
        hallmark::scratch::sweep(&work);
        assert_eq!(traces(&folder), Vec::<String>::new(), "{told}");
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0, "{told}");
        let groups: Vec<PathBuf> = jobs.iter().flat_map(|job| groups(job)).collect();
        assert_eq!(groups, Vec::<PathBuf>::new(), "{told}");
    }
}

/// SplitMix64: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u128) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u64::try_from(u128::from(z ^ (z >> 31)) % end.max(1)).unwrap()
    }
}

/// What still names a folder after five seconds. A process that is becoming another program names nothing for a moment, so
/// nothing counts as gone before it was not seen ten times in a row.
fn left_running(folder: &str) -> Vec<String> {
    let until = Instant::now() + Duration::from_secs(5);
    let mut unseen = 0;
    loop {
        let alive = running(folder);
        unseen = if alive.is_empty() { unseen + 1 } else { 0 };
        if unseen == 10 || Instant::now() >= until {
            return alive;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes that name a folder, as an argument or in their environment.
fn running(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let text = |path: PathBuf| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    };
    let named = |path: &PathBuf| {
        [text(path.join("cmdline")), text(path.join("environ"))].iter().any(|t| t.contains(folder))
    };
    // What a process waits for tells one that will not end from one that has not had its turn yet.
    let told = |path: PathBuf| {
        let status = text(path.join("status"));
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
        format!("{} [{state}, {}]", text(path.join("cmdline")), text(path.join("wchan")))
    };
    processes.filter(named).map(told).collect()
}

/// git in a folder of the lab.
fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=lab", "-c", "user.email=lab@example.org", "-C"])
        .arg(folder)
        .args(words);
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn g14_a_commit_of_a_fork_is_not_the_parents() {
    let Some(lab) = Lab::find() else { return };
    let (url, tip) = publish(&lab, "parent", &[("Dockerfile", "FROM scratch\n")]);
    let bare = lab.folder.join("git").join(url.rsplit('/').next().unwrap());
    let tree = git(&bare, &["rev-parse", "HEAD^{tree}"]);
    let newer = git(&bare, &["commit-tree", &tree, "-p", tip.as_str(), "-m", "newer"]);
    git(&bare, &["update-ref", "refs/heads/main", &newer]);
    git(&bare, &["update-ref", "refs/tags/v1", tip.as_str()]);
    // As servers keep it that store forks beside their parent.
    let fork = git(&bare, &["commit-tree", &tree, "-p", &newer, "-m", "of a stranger"]);
    git(&bare, &["update-ref", "refs/pull/1/head", &fork]);
    let (newer, fork) = (Commit::new(&newer).unwrap(), Commit::new(&fork).unwrap());
    let settings = lab.settings();
    let limits = Limits::default();
    let ask = async |name: &str, commit: &Commit| {
        holds(&url, name, commit, &settings, &limits, &Silent).await.unwrap()
    };
    for (name, commit, want) in [
        ("refs/heads/main", &newer, Held::Yes),
        ("main", &newer, Held::Yes),
        ("main", &tip, Held::Yes),
        ("v1", &tip, Held::Yes),
        ("refs/tags/v1", &newer, Held::No),
        ("main", &fork, Held::No),
        ("v1", &fork, Held::No),
    ] {
        assert_eq!(ask(name, commit).await, want, "{name} {}", commit.as_str());
    }
    for name in ["refs/pull/1/head", "pull/1/head", "nothing"] {
        let held = ask(name, &fork).await;
        assert!(
            matches!(held, Held::Unproven(Unproven::NoName(_) | Unproven::NotGiven { .. })),
            "{name}: {held:?}"
        );
    }
}

/// A repository of the lab's registry, spoken to directly.
pub struct Shelf {
    client: reqwest::Client,
    host: String,
    base: String,
}

impl Shelf {
    pub fn of(lab: &Lab, path: &str) -> Self {
        let (client, host) = (reqwest::Client::new(), lab.registry.clone());
        Self { client, base: format!("http://{host}/v2/{path}"), host }
    }

    async fn get(&self, what: &str) -> Value {
        let accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.docker.distribution.manifest.v2+json";
        let asked = self.client.get(format!("{}/{what}", self.base)).header("Accept", accept);
        asked.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Manifest and configuration of an image, for one architecture.
    pub async fn image(&self, digest: &Digest, architecture: &str) -> (Value, Value) {
        let mut manifest = self.get(&format!("manifests/{digest}")).await;
        if let Some(entries) = manifest["manifests"].as_array() {
            let ours = |entry: &&Value| entry["platform"]["architecture"] == architecture;
            let digest = entries.iter().find(ours).unwrap()["digest"].as_str().unwrap().to_owned();
            manifest = self.get(&format!("manifests/{digest}")).await;
        }
        let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
        let config = self.get(&format!("blobs/{config}")).await;
        (manifest, config)
    }

    pub async fn push_blob(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::sha256(&bytes);
        let upload =
            self.client.post(format!("{}/blobs/uploads/", self.base)).send().await.unwrap();
        let to = upload.headers()["location"].to_str().unwrap().to_owned();
        let to = if to.starts_with('/') { format!("http://{}{to}", self.host) } else { to };
        let mark = if to.contains('?') { '&' } else { '?' };
        let put = self.client.put(format!("{to}{mark}digest={digest}")).body(bytes);
        put.send().await.unwrap().error_for_status().unwrap();
        digest
    }

    pub async fn push(&self, mut manifest: Value, config: &Value) -> Digest {
        let config = config.to_string();
        manifest["config"]["size"] = json!(config.len());
        manifest["config"]["digest"] = json!(self.push_blob(config.into_bytes()).await.to_string());
        let kind = manifest["mediaType"].as_str().unwrap().to_owned();
        let text = manifest.to_string();
        let digest = Digest::sha256(text.as_bytes());
        let put = self.client.put(format!("{}/manifests/{digest}", self.base));
        let put = put.header("Content-Type", kind).body(text);
        put.send().await.unwrap().error_for_status().unwrap();
        digest
    }
}

/// Puts into the plan, in the place of each base, one that says something for those who build on it.
async fn with_triggers(lab: &Lab, plan: &mut Plan, key: &str, text: &str) {
    let architecture = plan.platform.architecture.clone();
    for material in &mut plan.materials {
        let (MaterialKind::Image { name, .. }, Pin::Content(pin)) =
            (&material.kind, &mut material.pin)
        else {
            continue;
        };
        let Some(path) = name.strip_prefix(&format!("{}/", lab.registry)) else { continue };
        let shelf = Shelf::of(lab, path);
        let (manifest, mut config) = shelf.image(pin, &architecture).await;
        config["config"][key] = json!([text]);
        let before = std::mem::replace(pin, shelf.push(manifest, &config).await);
        for value in plan.build_args.values_mut() {
            *value = value.replace(&before.to_string(), &pin.to_string());
        }
    }
}

/// A frontend that knocks itself, and has its steps have whatever network there is: the real one, behind a script that drops the
/// option by which it is asked for none.
async fn hostile_frontend(lab: &Lab, plan: &mut Plan, knock: &str) -> Digest {
    let real = find_program("dockerfile-frontend").expect("scripts/peers dockerfile-frontend");
    let script = format!(
        "#!/bin/sh\n({knock}) > /dev/null 2>&1\n\
         for n in $(env | sed -n 's/^\\(BUILDKIT_FRONTEND_OPT_[0-9]*\\)=force-network-mode=.*/\\1/p')\n\
         do export $n=x=y\ndone\nexec /frontend\n"
    );
    let mut layer = tar::Builder::new(Vec::new());
    for (path, bytes) in
        [("frontend", std::fs::read(real).unwrap()), ("entry", script.into_bytes())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        layer.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    let layer = layer.into_inner().unwrap();
    let base = plan.build_args["BUILD"].clone();
    let (name, pin) = plan
        .materials
        .iter()
        .find_map(|material| match (&material.kind, &material.pin) {
            (MaterialKind::Image { name, .. }, Pin::Content(pin)) if base.starts_with(name) => {
                Some((name.clone(), pin.clone()))
            }
            _ => None,
        })
        .expect("the base is a material");
    let shelf = Shelf::of(lab, name.strip_prefix(&format!("{}/", lab.registry)).unwrap());
    let (mut manifest, mut config) = shelf.image(&pin, &plan.platform.architecture).await;
    let (size, diff_id) = (layer.len(), Digest::sha256(&layer).to_string());
    let docker = manifest["mediaType"].as_str().unwrap().contains("docker");
    let kind = match docker {
        true => "application/vnd.docker.image.rootfs.diff.tar",
        false => "application/vnd.oci.image.layer.v1.tar",
    };
    let blob = json!({"mediaType": kind, "digest": shelf.push_blob(layer).await.to_string(), "size": size});
    manifest["layers"].as_array_mut().unwrap().push(blob);
    config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(diff_id));
    config["config"]["Entrypoint"] = json!(["/entry"]);
    config["config"]["Cmd"] = Value::Null;
    let digest = shelf.push(manifest, &config).await;
    let reference = format!("{name}:hostile-frontend");
    plan.materials.push(Material {
        uri: format!("pkg:docker/{name}@hostile-frontend"),
        kind: MaterialKind::Image {
            name,
            tag: Some("hostile-frontend".to_owned()),
            platform: None,
        },
        pin: Pin::Content(digest.clone()),
        role: None,
    });
    plan.frontend = Frontend::Image { reference };
    plan.frontends = [digest.clone()].into();
    digest
}

/// G9: a frontend that the operator lists is a stranger's program all the same.
#[tokio::test]
async fn g9_a_frontend_and_its_steps_reach_nothing() {
    let Some(lab) = Lab::find() else { return };
    let ears = Ears::open();
    let knock = ears.knock();
    let dockerfile = format!("ARG BUILD\nFROM ${{BUILD}}\nRUN ({knock}); echo tried > /x\n");
    for choice in engines().into_iter().filter(|choice| *choice != EngineChoice::Buildah) {
        let mut plan = plan_of(&lab, "frontend", &dockerfile).await;
        let digest = hostile_frontend(&lab, &mut plan, &knock).await;
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        assert_eq!(ears.heard(), [""; 0], "{choice:?}");
        let built = match result {
            Ok(finished) => finished.built,
            // A Docker that frontends are known to leave is not given one.
            Err(failure) if choice == EngineChoice::Docker => {
                assert_eq!(failure.kind, FailureKind::EngineUnavailable, "{}", failure.why);
                continue;
            }
            Err(failure) => panic!("{choice:?}: {}\n{}", failure.why, failure.log),
        };
        assert_eq!(built.report.network, Network::None, "{choice:?}");
        assert_eq!(built.frontend, Some(digest.clone()), "{choice:?}");
        let served = built.report.served.expect("it is started here");
        assert!(served.contains(&digest), "{choice:?}: {served:?}");
    }
}

#[tokio::test]
async fn g8_a_base_with_triggers_is_a_gap() {
    let Some(lab) = Lab::find() else { return };
    let canaries = tempfile::tempdir().unwrap();
    let canary = canaries.path().join("canary");
    std::fs::write(&canary, "whole").unwrap();
    let mount = format!(
        "RUN --mount=type=bind,rw,source={},target=/h sh -c 'echo x > /h/canary'",
        canaries.path().display()
    );
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\nCOPY Dockerfile /x\n";
    // Programs in Go read keys without regard to case.
    let ways =
        engines().into_iter().flat_map(|choice| ["OnBuild", "onbuild"].map(|key| (choice, key)));
    for (choice, key) in ways {
        let mut plan = for_engine(plan_of(&lab, "triggers", dockerfile).await, choice);
        let before = plan.materials.clone();
        with_triggers(&lab, &mut plan, key, &mount).await;
        assert_ne!(plan.materials, before, "no base was changed");
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "whole", "{choice:?}");
        if choice == EngineChoice::Buildah {
            let failure = result.expect_err("it was built");
            assert_eq!(failure.kind, FailureKind::Denied, "{}", failure.why);
            assert!(failure.why.contains("gap base-onbuild"), "{}", failure.why);
        }
    }
}

/// What the machine has once, whatever namespaces a step is in: says which of it a step has.
const SHARED: &str = r##"
#include <errno.h>
#include <stdio.h>
int socket(int, int, int);
long syscall(long, ...);
int old[3] = {40, 1, 0};
int main(void) {
    long contexts = 0, call, kind = 1;
    printf("packet %d\n", socket(2, 2, 0) >= 0);
    printf("vsock %d\n", socket(40, 1, 0) >= 0);
    printf("audit %d\n", socket(16, 3, 9) >= 0);
    printf("keyring %d\n", syscall(250, 0, -4, 0) >= 0);
    printf("aio %d\n", syscall(206, 1, &contexts) >= 0);
    call = 102;
    __asm__ volatile("int $0x80" : "=a"(call) : "a"(call), "b"(kind), "c"(old) : "memory");
    printf("old %d\n", (int)call >= 0);
    printf("ring %d\n", socket(17, 3, 0) >= 0);
    printf("express %d\n", socket(44, 3, 0) >= 0);
    fflush(stdout);
    call = syscall(56, 0x10000011, 0, 0, 0, 0);
    if (call == 0) syscall(231, 0);
    printf("clone %d\n", call >= 0);
    printf("thread %d\n", syscall(435, 0, 0) == -1 && errno == 38);
    printf("namespace %d\n", syscall(272, 0x10000000) >= 0);
    printf("mount %d\n", syscall(272, 0x20000) >= 0);
    return 0;
}
"##;

/// G18, G22, G33: a step finds nothing that it could share with the machine, makes no control groups by which it would outlive the
/// build, and no namespace in which it would see the machine's.
#[tokio::test]
async fn g22_a_step_of_buildah_shares_nothing_with_the_machine() {
    let Some(lab) = Lab::find() else { return };
    if !engines().contains(&EngineChoice::Buildah) || cfg!(not(target_arch = "x86_64")) {
        return eprintln!("SKIPPED g22_a_step_of_buildah: no buildah, or another processor");
    }
    let groups = "for f in /sys/fs/cgroup/*; do mkdir $f/mine && echo FROZEN > $f/mine/freezer.state && echo 'it'' froze'; done; \
        ls /sys/fs/cgroup; true";
    let dockerfile = format!(
        "ARG BUILD\nFROM ${{BUILD}}\nCOPY probe.c /probe.c\n\
         RUN cc -o /probe /probe.c && /probe; {groups} && exit 7\n"
    );
    let files = [("Dockerfile", dockerfile.as_str()), ("probe.c", SHARED)];
    let mut plan = for_engine(plan_of(&lab, "shares", &dockerfile).await, EngineChoice::Buildah);
    let (url, commit) = publish(&lab, "shares", &files);
    plan.source =
        PlannedSource::Repository(PlannedRepository { url, reference: None, folder: None, commit });
    let choice = EngineChoice::Buildah;
    let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
    let log = result.expect_err("its last step fails").log;
    assert!(log.contains("packet 1"), "it did not run: {log}");
    assert!(log.contains("thread 1"), "programs fall back to a call that a filter sees: {log}");
    let namespaces = ["ring", "express", "clone", "namespace", "mount"];
    for shared in ["vsock", "audit", "keyring", "aio", "old"].into_iter().chain(namespaces) {
        assert!(log.contains(&format!("{shared} 0")), "{shared}: {log}");
    }
    assert!(!log.contains("it froze"), "{log}");
}

/// A job's programs, with nothing built.
struct Room {
    workspace: Workspace,
}

impl Room {
    /// `None` with a plain word on stderr where there is none.
    fn open(test: &str) -> Option<Self> {
        let workspace = Workspace::new(None, &Limits::default()).unwrap();
        let here = workspace.cage().map(drop).map_err(ToString::to_string);
        match here {
            Ok(()) => Some(Self { workspace }),
            Err(why) => {
                eprintln!("SKIPPED {test}: {why}");
                None
            }
        }
    }

    /// The name of the job, and of its control groups.
    fn name(&self) -> String {
        self.workspace.outside().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// What a program prints on both its streams.
    async fn run(&self, program: &str, args: &[&str]) -> String {
        let log = Log::new(1 << 20);
        let shell = Shell::new(&self.workspace, log.clone(), &Silent);
        let environment = Environment::new(self.workspace.path());
        shell.run(&find_program(program).unwrap(), args, &environment).await.unwrap();
        log.text()
    }

    /// Whether its programs have numbers of their own.
    fn own_users(&self) -> bool {
        self.workspace.cage().is_ok_and(|cage| cage.ids().is_ok())
    }

    async fn sh(&self, script: &str) -> String {
        self.run("sh", &["-c", script]).await
    }
}

/// Of each mount: the root in its file system, where it is, its options, the file system's kind and the file system's options.
fn mounts(table: &str) -> Vec<[String; 5]> {
    let read = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let (left, right): (Vec<&str>, Vec<&str>) =
            (left.split(' ').collect(), right.split(' ').collect());
        Some([left[3], left[4], left[5], right[0], right[2]].map(str::to_owned))
    };
    table.lines().filter_map(read).collect()
}

/// Opens every file for writing that is below some folders, and writes nothing; makes files in the folders themselves.
const TRY: &str = r#"for at in "$@"; do
  ( : >> "$at/hallmark-was-here" ) 2>/dev/null && echo "WROTE $at"
  find "$at" -xdev -type f -perm -200 2>/dev/null | head -n 400 | while read -r file; do
    ( : >> "$file" ) 2>/dev/null && echo "WROTE $file"
  done
done; :"#;

#[tokio::test]
async fn g16_a_room_has_no_secret_and_nothing_of_the_machine_to_write() {
    let Some(room) = Room::open("g16_a_room_has_no_secret") else { return };
    // Whatever a builder is talked into mounting, and with which flags.
    let remount = "for at in / /usr /sys /proc/sys /sys/fs/cgroup /sys/fs/cgroup/devices; do \
         mount -o remount,bind,rw,nosuid $at; done 2>/dev/null";
    let wrote = room
        .run(
            "sh",
            &[
                "-c",
                &format!("{remount}; {TRY}"),
                "sh",
                "/",
                "/usr",
                "/etc",
                "/sys",
                "/proc/sys",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/devices",
                "/lib64",
            ],
        )
        .await;
    assert!(!wrote.contains("WROTE"), "{wrote}");

    let table = room.sh("cat /proc/self/mountinfo").await;
    let (work, group) = (room.workspace.path(), format!("/{}/steps", room.name()));
    let own = ["/dev/shm", "/etc/containers", "/root", "/run", "/tmp", "/var/lib", "/var/tmp"];
    let own_users = room.own_users();
    let found = mounts(&table);
    assert!(found.len() > 10, "{table}");
    for [root, at, options, kind, whole] in found {
        let is_own = match kind.as_str() {
            "cgroup" | "cgroup2" => root.ends_with(&group) && !own_users,
            "proc" => at == "/proc",
            "tmpfs" => own.contains(&at.as_str()),
            _ => Path::new(&at).starts_with(work),
        };
        let read_only = |options: &str| options.split(',').any(|option| option == "ro");
        // Where there is no overlay, only the mount of programs is read-only.
        let programs = !matches!(kind.as_str(), "tmpfs" | "sysfs" | "proc");
        let shut = read_only(&options) && (read_only(&whole) || programs);
        assert!(is_own || shut, "{at} is a {kind} of {root}, {options} and {whole}");
    }

    let plain = [
        "ld.so.cache",
        "ld.so.conf",
        "nsswitch.conf",
        "protocols",
        "services",
        "passwd",
        "group",
        "hosts",
        "resolv.conf",
        "fstab",
    ];
    let bundles =
        ["ca-certificates.crt", "cert.pem", "ca-bundle.pem", "ca-bundle.crt", "tls-ca-bundle.pem"];
    let files = room.sh("cd /etc && find . -xdev -type f").await;
    for file in files.lines() {
        let file = file.trim_start_matches("./");
        let name = file.rsplit('/').next().unwrap();
        assert!(plain.contains(&file) || bundles.contains(&name), "/etc/{file}");
    }
    let secret = room.sh("grep -rlsI '^-----BEGIN.* PRIVATE KEY' /etc /run /root /var /tmp").await;
    assert_eq!(secret, "");
    let odd = room.sh("find / -xdev \\( -type s -o -type p -o -type b \\); ls /dev").await;
    assert_eq!(
        odd.split_whitespace().collect::<Vec<_>>(),
        ["full", "null", "random", "shm", "tty", "urandom", "zero"]
    );
    let other =
        ["/proc/keys", "/proc/kmsg", "/proc/timer_list"].map(|file| format!("head -c 1 {file}; "));
    assert_eq!(room.sh(&format!("({}) 2>/dev/null", other.concat())).await, "");
}

/// A step to which the whole room is mounted, as a hole of its builder would, writable and with flags that lift those of the
/// room.
fn step(room: &Room, script: &str) -> Value {
    let shared = ["usr", "bin", "sbin", "lib", "lib32", "lib64"];
    let there = shared.iter().filter(|name| Path::new("/").join(name).is_dir());
    let bind = |source: String, to: String| {
        let options = ["rbind", "rw", "nosuid"];
        json!({"destination": to, "source": source, "type": "bind", "options": options})
    };
    // In a user namespace, what the machine's root mounted keeps its flags, and asking for others is refused.
    let kept: &[&str] = if room.own_users() { &["nodev", "noexec"] } else { &[] };
    let path = if room.own_users() { Value::Null } else { json!("/build/step") };
    let mut mounts: Vec<Value> =
        there.map(|name| bind(format!("/usr/../{name}"), format!("/{name}"))).collect();
    for (source, to) in
        [("/", "/h"), ("/etc", "/e"), ("/sys", "/s"), ("/proc/sys", "/p"), ("/usr", "/u")]
    {
        let mut mount = bind(source.to_owned(), to.to_owned());
        if source == "/sys" {
            mount["options"].as_array_mut().unwrap().extend(kept.iter().map(|flag| json!(flag)));
        }
        mounts.push(mount);
    }
    mounts.push(json!({"destination": "/proc", "source": "proc", "type": "proc"}));
    mounts.push(json!({"destination": "/dev", "source": "tmpfs", "type": "tmpfs"}));
    let capabilities = ["CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER", "CAP_MKNOD"];
    let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {
            "cwd": "/",
            "args": ["/usr/bin/sh", "-c", script, "sh", "/h", "/h/etc", "/e", "/s", "/p", "/u"],
            "env": ["PATH=/usr/sbin:/usr/bin"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": mounts,
        "linux": {
            "cgroupsPath": path,
            "namespaces": namespaces,
            "resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "access": "rwm"}]},
        },
        "hostname": room.name(),
    })
}

#[tokio::test]
async fn g16_a_step_that_is_given_the_room_reads_and_writes_nothing_of_the_machine() {
    let Some(room) = Room::open("g16_a_step_that_is_given_the_room") else { return };
    if find_program("runc").is_none() {
        return eprintln!("SKIPPED g16_a_step_that_is_given_the_room: no runc");
    }
    let bundle = room.workspace.path().join("bundle");
    std::fs::create_dir_all(bundle.join("rootfs")).unwrap();
    let script = format!(
        "echo BEGUN; cat /proc/self/cgroup; {TRY}\n\
         grep -rls 'PRIVATE KEY' /e /h/etc /h/root; cat /s/fs/cgroup/memory/cgroup.procs; mkdir /s/fs/cgroup/x; \
         for at in /s/fs/cgroup /s/fs/cgroup/*; do mkdir $at/y && echo WROTE $at; done; \
         ls /s/class/net; grep -c 'BEGIN CERTIFICATE' /e/ssl/certs/ca-certificates.crt; echo ENDED"
    );
    std::fs::write(bundle.join("config.json"), step(&room, &script).to_string()).unwrap();
    let place = bundle.display().to_string();
    let root = room.workspace.path().join("runc").display().to_string();
    let said = room.run("runc", &["--root", &root, "run", "--bundle", &place, "step"]).await;
    assert!(said.contains("BEGUN") && said.contains("ENDED"), "{said}");
    let group = if room.own_users() { "programs" } else { "steps/build/step" };
    assert!(said.contains(&format!("/{}/{group}", room.name())), "{said}");
    assert!(!said.contains("WROTE") && !said.contains("PRIVATE KEY"), "{said}");
}

/// A git server that answers each request with a redirect.
fn redirecting(to: String) -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let asked = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = asked.split_whitespace().nth(1).unwrap_or("/").to_owned();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: {to}{path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// A server that is let be near is no way to what is nearer, or to where nobody may go.
#[tokio::test]
async fn g10_a_redirecting_server_leads_nowhere_inside() {
    let Some(lab) = Lab::find() else { return };
    let ears = Ears::open();
    let Some(metadata) = &ears.link_local else { return eprintln!("SKIPPED: no alias on lo") };
    let to = format!("http://{}", metadata.local_addr().unwrap());
    let server = redirecting(to);
    for choice in engines() {
        let mut plan = for_engine(plan_of(&lab, "redirect", "FROM scratch\n").await, choice);
        if let PlannedSource::Repository(repository) = &mut plan.source {
            repository.url = format!("http://{server}/a.git");
        }
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
        let failure = result.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::SourceGone, "{choice:?}: {}", failure.why);
        assert_eq!(ears.heard(), [""; 0], "{choice:?}");
        let (commit, settings) = (Commit::new(&"a".repeat(40)).unwrap(), lab.settings());
        let url = format!("http://{server}/a.git");
        let held = holds(&url, "main", &commit, &settings, &Limits::default(), &Silent).await;
        assert!(matches!(held, Ok(Held::Unproven(Unproven::NotGiven { .. }))), "{held:?}");
        assert_eq!(ears.heard(), [""; 0], "the history");
    }
}

/// An archive is read as the repository is: whatever its Dockerfile names needs the operator's list.
#[tokio::test]
async fn g11_an_archive_names_no_frontend_that_nobody_lists() {
    let Some(lab) = Lab::find() else { return };
    let evil = format!("{}/demo/honest:1", lab.registry);
    for syntax in [true, false] {
        let first = if syntax { format!("# syntax={evil}\n") } else { String::new() };
        let dockerfile = format!("{first}ARG BUILD\nFROM ${{BUILD}}\nRUN echo x > /x\n");
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(dockerfile.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "Dockerfile", dockerfile.as_bytes()).unwrap();
        let archive = archive.into_inner().unwrap();
        let digest = Digest::sha256(&archive);
        let url = served(archive);
        for choice in engines().into_iter().filter(|choice| *choice != EngineChoice::Buildah) {
            let mut plan = plan_of(&lab, "archive", "FROM scratch\n").await;
            plan.source = PlannedSource::Download { url: url.clone(), digest: digest.clone() };
            plan.materials.push(Material {
                kind: MaterialKind::Http,
                uri: url.clone(),
                pin: Pin::Content(digest.clone()),
                role: None,
            });
            plan.dockerfile_path = "Dockerfile".to_owned();
            let result = run(&plan, lab.settings(), choice, &Limits::default(), &Silent).await;
            match (syntax, result) {
                (true, result) => {
                    let failure = result.expect_err("a stranger's frontend was run");
                    assert_eq!(failure.kind, FailureKind::Denied, "{choice:?}: {}", failure.why);
                    assert!(failure.why.contains("frontend-not-allowed"), "{}", failure.why);
                }
                (false, Ok(_)) => {}
                (false, Err(failure)) => {
                    assert_ne!(failure.kind, FailureKind::Denied, "{choice:?}: {}", failure.why);
                }
            }
        }
    }
}

/// A server of one file.
fn served(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    format!("http://{address}/context.tar")
}

/// What cannot be caged is said before anything is built, and is no fault of the image's.
#[test]
fn what_cannot_be_caged_is_said_before_anything_is_built() {
    let Some(lab) = support::Lab::here("what_cannot_be_caged_is_said_before_anything_is_built")
    else {
        return;
    };
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    for (engine, variable) in
        [("docker", "HONEST"), ("buildkitd", "HONEST"), ("buildah", "BUILDAH")]
    {
        let work = tempfile::tempdir().unwrap();
        std::fs::set_permissions(work.path(), mode(0o777)).unwrap();
        let config = format!("version: 1\nrebuild: {{engine: {engine}}}\n");
        let command = lab.hallmark(["rebuild", lab.get(variable)]).config(&config);
        let home = command.config_path().parent().unwrap().to_owned();
        std::fs::set_permissions(home, mode(0o755)).unwrap();
        let answer = command.env("TMPDIR", work.path()).run_by(&nobody);
        assert_ne!(answer.code, 0, "{engine}: {}", answer.all());
        answer.says("engine-error").says("rebuild-engine-unavailable").says_not("build-failed");
        assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "{engine}");
    }
}
