//! Sigstore: signatures whose keys are vouched for by certificates, logs and timestamps.
//!
//! Turns a signature, what it is over and the [`VerificationMaterial`] beside it into a [`Vouched`] identity (sigstore/architecture-docs,
//! client-spec.md section 4, "Verification"; sigstore/rekor-tiles, CLIENTS.md). One path for bundles and for cosign's
//! annotations; the parts are those of the Sigstore organisation (`sigstore-trust-root`, `sigstore-merkle`, `sigstore-tsa`,
//! `sigstore-crypto`), put together here, because the verifier of `sigstore-verify` reads the clock, does not know the
//! entry kinds intoto 0.0.1 and dsse 0.0.2, takes intermediates as anchors, and accepts an identity of `None`. Steps:
//!
//! 1. *Form*: a certificate is there exactly where no key of the operator is meant; a bundle 0.3 has no chain (A3).
//! 2. *Identity*: issuer and name are those that the operator wrote, and there is one name. First because it is cheap:
//!    strangers cost nothing.
//! 3. *Times*: RFC 3161 timestamps by an authority of the root, in its time, over this very signature, and signed entry
//!    timestamps of logs. Distinct sources are counted; timestamps of strangers say nothing (A6, A7, A8, A13, A14).
//! 4. *Certificate*: at every one of these times a path leads to one authority of the root, each certificate on it valid (A11).
//! 5. *Certificate transparency*: a signed certificate timestamp of a log of the root (A18).
//! 6. *Log*: no entry is there twice; every one is in a log of the root, by proof and checkpoint or by promise, as the
//!    form asks; distinct logs are counted (A4, A5, A7).
//! 7. *Signature*: the certificate's key made it.
//! 8. *Binding*: every entry records this content, this signature and this certificate (A1, A2, A12).
//!
//! Nothing reads the clock. A time in the future is refused where the caller says what time it is (A16).

pub mod certificate;
mod entry;
pub mod error;
pub mod identity;
mod language;
mod log;
pub mod pem;
pub mod root;
mod sct;
pub mod tuf;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use sigstore_crypto::{KeyAlgorithm, WEBPKI_VERIFICATION_ALGS, verify_signature_prehashed};
pub use sigstore_types::TimeRange;
use sigstore_types::{DerPublicKey, HashAlgorithm, SignatureBytes, TimestampToken};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::der::{Any, Encode as _, Tag};

pub use certificate::{Certificate, Naming, Role, SubjectName};
pub use error::{
    CertificateFault, FormFault, IdentityFault, LogFault, PatternFault, SigstoreError, TimeFault,
};
pub use identity::{KeylessIdentity, Pattern, TextMatch};
pub use pem::PrivateRoot;
pub use root::{Dated, RootError, TrustedRoot};

use super::PublicKey;
use crate::{
    attest::{Content as Packed, Form, MessageDigest, Signature, Signed, VerificationMaterial},
    digest::Digest,
    image::MediaType,
    untrusted::word,
};

/// Extended key usage of certificates that sign code (RFC 5280 section 4.2.1.12), as DER content.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

/// What a signature is over.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// A DSSE envelope.
    Envelope {
        /// Its payload type.
        payload_type: &'a str,
        /// Its payload.
        payload: &'a [u8],
        /// The bytes that the signature is over (the PAE).
        message: &'a [u8],
        /// The stored envelope, where it stands alone.
        document: Option<&'a [u8]>,
    },
    /// These bytes.
    Message(&'a [u8]),
    /// Bytes of which only the digest is known.
    Digest(&'a Digest),
}

/// A signature and everything beside it.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// What is signed.
    pub content: Content<'a>,
    /// The signature.
    pub signature: &'a [u8],
    /// The digest that a bundle states of the bytes: a hint that has to be right.
    pub stated_digest: Option<&'a MessageDigest>,
    /// Certificates, log entries and timestamps.
    pub material: &'a VerificationMaterial,
}

impl<'a> Claim<'a> {
    /// One signature of an envelope or payload that was found; `None` where nothing lies beside it.
    pub fn of(signed: &'a Signed, signature: &'a Signature) -> Option<Self> {
        let content = match &signed.content {
            Packed::Envelope { document, .. } => Content::Envelope {
                payload_type: MediaType::IN_TOTO,
                payload: signed.payload_bytes(),
                message: &signed.message,
                document: Some(document),
            },
            Packed::Payload => Content::Message(&signed.message),
        };
        let material = signed.material.as_ref()?;
        let stated_digest = signed.stated_digest.as_ref();
        Some(Self { content, signature: &signature.bytes, stated_digest, material })
    }
}

/// How much evidence it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demands {
    /// Distinct logs that have the signature.
    pub logs: usize,
    /// Which time the certificate has to be valid at.
    pub times: Times,
    /// What an authority without certificate transparency logs means.
    pub no_ct_log: NoCtLog,
    /// What time it is; nothing may be later.
    pub now: Option<Timestamp>,
}

/// Which time a certificate has to be valid at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Every proven one, of at least so many distinct sources.
    Proven(usize),
    /// Every proven one, and this: for certificates that live as long as their signatures.
    At(Timestamp),
    /// Every proven one, and the present, as [`Demands::now`] says it: whoever signed has to be allowed to still. For
    /// certificates that live long and signatures that nobody dated; these end with their certificate.
    Now,
}

/// What it means that the trusted root lists no certificate transparency log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoCtLog {
    /// Its certificates are refused.
    #[default]
    Refuse,
    /// The operator knows, and wrote that it is right.
    Allow,
}

impl Default for Demands {
    fn default() -> Self {
        Self { logs: 1, times: Times::Proven(1), no_ct_log: NoCtLog::Refuse, now: None }
    }
}

/// Where a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeSource {
    /// A log's signed entry timestamp.
    Log,
    /// An RFC 3161 timestamp authority.
    Authority,
}

/// A proven time by which the signature existed. It proves nothing of when the signature was made: whoever has one can
/// have it stamped or logged again at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProvenTime {
    /// When.
    pub time: Timestamp,
    /// Who says so.
    pub source: TimeSource,
}

/// An identity that a trusted root vouches for, and what else is proven about the signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vouched {
    /// Who issued the identity, as Fulcio writes it.
    pub issuer: Option<String>,
    /// The identity.
    pub subject: SubjectName,
    /// Everything that Fulcio says about the signer, by name; see [`certificate`].
    pub claims: BTreeMap<String, String>,
    /// Start of the certificate: nobody vouched for the signature before.
    pub not_before: Timestamp,
    /// Times by which the signature existed, sorted. It may be older than any of them.
    pub times: Vec<ProvenTime>,
    /// Positions in transparency logs, in the order of the evidence.
    pub log_indices: Vec<u64>,
}

impl Vouched {
    /// Who issued the identity, in words.
    pub fn issued_by(&self) -> String {
        let issuer = self.issuer.as_deref().map(|issuer| word(issuer).to_string());
        issuer.unwrap_or_else(|| "a private authority".to_owned())
    }
}

/// What has to lie beside the signature of one of the operator's keys.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Whose logs and timestamps count.
    pub root: Arc<TrustedRoot>,
    /// How many of them.
    pub demands: Demands,
    /// When the key may have signed: every proven time lies in there, and there is one (attack A9).
    pub key_valid: Option<TimeRange>,
}

/// What is proven about a signature by one of the operator's keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recorded {
    /// Times by which the signature existed, sorted. It may be older than any of them.
    pub times: Vec<ProvenTime>,
    /// Positions in transparency logs, in the order of the evidence.
    pub log_indices: Vec<u64>,
}

/// Who made a signature.
enum Maker<'a> {
    Certificate(&'a Certificate),
    Key(&'a PublicKey),
}

/// Whether `identity` made the signature, by the word of `root`.
///
/// # Errors
/// The first step that fails; see [`SigstoreError`].
pub fn verify(
    claim: &Claim<'_>,
    identity: &KeylessIdentity,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<Vouched, SigstoreError> {
    // 1. Form.
    let (leaf, chain) =
        claim.material.certificates.split_first().ok_or(FormFault::NoCertificate)?;
    if claim.material.form == Form::Bundle03 && !chain.is_empty() {
        return Err(FormFault::Chain.into());
    }
    let certificate = Certificate::parse(leaf)?;
    match certificate.role()? {
        Role::Leaf => {}
        // Authorities that are not Sigstore's need not say what their certificates are for (RFC 5280 section 4.2.1.12).
        Role::Unrestricted if root.is_private() => {}
        _ => return Err(CertificateFault::Leaf.into()),
    }
    // 2. Identity.
    // Authorities that are not Sigstore's may name one person by address and host; two addresses could be two people.
    let naming = if root.is_private() { Naming::OneOfEachKind } else { Naming::One };
    let names = certificate.names(naming)?;
    let issuer = certificate.issuer()?;
    let subject = identity.find(issuer.as_deref(), &names)?;
    // 3. Times, and 6. Log: a signed entry timestamp is both.
    let evidence = Evidence::of(claim, root, demands)?;
    // 4. Certificate, and 5. Certificate transparency.
    let times = evidence.certificate_times(demands)?;
    if times.is_empty() {
        return Err(TimeFault::Sources { found: 0, expected: 1 }.into());
    }
    for time in &times {
        certificate.valid_at(*time)?;
        let issuer_key = path(&certificate, chain, root, *time)?;
        transparent(&certificate, &issuer_key, root, demands)?;
    }
    // 7. Signature.
    let key = certificate.public_key()?;
    let key = PublicKey::from_der(&key).map_err(|_| CertificateFault::Key)?;
    made(claim, &key)?;
    // 8. Binding.
    bound(claim, &Maker::Certificate(&certificate))?;
    Ok(Vouched {
        issuer,
        subject: subject.clone(),
        claims: certificate.claims()?,
        not_before: certificate.validity().0,
        times: evidence.times,
        log_indices: log_indices(claim),
    })
}

/// Whether `key` made the signature, and the logs and timestamp authorities of `root` recorded it.
///
/// # Errors
/// The first step that fails; see [`SigstoreError`].
pub fn verify_keyed(
    claim: &Claim<'_>,
    key: &PublicKey,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<Recorded, SigstoreError> {
    if !claim.material.certificates.is_empty() {
        return Err(FormFault::UnexpectedCertificate.into());
    }
    let evidence = Evidence::of(claim, root, demands)?;
    made(claim, key)?;
    bound(claim, &Maker::Key(key))?;
    Ok(Recorded { times: evidence.times, log_indices: log_indices(claim) })
}

/// Whether `key` made the signature, at a time at which it could, and it was recorded as the operator asks. `claim` is
/// `None` where nothing lies beside the signature.
///
/// # Errors
/// The first step that fails; see [`SigstoreError`].
pub fn verify_recorded(
    claim: Option<&Claim<'_>>,
    key: &PublicKey,
    recording: &Recording,
) -> Result<Recorded, SigstoreError> {
    let Recording { root, demands, key_valid } = recording;
    let claim = claim.ok_or_else(|| match demands.logs {
        0 => TimeFault::Sources { found: 0, expected: 1 }.into(),
        expected => SigstoreError::Logs { found: 0, expected },
    })?;
    let recorded = verify_keyed(claim, key, root, demands)?;
    if let Some(window) = key_valid {
        if recorded.times.is_empty() {
            return Err(TimeFault::Sources { found: 0, expected: 1 }.into());
        }
        let mut times = recorded.times.iter();
        if let Some(proven) = times.find(|proven| !window.contains(proven.time)) {
            return Err(TimeFault::Key(proven.time).into());
        }
    }
    Ok(recorded)
}

/// Whether `key` made the signature and nothing beside it says otherwise. Without a trusted root log entries prove
/// nothing; one that records another signature still shows that the evidence was put together by somebody else.
///
/// # Errors
/// The first step that fails; see [`SigstoreError`].
pub fn verify_unlogged(claim: &Claim<'_>, key: &PublicKey) -> Result<(), SigstoreError> {
    if !claim.material.certificates.is_empty() {
        return Err(FormFault::UnexpectedCertificate.into());
    }
    once(claim.material)?;
    made(claim, key)?;
    bound(claim, &Maker::Key(key))
}

/// [`verify_unlogged`] for a signature that `key` is known to have made: the caller has verified these very bytes, and the
/// operation is what most of the time goes into. Only `trust::verify` knows that.
///
/// # Errors
/// The first step that fails; see [`SigstoreError`].
pub(in crate::trust) fn consistent_beside(
    claim: &Claim<'_>,
    key: &PublicKey,
) -> Result<(), SigstoreError> {
    if !claim.material.certificates.is_empty() {
        return Err(FormFault::UnexpectedCertificate.into());
    }
    once(claim.material)?;
    stated(claim)?;
    bound(claim, &Maker::Key(key))
}

fn log_indices(claim: &Claim<'_>) -> Vec<u64> {
    claim.material.entries.iter().map(|entry| entry.index).collect()
}

/// Proven times, each with its authority, and what is wrong with the first timestamp that proves none.
type Stamped = (Vec<(Timestamp, Vec<u8>)>, Option<TimeFault>);

/// Steps 3 and 6.
struct Evidence {
    times: Vec<ProvenTime>,
}

impl Evidence {
    fn of(claim: &Claim<'_>, root: &TrustedRoot, demands: &Demands) -> Result<Self, SigstoreError> {
        enough_is_there(claim.material, demands)?;
        once(claim.material)?;
        let mut times = Vec::new();
        let mut logs = BTreeMap::new();
        let mut sources = BTreeSet::new();
        for (position, entry) in claim.material.entries.iter().enumerate() {
            let logged = log::verify(entry, claim.material.form, root)
                .map_err(|fault| SigstoreError::Log { position, fault })?;
            if let Some(time) = logged.time {
                times.push(ProvenTime { time, source: TimeSource::Log });
                sources.insert((TimeSource::Log, logged.log.to_vec()));
            }
            logs.insert(logged.log, position);
        }
        let (stamped, fault) = timestamps(claim, root)?;
        for (time, authority) in stamped {
            times.push(ProvenTime { time, source: TimeSource::Authority });
            sources.insert((TimeSource::Authority, authority));
        }
        if let Times::Proven(expected) = demands.times
            && sources.len() < expected
        {
            let found = sources.len();
            return Err(fault.unwrap_or(TimeFault::Sources { found, expected }).into());
        }
        if logs.len() < demands.logs {
            return Err(SigstoreError::Logs { found: logs.len(), expected: demands.logs });
        }
        times.sort();
        times.dedup();
        plausible(&times, &logs, root, demands)?;
        Ok(Self { times })
    }

    /// The times at which the certificate has to be valid.
    fn certificate_times(&self, demands: &Demands) -> Result<BTreeSet<Timestamp>, TimeFault> {
        let stated = match demands.times {
            Times::At(time) => Some(time),
            Times::Now => Some(demands.now.ok_or(TimeFault::NoNow)?),
            Times::Proven(_) => None,
        };
        Ok(self.times.iter().map(|proven| proven.time).chain(stated).collect())
    }
}

/// No entry is there twice, by its place in the log or by its body: where a place is proven by nothing else, as in Rekor
/// v1, one entry could be given under several.
fn once(material: &VerificationMaterial) -> Result<(), SigstoreError> {
    let (mut places, mut bodies) = (BTreeSet::new(), BTreeSet::new());
    for (position, entry) in material.entries.iter().enumerate() {
        let log = entry.log_id.as_slice();
        if !places.insert((log, entry.index)) || !bodies.insert((log, entry.body.as_slice())) {
            return Err(SigstoreError::Log { position, fault: LogFault::Twice });
        }
    }
    Ok(())
}

/// Whether there is any chance of enough evidence, before any of it is verified.
fn enough_is_there(
    material: &VerificationMaterial,
    demands: &Demands,
) -> Result<(), SigstoreError> {
    if material.entries.len() < demands.logs {
        let (found, expected) = (material.entries.len(), demands.logs);
        return Err(SigstoreError::Logs { found, expected });
    }
    let promises = material.entries.iter().filter(|entry| entry.promise.is_some()).count();
    let found = promises.saturating_add(material.timestamps.len());
    match demands.times {
        Times::Proven(expected) if found < expected => {
            Err(TimeFault::Sources { found, expected }.into())
        }
        _ => Ok(()),
    }
}

/// No time lies in the future, and a log whose key had ended does not record anything new, whether or not it has a
/// time of its own.
fn plausible(
    times: &[ProvenTime],
    logs: &BTreeMap<[u8; 32], usize>,
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<(), SigstoreError> {
    let future = |proven: &&ProvenTime| demands.now.is_some_and(|now| proven.time > now);
    if let Some(proven) = times.iter().find(future) {
        return Err(TimeFault::Future(proven.time).into());
    }
    for log in &root.logs {
        let Some(position) = logs.get(&log.id).copied() else { continue };
        if let Some(proven) = times.iter().find(|proven| !log.counts_at(proven.time)) {
            let fault = LogFault::KeyValidity(proven.time);
            return Err(SigstoreError::Log { position, fault });
        }
    }
    Ok(())
}

/// The times of the timestamps that an authority of the root made over the signature, each with its authority, and what
/// is wrong with the first of the others. Those say nothing: anybody can add one. The same one twice is refused (A8).
fn timestamps(claim: &Claim<'_>, root: &TrustedRoot) -> Result<Stamped, SigstoreError> {
    let signature = SignatureBytes::from_bytes(claim.signature);
    let mut seen = BTreeSet::new();
    let mut times = Vec::new();
    let mut first_fault = None;
    for (position, der) in claim.material.timestamps.iter().enumerate() {
        if !seen.insert(der) {
            return Err(TimeFault::Twice { position }.into());
        }
        let token = TimestampToken::from_bytes(der);
        let mut fault = TimeFault::Timestamp { position };
        let found = root.timestamping.iter().find_map(|one| {
            match sigstore_tsa::verify_timestamp_for_authority(&token, &signature, &one.authority) {
                Ok(time) if one.anchor.valid_at(time).is_ok() => {
                    Some((time, one.leaf.der().to_vec()))
                }
                Ok(_) => {
                    fault = TimeFault::Authority { position };
                    None
                }
                Err(sigstore_tsa::Error::TimestampOutsideValidity { .. }) => {
                    fault = TimeFault::Authority { position };
                    None
                }
                Err(_) => None,
            }
        });
        match found {
            Some(found) => times.push(found),
            None => first_fault = first_fault.or(Some(fault)),
        }
    }
    Ok((times, first_fault))
}

/// Step 4 for one time: the SubjectPublicKeyInfo of the certificate that issued this one, on a path to an authority
/// whose word counts then.
fn path(
    certificate: &Certificate,
    chain: &[Vec<u8>],
    root: &TrustedRoot,
    time: Timestamp,
) -> Result<Vec<u8>, SigstoreError> {
    let refused = |why| SigstoreError::Root { time, why };
    let leaf = CertificateDer::from(certificate.der());
    let leaf = EndEntityCert::try_from(&leaf).map_err(|_| CertificateFault::Encoding)?;
    let seconds = u64::try_from(time.as_second()).map_err(|_| TimeFault::Range)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let mut why = "none counted then";
    for authority in root.authorities.iter().filter(|authority| authority.counts_at(time)) {
        let given = chain.iter().map(|der| CertificateDer::from(der.as_slice()));
        let intermediates: Vec<_> = authority.intermediates.iter().cloned().chain(given).collect();
        let verified = leaf.verify_for_usage(
            WEBPKI_VERIFICATION_ALGS,
            std::slice::from_ref(&authority.anchor),
            &intermediates,
            at,
            // Some authorities leave it out of their intermediates; the leaf's own is checked in step 1.
            KeyUsage::required_if_present(CODE_SIGNING),
            None,
            None,
        );
        match verified {
            Ok(path) => {
                let issuer = path.intermediate_certificates().next();
                let issuer =
                    issuer.map(|issuer| issuer.subject_public_key_info().as_ref().to_vec());
                return match issuer {
                    Some(key) => Ok(key),
                    None => anchor_key(&authority.anchor).ok_or(refused("its key is unreadable")),
                };
            }
            Err(webpki::Error::UnknownIssuer) => why = "none of them issued it",
            Err(webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. }) => {
                why = "a certificate on the path was not valid then";
            }
            Err(_) => why = "the path to it is broken",
        }
    }
    Err(refused(why))
}

/// An anchor's SubjectPublicKeyInfo, whose frame webpki takes off.
fn anchor_key(anchor: &rustls_pki_types::TrustAnchor<'_>) -> Option<Vec<u8>> {
    let key = anchor.subject_public_key_info.as_ref();
    Any::new(Tag::Sequence, key).and_then(|any| any.to_der()).ok()
}

/// Step 5.
fn transparent(
    certificate: &Certificate,
    issuer_key: &[u8],
    root: &TrustedRoot,
    demands: &Demands,
) -> Result<(), CertificateFault> {
    match demands.no_ct_log {
        _ if root.has_ct_logs() => sct::verify(certificate, issuer_key, root),
        NoCtLog::Allow => Ok(()),
        NoCtLog::Refuse => Err(CertificateFault::NoCtLog),
    }
}

/// Step 7.
fn made(claim: &Claim<'_>, key: &PublicKey) -> Result<(), SigstoreError> {
    stated(claim)?;
    let made = match &claim.content {
        Content::Message(message) | Content::Envelope { message, .. } => {
            key.verifies(message, claim.signature)
        }
        Content::Digest(digest) => made_over_digest(claim.signature, key, digest)?,
    };
    if made { Ok(()) } else { Err(SigstoreError::Signature) }
}

/// The digest that a bundle states is that of what is signed.
fn stated(claim: &Claim<'_>) -> Result<(), FormFault> {
    claim.stated_digest.map_or(Ok(()), |stated| states_right_digest(&claim.content, stated))
}

fn states_right_digest(content: &Content<'_>, stated: &MessageDigest) -> Result<(), FormFault> {
    let right = match content {
        Content::Message(message) | Content::Envelope { message, .. } => {
            entry::hash_of(&stated.algorithm, message).as_ref() == Some(&stated.digest)
        }
        Content::Digest(digest) => {
            entry::is_algorithm_of(&stated.algorithm, digest)
                && hex::encode(&stated.digest) == digest.hex()
        }
    };
    if right { Ok(()) } else { Err(FormFault::MessageDigest) }
}

fn made_over_digest(
    signature: &[u8],
    key: &PublicKey,
    digest: &Digest,
) -> Result<bool, SigstoreError> {
    let hash = match digest.algorithm() {
        crate::digest::Algorithm::Sha256 => HashAlgorithm::Sha2256,
        crate::digest::Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    let der = DerPublicKey::from_bytes(key.der());
    let algorithm = KeyAlgorithm::from_spki(&der).map_err(|_| FormFault::NeedsBytes)?;
    let scheme = algorithm.resolve_signing_scheme(hash).map_err(|_| FormFault::NeedsBytes)?;
    if scheme.hash_algorithm() != Some(hash) {
        return Err(FormFault::NeedsBytes.into());
    }
    let digest = hex::decode(digest.hex()).map_err(|_| FormFault::NeedsBytes)?;
    let signature = SignatureBytes::from_bytes(signature);
    Ok(verify_signature_prehashed(&der, &digest, &signature, scheme).is_ok())
}

/// Step 8.
fn bound(claim: &Claim<'_>, maker: &Maker<'_>) -> Result<(), SigstoreError> {
    let beside = entry::Beside { content: &claim.content, signature: claim.signature, maker };
    for (position, entry) in claim.material.entries.iter().enumerate() {
        entry::binds(entry, &beside).map_err(|fault| SigstoreError::Log { position, fault })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
