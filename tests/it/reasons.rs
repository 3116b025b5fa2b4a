//! Whatever does not pass says why.

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts},
    support::{Hallmark, Lab, redact},
};

fn parts() -> Parts {
    Parts::new(&[("bin/app", b"#!/bin/sh\necho hello\n")])
}

/// The codes of an image's findings of this weight.
fn codes(platform: &Value, severity: &str) -> Vec<String> {
    let findings = platform["findings"].as_array().unwrap().iter();
    let of_weight = findings.filter(|finding| finding["severity"] == severity);
    of_weight.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_image_for_which_nothing_speaks_fails_with_that_reason() {
    let layout = Layout::of(&parts());
    let verify = |arguments: &[&str]| {
        Hallmark::new(["verify"]).arg(layout.reference()).arg("--output").arg(arguments[0]).run()
    };
    let answer = verify(&["text"]);
    insta::assert_snapshot!("no_grounds", redact(&answer.exits(1).stdout));
    let report = verify(&["json"]);
    let platform = report.exits(1).json()["platforms"][0].clone();
    assert_eq!(codes(&platform, "error"), ["policy-nothing-proven"], "{platform:#}");
    assert_eq!(platform["grounds"], json!([]));
    // Where a rule denies, that is the reason, and there is no second one.
    let denied = Hallmark::new(["verify", "--policy", "signed", "-o", "json"]);
    let platform = denied.arg(layout.reference()).run().exits(1).json()["platforms"][0].clone();
    let errors = codes(&platform, "error");
    assert!(!errors.is_empty() && !errors.contains(&"policy-nothing-proven".to_owned()));
}

/// BuildKit takes the subjects of its statements from the names of the output. Its statement about nothing proves nothing,
/// and the report says what the producer has to do; with that done the same build is read.
#[test]
fn an_output_without_a_name_has_statements_about_nothing() {
    let name = "an_output_without_a_name_has_statements_about_nothing";
    let Some(lab) = Lab::here(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let build = |named: &str| {
        let file = folder.path().join(format!("image{named}.tar")).display().to_string();
        let output = format!("type=oci,dest={file},rewrite-timestamp=true");
        let args = [
            format!("BUILD={}", lab.get("BASE_BUILD")),
            format!("RUNTIME={}", lab.get("BASE_RUNTIME")),
            format!("SOURCE_DATE_EPOCH={}", lab.get("EPOCH")),
        ];
        let mut words = vec!["buildx", "build", "--network", "none", "--provenance", "mode=max"];
        words.extend(args.iter().flat_map(|arg| ["--build-arg", arg]));
        let context = format!("{}#{}", lab.get("SOURCE"), lab.get("COMMIT"));
        if !named.is_empty() {
            words.extend(["--tag", named]);
        }
        words.extend(["--output", &output, &context]);
        lab.tool("docker", &words);
        lab.hallmark(["verify", &format!("oci-archive:{file}"), "-o", "json"]).run()
    };
    let nameless = build("");
    let platform = nameless.exits(1).json()["platforms"][0].clone();
    assert!(codes(&platform, "warning").contains(&"predicate-no-subject".to_owned()));
    assert_eq!(platform["evidence"]["provenance"]["state"], "missing", "{platform:#}");
    nameless.says("names no subject").says("docker buildx build --tag").says_not("malformed");
    let named = build("app");
    let platform = named.exits(1).json()["platforms"][0].clone();
    assert_eq!(platform["evidence"]["provenance"]["state"], "unproven", "{platform:#}");
    named.says_not("predicate-no-subject");
}
