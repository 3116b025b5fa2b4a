//! `hallmark provenance create`, `embed` and `attest`: the build manifest of builders that record nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use bytes::Bytes;
use serde_json::json;

use super::{
    Answer, Failure,
    args::{
        Format, Global, Provenance, ProvenanceAttest, ProvenanceCreate, ProvenanceEmbed, split_base,
    },
    context,
    files::Operand,
    output, outside,
    sign::{self, What},
};
use crate::{
    amount::plural,
    attest::provenance::{
        Commit, EngineVersion, Network,
        create::{Description, Input, Run, create, statement},
        embedded::{self, EmbeddedManifest},
    },
    config::Config,
    digest::{Digest, ManifestDigest},
    image::{Image, rootfs::Rootfs},
    progress::Silent,
    reference::{Location, Reference, Repository, Selector},
    report,
    source::{self, PlatformChoice},
    verify::{fetch_contents, read_contents},
};

/// Largest Dockerfile and the like that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Schema of what was embedded.
const EMBEDDED: &str = "hallmark/embedded/v1";

/// Runs the command.
pub async fn run(command: Provenance, global: &Global) -> Result<Answer, Failure> {
    let config = context::configuration(global)?;
    match command {
        Provenance::Attest(args) => {
            let ProvenanceAttest { image, statement, bundle, output, with } = *args;
            let order = sign::Order { image, what: What::Statement(statement), bundle, with };
            sign::answer(&order, output, global).await
        }
        Provenance::Create(args) => create_manifest(&args, &config).await,
        Provenance::Embed(args) => embed(&args, &config).await,
        Provenance::Check(args) => outside::check(&args, &config),
    }
}

async fn create_manifest(args: &ProvenanceCreate, config: &Config) -> Result<Answer, Failure> {
    let image = load(&args.image, config).await?;
    let description = describe(args, &image)?;
    let manifest =
        create(&description, &config.limits).map_err(|e| Failure::usage(e.to_string()))?;
    let text = String::from_utf8_lossy(&manifest.bytes).into_owned();
    let Some(path) = &args.output else { return Ok(Answer::data(text)) };
    output::to_file(path, &manifest.bytes)?;
    Ok(Answer { wrote: vec![path.clone()], ..Answer::data(String::new()) })
}

fn describe(args: &ProvenanceCreate, image: &Image) -> Result<Description, Failure> {
    let folder = args.folder.as_deref().unwrap_or(".");
    let context = args.checkout.join(folder);
    CHECKOUT.folder(&args.checkout)?;
    let dockerfile = read(DOCKERFILE, &context.join(&args.dockerfile))?;
    let mut dependencies = Vec::new();
    for base in &args.base {
        dependencies.push(base_input(base)?);
    }
    for toolchain in &args.toolchain {
        let (name, version) = pair("--toolchain", toolchain)?;
        dependencies.push(Input::toolchain(&name, &version));
    }
    for lockfile in &args.lockfile {
        let digest = Digest::sha256(&read(LOCKFILE, &context.join(lockfile))?);
        dependencies.push(Input::lockfile(lockfile, digest));
    }
    let (name, version) = pair("--engine", &args.engine)?;
    let mut build_args = pairs("--build-arg", &args.build_arg)?;
    let public_build_args = build_args.keys().cloned().collect();
    build_args.extend(args.hidden_build_arg.iter().map(|name| (name.clone(), String::new())));
    Ok(Description {
        source_url: args.source.clone(),
        reference: None,
        folder: args.folder.clone(),
        commit: clean_head(&args.checkout)?,
        dockerfile_path: args.dockerfile.clone(),
        dockerfile: Digest::sha256(&dockerfile),
        target: args.target.clone(),
        platform: image.platform.clone(),
        public_build_args,
        build_args,
        labels: BTreeMap::new(),
        epoch_seconds: args.epoch,
        network: match args.network.as_str() {
            "none" => Network::None,
            "host" => Network::Host,
            _ => Network::Default,
        },
        dependencies,
        engine: EngineVersion { name, version },
        exporter: pairs("--exporter", &args.exporter)?,
        diff_ids: image.config.diff_ids.clone(),
    })
}

fn base_input(text: &str) -> Result<Input, Failure> {
    let wrong = || Failure::usage(format!("--base {text:?}: expected NAME[:TAG]@sha256:…"));
    let (name, digest) = split_base(text).ok_or_else(wrong)?;
    let reference: Reference = name.parse().map_err(|_| wrong())?;
    let Reference::At(Location::Registry(repository), selector) = reference else {
        return Err(wrong());
    };
    let Repository { registry, path } = repository;
    // `latest` that nobody wrote is no tag: the Dockerfile names the base by digest then.
    let tag = match selector {
        Selector::Tag(tag) if name.ends_with(&format!(":{tag}")) => Some(tag),
        _ => None,
    };
    Ok(Input::base(&format!("{registry}/{path}"), tag.as_deref(), &ManifestDigest::new(digest)))
}

fn pair(option: &str, text: &str) -> Result<(String, String), Failure> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) =
        parts.ok_or_else(|| Failure::usage(format!("{option} {text:?}: expected NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn pairs(option: &str, texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    texts.iter().map(|text| pair(option, text)).collect()
}

/// HEAD of a checkout without changes: what was built must be what the commit holds.
fn clean_head(checkout: &Path) -> Result<Commit, Failure> {
    let changed = git(checkout, &["status", "--porcelain"])?;
    if !changed.trim().is_empty() {
        let first = changed.lines().next().unwrap_or_default();
        return Err(Failure::usage(format!(
            "{}: the checkout has changes that no commit holds ({first}); commit them, then build again",
            checkout.display()
        )));
    }
    let head = git(checkout, &["rev-parse", "HEAD"])?;
    Commit::new(head.trim())
        .ok_or_else(|| Failure::usage(format!("git gave no commit id: {:?}", head.trim())))
}

fn git(checkout: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").arg("-C").arg(checkout).args(arguments).output();
    let output = output.map_err(|e| Failure::usage(format!("git: {e}")))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::usage(format!("{}: {why}", checkout.display())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn embed(args: &ProvenanceEmbed, config: &Config) -> Result<Answer, Failure> {
    let Reference::At(Location::Layout(folder), selector) = &args.image else {
        return Err(Failure::usage("embed changes an image in a layout: give it as oci:DIR[:TAG]"));
    };
    let image = load(&args.image, config).await?;
    let bytes = Bytes::from(read(MANIFEST, &args.manifest)?);
    let manifest = EmbeddedManifest::parse(bytes.clone(), &config.limits)
        .map_err(|error| MANIFEST.refused(&args.manifest, &bytes, &error))?;
    if manifest.diff_ids != image.config.diff_ids {
        return Err(Failure::usage(
            "the build manifest lists other layers than the image has; create it from this image",
        ));
    }
    let rootfs = folders(&args.image, &image, config).await?;
    let has_folder = |path: &str| rootfs.get(path).is_some();
    let added =
        embedded::embed(&image.manifest, &image.config, &manifest, &has_folder, &config.limits)
            .map_err(|e| Failure::usage(e.to_string()))?;
    let tag = args.tag.clone().or_else(|| match selector {
        Selector::Tag(tag) => Some(tag.clone()),
        _ => None,
    });
    source::write_image(folder, &added, tag.as_deref())?;
    let digest = &added.manifest.document.digest;
    if let Some(path) = &args.statement {
        let run = Run { builder_id: String::new(), started: None, finished: None };
        let name = image.reference.location.to_string();
        let text = format!("{:#}\n", statement(&manifest, &name, digest, &run));
        output::to_file(path, text.as_bytes())?;
    }
    let answer = Answer::data(match args.output {
        Format::Text => format!("{digest}\n"),
        Format::Json => report::json::lines(&json!({
            "schema": EMBEDDED,
            "image": args.image.to_string(),
            "digest": digest.to_string(),
            "tag": tag,
            "statement": args.statement.as_ref().map(|file| file.display().to_string()),
        })),
    });
    Ok(Answer { wrote: args.statement.iter().cloned().collect(), ..answer })
}

/// The root filesystem of the image, for what folders it has already.
async fn folders(reference: &Reference, image: &Image, config: &Config) -> Result<Rootfs, Failure> {
    let (_, source) = context::open(reference, config, &context::sources(config)).await?;
    let fetched = fetch_contents(&*source, image, &config.limits, &Silent).await;
    let contents =
        read_contents(fetched, image, &BTreeSet::new(), &config.limits, &Silent, None).await;
    match (contents.rootfs, contents.findings.first()) {
        (Some(rootfs), _) => Ok(rootfs),
        (None, Some(finding)) => Err(Failure::of_finding(finding.clone())),
        (None, None) => Err(Failure::unavailable("the image's layers could not be read")),
    }
}

async fn load(reference: &Reference, config: &Config) -> Result<Image, Failure> {
    let (pinned, source) = context::open(reference, config, &context::sources(config)).await?;
    let images =
        source::images::load(&*source, &pinned, &PlatformChoice::All, &config.limits).await?;
    let [image] = <[Image; 1]>::try_from(images).map_err(|images| {
        Failure::usage(format!(
            "{pinned} has {}; a build manifest is about one image: name it by its digest",
            plural(images.len(), "platform")
        ))
    })?;
    Ok(image)
}

/// What `embed` takes.
const MANIFEST: Operand = Operand {
    option: "",
    form: "it takes a build manifest, which hallmark provenance create writes",
};
const CHECKOUT: Operand = Operand {
    option: "--checkout ",
    form: "it takes the folder of a git repository in which the image was built",
};
const DOCKERFILE: Operand = Operand {
    option: "",
    form: "--dockerfile takes a file under --folder, which is a folder of --checkout",
};
const LOCKFILE: Operand = Operand {
    option: "",
    form: "--lockfile takes a file under --folder, which is a folder of --checkout",
};

fn read(it: Operand, path: &Path) -> Result<Vec<u8>, Failure> {
    it.read(path, MAX_FILE_BYTES)
}
