//! Whether links prove that a supply chain went as its layout asks (in-toto specification 1.0.0, section 5.2).
//!
//! [`verify`] is pure and does the specification's steps in this order:
//!
//! 1. *Layout's signatures*: every key that the operator named has to have signed the layout, as in-toto's verification
//!    asks.
//! 2. *Expiry*: the time is not after `expires`, whatever else holds (attack B6: a replayed layout).
//! 3. *Keys*: functionaries' keys are read from the layout. A key is what its bytes are: its id is a label that only the
//!    signed layout uses, and two ids of one key are one functionary (A24). Keys of OpenPGP and unknown schemes count for
//!    nothing, and that is said.
//! 4. *Links*: a link belongs to the step that it names (4.4); a layout in the place of a link (4.5) is verified by these
//!    same steps, with its functionary's keys, to a limited depth. Off-spec: its file name, which nobody signed, does not
//!    say for which step it stands. It may stand for any that its functionary may do, and for one alone. Hints in
//!    signatures are not looked at. What no authorised key signed, and what was signed for other builds, is as if it were not
//!    there, and takes no place of what belongs to this one (H36, `fit`).
//! 5. *Threshold*: enough distinct functionaries report the same artifacts of each step. Off-spec: there may be several
//!    such reports, since a registry keeps the links of many builds; `choose` finds those with which the rules of all
//!    steps hold together and which the image came out of. The others change nothing (H36).
//! 6. *Rules* of each step (4.3.3), in `rules`.
//! 7. *Inspections*: **hallmark runs no command**. An inspection counts when a link for it is there that every key of
//!    this layout signed and its rules hold (4.5.3; off-spec: at the top too). Otherwise the layout is not proven, unless
//!    the operator wrote `unsafe_skipInspections`, which the result then says.
//!
//! The expected command is compared and never decides. Nothing is substituted into a layout, nothing is read beside it.

mod choose;
mod error;
mod fit;
mod image;
mod known;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

pub use error::LayoutError;
pub use image::{CarriedLink, JudgedLayout, LayoutRule, LayoutState, prove_layouts};

use self::{
    choose::{Choice, Chosen, Kind, Node, Search, Ties, Wanted},
    rules::Item,
};
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
    /// As `build.776a00e2.link`. Nobody signed it: it says in which folder the links of a sublayout are, and nothing else.
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
    verify_for(layout, links, demands, None)
}

/// What the last step has to have left.
type Product<'p> = &'p dyn Fn(&Artifacts) -> bool;

/// The same, where only a chain counts whose last step left this.
///
/// # Errors
/// As [`verify`]; [`LayoutError::Product`] where a chain is proven, and left something else.
fn verify_for(
    layout: &Document,
    links: &Links,
    demands: &Demands<'_>,
    product: Option<Product<'_>>,
) -> Result<Chain, LayoutError> {
    let limit = demands.limits.layout_links;
    let known;
    let (links, cut) = match links.count() <= limit {
        true => (links, false),
        false => {
            let (fitting, cut) = fit::of_this_build(links, layout, demands, product);
            known = fitting;
            (&known, cut)
        }
    };
    let too_many = || LayoutError::limit("links", limit, "layout_links");
    if links.count() > limit {
        return Err(too_many());
    }
    let mut judge = Judge { demands, sublayouts_left: limit, known: BTreeMap::new() };
    let proven = judge.layout(layout, demands.keys, links, 1, Wanted::First, product);
    // What is missing may be among those that were left out.
    let mut proven = proven.map_err(|error| if cut { too_many() } else { error })?;
    let Solved { steps, item, remarks, .. } = proven.swap_remove(0);
    let Item { materials, products } = Arc::unwrap_or_clone(item);
    Ok(Chain { steps, materials, products, remarks })
}

impl Links {
    fn count(&self) -> usize {
        self.here.len() + self.folders.values().map(Self::count).sum::<usize>()
    }

    /// All documents, those in folders too.
    fn all(&self) -> Vec<&Offered> {
        let folders = self.folders.values().flat_map(Self::all);
        self.here.iter().chain(folders).collect()
    }

    /// The documents for the sublayout that was in `file`.
    fn for_sublayout(&self, file: &str) -> Option<&Self> {
        let folder = file.strip_suffix(".link").and_then(|stem| self.folders.get(stem));
        folder.or(self.shared.then_some(self))
    }
}

/// The keys of one step.
struct Authorised<'l> {
    /// By fingerprint: each key once, however many ids it has.
    keys: BTreeMap<String, PublicKey>,
    unsupported: Vec<(&'l str, &'l LayoutKey)>,
}

/// A layout that is proven, and what it comes to.
#[derive(Debug, Clone)]
struct Solved {
    steps: Vec<ProvenStep>,
    /// Materials of the first step, products of the last.
    item: Arc<Item>,
    /// Payloads of the sublayouts that it rests on.
    sublayouts: BTreeSet<Digest>,
    remarks: Vec<Remark>,
}

/// A document in the place of a link, and the keys of the layout above that signed it.
type Sublayout<'l> = (&'l Offered, BTreeSet<String>);

/// A sublayout's payload, whose keys it was verified with, and how deep.
type SublayoutKey = (Digest, BTreeSet<String>, usize);

struct Judge<'a> {
    demands: &'a Demands<'a>,
    sublayouts_left: usize,
    /// What sublayouts came to, where all links are everywhere: each is verified once, however many steps it may stand for.
    known: BTreeMap<SublayoutKey, Result<Vec<Solved>, LayoutError>>,
}

impl Judge<'_> {
    /// Verifies a layout; several results where it is `wanted` whatever it starts from and leaves.
    fn layout(
        &mut self,
        document: &Document,
        keys: &[PublicKey],
        links: &Links,
        depth: usize,
        wanted: Wanted,
        product: Option<Product<'_>>,
    ) -> Result<Vec<Solved>, LayoutError> {
        let Body::Layout(layout) = &document.body else { return Err(LayoutError::NoLayout) };
        // Step 1.
        signed_by_all(document, keys)?;
        // Step 2. Section 4.3: expires is the time after which the metadata is considered to be expired.
        if self.demands.now > layout.expires {
            let (expires, now) = (layout.expires, self.demands.now);
            return Err(LayoutError::Expired { expires, now });
        }
        // Steps 3 to 5.
        let sublayouts = sublayouts(layout, links, &document.payload);
        let (mut remarks, mut nodes) = (Vec::new(), Vec::new());
        for step in &layout.steps {
            let authorised = authorised(layout, step);
            remarks.extend(authorised.remarks(step));
            let choices = self.choices(step, &authorised, links, &sublayouts, depth)?;
            nodes.push(Node { name: &step.name, rules: &step.rules, kind: Kind::Step, choices });
        }
        // Steps 6 and 7.
        let missing = self.inspections(layout, keys, links, &mut nodes, &mut remarks);
        let ends = (0, layout.steps.len().saturating_sub(1));
        let ties = if links.shared { Ties::Asked } else { Ties::Given };
        let limit = self.demands.limits.layout_links;
        if let Some(product) = product {
            let left = narrowed(&mut nodes, ends.1, product);
            if let Some(last) = nodes.get_mut(ends.1).filter(|last| last.choices.is_empty()) {
                // What is wrong with the chain is said first, and that it led to another image last.
                last.choices = left;
                Search::run(&nodes, ends, ties, Wanted::First, limit)?;
                missing.map_or(Ok(()), Err)?;
                let step = layout.steps.last().map(|step| step.name.clone()).unwrap_or_default();
                return Err(LayoutError::Product { step });
            }
        }
        let found = Search::run(&nodes, ends, ties, wanted, limit)?;
        missing.map_or(Ok(()), Err)?;
        Ok(found.into_iter().map(|chosen| solved(&nodes, &chosen, ends, &remarks)).collect())
    }

    /// Step 4 and the threshold of step 5: what enough authorised functionaries report alike about a step.
    fn choices(
        &mut self,
        step: &Step,
        authorised: &Authorised<'_>,
        links: &Links,
        sublayouts: &[Sublayout<'_>],
        depth: usize,
    ) -> Result<Vec<Choice>, LayoutError> {
        let (mut reports, mut refused) = (Vec::new(), Vec::new());
        for offered in &links.here {
            let Body::Link(link) = &offered.document.body else { continue };
            if link.name == step.name {
                let by = makers(&offered.document, authorised.keys.values());
                let remarks = command(step, link).into_iter().collect();
                reports.push(report(by, link, remarks));
            }
        }
        for (offered, makers) in sublayouts {
            let by: BTreeSet<String> = makers
                .iter()
                .filter(|maker| authorised.keys.contains_key(*maker))
                .cloned()
                .collect();
            if by.is_empty() {
                continue;
            }
            match self.sublayout(offered, &by, authorised, links, depth) {
                Ok(solved) => {
                    reports.extend(solved.into_iter().filter_map(|s| stands(offered, &by, s)));
                }
                Err(error) => refused.push(error),
            }
        }
        reports.retain(|report: &Choice| !report.by.is_empty());
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
        let differing = first_difference(&reports);
        let choices = choose::choices(reports, step.threshold);
        if choices.is_empty() {
            let artifact = differing.unwrap_or_default();
            return Err(LayoutError::Disagree { step: step.name.clone(), artifact });
        }
        Ok(choices)
    }

    /// A layout in the place of a link: verified with the keys of the functionaries who signed it.
    fn sublayout(
        &mut self,
        offered: &Offered,
        by: &BTreeSet<String>,
        authorised: &Authorised<'_>,
        links: &Links,
        depth: usize,
    ) -> Result<Vec<Solved>, LayoutError> {
        let limits = self.demands.limits;
        if depth >= limits.layout_depth {
            return Err(LayoutError::limit("levels", limits.layout_depth, "layout_depth"));
        }
        let key = (offered.document.payload.clone(), by.clone(), depth);
        if let Some(known) = self.known.get(&key).filter(|_| links.shared) {
            return known.clone();
        }
        // What is shared could be offered to itself again and again.
        self.sublayouts_left = self
            .sublayouts_left
            .checked_sub(1)
            .ok_or_else(|| LayoutError::limit("sublayouts", limits.layout_links, "layout_links"))?;
        let signers = authorised.keys.iter().filter(|(fingerprint, _)| by.contains(*fingerprint));
        let signers: Vec<PublicKey> = signers.map(|(_, key)| key.clone()).collect();
        let none = Links::default();
        let folder = match links.shared {
            true => Some(links),
            false => offered.file.as_deref().and_then(|file| links.for_sublayout(file)),
        };
        let links = folder.unwrap_or(&none);
        let ends = Wanted::Ends;
        let solved = self.layout(&offered.document, &signers, links, depth + 1, ends, None);
        if links.shared {
            self.known.insert(key, solved.clone());
        }
        solved
    }

    /// Step 7: what is reported about each inspection; the first about which nothing is.
    fn inspections<'l>(
        &self,
        layout: &'l Layout,
        keys: &[PublicKey],
        links: &Links,
        nodes: &mut Vec<Node<'l>>,
        remarks: &mut Vec<Remark>,
    ) -> Option<LayoutError> {
        let mut missing = None;
        let kind = match self.demands.inspections {
            Inspections::Proven => Kind::Inspection,
            Inspections::UnsafeSkip => Kind::Optional,
        };
        for inspection in &layout.inspections {
            let name = inspection.name.as_str();
            let choices = choose::choices(inspected(inspection, keys, links), 1);
            match (choices.is_empty(), kind) {
                (false, _) => nodes.push(Node { name, rules: &inspection.rules, kind, choices }),
                (true, Kind::Optional) => {
                    remarks.push(Remark::Skipped { inspection: name.to_owned() });
                }
                (true, _) => {
                    missing = missing.or(Some(LayoutError::Inspection { name: name.to_owned() }));
                }
            }
        }
        missing
    }
}

/// What choices come to.
fn solved(nodes: &[Node<'_>], chosen: &Chosen, ends: (usize, usize), said: &[Remark]) -> Solved {
    let choice = |number: usize| {
        let at = chosen.get(number).copied().flatten()?;
        nodes.get(number)?.choices.get(at)
    };
    let item = |number: usize| choice(number).map(|choice| &choice.item);
    let materials = item(ends.0).map(|first| first.materials.clone()).unwrap_or_default();
    let products = item(ends.1).map(|last| last.products.clone()).unwrap_or_default();
    let (mut steps, mut sublayouts, mut remarks) = (Vec::new(), BTreeSet::new(), said.to_vec());
    for (number, node) in nodes.iter().enumerate() {
        let choice = choice(number);
        match choice {
            Some(choice) => {
                remarks.extend(choice.remarks.iter().cloned());
                sublayouts.extend(choice.sublayouts.iter().cloned());
            }
            None => remarks.push(Remark::Skipped { inspection: node.name.to_owned() }),
        }
        if let (Kind::Step, Some(choice)) = (node.kind, choice) {
            let functionaries = choice.by.clone();
            steps.push(ProvenStep { name: node.name.to_owned(), functionaries });
        }
    }
    remarks.sort();
    remarks.dedup();
    Solved { steps, item: Arc::new(Item { materials, products }), sublayouts, remarks }
}

/// Leaves of the last step's choices those that left the product, and gives back the others.
fn narrowed(nodes: &mut [Node<'_>], last: usize, product: Product<'_>) -> Vec<Choice> {
    let Some(node) = nodes.get_mut(last) else { return Vec::new() };
    let all = std::mem::take(&mut node.choices);
    let (fitting, left) = all.into_iter().partition(|choice| product(&choice.item.products));
    node.choices = fitting;
    left
}

/// A report that a link makes.
fn report(by: BTreeSet<String>, link: &Link, remarks: Vec<Remark>) -> Choice {
    let Link { materials, products, .. } = link.clone();
    let item = Arc::new(Item { materials, products });
    Choice { by, item, sublayouts: BTreeSet::new(), remarks }
}

/// A report that a sublayout makes; none where it would rest on itself.
fn stands(offered: &Offered, by: &BTreeSet<String>, solved: Solved) -> Option<Choice> {
    let Solved { item, mut sublayouts, remarks, .. } = solved;
    let alone = sublayouts.insert(offered.document.payload.clone());
    alone.then(|| Choice { by: by.clone(), item, sublayouts, remarks })
}

/// Layouts in the place of links, and who of the layout's functionaries signed them; not the layout itself.
fn sublayouts<'l>(layout: &Layout, links: &'l Links, own: &Digest) -> Vec<Sublayout<'l>> {
    let read = |key: &LayoutKey| {
        PublicKey::from_in_toto(&key.keytype, &key.scheme, key.public.as_deref()?)
    };
    let keys: Vec<PublicKey> = layout.keys.values().filter_map(read).collect();
    let layouts = links.here.iter().filter(|offered| {
        matches!(offered.document.body, Body::Layout(_)) && offered.document.payload != *own
    });
    let signed = layouts.map(|offered| (offered, makers(&offered.document, &keys)));
    signed.filter(|(_, makers)| !makers.is_empty()).collect()
}

/// Links for an inspection that every key of the layout signed.
fn inspected(inspection: &Inspection, keys: &[PublicKey], links: &Links) -> Vec<Choice> {
    let all: BTreeSet<String> = keys.iter().map(PublicKey::fingerprint).collect();
    let signed = |offered: &Offered| {
        let Body::Link(link) = &offered.document.body else { return None };
        let by = (link.name == inspection.name).then(|| makers(&offered.document, keys))?;
        (by == all && !all.is_empty()).then(|| report(by, link, Vec::new()))
    };
    links.here.iter().filter_map(signed).collect()
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

/// The first artifact about which reports disagree.
fn first_difference(reports: &[Choice]) -> Option<String> {
    let (first, others) = reports.split_first()?;
    let other = others.iter().find(|other| other.item != first.item)?;
    let pairs = [
        (&first.item.materials, &other.item.materials),
        (&first.item.products, &other.item.products),
    ];
    pairs.into_iter().find_map(|(one, other)| {
        let mut names = one.keys().chain(other.keys());
        names.find(|name| one.get(*name) != other.get(*name)).cloned()
    })
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
