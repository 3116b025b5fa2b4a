//! Keys, identities and logs of cosign's signatures as other tools write them, into signers.

use serde_json::{Value, json};

use super::{draft::Draft, lost::Invalid, part::Part};
use crate::{
    config::identity::{Who, who},
    trust::PublicKey,
};

/// The log of the instance whose root hallmark embeds.
const PUBLIC_GOOD_REKOR: &str = "https://rekor.sigstore.dev";
/// Where a key ends in a text that may hold several.
const END: &str = "-----END PUBLIC KEY-----";

/// What a tool asks of transparency logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// An entry in that of the public good instance.
    PublicGood,
    /// Nothing.
    Unasked,
}

/// Whether a URL is that of the public good instance's log.
pub(super) fn is_public_good(url: &str) -> bool {
    url.trim_end_matches('/') == PUBLIC_GOOD_REKOR
}

/// Reads what is said of logs, in whichever of the objects; `None` where a signer cannot be said with it.
pub(super) fn logs(parts: Vec<Part<'_>>, draft: &mut Draft) -> Result<Option<Logs>, Invalid> {
    let (mut logs, mut said) = (Logs::PublicGood, true);
    let root = "name its trusted root under trust.roots, and that root under the signer";
    for mut part in parts {
        if let Some(url) = part.text("url")?
            && !is_public_good(url)
        {
            draft.narrow(&part.at("url"), format!("it is another instance's log; {root}"));
            said = false;
        }
        for key in ["pubkey", "rekorPubKey", "ctLogPubKey", "tsaCertChain"] {
            if part.text(key)?.is_some() {
                draft.narrow(&part.at(key), format!("it is another instance's; {root}"));
                said = false;
            }
        }
        for key in ["ignoreTlog", "insecureIgnoreTlog"] {
            if part.truth(key)? == Some(true) {
                logs = Logs::Unasked;
            }
        }
        for key in ["ignoreSCT", "insecureIgnoreSCT"] {
            if part.truth(key)? == Some(true) {
                let why = "certificates of the public good instance have to be in a log";
                draft.narrow(&part.at(key), why);
            }
        }
        said &= draft.unknown(&part);
    }
    Ok(said.then_some(logs))
}

/// The keys of a text that may hold several, as Kyverno splits it.
pub(super) fn keys(text: &str) -> Vec<&str> {
    let mut keys: Vec<&str> = text.split_inclusive(END).collect();
    if keys.len() > 1 {
        keys.retain(|key| key.contains(END));
    }
    keys
}

/// A signer who has one key.
///
/// # Errors
/// Why the key cannot be used.
pub(super) fn key(pem: &str, logs: Logs) -> Result<Value, String> {
    let pem = pem.trim();
    if !pem.starts_with("-----BEGIN ") {
        return Err("this names a place and is no key; put the public key itself here, as PEM (-----BEGIN PUBLIC KEY-----)".to_owned());
    }
    PublicKey::from_pem(pem.as_bytes()).map_err(|error| error.to_string())?;
    let mut signer = json!({ "key": format!("{pem}\n") });
    if logs == Logs::PublicGood {
        signer["root"] = "public-good".into();
        signer["logs"] = 1.into();
    }
    Ok(signer)
}

/// A signer by an identity of the public good instance, and what is narrower of it here.
///
/// # Errors
/// Why it cannot be said.
pub(super) fn identity(meant: Who<'_>) -> Result<(Value, Vec<String>), String> {
    let (mut who, narrowed) = who(meant)?;
    who.insert("root".to_owned(), "public-good".into());
    Ok((json!({ "keyless": who }), narrowed))
}

/// An object with `issuer`, `subject` and their expressions, as a signer; what cannot be said is told.
pub(super) fn keyless(
    part: &mut Part<'_>,
    logs: Logs,
    wildcards: bool,
    draft: &mut Draft,
) -> Result<Option<Value>, Invalid> {
    let (issuer, issuer_expression) = (part.text("issuer")?, part.text("issuerRegExp")?);
    let (subject, expression) = (part.text("subject")?, part.text("subjectRegExp")?);
    let widened = subject.filter(|text| wildcards && text.contains(['*', '?'])).map(widened);
    let meant = Who {
        issuer,
        issuer_expression,
        identity: subject.filter(|_| widened.is_none()),
        identity_expression: widened.as_deref().or(expression),
    };
    if widened.is_some() && expression.is_some() {
        draft.narrow(part.place(), "subject is given as a text and as an expression");
        return Ok(None);
    }
    match identity(meant) {
        Err(why) => {
            draft.narrow(part.place(), why);
            Ok(None)
        }
        Ok((signer, narrowed)) => {
            narrowed.into_iter().for_each(|why| draft.narrow(part.place(), why));
            if logs == Logs::Unasked {
                let why = "an entry in a log says when the certificate was valid, and is always asked for";
                draft.narrow(part.place(), why);
            }
            Ok(Some(signer))
        }
    }
}

/// The expression of a text in which `*` stands for anything and `?` for one character.
fn widened(text: &str) -> String {
    let part = |c: char| match c {
        '*' => ".*".to_owned(),
        '?' => ".".to_owned(),
        other => regex::escape(other.encode_utf8(&mut [0; 4])),
    };
    format!("^{}$", text.chars().map(part).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_and_wildcards_are_expressions() {
        assert_eq!(keys("k8s://n/s"), ["k8s://n/s"]);
        assert_eq!(keys(&format!("a{END}\nb{END}\n")).len(), 2);
        assert_eq!(widened("https://g.example/o/*@?"), r"^https://g\.example/o/.*@.$");
        assert!(key("k8s://n/s", Logs::Unasked).is_err());
        assert!(
            key("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----", Logs::Unasked).is_err()
        );
    }
}
