//! `hallmark inspect`: what an image carries, and what was proven of it; no verdict.

use super::{
    Answer, Failure,
    args::{Format, Global, Inspect},
    context::{self, Overrides},
};
use crate::{
    report,
    verify::{When, gather, open},
};

/// Runs the command.
pub async fn run(args: &Inspect, global: &Global) -> Result<Answer, Failure> {
    let overrides = Overrides {
        platforms: Some(&args.platforms),
        rebuild: Some(When::Never),
        policy: Some("baseline"),
        ..Overrides::default()
    };
    let (config, ctx) = context::build(global, overrides)?;
    let reference = context::pin(&args.image, &config, &ctx).await?;
    let (source, images) = open(&reference, &ctx).await?;
    let mut text = String::new();
    for image in images {
        let (evidence, findings) = gather(&*source, image, &ctx, jiff::Timestamp::now()).await;
        text.push_str(&match args.output {
            Format::Text => report::inspect::tree(&evidence, &findings),
            Format::Json => report::json::evidence(&evidence, &findings, jiff::Timestamp::now()),
        });
    }
    Ok(Answer::data(text))
}
