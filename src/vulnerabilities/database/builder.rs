//! Records and feeds into the bytes of a database.
//!
//! Joins what others say: of each advisory the ratings, listings and forecasts of every CVE that it means, and since
//! when it is known here. Records of distributions say no severity themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};

use super::{
    Database, MAGIC, advisory_key, artifact_key, blocks,
    header::{self, Coverage, FeedInfo, Header, Refused, SourceInfo},
    package_key,
};
use crate::{
    digest::Digest,
    limits::{self, Limits},
    vulnerabilities::{
        ecosystem,
        feeds::Feed,
        osv::Record,
        record::{Advisory, Affected, Exploited, Forecast, Rating},
    },
};

/// Ratings of one advisory that are kept.
const RATINGS: usize = 8;
/// Refused records that are told.
const REFUSED: usize = 100;

/// What is being imported.
#[derive(Debug)]
pub struct Builder {
    most: usize,
    advisories: BTreeMap<String, Advisory>,
    packages: BTreeMap<(Vec<u8>, String), Entry>,
    /// Names of Maven without their groups, and with them.
    artifacts: BTreeSet<(String, String)>,
    exploited: Option<Feed<Exploited>>,
    forecasts: Option<Feed<Forecast>>,
    sources: Vec<SourceInfo>,
    refused: BTreeSet<Refused>,
    refused_count: usize,
    without_packages: usize,
    previous: HashMap<(Vec<u8>, String), Days>,
    seen: HashMap<String, Option<String>>,
}

/// Since when something is known here.
#[derive(Debug, Clone, Default)]
struct Days {
    first: Option<String>,
    fix: Option<String>,
}

/// What records say of one package.
#[derive(Debug)]
struct Entry {
    label: String,
    modified: Option<String>,
    affected: Vec<Affected>,
}

/// Why no database was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There are more advisories than the limit.
    #[error("there are more advisories than {key}, {0}", key = limits::key("advisories"))]
    TooMany(usize),
    /// Nothing was imported.
    #[error("nothing was imported: no source has a record")]
    Nothing,
    /// Nothing was imported, for all that was there was left out.
    #[error("nothing was imported: {left_out} left out; the first, {}: {}", .first.file, .first.why, left_out = of_records(*.count))]
    NothingReadable {
        /// How many were left out.
        count: usize,
        /// The first of them, by its name.
        first: Refused,
    },
    /// An entry is too large for the format.
    #[error("what one advisory says of one package is too large to be stored")]
    Large,
    /// The previous database is damaged.
    #[error("the previous database: {0}")]
    Previous(#[from] super::DatabaseError),
}

fn of_records(count: usize) -> String {
    match count {
        1 => "1 record was".to_owned(),
        more => format!("{more} records were"),
    }
}

impl Builder {
    /// Nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            most: limits.advisories,
            advisories: BTreeMap::new(),
            packages: BTreeMap::new(),
            artifacts: BTreeSet::new(),
            exploited: None,
            forecasts: None,
            sources: Vec::new(),
            refused: BTreeSet::new(),
            refused_count: 0,
            without_packages: 0,
            previous: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// Takes over since when everything is known that `previous` has.
    ///
    /// # Errors
    /// It is damaged.
    pub fn continue_from(&mut self, previous: &Database) -> Result<(), BuildError> {
        let damaged = || super::DatabaseError::Damaged("an entry is not of its form");
        let mut inflater = blocks::Inflater::new()?;
        previous.blocks.scan(&mut inflater, b"", |key, value| {
            if key.starts_with(b"a\0") {
                let advisory: Advisory = serde_json::from_slice(value).map_err(|_| damaged())?;
                self.seen.insert(advisory.id, advisory.first_seen);
            } else if key.starts_with(b"p\0") {
                let affected: Affected = serde_json::from_slice(value).map_err(|_| damaged())?;
                let days = Days { first: affected.first_seen, fix: affected.fix_seen };
                self.previous.insert((key.to_vec(), affected.advisory), days);
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Takes a record. Of two with one id the newer counts; what they say of packages adds up.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, record: Record) -> Result<(), BuildError> {
        let Record { advisory, modified, packages } = record;
        let id = advisory.id.clone();
        for package in packages {
            if package.ecosystem.name == "Maven" {
                let names = ecosystem::without_group(&package.name).into_iter();
                self.artifacts.extend(names.map(|short| (short, package.name.clone())));
            }
            let key = package_key(&package.ecosystem, &package.name);
            let label = package.ecosystem.label();
            let entry = self.packages.entry((key, id.clone())).or_insert_with(|| Entry {
                label,
                modified: None,
                affected: Vec::new(),
            });
            entry.modified = entry.modified.take().max(modified.clone());
            if !entry.affected.contains(&package.affected) {
                entry.affected.push(package.affected);
            }
        }
        let full = self.advisories.len() >= self.most;
        match self.advisories.entry(id) {
            btree_map::Entry::Occupied(mut own) => join(own.get_mut(), advisory),
            btree_map::Entry::Vacant(_) if full => {
                return Err(BuildError::TooMany(self.most));
            }
            btree_map::Entry::Vacant(place) => {
                place.insert(advisory);
            }
        }
        Ok(())
    }

    /// Notes a record that names no package.
    pub fn note_without_packages(&mut self) {
        self.without_packages += 1;
    }

    /// Notes a record that was left out.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused_count += 1;
        self.refused.insert(refused);
        if self.refused.len() > REFUSED {
            self.refused.pop_last();
        }
    }

    /// Takes a catalogue of exploited vulnerabilities.
    pub fn exploited(&mut self, feed: Feed<Exploited>) {
        self.exploited = Some(feed);
    }

    /// Takes forecasts.
    pub fn forecasts(&mut self, feed: Feed<Forecast>) {
        self.forecasts = Some(feed);
    }

    /// Notes what was imported.
    pub fn source(&mut self, source: SourceInfo) {
        self.sources.push(source);
    }

    /// The database, made on `day`.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn finish(mut self, day: &str) -> Result<Vec<u8>, BuildError> {
        if self.advisories.is_empty() {
            let first = self.refused.pop_first();
            let count = self.refused_count;
            return Err(first.map_or(BuildError::Nothing, |first| BuildError::NothingReadable {
                count,
                first,
            }));
        }
        let mut header = self.header(day);
        let mut entries = Vec::with_capacity(self.advisories.len() + self.packages.len());
        let told = self.told();
        for (id, mut advisory) in std::mem::take(&mut self.advisories) {
            self.enrich(&mut advisory, &told);
            let first = self.seen.get(&id).cloned().flatten();
            advisory.first_seen = Some(first.unwrap_or_else(|| day.to_owned()));
            entries.push((advisory_key(&id), json(&advisory)?));
        }
        for (short, name) in std::mem::take(&mut self.artifacts) {
            entries.push((artifact_key(&short), json(&name)?));
        }
        for (place, entry) in std::mem::take(&mut self.packages) {
            let Days { first, fix } = self.previous.get(&place).cloned().unwrap_or_default();
            for mut affected in entry.affected {
                affected.first_seen = Some(first.clone().unwrap_or_else(|| day.to_owned()));
                let has_fix = affected.fixes().next().is_some();
                affected.fix_seen = has_fix.then(|| fix.clone().unwrap_or_else(|| day.to_owned()));
                entries.push((place.0.clone(), json(&affected)?));
            }
        }
        entries.sort();
        let body = blocks::body(&entries).ok_or(BuildError::Large)?;
        header.content = Digest::sha256(&body).to_string();
        let header = header::bytes(&header).ok_or(BuildError::Large)?;
        Ok([MAGIC, &header, &body].concat())
    }

    fn header(&self, day: &str) -> Header {
        let mut ecosystems: BTreeMap<String, Coverage> = BTreeMap::new();
        let mut last: Option<&[u8]> = None;
        for ((key, _), entry) in &self.packages {
            let coverage = ecosystems.entry(entry.label.clone()).or_default();
            coverage.packages += usize::from(last != Some(key));
            coverage.records += 1;
            coverage.unfixed +=
                usize::from(entry.affected.iter().any(|one| one.fixes().next().is_none()));
            coverage.newest = coverage.newest.take().max(entry.modified.clone());
            last = Some(key);
        }
        let count =
            |is: fn(&Advisory) -> bool| self.advisories.values().filter(|one| is(one)).count();
        let mut sources = self.sources.clone();
        sources.sort();
        Header {
            made: day.to_owned(),
            content: String::new(),
            advisories: self.advisories.len(),
            withdrawn: count(|one| one.withdrawn.is_some()),
            malware: count(Advisory::is_malware),
            without_packages: self.without_packages,
            sources,
            ecosystems,
            exploited: self.exploited.as_ref().map(info),
            forecasts: self.forecasts.as_ref().map(info),
            refused: self.refused.iter().cloned().collect(),
            refused_count: self.refused_count,
        }
    }

    /// The ratings of each vulnerability by its CVE, from whoever rates it. What was taken back rates nothing.
    fn told(&self) -> BTreeMap<String, Vec<Rating>> {
        let mut told: BTreeMap<String, Vec<Rating>> = BTreeMap::new();
        let standing = self.advisories.values().filter(|one| one.withdrawn.is_none());
        for advisory in standing.filter(|one| !one.ratings.is_empty()) {
            let ids = std::iter::once(&advisory.id).chain(&advisory.aliases);
            // A distribution's record that is made from one CVE rates that one.
            let one = advisory.upstream.first().filter(|_| advisory.upstream.len() == 1);
            for id in ids.chain(one).filter(|id| id.starts_with("CVE-")) {
                told.entry(id.clone()).or_default().extend(advisory.ratings.iter().cloned());
            }
        }
        told
    }

    /// Adds what is said of the CVEs that an advisory means.
    fn enrich(&self, advisory: &mut Advisory, told: &BTreeMap<String, Vec<Rating>>) {
        let ids: BTreeSet<String> = advisory.ids().map(str::to_owned).collect();
        let others = ids.iter().filter_map(|id| told.get(id)).flatten();
        let mut others: Vec<Rating> =
            others.filter(|one| one.source != advisory.id).cloned().collect();
        others.sort_by(|a, b| (b.level, b.tenths, &a.source).cmp(&(a.level, a.tenths, &b.source)));
        advisory.ratings.truncate(RATINGS);
        for other in others {
            if advisory.ratings.len() < RATINGS && !advisory.ratings.contains(&other) {
                advisory.ratings.push(other);
            }
        }
        let listed = self.exploited.as_ref();
        let mut listed = ids.iter().filter_map(|id| listed?.entries.get(id));
        advisory.exploited = listed.next().cloned();
        let likely = self.forecasts.as_ref();
        let likely = ids.iter().filter_map(|id| likely?.entries.get(id));
        advisory.forecast = likely.max_by(|a, b| a.score.total_cmp(&b.score)).cloned();
    }
}

fn info<T>(feed: &Feed<T>) -> FeedInfo {
    FeedInfo { entries: feed.entries.len(), date: feed.date.clone() }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BuildError> {
    serde_json::to_vec(value).map_err(|_| BuildError::Large)
}

/// Joins another record of the same id: one that was not taken back stands.
fn join(own: &mut Advisory, other: Advisory) {
    own.aliases.extend(other.aliases);
    own.upstream.extend(other.upstream);
    own.ratings.extend(other.ratings);
    for list in [&mut own.aliases, &mut own.upstream] {
        list.sort();
        list.dedup();
    }
    own.ratings.dedup();
    if own.summary.is_empty() {
        own.summary = other.summary;
    }
    own.published = own.published.take().or(other.published);
    own.withdrawn = own.withdrawn.take().filter(|_| other.withdrawn.is_some());
}
