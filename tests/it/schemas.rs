//! What the real program prints, asked for its schemas and held against them.

use std::{collections::BTreeSet, fs};

use hallmark::report::schema::ALL;
use serde_json::Value;

use crate::{
    held::{holds, schema_of},
    server::{Registry, World},
    support::Hallmark,
};

#[test]
fn the_program_prints_its_schemas() {
    let list = Hallmark::new(["schema"]).run();
    let lines: Vec<&str> = list.exits(0).stdout.lines().collect();
    assert_eq!(lines.len(), ALL.len(), "{}", list.all());
    for (line, schema) in lines.iter().zip(ALL) {
        assert!(line.starts_with(schema.name) && line.contains(&schema.id()), "{line}");
        for name in [schema.name.to_owned(), schema.id()] {
            let printed = Hallmark::new(["schema", &name]).run();
            let printed = printed.exits(0).json();
            assert_eq!(printed, schema.bundled());
            // Nothing else has to be fetched for it.
            jsonschema::validator_for(&printed).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    let wrong = Hallmark::new(["schema", "verdcit"]).run();
    wrong.exits(2).says("did you mean verdict?");
    assert_eq!(wrong.stdout, "");
}

/// One call for each document that takes no builder and no network; the others are made by the tests of what makes them.
#[test]
fn every_command_prints_what_its_schema_says() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let (image, gone) = (registry.image(&world.image), registry.image("gone"));
    let mut seen = BTreeSet::new();
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input.json");
    let saved = Hallmark::new(["policy", "input", "--no-rebuild", &image]);
    fs::write(&input, saved.config(&world.config("signed")).run().stdout).unwrap();
    let input = input.to_str().unwrap();
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let store = folder.path().join("store");
    let (store, draft) = (store.to_str().unwrap(), folder.path().join("draft.yaml"));
    let draft = draft.to_str().unwrap();
    let cases: [(&[&str], &str); 27] = [
        (&["verify", &image, "-o", "json"], "verdict"),
        (&["verify", "--no-rebuild", "--policy", "reproducible", &image, "-ojson"], "verdict"),
        (&["verify", &image, &gone, "--output=json"], "verdicts"),
        (&["verify", &gone, "--output", "json"], "error"),
        (&["inspect", &image, "-o", "json"], "inspection"),
        (&["diff", &image, &image, "-o", "json"], "comparison"),
        (&["rebuild", &image, "-o", "json"], "input"),
        (&["rebuild", "--all-platforms", &image, "-o", "json"], "rebuilds"),
        (&["rebuild", "--plan", "--all-platforms", &image, "-o", "json"], "error"),
        (&["policy", "input", "--no-rebuild", &image], "input"),
        (&["trust", "show", "-o", "json"], "roots"),
        (&["verify", "--nonsense", "-o", "json"], "error"),
        (&["policy", "test", rules, "-o", "json"], "policy-tests"),
        (&["policy", "check", rules, "-o", "json"], "policy-remarks"),
        (&["policy", "check", "/nowhere", "-o", "json"], "error"),
        (&["policy", "eval", input, "-o", "json"], "judgement"),
        (&["policy", "eval", "--policy", "reproducible", input, "-o", "json"], "judgement"),
        (&["policy", "explain", input, "-o", "json"], "explained"),
        (&["config", "check", "-o", "json"], "configuration-check"),
        (&["config", "show", "-o", "json"], "configuration"),
        (&["explain", "--list", "-o", "json"], "explanations"),
        (&["explain", "rebuild-differs", "-o", "json"], "explanations"),
        (&["schema", "-o", "json"], "schemas"),
        (&["init", &image, "-o", "json", "--write", "-"], "draft"),
        (&["init", &image, "-o", "json", "--write", draft], "draft"),
        (&["init", &image, "-o", "json", "--write", draft], "error"),
        (&["materials", "fetch", &image, "--to", store, "-o", "json"], "error"),
    ];
    for (words, want) in cases {
        let answer = Hallmark::new(words.iter().copied()).config(&world.config("signed")).run();
        let document = answer.json();
        assert_eq!(schema_of(&document), Some(want), "{words:?}\n{}", answer.all());
        seen.insert(want);
    }
    assert!(seen.len() > 13, "{seen:?}");
}

#[test]
fn a_document_that_is_not_as_its_schema_says_is_found() {
    let answer = Hallmark::new(["verify", "-o", "json"]).run();
    let good = answer.json();
    holds(&good, "an error");
    let caught =
        |document: Value| std::panic::catch_unwind(|| holds(&document, "a wrong one")).is_err();
    let mut more = good.clone();
    more["error"]["more"] = 1.into();
    let mut less = good.clone();
    less["error"].as_object_mut().unwrap().remove("details");
    let mut unknown = good.clone();
    unknown["schema"] = "hallmark/other/v1".into();
    let mut within = good;
    within["partial"] = serde_json::json!([{ "schema": "hallmark/signed/v1" }]);
    for wrong in [more, less, unknown, within] {
        assert!(caught(wrong.clone()), "{wrong:#}");
    }
}
