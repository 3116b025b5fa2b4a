//! `--keep oci:DIR[:TAG]`: where rebuilt images stay, for `rebuild` and `verify`.
//!
//! Turns the option into a place that may be written to, before anything is built, and says in the end what is there. That an image
//! could not be kept is the operator's affair, and changes nothing of what is said of it.

use std::sync::Arc;

use super::Failure;
use crate::{
    engine::keep::{Keep, Naming},
    limits::Limits,
    reference::{Location, Reference, Selector},
    source,
    verify::Context,
};

/// The tag of a rebuilt image that is kept.
const KEPT: &str = "rebuilt";

/// Where rebuilt images are kept. What is there is looked at before anything is built.
pub(super) fn at(place: &Reference, naming: Naming, limits: &Limits) -> Result<Arc<Keep>, Failure> {
    let (folder, tag) = match source::located(place) {
        Reference::At(Location::Layout(folder), Selector::Only) => (folder, KEPT.to_owned()),
        Reference::At(Location::Layout(folder), Selector::Tag(tag)) => (folder, tag),
        _ => return Err(Failure::usage("--keep takes oci:DIR, or oci:DIR:TAG")),
    };
    let keep = Keep::new(&folder, &tag, naming, limits);
    keep.map(Arc::new).map_err(|error| Failure::usage(format!("--keep {error}")))
}

/// Where the images are that were kept since it was last asked, in lines for the end of the call: a terminal shows what goes on
/// and forgets it.
///
/// # Errors
/// One of them could not be kept; the failure says where the others are.
pub(super) fn told(ctx: &Context) -> Result<Vec<String>, Failure> {
    let (mut kept, mut lost) = (Vec::new(), None);
    for outcome in ctx.rebuild.settings.keep.iter().flat_map(|keep| keep.outcomes()) {
        match outcome {
            Ok(place) => kept.push(format!("kept in {place}")),
            Err(why) => lost = lost.or(Some(Failure::usage(format!("--keep: {why}")))),
        }
    }
    match lost {
        Some(failure) => Err(failure.beside(&kept)),
        None => Ok(kept),
    }
}
