//! What is known of an image's packages.
//!
//! Turns [`Subject`]s and a [`Database`] into a [`Known`]: the vulnerabilities that are there, what nobody can tell,
//! and what the data does not cover. No data is not clean: whatever no record could have spoken about is a [`Gap`].

mod groups;
mod merging;
mod ruling;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    database::{Database, DatabaseError, Reader},
    distribution::{Distribution, Naming, Speaker},
    ecosystem::{self, Ecosystem},
    range::{self, Standing},
    record::{Advisory, Affected, Level},
    version::Scheme,
};
use crate::contents::is_distribution;
use groups::Groups;
pub use ruling::{Ruling, Said, Undecided};

/// Advisories of one package that nobody can hold it against which are named; the rest is counted.
const NAMED: usize = 5;

/// A package that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    /// Its place in the inventory.
    pub place: usize,
    /// Type of its package URL.
    pub purl_type: String,
    /// Name.
    pub name: String,
    /// Version, with its epoch.
    pub version: String,
    /// The source package, where it has a name of its own.
    pub source: Option<String>,
    /// The version of the source package, where it is another.
    pub source_version: Option<String>,
    /// Module and stream of an rpm, as `nodejs:18`.
    pub module: Option<String>,
    /// The distribution's package that it is a part of, where that is built from the same project.
    pub twin: Option<Twin>,
}

/// The distribution's package of the same project that a package of a language is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twin {
    /// Its place in the inventory.
    pub place: usize,
    /// Whether that, and all that the distribution's package is judged by, rests on the layers of a base that the operator
    /// lists, and so on more than the word of whoever made the image.
    pub of_base: bool,
}

/// What is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// Vulnerabilities, in the order of the packages.
    pub vulnerabilities: Vec<Vulnerability>,
    /// What nobody can tell, in the same order.
    pub unknown: Vec<Unknown>,
    /// What the data does not cover.
    pub gaps: Vec<Gap>,
    /// Advisories that would have matched and were taken back.
    pub withdrawn: usize,
}

/// A package that has a vulnerability.
#[derive(Debug, Clone, PartialEq)]
pub struct Vulnerability {
    /// The package's place in the inventory.
    pub package: usize,
    /// The advisory.
    pub advisory: Advisory,
    /// Others that say the same of the package.
    pub others: Vec<String>,
    /// The ecosystem whose records say so.
    pub ecosystem: String,
    /// The name that matched, and which of the package's names it is.
    pub matched: (String, Name),
    /// The version that was compared.
    pub version: String,
    /// The least version that fixes it.
    pub fixed: Option<String>,
    /// How severe it is.
    pub severity: Severity,
    /// What the distribution says of it.
    pub urgency: Option<String>,
    /// Whether the distribution says that it is none that counts.
    pub unimportant: bool,
    /// Whether the package has headers of the kernel and nothing of it that runs.
    pub headers_only: bool,
    /// What the distribution's data says of it, where the package is a part of the distribution's package of the same project.
    pub ruling: Option<Ruling>,
    /// Packages of languages of which advisories say the same, by their places in the inventory: they are parts of this one.
    pub parts: Vec<usize>,
    /// The day of the import that saw it first.
    pub first_seen: Option<String>,
    /// The day of the import that first saw a fix.
    pub fix_seen: Option<String>,
}

impl Vulnerability {
    /// Whether the distribution's own record judges the package instead.
    pub fn left_to_distribution(&self) -> bool {
        self.ruling.as_ref().is_some_and(Ruling::decides)
    }

    /// Every id that means it as a whole. Of several vulnerabilities an alias may name one, and so may an advisory that was joined.
    pub fn ids(&self) -> BTreeSet<&str> {
        let (advisory, parts) = (&self.advisory, self.advisory.parts());
        let own = std::iter::once(advisory.id.as_str());
        if parts.len() > 1 {
            let alone = self.others.is_empty();
            return own.filter(|id| alone && !parts.contains(id)).collect();
        }
        let others = advisory.aliases.iter().chain(&self.others).chain(&advisory.upstream);
        let others = others.map(String::as_str).filter(|id| !parts.contains(id));
        own.chain(others).collect()
    }
}

/// Which name of a package matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// That of its source package.
    Source,
    /// Its own.
    Own,
}

/// How severe, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Severity {
    /// The worst level that anybody says.
    pub level: Level,
    /// The score in tenths.
    pub tenths: Option<u8>,
    /// The record that says so, and of what kind its rating is.
    pub source: Option<(String, String)>,
}

/// A package that some advisories cannot be held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The package's place in the inventory.
    pub package: usize,
    /// Why.
    pub why: String,
    /// The first of the advisories.
    pub advisories: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// What no record could have spoken about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which kind it is.
    pub kind: GapKind,
    /// The ecosystem and its release, the distribution, or the type of package URL.
    pub name: String,
    /// How many packages it is about.
    pub packages: usize,
}

/// Kinds of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapKind {
    /// The distribution is none that any ecosystem is about, or the image does not say which it is.
    Distribution,
    /// The database has nothing of the release.
    Release,
    /// The release is past the end of its support: what is found in it is not listed any more.
    PastEnd(&'static str),
    /// The database has nothing of the ecosystem.
    Ecosystem,
    /// No ecosystem is about packages of the type.
    Type,
    /// The data has no vulnerabilities without a fix: that there is none is not known.
    FixesOnly,
    /// The inventory left something out, or has nothing at all: packages may be there that nobody looked up.
    Unread,
}

impl GapKind {
    /// Whether packages were not looked up at all that some data could know.
    pub fn is_unlooked(&self) -> bool {
        match self {
            Self::Distribution | Self::Release | Self::Ecosystem | Self::Unread => true,
            Self::PastEnd(_) | Self::Type | Self::FixesOnly => false,
        }
    }
}

/// What is known of `subjects` on `today`, a day as `2026-01-02`.
///
/// # Errors
/// The database is damaged.
pub fn known(
    database: &Database,
    distribution: Option<&Distribution>,
    subjects: &[Subject],
    today: &str,
) -> Result<Known, DatabaseError> {
    let mut speaker = distribution.and_then(Distribution::speaker);
    if let Some(speaker) = &mut speaker {
        let covered = &database.header().ecosystems;
        speaker.streams.retain(|stream| covered.contains_key(&stream.label()));
    }
    let mut known = Known::default();
    let mut gaps: BTreeMap<(GapKind, String), usize> = BTreeMap::new();
    let mut lookup = Lookup { reader: database.reader()?, advisories: BTreeMap::new() };
    for subject in subjects {
        let questions = match questions(subject, speaker.as_ref()) {
            Ok(questions) => questions,
            Err(kind) => {
                let name = match kind {
                    GapKind::Distribution => {
                        distribution.map_or("none named", |one| &one.id).to_owned()
                    }
                    _ => subject.purl_type.clone(),
                };
                *gaps.entry((kind, name)).or_default() += 1;
                continue;
            }
        };
        for (kind, name) in uncovered(database, &questions, speaker.as_ref(), today) {
            *gaps.entry((kind, name)).or_default() += 1;
        }
        let questions = match groups::of(&mut lookup, subject, questions)? {
            Groups::One(questions) => questions,
            Groups::Several(unknown) => {
                known.unknown.extend(unknown);
                continue;
            }
        };
        let asked = lookup.ask(subject, &questions)?;
        known.withdrawn += asked.withdrawn;
        known.unknown.extend(asked.unknown);
        known.vulnerabilities.extend(merging::merged(asked.found));
    }
    if let Some(speaker) = &speaker {
        ruling::rule(&mut known.vulnerabilities, subjects, speaker, &mut lookup)?;
    }
    known.gaps =
        gaps.into_iter().map(|((kind, name), packages)| Gap { kind, name, packages }).collect();
    Ok(known)
}

/// Names to look up, each with its ecosystem and version.
#[derive(Clone)]
struct Question {
    ecosystem: Ecosystem,
    scheme: Scheme,
    name: String,
    kind: Name,
    version: String,
}

/// What to look up of a package.
fn questions(subject: &Subject, speaker: Option<&Speaker>) -> Result<Vec<Question>, GapKind> {
    if !is_distribution(&subject.purl_type) {
        let name = ecosystem::of_language(&subject.purl_type).ok_or(GapKind::Type)?;
        let scheme = Scheme::of(name).ok_or(GapKind::Type)?;
        let (ecosystem, kind) = (Ecosystem::bare(name), Name::Own);
        let version = subject.version.clone();
        return Ok(vec![Question { ecosystem, scheme, name: subject.name.clone(), kind, version }]);
    }
    let speaker = speaker.ok_or(GapKind::Distribution)?;
    let mut questions = Vec::new();
    let own = speaker.ecosystems.iter().chain(&speaker.streams).cloned();
    for ecosystem in paid_for(subject).into_iter().chain(own) {
        let ecosystem = match ecosystem.release.as_str() {
            "Pro" => Ecosystem { release: format!("Pro:{}", release(speaker)), ..ecosystem },
            _ => ecosystem,
        };
        // A package of another kind than the distribution's own is none of which its records speak.
        let scheme = Scheme::of(&ecosystem.name).filter(|scheme| fits(*scheme, &subject.purl_type));
        let scheme = scheme.ok_or(GapKind::Distribution)?;
        let question = |name: &str, kind, version: &str| Question {
            ecosystem: ecosystem.clone(),
            scheme,
            name: name.to_owned(),
            kind,
            version: version.to_owned(),
        };
        let source = subject.source.as_deref().filter(|source| *source != subject.name);
        let source_version = subject.source_version.as_deref().unwrap_or(&subject.version);
        match (speaker.naming, source) {
            (Naming::Source | Naming::Either, None) => {
                questions.push(question(&subject.name, Name::Source, source_version));
            }
            (Naming::Source, Some(source)) => {
                questions.push(question(source, Name::Source, source_version));
            }
            (Naming::Either, Some(source)) => {
                questions.push(question(source, Name::Source, source_version));
                questions.push(question(&subject.name, Name::Own, &subject.version));
            }
            (Naming::Binary, source) => {
                let source = source.unwrap_or(&subject.name);
                questions.push(question(source, Name::Source, source_version));
                questions.push(question(&subject.name, Name::Own, &subject.version));
            }
        }
    }
    Ok(questions)
}

fn release(speaker: &Speaker) -> &str {
    speaker.ecosystems.first().map_or("", |ecosystem| &ecosystem.release)
}

/// Builds of Ubuntu Pro are judged by its own records first.
fn paid_for(subject: &Subject) -> Option<Ecosystem> {
    let is_pro = subject.purl_type == "deb" && subject.version.contains("esm");
    is_pro.then(|| Ecosystem { release: "Pro".to_owned(), ..Ecosystem::bare("Ubuntu") })
}

fn fits(scheme: Scheme, purl_type: &str) -> bool {
    let own = match purl_type {
        "deb" => Scheme::Dpkg,
        "apk" => Scheme::Apk,
        _ => Scheme::Rpm,
    };
    scheme == own
}

/// What the database does not cover of what is asked.
fn uncovered(
    database: &Database,
    questions: &[Question],
    speaker: Option<&Speaker>,
    today: &str,
) -> Vec<(GapKind, String)> {
    let is_own =
        |one: &&Question| speaker.is_some_and(|own| own.ecosystems.contains(&one.ecosystem));
    let question = questions.iter().rfind(is_own).or(questions.last());
    let Some(question) = question else { return Vec::new() };
    let (label, covered) = (question.ecosystem.label(), &database.header().ecosystems);
    let Some(speaker) = speaker.filter(|one| one.ecosystems.contains(&question.ecosystem)) else {
        return if covered.contains_key(&label) {
            Vec::new()
        } else {
            vec![(GapKind::Ecosystem, label)]
        };
    };
    let own: Vec<_> =
        speaker.ecosystems.iter().filter_map(|one| covered.get(&one.label())).collect();
    if own.is_empty() {
        return vec![(GapKind::Release, label)];
    }
    let mut gaps = Vec::new();
    if own.iter().all(|coverage| coverage.unfixed == 0) {
        gaps.push((GapKind::FixesOnly, label.clone()));
    }
    // Days of this form are ordered as text.
    if let Some(end) = speaker.ends.filter(|end| today > *end) {
        gaps.push((GapKind::PastEnd(end), label));
    }
    gaps
}

/// The database, and the advisories that were looked up in it.
struct Lookup<'d> {
    reader: Reader<'d>,
    advisories: BTreeMap<String, Advisory>,
}

/// What asking about one package gave.
#[derive(Default)]
struct Asked {
    found: Vec<Vulnerability>,
    unknown: Vec<Unknown>,
    withdrawn: usize,
}

/// What a record says of a package.
struct Judged<'q> {
    question: &'q Question,
    affected: Affected,
    standing: Standing,
}

impl Lookup<'_> {
    /// What records say of a package; of several ecosystems the first that has an advisory of a name decides it.
    fn judge<'q>(
        &mut self,
        subject: &Subject,
        questions: &'q [Question],
    ) -> Result<Vec<Judged<'q>>, DatabaseError> {
        let mut judged = Vec::new();
        let mut decided: BTreeSet<(&str, String)> = BTreeSet::new();
        for question in questions {
            let records = self.reader.affected(&question.ecosystem, &question.name)?;
            let mut own = Vec::new();
            for affected in records {
                let key = (question.name.as_str(), affected.advisory.clone());
                let of_source = question.kind == Name::Source;
                let other_name = question.scheme == Scheme::Rpm && affected.is_source != of_source;
                if other_name
                    || decided.contains(&key)
                    || !same_module(subject, question, &affected)
                {
                    continue;
                }
                let standing = range::standing(question.scheme, &question.version, &affected);
                own.push(key);
                judged.push(Judged { question, affected, standing });
            }
            decided.extend(own);
        }
        Ok(judged)
    }

    fn ask(&mut self, subject: &Subject, questions: &[Question]) -> Result<Asked, DatabaseError> {
        let mut asked = Asked::default();
        let mut unknown: BTreeMap<String, (Vec<String>, usize)> = BTreeMap::new();
        for Judged { question, affected, standing } in self.judge(subject, questions)? {
            if standing == Standing::NotAffected {
                continue;
            }
            let advisory = self.advisory(&affected.advisory)?;
            if advisory.withdrawn.is_some() {
                asked.withdrawn += 1;
                continue;
            }
            match standing {
                Standing::Affected { fixed } => {
                    asked.found.push(vulnerability(subject, question, affected, advisory, fixed));
                }
                Standing::Unknown(why) => {
                    let (named, count) = unknown.entry(why.to_string()).or_default();
                    *count += 1;
                    if named.len() < NAMED {
                        named.push(affected.advisory);
                    }
                }
                Standing::NotAffected => {}
            }
        }
        let unknown = unknown.into_iter().map(|(why, (advisories, count))| Unknown {
            package: subject.place,
            why,
            advisories,
            count,
        });
        asked.unknown = unknown.collect();
        Ok(asked)
    }

    fn advisory(&mut self, id: &str) -> Result<Advisory, DatabaseError> {
        if let Some(known) = self.advisories.get(id) {
            return Ok(known.clone());
        }
        let advisory = self.reader.advisory(id)?;
        self.advisories.insert(id.to_owned(), advisory.clone());
        Ok(advisory)
    }
}

/// Whether a record is about the stream that a package is of. Builds of a module are not comparable with those of
/// another stream or of none, which have versions of their own.
fn same_module(subject: &Subject, question: &Question, affected: &Affected) -> bool {
    if question.scheme != Scheme::Rpm {
        return true;
    }
    if let (Some(own), Some(other)) = (&subject.module, &affected.module) {
        return own == other;
    }
    let is_modular =
        |version: &str| version.contains(".module+el") || version.contains(".module_el");
    let own = is_modular(&question.version) || subject.module.is_some();
    let mut fixes = affected.fixes().peekable();
    fixes.peek().is_none() || fixes.any(|fix| is_modular(fix) == own)
}

fn vulnerability(
    subject: &Subject,
    question: &Question,
    affected: Affected,
    advisory: Advisory,
    fixed: Option<String>,
) -> Vulnerability {
    let severity = severity(&advisory, affected.urgency.as_deref());
    Vulnerability {
        package: subject.place,
        others: Vec::new(),
        ecosystem: question.ecosystem.label(),
        matched: (question.name.clone(), question.kind),
        version: question.version.clone(),
        fixed,
        severity,
        unimportant: affected.urgency.as_deref() == Some("unimportant"),
        headers_only: is_headers(subject),
        ruling: None,
        parts: Vec::new(),
        first_seen: affected.first_seen,
        fix_seen: affected.fix_seen,
        urgency: affected.urgency,
        advisory,
    }
}

/// The worst that anybody says; the distribution's own word where nobody else says anything.
fn severity(advisory: &Advisory, urgency: Option<&str>) -> Severity {
    let worst = advisory.ratings.iter().max_by_key(|rating| (rating.level, rating.tenths));
    let own = || super::said(urgency?, "urgency", &advisory.id);
    match worst.cloned().or_else(own) {
        Some(rating) => Severity {
            level: rating.level,
            tenths: rating.tenths,
            source: Some((rating.source, rating.kind)),
        },
        None => Severity { level: Level::Unknown, tenths: None, source: None },
    }
}

/// Packages made from the kernel's source that have nothing in them which runs.
fn is_headers(subject: &Subject) -> bool {
    let name = subject.name.as_str();
    let from_kernel = subject
        .source
        .as_deref()
        .is_some_and(|source| source.starts_with("linux") || source == "kernel");
    matches!(name, "linux-libc-dev" | "kernel-headers" | "linux-headers")
        || from_kernel && (name.starts_with("linux-headers-") || name.starts_with("linux-doc"))
}

#[cfg(test)]
mod tests;
