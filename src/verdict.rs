//! The verdict: what was seen, what was decided, and why.
//!
//! Turns [`Evidence`] and a policy's judgement into a [`Verdict`]. A pass is made only from [`Grounds`], grounds only from
//! proofs of the kinds that are listed here, and never from nothing. What a scanner or test says, what is in an image, and what
//! hallmark cannot read says nothing about where the image comes from, whoever signed it (attack H33). Any finding of severity error fails the image
//! whatever the policy says. Equal inputs give equal verdicts.

use std::sync::Arc;

use crate::{
    attest::{
        Carrier,
        predicate::{Outcome, Predicate},
        provenance::Provenance,
        statement::SIGNATURE,
    },
    contents::{
        Inventory,
        accounts::{Accounts, Base},
        malware::Malware,
        secrets::Secrets,
    },
    digest::{Digest, ManifestDigest},
    finding::{Code, Finding, Key, Severity, Subject},
    image::{Image, LeftOut, Platform},
    rebuild::{Gap, Rebuild, Warrant, plan::LayerTraces},
    sbom::{BoundSbom, Reconciliation},
    trust::{
        ApprovedBuild, Attested, Claimed, Delegation, Proof, Signer, SourceRefs, Verified,
        layout::{JudgedLayout, LayoutState},
        refs::Kind,
    },
    vulnerabilities::{database::Database, matching::Known, vex},
};

/// Everything that is known about one platform's image.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The image.
    pub image: Image,
    /// Carriers that were looked at, in the order in which they were found.
    pub carriers: Vec<Carrier>,
    /// Plain signatures over the image or its index.
    pub signatures: Vec<Proof<Claimed>>,
    /// Every attestation, with what was proven about it.
    pub attestations: Vec<Proof<Claimed>>,
    /// What became of each layout of in-toto that is for this image.
    pub layouts: Vec<JudgedLayout>,
    /// The provenance that counts: the proven one where there is one.
    pub provenance: Proof<Provenance>,
    /// Whether branch and tag of its source hold its commit.
    pub refs: SourceRefs,
    /// SBOMs of the image, with what was proven about them.
    pub sboms: Vec<SbomEvidence>,
    /// What is in the root filesystem; `None` where nothing asked for it.
    pub inventory: Option<Inventory>,
    /// Private keys and tokens in it; `None` where nothing asked for them.
    pub secrets: Option<Secrets>,
    /// What its files match of YARA rules; `None` where nothing asked for it.
    pub malware: Option<Malware>,
    /// What is known of its packages; `None` where there is no data.
    pub vulnerabilities: Option<Vulnerabilities>,
    /// Whose its files are; `None` where nothing asked for it.
    pub accounts: Option<Accounts>,
    /// How many of the layers are a known base's.
    pub base: Base,
    /// The build that somebody approved for images of this name.
    pub blueprint: Option<Arc<ApprovedBuild>>,
    /// What became of the rebuild.
    pub rebuild: Rebuild,
    /// Why it counts, if it does.
    pub warrant: Warrant,
    /// What trusted rebuilders say.
    pub attested: Attested,
    /// What verifiers say whose word may stand in for this verdict.
    pub delegated: Vec<Delegation>,
    /// What the layers tell about how to rebuild the image; empty where they were not read.
    pub traces: LayerTraces,
}

/// What is known of an image's packages.
#[derive(Debug, Clone)]
pub struct Vulnerabilities {
    /// The data.
    pub database: Database,
    /// What it says, or why it says nothing.
    pub known: Result<Known, String>,
    /// What trusted signers say of it (VEX).
    pub statements: Vec<vex::Statement>,
    /// What these say of each vulnerability, in the order of `known`.
    pub answers: Vec<vex::Answer>,
    /// Statements that are about none of them, by place, and why.
    pub unmatched: Vec<(usize, vex::Unmatched)>,
    /// Documents of trusted signers that cannot be read: where they are, and why.
    pub unread: Vec<(String, String)>,
}

/// An SBOM, and how it agrees with what is in the image.
#[derive(Debug, Clone)]
pub struct SbomEvidence {
    /// The SBOM, with what was proven about it.
    pub claim: Proof<BoundSbom>,
    /// How it agrees with the inventory; `None` where there is no inventory.
    pub reconciliation: Option<Reconciliation>,
}

/// The rung that is asked for where no setting says one, as in `policies/rebuild.rego`: reproducible.
pub(crate) const DEFAULT_LEVEL: u8 = 4;

/// What the operator asks of rebuilds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The rung of the ladder.
    pub level: u8,
    /// Whether the agreement of trusted rebuilders stands in for an own rebuild.
    pub accept_attested: bool,
}

impl Default for Asked {
    fn default() -> Self {
        Self { level: DEFAULT_LEVEL, accept_attested: false }
    }
}

impl Evidence {
    /// An image that nobody says anything about: what tests begin with.
    pub fn of_nothing(image: Image) -> Self {
        Self {
            layouts: Vec::new(),
            image,
            carriers: Vec::new(),
            signatures: Vec::new(),
            attestations: Vec::new(),
            provenance: Proof::Missing,
            refs: SourceRefs::default(),
            sboms: Vec::new(),
            inventory: None,
            secrets: None,
            malware: None,
            vulnerabilities: None,
            accounts: None,
            base: Base::default(),
            blueprint: None,
            rebuild: Rebuild::NotAsked,
            warrant: Warrant::default(),
            attested: Attested::default(),
            delegated: Vec::new(),
            traces: LayerTraces::default(),
        }
    }

    /// What rules rely on and the repository does not bear out: that branch or tag hold the commit.
    pub fn ref_gaps(&self) -> Vec<Gap> {
        let Some(proven) = self.provenance.proven() else { return Vec::new() };
        let gap = |(kind, name, why): (Kind, String, String)| {
            Gap {
            code: "commit-not-in-ref",
            field: kind.name().to_owned(),
            why: format!("{name}: {why}"),
            fix: "build from a commit that the branch or tag holds, in a repository that can be asked for its history"
                .to_owned(),
        }
        };
        self.refs.gaps(proven.value()).into_iter().map(gap).collect()
    }
}

/// A reason to pass: who vouches for what, or that it was rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ground {
    /// A configured signer's statement about this image.
    Statement {
        /// Predicate type.
        predicate_type: String,
        /// Who vouches.
        signers: Vec<Signer>,
        /// Digest of the signed payload.
        payload: Digest,
    },
    /// The image came out of the supply chain that a configured layout describes.
    Layout {
        /// The layout's name.
        name: String,
        /// Its owners' keys.
        signers: Vec<Signer>,
        /// Digest of the layout.
        payload: Digest,
    },
    /// The image was rebuilt, at the rung that is asked for or above it.
    Rebuilt {
        /// Digest of the rebuilt manifest.
        manifest: ManifestDigest,
        /// The level's number.
        level: u8,
        /// Why it counts: `proven` or `trusted-inputs`.
        warrant: &'static str,
    },
    /// Enough trusted rebuilders agree, and the operator lets that stand in for an own rebuild.
    Attested {
        /// The level that all of them reached.
        level: u8,
        /// Who they are.
        signers: Vec<String>,
    },
    /// A verifier that the operator named says that it passed.
    Delegated {
        /// Its own name for itself.
        verifier: String,
        /// Who signed its word.
        signer: String,
        /// Levels that it found.
        levels: Vec<String>,
        /// Digest of the signed summary.
        payload: Digest,
    },
}

impl Ground {
    /// The ground that a proven statement is: a signature, or provenance that can be read.
    pub fn statement(verified: &Verified<Claimed>) -> Option<Self> {
        let claimed = verified.value();
        let predicate_type = &claimed.predicate_type;
        let speaks_for_it = predicate_type == SIGNATURE
            || claimed.provenance().is_some_and(|provenance| provenance.is_ok());
        speaks_for_it.then(|| Self::Statement {
            predicate_type: predicate_type.clone(),
            signers: verified.signers().to_vec(),
            payload: verified.payload().clone(),
        })
    }

    /// The ground that the agreement of others is, where the operator lets it be one.
    pub fn attested(evidence: &Evidence, asked: Asked) -> Option<Self> {
        let agreement = evidence.attested.agreement.as_ref()?;
        let against = evidence.attested.dissent().next().is_some();
        let high_enough = agreement.level >= asked.level;
        (asked.accept_attested && !against && high_enough)
            .then(|| Self::Attested { level: agreement.level, signers: agreement.signers.clone() })
    }

    /// The ground that the word of another verifier is, where it counts.
    pub fn delegated(delegation: &Delegation) -> Option<Self> {
        delegation.counts().then(|| Self::Delegated {
            verifier: delegation.verifier.clone(),
            signer: delegation.signer.name.clone(),
            levels: delegation.levels.clone(),
            payload: delegation.payload.clone(),
        })
    }

    /// The ground that a proven layout is.
    pub fn layout(judged: &JudgedLayout) -> Option<Self> {
        let LayoutState::Proven(verified) = &judged.state else { return None };
        Some(Self::Layout {
            name: judged.name.clone(),
            signers: verified.signers().to_vec(),
            payload: verified.payload().clone(),
        })
    }

    /// The ground that a rebuild is, where it counts and reached what is asked for.
    pub fn rebuilt(evidence: &Evidence, asked: Asked) -> Option<Self> {
        let Rebuild::Compared(rebuilt) = &evidence.rebuild else { return None };
        let warrant = evidence.warrant.name()?;
        let level = rebuilt.comparison.level.number();
        let manifest = rebuilt.manifest.clone();
        (level >= asked.level.max(1)).then_some(Self::Rebuilt { manifest, level, warrant })
    }
}

/// What a statement says against an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Against {
    /// A verifier or test did not let it pass.
    #[error("{0}")]
    Failed(String),
    /// A verifier judged something else.
    #[error("the summary is about {0:?}, which is not the name of this image")]
    OtherResource(String),
}

/// Whether what was read speaks for the image. Only the format's own word for success does; what says neither is against.
///
/// # Errors
/// What it says against it.
pub fn standing(content: Option<&Predicate>, image: &Image) -> Result<(), Against> {
    let outcome = |who: &str, outcome: Outcome| match outcome {
        Outcome::Passed | Outcome::Warned => Ok(()),
        Outcome::Failed => Err(Against::Failed(format!("{who} says that it failed"))),
        Outcome::Unknown => {
            Err(Against::Failed(format!("{who} says neither that it passed nor that it failed")))
        }
    };
    match content {
        Some(Predicate::Summary(summary)) => {
            let digests: Vec<Digest> =
                image.documents().map(|document| document.digest.digest().clone()).collect();
            if !summary.is_about(&image.reference.location, &digests) {
                return Err(Against::OtherResource(summary.resource.chars().take(200).collect()));
            }
            outcome(&format!("the verifier {:?}", summary.verifier), summary.result)
        }
        Some(Predicate::TestResult(tests)) => outcome("the test result", tests.result),
        _ => Ok(()),
    }
}

/// Why an image passes; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    first: Ground,
    rest: Vec<Ground>,
}

impl Grounds {
    /// All grounds that the evidence gives; `None` where it gives none.
    pub fn of(evidence: &Evidence, asked: Asked) -> Option<Self> {
        let statements = evidence.signatures.iter().chain(&evidence.attestations);
        let mut grounds = statements
            .filter_map(Proof::proven)
            .filter_map(Ground::statement)
            .chain(evidence.layouts.iter().filter_map(Ground::layout))
            .chain(Ground::rebuilt(evidence, asked))
            .chain(Ground::attested(evidence, asked))
            .chain(evidence.delegated.iter().filter_map(Ground::delegated));
        let first = grounds.next()?;
        Some(Self { rest: grounds.collect(), first })
    }

    /// Every ground, at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Ground> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// Pass or fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything that the policy asks for was proven.
    Pass(Grounds),
    /// Something was not; at least one reason.
    Fail(Box<Finding>, Vec<Finding>),
}

impl Decision {
    /// Decides: a finding of severity error fails; so does a lack of any ground.
    pub fn from(findings: &[Finding], grounds: Option<Grounds>, nothing_proven: Finding) -> Self {
        let mut errors =
            findings.iter().filter(|f| f.severity == Severity::Error).cloned().collect::<Vec<_>>();
        if !errors.is_empty() {
            let first = errors.remove(0);
            return Self::Fail(Box::new(first), errors);
        }
        match grounds {
            Some(grounds) => Self::Pass(grounds),
            None => Self::Fail(Box::new(nothing_proven), Vec::new()),
        }
    }

    /// Whether it is a pass.
    pub fn is_pass(&self) -> bool {
        matches!(self, Self::Pass(_))
    }
}

/// What was judged for one platform.
#[derive(Debug, Clone)]
pub struct PlatformVerdict {
    /// The platform, where an image for it could be read.
    pub platform: Option<Platform>,
    /// Digest of the platform's manifest, where it is known.
    pub manifest: Option<ManifestDigest>,
    /// Pass or fail.
    pub decision: Decision,
    /// Everything that was seen, sorted, the gravest first.
    pub findings: Vec<Finding>,
    /// The evidence, where the image could be read.
    pub evidence: Option<Box<Evidence>>,
}

/// What a verdict depends on: equal inputs give an equal verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Digest of the policies and their data.
    pub policy: Digest,
    /// Digest of the trust rules and keys.
    pub trust: Digest,
    /// What is asked of rebuilds.
    pub asked: Asked,
    /// Version of hallmark.
    pub version: &'static str,
}

/// The verdict over one reference.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What was judged.
    pub subject: crate::reference::PinnedReference,
    /// One for each manifest that was judged; never empty.
    pub platforms: Vec<PlatformVerdict>,
    /// What the reference lists for other platforms and nobody judged.
    pub left_out: Vec<LeftOut>,
    /// What it depends on.
    pub inputs: Inputs,
    /// When it was judged.
    pub time: jiff::Timestamp,
}

impl Verdict {
    /// The verdict of another time than now, which every report says.
    #[must_use]
    pub fn of_another_time(mut self) -> Self {
        for judged in &mut self.platforms {
            let subject = Subject::Image(self.subject.to_string());
            let why = format!("it says what held, or will hold, at {}", self.time);
            judged.findings.push(Finding::new(Code::PolicyOtherTime, subject).with(Key::Why, why));
            judged.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        }
        self
    }

    /// Passes only if every platform passes.
    pub fn is_pass(&self) -> bool {
        !self.platforms.is_empty() && self.platforms.iter().all(|p| p.decision.is_pass())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        attest::{Statement, provenance},
        compare::{Comparison, Level},
        digest::ConfigDigest,
        rebuild::{Coverage, Determinism, EngineKind, EngineReport, Numbers, Rebuilt},
        trust::{
            Agreement, NotCounted, SignerIdentity, Vote, Weight,
            testing::{image, said_by},
        },
    };

    /// Evidence of one proven attestation and nothing else.
    fn evidence(predicate_type: &str, predicate: Value) -> Evidence {
        let predicate_type = predicate_type.to_owned();
        let statement =
            Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() };
        let by = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
        let attestations = vec![said_by(statement, by)];
        Evidence { attestations, ..Evidence::of_nothing(image()) }
    }

    #[test]
    fn b12_h33_grounds_are_listed() {
        let summary = |result: &str| {
            json!({
                "verifier": { "id": "v" }, "timeVerified": "2026-11-25T00:00:00Z",
                "resourceUri": "r.example/team/app", "policy": { "uri": "p" },
                "verificationResult": result, "verifiedLevels": [],
            })
        };
        let vsa = "https://slsa.dev/verification_summary/v1";
        let tests = "https://in-toto.io/attestation/test-result/v0.1";
        let result = |word: &str| json!({ "result": word, "configuration": [] });
        let built = json!({
            "buildDefinition": { "buildType": "https://b.example/t", "externalParameters": {} },
            "runDetails": { "builder": { "id": "https://b.example" } },
        });
        let cases = [
            // Not by itself: whose word stands in for a verdict, trust.delegates says.
            (vsa, summary("PASSED"), false),
            (vsa, summary("FAILED"), false),
            (vsa, summary("passed"), false),
            (vsa, json!({}), false),
            (tests, result("PASSED"), false),
            (tests, result("FAILED"), false),
            ("https://example.com/unknown/v1", json!({ "result": "PASSED" }), false),
            (SIGNATURE, json!({}), true),
            (provenance::SLSA_V1, built, true),
            (provenance::SLSA_V1, json!({ "buildDefinition": 1 }), false),
            ("https://spdx.dev/Document", json!({ "spdxVersion": "SPDX-2.3" }), false),
            ("https://cosign.sigstore.dev/attestation/vuln/v1", json!({}), false),
            ("https://hallmark.dev/rebuild-verdict/v0.1", json!({}), false),
        ];
        for (predicate_type, predicate, is_ground) in cases {
            let grounds =
                Grounds::of(&evidence(predicate_type, predicate.clone()), Asked::default());
            assert_eq!(grounds.is_some(), is_ground, "{predicate_type}: {predicate}");
        }
    }

    /// What rebuilders agree on is a ground at the asked rung and above it, where the operator lets it be one and nobody dissents.
    #[test]
    fn the_agreement_of_others_is_a_ground_under_all_of_its_conditions() {
        let hex = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let vote = |weight| Vote {
            signer: Signer {
                name: "b".to_owned(),
                identity: SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None },
            },
            weight,
            level: Some(0),
            status: "compared".to_owned(),
            rebuilt: None,
            finished: jiff::Timestamp::UNIX_EPOCH,
            payload: hex("c").parse().unwrap(),
        };
        let agreement = |level| Agreement {
            level,
            config: hex("d").parse().unwrap(),
            signers: vec!["a".to_owned()],
            threshold: 1,
        };
        // Agreed rung, asked rung, accepted, votes besides, and whether it is a ground.
        let cases = [
            (Some(4), 4, true, vec![], true),
            (Some(5), 4, true, vec![vote(Weight::For), vote(Weight::Abstains)], true),
            (Some(3), 4, true, vec![], false),
            (Some(4), 4, false, vec![], false),
            (Some(4), 4, true, vec![vote(Weight::For), vote(Weight::Against)], false),
            (None, 4, true, vec![vote(Weight::For)], false),
        ];
        for (level, asked_level, accept_attested, votes, is_ground) in cases {
            let attested = Attested { votes, agreement: level.map(agreement), needed: Some(1) };
            let case =
                format!("{level:?} of {asked_level}, {accept_attested}, {:?}", attested.votes);
            let evidence = Evidence { attested, ..Evidence::of_nothing(image()) };
            let asked = Asked { level: asked_level, accept_attested };
            let ground = Ground::attested(&evidence, asked);
            let want = level.filter(|_| is_ground);
            let want = want.map(|level| Ground::Attested { level, signers: vec!["a".to_owned()] });
            assert_eq!(ground, want, "{case}");
            assert_eq!(Grounds::of(&evidence, asked).is_some(), is_ground, "{case}");
        }
    }

    /// Evidence of a rebuild that reached this rung.
    fn rebuilt_at(level: Level, warrant: Warrant) -> Evidence {
        let engine = EngineReport {
            kind: EngineKind::Buildkit,
            driver: "d".to_owned(),
            version: "v".to_owned(),
            reason: String::new(),
            network: provenance::Network::None,
            numbers: Numbers::Own,
            ephemeral: true,
            served: None,
            unbounded: None,
        };
        let comparison = Comparison {
            level,
            differences: Vec::new(),
            omitted: 0,
            layers: Vec::new(),
            packages: Vec::new(),
            allowed: Vec::new(),
        };
        let rebuild = Rebuild::Compared(Box::new(Rebuilt {
            engine,
            manifest: ManifestDigest::of(b"rebuilt"),
            config: ConfigDigest::of(b"rebuilt"),
            diff_ids: Vec::new(),
            comparison,
            determinism: Determinism::NotNeeded,
            coverage: Coverage::default(),
            exporter: crate::rebuild::tests::plan().exporter,
            pins: Digest::sha256(b"pins"),
            frontend: None,
        }));
        Evidence { rebuild, warrant, ..Evidence::of_nothing(image()) }
    }

    /// A rebuild is a ground at the asked rung and above it, never at R0, and where it counts at all.
    #[test]
    fn b12_a_rebuild_is_a_ground_where_it_counts_and_reaches_what_is_asked() {
        let nothing = || Warrant::None(Vec::new());
        let cases = [
            (Level::ConfigIdentical, 4, Warrant::Proven, Some("proven")),
            (Level::ManifestIdentical, 4, Warrant::TrustedInputs, Some("trusted-inputs")),
            (Level::LayersIdentical, 4, Warrant::Proven, None),
            (Level::ManifestIdentical, 4, nothing(), None),
            (Level::ManifestIdentical, 0, nothing(), None),
            (Level::Explained, 1, Warrant::Proven, Some("proven")),
            (Level::Explained, 0, Warrant::Proven, Some("proven")),
            // Where no rung is asked for, a different image is still none.
            (Level::Different, 0, Warrant::Proven, None),
            (Level::Different, 1, Warrant::TrustedInputs, None),
        ];
        for (level, asked, warrant, want) in cases {
            let case = format!("{level:?} of {asked}, {warrant:?}");
            let asked = Asked { level: asked, accept_attested: false };
            let evidence = rebuilt_at(level, warrant);
            let manifest = ManifestDigest::of(b"rebuilt");
            let want =
                want.map(|warrant| Ground::Rebuilt { manifest, level: level.number(), warrant });
            assert_eq!(Ground::rebuilt(&evidence, asked), want, "{case}");
            assert_eq!(Grounds::of(&evidence, asked).is_some(), want.is_some(), "{case}");
        }
        let none = Ground::rebuilt(&Evidence::of_nothing(image()), Asked::default());
        assert_eq!(none, None, "nothing was rebuilt");
    }

    /// A summary or test result holds by the format's own word for success alone, and a summary only about this image.
    #[test]
    fn h33_only_a_result_of_success_about_this_image_speaks_for_it() {
        let summary = |result: &str, resource: &str| {
            let predicate = json!({
                "verifier": { "id": "v" }, "resourceUri": resource, "policy": { "uri": "p" },
                "verificationResult": result, "verifiedLevels": [],
            });
            (crate::attest::predicate::summary::TYPE, predicate)
        };
        let tests = |result: &str| {
            let predicate = json!({ "result": result, "configuration": [] });
            (crate::attest::predicate::test_result::TYPE, predicate)
        };
        let here = "r.example/team/app";
        // The statement, and a word of what it says against the image.
        let cases = [
            (summary("PASSED", here), None),
            (summary("FAILED", here), Some("says that it failed")),
            (summary("SURE", here), Some("neither that it passed nor")),
            (summary("PASSED", "r.example/other"), Some("not the name of this image")),
            (tests("PASSED"), None),
            (tests("WARNED"), None),
            (tests("FAILED"), Some("says that it failed")),
            (tests("SURE"), Some("neither that it passed nor")),
        ];
        for ((kind, predicate), want) in cases {
            let evidence = evidence(kind, predicate.clone());
            let claimed = evidence.attestations[0].value().unwrap();
            let read = claimed.predicate().unwrap().into_owned().unwrap();
            let held = standing(Some(&read), &evidence.image).map_err(|why| why.to_string());
            match want {
                None => assert_eq!(held, Ok(()), "{predicate}"),
                Some(word) => assert!(held.unwrap_err().contains(word), "{predicate}"),
            }
        }
        assert_eq!(standing(None, &image()), Ok(()));
    }

    #[test]
    fn b13_the_word_of_another_verifier_is_a_ground_where_it_counts() {
        for (why, is_ground) in [(None, true), (Some(NotCounted::NotPassed), false)] {
            let identity = SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None };
            let delegation = Delegation {
                signer: Signer { name: "team".to_owned(), identity },
                verifier: "https://verify.example/1".to_owned(),
                levels: vec!["SLSA_BUILD_LEVEL_3".to_owned()],
                at: None,
                payload: Digest::sha256(b"summary"),
                why,
            };
            let evidence =
                Evidence { delegated: vec![delegation], ..Evidence::of_nothing(image()) };
            let grounds = Grounds::of(&evidence, Asked::default());
            assert_eq!(grounds.is_some(), is_ground, "{:?}", evidence.delegated);
        }
    }

    /// An error fails whatever the grounds are, its first one first; without grounds nothing passes.
    #[test]
    fn errors_and_nothing_fail() {
        let grounds = || Grounds::of(&evidence(SIGNATURE, json!({})), Asked::default());
        let finding = |code: Code, severity| Finding::new(code, Subject::Run).at(severity);
        let (a, b) = (Code::ImageMalformed, Code::PolicyDenied);
        let nothing = || finding(Code::PolicyNothingProven, Severity::Error);
        let cases = [
            (vec![], true, None),
            (vec![finding(a, Severity::Warning), finding(b, Severity::Info)], true, None),
            (vec![finding(a, Severity::Warning), finding(b, Severity::Error)], true, Some((b, 0))),
            (vec![finding(a, Severity::Error), finding(b, Severity::Error)], true, Some((a, 1))),
            (vec![finding(a, Severity::Error)], false, Some((a, 0))),
            (vec![finding(a, Severity::Warning)], false, Some((Code::PolicyNothingProven, 0))),
        ];
        for (findings, proven, fails) in cases {
            let decision = Decision::from(&findings, grounds().filter(|_| proven), nothing());
            assert_eq!(decision.is_pass(), fails.is_none(), "{findings:?}");
            let why = match &decision {
                Decision::Fail(first, rest) => Some((first.code, rest.len())),
                Decision::Pass(_) => None,
            };
            assert_eq!(why, fails, "{findings:?}");
        }
    }

    #[test]
    fn a_verdict_passes_where_there_are_platforms_and_all_of_them_pass() {
        let grounds = || Grounds::of(&evidence(SIGNATURE, json!({})), Asked::default());
        let pass = || Decision::Pass(grounds().unwrap());
        let fail = || {
            let finding = Finding::new(Code::PolicyDenied, Subject::Run).at(Severity::Error);
            Decision::Fail(Box::new(finding), Vec::new())
        };
        let platform = |decision| PlatformVerdict {
            platform: None,
            manifest: None,
            decision,
            findings: Vec::new(),
            evidence: None,
        };
        let digest = || Digest::sha256(b"x");
        for (decisions, passes) in [
            (vec![], false),
            (vec![pass()], true),
            (vec![pass(), pass()], true),
            (vec![pass(), fail()], false),
            (vec![fail(), pass()], false),
            (vec![fail()], false),
        ] {
            let verdict = Verdict {
                subject: image().reference,
                platforms: decisions.into_iter().map(platform).collect(),
                left_out: Vec::new(),
                inputs: Inputs {
                    policy: digest(),
                    trust: digest(),
                    asked: Asked::default(),
                    version: "1",
                },
                time: jiff::Timestamp::UNIX_EPOCH,
            };
            assert_eq!(verdict.is_pass(), passes, "{:?}", verdict.platforms);
        }
    }

    #[test]
    fn a_verdict_of_another_time_says_so_and_decides_the_same() {
        let grounds = Grounds::of(&evidence(SIGNATURE, json!({})), Asked::default()).unwrap();
        let judged = PlatformVerdict {
            platform: None,
            manifest: None,
            decision: Decision::Pass(grounds),
            findings: Vec::new(),
            evidence: None,
        };
        let digest = || Digest::sha256(b"x");
        let verdict = Verdict {
            subject: image().reference,
            platforms: vec![judged],
            left_out: Vec::new(),
            inputs: Inputs {
                policy: digest(),
                trust: digest(),
                asked: Asked::default(),
                version: "1",
            },
            time: jiff::Timestamp::UNIX_EPOCH,
        };
        let told = verdict.of_another_time();
        let codes: Vec<Code> =
            told.platforms.iter().flat_map(|p| &p.findings).map(|f| f.code).collect();
        assert_eq!(codes, [Code::PolicyOtherTime]);
        assert!(told.is_pass());
    }
}
