//! Images of a comparison: where a built one is opened, and one side of it.

use std::sync::Arc;

use super::Inquiry;
use crate::{
    compare::{self, Side},
    image::Image,
    reference::Location,
    saved::Access,
    source::{self, SourceSettings},
};

/// A layout of this machine's, of which nothing is kept.
pub(super) async fn open_here(
    location: &Location,
    inquiry: &Inquiry,
) -> Result<Arc<dyn source::Source>, source::SourceError> {
    let settings = SourceSettings { access: Access::Live, ..inquiry.world.sources.clone() };
    source::open(location, &settings, &inquiry.world.limits).await
}

/// One side of a comparison.
pub fn side<'a>(image: &'a Image, layers: &'a (dyn compare::Layers + Sync)) -> Side<'a> {
    let (index, outer) = (image.index.as_deref(), &*image.outer);
    Side { manifest: &image.manifest, config: &image.config, index, outer, layers, pinned: 0 }
}
