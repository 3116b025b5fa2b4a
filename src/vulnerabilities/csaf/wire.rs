//! CSAF 2.0 and 2.1 as they are written: the members that advisories and VEX are read from, one form for both.
//!
//! Version 2.1 has lists of package URLs where 2.0 has one, `product_paths` where 2.0 has `relationships`, and `metrics`
//! where 2.0 has `scores`. Each member is read in either version: a document that has the other's says no less by it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A document.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Wire {
    pub document: Document,
    #[serde(default)]
    pub product_tree: Option<Tree>,
    #[serde(default)]
    pub vulnerabilities: Option<Vec<Vulnerability>>,
}

/// What is said of the document.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Document {
    #[serde(default)]
    pub csaf_version: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    pub tracking: Tracking,
}

impl Document {
    /// Whether its version is one that is read.
    pub fn is_known(&self) -> bool {
        matches!(self.csaf_version.as_deref(), Some("2.0" | "2.1"))
    }
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Tracking {
    pub id: String,
    #[serde(default)]
    pub current_release_date: Option<String>,
    #[serde(default)]
    pub initial_release_date: Option<String>,
}

/// `product_tree` (3.2.2).
#[derive(Deserialize, Default)]
pub(in crate::vulnerabilities) struct Tree {
    #[serde(default)]
    pub branches: Option<Vec<Branch>>,
    #[serde(default)]
    pub full_product_names: Option<Vec<Product>>,
    #[serde(default)]
    pub relationships: Option<Vec<Relationship>>,
    #[serde(default)]
    pub product_paths: Option<Vec<Path>>,
    #[serde(default)]
    pub product_groups: Option<Vec<Group>>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Branch {
    #[serde(default)]
    pub branches: Option<Vec<Branch>>,
    #[serde(default)]
    pub product: Option<Product>,
}

/// `full_product_name_t` (3.1.3).
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Product {
    pub product_id: String,
    #[serde(default, rename = "product_identification_helper")]
    pub helper: Option<Helper>,
}

/// What identifies a product.
#[derive(Deserialize, Default)]
pub(in crate::vulnerabilities) struct Helper {
    #[serde(default)]
    pub cpe: Option<String>,
    #[serde(default)]
    pub purl: Option<String>,
    #[serde(default)]
    pub purls: Option<Vec<String>>,
    #[serde(default)]
    pub hashes: Option<Vec<Hashes>>,
}

impl Helper {
    /// Its package URLs: one in 2.0, a list in 2.1.
    pub fn purls(&self) -> impl Iterator<Item = &String> {
        self.purl.iter().chain(self.purls.iter().flatten())
    }
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Hashes {
    #[serde(default)]
    pub file_hashes: Vec<Hash>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Hash {
    pub algorithm: String,
    pub value: String,
}

/// One product as part of another, in 2.0.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Relationship {
    pub full_product_name: Product,
    pub product_reference: String,
    pub relates_to_product_reference: String,
}

/// One product as part of others, from the inside to the outside, in 2.1.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Path {
    pub full_product_name: Product,
    pub beginning_product_reference: String,
    pub subpaths: Vec<Subpath>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Subpath {
    pub next_product_reference: String,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Group {
    pub group_id: String,
    pub product_ids: Vec<String>,
}

/// `vulnerabilities[]` (3.2.3).
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Vulnerability {
    #[serde(default)]
    pub cve: Option<String>,
    #[serde(default)]
    pub ids: Option<Vec<Id>>,
    #[serde(default)]
    pub product_status: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    pub scores: Option<Vec<Score>>,
    #[serde(default)]
    pub metrics: Option<Vec<Metric>>,
    #[serde(default)]
    pub flags: Option<Vec<Flag>>,
    #[serde(default)]
    pub threats: Option<Vec<Threat>>,
    #[serde(default)]
    pub remediations: Option<Vec<About>>,
    #[serde(default)]
    pub notes: Option<Vec<About>>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Id {
    pub text: String,
}

/// `scores[]` of 2.0.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Score {
    #[serde(default)]
    pub cvss_v3: Option<Vector>,
    #[serde(default)]
    pub products: Option<Vec<String>>,
}

/// `metrics[]` of 2.1.
#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Metric {
    #[serde(default)]
    pub content: Content,
    #[serde(default)]
    pub products: Option<Vec<String>>,
}

/// Vectors, each of a version of CVSS.
#[derive(Deserialize, Default)]
pub(in crate::vulnerabilities) struct Content {
    #[serde(default)]
    pub cvss_v3: Option<Vector>,
    #[serde(default)]
    pub cvss_v4: Option<Vector>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Vector {
    #[serde(rename = "vectorString")]
    pub vector: String,
}

/// Products and groups that something is about.
#[derive(Deserialize, Default)]
pub(in crate::vulnerabilities) struct About {
    #[serde(default)]
    pub product_ids: Option<Vec<String>>,
    #[serde(default)]
    pub group_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Flag {
    pub label: String,
    #[serde(default)]
    pub product_ids: Option<Vec<String>>,
    #[serde(default)]
    pub group_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(in crate::vulnerabilities) struct Threat {
    pub category: String,
    pub details: String,
    #[serde(default)]
    pub product_ids: Option<Vec<String>>,
    #[serde(default)]
    pub group_ids: Option<Vec<String>>,
}
