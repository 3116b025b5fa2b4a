//! `--from DIR[@DIGEST]`: how a folder of saved evidence is named.

use std::{path::PathBuf, str::FromStr};

use crate::digest::Digest;

/// A folder of saved evidence, as it is typed: `DIR`, or `DIR@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
    /// The digest of its record, where it is named.
    pub digest: Option<Digest>,
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, digest) = match text.rsplit_once('@') {
            Some((path, digest)) if digest.starts_with("sha256:") => {
                (path, Some(digest.parse::<Digest>().map_err(|error| error.to_string())?))
            }
            _ => (text, None),
        };
        match path.is_empty() {
            true => Err("expected a folder that --save wrote, DIR or DIR@sha256:…".to_owned()),
            false => Ok(Self { path: path.into(), digest }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i12_a_folder_is_named_with_its_digest_or_without() {
        let hex = "0".repeat(64);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        let cases = [
            ("dir".to_owned(), Ok(("dir", None))),
            (format!("a@b/dir@sha256:{hex}"), Ok(("a@b/dir", Some(digest)))),
            ("a@b".to_owned(), Ok(("a@b", None))),
            ("dir@sha256:00".to_owned(), Err("64 lower-case hex digits")),
            (format!("@sha256:{hex}"), Err("expected a folder")),
            (String::new(), Err("expected a folder")),
        ];
        for (typed, want) in cases {
            match (typed.parse::<Folder>(), want) {
                (Ok(found), Ok((path, digest))) => {
                    assert_eq!(found, Folder { path: path.into(), digest }, "{typed}");
                }
                (Err(why), Err(want)) => assert!(why.contains(want), "{typed}: {why}"),
                (found, _) => panic!("{typed}: {found:?}"),
            }
        }
    }
}
