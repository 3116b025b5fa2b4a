//! Links that somebody signed whom a layout knows.
//!
//! Whoever may push can attach thousands of links, with many signatures by nobody, and copies of good ones. So before a layout
//! is verified, its links are put down to those that a key of it made, each once and with good signatures alone, within the
//! checks of one image and in their turns as any other signature (attacks C22 and H41): the first signature of each document before
//! the second of any, and by the key that it names before the others. Keys of a sublayout are known once somebody known signed it.

use std::collections::{BTreeMap, BTreeSet};

use super::Offered;
use crate::{
    attest::{
        Signature,
        in_toto::{Body, Document, LayoutKey},
    },
    digest::Digest,
    trust::{
        PublicKey,
        work::{Left, Work},
    },
};

/// A key, and its id in the layout that names it.
struct Named {
    id: Option<String>,
    key: PublicKey,
}

/// A document, however often it is attached.
struct Offer<'c> {
    link: &'c Offered,
    /// Its signatures, with how many came before each where it came first.
    signatures: BTreeMap<&'c [u8], (usize, &'c Signature)>,
    good: BTreeSet<&'c [u8]>,
}

/// The links that a key of the layout, or of a sublayout that such a key signed, made.
pub(super) fn known(
    layout: &Document,
    owners: &[PublicKey],
    offered: &[Offered],
    left: &mut Left,
    work: &mut Work<'_>,
) -> Vec<Offered> {
    let mut offers: BTreeMap<Digest, Offer<'_>> = BTreeMap::new();
    for link in offered {
        let offer = || Offer { link, signatures: BTreeMap::new(), good: BTreeSet::new() };
        let message = Digest::sha256(&link.document.message);
        let offer = offers.entry(message).or_insert_with(offer);
        for (round, signature) in link.document.signatures.iter().enumerate() {
            let known = offer.signatures.entry(&signature.bytes).or_insert((round, signature));
            known.0 = known.0.min(round);
        }
    }
    let owner = |key: &PublicKey| Named { id: None, key: key.clone() };
    let mut keys: Vec<Named> = owners.iter().map(owner).collect();
    keys.extend(functionaries(layout));
    let mut asked = BTreeSet::new();
    for _ in 0..=work.limits.layout_depth {
        keys.retain(|named| asked.insert(named.key.fingerprint()));
        if keys.is_empty() {
            break;
        }
        check(&mut offers, &keys, left, work);
        let signed = offers.values().filter(|offer| !offer.good.is_empty());
        keys = signed.flat_map(|offer| functionaries(&offer.link.document)).collect();
    }
    let known = offers.into_values().filter(|offer| !offer.good.is_empty());
    known.map(Offer::offered).collect()
}

/// Tries these keys.
fn check(
    offers: &mut BTreeMap<Digest, Offer<'_>>,
    keys: &[Named],
    left: &mut Left,
    work: &mut Work<'_>,
) {
    let mut visits = Vec::new();
    for (message, offer) in offers.iter() {
        let bytes = offer.link.document.message.len();
        for (signature, (round, _)) in &offer.signatures {
            visits.extend(
                [true, false].map(|named| (*round, !named, bytes, message.clone(), *signature)),
            );
        }
    }
    visits.sort();
    for (_, unnamed, _, message, signature) in visits {
        let Some(offer) = offers.get_mut(&message) else { continue };
        let Some((_, Signature { key_hint, .. })) = offer.signatures.get(signature) else {
            continue;
        };
        let is_named = |named: &&Named| named.id.is_some() && named.id == *key_hint;
        for Named { key, .. } in keys.iter().filter(|named| is_named(named) != unnamed) {
            if offer.good.contains(signature) {
                break;
            }
            let document = &offer.link.document.message;
            if left.checks_link((&message, document), signature, key, work) {
                offer.good.insert(signature);
            }
        }
    }
}

/// The keys of functionaries, where the document is a layout.
fn functionaries(document: &Document) -> Vec<Named> {
    let Body::Layout(layout) = &document.body else { return Vec::new() };
    let read = |(id, key): (&String, &LayoutKey)| {
        let public = key.public.as_deref()?;
        let key = PublicKey::from_in_toto(&key.keytype, &key.scheme, public)?;
        Some(Named { id: Some(id.clone()), key })
    };
    layout.keys.iter().filter_map(read).collect()
}

impl Offer<'_> {
    /// The document with its good signatures.
    fn offered(self) -> Offered {
        let Document { message, unsupported_signatures, payload, body, .. } = &self.link.document;
        let good = self.signatures.iter().filter(|(bytes, _)| self.good.contains(*bytes));
        let document = Document {
            message: message.clone(),
            signatures: good.map(|(_, (_, signature))| (*signature).clone()).collect(),
            unsupported_signatures: *unsupported_signatures,
            payload: payload.clone(),
            body: body.clone(),
        };
        Offered { file: self.link.file.clone(), document }
    }
}
