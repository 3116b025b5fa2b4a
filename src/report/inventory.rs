//! What is in an image: packages with their files, every file by whose it is, and what could not be read.
//!
//! Turns a [`Stock`] for each platform into text and into JSON, `hallmark/inventory/v1`. It judges nothing: a hidden package
//! is shown as what it is, and rules decide.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    json::{finding as finding_json, lines},
    shown,
};
use crate::{
    amount::{self, plural},
    contents::{
        Inventory, Package,
        accounts::{Accounts, Base, Basis, Class, Side, Stray},
    },
    finding::Finding,
    image::Image,
    policy::input::{ContentsInput, InventoryInput},
    untrusted::{Page, line},
};

/// Schema of an inventory.
pub const INVENTORY: &str = "hallmark/inventory/v1";

/// Files that only the image's own records vouch for, of which the text shows so many.
const SHOWN: usize = 10;

/// What is in one platform's image.
#[derive(Debug, Clone)]
pub struct Stock {
    /// The image.
    pub image: Image,
    /// What is installed.
    pub inventory: Inventory,
    /// Whose its files are.
    pub accounts: Accounts,
    /// How many layers are a known base's.
    pub base: Base,
    /// What was seen.
    pub findings: Vec<Finding>,
}

/// As JSON.
pub fn json(stocks: &[Stock]) -> String {
    let reference = stocks.first().map(|stock| stock.image.reference.to_string());
    lines(&json!({
        "schema": INVENTORY,
        "reference": reference,
        "platforms": stocks.iter().map(platform_json).collect::<Vec<_>>(),
    }))
}

fn platform_json(stock: &Stock) -> Value {
    let Stock { image, inventory, accounts, base, findings } = stock;
    json!({
        "platform": image.platform.to_string(),
        "manifest": image.manifest.document.digest.to_string(),
        "inventory": InventoryInput::of(inventory, Some(accounts), *base),
        "contents": ContentsInput::of(accounts, Some(inventory), *base),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

/// As text.
pub fn text(stocks: &[Stock]) -> String {
    let mut page = Page::default();
    if let Some(first) = stocks.first() {
        line!(page, "{}", first.image.reference);
    }
    stocks.iter().for_each(|stock| platform(&mut page, stock));
    shown::lines(&page)
}

fn platform(page: &mut Page, stock: &Stock) {
    let Stock { image, inventory, base, .. } = stock;
    line!(page);
    line!(page, "platform  {}", image.platform);
    if let Some(os) = &inventory.os {
        line!(page, "os        {} {}", os.id, os.version.as_deref().unwrap_or("of no version"));
    }
    match base.layers() {
        Some(layers) => {
            let basis = base.basis().map_or("", Basis::word);
            let all = plural(image.config.diff_ids.len(), "layer");
            line!(page, "base      {layers} of {all} ({basis})");
        }
        None => line!(page, "base      unknown: no base of contents.bases fits"),
    }
    packages(page, stock);
    files(page, stock);
    strays(page, stock);
    self_recorded(page, stock);
    hidden(page, stock);
    faded(page, stock);
    unread(page, inventory);
}

fn side(base: Base, layer: Option<usize>) -> String {
    match layer {
        None => "-".to_owned(),
        Some(layer) if base.side(layer) == Side::Unknown => format!("layer {layer}"),
        Some(layer) => format!("layer {layer} {}", base.side(layer).word()),
    }
}

fn packages(page: &mut Page, stock: &Stock) {
    let Stock { inventory, accounts, base, .. } = stock;
    line!(page);
    line!(page, "packages  {}", inventory.packages.len());
    let name =
        |package: &Package| format!("{} {} {}", package.ecosystem, package.name, package.version);
    let width =
        inventory.packages.iter().map(|one| name(one).chars().count()).max().unwrap_or(0).min(60);
    for (at, package) in inventory.packages.iter().enumerate() {
        let files = accounts.packages.get(at).copied().unwrap_or_default();
        let modified = if files.modified > 0 {
            format!(", {} modified", files.modified)
        } else {
            String::new()
        };
        let missing =
            if files.missing > 0 { format!(", {} missing", files.missing) } else { String::new() };
        let (name, place) = (name(package), side(*base, package.layer));
        let there = plural(files.files, "file");
        line!(page, "  {name:width$}  {place}  {there}{modified}{missing}  {}", package.database);
    }
}

fn files(page: &mut Page, stock: &Stock) {
    let mut classes: BTreeMap<(Class, Side), (u64, u64)> = BTreeMap::new();
    for ((class, layer, _), count) in &stock.accounts.counts {
        let (files, bytes) = classes.entry((*class, stock.base.side(*layer))).or_default();
        *files += count.files;
        *bytes = bytes.saturating_add(count.bytes);
    }
    line!(page);
    line!(page, "files");
    for ((class, side), (files, bytes)) in classes {
        let (class, side, size) = (class.word(), side.word(), amount::bytes(bytes));
        line!(page, "  {class:16}  {side:7}  {files:>8}  {size:>11}");
    }
    if stock.accounts.left_out > 0 {
        line!(
            page,
            "  of these, {} unverified: the checksum was not computed",
            plural(stock.accounts.left_out, "file")
        );
    }
}

fn strays(page: &mut Page, stock: &Stock) {
    let Stock { inventory, accounts, base, .. } = stock;
    for class in [Class::Modified, Class::Unowned] {
        let own: Vec<_> = accounts.strays.iter().filter(|one| one.class == class).collect();
        if own.is_empty() {
            continue;
        }
        line!(page);
        line!(page, "{}, and can be run  {}", class.word(), own.len());
        for one in own {
            let owner = one.package.and_then(|at| inventory.packages.get(at));
            let owner = owner.map(|p| format!("  of {} {}", p.name, p.version)).unwrap_or_default();
            let (kind, place) = (one.kind.word(), side(*base, Some(one.layer)));
            line!(page, "  {}  {kind}  {place}{owner}", one.path);
        }
    }
    if accounts.more > 0 {
        line!(page, "  and {} more; limits.toldFiles bounds how many are named", accounts.more);
    }
}

/// Files of the image's own layers that nothing but its own records vouches for: how many, and the first.
fn self_recorded(page: &mut Page, stock: &Stock) {
    let Stock { inventory, accounts, base, .. } = stock;
    let own = |one: &&Stray| base.side(one.layer) != Side::Base;
    let own: Vec<_> = accounts.self_recorded.iter().filter(own).collect();
    if own.is_empty() {
        return;
    }
    line!(page);
    line!(page, "only the image's own records vouch for, and can be run  {}", own.len());
    for one in own.iter().take(SHOWN) {
        let owner = one.package.and_then(|at| inventory.packages.get(at));
        let owner = owner.map(|p| format!("  of {} {}", p.name, p.version)).unwrap_or_default();
        let (class, place) = (one.class.word(), side(*base, Some(one.layer)));
        line!(page, "  {}  {class}  {place}{owner}", one.path);
    }
    let more = own.len().saturating_sub(SHOWN) as u64 + accounts.self_recorded_more;
    if more > 0 {
        line!(page, "  and {more} more, which -o json lists");
    }
}

fn hidden(page: &mut Page, stock: &Stock) {
    let hidden = &stock.accounts.hidden;
    if hidden.is_empty() {
        return;
    }
    line!(page);
    line!(page, "hidden packages  {}", hidden.len());
    for one in hidden {
        line!(
            page,
            "  {} {}  {}: {} ({})",
            one.ecosystem,
            one.name,
            plural(one.files, "file"),
            one.why,
            one.evidence
        );
    }
}

fn faded(page: &mut Page, stock: &Stock) {
    let faded = &stock.accounts.faded;
    if faded.is_empty() {
        return;
    }
    line!(page);
    line!(page, "records that are gone or changed  {}", faded.len());
    for one in faded {
        let why = one.fading.why();
        line!(
            page,
            "  {} {}  {}: {why} ({}, layer {})",
            one.ecosystem,
            one.name,
            plural(one.files, "file"),
            one.evidence,
            one.layer
        );
    }
}

fn unread(page: &mut Page, inventory: &Inventory) {
    let broken =
        inventory.databases.iter().filter_map(|one| Some((&one.path, one.read.as_ref().err()?)));
    let mut all: Vec<String> = broken.map(|(path, why)| format!("{path}: {why}")).collect();
    all.extend(
        inventory
            .incomplete
            .iter()
            .map(|one| format!("{} ({}): {}", one.path, plural(one.files, "file"), one.why)),
    );
    if all.is_empty() {
        return;
    }
    line!(page);
    line!(page, "could not be read  {}", all.len());
    all.iter().for_each(|text| line!(page, "  {text}"));
}
