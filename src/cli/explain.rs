//! `hallmark explain`: what a finding code, or the code of a shipped rule, means.

use serde_json::{Value, json};

use super::{
    Failure,
    args::{Explain, Format},
};
use crate::{
    finding::Code,
    policy::{Bundle, bundle::RULES, metadata::Metadata, nearest::did_you_mean},
    report,
};

/// Schema of explanations.
const EXPLANATIONS: &str = "hallmark/explanations/v1";

/// The page that explains every code; a test keeps it complete.
const PAGE: &str = include_str!("../../docs/findings.md");

/// Runs the command.
pub fn run(args: &Explain) -> Result<String, Failure> {
    let rules = shipped()?;
    let findings = Code::ALL.iter().map(|code| Explanation::of_finding(*code));
    let all: Vec<_> = findings.chain(rules.iter().map(Explanation::of_rule)).collect();
    let text = args.code.as_deref().unwrap_or_default();
    if !args.list && all.iter().all(|one| one.code != text) {
        let mut failure = Failure::usage(format!("there is no finding code {text:?}"));
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

/// What a code means.
struct Explanation {
    kind: &'static str,
    code: String,
    severity: String,
    title: String,
    text: String,
    help: String,
}

impl Explanation {
    fn of_finding(code: Code) -> Self {
        Self {
            kind: "finding",
            code: code.to_string(),
            severity: code.severity().name().to_owned(),
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
            title: rule.title.clone(),
            text: rule.description.trim().to_owned(),
            help: rule.custom.solution.trim().to_owned(),
        }
    }

    fn line(&self) -> String {
        format!("{:<32} {:<8} {}\n", self.code, self.severity, self.title)
    }

    fn page(&self) -> String {
        let Self { code, severity, title, text, help, .. } = self;
        format!("{severity}[{code}]: {title}\n\n{text}\n\n     help: {help}\n")
    }

    fn value(&self) -> Value {
        json!({
            "kind": self.kind,
            "code": self.code,
            "severity": self.severity,
            "title": self.title,
            "text": self.text,
            "help": self.help,
        })
    }
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
            let text = Explanation::of_finding(*code).page();
            assert!(!text.contains(&format!("hallmark explain {code}")), "{text}");
            assert!(!text.trim_end().ends_with("help:"), "{text}");
        }
    }

    #[test]
    fn a_paragraph_is_one_line() {
        let text = section(Code::PolicyNothingProven);
        assert!(text.ends_with("makes it one.") && !text.contains('\n'), "{text}");
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
