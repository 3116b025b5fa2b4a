//! The tree of an image: platforms, layers, and every piece of evidence with its carrier, its signers, and what was
//! proven.
//!
//! Turns an [`Inspection`] into text and into JSON, `hallmark/inspection/v1`. Two kinds of words are kept apart: what
//! evidence *says* of itself, and what is *proven*. No verdict is among them.

use serde_json::{Value, json};

use super::{
    branches::Branch,
    json::{finding as finding_json, lines},
    shown,
    text::unproven,
    told::write_finding,
};
use crate::{
    amount::bytes as size,
    contents::secrets::shown_line,
    finding::{Finding, Severity},
    image::{Descriptor, Image},
    policy::PolicyInput,
    trust::{
        Claimed, Proof, Signer, SignerIdentity,
        examine::{Entry, Examined, Look, Maker, Presented, Said, Seen},
        hint_shown,
        sigstore::{ProvenTime, TimeSource, Vouched},
    },
    untrusted::{Page, line, word},
    verdict::{Asked, Evidence},
};

/// Schema of an inspection.
pub const INSPECTION: &str = "hallmark/inspection/v1";
/// Annotation that marks an attestation manifest in an index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What is known about one platform's image before anybody judges it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The image and what was proven about it.
    pub evidence: Evidence,
    /// What was seen.
    pub findings: Vec<Finding>,
    /// Every piece of evidence by itself.
    pub examined: Vec<Examined>,
}

/// Renders the trees of an image's platforms.
pub fn tree(inspections: &[Inspection]) -> String {
    let mut out = Page::default();
    let Some(first) = inspections.first() else { return String::new() };
    let image = &first.evidence.image;
    let mut root = Branch::new(image.reference.to_string());
    root.push(index(image, inspections));
    inspections.iter().for_each(|inspection| root.push(platform(inspection)));
    root.write(&mut out);
    let weighty = |f: &&Finding| f.severity > Severity::Info;
    for finding in inspections.iter().flat_map(|i| &i.findings).filter(weighty) {
        line!(out);
        write_finding(&mut out, finding, finding.severity);
    }
    shown::lines(&out)
}

/// What the index lists, and which of it is shown below.
fn index(image: &Image, shown: &[Inspection]) -> Branch {
    let Some(index) = &image.index else { return Branch::new("no index: a single manifest") };
    let text = format!("index  {}  {}", index.document.digest, index.media_type);
    let is_shown = |entry: &Descriptor| {
        let digests = shown.iter().map(|i| i.evidence.image.manifest.document.digest.digest());
        digests.into_iter().any(|digest| digest == entry.digest.digest())
    };
    let entry = |entry: &Descriptor| {
        let what = match (entry.annotations.get(REFERENCE_TYPE), &entry.platform) {
            (Some(kind), _) => kind.clone(),
            (None, Some(platform)) => platform.to_string(),
            (None, None) => "no platform".to_owned(),
        };
        let below = if is_shown(entry) { "  (below)" } else { "" };
        Branch::new(format!("{what}  {}  {}{below}", entry.digest, size(entry.size)))
    };
    Branch::new(text).with(index.manifests.iter().map(entry))
}

fn platform(inspection: &Inspection) -> Branch {
    let evidence = &inspection.evidence;
    let image = &evidence.image;
    let text = format!("{}  {}", image.platform, image.manifest.document.digest);
    let mut branch = Branch::new(text);
    let created = image.config.created.as_ref().map(ToString::to_string);
    let created = created.map(|time| format!("  created {time}, as it says")).unwrap_or_default();
    branch.push(Branch::new(format!("config  {}{created}", image.config.document.digest)));
    branch.push(layers(image));
    branch.push(pieces(inspection));
    branch.push(claims(evidence));
    if let Some(provenance) = evidence.provenance.value() {
        branch.push(builder(&provenance.builder_id, evidence.provenance.proven().is_some()));
    }
    let weighty = inspection.findings.iter().filter(|f| f.severity > Severity::Info).count();
    branch.push(Branch::new(match weighty {
        0 => "findings  none".to_owned(),
        n => format!("findings  {n}, below"),
    }));
    branch
}

fn layers(image: &Image) -> Branch {
    let layers = &image.manifest.layers;
    let total = layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
    let layer = |(position, layer): (usize, &Descriptor)| {
        let compression = layer.media_type.layer_compression().map_or("?", |c| c.name());
        Branch::new(format!("{position}  {}  {}  {compression}", layer.digest, size(layer.size)))
    };
    Branch::new(format!("layers  {}, {}", layers.len(), size(total)))
        .with(layers.iter().enumerate().map(layer))
}

fn pieces(inspection: &Inspection) -> Branch {
    let examined = &inspection.examined;
    Branch::new(match examined.len() {
        0 => "evidence  none".to_owned(),
        n => format!("evidence  {n}"),
    })
    .with(examined.iter().map(piece))
}

fn piece(examined: &Examined) -> Branch {
    let branch = Branch::new(examined.carrier.to_string());
    match &examined.look {
        Look::Hint => branch,
        Look::Malformed(why) => branch.with([Branch::new(format!("cannot be read: {why}"))]),
        Look::Unsupported(kind) => {
            branch.with([Branch::new(format!("{kind}: this version does not verify it"))])
        }
        Look::Document => {
            branch.with([Branch::new(format!("{}: a document, unsigned", examined.media_type))])
        }
        Look::InToto { step, key_hints } => {
            let says = match step {
                Some(step) => format!("in-toto link of the step {step:?}"),
                None => "in-toto layout".to_owned(),
            };
            let hint = |hint: &String| Branch::new(format!("key hint  {}", hint_shown(hint)));
            branch.with([Branch::new(says)]).with(key_hints.iter().map(hint))
        }
        Look::Bare(said) => branch.with([
            Branch::new(format!("says    {}", said.predicate_type)),
            Branch::new(format!("about   {}", about(said))),
            Branch::new("signed  not by itself"),
        ]),
        Look::Signed { format, said, signatures } => branch
            .with([
                Branch::new(format!("says    {} ({format})", said.predicate_type)),
                Branch::new(format!("about   {}", about(said))),
            ])
            .with(signatures.iter().map(signature)),
    }
}

fn about(said: &Said) -> String {
    let ours: Vec<String> = said.subjects.iter().map(ToString::to_string).collect();
    match (ours.is_empty(), said.others) {
        (true, _) => "another image".to_owned(),
        (false, 0) => format!("this image: {}", ours.join(", ")),
        (false, n) => format!("this image: {}, and {n} others", ours.join(", ")),
    }
}

fn signature(seen: &Seen) -> Branch {
    let mut branch = Branch::new(format!("signed  {}", maker(&seen.maker)));
    if let Some(certificate) = &seen.certificate {
        branch.push(Branch::new(presented(certificate)));
    } else if let Some(hint) = &seen.key_hint {
        branch.push(Branch::new(format!("key hint  {}", hint_shown(hint))));
    }
    seen.entries.iter().for_each(|entry| branch.push(Branch::new(log_entry(entry))));
    if seen.timestamps > 0 {
        branch.push(Branch::new(format!("timestamps  {} beside it", seen.timestamps)));
    }
    if let Some(proven) = proven(&seen.maker) {
        branch.push(Branch::new(format!("proven  {proven}")));
    }
    branch
}

fn maker(maker: &Maker) -> String {
    match maker {
        Maker::Configured(signers) => {
            let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
            format!("by {}", signers.join(", "))
        }
        Maker::Stranger { root, vouched } => {
            let (who, issuer) = (&vouched.subject, vouched.issued_by());
            format!("by {who} ({issuer}), as the root {root} says; no configured signer")
        }
        Maker::Unknown { why: Some(why) } => format!("by an unknown signer: {why}"),
        Maker::Unknown { why: None } => "by no configured signer".to_owned(),
    }
}

fn presented(certificate: &Presented) -> String {
    let names: Vec<String> = certificate.names.iter().map(|name| word(name).to_string()).collect();
    let names = names.join(", ");
    let issuer = certificate.issuer.as_deref().map(|issuer| word(issuer).to_string());
    let issuer = issuer.unwrap_or_else(|| "no issuer stated".to_owned());
    let (from, until) = certificate.valid;
    format!("certificate  says {names} ({issuer}), valid {from} to {until}")
}

fn log_entry(entry: &Entry) -> String {
    let evidence = match (entry.proof, entry.promise) {
        (true, true) => "inclusion proof and promise",
        (true, false) => "inclusion proof",
        (false, true) => "promise",
        (false, false) => "no evidence",
    };
    let taken = entry.integrated.map(|time| format!(", says {time}")).unwrap_or_default();
    format!("log  {:.16} index {}, {}, with {evidence}{taken}", entry.log, entry.index, entry.kind)
}

/// What is proven besides who it was; keys prove neither time nor log by themselves.
fn proven(maker: &Maker) -> Option<String> {
    let (times, log_indices) = match maker {
        Maker::Stranger { vouched, .. } => (&vouched.times, &vouched.log_indices),
        Maker::Configured(signers) => signers.iter().find_map(record_of)?,
        Maker::Unknown { .. } => return None,
    };
    let times = times.iter().map(|time| format!("{} ({})", time.time, source(time.source)));
    let times: Vec<String> = times.collect();
    let logged: Vec<String> = log_indices.iter().map(ToString::to_string).collect();
    let logged = match logged.is_empty() {
        true => "in no log".to_owned(),
        false => format!("logged at index {}", logged.join(", ")),
    };
    match times.is_empty() {
        true => Some(logged),
        false => Some(format!("signed at {}, {logged}", times.join(" and "))),
    }
}

/// When a signature was made and where it is logged, as far as that is proven.
fn record_of(signer: &Signer) -> Option<(&Vec<ProvenTime>, &Vec<u64>)> {
    match &signer.identity {
        SignerIdentity::Keyless(vouched) => Some((&vouched.times, &vouched.log_indices)),
        SignerIdentity::Key { recorded, .. } => {
            recorded.as_deref().map(|recorded| (&recorded.times, &recorded.log_indices))
        }
    }
}

fn source(source: TimeSource) -> &'static str {
    match source {
        TimeSource::Log => "transparency log",
        TimeSource::Authority => "timestamp authority",
    }
}

/// What the trust rules make of it all.
fn claims(evidence: &Evidence) -> Branch {
    let all = evidence.signatures.iter().chain(&evidence.attestations);
    let claims: Vec<Branch> = all.filter_map(claim).collect();
    Branch::new(match claims.len() {
        0 => "claims  none".to_owned(),
        n => format!("claims  {n}"),
    })
    .with(claims)
}

/// Who built the image, as its provenance says: what policy.settings.provenance.builders lists.
fn builder(id: &str, proven: bool) -> Branch {
    let state = if proven { "in proven provenance" } else { "as unproven provenance says" };
    Branch::new(match id.is_empty() {
        true => format!("builder  named by nothing, {state}"),
        false => format!("builder  {}, {state}", word(&shown_line(id))),
    })
}

fn claim(proof: &Proof<Claimed>) -> Option<Branch> {
    let statement = proof.value()?;
    let state = match proof {
        Proof::Proven(verified) => {
            let signers: Vec<&str> = verified.signers().iter().map(|s| s.name.as_str()).collect();
            format!("proven by {}", signers.join(", "))
        }
        Proof::Unproven { why, .. } => format!("not proven: {}", unproven(why)),
        Proof::Missing => return None,
    };
    Some(Branch::new(format!("{}  {state}", statement.predicate_type)))
}

/// Renders the inspections as one document.
pub fn json(inspections: &[Inspection], asked: Asked, time: jiff::Timestamp) -> String {
    let first = inspections.first().map(|inspection| &inspection.evidence.image);
    let index = first.and_then(|image| image.index.as_ref());
    lines(&json!({
        "schema": INSPECTION,
        "reference": first.map(|image| image.reference.to_string()),
        "index": index.map(|index| json!({
            "digest": index.document.digest.to_string(),
            "mediaType": index.media_type.as_str(),
            "manifests": index.manifests.iter().map(descriptor).collect::<Vec<_>>(),
        })),
        "platforms": inspections.iter().map(|i| platform_json(i, asked, time)).collect::<Vec<_>>(),
    }))
}

fn descriptor(descriptor: &Descriptor) -> Value {
    json!({
        "digest": descriptor.digest.to_string(),
        "mediaType": descriptor.media_type.as_str(),
        "size": descriptor.size,
        "platform": descriptor.platform.as_ref().map(ToString::to_string),
        "annotations": descriptor.annotations,
    })
}

fn platform_json(inspection: &Inspection, asked: Asked, time: jiff::Timestamp) -> Value {
    let image = &inspection.evidence.image;
    json!({
        "platform": image.platform.to_string(),
        "manifest": image.manifest.document.digest.to_string(),
        "config": image.config.document.digest.to_string(),
        "layers": image.manifest.layers.iter().map(descriptor).collect::<Vec<_>>(),
        "examined": inspection.examined.iter().map(examined_json).collect::<Vec<_>>(),
        "evidence": PolicyInput::report(&inspection.evidence, asked, &inspection.findings, time),
        "findings": inspection.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn examined_json(examined: &Examined) -> Value {
    let (kind, detail) = match &examined.look {
        Look::Hint => ("hint", Value::Null),
        Look::Malformed(why) => ("malformed", json!({ "why": why })),
        Look::Unsupported(what) => ("unsupported", json!({ "why": what })),
        Look::Document => ("document", Value::Null),
        Look::InToto { step, key_hints } => {
            ("in-toto", json!({ "step": step, "keyHints": key_hints }))
        }
        Look::Bare(said) => ("bare", said_json(said)),
        Look::Signed { format, said, signatures } => {
            let mut detail = said_json(said);
            detail["format"] = json!(format);
            detail["signatures"] = signatures.iter().map(seen_json).collect();
            ("signed", detail)
        }
    };
    json!({
        "carrier": examined.carrier.kind(),
        "place": examined.carrier.to_string(),
        "mediaType": examined.media_type.as_str(),
        "digest": examined.digest.to_string(),
        "is": kind,
        "detail": detail,
    })
}

fn said_json(said: &Said) -> Value {
    json!({
        "predicateType": said.predicate_type,
        "subjects": said.subjects.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "otherSubjects": said.others,
    })
}

fn seen_json(seen: &Seen) -> Value {
    json!({
        "keyHint": seen.key_hint,
        "certificate": seen.certificate.as_ref().map(|certificate| json!({
            "names": certificate.names,
            "issuer": certificate.issuer,
            "notBefore": certificate.valid.0.to_string(),
            "notAfter": certificate.valid.1.to_string(),
        })),
        "entries": seen.entries.iter().map(|entry| json!({
            "log": entry.log,
            "index": entry.index,
            "kind": entry.kind,
            "integrated": entry.integrated.map(|time| time.to_string()),
            "promise": entry.promise,
            "proof": entry.proof,
        })).collect::<Vec<_>>(),
        "timestamps": seen.timestamps,
        "maker": maker_json(&seen.maker),
    })
}

fn maker_json(maker: &Maker) -> Value {
    match maker {
        Maker::Configured(signers) => json!({
            "is": "configured",
            "signers": signers.iter().map(|s| json!({
                "name": s.name,
                "identity": s.to_string(),
                "vouched": s.vouched().map(vouched_json),
            })).collect::<Vec<_>>(),
        }),
        Maker::Stranger { root, vouched } => {
            json!({ "is": "stranger", "root": root, "vouched": vouched_json(vouched) })
        }
        Maker::Unknown { why } => {
            json!({ "is": "unknown", "why": why.as_ref().map(ToString::to_string) })
        }
    }
}

fn vouched_json(vouched: &Vouched) -> Value {
    json!({
        "issuer": vouched.issuer,
        "subject": vouched.subject.as_str(),
        "claims": vouched.claims,
        "times": vouched.times.iter().map(|time| json!({
            "time": time.time.to_string(),
            "source": source(time.source),
        })).collect::<Vec<_>>(),
        "logIndices": vouched.log_indices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builder_is_shown_as_rules_list_it() {
        let cases = [
            (
                builder("https://b.example/x", true),
                "builder  https://b.example/x, in proven provenance",
            ),
            (
                builder("https://b.example/x", false),
                "builder  https://b.example/x, as unproven provenance says",
            ),
            (builder("", true), "builder  named by nothing, in proven provenance"),
        ];
        for (branch, want) in cases {
            assert_eq!(branch, Branch::new(want));
        }
    }
}
