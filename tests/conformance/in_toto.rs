//! Area `in-toto`: DSSE envelopes; layouts and links are not read yet.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hallmark::{
    attest::{self, Carrier, Listing, Raw},
    digest::ManifestDigest,
    image::MediaType,
    limits::Limits,
};
use serde_json::Value;

use super::{Case, Outcome, Verdict};

pub(crate) fn run(case: &Case) -> Outcome {
    if case.text("envelope").is_none() {
        return Err("hallmark reads no layouts yet".to_owned());
    }
    let bytes = case.file("envelope")?;
    let wanted = case.text("payload_type").ok_or("no payload type")?;
    if wanted == MediaType::IN_TOTO {
        return Ok(open(bytes));
    }
    let envelope: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    vector(case, &envelope)
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
