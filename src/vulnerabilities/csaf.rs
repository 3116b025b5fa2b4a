//! CSAF 2.0 documents of a distribution (Red Hat's VEX files and advisories), as records.
//!
//! Turns what a document calls affected and fixed of a platform with a CPE into records of packages. This is where
//! vulnerabilities without a fix are of distributions whose OSV records are updates. Products on other platforms, and
//! those without a package URL of an rpm, are left out: nothing in an image could be held against them.

use std::{collections::BTreeMap, str::FromStr as _};

use packageurl::PackageUrl;
use serde::Deserialize;

use super::{
    ecosystem::Ecosystem,
    osv::{PackageRecord, Record, RecordError},
    record::{Advisory, Affected, Event},
    severity,
};
use crate::{
    json,
    limits::Limits,
    untrusted::{clean, misleads, shortened},
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
    tracking: WireTracking,
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize)]
struct WireTracking {
    id: String,
    #[serde(default)]
    current_release_date: Option<String>,
    #[serde(default)]
    initial_release_date: Option<String>,
}

#[derive(Deserialize)]
struct WireTree {
    #[serde(default)]
    branches: Option<Vec<WireBranch>>,
    #[serde(default)]
    relationships: Option<Vec<WireRelationship>>,
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
    cpe: Option<String>,
    #[serde(default)]
    purl: Option<String>,
}

#[derive(Deserialize)]
struct WireRelationship {
    full_product_name: WireProduct,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct WireVulnerability {
    #[serde(default)]
    cve: Option<String>,
    #[serde(default)]
    product_status: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    scores: Option<Vec<WireScore>>,
    #[serde(default)]
    threats: Option<Vec<WireThreat>>,
}

#[derive(Deserialize)]
struct WireScore {
    #[serde(default)]
    cvss_v3: Option<WireVector>,
}

#[derive(Deserialize)]
struct WireVector {
    #[serde(rename = "vectorString")]
    vector: String,
}

#[derive(Deserialize)]
struct WireThreat {
    category: String,
    details: String,
}

/// Reads one document; there may be nothing in it that an image could be held against.
///
/// # Errors
/// It is no JSON of its form, or its id is no word.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Record>, RecordError> {
    let wire: Wire = json::check(bytes, limits.advisory())?.read()?;
    let tracking = wire.document.tracking;
    let id = word(&tracking.id, "tracking id")?;
    let tree = Tree::of(wire.product_tree);
    let mut advisory = Advisory {
        summary: shortened(&clean(&wire.document.title.unwrap_or_default()), 160),
        published: tracking.initial_release_date.map(|day| word(&day, "date")).transpose()?,
        id: id.clone(),
        ..Advisory::default()
    };
    let mut found: BTreeMap<(Ecosystem, String, bool), Affected> = BTreeMap::new();
    for vulnerability in wire.vulnerabilities.unwrap_or_default() {
        advisory.ratings.extend(ratings(&vulnerability, &id));
        if let Some(cve) = vulnerability.cve.filter(|cve| *cve != id) {
            advisory.upstream.push(word(&cve, "cve")?);
        }
        for (status, products) in vulnerability.product_status.unwrap_or_default() {
            for part in products.iter().filter_map(|id| tree.parts.get(id)) {
                let Some(range) = part.range(&status) else { continue };
                let key = (part.ecosystem.clone(), part.name.clone(), part.is_source);
                let affected = found.entry(key).or_insert_with(|| Affected {
                    advisory: id.clone(),
                    product: part.ecosystem.product.clone(),
                    module: part.module.clone(),
                    is_source: part.is_source,
                    ..Affected::default()
                });
                if !affected.ranges.contains(&range) {
                    affected.ranges.push(range);
                }
            }
        }
    }
    advisory.ratings.dedup();
    let packages = found.into_iter().map(|((ecosystem, name, _), affected)| PackageRecord {
        ecosystem,
        name,
        affected,
    });
    let packages: Vec<PackageRecord> = packages.collect();
    let modified = tracking.current_release_date.map(|day| word(&day, "date")).transpose()?;
    Ok((!packages.is_empty()).then_some(Record { advisory, modified, packages }))
}

fn ratings(wire: &WireVulnerability, id: &str) -> Vec<super::record::Rating> {
    let vectors = wire.scores.iter().flatten().filter_map(|score| score.cvss_v3.as_ref());
    let vectors = vectors.filter_map(|one| severity::rating("CVSS_V3", &one.vector, id)).take(1);
    let impacts = wire.threats.iter().flatten().filter(|threat| threat.category == "impact");
    vectors
        .chain(impacts.filter_map(|one| severity::said(&one.details, "impact", id)).take(1))
        .collect()
}

/// A package on a platform.
struct Part {
    ecosystem: Ecosystem,
    name: String,
    version: Option<String>,
    module: Option<String>,
    is_source: bool,
}

impl Part {
    /// The versions that a status is about. What has a fix is named by the fix of each package, and not by that of its
    /// source.
    fn range(&self, status: &str) -> Option<Vec<Event>> {
        let first = || Event::Introduced("0".to_owned());
        match (status, &self.version) {
            ("known_affected" | "under_investigation", None) => Some(vec![first()]),
            ("fixed", Some(version)) if !self.is_source => {
                Some(vec![first(), Event::Fixed(version.clone())])
            }
            _ => None,
        }
    }
}

/// The parts of a document by the ids of what they are on their platform.
struct Tree {
    parts: BTreeMap<String, Part>,
}

impl Tree {
    fn of(wire: Option<WireTree>) -> Self {
        let (mut helpers, mut parts) = (BTreeMap::new(), BTreeMap::new());
        let Some(wire) = wire else { return Self { parts } };
        collect(wire.branches.unwrap_or_default(), DEPTH, &mut helpers);
        for one in wire.relationships.unwrap_or_default() {
            let of = |id: &str| helpers.get(id);
            let platform =
                of(&one.relates_to_product_reference).and_then(|helper| helper.cpe.as_deref());
            let purl = of(&one.product_reference).and_then(|helper| helper.purl.as_deref());
            if let Some(part) = platform.zip(purl).and_then(|(cpe, purl)| part(cpe, purl)) {
                parts.insert(one.full_product_name.product_id, part);
            }
        }
        Self { parts }
    }
}

fn collect(branches: Vec<WireBranch>, depth: usize, helpers: &mut BTreeMap<String, WireHelper>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    for branch in branches {
        if let Some(product) = branch.product {
            let helper = product.product_identification_helper.unwrap_or_default();
            helpers.insert(product.product_id, helper);
        }
        collect(branch.branches.unwrap_or_default(), deeper, helpers);
    }
}

/// A package by its URL, on the platform of a CPE: `cpe:/o:redhat:enterprise_linux:9` is `Red Hat:enterprise_linux:9`.
fn part(cpe: &str, purl: &str) -> Option<Part> {
    let (_, release) = cpe.strip_prefix("cpe:/")?.split_once(":redhat:")?;
    let ecosystem = Ecosystem::parse(&format!("Red Hat:{release}"));
    let url = PackageUrl::from_str(purl).ok().filter(|url| url.ty() == "rpm")?;
    let qualifier = |key: &str| url.qualifiers().get(key).map(|value| value.to_string());
    let version = url.version().map(|version| match qualifier("epoch") {
        Some(epoch) => format!("{epoch}:{version}"),
        None => version.to_owned(),
    });
    let module = qualifier("rpmmod").and_then(|module| {
        let mut parts = module.split(':');
        Some(format!("{}:{}", parts.next()?, parts.next()?))
    });
    let is_source = qualifier("arch").as_deref() == Some("src");
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 512
            && !text.contains(|c: char| c.is_whitespace() || misleads(c))
    };
    let fine = plain(url.name()) && version.as_deref().is_none_or(plain) && plain(release);
    fine.then(|| Part { ecosystem, name: url.name().to_owned(), version, module, is_source })
}

fn word(text: &str, field: &'static str) -> Result<String, RecordError> {
    let fine = !text.is_empty()
        && text.len() <= 512
        && !text.contains(|c: char| c.is_whitespace() || misleads(c));
    let found = || clean(&shortened(text, 80));
    if fine { Ok(text.to_owned()) } else { Err(RecordError::Word { field, found: found() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VEX: &str = r#"{"document":{"csaf_version":"2.0","title":"openssl: a flaw","tracking":{"id":"CVE-2024-1","current_release_date":"2024-02-02T00:00:00+00:00"}},
        "product_tree":{"branches":[{"branches":[
            {"product":{"product_id":"rhel9","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:9"}}},
            {"product":{"product_id":"app9","product_identification_helper":{"cpe":"cpe:/a:redhat:enterprise_linux:9::appstream"}}},
            {"product":{"product_id":"compat","product_identification_helper":{"purl":"pkg:rpm/redhat/compat-openssl11?arch=src"}}},
            {"product":{"product_id":"libs","product_identification_helper":{"purl":"pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&epoch=1"}}},
            {"product":{"product_id":"src","product_identification_helper":{"purl":"pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src&epoch=1"}}},
            {"product":{"product_id":"box","product_identification_helper":{"purl":"pkg:oci/ubi9"}}}]}],
          "relationships":[
            {"full_product_name":{"product_id":"rhel9:compat"},"product_reference":"compat","relates_to_product_reference":"rhel9"},
            {"full_product_name":{"product_id":"app9:libs"},"product_reference":"libs","relates_to_product_reference":"app9"},
            {"full_product_name":{"product_id":"app9:src"},"product_reference":"src","relates_to_product_reference":"app9"},
            {"full_product_name":{"product_id":"rhel9:box"},"product_reference":"box","relates_to_product_reference":"rhel9"}]},
        "vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"known_affected":["rhel9:compat","rhel9:box"],"fixed":["app9:libs","app9:src"],"known_not_affected":["rhel9:x"]},
            "scores":[{"cvss_v3":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}}],"threats":[{"category":"impact","details":"Moderate"}]}]}"#;

    fn read_text(text: &str) -> Result<Option<Record>, RecordError> {
        read(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn what_has_no_fix_is_of_the_source_and_what_has_one_of_the_package() {
        let record = read_text(VEX).unwrap().unwrap();
        let told: Vec<_> = record
            .packages
            .iter()
            .map(|one| {
                let fixes: Vec<_> = one.affected.fixes().collect();
                (one.ecosystem.label(), one.name.as_str(), one.affected.is_source, fixes.join(" "))
            })
            .collect();
        let release = || "Red Hat:enterprise_linux:9".to_owned();
        let want = [
            (release(), "compat-openssl11", true, String::new()),
            (release(), "openssl-libs", false, "1:3.0.7-27.el9".to_owned()),
        ];
        assert_eq!(told, want);
        assert_eq!(record.advisory.ratings.len(), 2);
        assert_eq!(record.advisory.upstream, [""; 0]);
        let update = read_text(&VEX.replace(r#""id":"CVE-2024-1""#, r#""id":"RHSA-2024:1""#))
            .unwrap()
            .unwrap();
        assert_eq!(update.advisory.upstream, ["CVE-2024-1"]);
    }

    #[test]
    fn documents_without_packages_say_nothing_and_others_are_refused() {
        let bare = r#"{"document":{"tracking":{"id":"CVE-2024-1"}}}"#;
        assert_eq!(read_text(bare).unwrap(), None);
        assert_eq!(read_text(&VEX.replace("cpe:/", "cpe:2.3:")).unwrap(), None);
        assert!(read_text("{}").is_err());
        assert!(read_text(&bare.replace("CVE-2024-1", "CVE 1")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_record_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&bytes, &Limits::default());
        }
    }
}
