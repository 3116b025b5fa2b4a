//! Sets of attestors of Kyverno's `verifyImages`, into signers and how many of them have to have signed.
//!
//! Where one entry cannot be said, the set can as long as enough others are left: then it accepts less. A key that stands
//! with others in one text is an entry of its own.

use super::{
    cosign,
    draft::{Demand, Draft},
    lost::Invalid,
    part::Part,
};

/// What signers of a set have to have signed.
pub(super) struct Wanted {
    /// The place of the set.
    pub(super) at: String,
    /// Words of `trust.rules[].predicates`.
    pub(super) predicates: Vec<String>,
}

/// A set of attestors.
pub(super) fn demanded(
    named: &str,
    mut set: Part<'_>,
    wanted: &dyn Fn(String) -> Wanted,
    draft: &mut Draft,
) -> Result<Option<Demand>, Invalid> {
    let count = set.count("count")?.filter(|count| *count > 0);
    let (mut signers, mut entries) = (Vec::new(), 0_usize);
    for entry in set.parts("entries")? {
        for one in attestor(named, entry, draft)? {
            entries += 1;
            signers.extend(one);
        }
    }
    let said = draft.unknown(&set);
    let Wanted { at, predicates } = wanted(set.place().to_owned());
    let (needed, there) = (count.unwrap_or(entries), signers.len());
    signers.sort();
    signers.dedup();
    let mut threshold = needed.min(signers.len());
    if !said || there == 0 {
        return Ok(None);
    }
    if needed > there {
        let why = format!("{needed} of its entries have to hold, of which {there} can be said");
        if !draft.demand(&at, why) {
            return Ok(None);
        }
        threshold = signers.len();
    }
    Ok(Some(Demand { at, predicates, signers, threshold }))
}

/// The signers of one entry of a set, one for each key; nothing in place of one that cannot be said.
fn attestor(
    named: &str,
    mut entry: Part<'_>,
    draft: &mut Draft,
) -> Result<Vec<Option<String>>, Invalid> {
    let mut said = true;
    if entry.text("repository")?.is_some() {
        draft
            .narrow(&entry.at("repository"), "signatures are read from the image's own repository");
    }
    if entry.take("annotations").is_some() {
        said &= draft
            .demand(&entry.at("annotations"), "rules do not ask for annotations of signatures");
    }
    said &= is_sha256(&mut entry, draft)?;
    let (keys, keyless) = (entry.part("keys")?, entry.part("keyless")?);
    if entry.take("certificates").is_some() {
        let why = "name the authority's files under trust.roots, and that root under the signer";
        draft.narrow(&entry.at("certificates"), why);
    }
    if entry.take("attestor").is_some() {
        draft.narrow(
            &entry.at("attestor"),
            "attestors within attestors cannot be said; write them side by side",
        );
    }
    said &= draft.unknown(&entry);
    let found = match (keys, keyless) {
        (Some(keys), None) => self::keys(named, keys, draft)?,
        (None, Some(keyless)) => vec![self::keyless(named, keyless, draft)?],
        (None, None) => vec![None],
        (Some(_), Some(_)) => {
            let why = "expected exactly one of keys, certificates, keyless, attestor";
            return Err(Invalid::new(entry.place(), why));
        }
    };
    Ok(found.into_iter().map(|signer| signer.filter(|_| said)).collect())
}

/// Whether signatures are over SHA-256.
fn is_sha256(part: &mut Part<'_>, draft: &mut Draft) -> Result<bool, Invalid> {
    match part.text("signatureAlgorithm")? {
        None | Some("sha256") => Ok(true),
        Some(_) => {
            let why = "the algorithm is the one that belongs to the key; SHA-256 for RSA";
            draft.narrow(&part.at("signatureAlgorithm"), why);
            Ok(false)
        }
    }
}

fn keys(
    named: &str,
    mut keys: Part<'_>,
    draft: &mut Draft,
) -> Result<Vec<Option<String>>, Invalid> {
    let mut said = is_sha256(&mut keys, draft)?;
    let about = [keys.part("rekor")?, keys.part("ctlog")?].into_iter().flatten().collect();
    let logs = cosign::logs(about, draft)?;
    for (key, why) in [
        ("kms", "it cannot be asked offline; export the public key"),
        ("secret", "the key is in a Secret; write it into the file"),
    ] {
        if keys.take(key).is_some() {
            draft.narrow(&keys.at(key), why);
            said = false;
        }
    }
    let pems = keys.text("publicKeys")?;
    let at = keys.at("publicKeys");
    said &= draft.unknown(&keys);
    let Some(pems) = pems else { return Ok(vec![None]) };
    let Some(logs) = logs.filter(|_| said) else { return Ok(vec![None]) };
    let all = cosign::keys(pems);
    let signer = |pem: &str, draft: &mut Draft| match cosign::key(pem, logs) {
        Ok(signer) => Some(draft.signer(&at, named, &signer)),
        Err(why) => {
            draft.narrow(&at, why);
            None
        }
    };
    Ok(all.into_iter().map(|pem| signer(pem, draft)).collect())
}

fn keyless(named: &str, mut part: Part<'_>, draft: &mut Draft) -> Result<Option<String>, Invalid> {
    let mut said = true;
    let about = [part.part("rekor")?, part.part("ctlog")?].into_iter().flatten().collect();
    let logs = cosign::logs(about, draft)?;
    if part.text("roots")?.is_some() {
        let why = "name the authority's files under trust.roots, and that root under the signer";
        draft.narrow(&part.at("roots"), why);
        said = false;
    }
    if part.take("additionalExtensions").is_some() {
        let why = "rules do not ask for extensions of certificates";
        said &= draft.demand(&part.at("additionalExtensions"), why);
    }
    let at = part.place().to_owned();
    let signer = match logs {
        Some(logs) => cosign::keyless(&mut part, logs, true, draft)?,
        None => {
            for key in ["issuer", "issuerRegExp", "subject", "subjectRegExp"] {
                part.take(key);
            }
            None
        }
    };
    said &= draft.unknown(&part);
    Ok(signer.filter(|_| said).map(|signer| draft.signer(&at, named, &signer)))
}
