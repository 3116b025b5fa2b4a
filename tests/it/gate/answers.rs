//! One answer everywhere: what `verify` says of an image, `verify --from` says of its saved evidence, byte by byte; the rules say
//! under `policy eval` of the input in its report, and of the one that `policy input` prints; and the gate says to a cluster.
//!
//! Images that differ in what is proven of them and in what is in them, each under every preset, with exceptions, one of them about a path,
//! and days from which on codes deny, at three dates: today, when the exceptions have ended, and when the days have come. The gate and
//! `policy input` know today alone.

use std::{collections::BTreeSet, fs, path::Path};

use hallmark::policy::bundle::Preset;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Gate;
use crate::{
    layouts::Parts,
    server::{Key, Registry, World},
    support::{Answer, Hallmark, trusting},
};

const SLSA: &str = "https://slsa.dev/provenance/v1";

/// A day from now.
fn day(days: i64) -> String {
    let then = Timestamp::now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
    then.to_string().split('T').next().unwrap().to_owned()
}

/// Signs a statement of provenance about a digest and puts it beside an image.
fn attest(world: &mut World, image: &str, about: &str, source: &str) {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": SLSA,
        "subject": [{"name": "app", "digest": {"sha256": about.trim_start_matches("sha256:")}}],
        "predicate": {
            "buildDefinition": {
                "buildType": "https://mobyproject.org/buildkit@v1",
                "externalParameters": {
                    "configSource": {"uri": source, "digest": {"sha1": "1".repeat(40)}, "path": "Dockerfile"},
                    "request": {"frontend": "dockerfile.v0", "args": {}},
                },
                "resolvedDependencies": [{"uri": source, "digest": {"sha1": "1".repeat(40)}}],
            },
            "runDetails": {"builder": {"id": "https://ci.example/builder"}},
        },
    });
    let envelope = world.key.envelope(statement.to_string().as_bytes()).to_string();
    let annotations = json!({"predicateType": SLSA, "dsseEnvelope": ""});
    world.store.attach(image, "att", envelope.as_bytes(), &annotations);
}

/// The images, by what is odd about each, in a registry.
struct Fixtures {
    world: World,
    registry: Registry,
    images: Vec<(&'static str, String)>,
    revoked: String,
}

impl Fixtures {
    fn new() -> Self {
        let mut world = World::new();
        let add = |world: &mut World, files: &[(&str, &[u8])], signed: bool| {
            let image = world.store.image(&Parts::new(files));
            if signed {
                world.key.sign(&mut world.store, &image);
            }
            image
        };
        let signed = world.image.clone();
        let bare = add(&mut world, &[("bin/app", b"unsigned")], false);
        let stolen = add(&mut world, &[("bin/app", b"signed by somebody")], false);
        Key::new().sign(&mut world.store, &stolen);
        let built =
            add(&mut world, &[("bin/app", b"built"), ("etc/os-release", b"ID=debian\n")], true);
        attest(&mut world, &built, &built, "https://git.example/team/app.git#refs/heads/main");
        let liar = add(&mut world, &[("bin/app", b"of another")], true);
        attest(&mut world, &liar, &bare, "https://git.example/team/app.git#refs/heads/main");
        let key = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n";
        let odd = add(&mut world, &[("bin/app", b"odd"), ("root/key.pem", key)], true);
        let registry = Registry::honest(world.store.clone());
        let images = [
            ("signed", signed),
            ("bare", bare),
            ("stolen", stolen),
            ("built", built),
            ("liar", liar),
            ("odd", odd.clone()),
        ];
        let images = images.map(|(name, digest)| (name, registry.image(&digest))).to_vec();
        Self { world, registry, images, revoked: odd }
    }

    /// A configuration with exceptions that end in a month, and a code that denies from in a hundred days on.
    fn config(&self, preset: &str) -> String {
        let key = self.world.key.write(self.world.folder.path());
        let trust = trusting(&key, preset);
        let trust = trust.split("policy:").next().unwrap();
        let exception = |code: &str| {
            format!(
                "    - {{code: {code}, images: [\"{}/**\"], reason: r, owner: o, expires: {}}}\n",
                self.registry.host,
                day(30)
            )
        };
        let (excepted, from): (&[&str], _) = match preset {
            "baseline" => (&["image-revoked"], None),
            "signed" => (
                &["image-revoked", "secret-in-layer, path: /root/key.pem"],
                Some("signature-missing"),
            ),
            "slsa" | "slsa-l2" | "slsa-l3" => {
                (&["image-revoked", "signature-missing"], Some("provenance-missing"))
            }
            _ => (
                &["image-revoked", "signature-missing", "rebuild-missing"],
                Some("provenance-missing"),
            ),
        };
        let exceptions: String = excepted.iter().map(|code| exception(code)).collect();
        let from = from.map(|code| format!("  effective: {{{code}: {}}}\n", day(100)));
        let rules = if preset == "signed" { "  rules: [secrets]\n" } else { "" };
        format!(
            "{trust}policy:\n  preset: {preset}\n{rules}  settings: {{signature: {{revoked: [\"{}\"]}}}}\n  exceptions:\n{exceptions}{}\
             rebuild: {{when: never}}\n",
            self.revoked,
            from.unwrap_or_default()
        )
    }

    fn verify(&self, config: &str, words: &[&str]) -> Answer {
        let images: Vec<&str> = self.images.iter().map(|(_, image)| image.as_str()).collect();
        Hallmark::new([&["verify", "-o", "json"][..], images.as_slice(), words].concat())
            .config(config)
            .run()
    }
}

/// The reports of several images, in their order.
fn reports(answer: &Answer) -> Vec<Value> {
    let document = answer.json();
    let all = document["images"].as_array().unwrap_or_else(|| panic!("{}", answer.all())).iter();
    all.map(|one| one["report"].clone()).collect()
}

/// What rules denied with, as `code (package)`, and what each said, of a report: either a finding is the rule's word, or one of which the
/// rule says the same.
fn denied(platform: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut words) = (BTreeSet::new(), BTreeSet::new());
    for finding in platform["findings"].as_array().unwrap() {
        if finding["severity"] != "error" {
            continue;
        }
        let facts = &finding["facts"];
        if finding["code"] == "policy-denied" {
            names.insert(facts["from"].as_str().unwrap().to_owned());
            words.insert(facts["why"].as_str().unwrap().to_owned());
        }
        let rules = facts["rule"].as_str().unwrap_or_default().split(", ");
        names.extend(rules.filter(|rule| !rule.is_empty()).map(str::to_owned));
    }
    (names, words)
}

/// The same of a judgement.
fn judged(judgement: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let all = judgement["deny"].as_array().unwrap().iter();
    // That the image has errors is said by the errors.
    let all = all.filter(|one| one["code"] != "error-findings");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let name = |one: &Value| format!("{} ({})", text(&one["code"]), text(&one["package"]));
    (all.clone().map(name).collect(), all.map(|one| text(&one["msg"])).collect())
}

/// What `policy input` prints of an image.
fn input(config: &str, image: &str) -> Value {
    let answer = Hallmark::new(["policy", "input", image]).config(config).run();
    answer.exits(0);
    answer.json()
}

/// Rules under `policy eval` of an input.
fn eval(config: &str, folder: &Path, input: &Value, words: &[&str]) -> (i32, Value) {
    let file = folder.join("input.json");
    fs::write(&file, input.to_string()).unwrap();
    let call = Hallmark::new([&["policy", "eval", "-o", "json"][..], words].concat()).arg(file);
    let answer = call.config(config).run();
    (answer.code, answer.json())
}

#[tokio::test]
async fn verify_eval_saved_evidence_and_the_gate_give_one_answer() {
    let fixtures = Fixtures::new();
    let folder = tempfile::tempdir().unwrap();
    let (mut differences, mut passes, mut denials) = (Vec::new(), 0, 0);
    for preset in Preset::names() {
        let config = fixtures.config(preset);
        let gate = Gate::start(&config).await;
        let mut asked = 0;
        for (number, date) in [None, Some(day(45)), Some(day(200))].into_iter().enumerate() {
            let as_of = date.as_ref().map_or(Vec::new(), |date| vec!["--as-of", date.as_str()]);
            let place = folder.path().join(format!("{preset}-{number}"));
            let place = place.to_str().unwrap();
            let saved = fixtures.verify(&config, &[as_of.as_slice(), &["--save", place]].concat());
            let named = saved
                .stderr
                .lines()
                .find_map(|line| line.split_once("verify it again with --from "));
            let named = named.unwrap_or_else(|| panic!("{preset}: {}", saved.all())).1.trim();
            let again = fixtures.verify(&config, &[as_of.as_slice(), &["--from", named]].concat());
            assert_eq!(
                (again.code, &again.stdout),
                (saved.code, &saved.stdout),
                "{preset} {date:?}"
            );
            for ((name, image), report) in fixtures.images.iter().zip(reports(&saved)) {
                let at = format!("{name} under {preset} at {date:?}");
                let passed = report["verdict"] == "pass";
                if passed {
                    passes += 1;
                } else {
                    denials += 1;
                }
                let platform = &report["platforms"][0];
                if date.is_none() {
                    asked += 1;
                    let answer = of_gate(&gate, asked, image).await;
                    let want = (passed, if passed { BTreeSet::new() } else { errors(platform) });
                    if answer != want {
                        differences
                            .push(format!("{at}: verify says {want:?}, the gate {answer:?}"));
                    }
                }
                // These take seconds to compile without optimisation.
                let costly = ["slsa-l3", "regulated"].contains(&preset);
                if costly && (number == 1 || !["bare", "built", "odd"].contains(name)) {
                    continue;
                }
                let mut inputs = vec![platform["evidence"].clone()];
                if date.is_none() && ["built", "odd"].contains(name) {
                    inputs.push(input(&config, image));
                }
                for input in inputs {
                    let (code, judgement) = eval(&config, folder.path(), &input, &as_of);
                    if (code == 0) != passed {
                        differences
                            .push(format!("{at}: verify passes: {passed}, eval exits with {code}"));
                    }
                    let ((names, words), (mut want, said)) = (denied(platform), judged(&judgement));
                    // Where nothing in the layers could lift a denial they are not read, and rules that ask for them are not heard.
                    if has(platform, "image-layers-not-read") {
                        want.retain(|name| !asks(name));
                    }
                    if names != want {
                        let why = format!("verify denies with {names:?}, eval with {want:?}");
                        differences.push(format!("{at}: {why}"));
                    }
                    let unsaid = words.difference(&said);
                    differences
                        .extend(unsaid.map(|word| format!("{at}: eval does not say {word:?}")));
                }
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new(), "{differences:#?}");
    assert!(passes > 10 && denials > 10, "{passes} pass, {denials} are denied");
    // The exception about a path lifts something.
    let (_, odd) = fixtures.images.last().unwrap();
    let config = fixtures.config("signed");
    let excepted = Hallmark::new(["verify", odd.as_str()]).config(&config).run();
    excepted.exits(0).says("secret-in-layer");
}

/// Whether a finding is there.
fn has(platform: &Value, code: &str) -> bool {
    platform["findings"].as_array().unwrap().iter().any(|finding| finding["code"] == code)
}

/// Whether rules of a package ask for what is in the layers, or for a rebuild.
fn asks(name: &str) -> bool {
    let package = name.split("(hallmark.").nth(1).unwrap().trim_end_matches(')');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("policies/{package}.rego"));
    fs::read_to_string(file).unwrap().lines().any(|line| line.starts_with("needs"))
}

/// Codes of the errors, and of the rules whose word one is.
fn errors(platform: &Value) -> BTreeSet<String> {
    let all = platform["findings"].as_array().unwrap().iter();
    let errors = all.filter(|finding| finding["severity"] == "error");
    let codes = errors.flat_map(|finding| {
        let of_rule =
            finding["facts"]["from"].as_str().filter(|_| finding["code"] == "policy-denied");
        let of_rule = of_rule.and_then(|from| from.split(' ').next());
        [finding["code"].as_str(), of_rule]
    });
    codes.flatten().map(str::to_owned).collect()
}

/// Whether the gate lets an image in, and the codes of its denial.
async fn of_gate(gate: &Gate, asked: usize, image: &str) -> (bool, BTreeSet<String>) {
    let allowed = gate.pod(image).await["allowed"] == true;
    let decision = gate.decisions(asked).await[asked - 1].clone();
    let codes = decision["images"][0]["codes"].as_array().unwrap().iter();
    let codes = codes.map(|code| code.as_str().unwrap().to_owned());
    (allowed, if allowed { BTreeSet::new() } else { codes.collect() })
}
