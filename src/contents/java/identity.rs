//! What a jar is that no `pom.properties` names.
//!
//! Turns the manifest (JAR File Specification; OSGi Core, 3.2.1) and the file's name into a package. Maven publishes a jar as
//! `ARTIFACT-VERSION.jar`; a file of that name whose manifest has the same version, and a name that ends in the artifact, is it.

use std::collections::BTreeMap;

use crate::contents::{
    catalogue::Listed,
    parts::{line, listed, word},
};

/// Attributes of a manifest's main section, by lowercase name; a line that begins with a blank goes on with the one before.
pub(super) fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        if line.is_empty() {
            break;
        }
        if let Some(more) = line.strip_prefix(' ') {
            if let Some(value) = last.as_ref().and_then(|name| attributes.get_mut(name)) {
                String::push_str(value, more);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.to_ascii_lowercase();
            attributes.entry(name.clone()).or_insert_with(|| value.trim_start().to_owned());
            last = Some(name);
        }
    }
    attributes
}

/// What a manifest, and then the file's name, say that a jar is.
pub(super) fn identity(file: &str, manifest: &BTreeMap<String, String>) -> Option<Listed> {
    let of = |names: &[&'static str]| {
        names
            .iter()
            .find_map(|name| word(manifest.get(*name)?.split(';').next()?.trim(), name).ok())
    };
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let named = stem.match_indices('-').find(|(at, _)| {
        stem.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    let (stem_name, stem_version) = match named {
        Some((at, _)) => (stem.get(..at), stem.get(at + 1..)),
        None => (None, None),
    };
    let version = of(&["implementation-version", "bundle-version", "specification-version"]);
    let name = of(&[
        "bundle-symbolicname",
        "automatic-module-name",
        "implementation-title",
        "extension-name",
    ]);
    let vendor = of(&["implementation-vendor-id"]);
    let title = of(&["implementation-title"]);
    let licence = manifest.get("bundle-license").and_then(|text| line(text));
    let whole = || match (&vendor, &title) {
        (Some(group), Some(artifact)) if group.contains('.') => Some(format!("{group}:{artifact}")),
        _ => name,
    };
    if let (Some(called), Some(published), Some(version)) = (stem_name, stem_version, &version)
        && is_version(published, version)
        && let Some(name) = artifact(called, manifest)
    {
        let version = word(published, "version").ok()?;
        return Some(Listed { licence, ..listed(name, version) });
    }
    // The manifest before the name of the file, each of the two by itself: they are not always written together. A file whose
    // manifest has a version, and a name in words, is what it is called: `jrt-fs.jar` of every JDK.
    let called = stem_name.or(version.is_some().then_some(stem));
    let name = whole().or_else(|| word(called?, "name").ok())?;
    let version = version.or_else(|| word(stem_version?, "version").ok())?;
    Some(Listed { licence, ..listed(name, version) })
}

/// Whether the version of a file's name is the manifest's: OSGi writes `-` as `.` and pads to three numbers, and some builds add
/// their own mark.
fn is_version(published: &str, manifest: &str) -> bool {
    let plain = |text: &str| text.replace(['-', '_'], ".");
    let more = manifest.strip_prefix(published);
    plain(published) == plain(manifest)
        || more.is_some_and(|more| more.starts_with('-') || more.replace(".0", "").is_empty())
}

/// A file's name as artifact, with its group where the manifest says it; none where the manifest has no name that ends in it.
fn artifact(called: &str, manifest: &BTreeMap<String, String>) -> Option<String> {
    let plain = |text: &str| text.replace(['-', '_'], ".");
    let of = |name: &str| Some(manifest.get(name)?.split([';', ',']).next()?.trim().to_owned());
    let names = [
        "bundle-symbolicname",
        "automatic-module-name",
        "implementation-title",
        "extension-name",
        "export-package",
    ];
    let ends = |name: &String| {
        let (name, called) = (plain(name), plain(called));
        name.strip_suffix(called.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if !names.into_iter().filter_map(of).any(|name| ends(&name)) {
        return None;
    }
    let vendor = of("implementation-vendor-id").filter(|vendor| vendor.contains('.'));
    let whole = match vendor {
        Some(group) => format!("{group}:{called}"),
        None => called.to_owned(),
    };
    word(&whole, "name").ok()
}
