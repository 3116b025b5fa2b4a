//! A rebuild that somebody else made: an OCI layout, taken as the result.
//!
//! Turns a place with an image into an OCI layout with the image of the plan's platform, whose every blob was hashed on the
//! way. Nothing is built and nothing of the plan is enforced, which the report says; so this engine exists for `hallmark
//! rebuild --rebuilt` alone, and no verification uses it: whoever hands over the layout could hand over the published image.

use std::{fs, io};

use async_trait::async_trait;
use serde_json::json;

use super::{Built, Engine, Runs, inputs::Inputs, sandbox::Shell};
use crate::{
    attest::provenance::Network,
    digest::Digest,
    image::Descriptor,
    limits::Limits,
    rebuild::{EngineKind, EngineReport, Failure, FailureKind, Numbers, Plan, pins},
    reference::{Location, PinnedReference, Selector},
    source::{self, PlatformChoice, Source, SourceError, SourceSettings, Spool},
};

/// Where the rebuilt image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The layout or archive.
    pub location: Location,
    /// Which image in it.
    pub selector: Selector,
}

/// Takes what is there.
pub struct Replay {
    elsewhere: Elsewhere,
    limits: Limits,
}

impl Replay {
    /// An engine that gives this image.
    pub fn new(elsewhere: Elsewhere, limits: &Limits) -> Self {
        Self { elsewhere, limits: limits.clone() }
    }

    async fn copy(&self, plan: &Plan, shell: &Shell<'_>) -> Result<(), CopyError> {
        let Elsewhere { location, selector } = &self.elsewhere;
        let source = source::open(location, &SourceSettings::default(), &self.limits).await?;
        let digest = source.resolve(selector).await?;
        let reference = PinnedReference { location: location.clone(), digest };
        let choice = PlatformChoice::One(plan.platform.clone());
        let images = source::images::load(&*source, &reference, &choice, &self.limits).await?;
        let Some(image) = images.into_iter().next() else {
            return Err(SourceError::NotFound {
                what: format!("an image for {}", plan.platform),
                place: reference.to_string(),
            }
            .into());
        };
        let layout = shell.work.join("out");
        let manifest = &image.manifest;
        let document = &manifest.document;
        write(&layout, document.digest.digest(), &document.bytes)?;
        write(&layout, image.config.document.digest.digest(), &image.config.document.bytes)?;
        let spool = Spool::inside(shell.work)?;
        for layer in &manifest.layers {
            copy_layer(&*source, layer, &spool, &layout).await?;
        }
        let entry = json!({
            "digest": document.digest.to_string(),
            "mediaType": manifest.media_type.as_str(),
            "size": document.bytes.len(),
        });
        let index = json!({ "manifests": [entry], "schemaVersion": 2 });
        fs::write(layout.join("index.json"), index.to_string())?;
        fs::write(layout.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn write(layout: &std::path::Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
    let folder = layout.join("blobs").join(digest.algorithm().name());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(digest.hex()), bytes)
}

async fn copy_layer(
    source: &dyn Source,
    layer: &Descriptor,
    spool: &Spool,
    layout: &std::path::Path,
) -> Result<(), CopyError> {
    let blob = source.blob(layer, spool).await?;
    let digest = layer.digest.digest();
    let folder = layout.join("blobs").join(digest.algorithm().name());
    fs::create_dir_all(&folder)?;
    io::copy(&mut blob.open()?, &mut fs::File::create(folder.join(digest.hex()))?)?;
    Ok(())
}

#[async_trait]
impl Engine for Replay {
    fn kind(&self) -> EngineKind {
        EngineKind::Replay
    }

    fn runs(&self) -> Runs {
        Runs::Elsewhere
    }

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        _: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        shell.sink.stage("reading what was rebuilt elsewhere");
        let copied = self.copy(plan, shell).await;
        copied.map_err(|e| shell.failure(FailureKind::EngineUnavailable, e.to_string()))?;
        let report = EngineReport {
            kind: EngineKind::Replay,
            driver: "replay".to_owned(),
            version: "of another rebuilder".to_owned(),
            reason: String::new(),
            network: Network::Unknown,
            numbers: Numbers::Unknown,
            ephemeral: false,
            served: None,
            unbounded: None,
        };
        Ok(Built {
            layout: shell.work.join("out"),
            report,
            pins: pins::digest(&pins::pin_list(plan)),
            frontend: None,
        })
    }
}
