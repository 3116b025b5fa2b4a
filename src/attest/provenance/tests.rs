//! Files that BuildKit and Docker wrote, read back.

mod producers;

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::attest::Statement;

fn statement(document: &Value) -> Statement {
    Statement {
        subjects: Vec::new(),
        predicate_type: document["predicateType"].as_str().unwrap().to_owned(),
        predicate: document["predicate"].clone().into(),
    }
}

/// A captured file, or `None` with a plain word where the folder is not there.
fn captured(name: &str) -> Option<Value> {
    let folder =
        std::env::var_os("HALLMARK_CAPTURED").unwrap_or_else(|| "../shared/captured".into());
    let path = PathBuf::from(folder).join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no captured file {}", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn captured_files_say_what_was_built() {
    let gcc = "127.0.0.1:5000/base/gcc";
    let bb = "127.0.0.1:5000/base/bb";
    let cases = [
        ("docker-26.1.5-provenance-v0.2-max.json", Producer::BuildkitV02, gcc, true, Network::None),
        ("docker-28.5.2-provenance-v0.2-max.json", Producer::BuildkitV02, gcc, true, Network::None),
        ("buildkit-provenance-v0.2-max.json", Producer::BuildkitV02, gcc, true, Network::Default),
        ("buildkit-provenance-v1-max.json", Producer::BuildkitV1, gcc, true, Network::Default),
        (
            "buildkit-0.34.2-provenance-v1-max.json",
            Producer::BuildkitV1,
            bb,
            true,
            Network::Default,
        ),
        ("buildkit-provenance-v1-min.json", Producer::BuildkitV1, gcc, false, Network::Default),
    ];
    for (name, producer, base, max, network) in cases {
        let Some(document) = captured(name) else { return };
        let read = parse(&statement(&document)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.producer, producer, "{name}");
        assert_eq!(read.frontend, Frontend::BuiltIn, "{name}");
        assert_eq!(read.network, network, "{name}");
        assert_eq!(read.complete.steps, max, "{name}");
        let source = read.source.as_ref().unwrap();
        assert_eq!(source.url, "git://127.0.0.1/app.git", "{name}");
        assert_eq!(
            source.commit.as_ref().map(Commit::as_str),
            source.reference.as_deref(),
            "{name}"
        );
        let image =
            |m: &Material| matches!(&m.kind, MaterialKind::Image { name, .. } if name == base);
        assert!(read.materials.iter().any(image), "{name}: {:?}", read.materials);
        assert!(read.materials.iter().all(|m| m.pin != Pin::Nothing), "{name}");
        assert!(read.other_options.is_empty(), "{name}: {:?}", read.other_options);
        if max {
            let from = read.dockerfile.as_deref().unwrap_or_default();
            assert!(from.contains("FROM 127.0.0.1:5000/base/"), "{name}: {from}");
            assert!(read.steps.iter().any(|s| s.line.is_some() && !s.layers.is_empty()), "{name}");
            assert!(read.secrets.iter().all(|s| s.optional), "{name}");
        }
    }
}

#[test]
fn layers_are_joined_with_the_lines_that_made_them() {
    let Some(document) = captured("docker-26.1.5-provenance-v0.2-max.json") else { return };
    let read = parse(&statement(&document)).unwrap();
    let ids: Vec<&str> = read.steps.iter().map(|s| s.id.as_str()).collect();
    let mut sorted = ids.clone();
    sorted.sort_by_key(|id| id.strip_prefix("step").and_then(|n| n.parse::<u32>().ok()));
    assert_eq!(ids, sorted);
    // Line 6 is `COPY --from=build`: its chain is the base's layer and its own, and only the last is its own.
    let step = read.steps.iter().find(|s| s.line == Some(6)).unwrap();
    assert_eq!(step.layers.len(), 1, "{step:?}");
}

#[test]
fn other_predicates_are_errors_and_other_build_types_are_not() {
    let other = Statement {
        subjects: Vec::new(),
        predicate_type: "https://spdx.dev/Document".to_owned(),
        predicate: Value::Null.into(),
    };
    assert!(matches!(parse(&other), Err(ProvenanceError::PredicateType { .. })));
    let workflow = serde_json::json!({
        "buildDefinition": {
            "buildType": "https://builds.example/v1",
            "externalParameters": { "workflow": { "ref": "refs/heads/main" } },
            "resolvedDependencies": [{
                "uri": "git+https://github.com/org/app@refs/heads/main",
                "digest": { "gitCommit": "a".repeat(40) },
            }],
        },
        "runDetails": { "builder": { "id": "https://github.com/actions/runner" } },
    });
    let statement = Statement {
        subjects: Vec::new(),
        predicate_type: SLSA_V1.to_owned(),
        predicate: workflow.into(),
    };
    let read = parse(&statement).unwrap();
    assert_eq!(read.producer, Producer::Other);
    assert_eq!(read.builder_id, "https://github.com/actions/runner");
    let source = read.source.unwrap();
    assert_eq!(source.url, "https://github.com/org/app");
    assert_eq!(source.reference.as_deref(), Some("refs/heads/main"));
    assert!(source.commit.is_some());
}

/// JSON of the right keys and any values.
fn hostile() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "(pkg:docker/|https://|git://)[a-z%@:/#?]{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "buildType",
            "buildDefinition",
            "externalParameters",
            "internalParameters",
            "resolvedDependencies",
            "materials",
            "invocation",
            "configSource",
            "parameters",
            "args",
            "uri",
            "digest",
            "sha256",
            "metadata",
            "buildkit_metadata",
            "runDetails",
            "layers",
            "source",
            "locations",
            "infos",
            "data",
            "secrets",
            "locals",
            "workflow",
            "repository",
            "ref",
            "environment",
            "GITHUB_REPOSITORY",
            "GITHUB_EVENT_PAYLOAD",
            "github_event_payload",
            "base_ref",
            "recipe",
            "builder",
            "type",
            "id",
            "arguments",
            "substitutions",
            "sourceToBuild",
            "systemSubstitutions",
        ])
        .prop_map(str::to_owned),
        "[a-z:-]{0,8}",
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(
        mut predicate in hostile(),
        version in 0_usize..3,
        build_type in prop::sample::select(vec![
            None,
            Some(BUILDKIT_V02_BUILD_TYPE),
            Some(BUILDKIT_V1_BUILD_TYPE),
            Some("https://actions.github.io/buildtypes/workflow/v1"),
            Some("https://github.com/slsa-framework/slsa-github-generator/go@v1"),
            Some("https://github.com/npm/cli/gha/v2"),
            Some("https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1"),
            Some("https://tekton.dev/chains/v2/slsa"),
        ]),
    ) {
        let predicate_type = [SLSA_V01, SLSA_V02, SLSA_V1][version].to_owned();
        if let (Some(build_type), Some(map)) = (build_type, predicate.as_object_mut()) {
            map.insert("buildType".to_owned(), build_type.into());
            for (part, key) in [("buildDefinition", "buildType"), ("recipe", "type")] {
                let inner = map.entry(part).or_insert_with(|| serde_json::json!({}));
                if let Some(inner) = inner.as_object_mut() {
                    inner.insert(key.to_owned(), build_type.into());
                }
            }
        }
        let _ = parse(&Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() });
    }
}
