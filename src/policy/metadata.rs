//! `# METADATA` blocks (OPA, "Annotations"): title, description, severity and solution of a rule.
//!
//! Turns the comment above a rule into [`Metadata`]. regorus has no `rego.metadata` builtins, so rules return their code
//! themselves and the block repeats it under `custom.code`; a test holds the two together.

use std::ops::RangeInclusive;

use jiff::civil::Date;
use regorus::unstable::{Lexer, Source, Token, TokenKind};
use serde::Deserialize;

use super::{PolicyError, data::read_data};
use crate::finding::Code;

/// What a rule says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    /// One line.
    pub title: String,
    /// What it checks and why.
    #[serde(default)]
    pub description: String,
    /// Fields that OPA leaves to us.
    #[serde(default)]
    pub custom: Custom,
    /// Line in its file, from 1.
    #[serde(skip)]
    pub line: u32,
}

/// hallmark's own fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Custom {
    /// Code of the results.
    #[serde(default)]
    pub code: String,
    /// `deny` or `warn`.
    #[serde(default)]
    pub severity: String,
    /// What to do about it.
    #[serde(default)]
    pub solution: String,
    /// Codes of the findings that say the same in more detail: a denial makes those errors, instead of repeating them.
    #[serde(default)]
    pub about: Vec<String>,
    /// Whether a denial rests on nothing that layers or a rebuild could show otherwise: the image is denied before either.
    #[serde(default)]
    pub early: bool,
    /// What it reads, where a denial follows from that nothing of it is proven: reports tell it as that one cause.
    #[serde(default)]
    pub lacks: Option<Lack>,
    /// Whether an approval of exactly what it says lifts its denials.
    #[serde(default)]
    pub review: bool,
    /// The first day on which it denies; before, it is a warning.
    #[serde(default)]
    pub effective_on: Option<Date>,
}

/// What a rule is about, so that it denies where nothing of it is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lack {
    /// Provenance.
    Provenance,
}

impl Lack {
    /// What a report says of an image that lacks it.
    pub fn code(self) -> Code {
        match self {
            Self::Provenance => Code::ProvenanceMissing,
        }
    }
}

impl Metadata {
    /// Every block of a file, in order. What looks like one inside of a text is none.
    ///
    /// # Errors
    /// [`PolicyError::Data`] where a block is no YAML of this form.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        let texts = texts(file, text);
        let begins = |(number, line): &(u32, &str)| {
            line.trim_end() == "# METADATA" && !texts.iter().any(|lines| lines.contains(number))
        };
        let mut blocks = Vec::new();
        let mut lines = (1..).zip(text.lines());
        while let Some((line, _)) = lines.by_ref().find(begins) {
            let body = lines.by_ref().map_while(|(_, line)| line.strip_prefix('#'));
            let yaml: String =
                body.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
            blocks.push(Self { line, ..read_data(file, &yaml)? });
        }
        Ok(blocks)
    }
}

/// Lines that begin inside of a text, as the engine reads the file: one in backticks may have several. Behind what it cannot read, all are.
fn texts(file: &str, text: &str) -> Vec<RangeInclusive<u32>> {
    if !text.contains('`') {
        return Vec::new();
    }
    let Ok(source) = Source::from_contents(file.to_owned(), text.to_owned()) else {
        return vec![0..=u32::MAX];
    };
    let (mut lexer, mut texts) = (Lexer::new(&source), Vec::new());
    loop {
        match lexer.next_token() {
            Ok(Token(TokenKind::Eof, _)) => return texts,
            Ok(Token(TokenKind::RawString, span)) => {
                let more = u32::try_from(span.text().matches('\n').count()).unwrap_or(u32::MAX);
                texts.push(span.line.saturating_add(1)..=span.line.saturating_add(more));
            }
            Ok(_) => {}
            Err(_) => {
                let last = texts.last().map_or(0, |lines| *lines.end());
                texts.push(last.saturating_add(1)..=u32::MAX);
                return texts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_blocks_of_a_file() {
        let text = "# METADATA\n# title: A\n# custom:\n#   code: a-b\n#   severity: deny\n\
                    package a\n\n# METADATA\n# title: B\n# description: more\ndeny contains 1\n";
        let blocks = Metadata::read("a.rego", text).expect("two blocks");
        let read: Vec<_> =
            blocks.iter().map(|b| (b.title.as_str(), b.custom.code.as_str())).collect();
        assert_eq!(read, [("A", "a-b"), ("B", "")]);
        assert!(Metadata::read("a.rego", "# no block\npackage a").is_ok_and(|b| b.is_empty()));
        assert!(Metadata::read("a.rego", "# METADATA\n# title: [\n").is_err());
        assert_eq!(blocks.iter().map(|b| b.line).collect::<Vec<_>>(), [1, 8]);
        let lacks = |word: &str| {
            let text = format!("# METADATA\n# title: A\n# custom:\n#   lacks: {word}\n");
            Metadata::read("a.rego", &text).map(|blocks| blocks[0].custom.lacks)
        };
        assert_eq!(lacks("provenance"), Ok(Some(Lack::Provenance)));
        let wrong = lacks("provenence").map_err(|e| e.to_string());
        assert!(wrong.as_ref().is_err_and(|e| e.contains("`provenance`")), "{wrong:?}");
    }

    #[test]
    fn e35_a_block_in_a_text_is_none() {
        let block = "# METADATA\n# title: A\n";
        let count = |text: &str| Metadata::read("a.rego", text).expect("blocks").len();
        for (text, want) in [
            (format!("package a\n\nnote := `\n{block}`\n"), 0),
            (format!("package a\n\nnote := `\n\n{block}`\n\n{block}deny contains 1\n"), 1),
            (format!("package a\n\nnote := `b`\n{block}deny contains 1\n"), 1),
            // What opens no text.
            (format!("package a\n\n# a ` of nobody's\n{block}deny contains 1\n"), 1),
            (format!("package a\n\nnote := \"`\"\n{block}deny contains \"`\"\n"), 1),
            (format!("package a\n\nnote := \"\\\"`\"\n{block}deny contains 1\n"), 1),
            (format!("package a\n\nnote := [`a`, `b\n{block}`]\n{block}deny contains 1\n"), 1),
            // No engine reads it.
            (format!("package a\n\nnote := `\n{block}"), 0),
        ] {
            assert_eq!(count(&text), want, "{text}");
        }
    }
}
