//! Presets for some images, and days from which on rules deny, by the real program on a saved input.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{Answer, Hallmark};

/// The honest input of `fixtures/policy/cases.json`, about an image of this repository.
fn honest(repository: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/cases.json");
    let all: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut input = all["honest"].clone();
    input["image"]["repository"] = repository.into();
    input
}

fn eval(input: &Value, options: &[&str], policy: &str) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input.json");
    fs::write(&file, input.to_string()).unwrap();
    let call = Hallmark::new(["policy", "eval"].iter().chain(options).copied()).arg(&file);
    call.config(&format!("version: 1\npolicy:\n{policy}")).run()
}

const CHOSEN: &str = "  preset: signed
  presets:
    - {images: [registry.example/team/pay], preset: regulated}
    - images: [\"registry.example/team/**\"]
      preset: slsa-l3
      settings:
        provenance: {builders: [\"https://github.com/slsa-framework/**\"], sources: [\"https://git.example/team/*\"]}
  settings:
    signature: {maxAgeDays: 0}
";

#[test]
fn the_first_entry_that_is_about_an_image_is_its_preset() {
    let other = eval(&honest("registry.example/other/app"), &[], CHOSEN);
    other.exits(0);
    eval(&honest("registry.example/team/app"), &[], CHOSEN).exits(0);
    let strict = eval(&honest("registry.example/team/pay"), &[], CHOSEN);
    strict.exits(1).says("base-not-listed").says("builder-not-listed");
    // Whole names: what only begins alike is another image.
    eval(&honest("registry.example/team/pay2"), &[], CHOSEN).exits(0);
    eval(&honest("registry.example/teams"), &[], CHOSEN).exits(0);

    let mut changed = honest("registry.example/team/app");
    changed["provenance"]["build"]["source"]["url"] = "https://git.example/other/app".into();
    eval(&changed, &[], CHOSEN).exits(1).says("source-not-allowed");
    changed["image"]["repository"] = "registry.example/other/app".into();
    eval(&changed, &[], CHOSEN).exits(0);
    // Whoever names a preset in the call asks for it of all images.
    changed["image"]["repository"] = "registry.example/team/app".into();
    eval(&changed, &["--policy", "signed"], CHOSEN).exits(0);
}

#[test]
fn settings_of_all_images_count_under_every_preset_and_unread_ones_of_an_entry_stop_the_start() {
    let input = honest("registry.example/team/app");
    let digest = input["image"]["digest"].as_str().unwrap();
    let revoked = CHOSEN.replace("{maxAgeDays: 0}", &format!("{{revoked: [\"{digest}\"]}}"));
    eval(&input, &[], &revoked).exits(1).says("image-revoked");
    let unread = CHOSEN.replace("provenance: {", "rebuild: {minLevel: 4}\n        provenance: {");
    let place = "policy.presets[1].settings.rebuild.minLevel is read by no rule";
    eval(&input, &[], &unread).exits(2).says(place);
    let misspelt = CHOSEN.replace("{builders:", "{bilders: [], builders:");
    let place = "policy.presets[1].settings.provenance.bilders is no setting";
    eval(&input, &[], &misspelt).exits(2).says(place);
    // Of what several presets share each takes what its rules read, be it an entry's alone.
    let one = CHOSEN.replace("{maxAgeDays: 0}", "{maxAgeDays: 0}\n    rebuild: {minLevel: 4}");
    eval(&input, &[], &one).exits(0);
    let lost = one.replace("minLevel", "minLevle");
    eval(&input, &[], &lost).exits(2).says("policy.settings.rebuild.minLevle is no setting");
}

#[test]
fn own_layers_have_to_be_clean_and_the_base_has_until_its_day() {
    let policy = "  rules: [files]\n  effective:\n    file-device: {base: 2026-12-04}\n";
    let at = |layer: usize, time: &str| {
        let mut input = honest("registry.example/team/app");
        let device = serde_json::json!({"path": "/x", "layer": layer, "kind": "block", "major": 8, "minor": 0});
        input["inventory"]["facts"]["devices"] = serde_json::json!([device]);
        input["time"] = time.into();
        eval(&input, &[], policy)
    };
    at(1, "2026-12-03T23:59:59Z").exits(1).says("file-device");
    at(0, "2026-12-03T23:59:59Z")
        .exits(0)
        .says("a warning until 2026-12-04, from when on it denies");
    at(0, "2026-12-04T00:00:00Z").exits(1).says("file-device");
    let misspelt = policy.replace("file-device", "file-devise");
    let input = honest("registry.example/team/app");
    eval(&input, &[], &misspelt).exits(2).says("did you mean file-device?");
}
