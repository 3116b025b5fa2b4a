//! What is known of an image that a review asks about.
//!
//! An [`Outcome`] is a verdict, or the reason why there is none, as values: words are made of it where an answer is written
//! ([`message`](super::message)). A [`Judged`] is what is left of a [`Verdict`] for as long as it is kept: the decision, what
//! it is about and depends on, and no more findings than an answer has room for, because thousands are kept.

use std::{borrow::Cow, collections::BTreeSet};

use jiff::Timestamp;

use crate::{
    digest::ManifestDigest,
    finding::{Code, Fact, Finding, Key, Severity},
    image::Platform,
    reference::{PinnedReference, Reference, Selector},
    untrusted::cut,
    verdict::{Inputs, Verdict},
};

/// Bytes of all findings of one weight that are kept of an image, as they are written: more than a message takes.
const MAX_WORDS_BYTES: usize = 8 << 10;
/// Bytes of one fact of a finding that alone takes more than that.
const MAX_FACT_BYTES: usize = 1 << 10;
/// What tells that the operator's own exceptions and allowances let something through.
const NOTICES: [Code; 3] =
    [Code::PolicyExceptionUsed, Code::PolicyApprovalUsed, Code::ConfigAllowUsed];

/// What came of asking about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was judged.
    Judged(Box<Judged>),
    /// It was not, because of what was found before: no such image, or no rule that could let it through.
    NotJudged(Box<Finding>),
    /// The gate itself has a reason, which says nothing about the image.
    Gate(Own),
}

/// A reason of the gate itself: its name in logs, and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own(pub(super) &'static str, pub(super) Cow<'static, str>);

impl Own {
    pub(super) const fn new(name: &'static str, words: &'static str) -> Self {
        Self(name, Cow::Borrowed(words))
    }
}

/// What is kept of a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The image that was judged, by its digest. It alone is let through.
    pub subject: PinnedReference,
    /// Whether it may run.
    pub allowed: bool,
    /// What was wrong, or weak where nothing was, by name: codes of findings and of rules.
    pub codes: BTreeSet<String>,
    /// What whoever asks has to be told, the gravest first; bounded.
    pub findings: Vec<Said>,
    /// How much was said of evidence that nobody vouches for.
    pub remarks: usize,
    /// What the verdict depends on.
    pub inputs: Inputs,
    /// When it was judged.
    pub time: Timestamp,
}

/// A finding, with the platform that it is about where several were judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The platform.
    pub platform: Option<Platform>,
    /// What was found.
    pub finding: Finding,
}

impl Said {
    /// Bytes of its words, about.
    fn bytes(&self) -> usize {
        let finding = &self.finding;
        let facts = finding.facts.values().map(|fact| fact.to_string().len());
        facts.sum::<usize>() + finding.subject.to_string().len() + finding.code.title().len()
    }
}

/// Why somebody is told of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// The image is denied for it.
    Reason,
    /// Something was let through that would be denied otherwise: the operator has to hear of it.
    Notice,
    /// The user should know of it all the same.
    Warning,
}

impl Weight {
    const ALL: [Self; 3] = [Self::Reason, Self::Notice, Self::Warning];

    /// The weight of a finding that is told as `severity`; what is only worth knowing, and remarks, have none.
    pub(super) fn of(severity: Severity, finding: &Finding) -> Option<Self> {
        match severity {
            Severity::Error => Some(Self::Reason),
            Severity::Warning if NOTICES.contains(&finding.code) => Some(Self::Notice),
            Severity::Warning if !finding.is_remark() => Some(Self::Warning),
            Severity::Warning | Severity::Info => None,
        }
    }
}

impl Outcome {
    /// What `finding` says came before any verdict.
    pub fn not_judged(finding: Finding) -> Self {
        Self::NotJudged(Box::new(finding))
    }

    /// Whether the image may run.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Judged(judged) if judged.allowed)
    }

    /// The digest that was judged: the one in the reference where it has one, else the one that its tag was resolved to, of
    /// the index or manifest.
    pub fn digest(&self) -> Option<&ManifestDigest> {
        match self {
            Self::Judged(judged) => Some(&judged.subject.digest),
            Self::NotJudged(_) | Self::Gate(_) => None,
        }
    }

    /// What was wrong, by name.
    pub fn codes(&self) -> BTreeSet<String> {
        match self {
            Self::Judged(judged) => judged.codes.clone(),
            Self::NotJudged(finding) => BTreeSet::from([finding.code.to_string()]),
            Self::Gate(Own(name, _)) => BTreeSet::from([(*name).to_owned()]),
        }
    }

    /// How much was said of evidence that nobody vouches for.
    pub fn remarks(&self) -> usize {
        match self {
            Self::Judged(judged) => judged.remarks,
            Self::NotJudged(_) | Self::Gate(_) => 0,
        }
    }

    /// Lets an image through only with the digest that was judged, which is the one in its name where it has one (attack E2).
    pub(super) fn is_about(&self, asked: &Reference) -> bool {
        match (asked, self.digest()) {
            (_, None) => false,
            (Reference::At(_, Selector::Digest(digest)) | Reference::Bare(digest), Some(found)) => {
                digest == found
            }
            (Reference::At(..), Some(_)) => true,
        }
    }
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        let allowed = verdict.is_pass();
        let several = verdict.platforms.len() > 1;
        let all = verdict.platforms.into_iter().flat_map(|judged| {
            let platform = judged.platform.filter(|_| several);
            judged
                .findings
                .into_iter()
                .map(move |finding| Said { platform: platform.clone(), finding })
        });
        let all: Vec<_> = all.collect();
        let remark =
            |said: &&Said| said.finding.severity == Severity::Warning && said.finding.is_remark();
        Self {
            subject: verdict.subject,
            allowed,
            codes: codes(&all, if allowed { Severity::Warning } else { Severity::Error }),
            remarks: all.iter().filter(remark).count(),
            findings: bounded(all),
            inputs: verdict.inputs,
            time: verdict.time,
        }
    }
}

/// What weighs `weight`, by name: of what a rule says the rule's own code, too.
fn codes(all: &[Said], weight: Severity) -> BTreeSet<String> {
    let weighty = all.iter().map(|said| &said.finding).filter(|found| found.severity == weight);
    let names = weighty.flat_map(|finding| {
        let of_rule = matches!(finding.code, Code::PolicyDenied | Code::PolicyWarned);
        let rule = finding.facts.get(&Key::From).filter(|_| of_rule).map(ToString::to_string);
        let rule = rule.and_then(|from| from.split(' ').next().map(str::to_owned));
        rule.into_iter().chain([finding.code.to_string()])
    });
    names.collect()
}

/// Of the findings of each weight as many as an answer has room for, and always the first.
fn bounded(all: Vec<Said>) -> Vec<Said> {
    let mut left = Weight::ALL.map(|_| MAX_WORDS_BYTES);
    let mut kept = Vec::new();
    for mut said in all {
        let Some(weight) = Weight::of(said.finding.severity, &said.finding) else { continue };
        let Some(left) = left.get_mut(weight as usize) else { continue };
        let mut bytes = said.bytes();
        if bytes > *left && *left == MAX_WORDS_BYTES {
            said.finding = shortened(said.finding);
            bytes = said.bytes();
        } else if bytes > *left {
            // What follows is left out as well, or a shorter one would stand for a graver one.
            *left = 0;
            continue;
        }
        *left = left.saturating_sub(bytes);
        kept.push(said);
    }
    kept.shrink_to_fit();
    kept
}

/// The same with facts of a bounded length.
fn shortened(mut finding: Finding) -> Finding {
    for fact in finding.facts.values_mut() {
        let text = fact.to_string();
        if text.len() > MAX_FACT_BYTES {
            *fact = Fact::Text(cut(text, MAX_FACT_BYTES));
        }
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::Subject, gate::testing};

    fn warning(code: Code, why: &str) -> Finding {
        let finding = Finding::new(code, Subject::Run).with(Key::Why, why);
        finding.at(Severity::Warning)
    }

    #[test]
    fn findings_have_the_weight_that_they_are_told_for() {
        let warned = |code| warning(code, "w");
        for (finding, want) in [
            (warned(Code::SbomMissing).at(Severity::Error), Some(Weight::Reason)),
            (warned(Code::PolicyExceptionUsed), Some(Weight::Notice)),
            (warned(Code::SbomMissing), Some(Weight::Warning)),
            (warned(Code::SbomMissing).remark(), None),
            (warned(Code::SbomMissing).at(Severity::Info), None),
        ] {
            assert_eq!(Weight::of(finding.severity, &finding), want, "{finding:?}");
        }
    }

    #[test]
    fn what_is_kept_of_a_verdict_is_bounded_and_the_first_reason_stays() {
        let long = "x".repeat(4 * MAX_WORDS_BYTES);
        let error = |why: &str| warning(Code::SbomMissing, why).at(Severity::Error);
        let short = error(&"y".repeat(200));
        let many = vec![short.clone(); 1000];
        let cases: [(&str, Vec<Finding>); 3] = [
            ("one long", vec![error(&long)]),
            ("many", many),
            ("long before short", [vec![error(&long)], vec![short; 100]].concat()),
        ];
        for (what, findings) in cases {
            let judged = testing::judged("r.example/app", 1, false, findings);
            let bytes: usize = judged.findings.iter().map(|said| said.bytes()).sum();
            assert!((1..=MAX_WORDS_BYTES).contains(&bytes), "{what}: {bytes}");
        }
    }

    #[test]
    fn an_outcome_is_about_the_digest_that_was_asked_for() {
        let outcome = Outcome::Judged(Box::new(testing::judged("r.example/app", 1, true, vec![])));
        let name = |n: u32| format!("r.example/app@sha256:{n:064x}");
        for (asked, want) in [(name(1), true), (name(2), false), ("r.example/app:1".into(), true)] {
            let reference: Reference = asked.parse().expect("valid");
            assert_eq!(outcome.is_about(&reference), want, "{asked}");
        }
        assert!(!Outcome::Gate(Own::new("a", "b")).is_about(&name(1).parse().expect("valid")));
    }
}
