//! What people see of long work: a line that is redrawn on a terminal, plain lines elsewhere, and a clean end either way.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use hallmark::engine::host::find_program;

use crate::{
    rebuild::traces,
    support::{Answer, Lab, near},
};

/// What a terminal was sent, and how the program ended.
struct Shown {
    screen: String,
    code: Option<i32>,
}

/// Runs the program on a terminal of `script`; `key` is pressed once the screen shows `moment`.
fn on_a_terminal(lab: &Lab, arguments: &str, key: Option<(&str, &[u8])>) -> Option<Shown> {
    if find_program("script").is_none() {
        eprintln!("SKIPPED: script is not on PATH");
        return None;
    }
    let home = tempfile::tempdir().unwrap();
    // stdout is not the terminal, so that what is shown there is progress alone.
    let beside = tempfile::tempdir().unwrap();
    let config = beside.path().join("hallmark.yaml");
    std::fs::write(&config, near("version: 1\n", lab.get("REGISTRY"))).unwrap();
    let command = format!(
        "stty cols 100; {} {arguments} --config {} > {}",
        env!("CARGO_BIN_EXE_hallmark"),
        config.display(),
        home.path().join("stdout").display()
    );
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_clear()
        .env("PATH", lab.get("PATH"))
        .env("DOCKER_CONFIG", lab.get("DOCKER_CONFIG"))
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .env("SHELL", "/bin/sh")
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let (mut bytes, mut buffer, mut key) = (Vec::new(), [0; 4096], key);
    while let Ok(length @ 1..) = screen.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..length]);
        if let Some((moment, pressed)) = key
            && String::from_utf8_lossy(&bytes).contains(moment)
        {
            keys.write_all(pressed).unwrap();
            keys.flush().unwrap();
            key = None;
        }
    }
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    assert!(key.is_none(), "{key:?} was never shown: {shown}");
    let code = terminal.wait().unwrap().code();
    let stdout = std::fs::read_to_string(home.path().join("stdout")).unwrap();
    assert!(!stdout.contains('\u{1b}') && !stdout.contains("layers: "), "{stdout}");
    std::fs::remove_file(home.path().join("stdout")).unwrap();
    left_nothing(home.path());
    Some(Shown { screen: shown, code })
}

/// However it ended: no process, no mount and no file. What the kernel was told to kill may take a moment to go.
fn left_nothing(home: &Path) {
    let scratch = home.to_string_lossy();
    for _ in 0..100 {
        if traces(&scratch).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(traces(&scratch), Vec::<String>::new());
    assert!(std::fs::read_dir(home).unwrap().next().is_none());
}

impl Shown {
    #[track_caller]
    fn has(&self, pattern: &str) {
        let found = regex::Regex::new(pattern).unwrap().is_match(&self.screen);
        assert!(found, "no {pattern} in {}", self.screen.replace('\u{1b}', "\n^"));
    }

    /// A cursor that is hidden has to come back, and the line with the progress has to go.
    #[track_caller]
    fn is_tidy(&self) {
        let (hidden, back) = (self.screen.rfind("\u{1b}[?25l"), self.screen.rfind("\u{1b}[?25h"));
        assert!(hidden <= back, "{:?}", self.screen);
        let last = self.screen.rsplit("\u{1b}[2K").next().unwrap_or_default();
        let spinner = |c: char| ('\u{2800}'..='\u{28ff}').contains(&c);
        assert!(!last.contains(spinner), "{:?}", self.screen);
    }
}

/// The image differs, so that all of it is fetched, read and compared, and built twice.
#[test]
fn a_terminal_shows_steps_layers_and_bytes() {
    let Some(lab) = Lab::here("a_terminal_shows_steps_layers_and_bytes") else { return };
    let arguments = format!("rebuild {}", lab.get("SWAPPED"));
    let Some(shown) = on_a_terminal(&lab, &arguments, None) else { return };
    assert_eq!(shown.code, Some(1), "{}", shown.screen);
    shown.has(r"\[build \d/\d\] [A-Z]+ [^\n]*\(\d+ s\)");
    shown.has(r"fetching layers: (\d+) of \d+, [\d.]+ [KM]?i?B of [\d.]+ [KM]iB \(\d+ %\)");
    shown.has(r"comparing layers: \d+ of \d+, [\d.]+ [KM]?i?B of [\d.]+ [KM]iB \(\d+ %\)");
    shown.is_tidy();
}

/// The verdict of an image that is not rebuilt, too.
#[test]
fn a_verdict_leaves_no_progress_on_the_terminal() {
    let Some(lab) = Lab::here("a_verdict_leaves_no_progress_on_the_terminal") else { return };
    for command in ["verify --no-rebuild", "inspect"] {
        let arguments = format!("{command} {}", lab.get("HONEST"));
        let Some(shown) = on_a_terminal(&lab, &arguments, None) else { return };
        shown.is_tidy();
    }
}

#[test]
fn ctrl_c_in_a_step_leaves_a_tidy_terminal() {
    let Some(lab) = Lab::here("ctrl_c_in_a_step_leaves_a_tidy_terminal") else { return };
    let arguments = format!("rebuild {}", lab.get("HONEST"));
    let key = Some(("1/4] FROM", &b"\x03"[..]));
    let Some(shown) = on_a_terminal(&lab, &arguments, key) else { return };
    assert_eq!(shown.code, Some(130), "{}", shown.screen);
    shown.has("hallmark: interrupted");
    shown.is_tidy();
}

fn rebuilt(lab: &Lab, image: &str) -> Answer {
    lab.hallmark(["rebuild", lab.get(image)]).run()
}

#[test]
fn plain_lines_name_each_step_once_and_no_output() {
    let Some(lab) = Lab::here("plain_lines_name_each_step_once_and_no_output") else { return };
    for (image, code, step) in [("SWAPPED", 1, "[build "), ("BUILDAH", 0, "[stage ")] {
        let answer = rebuilt(&lab, image);
        answer.exits(code).says("fetching layers: ").says("reading layers: ");
        let lines: Vec<&str> = answer.stderr.lines().collect();
        let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        // A build that differs is made again.
        let builds = count("] building");
        assert!(builds > 0 && count(step) >= builds, "{}", answer.all());
        assert_eq!(count("RUN cc"), builds, "{}", answer.all());
        // Each build is brought its bases, of which each has a line.
        assert!(count("layers: ") <= 8 + 3 * builds && lines.len() < 80, "{}", answer.all());
        assert!(!answer.stderr.contains('\u{1b}'), "{}", answer.all());
        answer.says_not("layers: ");
    }
}

#[test]
fn quiet_says_nothing() {
    let Some(lab) = Lab::here("quiet_says_nothing") else { return };
    let answer = lab.hallmark(["rebuild", lab.get("HONEST"), "--quiet"]).run();
    answer.exits(0);
    assert_eq!(answer.stderr, "");
}
