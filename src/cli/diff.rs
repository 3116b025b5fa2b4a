//! `hallmark diff`: any two images, compared.

use std::sync::Arc;

use super::{
    Answer, Failure,
    args::{Diff, DiffFormat, Global},
    context::{self, Overrides},
};
use crate::{
    compare::{self, CompareError, Side, SideWords},
    image::Image,
    progress::{Underway, Work},
    reference::{PinnedReference, Reference},
    report,
    source::{self, PlatformChoice, Spool, on_demand::OnDemand},
    verify::{Context, in_force, open_alone, side},
};

/// Runs the command; the answer is yes where the images are the same build (R5 or R4).
pub async fn run(args: &Diff, global: &Global) -> Result<Answer, Failure> {
    let platforms = args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One);
    let overrides = Overrides { platforms, ..Overrides::default() };
    let (config, ctx) = context::build(global, overrides)?;
    let unwritable = |e| Failure::from(source::unwritable(&std::env::temp_dir(), &e));
    let spool = Spool::temporary().map_err(unwritable)?;
    let spool = Arc::new(spool);
    let left = find(&args.left, &config, &ctx, &spool).await?;
    let right = find(&args.right, &config, &ctx, &spool).await?;
    let (ours, theirs) = compare::ladder::needed(left.side(), right.side(), &ctx.limits);
    left.layers.fetch(&ours, &*ctx.talk).await?;
    right.layers.fetch(&theirs, &*ctx.talk).await?;
    ctx.talk.stage("compare");
    // The left image is the one that somebody rebuilds: entries are about it.
    let allow = in_force(&ctx.rebuild.allow, &left.reference.location, jiff::Timestamp::now());
    let (left_name, right_name) = (left.reference.to_string(), right.reference.to_string());
    let underway = Underway::new(&*ctx.talk, Work::new("comparing layers"));
    let (limits, work) = (ctx.limits.clone(), underway.work());
    let comparing = tokio::task::spawn_blocking(move || {
        let (ours, theirs) = (left.side(), right.side());
        let mut comparison =
            compare::ladder::compare_watched(ours, theirs, &allow, &limits, &work)?;
        compare::cause::explain(&mut comparison, &left.image.config, None);
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
    layers: OnDemand,
}

impl Found {
    fn side(&self) -> Side<'_> {
        side(&self.image, &self.layers)
    }
}

async fn find(
    reference: &Reference,
    config: &crate::config::Config,
    ctx: &Context,
    spool: &Arc<Spool>,
) -> Result<Found, Failure> {
    let reference = context::pin(reference, config, ctx).await?;
    let (source, images) = open_alone(&reference, ctx).await?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::refused(format!("{reference} has no image")));
    };
    let layers = OnDemand::new(source, &image, Arc::clone(spool), &ctx.limits)?;
    Ok(Found { reference, image, layers })
}
