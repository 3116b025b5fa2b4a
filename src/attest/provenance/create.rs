//! Provenance made at build time, for builders that record nothing.
//!
//! Turns a [`Description`] of a build into the bytes of a build manifest (`docs/provenance.md`) and into the SLSA v1
//! statement that is signed for the finished image. Equal descriptions give equal bytes: no time, no host name and no
//! invocation id goes into the file. The values of build arguments go in only where the operator names them: an image is
//! public, and arguments have carried tokens before.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    Commit, EngineVersion, HALLMARK_BUILD_TYPE, Network, ProvenanceError, SLSA_V1,
    embedded::{BYPRODUCT, EmbeddedManifest, PATH},
};
use crate::{
    digest::{DiffId, Digest, ManifestDigest},
    image::Platform,
    limits::Limits,
};

/// A build, as the one who ran it describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// URL of the repository, without fragment.
    pub source_url: String,
    /// Branch or tag, where one was used.
    pub reference: Option<String>,
    /// Folder in the repository that was the context.
    pub folder: Option<String>,
    /// The commit that was checked out.
    pub commit: Commit,
    /// Path of the Dockerfile under the folder.
    pub dockerfile_path: String,
    /// SHA-256 of the Dockerfile.
    pub dockerfile: Digest,
    /// The stage that was built.
    pub target: Option<String>,
    /// The platform that was built for.
    pub platform: Platform,
    /// Build arguments by name.
    pub build_args: BTreeMap<String, String>,
    /// Build arguments whose values may be published.
    pub public_build_args: BTreeSet<String>,
    /// Labels from the command line.
    pub labels: BTreeMap<String, String>,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub epoch_seconds: Option<i64>,
    /// What build steps could reach.
    pub network: Network,
    /// Bases, toolchains, lock files and downloads.
    pub dependencies: Vec<Input>,
    /// The engine.
    pub engine: EngineVersion,
    /// How the image was written: `layers`, `rewriteTimestamp`, `compression`, `mediaTypes`.
    pub exporter: BTreeMap<String, String>,
    /// diffIDs of the finished image, before the manifest is embedded.
    pub diff_ids: Vec<DiffId>,
}

/// One input of a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// What it is called, as `runtime-base` or `Cargo.lock`.
    pub name: String,
    /// Where it is: a package URL for images and packages.
    pub uri: Option<String>,
    /// Its digest; a toolchain that is part of a base image has none of its own.
    pub digest: Option<Digest>,
    /// `base`, `toolchain`, `lockfile` or `download`.
    pub role: String,
}

impl Input {
    /// A base image.
    pub fn base(repository: &str, tag: Option<&str>, digest: &ManifestDigest) -> Self {
        let version = tag.map(|t| format!("@{t}")).unwrap_or_default();
        let uri = format!("pkg:docker/{}{version}?digest={digest}", repository.replace(':', "%3A"));
        let name = repository.to_owned();
        Self {
            name,
            uri: Some(uri),
            digest: Some(digest.digest().clone()),
            role: "base".to_owned(),
        }
    }

    /// A compiler or other tool and its version, as it is in one of the bases.
    pub fn toolchain(name: &str, version: &str) -> Self {
        let uri = Some(format!("pkg:generic/{name}@{version}"));
        Self { name: name.to_owned(), uri, digest: None, role: "toolchain".to_owned() }
    }

    /// A lock file of the source.
    pub fn lockfile(path: &str, digest: Digest) -> Self {
        let role = "lockfile".to_owned();
        Self { name: path.to_owned(), uri: None, digest: Some(digest), role }
    }

    fn to_json(&self) -> Value {
        let mut entry = Map::new();
        entry.insert("annotations".to_owned(), json!({ "role": self.role }));
        if let Some(digest) = &self.digest {
            entry.insert("digest".to_owned(), json!({ digest.algorithm().name(): digest.hex() }));
        }
        entry.insert("name".to_owned(), json!(self.name));
        if let Some(uri) = &self.uri {
            entry.insert("uri".to_owned(), json!(uri));
        }
        Value::Object(entry)
    }
}

/// Writes the build manifest.
///
/// # Errors
/// A description that does not read back, as a base image whose name is none.
pub fn create(
    description: &Description,
    limits: &Limits,
) -> Result<EmbeddedManifest, ProvenanceError> {
    let document = json!({
        "buildDefinition": definition(description),
        "diffIds": description.diff_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "predicateType": SLSA_V1,
    });
    let text = format!("{document:#}\n");
    EmbeddedManifest::parse(Bytes::from(text), limits)
}

fn definition(d: &Description) -> Value {
    let mut inputs = d.dependencies.clone();
    inputs.sort();
    let mut dependencies = vec![json!({
        "annotations": { "role": "source" },
        "digest": { "gitCommit": d.commit.as_str() },
        "name": "source",
        "uri": format!("git+{}", d.source_url),
    })];
    dependencies.extend(inputs.iter().map(Input::to_json));
    json!({
        "buildType": HALLMARK_BUILD_TYPE,
        "externalParameters": external(d),
        "internalParameters": internal(d),
        "resolvedDependencies": dependencies,
    })
}

fn external(d: &Description) -> Value {
    let (public, hidden): (Vec<_>, Vec<_>) =
        d.build_args.iter().partition(|(name, _)| d.public_build_args.contains(*name));
    let public: BTreeMap<_, _> = public.into_iter().collect();
    let hidden: Vec<_> = hidden.into_iter().map(|(name, _)| name).collect();
    without_nulls(json!({
        "buildArgs": public,
        "dockerfile": {
            "digest": { d.dockerfile.algorithm().name(): d.dockerfile.hex() },
            "path": d.dockerfile_path,
        },
        "hiddenBuildArgs": if hidden.is_empty() { Value::Null } else { json!(hidden) },
        "labels": if d.labels.is_empty() { Value::Null } else { json!(d.labels) },
        "platform": d.platform.to_string(),
        "source": without_nulls(json!({
            "digest": { "gitCommit": d.commit.as_str() },
            "folder": d.folder,
            "ref": d.reference,
            "uri": format!("git+{}", d.source_url),
        })),
        "target": d.target,
    }))
}

fn internal(d: &Description) -> Value {
    let network = match d.network {
        Network::Unknown => None,
        known => Some(known.name()),
    };
    without_nulls(json!({
        "engine": { "name": d.engine.name, "version": d.engine.version },
        "exporter": d.exporter,
        "network": network,
        "sourceDateEpoch": d.epoch_seconds,
    }))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null()).collect(),
        other => other,
    }
}

/// Who built an image, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The builder's identity, a URI.
    pub builder_id: String,
    /// When the build began, RFC 3339.
    pub started: Option<String>,
    /// When it ended, RFC 3339.
    pub finished: Option<String>,
}

/// The in-toto statement v1 to sign for the image that the manifest was embedded in.
pub fn statement(
    manifest: &EmbeddedManifest,
    name: &str,
    image: &ManifestDigest,
    run: &Run,
) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {
            "buildDefinition": manifest.definition,
            "runDetails": {
                "builder": { "id": run.builder_id },
                "byproducts": [{
                    "annotations": { "path": PATH },
                    "digest": { "sha256": manifest.digest.hex() },
                    "name": BYPRODUCT,
                }],
                "metadata": without_nulls(json!({
                    "finishedOn": run.finished,
                    "startedOn": run.started,
                })),
            },
        },
        "predicateType": SLSA_V1,
        "subject": [{
            "digest": { image.digest().algorithm().name(): image.hex() },
            "name": name,
        }],
    })
}
