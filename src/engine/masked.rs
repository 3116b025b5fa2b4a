//! What builders say, without the secrets of the plan that they follow.
//!
//! A builder repeats the arguments that it is given in the names of its steps, and a step prints what it likes. Turns lines
//! and logs into the same with a mark in the place of the plan's own secrets, wherever they stand, and of whatever else looks
//! like one (attack G28). What a failure is, is decided before, by the builder's own words.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    contents::secrets::{KeyLines, MARK, shown_line},
    progress::{ProgressSink, Step, Work},
    rebuild::{Failure, Plan},
};

/// Bytes of the shortest secret that is looked for wherever it stands: a shorter one would be found in everything.
const LEAST_BYTES: usize = 4;

/// The secrets of one plan.
#[derive(Debug)]
pub(super) struct Masks {
    /// Longest first, since one may hold another.
    values: Vec<String>,
}

impl Masks {
    /// Of a plan. Lines are looked at one by one, so that a value of several lines is several.
    pub(super) fn of(plan: &Plan) -> Self {
        let lines = plan.secrets().flat_map(str::lines).map(str::trim);
        let mut values: Vec<String> =
            lines.filter(|line| line.len() >= LEAST_BYTES).map(str::to_owned).collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    /// A line as it may be shown.
    pub(super) fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for value in &self.values {
            if line.contains(value.as_str()) {
                line = line.replace(value.as_str(), MARK);
            }
            // Lines are cut on the way here.
            if let Some(kept) = without_end(&line, value) {
                line = format!("{kept}{MARK}");
            }
        }
        let (front, rest) = line.split_at(front(&line));
        format!("{front}{}", shown_line(rest))
    }

    /// A text of several lines as it may be shown.
    pub(super) fn text(&self, text: &str) -> String {
        let mut keys = KeyLines::default();
        let lines = text.split_inclusive('\n').map(|line| {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let shown = if keys.is_part(line) { MARK.to_owned() } else { self.line(line) };
            shown + end
        });
        lines.collect()
    }

    /// A failure as it may be shown.
    pub(super) fn failure(&self, failure: Failure) -> Failure {
        Failure { why: self.text(&failure.why), log: self.text(&failure.log), ..failure }
    }

    /// What stands between a builder and whoever is told of it.
    pub(super) fn before<'a>(&'a self, sink: &'a dyn ProgressSink) -> Masked<'a> {
        Masked { masks: self, sink, keys: Mutex::default() }
    }
}

/// The line without a part of the value at its end.
fn without_end<'l>(line: &'l str, value: &str) -> Option<&'l str> {
    let mut parts = value.char_indices().map(|(at, _)| at).rev().filter(|at| *at >= LEAST_BYTES);
    parts.find_map(|at| line.strip_suffix(value.get(..at)?))
}

/// Bytes of what BuildKit writes before a step's own words: `#7 `, `#7 0.123 `.
fn front(line: &str) -> usize {
    let number = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let Some(behind) = line.strip_prefix('#') else { return 0 };
    let Some((step, rest)) = behind.split_once(' ').filter(|(step, _)| number(step)) else {
        return 0;
    };
    let seconds = rest.split_once(' ').filter(|(seconds, _)| number(seconds));
    2 + step.len() + seconds.map_or(0, |(seconds, _)| seconds.len() + 1)
}

/// Tells somebody else what may be shown.
pub(super) struct Masked<'a> {
    masks: &'a Masks,
    sink: &'a dyn ProgressSink,
    keys: Mutex<KeyLines>,
}

impl ProgressSink for Masked<'_> {
    fn stage(&self, name: &str) {
        self.sink.stage(&self.masks.line(name));
    }
    fn line(&self, text: &str) {
        self.sink.line(&self.masks.line(text));
    }
    fn step(&self, step: &Step) {
        let stage = step.stage.as_deref().map(|stage| self.masks.line(stage));
        self.sink.step(&Step { stage, name: self.masks.line(&step.name), ..step.clone() });
    }
    fn output(&self, text: &str) {
        let in_key = self.keys.lock().unwrap_or_else(PoisonError::into_inner).is_part(text);
        let shown = if in_key { MARK.to_owned() } else { self.masks.line(text) };
        self.sink.output(&shown);
    }
    fn begin(&self, work: &Arc<Work>) {
        self.sink.begin(work);
    }
    fn end(&self, work: &Arc<Work>) {
        self.sink.end(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::FailureKind;

    fn masks() -> Masks {
        let mut plan = crate::rebuild::tests::plan();
        plan.build_args.insert("NPM_TOKEN".to_owned(), "s9df8sdf".to_owned());
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\nBgkqhkiG\n-----END PRIVATE KEY-----";
        plan.build_args.insert("PEM".to_owned(), key.to_owned());
        plan.build_args.insert("VERSION".to_owned(), "1.4.2".to_owned());
        Masks::of(&plan)
    }

    #[test]
    fn g28_no_line_of_a_builder_shows_a_secret_of_the_plan() {
        let masks = masks();
        for (line, want) in [
            ("#7 0.123 + echo s9df8sdf", "#7 0.123 + echo [secret]"),
            ("#7 [2/3] RUN echo s9df8sdf > /x", "#7 [2/3] RUN echo [secret] > /x"),
            ("STEP 2/3: ARG NPM_TOKEN=s9df8sdf", "STEP 2/3: ARG NPM_TOKEN=[secret]"),
            ("first MIIEvQIBADAN then BgkqhkiG.", "first [secret] then [secret]."),
            // One of the step's own.
            ("#12 3.4 password: k3Lp9wz", "#12 3.4 password: [secret]"),
            ("+ login --password k3Lp9wz", "+ [secret]"),
            // A line that was cut.
            ("#7 0.1 export X=s9df8s", "#7 0.1 export X=[secret]"),
            ("#7 0.1 export X=s9d", "#7 0.1 export X=s9d"),
            ("building 1.4.2", "building 1.4.2"),
            ("#", "#"),
            ("# 7", "# 7"),
            ("", ""),
        ] {
            assert_eq!(masks.line(line), want, "{line}");
        }
    }

    #[test]
    fn g28_no_log_shows_a_secret_of_the_plan() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n";
        let log = format!("#7 0.1 s9df8sdf\n{key}ERROR: process \"npm s9df8sdf\" failed");
        let failure = Failure {
            kind: FailureKind::BuildFailed,
            why: "process \"npm s9df8sdf\" failed".to_owned(),
            log,
            engine: None,
        };
        let Failure { why, log, .. } = masks().failure(failure);
        assert_eq!(why, "process \"npm [secret]\" failed");
        let lines: Vec<&str> = log.lines().collect();
        let last = "ERROR: process \"npm [secret]\" failed";
        assert_eq!(lines, ["#7 0.1 [secret]", MARK, MARK, MARK, last]);
    }

    #[test]
    fn g28_nobody_is_told_a_secret_while_it_builds() {
        #[derive(Default)]
        struct Heard(Mutex<Vec<String>>);
        impl ProgressSink for Heard {
            fn stage(&self, name: &str) {
                self.line(name);
            }
            fn line(&self, text: &str) {
                self.0.lock().unwrap().push(text.to_owned());
            }
            fn step(&self, step: &Step) {
                self.line(&step.to_string());
            }
            fn output(&self, text: &str) {
                self.line(text);
            }
        }
        let (masks, heard) = (masks(), Heard::default());
        let sink = masks.before(&heard);
        let name = "RUN echo s9df8sdf".to_owned();
        sink.stage("keeping https://h/a?token=k3Lp9wz");
        sink.step(&Step { stage: Some("build".to_owned()), number: Some((1, 2)), name });
        for line in ["s9df8sdf", "-----BEGIN PRIVATE KEY-----", "MIIEvQ"] {
            sink.output(line);
        }
        let heard = heard.0.into_inner().unwrap();
        let want = ["keeping https://h/a?token=[secret]", "[build 1/2] RUN echo [secret]"];
        assert_eq!(heard, [&want[..], &[MARK; 3]].concat());
    }
}
