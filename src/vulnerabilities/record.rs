//! What an advisory says, whatever format it came in: the one model that is stored and matched.
//!
//! The types are the stored form too, so their short keys are part of the format of the database.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// An advisory, without the packages that it is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Advisory {
    /// Its id, as `DEBIAN-CVE-2024-1234`.
    #[serde(rename = "i")]
    pub id: String,
    /// Other ids of the same vulnerability.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of the vulnerabilities that it is made from; one advisory of a distribution may be about many.
    #[serde(rename = "u", default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    /// One line.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// When it was published, as written.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// When it was taken back, as written.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// How severe others say it is, each with who says so.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<Rating>,
    /// That it is exploited, by the catalogue of those that are.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<Exploited>,
    /// How likely it is exploited.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// The day of the import that saw it first.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
}

impl Advisory {
    /// Whether the package itself is the attack.
    pub fn is_malware(&self) -> bool {
        self.id.starts_with("MAL-")
    }

    /// Ids of the vulnerabilities that it is made of, each of which may be judged by itself. Each CVE is a vulnerability of its own, also where
    /// old records call several of them aliases; other ids beside a CVE are other names of that.
    pub fn parts(&self) -> BTreeSet<&str> {
        let all = || self.aliases.iter().chain(&self.upstream).map(String::as_str);
        let cves: BTreeSet<&str> = all().filter(|id| id.starts_with("CVE-")).collect();
        match cves.is_empty() {
            true => self.upstream.iter().map(String::as_str).collect(),
            false => cves,
        }
    }

    /// Every id that means this vulnerability, or one of those that it is made from.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let all = std::iter::once(&self.id).chain(&self.aliases).chain(&self.upstream);
        all.map(String::as_str)
    }
}

/// How severe somebody says it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// The level.
    #[serde(rename = "l")]
    pub level: Level,
    /// The base score, in tenths, where there is one.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub tenths: Option<u8>,
    /// What kind it is: `CVSS_V3`, `Ubuntu`, `urgency` …
    #[serde(rename = "k")]
    pub kind: String,
    /// Who says so: the id of the record.
    #[serde(rename = "o")]
    pub source: String,
}

/// How severe a vulnerability is; the order is from the least to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Nobody says.
    #[serde(rename = "u")]
    Unknown,
    /// None, or not worth a fix.
    #[serde(rename = "n")]
    Negligible,
    /// Low.
    #[serde(rename = "l")]
    Low,
    /// Medium.
    #[serde(rename = "m")]
    Medium,
    /// High.
    #[serde(rename = "h")]
    High,
    /// Critical.
    #[serde(rename = "c")]
    Critical,
}

impl Level {
    /// The word for reports and rules.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// An entry of a catalogue of exploited vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploited {
    /// The CVE.
    #[serde(rename = "c")]
    pub cve: String,
    /// The day on which it was listed.
    #[serde(rename = "a")]
    pub added: String,
    /// The day by which agencies have to act.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Whether ransomware is known to use it.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub ransomware: bool,
}

/// An entry of EPSS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The CVE.
    #[serde(rename = "c")]
    pub cve: String,
    /// How likely it is exploited in the next 30 days, from 0 to 1.
    #[serde(rename = "s")]
    pub score: f64,
    /// How many CVEs are no likelier, from 0 to 1.
    #[serde(rename = "p")]
    pub percentile: f64,
}

/// Which versions of one package an advisory is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Affected {
    /// The advisory.
    #[serde(rename = "i")]
    pub advisory: String,
    /// Ranges of versions.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Vec<Event>>,
    /// Single versions.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Whether ranges of commits were left out, which no version can be held against.
    #[serde(rename = "g", default, skip_serializing_if = "std::ops::Not::not")]
    pub commits: bool,
    /// What the distribution says of it: its urgency or state.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub urgency: Option<String>,
    /// The product of the distribution that it is about, where an ecosystem has several.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The module and stream of an rpm, as `nodejs:18`.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Whether it is about the source package, where its ecosystem goes by packages.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_source: bool,
    /// The day of the import that saw it first.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// The day of the import that first saw a fix.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub fix_seen: Option<String>,
}

impl Affected {
    /// Versions in which it is fixed, as written.
    pub fn fixes(&self) -> impl Iterator<Item = &str> {
        let events = self.ranges.iter().flatten();
        events.filter_map(|event| match event {
            Event::Fixed(version) => Some(version.as_str()),
            _ => None,
        })
    }
}

/// Where a range of versions changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// Affected from this one on; `0` is before every version.
    #[serde(rename = "i")]
    Introduced(String),
    /// No longer from this one on.
    #[serde(rename = "f")]
    Fixed(String),
    /// No longer after this one.
    #[serde(rename = "l")]
    LastAffected(String),
    /// Nothing is said from this one on.
    #[serde(rename = "m")]
    Limit(String),
}

impl Event {
    /// The version.
    pub fn version(&self) -> &str {
        match self {
            Self::Introduced(v) | Self::Fixed(v) | Self::LastAffected(v) | Self::Limit(v) => v,
        }
    }
}
