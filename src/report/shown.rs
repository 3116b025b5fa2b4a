//! What reports show of untrusted text: nothing that misleads, and no secret.
//!
//! Names, versions, paths and whatever else an image says of itself may be a token, or an address with a password, which everybody
//! reads who gets the report (attack C77). Turns text, lines and documents into the same with a mark in its place; each report ends in one
//! of these.

use serde::Serialize;

use crate::{
    contents::secrets::{shown_text, write_shown_in_lines},
    untrusted::{self, Page},
};

/// Untrusted text as a part of one line.
pub fn clean(text: &str) -> String {
    untrusted::clean(&shown_text(text))
}

/// The lines of a page as one text.
pub fn lines(page: &Page) -> String {
    page.as_str().split_inclusive('\n').map(shown_text).collect()
}

/// A document of JSON in lines.
pub fn document(document: &impl Serialize) -> String {
    let mut out = Vec::new();
    // Values of JSON can be written, and so can memory.
    let _ = write_shown_in_lines(&mut out, document);
    untrusted::json(&(String::from_utf8_lossy(&out) + "\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::untrusted::line;

    #[test]
    fn c77_no_report_shows_a_secret_in_a_name_or_path() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        assert_eq!(clean(&format!("/srv/{token}\u{202e}/x")), "/srv/[secret]/x");
        let mut page = Page::default();
        line!(page, "  npm  {token:40}  layer 1  /srv/{token}/package.json");
        line!(page, "end");
        let blanks = " ".repeat(16);
        let want = format!("  npm  [secret]{blanks}layer 1  /srv/[secret]/package.json\nend\n");
        assert_eq!(lines(&page), want);
        let document = document(&json!({"name": token, "n": "\u{202e}"}));
        assert_eq!(document, "{\n  \"n\": \"\\u202e\",\n  \"name\": \"[secret]\"\n}\n");
    }
}
