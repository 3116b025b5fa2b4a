//! Who we are to a registry, and whom we tell.
//!
//! Turns a `WWW-Authenticate` header (RFC 7235, RFC 7617, and the token protocol of the distribution project) into a
//! [`Challenge`], and that with [`Credentials`] into the one `Authorization` header that a registry gets. A registry names the host that gives tokens, its *realm*, so a hostile one would name its own
//! (attack F1): [`may_receive`] says which realm gets the credentials. Any other is asked for a token without them.
//! Parent domains count, siblings do not: on shared domains the sibling belongs to a stranger (`evil.azurecr.io`), and
//! no list of such domains is complete. A registry that needs a sibling, as self-hosted GitLab does, names it in
//! `auth_hosts` (`authRealms` in `hallmark.yaml`). A token's scope is always pull on the one repository, whatever the
//! challenge asks for.

use std::{fmt, io};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;
use url::{Host, Url};

use crate::json;

/// Longest `WWW-Authenticate` header that is read, in bytes.
const MAX_CHALLENGE_BYTES: usize = 8 << 10;
/// Largest answer of a token service that is read, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 256 << 10;
/// Registries whose token service is a sibling, as published by their operators.
const KNOWN_REALMS: &[(&str, &str)] = &[("registry-1.docker.io", "auth.docker.io")];

/// A text that never appears in output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret: for a request and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What proves who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// User name and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, which only a token service takes.
    IdentityToken(Secret),
}

/// Why credentials could not be had or used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Docker's configuration cannot be opened.
    #[error("{path} cannot be read: {error}")]
    Config {
        /// The file.
        path: String,
        /// What happened.
        error: io::Error,
    },
    /// Docker's configuration, or the credential helper in it, gave no usable answer.
    #[error("credentials for {host}: {why}")]
    Retrieval {
        /// The registry.
        host: String,
        /// What happened; never what the helper printed to its output.
        why: String,
    },
    /// Credentials hold characters that no header can carry.
    #[error("the credentials or the token for {host} cannot stand in an HTTP header")]
    NotAHeader {
        /// The registry.
        host: String,
    },
    /// The token service gave no token.
    #[error("the token service at {host} gave no token: {why}")]
    Token {
        /// The realm's host.
        host: String,
        /// What it sent.
        why: String,
    },
}

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// User name and password with every request (RFC 7617).
    Basic,
    /// A token from a token service.
    Bearer {
        /// Where the token service is.
        realm: Url,
        /// The name by which the service knows the registry.
        service: Option<String>,
    },
}

impl Challenge {
    /// The strongest challenge that these headers hold: a token before a password.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter(|value| value.len() <= MAX_CHALLENGE_BYTES)
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse)
            .filter_map(|(scheme, parameters)| Self::from_parts(&scheme, &parameters))
            .collect();
        all.iter().find(|c| matches!(c, Self::Bearer { .. })).or_else(|| all.first()).cloned()
    }

    fn from_parts(scheme: &str, parameters: &[(String, String)]) -> Option<Self> {
        let get = |name: &str| {
            parameters.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let realm = Url::parse(get("realm")?).ok()?;
        Some(Self::Bearer { realm, service: get("service").map(str::to_owned) })
    }
}

/// Splits one header into its challenges: `scheme name=value, name="value", scheme ...` (RFC 7235, section 4.1). What
/// does not fit the grammar ends the reading.
fn parse(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut challenges: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return challenges;
        }
        match (after.trim_start().strip_prefix('='), challenges.last_mut()) {
            (Some(after), Some((_, parameters))) => {
                let Some((value, after)) = value(after.trim_start()) else { return challenges };
                parameters.push((word.to_owned(), value));
                rest = after;
            }
            (Some(_), None) => return challenges,
            (None, _) => {
                challenges.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token at the start of `text`, and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// A token or quoted string at the start of `text`, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return (!word.is_empty()).then(|| (word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

/// Whether the credentials of the registry at `registry` may be sent to `realm`: its own host, a parent domain of it,
/// a realm known to belong to it, or one that the operator lists.
pub fn may_receive(realm: &Url, registry: &Url, listed: &[String]) -> bool {
    let (Some(realm_host), Some(registry_host)) = (realm.host_str(), registry.host_str()) else {
        return false;
    };
    let is = |host: &str| host.eq_ignore_ascii_case(realm_host);
    if is(registry_host) {
        // On one machine, as in a test lab, ports tell programs apart.
        return realm.scheme() == registry.scheme();
    }
    let both_are_names = matches!(realm.host(), Some(Host::Domain(_)))
        && matches!(registry.host(), Some(Host::Domain(_)));
    let is_parent = both_are_names
        && realm_host.contains('.')
        && registry_host.strip_suffix(realm_host).is_some_and(|child| child.ends_with('.'));
    is_parent
        || KNOWN_REALMS.iter().any(|(registry, realm)| *registry == registry_host && is(realm))
        || listed.iter().any(|host| is_listed(host, realm))
}

/// Whether an entry of `authRealms` is the realm's host, at any port or at the one that it names.
fn is_listed(entry: &str, realm: &Url) -> bool {
    let Some(host) = realm.host_str() else { return false };
    let port = realm.port_or_known_default();
    let at_port = port.map(|port| format!("{host}:{port}"));
    entry.eq_ignore_ascii_case(host) || at_port.is_some_and(|at| entry.eq_ignore_ascii_case(&at))
}

/// `Authorization: Basic`.
///
/// # Errors
/// [`AuthError::NotAHeader`], which base64 never causes.
pub(super) fn basic(user: &str, password: &Secret, host: &str) -> Result<HeaderValue, AuthError> {
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    sensitive(&format!("Basic {pair}"), host)
}

/// `Authorization: Bearer`.
///
/// # Errors
/// [`AuthError::NotAHeader`] for tokens with control characters or the like.
pub(super) fn bearer(token: &Secret, host: &str) -> Result<HeaderValue, AuthError> {
    sensitive(&format!("Bearer {}", token.expose()), host)
}

fn sensitive(text: &str, host: &str) -> Result<HeaderValue, AuthError> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| AuthError::NotAHeader { host: host.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The answer of a token service; older ones say `token`, OAuth 2.0 says `access_token`.
#[derive(Deserialize)]
struct WireToken {
    token: Option<String>,
    access_token: Option<String>,
}

/// The token in a token service's answer.
///
/// # Errors
/// [`AuthError::Token`] when there is none.
pub(super) fn read_token(answer: &[u8], host: &str) -> Result<Secret, AuthError> {
    let fault = |why: &str| AuthError::Token { host: host.to_owned(), why: why.to_owned() };
    // The parser's message may quote the answer, and the answer may hold a token.
    let wire: WireToken = json::from_slice(answer, MAX_TOKEN_BYTES)
        .map_err(|_| fault("its answer is not the JSON object of the token protocol"))?;
    let token = wire.token.filter(|t| !t.is_empty()).or(wire.access_token);
    match token {
        Some(token) if !token.is_empty() => Ok(Secret::new(token)),
        _ => Err(fault("its answer holds no token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (WWW_AUTHENTICATE, HeaderValue::from_str(v).unwrap())).collect()
    }

    fn challenge(text: &str) -> Option<Challenge> {
        Challenge::from_headers(&headers(&[text]))
    }

    fn bearer_of(realm: &str, service: Option<&str>) -> Option<Challenge> {
        let realm = realm.parse().unwrap();
        Some(Challenge::Bearer { realm, service: service.map(str::to_owned) })
    }

    #[test]
    fn reads_challenges() {
        let cases = [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                r#"Bearer realm="https://auth.example/token",service="reg",scope="repository:a:pull,push""#,
                bearer_of("https://auth.example/token", Some("reg")),
            ),
            (
                r#"Basic realm="a, b=c", BEARER Realm = "https://a.example/\"t" , service=reg"#,
                bearer_of("https://a.example/\"t", Some("reg")),
            ),
            (r#"Bearer service="reg""#, None),
            (r#"Bearer realm="not a url""#, None),
            (r#"Bearer realm="https://a.example"#, None),
            ("Negotiate abc", None),
            ("=", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(challenge(text), want, "{text}");
        }
        let two = headers(&["Basic", r#"Bearer realm="https://a.example/""#]);
        assert_eq!(Challenge::from_headers(&two), bearer_of("https://a.example/", None));
    }

    #[test]
    fn a_challenge_is_read_up_to_its_limit() {
        let fit = format!("Basic realm={}", "a".repeat(MAX_CHALLENGE_BYTES - 12));
        assert_eq!(challenge(&fit), Some(Challenge::Basic));
        assert_eq!(challenge(&format!("{fit}a")), None);
    }

    #[test]
    fn credentials_go_to_the_registry_and_its_own_realm() {
        let cases = [
            ("https://r.example/", "https://r.example/token", true),
            ("https://r.example/", "https://r.example:444/token", true),
            ("https://r.example/", "http://r.example/token", false),
            ("https://r.example/", "https://R.EXAMPLE/token", true),
            ("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth", true),
            ("https://registry-1.docker.io/", "https://auth.docker.io/token", true),
            ("https://registry.example/", "https://auth.docker.io/token", false),
            ("https://registry.example/", "https://listed.example/token", true),
            ("https://registry.example/", "https://ported.example:8443/token", true),
            ("https://registry.example/", "https://ported.example/token", false),
            ("https://registry.example/", "https://evil.example/token", false),
            ("https://a.azurecr.io/", "https://b.azurecr.io/token", false),
            ("https://a.azurecr.io/", "https://a.azurecr.io.evil.example/token", false),
            ("https://nr.example/", "https://r.example/token", false),
            ("https://r.example/", "https://nr.example/token", false),
            ("https://r.example/", "https://example/token", false),
            ("https://r.example/", "https://sub.r.example/token", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", true),
            ("http://127.0.0.1:5000/", "http://127.0.0.2:5001/token", false),
            ("https://10.1.1.1/", "https://1.1.1/token", false),
        ];
        let listed = ["listed.example".to_owned(), "ported.example:8443".to_owned()];
        for (registry, realm, want) in cases {
            let got = may_receive(&realm.parse().unwrap(), &registry.parse().unwrap(), &listed);
            assert_eq!(got, want, "{registry} names {realm}");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let secret = Secret::new("hunter2".to_owned());
        let credentials =
            Credentials::Password { user: "user".to_owned(), password: secret.clone() };
        let header = basic("user", &secret, "r.example").unwrap();
        let pair = STANDARD.encode("user:hunter2");
        assert!(header.to_str().unwrap().contains(&pair), "the header itself has it");
        let shown = [
            format!("{secret:?} {credentials:?} {header:?}"),
            format!("{:?}", bearer(&secret, "r.example").unwrap()),
            format!("{:?}", read_token(b"{\"token\":hunter2", "auth.example").unwrap_err()),
            format!("{:?}", bearer(&Secret::new("hunter2\n".to_owned()), "r.example").unwrap_err()),
        ];
        for text in shown {
            assert!(!text.contains("hunter2") && !text.contains(&pair), "{text}");
        }
    }

    #[test]
    fn reads_tokens() {
        let cases = [
            (r#"{"token":"a"}"#, Some("a")),
            (r#"{"access_token":"b","expires_in":60}"#, Some("b")),
            (r#"{"token":"a","access_token":"b"}"#, Some("a")),
            (r#"{"token":"","access_token":"b"}"#, Some("b")),
            (r#"{"token":""}"#, None),
            ("{}", None),
            (r#"{"token":1}"#, None),
            ("token", None),
        ];
        for (text, want) in cases {
            let got = read_token(text.as_bytes(), "auth.example").ok();
            assert_eq!(got.as_ref().map(Secret::expose), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn challenges_never_panic(text in "[ -~\\t]{0,80}") {
            let _ = challenge(&text);
        }
    }
}
