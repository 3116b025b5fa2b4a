//! Verifiers whose word stands in for one's own.
//!
//! Turns the proven verification summaries of one image into [`Delegation`]s: what each says, and whether it counts. A summary counts
//! where the operator names its signer *and* its verifier together, as a pair (slsa.dev/spec/v1.2/verification_summary, "How to verify"):
//! a key that signs for several verifiers speaks for none but the one that is named. Refuses to count what says that the image failed, is
//! about another resource, was judged by another policy, lacks a level, or is too old. How old it is, its own word does not
//! decide alone: it is as old as the earliest of that word, the times that are proven of its signature, and the start of the
//! certificate, so that nothing makes it younger. A failure does not grow old: only a later summary of the same pair takes it
//! back. What a delegate takes from others is not seen, so that a pass by delegation alone is never passed on.

use jiff::{SignedDuration, Timestamp};

use super::{Claimed, ImagePattern, Proof, Signer, TrustRules, verified::Basis};
use crate::{
    attest::predicate::{Predicate, summary::Summary},
    digest::Digest,
    image::Image,
    reference::Location,
};

/// A verifier whose summaries count, and what they have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegate {
    /// Images that it may judge: any of these.
    pub images: Vec<ImagePattern>,
    /// Name of the signer of its summaries.
    pub signer: String,
    /// Its `verifier.id`.
    pub verifier: String,
    /// Levels that have to be reached, each by itself or a higher one of its track.
    pub levels: Vec<String>,
    /// Digests of policies, by one of which it has to judge; any policy where there is none.
    pub policies: Vec<Digest>,
    /// How old a summary may be.
    pub max_age: SignedDuration,
}

/// What one delegate says of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    /// Who signed it.
    pub signer: Signer,
    /// The verifier, by the summary.
    pub verifier: String,
    /// Levels, by the summary.
    pub levels: Vec<String>,
    /// When it was made, at the latest; `None` where nothing says so.
    pub at: Option<Timestamp>,
    /// Digest of the signed statement.
    pub payload: Digest,
    /// Why it does not count; `None` where it does.
    pub why: Option<NotCounted>,
}

impl Delegation {
    /// Whether it stands in for one's own verdict.
    pub fn counts(&self) -> bool {
        self.why.is_none()
    }
}

/// Why a summary does not count; the later ones are nearer to counting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotCounted {
    /// Its verifier is not the one that the operator names beside its signer.
    #[error("trust.delegates names no such verifier beside this signer")]
    OtherVerifier,
    /// It is about something else.
    #[error("it is about {0:?}, which is not the name of this image")]
    OtherResource(String),
    /// It says that the image did not pass.
    #[error("it does not say that the image passed")]
    NotPassed,
    /// A later one of the same pair says that the image did not pass.
    #[error("a later summary of the same verifier does not say that the image passed")]
    TakenBack,
    /// It was judged by a policy that is not listed.
    #[error("it was judged by a policy whose digest trust.delegates[].policies does not list")]
    OtherPolicy,
    /// A level is missing.
    #[error("it lacks the level {0}")]
    Level(String),
    /// Nothing tells its age.
    #[error("it has no timeVerified, and nothing proves the time of its signature")]
    Undated,
    /// It is older than allowed.
    #[error("it is from {0}, and older than trust.delegates[].maxAge lets it be")]
    TooOld(Timestamp),
    /// It is from a time to come.
    #[error("it says that it was made on {0}, which is later than now")]
    ToCome(Timestamp),
}

impl Delegate {
    /// Whether it may judge images at this location.
    pub fn is_for(&self, location: &Location) -> bool {
        self.images.iter().any(|images| images.matches(location))
    }

    /// Everything that it says, each in its place.
    pub(in crate::trust) fn canonical(&self) -> String {
        format!("{self:?}")
    }

    /// What keeps a summary about the image from counting, be it the first of its pair or not.
    fn against(&self, said: &Said<'_>, now: Timestamp) -> Option<NotCounted> {
        let summary = &said.summary;
        if summary.verifier != self.verifier {
            return Some(NotCounted::OtherVerifier);
        }
        if !said.is_about {
            return Some(NotCounted::OtherResource(summary.resource.chars().take(200).collect()));
        }
        if !summary.passed() {
            return Some(NotCounted::NotPassed);
        }
        let digest = &summary.policy.digest;
        let is_listed = |wanted: &Digest| {
            digest.get(wanted.algorithm().name()).is_some_and(|hex| *hex == wanted.hex())
        };
        if !self.policies.is_empty() && !self.policies.iter().any(is_listed) {
            return Some(NotCounted::OtherPolicy);
        }
        let reached = |level: &&String| summary.levels.iter().any(|has| reaches(has, level));
        if let Some(level) = self.levels.iter().find(|level| !reached(level)) {
            return Some(NotCounted::Level(level.clone()));
        }
        match (said.at, summary.time) {
            (_, Some(time)) if time > now => Some(NotCounted::ToCome(time)),
            (None, _) => Some(NotCounted::Undated),
            (Some(at), _) if now.duration_since(at) > self.max_age => Some(NotCounted::TooOld(at)),
            (Some(_), _) => None,
        }
    }
}

/// Whether a level is the one that is asked for, or a higher one of the same track: a summary has only the highest of each.
fn reaches(level: &str, asked: &str) -> bool {
    let split = |text: &str| {
        let track = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (track, number) = text.split_at_checked(track)?;
        Some((track.to_owned(), number.parse::<u32>().ok()?))
    };
    level == asked
        || matches!((split(level), split(asked)), (Some(a), Some(b)) if a.0 == b.0 && a.1 >= b.1)
}

/// One summary by one of its signers.
struct Said<'a> {
    signer: &'a Signer,
    summary: Summary,
    payload: &'a Digest,
    is_about: bool,
    /// The earliest of its own word and what is proven.
    at: Option<Timestamp>,
}

impl Said<'_> {
    fn new<'a>(
        signer: &'a Signer,
        summary: Summary,
        payload: &'a Digest,
        is_about: bool,
    ) -> Said<'a> {
        let at = signer.dates(summary.time);
        Said { signer, summary, payload, is_about, at }
    }

    /// Whether this is a word against the image that `other`, of the same pair, does not take back.
    fn takes_back(&self, other: &Self) -> bool {
        let same = self.signer.name == other.signer.name
            && self.summary.verifier == other.summary.verifier;
        // What is undated may be the last word.
        let later = self.at.is_none() || self.at >= other.at;
        same && self.is_about && !self.summary.passed() && later
    }
}

/// What the operator's delegates say of the image, in an order of its own. Summaries of signers who are no delegate for images at this
/// location are not in it.
pub fn delegations(
    rules: &TrustRules,
    image: &Image,
    attestations: &[Proof<Claimed>],
    now: Timestamp,
) -> Vec<Delegation> {
    let location = &image.reference.location;
    let digests: Vec<Digest> = image.documents().map(|d| d.digest.digest().clone()).collect();
    let mut all = Vec::new();
    for verified in attestations.iter().filter_map(Proof::proven) {
        if *verified.basis() != Basis::Signed {
            continue;
        }
        // What cannot be read is a finding of its own.
        let Some(read) = verified.value().predicate() else { continue };
        let Ok(Predicate::Summary(summary)) = &*read else { continue };
        let is_about = summary.is_about(location, &digests);
        all.extend(
            verified
                .signers()
                .iter()
                .map(|signer| Said::new(signer, summary.clone(), verified.payload(), is_about)),
        );
    }
    let judged = all.iter().filter_map(|said| {
        let delegates = rules.delegates().iter();
        let delegates = delegates.filter(|d| d.signer == said.signer.name && d.is_for(location));
        // Where one pair counts it, the others have nothing to say.
        let why = delegates.map(|delegate| delegate.against(said, now)).reduce(nearer)?;
        let taken_back = || all.iter().any(|other| other.takes_back(said));
        let why = why.or_else(|| taken_back().then_some(NotCounted::TakenBack));
        Some(Delegation {
            signer: said.signer.clone(),
            verifier: said.summary.verifier.clone(),
            levels: said.summary.levels.clone(),
            at: said.at,
            payload: said.payload.clone(),
            why,
        })
    });
    let mut judged: Vec<_> = judged.collect();
    let rank =
        |d: &Delegation| (d.why.is_some(), d.signer.clone(), d.verifier.clone(), d.payload.clone());
    judged.sort_by_cached_key(rank);
    judged
}

fn nearer(one: Option<NotCounted>, other: Option<NotCounted>) -> Option<NotCounted> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        attest::{Carrier, Statement, predicate::summary},
        limits::Limits,
        trust::{SignerIdentity, Verified, testing},
    };

    const VERIFIER: &str = "https://verify.example/1";
    const POLICY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

    fn now() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    /// A summary about the image of the tests that counts, changed so.
    fn summary(image: &Image, change: impl FnOnce(&mut Value)) -> Value {
        let mut predicate = json!({
            "verifier": { "id": VERIFIER },
            "timeVerified": "2026-01-01T12:00:00Z",
            "resourceUri": image.reference.location.to_string(),
            "policy": { "uri": "https://p.example", "digest": { "sha256": POLICY } },
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3", "HALLMARK_REPRODUCED_R5"],
        });
        change(&mut predicate);
        predicate
    }

    fn said(image: &Image, signer: &str, predicate: Value) -> Proof<Claimed> {
        let identity = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
        let payload = Digest::sha256(format!("{signer}{predicate}").as_bytes());
        let predicate_type = summary::TYPE.to_owned();
        let statement =
            Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() };
        let subject = image.manifest.document.digest.clone();
        let signer = Signer { name: signer.to_owned(), identity };
        let carrier = Carrier::Label { key: "test".to_owned() };
        let basis = Basis::Signed;
        let claimed = Claimed::proven(statement, &Limits::default());
        Proof::Proven(Verified::new(claimed, subject, vec![signer], basis, carrier, payload))
    }

    fn delegate() -> Delegate {
        Delegate {
            images: vec!["**".parse().unwrap()],
            signer: "team".to_owned(),
            verifier: VERIFIER.to_owned(),
            levels: vec!["SLSA_BUILD_LEVEL_2".to_owned(), "HALLMARK_REPRODUCED_R4".to_owned()],
            policies: vec![format!("sha256:{POLICY}").parse().unwrap()],
            max_age: SignedDuration::from_hours(24),
        }
    }

    fn rules(delegates: Vec<Delegate>) -> TrustRules {
        let key = testing::TestKey::p256();
        testing::rules(&[("team", &[&key]), ("other", &[&key])], &[]).with_delegates(delegates)
    }

    fn judged(delegates: Vec<Delegate>, said: &[Proof<Claimed>]) -> Vec<Option<NotCounted>> {
        let judged = delegations(&rules(delegates), &testing::image(), said, now());
        judged.into_iter().map(|delegation| delegation.why).collect()
    }

    #[test]
    fn b13_a_summary_counts_for_the_pair_that_is_named_and_what_it_asks() {
        let image = testing::image();
        let level = |name: &str| Some(NotCounted::Level(name.to_owned()));
        let elsewhere = Some(NotCounted::OtherResource("r.example/other".to_owned()));
        type Case = (&'static str, fn(&mut Value), Option<NotCounted>);
        let cases: [Case; 16] = [
            ("as it should be", |_| {}, None),
            (
                "another verifier",
                |p| p["verifier"]["id"] = json!("https://verify.example/2"),
                Some(NotCounted::OtherVerifier),
            ),
            ("another resource", |p| p["resourceUri"] = json!("r.example/other"), elsewhere),
            ("failed", |p| p["verificationResult"] = json!("FAILED"), Some(NotCounted::NotPassed)),
            (
                "another word",
                |p| p["verificationResult"] = json!("passed"),
                Some(NotCounted::NotPassed),
            ),
            (
                "another policy",
                |p| p["policy"]["digest"]["sha256"] = json!("22"),
                Some(NotCounted::OtherPolicy),
            ),
            (
                "no digest",
                |p| p["policy"] = json!({ "uri": "https://p.example" }),
                Some(NotCounted::OtherPolicy),
            ),
            ("no levels", |p| p["verifiedLevels"] = json!([]), level("SLSA_BUILD_LEVEL_2")),
            (
                "a lower level",
                |p| p["verifiedLevels"][0] = json!("SLSA_BUILD_LEVEL_1"),
                level("SLSA_BUILD_LEVEL_2"),
            ),
            (
                "another track",
                |p| p["verifiedLevels"][0] = json!("SLSA_SOURCE_LEVEL_3"),
                level("SLSA_BUILD_LEVEL_2"),
            ),
            (
                "not evaluated",
                |p| p["verifiedLevels"][0] = json!("SLSA_BUILD_LEVEL_UNEVALUATED"),
                level("SLSA_BUILD_LEVEL_2"),
            ),
            (
                "too old",
                |p| p["timeVerified"] = json!("2025-12-31T23:59:59Z"),
                Some(NotCounted::TooOld("2025-12-31T23:59:59Z".parse().unwrap())),
            ),
            (
                "to come",
                |p| p["timeVerified"] = json!("2026-01-02T00:00:01Z"),
                Some(NotCounted::ToCome("2026-01-02T00:00:01Z".parse().unwrap())),
            ),
            ("as old as may be", |p| p["timeVerified"] = json!("2026-01-01T00:00:00Z"), None),
            ("of this moment", |p| p["timeVerified"] = json!("2026-01-02T00:00:00Z"), None),
            (
                "undated",
                |p| drop(p.as_object_mut().unwrap().remove("timeVerified")),
                Some(NotCounted::Undated),
            ),
        ];
        for (what, change, want) in cases {
            let said = [said(&image, "team", summary(&image, change))];
            assert_eq!(judged(vec![delegate()], &said), [want], "{what}");
        }
    }

    #[test]
    fn b13_whoever_is_no_delegate_for_the_image_says_nothing() {
        let image = testing::image();
        let good = || summary(&image, |_| {});
        let elsewhere = Delegate { images: vec!["x.example/**".parse().unwrap()], ..delegate() };
        assert_eq!(judged(vec![elsewhere], &[said(&image, "team", good())]), []);
        assert_eq!(judged(vec![delegate()], &[said(&image, "other", good())]), []);
        assert_eq!(judged(Vec::new(), &[said(&image, "team", good())]), []);
        let second = Delegate { verifier: "https://verify.example/2".to_owned(), ..delegate() };
        let third = Delegate { verifier: "https://verify.example/3".to_owned(), ..delegate() };
        let neither = judged(vec![second.clone(), third], &[said(&image, "team", good())]);
        assert_eq!(neither, [Some(NotCounted::OtherVerifier)], "none of two pairs");
        let both = vec![second, delegate()];
        assert_eq!(judged(both, &[said(&image, "team", good())]), [None], "one of two pairs");
    }

    #[test]
    fn b13_a_failure_is_taken_back_only_by_a_later_pass_of_the_same_pair() {
        let image = testing::image();
        let at = |result: &str, time: Option<&str>, verifier: &str| {
            let predicate = summary(&image, |p| {
                p["verificationResult"] = json!(result);
                p["verifier"]["id"] = json!(verifier);
                match time {
                    Some(time) => p["timeVerified"] = json!(format!("2026-01-01T{time}:00Z")),
                    None => drop(p.as_object_mut().unwrap().remove("timeVerified")),
                }
            });
            said(&image, "team", predicate)
        };
        let pass = || at("PASSED", Some("12:00"), VERIFIER);
        let cases = [
            ("earlier", at("FAILED", Some("11:59"), VERIFIER), true),
            ("at the same time", at("FAILED", Some("12:00"), VERIFIER), false),
            ("later", at("FAILED", Some("12:01"), VERIFIER), false),
            ("undated", at("FAILED", None, VERIFIER), false),
            ("of another verifier", at("FAILED", Some("12:01"), "https://v.example"), true),
        ];
        for (what, failed, counts) in cases {
            let judged = judged(vec![delegate()], &[failed, pass()]);
            assert_eq!(judged.contains(&None), counts, "{what}: {judged:?}");
        }
    }

    #[test]
    fn levels_of_a_track_include_the_lower_ones() {
        let cases = [
            ("SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_3", true),
            ("SLSA_BUILD_LEVEL_3", "SLSA_BUILD_LEVEL_2", true),
            ("SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3", false),
            ("SLSA_SOURCE_LEVEL_3", "SLSA_BUILD_LEVEL_2", false),
            ("OURS", "OURS", true),
            ("OURS", "", false),
            ("X99999999999", "X1", false),
            ("é1", "é1", true),
        ];
        for (has, asked, want) in cases {
            assert_eq!(reaches(has, asked), want, "{has} {asked}");
        }
    }
}
