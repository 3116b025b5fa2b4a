//! A private Sigstore on loopback: real Fulcio, Rekor v2, timestamp authority and issuer, and cosign's and hallmark's
//! verdicts about every signature side by side (`docs/measurements/signatures.md` has the table).

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    promises::assert_offline,
    support::{Hallmark, Lab},
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const PROGRAMS: [&str; 4] = ["cosign", "fulcio", "rekor-posix", "timestamp-server"];

/// The services, which end with it.
struct Sigstore<'a> {
    lab: &'a Lab,
    folder: PathBuf,
}

impl<'a> Sigstore<'a> {
    /// `None`, and a word about it, where its programs are not built.
    fn start(lab: &'a Lab, test: &str) -> Option<Self> {
        let cache = std::env::var_os("HALLMARK_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/hallmark")))?;
        let missing: Vec<&str> = PROGRAMS
            .into_iter()
            .filter(|program| !cache.join("peers/bin").join(program).exists())
            .collect();
        if !missing.is_empty() {
            eprintln!("SKIPPED {test}: no {}; scripts/peers builds them", missing.join(", "));
            return None;
        }
        let folder = Path::new(&std::env::var_os("HALLMARK_LAB")?).join("sigstore");
        let sigstore = Self { lab, folder };
        sigstore.must("sigstore-lab", &["up"], &[]);
        Some(sigstore)
    }

    /// Runs a script, `arguments` before the folders.
    fn script(&self, name: &str, before: &[&str], after: &[&str]) -> Output {
        let examples = Path::new(env!("CARGO_BIN_EXE_hallmark")).with_file_name("examples");
        let mut command =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
        command.args(before).arg(&self.folder);
        if name != "sigstore-lab" {
            command.arg(std::env::var_os("HALLMARK_LAB").unwrap());
        }
        command.args(after).env("HALLMARK_BIN", env!("CARGO_BIN_EXE_hallmark"));
        // Where only this test was built, the scripts build what they need.
        for (variable, example) in [("SPOIL", "spoil"), ("OIDC_ISSUER", "oidc-issuer")] {
            let program = examples.join(example);
            if program.exists() {
                command.env(variable, program);
            }
        }
        command.envs(&self.lab.variables).stdin(Stdio::null()).output().unwrap()
    }

    fn must(&self, name: &str, before: &[&str], after: &[&str]) -> String {
        let output = self.script(name, before, after);
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|b| String::from_utf8_lossy(b));
        assert!(output.status.success(), "{name} failed\n{stdout}{stderr}");
        stdout.into_owned()
    }
}

impl Sigstore<'_> {
    /// Promise 7: a keyless signature is judged without any network, and no socket is opened.
    fn offline(&self) {
        let (lab, folder) = (self.lab, tempfile::tempdir().unwrap());
        let digest = lab.get("HONEST").split_once('@').unwrap().1;
        let repository = format!("{}/sig/keyless", lab.get("REGISTRY"));
        let layout = folder.path().join("layout");
        let (from, to) =
            (format!("docker://{repository}@{digest}"), format!("oci:{}:1", layout.display()));
        let options = ["copy", "--all", "--preserve-digests", "--src-tls-verify=false"];
        lab.tool("skopeo", &[&options[..], &[&from, &to]].concat());
        add_referrers(lab, &layout, digest);
        let issuer = std::fs::read_to_string(self.folder.join("env")).unwrap();
        let issuer = issuer.lines().find_map(|l| l.strip_prefix("export ISSUER=")).unwrap();
        let root = self.folder.join("trusted-root.json");
        let config = format!(
            "version: 1\n\
             trust:\n  \
               signers: [{{name: user, keyless: {{issuer: \"{issuer}\", identity: user@example.com, root: \"{}\", noCtLog: allow}}}}]\n  \
               rules: [{{images: [\"**\"], predicates: [signature, provenance, sbom], signers: [user]}}]\n\
             policy: {{preset: signed}}\n",
            root.display()
        );
        let verify = || {
            Hallmark::new(["verify", "--no-rebuild", &format!("oci:{}:1", layout.display())])
                .config(&config)
        };
        verify().run().exits(0).says("user@example.com");
        assert_offline(verify);
        // The same without a configuration, and as somebody else.
        let image = format!("oci:{}:1", layout.display());
        let flags = |identity: &str| {
            Hallmark::new(["verify", "--no-ct-log", &image, "--certificate-identity-regexp"])
                .arg(identity)
                .arg(format!("--certificate-oidc-issuer={issuer}"))
                .arg(format!("--trusted-root={}", root.display()))
                .run()
        };
        flags(r"^user@example\.com$").exits(0).says("proven: /^user@example");
        flags(r"^other@example\.com$").exits(1);
    }
}

/// Copies what a list of referrers under its tag names; all of it is JSON.
fn add_referrers(lab: &Lab, layout: &Path, digest: &str) {
    let base = format!("http://{}/v2/sig/keyless", lab.get("REGISTRY"));
    let get = |path: String| {
        let url = format!("{base}/{path}");
        lab.tool(
            "curl",
            &[
                "-fsS",
                "-H",
                &format!("Accept: {INDEX}"),
                "-H",
                &format!("Accept: {MANIFEST}"),
                &url,
            ],
        )
    };
    let keep = |text: &str| {
        let name = crate::layouts::digest(text.as_bytes());
        std::fs::write(layout.join("blobs/sha256").join(name.trim_start_matches("sha256:")), text)
            .unwrap();
        name
    };
    let tag = digest.replace(':', "-");
    let list = get(format!("manifests/{tag}"));
    for listed in serde_json::from_str::<Value>(&list).unwrap()["manifests"].as_array().unwrap() {
        let manifest = get(format!("manifests/{}", listed["digest"].as_str().unwrap()));
        let parsed: Value = serde_json::from_str(&manifest).unwrap();
        keep(&manifest);
        for blob in [&parsed["config"], &parsed["layers"][0]] {
            keep(&get(format!("blobs/{}", blob["digest"].as_str().unwrap())));
        }
    }
    let file = layout.join("index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    index["manifests"].as_array_mut().unwrap().push(json!({
        "mediaType": INDEX, "digest": keep(&list), "size": list.len(),
        "annotations": { "org.opencontainers.image.ref.name": tag },
    }));
    std::fs::write(file, index.to_string()).unwrap();
}

impl Drop for Sigstore<'_> {
    fn drop(&mut self) {
        self.script("sigstore-lab", &["down"], &[]);
    }
}

#[test]
fn every_case_of_a_private_sigstore_is_judged_for_its_own_reason() {
    let test = "every_case_of_a_private_sigstore_is_judged_for_its_own_reason";
    let Some(lab) = Lab::here(test) else { return };
    let Some(sigstore) = Sigstore::start(&lab, test) else { return };
    sigstore.must("sigstore-images", &[], &[]);
    println!("{}", sigstore.must("sigstore-compare", &[], &[]));
    sigstore.offline();
}
