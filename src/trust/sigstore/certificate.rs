//! Signing certificates: who they are for, what Fulcio says about them, and what they may be used for.
//!
//! Turns DER into [`Certificate`] (RFC 5280) and reads the extensions under 1.3.6.1.4.1.57264.1 (sigstore/fulcio,
//! docs/oid-info.md). Nothing here is believed until `verify` has found a path to an authority.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    mem::discriminant,
};

use jiff::Timestamp;
use x509_cert::{
    der::{
        Decode as _, Encode as _,
        asn1::{Any, Utf8StringRef},
        oid::ObjectIdentifier,
    },
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, name::GeneralName},
};

use super::error::CertificateFault;
use crate::{
    trust::PublicKey,
    untrusted::{misleads, word},
};

/// Extended key usage of certificates that sign code.
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// Where Fulcio's extensions live.
const FULCIO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
/// Number of the legacy issuer extension, a bare string.
const ISSUER_V1: u32 = 1;
/// Number of the issuer extension.
const ISSUER_V2: u32 = 8;
/// Number of the user name that Fulcio puts into `otherName`.
const USER_NAME: u32 = 7;

/// Names of Fulcio's extensions by their number, as docs/oid-info.md calls them.
const CLAIMS: [(u32, &str); 23] = [
    (1, "issuer-v1"),
    (2, "githubWorkflowTrigger"),
    (3, "githubWorkflowSha"),
    (4, "githubWorkflowName"),
    (5, "githubWorkflowRepository"),
    (6, "githubWorkflowRef"),
    (8, "issuer"),
    (9, "buildSignerUri"),
    (10, "buildSignerDigest"),
    (11, "runnerEnvironment"),
    (12, "sourceRepositoryUri"),
    (13, "sourceRepositoryDigest"),
    (14, "sourceRepositoryRef"),
    (15, "sourceRepositoryIdentifier"),
    (16, "sourceRepositoryOwnerUri"),
    (17, "sourceRepositoryOwnerIdentifier"),
    (18, "buildConfigUri"),
    (19, "buildConfigDigest"),
    (20, "buildTrigger"),
    (21, "runInvocationUri"),
    (22, "sourceRepositoryVisibilityAtSigning"),
    (23, "deploymentEnvironment"),
    (24, "tokenSubject"),
];

/// A name that a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectName {
    /// An e-mail address.
    Email(String),
    /// A URI: the workflow of a CI job, a SPIFFE identity.
    Uri(String),
    /// A user name that Fulcio keeps in `otherName`.
    UserName(String),
    /// A host name.
    Host(String),
}

impl SubjectName {
    /// The name, whatever its kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(name) | Self::Uri(name) | Self::UserName(name) | Self::Host(name) => name,
        }
    }
}

impl SubjectName {
    /// Whether its text is one that only names of its kind have. Issuers let users choose parts of names: a URI that reads as an
    /// e-mail address would be taken for one, by whoever wrote the address into a rule, and by whoever reads a report.
    fn reads_as_its_kind(&self) -> bool {
        match (self, Reading::of(self.as_str())) {
            (Self::Email(_), Reading::Email) | (Self::Uri(_), Reading::Uri) => true,
            (Self::UserName(_), Reading::UserName) => true,
            // Hosts have labels; a user name without its domain has none.
            (Self::UserName(name), Reading::Word) => !name.contains('.'),
            (Self::Host(_), Reading::Word) => true,
            _ => false,
        }
    }
}

impl SubjectName {
    /// Whether it has the syntax of its kind: a dot-string at a domain (RFC 5321 section 4.1.2, without quoted strings), the
    /// characters of a URI (RFC 3986 section 2), labels of a host. Issuers and authorities let people choose parts of names.
    fn is_well_formed(&self) -> bool {
        let labels = |text: &str| {
            let label = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
            !text.is_empty() && text.chars().all(label)
        };
        match self {
            Self::Email(name) => name.rsplit_once('@').is_some_and(|(local, domain)| {
                let atoms = local.chars().all(|c| c.is_ascii_alphanumeric() || ATOM.contains(c));
                !local.is_empty() && atoms && labels(domain)
            }),
            Self::Uri(name) | Self::UserName(name) => is_of_uri(name),
            Self::Host(name) => labels(name),
        }
    }
}

/// Characters beside letters and digits in the local part of an address (RFC 5321, `Dot-string`).
const ATOM: &str = "!#$%&'*+-/=?^_`{|}~.";
/// Characters beside letters and digits in a URI (RFC 3986, `reserved` and `unreserved`), and the percent sign.
const OF_URI: &str = "-._~:/?#[]@!$&'()*+,;=%";

/// Whether a text has the characters of a URI alone, and escapes that are whole.
fn is_of_uri(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || OF_URI.contains(c);
    let escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    !text.is_empty() && text.chars().all(known) && text.split('%').skip(1).all(escape)
}

impl fmt::Display for SubjectName {
    /// In words, for people: see [`word`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        word(self.as_str()).fmt(f)
    }
}

/// How many names a certificate may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// One, as Fulcio writes it.
    One,
    /// One of each kind, as an authority writes it that names a person by address and host.
    OneOfEachKind,
}

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Signing code.
    Leaf,
    /// Signing certificates; `root` where it names itself as its issuer.
    Authority {
        /// Whether it is its own issuer.
        root: bool,
    },
    /// Signing anything: the certificate says nothing about what for.
    Unrestricted,
    /// Something else.
    Other,
}

/// A parsed certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// [`CertificateFault::Encoding`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateFault> {
        let parsed =
            x509_cert::Certificate::from_der(der).map_err(|_| CertificateFault::Encoding)?;
        let validity = parsed.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            Timestamp::try_from(time.to_system_time()).map_err(|_| CertificateFault::Encoding)
        };
        let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
        Ok(Self { der: der.to_vec(), parsed, not_before, not_after })
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The parsed form, for the check of signed certificate timestamps.
    pub(super) fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    /// Its SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`CertificateFault::Key`] where it cannot be written again.
    pub fn public_key(&self) -> Result<Vec<u8>, CertificateFault> {
        let key = &self.parsed.tbs_certificate.subject_public_key_info;
        key.to_der().map_err(|_| CertificateFault::Key)
    }

    /// When it is valid: from, until, both included.
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        (self.not_before, self.not_after)
    }

    /// Whether it is valid then; both ends count (RFC 5280 section 4.1.2.5).
    ///
    /// # Errors
    /// [`CertificateFault::Validity`].
    pub fn valid_at(&self, time: Timestamp) -> Result<(), CertificateFault> {
        let (not_before, not_after) = (self.not_before, self.not_after);
        if time < not_before || time > not_after {
            return Err(CertificateFault::Validity { time, not_before, not_after });
        }
        Ok(())
    }

    /// The name of its subject (RFC 4514).
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate.subject.to_string()
    }

    /// What it may be used for.
    ///
    /// # Errors
    /// Where it claims a use and lacks what RFC 5280 asks of it.
    pub fn role(&self) -> Result<Role, CertificateFault> {
        let tbs = &self.parsed.tbs_certificate;
        if tbs.version != x509_cert::Version::V3 {
            return Err(CertificateFault::Version);
        }
        let constraints = tbs.get::<BasicConstraints>().map_err(|_| CertificateFault::Extension)?;
        let usage = tbs.get::<KeyUsage>().map_err(|_| CertificateFault::Extension)?;
        let usage = usage.map(|(_, usage)| usage);
        if let Some((critical, BasicConstraints { ca: true, .. })) = constraints {
            if !critical {
                return Err(CertificateFault::BasicConstraints);
            }
            if !usage.is_some_and(|usage| usage.key_cert_sign()) {
                return Err(CertificateFault::KeyUsage);
            }
            return Ok(Role::Authority { root: self.is_self_signed() });
        }
        if !usage.is_some_and(|usage| usage.digital_signature()) {
            return Err(CertificateFault::KeyUsage);
        }
        let extended = tbs.get::<ExtendedKeyUsage>().map_err(|_| CertificateFault::Extension)?;
        Ok(match extended {
            Some((_, usage)) if usage.0.contains(&CODE_SIGNING) => Role::Leaf,
            Some(_) => Role::Other,
            None => Role::Unrestricted,
        })
    }

    /// Whether it is its own issuer by name and by signature.
    fn is_self_signed(&self) -> bool {
        let tbs = &self.parsed.tbs_certificate;
        let (Ok(message), Ok(key)) = (tbs.to_der(), self.public_key()) else { return false };
        let signature = self.parsed.signature.as_bytes().unwrap_or_default();
        let key = PublicKey::from_der(&key);
        tbs.issuer == tbs.subject && key.is_ok_and(|key| key.verifies(&message, signature))
    }

    /// The names that it is for, of the kinds that are read.
    ///
    /// # Errors
    /// [`CertificateFault::Extension`], and [`CertificateFault::Names`] where there are more, of whatever kind, than
    /// `naming` allows: each reader would take another for the signer.
    pub fn names(&self, naming: Naming) -> Result<Vec<SubjectName>, CertificateFault> {
        let found = self.parsed.tbs_certificate.get::<SubjectAltName>();
        let found = found.map_err(|_| CertificateFault::Extension)?;
        let Some((_, SubjectAltName(names))) = found else { return Ok(Vec::new()) };
        let mut kinds = HashSet::new();
        let unambiguous = match naming {
            Naming::One => names.len() <= 1,
            Naming::OneOfEachKind => names.iter().all(|name| kinds.insert(discriminant(name))),
        };
        if !unambiguous {
            return Err(CertificateFault::Names);
        }
        names.iter().filter_map(|name| subject_name(name).transpose()).collect()
    }

    /// Fulcio's extension with this number, as text.
    fn claim(&self, number: u32) -> Result<Option<String>, CertificateFault> {
        let extensions = self.parsed.tbs_certificate.extensions.iter().flatten();
        let mut found = extensions.filter(|e| fulcio_number(&e.extn_id) == Some(number));
        let Some(extension) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(CertificateFault::Extension);
        }
        claim_text(number, extension.extn_value.as_bytes()).map(Some)
    }

    /// Who issued the identity, by Fulcio's word: the current extension, else the legacy one.
    ///
    /// # Errors
    /// [`CertificateFault::Extension`] where the current one cannot be read, whatever the legacy one says.
    pub fn issuer(&self) -> Result<Option<String>, CertificateFault> {
        let issuer = match self.claim(ISSUER_V2)? {
            Some(issuer) => Some(issuer),
            None => self.claim(ISSUER_V1)?,
        };
        match issuer {
            Some(issuer) if !is_of_uri(&issuer) => Err(CertificateFault::Syntax),
            other => Ok(other),
        }
    }

    /// Everything that Fulcio says about the signer, by name; extensions that are not known yet by their OID.
    ///
    /// # Errors
    /// [`CertificateFault::Extension`].
    pub fn claims(&self) -> Result<BTreeMap<String, String>, CertificateFault> {
        let extensions = self.parsed.tbs_certificate.extensions.iter().flatten();
        let numbers = extensions.filter_map(|e| Some((fulcio_number(&e.extn_id)?, e.extn_id)));
        let read = |(number, oid): (u32, ObjectIdentifier)| {
            let known = CLAIMS.iter().find(|(known, _)| *known == number);
            let name = known.map_or_else(|| oid.to_string(), |(_, name)| (*name).to_owned());
            match self.claim(number) {
                Ok(claim) => claim.map(|text| Ok((name, text))),
                // What is not known need not be text.
                Err(_) if known.is_none() => None,
                Err(fault) => Some(Err(fault)),
            }
        };
        numbers.filter_map(read).collect()
    }
}

fn fulcio_number(oid: &ObjectIdentifier) -> Option<u32> {
    (oid.parent() == Some(FULCIO)).then(|| oid.arcs().last()).flatten()
}

/// The first six extensions are bare text, all later ones a UTF8String.
fn claim_text(number: u32, bytes: &[u8]) -> Result<String, CertificateFault> {
    if let Ok(text) = Utf8StringRef::from_der(bytes) {
        return plain(text.as_str().to_owned());
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if number < USER_NAME => plain(text.to_owned()),
        _ => Err(CertificateFault::Extension),
    }
}

fn subject_name(name: &GeneralName) -> Result<Option<SubjectName>, CertificateFault> {
    let plain = |text: &dyn ToString| plain(text.to_string());
    let name = match name {
        GeneralName::Rfc822Name(text) => SubjectName::Email(plain(text)?),
        GeneralName::UniformResourceIdentifier(text) => SubjectName::Uri(plain(text)?),
        GeneralName::DnsName(text) => SubjectName::Host(plain(text)?),
        GeneralName::OtherName(other) if fulcio_number(&other.type_id) == Some(USER_NAME) => {
            SubjectName::UserName(user_name(&other.value)?)
        }
        _ => return Ok(None),
    };
    match () {
        () if !name.reads_as_its_kind() => Err(CertificateFault::OtherKind),
        () if !name.is_well_formed() => Err(CertificateFault::Syntax),
        () => Ok(Some(name)),
    }
}

/// What a text reads as, whoever writes it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reading {
    /// `scheme:` and something.
    Uri,
    /// `user!domain`, as Fulcio writes it so that it is no e-mail address.
    UserName,
    /// `somebody@domain`.
    Email,
    /// None of these.
    Word,
}

impl Reading {
    /// One reading for each text, so that no two kinds of names have a text in common.
    pub(super) fn of(text: &str) -> Self {
        let scheme =
            text.split_once(':').filter(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty());
        let last = text.rfind(['!', '@']).and_then(|at| text.get(at..)?.chars().next());
        match (scheme, last) {
            (Some((_, rest)), _) if rest.starts_with("//") => Self::Uri,
            (_, Some('!')) => Self::UserName,
            (Some(_), _) => Self::Uri,
            (None, Some(_)) => Self::Email,
            (None, None) => Self::Word,
        }
    }
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn user_name(value: &Any) -> Result<String, CertificateFault> {
    let text = value.decode_as::<Utf8StringRef<'_>>();
    plain(text.map_err(|_| CertificateFault::Extension)?.as_str().to_owned())
}

/// Names and claims are shown to people and compared by them: one that reads as another is none.
fn plain(text: String) -> Result<String, CertificateFault> {
    if text.contains(misleads) { Err(CertificateFault::Misleads) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};

    use super::*;

    fn with(extensions: &[(u64, Vec<u8>)]) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let extension = |(number, content): &(u64, Vec<u8>)| {
            let oid = [1, 3, 6, 1, 4, 1, 57264, 1, *number];
            CustomExtension::from_oid_content(&oid, content.clone())
        };
        params.custom_extensions = extensions.iter().map(extension).collect();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::parse(made.der()).unwrap()
    }

    fn utf8(text: &str) -> Vec<u8> {
        yasna::construct_der(|w| w.write_utf8string(text))
    }

    #[test]
    fn every_extension_of_fulcio_is_read_and_later_ones_are_not_lost() {
        let all: Vec<(u64, Vec<u8>)> = (1..=24)
            .filter(|number| *number != u64::from(USER_NAME))
            .map(|number| match number {
                1..7 => (number, format!("v{number}").into_bytes()),
                _ => (number, utf8(&format!("v{number}"))),
            })
            .collect();
        let claims = with(&all).claims().unwrap();
        assert_eq!(claims.len(), CLAIMS.len());
        for (number, name) in CLAIMS {
            assert_eq!(claims.get(name), Some(&format!("v{number}")), "{name}");
        }
        let later = with(&[(25, utf8("new")), (26, vec![0xff])]).claims().unwrap();
        let later: Vec<_> = later.into_iter().collect();
        assert_eq!(later, [("1.3.6.1.4.1.57264.1.25".to_owned(), "new".to_owned())]);
        // A known one that cannot be read, or is there twice, is no claim at all.
        assert_eq!(with(&[(9, b"bare".to_vec())]).claims(), Err(CertificateFault::Extension));
        let twice = with(&[(9, utf8("a")), (9, utf8("b"))]).claims();
        assert_eq!(twice, Err(CertificateFault::Extension));
    }

    fn for_names(names: Vec<SanType>) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::parse(made.der()).unwrap()
    }

    #[test]
    fn h51_a_name_that_does_not_read_as_what_it_is_is_none() {
        for evil in ["a@x.example\nPASS", "a\u{7f}@x.example", "\u{1b}[2Ja@x.example"] {
            let certificate = for_names(vec![SanType::Rfc822Name(evil.try_into().unwrap())]);
            assert_eq!(certificate.names(Naming::One), Err(CertificateFault::Misleads), "{evil:?}");
        }
        for evil in ["https://x.example\u{202e}", "a\u{e0041}b", "two\nlines"] {
            assert_eq!(with(&[(8, utf8(evil))]).issuer(), Err(CertificateFault::Misleads));
            assert_eq!(with(&[(9, utf8(evil))]).claims(), Err(CertificateFault::Misleads));
            assert_eq!(with(&[(1, evil.into())]).issuer(), Err(CertificateFault::Misleads));
        }
    }

    /// `a@x.example by https://i.example), release (key 0123), k (a@x.example` would be several signers in a report.
    #[test]
    fn h51_a_name_that_has_not_the_syntax_of_its_kind_is_none() {
        let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let forged =
            "x@x.example by https://i.example), release (key c1c0a60f22577a77), k (x@x.example";
        let bad = [
            email(forged),
            email("a b@x.example"),
            email("a,b@x.example"),
            email("a(b)@x.example"),
            email("<a@x.example>"),
            email("\"a b\"@x.example"),
            email("a@b@x.example"),
            email("a@x.example)"),
            email("a@"),
            email("@x.example"),
            uri("https://x.example/a b), release (key c1c0a60f22577a77), k (x"),
            uri("https://x.example/<a>"),
            uri("https://x.example/\"a\""),
            uri("https://x.example/%2"),
            uri("https://x.example/a\\b"),
            user("a b!x.example"),
            user("a\u{e4}!x.example"),
        ];
        for name in bad {
            let found = for_names(vec![name.clone()]).names(Naming::One);
            let fault = found.expect_err(&format!("{name:?}"));
            // What does not even read as its kind is refused before.
            let refused = [CertificateFault::Syntax, CertificateFault::OtherKind];
            assert!(refused.contains(&fault), "{name:?}: {fault}");
        }
        for evil in ["https://i.example), k (x", "i example", "\u{e4}"] {
            assert_eq!(with(&[(8, utf8(evil))]).issuer(), Err(CertificateFault::Syntax), "{evil}");
        }
        // What a URI may hold all the same is shown so that it is one thing.
        let odd = "https://x.example/a),release(key:c1c0),k(x";
        let names = for_names(vec![uri(odd)]).names(Naming::One).unwrap();
        let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!((names[0].as_str(), &*shown[0]), (odd, &*format!("\"{odd}\"")));
        let plain = "https://github.com/org/app/.github/workflows/r.yml@refs/tags/v1.0+x";
        assert_eq!(SubjectName::Uri(plain.to_owned()).to_string(), plain);
    }

    fn user(text: &str) -> SanType {
        let oid = vec![1, 3, 6, 1, 4, 1, 57264, 1, u64::from(USER_NAME)];
        SanType::OtherName((oid, rcgen::OtherNameValue::Utf8String(text.to_owned())))
    }

    /// What real issuers write is read, and no text is a name of two kinds.
    #[test]
    fn b8_a_name_reads_as_its_own_kind() {
        let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let host = |text: &str| SanType::DnsName(text.try_into().unwrap());
        type Made<'m> = (&'m str, &'m dyn Fn(&str) -> SanType);
        let kinds: [Made<'_>; 4] =
            [("email", &email), ("uri", &uri), ("user", &user), ("host", &host)];
        let cases = [
            ("alice@x.example", "email"),
            ("release-bot@project.iam.gserviceaccount.com", "email"),
            ("a!b@x.example", "email"),
            ("https://github.com/org/app/.github/workflows/release.yml@refs/tags/v1", "uri"),
            ("https://gitlab.com/org/app//.gitlab-ci.yml@refs/heads/main", "uri"),
            ("https://kubernetes.io/namespaces/a/serviceaccounts/b", "uri"),
            ("https://agent.buildkite.example/a!b", "uri"),
            ("spiffe://x.example/ns/a/sa/b", "uri"),
            ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "uri"),
            ("mailto:alice@x.example", "uri"),
            ("alice!x.example", "user"),
            ("system:serviceaccount:a:b!x.example", "user"),
            ("a@b!x.example", "user"),
            ("build.x.example", "host"),
        ];
        for (text, kind) in cases {
            for (name, made) in kinds {
                let found = for_names(vec![made(text)]).names(Naming::One);
                match found {
                    Ok(names) => {
                        assert_eq!(name, kind, "{text}");
                        assert_eq!(names.first().map(SubjectName::as_str), Some(text));
                    }
                    Err(fault) => {
                        assert_ne!(name, kind, "{text}: {fault}");
                        assert_eq!(fault, CertificateFault::OtherKind, "{name} {text}");
                    }
                }
            }
        }
        // A word says nothing of its kind.
        assert!(for_names(vec![user("alice")]).names(Naming::One).is_ok());
        assert!(for_names(vec![host("localhost")]).names(Naming::One).is_ok());
    }

    #[test]
    fn b8_a_certificate_is_for_one_signer() {
        let email = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
        let address = || SanType::IpAddress([192, 0, 2, 1].into());
        let alice = || email("alice@x.example");
        let host = || SanType::DnsName("x.example".try_into().unwrap());
        let evil = || email("evil@x.example");
        let cases = [
            (vec![], Some(0), Some(0)),
            (vec![alice()], Some(1), Some(1)),
            (vec![address()], Some(0), Some(0)),
            (vec![evil(), alice()], None, None),
            (vec![alice(), evil()], None, None),
            (vec![alice(), host()], None, Some(2)),
            (vec![alice(), host(), evil()], None, None),
            // A kind that is not read is a name all the same.
            (vec![alice(), address()], None, Some(1)),
        ];
        for (names, one, of_each_kind) in cases {
            let certificate = for_names(names.clone());
            for (naming, want) in [(Naming::One, one), (Naming::OneOfEachKind, of_each_kind)] {
                let found = certificate.names(naming).map(|names| names.len());
                assert_eq!(found, want.ok_or(CertificateFault::Names), "{naming:?}: {names:?}");
            }
        }
    }
}
