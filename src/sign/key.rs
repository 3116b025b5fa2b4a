//! Private keys: PEM files as OpenSSL and cosign write them.
//!
//! Turns a PEM file into a [`PrivateKey`]: PKCS #8 (RFC 5958), SEC 1 (RFC 5915) and PKCS #1 (RFC 8017), encrypted PKCS #8 with
//! PBES2 (RFC 8018), and cosign's own encryption (scrypt and NaCl's secretbox), which `sigstore` reads. Kinds and sizes are those
//! that [`PublicKey`] accepts. Refuses files with two private keys, and the encryption of old OpenSSL, which is MD5.
//!
//! Signs with the scheme that cosign expects of the kind of key: ECDSA with the hash of the curve's size, Ed25519, RSA with
//! PKCS #1 v1.5 and SHA-256. Plain text of keys is erased when it is no longer needed; aws-lc erases its own copy.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pkcs8::{EncryptedPrivateKeyInfoRef, der::pem, pkcs5::EncryptionScheme};
use serde::Deserialize;
use sigstore::crypto::signing_key::{
    COSIGN_PRIVATE_KEY_PEM_LABEL, SIGSTORE_PRIVATE_KEY_PEM_LABEL, kdf,
};
use zeroize::Zeroizing;

use crate::{
    json,
    trust::{KeyError, PublicKey},
};

/// Bytes of a key file that are read: one of RSA with 8192 bits has fewer than 8 KiB.
pub const MAX_KEY_BYTES: usize = 64 << 10;
/// Bytes of a nonce of NaCl's secretbox.
const NONCE_BYTES: usize = 24;
/// Memory that scrypt may ask for; OpenSSL asks for 16 MiB.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
/// Times that scrypt may use it.
const MAX_SCRYPT_LANES: u16 = 16;
/// Rounds that PBKDF2 may ask for; OpenSSL asks for 2048, and careful people for a million.
const MAX_ITERATIONS: u32 = 10_000_000;
const BEGIN: &str = "-----BEGIN ";
const PRIVATE: &str = "PRIVATE KEY";

/// A password, erased from memory after use and never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes a password in.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A key that signs.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:.16})", self.public.fingerprint())
    }
}

/// Why a file is no key to sign with. The caller adds its name; nothing of its content is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Nothing that a private key could be in.
    #[error("this is no private key in PEM; expected one block of -----BEGIN … PRIVATE KEY-----")]
    NotPem,
    /// Two keys: which one is meant?
    #[error("there are {found} private keys in it; expected exactly one")]
    Several {
        /// How many.
        found: usize,
    },
    /// Too large to be a key.
    #[error("it has {found} bytes, and a key has at most {MAX_KEY_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        found: usize,
    },
    /// A block of a kind that is not read.
    #[error(
        "its block is a {label}; expected PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY, \
             ENCRYPTED PRIVATE KEY or ENCRYPTED SIGSTORE PRIVATE KEY"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// Encrypted as OpenSSL did before version 1.0.
    #[error(
        "it is encrypted in OpenSSL's old way, whose password hash is MD5; \
             openssl pkcs8 -topk8 -in FILE -out NEW encrypts it in today's"
    )]
    Legacy,
    /// Encrypted, and no password.
    #[error("it is encrypted, and there is no password")]
    NoPassword,
    /// The password is wrong, or the file is damaged.
    #[error("it cannot be decrypted: the password is wrong, or the file is damaged")]
    Decrypt,
    /// Decrypting would take more than any honest file asks for.
    #[error(
        "its encryption is none of PBES2, or asks for more than {MAX_ITERATIONS} rounds of PBKDF2 or \
         {} MiB of scrypt",
        MAX_SCRYPT_BYTES >> 20
    )]
    Cost,
    /// Not a key of an accepted kind.
    #[error(
        "it holds no key of an accepted kind: ECDSA P-256, P-384 or P-521, Ed25519, or RSA \
             with 2048 to 8192 bits"
    )]
    Kind,
    /// The public half is not accepted.
    #[error("its public half is not accepted: {0}")]
    Public(KeyError),
}

impl PrivateKey {
    /// Reads a PEM file's content. An empty password is one; cosign makes keys with it.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn from_pem(file: &[u8], password: Option<&Password>) -> Result<Self, KeyFileError> {
        let (label, content) = block(file)?;
        let decrypted = match label.as_str() {
            "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" => content,
            "ENCRYPTED PRIVATE KEY" => {
                decrypted_pkcs8(&content, password.ok_or(KeyFileError::NoPassword)?)?
            }
            SIGSTORE_PRIVATE_KEY_PEM_LABEL | COSIGN_PRIVATE_KEY_PEM_LABEL => {
                decrypted_sigstore(&content, password.ok_or(KeyFileError::NoPassword)?)?
            }
            _ => return Err(KeyFileError::Label { label }),
        };
        let pair = match label.as_str() {
            "EC PRIVATE KEY" => ecdsa(&decrypted),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&decrypted).ok().map(Pair::Rsa),
            _ => pkcs8_pair(&decrypted),
        };
        let pair = pair.ok_or(KeyFileError::Kind)?;
        let public = pair.public().ok_or(KeyFileError::Kind)?;
        let public = PublicKey::from_der(&public).map_err(KeyFileError::Public)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// A signature over `message`; `None` where the library fails.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Some(pair.try_sign(message).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl Pair {
    /// SubjectPublicKeyInfo in DER.
    fn public(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ecdsa(pair) => Some(pair.public_key().as_der().ok()?.as_ref().to_vec()),
            Self::Ed25519(pair) => Some(pair.public_key().as_der().ok()?.as_ref().to_vec()),
            Self::Rsa(pair) => Some(pair.public_key().as_der().ok()?.as_ref().to_vec()),
        }
    }
}

/// The one private key in a file. OpenSSL puts the curve's parameters before it, others a certificate behind it.
fn block(file: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>), KeyFileError> {
    if file.len() > MAX_KEY_BYTES {
        return Err(KeyFileError::TooLarge { found: file.len() });
    }
    let text = std::str::from_utf8(file).map_err(|_| KeyFileError::NotPem)?;
    let starts = text.match_indices(BEGIN).map(|(start, _)| start);
    let private: Vec<&str> = starts
        .filter_map(|start| text.get(start..))
        .filter(|rest| {
            let label = rest.lines().next().and_then(|line| line.trim_end().strip_suffix("-----"));
            label.is_some_and(|label| label.ends_with(PRIVATE))
        })
        .collect();
    let block = match private.as_slice() {
        [] => return Err(KeyFileError::NotPem),
        [one] => *one,
        several => return Err(KeyFileError::Several { found: several.len() }),
    };
    if block.contains("Proc-Type:") {
        return Err(KeyFileError::Legacy);
    }
    // What follows the block is no part of it, and the decoder wants nothing there.
    let end = block.match_indices("-----END ").next().map(|(at, _)| at);
    let last = end.and_then(|end| Some(end + block.get(end..)?.find('\n')? + 1));
    let block = last.and_then(|last| block.get(..last)).unwrap_or(block);
    let (label, content) = pem::decode_vec(block.as_bytes()).map_err(|_| KeyFileError::NotPem)?;
    Ok((label.to_owned(), Zeroizing::new(content)))
}

fn decrypted_pkcs8(
    content: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let info = EncryptedPrivateKeyInfoRef::try_from(content).map_err(|_| KeyFileError::Decrypt)?;
    if !affordable(&info.encryption_algorithm) {
        return Err(KeyFileError::Cost);
    }
    let key = info.decrypt(password.0.as_slice()).map_err(|_| KeyFileError::Decrypt)?;
    Ok(Zeroizing::new(key.as_bytes().to_vec()))
}

/// Whether a file asks for no more work than keys are worth. The crate panics where scrypt's cost is zero.
pub(super) fn affordable(scheme: &EncryptionScheme) -> bool {
    let Some(pbes2) = scheme.pbes2() else { return false };
    if let Some(scrypt) = pbes2.kdf.scrypt() {
        let block_bytes = u64::from(scrypt.block_size).saturating_mul(128);
        let bytes = scrypt.cost_parameter.saturating_mul(block_bytes);
        let whole = scrypt.cost_parameter >= 2 && scrypt.block_size > 0;
        return whole && bytes <= MAX_SCRYPT_BYTES && scrypt.parallelization <= MAX_SCRYPT_LANES;
    }
    pbes2.kdf.pbkdf2().is_some_and(|kdf| kdf.iteration_count <= MAX_ITERATIONS)
}

/// cosign's encryption. The crate takes the nonce's length for granted, so it is looked at first.
fn decrypted_sigstore(
    content: &[u8],
    password: &Password,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    #[derive(Deserialize)]
    struct Sealed {
        cipher: Cipher,
    }
    #[derive(Deserialize)]
    struct Cipher {
        nonce: String,
    }
    let sealed: Sealed =
        json::from_slice(content, MAX_KEY_BYTES).map_err(|_| KeyFileError::Decrypt)?;
    let nonce = STANDARD.decode(&sealed.cipher.nonce).map_err(|_| KeyFileError::Decrypt)?;
    if nonce.len() != NONCE_BYTES {
        return Err(KeyFileError::Decrypt);
    }
    let key = kdf::decrypt(content, &password.0).map_err(|_| KeyFileError::Decrypt)?;
    Ok(Zeroizing::new(key))
}

/// An elliptic key in PKCS #8 or SEC 1. Each curve refuses the keys of the others.
fn ecdsa(der: &[u8]) -> Option<Pair> {
    let curves = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
        &ECDSA_P521_SHA512_ASN1_SIGNING,
    ];
    let mut pairs =
        curves.into_iter().filter_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok());
    pairs.next().map(Pair::Ecdsa)
}

fn pkcs8_pair(der: &[u8]) -> Option<Pair> {
    ecdsa(der)
        .or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(Pair::Ed25519))
        .or_else(|| RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa))
}
