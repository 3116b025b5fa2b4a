//! What reports say once: causes of findings, with the places of each, and what came of it.
//!
//! Turns the findings about one platform into [`Cause`]s. Findings that say the same of several places are one; those that follow from
//! another stand under it, and so do remarks on signatures where no signature counts. Nothing gets lost: each finding is in exactly one
//! cause, and one whose own cause is not told stands by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::told::{fact, finding_title, further_facts, shortened};
use crate::{
    finding::{Code, Fact, Finding, Key, Severity},
    untrusted::{Page, line},
};

/// What stands in a command for the image that a finding is about.
const TYPED: &str = "IMAGE";
/// Places of one cause that are named.
const PLACES: usize = 4;
/// Kinds of remarks under a cause that are told.
const REMARKS: usize = 4;

/// What is said of however many places.
#[derive(Debug, Clone)]
pub(super) struct Told<'f> {
    /// The first finding that says it.
    pub first: &'f Finding,
    /// Those that say the same of other places.
    pub elsewhere: Vec<&'f Finding>,
}

/// One cause, and what is told with it.
#[derive(Debug, Clone)]
pub(super) struct Cause<'f> {
    /// What it is.
    pub told: Told<'f>,
    /// Remarks that bear on it.
    pub remarks: Vec<Told<'f>>,
    /// What follows from it.
    pub follows: Vec<Told<'f>>,
}

impl<'f> Cause<'f> {
    /// One that stands by itself.
    pub(super) fn alone(first: &'f Finding) -> Self {
        let told = Told { first, elsewhere: Vec::new() };
        Self { told, remarks: Vec::new(), follows: Vec::new() }
    }

    /// The same for reports that follow each place from run to run. What could not be read has one cause, wherever it was.
    pub(super) fn apart(self) -> Vec<Self> {
        if is_of_world(self.first()) {
            return vec![self];
        }
        let Told { first, elsewhere } = self.told;
        let own = Self { told: Told { first, elsewhere: Vec::new() }, ..self };
        std::iter::once(own).chain(elsewhere.into_iter().map(Self::alone)).collect()
    }

    /// The finding that is the cause.
    pub(super) fn first(&self) -> &'f Finding {
        self.told.first
    }

    /// What it weighs together with what follows from it.
    pub(super) fn severity(&self) -> Severity {
        let follows = self.follows.iter().map(|told| told.first.severity);
        follows.fold(self.first().severity, Severity::max)
    }

    /// Its first line.
    pub(super) fn title(&self) -> String {
        finding_title(self.first(), self.severity())
    }

    /// By what it is the same on another platform.
    pub(super) fn sameness(&self) -> Sameness {
        let Finding { code, subject, facts, .. } = self.first();
        let facts = facts.iter().map(|(key, fact)| (*key, fact.to_string()));
        let follows = self.follows.iter().map(|told| told.first.code);
        Sameness {
            code: *code,
            severity: self.severity(),
            subject: subject.to_string(),
            facts: facts.collect(),
            follows: follows.collect(),
        }
    }

    /// All of it.
    pub(super) fn write_whole(&self, out: &mut Page, named: &[String]) {
        line!(out, "{}", self.title());
        self.write(out, named);
    }

    /// What is known of it, in lines; digests that the report has named in full are shortened, but where a command is to be typed with
    /// what the finding is about.
    pub(super) fn write(&self, out: &mut Page, named: &[String]) {
        let typed = self.first().help().contains(TYPED);
        let shown = if typed { &[] } else { named };
        fact(out, "subject", &shortened(&self.first().subject, shown));
        self.write_places(out, shown);
        further_facts(out, self.first());
        self.write_below(out, named);
    }

    fn write_places(&self, out: &mut Page, named: &[String]) {
        let elsewhere = &self.told.elsewhere;
        for place in elsewhere.iter().take(PLACES) {
            fact(out, "also", &shortened(&place.subject, named));
        }
        if elsewhere.len() > PLACES {
            fact(out, "also", &format_args!("{} more", elsewhere.len() - PLACES));
        }
    }

    /// What is told with it, in lines.
    pub(super) fn write_below(&self, out: &mut Page, named: &[String]) {
        for words in self.remark_lines(named) {
            fact(out, "seen", &words);
        }
        if !self.follows.is_empty() {
            line!(out, "  because of this:");
        }
        for told in &self.follows {
            line!(out, "    {}", told.title());
        }
    }

    /// The remarks that bear on it, a line each.
    pub(super) fn remark_lines(&self, named: &[String]) -> Vec<String> {
        let mut lines: Vec<String> =
            self.remarks.iter().take(REMARKS).map(|told| told.remark(named)).collect();
        if self.remarks.len() > REMARKS {
            lines.push(format!("{} more", self.remarks.len() - REMARKS));
        }
        lines
    }
}

impl Told<'_> {
    /// Its first line where it stands under another one.
    pub(super) fn title(&self) -> String {
        let title = finding_title(self.first, self.first.severity);
        let Finding { code, facts, .. } = self.first;
        // Of a rule's own code there is no finding: its name stands where it is from.
        let own = matches!(code, Code::PolicyDenied | Code::PolicyWarned).then_some(&Key::From);
        let rule = facts.get(&Key::Rule).or_else(|| facts.get(own?));
        let rule = rule.map(|rule| format!("; rule: {rule}"));
        let places = match self.elsewhere.len() {
            0 => String::new(),
            more => format!(", and at {more} more"),
        };
        format!("{title}{places}{}", rule.unwrap_or_default())
    }

    fn remark(&self, named: &[String]) -> String {
        let Finding { code, subject, facts, .. } = self.first;
        let more = match self.elsewhere.len() {
            0 => String::new(),
            more => format!(", and at {more} more"),
        };
        let why = facts.get(&Key::Why).map(|why| format!(": {why}")).unwrap_or_default();
        format!("{code}, {}{more}{why}", shortened(subject, named))
    }
}

/// What two causes have in common that are told as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sameness {
    code: Code,
    severity: Severity,
    subject: String,
    facts: Vec<(Key, String)>,
    follows: Vec<Code>,
}

impl Sameness {
    /// What the cause weighs.
    pub(super) fn severity(&self) -> Severity {
        self.severity
    }
}

/// The causes of findings, the gravest first, else in the order of the first finding of each. There may be as many as somebody has put
/// into an image.
pub(super) fn causes(findings: &[Finding]) -> Vec<Cause<'_>> {
    let groups = groups(findings);
    let by_code: BTreeMap<Code, usize> =
        groups.iter().enumerate().rev().map(|(at, told)| (told.first.code, at)).collect();
    let mut causes: Vec<Cause<'_>> = Vec::new();
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, told) in groups.iter().enumerate() {
        let root = root(at, &groups, &by_code);
        let index = *place.entry(root).or_insert_with(|| {
            causes.extend(groups.get(root).map(|told| Cause {
                told: told.clone(),
                remarks: Vec::new(),
                follows: Vec::new(),
            }));
            causes.len().saturating_sub(1)
        });
        let Some(cause) = causes.get_mut(index).filter(|_| at != root) else { continue };
        match told.first.is_remark() {
            true => cause.remarks.push(told.clone()),
            false => cause.follows.push(told.clone()),
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.severity()));
    causes
}

/// The findings in the order in which reports for people tell them, so that all begin with the same one: each cause with its places, what
/// follows from it, and the remarks on it. What those reports do not say stands at the end. With each what it weighs in them: a cause
/// weighs what the gravest finding does that follows from it.
pub(super) fn in_order(findings: &[Finding]) -> Vec<(&Finding, Severity)> {
    let grave = findings.iter().filter(|finding| finding.severity > Severity::Info);
    let grave: Vec<Finding> = grave.cloned().collect();
    let causes = causes(&grave);
    let all = causes.iter().flat_map(|cause| {
        let below = cause.follows.iter().chain(&cause.remarks);
        let below = below.map(|told| (told, told.first.severity));
        std::iter::once((&cause.told, cause.severity())).chain(below)
    });
    let all = all.flat_map(|(told, weight)| {
        let places = std::iter::once(told.first).chain(told.elsewhere.iter().copied());
        places.map(move |finding| (finding, weight))
    });
    let place: BTreeMap<&Finding, (usize, Severity)> =
        all.zip(0..).map(|((finding, weight), at)| (finding, (at, weight))).collect();
    let of =
        |finding: &Finding| place.get(finding).copied().unwrap_or((usize::MAX, finding.severity));
    let mut ordered: Vec<&Finding> = findings.iter().collect();
    ordered.sort_by_key(|finding| of(finding).0);
    ordered.into_iter().map(|finding| (finding, of(finding).1)).collect()
}

/// What a group stands under: the end of the way over causes that are told.
fn root(at: usize, groups: &[Told<'_>], by_code: &BTreeMap<Code, usize>) -> usize {
    let (mut at, mut seen) = (at, BTreeSet::new());
    while seen.insert(at) {
        let above = groups.get(at).and_then(|told| above(told.first));
        match above.and_then(|code| by_code.get(&code)) {
            Some(next) => at = *next,
            None => return at,
        }
    }
    // Whoever made a circle: each stands by itself.
    seen.into_iter().next().unwrap_or(at)
}

/// The code of what a finding stands under: its cause, or what a remark helps to understand.
fn above(finding: &Finding) -> Option<Code> {
    let bears_on = || match finding.code {
        Code::ProvenanceUnsigned => Some(Code::ProvenanceMissing),
        Code::SbomUnsigned => Some(Code::SbomMissing),
        code => code.as_str().starts_with("signature-").then_some(Code::SignatureMissing),
    };
    finding.because.or_else(|| finding.is_remark().then(bears_on).flatten())
}

fn groups(findings: &[Finding]) -> Vec<Told<'_>> {
    let (mut seen, mut places) = (BTreeMap::new(), BTreeSet::new());
    let mut told: Vec<Told<'_>> = Vec::new();
    for finding in findings {
        let key = (finding.code, finding.severity, finding.because, said(finding));
        let at = *seen.entry(key).or_insert(told.len());
        match told.get_mut(at) {
            // Of one place it is said once.
            Some(one) if places.insert((at, &finding.subject)) => one.elsewhere.push(finding),
            Some(_) => {}
            None => {
                places.insert((at, &finding.subject));
                told.push(Told { first: finding, elsewhere: Vec::new() });
            }
        }
    }
    told
}

/// Whether it is about what could not be read, and not about what was.
fn is_of_world(finding: &Finding) -> bool {
    finding.code.as_str().starts_with("source-") || finding.code == Code::ImageReferrersUnavailable
}

/// What a finding says, wherever. Of what could not be fetched it is how the reason ends: each place begins it with its own name.
fn said(finding: &Finding) -> Vec<(Key, Fact)> {
    match finding.facts.get(&Key::Why).filter(|_| is_of_world(finding)) {
        Some(why) => {
            let why = why.to_string();
            let end = why.rsplit(": ").next().unwrap_or_default().to_owned();
            vec![(Key::Why, Fact::Text(end))]
        }
        None => {
            let facts = finding.facts.iter().filter(|(key, _)| **key != Key::From);
            facts.map(|(key, fact)| (*key, fact.clone())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Subject;

    fn found(code: Code, subject: &str, why: &str) -> Finding {
        Finding::new(code, Subject::Image(subject.to_owned())).with(Key::Why, why)
    }

    /// Code and severity, how many places, remarks, and what follows.
    type Shape = (Code, Severity, usize, Vec<Code>, Vec<Code>);

    fn shape(findings: &[Finding]) -> Vec<Shape> {
        let codes = |all: &[Told<'_>]| all.iter().map(|told| told.first.code).collect();
        causes(findings)
            .iter()
            .map(|cause| {
                let Told { first, elsewhere } = &cause.told;
                let (remarks, follows) = (codes(&cause.remarks), codes(&cause.follows));
                (first.code, cause.severity(), elsewhere.len(), remarks, follows)
            })
            .collect()
    }

    #[test]
    fn what_follows_stands_under_its_cause() {
        use Code::{
            ConfigTrustRuleUnused, PolicyNothingProven, ProvenanceMissing, RebuildNotRun,
            SbomMissing, SignatureMissing, SignatureUntrusted,
        };
        let of = |code| found(code, "a", "w");
        let grave = |code| of(code).at(Severity::Error);
        let after = |code, cause| grave(code).following(Some(cause));
        let (error, warning) = (Severity::Error, Severity::Warning);
        let cases = [
            (
                "a wrong key",
                vec![
                    grave(SignatureMissing),
                    after(ProvenanceMissing, SignatureMissing),
                    after(SbomMissing, SignatureMissing),
                    after(RebuildNotRun, ProvenanceMissing),
                    of(SignatureUntrusted).remark(),
                ],
                vec![(
                    SignatureMissing,
                    error,
                    0,
                    vec![SignatureUntrusted],
                    vec![ProvenanceMissing, SbomMissing, RebuildNotRun],
                )],
            ),
            (
                "an error that follows from a warning weighs for it",
                vec![
                    after(PolicyNothingProven, SignatureMissing),
                    of(ProvenanceMissing),
                    of(SignatureMissing),
                ],
                vec![
                    (SignatureMissing, error, 0, vec![], vec![PolicyNothingProven]),
                    (ProvenanceMissing, warning, 0, vec![], vec![]),
                ],
            ),
            (
                "a cause that is not told",
                vec![after(SbomMissing, SignatureMissing)],
                vec![(SbomMissing, error, 0, vec![], vec![])],
            ),
            (
                "a circle",
                vec![
                    after(SignatureMissing, ConfigTrustRuleUnused),
                    after(ConfigTrustRuleUnused, SignatureMissing),
                ],
                vec![(SignatureMissing, error, 0, vec![], vec![ConfigTrustRuleUnused])],
            ),
            (
                "a remark where a signature counts",
                vec![grave(SbomMissing), of(SignatureUntrusted).remark()],
                vec![
                    (SbomMissing, error, 0, vec![], vec![]),
                    (SignatureUntrusted, warning, 0, vec![], vec![]),
                ],
            ),
        ];
        for (name, findings, want) in cases {
            assert_eq!(shape(&findings), want, "{name}");
        }
    }

    #[test]
    fn every_report_begins_with_the_same_finding() {
        use Code::{
            PolicyNothingProven, ProvenanceMissing, SbomMissing, SignatureMissing,
            SignatureUntrusted,
        };
        let of = |code, subject| found(code, subject, "w");
        let nothing = of(PolicyNothingProven, "a").following(Some(SignatureMissing));
        let note = of(SbomMissing, "a").at(Severity::Info);
        let remark = of(SignatureUntrusted, "c").remark();
        let twice = Finding { rule: Some("r".to_owned()), ..of(ProvenanceMissing, "a") };
        let (first, second) = (of(SignatureMissing, "a"), of(SignatureMissing, "b"));
        let findings = [nothing, of(ProvenanceMissing, "a"), twice, first, remark, note, second];
        let ordered = in_order(&findings);
        let codes: Vec<Code> = ordered.iter().map(|(finding, _)| finding.code).collect();
        assert_eq!(
            codes,
            [
                SignatureMissing,
                SignatureMissing,
                PolicyNothingProven,
                SignatureUntrusted,
                ProvenanceMissing,
                ProvenanceMissing,
                SbomMissing
            ]
        );
        assert_eq!(ordered[0].0.subject, findings[3].subject);
        let all: Vec<&Finding> = ordered.iter().map(|(finding, _)| *finding).collect();
        assert!(findings.iter().all(|finding| all.contains(&finding)), "none is lost");
    }

    #[test]
    fn what_a_command_is_typed_with_is_named_in_full() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let image = format!("r.example/app@{digest}");
        let told = |code, help: Option<&str>| {
            let finding = found(code, &image, "w");
            let finding = help.map_or(finding.clone(), |help| finding.with(Key::Help, help));
            let mut page = Page::default();
            Cause::alone(&finding).write(&mut page, std::slice::from_ref(&digest));
            page.into_text()
        };
        let whole = format!("subject: {image}\n");
        assert!(told(Code::SbomMissing, None).contains(&whole), "hallmark sign ... IMAGE@DIGEST");
        assert!(told(Code::SbomEmpty, Some("hallmark init IMAGE")).contains(&whole));
        assert!(
            told(Code::SbomEmpty, None).contains("subject: r.example/app@sha256:abababababab…\n")
        );
    }

    #[test]
    fn a_cause_weighs_in_every_report_what_follows_from_it() {
        use Code::{ConfigTrustRuleUnused, PolicyNothingProven, SbomMissing, SignatureMissing};
        let cause = || found(ConfigTrustRuleUnused, "a", "w").at(Severity::Warning);
        let follows = |code| found(code, "a", "w").following(Some(ConfigTrustRuleUnused));
        let cases = [
            (vec![follows(PolicyNothingProven).at(Severity::Error)], Severity::Error),
            (vec![follows(SbomMissing).at(Severity::Warning)], Severity::Warning),
            (vec![found(SignatureMissing, "a", "w").at(Severity::Error)], Severity::Warning),
        ];
        for (others, want) in cases {
            let findings: Vec<Finding> = others.into_iter().chain([cause()]).collect();
            let ordered = in_order(&findings);
            let of_cause = ordered.iter().find(|(f, _)| f.code == ConfigTrustRuleUnused).unwrap();
            assert_eq!(of_cause.1, want, "{ordered:?}");
            let others = ordered.iter().filter(|(f, _)| f.code != ConfigTrustRuleUnused);
            others.for_each(|(finding, weight)| assert_eq!(finding.severity, *weight));
        }
    }

    #[test]
    fn one_unreachable_registry_is_one_cause() {
        let gone = "connection refused";
        let findings = [
            found(Code::SourceUnavailable, "a", &format!("r.example/blobs/1: {gone}")),
            found(Code::SourceUnavailable, "b", &format!("r.example/blobs/2: {gone}")),
            found(Code::SourceUnavailable, "c", "r.example/blobs/3: it answered 503"),
        ];
        let want: Vec<_> = [1, 0]
            .map(|more| (Code::SourceUnavailable, Severity::Error, more, vec![], vec![]))
            .into();
        assert_eq!(shape(&findings), want);
    }

    #[test]
    fn lines_name_places_remarks_and_what_follows() {
        let missing = found(Code::SignatureMissing, "a", "w").at(Severity::Error);
        let other = Finding { subject: Subject::Image("b".to_owned()), ..missing.clone() };
        let remark = found(Code::SignatureIdentityMismatch, "c", "eve\nFAIL").remark();
        let follows = found(Code::SbomMissing, "a", "w")
            .at(Severity::Error)
            .with(Key::Rule, "sbom-missing (hallmark.sbom)")
            .following(Some(Code::SignatureMissing));
        let denied = found(Code::PolicyDenied, "a", "w")
            .at(Severity::Error)
            .with(Key::From, "my-code (hallmark.mine)")
            .following(Some(Code::SignatureMissing));
        let findings = [missing, other, remark, follows, denied];
        let causes = causes(&findings);
        let mut page = Page::default();
        causes[0].write(&mut page, &[]);
        let text = page.into_text();
        for wanted in [
            "  subject: a\n     also: b\n",
            "     seen: signature-identity-mismatch, c: eve\\u{a}FAIL\n",
            "  because of this:\n    error[sbom-missing]: no SBOM of the image is proven; rule: sbom-missing (hallmark.sbom)\n",
            "    error[policy-denied]: a policy denies the image; rule: my-code (hallmark.mine)\n",
        ] {
            assert!(text.contains(wanted), "{wanted:?}\n{text}");
        }
    }
}
