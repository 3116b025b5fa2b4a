//! Trees of lines, as `inspect` and comparisons show them.
//!
//! Turns nested [`Branch`]es into lines with the usual strokes.

use crate::untrusted::{Page, line};

/// A line, and what hangs below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branch {
    text: String,
    below: Vec<Branch>,
}

impl Branch {
    /// A line with nothing below it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), below: Vec::new() }
    }

    /// The same with these below it.
    #[must_use]
    pub fn with(mut self, below: impl IntoIterator<Item = Self>) -> Self {
        self.below.extend(below);
        self
    }

    /// Hangs one more below it.
    pub fn push(&mut self, branch: Self) {
        self.below.push(branch);
    }

    /// Writes the tree, its root without a stroke.
    pub fn write(&self, out: &mut Page) {
        self.lines(out, "", "", "");
    }

    fn lines(&self, out: &mut Page, before: &str, stroke: &str, beneath: &str) {
        line!(out, "{before}{stroke}{}", self.text);
        let inner = format!("{before}{beneath}");
        let last = self.below.len().saturating_sub(1);
        for (position, branch) in self.below.iter().enumerate() {
            let (stroke, beneath) =
                if position == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            branch.lines(out, &inner, stroke, beneath);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_join_what_belongs_together() {
        let twig = |text: &str| Branch::new(text).with([Branch::new("x")]);
        let mut tree = Branch::new("root").with([twig("a"), twig("b\u{1b}")]);
        tree.push(Branch::new("c"));
        let mut out = Page::default();
        tree.write(&mut out);
        assert_eq!(out.as_str(), "root\n├─ a\n│  └─ x\n├─ b\\u{1b}\n│  └─ x\n└─ c\n");
    }
}
