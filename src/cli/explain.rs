//! `hallmark explain`: what a finding code, or the code of a shipped rule, means.

use std::fmt::Write as _;

use super::{Failure, args::Explain};
use crate::{
    finding::Code,
    policy::{Bundle, bundle::RULES, metadata::Metadata},
};

/// The page that explains every code; a test keeps it complete.
const PAGE: &str = include_str!("../../docs/findings.md");

/// Runs the command.
pub fn run(args: &Explain) -> Result<String, Failure> {
    let rules = shipped()?;
    if args.list {
        return Ok(list(&rules));
    }
    let text = args.code.as_deref().unwrap_or_default();
    let code = text.parse::<Code>();
    let about: Vec<_> = rules.iter().filter(|rule| rule.custom.code == text).collect();
    let mut parts: Vec<String> = code.as_ref().map(|code| finding(*code)).into_iter().collect();
    parts.extend(about.into_iter().map(rule));
    match (parts.is_empty(), code) {
        (true, Err(unknown)) => Err(Failure::usage(unknown.to_string())),
        _ => Ok(parts.join("\n")),
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

fn list(rules: &[Metadata]) -> String {
    let findings = Code::ALL.iter().map(|c| (c.as_str(), c.severity().name(), c.title()));
    let rules =
        rules.iter().map(|r| (r.custom.code.as_str(), r.custom.severity.as_str(), &*r.title));
    let mut out = String::new();
    for (code, severity, title) in findings.chain(rules) {
        let _ = writeln!(out, "{code:<32} {severity:<8} {title}");
    }
    out
}

fn finding(code: Code) -> String {
    format!(
        "{}[{code}]: {}\n\n{}\n\n     help: {}\n",
        code.severity().name(),
        code.title(),
        section(code),
        // Whoever reads this has typed it.
        code.help().trim_end_matches(&format!("; hallmark explain {code}"))
    )
}

fn rule(rule: &Metadata) -> String {
    format!(
        "{}[{}]: {}\n\n{}\n\n     help: {}\n",
        rule.custom.severity,
        rule.custom.code,
        rule.title,
        rule.description.trim(),
        rule.custom.solution.trim()
    )
}

/// The paragraphs under a code's heading.
fn section(code: Code) -> String {
    let heading = format!("\n## {code}\n");
    let body = PAGE.split_once(&heading).map_or("", |(_, rest)| rest);
    body.split("\n## ").next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_explanation_points_to_itself() {
        for code in Code::ALL {
            let text = finding(*code);
            assert!(!text.contains(&format!("hallmark explain {code}")), "{text}");
            assert!(!text.trim_end().ends_with("help:"), "{text}");
        }
    }

    #[test]
    fn every_code_has_a_section() {
        for code in Code::ALL {
            assert!(section(*code).len() > 30, "{code} has no explanation");
        }
    }

    #[test]
    fn every_shipped_rule_is_explained_and_listed() {
        let list = run(&Explain { code: None, list: true }).expect("a list");
        let rules = shipped().expect("they ship");
        assert!(rules.len() > 10, "{rules:#?}");
        for rule in rules {
            let custom = rule.custom;
            let text = run(&Explain { code: Some(custom.code.clone()), list: false })
                .unwrap_or_else(|error| panic!("{}: {error:?}", custom.code));
            assert!(
                text.contains(&format!("{}[{}]: {}", custom.severity, custom.code, rule.title))
            );
            assert!(!custom.solution.is_empty() && text.contains(custom.solution.trim()), "{text}");
            assert!(list.contains(&rule.title), "{}", custom.code);
        }
    }
}
