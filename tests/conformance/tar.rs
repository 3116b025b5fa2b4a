//! Area `tar`: layers and saved images of other projects. An image is read as `verify` reads it: layer by layer, every
//! digest recomputed, into a root filesystem that exists in memory only.

use std::path::Path;

use hallmark::{
    digest::BlobDigest,
    finding::Subject,
    image::{Descriptor, MediaType, layer::LayerReader, rootfs::RootfsBuilder},
    limits::Limits,
    progress::Silent,
    reference::{Location, PinnedReference, Selector},
    source::{self, PlatformChoice, SourceError, SourceSettings, Spool, images},
};

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    if let Some(name) = case.text("blob") {
        return compressed(case, name);
    }
    let name = case.text("tar").ok_or("no input tar")?;
    let path = case.path(name);
    if is_saved_image(&path) {
        return image(Location::DockerArchive(path), &Selector::Only, Depth::Unpacked);
    }
    let bytes = case.read(name)?;
    let media_type = media_type(name).ok_or("no layer")?;
    Ok(layer(&bytes, media_type))
}

fn is_saved_image(path: &Path) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    let mut archive = ::tar::Archive::new(file);
    let Ok(entries) = archive.entries() else { return false };
    let mut names = entries.flatten().filter_map(|entry| Some(entry.path().ok()?.into_owned()));
    names.any(|name| name == Path::new("manifest.json"))
}

fn media_type(name: &str) -> Option<&'static str> {
    match name.rsplit('.').next() {
        Some("gz") => Some("application/vnd.oci.image.layer.v1.tar+gzip"),
        Some("zst") => Some("application/vnd.oci.image.layer.v1.tar+zstd"),
        Some("tar" | "uncompressed") => Some("application/vnd.oci.image.layer.v1.tar"),
        _ => None,
    }
}

fn descriptor(bytes: &[u8], media_type: &str) -> Descriptor {
    Descriptor {
        media_type: MediaType::new(media_type),
        digest: BlobDigest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        selective: false,
        artifact_type: None,
        annotations: Default::default(),
    }
}

fn compressed(case: &Case, name: &str) -> Outcome {
    let Some(media_type) = media_type(name) else {
        return Ok(Verdict::refused("image-media-type-unknown", "no layer is stored so"));
    };
    let (bytes, limits) = (case.read(name)?, Limits::default());
    let descriptor = descriptor(&bytes, media_type);
    let mut reader = match LayerReader::new(bytes.as_slice(), &descriptor, &limits) {
        Ok(reader) => reader,
        Err(error) => return Ok(Verdict::refused("image-layer-corrupt", error)),
    };
    let mut inflated = Vec::new();
    let read = std::io::Read::read_to_end(&mut reader, &mut inflated);
    match (read, reader.finish()) {
        (Ok(_), Ok(_)) if inflated == case.read("compression/Hello.uncompressed")? => {
            Ok(Verdict::Accepted)
        }
        (_, Err(error)) => Ok(Verdict::refused("image-layer-corrupt", error)),
        _ => Ok(Verdict::refused("image-layer-corrupt", "other bytes come out")),
    }
}

/// One layer that is no part of an image.
fn layer(bytes: &[u8], media_type: &str) -> Verdict {
    let limits = Limits::default();
    let descriptor = descriptor(bytes, media_type);
    let mut builder = RootfsBuilder::new(&limits, |_| false);
    let mut reader = match LayerReader::new(bytes, &descriptor, &limits) {
        Ok(reader) => reader,
        Err(error) => return Verdict::refused("image-layer-corrupt", error),
    };
    if let Err(error) = builder.add_layer(0, &mut reader) {
        return Verdict::refused("image-layer-ambiguous", error);
    }
    match reader.finish() {
        Ok(_) => judge(builder),
        Err(error) => Verdict::refused("image-layer-corrupt", error),
    }
}

/// What somebody who unpacks the tree would have to refuse: hallmark never does, and says so of links that lead out.
fn judge(builder: RootfsBuilder) -> Verdict {
    let rootfs = builder.finish();
    if let Some(ambiguity) = rootfs.ambiguities().first() {
        return Verdict::refused("image-layer-ambiguous", ambiguity.why);
    }
    let leads_out = |path: &str, link: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let from = if link.starts_with('/') { "" } else { folder };
        let mut depth = from.split('/').filter(|part| !part.is_empty()).count();
        link.split('/').any(|part| match part {
            "" | "." => false,
            ".." => {
                let out = depth == 0;
                depth = depth.saturating_sub(1);
                out
            }
            _ => {
                depth += 1;
                false
            }
        })
    };
    for (path, node) in rootfs.nodes() {
        // Followed inside the root it leads to nothing; outside it would lead to a file of the host.
        if node.link.as_deref().is_some_and(|link| leads_out(path, link)) {
            return match rootfs.contents(path) {
                None => Verdict::refused("not-followed", path),
                Some(_) => Verdict::Accepted,
            };
        }
    }
    Verdict::Accepted
}

/// How far an image is read.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Depth {
    /// Every stored blob, against its digest and size.
    Stored,
    /// The root filesystem, too.
    Unpacked,
}

/// A saved image or a layout.
pub(crate) fn image(location: Location, selector: &Selector, depth: Depth) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    match runtime.block_on(read_image(location, selector, depth)) {
        Ok(verdict) => Ok(verdict),
        Err(error) => {
            let finding = error.clone().into_finding(Subject::Run);
            Ok(Verdict::refused(finding.code.as_str(), error))
        }
    }
}

async fn read_image(
    location: Location,
    selector: &Selector,
    depth: Depth,
) -> Result<Verdict, SourceError> {
    let limits = Limits::default();
    let source = source::open(&location, &SourceSettings::default(), &limits).await?;
    let digest = source.resolve(selector).await?;
    let reference = PinnedReference { location, digest };
    let images = images::load(&*source, &reference, &PlatformChoice::All, &limits).await?;
    let spool = Spool::temporary().expect("a temporary folder");
    for image in images {
        let layers = images::fetch_layers(&*source, &image, &spool, &limits, &Silent).await?;
        let mut builder = RootfsBuilder::new(&limits, |_| false);
        for (position, blob) in layers.iter().enumerate() {
            if depth == Depth::Stored {
                let mut stored = blob.open().expect("the file is there");
                if let Err(error) = std::io::copy(&mut stored, &mut std::io::sink()) {
                    return Ok(Verdict::refused("image-digest-mismatch", error));
                }
                continue;
            }
            let stored = blob.stored().expect("the file is there");
            let mut reader = match LayerReader::new(stored, blob.descriptor(), &limits) {
                Ok(reader) => reader,
                Err(error) => return Ok(Verdict::refused("image-layer-corrupt", error)),
            };
            if let Err(error) = builder.add_layer(position, &mut reader) {
                return Ok(Verdict::refused("image-layer-ambiguous", error));
            }
            match reader.finish() {
                Ok(found) if image.config.diff_ids.get(position) == Some(&found) => {}
                Ok(found) => return Ok(Verdict::refused("image-diff-id-mismatch", found)),
                Err(error) => return Ok(Verdict::refused("image-layer-corrupt", error)),
            }
        }
        if let refused @ Verdict::Refused { .. } = judge(builder) {
            return Ok(refused);
        }
    }
    Ok(Verdict::Accepted)
}
