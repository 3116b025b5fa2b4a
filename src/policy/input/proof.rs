//! What rules see of whether a claim is proven, and who is told what it says.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    attest::Carrier,
    policy::signer::SignerInput,
    trust::{Proof, Unproven, verified::Basis},
};

/// Characters of a text of unproven evidence that rules see.
pub(super) const UNPROVEN_CHARS: usize = 256;

/// What was proven about a claim.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofInput {
    /// `proven`, `unproven` or `missing`.
    pub state: String,
    /// Why it is not proven: `unsigned`, `unknown-signer`, `not-allowed`, `below-threshold`, `other-subject`,
    /// `unsupported`.
    pub why: Option<String>,
    /// Who vouches for it; empty unless proven, and where the operator handed it in.
    pub signers: Vec<SignerInput>,
    /// What the signature covers; null unless it is proven.
    pub basis: Option<BasisInput>,
    /// Kind of the place where it was found: `index-attestation`, `referrer`, `cosign-tag`, `bundle-file`, `sbom-file`,
    /// `file`, `label`.
    pub carrier: Option<String>,
    /// That place in words.
    pub place: Option<String>,
}

/// Who is told about the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Rules, for whom evidence that nobody proved is no more than there.
    Rules,
    /// Whoever reads a report, and sees all that was found.
    Readers,
}

impl Audience {
    /// Whether it is told what a claim says.
    pub(super) fn hears<T>(self, proof: &Proof<T>) -> bool {
        self == Self::Readers || proof.proven().is_some()
    }
}

/// What a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BasisInput {
    /// The claim itself.
    Signed,
    /// The index, whose bytes name the manifest that holds the claim.
    CoveredByIndex,
    /// The image's manifest or index, whose bytes name the layer that holds the claim.
    CoveredByImage,
    /// No signature: the operator named the document on the command line.
    Given,
}

impl BasisInput {
    fn of(basis: &Basis) -> Self {
        match basis {
            Basis::Signed => Self::Signed,
            Basis::CoveredByIndex(_) => Self::CoveredByIndex,
            Basis::CoveredByImage(_) => Self::CoveredByImage,
            Basis::Given => Self::Given,
        }
    }
}

impl ProofInput {
    pub(super) fn of<T>(proof: &Proof<T>) -> Self {
        let verified = proof.proven();
        let signers = verified.map(|v| v.signers()).unwrap_or_default().iter();
        Self {
            state: proof.state().to_owned(),
            why: match proof {
                Proof::Unproven { why, .. } => Some(why_word(why).to_owned()),
                Proof::Proven(_) | Proof::Missing => None,
            },
            signers: signers.map(SignerInput::from).collect(),
            basis: verified.map(|verified| BasisInput::of(verified.basis())),
            carrier: proof.carrier().map(Carrier::kind).map(str::to_owned),
            place: proof.carrier().map(Carrier::to_string),
        }
    }
}

fn why_word(why: &Unproven) -> &'static str {
    match why {
        Unproven::Unsigned => "unsigned",
        Unproven::UnknownSigner => "unknown-signer",
        Unproven::NotAllowed { .. } => "not-allowed",
        Unproven::BelowThreshold { .. } => "below-threshold",
        Unproven::OtherSubject => "other-subject",
        Unproven::Unsupported(_) => "unsupported",
    }
}
