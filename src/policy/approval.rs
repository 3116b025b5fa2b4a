//! Reviews: denials that an approval of exactly this difference lets through, until a day.
//!
//! Turns the denials of one image and the approvals that the operator has into what remains denied, what was let through, and what is
//! said of the approvals. A rule says of itself that its denials are reviews (METADATA, `custom.review`). A difference is what such a
//! rule says about one manifest, all facts included; its digest is that of its canonical JSON, so that an approval of one never lifts
//! another, nor the same of another image. An approval that nobody signed who may, one of another image and one whose time is over or
//! has not begun lift nothing.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::RuleResult;
use crate::{
    attest::approval::{APPROVAL, Approval},
    digest::Digest,
    finding::{Code, Finding, Key, Subject},
    trust::{approved::signed_by, files::StatementFile},
};

/// The fact of a result that has the digest of its difference.
pub const DIFFERENCE: &str = "difference";
/// What a difference is, before its digest is taken.
const SCHEMA: &str = "hallmark/difference/v1";

/// An approval in a file, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GivenApproval {
    /// The file, as the operator names it.
    pub file: String,
    /// What it says, or why it lifts nothing.
    said: Result<Said, String>,
}

/// What a signed approval says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
struct Said {
    approval: Approval,
    /// Digests of the image that it is about.
    subjects: BTreeSet<String>,
    /// Who signed it, of those who may.
    signers: Vec<String>,
}

impl GivenApproval {
    /// An approval as it was read; `asked` are the names of those who may approve.
    pub fn of(file: String, read: &StatementFile, asked: &[String]) -> Self {
        Self { file, said: Said::of(read, asked) }
    }

    /// What it is called in reports.
    fn subject(&self) -> Subject {
        Subject::Operator(format!("approval {}", self.file))
    }

    fn finding(&self, code: Code, why: String) -> Finding {
        let finding = Finding::new(code, self.subject()).with(Key::Why, why);
        let Ok(Said { approval, signers, .. }) = &self.said else { return finding };
        let (owner, until) = (&approval.owner, approval.expires);
        let from = format!("owner {owner}, signed by {}, until {until}", signers.join(", "));
        finding.with(Key::From, from)
    }
}

impl Said {
    fn of(read: &StatementFile, asked: &[String]) -> Result<Self, String> {
        let StatementFile { statement, signers, .. } = read;
        let counting = signers.iter().filter(|name| asked.contains(name)).cloned();
        let counting: Vec<String> = counting.collect();
        // What a stranger wrote is not looked into.
        if counting.is_empty() {
            return Err(signed_by(signers, asked));
        }
        if statement.predicate_type != APPROVAL {
            let found: String = statement.predicate_type.chars().take(200).collect();
            return Err(format!(
                "its predicate type is {found:?}, and that of an approval is {APPROVAL}"
            ));
        }
        let predicate = statement.predicate.value().map_err(|error| error.to_string())?;
        let approval = Approval::parse(&predicate).map_err(|error| error.to_string())?;
        let subjects = statement.subjects.iter().flat_map(|subject| &subject.digests);
        let subjects = subjects.map(ToString::to_string).collect();
        Ok(Self { approval, subjects, signers: counting })
    }
}

/// Which image is judged, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// Its location.
    pub(super) location: &'a str,
    /// Digest of the platform's manifest.
    pub(super) manifest: &'a str,
    /// Digests of every document on the way to it.
    pub(super) digests: &'a BTreeSet<&'a str>,
    /// When.
    pub(super) time: Timestamp,
}

/// What approvals made of the denials.
pub(super) struct Reviewed {
    pub(super) denied: Vec<RuleResult>,
    pub(super) approved: Vec<RuleResult>,
    pub(super) findings: Vec<Finding>,
}

/// Applies the approvals to the denials of an image. `is_review` says of package and code whether its denials are reviews.
pub(super) fn apply(
    denied: Vec<RuleResult>,
    approvals: &[GivenApproval],
    is_review: impl Fn(&RuleResult) -> bool,
    about: About<'_>,
) -> Reviewed {
    let today = about.time.to_zoned(TimeZone::UTC).date();
    let mut reviewed = Reviewed { denied: Vec::new(), approved: Vec::new(), findings: Vec::new() };
    let mut differences = BTreeSet::new();
    let mut approved_with = BTreeSet::new();
    for mut result in denied {
        if !is_review(&result) {
            reviewed.denied.push(result);
            continue;
        }
        let difference = difference(&result, about.manifest).to_string();
        result.facts.insert(DIFFERENCE.to_owned(), Value::String(difference.clone()));
        let lifts = |(_, given): &(usize, &GivenApproval)| {
            given.said.as_ref().is_ok_and(|said| {
                said.is_about(about.digests)
                    && said.approval.difference == difference
                    && (said.approval.approved..=said.approval.expires).contains(&today)
            })
        };
        let lifting: Vec<usize> =
            approvals.iter().enumerate().filter(lifts).map(|(index, _)| index).collect();
        match lifting.is_empty() {
            true => reviewed.denied.push(result),
            false => reviewed.approved.push(result),
        }
        approved_with.extend(lifting);
        differences.insert(difference);
    }
    for (index, given) in approvals.iter().enumerate() {
        let finding = match &given.said {
            Err(why) => given.finding(Code::PolicyApprovalUnused, why.clone()),
            Ok(said) if !said.is_about(about.digests) => continue,
            Ok(said) if approved_with.contains(&index) => {
                given.finding(Code::PolicyApprovalUsed, said.approval.reason.clone())
            }
            Ok(said) => {
                let why = said.idle(&differences, today);
                given.finding(Code::PolicyApprovalUnused, why)
            }
        };
        reviewed.findings.push(finding);
    }
    reviewed
}

impl Said {
    fn is_about(&self, digests: &BTreeSet<&str>) -> bool {
        self.subjects.iter().any(|subject| digests.contains(subject.as_str()))
    }

    /// Why it lifted nothing of this image.
    fn idle(&self, differences: &BTreeSet<String>, today: jiff::civil::Date) -> String {
        let Approval { difference, approved, expires, .. } = &self.approval;
        if today > *expires {
            return format!("it expired on {expires}");
        }
        if today < *approved {
            return format!("it begins on {approved}");
        }
        match differences.contains(difference) {
            true => "another approval lifts the same difference".to_owned(),
            false => format!("the image has no difference {difference}"),
        }
    }
}

/// The digest of what a rule says about a manifest.
fn difference(result: &RuleResult, manifest: &str) -> Digest {
    // Members of objects are sorted, and numbers of rules are whole: serde_json writes them in one way.
    let mut document = json!({
        "schema": SCHEMA,
        "image": manifest,
        "package": result.package,
        "code": result.code,
        "facts": result.facts,
    });
    // Of a rule that puts nothing beside them its words alone tell one difference from another.
    if let Some(document) = document.as_object_mut().filter(|_| result.facts.is_empty()) {
        document.insert("msg".to_owned(), Value::String(result.msg.clone()));
    }
    Digest::sha256(document.to_string().as_bytes())
}

/// What to type to have a difference of an image approved, where a result is a review.
pub(super) fn help(result: &RuleResult, image: &Subject) -> Option<String> {
    let difference = result.facts.get(DIFFERENCE)?.as_str()?;
    let image = match image {
        Subject::Image(image) => image.as_str(),
        _ => "IMAGE",
    };
    Some(format!(
        "to let exactly this through for a while, sign {{\"difference\": \"{difference}\", \"reason\": \"...\", \"owner\": \"...\", \
         \"approved\": \"DAY\", \"expires\": \"DAY\"}}: hallmark sign {image} --predicate approval.json --type {APPROVAL} --key KEY \
         --bundle approval.sigstore.json; then verify with --approval approval.sigstore.json, or list that file in policy.approvals.files"
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::attest::{Statement, StatementSubject};

    const MANIFEST: &str =
        "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn denied(path: &str) -> RuleResult {
        RuleResult {
            code: "blueprint-edge".to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.blueprint".to_owned(),
            solution: None,
            about: Vec::new(),
            early: false,
            lacks: None,
            facts: BTreeMap::from([("deviations".to_owned(), json!([{ "path": path }]))]),
        }
    }

    fn digest(result: &RuleResult) -> String {
        difference(result, MANIFEST).to_string()
    }

    /// An approval of a difference of an image, by a signer.
    fn given(difference: &str, of: &str, by: &str, days: (&str, &str)) -> GivenApproval {
        let predicate = json!({
            "difference": difference, "reason": "a reason", "owner": "team", "approved": days.0, "expires": days.1,
        });
        let subject = StatementSubject {
            name: None,
            digests: vec![of.parse().unwrap()],
            weak: BTreeMap::new(),
        };
        let read = StatementFile {
            statement: Statement {
                subjects: vec![subject],
                predicate_type: APPROVAL.to_owned(),
                predicate: predicate.into(),
            },
            payload: Digest::sha256(b"p"),
            signers: vec![by.to_owned()],
        };
        GivenApproval::of("a.json".to_owned(), &read, &["security".to_owned()])
    }

    fn judged(denied: Vec<RuleResult>, approvals: &[GivenApproval]) -> Reviewed {
        let digests = BTreeSet::from([MANIFEST]);
        let about = About {
            location: "r.example/app",
            manifest: MANIFEST,
            digests: &digests,
            time: "2026-11-30T12:00:00Z".parse().unwrap(),
        };
        apply(denied, approvals, |result| result.code.starts_with("blueprint"), about)
    }

    const YEAR: (&str, &str) = ("2026-11-30", "2027-11-30");

    /// A rule that says what it found in its words alone has as many differences as words (attack E30).
    #[test]
    fn e30_an_approval_of_words_lifts_no_other_words() {
        let said = |msg: &str| RuleResult {
            msg: msg.to_owned(),
            facts: BTreeMap::new(),
            ..denied("/etc")
        };
        let approval = given(&digest(&said("no owner")), MANIFEST, "security", YEAR);
        let approvals = std::slice::from_ref(&approval);
        assert_eq!(judged(vec![said("no owner")], approvals).denied, []);
        let reviewed = judged(vec![said("no owner, no reviewer")], approvals);
        assert_eq!((reviewed.denied.len(), reviewed.approved.len()), (1, 0));
        // What is found counts where it is given, and words may be mended.
        let mended = RuleResult { msg: "more words".to_owned(), ..denied("/etc") };
        assert_eq!(digest(&mended), digest(&denied("/etc")));
    }

    #[test]
    fn i29_an_approval_lifts_exactly_its_difference_of_its_image() {
        let this = digest(&denied("/etc"));
        let cases = [
            ("its own", given(&this, MANIFEST, "security", YEAR), true, Some("a reason")),
            (
                "another difference",
                given(&digest(&denied("/usr")), MANIFEST, "security", YEAR),
                false,
                Some("has no difference"),
            ),
            (
                "another image",
                given(&this, &MANIFEST.replace('b', "c"), "security", YEAR),
                false,
                None,
            ),
            (
                "somebody else",
                given(&this, MANIFEST, "other", YEAR),
                false,
                Some("it is signed by other, and security has to"),
            ),
            (
                "too late",
                given(&this, MANIFEST, "security", ("2026-01-01", "2026-11-29")),
                false,
                Some("it expired on 2026-11-29"),
            ),
            (
                "the last day",
                given(&this, MANIFEST, "security", ("2026-01-01", "2026-11-30")),
                true,
                Some("a reason"),
            ),
            (
                "too early",
                given(&this, MANIFEST, "security", ("2026-12-01", "2026-12-02")),
                false,
                Some("it begins on 2026-12-01"),
            ),
            (
                "too long",
                given(&this, MANIFEST, "security", ("2026-11-30", "2027-12-31")),
                false,
                Some("366 days"),
            ),
        ];
        for (what, approval, lifts, told) in cases {
            let reviewed = judged(vec![denied("/etc")], std::slice::from_ref(&approval));
            assert_eq!(
                (reviewed.denied.len(), reviewed.approved.len()),
                match lifts {
                    true => (0, 1),
                    false => (1, 0),
                },
                "{what}"
            );
            let said: Vec<_> = reviewed.findings.iter().map(|f| format!("{f:?}")).collect();
            match told {
                None => assert!(said.is_empty(), "{what}: {said:?}"),
                Some(words) => assert!(said[0].contains(words), "{what}: {said:?}"),
            }
            let code = match lifts {
                true => Code::PolicyApprovalUsed,
                false => Code::PolicyApprovalUnused,
            };
            assert!(reviewed.findings.iter().all(|finding| finding.code == code), "{what}");
        }
    }

    #[test]
    fn only_reviews_have_a_difference_and_it_is_of_the_image() {
        let plain = RuleResult { code: "other".to_owned(), ..denied("/etc") };
        let reviewed = judged(vec![plain.clone(), denied("/etc")], &[]);
        assert_eq!(reviewed.denied[0], plain);
        let told = reviewed.denied[1].facts[DIFFERENCE].as_str().unwrap();
        assert_eq!(told, digest(&denied("/etc")));
        let image = Subject::Image("r.example/app@sha256:00".to_owned());
        let typed = help(&reviewed.denied[1], &image).unwrap();
        assert!(typed.contains(told), "{typed}");
        assert!(typed.contains("hallmark sign r.example/app@sha256:00 --predicate "), "{typed}");
        assert!(typed.contains("--approval approval.sigstore.json"), "{typed}");
        let typed = help(&reviewed.denied[1], &Subject::Run).unwrap();
        assert!(typed.contains("hallmark sign IMAGE "), "{typed}");
        assert_eq!(help(&plain, &image), None);
        let elsewhere = difference(&denied("/etc"), &MANIFEST.replace('b', "c"));
        assert_ne!(elsewhere.to_string(), told);
        let approval = given(&digest(&plain), MANIFEST, "security", YEAR);
        assert_eq!(judged(vec![plain], &[approval]).denied.len(), 1, "no review");
    }
}
