//! What is known of an image's vulnerabilities, in lines, and which of them do not count by the word of trusted signers (VEX).
//!
//! Whoever reads a pass has to see what it rests on: each suppressed vulnerability is told with who said so, and why.

use std::collections::BTreeMap;

use super::told::EvidenceLine;
use crate::{
    amount::plural,
    contents::Inventory,
    untrusted::{Page, line},
    verdict::{Evidence, Vulnerabilities},
    vulnerabilities::{
        matching::{Ruling, Said, Vulnerability},
        record::Level,
        vex::{Answer, Statement},
    },
};

/// Suppressed vulnerabilities of one statement that are named.
const NAMED: usize = 10;
/// Statements that are told.
const TOLD: usize = 20;

/// A vulnerability that does not count, for a trusted signer says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The advisory.
    pub id: String,
    /// Name and version of the package.
    pub package: String,
    /// Who says so, and why.
    pub by: Word,
}

/// What a trusted signer says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// Names of the signers.
    pub signers: String,
    /// `not_affected` or `fixed`.
    pub status: &'static str,
    /// Why, in the word of the format.
    pub justification: Option<String>,
    /// Why, in words.
    pub why: Option<String>,
    /// The document.
    pub document: String,
}

impl Word {
    fn of(statement: &Statement) -> Self {
        Self {
            signers: statement.signers.join(", "),
            status: statement.status.word(),
            justification: statement.justification.clone(),
            why: statement.why.clone(),
            document: statement.document.clone(),
        }
    }

    /// In one line.
    pub fn words(&self) -> String {
        let Self { signers, status, justification, why, document } = self;
        let justification = justification.as_ref().map(|word| format!(", {word}"));
        let why = why.as_ref().map(|why| format!(": {why}"));
        format!(
            "{status}{}{} (says {signers} in {document})",
            justification.unwrap_or_default(),
            why.unwrap_or_default()
        )
    }
}

/// What data says of the packages of an image, for reports that list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The distribution and its release, as `debian:12`.
    pub system: Option<String>,
    /// Vulnerabilities, in the order of the packages.
    pub known: Vec<Known>,
    /// How much the data does not cover.
    pub gaps: usize,
    /// Whether there are packages that nobody looked up: their list was not read, or the data has nothing of their release or
    /// ecosystem.
    pub unlooked: bool,
}

/// A vulnerability of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The advisory.
    pub id: String,
    /// Other ids of it, or of those that it is made from.
    pub others: Vec<String>,
    /// One line; it may be empty.
    pub summary: String,
    /// Name of the package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// How severe it is; negligible where the distribution says that it does not count.
    pub level: Level,
    /// The least version that fixes it.
    pub fixed: Option<String>,
    /// Why it does not count, by the word of trusted signers.
    pub suppressed: Option<Word>,
}

/// What is known of an image's packages, or why nothing is; `None` where no data was held against them. What the distribution's own
/// record judges instead is left to that.
pub(super) fn scan(evidence: &Evidence) -> Option<Result<Scan, String>> {
    let (found, inventory) = (evidence.vulnerabilities.as_ref()?, evidence.inventory.as_ref()?);
    let known = match &found.known {
        Ok(known) => known,
        Err(why) => return Some(Err(why.clone())),
    };
    let one = |(place, one): (usize, &Vulnerability)| {
        let package = inventory.packages.get(one.package)?;
        let word = match found.answers.get(place) {
            Some(Answer::Suppressed(statement)) => found.statements.get(*statement).map(Word::of),
            _ => None,
        };
        Some(Known {
            id: one.advisory.id.clone(),
            others: one
                .advisory
                .ids()
                .skip(1)
                .chain(one.others.iter().map(String::as_str))
                .map(str::to_owned)
                .collect(),
            summary: one.advisory.summary.clone(),
            package: package.name.clone(),
            version: package.version.clone(),
            level: if one.unimportant { Level::Negligible } else { one.severity.level },
            fixed: one.fixed.clone(),
            suppressed: word,
        })
    };
    let all = known.vulnerabilities.iter().enumerate();
    let all = all.filter(|(_, one)| !one.left_to_distribution()).filter_map(one).collect();
    let system = inventory.os.as_ref().map(|os| {
        let version = os.version.as_ref().map(|version| format!(":{version}"));
        format!("{}{}", os.id, version.unwrap_or_default())
    });
    let unlooked = known.gaps.iter().any(|gap| gap.kind.is_unlooked());
    Some(Ok(Scan { system, known: all, gaps: known.gaps.len(), unlooked }))
}

/// The vulnerabilities that do not count.
pub(super) fn suppressed(evidence: &Evidence) -> Vec<Suppressed> {
    let (Some(found), Some(inventory)) = (&evidence.vulnerabilities, &evidence.inventory) else {
        return Vec::new();
    };
    let Ok(known) = &found.known else { return Vec::new() };
    let pairs = known.vulnerabilities.iter().zip(&found.answers);
    let suppressed = pairs.filter_map(|(one, answer)| {
        let Answer::Suppressed(place) = answer else { return None };
        let statement = found.statements.get(*place)?;
        let package = inventory.packages.get(one.package);
        Some(Suppressed {
            id: one.advisory.id.clone(),
            package: package.map(|one| format!("{} {}", one.name, one.version)).unwrap_or_default(),
            by: Word::of(statement),
        })
    });
    suppressed.collect()
}

/// What the distribution's data says of a vulnerability of a part of one of its packages, and whether it decides.
pub(crate) fn ruling_words(inventory: &Inventory, ruling: &Ruling) -> String {
    let package = inventory.packages.get(ruling.package);
    let package = package.map(|one| format!("{} {}", one.name, one.version)).unwrap_or_default();
    let records = ruling.records.join(", ");
    let says = match ruling.said {
        Said::NotAffected => format!("{records} says that {package} is not affected"),
        Said::Affected => format!("{records} says that {package} is affected"),
        Said::Unknown => format!("{records} leaves open whether {package} is affected"),
        Said::Nothing => format!("no record says it of {package}"),
    };
    match (ruling.undecided, ruling.said) {
        (Some(why), _) => format!("a part of {package}: {says}; it counts all the same: {why}"),
        (None, Said::Affected) => format!("left to the distribution: {says}, and is told there"),
        (None, _) => format!("left to the distribution: {says}"),
    }
}

/// What is known, in a line; none where no data was held against the packages.
pub(super) fn line(evidence: &Evidence) -> Option<EvidenceLine> {
    let Vulnerabilities { known, .. } = evidence.vulnerabilities.as_ref()?;
    let known = match known {
        Ok(known) => known,
        Err(why) => {
            let words = format!("the data cannot be used: {why}");
            return Some(EvidenceLine::new("vulns", false, words));
        }
    };
    let suppressed = suppressed(evidence);
    let left: Vec<&Vulnerability> =
        known.vulnerabilities.iter().filter(|one| one.left_to_distribution()).collect();
    let mut words = format!("{} known", known.vulnerabilities.len());
    if !suppressed.is_empty() {
        words.push_str(&format!(", {} suppressed by VEX", suppressed.len()));
    }
    if !left.is_empty() {
        words.push_str(&format!(", {} left to the distribution", left.len()));
    }
    if !known.gaps.is_empty() {
        words.push_str(&format!("; {} in the data", plural(known.gaps.len(), "gap")));
    }
    let mut below = Page::default();
    write(&mut below, &suppressed);
    if let Some(inventory) = &evidence.inventory {
        write_left(&mut below, inventory, &left);
    }
    let answers = known.vulnerabilities.iter().zip(&evidence.vulnerabilities.as_ref()?.answers);
    let settled = answers.filter(|(one, answer)| {
        one.left_to_distribution() || matches!(answer, Answer::Suppressed(_))
    });
    let holds = settled.count() == known.vulnerabilities.len() && known.gaps.is_empty();
    Some(EvidenceLine { below, ..EvidenceLine::new("vulns", holds, words) })
}

/// Writes what the distribution's records judge instead, and which they are.
fn write_left(out: &mut Page, inventory: &Inventory, left: &[&Vulnerability]) {
    for one in left.iter().take(TOLD) {
        let (Some(package), Some(ruling)) = (inventory.packages.get(one.package), &one.ruling)
        else {
            continue;
        };
        let (id, name, version) = (&one.advisory.id, &package.name, &package.version);
        line!(out, "    {id} of {name} {version}: {}", ruling_words(inventory, ruling));
    }
    if left.len() > TOLD {
        line!(out, "    … and {} more left to the distribution", left.len() - TOLD);
    }
}

fn write(out: &mut Page, suppressed: &[Suppressed]) {
    let mut by_word: BTreeMap<&Word, Vec<&Suppressed>> = BTreeMap::new();
    for one in suppressed {
        by_word.entry(&one.by).or_default().push(one);
    }
    for (word, all) in by_word.iter().take(TOLD) {
        line!(out, "    suppressed: {}", word.words());
        for Suppressed { id, package, .. } in all.iter().take(NAMED) {
            line!(out, "      {id} of {package}");
        }
        if all.len() > NAMED {
            line!(out, "      … and {} more", all.len() - NAMED);
        }
    }
    if by_word.len() > TOLD {
        line!(out, "    … and by {}", plural(by_word.len() - TOLD, "more statement"));
    }
}
