//! What is built and what is not, and what is shown of a build's arguments, by the real program and with no lab.
//!
//! A builder that is never reached stands on `PATH`, and the source is a listener: that it is asked for the commit is the first that
//! a build does, after saying which engine was chosen.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    server::{Key, Registry, World},
    support::{Answer, Hallmark},
};

/// What a build says first, as it is written without a terminal.
const CHOSEN: &str = "  engine: ";
/// What builds are given that is nobody's to read.
const SECRET: &str = "s9df8sdf";

/// A git server that hangs up on whoever calls.
struct Source {
    url: String,
    called: Arc<AtomicUsize>,
}

impl Source {
    fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("git://{}/app.git", listener.local_addr().unwrap());
        let called = Arc::new(AtomicUsize::new(0));
        let count = called.clone();
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, called }
    }
}

/// Provenance of BuildKit's that can be replayed, of a source.
fn statement(image: &str, source: &str) -> Vec<u8> {
    let git = json!({ "uri": format!("{source}#main"), "digest": { "sha1": "c".repeat(40) } });
    let env = ["PATH=/bin".to_owned(), format!("NPM_TOKEN={SECRET}")];
    let step = json!({ "args": ["/bin/sh", "-c", "npm publish"], "env": env });
    let predicate = json!({
        "builder": { "id": "" }, "buildType": "https://mobyproject.org/buildkit@v1",
        "invocation": {
            "configSource": {
                "uri": git["uri"], "digest": git["digest"], "entryPoint": "Dockerfile",
            },
            "parameters": {
                "frontend": "dockerfile.v0", "secrets": [],
                "args": {
                    "build-arg:NPM_TOKEN": SECRET, "build-arg:VERSION": "1.4.2",
                    "label:org.corp.api-key": SECRET,
                },
            },
            "environment": { "platform": "linux/amd64" },
        },
        "materials": [git],
        "buildConfig": { "llbDefinition": [{ "id": "step0", "op": { "exec": { "meta": step } } }] },
        "metadata": { "completeness": { "parameters": true, "environment": true, "materials": true } },
    });
    let subject = json!([{ "digest": { "sha256": image.trim_start_matches("sha256:") } }]);
    json!({
        "_type": "https://in-toto.io/Statement/v1", "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v0.2", "predicate": predicate,
    })
    .to_string()
    .into_bytes()
}

/// Who signed what.
#[derive(Debug, Clone, Copy)]
struct Signed {
    image: bool,
    provenance: bool,
}

/// An image that is signed by the trusted key, or not, and its provenance likewise.
fn world(signed: Signed, source: &str) -> World {
    let mut world = World::new();
    let image = world.image.clone();
    if !signed.image {
        world.store.manifests.retain(|name, _| !name.ends_with(".sig"));
    }
    let said = statement(&image, source);
    let envelope = match signed.provenance {
        true => world.key.envelope(&said),
        false => Key::new().envelope(&said),
    };
    let annotations = json!({ "predicateType": "https://slsa.dev/provenance/v0.2" });
    world.store.attach(&image, "att", envelope.to_string().as_bytes(), &annotations);
    world
}

/// A folder with programs that end at once.
fn builders(folder: &Path) {
    for name in ["buildkitd", "runc"] {
        let file = folder.join(name);
        std::fs::write(&file, "#!/bin/sh\nexit 1\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn answer(world: &World, words: &[&str], preset: &str, more: &str) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    builders(folder.path());
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let config = format!("{}{more}", world.config(preset));
    let call = Hallmark::new(words.iter().copied().chain([image.as_str()]));
    call.env("PATH", path).config(&config).run()
}

#[test]
fn c15_nothing_is_built_of_what_is_denied_or_of_what_nobody_proved() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED c15_nothing_is_built: only root has a builder started");
    }
    let always = "rebuild: {when: always, engine: buildkitd, privateSources: [127.0.0.1]}\n";
    let asks = "rebuild: {engine: buildkitd, privateSources: [127.0.0.1]}\n";
    let (verify, asked): (&[&str], &[&str]) = (&["verify"], &["verify", "--rebuild"]);
    let rebuild: &[&str] = &["rebuild"];
    let of = |image, provenance| Signed { image, provenance };
    // Who signed what, what is asked for, and whether a builder is chosen.
    let cases = [
        (of(true, true), verify, "signed", always, true),
        (of(true, true), verify, "reproducible", asks, true),
        // Signatures deny it, whoever proved the provenance.
        (of(false, true), verify, "signed", always, false),
        (of(false, true), asked, "signed", asks, false),
        (of(false, true), verify, "reproducible", asks, false),
        // Provenance denies it.
        (of(true, false), verify, "slsa", always, false),
        (of(true, false), verify, "reproducible", asks, false),
        // Nothing denies it, and nobody proved what would be built.
        (of(true, false), verify, "signed", always, false),
        // Somebody asks for evidence, by the option or the command.
        (of(true, false), asked, "signed", asks, true),
        (of(false, false), rebuild, "signed", asks, true),
    ];
    for (signed, words, preset, more, built) in cases {
        let source = Source::open();
        let answer = answer(&world(signed, &source.url), words, preset, more);
        let case = format!("{signed:?}, {words:?}, {preset}: {}", answer.all());
        assert_eq!(answer.stderr.contains(CHOSEN), built, "{case}");
        let called = source.called.load(Ordering::SeqCst) > 0;
        // On a machine without namespaces, nothing is asked for at all.
        let caged = !answer.all().contains("here they cannot be");
        assert_eq!(called, built && caged, "{case}");
        assert_ne!(answer.code, 0, "{case}");
    }
}

/// A build's arguments are in its provenance, and the reader of a report need not be one of those who may pull the image.
#[test]
fn g28_no_plan_and_no_report_shows_a_secret_argument() {
    let source = Source::open();
    let world = world(Signed { image: true, provenance: true }, &source.url);
    let never = "rebuild: {when: never}\n";
    let scanning = "gitlab-container-scanning";
    let forms =
        ["text", "json", "sarif", "junit", "github", "gitlab", scanning, "markdown", "html"];
    let mut calls: Vec<(Vec<&str>, &str)> =
        forms.into_iter().map(|form| (vec!["verify", "-o", form], never)).collect();
    for form in ["text", "json"] {
        calls.push((vec!["rebuild", "--plan", "-o", form], ""));
        calls.push((vec!["inspect", "-o", form], ""));
        calls.push((vec!["rebuild", "-o", form], "rebuild: {engine: buildkitd}\n"));
    }
    for (words, more) in calls {
        let answer = answer(&world, &words, "signed", more);
        assert!(!answer.all().contains(SECRET), "{words:?}: {}", answer.all());
        let plan = words.contains(&"--plan");
        let report = words == ["verify", "-o", "json"] || words == ["rebuild", "-o", "json"];
        if plan || report {
            // What is hidden has its name, and the rest is there.
            answer.says("NPM_TOKEN").says("[secret]").says("1.4.2").says("api-key");
        }
    }
    let json = answer(&world, &["verify", "-o", "json"], "signed", never).json();
    let build = &json["platforms"][0]["evidence"]["provenance"]["build"];
    assert_eq!(build["buildArgs"], json!({"NPM_TOKEN": "[secret]", "VERSION": "1.4.2"}));
    let statement = &json["platforms"][0]["evidence"]["attestations"][0]["predicate"];
    let env = statement.pointer("/buildConfig/llbDefinition/0/op/exec/meta/env");
    assert_eq!(env, Some(&json!(["PATH=/bin", "NPM_TOKEN=[secret]"])), "{statement:#}");
}

/// Gaps are told as they are read, and so are the values in them.
#[test]
fn g28_a_gap_shows_no_secret() {
    let mut world = World::new();
    let said = statement(&world.image, "https://git.example/app.git");
    let mut said: Value = serde_json::from_slice(&said).unwrap();
    let args = &mut said["predicate"]["invocation"]["parameters"]["args"];
    args["x-deploy-token"] = json!(SECRET);
    args["context:tools"] = json!(format!("https://bot:{SECRET}@git.corp/a.git"));
    let image = world.image.clone();
    let envelope = world.key.envelope(said.to_string().as_bytes()).to_string();
    let annotations = json!({ "predicateType": "https://slsa.dev/provenance/v0.2" });
    world.store.attach(&image, "att", envelope.as_bytes(), &annotations);
    for form in ["text", "json"] {
        let answer = answer(&world, &["rebuild", "--plan", "-o", form], "signed", "");
        assert!(!answer.all().contains(SECRET), "{}", answer.all());
        answer.exits(1).says("unknown-frontend-option").says("local-context").says("[secret]");
    }
}

/// What cannot be caged is said before anything is built, whatever programs are there.
#[test]
fn what_an_unprivileged_user_lacks_is_said_first() {
    let test = "what_an_unprivileged_user_lacks_is_said_first";
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED {test}: only root becomes somebody else");
    }
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    builders(folder.path());
    // The folder that tests are built in may be root's alone.
    let program = folder.path().join("hallmark");
    std::fs::copy(env!("CARGO_BIN_EXE_hallmark"), &program).unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    open(&work, 0o777);
    let source = Source::open();
    let world = world(Signed { image: true, provenance: true }, &source.url);
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let key = world.key.write(folder.path());
    let config = folder.path().join("hallmark.yaml");
    let more = "rebuild: {engine: buildkitd, privateSources: [127.0.0.1]}\n";
    std::fs::write(&config, crate::support::trusting(&key, "signed") + more).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let root_without = ["--bounding-set=-sys_admin", "--inh-caps=-all"];
    let cases: [(&[&str], &str); 2] = [
        (&nobody, "hallmark does not run as root"),
        (&root_without, "builds are shut in, and here they cannot be"),
    ];
    for (as_whom, said) in cases {
        for words in [&["rebuild"][..], &["verify", "--rebuild"]] {
            let mut command = std::process::Command::new("setpriv");
            command.args(as_whom).arg("--").arg(&program).args(words).arg(&image);
            command.arg("--config").arg(&config);
            command.env_clear().env("PATH", &path).env("TMPDIR", &work).env("HOME", &work);
            let output = command.output().unwrap();
            let text =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(3), "{as_whom:?} {words:?}: {text}");
            assert!(text.contains(said), "{as_whom:?} {words:?}: {text}");
            assert!(text.contains("run hallmark as root with the right to make mounts"), "{text}");
            assert!(text.contains("rebuild-engine-unavailable"), "{text}");
            // It is no fault of the image's, and nothing was begun.
            assert!(!text.replace("rebuild-failed", "").contains("build-failed"), "{text}");
            assert_eq!(source.called.load(Ordering::SeqCst), 0, "{text}");
            assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0, "{text}");
        }
    }
}
