//! What builders say, without the secrets of the plan that they follow.
//!
//! A builder repeats the arguments that it is given in the names of its steps, and a step prints what it likes. Turns lines
//! and logs into the same with a mark in the place of the plan's own secrets and of the parts of one, wherever they stand and
//! however they are written, and of whatever else looks like one (attacks G28, G34 to G38). What a failure is, is decided before, by
//! the builder's own words.

mod needles;
mod views;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    amount::plural,
    contents::secrets::{KeyLines, MARK, shown_line},
    progress::{ProgressSink, Step, Work},
    rebuild::{Failure, Plan},
};
use needles::{Needles, front};

/// What is said where a plan has more secrets than are looked for.
const ALL: &str = "[not shown: the plan has more secrets than are looked for]";

/// What stands for words that nobody looked at, because a step says more than there is time for.
const LATE: &str = "[not shown: more was said than can be searched for secrets]";
/// Time that may be spent at once on what is said while a build goes on: whoever searches also keeps its limits.
const AT_ONCE: Duration = Duration::from_millis(50);
/// Of all time, one part in so many is spent on it.
const SHARE: u32 = 4;
/// Time for all that is said of a failure.
const AT_THE_END: Duration = Duration::from_secs(2);

/// The secrets of one plan.
#[derive(Debug)]
pub(super) struct Masks {
    /// `None` where there are too many, so that nothing is shown.
    needles: Option<Needles>,
}

impl Masks {
    /// Of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        Self { needles: Needles::of(&plan.secrets()) }
    }

    /// A line as it may be shown.
    pub(super) fn line(&self, line: &str) -> String {
        let Some(needles) = &self.needles else {
            return if line.trim().is_empty() { line.to_owned() } else { ALL.to_owned() };
        };
        let line = needles.without(line, MARK);
        let (front, rest) = line.split_at(front(&line));
        format!("{front}{}", shown_line(rest))
    }

    /// A text of several lines as it may be shown. Lines for which no time is left are not.
    pub(super) fn text(&self, text: &str) -> String {
        let (mut keys, began) = (KeyLines::default(), Instant::now());
        let (mut shown, mut lines) = (String::new(), text.split_inclusive('\n'));
        for line in lines.by_ref() {
            if began.elapsed() > AT_THE_END {
                shown.push_str(LATE);
                break;
            }
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            shown.push_str(&if keys.is_part(line) { MARK.to_owned() } else { self.line(line) });
            shown.push_str(end);
        }
        shown
    }

    /// A failure as it may be shown.
    pub(super) fn failure(&self, failure: Failure) -> Failure {
        Failure { why: self.text(&failure.why), log: self.text(&failure.log), ..failure }
    }

    /// What stands between a builder and whoever is told of it.
    pub(super) fn before<'a>(&'a self, sink: &'a dyn ProgressSink) -> Masked<'a> {
        Masked {
            masks: self,
            sink,
            keys: Mutex::default(),
            allowance: Mutex::new(Allowance::new()),
        }
    }
}

/// Time that is left for what is said, which comes back as time goes by (attack G45).
#[derive(Debug)]
struct Allowance {
    left: Duration,
    at: Instant,
    /// Lines that were left out since one was shown.
    left_out: u64,
}

impl Allowance {
    fn new() -> Self {
        Self { left: AT_ONCE, at: Instant::now(), left_out: 0 }
    }

    /// Whether another line may be looked at.
    fn is_there(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at) / SHARE;
        self.left = AT_ONCE.min(self.left + gained);
        self.at = self.at.max(now);
        !self.left.is_zero()
    }

    fn spend(&mut self, took: Duration) {
        self.left = self.left.saturating_sub(took);
    }
}

/// Tells somebody else what may be shown, as far as there is time to see that it may.
pub(super) struct Masked<'a> {
    masks: &'a Masks,
    sink: &'a dyn ProgressSink,
    keys: Mutex<KeyLines>,
    allowance: Mutex<Allowance>,
}

impl Masked<'_> {
    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line as it may be shown, or nothing where there is no time to look at it.
    fn line_in_time(&self, line: &str) -> Option<String> {
        let began = Instant::now();
        if !self.allowance().is_there(began) {
            return None;
        }
        let shown = self.masks.line(line);
        self.allowance().spend(began.elapsed());
        Some(shown)
    }

    fn name(&self, name: &str) -> String {
        self.line_in_time(name).unwrap_or_else(|| LATE.to_owned())
    }

    /// Tells a line, or counts that it was left out.
    fn say(&self, text: &str, say: impl Fn(&str)) {
        let Some(shown) = self.line_in_time(text) else {
            self.allowance().left_out += 1;
            return;
        };
        let left_out = std::mem::take(&mut self.allowance().left_out);
        if left_out > 0 {
            say(&format!("{LATE}: {}", plural(left_out, "line")));
        }
        say(&shown);
    }
}

impl ProgressSink for Masked<'_> {
    fn stage(&self, name: &str) {
        self.sink.stage(&self.name(name));
    }
    fn line(&self, text: &str) {
        self.say(text, |text| self.sink.line(text));
    }
    fn step(&self, step: &Step) {
        let stage = step.stage.as_deref().map(|stage| self.name(stage));
        self.sink.step(&Step { stage, name: self.name(&step.name), ..step.clone() });
    }
    fn output(&self, text: &str) {
        match self.keys.lock().unwrap_or_else(PoisonError::into_inner).is_part(text) {
            true => self.sink.output(MARK),
            false => self.say(text, |text| self.sink.output(text)),
        }
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
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

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

    /// The masks of a plan with one argument.
    fn of(name: &str, value: &str) -> Masks {
        let mut plan = crate::rebuild::tests::plan();
        plan.build_args.insert(name.to_owned(), value.to_owned());
        Masks::of(&plan)
    }

    #[test]
    fn g45_time_for_what_is_said_has_a_bound_and_comes_back() {
        let mut allowance = Allowance::new();
        let start = allowance.at;
        assert!(allowance.is_there(start));
        allowance.spend(AT_ONCE * 3);
        assert!(!allowance.is_there(start));
        assert!(allowance.is_there(start + AT_ONCE), "a part of the time that went by");
        assert_eq!(allowance.left, AT_ONCE / SHARE);
        assert!(allowance.is_there(start + AT_ONCE * 1000));
        assert_eq!(allowance.left, AT_ONCE, "no more is saved up");
    }

    /// All that is told while it builds.
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

    #[test]
    fn g45_what_is_said_beyond_it_is_counted_and_never_shown() {
        let (masks, heard) = (masks(), Heard::default());
        let masked = masks.before(&heard);
        masked.allowance().left = Duration::ZERO;
        masked.allowance().at = Instant::now() + Duration::from_secs(3600);
        masked.output("s9df8sdf");
        masked.line("s9df8sdf");
        masked.step(&Step { stage: None, number: None, name: "RUN echo s9df8sdf".to_owned() });
        assert_eq!(*heard.0.lock().unwrap(), [LATE]);
        *masked.allowance() = Allowance { left_out: 2, ..Allowance::new() };
        masked.output("s9df8sdf");
        let said = format!("{LATE}: 2 lines");
        assert_eq!(*heard.0.lock().unwrap(), [LATE, &said, MARK]);
    }

    #[test]
    fn g34_a_secret_that_is_cut_anywhere_is_not_shown() {
        let masks = of("NPM_TOKEN", "s9df8sdfQ81vBk3L");
        for (line, want) in [
            // The first line of what is kept of a log, or of the next piece of one.
            ("8sdfQ81vBk3L was refused", "[secret] was refused"),
            ("Bk3L", "[secret]"),
            ("#7 sdfQ81vBk3L was refused", "#7 [secret] was refused"),
            ("#7 0.123 sdfQ81vBk3L\" was refused", "#7 0.123 [secret]\" was refused"),
            ("0.123 sdfQ81vBk3L", "0.123 [secret]"),
            ("\u{fffd}sdfQ81vBk3L", "\u{fffd}[secret]"),
            // Out of its middle.
            ("#7 0.1 f8sdfQ81vB", "#7 0.1 [secret]"),
            // A mark that says so.
            ("RUN login s9df8sdfQ...", "RUN login [secret]..."),
            ("RUN login s9df8sdfQ… more", "RUN login [secret]… more"),
            ("...Q81vBk3L is wrong", "...[secret] is wrong"),
            (
                "x s9df8sdf[output clipped, log limit 2MiB reached]",
                "x [secret][output clipped, log limit 2MiB reached]",
            ),
            // Nothing of it.
            ("#7 0.1 made of 8sdf and Bk3L parts", "#7 0.1 made of 8sdf and Bk3L parts"),
            ("...", "..."),
            ("------", "------"),
        ] {
            assert_eq!(masks.line(line), want, "{line}");
        }
        let failure = Failure {
            kind: FailureKind::BuildFailed,
            why: "81vBk3L was refused".to_owned(),
            log: "fQ81vBk3L\nnext".to_owned(),
            engine: None,
        };
        let Failure { why, log, .. } = masks.failure(failure);
        assert_eq!((why.as_str(), log.as_str()), ("[secret] was refused", "[secret]\nnext"));
    }

    #[test]
    fn g35_a_part_of_a_value_is_a_secret_of_its_own() {
        for (name, value) in [
            ("PIP_INDEX_URL", "https://bot:s9df8sdf@pypi.corp/simple"),
            ("REPO", "https://bot:s9df%38sdf@pypi.corp/simple"),
            ("FLAGS", "--verbose --password=s9df8sdf"),
            ("FLAGS", "login --password s9df8sdf h"),
            ("REGISTRY_AUTH", "bot:s9df8sdf"),
            ("DOCKER_AUTH_CONFIG", r#"{"auths":{"h":{"auth":"Ym90OnM5ZGY4c2Rm"}}}"#),
            ("NETRC", "machine git.corp\nlogin bot\npassword s9df8sdf"),
            ("SETTINGS", "user: bot\npassword: s9df8sdf\n"),
            ("DSN", "host=db user=bot password='s9df8sdf'"),
            ("JSON", r#"{"user": "bot", "password": "s9df8sdf"}"#),
            ("MYSQL", "mysql -u root -ps9df8sdf"),
        ] {
            let masks = of(name, value);
            for (line, want) in [
                ("#7 0.1 it is s9df8sdf.", "#7 0.1 it is [secret]."),
                ("#7 0.1 user bot, 8sdf", "#7 0.1 user bot, 8sdf"),
                ("#7 0.1 9df8sdf is wrong", "#7 0.1 [secret] is wrong"),
                ("#7 0.1 building simple h db git.corp", "#7 0.1 building simple h db git.corp"),
            ] {
                assert_eq!(masks.line(line), want, "{name}={value}");
            }
        }
        let auth = of("DOCKER_AUTH_CONFIG", r#"{"auths":{"h":{"auth":"Ym90OnM5ZGY4c2Rm"}}}"#);
        assert_eq!(auth.line("sent Basic Ym90OnM5ZGY4c2Rm to h"), "sent Basic [secret] to h");
    }

    #[test]
    fn g36_a_secret_is_not_shown_in_quotes_escapes_or_base64() {
        let masks = of("DB_PASSWORD", "it's%8\"s$9\\d é&<ß");
        for line in [
            // As it is, and under `set -x` by bash, others, and in words.
            "+ echo it's%8\"s$9\\d é&<ß.",
            r#"+ echo 'it'\''s%8"s$9\d é&<ß'."#,
            r#"+ echo 'it'"'"'s%8"s$9\d é&<ß'."#,
            r#"+ echo "it's%8\"s\$9\\d é&<ß"."#,
            r#"+ echo $'it\'s%8"s$9\\d \303\251&<\303\237'."#,
            r#"+ echo it\'s%8\"s\$9\\d\ é\&\<ß."#,
            // JSON, of Go and of others, and Go's quotes around a shell's.
            r#"{"x": "it's%8\"s$9\\d é&<ß"}."#,
            r#"{"x": "it's%8\"s$9\\d é\u0026\u003cß"}."#,
            r#"{"x": "it's%8\"s$9\\d \u00e9&<\u00df"}."#,
            r#"process "/bin/sh -c echo 'it'\\''s%8\"s$9\\d é&<ß'" did not complete."#,
            // A URL, as a whole or but for what may stand in one.
            "https://h/?x=it%27s%258%22s%249%5Cd%20%C3%A9%26%3C%C3%9F.",
            "https://h/?x=it's%258%22s$9%5cd%20%c3%a9&%3C%c3%9f.",
            "<x>it&#39;s%8&quot;s$9\\d é&amp;&lt;ß</x>.",
        ] {
            let shown = masks.line(line);
            assert!(shown.contains(MARK), "{line}: {shown}");
            for part in ["it's", "s%8", "258", "$9", "9\\d", "%249", "ß", "9f"] {
                assert!(!shown.contains(part), "{line}: {shown}");
            }
        }
        let masks = of("NPM_TOKEN", "s9df8sdfQ81vBk3L");
        for (before, after) in [("", ""), ("bot:", ""), ("robot:", "\n"), ("a:", "xy")] {
            let account = format!("{before}s9df8sdfQ81vBk3L{after}");
            for encoded in
                [BASE64_STANDARD.encode(&account), BASE64_URL_SAFE_NO_PAD.encode(&account)]
            {
                let shown = masks.line(&format!("header: {encoded} is wrong"));
                assert!(shown.contains(MARK) && shown.len() < 44, "{account:?}: {shown}");
            }
        }
        // A key as `base64` writes it.
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            "MIIEvQIBADANBgkq".repeat(9)
        );
        let encoded = BASE64_STANDARD.encode(&key);
        assert_eq!(of("PEM", &key).line(&format!("+ {}", &encoded[76..152])), "+ [secret]");
    }

    #[test]
    fn g37_what_looks_like_a_secret_is_not_shown_behind_other_words() {
        let masks = of("VERSION", "1.4.2");
        for (line, want) in [
            ("#7 0.1 npm ERR! password: k3Lp9wz", "#7 0.1 npm ERR! password: [secret]"),
            (
                "#7 0.1 2024-01-01 INFO db_password = \"k3Lp9wz\" set",
                "#7 0.1 2024-01-01 INFO db_password = [secret] set",
            ),
            ("[2/2] STEP 3/4: x: token: k3Lp9wz", "[2/2] STEP 3/4: x: token: [secret]"),
            ("0.123 wrote machine h login bot password k3Lp9wz", "0.123 [secret]"),
            ("SyntaxError: Unexpected token: keyword", "SyntaxError: Unexpected token: keyword"),
        ] {
            assert_eq!(masks.line(line), want);
        }
    }

    #[test]
    fn g38_a_plan_of_more_secrets_than_are_looked_for_shows_nothing() {
        let mut plan = crate::rebuild::tests::plan();
        for number in 0..9000 {
            plan.build_args.insert(format!("PASSWORD_{number}X"), format!("s9df8sdf{number}x"));
        }
        let masks = Masks::of(&plan);
        assert_eq!((masks.line("building"), masks.line(" ")), (ALL.to_owned(), " ".to_owned()));
        plan.build_args.clear();
        plan.build_args.insert("PASSWORD".to_owned(), "s9df8sdf".repeat(200));
        let masks = Masks::of(&plan);
        assert_eq!(masks.line(&format!("it is {}.", "s9df8sdf".repeat(200))), "it is [secret].");
        // Lines that are made to keep it busy.
        let busy = ["s9df8sdf", "\\", "%2", "...", "f8s", "'\\''"]
            .map(|part| part.repeat((64 << 10) / part.len()));
        busy.iter().for_each(|line| assert!(!masks.line(line).is_empty()));
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
