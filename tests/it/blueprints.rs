//! Blueprints and approvals by the real program: an image that was built as approved passes, and any difference is denied until somebody
//! who may approves exactly that one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    sign::{Keys, public},
    support::{Answer, Hallmark},
};

const BLUEPRINT: &str = "https://hallmark.dev/blueprint/v0.1";
const APPROVAL: &str = "https://hallmark.dev/approval/v0.1";
const DOCKERFILE: &str = "FROM registry.example/base/golang:1 AS build\nRUN go build -o /out/app\n\
    FROM scratch\nCOPY --from=build /out/app /bin/app\n";

/// An image, its keys, and what is said of it.
struct Scene {
    keys: Keys,
    folder: tempfile::TempDir,
    layout: Layout,
}

impl Scene {
    /// An image that `ci` says to be built of this Dockerfile.
    fn of(dockerfile: &str) -> Self {
        let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
        let layout = Layout::of(&Parts::new(&[("bin/app", b"app")]));
        for name in ["ci", "architect", "security", "stranger"] {
            keys.p256(name);
        }
        let scene = Self { keys, folder, layout };
        scene.sign(&provenance(dockerfile), "slsaprovenance1", "ci", None).exits(0);
        scene
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A statement about the image; beside it, or in a file.
    fn sign(&self, predicate: &Value, kind: &str, by: &str, to: Option<&Path>) -> Answer {
        let file = self.file("predicate.json");
        fs::write(&file, predicate.to_string()).unwrap();
        let call = Hallmark::new(["sign", &self.layout.reference(), "--type", kind]);
        let call = call.arg("--predicate").arg(file).arg("--key").arg(self.keys.path(by));
        match to {
            Some(bundle) => call.arg("--bundle").arg(bundle).run(),
            None => call.run(),
        }
    }

    /// A configuration with these entries under `policy`.
    fn config(&self, policy: &str) -> String {
        let signer = |name: &str| {
            format!("{{name: {name}, key: \"{}\"}}", public(&self.keys.path(name)).display())
        };
        let signers: Vec<String> = ["ci", "architect", "security"].map(signer).into();
        format!(
            "version: 1\ntrust:\n  signers: [{}]\n  rules: [{{images: [\"**\"], predicates: [provenance], signers: [ci]}}]\n\
             policy:\n  preset: baseline\n  rules: [blueprint]\n{policy}",
            signers.join(", ")
        )
    }

    /// The configuration with the blueprint in `blueprint.json`.
    fn held(&self, more: &str) -> String {
        let file = self.file("blueprint.json");
        self.config(&format!(
            "  blueprints: [{{images: [\"**\"], file: \"{}\", signers: [architect]}}]\n{more}",
            file.display()
        ))
    }

    fn verify(&self, config: &str, options: &[&str]) -> Answer {
        let image = self.layout.reference();
        let words = ["verify", &image].into_iter().chain(options.iter().copied());
        Hallmark::new(words.map(str::to_owned)).config(config).run()
    }

    /// What the program writes of the image as a first blueprint.
    fn drafted(&self) -> Value {
        let drafted = Hallmark::new(["policy", "blueprint", &self.layout.reference()]);
        drafted.config(&self.config("")).run().exits(0).json()
    }

    fn approved_by(&self, blueprint: &Value, name: &str) {
        let file = self.file("blueprint.json");
        self.sign(blueprint, BLUEPRINT, name, Some(&file)).exits(0);
    }
}

/// BuildKit's provenance (`mode=max`) of a build of this Dockerfile.
fn provenance(dockerfile: &str) -> Value {
    let digest = "e".repeat(64);
    json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": { "uri": "https://git.example/app.git", "digest": { "sha1": "a".repeat(40) }, "path": "Dockerfile" },
                "request": { "frontend": "dockerfile.v0", "args": {} },
            },
            "internalParameters": { "builderPlatform": "linux/amd64" },
            "resolvedDependencies": [
                { "uri": "pkg:docker/registry.example/base/golang@1?platform=linux%2Famd64", "digest": { "sha256": digest } },
            ],
        },
        "runDetails": { "builder": { "id": "" }, "metadata": { "buildkit_metadata": { "source": {
            "infos": [{ "filename": "Dockerfile", "data": STANDARD.encode(dockerfile) }],
        } } } },
    })
}

/// The difference that a report names for a code.
fn difference(answer: &Answer, code: &str) -> String {
    let report = answer.json();
    let findings = report["platforms"][0]["findings"].as_array().unwrap();
    let is_meant = |finding: &&Value| {
        finding["facts"]["from"].as_str().is_some_and(|from| from.starts_with(code))
    };
    let help = findings.iter().find(is_meant).unwrap_or_else(|| panic!("{}", answer.all()))["facts"]
        ["help"]
        .as_str()
        .unwrap();
    let at = help.find("sha256:").unwrap();
    help[at..at + "sha256:".len() + 64].to_owned()
}

fn approval(difference: &str, approved: &str, expires: &str) -> Value {
    json!({
        "difference": difference, "reason": "until the tool has an image of its own", "owner": "team-app",
        "approved": approved, "expires": expires,
    })
}

#[test]
fn a_build_as_approved_passes_and_nothing_else_does() {
    let scene = Scene::of(DOCKERFILE);
    let drafted = scene.drafted();
    assert_eq!(drafted["edges"][0]["paths"], json!(["/out/app"]));
    assert_eq!(drafted["stages"][1]["role"], "runtime");
    let without = scene.verify(&scene.config(""), &[]);
    without.exits(1).says("blueprint-missing");

    scene.approved_by(&drafted, "architect");
    scene.verify(&scene.held(""), &[]).exits(0).says("PASS");
    // One for other images is none for this.
    let elsewhere =
        scene.held("").replace("images: [\"**\"], file", "images: [r.example/app], file");
    scene.verify(&elsewhere, &[]).exits(1).says("blueprint-missing");
    let gently = format!("{elsewhere}  settings: {{blueprint: {{missing: warn}}}}\n");
    scene.verify(&gently, &[]).exits(0).says("blueprint-missing");
    // What is signed is read, and has to be one.
    let mut empty = drafted;
    empty["stages"] = json!([]);
    scene.sign(&empty, BLUEPRINT, "architect", None).exits(2).says("exactly one");

    let unread = scene.held("").replace("  rules: [blueprint]\n", "");
    scene.verify(&unread, &[]).exits(2).says("policy.blueprints");
    let regulated = unread.replace("preset: baseline", "preset: regulated");
    scene.verify(&regulated, &["--no-rebuild"]).exits(1).says_not("blueprint-missing");
}

#[test]
fn i28_a_blueprint_counts_where_one_who_may_signed_it() {
    let scene = Scene::of(DOCKERFILE);
    let drafted = scene.drafted();
    for (by, words) in [("stranger", "no configured signer"), ("ci", "it is signed by ci")] {
        scene.approved_by(&drafted, by);
        scene.verify(&scene.held(""), &[]).exits(2).says(words).says("blueprints[0].file");
    }
    let file = scene.file("blueprint.json");
    scene.approved_by(&drafted, "architect");
    // One character of what is signed.
    let bundle: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let text = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
    let changed = STANDARD.encode(text.replace("/out/app", "/out/**"));
    let mut forged = bundle.clone();
    forged["dsseEnvelope"]["payload"] = json!(changed);
    fs::write(&file, forged.to_string()).unwrap();
    scene.verify(&scene.held(""), &[]).exits(2).says("no configured signer");
    // Nobody signed it, it is something else, it is not there.
    fs::write(&file, drafted.to_string()).unwrap();
    scene.verify(&scene.held(""), &[]).exits(2).says("blueprints[0].file");
    let other = json!({"difference": format!("sha256:{}", "a".repeat(64)), "reason": "r", "owner": "o",
        "approved": "2026-11-30", "expires": "2026-12-01"});
    // A file that is no bundle is not taken for one to be replaced.
    scene.sign(&other, APPROVAL, "architect", Some(&file)).exits(2).says("is no bundle");
    fs::remove_file(&file).unwrap();
    scene.sign(&other, APPROVAL, "architect", Some(&file)).exits(0);
    scene.verify(&scene.held(""), &[]).exits(2).says("predicate type");
    fs::remove_file(&file).unwrap();
    scene.verify(&scene.held(""), &[]).exits(2).says("blueprints[0].file");
}

#[test]
fn stages_that_cannot_be_known_are_denied() {
    let scene = Scene::of(DOCKERFILE);
    scene.approved_by(&scene.drafted(), "architect");
    let held = scene.held("");
    for dockerfile in [
        "FROM registry.example/base/golang:1 AS build\nFROM scratch\nCOPY --from=build ${OUT}/app /bin/app\n",
        "FROM registry.example/base/golang:1 AS build\nFROM scratch\nPICK --from=build /out/app /bin/app\n",
    ] {
        let unknown = Scene::of(dockerfile);
        // The same architect and the same blueprint, about another image.
        let key = |of: &Scene| public(&of.keys.path("ci")).display().to_string();
        let held = held.replace(&key(&scene), &key(&unknown));
        unknown.verify(&held, &[]).exits(1).says("blueprint-unreadable");
    }
}

#[test]
fn i29_an_approval_lifts_exactly_the_difference_that_it_names() {
    let scene = Scene::of(&DOCKERFILE.replace("/out/app /bin/app", "/out/app /root/.ssh /bin/"));
    let mut approved = scene.drafted();
    approved["edges"][0]["paths"] = json!(["/out/*"]);
    approved["dockerfiles"] = json!([]);
    scene.approved_by(&approved, "architect");
    let plain = scene.verify(&scene.held(""), &["-o", "json"]);
    plain.exits(1).says("/root/.ssh from stage build into 1");
    let edge = difference(&plain, "blueprint-edge");
    // It is the same whenever it is asked for.
    assert_eq!(difference(&scene.verify(&scene.held(""), &["-o", "json"]), "blueprint-edge"), edge);

    let file = scene.file("approval.json");
    let named = file.to_str().unwrap().to_owned();
    let may = scene.held("  approvals: {signers: [security]}\n");
    let asked = |value: &Value, by: &str| {
        scene.sign(value, APPROVAL, by, Some(&file)).exits(0);
        scene.verify(&may, &["--approval", &named])
    };
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let until = today.checked_add(jiff::Span::new().days(30)).unwrap().to_string();
    let today = today.to_string();
    let good = approval(&edge, &today, &until);
    asked(&good, "security")
        .exits(0)
        .says("policy-approval-used")
        .says("until the tool has an image");
    // Somebody else, another difference, another time.
    asked(&good, "stranger").exits(1).says("blueprint-edge").says("policy-approval-unused");
    asked(&good, "architect").exits(1).says("it is signed by architect, and security has to");
    let other = approval(&format!("sha256:{}", "0".repeat(64)), &today, &until);
    asked(&other, "security").exits(1).says("the image has no difference");
    asked(&approval(&edge, "2020-01-01", "2020-01-02"), "security")
        .exits(1)
        .says("it expired on 2020-01-02");
    let long =
        scene.sign(&approval(&edge, "2020-01-01", "2021-12-31"), APPROVAL, "security", Some(&file));
    long.exits(2).says("366 days");

    // Another difference of the same image is not lifted with it.
    asked(&good, "security").exits(0);
    let mut stricter = approved.clone();
    stricter["runtime"]["entrypoint"] = json!(["/bin/other"]);
    scene.approved_by(&stricter, "architect");
    let both = scene.verify(&may, &["--approval", &named, "-o", "json"]);
    both.exits(1).says("policy-approval-used");
    difference(&both, "blueprint-runtime");
    scene.approved_by(&approved, "architect");

    // From a folder of the configuration it counts as well, and nobody may approve whom no setting names.
    let folder = scene.file("approvals");
    fs::create_dir(&folder).unwrap();
    fs::copy(&file, folder.join("edge.json")).unwrap();
    let listed = scene.held(&format!(
        "  approvals: {{files: [\"{}\"], signers: [security]}}\n",
        folder.display()
    ));
    scene.verify(&listed, &[]).exits(0).says("policy-approval-used");
    scene.verify(&scene.held(""), &["--approval", &named]).exits(2).says("nobody may approve");
    fs::write(folder.join("no.json"), "{}").unwrap();
    scene.verify(&listed, &[]).exits(2).says("approvals/no.json");
}
