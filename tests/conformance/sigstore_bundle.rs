//! Area `sigstore-bundle`: bundles against an explicit trusted root, at the time that the bundle proves.

use hallmark::{
    attest::{Bundle, BundleContent, Statement},
    digest::Digest,
    limits::Limits,
    trust::{
        PublicKey,
        sigstore::{
            self, Claim, Content, Demands, KeylessIdentity, NoCtLog, Pattern, TextMatch, Times,
            TrustedRoot, Vouched,
        },
    },
};
use serde_json::Value;

use super::{Case, Outcome, Verdict};

/// The artifact of a case: its bytes, or only a digest.
enum Artifact {
    Bytes(Vec<u8>),
    Digest(Digest),
    None,
}

pub(crate) fn run(case: &Case) -> Outcome {
    judged(case, claims)
}

/// Says what a policy says about the signer and what was signed, which is empty where it is not in the bundle.
pub(crate) type Judge = fn(&Case, &Vouched, &[u8]) -> Verdict;

/// Verifies the case's bundles, and lets `judge` say more.
pub(crate) fn judged(case: &Case, judge: Judge) -> Outcome {
    let limits = Limits::default();
    let Some(root) = case.text("trusted_root") else {
        let bytes = case.file("bundle")?;
        return Ok(match Bundle::parse(&bytes, &limits) {
            Ok(_) => Verdict::Accepted,
            Err(error) => Verdict::refused(error.code(), error),
        });
    };
    let root = match root_of(case, &case.read(root)?, &limits) {
        Ok(root) => root,
        Err(why) => return Ok(Verdict::refused("root", why)),
    };
    let name = case.text("bundle").ok_or("no bundle")?;
    let bytes = case.read(name)?;
    let lines: Vec<&[u8]> = if name.ends_with(".jsonl") {
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
    } else {
        vec![&bytes]
    };
    for line in lines {
        if let refused @ Verdict::Refused { .. } = one(case, line, &root, &limits, judge)? {
            return Ok(refused);
        }
    }
    Ok(Verdict::Accepted)
}

fn root_of(case: &Case, bytes: &[u8], limits: &Limits) -> Result<TrustedRoot, String> {
    let root = TrustedRoot::from_json(bytes, limits).map_err(|error| error.to_string())?;
    let Some(authority) = case.text("timestamp_authority") else { return Ok(root) };
    let authority: Value =
        serde_json::from_slice(&case.read(authority)?).map_err(|error| error.to_string())?;
    let chain = authority["certChain"]["certificates"].as_array().ok_or("no chain")?;
    let chain: Vec<Vec<u8>> = chain
        .iter()
        .filter_map(|entry| entry["rawBytes"].as_str())
        .map(|text| sigstore_types::PayloadBytes::from_base64(text).map(|b| b.as_bytes().to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    root.with_timestamp_authority(&chain, None).map_err(|error| error.to_string())
}

fn identity_of(case: &Case) -> Result<KeylessIdentity, String> {
    let subject = match (case.text("identity"), case.text("identity_regexp")) {
        (Some(exact), _) => TextMatch::Exact(exact.to_owned()),
        (None, Some(pattern)) => {
            // The suites' patterns are not anchored at the end, and dots of hosts not escaped; ours have to be.
            let pattern = format!("{}.*$", pattern.trim_end_matches('$'));
            let pattern = Pattern::meant(&pattern).unwrap_or(pattern);
            TextMatch::Pattern(Pattern::parse(&pattern).map_err(|fault| fault.to_string())?)
        }
        (None, None) => TextMatch::UnsafeAny,
    };
    let issuer = case.text("issuer").map(|issuer| TextMatch::Exact(issuer.to_owned()));
    Ok(KeylessIdentity { issuer, subject })
}

fn artifact_of(case: &Case) -> Result<Artifact, String> {
    let digest = |algorithm: &str, hex: &str| {
        format!("{algorithm}:{hex}").parse().map(Artifact::Digest).map_err(|e| format!("{e}"))
    };
    if case.text("artifact").is_some() {
        return case.file("artifact").map(Artifact::Bytes);
    }
    if let Some(text) = case.text("artifact_text") {
        return Ok(Artifact::Bytes(text.as_bytes().to_vec()));
    }
    if let Some(hex) = case.text("artifact_sha256") {
        return digest("sha256", hex);
    }
    case.text("artifact_sha512").map_or(Ok(Artifact::None), |hex| digest("sha512", hex))
}

fn one(case: &Case, bytes: &[u8], root: &TrustedRoot, limits: &Limits, judge: Judge) -> Outcome {
    let bundle = match Bundle::parse(bytes, limits) {
        Ok(bundle) => bundle,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    let artifact = artifact_of(case)?;
    let message;
    let mut stated_digest = None;
    let content = match &bundle.content {
        BundleContent::Envelope { payload_type, payload } => {
            message = sigstore_types::pae(payload_type, payload);
            Content::Envelope { payload_type, payload, message: &message, document: None }
        }
        BundleContent::Message { digest } => {
            stated_digest = digest.as_ref();
            match &artifact {
                Artifact::Bytes(bytes) => Content::Message(bytes),
                Artifact::Digest(digest) => Content::Digest(digest),
                Artifact::None => return Err("no artifact for a signature over bytes".to_owned()),
            }
        }
    };
    let claim = Claim {
        content,
        signature: &bundle.signature.bytes,
        stated_digest,
        material: &bundle.material,
    };
    let number = |key| case.inputs.get(key).and_then(Value::as_u64).map(|n| n as usize);
    let demands = Demands {
        logs: number("tlog_threshold").unwrap_or(1),
        times: Times::Proven(number("required_time_sources").unwrap_or(1)),
        no_ct_log: NoCtLog::Allow,
        now: None,
    };
    if case.text("key").is_some() {
        let key = match PublicKey::from_pem(&case.file("key")?) {
            Ok(key) => key,
            Err(error) => return Ok(Verdict::refused("key", error)),
        };
        let demands = Demands { times: Times::Proven(0), ..demands };
        return Ok(match sigstore::verify_keyed(&claim, &key, root, &demands) {
            Ok(_) => about(&bundle, &artifact, limits),
            Err(error) => Verdict::refused(error.code(), error),
        });
    }
    let vouched = match sigstore::verify(&claim, &identity_of(case)?, root, &demands) {
        Ok(vouched) => vouched,
        Err(error) => return Ok(Verdict::refused(error.code(), error)),
    };
    Ok(match about(&bundle, &artifact, limits) {
        Verdict::Accepted => judge(case, &vouched, payload_of(&bundle)),
        refused => refused,
    })
}

fn payload_of(bundle: &Bundle) -> &[u8] {
    match &bundle.content {
        BundleContent::Envelope { payload, .. } => payload,
        BundleContent::Message { .. } => &[],
    }
}

/// The statement in an envelope is about the artifact; a signature over bytes is by itself.
fn about(bundle: &Bundle, artifact: &Artifact, limits: &Limits) -> Verdict {
    let digest = match artifact {
        Artifact::Digest(digest) => digest.clone(),
        Artifact::Bytes(bytes) => Digest::sha256(bytes),
        Artifact::None => return Verdict::Accepted,
    };
    let BundleContent::Envelope { payload_type, payload } = &bundle.content else {
        return Verdict::Accepted;
    };
    if payload_type != "application/vnd.in-toto+json" {
        return Verdict::refused("signature-malformed", payload_type);
    }
    match Statement::parse(payload, limits) {
        Ok(statement) if statement.speaks_about(&digest) => Verdict::Accepted,
        Ok(_) => Verdict::refused("signature-subject-mismatch", "another artifact"),
        Err(error) => Verdict::refused(error.code(), error),
    }
}

/// What a policy asks of Fulcio's extensions.
fn claims(case: &Case, vouched: &Vouched, _payload: &[u8]) -> Verdict {
    let asked = [
        ("source_repository", "sourceRepositoryUri"),
        ("source_repository_owner", "sourceRepositoryOwnerUri"),
    ];
    for (input, claim) in asked {
        if let Some(expected) = case.text(input)
            && vouched.claims.get(claim).map(String::as_str) != Some(expected)
        {
            return Verdict::refused("claim", format!("{claim}: {:?}", vouched.claims.get(claim)));
        }
    }
    Verdict::Accepted
}
