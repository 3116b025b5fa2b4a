//! Which documents may be of this build, where there are more than a layout may have.
//!
//! Links that functionaries signed for other builds can be attached to any image by anybody, as many as one likes. So before
//! the bound counts, what cannot be of this build is put aside: what no key of the layout signed, what names no step, what is there
//! already, and what no artifact leads to from what left the image (attack H36). Of what is left the nearest comes first: an
//! artifact that few links name leads to the links of one build, one that all builds have in common to all of them.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{Demands, Links, Offered, Product, makers, rules, rules::Item};
use crate::{
    attest::in_toto::{Body, Document, Layout, LayoutKey},
    digest::Digest,
    trust::PublicKey,
};

/// The documents that may be of this build, and whether there were more of them than may be kept.
pub(super) fn of_this_build(
    links: &Links,
    layout: &Document,
    demands: &Demands<'_>,
    product: Option<Product<'_>>,
) -> (Links, bool) {
    let limit = demands.limits.layout_links;
    let mut known = Known::new(layout, demands);
    known.enter_sublayouts(links, demands);
    let mut kept = known.documents(links);
    // Files in folders are what the operator put there.
    let cut = links.shared && kept.here.len() > limit && nearest(&mut kept.here, product, limit);
    (kept, cut)
}

/// Who may have signed something, and for what.
struct Known {
    keys: BTreeMap<String, PublicKey>,
    names: BTreeSet<String>,
    own: Digest,
}

impl Known {
    fn new(layout: &Document, demands: &Demands<'_>) -> Self {
        let keys = demands.keys.iter().map(|key| (key.fingerprint(), key.clone())).collect();
        let mut known = Self { keys, names: BTreeSet::new(), own: layout.payload.clone() };
        if let Body::Layout(layout) = &layout.body {
            known.enter(layout);
        }
        known
    }

    fn enter(&mut self, layout: &Layout) {
        let read = |key: &LayoutKey| {
            let public = key.public.as_deref()?;
            PublicKey::from_in_toto(&key.keytype, &key.scheme, public)
        };
        let keys = layout.keys.values().filter_map(read);
        self.keys.extend(keys.map(|key| (key.fingerprint(), key)));
        self.names.extend(layout.steps.iter().map(|step| step.name.clone()));
        self.names.extend(layout.inspections.iter().map(|one| one.name.clone()));
    }

    /// Adds what sublayouts name that somebody known signed, and those below them.
    fn enter_sublayouts(&mut self, links: &Links, demands: &Demands<'_>) {
        let all = links.all();
        let mut waiting: Vec<&Document> = all
            .into_iter()
            .map(|offered| &offered.document)
            .filter(|document| self.may_be_sublayout(document, demands))
            .collect();
        for _ in 1..demands.limits.layout_depth {
            let (signed, left): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|document| !self.makers(document).is_empty());
            for document in signed {
                if let Body::Layout(layout) = &document.body {
                    self.enter(layout);
                }
            }
            waiting = left;
        }
    }

    fn may_be_sublayout(&self, document: &Document, demands: &Demands<'_>) -> bool {
        let Body::Layout(layout) = &document.body else { return false };
        document.payload != self.own && demands.now <= layout.expires
    }

    fn makers(&self, document: &Document) -> BTreeSet<String> {
        makers(document, self.keys.values())
    }

    /// What somebody known signed for a name that is known, each once.
    fn documents(&self, links: &Links) -> Links {
        let mut seen: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        let mut here: Vec<Offered> = Vec::new();
        for offered in &links.here {
            let named = match &offered.document.body {
                Body::Link(link) => self.names.contains(&link.name),
                Body::Layout(_) => offered.document.payload != self.own,
            };
            let makers = if named { self.makers(&offered.document) } else { BTreeSet::new() };
            let known = seen.entry(offered.document.payload.clone()).or_default();
            // In folders the file's name says where a sublayout's links are.
            if !makers.is_empty() && (!links.shared || !makers.is_subset(known)) {
                known.extend(makers);
                here.push(offered.clone());
            }
        }
        let folders = links.folders.iter();
        let folders = folders.map(|(name, links)| (name.clone(), self.documents(links)));
        Links { here, folders: folders.collect(), shared: links.shared }
    }
}

/// A link that is reached: how few share the artifact by which it is, and which it is. The greatest comes first.
type Reached = (std::cmp::Reverse<usize>, std::cmp::Reverse<usize>);

/// Leaves the nearest to what left the product, at most so many. Whether others were near, too.
fn nearest(here: &mut Vec<Offered>, product: Option<Product<'_>>, limit: usize) -> bool {
    let items: Vec<Option<Item>> = here.iter().map(item).collect();
    let digests: Vec<BTreeSet<String>> =
        items.iter().map(|item| item.as_ref().map(rules::digests).unwrap_or_default()).collect();
    let mut sharing: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for (number, own) in digests.iter().enumerate() {
        own.iter().for_each(|digest| sharing.entry(digest).or_default().push(number));
    }
    let left = |item: &Option<Item>| {
        item.as_ref().is_some_and(|item| product.is_none_or(|product| product(&item.products)))
    };
    let mut heap: BinaryHeap<Reached> = BinaryHeap::new();
    let first = items.iter().enumerate().filter(|(_, item)| left(item));
    heap.extend(first.map(|(number, _)| (std::cmp::Reverse(0), std::cmp::Reverse(number))));
    let mut order: Vec<usize> = Vec::new();
    let mut done = BTreeSet::new();
    while let Some((_, std::cmp::Reverse(number))) = heap.pop() {
        if !done.insert(number) {
            continue;
        }
        order.push(number);
        for digest in digests.get(number).into_iter().flatten() {
            // Whoever shares it is reached by it once.
            let Some(others) = sharing.remove(digest) else { continue };
            let count = others.len();
            let others = others.into_iter().filter(|other| !done.contains(other));
            heap.extend(others.map(|o| (std::cmp::Reverse(count), std::cmp::Reverse(o))));
        }
    }
    if order.is_empty() {
        // Nothing left the image. Whatever is said of the others is true of all.
        here.truncate(limit);
        return false;
    }
    let sublayouts = (0..here.len()).filter(|at| items.get(*at).is_some_and(Option::is_none));
    let mut kept: Vec<usize> = sublayouts.chain(order).collect();
    let cut = kept.len() > limit;
    kept.truncate(limit);
    let kept: BTreeSet<usize> = kept.into_iter().collect();
    let mut number = 0..;
    here.retain(|_| number.next().is_some_and(|number| kept.contains(&number)));
    cut
}

fn item(offered: &Offered) -> Option<Item> {
    match &offered.document.body {
        Body::Link(link) => {
            Some(Item { materials: link.materials.clone(), products: link.products.clone() })
        }
        Body::Layout(_) => None,
    }
}

#[cfg(test)]
mod tests;
