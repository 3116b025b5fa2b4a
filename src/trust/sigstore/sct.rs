//! Signed certificate timestamps: that the authority's certificates can be seen by everybody.
//!
//! RFC 6962 section 3.2 for timestamps that are embedded in the certificate. What the log signed is the certificate
//! without this extension, with the hash of its issuer's key; the issuer is the one on the verified path, never one
//! that is found by name (attack A18). A timestamp of a log that is not in the root says nothing; one of a listed log
//! has to verify.

use jiff::Timestamp;
use sigstore_crypto::{KeyAlgorithm, SigningScheme, verify_signature};
use sigstore_types::SignatureBytes;
use x509_cert::{
    der::{Encode as _, oid::AssociatedOid as _},
    ext::pkix::{
        SignedCertificateTimestamp, SignedCertificateTimestampList,
        sct::{HashAlgorithm, SignatureAlgorithm, Version},
    },
};

use super::{
    certificate::Certificate,
    error::CertificateFault,
    root::{Log, TrustedRoot},
};

/// Timestamps that one certificate may have.
const MAX_TIMESTAMPS: usize = 16;

/// Checks the timestamps in a certificate whose issuer has this SubjectPublicKeyInfo.
pub(super) fn verify(
    certificate: &Certificate,
    issuer_key: &[u8],
    root: &TrustedRoot,
) -> Result<(), CertificateFault> {
    let tbs = &certificate.parsed().tbs_certificate;
    let list = tbs.get::<SignedCertificateTimestampList>();
    let (_, list) =
        list.map_err(|_| CertificateFault::Extension)?.ok_or(CertificateFault::NoSct)?;
    let serialized = list.parse_timestamps().map_err(|_| CertificateFault::Extension)?;
    let mut known = 0;
    for timestamp in serialized.iter().take(MAX_TIMESTAMPS) {
        let sct = timestamp.parse_timestamp().map_err(|_| CertificateFault::Extension)?;
        let Some(log) = root.ct_logs.iter().find(|log| log.id == sct.log_id.key_id) else {
            continue;
        };
        one(certificate, issuer_key, &sct, log)?;
        known += 1;
    }
    if known == 0 { Err(CertificateFault::NoSct) } else { Ok(()) }
}

fn one(
    certificate: &Certificate,
    issuer_key: &[u8],
    sct: &SignedCertificateTimestamp,
    log: &Log,
) -> Result<(), CertificateFault> {
    let millis = i64::try_from(sct.timestamp).map_err(|_| CertificateFault::Sct)?;
    let issued = Timestamp::from_millisecond(millis).map_err(|_| CertificateFault::Sct)?;
    if !log.counts_at(issued) {
        return Err(CertificateFault::Sct);
    }
    let algorithm = (&sct.signature.algorithm.hash, &sct.signature.algorithm.signature);
    let scheme = scheme(algorithm, log.algorithm).ok_or(CertificateFault::Sct)?;
    let message = signed_bytes(certificate, issuer_key, sct)?;
    let signature = SignatureBytes::from_bytes(sct.signature.signature.as_slice());
    verify_signature(&log.key, &message, &signature, scheme).map_err(|_| CertificateFault::Sct)
}

fn scheme(
    stated: (&HashAlgorithm, &SignatureAlgorithm),
    key: KeyAlgorithm,
) -> Option<SigningScheme> {
    Some(match (stated, key) {
        ((HashAlgorithm::Sha256, SignatureAlgorithm::Ecdsa), KeyAlgorithm::EcdsaP256) => {
            SigningScheme::EcdsaP256Sha256
        }
        ((HashAlgorithm::Sha384, SignatureAlgorithm::Ecdsa), KeyAlgorithm::EcdsaP384) => {
            SigningScheme::EcdsaP384Sha384
        }
        ((HashAlgorithm::Sha256, SignatureAlgorithm::Ecdsa), KeyAlgorithm::EcdsaP384) => {
            SigningScheme::EcdsaP384Sha256
        }
        ((HashAlgorithm::Sha256, SignatureAlgorithm::Rsa), KeyAlgorithm::Rsa) => {
            SigningScheme::RsaPkcs1Sha256
        }
        ((HashAlgorithm::Sha384, SignatureAlgorithm::Rsa), KeyAlgorithm::Rsa) => {
            SigningScheme::RsaPkcs1Sha384
        }
        ((HashAlgorithm::Sha512, SignatureAlgorithm::Rsa), KeyAlgorithm::Rsa) => {
            SigningScheme::RsaPkcs1Sha512
        }
        _ => return None,
    })
}

/// RFC 6962 section 3.2: version, type, time, entry type, hash of the issuer's key, certificate without timestamps,
/// extensions; lengths are big-endian, of three and two bytes.
fn signed_bytes(
    certificate: &Certificate,
    issuer_key: &[u8],
    sct: &SignedCertificateTimestamp,
) -> Result<Vec<u8>, CertificateFault> {
    let Version::V1 = sct.version;
    let mut tbs = certificate.parsed().tbs_certificate.clone();
    if let Some(extensions) = &mut tbs.extensions {
        extensions.retain(|e| e.extn_id != SignedCertificateTimestampList::OID);
    }
    let tbs = tbs.to_der().map_err(|_| CertificateFault::Sct)?;
    let length = u32::try_from(tbs.len()).map_err(|_| CertificateFault::Sct)?.to_be_bytes();
    let [0, length @ ..] = length else { return Err(CertificateFault::Sct) };
    let extensions = sct.extensions.as_slice();
    let extensions_length = u16::try_from(extensions.len()).map_err(|_| CertificateFault::Sct)?;
    const V1_CERTIFICATE_TIMESTAMP: [u8; 2] = [0, 0];
    const PRECERTIFICATE: [u8; 2] = [0, 1];
    Ok([
        V1_CERTIFICATE_TIMESTAMP.as_slice(),
        &sct.timestamp.to_be_bytes(),
        &PRECERTIFICATE,
        sigstore_crypto::sha256(issuer_key).as_bytes(),
        &length,
        &tbs,
        &extensions_length.to_be_bytes(),
        extensions,
    ]
    .concat())
}
