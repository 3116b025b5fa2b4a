//! `hallmark explain`: what a finding code, or the code of a shipped rule, means; and the pages of the documents, which messages name.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Failure,
    args::{Explain, Format},
};
use crate::{
    finding::{Code, Severity},
    policy::{Bundle, bundle::RULES, metadata::Metadata, nearest::did_you_mean},
    rebuild::Gap,
    report,
};

/// Schema of explanations.
const EXPLANATIONS: &str = "hallmark/explanations/v1";

/// The page that explains every code; a test keeps it complete.
const PAGE: &str = include_str!("../../docs/findings.md");

macro_rules! pages {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("../../docs/", $name, ".md")))),*] };
}

/// The pages of the documents for users. What a message names is here, and of this version.
const PAGES: &[(&str, &str)] = pages!(
    "ci" "comparison" "configuration" "findings" "inventory" "policy" "provenance" "rebuild" "rebuild-verdict" "release" "reports"
    "signing" "summaries" "trust" "verify" "vulnerabilities"
);

/// Reasons of the gate's own, which are no findings about an image: code, title, text, help.
const OF_GATE: [[&str; 4]; 6] = [
    [
        "gate-tag",
        "the image is named by tag",
        "What is verified now and what a node pulls later could differ. With `gate.tags: resolve` the gate writes the digest into the object.",
        "name the image as REPOSITORY@sha256:..., or set gate.tags: resolve in hallmark.yaml",
    ],
    [
        "gate-late",
        "the image was not verified in time",
        "The apiserver waits no longer than the webhook's timeoutSeconds. The verification goes on for a while, and the next attempt has its result.",
        "try again shortly, or raise timeoutSeconds of the webhook and gate.budget in hallmark.yaml",
    ],
    [
        "gate-crowded",
        "too many verifications of the registry wait",
        "Verifications of one registry are bounded, so that those of others go on.",
        "try again",
    ],
    [
        "gate-ended",
        "the verification was ended",
        "It took too long, took long while many others waited, or nobody waited for it any more. Nothing is known of the image.",
        "see whether the registry answers; try again",
    ],
    [
        "gate-namespace",
        "the labels of the namespace cannot be read",
        "An entry of `policy.presets` chooses by labels that the gate reads from the apiserver itself. Where they cannot be read, nobody can tell which preset the image has to pass.",
        "see gate.apiserver in hallmark.yaml, and whether its token may get namespaces; try again",
    ],
    [
        "gate-preset",
        "the object may not ask for the preset",
        "The label `hallmark.dev/preset` names no preset, one that `gate.objectPresets` does not list, or one that leaves out what the image has to pass anyway.",
        "take the label away, or ask for a preset of gate.objectPresets",
    ],
];

/// Why a call gave no answer, as reports for pipelines have it: code, title, text, help.
const OF_CALLS: [[&str; 4]; 4] = [
    [
        "run-usage",
        "the call or its configuration cannot be used",
        "An option, the configuration, or a file that one of them names is wrong, so that nothing was judged: exit code 2. The message says which.",
        "do what the message says; hallmark COMMAND --help lists the options, and hallmark config check reads the configuration",
    ],
    [
        "run-unavailable",
        "something outside could not be reached",
        "A program, a registry or a service did not answer, so that nothing is known: exit code 3. It is no refusal of an image.",
        "see whether what the message names answers; try again",
    ],
    [
        "run-refused",
        "what was given is refused",
        "What the call was given was read, and cannot be worked with: exit code 1. The message says what and why.",
        "do what the message says",
    ],
    [
        "run-interrupted",
        "the call did not end",
        "It was interrupted or killed, or is still under way: each report says so until the answer takes its place. Exit code 130 or 143, where there is one.",
        "call it again; where a pipeline ended it, give it more time",
    ],
];

/// Runs the command.
pub fn run(args: &Explain) -> Result<String, Failure> {
    let rules = shipped()?;
    let findings = Code::ALL.iter().map(|code| Explanation::of_finding(*code, &rules));
    let gate = OF_GATE.iter().chain(&OF_CALLS).map(Explanation::of_gate);
    let all = findings.chain(rules.iter().map(Explanation::of_rule)).chain(gate);
    let all: Vec<_> = all.chain(PAGES.iter().map(Explanation::of_page)).collect();
    let text = args.code.as_deref().unwrap_or_default();
    let text = match all.iter().any(|one| one.code == text) {
        true => text,
        false => finding_of(text).map_or(text, |code| code.as_str()),
    };
    if !args.list && all.iter().all(|one| one.code != text) {
        let mut failure = Failure::usage(format!("there is no finding code {text:?}, and no page"));
        let near = did_you_mean(text, all.iter().map(|one| one.code.as_str()));
        failure.help(&format!("{near}hallmark explain --list shows all"));
        return Err(failure);
    }
    let meant: Vec<_> = all.into_iter().filter(|one| args.list || one.code == text).collect();
    Ok(match (args.output, args.list) {
        (Format::Json, _) => report::json::lines(&json!({
            "schema": EXPLANATIONS,
            "explanations": meant.iter().map(Explanation::value).collect::<Vec<_>>(),
        })),
        (Format::Text, true) => meant.iter().map(Explanation::line).collect(),
        (Format::Text, false) => meant.iter().map(Explanation::page).collect::<Vec<_>>().join("\n"),
    })
}

/// The finding that carries a word which the line of a rebuild's result prints, and which is no code itself.
fn finding_of(word: &str) -> Option<Code> {
    if Gap::CODES.contains(&word) && word != "commit-not-in-ref" {
        return Some(Code::RebuildNotReplayable);
    }
    Some(match word {
        "commit-not-in-ref" => Code::ProvenanceCommitNotInRef,
        "not-replayable" | "source-denied" => Code::RebuildNotReplayable,
        "build-failed" => Code::RebuildFailed,
        "published-unreadable" => Code::RebuildPublishedUnreadable,
        "source-gone" => Code::RebuildSourceGone,
        "source-unreachable" => Code::RebuildSourceUnreachable,
        "timeout" => Code::RebuildTimeout,
        "platform-foreign" => Code::RebuildPlatformForeign,
        "engine-error" => Code::RebuildEngineUnavailable,
        "not-saved" => Code::SourceNotSaved,
        _ => return None,
    })
}

/// What a code means.
struct Explanation {
    kind: &'static str,
    code: String,
    severity: String,
    /// What it weighs in reports, where that depends; empty where it does not.
    weighs: String,
    title: String,
    text: String,
    help: String,
}

impl Explanation {
    fn of_finding(code: Code, rules: &[Metadata]) -> Self {
        Self {
            kind: "finding",
            code: code.to_string(),
            severity: code.severity().name().to_owned(),
            weighs: weighs(code, rules),
            title: code.title().to_owned(),
            text: section(code),
            // Whoever reads this has typed it.
            help: code.help().trim_end_matches(&format!("; hallmark explain {code}")).to_owned(),
        }
    }

    fn of_rule(rule: &Metadata) -> Self {
        Self {
            kind: "rule",
            code: rule.custom.code.clone(),
            severity: rule.custom.severity.clone(),
            weighs: match rule.custom.severity.as_str() {
                "deny" => {
                    "an error in reports where this does not hold: the image is refused".to_owned()
                }
                _ => "a warning in reports: it refuses nothing".to_owned(),
            },
            title: rule.title.clone(),
            text: rule.description.trim().to_owned(),
            help: rule.custom.solution.trim().to_owned(),
        }
    }

    fn of_gate([code, title, text, help]: &[&str; 4]) -> Self {
        Self {
            kind: "finding",
            code: (*code).to_owned(),
            severity: "error".to_owned(),
            weighs: String::new(),
            title: (*title).to_owned(),
            text: (*text).to_owned(),
            help: (*help).to_owned(),
        }
    }

    fn of_page((name, text): &(&str, &str)) -> Self {
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        Self {
            kind: "page",
            code: (*name).to_owned(),
            severity: "page".to_owned(),
            weighs: String::new(),
            title: title.to_owned(),
            text: (*text).to_owned(),
            help: String::new(),
        }
    }

    fn line(&self) -> String {
        format!("{:<32} {:<8} {}\n", self.code, self.severity, self.title)
    }

    fn page(&self) -> String {
        let Self { kind, code, severity, weighs, title, text, help } = self;
        // A report has it as an error, too.
        let or_error = if *kind == "finding" && !weighs.is_empty() { "/error" } else { "" };
        let weighs = match weighs.as_str() {
            "" => String::new(),
            weighs => format!("   weighs: {weighs}\n"),
        };
        match *kind {
            "page" => text.clone(),
            _ => format!(
                "{severity}{or_error}[{code}]: {title}\n\n{text}\n\n{weighs}     help: {help}\n"
            ),
        }
    }

    fn value(&self) -> Value {
        json!({
            "kind": self.kind,
            "code": self.code,
            "severity": self.severity,
            "weighs": Some(&self.weighs).filter(|weighs| !weighs.is_empty()),
            "title": self.title,
            "text": self.text,
            "help": self.help,
        })
    }
}

/// What a finding weighs that is no error by itself: rules make it one.
fn weighs(code: Code, rules: &[Metadata]) -> String {
    let usual = match code.severity() {
        Severity::Error => return String::new(),
        Severity::Warning => "a warning",
        Severity::Info => "a note",
    };
    let denies = |rule: &&Metadata| {
        let custom = &rule.custom;
        let about = || custom.about.iter().any(|about| about == code.as_str());
        custom.severity == "deny" && (custom.code == code.as_str() || about())
    };
    let deny: BTreeSet<&str> =
        rules.iter().filter(denies).map(|rule| rule.custom.code.as_str()).collect();
    let by = match deny.len() {
        0 => "a rule of your own".to_owned(),
        1 => format!("the rule {}", Vec::from_iter(deny).concat()),
        _ => format!("one of the rules {}", Vec::from_iter(deny).join(", ")),
    };
    format!(
        "{usual} by itself; an error where {by} denies the image for it, or where an error follows from it"
    )
}

/// METADATA of the rules in `policies/`, where it has a code.
fn shipped() -> Result<Vec<Metadata>, Failure> {
    let files = RULES.iter().map(|(name, text)| (format!("{name}.rego"), (*text).to_owned()));
    let rules = Bundle::from_files(files).and_then(|bundle| bundle.metadata());
    let rules = rules.map_err(|error| Failure::usage(error.to_string()))?;
    let coded = rules.into_iter().map(|(_, rule)| rule).filter(|rule| !rule.custom.code.is_empty());
    Ok(coded.collect())
}

/// The paragraphs under a code's heading; prose is one line each, which whoever shows it breaks where it has to.
fn section(code: Code) -> String {
    let heading = format!("\n## {code}\n");
    let body = PAGE.split_once(&heading).map_or("", |(_, rest)| rest);
    let body = body.split("\n## ").next().unwrap_or_default().trim();
    let is_prose = |line: &str| !line.starts_with(['-', '|', ' ', '#']) && !line.starts_with("```");
    let paragraph = |text: &str| match text.lines().all(is_prose) {
        true => text.replace('\n', " "),
        false => text.to_owned(),
    };
    body.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_explanation_points_to_itself() {
        for code in Code::ALL {
            let text = Explanation::of_finding(*code, &[]).page();
            assert!(!text.contains(&format!("hallmark explain {code}")), "{text}");
            assert!(!text.trim_end().ends_with("help:"), "{text}");
        }
    }

    /// A report has an error where a rule denies for what is a warning by itself.
    #[test]
    fn a_severity_that_rules_choose_is_told_with_them() {
        let page = |code: &str| {
            let code = Some(code.to_owned());
            run(&Explain { code, list: false, output: Format::Text }).expect("a page")
        };
        let cases = [
            (
                "rebuild-differs",
                "warning/error[rebuild-differs]: ",
                "   weighs: a warning by itself; an error where one of the rules rebuild-consistently-different, rebuild-level denies",
            ),
            (
                "provenance-missing",
                "warning/error[provenance-missing]: ",
                "   weighs: a warning by itself; an error where one of the rules provenance-missing, rebuild-missing denies the image",
            ),
            (
                "rebuild-not-run",
                "info/error[rebuild-not-run]: ",
                "   weighs: a note by itself; an error where",
            ),
            (
                "predicate-malformed",
                "warning/error[",
                "where a rule of your own denies the image for it, or where an error follows from it\n",
            ),
            ("image-diff-id-mismatch", "error[image-diff-id-mismatch]: ", "     help: "),
            (
                "builder-not-allowed",
                "deny[builder-not-allowed]: ",
                "   weighs: an error in reports",
            ),
            (
                "healthcheck-missing",
                "warn[healthcheck-missing]: ",
                "   weighs: a warning in reports",
            ),
        ];
        for (code, heading, weighs) in cases {
            let page = page(code);
            assert!(page.starts_with(heading) && page.contains(weighs), "{page}");
        }
        assert!(!page("image-diff-id-mismatch").contains("weighs:"));
        for code in Code::ALL.iter().filter(|code| code.severity() < Severity::Error) {
            assert!(page(code.as_str()).contains(&format!("/error[{code}]: ")), "{code}");
        }
    }

    /// Words that a line `result` ends with, and the gaps that docs/rebuild.md lists.
    #[test]
    fn words_of_a_rebuilds_result_are_explained() {
        let page = |word: &str| {
            let code = Some(word.to_owned());
            run(&Explain { code, list: false, output: Format::Text })
                .unwrap_or_else(|error| panic!("{word}: {error:?}"))
        };
        assert!(page("engine-error").starts_with("warning/error[rebuild-engine-unavailable]: "));
        assert!(page("source-gone").starts_with("warning/error[rebuild-source-gone]: "));
        assert!(page("mode-min").starts_with("warning/error[rebuild-not-replayable]: "));
        // The schema of verdicts lists what becomes of rebuilds.
        let schema = include_str!("../../docs/schemas/rebuild-verdict.v0.1.json");
        let statuses = schema.split_once("\"compared\",").map(|(_, rest)| rest).unwrap();
        for status in statuses.split(']').next().unwrap().split('"').skip(1).step_by(2) {
            page(status);
        }
        let table = include_str!("../../docs/rebuild.md").split_once("| gap |").unwrap().1;
        let rows = table
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
        let gaps: Vec<&str> = rows.flat_map(|(names, _)| names.split('`')).collect();
        let gaps: Vec<&str> =
            gaps.into_iter().filter(|name| name.starts_with(char::is_alphabetic)).collect();
        assert!(gaps.len() > 20, "{gaps:?}");
        gaps.iter().for_each(|gap| drop(page(gap)));
        assert!(Gap::CODES.iter().all(|code| gaps.contains(code)), "{gaps:?}");
    }

    #[test]
    fn a_paragraph_is_one_line() {
        let text = section(Code::PolicyNothingProven);
        assert!(text.ends_with("makes it one.") && !text.contains('\n'), "{text}");
    }

    #[test]
    fn reasons_of_the_gate_are_explained() {
        for [code, title, ..] in OF_GATE.into_iter().chain(OF_CALLS) {
            let code = Some(code.to_owned());
            let page = run(&Explain { code, list: false, output: Format::Text }).expect("a page");
            assert!(page.contains(title), "{page}");
        }
    }

    /// Messages name pages by `page!`, which compiles for each file of docs/.
    #[test]
    fn every_page_for_users_is_in_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .expect("docs/ is there")
            .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .filter(|name| !["README", "attacks"].contains(&name.as_str()))
            .collect();
        there.sort();
        assert_eq!(PAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), there);
        let ask = |output| Explain { code: Some("configuration".to_owned()), list: false, output };
        let page = run(&ask(Format::Text)).expect("a page");
        assert!(page.starts_with("# ") && page.contains("`limits"), "{page}");
        let value: Value = serde_json::from_str(&run(&ask(Format::Json)).expect("JSON")).unwrap();
        assert_eq!(value["explanations"][0]["kind"], "page");
        let command = page!("configuration");
        assert_eq!(command, "hallmark explain configuration");
    }

    #[test]
    fn every_code_has_a_section() {
        for code in Code::ALL {
            assert!(section(*code).len() > 30, "{code} has no explanation");
        }
    }

    #[test]
    fn every_shipped_rule_is_explained_and_listed() {
        let list = run(&Explain { code: None, list: true, output: Format::Text }).expect("a list");
        let rules = shipped().expect("they ship");
        assert!(rules.len() > 10, "{rules:#?}");
        for rule in rules {
            let custom = rule.custom;
            let text = run(&Explain {
                code: Some(custom.code.clone()),
                list: false,
                output: Format::Text,
            })
            .unwrap_or_else(|error| panic!("{}: {error:?}", custom.code));
            assert!(
                text.contains(&format!("{}[{}]: {}", custom.severity, custom.code, rule.title))
            );
            assert!(!custom.solution.is_empty() && text.contains(custom.solution.trim()), "{text}");
            assert!(list.contains(&rule.title), "{}", custom.code);
        }
    }
}
