//! CSAF 2.0 and 2.1, profiles VEX and security advisory: products of its tree, and what its vulnerabilities say of them.

use std::collections::BTreeMap;

use super::{MOST, VexError, shown, time};
use crate::{
    json::Document,
    vulnerabilities::{
        csaf::{
            products::{Make, Products, Rpm},
            wire::{Helper, Vulnerability, Wire},
        },
        vex::{Identity, Platforms, Product, Statement, Status},
    },
};

/// A document's statements.
pub(super) fn read(document: &Document<'_>) -> Result<Vec<Statement>, VexError> {
    let wire: Wire = document.read()?;
    if !wire.document.is_known() {
        return Err(VexError::Unknown);
    }
    let products = Products::of(wire.product_tree.unwrap_or_default(), &Named)?;
    let said = wire.document.tracking.current_release_date.ok_or(VexError::Dateless)?;
    let said = time(&said)?;
    let mut statements = Vec::new();
    for vulnerability in wire.vulnerabilities.unwrap_or_default() {
        products.check(&vulnerability)?;
        for statement in self::statements(&products, vulnerability)? {
            let document = wire.document.tracking.id.clone();
            statements.push(Statement { time: Some(said), document, ..statement });
            if statements.len() > MOST {
                return Err(VexError::TooMany);
            }
        }
    }
    Ok(statements)
}

/// A product, and the module of a distribution that it is or is in.
#[derive(Clone, Default)]
struct Called {
    product: Product,
    module: Option<String>,
}

impl Called {
    /// What a statement about it is about in the end.
    fn innermost(&self) -> Identity {
        self.product.parts.first().unwrap_or(&self.product.identity).clone()
    }

    /// Where something is that is part of it. What is neither a module nor named is a place that nobody knows.
    fn platforms(&self) -> Platforms {
        let named = &self.product.identity.platforms;
        match self.module.is_none() && *named == Platforms::default() {
            true => Platforms::alone(None),
            false => named.clone(),
        }
    }
}

struct Named;

impl Make for Named {
    type Value = Called;

    fn alone(&self, helper: &Helper) -> Called {
        let module = helper.purls().find_map(|purl| match Rpm::of(purl)? {
            Rpm::Module(module) => Some(module),
            Rpm::Package { .. } => None,
        });
        Called { product: Product { identity: identity(helper), parts: Vec::new() }, module }
    }

    /// Neither a platform nor a module is anything that an image has by name: what counts is the package on it, which is
    /// none of another platform, as a package of a module is none of another stream. Of a part of a part the innermost
    /// counts.
    fn within(&self, part: &Called, whole: &Called, own: &Helper) -> Called {
        let own = identity(own);
        let module = part.module.clone().or_else(|| whole.module.clone());
        if whole.module.is_some() && whole.product.parts.is_empty()
            || whole.product.identity.is_empty()
        {
            let mut product = part.product.clone();
            if !own.is_empty() {
                product = Product { identity: own, parts: Vec::new() };
                product.identity.platforms.extend(&part.product.identity.platforms);
            }
            product.identity.platforms.extend(&whole.platforms());
            return Called { product: of_module(product, module.as_deref()), module };
        }
        let inner =
            of_module(Product { identity: part.innermost(), parts: Vec::new() }, module.as_deref());
        // What names the two together is the whole, if it is an image, else the part.
        let is_image = own.purls.iter().any(|purl| purl.starts_with("pkg:oci/"));
        let (mut identity, mut inner) = match (own.is_empty(), is_image) {
            (true, _) => (whole.product.identity.clone(), inner.identity),
            (false, true) => (own, inner.identity),
            (false, false) => (whole.product.identity.clone(), own),
        };
        identity.platforms.extend(&whole.product.identity.platforms);
        inner.platforms.extend(&part.innermost().platforms);
        Called { product: Product { identity, parts: vec![inner] }, module: None }
    }
}

/// The same packages, of a module.
fn of_module(mut product: Product, module: Option<&str>) -> Product {
    let Some(module) = module else { return product };
    let parts = product.parts.iter_mut();
    for purl in std::iter::once(&mut product.identity).chain(parts).flat_map(|one| &mut one.purls) {
        let Some(Rpm::Package { mut url, module: None }) = Rpm::of(purl) else { continue };
        if url.add_qualifier("rpmmod", module.to_owned()).is_ok() {
            *purl = url.to_string();
        }
    }
    product
}

/// One statement for each status, and each justification of those that are not affected.
fn statements(
    products: &Products<Called>,
    wire: Vulnerability,
) -> Result<Vec<Statement>, VexError> {
    let ids = wire.ids.iter().flatten().map(|id| id.text.clone());
    let vulnerability: Vec<String> = wire.cve.iter().cloned().chain(ids).collect();
    let reasons = reasons(products, &wire)?;
    let mut statements = Vec::new();
    for (word, ids) in wire.product_status.unwrap_or_default() {
        let Some(status) = status(&word)? else { continue };
        let mut by_reason: BTreeMap<Reason, Vec<Product>> = BTreeMap::new();
        for id in ids {
            let product = products.defined("a product status", &id)?.product.clone();
            let reason = reasons.get(&id).filter(|_| status == Status::NotAffected);
            by_reason.entry(reason.cloned().unwrap_or_default()).or_default().push(product);
        }
        let of_status = by_reason.into_iter().map(|((justification, why), products)| Statement {
            vulnerability: vulnerability.clone(),
            status,
            justification,
            why,
            products,
            time: None,
            document: String::new(),
            signers: Vec::new(),
        });
        statements.extend(of_status);
    }
    Ok(statements)
}

/// Justification, and why in words.
type Reason = (Option<String>, Option<String>);

/// Why products are not affected, by their ids.
fn reasons(
    products: &Products<Called>,
    wire: &Vulnerability,
) -> Result<BTreeMap<String, Reason>, VexError> {
    let mut reasons: BTreeMap<String, Reason> = BTreeMap::new();
    for flag in wire.flags.iter().flatten() {
        let named =
            products.named("a flag", flag.product_ids.as_deref(), flag.group_ids.as_deref())?;
        for id in named {
            reasons.entry(id.to_owned()).or_default().0 = Some(flag.label.clone());
        }
    }
    for threat in wire.threats.iter().flatten().filter(|threat| threat.category == "impact") {
        let (ids, groups) = (threat.product_ids.as_deref(), threat.group_ids.as_deref());
        for id in products.named("a threat", ids, groups)? {
            reasons.entry(id.to_owned()).or_default().1 = Some(threat.details.clone());
        }
    }
    Ok(reasons)
}

/// What a list of products says of them; what is recommended says nothing.
fn status(word: &str) -> Result<Option<Status>, VexError> {
    Ok(Some(match word {
        "known_not_affected" => Status::NotAffected,
        "fixed" | "first_fixed" => Status::Fixed,
        "known_affected" | "first_affected" | "last_affected" => Status::Affected,
        // 2.1 has a word for what nobody looks into.
        "under_investigation" | "unknown" => Status::UnderInvestigation,
        "recommended" => return Ok(None),
        other => return Err(VexError::Status(shown(other))),
    }))
}

/// What a product is called. Digests of SHA-2 only: the standard names algorithms as OpenSSL does.
fn identity(helper: &Helper) -> Identity {
    let hashes = helper.hashes.iter().flatten().flat_map(|one| &one.file_hashes);
    let digests = hashes.filter(|hash| {
        matches!(
            hash.algorithm.to_ascii_lowercase().as_str(),
            "sha256" | "sha512" | "sha-256" | "sha-512"
        )
    });
    let is_package = |purl: &&String| !matches!(Rpm::of(purl), Some(Rpm::Module(_)));
    let canonical = |purl: &String| match Rpm::of(purl) {
        // A package of a module is a package.
        Some(Rpm::Package { mut url, module: Some(module) }) if purl.starts_with("pkg:rpmmod/") => {
            match url.add_qualifier("rpmmod", module).is_ok() {
                true => url.to_string(),
                false => purl.clone(),
            }
        }
        _ => purl.clone(),
    };
    let mut identity = Identity {
        purls: helper.purls().filter(is_package).map(canonical).collect(),
        digests: digests.map(|hash| hash.value.clone()).collect(),
        ..Identity::default()
    };
    let cpe = helper.cpe.as_deref();
    identity.platforms = match (identity.is_empty(), cpe) {
        (true, Some(_)) if helper.purls().next().is_none() => Platforms::alone(cpe),
        _ => Platforms::beside(cpe, &identity.purls),
    };
    identity
}
