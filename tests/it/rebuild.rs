//! Rebuilds for real: provenance from the lab's registry, an engine started for the job, and the digest that comes out.
//!
//! Runs where `HALLMARK_LAB` names a running lab with the demo's images (`scripts/lab up`, `scripts/demo-images`), with
//! the lab's `PATH`; says so and passes where it does not.

// Helpers of tests are tests too, which clippy does not see.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeMap, path::PathBuf, sync::Mutex};

use hallmark::{
    attest::{
        Statement,
        provenance::{
            self, Commit, EngineVersion, Network, Provenance, SLSA_V1, SLSA_V02,
            create::{self, Description, Input},
            embedded::{self, EmbeddedManifest},
        },
    },
    digest::{Digest, ManifestDigest},
    engine::{self, EngineChoice, EngineSettings, Finished},
    image::{Image, Platform},
    limits::Limits,
    progress::ProgressSink,
    rebuild::{
        EmbeddedLayer, Failure, FailureKind, Plan, Planned, PlannedSource,
        plan::{self, LayerTraces, PlanOptions},
    },
    reference::{Location, PinnedReference, Reference, Selector},
    source::{self, RegistrySettings, SourceSettings, images::PlatformChoice},
};

pub struct Lab {
    pub folder: PathBuf,
    pub registry: String,
    pub images: serde_json::Value,
}

impl Lab {
    /// The lab, or `None` with a plain word on stderr.
    pub fn find() -> Option<Self> {
        let Some(folder) = std::env::var_os("HALLMARK_LAB").map(PathBuf::from) else {
            eprintln!("skipped: HALLMARK_LAB names no running lab");
            return None;
        };
        let text = std::fs::read_to_string(folder.join("images.json"))
            .expect("the lab has no images.json");
        let images: serde_json::Value = serde_json::from_str(&text).unwrap();
        let registry = images["registry"].as_str().unwrap().to_owned();
        Some(Self { folder, registry, images })
    }

    fn entry(&self, variable: &str) -> &serde_json::Value {
        let list = self.images["images"].as_array().unwrap();
        list.iter().find(|image| image["variable"] == variable).expect("no such image in the lab")
    }

    pub fn settings(&self) -> EngineSettings {
        EngineSettings {
            plain_http: vec![self.registry.clone()],
            private_sources: vec!["127.0.0.1".to_owned()],
            ..EngineSettings::default()
        }
    }

    pub async fn load(&self, variable: &str) -> (Image, Option<Provenance>) {
        let limits = Limits::default();
        let reference: Reference =
            self.entry(variable)["reference"].as_str().unwrap().parse().unwrap();
        let Reference::At(location, Selector::Digest(digest)) = reference else {
            panic!("no digest")
        };
        let registries = vec![RegistrySettings {
            host: self.registry.clone(),
            plain_http: true,
            ca: None,
            auth_hosts: Vec::new(),
        }];
        let settings = SourceSettings { registries, ..SourceSettings::default() };
        let source = source::open(&location, &settings, &limits).await.unwrap();
        let pinned = PinnedReference { location, digest };
        let images =
            source::images::load(&*source, &pinned, &PlatformChoice::Host, &limits).await.unwrap();
        let image = images.into_iter().next().unwrap();
        let found = source::discover::discover(&*source, &image, &limits).await;
        let provenance = found.raws.iter().find_map(|raw| {
            let value: serde_json::Value = serde_json::from_slice(&raw.bytes).ok()?;
            let predicate_type = value["predicateType"].as_str()?.to_owned();
            [SLSA_V02, SLSA_V1].contains(&predicate_type.as_str()).then(|| {
                let predicate = value["predicate"].clone();
                provenance::parse(&Statement {
                    subjects: Vec::new(),
                    predicate_type,
                    predicate: predicate.into(),
                })
                .unwrap()
            })
        });
        (image, provenance)
    }
}

/// Keeps what is said, for failures.
#[derive(Default)]
pub struct Notes(pub Mutex<Vec<String>>);

impl ProgressSink for Notes {
    fn stage(&self, name: &str) {
        self.0.lock().unwrap().push(format!("== {name}"));
    }
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

pub fn planned(provenance: &Provenance, image: &Image) -> Plan {
    match plan::plan(provenance, image, &LayerTraces::default(), &PlanOptions::default()) {
        Planned::Plan(plan) => *plan,
        Planned::NotReplayable(gaps) => panic!("not replayable: {gaps:#?}"),
    }
}

async fn build(lab: &Lab, plan: &Plan, choice: EngineChoice) -> Result<Finished, Failure> {
    let notes = Notes::default();
    let result = engine::build(plan, &lab.settings(), choice, &Limits::default(), &notes).await;
    if let Err(failure) = &result {
        eprintln!("{:?}: {}\n{}", failure.kind, failure.why, failure.log);
    }
    result
}

pub async fn rebuilt(finished: &Finished) -> Image {
    let limits = Limits::default();
    let location = Location::Layout(finished.built.layout.clone());
    let source = source::open(&location, &SourceSettings::default(), &limits).await.unwrap();
    let digest = source.resolve(&Selector::Only).await.unwrap();
    let pinned = PinnedReference { location, digest };
    let images =
        source::images::load(&*source, &pinned, &PlatformChoice::Host, &limits).await.unwrap();
    images.into_iter().next().unwrap()
}

/// What runs or is mounted in the job's folder after it is gone.
pub fn traces(folder: &str) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut traces: Vec<String> =
        mounts.lines().filter(|l| l.contains(folder)).map(str::to_owned).collect();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(folder) {
            traces.push(command);
        }
    }
    traces
}

async fn reproduces(variable: &str, choice: EngineChoice) {
    let Some(lab) = Lab::find() else { return };
    let (image, provenance) = lab.load(variable).await;
    let plan = planned(&provenance.expect("no provenance"), &image);
    let finished = build(&lab, &plan, choice).await.expect("the rebuild failed");
    let again = rebuilt(&finished).await;
    assert!(finished.built.report.ephemeral);
    let (own, published) = (&again.config, &image.config);
    assert_eq!(own.diff_ids, published.diff_ids, "{variable}: layers");
    assert_eq!(own.runtime, published.runtime, "{variable}: what has an effect at run time");
    if choice != EngineChoice::Buildkitd {
        // Another BuildKit than the one that made the image words its history and compresses its layers differently.
        assert_eq!(own.document.digest, published.document.digest, "{variable}: configuration");
        let digests = (&again.manifest.document.digest, &image.manifest.document.digest);
        assert_eq!(digests.0, digests.1, "{variable}: manifest");
    }
    let folder = finished.workspace.path().to_owned();
    drop(finished);
    assert!(!folder.exists(), "{folder:?} was left behind");
    assert_eq!(traces(&folder.to_string_lossy()), Vec::<String>::new());
}

#[tokio::test]
async fn docker_reproduces_the_honest_image() {
    reproduces("HONEST", EngineChoice::Auto).await;
}

#[tokio::test]
async fn docker_reproduces_an_image_whose_base_tag_has_moved() {
    reproduces("MOVED", EngineChoice::Auto).await;
}

#[tokio::test]
async fn buildkitd_rebuilds_the_same_layers_where_it_is_installed() {
    if engine::host::find_program("buildkitd").is_none() {
        eprintln!("skipped: buildkitd is not on PATH");
        return;
    }
    reproduces("HONEST", EngineChoice::Buildkitd).await;
    reproduces("MOVED", EngineChoice::Buildkitd).await;
}

/// Without the pins the same plan gives another image: the proof that the pins did it.
#[tokio::test]
async fn a_plain_rebuild_after_the_base_moved_differs() {
    let Some(lab) = Lab::find() else { return };
    let (image, provenance) = lab.load("MOVED").await;
    let mut plan = planned(&provenance.expect("no provenance"), &image);
    let moved = unpin(&lab, &mut plan).await;
    assert!(moved, "the lab's base tag has not moved");
    let finished = build(&lab, &plan, EngineChoice::Docker).await.expect("the rebuild failed");
    let again = rebuilt(&finished).await;
    assert_ne!(again.manifest.document.digest, image.manifest.document.digest);
}

/// Pins each tag to what it names today, as a build without pins would find it.
async fn unpin(lab: &Lab, plan: &mut Plan) -> bool {
    use hallmark::attest::provenance::{MaterialKind, Pin};
    let registries = vec![RegistrySettings {
        host: lab.registry.clone(),
        plain_http: true,
        ca: None,
        auth_hosts: Vec::new(),
    }];
    let settings = SourceSettings { registries, ..SourceSettings::default() };
    let mut moved = false;
    for material in &mut plan.materials {
        let MaterialKind::Image { name, tag: Some(tag), .. } = &material.kind else { continue };
        let location = Location::Registry(name.parse().unwrap());
        let source = source::open(&location, &settings, &Limits::default()).await.unwrap();
        let today = source.resolve(&Selector::Tag(tag.clone())).await.unwrap();
        let pin = Pin::Content(today.digest().clone());
        moved |= material.pin != pin;
        material.pin = pin;
    }
    moved
}

#[tokio::test]
async fn a_base_that_no_material_covers_is_denied() {
    let Some(lab) = Lab::find() else { return };
    let (image, provenance) = lab.load("HONEST").await;
    let mut plan = planned(&provenance.expect("no provenance"), &image);
    plan.materials.retain(|material| !material.uri.contains("base/runtime"));
    let failure = build(&lab, &plan, EngineChoice::Docker).await.expect_err("it was built");
    assert_eq!(failure.kind, FailureKind::Denied, "{}", failure.why);
}

#[tokio::test]
async fn a_commit_that_is_gone_is_no_difference() {
    let Some(lab) = Lab::find() else { return };
    let (image, provenance) = lab.load("HONEST").await;
    let mut plan = planned(&provenance.expect("no provenance"), &image);
    let PlannedSource::Repository(repository) = &mut plan.source else { panic!("{plan:?}") };
    repository.commit = Commit::new(&"1".repeat(40)).unwrap();
    for choice in [EngineChoice::Docker, EngineChoice::Buildah] {
        let failure = build(&lab, &plan, choice).await.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::SourceGone, "{choice:?}: {}", failure.why);
    }
}

#[tokio::test]
async fn the_time_limit_ends_a_rebuild_and_leaves_nothing() {
    let Some(lab) = Lab::find() else { return };
    let (image, provenance) = lab.load("HONEST").await;
    let plan = planned(&provenance.expect("no provenance"), &image);
    let base = tempfile::tempdir().unwrap();
    let settings = EngineSettings { work: Some(base.path().to_owned()), ..lab.settings() };
    let limits = Limits { rebuild: std::time::Duration::from_millis(1500), ..Limits::default() };
    let notes = Notes::default();
    let failure = engine::build(&plan, &settings, EngineChoice::Docker, &limits, &notes)
        .await
        .expect_err("in 1.5 s");
    assert_eq!(failure.kind, FailureKind::Timeout, "{}", failure.why);
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    assert_eq!(traces(&base.path().to_string_lossy()), Vec::<String>::new());
}

/// What `hallmark provenance create` is told in a buildah pipeline.
fn description(lab: &Lab, image: &Image, dockerfile: &[u8]) -> Description {
    let base = |name: &str| {
        let reference = lab.images["bases"][name].as_str().unwrap();
        let (repository, digest) = reference.split_once('@').unwrap();
        (
            reference.to_owned(),
            Input::base(repository, None, &digest.parse::<ManifestDigest>().unwrap()),
        )
    };
    let (build, build_input) = base("build");
    let (runtime, runtime_input) = base("runtime");
    let epoch = lab.images["epoch"].as_i64().unwrap();
    let args = [("BUILD", build), ("RUNTIME", runtime), ("SOURCE_DATE_EPOCH", epoch.to_string())];
    let build_args: BTreeMap<String, String> = args.map(|(k, v)| (k.to_owned(), v)).into();
    Description {
        source_url: lab.images["source"]["git"].as_str().unwrap().to_owned(),
        reference: None,
        folder: None,
        commit: Commit::new(lab.images["source"]["commit"].as_str().unwrap()).unwrap(),
        dockerfile_path: "Dockerfile".to_owned(),
        dockerfile: Digest::sha256(dockerfile),
        target: None,
        platform: Platform::host(),
        public_build_args: build_args.keys().cloned().collect(),
        build_args,
        labels: BTreeMap::new(),
        epoch_seconds: Some(epoch),
        network: Network::None,
        dependencies: vec![build_input, runtime_input],
        engine: EngineVersion { name: "buildah".to_owned(), version: "1.28.2".to_owned() },
        exporter: [("layers", "true"), ("rewriteTimestamp", "true")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        diff_ids: image.config.diff_ids.clone(),
    }
}

/// The published image has the manifest on top; the rebuild gets it again, byte for byte.
async fn embedded_comes_back(
    lab: &Lab,
    image: &Image,
    manifest: &EmbeddedManifest,
    layer: EmbeddedLayer,
) {
    let limits = Limits::default();
    let has_folder = |folder: &str| !layer.folders.contains(folder);
    let added =
        embedded::embed(&image.manifest, &image.config, manifest, &has_folder, &limits).unwrap();
    let digest = added.manifest.document.digest.clone();
    let published = Image {
        manifest: added.manifest,
        config: added.config.into(),
        index: None,
        ..image.clone()
    };
    let traces = LayerTraces { embedded: Some(layer), ..LayerTraces::default() };
    let (provenance, options) = (manifest.provenance().unwrap(), PlanOptions::default());
    let Planned::Plan(plan) = plan::plan(&provenance, &published, &traces, &options) else {
        panic!("not replayable");
    };
    let finished = build(lab, &plan, EngineChoice::Auto).await.expect("the rebuild failed");
    assert_eq!(rebuilt(&finished).await.manifest.document.digest, digest);
}

#[tokio::test]
async fn buildah_reproduces_its_image_from_a_created_manifest() {
    let Some(lab) = Lab::find() else { return };
    let (image, none) = lab.load("BUILDAH_PLAIN").await;
    assert!(none.is_none(), "buildah recorded provenance");
    let dockerfile =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lab/app/Dockerfile")).unwrap();
    let manifest =
        create::create(&description(&lab, &image, &dockerfile), &Limits::default()).unwrap();
    let plan = planned(&manifest.provenance().unwrap(), &image);
    let finished = build(&lab, &plan, EngineChoice::Auto).await.expect("the rebuild failed");
    let again = rebuilt(&finished).await;
    assert_eq!(again.config.document.digest, image.config.document.digest, "configuration");
    assert_eq!(again.manifest.document.digest, image.manifest.document.digest, "manifest");
    let folder = finished.workspace.path().to_owned();
    drop(finished);
    assert!(!folder.exists(), "{folder:?} was left behind");

    let embedded = EmbeddedLayer {
        manifest: manifest.bytes.clone(),
        folders: ["/usr/share/buildinfo".to_owned()].into(),
    };
    embedded_comes_back(&lab, &image, &manifest, embedded).await;

    let mut wrong = planned(&manifest.provenance().unwrap(), &image);
    wrong.materials.retain(|material| {
        !material.uri.contains("base%2Fruntime") && !material.uri.contains("base/runtime")
    });
    let failure = build(&lab, &wrong, EngineChoice::Auto).await.expect_err("it was built");
    assert_eq!(failure.kind, FailureKind::Denied, "{}", failure.why);
    assert!(failure.why.contains("Dockerfile:"), "{}", failure.why);
}
