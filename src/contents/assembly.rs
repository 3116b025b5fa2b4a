//! An inventory put together from what was read of each file.
//!
//! A distribution's database that cannot be read is told as one that cannot; what others left out is counted, by its reason,
//! so that no image fills a report with it.

use super::{
    Database, Incomplete, Inventory, Package,
    catalogue::{Garbled, Listed, Origin},
    os::Release,
    purl,
};
use crate::limits::Limits;

/// Reasons that are told of one catalogue, each with the first file; the last one counts what has another.
const REASONS: usize = 8;

/// What reading one file gave.
#[derive(Debug)]
pub(super) enum Found {
    /// os-release.
    Release(Release),
    /// What it lists.
    Listed(Origin, Vec<Listed>),
    /// Nothing, for a reason.
    Unread(Origin, Why),
}

impl Found {
    /// Whether it is a reason that is written out.
    pub(super) fn has_words(&self) -> bool {
        matches!(self, Self::Unread(_, Why::Garbled(_)))
    }

    /// Whose file it is, if it is a catalogue's.
    pub(super) fn origin(&self) -> Option<Origin> {
        match self {
            Self::Release(_) => None,
            Self::Listed(origin, _) | Self::Unread(origin, _) => Some(*origin),
        }
    }
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    /// It cannot be believed.
    #[error("{0}")]
    Garbled(Garbled),
    /// It is larger than anything of its kind.
    #[error("it is larger than {0} bytes, which no file of its kind is")]
    Larger(u64),
    /// It is larger than the limit.
    #[error("it is larger than {key}, {0}", key = crate::limits::key("file_bytes"))]
    LargerThanLimit(u64),
    /// What its catalogue found takes more than it may.
    #[error("what was found before takes all of {key}, {0}", key = crate::limits::key("catalogue_bytes"))]
    Budget(u64),
    /// The packages of the others are as many as may be listed.
    #[error("it lists more packages than {key}, {0}", key = crate::limits::key("packages"))]
    Packages(usize),
    /// Lists name more files than are kept.
    #[error("lists name more files than {key}, {0}", key = crate::limits::key("owned_files"))]
    OwnedFiles(usize),
    /// It has another name, under which it was not read.
    #[error("it is a link to a place where no database is kept")]
    Elsewhere,
}

/// A file, and what reading it gave.
#[derive(Debug)]
pub(super) struct Item {
    /// Path from the root.
    pub(super) path: String,
    /// The layer that it is from; `None` where that is not known.
    pub(super) layer: Option<usize>,
    /// What reading it gave.
    pub(super) found: Found,
}

/// Puts the inventory together.
pub(super) fn inventory(
    items: &mut [Item],
    release: Option<Release>,
    limits: &Limits,
) -> Inventory {
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let os = release.as_ref().and_then(|release| release.os.clone());
    let mut inventory = Inventory { os, ..Inventory::default() };
    let mut seen: Vec<&[Listed]> = Vec::new();
    for Item { path, layer, found } in items.iter() {
        match found {
            Found::Release(_) => {}
            Found::Unread(origin, why) => unread(&mut inventory, *origin, path, why.to_string()),
            // `/lib` is often a link to `/usr/lib`: the same database is read once.
            Found::Listed(origin, list)
                if origin.ecosystem == "apk" && seen.contains(&list.as_slice()) => {}
            Found::Listed(origin, list) => {
                if origin.ecosystem == "apk" {
                    seen.push(list);
                }
                if list.len() > limits.packages.saturating_sub(inventory.packages.len()) {
                    let why = Why::Packages(limits.packages).to_string();
                    unread(&mut inventory, *origin, path, why);
                    continue;
                }
                let os = inventory.os.as_ref();
                let packages: Vec<_> =
                    list.iter().map(|one| package(*origin, one, path, *layer, os)).collect();
                inventory.packages.extend(packages);
                if origin.managed {
                    inventory.databases.push(Database { path: path.clone(), read: Ok(list.len()) });
                }
            }
        }
    }
    if let Some(release) = release {
        inventory.databases.extend(release.broken_promise(&inventory));
    }
    inventory.packages.sort();
    inventory.packages.dedup();
    inventory.databases.sort_by(|a, b| a.path.cmp(&b.path));
    inventory.databases.dedup();
    inventory
}

fn package(
    origin: Origin,
    listed: &Listed,
    path: &str,
    layer: Option<usize>,
    os: Option<&super::Os>,
) -> Package {
    Package {
        ecosystem: origin.ecosystem,
        name: listed.name.clone(),
        version: listed.version.clone(),
        architecture: listed.architecture.clone(),
        purl: purl::purl(origin.ecosystem, listed, os),
        licence: listed.licence.clone(),
        source: listed.source.clone(),
        source_version: listed.source_version.clone(),
        module: listed.module.clone(),
        database: path.to_owned(),
        layer,
    }
}

/// Says that a file was not read.
fn unread(inventory: &mut Inventory, origin: Origin, path: &str, why: String) {
    if origin.managed {
        return inventory.databases.push(Database { path: path.to_owned(), read: Err(why) });
    }
    let told = inventory.incomplete.iter().enumerate();
    let own: Vec<_> = told.filter(|(_, one)| one.catalogue == origin.name).collect();
    let same = own.iter().find(|(_, one)| one.why == why);
    let place = same.or_else(|| own.get(REASONS - 1)).map(|(place, _)| *place);
    match place.and_then(|place| inventory.incomplete.get_mut(place)) {
        Some(one) => one.files += 1,
        None => inventory.incomplete.push(Incomplete {
            catalogue: origin.name,
            path: path.to_owned(),
            why,
            files: 1,
        }),
    }
}
