//! The collector of Debian's copyright files: the licences that are found beside a package, since its database has none.

use std::collections::BTreeMap;

use super::{
    Package,
    secrets::shown_text,
    texts::{Form, Texts},
};
use crate::{
    image::{
        collect::{Collector, Seen},
        rootfs::Rootfs,
    },
    licences::{self, Licence, Unreadable},
};

/// What is found of packages, by the package's name.
pub type Found = BTreeMap<String, Result<Licence, Unreadable>>;

/// Folder of the documents of packages.
const FOLDER: &str = "/usr/share/doc/";
const NAME: &str = "/copyright";

/// How one is read.
const FORM: Form = Form {
    read,
    largest: licences::COPYRIGHT_BYTES,
    larger: Unreadable::TooMuch,
    copies: 1,
    // Each term is held twice.
    kept_bytes: 512,
};

/// Without secrets: what a name becomes in an expression is none by its form any more.
fn read(bytes: &[u8]) -> Result<Licence, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.split_inclusive('\n').map(shown_text).collect();
    licences::of_copyright(shown.as_bytes())
}

/// Reads copyright files.
#[derive(Debug)]
pub struct CopyrightCollector(Texts);

impl Default for CopyrightCollector {
    fn default() -> Self {
        Self(Texts::new(FORM))
    }
}

impl CopyrightCollector {
    /// What is found of the packages that dpkg installed, where their documents are, or where a link of their folder leads.
    pub fn finish(&self, rootfs: &Rootfs, packages: &[Package]) -> Found {
        let debian = packages.iter().filter(|package| package.ecosystem == "deb");
        let found = debian.filter_map(|package| {
            let real = rootfs.resolve(&format!("{FOLDER}{}{NAME}", package.name))?;
            let read = self.0.get(rootfs.get(&real)?.inode)?;
            Some((package.name.clone(), read.clone()))
        });
        found.collect()
    }
}

impl Collector for CopyrightCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        let package = file.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_suffix(NAME));
        let wanted = package.is_some_and(|package| !package.contains('/'));
        self.0.wants(file, wanted)
    }

    fn take(&mut self, bytes: &[u8]) {
        self.0.take(bytes);
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn held(&self) -> u64 {
        self.0.held()
    }
}
