//! Every piece of evidence by itself: what it says, who claims to have made it, and what of that is proven.
//!
//! Turns [`Raw`] evidence into [`Examined`], for people who want to see what an image carries (`hallmark inspect`). The
//! proofs come from the same step 3 as those of [`super::verify`]; nothing here makes a [`Verified`](super::Verified), and
//! no decision is taken from it. A certificate that no configured signer fits is also held against the roots that
//! hallmark knows, with an identity of anybody: that says whose signature it is, and never that they may sign.

use jiff::Timestamp;

use super::{
    PredicateClass, Signer, TrustRules,
    checks::{Makers, Signers},
    sigstore::{
        self, Certificate, Demands, KeylessIdentity, Naming, NoCtLog, SigstoreError, TextMatch,
        TrustedRoot, Vouched,
    },
    verify::{Names, document},
};
use crate::{
    attest::{
        self, Carrier, Envelope, LogEntry, Raw, Signature, Signed, Statement, VerificationMaterial,
        in_toto::{Body, Document},
        provenance,
    },
    digest::{Digest, ManifestDigest},
    image::{Image, MediaType},
    limits::Limits,
};

/// One piece of evidence.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Where it was found.
    pub carrier: Carrier,
    /// What the carrier says that it is.
    pub media_type: MediaType,
    /// Digest of its bytes.
    pub digest: Digest,
    /// What it turned out to be.
    pub look: Look,
}

/// What a piece of evidence turned out to be.
#[derive(Debug, Clone)]
pub enum Look {
    /// It cannot be read.
    Malformed(String),
    /// Of a kind that this version does not verify.
    Unsupported(String),
    /// A document that is no statement, as an SBOM that was attached as it is.
    Document,
    /// A classic layout or link of in-toto, which `trust::layout` judges together with others.
    InToto {
        /// The step that a link is about; `None` for a layout.
        step: Option<String>,
        /// What its signatures say about their keys.
        key_hints: Vec<String>,
    },
    /// A label or annotation of the image.
    Hint,
    /// A statement that nobody signed by itself.
    Bare(Said),
    /// A signed statement.
    Signed {
        /// Which format.
        format: &'static str,
        /// What it says.
        said: Said,
        /// Its signatures, at least one.
        signatures: Vec<Seen>,
    },
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The kind of claim.
    pub predicate_type: String,
    /// Which of the image's digests it names; empty when it speaks about something else.
    pub subjects: Vec<ManifestDigest>,
    /// How many subjects it names besides these.
    pub others: usize,
    /// What it says of a build, where it is provenance.
    pub build: Option<Build>,
}

/// What provenance says of a build, as far as presets ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// All but these.
    Lacks(Vec<&'static str>),
    /// In a form that cannot be read.
    Unreadable,
}

/// One signature.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What its maker says about the key.
    pub key_hint: Option<String>,
    /// The signer's certificate, as it was found.
    pub certificate: Option<Presented>,
    /// Entries of transparency logs, as they were found.
    pub entries: Vec<Entry>,
    /// How many timestamps lie beside it.
    pub timestamps: usize,
    /// Who made it.
    pub maker: Maker,
}

/// What a certificate says: claims, until a root vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The names that it is for.
    pub names: Vec<String>,
    /// Who issued the identity.
    pub issuer: Option<String>,
    /// When it is valid, both ends included.
    pub valid: (Timestamp, Timestamp),
}

/// What a log entry says: claims, until a root vouches for its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log, by its id in hex.
    pub log: String,
    /// Position over all shards.
    pub index: u64,
    /// Kind and version.
    pub kind: String,
    /// When the log says that it took it.
    pub integrated: Option<Timestamp>,
    /// Whether there is a signed entry timestamp.
    pub promise: bool,
    /// Whether there is an inclusion proof.
    pub proof: bool,
}

/// Who made a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Maker {
    /// Signers whom the operator configured.
    Configured(Vec<Signer>),
    /// Nobody who is configured, though a known root vouches for this identity.
    Stranger {
        /// Name of the root.
        root: String,
        /// Who, when, and where it is logged.
        vouched: Box<Vouched>,
    },
    /// Nobody who can be named.
    Unknown {
        /// Why, where there is something to say.
        why: Option<SigstoreError>,
    },
}

/// Looks at every piece of evidence; `known` are roots, by name, that identities are looked up in.
pub fn examine(
    raws: &[Raw],
    image: &Image,
    rules: &TrustRules,
    known: &[(String, &TrustedRoot)],
    limits: &Limits,
) -> Vec<Examined> {
    let signers = Signers::of(rules, &image.reference.location);
    let desk = Desk { image, names: Names::of(image), rules, signers, limits, known };
    raws.iter()
        .flat_map(|raw| {
            let looks = desk.looks(raw, limits);
            looks.into_iter().map(|look| Examined {
                carrier: raw.carrier.clone(),
                media_type: raw.media_type.clone(),
                digest: Digest::sha256(&raw.bytes),
                look,
            })
        })
        .collect()
}

fn build(statement: &Statement) -> Build {
    match provenance::parse(statement) {
        Ok(provenance) => Build::Lacks(provenance.lacks()),
        Err(_) => Build::Unreadable,
    }
}

struct Desk<'a> {
    image: &'a Image,
    names: Names,
    rules: &'a TrustRules,
    signers: Signers<'a>,
    limits: &'a Limits,
    known: &'a [(String, &'a TrustedRoot)],
}

impl Desk<'_> {
    fn looks(&self, raw: &Raw, limits: &Limits) -> Vec<Look> {
        if matches!(raw.carrier, Carrier::Label { .. }) {
            return vec![Look::Hint];
        }
        match attest::open(raw, limits) {
            Ok(envelopes) => {
                envelopes.into_iter().map(|envelope| self.look(raw, envelope)).collect()
            }
            Err(error) => vec![Look::Malformed(error.to_string())],
        }
    }

    fn look(&self, raw: &Raw, envelope: Envelope) -> Look {
        match envelope {
            Envelope::Signed(signed) => self.signed(&signed),
            Envelope::Message(message) => match document(self.image, &raw.attached_to) {
                Some(document) => self.signed(&message.over(document)),
                None => Look::Malformed("it is attached to no document of this image".to_owned()),
            },
            Envelope::Bare(statement) => Look::Bare(self.said(&statement)),
            Envelope::InToto(document) => in_toto(&document),
            Envelope::Document => Look::Document,
            Envelope::Unsupported(kind) => Look::Unsupported(kind),
        }
    }

    fn signed(&self, signed: &Signed) -> Look {
        Look::Signed {
            format: signed.format,
            said: self.said(&signed.statement),
            signatures: signed.signatures.iter().map(|s| self.seen(signed, s)).collect(),
        }
    }

    fn said(&self, statement: &Statement) -> Said {
        let subjects = self.names.in_statement(statement);
        let is_ours = |digest: &Digest| subjects.iter().any(|ours| ours.digest() == digest);
        let ours = statement.subjects.iter().filter(|s| s.digests.iter().any(is_ours)).count();
        Said {
            predicate_type: statement.predicate_type.clone(),
            subjects,
            others: statement.subjects.len().saturating_sub(ours),
            build: PredicateClass::Provenance
                .includes(&statement.predicate_type)
                .then(|| build(statement)),
        }
    }

    fn seen(&self, signed: &Signed, signature: &Signature) -> Seen {
        let material = signed.material.as_ref();
        let leaf = material.and_then(|material| material.certificates.first());
        Seen {
            key_hint: signature.key_hint.clone(),
            certificate: leaf.and_then(|der| presented(der)),
            entries: material.map(entries).unwrap_or_default(),
            timestamps: material.map_or(0, |material| material.timestamps.len()),
            maker: self.maker(signed, signature),
        }
    }

    fn maker(&self, signed: &Signed, signature: &Signature) -> Maker {
        let Makers { signers, contradicted, fault, .. } =
            self.signers.makers(signed, signature, self.rules, self.limits);
        if !signers.is_empty() {
            return Maker::Configured(signers);
        }
        self.stranger(signed, signature).unwrap_or_else(|error| {
            // That a certificate is not one of the configured signers' says less than what is wrong with it.
            Maker::Unknown { why: contradicted.or(error).or(fault) }
        })
    }

    /// An identity that some known root vouches for, else what the first of them says.
    fn stranger(
        &self,
        signed: &Signed,
        signature: &Signature,
    ) -> Result<Maker, Option<SigstoreError>> {
        let claim = sigstore::Claim::of(signed, signature);
        let claim = claim.filter(|claim| !claim.material.certificates.is_empty()).ok_or(None)?;
        let anybody = KeylessIdentity { issuer: None, subject: TextMatch::UnsafeAny };
        let mut first = None;
        for (name, root) in self.known {
            let demands = Demands {
                logs: usize::from(root.has_logs()),
                no_ct_log: NoCtLog::Allow,
                ..Demands::default()
            };
            match sigstore::verify(&claim, &anybody, root, &demands) {
                Ok(vouched) => {
                    let (root, vouched) = (name.clone(), Box::new(vouched));
                    return Ok(Maker::Stranger { root, vouched });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first)
    }
}

fn in_toto(document: &Document) -> Look {
    let hints = document.signatures.iter().filter_map(|signature| signature.key_hint.clone());
    let step = match &document.body {
        Body::Link(link) => Some(link.name.clone()),
        Body::Layout(_) => None,
    };
    Look::InToto { step, key_hints: hints.collect() }
}

fn presented(der: &[u8]) -> Option<Presented> {
    let certificate = Certificate::parse(der).ok()?;
    let names = certificate.names(Naming::OneOfEachKind).unwrap_or_default();
    Some(Presented {
        names: names.iter().map(|name| name.as_str().to_owned()).collect(),
        issuer: certificate.issuer().ok().flatten(),
        valid: certificate.validity(),
    })
}

fn entries(material: &VerificationMaterial) -> Vec<Entry> {
    let entry = |entry: &LogEntry| Entry {
        log: hex::encode(&entry.log_id),
        index: entry.index,
        kind: format!("{} {}", entry.kind, entry.version),
        integrated: entry.integrated_time.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        promise: entry.promise.is_some(),
        proof: entry.proof.is_some(),
    };
    material.entries.iter().map(entry).collect()
}
