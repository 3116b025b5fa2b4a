//! Signers that the command line names: keys, and an identity in certificates.
//!
//! They are added to the configured trust and take nothing from it: a name that a configured signer has is refused, and so is
//! half of an identity. Each may vouch for everything that the shipped policies ask for. Not for somebody else's judgement
//! (summaries, test results, scans): that a verifier's word counts is a decision, which `hallmark.yaml` names.

use std::{fmt::Display, path::Path, sync::Arc};

use super::{
    Failure,
    args::{Certificate, Vouch},
    files::Operand,
};
use crate::{
    config::Config,
    limits::Limits,
    saved::Access,
    trust::{
        Force, Keyless, PatternError, PredicateClass, PublicKey, Rule, SignerKeys, TrustRules,
        sigstore::{Demands, KeylessIdentity, NoCtLog, Pattern, TextMatch, Times, TrustedRoot},
    },
};

/// Largest key or trusted root that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The trusted root of keyless signatures where none is named.
const DEFAULT_ROOT: &str = "public-good";

/// The configured rules, and one for each signer that the command line names.
pub(super) fn trust(config: &Config, vouch: Option<&Vouch>) -> Result<TrustRules, Failure> {
    let Some(vouch) = vouch else { return Ok(config.trust.clone()) };
    let mut added = Vec::new();
    for path in &vouch.key {
        added.push(signer(path.display().to_string(), key(path, &config.files)?)?);
    }
    if let Some(keyless) = certificate(&vouch.certificate, config)? {
        let name = keyless.identity.subject.to_string();
        added.push(signer(name, SignerKeys::keyless(keyless))?);
    }
    let trust = config.trust.clone().extended(added);
    trust.map_err(|e| Failure::usage(format!("a signer of the command line: {e}")))
}

fn signer(name: String, keys: SignerKeys) -> Result<(String, SignerKeys, Rule), Failure> {
    let every = "**".parse().map_err(|e: PatternError| Failure::usage(e.to_string()))?;
    let rule = Rule {
        images: vec![every],
        predicates: vec![
            PredicateClass::Signature,
            PredicateClass::Provenance,
            PredicateClass::Sbom,
        ],
        signers: vec![name.clone()],
        threshold: 1,
        force: Force::Grant,
    };
    Ok((name, keys, rule))
}

/// `--key` of whoever verifies.
const KEY: Operand = Operand {
    option: "--key ",
    form: "it takes a public key in PEM or DER, as cosign public-key --key KEY and openssl pkey -pubout write it",
};

fn key(path: &Path, files: &Access) -> Result<SignerKeys, Failure> {
    let bytes = KEY.read_from(files, path, MAX_FILE_BYTES)?;
    let key = PublicKey::from_file(&bytes);
    let key = key.map_err(|error| KEY.refused_key(path, &bytes, &error))?;
    SignerKeys::new(vec![key]).ok_or_else(|| KEY.unusable(path, &"it holds no key"))
}

/// `--trusted-root` where it names a file.
const ROOT: Operand = Operand {
    option: "--trusted-root ",
    form: "it takes a trusted_root.json, or a name that hallmark trust show lists, as public-good",
};

/// The keyless signer that the command line names; `None` where it names nothing of one.
pub(super) fn certificate(
    named: &Certificate,
    config: &Config,
) -> Result<Option<Keyless>, Failure> {
    identity(named)?.map(|identity| keyless(identity, named, config)).transpose()
}

/// Its identity.
fn identity(vouch: &Certificate) -> Result<Option<KeylessIdentity>, Failure> {
    let subject = text(
        "--certificate-identity",
        vouch.certificate_identity.as_deref(),
        vouch.certificate_identity_regexp.as_deref(),
    )?;
    let issuer = text(
        "--certificate-oidc-issuer",
        vouch.certificate_oidc_issuer.as_deref(),
        vouch.certificate_oidc_issuer_regexp.as_deref(),
    )?;
    if let Some(TextMatch::Exact(issuer)) = &issuer {
        is_issuer(issuer)?;
    }
    let half = |given: &str, why: &str, help: &str| {
        Err(Failure::of_operator(&format!("{given}: {why}\n  help: {help}")))
    };
    match (subject, issuer) {
        (Some(subject), Some(issuer)) => {
            Ok(Some(KeylessIdentity { issuer: Some(issuer), subject }))
        }
        (Some(_), None) => half(
            "--certificate-identity without an issuer",
            "any issuer could certify that identity",
            "add --certificate-oidc-issuer URL, as https://token.actions.githubusercontent.com",
        ),
        (None, Some(_)) => half(
            "--certificate-oidc-issuer without an identity",
            "everybody has an identity by it",
            "add --certificate-identity TEXT, as release@example.com",
        ),
        (None, None) if vouch.trusted_root.is_some() || vouch.no_ct_log => half(
            "--trusted-root and --no-ct-log without an identity",
            "a root says whose certificates count, not who may sign",
            "add --certificate-identity TEXT and --certificate-oidc-issuer URL",
        ),
        (None, None) => Ok(None),
    }
}

/// Whether a text can be an issuer: certificates have the address of one there, and any other text would match nobody.
fn is_issuer(text: &str) -> Result<(), Failure> {
    let parsed = url::Url::parse(text).ok();
    let fits = parsed.filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    if fits.is_some() && text.trim() == text {
        return Ok(());
    }
    let meant =
        match text.contains("://") || text.contains(char::is_whitespace) || !text.contains('.') {
            true => "https://token.actions.githubusercontent.com".to_owned(),
            false => format!("https://{}", text.trim_start_matches('/')),
        };
    Err(Failure::of_operator(&format!(
        "--certificate-oidc-issuer {text:?}: an issuer is the URL that is in the certificate, and this is none\n  \
         help: write it with its scheme, as --certificate-oidc-issuer {meant}"
    )))
}

fn text(
    option: &str,
    exact: Option<&str>,
    pattern: Option<&str>,
) -> Result<Option<TextMatch>, Failure> {
    let wrong = |why: &dyn Display, help: &str| {
        Failure::of_operator(&format!("{option}{why}\n  help: {help}"))
    };
    match (exact, pattern) {
        (Some(text), _) if text.trim().is_empty() => {
            Err(wrong(&": an empty text would match nobody", "say whose signature counts"))
        }
        (Some(text), _) => Ok(Some(TextMatch::Exact(text.to_owned()))),
        (None, Some(text)) => Pattern::parse(text).map(TextMatch::Pattern).map(Some).map_err(|e| {
            let help = match Pattern::meant(text) {
                Some(meant) => format!("{option}-regexp '{meant}' matches from end to end"),
                None => format!("write what you mean, with dots escaped, or use {option}"),
            };
            wrong(&format!("-regexp {text:?}: {e}"), &help)
        }),
        (None, None) => Ok(None),
    }
}

fn keyless(
    identity: KeylessIdentity,
    vouch: &Certificate,
    config: &Config,
) -> Result<Keyless, Failure> {
    let named = vouch.trusted_root.as_deref().unwrap_or(Path::new(DEFAULT_ROOT));
    let root = root(named, config)?;
    let wrong = |why: &str, help: &str| {
        let named = named.display();
        Failure::of_operator(&format!("--trusted-root {named}: {why}\n  help: {help}"))
    };
    let no_ct_log = match (root.has_ct_logs(), vouch.no_ct_log) {
        (true, false) => NoCtLog::Refuse,
        (false, true) => NoCtLog::Allow,
        (true, true) => {
            let help = "leave --no-ct-log out: each certificate has to be recorded there";
            return Err(wrong("it names certificate transparency logs", help));
        }
        (false, false) => {
            let help = "add --no-ct-log if this instance is known to have none";
            return Err(wrong("it names no certificate transparency log", help));
        }
    };
    let (logs, times) = (usize::from(root.has_logs()), Times::Proven(1));
    let demands = Demands { logs, times, no_ct_log, now: None };
    Ok(Keyless { identity, root, demands })
}

/// The root that has this name, or that lies in this file.
fn root(named: &Path, config: &Config) -> Result<Arc<TrustedRoot>, Failure> {
    let shown = named.display();
    let wrong = |why: &dyn Display, help: &str| {
        Failure::of_operator(&format!("--trusted-root {shown}: {why}\n  help: {help}"))
    };
    if let Some(name) = named.to_str() {
        let found = config.roots.in_force(name).map_err(|why| {
            wrong(
                &why,
                &format!("hallmark trust update {name} --reset forgets it and begins again"),
            )
        })?;
        if let Some(found) = found {
            return Ok(found.root);
        }
        if config.roots.repositories.iter().any(|repository| repository.name == name) {
            return Err(wrong(&"it was never fetched", &format!("hallmark trust update {name}")));
        }
    }
    let bytes = ROOT.read_from(&config.files, named, MAX_FILE_BYTES)?;
    let root = TrustedRoot::from_json(&bytes, &Limits::default());
    root.map(Arc::new).map_err(|error| ROOT.refused(named, &bytes, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/keyless/trusted-root.json");

    fn of(words: &[(&str, &str)]) -> Vouch {
        let word = |name: &str| {
            words.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Vouch {
            key: Vec::new(),
            certificate: Certificate {
                certificate_identity: word("identity"),
                certificate_identity_regexp: word("identity-regexp"),
                certificate_oidc_issuer: word("issuer"),
                certificate_oidc_issuer_regexp: word("issuer-regexp"),
                trusted_root: word("root").map(Into::into),
                no_ct_log: word("no-ct-log").is_some(),
            },
        }
    }

    #[test]
    fn half_an_identity_is_refused_with_what_is_missing() {
        let (identity, issuer) = (("identity", "a@x.example"), ("issuer", "https://i.example"));
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[identity], "add --certificate-oidc-issuer URL"),
            (&[issuer], "add --certificate-identity TEXT"),
            (&[("issuer-regexp", "^https://i\\.example$")], "add --certificate-identity TEXT"),
            (&[("root", FILE)], "add --certificate-identity TEXT and --certificate-oidc-issuer"),
            (&[("no-ct-log", "")], "add --certificate-identity TEXT and --certificate-oidc-issuer"),
            (&[("identity", " "), issuer], "an empty text would match nobody"),
            (&[("identity-regexp", "a@x"), issuer], "--certificate-identity-regexp '^a@x$'"),
            (&[("identity-regexp", "^.*$"), issuer], "it matches strangers"),
            (&[identity, ("issuer-regexp", "^https://.*$")], "it matches strangers"),
            (
                &[identity, ("issuer", "token.actions.githubusercontent.com")],
                "https://token.actions.githubusercontent.com",
            ),
            (&[identity, ("issuer", "ftp://i.example")], "is the URL that is in the certificate"),
            (&[identity, ("issuer", "github")], "is the URL that is in the certificate"),
            (
                &[identity, ("issuer", "https://i.example ")],
                "is the URL that is in the certificate",
            ),
            (&[identity, issuer, ("root", "/nowhere")], "it takes a trusted_root.json"),
            (&[identity, issuer, ("root", file!())], "it takes a trusted_root.json"),
            (&[identity, issuer, ("root", FILE)], "add --no-ct-log"),
            (&[identity, issuer, ("no-ct-log", "")], "leave --no-ct-log out"),
        ];
        let config = Config::load(None, &Default::default()).unwrap();
        for (words, wanted) in cases {
            let failure = trust(&config, Some(&of(words))).expect_err(wanted);
            assert!(failure.to_string().contains(wanted), "{words:?}: {failure}");
            assert_eq!(failure.code, 2, "{words:?}");
        }
    }

    #[test]
    fn an_identity_extends_the_configured_trust() {
        let config = Config::load(None, &Default::default()).unwrap();
        let words = [("identity", "a@x.example"), ("issuer", "https://i.example")];
        let added = trust(&config, Some(&of(&words))).unwrap();
        assert_eq!(added.signers().keys().collect::<Vec<_>>(), ["a@x.example"]);
        assert!(added.signers()["a@x.example"].roots().count() == 1, "the embedded root");
        // Beside a configured signer, which stays as it is; one of its name is not replaced.
        let mut config = config;
        config.trust = added;
        let other = [("identity-regexp", r"^.*@y\.example$"), ("issuer", "https://i.example")];
        let both = trust(&config, Some(&of(&other))).unwrap();
        let names: Vec<_> = both.signers().keys().map(String::as_str).collect();
        assert_eq!(names, [r"/^.*@y\.example$/", "a@x.example"]);
        assert_eq!(both.rules().len(), 2);
        let again = trust(&config, Some(&of(&words))).expect_err("its name is taken");
        assert!(again.to_string().contains("is there already"), "{again}");
        // Without words nothing changes.
        assert_eq!(trust(&config, Some(&of(&[]))).unwrap().rules().len(), 1);
    }
}
