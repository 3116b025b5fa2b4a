//! Trusted roots: whose certificates, logs and timestamps count.
//!
//! Turns a `trusted_root.json` (sigstore/protobuf-specs, sigstore_trustroot.proto; read by the crate
//! `sigstore-trust-root`) into [`TrustedRoot`]; [`super::pem`] does it with the PEM files of a private authority. Each authority keeps its own
//! chain and its own time, so that none lends its window to another (attack A14). Certificates of authorities have to be
//! ones, the last of a chain is the anchor, and all others are checked at the time of the signature like any
//! intermediate (attack A11). Refuses empty chains, windows that end before they start, two logs of one name. A log with
//! a key of an unknown kind is left out: its entries are entries of an unknown log.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use serde_json::Value;
use sigstore_crypto::{KeyAlgorithm, VerificationKey};
use sigstore_trust_root::TrustedRoot as Wire;
use sigstore_types::{DerCertificate, DerPublicKey, TimeRange, TsaAuthority};

use super::certificate::{Certificate, Role};
use crate::{
    digest::Digest,
    json::{self, JsonError},
    limits::Limits,
};

/// The Sigstore public good instance, as of 2026-08-21. Where both files are from stands beside them.
const PUBLIC_GOOD: &str = include_str!("roots/public-good-2026-08-21.json");
/// GitHub's instance for private repositories, as of 2026-08-19.
const GITHUB: &str = include_str!("roots/github-2026-08-19.json");
/// Of when the embedded root of the public good instance is.
const PUBLIC_GOOD_AS_OF: Timestamp = Timestamp::constant(1_787_270_400, 0);
/// Of when the embedded root of GitHub's instance is.
const GITHUB_AS_OF: Timestamp = Timestamp::constant(1_787_097_600, 0);

/// Bytes of the id of a log.
const LOG_ID_BYTES: usize = 32;

/// Why a text is no trusted root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// Not JSON, too large, or not of this form.
    #[error("it is no trusted_root.json: {0}")]
    Json(#[from] JsonError),
    /// Another media type.
    #[error("its media type is {0:?}; expected application/vnd.dev.sigstore.trustedroot…")]
    MediaType(String),
    /// A chain without certificates.
    #[error("{0} has an empty certificate chain")]
    EmptyChain(&'static str),
    /// A certificate that cannot be an authority's.
    #[error("a certificate of {what} cannot be used: {fault}")]
    Certificate {
        /// Whose.
        what: &'static str,
        /// Why not.
        fault: super::error::CertificateFault,
    },
    /// A time that ends before it starts.
    #[error("the time of {0} ends before it starts")]
    Window(&'static str),
    /// A time without a start.
    #[error("the time of {0} (validFor) has no start")]
    NoStart(&'static str),
    /// An id that is no hash.
    #[error("the id of a log has {0} bytes, expected 32")]
    LogId(usize),
    /// Two logs with one id.
    #[error("two logs have the id {0}")]
    TwoLogs(String),
    /// A PEM file without what is looked for.
    #[error("{0} holds nothing in PEM that can be used")]
    Pem(&'static str),
    /// A chain that begins with an authority.
    #[error(
        "the chain of a timestamp authority begins with the certificate that stamps, and ends with the root"
    )]
    Order,
    /// Nothing that could vouch for anything.
    #[error("it lists no certificate authority, no transparency log and no timestamp authority")]
    Empty,
}

/// Whose word counts.
#[derive(Debug, Clone)]
pub struct TrustedRoot {
    pub(super) authorities: Vec<Authority>,
    pub(super) logs: Vec<Log>,
    pub(super) ct_logs: Vec<Log>,
    pub(super) timestamping: Vec<Timestamping>,
    pub(super) digest: Digest,
    pub(super) origin: Origin,
    pub(super) dated: Option<Dated>,
}

/// Of when a root is that its publisher keeps up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// What the operator calls it, as `public-good`.
    pub name: String,
    /// When it was known to be the current one.
    pub as_of: Timestamp,
}

/// A timestamp authority. Its anchor's time counts as that of all others on the path, which the path check does not ask.
#[derive(Debug, Clone)]
pub(super) struct Timestamping {
    pub(super) authority: TsaAuthority,
    pub(super) anchor: Certificate,
    pub(super) leaf: Certificate,
}

/// What kind of root it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A `trusted_root.json`: authorities of Sigstore's kind.
    Sigstore,
    /// PEM files of an authority of any kind.
    Private,
}

/// A certificate authority.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) anchor: TrustAnchor<'static>,
    pub(super) anchor_certificate: Certificate,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) window: Option<TimeRange>,
}

/// A log of signatures or of certificates.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) id: [u8; LOG_ID_BYTES],
    pub(super) key: DerPublicKey,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) window: Option<TimeRange>,
}

impl TrustedRoot {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn from_json(bytes: &[u8], limits: &Limits) -> Result<Self, RootError> {
        let mut value: Value =
            json::from_slice(crate::untrusted::unmarked(bytes), limits.trusted_root_bytes)
                .map_err(|error| error.raised_by(crate::limits::key("trusted_root_bytes")))?;
        open_windows(&mut value)?;
        let wire: Wire = serde_json::from_value(value).map_err(JsonError::from)?;
        if !wire.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(RootError::MediaType(wire.media_type.chars().take(80).collect()));
        }
        let authorities = wire.certificate_authorities.iter().map(|authority| {
            let chain =
                ders(authority.cert_chain.certificates.iter().map(|entry| &entry.raw_bytes));
            Authority::new(&chain, authority.valid_for, Origin::Sigstore)
        });
        let timestamping = wire.timestamp_authorities.iter().map(|authority| {
            let chain =
                ders(authority.cert_chain.certificates.iter().map(|entry| &entry.raw_bytes));
            timestamp_authority(&chain, authority.valid_for)
        });
        let logs = wire.tlogs.iter().map(|log| {
            Log::new(
                log.log_id.key_id.as_bytes(),
                &log.public_key.raw_bytes,
                log.public_key.valid_for,
            )
        });
        let ct_logs = wire.ctlogs.iter().map(|log| {
            Log::new(
                log.log_id.key_id.as_bytes(),
                &log.public_key.raw_bytes,
                log.public_key.valid_for,
            )
        });
        let root = Self {
            authorities: authorities.collect::<Result<_, _>>()?,
            logs: distinct(logs.collect::<Result<_, _>>()?)?,
            ct_logs: distinct(ct_logs.collect::<Result<_, _>>()?)?,
            timestamping: timestamping.collect::<Result<_, _>>()?,
            digest: Digest::sha256(bytes),
            origin: Origin::Sigstore,
            dated: None,
        };
        if root.authorities.is_empty() && root.logs.is_empty() && root.timestamping.is_empty() {
            return Err(RootError::Empty);
        }
        Ok(root)
    }

    /// The Sigstore public good instance, as embedded.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn public_good(limits: &Limits) -> Result<Self, RootError> {
        let root = Self::from_json(PUBLIC_GOOD.as_bytes(), limits)?;
        Ok(root.dated("public-good", PUBLIC_GOOD_AS_OF))
    }

    /// GitHub's instance for private repositories, as embedded.
    ///
    /// # Errors
    /// Never, as a test shows.
    pub fn github(limits: &Limits) -> Result<Self, RootError> {
        let root = Self::from_json(GITHUB.as_bytes(), limits)?;
        Ok(root.dated("github", GITHUB_AS_OF))
    }

    /// The same root, known to be the current one of its publisher at that time.
    #[must_use]
    pub fn dated(self, name: impl Into<String>, as_of: Timestamp) -> Self {
        Self { dated: Some(Dated { name: name.into(), as_of }), ..self }
    }

    /// Of when it is, where its publisher keeps it up to date.
    pub fn date(&self) -> Option<&Dated> {
        self.dated.as_ref()
    }

    /// The same root with one timestamp authority of its own instead of those that it lists.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn with_timestamp_authority(
        mut self,
        chain: &[Vec<u8>],
        window: Option<TimeRange>,
    ) -> Result<Self, RootError> {
        self.timestamping = vec![timestamp_authority(chain, window)?];
        let mut bytes = self.digest.to_string().into_bytes();
        chain.iter().for_each(|der| bytes.extend_from_slice(der));
        self.digest = Digest::sha256(&bytes);
        Ok(self)
    }

    /// Whether it lists logs of certificates; where it does, signers' certificates have to be in one.
    pub fn has_ct_logs(&self) -> bool {
        !self.ct_logs.is_empty()
    }

    /// Whether it was put together from the files of a private authority.
    pub fn is_private(&self) -> bool {
        self.origin == Origin::Private
    }

    /// Whether it lists transparency logs.
    pub fn has_logs(&self) -> bool {
        !self.logs.is_empty()
    }

    /// Digest of what it was read from.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Everything whose word counts, and from when until when.
    pub fn parts(&self) -> Vec<Part> {
        let of_log = |kind| move |log: &Log| Part::new(kind, hex::encode(log.id), log.window, None);
        let authorities = self.authorities.iter().map(|authority| {
            let anchor = &authority.anchor_certificate;
            Part::new("authority", anchor.subject(), authority.window, Some(anchor.validity()))
        });
        let timestamping = self.timestamping.iter().map(|one| {
            let ((from, until), (start, end)) = (one.leaf.validity(), one.anchor.validity());
            let valid = Some((from.max(start), until.min(end)));
            Part::new("timestamps", one.leaf.subject(), one.authority.valid_for, valid)
        });
        authorities
            .chain(self.logs.iter().map(of_log("log")))
            .chain(self.ct_logs.iter().map(of_log("certificate-log")))
            .chain(timestamping)
            .collect()
    }
}

/// Somebody whose word counts, for some time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Part {
    /// `authority`, `log`, `certificate-log` or `timestamps`.
    pub kind: &'static str,
    /// The subject of its certificate, or the id of the log in hex.
    pub name: String,
    /// From when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl Part {
    fn new(
        kind: &'static str,
        name: String,
        window: Option<TimeRange>,
        valid: Option<(Timestamp, Timestamp)>,
    ) -> Self {
        let starts = [window.map(|window| window.start), valid.map(|(from, _)| from)];
        let ends = [window.and_then(|window| window.end), valid.map(|(_, until)| until)];
        Self {
            kind,
            name,
            from: starts.into_iter().flatten().max(),
            until: ends.into_iter().flatten().min(),
        }
    }
}

fn ders<'a>(chain: impl Iterator<Item = &'a DerCertificate>) -> Vec<Vec<u8>> {
    chain.map(|certificate| certificate.as_bytes().to_vec()).collect()
}

/// A window has a start (sigstore_common.proto, TimeRange: only the end is optional). A log's key may have no window at all
/// (PublicKey.valid_for is optional; sigstore-js has such roots, sigstore-go refuses them), but no empty one. An authority's empty
/// window says nothing (an absent field of protocol buffers, as sigstore-js writes it): its certificates have times of their own. The
/// crate wants a start everywhere.
fn open_windows(root: &mut Value) -> Result<(), RootError> {
    const PARTS: [(&str, &str, &str); 4] = [
        ("tlogs", "/publicKey/validFor", "a log"),
        ("ctlogs", "/publicKey/validFor", "a log of certificates"),
        ("certificateAuthorities", "/validFor", "a certificate authority"),
        ("timestampAuthorities", "/validFor", "a timestamp authority"),
    ];
    for (part, pointer, what) in PARTS {
        let entries = root.get_mut(part).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            let Some(window) = entry.pointer_mut(pointer).and_then(Value::as_object_mut) else {
                continue;
            };
            let of_log = pointer.starts_with("/publicKey");
            let unsaid = |window: &serde_json::Map<String, Value>, key: &str| {
                window.get(key).is_none_or(Value::is_null)
            };
            if unsaid(window, "start") && (of_log || !unsaid(window, "end")) {
                return Err(RootError::NoStart(what));
            }
            window.entry("start").or_insert_with(|| "1970-01-01T00:00:00Z".into());
        }
    }
    Ok(())
}

fn checked_window(
    what: &'static str,
    window: Option<TimeRange>,
) -> Result<Option<TimeRange>, RootError> {
    match window {
        Some(TimeRange { start, end: Some(end) }) if end < start => Err(RootError::Window(what)),
        window => Ok(window),
    }
}

impl Authority {
    /// Takes a chain whose last certificate is the anchor.
    pub(super) fn new(
        chain: &[Vec<u8>],
        window: Option<TimeRange>,
        origin: Origin,
    ) -> Result<Self, RootError> {
        const WHAT: &str = "a certificate authority";
        let (anchor, intermediates) = chain.split_last().ok_or(RootError::EmptyChain(WHAT))?;
        // Private authorities often leave out keyUsage. The path check still asks every intermediate for `cA`, and the
        // operator named the anchor.
        for der in chain.iter().filter(|_| origin == Origin::Sigstore) {
            let role = Certificate::parse(der).and_then(|certificate| certificate.role());
            let fault = match role {
                Ok(Role::Authority { .. }) => continue,
                Ok(_) => super::error::CertificateFault::Authority,
                Err(fault) => fault,
            };
            return Err(RootError::Certificate { what: WHAT, fault });
        }
        let encoding = |fault| RootError::Certificate { what: WHAT, fault };
        let anchor_der = CertificateDer::from(anchor.clone());
        let trusted = webpki::anchor_from_trusted_cert(&anchor_der)
            .map_err(|_| encoding(super::error::CertificateFault::Encoding))?;
        Ok(Self {
            anchor: trusted.to_owned(),
            anchor_certificate: Certificate::parse(anchor).map_err(encoding)?,
            intermediates: intermediates.iter().cloned().map(CertificateDer::from).collect(),
            window: checked_window(WHAT, window)?,
        })
    }

    /// Whether its word counts then.
    pub(super) fn counts_at(&self, time: Timestamp) -> bool {
        self.window.is_none_or(|window| window.contains(time))
            && self.anchor_certificate.valid_at(time).is_ok()
    }
}

/// Takes a chain that begins with the certificate that stamps and ends with the anchor.
pub(super) fn timestamp_authority(
    chain: &[Vec<u8>],
    window: Option<TimeRange>,
) -> Result<Timestamping, RootError> {
    const WHAT: &str = "a timestamp authority";
    let parse = |der: &Vec<u8>| {
        Certificate::parse(der).map_err(|fault| RootError::Certificate { what: WHAT, fault })
    };
    let parsed: Vec<Certificate> = chain.iter().map(parse).collect::<Result<_, _>>()?;
    let (Some(leaf), Some(anchor)) = (parsed.first(), parsed.last()) else {
        return Err(RootError::EmptyChain(WHAT));
    };
    let der = |certificate: &Certificate| DerCertificate::from_bytes(certificate.der());
    let between = parsed.get(1..parsed.len().saturating_sub(1)).unwrap_or_default();
    let between = between.iter().map(der).collect();
    let window = checked_window(WHAT, window)?;
    Ok(Timestamping {
        authority: TsaAuthority::new(der(leaf), between, der(anchor), window),
        anchor: anchor.clone(),
        leaf: leaf.clone(),
    })
}

impl Log {
    /// `None` for a key of a kind that is not known.
    pub(super) fn new(
        id: &[u8],
        key: &DerPublicKey,
        window: Option<TimeRange>,
    ) -> Result<Option<Self>, RootError> {
        let id = id.try_into().map_err(|_| RootError::LogId(id.len()))?;
        let window = checked_window("a log", window)?;
        // Some roots hold RSA keys without the frame that names the algorithm.
        let algorithm = KeyAlgorithm::from_spki(key).or_else(|_| {
            let scheme = KeyAlgorithm::Rsa.default_signing_scheme();
            VerificationKey::from_der(key, scheme).map(|_| KeyAlgorithm::Rsa)
        });
        Ok(algorithm.ok().map(|algorithm| Self { id, key: key.clone(), algorithm, window }))
    }

    /// Whether its key was valid then.
    pub(super) fn counts_at(&self, time: Timestamp) -> bool {
        self.window.is_none_or(|window| window.contains(time))
    }
}

pub(super) fn distinct(logs: Vec<Option<Log>>) -> Result<Vec<Log>, RootError> {
    let logs: Vec<Log> = logs.into_iter().flatten().collect();
    let mut ids = std::collections::BTreeSet::new();
    match logs.iter().find(|log| !ids.insert(log.id)) {
        Some(log) => Err(RootError::TwoLogs(hex::encode(log.id))),
        None => Ok(logs),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_embedded_roots_can_be_read() {
        let limits = Limits::default();
        let public_good = TrustedRoot::public_good(&limits).unwrap();
        assert!(public_good.has_logs() && public_good.has_ct_logs());
        let github = TrustedRoot::github(&limits).unwrap();
        assert!(!github.has_logs() && !github.has_ct_logs());
        assert!(!github.authorities.is_empty() && !github.timestamping.is_empty());
        assert_ne!(public_good.digest(), github.digest());
        for (root, file) in [(public_good, "public-good-2026-08-21"), (github, "github-2026-08-19")]
        {
            let Dated { name, as_of } = root.date().unwrap();
            let date = as_of.to_zoned(jiff::tz::TimeZone::UTC).date();
            assert_eq!(format!("{name}-{date}"), file);
        }
    }

    fn with(pointer: &str, change: impl FnOnce(&mut Value)) -> Result<TrustedRoot, RootError> {
        let mut root: Value = serde_json::from_str(PUBLIC_GOOD).unwrap();
        change(root.pointer_mut(pointer).unwrap());
        TrustedRoot::from_json(root.to_string().as_bytes(), &Limits::default())
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        assert!(matches!(with("/mediaType", |v| *v = "text".into()), Err(RootError::MediaType(_))));
        let chain = "/certificateAuthorities/0/certChain/certificates";
        assert!(matches!(
            with(chain, |v| *v = Value::Array(vec![])),
            Err(RootError::EmptyChain(_))
        ));
        let window = with("/certificateAuthorities/0/validFor", |v| {
            *v = serde_json::json!({ "start": "2024-01-02T00:00:00Z", "end": "2024-01-01T00:00:00Z" });
        });
        assert!(matches!(window, Err(RootError::Window(_))));
        let twice = with("/tlogs", |v| {
            let first = v[0].clone();
            v.as_array_mut().unwrap().push(first);
        });
        assert!(matches!(twice, Err(RootError::TwoLogs(_))));
        let id = with("/tlogs/0/logId/keyId", |v| *v = "AAAA".into());
        assert!(matches!(id, Err(RootError::LogId(3))));
        // A certificate of a log, or of a signer, is none of an authority.
        let leaf = with("/certificateAuthorities/0/certChain/certificates/0/rawBytes", |v| {
            *v = "AAAA".into();
        });
        assert!(matches!(leaf, Err(RootError::Certificate { .. })));
        let empty = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
        let empty = TrustedRoot::from_json(empty.as_bytes(), &Limits::default());
        assert!(matches!(empty, Err(RootError::Empty)));
        let open = with("/certificateAuthorities/0/validFor", |v| *v = serde_json::json!({}));
        assert!(open.is_ok(), "an authority's empty window says nothing");
        let end = serde_json::json!({ "end": "2034-01-01T00:00:00Z" });
        for pointer in [
            "/tlogs/0/publicKey/validFor",
            "/ctlogs/0/publicKey/validFor",
            "/certificateAuthorities/0/validFor",
            "/timestampAuthorities/0/validFor",
        ] {
            let open = with(pointer, |v| *v = end.clone());
            assert!(matches!(open, Err(RootError::NoStart(_))), "{pointer}");
            let null = with(pointer, |v| v["start"] = Value::Null);
            assert!(null.is_err(), "{pointer}");
        }
        for log in ["/tlogs/0/publicKey", "/ctlogs/0/publicKey"] {
            let empty = with(&format!("{log}/validFor"), |v| *v = serde_json::json!({}));
            assert!(matches!(empty, Err(RootError::NoStart(_))), "{log}");
            let none = with(log, |v| drop(v.as_object_mut().unwrap().remove("validFor")));
            assert!(none.is_ok(), "{log}: it is optional");
        }
        for authority in ["/certificateAuthorities/0", "/timestampAuthorities/0"] {
            let none = with(authority, |v| drop(v.as_object_mut().unwrap().remove("validFor")));
            assert!(none.is_ok(), "{authority}: its certificates have times of their own");
        }
    }

    /// Logs of certificates vouch for no signature by themselves.
    #[test]
    fn one_list_of_those_whose_word_counts_is_enough() {
        let lists = ["certificateAuthorities", "tlogs", "timestampAuthorities", "ctlogs"];
        for (kept, fine) in lists.into_iter().zip([true, true, true, false]) {
            let root = with("", |root| {
                let others = lists.iter().filter(|list| **list != kept);
                others.for_each(|list| root[*list] = Value::Array(Vec::new()));
            });
            assert_eq!(root.is_ok(), fine, "{kept}");
        }
    }

    #[test]
    fn a_part_counts_from_the_later_start_to_the_earlier_end() {
        let day = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let window =
            |start, end: Option<i64>| Some(TimeRange { start: day(start), end: end.map(day) });
        let cases = [
            (None, None, None, None),
            (window(1, Some(4)), None, Some(1), Some(4)),
            (window(1, None), None, Some(1), None),
            (None, Some((2, 3)), Some(2), Some(3)),
            (window(1, Some(4)), Some((2, 3)), Some(2), Some(3)),
            (window(2, Some(3)), Some((1, 4)), Some(2), Some(3)),
            (window(2, None), Some((1, 4)), Some(2), Some(4)),
        ];
        for (window, valid, from, until) in cases {
            let times = valid.map(|(from, until)| (day(from), day(until)));
            let part = Part::new("log", String::new(), window, times);
            let want = (from.map(day), until.map(day));
            assert_eq!((part.from, part.until), want, "{window:?} {valid:?}");
        }
    }

    #[test]
    fn the_size_limit_holds_at_n_and_n_plus_one() {
        let limit = |bytes| Limits { trusted_root_bytes: bytes, ..Limits::default() };
        assert!(TrustedRoot::public_good(&limit(PUBLIC_GOOD.len())).is_ok());
        let beyond = TrustedRoot::public_good(&limit(PUBLIC_GOOD.len() - 1));
        assert!(matches!(beyond, Err(RootError::Json(JsonError::TooLarge { .. }))));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..4000, byte in any::<u8>()) {
            let _ = TrustedRoot::from_json(&bytes, &Limits::default());
            let _ = TrustedRoot::from_pem(&super::super::PrivateRoot { roots: &bytes, ..Default::default() });
            let _ = Certificate::parse(&bytes);
            let mut flipped = PUBLIC_GOOD.as_bytes().to_vec();
            if let Some(place) = flipped.get_mut(at) {
                *place = byte;
            }
            let _ = TrustedRoot::from_json(&flipped, &Limits::default());
        }
    }
}
