//! Secrets in the documents of an image: its configuration, and the annotations of manifest and index.
//!
//! Turns an image into the secrets that everybody reads who can pull it. Annotations are judged as labels are. Members that nothing
//! here knows are a part of the bytes, so that these are searched for the forms of keys and tokens where nothing else was found.

use std::{collections::BTreeMap, iter::once};

use super::{
    Kind, Secret, Source,
    configured::{in_config, in_text, in_value},
    scan::Scan,
};
use crate::image::Image;

/// The secrets in an image's documents.
pub fn in_image(image: &Image) -> Vec<Secret> {
    let mut found = in_config(&image.config);
    if found.is_empty() {
        found.extend(in_document("config", &image.config.document.bytes));
    }
    let annotations = in_annotations(image);
    if annotations.is_empty() {
        found.extend(in_document("manifest", &image.manifest.document.bytes));
    }
    found.extend(annotations);
    found.sort();
    found.dedup();
    found
}

/// Annotations of the manifest, of what it names, of the indexes on the way to it, and of its descriptor there; their place is
/// among these. What an index says of other images is theirs.
fn in_annotations(image: &Image) -> Vec<Secret> {
    let manifest = &image.manifest;
    let named = once(&manifest.config).chain(&manifest.layers).chain(&manifest.subject);
    let digest = manifest.document.digest.to_string();
    let digest = digest.as_str();
    let listed = image.indexes().flat_map(move |index| {
        let own = index.manifests.iter().filter(move |one| one.digest.to_string() == digest);
        once(&index.annotations).chain(own.map(|one| &one.annotations))
    });
    let all = once(&manifest.annotations).chain(named.map(|one| &one.annotations)).chain(listed);
    let mut found = Vec::new();
    for (index, annotations) in all.enumerate() {
        found.extend(of_annotations(index, annotations));
    }
    found
}

fn of_annotations(index: usize, annotations: &BTreeMap<String, String>) -> Vec<Secret> {
    let mut found = Vec::new();
    for (name, value) in annotations {
        // A name that is a secret is not shown.
        let in_name = in_text(name);
        let shown = in_name.is_empty().then(|| name.clone());
        for (kind, encrypted) in in_name.into_iter().chain(in_value(name, value)) {
            let source = Source::Config { part: "annotations", index, name: shown.clone() };
            found.push(Secret { source, kind, encrypted });
        }
    }
    found
}

/// Secrets anywhere in a document, by their forms.
fn in_document(part: &'static str, bytes: &[u8]) -> Vec<Secret> {
    let mut scan = Scan::new(&[]);
    scan.take(bytes);
    let hits = scan.finish().0.into_iter();
    let mut kinds: Vec<(Kind, bool)> = hits.map(|hit| (hit.kind, hit.encrypted)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let secret = |(kind, encrypted)| {
        let source = Source::Config { part, index: 0, name: None };
        Secret { source, kind, encrypted }
    };
    kinds.into_iter().map(secret).collect()
}
