//! The collector of licence texts: what the texts that a package brings are, kept apart from what it declares.
//!
//! Turns `LICENSE`, `COPYING` and the like beside a package's metadata, and what lies in `/usr/share/doc/NAME/copyright` and
//! `/usr/share/licenses/NAME`, into the licence whose text each is. Several texts do not say whether one of them may be chosen or
//! all hold, and a text that nobody knows says nothing: both are unknown, and never guessed.

use std::collections::BTreeMap;

use super::{
    Package, is_distribution,
    parts::split,
    texts::{Form, Texts},
};
use crate::{
    image::{
        collect::{Collector, Seen},
        rootfs::Rootfs,
    },
    licences::{self, Licence, Unreadable},
};

/// What is concluded of packages, by where their texts are.
pub type Concluded = BTreeMap<String, Result<Licence, Unreadable>>;

/// Folders of the documents of packages of a distribution.
const DOCUMENTS: &str = "/usr/share/doc/";
const LICENSES: &str = "/usr/share/licenses/";
/// How files with the text of a licence are called.
const NAMES: [&str; 5] = ["license", "licence", "copying", "unlicense", "mit-license"];
/// Ends of names that are no text.
const NO_TEXT: [&str; 8] = [".js", ".ts", ".py", ".json", ".map", ".rb", ".html", ".xml"];

/// How one is read.
const FORM: Form = Form {
    read: licences::of_text,
    largest: licences::TEXT_FILE_BYTES,
    larger: Unreadable::Text,
    copies: 8,
    kept_bytes: 256,
};

/// Reads texts of licences.
#[derive(Debug)]
pub struct ConcludedCollector(Texts);

impl Default for ConcludedCollector {
    fn default() -> Self {
        Self(Texts::new(FORM))
    }
}

/// The folder of the package of whose licence a file is a text.
fn folder(path: &str) -> Option<&str> {
    let (folder, name) = split(path);
    if let Some(package) = folder.strip_prefix(DOCUMENTS).filter(|_| name == "copyright") {
        return (!package.contains('/')).then_some(folder);
    }
    if let Some(package) = folder.strip_prefix(LICENSES) {
        return (!package.contains('/')).then_some(folder);
    }
    let low = name.to_ascii_lowercase();
    let is_text = NAMES.iter().any(|begin| low.starts_with(begin))
        && !NO_TEXT.iter().any(|end| low.ends_with(end));
    let of_wheel = folder.strip_suffix("/licenses").unwrap_or(folder);
    let wheel = of_wheel.ends_with(".dist-info").then_some(of_wheel);
    let beside = folder.contains("/node_modules/") || folder.contains("/gems/");
    wheel.or(beside.then_some(folder)).filter(|_| is_text)
}

/// Where the texts of a package are.
pub fn place(package: &Package) -> Vec<String> {
    let (folder, file) = split(&package.database);
    match package.ecosystem {
        one if is_distribution(one) => {
            [DOCUMENTS, LICENSES].map(|place| format!("{place}{}", package.name)).to_vec()
        }
        "pypi" | "npm" => vec![folder.to_owned()],
        "gem" => {
            let above = split(folder.strip_suffix("/default").unwrap_or(folder)).0;
            let stem = file.strip_suffix(".gemspec").unwrap_or(file);
            vec![format!("{above}/gems/{stem}")]
        }
        _ => Vec::new(),
    }
}

impl ConcludedCollector {
    /// What is concluded of each folder of the tree that has texts.
    pub fn finish(&self, rootfs: &Rootfs) -> Concluded {
        let mut texts: BTreeMap<&str, Vec<&Result<Licence, Unreadable>>> = BTreeMap::new();
        for (path, node) in rootfs.nodes() {
            if let (Some(read), Some(folder)) = (self.0.get(node.inode), folder(path)) {
                texts.entry(folder).or_default().push(read);
            }
        }
        let whole = |(folder, texts): (&str, Vec<_>)| (folder.to_owned(), together(&texts));
        texts.into_iter().map(whole).collect()
    }
}

/// What several texts say.
fn together(texts: &[&Result<Licence, Unreadable>]) -> Result<Licence, Unreadable> {
    let mut all = BTreeMap::new();
    for text in texts {
        match text {
            Ok(licence) => drop(all.insert(&licence.expression, licence)),
            Err(Unreadable::Nothing) => {}
            Err(why) => return Err(why.clone()),
        }
    }
    let mut found = all.values();
    match (found.next(), found.next()) {
        (None, _) => Err(Unreadable::Nothing),
        (Some(only), None) => Ok((*only).clone()),
        _ => Err(Unreadable::Several(all.into_keys().cloned().collect())),
    }
}

impl Collector for ConcludedCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.0.wants(file, folder(file.path).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_belong_to_the_package_beside_them() {
        for (path, want) in [
            ("/usr/share/doc/a/copyright", Some("/usr/share/doc/a")),
            ("/usr/share/doc/a/b/copyright", None),
            ("/usr/share/doc/a/README", None),
            ("/usr/share/licenses/a/LICENSE", Some("/usr/share/licenses/a")),
            ("/x/site-packages/a-1.dist-info/LICENSE", Some("/x/site-packages/a-1.dist-info")),
            (
                "/x/site-packages/a-1.dist-info/licenses/LICENSE.txt",
                Some("/x/site-packages/a-1.dist-info"),
            ),
            ("/app/node_modules/a/LICENSE-MIT", Some("/app/node_modules/a")),
            ("/app/node_modules/a/license.js", None),
            ("/app/node_modules/a/index.js", None),
            (
                "/usr/lib/ruby/gems/3.0/gems/a-1/MIT-LICENSE",
                Some("/usr/lib/ruby/gems/3.0/gems/a-1"),
            ),
            ("/app/LICENSE", None),
        ] {
            assert_eq!(folder(path), want, "{path}");
        }
    }

    #[test]
    fn several_texts_leave_open_how_they_hold() {
        let of = |name: &str| licences::read("npm", name);
        let (mit, isc, odd) = (of("MIT"), of("ISC"), Err(Unreadable::Text));
        let zlib = of("Zlib");
        let said = |texts: &[&Result<Licence, Unreadable>]| match together(texts) {
            Ok(licence) => licence.expression,
            Err(why) => why.to_string(),
        };
        assert_eq!(said(&[&mit, &mit]), "MIT");
        assert!(said(&[&zlib, &mit, &isc, &mit]).contains("(ISC, MIT, Zlib)"));
        assert!(said(&[&mit, &odd]).contains("no licence that is known"));
        assert!(said(&[]).contains("no licence is said"));
    }
}
