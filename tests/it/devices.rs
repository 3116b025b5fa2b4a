//! Device nodes that somebody added to an image, with real builders, which make none in a user namespace: row G25 of
//! `docs/attacks.md`.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{flows::layout, support::Lab};

/// The lab and its maker of twins.
fn lab(test: &str) -> Option<(Lab, String)> {
    let lab = Lab::here(test)?;
    let forge = Path::new(env!("CARGO_BIN_EXE_hallmark")).with_file_name("examples").join("forge");
    if !forge.exists() {
        eprintln!("SKIPPED {test}: cargo build --example forge");
        return None;
    }
    Some((lab, forge.display().to_string()))
}

/// What a rebuild says of an image of the lab that was changed like this.
fn rebuilt(lab: &Lab, forge: &str, image: &str, engine: &str, changes: &[&[&str]]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let place = layout(lab, image, &[], folder.path()).display().to_string();
    for change in changes {
        lab.tool(forge, &[&[place.as_str()], *change].concat());
    }
    let config = format!("version: 1\nrebuild: {{engine: {engine}, twice: false}}\n");
    let call = lab.hallmark(["rebuild", &format!("oci:{place}:1"), "-o", "json"]);
    call.config(&config).run().json()
}

/// Engines with an image that each of them makes again.
fn engines(lab: &Lab, test: &str) -> Vec<(&'static str, String)> {
    let mut found = vec![("docker", lab.get("HONEST").to_owned())];
    found.extend(lab.built("BUILDKIT", test).map(|image| ("buildkitd", image)));
    found
}

/// A member of this name, wherever it stands.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => {
            map.get(name).or_else(|| map.values().find_map(|value| member(value, name)))
        }
        Value::Array(list) => list.iter().find_map(|value| member(value, name)),
        _ => None,
    }
}

#[test]
fn g25_an_added_device_node_is_a_difference() {
    const TEST: &str = "g25_an_added_device_node_is_a_difference";
    let Some((lab, forge)) = lab(TEST) else { return };
    for (engine, image) in engines(&lab, TEST) {
        let changes: [&[&str]; 1] = [&["add-device", "srv/app/mem"]];
        let report = rebuilt(&lab, &forge, &image, engine, &changes);
        let level = member(&report, "rebuild").and_then(|rebuild| rebuild.get("level"));
        assert_eq!(level, Some(&Value::from(0)), "{engine}: {report:#}");
        let differences = member(&report, "differences").unwrap().to_string();
        assert!(differences.contains("/srv/app/mem"), "{engine}: {report:#}");
        assert!(differences.contains("tar-security"), "{engine}: {report:#}");
        assert!(!report.to_string().contains("engine-error"), "{engine}: {report:#}");
    }
}

/// The honest twin of a build that unpacks an archive: nobody knows, and that is said.
#[test]
fn g25_a_node_that_an_archive_may_hold_is_a_gap() {
    const TEST: &str = "g25_a_node_that_an_archive_may_hold_is_a_gap";
    let Some((lab, forge)) = lab(TEST) else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/app/Dockerfile");
    let plain = std::fs::read_to_string(path).unwrap();
    let adding = plain.replace("COPY greet.c ./", "ADD greet.tar ./");
    let (plain, adding) = (STANDARD.encode(plain), STANDARD.encode(adding));
    for (engine, image) in engines(&lab, TEST) {
        let changes: [&[&str]; 2] =
            [&["replace-text", &plain, &adding], &["add-device", "srv/app/mem"]];
        let report = rebuilt(&lab, &forge, &image, engine, &changes);
        let said = report.to_string();
        assert!(said.contains("not-replayable"), "{engine}: {report:#}");
        assert!(said.contains("device-node"), "{engine}: {report:#}");
        assert!(said.contains("/srv/app/mem (character device 1:1, layer "), "{engine}: {said}");
        assert!(said.contains("rebuild.numbers: machine"), "{engine}: {report:#}");
    }
}
