//! CycloneDX 1.2 to 1.7 (ECMA-424; `bom-1.N.schema.json` of each version), from the JSON that [`xml`] makes of XML, too.
//!
//! Turns `components`, nested ones too, into components. Leaves out `metadata.component` (it stands for what the document is
//! about), and types that no package database could list: operating systems, devices, cryptographic assets; files are kept by
//! path and digest. Refuses other versions, what [`valid`] says of the rest, and an identifier that two things share.

mod valid;
pub(super) mod xml;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    SbomError,
    model::{
        About, Completeness, Component, Element, ListedFile, PLACEHOLDERS, Sbom, Scope, Stated,
        UNPROVABLE_FILES, checksum,
    },
    purl::Purl,
    wire::Word,
};
use crate::{digest::Digest, json, limits::Limits};

const FORMAT: &str = "CycloneDX";
const VERSIONS: [&str; 6] = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];
/// 1.1 exists as XML alone.
const XML_VERSIONS: [&str; 7] = ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: Option<Word<'a>>,
    serial_number: Option<Word<'a>>,
    version: Option<Integer>,
    metadata: Option<&'a RawValue>,
    components: Option<Vec<Item<'a>>>,
    services: Option<Vec<Service<'a>>>,
    dependencies: Option<Vec<Dependency<'a>>>,
    compositions: Option<Vec<Composition<'a>>>,
    vulnerabilities: Option<Vec<IgnoredAny>>,
    annotations: Option<Vec<IgnoredAny>>,
    formulation: Option<Vec<IgnoredAny>>,
    external_references: Option<Vec<Reference<'a>>>,
    properties: Option<Vec<Property<'a>>>,
}

/// An integer of JSON Schema: a number without a fraction, so that `1.0` is one (draft 7, 6.1.1).
struct Integer {
    /// Whether it is 1 or more.
    counts: bool,
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let number = serde_json::Number::deserialize(deserializer)?;
        match number.as_f64() {
            // A whole number that is too large for it to be exact is none the less one.
            Some(value) if value.fract() == 0.0 => Ok(Self { counts: value >= 1.0 }),
            _ => Err(D::Error::custom(format_args!("the version {number} is no integer"))),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Metadata<'a> {
    timestamp: Option<Word<'a>>,
    tools: Option<Tools<'a>>,
    component: Option<Item<'a>>,
    authors: Option<Vec<Entity<'a>>>,
    manufacture: Option<Entity<'a>>,
    manufacturer: Option<Entity<'a>>,
    supplier: Option<Entity<'a>>,
    lifecycles: Option<Vec<Lifecycle<'a>>>,
    licenses: Option<Vec<Licence<'a>>>,
    properties: Option<Vec<Property<'a>>>,
    distribution_constraints: Option<Distribution<'a>>,
}

/// A list until 1.4, an object with components and services since 1.5. No untagged enum: serde would hold all of it first.
struct Tools<'a>(Vec<Tool<'a>>);

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct ToolsObject<'a> {
    components: Option<Vec<Tool<'a>>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Tools<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let said = json::Document::of_raw(raw);
        let read = if raw.get().starts_with('[') {
            said.read()
        } else {
            said.read().map(|ToolsObject { components }| components.unwrap_or_default())
        };
        read.map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Tool<'a> {
    name: Option<Word<'a>>,
    version: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Entity<'a> {
    name: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Lifecycle<'a> {
    phase: Option<Word<'a>>,
    name: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Distribution<'a> {
    tlp: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Item<'a> {
    #[serde(rename = "type")]
    kind: Word<'a>,
    #[serde(rename = "bom-ref")]
    id: Option<Word<'a>>,
    group: Option<Word<'a>>,
    name: Word<'a>,
    version: Option<Word<'a>>,
    version_range: Option<Word<'a>>,
    is_external: Option<bool>,
    scope: Option<Word<'a>>,
    purl: Option<Word<'a>>,
    cpe: Option<Word<'a>>,
    swid: Option<Swid<'a>>,
    omnibor_id: Option<IgnoredAny>,
    swhid: Option<IgnoredAny>,
    supplier: Option<Entity<'a>>,
    manufacturer: Option<Entity<'a>>,
    publisher: Option<Word<'a>>,
    author: Option<Word<'a>>,
    authors: Option<Vec<Entity<'a>>>,
    hashes: Option<Vec<Hash<'a>>>,
    licenses: Option<Vec<Licence<'a>>>,
    external_references: Option<Vec<Reference<'a>>>,
    pedigree: Option<Pedigree<'a>>,
    properties: Option<Vec<Property<'a>>>,
    components: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Swid<'a> {
    #[expect(dead_code, reason = "there or not is what counts")]
    tag_id: Word<'a>,
    #[expect(dead_code, reason = "there or not is what counts")]
    name: Word<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Hash<'a> {
    alg: Word<'a>,
    content: Word<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Licence<'a> {
    license: Option<Named<'a>>,
    expression: Option<Word<'a>>,
    acknowledgement: Option<Word<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Named<'a> {
    id: Option<Word<'a>>,
    name: Option<Word<'a>>,
    text: Option<Attachment<'a>>,
    acknowledgement: Option<Word<'a>>,
    properties: Option<Vec<Property<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Attachment<'a> {
    encoding: Option<Word<'a>>,
    #[expect(dead_code, reason = "there or not is what counts")]
    content: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Property<'a> {
    name: Option<Word<'a>>,
    value: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Reference<'a> {
    #[serde(rename = "type")]
    kind: Word<'a>,
    #[expect(dead_code, reason = "there or not is what counts")]
    url: Word<'a>,
    hashes: Option<Vec<Hash<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Pedigree<'a> {
    ancestors: Option<Vec<Item<'a>>>,
    descendants: Option<Vec<Item<'a>>>,
    variants: Option<Vec<Item<'a>>>,
    patches: Option<Vec<Patch<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Patch<'a> {
    #[serde(rename = "type")]
    kind: Word<'a>,
    resolves: Option<Vec<Issue<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Issue<'a> {
    #[serde(rename = "type")]
    kind: Word<'a>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Service<'a> {
    #[serde(rename = "bom-ref")]
    id: Option<Word<'a>>,
    #[expect(dead_code, reason = "there or not is what counts")]
    name: Word<'a>,
    data: Option<Vec<Data<'a>>>,
    licenses: Option<Vec<Licence<'a>>>,
    properties: Option<Vec<Property<'a>>>,
    services: Option<Vec<Service<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Data<'a> {
    flow: Word<'a>,
    #[expect(dead_code, reason = "there or not is what counts")]
    classification: Word<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Dependency<'a> {
    #[serde(rename = "ref")]
    from: Word<'a>,
    depends_on: Option<Vec<Word<'a>>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Composition<'a> {
    aggregate: Word<'a>,
}

/// How the document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As JSON.
    Json,
    /// As XML, of which the JSON was made.
    Xml,
}

/// What a document says that it is.
pub(super) struct Face<'f> {
    /// `bomFormat`.
    pub format: &'f str,
    /// `specVersion`.
    pub version: String,
    /// How it is written.
    pub written: Written,
}

fn malformed(why: impl ToString) -> SbomError {
    SbomError::Malformed { format: FORMAT, why: why.to_string() }
}

/// Reads a document that has the key `bomFormat`.
pub(super) fn read(
    document: json::Document<'_>,
    face: Face<'_>,
    digest: Digest,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    let Face { format, version, written } = face;
    if format != FORMAT {
        let found = format.chars().take(80).collect::<String>();
        return Err(SbomError::UnknownFormat(format!("bomFormat is {found:?}, not \"CycloneDX\"")));
    }
    let versions = match written {
        Written::Json => VERSIONS.as_slice(),
        Written::Xml => XML_VERSIONS.as_slice(),
    };
    let Some(minor) = versions.contains(&version.as_str()).then(|| minor(&version)).flatten()
    else {
        return Err(SbomError::Version { format: FORMAT, version });
    };
    let mut document: Document<'_> = document.read().map_err(malformed)?;
    let raw = document.metadata.take().map(json::Document::of_raw);
    let metadata = match &raw {
        Some(raw) => raw.read().map_err(malformed)?,
        None => Metadata::default(),
    };
    let rules = valid::Rules { minor, written };
    rules
        .document(&document)
        .and_then(|()| rules.metadata(raw.as_ref(), &metadata))
        .map_err(malformed)?;
    from_wire(document, metadata, &rules, limits).map(|sbom| Sbom {
        format: format!("{FORMAT}-{version}"),
        document: digest,
        ..sbom
    })
}

fn minor(version: &str) -> Option<u8> {
    version.strip_prefix("1.")?.parse().ok()
}

fn from_wire(
    document: Document<'_>,
    metadata: Metadata<'_>,
    rules: &valid::Rules,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    let mut stated = document.states(&metadata);
    let related: HashSet<Word<'_>> = related(document.dependencies.as_deref(), limits)?;
    stated.say_if(Element::Relation, !related.is_empty());
    let completeness = completeness(document.compositions.as_deref());
    let (about, mut passed_over) = (metadata.about(), document.passed_over());
    let mut listing = Listing::new(related, rules);
    listing.services(document.services.iter().flatten())?;
    let mut root = metadata.component;
    // 1.2 and later let the main component nest what it contains.
    let nested = root.as_mut().and_then(|item| item.components.take());
    let names_image = root.as_ref().map(Item::digests).unwrap_or_default();
    let is_container = root.as_ref().is_some_and(|item| &*item.kind == "container");
    let main = match root {
        Some(item) => {
            listing.check(&item)?;
            Some(item.into_component(&listing.related))
        }
        None => None,
    };
    let listed = document.components.into_iter().chain(nested).flatten().collect();
    listing.flatten(listed, limits)?;
    let tools = metadata.tools.map(Tools::names).unwrap_or_default();
    passed_over.extend(listing.passed_over);
    passed_over.retain(|_, count| *count > 0);
    Ok(Sbom {
        format: String::new(),
        name: main.as_ref().map(|component| component.name.clone()),
        created: metadata.timestamp.map(String::from),
        tools,
        components: listing.components,
        about: match (about, &main) {
            (About::Image, Some(main)) if main.is_package() => About::Package,
            (about, _) => about,
        },
        is_of_container: is_container || main.as_ref().is_some_and(Component::is_image),
        main,
        names_image,
        files: listing.files,
        stated,
        completeness,
        passed_over,
        document: Digest::sha256(b""),
    })
}

/// Identifiers that stand on either side of a dependency.
fn related<'a>(
    dependencies: Option<&[Dependency<'a>]>,
    limits: &Limits,
) -> Result<HashSet<Word<'a>>, SbomError> {
    let mut related = HashSet::new();
    let mut found = 0;
    for dependency in dependencies.into_iter().flatten() {
        let on = dependency.depends_on.as_deref().unwrap_or_default();
        found += on.len();
        if found > limits.sbom_relationships {
            return Err(SbomError::Relationships { limit: limits.sbom_relationships });
        }
        let ids = std::iter::once(&dependency.from).chain(on);
        related.extend(ids.cloned());
    }
    Ok(related)
}

/// The least that a document says of how complete it is (`compositions[].aggregate`).
fn completeness(compositions: Option<&[Composition<'_>]>) -> Completeness {
    let said = compositions.into_iter().flatten().map(|one| match &*one.aggregate {
        "complete" => Completeness::Complete,
        word if word.starts_with("incomplete") => Completeness::Incomplete,
        _ => Completeness::Unknown,
    });
    said.min().unwrap_or_default()
}

impl Document<'_> {
    /// What stands beside components.
    fn passed_over(&self) -> BTreeMap<&'static str, usize> {
        let count = |list: &Option<Vec<IgnoredAny>>| list.as_ref().map_or(0, Vec::len);
        let others = self.external_references.iter().flatten().filter(|one| &*one.kind == "bom");
        BTreeMap::from([
            ("annotations", count(&self.annotations)),
            ("formulas of how it was made", count(&self.formulation)),
            ("references to other documents", others.count()),
            ("services", self.services.as_ref().map_or(0, Vec::len)),
            ("vulnerabilities, for VEX where the document is proven", count(&self.vulnerabilities)),
        ])
    }

    fn states(&self, metadata: &Metadata<'_>) -> Stated {
        let mut stated = Stated::default();
        let named = |entity: &Option<Entity<'_>>| {
            entity.as_ref().and_then(|e| e.name.as_ref()).map(|n| n.to_string())
        };
        let authors = metadata.authors.iter().flatten().filter_map(|author| author.name.as_deref());
        authors.for_each(|author| stated.say(Element::Author, Some(author)));
        for entity in [&metadata.manufacture, &metadata.manufacturer, &metadata.supplier] {
            stated.say(Element::Author, named(entity).as_deref());
        }
        stated.say(Element::Timestamp, metadata.timestamp.as_deref());
        stated.say(Element::Serial, self.serial_number.as_deref());
        for tool in metadata.tools.iter().flat_map(|tools| &tools.0) {
            stated.say(Element::Tool, tool.name.as_deref());
            stated.say(Element::ToolVersion, tool.version.as_deref());
        }
        for phase in metadata.lifecycles.iter().flatten() {
            stated.say(Element::Context, phase.phase.as_deref().or(phase.name.as_deref()));
        }
        let said = self.compositions.as_ref().is_some_and(|all| !all.is_empty());
        stated.say_if(Element::Coverage, said);
        stated
    }
}

impl Metadata<'_> {
    /// A document of phases before there is an image is about what it is built from.
    fn about(&self) -> About {
        let phases: Vec<&str> =
            self.lifecycles.iter().flatten().filter_map(|one| one.phase.as_deref()).collect();
        let early = phases.iter().all(|phase| matches!(*phase, "design" | "pre-build"));
        if early && !phases.is_empty() { About::Build } else { About::Image }
    }
}

/// What is gathered from a tree of components.
struct Listing<'a, 'r> {
    components: Vec<Component>,
    files: Vec<ListedFile>,
    passed_over: BTreeMap<&'static str, usize>,
    ids: HashSet<String>,
    related: HashSet<Word<'a>>,
    rules: &'r valid::Rules,
}

impl<'a, 'r> Listing<'a, 'r> {
    fn new(related: HashSet<Word<'a>>, rules: &'r valid::Rules) -> Self {
        let (components, files, passed_over, ids) = Default::default();
        Self { components, files, passed_over, ids, related, rules }
    }

    fn id(&mut self, id: Option<&Word<'_>>) -> Result<(), SbomError> {
        match id.and_then(|id| self.ids.replace(id.to_string())) {
            Some(twice) => Err(malformed(format_args!("two things have the bom-ref {twice:?}"))),
            None => Ok(()),
        }
    }

    fn check(&mut self, item: &Item<'_>) -> Result<(), SbomError> {
        self.rules.component(item).map_err(malformed)?;
        self.id(item.id.as_ref())
    }

    fn services<'s>(
        &mut self,
        services: impl Iterator<Item = &'s Service<'a>>,
    ) -> Result<(), SbomError>
    where
        'a: 's,
    {
        let mut waiting: Vec<&Service<'_>> = services.collect();
        while let Some(service) = waiting.pop() {
            self.rules.service(service).map_err(malformed)?;
            self.id(service.id.as_ref())?;
            waiting.extend(service.services.iter().flatten());
        }
        Ok(())
    }

    /// All components of a tree; its depth is bounded by [`crate::json::MAX_DEPTH`], its size by `limits.packages`.
    fn flatten(&mut self, mut waiting: Vec<Item<'a>>, limits: &Limits) -> Result<(), SbomError> {
        let mut found = 0;
        while let Some(mut item) = waiting.pop() {
            found += 1;
            if found > limits.packages {
                let found = found.saturating_add(waiting.len());
                return Err(SbomError::TooMany { found, limit: limits.packages });
            }
            self.check(&item)?;
            waiting.extend(item.components.take().into_iter().flatten());
            if &*item.kind == "file" && item.purl.is_none() {
                match ListedFile::new(&item.name, item.checksums()) {
                    Some(file) => self.files.push(file),
                    None => *self.passed_over.entry(UNPROVABLE_FILES).or_default() += 1,
                }
            } else if item.is_package() {
                self.components.push(item.into_component(&self.related));
            } else {
                *self.passed_over.entry(PLACEHOLDERS).or_default() += 1;
            }
        }
        Ok(())
    }
}

impl Item<'_> {
    fn is_package(&self) -> bool {
        let placeholder = matches!(
            &*self.kind,
            "file"
                | "operating-system"
                | "device"
                | "device-driver"
                | "firmware"
                | "data"
                | "machine-learning-model"
                | "cryptographic-asset"
                | "platform"
        );
        // A purl says more than the type: firmware and models are packaged too, and what no database could list has none of a package.
        let named = || self.purl.as_deref().and_then(Purl::parse);
        !placeholder
            || match &*self.kind {
                "operating-system" => named().is_some_and(|purl| purl.is_of_package()),
                _ => self.purl.is_some(),
            }
    }

    fn scope(&self) -> Scope {
        match self.scope.as_deref() {
            _ if self.is_external == Some(true) => Scope::Excluded,
            Some("excluded") => Scope::Excluded,
            Some("optional") => Scope::Optional,
            _ => Scope::Runtime,
        }
    }

    fn states(&self, related: &HashSet<Word<'_>>) -> Stated {
        let mut stated = Stated::default();
        let entities = [&self.supplier, &self.manufacturer].into_iter().flatten();
        let authors = entities.chain(self.authors.iter().flatten());
        authors.for_each(|entity| stated.say(Element::Supplier, entity.name.as_deref()));
        stated.say(Element::Supplier, self.publisher.as_deref());
        stated.say(Element::Supplier, self.author.as_deref());
        stated.say(Element::Id, self.id.as_deref());
        stated.say(Element::Identifier, self.cpe.as_deref());
        let others = self.swid.is_some() || self.swhid.is_some() || self.omnibor_id.is_some();
        stated.say_if(Element::Identifier, others);
        let linked = self.id.as_ref().is_some_and(|id| related.contains(id));
        stated.say_if(Element::Relation, linked);
        let distributed = self.external_references.iter().flatten();
        let deployed = distributed
            .filter(|one| &*one.kind == "distribution" || &*one.kind == "distribution-intake");
        let elsewhere = deployed.flat_map(|one| one.hashes.iter().flatten());
        for hash in self.hashes.iter().flatten().chain(elsewhere) {
            stated.given.add(Element::Hash);
            stated.say_if(Element::Sha512, &*hash.alg == "SHA-512");
        }
        stated.say(Element::Licence, self.licence().as_deref());
        let says =
            |one: &Property<'_>, key: &str| one.name.as_deref() == Some(key) && one.value.is_some();
        let named = |key: &str| self.properties.iter().flatten().any(|one| says(one, key));
        stated.say_if(Element::Filename, named("bsi:component:filename"));
        let properties = ["executable", "archive", "structured"];
        let all = properties.iter().all(|one| named(&format!("bsi:component:{one}")));
        stated.say_if(Element::FileProperties, all);
        stated
    }

    /// The licences as one text, the concluded ones where some are.
    fn licence(&self) -> Option<String> {
        let said = |concluded: bool| {
            let chosen =
                self.licenses.iter().flatten().filter(|one| one.is_concluded() == concluded);
            let texts: Vec<&str> = chosen.filter_map(Licence::text).collect();
            (!texts.is_empty()).then(|| texts.join(" AND "))
        };
        said(true).or_else(|| said(false))
    }

    fn into_component(self, related: &HashSet<Word<'_>>) -> Component {
        let (scope, stated, licence) = (self.scope(), self.states(related), self.licence());
        let name = match self.group.filter(|group| !group.is_empty()) {
            Some(group) => format!("{}/{}", &*group, &*self.name),
            None => self.name.into(),
        };
        let version = self.version.or(self.version_range).map(String::from);
        let component = Component::new(self.purl.map(String::from), name, version);
        Component { scope, licence, stated: component.stated.and(stated), ..component }
    }

    fn checksums(&self) -> impl Iterator<Item = Digest> {
        self.hashes.iter().flatten().filter_map(|hash| checksum(&hash.alg, &hash.content))
    }

    /// Digests by which it names itself: hashes, its version, and the version of an image's purl, which may be its bom-ref.
    fn digests(&self) -> Vec<Digest> {
        let words = |word: &Option<Word<'_>>| word.as_deref().map(str::to_owned);
        let named = |purl| Component::new(purl, self.name.to_string(), words(&self.version));
        let (itself, other) = (named(words(&self.purl)), named(words(&self.id)));
        self.checksums().chain(itself.digests()).chain(other.digests()).collect()
    }
}

impl Licence<'_> {
    fn is_concluded(&self) -> bool {
        let named = self.license.as_ref().and_then(|named| named.acknowledgement.as_deref());
        self.acknowledgement.as_deref().or(named) == Some("concluded")
    }

    fn text(&self) -> Option<&str> {
        let named = self.license.as_ref();
        let id = named.and_then(|named| named.id.as_deref().or(named.name.as_deref()));
        self.expression.as_deref().or(id)
    }
}

impl Tools<'_> {
    fn names(self) -> Vec<String> {
        let named = self.0.into_iter().filter_map(|tool| {
            let name = String::from(tool.name?);
            Some(match tool.version {
                Some(version) => format!("{name} {}", &*version),
                None => name,
            })
        });
        named.collect()
    }
}
