//! The base that proven provenance names, by the layers of its own configuration.
//!
//! Where the operator lists no base that fits, and a rule asks whose the files are, the images that provenance lists as inputs by
//! digest are looked up: manifest and configuration, no layer. What cannot be had leaves the base unknown. Provenance that
//! nobody proved names nothing, and neither do labels.

use std::str::FromStr as _;

use super::Inquiry;
use crate::{
    attest::provenance::{Material, MaterialKind, Pin, Provenance},
    contents::{CollectorName, accounts::Base},
    digest::{DiffId, ManifestDigest},
    image::Image,
    reference::{Location, PinnedReference, Repository},
    source::{self, Meter, PlatformChoice, images},
    trust::Proof,
};

/// Inputs that are looked up; builds of many stages list no more bases of their last one.
const LOOKED_UP: usize = 8;

/// The base of an image.
pub async fn of(
    provenance: &Proof<Provenance>,
    image: &Image,
    inquiry: &Inquiry,
    meter: &Meter,
) -> Base {
    let own = &image.config.diff_ids;
    let known = Base::of(own, &inquiry.world.bases);
    let asked = inquiry.wanted.needs().collectors.contains(&CollectorName::Contents);
    let Some(proven) = provenance.proven().filter(|_| asked && known.layers().is_none()) else {
        return known;
    };
    let mut named = Vec::new();
    for base in proven.value().materials.iter().filter_map(pinned).take(LOOKED_UP) {
        named.extend(layers(&base, image, inquiry, meter).await);
    }
    Base::of_provenance(own, &named)
}

/// The image that a material is, where its digest is known.
fn pinned(material: &Material) -> Option<PinnedReference> {
    let (MaterialKind::Image { name, .. }, Pin::Content(digest)) = (&material.kind, &material.pin)
    else {
        return None;
    };
    let location = Location::Registry(Repository::from_str(name).ok()?);
    Some(PinnedReference { location, digest: ManifestDigest::new(digest.clone()) })
}

/// The digests of the uncompressed layers of a base for the image's platform.
async fn layers(
    base: &PinnedReference,
    image: &Image,
    inquiry: &Inquiry,
    meter: &Meter,
) -> Option<Vec<DiffId>> {
    let world = &inquiry.world;
    let opened = source::open_metered(&base.location, &world.sources, &world.limits, meter).await;
    let choice = PlatformChoice::One(image.platform.clone());
    let loaded = match opened {
        Ok(source) => images::load(&*source, base, &choice, &world.limits).await,
        Err(error) => Err(error),
    };
    match loaded {
        Ok(images) => images.into_iter().next().map(|image| image.config.diff_ids.clone()),
        Err(error) => {
            tracing::debug!(%base, %error, "a base that provenance names cannot be looked up");
            None
        }
    }
}
