//! BuildKit: what it is told and what it says, however it is reached.
//!
//! The source policy of [`pins`] is in force for everything that BuildKit fetches; build steps have no network, or the one that
//! BuildKit's proxy holds to what was recorded; there is no build cache, no secret and no credential. [`daemon`] starts one for
//! the job and speaks to it as [`grpc`] does, [`docker`] starts a Docker daemon that has one inside, and [`client`] leaves
//! a shared one to its own client.

pub mod client;
pub mod daemon;
pub mod docker;
mod found;
pub mod grpc;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub use found::find;

use super::{
    Built, Runs,
    cage::Cage,
    host::{self, Missing},
    sandbox::{Daemon, Environment, Outcome, Shell},
    version,
};
use crate::{
    attest::provenance::{Frontend, Network},
    image::Compression,
    rebuild::{EngineReport, Failure, FailureKind, Numbers, Plan, pins},
};

/// Tries to reach a daemon that has just been started: every 10 ms for 60 s.
const TRIES: u32 = 6000;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a daemon's own log that a failure quotes.
const DAEMON_LOG_BYTES: usize = 4096;

/// The option that names the caches of `RUN --mount=type=cache`, so that a build sees nobody's but its own.
pub(super) const CACHES: &str = "build-arg:BUILDKIT_CACHE_MOUNT_NS";

/// Whether the built-in frontend reads the Dockerfile. It is told so by an empty `cmdline`: then it asks no other one
/// (`frontend/dockerfile/builder`, `Build`), whatever the Dockerfile says.
pub(super) fn own_frontend(plan: &Plan) -> bool {
    plan.frontend == Frontend::BuiltIn && !plan.build_args.contains_key("BUILDKIT_SYNTAX")
}

/// What the job's steps can reach, by a look at the network that the builder is shut in; nobody knows of a builder elsewhere.
pub(super) fn network(shell: &Shell<'_>, runs: Runs, plan: &Plan) -> Network {
    let interfaces = shell.cage().filter(|_| runs == Runs::Here).map(Cage::interfaces);
    match interfaces {
        Some(Ok(names)) if names == ["lo"] && plan.fetched.is_empty() => Network::None,
        // The proxy's own ends lie in namespaces of their own.
        Some(Ok(names)) if names == ["lo"] => Network::Proxy,
        _ => Network::Unknown,
    }
}

/// Whose numbers of users the job's programs have, by what the kernel said of the namespace that all of them are in.
pub(super) fn numbers(shell: &Shell<'_>, runs: Runs) -> Numbers {
    match (runs, shell.ids()) {
        (Runs::Elsewhere, _) => Numbers::Unknown,
        (Runs::Here, Some(_)) => Numbers::Own,
        (Runs::Here, None) => Numbers::Machine,
    }
}

fn program(name: &'static str) -> Result<PathBuf, Missing> {
    host::require([name]).map(|[program]| program)
}

/// Says so where the machine's runc may let a build out.
pub(super) async fn doubt_runc(
    shell: &Shell<'_>,
    environment: &Environment,
) -> Result<(), Failure> {
    let Some(runc) = host::find_program("runc") else { return Ok(()) };
    // runc version 1.1.5+ds1
    let text = shell.quietly().run(&runc, ["--version"], environment).await?.stdout;
    let version = text.split_whitespace().nth(2).unwrap_or_default();
    if let Some(doubt) = version::doubt_runc(version) {
        shell.sink.line(&doubt);
    }
    Ok(())
}

fn unix(socket: &Path) -> OsString {
    let mut address = OsString::from("unix://");
    address.push(socket);
    address
}

/// Writes a source policy for a client to read.
fn write_policy(policy: &serde_json::Value, shell: &Shell<'_>) -> Result<PathBuf, Failure> {
    let path = shell.work.join("policy.json");
    fs::write(&path, format!("{policy:#}"))
        .map_err(|e| shell.broken("cannot write the source policy", &e))?;
    Ok(path)
}

/// The clamp of `rewrite-timestamp` comes from the epoch; where the build had it from elsewhere, it is given as the
/// client's variable, which becomes the same build argument.
pub(super) fn client_epoch(plan: &Plan) -> Option<String> {
    let given = plan.build_args.contains_key("SOURCE_DATE_EPOCH");
    let seconds = plan.exporter.rewrite_timestamp.or(plan.epoch_seconds);
    seconds.filter(|_| !given).map(|seconds| seconds.to_string())
}

async fn await_daemon<F: Future<Output = bool>>(
    daemon: &mut Daemon,
    ready: impl Fn() -> F,
) -> Result<(), Failure> {
    for _ in 0..TRIES {
        if ready().await {
            return Ok(());
        }
        if !daemon.is_alive() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let log = daemon.log(DAEMON_LOG_BYTES);
    Err(Failure {
        kind: FailureKind::EngineUnavailable,
        why: "the daemon did not start".to_owned(),
        log,
        engine: None,
    })
}

/// Build arguments; a frontend image is named by the argument that the built-in frontend forwards to.
fn build_args(plan: &Plan) -> impl Iterator<Item = (&str, &str)> {
    let syntax = match &plan.frontend {
        Frontend::Image { reference } if !plan.build_args.contains_key("BUILDKIT_SYNTAX") => {
            Some(("BUILDKIT_SYNTAX", reference.as_str()))
        }
        _ => None,
    };
    plan.build_args.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(syntax)
}

fn output(plan: &Plan, work: &Path) -> OsString {
    let mut spec = OsString::from("type=oci,tar=false,dest=");
    spec.push(work.join("out"));
    for (key, value) in exporter_options(plan) {
        spec.push(format!(",{key}={value}"));
    }
    spec
}

/// What the exporter is told.
pub(super) fn exporter_options(plan: &Plan) -> Vec<(String, String)> {
    let exporter = &plan.exporter;
    let mut all = Vec::new();
    let mut opt = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    if exporter.rewrite_timestamp.is_some() {
        opt("rewrite-timestamp", "true");
    }
    if exporter.compression != Compression::Gzip {
        opt("compression", exporter.compression.name());
    }
    if let Some(level) = exporter.level {
        opt("compression-level", &level.to_string());
    }
    if exporter.force_compression {
        opt("force-compression", "true");
    }
    if !exporter.oci_media_types {
        opt("oci-mediatypes", "false");
    }
    all
}

fn finish(
    outcome: &Outcome,
    daemon: Option<Daemon>,
    shell: &Shell<'_>,
    report: EngineReport,
    pins: crate::digest::Digest,
) -> Result<Built, Failure> {
    let layout = shell.work.join("out");
    if outcome.success && layout.join("index.json").is_file() {
        // Left empty by the exporter, and no part of a layout.
        let _ = fs::remove_dir(layout.join("ingest"));
        return Ok(Built { layout, report, pins, frontend: None });
    }
    let log = shell.log.text();
    let vanished = daemon.is_some_and(|mut daemon| !daemon.is_alive());
    let (kind, why) = if vanished {
        (FailureKind::EngineUnavailable, "the daemon vanished during the build".to_owned())
    } else {
        classify(&log)
    };
    Err(Failure { kind, why, log, engine: Some(Box::new(report)) })
}

/// The proxy answers a step with 403 and says nothing in the log, so the failure of a step that downloads says what it was
/// held to.
pub(super) fn held_back(mut failure: Failure, plan: &Plan) -> Failure {
    let count = plan.fetched.len();
    if count > 0 && failure.kind == FailureKind::BuildFailed {
        failure.why.push_str(&format!("; steps could download the recorded URLs alone ({count})"));
    }
    failure
}

/// Reads BuildKit's own last word. Build steps print what they like, but each of their lines begins with `#`.
pub(super) fn classify(log: &str) -> (FailureKind, String) {
    let own = log
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("ERROR: ").or_else(|| line.strip_prefix("error: ")));
    let Some(why) = own else {
        // Whoever could have said why was killed.
        let why = "the builder ended without a word".to_owned();
        return (FailureKind::EngineUnavailable, why);
    };
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    let kind = if says(&["error reading from server", "rpc error: code = Unavailable"])
        || lacks_privileges(why)
    {
        FailureKind::EngineUnavailable
    } else if says(&["denied by policy", "not allowed by policy", "source denied"]) {
        FailureKind::Denied
    } else if says(&["process \"", "did not complete successfully", "executor failed running"]) {
        FailureKind::BuildFailed
    } else if says(&["connection refused", "Could not resolve host", "i/o timeout"]) {
        FailureKind::SourceUnreachable
    } else if says(&[
        "failed to resolve source metadata",
        "failed to fetch remote",
        "failed to load cache key",
        "failed to do request",
        "failed to read dockerfile",
        "failed to copy",
        // Something is there, and it is not what was recorded.
        "digest mismatch",
        "couldn't find remote ref",
        "unable to access",
        "connection reset by peer",
        "failed to read expected number of bytes",
        "unexpected EOF",
        "manifest unknown",
        "not our ref",
        "pull access denied",
        ": not found",
        "unexpected status",
        "git stderr",
    ]) {
        FailureKind::SourceGone
    } else {
        FailureKind::BuildFailed
    };
    (kind, why.to_owned())
}

/// Whether a step never ran because the builder may not do what it has to: the image is not at fault. What a step's own
/// command did ends in its exit code; the command itself, which BuildKit quotes before that, decides nothing.
pub(super) fn lacks_privileges(why: &str) -> bool {
    const STEP: &str = "did not complete successfully: ";
    const REFUSED: [&str; 3] =
        ["read-only file system", "permission denied", "operation not permitted"];
    const BUILDERS_OWN: [&str; 4] = ["/sys/fs/cgroup", "/run/buildkit", "/run/runc", "cgroup"];
    let (own, of_step) = match why.rsplit_once(STEP) {
        Some((_, rest)) => (rest, true),
        None => (why, false),
    };
    let own = own.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| own.contains(word));
    !own.starts_with("exit code") && has(&REFUSED) && (of_step || has(&BUILDERS_OWN))
}

/// What the frontend is told, as BuildKit itself calls it.
pub(super) fn frontend_options(plan: &Plan) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut opt = |key: &str, value: &str| all.push((key.to_owned(), value.to_owned()));
    opt("context", &pins::context(plan));
    opt("filename", &plan.dockerfile_path);
    opt("platform", &plan.platform.to_string());
    if plan.fetched.is_empty() {
        opt("force-network-mode", "none");
    }
    if let Some(target) = &plan.target {
        opt("target", target);
    }
    for (name, value) in build_args(plan) {
        opt(&format!("build-arg:{name}"), value);
    }
    if let Some(seconds) = client_epoch(plan) {
        opt("build-arg:SOURCE_DATE_EPOCH", &seconds);
    }
    for (name, value) in &plan.labels {
        opt(&format!("label:{name}"), value);
    }
    for (key, value) in &plan.options {
        if !key.starts_with("dockerfile-digest:") {
            opt(key, value);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_buildkits_own_words() {
        let cases = [
            (
                "#5 0.1 x\nERROR: failed to solve: source \"git://h/a\" denied by policy: source denied",
                FailureKind::Denied,
            ),
            (
                "ERROR: failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1",
                FailureKind::BuildFailed,
            ),
            (
                "ERROR: failed to solve: h/base: failed to resolve source metadata for h/base: not found",
                FailureKind::SourceGone,
            ),
            ("ERROR: failed to solve: digest mismatch sha256:1: sha256:2", FailureKind::SourceGone),
            (
                "error: failed to solve: failed to fetch remote git://h/app.git: exit status 128",
                FailureKind::SourceGone,
            ),
            (
                "ERROR: failed to solve: h/base: failed to resolve source metadata for h/base: dial tcp: connect: connection refused",
                FailureKind::SourceUnreachable,
            ),
            // What a step prints decides nothing.
            (
                "#7 0.1 ERROR: denied by policy\nERROR: failed to solve: process \"/bin/sh -c x\" did not complete successfully: exit code: 1",
                FailureKind::BuildFailed,
            ),
            // A step that could not be started is no step that failed.
            (
                "ERROR: failed to solve: process \"/bin/sh -c make\" did not complete successfully: mkdir /sys/fs/cgroup/cpuset/buildkit: read-only file system",
                FailureKind::EngineUnavailable,
            ),
            (
                "ERROR: failed to solve: mkdir /run/buildkit/executor: read-only file system",
                FailureKind::EngineUnavailable,
            ),
            // A command that looks like one.
            (
                "ERROR: failed to solve: process \"echo did not complete successfully: mkdir /sys/fs/cgroup: read-only file system\" did not complete successfully: exit code: 1",
                FailureKind::BuildFailed,
            ),
            ("ERROR: failed to solve: mkdir /app: permission denied", FailureKind::BuildFailed),
            ("#7 0.1 denied by policy", FailureKind::EngineUnavailable),
            ("", FailureKind::EngineUnavailable),
            (
                "error: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
                FailureKind::EngineUnavailable,
            ),
            (
                "ERROR: failed to solve: failed to compute cache key: failed to read expected number of bytes: unexpected EOF",
                FailureKind::SourceGone,
            ),
        ];
        for (log, want) in cases {
            assert_eq!(classify(log).0, want, "{log}");
        }
    }
}
