//! OpenVEX 0.0.1 to 0.2.0.
//!
//! Before 0.2 a vulnerability and a product are texts, and the parts of all products of a statement stand beside them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{MOST, VexError, shown, time};
use crate::{
    json::Document,
    vulnerabilities::vex::{Identity, Product, Statement, Status},
};

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "@id")]
    id: String,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    statements: Vec<WireStatement>,
}

#[derive(Deserialize)]
struct WireStatement {
    vulnerability: WireVulnerability,
    status: String,
    #[serde(default)]
    products: Option<Vec<WireProduct>>,
    #[serde(default)]
    subcomponents: Option<Vec<WireProduct>>,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    impact_statement: Option<String>,
}

/// Documents before 0.2 have a text in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum WireVulnerability {
    Name(String),
    Full {
        name: String,
        #[serde(default)]
        aliases: Option<Vec<String>>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireProduct {
    Name(String),
    Full(WireComponent),
}

#[derive(Deserialize)]
struct WireComponent {
    #[serde(default, rename = "@id")]
    id: Option<String>,
    #[serde(default)]
    identifiers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    hashes: Option<BTreeMap<String, String>>,
    #[serde(default)]
    subcomponents: Option<Vec<WireProduct>>,
}

/// Words of a justification (OpenVEX 0.2.0, "Status Justifications").
const JUSTIFICATIONS: [&str; 5] = [
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
];

/// Whether an `@context` is OpenVEX's: the namespace alone, as before 0.2, or with a version before 1.0; several contexts
/// of JSON-LD are a list, in which nothing gives a word another meaning.
pub(super) fn is_context(context: &serde_json::Value) -> bool {
    match context {
        serde_json::Value::String(text) => is_namespace(text),
        serde_json::Value::Array(all) => {
            let texts: Vec<&str> = all.iter().filter_map(serde_json::Value::as_str).collect();
            texts.len() == all.len() && texts.iter().any(|text| is_namespace(text))
        }
        _ => false,
    }
}

fn is_namespace(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://openvex.dev/ns") else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let is_number = |part: &str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    rest.is_empty()
        || rest.strip_prefix("/v0.").is_some_and(|rest| rest.splitn(2, '.').all(is_number))
}

pub(super) fn read(document: &Document<'_>) -> Result<Vec<Statement>, VexError> {
    let wire: Wire = document.read()?;
    if wire.statements.is_empty() {
        return Err(VexError::Empty);
    }
    let whole = wire.last_updated.or(wire.timestamp);
    let mut left = MOST;
    wire.statements
        .into_iter()
        .map(|one| statement(one, &wire.id, whole.as_deref(), &mut left))
        .collect()
}

fn statement(
    wire: WireStatement,
    document: &str,
    whole: Option<&str>,
    left: &mut usize,
) -> Result<Statement, VexError> {
    let vulnerability = match wire.vulnerability {
        WireVulnerability::Name(name) => vec![name],
        WireVulnerability::Full { name, aliases } => {
            std::iter::once(name).chain(aliases.into_iter().flatten()).collect()
        }
    };
    let said = wire.last_updated.or(wire.timestamp);
    if let Some(word) = wire.justification.as_deref().filter(|word| !JUSTIFICATIONS.contains(word))
    {
        return Err(VexError::Justification(shown(word)));
    }
    let parts = wire.subcomponents.unwrap_or_default();
    let products = wire.products.unwrap_or_default().into_iter();
    Ok(Statement {
        vulnerability,
        status: match wire.status.as_str() {
            "not_affected" => Status::NotAffected,
            "affected" => Status::Affected,
            "fixed" => Status::Fixed,
            "under_investigation" => Status::UnderInvestigation,
            other => return Err(VexError::Status(shown(other))),
        },
        justification: wire.justification,
        why: wire.impact_statement,
        signers: Vec::new(),
        products: products.map(|one| product(one, &parts, left)).collect::<Result<_, _>>()?,
        time: said.as_deref().or(whole).map(time).transpose()?,
        document: document.to_owned(),
    })
}

/// A product with its parts; where it has none of its own, those of the statement.
fn product(
    wire: WireProduct,
    of_all: &[WireProduct],
    left: &mut usize,
) -> Result<Product, VexError> {
    let parts = match &wire {
        WireProduct::Full(WireComponent { subcomponents: Some(parts), .. }) => parts.as_slice(),
        _ => of_all,
    };
    *left = left.checked_sub(1 + parts.len()).ok_or(VexError::TooMany)?;
    let parts = parts.iter().map(identity).collect();
    Ok(Product { identity: identity(&wire), parts })
}

fn identity(wire: &WireProduct) -> Identity {
    let wire = match wire {
        WireProduct::Name(name) => return Identity::of(name),
        WireProduct::Full(wire) => wire,
    };
    let mut identity = wire.id.as_deref().map(Identity::of).unwrap_or_default();
    identity.purls.extend(wire.identifiers.iter().filter_map(|all| all.get("purl")).cloned());
    let digests = wire.hashes.iter().flatten().filter(|(algorithm, _)| {
        matches!(algorithm.as_str(), "sha-256" | "sha256" | "sha-512" | "sha512")
    });
    identity.digests.extend(digests.map(|(_, digest)| digest.clone()));
    identity
}
