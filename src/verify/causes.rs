//! Which findings follow from which, so that a report says one cause once.
//!
//! Turns the findings about a judged image into the same findings, of which each that would not be there without another one names
//! it. Severities and the decision stay what they are, and rules see none of it: they have spoken. Refuses to guess: what may have a
//! reason of its own names none. What strangers put beside an image is no cause, so that no one of them chooses what is said first.

use std::collections::BTreeSet;

use crate::{
    attest::{provenance::SLSA_V1, statement::SIGNATURE},
    finding::{Code, Fact, Finding, Key, Severity},
    policy::Deferred,
    rebuild::Rebuild,
    reference::{Location, PinnedReference},
    report::text::{plural, unproven},
    sign::{self, BUNDLE, is_archive},
    trust::{Claimed, Proof, Rule, TrustRules, Unproven},
    verdict::Evidence,
};

use super::sboms::SBOM;

/// Signers and places that are named.
const LISTED: usize = 4;

/// Why the layers of an image could not be had or read.
const UNREAD: [Code; 15] = [
    Code::ImageDigestMismatch,
    Code::ImageSizeMismatch,
    Code::ImageBlobMissing,
    Code::ImageMediaTypeUnknown,
    Code::ImageLayerCorrupt,
    Code::ImageLayerAmbiguous,
    Code::SourceUnavailable,
    Code::SourceUnreadable,
    Code::SourceNotSaved,
    Code::SourceUnauthorized,
    Code::SourceAddressRefused,
    Code::SourceRedirectRefused,
    Code::SourceCertificateRefused,
    Code::LimitExceeded,
    Code::InternalError,
];

/// Names the cause of each finding that has one.
pub(super) fn link(findings: &mut [Finding], evidence: &Evidence, trust: &TrustRules) {
    let seen = findings.iter().filter(|finding| !finding.is_remark());
    let is_expected = !signers(evidence, trust).is_empty();
    let links = Links { seen: seen.map(|finding| finding.code).collect(), evidence, is_expected };
    for finding in findings.iter_mut() {
        finding.because = match finding.code {
            Code::PolicyDenied => finding.because.filter(|lack| links.lacks(*lack)),
            _ => links.cause(finding).or(finding.because),
        };
    }
}

/// Signers who may vouch for the image, by the operator's names.
fn signers<'t>(evidence: &Evidence, trust: &'t TrustRules) -> BTreeSet<&'t str> {
    let location = &evidence.image.reference.location;
    let all = trust.rules().iter().filter(|rule| rule.grants(location, SIGNATURE));
    all.flat_map(|rule| rule.signers.iter().map(String::as_str)).collect()
}

/// Says with what is missing whose word was looked for, what is there instead, and what to type.
pub(super) fn tell(
    findings: &mut [Finding],
    evidence: &Evidence,
    trust: &TrustRules,
    policies: &Deferred,
) {
    let wanted = signers(evidence, trust);
    let others: Vec<(&Unproven, String)> =
        evidence.signatures.iter().filter_map(stranger).collect();
    for finding in findings.iter_mut() {
        match finding.code {
            Code::SignatureMissing => {
                tell_signature(finding, evidence, trust, &wanted, &others);
            }
            Code::ConfigTrustRuleUnused => {
                tell_rules(finding, evidence, trust, &policies.waits_for());
            }
            _ => {}
        }
        if is_archive(&evidence.image.reference.location) {
            tell_archive(finding);
        }
    }
}

/// Advice to sign, as it works for an archive: nothing is written into one.
fn tell_archive(finding: &mut Finding) {
    const SIGN: &str = "hallmark sign ";
    let help = finding.help();
    if help.contains(SIGN) && !help.contains(BUNDLE) {
        let help = help.replace(SIGN, &format!("{SIGN}{BUNDLE} "));
        let help = format!("{help}; an archive is verified with {BUNDLE}, too");
        finding.facts.insert(Key::Help, Fact::Text(help));
    }
}

fn tell_signature(
    finding: &mut Finding,
    evidence: &Evidence,
    trust: &TrustRules,
    wanted: &BTreeSet<&str>,
    others: &[(&Unproven, String)],
) {
    let image = &evidence.image.reference;
    let sign = to_sign(image, &ways(trust, wanted));
    if let Some(wanted) = listed(wanted.iter().map(ToString::to_string)) {
        finding.facts.insert(Key::Expect, Fact::Text(format!("a signature by {wanted}")));
        let help = match others {
            [] => format!("{sign}; a signature that lies elsewhere is taken from --bundle FILE"),
            // Of a signature by a key nobody can say more than that: a key has no name.
            _ => format!(
                "name who made it: the public key as --key FILE, or a keyless identity, which hallmark inspect {image} \
                 shows; or {sign}"
            ),
        };
        finding.facts.insert(Key::Help, Fact::Text(help));
    }
    if let Some((why, _)) = others.first() {
        let found = format!("{}: {}", plural(others.len(), "signature"), unproven(why));
        finding.facts.insert(Key::Found, Fact::Text(found));
    } else if is_bare(evidence) {
        let found = "no signature or attestation lies beside the image";
        finding.facts.insert(Key::Found, Fact::Text(found.to_owned()));
    }
    if let Some(places) = listed(others.iter().map(|(_, place)| place.clone())) {
        finding.facts.insert(Key::From, Fact::Text(places));
    }
}

/// How a signature comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Key,
    Identity,
}

/// How those sign who are expected.
fn ways(trust: &TrustRules, wanted: &BTreeSet<&str>) -> BTreeSet<Way> {
    let signers = wanted.iter().filter_map(|name| trust.signers().get(*name));
    let ways = signers.flat_map(|signer| {
        let (key, identity) = (signer.has_key(), signer.has_identity());
        [key.then_some(Way::Key), identity.then_some(Way::Identity)]
    });
    ways.flatten().collect()
}

/// What to type so that an image is signed in one of these ways. cosign signs what a registry has, and nothing else.
fn to_sign(image: &PinnedReference, ways: &BTreeSet<Way>) -> String {
    let sign = sign::with_key("PRIVATE", &image.location, image);
    let words = ways.iter().map(|way| match (way, &image.location) {
        (Way::Key, _) => format!("with the private key that belongs to it: {sign}"),
        (Way::Identity, Location::Registry(_)) => {
            format!("keyless with cosign in the job of that identity: cosign sign {image}")
        }
        (Way::Identity, _) => {
            let digest = &image.digest;
            format!(
                "in a registry, keyless with cosign in the job of that identity: push it there, then cosign sign \
                 REPOSITORY@{digest}"
            )
        }
    });
    format!("sign it {}", words.collect::<Vec<_>>().join(", or "))
}

/// Which images the rules are about, where there are rules, and the words of one that would be about this image and let its signers
/// vouch for all that the policies wait for.
fn tell_rules(
    finding: &mut Finding,
    evidence: &Evidence,
    trust: &TrustRules,
    waits_for: &BTreeSet<Code>,
) {
    let location = evidence.image.reference.location.to_string();
    let patterns: BTreeSet<String> =
        trust.rules().iter().flat_map(|rule| rule.images.iter().map(ToString::to_string)).collect();
    let why = match listed(patterns.into_iter()) {
        Some(patterns) => format!("trust.rules are about {patterns}"),
        None => "there is no rule under trust.rules, and no --key".to_owned(),
    };
    finding.facts.insert(Key::Why, Fact::Text(why));
    let names = listed(trust.signers().keys().cloned()).unwrap_or_else(|| "NAME".to_owned());
    let image = serde_json::Value::from(location);
    let predicates = predicates(waits_for).join(", ");
    let help = format!(
        "name who signs: --key FILE, or under trust.rules in hallmark.yaml: \
         {{images: [{image}], predicates: [{predicates}], signers: [{names}]}}; hallmark init IMAGE writes a first one"
    );
    finding.facts.insert(Key::Help, Fact::Text(help));
}

/// What signers have to be let vouch for, in the words of a rule. Whatever else is waited for, a signature is what proves something.
fn predicates(waits_for: &BTreeSet<Code>) -> Vec<&'static str> {
    let more = [(Code::ProvenanceMissing, "provenance"), (Code::SbomMissing, "sbom")];
    let more = more.into_iter().filter(|(code, _)| waits_for.contains(code));
    std::iter::once("signature").chain(more.map(|(_, word)| word)).collect()
}

/// Whether nobody says anything about the image: no signature, attestation or SBOM of any signer lies beside it or in it.
fn is_bare(evidence: &Evidence) -> bool {
    evidence.carriers.is_empty()
        && evidence.signatures.is_empty()
        && evidence.attestations.is_empty()
}

/// Why a signature over the image does not count, and where it lies.
fn stranger(proof: &Proof<Claimed>) -> Option<(&Unproven, String)> {
    match proof {
        Proof::Unproven { why: Unproven::OtherSubject, .. } => None,
        Proof::Unproven { why, carrier, .. } => Some((why, carrier.to_string())),
        Proof::Proven(_) | Proof::Missing => None,
    }
}

/// The first few of a list, and how many more there are.
fn listed(all: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let more = all.len().saturating_sub(LISTED);
    let mut words: Vec<String> = all.take(LISTED).collect();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// What is missing where a rule that is required is not satisfied, as far as a finding says that.
pub(super) fn of_unmet(rule: &Rule, evidence: &Evidence) -> Option<Code> {
    let location = &evidence.image.reference.location;
    let signed = evidence.signatures.iter().any(|proof| proof.proven().is_some());
    let listed = evidence.sboms.iter().any(|sbom| sbom.claim.proven().is_some());
    let lacks = [
        (SIGNATURE, signed, Code::SignatureMissing),
        (SLSA_V1, evidence.provenance.proven().is_some(), Code::ProvenanceMissing),
        (SBOM, listed, Code::SbomMissing),
    ];
    let lack = lacks.into_iter().find(|(class, there, _)| !there && rule.grants(location, class));
    lack.map(|(.., code)| code)
}

/// Why nothing is there: it could not be listed, or nobody's word would count.
const NOBODY_ASKED: [Code; 2] = [Code::ImageReferrersUnavailable, Code::ConfigTrustRuleUnused];

struct Links<'e> {
    /// What was found that may decide.
    seen: BTreeSet<Code>,
    evidence: &'e Evidence,
    /// Whether somebody may vouch for the image, so that a signature is what is waited for.
    is_expected: bool,
}

impl Links<'_> {
    fn cause(&self, finding: &Finding) -> Option<Code> {
        use Code::{ConfigTrustRuleUnused, ConfigTrustUnmatched, ProvenanceMissing};
        match finding.code {
            ConfigTrustRuleUnused => self.first(&[ConfigTrustUnmatched]),
            Code::SignatureMissing => self.of_signature(),
            Code::ProvenanceMissing => {
                self.of_claims(std::slice::from_ref(&self.evidence.provenance))
            }
            Code::SbomMissing => {
                let sboms: Vec<_> =
                    self.evidence.sboms.iter().map(|sbom| sbom.claim.map(|_| ())).collect();
                self.of_claims(&sboms)
            }
            Code::PolicyNothingProven => self.of_nothing(),
            Code::RebuildNotRun if self.has_nothing_to_follow(finding) => {
                self.first(&[ProvenanceMissing])
            }
            Code::RebuildInputsUntrusted => self.first(&[ProvenanceMissing]),
            Code::RebuildPublishedUnreadable => self.first(&UNREAD),
            _ => None,
        }
    }

    fn first(&self, codes: &[Code]) -> Option<Code> {
        codes.iter().copied().find(|code| self.seen.contains(code))
    }

    /// Where one is there, it may be that nobody is trusted at all; where none is, that it was not listed.
    fn of_signature(&self) -> Option<Code> {
        match self.evidence.signatures.iter().find_map(stranger) {
            Some(_) => self.first(&[Code::ConfigTrustRuleUnused]),
            None => self.first(&NOBODY_ASKED),
        }
    }

    /// Where a signature is there, that it does not count is why nothing does; so it is where one is waited for. Else there are many
    /// ways to prove something.
    fn of_nothing(&self) -> Option<Code> {
        match self.evidence.signatures.iter().find_map(stranger) {
            Some(_) => self.first(&[Code::SignatureMissing, Code::ConfigTrustRuleUnused]),
            None => self.first(&NOBODY_ASKED).or_else(|| self.of_waiting()),
        }
    }

    /// The signature that is waited for, where nobody says anything at all.
    fn of_waiting(&self) -> Option<Code> {
        let waits = self.is_expected && is_bare(self.evidence);
        if waits { self.first(&[Code::SignatureMissing]) } else { None }
    }

    /// A claim is there and does not count for the reason for which no signature does, or for want of one over what covers it.
    fn of_claims<T>(&self, claims: &[Proof<T>]) -> Option<Code> {
        let reason = |proof: &Proof<T>| match proof {
            Proof::Unproven { why, .. } => Some(why.clone()),
            Proof::Proven(_) | Proof::Missing => None,
        };
        let Some(why) = claims.iter().find_map(reason) else {
            return self.first(&NOBODY_ASKED).or_else(|| self.of_waiting());
        };
        let same =
            self.evidence.signatures.iter().filter_map(stranger).any(|(other, _)| *other == why);
        match why == Unproven::Unsigned || same {
            true => self.first(&[Code::SignatureMissing]),
            false => self.first(&[Code::ConfigTrustRuleUnused]),
        }
    }

    /// What a rule is about, by its METADATA, is told to be missing, and is.
    fn lacks(&self, lack: Code) -> bool {
        let is_missing = match lack {
            Code::ProvenanceMissing => self.evidence.provenance.proven().is_none(),
            _ => false,
        };
        is_missing && self.seen.contains(&lack)
    }

    /// A rebuild was wanted, and no provenance counts that it could follow.
    fn has_nothing_to_follow(&self, finding: &Finding) -> bool {
        match &self.evidence.rebuild {
            // A rule asks for it, and the image was denied before anything was built.
            Rebuild::NotAsked | Rebuild::Spared => {
                finding.severity == Severity::Error && self.evidence.provenance.proven().is_none()
            }
            Rebuild::Forbidden(_) => false,
            Rebuild::NoProvenance => true,
            _ => !self.evidence.warrant.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attest::{
            Carrier, Statement,
            provenance::{Producer, Provenance},
        },
        digest::{Digest, ManifestDigest},
        finding::Subject,
        limits::Limits,
        policy::{Bundle, Lack},
        trust::{
            SignerIdentity,
            testing::{TestKey, image, rules, said_by},
        },
    };

    fn unproven<T>(value: T, why: &Unproven) -> Proof<T> {
        let carrier = Carrier::Label { key: "k".to_owned() };
        Proof::Unproven { value, carrier, payload: Digest::sha256(b""), why: why.clone() }
    }

    fn signature() -> Statement {
        let predicate = serde_json::Value::Null.into();
        Statement { subjects: Vec::new(), predicate_type: SIGNATURE.to_owned(), predicate }
    }

    /// An image with signatures and provenance that do not count for these reasons.
    fn evidence(signatures: &[Unproven], provenance: Option<&Unproven>) -> Evidence {
        let signatures = signatures.iter().map(|why| unproven(signature().into(), why)).collect();
        let value = || Provenance::empty(Producer::Other, "x");
        let provenance = provenance.map_or(Proof::Missing, |why| unproven(value(), why));
        Evidence { signatures, provenance, ..Evidence::of_nothing(image()) }
    }

    fn policies(preset: &str) -> Deferred {
        Deferred::new(Bundle::preset(preset).unwrap(), Limits::default())
    }

    /// The cause of the last finding, where these are there.
    fn cause(evidence: &Evidence, codes: &[Code]) -> Option<Code> {
        let mut findings: Vec<Finding> =
            codes.iter().map(|code| Finding::new(*code, Subject::Run)).collect();
        let before = findings.clone();
        link(&mut findings, evidence, &rules(&[], &[]));
        for (one, other) in findings.iter().zip(&before) {
            let unlinked = one.clone().following(None);
            assert_eq!(unlinked, *other, "nothing else changes");
        }
        findings.last().and_then(|finding| finding.because)
    }

    #[test]
    fn what_does_not_count_for_the_same_reason_follows_from_it() {
        use Code::{
            ConfigTrustRuleUnused as Nobody, ConfigTrustUnmatched, ImageLayerCorrupt,
            ImageReferrersUnavailable as Unlisted, PolicyNothingProven, ProvenanceMissing,
            RebuildPublishedUnreadable, SignatureMissing, SourceUnavailable,
        };
        let unknown = Unproven::UnknownSigner;
        let not_allowed = Unproven::NotAllowed { signers: vec!["a".to_owned()] };
        let bare = || evidence(&[], None);
        let strange = || evidence(std::slice::from_ref(&unknown), Some(&unknown));
        let cases: Vec<(&str, Evidence, Vec<Code>, Option<Code>)> = vec![
            (
                "one signer",
                strange(),
                vec![SignatureMissing, ProvenanceMissing],
                Some(SignatureMissing),
            ),
            (
                "what a signature would cover",
                evidence(&[], Some(&Unproven::Unsigned)),
                vec![SignatureMissing, ProvenanceMissing],
                Some(SignatureMissing),
            ),
            (
                "another reason",
                evidence(std::slice::from_ref(&unknown), Some(&not_allowed)),
                vec![SignatureMissing, ProvenanceMissing],
                None,
            ),
            ("nothing there", bare(), vec![SignatureMissing, ProvenanceMissing], None),
            ("a cause that is not there", strange(), vec![ProvenanceMissing], None),
            ("nobody is trusted", strange(), vec![Nobody, SignatureMissing], Some(Nobody)),
            (
                "nobody is trusted, and nothing there",
                bare(),
                vec![Nobody, SignatureMissing],
                Some(Nobody),
            ),
            ("nor provenance", bare(), vec![Nobody, ProvenanceMissing], Some(Nobody)),
            (
                "not to be trusted",
                bare(),
                vec![ConfigTrustUnmatched, Nobody],
                Some(ConfigTrustUnmatched),
            ),
            ("not listed", bare(), vec![Unlisted, SignatureMissing], Some(Unlisted)),
            ("not listed, and there", strange(), vec![Unlisted, SignatureMissing], None),
            (
                "nothing proven",
                strange(),
                vec![SignatureMissing, PolicyNothingProven],
                Some(SignatureMissing),
            ),
            ("nothing there to prove", bare(), vec![SignatureMissing, PolicyNothingProven], None),
            (
                "an unreadable layer",
                bare(),
                vec![SourceUnavailable, RebuildPublishedUnreadable],
                Some(SourceUnavailable),
            ),
            (
                "a corrupt layer",
                bare(),
                vec![ImageLayerCorrupt, RebuildPublishedUnreadable],
                Some(ImageLayerCorrupt),
            ),
        ];
        for (name, evidence, codes, want) in cases {
            assert_eq!(cause(&evidence, &codes), want, "{name}");
        }
    }

    #[test]
    fn what_rules_ask_of_provenance_follows_where_none_is_proven() {
        let cause = |before: &[Code], proven: bool, lacks: Option<Lack>| {
            let before = before.iter().map(|code| Finding::new(*code, Subject::Run));
            let denied = Finding::new(Code::PolicyDenied, Subject::Run);
            let denied = denied.following(lacks.map(Lack::code));
            let mut findings: Vec<Finding> = before.chain([denied]).collect();
            let mut evidence = evidence(&[], None);
            if proven {
                let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
                let proven = said_by(signature(), by);
                evidence.provenance = proven.map(|_| Provenance::empty(Producer::Other, "x"));
            }
            link(&mut findings, &evidence, &rules(&[], &[]));
            link(&mut findings, &evidence, &rules(&[], &[]));
            findings.last().and_then(|finding| finding.because)
        };
        let (missing, lacks) = (Code::ProvenanceMissing, Some(Lack::Provenance));
        assert_eq!(cause(&[missing], false, lacks), Some(missing));
        assert_eq!(cause(&[], false, lacks), None, "nothing tells that it is missing");
        assert_eq!(cause(&[missing], true, lacks), None, "some is proven");
        assert_eq!(cause(&[missing], false, None), None, "a rule that says nothing of it");
    }

    #[test]
    fn a_rebuild_that_has_nothing_to_follow_lacks_provenance() {
        let of = |rebuild| Evidence { rebuild, ..evidence(&[], None) };
        let codes = [Code::ProvenanceMissing, Code::RebuildNotRun];
        let cases = [
            (Rebuild::NoProvenance, Some(Code::ProvenanceMissing)),
            (Rebuild::NotAsked, None),
            (Rebuild::Spared, None),
            (Rebuild::Forbidden("--no-rebuild"), None),
        ];
        for (rebuild, want) in cases {
            let name = format!("{rebuild:?}");
            assert_eq!(cause(&of(rebuild), &codes), want, "{name}");
        }
    }

    /// What strangers say is no cause (attack H30).
    #[test]
    fn h30_a_remark_is_no_cause() {
        let remark = Finding::new(Code::ImageReferrersUnavailable, Subject::Run).remark();
        let mut findings = vec![remark, Finding::new(Code::SignatureMissing, Subject::Run)];
        link(&mut findings, &evidence(&[], None), &rules(&[], &[]));
        assert_eq!(findings.last().and_then(|finding| finding.because), None);
    }

    /// Where a signer is named and nobody says anything, that is one cause.
    #[test]
    fn what_is_missing_beside_a_signature_that_is_waited_for_follows_from_it() {
        use Code::{PolicyNothingProven, ProvenanceMissing, SbomMissing, SignatureMissing};
        let key = TestKey::p256();
        let trust = rules(&[("release", &[&key])], &[("**", "signature", "release", 1)]);
        let follows = [PolicyNothingProven, ProvenanceMissing, SbomMissing];
        let causes = |evidence: &Evidence, trust: &TrustRules| {
            let all = [SignatureMissing].into_iter().chain(follows);
            let mut findings: Vec<Finding> =
                all.map(|code| Finding::new(code, Subject::Run)).collect();
            link(&mut findings, evidence, trust);
            findings.iter().skip(1).map(|finding| finding.because).collect::<Vec<_>>()
        };
        let bare = evidence(&[], None);
        assert_eq!(causes(&bare, &trust), [Some(SignatureMissing); 3]);
        // Nobody is named who would have to sign: each is missing by itself.
        assert_eq!(causes(&bare, &rules(&[], &[])), [None; 3]);
        // Something is there, and lacks the others for reasons of its own.
        let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
        let signed = Evidence { signatures: vec![said_by(signature(), by)], ..bare };
        assert_eq!(causes(&signed, &trust), [None; 3]);
    }

    #[test]
    fn whoever_is_expected_is_told_how_it_signs() {
        let key = TestKey::p256();
        let trust = rules(&[("release", &[&key])], &[("**", "signature", "release", 1)]);
        assert_eq!(ways(&trust, &["release", "nobody"].into()), [Way::Key].into());
        let at = |text: &str| {
            let location = crate::trust::testing::location(text);
            PinnedReference { location, digest: ManifestDigest::of(b"m") }
        };
        let registry = "r.example/x";
        let cases: [(&str, &[Way], &str, &str); 7] = [
            (
                registry,
                &[Way::Key],
                "hallmark sign --key PRIVATE r.example/x@sha256:",
                "cosign sign",
            ),
            (
                registry,
                &[Way::Identity],
                "sign it keyless with cosign in the job of that identity: cosign sign r.example/x@",
                "PRIVATE",
            ),
            (registry, &[Way::Key, Way::Identity], ", or keyless", "release"),
            ("oci:d", &[Way::Key], "hallmark sign --key PRIVATE oci:d@sha256:", "--bundle"),
            ("oci:d", &[Way::Identity], "then cosign sign REPOSITORY@sha256:", "oci:d"),
            (
                "oci-archive:a.tar",
                &[Way::Key],
                "hallmark sign --key PRIVATE --bundle FILE oci-archive:a.tar@sha256:",
                "cosign",
            ),
            ("docker-archive:a.tar", &[Way::Identity], "push it there", "docker-archive:"),
        ];
        for (place, ways, has, lacks) in cases {
            let told = to_sign(&at(place), &ways.iter().copied().collect());
            assert!(told.contains(has) && !told.contains(lacks), "{told}");
        }
    }

    #[test]
    fn advice_to_sign_an_archive_keeps_the_signature_in_a_file() {
        let told = |place: &str, code: Code| {
            let mut evidence = evidence(&[], None);
            evidence.image.reference.location = crate::trust::testing::location(place);
            let mut findings = vec![Finding::new(code, Subject::Run)];
            tell(&mut findings, &evidence, &rules(&[], &[]), &policies("baseline"));
            findings[0].help()
        };
        for code in [Code::SignatureMissing, Code::SbomMissing] {
            for place in ["oci-archive:a.tar", "docker-archive:a.tar"] {
                let told = told(place, code);
                assert!(told.contains("hallmark sign --bundle FILE --key KEY"), "{told}");
                assert!(told.ends_with("verified with --bundle FILE, too"), "{told}");
            }
            for place in ["oci:d", "r.example/x"] {
                assert_eq!(told(place, code), code.help(), "{place}");
            }
        }
        assert_eq!(told("oci-archive:a.tar", Code::SbomEmpty), Code::SbomEmpty.help());
    }

    #[test]
    fn a_rule_that_is_missing_lets_its_signers_vouch_for_all_that_is_waited_for() {
        let cases = [
            ("baseline", "predicates: [signature],"),
            ("signed", "predicates: [signature],"),
            ("slsa", "predicates: [signature, provenance],"),
            ("slsa-l3", "predicates: [signature, provenance],"),
            ("reproducible", "predicates: [signature, provenance, sbom],"),
            ("regulated", "predicates: [signature, provenance, sbom],"),
        ];
        for (preset, want) in cases {
            let mut findings = vec![Finding::new(Code::ConfigTrustRuleUnused, Subject::Run)];
            tell(&mut findings, &evidence(&[], None), &rules(&[], &[]), &policies(preset));
            let help = findings[0].help();
            assert!(help.contains(want), "{preset}: {help}");
        }
    }

    #[test]
    fn a_missing_signature_names_who_was_expected_and_what_is_there() {
        let key = TestKey::p256();
        let trust = rules(&[("release", &[&key])], &[("**", "signature", "release", 1)]);
        let told = |evidence: &Evidence| {
            let missing = Finding::new(Code::SignatureMissing, Subject::Run);
            let mut findings = vec![missing, Finding::new(Code::SbomMissing, Subject::Run)];
            tell(&mut findings, evidence, &trust, &policies("baseline"));
            assert_eq!(findings[1], Finding::new(Code::SbomMissing, Subject::Run));
            assert_eq!(findings[0].severity, Severity::Warning);
            assert!(findings[0].help().contains("hallmark sign "), "{findings:?}");
            let facts = findings[0].facts.iter().filter(|(key, _)| **key != Key::Help);
            facts.map(|(key, fact)| format!("{}: {fact}", key.name())).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&evidence(&[], None)),
            [
                "expect: a signature by release",
                "found: no signature or attestation lies beside the image"
            ]
        );
        let strange = vec![Unproven::UnknownSigner; 6];
        assert_eq!(
            told(&evidence(&strange, None)),
            [
                "expect: a signature by release",
                "found: 6 signatures: no configured signer made it",
                "from: label k, label k, label k, label k, 2 more",
            ]
        );
        // One about another image is not there.
        assert_eq!(told(&evidence(&[Unproven::OtherSubject], None)).len(), 1);
        let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
        let proven = Evidence { signatures: vec![said_by(signature(), by)], ..evidence(&[], None) };
        assert_eq!(told(&proven).len(), 1, "a proven one is nobody else's");
    }
}
