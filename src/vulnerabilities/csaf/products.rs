//! The product tree of CSAF (2.0 and 2.1, 3.2.2): what each product id of a document stands for.
//!
//! Turns the tree into a value for each id, which the caller makes: one for a product by itself, one for a product that
//! is part of another. Parts may be made of parts, and stand before what they are made of. Refuses an id that is defined
//! twice, one that is used and not defined, and one that is made of itself (tests 6.1.1 to 6.1.5): nobody knows what such
//! a document meant.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    str::FromStr as _,
};

use packageurl::PackageUrl;

use super::wire::{Branch, Helper, Product, Tree, Vulnerability};
use crate::untrusted::{clean, shortened};

/// Most products of one document.
const MOST: usize = 200_000;

/// Why a tree was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Something refers to what is not there.
    #[error("{what} refers to {to}, which the document does not define")]
    Undefined {
        /// What refers.
        what: &'static str,
        /// To what.
        to: String,
    },
    /// Something is defined twice.
    #[error("{0} is defined twice")]
    Twice(String),
    /// Something is part of itself.
    #[error("{0} is part of itself")]
    Circle(String),
    /// There is too much of it.
    #[error("it has more than {MOST} products")]
    TooMany,
}

fn shown(text: &str) -> String {
    clean(&shortened(text, 80))
}

fn undefined(what: &'static str, to: &str) -> TreeError {
    TreeError::Undefined { what, to: shown(to) }
}

/// How values of products are made.
pub(in crate::vulnerabilities) trait Make {
    /// The value of a product.
    type Value: Clone;

    /// A product by itself.
    fn alone(&self, helper: &Helper) -> Self::Value;

    /// A product as part of another, and what identifies the two together.
    fn within(&self, part: &Self::Value, whole: &Self::Value, own: &Helper) -> Self::Value;
}

/// What the ids of a document stand for.
pub(in crate::vulnerabilities) struct Products<T> {
    products: BTreeMap<String, T>,
    groups: BTreeMap<String, Vec<String>>,
}

/// A product that is part of others, the innermost first.
struct Link {
    id: String,
    own: Helper,
    part: String,
    wholes: Vec<String>,
}

impl Link {
    fn references(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.part).chain(&self.wholes)
    }
}

impl<T: Clone> Products<T> {
    /// Reads a tree.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn of<M: Make<Value = T>>(tree: Tree, make: &M) -> Result<Self, TreeError> {
        let mut alone = tree.full_product_names.unwrap_or_default();
        collect(tree.branches.unwrap_or_default(), &mut alone);
        let links = links(tree.relationships, tree.product_paths);
        defined_once(&alone, &links)?;
        let of_one = |one: Product| {
            let value = make.alone(&one.helper.unwrap_or_default());
            (one.product_id, value)
        };
        let mut all =
            Self { products: alone.into_iter().map(of_one).collect(), groups: BTreeMap::new() };
        all.join(links, make)?;
        for group in tree.product_groups.unwrap_or_default() {
            for product in &group.product_ids {
                all.defined("a product group", product)?;
            }
            if all.groups.insert(group.group_id.clone(), group.product_ids).is_some() {
                return Err(TreeError::Twice(shown(&group.group_id)));
            }
        }
        Ok(all)
    }

    /// Makes what is part of something, each after all that it is made of.
    fn join<M: Make<Value = T>>(&mut self, links: Vec<Link>, make: &M) -> Result<(), TreeError> {
        let (mut waiting, mut open) = (BTreeMap::<&str, Vec<usize>>::new(), Vec::new());
        let mut ready = Vec::new();
        for (place, link) in links.iter().enumerate() {
            let on: BTreeSet<&String> =
                link.references().filter(|id| !self.products.contains_key(*id)).collect();
            open.push(on.len());
            if on.is_empty() {
                ready.push(place);
            }
            for id in on {
                waiting.entry(id).or_default().push(place);
            }
        }
        let mut made = 0;
        while let Some(place) = ready.pop() {
            let Some(link) = links.get(place) else { continue };
            let value = self.joined(link, make)?;
            self.products.insert(link.id.clone(), value);
            made += 1;
            for next in waiting.remove(link.id.as_str()).unwrap_or_default() {
                let Some(left) = open.get_mut(next) else { continue };
                *left -= 1;
                if *left == 0 {
                    ready.push(next);
                }
            }
        }
        match links.iter().find(|link| !self.products.contains_key(&link.id)) {
            Some(link) if made < links.len() => Err(TreeError::Circle(shown(&link.id))),
            _ => Ok(()),
        }
    }

    fn joined<M: Make<Value = T>>(&self, link: &Link, make: &M) -> Result<T, TreeError> {
        let nothing = Helper::default();
        let mut value = self.defined("a relationship", &link.part)?.clone();
        let last = link.wholes.len().saturating_sub(1);
        for (place, whole) in link.wholes.iter().enumerate() {
            let own = if place == last { &link.own } else { &nothing };
            value = make.within(&value, self.defined("a relationship", whole)?, own);
        }
        Ok(value)
    }

    /// What an id stands for.
    ///
    /// # Errors
    /// It is not defined; `what` is who uses it.
    pub fn defined(&self, what: &'static str, id: &str) -> Result<&T, TreeError> {
        self.products.get(id).ok_or_else(|| undefined(what, id))
    }

    /// Ids that a list of ids and a list of groups name.
    ///
    /// # Errors
    /// One is not defined; `what` is who uses it.
    pub fn named<'n>(
        &'n self,
        what: &'static str,
        products: Option<&'n [String]>,
        groups: Option<&'n [String]>,
    ) -> Result<BTreeSet<&'n str>, TreeError> {
        let mut named = BTreeSet::new();
        for id in products.unwrap_or_default() {
            self.defined(what, id)?;
            named.insert(id.as_str());
        }
        for group in groups.unwrap_or_default() {
            let members = self.groups.get(group).ok_or_else(|| undefined(what, group))?;
            named.extend(members.iter().map(String::as_str));
        }
        Ok(named)
    }

    /// That all that a vulnerability speaks about is defined.
    ///
    /// # Errors
    /// Something is not.
    pub fn check(&self, vulnerability: &Vulnerability) -> Result<(), TreeError> {
        let ids = |what, list: Option<&[String]>| self.named(what, list, None).map(drop);
        for list in vulnerability.product_status.iter().flat_map(BTreeMap::values) {
            ids("a product status", Some(list))?;
        }
        for one in vulnerability.scores.iter().flatten() {
            ids("a score", one.products.as_deref())?;
        }
        for one in vulnerability.metrics.iter().flatten() {
            ids("a metric", one.products.as_deref())?;
        }
        for one in vulnerability.remediations.iter().flatten() {
            self.named("a remediation", one.product_ids.as_deref(), one.group_ids.as_deref())?;
        }
        for one in vulnerability.notes.iter().flatten() {
            self.named("a note", one.product_ids.as_deref(), one.group_ids.as_deref())?;
        }
        for one in vulnerability.flags.iter().flatten() {
            self.named("a flag", one.product_ids.as_deref(), one.group_ids.as_deref())?;
        }
        for one in vulnerability.threats.iter().flatten() {
            self.named("a threat", one.product_ids.as_deref(), one.group_ids.as_deref())?;
        }
        Ok(())
    }
}

/// Products at the ends of branches. They are as deep as JSON may be, which is bounded.
fn collect(branches: Vec<Branch>, products: &mut Vec<Product>) {
    for branch in branches {
        products.extend(branch.product);
        collect(branch.branches.unwrap_or_default(), products);
    }
}

fn links(
    relationships: Option<Vec<super::wire::Relationship>>,
    paths: Option<Vec<super::wire::Path>>,
) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    links.extend(relationships.into_iter().flatten().map(|one| Link {
        id: one.full_product_name.product_id,
        own: one.full_product_name.helper.unwrap_or_default(),
        part: one.product_reference,
        wholes: vec![one.relates_to_product_reference],
    }));
    links.extend(paths.into_iter().flatten().map(|one| Link {
        id: one.full_product_name.product_id,
        own: one.full_product_name.helper.unwrap_or_default(),
        part: one.beginning_product_reference,
        wholes: one.subpaths.into_iter().map(|next| next.next_product_reference).collect(),
    }));
    links
}

/// That each id is defined once, and each that a part is made of at all.
fn defined_once(alone: &[Product], links: &[Link]) -> Result<(), TreeError> {
    if alone.len() + links.len() > MOST {
        return Err(TreeError::TooMany);
    }
    let mut ids = HashSet::new();
    let all = alone.iter().map(|one| &one.product_id).chain(links.iter().map(|link| &link.id));
    for id in all {
        if !ids.insert(id) {
            return Err(TreeError::Twice(shown(id)));
        }
    }
    match links.iter().flat_map(Link::references).find(|id| !ids.contains(id)) {
        Some(id) => Err(undefined("a relationship", id)),
        None => Ok(()),
    }
}

/// What a package URL of rpm names.
pub(in crate::vulnerabilities) enum Rpm {
    /// A package.
    Package {
        /// Its URL.
        url: PackageUrl<'static>,
        /// Module and stream that it is built for.
        module: Option<String>,
    },
    /// A module, by name and stream.
    Module(String),
}

impl Rpm {
    /// Reads a package URL: `pkg:rpm/redhat/nodejs?rpmmod=nodejs:18`, `pkg:rpmmod/redhat/nodejs@18:…`, and
    /// `pkg:rpmmod/redhat/nodejs:18/nodejs`, which is a package of a module.
    pub fn of(purl: &str) -> Option<Self> {
        let url = PackageUrl::from_str(purl).ok()?;
        if url.ty() == "rpm" {
            let module = url.qualifiers().get("rpmmod").and_then(|text| stream(text));
            return Some(Self::Package { module, url });
        }
        (url.ty() == "rpmmod").then_some(())?;
        let of_package = url.namespace().and_then(|spaces| {
            let (vendor, module) = spaces.split_once('/').unwrap_or(("", spaces));
            Some((vendor, stream(module)?))
        });
        let Some((vendor, module)) = of_package else {
            return stream(&format!("{}:{}", url.name(), url.version()?)).map(Self::Module);
        };
        let mut package = PackageUrl::new("rpm", url.name().to_owned()).ok()?;
        if !vendor.is_empty() {
            package.with_namespace(vendor.to_owned()).ok()?;
        }
        if let Some(version) = url.version() {
            package.with_version(version.to_owned()).ok()?;
        }
        Some(Self::Package { url: package, module: Some(module) })
    }
}

/// Name and stream of a module: `nodejs:18:8090020240301110609:a75119d5` is `nodejs:18`.
pub(in crate::vulnerabilities) fn stream(text: &str) -> Option<String> {
    let text = text.rsplit_once('/').map_or(text, |(_, last)| last);
    let mut parts = text.split(':');
    let (name, stream) = (parts.next()?, parts.next()?);
    (!name.is_empty() && !stream.is_empty()).then(|| format!("{name}:{stream}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, limits::Limits};

    /// Makes the text of how a product is put together.
    struct Told;

    impl Make for Told {
        type Value = String;

        fn alone(&self, helper: &Helper) -> String {
            helper.purls().chain(&helper.cpe).cloned().collect::<Vec<_>>().join("+")
        }

        fn within(&self, part: &String, whole: &String, own: &Helper) -> String {
            format!("({part} in {whole}){}", self.alone(own))
        }
    }

    fn tree(text: &str) -> Result<BTreeMap<String, String>, String> {
        let limits = Limits::default();
        let read: Tree = json::check(text.as_bytes(), limits.advisory()).unwrap().read().unwrap();
        Products::of(read, &Told).map(|all| all.products).map_err(|error| error.to_string())
    }

    fn relation(id: &str, part: &str, whole: &str) -> String {
        format!(
            r#"{{"category":"default_component_of","full_product_name":{{"name":"x","product_id":"{id}"}},"product_reference":"{part}","relates_to_product_reference":"{whole}"}}"#
        )
    }

    const ALONE: &str = r#""full_product_names":[{"product_id":"os","product_identification_helper":{"cpe":"C"}},
        {"product_id":"m","product_identification_helper":{"purl":"M"}},{"product_id":"p","product_identification_helper":{"purls":["P","Q"]}}]"#;

    #[test]
    fn products_are_made_of_products_in_any_order() {
        let cases = [
            (vec![relation("os:p", "p", "os")], "os:p", "(P+Q in C)"),
            (
                vec![relation("os:m:p", "p", "os:m"), relation("os:m", "m", "os")],
                "os:m:p",
                "(P+Q in (M in C))",
            ),
            (
                vec![relation("os:m", "m", "os"), relation("os:m:p", "p", "os:m")],
                "os:m:p",
                "(P+Q in (M in C))",
            ),
            (vec![relation("x", "m:p", "os"), relation("m:p", "p", "m")], "x", "((P+Q in M) in C)"),
            (vec![relation("p:p", "p", "p")], "p:p", "(P+Q in P+Q)"),
        ];
        for (relations, id, want) in cases {
            let text = format!(r#"{{{ALONE},"relationships":[{}]}}"#, relations.join(","));
            assert_eq!(tree(&text).unwrap()[id], want, "{text}");
        }
        let path = r#""product_paths":[{"beginning_product_reference":"p","full_product_name":{"name":"x","product_id":"all"},
            "subpaths":[{"category":"installed_on","next_product_reference":"m"},{"category":"installed_on","next_product_reference":"os"}]}]"#;
        assert_eq!(tree(&format!("{{{ALONE},{path}}}")).unwrap()["all"], "((P+Q in M) in C)");
        let own = r#"{"full_product_name":{"product_id":"os:p","product_identification_helper":{"purl":"O"}},"product_reference":"p","relates_to_product_reference":"os"}"#;
        let own = format!(r#"{{{ALONE},"relationships":[{own}]}}"#);
        assert_eq!(tree(&own).unwrap()["os:p"], "(P+Q in C)O");
    }

    #[test]
    fn branches_are_read_as_deep_as_json_may_be() {
        let mut text =
            r#"{"product":{"product_id":"deep","product_identification_helper":{"purl":"D"}}}"#
                .to_owned();
        for _ in 0..45 {
            text = format!(r#"{{"name":"x","category":"vendor","branches":[{text}]}}"#);
        }
        assert_eq!(tree(&format!(r#"{{"branches":[{text}]}}"#)).unwrap()["deep"], "D");
    }

    #[test]
    fn what_nobody_can_know_is_refused() {
        let cases = [
            (
                vec![relation("a", "p", "nowhere")],
                "a relationship refers to nowhere, which the document does not define",
            ),
            (vec![relation("p", "m", "os")], "p is defined twice"),
            (vec![relation("a", "a", "os")], "a is part of itself"),
            (vec![relation("a", "p", "b"), relation("b", "a", "os")], "a is part of itself"),
        ];
        for (relations, want) in cases {
            let text = format!(r#"{{{ALONE},"relationships":[{}]}}"#, relations.join(","));
            assert_eq!(tree(&text).unwrap_err(), want);
        }
        let group = r#"{"group_id":"g","product_ids":["p"]}"#;
        let twice = format!(r#"{{{ALONE},"product_groups":[{group},{group}]}}"#);
        assert_eq!(tree(&twice).unwrap_err(), "g is defined twice");
    }

    #[test]
    fn modules_have_package_urls_of_several_forms() {
        let told = |purl: &str| match Rpm::of(purl) {
            Some(Rpm::Package { url, module }) => format!(
                "{} {} {}",
                url.name(),
                url.version().unwrap_or("-"),
                module.unwrap_or_default()
            ),
            Some(Rpm::Module(module)) => format!("module {module}"),
            None => String::new(),
        };
        for (purl, want) in [
            (
                "pkg:rpm/redhat/nodejs@1.2-3.el8?arch=src&rpmmod=nodejs:18:809:a7",
                "nodejs 1.2-3.el8 nodejs:18",
            ),
            ("pkg:rpm/redhat/openssl", "openssl - "),
            ("pkg:rpmmod/redhat/nodejs@18:8090020240301110609:a75119d5", "module nodejs:18"),
            ("pkg:rpmmod/redhat/nodejs@18%3A809%3Aa7", "module nodejs:18"),
            ("pkg:rpmmod/redhat/nodejs:18/nodejs-nodemon", "nodejs-nodemon - nodejs:18"),
            ("pkg:rpmmod/redhat/nodejs", ""),
            ("pkg:oci/ubi9", ""),
            ("no url", ""),
        ] {
            assert_eq!(told(purl), want, "{purl}");
        }
    }
}
