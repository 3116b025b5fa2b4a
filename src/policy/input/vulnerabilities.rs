//! What rules see of known vulnerabilities.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    contents::{Inventory, Package},
    sbom,
    vulnerabilities::{
        database::{Database, Header},
        matching::{self, Gap, GapKind, Known, Ruling, Vulnerability},
        record,
        vex::{Answer, Statement, Unmatched},
    },
};

/// What is known of the packages in the image.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VulnerabilitiesInput {
    /// The data; null where none is configured, and then nothing is known.
    pub database: Option<VulnerabilityDatabaseInput>,
    /// Why nothing is known all the same; null where the packages were held against the data.
    pub error: Option<String>,
    /// Vulnerabilities that the image has, by package. One that several advisories describe is there once.
    pub known: Vec<KnownVulnerabilityInput>,
    /// Packages that some advisories cannot be held against: they may have those vulnerabilities.
    pub unknown: Vec<UnknownInput>,
    /// What the data does not cover: what is not listed above is not known to be absent.
    pub gaps: Vec<CoverageGapInput>,
    /// Advisories that would have matched and were withdrawn.
    pub withdrawn: usize,
    /// What trusted signers say (VEX) that is about nothing here, and what of theirs cannot be read.
    pub unused: Vec<UnusedStatementInput>,
}

/// What a trusted signer says of a vulnerability of a package.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VexInput {
    /// `suppressed`: the vulnerability does not count; `counts`; or `conflict`: statements that are alike specific and
    /// alike new disagree, and it counts.
    pub outcome: String,
    /// `not_affected`, `fixed`, `affected` or `under_investigation`; of the first of several.
    pub status: String,
    /// Why, in the word of the format.
    pub justification: Option<String>,
    /// Why, in words.
    pub why: Option<String>,
    /// The document.
    pub document: String,
    /// Names of the signers whom the operator trusts with it.
    pub signers: Vec<String>,
}

/// A statement or document of a trusted signer that has no effect.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnusedStatementInput {
    /// The document.
    pub document: String,
    /// The vulnerabilities that it is about.
    pub vulnerability: Vec<String>,
    /// Why.
    pub why: String,
}

/// A database of vulnerabilities.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VulnerabilityDatabaseInput {
    /// Digest of the file.
    pub digest: String,
    /// The day of its import, as `2026-01-31`.
    pub made: String,
    /// Advisories in it.
    pub advisories: usize,
    /// Whether it has a catalogue of exploited vulnerabilities.
    pub has_exploited: bool,
    /// Whether it has forecasts of exploitation.
    pub has_forecasts: bool,
}

/// A vulnerability of a package.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownVulnerabilityInput {
    /// The package.
    pub package: VulnerablePackageInput,
    /// The advisory.
    pub id: String,
    /// Every other id that means this vulnerability: aliases, and what the advisory is made from.
    pub ids: Vec<String>,
    /// One line of the advisory.
    pub summary: String,
    /// The ecosystem whose data says so, with its release: `Debian:12`.
    pub ecosystem: String,
    /// The name that matched.
    pub matched_name: String,
    /// Which name it is: `source` for that of the source package, or `package`.
    pub matched_by: String,
    /// The version that was compared.
    pub compared_version: String,
    /// The least version that fixes it; null where none does.
    pub fixed: Option<String>,
    /// The worst level that anybody says: `critical`, `high`, `medium`, `low`, `negligible`, or `unknown` where nobody
    /// says any.
    pub severity: String,
    /// CVSS base score of that; null where there is none.
    pub score: Option<f64>,
    /// The record that says so; null where nobody does.
    pub severity_source: Option<String>,
    /// What the distribution says of it, in its own word.
    pub urgency: Option<String>,
    /// Whether the distribution says that it is no vulnerability that counts.
    pub unimportant: bool,
    /// Whether the package has headers of the kernel and nothing of it that runs.
    pub headers_only: bool,
    /// Whether the package is malware.
    pub malware: bool,
    /// Whether the distribution's own record judges the package instead of this one; `distribution` says which.
    pub left_to_distribution: bool,
    /// What the distribution's data says of it, where the package is a part of the distribution's package of the same project;
    /// else null.
    pub distribution: Option<DistributionInput>,
    /// Packages of languages that are parts of this one and have the same vulnerability by advisories of their own: it is told
    /// here for them.
    pub parts: Vec<VulnerablePackageInput>,
    /// What trusted signers say of it; null where none does.
    pub vex: Option<VexInput>,
    /// That it is known to be exploited.
    pub exploited: Option<ExploitedInput>,
    /// How likely it is exploited (EPSS).
    pub forecast: Option<ForecastInput>,
    /// When the advisory was published, as it says.
    pub published: Option<String>,
    /// The day of the import that saw it first.
    pub first_seen: Option<String>,
    /// The day of the import that first saw a fix; grace counts from here.
    pub fix_seen: Option<String>,
}

/// A package that has a vulnerability.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VulnerablePackageInput {
    /// Type of the package URL.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Package URL.
    pub purl: Option<String>,
    /// Path of the file that lists it.
    pub path: String,
    /// The layer that this file is from, counted from 0.
    pub layer: Option<usize>,
}

/// What the distribution's data says of a vulnerability of a part of one of its packages.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DistributionInput {
    /// The distribution's package.
    pub package: VulnerablePackageInput,
    /// Its records about the same vulnerability.
    pub records: Vec<String>,
    /// What they say: `not-affected`, which is what is fixed, too; `affected`; `unknown`, for a version that cannot be compared;
    /// or `nothing`.
    pub says: String,
    /// Why that does not decide; null where it does.
    pub undecided: Option<String>,
}

/// An entry of a catalogue of exploited vulnerabilities.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExploitedInput {
    /// The CVE.
    pub cve: String,
    /// The day on which it was listed.
    pub added: String,
    /// The day by which it has to be mended.
    pub due: Option<String>,
    /// Whether ransomware is known to use it.
    pub ransomware: bool,
}

/// A forecast of exploitation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastInput {
    /// The CVE.
    pub cve: String,
    /// How likely it is exploited in the next 30 days, from 0 to 1.
    pub score: f64,
    /// The share of CVEs that are no likelier.
    pub percentile: f64,
}

/// A package that some advisories cannot be held against.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnknownInput {
    /// The package.
    pub package: VulnerablePackageInput,
    /// Why.
    pub why: String,
    /// The first of the advisories.
    pub advisories: Vec<String>,
    /// How many there are.
    pub count: usize,
}

/// What no advisory could have spoken about.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageGapInput {
    /// `distribution`: no data is about it, or the image does not say which it is; `release`, `ecosystem`: the
    /// database has nothing of it; `past-end`: it is not maintained any more; `type`: no ecosystem is about such
    /// packages; `fixes-only`: vulnerabilities without a fix are not in the data; `unread`: the inventory could not
    /// read something, or found no package at all.
    pub kind: String,
    /// The ecosystem and its release, the distribution, the type of package URL, or what was not read.
    pub name: String,
    /// How many packages it is about.
    pub packages: usize,
    /// The last day of public support, for `past-end`.
    pub ended: Option<String>,
}

impl VulnerabilitiesInput {
    /// That no data is configured.
    pub fn without_data() -> Self {
        Self {
            database: None,
            error: None,
            known: Vec::new(),
            unknown: Vec::new(),
            gaps: Vec::new(),
            withdrawn: 0,
            unused: Vec::new(),
        }
    }

    /// That the data could not be used.
    pub fn failed(database: &Database, why: String) -> Self {
        Self {
            database: Some(VulnerabilityDatabaseInput::of(database)),
            error: Some(why),
            ..Self::without_data()
        }
    }

    /// What is known of the packages of an inventory.
    pub fn of(database: &Database, inventory: &Inventory, known: &Known) -> Self {
        let package = |place: usize| {
            inventory.packages.get(place).map(VulnerablePackageInput::of).unwrap_or_default()
        };
        let vulnerability = |one: &Vulnerability| KnownVulnerabilityInput::of(one, &package);
        let unknown = |one: &matching::Unknown| UnknownInput {
            package: package(one.package),
            why: one.why.clone(),
            advisories: one.advisories.clone(),
            count: one.count,
        };
        Self {
            database: Some(VulnerabilityDatabaseInput::of(database)),
            error: None,
            known: known.vulnerabilities.iter().map(vulnerability).collect(),
            unknown: known.unknown.iter().map(unknown).collect(),
            gaps: known.gaps.iter().map(CoverageGapInput::of).collect(),
            withdrawn: known.withdrawn,
            unused: Vec::new(),
        }
    }
}

impl VulnerabilitiesInput {
    /// The same, with what trusted signers say.
    #[must_use]
    pub fn with(mut self, statements: &[Statement], told: &Told<'_>) -> Self {
        for (known, answer) in self.known.iter_mut().zip(told.answers) {
            known.vex = VexInput::of(statements, answer);
        }
        let unmatched = told.unmatched.iter().filter_map(|(place, why)| {
            let statement = statements.get(*place)?;
            Some(UnusedStatementInput {
                document: statement.document.clone(),
                vulnerability: statement.vulnerability.clone(),
                why: why.to_string(),
            })
        });
        let unread = told.unread.iter().map(|(document, why)| UnusedStatementInput {
            document: document.clone(),
            vulnerability: Vec::new(),
            why: why.clone(),
        });
        self.unused = unmatched.chain(unread).collect();
        self
    }
}

/// What statements say.
pub struct Told<'t> {
    /// Of each vulnerability.
    pub answers: &'t [Answer],
    /// Nothing, by place, and why.
    pub unmatched: &'t [(usize, Unmatched)],
    /// Documents that cannot be read, and why.
    pub unread: &'t [(String, String)],
}

impl VexInput {
    fn of(statements: &[Statement], answer: &Answer) -> Option<Self> {
        let (outcome, place) = match answer {
            Answer::Silent => return None,
            Answer::Suppressed(place) => ("suppressed", *place),
            Answer::Counts(place) => ("counts", *place),
            Answer::Conflict(places) => ("conflict", *places.first()?),
        };
        let statement = statements.get(place)?;
        Some(Self {
            outcome: outcome.to_owned(),
            status: statement.status.word().to_owned(),
            justification: statement.justification.clone(),
            why: statement.why.clone(),
            document: statement.document.clone(),
            signers: statement.signers.clone(),
        })
    }
}

impl VulnerabilityDatabaseInput {
    fn of(database: &Database) -> Self {
        let Header { made, advisories, exploited, forecasts, .. } = database.header();
        Self {
            digest: database.digest().to_string(),
            made: made.clone(),
            advisories: *advisories,
            has_exploited: exploited.is_some(),
            has_forecasts: forecasts.is_some(),
        }
    }
}

impl KnownVulnerabilityInput {
    fn of(one: &Vulnerability, package: &dyn Fn(usize) -> VulnerablePackageInput) -> Self {
        let advisory = &one.advisory;
        let mut ids: Vec<String> = advisory.ids().skip(1).map(str::to_owned).collect();
        ids.sort();
        ids.dedup();
        let by = match one.matched.1 {
            matching::Name::Source => "source",
            matching::Name::Own => "package",
        };
        Self {
            package: package(one.package),
            id: advisory.id.clone(),
            ids,
            summary: advisory.summary.clone(),
            ecosystem: one.ecosystem.clone(),
            matched_name: one.matched.0.clone(),
            matched_by: by.to_owned(),
            compared_version: one.version.clone(),
            fixed: one.fixed.clone(),
            severity: one.severity.level.word().to_owned(),
            score: one.severity.tenths.map(|tenths| f64::from(tenths) / 10.0),
            severity_source: one.severity.source.as_ref().map(|(source, _)| source.clone()),
            urgency: one.urgency.clone(),
            unimportant: one.unimportant,
            headers_only: one.headers_only,
            malware: advisory.is_malware(),
            left_to_distribution: one.left_to_distribution(),
            distribution: one.ruling.as_ref().map(|ruling| DistributionInput::of(ruling, package)),
            parts: one.parts.iter().map(|place| package(*place)).collect(),
            vex: None,
            exploited: advisory.exploited.as_ref().map(ExploitedInput::of),
            forecast: advisory.forecast.as_ref().map(ForecastInput::of),
            published: advisory.published.clone(),
            first_seen: one.first_seen.clone(),
            fix_seen: one.fix_seen.clone(),
        }
    }
}

impl VulnerablePackageInput {
    fn of(package: &Package) -> Self {
        Self {
            ecosystem: package.ecosystem.to_owned(),
            name: package.name.clone(),
            version: package.version.clone(),
            purl: package.purl.as_deref().and_then(|purl| sbom::canonical(purl, None)),
            path: package.database.clone(),
            layer: package.layer,
        }
    }
}

impl DistributionInput {
    fn of(ruling: &Ruling, package: &dyn Fn(usize) -> VulnerablePackageInput) -> Self {
        Self {
            package: package(ruling.package),
            records: ruling.records.clone(),
            says: ruling.said.word().to_owned(),
            undecided: ruling.undecided.map(|why| why.to_string()),
        }
    }
}

impl ExploitedInput {
    fn of(one: &record::Exploited) -> Self {
        Self {
            cve: one.cve.clone(),
            added: one.added.clone(),
            due: one.due.clone(),
            ransomware: one.ransomware,
        }
    }
}

impl ForecastInput {
    fn of(one: &record::Forecast) -> Self {
        Self { cve: one.cve.clone(), score: one.score, percentile: one.percentile }
    }
}

impl CoverageGapInput {
    fn of(gap: &Gap) -> Self {
        let (kind, ended) = match gap.kind {
            GapKind::Distribution => ("distribution", None),
            GapKind::Release => ("release", None),
            GapKind::PastEnd(day) => ("past-end", Some(day.to_owned())),
            GapKind::Ecosystem => ("ecosystem", None),
            GapKind::Type => ("type", None),
            GapKind::FixesOnly => ("fixes-only", None),
            GapKind::Unread => ("unread", None),
        };
        Self { kind: kind.to_owned(), name: gap.name.clone(), packages: gap.packages, ended }
    }
}
