//! What rules see of branches: with a real git server that keeps a fork's commit beside its parent (attack G14).

use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::{Hallmark, trusting},
};

/// `git daemon` over a folder of repositories; it ends with this value.
struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let port = {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            free.local_addr().unwrap().port()
        };
        let child = Command::new("git")
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", folder.display()))
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "git daemon does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, url: format!("git://127.0.0.1:{port}") }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The program that listens is a child of the one that was started.
        let pid = self.child.id().to_string();
        let _ = Command::new("pkill").args(["-P", &pid]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=lab", "-c", "user.email=lab@example.org", "-C"]).arg(folder);
    let output = git.args(words).env("GIT_CONFIG_GLOBAL", "/dev/null").stdin(Stdio::null());
    let output = output.output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository whose `main` holds one commit, and a stranger's commit on top that the server gives by its id.
fn repository(folder: &Path) -> (String, String) {
    let bare = folder.join("app.git");
    git(folder, &["init", "--quiet", "--bare", "app.git"]);
    fs::write(folder.join("Dockerfile"), "FROM scratch\n").unwrap();
    let file = folder.join("Dockerfile").display().to_string();
    let blob = git(&bare, &["hash-object", "-w", &file]);
    git(&bare, &["update-index", "--add", "--cacheinfo", &format!("100644,{blob},Dockerfile")]);
    let tree = git(&bare, &["write-tree"]);
    let tip = git(&bare, &["commit-tree", &tree, "-m", "one"]);
    let fork = git(&bare, &["commit-tree", &tree, "-p", &tip, "-m", "of a stranger"]);
    git(&bare, &["update-ref", "refs/heads/main", &tip]);
    git(&bare, &["update-ref", "refs/pull/1/head", &fork]);
    git(&bare, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    (tip, fork)
}

/// BuildKit's provenance of a build of this commit, which it calls that of `main`.
fn provenance(server: &str, commit: &str) -> Value {
    let source = format!("{server}/app.git#refs/heads/main");
    json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": { "uri": source, "digest": { "sha1": commit }, "path": "Dockerfile" },
                "request": { "frontend": "dockerfile.v0", "args": {} },
            },
            "internalParameters": { "builderPlatform": "linux/amd64" },
            "resolvedDependencies": [{ "uri": source, "digest": { "sha1": commit } }],
        },
        "runDetails": { "builder": { "id": "" }, "metadata": {} },
    })
}

const RULE: &str = "package hallmark.mine\n\n\
    deny contains {\"code\": \"not-of-main\", \"msg\": \"it is not of main\"} if {\n\
    \tnot input.provenance.build.branch == \"main\"\n}\n";

#[test]
fn g14_a_rule_sees_the_branch_that_holds_the_commit_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (tip, fork) = repository(folder.path());
    let server = Daemon::start(folder.path());
    let keys = Keys::new();
    let key = keys.p256("ci");
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("mine.rego"), RULE).unwrap();
    let config = trusting(&public(&key), "baseline").replace(
        "preset: baseline",
        &format!("preset: baseline, bundles: [\"{}\"]", rules.display()),
    );
    let config = config + "rebuild: {privateSources: [127.0.0.1]}\n";
    let judged = |commit: &str| {
        let layout = Layout::of(&Parts::new(&[("bin/app", commit.as_bytes())]));
        let reference = layout.reference();
        let file = folder.path().join("predicate.json");
        fs::write(&file, provenance(&server.url, commit).to_string()).unwrap();
        let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
        let sign =
            ["sign", &reference, "--predicate", file, "--type", "slsaprovenance1", "--key", key];
        Hallmark::new(sign).run().exits(0);
        let answer = Hallmark::new(["verify", &reference, "-o", "json", "-v"])
            .env("PATH", std::env::var_os("PATH").unwrap())
            .config(&config)
            .run();
        let report = answer.json();
        let platform = &report["platforms"][0];
        let codes = platform["findings"].as_array().unwrap().iter();
        let codes: Vec<String> =
            codes.map(|f| f["code"].as_str().unwrap_or_default().to_owned()).collect();
        (answer, codes, platform["evidence"]["provenance"]["build"]["refs"].clone())
    };
    let (answer, codes, refs) = judged(&tip);
    answer.says_not("not-of-main");
    answer.says("hallmark: read the history of the repository: git://").says("refs/heads/main (");
    let gap = "provenance-commit-not-in-ref".to_owned();
    assert!(!codes.contains(&gap), "{}", answer.all());
    assert_eq!(
        refs[0],
        json!({ "kind": "branch", "claimed": "main", "state": "proven", "why": null })
    );
    let (answer, codes, refs) = judged(&fork);
    answer.exits(1).says("not-of-main").says("does not hold commit");
    assert!(codes.contains(&gap), "{}", answer.all());
    assert_eq!((&refs[0]["claimed"], &refs[0]["state"]), (&json!("main"), &json!("unproven")));
}
