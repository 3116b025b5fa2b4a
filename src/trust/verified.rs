//! Proven, unproven, missing: three values that never collapse into a bool.

use super::Signer;
use crate::{
    attest::Carrier,
    digest::{Digest, ManifestDigest},
    sbom::BoundSbom,
};

/// A value that a configured signer vouches for, about one image.
///
/// Only `trust::verify` makes one; what the operator hands in by name is an SBOM, which [`Verified::given`] takes.
/// That one has no signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    subject: ManifestDigest,
    signers: Vec<Signer>,
    basis: Basis,
    carrier: Carrier,
    payload: Digest,
}

/// What a signature covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// The signature is over the value itself.
    Signed,
    /// The signature is over the index, whose bytes name the manifest that holds the value.
    CoveredByIndex(ManifestDigest),
    /// The signature is over this manifest or index, whose bytes name the layer that holds the value.
    CoveredByImage(ManifestDigest),
    /// No signature: the operator handed it in by name, for one call.
    Given,
}

impl<T> Verified<T> {
    /// The only maker; `signers` is not empty.
    pub(in crate::trust) fn new(
        value: T,
        subject: ManifestDigest,
        signers: Vec<Signer>,
        basis: Basis,
        carrier: Carrier,
        payload: Digest,
    ) -> Self {
        debug_assert!(!signers.is_empty(), "a verified value has a signer");
        Self { value, subject, signers, basis, carrier, payload }
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The digest that the statement names: the image's index or its platform manifest.
    pub fn subject(&self) -> &ManifestDigest {
        &self.subject
    }

    /// Who vouches for it: distinct signers, at least one, but for what the operator handed in.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What the signature covers.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Where it was found.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Digest of the signed payload.
    pub fn payload(&self) -> &Digest {
        &self.payload
    }

    /// The same proof over something computed from the value.
    pub fn map<U>(&self, f: impl FnOnce(&T) -> U) -> Verified<U> {
        Verified {
            value: f(&self.value),
            subject: self.subject.clone(),
            signers: self.signers.clone(),
            basis: self.basis.clone(),
            carrier: self.carrier.clone(),
            payload: self.payload.clone(),
        }
    }
}

impl Verified<BoundSbom> {
    /// An SBOM that the operator named on the command line: his word, for this call. No ground of a pass is made of an SBOM.
    pub fn given(value: BoundSbom, carrier: Carrier) -> Self {
        let (subject, payload) = (value.subject.clone(), value.sbom.document.clone());
        let (signers, basis) = (Vec::new(), Basis::Given);
        Self { value, subject, signers, basis, carrier, payload }
    }
}

/// Why a value is not proven although it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproven {
    /// Nobody signed it.
    Unsigned,
    /// Signed, but by nobody who is configured.
    UnknownSigner,
    /// Signed by a configured signer whom no rule lets vouch for this.
    NotAllowed {
        /// Names of the signers.
        signers: Vec<String>,
    },
    /// Fewer distinct signers than the rule asks for.
    BelowThreshold {
        /// Names of the signers.
        signers: Vec<String>,
        /// How many the rule asks for.
        threshold: usize,
    },
    /// It speaks about another image.
    OtherSubject,
    /// A kind of signature that this version does not verify.
    Unsupported(String),
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof<T> {
    /// A configured signer vouches for it.
    Proven(Verified<T>),
    /// It is there and nobody who may vouches for it.
    Unproven {
        /// What it says.
        value: T,
        /// Where it was found.
        carrier: Carrier,
        /// Digest of the bytes that say it.
        payload: Digest,
        /// Why it is not proven.
        why: Unproven,
    },
    /// It is not there.
    Missing,
}

impl<T> Proof<T> {
    /// What it says, proven or not.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Proven(verified) => Some(verified.value()),
            Self::Unproven { value, .. } => Some(value),
            Self::Missing => None,
        }
    }

    /// The proof, where there is one.
    pub fn proven(&self) -> Option<&Verified<T>> {
        match self {
            Self::Proven(verified) => Some(verified),
            _ => None,
        }
    }

    /// Where it was found.
    pub fn carrier(&self) -> Option<&Carrier> {
        match self {
            Self::Proven(verified) => Some(verified.carrier()),
            Self::Unproven { carrier, .. } => Some(carrier),
            Self::Missing => None,
        }
    }

    /// Digest of the bytes that say it, proven or not.
    pub fn payload(&self) -> Option<&Digest> {
        match self {
            Self::Proven(verified) => Some(verified.payload()),
            Self::Unproven { payload, .. } => Some(payload),
            Self::Missing => None,
        }
    }

    /// The same proof over something computed from the value.
    pub fn map<U>(&self, f: impl FnOnce(&T) -> U) -> Proof<U> {
        match self {
            Self::Proven(verified) => Proof::Proven(verified.map(f)),
            Self::Unproven { value, carrier, payload, why } => Proof::Unproven {
                value: f(value),
                carrier: carrier.clone(),
                payload: payload.clone(),
                why: why.clone(),
            },
            Self::Missing => Proof::Missing,
        }
    }

    /// The word in policies and reports.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Proven(_) => "proven",
            Self::Unproven { .. } => "unproven",
            Self::Missing => "missing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::{
        SignerIdentity, agreement,
        testing::{manifest, vouched_for},
    };

    /// What each of the three says of itself, and of what is computed from its value.
    #[test]
    fn three_values_stay_three() {
        let identity = SignerIdentity::Keyless(Box::new(agreement::tests::vouched()));
        let proven = vouched_for(7_u8, identity);
        let carrier = proven.carrier().cloned().expect("a carrier");
        let payload = Digest::sha256(b"said");
        let why = Unproven::Unsigned;
        let unproven = Proof::Unproven { value: 8_u8, carrier: carrier.clone(), payload, why };
        let cases: [(Proof<u8>, &str, Option<u8>, bool); 3] = [
            (proven.clone(), "proven", Some(7), true),
            (unproven, "unproven", Some(8), false),
            (Proof::Missing, "missing", None, false),
        ];
        for (proof, state, value, is_proven) in cases {
            assert_eq!(proof.state(), state);
            assert_eq!(proof.value().copied(), value, "{state}");
            assert_eq!(proof.proven().map(|one| *one.value()), value.filter(|_| is_proven));
            let is_there = value.is_some();
            assert_eq!(proof.carrier(), Some(&carrier).filter(|_| is_there), "{state}");
            assert_eq!(proof.payload().is_some(), is_there, "{state}");
            let words = proof.map(|value| value.to_string());
            assert_eq!(words.state(), state, "what is computed is as proven as its value");
            assert_eq!(words.value().cloned(), value.map(|value| value.to_string()));
            assert_eq!(words.payload(), proof.payload());
            assert_eq!(words.carrier(), proof.carrier());
        }
        let [of, computed] = [proven.map(|_| 0), proven.map(|value| *value)];
        let (of, computed) = (of.proven().expect("proven"), computed.proven().expect("proven"));
        assert_eq!((of.subject(), of.signers()), (computed.subject(), computed.signers()));
        assert_eq!((of.subject(), of.signers().len()), (&manifest(), 1));
    }
}
