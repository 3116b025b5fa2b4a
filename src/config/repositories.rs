//! `repositories`: where bare digests are looked up, in this order.

use super::{
    ConfigError,
    error::key,
    reader::{Reader, want},
};
use crate::reference::{Location, Reference, Repository, Selector};

/// What `repositories` says.
pub(super) fn repositories(
    reader: &Reader<'_>,
    raw: &[String],
) -> Result<Vec<Location>, ConfigError> {
    raw.iter().enumerate().map(|(i, text)| repository(reader, i, text)).collect()
}

fn repository(reader: &Reader<'_>, index: usize, text: &str) -> Result<Location, ConfigError> {
    let complaint = || {
        let expected =
            "a repository without tag or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE";
        want(expected, "the digest that is looked up is given on the command line")
    };
    let refuse = |found: String| reader.refuse(key!["repositories", index], found, complaint());
    if !text.contains(':') || text.parse::<Repository>().is_ok() {
        let repository = text.parse().map_err(|error| refuse(format!("{text:?} ({error})")))?;
        return Ok(Location::Registry(repository));
    }
    match text.parse::<Reference>() {
        Ok(Reference::At(Location::Layout(path), Selector::Only)) => {
            Ok(Location::Layout(reader.beside(&path)))
        }
        Ok(Reference::At(Location::OciArchive(path), Selector::Only)) => {
            Ok(Location::OciArchive(reader.beside(&path)))
        }
        Ok(Reference::At(Location::DockerArchive(path), Selector::Only)) => {
            Ok(Location::DockerArchive(reader.beside(&path)))
        }
        Ok(_) => Err(refuse(format!("{text:?}"))),
        Err(error) => Err(refuse(format!("{text:?} ({error})"))),
    }
}
