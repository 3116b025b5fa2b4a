//! `hallmark policy import`: what becomes of policies of other tools, and how images are judged by it.

use std::fs;

use serde_json::{Value, json};

use crate::{
    server::{Key, Registry, World},
    support::{Answer, Hallmark},
};

const SLSA: &str = "https://slsa.dev/provenance/v1";

/// An image signed by the world's key and one by nobody, in a registry.
struct Scene {
    world: World,
    registry: Registry,
    signed: String,
    bare: String,
    /// Signed, and with signed provenance.
    built: String,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let image = |world: &mut World, text: &[u8]| {
            world.store.image(&crate::layouts::Parts::new(&[("bin/app", text)]))
        };
        let bare = image(&mut world, b"unsigned");
        let built = image(&mut world, b"built");
        world.key.sign(&mut world.store, &built);
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": SLSA,
            "subject": [{"name": "app", "digest": {"sha256": built.trim_start_matches("sha256:")}}],
            "predicate": {
                "buildDefinition": {"buildType": "https://ci.example/build", "externalParameters": {}},
                "runDetails": {"builder": {"id": "https://ci.example"}},
            },
        });
        let envelope = world.key.envelope(statement.to_string().as_bytes()).to_string();
        let annotations = json!({"predicateType": SLSA, "dsseEnvelope": ""});
        world.store.attach(&built, "att", envelope.as_bytes(), &annotations);
        let registry = Registry::honest(world.store.clone());
        let [signed, bare, built] =
            [&world.image, &bare, &built].map(|digest| registry.image(digest));
        Self { world, registry, signed, bare, built }
    }

    fn key(&self) -> Value {
        json!({"keys": {"publicKeys": self.world.key.pem, "rekor": {"ignoreTlog": true}}})
    }

    fn cluster_policy(&self, entry: &Value) -> Value {
        let mut verified = json!({"imageReferences": [format!("{}/*", self.registry.host)]});
        verified.as_object_mut().unwrap().extend(entry.as_object().unwrap().clone());
        json!({
            "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "signed"},
            "spec": {"validationFailureAction": "Enforce", "background": false, "rules": [{
                "name": "signed",
                "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                "verifyImages": [verified],
            }]},
        })
    }
}

fn import(policy: &Value, words: &[&str]) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    fs::write(&file, yaml(policy)).unwrap();
    Hallmark::new([&["policy", "import"][..], words].concat()).arg(file).run()
}

/// As people write it: a policy in JSON is YAML, too.
fn yaml(policy: &Value) -> String {
    format!("---\n{policy:#}\n")
}

#[track_caller]
fn judges(config: &str, image: &str, code: i32) -> Answer {
    Hallmark::new(["config", "check"]).config(config).run().exits(0);
    let answer = Hallmark::new(["verify", image]).config(config).run();
    answer.exits(code);
    answer
}

#[test]
fn a_policy_of_kyverno_judges_here_as_it_does_there() {
    let scene = Scene::new();
    let policy = scene.cluster_policy(&json!({"attestors": [{"entries": [scene.key()]}]}));
    let whole = import(&policy, &[]);
    whole.exits(0).says("# left out: spec.background: ").says("(accepts the same)");
    judges(&whole.stdout, &scene.signed, 0);
    judges(&whole.stdout, &scene.bare, 1).says("signature-missing");
    let document = import(&policy, &["-o", "json"]).exits(0).json();
    assert_eq!(
        (&document["tool"], &document["lost"][0]["accepts"]),
        (&json!("kyverno"), &json!("same"))
    );
    assert!(whole.stdout.starts_with(document["configuration"].as_str().unwrap()), "{document:#}");

    // Two keys that both have to have signed.
    let other = json!({"keys": {"publicKeys": Key::new().pem, "rekor": {"ignoreTlog": true}}});
    let both = scene.cluster_policy(&json!({"attestors": [{"entries": [scene.key(), other]}]}));
    judges(&import(&both, &[]).exits(0).stdout, &scene.signed, 1);
    let any = scene
        .cluster_policy(&json!({"attestors": [{"count": 1, "entries": [scene.key(), other]}]}));
    judges(&import(&any, &[]).exits(0).stdout, &scene.signed, 0);

    // And provenance.
    let attested = scene.cluster_policy(&json!({
        "attestors": [{"entries": [scene.key()]}],
        "attestations": [{"type": SLSA, "attestors": [{"entries": [scene.key()]}]}],
    }));
    let attested = import(&attested, &[]);
    attested.exits(0);
    judges(&attested.stdout, &scene.built, 0);
    judges(&attested.stdout, &scene.signed, 1).says("config-trust-rule-unmet");
}

#[test]
fn a_validating_policy_of_kyverno_judges_here_as_it_does_there() {
    let scene = Scene::new();
    let policy = json!({
        "apiVersion": "policies.kyverno.io/v1", "kind": "ImageValidatingPolicy", "metadata": {"name": "v"},
        "spec": {
            "validationActions": ["Deny"],
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"],
            }]},
            "matchImageReferences": [{"glob": format!("{}/*", scene.registry.host)}],
            "attestors": [{"name": "ours", "cosign": {
                "key": {"data": scene.world.key.pem}, "ctlog": {"insecureIgnoreTlog": true},
            }}],
            "validations": [{
                "expression": "images.containers.map(image, verifyImageSignatures(image, [attestors.ours])).all(e, e > 0)",
                "message": "not signed",
            }],
        },
    });
    let whole = import(&policy, &[]);
    whole.exits(0);
    judges(&whole.stdout, &scene.signed, 0);
    judges(&whole.stdout, &scene.bare, 1).says("signature-missing");
}

#[test]
fn what_would_accept_more_is_said_in_a_lossy_import_alone() {
    let scene = Scene::new();
    let attestors = json!([{"entries": [scene.key()]}]);
    let policy =
        scene.cluster_policy(&json!({"attestors": attestors, "annotations": {"stage": "prod"}}));
    let strict = import(&policy, &[]);
    strict.exits(1).says("# nothing of this can be said").says("--lossy");
    strict.says("# left out: spec.rules[0].verifyImages[0].annotations: ");
    let document = import(&policy, &["-o", "json"]).exits(1).json();
    assert_eq!(document["configuration"], Value::Null);
    let lossy = import(&policy, &["--lossy"]);
    lossy.exits(1).says("(accepts more than the policy)");
    judges(&lossy.stdout, &scene.signed, 0);

    let policy = json!({
        "name": "Release", "publicKey": scene.world.key.pem,
        "sources": [{
            "policy": ["github.com/conforma/policy//policy/release"],
            "config": {"include": ["@slsa3"]},
            "ruleData": {"allowed_registry_prefixes": ["registry.example/base/"]},
        }],
    });
    import(&policy, &[]).exits(1).says("# left out: sources[0].policy[0]: ");
    let lossy = import(&policy, &["--lossy"]);
    lossy.exits(1).says("base:").says("slsa-l2");
    Hallmark::new(["config", "check"]).config(&lossy.stdout).run().exits(0);
    // Its key has to have signed the image and its provenance, whatever else is asked.
    let by =
        |image: &str| Hallmark::new(["verify", image, "--no-rebuild"]).config(&lossy.stdout).run();
    by(&scene.signed).exits(1).says("config-trust-rule-unmet");
    by(&scene.bare).exits(1).says("signature-missing");
    by(&scene.built).says_not("config-trust-rule-unmet");
}

#[test]
fn hostile_policies_are_refused_with_their_place() {
    let cases = [
        ("kind: [", "document: "),
        ("apiVersion: v1\nkind: Pod\n", "kind: Pod: expected "),
        ("a: &x [1]\nkind: *x\n", "kind: it is missing"),
        (
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\nspec: {rules: [[]]}\n",
            "spec.rules[0]: ",
        ),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nkind: Policy\n", "duplicate"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let run = |text: &str| {
        fs::write(&file, text).unwrap();
        Hallmark::new(["policy", "import"]).arg(&file).run()
    };
    for (text, why) in cases {
        run(text).exits(2).says(why);
    }
    // Aliases that would grow without end, and nesting without end.
    let mut bomb = String::from("a0: &a0 [x, x]\n");
    for n in 1..40 {
        bomb += &format!("a{n}: &a{n} [*a{}, *a{}]\n", n - 1, n - 1);
    }
    run(&bomb).exits(2);
    run(&format!("kind: {}", "[".repeat(100_000))).exits(2);
    run(&"x".repeat((1 << 20) + 1)).exits(2);
    fs::write(&file, [0xff, 0xfe]).unwrap();
    Hallmark::new(["policy", "import"]).arg(&file).run().exits(2).says("no text");
    let evil = json!({
        "apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"},
        "spec": {"rules": [{"\u{202e}x": 1, "verifyImages": []}]},
    });
    let answer = import(&evil, &[]);
    assert!(!answer.all().contains('\u{202e}'), "{}", answer.all());
}
