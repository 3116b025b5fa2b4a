//! The things that a result is about, read from its facts.
//!
//! Turns facts into things with the names by which a pattern may mean them. Facts that any rule may give: `package` with `version`, `purl`
//! and `packages` for components, `path` and `files` for paths, each taken as it is written. Some shipped rules write texts for people
//! instead, as `zlib 1.3 (MIT)`: each has its form here. Names and paths in them are an image's own words, so that a text which can be
//! read in two ways names nothing, and its result is not lifted. Name and version stay apart: a name may have an `@` of its own.

use serde_json::Value;

use crate::{
    policy::RuleResult,
    sbom::{canonical, name_and_version},
};

/// Something that a result is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Thing {
    /// Names of a component, each with its version, where it has one.
    pub(super) named: Vec<(String, Option<String>)>,
    /// What else means the component, as a whole: package URLs, and what a rule wrote without a version.
    pub(super) texts: Vec<String>,
    /// The path of a file.
    pub(super) paths: Vec<String>,
}

impl Thing {
    fn package(name: &str, version: Option<&str>) -> Self {
        let version = version.filter(|version| !version.is_empty()).map(str::to_owned);
        Self { named: vec![(name.to_owned(), version)], ..Self::default() }
    }

    fn text(text: &str) -> Self {
        Self { texts: vec![text.to_owned()], ..Self::default() }
    }

    fn path(path: &str) -> Self {
        Self { paths: vec![path.to_owned()], ..Self::default() }
    }
}

/// How a text of a rule is read; `None` where it names nothing for certain.
type Form = fn(&str) -> Option<Thing>;

/// Shipped rules whose facts are texts: package, code, fact, form.
const TEXTS: [(&str, &str, &str, Form); 16] = [
    ("hallmark.binding", "sbom-contradicts", "packages", contradicted),
    ("hallmark.components", "component-denied", "packages", purl),
    ("hallmark.components", "component-not-allowed", "packages", purl),
    ("hallmark.components", "component-source", "packages", sourced),
    ("hallmark.files", "tool-present", "files", tool),
    ("hallmark.licences", "licence-denied", "packages", licensed),
    ("hallmark.licences", "licence-unknown", "databases", bare_path),
    ("hallmark.licences", "licence-unknown", "packages", versioned),
    ("hallmark.malware", "malware-match", "matches", matched),
    ("hallmark.ownership", "contents-file-modified", "files", remarked_path),
    ("hallmark.ownership", "contents-file-self-recorded", "files", remarked_path),
    ("hallmark.ownership", "contents-package-hidden", "packages", of_ecosystem),
    ("hallmark.ownership", "contents-record-faded", "packages", of_ecosystem),
    ("hallmark.sbom_agrees", "sbom-package-ghost", "packages", unversioned),
    ("hallmark.sbom_agrees", "sbom-package-missing", "packages", versioned),
    ("hallmark.sbom_agrees", "sbom-version-mismatch", "packages", remarked_version),
];

/// What a result is about, in each way that its facts say it; each way names all that it is about.
pub(super) fn readings(result: &RuleResult) -> Vec<Vec<Thing>> {
    let is_meant = |row: &&(&str, &str, &str, Form)| {
        row.0 == result.package && row.1 == result.code && result.facts.contains_key(row.2)
    };
    match TEXTS.iter().find(is_meant) {
        Some((_, _, fact, form)) => listed(result, fact, *form).into_iter().collect(),
        None => [components(result), paths(result)].into_iter().flatten().collect(),
    }
}

fn listed(result: &RuleResult, fact: &str, form: Form) -> Option<Vec<Thing>> {
    result.facts.get(fact)?.as_array()?.iter().map(|item| form(item.as_str()?)).collect()
}

fn text<'r>(result: &'r RuleResult, fact: &str) -> Option<&'r str> {
    result.facts.get(fact).and_then(Value::as_str)
}

fn components(result: &RuleResult) -> Option<Vec<Thing>> {
    let version = text(result, "version");
    if let Some(url) = text(result, "purl") {
        let mut thing = purl(url).unwrap_or_default();
        for (_, its) in &mut thing.named {
            *its = its.take().or(version.filter(|version| !version.is_empty()).map(str::to_owned));
        }
        thing.named.extend(Thing::package(url, version).named);
        thing.texts.push(url.to_owned());
        // As shipped rules name it.
        let one = canonical(url, version);
        let bare = one.as_deref().and_then(|one| one.split('?').next());
        thing.texts.extend(bare.map(str::to_owned));
        return Some(vec![thing]);
    }
    match text(result, "package") {
        Some(name) if version.is_some() => Some(vec![Thing::package(name, version)]),
        Some(name) => Some(vec![Thing::text(name)]),
        None => listed(result, "packages", |name| Some(Thing::text(name))),
    }
}

fn paths(result: &RuleResult) -> Option<Vec<Thing>> {
    match text(result, "path") {
        Some(path) => Some(vec![Thing::path(path)]),
        None => listed(result, "files", bare_path),
    }
}

fn bare_path(text: &str) -> Option<Thing> {
    Some(Thing::path(text))
}

/// `NAME`.
fn unversioned(text: &str) -> Option<Thing> {
    Some(Thing::package(text, None))
}

/// `NAME VERSION`.
fn versioned(text: &str) -> Option<Thing> {
    let (name, version) = text.split_once(' ')?;
    (!name.is_empty() && !version.contains(' ')).then(|| Thing::package(name, Some(version)))
}

/// `NAME VERSION (LICENCES)`; an expression of SPDX has as many parentheses that open as that close.
fn licensed(text: &str) -> Option<Thing> {
    let (named, remark) = text.split_once(" (")?;
    let mut depth = 1_usize;
    let closes = remark.find(|c: char| {
        match c {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })?;
    (closes + 1 == remark.len()).then(|| versioned(named)).flatten()
}

/// What stands before the one remark in parentheses, which ends the text.
fn remarked(text: &str) -> Option<&str> {
    let (named, remark) = text.split_once(" (")?;
    (remark.ends_with(')') && !remark.contains(" (")).then_some(named)
}

/// `NAME VERSION (SBOM: VERSION)`.
fn remarked_version(text: &str) -> Option<Thing> {
    remarked(text).and_then(versioned)
}

/// `/PATH (PACKAGE, layer N)`.
fn remarked_path(text: &str) -> Option<Thing> {
    remarked(text).filter(|path| path.starts_with('/')).map(Thing::path)
}

/// `ECOSYSTEM NAME (EVIDENCE)`.
fn of_ecosystem(text: &str) -> Option<Thing> {
    let (_, name) = remarked(text)?.split_once(' ')?;
    (!name.contains(' ')).then(|| Thing::package(name, None))
}

/// `ECOSYSTEM/NAME (VERSION, VERSION)`.
fn contradicted(text: &str) -> Option<Thing> {
    let (_, name) = remarked(text)?.split_once('/')?;
    Some(Thing::package(name, None))
}

/// `/PATH (CLASS)` or `package NAME (CLASS)`; a class has no parentheses.
fn tool(text: &str) -> Option<Thing> {
    let (named, _) = text.strip_suffix(')')?.rsplit_once(" (")?;
    match named.strip_prefix("package ") {
        Some(name) => Some(Thing::package(name, None)),
        None => named.starts_with('/').then(|| Thing::path(named)),
    }
}

/// A package URL without qualifiers, which the rules cut, or the name of what has none.
fn purl(text: &str) -> Option<Thing> {
    if text.contains(['?', '#', ' ']) {
        return None;
    }
    if let Some(named) = text.strip_prefix("name:") {
        // A name may have an @ of its own: where the version begins nobody knows.
        let several = named.char_indices().filter(|(at, c)| *at > 0 && *c == '@').count() > 1;
        return (!several).then(|| Thing::text(text));
    }
    let (name, version) = name_and_version(text)?;
    Some(Thing { texts: vec![text.to_owned()], ..Thing::package(&name, version.as_deref()) })
}

/// `PURL from PLACE`.
fn sourced(text: &str) -> Option<Thing> {
    text.split_once(" from ").and_then(|(url, _)| purl(url))
}

/// `RULE (NAMESPACE) in /PATH of layer N`, perhaps with `, which a later layer deletes`. Nothing but the path has words of an image.
fn matched(text: &str) -> Option<Thing> {
    let text = text.strip_suffix(", which a later layer deletes").unwrap_or(text);
    let (text, _) = text.rsplit_once(" of layer ")?;
    let at = text.find(") in /")? + ") in ".len();
    text.get(at..).map(Thing::path)
}
