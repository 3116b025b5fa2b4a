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
        .says("warning[sbom-package-ghost]")
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
    let answer = Hallmark::new(["policy", "test"]).arg(policies()).run();
    answer.exits(0).says(" passed, 0 failed");
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
