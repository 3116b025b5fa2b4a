//! The report that people read.
//!
//! For each platform: the decision, then what was proven line by line, then every finding in the form of DESIGN: code and
//! title, subject, expect, found, why, from, help. Ends with the next command.

use std::collections::BTreeSet;

pub use super::told::{EvidenceLine, finding_block, finding_lines};
use super::{
    cause::{Cause, Sameness, causes},
    difference::{self, Depth},
    shown, vulnerabilities,
};
pub use crate::amount::plural;
use crate::{
    attest::provenance::Provenance,
    compare::{Level, SideWords},
    contents::secrets::shown_line,
    finding::{Code, Finding, Severity},
    image::LeftOut,
    rebuild::{Clue, Coverage, EngineKind, EngineReport, Gap, Numbers, Rebuild, Rebuilt},
    sbom::{BoundSbom, Reconciliation, binding::Binding},
    trust::{
        Basis, Claimed, Proof, Unproven, Verified,
        layout::{JudgedLayout, LayoutState},
    },
    untrusted::{Page, line},
    verdict::{Decision, Evidence, PlatformVerdict, SbomEvidence, Verdict},
};

/// The differences of a rebuild in a verdict; `hallmark rebuild` and the JSON report say more.
const DIFFERENCES: difference::Style =
    difference::Style { words: SideWords::REBUILD, indent: "    ", shown: 12, depth: Depth::Brief };

/// Lines of a failed build's log in a verdict.
const LOG_LINES: usize = 12;

/// How much a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What is proven, and what keeps the image from passing or needs looking at.
    Brief,
    /// What evidence of strangers lies beside the image, too.
    Strangers,
}

/// What is said of evidence that no signer who may vouch for it signed.
const STRANGERS: [Code; 3] =
    [Code::SignatureUntrusted, Code::ProvenanceUnsigned, Code::SbomUnsigned];

/// Renders a verdict.
pub fn verdict(verdict: &Verdict) -> String {
    shown::lines(&verdict_page(verdict, Detail::Brief))
}

/// The lines of a verdict, as a part of a longer report.
pub fn verdict_page(verdict: &Verdict, detail: Detail) -> Page {
    let mut out = Page::default();
    line!(out, "image    {}", verdict.subject);
    let manifests = verdict.platforms.iter().filter_map(|platform| platform.manifest.as_ref());
    let named: Vec<String> = std::iter::once(&verdict.subject.digest)
        .chain(manifests)
        .map(ToString::to_string)
        .collect();
    let mut before = Vec::new();
    for platform in &verdict.platforms {
        platform_verdict(&mut out, platform, &named, detail, &mut before);
    }
    left_out(&mut out, "not judged", &verdict.left_out);
    if !verdict.left_out.is_empty() {
        line!(out);
    }
    closing(&mut out, verdict, detail);
    out
}

/// Renders a rebuild alone, with what was found on the way to it.
pub fn rebuild_report(evidence: &Evidence, findings: &[Finding]) -> String {
    let mut out = Page::default();
    write_rebuild(&mut out, evidence, findings);
    shown::lines(&out)
}

fn write_rebuild(out: &mut Page, evidence: &Evidence, findings: &[Finding]) {
    line!(out, "image      {}", evidence.image.reference);
    line!(out, "platform   {}", evidence.image.platform);
    left_out(out, "not built", &evidence.image.left_out);
    line!(out, "published  {}", evidence.image.manifest.document.digest);
    if let Rebuild::Compared(rebuilt) = &evidence.rebuild {
        line!(out, "rebuilt    {}", rebuilt.manifest);
    }
    line!(out, "result     {}", rebuild(&evidence.rebuild));
    if matches!(evidence.rebuild, Rebuild::NoProvenance) {
        line!(out, "help       {}", Code::ProvenanceMissing.help());
    }
    if let Some(reason) = engine_reason(&evidence.rebuild) {
        line!(out, "engine     {}", reason);
    }
    match &evidence.rebuild {
        Rebuild::Compared(rebuilt) => {
            line!(out, "exporter   {}", rebuilt.exporter);
            let evidence = rebuilt.exporter.evidence.iter();
            for tried in evidence.filter(|clue| matches!(clue, Clue::Tried { .. })) {
                line!(out, "           {}", tried);
            }
            let style = difference::Style { depth: Depth::Full, ..DIFFERENCES };
            difference::list(out, &rebuilt.comparison, style);
        }
        Rebuild::Failed(failure) if !failure.log.is_empty() => {
            line!(out, "log");
            for line in failure.log.lines() {
                line!(out, "  {}", line);
            }
        }
        _ => {}
    }
    let told: Vec<Finding> = findings.iter().filter(|f| of_rebuild(f)).cloned().collect();
    for cause in causes(&told) {
        line!(out);
        cause.write_whole(out, &[]);
    }
}

/// Whether a finding belongs into the report of a rebuild. Errors do, whatever they are about: a contradiction in the evidence is one in
/// what was rebuilt from it.
pub(super) fn of_rebuild(finding: &Finding) -> bool {
    match finding.severity {
        Severity::Error => true,
        Severity::Warning => finding.code.as_str().starts_with("rebuild-"),
        Severity::Info => false,
    }
}

/// What the reference lists and was not looked at, one a line.
fn left_out(out: &mut Page, what: &str, left_out: &[LeftOut]) {
    left_out.iter().for_each(|one| line!(out, "{what:<11}{one}"));
}

/// Platforms that were told, and what was said of each.
type Before = Vec<(String, Vec<Sameness>)>;

fn platform_verdict(
    out: &mut Page,
    verdict: &PlatformVerdict,
    named: &[String],
    detail: Detail,
    before: &mut Before,
) {
    if let Some(platform) = &verdict.platform {
        let manifest = verdict.manifest.as_ref().map(ToString::to_string).unwrap_or_default();
        line!(out, "platform {platform}  {manifest}");
    }
    if let Some(evidence) = &verdict.evidence {
        evidence_lines(out, evidence);
    }
    let (told, untold) = told(&verdict.findings, detail);
    let causes = causes(&told);
    let said: Vec<Sameness> = causes.iter().map(Cause::sameness).collect();
    let alike = before.iter().find(|(_, other)| !said.is_empty() && *other == said);
    if let Some((platform, _)) = alike {
        line!(out);
        line!(out, "the same as for {platform}:");
        causes.iter().for_each(|cause| line!(out, "  {}", cause.title()));
    } else {
        for cause in &causes {
            line!(out);
            cause.write_whole(out, named);
        }
        before.extend(verdict.platform.as_ref().map(|name| (name.to_string(), said)));
    }
    if untold > 0 {
        line!(out);
        line!(out, "{}", remarks_left_out(untold));
    }
    line!(out);
}

/// That so many remarks on evidence of strangers are left out.
pub(super) fn remarks_left_out(count: usize) -> String {
    let remarks = plural(count, "remark");
    format!("{remarks} about evidence that no trusted signer signed: -v shows what")
}

/// The errors and warnings that a report says, and how many warnings it leaves out.
pub(super) fn told(findings: &[Finding], detail: Detail) -> (Vec<Finding>, usize) {
    let of_stranger = |f: &&Finding| f.is_remark() && STRANGERS.contains(&f.code);
    let grave = findings.iter().filter(|f| f.severity > Severity::Info);
    let (untold, told): (Vec<&Finding>, Vec<&Finding>) =
        grave.partition(|f| detail == Detail::Brief && of_stranger(f));
    (told.into_iter().cloned().collect(), untold.len())
}

/// What was found of an image, line by line, as a part of another report.
pub(super) fn evidence_page(evidence: &Evidence) -> Page {
    let mut page = Page::default();
    evidence_lines(&mut page, evidence);
    page
}

fn evidence_lines(out: &mut Page, evidence: &Evidence) {
    for EvidenceLine { name, words, below, .. } in lines_of(evidence) {
        line!(out, "  {name:<12}{words}");
        out.append(&below);
    }
}

/// What was found of an image, in lines: the one source of every report that says it.
pub(super) fn lines_of(evidence: &Evidence) -> Vec<EvidenceLine> {
    let line = EvidenceLine::new;
    let is_proven = |proof: &Proof<Claimed>| proof.proven().is_some();
    let signed = evidence.signatures.iter().any(is_proven);
    let sourced = evidence.provenance.proven().is_some();
    let mut lines = vec![
        line("signature", signed, signatures(&evidence.signatures)),
        line("provenance", sourced, provenance(&evidence.provenance)),
    ];
    lines.extend(evidence.layouts.iter().map(|judged| {
        let holds = matches!(judged.state, LayoutState::Proven(_));
        line("layout", holds, layout(judged)).of(&judged.name)
    }));
    lines.extend(evidence.delegated.iter().map(|said| {
        let word = if said.counts() { "passed" } else { "does not count" };
        let words =
            format!("{word}: {} by {}; {}", said.verifier, said.signer, said.levels.join(", "));
        line("delegated", said.counts(), words).of(&said.verifier)
    }));
    if evidence.sboms.is_empty() {
        lines.push(line("sbom", false, "missing".to_owned()));
    }
    lines.extend(evidence.sboms.iter().map(|SbomEvidence { claim, reconciliation }| {
        let agrees = reconciliation.as_ref().is_none_or(|found| found.disagreements() == 0);
        let words = sbom(claim, reconciliation.as_ref());
        line("sbom", claim.proven().is_some() && agrees, words).against(!agrees)
    }));
    lines.extend(vulnerabilities::line(evidence));
    lines.push(rebuild_evidence(evidence));
    if let Some(attested) = attested(evidence) {
        lines.push(line("attested", evidence.attested.agreement.is_some(), attested));
    }
    lines
}

fn rebuild_evidence(evidence: &Evidence) -> EvidenceLine {
    let counts = match evidence.rebuild {
        Rebuild::NotAsked | Rebuild::Spared | Rebuild::Forbidden(_) | Rebuild::NoProvenance => "",
        _ if evidence.warrant.counts() => "",
        _ => " (does not count)",
    };
    let (mut below, mut differs) = (Page::default(), false);
    let reproduced = match &evidence.rebuild {
        Rebuild::Compared(rebuilt) => {
            differs = rebuilt.comparison.level == Level::Different;
            difference::list(&mut below, &rebuilt.comparison, DIFFERENCES);
            rebuilt.comparison.level.is_reproducible()
        }
        Rebuild::Failed(failure) => {
            log_end(&mut below, &failure.log);
            false
        }
        _ => false,
    };
    let words = format!("{}{counts}", rebuild(&evidence.rebuild));
    let line = EvidenceLine::new("rebuild", reproduced && evidence.warrant.counts(), words);
    EvidenceLine { below, against: differs, ..line }
}

/// The last lines of a builder's log; `hallmark rebuild` shows all of it.
fn log_end(out: &mut Page, log: &str) {
    let all: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = all.get(all.len().saturating_sub(LOG_LINES)..).unwrap_or_default();
    if last.len() < all.len() {
        line!(out, "    log: the last {} of {}", last.len(), plural(all.len(), "line"));
    } else if !all.is_empty() {
        line!(out, "    log");
    }
    last.iter().for_each(|words| line!(out, "      {words}"));
}

/// Who signed, in a line.
pub(super) fn signatures(proofs: &[Proof<Claimed>]) -> String {
    let mut proven =
        proofs.iter().filter_map(Proof::proven).flat_map(Verified::signers).collect::<Vec<_>>();
    proven.sort();
    proven.dedup();
    if !proven.is_empty() {
        let names = proven.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return format!("proven: {names}");
    }
    match proofs
        .iter()
        .find_map(|p| if let Proof::Unproven { why, .. } = p { Some(why) } else { None })
    {
        Some(why) => format!("not proven: {}", unproven(why)),
        None => "missing".to_owned(),
    }
}

/// Where the image comes from, in a line.
pub(super) fn provenance(proof: &Proof<Provenance>) -> String {
    let Some(value) = proof.value() else {
        return "missing".to_owned();
    };
    let source = value.source.as_ref().map_or_else(
        || "no source".to_owned(),
        |s| {
            let commit = s.commit.as_ref().map_or("no commit", |c| c.as_str());
            format!("{}@{commit:.12}", shown_line(&s.url))
        },
    );
    let carrier = proof.carrier().map(|c| c.kind()).unwrap_or_default();
    let materials = plural(value.materials.len(), "material");
    format!("{}: {source} ({carrier}), {materials}", state(proof))
}

/// `proven` with its signers, or `not proven` with the reason.
fn state<T>(proof: &Proof<T>) -> String {
    match proof {
        Proof::Proven(verified) if *verified.basis() == Basis::Given => {
            "given by the operator".to_owned()
        }
        Proof::Proven(verified) => {
            let names =
                verified.signers().iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
            format!("proven by {names}")
        }
        Proof::Unproven { why, .. } => format!("not proven ({})", unproven(why)),
        Proof::Missing => "missing".to_owned(),
    }
}

/// What became of a layout of the operator's, by its name; why it is not proven is a finding.
pub(super) fn layout(judged: &JudgedLayout) -> String {
    let state = match &judged.state {
        LayoutState::Proven(verified) => {
            let owners: Vec<&str> = verified.signers().iter().map(|s| s.name.as_str()).collect();
            format!("proven by {}", owners.join(", "))
        }
        LayoutState::Unproven(_) => "not proven".to_owned(),
        LayoutState::Missing(_) => "missing".to_owned(),
    };
    format!("{state}: {}", judged.name)
}

/// One SBOM in a line.
pub(super) fn sbom(proof: &Proof<BoundSbom>, reconciliation: Option<&Reconciliation>) -> String {
    let Some(bound) = proof.value() else {
        return "missing".to_owned();
    };
    let contents = match reconciliation {
        None => "not compared with the image".to_owned(),
        Some(r) if r.agrees() => {
            format!("agrees with the image ({})", plural(r.matched, "package"))
        }
        Some(r) if r.disagreements() == 0 => {
            let components = plural(r.unchecked + r.out_of_scope, "component");
            format!("not confirmed by the image ({components})")
        }
        Some(r) => format!(
            "disagrees with the image: {} missing, {}, {}{}",
            r.missing.len(),
            plural(r.ghosts.len(), "ghost"),
            plural(r.versions.len(), "version"),
            match r.digests.len() {
                0 => String::new(),
                n => format!(", {}", plural(n, "digest")),
            }
        ),
    };
    let binding = match bound.binding {
        Binding::OtherImage => ", names another image",
        Binding::OtherPlatform => ", names another platform",
        Binding::Image | Binding::Index | Binding::Unnamed => "",
    };
    format!(
        "{}: {}, {}{binding}, {contents}",
        state(proof),
        bound.sbom.format,
        plural(bound.sbom.components.len(), "component")
    )
}

/// What became of the rebuild, in a line.
pub(super) fn rebuild(rebuild: &Rebuild) -> String {
    match rebuild {
        Rebuild::NotAsked => "not asked for".to_owned(),
        Rebuild::Spared => "not made: the image is refused without it".to_owned(),
        Rebuild::Forbidden(by) => format!("not made: the policy asks for it, and {by} forbids it"),
        Rebuild::NoProvenance => "impossible: no provenance that counts".to_owned(),
        Rebuild::NotReplayable(gaps) => {
            format!("impossible: {}", Gap::codes(gaps).join(", "))
        }
        Rebuild::Failed(failure) => format!("{}: {}", failure.kind.name(), failure.why),
        Rebuild::Compared(rebuilt) => rebuilt_line(rebuilt),
    }
}

/// Why this engine, where one was chosen.
fn engine_reason(rebuild: &Rebuild) -> Option<&str> {
    let engine = match rebuild {
        Rebuild::Compared(rebuilt) => &rebuilt.engine,
        Rebuild::Failed(failure) => failure.engine.as_deref()?,
        _ => return None,
    };
    Some(engine.reason.as_str()).filter(|reason| !reason.is_empty())
}

/// What trusted rebuilders say, in a line.
fn attested(evidence: &Evidence) -> Option<String> {
    let votes = &evidence.attested.votes;
    let vote = |vote: &crate::trust::Vote| {
        let level = vote.level.map_or_else(|| vote.status.clone(), |level| format!("R{level}"));
        format!("{} {} ({level})", vote.signer.name, vote.weight.name())
    };
    let all = votes.iter().map(vote).collect::<Vec<_>>().join(", ");
    let agreed = match &evidence.attested.agreement {
        Some(a) => format!("R{} by {} of the {} needed: ", a.level, a.signers.len(), a.threshold),
        None => String::new(),
    };
    (!votes.is_empty()).then(|| format!("{agreed}{all}"))
}

/// One line on a rebuild that gave an image.
pub fn rebuilt_line(rebuilt: &Rebuilt) -> String {
    let level = rebuilt.comparison.level;
    let word = if level.is_reproducible() {
        "reproduced: "
    } else if level > Level::Different {
        "equivalent: "
    } else {
        ""
    };
    format!(
        "{word}R{} {} by {} ({}); network {}{}{}{}, {}",
        level.number(),
        level.name(),
        rebuilt.engine.driver,
        rebuilt.engine.version,
        rebuilt.engine.network.name(),
        numbers(rebuilt.engine.numbers),
        not_ours(&rebuilt.engine),
        unbounded(&rebuilt.engine),
        layers(rebuilt.coverage),
    )
}

/// Said of a builder that was not started for this build, and of one that took its inputs from elsewhere.
fn not_ours(engine: &EngineReport) -> &'static str {
    match engine {
        EngineReport { kind: EngineKind::Replay, .. } => "",
        EngineReport { ephemeral: false, .. } => {
            ", on a builder that was running and fetched the inputs itself"
        }
        EngineReport { served: None, .. } => ", inputs fetched by the builder itself",
        EngineReport { .. } => "",
    }
}

/// Where each layer is from.
fn layers(coverage: Coverage) -> String {
    let carried = match coverage.carried {
        0 => String::new(),
        carried => format!(", {carried} taken from the published image"),
    };
    match (coverage.rebuilt(), coverage.inherited) {
        (Some(rebuilt), Some(inherited)) => {
            format!("{} rebuilt, {inherited} from the base{carried}", plural(rebuilt, "layer"))
        }
        _ => format!("{}{carried}", plural(coverage.layers, "layer")),
    }
}

/// Said where the kernel did not bound something.
fn unbounded(engine: &EngineReport) -> String {
    let all = engine.unbounded.as_deref().unwrap_or_default();
    all.iter().map(|one| format!(", no bound on {}", one.said())).collect()
}

/// Said where steps were not nobody's.
fn numbers(numbers: Numbers) -> &'static str {
    match numbers {
        Numbers::Own | Numbers::Unknown => "",
        Numbers::Machine => ", users of the machine",
    }
}

/// Why something is not proven, in words.
pub fn unproven(why: &Unproven) -> String {
    match why {
        // Strangers may have signed it, or what covers it; nobody asks them.
        Unproven::Unsigned => "no configured signer signed what covers it".to_owned(),
        Unproven::UnknownSigner => "no configured signer made it".to_owned(),
        Unproven::NotAllowed { signers } => {
            format!("no rule lets {} vouch for this", signers.join(", "))
        }
        Unproven::BelowThreshold { signers, threshold } => {
            format!("signed by {} of the {} needed", signers.len(), plural(*threshold, "signer"))
        }
        Unproven::OtherSubject => "it speaks about another image".to_owned(),
        Unproven::Unsupported(kind) => format!("this version does not verify {kind}"),
    }
}

/// What is wrong or weak, a block of lines for each cause that is wanted, by what it weighs. Remarks are left out.
pub fn blocks(findings: &[Finding], wanted: impl Fn(Severity, &Finding) -> bool) -> Vec<String> {
    let told = findings.iter().filter(|f| f.severity > Severity::Info && !f.is_remark());
    let told: Vec<Finding> = told.cloned().collect();
    let causes = causes(&told).into_iter();
    let wanted = causes.filter(|cause| wanted(cause.severity(), cause.first()));
    let block = |cause: Cause<'_>| {
        let mut page = Page::default();
        cause.write_whole(&mut page, &[]);
        shown::lines(&page)
    };
    wanted.map(block).collect()
}

/// The answer, how much is wrong, and why in a few words.
fn closing(out: &mut Page, verdict: &Verdict, detail: Detail) {
    let of_platform = |p: &PlatformVerdict| {
        let (told, _) = told(&p.findings, detail);
        causes(&told).iter().map(Cause::sameness).collect::<Vec<_>>()
    };
    let all: BTreeSet<Sameness> = verdict.platforms.iter().flat_map(of_platform).collect();
    let counts = counts(all.iter().map(Sameness::severity));
    if verdict.is_pass() {
        match counts.as_str() {
            "" => line!(out, "PASS"),
            counts => line!(out, "PASS  {counts}"),
        }
        return;
    }
    let reason = verdict.platforms.iter().find_map(|p| match &p.decision {
        Decision::Fail(first, _) => Some(reason(&p.findings, first, detail)),
        Decision::Pass(_) => None,
    });
    let counts = if counts.is_empty() { "1 error".to_owned() } else { counts };
    match reason {
        Some(finding) => {
            line!(out, "FAIL  {counts}: {}", finding.title());
            line!(out, "next: hallmark explain {}", finding.explained());
        }
        None => line!(out, "FAIL  {counts}"),
    }
}

/// How many errors and warnings there are; none are not counted.
pub(super) fn counts(all: impl Iterator<Item = Severity> + Clone) -> String {
    let kinds = [(Severity::Error, "error"), (Severity::Warning, "warning")];
    let count = |(kind, noun)| (all.clone().filter(|severity| *severity == kind).count(), noun);
    let counted = kinds.into_iter().map(count).filter(|(count, _)| *count > 0);
    counted.map(|(count, noun)| plural(count, noun)).collect::<Vec<_>>().join(", ")
}

/// The cause of what decided.
fn reason(findings: &[Finding], decided: &Finding, detail: Detail) -> Finding {
    let (told, _) = told(findings, detail);
    let causes = causes(&told);
    let gravest = causes.first().filter(|cause| cause.severity() == Severity::Error);
    gravest.map_or(decided, |cause| cause.first()).clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Key, Subject};

    #[test]
    fn one_cause_is_told_once_whatever_its_places() {
        let of = |code, subject: &str, why: &str, from: &str| {
            let subject = Subject::Image(subject.to_owned());
            let finding = Finding::new(code, subject).with(Key::Why, why).with(Key::From, from);
            if code == Code::SignatureUntrusted { finding.remark() } else { finding }
        };
        let findings = [
            of(Code::SignatureUntrusted, "a", "no key", "x"),
            of(Code::SourceNotFound, "a", "gone", "x"),
            of(Code::SignatureUntrusted, "b", "no key", "y"),
            of(Code::SourceNotFound, "b", "gone", "y"),
            // Said of a place already, by another rule.
            of(Code::SourceNotFound, "a", "gone", "z"),
            of(Code::SourceNotFound, "b", "gone", "z"),
            of(Code::SourceNotFound, "c", "other", "y"),
        ];
        let told = |detail| {
            let (told, untold) = told(&findings, detail);
            let causes = causes(&told);
            let causes: Vec<_> =
                causes.iter().map(|c| (c.first().code, c.told.elsewhere.len())).collect();
            (causes, untold)
        };
        let not_found = [(Code::SourceNotFound, 1), (Code::SourceNotFound, 0)];
        assert_eq!(told(Detail::Brief), (not_found.to_vec(), 2));
        let all = [&not_found[..], &[(Code::SignatureUntrusted, 1)]].concat();
        assert_eq!(told(Detail::Strangers), (all, 0));
    }

    #[test]
    fn a_failed_build_shows_the_end_of_its_log() {
        let shown = |log: &str| {
            let mut page = Page::default();
            log_end(&mut page, log);
            page.into_text()
        };
        assert_eq!(shown(" \n\n"), "");
        assert_eq!(shown("a\n\nb\n"), "    log\n      a\n      b\n");
        let many = (0..=LOG_LINES).map(|n| format!("{n}\u{1b}[2K\n")).collect::<String>();
        let lines = shown(&many);
        assert_eq!(lines.lines().count(), LOG_LINES + 1, "{lines}");
        assert!(
            lines.starts_with("    log: the last 12 of 13 lines\n      1\\u{1b}[2K\n"),
            "{lines}"
        );
        assert!(lines.ends_with("      12\\u{1b}[2K\n"), "{lines}");
    }
}
