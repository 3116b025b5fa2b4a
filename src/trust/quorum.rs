//! How many of whom say the same about a rebuild.
//!
//! Turns the proven rebuild verdicts of one image into [`Attested`]: who says what, and whether enough rebuilders agree. Every
//! statement was proven by itself before, by a rule that lets its signer vouch for rebuilds; here the rule's threshold
//! counts distinct signers whose verdicts agree. A signer has one vote, that of its newest verdict which is no abstention.
//! Votes agree when the same configuration came out, which names every uncompressed layer; a higher rung supports a lower
//! one. How old a verdict is, its own word does not decide alone: it is as old as the earliest of that word, the times that are
//! proven of its signature, and the start of the certificate, so that nothing makes it younger (attack H37). A verdict against the
//! image does not grow old: only a later one of the same signer takes it back. Refuses to count verdicts for the image that are too old, that lie in the future, that contradict the published image itself, and that
//! are about a rebuild from provenance that is not proven: whoever may push can attach provenance, from which the
//! image comes out, or does not (attacks H30, H33).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Claimed, Proof, Signer, TrustRules, verified::Basis};
use crate::{
    attest::rebuilt::{REBUILD_VERDICT, RebuildVerdict},
    digest::{ConfigDigest, Digest, ManifestDigest},
    image::Image,
    limits::Limits,
    reference::Location,
};

/// What trusted rebuilders say about one image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attested {
    /// One vote for each signer, sorted by name.
    pub votes: Vec<Vote>,
    /// What enough of them agree on; the highest rung of it.
    pub agreement: Option<Agreement>,
    /// How many the rule that is nearest to being satisfied asks for; `None` where no rule speaks about rebuilds.
    pub needed: Option<usize>,
}

/// What one rebuilder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who: the name in the operator's configuration, not the one in the statement.
    pub signer: Signer,
    /// Whether and how it counts.
    pub weight: Weight,
    /// The rung; `None` for an abstention.
    pub level: Option<u8>,
    /// `compared`, or why there is no level.
    pub status: String,
    /// What came out.
    pub rebuilt: Option<(ManifestDigest, ConfigDigest)>,
    /// When the rebuild was done, in the verdict's own words.
    pub finished: Timestamp,
    /// Digest of the signed statement.
    pub payload: Digest,
}

/// Whether and how a vote counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For the image.
    For,
    /// Against it: the rebuild is different.
    Against,
    /// Neither: it could not be rebuilt there.
    Abstains,
    /// Not at all: older than allowed, or later than now. Never a verdict against the image.
    OutOfTime,
    /// Not at all: what it says cannot be true of this image.
    Contradicts,
    /// Not at all: it followed provenance that is not proven.
    OtherProvenance,
}

impl Weight {
    /// The word in reports and policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::For => "for",
            Self::Against => "against",
            Self::Abstains => "abstains",
            Self::OutOfTime => "out-of-time",
            Self::Contradicts => "contradicts",
            Self::OtherProvenance => "other-provenance",
        }
    }
}

/// What enough rebuilders agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The rung that all of them reached, 1 to 5.
    pub level: u8,
    /// What came out at all of them.
    pub config: ConfigDigest,
    /// Their names, sorted.
    pub signers: Vec<String>,
    /// How many it takes.
    pub threshold: usize,
}

impl Attested {
    /// Votes that count against the image.
    pub fn dissent(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().filter(|vote| vote.weight == Weight::Against)
    }
}

/// What decides whether a vote counts.
#[derive(Clone, Copy)]
pub struct Electorate<'a> {
    /// The operator's rules.
    pub rules: &'a TrustRules,
    /// Where the image is.
    pub location: &'a Location,
    /// The image.
    pub image: &'a Image,
    /// Digests of the proven provenance: what a rebuild that counts has followed.
    pub provenance: &'a BTreeSet<Digest>,
    /// How old a verdict for the image may be.
    pub max_age: SignedDuration,
    /// The time.
    pub now: Timestamp,
}

impl Electorate<'_> {
    /// Counts the verdicts among the proven statements; what is no verdict comes back with the reason.
    pub fn count(
        &self,
        attestations: &[Proof<Claimed>],
        limits: &Limits,
    ) -> (Attested, Vec<(Digest, String)>) {
        let (mut ballots, mut spoilt) = (BTreeMap::new(), Vec::new());
        for verified in attestations.iter().filter_map(Proof::proven) {
            let about = verified.subject() == &self.image.manifest.document.digest;
            if !about || *verified.basis() != Basis::Signed {
                continue;
            }
            let Some(read) = verified.value().rebuild(limits) else { continue };
            match &*read {
                Ok(verdict) => {
                    for signer in verified.signers() {
                        let ballot = self.ballot(signer, verdict, verified.payload());
                        keep_newer(&mut ballots, ballot);
                    }
                }
                Err(why) => spoilt.push((verified.payload().clone(), why.clone())),
            }
        }
        let votes: Vec<Vote> = ballots.into_values().map(|ballot| ballot.vote).collect();
        let (agreement, needed) = self.agreement(&votes);
        (Attested { votes, agreement, needed }, spoilt)
    }

    fn ballot(&self, signer: &Signer, verdict: &RebuildVerdict, payload: &Digest) -> Ballot {
        let rebuilt = verdict.rebuilt.as_ref().map(|r| (r.manifest.clone(), r.config.clone()));
        let finished = verdict.timing.finished_on;
        let level = verdict.level();
        let followed = verdict.provenance.as_ref().and_then(|used| used.digest.as_ref());
        let bound = followed.is_some_and(|digest| self.provenance.contains(digest));
        let says = match level {
            _ if !self.can_be(level, rebuilt.as_ref()) => Weight::Contradicts,
            None => Weight::Abstains,
            Some(_) if !bound => Weight::OtherProvenance,
            Some(0) => Weight::Against,
            Some(_) => Weight::For,
        };
        let at = signer.dates(Some(finished)).unwrap_or(finished).min(self.now);
        let to_come = finished > self.now;
        let old = self.now.duration_since(at) > self.max_age;
        let weight = match says {
            Weight::Against => says,
            _ if to_come || old => Weight::OutOfTime,
            _ => says,
        };
        let decides = says == Weight::Against || says == Weight::For && !to_come;
        let status = verdict.verdict.status.clone();
        let (signer, payload) = (signer.clone(), payload.clone());
        let vote = Vote { signer, weight, level, status, rebuilt, finished, payload };
        Ballot { vote, decides, at }
    }

    /// R5 is the published manifest itself, R4 its configuration; a rebuild that gave the manifest is R5.
    fn can_be(&self, level: Option<u8>, rebuilt: Option<&(ManifestDigest, ConfigDigest)>) -> bool {
        let (manifest, config) = match rebuilt {
            Some(rebuilt) => rebuilt,
            None => return level.is_none(),
        };
        let same_manifest = *manifest == self.image.manifest.document.digest;
        let same_config = *config == self.image.config.document.digest;
        match level {
            Some(5) => same_manifest && same_config,
            Some(4) => same_config && !same_manifest,
            _ => !same_manifest,
        }
    }

    /// The highest rung on which enough votes of one rule agree, else how many the nearest rule asks for.
    fn agreement(&self, votes: &[Vote]) -> (Option<Agreement>, Option<usize>) {
        let (mut best, mut needed): (Option<Agreement>, Option<usize>) = (None, None);
        let configs: BTreeSet<&ConfigDigest> =
            votes.iter().filter_map(|vote| Some(&vote.rebuilt.as_ref()?.1)).collect();
        let speaking =
            self.rules.rules().iter().filter(|r| r.grants(self.location, REBUILD_VERDICT));
        for rule in speaking {
            needed = Some(needed.map_or(rule.threshold, |n| n.min(rule.threshold)));
            for config in &configs {
                for level in 1..=5 {
                    let agree = |vote: &&Vote| {
                        vote.weight == Weight::For
                            && vote.level >= Some(level)
                            && vote.rebuilt.as_ref().is_some_and(|(_, c)| c == *config)
                            && rule.signers.contains(&vote.signer.name)
                    };
                    let signers: BTreeSet<&Signer> =
                        votes.iter().filter(agree).map(|vote| &vote.signer).collect();
                    let enough = self.rules.distinct_makers(&signers) >= rule.threshold;
                    if enough && best.as_ref().is_none_or(|best| best.level < level) {
                        best = Some(Agreement {
                            level,
                            config: (*config).clone(),
                            signers: super::rules::names(signers),
                            threshold: rule.threshold,
                        });
                    }
                }
            }
        }
        (best, needed)
    }
}

/// A vote, and what decides whether it is its signer's last word.
struct Ballot {
    vote: Vote,
    /// Whether it says what came out: one for the image takes back one against it, even where it is too old to count for anything.
    decides: bool,
    /// How old it is.
    at: Timestamp,
}

/// One vote for each signer: the newest that says something; then the newest that does not.
fn keep_newer(ballots: &mut BTreeMap<String, Ballot>, ballot: Ballot) {
    let rank = |ballot: &Ballot| (ballot.decides, ballot.at, ballot.vote.payload.clone());
    match ballots.get(&ballot.vote.signer.name) {
        Some(known) if rank(known) >= rank(&ballot) => {}
        _ => {
            ballots.insert(ballot.vote.signer.name.clone(), ballot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attest::{Carrier, Statement, rebuilt::tests::predicate},
        trust::{SignerIdentity, Verified, testing},
    };
    use serde_json::{Value, json};

    fn now() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    /// The provenance that counts.
    fn followed() -> Digest {
        Digest::sha256(b"provenance")
    }

    fn rules(names: &[&str], threshold: usize) -> TrustRules {
        let keys: Vec<testing::TestKey> = names.iter().map(|_| testing::TestKey::p256()).collect();
        let lists: Vec<[&testing::TestKey; 1]> = keys.iter().map(|key| [key]).collect();
        let signers: Vec<(&str, &[&testing::TestKey])> =
            names.iter().zip(&lists).map(|(name, list)| (*name, list.as_slice())).collect();
        testing::rules(&signers, &[("**", "rebuild", &names.join(" "), threshold)])
    }

    /// A verdict about the test image that is true of it at this level; `letter` names what came out below R4.
    fn verdict(image: &Image, level: u8, letter: &str) -> Value {
        let mut verdict = predicate(level, letter);
        verdict["provenance"]["digest"] = json!(followed().to_string());
        let (manifest, config) =
            (image.manifest.document.digest.to_string(), image.config.document.digest.to_string());
        if level == 5 {
            verdict["rebuilt"]["manifest"] = json!(manifest);
        }
        if level >= 4 {
            verdict["rebuilt"]["config"] = json!(config);
        }
        verdict
    }

    fn proven(image: &Image, name: &str, predicate: Value) -> Proof<Claimed> {
        let identity = SignerIdentity::Key { fingerprint: format!("{name:0<64}"), recorded: None };
        let subject = image.manifest.document.digest.clone();
        let payload = Digest::sha256(format!("{name}{predicate}").as_bytes());
        let statement = Statement {
            subjects: Vec::new(),
            predicate_type: REBUILD_VERDICT.to_owned(),
            predicate: predicate.into(),
        };
        let signer = Signer { name: name.to_owned(), identity };
        let carrier = Carrier::Label { key: "test".to_owned() };
        Proof::Proven(Verified::new(
            Claimed::proven(statement, &Limits::default()),
            subject,
            vec![signer],
            Basis::Signed,
            carrier,
            payload,
        ))
    }

    fn count(image: &Image, rules: &TrustRules, statements: &[Proof<Claimed>]) -> Attested {
        let electorate = Electorate {
            rules,
            location: &image.reference.location,
            image,
            provenance: &[followed()].into(),
            max_age: SignedDuration::from_hours(30 * 24),
            now: now(),
        };
        electorate.count(statements, &Limits::default()).0
    }

    #[test]
    fn enough_rebuilders_agree_on_the_rung_that_all_reached() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a", "b", "c"], 2);
        let five = |name: &str| proven(&image, name, verdict(&image, 5, "a"));
        let four = |name: &str| proven(&image, name, verdict(&image, 4, "a"));
        let level = |all: &[Proof<Claimed>]| count(&image, &rules, all).agreement.map(|a| a.level);
        assert_eq!(level(&[five("a")]), None, "one of two");
        assert_eq!(level(&[five("a"), five("a")]), None, "one twice");
        assert_eq!(level(&[five("a"), five("b")]), Some(5));
        assert_eq!(level(&[five("a"), four("b")]), Some(4), "the lower of both");
        assert_eq!(level(&[five("a"), four("b"), five("c")]), Some(5));
        let stranger = proven(&image, "stranger", verdict(&image, 5, "a"));
        assert_eq!(level(&[five("a"), stranger]), None);
    }

    #[test]
    fn rebuilds_with_different_results_do_not_agree() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a", "b"], 2);
        let low = |name: &str, letter: &str| proven(&image, name, verdict(&image, 2, letter));
        let agreed = |all: &[Proof<Claimed>]| count(&image, &rules, all).agreement.is_some();
        assert!(agreed(&[low("a", "d"), low("b", "d")]));
        assert!(!agreed(&[low("a", "d"), low("b", "e")]));
    }

    #[test]
    fn dissent_is_seen_and_abstention_is_none() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a", "b", "c"], 1);
        let mut silent = predicate(5, "a");
        silent["verdict"] = json!({ "status": "not-replayable" });
        silent.as_object_mut().unwrap().remove("rebuilt");
        let attested = count(
            &image,
            &rules,
            &[
                proven(&image, "a", verdict(&image, 5, "a")),
                proven(&image, "b", verdict(&image, 0, "d")),
                proven(&image, "c", silent),
            ],
        );
        let weights: Vec<_> = attested.votes.iter().map(|vote| vote.weight).collect();
        assert_eq!(weights, [Weight::For, Weight::Against, Weight::Abstains]);
        assert_eq!(attested.dissent().count(), 1);
        assert_eq!(attested.agreement.unwrap().signers, ["a"]);
    }

    #[test]
    fn what_is_old_or_cannot_be_true_does_not_count() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a"], 1);
        let weight = |pointer: &str, value: Value, level: u8| {
            let mut verdict = verdict(&image, level, "d");
            *verdict.pointer_mut(pointer).unwrap() = value;
            count(&image, &rules, &[proven(&image, "a", verdict)]).votes[0].weight
        };
        let digest = |letter: &str| json!(format!("sha256:{}", letter.repeat(64)));
        let published = json!(image.manifest.document.digest.to_string());
        let at = "/timing/finishedOn";
        assert_eq!(weight(at, json!("2025-12-03T00:00:00Z"), 5), Weight::For, "30 days");
        assert_eq!(weight(at, json!("2025-12-02T23:59:59Z"), 5), Weight::OutOfTime);
        assert_eq!(weight(at, json!("2026-01-02T00:00:00Z"), 5), Weight::For, "now");
        assert_eq!(weight(at, json!("2026-01-02T00:00:01Z"), 5), Weight::OutOfTime, "later");
        assert_eq!(weight("/rebuilt/manifest", digest("e"), 5), Weight::Contradicts);
        assert_eq!(weight("/rebuilt/config", digest("e"), 5), Weight::Contradicts);
        assert_eq!(weight("/rebuilt/config", digest("e"), 4), Weight::Contradicts);
        // What gave the published manifest is R5, and nothing less.
        for level in [0, 3, 4] {
            let weight = weight("/rebuilt/manifest", published.clone(), level);
            assert_eq!(weight, Weight::Contradicts, "{level}");
        }
    }

    /// H37: nothing makes a verdict younger than what is proven of its signature, and one against the image does not grow old.
    #[test]
    fn h37_a_verdict_is_as_old_as_its_evidence() {
        use crate::trust::sigstore::{ProvenTime, Recorded, SubjectName, TimeSource, Vouched};
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a"], 1);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (young, old) = ("2026-01-01T00:00:00Z", "2025-12-01T00:00:00Z");
        let times =
            |text: &str| vec![ProvenTime { time: time(text), source: TimeSource::Authority }];
        let key = |stamp: Option<&str>| SignerIdentity::Key {
            fingerprint: "ab".to_owned(),
            recorded: stamp
                .map(|text| Box::new(Recorded { times: times(text), log_indices: Vec::new() })),
        };
        let keyless = |start: &str, stamp: &str| {
            SignerIdentity::Keyless(Box::new(Vouched {
                issuer: None,
                subject: SubjectName::Email("a@x.example".to_owned()),
                claims: BTreeMap::new(),
                not_before: time(start),
                times: times(stamp),
                log_indices: Vec::new(),
            }))
        };
        let vote = |finished: &str, level: u8, identity: SignerIdentity| {
            let mut verdict = verdict(&image, level, "d");
            verdict["timing"]["finishedOn"] = json!(finished);
            let Proof::Proven(proof) = proven(&image, "a", verdict) else { panic!("proven") };
            let signer = Signer { name: "a".to_owned(), identity };
            let (value, subject) = (proof.value().clone(), proof.subject().clone());
            let (carrier, payload) = (proof.carrier().clone(), proof.payload().clone());
            let basis = Basis::Signed;
            Proof::Proven(Verified::new(value, subject, vec![signer], basis, carrier, payload))
        };
        let cases = [
            ("its own word", young, key(None), Weight::For),
            ("its own word makes it older", old, key(Some(young)), Weight::OutOfTime),
            ("stamped when it says", young, key(Some(young)), Weight::For),
            ("stamped before it says that it was done", young, key(Some(old)), Weight::OutOfTime),
            ("an old certificate, a stamp of today", young, keyless(old, young), Weight::OutOfTime),
            ("a certificate of its time", young, keyless(young, young), Weight::For),
            ("done before the certificate", old, keyless(young, young), Weight::OutOfTime),
        ];
        for (what, finished, identity, want) in cases {
            let attested = count(&image, &rules, &[vote(finished, 5, identity.clone())]);
            assert_eq!(attested.votes[0].weight, want, "{what}");
            assert_eq!(attested.agreement.is_some(), want == Weight::For, "{what}");
            let against = count(&image, &rules, &[vote(finished, 0, identity)]);
            assert_eq!(against.votes[0].weight, Weight::Against, "{what}");
        }
        let ancient = "2020-01-01T00:00:00Z";
        let later = |text: &str| vote(text, 5, key(None));
        for (words, want) in [
            (vec![vote(ancient, 0, key(None))], Weight::Against),
            (vec![vote("2026-01-02T00:00:01Z", 0, key(None))], Weight::Against),
            (vec![vote(ancient, 0, key(None)), later(young)], Weight::For),
            // Taken back, although what took it back counts for nothing any more.
            (vec![vote(ancient, 0, key(None)), later(old)], Weight::OutOfTime),
            (vec![vote(ancient, 0, key(None)), later("2099-01-01T00:00:00Z")], Weight::Against),
            (vec![vote(old, 0, key(None)), later(ancient)], Weight::Against),
        ] {
            assert_eq!(count(&image, &rules, &words).votes[0].weight, want, "{words:?}");
        }
    }

    #[test]
    fn h33_a_verdict_counts_for_the_provenance_that_it_followed() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a"], 1);
        let other = json!(Digest::sha256(b"another").to_string());
        for (level, own) in [(5, Weight::For), (0, Weight::Against)] {
            let verdict = verdict(&image, level, "d");
            let (mut elsewhere, mut nowhere) = (verdict.clone(), verdict.clone());
            elsewhere["provenance"]["digest"] = other.clone();
            nowhere["provenance"] = Value::Null;
            for (verdict, want) in [
                (verdict, own),
                (elsewhere, Weight::OtherProvenance),
                (nowhere, Weight::OtherProvenance),
            ] {
                let attested = count(&image, &rules, &[proven(&image, "a", verdict.clone())]);
                assert_eq!(attested.votes[0].weight, want, "{verdict}");
                assert_eq!(attested.agreement.is_some(), want == Weight::For, "{verdict}");
            }
        }
    }

    #[test]
    fn the_newest_word_of_a_rebuilder_counts_and_silence_takes_nothing_back() {
        let image = crate::rebuild::tests::image();
        let rules = rules(&["a"], 1);
        let at = |mut verdict: Value, hour: u8| {
            verdict["timing"]["finishedOn"] = json!(format!("2026-01-01T{hour:02}:00:00Z"));
            proven(&image, "a", verdict)
        };
        let mut silent = predicate(5, "a");
        silent["verdict"] = json!({ "status": "timeout" });
        silent.as_object_mut().unwrap().remove("rebuilt");
        let (good, bad) = (verdict(&image, 5, "a"), verdict(&image, 0, "d"));
        let weight = |all: &[Proof<Claimed>]| count(&image, &rules, all).votes[0].weight;
        assert_eq!(weight(&[at(good.clone(), 1), at(bad.clone(), 2)]), Weight::Against);
        assert_eq!(weight(&[at(bad, 1), at(good.clone(), 2)]), Weight::For);
        assert_eq!(weight(&[at(good, 1), at(silent, 2)]), Weight::For);
    }
}
