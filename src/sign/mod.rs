//! Signing: a statement and a signer into a Sigstore bundle.
//!
//! Turns an in-toto statement into a bundle of version 0.3 over a DSSE envelope (sigstore/protobuf-specs; DSSE v1,
//! protocol.md), as `cosign attest --key` writes it. A [`Signer`] is a key in memory or a program of the operator's that has
//! one. [`Signer::sign_statement`] is the only way out, in these steps:
//!
//! 1. *Statement*: it has to read back, and every subject has to be the manifest or index that is signed for: whoever signs
//!    vouches for all of them.
//! 2. *Signature* over the pre-authentication encoding of exactly these bytes.
//! 3. *Check*: the finished bundle is opened and verified by the code that verifies those of strangers, with the signer's
//!    public key. A program that signs something else, or with another key, is found out here.
//!
//! Refuses to be a way around a rule: nothing is signed that hallmark could not verify. Private keys are erased from memory
//! where the crates that hold them do so, and neither they nor passwords are ever printed.

pub mod key;
pub mod program;

use std::{collections::BTreeMap, fmt::Display};

use bytes::Bytes;

pub use key::{KeyFileError, Password, PrivateKey};
pub use program::{Program, ProgramError, ProgramInput};

use crate::{
    attest::{self, AttestError, Carrier, Envelope, Raw, Statement, bundle, statement::SIGNATURE},
    digest::{Digest, ManifestDigest},
    image::MediaType,
    limits::Limits,
    reference::Location,
    trust::{
        PublicKey,
        sigstore::{self, SigstoreError},
    },
};

/// Annotation that says what a bundle holds, as cosign 3 writes it.
const CONTENT: &str = "dev.sigstore.bundle.content";
/// Annotation that says which predicate a bundle holds, as cosign 3 writes it.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
/// When something was made (image-spec v1.1, annotations.md).
const CREATED: &str = "org.opencontainers.image.created";

/// The option that keeps a signature in a file, and takes one from there.
pub const BUNDLE: &str = "--bundle FILE";

/// Whether an image is in an archive: nothing is written into one, so that its signatures lie in files.
pub fn is_archive(location: &Location) -> bool {
    match location {
        Location::OciArchive(_) | Location::DockerArchive(_) => true,
        Location::Registry(_) | Location::Layout(_) => false,
    }
}

/// What to type so that an image at this location is signed with a key.
pub fn with_key(key: &str, location: &Location, image: &impl Display) -> String {
    match is_archive(location) {
        true => format!("hallmark sign --key {key} {BUNDLE} {image}"),
        false => format!("hallmark sign --key {key} {image}"),
    }
}

/// Somebody who signs.
#[derive(Debug)]
pub enum Signer {
    /// A key in memory.
    Key(Box<PrivateKey>),
    /// A program, as users of key services and hardware have one.
    Program(Program),
}

/// A statement and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// The bundle, as it is stored.
    pub bundle: Bytes,
    /// What the statement says.
    pub predicate_type: String,
    /// Digest of the statement's bytes.
    pub payload: Digest,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The statement is none that hallmark reads.
    #[error("the statement cannot be signed: {0}")]
    Statement(#[from] AttestError),
    /// The statement is about something else.
    #[error("the statement is about {found}, which is not {expected}")]
    Subject {
        /// The digest that it names.
        found: String,
        /// The digest that is signed for.
        expected: ManifestDigest,
    },
    /// The key did not sign.
    #[error("the key could not sign; its library gives no reason")]
    Key,
    /// The program did not sign.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The finished bundle does not verify.
    #[error("the signature does not verify with the public key {fingerprint:.16}: {error}")]
    Unverified {
        /// Fingerprint of the public key.
        fingerprint: String,
        /// The step that failed.
        error: SigstoreError,
    },
}

impl Signer {
    /// The public half: what verifiers have to trust.
    pub fn public_key(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key.public_key(),
            Self::Program(program) => program.public_key(),
        }
    }

    /// Signs a statement about `subject`, and verifies what came of it.
    ///
    /// # Errors
    /// See [`SignError`].
    pub async fn sign_statement(
        &self,
        payload: &[u8],
        subject: &ManifestDigest,
        limits: &Limits,
    ) -> Result<SignedStatement, SignError> {
        // 1. Statement.
        let statement = Statement::parse(payload, limits)?;
        only_about(&statement, subject)?;
        // 2. Signature.
        let message = sigstore_types::pae(MediaType::IN_TOTO, payload);
        let signature = match self {
            Self::Key(key) => key.sign(&message).ok_or(SignError::Key)?,
            Self::Program(program) => program.sign(&message).await?,
        };
        let bundle = bundle::write(payload, &signature, &self.public_key().hint());
        // 3. Check.
        let bundle = Bytes::from(bundle);
        self.check(&bundle, subject, limits)?;
        Ok(SignedStatement {
            bundle,
            predicate_type: statement.predicate_type,
            payload: Digest::sha256(payload),
        })
    }

    /// A plain signature of an image: the statement "this digest is ours", as cosign 3 signs it.
    ///
    /// # Errors
    /// See [`SignError`].
    pub async fn sign_image(
        &self,
        subject: &ManifestDigest,
        limits: &Limits,
    ) -> Result<SignedStatement, SignError> {
        self.sign_statement(&plain(subject), subject, limits).await
    }

    /// Step 3.
    fn check(
        &self,
        bundle: &Bytes,
        subject: &ManifestDigest,
        limits: &Limits,
    ) -> Result<(), SignError> {
        let key = self.public_key();
        let unverified = |error| SignError::Unverified { fingerprint: key.fingerprint(), error };
        let signed = opened(bundle.clone(), subject, limits)?.ok_or(SignError::Key)?;
        for signature in &signed.signatures {
            let claim = sigstore::Claim::of(&signed, signature).ok_or(SignError::Key)?;
            sigstore::verify_unlogged(&claim, key).map_err(unverified)?;
        }
        only_about(&signed.statement, subject)
    }

    /// Whether a bundle holds these bytes, signed by this signer.
    pub fn made(&self, bundle: &Bytes, statement: &SignedStatement, limits: &Limits) -> bool {
        let subject = ManifestDigest::new(statement.payload.clone());
        let Ok(Some(signed)) = opened(bundle.clone(), &subject, limits) else { return false };
        let by_us = |signature: &attest::Signature| {
            let claim = sigstore::Claim::of(&signed, signature);
            claim.is_some_and(|claim| sigstore::verify_unlogged(&claim, self.public_key()).is_ok())
        };
        signed.payload == statement.payload && signed.signatures.iter().all(by_us)
    }
}

impl SignedStatement {
    /// The annotations of the manifest that carries the bundle; `created` is a time in RFC 3339.
    pub fn annotations(&self, created: &str) -> BTreeMap<String, String> {
        let texts = [
            (CONTENT, "dsse-envelope"),
            (PREDICATE, self.predicate_type.as_str()),
            (CREATED, created),
        ];
        texts.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }
}

/// The statement of a plain signature.
pub fn plain(subject: &ManifestDigest) -> Vec<u8> {
    Statement::write(subject, SIGNATURE, &serde_json::json!({}))
}

/// What a bundle that was just made says to a verifier.
fn opened(
    bundle: Bytes,
    subject: &ManifestDigest,
    limits: &Limits,
) -> Result<Option<attest::Signed>, AttestError> {
    let raw = Raw {
        carrier: Carrier::Label { key: String::new() },
        media_type: MediaType::new(bundle::V03),
        bytes: bundle,
        annotations: BTreeMap::new(),
        attached_to: subject.clone(),
    };
    let envelope = attest::open(&raw, limits)?.pop();
    Ok(match envelope {
        Some(Envelope::Signed(signed)) => Some(*signed),
        _ => None,
    })
}

/// Whether every subject is this manifest or index, and says so with every digest that it has.
fn only_about(statement: &Statement, subject: &ManifestDigest) -> Result<(), SignError> {
    let expected = || subject.clone();
    for named in &statement.subjects {
        let other = named.digests.iter().find(|digest| *digest != subject.digest());
        if let Some(other) = other {
            return Err(SignError::Subject { found: other.to_string(), expected: expected() });
        }
        if named.digests.is_empty() {
            let name = named.name.clone().unwrap_or_else(|| "something unnamed".to_owned());
            return Err(SignError::Subject { found: name, expected: expected() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
