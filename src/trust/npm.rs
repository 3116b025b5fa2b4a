//! Proving what the npm registry publishes about a package.
//!
//! Both halves of a [`Pair`] are verified: the publication by the key of the registry that it names, in the time of that key,
//! and the provenance by the identity that a trusted root vouches for. Either alone proves nothing about the package
//! (attack A22): without the publication a builder's honest provenance could be moved to a package that it was never
//! published as, without the provenance the registry's word says nothing about a build.

use super::{
    KeyRing, KeyRingError,
    sigstore::{
        self, Claim, Content, Demands, KeylessIdentity, SigstoreError, Times, TrustedRoot, Vouched,
    },
};
use crate::{
    attest::npm::{Half, Pair},
    finding::Code,
    image::MediaType,
};

/// Why a pair proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// The publication is not the registry's.
    #[error("publish attestation: {0}")]
    Key(#[from] KeyRingError),
    /// The publication is not in a log, or is another one.
    #[error("publish attestation: {0}")]
    Publish(SigstoreError),
    /// Nobody vouches for the provenance.
    #[error("provenance attestation: {0}")]
    Provenance(SigstoreError),
}

impl NpmError {
    /// The finding that it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Key(error) => error.code(),
            Self::Publish(error) | Self::Provenance(error) => error.code(),
        }
    }
}

/// Whether the registry published the package and `identity` made the provenance, by the word of `root`.
///
/// # Errors
/// See [`published`] and [`made`].
pub fn verify(
    pair: &Pair,
    keys: &KeyRing,
    identity: &KeylessIdentity,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<Vouched, NpmError> {
    published(pair, keys, root, demands)?;
    made(pair, identity, root, demands)
}

/// Whether the registry vouches for the publication.
///
/// # Errors
/// Where the key is not one of `keys`, did not make the signature or did not count then, or no log recorded it.
pub fn published(
    pair: &Pair,
    keys: &KeyRing,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<(), NpmError> {
    let half = &pair.publish;
    let hint = half.bundle.signature.key_hint.as_deref().unwrap_or_default();
    let Some(named) = keys.get(hint) else {
        let named = vec![hint.chars().take(80).collect()];
        return Err(KeyRingError::UnknownName { named, known: keys.len() }.into());
    };
    let message = sigstore_types::pae(MediaType::IN_TOTO, &half.payload);
    // When it was made has to be proven even where a demand for certificates says otherwise: the key has its time.
    let times = match demands.times {
        Times::Proven(several) => Times::Proven(several.max(1)),
        Times::At(_) | Times::Now => Times::Proven(1),
    };
    let demands = Demands { times, ..demands.clone() };
    let recorded = sigstore::verify_keyed(&claim(half, &message), &named.key, root, &demands)
        .map_err(NpmError::Publish)?;
    recorded.times.iter().try_for_each(|proven| named.counts_at(proven.time))?;
    Ok(())
}

/// Whether `identity` made the provenance.
///
/// # Errors
/// As `sigstore::verify`.
pub fn made(
    pair: &Pair,
    identity: &KeylessIdentity,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<Vouched, NpmError> {
    let half = &pair.provenance;
    let message = sigstore_types::pae(MediaType::IN_TOTO, &half.payload);
    sigstore::verify(&claim(half, &message), identity, root, demands).map_err(NpmError::Provenance)
}

fn claim<'a>(half: &'a Half, message: &'a [u8]) -> Claim<'a> {
    Claim {
        content: Content::Envelope {
            payload_type: MediaType::IN_TOTO,
            payload: &half.payload,
            message,
            document: None,
        },
        signature: &half.bundle.signature.bytes,
        stated_digest: None,
        material: &half.bundle.material,
    }
}
