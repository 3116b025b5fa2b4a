//! Google Cloud Build. Cases of whole images ask everything; the others have a `check`, and ask that alone of documents
//! that are often not signed, as the unit tests they come from do.

use hallmark::{
    attest::{
        cloud_build::{Described, Entry},
        provenance::{Provenance, SLSA_V1},
    },
    digest::Digest,
    limits::Limits,
    trust::{Expectations, KeyRing, KeyRingError, PublicKey, outside},
};
use serde_json::Value;

use super::{expectations, judged, provenance_of, refused};
use crate::{Case, Outcome, Verdict};

pub(super) fn run(case: &Case) -> Outcome {
    let bytes = case.file("gcb_provenance")?;
    let described = match Described::parse(&bytes, &Limits::default()) {
        Ok(described) => described,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let keys = keys(case)?;
    match case.text("check") {
        Some(check) => unit(case, check, &bytes, &described, &keys),
        None => image(case, described, &keys),
    }
}

/// The keys of a folder: `REGION.pub.pem` and `global-pae-NAME_VERSION.pub.pem`, under Google's names.
fn keys(case: &Case) -> Result<KeyRing, String> {
    let mut ring = KeyRing::default();
    let folder = case.path(case.text("keys").ok_or("no keys")?);
    for file in std::fs::read_dir(folder).map_err(|e| e.to_string())? {
        let path = file.map_err(|e| e.to_string())?.path();
        let stem = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".pub.pem"));
        let stem = stem.ok_or("a key without a name")?;
        let (location, key, version) = match stem.strip_prefix("global-pae") {
            Some("") => continue,
            Some(rest) => {
                let (key, version) = rest[1..].rsplit_once('_').ok_or("a key without a version")?;
                ("global", key, version)
            }
            None => (stem, "builtByGCB", "1"),
        };
        let name = format!(
            "projects/verified-builder/locations/{location}/keyRings/attestor/cryptoKeys/{key}/cryptoKeyVersions/{version}"
        );
        let pem = std::fs::read(&path).map_err(|e| e.to_string())?;
        let key = PublicKey::from_pem(&pem).map_err(|e| e.to_string())?;
        ring.add(&name, key).map_err(|e| e.to_string())?;
    }
    Ok(ring)
}

fn image(case: &Case, described: Described, keys: &KeyRing) -> Outcome {
    let digest: Digest =
        case.text("image_digest").unwrap_or_default().parse().map_err(|e| format!("{e}"))?;
    let proven = outside::cloud_build(described, keys, &digest, &expectations(case));
    Ok(proven.map_or_else(refused, |_| Verdict::Accepted))
}

/// One signature in one of the forms is enough.
fn signed(entry: &Entry, keys: &KeyRing) -> Result<(), KeyRingError> {
    let mut last = Ok(());
    for signed in &entry.signed {
        last = keys.maker(signed).map(|_| ());
        if last.is_ok() {
            break;
        }
    }
    last
}

fn speaks_about(entry: &Entry, digest: &Digest) -> bool {
    entry.signed.iter().all(|signed| signed.statement.speaks_about(digest))
}

fn provenance(entry: &Entry) -> Result<Provenance, Verdict> {
    let missing = || Verdict::refused("signature-malformed", "no statement");
    provenance_of(entry.signed.first().ok_or_else(missing)?.payload_bytes())
}

/// One question about the entry of the version that the case means.
fn unit(case: &Case, check: &str, bytes: &[u8], described: &Described, keys: &KeyRing) -> Outcome {
    let hash = || format!("sha256:{}", case.text("hash").unwrap_or_default()).parse::<Digest>();
    if check == "summary" {
        let hash = hash().map_err(|e| e.to_string())?;
        return Ok(accepted(described.describes(&hash), "signature-subject-mismatch"));
    }
    let wants_v1 = case.text("version") == Some("versionV10");
    let is_v1 = |e: &Entry| e.signed.iter().all(|s| s.statement.predicate_type == SLSA_V1);
    let entries = described.entries.iter();
    // A case without a version is about the first entry, whatever it is.
    let mut meant = entries.filter(|e| !wants_v1 || e.as_ref().is_ok_and(is_v1));
    let entry = match meant.next().ok_or("no such entry")? {
        Ok(entry) => entry,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let text = |key: &str| Some(case.text(key).unwrap_or_default().to_owned());
    let mut expected = Expectations::default();
    match check {
        "parse" => return Ok(Verdict::Accepted),
        "signature" => {
            return Ok(match signed(entry, keys) {
                Ok(()) => Verdict::Accepted,
                Err(error) => Verdict::refused(error.code(), error),
            });
        }
        "metadata" => {
            let hash = hash().map_err(|e| e.to_string())?;
            return Ok(accepted(entry.resource == hash, "signature-subject-mismatch"));
        }
        "subject digest" => {
            let hash = hash().map_err(|e| e.to_string())?;
            return Ok(accepted(speaks_about(entry, &hash), "signature-subject-mismatch"));
        }
        "text provenance" if case.inputs["alter"] == true => return altered(bytes),
        "text provenance" => return Ok(accepted(entry.repeats(), "provenance-conflict")),
        "builder" => expected.builder = text("builderID"),
        "source" => expected.source = text("source"),
        "tag" => expected.tag = text("tag"),
        "versioned tag" => expected.version = text("tag"),
        other => return Err(format!("unknown check {other:?}")),
    }
    Ok(match provenance(entry) {
        Ok(provenance) => judged(expected.check(&provenance, None)),
        Err(refused) => refused,
    })
}

fn accepted(holds: bool, code: &str) -> Verdict {
    if holds { Verdict::Accepted } else { Verdict::refused(code, "another one") }
}

/// Every text in the statements in clear, altered by itself, has to be noticed; accepted where one is not.
fn altered(bytes: &[u8]) -> Outcome {
    let document: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let mut places = Vec::new();
    let entries = document["provenance_summary"]["provenance"].as_array().ok_or("no entries")?;
    for number in 0..entries.len() {
        let build = format!("/provenance_summary/provenance/{number}/build");
        texts(&document, &build, &mut |place| places.push((number, place)));
    }
    for (number, place) in &places {
        let mut lies = document.clone();
        *lies.pointer_mut(place).ok_or("no such place")? = "altered".into();
        let lies = lies.to_string().into_bytes();
        let read = Described::parse(&lies, &Limits::default()).map_err(|e| e.to_string())?;
        if read.entries[*number].as_ref().is_ok_and(Entry::repeats) {
            return Ok(Verdict::Accepted);
        }
    }
    let why = format!("all {} alterations noticed", places.len());
    if places.is_empty() {
        Err("nothing to alter".to_owned())
    } else {
        Ok(Verdict::refused("provenance-conflict", why))
    }
}

/// The places of all texts under a place.
fn texts(document: &Value, place: &str, visit: &mut impl FnMut(String)) {
    match document.pointer(place) {
        Some(Value::Object(map)) => {
            for key in map.keys() {
                let key = key.replace('~', "~0").replace('/', "~1");
                texts(document, &format!("{place}/{key}"), visit);
            }
        }
        Some(Value::Array(list)) => {
            for number in 0..list.len() {
                texts(document, &format!("{place}/{number}"), visit);
            }
        }
        Some(Value::String(_)) => visit(place.to_owned()),
        _ => {}
    }
}
