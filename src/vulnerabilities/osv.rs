//! OSV records (OSV schema 1.7).
//!
//! Turns the bytes of one record into a [`Record`]: the advisory, what it says of each package, and how severe it says
//! it is. Refuses what is no JSON that every parser reads alike, a record without an id, one whose ranges have two
//! events at one version, and events of two kinds in one. Ranges of commits are noted and left out: no version can be
//! held against them.

use serde::Deserialize;

use super::{
    ecosystem::Ecosystem,
    record::{Advisory, Affected, Event, Rating},
    severity,
};
use crate::{
    json::{self, JsonError},
    limits::Limits,
    untrusted::{clean, misleads, shortened},
};

/// Bytes of one id, name or version that is kept.
const WORD_BYTES: usize = 512;
/// Bytes of one summary that are kept.
const SUMMARY_BYTES: usize = 160;

/// What one record says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The advisory.
    pub advisory: Advisory,
    /// When it was changed last, as written.
    pub modified: Option<String>,
    /// The packages, each with its ecosystem and name.
    pub packages: Vec<PackageRecord>,
}

/// What it says of one package.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageRecord {
    /// The ecosystem, with its release.
    pub ecosystem: Ecosystem,
    /// The name, as written.
    pub name: String,
    /// Which versions.
    pub affected: Affected,
}

/// Why a record was refused.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is no JSON, too large, or not of its form.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A field that has to be one word is none.
    #[error("its {field} is no word: \"{found}\"")]
    Word {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
    },
    /// It names nothing that is affected.
    #[error("it names nothing that is affected")]
    NothingAffected,
    /// A range has two events at one version, which are the same or contradict each other.
    #[error("a range of {package} has two events at \"{event}\"")]
    EventTwice {
        /// The package.
        package: String,
        /// The version.
        event: String,
    },
    /// A document says what nobody can know, or is of another version.
    #[error("{0}")]
    Document(String),
    /// An event is none, or several.
    #[error(
        "an event of {package} has not exactly one of introduced, fixed, last_affected and limit"
    )]
    Event {
        /// The package.
        package: String,
    },
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(default)]
    modified: Option<String>,
    #[serde(default)]
    published: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    upstream: Option<Vec<String>>,
    #[serde(default)]
    related: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    severity: Option<Vec<WireSeverity>>,
    #[serde(default)]
    affected: Option<Vec<WireAffected>>,
    #[serde(default)]
    database_specific: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireSeverity {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct WireAffected {
    #[serde(default)]
    package: Option<WirePackage>,
    #[serde(default)]
    ranges: Option<Vec<WireRange>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    severity: Option<Vec<WireSeverity>>,
    #[serde(default)]
    ecosystem_specific: Option<serde_json::Value>,
    #[serde(default)]
    database_specific: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WirePackage {
    ecosystem: String,
    name: String,
    #[serde(default)]
    purl: Option<String>,
}

#[derive(Deserialize)]
struct WireRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Option<Vec<WireEvent>>,
}

#[derive(Deserialize)]
struct WireEvent {
    #[serde(default)]
    introduced: Option<String>,
    #[serde(default)]
    fixed: Option<String>,
    #[serde(default)]
    last_affected: Option<String>,
    #[serde(default)]
    limit: Option<String>,
}

/// Reads one record.
///
/// # Errors
/// See [`RecordError`].
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Record, RecordError> {
    let wire: Wire = json::check(bytes, limits.advisory())?.read()?;
    let id = word(&wire.id, "id")?;
    let mut ratings = ratings(wire.severity.as_deref(), &id);
    let said = |value: &Option<serde_json::Value>, key: &str| {
        let said = value.as_ref()?.get(key)?.as_str()?;
        severity::said(said, key, &id)
    };
    ratings.extend(said(&wire.database_specific, "severity"));
    let affected = wire.affected.unwrap_or_default();
    // What rates a CVE says how severe it is in records that name the packages.
    let rates = id.starts_with("CVE-") && !ratings.is_empty();
    if affected.is_empty() && !rates {
        return Err(RecordError::NothingAffected);
    }
    let mut packages = Vec::new();
    for affected in affected {
        ratings.extend(self::ratings(affected.severity.as_deref(), &id));
        ratings.extend(said(&affected.ecosystem_specific, "severity"));
        packages.extend(package(affected, &id)?);
    }
    ratings.dedup();
    let words = |list: Option<Vec<String>>, field| {
        list.unwrap_or_default().iter().map(|text| word(text, field)).collect::<Result<Vec<_>, _>>()
    };
    let upstream =
        upstream(&id, words(wire.upstream, "upstream")?, words(wire.related, "related")?);
    let advisory = Advisory {
        aliases: words(wire.aliases, "aliases")?,
        upstream,
        summary: summary(&wire.summary.unwrap_or_default()),
        published: wire.published.map(|day| word(&day, "published")).transpose()?,
        withdrawn: wire.withdrawn.map(|day| word(&day, "withdrawn")).transpose()?,
        ratings,
        id,
        ..Advisory::default()
    };
    let modified = wire.modified.map(|day| word(&day, "modified")).transpose()?;
    Ok(Record { advisory, modified, packages })
}

/// Ids of what an advisory is made from. Advisories of rpm distributions name their CVEs as related alone.
fn upstream(id: &str, mut upstream: Vec<String>, related: Vec<String>) -> Vec<String> {
    const UPDATES: [&str; 9] =
        ["RHSA-", "RHBA-", "RHEA-", "RLSA-", "RXSA-", "ALSA-", "SUSE-", "openSUSE-", "OESA-"];
    if UPDATES.iter().any(|update| id.starts_with(update)) {
        upstream.extend(related.into_iter().filter(|related| related.starts_with("CVE-")));
        upstream.sort();
        upstream.dedup();
    }
    upstream
}

fn ratings(list: Option<&[WireSeverity]>, id: &str) -> Vec<Rating> {
    let list = list.unwrap_or_default().iter().take(16);
    list.filter_map(|one| severity::rating(&one.kind, &one.score, id)).collect()
}

/// One package; none where it is about sources in a repository alone.
fn package(wire: WireAffected, id: &str) -> Result<Option<PackageRecord>, RecordError> {
    let Some(package) = wire.package else {
        for range in wire.ranges.unwrap_or_default() {
            events(range.events.unwrap_or_default(), "a repository")?;
        }
        return Ok(None);
    };
    let name = word(&package.name, "package name")?;
    let ecosystem = Ecosystem::parse(&word_of_words(&package.ecosystem, "ecosystem")?);
    let mut affected = Affected { advisory: id.to_owned(), ..Affected::default() };
    for range in wire.ranges.unwrap_or_default() {
        let events = events(range.events.unwrap_or_default(), &name)?;
        match range.kind.as_str() {
            "GIT" => affected.commits = true,
            // The schema has it (`events`, "contains"): without a beginning nothing would be affected, in silence.
            "SEMVER" | "ECOSYSTEM"
                if !events.iter().any(|event| matches!(event, Event::Introduced(_))) =>
            {
                let why = format!("a range of {name} has no event introduced");
                return Err(RecordError::Document(why));
            }
            "SEMVER" | "ECOSYSTEM" => affected.ranges.push(events),
            other => {
                let other = clean(&shortened(other, 40));
                let why = format!("a range of {name} has the type \"{other}\", which OSV has not");
                return Err(RecordError::Document(why));
            }
        }
    }
    let versions = wire.versions.unwrap_or_default();
    affected.versions =
        versions.iter().map(|version| word(version, "version")).collect::<Result<_, _>>()?;
    let specific = [&wire.ecosystem_specific, &wire.database_specific];
    let urgency = specific.into_iter().flatten().find_map(|value| value.get("urgency")?.as_str());
    affected.urgency = urgency.map(|text| clean(&shortened(text, 40)));
    affected.product = ecosystem.product.clone();
    affected.module = package.purl.as_deref().and_then(module);
    Ok(Some(PackageRecord { ecosystem, name, affected }))
}

/// Module and stream in a package URL: `rpmmod=nodejs:18:8090020240301110609:rhel9`.
fn module(purl: &str) -> Option<String> {
    let (_, qualifiers) = purl.split_once('?')?;
    let value = qualifiers.split(['&', '#']).find_map(|one| one.strip_prefix("rpmmod="))?;
    let value = value.replace("%3A", ":").replace("%3a", ":");
    let value = value.rsplit_once('/').map_or(value.as_str(), |(_, last)| last);
    let mut parts = value.split(':');
    Some(format!("{}:{}", parts.next()?, parts.next()?))
}

fn events(wire: Vec<WireEvent>, package: &str) -> Result<Vec<Event>, RecordError> {
    let mut events = Vec::with_capacity(wire.len());
    for event in wire {
        let kinds = [
            event.introduced.map(Event::Introduced),
            event.fixed.map(Event::Fixed),
            event.last_affected.map(Event::LastAffected),
            event.limit.map(Event::Limit),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(event), None) = (kinds.next(), kinds.next()) else {
            return Err(RecordError::Event { package: package.to_owned() });
        };
        word(event.version(), "event")?;
        events.push(event);
    }
    if let Some(event) = repeated(&events) {
        return Err(RecordError::EventTwice { package: package.to_owned(), event });
    }
    Ok(events)
}

/// The version of two equal events, or at which something begins and ends.
fn repeated(events: &[Event]) -> Option<String> {
    let mut versions: Vec<&str> = Vec::with_capacity(events.len());
    let mut last = Vec::new();
    for event in events {
        match event {
            Event::LastAffected(version) => last.push(version.as_str()),
            event => versions.push(event.version()),
        }
    }
    [versions, last].into_iter().find_map(|mut list| {
        list.sort_unstable();
        let twice = list.windows(2).find(|pair| pair.first() == pair.last())?;
        twice.first().map(|version| (*version).to_owned())
    })
}

/// One word of a bounded length without characters that mislead.
fn word(text: &str, field: &'static str) -> Result<String, RecordError> {
    match text.contains(char::is_whitespace) {
        true => Err(no_word(text, field)),
        false => word_of_words(text, field),
    }
}

/// The same, in which single spaces may stand.
fn word_of_words(text: &str, field: &'static str) -> Result<String, RecordError> {
    let fine = !text.is_empty() && text.len() <= WORD_BYTES && !text.contains(misleads);
    if fine { Ok(text.to_owned()) } else { Err(no_word(text, field)) }
}

fn no_word(text: &str, field: &'static str) -> RecordError {
    RecordError::Word { field, found: clean(&shortened(text, 80)) }
}

fn summary(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    clean(&shortened(&words.join(" "), SUMMARY_BYTES))
}

#[cfg(test)]
mod tests;
