//! CycloneDX 1.2 to 1.6 in JSON (ECMA-424; `bom-1.N.schema.json` of each version).
//!
//! Turns `components`, nested ones too, into components. Leaves out `metadata.component` (it stands for the image),
//! components of scope `excluded` (not part of what is shipped), and types that no package database could list: files,
//! operating systems, devices, cryptographic assets. Refuses other versions, and documents that name nothing.

use serde::Deserialize;

use super::{Component, Sbom, SbomError, checksum};
use crate::{digest::Digest, json, limits::Limits};

const FORMAT: &str = "CycloneDX";
const VERSIONS: [&str; 5] = ["1.2", "1.3", "1.4", "1.5", "1.6"];

#[derive(Deserialize)]
struct Document {
    metadata: Option<Metadata>,
    components: Option<Vec<Item>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    timestamp: Option<String>,
    tools: Option<Tools>,
    component: Option<Item>,
}

/// A list until 1.4, an object with components and services since 1.5. No untagged enum: serde would hold all of it first.
#[derive(Deserialize)]
#[serde(try_from = "json::Raw")]
struct Tools(Vec<Tool>);

#[derive(Deserialize)]
struct ToolsObject {
    components: Option<Vec<Tool>>,
}

impl TryFrom<json::Raw> for Tools {
    type Error = json::JsonError;

    fn try_from(raw: json::Raw) -> Result<Self, Self::Error> {
        if raw.text().starts_with('[') {
            return raw.read().map(Self);
        }
        let ToolsObject { components } = raw.read()?;
        Ok(Self(components.unwrap_or_default()))
    }
}

#[derive(Deserialize)]
struct Tool {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "type")]
    kind: Option<String>,
    group: Option<String>,
    name: String,
    version: Option<String>,
    scope: Option<String>,
    purl: Option<String>,
    hashes: Option<Vec<Hash>>,
    components: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Hash {
    alg: String,
    content: String,
}

/// Reads a document that has the key `bomFormat`.
pub(super) fn read(
    document: json::Document<'_>,
    format: &str,
    version: String,
    limits: &Limits,
) -> Result<Sbom, SbomError> {
    if format != "CycloneDX" {
        let found = format.chars().take(80).collect::<String>();
        return Err(SbomError::UnknownFormat(format!("bomFormat is {found:?}, not \"CycloneDX\"")));
    }
    if !VERSIONS.contains(&version.as_str()) {
        return Err(SbomError::Version { format: FORMAT, version });
    }
    let digest = Digest::sha256(document.bytes());
    let document: Document = document
        .read()
        .map_err(|error| SbomError::Malformed { format: FORMAT, why: error.to_string() })?;
    let metadata = document.metadata.unwrap_or_default();
    let root = metadata.component;
    // 1.2 and later let the main component nest what it contains.
    let name = root.as_ref().map(|item| item.name.clone());
    let names_image = root.as_ref().map(Item::digests).unwrap_or_default();
    let nested = root.and_then(|item| item.components);
    let listed = document.components.into_iter().chain(nested).flatten().collect();
    let components = flatten(listed, limits)?;
    if components.is_empty() {
        return Err(SbomError::Empty { format: FORMAT });
    }
    Ok(Sbom {
        format: format!("{FORMAT}-{version}"),
        name,
        created: metadata.timestamp,
        tools: metadata.tools.map(Tools::names).unwrap_or_default(),
        components,
        names_image,
        document: digest,
    })
}

/// All components of a tree; its depth is bounded by [`crate::json::MAX_DEPTH`], its size by `limits.packages`.
fn flatten(mut waiting: Vec<Item>, limits: &Limits) -> Result<Vec<Component>, SbomError> {
    let mut components = Vec::new();
    let mut found = 0;
    while let Some(mut item) = waiting.pop() {
        found += 1;
        if found > limits.packages {
            let found = found.saturating_add(waiting.len());
            return Err(SbomError::TooMany { found, limit: limits.packages });
        }
        waiting.extend(item.components.take().into_iter().flatten());
        if item.is_package() {
            components.push(item.into_component());
        }
    }
    Ok(components)
}

impl Item {
    fn is_package(&self) -> bool {
        let placeholder = matches!(
            self.kind.as_deref(),
            Some(
                "file"
                    | "operating-system"
                    | "device"
                    | "device-driver"
                    | "firmware"
                    | "data"
                    | "machine-learning-model"
                    | "cryptographic-asset"
                    | "platform"
            )
        );
        // A purl says more than the type: firmware and models are packaged too.
        let packaged = self.purl.is_some() && self.kind.as_deref() != Some("operating-system");
        self.scope.as_deref() != Some("excluded") && (packaged || !placeholder)
    }

    fn into_component(self) -> Component {
        let name = match self.group.filter(|group| !group.is_empty()) {
            Some(group) => format!("{group}/{}", self.name),
            None => self.name,
        };
        Component::new(self.purl, name, self.version)
    }

    /// Digests by which it names itself: hashes, and the version of an image's purl.
    fn digests(&self) -> Vec<Digest> {
        let itself = Component::new(self.purl.clone(), self.name.clone(), self.version.clone());
        let hashes = self.hashes.iter().flatten();
        hashes.filter_map(|h| checksum(&h.alg, &h.content)).chain(itself.digests()).collect()
    }
}

impl Tools {
    fn names(self) -> Vec<String> {
        let named = self.0.into_iter().filter_map(|tool| {
            let name = tool.name?;
            Some(tool.version.map_or(name.clone(), |version| format!("{name} {version}")))
        });
        named.collect()
    }
}
