//! What is said of CVEs beside advisories: CISA's catalogue of exploited ones, and the forecast of EPSS.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::record::{Exploited, Forecast};
use crate::{
    json::{self, JsonError},
    limits::Limits,
    untrusted::{clean, shortened},
};

/// A feed that was read, and its own date.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed<T> {
    /// By CVE.
    pub entries: BTreeMap<String, T>,
    /// The day that it is of, as it says.
    pub date: Option<String>,
}

/// Why a feed was refused.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It is no JSON, too large, or not of its form.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A line is not of its form.
    #[error("line {line} is no CVE with its two numbers from 0 to 1: \"{found}\"")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What stands there.
        found: String,
    },
    /// Its first line does not say what it is.
    #[error("it does not begin with the columns cve, epss and percentile")]
    Columns,
    /// An id is no CVE.
    #[error("it lists \"{0}\", which is no CVE")]
    Id(String),
    /// It counts more entries than it has: it was cut.
    #[error("it says that it has {said} entries and has {found}")]
    Count {
        /// What it says.
        said: usize,
        /// What it has.
        found: usize,
    },
    /// It has none.
    #[error("it lists nothing")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    #[serde(default)]
    date_released: Option<String>,
    #[serde(default)]
    count: Option<usize>,
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "cveID")]
    cve: String,
    #[serde(rename = "dateAdded")]
    added: String,
    #[serde(rename = "dueDate", default)]
    due: Option<String>,
    #[serde(rename = "knownRansomwareCampaignUse", default)]
    ransomware: Option<String>,
}

/// Reads CISA's catalogue of known exploited vulnerabilities, in JSON.
///
/// # Errors
/// It is not of its form, or shorter than it says.
pub fn exploited(bytes: &[u8], limits: &Limits) -> Result<Feed<Exploited>, FeedError> {
    let catalogue: Catalogue = json::check(bytes, limits.advisory())?.read()?;
    let found = catalogue.vulnerabilities.len();
    if let Some(said) = catalogue.count.filter(|said| *said != found) {
        return Err(FeedError::Count { said, found });
    }
    let mut entries = BTreeMap::new();
    for entry in catalogue.vulnerabilities {
        let cve =
            cve(&entry.cve).ok_or_else(|| FeedError::Id(clean(&shortened(&entry.cve, 40))))?;
        let exploited = Exploited {
            cve: cve.clone(),
            added: day(&entry.added),
            due: entry.due.as_deref().map(day),
            ransomware: entry.ransomware.as_deref() == Some("Known"),
        };
        entries.insert(cve, exploited);
    }
    if entries.is_empty() {
        return Err(FeedError::Empty);
    }
    Ok(Feed { entries, date: catalogue.date_released.as_deref().map(day) })
}

/// Reads the scores of EPSS: `cve,epss,percentile`, with a comment before that says of which day they are.
///
/// # Errors
/// A line is not of its form.
pub fn forecasts(text: &str) -> Result<Feed<Forecast>, FeedError> {
    let (mut entries, mut date, mut columns) = (BTreeMap::new(), None, false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if let Some(comment) = line.strip_prefix('#') {
            let said =
                comment.split(',').find_map(|field| field.trim().strip_prefix("score_date:"));
            date = date.or(said.map(day));
        } else if !columns {
            columns = line == "cve,epss,percentile";
            if !columns {
                return Err(FeedError::Columns);
            }
        } else {
            let refuse = || FeedError::Line { line: index + 1, found: clean(&shortened(line, 80)) };
            let forecast = forecast(line).ok_or_else(refuse)?;
            entries.insert(forecast.cve.clone(), forecast);
        }
    }
    if entries.is_empty() {
        return Err(FeedError::Empty);
    }
    Ok(Feed { entries, date })
}

fn forecast(line: &str) -> Option<Forecast> {
    let mut fields = line.split(',');
    let (id, score, percentile) = (fields.next()?, fields.next()?, fields.next()?);
    let share = |text: &str| text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let forecast = Forecast { cve: cve(id)?, score: share(score)?, percentile: share(percentile)? };
    fields.next().is_none().then_some(forecast)
}

/// An id of CVE.
fn cve(text: &str) -> Option<String> {
    let (year, number) = text.trim().strip_prefix("CVE-")?.split_once('-')?;
    let is_number = |text: &str| {
        !text.is_empty() && text.len() <= 19 && text.bytes().all(|b| b.is_ascii_digit())
    };
    (year.len() == 4 && is_number(year) && is_number(number)).then(|| text.trim().to_owned())
}

/// The day of a time.
fn day(text: &str) -> String {
    clean(&shortened(text.split('T').next().unwrap_or_default(), 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogues_are_read_whole_or_refused() {
        let entry = r#"{"cveID":"CVE-2021-44228","dateAdded":"2021-12-10","dueDate":"2021-12-24","knownRansomwareCampaignUse":"Known"}"#;
        let whole = |count: usize, entries: &str| {
            format!(
                r#"{{"title":"x","catalogVersion":"1","dateReleased":"2026-01-02T03:04:05.6Z","count":{count},"vulnerabilities":[{entries}]}}"#
            )
        };
        let read = |text: &str| exploited(text.as_bytes(), &Limits::default());
        let feed = read(&whole(1, entry)).unwrap();
        assert_eq!(feed.date.as_deref(), Some("2026-01-02"));
        let one = &feed.entries["CVE-2021-44228"];
        assert_eq!(
            (one.added.as_str(), one.due.as_deref(), one.ransomware),
            ("2021-12-10", Some("2021-12-24"), true)
        );
        for (text, why) in [
            (whole(2, entry), "it says that it has 2 entries and has 1"),
            (whole(0, ""), "it lists nothing"),
            (
                whole(1, &entry.replace("CVE-2021-44228", "CVE-x")),
                "it lists \"CVE-x\", which is no CVE",
            ),
        ] {
            assert_eq!(read(&text).unwrap_err().to_string(), why);
        }
        assert!(read("{}").is_err());
    }

    #[test]
    fn forecasts_are_read_whole_or_refused() {
        let text = "#model_version:v2025.03.14,score_date:2026-01-02T00:00:00+0000\ncve,epss,percentile\nCVE-2021-44228,0.94358,0.9996\r\n";
        let feed = forecasts(text).unwrap();
        assert_eq!(feed.date.as_deref(), Some("2026-01-02"));
        assert_eq!(feed.entries["CVE-2021-44228"].percentile, 0.9996);
        for text in [
            "cve,epss,percentile\n",
            "cve,epss\nCVE-2021-1,1",
            "cve,epss,percentile\nCVE-2021-1,1.5,0.1",
            "cve,epss,percentile\nCVE-2021-1,NaN,0.1",
            "cve,epss,percentile\nCVE-2021-1,0.1",
            "cve,epss,percentile\nCVE-2021-1,0.1,0.1,0.1",
            "",
        ] {
            assert!(forecasts(text).is_err(), "{text:?}");
        }
    }
}
