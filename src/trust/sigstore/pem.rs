//! The PEM files of an authority of one's own, as a [`TrustedRoot`].
//!
//! RFC 7468 blocks with one label to a file; anything else in it is refused, so that a key in the place of a certificate
//! is said and not skipped. Each root certificate is an authority; all intermediates may lead to any of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigstore_types::DerPublicKey;

use super::{
    certificate::Role,
    root::{Authority, Log, Origin, RootError, TrustedRoot, distinct, timestamp_authority},
};
use crate::digest::Digest;

/// The files of a private authority.
#[derive(Debug, Clone, Copy, Default)]
pub struct PrivateRoot<'a> {
    /// Certificates of roots, in PEM; each is an authority.
    pub roots: &'a [u8],
    /// Certificates between them and the signers, in PEM.
    pub intermediates: &'a [u8],
    /// Public keys of transparency logs, in PEM.
    pub log_keys: &'a [u8],
    /// Public keys of certificate transparency logs, in PEM.
    pub ct_log_keys: &'a [u8],
    /// For each timestamp authority its chain in PEM, from the certificate that stamps to the root.
    pub timestamping: &'a [Vec<u8>],
}

impl TrustedRoot {
    /// Takes the PEM files of a private authority.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn from_pem(files: &PrivateRoot<'_>) -> Result<Self, RootError> {
        let intermediates = blocks(files.intermediates, "CERTIFICATE", "the intermediates")?;
        let roots = blocks(files.roots, "CERTIFICATE", "the roots")?;
        let authorities = roots.into_iter().map(|root| {
            let mut chain = intermediates.clone();
            chain.push(root);
            Authority::new(&chain, None, Origin::Private)
        });
        let timestamping = files.timestamping.iter().map(|file| {
            let chain = blocks(file, "CERTIFICATE", "the timestamp authorities")?;
            let authority = timestamp_authority(&chain, None)?;
            // Read from the wrong end it would take the root for the one that stamps, and every timestamp for forged.
            match authority.leaf.role() {
                Ok(Role::Authority { .. }) => Err(RootError::Order),
                _ => Ok(authority),
            }
        });
        let mut parts: Vec<&[u8]> =
            vec![files.roots, files.intermediates, files.log_keys, files.ct_log_keys];
        parts.extend(files.timestamping.iter().map(Vec::as_slice));
        let parts: Vec<String> =
            parts.into_iter().map(|part| Digest::sha256(part).to_string()).collect();
        let root = Self {
            authorities: authorities.collect::<Result<_, _>>()?,
            logs: logs(files.log_keys, "the keys of logs")?,
            ct_logs: logs(files.ct_log_keys, "the keys of certificate logs")?,
            timestamping: timestamping.collect::<Result<_, _>>()?,
            digest: Digest::sha256(parts.join(" ").as_bytes()),
            origin: Origin::Private,
            dated: None,
        };
        if root.authorities.is_empty() && root.logs.is_empty() && root.timestamping.is_empty() {
            return Err(RootError::Empty);
        }
        Ok(root)
    }
}

/// Logs by their keys; the hash of a key is the id of its log (RFC 6962 section 3.2).
fn logs(pem: &[u8], what: &'static str) -> Result<Vec<Log>, RootError> {
    let keys = blocks(pem, "PUBLIC KEY", what)?;
    let logs = keys.into_iter().map(|der| {
        let key = DerPublicKey::from_bytes(&der);
        match Log::new(sigstore_crypto::sha256(&der).as_bytes(), &key, None)? {
            Some(log) => Ok(Some(log)),
            None => Err(RootError::Pem(what)),
        }
    });
    distinct(logs.collect::<Result<_, _>>()?)
}

/// The contents of all PEM blocks with this label; other blocks are an error.
fn blocks(text: &[u8], label: &str, what: &'static str) -> Result<Vec<Vec<u8>>, RootError> {
    let text = std::str::from_utf8(text).map_err(|_| RootError::Pem(what))?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let block = after.split_once(&end).filter(|_| {
            let start = text.len().checked_sub(after.len() + "-----BEGIN ".len());
            start.and_then(|start| text.get(start..)).is_some_and(|t| t.starts_with(&begin))
        });
        let (body, remaining) = block.ok_or(RootError::Pem(what))?;
        let body = body.split_once("-----").map_or("", |(_, body)| body);
        let packed: String = body.split_whitespace().collect();
        blocks.push(STANDARD.decode(packed).map_err(|_| RootError::Pem(what))?);
        rest = remaining;
    }
    if blocks.is_empty() && !text.trim().is_empty() {
        return Err(RootError::Pem(what));
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_files_hold_only_what_they_are_for() {
        let key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        let wrong = PrivateRoot { roots: key.as_bytes(), ..PrivateRoot::default() };
        assert!(matches!(TrustedRoot::from_pem(&wrong), Err(RootError::Pem("the roots"))));
        let text = PrivateRoot { roots: b"no PEM", ..PrivateRoot::default() };
        assert!(matches!(TrustedRoot::from_pem(&text), Err(RootError::Pem("the roots"))));
        assert!(matches!(TrustedRoot::from_pem(&PrivateRoot::default()), Err(RootError::Empty)));
    }
}
