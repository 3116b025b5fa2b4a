//! Errors and places as the record of saved evidence has them.
//!
//! Turns a [`SourceError`] into JSON and back, so that a report of what could not be had is the same when it is made again. Words of
//! this program are found in its own lists: a record cannot put its own in their place.

use serde_json::{Value, json};

use super::{Refusal, SourceError, address::Beyond};
use crate::{
    image::FormatError,
    limits::Limits,
    reference::{Location, Repository},
};

/// What documents are called in errors about their form.
const DOCUMENTS: [&str; 11] = [
    "blob",
    "config of an image manifest",
    "document",
    "entry of an image index",
    "image",
    "image archive",
    "image configuration",
    "image index",
    "image manifest",
    "index.json",
    "layer",
];
/// What is counted in them.
const UNITS: [&str; 4] = ["bytes", "bytes in a layer", "bytes in its layers", "entries"];

/// An error, in members.
pub(super) fn of_error(error: &SourceError) -> Value {
    match error {
        SourceError::NotFound { what, place } => json!(["not-found", what, place]),
        SourceError::BlobMissing { what, place } => json!(["blob-missing", what, place]),
        SourceError::PlatformMissing { place, wanted, found } => {
            json!(["platform-missing", place, wanted, found])
        }
        SourceError::Disguised { place, manifest, platform, mark } => {
            json!(["disguised", place, manifest, platform, mark])
        }
        SourceError::IndexLoop { place, why } => json!(["index-loop", place, why]),
        SourceError::Unauthorized { place, why } => json!(["unauthorized", place, why]),
        SourceError::Forbidden { place, why } => json!(["forbidden", place, why]),
        SourceError::Refused { place, rule, why } => json!(["refused", place, of_rule(*rule), why]),
        SourceError::Format { place, error } => json!(["format", place, of_format(error)]),
        SourceError::Unavailable { place, why } => json!(["unavailable", place, why]),
        SourceError::Plain { place, host } => json!(["plain", place, host]),
        SourceError::Unreadable { place, why } => json!(["unreadable", place, why]),
        SourceError::Unkept { place, why } => json!(["unkept", place, why]),
        SourceError::Ambiguous { place, found } => json!(["ambiguous", place, found]),
        SourceError::Limit { place, what, limit_name, limit } => {
            json!(["limit", place, what, limit_name, limit])
        }
    }
}

/// The error that this is; `None` where it is none.
pub(super) fn error(value: &Value) -> Option<SourceError> {
    let text = |at: usize| Some(value.get(at)?.as_str()?.to_owned());
    Some(match text(0)?.as_str() {
        "not-found" => SourceError::NotFound { what: text(1)?, place: text(2)? },
        "blob-missing" => SourceError::BlobMissing { what: text(1)?, place: text(2)? },
        "platform-missing" => {
            SourceError::PlatformMissing { place: text(1)?, wanted: text(2)?, found: text(3)? }
        }
        "disguised" => SourceError::Disguised {
            place: text(1)?,
            manifest: text(2)?,
            platform: text(3)?,
            mark: text(4)?,
        },
        "index-loop" => SourceError::IndexLoop { place: text(1)?, why: text(2)? },
        "unauthorized" => SourceError::Unauthorized { place: text(1)?, why: text(2)? },
        "forbidden" => SourceError::Forbidden { place: text(1)?, why: text(2)? },
        "refused" => {
            SourceError::Refused { place: text(1)?, rule: rule(&text(2)?)?, why: text(3)? }
        }
        "format" => SourceError::Format { place: text(1)?, error: format(value.get(2)?)? },
        "unavailable" => SourceError::Unavailable { place: text(1)?, why: text(2)? },
        "plain" => SourceError::Plain { place: text(1)?, host: text(2)? },
        "unreadable" => SourceError::Unreadable { place: text(1)?, why: text(2)? },
        "unkept" => SourceError::Unkept { place: text(1)?, why: text(2)? },
        "ambiguous" => SourceError::Ambiguous { place: text(1)?, found: text(2)? },
        "limit" => SourceError::Limit {
            place: text(1)?,
            what: text(2)?,
            limit_name: limit_name(&text(3)?)?,
            limit: value.get(4)?.as_u64()?,
        },
        _ => return None,
    })
}

/// The rules by which hallmark goes no further, and their words.
const RULES: [(Refusal, &str); 7] = [
    (Refusal::Address(Beyond::Listed), "address-listed"),
    (Refusal::Address(Beyond::Registry), "address-registry"),
    (Refusal::Address(Beyond::All), "address-all"),
    (Refusal::Certificate, "certificate"),
    (Refusal::Redirect, "redirect"),
    (Refusal::Realm, "realm"),
    (Refusal::Settings, "settings"),
];

fn of_rule(rule: Refusal) -> &'static str {
    RULES.iter().find(|(known, _)| *known == rule).map_or("settings", |(_, word)| word)
}

fn rule(word: &str) -> Option<Refusal> {
    RULES.iter().find(|(_, known)| *known == word).map(|(rule, _)| *rule)
}

fn of_format(error: &FormatError) -> Value {
    match error {
        FormatError::Digest { what, expected, found } => {
            json!(["digest", what, expected.to_string(), found.to_string()])
        }
        FormatError::Size { what, expected, found } => json!(["size", what, expected, found]),
        FormatError::Malformed { what, why } => json!(["malformed", what, why]),
        FormatError::MediaType { what, found } => json!(["media-type", what, found]),
        FormatError::Limit { what, found, unit, limit, limit_name } => {
            json!(["limit", what, found, unit, limit, limit_name])
        }
    }
}

fn format(value: &Value) -> Option<FormatError> {
    let text = |at: usize| value.get(at)?.as_str();
    let number = |at: usize| value.get(at)?.as_u64();
    let what = text(1)?;
    let what = DOCUMENTS.into_iter().find(|known| *known == what).unwrap_or("manifest");
    Some(match text(0)? {
        "digest" => FormatError::Digest {
            what,
            expected: text(2)?.parse().ok()?,
            found: text(3)?.parse().ok()?,
        },
        "size" => FormatError::Size { what, expected: number(2)?, found: number(3)? },
        "malformed" => FormatError::Malformed { what, why: text(2)?.to_owned() },
        "media-type" => FormatError::MediaType { what, found: text(2)?.to_owned() },
        "limit" => FormatError::Limit {
            what,
            found: number(2)?,
            unit: UNITS.into_iter().find(|known| Some(*known) == text(3))?,
            limit: number(4)?,
            limit_name: limit_name(text(5)?)?,
        },
        _ => return None,
    })
}

fn limit_name(text: &str) -> Option<&'static str> {
    Limits::TABLE.iter().map(|limit| limit.field).find(|field| *field == text)
}

/// A place, in members.
pub(super) fn of_location(location: &Location) -> Value {
    match location {
        Location::Registry(Repository { registry, path }) => json!(["registry", registry, path]),
        Location::Layout(path) => json!(["oci", path.to_string_lossy()]),
        Location::OciArchive(path) => json!(["oci-archive", path.to_string_lossy()]),
        Location::DockerArchive(path) => json!(["docker-archive", path.to_string_lossy()]),
    }
}

/// The place that this is; `None` where it is none.
pub(super) fn location(value: &Value) -> Option<Location> {
    let text = |at: usize| value.get(at)?.as_str();
    let path = || text(1).map(Into::into);
    match text(0)? {
        // The parser gives a repository its one name.
        "registry" => format!("{}/{}", text(1)?, text(2)?).parse().ok().map(Location::Registry),
        "oci" => path().map(Location::Layout),
        "oci-archive" => path().map(Location::OciArchive),
        "docker-archive" => path().map(Location::DockerArchive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn every_error_comes_back_as_it_was() {
        let place = || "registry.example/app".to_owned();
        let why = || "it was so".to_owned();
        let digest = Digest::sha256(b"x");
        let what = "layer";
        let formats = [
            FormatError::Digest { what, expected: digest.clone(), found: digest },
            FormatError::Size { what: "manifest", expected: 1, found: 2 },
            FormatError::Malformed { what: "image index", why: why() },
            FormatError::MediaType { what: "entry of an image index", found: why() },
            FormatError::Limit {
                what: "image",
                found: 9,
                unit: "bytes in its layers",
                limit: 8,
                limit_name: "image_bytes",
            },
        ];
        let formats = formats.map(|error| SourceError::Format { place: place(), error });
        let refused =
            RULES.map(|(rule, _)| SourceError::Refused { place: place(), rule, why: why() });
        let others = [
            SourceError::NotFound { what: why(), place: place() },
            SourceError::BlobMissing { what: why(), place: place() },
            SourceError::PlatformMissing { place: place(), wanted: why(), found: "b".to_owned() },
            SourceError::Disguised {
                place: place(),
                manifest: why(),
                platform: "p".to_owned(),
                mark: "m".to_owned(),
            },
            SourceError::IndexLoop { place: place(), why: why() },
            SourceError::Unauthorized { place: place(), why: why() },
            SourceError::Forbidden { place: place(), why: why() },
            SourceError::Unavailable { place: place(), why: why() },
            SourceError::Plain { place: place(), host: "r.example:80".to_owned() },
            SourceError::Unreadable { place: place(), why: why() },
            SourceError::Unkept { place: place(), why: why() },
            SourceError::Ambiguous { place: place(), found: why() },
            SourceError::Limit { place: place(), what: why(), limit_name: "pages", limit: 7 },
        ];
        for wanted in formats.into_iter().chain(refused).chain(others) {
            assert_eq!(error(&of_error(&wanted)), Some(wanted));
        }
        for strange in
            [json!(null), json!([]), json!(["not-found"]), json!(["limit", "p", "w", "no", 1])]
        {
            assert_eq!(error(&strange), None, "{strange}");
        }
    }

    #[test]
    fn every_place_comes_back_as_it_was() {
        for text in
            ["registry.example:5000/a/b", "oci:a:b/c", "oci-archive:x.tar", "docker-archive:x"]
        {
            let crate::reference::Reference::At(wanted, _) = text.parse().unwrap() else {
                panic!()
            };
            assert_eq!(location(&of_location(&wanted)), Some(wanted));
        }
        assert_eq!(location(&json!(["registry", "", "../x"])), None);
        assert_eq!(location(&json!(["dir", "x"])), None);
    }
}
