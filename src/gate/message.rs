//! What the user of kubectl reads when an object is denied.
//!
//! Words of strangers (names in a manifest, texts in an image) are printed on terminals and in logs: control and
//! direction-changing characters are escaped, lines and the whole are bounded (attack F6).

use std::borrow::Cow;

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
        Outcome::Gate(Own(name, words)) => vec![format!("error[{name}]: {words}")],
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
    // The gate judges by its configuration: another one says something else.
    let last = format!("\n  run: hallmark verify --config hallmark.yaml {policy}{reference}");
    for reason in denied.reasons.iter().flat_map(|reason| reason.lines()) {
        let Some(reason) = of_gate(reason) else { continue };
        let next = format!("\n  {}", line(&reason));
        if text.len() + next.len() + last.len() > MAX_IMAGE_BYTES {
            text.push_str("\n  ...");
            break;
        }
        text.push_str(&next);
    }
    text + &last
}

/// A line as it helps where nobody has a command line: of advice, what names an option of hallmark's is left out, and what only did that
/// is none. A whole command that is to be typed stays.
fn of_gate(reason: &str) -> Option<Cow<'_, str>> {
    const HELP: &str = "help: ";
    let at = reason.len() - reason.trim_start().len();
    let Some(advice) = reason[at..].strip_prefix(HELP).filter(|advice| advice.contains("--"))
    else {
        return Some(reason.into());
    };
    let kept: Vec<String> = advice.split("; ").filter_map(without_options).collect();
    let blank = &reason[..at];
    (!kept.is_empty()).then(|| format!("{blank}{HELP}{}", kept.join("; ")).into())
}

/// A piece of advice without those of its choices that are options.
fn without_options(piece: &str) -> Option<String> {
    let has_option = |text: &str| text.starts_with("--") || text.contains(" --");
    let is_command = ["hallmark ", "cosign "].iter().any(|program| piece.contains(program));
    if is_command || !has_option(piece) {
        return Some(piece.to_owned());
    }
    let mut choices = piece.split(", or ");
    let first = choices.next().filter(|first| has_option(first));
    let rest: Vec<&str> = choices.filter(|choice| !has_option(choice)).collect();
    match first {
        // What all of them are for stands before the first.
        Some(first) if !rest.is_empty() => {
            let what = first.split(" with --").next().unwrap_or(first);
            let what = what.split(" --").next().unwrap_or(what);
            Some(format!("{} {}", what.trim_end(), rest.join(", or ")))
        }
        Some(_) => None,
        None => {
            let first = piece.split(", or ").next().unwrap_or(piece);
            let all: Vec<&str> = std::iter::once(first).chain(rest).collect();
            Some(all.join(", or "))
        }
    }
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
             signature-missing: nobody signed it\n  help: sign it\n  run: hallmark verify --config hallmark.yaml r.example/app@{digest}"
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
    fn advice_has_no_options_where_nobody_has_a_command_line() {
        let cases = [
            ("error[a]: with --key", Some("error[a]: with --key")),
            ("  help: sign it", Some("  help: sign it")),
            (
                "help: name who signs: --key FILE, or a rule under trust.rules in hallmark.yaml",
                Some("help: name who signs: a rule under trust.rules in hallmark.yaml"),
            ),
            (
                "help: sign it: hallmark sign --key KEY IMAGE; name the signer: --key FILE, or trust in hallmark.yaml",
                Some(
                    "help: sign it: hallmark sign --key KEY IMAGE; name the signer: trust in hallmark.yaml",
                ),
            ),
            (
                "help: check the name; say where it is with --repository, or under repositories in hallmark.yaml",
                Some("help: check the name; say where it is under repositories in hallmark.yaml"),
            ),
            ("help: sign the image, or rebuild it with --rebuild", Some("help: sign the image")),
            ("help: hand it in with --bundle FILE; see docs", Some("help: see docs")),
            ("   help: --bundle FILE", None),
        ];
        for (line, want) in cases {
            assert_eq!(of_gate(line).as_deref(), want, "{line}");
        }
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
