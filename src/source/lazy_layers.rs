//! Layers that are fetched when somebody reads them.
//!
//! Turns an image in a store into [`Layers`] that cost nothing until they are opened: two images that have most layers in
//! common are compared without fetching those. What is known to be read is fetched beforehand, several at the same time; a
//! layer that is asked for later is fetched then. Images that share a spool share their blobs.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    sync::Arc,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::runtime::Handle;

use super::{Source, SourceError, Spool, images};
use crate::{
    compare::Layers,
    image::{Descriptor, Image},
    limits::Limits,
    progress::{ProgressSink, Underway},
    reference::Location,
};

/// Layers of an image, base first.
#[derive(Clone)]
pub struct LazyLayers {
    source: Arc<dyn Source>,
    layers: Vec<Descriptor>,
    spool: Arc<Spool>,
    runtime: Handle,
}

impl LazyLayers {
    /// The layers of `image`, which is in `source`; to be made where a runtime is.
    ///
    /// # Errors
    /// When a layer is foreign, or larger than `layer_bytes`.
    pub fn new(
        source: Arc<dyn Source>,
        image: &Image,
        spool: Arc<Spool>,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        let layers = images::layers_within(&*source, image, limits)?;
        let layers = layers.into_iter().map(|(layer, _)| layer.clone()).collect();
        Ok(Self { source, layers, spool, runtime: Handle::current() })
    }

    /// Fetches the layers at these positions, a few at the same time.
    ///
    /// # Errors
    /// When one is missing, or not what its descriptor says.
    pub async fn fetch(
        &self,
        positions: &[usize],
        sink: &dyn ProgressSink,
    ) -> Result<(), SourceError> {
        let mut seen = BTreeSet::new();
        let wanted: Vec<&Descriptor> = positions
            .iter()
            .filter_map(|position| self.layers.get(*position))
            .filter(|layer| seen.insert(&layer.digest) && !self.spool.has(layer))
            .collect();
        let remote = matches!(self.source.location(), Location::Registry(_));
        let _underway = (remote && !wanted.is_empty()).then(|| {
            wanted.iter().for_each(|layer| self.spool.work().expect(1, layer.size));
            Underway::new(sink, self.spool.work())
        });
        let fetches: Vec<_> = wanted
            .into_iter()
            .map(|layer| images::fetch_layer(&*self.source, layer, &self.spool))
            .collect();
        stream::iter(fetches)
            .buffered(images::CONCURRENT_LAYERS)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await
    }
}

impl Layers for LazyLayers {
    /// Called on threads that may wait. The fetch is a task of the runtime: it ends with it, and then so does the wait.
    fn open(&self, position: usize) -> io::Result<Box<dyn Read + Send>> {
        let layer = self.layers.get(position).cloned().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no layer {position}"))
        })?;
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (source, spool) = (Arc::clone(&self.source), Arc::clone(&self.spool));
        self.runtime.spawn(async move {
            // Both sides may ask for one blob at the same time.
            let _turn = spool.turn().await;
            let _ = sender.send(source.blob(&layer, &spool).await);
        });
        let blob = receiver.recv().map_err(|_| io::Error::other("nobody waits for it any more"))?;
        Ok(Box::new(blob.map_err(io::Error::other)?.stored()?))
    }
}
