//! The shipped policies and the engine under them, held to what they promise.

use std::{collections::BTreeSet, path::Path, time::Duration};

use proptest::prelude::*;
use serde_json::{Map, json};

use super::{
    bundle::{Preset, RULES},
    input::{BasisInput, ProofInput, StatementInput, schema},
    *,
};
use crate::{
    attest::{Carrier, Statement},
    contents::{CollectorName, Inventory},
    digest::{BlobDigest, ConfigDigest, Digest, ManifestDigest},
    finding::Code,
    image::{Checked, Descriptor, Image, ImageConfig, Manifest, MediaType, RuntimeConfig},
    limits::Limits,
    rebuild::{FailureKind, Gap, Rebuild, Warrant},
    reference::{Location, PinnedReference, Repository},
    sbom::{BoundSbom, Component, Sbom, binding::Binding, reconcile::reconcile},
    trust::{Proof, Unproven},
    verdict::{Asked, Evidence, SbomEvidence},
};

fn checked<D>(digest: D) -> Checked<D> {
    Checked { digest, bytes: bytes::Bytes::from_static(b"{}") }
}

fn image() -> Image {
    let media_type = MediaType::new(MediaType::OCI_MANIFEST);
    let platform: crate::image::Platform = "linux/amd64".parse().expect("a platform");
    let config = Descriptor {
        media_type: media_type.clone(),
        digest: BlobDigest::of(b"{}"),
        size: 2,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    Image {
        reference: PinnedReference {
            location: Location::Registry(Repository {
                registry: "r.example".to_owned(),
                path: "app".to_owned(),
            }),
            digest: ManifestDigest::of(b"{}"),
        },
        index: None,
        outer: Vec::new(),
        left_out: std::sync::Arc::default(),
        manifest: Manifest {
            document: checked(ManifestDigest::of(b"{}")),
            media_type,
            artifact_type: None,
            config,
            layers: Vec::new(),
            subject: None,
            annotations: BTreeMap::new(),
        },
        config: std::sync::Arc::new(ImageConfig {
            document: checked(ConfigDigest::of(b"{}")),
            platform: (&platform).into(),
            created: None,
            runtime: RuntimeConfig::default(),
            diff_ids: Vec::new(),
            history: Vec::new(),
        }),
        platform,
    }
}

/// An image that nobody says anything about.
fn evidence() -> Evidence {
    Evidence { warrant: Warrant::Proven, ..Evidence::of_nothing(image()) }
}

fn now() -> jiff::Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

fn input() -> PolicyInput {
    PolicyInput::new(&evidence(), Asked::default(), &[], now())
}

fn bundle(rego: &str) -> Bundle {
    Bundle::from_files([("a.rego".to_owned(), rego.to_owned())]).expect("a bundle")
}

fn compile(rego: &str) -> Result<Policies, PolicyError> {
    Policies::compile(&bundle(rego), &Limits::default())
}

fn judge(rego: &str) -> Judgement {
    let policies = compile(rego).unwrap_or_else(|e| panic!("{rego}: {e}"));
    policies.judge(&input(), &[], &Limits::default())
}

fn codes(results: &[RuleResult]) -> Vec<&str> {
    results.iter().map(|result| result.code.as_str()).collect()
}

fn preset(name: &str) -> Policies {
    let bundle = Bundle::preset(name).expect("it ships");
    Policies::compile(&bundle, &Limits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The files of `policies/`, without the presets.
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let entries = std::fs::read_dir(folder).expect("policies/ is there");
    let files = entries.filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        path.is_file().then(|| (name, std::fs::read_to_string(&path).expect("text")))
    });
    files.collect()
}

#[test]
fn the_tests_of_the_shipped_rules_pass() {
    let bundle = Bundle::from_files(shipped()).expect("rules and tests");
    let report = test::run(&bundle, &Limits::default()).expect("it has tests");
    assert!(report.is_success(), "{report}");
    assert!(report.passed() >= 30, "{report}");
}

#[test]
fn every_shipped_code_has_metadata_and_a_test() {
    let files: BTreeMap<String, String> = shipped().into_iter().collect();
    let stems: BTreeSet<&str> = RULES.iter().map(|(rule, _)| *rule).collect();
    let on_disk: BTreeSet<&str> = files
        .keys()
        .filter_map(|f| f.strip_suffix(".rego"))
        .filter(|f| !f.ends_with("_test"))
        .collect();
    assert_eq!(stems, on_disk, "policies/ and bundle::RULES list the same rules");
    let literal = regex::Regex::new(r#""code": "([a-z-]+)""#).expect("a pattern");
    for (rule, text) in RULES {
        let tests = &files[&format!("{rule}_test.rego")];
        let blocks = metadata::Metadata::read(rule, text).expect("blocks");
        let described: BTreeSet<&str> = blocks.iter().map(|b| b.custom.code.as_str()).collect();
        let given: BTreeSet<&str> =
            literal.captures_iter(text).filter_map(|c| Some(c.get(1)?.as_str())).collect();
        assert_eq!(described, given, "{rule}: METADATA and results have the same codes");
        for block in &blocks {
            let custom = &block.custom;
            assert!(tests.contains(&custom.code), "{rule}: no test names {}", custom.code);
            assert!(!block.title.is_empty() && !block.description.is_empty(), "{block:?}");
            assert!(!custom.solution.is_empty(), "{block:?}");
            assert!(text.contains(&format!("{} contains", custom.severity)), "{block:?}");
        }
    }
}

#[test]
fn c15_a_denial_is_early_where_its_own_rule_says_so() {
    let policies = preset("reproducible");
    assert_eq!(policies.asking(), ["hallmark.rebuild", "hallmark.sbom_agrees"]);
    let judgement = policies.judge(&input(), &[], &Limits::default());
    let early = |judgement: &Judgement| -> Vec<String> {
        judgement.deny.iter().filter(|r| r.early).map(|r| r.code.clone()).collect()
    };
    assert_eq!(early(&judgement), ["signature-missing"]);
    let without = judgement.without(policies.asking());
    assert_eq!(codes(&without.deny), ["provenance-missing", "sbom-missing", "signature-missing"]);
    assert_eq!(without.asides, []);

    let rule = |package: &str, early: bool| {
        format!(
            "# METADATA\n# title: t\n# custom:\n#   code: a-b\n#   early: {early}\npackage {package}\n\
             deny contains {{\"code\": \"a-b\", \"msg\": \"m\"}}\n"
        )
    };
    let files = [("a.rego", rule("hallmark.a", true)), ("b.rego", rule("hallmark.b", false))];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    let bundle = Bundle::from_files(files).expect("a bundle");
    let policies = Policies::compile(&bundle, &Limits::default()).expect("rules");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    let found: Vec<_> = judgement.deny.iter().map(|r| (r.package.as_str(), r.early)).collect();
    assert_eq!(found, [("hallmark.a", true), ("hallmark.b", false)], "a code is not enough");
}

/// What lies at the path of the package that asks all others would be the answer for all of them (attack E27).
fn own(place: &str, files: &[(&str, &str)]) -> Bundle {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Bundle::from_files(files).expect("files").at(place)
}

#[test]
fn e31_a_folder_called_as_what_ships_is_another_place() {
    let rule = "package hallmark.provenance\n\npresent if true\n\nnames_commit if true\n";
    for place in ["hallmark", "hallmark/", "./hallmark", "rules"] {
        let folder = own(place, &[("extra.rego", rule)]);
        let bundle = Bundle::preset("slsa").and_then(|shipped| shipped.join(folder));
        let compiled = bundle.and_then(|bundle| Policies::compile(&bundle, &Limits::default()));
        let error = compiled.map(drop).expect_err(place).to_string();
        assert!(error.contains("overlaps package hallmark.provenance"), "{place}: {error}");
        // Nor does a file of it stand in the place of a shipped one.
        let named = own(place, &[("source.rego", "package hallmark.x\n\ndeny := set()\n")]);
        let both = Bundle::shipped().and_then(|shipped| shipped.join(named)).expect("apart");
        assert!(both.has_package("hallmark.source") && both.has_package("hallmark.x"), "{place}");
    }
}

#[test]
fn e32_a_module_is_of_the_package_that_one_of_its_lines_says() {
    let body = format!("deny contains {RESULT} if input.image\n");
    let note = "note := `\npackage hallmark.rebuild\n`";
    for (head, loads) in [
        ("package hallmark.own", true),
        ("# of ours\npackage hallmark.own # here", true),
        ("package\nhallmark.own", false),
        ("package hallmark.own; import rego.v1", false),
        ("package hallmark[\"own\"]", false),
    ] {
        let body = body.replace("input.image", "note != input.image.manifest");
        let text = format!("{head}\n\n{note}\n\n{body}");
        let bundle = own("own", &[("own.rego", &text)]).with_rebuild();
        let compiled = Policies::compile(&bundle, &Limits::default());
        match loads {
            true => assert!(compiled.expect(head).needs().rebuild, "{head}"),
            false => {
                let error = compiled.map(drop).expect_err(head).to_string();
                assert!(error.contains("package hallmark.own"), "{head}: {error}");
            }
        }
    }
}

#[test]
fn e33_a_function_has_its_bodies_in_one_file() {
    let one = "package hallmark.own\n\nforbidden(x) if {\n\tis_number(limit)\n\tx == 1\n}\n";
    let other = "limit := 5\n\nforbidden(x) if {\n\tx == 2\n\tlimit > 0\n}\n";
    let rule = format!("deny contains {RESULT} if forbidden(2)\n");
    let compile =
        |files: &[(&str, &str)]| Policies::compile(&own("own", files), &Limits::default());
    let apart = format!("package hallmark.own\n\n{other}\n{rule}");
    let error = compile(&[("a.rego", one), ("b.rego", &apart)]).map(drop).expect_err("two files");
    assert!(error.to_string().contains("in another file of the package"), "{error}");
    let together = compile(&[("a.rego", &format!("{one}\n{other}\n{rule}"))]).expect("one file");
    let judgement = together.judge(&input(), &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["a"]);
    // Packages have functions of their own.
    let mine = format!("{one}\nlimit := 5\n\ndeny contains {RESULT} if forbidden(1)\n");
    let elsewhere = apart.replace("hallmark.own", "hallmark.more");
    compile(&[("a.rego", &mine), ("b.rego", &elsewhere)]).expect("two packages");
}

#[test]
fn e34_what_a_folder_says_of_a_code_is_said_of_its_own_rules() {
    let text = "package hallmark.own\n\n# METADATA\n# title: t\n# custom:\n#   code: signature-missing\n#   solution: nothing to do\n\
                #   about: [provenance-missing]\ndeny contains {\"code\": \"signature-missing\", \"msg\": \"m\"} if false\n";
    let bundle =
        Bundle::preset("signed").and_then(|all| all.join(own("own", &[("own.rego", text)])));
    let policies =
        Policies::compile(&bundle.expect("apart"), &Limits::default()).expect("it compiles");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    let denied = judgement.deny.iter().find(|one| one.code == "signature-missing").expect("denied");
    assert_ne!(denied.solution.as_deref(), Some("nothing to do"));
    assert!(!denied.about.iter().any(|about| about == "provenance-missing"), "{denied:?}");
}

/// A rule that denies with a code, and what it says of itself.
fn saying(code: &str, custom: &str, body: &str) -> String {
    let block = match custom {
        "" => String::new(),
        custom => format!("# METADATA\n# title: t\n# custom:\n#   code: {code}\n#   {custom}\n"),
    };
    format!("{block}deny contains {{\"code\": \"{code}\", \"msg\": \"m\"}} if {body}\n")
}

#[test]
fn e35_what_looks_like_metadata_in_a_text_says_nothing() {
    let block = "# METADATA\n# title: t\n# custom:\n#   code: a\n#   effective_on: 2026-12-24\n";
    let rule = saying("a", "", "input.image");
    let judged = |text: &str| {
        let policies = Policies::compile(&own("own", &[("own.rego", text)]), &Limits::default());
        let judgement = policies.expect(text).judge(&input(), &[], &Limits::default());
        (judgement.deny.len(), judgement.warn.len())
    };
    let head = "package hallmark.own\n\nnote :=";
    let used = rule.replace("input.image", "note != input.image");
    assert_eq!(judged(&format!("{head} `\n{block}`\n\n{used}")), (1, 0));
    assert_eq!(judged(&format!("{head} `x`\n\n{block}{used}")), (0, 1));
}

/// What the rules of a package are, and whether the denial with the code `a` is put off.
fn deferring() -> Vec<(&'static str, Vec<String>, bool)> {
    let holds = saying("a", "", "input.image");
    let later = "effective_on: 2026-12-24";
    vec![
        ("the rule's own", vec![saying("a", later, "input.image")], true),
        ("another rule's", vec![holds.clone(), saying("a", later, "false")], false),
        ("an earlier rule's", vec![saying("a", later, "false"), holds.clone()], false),
        (
            "that of a rule of another code",
            vec![holds.clone(), saying("a", later, "false").replace("\"a\"", "\"b\"")],
            false,
        ),
        ("both rules'", vec![saying("a", later, "input.image"), saying("a", later, "false")], true),
        (
            "an earlier day",
            vec![
                saying("a", later, "input.image"),
                saying("a", "effective_on: 2026-01-01", "false"),
            ],
            false,
        ),
        (
            "no day",
            vec![saying("a", later, "input.image"), saying("a", "early: false", "false")],
            false,
        ),
        (
            "that of a warning",
            vec![holds.clone(), saying("a", later, "false").replace("deny", "warn")],
            false,
        ),
        (
            "that of a rule which computes its code",
            vec![
                saying("a", later, "false"),
                holds.replace("\"code\": \"a\"", "\"code\": lower(\"A\")"),
            ],
            false,
        ),
        (
            "the same, which says its code",
            vec![
                saying("a", later, "input.image")
                    .replace("\"code\": \"a\"", "\"code\": lower(\"A\")"),
            ],
            true,
        ),
        (
            "that of the set which the results are from",
            vec![
                saying("a", later, "input.image").replace("deny", "found"),
                "deny contains one if some one in found\n".to_owned(),
            ],
            true,
        ),
        (
            "that of the rule which takes them from there",
            vec![
                holds.replace("deny", "found"),
                saying("a", later, "some one in found")
                    .replace("{\"code\": \"a\", \"msg\": \"m\"}", "one"),
            ],
            true,
        ),
        (
            "that of one of two which take them from there",
            vec![
                holds.replace("deny", "found"),
                saying("a", later, "some one in found")
                    .replace("{\"code\": \"a\", \"msg\": \"m\"}", "one"),
                "deny contains one if some one in found\n".to_owned(),
            ],
            false,
        ),
    ]
}

#[test]
fn e36_a_block_speaks_for_no_other_rule_of_its_code() {
    let limits = Limits::default();
    for (what, rules, put_off) in deferring() {
        let head = "package hallmark.own\n\n";
        let together = vec![("own.rego".to_owned(), format!("{head}{}", rules.join("\n")))];
        let apart = rules.iter().enumerate();
        let apart =
            apart.map(|(at, rule)| (format!("{at}.rego"), format!("{head}{rule}"))).collect();
        for files in [together, apart] {
            let bundle = Bundle::from_files(files.clone()).expect("files").at("own");
            let policies = Policies::compile(&bundle, &limits).expect(what);
            let judgement = policies.judge(&input(), &[], &limits);
            assert_eq!(codes(&judgement.deny).is_empty(), put_off, "{what}: {files:#?}");
            assert_eq!(codes(&judgement.warn).is_empty(), !put_off, "{what}");
        }
    }
}

#[test]
fn e36_a_block_above_a_package_speaks_for_its_file() {
    let limits = Limits::default();
    let holds = saying("a", "", "input.image");
    let later = "effective_on: 2026-12-24";
    let on_top = saying("a", later, "").replace("deny contains", "package hallmark.own #");
    let elsewhere = format!("package hallmark.own\n\n{holds}");
    let itself = saying("a", "early: false", "input.image");
    let denied = |first: &str, second: &str| {
        let files = [("a.rego", first), ("b.rego", second)];
        let policies = Policies::compile(&own("own", &files), &limits).expect("it compiles");
        policies.judge(&input(), &[], &limits).deny.len()
    };
    let silent = "package hallmark.own\n";
    assert_eq!(denied(&format!("{on_top}\n{holds}"), silent), 0);
    assert_eq!(denied(&format!("{on_top}\n{itself}"), silent), 1);
    assert_eq!(denied(&on_top, &elsewhere), 1);
    assert_eq!(
        denied(&format!("{on_top}\n{}", holds.replace("input.image", "false")), &elsewhere),
        1
    );
}

#[test]
fn e36_no_rule_lets_an_approval_count_for_another() {
    let limits = Limits::default();
    for both in [true, false] {
        let other = if both { "review: true" } else { "" };
        let rules = [saying("a", "review: true", "input.image"), saying("a", other, "false")];
        let text = format!("package hallmark.own\n\n{}", rules.join("\n"));
        let bundle = own("own", &[("own.rego", &text)]);
        let policies = Policies::compile(&bundle, &limits).expect("it compiles");
        let said = policies.said(("hallmark.own", "a")).expect("METADATA");
        assert_eq!(said.review, both);
        let told = remarks::remarks(&bundle, &limits).expect("it compiles");
        let told = told.iter().any(|one| one.text.contains("counts for nothing"));
        assert_eq!(told, !both);
    }
}

#[test]
fn e27_a_folder_cannot_answer_for_all_rules() {
    let rule = format!("package hallmark.a\n\ndeny contains {RESULT} if input.image\n");
    let beside = |name: &str, text: &str| {
        let files = [("a.rego", rule.as_str()), (name, text)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let bundle = Bundle::from_files(files).expect("files").at("own");
        Policies::compile(&bundle, &Limits::default())
    };
    let cases = [
        ("data.json", r#"{"hallmark_entry": {"judged": {"deny": {}, "warn": {}}}}"#),
        ("data.json", r#"{"hallmark_entry": {}}"#),
        ("b.rego", "package hallmark_entry\n\ndefault judged := {}\n"),
        ("b.rego", "package hallmark_entry.judged\n\nx := 1\n"),
    ];
    for (name, text) in cases {
        let error = beside(name, text).map(drop).expect_err(text).to_string();
        assert!(error.contains("package hallmark_entry"), "{text}: {error}");
    }
    let honest = beside("data.json", r#"{"hallmark_entries": {"judged": {}}}"#).expect("data");
    let judgement = honest.judge(&input(), &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["a"]);
}

#[test]
fn what_a_rule_lacks_stands_in_its_metadata() {
    let shipped = Bundle::shipped().and_then(|all| all.metadata()).expect("rules");
    let lacking = shipped.into_iter().filter(|(_, block)| block.custom.lacks.is_some());
    let lacking: BTreeSet<String> = lacking.map(|(_, block)| block.custom.code).collect();
    let want = [
        "base-not-recorded",
        "build-type-not-allowed",
        "builder-not-allowed",
        "materials-unknown",
        "provenance-fields-missing",
        "source-not-allowed",
        "source-ref-not-allowed",
    ];
    assert_eq!(lacking, want.map(str::to_owned).into(), "they deny where nothing is proven");

    let rule = |package: &str, custom: &str| {
        format!(
            "# METADATA\n# title: t\n# custom:\n#   code: a-b\n{custom}package {package}\n\
             deny contains {{\"code\": \"a-b\", \"msg\": \"m\"}}\n"
        )
    };
    let files = [
        ("a.rego", rule("hallmark.a", "#   lacks: provenance\n")),
        ("b.rego", rule("hallmark.b", "")),
    ];
    let bundle = Bundle::from_files(files.map(|(name, text)| (name.to_owned(), text)));
    let policies = Policies::compile(&bundle.expect("a bundle"), &Limits::default());
    let judgement = policies.expect("rules").judge(&input(), &[], &Limits::default());
    let causes = judgement.deny.iter().map(|rule| rule.denied(&Subject::Run).because);
    let causes: Vec<_> = causes.collect();
    assert_eq!(causes, [Some(Code::ProvenanceMissing), None], "a code is not enough");
}

#[test]
fn presets_get_stricter() {
    let found: Vec<(bool, bool)> = Preset::names()
        .map(|name| (!preset(name).needs().collectors.is_empty(), preset(name).needs().rebuild))
        .collect();
    let (light, rebuilds) = ((true, false), (true, true));
    assert_eq!(found, [light, light, light, light, light, rebuilds, rebuilds]);
    let denied: Vec<Vec<String>> = Preset::names()
        .map(|name| {
            let judgement = preset(name).judge(&input(), &[], &Limits::default());
            judgement.deny.into_iter().map(|r| r.code).collect()
        })
        .collect();
    assert!(denied[0].is_empty());
    assert_eq!(denied[1], ["signature-missing"]);
    assert_eq!(denied[2], ["provenance-missing", "signature-missing"]);
    let l2 = [
        "builder-not-allowed",
        "provenance-fields-missing",
        "provenance-missing",
        "signature-missing",
    ];
    assert_eq!(denied[3], l2);
    let l3 = [
        "builder-not-listed",
        "provenance-fields-missing",
        "materials-unknown",
        "provenance-missing",
        "signature-missing",
        "source-not-listed",
    ];
    assert_eq!(denied[4], l3);
    let all = ["provenance-missing", "rebuild-missing", "sbom-missing", "signature-missing"];
    assert_eq!(denied[5], all);
    for (weaker, stricter) in [(1, 2), (2, 3), (2, 4), (4, 6), (5, 6)] {
        let lost: Vec<_> =
            denied[weaker].iter().filter(|c| !denied[stricter].contains(c)).collect();
        assert_eq!(lost, Vec::<&String>::new(), "{weaker} denies what {stricter} lets through");
    }
}

/// A preset denies what it is told nothing of, and an image of which nothing is proven passes by none.
#[test]
fn no_preset_passes_an_empty_input_an_empty_list_or_an_image_that_no_rule_speaks_about() {
    let limits = Limits::default();
    let named = json!({
        "schema": input::ID, "time": "2026-11-23T12:00:00Z", "image": {"repository": "registry.example/app"},
    });
    let lists = ["signatures", "attestations", "layouts", "delegated", "sboms", "findings"];
    let mut listed = named.clone();
    for list in lists {
        listed[list] = json!([]);
    }
    let unspoken = serde_json::to_value(input()).expect("JSON");
    assert!(!input::may_pass(&unspoken), "nothing is proven of it");
    for name in Preset::names() {
        let policies = preset(name);
        for nothing in [json!({}), json!([]), json!(null)] {
            assert!(policies.judge_saved(&nothing, &[], &limits).is_err(), "{name}: {nothing}");
        }
        for given in [&named, &listed] {
            let judgement = policies.judge_saved(given, &[], &limits).expect("it is judged");
            assert!(!judgement.deny.is_empty(), "{name}: {given}");
        }
        let judgement = policies.judge_saved(&unspoken, &[], &limits).expect("it is judged");
        assert!(name == "baseline" || !judgement.deny.is_empty(), "{name}");
    }
}

/// The honest input of `fixtures/policy/cases.json`, and each change of it with what it makes the library say.
struct Cases {
    settings: Map<String, Value>,
    honest: Value,
    cases: Vec<Value>,
}

impl Cases {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/cases.json");
        let text = std::fs::read_to_string(path).expect("the cases are there");
        let mut all: Value = serde_json::from_str(&text).expect("JSON");
        let mut take = |key: &str| all[key].take();
        let (settings, honest, cases) = (take("settings"), take("honest"), take("cases"));
        let settings = settings.as_object().cloned().expect("an object");
        Self { settings, honest, cases: cases.as_array().cloned().expect("a list") }
    }

    /// The input that a case gives.
    fn input(&self, case: &Value) -> Value {
        let mut input = self.honest.clone();
        for (path, value) in case["set"].as_object().expect("paths") {
            let (place, key) = path.rsplit_once('/').unwrap_or_default();
            match input.pointer_mut(place).expect("a place") {
                whole if path.is_empty() => *whole = value.clone(),
                Value::Array(list) => match key.parse::<usize>().expect("a number") {
                    next if next == list.len() => list.push(value.clone()),
                    at => list[at] = value.clone(),
                },
                object => object[key] = value.clone(),
            }
        }
        input
    }

    /// All rules that ship, with the settings of a case.
    fn library(&self, case: &Value) -> Result<Policies, PolicyError> {
        let bundle = Bundle::shipped().expect("they ship").with_settings(self.settings.clone());
        let own = case["settings"].as_object().cloned().unwrap_or_default();
        Policies::compile(&bundle.with_settings(own), &Limits::default())
    }
}

/// Each code is told by some case; the snapshot has every message as a report shows it.
#[test]
fn every_message_says_what_is_wrong_and_what_to_do() {
    let cases = Cases::read();
    let mut told = BTreeSet::new();
    let mut text = String::new();
    let plain = cases.library(&json!({})).expect("they compile");
    let all = Bundle::shipped().and_then(|b| b.codes()).expect("METADATA");
    for case in &cases.cases {
        let own = match case.get("settings").map(|_| cases.library(case)) {
            // What these rules say of such settings nobody hears but with OPA alone: the start is refused.
            Some(Err(PolicyError::Setting(_))) => {
                let denied = case["deny"].as_array().into_iter().flatten();
                let denied: Vec<&str> = denied.filter_map(Value::as_str).collect();
                let of = |(_, code): &&(String, String)| denied.contains(&code.as_str());
                told.extend(all.iter().filter(of).cloned());
                continue;
            }
            own => own.map(|policies| policies.expect("they compile")),
        };
        let policies = own.as_ref().unwrap_or(&plain);
        let judgement = policies.judge_saved(&cases.input(case), &[], &Limits::default());
        let judgement = judgement.expect("it is judged");
        text.push_str(&format!("{}\n", case["name"].as_str().expect("a name")));
        for (set, results) in [("deny", &judgement.deny), ("warn", &judgement.warn)] {
            let codes: BTreeSet<&str> = results.iter().map(|r| r.code.as_str()).collect();
            let want = case[set].as_array().into_iter().flatten().filter_map(Value::as_str);
            let want: BTreeSet<&str> = want.collect();
            assert_eq!(codes, want, "{set} of {}", case["name"]);
            for result in results {
                let help = result.solution.as_deref().unwrap_or_else(|| panic!("{result:?}"));
                text.push_str(&format!("  {set} {}: {}\n", result.name(), result.msg));
                text.push_str(&format!("    help: {help}\n"));
                told.insert((result.package.clone(), result.code.clone()));
            }
        }
    }
    assert_eq!(told, all, "every code has a case");
    insta::assert_snapshot!(text);
}

/// Shipped rules ask the index where there is one, and the lists where there is none; which lists are made changes nothing.
#[test]
fn an_index_and_the_packages_that_it_is_of_give_one_judgement() {
    let cases = Cases::read();
    let policies = cases.library(&json!({})).expect("they compile");
    let limits = Limits::default();
    let mut indexed = 0;
    for case in &cases.cases {
        let input = cases.input(case);
        let by =
            |lists, saved| policies.results_over(&input, lists, saved, &limits).expect("judged");
        let asked_one_by_one = by(given::Lists::Whole, None);
        let Some(saved) = input::Saved::of(&input) else { continue };
        indexed += 1;
        assert_eq!(by(given::Lists::Whole, Some(&saved)), asked_one_by_one, "{}", case["name"]);
        if input["sboms"].as_array().expect("a list").len() < 2 {
            assert_eq!(
                by(given::Lists::Indexed, Some(&saved)),
                asked_one_by_one,
                "{}",
                case["name"]
            );
        }
    }
    assert!(indexed > 60, "{indexed} of {}", cases.cases.len());
}

/// A package and a component of whatever name, version and package URL.
fn listed((purl, name, version, odd): (Option<String>, String, String, bool)) -> (Value, Value) {
    let licence = if version.contains('1') { "MIT" } else { "ISC" };
    let declared = json!({"state": "known", "expression": licence, "choices": [[licence]]});
    let package = json!({
        "ecosystem": if odd { "deb" } else { "npm" }, "side": if odd { "base" } else { "unknown" },
        "name": name, "version": version, "purl": purl, "licences": {"declared": declared},
    });
    let component = json!({
        "ecosystem": odd.then_some("deb"), "scope": if name.is_empty() { "build" } else { "runtime" },
        "name": version, "version": (!odd).then_some(name), "purl": purl,
    });
    (package, component)
}

fn rows() -> impl Strategy<Value = Vec<(Option<String>, String, String, bool)>> {
    let purl = "(pkg:)?[a@/?#&=\n%]{0,8}((vcs|download)_url=[a/#&@=]{0,4})?";
    prop::collection::vec((prop::option::of(purl), "[a@/]{0,3}", "[1/@]{0,3}", any::<bool>()), 0..6)
}

proptest! {
    /// What the index of an input says is what the rules make of its packages themselves.
    #[test]
    fn an_index_says_of_any_packages_what_rules_make_of_them(
        rows in rows(), allow in "(pkg:)?[a@/*]{1,5}", deny in "(pkg:)?[a@/*]{1,5}", ignore in "[a@/]{1,2}",
    ) {
        let (packages, components): (Vec<_>, Vec<_>) = rows.into_iter().map(listed).unzip();
        let mut input = Cases::read().honest;
        input["inventory"]["packages"] = packages.into();
        input["sboms"][0]["components"] = components.into();
        let settings = json!({
            "components": {"allow": [allow], "deny": [deny], "sources": ["a"]},
            "licences": {"allow": ["MIT"], "ignore": [ignore]},
        });
        let bundle = Bundle::default().with_rules(&["components", "licences"]).expect("they ship");
        let bundle = bundle.with_settings(settings.as_object().cloned().expect("an object"));
        let policies = Policies::compile(&bundle, &Limits::default());
        prop_assume!(policies.is_ok(), "settings are no patterns");
        let policies = policies.expect("they compile");
        let saved = input::Saved::of(&input).expect("it is as hallmark writes it");
        let by = |lists, saved| policies.results_over(&input, lists, saved, &Limits::default());
        prop_assert_eq!(by(given::Lists::Indexed, Some(&saved)), by(given::Lists::Whole, None));
    }
}

/// An input as hallmark makes it has the index that a saved one gets.
#[test]
fn the_index_of_an_image_is_that_of_its_saved_input() {
    let status = b"Package: a\nStatus: install ok installed\nVersion: 1\n\n\
                   Package: b\nStatus: install ok installed\nVersion: 1:2\n"
        .as_slice();
    let mut evidence = evidence();
    let inventory = crate::contents::read([("/var/lib/dpkg/status", status)], &Limits::default());
    evidence.inventory = Some(inventory);
    let made = PolicyInput::new(&evidence, Asked::default(), &[], now());
    assert!(made.is_indexed());
    let mut saved = serde_json::to_value(&made).expect("JSON");
    assert!(input::is_indexed(&saved));
    let index = saved["inventory"].as_object_mut().expect("an object").remove("index");
    let again = input::Saved::of(&saved).expect("it is as hallmark writes it");
    assert_eq!(index, Some(serde_json::to_value(&again.index).expect("JSON")));
    assert_eq!(made.inventory.map(|inventory| inventory.packages.len()), Some(2));
    let told = PolicyInput::report(&evidence, Asked::default(), &[], now());
    assert!(!told.is_indexed(), "reports do without");
}

/// By each preset an image is judged alike, whichever of its lists and index are made.
#[test]
fn what_no_rule_of_a_preset_reads_changes_nothing() {
    let cases = Cases::read();
    let limits = Limits::default();
    for name in Preset::names() {
        let bundle = Bundle::preset(name).expect("it ships").with_shared(cases.settings.clone());
        let policies = Policies::compile(&bundle, &limits).expect("it compiles");
        for case in &cases.cases {
            let input = cases.input(case);
            let Ok(judged) = policies.judge_saved(&input, &[], &limits) else { continue };
            let whole = policies.results_over(&input, given::Lists::Whole, None, &limits);
            let (deny, warn) = whole.expect("judged");
            assert_eq!((judged.deny, judged.warn), (deny, warn), "{name}: {}", case["name"]);
        }
    }
    assert_eq!(preset("regulated").lists(true, 1), given::Lists::Indexed);
    assert_eq!(preset("baseline").lists(true, 1), given::Lists::Counted);
}

/// Each component was once held against all others: with some thousand of them no time was left.
#[test]
fn large_sboms_are_held_against_each_other_in_time() {
    let cases = Cases::read();
    let mut input = cases.honest.clone();
    let first = &cases.honest["sboms"][0]["components"][0];
    let component = |number: usize| {
        let mut component = first.clone();
        component["name"] = format!("package-{number}").into();
        component
    };
    input["sboms"][0]["components"] = (0..4000).map(component).collect();
    let mut other = input["sboms"][0].clone();
    other["components"][7]["version"] = json!("other");
    input["sboms"].as_array_mut().expect("a list").push(other);
    let bundle = Bundle::default().with_rules(&["binding"]).expect("it ships");
    let limits = Limits { policy: Duration::from_secs(5), ..Limits::default() };
    let policies = Policies::compile(&bundle, &limits).expect("it compiles");
    let judged = policies.judge_saved(&input, &[], &limits).expect("in time");
    assert_eq!(codes(&judged.deny), ["sbom-contradicts"]);
    assert_eq!(judged.deny[0].facts["packages"], json!(["deb/package-7 (1:1.3, other)"]));
}

/// Rules of the operator's own see all packages, however they name them.
#[test]
fn own_rules_that_take_packages_get_all_of_them() {
    let cases = Cases::read();
    for taken in [
        "input.inventory.packages",
        "input[\"inventory\"].packages",
        "object.get(input, [\"inventory\", \"packages\"], [])",
        "object.get(input, \"inventory\", {}).packages",
        "inventory.packages",
        "input[part].packages",
        "all.inventory.packages",
        "input.sboms[0].components",
        "input.sboms[_].components",
    ] {
        let rego = format!(
            "package hallmark.own\nneeds := {{\"inventory\", \"rebuild\", \"vulnerabilities\"}}\npart := \"inventory\"\ninventory := input.inventory\nall := input\n\
             deny contains {{\"code\": \"a\", \"msg\": \"m\", \"n\": n}} if n := count({taken})\n\
             warn contains {{\"code\": \"b\", \"msg\": \"m\"}} if {{ part == \"\"; inventory == all }}\n"
        );
        let policies = compile(&rego).unwrap_or_else(|e| panic!("{rego}: {e}"));
        let judged = policies.judge_saved(&cases.honest, &[], &Limits::default()).expect("judged");
        assert_eq!(judged.deny[0].facts["n"], json!(2), "{taken}");
    }
}

#[test]
fn what_lies_in_the_base_has_until_its_day() {
    let cases = Cases::read();
    let judged = |name: &str, time: &str| {
        let case = cases.cases.iter().find(|case| case["name"] == name).expect("a case");
        let mut input = cases.input(case);
        input["time"] = json!(time);
        // The data is as old as it was.
        input["vulnerabilities"]["database"]["made"] = json!(&time[..10]);
        input["signatures"][0]["signers"][0]["notBefore"] = json!(time);
        let friday = effective::Effective {
            code: "vulnerability-severe".to_owned(),
            side: Some(crate::contents::accounts::Side::Base),
            on: "2026-12-04".parse().expect("a date"),
        };
        let bundle = Bundle::shipped().expect("they ship").with_settings(cases.settings.clone());
        let policies = Policies::compile(&bundle.with_effective(vec![friday]), &Limits::default());
        policies
            .expect("they compile")
            .judge_saved(&input, &[], &Limits::default())
            .expect("judged")
    };
    let own = judged("a vulnerability in own layers", "2026-12-03T12:00:00Z");
    assert_eq!(codes(&own.deny), ["vulnerability-severe"]);
    let base = judged("a vulnerability in base layers", "2026-12-03T12:00:00Z");
    assert_eq!((codes(&base.deny), codes(&base.warn)), (vec![], vec!["vulnerability-severe"]));
    let said = base.warn[0].warned(&Subject::Run);
    assert!(
        format!("{said:?}").contains("a warning until 2026-12-04, from when on it denies"),
        "{said:?}"
    );
    let friday = judged("a vulnerability in base layers", "2026-12-04T00:00:00Z");
    assert_eq!(codes(&friday.deny), ["vulnerability-severe"]);
}

#[test]
fn a_rule_says_from_when_on_it_denies() {
    let rule = |day: &str| {
        format!(
            "# METADATA\n# title: t\n# custom:\n#   code: a-b\n#   severity: deny\n#   effective_on: {day}\n\
             package hallmark.a\ndeny contains {{\"code\": \"a-b\", \"msg\": \"m\"}}\n"
        )
    };
    let judged = |day: &str| judge(&rule(day));
    assert_eq!(codes(&judged("2026-11-24").warn), ["a-b"]);
    assert_eq!(codes(&judged("2026-11-24").deny), Vec::<&str>::new());
    assert_eq!(codes(&judged("2026-11-23").deny), ["a-b"]);
    let error = compile(&rule("soon")).map(drop).expect_err("no day");
    assert!(error.to_string().contains("a.rego"), "{error}");
    let entry = effective::Effective {
        code: "a-bc".to_owned(),
        side: None,
        on: "2026-12-04".parse().expect("a date"),
    };
    let bundle = bundle(&rule("2026-11-24")).with_effective(vec![entry]);
    let error = Policies::compile(&bundle, &Limits::default()).map(drop).expect_err("no such code");
    assert!(error.to_string().contains("did you mean a-b?"), "{error}");
}

#[test]
fn an_exception_of_what_is_only_a_warning_yet_is_used_all_the_same() {
    let rule = "# METADATA\n# title: t\n# custom:\n#   code: a-b\n#   severity: deny\n#   effective_on: 2027-01-01\n\
                package hallmark.a\ndeny contains {\"code\": \"a-b\", \"msg\": \"m\"}\n";
    let policies = compile(rule).expect("it compiles");
    let judgement = policies.judge(&input(), &[exception("a-b", None)], &Limits::default());
    assert_eq!((judgement.deny.len(), judgement.warn.len(), judgement.excepted.len()), (0, 0, 1));
}

#[test]
fn settings_for_several_presets_count_where_a_rule_reads_them() {
    let object = |value: Value| value.as_object().cloned().expect("an object");
    let digest = input().image.digest;
    let shared =
        json!({"signature": {"revoked": [digest], "signers": ["a"]}, "rebuild": {"minLevel": 3}});
    let bundle = Bundle::preset("baseline").expect("it ships").with_shared(object(shared));
    let policies =
        Policies::compile(&bundle, &Limits::default()).expect("what is not read is left out");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["image-revoked"]);
    let own = bundle.with_settings(object(json!({"signature": {"revoked": []}})));
    let policies = Policies::compile(&own, &Limits::default()).expect("it compiles");
    assert!(policies.judge(&input(), &[], &Limits::default()).deny.is_empty(), "its own go last");
}

#[test]
fn c60_a_base_that_provenance_alone_names_is_no_listed_one() {
    use crate::{contents::accounts::Base, digest::DiffId};
    let layers = [DiffId::of(b"a"), DiffId::of(b"b")];
    let known = [vec![DiffId::of(b"a")]];
    let cases =
        [(Base::of(&layers, &known), Some(1)), (Base::of_provenance(&layers, &known), None)];
    for (base, want) in cases {
        let evidence = Evidence { base, ..evidence() };
        let input = PolicyInput::new(&evidence, Asked::default(), &[], now());
        assert_eq!(input.image.base_layers, want);
        let judged = preset("regulated").judge(&input, &[], &Limits::default());
        assert_eq!(codes(&judged.deny).contains(&"base-not-proven"), want.is_none(), "{base:?}");
    }
}

#[test]
fn a_setting_that_only_a_preset_beside_it_reads_is_none_of_its_own() {
    let object = |value: Value| value.as_object().cloned().expect("an object");
    let shipped = |name: &str| Bundle::preset(name).expect("it ships");
    let compiled = |settings: Value, others: Vec<Bundle>| {
        let bundle = shipped("signed").with_settings(object(settings)).beside(others);
        Policies::compile(&bundle, &Limits::default()).map(|policies| policies.asked_level())
    };
    let level = json!({"rebuild": {"minLevel": 3}, "signature": {"maxAgeDays": 9}});
    assert!(compiled(level.clone(), Vec::new()).is_err(), "nothing reads it");
    assert!(compiled(level.clone(), vec![shipped("baseline")]).is_err(), "nor does that one");
    let told = compiled(level, vec![shipped("baseline"), shipped("reproducible")]);
    assert_eq!(told, Ok(crate::verdict::DEFAULT_LEVEL), "it is not in force here");
    for misspelt in [json!({"rebuild": {"minLevle": 3}}), json!({"rebuilds": {"minLevel": 3}})] {
        let told = compiled(misspelt, vec![shipped("reproducible")]);
        let told = told.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("did you mean rebuild"), "{told}");
    }
}

#[test]
fn h32_a_rebuild_that_was_asked_for_counts_whatever_the_preset() {
    let failure = |kind| {
        Rebuild::Failed(crate::rebuild::Failure {
            kind,
            why: "w".to_owned(),
            log: String::new(),
            engine: None,
        })
    };
    let cases = [
        (Rebuild::NoProvenance, "rebuild-missing"),
        (Rebuild::NotReplayable(Vec::new()), "rebuild-not-replayable"),
        (failure(FailureKind::BuildFailed), "rebuild-failed"),
        (failure(FailureKind::EngineUnavailable), "rebuild-failed"),
    ];
    for name in Preset::names() {
        let bundle = Bundle::preset(name).expect("it ships").with_rebuild();
        let policies = Policies::compile(&bundle, &Limits::default()).expect("it compiles");
        assert!(policies.needs().rebuild, "{name}");
        for (rebuild, code) in &cases {
            let mut evidence = evidence();
            evidence.rebuild = rebuild.clone();
            let input = PolicyInput::new(&evidence, Asked::default(), &[], now());
            let judgement = policies.judge(&input, &[], &Limits::default());
            assert!(codes(&judgement.deny).contains(code), "{name}: {code}: {judgement:?}");
        }
    }
    let own =
        bundle("package hallmark.mine\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if false");
    let policies = Policies::compile(&own.with_rebuild(), &Limits::default()).expect("it compiles");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["rebuild-missing"], "with rules of one's own, too");
}

/// G14: rules see no branch that nothing proves to hold the commit, and those that rely on one are known.
#[test]
#[allow(clippy::too_many_lines)]
fn g14_rules_see_branch_and_tag_where_they_hold_the_commit() {
    let deny = |body: &str| format!("package hallmark.a\ndeny contains \"x\" if {{ {body} }}\n");
    let cases = [
        ("input.provenance.build.branch != \"main\"", true),
        ("input.provenance.build.tag", true),
        ("input.provenance.build.source.reference == \"x\"", true),
        ("build := input.provenance.build; build.branch == \"main\"", true),
        ("object.get(input.provenance, [\"build\", \"tag\"], \"\") == \"v1\"", true),
        ("build := input.provenance.build; build.source.url == \"x\"", false),
        ("build := input.provenance.build; build.builderId != input.image.reference", false),
        (
            "build := input.provenance.build; build.builderId == \"x\" # of the branch \"branch\"\n",
            false,
        ),
        ("input.image.reference == \"x\"", false),
        ("input.provenance.build.parameters.source.ref == \"x\"", true),
        ("startswith(input.provenance.build.materials[_].uri, \"refs\")", true),
        ("input.provenance.build.parameters.version == \"x\"", false),
        ("some a in input.attestations; a.predicate.source.ref == \"main\"", true),
        ("some a in input.attestations; a.predicateType == \"x\"", false),
    ];
    for (body, want) in cases {
        let policies = compile(&deny(body)).unwrap_or_else(|e| panic!("{body}: {e}"));
        assert_eq!(policies.needs().history, want, "{body}");
    }
    for name in Preset::names() {
        assert!(!preset(name).needs().history, "{name} asks nobody");
    }

    let mut provenance = crate::rebuild::tests::provenance();
    let source = provenance.source.as_mut().expect("a source");
    source.commit = crate::attest::provenance::Commit::new(&"a".repeat(40));
    source.reference = Some("refs/heads/main".to_owned());
    (provenance.branch, provenance.tag) = (Some("main".to_owned()), None);
    let by = crate::trust::SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
    let repeats = json!({"source": {"ref": "refs/heads/main"}, "uri": "git+https://x.example/a@refs/heads/main"});
    provenance.parameters = repeats.clone();
    provenance.build_args.insert("BRANCH".to_owned(), "main".to_owned());
    provenance.materials.push(crate::attest::provenance::Material {
        uri: "git+https://x.example/a@refs/heads/main".to_owned(),
        kind: crate::attest::provenance::MaterialKind::Git,
        pin: crate::attest::provenance::Pin::Nothing,
        role: None,
    });
    let statement = Statement {
        subjects: Vec::new(),
        predicate_type: "https://slsa.dev/provenance/v1".to_owned(),
        predicate: json!({"buildDefinition": {"externalParameters": repeats}}).into(),
    };
    let mut evidence = evidence();
    evidence.provenance = crate::trust::testing::vouched_for(provenance.clone(), by.clone());
    evidence.attestations = vec![crate::trust::testing::said_by(statement, by)];
    let rego = deny("not input.provenance.build.branch == \"main\"");
    let policies = compile(&rego).expect("it compiles");
    let denied = |evidence: &Evidence| {
        let input = PolicyInput::new(evidence, Asked::default(), &[], now());
        let build = input.provenance.build.clone().expect("it is proven");
        let denied = !policies.judge(&input, &[], &Limits::default()).deny.is_empty();
        (denied, build.branch, build.source.unwrap().reference, input.rebuild.gaps.len())
    };
    let mut refs = crate::trust::SourceRefs::unknown(Some(&provenance));
    for (why, gaps) in [(Some("it does not hold it".to_owned()), 2), (None, 0)] {
        refs.add("refs/heads/main".to_owned(), why.clone());
        evidence.refs = refs.clone();
        let said = (Some("main".to_owned()), Some("refs/heads/main".to_owned()));
        let (branch, reference) = if why.is_none() { said } else { (None, None) };
        assert_eq!(denied(&evidence), (why.is_some(), branch, reference, gaps), "{why:?}");
        // Nor does it stand in what the provenance repeats, in any field that rules see.
        let seen = serde_json::to_value(PolicyInput::new(&evidence, Asked::default(), &[], now()))
            .expect("JSON");
        let repeated = [
            &seen["provenance"]["build"]["parameters"],
            &seen["provenance"]["build"]["buildArgs"],
            &seen["provenance"]["build"]["materials"],
            &seen["attestations"],
        ];
        for part in repeated {
            let text = part.to_string();
            let says = text.contains("heads/main") || text.contains("\"main\"");
            assert_eq!(says, why.is_none(), "{why:?}: {text}");
        }
        // Who reads a report sees the claim, and that it is one.
        let told =
            PolicyInput::report(&evidence, Asked::default(), &[], now()).provenance.build.unwrap();
        let state = if why.is_some() { "unproven" } else { "proven" };
        assert_eq!((told.branch.as_deref(), told.refs[0].state.as_str()), (Some("main"), state));
    }
}

#[test]
fn what_is_there_and_unproven_is_not_proven() {
    let carrier = Carrier::Label { key: "x".to_owned() };
    let statement = Statement {
        subjects: Vec::new(),
        predicate_type: crate::attest::statement::SIGNATURE.to_owned(),
        predicate: json!({}).into(),
    };
    let purl = Some("pkg:deb/debian/ghost@1".to_owned());
    let ghost = Component::new(purl, "ghost".to_owned(), Some("1".to_owned()));
    let sbom = Sbom { components: vec![ghost], ..Sbom::empty("SPDX-2.3") };
    let status = b"Package: zlib1g\nStatus: install ok installed\nVersion: 1\n".as_slice();
    let inventory: Inventory =
        crate::contents::read([("/var/lib/dpkg/status", status)], &Limits::default());
    let mut evidence = evidence();
    let reconciliation = Some(reconcile(&sbom, sbom.about, &inventory));
    evidence.inventory = Some(inventory);
    let subject = ManifestDigest::of(b"{}");
    let (why, value) =
        (Unproven::Unsigned, BoundSbom { sbom: sbom.into(), subject, binding: Binding::default() });
    let payload = Digest::sha256(b"");
    let claim = Proof::Unproven { value, carrier: carrier.clone(), payload, why };
    evidence.sboms = vec![SbomEvidence { claim, reconciliation }];
    let why = Unproven::UnknownSigner;
    evidence.signatures = vec![Proof::Unproven {
        value: statement.into(),
        carrier,
        payload: Digest::sha256(b""),
        why,
    }];
    evidence.rebuild = Rebuild::NotReplayable(vec![Gap {
        code: "local-context",
        field: "source".to_owned(),
        why: "a local folder was sent".to_owned(),
        fix: "build from a git URL".to_owned(),
    }]);
    let input = PolicyInput::new(&evidence, Asked::default(), &[], now());
    let judgement = preset("reproducible").judge(&input, &[], &Limits::default());
    let want =
        ["provenance-missing", "rebuild-not-replayable", "sbom-missing", "signature-missing"];
    assert_eq!(codes(&judgement.deny), want);
    let baseline = preset("baseline").judge(&input, &[], &Limits::default());
    assert_eq!(codes(&baseline.deny), Vec::<&str>::new());
    assert_eq!(codes(&baseline.warn), Vec::<&str>::new());
    evidence.warrant = Warrant::None(Vec::new());
    let input = PolicyInput::new(&evidence, Asked::default(), &[], now());
    assert_eq!(input.rebuild.status, "no-provenance", "a stranger's provenance is not followed");
    let judgement = preset("reproducible").judge(&input, &[], &Limits::default());
    assert!(codes(&judgement.deny).contains(&"rebuild-missing"), "{judgement:?}");
    let by = crate::trust::testing::vouched_for(
        evidence.signatures[0].value().expect("a statement").clone(),
        crate::trust::SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None },
    );
    let bound = evidence.sboms[0].claim.value().expect("an SBOM").clone();
    evidence.sboms[0].claim = by.map(|_| bound.clone());
    let input = PolicyInput::new(&evidence, Asked::default(), &[], now());
    let baseline = preset("baseline").judge(&input, &[], &Limits::default());
    assert_eq!(codes(&baseline.deny), ["sbom-package-missing"]);
    assert_eq!(codes(&baseline.warn), ["sbom-package-ghost"]);
    let solution = baseline.deny[0].solution.as_deref().expect("METADATA has one");
    assert!(solution.contains("finished image"), "{solution}");
    assert_eq!(baseline.asides, []);
}

#[test]
fn the_input_has_the_fields_of_its_schema() {
    let schema = serde_json::to_value(schema()).expect("JSON");
    let input = serde_json::to_value(input()).expect("JSON");
    let keys = |v: &Value| -> BTreeSet<String> {
        v.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect()
    };
    assert_eq!(keys(&schema["properties"]), keys(&input));
    assert_eq!(input["time"], "2026-11-23T12:00:00Z");
}

#[test]
fn policies_that_could_pass_in_silence_do_not_compile() {
    let cases = [
        ("package hallmark.a\ndeny contains {", "does not compile"),
        ("package hallmark.a\np := $\"a\"", "help: `$\"…\"` (string interpolation)"),
        ("package hallmark.a\nas.b := 1", "help: a name that begins with a keyword"),
        ("package hallmark.a\nallow if true", "nothing asks for data.hallmark.a.allow"),
        ("package hallmark.a\nneeds contains \"rebuild\"", "every image would pass"),
        (
            "package hallmark.a\ndeny contains 1 if nosuch.function(1)",
            "nosuch.function may not be called",
        ),
        ("package hallmark.a\ndeny := [] if true", "is no set"),
        ("package hallmark.a\ndeny if true", "is no set"),
        ("package hallmark.a\ndeny := {\"code\": \"a\", \"msg\": \"m\"} if true", "is no set"),
        ("package mine\ndeny contains {\"code\": \"a\", \"msg\": \"m\"}", "not under hallmark"),
        ("package hallmark.a\ndeny contains 1 if http.send({})", "nothing but its input"),
        ("package hallmark.a\ndeny contains 1 if opa.runtime()", "nothing but its input"),
        ("package hallmark.a\ndeny contains 1 if time.now_ns() > 0", "nothing but its input"),
        ("package hallmark.a\ndeny contains 1 if time[\"now_ns\"]() > 0", "nothing but its input"),
        ("package hallmark.a\ndeny contains 1 if rand.intn(\"a\", 2) > 0", "nothing but its input"),
        (
            "package hallmark.a\ndeny contains 1\nneeds contains \"rebuilt\"",
            "expected \"inventory\"",
        ),
        ("package hallmark.a\ndeny contains 1\nneeds := \"rebuild\"", "needs contains"),
    ];
    for (rego, want) in cases {
        let error = match compile(rego) {
            Ok(_) => panic!("compiled: {rego}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(want), "{rego}: {error}");
    }
    assert!(Policies::compile(&Bundle::default(), &Limits::default()).is_err());
}

#[test]
fn whatever_goes_wrong_in_a_rule_is_a_denial() {
    let cases = [
        ("deny contains x if not x", ""),
        ("deny contains 1", "expected an object with a code"),
        ("deny contains {\"code\": \"a\"}", "expected an object with a code"),
        ("deny contains {\"code\": \"a\", \"msg\": \"\"}", "expected an object with a code"),
        ("deny contains {\"code\": \"A b\", \"msg\": \"m\"}", "expected an object with a code"),
        ("warn contains {\"code\": 1, \"msg\": \"m\"}", "expected an object with a code"),
        ("deny := x if true\nx := []", "is no set"),
        (
            "deny contains {\"code\": \"a\", \"msg\": \"m\"} if to_number(\"x\") == 1",
            "cannot be evaluated",
        ),
        (
            "deny contains {\"code\": \"a\", \"msg\": x}\nx := 1 if true\nx := 2 if true",
            "cannot be evaluated",
        ),
    ];
    for (rego, want) in cases {
        let judgement = judge(&format!("package hallmark.a\n{rego}"));
        assert_eq!(codes(&judgement.deny), ["policy-error"], "{rego}");
        let msg = &judgement.deny[0].msg;
        assert!(msg.contains(want), "{rego}: {msg}");
        let found: Vec<_> = judgement.asides.iter().map(|f| f.code).collect();
        assert_eq!(found, [Code::PolicyError], "{rego}");
    }
}

#[test]
fn a_result_that_is_none_names_file_and_line() {
    let rule = "package hallmark.a\n\nx := 1\n\ndeny contains x\n";
    let bundle = Bundle::from_files([("own/a.rego".to_owned(), rule.to_owned())]).expect("files");
    let policies = Policies::compile(&bundle, &Limits::default()).expect("it compiles");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    let msg = &judgement.deny[0].msg;
    assert!(msg.contains("own/a.rego:5: data.hallmark.a.deny gave 1"), "{msg}");
}

#[test]
fn results_carry_facts_and_are_sorted() {
    let judgement = judge(
        "package hallmark.a\n\
         deny contains {\"code\": \"b\", \"msg\": \"m\", \"layer\": 3} if not input.absent\n\
         deny contains {\"code\": \"a\", \"msg\": input.time}\n\
         warn contains {\"code\": \"c\", \"msg\": \"m\"} if input.image.platform == \"linux/amd64\"",
    );
    assert_eq!(codes(&judgement.deny), ["a", "b"]);
    assert_eq!(judgement.deny[0].msg, "2026-11-23T12:00:00Z");
    assert_eq!(judgement.deny[1].facts["layer"], json!(3));
    assert_eq!(judgement.deny[1].package, "hallmark.a");
    assert_eq!(codes(&judgement.warn), ["c"]);
}

#[test]
fn an_exception_lets_one_code_through_and_never_a_policy_error() {
    let exception = |code: &str| Exception {
        code: code.to_owned(),
        package: None,
        images: "r.example/*".parse().expect("a pattern"),
        scope: None,
        reason: "r".to_owned(),
        owner: "o".to_owned(),
        expires: "2026-12-01".parse().expect("a date"),
        elsewhere: false,
    };
    let policies = preset("signed");
    let all = [exception("signature-missing"), exception("policy-error")];
    let judgement = policies.judge(&input(), &all, &Limits::default());
    assert!(judgement.deny.is_empty());
    assert_eq!(codes(&judgement.excepted), ["signature-missing"]);
    let found: Vec<_> = judgement.asides.iter().map(|f| f.code).collect();
    assert_eq!(found, [Code::PolicyExceptionUsed, Code::PolicyExceptionUnused]);
    let broken = compile("package hallmark.a\ndeny contains 1").expect("it compiles");
    assert_eq!(codes(&broken.judge(&input(), &all, &Limits::default()).deny), ["policy-error"]);
    assert_ne!(policies.digest(&all), policies.digest(&[]));
    assert_ne!(policies.digest(&[]), preset("baseline").digest(&[]));
    assert_eq!(policies.digest(&[]), preset("signed").digest(&[]));
}

#[test]
fn settings_reach_the_rules() {
    let rego = "package hallmark.a\nneeds contains \"rebuild\" if input.settings.ask\n\
                deny contains {\"code\": \"a\", \"msg\": \"m\"} if input.settings.level > data.floor";
    let files = [("a.rego", rego), ("data.yaml", "floor: 2")];
    let files = files.map(|(f, t)| (f.to_owned(), t.to_owned()));
    let bundle = Bundle::from_files(files).expect("a bundle");
    for (settings, denied, rebuild) in
        [(json!({"level": 3, "ask": true}), 1, true), (json!({"level": 2}), 0, false)]
    {
        let settings = settings.as_object().cloned().expect("an object");
        let with = bundle.clone().with_settings(settings);
        let policies = Policies::compile(&with, &Limits::default()).expect("it compiles");
        assert_eq!(policies.judge(&input(), &[], &Limits::default()).deny.len(), denied);
        assert_eq!(policies.needs(), Needs { rebuild, ..Needs::default() });
    }
}

/// A fresh timestamp beside an old signature makes it no younger, for certificates and for keys.
#[test]
fn h37_a_signature_is_as_old_as_its_certificate_whatever_is_stamped_today() {
    use crate::trust::{
        Signer, SignerIdentity,
        sigstore::{ProvenTime, Recorded, SubjectName, TimeSource, Vouched},
    };
    let day = |days: i64| now() - jiff::SignedDuration::from_hours(24 * days);
    let stamped = |days| vec![ProvenTime { time: day(days), source: TimeSource::Authority }];
    let keyless = |start, stamp| {
        SignerIdentity::Keyless(Box::new(Vouched {
            issuer: None,
            subject: SubjectName::Email("a@x.example".to_owned()),
            claims: BTreeMap::new(),
            not_before: day(start),
            times: stamped(stamp),
            log_indices: Vec::new(),
        }))
    };
    let recorded = Recorded { times: stamped(0), log_indices: Vec::new() };
    let key = |recorded| SignerIdentity::Key { fingerprint: "ab".to_owned(), recorded };
    let settings = json!({"signature": {"maxAgeDays": 30}});
    let settings = settings.as_object().cloned().expect("an object");
    let bundle = Bundle::preset("signed").expect("it ships").with_settings(settings);
    let policies = Policies::compile(&bundle, &Limits::default()).expect("it compiles");
    let cases = [
        ("young", keyless(30, 30), &[][..], ""),
        ("old", keyless(31, 31), &["signature-stale"], "younger than 30 days"),
        ("old, stamped today", keyless(31, 0), &["signature-stale"], "younger than 30 days"),
        ("a key", key(None), &["signature-stale"], "plain key"),
        ("a key, stamped today", key(Some(Box::new(recorded))), &["signature-stale"], "plain key"),
    ];
    for (what, identity, want, said) in cases {
        let signer = Signer { name: "release".to_owned(), identity };
        let mut input = input();
        input.signatures = vec![StatementInput {
            proof: ProofInput {
                state: "proven".to_owned(),
                why: None,
                signers: vec![signer::SignerInput::from(&signer)],
                basis: Some(BasisInput::Signed),
                carrier: None,
                place: None,
            },
            predicate_type: crate::attest::statement::SIGNATURE.to_owned(),
            predicate: json!({}),
            content: None,
            problem: None,
            holds: true,
        }];
        let judgement = policies.judge(&input, &[], &Limits::default());
        assert_eq!(codes(&judgement.deny), want, "{what}");
        let messages: String = judgement.deny.iter().map(|result| result.msg.as_str()).collect();
        assert!(messages.contains(said), "{what}: {messages}");
    }
}

#[test]
fn evaluation_ends_in_time() {
    let rego = "package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if {\n\
                some x in numbers.range(1, 3000)\nsome y in numbers.range(1, 3000)\nx * y == 0.5\n}";
    let limits = Limits { policy: Duration::from_millis(50), ..Limits::default() };
    let policies = Policies::compile(&bundle(rego), &limits).expect("it compiles");
    let judgement = policies.judge(&input(), &[], &limits);
    assert!(judgement.deny[0].msg.contains("longer than limits.policy, 50 ms"));
}

#[test]
fn the_limit_of_input_bytes_holds_at_n_and_n_plus_one() {
    let policies = preset("baseline");
    let mut value = serde_json::to_value(input()).expect("JSON");
    let off = json!({"deny": "off", "graceDays": 0, "maxAgeDays": 7, "gaps": "deny"});
    let sbom = json!({"ghosts": "warn", "uncovered": "warn"});
    let signature = json!({"revoked": []});
    value["settings"] = json!({"sbom": sbom, "signature": signature, "vulnerabilities": off});
    let size = value.to_string().len() as u64;
    let at = |policy_bytes| Limits { policy_bytes, ..Limits::default() };
    assert!(policies.judge(&input(), &[], &at(size)).deny.is_empty());
    let over = policies.judge(&input(), &[], &at(size - 1));
    assert_eq!(codes(&over.deny), ["policy-error"]);
    assert!(over.deny[0].msg.contains("the policy input (limits.policyBytes) of"));
}

#[test]
fn policies_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let policies = preset("signed");
    shared(&policies);
    let first = policies.judge(&input(), &[], &Limits::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(policies.judge(&input(), &[], &Limits::default()), first));
        }
    });
}

#[test]
fn the_runner_tells_passed_failed_and_broken_tests_apart() {
    let files = |tests: &str| {
        let rule = "package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if input.x";
        Bundle::from_files([
            ("a.rego".to_owned(), rule.to_owned()),
            (
                "a_test.rego".to_owned(),
                format!("package hallmark.a_test\nimport data.hallmark.a\n{tests}"),
            ),
        ])
        .expect("a bundle")
    };
    let tests = "test_good if count(a.deny) == 1 with input as {\"x\": 1}\n\
                 test_false if count(a.deny) == 1 with input as {}\n\
                 test_not_true := 1\n\
                 test_broken if to_number(\"x\") == 1\nhelper := 1\n";
    let report = test::run(&files(tests), &Limits::default()).expect("it has tests");
    let text = report.to_string();
    assert_eq!((report.passed(), report.failed(), report.is_success()), (1, 3, false), "{text}");
    for line in [
        "ERROR a_test.rego  data.hallmark.a_test.test_broken: a policy cannot be evaluated",
        "FAIL  a_test.rego  data.hallmark.a_test.test_false\n",
        "FAIL  a_test.rego  data.hallmark.a_test.test_not_true\n",
        "pass  a_test.rego  data.hallmark.a_test.test_good\n",
        "\n1 passed, 3 failed\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let none = test::run(&files(""), &Limits::default());
    assert_eq!(none, Err(PolicyError::NoTests));
    assert!(test::run(&files("test_x if"), &Limits::default()).is_err());
}

#[test]
fn a_test_that_fails_says_at_which_expression_and_what_its_sides_are() {
    let rule = "package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if input.x";
    let head = "package hallmark.a_test\n\nimport data.hallmark.a\n\n";
    type Values = &'static [(&'static str, Option<&'static str>)];
    let cases: [(&str, u32, &str, Values); 4] = [
        (
            "test_x if count(a.deny) == 1 with input as {}",
            5,
            "count(a.deny) == 1 with input as {}",
            &[("count(a.deny)", Some("0")), ("1", Some("1"))],
        ),
        (
            "test_x if {\n\tfound := a.deny with input as {\"x\": 1}\n\tcount(found) == 1\n\tcount(found) > 5\n\t1 == 1\n}",
            8,
            "count(found) > 5",
            &[("count(found)", Some("1")), ("5", Some("5"))],
        ),
        (
            "test_x if {\n\tinput.y == 1\n\t1 == 1\n}",
            6,
            "input.y == 1",
            &[("input.y", None), ("1", Some("1"))],
        ),
        ("test_x if {\n\tnot a.deny\n}", 6, "not a.deny", &[("a.deny", Some("[]"))]),
    ];
    for (written, line, expression, values) in cases {
        let files = [("a.rego", rule.to_owned()), ("a_test.rego", format!("{head}{written}\n"))];
        let bundle = Bundle::from_files(files.map(|(f, t)| (f.to_owned(), t))).expect("files");
        let limits = Limits::default();
        let report = test::run_explained(&bundle, &limits).expect("it has tests");
        let stopped = report.tests[0].stopped.clone().unwrap_or_else(|| panic!("{written}"));
        assert_eq!((stopped.line, stopped.expression.as_str()), (line, expression), "{written}");
        let found: Vec<(&str, Option<&str>)> =
            stopped.values.iter().map(|(text, value)| (text.as_str(), value.as_deref())).collect();
        assert_eq!(found, values, "{written}");
        let brief = test::run(&bundle, &limits).expect("it has tests");
        assert_eq!(brief.tests[0].stopped, None, "mutations do not wait for it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,80}") {
        let _ = compile(&text);
        let _ = compile(&format!("package hallmark.a\ndeny contains {text}"));
        let _ = metadata::Metadata::read("a.rego", &format!("# METADATA\n# {text}\n"));
    }
}

/// The Rego blocks of `docs/policy.md`, in order.
fn documented() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let text = std::fs::read_to_string(path).expect("docs/policy.md is there");
    let blocks = text.split("```rego\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

#[test]
fn the_example_in_the_docs_passes_its_own_tests() {
    let blocks = documented();
    let [rule, tests] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    let files = [("user.rego", rule), ("user_test.rego", tests)];
    let bundle = Bundle::from_files(files.map(|(f, t)| (f.to_owned(), t.clone()))).expect("files");
    let report = test::run(&bundle, &Limits::default()).expect("it has tests");
    assert_eq!((report.passed(), report.failed()), (3, 0), "{report}");
    let policies = Policies::compile(&bundle, &Limits::default()).expect("it compiles");
    let judgement = policies.judge(&input(), &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["user-is-root"]);
}

#[test]
fn the_presets_are_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let text = std::fs::read_to_string(path).expect("docs/policy.md is there");
    for name in Preset::names() {
        assert!(text.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn policies_compiled_ahead_are_those_compiled_at_once_and_broken_ones_deny() {
    let limits = Limits::default();
    let right = bundle("package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"}\n");
    let ahead = Deferred::new(right.clone(), limits.clone());
    let at_once = Policies::compile(&right, &limits).expect("it compiles");
    let input = input();
    assert_eq!(ahead.digest(&[]), at_once.digest(&[]));
    let judged = at_once.judge(&input, &[], &limits);
    assert_eq!(ahead.judge(&input, &[], &limits), judged);

    let broken = Deferred::new(bundle("package hallmark.a\ndeny contains if {\n"), limits.clone());
    assert!(broken.ready().is_err());
    assert_eq!(broken.needs(), Needs::default());
    let denied = broken.judge(&input, &[], &limits);
    assert_eq!(denied.asides.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::PolicyError]);
    assert_ne!(broken.digest(&[]), ahead.digest(&[]));
}

/// Compiles `files` beside the preset `baseline`, each folder under its name.
fn beside(folders: &[(&str, &[(&str, &str)])]) -> Result<Policies, PolicyError> {
    let mut bundle = Bundle::preset("baseline")?;
    for (folder, files) in folders {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        bundle = bundle.join(Bundle::from_files(files)?.at(folder))?;
    }
    Policies::compile(&bundle, &Limits::default())
}

const RESULT: &str = "{\"code\": \"a\", \"msg\": \"m\"}";

#[test]
fn i2_folders_are_added_to_the_preset_and_change_nothing_in_it() {
    let own = format!("package hallmark.own\ndeny contains {RESULT} if not input.image.signed");
    let policies = beside(&[("own", &[("own.rego", &own)])]).expect("it compiles");
    let mut evidence = evidence();
    evidence.layouts = Vec::new();
    let judgement = policies.judge(
        &PolicyInput::new(&evidence, Asked::default(), &[], now()),
        &[],
        &Limits::default(),
    );
    assert_eq!(codes(&judgement.deny), ["a"]);
    assert!(
        policies.needs().collectors.contains(&CollectorName::Inventory),
        "the preset's rules are asked, too"
    );
    let error = Finding::new(Code::LayoutThreshold, crate::finding::Subject::Run);
    let input = PolicyInput::new(&evidence, Asked::default(), &[error], now());
    let judgement = policies.judge(&input, &[], &Limits::default());
    assert_eq!(codes(&judgement.deny), ["error-findings", "a"], "and deny");
    let bad = [
        // What is added to a package of somebody else changes what it means.
        format!("package hallmark.sbom_agrees\nproven contains {RESULT}"),
        format!("package hallmark.findings.codes\ndeny contains {RESULT}"),
        format!("package hallmark\ndeny contains {RESULT}"),
    ];
    for text in &bad {
        let error = beside(&[("own", &[("own.rego", text)])]).err().map(|e| e.to_string());
        assert!(
            error.as_ref().is_some_and(|e| e.contains("overlaps package")),
            "{text}: {error:?}"
        );
    }
    let other = own.replace("deny contains", "extra contains");
    let error = beside(&[("one", &[("a.rego", &own)]), ("two", &[("b.rego", &other)])]);
    assert!(matches!(error.err(), Some(PolicyError::PackageTaken { .. })));
}

#[test]
fn i1_a_revoked_image_is_denied_in_every_preset() {
    let digest = input().image.digest;
    for name in Preset::names() {
        let settings = json!({"signature": {"revoked": [digest.clone()]}});
        let settings = settings.as_object().cloned().expect("an object");
        let bundle = Bundle::preset(name).expect("it ships").with_settings(settings);
        let policies = Policies::compile(&bundle, &Limits::default());
        let policies = policies.unwrap_or_else(|e| panic!("{name}: {e}"));
        let judgement = policies.judge(&input(), &[], &Limits::default());
        assert!(codes(&judgement.deny).contains(&"image-revoked"), "{name}");
    }
}

#[test]
fn i1_a_setting_that_the_loaded_rules_do_not_read_stops_the_start() {
    let with = |preset: &str, settings: Value| {
        let settings = settings.as_object().cloned().expect("an object");
        let bundle = Bundle::preset(preset).expect("it ships").with_settings(settings);
        Policies::compile(&bundle, &Limits::default()).map(drop).map_err(|e| e.to_string())
    };
    let unread = [
        ("baseline", json!({"signature": {"signers": ["a"]}}), "signature.signers"),
        ("baseline", json!({"signature": {"maxAgeDays": 3}}), "signature.maxAgeDays"),
        ("baseline", json!({"rebuild": {"minLevel": 3}}), "rebuild.minLevel"),
        ("signed", json!({"rebuild": {"minLevel": 3}}), "rebuild.minLevel"),
        ("signed", json!({"signature.signers": ["a"]}), "signature.signers"),
        ("signed", json!({"signers": ["a"]}), "signers"),
        ("signed", json!({"signature": {}, "x": {}}), "x"),
    ];
    for (preset, settings, key) in unread {
        let error = with(preset, settings.clone()).expect_err(key);
        assert!(error.contains(&format!("policy.settings.{key} is read by no rule")), "{error}");
    }
    assert_eq!(with("reproducible", json!({"rebuild": {"minLevel": 3}})), Ok(()));
    let error = with("signed", json!({"signature": {"signers": "a"}})).expect_err("a text");
    assert!(error.contains("policy.settings.signature.signers: expected a list"), "{error}");
}

/// Whatever a rule of the operator's own takes at once, a shipped setting is held against the names that ship.
#[test]
fn i1_no_own_rule_makes_a_misspelt_setting_good() {
    let bodies = [
        "object.get(input, \"settings\", {}) != {}",
        "count(input.settings) > 100",
        "some k; input.settings[k].limit > 100",
        "x := input; x.settings.foo > 100",
        "x := input.settings; x[_].limit > 100",
        "input.settings.signature.limit > 100",
        "some k, v in input.settings; v == k",
        "count(input.settings.signature) > 100",
        "x := object.get(input, [\"settings\", \"signature\"], {}); count(x) > 100",
    ];
    for body in bodies {
        let own = format!(
            "package hallmark.own\nneeds := {{\"inventory\", \"rebuild\"}}\ndeny contains {RESULT} if {{\n{body}\n}}\n"
        );
        let files = [("own.rego".to_owned(), own)];
        let own = Bundle::from_files(files).expect("a file").at("own");
        let with = |settings: Value| {
            let settings = settings.as_object().cloned().expect("an object");
            let bundle = Bundle::preset("baseline").and_then(|bundle| bundle.join(own.clone()));
            let bundle = bundle.expect("no overlap").with_settings(settings);
            Policies::compile(&bundle, &Limits::default()).map(drop).map_err(|e| e.to_string())
        };
        let digest = input().image.digest;
        let unknown = with(json!({"signature": {"revokd": [digest.clone()]}}));
        let why = unknown.expect_err(body);
        assert!(why.contains("signature.revokd is no setting of the shipped rules; did you mean signature.revoked?"), "{why}");
        let unread = with(json!({"signature": {"signers": ["a"]}})).expect_err(body);
        assert!(unread.contains("signature.signers is read by no rule"), "{body}: {unread}");
        assert_eq!(with(json!({"signature": {"revoked": [digest]}})), Ok(()), "{body}");
    }
    let own = format!(
        "package hallmark.own\ndeny contains {RESULT} if {{\n\tx := input\n\tx.settings.mine.limit > 3\n}}\n"
    );
    let own = Bundle::from_files([("own.rego".to_owned(), own)]).expect("a file").at("own");
    let with = |settings: Value| {
        let settings = settings.as_object().cloned().expect("an object");
        let bundle = Bundle::preset("baseline").and_then(|bundle| bundle.join(own.clone()));
        let bundle = bundle.expect("no overlap").with_settings(settings);
        Policies::compile(&bundle, &Limits::default()).map(drop)
    };
    assert_eq!(with(json!({"mine": {"limit": 3}})), Ok(()));
    assert!(
        with(json!({"mine": {"limt": 3}})).is_err(),
        "a name for the input reads what is read of it"
    );
}

/// All words that are one letter away, and not the word itself.
fn misspelt(word: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let letters: Vec<char> = word.chars().collect();
    let of = |letters: &[char]| letters.iter().collect::<String>();
    for at in 0..letters.len() {
        let mut less = letters.clone();
        less.remove(at);
        words.insert(of(&less));
        for other in ['s', 'x', '_', '-', ' '] {
            let mut more = letters.clone();
            more.insert(at, other);
            words.insert(of(&more));
            let mut changed = letters.clone();
            changed[at] = other;
            words.insert(of(&changed));
        }
        let mut cased = letters.clone();
        cased[at] = match letters[at] {
            c if c.is_ascii_lowercase() => c.to_ascii_uppercase(),
            c => c.to_ascii_lowercase(),
        };
        words.insert(of(&cased));
        if at > 0 {
            let mut swapped = letters.clone();
            swapped.swap(at - 1, at);
            words.insert(of(&swapped));
        }
    }
    words.insert(format!("{word}s"));
    words.remove(word);
    words
}

#[test]
fn i1_every_setting_misspelt_by_one_letter_is_refused() {
    let good = |path: &str| match path {
        "rebuild.minLevel" => json!(3),
        "sbom.ghosts" => json!("deny"),
        "sbom.profile" => json!("ntia-2021"),
        "signature.maxAgeDays" => json!(3),
        _ => json!([]),
    };
    let bundle = Bundle::shipped().expect("it ships");
    let limits = Limits::default();
    let reads = Policies::compile(&bundle, &limits).expect("it compiles").settings_read().clone();
    // A rule that takes all settings at once changes nothing.
    let everything = settings::Reads { own: [Vec::new()].into(), ..reads.clone() };
    let mut tried = 0;
    for name in settings::names() {
        let (section, key) = name.split_once('.').expect("two words");
        let value = good(&name);
        let right = json!({section: {key: value.clone()}});
        assert_eq!(
            settings::all_read(right.as_object().expect("an object"), &reads),
            Ok(()),
            "{name}"
        );
        let sections =
            misspelt(section).into_iter().map(|wrong| json!({wrong: {key: value.clone()}}));
        let keys = misspelt(key).into_iter().map(|wrong| json!({section: {wrong: value.clone()}}));
        for settings in sections.chain(keys) {
            let settings = settings.as_object().expect("an object");
            for reads in [&reads, &everything] {
                assert!(settings::all_read(settings, reads).is_err(), "{settings:?}");
            }
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn i3_rules_that_nothing_asks_for_do_not_load() {
    let deny = format!("deny contains {RESULT} if input.image.platform == \"x\"\n");
    let cases = [
        (
            "foo.deny contains {\"code\": \"b\", \"msg\": \"m\"}",
            "nothing asks for data.hallmark.own.foo.deny",
        ),
        ("deny.foo contains {\"code\": \"b\", \"msg\": \"m\"}", "data.hallmark.own.deny.foo"),
        ("deny_root contains {\"code\": \"b\", \"msg\": \"m\"}", "data.hallmark.own.deny_root"),
        ("violation contains {\"code\": \"b\", \"msg\": \"m\"}", "data.hallmark.own.violation"),
        ("warn_old contains \"x\"", "data.hallmark.own.warn_old"),
        ("Deny contains \"x\"", "data.hallmark.own.Deny"),
        ("dney contains {\"code\": \"b\", \"msg\": \"m\"}", "data.hallmark.own.dney"),
        ("allow if input.image", "data.hallmark.own.allow"),
        ("default allow := false", "data.hallmark.own.allow"),
        ("deny(x) := {\"code\": \"b\", \"msg\": x}", "nobody gives it arguments"),
        ("deny(x) if x", "nobody gives it arguments"),
        ("unused := 1", "no deny, warn or needs leads to it"),
        ("test_own if true", "tests are run from *_test.rego"),
    ];
    for (rule, want) in cases {
        let own = format!("package hallmark.own\n{deny}{rule}\n");
        let error = beside(&[("own", &[("own.rego", &own)])]).err().map(|e| e.to_string());
        assert!(error.as_ref().is_some_and(|e| e.contains(want)), "{rule}: {error:?}");
    }
    let alone = format!(
        "package hallmark.own\nreally if count(violation) > 0\nviolation contains 1\n{deny}"
    );
    assert!(beside(&[("own", &[("own.rego", &alone)])]).is_err());
    let used = "package hallmark.own\nimport data.lib\n\
                deny contains {\"code\": \"b\", \"msg\": \"m\"} if {\nsome x in violation\nlib.f(x)\n}\n\
                violation contains 1 if lib.names[\"a\"]\n";
    let lib = "package lib\nf(x) if x == 1\ng(x) if x == 2\nnames := {\"a\": true}\n";
    beside(&[("own", &[("own.rego", used), ("lib.rego", lib)])]).expect("all is asked for");
    let stray = format!("{lib}denials contains {RESULT}\n");
    assert!(beside(&[("own", &[("own.rego", used), ("lib.rego", &stray)])]).is_err());
}

#[test]
fn i3_rules_in_test_files_are_no_rules() {
    let rule = format!("package hallmark.a\ndeny contains {RESULT} if input.x\n");
    for stray in [
        "deny contains 1",
        "warn contains 1",
        "deny_x contains 1",
        "violation contains 1",
        "needs contains \"rebuild\"",
    ] {
        let tests = format!("package hallmark.a_test\ntest_x if true\n{stray}\n");
        let files = [("a.rego", rule.clone()), ("a_test.rego", tests)];
        let bundle = Bundle::from_files(files.map(|(f, t)| (f.to_owned(), t))).expect("files");
        let error = test::run(&bundle, &Limits::default()).expect_err(stray).to_string();
        assert!(error.contains("left out when images are judged"), "{error}");
        assert!(Policies::compile(&bundle, &Limits::default()).is_err(), "{stray}");
    }
}

#[test]
fn i2_what_nothing_defines_is_not_referred_to() {
    let cases = [
        ("some name in data.allowed", "data.allowed"),
        ("count(data.hallmark.signature.deny) == 0", "data.hallmark.signature.deny"),
        ("data.hallmark.findings.nothing", "data.hallmark.findings.nothing"),
        ("lists.c", "data.lists.c"),
        ("data[\"nowhere\"]", "data.nowhere"),
        ("not data.typo.f(1)", "data.typo.f"),
    ];
    for (body, want) in cases {
        let own = format!(
            "package hallmark.own\nimport data.lists\ndeny contains {RESULT} if {{\n{body}\n}}\n"
        );
        let files: &[(&str, &str)] = &[("own.rego", &own), ("data.yaml", "lists: {a: 1, b: [x]}")];
        let error = beside(&[("own", files)]).err().map(|e| e.to_string());
        let want = format!("nothing defines {want}:");
        assert!(error.as_ref().is_some_and(|e| e.contains(&want)), "{body}: {error:?}");
    }
    let own = format!(
        "package hallmark.own\nimport data.lists\ndeny contains {RESULT} if {{\nlists.a == 1\n\
         \"x\" in data.lists.b\nlists.b[0]\nsome k\nlists[k]\nobject.get(data, \"absent\", 1) == 1\n\
         count(data.hallmark.findings.codes) == 0\n}}\n"
    );
    let files: &[(&str, &str)] = &[("own.rego", &own), ("data.yaml", "lists: {a: 1, b: [x]}")];
    let policies = beside(&[("own", files)]).expect("all is defined");
    assert_eq!(codes(&policies.judge(&input(), &[], &Limits::default()).deny), ["a"]);
}

#[test]
fn i3_data_lies_beside_packages_and_the_inventory_is_asked_for() {
    let own = format!("package hallmark.own\ndeny contains {RESULT}\n");
    for data in [
        "hallmark: {own: {deny: []}}",
        "hallmark: {own: {}}",
        "hallmark: 1",
        "hallmark: {findings: {codes: []}}",
    ] {
        let error = beside(&[("own", &[("own.rego", &own), ("data.yaml", data)])]).err();
        assert!(matches!(error, Some(PolicyError::DataBelowPackage { .. })), "{data}: {error:?}");
    }
    let reads = "deny contains {\"code\": \"b\", \"msg\": \"m\"} if count(packages) > 0\npackages := input.inventory.packages\n";
    let without = format!("package hallmark.own\n{reads}");
    let error = beside(&[("own", &[("own.rego", &without)])]).err().map(|e| e.to_string());
    assert!(error.is_some_and(|e| e.contains("hallmark.own reads input.inventory")));
    let with = format!("{without}needs contains \"inventory\"\n");
    beside(&[("own", &[("own.rego", &with)])]).expect("it asks");
}

/// Rules about what is there only for who asks do not load where nobody asks, or where it is asked too late.
#[test]
#[allow(clippy::too_many_lines)]
fn i3_what_is_there_only_for_who_asks_is_asked_for() {
    let own = |needs: &str, body: &str| {
        let text = format!(
            "package hallmark.own\n{needs}\ndeny contains {RESULT} if {{\n{body}\n}}\n\nf(x) if x.inventory.os\n\ng if f({{}})\n\ndeny contains {RESULT} if g\n"
        );
        beside(&[("own", &[("own.rego", &text)])]).map(drop).map_err(|e| e.to_string())
    };
    const WHOLE: &str = "takes the input as a whole or by a key that is computed";
    let unasked = [
        ("input.rebuild.level < 4", "reads input.rebuild, which"),
        ("object.get(input, [\"rebuild\", \"level\"], 0) < 4", "reads input.rebuild, which"),
        ("input[\"rebuild\"].level < 4", "reads input.rebuild, which"),
        ("input.rebuild != {}", "reads input.rebuild, which"),
        ("some k; input.rebuild[k] == 4", "reads input.rebuild, which"),
        ("i := input; i.rebuild.level < 4", "reads input.rebuild, which"),
        ("i := input; j := i; j.rebuild.level < 4", "reads input.rebuild, which"),
        ("r := input.rebuild; r.level < 4", "reads input.rebuild, which"),
        ("r := object.get(input, \"rebuild\", {}); r.level < 4", "reads input.rebuild, which"),
        ("count([1 | i := input; i.rebuild.level == 1]) == 0", "reads input.rebuild, which"),
        ("i := input; count(i.inventory) > 0", "reads input.inventory, which"),
        (
            "i := input; object.get(i, [\"inventory\", \"os\"], 1) == 1",
            "reads input.inventory, which",
        ),
        ("some k, v in input; k == \"inventory\"; v != null", WHOLE),
        ("some k; input[k] != null", WHOLE),
        ("y := \"inventory\"; input[y] != null", WHOLE),
        ("i := input; y := \"inventory\"; i[y] != null", WHOLE),
        ("i = input; i.image.digest == \"\"", WHOLE),
        ("f(input)", WHOLE),
        ("i := input; f(i)", WHOLE),
        ("[i, _] := [input, 1]; i.inventory", WHOLE),
        ("i := {\"x\": input}; i.x.inventory", WHOLE),
        ("json.filter(input, [[\"inventory\"]]) != {}", WHOLE),
        ("walk(input, [p, v]); p[0] == \"inventory\"; v.os", WHOLE),
        ("every k, v in input { k != v }", WHOLE),
        ("object.get(input, concat(\"\", [\"re\", \"build\"]), 1) == 1", WHOLE),
        ("f(1) with input as object.union(input, {})", WHOLE),
    ];
    for (body, want) in unasked {
        let error = own("", body).expect_err(body);
        assert!(error.contains(want) && error.contains("own.rego:"), "{body}: {error}");
        assert!(error.contains("write `needs contains \""), "{body}: {error}");
        assert_eq!(own("needs := {\"inventory\", \"rebuild\"}", body), Ok(()), "{body}");
    }
    let error = own("needs contains \"inventory\"", "input.rebuild.level < 4").expect_err("other");
    assert!(error.contains("needs contains \"rebuild\""), "{error}");

    let late = [
        ("needs contains \"rebuild\" if input.image.digest", "reads input.image.digest"),
        ("needs contains \"rebuild\" if input.time", "reads input.time"),
        (
            "needs contains \"rebuild\" if { i := input; i.image.digest }",
            "reads input.image.digest",
        ),
        ("needs contains \"rebuild\" if { some k; input[k] }", "reads input,"),
        (
            "needs contains \"rebuild\" if helper\nhelper if count(input.findings) > 0",
            "reads input.findings",
        ),
        ("needs contains word if some word in input.image.labels", "reads input.image.labels"),
    ];
    for (needs, want) in late {
        let error = own(needs, "input.rebuild.level < 4").expect_err(needs);
        assert!(error.contains(want) && error.contains("not there yet"), "{needs}: {error}");
    }

    let fine = [
        ("needs contains \"rebuild\"", "input.rebuild.level < 4"),
        (
            "needs contains \"rebuild\" if object.get(input, [\"settings\", \"mine\", \"strict\"], true)",
            "input.rebuild.level < 4",
        ),
        (
            "needs contains \"rebuild\" if { s := input.settings; s.mine.strict }",
            "input.rebuild.level < 4",
        ),
        ("needs contains word if some word in {\"rebuild\"}", "input.rebuild.level < 4"),
        ("", "i := input; i.image.digest == \"\""),
        ("", "i := input; object.get(i, [\"image\", \"digest\"], \"\") == \"\""),
        ("", "input.rebuild.attested.level < 4"),
        ("", "g with input as {}"),
        ("", "count(data.hallmark.findings.deny) > 7"),
    ];
    for (needs, body) in fine {
        assert_eq!(own(needs, body), Ok(()), "{needs}: {body}");
    }
}

#[test]
fn i2_a_code_that_two_packages_give_is_excepted_for_one_of_them() {
    let own =
        "package hallmark.own\ndeny contains {\"code\": \"error-findings\", \"msg\": \"m\"}\n";
    let policies = beside(&[("own", &[("own.rego", own)])]).expect("it compiles");
    let error = policies.clear(&[exception("error-findings", None)]).err().map(|e| e.to_string());
    assert!(error.is_some_and(|e| e.contains("hallmark.findings, hallmark.own")));
    assert_eq!(policies.clear(&[exception("error-findings", Some("hallmark.own"))]), Ok(()));
}

/// A rule that computes its code may say what another one says: an exception for that one names it.
#[test]
fn i2_where_a_package_computes_codes_an_exception_names_the_package() {
    let own = "package hallmark.own\ndeny contains {\"code\": c, \"msg\": \"m\"} if {\n\
               \tc := concat(\"-\", [\"error\", \"findings\"])\n}\n";
    let policies = beside(&[("own", &[("own.rego", own)])]).expect("it compiles");
    let error = policies.clear(&[exception("error-findings", None)]).err().map(|e| e.to_string());
    let error = error.unwrap_or_default();
    assert!(
        error.contains("hallmark.findings, hallmark.own") && error.contains("`package`"),
        "{error}"
    );
    let named = [exception("error-findings", Some("hallmark.findings"))];
    assert_eq!(policies.clear(&named), Ok(()));
    let judgement = policies.judge(&input(), &named, &Limits::default());
    assert_eq!(codes(&judgement.deny), ["error-findings"], "the other package's is not lifted");
    let unused = judgement.asides.iter().find(|f| f.code == Code::PolicyExceptionUnused);
    assert!(unused.is_some(), "{judgement:?}");
    let meant = [exception("error-findings", Some("hallmark.own"))];
    let judgement = policies.judge(&input(), &meant, &Limits::default());
    assert_eq!((judgement.deny.len(), judgement.excepted.len()), (0, 1));
    let used = judgement.asides.iter().find(|f| f.code == Code::PolicyExceptionUsed);
    let subject = used.map(|finding| finding.subject.to_string()).unwrap_or_default();
    assert!(subject.contains("error-findings of hallmark.own"), "{subject}");
}

/// What goes wrong in a policy is told in one line: reports escape ends of lines.
#[test]
fn a_policy_error_has_no_ends_of_lines() {
    let broken = [
        "package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if {\n\tto_number(input.image.digest) > 1\n}\n",
        "package hallmark.a\n\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if { x = }\n",
    ];
    for text in broken {
        let ahead = Deferred::new(bundle(text), Limits::default());
        let judgement = ahead.judge(&input(), &[], &Limits::default());
        let said = judgement.deny.first().expect("it denies").msg.to_string();
        assert!(!said.contains(['\n', '|']) && said.contains("a.rego:3:"), "{said}");
    }
    let number = PolicyError::Data { file: "f".to_owned(), why: "a\nb | c".to_owned() };
    assert_eq!(number.in_one_line(), "f: a b | c");
}

/// A number that 64 bits do not hold is compared with nothing: neither is the claim read, nor do rules pass that would have.
#[test]
fn i4_a_number_that_nobody_can_hold_makes_no_pass() {
    let statement = |predicate: &str| {
        let raw: crate::json::Raw = serde_json::from_str(predicate).expect(predicate);
        Statement {
            subjects: Vec::new(),
            predicate_type: "https://x.example/scan".to_owned(),
            predicate: raw,
        }
    };
    let by = || crate::trust::SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
    let given = |predicate: &str| {
        let mut evidence = evidence();
        evidence.attestations = vec![crate::trust::testing::said_by(statement(predicate), by())];
        PolicyInput::new(&evidence, Asked::default(), &[], now())
    };
    let rule = "package hallmark.a\ndeny contains {\"code\": \"a\", \"msg\": \"m\"} if {\n\
                \tsome a in input.attestations\n\ta.predicate.score > 18446744073709551616\n}\n";
    let policies = compile(rule).expect("it compiles");
    let judged = |input: &PolicyInput| policies.judge(input, &[], &Limits::default());
    let wrong = given("{\"score\": 18446744073709551617}");
    assert_eq!(wrong.attestations[0].predicate, Value::Null);
    assert!(!wrong.attestations[0].holds);
    let judgement = judged(&wrong);
    assert_eq!(codes(&judgement.deny), ["policy-error"]);
    let said = &judgement.deny[0].msg;
    assert!(
        said.contains("input.attestations[0].predicate holds the number 18446744073709551617"),
        "{said}"
    );
    let saved = serde_json::to_value(&wrong).expect("JSON");
    assert!(policies.judge_saved(&saved, &[], &Limits::default()).is_err(), "nor in a saved input");
    assert_eq!(codes(&judged(&given("{\"score\": 7.5}")).deny), Vec::<&str>::new());
    assert_eq!(given("{\"score\": 7.50}").attestations[0].predicate["score"], 7.5);
    let others = preset("baseline").judge(&wrong, &[], &Limits::default());
    assert!(others.deny.is_empty(), "no shipped rule reads predicates: {others:?}");
}

fn exception(code: &str, package: Option<&str>) -> Exception {
    Exception {
        code: code.to_owned(),
        package: package.map(str::to_owned),
        images: "**".parse().expect("a pattern"),
        scope: None,
        reason: "r".to_owned(),
        owner: "o".to_owned(),
        expires: "2026-12-01".parse().expect("a date"),
        elsewhere: false,
    }
}

#[test]
fn i1_an_exception_that_no_rule_reads_stops_the_start() {
    let own = "package hallmark.own\ndeny contains {\"code\": \"mine\", \"msg\": \"m\"}\n\
               deny contains result if {\n\tresult := {\"code\": \"mine-too\", \"msg\": \"m\"}\n}\n\
               deny contains {\"code\": code, \"msg\": \"m\"} if {\n\tcode := \"mine-three\"\n}\n\
               warn contains {\"code\": \"only-warned\", \"msg\": \"m\"}\n";
    let own = beside(&[("own", &[("own.rego", own)])]).expect("it compiles");
    let rebuilds = preset("reproducible");
    let signed = preset("signed");
    let idle = [
        (&own, "nonsense", None, "denies with nonsense", "codes of loaded rules are"),
        (&own, "mnie", None, "denies with mnie", "did you mean mine?"),
        (&own, "only-warned", None, "denies with only-warned", ""),
        (&own, "mine", Some("hallmark.y"), "no package hallmark.y", "packages that deny are"),
        (
            &own,
            "mine",
            Some("hallmark.onw"),
            "no package hallmark.onw",
            "did you mean hallmark.own?",
        ),
        (&own, "mine", Some("hallmark.findings"), "of package hallmark.findings", ""),
        (&own, "rebuild-not-run", None, "but of a finding", "rebuild-missing"),
        (
            &own,
            "rebuild-differs",
            None,
            "but of a finding",
            "rebuild-consistently-different or rebuild-level",
        ),
        (&own, "image-malformed", None, "but of a finding", "hallmark explain image-malformed"),
        (&own, "policy-nothing-proven", None, "but of a finding", "nothing excepts it"),
        (&own, "policy-error", None, "but of a finding", "nothing excepts it"),
        (&own, "policy-error", Some("hallmark.own"), "but of a finding", "nothing excepts it"),
        (
            &own,
            "signature-missing",
            None,
            "hallmark.signature, which is not loaded",
            "signed, slsa, slsa-l2, slsa-l3, reproducible, regulated",
        ),
        (
            &signed,
            "sbom-missing",
            None,
            "hallmark.sbom, which is not loaded",
            "loads it: reproducible",
        ),
        (&rebuilds, "rebuild-not-run", None, "but of a finding", "rebuild-missing"),
        (
            &rebuilds,
            "rebuild-levle",
            None,
            "denies with rebuild-levle",
            "did you mean rebuild-level?",
        ),
    ];
    for (policies, code, package, why, help) in idle {
        let error = policies.clear(&[exception("error-findings", None), exception(code, package)]);
        let error = error.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(why) && error.contains(help), "{code} {package:?}: {error}");
    }
    let read = [
        (&own, "mine", None),
        (&own, "mine-too", None),
        (&own, "mine-three", Some("hallmark.own")),
        (&own, "sbom-package-ghost", None),
        (&own, "sbom-package-ghost", Some("hallmark.sbom_agrees")),
        // Loaded where the command line asks for a rebuild.
        (&own, "rebuild-missing", None),
        (&own, "rebuild-level", Some("hallmark.rebuild")),
        (&rebuilds, "rebuild-level", Some("hallmark.rebuild")),
        (&signed, "signature-missing", None),
    ];
    for (policies, code, package) in read {
        assert_eq!(policies.clear(&[exception(code, package)]), Ok(()), "{code} {package:?}");
    }
}

#[test]
fn i1_where_codes_are_computed_an_exception_is_said_to_be_unused() {
    let own = "package hallmark.own\ndeny contains {\"code\": finding.code, \"msg\": \"m\"} if {\n\
               \tsome finding in input.findings\n}\n";
    let policies = beside(&[("own", &[("own.rego", own)])]).expect("it compiles");
    for code in ["rebuild-not-run", "nonsense"] {
        assert_eq!(policies.clear(&[exception(code, Some("hallmark.own"))]), Ok(()), "{code}");
        let error = policies.clear(&[exception(code, None)]).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("may be computed, by hallmark.own")), "{code}");
    }
    for (code, package) in
        [("policy-error", None), ("nonsense", Some("hallmark.findings")), ("x", Some("hallmark.y"))]
    {
        assert!(policies.clear(&[exception(code, package)]).is_err(), "{code} {package:?}");
    }
    let all = [exception("nonsense", Some("hallmark.own"))];
    let judgement = policies.judge(&input(), &all, &Limits::default());
    let unused = judgement.asides.iter().find(|f| f.code == Code::PolicyExceptionUnused);
    let why = unused.map(|finding| format!("{finding:?}")).unwrap_or_default();
    assert!(why.contains("no rule of package hallmark.own denied with nonsense"), "{why}");
}

#[test]
fn a_check_says_what_is_no_result() {
    let faults = [
        ("deny contains \"no\"", "deny gives a text"),
        ("warn contains \"no\"", "warn gives a text"),
        ("deny contains msg if {\n\tmsg := sprintf(\"%s\", [input.time])\n}", "deny gives a text"),
        ("deny contains 1", "deny gives a number"),
        ("deny contains [\"a\", \"m\"]", "deny gives a list"),
        ("deny contains {\"code\": \"a\"}", "a result without msg"),
        ("deny contains {\"msg\": \"m\"}", "a result without code"),
        ("deny contains {\"code\": \"XY_Z\", \"msg\": \"m\"}", "whose code is \"XY_Z\""),
        ("deny contains {\"code\": code, \"msg\": \"m\"} if code := \"A\"", "whose code is \"A\""),
        ("deny contains {\"code\": \"a\", \"msg\": \" \"}", "whose msg is empty"),
        ("deny contains {\"code\": \"a\", \"msg\": 1}", "whose msg is a number"),
        ("deny contains {\"code\": \"a\", \"msg\": {\"x\": 1}}", "whose msg is an object"),
        ("deny contains r if {\n\tr := {\"code\": \"a\"}\n}", "a result without msg"),
        ("deny := {{\"code\": \"a\"}} if input.time", "a result without msg"),
        ("deny := {msg | msg := \"x\"} if input.time", "deny gives a text"),
    ];
    let said = |rule: &str| {
        let text = format!("package hallmark.a\n{rule}\n");
        let remarks = remarks::remarks(&bundle(&text), &Limits::default());
        let said = remarks.unwrap_or_else(|e| panic!("{rule}: {e}"));
        said.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (rule, want) in faults {
        let said = said(rule);
        assert!(said.contains(want) && said.contains("could not be evaluated"), "{rule}: {said}");
    }
    let fine = [
        RESULT,
        "{\"code\": \"a\", \"msg\": sprintf(\"%s\", [input.time])}",
        "object.union({\"code\": \"a\"}, {\"msg\": \"m\"})",
        "r if {\n\tr := {\"code\": input.time, \"msg\": input.time}\n}",
        "r if {\n\tsome r in input.findings\n}",
    ];
    for given in fine {
        let said = said(&format!("deny contains {given}"));
        assert!(!said.contains("gives"), "{given}: {said}");
    }
}

#[test]
fn i2_a_folder_that_overlaps_a_rule_of_any_preset_is_told() {
    let shipped = Bundle::shipped().expect("they ship").codes().expect("METADATA");
    let packages: BTreeSet<&str> = shipped.iter().map(|(package, _)| package.as_str()).collect();
    assert_eq!(packages.len(), RULES.len());
    let limits = Limits::default();
    for package in packages {
        for name in [package.to_owned(), format!("{package}.more")] {
            let text = format!("package {name}\ndeny contains {RESULT}\n");
            let error = remarks::apart_from_all(&bundle(&text).at("own"), &limits);
            let error = error.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(&format!("overlaps package {package}")), "{name}: {error}");
        }
        let rule =
            (String::from("own.rego"), format!("package hallmark.own\ndeny contains {RESULT}\n"));
        let last = package.rsplit('.').next().unwrap_or_default();
        let data = (String::from("data.yaml"), format!("hallmark: {{{last}: {{deny: []}}}}\n"));
        let folder = Bundle::from_files([rule, data]).expect("files").at("own");
        let error = remarks::apart_from_all(&folder, &limits);
        assert!(matches!(error, Err(PolicyError::DataBelowPackage { .. })), "{package}: {error:?}");
    }
    let own = bundle(&format!("package hallmark.own\ndeny contains {RESULT}\n")).at("own");
    assert_eq!(remarks::apart_from_all(&own, &limits), Ok(()));
}

#[test]
fn a_saved_input_tells_whether_anything_is_proven() {
    let saved = serde_json::to_value(input()).expect("JSON");
    assert!(!input::may_pass(&saved), "an image for which nobody speaks");
    let provenance = "https://slsa.dev/provenance/v1";
    let summary = "https://slsa.dev/verification_summary/v1";
    let statement = |kind: &str, state: &str, holds: bool| json!([{"state": state, "predicateType": kind, "holds": holds}]);
    let cases = [
        ("signatures", json!([{"state": "proven"}]), true),
        ("signatures", json!([{"state": "unproven"}, {"state": "missing"}]), false),
        ("attestations", statement(provenance, "proven", true), true),
        ("attestations", statement(provenance, "unproven", false), false),
        ("attestations", statement(summary, "proven", true), false),
        ("delegated", json!([{"counts": false}, {"counts": true}]), true),
        ("delegated", json!([{"counts": false}, {}]), false),
        ("attestations", statement("https://spdx.dev/Document", "proven", true), false),
        ("layouts", json!([{"state": "proven"}]), true),
        ("layouts", json!([{"state": "unproven"}]), false),
        ("rebuild", json!({"status": "compared", "warrant": "proven"}), true),
        ("rebuild", json!({"status": "compared", "warrant": null}), false),
        ("rebuild", json!({"status": "failed", "warrant": "proven"}), false),
        ("rebuild", json!({"attested": {"accepted": true, "level": 4}}), true),
        ("rebuild", json!({"attested": {"accepted": false, "level": 4}}), false),
        ("signatures", json!("proven"), false),
    ];
    for (field, value, may) in cases {
        let mut input = saved.clone();
        input[field] = value.clone();
        assert_eq!(input::may_pass(&input), may, "{field}: {value}");
    }
    assert!(!input::may_pass(&json!(null)));
}

#[test]
fn i4_functions_whose_answer_is_not_opas_are_refused_with_the_reason() {
    let cases = [
        ("time.parse_ns(\"2006\", \"2026\") > 0", "guesses zones"),
        ("yaml.unmarshal(\"a: 1\").a == 1", "readers of YAML differ"),
        ("regex.match(`a**`, \"a\")", "a repetition is repeated"),
        ("regex.match(`\\B`, \"a\")", "is not there"),
        ("glob.match(\"[a-c0-9]\", [], \"a\")", "brackets hold one range"),
        ("sprintf(\"%5d\", [1]) == \"1\"", "without width"),
        ("count(\"a\", 1)", "another number of arguments"),
        ("x := 1 with input as {} with time.clock as http.send", "nothing but its input"),
        ("crypto.sha256(\"a\") == \"b\"", "no function that policies may call"),
        ("json.filter({\"a\": 1}, [\"/a\"]) == {}", "paths are lists of keys"),
        ("json.remove({\"a\": 1}, {\"a/b\", \"c\"}) == {}", "paths are lists of keys"),
        ("regex.is_valid(`\\B`)", "the other engine compiles"),
        ("json.is_valid(\"{}\")", "reads texts otherwise"),
        ("input.image.layers > 0.10000000000000001", "not held exactly"),
        ("x := 1.0; x == input.image.layers", "write it without"),
        ("sprintf(\"%d\", [1e3]) == \"1000\"", "write it without"),
        ("json.marshal(-0) == \"0\"", "zero has no sign"),
    ];
    for (body, want) in cases {
        let error =
            compile(&format!("package hallmark.a\ndeny contains {RESULT} if {{\n{body}\n}}\n"));
        let error = error.err().map(|e| e.to_string());
        assert!(error.as_ref().is_some_and(|e| e.contains(want)), "{body}: {error:?}");
    }
    for body in ["input.image.layers >= 7.0", "x := 2.5; x > 1.0", "x := -1; x < 0"] {
        let compiled =
            compile(&format!("package hallmark.a\ndeny contains {RESULT} if {{\n{body}\n}}\n"));
        assert_eq!(compiled.map(drop), Ok(()), "{body}");
    }
}

#[test]
fn i4_forms_whose_answer_is_not_opas_are_refused_with_the_reason() {
    const OBJECT: &str = "whatever further keys";
    const UNIFIED: &str = "unified otherwise";
    const WALK: &str = "write `walk(x, [path, value])`";
    let cases = [
        ("[_, v] := walk(input.image); v == 1", WALK),
        ("[_, v] = walk(input.image); v == 1", WALK),
        ("x := walk(input.image); x[1] == 1", WALK),
        ("some x in walk(input.image); x == 1", WALK),
        ("some [_, v] in walk(input.image); v == 1", WALK),
        ("walk(input.image)[_] == 1", WALK),
        ("walk(input.image)", WALK),
        ("count(walk(input.image)) == 2", WALK),
        ("1 in walk(input.image)", WALK),
        ("count([v | [_, v] := walk(input.image)]) == 2", WALK),
        ("count({v: 1 | [_, v] := walk(input.image)}) == 2", WALK),
        ("every x in [input.image] { [_, v] := walk(x); v == 1 }", WALK),
        ("x := walk(input.image, [[], 1]); x", WALK),
        ("[_, v] := walk(input.image) with input as {\"image\": 1}; v == 1", WALK),
        ("not walk(input.image, [[\"a\"], 1])", "under `not`"),
        ("every x in [1] { walk(input.image, [_, x]) }", "body of `every`"),
        ("x := 1 with count as walk; x == 1", "in the place of"),
        ("walk(input.image, [_, {\"a\": v}]); v == 1", OBJECT),
        ("{\"a\": v} := input.image; v == 1", OBJECT),
        ("[{\"a\": v}, 1] := input.image; v == 1", OBJECT),
        ("some {\"a\": v} in input.signatures; v == 1", OBJECT),
        ("some {\"a\": 1} in input.signatures", OBJECT),
        ("some [_, {\"a\": v}] in input.signatures; v == 1", OBJECT),
        ("some {\"a\": v}, _ in {{\"a\": 1}: 1}; v == 1", OBJECT),
        ("s := {input.image}; s[{\"a\": v}]; v == 1", OBJECT),
        ("object.remove(input.image, [], {\"a\": v}); v == 1", OBJECT),
        ("{\"a\": v} = input.image; v == 1", UNIFIED),
        ("input.signatures[_] = {\"a\": v}; v == 1", UNIFIED),
        ("[{\"a\": \"x\"}, v] = input.signatures; v == 1", UNIFIED),
        ("count([v | {\"a\": v} = input.image]) == 0", UNIFIED),
        ("not {\"a\": _} = input.image", UNIFIED),
        ("f(input.image)\n}\nf({\"a\": v}) if {\nv == 1", OBJECT),
        ("f(input.image)\n}\nf({\"a\": \"x\"}) if {\ntrue", OBJECT),
        ("f(input.image, {\"a\": v}); v == 1\n}\nf(x) := x if {\ntrue", OBJECT),
        ("p[{\"a\": v}]; v == 1\n}\np contains input.image if {\ntrue", OBJECT),
        ("walk(1)\n}\nwalk(x) if {\nx == 1", "another name"),
    ];
    for (body, want) in cases {
        let error =
            compile(&format!("package hallmark.a\ndeny contains {RESULT} if {{\n{body}\n}}\n"));
        let error = error.err().map(|e| e.to_string());
        assert!(error.as_ref().is_some_and(|e| e.contains(want)), "{body}: {error:?}");
    }
    let answered = [
        "walk(input.image, [_, v]); v == 1",
        "walk(input.image, x); x[1] == 1",
        "count({v | walk(input.image, [_, v])}) == 2",
        "every x in [input.image] { 1 in {v | walk(x, [_, v])} }",
        "[_, v] := [1, {\"a\": 1}]; v.a == 1",
        "x := {\"a\": input.image.layers}; x.a == 1",
        "input.image == {\"a\": 1}",
        "input.image = {\"a\": 1}",
        "{\"a\": 1} in input.signatures",
        "some [1, v] in input.signatures; v == 1",
        "f({\"a\": input.image})\n}\nf(x) if {\nx.a == 1",
        "p[{\"a\": v, \"b\": 1}]; v == 1\n}\np contains {\"a\": 1, \"b\": b} if {\nb := 1",
    ];
    for body in answered {
        let compiled =
            compile(&format!("package hallmark.a\ndeny contains {RESULT} if {{\n{body}\n}}\n"));
        assert_eq!(compiled.map(drop), Ok(()), "{body}");
    }
}

#[test]
fn every_shipped_rule_is_noticed_by_a_test_and_reads_fields_that_exist() {
    let bundle = Bundle::from_files(shipped()).expect("rules and tests");
    let remarks = remarks::remarks(&bundle, &Limits::default()).expect("it compiles");
    let said: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

/// What of a missing value holds here under `not`, and nothing of it in OPA 1.22, where `opa eval` was asked for each of these (attack E28).
#[test]
fn e28_a_check_says_what_opa_answers_otherwise_where_something_is_absent() {
    const RULES: &str = "package hallmark.a\n\nf(x) := 1 if x == 1\n\ng(x) := x\n\nu := 1 if 1 == 2\n\nh contains 1 if 1 == 2\n\n\
                         s := {1, 2}\n\no := {\"a\": 1}\n\ndefault d := 5\n\n";
    let told = |body: &str| {
        let text =
            format!("{RULES}deny contains {RESULT} if {{\n\tx := 1\n\tx == 1\n\t{body}\n}}\n");
        let bundle = Bundle::from_files([("a.rego".to_owned(), text)]).expect("a file");
        let remarks = remarks::remarks(&bundle, &Limits::default()).expect("it compiles");
        remarks.iter().any(|one| one.line == 20 && one.text.contains("undefined in OPA"))
    };
    let otherwise = [
        "not f(input.image.user)",
        "not input.image.user in [1]",
        "not 1 in input.image.layers",
        "not input.image.layers > 1",
        "not input.image.user != 1",
        "not s[input.image.user]",
        "not o[o.x]",
        "not [input.image.user] == [1]",
        "not {\"a\": input.image.user} == {\"a\": 1}",
        "not f(u)",
        "not f(o.x)",
        "not u in [1]",
        "not 1 in u",
        "not u > 1",
        "not g(f(2))",
        "not startswith(lower(input.image.user), \"a\")",
        "not count(input.image.layers) > 0",
        "not f(object.get(input.image, \"x\", null))",
        "not f(2) == 1",
        "not f(data.hallmark.a.u)",
        "not input.image.layers + 1 == 2",
        "not {1} & {input.image.user} == set()",
        "not object.get(o, \"x\", f(2)) == 1",
    ];
    for body in otherwise {
        assert!(told(body), "{body}");
    }
    let alike = [
        "not input.image.user == 1",
        "not input.image.user == input.image.digest",
        "not input.image.user",
        "not u == 1",
        "not data.hallmark.a.u",
        "not f(d)",
        "not f(x)",
        "not g(g(x)) == 2",
        "not x in s",
        "not count(h) > 0",
        "not f(2)",
        "not o[x]",
        "not count(s) > 4",
        "not f(object.get(input, \"x\", null))",
        "not count([v | v := input.image.user]) > 0",
        "f(input.image.user)",
    ];
    for body in alike {
        assert!(!told(body), "{body}");
    }
}

#[test]
fn a_check_says_where_a_rule_takes_the_code_of_a_finding() {
    let of = |package: &str| {
        let rule = format!(
            "package {package}\n\n# METADATA\n# title: A\n# custom:\n#   code: sbom-missing\n\
             deny contains {{\"code\": \"sbom-missing\", \"msg\": \"m\"}} if not input.image.labels.x\n"
        );
        let test = format!("package own_test\n\ntest_a if count(data.{package}.deny) == 1\n");
        let files = [("a.rego", rule), ("a_test.rego", test)];
        let bundle = Bundle::from_files(files.map(|(f, t)| (f.to_owned(), t))).expect("files");
        let remarks = remarks::remarks(&bundle, &Limits::default()).expect("it compiles");
        remarks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let said = of("hallmark.mine");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("a.rego:7: sbom-missing is the code of a finding"), "{said:#?}");
    assert_eq!(of("hallmark.sbom"), Vec::<String>::new(), "the rule about that finding");
}

#[test]
fn a_check_says_what_no_test_notices_and_what_is_never_there() {
    let rule = "package hallmark.a\n\n# METADATA\n# title: A\n# custom:\n#   code: a\n\
                deny contains {\"code\": \"a\", \"msg\": \"m\"} if not input.image.labels.x\n\n\
                deny contains {\"code\": \"b\", \"msg\": \"m\"} if {\n\tinput.imgae.digest\n}\n\n\
                warn contains {\"code\": \"a\", \"msg\": \"m\"} if input.settings.a.b\n";
    let tests = "package hallmark.a_test\n\ntest_a if count(data.hallmark.a.deny) == 1\n";
    let files = [("a.rego", rule), ("a_test.rego", tests)];
    let bundle =
        Bundle::from_files(files.map(|(f, t)| (f.to_owned(), t.to_owned()))).expect("files");
    let remarks = remarks::remarks(&bundle, &Limits::default()).expect("it compiles");
    let said: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    let want = [
        "a.rego:9: no METADATA above says what b means",
        "a.rego:9: no test makes this deny fail (b)",
        "a.rego:10: input.imgae.digest is no field",
        "a.rego:13: no test makes this warn fail (a)",
    ];
    assert_eq!(said.len(), want.len(), "{said:#?}");
    for (said, want) in said.iter().zip(want) {
        assert!(said.starts_with(want), "{said}");
    }
}

#[test]
fn a_check_says_of_the_only_rule_that_no_test_makes_it_deny() {
    let metadata = "# METADATA\n# title: A\n# custom:\n#   code: a\n";
    let rule = "deny contains {\"code\": \"a\", \"msg\": \"m\"} if input.image.layers == 7";
    let with = |layers: u8| format!("with input as {{\"image\": {{\"layers\": {layers}}}}}");
    let empty = format!("test_a if count(data.hallmark.a.deny) == 0 {}\n", with(1));
    let denied = format!("test_b if count(data.hallmark.a.deny) == 1 {}\n", with(7));
    let value = "deny := {{\"code\": \"a\", \"msg\": \"m\"} | input.image.layers == 7}";
    let none = vec!["a.rego:7: no test makes this deny fail (a): without it, all tests still pass"];
    let cases = [
        (rule, empty.clone(), none.clone()),
        (rule, format!("{empty}{denied}"), Vec::new()),
        (value, empty.clone(), none),
        (value, format!("{empty}{denied}"), Vec::new()),
    ];
    for (rule, tests, want) in cases {
        let rules = format!("package hallmark.a\n\n{metadata}{rule} # last");
        let tests = format!("package hallmark.a_test\n\n{tests}");
        let bundle = Bundle::from_files([
            ("a.rego".to_owned(), rules.clone()),
            ("a_test.rego".to_owned(), tests.clone()),
        ]);
        let bundle = bundle.expect("files");
        let remarks = remarks::remarks(&bundle, &Limits::default()).expect("it compiles");
        let said: Vec<String> = remarks.iter().map(ToString::to_string).collect();
        assert_eq!(said, want, "{rules}\n{tests}");
    }
}

#[test]
fn a_saved_input_is_judged_as_it_was() {
    let policies = preset("reproducible");
    let saved = serde_json::to_value(input()).expect("JSON");
    let judged = policies.judge_saved(&saved, &[], &Limits::default()).expect("it is one");
    assert_eq!(judged, policies.judge(&input(), &[], &Limits::default()));
    for field in ["schema", "time", "image"] {
        let mut without = saved.clone();
        without.as_object_mut().expect("an object").remove(field);
        assert!(policies.judge_saved(&without, &[], &Limits::default()).is_err(), "{field}");
    }
}
