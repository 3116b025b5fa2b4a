//! The faces that need no image: help, explain, policy test.

use crate::support::Hallmark;

#[test]
fn help_names_every_command() {
    let answer = Hallmark::new(["--help"]).run();
    answer.exits(0);
    for command in
        ["verify", "inspect", "rebuild", "diff", "provenance", "policy", "explain", "serve"]
    {
        answer.says(command);
    }
}

#[test]
fn explain_knows_every_code_and_refuses_others() {
    Hallmark::new(["explain", "rebuild-differs"])
        .run()
        .exits(0)
        .says("rebuilt from its provenance");
    Hallmark::new(["explain", "signature-signer"])
        .run()
        .exits(0)
        .says("deny[signature-signer]")
        .says("help: ");
    // A finding and a rule may share a code: both are explained.
    Hallmark::new(["explain", "sbom-package-ghost"])
        .run()
        .exits(0)
        .says("warning/error[sbom-package-ghost]")
        .says("deny[sbom-package-ghost]");
    Hallmark::new(["explain", "no-such-code"]).run().exits(2).says("explain --list");
    let list = Hallmark::new(["explain", "--list"]).run();
    list.exits(0);
    for code in hallmark::finding::Code::ALL {
        list.says(code.as_str());
    }
    list.says("rebuild-level").says("signature-missing");
}

#[test]
fn the_shipped_policies_pass_their_own_tests() {
    let answer = Hallmark::new(["policy", "test", "--coverage"]).arg(policies()).run();
    answer.exits(0).says(" passed, 0 failed");
    // Of no rule is there a line that none of them comes by.
    answer.says("100.0 % of the rules' lines are covered").says_not("missed  ");
}

#[test]
fn a_failing_policy_test_fails_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let text = "package hallmark.x_test\nimport rego.v1\ntest_wrong if { 1 == 2 }\ntest_right if { 1 == 1 }\n";
    std::fs::write(folder.path().join("x_test.rego"), text).unwrap();
    let answer = Hallmark::new(["policy", "test"]).arg(folder.path()).run();
    answer.exits(1).says("1 passed, 1 failed").says("test_wrong");
}

fn policies() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

#[test]
fn i1_what_the_file_says_and_no_rule_reads_is_told_with_its_place() {
    let cases = [
        ("policy:\n  settings:\n    foo: 1\n", ":4:10: ", "policy.settings.foo is read by no rule"),
        (
            "policy:\n  settings:\n    signature: {maxAgeDays: 3}\n",
            ":4:29: ",
            "policy.settings.signature.maxAgeDays is read by no rule",
        ),
        (
            "policy:\n  settings:\n    signature: {signers: [a]}\n",
            ":4:27: ",
            "the name of a signer of trust.signers",
        ),
        (&excepted("nonsense", ""), ":5:11: ", "denies with nonsense"),
        (&excepted("image-revoked", ""), "", ""),
        (&excepted("image-revoked", "package: hallmark.y"), ":6:14: ", "no package hallmark.y"),
        (&excepted("policy-nothing-proven", ""), ":5:11: ", "nothing excepts it"),
        (&excepted("rebuild-not-run", ""), ":5:11: ", "denies for it: rebuild-missing"),
    ];
    for (policy, place, want) in cases {
        let call = Hallmark::new(["policy", "eval", "nowhere.json"]);
        let call = call.config(&format!("version: 1\n{policy}"));
        let place = format!("{}{place}", call.config_path().display());
        let answer = call.run();
        match want {
            "" => answer.exits(2).says("nowhere.json").says_not("policy.exceptions"),
            want => answer.exits(2).says(&place).says(want),
        };
    }
}

/// An exception from a rule that only the configured preset has lifts nothing under another, and that is said.
#[test]
fn i5_an_exception_that_the_preset_of_the_command_line_does_not_know_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input.json");
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = serde_json::json!({
        "schema": "hallmark/input/v1", "time": "2026-11-29T00:00:00Z", "findings": [], "sboms": [],
        "image": {"repository": "r.example/app", "digest": digest, "manifest": digest},
    });
    std::fs::write(&input, text.to_string()).unwrap();
    let config = format!(
        "version: 1\n{}",
        excepted("signature-missing", "").replacen("policy:\n", "policy:\n  preset: signed\n", 1)
    );
    let eval = |preset: &str| {
        let call = Hallmark::new(["policy", "eval", "--policy", preset]).arg(&input);
        call.config(&config).run()
    };
    eval("baseline").exits(1).says("policy-exception-unused").says("another preset was asked for");
    eval("signed")
        .exits(1)
        .says("policy-exception-used")
        .says("signature-missing of hallmark.signature");

    // A number that nobody can hold is refused with the whole input.
    std::fs::write(
        &input,
        text.to_string().replace("\"sboms\":[]", "\"sboms\":[],\"x\":0.10000000000000001"),
    )
    .unwrap();
    eval("signed").exits(2).says("0.10000000000000001, which 64 bits do not hold exactly");
}

fn excepted(code: &str, package: &str) -> String {
    let package = if package.is_empty() { String::new() } else { format!("    {package}\n") };
    format!(
        "policy:\n  exceptions:\n  -\n    code: {code}\n{package}    images: [\"**\"]\n    reason: r\n    owner: o\n    expires: 2026-12-31\n"
    )
}

#[test]
fn i2_a_check_says_what_another_preset_would_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let rule = "package hallmark.signature\n\n# METADATA\n# title: T\n# custom:\n#   code: a\n\
                deny contains {\"code\": \"a\", \"msg\": \"m\"} if input.time == \"x\"\n";
    let test = "package hallmark.signature_test\n\ntest_a if count(data.hallmark.signature.deny) == 1 with input.time as \"x\"\n";
    std::fs::write(folder.path().join("a.rego"), rule).unwrap();
    std::fs::write(folder.path().join("a_test.rego"), test).unwrap();
    let check = || Hallmark::new(["policy", "check"]).arg(folder.path());
    for preset in ["baseline", "signed"] {
        let config = format!("version: 1\npolicy: {{preset: {preset}}}\n");
        check().config(&config).run().exits(1).says("overlaps package hallmark.signature");
    }
    for (file, text) in [("a.rego", rule), ("a_test.rego", test)] {
        let text = text.replace("hallmark.signature", "hallmark.own");
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    check().run().exits(0).says("nothing to mend");
}
