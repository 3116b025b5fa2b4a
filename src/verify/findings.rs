//! What the pipeline itself sees: missing evidence, rebuild results, policy judgements.

use std::collections::{BTreeMap, BTreeSet};

use super::{causes, recorded, sboms::SBOM};
use crate::{
    amount::plural,
    attest::provenance::SLSA_V1,
    compare::{self, Difference, Level, Repeats},
    finding::{Code, Fact, Finding, Key, Severity, Subject},
    image::Image,
    limits,
    policy::{Judgement, RuleResult},
    rebuild::{Determinism, Failure, FailureKind, Gap, Rebuild, Rebuilt, Warrant},
    reference::PinnedReference,
    trust::{Claimed, NotCounted, PredicateClass, Proof, TrustRules},
    verdict::Evidence,
};

/// The finding where nothing is wrong and nothing was proven.
pub fn nothing_proven(image: &Image) -> Finding {
    let why = "no signature, attestation, layout or rebuild of it is proven; see what is missing";
    Finding::new(Code::PolicyNothingProven, subject(image)).with(Key::Why, why)
}

/// That the verification was ended because it held for long what others waited for.
pub fn others_waited(image: &PinnedReference, limit_name: &str) -> Finding {
    let key = limits::key(limit_name);
    let why = format!(
        "it held more of {key} than others for long, while others waited for some; {} sends slowly, or much \
         is verified at once: try again, or raise {key}",
        image.location
    );
    let subject = Subject::Image(image.to_string());
    Finding::new(Code::LimitExceeded, subject).with(Key::Why, why)
}

/// Makes errors of what says that evidence was left out, where what is missing may be among it: nobody has to guess why the
/// image fails.
pub fn blame_left_out(findings: &mut [Finding], is_grounded: bool) {
    let is_missing = |finding: &Finding| {
        let layout = [Code::LayoutThreshold, Code::LayoutInspectionNotRun];
        let codes = [Code::SignatureMissing, Code::ProvenanceMissing, Code::SbomMissing];
        finding.severity == Severity::Error
            && codes.iter().chain(&layout).any(|code| *code == finding.code)
    };
    if is_grounded && !findings.iter().any(is_missing) {
        return;
    }
    for finding in findings.iter_mut().filter(|f| f.code == Code::ImageEvidenceLeftOut) {
        *finding = finding.clone().at(Severity::Error);
    }
}

/// Hints at how the image was built that were not followed.
pub fn hints_left_out(count: usize, image: &Image) -> Option<Finding> {
    let why = format!(
        "not followed: {} of provenance that nobody signed, though trusted inputs are named; others, which fit the \
         image as well or better, were",
        plural(count, "more statement")
    );
    let finding = Finding::new(Code::ImageEvidenceLeftOut, subject(image));
    (count > 0).then(|| finding.with(Key::From, "provenance").with(Key::Why, why))
}

fn subject(image: &Image) -> Subject {
    Subject::Image(image.reference.to_string())
}

/// Rules by which nothing about this image is believed, and signers whom no rule names: both look like protection.
pub fn of_trust(evidence: &Evidence, trust: &TrustRules) -> Vec<Finding> {
    let statements = evidence.signatures.iter().chain(&evidence.attestations);
    let statements = statements.filter_map(Proof::proven);
    let statements = statements.map(|v| (v.value().predicate_type.as_str(), v.signers()));
    let provenance = evidence.provenance.proven();
    let provenance = provenance.map(|verified| (SLSA_V1, verified.signers()));
    let sboms = evidence.sboms.iter().filter_map(|sbom| sbom.claim.proven());
    let sboms = sboms.map(|verified| (SBOM, verified.signers()));
    let believed = statements.chain(provenance).chain(sboms);
    let rule = |number: usize| {
        let signers = trust.rules().get(number).map(|rule| rule.signers.join(", "));
        Finding::new(Code::ConfigTrustRuleUnmatched, subject(&evidence.image))
            .with(Key::Found, format!("trust.rules[{number}]"))
            .with(Key::Why, format!("nothing by {} is proven", signers.unwrap_or_default()))
    };
    let signer =
        |name| Finding::new(Code::ConfigTrustSignerUnused, Subject::Run).with(Key::Found, name);
    let location = &evidence.image.reference.location;
    let unmet = trust.unmet(location, believed.clone()).into_iter().map(|number| {
        let rule = trust.rules().get(number);
        let signers = rule.map(|rule| rule.signers.join(", "));
        Finding::new(Code::ConfigTrustRuleUnmet, subject(&evidence.image))
            .with(Key::Expect, format!("trust.rules[{number}]"))
            .with(Key::Why, format!("too little by {} is proven", signers.unwrap_or_default()))
            .following(rule.and_then(|rule| causes::of_unmet(rule, evidence)))
    });
    let unmatched = trust.unmatched(location, believed);
    let unused = trust.idle_signers().into_iter().map(signer);
    let missing = of_unmatched(&evidence.image, trust);
    unmatched.into_iter().map(rule).chain(unmet).chain(unused).chain(missing).collect()
}

/// Images at a place about which the operator's rules have to say something, and do not.
fn of_unmatched(image: &Image, trust: &TrustRules) -> Option<Finding> {
    let location = &image.reference.location;
    let list = trust.missing(location)?;
    let finding = Finding::new(Code::ConfigTrustUnmatched, subject(image));
    Some(finding.with(Key::Expect, list).with(Key::Found, location.to_string()))
}

/// Proven statements that hold more values than rules are shown: a rule that cannot see what it denies for must not pass. What
/// SBOMs list is shown in another form.
pub fn beyond(attestations: &[Proof<Claimed>]) -> Vec<Finding> {
    let shown = |statement: &Claimed| !PredicateClass::Sbom.includes(&statement.predicate_type);
    let proven = attestations.iter().filter(|proof| proof.proven().is_some());
    let proven = proven.filter(|proof| proof.value().is_some_and(shown));
    let too_large = proven.filter_map(|proof| {
        let error = proof.value()?.predicate.value().err()?;
        let subject = Subject::Evidence(proof.carrier()?.to_string());
        let why = format!("its predicate: {error} ({})", limits::key("json_values"));
        Some(Finding::new(Code::LimitExceeded, subject).with(Key::Why, why))
    });
    too_large.collect()
}

/// What a rebuild means. One that does not count is as if there were no provenance; what it gave is remarked.
pub fn of_rebuild(rebuild: &Rebuild, warrant: &Warrant, image: &Image) -> Vec<Finding> {
    let Warrant::None(why) = warrant else { return of_counted(rebuild, image) };
    let not_made = matches!(
        rebuild,
        Rebuild::NotAsked | Rebuild::Spared | Rebuild::Forbidden(_) | Rebuild::NoProvenance
    );
    if not_made {
        return of_counted(rebuild, image);
    }
    // Where nothing was built, nothing was followed.
    let untrusted = matches!(rebuild, Rebuild::Compared(_)).then(|| of_untrusted(why, image));
    let remarks = of_counted(rebuild, image).into_iter().map(Finding::remark);
    of_counted(&Rebuild::NoProvenance, image).into_iter().chain(untrusted).chain(remarks).collect()
}

/// Inputs that are named where they are not trusted; the rest is counted.
const UNTRUSTED_NAMED: usize = 10;

fn of_untrusted(why: &[String], image: &Image) -> Finding {
    let mut named: Vec<Fact> =
        why.iter().take(UNTRUSTED_NAMED).map(|one| Fact::from(one.clone())).collect();
    let more = why.len().saturating_sub(UNTRUSTED_NAMED);
    if more > 0 {
        named.push(Fact::from(format!("and {more} more")));
    }
    Finding::new(Code::RebuildInputsUntrusted, subject(image))
        .remark()
        .with(Key::Why, Fact::List(named))
}

/// Names of the source that rules rely on and nothing proves.
pub fn of_refs(evidence: &Evidence) -> Vec<Finding> {
    let gaps = evidence.ref_gaps().into_iter();
    let finding = |gap: Gap| {
        Finding::new(Code::ProvenanceCommitNotInRef, subject(&evidence.image))
            .with(Key::Found, gap.code)
            .with(Key::From, gap.field)
            .with(Key::Why, gap.why)
    };
    gaps.map(finding).collect()
}

/// Summaries of delegates that do not count, where nothing else says why.
pub fn of_delegations(evidence: &Evidence) -> Vec<Finding> {
    let said = evidence.delegated.iter().filter_map(|delegation| {
        let why = match delegation.why.as_ref()? {
            // Findings about the summary itself.
            NotCounted::NotPassed | NotCounted::OtherResource(_) => return None,
            why => why.to_string(),
        };
        let finding = Finding::new(Code::SummaryNotCounted, subject(&evidence.image))
            .with(Key::Found, delegation.verifier.clone())
            .with(Key::From, delegation.signer.to_string());
        Some(finding.with(Key::Why, why))
    });
    said.collect()
}

fn of_counted(rebuild: &Rebuild, image: &Image) -> Vec<Finding> {
    match rebuild {
        Rebuild::NotAsked => vec![Finding::new(Code::RebuildNotRun, subject(image))],
        Rebuild::Spared => vec![
            Finding::new(Code::RebuildNotRun, subject(image))
                .with(Key::Why, "the image is refused without it, so that nothing was built"),
        ],
        Rebuild::Forbidden(by) => vec![
            Finding::new(Code::RebuildNotRun, subject(image))
                .with(Key::Why, format!("the policy asks for a rebuild, and {by} forbids it"))
                .with(
                    Key::Help,
                    format!("run without {by}, or let rebuilders whom you trust vouch (rebuild.attested)"),
                ),
        ],
        Rebuild::NoProvenance => vec![
            Finding::new(Code::RebuildNotRun, subject(image))
                .with(Key::Why, "there is no provenance that counts to build it from")
                .with(
                    Key::Help,
                    "sign its provenance, or name every input under trust.sources in hallmark.yaml",
                ),
        ],
        Rebuild::NotReplayable(gaps) => gaps.iter().map(|gap| of_gap(gap, image)).collect(),
        Rebuild::Failed(failure) => vec![of_failure(failure, image)],
        Rebuild::Compared(rebuilt) => of_rebuilt(rebuilt, image).into_iter().collect(),
    }
}

fn of_gap(gap: &Gap, image: &Image) -> Finding {
    Finding::new(Code::RebuildNotReplayable, subject(image))
        .with(Key::Found, gap.code)
        .with(Key::From, gap.field.clone())
        .with(Key::Why, gap.why.clone())
        .with(Key::Help, gap.fix.clone())
}

/// What helps where tools may be there, and hallmark may not use them.
const RIGHTS: &str = "run hallmark as root with the right to make mounts and namespaces, name a BuildKit that builds as \
    rebuild.address, or let rebuilders whom you trust vouch (rebuild.attested)";

/// What helps where evidence was saved without the rebuild that is asked for.
const SAVE_IT: &str = "save it again with the rebuild, hallmark verify --rebuild --save DIR IMAGE, or verify without --from";

/// What helps where the source is at an address that hallmark goes to only where the operator says so.
const PRIVATE: &str = "if the host that is named is yours, list a source under rebuild.privateSources, or a registry under registries, in hallmark.yaml: without that, \
    nothing that provenance names is fetched from a private network";

/// What helps where the operator's folder of inputs lacks some.
const KEEP: &str = "fill the folder: hallmark materials fetch --to DIR IMAGE";

fn of_failure(failure: &Failure, image: &Image) -> Finding {
    let code = match failure.kind {
        FailureKind::BuildFailed | FailureKind::Exceeded(_) => Code::RebuildFailed,
        FailureKind::PublishedUnreadable => Code::RebuildPublishedUnreadable,
        FailureKind::SourceGone => Code::RebuildSourceGone,
        FailureKind::SourceUnreachable | FailureKind::NotKept => Code::RebuildSourceUnreachable,
        FailureKind::SourceForbidden => Code::RebuildSourceRefused,
        FailureKind::Denied | FailureKind::Submodule | FailureKind::DeviceNodes => {
            Code::RebuildNotReplayable
        }
        FailureKind::Timeout => Code::RebuildTimeout,
        FailureKind::PlatformForeign => Code::RebuildPlatformForeign,
        FailureKind::EngineUnavailable | FailureKind::EngineForbidden | FailureKind::Lacks(_) => {
            Code::RebuildEngineUnavailable
        }
        FailureKind::NotSaved | FailureKind::NotVouched => Code::SourceNotSaved,
    };
    // Whether an image may do without a rebuild is for the rules to say.
    let finding = Finding::new(code, subject(image)).at(Severity::Warning);
    let finding = finding.with(Key::Why, failure.why.clone());
    let finding = match failure.kind {
        FailureKind::NotSaved => finding.with(Key::Help, SAVE_IT),
        FailureKind::NotVouched => finding.with(Key::Help, recorded::NAME_IT),
        FailureKind::EngineForbidden => finding.with(Key::Help, RIGHTS),
        FailureKind::SourceForbidden => finding.with(Key::Help, PRIVATE),
        FailureKind::NotKept => finding.with(Key::Help, KEEP),
        FailureKind::Lacks(lack) => finding.with(Key::Help, lack.help()),
        FailureKind::Exceeded(bound) => {
            let limit = limits::key(bound.limit_name());
            let help = format!("raise {limit} in hallmark.yaml, or make the build take less");
            finding.with(Key::Help, help)
        }
        _ => finding,
    };
    if let FailureKind::Lacks(_) = failure.kind {
        return finding;
    }
    // A build writes its log: whose words they are is said, and nothing is said twice.
    match failure.log.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) if last.trim() != failure.why.trim() => {
            finding.with(Key::From, format!("the log, which ends: {}", last.trim()))
        }
        Some(_) | None => finding,
    }
}

fn of_rebuilt(rebuilt: &Rebuilt, image: &Image) -> Option<Finding> {
    let level = rebuilt.comparison.level;
    if level.is_reproducible() {
        return None;
    }
    let code = match rebuilt.determinism {
        Determinism::Nondeterministic => Code::RebuildNondeterministic,
        _ => Code::RebuildDiffers,
    };
    let weight = if level == Level::Different { Severity::Warning } else { Severity::Info };
    let varies = rebuilt.comparison.differences.iter().any(|d| d.repeats == Repeats::No);
    let times = match rebuilt.determinism {
        Determinism::ConsistentlyDifferent if varies => {
            "rebuilt twice; in part both times the same"
        }
        Determinism::ConsistentlyDifferent => "rebuilt twice, both times the same",
        Determinism::Nondeterministic => "two rebuilds differ from each other",
        Determinism::NotNeeded | Determinism::Unknown => "rebuilt once",
    };
    let mut finding = Finding::new(code, subject(image))
        .at(weight)
        .with(Key::Expect, &image.manifest.document.digest)
        .with(
            Key::Found,
            Fact::Text(format!(
                "{} ({times}; R{} {})",
                rebuilt.manifest,
                level.number(),
                level.name()
            )),
        );
    // The gravest difference explains most; the rest is in the list.
    let compare::Comparison { differences, omitted, .. } = &rebuilt.comparison;
    if let Some((worst, words)) = gravest(differences, *omitted) {
        finding = finding.with(Key::Why, words);
        if let Some(cause) = &worst.cause {
            finding = finding.with(Key::From, cause.text());
        }
    }
    Some(finding)
}

/// The first of the gravest differences, in words, with how many more there are.
fn gravest(differences: &[Difference], omitted: u64) -> Option<(&Difference, String)> {
    let worst = differences.iter().rev().max_by_key(|d| gravity(d))?;
    let more = (differences.len() as u64).saturating_sub(1).saturating_add(omitted);
    let more = match more {
        0 => String::new(),
        more => format!("; and {}", plural(more, "more difference")),
    };
    Some((worst, format!("{}: {}{more}", worst.place, worst.what)))
}

/// What no rebuild explains before what two rebuilds do not agree on; content and security metadata before everything
/// else; entries before what follows from them, and programs before other files.
fn gravity(difference: &Difference) -> (bool, u8, bool, bool) {
    use crate::compare::{Class, Place};
    let class = match difference.class {
        Class::Content | Class::LyingDiffId => 5,
        Class::TarSecurity => 4,
        Class::ConfigRuntime => 3,
        Class::OpaqueWhiteout
        | Class::Cache
        | Class::NestedTime
        | Class::PackageDrift
        | Class::Toolchain
        | Class::Host => 2,
        Class::TarBenign | Class::ConfigBenign | Class::MountPoint => 1,
        Class::Envelope | Class::Compression => 0,
    };
    let settled = difference.explained_by.is_some() || difference.repeats == Repeats::No;
    let is_entry = matches!(difference.place, Place::Entry { .. });
    (!settled, class, is_entry, difference.is_of_program())
}

/// Adds what the policies said. A rule that denies for what findings already say makes those findings errors, instead of
/// saying it twice, and is named there; one that denies for `codes` of which each is an error already is named there, too. A denial
/// that no finding speaks about stays as it is, so that none can get lost. A rule that warns of what a finding of its own code says is named
/// there likewise, unless it has a day to tell from which on it denies. Remarks stay what they are.
pub fn judged(findings: Vec<Finding>, judgement: Judgement, image: &Subject) -> Vec<Finding> {
    let decisive = findings.iter().chain(&judgement.asides).filter(|f| !f.is_remark());
    let seen: BTreeSet<&str> = decisive.map(|f| f.code.as_str()).collect();
    let is_error = |f: &&Finding| f.severity == Severity::Error;
    let grave: BTreeSet<&str> = findings.iter().filter(is_error).map(|f| f.code.as_str()).collect();
    let mut errors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut denied = Vec::new();
    for rule in &judgement.deny {
        let about = std::iter::once(&rule.code).chain(&rule.about);
        let mut said: Vec<&str> =
            about.map(String::as_str).filter(|code| seen.contains(code)).collect();
        if said.is_empty() {
            said = listed(rule)
                .filter(|codes| grave.is_superset(codes))
                .into_iter()
                .flatten()
                .collect();
        }
        if said.is_empty() {
            denied.push(rule.denied(image));
        }
        for code in said {
            errors.entry(code.to_owned()).or_default().insert(rule.name());
        }
    }
    let is_said = |rule: &&RuleResult| {
        seen.contains(rule.code.as_str()) && !rule.facts.contains_key("effectiveOn")
    };
    let (repeated, warned): (Vec<&RuleResult>, Vec<_>) = judgement.warn.iter().partition(is_said);
    let mut warnings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for rule in repeated {
        warnings.entry(rule.code.as_str()).or_default().insert(rule.name());
    }
    let names =
        |rules: &BTreeSet<String>| rules.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let heavier = |f: Finding| match (errors.get(f.code.as_str()), warnings.get(f.code.as_str())) {
        _ if f.is_remark() => f,
        (Some(rules), _) => f.at(Severity::Error).with(Key::Rule, names(rules)),
        // What is graver, or was nothing to be warned of, weighs at least what the rule says.
        (None, Some(rules)) => {
            let severity = f.severity.max(Severity::Warning);
            f.at(severity).with(Key::Rule, names(rules))
        }
        (None, None) => f,
    };
    let warned: Vec<Finding> = warned.iter().map(|rule| rule.warned(image)).collect();
    let said: Vec<Finding> = findings.into_iter().chain(judgement.asides).map(heavier).collect();
    said.into_iter().chain(denied).chain(warned).collect()
}

/// The codes that a rule lists beside its message, where all of them are words.
fn listed(rule: &RuleResult) -> Option<BTreeSet<&str>> {
    rule.facts.get("codes")?.as_array()?.iter().map(serde_json::Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::{Bound, Lack};

    fn rule(code: &str, about: &[&str]) -> RuleResult {
        RuleResult {
            code: code.to_owned(),
            msg: "no".to_owned(),
            package: "hallmark.x".to_owned(),
            solution: None,
            about: about.iter().map(|a| (*a).to_owned()).collect(),
            early: false,
            lacks: None,
            facts: BTreeMap::new(),
        }
    }

    #[test]
    fn an_engine_that_may_not_be_started_is_not_to_be_installed() {
        let image = crate::trust::testing::image();
        let help = |kind| {
            let why = "docker is not on PATH".to_owned();
            of_failure(&Failure { kind, why, log: String::new(), engine: None }, &image).help()
        };
        let forbidden = help(FailureKind::EngineForbidden);
        assert!(!forbidden.contains("install"), "{forbidden}");
        for way in ["as root", "rebuild.attested", "rebuild.address"] {
            assert!(forbidden.contains(way), "{forbidden}");
        }
        assert!(!help(FailureKind::EngineUnavailable).contains("install docker"));
        for (lack, words) in [
            (Lack::Buildkit, "install docker"),
            (Lack::Buildah, "install buildah"),
            (Lack::Programs, "util-linux"),
            (Lack::Profile, "seccomp.json"),
            (Lack::Address, "rebuild.address"),
            (Lack::Room, "TMPDIR=DIR"),
            (Lack::Groups, "/sys/fs/cgroup"),
        ] {
            let said = help(FailureKind::Lacks(lack));
            assert!(said.contains(words), "{said}");
            assert_eq!(said.contains("docker with buildx"), lack == Lack::Buildkit, "{said}");
        }
        for (bound, limit) in [
            (Bound::Memory, "limits.rebuildMemoryBytes"),
            (Bound::Processes, "limits.rebuildProcesses"),
            (Bound::Disk, "limits.rebuildDiskBytes"),
        ] {
            let said = help(FailureKind::Exceeded(bound));
            assert!(said.starts_with(&format!("raise {limit} in hallmark.yaml")), "{said}");
        }
        assert!(help(FailureKind::NotKept).contains("hallmark materials fetch --to DIR IMAGE"));
        // What may not be reached need not be gone, and no title says that it is.
        let code = |kind| {
            let failure = Failure { kind, why: "w".to_owned(), log: String::new(), engine: None };
            of_failure(&failure, &image).code
        };
        assert_eq!(code(FailureKind::SourceForbidden), Code::RebuildSourceRefused);
        assert!(!Code::RebuildSourceRefused.title().contains("any more"));
        assert_eq!(code(FailureKind::SourceGone), Code::RebuildSourceGone);
        assert_eq!(code(FailureKind::SourceUnreachable), Code::RebuildSourceUnreachable);
        assert_eq!(code(FailureKind::NotKept), Code::RebuildSourceUnreachable);
        assert_eq!(code(FailureKind::Exceeded(Bound::Disk)), Code::RebuildFailed);
        let private = help(FailureKind::SourceForbidden);
        assert!(private.contains("rebuild.privateSources"), "{private}");
        assert!(!help(FailureKind::SourceGone).contains("rebuild.privateSources"));
    }

    #[test]
    fn where_nothing_was_built_no_provenance_was_followed() {
        let image = crate::trust::testing::image();
        let why = (0..13).map(|n| format!("image {n}")).collect::<Vec<_>>();
        let (kind, log) = (FailureKind::SourceGone, String::new());
        let failed = Rebuild::Failed(Failure { kind, why: "w".to_owned(), log, engine: None });
        for rebuild in [failed, Rebuild::NotReplayable(Vec::new())] {
            let found = of_rebuild(&rebuild, &Warrant::None(why.clone()), &image);
            assert!(found.iter().all(|f| f.code != Code::RebuildInputsUntrusted), "{found:?}");
        }
        let said = of_untrusted(&why, &image).facts[&Key::Why].to_string();
        assert!(said.contains("image 9") && !said.contains("image 10"), "{said}");
        assert!(said.contains("and 3 more"), "{said}");
        assert!(of_untrusted(&why, &image).is_remark());
    }

    #[test]
    fn the_first_program_stands_for_all_differences() {
        use crate::compare::{Class, Place, What};
        let entry = |path: &str| {
            let place = Place::Entry { layer: 1, path: path.to_owned() };
            Difference::new(place, Class::Content, What::Content)
        };
        let config = Difference::new(Place::Config("/x".to_owned()), Class::Content, What::Value);
        let said = |all: &[Difference], omitted| gravest(all, omitted).map(|(_, words)| words);
        let all = [config, entry("/etc/a"), entry("/usr/bin/b"), entry("/sbin/c"), entry("/etc/d")];
        let words = said(&all, 7).unwrap();
        assert!(words.contains("/usr/bin/b: content"), "{words}");
        assert!(words.ends_with("; and 11 more differences"), "{words}");
        let words = said(&[entry("/etc/a")], 0).unwrap();
        assert!(words.ends_with("/etc/a: content"), "{words}");
        assert!(said(&[entry("/etc/a")], 1).unwrap().ends_with("; and 1 more difference"));
        assert_eq!(said(&[], 0), None);
    }

    #[test]
    fn h30_no_rule_makes_a_remark_heavier() {
        let found = Finding::new(Code::LimitExceeded, Subject::Run).remark();
        assert_eq!(found.severity, Severity::Warning, "not even an error by itself");
        assert_eq!(found.clone().at(Severity::Error).severity, Severity::Warning);
        let deny = vec![rule("limit-exceeded", &[]), rule("mine", &["limit-exceeded"])];
        let all =
            judged(vec![found.clone()], Judgement { deny, ..Judgement::default() }, &Subject::Run);
        assert!(all.contains(&found), "{all:?}");
    }

    #[test]
    fn every_denial_leaves_an_error() {
        let found = || vec![Finding::new(Code::RebuildDiffers, Subject::Run).at(Severity::Info)];
        let cases = [
            ("said by its own code", rule("rebuild-differs", &[]), Code::RebuildDiffers),
            (
                "said by what it is about",
                rule("rebuild-level", &["rebuild-differs"]),
                Code::RebuildDiffers,
            ),
            (
                "about something unseen",
                rule("rebuild-level", &["sbom-missing"]),
                Code::PolicyDenied,
            ),
            ("said by nothing", rule("my-own", &[]), Code::PolicyDenied),
        ];
        for (name, rule, code) in cases {
            let named = rule.name();
            let judgement = Judgement { deny: vec![rule], ..Judgement::default() };
            let all = judged(found(), judgement, &Subject::Run);
            let errors: Vec<_> = all.iter().filter(|f| f.severity == Severity::Error).collect();
            assert_eq!(errors.len(), 1, "{name}: {all:#?}");
            assert_eq!(errors[0].code, code, "{name}");
            // What an exception has to name.
            let key = if code == Code::PolicyDenied { Key::From } else { Key::Rule };
            assert_eq!(errors[0].facts.get(&key).map(ToString::to_string), Some(named), "{name}");
        }
        let deny = ["a", "b"].map(|code| rule(code, &["rebuild-differs"]));
        let both = Judgement { deny: deny.to_vec(), ..Judgement::default() };
        let all = judged(found(), both, &Subject::Run);
        let rules = all.first().and_then(|f| f.facts.get(&Key::Rule)).map(ToString::to_string);
        assert_eq!(rules.as_deref(), Some("a (hallmark.x), b (hallmark.x)"));
        // What is said of evidence that nobody proved takes no denial for itself.
        let remarks = || found().into_iter().map(Finding::remark).collect::<Vec<_>>();
        let denied = Judgement { deny: vec![rule("rebuild-differs", &[])], ..Judgement::default() };
        let all = judged(remarks(), denied, &Subject::Run);
        let errors = all.iter().filter(|f| f.severity == Severity::Error);
        assert_eq!(errors.map(|f| f.code).collect::<Vec<_>>(), [Code::PolicyDenied]);
        let none = judged(found(), Judgement::default(), &Subject::Run);
        assert!(none.iter().all(|f| f.severity == Severity::Info), "the passing twin");
    }

    /// A package that an SBOM lists and nobody installed was two warnings, where the rule only warns.
    #[test]
    fn a_warning_of_what_is_said_is_not_said_again() {
        let ghost = || Finding::new(Code::SbomPackageGhost, Subject::Run);
        let told = |findings: Vec<Finding>, rule: RuleResult| {
            let judgement = Judgement { warn: vec![rule], ..Judgement::default() };
            let all = judged(findings, judgement, &Subject::Run);
            let one = |f: &Finding| (f.code, f.severity, f.facts.contains_key(&Key::Rule));
            all.iter().map(one).collect::<Vec<_>>()
        };
        let (code, warning) = (Code::SbomPackageGhost, Severity::Warning);
        let rule_of = |code| rule(code, &[]);
        assert_eq!(told(vec![ghost()], rule_of("sbom-package-ghost")), [(code, warning, true)]);
        let info = ghost().at(Severity::Info);
        assert_eq!(told(vec![info], rule_of("sbom-package-ghost")), [(code, warning, true)]);
        let error = ghost().at(Severity::Error);
        let graver = [(code, Severity::Error, true)];
        assert_eq!(told(vec![error], rule_of("sbom-package-ghost")), graver);
        // What nobody says, what a remark says alone, and a day that has to be told.
        let own = (Code::PolicyWarned, warning, false);
        assert_eq!(told(vec![ghost()], rule_of("mine")), [(code, warning, false), own]);
        assert_eq!(told(vec![ghost().remark()], rule_of("sbom-package-ghost")).last(), Some(&own));
        let facts = BTreeMap::from([("effectiveOn".to_owned(), "2026-12-04".into())]);
        let until = RuleResult { facts, ..rule_of("sbom-package-ghost") };
        assert_eq!(told(vec![ghost()], until), [(code, warning, false), own]);
    }

    #[test]
    fn a_denial_for_errors_that_are_said_is_not_said_again() {
        let layout = || Finding::new(Code::LayoutThreshold, Subject::Run).at(Severity::Error);
        let told = |finding: Finding, codes: serde_json::Value| {
            let facts = BTreeMap::from([("codes".to_owned(), codes)]);
            let deny = vec![RuleResult { facts, ..rule("error-findings", &[]) }];
            let judgement = Judgement { deny, ..Judgement::default() };
            let all = judged(vec![finding], judgement, &Subject::Run);
            let errors = all.iter().filter(|f| f.severity == Severity::Error);
            errors.map(|f| (f.code, f.facts.contains_key(&Key::Rule))).collect::<Vec<_>>()
        };
        let (code, denied) = (Code::LayoutThreshold, (Code::PolicyDenied, false));
        let json = serde_json::json!(["layout-threshold"]);
        assert_eq!(told(layout(), json.clone()), [(code, true)]);
        // What is no error, or is none of the listed, does not stand for the denial.
        assert_eq!(told(layout().remark(), json.clone()), [denied]);
        assert_eq!(told(Finding { severity: Severity::Warning, ..layout() }, json), [denied]);
        for codes in ["x", "[]", "[1]", "[\"layout-threshold\", \"other\"]"] {
            let codes = serde_json::from_str(codes).unwrap_or(serde_json::Value::Null);
            assert_eq!(told(layout(), codes.clone()), [(code, false), denied], "{codes}");
        }
    }

    #[test]
    fn h41_what_was_left_out_is_an_error_where_something_is_missing() {
        let image = crate::trust::testing::image();
        let of = |code, severity| Finding::new(code, subject(&image)).at(severity);
        let (left_out, missing) = (Code::ImageEvidenceLeftOut, Code::SignatureMissing);
        for (grounded, severity, want) in [
            (true, Severity::Warning, Severity::Warning),
            (true, Severity::Error, Severity::Error),
            (false, Severity::Warning, Severity::Error),
        ] {
            let mut findings = [of(left_out, Severity::Warning), of(missing, severity)];
            blame_left_out(&mut findings, grounded);
            let found = findings.map(|finding| finding.severity);
            assert_eq!(found, [want, severity], "{grounded} {severity:?}");
        }
    }
}
