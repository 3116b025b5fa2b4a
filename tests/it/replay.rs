//! A verification that is made again: `verify --save`, `--from`, `--as-of`, and `policy eval --as-of`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    held,
    layouts::{Layout, Parts},
    server::{Key, Registry, World},
    support::{Answer, Hallmark, Lab, trusting},
};

/// What `--save` said of a folder: `DIR@sha256:…`.
#[track_caller]
fn named(answer: &Answer) -> String {
    let line =
        answer.stderr.lines().find_map(|line| line.split_once("verify it again with --from "));
    line.unwrap_or_else(|| panic!("{}", answer.all())).1.trim().to_owned()
}

/// A proxy that nobody listens at: whoever asked the network would fail.
fn cut_off(call: Hallmark) -> Hallmark {
    call.env("HTTPS_PROXY", "http://127.0.0.1:9")
}

/// An image that is signed, in a registry that ends with the test, and a folder in which it is saved.
struct Scene {
    world: World,
    registry: Registry,
    image: String,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let registry = Registry::honest(world.store.clone());
        let image = registry.image(&world.image);
        Self { world, registry, image, folder: tempfile::tempdir().unwrap() }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, options: &[&str]) -> Answer {
        let call = Hallmark::new([&["verify", self.image.as_str()], options].concat());
        call.config(&self.world.config("signed")).run()
    }

    /// Saves the verification into a folder, and gives what it said and the folder's name with its digest.
    fn save(&self, name: &str, options: &[&str]) -> (Answer, String) {
        let place = self.place(name);
        let options = [options, &["--save", place.to_str().unwrap()]].concat();
        let answer = self.verify(&options);
        let named = named(&answer);
        (answer, named)
    }

    /// Verifies a folder by the operator's configuration.
    fn from(&self, name: &str, options: &[&str]) -> Answer {
        self.verify(&[options, &["--from", name]].concat())
    }

    /// Verifies a folder by the configuration in it, as on a machine that has none.
    fn alone(&self, name: &str, options: &[&str]) -> Answer {
        let words = ["verify", &self.image, "--from", name, "--with-saved-configuration"];
        cut_off(Hallmark::new([&words, options].concat())).run()
    }

    /// Writes into the record of a folder.
    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let record = self.place(name).join("evidence.json");
        let mut document: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        change(&mut document);
        fs::write(record, document.to_string()).unwrap();
    }

    /// The answers of a record whose questions begin so.
    fn answers<'d>(document: &'d mut Value, what: &str) -> Vec<&'d mut Value> {
        let answers = document["answers"].as_object_mut().unwrap().iter_mut();
        let of =
            |(question, _): &(&String, &mut Value)| question.starts_with(&format!("[\"{what}\""));
        answers.filter(of).map(|(_, answer)| answer).collect()
    }
}

#[test]
fn what_was_saved_is_verified_again_with_the_same_report() {
    let scene = Scene::new();
    for (at, options) in [&[][..], &["-o", "json"], &["-v"], &["--policy", "slsa", "-o", "json"]]
        .into_iter()
        .enumerate()
    {
        let (answer, named) = scene.save(&format!("saved-{at}"), options);
        answer.exits(i32::from(options.contains(&"slsa")));
        let asked = scene.registry.requests().len();
        let again = scene.from(&named, options);
        assert_eq!((again.code, &again.stdout), (answer.code, &answer.stdout), "{}", again.all());
        let report: Vec<&str> =
            options.iter().copied().filter(|word| !["--policy", "slsa"].contains(word)).collect();
        let alone = scene.alone(&named, &report);
        assert_eq!((alone.code, &alone.stdout), (answer.code, &answer.stdout), "{}", alone.all());
        assert_eq!(scene.registry.requests().len(), asked, "nobody was asked again");
        let record = fs::read(scene.place(&format!("saved-{at}")).join("evidence.json")).unwrap();
        held::holds(&serde_json::from_slice(&record).unwrap(), "the record");
    }
}

/// The folder is one that other tools read, and it holds nothing that the report does not come of.
#[test]
fn what_is_saved_is_a_layout_without_secrets() {
    let scene = Scene::new();
    let logins = scene.place("login.json");
    let auth = format!(
        "{{\"auths\":{{\"{}\":{{\"username\":\"u\",\"password\":\"hunter2\"}}}}}}",
        scene.registry.host
    );
    fs::write(&logins, auth).unwrap();
    let saved = scene.place("saved");
    let call = Hallmark::new(["verify", &scene.image, "--save", saved.to_str().unwrap()]);
    let config = format!(
        "{}registries: [{{host: \"{}\"}}]\n# hunter2\n",
        scene.world.config("signed"),
        scene.registry.host
    );
    call.env("REGISTRY_AUTH_FILE", &logins).config(&config).run().exits(0);
    let layout = format!("oci:{}@{}", saved.display(), scene.world.image);
    let key = scene.world.key.write(scene.folder.path());
    // The signature was under a tag, which a layout without names does not have.
    Hallmark::new(["verify", &layout, "--key", key.to_str().unwrap()]).run().exits(1);
    Hallmark::new(["inspect", &layout]).run().exits(0);
    let mut folders = vec![saved];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let text =
                        String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
                    assert!(!text.contains("hunter2"), "{}", entry.path().display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 5, "{seen}");
    let full = scene.save_into_full();
    full.exits(2).says("it is not empty");
}

impl Scene {
    fn save_into_full(&self) -> Answer {
        self.verify(&["--save", self.folder.path().to_str().unwrap()])
    }
}

/// Who hands a folder over can write into it what he likes.
#[test]
fn i12_a_folder_that_somebody_changed_gives_no_pass() {
    let scene = Scene::new();
    let (answer, named) = scene.save("saved", &[]);
    answer.exits(0);
    let plain = named.split('@').next().unwrap().to_owned();
    scene.from(&plain, &[]).exits(0);
    let bytes = |digest: &str| {
        scene.place("saved").join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
    };
    // A byte of the manifest, of the signed payload, and of nothing.
    let payload = crate::layouts::digest(&scene.world.payload);
    for digest in [scene.world.image.as_str(), &payload] {
        let honest = fs::read(bytes(digest)).unwrap();
        let mut changed = honest.clone();
        changed[10] ^= 1;
        fs::write(bytes(digest), changed).unwrap();
        assert_ne!(scene.from(&plain, &[]).code, 0, "{digest}");
        assert_ne!(scene.from(&named, &[]).code, 0, "{digest}");
        assert_ne!(scene.alone(&named, &[]).code, 0, "{digest}");
        fs::remove_file(bytes(digest)).unwrap();
        assert_ne!(scene.from(&plain, &[]).code, 0, "{digest} is gone");
        std::os::unix::fs::symlink("/etc/hostname", bytes(digest)).unwrap();
        assert_ne!(scene.from(&plain, &[]).code, 0, "{digest} is a link");
        fs::remove_file(bytes(digest)).unwrap();
        fs::write(bytes(digest), honest).unwrap();
    }
    scene.from(&named, &[]).exits(0);
    // Another record is another folder.
    scene.change("saved", |document| document["time"] = "2020-01-01T00:00:00Z".into());
    let answer = scene.from(&named, &[]);
    answer.exits(2).says("was changed since");
    scene.alone(&named, &[]).exits(2).says("was changed since");
    // Its time is nobody's but its maker's.
    let answer = scene.from(&plain, &["-o", "json"]);
    assert!(
        !answer.exits(0).json()["time"].as_str().unwrap().starts_with("2020"),
        "{}",
        answer.all()
    );
    // Answers that are gone are not answers that there is nothing.
    scene.change("saved", |document| {
        let answers = document["answers"].as_object_mut().unwrap();
        answers.retain(|question, _| !question.starts_with("[\"tagged\""));
    });
    assert_ne!(scene.from(&plain, &[]).code, 0);
    // Nor is an answer in another form.
    for strange in [Value::Null, "x".into(), serde_json::json!({ "ok": 1 }), serde_json::json!({})]
    {
        scene.change("saved", |document| {
            let found = Scene::answers(document, "manifest");
            found.into_iter().for_each(|answer| *answer = strange.clone());
        });
        assert_ne!(scene.from(&plain, &[]).code, 0, "{strange}");
    }
}

/// Another image, by another's rules: the name is the operator's, and so is what he trusts.
#[test]
fn i12_the_folder_chooses_neither_image_nor_trust() {
    let scene = Scene::new();
    let (_, named) = scene.save("saved", &[]);
    let plain = named.split('@').next().unwrap().to_owned();
    // By a stranger's key, that of the folder is nobody's.
    let stranger = Key::new().write(scene.folder.path());
    let by_other = |words: &[&str]| {
        let words = [&["verify", scene.image.as_str(), "--from", plain.as_str()], words].concat();
        Hallmark::new(words).config(&trusting(&stranger, "signed")).run()
    };
    by_other(&[]).exits(1);
    by_other(&["--with-saved-configuration"]).exits(2).says("cannot be used with");
    let answer = scene.alone(&plain, &[]);
    answer.exits(0).says("whoever made that folder decides");
    // What its maker says that a name meant, is that name.
    let other = format!("{}/other:1", scene.registry.host);
    let typed = |image: &str| {
        let call = Hallmark::new(["verify", image, "--from", &plain]);
        call.config(&scene.world.config("signed")).run()
    };
    typed(&other).exits(3).says("does not have");
    let question = serde_json::json!(["resolve", other]).to_string();
    scene.change("saved", |document| {
        let answer = Scene::answers(document, "resolve").remove(0).clone();
        document["answers"][&question] = answer;
    });
    typed(&other).exits(3).says("another image");
    let digest = format!("{}/app@sha256:{}", scene.registry.host, "0".repeat(64));
    let question = serde_json::json!(["resolve", digest]).to_string();
    scene.change("saved", |document| {
        let answer = Scene::answers(document, "resolve").remove(0).clone();
        document["answers"][&question] = answer;
    });
    typed(&digest).exits(3).says("another image");
}

#[test]
fn layouts_and_lists_are_saved_too() {
    let scene = Scene::new();
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let gone = scene.registry.image("gone");
    let images = [layout.reference(), scene.image.clone(), gone];
    let saved = scene.place("saved");
    let first = ["verify", "-o", "json", "--save", saved.to_str().unwrap()].map(str::to_owned);
    let call = Hallmark::new(first.iter().chain(&images));
    let answer = call.config(&scene.world.config("signed")).run();
    answer.exits(1);
    let named = named(&answer);
    drop(layout);
    let again = ["verify", "-o", "json", "--from", &named, "--with-saved-configuration"];
    let again = again.map(str::to_owned);
    let again = cut_off(Hallmark::new(again.iter().chain(&images))).run();
    assert_eq!((again.code, &again.stdout), (answer.code, &answer.stdout), "{}", again.all());
}

#[test]
fn rules_and_exceptions_judge_by_another_time_and_reports_say_so() {
    let scene = Scene::new();
    let rules = scene.place("rules");
    fs::create_dir(&rules).unwrap();
    let rule = "package hallmark.until\n\ndeny contains {\"code\": \"too-late\", \"msg\": \"wait\"} if {\n\
                \ttime.parse_rfc3339_ns(input.time) >= time.parse_rfc3339_ns(\"2200-01-01T00:00:00Z\")\n}\n";
    fs::write(rules.join("until.rego"), rule).unwrap();
    let policy = ["--policy", rules.to_str().unwrap()];
    let verify = |options: &[&str]| scene.verify(&[&policy, options].concat());
    verify(&[]).exits(0).says_not("another time");
    verify(&["--as-of", "2199-12-31"]).exits(0).says("policy-other-time");
    verify(&["--as-of", "2200-01-01"]).exits(1).says("too-late").says("2200-01-01T00:00:00Z");
    for format in ["json", "sarif", "junit", "github", "gitlab", "markdown", "html"] {
        verify(&["--as-of", "2199-12-31", "-o", format]).exits(0).says("policy-other-time");
    }
    verify(&["--as-of", "soon"]).exits(2).says("expected a day");
    let summary = ["--attest", "/nowhere", "--verifier", "https://v.example"];
    verify(&[&["--as-of", "2199-12-31"], &summary[..]].concat())
        .exits(2)
        .says("cannot be used with");
    // Another time is kept as such, and again another one can be asked for.
    let (answer, named) = scene.save("saved", &[&policy[..], &["--as-of", "2200-01-01"]].concat());
    answer.exits(1).says("policy-other-time");
    let again = scene.alone(&named, &[]);
    assert_eq!(again.stdout, answer.stdout, "{}", again.all());
    scene.alone(&named, &["--as-of", "2100-01-01"]).exits(0).says("2100-01-01T00:00:00Z");
    // And of a saved input.
    let input = scene.place("input.json");
    let printed = Hallmark::new(["policy", "input", &scene.image]);
    fs::write(&input, printed.config(&scene.world.config("signed")).run().stdout).unwrap();
    let eval = |options: &[&str]| {
        let words = ["policy", "eval", input.to_str().unwrap()];
        let call = Hallmark::new([&words, &policy[..], options].concat());
        call.config(&scene.world.config("signed")).run()
    };
    eval(&[]).exits(0).says_not("policy-other-time");
    eval(&["--as-of", "2200-01-01", "-o", "json"])
        .exits(1)
        .says("too-late")
        .says("policy-other-time");
    eval(&["--as-of", "2199-12-31"]).exits(0).says("policy-other-time");
    // And where a rule is explained, in every form.
    for format in ["text", "json"] {
        let explain = |options: &[&str]| {
            let words = ["policy", "explain", input.to_str().unwrap(), "-o", format];
            let call = Hallmark::new([&words, &policy[..], options].concat());
            call.config(&scene.world.config("signed")).run()
        };
        explain(&[]).exits(0).says_not("policy-other-time");
        explain(&["--as-of", "2200-01-01"]).exits(1).says("too-late").says("policy-other-time");
    }
}

/// Every image of the lab, by a preset that reads layers and builds: the same report from the folder alone, cut off from everything.
#[test]
fn all_images_of_the_lab_are_verified_again_with_the_same_report() {
    let test = "all_images_of_the_lab_are_verified_again_with_the_same_report";
    let Some(lab) = Lab::here(test) else { return };
    let key = Path::new(lab.get("KEY_A"));
    let folder = tempfile::tempdir().unwrap();
    let registry = lab.get("REGISTRY").to_owned();
    let images: Vec<(String, String)> = lab
        .variables
        .iter()
        .filter(|(_, value)| value.starts_with(&format!("{registry}/")) && value.contains('@'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    assert!(images.len() > 5, "{images:?}");
    for (name, image) in images {
        let saved = folder.path().join(&name);
        let first = ["verify", &image, "-o", "json", "--save", saved.to_str().unwrap()];
        let answer = lab.hallmark(first).config(&trusting(key, "reproducible")).run();
        let named = named(&answer);
        let alone =
            ["verify", &image, "-o", "json", "--from", &named, "--with-saved-configuration"];
        // Without the lab's tools on its PATH.
        let again = cut_off(Hallmark::new(alone)).env("PATH", "/nowhere").run();
        assert_eq!(again.code, answer.code, "{name}: {}", again.all());
        assert_eq!(again.stdout, answer.stdout, "{name}");
        // Without the digest a rebuild is nobody's, and its folder no pass.
        let plain = named.split('@').next().unwrap();
        let own = Hallmark::new(["verify", &image, "--from", plain]);
        let own = own.config(&trusting(key, "reproducible")).run();
        assert_ne!(own.code, 0, "{name}: {}", own.all());
        fs::remove_dir_all(saved).unwrap();
    }
}
