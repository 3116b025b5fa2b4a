//! Whether an image came out of the supply chain that a layout describes.
//!
//! The operator names layouts, the keys that have to have signed them and the images that they are for; the image brings the
//! links, as attached evidence. A layout is proven for an image when its steps hold and a product of the last one has the digest
//! of the image's manifest or index. A layout that comes with the image is never more than the sublayout of a functionary (B6).

use std::sync::Arc;

use jiff::Timestamp;

use super::{Chain, Demands, Inspections, LayoutError, Links, Offered, Remark, known::known};
use crate::{
    amount::plural,
    attest::{
        Carrier,
        in_toto::{Artifacts, Body, Document},
    },
    digest::ManifestDigest,
    finding::{Code, Fact, Finding, Key, Subject},
    image::Image,
    reference::Location,
    trust::{
        Basis, ImagePattern, PublicKey, Signer, SignerIdentity, Verified, complaint,
        work::{Left, Work},
    },
};

/// A layout that images have to be made by.
#[derive(Debug, Clone)]
pub struct LayoutRule {
    /// Its name in reports.
    pub name: String,
    /// Images that it is for: any of these.
    pub images: Vec<ImagePattern>,
    /// The layout.
    pub layout: Arc<Document>,
    /// Every one of these has to have signed it.
    pub keys: Vec<PublicKey>,
    /// What becomes of its inspections.
    pub inspections: Inspections,
}

/// A layout, link or link statement that came with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedLink {
    /// Where it was found.
    pub carrier: Carrier,
    /// The name of its file, as its carrier annotates it.
    pub file: Option<String>,
    /// The document.
    pub document: Document,
}

/// What became of one layout for one image.
#[derive(Debug, Clone)]
pub struct JudgedLayout {
    /// Its name in `hallmark.yaml`.
    pub name: String,
    /// Proven, unproven, missing.
    pub state: LayoutState,
}

/// The three values of a layout.
#[derive(Debug, Clone)]
pub enum LayoutState {
    /// The image is what the last step left.
    Proven(Verified<Chain>),
    /// There are links, and they do not prove it.
    Unproven(LayoutError),
    /// There are no links at all.
    Missing(LayoutError),
}

impl LayoutState {
    /// The word in policies and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proven(_) => "proven",
            Self::Unproven(_) => "unproven",
            Self::Missing(_) => "missing",
        }
    }

    /// Why it is not proven.
    pub fn why(&self) -> Option<&LayoutError> {
        match self {
            Self::Proven(_) => None,
            Self::Unproven(error) | Self::Missing(error) => Some(error),
        }
    }
}

impl LayoutRule {
    /// Whether it is for images at this location.
    pub fn is_for(&self, location: &Location) -> bool {
        self.images.iter().any(|pattern| pattern.matches(location))
    }
}

/// Judges every layout that is for this image.
pub fn prove_layouts(
    rules: &[LayoutRule],
    carried: &[CarriedLink],
    image: &Image,
    now: Timestamp,
    work: &mut Work<'_>,
) -> (Vec<JudgedLayout>, Vec<Finding>) {
    let limits = work.limits;
    let (mut judged, mut findings) = (Vec::new(), Vec::new());
    let offered: Vec<Offered> = carried
        .iter()
        .map(|one| Offered { file: one.file.clone(), document: one.document.clone() })
        .collect();
    let mut left = Left::of(limits);
    for rule in rules.iter().filter(|rule| rule.is_for(&image.reference.location)) {
        let inspections = rule.inspections;
        let here = known(&rule.layout, &rule.keys, &offered, &mut left, work);
        let links = Links { here, shared: true, ..Links::default() };
        let demands = Demands { keys: &rule.keys, now, inspections, limits };
        let left = |products: &Artifacts| subject(products, image).is_some();
        let chain = super::verify_for(&rule.layout, &links, &demands, Some(&left));
        let proven = chain.and_then(|chain| {
            findings.extend(chain.remarks.iter().map(|remark| remarked(rule, remark)));
            verified(rule, chain, carried, image)
        });
        let state = match proven {
            Ok(verified) => LayoutState::Proven(verified),
            Err(error) => {
                findings.push(refused(rule, &error, image));
                let missing = carried.is_empty();
                match error {
                    LayoutError::Threshold { .. } if missing => LayoutState::Missing(error),
                    error => LayoutState::Unproven(error),
                }
            }
        };
        judged.push(JudgedLayout { name: rule.name.clone(), state });
    }
    if left.is_short() {
        let why = left.why(limits, carried.len());
        findings.push(complaint::left_out(
            image,
            format!("of {}: {why}", plural(carried.len(), "link")),
        ));
    }
    (judged, findings)
}

/// The chain as a proof about the image, where the last step left the image.
fn verified(
    rule: &LayoutRule,
    chain: Chain,
    carried: &[CarriedLink],
    image: &Image,
) -> Result<Verified<Chain>, LayoutError> {
    let last = chain.steps.last().map(|step| step.name.clone()).unwrap_or_default();
    let missing = || LayoutError::Product { step: last.clone() };
    let product = subject(&chain.products, image).ok_or_else(missing)?;
    let of_last = |one: &&CarriedLink| match &one.document.body {
        Body::Link(link) => link.name == last && link.products == chain.products,
        Body::Layout(_) => false,
    };
    let carrier = carried.iter().find(of_last).or(carried.first()).ok_or_else(missing)?;
    let signer = |key: &PublicKey| Signer {
        name: rule.name.clone(),
        identity: SignerIdentity::Key { fingerprint: key.fingerprint(), recorded: None },
    };
    let signers = rule.keys.iter().map(signer).collect();
    let payload = rule.layout.payload.clone();
    let carrier = carrier.carrier.clone();
    Ok(Verified::new(chain, product, signers, Basis::Signed, carrier, payload))
}

/// The document of the image that is one of these products, the outermost index first.
fn subject(products: &Artifacts, image: &Image) -> Option<ManifestDigest> {
    image.documents().find_map(|document| {
        let digests = document.digests();
        let is_product = products.values().any(|artifact| artifact.is_one_of(&digests));
        is_product.then(|| document.digest.clone())
    })
}

fn about(code: Code, rule: &LayoutRule) -> Finding {
    Finding::new(code, Subject::Operator(format!("trust.layouts {}", rule.name)))
}

/// An error, whatever is wrong: the operator named the layout for this image, and no policy takes that back.
fn refused(rule: &LayoutRule, error: &LayoutError, image: &Image) -> Finding {
    let finding = about(error.code(), rule)
        .with(Key::Why, error.to_string())
        .at(crate::finding::Severity::Error);
    match error {
        LayoutError::Product { .. } => finding.with(Key::Expect, &image.manifest.document.digest),
        _ => finding,
    }
}

fn remarked(rule: &LayoutRule, remark: &Remark) -> Finding {
    let words = |words: &[String]| Fact::Text(words.join(" ").chars().take(200).collect());
    match remark {
        Remark::Command { step, expected, found } => about(Code::LayoutCommandDiffers, rule)
            .with(Key::Expect, words(expected))
            .with(Key::Found, words(found))
            .with(Key::From, format!("step {step}")),
        Remark::Key { step, id, kind } => about(Code::LayoutKeyUnsupported, rule)
            .with(Key::Found, format!("{id:.80} ({kind})"))
            .with(Key::From, format!("step {step}"))
            .with(Key::Why, "the step has enough links by other keys"),
        Remark::Skipped { inspection } => about(Code::LayoutInspectionNotRun, rule)
            .with(Key::Found, inspection.as_str())
            .with(Key::Why, "unsafe_skipInspections is written in hallmark.yaml"),
    }
}
