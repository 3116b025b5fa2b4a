//! CycloneDX 1.4 to 1.7 with vulnerabilities, in JSON.
//!
//! A document may be about components of another one, by BOM-Link: those have no identity here, and their statements
//! match nothing. Nor do those about a component of a product that has nothing but a name: what is not affected as a
//! part of that product may be affected elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{MOST, VexError, shown, time};
use crate::{
    json::Document,
    vulnerabilities::vex::{Identity, Platforms, Product, Statement, Status, Versions},
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
    cpe: Option<String>,
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
    #[serde(default)]
    versions: Option<Vec<WireVersions>>,
}

/// One version, or a range of them, and whether it is affected; it is, where that is not said.
#[derive(Deserialize)]
struct WireVersions {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    range: Option<String>,
    #[serde(default)]
    status: Option<String>,
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
    let of_document = product.as_ref().map(|one| (one.reference.clone(), top(one)));
    let mut collected = Collected::default();
    let lists = [wire.components, wire.services];
    let all = product.into_iter().chain(lists.into_iter().flatten().flatten());
    collected.collect(all.collect(), None, DEPTH)?;
    let context = Context {
        id: wire.serial_number.unwrap_or_default(),
        whole,
        collected,
        product: of_document,
    };
    // A bill of materials without vulnerabilities is one that others refer to.
    let vulnerabilities = wire.vulnerabilities.unwrap_or_default();
    let affects = vulnerabilities.iter().flat_map(|one| one.affects.iter().flatten());
    let versions = |one: &WireAffects| 1 + one.versions.as_ref().map_or(0, Vec::len);
    if affects.map(versions).sum::<usize>() > MOST {
        return Err(VexError::TooMany);
    }
    let mut statements = Vec::new();
    for vulnerability in vulnerabilities {
        statements.extend(context.statements(vulnerability)?);
    }
    Ok(statements)
}

/// What statements of a document refer to.
struct Context {
    id: String,
    whole: Option<String>,
    collected: Collected,
    /// `metadata.component`: how the document refers to it, and what it is.
    product: Option<(Option<String>, Top)>,
}

/// What a document is about as a whole.
enum Top {
    /// A product, whose parts are judged as parts of it; an image, if it is one by digest or repository.
    Product(Identity),
    /// Nothing but a system: the platform of its parts, which are products by themselves.
    System(Platforms),
}

impl Top {
    fn identity(&self) -> Identity {
        match self {
            Self::Product(identity) => identity.clone(),
            Self::System(platforms) => {
                Identity { platforms: platforms.clone(), ..Identity::default() }
            }
        }
    }
}

fn top(component: &WireComponent) -> Top {
    let identity = identity(component);
    let platforms = Platforms::beside(component.cpe.as_deref(), &[]);
    match identity.is_empty() && platforms != Platforms::default() {
        true => Top::System(platforms),
        false => Top::Product(identity),
    }
}

/// What a document's components are, by how it refers to them.
#[derive(Default)]
struct Collected {
    named: BTreeMap<String, Named>,
    /// Components that have others in them.
    wholes: Vec<Top>,
}

/// A component, and which of [`Collected::wholes`] it is in.
struct Named {
    identity: Identity,
    whole: Option<usize>,
}

impl Collected {
    fn collect(
        &mut self,
        components: Vec<WireComponent>,
        whole: Option<usize>,
        depth: usize,
    ) -> Result<(), VexError> {
        let deeper = depth.checked_sub(1).ok_or(VexError::TooMany)?;
        for mut component in components {
            if self.named.len() >= MOST {
                return Err(VexError::TooMany);
            }
            let inner = component.components.take().unwrap_or_default();
            let mut around = whole;
            if whole.is_none() && !inner.is_empty() {
                around = Some(self.wholes.len());
                self.wholes.push(top(&component));
            }
            if let Some(reference) = &component.reference {
                let named = Named { identity: identity(&component), whole };
                if self.named.insert(reference.clone(), named).is_some() {
                    return Err(VexError::Twice(shown(reference)));
                }
            }
            self.collect(inner, around, deeper)?;
        }
        Ok(())
    }
}

fn identity(component: &WireComponent) -> Identity {
    let hashes = component.hashes.iter().flatten();
    let digests = hashes.filter(|hash| matches!(hash.alg.as_str(), "SHA-256" | "SHA-512"));
    Identity {
        purls: component.purl.clone().into_iter().collect(),
        digests: digests.map(|hash| hash.content.clone()).collect(),
        ..Identity::default()
    }
}

impl Context {
    /// What is said of one vulnerability; nothing where nobody analysed it, which makes it a finding of a scanner. There
    /// is a statement for each status that versions have.
    fn statements(&self, wire: WireVulnerability) -> Result<Vec<Statement>, VexError> {
        let Some(analysis) = wire.analysis else { return Ok(Vec::new()) };
        let Some(state) = analysis.state else { return Ok(Vec::new()) };
        let references = wire.references.into_iter().flatten().filter_map(|one| one.id);
        let said = analysis.last_updated.or(wire.updated).or(self.whole.clone()).or(wire.published);
        let status = match state.as_str() {
            "not_affected" | "false_positive" => Status::NotAffected,
            "resolved" | "resolved_with_pedigree" => Status::Fixed,
            "exploitable" => Status::Affected,
            "in_triage" => Status::UnderInvestigation,
            other => return Err(VexError::Status(shown(other))),
        };
        let whole = Statement {
            vulnerability: wire.id.into_iter().chain(references).collect(),
            signers: Vec::new(),
            status,
            justification: analysis.justification,
            why: analysis.detail,
            products: Vec::new(),
            time: said.as_deref().map(time).transpose()?,
            document: self.id.clone(),
        };
        let mut by_status: BTreeMap<Status, Vec<Product>> = BTreeMap::new();
        for one in wire.affects.unwrap_or_default() {
            let product = self.product(&one.reference)?;
            for (status, versions) in of_versions(status, one.versions)? {
                by_status.entry(status).or_default().push(narrowed(product.clone(), versions));
            }
        }
        if by_status.is_empty() {
            return Ok(vec![whole]);
        }
        let of_status = by_status.into_iter();
        let statement = |(status, products)| Statement { status, products, ..whole.clone() };
        Ok(of_status.map(statement).collect())
    }

    /// What a reference means: the document's own product, a part of it, or something in another document.
    fn product(&self, reference: &str) -> Result<Product, VexError> {
        if let Some((Some(own), top)) = &self.product
            && own == reference
        {
            return Ok(Product { identity: top.identity(), parts: Vec::new() });
        }
        match self.collected.named.get(reference) {
            Some(part) => Ok(self.part(part)),
            None if reference.starts_with("pkg:") => {
                Ok(Product { identity: Identity::of(reference), parts: Vec::new() })
            }
            None if reference.starts_with("urn:") => Ok(Product::default()),
            None => Err(VexError::Undefined { what: "a vulnerability", to: shown(reference) }),
        }
    }

    /// What a component of the document is a part of: the document's product, else the component that it is in. Of one
    /// that is only named it is a part all the same, though nobody can tell of which. Without either it is a product.
    fn part(&self, part: &Named) -> Product {
        let document = self.product.as_ref().map(|(_, top)| top);
        let around = part.whole.and_then(|place| self.collected.wholes.get(place));
        let mut platforms = Platforms::default();
        for top in document.into_iter().chain(around) {
            match top {
                Top::System(own) => platforms.extend(own),
                Top::Product(whole) => {
                    let mut identity = whole.clone();
                    identity.platforms.extend(&platforms);
                    return Product { identity, parts: vec![part.identity.clone()] };
                }
            }
        }
        let mut identity = part.identity.clone();
        identity.platforms.extend(&platforms);
        Product { identity, parts: Vec::new() }
    }
}

/// The versions that a state of an analysis is about, and those that have another: what is affected, or not known, is
/// never what the state suppresses, and only what is listed as unaffected is. None means all versions.
fn of_versions(
    state: Status,
    listed: Option<Vec<WireVersions>>,
) -> Result<Vec<(Status, Option<Versions>)>, VexError> {
    let Some(listed) = listed else { return Ok(vec![(state, None)]) };
    let mut by_status = BTreeMap::from([(state, Versions::default())]);
    let suppresses = state.suppresses();
    for one in &listed {
        let status = match (one.status.as_deref().unwrap_or("affected"), suppresses) {
            ("affected", true) => Status::Affected,
            ("affected", false) => state,
            ("unaffected", true) => state,
            ("unaffected", false) => continue,
            ("unknown", _) => Status::UnderInvestigation,
            (other, _) => return Err(VexError::Status(shown(other))),
        };
        let versions = by_status.entry(status).or_default();
        versions.push(one.version.as_deref(), one.range.as_deref());
    }
    Ok(match listed.is_empty() && !suppresses {
        true => vec![(state, None)],
        false => by_status.into_iter().map(|(status, all)| (status, Some(all))).collect(),
    })
}

/// A product, of which only some versions are meant.
fn narrowed(mut product: Product, versions: Option<Versions>) -> Product {
    let innermost = product.parts.last_mut().unwrap_or(&mut product.identity);
    innermost.versions = versions;
    product
}
