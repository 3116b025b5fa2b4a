//! SPDX 3.0 and 3.0.1 (spdx-spec v3.0.1, model Core and Software; serialized as JSON-LD in the compact form of annex A).
//!
//! Turns the elements of a flat `@graph` into components: packages of every profile. No RDF: a document whose elements stand
//! inside others, or whose context is not SPDX's own alone, says something else to a reader of JSON-LD than to this one, and
//! is refused. Relations are read as lists of pairs and never followed, so that cycles among them do no harm.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;

use super::{
    SbomError,
    model::{
        About, Completeness, Component, Element, ListedFile, PLACEHOLDERS, Sbom, Scope, Stated,
        UNPROVABLE_FILES, checksum,
    },
    wire::Word,
};
use crate::{digest::Digest, json, limits::Limits};

const FORMAT: &str = "SPDX";
/// Terms of a version stand between these.
const CONTEXT: (&str, &str) = ("https://spdx.org/rdf/", "/spdx-context.jsonld");

/// Whether a version is 3.0, with whatever patch: one changes no term.
fn is_known(version: &str) -> bool {
    version.strip_prefix("3.0").is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix('.').is_some_and(|patch| {
                (1..=3).contains(&patch.len()) && patch.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
}

/// That a context is SPDX's alone: a text, or a list in which nothing else stands.
fn known_context(context: json::Document<'_>) -> Result<(), SbomError> {
    let written = String::from_utf8_lossy(context.bytes());
    let written = written.as_ref();
    let one = |text: &str| {
        let version = text.strip_prefix(CONTEXT.0).and_then(|rest| rest.strip_suffix(CONTEXT.1));
        match version {
            Some(version) if is_known(version) => Ok(()),
            _ if text.starts_with(CONTEXT.0) => {
                let version = text.chars().take(80).collect();
                Err(SbomError::Version { format: FORMAT, version })
            }
            _ => Err(other_context(written)),
        }
    };
    if let Ok(text) = context.read::<String>() {
        return one(&text);
    }
    let all = context.read::<Vec<String>>().map_err(|_| other_context(written))?;
    match all.is_empty() {
        true => Err(other_context(written)),
        false => all.iter().try_for_each(|text| one(text)),
    }
}

fn other_context(written: &str) -> SbomError {
    let found: String = written.chars().take(80).collect();
    SbomError::UnknownFormat(format!("its @context is {found}, not SPDX's alone"))
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Document<'a> {
    #[serde(rename = "@graph")]
    graph: Option<Vec<Node<'a>>>,
}

/// An element: what it is decides which of the members it has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Node<'a> {
    #[serde(rename = "type")]
    kind: Word<'a>,
    #[serde(alias = "@id")]
    spdx_id: Option<Word<'a>>,
    name: Option<Word<'a>>,
    // CreationInfo
    spec_version: Option<Word<'a>>,
    created: Option<Word<'a>>,
    created_by: Option<Several<'a>>,
    created_using: Option<Several<'a>>,
    // SpdxDocument, Sbom
    root_element: Option<Several<'a>>,
    #[serde(rename = "software_sbomType")]
    sbom_type: Option<Several<'a>>,
    // Relationship
    from: Option<Word<'a>>,
    to: Option<Several<'a>>,
    relationship_type: Option<Word<'a>>,
    completeness: Option<Word<'a>>,
    scope: Option<Word<'a>>,
    // Package, File
    supplied_by: Option<Word<'a>>,
    #[serde(rename = "software_packageVersion")]
    version: Option<Word<'a>>,
    #[serde(rename = "software_packageUrl")]
    purl: Option<Word<'a>>,
    #[serde(rename = "software_primaryPurpose")]
    purpose: Option<Word<'a>>,
    external_identifier: Option<Vec<ExternalIdentifier<'a>>>,
    verified_using: Option<Vec<Hash<'a>>>,
    // LicenseExpression
    #[serde(rename = "simplelicensing_licenseExpression")]
    expression: Option<Word<'a>>,
}

/// One or several: a list of one may be written without its brackets.
#[derive(Default)]
struct Several<'a>(Vec<Word<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Several<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let raw = <&'de serde_json::value::RawValue>::deserialize(deserializer)?;
        let said = json::Document::of_raw(raw);
        let read =
            if raw.get().starts_with('[') { said.read() } else { said.read().map(|one| vec![one]) };
        read.map(Self).map_err(D::Error::custom)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct ExternalIdentifier<'a> {
    external_identifier_type: Word<'a>,
    identifier: Word<'a>,
}

/// An integrity method: a hash, or one of the other kinds, which are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Hash<'a> {
    algorithm: Option<Word<'a>>,
    hash_value: Option<Word<'a>>,
}

fn malformed(why: impl ToString) -> SbomError {
    SbomError::Malformed { format: FORMAT, why: why.to_string() }
}

/// Reads a document that has the key `@context`.
pub(super) fn read(
    document: json::Document<'_>,
    context: json::Document<'_>,
    digest: Digest,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    known_context(context)?;
    let document: Document<'_> = document.read().map_err(malformed)?;
    let graph = document.graph.ok_or_else(|| malformed("there is no @graph"))?;
    let index = Graph::of(&graph, limits)?;
    index.sbom(&graph, digest, limits)
}

/// What the elements of a graph say of each other.
#[derive(Default)]
struct Graph<'g> {
    /// Names of agents and tools, and licence expressions, by id.
    words: HashMap<&'g str, &'g str>,
    version: &'g str,
    creation: Option<&'g Node<'g>>,
    documents: Vec<&'g Node<'g>>,
    roots: HashSet<&'g str>,
    related: HashSet<&'g str>,
    scopes: HashMap<&'g str, Scope>,
    licences: HashMap<&'g str, &'g str>,
    completeness: Option<Completeness>,
}

impl<'g> Graph<'g> {
    fn of(nodes: &'g [Node<'g>], limits: &Limits) -> Result<Self, SbomError> {
        let mut graph = Self::default();
        let mut ids = HashSet::new();
        for node in nodes {
            if let Some(twice) = node.spdx_id.as_deref().filter(|id| !ids.insert(*id)) {
                return Err(malformed(format_args!("two elements have the spdxId {twice:.80?}")));
            }
            graph.note(node);
        }
        let mut found = 0;
        for node in nodes.iter().filter(|node| node.is_relationship()) {
            found += node.to().len();
            if found > limits.sbom_relationships {
                return Err(SbomError::Relationships { limit: limits.sbom_relationships });
            }
            graph.relate(node)?;
        }
        if graph.creation.is_none() {
            return Err(malformed("there is no CreationInfo"));
        }
        graph.roots();
        Ok(graph)
    }

    fn note(&mut self, node: &'g Node<'g>) {
        match &*node.kind {
            "CreationInfo" if self.creation.is_none() => {
                self.version = node.spec_version.as_deref().unwrap_or_default();
                self.creation = Some(node);
            }
            "SpdxDocument" | "software_Sbom" | "Bom" => self.documents.push(node),
            _ => {}
        }
        let word = node.expression.as_deref().or(node.name.as_deref());
        self.words.extend(node.spdx_id.as_deref().zip(word));
    }

    /// Roots of documents that are no documents themselves.
    fn roots(&mut self) {
        let documents: HashSet<&str> =
            self.documents.iter().filter_map(|node| node.spdx_id.as_deref()).collect();
        let all = self
            .documents
            .iter()
            .flat_map(|node| node.root_element.iter().flat_map(|roots| &roots.0));
        let roots: Vec<&'g str> =
            all.map(|id| &**id).filter(|id| !documents.contains(id)).collect();
        self.roots.extend(roots);
    }

    fn relate(&mut self, node: &'g Node<'g>) -> Result<(), SbomError> {
        let from = node.from.as_deref().ok_or_else(|| malformed("a relationship has no from"))?;
        let kind = node
            .relationship_type
            .as_deref()
            .ok_or_else(|| malformed("a relationship has no relationshipType"))?;
        match kind {
            "hasConcludedLicense" => {
                let licence = node.to().first().and_then(|to| self.words.get(&**to));
                licence.map(|licence| self.licences.insert(from, licence));
            }
            "hasDeclaredLicense" => {
                let licence = node.to().first().and_then(|to| self.words.get(&**to));
                licence.map(|licence| self.licences.entry(from).or_insert(licence));
            }
            "contains"
            | "dependsOn"
            | "describes"
            | "hasDynamicLink"
            | "hasStaticLink"
            | "hasOptionalDependency"
            | "hasProvidedDependency"
            | "hasPrerequisite"
            | "hasOptionalComponent"
            | "packagedBy" => {
                self.related.insert(from);
                self.related.extend(node.to().iter().map(|to| &**to));
                self.note_completeness(node);
            }
            _ => {}
        }
        if let Some(scope) = node.scope(kind) {
            for to in node.to() {
                self.scopes.entry(to).and_modify(|old| *old = scope.min(*old)).or_insert(scope);
            }
        }
        Ok(())
    }

    fn note_completeness(&mut self, node: &Node<'_>) {
        let said = match node.completeness.as_deref() {
            Some("complete") => Completeness::Complete,
            Some("incomplete") => Completeness::Incomplete,
            Some("noAssertion") => Completeness::Unknown,
            _ => return,
        };
        self.completeness = Some(self.completeness.map_or(said, |old| old.min(said)));
    }

    fn sbom(
        self,
        nodes: &'g [Node<'g>],
        document: Digest,
        limits: &Limits,
    ) -> Result<Sbom, SbomError> {
        if !is_known(self.version) {
            return Err(SbomError::Version { format: FORMAT, version: self.version.to_owned() });
        }
        let (mut components, mut files, mut names_image, mut main) =
            (Vec::new(), Vec::new(), Vec::new(), None);
        let mut is_of_container = false;
        let mut passed_over: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut pass_over = |what: &'static str| *passed_over.entry(what).or_default() += 1;
        for node in nodes {
            if &*node.kind == "software_File" {
                let name = node.name.as_deref().unwrap_or_default();
                match ListedFile::new(name, node.digests()) {
                    Some(file) => files.push(file),
                    None => pass_over(UNPROVABLE_FILES),
                }
                continue;
            }
            if !node.is_package() {
                if !node.is_read() {
                    pass_over("elements of other kinds");
                }
                continue;
            }
            let component = node.component(&self)?;
            let is_root = node.spdx_id.as_deref().is_some_and(|id| self.roots.contains(id));
            let alone = is_root && self.roots.len() == 1;
            if alone {
                is_of_container = component.is_image() || node.is_container();
                main = Some(component.clone());
            }
            if is_root && (component.is_image() || component.purl.is_none() && alone) {
                names_image.extend(component.digests().chain(node.digests()));
            } else if node.is_placeholder() && !component.is_package() {
                pass_over(PLACEHOLDERS);
            } else {
                components.extend(component.with_others(node.purls()));
            }
            if components.len() > limits.packages {
                let found = nodes.iter().filter(|node| node.is_package()).count();
                return Err(SbomError::TooMany { found, limit: limits.packages });
            }
        }
        let about = match &main {
            _ if self.is_of_build() => About::Build,
            Some(main) if main.is_package() => About::Package,
            _ => About::Image,
        };
        let named = self.documents.iter().find_map(|node| node.name.as_deref());
        Ok(Sbom {
            format: format!("{FORMAT}-{}", self.version),
            name: named.map(str::to_owned).or_else(|| Some(main.as_ref()?.name.clone())),
            created: self.creation.and_then(|node| node.created.as_deref()).map(str::to_owned),
            tools: self.named(|node| &node.created_using).map(str::to_owned).collect(),
            components,
            main,
            about,
            names_image,
            is_of_container,
            files,
            stated: self.states(),
            completeness: self.completeness.unwrap_or_default(),
            passed_over,
            document,
        })
    }

    /// Names of those that the creation names.
    fn named(
        &self,
        members: fn(&'g Node<'g>) -> &'g Option<Several<'g>>,
    ) -> impl Iterator<Item = &'g str> {
        let ids = self
            .creation
            .into_iter()
            .flat_map(move |node| members(node).iter().flat_map(|all| &all.0));
        ids.filter_map(|id| self.words.get(&**id).copied())
    }

    fn is_of_build(&self) -> bool {
        let kinds: Vec<&str> = self
            .documents
            .iter()
            .flat_map(|node| node.sbom_type.iter().flat_map(|all| &all.0))
            .map(|kind| &**kind)
            .collect();
        !kinds.is_empty() && kinds.iter().all(|kind| matches!(*kind, "design" | "source"))
    }

    fn states(&self) -> Stated {
        let mut stated = Stated::default();
        let Some(creation) = self.creation else { return stated };
        stated.say(Element::Timestamp, creation.created.as_deref());
        self.named(|node| &node.created_by)
            .for_each(|name| stated.say(Element::Author, Some(name)));
        for tool in self.named(|node| &node.created_using) {
            stated.say(Element::Tool, Some(tool));
            stated.say_if(Element::ToolVersion, tool.contains(|c: char| c.is_ascii_digit()));
        }
        for node in &self.documents {
            stated.say(Element::Serial, node.spdx_id.as_deref());
            let kinds = node.sbom_type.iter().flat_map(|all| &all.0);
            kinds.for_each(|kind| stated.say(Element::Context, Some(kind)));
        }
        stated.say_if(Element::Relation, !self.related.is_empty() || !self.roots.is_empty());
        stated.say_if(Element::Coverage, self.completeness.is_some());
        stated
    }
}

impl<'g> Node<'g> {
    fn is_relationship(&self) -> bool {
        matches!(&*self.kind, "Relationship" | "LifecycleScopedRelationship")
    }

    /// Packages of all profiles: they are kinds of `software_Package`.
    fn is_package(&self) -> bool {
        matches!(&*self.kind, "software_Package" | "ai_AIPackage" | "dataset_DatasetPackage")
    }

    /// Elements that are read, and those that say something of others which are.
    fn is_read(&self) -> bool {
        const READ: [&str; 12] = [
            "CreationInfo",
            "SpdxDocument",
            "software_Sbom",
            "Bom",
            "Tool",
            "SoftwareAgent",
            "Agent",
            "Organization",
            "Person",
            "simplelicensing_LicenseExpression",
            "simplelicensing_SimpleLicensingText",
            "simplelicensing_CustomLicense",
        ];
        self.is_relationship() || READ.contains(&&*self.kind)
    }

    fn is_container(&self) -> bool {
        self.purpose.as_deref() == Some("container")
    }

    fn is_placeholder(&self) -> bool {
        matches!(self.purpose.as_deref(), Some("operatingSystem" | "file"))
    }

    fn to(&self) -> &[Word<'g>] {
        self.to.as_ref().map_or(&[], |to| &to.0)
    }

    /// When what the relationship leads to is needed.
    fn scope(&self, kind: &str) -> Option<Scope> {
        match (kind, self.scope.as_deref()) {
            (
                "dependsOn" | "hasStaticLink" | "hasDynamicLink",
                None | Some("runtime" | "other"),
            ) => Some(Scope::Runtime),
            (_, Some("development" | "test" | "design")) => Some(Scope::Development),
            (_, Some("build")) | ("generates" | "usesTool", _) => {
                // What is generated is no input of the build.
                (kind != "generates").then_some(Scope::Build)
            }
            ("hasOptionalDependency" | "hasOptionalComponent", _) => Some(Scope::Optional),
            ("hasProvidedDependency", _) => Some(Scope::Excluded),
            _ => None,
        }
    }

    fn digests(&self) -> impl Iterator<Item = Digest> {
        let hashes = self.verified_using.iter().flatten();
        hashes.filter_map(|hash| checksum(hash.algorithm.as_deref()?, hash.hash_value.as_deref()?))
    }

    /// Every package URL that it has.
    fn purls(&self) -> impl Iterator<Item = &str> {
        let identifiers = self.external_identifier.iter().flatten();
        let others = identifiers.filter(|one| &*one.external_identifier_type == "packageUrl");
        self.purl.iter().chain(others.map(|one| &one.identifier)).map(|purl| &**purl)
    }

    fn component(&self, graph: &Graph<'_>) -> Result<Component, SbomError> {
        let id = self.spdx_id.as_deref().ok_or_else(|| malformed("a package has no spdxId"))?;
        let name = self
            .name
            .as_deref()
            .ok_or_else(|| malformed(format_args!("the package {id:.80?} has no name")))?;
        let identifiers = self.external_identifier.iter().flatten();
        let by =
            |kind: &str| identifiers.clone().find(|one| &*one.external_identifier_type == kind);
        let purl = self.purls().next().map(str::to_owned);
        let component =
            Component::new(purl, name.to_owned(), self.version.as_ref().map(|v| v.to_string()));
        let mut stated = component.stated;
        let supplier = self.supplied_by.as_deref();
        let unknown = supplier
            .is_some_and(|id| id.ends_with("NoAssertionElement") || id.ends_with("NoAssertion"));
        let named = supplier.and_then(|id| graph.words.get(id).copied());
        stated.say(Element::Supplier, if unknown { Some("NOASSERTION") } else { named });
        let kinds = ["cpe22", "cpe23", "swid", "swhid", "gitoid", "packageUrl"];
        stated.say_if(Element::Identifier, kinds.iter().any(|kind| by(kind).is_some()));
        stated.say_if(Element::Relation, graph.related.contains(id) || graph.roots.contains(id));
        let hashes =
            self.verified_using.iter().flatten().filter_map(|hash| hash.algorithm.as_deref());
        for algorithm in hashes {
            stated.given.add(Element::Hash);
            stated.say_if(Element::Sha512, algorithm == "sha512");
        }
        let licence = graph.licences.get(id).copied();
        stated.say(Element::Licence, licence);
        let licence = licence.map(str::to_owned);
        let scope = graph.scopes.get(id).copied().unwrap_or_default();
        Ok(Component { licence, scope, stated, ..component })
    }
}
