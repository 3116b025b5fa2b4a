//! What the proofs say: the provenance that counts, and the SBOMs, each checked against the image.
//!
//! What nobody proved says nothing for or against the image (attack H30): all that is seen of it is a remark, and where nothing
//! is proven the claim is missing.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    attest::{
        Carrier, Statement,
        provenance::{
            self, Producer, Provenance, ProvenanceError,
            embedded::{self, EmbeddedManifest},
        },
    },
    digest::Digest,
    finding::{Code, Finding, Key, Subject},
    image::Image,
    trust::{
        Claimed, Covering, PredicateClass, Proof, Proofs, Signer, Unproven, Verified, agreement,
    },
    verdict::{Against, SbomEvidence, standing},
};

use super::{
    Contents, Inquiry,
    remarks::{by_standing, elsewhere, malformed},
    sboms,
};

/// What the evidence claims, and what is wrong with it.
pub struct Claims {
    /// The provenance that counts.
    pub provenance: Proof<Provenance>,
    /// What else there is: the proven first, then those of the image's own bytes.
    pub others: Vec<Proof<Provenance>>,
    /// Every SBOM of this image, the proven ones first.
    pub sboms: Vec<SbomEvidence>,
    /// What was seen.
    pub findings: Vec<Finding>,
}

/// Reads the claims out of the proofs and the image's own files.
pub fn gather(proofs: &Proofs, contents: &Contents, image: &Image, inquiry: &Inquiry) -> Claims {
    let covering = covering(proofs, image, inquiry);
    let mut findings = Vec::new();
    let (provenance, others) =
        provenance_that_counts(proofs, contents, &covering, inquiry, &mut findings);
    let sboms = sboms::gather(proofs, contents, &covering, inquiry, &mut findings);
    findings.extend(missing(&provenance, &sboms, image));
    findings.extend(proofs.attestations.iter().flat_map(|proof| unfavourable(proof, image)));
    Claims { provenance, others, sboms, findings }
}

fn covering<'a>(proofs: &'a Proofs, image: &'a Image, inquiry: &'a Inquiry) -> Covering<'a> {
    Covering {
        signatures: &proofs.signatures,
        rules: &inquiry.trust,
        location: &image.reference.location,
        image,
    }
}

/// The provenance that will count unless a file of the image says otherwise: known before the layers are read.
pub fn foreseen(proofs: &Proofs, image: &Image, inquiry: &Inquiry) -> Foreseen {
    let covering = covering(proofs, image, inquiry);
    let contents = Contents::not_read();
    let (provenance, others) =
        provenance_that_counts(proofs, &contents, &covering, inquiry, &mut Vec::new());
    let payloads = payloads(&provenance, &others);
    Foreseen { provenance, payloads }
}

/// What is known of the provenance before the layers are read.
pub struct Foreseen {
    /// The provenance that will count.
    pub provenance: Proof<Provenance>,
    /// Digests of what is proven.
    pub payloads: BTreeSet<Digest>,
}

impl Claims {
    /// Digests of the proven provenance, any of which a rebuild may have followed.
    pub fn payloads(&self) -> BTreeSet<Digest> {
        payloads(&self.provenance, &self.others)
    }
}

/// Proven before unproven, replayable before not.
fn provenance_that_counts(
    proofs: &Proofs,
    contents: &Contents,
    covering: &Covering<'_>,
    inquiry: &Inquiry,
    findings: &mut Vec<Finding>,
) -> (Proof<Provenance>, Vec<Proof<Provenance>>) {
    let image = covering.image;
    let mut candidates: Vec<Proof<Provenance>> = Vec::new();
    let is_provenance = |s: &Claimed| PredicateClass::Provenance.includes(&s.predicate_type);
    let statements: Vec<&Proof<Claimed>> =
        proofs.attestations.iter().filter(|p| p.value().is_some_and(is_provenance)).collect();
    for proof in &statements {
        if matches!(proof, Proof::Unproven { why: Unproven::OtherSubject, .. }) {
            findings.push(elsewhere(Code::ProvenanceSubjectMismatch, proof, image));
            continue;
        }
        let Some(read) = proof.value().and_then(Claimed::provenance) else { continue };
        match &*read {
            Ok(provenance) => {
                findings.extend(signer_mismatches(proof, provenance, image));
                candidates.push(proof.map(|_| provenance.clone()));
            }
            Err(error) => {
                let finding = malformed(Code::ProvenanceMalformed, proof.carrier(), error);
                findings.push(by_standing(proof, finding));
            }
        }
    }
    if let Some(found) = embedded_manifest(contents, image) {
        let mut proven = statements.iter().filter_map(|p| Some(&**p.proven()?.value()));
        let statement: Option<&Statement> = proven.find(|s| is_hallmark(s));
        match read_embedded(&found, inquiry) {
            Ok((manifest, read)) => {
                let last = &contents.last_layer;
                findings.extend(embedded::cross_check(image, Some(&manifest), last, statement));
                let class = provenance::SLSA_V1;
                candidates.push(covering.cover(read, class, found.carrier, found.bytes));
            }
            Err(error) => {
                findings.push(malformed(Code::ProvenanceMalformed, Some(&found.carrier), &error));
            }
        }
    } else if contents.is_complete() {
        findings.extend(embedded::cross_check(image, None, &contents.last_layer, None));
    }
    findings.extend(conflict(&candidates, image));
    candidates.sort_by_key(|p| {
        let replayable = p.value().is_some_and(|v| v.producer.is_replayable());
        let stranger = p.proven().is_none();
        (stranger, stranger && !p.carrier().is_some_and(is_own), !replayable)
    });
    let mut candidates = candidates.into_iter();
    let chosen = candidates.next().unwrap_or(Proof::Missing);
    if chosen.value().is_some_and(|p| p.producer == Producer::Other) {
        let build_type: String =
            chosen.value().iter().flat_map(|p| p.build_type.chars().take(200)).collect();
        let subject = Subject::Image(image.reference.to_string());
        let finding = Finding::new(Code::ProvenanceUnknownType, subject);
        findings.push(by_standing(&chosen, finding.with(Key::Found, build_type)));
    }
    (chosen, candidates.collect())
}

/// Digests of the proven provenance, any of which a rebuild may have followed.
fn payloads(provenance: &Proof<Provenance>, others: &[Proof<Provenance>]) -> BTreeSet<Digest> {
    let proven = std::iter::once(provenance).chain(others).filter_map(Proof::proven);
    proven.map(|verified| verified.payload().clone()).collect()
}

/// Whether it is there by the bytes that the image's own digests name: nobody can add it afterwards.
fn is_own(carrier: &Carrier) -> bool {
    matches!(carrier, Carrier::IndexAttestation { .. } | Carrier::File { .. })
}

/// What a statement says against the image, or that nobody can say what it says.
fn unfavourable(proof: &Proof<Claimed>, image: &Image) -> Option<Finding> {
    let carrier = proof.carrier()?;
    let read = proof.value()?.predicate()?;
    let read = match &*read {
        Ok(read) => read,
        Err(error) => {
            let finding = malformed(Code::PredicateMalformed, Some(carrier), error);
            return Some(by_standing(proof, finding));
        }
    };
    // Only those who may vouch for it can say anything against the image.
    proof.proven()?;
    let against = standing(Some(read), image).err()?;
    let code = match against {
        Against::Failed(_) => Code::PredicateFailed,
        Against::OtherResource(_) => Code::PredicateOtherResource,
    };
    let finding = Finding::new(code, Subject::Evidence(carrier.to_string()));
    Some(finding.with(Key::Why, against.to_string()))
}

/// What the certificates of a proven statement's signers say otherwise than the provenance.
fn signer_mismatches(
    proof: &Proof<Claimed>,
    provenance: &Provenance,
    image: &Image,
) -> Vec<Finding> {
    let signers = proof.proven().map(Verified::signers).unwrap_or_default();
    let all = signers
        .iter()
        .filter_map(Signer::vouched)
        .flat_map(|vouched| agreement::contradictions(vouched, provenance));
    all.map(|contradiction| {
        let subject = Subject::Image(image.reference.to_string());
        let why = format!("{} of the signer's certificate", contradiction.claim);
        Finding::new(Code::ProvenanceSignerMismatch, subject)
            .with(Key::Expect, contradiction.certificate)
            .with(Key::Found, contradiction.provenance)
            .with(Key::Why, why)
    })
    .collect()
}

/// Whether a statement is about hallmark's own build type.
fn is_hallmark(statement: &Statement) -> bool {
    let predicate = statement.predicate.value().unwrap_or_default();
    let build_type = predicate.pointer("/buildDefinition/buildType");
    build_type.and_then(|t| t.as_str()) == Some(provenance::HALLMARK_BUILD_TYPE)
}

fn read_embedded(
    found: &EmbeddedFile<'_>,
    inquiry: &Inquiry,
) -> Result<(EmbeddedManifest, Provenance), ProvenanceError> {
    let manifest =
        EmbeddedManifest::parse(Bytes::copy_from_slice(found.bytes), &inquiry.world.limits)?;
    let provenance = manifest.provenance()?;
    Ok((manifest, provenance))
}

struct EmbeddedFile<'a> {
    bytes: &'a [u8],
    carrier: Carrier,
}

fn embedded_manifest<'a>(contents: &'a Contents, image: &Image) -> Option<EmbeddedFile<'a>> {
    let bytes = contents.rootfs.as_ref()?.file(embedded::PATH)?;
    let layer = image.manifest.layers.len().saturating_sub(1);
    Some(EmbeddedFile { bytes, carrier: Carrier::File { path: embedded::PATH.to_owned(), layer } })
}

/// Proven provenance of one image names one commit, unless the same image came out of two: a policy may refuse that.
fn conflict(candidates: &[Proof<Provenance>], image: &Image) -> Option<Finding> {
    let mut commits = candidates.iter().filter_map(|proof| {
        let proven = proof.proven()?;
        let commit = proven.value().source.as_ref()?.commit.as_ref()?;
        Some((commit.as_str(), proven.carrier()))
    });
    let (first, first_carrier) = commits.next()?;
    let (other, other_carrier) = commits.find(|(commit, _)| *commit != first)?;
    Some(
        Finding::new(Code::ProvenanceConflict, Subject::Image(image.reference.to_string()))
            .with(Key::Expect, format!("commit {first} ({first_carrier})"))
            .with(Key::Found, format!("commit {other} ({other_carrier})")),
    )
}

fn missing(provenance: &Proof<Provenance>, sboms: &[SbomEvidence], image: &Image) -> Vec<Finding> {
    let mut findings = Vec::new();
    if provenance.proven().is_none() {
        let codes = (Code::ProvenanceMissing, Code::ProvenanceUnsigned);
        findings.extend(of_unproven(provenance, codes, "provenance", image));
    }
    if sboms.iter().all(|sbom| sbom.claim.proven().is_none()) {
        let first = sboms.first().map_or(&Proof::Missing, |sbom| &sbom.claim);
        findings.extend(of_unproven(first, (Code::SbomMissing, Code::SbomUnsigned), "sbom", image));
    }
    findings
}

/// That no claim of a kind is proven, by the first of its codes, and by the second why one that is there does not count. `word` is what a
/// rule calls the kind.
fn of_unproven<T>(
    claim: &Proof<T>,
    (missing, unsigned): (Code, Code),
    word: &str,
    image: &Image,
) -> Vec<Finding> {
    let subject = || Subject::Image(image.reference.to_string());
    let missing = Finding::new(missing, subject());
    let Proof::Unproven { why, carrier, .. } = claim else { return vec![missing] };
    let unsigned = Finding::new(unsigned, subject())
        .remark()
        .with(Key::Why, crate::report::text::unproven(why))
        .with(Key::From, carrier.to_string());
    let Some(help) = to_count(why, word) else { return vec![missing, unsigned] };
    // A stranger may have put it there: it takes the place of no other advice.
    let both = format!("{}; {help}", missing.help());
    vec![missing.with(Key::Help, both), unsigned.with(Key::Help, help)]
}

/// What lets a claim count that is there, where its maker is to be trusted.
fn to_count(why: &Unproven, word: &str) -> Option<String> {
    match why {
        Unproven::UnknownSigner => Some(format!(
            "if you trust whoever signed the one that is there, name him: --key FILE, or a signer with \
             predicates: [{word}] under trust.rules in hallmark.yaml; hallmark inspect IMAGE shows what is known of him"
        )),
        Unproven::NotAllowed { signers } => Some(format!(
            "if {} may vouch for it, add {word} to the predicates of the rule under trust.rules in hallmark.yaml",
            signers.join(", ")
        )),
        Unproven::Unsigned
        | Unproven::BelowThreshold { .. }
        | Unproven::OtherSubject
        | Unproven::Unsupported(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trust::{
        SignerIdentity,
        agreement::tests::{WORKFLOW, vouched},
        testing::{image, said_by},
    };

    fn statement(predicate_type: &str, predicate: Value) -> Statement {
        let predicate_type = predicate_type.to_owned();
        Statement { subjects: Vec::new(), predicate_type, predicate: predicate.into() }
    }

    fn keyless(statement: &Statement) -> Proof<Claimed> {
        said_by(statement.clone(), SignerIdentity::Keyless(Box::new(vouched())))
    }

    fn by_key(statement: &Statement) -> Proof<Claimed> {
        said_by(
            statement.clone(),
            SignerIdentity::Key { fingerprint: "00".to_owned(), recorded: None },
        )
    }

    #[test]
    fn what_lies_there_unproven_is_told_with_what_lets_it_count() {
        let helps = |claim: &Proof<u8>| {
            let codes = (Code::SbomMissing, Code::SbomUnsigned);
            let found = of_unproven(claim, codes, "sbom", &image());
            found.into_iter().map(|finding| (finding.code, finding.help())).collect::<Vec<_>>()
        };
        let unproven = |why| Proof::Unproven {
            value: 0,
            carrier: Carrier::Given { name: "x".to_owned() },
            payload: Digest::sha256(b""),
            why,
        };
        let missing = (Code::SbomMissing, Code::SbomMissing.help().to_owned());
        assert_eq!(helps(&Proof::Missing), std::slice::from_ref(&missing));
        let unsigned = (Code::SbomUnsigned, Code::SbomUnsigned.help().to_owned());
        assert_eq!(helps(&unproven(Unproven::Unsigned)), [missing.clone(), unsigned]);
        let signers = vec!["release".to_owned()];
        for (why, want) in [
            (Unproven::UnknownSigner, "name him: --key FILE, or a signer with predicates: [sbom]"),
            (Unproven::NotAllowed { signers }, "if release may vouch for it, add sbom to"),
        ] {
            let helps = helps(&unproven(why));
            assert!(helps[0].1.starts_with(&missing.1), "{helps:?}");
            assert!(helps.iter().all(|(_, help)| help.contains(want)), "{helps:?}");
        }
    }

    #[test]
    fn b11_a_workflow_that_vouches_for_the_build_of_another_is_seen() {
        let built = |repository: &str| {
            statement(
                provenance::SLSA_V1,
                json!({
                    "buildDefinition": {
                        "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                        "externalParameters": { "workflow": {
                            "ref": "refs/tags/v1.2.3", "repository": repository, "path": "w",
                        } },
                    },
                    "runDetails": { "builder": { "id": WORKFLOW } },
                }),
            )
        };
        let findings = |proof: &Proof<Claimed>| {
            let provenance = provenance::parse(proof.value().unwrap()).unwrap();
            signer_mismatches(proof, &provenance, &image())
        };
        let lies = built("https://github.com/org/other");
        let found = findings(&keyless(&lies));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, Code::ProvenanceSignerMismatch);
        assert_eq!(findings(&keyless(&built("https://github.com/org/app"))), Vec::new(), "its own");
        assert_eq!(findings(&by_key(&lies)), Vec::new(), "a key says nothing about a workflow");
    }

    #[test]
    fn b12_what_trusted_verifiers_say_against_the_image_is_seen() {
        let summary = |result: &str, resource: &str| {
            statement(
                "https://slsa.dev/verification_summary/v1",
                json!({
                    "verifier": { "id": "v" }, "timeVerified": "2026-11-25T00:00:00Z",
                    "resourceUri": resource, "policy": { "uri": "p" },
                    "verificationResult": result, "verifiedLevels": [],
                }),
            )
        };
        let code = |proof: Proof<Claimed>| unfavourable(&proof, &image()).map(|f| f.code);
        let here = "r.example/team/app";
        assert_eq!(code(by_key(&summary("PASSED", here))), None);
        for word in ["FAILED", "WARNED", "MAYBE"] {
            assert_eq!(code(by_key(&summary(word, here))), Some(Code::PredicateFailed), "{word}");
        }
        let other = summary("PASSED", "r.example/team/other");
        assert_eq!(code(by_key(&other)), Some(Code::PredicateOtherResource));
        let unreadable = statement("https://slsa.dev/verification_summary/v1", json!({}));
        assert_eq!(code(by_key(&unreadable)), Some(Code::PredicateMalformed));
        let stranger = Proof::Unproven {
            value: summary("FAILED", here).into(),
            carrier: by_key(&unreadable).carrier().unwrap().clone(),
            payload: Digest::sha256(b""),
            why: Unproven::UnknownSigner,
        };
        assert_eq!(code(stranger), None, "a stranger says nothing against an image");
    }
}
