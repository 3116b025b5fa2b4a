//! SARIF 2.1.0, as GitHub's code scanning takes it (github/docs: sarif-support, sarif-limits).
//!
//! An image has no file in the repository: each result lies at line 1 of a path made of the image's own, and what it is about is its
//! logical location. There is one run, whose category is the command and, for one image, its repository: what is uploaded for another
//! image closes no alert of this one. A run that was not made has a result, too, because GitHub reads nothing of `invocations`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::run::{Entry, ImageRun, PlatformRun, Run, path, unlinked};
use crate::{
    amount::plural,
    finding::{Code, Severity},
    report::clean,
    untrusted::{self, cut},
};

/// Results that GitHub keeps of one run, the gravest first.
const MAX_RESULTS: usize = 5000;
/// Bytes of all results together. GitHub takes 10 MB of gzip, and text that wants to be in the way does not shrink.
const MAX_RESULTS_BYTES: usize = 8_000_000;
/// Bytes of one message.
const MAX_MESSAGE_BYTES: usize = 4096;
/// Bytes of the name of what a result is about.
const MAX_NAME_BYTES: usize = 1024;
/// Bytes of a result besides its texts, more or less.
const RESULT_BYTES: usize = 1200;
/// Bytes of a rule's short description that GitHub shows.
const MAX_TITLE_BYTES: usize = 1000;

/// Renders a run.
pub fn render(run: &Run) -> String {
    untrusted::json(&format!("{:#}\n", document(run)))
}

fn document(run: &Run) -> Value {
    let mut entries = run.entries();
    entries.extend(run.suppressed());
    let shown = fitting(&entries);
    let codes: BTreeMap<&str, &Entry> =
        shown.iter().rev().map(|entry| (entry.code, entry)).collect();
    let index: BTreeMap<&str, usize> =
        codes.keys().enumerate().map(|(at, code)| (*code, at)).collect();
    let results: Vec<Outcome> = shown
        .iter()
        .map(|entry| result(entry, index.get(entry.code).copied().unwrap_or_default()))
        .collect();
    let mut notifications: Vec<Value> = Vec::new();
    let troubles = run.images.iter().filter_map(|image| image.trouble.as_ref());
    for trouble in troubles.chain(&run.trouble) {
        notifications.push(notification("error", trouble.lines().as_str()));
    }
    let whole = notifications.is_empty();
    if entries.len() > shown.len() {
        let left_out = format!("{} left out", plural(entries.len() - shown.len(), "result"));
        notifications.push(notification("warning", &left_out));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "hallmark",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.values().map(|entry| rule(entry)).collect::<Vec<_>>(),
            } },
            "automationDetails": { "id": category(run) },
            "invocations": [{
                "executionSuccessful": whole,
                "exitCode": run.exit_code,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": { "images": run.images.iter().map(image).collect::<Vec<_>>() },
        }],
    })
}

/// The gravest entries, as many as are taken.
fn fitting(entries: &[Entry]) -> &[Entry] {
    let size = |entry: &Entry| {
        let message = (entry.title.len() + entry.facts.as_str().len()).min(MAX_MESSAGE_BYTES);
        let name = (entry.image.len() + entry.subject.len()).min(MAX_NAME_BYTES);
        let of_image = entry.image.len() + entry.place.len();
        RESULT_BYTES + message + name + of_image + entry.platform.as_ref().map_or(0, String::len)
    };
    let mut sum = 0;
    let mut sums = entries.iter().take(MAX_RESULTS).map(|entry| {
        sum += size(entry);
        sum
    });
    let count = sums.position(|sum| sum > MAX_RESULTS_BYTES);
    entries.get(..count.unwrap_or(MAX_RESULTS.min(entries.len()))).unwrap_or_default()
}

/// What separates alerts of several uploads, up to the last slash.
fn category(run: &Run) -> String {
    match run.images.as_slice() {
        [image] => format!("hallmark/{}/{}/", run.command, path(&image.place)),
        _ => format!("hallmark/{}/", run.command),
    }
}

fn notification(level: &str, words: &str) -> Value {
    json!({ "level": level, "message": { "text": text(words) } })
}

fn image(image: &ImageRun) -> Value {
    let platform = |platform: &PlatformRun| {
        json!({
            "platform": platform.platform,
            "manifest": platform.manifest,
            "verdict": if platform.passed { "pass" } else { "fail" },
        })
    };
    json!({
        "image": image.name,
        "verdict": if image.passed() { "pass" } else { "fail" },
        "platforms": image.platforms.iter().map(platform).collect::<Vec<_>>(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'e> {
    id: &'e str,
    name: String,
    short_description: Message,
    full_description: Message,
    help: Message,
    default_configuration: Value,
    properties: Value,
}

#[derive(Serialize)]
struct Message {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<String>,
}

impl Message {
    fn plain(text: String) -> Self {
        Self { text, markdown: None }
    }
}

/// What a code means; the words are hallmark's own, but for those of a run that was not made.
fn rule<'e>(entry: &'e Entry) -> Rule<'e> {
    let code = entry.code.parse::<Code>();
    let title = match (&code, &entry.suppressed) {
        (Ok(code), _) => code.title(),
        (Err(_), Some(_)) => "a trusted signer says that a vulnerability does not count",
        (Err(_), None) => entry.title.as_str(),
    };
    let title = cut(text(title), MAX_TITLE_BYTES);
    let more = code.map(|code| format!("\n\nhallmark explain {code}")).unwrap_or_default();
    Rule {
        id: entry.code,
        name: pascal(entry.code),
        short_description: Message::plain(title.clone()),
        full_description: Message::plain(title),
        help: Message::plain(format!("{}{more}", text(&entry.help))),
        default_configuration: json!({ "level": level(entry.severity) }),
        properties: json!({ "tags": ["container", "supply-chain"] }),
    }
}

/// `signature-missing` as `SignatureMissing`.
fn pascal(code: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    code.split('-').map(word).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'e> {
    rule_id: &'e str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Value; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Value>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    properties: Value,
}

fn result<'e>(entry: &'e Entry, rule_index: usize) -> Outcome<'e> {
    // A finding about the image itself names it as its subject.
    let subject = Some(entry.subject.as_str()).filter(|subject| *subject != entry.image);
    let about = [Some(entry.image.as_str()), entry.platform.as_deref(), subject];
    let about: Vec<String> = about.into_iter().flatten().map(text).collect();
    let logical = about.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ");
    let message = format!("{}\n{}", entry.title, entry.facts.as_str());
    Outcome {
        rule_id: entry.code,
        rule_index,
        level: level(entry.severity),
        message: Message::plain(cut(text(&message), MAX_MESSAGE_BYTES)),
        locations: [json!({
            "physicalLocation": {
                "artifactLocation": { "uri": path(&entry.place) },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{
                "fullyQualifiedName": cut(logical, MAX_NAME_BYTES),
                "kind": "resource",
            }],
        })],
        suppressions: entry.suppressed.iter().map(|why| suppression(why)).collect(),
        partial_fingerprints: BTreeMap::from([
            ("hallmark/v1", entry.fingerprint.clone()),
            // The one that GitHub reads; it computes its own where the file is in the repository.
            ("primaryLocationLineHash", entry.fingerprint.clone()),
        ]),
        properties: json!({ "image": entry.image, "platform": entry.platform }),
    }
}

/// That a result does not count (SARIF 2.1.0, section 3.35): by a statement beside the image, which was believed.
fn suppression(why: &str) -> Value {
    json!({
        "kind": "external",
        "status": "accepted",
        "justification": cut(text(why), MAX_MESSAGE_BYTES),
    })
}

/// Lines in which nothing misleads and nothing is a link (SARIF 2.1.0, section 3.11.6).
fn text(words: &str) -> String {
    let lines: Vec<String> = words.lines().map(|line| unlinked(&clean(line.trim()))).collect();
    lines.join("\n")
}
