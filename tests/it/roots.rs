//! `hallmark trust`: roots are fetched from repositories made for the test, kept, shown and believed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;

use crate::{
    layouts::{Layout, Parts},
    server::{Body, Registry, Reply, Store},
    support::{Answer, Hallmark},
};

#[allow(dead_code, reason = "shared with the unit tests, which need more of it")]
#[path = "../../src/trust/sigstore/tuf/testing.rs"]
mod testing;

use testing::Repository;

const ROOT: &[u8] = include_bytes!("../../src/trust/sigstore/roots/github-2026-08-19.json");

/// A repository on this machine, with a configuration that names it.
struct Lab {
    folder: tempfile::TempDir,
    repository: Repository,
    /// What the server answers, by path.
    served: Arc<Mutex<BTreeMap<String, Reply>>>,
    url: String,
}

impl Lab {
    fn new() -> Self {
        let mut repository = Repository::new(ROOT);
        repository.expires = "2100-01-01T00:00:00Z".to_owned();
        repository.publish();
        let served: Arc<Mutex<BTreeMap<String, Reply>>> = Arc::default();
        let shared = Arc::clone(&served);
        let server = Registry::start(
            Store::default(),
            Box::new(move |request, _| {
                let path = request.path().strip_prefix("/tuf/").unwrap_or_default();
                let reply = shared.lock().unwrap().get(path).cloned();
                Some(reply.unwrap_or_else(|| Reply::new(404)))
            }),
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.json"), repository.initial()).unwrap();
        let url = format!("http://{}/tuf", server.host);
        let lab = Self { folder, repository, served, url };
        lab.serve();
        lab
    }

    fn serve(&self) {
        let files = self.repository.files.iter();
        let replies = files.map(|(path, bytes)| (path.clone(), Reply::new(200).bytes(&**bytes)));
        *self.served.lock().unwrap() = replies.collect();
    }

    fn answers(&self, path: &str, reply: Reply) {
        self.served.lock().unwrap().insert(path.to_owned(), reply);
    }

    fn publish(&mut self, version: u64) {
        self.repository.version = version;
        self.repository.publish();
        self.serve();
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept/ours.json")
    }

    fn config(&self, more: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "version: 1\ntrust:\n  rootFolder: {folder}/kept\n  roots:\n    - name: ours\n      tuf: {{url: \"{}\", root: {folder}/root.json}}\n{more}",
            self.url
        )
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        Hallmark::new(arguments.iter().copied()).config(&self.config("")).run()
    }

    fn update(&self) -> Answer {
        self.run(&["trust", "update", "ours"])
    }

    fn shown(&self) -> Value {
        let answer = self.run(&["trust", "show", "--output", "json"]);
        assert_eq!(answer.code, 0, "{}", answer.all());
        serde_json::from_str(&answer.stdout).unwrap()
    }
}

/// A signer of the repository's root.
const SIGNER: &str =
    "  signers:\n    - {name: a, keyless: {issuer: i, identity: s, root: ours, noCtLog: allow}}\n";

fn named<'a>(shown: &'a Value, name: &str) -> Option<&'a Value> {
    shown["roots"].as_array().unwrap().iter().find(|root| root["name"] == name)
}

#[test]
fn an_update_puts_a_root_in_force() {
    let lab = Lab::new();
    let before = lab.shown();
    assert!(named(&before, "ours").is_none(), "{before}");
    assert_eq!(named(&before, "public-good").unwrap()["from"]["kind"], "embedded");
    let with_signer = || Hallmark::new(["trust", "show"]).config(&lab.config(SIGNER)).run();
    let early = with_signer();
    assert_eq!(early.code, 2, "{}", early.all());
    assert!(early.stderr.contains("run hallmark trust update ours first"), "{}", early.all());
    let answer = lab.update();
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert!(answer.stdout.starts_with("ours: as of 20"), "{}", answer.all());
    let asked = lab.run(&["trust", "update", "ours", "-o", "json"]).json();
    assert_eq!(asked["roots"][0]["name"], "ours", "{asked:#}");
    assert_eq!(asked["roots"][0]["rootVersion"], 1, "{asked:#}");
    let after = lab.shown();
    let ours = named(&after, "ours").unwrap();
    assert_eq!((&ours["from"]["kind"], &ours["standing"]), (&"fetched".into(), &"current".into()));
    assert_eq!(ours["from"]["rootVersion"], 1);
    let kinds: Vec<_> =
        ours["parts"].as_array().unwrap().iter().map(|p| p["kind"].clone()).collect();
    assert!(kinds.contains(&"authority".into()) && kinds.contains(&"timestamps".into()), "{ours}");
    let late = with_signer();
    assert_eq!(late.code, 0, "{}", late.all());
    assert!(late.stdout.contains("ours  fetched, root 1"), "{}", late.all());
}

#[test]
fn a_mirror_in_a_folder_is_as_good() {
    let lab = Lab::new();
    let mirror = lab.folder.path().join("mirror");
    for (path, bytes) in &lab.repository.files {
        let file = mirror.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    lab.served.lock().unwrap().clear();
    let answer = lab.update();
    assert_eq!(answer.code, 3, "nothing is served: {}", answer.all());
    let folder = mirror.display().to_string();
    let answer = lab.run(&["trust", "update", "ours", "--mirror", &folder]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert!(named(&lab.shown(), "ours").is_some());
    for wrong in ["http://r.example/tuf", "file:///x", "absent"] {
        let answer = lab.run(&["trust", "update", "ours", "--mirror", wrong]);
        assert_eq!(answer.code, 2, "{wrong}: {}", answer.all());
    }
    let nobody = lab.run(&["trust", "update", "theirs"]);
    assert_eq!(nobody.code, 2, "{}", nobody.all());
}

#[test]
fn what_is_refused_changes_nothing_that_was_kept() {
    let mut lab = Lab::new();
    lab.publish(5);
    assert_eq!(lab.update().code, 0);
    let kept = std::fs::read(lab.kept()).unwrap();
    let unchanged = |lab: &Lab, code: i32, why: &str| {
        let answer = lab.update();
        assert_eq!(answer.code, code, "{}", answer.all());
        assert!(answer.stderr.contains(why), "{why}: {}", answer.all());
        assert_eq!(std::fs::read(lab.kept()).unwrap(), kept, "{why}");
        let folder: Vec<_> = std::fs::read_dir(lab.kept().parent().unwrap()).unwrap().collect();
        assert_eq!(folder.len(), 1, "nothing half is left: {folder:?}");
    };
    lab.publish(4);
    unchanged(&lab, 1, "rollback");
    lab.publish(6);
    lab.answers("6.targets.json", Reply::new(200).bytes("{}"));
    unchanged(&lab, 1, "6.targets.json");
    lab.serve();
    lab.answers("timestamp.json", Reply::new(200).body(Body::Endless));
    unchanged(&lab, 3, "timestamp.json has more than");
    lab.answers("timestamp.json", Reply::new(500));
    unchanged(&lab, 3, "500");
    lab.answers("timestamp.json", Reply::new(302).with("Location", "http://127.0.0.1:1/x"));
    unchanged(&lab, 3, "302");
    lab.answers("timestamp.json", Reply::new(404));
    unchanged(&lab, 3, "timestamp.json is not there");
    let target = lab.repository.files.keys().find(|path| path.starts_with("targets/")).cloned();
    lab.serve();
    lab.answers(&target.unwrap(), Reply::new(200).bytes("{}"));
    unchanged(&lab, 1, "other than targets.json says");
    lab.serve();
    let answer = lab.update();
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert_ne!(std::fs::read(lab.kept()).unwrap(), kept);
}

#[test]
fn a17_a_poisoned_file_stops_everything_until_it_is_reset() {
    let lab = Lab::new();
    assert_eq!(lab.update().code, 0);
    let honest = std::fs::read_to_string(lab.kept()).unwrap();
    let mut poisoned: Value = serde_json::from_str(&honest).unwrap();
    let public_good = include_str!("../../src/trust/sigstore/roots/public-good-2026-08-21.json");
    poisoned["trustedRoot"] = public_good.into();
    for text in [poisoned.to_string(), honest.replacen("2100", "2999", 1), String::new()] {
        std::fs::write(lab.kept(), text).unwrap();
        let answer = lab.run(&["trust", "show"]);
        assert_eq!(answer.code, 2, "{}", answer.all());
        assert!(answer.stderr.contains("\n  help: hallmark trust update"), "{}", answer.all());
        assert!(!answer.stderr.contains("u{a}"), "{}", answer.all());
        let answer = Hallmark::new(["trust", "show"]).config(&lab.config(SIGNER)).run();
        assert_eq!(answer.code, 2, "{}", answer.all());
        assert!(answer.stderr.contains("a fetched root that verifies"), "{}", answer.all());
        assert!(answer.stderr.contains("trust.signers[0].keyless.root"), "{}", answer.all());
    }
    // Whoever trusts nobody by it is not stopped.
    let image = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let answer = Hallmark::new(["verify", &image.reference()]).config(&lab.config("")).run();
    answer.exits(1).says("FAIL");
    // Without what was kept there is no floor: an older root would be news.
    for text in [String::new(), honest[..honest.len() / 2].to_owned(), poisoned.to_string()] {
        std::fs::write(lab.kept(), &text).unwrap();
        let answer = lab.update();
        assert_eq!(answer.code, 1, "{}", answer.all());
        assert!(answer.stderr.contains("--reset"), "{}", answer.all());
        assert_eq!(std::fs::read_to_string(lab.kept()).unwrap(), text, "it stays as it was");
    }
    let answer = lab.run(&["trust", "update", "ours", "--reset"]);
    assert_eq!(answer.code, 0, "{}", answer.all());
    assert!(answer.stderr.contains("is forgotten"), "{}", answer.all());
    assert!(named(&lab.shown(), "ours").is_some());
    assert!(lab.update().stderr.is_empty());
    // The embedded roots are kept under names of their own, and read with the same care.
    let github: &Path = &lab.folder.path().join("kept/github.json");
    std::fs::write(github, "{}").unwrap();
    let answer = lab.run(&["trust", "show"]);
    assert_eq!(answer.code, 2, "{}", answer.all());
}

#[test]
fn a_policy_of_policy_controller_becomes_a_configuration() {
    const KEY: &str = "-----BEGIN PUBLIC KEY-----\n        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaEOVJCFtduYr3xqTxeRWSW32CY/s\n        TBNZj4oIUPl8JvhVPJ1TKDPlNcuT4YphSt6t3yOmMvkdQbCj8broX6vijw==\n        -----END PUBLIC KEY-----";
    let policy = |more: &str| {
        format!(
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {{name: p}}\nspec:\n  images: [{{glob: r.example/app}}]\n  authorities:\n    - key:\n       data: |\n        {KEY}\n{more}"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let import = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Hallmark::new(["trust", "import"]).arg(&file).run()
    };
    let whole = import(&policy(""));
    assert_eq!(whole.code, 0, "{}", whole.all());
    let read = Hallmark::new(["trust", "show"]).config(&whole.stdout).run();
    assert_eq!(read.code, 0, "{}\n{}", whole.stdout, read.all());
    let part = import(&policy("    - static: {action: pass}\n"));
    assert_eq!(part.code, 1, "{}", part.all());
    assert!(part.stdout.contains("# left out: spec.authorities[1]"), "{}", part.all());
    assert!(Hallmark::new(["trust", "show"]).config(&part.stdout).run().code == 0);
    let asked = Hallmark::new(["trust", "import", "-o", "json"]).arg(&file).run();
    let asked = asked.exits(1).json();
    let left_out = asked["leftOut"].as_array().unwrap();
    assert!(
        left_out.len() == 1 && left_out[0].as_str().unwrap().starts_with("spec.authorities[1]")
    );
    assert!(part.stdout.starts_with(asked["configuration"].as_str().unwrap()), "{asked:#}");
    let wrong = import(&policy("    - {}\n"));
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""), "{}", wrong.all());
    assert!(
        wrong.stderr.contains("spec.authorities[1]: expected exactly one of"),
        "{}",
        wrong.all()
    );
}

#[test]
fn a_pipe_in_a_mirror_is_no_file() {
    let lab = Lab::new();
    let mirror = lab.folder.path().join("mirror");
    for (path, bytes) in &lab.repository.files {
        let file = mirror.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &**bytes).unwrap();
    }
    let update = || {
        let arguments = ["trust", "update", "ours", "--mirror", mirror.to_str().unwrap()];
        Hallmark::new(arguments).config(&lab.config("")).run_within(Duration::from_secs(20))
    };
    update().exits(0);
    let pipe = mirror.join("timestamp.json");
    std::fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    update().exits(3).says("it is no file");
}

/// Of many updates at once, while the repository moves on, the last one kept is not older than any that was told.
#[test]
fn updates_at_once_never_lose_the_newest() {
    let mut lab = Lab::new();
    lab.update().exits(0);
    for version in 2..5 {
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..4).map(|_| scope.spawn(|| lab.update())).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for answer in &answers {
            answer.exits(0);
        }
        lab.publish(version);
        lab.update().exits(0);
    }
    lab.publish(1);
    lab.update().exits(1);
}
