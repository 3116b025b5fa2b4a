//! Runs the real program in an empty environment and reads what it says.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use regex::Regex;

use crate::held;

/// One call of `hallmark`.
pub struct Hallmark {
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    folder: tempfile::TempDir,
    /// The registry of a lab, whose sources are on this machine.
    lab: Option<String>,
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
            lab: None,
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
        let file = self.config_path();
        let text = self.lab.as_ref().map_or_else(|| text.to_owned(), |lab| near(text, lab));
        std::fs::write(&file, text).unwrap();
        self.arguments.push("--config".into());
        self.arguments.push(file.into());
        self
    }

    /// Where [`Hallmark::config`] wrote.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("hallmark.yaml")
    }

    /// Runs it; a rebuild may take its time.
    pub fn run(self) -> Answer {
        self.run_within(Duration::from_secs(30 * 60))
    }

    /// Runs it, and fails the test if it does not end in time.
    pub fn run_within(self, limit: Duration) -> Answer {
        let child = self.start();
        let pid = rustix::process::Pid::from_child(&child);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = receiver.recv_timeout(limit) else {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("{:?} did not end in {limit:?}", self.arguments);
        };
        self.finish(output.unwrap())
    }

    /// Runs it by another program, which gets hallmark's own call as its last arguments.
    pub fn run_by(self, by: &[&str]) -> Answer {
        let inner = self.command();
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = command.stdin(Stdio::null()).output().unwrap();
        self.finish(output)
    }

    /// Sends a signal, as `TERM`, as soon as a line on stderr holds `moment`.
    pub fn interrupt(self, signal: &str, moment: &str) -> Answer {
        let mut child = self.start();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let before: Vec<String> =
            lines.by_ref().take_while(|line| !line.contains(moment)).collect();
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success(), "it had ended before {moment:?}: {before:#?}");
        let after: Vec<String> = lines.collect();
        let mut output = child.wait_with_output().unwrap();
        output.stderr = [before, after].concat().join("\n").into_bytes();
        self.finish(output)
    }

    fn start(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The call, to be started by the caller; its folder lives as long as `self`.
    pub fn command(&self) -> Command {
        std::fs::create_dir(self.scratch()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hallmark"));
        command.args(&self.arguments);
        if let (Some(lab), false) = (&self.lab, self.arguments.contains(&"--config".into())) {
            std::fs::write(self.config_path(), near("version: 1\n", lab)).unwrap();
            command.arg("--config").arg(self.config_path());
        }
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.scratch())
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    /// Its folder for temporary files, nobody else's.
    fn scratch(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    fn finish(self, output: Output) -> Answer {
        let answer = Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // Whatever the input: a panic is a defect, and so is anything that outlives the call.
        assert!(!answer.stderr.contains("panicked"), "{}", answer.all());
        assert_eq!(left_behind(&self.scratch()), Vec::<String>::new(), "{}", answer.all());
        let words: Vec<_> = self.arguments.iter().map(|word| word.to_string_lossy()).collect();
        held::hold(&words.iter().map(|word| &**word).collect::<Vec<_>>(), &answer);
        answer
    }
}

/// Files, mounts and processes of a call that has ended. What was killed may take a moment to go.
fn left_behind(scratch: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..50 {
        found = traces(scratch);
        if found.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    found
}

fn traces(scratch: &Path) -> Vec<String> {
    let name = scratch.to_string_lossy();
    let files = std::fs::read_dir(scratch).unwrap().flatten();
    let mut found: Vec<String> = files.map(|f| format!("file {}", f.path().display())).collect();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    found.extend(mounts.lines().filter(|l| l.contains(&*name)).map(|l| format!("mount {l}")));
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        // Daemons are known by their arguments, their children by the environment that they inherit.
        let told = ["cmdline", "environ"].map(|file| {
            let bytes = std::fs::read(process.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        });
        if told.iter().any(|text| text.contains(&*name)) {
            found.push(format!("process {}", told[0]));
        }
    }
    found
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
        (r"sha256:([0-9a-f]{64}|[0-9a-f]{12}…)", "sha256:DIGEST"),
        (r"sha256-[0-9a-f]{64}", "sha256-DIGEST"),
        (r"\bkey [0-9a-f]{16}\b", "key ID"),
        (r"\b(docker|buildx|buildah|buildkitd) v?\d[\w.+~-]*", "$1 VERSION"),
        (r"buildah \(\d[\w.+~-]*\)", "buildah (VERSION)"),
        // As it is with old versions.
        (r"(buildah \(VERSION\); network none), users of the machine", "$1"),
        (r"\d[\w.]*\+deb\w+", "VERSION"),
        (r"\b\d+ bytes\b", "N bytes"),
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

    /// An image that the lab has only where `scripts/peers` has built its builder.
    pub fn built(&self, name: &str, test: &str) -> Option<String> {
        let image = self.variables.get(name).cloned();
        if image.is_none() {
            eprintln!("SKIPPED {test}: the lab has no {name}; scripts/peers builds what makes it");
        }
        image
    }

    /// A call that has the lab's tools on its PATH.
    pub fn hallmark<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Hallmark {
        let call =
            Hallmark { lab: Some(self.get("REGISTRY").to_owned()), ..Hallmark::new(arguments) };
        call.env("PATH", self.get("PATH")).env("DOCKER_CONFIG", self.get("DOCKER_CONFIG"))
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

/// A configuration that lets sources be on this machine, and bases in the lab's registry, as a lab's operator writes it.
pub fn near(config: &str, registry: &str) -> String {
    const SOURCES: &str = "privateSources: [127.0.0.1]";
    let mut text = match config {
        has if has.contains("privateSources") => has.to_owned(),
        flow if flow.contains("\nrebuild: {") => {
            flow.replacen("\nrebuild: {", &format!("\nrebuild: {{{SOURCES}, "), 1)
        }
        block if block.contains("\nrebuild:\n") => {
            block.replacen("\nrebuild:\n", &format!("\nrebuild:\n  {SOURCES}\n"), 1)
        }
        none => format!("{none}rebuild: {{{SOURCES}}}\n"),
    };
    if !text.contains("registries:") {
        text.push_str(&format!("registries: [{{host: \"{registry}\"}}]\n"));
    }
    text
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
