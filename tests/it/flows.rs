//! Whole ways through the product with images of the lab: every builder, every place, every command. Each call is also
//! checked for what it leaves behind (`support::Hallmark`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Answer, Lab, redact, trusting};

/// The configuration of most tests, with lines of their own.
fn config(lab: &Lab, lines: &str) -> String {
    trusting(Path::new(lab.get("KEY_A")), "reproducible") + lines
}

fn verify(lab: &Lab, image: &str, lines: &str) -> Answer {
    lab.hallmark(["verify", image, "-o", "json"]).config(&config(lab, lines)).run()
}

fn run(lab: &Lab, arguments: &[&str]) -> Answer {
    lab.hallmark(arguments.iter().copied()).config(&config(lab, "")).run()
}

/// The evidence of the only platform, of an image that passed.
#[track_caller]
fn passed(answer: &Answer) -> Value {
    answer.exits(0);
    let report = answer.json();
    assert_eq!(report["verdict"], "pass", "{report:#}");
    let platforms = report["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 1, "{report:#}");
    assert_eq!(platforms[0]["findings"], json!([]), "a good image needs no warning");
    platforms[0]["evidence"].clone()
}

#[track_caller]
fn reproduced(evidence: &Value, driver: &str, layers: [u64; 3]) {
    let rebuild = &evidence["rebuild"];
    assert_eq!(rebuild["level"], 5, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["driver"], driver, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["ephemeral"], true, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["network"], "none", "{rebuild:#}");
    let counted = ["layersInherited", "layersRebuilt", "layersCarried"]
        .map(|key| rebuild[key].as_u64().unwrap());
    assert_eq!(counted, layers, "{rebuild:#}");
}

#[test]
fn an_image_by_docker_passes() {
    let Some(lab) = Lab::here("an_image_by_docker_passes") else { return };
    let evidence = passed(&verify(&lab, lab.get("HONEST"), ""));
    reproduced(&evidence, "docker buildx", [1, 3, 0]);
    assert_eq!(evidence["provenance"]["build"]["producer"], "buildkit", "{evidence:#}");
}

#[test]
fn an_image_by_buildah_passes_with_provenance_from_its_own_file() {
    let Some(lab) = Lab::here("an_image_by_buildah_passes") else { return };
    let answer = verify(&lab, lab.get("BUILDAH"), "");
    let evidence = passed(&answer);
    reproduced(&evidence, "buildah", [1, 2, 1]);
    assert_eq!(evidence["provenance"]["build"]["producer"], "hallmark", "{evidence:#}");
    assert_eq!(evidence["provenance"]["state"], "proven", "{evidence:#}");
    assert_eq!(evidence["sboms"][0]["state"], "proven", "{evidence:#}");
}

#[test]
fn an_image_by_buildkitd_passes() {
    let Some(lab) = Lab::here("an_image_by_buildkitd_passes") else { return };
    let Some(image) = lab.built("BUILDKIT", "an_image_by_buildkitd_passes") else { return };
    for engine in ["auto", "buildkitd"] {
        let evidence = passed(&verify(&lab, &image, &format!("rebuild: {{engine: {engine}}}\n")));
        reproduced(&evidence, "buildkit api", [1, 3, 0]);
        let build = &evidence["provenance"]["build"];
        assert_eq!(
            build["buildType"],
            "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
        );
    }
}

#[test]
fn bundles_of_cosign_3_prove_as_much_as_its_tags() {
    let Some(lab) = Lab::here("bundles_of_cosign_3_prove_as_much_as_its_tags") else { return };
    let Some(image) = lab.built("COSIGN3", "bundles_of_cosign_3_prove_as_much_as_its_tags") else {
        return;
    };
    let evidence = passed(&verify(&lab, &image, ""));
    reproduced(&evidence, "docker buildx", [1, 3, 0]);
    let carriers = evidence["signatures"].to_string();
    assert!(carriers.contains("referrer"), "{carriers}");
}

/// An image of the lab in a folder, with what its cosign tags of these kinds hold: skopeo copies a tag to a name in the layout.
pub fn layout(lab: &Lab, image: &str, kinds: &[&str], folder: &Path) -> PathBuf {
    let layout = folder.join("layout");
    let (repository, digest) = image.split_once('@').unwrap();
    let to = |name: &str| format!("oci:{}:{name}", layout.display());
    let copy = |from: &str, name: &str| {
        let from = format!("docker://{from}");
        lab.tool(
            "skopeo",
            &["copy", "--all", "--preserve-digests", "--src-tls-verify=false", &from, &to(name)],
        );
    };
    copy(image, "1");
    for kind in kinds {
        let tag = format!("{}.{kind}", digest.replace(':', "-"));
        copy(&format!("{repository}:{tag}"), &tag);
    }
    layout
}

/// The same image from a registry, by its bare digest, from a layout and from an archive of it.
fn is_the_same_everywhere(lab: &Lab, image: &str, driver: &str, layers: [u64; 3]) {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(lab, image, &["sig", "att"], folder.path());
    let archive = folder.path().join("image.tar").display().to_string();
    lab.tool("tar", &["-c", "-f", &archive, "-C", &layout.display().to_string(), "."]);
    let (repository, digest) = image.split_once('@').unwrap();
    let places = format!("repositories: [{}/demo/bare, {repository}]\n", lab.get("REGISTRY"));
    let manifests: Vec<Value> = [
        image.to_owned(),
        digest.to_owned(),
        format!("oci:{}:1", layout.display()),
        format!("oci-archive:{archive}@{digest}"),
    ]
    .iter()
    .map(|reference| {
        let answer = verify(lab, reference, &places);
        let evidence = passed(&answer);
        reproduced(&evidence, driver, layers);
        answer.json()["platforms"][0]["manifest"].clone()
    })
    .collect();
    assert!(manifests.iter().all(|manifest| *manifest == manifests[0]), "{manifests:?}");
}

#[test]
fn an_image_by_docker_passes_wherever_it_is() {
    let Some(lab) = Lab::here("an_image_by_docker_passes_wherever_it_is") else { return };
    is_the_same_everywhere(&lab, lab.get("HONEST"), "docker buildx", [1, 3, 0]);
}

#[test]
fn an_image_by_buildah_passes_wherever_it_is() {
    let Some(lab) = Lab::here("an_image_by_buildah_passes_wherever_it_is") else { return };
    is_the_same_everywhere(&lab, lab.get("BUILDAH"), "buildah", [1, 2, 1]);
}

/// Without the attestation the file in the image still says everything, and the signature over the image covers it.
#[test]
fn the_file_in_a_signed_image_is_proven_provenance() {
    let Some(lab) = Lab::here("the_file_in_a_signed_image_is_proven_provenance") else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&lab, lab.get("BUILDAH"), &["sig"], folder.path());
    let answer = verify(&lab, &format!("oci:{}:1", layout.display()), "");
    answer.exits(1);
    let platform = &answer.json()["platforms"][0];
    let evidence = &platform["evidence"];
    reproduced(evidence, "buildah", [1, 2, 1]);
    assert_eq!(evidence["provenance"]["state"], "proven", "{evidence:#}");
    assert_eq!(evidence["provenance"]["carrier"], "file", "{evidence:#}");
    let findings = platform["findings"].as_array().unwrap();
    let errors: Vec<_> =
        findings.iter().filter(|f| f["severity"] == "error").map(|f| &f["code"]).collect();
    assert_eq!(errors, ["sbom-missing"], "{findings:#?}");
}

/// Who changes the image and leaves the build manifest alone contradicts it; who removes it leaves its label behind.
#[test]
fn a_buildah_image_changed_afterwards_is_found_out() {
    let Some(lab) = Lab::here("a_buildah_image_changed_afterwards_is_found_out") else { return };
    let forge = Path::new(env!("CARGO_BIN_EXE_hallmark")).with_file_name("examples").join("forge");
    if !forge.exists() {
        eprintln!(
            "SKIPPED a_buildah_image_changed_afterwards_is_found_out: cargo build --example forge"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&lab, lab.get("BUILDAH"), &[], folder.path());
    let program = folder.path().join("greet");
    std::fs::write(&program, "#!/bin/sh\nexec sh\n").unwrap();
    let [layout, program] = [layout, program].map(|path| path.display().to_string());
    lab.tool(&forge.display().to_string(), &[&layout, "swap-file", "/srv/app/greet", &program]);
    let answer = run(&lab, &["rebuild", &format!("oci:{layout}:1")]);
    answer
        .exits(1)
        .says("R0 different")
        .says("/srv/app/greet: content")
        .says("[provenance-diff-id-mismatch]");
}

/// A value that stays secret is not in the image, and the plan says what that costs.
#[test]
fn a_hidden_build_argument_is_recorded_by_name_alone() {
    let Some(lab) = Lab::here("a_hidden_build_argument_is_recorded_by_name_alone") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let layout = layout(&lab, lab.get("BUILDAH_PLAIN"), &[], folder.path());
    let (image, checkout, manifest) =
        (format!("oci:{}:1", layout.display()), path("source"), path("m.json"));
    lab.tool("git", &["clone", "--quiet", lab.get("SOURCE"), &checkout]);
    let build_arg = format!("BUILD={}", lab.get("BASE_BUILD"));
    let create = [
        ["provenance", "create"],
        [&image, "--hidden-build-arg=TOKEN"],
        ["--source", lab.get("SOURCE")],
        ["--checkout", &checkout],
        ["--build-arg", &build_arg],
        ["--engine", "buildah=1.28.2"],
        ["--output", &manifest],
    ];
    run(&lab, create.as_flattened()).exits(0);
    let written: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let external = &written["buildDefinition"]["externalParameters"];
    assert_eq!(external["hiddenBuildArgs"], json!(["TOKEN"]), "{external:#}");
    assert_eq!(external["buildArgs"], json!({ "BUILD": lab.get("BASE_BUILD") }), "{external:#}");
    let embedded = run(&lab, &["provenance", "embed", &image, &manifest, "-o", "json"]);
    let embedded = embedded.exits(0).json();
    assert!(embedded["digest"].as_str().unwrap().starts_with("sha256:"), "{embedded:#}");
    assert_eq!(embedded["statement"], Value::Null, "{embedded:#}");
    run(&lab, &["rebuild", "--plan", &image])
        .exits(1)
        .says("hidden-build-arg")
        .says("--build-arg TOKEN=VALUE");

    std::fs::write(Path::new(&checkout).join("greet.c"), "changed").unwrap();
    run(&lab, create.as_flattened()).exits(2).says("the checkout has changes that no commit holds");
}

/// `docker save` of old keeps no manifest, so no signature holds; what the image carries inside still says how it was built.
#[test]
fn a_docker_archive_is_rebuilt_from_the_file_inside_and_proves_no_signature() {
    let Some(lab) = Lab::here("a_docker_archive_is_rebuilt_from_the_file_inside") else { return };
    let folder = tempfile::tempdir().unwrap();
    let archive = format!("docker-archive:{}", folder.path().join("image.tar").display());
    let from = format!("docker://{}", lab.get("BUILDAH"));
    lab.tool("skopeo", &["copy", "--src-tls-verify=false", &from, &archive]);

    let rebuilt = run(&lab, &["rebuild", &archive, "-o", "json"]);
    rebuilt.exits(0);
    let evidence = rebuilt.json();
    assert_eq!(evidence["rebuild"]["level"], 4, "{:#}", evidence["rebuild"]);
    assert_eq!(evidence["provenance"]["carrier"], "file", "{:#}", evidence["provenance"]);
    run(&lab, &["diff", &archive, lab.get("BUILDAH")]).exits(0).says("R4 config-identical");
    let judged =
        lab.hallmark(["verify", &archive, "--policy", "signed"]).config(&config(&lab, "")).run();
    judged.exits(1).says("error[signature-missing]");
}

/// The digest that a build of today gives, with the base's tag as it is now.
fn plain_build(lab: &Lab) -> String {
    let folder = tempfile::tempdir().unwrap();
    let metadata = folder.path().join("metadata.json").display().to_string();
    let output =
        format!("type=oci,dest={},rewrite-timestamp=true", folder.path().join("o.tar").display());
    let args = [
        format!("BUILD={}", lab.get("BASE_BUILD")),
        format!("RUNTIME={}/base/runtime:moving", lab.get("REGISTRY")),
        format!("SOURCE_DATE_EPOCH={}", lab.get("EPOCH")),
    ];
    let context = format!("{}#{}", lab.get("SOURCE"), lab.get("COMMIT"));
    let mut words = vec![
        "buildx",
        "build",
        "--network",
        "none",
        "--provenance=false",
        "--metadata-file",
        &metadata,
    ];
    words.extend(args.iter().flat_map(|arg| ["--build-arg", arg]));
    words.extend(["--output", &output, &context]);
    lab.tool("docker", &words);
    let told: Value = serde_json::from_slice(&std::fs::read(&metadata).unwrap()).unwrap();
    told["containerimage.digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_base_tag_that_moved_changes_a_plain_build_and_no_rebuild() {
    let Some(lab) = Lab::here("a_base_tag_that_moved_changes_a_plain_build_and_no_rebuild") else {
        return;
    };
    let answer = verify(&lab, lab.get("MOVED"), "");
    reproduced(&passed(&answer), "docker buildx", [1, 3, 0]);
    let published = answer.json()["platforms"][0]["manifest"].as_str().unwrap().to_owned();
    assert_ne!(plain_build(&lab), published, "the base's tag has not moved");
}

#[test]
fn what_is_missing_is_said_with_how_to_add_it() {
    let Some(lab) = Lab::here("what_is_missing_is_said_with_how_to_add_it") else { return };
    let answer = run(&lab, &["verify", lab.get("BARE")]);
    answer.exits(1);
    // What nobody vouches for is told as one cause, with what to do first; what follows stands under it.
    let (_, cause) = answer
        .stdout
        .split_once("error[signature-missing]")
        .unwrap_or_else(|| panic!("{}", answer.all()));
    let (cause, follows) = cause.split_once("because of this:").unwrap_or_default();
    assert!(cause.contains("help:") && cause.contains("hallmark sign --key"), "{cause}");
    for code in ["provenance-missing", "sbom-missing"] {
        assert!(follows.contains(&format!("error[{code}]")), "{}", answer.all());
    }
}

#[test]
fn diff_says_how_far_two_images_agree() {
    let Some(lab) = Lab::here("diff_says_how_far_two_images_agree") else { return };
    let diff = |other: &str| run(&lab, &["diff", lab.get("HONEST"), lab.get(other)]);
    diff("HONEST").exits(0).says("R5 manifest-identical");
    diff("RECOMPRESSED").exits(0).says("R4 config-identical").says("layer 1: compression");
    let buildah = diff("BUILDAH");
    buildah.exits(1).says("/run: only in right").says("buildah leaves /run");
    // The base comes from its registry on one side, and was compressed again by buildah on the other.
    buildah.says("layer 0: compression by another program").says("gzip, pigz or zlib");
    diff("LOOSE").exits(1).says("R2 content-identical").says("times or format of entries");
    diff("SWAPPED")
        .exits(1)
        .says("R0 different")
        .says("/srv/app/greet: content")
        .says_not("/srv/app/settings");
    let answer = run(&lab, &["diff", lab.get("HONEST"), lab.get("SWAPPED"), "-o", "json"]);
    assert_eq!(answer.exits(1).json()["level"], 0);
}

#[test]
fn rebuild_says_what_it_would_do_and_does_it() {
    let Some(lab) = Lab::here("rebuild_says_what_it_would_do_and_does_it") else { return };
    let moved = run(&lab, &["rebuild", "--plan", lab.get("MOVED")]);
    moved.exits(0).says("engine       buildkit").says(lab.get("COMMIT"));
    moved.says("base/runtime@moving").says("network      none");
    run(&lab, &["rebuild", "--plan", lab.get("BUILDAH")]).exits(0).says("engine       buildah");
    run(&lab, &["rebuild", "--plan", lab.get("BARE")]).exits(1).says("carries no provenance");
    run(&lab, &["rebuild", lab.get("RECOMPRESSED")]).exits(0).says("R4 config-identical");
    run(&lab, &["rebuild", lab.get("SWAPPED")])
        .exits(1)
        .says("both times the same")
        .says("R0 different");
    run(&lab, &["rebuild", lab.get("BARE")]).exits(1);
}

#[test]
fn all_platforms_are_judged_one_by_one() {
    let Some(lab) = Lab::here("all_platforms_are_judged_one_by_one") else { return };
    let answer = run(&lab, &["verify", lab.get("HONEST"), "--all-platforms", "-o", "json"]);
    // The attestation manifest in the index is no platform.
    reproduced(&passed(&answer), "docker buildx", [1, 3, 0]);
    let other = ["verify", lab.get("HONEST"), "--platform", "linux/s390x"];
    run(&lab, &other).exits(1).says("linux/s390x");
}

#[test]
fn inspect_shows_what_is_there_and_judges_nothing() {
    let Some(lab) = Lab::here("inspect_shows_what_is_there_and_judges_nothing") else { return };
    let answer = run(&lab, &["inspect", lab.get("WRONGKEY")]);
    answer.exits(0).says("https://spdx.dev/Document").says(".sig").says("in the index");
    answer.says("by no configured signer").says("linux/amd64").says("(below)");
    let answer = run(&lab, &["inspect", lab.get("BUILDAH")]);
    answer.exits(0).says("proven by release").says(".att").says("signed  by release (key");
    run(&lab, &["inspect", lab.get("BARE")]).exits(0);
    let answer = run(&lab, &["inspect", lab.get("HONEST"), "--all-platforms", "-o", "json"]);
    let tree: serde_json::Value =
        serde_json::from_str(&answer.exits(0).stdout).expect("one document");
    assert_eq!(tree["schema"], "hallmark/inspection/v1");
    let examined = tree["platforms"][0]["examined"].as_array().expect("a list");
    let makers = examined.iter().filter_map(|piece| piece.pointer("/detail/signatures/0/maker/is"));
    assert!(makers.clone().any(|maker| maker == "configured"), "{tree:#}");
}

#[test]
fn reports_read_as_they_did() {
    let Some(lab) = Lab::here("reports_read_as_they_did") else { return };
    for image in ["HONEST", "SWAPPED", "HIDDEN", "WRONGKEY", "BARE", "BUILDAH"] {
        let answer = run(&lab, &["verify", lab.get(image)]);
        insta::assert_snapshot!(image.to_lowercase(), redact(&answer.stdout));
    }
}

/// In the middle of a rebuild a daemon runs, file systems are mounted and layers lie on disk: none of it may stay.
#[test]
fn an_interrupted_rebuild_leaves_nothing_behind() {
    let Some(lab) = Lab::here("an_interrupted_rebuild_leaves_nothing_behind") else { return };
    let cases = [
        ("HONEST", "TERM", "starting a Docker daemon", 143),
        ("HONEST", "INT", "] building", 130),
        ("HONEST", "TERM", "RUN cc", 143),
        ("BUILDAH", "INT", "fetching base images", 130),
        ("BUILDAH", "TERM", "] building", 143),
    ];
    for (image, signal, moment, code) in cases {
        let call = lab.hallmark(["verify", lab.get(image)]).config(&config(&lab, ""));
        let answer = call.interrupt(signal, moment);
        assert_eq!(answer.code, code, "{image}, {signal} at {moment:?}: {}", answer.all());
        assert_eq!(answer.stdout, "", "no verdict of half a verification");
    }
}

#[test]
fn a_rebuild_that_takes_too_long_is_ended() {
    let Some(lab) = Lab::here("a_rebuild_that_takes_too_long_is_ended") else { return };
    let answer = verify(&lab, lab.get("HONEST"), "limits: {rebuild: 1s}\n");
    answer.exits(1).says("rebuild-timeout").says("limits.rebuild");
}

/// The same with BuildKit's own daemon.
#[test]
fn an_interrupted_buildkitd_leaves_nothing_behind() {
    let Some(lab) = Lab::here("an_interrupted_buildkitd_leaves_nothing_behind") else { return };
    let Some(image) = lab.built("BUILDKIT", "an_interrupted_buildkitd_leaves_nothing_behind")
    else {
        return;
    };
    for (signal, moment, code) in [("INT", "starting buildkitd", 130), ("TERM", "RUN cc", 143)] {
        let call = lab.hallmark(["verify", &image]).config(&config(&lab, ""));
        call.interrupt(signal, moment).exits(code);
    }
}

/// What the plan says by hand, done by hand: the image has its configuration, and so all of its layers.
#[test]
fn the_commands_of_a_buildah_plan_build_the_image() {
    let Some(lab) = Lab::here("the_commands_of_a_buildah_plan_build_the_image") else { return };
    let answer = run(&lab, &["rebuild", "--plan", lab.get("BUILDAH"), "-o", "json"]);
    let plan = answer.exits(0).json();
    run(&lab, &["rebuild", "--plan", lab.get("BUILDAH")])
        .exits(0)
        .says("by hand, with WORK as an empty folder of your own:")
        .says("--detach '")
        .says("unshare --net -- buildah bud");
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().display().to_string();
    let command = |words: &serde_json::Value| {
        let words: Vec<String> = serde_json::from_value(words.clone()).unwrap();
        let words: Vec<String> = words.iter().map(|word| word.replace("WORK", &work)).collect();
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        lab.tool(&words[0], &arguments);
    };
    plan["before"].as_array().unwrap().iter().for_each(command);
    command(&plan["command"]);
    plan["after"].as_array().unwrap().iter().for_each(command);
    let config = |image: &str| {
        let raw = lab.tool("skopeo", &["inspect", "--raw", "--tls-verify=false", image]);
        let manifest: serde_json::Value = serde_json::from_str(&raw).unwrap();
        manifest["config"]["digest"].as_str().unwrap().to_owned()
    };
    let published = config(&format!("docker://{}", lab.get("BUILDAH_PLAIN")));
    assert_eq!(config(&format!("oci:{work}/out")), published);
}
