//! `hallmark explain`: what a finding code means.

use std::fmt::Write as _;

use super::{Failure, args::Explain};
use crate::finding::Code;

/// The page that explains every code; a test keeps it complete.
const PAGE: &str = include_str!("../../docs/findings.md");

/// Runs the command.
pub fn run(args: &Explain) -> Result<String, Failure> {
    if args.list {
        let mut out = String::new();
        for code in Code::ALL {
            let _ = writeln!(
                out,
                "{:<32} {:<8} {}",
                code.as_str(),
                code.severity().name(),
                code.title()
            );
        }
        return Ok(out);
    }
    let text = args.code.as_deref().unwrap_or_default();
    let code: Code =
        text.parse().map_err(|e: crate::finding::UnknownCode| Failure::usage(e.to_string()))?;
    Ok(format!(
        "{}[{code}]: {}\n\n{}\n\n     help: {}\n",
        code.severity().name(),
        code.title(),
        section(code),
        code.help()
    ))
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
    fn every_code_has_a_section() {
        for code in Code::ALL {
            assert!(section(*code).len() > 30, "{code} has no explanation");
        }
    }
}
