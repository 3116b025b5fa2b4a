//! Rebuild verdicts from end to end: rebuilt, signed and stored by one hallmark, counted by another.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Answer, Lab};

/// The honest image with its signatures, in a repository that no other test looks at.
fn copy(lab: &Lab, name: &str) -> String {
    let (repository, digest) = lab.get("HONEST").split_once('@').unwrap();
    let to = format!("{}/verdicts/{name}-{}", lab.get("REGISTRY"), std::process::id());
    let flags = ["--src-tls-verify=false", "--dest-tls-verify=false", "--preserve-digests"];
    let copy = |from: &str, to: &str| {
        let (from, to) = (format!("docker://{from}"), format!("docker://{to}"));
        lab.tool("skopeo", &[&["copy", "--all"], &flags[..], &[&from, &to]].concat());
    };
    copy(lab.get("HONEST"), &format!("{to}:1"));
    for kind in ["sig", "att"] {
        let tag = format!("{}.{kind}", digest.replace(':', "-"));
        copy(&format!("{repository}:{tag}"), &format!("{to}:{tag}"));
    }
    format!("{to}@{digest}")
}

/// Rules under which both keys rebuild, and this many of them have to agree.
fn config(lab: &Lab, threshold: usize, accept: bool) -> String {
    format!(
        "version: 1\n\
         trust:\n  \
           signers: [{{name: a, key: \"{}\"}}, {{name: b, key: \"{}\"}}]\n  \
           rules:\n  \
           - {{images: [\"**\"], predicates: [signature, provenance, sbom], signers: [a]}}\n  \
           - {{images: [\"**\"], predicates: [rebuild], signers: [a, b], threshold: {threshold}}}\n\
         policy: {{preset: reproducible}}\n\
         rebuild: {{attested: {{accept: {accept}}}}}\n",
        lab.get("KEY_A"),
        lab.get("KEY_B"),
    )
}

fn verify(lab: &Lab, image: &str, config: &str) -> Answer {
    lab.hallmark(["verify", image, "-o", "json"]).config(config).run()
}

fn rebuild_of(answer: &Answer) -> Value {
    answer.json()["platforms"][0]["evidence"]["rebuild"].clone()
}

/// The private half of a key of the lab.
fn private(lab: &Lab, key: &str) -> String {
    lab.get(key).replace(".pub", ".key")
}

fn attest(lab: &Lab, image: &str, key: &str, file: &Path) {
    let answer = lab
        .hallmark(["rebuild", image, "--rebuilder", "https://rebuild.example/1"])
        .arg("--operator")
        .arg(key)
        .arg("--attest")
        .arg(file)
        .arg("--push")
        .arg("--key")
        .arg(private(lab, key))
        .env("COSIGN_PASSWORD", "")
        .run();
    answer.exits(0).says("R5");
}

#[test]
fn as_many_rebuilders_as_asked_for_stand_in_for_a_rebuild() {
    let name = "as_many_rebuilders_as_asked_for_stand_in_for_a_rebuild";
    let Some(lab) = Lab::here(name) else { return };
    let image = copy(&lab, "agreed");
    let folder = tempfile::tempdir().unwrap();
    attest(&lab, &image, "KEY_A", &folder.path().join("a.json"));

    // One of two: built here, as if nobody had said anything.
    let answer = verify(&lab, &image, &config(&lab, 2, true));
    answer.exits(0);
    let rebuild = rebuild_of(&answer);
    assert_eq!(rebuild["status"], "compared", "{rebuild:#}");
    assert_eq!(rebuild["attested"]["level"], Value::Null, "{rebuild:#}");
    assert_eq!(rebuild["attested"]["votes"][0]["weight"], "for", "{rebuild:#}");

    attest(&lab, &image, "KEY_B", &folder.path().join("b.json"));
    let answer = verify(&lab, &image, &config(&lab, 2, true));
    answer.exits(0);
    let rebuild = rebuild_of(&answer);
    assert_eq!(rebuild["status"], "not-asked", "{rebuild:#}");
    assert_eq!(rebuild["attested"]["level"], 5, "{rebuild:#}");
    assert_eq!(rebuild["attested"]["signers"], json!(["a", "b"]), "{rebuild:#}");
    let grounds = answer.json()["platforms"][0]["grounds"].to_string();
    assert!(grounds.contains("attested"), "{grounds}");

    // Nobody said that others' rebuilds count.
    let answer = verify(&lab, &image, &config(&lab, 2, false));
    assert_eq!(rebuild_of(&answer)["status"], "compared", "{}", answer.all());

    // The second rebuilder takes its word back: it is built here, and said.
    let mut statement: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("b.json")).unwrap()).unwrap();
    let predicate = &mut statement["predicate"];
    predicate["verdict"]["level"] = json!("R0");
    predicate["rebuilt"]["manifest"] = json!(format!("sha256:{}", "e".repeat(64)));
    predicate["timing"]["finishedOn"] = json!(jiff::Timestamp::now().to_string());
    let dissent = folder.path().join("dissent.json");
    std::fs::write(&dissent, statement.to_string()).unwrap();
    lab.hallmark(["sign", &image, "--statement"])
        .arg(&dissent)
        .arg("--key")
        .arg(private(&lab, "KEY_B"))
        .env("COSIGN_PASSWORD", "")
        .run()
        .exits(0);
    let answer = verify(&lab, &image, &config(&lab, 1, true));
    answer.exits(0).says("rebuild-dissent");
    assert_eq!(rebuild_of(&answer)["status"], "compared", "{}", answer.all());
}

#[test]
fn a_verdict_proves_nothing_but_a_rebuild() {
    let name = "a_verdict_proves_nothing_but_a_rebuild";
    let Some(lab) = Lab::here(name) else { return };
    let image = copy(&lab, "alone");
    let folder = tempfile::tempdir().unwrap();
    attest(&lab, &image, "KEY_B", &folder.path().join("b.json"));
    // Under rules that let b rebuild and nobody sign, there is no ground to pass.
    let only = format!(
        "version: 1\n\
         trust:\n  \
           signers: [{{name: b, key: \"{}\"}}]\n  \
           rules: [{{images: [\"**\"], predicates: [rebuild], signers: [b]}}]\n",
        lab.get("KEY_B")
    );
    let answer = lab.hallmark(["verify", &image]).config(&only).run();
    // No rule of the policy objects: it fails for want of a ground, and for nothing else.
    answer.exits(1).says("provenance that is not proven").says("error[policy-nothing-proven]");
}
