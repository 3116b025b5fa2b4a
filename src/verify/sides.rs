//! Images of a comparison: where a built one and its bases are opened, and one side of it.

use std::sync::Arc;

use super::Inquiry;
use crate::{
    compare::{self, Side},
    digest::{Digest, ManifestDigest},
    engine::Finished,
    image::Image,
    rebuild::{Plan, pins},
    reference::{Location, PinnedReference},
    saved::Access,
    source::{self, PlatformChoice, SourceSettings},
};

/// A layout of this machine's, of which nothing is kept.
pub(super) async fn open_here(
    location: &Location,
    inquiry: &Inquiry,
) -> Result<Arc<dyn source::Source>, source::SourceError> {
    let settings = SourceSettings { access: Access::Live, ..inquiry.world.sources.clone() };
    source::open(location, &settings, &inquiry.world.limits).await
}

/// The bases of a plan that are wanted, as the builder was given them, and where their layers are; `None` where one cannot be read.
pub(super) async fn given_bases(
    plan: &Plan,
    finished: &Finished,
    wanted: impl Fn(&Digest) -> bool,
    inquiry: &Inquiry,
) -> Option<(Arc<dyn source::Source>, Vec<Image>)> {
    let location = Location::Layout(finished.inputs.clone());
    let source = open_here(&location, inquiry).await.ok()?;
    let choice = PlatformChoice::One(plan.platform.clone());
    let mut all = Vec::new();
    for base in pins::bases(plan).into_iter().filter(|base| wanted(&base.digest)) {
        let digest = ManifestDigest::new(base.digest);
        let reference = PinnedReference { location: location.clone(), digest };
        let limits = &inquiry.world.limits;
        all.extend(source::images::load(&*source, &reference, &choice, limits).await.ok()?);
    }
    Some((source, all))
}

/// One side of a comparison.
pub fn side<'a>(image: &'a Image, layers: &'a (dyn compare::Layers + Sync)) -> Side<'a> {
    let (index, outer) = (image.index.as_deref(), &*image.outer);
    Side { manifest: &image.manifest, config: &image.config, index, outer, layers, pinned: 0 }
}
