//! `trust.sources`: builds whose every input the operator trusts by name.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    config::{
        ConfigError, KeyPath,
        error::key,
        reader::{Reader, want},
    },
    engine::is_ref_name,
    rebuild::plan::refuse_url,
    trust::{ImagePattern, TrustedSource},
};

/// One source as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    images: Vec<String>,
    repository: String,
    #[serde(default)]
    branches: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
    folder: Option<String>,
    dockerfile: Option<String>,
    target: Option<String>,
    #[serde(default)]
    build_args: Vec<String>,
    #[serde(default)]
    bases: Vec<String>,
    #[serde(default)]
    frontends: Vec<String>,
    #[serde(default)]
    downloads: Vec<String>,
}

/// What `trust.sources` says.
pub(super) fn sources(reader: &Reader<'_>, raw: &[Raw]) -> Result<Vec<TrustedSource>, ConfigError> {
    raw.iter().enumerate().map(|(index, source)| self::source(reader, index, source)).collect()
}

fn source(reader: &Reader<'_>, index: usize, raw: &Raw) -> Result<TrustedSource, ConfigError> {
    let at = |name: &'static str| key!["trust", "sources", index, name];
    if let Some(why) = refuse_url(&raw.repository).filter(|_| !raw.repository.is_empty()) {
        let help = "such as https://git.example/team/app.git, without a fragment";
        return Err(reader.refuse(at("repository"), why, want("the URL of a repository", help)));
    }
    if raw.repository.is_empty() || raw.repository.contains('#') {
        let help = "such as https://git.example/team/app.git, without a fragment";
        let complaint = want("the URL of a repository", help);
        return Err(reader.refuse(at("repository"), format!("{:?}", raw.repository), complaint));
    }
    if raw.branches.is_empty() && raw.tags.is_empty() {
        let help =
            "a server gives a fork's commits under the parent's name; say whose history counts";
        let complaint = want("at least one branch or tag", help);
        return Err(reader.refuse(at("branches"), "neither branches nor tags", complaint));
    }
    let mut references = Vec::new();
    for (list, folder, names) in
        [("branches", "refs/heads", &raw.branches), ("tags", "refs/tags", &raw.tags)]
    {
        for (position, name) in names.iter().enumerate() {
            if !is_ref_name(name) || name.starts_with("refs/") {
                let complaint = want("an exact name, without refs/", "patterns are not read here");
                let key = key!["trust", "sources", index, list, position];
                return Err(reader.refuse(key, format!("{name:?}"), complaint));
            }
            references.push(format!("{folder}/{name}"));
        }
    }
    for (name, path) in [("folder", &raw.folder), ("dockerfile", &raw.dockerfile)] {
        let odd = |path: &&String| path.is_empty() || path.starts_with('/') || path.contains("..");
        if let Some(path) = path.as_ref().filter(odd) {
            let complaint = want("a path in the repository", "leave it out for the default");
            return Err(reader.refuse(at(name), format!("{path:?}"), complaint));
        }
    }
    if let Some(target) = raw.target.as_ref().filter(|target| target.is_empty()) {
        let complaint = want("the name of a stage", "leave it out for the last one");
        return Err(reader.refuse(at("target"), format!("{target:?}"), complaint));
    }
    for (position, url) in raw.downloads.iter().enumerate() {
        // A folder is no download itself: what is below it has to be one.
        let below = if url.ends_with('/') { format!("{url}x") } else { url.clone() };
        if let Some(why) = refuse_url(&below) {
            let key = key!["trust", "sources", index, "downloads", position];
            let complaint = want("an https URL", "one that ends with / means all below it");
            return Err(reader.refuse(key, why, complaint));
        }
    }
    for (name, list) in [("buildArgs", &raw.build_args), ("downloads", &raw.downloads)] {
        if !list.is_empty() {
            reader.not_empty(at(name), list)?;
        }
    }
    Ok(TrustedSource {
        images: reader.images(&at("images"), &raw.images)?,
        repository: raw.repository.clone(),
        references,
        folder: raw.folder.clone(),
        dockerfile: raw.dockerfile.clone().unwrap_or_else(|| "Dockerfile".to_owned()),
        target: raw.target.clone(),
        build_args: raw.build_args.iter().cloned().collect(),
        bases: listed(reader, &at("bases"), &raw.bases)?,
        frontends: listed(reader, &at("frontends"), &raw.frontends)?,
        downloads: raw.downloads.clone(),
    })
}

/// Patterns of a list that may be left out.
fn listed(
    reader: &Reader<'_>,
    key: &KeyPath,
    list: &[String],
) -> Result<Vec<ImagePattern>, ConfigError> {
    if list.is_empty() { Ok(Vec::new()) } else { reader.images(key, list) }
}
