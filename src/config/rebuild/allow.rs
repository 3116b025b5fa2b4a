//! `rebuild.allow`: which files of a rebuilt image may differ, for whose reason and until when.
//!
//! Every entry ends, within a year: one without an end is a policy, and nobody would look at it again.

use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    compare::{Allowance, AllowedClass, PathPattern},
    config::{
        ConfigError, KeyPath,
        error::key,
        reader::{Reader, today, want},
    },
    verify::AllowRule,
};

/// Most entries, and most paths of one of them: each difference is held against every pattern.
const MAX_ENTRIES: usize = 100;

/// One entry as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Raw {
    class: String,
    paths: Vec<String>,
    images: Option<Vec<String>>,
    reason: String,
    owner: String,
    expires: String,
}

/// What `rebuild.allow` says: one rule for each path, since reports name, and count the uses of, each by itself.
pub(super) fn allow(
    reader: &Reader<'_>,
    raw: &[Raw],
    now: Option<Timestamp>,
) -> Result<Vec<AllowRule>, ConfigError> {
    bounded(reader, || key!["rebuild", "allow"], raw.len())?;
    let today = today(now);
    let entries = raw.iter().enumerate().map(|(index, raw)| entry(reader, index, raw, today));
    Ok(entries.collect::<Result<Vec<_>, _>>()?.concat())
}

fn bounded(
    reader: &Reader<'_>,
    at: impl FnOnce() -> KeyPath,
    found: usize,
) -> Result<(), ConfigError> {
    if found <= MAX_ENTRIES {
        return Ok(());
    }
    let help = "each difference is held against every pattern; write fewer, wider ones";
    Err(reader.refuse(at(), found, want(format!("at most {MAX_ENTRIES} entries"), help)))
}

fn entry(
    reader: &Reader<'_>,
    index: usize,
    raw: &Raw,
    today: Option<Date>,
) -> Result<Vec<AllowRule>, ConfigError> {
    let at = |name: &'static str| key!["rebuild", "allow", index, name];
    let class = class(reader, at("class"), &raw.class)?;
    let images = match &raw.images {
        Some(images) => images.as_slice(),
        None => &["**".to_owned()],
    };
    for (name, text) in [("reason", &raw.reason), ("owner", &raw.owner)] {
        reader.words(at(name), text)?;
    }
    let paths = paths(reader, index, raw, class)?;
    let images = reader.images(&at("images"), images)?;
    let expires = reader.last_day(at("expires"), &raw.expires, today)?;
    let rule = |pattern| AllowRule {
        images: images.clone(),
        allowance: Allowance {
            class,
            pattern,
            reason: raw.reason.clone(),
            owner: raw.owner.clone(),
            expires,
        },
    };
    Ok(paths.into_iter().map(rule).collect())
}

fn class(reader: &Reader<'_>, at: KeyPath, text: &str) -> Result<AllowedClass, ConfigError> {
    AllowedClass::ALL.into_iter().find(|class| class.name() == text).ok_or_else(|| {
        let names = AllowedClass::ALL.map(AllowedClass::name).join(", ");
        let help = "modes, owners, attributes, links and settings can never be allowed";
        reader.refuse(at, format!("{text:?}"), want(format!("one of {names}"), help))
    })
}

fn paths(
    reader: &Reader<'_>,
    index: usize,
    raw: &Raw,
    class: AllowedClass,
) -> Result<Vec<PathPattern>, ConfigError> {
    let all = || key!["rebuild", "allow", index, "paths"];
    if raw.paths.is_empty() {
        let help = "an empty list would allow nothing; remove the entry or fill the list";
        return Err(reader.refuse(all(), "an empty list", want("at least one path", help)));
    }
    bounded(reader, all, raw.paths.len())?;
    let read = |(position, text): (usize, &String)| {
        let at = || key!["rebuild", "allow", index, "paths", position];
        let help = "such as /var/log/**: * is anything but a slash, ** is anything";
        let pattern: PathPattern = text
            .parse()
            .map_err(|error| reader.refuse(at(), error, want("a pattern of paths", help)))?;
        if class == AllowedClass::Content && pattern.is_any() {
            let help = "any content of any file would be anybody's image; name the folder";
            let complaint = want("a pattern that says something about the path", help);
            return Err(reader.refuse(at(), text, complaint));
        }
        Ok(pattern)
    };
    raw.paths.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Surroundings, file};

    const NOW: &str = "2026-11-25T08:00:00Z";

    fn load(entries: &str) -> Result<Vec<AllowRule>, String> {
        let text = format!("version: 1\nrebuild: {{allow: [{entries}]}}\n");
        let surroundings =
            Surroundings { now: Some(NOW.parse().unwrap()), ..Surroundings::default() };
        let config = file::config(Path::new("hallmark.yaml"), &text, &surroundings);
        config.map(|config| config.rebuild.allow).map_err(|error| error.to_string())
    }

    const GOOD: &str = "{class: cache, paths: [/var/log/**], reason: a log, owner: team, \
                        expires: 2026-12-31}";

    #[test]
    fn an_entry_says_what_for_whom_why_and_how_long() {
        let [rule] = load(GOOD).unwrap().try_into().unwrap();
        let allowance = Allowance {
            class: AllowedClass::Cache,
            pattern: "/var/log/**".parse().unwrap(),
            reason: "a log".to_owned(),
            owner: "team".to_owned(),
            expires: jiff::civil::date(2026, 12, 31),
        };
        // Every image, where nothing is said.
        assert_eq!(rule, AllowRule { images: vec!["**".parse().unwrap()], allowance });
        let two = load(&GOOD.replace("/var/log/**", "/a, /b")).unwrap();
        let paths: Vec<_> = two.iter().map(|rule| rule.allowance.pattern.to_string()).collect();
        assert_eq!(paths, ["/a", "/b"], "a rule for each path");
        let good = [
            GOOD.replace("reason", "images: [r.example/app], reason"),
            GOOD.replace("/var/log/**", "/var/log/**, '/a b/*'"),
            GOOD.replace("cache", "package-drift").replace("/var/log/**", "/**"),
            GOOD.replace("2026-12-31", "2027-11-26"),
            // What has ended is said when it would have been used.
            GOOD.replace("2026-12-31", "2020-01-01"),
        ];
        for text in good {
            load(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn what_is_missing_hollow_or_endless_is_refused() {
        let bad = [
            (GOOD.replace("class: cache, ", ""), "missing field `class`"),
            (GOOD.replace("paths: [/var/log/**], ", ""), "missing field `paths`"),
            (GOOD.replace("reason: a log, ", ""), "missing field `reason`"),
            (GOOD.replace("owner: team, ", ""), "missing field `owner`"),
            (GOOD.replace(", expires: 2026-12-31", ""), "missing field `expires`"),
            (GOOD.replace("cache", "tar-security"), "allow[0].class: expected one of cache"),
            (GOOD.replace("cache", "config-runtime"), "can never be allowed"),
            (GOOD.replace("/var/log/**", ""), "allow[0].paths: expected at least one path"),
            (GOOD.replace("/var/log/**", "var/log"), "allow[0].paths[0]: expected a pattern"),
            (GOOD.replace("cache", "content").replace("/var/log/**", "/a, /**"), "paths[1]"),
            (GOOD.replace("a log", "' '"), "allow[0].reason: expected some words"),
            (GOOD.replace("team", "''"), "allow[0].owner: expected some words"),
            (GOOD.replace("team", "\"a\\nb\""), "allow[0].owner: expected some words"),
            (GOOD.replace("2026-12-31", "never"), "allow[0].expires: expected a day such as"),
            (GOOD.replace("2026-12-31", "'2026-12-31T12:00'"), "expires: expected a day such as"),
            (GOOD.replace("2026-12-31", "'20261231'"), "expires: expected a day such as"),
            (GOOD.replace("2026-12-31", "'2026-12-31[Europe/Vienna]'"), "expected a day such as"),
            (GOOD.replace("2026-12-31", "2027-11-27"), "2027-11-26 at the latest"),
            (GOOD.replace("reason", "images: [], reason"), "allow[0].images: expected at least"),
            (GOOD.replace("reason", "images: ['r/a*'], reason"), "allow[0].images[0]"),
            (GOOD.replace("reason", "pattern: /a, reason"), "unknown field `pattern`"),
            (vec![GOOD; MAX_ENTRIES + 1].join(", "), "rebuild.allow: expected at most 100"),
            (
                GOOD.replace("/var/log/**", &vec!["/a"; MAX_ENTRIES + 1].join(", ")),
                "allow[0].paths: expected at most 100",
            ),
        ];
        for (text, want) in bad {
            let error = load(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
            assert!(error.contains(want), "{text}: {error}");
            assert!(error.contains("help: "), "{error}");
        }
        assert!(load(&vec![GOOD; MAX_ENTRIES].join(", ")).is_ok());
    }

    #[test]
    fn without_a_clock_no_day_is_too_far() {
        let reader_free = |text: &str| {
            let text = format!("version: 1\nrebuild: {{allow: [{text}]}}\n");
            file::config(Path::new("hallmark.yaml"), &text, &Surroundings::default()).is_ok()
        };
        assert!(reader_free(&GOOD.replace("2026", "2999")));
    }
}
