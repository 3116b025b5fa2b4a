//! Runs the real program in an empty environment and reads what it says.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use regex::Regex;

/// One call of `hallmark`.
pub struct Hallmark {
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: tempfile::TempDir,
}

/// What it answered.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Hallmark {
    pub fn new<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A configuration file of this content.
    pub fn config(mut self, text: &str) -> Self {
        let file = self.folder.path().join("hallmark.yaml");
        std::fs::write(&file, text).unwrap();
        self.arguments.push("--config".into());
        self.arguments.push(file.into());
        self
    }

    pub fn run(self) -> Answer {
        let output = Command::new(env!("CARGO_BIN_EXE_hallmark"))
            .args(&self.arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TMPDIR", std::env::temp_dir())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let answer = Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // Whatever the input: a panic is a defect.
        assert!(!answer.stderr.contains("panicked"), "{}", answer.all());
        answer
    }
}

impl Answer {
    pub fn all(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no {text:?} in\n{}",
            self.all()
        );
        self
    }

    #[track_caller]
    pub fn says_not(&self, text: &str) -> &Self {
        assert!(!self.stdout.contains(text), "{text:?} in\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}", self.all()))
    }
}

/// Text with what changes from run to run taken out.
pub fn redact(text: &str) -> String {
    let rules = [
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"/tmp/[^\s:@]+", "/TMP"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}

/// A running lab (`scripts/lab`), where the caller brought one up. Says plainly when there is none.
pub struct Lab {
    pub variables: BTreeMap<String, String>,
}

impl Lab {
    pub fn here(test: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os("HALLMARK_LAB").map(PathBuf::from) else {
            eprintln!("SKIPPED {test}: no lab; `make test` brings one up");
            return None;
        };
        let mut variables = BTreeMap::new();
        for file in ["env", "images.env"] {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            for line in text.lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                if let Some((name, value)) = line.split_once('=') {
                    variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
                }
            }
        }
        Some(Self { variables })
    }

    pub fn get(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("the lab has no {name}"))
    }

    /// A call that has the lab's tools on its PATH.
    pub fn hallmark<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Hallmark {
        Hallmark::new(arguments)
            .env("PATH", self.get("PATH"))
            .env("DOCKER_CONFIG", self.get("DOCKER_CONFIG"))
    }

    /// A program of the lab, for setting a scene.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program)
            .args(arguments)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The configuration that trusts `key` for everything.
pub fn trusting(key: &Path, preset: &str) -> String {
    format!(
        "version: 1\n\
         trust:\n  \
           signers: [{{name: release, key: \"{}\"}}]\n  \
           rules: [{{images: [\"**\"], predicates: [signature, provenance, sbom], signers: [release]}}]\n\
         policy: {{preset: {preset}}}\n",
        key.display()
    )
}
