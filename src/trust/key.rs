//! Public keys that the operator trusts.
//!
//! Turns a PEM file with one SubjectPublicKeyInfo (RFC 7468 section 13, RFC 5280 section 4.1), or one RSA key in PKCS #1 (RFC
//! 8017 appendix A.1.1), which is put into one, into a [`PublicKey`] that checks signatures: ECDSA on P-256, P-384 and P-521,
//! Ed25519, RSA of 2048 to 8192 bits with PKCS #1 v1.5 or PSS. A byte order mark before it means nothing. Refuses private keys, certificates, several keys in a file, and every encoding but the common one: one key must have one fingerprint,
//! or it could count twice towards a threshold (attack A24).
//!
//! The key decides how its signatures are checked, never the evidence. Each kind has a fixed list, tried in this order:
//!
//! | key | schemes |
//! |---|---|
//! | P-256 | ECDSA with SHA-256 |
//! | P-384 | ECDSA with SHA-384; with SHA-256, as older cosign signed whatever the curve |
//! | P-521 | ECDSA with SHA-512; with SHA-256, for the same reason |
//! | Ed25519 | Ed25519; Ed25519ph (RFC 8032 section 5.1), which Rekor takes for entries that hold a digest only |
//! | RSA | PKCS #1 v1.5, then PSS, with SHA-256; the same with SHA-384 and SHA-512, as key services make them |
//!
//! No scheme of a list can take another's signature for its own: PKCS #1 v1.5 and Ed25519ph sign the name of the hash, and
//! a hash of another length is another number to ECDSA and another encoding to PSS.
//!
//! The first of each list is checked by `sigstore` (`CosignVerificationKey`), the others by aws-lc, on which it rests, and
//! Ed25519ph, which aws-lc's crate does not offer, by `ed25519-dalek`, strictly: no key of small order.
//! `sigstore-crypto` checks the size of RSA keys when they are loaded.

use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ed25519_dalek::{Digest as _, Sha512};
use sigstore::crypto::{CosignVerificationKey, Signature};
use sigstore_crypto::{SigningScheme, VerificationKey, validate_raw_public_key};
use sigstore_types::DerPublicKey;
use x509_cert::{
    der::{
        Decode as _, Encode as _, ErrorKind,
        asn1::{Any, BitString, ObjectIdentifier, SequenceOf, UintRef},
    },
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

use crate::digest::Digest;

/// The label of a SubjectPublicKeyInfo.
const LABEL: &str = "PUBLIC KEY";
/// The label of an RSA key in PKCS #1.
const PKCS1_LABEL: &str = "RSA PUBLIC KEY";
/// Kinds of keys that are known and not accepted, by their object identifiers: the algorithm's, or the curve's.
const OTHER_KINDS: [(&str, &str); 14] = [
    ("1.3.132.0.10", "ECDSA on secp256k1"),
    ("1.3.132.0.33", "ECDSA on P-224"),
    ("1.2.840.10045.3.1.1", "ECDSA on P-192"),
    ("1.3.36.3.3.2.8.1.1.7", "ECDSA on brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "ECDSA on brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "ECDSA on brainpoolP512r1"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS, an RSA key that is limited to PSS"),
    ("1.2.840.113549.1.1.1", "RSA of another size or encoding"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.110", "X25519, which cannot sign"),
    ("1.3.101.111", "X448, which cannot sign"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10045.2.1", "ECDSA in another encoding, such as a compressed point"),
    ("1.2.840.113549.1.3.1", "Diffie-Hellman, which cannot sign"),
];

/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 section 4).
const ED25519: &str = "302a300506032b6570032100";

/// A public key from configuration.
#[derive(Debug, Clone)]
pub struct PublicKey {
    fingerprint: Digest,
    kind: Kind,
    der: DerPublicKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa,
}

/// Why a text is not a key to trust. The caller adds the name of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Text in an encoding that no PEM file has.
    #[error("this file is UTF-16, as some editors write; save it as UTF-8 or ASCII")]
    Utf16,
    /// A key as OpenSSH writes it.
    #[error(
        "this is a key in OpenSSH's form; ssh-keygen -e -m PKCS8 -f FILE writes the one that is expected"
    )]
    OpenSsh,
    /// Bytes that begin like DER.
    #[error(
        "this looks like DER, and is no public key; openssl asn1parse -inform DER -in FILE says what it is"
    )]
    Der,
    /// DER that is longer than the file.
    #[error(
        "this is the beginning of a file in DER: it has {found} of {expected} bytes; copy the whole file"
    )]
    Truncated {
        /// Bytes that are there.
        found: usize,
        /// Bytes that its outermost element says.
        expected: u32,
    },
    /// A JSON Web Key (RFC 7517).
    #[error(
        "this is a JSON Web Key; node -p 'require(\"crypto\").createPublicKey({{key: JSON.parse(require(\"fs\").readFileSync(\"FILE\")), \
         format: \"jwk\"}}).export({{type: \"spki\", format: \"pem\"}})' writes the PEM that is expected"
    )]
    Jwk,
    /// A certificate without PEM.
    #[error(
        "this is a certificate in DER; expected a public key, which \
         openssl x509 -inform DER -pubkey -noout -in FILE takes out of it"
    )]
    DerCertificate,
    /// A private key without PEM.
    #[error(
        "this is a private key in DER; hallmark needs only the public one, which \
         openssl pkey -inform DER -in FILE -pubout writes"
    )]
    DerPrivate,
    /// A key of minisign or signify, or of PGP.
    #[error(
        "this is a key of {0}, which signs in a form of its own; make one for images: openssl genpkey -algorithm EC \
         -pkeyopt ec_paramgen_curve:P-256 -out release.key"
    )]
    OtherTool(&'static str),
    /// No PEM block.
    #[error("this is not a PEM file; expected a block that begins with -----BEGIN PUBLIC KEY-----")]
    NotPem,
    /// A private key: it has no business here.
    #[error(
        "this is a PRIVATE key; hallmark needs only the public one, for example the file cosign.pub. \
         Move the private key away from this machine if it does not belong here"
    )]
    Private,
    /// A certificate.
    #[error(
        "this is a certificate; expected a public key, which \
         openssl x509 -pubkey -noout -in FILE takes out of it"
    )]
    Certificate,
    /// Another kind of block.
    #[error("the PEM block is a {found:?}; expected PUBLIC KEY (SubjectPublicKeyInfo)")]
    Label {
        /// Its label, cut to a printable length.
        found: String,
    },
    /// Several blocks: a signer with several keys lists several files.
    #[error("there are {found} PEM blocks; expected exactly one public key in a file")]
    Several {
        /// How many.
        found: usize,
    },
    /// The block's content is not a SubjectPublicKeyInfo.
    #[error("the PEM block does not hold a public key in DER")]
    Encoding,
    /// A kind, size or encoding of key that is not accepted.
    #[error(
        "this kind of key is not accepted: {found}; expected ECDSA P-256, P-384 or P-521 (uncompressed point), \
         Ed25519, or RSA with 2048 to 8192 bits"
    )]
    Kind {
        /// What it is.
        found: String,
    },
}

impl PublicKey {
    /// Reads a file's content: PEM, or the same in DER. Other forms are named, with the command that converts them.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, KeyError> {
        match Self::from_pem(bytes) {
            Err(KeyError::Der) => Self::from_bare(bytes),
            read => read,
        }
    }

    /// Reads a key in DER that stands in a file by itself: a SubjectPublicKeyInfo, or an RSA key in PKCS #1.
    fn from_bare(der: &[u8]) -> Result<Self, KeyError> {
        if SubjectPublicKeyInfoOwned::from_der(der).is_ok() {
            return Self::from_der(der);
        }
        if let Some(spki) = spki_of_rsa(der) {
            return Self::from_spki(spki);
        }
        if let Err(ErrorKind::Incomplete { expected_len, .. }) =
            Any::from_der(der).map_err(|error| error.kind())
        {
            return Err(KeyError::Truncated { found: der.len(), expected: expected_len.into() });
        }
        Err(match x509_cert::Certificate::from_der(der) {
            Ok(_) => KeyError::DerCertificate,
            // PKCS #8, SEC 1 and PKCS #1 begin with a version, which no public key does.
            Err(_) if begins_with_version(der) => KeyError::DerPrivate,
            Err(_) => KeyError::Der,
        })
    }

    /// Reads a PEM file's content.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        if pem.starts_with(b"\xff\xfe") || pem.starts_with(b"\xfe\xff") {
            return Err(KeyError::Utf16);
        }
        // A sequence: text may begin with the same digit, and is text to its end.
        let is_der = matches!(pem, [0x30, ..]) && !pem.is_ascii();
        let not_pem = if is_der { KeyError::Der } else { KeyError::NotPem };
        let text = std::str::from_utf8(pem).map_err(|_| not_pem)?;
        let text = text.trim_start_matches('\u{feff}');
        if ["ssh-", "ecdsa-sha2-", "sk-", "---- BEGIN SSH2"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            return Err(KeyError::OpenSsh);
        }
        if text.trim_start().starts_with('{') && text.contains("\"kty\"") {
            return Err(KeyError::Jwk);
        }
        let tools = [
            ("untrusted comment: ", "minisign or signify"),
            ("-----BEGIN PGP PUBLIC KEY BLOCK-----", "PGP"),
        ];
        let of_tool = tools.iter().find(|(start, _)| text.trim_start().starts_with(start));
        if let Some((_, tool)) = of_tool {
            return Err(KeyError::OtherTool(tool));
        }
        match one_public_block(text)? {
            Block::Spki => {
                Self::from_spki(DerPublicKey::from_pem(text).map_err(|_| KeyError::Encoding)?)
            }
            Block::Pkcs1 => Self::from_spki(spki_of_pkcs1(text).ok_or(KeyError::Encoding)?),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER, as it stands in a certificate.
    ///
    /// # Errors
    /// [`KeyError::Encoding`] and [`KeyError::Kind`].
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        Self::from_spki(DerPublicKey::from_bytes(der))
    }

    fn from_spki(der: DerPublicKey) -> Result<Self, KeyError> {
        let kind = match Kind::of(&der) {
            Some(kind) => kind,
            None => return Err(other_kind(&der)),
        };
        CosignVerificationKey::try_from_der(der.as_bytes()).map_err(|_| KeyError::Encoding)?;
        Ok(Self { fingerprint: Digest::sha256(der.as_bytes()), kind, der })
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo, in lower-case hex.
    pub fn fingerprint(&self) -> String {
        self.fingerprint.hex()
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn der(&self) -> &[u8] {
        self.der.as_bytes()
    }

    /// Whether this key made `signature` over `message`, by one of the schemes of its kind.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let pairings = self.pairings();
        let mut keys = pairings.iter();
        keys.any(|key| key.verify_signature(Signature::Raw(signature), message).is_ok())
            || self.rarer().iter().any(|scheme| {
                UnparsedPublicKey::new(*scheme, self.der()).verify(message, signature).is_ok()
            })
            || self.kind == Kind::Ed25519 && self.verifies_prehashed(message, signature)
    }

    /// As [`PublicKey::verifies`], where an ECDSA signature may also be its two numbers one after the other, each as long as
    /// the curve's order (IEEE P1363): Google's verifiers and JOSE write it so. Only for signers that are known to.
    #[must_use]
    pub fn verifies_in_any_encoding(&self, message: &[u8], signature: &[u8]) -> bool {
        let plain = self.fixed_to_der(signature);
        self.verifies(message, signature)
            || plain.is_some_and(|signature| self.verifies(message, &signature))
    }

    /// A signature of two numbers in DER, where its length is that of the curve.
    fn fixed_to_der(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let order_bytes = match self.kind {
            Kind::P256 => 32,
            Kind::P384 => 48,
            Kind::P521 => 66,
            Kind::Ed25519 | Kind::Rsa => return None,
        };
        if signature.len() != order_bytes * 2 {
            return None;
        }
        let (r, s) = signature.split_at(order_bytes);
        let mut numbers = SequenceOf::<UintRef<'_>, 2>::new();
        numbers.add(UintRef::new(r).ok()?).ok()?;
        numbers.add(UintRef::new(s).ok()?).ok()?;
        numbers.to_der().ok()
    }

    /// Whether this key made `signature` by the one scheme that in-toto has for its kind: as [`PublicKey::verifies`], but RSA
    /// signs with PSS and P-384 with SHA-384 alone.
    #[must_use]
    pub fn verifies_in_toto(&self, message: &[u8], signature: &[u8]) -> bool {
        let keys = self.pairings().into_iter();
        let mut keys =
            keys.filter(|key| !matches!(key, CosignVerificationKey::RSA_PKCS1_SHA256(_)));
        keys.any(|key| key.verify_signature(Signature::Raw(signature), message).is_ok())
    }

    /// A key as a layout of in-toto holds it (specification 1.0.0, section 4.2.1); `None` where type and scheme are not
    /// verified, contradict each other or do not fit the key.
    pub(in crate::trust) fn from_in_toto(
        keytype: &str,
        scheme: &str,
        public: &str,
    ) -> Option<Self> {
        let key = match keytype {
            "ed25519" if !public.trim_start().starts_with("-----") => {
                let raw = hex::decode(public).ok()?;
                Self::from_der(&[hex::decode(ED25519).ok()?, raw].concat()).ok()?
            }
            _ => Self::from_pem(public.as_bytes()).ok()?,
        };
        // Some writers put the scheme into the type of elliptic keys.
        let ecdsa = keytype == "ecdsa" || keytype == scheme;
        let fits = match (key.kind, scheme) {
            (Kind::Rsa, "rsassa-pss-sha256") => keytype == "rsa",
            (Kind::Ed25519, "ed25519") => keytype == "ed25519",
            (Kind::P256, "ecdsa-sha2-nistp256")
            | (Kind::P384, "ecdsa-sha2-nistp384")
            | (Kind::P521, "ecdsa-sha2-nistp521") => ecdsa,
            _ => false,
        };
        fits.then_some(key)
    }

    /// The key with each hash and padding that cosign may have used with it.
    fn pairings(&self) -> Vec<CosignVerificationKey> {
        let der = self.der.as_bytes().to_vec();
        match self.kind {
            Kind::P256 => vec![CosignVerificationKey::ECDSA_P256_SHA256_ASN1(der)],
            Kind::P384 => vec![CosignVerificationKey::ECDSA_P384_SHA384_ASN1(der)],
            Kind::P521 => vec![CosignVerificationKey::ECDSA_P521_SHA512_ASN1(der)],
            Kind::Ed25519 => vec![CosignVerificationKey::ED25519(der)],
            Kind::Rsa => vec![
                CosignVerificationKey::RSA_PKCS1_SHA256(der.clone()),
                CosignVerificationKey::RSA_PSS_SHA256(der),
            ],
        }
    }

    /// Schemes beside those of [`Self::pairings`].
    fn rarer(&self) -> &'static [&'static dyn VerificationAlgorithm] {
        match self.kind {
            Kind::P256 | Kind::Ed25519 => &[],
            Kind::P384 => &[&aws::ECDSA_P384_SHA256_ASN1],
            Kind::P521 => &[&aws::ECDSA_P521_SHA256_ASN1],
            Kind::Rsa => &[
                &aws::RSA_PKCS1_2048_8192_SHA384,
                &aws::RSA_PKCS1_2048_8192_SHA512,
                &aws::RSA_PSS_2048_8192_SHA384,
                &aws::RSA_PSS_2048_8192_SHA512,
            ],
        }
    }

    /// Ed25519ph without a context (RFC 8032 section 5.1).
    fn verifies_prehashed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = self.der().last_chunk().map(ed25519_dalek::VerifyingKey::from_bytes);
        let signature = ed25519_dalek::Signature::from_slice(signature);
        let (Some(Ok(key)), Ok(signature)) = (key, signature) else { return false };
        let hashed = Sha512::new_with_prefix(message);
        key.verify_prehashed_strict(hashed, None, &signature).is_ok()
    }

    /// The hash of a message that a service signs with this key where it takes a digest; `None` for Ed25519, which
    /// signs whole messages.
    pub fn prehash(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self.kind {
            Kind::P256 | Kind::Rsa => Some(sigstore_crypto::sha256(message).as_bytes().to_vec()),
            Kind::P384 => Some(sigstore_crypto::sha384(message).as_bytes().to_vec()),
            Kind::P521 => Some(sigstore_crypto::sha512(message).as_bytes().to_vec()),
            Kind::Ed25519 => None,
        }
    }

    /// The fingerprint as cosign 3 writes it into a bundle, in base64.
    pub fn hint(&self) -> String {
        hex::decode(self.fingerprint.hex()).map(|hash| STANDARD.encode(hash)).unwrap_or_default()
    }

    /// The texts by which a hint in the evidence can name this key: its fingerprint in hex, as in-toto tools write it, and in
    /// base64, as cosign 3 does.
    pub(in crate::trust) fn hint_forms(&self) -> [String; 2] {
        let base64 = hex::decode(self.fingerprint.hex()).map(|hash| STANDARD_NO_PAD.encode(hash));
        [self.fingerprint.hex(), base64.unwrap_or_default()]
    }

    /// Whether a hint in the evidence names this key.
    #[cfg(test)]
    pub(in crate::trust) fn is_hinted_by(&self, hint: &str) -> bool {
        Self::hint_form(hint).is_some_and(|form| self.hint_forms().contains(&form))
    }

    /// A hint as [`PublicKey::hint_forms`] writes it; `None` where it can be no fingerprint.
    pub(in crate::trust) fn hint_form(hint: &str) -> Option<String> {
        let text = hint.strip_prefix("sha256:").or(hint.strip_prefix("SHA256:")).unwrap_or(hint);
        let base64 = text.trim_end_matches('=');
        match text.len() {
            64 => Some(text.to_ascii_lowercase()),
            _ if base64.len() == 43 => Some(base64.to_owned()),
            _ => None,
        }
    }
}

/// A hint at a key as reports show keys, by the first digits of its fingerprint in hex, where it is a fingerprint in hex or base64;
/// else as it is.
pub fn hint_shown(hint: &str) -> String {
    const FINGERPRINT_BYTES: usize = 32;
    let text = hint.strip_prefix("sha256:").or(hint.strip_prefix("SHA256:")).unwrap_or(hint);
    let base64 = || STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let bytes = hex::decode(text).ok().or_else(base64);
    match bytes.filter(|bytes| bytes.len() == FINGERPRINT_BYTES) {
        Some(bytes) => format!("{:.16}", hex::encode(bytes)),
        None => hint.to_owned(),
    }
}

/// Which form the only block of a file has.
enum Block {
    Spki,
    Pkcs1,
}

/// The SubjectPublicKeyInfo of an RSA key in PKCS #1 (RFC 3279 section 2.3.1): one key has one fingerprint in either form.
fn spki_of_pkcs1(text: &str) -> Option<DerPublicKey> {
    let (label, key) = pkcs8::der::pem::decode_vec(text.trim().as_bytes()).ok()?;
    if label == PKCS1_LABEL { spki_of_rsa(&key) } else { None }
}

/// The same of its DER.
fn spki_of_rsa(key: &[u8]) -> Option<DerPublicKey> {
    let parts = SequenceOf::<UintRef<'_>, 2>::from_der(key).ok()?;
    // DER has one form alone for two numbers; anything else would be a second fingerprint of one key.
    if parts.len() != 2 || parts.to_der().ok()? != key {
        return None;
    }
    let algorithm = AlgorithmIdentifierOwned {
        oid: ObjectIdentifier::new("1.2.840.113549.1.1.1").ok()?,
        parameters: Some(Any::null()),
    };
    let subject_public_key = BitString::from_bytes(key).ok()?;
    let spki = SubjectPublicKeyInfoOwned { algorithm, subject_public_key };
    Some(DerPublicKey::from_bytes(&spki.to_der().ok()?))
}

/// Whether a sequence begins with the number 0 or 1.
fn begins_with_version(der: &[u8]) -> bool {
    let body = match der {
        [0x30, 0x82, _, _, body @ ..] | [0x30, 0x81, _, body @ ..] | [0x30, _, body @ ..] => body,
        _ => return false,
    };
    matches!(body, [0x02, 0x01, 0 | 1, ..])
}

/// What a key is that is none of the accepted kinds; bytes that are no key at all are another error.
fn other_kind(der: &DerPublicKey) -> KeyError {
    let Ok(spki) = SubjectPublicKeyInfoOwned::from_der(der.as_bytes()) else {
        return KeyError::Encoding;
    };
    let parameters = spki.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
    let ids = [curve.map(|id| id.to_string()), Some(spki.algorithm.oid.to_string())];
    let known = ids.iter().flatten().find_map(|id| {
        OTHER_KINDS.iter().find(|(known, _)| known == id).map(|(_, name)| (*name).to_owned())
    });
    let unknown = || format!("algorithm {}", spki.algorithm.oid);
    KeyError::Kind { found: known.unwrap_or_else(unknown) }
}

/// The form of the text's one PEM block, which is a public key's.
fn one_public_block(text: &str) -> Result<Block, KeyError> {
    let labels = text.lines().filter_map(|line| {
        line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----").map(str::trim)
    });
    let labels: Vec<&str> = labels.collect();
    if labels.iter().any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(KeyError::Private);
    }
    match labels.as_slice() {
        [] => Err(KeyError::NotPem),
        [LABEL] => Ok(Block::Spki),
        [PKCS1_LABEL] => Ok(Block::Pkcs1),
        [label] if label.ends_with("CERTIFICATE") => Err(KeyError::Certificate),
        [label] => Err(KeyError::Label { found: label.chars().take(80).collect() }),
        several => Err(KeyError::Several { found: several.len() }),
    }
}

impl Kind {
    /// The kind of a key in its one accepted encoding. Everything before an elliptic point is constant: algorithm,
    /// curve, lengths, and 04 for an uncompressed point (RFC 5480 section 2, SEC 1 section 2.3.3; RFC 8410 section 4).
    fn of(der: &DerPublicKey) -> Option<Self> {
        const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
        const P384: &str = "3076301006072a8648ce3d020106052b8104002203620004";
        const P521: &str = "30819b301006072a8648ce3d020106052b810400230381860004";
        let text = hex::encode(der.as_bytes());
        let constant = [
            (P256, 64, Self::P256),
            (P384, 96, Self::P384),
            (P521, 132, Self::P521),
            (ED25519, 32, Self::Ed25519),
        ];
        let found = constant.into_iter().find(|(prefix, rest_bytes, _)| {
            text.strip_prefix(prefix).is_some_and(|rest| rest.len() == rest_bytes * 2)
        });
        found.map(|(_, _, kind)| kind).or_else(|| is_rsa(der, &text).then_some(Self::Rsa))
    }
}

/// Whether this is an RSA key of accepted size, with NULL parameters as RFC 3279 section 2.3.1 asks.
fn is_rsa(der: &DerPublicKey, text: &str) -> bool {
    const ALGORITHM: &str = "300d06092a864886f70d0101010500";
    // A key of 2048 bits and more has an outer header of four bytes.
    let algorithm = text.get(8..).is_some_and(|rest| rest.starts_with(ALGORITHM));
    let size = VerificationKey::from_spki(der)
        .and_then(|key| validate_raw_public_key(SigningScheme::RsaPkcs1Sha256, key.as_bytes()));
    algorithm && size.is_ok()
}

#[cfg(test)]
mod tests {
    mod kinds;

    use sigstore::crypto::SigningScheme as Sign;

    use super::*;
    use crate::trust::testing::TestKey;

    #[test]
    fn every_accepted_kind_verifies_its_own_signatures_and_no_others() {
        let kinds = [
            Sign::ECDSA_P256_SHA256_ASN1,
            Sign::ECDSA_P384_SHA384_ASN1,
            Sign::ECDSA_P521_SHA512_ASN1,
            Sign::ED25519,
            Sign::RSA_PKCS1_SHA256(2048),
            Sign::RSA_PSS_SHA256(2048),
        ];
        for kind in kinds {
            let (key, other) = (TestKey::new(kind), TestKey::new(kind));
            let signature = key.sign(b"message");
            assert!(key.public.verifies(b"message", &signature), "{kind}");
            assert!(!key.public.verifies(b"massage", &signature), "{kind}: other message");
            assert!(!other.public.verifies(b"message", &signature), "{kind}: other key");
            assert!(!key.public.verifies(b"message", b""), "{kind}: empty signature");
            let mut flipped = signature.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert!(!key.public.verifies(b"message", &flipped), "{kind}: flipped bit");
        }
    }

    /// Signatures of aws-lc with each hash that a list names, and with one that it does not.
    #[test]
    fn every_kind_has_a_fixed_list_of_hashes() {
        use aws::{EcdsaKeyPair, RsaKeyPair};
        let random = aws_lc_rs::rand::SystemRandom::new();
        let made = |scheme| {
            let pair = sigstore_pair(scheme);
            let public = PublicKey::from_der(&pair.public_key_to_der().unwrap()).unwrap();
            (pair.private_key_to_der().unwrap(), public)
        };
        let hashes = [
            (&aws::ECDSA_P521_SHA512_ASN1_SIGNING, true),
            (&aws::ECDSA_P521_SHA256_ASN1_SIGNING, true),
            (&aws::ECDSA_P521_SHA384_ASN1_SIGNING, false),
            (&aws::ECDSA_P521_SHA224_ASN1_SIGNING, false),
        ];
        let (private, public) = made(Sign::ECDSA_P521_SHA512_ASN1);
        for (position, (hash, listed)) in hashes.into_iter().enumerate() {
            let pair = EcdsaKeyPair::from_pkcs8(hash, &private).unwrap();
            let signature = pair.sign(&random, b"message").unwrap();
            assert_eq!(public.verifies(b"message", signature.as_ref()), listed, "hash {position}");
            assert!(!public.verifies(b"massage", signature.as_ref()), "hash {position}");
        }
        let (private, public) = made(Sign::RSA_PKCS1_SHA256(2048));
        let pair = RsaKeyPair::from_pkcs8(&private).unwrap();
        let encodings: [&dyn aws::RsaEncoding; 6] = [
            &aws::RSA_PKCS1_SHA256,
            &aws::RSA_PKCS1_SHA384,
            &aws::RSA_PKCS1_SHA512,
            &aws::RSA_PSS_SHA256,
            &aws::RSA_PSS_SHA384,
            &aws::RSA_PSS_SHA512,
        ];
        for encoding in encodings {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &random, b"message", &mut signature).unwrap();
            assert!(public.verifies(b"message", &signature), "{encoding:?}");
            assert!(!public.verifies(b"massage", &signature), "{encoding:?}");
        }
    }

    fn sigstore_pair(scheme: Sign) -> sigstore::crypto::signing_key::SigStoreKeyPair {
        scheme.create_signer().unwrap().to_sigstore_keypair().unwrap()
    }

    /// RFC 8032 section 7.3, and signatures of this key over the hash in place of the message.
    #[test]
    fn ed25519ph_is_verified_and_is_no_ed25519_over_the_hash() {
        let secret = "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42";
        let secret: [u8; 32] = hex::decode(secret).unwrap().try_into().unwrap();
        let key = ed25519_dalek::SigningKey::from_bytes(&secret);
        let prefix = hex::decode("302a300506032b6570032100").unwrap();
        let public = [prefix.as_slice(), key.verifying_key().as_bytes()].concat();
        let public = PublicKey::from_der(&public).unwrap();
        let published = "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
                         31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406";
        let published = hex::decode(published).unwrap();
        assert!(public.verifies(b"abc", &published));
        assert!(!public.verifies(b"abd", &published));
        let hash = Sha512::digest(b"abc");
        assert!(!public.verifies(&hash, &published), "the hash is not the message");
        use ed25519_dalek::Signer as _;
        let over_hash = key.sign(&hash).to_bytes();
        assert!(!public.verifies(b"abc", &over_hash), "plain Ed25519 over the hash");
        let hashed = || Sha512::new_with_prefix(b"abc");
        let in_context = key.sign_prehashed(hashed(), Some(b"other")).unwrap().to_bytes();
        assert!(!public.verifies(b"abc", &in_context), "a context of somebody else");
        let ours = key.sign_prehashed(hashed(), None).unwrap().to_bytes();
        assert_eq!(ours.as_slice(), published);
    }

    /// The point of order one verifies everything, where nobody looks.
    #[test]
    fn a_key_of_small_order_verifies_nothing() {
        let mut der = hex::decode("302a300506032b6570032100").unwrap();
        der.extend([&[1_u8][..], &[0; 31]].concat());
        let public = PublicKey::from_der(&der).unwrap();
        let mut signature = [0_u8; 64];
        signature[0] = 1;
        assert!(!public.verifies_prehashed(b"abc", &signature));
    }

    /// Made with `openssl dgst -sha256 -sign` and `openssl dgst -sha384 -sign` over "message\n".
    #[test]
    fn p384_verifies_with_the_hash_of_either_cosign() {
        let key = PublicKey::from_pem(P384_PEM.as_bytes()).unwrap();
        for (hash, signature) in [("SHA-256", P384_SHA256), ("SHA-384", P384_SHA384)] {
            let signature = hex::decode(signature).unwrap();
            assert!(key.verifies(b"message\n", &signature), "{hash}");
            assert!(!key.verifies(b"message", &signature), "{hash}: other message");
        }
    }

    #[test]
    fn refuses_what_is_no_public_key() {
        let kind = |found: &str| KeyError::Kind { found: found.to_owned() };
        let good = TestKey::p256().pem;
        let body = good.lines().nth(1).unwrap();
        let cut = good.replace(body, &body[..body.len() - 4]);
        let cases = [
            (String::new(), KeyError::NotPem),
            ("sigstore".to_owned(), KeyError::NotPem),
            (good.replace("PUBLIC KEY", "EC PRIVATE KEY"), KeyError::Private),
            (good.replace("PUBLIC KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"), KeyError::Private),
            (format!("{good}{}", good.replace("PUBLIC", "PRIVATE")), KeyError::Private),
            (good.replace("PUBLIC KEY", "CERTIFICATE"), KeyError::Certificate),
            (
                good.replace("PUBLIC KEY", "DSA PUBLIC KEY"),
                KeyError::Label { found: "DSA PUBLIC KEY".to_owned() },
            ),
            (good.replace("PUBLIC KEY", "RSA PUBLIC KEY"), KeyError::Encoding),
            (format!("{good}{good}"), KeyError::Several { found: 2 }),
            (cut, KeyError::Encoding),
            (good.replace(body, "!!!!"), KeyError::Encoding),
            (RSA_1024_PEM.to_owned(), kind("RSA of another size or encoding")),
            (RSA_2040_PEM.to_owned(), kind("RSA of another size or encoding")),
            (
                P256_COMPRESSED_PEM.to_owned(),
                kind("ECDSA in another encoding, such as a compressed point"),
            ),
            (SECP256K1_PEM.to_owned(), kind("ECDSA on secp256k1")),
            (ED448_PEM.to_owned(), kind("Ed448")),
            (X25519_PEM.to_owned(), kind("X25519, which cannot sign")),
            (RSA_PSS_PEM.to_owned(), kind("RSASSA-PSS, an RSA key that is limited to PSS")),
        ];
        for (pem, want) in cases {
            assert_eq!(PublicKey::from_pem(pem.as_bytes()).err(), Some(want), "{pem}");
        }
        assert_eq!(PublicKey::from_pem(b"\xff").err(), Some(KeyError::NotPem));
        for ssh in [
            "ssh-ed25519 AAAA me\n",
            "ecdsa-sha2-nistp256 AAAA\n",
            "---- BEGIN SSH2 PUBLIC KEY ----",
        ] {
            assert_eq!(PublicKey::from_pem(ssh.as_bytes()).err(), Some(KeyError::OpenSsh), "{ssh}");
        }
        for pem in [&good, RSA_1024_PEM] {
            let der = DerPublicKey::from_pem(pem).unwrap();
            assert_eq!(PublicKey::from_pem(der.as_bytes()).err(), Some(KeyError::Der));
        }
        assert_eq!(PublicKey::from_pem(b"\xff\xfe-\0").err(), Some(KeyError::Utf16));
    }

    #[test]
    fn a_fingerprint_is_shown_in_one_form() {
        let (hex, base64) = ("ab".repeat(32), STANDARD.encode([0xab; 32]));
        let prefixed =
            [format!("sha256:{hex}"), format!("SHA256:{}", base64.trim_end_matches('='))];
        for hint in [&hex, &hex.to_uppercase(), &base64].into_iter().chain(&prefixed) {
            assert_eq!(hint_shown(hint), "abababababababab", "{hint}");
        }
        for other in ["", "release-key", "abab", &"ab".repeat(33), "projects/x/keys/1"] {
            assert_eq!(hint_shown(other), other);
        }
    }

    #[test]
    fn an_rsa_key_has_one_fingerprint_in_either_form() {
        let spki = PublicKey::from_pem(RSA_2048_PEM.as_bytes()).unwrap();
        let pkcs1 = PublicKey::from_pem(RSA_2048_PKCS1_PEM.as_bytes()).unwrap();
        assert_eq!((spki.fingerprint(), spki.der()), (pkcs1.fingerprint(), pkcs1.der()));
        let cut = RSA_2048_PKCS1_PEM.replacen("MIIB", "MIIA", 1);
        assert!(PublicKey::from_pem(cut.as_bytes()).is_err());
    }

    #[test]
    fn a_file_may_hold_the_key_in_der_and_other_forms_are_named() {
        for pem in [P384_PEM, RSA_2048_PEM] {
            let key = PublicKey::from_pem(pem.as_bytes()).unwrap();
            let read = PublicKey::from_file(key.der()).unwrap();
            assert_eq!(read.fingerprint(), key.fingerprint());
            assert_eq!(PublicKey::from_file(pem.as_bytes()).unwrap().der(), key.der());
            let longer = [key.der(), b"\0"].concat();
            assert!(PublicKey::from_file(&longer).is_err(), "bytes after the key");
            let (found, all) = (key.der().len() - 1, u32::try_from(key.der().len()).unwrap());
            let cut = PublicKey::from_file(&key.der()[..found]).err();
            assert_eq!(cut, Some(KeyError::Truncated { found, expected: all }));
        }
        let (_, pkcs1) = pkcs8::der::pem::decode_vec(RSA_2048_PKCS1_PEM.trim().as_bytes()).unwrap();
        let spki = PublicKey::from_pem(RSA_2048_PEM.as_bytes()).unwrap();
        assert_eq!(PublicKey::from_file(&pkcs1).unwrap().fingerprint(), spki.fingerprint());
        let pair = sigstore_pair(Sign::ECDSA_P256_SHA256_ASN1).private_key_to_der().unwrap();
        let rsa_pss = DerPublicKey::from_pem(RSA_PSS_PEM).unwrap();
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let jwk = br#"{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}"#;
        let cases: [(&[u8], &str); 6] = [
            (&pair, "openssl pkey -inform DER -in FILE -pubout"),
            (rsa_pss.as_bytes(), "RSASSA-PSS"),
            (made.cert.der(), "openssl x509 -inform DER -pubkey"),
            (jwk, "JSON Web Key; node -p"),
            (b"untrusted comment: minisign public key 1\nRWQ\n", "a key of minisign"),
            (b"ssh-ed25519 AAAA me\n", "ssh-keygen -e -m PKCS8"),
        ];
        for (bytes, want) in cases {
            let error = PublicKey::from_file(bytes).expect_err(want).to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }

    #[test]
    fn a_byte_order_mark_means_nothing() {
        let key = TestKey::p256();
        let marked = format!("\u{feff}{}", key.pem.replace('\n', "\r\n"));
        let read = PublicKey::from_pem(marked.as_bytes()).unwrap();
        assert_eq!(read.fingerprint(), key.public.fingerprint());
    }

    #[test]
    fn hints_are_fingerprints_in_hex_or_base64() {
        let key = PublicKey::from_pem(P384_PEM.as_bytes()).unwrap();
        let hex = key.fingerprint();
        let base64 = STANDARD_NO_PAD.encode(hex::decode(&hex).unwrap());
        for hint in [&hex, &hex.to_uppercase(), &format!("sha256:{hex}"), &format!("{base64}=")] {
            assert!(key.is_hinted_by(hint), "{hint}");
        }
        for hint in ["", "=", &hex[1..], "release"] {
            assert!(!key.is_hinted_by(hint), "{hint:?}");
        }
    }

    const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE14TsZE6ENfy9U87ZSgk5CllUZcVcqSYi\n\
dxLvrixR49NFajHtjjHRDgS7j/Qg6T6inCYhGDzZjqY1iyL3yU5aRWvM9n26mnQp\n\
g6erevJ6fUdo7R+f7mxbhEAGCYadIXMJ\n\
-----END PUBLIC KEY-----\n\
    ";
    const P384_SHA256: &str = "306402303129955dbccc479ff225e32d4c2a580958925b510cbaae477f5420e54e7bf53a10dc1e90327dbddb223f3d7c283c5bba023030861d900eb49e2305a52eb056e37667aa7321416ef28a5d74807e16c7cf971dcaa07237e659780aaf56f67077908965";
    const P384_SHA384: &str = "3065023033c5249393c7b204bdf656d09a6a33ab10f7b48960fe1787d46dd3be86b4858ee9a6b21fe7a4c44ba4546d3acb7113a5023100c3fe8137ce0188d8fc1afa28ea484941c642329645cdd4d4387375759900cb09c07da033f630b1be377fc70595b94537";
    const RSA_1024_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDLJb1ewlK1q8SsOvuMTVPd7/9j\n\
P9tirbFRPGFL16vGZj7KLqeO2Aj9146nRZS3VVYqbTVbKXOxIMAgHUvUmCX1i2Y3\n\
mxpY0b9Slj4JnpHenzj+QsQBFAWorBgwyIwHKicfTDYkVf1BYBNjCb4+qdoc73ks\n\
U4LAso2glC8ZkK0TMQIDAQAB\n\
-----END PUBLIC KEY-----\n\
    ";
    const RSA_2040_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBITANBgkqhkiG9w0BAQEFAAOCAQ4AMIIBCQKCAQAA5Y2FhVtcCVrLjpksp8Yn\n\
wqIZrSfRjYwv1GH7zwcpD6XVu7cGOVPv/++rRTjvlrzJTeTd7gnfMUYJh+PVj4ZD\n\
XFPQmPmogVpNAt1l+JpUeMFTUc+DaLiazoiQKY4iaQyeRFZgV+ay1qrpR2JzZNH+\n\
x7k4wOfXYQmm541X2lcPR9DKkuTqDS6R0bMFIB4aiQCNUhCEGm39RQE2k+abSe5x\n\
65+sGmvthAY74hODw6EtFH/yrP54fJq1a21DVdAWKGl56gGBu54zvJ/ffMmmfg2j\n\
0og60zWRYDWpNUUGmI5VDrBQTlAsjc84H9YE14DRzH1TCwZlSDOzBw7T2LgMbafd\n\
AgMBAAE=\n\
-----END PUBLIC KEY-----\n\
    ";
    const P256_COMPRESSED_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACCzbL/QES3hYJvqM/E/mxgjKvaFvC\n\
oaVkvbyGeANtqXc=\n\
-----END PUBLIC KEY-----\n\
    ";
    const SECP256K1_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEr/5yKydfmCJbZ+wU9l7FgoL/SJC5rsg/\n\
vV1icEZdcRCp3KP+8VKHUTgDRvAP/nPR3ZLRmD70j431QQ7wdEUKcg==\n\
-----END PUBLIC KEY-----\n\
    ";
    const ED448_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MEMwBQYDK2VxAzoAbbpd/ksvTonTyFedNBZUI1XGZo+iokuPHsg0EJkAMmSNtjVp\n\
QvZV+aOjIVTn9wZw3dTmgfMqM+aA\n\
-----END PUBLIC KEY-----\n\
    ";
    const X25519_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VuAyEAEXNqXYUI7kXvw606L0Ui/TOZcFg6oIUUDDDlhT1XgUY=\n\
-----END PUBLIC KEY-----\n\
    ";
    const RSA_PSS_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBALYzGp7W1Y28Bu4HUnpc9Y/p\n\
j1rhwM0dI+8U1+KyOWUDs0L+3+8cl2yxYGRY9Uy9jX/8zyf9yQ2NLHqzxLps/cA0\n\
BlOX/N9m10PLafsG3s0nWRzbjThkTyZvFIXbjvPiD46G1rKsDI0FAWGClFxITKWu\n\
3umQt1hjd7+5IaLLDT4WghrOdWrLeYzUWZoqdMw7jRLnlnL7aYxsSzB7htl3ByqN\n\
hcGTJjBxBVRzUQCiEHTYQpnPrx5ScdRW/7BwdG4IL3Qqn2rj2BukqQsS3x4H/N4k\n\
s8vnXOzz30tc3GDzEYgMf33OBbFsGI85qCtRifv8Iz9RrJlQaVJtVf2SauNlD3EC\n\
AwEAAQ==\n\
-----END PUBLIC KEY-----\n\
    ";
    const RSA_2048_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtjs1BLopEtf2SJDk9s9Q\n\
PghOGSSigDukE1xxGB9hxSlbKckDy69MRBDz75cdn0tGBTWpJIa5I63wWXqMXj59\n\
pTv6pKSaiM+d+ZQdA4bGD1/FYUlfgjyi+yzd0JZBtnKhANVcxLpCyQurUgataBwI\n\
izBuXj2ra6E0ghY1HetfG8ZJRjtCm0A4mLq2y4helJhtqRW57kCfP0z8vfGOqvcR\n\
WwsSEwM4Ki18HyKnRnlbtBXFLsMhJZfq5RhDeEtoxbNyQvLGlMIwEnl0/gTl/PDW\n\
lFCEof7rM1YpnFkcfGOnnaMTdkp59WYS0YU8ZPGMng4+8EMI7B1SPFpk1xRnB++z\n\
nwIDAQAB\n\
-----END PUBLIC KEY-----\n\
    ";
    const RSA_2048_PKCS1_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----\n\
MIIBCgKCAQEAtjs1BLopEtf2SJDk9s9QPghOGSSigDukE1xxGB9hxSlbKckDy69M\n\
RBDz75cdn0tGBTWpJIa5I63wWXqMXj59pTv6pKSaiM+d+ZQdA4bGD1/FYUlfgjyi\n\
+yzd0JZBtnKhANVcxLpCyQurUgataBwIizBuXj2ra6E0ghY1HetfG8ZJRjtCm0A4\n\
mLq2y4helJhtqRW57kCfP0z8vfGOqvcRWwsSEwM4Ki18HyKnRnlbtBXFLsMhJZfq\n\
5RhDeEtoxbNyQvLGlMIwEnl0/gTl/PDWlFCEof7rM1YpnFkcfGOnnaMTdkp59WYS\n\
0YU8ZPGMng4+8EMI7B1SPFpk1xRnB++znwIDAQAB\n\
-----END RSA PUBLIC KEY-----\n\
    ";
}
