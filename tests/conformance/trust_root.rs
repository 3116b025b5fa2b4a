//! Area `trust-root`: trusted roots, authorities and the roles of certificates.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hallmark::{
    limits::Limits,
    trust::sigstore::{Certificate, CertificateFault, Role, TrustedRoot},
};
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
    Err("hallmark reads no TUF metadata yet".to_owned())
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
