//! Facts of the tree, secrets and licences: from the bytes of an image to what rules see, and to the rules that are chosen by name.

use serde_json::{Value, json};

use crate::{
    layouts::{Layout, Parts, digest, gzip},
    support::{Answer, Hallmark},
};

const RULES: &str = "version: 1\npolicy:\n  rules: [files, licences, runtime, secrets]\n";
const PASSWD: &str = "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\nodd:x:none:none::/:\n";
const STATUS: &str =
    "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2\nArchitecture: amd64\n";
const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
    Files: *\nCopyright: A\nLicense: GPL-2+ or Zlib\n";

/// A file of a layer, with its mode.
type File<'a> = (&'a str, u32, &'a [u8]);

fn layer(files: &[File<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// An image of these layers over what every one of these tests has.
fn image(layers: &[Vec<u8>], config: &Value, history: &str) -> Layout {
    let base = layer(&[
        ("etc/passwd", 0o644, PASSWD.as_bytes()),
        ("etc/os-release", 0o644, b"ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", 0o644, STATUS.as_bytes()),
        ("usr/share/doc/zlib1g/copyright", 0o644, COPYRIGHT.as_bytes()),
    ]);
    let mut parts = Parts::new(&[]);
    parts.layer = gzip(&base);
    let stored: Vec<_> = layers.iter().map(|layer| gzip(layer)).collect();
    let all = [&base].into_iter().chain(layers);
    parts.config = json!({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": all.map(|layer| digest(layer)).collect::<Vec<_>>()},
        "history": [{"created_by": history}],
    });
    parts.relink();
    for layer in &stored {
        parts.manifest["layers"].as_array_mut().unwrap().push(json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest(layer), "size": layer.len(),
        }));
    }
    let layout = Layout::of(&parts);
    stored.iter().for_each(|layer| drop(layout.blob(layer)));
    layout
}

fn asked(words: &[&str], layout: &Layout, config: &str) -> Answer {
    let asked = Hallmark::new(words.iter().copied()).config(config);
    let platform = ["--no-rebuild", "--policy", "baseline", "--platform", "linux/amd64"];
    platform.into_iter().fold(asked, Hallmark::arg).arg(layout.reference()).run()
}

fn input(layout: &Layout) -> Value {
    let answer = asked(&["policy", "input"], layout, RULES);
    answer.exits(0);
    answer.json()
}

fn clean() -> Layout {
    let app = layer(&[("app/main", 0o755, b"\x7fELF")]);
    image(&[app], &json!({"User": "app", "Entrypoint": ["/app/main"]}), "COPY app /app")
}

const CODES: [&str; 6] = [
    "file-set-id",
    "secret-in-layer",
    "secret-in-configuration",
    "user-is-root",
    "tool-present",
    "licence-denied",
];

#[test]
fn what_is_wrong_with_the_tree_is_denied_and_its_honest_twin_is_not() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let below = layer(&[
        ("app/key.pem", 0o600, key.as_bytes()),
        ("usr/bin/su", 0o4755, b"\x7fELF"),
        ("usr/bin/gcc", 0o755, b"\x7fELF"),
    ]);
    let above = layer(&[("app/.wh.key.pem", 0o644, b"")]);
    let config =
        json!({"User": "odd", "Entrypoint": ["/app/main"], "Env": ["DB_PASSWORD=s9df8sdf"]});
    let bad = image(&[below, above], &config, "RUN curl -u bot:s9df8sdf https://repo.corp/x");
    let rules = format!("{RULES}  settings: {{licences: {{allow: [MIT]}}}}\n");
    let answer = asked(&["verify"], &bad, &rules);
    answer.exits(1);
    for code in CODES {
        answer.says(code);
    }
    let whole = format!("{}{}", answer.stdout, answer.stderr);
    let seen = input(&bad).to_string();
    let body = key.lines().nth(1).unwrap();
    for secret in [body, "s9df8sdf"] {
        assert!(!whole.contains(secret) && !seen.contains(secret), "{secret}");
    }
    let rules = format!("{RULES}  settings: {{licences: {{allow: [MIT, Zlib]}}}}\n");
    let answer = asked(&["verify"], &clean(), &rules);
    for code in CODES {
        answer.says_not(code);
    }
    answer
        .says_not("secrets-not-searched")
        .says_not("facts-incomplete")
        .says_not("licence-unknown");
}

#[test]
fn rules_see_facts_with_path_and_layer() {
    let below = layer(&[("usr/bin/su", 0o4755, b"\x7fELF"), ("app/gone", 0o644, b"12345")]);
    let above = layer(&[("app/.wh.gone", 0o644, b"")]);
    let seen = input(&image(&[below, above], &json!({"User": "1000"}), "x"));
    let facts = &seen["inventory"]["facts"];
    assert_eq!(facts["setIds"][0]["path"], "/usr/bin/su");
    assert_eq!(facts["setIds"][0]["layer"], 1);
    assert_eq!(facts["layers"][1]["hiddenBytes"], 5);
    assert_eq!(facts["user"]["uid"], 1000);
    assert_eq!(facts["user"]["name"], "app");
    assert_eq!(facts["leftOut"], json!([]));
    let licences = &seen["inventory"]["packages"][0]["licences"];
    assert_eq!(licences["declared"]["state"], "missing");
    assert_eq!(licences["found"]["choices"], json!([["GPL-2.0-or-later"], ["Zlib"]]));
    assert_eq!(seen["secrets"]["found"], json!([]));
}

#[test]
fn nothing_is_searched_for_secrets_unless_a_rule_asks() {
    let answer = asked(&["policy", "input"], &clean(), "version: 1\n");
    answer.exits(0);
    assert_eq!(answer.json()["secrets"], Value::Null);
}
