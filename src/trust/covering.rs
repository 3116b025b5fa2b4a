//! What a signature over an image says about the files in it.
//!
//! The digest of a manifest names its layers, and through them every file; the digest of an index names its manifests. So a
//! proven plain signature over either covers a document that is a file of the image, where a rule lets the same signers
//! vouch for such documents. Refuses to cover anything that was attached from outside.

use std::collections::BTreeSet;

use super::{
    Claimed, Proof, Signer, TrustRules, Unproven, Verified,
    rules::{Standing, names},
    verified::Basis,
};
use crate::{
    attest::Carrier,
    digest::{Digest, ManifestDigest},
    image::Image,
    reference::Location,
};

/// Everything that decides what is covered.
#[derive(Clone, Copy)]
pub struct Covering<'a> {
    /// What was proven about the image's plain signatures.
    pub signatures: &'a [Proof<Claimed>],
    /// The operator's rules.
    pub rules: &'a TrustRules,
    /// Where the image is.
    pub location: &'a Location,
    /// The image.
    pub image: &'a Image,
}

impl Covering<'_> {
    /// Judges a document of the class `predicate_type` that is a file of the image, with these bytes.
    pub fn cover<T>(
        &self,
        value: T,
        predicate_type: &str,
        carrier: Carrier,
        bytes: &[u8],
    ) -> Proof<T> {
        let payload = Digest::sha256(bytes);
        let unproven =
            |value, carrier, why| Proof::Unproven { value, carrier, payload: payload.clone(), why };
        let (signers, signed) = self.signers();
        let Some(signed) = signed.filter(|_| matches!(carrier, Carrier::File { .. })) else {
            return unproven(value, carrier, Unproven::Unsigned);
        };
        match self.rules.standing(self.location, predicate_type, &signers) {
            Standing::Enough(signers) => Proof::Proven(Verified::new(
                value,
                self.image.manifest.document.digest.clone(),
                signers,
                Basis::CoveredByImage(signed),
                carrier,
                Digest::sha256(bytes),
            )),
            Standing::NotAllowed => {
                unproven(value, carrier, Unproven::NotAllowed { signers: names(&signers) })
            }
            Standing::Below { signers, threshold } => {
                unproven(value, carrier, Unproven::BelowThreshold { signers, threshold })
            }
        }
    }

    /// Who vouches for the image as a whole, and one of the digests that they signed.
    fn signers(&self) -> (BTreeSet<Signer>, Option<ManifestDigest>) {
        let proven: Vec<_> = self.signatures.iter().filter_map(Proof::proven).collect();
        let signers = proven.iter().flat_map(|v| v.signers().iter().cloned()).collect();
        (signers, proven.first().map(|v| v.subject().clone()))
    }
}
