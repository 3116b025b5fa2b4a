//! What all sections are read with: the file's place in a complaint, and the checks that each of them makes.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    ConfigError, KeyPath, Place, Step,
    error::{key, locate},
};
use crate::{
    json::yaml,
    policy::nearest::did_you_mean,
    reference,
    saved::Access,
    trust::{ImagePattern, PatternError},
    untrusted::misleads,
};

/// Largest key or certificate file that is read, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;
/// How far away the last day of an exception or allow entry may be: a year, with its leap day.
const MAX_DAYS: i64 = 366;
/// Characters of a refused value that a message repeats.
const SHOWN_CHARS: usize = 400;

/// What a refused value should have been, and what to do.
pub(super) struct Complaint {
    expected: String,
    help: String,
}

pub(super) fn want(expected: impl Into<String>, help: impl Into<String>) -> Complaint {
    Complaint { expected: expected.into(), help: help.into() }
}

/// The file that is being read.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// Where the files come from that it names.
    pub(super) files: &'a Access,
}

impl Reader<'_> {
    pub(super) fn refuse(
        &self,
        key: KeyPath,
        found: impl std::fmt::Display,
        complaint: Complaint,
    ) -> ConfigError {
        ConfigError::Value {
            place: Place { file: self.file.to_owned(), position: locate(self.text, &key) },
            key,
            expected: complaint.expected.into(),
            found: shown(&found.to_string()).into(),
            help: complaint.help.into(),
        }
    }

    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.beside(Path::new(text))
    }

    /// A path that is relative to the file's folder, where it is relative.
    pub(super) fn beside(&self, path: &Path) -> PathBuf {
        self.file.parent().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    /// The bytes of a file that the configuration names.
    pub(super) fn file(&self, key: KeyPath, text: &str) -> Result<(PathBuf, Vec<u8>), ConfigError> {
        use std::io::Read;
        let path = self.path(text);
        let read = self.files.file(&path, MAX_PEM_BYTES, || {
            let mut bytes = Vec::new();
            let file = crate::scratch::open_file(&path)?;
            file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) if bytes.len() as u64 <= MAX_PEM_BYTES => Ok((path, bytes)),
            Ok(_) => Err(self.refuse(
                key,
                path.display(),
                want(format!("a file of at most {MAX_PEM_BYTES} bytes"), "name a PEM file"),
            )),
            Err(error) => Err(self.refuse(
                key,
                format!("{}: {error}", path.display()),
                want("a file that can be read", "relative paths start at this file's folder"),
            )),
        }
    }

    pub(super) fn not_empty(&self, key: KeyPath, list: &[String]) -> Result<(), ConfigError> {
        let hollow = |item: &String| {
            item.is_empty() || item.contains(|c: char| c.is_whitespace() || misleads(c))
        };
        if list.is_empty() {
            let help = "an empty list would match nothing; remove the entry or fill the list";
            return Err(self.refuse(key, "an empty list", want("at least one entry", help)));
        }
        match list.iter().position(hollow) {
            None => Ok(()),
            Some(position) => {
                let mut at = key;
                at.0.push(Step::Item(position));
                let found = list.get(position).map_or("", String::as_str);
                let help = "write the entry without blanks, or remove it";
                Err(self.refuse(at, format!("{found:?}"), want("a word", help)))
            }
        }
    }

    /// A line that says something.
    pub(super) fn words(&self, key: KeyPath, text: &str) -> Result<(), ConfigError> {
        if !text.trim().is_empty() && !text.contains(misleads) {
            return Ok(());
        }
        let found = if text.trim().is_empty() { "nothing" } else { text };
        let help = "whoever reads the report must know why, and whom to ask";
        Err(self.refuse(key, found, want("some words, on one line", help)))
    }

    /// A list of at least one entry, each read by its own type.
    pub(super) fn parse<T>(
        &self,
        key: &KeyPath,
        list: &[String],
        complaint: &Complaint,
    ) -> Result<Vec<T>, ConfigError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        self.not_empty(key.clone(), list)?;
        let read = |(position, text): (usize, &String)| {
            text.parse().map_err(|error: T::Err| {
                let mut at = key.clone();
                at.0.push(Step::Item(position));
                let Complaint { expected, help } = complaint;
                let help = format!("{error}; {help}");
                self.refuse(at, format!("{text:?}"), want(expected.as_str(), help))
            })
        };
        list.iter().enumerate().map(read).collect()
    }

    /// Patterns of images; at least one.
    pub(super) fn images(
        &self,
        key: &KeyPath,
        list: &[String],
    ) -> Result<Vec<ImagePattern>, ConfigError> {
        self.not_empty(key.clone(), list)?;
        let read = |(position, text): (usize, &String)| {
            text.parse().map_err(|error: PatternError| {
                let mut at = key.clone();
                at.0.push(Step::Item(position));
                let expected =
                    "an image pattern, as registry.example/team/app, registry.example/** or **";
                let help = format!("{error}; {} says what is read here", page!("configuration"));
                self.refuse(at, format!("{text:?}"), want(expected, help))
            })
        };
        list.iter().enumerate().map(read).collect()
    }

    /// The last day of an exception or allow entry, within a year.
    pub(super) fn last_day(
        &self,
        at: KeyPath,
        text: &str,
        today: Option<Date>,
    ) -> Result<Date, ConfigError> {
        let Some(day) = day(text) else {
            let complaint = want("a day such as 2027-01-31", "an entry without an end is a policy");
            return Err(self.refuse(at, text, complaint));
        };
        let latest =
            today.and_then(|today| today.checked_add(jiff::Span::new().days(MAX_DAYS)).ok());
        match latest {
            Some(latest) if day > latest => {
                let help = "look at it again by then, and write a later day if it still holds";
                let expected = format!("a day within {MAX_DAYS} days, {latest} at the latest");
                Err(self.refuse(at, day, want(expected, help)))
            }
            _ => Ok(day),
        }
    }

    /// A document that all readers of YAML understand alike, every key with its value.
    pub(super) fn plain(
        &self,
        at: &KeyPath,
        document: &yaml_serde::Value,
    ) -> Result<serde_json::Value, ConfigError> {
        yaml::plain(document, yaml::Form::Settings).map_err(|ambiguous| {
            let mut at = at.clone();
            at.0.extend(ambiguous.path.into_iter().map(|step| match step {
                yaml::Step::Key(key) => Step::Key(key),
                yaml::Step::Item(item) => Step::Item(item),
            }));
            if at.0.is_empty() {
                at = key!["version"];
            }
            self.refuse(at, ambiguous.found, want("a plain value", ambiguous.help))
        })
    }

    /// The value that a word stands for, where only some words are known; `unsaid` where none is written.
    pub(super) fn word<T: Copy>(
        &self,
        key: KeyPath,
        text: Option<&str>,
        words: &[(&str, T)],
        unsaid: T,
    ) -> Result<T, ConfigError> {
        let Some(text) = text else { return Ok(unsaid) };
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let complaint = among(&names, text, "write one of these words");
            self.refuse(key, format!("{text:?}"), complaint)
        })
    }
}

fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS)
        .flat_map(|c| if misleads(c) { c.escape_default().collect() } else { vec![c] })
        .collect()
}

pub(super) fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}

/// What is said of a word that is none of these: which one may be meant, and what else to do.
pub(super) fn among(words: &[&str], written: &str, help: &str) -> Complaint {
    let meant = did_you_mean(written, words.iter().copied());
    want(one_of(words), format!("{meant}{help}"))
}

/// What is said of the name of a signer whom nobody configured.
pub(super) fn unknown_signer(configured: &[&str], written: &str) -> Complaint {
    let help = "add the signer under trust.signers";
    match configured {
        [] => want("the name of a signer, of which trust.signers configures none", help),
        names => among(names, written, help),
    }
}

/// The day of the clock, in UTC.
pub(super) fn today(now: Option<Timestamp>) -> Option<Date> {
    now.map(|now| now.to_zoned(TimeZone::UTC).date())
}

/// A day and nothing else: a time beside it would be read and not held.
pub(super) fn day(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|day| day.to_string() == text)
}

/// Whether a registry, or another host, can have this name.
pub(super) fn host_is_valid(host: &str) -> bool {
    reference::canonical_host(host).is_ok()
}

/// Hosts are looked up by their canonical form, which every reference has.
pub(super) fn canonical(host: &str) -> String {
    reference::canonical_host(host).unwrap_or_else(|_| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_is_configured_that_is_said() {
        assert_eq!(unknown_signer(&["a", "b"], "c").expected, "one of a, b");
        assert!(unknown_signer(&["release"], "relaese").help.starts_with("did you mean release? "));
        let nobody = unknown_signer(&[], "c").expected;
        assert!(nobody.contains("trust.signers configures none"), "{nobody}");
    }
}
