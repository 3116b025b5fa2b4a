//! Whether links prove that a supply chain went as its layout asks (in-toto specification 1.0.0, section 5.2).
//!
//! [`verify`] is pure and does the specification's steps in this order:
//!
//! 1. *Layout's signatures*: every key that the operator named has to have signed the layout, as in-toto's verification asks.
//! 2. *Expiry*: the time is not after `expires`, whatever else holds (attack B6: a replayed layout).
//! 3. *Keys*: functionaries' keys are read from the layout. A key is what its bytes are: its id is a label that only the signed
//!    layout uses, and two ids of one key are one functionary (A24). Keys of OpenPGP and unknown schemes count for nothing, and
//!    that is said.
//! 4. *Links*: a link belongs to the step that it names (4.4); a layout in the place of a link belongs to the step in its file
//!    name (4.5) and is verified by these same steps, with its functionary's keys, to a limited depth. Nobody signed that name,
//!    so one sublayout stands for one step, the first that it fits. Hints in signatures are not looked at. What no authorised key
//!    signed is as if it were not there, and takes no place of what one did (H36).
//! 5. *Threshold*: enough distinct functionaries did each step, and all of them report the same artifacts. Off-spec: also where
//!    a threshold of 1 is met more than once, since otherwise chance decides which link counts.
//! 6. *Rules* of each step (4.3.3), in `rules`.
//! 7. *Inspections*: **hallmark runs no command**. An inspection counts when a link for it is there that every key of this
//!    layout signed and its rules hold (4.5.3; off-spec: at the top too). Otherwise the layout is not proven, unless the operator
//!    wrote `unsafe_skipInspections`, which the result then says.
//!
//! The expected command is compared and never decides. Nothing is substituted into a layout, nothing is read beside it.

mod error;
mod image;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use error::LayoutError;
pub use image::{CarriedLink, JudgedLayout, LayoutRule, LayoutState, prove_layouts};

use self::rules::Item;
use super::PublicKey;
use crate::{
    attest::in_toto::{Artifacts, Body, Document, Inspection, Layout, LayoutKey, Link, Step},
    digest::Digest,
    limits::Limits,
};

/// Links and sublayouts that may belong to one layout.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// The documents.
    pub here: Vec<Offered>,
    /// Those of sublayouts, by the name of the folder: the sublayout's file name without `.link` (section 4.5.2).
    pub folders: BTreeMap<String, Links>,
    /// Where there are no folders, as in a registry: everything is offered to every sublayout too.
    pub shared: bool,
}

/// A document, and the name of the file that it was in.
#[derive(Debug, Clone)]
pub struct Offered {
    /// As `build.776a00e2.link`: says which step a sublayout stands for.
    pub file: Option<String>,
    /// The document.
    pub document: Document,
}

/// What becomes of inspections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inspections {
    /// Each has to have a signed link.
    #[default]
    Proven,
    /// Those without a signed link are left out, and the result names them.
    UnsafeSkip,
}

/// What decides besides the layout.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'a> {
    /// Every one of these has to have signed the layout.
    pub keys: &'a [PublicKey],
    /// The time.
    pub now: Timestamp,
    /// What becomes of inspections.
    pub inspections: Inspections,
    /// The bounds.
    pub limits: &'a Limits,
}

/// A supply chain that went as its layout asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The steps, in the layout's order.
    pub steps: Vec<ProvenStep>,
    /// Materials of the first step.
    pub materials: Artifacts,
    /// Products of the last step.
    pub products: Artifacts,
    /// What is worth knowing and decides nothing.
    pub remarks: Vec<Remark>,
}

/// A step and who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenStep {
    /// Its name.
    pub name: String,
    /// Fingerprints of the functionaries' keys: at least as many as the step's threshold.
    pub functionaries: BTreeSet<String>,
}

/// Something about a supply chain that decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remark {
    /// Another command was run than the layout suggests.
    Command {
        /// In which step.
        step: String,
        /// What the layout suggests.
        expected: Vec<String>,
        /// What the link says.
        found: Vec<String>,
    },
    /// A key that is not verified may sign for a step.
    Key {
        /// Which step.
        step: String,
        /// The key's id in the layout.
        id: String,
        /// What kind it is of.
        kind: String,
    },
    /// An inspection was left out because the operator says so.
    Skipped {
        /// Its name.
        inspection: String,
    },
}

/// Verifies a supply chain.
///
/// # Errors
/// The first thing that is not as the layout asks, in the order of the steps above.
pub fn verify(
    layout: &Document,
    links: &Links,
    demands: &Demands<'_>,
) -> Result<Chain, LayoutError> {
    let limit = demands.limits.layout_links;
    let mut judge = Judge { demands, sublayouts_left: limit, stands_for: BTreeMap::new() };
    if links.count() <= limit {
        return judge.layout(layout, demands.keys, links, 1);
    }
    let known = links.known_to(layout, demands.keys);
    if known.count() > limit {
        return Err(LayoutError::limit("links", limit, "layout_links"));
    }
    judge.layout(layout, demands.keys, &known, 1)
}

impl Links {
    fn count(&self) -> usize {
        self.here.len() + self.folders.values().map(Self::count).sum::<usize>()
    }

    /// Those that a key of the layout signed.
    fn known_to(&self, layout: &Document, owners: &[PublicKey]) -> Self {
        let mut keys = owners.to_vec();
        if let Body::Layout(layout) = &layout.body {
            let read = |key: &LayoutKey| {
                let public = key.public.as_deref()?;
                PublicKey::from_in_toto(&key.keytype, &key.scheme, public)
            };
            keys.extend(layout.keys.values().filter_map(read));
        }
        self.signed_by(&keys)
    }

    fn signed_by(&self, keys: &[PublicKey]) -> Self {
        let known = |offered: &&Offered| !makers(&offered.document, keys).is_empty();
        let folders = self.folders.iter();
        let folders = folders.map(|(name, links)| (name.clone(), links.signed_by(keys)));
        Self {
            here: self.here.iter().filter(known).cloned().collect(),
            folders: folders.collect(),
            shared: self.shared,
        }
    }

    /// The documents for the sublayout that was in `file`.
    fn for_sublayout(&self, file: &str) -> Option<&Self> {
        let folder = file.strip_suffix(".link").and_then(|stem| self.folders.get(stem));
        folder.or(self.shared.then_some(self))
    }
}

impl Offered {
    /// The step in the name of the file, `[name].[KEYID-PREFIX].link`.
    fn step_of_file(&self) -> Option<&str> {
        let (step, prefix) = self.file.as_deref()?.strip_suffix(".link")?.rsplit_once('.')?;
        (!prefix.is_empty() && prefix.bytes().all(|b| b.is_ascii_hexdigit())).then_some(step)
    }
}

/// The keys of one step.
struct Authorised<'l> {
    /// By fingerprint: each key once, however many ids it has.
    keys: BTreeMap<String, PublicKey>,
    unsupported: Vec<(&'l str, &'l LayoutKey)>,
}

/// One report about a step.
struct Report {
    by: BTreeSet<String>,
    materials: Artifacts,
    products: Artifacts,
}

struct Judge<'a> {
    demands: &'a Demands<'a>,
    sublayouts_left: usize,
    /// For which step at which depth a sublayout stands, by its payload.
    stands_for: BTreeMap<Digest, (usize, String)>,
}

impl Judge<'_> {
    fn layout(
        &mut self,
        document: &Document,
        keys: &[PublicKey],
        links: &Links,
        depth: usize,
    ) -> Result<Chain, LayoutError> {
        let Body::Layout(layout) = &document.body else { return Err(LayoutError::NoLayout) };
        // Step 1.
        signed_by_all(document, keys)?;
        // Step 2. Section 4.3: expires is the time after which the metadata is considered to be expired.
        if self.demands.now > layout.expires {
            let (expires, now) = (layout.expires, self.demands.now);
            return Err(LayoutError::Expired { expires, now });
        }
        // Steps 3 to 5.
        let mut remarks = Vec::new();
        let (mut done, mut proven) = (BTreeMap::new(), Vec::new());
        for step in &layout.steps {
            let authorised = authorised(layout, step);
            remarks.extend(authorised.remarks(step));
            let reports = self.reports(step, &authorised, links, depth, &mut remarks)?;
            let functionaries = reports.iter().flat_map(|r| r.by.iter().cloned()).collect();
            done.insert(step.name.clone(), agreed(&step.name, reports)?);
            proven.push(ProvenStep { name: step.name.clone(), functionaries });
        }
        // Step 6.
        for step in &layout.steps {
            rules::hold(&step.name, &step.rules, &done)?;
        }
        // Step 7.
        let summary = |step: Option<&Step>| step.and_then(|step| done.get(&step.name)).cloned();
        let first = summary(layout.steps.first()).unwrap_or_default();
        let last = summary(layout.steps.last()).unwrap_or_default();
        self.inspect(layout, keys, links, &mut done, &mut remarks)?;
        remarks.sort();
        remarks.dedup();
        let (materials, products) = (first.materials, last.products);
        Ok(Chain { steps: proven, materials, products, remarks })
    }

    /// Step 4 and the threshold of step 5: what authorised functionaries report about a step.
    fn reports(
        &mut self,
        step: &Step,
        authorised: &Authorised<'_>,
        links: &Links,
        depth: usize,
        remarks: &mut Vec<Remark>,
    ) -> Result<Vec<Report>, LayoutError> {
        let (mut reports, mut refused) = (Vec::new(), Vec::new());
        for offered in &links.here {
            let named = match &offered.document.body {
                Body::Link(link) => Some(link.name.as_str()),
                Body::Layout(_) => offered.step_of_file(),
            };
            if named != Some(step.name.as_str()) {
                continue;
            }
            let by = makers(&offered.document, authorised.keys.values());
            if by.is_empty() {
                continue;
            }
            match &offered.document.body {
                Body::Link(link) => {
                    remarks.extend(command(step, link));
                    let Link { materials, products, .. } = link.clone();
                    reports.push(Report { by, materials, products });
                }
                Body::Layout(_) if !self.may_stand_for(offered, step, depth) => {}
                Body::Layout(_) => match self.sublayout(offered, &by, authorised, links, depth) {
                    Ok(Chain { materials, products, remarks: inner, .. }) => {
                        remarks.extend(inner);
                        reports.push(Report { by, materials, products });
                    }
                    Err(error) => refused.push(error),
                },
            }
        }
        let distinct: BTreeSet<&String> = reports.iter().flat_map(|report| &report.by).collect();
        if distinct.len() < step.threshold {
            return Err(LayoutError::Threshold {
                step: step.name.clone(),
                threshold: step.threshold,
                found: distinct.into_iter().cloned().collect(),
                unsupported: authorised.unsupported_names(),
                certificates: step.by_certificate,
                sublayout: refused.into_iter().next().map(Box::new),
            });
        }
        Ok(reports)
    }

    /// Whether a sublayout stands for this step and for no other: the name of its file says so, which nobody signed.
    fn may_stand_for(&mut self, offered: &Offered, step: &Step, depth: usize) -> bool {
        let here = (depth, step.name.clone());
        let payload = offered.document.payload.clone();
        *self.stands_for.entry(payload).or_insert_with(|| here.clone()) == here
    }

    /// A layout in the place of a link: verified with the keys of the functionaries who signed it.
    fn sublayout(
        &mut self,
        offered: &Offered,
        by: &BTreeSet<String>,
        authorised: &Authorised<'_>,
        links: &Links,
        depth: usize,
    ) -> Result<Chain, LayoutError> {
        let limits = self.demands.limits;
        if depth >= limits.layout_depth {
            return Err(LayoutError::limit("levels", limits.layout_depth, "layout_depth"));
        }
        // What is shared could be offered to itself again and again.
        self.sublayouts_left = self
            .sublayouts_left
            .checked_sub(1)
            .ok_or_else(|| LayoutError::limit("sublayouts", limits.layout_links, "layout_links"))?;
        let signers = authorised.keys.iter().filter(|(fingerprint, _)| by.contains(*fingerprint));
        let signers: Vec<PublicKey> = signers.map(|(_, key)| key.clone()).collect();
        let none = Links::default();
        let folder = offered.file.as_deref().and_then(|file| links.for_sublayout(file));
        self.layout(&offered.document, &signers, folder.unwrap_or(&none), depth + 1)
    }

    /// Step 7.
    fn inspect(
        &self,
        layout: &Layout,
        keys: &[PublicKey],
        links: &Links,
        done: &mut BTreeMap<String, Item>,
        remarks: &mut Vec<Remark>,
    ) -> Result<(), LayoutError> {
        let mut reported = Vec::new();
        for inspection in &layout.inspections {
            let reports = inspected(inspection, keys, links);
            if !reports.is_empty() {
                done.insert(inspection.name.clone(), agreed(&inspection.name, reports)?);
                reported.push(inspection);
            } else if self.demands.inspections == Inspections::UnsafeSkip {
                remarks.push(Remark::Skipped { inspection: inspection.name.clone() });
            } else {
                return Err(LayoutError::Inspection { name: inspection.name.clone() });
            }
        }
        reported.into_iter().try_for_each(|item| rules::hold(&item.name, &item.rules, done))
    }
}

/// Links for an inspection that every key of the layout signed.
fn inspected(inspection: &Inspection, keys: &[PublicKey], links: &Links) -> Vec<Report> {
    let all: BTreeSet<String> = keys.iter().map(PublicKey::fingerprint).collect();
    let report = |offered: &Offered| {
        let Body::Link(link) = &offered.document.body else { return None };
        let by = (link.name == inspection.name).then(|| makers(&offered.document, keys))?;
        let Link { materials, products, .. } = link.clone();
        (by == all && !all.is_empty()).then_some(Report { by, materials, products })
    };
    links.here.iter().filter_map(report).collect()
}

/// Step 1. No key would trust anybody.
fn signed_by_all(document: &Document, keys: &[PublicKey]) -> Result<(), LayoutError> {
    let makers = makers(document, keys);
    let missing: Vec<String> =
        keys.iter().map(PublicKey::fingerprint).filter(|key| !makers.contains(key)).collect();
    if missing.is_empty() && !keys.is_empty() {
        return Ok(());
    }
    Err(LayoutError::Untrusted { missing })
}

/// Fingerprints of the keys that made a signature of this document.
fn makers<'k>(
    document: &Document,
    keys: impl IntoIterator<Item = &'k PublicKey>,
) -> BTreeSet<String> {
    let made = |key: &&PublicKey| {
        let mut signatures = document.signatures.iter();
        signatures.any(|signature| key.verifies_in_toto(&document.message, &signature.bytes))
    };
    keys.into_iter().filter(made).map(PublicKey::fingerprint).collect()
}

/// Step 3 for one step.
fn authorised<'l>(layout: &'l Layout, step: &Step) -> Authorised<'l> {
    let mut authorised = Authorised { keys: BTreeMap::new(), unsupported: Vec::new() };
    for (id, key) in layout.keys.iter().filter(|(id, _)| step.keys.contains(*id)) {
        let read = key
            .public
            .as_deref()
            .and_then(|public| PublicKey::from_in_toto(&key.keytype, &key.scheme, public));
        match read {
            Some(key) => {
                authorised.keys.insert(key.fingerprint(), key);
            }
            None => authorised.unsupported.push((id, key)),
        }
    }
    authorised
}

impl Authorised<'_> {
    fn unsupported_names(&self) -> Vec<String> {
        let named = |(id, key): &(&str, &LayoutKey)| format!("{id:.80} ({})", kind(key));
        self.unsupported.iter().map(named).collect()
    }

    fn remarks(&self, step: &Step) -> Vec<Remark> {
        let remark = |(id, key): &(&str, &LayoutKey)| Remark::Key {
            step: step.name.clone(),
            id: (*id).to_owned(),
            kind: kind(key),
        };
        self.unsupported.iter().map(remark).collect()
    }
}

/// What a message says about a key that is not verified.
fn kind(key: &LayoutKey) -> String {
    let openpgp = key.keytype.starts_with("pgp") || key.scheme.starts_with("pgp");
    let what = if openpgp { "OpenPGP " } else { "" };
    format!("{what}{:.40} {:.40}", key.keytype, key.scheme).trim_end().to_owned()
}

/// What all reports about a step say.
fn agreed(step: &str, reports: Vec<Report>) -> Result<Item, LayoutError> {
    let mut reports = reports.into_iter();
    let Some(Report { materials, products, .. }) = reports.next() else {
        return Ok(Item::default());
    };
    match reports.find(|other| other.materials != materials || other.products != products) {
        None => Ok(Item { materials, products }),
        Some(other) => {
            let artifact = first_difference(&materials, &other.materials)
                .or_else(|| first_difference(&products, &other.products));
            Err(LayoutError::Disagree {
                step: step.to_owned(),
                artifact: artifact.unwrap_or_default(),
            })
        }
    }
}

fn first_difference(one: &Artifacts, other: &Artifacts) -> Option<String> {
    let mut names = one.keys().chain(other.keys());
    names.find(|name| one.get(*name) != other.get(*name)).cloned()
}

/// Section 4.3.1: a difference is shown and fails nothing. A layout that suggests no command expects none.
fn command(step: &Step, link: &Link) -> Option<Remark> {
    let differs = !step.expected_command.is_empty() && step.expected_command != link.command;
    differs.then(|| Remark::Command {
        step: step.name.clone(),
        expected: step.expected_command.clone(),
        found: link.command.clone(),
    })
}
