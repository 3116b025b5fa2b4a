//! SPDX 2.2 and 2.3 in JSON (spdx-spec v2.3, chapters 6, 7 and 11; JSON schema of the same version).
//!
//! Turns `packages` into components. Leaves out the package that stands for the image (the one that the document
//! DESCRIBES, with no purl or an image's; a document that describes several is a list of packages), and packages whose
//! purpose is FILE or OPERATING-SYSTEM: they are no packages that a database could list. Refuses other versions, and
//! documents that name nothing.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Component, Sbom, SbomError, checksum};
use crate::{digest::Digest, json, limits::Limits};

const FORMAT: &str = "SPDX";
const DOCUMENT_ID: &str = "SPDXRef-DOCUMENT";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: String,
    name: Option<String>,
    creation_info: Option<CreationInfo>,
    document_describes: Option<Vec<String>>,
    packages: Option<Vec<Package>>,
    relationships: Option<Vec<Relationship>>,
}

#[derive(Deserialize, Default)]
struct CreationInfo {
    created: Option<String>,
    creators: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    version_info: Option<String>,
    primary_package_purpose: Option<String>,
    external_refs: Option<Vec<ExternalRef>>,
    checksums: Option<Vec<Checksum>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_type: String,
    reference_locator: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: String,
    checksum_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: String,
    related_spdx_element: String,
}

/// Reads a document that has the key `spdxVersion`.
pub(super) fn read(
    document: json::Document<'_>,
    version: &str,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    if !matches!(version, "SPDX-2.2" | "SPDX-2.3") {
        return Err(SbomError::Version { format: FORMAT, version: version.to_owned() });
    }
    let digest = Digest::sha256(document.bytes());
    let document: Document = document
        .read()
        .map_err(|error| SbomError::Malformed { format: FORMAT, why: error.to_string() })?;
    let described = described(&document);
    let packages = document.packages.unwrap_or_default();
    if packages.len() > limits.packages {
        return Err(SbomError::TooMany { found: packages.len(), limit: limits.packages });
    }
    let mut components = Vec::new();
    let mut names_image = Vec::new();
    for package in packages {
        let is_described = described.contains(&package.id);
        let digests = package.digests();
        match package.component() {
            Some(c)
                if is_described && (c.is_image() || c.purl.is_none() && described.len() == 1) =>
            {
                names_image.extend(c.digests().chain(digests));
            }
            Some(component) => components.push(component),
            None => {}
        }
    }
    if components.is_empty() {
        return Err(SbomError::Empty { format: FORMAT });
    }
    let creation = document.creation_info.unwrap_or_default();
    let tools = creation.creators.unwrap_or_default().into_iter();
    Ok(Sbom {
        format: document.spdx_version,
        name: document.name,
        created: creation.created,
        tools: tools.filter_map(|c| Some(c.strip_prefix("Tool:")?.trim().to_owned())).collect(),
        components,
        names_image,
        document: digest,
    })
}

/// Ids of what the document says that it describes (2.3, 11.1 DESCRIBES and DESCRIBED_BY; 2.2 also `documentDescribes`).
fn described(document: &Document) -> BTreeSet<String> {
    let mut ids: BTreeSet<String> = document.document_describes.iter().flatten().cloned().collect();
    for relationship in document.relationships.iter().flatten() {
        let (from, to) = (&relationship.spdx_element_id, &relationship.related_spdx_element);
        match relationship.relationship_type.as_str() {
            "DESCRIBES" if from == DOCUMENT_ID => ids.insert(to.clone()),
            "DESCRIBED_BY" if to == DOCUMENT_ID => ids.insert(from.clone()),
            _ => continue,
        };
    }
    ids
}

impl Package {
    fn digests(&self) -> Vec<Digest> {
        let checksums = self.checksums.iter().flatten();
        checksums.filter_map(|c| checksum(&c.algorithm, &c.checksum_value)).collect()
    }

    /// The package as a component; `None` where it stands for a file or an operating system.
    fn component(self) -> Option<Component> {
        // The specification writes OPERATING-SYSTEM, the JSON schema OPERATING_SYSTEM; both are found.
        let purpose = self.primary_package_purpose.map(|p| p.replace('-', "_"));
        let refs = self.external_refs.unwrap_or_default().into_iter();
        let purl = refs.filter(|r| r.reference_type == "purl").map(|r| r.reference_locator).next();
        let component = Component::new(purl, self.name, self.version_info);
        let placeholder = matches!(purpose.as_deref(), Some("FILE" | "OPERATING_SYSTEM"));
        (!placeholder).then_some(component)
    }
}
