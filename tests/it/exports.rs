//! What is exported for BuildKit, under OPA and under the real buildx.
//!
//! Needs `opa` and `buildx` (`scripts/peers opa buildx`); without them the tests say that they were skipped.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{sign::peer, support::Hallmark};

const CONFIG: &str = "version: 1
trust:
  sources:
    - images: [registry.example/app]
      repository: https://git.example/team/app.git
      branches: [main]
      bases: [docker.io/library/alpine, \"registry.example/base/*\"]
      frontends: [docker.io/docker/dockerfile]
      downloads: [\"https://dl.example/pool/\"]
";

/// Sources as buildx describes them (docker/buildx, `policy/types.go`), and whether a build may take them.
fn sources() -> Vec<(&'static str, Value, bool)> {
    let image = |host: &str, repo: &str, full: &str| json!({"image": {"ref": format!("{full}:1"), "host": host, "repo": repo, "fullRepo": full, "tag": "1", "platform": "linux/amd64"}});
    vec![
        ("a_base", image("docker.io", "alpine", "docker.io/library/alpine"), true),
        (
            "a_frontend",
            image("docker.io", "docker/dockerfile", "docker.io/docker/dockerfile"),
            true,
        ),
        (
            "a_base_elsewhere",
            image("registry.example", "registry.example/base/x", "registry.example/base/x"),
            true,
        ),
        ("another_image", image("docker.io", "debian", "docker.io/library/debian"), false),
        (
            "another_registry",
            image("evil.example", "evil.example/base/x", "evil.example/base/x"),
            false,
        ),
        ("a_download", json!({"http": {"url": "https://dl.example/pool/a.deb"}}), true),
        ("another_download", json!({"http": {"url": "https://dl.example/a.deb"}}), false),
        ("the_repository", json!({"git": {"remote": "https://git.example/team/app.git"}}), true),
        (
            "another_repository",
            json!({"git": {"remote": "https://git.example/team/other.git"}}),
            false,
        ),
        ("the_folder", json!({"local": {"name": "context"}}), true),
    ]
}

/// The input about a source: what is said of the build is there for every source.
fn input(source: &Value) -> Value {
    let mut input = json!({"env": {"filename": "Dockerfile", "args": {"A": "b"}}});
    input.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    input
}

/// A folder with a Dockerfile and the policy beside it.
fn exported() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let answer = Hallmark::new(["policy", "export", "--buildx"]).config(CONFIG).run();
    fs::write(folder.path().join("Dockerfile.rego"), &answer.exits(0).stdout).unwrap();
    fs::write(folder.path().join("Dockerfile"), "FROM alpine\n").unwrap();
    folder
}

#[test]
fn i26_opa_decides_by_dockerfile_rego_as_meant() {
    let folder = exported();
    let Some(opa) = peer("opa", "i26_opa_decides_by_dockerfile_rego_as_meant") else { return };
    for (name, source, want) in sources() {
        let file = folder.path().join("input.json");
        fs::write(&file, input(&source).to_string()).unwrap();
        let output = Command::new(&opa)
            .args(["eval", "--format", "json", "--data"])
            .arg(folder.path().join("Dockerfile.rego"))
            .arg("--input")
            .arg(&file)
            .arg("data.docker.decision")
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let decision = &answer["result"][0]["expressions"][0]["value"];
        assert_eq!(decision["allow"], want, "{name}: {answer:#}");
    }
}

/// `buildx policy test` evaluates with buildx's own functions, and makes the input about an image of its reference. It wants a builder by
/// name, and asks it for nothing here.
#[test]
fn i26_buildx_decides_by_dockerfile_rego_as_meant() {
    let folder = exported();
    let Some(buildx) = peer("buildx", "i26_buildx_decides_by_dockerfile_rego_as_meant") else {
        return;
    };
    let run = |arguments: &[&str]| {
        let mut call = Command::new(&buildx);
        call.args(arguments).current_dir(folder.path());
        // What buildx keeps of builders stands there.
        call.env("HOME", folder.path()).env("BUILDX_CONFIG", folder.path().join("buildx"));
        let output = call.output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.success(), said.concat())
    };
    let mut tests = String::from("package docker\n");
    for (name, source, want) in sources() {
        let negated = if want { "" } else { "not " };
        let input = input(&source);
        tests += &format!("\ntest_{name} if {negated}decision.allow with input as {input}\n");
    }
    fs::write(folder.path().join("Dockerfile_test.rego"), tests).unwrap();
    let (made, said) =
        run(&["create", "--name", "nobody", "--driver", "remote", "tcp://127.0.0.1:1"]);
    assert!(made, "{said}");
    let (passed, said) =
        run(&["--builder", "nobody", "policy", "test", "--filename", "Dockerfile", "."]);
    assert!(passed, "{said}");
    for (name, ..) in sources() {
        assert!(said.contains(&format!("test_{name}: PASS")), "{name} in {said}");
    }
}
