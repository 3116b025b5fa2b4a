//! What all sections are read with: the file's place in a complaint, and the checks that each of them makes.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{ConfigError, KeyPath, Place, Step, error::locate};
use crate::untrusted::misleads;

/// Largest key or certificate file that is read, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;
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
        self.file.parent().map_or_else(|| PathBuf::from(text), |folder| folder.join(text))
    }

    /// The bytes of a file that the configuration names.
    pub(super) fn file(&self, key: KeyPath, text: &str) -> Result<(PathBuf, Vec<u8>), ConfigError> {
        use std::io::Read;
        let path = self.path(text);
        let mut bytes = Vec::new();
        let read = crate::scratch::open_file(&path)
            .and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 <= MAX_PEM_BYTES => Ok((path, bytes)),
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
            text.parse().map_err(|error| {
                let mut at = key.clone();
                at.0.push(Step::Item(position));
                let Complaint { expected, help } = complaint;
                self.refuse(at, error, want(expected.as_str(), help.as_str()))
            })
        };
        list.iter().enumerate().map(read).collect()
    }

    /// The value that a word stands for, where only some words are known.
    pub(super) fn word<T: Copy + Default>(
        &self,
        key: KeyPath,
        text: Option<&str>,
        words: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let Some(text) = text else { return Ok(T::default()) };
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        known.ok_or_else(|| {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(key, format!("{text:?}"), want(one_of(&names), "write one of these words"))
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
