//! The libraries that verify are none with a known hole (attack A26).

/// The oldest version of each that has no advisory against what it is used for, in the RustSec database of 2026-08-21;
/// an empty one stands for none at all.
const FLOORS: [(&str, &str); 14] = [
    ("tar", "0.4.45"),
    ("tokio-tar", ""),
    ("async-tar", ""),
    ("astral-tokio-tar", "0.6.2"),
    ("rustls", "0.23.18"),
    ("rustls-webpki", "0.103.13"),
    ("aws-lc-sys", "0.39.0"),
    ("ring", "0.17.12"),
    ("h2", "0.4.16"),
    ("tough", "0.20.0"),
    ("time", "0.3.47"),
    ("idna", "1.0.0"),
    ("serde_yaml", ""),
    ("serde_yml", ""),
];

fn number(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}

/// Packages of a lock file that lie below their floor.
fn below(lock: &str) -> Vec<String> {
    let packages = lock.split("[[package]]").skip(1).filter_map(|package| {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
            Some(line.trim_matches('"'))
        };
        Some((field("name")?, field("version")?))
    });
    let fails = |(name, version): &(&str, &str)| {
        let floor = FLOORS.iter().find(|(package, _)| package == name);
        floor.is_some_and(|(_, floor)| floor.is_empty() || number(version) < number(floor))
    };
    packages.filter(fails).map(|(name, version)| format!("{name} {version}")).collect()
}

#[test]
fn a26_no_library_is_older_than_its_last_known_hole() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = std::fs::read_to_string(root.join(lock)).unwrap();
        assert!(text.contains("name = \"rustls-webpki\""), "{lock} is no lock file of ours");
        assert_eq!(below(&text), Vec::<String>::new(), "{lock}");
    }
    let one = |name: &str, version: &str| {
        let text =
            format!("version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        below(&text)
    };
    assert_eq!(one("rustls-webpki", "0.103.12"), ["rustls-webpki 0.103.12"]);
    assert_eq!(one("rustls-webpki", "0.103.13"), Vec::<String>::new());
    assert_eq!(one("rustls-webpki", "0.99.99"), ["rustls-webpki 0.99.99"]);
    assert_eq!(one("serde_yaml", "99.0.0"), ["serde_yaml 99.0.0"]);
    // deny.toml says the same to those who add a dependency.
    let deny = std::fs::read_to_string(root.join("deny.toml")).unwrap();
    for (name, _) in FLOORS.iter().filter(|(name, _)| !["time", "idna"].contains(name)) {
        assert!(deny.contains(&format!("crate = \"{name}")), "deny.toml does not mention {name}");
    }
}

/// What is optimised in a build for tests, by package.
fn optimised(manifest: &str) -> toml::Table {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    manifest["profile"]["dev"]["package"].as_table().unwrap().clone()
}

#[test]
fn the_fuzzer_takes_dependencies_as_the_tests_have_compiled_them() {
    let (ours, mut theirs) = (optimised("Cargo.toml"), optimised("fuzz/Cargo.toml"));
    // One folder holds both builds, and cargo does not see which of them fuzz/instrument had in its hands.
    for instrumented in ["hallmark", "parse-dockerfile"] {
        let here = theirs.remove(instrumented).unwrap();
        assert_ne!(
            Some(&here),
            ours.get(instrumented),
            "{instrumented} would be taken for its twin"
        );
    }
    assert_eq!(theirs, ours);
}

#[test]
fn names_of_hosts_are_read_by_the_smaller_of_two_unicode_back_ends() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = std::fs::read_to_string(root.join(lock)).unwrap();
        let small = text.contains("name = \"idna_adapter\"\nversion = \"1.1.");
        assert!(small, "{lock}: cargo update -p idna_adapter --precise 1.1.0 saves 20 crates");
    }
}
