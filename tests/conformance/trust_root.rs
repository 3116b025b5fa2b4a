//! Area `trust-root`: trusted roots, authorities and the roles of certificates.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hallmark::{
    digest::Digest,
    limits::Limits,
    trust::sigstore::{Certificate, CertificateFault, Role, TrustedRoot, tuf::Update},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    if case.text("trusted_root").is_some() {
        return Ok(match TrustedRoot::from_json(&case.file("trusted_root")?, &Limits::default()) {
            Ok(_) => Verdict::Accepted,
            Err(error) => Verdict::refused("root", error),
        });
    }
    if case.text("certificate_authority").is_some() {
        return authority(&case.file("certificate_authority")?);
    }
    if case.text("certificate").is_some() {
        return certificate(&case.file("certificate")?, &case.inputs["roles"]);
    }
    if case.text("tuf_root").is_some() {
        return Ok(roots(&[case.file("tuf_root")?]));
    }
    if case.text("targets_metadata").is_some() {
        return targets(case);
    }
    let chain = case.list("chain");
    if chain.is_empty() {
        return Err("neither root nor certificate".to_owned());
    }
    let chain = chain.iter().map(|name| case.read(name)).collect::<Result<Vec<_>, _>>()?;
    Ok(roots(&chain))
}

/// Roots of TUF, each by its predecessor.
fn roots(chain: &[Vec<u8>]) -> Verdict {
    let limits = Limits::default();
    let (initial, rest) = chain.split_first().expect("a root");
    let followed = Update::begin(initial, None, Timestamp::MIN, &limits)
        .and_then(|mut update| rest.iter().try_for_each(|root| update.take(Some(root.clone()))));
    match followed {
        Ok(()) => Verdict::Accepted,
        Err(error) => Verdict::refused(error.rule(), error),
    }
}

/// The whole repository, from its first root to the trusted root; and every other target that is there.
fn targets(case: &Case) -> Outcome {
    let metadata = case.text("targets_metadata").unwrap_or_default().to_owned();
    let folder = metadata.strip_suffix("targets.json").ok_or("no targets.json")?.to_owned();
    let targets = case.text("targets_dir").ok_or("no targets_dir")?;
    let read = |wanted: &str| {
        let plain = |name: &str| wanted.ends_with(name).then(|| format!("{folder}{name}"));
        let path = if wanted.ends_with(".root.json") {
            Some(format!("{folder}root_history/{wanted}"))
        } else if wanted.starts_with("targets/") {
            Some(format!("{targets}/trusted_root.json"))
        } else {
            ["timestamp.json", "snapshot.json", "targets.json"].into_iter().find_map(plain)
        };
        path.and_then(|path| case.read(&path).ok())
    };
    let limits = Limits::default();
    let initial = read("1.root.json").ok_or("no first root")?;
    // The timestamp of the data was to be replaced within a week.
    let now = "2026-08-21T12:00:00Z".parse().expect("a time");
    let updated = Update::begin(&initial, None, now, &limits).and_then(|mut update| {
        while let Some(wanted) = update.wanted() {
            update.take(read(&wanted.path))?;
        }
        update.finish()
    });
    let current = match updated {
        Ok((current, _)) => current,
        Err(error) => return Ok(Verdict::refused(error.rule(), error)),
    };
    if let Err(error) = TrustedRoot::from_json(&current.trusted_root, &limits) {
        return Ok(Verdict::refused("root", error));
    }
    let listed: Value =
        serde_json::from_slice(&case.read(&metadata)?).map_err(|error| error.to_string())?;
    for (name, target) in listed["signed"]["targets"].as_object().into_iter().flatten() {
        let Ok(bytes) = case.read(&format!("{targets}/{name}")) else { continue };
        let sha256 = target["hashes"]["sha256"].as_str().unwrap_or_default();
        if Digest::sha256(&bytes).hex() != sha256 {
            return Ok(Verdict::refused("mismatch", name));
        }
    }
    Ok(Verdict::Accepted)
}

/// The upstream file is the chain of a timestamp authority.
fn authority(bytes: &[u8]) -> Outcome {
    let file: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let chain = file["certChain"]["certificates"].as_array().cloned().unwrap_or_default();
    let chain: Vec<Vec<u8>> = chain
        .iter()
        .filter_map(|entry| STANDARD.decode(entry["rawBytes"].as_str()?).ok())
        .collect();
    let root = TrustedRoot::public_good(&Limits::default()).map_err(|error| error.to_string())?;
    Ok(match root.with_timestamp_authority(&chain, None) {
        Ok(_) => Verdict::Accepted,
        Err(error) => Verdict::refused("root", error),
    })
}

fn certificate(pem: &[u8], roles: &Value) -> Outcome {
    let text = std::str::from_utf8(pem).map_err(|error| error.to_string())?;
    let start = text.find("-----BEGIN").ok_or("no PEM")?;
    let der = sigstore_types::DerCertificate::from_pem(&text[start..])
        .map_err(|error| error.to_string())?;
    let role = Certificate::parse(der.as_bytes()).and_then(|certificate| certificate.role());
    let role: Result<Role, CertificateFault> = role;
    let role = match role {
        Ok(role) => role,
        Err(fault) => return Ok(Verdict::refused("signature-certificate-invalid", fault)),
    };
    let is = |name: &str| match name {
        "is_leaf" => role == Role::Leaf,
        "is_ca" => matches!(role, Role::Authority { .. }),
        _ => role == Role::Authority { root: true },
    };
    for (name, want) in roles.as_object().into_iter().flatten() {
        if want.as_bool() != Some(is(name)) {
            return Ok(Verdict::refused("role", format!("{role:?}, not {name}: {want}")));
        }
    }
    Ok(Verdict::Accepted)
}
