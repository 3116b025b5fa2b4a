//! `hallmark diff`: any two images, compared.

use std::sync::Arc;

use super::{
    Answer, Failure,
    args::{Diff, DiffFormat, Global},
    context,
};
use crate::{
    compare::{self, CompareError, Side, SideWords},
    image::Image,
    progress::{Underway, Work},
    reference::{PinnedReference, Reference},
    report,
    source::{self, PlatformChoice, Spool, lazy_layers::LazyLayers},
    verify::{World, in_force, open_alone, side},
};

/// Runs the command; the answer is yes where the images are the same build (R5 or R4).
pub async fn run(args: &Diff, global: &Global) -> Result<Answer, Failure> {
    let platforms = args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One);
    let (config, world) = context::world(global, platforms)?;
    let unwritable = |e| Failure::from(source::unwritable(&std::env::temp_dir(), &e));
    let spool = Spool::temporary().map_err(unwritable)?;
    let spool = Arc::new(spool);
    let left = find(&args.left, &config, &world, &spool).await?;
    let right = find(&args.right, &config, &world, &spool).await?;
    let (ours, theirs) = compare::ladder::needed(left.side(), right.side(), &world.limits);
    left.layers.fetch(&ours, &*world.sink).await?;
    right.layers.fetch(&theirs, &*world.sink).await?;
    world.sink.stage("compare");
    // The left image is the one that somebody rebuilds: entries are about it.
    let allow = in_force(&config.rebuild.allow, &left.reference.location, jiff::Timestamp::now());
    let (left_name, right_name) = (left.reference.to_string(), right.reference.to_string());
    let underway = Underway::new(&*world.sink, Work::new("comparing layers"));
    let (limits, work) = (world.limits.clone(), underway.work());
    let comparing = tokio::task::spawn_blocking(move || {
        let (ours, theirs) = (left.side(), right.side());
        let mut comparison =
            compare::ladder::compare_watched(ours, theirs, &allow, &limits, &work)?;
        compare::build_step::explain(&mut comparison, &left.image.config, None);
        Ok::<_, CompareError>(comparison)
    });
    let comparison = comparing
        .await
        .map_err(|e| Failure::unavailable(e.to_string()))?
        .map_err(|e| incomparable(&e))?;
    drop(underway);
    let text = match args.output {
        DiffFormat::Text => report::difference::comparison(&comparison, &left_name, &right_name),
        DiffFormat::Json => report::json::comparison(&comparison, &left_name, &right_name),
        DiffFormat::Html => report::html::comparison(&comparison, &left_name, &right_name),
    };
    Ok(Answer::new(text, u8::from(!comparison.level.is_reproducible())))
}

/// An image that cannot be opened may be there later; one that is malformed stays so.
fn incomparable(error: &CompareError) -> Failure {
    let told = error.told(SideWords::TWO_IMAGES);
    match error {
        CompareError::Open { .. } => Failure::unavailable(told),
        _ => Failure::refused(told),
    }
}

/// An image and its layers, which are still where they were.
struct Found {
    reference: PinnedReference,
    image: Image,
    layers: LazyLayers,
}

impl Found {
    fn side(&self) -> Side<'_> {
        side(&self.image, &self.layers)
    }
}

async fn find(
    reference: &Reference,
    config: &crate::config::Config,
    world: &World,
    spool: &Arc<Spool>,
) -> Result<Found, Failure> {
    let reference = context::pin(reference, config, world).await?;
    let (source, images) = open_alone(&reference, world).await?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::refused(format!("{reference} has no image")));
    };
    let layers = LazyLayers::new(source, &image, Arc::clone(spool), &world.limits)?;
    Ok(Found { reference, image, layers })
}
