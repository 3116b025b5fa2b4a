//! The build manifest that hallmark puts into an image's last layer (`docs/provenance.md`).
//!
//! Turns the file at [`PATH`] into an [`EmbeddedManifest`] and its [`Provenance`], and checks it against the three things
//! that bind it: the label, the image's layers, and the signed statement. Refuses parameters that it does not know
//! (SLSA v1.0, "Verifying artifacts": unknown external parameters are rejected).

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Commit, Completeness, EngineVersion, Frontend, HALLMARK_BUILD_TYPE, Network, Producer,
    Provenance, ProvenanceError, SLSA_V1, SourceCode, buildkit,
    definition::{Definition, typed},
    material::{self, DigestSet},
    or_default,
};
use crate::{
    attest::Statement,
    digest::{BlobDigest, DiffId, Digest},
    finding::{Code, Fact, Finding, Key, Severity, Subject},
    image::{
        Image, ImageConfig, Manifest,
        append::{Addition, AppendError, Appended, append_layer},
        tar::{self, Entry, EntryKind, TarError},
    },
    json,
    limits::Limits,
};

/// Where the file stands in the image.
pub const PATH: &str = "/usr/share/buildinfo/build-manifest.json";
/// The label that holds the file's SHA-256 in hex.
pub const LABEL: &str = "dev.hallmark.build-manifest.sha256";
/// The name of the file among the byproducts of a signed statement.
pub const BYPRODUCT: &str = "build-manifest";

/// The file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedManifest {
    /// Its bytes.
    pub bytes: Bytes,
    /// SHA-256 of the bytes.
    pub digest: BlobDigest,
    /// SLSA's `buildDefinition`, whole.
    pub definition: Value,
    /// diffIDs of all layers before the file's own.
    pub diff_ids: Vec<DiffId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(rename = "buildDefinition")]
    definition: Value,
    #[serde(rename = "diffIds")]
    diff_ids: Vec<String>,
}

impl EmbeddedManifest {
    /// Reads the file.
    ///
    /// # Errors
    /// Larger than `limits.attestation_bytes`, ambiguous JSON, another build type, or fields of another form.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, ProvenanceError> {
        let wire: Wire =
            json::from_slice(&bytes, limits.json(limits.attestation_bytes)).map_err(|e| {
                let why = e.raised_by(crate::limits::key("attestation_bytes")).to_string();
                ProvenanceError::Predicate { predicate_type: SLSA_V1, why }
            })?;
        if wire.predicate_type != SLSA_V1 {
            return Err(ProvenanceError::PredicateType { found: wire.predicate_type });
        }
        let diff_ids = diff_ids(&wire.diff_ids)?;
        let read =
            Self { digest: BlobDigest::of(&bytes), bytes, definition: wire.definition, diff_ids };
        read.provenance()?;
        Ok(read)
    }

    /// What the file says about the build.
    ///
    /// # Errors
    /// As [`EmbeddedManifest::parse`]; a file that was parsed gives none.
    pub fn provenance(&self) -> Result<Provenance, ProvenanceError> {
        let definition: Definition = typed(&self.definition)?;
        if definition.build_type != HALLMARK_BUILD_TYPE {
            let (found, expected) = (&definition.build_type, HALLMARK_BUILD_TYPE);
            return Err(ProvenanceError::field("buildType", found, expected));
        }
        let diff_ids = self.diff_ids.clone();
        Ok(Provenance { diff_ids, ..from_definition(&definition)? })
    }
}

fn diff_ids(texts: &[String]) -> Result<Vec<DiffId>, ProvenanceError> {
    let read = |text: &String| {
        text.parse::<DiffId>()
            .map_err(|_| ProvenanceError::field("diffIds", text, "sha256:<64 hex digits>"))
    };
    texts.iter().map(read).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct External {
    source: Source,
    dockerfile: Dockerfile,
    #[serde(default)]
    target: Option<String>,
    platform: String,
    #[serde(default, rename = "buildArgs", deserialize_with = "or_default")]
    build_args: BTreeMap<String, String>,
    #[serde(default, rename = "hiddenBuildArgs", deserialize_with = "or_default")]
    hidden_build_args: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    uri: String,
    #[serde(default, rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    folder: Option<String>,
    digest: DigestSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dockerfile {
    path: String,
    #[serde(default, deserialize_with = "or_default")]
    digest: DigestSet,
}

#[derive(Default, Deserialize)]
struct Internal {
    #[serde(default, rename = "sourceDateEpoch")]
    epoch_seconds: Option<i64>,
    #[serde(default)]
    network: Option<String>,
    #[serde(default)]
    engine: Option<Engine>,
    #[serde(default, deserialize_with = "or_default")]
    exporter: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Engine {
    name: String,
    #[serde(default)]
    version: String,
}

/// Reads a `buildDefinition` of hallmark's build type, from the file or from a signed statement.
pub(super) fn from_definition(definition: &Definition) -> Result<Provenance, ProvenanceError> {
    let external: External = typed(&definition.external)?;
    let internal: Internal = if definition.internal.is_null() {
        Internal::default()
    } else {
        typed(&definition.internal)?
    };
    let mut into = Provenance::empty(Producer::Hallmark, HALLMARK_BUILD_TYPE);
    into.source = Some(source(external.source)?);
    into.dockerfile_path = Some(external.dockerfile.path);
    for (algorithm, hex) in external.dockerfile.digest {
        into.other_options.insert(format!("dockerfile-digest:{algorithm}"), hex);
    }
    for name in external.hidden_build_args {
        into.other_options.insert(format!("hidden-build-arg:{name}"), String::new());
    }
    into.frontend = Frontend::BuiltIn;
    into.target = external.target;
    into.platform = Some(external.platform.parse().map_err(|_| {
        ProvenanceError::field("platform", &external.platform, "os/architecture[/variant]")
    })?);
    into.build_args = external.build_args;
    into.labels = external.labels;
    into.epoch_seconds = internal.epoch_seconds;
    into.network = network(internal.network.as_deref())?;
    into.engine = internal.engine.map(|e| EngineVersion { name: e.name, version: e.version });
    into.exporter = internal.exporter;
    into.materials = buildkit::materials(&definition.dependencies)?;
    into.parameters = definition.external.clone();
    into.name_refs();
    into.complete = Completeness { parameters: true, materials: true, steps: true };
    Ok(into)
}

fn source(wire: Source) -> Result<SourceCode, ProvenanceError> {
    let read = material::source(&wire.uri, &wire.digest);
    let commit = ["gitCommit", "sha1"].iter().find_map(|n| Commit::new(wire.digest.get(*n)?));
    if commit.is_none() {
        let found = format!("{:?}", wire.digest);
        return Err(ProvenanceError::field(
            "source.digest",
            &found,
            "gitCommit: <40 or 64 hex digits>",
        ));
    }
    Ok(SourceCode {
        reference: wire.reference.or(read.reference),
        folder: wire.folder.or(read.folder),
        commit,
        url: read.url,
    })
}

fn network(word: Option<&str>) -> Result<Network, ProvenanceError> {
    match word {
        None => Ok(Network::Unknown),
        Some("none") => Ok(Network::None),
        Some("default") => Ok(Network::Default),
        Some("host") => Ok(Network::Host),
        Some(other) => Err(ProvenanceError::field("network", other, "none, default or host")),
    }
}

/// What an image's last layer holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastLayer {
    /// The file at [`PATH`], where it is a regular file of root's.
    pub file: Option<Bytes>,
    /// Folders above the file that the layer holds, as `hallmark provenance embed` writes them: root's, `0755`.
    pub folders: BTreeSet<String>,
    /// Every other path, in the order of the tar.
    pub foreign: Vec<String>,
}

impl LastLayer {
    /// Reads a layer's tar. What it gives counts only once the layer's digest has been checked.
    ///
    /// # Errors
    /// A tar that cannot be read in one way only, or exceeds a limit.
    pub fn read(tar: impl Read, limits: &Limits) -> Result<Self, TarError> {
        let mut last = Self::default();
        tar::walk(tar, limits, |entry, content| last.visit(entry, content, limits))?;
        Ok(last)
    }

    fn visit(
        &mut self,
        entry: &Entry,
        content: &mut dyn Read,
        limits: &Limits,
    ) -> Result<(), TarError> {
        let plain = entry.uid == 0 && entry.gid == 0 && entry.xattrs.is_empty();
        let readable = entry.kind == EntryKind::File && entry.mode == MODE;
        if entry.path == PATH && plain && readable && entry.size <= limits.attestation_bytes as u64
        {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            self.file = Some(bytes.into());
        } else if is_parent(&entry.path)
            && plain
            && entry.kind == EntryKind::Directory
            && entry.mode == 0o755
        {
            self.folders.insert(entry.path.clone());
        } else {
            self.foreign.push(entry.path.clone());
        }
        Ok(())
    }
}

/// Permissions of the file: everybody reads it, nobody needs to write it.
const MODE: u32 = 0o444;

/// Whether a folder has to be there for the file to be there.
fn is_parent(path: &str) -> bool {
    PATH.strip_prefix(path.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

/// Adds the file to an image as its last layer. `has_folder` says which folders the image has already.
///
/// # Errors
/// See [`AppendError`].
pub fn embed(
    manifest: &Manifest,
    config: &ImageConfig,
    file: &EmbeddedManifest,
    has_folder: &dyn Fn(&str) -> bool,
    limits: &Limits,
) -> Result<Appended, AppendError> {
    let epoch = file.definition.pointer("/internalParameters/sourceDateEpoch");
    let addition = Addition {
        path: PATH,
        bytes: &file.bytes,
        mode: MODE,
        has_folder,
        label: (LABEL, &file.digest.hex()),
        created_by: "hallmark provenance embed",
        epoch_seconds: epoch.and_then(Value::as_i64).unwrap_or(0),
    };
    append_layer(manifest, config, &addition, limits)
}

/// The three cross-checks: the file is what label and statement name; it lists the image's layers and stands alone in the
/// last one; it tells the same build as the statement.
///
/// `statement` is the image's SLSA statement of hallmark's build type, where there is one.
pub fn cross_check(
    image: &Image,
    file: Option<&EmbeddedManifest>,
    last: &LastLayer,
    statement: Option<&Statement>,
) -> Vec<Finding> {
    let label = image.config.runtime.labels.get(LABEL);
    let Some(file) = file else {
        return label.map(|value| inherited(value)).into_iter().collect();
    };
    let mut findings = Vec::new();
    findings.extend(check_label(file, label));
    findings.extend(statement.and_then(|s| check_byproduct(file, s)));
    findings.extend(check_layers(image, file));
    findings.extend(check_alone(image, last));
    findings.extend(statement.and_then(|s| check_definition(file, s)));
    findings
}

fn subject(image: &Image) -> Subject {
    Subject::File { path: PATH.to_owned(), layer: image.manifest.layers.len().checked_sub(1) }
}

/// A label without its file comes from a base image: it binds nothing, and contradicts nothing either.
fn inherited(value: &str) -> Finding {
    Finding::new(Code::ProvenanceLabelMismatch, Subject::Evidence(format!("label {LABEL}")))
        .at(Severity::Warning)
        .with(Key::Expect, format!("{PATH} in the last layer"))
        .with(Key::Found, value)
        .with(
            Key::Why,
            "the last layer holds no build manifest; the label may come from a base image",
        )
}

/// Check 1, first half: sha256(file) = label.
fn check_label(file: &EmbeddedManifest, label: Option<&String>) -> Option<Finding> {
    let expect = file.digest.hex();
    if label == Some(&expect) {
        return None;
    }
    let found = label.map_or("no such label", String::as_str);
    let subject = Subject::Evidence(format!("label {LABEL}"));
    Some(
        Finding::new(Code::ProvenanceLabelMismatch, subject)
            .with(Key::Expect, expect)
            .with(Key::Found, found)
            .with(Key::From, PATH),
    )
}

/// Check 1, second half: sha256(file) = the statement's byproduct.
fn check_byproduct(file: &EmbeddedManifest, statement: &Statement) -> Option<Finding> {
    let predicate = statement.predicate.value().ok()?;
    let byproducts = predicate.pointer("/runDetails/byproducts")?.as_array()?;
    let named =
        byproducts.iter().find(|b| b.get("name").and_then(Value::as_str) == Some(BYPRODUCT))?;
    let found = named.pointer("/digest/sha256").and_then(Value::as_str).unwrap_or("no sha256");
    if found == file.digest.hex() {
        return None;
    }
    Some(
        Finding::new(
            Code::ProvenanceLabelMismatch,
            Subject::Evidence("signed statement".to_owned()),
        )
        .with(Key::Expect, file.digest.hex())
        .with(Key::Found, found)
        .with(Key::From, "runDetails.byproducts"),
    )
}

/// Check 2, first half: the listed diffIDs are the image's, without the last.
fn check_layers(image: &Image, file: &EmbeddedManifest) -> Option<Finding> {
    let before = image.config.diff_ids.split_last().map_or(&[][..], |(_, before)| before);
    if before == file.diff_ids {
        return None;
    }
    let list = |ids: &[DiffId]| Fact::List(ids.iter().map(Fact::from).collect());
    Some(
        Finding::new(Code::ProvenanceDiffIdMismatch, subject(image))
            .with(Key::Expect, list(&file.diff_ids))
            .with(Key::Found, list(before)),
    )
}

/// Check 2, second half: the last layer holds nothing else.
fn check_alone(image: &Image, last: &LastLayer) -> Option<Finding> {
    if last.foreign.is_empty() {
        return None;
    }
    let found = last.foreign.iter().take(20).map(|p| Fact::from(p.as_str())).collect();
    Some(
        Finding::new(Code::ProvenanceLayerNotAlone, subject(image))
            .with(Key::Expect, PATH)
            .with(Key::Found, Fact::List(found)),
    )
}

/// Check 3: both tell the same build. JSON values are compared, so that neither spacing nor key order matters.
fn check_definition(file: &EmbeddedManifest, statement: &Statement) -> Option<Finding> {
    let predicate = statement.predicate.value().unwrap_or_default();
    let signed = predicate.get("buildDefinition").unwrap_or(&Value::Null);
    if *signed == file.definition {
        return None;
    }
    let name = |value: &Value| Fact::from(&Digest::sha256(value.to_string().as_bytes()));
    Some(
        Finding::new(Code::ProvenanceConflict, Subject::Evidence("signed statement".to_owned()))
            .at(Severity::Error)
            .with(Key::Expect, name(&file.definition))
            .with(Key::Found, name(signed))
            .with(Key::Why, differing_parts(&file.definition, signed))
            .with(Key::From, PATH),
    )
}

fn differing_parts(file: &Value, signed: &Value) -> String {
    let parts = ["buildType", "externalParameters", "internalParameters", "resolvedDependencies"];
    let differ: Vec<_> = parts.into_iter().filter(|p| file.get(p) != signed.get(p)).collect();
    format!("buildDefinition differs in {}", differ.join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        attest::provenance::create::{self, Description, Input, Run},
        digest::ManifestDigest,
        rebuild::tests::{image, image_with},
    };

    fn description(diff_ids: Vec<DiffId>) -> Description {
        let base = ManifestDigest::of(b"base");
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        Description {
            source_url: "https://git.example/app.git".to_owned(),
            reference: Some("refs/tags/v1".to_owned()),
            folder: Some("sub".to_owned()),
            commit: Commit::new(&"c".repeat(40)).unwrap(),
            dockerfile_path: "Dockerfile".to_owned(),
            dockerfile: Digest::sha256(b"FROM x"),
            target: Some("release".to_owned()),
            platform: "linux/amd64".parse().unwrap(),
            build_args: pairs(&[("VERSION", "1"), ("TOKEN", "hunter2")]),
            public_build_args: ["VERSION".to_owned()].into(),
            labels: BTreeMap::new(),
            epoch_seconds: Some(1_735_689_600),
            network: Network::None,
            dependencies: vec![Input::base("r.example:5000/base", Some("1"), &base)],
            engine: EngineVersion { name: "buildah".to_owned(), version: "1.28.2".to_owned() },
            exporter: pairs(&[("layers", "true"), ("rewriteTimestamp", "true")]),
            diff_ids,
        }
    }

    fn manifest(diff_ids: Vec<DiffId>) -> EmbeddedManifest {
        create::create(&description(diff_ids), &Limits::default()).unwrap()
    }

    fn statement_of(manifest: &EmbeddedManifest, image: &Image) -> Statement {
        let run =
            Run { builder_id: "https://ci.example".to_owned(), started: None, finished: None };
        let document = create::statement(manifest, "app", &image.manifest.document.digest, &run);
        let predicate = document.get("predicate").unwrap().clone();
        Statement {
            subjects: Vec::new(),
            predicate_type: SLSA_V1.to_owned(),
            predicate: predicate.into(),
        }
    }

    /// An image in which the manifest is embedded, what its last layer holds, and the manifest.
    fn embedded() -> (Image, LastLayer, EmbeddedManifest) {
        let limits = Limits::default();
        let mut image = image();
        let file = manifest(image.config.diff_ids.clone());
        let added = embed(&image.manifest, &image.config, &file, &|_| false, &limits).unwrap();
        let last = flate2::read::GzDecoder::new(&added.layer[..]);
        let last = LastLayer::read(last, &limits).unwrap();
        image.manifest = added.manifest;
        image.config = added.config.into();
        (image, last, file)
    }

    #[test]
    fn what_is_created_reads_back() {
        let file = manifest(vec![DiffId::of(b"layer")]);
        let read = file.provenance().unwrap();
        assert_eq!(read.producer, Producer::Hallmark);
        let source = read.source.unwrap();
        assert_eq!(source.url, "https://git.example/app.git");
        assert_eq!(source.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(source.folder.as_deref(), Some("sub"));
        assert_eq!(source.commit, Commit::new(&"c".repeat(40)));
        assert_eq!(read.target.as_deref(), Some("release"));
        assert_eq!(read.epoch_seconds, Some(1_735_689_600));
        assert_eq!(read.network, Network::None);
        assert_eq!(read.engine.unwrap().name, "buildah");
        assert_eq!(read.diff_ids, [DiffId::of(b"layer")]);
        assert!(read.materials.iter().any(|m| m.role.as_deref() == Some("base")
            && m.kind
                == crate::attest::provenance::MaterialKind::Image {
                    name: "r.example:5000/base".to_owned(),
                    tag: Some("1".to_owned()),
                    platform: None,
                }));
        assert_eq!(manifest(vec![DiffId::of(b"layer")]).bytes, file.bytes, "equal in, equal out");
    }

    #[test]
    fn values_of_build_arguments_stay_out_unless_named() {
        let file = manifest(Vec::new());
        let text = String::from_utf8(file.bytes.to_vec()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        let read = file.provenance().unwrap();
        assert_eq!(read.build_args.get("VERSION").map(String::as_str), Some("1"));
        assert!(read.other_options.contains_key("hidden-build-arg:TOKEN"));
    }

    #[test]
    fn the_statement_tells_the_same_build() {
        let file = manifest(Vec::new());
        let image = image();
        let read = crate::attest::provenance::parse(&statement_of(&file, &image)).unwrap();
        assert_eq!(Provenance { builder_id: String::new(), ..read }, file.provenance().unwrap());
    }

    #[test]
    fn an_honest_image_passes_the_cross_checks() {
        let (image, last, file) = embedded();
        assert_eq!(last.file.as_ref(), Some(&file.bytes));
        assert_eq!(last.foreign, Vec::<String>::new());
        let statement = statement_of(&file, &image);
        assert_eq!(cross_check(&image, Some(&file), &last, Some(&statement)), []);
        assert_eq!(cross_check(&image, Some(&file), &last, None), []);
    }

    #[test]
    fn each_contradiction_is_found() {
        let (image, last, file) = embedded();
        let statement = statement_of(&file, &image);
        let codes =
            |image: &Image, file: Option<&EmbeddedManifest>, last: &LastLayer, s: &Statement| {
                cross_check(image, file, last, Some(s)).iter().map(|f| f.code).collect::<Vec<_>>()
            };
        // Another file than the label and the statement name.
        let mut other = description(file.diff_ids.clone());
        other.commit = Commit::new(&"d".repeat(40)).unwrap();
        let other = create::create(&other, &Limits::default()).unwrap();
        let label = Code::ProvenanceLabelMismatch;
        let want = [label, label, Code::ProvenanceConflict];
        assert_eq!(codes(&image, Some(&other), &last, &statement), want);
        // A layer was put under it.
        let mut swapped = image.clone();
        std::sync::Arc::make_mut(&mut swapped.config).diff_ids.insert(1, DiffId::of(b"implant"));
        assert_eq!(
            codes(&swapped, Some(&file), &last, &statement),
            [Code::ProvenanceDiffIdMismatch]
        );
        // Something came with it.
        let mut stuffed = last.clone();
        stuffed.foreign.push("/usr/bin/implant".to_owned());
        assert_eq!(
            codes(&image, Some(&file), &stuffed, &statement),
            [Code::ProvenanceLayerNotAlone]
        );
        // The statement tells another build.
        let mut lying = statement;
        let mut predicate = lying.predicate.value().unwrap();
        predicate["buildDefinition"]["internalParameters"]["network"] = json!("default");
        lying.predicate = predicate.into();
        let findings = cross_check(&image, Some(&file), &last, Some(&lying));
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::ProvenanceConflict]);
        assert!(findings[0].facts[&Key::Why].to_string().contains("internalParameters"));
    }

    #[test]
    fn a_label_from_a_base_image_is_a_warning() {
        let image = image_with(&json!({ LABEL: "00" }), 1);
        let findings = cross_check(&image, None, &LastLayer::default(), None);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    /// A layer with one entry of this path, mode, owner and content.
    fn layer(path: &str, kind: ::tar::EntryType, mode: u32, uid: u64) -> LastLayer {
        let mut builder = ::tar::Builder::new(Vec::new());
        let mut header = ::tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(0);
        header.set_path(path).unwrap();
        header.set_cksum();
        builder.append(&header, std::io::empty()).unwrap();
        let tar = builder.into_inner().unwrap();
        LastLayer::read(&tar[..], &Limits::default()).unwrap()
    }

    #[test]
    fn folders_with_other_owners_or_modes_are_foreign() {
        use ::tar::EntryType::{Directory, Regular};
        let file = "usr/share/buildinfo/build-manifest.json";
        assert!(layer("usr/share/", Directory, 0o755, 0).foreign.is_empty());
        assert_eq!(layer("usr/share/", Directory, 0o777, 0).foreign, ["/usr/share"]);
        assert_eq!(layer("usr/share/", Directory, 0o755, 1000).foreign, ["/usr/share"]);
        assert_eq!(layer("usr/bin/", Directory, 0o755, 0).foreign, ["/usr/bin"]);
        assert!(layer(file, Regular, 0o444, 0).file.is_some());
        assert!(layer(file, Regular, 0o4755, 0).file.is_none(), "setuid");
        assert_eq!(layer("usr/share/.wh.x", Regular, 0o644, 0).foreign.len(), 1, "whiteout");
    }

    #[test]
    fn foreign_files_are_refused() {
        let good: Value = serde_json::from_slice(&manifest(Vec::new()).bytes).unwrap();
        let cases: [(&str, Value); 8] = [
            ("/predicateType", json!("https://slsa.dev/provenance/v0.2")),
            ("/buildDefinition/buildType", json!("https://mobyproject.org/buildkit@v1")),
            ("/buildDefinition/externalParameters/unknown", json!(1)),
            ("/buildDefinition/externalParameters/source/digest", json!({ "md5": "0" })),
            ("/buildDefinition/externalParameters/platform", json!("x")),
            ("/buildDefinition/internalParameters/network", json!("open")),
            ("/diffIds", json!(["sha256:zz"])),
            ("/other", json!(1)),
        ];
        for (pointer, value) in cases {
            let mut document = good.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(parent).unwrap()[key] = value;
            let bytes = Bytes::from(document.to_string());
            assert!(EmbeddedManifest::parse(bytes, &Limits::default()).is_err(), "{pointer}");
        }
        let bytes = manifest(Vec::new()).bytes;
        let exact = Limits { attestation_bytes: bytes.len(), ..Limits::default() };
        assert!(EmbeddedManifest::parse(bytes.clone(), &exact).is_ok());
        let less = Limits { attestation_bytes: bytes.len() - 1, ..Limits::default() };
        assert!(EmbeddedManifest::parse(bytes, &less).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..2000) {
            let _ = EmbeddedManifest::parse(bytes.into(), &Limits::default());
            let good = manifest(Vec::new()).bytes;
            let _ = EmbeddedManifest::parse(good.slice(..cut.min(good.len())), &Limits::default());
        }
    }
}
