//! `# METADATA` blocks (OPA, "Annotations"): title, description, severity and solution of a rule.
//!
//! Turns the comment above a rule into [`Metadata`]. regorus has no `rego.metadata` builtins, so rules return their code
//! themselves and the block repeats it under `custom.code`; a test holds the two together.

use jiff::civil::Date;
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
    /// Every block of a file, in order.
    ///
    /// # Errors
    /// [`PolicyError::Data`] where a block is no YAML of this form.
    pub fn read(file: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        let mut blocks = Vec::new();
        let mut lines = text.lines();
        while lines.by_ref().any(|line| line.trim_end() == "# METADATA") {
            let body = lines.by_ref().map_while(|line| line.strip_prefix('#'));
            let yaml: String =
                body.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
            blocks.push(read_data(file, &yaml)?);
        }
        Ok(blocks)
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
        let lacks = |word: &str| {
            let text = format!("# METADATA\n# title: A\n# custom:\n#   lacks: {word}\n");
            Metadata::read("a.rego", &text).map(|blocks| blocks[0].custom.lacks)
        };
        assert_eq!(lacks("provenance"), Ok(Some(Lack::Provenance)));
        let wrong = lacks("provenence").map_err(|e| e.to_string());
        assert!(wrong.as_ref().is_err_and(|e| e.contains("`provenance`")), "{wrong:?}");
    }
}
