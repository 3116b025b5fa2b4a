//! CSAF 2.0, profiles VEX and security advisory: products of its tree, and what its vulnerabilities say of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{MOST, VexError, shown, time};
use crate::{
    json::Document,
    vulnerabilities::vex::{Identity, Product, Statement, Status},
};

/// Branches inside of branches, in levels.
const DEPTH: usize = 32;

#[derive(Deserialize)]
struct Wire {
    document: WireDocument,
    #[serde(default)]
    product_tree: Option<WireTree>,
    #[serde(default)]
    vulnerabilities: Option<Vec<WireVulnerability>>,
}

#[derive(Deserialize)]
struct WireDocument {
    csaf_version: String,
    tracking: WireTracking,
}

#[derive(Deserialize)]
struct WireTracking {
    id: String,
    current_release_date: String,
}

#[derive(Deserialize, Default)]
struct WireTree {
    #[serde(default)]
    branches: Option<Vec<WireBranch>>,
    #[serde(default)]
    full_product_names: Option<Vec<WireProduct>>,
    #[serde(default)]
    relationships: Option<Vec<WireRelationship>>,
    #[serde(default)]
    product_groups: Option<Vec<WireGroup>>,
}

#[derive(Deserialize)]
struct WireBranch {
    #[serde(default)]
    branches: Option<Vec<WireBranch>>,
    #[serde(default)]
    product: Option<WireProduct>,
}

#[derive(Deserialize)]
struct WireProduct {
    product_id: String,
    #[serde(default)]
    product_identification_helper: Option<WireHelper>,
}

#[derive(Deserialize, Default)]
struct WireHelper {
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    hashes: Option<Vec<WireHashes>>,
}

#[derive(Deserialize)]
struct WireHashes {
    #[serde(default)]
    file_hashes: Vec<WireHash>,
}

#[derive(Deserialize)]
struct WireHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct WireRelationship {
    full_product_name: WireProduct,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct WireGroup {
    group_id: String,
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct WireVulnerability {
    #[serde(default)]
    cve: Option<String>,
    #[serde(default)]
    ids: Option<Vec<WireId>>,
    #[serde(default)]
    product_status: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    flags: Option<Vec<WireFlag>>,
    #[serde(default)]
    threats: Option<Vec<WireThreat>>,
}

#[derive(Deserialize)]
struct WireId {
    text: String,
}

#[derive(Deserialize)]
struct WireFlag {
    label: String,
    #[serde(default)]
    product_ids: Option<Vec<String>>,
    #[serde(default)]
    group_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireThreat {
    category: String,
    details: String,
    #[serde(default)]
    product_ids: Option<Vec<String>>,
    #[serde(default)]
    group_ids: Option<Vec<String>>,
}

pub(super) fn read(document: &Document<'_>) -> Result<Vec<Statement>, VexError> {
    let wire: Wire = document.read()?;
    if wire.document.csaf_version != "2.0" {
        return Err(VexError::Unknown);
    }
    let tree = Tree::of(wire.product_tree.unwrap_or_default())?;
    let said = time(&wire.document.tracking.current_release_date)?;
    let mut statements = Vec::new();
    for vulnerability in wire.vulnerabilities.unwrap_or_default() {
        for statement in tree.statements(vulnerability)? {
            let document = wire.document.tracking.id.clone();
            statements.push(Statement { time: Some(said), document, ..statement });
            if statements.len() > MOST {
                return Err(VexError::TooMany);
            }
        }
    }
    Ok(statements)
}

/// What the document defines.
struct Tree {
    products: BTreeMap<String, Product>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Tree {
    fn of(wire: WireTree) -> Result<Self, VexError> {
        let mut tree = Self { products: BTreeMap::new(), groups: BTreeMap::new() };
        tree.branches(wire.branches.unwrap_or_default(), DEPTH)?;
        for product in wire.full_product_names.unwrap_or_default() {
            let identity = identity(product.product_identification_helper.as_ref());
            tree.define(product.product_id, Product { identity, parts: Vec::new() })?;
        }
        for one in wire.relationships.unwrap_or_default() {
            let part = tree.defined("a relationship", &one.product_reference)?.identity.clone();
            let whole = tree.defined("a relationship", &one.relates_to_product_reference)?;
            let (identity, mut parts) = (whole.identity.clone(), vec![part.clone()]);
            let own = self::identity(one.full_product_name.product_identification_helper.as_ref());
            // A platform has no package URL: what counts is the package on it.
            let identity = if identity.is_empty() {
                parts.clear();
                part
            } else {
                identity
            };
            let identity = if own.is_empty() { identity } else { own };
            tree.define(one.full_product_name.product_id, Product { identity, parts })?;
        }
        for group in wire.product_groups.unwrap_or_default() {
            for product in &group.product_ids {
                tree.defined("a product group", product)?;
            }
            tree.groups.insert(group.group_id, group.product_ids);
        }
        Ok(tree)
    }

    fn branches(&mut self, branches: Vec<WireBranch>, depth: usize) -> Result<(), VexError> {
        let deeper = depth.checked_sub(1).ok_or(VexError::TooMany)?;
        for branch in branches {
            if let Some(product) = branch.product {
                let identity = identity(product.product_identification_helper.as_ref());
                self.define(product.product_id, Product { identity, parts: Vec::new() })?;
            }
            self.branches(branch.branches.unwrap_or_default(), deeper)?;
        }
        Ok(())
    }

    fn define(&mut self, id: String, product: Product) -> Result<(), VexError> {
        if self.products.len() >= MOST {
            return Err(VexError::TooMany);
        }
        match self.products.insert(id.clone(), product) {
            None => Ok(()),
            Some(_) => Err(VexError::Twice(shown(&id))),
        }
    }

    fn defined(&self, what: &'static str, id: &str) -> Result<&Product, VexError> {
        self.products.get(id).ok_or_else(|| VexError::Undefined { what, to: shown(id) })
    }

    /// Products that a list of ids and a list of groups name.
    fn named(
        &self,
        what: &'static str,
        products: Option<Vec<String>>,
        groups: Option<Vec<String>>,
    ) -> Result<BTreeSet<String>, VexError> {
        let mut named: BTreeSet<String> = products.unwrap_or_default().into_iter().collect();
        for group in groups.unwrap_or_default() {
            let members = self.groups.get(&group);
            let members = members.ok_or_else(|| VexError::Undefined { what, to: shown(&group) })?;
            named.extend(members.iter().cloned());
        }
        for id in &named {
            self.defined(what, id)?;
        }
        Ok(named)
    }

    /// One statement for each status, and each justification of those that are not affected.
    fn statements(&self, wire: WireVulnerability) -> Result<Vec<Statement>, VexError> {
        let ids = wire.ids.into_iter().flatten().map(|id| id.text);
        let vulnerability: Vec<String> = wire.cve.into_iter().chain(ids).collect();
        let mut reasons: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
        for flag in wire.flags.unwrap_or_default() {
            for id in self.named("a flag", flag.product_ids, flag.group_ids)? {
                reasons.entry(id).or_default().0 = Some(flag.label.clone());
            }
        }
        for threat in wire.threats.unwrap_or_default() {
            let named = self.named("a threat", threat.product_ids, threat.group_ids)?;
            for id in named.into_iter().filter(|_| threat.category == "impact") {
                reasons.entry(id).or_default().1 = Some(threat.details.clone());
            }
        }
        let mut statements = Vec::new();
        for (word, products) in wire.product_status.unwrap_or_default() {
            let Some(status) = status(&word)? else { continue };
            let mut by_reason: BTreeMap<(Option<String>, Option<String>), Vec<Product>> =
                BTreeMap::new();
            for id in products {
                let product = self.defined("a product status", &id)?.clone();
                let reason = reasons.get(&id).filter(|_| status == Status::NotAffected);
                by_reason.entry(reason.cloned().unwrap_or_default()).or_default().push(product);
            }
            let of_status =
                by_reason.into_iter().map(|((justification, why), products)| Statement {
                    vulnerability: vulnerability.clone(),
                    status,
                    justification,
                    why,
                    products,
                    time: None,
                    document: String::new(),
                });
            statements.extend(of_status);
        }
        Ok(statements)
    }
}

/// What a list of products says of them; what is recommended says nothing.
fn status(word: &str) -> Result<Option<Status>, VexError> {
    Ok(Some(match word {
        "known_not_affected" => Status::NotAffected,
        "fixed" | "first_fixed" => Status::Fixed,
        "known_affected" | "first_affected" | "last_affected" => Status::Affected,
        "under_investigation" => Status::UnderInvestigation,
        "recommended" => return Ok(None),
        other => return Err(VexError::Status(shown(other))),
    }))
}

fn identity(helper: Option<&WireHelper>) -> Identity {
    let Some(helper) = helper else { return Identity::default() };
    let hashes = helper.hashes.iter().flatten().flat_map(|one| &one.file_hashes);
    let digests = hashes.filter(|hash| matches!(hash.algorithm.as_str(), "sha256" | "sha512"));
    Identity {
        purls: helper.purl.clone().into_iter().collect(),
        digests: digests.map(|hash| hash.value.clone()).collect(),
    }
}
