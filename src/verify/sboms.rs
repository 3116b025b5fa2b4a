//! The SBOMs of an image: read, bound to it, and held against what is in it.
//!
//! What is proven, or was handed in by the operator, is read whole. What nobody proved decides nothing and may be as much as a
//! registry holds, so that a budget bounds what is read of it (`limits.unprovenSbomBytes`, attack C13); its end is a remark.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Contents, Inquiry,
    remarks::{by_standing, elsewhere, malformed},
};
use crate::{
    attest::Carrier,
    contents::{
        CollectorName, Inventory,
        accounts::{Accounts, NamedFiles},
    },
    digest::Digest,
    finding::{Code, Finding, Key, PackageVersion, Subject},
    image::Image,
    limits::{self, Limits},
    sbom::{
        self, About, BoundSbom, Reconciliation, Sbom, SbomError,
        binding::{self, Binding},
        reconcile::{compare_files, reconcile},
    },
    trust::{Claimed, Covering, PredicateClass, Proof, Proofs, Unproven, Verified},
    verdict::SbomEvidence,
};

/// The predicate type under which rules speak about SBOM documents in the image, whatever their format.
pub(super) const SBOM: &str = "https://spdx.dev/Document";
/// Disagreements of one unproven SBOM that are said.
const REMARKS: usize = 20;
/// Documents that the budget for unproven SBOMs is enough for, however small they are.
const UNPROVEN_DOCUMENTS: usize = 16;

/// A document that the operator handed in.
#[derive(Debug, Clone)]
pub struct GivenSbom {
    /// The file.
    pub name: String,
    /// What it says.
    pub sbom: Arc<Sbom>,
}

/// Every SBOM of the image with how it agrees with what is in it, the proven ones first.
pub(super) fn gather(
    proofs: &Proofs,
    contents: &Contents,
    covering: &Covering<'_>,
    inquiry: &Inquiry,
    findings: &mut Vec<Finding>,
) -> Vec<SbomEvidence> {
    let mut reader = Reader::new(covering.image, &inquiry.world.limits);
    let mut found: Vec<Proof<BoundSbom>> =
        inquiry.world.sboms.iter().filter_map(|given| reader.given(given)).collect();
    reader.statements(proofs, &mut found);
    reader.files(contents, covering, &mut found);
    reader.documents(proofs, &mut found);
    findings.extend(reader.finish());
    found.sort_by_key(|proof| proof.proven().is_none());
    let inside = (contents.inventory.as_ref(), contents.accounts.as_ref());
    reconciled(found, covering.image, inside, findings)
}

/// Files that SBOMs name which are known before the layers are read, and which somebody vouches for who may; none where nobody asks for
/// whose the files are.
pub(super) fn named(
    proofs: &Proofs,
    image: &Image,
    collectors: &BTreeSet<CollectorName>,
    inquiry: &Inquiry,
) -> NamedFiles {
    let mut named = NamedFiles::default();
    if !collectors.contains(&CollectorName::Contents) {
        return named;
    }
    let limits = &inquiry.world.limits;
    let proven = proofs.attestations.iter().filter_map(|proof| proof.proven());
    let attested = proven.filter_map(|proof| proof.value().sbom(limits)?.ok());
    let given = inquiry.world.sboms.iter().map(|given| Arc::clone(&given.sbom));
    let is_own =
        |sbom: &Arc<Sbom>| sbom.about == About::Image && !binding::of(sbom, image).is_elsewhere();
    for sbom in attested.chain(given).filter(is_own) {
        for file in &sbom.files {
            if let Some(sha256) = file.sha256() {
                named.add(&file.path, sha256);
            }
        }
    }
    named
}

/// Reads documents about one image.
struct Reader<'a> {
    image: &'a Image,
    limits: &'a Limits,
    /// Bytes of unproven documents that are still read.
    left: usize,
    left_out: usize,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn new(image: &'a Image, limits: &'a Limits) -> Self {
        let left = limits.unproven_sbom_bytes;
        Self { image, limits, left, left_out: 0, findings: Vec::new() }
    }

    /// Whether an unproven document of this size is read.
    fn affords(&mut self, bytes: usize) -> bool {
        let price = bytes.max(self.limits.unproven_sbom_bytes / UNPROVEN_DOCUMENTS);
        let left = self.left.checked_sub(price);
        match left {
            Some(left) => self.left = left,
            None => self.left_out += 1,
        }
        left.is_some()
    }

    fn bound(&self, sbom: Arc<Sbom>) -> BoundSbom {
        let (subject, binding) =
            (self.image.manifest.document.digest.clone(), binding::of(&sbom, self.image));
        BoundSbom { sbom, subject, binding }
    }

    /// What the operator handed in counts by his word, unless it names another platform of the image's index: then it is
    /// not about this one.
    fn given(&self, given: &GivenSbom) -> Option<Proof<BoundSbom>> {
        let bound = self.bound(Arc::clone(&given.sbom));
        let carrier = Carrier::Given { name: given.name.clone() };
        let is_here = bound.binding != Binding::OtherPlatform;
        is_here.then(|| Proof::Proven(Verified::given(bound, carrier)))
    }

    /// Statements, which are read already where they are proven.
    fn statements(&mut self, proofs: &Proofs, found: &mut Vec<Proof<BoundSbom>>) {
        let is_sbom = |s: &Claimed| PredicateClass::Sbom.includes(&s.predicate_type);
        for proof in proofs.attestations.iter().filter(|p| p.value().is_some_and(is_sbom)) {
            if matches!(proof, Proof::Unproven { why: Unproven::OtherSubject, .. }) {
                self.findings.push(elsewhere(Code::SbomSubjectMismatch, proof, self.image));
                continue;
            }
            let Some(claimed) = proof.value() else { continue };
            if proof.proven().is_none() && !self.affords(claimed.predicate.text().len()) {
                continue;
            }
            match claimed.sbom(self.limits) {
                Some(Ok(sbom)) => {
                    let bound = self.bound(sbom);
                    found.push(proof.map(|_| bound.clone()));
                }
                Some(Err(error)) => {
                    let finding = unreadable(&error, proof.carrier());
                    self.findings.push(by_standing(proof, finding));
                }
                None => {}
            }
        }
    }

    /// SBOMs that are files of the image.
    fn files(
        &mut self,
        contents: &Contents,
        covering: &Covering<'_>,
        found: &mut Vec<Proof<BoundSbom>>,
    ) {
        let Some(rootfs) = &contents.rootfs else { return };
        for path in rootfs.paths().filter(|path| sbom::is_document_path(path)) {
            let Some(bytes) = rootfs.file(path) else { continue };
            let layer = rootfs.get(path).map(|node| node.layer).unwrap_or_default();
            let carrier = Carrier::File { path: path.to_owned(), layer };
            let standing = covering.cover((), SBOM, carrier.clone(), bytes);
            if standing.proven().is_none() && !self.affords(bytes.len()) {
                continue;
            }
            match sbom::parse(bytes, self.limits) {
                Ok(sbom) => {
                    let bound = self.bound(Arc::new(sbom));
                    found.push(standing.map(|()| bound.clone()));
                }
                Err(error) => self.findings.push(unreadable(&error, Some(&carrier)).remark()),
            }
        }
    }

    /// Documents that were attached as they are.
    fn documents(&mut self, proofs: &Proofs, found: &mut Vec<Proof<BoundSbom>>) {
        for raw in &proofs.documents {
            if !self.affords(raw.bytes.len()) {
                continue;
            }
            match sbom::parse(&raw.bytes, self.limits) {
                Ok(sbom) => {
                    let subject = raw.attached_to.clone();
                    found.push(Proof::Unproven {
                        value: BoundSbom { subject, ..self.bound(Arc::new(sbom)) },
                        carrier: raw.carrier.clone(),
                        payload: Digest::sha256(&raw.bytes),
                        why: Unproven::Unsigned,
                    });
                }
                Err(error) => self.findings.push(unreadable(&error, Some(&raw.carrier)).remark()),
            }
        }
    }

    /// What was wrong with them, and what was left out.
    fn finish(self) -> Vec<Finding> {
        let mut findings = self.findings;
        if self.left_out > 0 {
            let (count, limit) = (self.left_out, self.limits.unproven_sbom_bytes);
            let key = limits::key("unproven_sbom_bytes");
            let why = format!(
                "{count} were left out: {key} is {limit}, and each counts at least a {UNPROVEN_DOCUMENTS}th of it"
            );
            let subject = Subject::Image(self.image.reference.to_string());
            findings.push(Finding::new(Code::SbomLeftOut, subject).remark().with(Key::Why, why));
        }
        findings
    }
}

/// That a document cannot be read.
fn unreadable(error: &SbomError, carrier: Option<&Carrier>) -> Finding {
    let code = match error {
        SbomError::Empty { .. } => Code::SbomEmpty,
        SbomError::TooMany { .. }
        | SbomError::TooLarge { .. }
        | SbomError::Relationships { .. } => Code::LimitExceeded,
        _ => Code::SbomMalformed,
    };
    malformed(code, carrier, error)
}

/// Each SBOM with how it agrees with what is in the image, where that is known.
fn reconciled(
    sboms: Vec<Proof<BoundSbom>>,
    image: &Image,
    (inventory, accounts): (Option<&Inventory>, Option<&Accounts>),
    findings: &mut Vec<Finding>,
) -> Vec<SbomEvidence> {
    let compared = |claim: Proof<BoundSbom>| {
        let both = claim.value().zip(inventory);
        let reconciliation = both.map(|(bound, inventory)| {
            let mut compared = reconcile(&bound.sbom, bound.about(), inventory);
            if let Some(accounts) = accounts {
                compare_files(&bound.sbom, &accounts.named, &mut compared);
            }
            compared
        });
        SbomEvidence { claim, reconciliation }
    };
    let sboms: Vec<SbomEvidence> = sboms.into_iter().map(compared).collect();
    for SbomEvidence { claim, reconciliation } in &sboms {
        findings.extend(misbound(claim, image));
        let Some(reconciliation) = reconciliation else { continue };
        let from = claim.carrier().map(ToString::to_string).unwrap_or_default();
        let all = disagreements(reconciliation, &from);
        let shown = if claim.proven().is_some() { all.len() } else { REMARKS };
        findings.extend(all.into_iter().take(shown).map(|finding| by_standing(claim, finding)));
    }
    findings.extend(inventory.into_iter().flat_map(unread));
    sboms
}

/// That a document names another image than the one that it came with. A file in the image is that of a base, where it does: no
/// image holds its own digest.
fn misbound(claim: &Proof<BoundSbom>, image: &Image) -> Option<Finding> {
    let (bound, carrier) = claim.value().zip(claim.carrier())?;
    let why = match bound.binding {
        Binding::OtherImage => "it names a digest that is none of this image's",
        Binding::OtherPlatform => "it names another platform of the image's index",
        Binding::Image | Binding::Index | Binding::Unnamed => return None,
    };
    let named: Vec<_> = bound.sbom.names_image.iter().take(4).map(ToString::to_string).collect();
    let finding = Finding::new(Code::SbomOtherImage, Subject::Evidence(carrier.to_string()))
        .with(Key::Expect, &image.manifest.document.digest)
        .with(Key::Found, named.join(", "))
        .with(Key::Why, why);
    let is_remark =
        bound.binding == Binding::OtherPlatform || matches!(carrier, Carrier::File { .. });
    Some(if is_remark { finding.remark() } else { by_standing(claim, finding) })
}

/// What the inventory does not know.
fn unread(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for database in &inventory.databases {
        if let Err(why) = &database.read {
            let subject = Subject::File { path: database.path.clone(), layer: None };
            let finding = Finding::new(Code::SbomDatabaseUnreadable, subject);
            findings.push(finding.with(Key::Why, why.clone()));
        }
    }
    for left_out in &inventory.incomplete {
        let subject = Subject::File { path: left_out.path.clone(), layer: None };
        let more = match left_out.files.saturating_sub(1) {
            0 => String::new(),
            more => format!("; the same of {more} more"),
        };
        let why = format!("{}: {}{more}", left_out.catalogue, left_out.why);
        findings.push(Finding::new(Code::SbomInventoryIncomplete, subject).with(Key::Why, why));
    }
    findings
}

fn disagreements(reconciliation: &Reconciliation, from: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &reconciliation.missing {
        let version = PackageVersion::Is(package.version.clone());
        let subject = Subject::Package { name: package.name.clone(), version };
        findings.push(
            Finding::new(Code::SbomPackageMissing, subject)
                .with(Key::Expect, format!("listed in the SBOM ({from})"))
                .with(Key::Found, format!("installed according to {}", package.database)),
        );
    }
    for ghost in &reconciliation.ghosts {
        let version = ghost.version.clone().map_or(PackageVersion::Missing, PackageVersion::Is);
        let subject = Subject::Package { name: ghost.name.clone(), version };
        findings.push(
            Finding::new(Code::SbomPackageGhost, subject)
                .with(Key::Found, format!("listed in the SBOM ({from}), not installed")),
        );
    }
    for mismatch in &reconciliation.versions {
        let (name, version) = (mismatch.installed.name.clone(), PackageVersion::Any);
        let subject = Subject::Package { name, version };
        findings.push(
            Finding::new(Code::SbomVersionMismatch, subject)
                .with(Key::Expect, mismatch.installed.version.clone())
                .with(Key::Found, format!("{} in the SBOM ({from})", mismatch.claimed)),
        );
    }
    for mismatch in &reconciliation.digests {
        let subject = Subject::File { path: mismatch.path.clone(), layer: None };
        findings.push(
            Finding::new(Code::SbomDigestMismatch, subject)
                .with(Key::Expect, format!("{} in the SBOM ({from})", mismatch.claimed))
                .with(Key::Found, mismatch.found.to_string()),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        finding::Severity,
        trust::{Basis, testing},
    };

    fn document(root: &Value) -> Vec<u8> {
        json!({
            "spdxVersion": "SPDX-2.3", "name": "app",
            "packages": [root, {"SPDXID": "SPDXRef-a", "name": "a"}],
            "relationships": [{
                "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-root",
            }],
        })
        .to_string()
        .into_bytes()
    }

    fn naming(digest: &str) -> Vec<u8> {
        document(&json!({
            "SPDXID": "SPDXRef-root", "name": "app", "versionInfo": digest, "primaryPackagePurpose": "CONTAINER",
        }))
    }

    fn attached(count: usize, bytes: &[u8]) -> Proofs {
        let raw = |number: usize| testing::raw(&number.to_string(), "text/spdx+json", bytes);
        Proofs { documents: (0..count).map(raw).collect(), ..Proofs::default() }
    }

    #[test]
    fn c13_what_nobody_proved_is_read_up_to_a_budget() {
        let image = testing::image();
        let text = document(&json!({"SPDXID": "SPDXRef-root", "name": "app"}));
        let read = |count: usize, unproven_sbom_bytes: usize| {
            let limits = Limits { unproven_sbom_bytes, ..Limits::default() };
            let (mut reader, mut found) = (Reader::new(&image, &limits), Vec::new());
            reader.documents(&attached(count, &text), &mut found);
            (found.len(), reader.finish())
        };
        let (found, findings) = read(3, 3 * text.len());
        assert_eq!((found, findings), (3, Vec::new()));
        let (found, findings) = read(3, 3 * text.len() - 1);
        assert_eq!(found, 2);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.code, finding.is_remark()), (Code::SbomLeftOut, true));
        assert!(finding.severity < Severity::Error);
        // However small they are.
        let (found, findings) = read(200, Limits::default().unproven_sbom_bytes);
        assert_eq!((found, findings.len()), (UNPROVEN_DOCUMENTS, 1));
        let why = format!("{:?}", findings[0]);
        assert!(why.contains("184 were left out: limits.unprovenSbomBytes"), "{why}");
    }

    #[test]
    fn what_the_operator_hands_in_counts_by_his_word_alone() {
        let image = testing::image();
        let limits = Limits::default();
        let given = |digest: &str| {
            let sbom = Arc::new(sbom::parse(&naming(digest), &limits).expect("it is SPDX"));
            let given = GivenSbom { name: "app.spdx.json".to_owned(), sbom };
            Reader::new(&image, &limits).given(&given)
        };
        let proof = given(&testing::manifest().to_string()).expect("it is about this platform");
        let verified = proof.proven().expect("it counts");
        assert_eq!((verified.basis(), verified.signers()), (&Basis::Given, &[][..]));
        assert_eq!(proof.carrier().map(Carrier::kind), Some("sbom-file"));
        let sibling = Digest::sha256(testing::ATTESTATIONS.as_bytes()).to_string();
        assert_eq!(given(&sibling), None, "it is another platform's");
        let other = given(&Digest::sha256(b"another").to_string()).expect("it is there");
        let codes = |findings: Vec<Finding>| {
            findings.iter().map(|f| (f.code, f.is_remark())).collect::<Vec<_>>()
        };
        let mut findings = Vec::new();
        reconciled(vec![other, proof], &image, (None, None), &mut findings);
        assert_eq!(codes(findings), [(Code::SbomOtherImage, false)]);
    }

    #[test]
    fn a_document_about_another_image_is_told_and_claims_nothing_of_this_one() {
        let image = testing::image();
        let limits = Limits::default();
        let status = b"Package: a\nStatus: install ok installed\nVersion: 1\n".as_slice();
        let inventory = crate::contents::read([("var/lib/dpkg/status", status)], &limits);
        let told = |carrier: Carrier, digest: &Digest| {
            let sbom = sbom::parse(&naming(&digest.to_string()), &limits).expect("it is SPDX");
            let bound = Reader::new(&image, &limits).bound(Arc::new(sbom));
            let claim = Proof::Proven(Verified::given(bound, carrier));
            let mut findings = Vec::new();
            reconciled(vec![claim], &image, (Some(&inventory), None), &mut findings);
            findings.iter().map(|f| (f.code, f.is_remark())).collect::<Vec<_>>()
        };
        let attached = || Carrier::Given { name: "x".to_owned() };
        let inside = || Carrier::File { path: "/base.spdx.json".to_owned(), layer: 0 };
        let (own, other) = (testing::manifest().digest().clone(), Digest::sha256(b"another"));
        assert_eq!(told(attached(), &other), [(Code::SbomOtherImage, false)]);
        assert_eq!(told(inside(), &other), [(Code::SbomOtherImage, true)], "that of a base");
        assert_eq!(told(attached(), &own), [(Code::SbomPackageMissing, false)]);
    }
}
