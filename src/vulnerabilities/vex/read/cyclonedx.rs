//! CycloneDX 1.4 to 1.7 with vulnerabilities, in JSON.
//!
//! A document may be about components of another one, by BOM-Link: those have no identity here, and their statements
//! match nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{MOST, VexError, shown, time};
use crate::{
    json::Document,
    vulnerabilities::vex::{Identity, Product, Statement, Status},
};

/// Components inside of components, in levels.
const DEPTH: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    spec_version: String,
    #[serde(default)]
    serial_number: Option<String>,
    #[serde(default)]
    metadata: Option<WireMetadata>,
    #[serde(default)]
    components: Option<Vec<WireComponent>>,
    #[serde(default)]
    services: Option<Vec<WireComponent>>,
    #[serde(default)]
    vulnerabilities: Option<Vec<WireVulnerability>>,
}

#[derive(Deserialize)]
struct WireMetadata {
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    component: Option<WireComponent>,
}

#[derive(Deserialize)]
struct WireComponent {
    #[serde(default, rename = "bom-ref")]
    reference: Option<String>,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    hashes: Option<Vec<WireHash>>,
    #[serde(default)]
    components: Option<Vec<WireComponent>>,
}

#[derive(Deserialize)]
struct WireHash {
    alg: String,
    content: String,
}

#[derive(Deserialize)]
struct WireVulnerability {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    references: Option<Vec<WireReference>>,
    #[serde(default)]
    analysis: Option<WireAnalysis>,
    #[serde(default)]
    affects: Option<Vec<WireAffects>>,
    #[serde(default)]
    updated: Option<String>,
    #[serde(default)]
    published: Option<String>,
}

#[derive(Deserialize)]
struct WireReference {
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct WireAnalysis {
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default, rename = "lastUpdated")]
    last_updated: Option<String>,
}

#[derive(Deserialize)]
struct WireAffects {
    #[serde(rename = "ref")]
    reference: String,
}

pub(super) fn read(document: &Document<'_>) -> Result<Vec<Statement>, VexError> {
    let wire: Wire = document.read()?;
    if !matches!(wire.spec_version.as_str(), "1.4" | "1.5" | "1.6" | "1.7") {
        return Err(VexError::Unknown);
    }
    let (whole, product) = match wire.metadata {
        Some(metadata) => (metadata.timestamp, metadata.component),
        None => (None, None),
    };
    let product_reference = product.as_ref().and_then(|product| product.reference.clone());
    let top = product.as_ref().map(identity).unwrap_or_default();
    let mut identities = BTreeMap::new();
    let lists = [wire.components, wire.services];
    let all = product.into_iter().chain(lists.into_iter().flatten().flatten());
    collect(all.collect(), DEPTH, &mut identities)?;
    let context = Context {
        id: wire.serial_number.unwrap_or_default(),
        whole,
        identities,
        product: (product_reference, top),
    };
    // A bill of materials without vulnerabilities is one that others refer to.
    let vulnerabilities = wire.vulnerabilities.unwrap_or_default();
    let statements = vulnerabilities.into_iter().map(|one| context.statement(one));
    statements.filter_map(Result::transpose).collect()
}

/// What statements of a document refer to.
struct Context {
    id: String,
    whole: Option<String>,
    identities: BTreeMap<String, Identity>,
    product: (Option<String>, Identity),
}

fn collect(
    components: Vec<WireComponent>,
    depth: usize,
    identities: &mut BTreeMap<String, Identity>,
) -> Result<(), VexError> {
    let deeper = depth.checked_sub(1).ok_or(VexError::TooMany)?;
    for component in components {
        if identities.len() >= MOST {
            return Err(VexError::TooMany);
        }
        if let Some(reference) = &component.reference
            && identities.insert(reference.clone(), identity(&component)).is_some()
        {
            return Err(VexError::Twice(shown(reference)));
        }
        collect(component.components.unwrap_or_default(), deeper, identities)?;
    }
    Ok(())
}

fn identity(component: &WireComponent) -> Identity {
    let hashes = component.hashes.iter().flatten();
    let digests = hashes.filter(|hash| matches!(hash.alg.as_str(), "SHA-256" | "SHA-512"));
    Identity {
        purls: component.purl.clone().into_iter().collect(),
        digests: digests.map(|hash| hash.content.clone()).collect(),
    }
}

impl Context {
    /// What is said of one vulnerability; none where nobody analysed it, which makes it a finding of a scanner.
    fn statement(&self, wire: WireVulnerability) -> Result<Option<Statement>, VexError> {
        let Some(analysis) = wire.analysis else { return Ok(None) };
        let Some(state) = analysis.state else { return Ok(None) };
        let references = wire.references.into_iter().flatten().filter_map(|one| one.id);
        let said = analysis.last_updated.or(wire.updated).or(self.whole.clone()).or(wire.published);
        let affects = wire.affects.unwrap_or_default();
        Ok(Some(Statement {
            vulnerability: wire.id.into_iter().chain(references).collect(),
            status: match state.as_str() {
                "not_affected" | "false_positive" => Status::NotAffected,
                "resolved" | "resolved_with_pedigree" => Status::Fixed,
                "exploitable" => Status::Affected,
                "in_triage" => Status::UnderInvestigation,
                other => return Err(VexError::Status(shown(other))),
            },
            justification: analysis.justification,
            why: analysis.detail,
            products: affects
                .iter()
                .map(|one| self.product(&one.reference))
                .collect::<Result<_, _>>()?,
            time: said.as_deref().map(time).transpose()?,
            document: self.id.clone(),
        }))
    }

    /// What a reference means: the document's own product, a part of it, or something in another document.
    fn product(&self, reference: &str) -> Result<Product, VexError> {
        let (own, top) = &self.product;
        if own.as_deref() == Some(reference) {
            return Ok(Product { identity: top.clone(), parts: Vec::new() });
        }
        match self.identities.get(reference) {
            Some(part) if top.is_empty() => {
                Ok(Product { identity: part.clone(), parts: Vec::new() })
            }
            Some(part) => Ok(Product { identity: top.clone(), parts: vec![part.clone()] }),
            None if reference.starts_with("pkg:") => {
                Ok(Product { identity: Identity::of(reference), parts: Vec::new() })
            }
            None if reference.starts_with("urn:") => Ok(Product::default()),
            None => Err(VexError::Undefined { what: "a vulnerability", to: shown(reference) }),
        }
    }
}
