//! What the schemas of CycloneDX say beside the form (`bom-1.N.schema.json`, `bom-1.N.xsd`).
//!
//! Checked is what a reader could be misled by: enumerations, forms of digests, dates and serial numbers, licences that are
//! on SPDX's list, members of which one excludes the other, and members that `metadata` does not have. Members that are
//! unknown elsewhere are passed over.

use std::{collections::HashSet, fmt};

use super::{
    Composition, Document, FORMAT, Hash, Item, Licence, Metadata, Named, Patch, Property, Service,
    VERSIONS, Written,
};
use crate::json;

/// The rules of a version.
pub(super) struct Rules {
    /// `5` of 1.5.
    pub minor: u8,
    /// Where the document was XML, some of them differ.
    pub written: Written,
}

/// What is wrong with a document.
pub(super) struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn invalid<T>(why: fmt::Arguments<'_>) -> Result<T, Invalid> {
    Err(Invalid(why.to_string()))
}

/// Text of the document in a message: enough of it to find the place.
struct Cut<'a>(&'a str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.0.chars().take(80).collect();
        write!(f, "{short:?}")
    }
}

/// Words, each with the minor version that brought it.
type Words = [(&'static str, u8)];

const KINDS: &Words = &[
    ("application", 0),
    ("framework", 0),
    ("library", 0),
    ("operating-system", 0),
    ("device", 0),
    ("file", 1),
    ("container", 2),
    ("firmware", 2),
    ("platform", 5),
    ("device-driver", 5),
    ("machine-learning-model", 5),
    ("data", 5),
    ("cryptographic-asset", 6),
];
const SCOPES: &Words = &[("required", 0), ("optional", 0), ("excluded", 1)];
const ALGORITHMS: &Words = &[
    ("MD5", 0),
    ("SHA-1", 0),
    ("SHA-256", 0),
    ("SHA-384", 0),
    ("SHA-512", 0),
    ("SHA3-256", 0),
    ("SHA3-384", 0),
    ("SHA3-512", 0),
    ("BLAKE2b-256", 2),
    ("BLAKE2b-384", 2),
    ("BLAKE2b-512", 2),
    ("BLAKE3", 2),
    ("Streebog-256", 7),
    ("Streebog-512", 7),
];
const PATCHES: &Words = &[("unofficial", 2), ("monkey", 2), ("backport", 2), ("cherry-pick", 2)];
const ISSUES: &Words = &[("defect", 2), ("enhancement", 2), ("security", 2)];
const FLOWS: &Words = &[("inbound", 2), ("outbound", 2), ("bi-directional", 2), ("unknown", 2)];
const PHASES: &Words = &[
    ("design", 5),
    ("pre-build", 5),
    ("build", 5),
    ("post-build", 5),
    ("operations", 5),
    ("discovery", 5),
    ("decommission", 5),
];
const AGGREGATES: &Words = &[
    ("complete", 3),
    ("incomplete", 3),
    ("incomplete_first_party_only", 3),
    ("incomplete_third_party_only", 3),
    ("unknown", 3),
    ("not_specified", 3),
    ("incomplete_first_party_proprietary_only", 5),
    ("incomplete_first_party_opensource_only", 5),
    ("incomplete_third_party_proprietary_only", 5),
    ("incomplete_third_party_opensource_only", 5),
];
const ENCODINGS: &Words = &[("base64", 0)];
const ACKNOWLEDGEMENTS: &Words = &[("declared", 6), ("concluded", 6)];
const TLP: &Words =
    &[("CLEAR", 7), ("GREEN", 7), ("AMBER", 7), ("AMBER_AND_STRICT", 7), ("RED", 7)];
/// Members of `metadata`, with the version that brought each.
const METADATA: &Words = &[
    ("timestamp", 2),
    ("tools", 2),
    ("authors", 2),
    ("component", 2),
    ("manufacture", 2),
    ("supplier", 2),
    ("licenses", 3),
    ("properties", 3),
    ("lifecycles", 5),
    ("manufacturer", 6),
    ("distributionConstraints", 7),
];

impl Rules {
    /// What stands at the top.
    pub fn document(&self, document: &Document<'_>) -> Result<(), Invalid> {
        if self.minor < 5 && self.written == Written::Json && document.version.is_none() {
            return invalid(format_args!("there is no version"));
        }
        // Schemas before 1.5 have no least version.
        if self.minor >= 5 && document.version.as_ref().is_some_and(|version| !version.counts) {
            return invalid(format_args!("version is less than 1, and the first is 1"));
        }
        self.schema(document.schema.as_deref())?;
        if let Some(serial) =
            document.serial_number.as_deref().filter(|serial| !self.is_serial(serial))
        {
            return invalid(format_args!("serialNumber {} is no urn:uuid", Cut(serial)));
        }
        for dependency in document.dependencies.iter().flatten() {
            let mut seen = HashSet::new();
            if let Some(twice) =
                dependency.depends_on.iter().flatten().find(|id| !seen.insert(&***id))
            {
                return invalid(format_args!(
                    "{} depends on {} twice",
                    Cut(&dependency.from),
                    Cut(twice)
                ));
            }
        }
        document.compositions.iter().flatten().try_for_each(|one| self.composition(one))?;
        self.properties(document.properties.as_deref(), &"the document")?;
        let references = document.external_references.iter().flatten();
        references
            .flat_map(|one| one.hashes.iter().flatten())
            .try_for_each(|hash| self.hash(hash, &"the document"))
    }

    /// The schema that a document says it is of: 1.4 and 1.5 allow their own alone, others any.
    fn schema(&self, schema: Option<&str>) -> Result<(), Invalid> {
        let Some(schema) = schema.filter(|_| matches!(self.minor, 4 | 5)) else { return Ok(()) };
        let own = format!("http://cyclonedx.org/schema/bom-1.{}.schema.json", self.minor);
        match schema.strip_suffix('#').unwrap_or(schema) == own {
            true => Ok(()),
            false => invalid(format_args!("$schema is {}, not {own}", Cut(schema))),
        }
    }

    fn composition(&self, composition: &Composition<'_>) -> Result<(), Invalid> {
        self.word(AGGREGATES, &composition.aggregate, "aggregate", &"a composition")
    }

    /// What is said of the document.
    pub fn metadata(
        &self,
        raw: Option<&json::Document<'_>>,
        metadata: &Metadata<'_>,
    ) -> Result<(), Invalid> {
        let Some(raw) = raw else { return Ok(()) };
        // The schemas of 1.2 and 1.3 allow members of one's own.
        if self.minor >= 4 || self.written == Written::Xml {
            let keys = raw.read::<Keys>().map_err(|error| Invalid(error.to_string()))?;
            let known = |key: &str| {
                METADATA.iter().any(|(known, since)| *known == key && *since <= self.minor)
            };
            if let Some(key) = keys.0.iter().find(|key| !known(key)) {
                return invalid(format_args!("metadata has no member {}", Cut(key)));
            }
        }
        if let Some(time) = metadata.timestamp.as_deref().filter(|time| !self.is_time(time)) {
            return invalid(format_args!(
                "timestamp {} is no date and time of RFC 3339",
                Cut(time)
            ));
        }
        for phase in metadata.lifecycles.iter().flatten().filter_map(|one| one.phase.as_deref()) {
            self.word(PHASES, phase, "phase", &"a lifecycle")?;
        }
        let distribution = metadata.distribution_constraints.as_ref();
        if let Some(tlp) = distribution.and_then(|one| one.tlp.as_deref()) {
            self.word(TLP, tlp, "tlp", &"distributionConstraints")?;
        }
        self.licences(metadata.licenses.as_deref(), &"metadata")?;
        self.properties(metadata.properties.as_deref(), &"metadata")
    }

    /// A component, without those that it contains.
    pub fn component(&self, item: &Item<'_>) -> Result<(), Invalid> {
        let of = Of("component", &item.name);
        self.word(KINDS, &item.kind, "type", &of)?;
        if self.minor < 4 && item.version.is_none() {
            return invalid(format_args!("{of} has no version"));
        }
        if item.id.as_deref() == Some("") {
            return invalid(format_args!("{of} has an empty bom-ref"));
        }
        if item.version_range.is_some() && item.version.is_some() {
            return invalid(format_args!("{of} has both version and versionRange"));
        }
        if item.version_range.is_some() && item.is_external != Some(true) {
            return invalid(format_args!("{of} has a versionRange and is not external"));
        }
        if let Some(scope) = &item.scope {
            self.word(SCOPES, scope, "scope", &of)?;
        }
        let elsewhere = item.external_references.iter().flatten();
        let hashes = item
            .hashes
            .iter()
            .flatten()
            .chain(elsewhere.flat_map(|one| one.hashes.iter().flatten()));
        hashes.into_iter().try_for_each(|hash| self.hash(hash, &of))?;
        self.licences(item.licenses.as_deref(), &of)?;
        self.properties(item.properties.as_deref(), &of)?;
        let Some(pedigree) = &item.pedigree else { return Ok(()) };
        pedigree.patches.iter().flatten().try_for_each(|patch| self.patch(patch, &of))?;
        // As deep as the document, which is bounded.
        let relatives = [&pedigree.ancestors, &pedigree.descendants, &pedigree.variants];
        relatives.into_iter().flatten().flatten().try_for_each(|one| self.relative(one))
    }

    fn relative(&self, item: &Item<'_>) -> Result<(), Invalid> {
        self.component(item)?;
        item.components.iter().flatten().try_for_each(|one| self.relative(one))
    }

    fn patch(&self, patch: &Patch<'_>, of: &dyn fmt::Display) -> Result<(), Invalid> {
        self.word(PATCHES, &patch.kind, "type of a patch", of)?;
        let issues = patch.resolves.iter().flatten();
        issues
            .into_iter()
            .try_for_each(|issue| self.word(ISSUES, &issue.kind, "type of an issue", of))
    }

    /// A service, without those that it contains.
    pub fn service(&self, service: &Service<'_>) -> Result<(), Invalid> {
        let of = "a service";
        for data in service.data.iter().flatten() {
            self.word(FLOWS, &data.flow, "flow", &of)?;
        }
        self.licences(service.licenses.as_deref(), &of)?;
        self.properties(service.properties.as_deref(), &of)
    }

    fn hash(&self, hash: &Hash<'_>, of: &dyn fmt::Display) -> Result<(), Invalid> {
        self.word(ALGORITHMS, &hash.alg, "algorithm of a hash", of)?;
        let hex = hash.content.bytes().all(|b| b.is_ascii_hexdigit());
        if hex && matches!(hash.content.len(), 32 | 40 | 64 | 96 | 128) {
            return Ok(());
        }
        invalid(format_args!(
            "{of} has the {} {}, which is no digest",
            &*hash.alg,
            Cut(&hash.content)
        ))
    }

    fn licences(
        &self,
        licences: Option<&[Licence<'_>]>,
        of: &dyn fmt::Display,
    ) -> Result<(), Invalid> {
        let licences = licences.unwrap_or_default();
        let expressions = licences.iter().filter(|one| one.expression.is_some()).count();
        // One expression alone, or licences: 1.5 and 1.6 in JSON, in XML all before 1.7.
        let alone = matches!((self.minor, self.written), (5 | 6, _) | (..5, Written::Xml));
        if alone && expressions > 0 && licences.len() > 1 {
            return invalid(format_args!(
                "{of} has a licence expression that does not stand alone"
            ));
        }
        licences.iter().try_for_each(|one| self.licence(one, of))
    }

    fn licence(&self, licence: &Licence<'_>, of: &dyn fmt::Display) -> Result<(), Invalid> {
        if let Some(word) = &licence.acknowledgement {
            self.word(ACKNOWLEDGEMENTS, word, "acknowledgement", of)?;
        }
        match (&licence.license, &licence.expression) {
            (Some(named), None) => self.named(named, of),
            (None, Some(_)) => Ok(()),
            _ => invalid(format_args!(
                "{of} has an entry of licenses that is not one licence or one expression"
            )),
        }
    }

    fn named(&self, named: &Named<'_>, of: &dyn fmt::Display) -> Result<(), Invalid> {
        if let Some(word) = &named.acknowledgement {
            self.word(ACKNOWLEDGEMENTS, word, "acknowledgement", of)?;
        }
        if let Some(encoding) = named.text.as_ref().and_then(|text| text.encoding.as_deref()) {
            self.word(ENCODINGS, encoding, "encoding of a licence's text", of)?;
        }
        self.properties(named.properties.as_deref(), of)?;
        match (named.id.as_deref(), &named.name) {
            (Some(id), None) if is_licence(id) => Ok(()),
            (None, Some(_)) => Ok(()),
            (Some(id), None) => invalid(format_args!(
                "{of} has the licence id {}, which SPDX does not list",
                Cut(id)
            )),
            (Some(_), Some(_)) => invalid(format_args!("{of} has a licence with both id and name")),
            (None, None) => invalid(format_args!("{of} has a licence with neither id nor name")),
        }
    }

    fn properties(
        &self,
        properties: Option<&[Property<'_>]>,
        of: &dyn fmt::Display,
    ) -> Result<(), Invalid> {
        let nameless = properties.into_iter().flatten().any(|one| one.name.is_none());
        if nameless && self.minor >= 6 {
            return invalid(format_args!("{of} has a property without a name"));
        }
        Ok(())
    }

    /// Whether a word is one of those that the version knows.
    fn word(
        &self,
        words: &Words,
        word: &str,
        what: &str,
        of: &dyn fmt::Display,
    ) -> Result<(), Invalid> {
        if words.iter().any(|(known, since)| *known == word && *since <= self.minor) {
            return Ok(());
        }
        let version =
            VERSIONS.iter().find(|v| v.ends_with(&self.minor.to_string())).unwrap_or(&"1.1");
        invalid(format_args!(
            "{of} has the {what} {}, which {FORMAT} {version} does not have",
            Cut(word)
        ))
    }

    /// `urn:uuid:` and a UUID in lower case; the schemas of XML also take one in braces.
    fn is_serial(&self, text: &str) -> bool {
        let braced = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match (text.strip_prefix("urn:uuid:"), braced) {
            (Some(uuid), _) => is_uuid(uuid, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            (None, Some(uuid)) => {
                self.written == Written::Xml && is_uuid(uuid, |b| b.is_ascii_hexdigit())
            }
            (None, None) => false,
        }
    }

    /// RFC 3339, section 5.6; a date of XML Schema may leave out its zone.
    fn is_time(&self, text: &str) -> bool {
        let apart = text.as_bytes().get(10).is_some_and(|b| matches!(b, b'T' | b't'));
        let local =
            || self.written == Written::Xml && text.parse::<jiff::civil::DateTime>().is_ok();
        apart && (text.parse::<jiff::Timestamp>().is_ok() || local())
    }
}

/// Whose a member is.
struct Of<'a>(&'static str, &'a str);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, Cut(self.1))
    }
}

/// The keys of an object.
struct Keys(Vec<String>);

impl<'de> serde::Deserialize<'de> for Keys {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all =
            std::collections::BTreeMap::<String, serde::de::IgnoredAny>::deserialize(deserializer)?;
        Ok(Self(all.into_keys().collect()))
    }
}

fn is_uuid(text: &str, digit: fn(&u8) -> bool) -> bool {
    let mut groups = text.split('-');
    let sizes = [8, 4, 4, 4, 12];
    let right = sizes.iter().all(|size| {
        groups
            .next()
            .is_some_and(|group| group.len() == *size && group.as_bytes().iter().all(digit))
    });
    right && groups.next().is_none()
}

/// Whether SPDX's list has it; the schemas list exceptions beside licences.
fn is_licence(id: &str) -> bool {
    spdx::license_id(id).is_some() || spdx::exception_id(id).is_some()
}
