//! The npm registry: a publication and its provenance, both of which have to hold.

use std::sync::Arc;

use hallmark::{
    attest::npm::Pair,
    digest::Digest,
    limits::Limits,
    trust::{
        KeyRing, Keyless, npm,
        outside::{self, Refused},
        sigstore::{Demands, KeylessIdentity, NoCtLog, TextMatch, TrustedRoot},
    },
};

use super::{expectations, refused};
use crate::{Case, Outcome, Verdict};

pub(super) fn run(case: &Case) -> Outcome {
    let limits = Limits::default();
    let pair = match Pair::parse(&case.file("npm_attestations")?, &limits) {
        Ok(pair) => pair,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let root = TrustedRoot::from_json(&case.file("trusted_root")?, &limits);
    let root = root.map_err(|error| error.to_string())?;
    let keys = KeyRing::of_npm(&case.file("npm_keys")?, &limits).map_err(|e| e.to_string())?;
    let demands = Demands { no_ct_log: NoCtLog::Allow, ..Demands::default() };
    let anybody = KeylessIdentity { issuer: None, subject: TextMatch::UnsafeAny };
    let unit = match case.text("check") {
        // That the pair could be read is what is asked.
        Some("attestation set" | "in-toto headers") => Ok(()),
        Some("publish signature") => npm::published(&pair, &keys, &root, &demands),
        Some("provenance signature") => npm::made(&pair, &anybody, &root, &demands).map(|_| ()),
        Some("publish subject digest") => {
            return about(&pair, case.text("expected_sha512_hex_or_b64").unwrap_or_default());
        }
        Some(other) => return Err(format!("unknown check {other:?}")),
        None => {
            let builder = Keyless { identity: anybody, root: Arc::new(root), demands };
            return package(case, &pair, &keys, &builder);
        }
    };
    Ok(unit.map_or_else(|error| refused(error.into()), |()| Verdict::Accepted))
}

fn about(pair: &Pair, hex: &str) -> Outcome {
    let digest: Digest = format!("sha512:{hex}").parse().map_err(|e| format!("{e}"))?;
    if [&pair.publish, &pair.provenance].iter().all(|half| half.statement.speaks_about(&digest)) {
        return Ok(Verdict::Accepted);
    }
    Ok(Verdict::refused("signature-subject-mismatch", "another package"))
}

/// What slsa-verifier asks of a package, whose builder always has to be named.
fn package(case: &Case, pair: &Pair, keys: &KeyRing, builder: &Keyless) -> Outcome {
    let hex = case.text("artifact_sha512").unwrap_or_default();
    let archive: Digest = format!("sha512:{hex}").parse().map_err(|e| format!("{e}"))?;
    let proven = outside::npm(pair, keys, builder, &archive, &expectations(case));
    if let Err(why @ Refused::Npm(_)) = proven {
        return Ok(refused(why));
    }
    if case.text("builder_id").is_none() {
        return Ok(Verdict::refused("builder", "no builder is expected"));
    }
    if let Err(why @ (Refused::Subject { .. } | Refused::Form(_))) = proven {
        return Ok(refused(why));
    }
    let package = pair.package().map_err(|error| error.to_string())?;
    for (key, found) in [("package_name", &package.name), ("package_version", &package.version)] {
        if case.text(key).is_some_and(|expected| expected != found) {
            return Ok(Verdict::refused("package", found));
        }
    }
    Ok(proven.map_or_else(refused, |_| Verdict::Accepted))
}
