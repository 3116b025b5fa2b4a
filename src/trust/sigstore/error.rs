//! Why a signature with a certificate, or an entry of a log, proves nothing.

use jiff::Timestamp;

use crate::finding::Code;

/// A step of `trust::sigstore` that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// The evidence is not complete for its format, or contradicts itself.
    #[error("{0}")]
    Form(#[from] FormFault),
    /// Somebody else's certificate.
    #[error("{0}")]
    Identity(#[from] IdentityFault),
    /// The certificate is not one that may sign.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateFault),
    /// No certificate authority of the trusted root vouches for the certificate.
    #[error(
        "no certificate authority of the trusted root vouches for the certificate at {time}: {why}"
    )]
    Root {
        /// When the signature existed.
        time: Timestamp,
        /// What the path check says.
        why: &'static str,
    },
    /// The transparency log does not prove the signature.
    #[error("log entry {position}: {fault}")]
    Log {
        /// Which entry beside the signature, counted from 0.
        position: usize,
        /// What is wrong.
        fault: LogFault,
    },
    /// Fewer distinct logs than asked for.
    #[error("{found} distinct transparency logs have the signature, {expected} are asked for")]
    Logs {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// When the signature was made is not proven.
    #[error("{0}")]
    Time(#[from] TimeFault),
    /// The certificate's or the given key did not make the signature.
    #[error("the signature does not fit the key and what is signed")]
    Signature,
}

/// Evidence that its format does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// A keyless signature without certificate.
    #[error("there is no certificate, and none of the operator's keys is meant")]
    NoCertificate,
    /// A certificate where a key of the operator is meant to have signed.
    #[error("there is a certificate beside the signature of a key")]
    UnexpectedCertificate,
    /// Bundle 0.3 carries one certificate.
    #[error("a bundle of version 0.3 carries one certificate, not a chain")]
    Chain,
    /// The bundle states another digest of what is signed.
    #[error("the message digest in the bundle is not that of the artifact")]
    MessageDigest,
    /// Bytes were signed with a key that needs them, and only their digest is known.
    #[error("this key signs the bytes themselves, and only their digest is known")]
    NeedsBytes,
}

/// A certificate of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// Another issuer of identities.
    #[error("the identity's issuer is {found:?}, expected {expected}")]
    Issuer {
        /// Who may issue.
        expected: String,
        /// Who did.
        found: String,
    },
    /// Another identity.
    #[error("the certificate is for {found:?}, expected {expected}")]
    Subject {
        /// Who may sign.
        expected: String,
        /// Who did.
        found: String,
    },
}

/// A certificate that may not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not X.509 in DER.
    #[error("it is not an X.509 certificate in DER")]
    Encoding,
    /// Not version 3.
    #[error("it is not of X.509 version 3")]
    Version,
    /// `basicConstraints` is not critical (RFC 5280 section 4.2.1.9).
    #[error("its basicConstraints are not critical")]
    BasicConstraints,
    /// `keyUsage` is missing or does not allow what the certificate is for (RFC 5280 section 4.2.1.3).
    #[error("its keyUsage is missing or does not allow what it is used for")]
    KeyUsage,
    /// It is not one for signing code.
    #[error("it is not a leaf certificate for code signing")]
    Leaf,
    /// An authority's certificate is none.
    #[error("a certificate of an authority is not one of an authority")]
    Authority,
    /// An extension cannot be read.
    #[error("one of its extensions cannot be read")]
    Extension,
    /// Several names where one could be meant.
    #[error("it is for several names, and only one can be the signer's")]
    Names,
    /// A name or claim in it does not read as what it is.
    #[error("a name or claim in it has characters that mislead whoever reads it")]
    Misleads,
    /// A name in it has not the syntax of its kind.
    #[error(
        "a name or issuer in it is malformed: an e-mail address or URI has no blanks, quotes or other characters that RFC 5321 or \
         RFC 3986 does not give it"
    )]
    Syntax,
    /// A name in it reads as one of another kind.
    #[error(
        "a name in it reads as one of another kind: an e-mail address, a URI, a user name or a host name has the form of one"
    )]
    OtherKind,
    /// Not valid at the time.
    #[error("it was not valid at {time}: from {not_before} to {not_after}")]
    Validity {
        /// When the signature existed.
        time: Timestamp,
        /// Start.
        not_before: Timestamp,
        /// End.
        not_after: Timestamp,
    },
    /// Its public key is of a kind that is not accepted.
    #[error("its public key is of a kind, size or encoding that is not accepted")]
    Key,
    /// The trusted root lists no certificate transparency logs, and nobody allowed that.
    #[error(
        "the trusted root lists no certificate transparency log; `noCtLog: allow` says that this is right"
    )]
    NoCtLog,
    /// No timestamp of a known certificate transparency log.
    #[error("it has no signed certificate timestamp of a log in the trusted root")]
    NoSct,
    /// A timestamp of a known log that does not verify.
    #[error("a signed certificate timestamp does not verify")]
    Sct,
}

/// A log entry that proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// A log that the trusted root does not list.
    #[error("its log is not in the trusted root")]
    UnknownLog,
    /// The log's key was not valid then.
    #[error("the key of its log was not valid at {0}")]
    KeyValidity(Timestamp),
    /// Neither promise nor proof, or not the one that the format asks for.
    #[error("its signed entry timestamp is missing")]
    NoPromise,
    /// No inclusion proof.
    #[error("its inclusion proof is missing")]
    NoProof,
    /// The signed entry timestamp is not the log's.
    #[error("its signed entry timestamp is not the log's")]
    Promise,
    /// The checkpoint cannot be read.
    #[error("its checkpoint is not a signed note with origin, size and root")]
    CheckpointForm,
    /// The checkpoint is not the log's.
    #[error("its checkpoint is not signed by the log")]
    CheckpointSignature,
    /// The proof speaks about another tree than the checkpoint.
    #[error("its inclusion proof and its checkpoint are of different trees")]
    OtherTree,
    /// The hashes do not lead to the root.
    #[error("its inclusion proof does not lead from the entry to the root")]
    Inclusion,
    /// The body is not of its kind.
    #[error("its body is not of the kind that it states")]
    Body,
    /// A kind that is not read, or does not fit what is signed.
    #[error("its kind is not one that records this form of signature")]
    Kind,
    /// The same entry again.
    #[error("it is an entry that is there already")]
    Twice,
    /// It records other content.
    #[error("it records other content than what is signed")]
    OtherContent,
    /// It records another signature.
    #[error("it records another signature")]
    OtherSignature,
    /// It records another certificate or key.
    #[error("it records another certificate or key")]
    OtherKey,
}

/// No proven time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    /// Fewer sources than asked for.
    #[error("{found} distinct sources prove when the signature was made, {expected} are asked for")]
    Sources {
        /// How many there are.
        found: usize,
        /// How many there have to be.
        expected: usize,
    },
    /// A timestamp that no authority of the root made over this signature.
    #[error(
        "timestamp {position} is not one of a timestamp authority in the trusted root over this signature"
    )]
    Timestamp {
        /// Which one, counted from 0.
        position: usize,
    },
    /// A timestamp that the authority made outside its time.
    #[error("timestamp {position} is outside the time of its authority")]
    Authority {
        /// Which one, counted from 0.
        position: usize,
    },
    /// The same timestamp again.
    #[error("timestamp {position} is given twice")]
    Twice {
        /// Which one, counted from 0.
        position: usize,
    },
    /// Later than now.
    #[error("{0} lies in the future")]
    Future(Timestamp),
    /// Outside the time of the operator's key.
    #[error("the key was not valid at {0}, when the signature was made")]
    Key(Timestamp),
    /// The present is asked for, and nobody said when it is.
    #[error("the certificate has to be valid now, and what time it is was not said")]
    NoNow,
    /// Not a time.
    #[error("a time is out of range")]
    Range,
}

impl SigstoreError {
    /// The finding that it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Form(_) => Code::SignatureMalformed,
            Self::Identity(_) => Code::SignatureIdentityMismatch,
            Self::Certificate(CertificateFault::Validity { .. }) | Self::Time(_) => {
                Code::SignatureTimeInvalid
            }
            Self::Certificate(_) => Code::SignatureCertificateInvalid,
            Self::Root { .. } => Code::SignatureRootUntrusted,
            Self::Log { .. } | Self::Logs { .. } => Code::SignatureLogInvalid,
            Self::Signature => Code::SignatureInvalid,
        }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Not anchored.
    #[error("it has to begin with ^ and end with $")]
    Anchors,
    /// Not a regular expression, or one that is too large.
    #[error("it is not a regular expression of reasonable size")]
    Syntax,
    /// It matches strangers.
    #[error("it matches strangers, as {0:?}")]
    Strangers(&'static str),
    /// Its host may be a stranger's.
    #[error(
        "what stands before the first slash behind its host is no fixed text, so that the host may be a stranger's; write \
         scheme and host out, with each dot as \\."
    )]
    Host,
    /// Its organisation may be a stranger's.
    #[error(
        "its wildcard may go on with the name of the organisation behind the host, which somebody else may have; write that \
         name out, with the slash behind it"
    )]
    Organisation,
    /// Its domain may be a stranger's.
    #[error(
        "what follows its last wildcard is neither the path of a URI with a fixed host nor an @ with a whole domain, as in \
         ^.*@example\\.com$"
    )]
    Domain,
    /// Some of what it matches are URIs and some are addresses.
    #[error("some of what it matches are URIs and some are addresses; write a signer for each")]
    Kinds,
    /// It has too many alternatives to be judged.
    #[error("it has too many alternatives; write a signer for each")]
    Ways,
}
