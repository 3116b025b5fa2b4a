//! Real images by real builders, in a lab that `scripts/lab` brings up: see `scripts/test`.

use std::path::Path;

use crate::support::{Lab, trusting};

/// What `hallmark verify` says about an image of the lab that is judged by the preset `reproducible`.
fn verify(lab: &Lab, image: &str) -> crate::support::Answer {
    let config = trusting(Path::new(lab.get("KEY_A")), "reproducible");
    lab.hallmark(["verify", image, "-o", "json"]).config(&config).run()
}

#[test]
fn the_honest_image_is_reproduced_and_passes() {
    let Some(lab) = Lab::here("the_honest_image_is_reproduced_and_passes") else { return };
    let answer = verify(&lab, lab.get("HONEST"));
    answer.exits(0);
    let report = answer.json();
    assert_eq!(report["verdict"], "pass", "{report:#}");
    let evidence = &report["platforms"][0]["evidence"];
    assert_eq!(evidence["rebuild"]["level"], 5, "{evidence:#}");
    assert_eq!(evidence["provenance"]["state"], "proven", "{evidence:#}");
}

#[test]
fn tampered_twins_fail_for_the_right_reason() {
    let Some(lab) = Lab::here("tampered_twins_fail_for_the_right_reason") else { return };
    let cases = [
        ("SWAPPED", "rebuild-differs"),
        ("HIDDEN", "sbom-package-missing"),
        ("WRONGKEY", "signature-missing"),
        ("BARE", "provenance-missing"),
        ("LOOSE", "rebuild-nondeterministic"),
    ];
    for (image, code) in cases {
        let answer = verify(&lab, lab.get(image));
        answer.exits(1);
        let report = answer.json();
        let findings = report["platforms"][0]["findings"].as_array().unwrap();
        let errors: Vec<_> = findings.iter().filter(|f| f["severity"] == "error").collect();
        assert!(errors.iter().any(|f| f["code"] == code), "{image}: {errors:#?}");
        assert!(!errors.iter().any(|f| f["code"] == "internal-error"), "{image}: {errors:#?}");
    }
}

/// An image that somebody built, with provenance that is true: it reproduces, and nobody whom the operator trusts says a word.
#[test]
fn b10_an_image_that_reproduces_and_is_not_signed_is_denied() {
    let test = "b10_an_image_that_reproduces_and_is_not_signed_is_denied";
    let Some(lab) = Lab::here(test) else { return };
    // The honest image without its signatures, which lie beside it in its own repository.
    let (name, digest) = lab.get("HONEST").split_once('@').unwrap();
    let copy = format!("{}/b10/evil", lab.get("REGISTRY"));
    let (from, to) = (format!("docker://{name}@{digest}"), format!("docker://{copy}:1"));
    let arguments = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"];
    let arguments = [&arguments[..], &["--dest-tls-verify=false", &from, &to]].concat();
    lab.tool("skopeo", &arguments);
    let image = format!("{copy}@{digest}");
    verify(&lab, &image).exits(1);
    // Where a rebuild is all that is asked for, it is made, and counts for nothing.
    let config = trusting(Path::new(lab.get("KEY_A")), "baseline");
    let answer = lab.hallmark(["verify", &image, "--rebuild", "-o", "json"]).config(&config).run();
    answer.exits(1);
    let report = answer.json();
    let platform = &report["platforms"][0];
    assert_eq!(platform["evidence"]["rebuild"]["level"], 5, "{report:#}");
    let codes: Vec<&str> = platform["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|f| f["code"].as_str())
        .collect();
    assert!(codes.contains(&"signature-missing"), "{codes:?}");
    assert!(codes.contains(&"provenance-unsigned"), "{codes:?}");
    assert!(codes.contains(&"rebuild-inputs-untrusted"), "{codes:?}");
    // Not for a policy's sake alone: whoever pushed the image chose what would run.
    let config = config + "rebuild: {when: always}\n";
    let answer = lab.hallmark(["verify", &image, "-o", "json"]).config(&config).run();
    let report = answer.exits(1).json();
    let rebuild = &report["platforms"][0]["evidence"]["rebuild"];
    assert_eq!(rebuild["status"], "no-provenance", "{report:#}");
}

/// The same image, where the operator names every input: nobody has to sign it.
#[test]
fn h34_an_image_that_nobody_signed_is_verified_by_trusted_inputs() {
    let test = "h34_an_image_that_nobody_signed_is_verified_by_trusted_inputs";
    let Some(lab) = Lab::here(test) else { return };
    let (name, digest) = lab.get("HONEST").split_once('@').unwrap();
    let copy = format!("{}/h34/unsigned", lab.get("REGISTRY"));
    let (from, to) = (format!("docker://{name}@{digest}"), format!("docker://{copy}:1"));
    let arguments = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"];
    let arguments = [&arguments[..], &["--dest-tls-verify=false", &from, &to]].concat();
    lab.tool("skopeo", &arguments);
    let (git, registry) = (lab.get("GIT"), lab.get("REGISTRY"));
    let judged = |branch: &str, bases: &str| {
        let config = format!(
            "version: 1\n\
             trust:\n  \
               sources:\n  \
               - images: [\"{registry}/h34/*\"]\n    \
                 repository: {git}/app.git\n    \
                 branches: [{branch}]\n    \
                 buildArgs: [BUILD, RUNTIME]\n    \
                 bases: [\"{registry}/{bases}\"]\n"
        );
        let image = format!("{copy}@{digest}");
        lab.hallmark(["verify", &image, "--rebuild", "-o", "json"]).config(&config).run()
    };
    let answer = judged("main", "base/*");
    let grounds = answer.exits(0).json()["platforms"][0]["grounds"].clone();
    assert_eq!(grounds[0]["warrant"], "trusted-inputs", "{grounds}");
    judged("no-such-branch", "base/*").exits(1).says("no-such-branch");
    judged("main", "other/*").exits(1).says("rebuild-inputs-untrusted");
}
