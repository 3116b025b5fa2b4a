//! The first ten minutes: what the README tells a stranger to type, in its order, in a home without any configuration.

use std::fs;

use regex::Regex;

use crate::{
    documents::{Desk, Told, blocks, commands, root, told},
    support::Lab,
};

/// What changes from lab to lab and from day to day, taken out so that the rest can be compared.
fn settled(text: &str) -> String {
    let rules = [
        (r"sha256:([0-9a-f]{64}|[0-9a-f]{12}…)", "sha256:…"),
        (r"git://127\.0\.0\.1:\d+", "git://git.example"),
        (r"key [0-9a-f]{16}", "key …"),
        (r"docker [0-9][^ ,;)]*", "docker 26.1.5"),
        (r"buildx [0-9][^ ,;)]*", "buildx 0.13.1"),
        (r"\(\d+ bytes\)", "(… bytes)"),
        (r"as of \d{4}-\d\d-\d\dT[0-9:]+Z", "as of …"),
        (r"/tmp/[^\s/]+/", "/home/you/"),
    ];
    let text = rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    });
    text.trim_end().to_owned()
}

/// Commands whose answers depend on the day or are long pages of their own.
const UNQUOTED: [&str; 3] = ["--certificate-identity", "hallmark man", "hallmark completions"];

#[test]
fn the_first_ten_minutes() {
    let test = "the_first_ten_minutes";
    let Some(lab) = Lab::here(test) else { return };
    let file = root().join("README.md");
    let mut readme = fs::read_to_string(&file).unwrap();
    let rewrite = std::env::var_os("HALLMARK_WRITE_DOCS").is_some();
    let mut desk = Desk::new(lab, "README.md", false);
    let mut transcript = String::new();
    for block in blocks(&readme).0 {
        for command in commands(&block) {
            let (wanted, why) = match told("README.md", &command) {
                Told::NotRun(why) => {
                    transcript.push_str(&format!("$ {command}\n(not run: {why})\n\n"));
                    continue;
                }
                Told::Answered(code, why) => (code, why),
                Told::Yes => (0, ""),
            };
            let (code, said, errors) = desk.run(&command);
            assert_eq!(code, wanted, "$ {command}\n{said}{errors}{why}");
            let said = settled(&desk.as_written(&said));
            let quoted = !UNQUOTED.iter().any(|part| command.contains(part));
            let shown =
                if quoted && !said.is_empty() { format!("{said}\n") } else { String::new() };
            transcript.push_str(&format!("$ {command}\n{shown}(exit code {code})\n\n"));
            if block.language != "console" {
                continue;
            }
            let written = block.text.strip_prefix(&format!("$ {command}\n"));
            let written =
                written.unwrap_or_else(|| panic!("one command for each answer: {command}"));
            if rewrite {
                readme = readme.replace(written, &format!("{said}\n"));
            } else {
                let hint = "HALLMARK_WRITE_DOCS=1 writes the README again";
                assert_eq!(written.trim_end(), said, "$ {command}: {hint}");
            }
        }
    }
    for report in ["hallmark.sarif", "hallmark.xml", "hallmark.html"] {
        let text = desk.file(report);
        assert!(
            text.contains("registry.example") || text.contains("127.0.0.1"),
            "{report}: {text}"
        );
    }
    insta::assert_snapshot!("the_first_ten_minutes", transcript);
    if rewrite {
        fs::write(&file, readme).unwrap();
    }
}
