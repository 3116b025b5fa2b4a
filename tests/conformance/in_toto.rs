//! Area `in-toto`: DSSE envelopes, classic layouts with their links, and links by themselves.
//!
//! Inputs of a layout: `layout`, `links_dir`, and `key`, which has to have signed it. A row without `key` tests the steps that
//! sublayouts stand for, as the suite that it comes from does: each is verified with the keys that the layout above gives
//! its step, and `sublayout_links` are the links of the sublayout. The time is that of the run. hallmark runs no inspection: each
//! layout is verified twice, and one that passes only with inspections left out has to be refused for them otherwise.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallmark::{
    attest::{
        self, Carrier, Listing, Raw,
        in_toto::{Body, Document},
    },
    digest::ManifestDigest,
    finding::Code,
    image::MediaType,
    limits::Limits,
    trust::{
        PublicKey,
        layout::{self, Demands, Inspections, LayoutError, Links, Offered},
    },
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    if case.text("layout").is_some() {
        return match case.text("key") {
            Some(_) => whole(case),
            None => sublayouts(case),
        };
    }
    if let Some(links) = case.text("links") {
        return loose_links(&case.path(links));
    }
    let bytes = case.file("envelope")?;
    let wanted = case.text("payload_type").ok_or("no payload type")?;
    if wanted == MediaType::IN_TOTO {
        return Ok(open(bytes));
    }
    let envelope: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    vector(case, &envelope)
}

/// A layout that the key has to have signed, with its links.
fn whole(case: &Case) -> Outcome {
    let key = PublicKey::from_pem(&case.file("key")?).map_err(|error| error.to_string())?;
    let document = document(&case.file("layout")?)?;
    let links = links(&case.path(case.text("links_dir").ok_or("no links_dir")?))?;
    Ok(verdict(&document, &[key], &links))
}

/// Every step for which a layout stands in the place of a link, by the keys that the layout above gives that step.
fn sublayouts(case: &Case) -> Outcome {
    let Body::Layout(above) = document(&case.file("layout")?)?.body else {
        return Err("no layout".to_owned());
    };
    let folder = case.path(case.text("links_dir").ok_or("no links_dir")?);
    let own = case.list("sublayout_links");
    let (inside, outside): (Vec<_>, Vec<_>) = links(&folder)?
        .here
        .into_iter()
        .partition(|offered| own.iter().any(|name| offered.file.as_deref() == Some(name)));
    let inside = Links { here: inside, ..Links::default() };
    let mut accepted = 0;
    for step in &above.steps {
        let of_step = |offered: &&Offered| {
            offered.file.as_deref().is_some_and(|f| f.starts_with(&format!("{}.", step.name)))
        };
        let keys: Vec<PublicKey> = step
            .keys
            .iter()
            .filter_map(|id| above.keys.get(id)?.public.as_deref())
            .filter_map(|pem| PublicKey::from_pem(pem.as_bytes()).ok())
            .collect();
        for offered in outside.iter().filter(of_step) {
            match verdict(&offered.document, &keys, &inside) {
                Verdict::Accepted => accepted += 1,
                refused => return Ok(refused),
            }
        }
    }
    if accepted == 0 { Err("no step has a sublayout".to_owned()) } else { Ok(Verdict::Accepted) }
}

/// What hallmark says about a layout.
fn verdict(layout: &Document, keys: &[PublicKey], links: &Links) -> Verdict {
    let limits = Limits::default();
    let verify = |inspections| {
        let demands = Demands { keys, now: Timestamp::now(), inspections, limits: &limits };
        layout::verify(layout, links, &demands)
    };
    let asked = matches!(&layout.body, Body::Layout(layout) if !layout.inspections.is_empty());
    match (verify(Inspections::Proven), verify(Inspections::UnsafeSkip)) {
        (Ok(_), Ok(_)) if !asked => Verdict::Accepted,
        (Err(LayoutError::Inspection { .. }), Ok(_)) if asked => Verdict::Accepted,
        (Err(error), Err(_)) => Verdict::refused(error.code(), error),
        (proven, skipped) => {
            Verdict::refused("contradiction", format!("{proven:?}, without: {skipped:?}"))
        }
    }
}

/// Links without a signed layout: each is read, and one of the keys beside it in the suite has to have signed it.
fn loose_links(folder: &Path) -> Outcome {
    let keys = keys_below(folder.parent().ok_or("no folder above")?)?;
    for offered in links(folder)?.here {
        let Document { message, signatures, unsupported_signatures, .. } = &offered.document;
        let signed = signatures
            .iter()
            .any(|s| keys.iter().any(|key| key.verifies_in_toto(message, &s.bytes)));
        let file = offered.file.unwrap_or_default();
        if !signed && *unsupported_signatures > 0 {
            return Ok(Verdict::refused(Code::LayoutKeyUnsupported, file));
        }
        if !signed {
            return Ok(Verdict::refused(Code::SignatureUntrusted, file));
        }
    }
    Ok(Verdict::Accepted)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn keys_below(folder: &Path) -> Result<Vec<PublicKey>, String> {
    let mut keys = Vec::new();
    for path in files(folder)? {
        if path.is_dir() {
            keys.extend(keys_below(&path)?);
        } else if path.extension().is_some_and(|end| end == "pub" || end == "pem") {
            keys.extend(std::fs::read(&path).ok().and_then(|pem| PublicKey::from_pem(&pem).ok()));
        }
    }
    Ok(keys)
}

/// A folder as section 4.5.2 describes it.
fn links(folder: &Path) -> Result<Links, String> {
    let mut links = Links { here: Vec::new(), folders: BTreeMap::new(), shared: false };
    for path in files(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() {
            links.folders.insert(name, self::links(&path)?);
        } else if name.ends_with(".link") {
            let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
            let document = document(&bytes).map_err(|error| format!("{name}: {error}"))?;
            links.here.push(Offered { file: Some(name), document });
        }
    }
    Ok(links)
}

fn document(bytes: &[u8]) -> Result<Document, String> {
    Document::open(bytes, &Limits::default()).map_err(|error| error.to_string())
}

/// What hallmark does with an envelope that it finds.
fn open(bytes: Vec<u8>) -> Verdict {
    let digest = ManifestDigest::of(&bytes);
    let raw = Raw {
        carrier: Carrier::Referrer { manifest: digest.clone(), via: Listing::Api },
        media_type: MediaType::new(MediaType::DSSE),
        bytes: Bytes::from(bytes),
        annotations: Default::default(),
        attached_to: digest,
    };
    match attest::open(&raw, &Limits::default()) {
        Ok(_) => Verdict::Accepted,
        Err(error) => Verdict::refused(error.code(), error),
    }
}

/// The vector of the protocol: its encoding, and a signature whose two numbers stand side by side.
fn vector(case: &Case, envelope: &Value) -> Outcome {
    let base64 = |value: &Value| STANDARD.decode(value.as_str().unwrap_or_default());
    let payload = base64(&envelope["payload"]).map_err(|error| error.to_string())?;
    let kind = envelope["payloadType"].as_str().unwrap_or_default();
    let pae = sigstore_types::pae(kind, &payload);
    if Some(pae.as_slice()) != case.text("pae_utf8").map(str::as_bytes) {
        return Ok(Verdict::refused("pae", String::from_utf8_lossy(&pae)));
    }
    let signature = base64(&envelope["signatures"][0]["sig"]).map_err(|error| error.to_string())?;
    let key = &case.inputs["key_ecdsa_p256"];
    let coordinate = |name: &str| decimal(key[name].as_str().unwrap_or_default());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let verifying = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        point,
    );
    Ok(match verifying.verify(&pae, &signature) {
        Ok(()) => Verdict::Accepted,
        Err(error) => Verdict::refused("signature-invalid", error),
    })
}

/// A decimal number as 32 bytes, big-endian.
fn decimal(text: &str) -> Vec<u8> {
    let mut bytes = vec![0u8; 32];
    for digit in text.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in bytes.iter_mut().rev() {
            let value = u32::from(*byte) * 10 + carry;
            *byte = (value & 0xff) as u8;
            carry = value >> 8;
        }
    }
    bytes
}
