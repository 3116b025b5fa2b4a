//! `hallmark diff`: any two images, compared.

use super::{
    Answer, Failure,
    args::{Diff, DiffFormat, Global, Platforms},
    context::{self, Overrides},
};
use crate::{
    compare::{self, CompareError},
    image::Image,
    progress::{Underway, Work},
    reference::{PinnedReference, Reference},
    report,
    source::{Spool, load, load::StoredLayers},
    verify::{Context, open_alone, side},
};

/// Runs the command; the answer is yes where the images are the same build (R5 or R4).
pub async fn run(args: &Diff, global: &Global) -> Result<Answer, Failure> {
    let platforms = Platforms { platform: args.platform.clone(), all_platforms: false };
    let overrides = Overrides { platforms: Some(&platforms), ..Overrides::default() };
    let (config, ctx) = context::build(global, overrides)?;
    let left = fetch(&args.left, &config, &ctx).await?;
    let right = fetch(&args.right, &config, &ctx).await?;
    ctx.talk.stage("compare");
    let (limits, sides) = (ctx.limits.clone(), (left.clone_parts(), right.clone_parts()));
    let underway = Underway::new(&*ctx.talk, Work::new("comparing layers"));
    let work = underway.work();
    let comparing = tokio::task::spawn_blocking(move || {
        let ((li, ll), (ri, rl)) = &sides;
        let (left, right) = (side(li, ll), side(ri, rl));
        let mut comparison = compare::ladder::compare_watched(left, right, &[], &limits, &work)?;
        compare::cause::explain(&mut comparison, &li.config, None);
        Ok::<_, CompareError>(comparison)
    });
    let comparison = comparing
        .await
        .map_err(|e| Failure::unavailable(e.to_string()))?
        .map_err(|e| Failure::unavailable(e.to_string()))?;
    let (left, right) = (left.reference.to_string(), right.reference.to_string());
    let text = match args.output {
        DiffFormat::Text => report::difference::comparison(&comparison, &left, &right),
        DiffFormat::Json => report::json::comparison(&comparison, &left, &right),
        DiffFormat::Html => report::html::comparison(&comparison, &left, &right),
    };
    Ok(Answer { text, code: u8::from(!comparison.level.is_reproducible()) })
}

/// An image with its layers; the spool keeps them on disk.
struct Fetched {
    reference: PinnedReference,
    image: Image,
    layers: StoredLayers,
    _spool: Spool,
}

impl Fetched {
    fn clone_parts(&self) -> (Image, StoredLayers) {
        (self.image.clone(), self.layers.clone())
    }
}

async fn fetch(
    reference: &Reference,
    config: &crate::config::Config,
    ctx: &Context,
) -> Result<Fetched, Failure> {
    let reference = context::pin(reference, config, ctx).await?;
    let (source, images) = open_alone(&reference, ctx).await?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::unavailable(format!("{reference} has no image")));
    };
    let spool = Spool::temporary()
        .map_err(|e| Failure::unavailable(format!("no temporary folder: {e}")))?;
    let layers = load::fetch_layers(&*source, &image, &spool, &ctx.limits, &*ctx.talk).await?;
    Ok(Fetched { reference, image, layers: StoredLayers(layers), _spool: spool })
}
