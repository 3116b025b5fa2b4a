//! Predicates as the builders of the field write them, cut to what decides.

use serde_json::{Value, json};

use super::*;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REPOSITORY: &str = "https://github.com/org/app";

fn of(predicate_type: &str, predicate: Value) -> Result<Provenance, ProvenanceError> {
    let predicate_type = predicate_type.to_owned();
    parse(&Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() })
}

fn v1(build_type: &str, external: Value, internal: Value, dependencies: Value) -> Provenance {
    let predicate = json!({
        "buildDefinition": {
            "buildType": build_type, "externalParameters": external,
            "internalParameters": internal, "resolvedDependencies": dependencies,
        },
        "runDetails": { "builder": { "id": "b@v1" }, "metadata": { "invocationId": "run" } },
    });
    of(SLSA_V1, predicate).unwrap_or_else(|error| panic!("{build_type}: {error}"))
}

fn v02(build_type: &str, source: Value, environment: Value, materials: Value) -> Provenance {
    let predicate = json!({
        "builder": { "id": "b@v1" }, "buildType": build_type,
        "invocation": { "configSource": source, "environment": environment, "parameters": { "p": 1 } },
        "metadata": { "buildInvocationID": "run" }, "materials": materials,
    });
    of(SLSA_V02, predicate).unwrap_or_else(|error| panic!("{build_type}: {error}"))
}

/// What rules ask for, in one line.
fn asked(read: &Provenance) -> String {
    let source = read.source.as_ref();
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let commit = source.and_then(|s| s.commit.as_ref()).map(Commit::as_str);
    [
        read.producer.name().to_owned(),
        text(source.map(|s| s.url.as_str())),
        text(commit.map(|c| if c == COMMIT { "commit" } else { c })),
        text(read.branch.as_deref()),
        text(read.tag.as_deref()),
        text(read.entry_point.as_deref()),
        text(read.event.as_deref()),
        text(read.invocation.as_deref()),
    ]
    .join(" ")
}

fn git(reference: &str) -> Value {
    json!({ "uri": format!("git+{REPOSITORY}@{reference}"), "digest": { "sha1": COMMIT } })
}

#[test]
fn workflows_of_github_say_what_they_ran_for() {
    let workflow = |reference: &str| json!({ "workflow": { "ref": reference, "repository": REPOSITORY, "path": ".github/workflows/w.yml" } });
    let internal = json!({ "github": { "event_name": "push" } });
    for build_type in [
        "https://actions.github.io/buildtypes/workflow/v1",
        "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
    ] {
        let tool = json!({ "uri": "git+https://github.com/org/tool@refs/tags/v9", "digest": { "gitCommit": "f".repeat(40) } });
        let tag = v1(
            build_type,
            workflow("refs/tags/v1"),
            internal.clone(),
            json!([tool, git("refs/tags/v1")]),
        );
        assert_eq!(
            asked(&tag),
            format!("github-actions {REPOSITORY} commit - v1 .github/workflows/w.yml push run")
        );
        let branch = v1(
            build_type,
            workflow("refs/heads/main"),
            internal.clone(),
            json!([git("refs/heads/main")]),
        );
        assert_eq!((branch.branch.as_deref(), branch.tag.as_deref()), (Some("main"), None));
        assert_eq!(branch.builder(), ("b", Some("v1")));
        assert_eq!(branch.parameters["workflow"]["ref"], "refs/heads/main");
    }
}

#[test]
fn two_commits_of_one_repository_are_none() {
    let external =
        json!({ "workflow": { "ref": "refs/heads/main", "repository": REPOSITORY, "path": "w" } });
    let other = json!({ "uri": format!("git+{REPOSITORY}@refs/heads/main"), "digest": { "sha1": "f".repeat(40) } });
    let build_type = "https://actions.github.io/buildtypes/workflow/v1";
    let read = v1(build_type, external, Value::Null, json!([git("refs/heads/main"), other]));
    assert_eq!(read.source.unwrap().commit, None);
}

#[test]
fn the_generator_s_forms_give_one_model() {
    let source = |reference: &str| {
        let mut source = git(reference);
        source["entryPoint"] = ".github/workflows/w.yml".into();
        source
    };
    let lower = json!({
        "github_event_name": "push", "github_ref": "refs/tags/v1", "github_ref_type": "tag",
        "github_event_payload": { "base_ref": "refs/heads/main" },
    });
    let want = format!(
        "slsa-github-generator {REPOSITORY} commit main v1 .github/workflows/w.yml push run"
    );
    for kind in ["generic@v1", "container@v1", "go@v1"] {
        let build_type = format!("https://github.com/slsa-framework/slsa-github-generator/{kind}");
        let read =
            v02(&build_type, source("refs/tags/v1"), lower.clone(), json!([git("refs/tags/v1")]));
        assert_eq!(asked(&read), want, "{kind}");
        assert_eq!(read.parameters["p"], 1);
    }
    let upper = json!({
        "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1", "GITHUB_REPOSITORY": "org/app",
        "GITHUB_WORKFLOW_REF": "org/app/.github/workflows/w.yml@refs/tags/v1",
        "GITHUB_EVENT_PAYLOAD": { "base_ref": "refs/heads/main" },
    });
    let generator = json!({ "uri": "git+https://github.com/slsa-framework/slsa-github-generator@refs/tags/v2", "digest": { "sha256": "a".repeat(64) } });
    let dependencies = json!([generator, git("refs/tags/v1")]);
    let delegated = v1(
        "https://github.com/slsa-framework/slsa-github-generator/delegator-generic@v0",
        json!({ "inputs": {} }),
        upper.clone(),
        dependencies.clone(),
    );
    assert_eq!(asked(&delegated), want, "delegator");
    let container = v1(
        "https://slsa.dev/container-based-build/v0.1?draft",
        json!({ "source": git("refs/tags/v1") }),
        upper,
        dependencies,
    );
    assert_eq!(asked(&container), want, "container-based");
}

#[test]
fn npm_s_own_form_is_read() {
    let environment = json!({ "GITHUB_EVENT_NAME": "release", "GITHUB_REF": "refs/tags/v1" });
    let mut source = git("refs/tags/v1");
    source["entryPoint"] = ".github/workflows/w.yml".into();
    let read =
        v02("https://github.com/npm/cli/gha/v2", source, environment, json!([git("refs/tags/v1")]));
    assert_eq!(
        asked(&read),
        format!("npm {REPOSITORY} commit - v1 .github/workflows/w.yml release run")
    );
}

fn cloud_build(builder: &str, recipe: &str, uri: &str) -> Result<Provenance, ProvenanceError> {
    of(
        SLSA_V01,
        json!({
            "builder": { "id": format!("https://cloudbuild.googleapis.com/{builder}") },
            "recipe": {
                "type": format!("https://cloudbuild.googleapis.com/{recipe}"),
                "entryPoint": "cloudbuild.yaml",
                "arguments": { "substitutions": { "TAG_NAME": "v1", "BRANCH_NAME": "main" } },
            },
            "metadata": { "buildInvocationId": "run" },
            "materials": [{ "uri": uri, "digest": { "sha1": COMMIT } }],
        }),
    )
}

#[test]
fn cloud_build_s_versions_give_one_model() {
    let old = format!("{REPOSITORY}/commit/{COMMIT}");
    let plain = format!("git+{REPOSITORY}");
    let want = format!("cloud-build {REPOSITORY} commit main v1 cloudbuild.yaml - run");
    let cases = [
        ("GoogleHostedWorker@v0.2", "GoogleHostedWorker@v0.2", old.as_str()),
        ("GoogleHostedWorker@v0.3", "CloudBuildYaml@v0.1", REPOSITORY),
        ("GoogleHostedWorker@v0.3", "CloudBuildSteps@v0.1", &plain),
    ];
    for (builder, recipe, uri) in cases {
        assert_eq!(asked(&cloud_build(builder, recipe, uri).unwrap()), want, "{builder} {recipe}");
    }
    let contradictory = format!("{REPOSITORY}/commit/{}", "f".repeat(40));
    let refused = [
        ("GoogleHostedWorker@v0.2", "CloudBuildYaml@v0.1", REPOSITORY),
        ("GoogleHostedWorker@v0.3", "CloudBuildYam@v0.1", REPOSITORY),
        ("GoogleHostedWorker@v0.1", "GoogleHostedWorker@v0.1", REPOSITORY),
        ("GoogleHostedWorker", "CloudBuildYaml@v0.1", REPOSITORY),
        ("GoogleHostedWorker@v0.2", "GoogleHostedWorker@v0.2", &contradictory),
    ];
    for (builder, recipe, uri) in refused {
        assert!(cloud_build(builder, recipe, uri).is_err(), "{builder} {recipe} {uri}");
    }
    let stored =
        cloud_build("GoogleHostedWorker@v0.3", "CloudBuildSteps@v0.1", "gs://bucket/a.tgz#17");
    assert_eq!(stored.unwrap().source.unwrap().url, "gs://bucket/a.tgz");
    let place = json!({ "path": "cloudbuild.yaml", "ref": "refs/tags/v1", "repository": plain });
    let read = v1(
        "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1",
        json!({ "buildConfigSource": place }),
        json!({ "systemSubstitutions": { "BRANCH_NAME": "main", "TAG_NAME": 1234 } }),
        json!([git("refs/tags/v1")]),
    );
    assert_eq!(asked(&read), want, "v1: a tag that is no text is none, the reference says it");
}

#[test]
fn tekton_s_source_is_not_its_pipeline() {
    let pipeline = json!({ "uri": "git+https://github.com/org/pipelines", "digest": { "sha1": "f".repeat(40) }, "entryPoint": "p.yaml" });
    let materials = json!([
        { "uri": "oci://r.example/step", "digest": { "sha256": "a".repeat(64) } },
        { "uri": pipeline["uri"], "digest": pipeline["digest"] },
        { "uri": format!("git+{REPOSITORY}.git"), "digest": { "sha1": COMMIT } },
    ]);
    for kind in ["TaskRun", "PipelineRun"] {
        let read = v02(
            &format!("tekton.dev/v1beta1/{kind}"),
            pipeline.clone(),
            Value::Null,
            materials.clone(),
        );
        assert_eq!(asked(&read), format!("tekton-chains {REPOSITORY}.git commit - - p.yaml - run"));
    }
    let dependencies = json!([
        { "name": "pipeline", "uri": pipeline["uri"], "digest": pipeline["digest"] },
        { "name": "inputs/result", "uri": format!("git+{REPOSITORY}.git"), "digest": { "sha1": COMMIT } },
    ]);
    for build_type in
        ["https://tekton.dev/chains/v2/slsa", "https://tekton.dev/chains/v2/slsa-tekton"]
    {
        let read = v1(build_type, json!({ "runSpec": {} }), Value::Null, dependencies.clone());
        assert_eq!(asked(&read), format!("tekton-chains {REPOSITORY}.git commit - - - - run"));
    }
    let two = json!([git("refs/heads/main"), pipeline]);
    let read = v02("tekton.dev/v1beta1/TaskRun", json!({}), Value::Null, two);
    assert_eq!(read.source, None, "nobody says which of two repositories was built");
}

#[test]
fn producers_are_told_by_their_build_types_whole_or_to_a_boundary() {
    for (build_type, producer) in [
        ("https://actions.github.io/buildtypes/workflow/v1", Producer::GithubActions),
        ("https://actions.github.io/buildtypes/workflow/v10", Producer::Other),
        (
            "https://github.com/slsa-framework/slsa-github-generator/go@v1",
            Producer::SlsaGithubGenerator,
        ),
        ("https://github.com/slsa-framework/slsa-github-generator-evil/go@v1", Producer::Other),
        ("https://github.com/npm/cli/gha/v2", Producer::Npm),
        ("https://github.com/npm/cli2/gha/v2", Producer::Other),
        ("https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1", Producer::CloudBuild),
        ("https://cloudbuild.googleapis.com.evil.example/x", Producer::Other),
        ("tekton.dev/v1/PipelineRun", Producer::TektonChains),
        ("tekton.dev.evil.example/v1", Producer::Other),
        ("", Producer::Other),
    ] {
        assert_eq!(Producer::of(build_type), producer, "{build_type}");
    }
    assert!(!Producer::of("https://github.com/npm/cli/gha/v2").is_replayable());
}
