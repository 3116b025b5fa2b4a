//! What a call came to, image by image: what reports for pipelines are written from.
//!
//! Turns verdicts, rebuilds and failures into one [`Run`], and that into [`Entry`]s with names that stay the same from run to
//! run. A run that was not made, and an image that was not read, have an entry of severity error, so that no reader of a report takes
//! one for a pass; so has every image that is refused.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    cause::{Cause, causes},
    text::{self, Detail, EvidenceLine},
    vulnerabilities::{Scan, Suppressed, scan, suppressed},
};
use crate::{
    compare::Comparison,
    finding::{Code, Finding, Key, Severity, Subject},
    rebuild::Rebuild,
    reference::{Location, PinnedReference, Reference},
    report::clean,
    untrusted::{Page, line},
    verdict::{Decision, Evidence, PlatformVerdict, Verdict},
};

/// Version of what names an entry; another one gives every alert another name.
const NAMES: &str = "hallmark/v1";

/// A digest in a name, after a colon or, in tags, after a dash.
static DIGEST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"@?\bsha(256|512)[:-][0-9a-f]{64,128}").expect("a constant pattern that compiles")
});

/// A call of a command that judges images.
#[derive(Debug, Clone)]
pub struct Run {
    /// The command, as `verify`.
    pub command: &'static str,
    /// The exit code of the call.
    pub exit_code: u8,
    /// What became of the images, in the order in which they were named.
    pub images: Vec<ImageRun>,
    /// Why the call gave no answer, or not all of it.
    pub trouble: Option<Trouble>,
}

/// What became of one image.
#[derive(Debug, Clone)]
pub struct ImageRun {
    /// The image, with its digest where it is known.
    pub name: String,
    /// Its repository, folder or archive: the same for every digest and tag.
    pub place: String,
    /// The exit code that it has alone.
    pub exit_code: u8,
    /// When it was judged; `None` where it was not.
    pub time: Option<jiff::Timestamp>,
    /// Its platforms; empty where it was not read.
    pub platforms: Vec<PlatformRun>,
    /// Why it was not read.
    pub trouble: Option<Trouble>,
}

/// What became of one platform of an image.
#[derive(Debug, Clone)]
pub struct PlatformRun {
    /// The platform, where an image for it could be read.
    pub platform: Option<String>,
    /// Digest of its manifest, where it is known.
    pub manifest: Option<String>,
    /// Whether the answer is yes.
    pub passed: bool,
    /// The evidence, as the text report says it.
    pub evidence: Page,
    /// The same, line by line.
    pub lines: Vec<EvidenceLine>,
    /// What was asked of the evidence.
    pub checks: Vec<Check>,
    /// Vulnerabilities that do not count by the word of trusted signers.
    pub suppressed: Vec<Suppressed>,
    /// What is known of its packages, or why nothing is; `None` where there is no data.
    pub scan: Option<Result<Scan, String>>,
    /// Errors and warnings; at least one error where the answer is no.
    pub findings: Vec<Finding>,
    /// Remarks on evidence of strangers, which are left out.
    pub untold: usize,
    /// How the rebuilt image differs, where there is one.
    pub comparison: Option<Comparison>,
}

/// One question to the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked about, as `signature`.
    pub name: String,
    /// Whether it holds. Where it does not, findings say whether that matters.
    pub holds: bool,
    /// The answer in words.
    pub words: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The exit code that it has.
    pub exit_code: u8,
    /// What happened, in one line.
    pub message: String,
    /// Further lines.
    pub details: Vec<String>,
    /// The finding that says it, where it is one.
    pub finding: Option<Finding>,
}

/// One thing that reports say: a cause at one place, with what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The finding's code, or the code of a run that was not made.
    pub code: &'static str,
    /// What it weighs.
    pub severity: Severity,
    /// One line that says what is wrong.
    pub title: String,
    /// What to do about findings of this code.
    pub help: String,
    /// What to do about this one.
    pub advice: String,
    /// The image.
    pub image: String,
    /// Its repository, folder or archive; empty where there is none.
    pub place: String,
    /// Its platform.
    pub platform: Option<String>,
    /// What it is about.
    pub subject: String,
    /// What is known of it, in lines.
    pub facts: Page,
    /// Why it is there and does not count; `None` where it counts.
    pub suppressed: Option<String>,
    /// Its name: the same as long as code, rule, repository, platform and subject are, whatever digests, order and words are.
    pub fingerprint: String,
}

impl Run {
    /// A run that has judged nothing yet.
    pub fn new(command: &'static str) -> Self {
        Self { command, exit_code: 0, images: Vec::new(), trouble: None }
    }

    /// The same with its exit code.
    #[must_use]
    pub fn ending(self, exit_code: u8) -> Self {
        Self { exit_code, ..self }
    }

    /// The same, where it gives no answer, or not all of it.
    #[must_use]
    pub fn stopped(self, trouble: Trouble) -> Self {
        Self { exit_code: trouble.exit_code, trouble: Some(trouble), ..self }
    }

    /// Whether the answer is yes.
    pub fn passed(&self) -> bool {
        self.trouble.is_none()
            && !self.images.is_empty()
            && self.images.iter().all(ImageRun::passed)
    }

    /// How many images passed, were refused, and were not read.
    pub fn summary(&self) -> String {
        let count = |code: u8| self.images.iter().filter(|image| image.exit_code == code).count();
        let (passed, failed) = (count(0), count(1));
        let unread = self.images.len() - passed - failed;
        let images = text::plural(self.images.len(), "image");
        format!("{images}: {passed} passed, {failed} failed, {unread} without an answer")
    }

    /// Everything that is to be said, the gravest first.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<(Entry, String)> = Vec::new();
        for image in &self.images {
            for platform in &image.platforms {
                let causes: Vec<Cause<'_>> =
                    causes(&platform.findings).into_iter().flat_map(Cause::apart).collect();
                entries.extend(causes.iter().map(|cause| self.told(image, platform, cause)));
            }
            entries.extend(image.trouble.iter().map(|trouble| self.untold(Some(image), trouble)));
        }
        entries.extend(self.trouble.iter().map(|trouble| self.untold(None, trouble)));
        entries.sort_by_key(|(entry, _)| std::cmp::Reverse(entry.severity));
        named(entries)
    }

    /// Vulnerabilities that do not count by the word of trusted signers: for reports that have a place for what is suppressed.
    pub fn suppressed(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for image in &self.images {
            for platform in &image.platforms {
                let all = platform.suppressed.iter();
                entries.extend(all.map(|one| self.kept_quiet(image, platform, one)));
            }
        }
        named(entries)
    }

    fn kept_quiet(
        &self,
        image: &ImageRun,
        platform: &PlatformRun,
        one: &Suppressed,
    ) -> (Entry, String) {
        let Suppressed { id, package, by } = one;
        let mut facts = Page::default();
        line!(facts, "found: {id}");
        line!(facts, "why: {}", by.words());
        let entry = Entry {
            code: SUPPRESSED,
            severity: Severity::Info,
            title: format!("{id} of {package} does not count"),
            help: SUPPRESSED_HELP.to_owned(),
            advice: SUPPRESSED_HELP.to_owned(),
            image: image.name.clone(),
            place: image.place.clone(),
            platform: platform.platform.clone(),
            subject: package.clone(),
            facts,
            suppressed: Some(by.words()),
            fingerprint: String::new(),
        };
        // The version changes with every update.
        let package = package.split(' ').next().unwrap_or_default();
        let name = self.name(&entry, id, package);
        (entry, name)
    }

    fn told(&self, image: &ImageRun, platform: &PlatformRun, cause: &Cause<'_>) -> (Entry, String) {
        let found = cause.first();
        let mut facts = Page::default();
        cause.write(&mut facts, &[]);
        let entry = Entry {
            code: found.code.as_str(),
            severity: cause.severity(),
            title: found.title(),
            help: found.code.help().to_owned(),
            advice: found.help(),
            image: image.name.clone(),
            place: image.place.clone(),
            platform: platform.platform.clone(),
            subject: found.subject.to_string(),
            facts,
            suppressed: None,
            fingerprint: String::new(),
        };
        let name = self.name(&entry, &rule_of(found), &lasting(&found.subject));
        (entry, name)
    }

    fn untold(&self, image: Option<&ImageRun>, trouble: &Trouble) -> (Entry, String) {
        let entry = Entry {
            code: trouble.code(),
            severity: Severity::Error,
            title: match &trouble.finding {
                Some(found) => found.code.title().to_owned(),
                None => clean(&trouble.message),
            },
            help: trouble.finding.as_ref().map_or(ASK, |found| found.code.help()).to_owned(),
            advice: trouble.advice(),
            image: image.map(|image| image.name.clone()).unwrap_or_default(),
            place: image.map(|image| image.place.clone()).unwrap_or_default(),
            platform: None,
            subject: Subject::Run.to_string(),
            facts: trouble.facts(),
            suppressed: None,
            fingerprint: String::new(),
        };
        let name = self.name(&entry, "", "run");
        (entry, name)
    }

    fn name(&self, entry: &Entry, rule: &str, subject: &str) -> String {
        let Entry { place, platform, code, .. } = entry;
        json!([NAMES, self.command, place, platform, code, rule, subject]).to_string()
    }
}

/// Code of an entry that does not count.
const SUPPRESSED: &str = "vulnerability-suppressed";
/// What to do about it.
const SUPPRESSED_HELP: &str =
    "read why; where it is not true, take https://openvex.dev/ns from the signer's trust rule";
/// What to do about a run that no finding explains.
const ASK: &str = "see what standard error says; hallmark verify --help has the options";

/// Gives each entry its fingerprint. Entries of one name are told apart by how many there are of it.
fn named(entries: Vec<(Entry, String)>) -> Vec<Entry> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let fingerprint = |(entry, name): (Entry, String)| {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        let hash = hex::encode(Sha256::digest(format!("{name}{count}")));
        Entry { fingerprint: hash, ..entry }
    };
    entries.into_iter().map(fingerprint).collect()
}

/// The rules by which a finding counts.
fn rule_of(found: &Finding) -> String {
    let key = match found.code {
        Code::PolicyDenied | Code::PolicyWarned => Key::From,
        _ => Key::Rule,
    };
    found.facts.get(&key).map(ToString::to_string).unwrap_or_default()
}

/// A subject without what changes from build to build.
fn lasting(subject: &Subject) -> String {
    let words = match subject {
        Subject::Run | Subject::Image(_) | Subject::Layer { .. } => "",
        Subject::File { path: words, .. }
        | Subject::Package { name: words, .. }
        | Subject::Evidence(words)
        | Subject::Operator(words) => words,
    };
    format!("{} {}", subject.kind(), DIGEST.replace_all(words, ""))
}

impl ImageRun {
    /// What was judged of an image.
    pub fn judged(verdict: &Verdict, detail: Detail, exit_code: u8) -> Self {
        let platforms = verdict.platforms.iter().map(|p| PlatformRun::judged(p, detail)).collect();
        let time = Some(verdict.time);
        Self { time, platforms, exit_code, ..Self::pinned(&verdict.subject) }
    }

    /// An image of which nothing is known yet.
    pub fn pinned(reference: &PinnedReference) -> Self {
        Self::at(reference.to_string(), &reference.location)
    }

    /// An image that could not be read.
    pub fn unread(reference: &Reference, trouble: Trouble) -> Self {
        let name = reference.to_string();
        let image = match reference {
            Reference::At(location, _) => Self::at(name, location),
            Reference::Bare(_) => Self::new(name.clone(), name),
        };
        Self { exit_code: trouble.exit_code, trouble: Some(trouble), ..image }
    }

    fn at(name: String, location: &Location) -> Self {
        Self::new(name, location.to_string())
    }

    fn new(name: String, place: String) -> Self {
        Self { name, place, exit_code: 0, time: None, platforms: Vec::new(), trouble: None }
    }

    /// The same without how rebuilt images differ: for one of many, of which nobody looks at that.
    #[must_use]
    pub fn in_brief(mut self) -> Self {
        self.platforms.iter_mut().for_each(|platform| platform.comparison = None);
        self
    }

    /// Whether the answer is yes.
    pub fn passed(&self) -> bool {
        let all = self.platforms.iter().all(|platform| platform.passed);
        self.trouble.is_none() && !self.platforms.is_empty() && all
    }
}

impl PlatformRun {
    fn judged(verdict: &PlatformVerdict, detail: Detail) -> Self {
        let (mut findings, untold) = text::told(&verdict.findings, detail);
        if let Decision::Fail(first, _) = &verdict.decision {
            keep_reason(&mut findings, first);
        }
        let evidence = verdict.evidence.as_deref();
        let lines = evidence.map(text::lines_of).unwrap_or_default();
        Self {
            platform: verdict.platform.as_ref().map(ToString::to_string),
            manifest: verdict.manifest.as_ref().map(ToString::to_string),
            passed: verdict.decision.is_pass(),
            evidence: evidence.map(text::evidence_page).unwrap_or_default(),
            checks: checks(&lines),
            lines,
            suppressed: evidence.map(suppressed).unwrap_or_default(),
            scan: evidence.and_then(scan),
            findings,
            untold,
            comparison: evidence.and_then(compared),
        }
    }

    /// What came of a rebuild, where a rebuild is all that was asked for: what is wrong with it is wrong with the answer.
    pub fn rebuilt(evidence: &Evidence, findings: &[Finding], passed: bool) -> Self {
        let mut told = weighed(findings, passed);
        told.retain(text::of_rebuild);
        if !passed {
            let subject = Subject::Image(evidence.image.reference.to_string());
            let reason = Finding::new(Code::RebuildNotRun, subject)
                .at(Severity::Error)
                .with(Key::Why, text::rebuild(&evidence.rebuild));
            keep_reason(&mut told, &reason);
        }
        let lines = text::lines_of(evidence);
        Self {
            platform: Some(evidence.image.platform.to_string()),
            manifest: Some(evidence.image.manifest.document.digest.to_string()),
            passed,
            evidence: text::evidence_page(evidence),
            checks: checks(&lines),
            lines,
            suppressed: suppressed(evidence),
            scan: scan(evidence),
            findings: told,
            untold: 0,
            comparison: compared(evidence),
        }
    }

    /// The platform in words.
    pub fn words(&self) -> &str {
        self.platform.as_deref().unwrap_or("unknown platform")
    }
}

fn compared(evidence: &Evidence) -> Option<Comparison> {
    match &evidence.rebuild {
        Rebuild::Compared(rebuilt) => Some(rebuilt.comparison.clone()),
        _ => None,
    }
}

/// The findings of a call that asks for a rebuild and nothing else, as every report of it weighs them: where the answer is no and no
/// error says why, what is said of the rebuild is the error.
pub fn weighed(findings: &[Finding], passed: bool) -> Vec<Finding> {
    let mut all = findings.to_vec();
    for weight in [Severity::Warning, Severity::Info] {
        if passed || all.iter().any(|found| found.severity == Severity::Error) {
            break;
        }
        let of_rebuild = |found: &&mut Finding| {
            found.severity == weight && found.code.as_str().starts_with("rebuild-")
        };
        all.iter_mut().filter(of_rebuild).for_each(|found| found.severity = Severity::Error);
    }
    all
}

/// Adds why the answer is no, where no finding says it; the gravest come first.
fn keep_reason(findings: &mut Vec<Finding>, reason: &Finding) {
    if findings.iter().all(|found| found.severity < Severity::Error) {
        findings.push(Finding { severity: Severity::Error, ..reason.clone() });
    }
    findings.sort_by_key(|found| std::cmp::Reverse(found.severity));
}

/// What is asked of evidence, whatever a policy needs: a question for each thing that lines are about.
fn checks(lines: &[EvidenceLine]) -> Vec<Check> {
    let mut all: Vec<Check> = Vec::new();
    for EvidenceLine { name, which, holds, words, .. } in lines {
        let name = which.as_ref().map_or_else(|| (*name).to_owned(), |one| format!("{name} {one}"));
        match all.iter_mut().find(|check| check.name == name) {
            Some(check) => {
                check.holds |= holds;
                check.words = format!("{}; {words}", check.words);
            }
            None => all.push(Check { name, holds: *holds, words: words.clone() }),
        }
    }
    all
}

impl Trouble {
    /// The code of its finding, or of a run that was not made.
    pub fn code(&self) -> &'static str {
        match (&self.finding, self.exit_code) {
            (Some(found), _) => found.code.as_str(),
            (None, 1) => "run-refused",
            (None, 2) => "run-usage",
            (None, 3) => "run-unavailable",
            (None, _) => "run-interrupted",
        }
    }

    /// What to do about it: what was said, else what its finding says.
    fn advice(&self) -> String {
        let said = self.details.iter().filter_map(|words| words.strip_prefix("help: "));
        let said = said.collect::<Vec<_>>().join("; ");
        match (said.is_empty(), &self.finding) {
            (false, _) => said,
            (true, Some(found)) => found.help(),
            (true, None) => ASK.to_owned(),
        }
    }

    /// All of it in lines.
    pub fn lines(&self) -> Page {
        let mut page = Page::default();
        line!(page, "{}", self.message);
        page.append(&self.facts());
        page
    }

    /// What is known of it, in lines.
    fn facts(&self) -> Page {
        let mut page = Page::default();
        self.details.iter().for_each(|words| line!(page, "  {}", words));
        page
    }
}

/// The address of a place in a report that wants the path of a file: relative, of plain characters, and leading nowhere else.
pub fn path(place: &str) -> String {
    let kinds = ["oci-archive:", "docker-archive:", "oci:"];
    let bare = kinds.iter().find_map(|kind| place.strip_prefix(kind)).unwrap_or(place);
    let parts = bare.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    let parts: Vec<String> = parts.map(encoded).collect();
    if parts.is_empty() { "hallmark".to_owned() } else { parts.join("/") }
}

/// One part of a path, in the unreserved characters of RFC 3986 and percent signs.
fn encoded(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    part.bytes().map(one).collect()
}

/// Untrusted text in a place where `[words](address)` is a link: none is left.
pub fn unlinked(text: &str) -> String {
    text.replace("](", "] (")
}
