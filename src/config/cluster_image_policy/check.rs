//! What policy-controller's webhook checks before it takes a policy.

use regex::Regex;

use super::{
    Invalid, invalid,
    wire::{Authority, Document, Identity, Key, Keyless},
};
use crate::policy::builtins::pattern;

/// Kinds that a policy can be limited to.
const RESOURCES: [&str; 7] =
    ["pods", "cronjobs", "jobs", "deployments", "daemonsets", "replicasets", "statefulsets"];

/// What the webhook checks, in its order.
pub(super) fn check(document: &Document) -> Result<(), Invalid> {
    let versions = ["policy.sigstore.dev/v1alpha1", "policy.sigstore.dev/v1beta1"];
    if !versions.contains(&document.api_version.as_str()) {
        return Err(invalid("apiVersion", format!("expected one of {}", versions.join(", "))));
    }
    if document.kind != "ClusterImagePolicy" {
        return Err(invalid("kind", "expected ClusterImagePolicy"));
    }
    let spec = &document.spec;
    if document.metadata.name.is_empty() {
        return Err(invalid("metadata.name", "it is missing"));
    }
    if spec.images.is_empty() {
        return Err(invalid("spec.images", "it is missing"));
    }
    for (index, image) in spec.images.iter().enumerate() {
        if image.glob.is_empty() {
            return Err(invalid(format!("spec.images[{index}].glob"), "it is missing"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_:/*.".contains(c);
        if !image.glob.chars().all(allowed) {
            let why = "expected letters, digits and the signs - _ : / * . alone";
            return Err(invalid(format!("spec.images[{index}].glob"), why));
        }
    }
    if !matches!(spec.mode.as_deref(), None | Some("" | "enforce" | "warn")) {
        return Err(invalid("spec.mode", "expected enforce or warn"));
    }
    for (index, one) in spec.matches.iter().enumerate() {
        if !RESOURCES.contains(&one.resource.as_str()) {
            let why = format!("expected one of {}", RESOURCES.join(", "));
            return Err(invalid(format!("spec.match[{index}].resource"), why));
        }
    }
    if spec.authorities.is_empty() {
        return Err(invalid("spec.authorities", "it is missing"));
    }
    let authorities = spec.authorities.iter().enumerate();
    authorities.into_iter().try_for_each(|(index, authority)| {
        check_authority(&format!("spec.authorities[{index}]"), authority)
    })
}

fn one_of(at: &str, parts: &[(&str, bool)]) -> Result<(), Invalid> {
    let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
    match parts.iter().filter(|(_, there)| *there).count() {
        1 => Ok(()),
        0 => Err(invalid(at, format!("expected exactly one of {}, got none", names.join(", ")))),
        _ => Err(invalid(at, format!("expected exactly one of {}, got several", names.join(", ")))),
    }
}

fn check_authority(at: &str, authority: &Authority) -> Result<(), Invalid> {
    let Authority { key, keyless, fixed, .. } = authority;
    let parts =
        [("key", key.is_some()), ("keyless", keyless.is_some()), ("static", fixed.is_some())];
    one_of(at, &parts)?;
    if let Some(key) = key {
        check_key(&format!("{at}.key"), key)?;
    }
    if let Some(keyless) = keyless {
        check_keyless(&format!("{at}.keyless"), keyless)?;
    }
    if let Some(fixed) = fixed {
        let action = fixed.get("action").and_then(|action| action.as_str());
        if !matches!(action, Some("pass" | "fail")) {
            return Err(invalid(format!("{at}.static.action"), "expected pass or fail"));
        }
    }
    Ok(())
}

fn check_key(at: &str, key: &Key) -> Result<(), Invalid> {
    let Key { data, kms, secret_ref, hash_algorithm } = key;
    let parts =
        [("data", data.is_some()), ("kms", kms.is_some()), ("secretRef", secret_ref.is_some())];
    one_of(at, &parts)?;
    let is_pem = |text: &String| text.trim_start().starts_with("-----BEGIN ");
    if data.as_ref().is_some_and(|data| !is_pem(data)) {
        return Err(invalid(format!("{at}.data"), "expected a public key in PEM"));
    }
    if let Some(kms) = kms {
        let awskms = kms.strip_prefix("awskms://");
        let known = awskms.map_or_else(|| kms.contains("://"), is_aws_key);
        if !known {
            let why = "expected PROVIDER://…, or awskms://[HOST]/ARN of a key or an alias";
            return Err(invalid(format!("{at}.kms"), why));
        }
    }
    if secret_ref.as_ref().is_some_and(|secret| secret.name.is_empty()) {
        return Err(invalid(format!("{at}.secretRef.name"), "it is missing"));
    }
    let algorithms = ["sha224", "sha256", "sha384", "sha512"];
    match hash_algorithm.as_deref() {
        Some(algorithm) if !algorithms.contains(&algorithm) => {
            let why = format!("expected one of {}", algorithms.join(", "));
            Err(invalid(format!("{at}.hashAlgorithm"), why))
        }
        _ => Ok(()),
    }
}

/// `[HOST]/arn:PARTITION:kms:REGION:ACCOUNT:key/ID` or `…:alias/NAME`.
fn is_aws_key(text: &str) -> bool {
    let Some((_host, arn)) = text.split_once('/') else { return false };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = parts.as_slice() else {
        return false;
    };
    let named = ["key/", "alias/"].iter().any(|kind| {
        resource.strip_prefix(kind).is_some_and(|name| !name.is_empty() && !name.contains(':'))
    });
    let digits = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
    partition.starts_with("aws") && !region.is_empty() && digits && named
}

fn check_keyless(at: &str, keyless: &Keyless) -> Result<(), Invalid> {
    if keyless.url.is_some() && keyless.ca_cert.is_some() {
        return Err(invalid(at, "expected exactly one of url, ca-cert, got both"));
    }
    if keyless.url.as_ref().is_some_and(|url| !url.contains("://")) {
        return Err(invalid(format!("{at}.url"), "expected a URL"));
    }
    if let Some(ca) = &keyless.ca_cert {
        check_key(&format!("{at}.ca-cert"), ca)?;
    }
    if keyless.identities.is_empty() {
        return Err(invalid(format!("{at}.identities"), "it is missing"));
    }
    for (index, identity) in keyless.identities.iter().enumerate() {
        let at = format!("{at}.identities[{index}]");
        let Identity { issuer, subject, issuer_reg_exp, subject_reg_exp } = identity;
        let expressions = [("issuerRegExp", issuer_reg_exp), ("subjectRegExp", subject_reg_exp)];
        for (name, text) in expressions {
            if text.as_ref().is_some_and(|text| !is_expression(text)) {
                return Err(invalid(format!("{at}.{name}"), "it is no regular expression"));
            }
        }
        for (name, exact, expression) in
            [("issuer", issuer, issuer_reg_exp), ("subject", subject, subject_reg_exp)]
        {
            if [exact, expression].into_iter().flatten().all(String::is_empty) {
                return Err(invalid(format!("{at}.{name}"), "it and its expression are missing"));
            }
        }
    }
    Ok(())
}

/// Whether the webhook would take a text for an expression. What it takes and cannot be translated is left out later; what is no
/// expression in either dialect is refused as the webhook does.
fn is_expression(text: &str) -> bool {
    let ours = pattern::translate(text);
    Regex::new(ours.as_deref().unwrap_or(text)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_expression;

    #[test]
    fn expressions_are_those_of_either_dialect() {
        let cases = [
            ("^https://.*$", true),
            (r"\Qa.b\E", true),
            ("****", false),
            ("(", false),
            ("[a", false),
        ];
        for (text, is) in cases {
            assert_eq!(is_expression(text), is, "{text}");
        }
    }
}
