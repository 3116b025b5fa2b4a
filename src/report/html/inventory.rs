//! What is in an image as one HTML page: packages, modified and unowned files, hidden packages, facts, and what could not be read.
//!
//! Shows what `-o json` says, in tables that are whole without a script. The one script of the page sorts and filters them; the
//! content security policy names its digest and allows no other.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Script, clean, document, words};
use crate::{
    amount::{bytes, plural},
    contents::accounts::Class,
    policy::input::{
        ContentsInput, FactsInput, HiddenInput, InventoryInput, LicencesInput, PackageInput,
        StrayInput,
    },
    report::inventory::Stock,
    untrusted::cut,
};

const SCRIPT: Script = Script(include_str!("inventory.js"));
/// Rows of one table that are shown; the rest is counted. A browser lays so many out in a second or two.
const ROWS_SHOWN: usize = 20_000;
/// Bytes of one cell.
const CELL_BYTES: usize = 4 * 1024;

/// Renders the inventory of each platform.
pub fn render(stocks: &[Stock]) -> String {
    let reference = stocks.first().map(|stock| stock.image.reference.to_string());
    let body = html! {
        header {
            h1 { "Inventory " span class="of" { "hallmark inventory" } }
            p class="meaning" { code { (words(reference.as_deref().unwrap_or("no image"))) } }
        }
        main { @for stock in stocks { (platform(stock)) } }
        footer { "Written by hallmark " (env!("CARGO_PKG_VERSION")) ". This is no verdict." }
    };
    document("Inventory · hallmark inventory", &body, Some(SCRIPT))
}

/// A column of a table.
struct Column {
    title: &'static str,
    /// How its cells are shown, and what can be done with them.
    kind: Kind,
}

enum Kind {
    Text,
    /// Text of which there are few: rows can be chosen by it.
    Facet,
    Number,
}

impl Kind {
    /// The class of its cells: words and numbers are not broken, other text may be.
    fn class(&self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Facet => Some("facet"),
            Self::Number => Some("number"),
        }
    }
}

/// A cell, and what it is sorted by where that is not its text.
struct Cell {
    shown: Markup,
    key: Option<u64>,
}

fn facet(title: &'static str) -> Column {
    Column { title, kind: Kind::Facet }
}

fn text(title: &'static str) -> Column {
    Column { title, kind: Kind::Text }
}

fn number(title: &'static str) -> Column {
    Column { title, kind: Kind::Number }
}

/// Untrusted text as a cell.
fn said(text: &str) -> Cell {
    let text = cut(text.to_owned(), CELL_BYTES);
    Cell { shown: html! { (words(&text)) }, key: None }
}

/// A path or another word of machines as a cell.
fn code(text: &str) -> Cell {
    let text = cut(text.to_owned(), CELL_BYTES);
    Cell { shown: html! { code { (words(&text)) } }, key: None }
}

/// A count as a cell, which is empty where nothing is to be said.
fn count(number: usize) -> Cell {
    Cell { shown: html! { @if number > 0 { (number) } }, key: Some(number as u64) }
}

fn size(size: u64) -> Cell {
    Cell { shown: html! { (bytes(size)) }, key: Some(size) }
}

fn layer(layer: Option<usize>) -> Cell {
    let key = layer.map(|layer| layer as u64);
    Cell { shown: html! { @if let Some(layer) = layer { (layer) } }, key }
}

/// A table of what `of` says, as a part of the page; nothing where there are no rows.
fn table(
    of: &str,
    columns: &[Column],
    total: usize,
    rows: impl Iterator<Item = Vec<Cell>>,
) -> Markup {
    html! {
        @if total > 0 {
            h4 { (of) " " span class="badge" { (total) } }
            table class="list" aria-label=(of) {
                thead { tr { @for column in columns {
                    th scope="col" data-facet=[matches!(column.kind, Kind::Facet).then_some("")] { (column.title) }
                } } }
                tbody { @for row in rows.take(ROWS_SHOWN) {
                    tr { @for (column, cell) in columns.iter().zip(row) {
                        td class=[column.kind.class()] data-label=(column.title) data-key=[cell.key] {
                            (cell.shown)
                        }
                    } }
                } }
            }
            @if total > ROWS_SHOWN { p class="none" { "… and " (total - ROWS_SHOWN) " more, which -o json lists" } }
        }
    }
}

fn platform(stock: &Stock) -> Markup {
    let Stock { image, inventory, accounts, base, findings } = stock;
    let listed = InventoryInput::of(inventory, Some(accounts), *base);
    let contents = ContentsInput::of(accounts, Some(inventory), *base);
    let layers = image.config.diff_ids.len();
    html! {
        section class="platform" {
            h2 { (image.platform) " " code class="none short" { (words(&image.manifest.document.digest.to_string())) } }
            dl class="evidence" {
                dt { "os" } dd { (system(&listed)) }
                dt { "base" } dd {
                    @match contents.base_layers {
                        Some(ours) => { (ours) " of " (plural(layers, "layer")) }
                        None => { "unknown: no base of contents.bases fits; " (plural(layers, "layer")) }
                    }
                }
                @if let Some(facts) = &listed.facts { (user(facts)) }
            }
            (summary(&listed, &contents))
            @if !findings.is_empty() {
                h4 { "Findings" }
                @for found in findings {
                    article class={ "finding " (found.severity.name()) } {
                        h4 { (found.code.title()) }
                        p class="code" { (found.severity.name()) " " code { (found.code) } " " (words(&found.subject.to_string())) }
                    }
                }
            }
            (unread(&listed))
            (hidden(&contents.hidden))
            (strays(&contents))
            (packages(&listed.packages))
            @if let Some(facts) = &listed.facts { (rights(facts)) (programs(facts)) (sizes(facts)) }
            (classes(&contents))
        }
    }
}

fn system(listed: &InventoryInput) -> String {
    match (&listed.os, &listed.os_version) {
        (None, _) => "none that says its name".to_owned(),
        (Some(os), None) => format!("{} of no version", clean(os)),
        (Some(os), Some(version)) => clean(&format!("{os} {version}")),
    }
}

fn user(facts: &FactsInput) -> Markup {
    let number = |id: Option<u32>| id.map_or("?".to_owned(), |id| id.to_string());
    let user = &facts.user;
    html! {
        dt { "user" } dd {
            @match &user.error {
                Some(error) => (words(error)),
                None => { (number(user.uid)) ":" (number(user.gid)) }
            }
        }
        dt { "size" } dd { (bytes(facts.size.compressed)) " stored, " (bytes(facts.size.uncompressed)) " unpacked" }
    }
}

/// The counts that a reader looks at first.
fn summary(listed: &InventoryInput, contents: &ContentsInput) -> Markup {
    let of = |class: Class| {
        let counts = contents.files.counts.iter().filter(|one| one.class == class.word());
        counts.map(|one| one.files).sum::<u64>()
    };
    let strays =
        |class: Class| contents.files.strays.iter().filter(|one| one.class == class.word()).count();
    let told = [
        ("benign", listed.packages.len() as u64, "packages"),
        ("benign", of(Class::Verified), "files owned and verified"),
        ("open", strays(Class::Modified) as u64, "modified that can be run"),
        ("explained", strays(Class::Unowned) as u64, "unowned that can be run"),
        ("open", contents.hidden.len() as u64, "hidden packages"),
    ];
    html! {
        div class="counts" {
            @for (class, count, what) in told {
                @if count > 0 || class == "benign" { span class={ "count " (class) } { b { (count) } " " (what) } }
            }
        }
    }
}

/// What is known of a package's licence: as its own files write it, else by its copyright file, else by the texts beside it.
fn licence(package: &PackageInput) -> String {
    let LicencesInput { found, concluded, .. } = &package.licences;
    let told = package.licence.clone().or_else(|| found.expression.clone());
    told.or_else(|| concluded.expression.clone()).unwrap_or_else(|| concluded.several.join(", "))
}

fn packages(all: &[PackageInput]) -> Markup {
    let columns = [
        text("name"),
        text("version"),
        facet("ecosystem"),
        text("licence"),
        Column { title: "layer", kind: Kind::Facet },
        facet("side"),
        number("files"),
        number("modified"),
        number("missing"),
        text("listed in"),
    ];
    let rows = all.iter().map(|one| {
        let files = one.files.as_ref();
        let purl = one.purl.as_deref().unwrap_or("no package URL");
        let name = html! {
            b { (words(&cut(one.name.clone(), CELL_BYTES))) }
            div class="purl" { code { (words(&cut(purl.to_owned(), CELL_BYTES))) } }
        };
        vec![
            Cell { shown: name, key: None },
            code(&one.version),
            said(&one.ecosystem),
            said(&licence(one)),
            layer(one.layer),
            said(&one.side),
            count(files.map_or(0, |files| files.there)),
            count(files.map_or(0, |files| files.modified)),
            count(files.map_or(0, |files| files.missing)),
            code(&one.path),
        ]
    });
    table("Packages", &columns, all.len(), rows)
}

fn strays(contents: &ContentsInput) -> Markup {
    let columns = [
        text("path"),
        facet("class"),
        facet("kind"),
        facet("layer"),
        facet("side"),
        number("size"),
        text("of"),
        text("SHA-256"),
    ];
    let owner = |one: &StrayInput| match &one.owner {
        Some(owner) => said(&format!("{} {}", owner.name, owner.version)),
        None => said(""),
    };
    let digest = |one: &StrayInput| match &one.sha256 {
        Some(digest) => Cell {
            shown: html! { code class="short" { (words(&format!("sha256:{digest}"))) } },
            key: None,
        },
        None => said(""),
    };
    let row = |one: &StrayInput| {
        vec![
            code(&one.path),
            said(&one.class),
            said(&one.kind),
            layer(Some(one.layer)),
            said(&one.side),
            size(one.size),
            owner(one),
            digest(one),
        ]
    };
    let (strays, recorded) = (&contents.files.strays, &contents.files.self_recorded);
    let more = |more: u64| {
        html! {
            @if more > 0 { p class="none" { "… and " (more) " more; limits.toldFiles bounds how many are named" } }
        }
    };
    html! {
        (table("Modified and unowned files that can be run", &columns, strays.len(), strays.iter().map(row)))
        (more(contents.files.more))
        @if !recorded.is_empty() {
            (table("Files that can be run and that only the image's own records vouch for", &columns, recorded.len(), recorded.iter().map(row)))
            (more(contents.files.self_recorded_more))
        }
    }
}

fn hidden(all: &[HiddenInput]) -> Markup {
    let columns = [
        text("name"),
        facet("ecosystem"),
        text("why"),
        number("files"),
        text("the first of them"),
        facet("layer"),
        text("evidence"),
    ];
    let rows = all.iter().map(|one| {
        vec![
            said(&one.name),
            said(&one.ecosystem),
            said(&one.why),
            count(one.files),
            code(one.first.as_deref().unwrap_or_default()),
            layer(one.layer),
            code(&one.evidence),
        ]
    });
    table("Hidden packages", &columns, all.len(), rows)
}

fn unread(listed: &InventoryInput) -> Markup {
    let broken = listed.databases.iter().filter_map(|one| {
        let why = one.error.as_deref()?;
        Some(vec![code(&one.path), said("database"), count(1), said(why)])
    });
    let left = listed
        .incomplete
        .iter()
        .map(|one| vec![code(&one.path), said(&one.catalogue), count(one.files), said(&one.why)]);
    let all: Vec<_> = broken.chain(left).collect();
    let columns = [text("path"), facet("who reads it"), number("files"), text("why")];
    table("Could not be read", &columns, all.len(), all.into_iter())
}

fn rights(facts: &FactsInput) -> Markup {
    let mut all = Vec::new();
    for one in &facts.set_ids {
        let ids = format!(
            "{}{}of {}:{}",
            if one.setuid { "setuid " } else { "" },
            if one.setgid { "setgid " } else { "" },
            one.uid,
            one.gid
        );
        all.push((&one.path, one.layer, "runs with rights of its owner", ids));
    }
    for one in &facts.capabilities {
        let words = one.error.clone().unwrap_or_else(|| one.permitted.join(" "));
        all.push((&one.path, one.layer, "capabilities", words));
    }
    for one in &facts.world_writable {
        all.push((&one.path, one.layer, "world-writable", String::new()));
    }
    for one in &facts.devices {
        all.push((&one.path, one.layer, "device", String::new()));
    }
    let columns = [text("path"), facet("right"), text("which"), facet("layer")];
    let rows = all
        .iter()
        .map(|(path, at, right, which)| vec![code(path), said(right), said(which), layer(*at)]);
    table("Rights", &columns, all.len(), rows)
}

fn programs(facts: &FactsInput) -> Markup {
    let columns = [text("name"), facet("class"), text("path"), facet("layer")];
    let rows = facts
        .programs
        .iter()
        .map(|one| vec![said(&one.name), said(&one.class), code(&one.path), layer(one.layer)]);
    table("Shells, package managers and other tools", &columns, facts.programs.len(), rows)
}

fn sizes(facts: &FactsInput) -> Markup {
    let columns = [
        number("layer"),
        number("stored"),
        number("unpacked"),
        number("files"),
        number("hidden by later ones"),
    ];
    let rows = facts.layers.iter().enumerate().map(|(at, one)| {
        vec![
            layer(Some(at)),
            size(one.compressed),
            size(one.uncompressed),
            count(usize::try_from(one.files).unwrap_or(usize::MAX)),
            size(one.hidden_bytes),
        ]
    });
    table("Layers", &columns, facts.layers.len(), rows)
}

/// Files by class and side; layers and kinds are in sum.
fn classes(contents: &ContentsInput) -> Markup {
    let mut sums: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for one in &contents.files.counts {
        let (files, bytes) = sums.entry((one.class.as_str(), one.side.as_str())).or_default();
        *files = files.saturating_add(one.files);
        *bytes = bytes.saturating_add(one.bytes);
    }
    let columns = [facet("class"), facet("side"), number("files"), number("bytes")];
    let rows = sums.iter().map(|((class, side), (files, bytes))| {
        let files = usize::try_from(*files).unwrap_or(usize::MAX);
        vec![said(class), said(side), count(files), size(*bytes)]
    });
    table("Files by class", &columns, sums.len(), rows)
}
