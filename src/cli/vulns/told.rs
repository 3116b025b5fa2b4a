//! What `hallmark vulns` says, for people and for machines.

use serde_json::json;

use crate::{
    amount::plural,
    contents::Inventory,
    policy::VulnerabilitiesInput,
    report::{json::lines, ruling_words},
    untrusted::{Page, line},
    vulnerabilities::{
        database::Database,
        matching::{GapKind, Known, Vulnerability},
    },
};

/// Schema of what a database says of itself.
const DATABASE: &str = "hallmark/vulnerability-database/v1";
/// Schema of what is known of images.
const MATCHES: &str = "hallmark/vulnerability-matches/v1";

/// What a database was made from, and what it covers.
pub(super) fn info(database: &Database) -> String {
    let (header, mut page) = (database.header(), Page::default());
    line!(page, "database    {}", database.digest());
    line!(page, "made        {}", header.made);
    line!(
        page,
        "advisories  {} ({} withdrawn, {} about malware)",
        header.advisories,
        header.withdrawn,
        header.malware
    );
    for (word, feed) in [("exploited", &header.exploited), ("forecasts", &header.forecasts)] {
        match feed {
            Some(feed) => {
                let date = feed.date.as_deref().unwrap_or("a day that it does not say");
                line!(page, "{word:<11} {} of {date}", feed.entries);
            }
            None => line!(page, "{word:<11} none: no source has them"),
        }
    }
    if header.without_packages > 0 {
        line!(page, "no package  {} of no package", plural(header.without_packages, "record"));
    }
    line!(page);
    for source in &header.sources {
        line!(
            page,
            "source  {} {} ({}) {}",
            source.kind,
            source.name,
            plural(source.records, "record"),
            source.digest
        );
    }
    line!(page);
    for (name, coverage) in &header.ecosystems {
        let unfixed = match coverage.unfixed {
            0 => "; none without a fix, so that those are not known".to_owned(),
            unfixed => format!("; {unfixed} without a fix"),
        };
        line!(
            page,
            "covers  {name}: {}, {}{unfixed}",
            plural(coverage.packages, "package"),
            plural(coverage.records, "record")
        );
    }
    for refused in &header.refused {
        line!(page, "left out  {}: {}", refused.file, refused.why);
    }
    let more = header.refused_count.saturating_sub(header.refused.len());
    if more > 0 {
        line!(page, "left out  {more} more");
    }
    page.into_text()
}

/// The same for machines.
pub(super) fn info_json(database: &Database) -> String {
    lines(&json!({
        "schema": DATABASE,
        "digest": database.digest().to_string(),
        "header": database.header(),
    }))
}

/// An image, its packages, and what is known of them.
pub(super) type Told = (String, Inventory, Known);

/// What is known of images.
pub(super) fn known(all: &[Told]) -> String {
    let mut page = Page::default();
    for (image, inventory, known) in all {
        line!(page, "image  {image}");
        for one in &known.vulnerabilities {
            vulnerability(&mut page, inventory, one);
        }
        for one in &known.unknown {
            let package = inventory.packages.get(one.package);
            let (name, version) =
                package.map_or(("", ""), |package| (&package.name, &package.version));
            let advisories = plural(one.count, "advisory");
            line!(page, "unknown  {name} {version}: {} ({advisories})", one.why);
        }
        for gap in &known.gaps {
            let packages = plural(gap.packages, "package");
            line!(page, "gap  {}: {} ({packages})", gap.name, gap_words(gap.kind));
        }
        line!(
            page,
            "{} known, {} cannot be told, {}, {} withdrawn",
            known.vulnerabilities.len(),
            plural(known.unknown.len(), "package"),
            plural(known.gaps.len(), "gap"),
            known.withdrawn
        );
    }
    page.into_text()
}

fn vulnerability(page: &mut Page, inventory: &Inventory, one: &Vulnerability) {
    let Some(package) = inventory.packages.get(one.package) else { return };
    let fixed =
        one.fixed.as_ref().map_or_else(|| "no fix".to_owned(), |fix| format!("fixed in {fix}"));
    let (level, id) = (one.severity.level.word(), &one.advisory.id);
    let mut marks = Vec::new();
    marks.extend(one.advisory.is_malware().then_some("malware"));
    marks.extend(one.advisory.exploited.as_ref().map(|_| "exploited"));
    marks.extend(one.unimportant.then_some("unimportant to the distribution"));
    marks.extend(one.headers_only.then_some("headers only"));
    marks.extend(one.left_to_distribution().then_some("judged by the distribution's record"));
    let marks = if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(", ")) };
    line!(page, "{level}  {} {}  {id}  {fixed}{marks}", package.name, package.version);
    let parts = one.parts.iter().filter_map(|place| inventory.packages.get(*place));
    for part in parts {
        let (name, version, path) = (&part.name, &part.version, &part.database);
        line!(page, "    told here for {name} {version}, a part of it ({path})");
    }
    if let Some(ruling) = &one.ruling {
        line!(page, "    {}", ruling_words(inventory, ruling));
    }
}

fn gap_words(kind: GapKind) -> String {
    match kind {
        GapKind::Distribution => "no data is about this distribution".to_owned(),
        GapKind::Release => "the database has nothing of this release".to_owned(),
        GapKind::PastEnd(day) => format!("it is not maintained since {day}"),
        GapKind::Ecosystem => "the database has nothing of this ecosystem".to_owned(),
        GapKind::Type => "no ecosystem is about such packages".to_owned(),
        GapKind::FixesOnly => "vulnerabilities without a fix are not in its data".to_owned(),
        GapKind::Unread => "it was not read, so that packages in it were not looked up".to_owned(),
    }
}

/// The same for machines.
pub(super) fn known_json(database: &Database, all: &[Told]) -> String {
    let image = |(image, inventory, known): &Told| {
        let input = VulnerabilitiesInput::of(database, inventory, known);
        json!({ "image": image, "vulnerabilities": input })
    };
    let images: Vec<_> = all.iter().map(image).collect();
    lines(&json!({ "schema": MATCHES, "images": images }))
}
