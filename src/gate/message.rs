//! What the user of kubectl reads when an object is denied.
//!
//! Words of strangers (names in a manifest, texts in an image) are printed on terminals and in logs: control and
//! direction-changing characters are escaped, lines and the whole are bounded (attack F6).

use super::{
    outcome::{Outcome, Own, Said, Weight},
    subjects::Image,
};
use crate::{
    amount::plural,
    finding::Finding,
    report::text::{blocks, finding_block},
    untrusted::{cut, misleads, shortened},
};

/// Longest message, in bytes; etcd events and terminals take more, people do not.
pub(super) const MAX_BYTES: usize = 8 << 10;
/// Most that one image takes of it, in bytes.
const MAX_IMAGE_BYTES: usize = 2 << 10;
/// Longest line, in characters.
const MAX_LINE_CHARS: usize = 400;
/// Longest warning, in bytes (apiserver guidance: 256 characters in a header).
const MAX_WARNING_BYTES: usize = 256;

/// Why one image is denied.
pub(super) struct Denied<'a> {
    pub(super) image: &'a Image,
    pub(super) reasons: Vec<String>,
    /// The preset, where its name alone would have another.
    pub(super) preset: Option<&'static str>,
}

impl<'a> Denied<'a> {
    pub(super) fn new(image: &'a Image, outcome: &Outcome, preset: Option<&'static str>) -> Self {
        let mut reasons = reasons(outcome);
        if reasons.is_empty() {
            reasons.push("the image is not allowed, and no reason was given".to_owned());
        }
        Self { image, reasons, preset }
    }
}

/// Why an image is not let through: what, why and help of each cause, in lines.
pub(super) fn reasons(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::NotJudged(finding) => {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = finding_block(&mut text, finding);
            vec![text]
        }
        Outcome::Gate(Own(_, words)) => vec![words.clone().into_owned()],
        Outcome::Judged(_) => told(outcome, Weight::Reason),
    }
}

/// The causes of one weight, in lines.
pub(super) fn told(outcome: &Outcome, weight: Weight) -> Vec<String> {
    let Outcome::Judged(judged) = outcome else { return Vec::new() };
    let of_platform = |all: &[Said]| {
        let name = all.first().and_then(|said| said.platform.as_ref());
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        let findings: Vec<_> = all.iter().map(|said| said.finding.clone()).collect();
        let wanted = |severity, finding: &Finding| Weight::of(severity, finding) == Some(weight);
        let blocks = blocks(&findings, wanted).into_iter();
        blocks.map(|block| format!("{name}{block}")).collect::<Vec<_>>()
    };
    judged.findings.chunk_by(|a, b| a.platform == b.platform).flat_map(of_platform).collect()
}

/// The message about all denied images of an object that runs `total`.
pub(super) fn denial(denied: &[Denied<'_>], total: usize) -> String {
    let mut text = format!("hallmark denies {} of {}", denied.len(), plural(total, "image"));
    for (position, one) in denied.iter().enumerate() {
        let block = block(one);
        let rest = format!("\n\nand {} more", denied.len() - position);
        if text.len() + block.len() + rest.len() > MAX_BYTES {
            text.push_str(&rest);
            break;
        }
        text.push_str(&block);
    }
    text
}

fn block(denied: &Denied<'_>) -> String {
    let reference = line(&denied.image.reference.to_string());
    let paths: Vec<_> = denied.image.paths.iter().map(String::as_str).collect();
    let mut text = format!("\n\n{reference}\n  at: {}", line(&paths.join(", ")));
    // Room for the last line, which says how to see all of it.
    let policy = denied.preset.map(|preset| format!("--policy {preset} ")).unwrap_or_default();
    let last = format!("\n  run: hallmark verify {policy}{reference}");
    for reason in denied.reasons.iter().flat_map(|reason| reason.lines()) {
        let next = format!("\n  {}", line(reason));
        if text.len() + next.len() + last.len() > MAX_IMAGE_BYTES {
            text.push_str("\n  ...");
            break;
        }
        text.push_str(&next);
    }
    text + &last
}

/// One bounded line without characters that could play another one.
pub(super) fn line(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_LINE_CHARS {
            out.push_str("...");
            break;
        }
        if misleads(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Bounded words for a line of the log, which has them in quotes.
pub(super) fn short(text: &str) -> String {
    shortened(text, MAX_LINE_CHARS)
}

/// A line for a response header: `Warning` headers carry no control characters.
pub(super) fn warning(text: &str) -> String {
    cut(line(&text.replace('\n', " ")), MAX_WARNING_BYTES)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn image(n: usize) -> Image {
        let reference = format!("r.example/app@sha256:{n:064x}").parse().expect("valid");
        Image { reference, paths: BTreeSet::from([format!("spec.containers[{n}].image")]) }
    }

    #[test]
    fn says_what_where_why_and_what_next() {
        let image = image(1);
        let reasons = vec!["signature-missing: nobody signed it\nhelp: sign it".to_owned()];
        let digest = format!("sha256:{:064x}", 1);
        let want = format!(
            "hallmark denies 1 of 2 images\n\nr.example/app@{digest}\n  at: spec.containers[1].image\n  \
             signature-missing: nobody signed it\n  help: sign it\n  run: hallmark verify r.example/app@{digest}"
        );
        assert_eq!(denial(&[Denied { image: &image, reasons, preset: None }], 2), want);
    }

    #[test]
    fn is_bounded_and_still_says_how_to_go_on() {
        let images: Vec<_> = (0..128).map(image).collect();
        let reasons = vec!["x".repeat(10_000); 100];
        let all: Vec<_> = images
            .iter()
            .map(|image| Denied { image, reasons: reasons.clone(), preset: None })
            .collect();
        let text = denial(&all, 128);
        assert!(text.len() <= MAX_BYTES, "{}", text.len());
        assert!(text.contains("and ") && text.ends_with(" more"), "{text}");
        let one = denial(&all[..1], 128);
        assert!(
            one.len() <= MAX_IMAGE_BYTES + 100 && one.contains("run: hallmark verify"),
            "{one}"
        );
    }

    #[test]
    fn what_misleads_is_escaped() {
        let cases = [
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("grüße", "grüße"),
        ];
        for (text, want) in cases {
            assert_eq!(line(text), want);
        }
        let long = warning(&"ü\n".repeat(300));
        assert!(long.len() <= MAX_WARNING_BYTES && long.ends_with("..."), "{long}");
        assert_eq!(warning(&"x".repeat(MAX_WARNING_BYTES)).len(), MAX_WARNING_BYTES);
    }
}
