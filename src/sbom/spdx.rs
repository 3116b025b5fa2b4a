//! SPDX 2.2 and 2.3 (spdx-spec v2.3, chapters 6, 7, 8 and 11; JSON schema of the same version).
//!
//! Turns `packages` into components. Leaves out the package that stands for the image (the one that the document
//! DESCRIBES, with no purl or an image's; a document that describes several is a list of packages), and packages whose
//! purpose is FILE or OPERATING-SYSTEM and that have no purl of a package: no database could list them. One with several purls is several
//! components. `files` are kept by path and digest.
//! Relations say when a package is needed, and no more: the list is the truth, and so a cycle among them says nothing
//! false. Refuses other versions, and an identifier that two packages share.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny},
};

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
const DOCUMENT_ID: &str = "SPDXRef-DOCUMENT";
/// Where BuildKit shows a scanner the stages and contexts that are not the result (moby/buildkit, sbom-protocol.md); the
/// scanner names its document by the folder.
const EXTRAS: &str = "/run/src/extras/";

/// The document, from JSON or from tags and values.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Document<'a> {
    pub spdx_version: Option<Word<'a>>,
    pub name: Option<Word<'a>>,
    pub document_namespace: Option<Word<'a>>,
    /// Whether the comment says that the list is not whole.
    #[serde(rename = "comment", default, deserialize_with = "partial")]
    pub partial: bool,
    pub creation_info: Option<CreationInfo<'a>>,
    pub document_describes: Option<Vec<Word<'a>>>,
    pub packages: Option<Vec<Package<'a>>>,
    pub files: Option<Vec<File<'a>>>,
    pub snippets: Option<Vec<IgnoredAny>>,
    pub annotations: Option<Vec<IgnoredAny>>,
    pub external_document_refs: Option<Vec<IgnoredAny>>,
    pub relationships: Option<Vec<Relationship<'a>>>,
}

fn partial<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_option(Comment)
}

/// Looks at a comment where it stands: it may be most of a document.
struct Comment;

impl<'de> de::Visitor<'de> for Comment {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
        Ok(is_partial(text))
    }
}

/// Words that say it, each with the place of its letter p, which both have once.
const PARTIAL: [(&[u8], usize); 2] = [(b"partial", 0), (b"incomplete", 5)];

/// Whether a document's comment (2.3, 6.10) says that something is left out: SPDX 2 has no other place for it.
pub(super) fn is_partial(comment: &str) -> bool {
    let bytes = comment.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let says = |at: usize| {
        PARTIAL.into_iter().any(|(word, before)| {
            let Some(from) = at.checked_sub(before) else { return false };
            let to = from + word.len();
            let is_word = bytes.get(from..to).is_some_and(|own| own.eq_ignore_ascii_case(word));
            is_word && !is_letter(to) && !from.checked_sub(1).is_some_and(is_letter)
        })
    };
    memchr::memchr2_iter(b'p', b'P', bytes).any(says)
}

#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct CreationInfo<'a> {
    pub created: Option<Word<'a>>,
    pub creators: Option<Vec<Word<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Package<'a> {
    #[serde(rename = "SPDXID")]
    pub id: Word<'a>,
    pub name: Word<'a>,
    pub version_info: Option<Word<'a>>,
    pub supplier: Option<Word<'a>>,
    pub package_file_name: Option<Word<'a>>,
    pub primary_package_purpose: Option<Word<'a>>,
    pub license_concluded: Option<Word<'a>>,
    pub license_declared: Option<Word<'a>>,
    pub external_refs: Option<Vec<ExternalRef<'a>>>,
    pub checksums: Option<Vec<Checksum<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct ExternalRef<'a> {
    pub reference_type: Word<'a>,
    pub reference_locator: Word<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Checksum<'a> {
    pub algorithm: Word<'a>,
    pub checksum_value: Word<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct File<'a> {
    pub file_name: Option<Word<'a>>,
    pub checksums: Option<Vec<Checksum<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Relationship<'a> {
    pub spdx_element_id: Word<'a>,
    pub relationship_type: Word<'a>,
    pub related_spdx_element: Word<'a>,
}

impl ExternalRef<'_> {
    /// The type by its name: documents that were made of RDF have it as a URI (annex F).
    fn kind(&self) -> &str {
        let kind = &*self.reference_type;
        kind.strip_prefix("http://spdx.org/rdf/references/").unwrap_or(kind)
    }
}

/// Reads a document that has the key `spdxVersion`.
pub(super) fn read(
    document: json::Document<'_>,
    version: &str,
    digest: Digest,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    known(version)?;
    let document: Document<'_> = document
        .read()
        .map_err(|error| SbomError::Malformed { format: FORMAT, why: error.to_string() })?;
    from_wire(document, digest, limits)
}

/// Whether the version is one that is read.
fn known(version: &str) -> Result<(), SbomError> {
    match version {
        "SPDX-2.2" | "SPDX-2.3" => Ok(()),
        _ => Err(SbomError::Version { format: FORMAT, version: version.to_owned() }),
    }
}

/// Turns the document into the model.
pub(super) fn from_wire(
    document: Document<'_>,
    digest: Digest,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    let version = document.spdx_version.as_deref().unwrap_or_default().to_owned();
    known(&version)?;
    let relationships = document.relationships.as_deref().unwrap_or_default();
    if relationships.len() > limits.sbom_relationships {
        return Err(SbomError::Relationships { limit: limits.sbom_relationships });
    }
    let packages = document.packages.as_deref().unwrap_or_default();
    if packages.len() > limits.packages {
        return Err(SbomError::TooMany { found: packages.len(), limit: limits.packages });
    }
    let relations = Relations::of(&document);
    let mut ids = HashSet::with_capacity(packages.len());
    if let Some(twice) = packages.iter().find(|package| !ids.insert(&*package.id)) {
        let why = format!("two packages have the SPDXID {:.80?}", &*twice.id);
        return Err(SbomError::Malformed { format: FORMAT, why });
    }
    let mut components = Vec::with_capacity(packages.len());
    let (mut names_image, mut main) = (Vec::new(), None);
    let (mut is_of_container, mut placeholders) = (false, 0);
    for package in packages {
        let is_described = relations.described.contains(&*package.id);
        let component = package.component(&relations);
        let stands_for_all =
            component.is_image() || component.purl.is_none() && relations.described.len() == 1;
        if is_described && (stands_for_all || relations.described.len() == 1) {
            is_of_container = component.is_image() || package.is_container();
            main = Some(component.clone());
        }
        if is_described && stands_for_all {
            names_image.extend(component.digests().chain(package.digests()));
        } else if package.is_placeholder() && !component.is_package() {
            placeholders += 1;
        } else {
            components.extend(component.with_others(package.purls()));
        }
        if components.len() > limits.packages {
            return Err(SbomError::TooMany { found: components.len(), limit: limits.packages });
        }
    }
    let mut passed_over = document.passed_over();
    passed_over.insert(PLACEHOLDERS, placeholders);
    let built_from =
        |word: &Option<Word<'_>>| word.as_deref().is_some_and(|word| word.contains(EXTRAS));
    let about = match &main {
        _ if built_from(&document.name) || built_from(&document.document_namespace) => About::Build,
        Some(main) if main.is_package() => About::Package,
        _ => About::Image,
    };
    let mut stated = document.states();
    stated.say_if(Element::Relation, relations.says_something);
    let creation = document.creation_info.unwrap_or_default();
    let tools = creation.creators.unwrap_or_default().into_iter();
    let (written, mut files) = (document.files.as_ref().map_or(0, Vec::len), Vec::new());
    files.extend(document.files.into_iter().flatten().filter_map(|file| file.listed()));
    passed_over.insert(UNPROVABLE_FILES, written - files.len());
    passed_over.retain(|_, count| *count > 0);
    Ok(Sbom {
        format: version,
        name: document.name.map(String::from),
        created: creation.created.map(String::from),
        tools: tools.filter_map(|c| Some(c.strip_prefix("Tool:")?.trim().to_owned())).collect(),
        components,
        main,
        about,
        names_image,
        is_of_container,
        files,
        stated,
        completeness: match document.partial {
            true => Completeness::Incomplete,
            false => Completeness::default(),
        },
        passed_over,
        document: digest,
    })
}

/// What the relations of a document say.
#[derive(Default)]
struct Relations<'d> {
    /// Ids of what the document says that it describes (2.3, 11.1 DESCRIBES and DESCRIBED_BY; 2.2 also
    /// `documentDescribes`).
    described: HashSet<&'d str>,
    /// Ids on either side of a relation to something that is known.
    related: HashSet<&'d str>,
    /// Ids of what is needed at another time than the software runs.
    scopes: HashMap<&'d str, Scope>,
    says_something: bool,
}

impl<'d> Relations<'d> {
    fn of(document: &'d Document<'_>) -> Self {
        let packages = document.packages.as_ref().map_or(0, Vec::len);
        let related = HashSet::with_capacity(packages);
        let mut all = Self { related, ..Self::default() };
        let described = document.document_describes.iter().flatten();
        all.described.extend(described.map(|id| &**id));
        all.says_something = !all.described.is_empty();
        // Most documents tell all relations of one element behind each other.
        let mut last = "";
        for relationship in document.relationships.iter().flatten() {
            let kind = &*relationship.relationship_type;
            let (from, to) = (&*relationship.spdx_element_id, &*relationship.related_spdx_element);
            match kind {
                "DESCRIBES" if from == DOCUMENT_ID => drop(all.described.insert(to)),
                "DESCRIBED_BY" if to == DOCUMENT_ID => drop(all.described.insert(from)),
                _ => {}
            }
            if is_dependency(kind) && to != "NOASSERTION" {
                all.says_something = true;
                all.related.insert(to);
                if from != last {
                    all.related.insert(from);
                }
                last = from;
            }
            if let Some((id, scope)) = scope(kind, from, to) {
                all.scopes.entry(id).and_modify(|old| *old = scope.min(*old)).or_insert(scope);
            }
        }
        all
    }
}

/// Relations that say which of two is part of the other or needs it (11.1).
fn is_dependency(kind: &str) -> bool {
    matches!(
        kind,
        "DESCRIBES" | "DESCRIBED_BY" | "CONTAINS" | "CONTAINED_BY" | "DEPENDS_ON" | "NONE"
    ) || kind.ends_with("_LINK")
        || kind.ends_with("DEPENDENCY_OF")
        || matches!(
            kind,
            "PACKAGE_OF" | "OPTIONAL_COMPONENT_OF" | "HAS_PREREQUISITE" | "PREREQUISITE_FOR"
        )
}

/// Who is needed when, by a relation.
fn scope<'d>(kind: &str, from: &'d str, to: &'d str) -> Option<(&'d str, Scope)> {
    let (id, scope) = match kind {
        "DEPENDS_ON" => (to, Scope::Runtime),
        "DEPENDENCY_OF" | "RUNTIME_DEPENDENCY_OF" => (from, Scope::Runtime),
        "DEV_DEPENDENCY_OF" | "DEV_TOOL_OF" | "TEST_DEPENDENCY_OF" | "TEST_TOOL_OF" => {
            (from, Scope::Development)
        }
        "BUILD_DEPENDENCY_OF" | "BUILD_TOOL_OF" => (from, Scope::Build),
        "OPTIONAL_DEPENDENCY_OF" | "OPTIONAL_COMPONENT_OF" => (from, Scope::Optional),
        "PROVIDED_DEPENDENCY_OF" => (from, Scope::Excluded),
        "GENERATED_FROM" => (to, Scope::Build),
        _ => return None,
    };
    Some((id, scope))
}

impl Document<'_> {
    /// What stands beside packages and files.
    fn passed_over(&self) -> BTreeMap<&'static str, usize> {
        let count = |list: &Option<Vec<IgnoredAny>>| list.as_ref().map_or(0, Vec::len);
        BTreeMap::from([
            ("annotations", count(&self.annotations)),
            ("references to other documents", count(&self.external_document_refs)),
            ("snippets", count(&self.snippets)),
        ])
    }

    fn states(&self) -> Stated {
        let mut stated = Stated::default();
        stated.say(Element::Serial, self.document_namespace.as_deref());
        let Some(creation) = &self.creation_info else { return stated };
        stated.say(Element::Timestamp, creation.created.as_deref());
        for creator in creation.creators.iter().flatten() {
            match creator.split_once(':') {
                Some(("Tool", tool)) => {
                    stated.say(Element::Tool, Some(tool));
                    // 6.8: the version is behind the name, with a hyphen between.
                    let version = tool
                        .rsplit_once('-')
                        .filter(|(_, v)| v.starts_with(|c: char| c.is_ascii_digit() || c == 'v'));
                    stated.say(Element::ToolVersion, version.map(|(_, version)| version));
                }
                Some((_, name)) => stated.say(Element::Author, Some(name)),
                None => {}
            }
        }
        stated
    }
}

impl<'a> Package<'a> {
    /// A package of which no more than the name is known.
    pub(super) fn named(name: Word<'a>) -> Self {
        let id = Word::from("");
        let (version_info, supplier, package_file_name) = (None, None, None);
        let (primary_package_purpose, license_concluded, license_declared) = (None, None, None);
        let (external_refs, checksums) = (None, None);
        Self {
            id,
            name,
            version_info,
            supplier,
            package_file_name,
            primary_package_purpose,
            license_concluded,
            license_declared,
            external_refs,
            checksums,
        }
    }

    fn digests(&self) -> impl Iterator<Item = Digest> {
        digests(self.checksums.as_deref())
    }

    /// Every package URL that it has.
    fn purls(&self) -> impl Iterator<Item = &str> {
        let refs = self.external_refs.iter().flatten().filter(|one| one.kind() == "purl");
        refs.map(|one| &*one.reference_locator)
    }

    /// Whether it stands for a file or an operating system.
    fn is_placeholder(&self) -> bool {
        // The specification writes OPERATING-SYSTEM, the JSON schema OPERATING_SYSTEM; both are found.
        let purpose = self.primary_package_purpose.as_deref();
        matches!(purpose, Some("FILE" | "OPERATING_SYSTEM" | "OPERATING-SYSTEM"))
    }

    fn is_container(&self) -> bool {
        self.primary_package_purpose.as_deref() == Some("CONTAINER")
    }

    fn component(&self, relations: &Relations<'_>) -> Component {
        let refs = self.external_refs.iter().flatten();
        let purl = self.purls().next().map(str::to_owned);
        let text = |word: &Word<'_>| word.to_string();
        let version = self.version_info.as_ref().map(text);
        let component = Component::new(purl, text(&self.name), version);
        let mut stated = component.stated;
        let supplier = self.supplier.as_deref();
        let supplier = supplier.map(|word| word.split_once(':').map_or(word, |(_, name)| name));
        stated.say(Element::Supplier, supplier);
        stated.say(Element::Id, Some(&self.id));
        let kinds = ["cpe22Type", "cpe23Type", "swid", "gitoid", "swh", "purl"];
        let known = refs.clone().any(|r| kinds.contains(&r.kind()));
        stated.say_if(Element::Identifier, known);
        stated.say_if(Element::Relation, relations.related.contains(&*self.id));
        stated.say_if(Element::Hash, self.checksums.as_ref().is_some_and(|all| !all.is_empty()));
        let sha512 = self.checksums.iter().flatten().any(|one| &*one.algorithm == "SHA512");
        stated.say_if(Element::Sha512, sha512);
        stated.say(Element::Filename, self.package_file_name.as_deref());
        for licence in [&self.license_concluded, &self.license_declared] {
            stated.say(Element::Licence, licence.as_deref());
        }
        let asserted = |word: &Option<Word<'_>>| {
            word.as_deref().filter(|word| *word != "NOASSERTION").map(str::to_owned)
        };
        let licence =
            asserted(&self.license_concluded).or_else(|| asserted(&self.license_declared));
        let scope = relations.scopes.get(&*self.id).copied().unwrap_or_default();
        Component { licence, scope, stated, ..component }
    }
}

fn digests(checksums: Option<&[Checksum<'_>]>) -> impl Iterator<Item = Digest> {
    let checksums = checksums.into_iter().flatten();
    checksums.filter_map(|c| checksum(&c.algorithm, &c.checksum_value))
}

impl File<'_> {
    fn listed(&self) -> Option<ListedFile> {
        ListedFile::new(self.file_name.as_deref()?, digests(self.checksums.as_deref()))
    }
}
