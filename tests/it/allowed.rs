//! Allow entries on an image that really drifts: the lab's image whose program differs from what its source gives.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    flows::layout,
    support::{Answer, Lab, redact, trusting},
};

/// The lab's trust, content with R1, and an entry for the program.
fn config(lab: &Lab, entry: &str) -> String {
    let settings = "policy: {preset: reproducible, settings: {rebuild: {minLevel: 1}}}";
    let trust = trusting(Path::new(lab.get("KEY_A")), "reproducible");
    trust.replace("policy: {preset: reproducible}", settings)
        + &format!("rebuild: {{allow: [{entry}]}}\n")
}

/// An entry that counts until this day.
fn until(day: jiff::civil::Date) -> String {
    format!(
        "{{class: content, paths: [/srv/app/greet, /srv/app/other], reason: the greeting is of today, \
         owner: team-app, expires: {day}}}"
    )
}

fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn verify(lab: &Lab, image: &str, entry: &str) -> Answer {
    lab.hallmark(["verify", image, "-o", "json"]).config(&config(lab, entry)).run()
}

fn platform(answer: &Answer) -> Value {
    answer.json()["platforms"][0].clone()
}

/// The subjects of the findings with this code.
fn subjects(platform: &Value, code: &str) -> Vec<String> {
    let findings = platform["findings"].as_array().unwrap().iter();
    let of_code = findings.filter(|finding| finding["code"] == code);
    of_code.map(|finding| finding["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_drifting_image_passes_with_an_entry_until_its_last_day() {
    let Some(lab) = Lab::here("a_drifting_image_passes_with_an_entry_until_its_last_day") else {
        return;
    };
    let image = lab.get("SWAPPED");
    let without = verify(&lab, image, "");
    without.exits(1);
    assert_eq!(platform(&without)["evidence"]["rebuild"]["level"], 0, "{}", without.all());

    let allowed = verify(&lab, image, &until(today()));
    allowed.exits(0);
    let judged = platform(&allowed);
    let rebuild = &judged["evidence"]["rebuild"];
    assert_eq!((&rebuild["level"], &rebuild["levelName"]), (&json!(1), &json!("explained")));
    let name = format!("allow content /srv/app/greet by team-app, until {}", today());
    assert_eq!(rebuild["differences"][0]["explainedBy"], name, "{rebuild:#}");
    let used = json!([{
        "name": name, "class": "content", "pattern": "/srv/app/greet", "owner": "team-app",
        "reason": "the greeting is of today", "expires": today().to_string(), "uses": 1,
    }]);
    assert_eq!(rebuild["allowed"], used);
    assert_eq!(subjects(&judged, "config-allow-used"), [name.as_str()]);
    assert_eq!(subjects(&judged, "config-allow-unused"), [name.replace("greet", "other")]);
    assert_eq!(judged["grounds"].to_string().matches("\"rebuilt\"").count(), 1);
    assert_ne!(allowed.json()["inputs"]["policy"], without.json()["inputs"]["policy"]);

    let ended = verify(&lab, image, &until(today().yesterday().unwrap()));
    ended.exits(1);
    let judged = platform(&ended);
    assert_eq!(judged["evidence"]["rebuild"]["level"], 0, "{}", ended.all());
    assert_eq!(judged["evidence"]["rebuild"]["allowed"], json!([]));
    assert_eq!(subjects(&judged, "config-allow-expired").len(), 2, "{}", ended.all());

    let others = until(today()).replace("reason", "images: [elsewhere.example/**], reason");
    let other = verify(&lab, image, &others);
    other.exits(1);
    assert_eq!(subjects(&platform(&other), "config-allow-expired"), [""; 0]);
    // The preset asks for R4: what is allowed is never taken for reproduced.
    let strict = config(&lab, &until(today())).replace("minLevel: 1", "minLevel: 4");
    let answer = lab.hallmark(["verify", image]).config(&strict).run();
    answer.exits(1).says("error[rebuild-differs]").says("R1 explained");
}

#[test]
fn every_report_names_the_entry_that_was_used() {
    let Some(lab) = Lab::here("every_report_names_the_entry_that_was_used") else { return };
    let config = config(&lab, &until(today()));
    let call = |arguments: &[&str]| lab.hallmark(arguments.iter().copied()).config(&config).run();
    let dated = |text: &str| redact(&text.replace(&today().to_string(), "TODAY"));
    let (honest, swapped) = (lab.get("HONEST"), lab.get("SWAPPED"));
    let answer = call(&["verify", swapped]);
    insta::assert_snapshot!("allowed", dated(&answer.exits(0).stdout));
    // Not reproduced, whatever is allowed.
    let name = format!("allow content /srv/app/greet by team-app, until {}", today());
    call(&["rebuild", swapped]).exits(1).says("equivalent: R1 explained").says(&name);
    call(&["diff", swapped, honest]).exits(1).says("R1 explained").says(&name);
    let json = call(&["diff", swapped, honest, "-o", "json"]).exits(1).json();
    assert_eq!(json["allowed"][0]["name"], name, "{json:#}");
    assert_eq!(json["differences"][0]["explainedBy"], name, "{json:#}");
    let html = call(&["diff", swapped, honest, "-o", "html"]);
    html.exits(1).says("Allowed by the operator").says("the greeting is of today").says(&name);
}

/// What is told to others is told without the operator's own exceptions.
#[test]
fn a_rebuild_verdict_knows_no_allow_entry() {
    let Some(lab) = Lab::here("a_rebuild_verdict_knows_no_allow_entry") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("verdict.json");
    let call = lab.hallmark(["rebuild", lab.get("SWAPPED"), "--rebuilder", "https://r.example"]);
    let call = call.arg("--operator").arg("test").arg("--attest").arg(&file);
    call.config(&config(&lab, &until(today()))).run().exits(1).says("R0 different");
    let statement: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let verdict = &statement["predicate"]["verdict"];
    assert_eq!(verdict["level"], "R0", "{verdict:#}");
    assert!(!verdict.to_string().contains("allow content"), "{verdict:#}");
}

#[test]
fn an_added_setuid_bit_stays_refused() {
    let Some(lab) = Lab::here("an_added_setuid_bit_stays_refused") else { return };
    let forge = Path::new(env!("CARGO_BIN_EXE_hallmark")).with_file_name("examples").join("forge");
    if !forge.exists() {
        eprintln!("SKIPPED an_added_setuid_bit_stays_refused: cargo build --example forge");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = layout(&lab, lab.get("SWAPPED"), &[], folder.path()).display().to_string();
    let forge = forge.display().to_string();
    lab.tool(&forge, &[&place, "set-mode", "/srv/app/greet", "4755"]);
    let image = format!("oci:{place}:1");
    let key = lab.get("KEY_A").replace(".pub", ".key");
    let sign = lab.hallmark(["sign", &image, "--key", &key]).env("COSIGN_PASSWORD", "");
    sign.run().exits(0);
    let everything = ["cache", "toolchain", "host", "package-drift", "content"]
        .map(|class| until(today()).replace("content", class).replace("/srv/app/other", "/srv/**"))
        .join(", ");
    let answer = verify(&lab, &image, &everything);
    answer.exits(1);
    let judged = platform(&answer);
    let rebuild = &judged["evidence"]["rebuild"];
    assert_eq!(rebuild["level"], 0, "{rebuild:#}");
    let differences = rebuild["differences"].as_array().unwrap();
    let mode = differences.iter().find(|d| d["what"] == "mode").expect("the setuid bit");
    assert_eq!((&mode["class"], &mode["explainedBy"]), (&json!("tar-security"), &Value::Null));
    let errors: Vec<_> = judged["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["severity"] == "error")
        .collect();
    assert!(
        errors.iter().all(|f| f["code"] == "rebuild-differs"),
        "nothing else is wrong: {errors:#?}"
    );
}
