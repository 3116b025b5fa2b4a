//! Manifests side by side: the envelope around configuration and layers (class B).
//!
//! Digests and sizes are left out: they follow from what they name, which is compared itself. Differences here have no
//! effect on what runs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Difference, Place, entry::cut};
use crate::image::Manifest;

/// What differs in the envelopes.
pub(super) fn differences(left: &Manifest, right: &Manifest) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut field = |name: &str, left: Option<&str>, right: Option<&str>| {
        if left != right {
            found.push(difference(name.to_owned(), left, right));
        }
    };
    field("mediaType", Some(left.media_type.as_str()), Some(right.media_type.as_str()));
    field("artifactType", left.artifact_type.as_deref(), right.artifact_type.as_deref());
    let kinds = (left.config.media_type.as_str(), right.config.media_type.as_str());
    field("config/mediaType", Some(kinds.0), Some(kinds.1));
    let subject = |side: &Manifest| side.subject.as_ref().map(|s| s.digest.to_string());
    field("subject", subject(left).as_deref(), subject(right).as_deref());
    annotations(&mut found, "annotations", &left.annotations, &right.annotations);
    for (at, (left, right)) in left.layers.iter().zip(&right.layers).enumerate() {
        let name = format!("layers/{at}/annotations");
        annotations(&mut found, &name, &left.annotations, &right.annotations);
    }
    found
}

fn annotations(
    found: &mut Vec<Difference>,
    name: &str,
    left: &BTreeMap<String, String>,
    right: &BTreeMap<String, String>,
) {
    let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (left, right) = (left.get(key), right.get(key));
        if left != right {
            let name = format!("{name}/{}", cut(key));
            found.push(difference(name, left.map(String::as_str), right.map(String::as_str)));
        }
    }
}

fn difference(name: String, left: Option<&str>, right: Option<&str>) -> Difference {
    Difference::new(Place::Manifest(name), Class::Envelope, "value")
        .between(left.map(cut), right.map(cut))
}
