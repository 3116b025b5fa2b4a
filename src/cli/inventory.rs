//! `hallmark inventory`: what is in an image, and whose every file is; no verdict.

use super::{
    Answer, Failure,
    args::{Global, Inventory, InventoryFormat},
    context,
};
use crate::{
    contents::{CollectorName, accounts::Base},
    image::Image,
    report::{
        html,
        inventory::{self, Stock},
    },
    source::Source,
    verify::{self, World, fetch_contents, read_contents},
};

/// Runs the command.
pub async fn run(args: &Inventory, global: &Global) -> Result<Answer, Failure> {
    let platforms = context::platforms(&args.platforms);
    let (mut config, world) = context::world(global, platforms)?;
    context::look_up(&args.lookup, [&args.image], &mut config)?;
    let reference = context::pin(&args.image, &config, &world).await?;
    let (source, images) = verify::open(&reference, &world).await?;
    let mut stocks = Vec::with_capacity(images.len());
    for image in images {
        stocks.push(stock(&*source, image, &world).await?);
    }
    Ok(Answer::data(match args.output {
        InventoryFormat::Text => inventory::text(&stocks),
        InventoryFormat::Json => inventory::json(&stocks),
        InventoryFormat::Html => html::inventory::render(&stocks),
    }))
}

async fn stock(source: &dyn Source, image: Image, world: &World) -> Result<Stock, Failure> {
    let names = [CollectorName::Inventory, CollectorName::Contents].into();
    let fetched = fetch_contents(source, &image, &world.limits, &*world.sink).await;
    let contents = read_contents(fetched, &image, &names, &world.limits, &*world.sink, None).await;
    let base = Base::of(&image.config.diff_ids, &world.bases);
    match (contents.inventory, contents.accounts) {
        (Some(inventory), Some(accounts)) => {
            Ok(Stock { image, inventory, accounts, base, findings: contents.findings })
        }
        _ => Err(match contents.findings.into_iter().next() {
            Some(finding) => Failure::of_finding(finding),
            None => Failure::unavailable("the image's layers could not be read"),
        }),
    }
}
