//! Who may say what, and what was proven.
//!
//! Turns [`Raw`](crate::attest::Raw) evidence and the operator's trust rules into [`Proof`]s. [`Verified`] has one
//! maker, in this module: a value of that type cannot exist without a signature by a configured signer over bytes that
//! name the image's digest. Keys come from configuration, or from certificates that a configured trusted root vouches
//! for; never from the evidence alone (attack A3).

pub mod agreement;
pub mod approved;
mod checks;
pub mod claimed;
mod complaint;
pub mod covering;
pub mod delegate;
pub mod examine;
pub mod expectation;
pub mod files;
pub mod freshness;
pub mod key;
pub mod keyring;
pub mod layout;
pub mod npm;
pub mod outside;
pub mod pattern;
pub mod predicate;
pub mod quorum;
pub mod refs;
pub mod rules;
pub mod sigstore;
pub mod sources;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod verified;
pub mod verify;
pub mod work;

use std::fmt;

pub use agreement::Contradiction;
pub use approved::{ApprovedBuild, NotApproved};
pub use claimed::Claimed;
pub use covering::Covering;
pub use delegate::{Delegate, Delegation, NotCounted, delegations};
pub use examine::{Examined, examine};
pub use expectation::{Expectations, Unmet};
pub use freshness::RootAge;
pub use key::{KeyError, PublicKey, hint_shown};
pub use keyring::{KeyRing, KeyRingError};
pub use pattern::{ImagePattern, PatternError};
pub use predicate::{PredicateClass, PredicateClassError, PredicateTypeError, predicate_type};
pub use quorum::{Agreement, Attested, Electorate, Vote, Weight};
pub use refs::SourceRefs;
pub use rules::{Force, Keyless, OnUnmatched, Rule, SignerKeys, TrustError, TrustRules, Unmatched};
pub use sources::TrustedSource;
pub use verified::{Basis, Proof, Unproven, Verified};
pub use verify::{Proofs, prove, prove_within};
pub use work::{Known, Work};

/// Somebody whom the operator configured by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signer {
    /// Name in `hallmark.yaml`.
    pub name: String,
    /// How they sign.
    pub identity: SignerIdentity,
}

/// How a signer was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignerIdentity {
    /// A public key; the fingerprint is the SHA-256 of its SubjectPublicKeyInfo in hex.
    Key {
        /// Fingerprint.
        fingerprint: String,
        /// What logs and timestamp authorities prove about the signature, where that is asked for.
        recorded: Option<Box<sigstore::Recorded>>,
    },
    /// An identity that a trusted root vouches for, with everything that is proven about the signature.
    Keyless(Box<sigstore::Vouched>),
}

impl Signer {
    /// What a trusted root vouches for; `None` for a key.
    pub fn vouched(&self) -> Option<&sigstore::Vouched> {
        match &self.identity {
            SignerIdentity::Keyless(vouched) => Some(vouched),
            SignerIdentity::Key { .. } => None,
        }
    }

    /// The time before which nobody vouched for the signature: the start of its certificate. A key has none: logs and timestamp
    /// authorities record a signature as often as somebody asks them to, so that their times say nothing of its age.
    pub fn not_before(&self) -> Option<jiff::Timestamp> {
        self.vouched().map(|vouched| vouched.not_before)
    }

    /// When what it signed is from: the earliest of the statement's own word, the proven times of its signature, and the start of its
    /// certificate, so that nothing makes it younger. `None` where nothing says so.
    pub fn dates(&self, word: Option<jiff::Timestamp>) -> Option<jiff::Timestamp> {
        [word, self.proven_since(), self.not_before()].into_iter().flatten().min()
    }

    /// The earliest time by which a log or timestamp authority proves that the signature existed; a plain key proves none.
    pub fn proven_since(&self) -> Option<jiff::Timestamp> {
        let times = match &self.identity {
            SignerIdentity::Key { recorded, .. } => &recorded.as_ref()?.times,
            SignerIdentity::Keyless(vouched) => &vouched.times,
        };
        times.iter().map(|proven| proven.time).min()
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            SignerIdentity::Key { fingerprint, .. } => {
                write!(f, "{} (key {fingerprint:.16})", self.name)
            }
            SignerIdentity::Keyless(vouched) => {
                write!(f, "{} ({} by {})", self.name, vouched.subject, vouched.issued_by())
            }
        }
    }
}
