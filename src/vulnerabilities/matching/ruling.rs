//! What the distribution's data says of packages of languages that are parts of its own packages of the same project.
//!
//! A distribution mends a vulnerability and keeps the version of the project, so that the language's advisory goes on saying
//! affected. Here each such vulnerability is held against the distribution's records of *the same CVE* about that package's
//! source in the image's release. Only where there is one does it decide, for each CVE of the advisory: what none of them calls
//! affected is not, what one of them does is told once, with the distribution's package. No record means that nobody looked,
//! or that there was nothing to say: the language's advisory counts.
//!
//! Which package the distribution's is, in which version, from which source and of which release, is all written by whoever
//! made the layers: an epoch would be behind every fix. So nothing is decided unless all of it rests on a base that the
//! operator lists ([`super::Twin::of_base`]); else it is told, and the advisory counts.

use std::collections::{BTreeSet, HashMap};

use super::{
    DatabaseError, Judged, Lookup, Severity, Speaker, Standing, Subject, Twin, Vulnerability,
    questions,
};

/// What the distribution's data says of a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The distribution's package, by its place in the inventory.
    pub package: usize,
    /// The records that say so, by their ids.
    pub records: Vec<String>,
    /// What they say.
    pub said: Said,
    /// Why that does not decide; none where it does.
    pub undecided: Option<Undecided>,
}

impl Ruling {
    /// Whether it decides.
    pub fn decides(&self) -> bool {
        self.undecided.is_none()
    }
}

/// What records of a distribution say of its package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// It is fixed in its version, or never was affected.
    NotAffected,
    /// It is affected.
    Affected,
    /// Its version, or one of the record's, is none that can be compared.
    Unknown,
    /// There is no record of one of the vulnerabilities.
    Nothing,
}

impl Said {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAffected => "not-affected",
            Self::Affected => "affected",
            Self::Unknown => "unknown",
            Self::Nothing => "nothing",
        }
    }
}

/// Why what the distribution says does not decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Undecided {
    /// It says nothing.
    #[error(
        "the distribution's data has no record of it for that package's source in this release"
    )]
    NoRecord,
    /// It leaves it open.
    #[error("the distribution's record cannot be held against the version")]
    Unknown,
    /// Whoever made the image could have written all of it.
    #[error(
        "that it is a part of that package is the word of whoever made the image: it does not rest on a base that contents.bases lists"
    )]
    OwnWord,
    /// The vulnerability would be told nowhere.
    #[error("what the distribution's record says is not among what is known")]
    Untold,
}

/// What one record of the distribution says of its package.
struct Record {
    id: String,
    said: Said,
    /// Whether it is of a stream, which clears nothing.
    of_stream: bool,
}

/// What the distribution's records say of one of its packages.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    /// Places of those that mean a vulnerability, by its ids.
    about: HashMap<String, Vec<usize>>,
}

/// Says of each vulnerability of a part of a distribution's package what the distribution's data says.
pub(super) fn rule(
    found: &mut [Vulnerability],
    subjects: &[Subject],
    speaker: &Speaker,
    lookup: &mut Lookup<'_>,
) -> Result<(), DatabaseError> {
    let twin = |one: &Vulnerability| {
        let subject = subjects.get(one.package).filter(|subject| subject.place == one.package);
        // Malware is nothing that a distribution mends.
        subject.filter(|_| !one.advisory.is_malware())?.twin
    };
    let parts = found.iter().enumerate().filter_map(|(at, one)| Some((twin(one)?, at)));
    let mut parts: Vec<(Twin, usize)> = parts.collect();
    // By the distribution's package, so that the records of one are held at a time.
    parts.sort_by_key(|(twin, at)| (twin.place, *at));
    for of_one in parts.chunk_by(|(a, _), (b, _)| a.place == b.place) {
        let place = of_one.first().map_or(usize::MAX, |(twin, _)| twin.place);
        let subject = subjects.get(place).filter(|subject| subject.place == place);
        let records = subject.map(|subject| records(subject, speaker, lookup)).transpose()?;
        let records = records.unwrap_or_default();
        for (twin, at) in of_one {
            let ruling = found.get(*at).map(|one| ruling(one, *twin, &records));
            ruling.into_iter().for_each(|ruling| apply(found, *at, ruling));
        }
    }
    Ok(())
}

/// What the distribution's records say of a package of its own.
fn records(
    subject: &Subject,
    speaker: &Speaker,
    lookup: &mut Lookup<'_>,
) -> Result<Records, DatabaseError> {
    let mut records = Records::default();
    let Ok(questions) = questions(subject, Some(speaker)) else { return Ok(records) };
    for Judged { question, affected, standing } in lookup.judge(subject, &questions)? {
        let advisory = lookup.advisory(&affected.advisory)?;
        // What was taken back says nothing.
        if advisory.withdrawn.is_some() {
            continue;
        }
        let said = match standing {
            Standing::Affected { .. } => Said::Affected,
            Standing::NotAffected => Said::NotAffected,
            Standing::Unknown(_) => Said::Unknown,
        };
        let ids: BTreeSet<&str> = advisory.ids().collect();
        for id in ids {
            records.about.entry(id.to_owned()).or_default().push(records.all.len());
        }
        let of_stream = speaker.streams.contains(&question.ecosystem);
        records.all.push(Record { id: advisory.id, said, of_stream });
    }
    Ok(records)
}

impl Records {
    /// Those that mean a vulnerability of one of these ids.
    fn about<'r>(&'r self, ids: &BTreeSet<&str>) -> Vec<&'r Record> {
        let places: BTreeSet<&usize> =
            ids.iter().filter_map(|id| self.about.get(*id)).flatten().collect();
        places.into_iter().filter_map(|place| self.all.get(*place)).collect()
    }
}

fn ruling(one: &Vulnerability, twin: Twin, records: &Records) -> Ruling {
    let parts = one.advisory.parts();
    let each: Vec<BTreeSet<&str>> = match parts.is_empty() {
        true => vec![one.ids()],
        false => parts.into_iter().map(|part| BTreeSet::from([part])).collect(),
    };
    let (mut said, mut named) = (Said::NotAffected, BTreeSet::new());
    for ids in &each {
        let own = records.about(ids);
        said = said.max(said_of_one(&own));
        named.extend(own.into_iter().map(|record| record.id.clone()));
    }
    let undecided = match said {
        Said::Nothing => Some(Undecided::NoRecord),
        Said::Unknown => Some(Undecided::Unknown),
        Said::Affected | Said::NotAffected => (!twin.of_base).then_some(Undecided::OwnWord),
    };
    Ruling { package: twin.place, records: named.into_iter().collect(), said, undecided }
}

/// What records say of one vulnerability: one that says affected is enough, and a stream's clears nothing.
fn said_of_one(own: &[&Record]) -> Said {
    let any = |said: Said| own.iter().any(|record| record.said == said);
    let cleared = own.iter().any(|record| record.said == Said::NotAffected && !record.of_stream);
    match (any(Said::Affected), any(Said::Unknown), cleared) {
        (true, ..) => Said::Affected,
        (_, true, _) => Said::Unknown,
        (.., true) => Said::NotAffected,
        _ => Said::Nothing,
    }
}

/// Notes a ruling. What the distribution calls affected is told once, with its own package, and as badly as either says.
fn apply(found: &mut [Vulnerability], at: usize, mut ruling: Ruling) {
    let Some(part) = found.get(at).cloned() else { return };
    if ruling.decides() && ruling.said == Said::Affected {
        let is_own = |one: &&mut Vulnerability| {
            one.package == ruling.package
                && ruling.records.iter().any(|id| *id == one.advisory.id || one.others.contains(id))
        };
        let mut told = false;
        for own in found.iter_mut().filter(is_own) {
            told = true;
            join(own, &part);
        }
        if !told {
            ruling.undecided = Some(Undecided::Untold);
        }
    }
    if let Some(one) = found.get_mut(at) {
        one.ruling = Some(ruling);
    }
}

fn join(own: &mut Vulnerability, part: &Vulnerability) {
    let rank = |severity: &Severity| (severity.level, severity.tenths);
    if rank(&part.severity) > rank(&own.severity) {
        own.severity = part.severity.clone();
    }
    own.advisory.exploited = own.advisory.exploited.take().or(part.advisory.exploited.clone());
    own.advisory.forecast = own.advisory.forecast.take().or(part.advisory.forecast.clone());
    if !own.parts.contains(&part.package) {
        own.parts.push(part.package);
    }
}
