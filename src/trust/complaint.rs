//! What has to be said about evidence that proves nothing.
//!
//! Turns failed steps of `trust::verify` into findings that name the carrier, the reason and the hint at the key. None
//! weighs more than a warning: whoever can add evidence to a registry must not be able to fail an image with it.

use super::{Unproven, sigstore::SigstoreError};
use crate::{
    attest::{
        AttestError, Carrier, MessageSignature, Raw, Signature, Statement, statement::SIGNATURE,
    },
    digest::{Digest, ManifestDigest},
    finding::{Code, Fact, Finding, Key, Severity, Subject},
    image::{Checked, Image, MediaType},
    reference::{Location, Reference},
    trust::PredicateClass,
};

/// Annotation in which BuildKit says what a statement is about.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// How many digests or hints a message lists.
const LISTED: usize = 4;

/// A signature that no configured key made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::trust) struct Failure {
    hint: Option<String>,
    /// The configured signer at whose key the hint points.
    hinted: Option<String>,
    /// Why what lies beside it proves nothing.
    fault: Option<SigstoreError>,
}

impl Failure {
    /// Explains why nobody made this signature; `hinted` is the configured signer at whose key its hint points.
    pub(in crate::trust) fn new(
        signature: &Signature,
        fault: Option<SigstoreError>,
        hinted: Option<String>,
    ) -> Self {
        Self { hint: signature.key_hint.clone(), hinted, fault }
    }

    /// A configured key made it, and what lies beside it contradicts that.
    pub(in crate::trust) fn beside(signature: &Signature, fault: SigstoreError) -> Self {
        Self { hint: signature.key_hint.clone(), hinted: None, fault: Some(fault) }
    }
}

fn about(code: Code, carrier: &Carrier) -> Finding {
    let finding = Finding::new(code, Subject::Evidence(carrier.to_string()));
    finding.remark().with(Key::From, carrier.kind())
}

/// Evidence that cannot be read.
pub(in crate::trust) fn malformed(raw: &Raw, error: &AttestError) -> Finding {
    let annotated = raw.annotations.get(PREDICATE_TYPE).map_or("", String::as_str);
    let bare = raw.media_type.as_str() == MediaType::IN_TOTO;
    let code = match error.code() {
        Code::SignatureMalformed if bare && PredicateClass::Provenance.includes(annotated) => {
            Code::ProvenanceMalformed
        }
        Code::SignatureMalformed if bare && PredicateClass::Sbom.includes(annotated) => {
            Code::SbomMalformed
        }
        code => code,
    };
    about(code, &raw.carrier).with(Key::Why, error.to_string())
}

/// A kind of signature that this version does not verify.
pub(in crate::trust) fn unsupported(raw: &Raw, kind: &str) -> Finding {
    about(Code::SignatureUnsupported, &raw.carrier)
        .with(Key::Found, raw.media_type.as_str())
        .with(Key::Why, format!("unsupported: {kind}"))
}

/// A signed statement about something else.
pub(in crate::trust) fn other_subject(
    carrier: &Carrier,
    statement: &Statement,
    image: &Image,
) -> Finding {
    let expected = image.documents().map(|document| Fact::from(&document.digest)).collect();
    let found = statement.subjects.iter().flat_map(|subject| &subject.digests);
    let predicate = format!("its predicate is {:.200}", statement.predicate_type);
    let finding = about(Code::SignatureSubjectMismatch, carrier)
        .with(Key::Expect, Fact::List(expected))
        .with(Key::Found, Fact::List(found.clone().take(LISTED).map(Fact::from).collect()));
    match (carrier, found.clone().next()) {
        (Carrier::Handed { .. }, Some(first)) => of_other_image(finding, first, &predicate),
        _ => finding.with(Key::Why, predicate),
    }
}

/// Whether a bundle that was handed over says itself that its signature is over something else than this document. What is attached to
/// an image is said to be about it by where it lies.
pub(in crate::trust) fn states_other(
    raw: &Raw,
    message: &MessageSignature,
    document: &Checked<ManifestDigest>,
) -> bool {
    let handed = matches!(raw.carrier, Carrier::Handed { .. });
    handed && stated(message).is_some_and(|stated| stated != *document.digest.digest())
}

/// The digest that a bundle states, where it is one that images have.
fn stated(message: &MessageSignature) -> Option<Digest> {
    let stated = message.stated_digest.as_ref()?;
    format!("sha256:{}", hex::encode(&stated.digest)).parse().ok()
}

/// A bundle that was handed over and is over something else than this image.
pub(in crate::trust) fn about_other(
    raw: &Raw,
    message: &MessageSignature,
    image: &Image,
) -> Finding {
    let expected = image.documents().map(|document| Fact::from(&document.digest)).collect();
    let finding =
        about(Code::SignatureSubjectMismatch, &raw.carrier).with(Key::Expect, Fact::List(expected));
    match stated(message) {
        Some(stated) => {
            let finding = finding.with(Key::Found, Fact::from(&stated));
            of_other_image(finding, &stated, "it is a signature over bytes")
        }
        None => finding.with(Key::Why, "it does not say what it is about"),
    }
}

/// What to do about a bundle that somebody named beside an image that it is not about.
fn of_other_image(finding: Finding, about: &Digest, more: &str) -> Finding {
    finding.with(Key::Why, format!("the bundle is about {about}, not this image; {more}")).with(
        Key::Help,
        "name the image that the bundle is about, or hand over the bundle of this image",
    )
}

/// A signature over bytes, attached to something that is neither the image's index nor its manifest.
pub(in crate::trust) fn about_nothing(raw: &Raw, image: &Image) -> Finding {
    let expected = image.documents().map(|document| Fact::from(&document.digest)).collect();
    about(Code::SignatureSubjectMismatch, &raw.carrier)
        .with(Key::Expect, Fact::List(expected))
        .with(Key::Found, Fact::from(&raw.attached_to))
        .with(Key::Why, "it is a signature over bytes, and attached to neither of them")
}

/// Signatures that no configured key made; `settled` when the same kind of claim is proven by others.
pub(in crate::trust) fn failures(
    carrier: &Carrier,
    failures: &[Failure],
    settled: bool,
) -> Vec<Finding> {
    let invalid = failures.iter().filter_map(|failure| {
        let signer = failure.hinted.as_ref()?;
        let finding = about(Code::SignatureInvalid, carrier);
        let why = format!("its key hint names the key of {signer}, which did not make it");
        Some(finding.with(Key::Expect, signer.as_str()).with(Key::Why, why))
    });
    let keyless = failures.iter().filter_map(|failure| {
        let fault = failure.fault.as_ref()?;
        let finding = about(fault.code(), carrier).with(Key::Why, fault.to_string());
        Some(if settled { finding.at(Severity::Info) } else { finding })
    });
    let strangers: Vec<&Failure> =
        failures.iter().filter(|f| f.hinted.is_none() && f.fault.is_none()).collect();
    let untrusted = (!strangers.is_empty()).then(|| {
        let hints = strangers.iter().filter_map(|failure| failure.hint.as_deref());
        let hints: Vec<Fact> = hints.take(LISTED).map(shown).collect();
        let finding = about(Code::SignatureUntrusted, carrier)
            .with(Key::Why, "none of the configured keys made this signature over these bytes");
        let finding = if settled { finding.at(Severity::Info) } else { finding };
        if hints.is_empty() { finding } else { finding.with(Key::Found, Fact::List(hints)) }
    });
    invalid.chain(keyless).chain(untrusted).collect()
}

/// A signature that was made under the name of another repository, as cosign 2 puts it into the payload.
pub(in crate::trust) fn other_repository(
    carrier: &Carrier,
    statement: &Statement,
    location: &Location,
) -> Option<Finding> {
    let Location::Registry(here) = location else { return None };
    let payload =
        (statement.predicate_type == SIGNATURE).then(|| statement.predicate.value())?.ok()?;
    let name = payload.pointer("/critical/identity/docker-reference")?.as_str()?;
    // cosign writes Docker Hub's old name, and what it was given otherwise.
    let same =
        matches!(name.parse(), Ok(Reference::At(Location::Registry(there), _)) if there == *here);
    (!same).then(|| {
        about(Code::SignatureOtherRepository, carrier)
            .with(Key::Expect, here.to_string())
            .with(Key::Found, shown(name))
    })
}

fn shown(hint: &str) -> Fact {
    Fact::Text(hint.chars().take(80).collect())
}

/// A claim that configured signers made and no rule believes.
pub(in crate::trust) fn not_enough(
    carrier: &Carrier,
    predicate_type: &str,
    location: &Location,
    why: &Unproven,
) -> Option<Finding> {
    match why {
        Unproven::NotAllowed { signers } => {
            let who = signers.join(", ");
            let why =
                format!("no trust rule lets {who} vouch for {predicate_type:.200} on {location}");
            let finding = about(Code::SignatureNotAllowed, carrier);
            Some(finding.with(Key::Found, who).with(Key::Why, why))
        }
        Unproven::BelowThreshold { signers, threshold } => {
            let why =
                format!("too few distinct signers vouch for {predicate_type:.200} on {location}");
            let expected = format!("{threshold} distinct signers");
            let finding = about(Code::SignatureBelowThreshold, carrier);
            let finding = finding.with(Key::Expect, expected).with(Key::Found, signers.join(", "));
            Some(finding.with(Key::Why, why))
        }
        _ => None,
    }
}

/// Evidence that was not looked at.
pub(in crate::trust) fn left_out(image: &Image, why: impl Into<String>) -> Finding {
    let subject = Subject::Image(image.reference.to_string());
    Finding::new(Code::ImageEvidenceLeftOut, subject).with(Key::Why, why.into())
}

/// No plain signature that counts, whatever else is there: that is said beside it.
pub(in crate::trust) fn no_signature(image: &Image) -> Finding {
    Finding::new(Code::SignatureMissing, Subject::Image(image.reference.to_string()))
}

/// No rule could believe anything about this image.
pub(in crate::trust) fn no_rule(image: &Image, location: &Location) -> Finding {
    Finding::new(Code::ConfigTrustRuleUnused, Subject::Image(image.reference.to_string()))
        .with(Key::Found, location.to_string())
}
