//! What has to hold of every SBOM, whichever parser reads it.

use hallmark::{
    limits::Limits,
    sbom::{
        self,
        diff::{List, difference},
        quality::{Profile, gaps},
    },
};

/// Packages that are read: with few of them the bound is met.
const PACKAGES: usize = 100;

/// Reads a document: nothing panics, no more is listed than the limit says, and it differs from itself in nothing.
pub fn read(document: &[u8]) {
    let limits = Limits { packages: PACKAGES, sbom_relationships: 1000, ..Limits::default() };
    let Ok(sbom) = sbom::read(document, &limits) else { return };
    assert!(sbom.components.len() <= PACKAGES);
    assert_eq!(sbom::read(document, &limits).as_ref(), Ok(&sbom));
    for profile in Profile::ALL {
        let _ = gaps(&sbom, profile);
    }
    let list = List::of_document(&sbom);
    assert!(difference(&list, &list).is_none());
}

/// Reads the members of an object, with those by which a format is known; what is no object is read as it is.
#[allow(dead_code, reason = "XML, tags and values have no members")]
pub fn read_members(data: &[u8], known: &[(&str, &str)]) {
    match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(data) {
        Ok(mut members) => {
            members.extend(known.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())));
            read(serde_json::Value::Object(members).to_string().as_bytes());
        }
        Err(_) => read(data),
    }
}
