//! What an SBOM is and lacks, and whether it agrees with its image.
//!
//! Turns documents, of a file or of an image's platforms, into text and into JSON, `hallmark/sbom-check/v1`. An image is good where an
//! SBOM of it is proven, and each proven one names no other image, agrees with what is installed, and has what the profiles ask for;
//! what nobody proved is shown and changes nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    amount::plural,
    attest::Carrier,
    finding::{Code, Finding},
    policy::input::ReconciliationInput,
    report::{
        json::{finding as finding_json, lines},
        shown, text,
        told::write_finding,
    },
    sbom::{
        About, Sbom,
        binding::Binding,
        quality::{self, Gap, Profile},
    },
    untrusted::{Page, line},
    verdict::{Evidence, SbomEvidence},
};

/// Schema of a check.
pub const SBOM_CHECK: &str = "hallmark/sbom-check/v1";
/// Components that are named in a line.
const NAMED: usize = 10;

/// What was looked at.
#[derive(Debug)]
pub enum Checked {
    /// A document in a file.
    File {
        /// The file.
        name: String,
        /// What it says.
        sbom: Box<Sbom>,
    },
    /// The SBOMs of an image, for each of its platforms.
    Image(Vec<Stand>),
}

/// How the SBOMs of one platform stand.
#[derive(Debug)]
pub struct Stand {
    /// What is known of it.
    pub evidence: Evidence,
    /// What was seen.
    pub findings: Vec<Finding>,
}

/// What was looked at, and what it is asked for.
#[derive(Debug)]
pub struct Check {
    /// What was looked at.
    pub checked: Checked,
    /// The profiles that are asked for.
    pub profiles: Vec<Profile>,
}

/// What keeps a document from being good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    OtherImage,
    Uncompared,
    Unconfirmed,
    Disagrees(usize),
    Lacks(Profile),
}

impl Trouble {
    fn words(self) -> String {
        match self {
            Self::OtherImage => "it names another image".to_owned(),
            Self::Uncompared => "it was not compared with the image".to_owned(),
            Self::Unconfirmed => "nothing of it is confirmed by the image".to_owned(),
            Self::Disagrees(count) => format!("it disagrees with the image in {count}"),
            Self::Lacks(profile) => format!("it lacks what {} asks for", profile.name()),
        }
    }
}

impl Check {
    /// Whether all is good.
    pub fn is_good(&self) -> bool {
        match &self.checked {
            Checked::File { sbom, .. } => self.lacking(sbom).is_empty(),
            Checked::Image(stands) => stands.iter().all(|stand| self.is_stand_good(stand)),
        }
    }

    fn is_stand_good(&self, stand: &Stand) -> bool {
        let unreadable = [Code::SbomMalformed, Code::SbomEmpty, Code::LimitExceeded];
        let lost = stand.findings.iter().any(|f| unreadable.contains(&f.code) && !f.is_remark());
        let proven = || stand.evidence.sboms.iter().filter(|one| one.claim.proven().is_some());
        let mut about = proven().filter_map(|one| one.claim.value()).map(|bound| bound.about());
        !lost
            && about.any(|about| about == About::Image)
            && proven().all(|one| self.troubles(one).is_empty())
    }

    /// The last line: what good means depends on what was asked.
    fn answer(&self) -> &'static str {
        let asked = !self.profiles.is_empty();
        match (&self.checked, self.is_good(), asked) {
            (Checked::File { .. }, true, false) => {
                "good: it can be read; no --profile was asked for, and no image was compared"
            }
            (Checked::File { .. }, true, true) => {
                "good: it has what --profile asks for; no image was compared"
            }
            (Checked::File { .. }, false, _) => "not good: it lacks what --profile asks for",
            (Checked::Image(_), true, false) => {
                "good: proven, and it agrees with the image; no --profile was asked for"
            }
            (Checked::Image(_), true, true) => {
                "good: proven, it agrees with the image and has what --profile asks for"
            }
            (Checked::Image(_), false, _) => "not good: see what is wrong above",
        }
    }

    /// Profiles that are asked for and not met.
    fn lacking(&self, sbom: &Sbom) -> Vec<Trouble> {
        let lacks = |profile: &&Profile| !quality::gaps(sbom, **profile).is_empty();
        self.profiles.iter().filter(lacks).map(|profile| Trouble::Lacks(*profile)).collect()
    }

    fn troubles(&self, one: &SbomEvidence) -> Vec<Trouble> {
        let Some(bound) = one.claim.value() else { return Vec::new() };
        // Each platform of an index may have its own, attached to the index, and a base leaves its own in the image.
        let is_inside = matches!(one.claim.carrier(), Some(Carrier::File { .. }));
        if bound.binding == Binding::OtherPlatform || is_inside && bound.binding.is_elsewhere() {
            return Vec::new();
        }
        let mut troubles = self.lacking(&bound.sbom);
        if bound.binding == Binding::OtherImage {
            troubles.push(Trouble::OtherImage);
            return troubles;
        }
        match &one.reconciliation {
            None => troubles.push(Trouble::Uncompared),
            Some(compared) if compared.disagreements() > 0 => {
                troubles.push(Trouble::Disagrees(compared.disagreements()));
            }
            Some(compared) if compared.matched == 0 && bound.about() == About::Image => {
                troubles.push(Trouble::Unconfirmed);
            }
            Some(_) => {}
        }
        troubles
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let profiles: Vec<&str> = self.profiles.iter().map(|profile| profile.name()).collect();
        let (file, reference, documents, platforms) = match &self.checked {
            Checked::File { name, sbom } => {
                (Some(name.clone()), None, vec![self.document(sbom, None)], Vec::new())
            }
            Checked::Image(stands) => {
                let reference = stands.first().map(|s| s.evidence.image.reference.to_string());
                (None, reference, Vec::new(), stands.iter().map(|s| self.stand(s)).collect())
            }
        };
        lines(&json!({
            "schema": SBOM_CHECK,
            "file": file,
            "reference": reference,
            "profiles": profiles,
            "good": self.is_good(),
            "documents": documents,
            "platforms": platforms,
        }))
    }

    fn stand(&self, stand: &Stand) -> Value {
        let image = &stand.evidence.image;
        let document = |one: &SbomEvidence| {
            let bound = one.claim.value()?;
            Some(self.document(&bound.sbom, Some(one)))
        };
        json!({
            "platform": image.platform.to_string(),
            "manifest": image.manifest.document.digest.to_string(),
            "good": self.is_stand_good(stand),
            "documents": stand.evidence.sboms.iter().filter_map(document).collect::<Vec<_>>(),
            "findings": of_sboms(&stand.findings).map(finding_json).collect::<Vec<_>>(),
        })
    }

    fn document(&self, sbom: &Sbom, evidence: Option<&SbomEvidence>) -> Value {
        let claim = evidence.map(|one| &one.claim);
        let bound = claim.and_then(|claim| claim.value());
        let signers = claim.and_then(|claim| claim.proven()).map(|proven| proven.signers());
        let signers: Vec<&str> =
            signers.unwrap_or_default().iter().map(|s| s.name.as_str()).collect();
        let compared = evidence.and_then(|one| one.reconciliation.as_ref());
        let troubles =
            evidence.map_or_else(|| self.lacking(sbom), |evidence| self.troubles(evidence));
        let gaps = |profile: Profile| {
            let gaps = quality::gaps(sbom, profile).into_iter();
            let gaps = gaps.map(|gap| {
                let components: Vec<String> =
                    gap.components.iter().map(|one| one.label()).collect();
                json!({"element": gap.element, "components": components})
            });
            (profile.name().to_owned(), Value::Array(gaps.collect()))
        };
        let passed_over = sbom.passed_over.iter();
        json!({
            "state": claim.map(|claim| claim.state()),
            "signers": signers,
            "place": claim.and_then(|claim| claim.carrier()).map(ToString::to_string),
            "format": sbom.format,
            "document": sbom.document.to_string(),
            "name": sbom.name,
            "created": sbom.created,
            "tools": sbom.tools,
            "components": sbom.components.len(),
            "files": sbom.files.len(),
            "about": bound.map_or(sbom.about, |bound| bound.about()).word(),
            "binding": bound.map(|bound| bound.binding.word()),
            "namesImage": sbom.names_image.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "completeness": sbom.completeness.word(),
            "passedOver": passed_over
                .map(|(what, count)| json!({"what": what, "count": count}))
                .collect::<Vec<_>>(),
            "gaps": Profile::ALL.map(gaps).into_iter().collect::<serde_json::Map<_, _>>(),
            "reconciliation": compared.map(ReconciliationInput::of),
            "troubles": troubles.into_iter().map(Trouble::words).collect::<Vec<_>>(),
        })
    }

    /// As text.
    pub fn text(&self) -> String {
        let mut page = Page::default();
        match &self.checked {
            Checked::File { name, sbom } => {
                line!(page, "{name}");
                line!(page);
                line!(
                    page,
                    "sbom  {}, {}",
                    sbom.format,
                    plural(sbom.components.len(), "component")
                );
                self.told(&mut page, sbom, None);
            }
            Checked::Image(stands) => {
                if let Some(first) = stands.first() {
                    line!(page, "{}", first.evidence.image.reference);
                }
                stands.iter().for_each(|stand| self.stand_told(&mut page, stand));
            }
        }
        line!(page);
        line!(page, "{}", self.answer());
        shown::lines(&page)
    }

    fn stand_told(&self, page: &mut Page, stand: &Stand) {
        line!(page);
        line!(page, "platform  {}", stand.evidence.image.platform);
        if stand.evidence.sboms.is_empty() {
            line!(page, "sbom  none can be read");
        }
        for one in &stand.evidence.sboms {
            let Some(bound) = one.claim.value() else { continue };
            line!(page);
            line!(page, "sbom  {}", text::sbom(&one.claim, one.reconciliation.as_ref()));
            if let Some(carrier) = one.claim.carrier() {
                line!(page, "  place         {carrier}");
            }
            self.told(page, &bound.sbom, Some(one));
        }
        let proven = stand.evidence.sboms.iter().any(|one| one.claim.proven().is_some());
        if !proven {
            line!(page, "  no SBOM of this platform is proven");
        }
        for finding in of_sboms(&stand.findings) {
            line!(page);
            write_finding(page, finding, finding.severity);
        }
    }

    fn told(&self, page: &mut Page, sbom: &Sbom, evidence: Option<&SbomEvidence>) {
        line!(page, "  document      {}", sbom.document);
        if let Some(name) = &sbom.name {
            line!(page, "  name          {name}");
        }
        line!(page, "  made          {}", made_words(sbom));
        let bound = evidence.and_then(|one| one.claim.value());
        let about = bound.map_or(sbom.about, |bound| bound.about());
        line!(page, "  about         {}", about_words(about));
        line!(page, "  names         {}", named_words(sbom, bound.map(|bound| bound.binding)));
        if let Some(word) = sbom.completeness.word() {
            line!(page, "  completeness  {word}, as it says");
        }
        line!(page, "  files         {} with a path and a digest", sbom.files.len());
        if let Some(compared) = evidence.and_then(files_compared) {
            line!(page, "                {compared}");
        }
        for what in sbom.passed_over_in_words() {
            line!(page, "  not read      {what}");
        }
        for profile in Profile::ALL {
            let gaps = quality::gaps(sbom, profile);
            let asked = if self.profiles.contains(&profile) { ", which is asked for" } else { "" };
            match gaps.is_empty() {
                true => line!(page, "  {}: has all of it{asked}", profile.name()),
                false => line!(
                    page,
                    "  {}: lacks {}{asked}",
                    profile.name(),
                    plural(gaps.len(), "element")
                ),
            }
            gaps.iter().for_each(|gap| gap_told(page, gap));
        }
        let troubles =
            evidence.map_or_else(|| self.lacking(sbom), |evidence| self.troubles(evidence));
        for trouble in troubles {
            line!(page, "  wrong         {}", trouble.words());
        }
        for (element, advice) in self.advice(sbom) {
            line!(page, "  help          {element}: {advice}");
        }
    }

    /// What to do about elements that a profile asks for in vain.
    fn advice(&self, sbom: &Sbom) -> BTreeMap<&'static str, &'static str> {
        let gaps = self.profiles.iter().flat_map(|profile| quality::gaps(sbom, *profile));
        gaps.filter_map(|gap| Some((gap.element, advice(gap.element)?))).collect()
    }
}

/// How an element gets into a document that hallmark writes, or why none of its documents has it.
fn advice(element: &str) -> Option<&'static str> {
    match element {
        "author" => {
            Some("whoever makes the document names himself: hallmark sbom generate --author NAME")
        }
        "supplier" => Some(
            "no image says who supplies a package, so that hallmark sbom generate writes NOASSERTION, which ntia-2021 does not take; \
             let the generator of the build name it, or ask for cisa-2026, which takes that for an answer",
        ),
        _ => None,
    }
}

/// How the files that a document lists compare with those in the image; `None` where nothing was compared with it at all.
/// Files of what nobody proved are not looked up: none of them is as in the image, and none is otherwise.
fn files_compared(one: &SbomEvidence) -> Option<String> {
    let compared = one.reconciliation.as_ref()?;
    let (same, other) = (compared.files, compared.digests.len());
    if one.claim.proven().is_none() && same + other == 0 {
        return Some(
            "not compared with the image: no trusted signer signed the document".to_owned(),
        );
    }
    Some(format!("{same} of them as in the image, {other} with other bytes there"))
}

fn gap_told(page: &mut Page, gap: &Gap<'_>) {
    let Gap { element, components } = gap;
    let named: Vec<String> = components.iter().take(NAMED).map(|one| one.label()).collect();
    match components.len() {
        0 => line!(page, "    {element}  the document"),
        count if count > NAMED => {
            line!(page, "    {element}  {} and {} more", named.join(", "), count - NAMED);
        }
        _ => line!(page, "    {element}  {}", named.join(", ")),
    }
}

/// When it was made and by what.
fn made_words(sbom: &Sbom) -> String {
    let by = Some(sbom.tools.join(", ")).filter(|tools| !tools.is_empty());
    match (&sbom.created, by) {
        (Some(time), Some(tools)) => format!("{time} by {tools}"),
        (Some(time), None) => format!("{time}; it does not say by which tool"),
        (None, Some(tools)) => format!("by {tools}; it does not say when"),
        (None, None) => "it does not say when, or by which tool".to_owned(),
    }
}

fn about_words(about: About) -> &'static str {
    match about {
        About::Image => "an image, as far as it says",
        About::Package => "one package, and not all of an image",
        About::Build => "what is built, before there is an image",
        About::OtherImage => "another image",
    }
}

fn named_words(sbom: &Sbom, binding: Option<Binding>) -> String {
    let digests: Vec<String> = sbom.names_image.iter().map(ToString::to_string).collect();
    match binding {
        None if digests.is_empty() => "no image by its digest".to_owned(),
        None => digests.join(", "),
        Some(Binding::Image) => "this image".to_owned(),
        Some(Binding::Index) => "an index of this image".to_owned(),
        Some(Binding::OtherPlatform) => format!("another platform: {}", digests.join(", ")),
        Some(Binding::OtherImage) => format!("another image: {}", digests.join(", ")),
        Some(Binding::Unnamed) => "no image by its digest".to_owned(),
    }
}

/// What is said of SBOMs, and of what keeps them from being compared.
fn of_sboms(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|finding| {
        let code = finding.code.as_str();
        code.starts_with("sbom-") || code.starts_with("limit-")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        digest::Digest,
        sbom::{BoundSbom, Reconciliation},
        trust::{Proof, Unproven, Verified, testing},
    };

    #[test]
    fn what_a_profile_asks_for_in_vain_is_told_with_what_to_do() {
        let told = |profiles: &[Profile]| {
            let sbom = Box::new(Sbom::empty("SPDX-2.3"));
            let checked = Checked::File { name: "x".to_owned(), sbom };
            Check { checked, profiles: profiles.to_vec() }.text()
        };
        let author = "  help          author: whoever makes the document names himself: hallmark sbom generate --author NAME\n";
        assert!(told(&[Profile::Ntia2021]).contains(author));
        assert!(!told(&[]).contains("help"), "nothing was asked for");
        assert!(advice("supplier").is_some_and(|why| why.contains("NOASSERTION")));
    }

    #[test]
    fn files_of_a_document_that_nobody_proved_are_not_called_compared() {
        let carrier = || Carrier::Given { name: "x".to_owned() };
        let value = || BoundSbom {
            sbom: Arc::new(Sbom::empty("SPDX-2.3")),
            subject: testing::manifest(),
            binding: Binding::Unnamed,
        };
        let payload = Digest::sha256(b"");
        let unproven = Proof::Unproven {
            value: value(),
            carrier: carrier(),
            payload,
            why: Unproven::Unsigned,
        };
        let proven = Proof::Proven(Verified::given(value(), carrier()));
        let told = |claim: &Proof<BoundSbom>, files: usize| {
            let reconciliation = Some(Reconciliation { files, ..Reconciliation::default() });
            files_compared(&SbomEvidence { claim: claim.clone(), reconciliation })
        };
        let unlooked = "not compared with the image: no trusted signer signed the document";
        assert_eq!(told(&unproven, 0).as_deref(), Some(unlooked));
        let none = "0 of them as in the image, 0 with other bytes there";
        assert_eq!(told(&proven, 0).as_deref(), Some(none));
        // Somebody else who is proven names the same files.
        let two = "2 of them as in the image, 0 with other bytes there";
        assert_eq!(told(&unproven, 2).as_deref(), Some(two));
        let absent = SbomEvidence { claim: unproven, reconciliation: None };
        assert_eq!(files_compared(&absent), None);
    }
}
