//! CSAF 2.0 and 2.1 documents of a distribution (Red Hat's VEX files and advisories), as records.
//!
//! Turns what a document calls affected and fixed of a platform with a CPE into records of packages. This is where
//! vulnerabilities without a fix are of distributions whose OSV records are updates. Products on other platforms, and
//! those without a package URL of an rpm, are left out: nothing in an image could be held against them. Refuses what
//! [`products`] refuses of the tree.

pub(super) mod products;
pub(super) mod wire;

use std::collections::BTreeMap;

use packageurl::PackageUrl;
use products::{Make, Products, Rpm, TreeError};
use wire::{Helper, Vulnerability, Wire};

use super::{
    cpe,
    ecosystem::Ecosystem,
    osv::{PackageRecord, Record, RecordError},
    record::{Advisory, Affected, Event, Rating},
    severity,
};
use crate::{
    json,
    limits::Limits,
    untrusted::{clean, misleads, shortened},
};

impl From<TreeError> for RecordError {
    fn from(error: TreeError) -> Self {
        Self::Document(error.to_string())
    }
}

/// Reads one document; there may be nothing in it that an image could be held against.
///
/// # Errors
/// It is no JSON of its form or of another version, its id is no word, or its tree is doubtful.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Record>, RecordError> {
    let wire: Wire = json::check(bytes, limits.advisory())?.read()?;
    if let Some(version) =
        wire.document.csaf_version.as_deref().filter(|_| !wire.document.is_known())
    {
        let version = clean(&shortened(version, 80));
        return Err(RecordError::Document(format!("CSAF version \"{version}\" is not read")));
    }
    let tracking = wire.document.tracking;
    let id = word(&tracking.id, "tracking id")?;
    let tree = Products::of(wire.product_tree.unwrap_or_default(), &Pieces)?;
    let mut advisory = Advisory {
        summary: shortened(&clean(&wire.document.title.unwrap_or_default()), 160),
        published: tracking.initial_release_date.map(|day| word(&day, "date")).transpose()?,
        id: id.clone(),
        ..Advisory::default()
    };
    let mut found: BTreeMap<Key, Said> = BTreeMap::new();
    for vulnerability in wire.vulnerabilities.unwrap_or_default() {
        tree.check(&vulnerability)?;
        advisory.ratings.extend(ratings(&vulnerability, &id));
        if let Some(cve) = vulnerability.cve.filter(|cve| *cve != id) {
            advisory.upstream.push(word(&cve, "cve")?);
        }
        for (status, products) in vulnerability.product_status.unwrap_or_default() {
            for product in &products {
                let piece = tree.defined("a product status", product)?;
                if let Some(part) = piece.part() {
                    found.entry(part.key()).or_default().note(&status, part);
                }
            }
        }
    }
    advisory.ratings.dedup();
    let packages = found.into_iter().filter_map(|(key, said)| said.record(key, &id));
    let packages: Vec<PackageRecord> = packages.collect();
    let modified = tracking.current_release_date.map(|day| word(&day, "date")).transpose()?;
    Ok((!packages.is_empty()).then_some(Record { advisory, modified, packages }))
}

fn ratings(wire: &Vulnerability, id: &str) -> Vec<Rating> {
    let scores = wire.scores.iter().flatten().filter_map(|score| score.cvss_v3.as_ref());
    let metrics = wire.metrics.iter().flatten().map(|metric| &metric.content);
    let newer = metrics.clone().filter_map(|content| content.cvss_v4.as_ref());
    let vectors = scores.chain(metrics.filter_map(|content| content.cvss_v3.as_ref()));
    let vectors = vectors.filter_map(|one| severity::rating("CVSS_V3", &one.vector, id)).take(1);
    let newer = newer.filter_map(|one| severity::rating("CVSS_V4", &one.vector, id)).take(1);
    let impacts = wire.threats.iter().flatten().filter(|threat| threat.category == "impact");
    vectors
        .chain(newer)
        .chain(impacts.filter_map(|one| severity::said(&one.details, "impact", id)).take(1))
        .collect()
}

/// What a product is, as far as an image could be held against it.
#[derive(Debug, Clone, Default)]
struct Piece {
    /// Ecosystem and release of a platform.
    platform: Option<String>,
    /// The package.
    url: Option<PackageUrl<'static>>,
    /// Module and stream.
    module: Option<String>,
}

struct Pieces;

impl Make for Pieces {
    type Value = Piece;

    fn alone(&self, helper: &Helper) -> Piece {
        let platform = helper.cpe.as_deref().and_then(cpe::platform);
        let platform = platform.filter(|one| one.vendor == "redhat").map(|one| one.product);
        let (url, module) = match helper.purls().find_map(|purl| Rpm::of(purl)) {
            Some(Rpm::Package { url, module }) => (Some(url), module),
            Some(Rpm::Module(module)) => (None, Some(module)),
            None => (None, None),
        };
        Piece { platform, url, module }
    }

    fn within(&self, part: &Piece, whole: &Piece, own: &Helper) -> Piece {
        let (own, part, whole) = (self.alone(own), part.clone(), whole.clone());
        Piece {
            // What names the two together names the package, and the platform is that of the whole.
            platform: whole.platform.or(own.platform).or(part.platform),
            url: own.url.or(part.url),
            module: own.module.or(part.module).or(whole.module),
        }
    }
}

impl Piece {
    /// The package on its platform, where both are known.
    fn part(&self) -> Option<Part> {
        let (release, url) = (self.platform.as_deref()?, self.url.as_ref()?);
        let qualifier = |key: &str| url.qualifiers().get(key).map(|value| value.to_string());
        let version = url.version().map(|version| match qualifier("epoch") {
            Some(epoch) => format!("{epoch}:{version}"),
            None => version.to_owned(),
        });
        let is_source = qualifier("arch").as_deref() == Some("src");
        let ecosystem = Ecosystem::parse(&format!("Red Hat:{release}"));
        let mut words =
            [Some(url.name()), version.as_deref(), Some(release), self.module.as_deref()]
                .into_iter()
                .flatten();
        let name = url.name().to_owned();
        let module = self.module.clone();
        words.all(is_word).then_some(Part {
            ecosystem,
            name,
            version: version.clone(),
            module,
            is_source,
        })
    }
}

/// What a record is of: ecosystem, name, module, and whether it is a source package.
type Key = (Ecosystem, String, Option<String>, bool);

/// A package on a platform.
struct Part {
    ecosystem: Ecosystem,
    name: String,
    version: Option<String>,
    module: Option<String>,
    is_source: bool,
}

impl Part {
    fn key(&self) -> Key {
        (self.ecosystem.clone(), self.name.clone(), self.module.clone(), self.is_source)
    }
}

/// What the statuses of a document say of one package.
#[derive(Default)]
struct Said {
    /// Whether every version is affected, as far as is known.
    all: bool,
    /// Versions that are named one by one.
    versions: Vec<String>,
    /// First versions that are affected.
    firsts: Vec<String>,
    /// Where it ends: fixes, and last versions that are affected.
    ends: Vec<Event>,
}

impl Said {
    /// Takes note of a status (3.2.3.9). What has a fix is named by the fix of each package, and not by that of its
    /// source; an update that is recommended is none, and what nobody knows yet is affected until somebody does.
    fn note(&mut self, status: &str, part: Part) {
        let Part { version, is_source, .. } = part;
        match (status, version) {
            ("known_affected" | "under_investigation" | "unknown", None) => self.all = true,
            ("known_affected" | "under_investigation" | "unknown", Some(version)) => {
                self.versions.push(version);
            }
            ("first_affected", Some(version)) => self.firsts.push(version),
            ("last_affected", Some(version)) => self.ends.push(Event::LastAffected(version)),
            ("fixed" | "first_fixed", Some(version)) if !is_source => {
                self.ends.push(Event::Fixed(version));
            }
            _ => {}
        }
    }

    fn record(mut self, key: Key, advisory: &str) -> Option<PackageRecord> {
        let (ecosystem, name, module, is_source) = key;
        for list in [&mut self.versions, &mut self.firsts] {
            list.sort_unstable();
            list.dedup();
        }
        let mut ranges = Vec::new();
        if self.all {
            ranges.push(vec![Event::Introduced("0".to_owned())]);
        }
        let firsts = match self.firsts.is_empty() {
            true => vec!["0".to_owned()],
            false => std::mem::take(&mut self.firsts),
        };
        let begin = || firsts.iter().cloned().map(Event::Introduced);
        if self.ends.is_empty() && firsts != ["0"] {
            ranges.push(begin().collect());
        }
        for end in self.ends {
            let range: Vec<Event> = begin().chain([end]).collect();
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        let affected = Affected {
            advisory: advisory.to_owned(),
            product: ecosystem.product.clone(),
            module,
            is_source,
            ranges,
            versions: self.versions,
            ..Affected::default()
        };
        let says = !affected.ranges.is_empty() || !affected.versions.is_empty();
        says.then_some(PackageRecord { ecosystem, name, affected })
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 512
        && !text.contains(|c: char| c.is_whitespace() || misleads(c))
}

fn word(text: &str, field: &'static str) -> Result<String, RecordError> {
    match is_word(text) {
        true => Ok(text.to_owned()),
        false => Err(RecordError::Word { field, found: clean(&shortened(text, 80)) }),
    }
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
        "vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"known_affected":["rhel9:compat"],"fixed":["app9:libs","app9:src"],"known_not_affected":["rhel9:box"]},
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

    /// A document of one vulnerability about a tree.
    fn document(version: &str, tree: &str, statuses: &str) -> String {
        format!(
            r#"{{"document":{{"csaf_version":"{version}","title":"a flaw","tracking":{{"id":"CVE-2024-1"}}}},
            "product_tree":{{{tree}}},"vulnerabilities":[{{"product_status":{{{statuses}}}}}]}}"#
        )
    }

    /// Label, name, module, and ranges or versions of each record.
    fn told(text: &str) -> Vec<String> {
        let packages = read_text(text).unwrap().map(|record| record.packages).unwrap_or_default();
        let ranges = |affected: &Affected| {
            let word = |event: &Event| match event {
                Event::Introduced(version) => format!("from {version}"),
                Event::Fixed(version) => format!("fixed {version}"),
                Event::LastAffected(version) => format!("last {version}"),
                Event::Limit(version) => format!("limit {version}"),
            };
            let all = affected
                .ranges
                .iter()
                .map(|range| range.iter().map(word).collect::<Vec<_>>().join(" "));
            all.chain(affected.versions.iter().cloned()).collect::<Vec<_>>().join("; ")
        };
        packages
            .iter()
            .map(|one| {
                let module = one.affected.module.clone().unwrap_or_default();
                format!(
                    "{} {} [{module}] {}",
                    one.ecosystem.label(),
                    one.name,
                    ranges(&one.affected)
                )
            })
            .collect()
    }

    fn product(id: &str, helper: &str) -> String {
        format!(
            r#"{{"name":"x","product_id":"{id}","product_identification_helper":{{{helper}}}}}"#
        )
    }

    fn relation(id: &str, part: &str, whole: &str) -> String {
        format!(
            r#"{{"full_product_name":{{"product_id":"{id}"}},"product_reference":"{part}","relates_to_product_reference":"{whole}"}}"#
        )
    }

    #[test]
    fn parts_of_modules_and_packages_by_themselves_are_not_left_out() {
        let os = product("el8", r#""cpe":"cpe:/o:redhat:enterprise_linux:8""#);
        let newer = product("el8", r#""cpe":"cpe:2.3:o:redhat:enterprise_linux:8:*:*:*:*:*:*:*""#);
        let module = product("m", r#""purl":"pkg:rpmmod/redhat/nodejs@18:809:a7""#);
        let rpm = product("p", r#""purl":"pkg:rpm/redhat/npm@8.1-2.el8?arch=x86_64""#);
        let bare = product("b", r#""purl":"pkg:rpm/redhat/npm""#);
        let names = |list: &[&str]| format!(r#""full_product_names":[{}]"#, list.join(","));
        let chain = [relation("el8:m:p", "p", "el8:m"), relation("el8:m", "m", "el8")].join(",");
        let inner = [relation("m:p", "p", "m"), relation("el8:m:p", "m:p", "el8")].join(",");
        let label = "Red Hat:enterprise_linux:8 npm";
        let fixed = r#""fixed":["el8:m:p"]"#;
        let in_module = format!("{label} [nodejs:18] from 0 fixed 8.1-2.el8");
        for (os, chain) in [(&os, &chain), (&newer, &chain), (&os, &inner)] {
            let tree = format!(r#"{},"relationships":[{chain}]"#, names(&[os, &module, &rpm]));
            assert_eq!(told(&document("2.0", &tree, fixed)), std::slice::from_ref(&in_module));
        }
        let own = r#"{"full_product_name":{"product_id":"el8:q","product_identification_helper":{"purl":"pkg:rpm/redhat/npm@8.1-2.el8"}},"product_reference":"q","relates_to_product_reference":"el8"}"#;
        let tree = format!(r#"{},"relationships":[{own}]"#, names(&[&os, &product("q", "")]));
        assert_eq!(
            told(&document("2.0", &tree, r#""fixed":["el8:q"]"#)),
            [format!("{label} [] from 0 fixed 8.1-2.el8")]
        );
        let both = product(
            "all",
            r#""cpe":"cpe:/o:redhat:enterprise_linux:8","purls":["pkg:rpm/redhat/npm@8.1-2.el8"]"#,
        );
        assert_eq!(
            told(&document("2.1", &names(&[&both]), r#""fixed":["all"]"#)),
            [format!("{label} [] from 0 fixed 8.1-2.el8")]
        );
        let path = r#""product_paths":[{"full_product_name":{"product_id":"x"},"beginning_product_reference":"p","subpaths":[{"next_product_reference":"m"},{"next_product_reference":"el8"}]}]"#;
        let tree = format!("{},{path}", names(&[&os, &module, &rpm]));
        assert_eq!(told(&document("2.1", &tree, r#""fixed":["x"]"#)), [in_module]);
        // Streams of a module are records of their own.
        let other = product("n", r#""purl":"pkg:rpmmod/redhat/nodejs@20:1:a""#);
        let links = ["m", "n"].map(|of| {
            [
                relation(&format!("el8:{of}"), of, "el8"),
                relation(&format!("el8:{of}:b"), "b", &format!("el8:{of}")),
            ]
            .join(",")
        });
        let tree = format!(
            r#"{},"relationships":[{}]"#,
            names(&[&os, &module, &other, &bare]),
            links.join(",")
        );
        let affected = r#""known_affected":["el8:m:b","el8:n:b"]"#;
        assert_eq!(
            told(&document("2.0", &tree, affected)),
            [format!("{label} [nodejs:18] from 0"), format!("{label} [nodejs:20] from 0")]
        );
    }

    #[test]
    fn each_status_says_what_the_standard_says() {
        let purl = |id: &str, version: &str| {
            product(
                id,
                &format!(
                    r#""cpe":"cpe:/o:redhat:enterprise_linux:8","purl":"pkg:rpm/redhat/npm{version}""#
                ),
            )
        };
        let names =
            [purl("1", "@1-1"), purl("2", "@2-1"), purl("3", "@3-1"), purl("any", "")].join(",");
        let tree = format!(r#""full_product_names":[{names}]"#);
        let cases = [
            (r#""known_affected":["any"]"#, Some("from 0")),
            (r#""known_affected":["1","2"]"#, Some("1-1; 2-1")),
            (r#""under_investigation":["any"]"#, Some("from 0")),
            (r#""unknown":["any"]"#, Some("from 0")),
            (r#""first_affected":["1"]"#, Some("from 1-1")),
            (r#""first_affected":["1"],"last_affected":["2"]"#, Some("from 1-1 last 2-1")),
            (
                r#""first_affected":["2"],"first_fixed":["3"],"known_affected":["1"]"#,
                Some("from 2-1 fixed 3-1; 1-1"),
            ),
            (r#""last_affected":["2"]"#, Some("from 0 last 2-1")),
            (r#""fixed":["3","any"]"#, Some("from 0 fixed 3-1")),
            (r#""known_not_affected":["any"],"recommended":["3"]"#, None),
        ];
        for (statuses, want) in cases {
            let want: Vec<String> = want
                .iter()
                .map(|want| format!("Red Hat:enterprise_linux:8 npm [] {want}"))
                .collect();
            assert_eq!(told(&document("2.1", &tree, statuses)), want, "{statuses}");
        }
    }

    #[test]
    fn what_is_not_defined_is_told_and_other_versions_are_refused() {
        let tree = r#""full_product_names":[{"product_id":"a"}]"#;
        let error = |text: &str| read_text(text).unwrap_err().to_string();
        assert_eq!(
            error(&document("2.0", tree, r#""known_affected":["a","b"]"#)),
            "a product status refers to b, which the document does not define"
        );
        assert_eq!(error(&document("3.0", tree, "")), "CSAF version \"3.0\" is not read");
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
