//! The transcripts in the README are what the program says today about the demo's images.

use std::path::Path;

use regex::Regex;

use crate::support::{Lab, trusting};

/// What changes from lab to lab, taken out so that the rest can be compared.
fn settled(text: &str) -> String {
    let rules = [
        (r"sha256:([0-9a-f]{64}|[0-9a-f]{12}…)", "sha256:…"),
        (r"git://127\.0\.0\.1:\d+", "git://git.example"),
        (r"127\.0\.0\.1:\d+", "registry.example"),
        (r"key [0-9a-f]{16}", "key …"),
        (r"docker [0-9][^ ,;)]*", "docker 26.1.5"),
        (r"buildx [0-9][^ ,;)]*", "buildx 0.13.1"),
        (r"\(\d+ bytes\)", "(… bytes)"),
    ];
    let text = rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    });
    text.trim_end().to_owned()
}

#[test]
fn transcripts_are_what_the_program_says() {
    let Some(lab) = Lab::here("transcripts_are_what_the_program_says") else { return };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut readme = std::fs::read_to_string(&file).unwrap();
    let config = trusting(Path::new(lab.get("KEY_A")), "reproducible")
        .replace("name: release,", "name: release-pipeline,")
        .replace("signers: [release]", "signers: [release-pipeline]");
    for (image, code) in [("HONEST", 0), ("SWAPPED", 1)] {
        let answer = lab.hallmark(["verify", lab.get(image)]).config(&config).run();
        answer.exits(code);
        let name = image.to_lowercase();
        let block = Regex::new(&format!(
            r"(?s)(\$ hallmark verify --config hallmark.yaml registry.example/demo/{name}@sha256:…\n)(.*?)\n```"
        ))
        .unwrap();
        let said = settled(&answer.stdout);
        let written = block.captures(&readme).unwrap_or_else(|| panic!("README has no {name}"));
        if std::env::var_os("HALLMARK_WRITE_DOCS").is_some() {
            let with = format!("{}{said}\n```", &written[1]);
            readme = block.replace(&readme, regex::NoExpand(&with)).into_owned();
        } else {
            assert_eq!(&written[2], said, "{name}: HALLMARK_WRITE_DOCS=1 writes the README again");
        }
    }
    if std::env::var_os("HALLMARK_WRITE_DOCS").is_some() {
        std::fs::write(&file, readme).unwrap();
    }
}
