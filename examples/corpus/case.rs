//! What `case.toml` says: how a case comes to be, and what a rebuild of it has to find.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows, in a sentence.
    pub shows: String,
    /// How it is built.
    pub build: Option<Build>,
    /// Or of what it is a manipulated copy.
    pub twin: Option<Twin>,
    /// What a rebuild has to find.
    pub expect: Expect,
}

/// A build by a real builder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    pub builder: Builder,
    /// Folder under `fixtures/rebuild/sources`.
    pub source: String,
    /// Folder in the repository that is the context.
    pub folder: Option<String>,
    #[serde(default = "dockerfile")]
    pub dockerfile: String,
    pub target: Option<String>,
    /// Build arguments; `@BASE:NAME@` is a base by digest, `@REGISTRY@`, `@GIT@` and `@HTTP@` are services.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Options of the frontend, as buildctl's `--opt` takes them.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Whether `SOURCE_DATE_EPOCH` is passed.
    #[serde(default = "yes")]
    pub epoch: bool,
    /// Whether the builder rewrites timestamps.
    #[serde(default = "yes")]
    pub rewrite: bool,
    pub compression: Option<String>,
    /// More options of the exporter.
    #[serde(default)]
    pub exporter: BTreeMap<String, String>,
    #[serde(default)]
    pub media_types: MediaTypes,
    #[serde(default)]
    pub provenance: Attested,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub context: Context,
    /// Whether the build has the secret `token`.
    #[serde(default)]
    pub secret: bool,
    /// buildah: a layer for each instruction.
    #[serde(default = "yes")]
    pub layers: bool,
    /// What happens once the image is published.
    pub afterwards: Option<Afterwards>,
}

fn dockerfile() -> String {
    "Dockerfile".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// BuildKit's own daemon, through buildctl.
    Buildkitd,
    /// BuildKit inside Docker, through buildx.
    Docker,
    Buildah,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaTypes {
    #[default]
    Oci,
    /// Docker's, in which BuildKit exports no attestations: those of a second, equal build are attached by cosign.
    Docker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Attested {
    /// SLSA v1, mode=max (buildkitd).
    #[default]
    #[serde(rename = "v1")]
    V1,
    /// SLSA v0.2, mode=max.
    #[serde(rename = "v0.2")]
    V02,
    /// mode=min.
    #[serde(rename = "min")]
    Min,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    #[default]
    None,
    Default,
    Host,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    #[default]
    Git,
    /// A folder of the client's disk.
    Local,
    /// An archive of the repository's tree, by its URL.
    Archive,
    /// The Dockerfile alone, by its URL.
    Dockerfile,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Afterwards {
    /// The tag `base/runtime:CASE` leads to another image.
    BaseMoves,
    /// `base/runtime-CASE` is gone from the registry.
    BaseGoes,
    /// The branch of the repository leads to another commit.
    BranchMoves,
    /// The repository is gone.
    SourceGoes,
    /// What was downloaded is another file now.
    DownloadChanges,
}

/// A manipulated copy of another case: every digest that follows is rewritten.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// The case it is a copy of.
    pub of: String,
    /// Calls of `examples/forge.rs`, one after the other. `@IMPLANT@` is a file, `@EMPTY@` an empty one, `@COMMIT@` the
    /// commit that was built, `@NEXT@` the one after it, `@DIGEST:NAME@` the digest of a base.
    pub forge: Vec<Vec<String>>,
}

/// What a rebuild has to find.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `compared`, `not-replayable`, `failed` or `no-provenance`.
    pub status: String,
    /// The rung, where it is compared.
    pub level: Option<u8>,
    pub determinism: Option<String>,
    /// `CLASS PLACE`: each difference has such a class at a place that holds the text, and each of these is found.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The gaps, exactly.
    #[serde(default)]
    pub gaps: Vec<String>,
    /// The kind of failure.
    pub failure: Option<String>,
    /// Which platforms are rebuilt, where it is not the machine's own.
    #[serde(default)]
    pub platforms: Vec<String>,
}

/// The cases in a folder, by name.
pub fn read_all(folder: &Path) -> Result<BTreeMap<String, Case>, Box<dyn Error>> {
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let file: PathBuf = entry?.path().join("case.toml");
        if !file.is_file() {
            continue;
        }
        let name = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let case: Case = toml::from_str(&fs::read_to_string(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        if case.build.is_some() == case.twin.is_some() {
            return Err(format!("{}: either [build] or [twin]", file.display()).into());
        }
        cases.insert(name.into_owned(), case);
    }
    Ok(cases)
}
