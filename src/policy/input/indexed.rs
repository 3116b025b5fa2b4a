//! Makes the index of what is in the root filesystem.
//!
//! Turns packages and what SBOMs list into lists of names as settings know them, groups of packages that say the same of their
//! licences, and the places that package URLs name. An interpreter takes some microseconds for each package and rule; with these it
//! takes them for each list and group. The shipped rules compute the same from the packages where an input has no index, and a test
//! holds both against each other. An input that was saved without one gets it when it is judged ([`Saved`]).

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use serde::Serialize;
use serde_json::Value;

use super::{
    index::{IndexInput, LicensedInput, PlaceInput},
    inventory::{InventoryInput, PackageInput},
    licences::LicencesInput,
    sbom::{ComponentInput, SbomInput},
};

/// Lists of names by how they begin.
type Names<'a> = BTreeMap<String, Vec<Cow<'a, str>>>;

/// An index that borrows from what it is made of; `L` is what packages say of their licences.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index<'a, L> {
    names: Names<'a>,
    ecosystems: BTreeMap<&'a str, usize>,
    licences: Vec<Licensed<'a, L>>,
    places: Vec<Place<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Licensed<'a, L> {
    side: &'a str,
    licences: &'a L,
    names: Vec<&'a str>,
    versions: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place<'a> {
    package: String,
    place: &'a str,
}

/// What makes a name.
struct Named<'a> {
    ecosystem: Option<&'a str>,
    name: &'a str,
    version: Option<&'a str>,
    purl: Option<&'a str>,
}

/// What an SBOM lists.
struct Listed<'a> {
    scope: &'a str,
    named: Named<'a>,
}

/// A package.
struct Row<'a, L> {
    named: Named<'a>,
    version: &'a str,
    ecosystem: &'a str,
    side: &'a str,
    licences: &'a L,
}

impl<'a> Named<'a> {
    /// The name that settings know it by. A slash that whoever wrote a version left in it would end what a star matches.
    fn known(&self) -> Cow<'a, str> {
        match self.purl {
            Some(purl) => encoded(without_qualifiers(purl)),
            None => self.by_name().into(),
        }
    }
}

impl Named<'_> {
    /// What has no package URL has a name all the same, which is no package URL where nobody knows of which type it is.
    fn by_name(&self) -> String {
        let named = match self.ecosystem {
            Some(ecosystem) => format!("pkg:{ecosystem}/{}", self.name),
            None => format!("name:{}", self.name),
        };
        let named = named.replace("/@", "/%40");
        match self.version {
            Some(version) => format!("{named}@{}", version.replace('/', "%2F")),
            None => named,
        }
    }
}

/// A package URL up to its qualifiers, which stand on its last line.
fn without_qualifiers(purl: &str) -> &str {
    let line = purl.rfind('\n').map_or(0, |at| at + 1);
    let tail = purl.get(line..).unwrap_or_default();
    let end = tail.bytes().position(|byte| byte == b'?' || byte == b'#');
    end.and_then(|at| purl.get(..line + at)).unwrap_or(purl)
}

/// A name whose version has no slash. The @ of a scope has a slash before it.
fn encoded(name: &str) -> Cow<'_, str> {
    let bytes = name.as_bytes();
    let mut ats = name.match_indices('@').map(|(at, _)| at);
    let at = ats.find(|at| *at > 0 && bytes.get(at - 1) != Some(&b'/'));
    match at.and_then(|at| name.split_at_checked(at)) {
        Some((before, rest)) if rest.contains('/') => {
            format!("{before}{}", rest.replace('/', "%2F")).into()
        }
        _ => name.into(),
    }
}

/// Places that the qualifiers of a package URL name.
fn places(purl: &str) -> impl Iterator<Item = &str> {
    let line = purl.rfind('\n').map_or(0, |at| at + 1);
    let tail = purl.get(line..).unwrap_or_default();
    let purl = tail.find('#').and_then(|at| purl.get(..line + at)).unwrap_or(purl);
    let qualifiers = purl.split_once('?').map_or("", |(_, qualifiers)| qualifiers);
    qualifiers.split('&').filter_map(|pair| {
        let (key, place) = pair.split_once('=').unwrap_or((pair, ""));
        ["repository_url", "download_url", "vcs_url"].contains(&key).then_some(place)
    })
}

fn add<'a>(names: &mut Names<'a>, name: Cow<'a, str>) {
    let end = name.rfind('/').map_or(0, |at| at + 1);
    let beginning = name.get(..end).unwrap_or_default();
    match names.get_mut(beginning) {
        Some(list) => list.push(name),
        None => drop(names.insert(beginning.to_owned(), vec![name])),
    }
}

/// Groups of packages that say the same of their licences, while they are made.
struct Groups<'a, L> {
    all: Vec<Licensed<'a, L>>,
    by_licences: HashMap<(&'a str, &'a L), usize>,
    /// Groups that were found last: comparing with them takes less than finding one by all that packages say.
    last: [usize; 4],
}

impl<'a, L: Hash + Eq> Groups<'a, L> {
    fn new() -> Self {
        Self { all: Vec::new(), by_licences: HashMap::new(), last: [0; 4] }
    }

    fn add(&mut self, row: &Row<'a, L>) {
        let is_its =
            |group: &Licensed<'a, L>| group.side == row.side && group.licences == row.licences;
        let last = self.last.iter().copied().find(|at| self.all.get(*at).is_some_and(is_its));
        let at = last.unwrap_or_else(|| self.find(row));
        if let Some(group) = self.all.get_mut(at) {
            group.names.push(row.named.name);
            group.versions.push(row.version);
        }
    }

    fn find(&mut self, row: &Row<'a, L>) -> usize {
        let (side, licences, all) = (row.side, row.licences, &mut self.all);
        let at = *self.by_licences.entry((side, licences)).or_insert_with(|| {
            all.push(Licensed { side, licences, names: Vec::new(), versions: Vec::new() });
            all.len() - 1
        });
        self.last.rotate_right(1);
        self.last[0] = at;
        at
    }
}

/// An index while it is made.
struct Making<'a, L> {
    names: Names<'a>,
    ecosystems: BTreeMap<&'a str, usize>,
    groups: Groups<'a, L>,
    places: Vec<Place<'a>>,
}

impl<'a, L: Hash + Eq> Making<'a, L> {
    fn new() -> Self {
        Self {
            names: Names::new(),
            ecosystems: BTreeMap::new(),
            groups: Groups::new(),
            places: Vec::new(),
        }
    }

    fn add(&mut self, row: &Row<'a, L>) {
        let name = row.named.known();
        let purl = row.named.purl.filter(|purl| purl.contains('?')).unwrap_or_default();
        self.places.extend(places(purl).map(|place| Place { package: name.to_string(), place }));
        add(&mut self.names, name);
        *self.ecosystems.entry(row.ecosystem).or_default() += 1;
        self.groups.add(row);
    }

    fn made(self) -> Index<'a, L> {
        let Self { names, ecosystems, groups, places } = self;
        Index { names, ecosystems, licences: groups.all, places }
    }
}

/// The names that an index has, in its order. An SBOM mostly lists packages in the order of their database: the name behind the one
/// that was found last is looked at before any is looked up.
struct Known<'a> {
    names: Vec<&'a str>,
    places: OnceCell<HashMap<&'a str, usize>>,
    next: usize,
}

impl<'a> Known<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        Self { names: names.collect(), places: OnceCell::new(), next: 0 }
    }

    fn has(&mut self, name: &str) -> bool {
        let at = match self.names.get(self.next) {
            Some(next) if *next == name => Some(self.next),
            _ => {
                let places = || self.names.iter().enumerate().map(|(at, name)| (*name, at));
                self.places.get_or_init(|| places().collect()).get(name).copied()
            }
        };
        self.next = at.map_or(self.next, |at| at + 1);
        at.is_some()
    }
}

/// Names of what an SBOM lists for running, without those that the index has; `None` where one is nothing that has a name.
fn beyond<'a>(
    known: &mut Known<'_>,
    listed: impl Iterator<Item = Option<Listed<'a>>>,
) -> Option<Names<'a>> {
    let mut names = Names::new();
    known.next = 0;
    for one in listed {
        let Listed { scope, named } = one?;
        let name = named.known();
        if scope == "runtime" && !known.has(&name) {
            add(&mut names, name);
        }
    }
    Some(names)
}

fn owned(names: Names<'_>) -> BTreeMap<String, Vec<String>> {
    let lists = names.into_iter();
    lists.map(|(k, list)| (k, list.into_iter().map(Cow::into_owned).collect())).collect()
}

impl IndexInput {
    fn of(packages: &[PackageInput]) -> Self {
        let mut making = Making::new();
        packages.iter().for_each(|package| making.add(&Row::of(package)));
        let Index { names, ecosystems, licences, places } = making.made();
        let texts = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let licensed = |group: Licensed<'_, LicencesInput>| LicensedInput {
            side: group.side.to_owned(),
            licences: group.licences.clone(),
            names: texts(group.names),
            versions: texts(group.versions),
        };
        let place =
            |Place { package, place }: Place<'_>| PlaceInput { package, place: place.to_owned() };
        Self {
            names: owned(names),
            ecosystems: ecosystems.into_iter().map(|(k, n)| (k.to_owned(), n)).collect(),
            licences: licences.into_iter().map(licensed).collect(),
            places: places.into_iter().map(place).collect(),
        }
    }
}

/// Puts the index into an inventory, and beside what SBOMs list for running the names that it has not.
pub(super) fn index(inventory: Option<&mut InventoryInput>, sboms: &mut [SbomInput]) {
    let index = inventory.map(|inventory| {
        let made = IndexInput::of(&inventory.packages);
        &*inventory.index.insert(made)
    });
    let known = index.into_iter().flat_map(|index| index.names.values().flatten());
    let mut known = Known::of(known.map(String::as_str));
    for sbom in sboms {
        sbom.names = beyond(&mut known, sbom.components.iter().map(Listed::of)).map(owned);
    }
}

impl<'a> Row<'a, LicencesInput> {
    fn of(one: &'a PackageInput) -> Self {
        let PackageInput { ecosystem, name, version, purl, side, licences, .. } = one;
        let purl = purl.as_deref();
        let named = Named { ecosystem: Some(ecosystem), name, version: Some(version), purl };
        Self { named, version, ecosystem, side, licences }
    }
}

impl<'a> Listed<'a> {
    fn of(one: &'a ComponentInput) -> Option<Self> {
        let named = Named {
            ecosystem: one.ecosystem.as_deref(),
            name: &one.name,
            version: one.version.as_deref(),
            purl: one.purl.as_deref(),
        };
        Some(Self { scope: &one.scope, named })
    }
}

/// Fields of a package or component in a saved input. They are looked at once, in the order in which they stand: looking each up takes as
/// long as all that is done with them.
#[derive(Default)]
struct Fields<'a> {
    ecosystem: Option<&'a Value>,
    name: Option<&'a Value>,
    version: Option<&'a Value>,
    purl: Option<&'a Value>,
    side: Option<&'a Value>,
    licences: Option<&'a Value>,
    scope: Option<&'a Value>,
}

impl<'a> Fields<'a> {
    fn of(one: &'a Value) -> Option<Self> {
        let mut fields = Self::default();
        for (key, value) in one.as_object()? {
            let field = match key.as_str() {
                "ecosystem" => &mut fields.ecosystem,
                "name" => &mut fields.name,
                "version" => &mut fields.version,
                "purl" => &mut fields.purl,
                "side" => &mut fields.side,
                "licences" => &mut fields.licences,
                "scope" => &mut fields.scope,
                _ => continue,
            };
            *field = Some(value);
        }
        Some(fields)
    }

    /// What makes the name; `None` where it is not of the form that hallmark writes.
    fn named(&self) -> Option<Named<'a>> {
        Some(Named {
            ecosystem: optional(self.ecosystem?)?,
            name: self.name?.as_str()?,
            version: optional(self.version?)?,
            purl: optional(self.purl?)?,
        })
    }

    fn listed(&self) -> Option<Listed<'a>> {
        Some(Listed { scope: self.scope?.as_str()?, named: self.named()? })
    }

    fn row(&self) -> Option<Row<'a, Value>> {
        let named = self.named()?;
        Some(Row {
            version: named.version?,
            ecosystem: named.ecosystem?,
            named,
            side: self.side?.as_str()?,
            licences: self.licences?,
        })
    }
}

/// A text or null.
fn optional(value: &Value) -> Option<Option<&str>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text)),
        _ => None,
    }
}

/// The index of an input that was saved without one.
#[derive(Debug)]
pub(crate) struct Saved<'a> {
    /// That of the inventory.
    pub(crate) index: Index<'a, Value>,
    /// Names that each SBOM adds.
    pub(crate) names: Vec<Names<'a>>,
}

impl<'a> Saved<'a> {
    /// Makes it; `None` where the input has one or is not as hallmark writes it: then rules see what is there, and ask each package.
    pub(crate) fn of(input: &'a Value) -> Option<Self> {
        let inventory = input.get("inventory")?.as_object()?;
        let sboms = input.get("sboms")?.as_array()?;
        if inventory.contains_key("index") || sboms.iter().any(|sbom| sbom.get("names").is_some()) {
            return None;
        }
        let mut making = Making::new();
        for package in inventory.get("packages")?.as_array()? {
            making.add(&Fields::of(package)?.row()?);
        }
        let index = making.made();
        let mut known = Known::of(index.names.values().flatten().map(AsRef::as_ref));
        let mut names = |sbom: &'a Value| {
            let listed = sbom.get("components")?.as_array()?.iter();
            beyond(&mut known, listed.map(|one| Fields::of(one)?.listed()))
        };
        let names = sboms.iter().map(&mut names).collect::<Option<Vec<_>>>()?;
        Some(Self { names, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_package_url_without_what_follows_its_version() {
        let known = |purl: &str| {
            let named = Named { ecosystem: None, name: "", version: None, purl: Some(purl) };
            named.known().into_owned()
        };
        for (purl, name) in [
            ("pkg:deb/debian/a@1?arch=amd64", "pkg:deb/debian/a@1"),
            ("pkg:npm/a@1#src?x", "pkg:npm/a@1"),
            ("pkg:npm/%40s/a@1", "pkg:npm/%40s/a@1"),
            ("pkg:npm/@s/a@1/2", "pkg:npm/@s/a@1%2F2"),
            ("pkg:npm/@s/a", "pkg:npm/@s/a"),
            ("@s/a", "@s/a"),
            ("é@1/2", "é@1%2F2"),
            ("a@b@c/d", "a@b@c%2Fd"),
            ("a?b\nc#d", "a?b\nc"),
            ("a?b\n", "a?b\n"),
            ("", ""),
        ] {
            assert_eq!(known(purl), name, "{purl:?}");
        }
        let bare = |ecosystem, version| Named { ecosystem, name: "a", version, purl: None }.known();
        assert_eq!(bare(Some("deb"), Some("1/2")), "pkg:deb/a@1%2F2");
        assert_eq!(bare(None, None), "name:a");
        assert_eq!(bare(None, Some("1/2")), "name:a@1%2F2");
    }

    #[test]
    fn places_are_what_three_qualifiers_name() {
        for (purl, want) in [
            (
                "pkg:npm/a@1?repository_url=https://r/?x=y&arch=z&vcs_url=git%2B",
                vec!["https://r/?x=y", "git%2B"],
            ),
            ("pkg:npm/a@1?download_url#x&vcs_url=y", vec![""]),
            ("pkg:npm/a@1#?vcs_url=y", vec![]),
            ("pkg:npm/a@1?myvcs_url=y&vcs_url2=z", vec![]),
            ("pkg:npm/a@1", vec![]),
        ] {
            assert_eq!(places(purl).collect::<Vec<_>>(), want, "{purl:?}");
        }
    }

    /// More groups than are compared before one is looked for.
    #[test]
    fn packages_that_say_the_same_are_one_group_in_whatever_order_they_come() {
        let licences: Vec<usize> = (0..10).collect();
        let text = |number: &usize| Box::leak(number.to_string().into_boxed_str()) as &str;
        let row = |licences| Row {
            named: Named {
                ecosystem: Some("deb"),
                name: text(licences),
                version: Some("1"),
                purl: None,
            },
            version: "1",
            ecosystem: "deb",
            side: if licences % 2 == 0 { "base" } else { "own" },
            licences,
        };
        let rows: Vec<_> = licences.iter().chain(licences.iter().rev()).map(row).collect();
        let mut making = Making::new();
        rows.iter().for_each(|row| making.add(row));
        let index = making.made();
        assert_eq!(index.licences.len(), 10);
        for group in &index.licences {
            assert_eq!(group.names, vec![text(group.licences); 2]);
        }
        assert_eq!(index.ecosystems, BTreeMap::from([("deb", 20)]));
    }

    #[test]
    fn known_names_are_found_in_whatever_order_they_are_asked_for() {
        let names = ["a", "b", "c", "d"];
        for asked in ["abcd", "dcba", "axbycz", "ddaa", "xabcd", "bd", ""] {
            let mut known = Known::of(names.into_iter());
            for name in asked.chars().map(String::from) {
                assert_eq!(known.has(&name), names.contains(&&*name), "{name} of {asked}");
            }
        }
    }

    #[test]
    fn an_input_that_is_not_as_hallmark_writes_it_gets_no_index() {
        let package = serde_json::json!({
            "ecosystem": "deb", "name": "a", "version": "1", "purl": null, "side": "own", "licences": {},
        });
        let mut input = serde_json::json!({
            "inventory": {"packages": [package]},
            "sboms": [{"components": [{"ecosystem": null, "name": "a", "version": null, "purl": "x", "scope": "runtime"}]}],
        });
        assert!(Saved::of(&input).is_some());
        for field in ["ecosystem", "name", "version", "purl", "side", "licences"] {
            let mut without = input.clone();
            without["inventory"]["packages"][0].as_object_mut().unwrap().remove(field);
            assert!(Saved::of(&without).is_none(), "{field}");
        }
        for pointer in [
            "/inventory",
            "/inventory/packages",
            "/inventory/packages/0",
            "/inventory/packages/0/version",
            "/sboms",
            "/sboms/0/components",
            "/sboms/0/components/0/scope",
            "/sboms/0/components/0/purl",
        ] {
            let mut odd = input.clone();
            *odd.pointer_mut(pointer).unwrap() = serde_json::json!(1);
            assert!(Saved::of(&odd).is_none(), "{pointer}");
        }
        input["inventory"]["index"] = serde_json::json!({});
        assert!(Saved::of(&input).is_none(), "what is there counts");
    }
}
