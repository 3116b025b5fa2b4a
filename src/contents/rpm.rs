//! rpm's databases (rpm 4.x: `rpmdb.sqlite`, `Packages.db` in its own format, `Packages` in Berkeley DB).
//!
//! Turns a database into installed packages. A header that cannot be read is a gap beside all others. `gpg-pubkey` is a key
//! that the database trusts, and no package.

mod bdb;
pub(super) mod files;
mod header;
mod ndb;
mod sqlite;
#[cfg(test)]
mod tests;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Listing, Origin},
    parts::{self, form, line, listed},
};
use crate::image::collect::Seen;
use header::{Header, Tag};

/// The catalogue of databases.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: Origin { name: "rpm", ecosystem: "rpm", managed: true },
    wants,
    file_bytes: 256 << 20,
    copies: 2,
    read: |_, bytes, most| look(bytes, most),
};

/// The catalogue of write-ahead logs: one that has changes which its database lacks is said, since the
/// two are read apart.
pub(super) const LOGS: Catalogue = Catalogue {
    origin: Origin { name: "rpm-log", ecosystem: "rpm", managed: true },
    wants: wants_log,
    file_bytes: 256 << 20,
    copies: 1,
    read: |_, bytes, _| read_log(bytes).into(),
};

/// The database in its three forms, each in the folders that it has on systems of rpm, of OSTree, and of SUSE and Fedora.
pub(super) const PATHS: [&str; 9] = [
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
    "/usr/share/rpm/rpmdb.sqlite",
    "/usr/share/rpm/Packages.db",
    "/usr/share/rpm/Packages",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/usr/lib/sysimage/rpm/Packages",
];

fn wants(seen: &Seen<'_>) -> bool {
    is_database(seen.path)
}

fn wants_log(seen: &Seen<'_>) -> bool {
    seen.size > 0 && seen.path.strip_suffix("-wal").is_some_and(is_database)
}

/// Whether a file is rpm's database.
fn is_database(path: &str) -> bool {
    PATHS.contains(&path)
}

fn read_log(bytes: &[u8]) -> Result<Vec<Listed>, Garbled> {
    let pages = header::u32_be(bytes, 8).unwrap_or_default();
    match sqlite::committed(bytes, pages) {
        0 => Ok(Vec::new()),
        pages => Err(form(format!(
            "it is a write-ahead log with {pages} pages that the database may lack"
        ))),
    }
}

/// Reads a database.
fn look(bytes: &[u8], most: usize) -> Listing {
    let mut listing = Listing::default();
    let read = headers(bytes, &mut |header| match header.and_then(|header| package(&header)) {
        Ok(Some(package)) => listing.push(package, most),
        Ok(None) => Ok(()),
        Err(gap) => {
            listing.gap(gap);
            Ok(())
        }
    });
    if let Err(gap) = read {
        listing.gap(gap);
    }
    listing
}

/// Takes the blobs of packages one by one, or why one cannot be had; an error ends the reading.
type EachBlob<'e> = dyn FnMut(Result<&[u8], Garbled>) -> Result<(), Garbled> + 'e;
/// The same, of headers.
type EachHeader<'e> = dyn FnMut(Result<Header<'_>, Garbled>) -> Result<(), Garbled> + 'e;

/// Gives each package's header to `each`, whichever form the database has.
fn headers(bytes: &[u8], each: &mut EachHeader<'_>) -> Result<(), Garbled> {
    let mut of_blob = |blob: Result<&[u8], Garbled>| each(blob.and_then(Header::read));
    if bytes.starts_with(sqlite::MAGIC) {
        sqlite::Database::open(bytes)?.blobs("Packages", &mut of_blob)
    } else if bytes.starts_with(ndb::MAGIC) {
        ndb::blobs(bytes)?.into_iter().try_for_each(of_blob)
    } else if bdb::is_hash(bytes) {
        bdb::blobs(bytes, &mut of_blob)
    } else {
        Err(form("it is neither of SQLite, nor in rpm's own format, nor of Berkeley DB"))
    }
}

fn text(header: &Header<'_>, tag: Tag, field: &'static str) -> Result<Option<String>, Garbled> {
    let Some(bytes) = header.text(tag)? else { return Ok(None) };
    let text = std::str::from_utf8(bytes)
        .map_err(|_| form(format!("a package has a {field} that is no UTF-8")))?;
    parts::word(text, field).map(Some)
}

/// The package of a header; none if it is a key.
fn package(header: &Header<'_>) -> Result<Option<Listed>, Garbled> {
    let there = |found: Option<String>, field| {
        found.ok_or_else(|| form(format!("a package has no {field}")))
    };
    let name = there(text(header, Tag::Name, "name")?, "name")?;
    let version = there(text(header, Tag::Version, "version")?, "version")?;
    let release = there(text(header, Tag::Release, "release")?, "release")?;
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    // No epoch is epoch 0.
    let version = match header.numbers(Tag::Epoch)?.first() {
        Some(epoch) if *epoch > 0 => format!("{epoch}:{version}-{release}"),
        _ => format!("{version}-{release}"),
    };
    let licence =
        header.text(Tag::License)?.and_then(|bytes| line(&String::from_utf8_lossy(bytes)));
    let source = text(header, Tag::SourceRpm, "source package")?;
    let source = source.as_deref().and_then(source_name).map(str::to_owned);
    let architecture = text(header, Tag::Architecture, "architecture")?;
    let label = header.text(Tag::ModularityLabel)?.filter(|label| !label.is_empty());
    let module = label.map(module).transpose()?;
    Ok(Some(Listed { architecture, licence, source, module, ..listed(name, version) }))
}

/// Name and stream in `NAME:STREAM:VERSION:CONTEXT`; a package of no module has an empty label, or none.
fn module(label: &[u8]) -> Result<String, Garbled> {
    let text = String::from_utf8_lossy(label);
    let mut parts = text.split(':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(stream)) if !name.is_empty() && !stream.is_empty() => {
            parts::word(&format!("{name}:{stream}"), "module")
        }
        _ => Err(form("a package has a label of a module that names no stream")),
    }
}

/// The name in `NAME-VERSION-RELEASE.src.rpm`.
fn source_name(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, _release) = stem.rsplit_once('-')?;
    rest.rsplit_once('-').map(|(name, _version)| name)
}
