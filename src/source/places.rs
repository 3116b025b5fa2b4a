//! Who gets a place where there are more than places.
//!
//! Whoever may push can attach any number of things to an image, of any kind and size, and nothing that a list says of them tells
//! which are worth a look. So places are given in turns over classes (attack H41): who is plenty in one takes no place from
//! another. Of one class those at both ends of the list come first, because most lists grow at one end: what was attached before
//! a crowd came, and what was attached after it, is not in its midst.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    image::{Descriptor, MediaType},
    limits::Limits,
};

/// So many entries are kept for each place that evidence has.
pub(super) const ENTRIES_FACTOR: usize = 2;

/// Entries of one list that are kept: more than there are places for evidence, since an entry is small and what it is shows
/// in its manifest.
pub(super) fn most_entries(limits: &Limits) -> usize {
    limits.attestations.saturating_mul(ENTRIES_FACTOR)
}

/// What is worth its place in the limits more than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// The image's own index names it.
    Own,
    /// Under a tag that there is once.
    Tagged,
    /// Of a kind that holds signatures.
    Signed,
    /// Of a kind that may hold some: an envelope sometimes goes by the type of its payload.
    MayBeSigned,
    /// Of any other kind: nothing of it can be proven.
    Bare,
}

pub(super) fn rank_of_kind(kind: &str) -> Rank {
    match kind {
        MediaType::DSSE | MediaType::SIMPLE_SIGNING => Rank::Signed,
        _ if kind.starts_with(MediaType::SIGSTORE_BUNDLE) => Rank::Signed,
        MediaType::IN_TOTO => Rank::MayBeSigned,
        _ => Rank::Bare,
    }
}

/// What takes turns in a list: the kind, and the size.
pub(super) type ListClass = (Rank, u8, u32);

/// An entry of a list, as far as it says what it is: a hint, by which places are given where there are too many.
pub(super) fn claimant(descriptor: &Descriptor) -> Claimant<ListClass> {
    // A list that says nothing of the type is older than types of artifacts.
    let kind = descriptor.artifact_type.as_deref();
    let rank = kind.map_or(Rank::Signed, rank_of_kind);
    let class = (rank, kind.map_or(0, kind_class), size_class(descriptor.size));
    Claimant { group: u8::from(rank == Rank::Bare), class, turn: 0, handicap: 0 }
}

/// Kinds of evidence that take turns, by a number; a stranger cannot add one.
pub(super) fn kind_class(kind: &str) -> u8 {
    match kind {
        MediaType::DSSE => 1,
        MediaType::SIMPLE_SIGNING => 2,
        MediaType::IN_TOTO => 3,
        _ if kind.starts_with(MediaType::SIGSTORE_BUNDLE) => 4,
        _ => 5,
    }
}

/// Something that wants a place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant<C> {
    /// Those of a lower group come first, all of them.
    pub(super) group: u8,
    /// Classes of one group take turns.
    pub(super) class: C,
    /// Of one class, those that come before it wherever they are in the list.
    pub(super) turn: usize,
    /// Turns that it comes later because it takes much.
    pub(super) handicap: u64,
}

/// The order in which claimants get places, each by its number in the list.
pub(super) fn in_turns<C: Ord + Copy>(claimants: &[Claimant<C>]) -> Vec<usize> {
    let mut classes: BTreeMap<(u8, C), BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (number, claimant) in claimants.iter().enumerate() {
        let class = classes.entry((claimant.group, claimant.class)).or_default();
        class.entry(claimant.turn).or_default().push(number);
    }
    let mut order = Vec::with_capacity(claimants.len());
    for ((group, class), turns) in classes {
        let members = turns.into_values().flat_map(from_both_ends);
        for (position, number) in members.enumerate() {
            let handicap = claimants.get(number).map_or(0, |claimant| claimant.handicap);
            order.push((group, (position as u64).saturating_add(handicap), class, number));
        }
    }
    order.sort();
    order.into_iter().map(|(.., number)| number).collect()
}

/// The first, the last, the second, the last but one …
fn from_both_ends(members: Vec<usize>) -> Vec<usize> {
    let (mut members, mut turned) = (VecDeque::from(members), Vec::new());
    while let Some(first) = members.pop_front() {
        turned.push(first);
        turned.extend(members.pop_back());
    }
    turned
}

/// Sizes that take turns: those up to twice as large are of one class.
pub(super) fn size_class(bytes: u64) -> u32 {
    u64::BITS - bytes.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(group: u8, class: u32, turn: usize, handicap: u64) -> Claimant<u32> {
        Claimant { group, class, turn, handicap }
    }

    #[test]
    fn h41_who_is_plenty_in_one_class_takes_no_place_from_another() {
        let crowd: Vec<_> = (0..1000).map(|_| claimant(0, 1, 0, 0)).collect();
        for at in [0, 500, 1000] {
            let mut all = crowd.clone();
            all.insert(at, claimant(0, 2, 0, 0));
            all.push(claimant(1, 3, 0, 0));
            let order = in_turns(&all);
            assert!(order[..2].contains(&at), "{at}");
            assert_eq!(order.last(), Some(&1001), "a higher group is behind all");
        }
    }

    #[test]
    fn h41_of_one_class_both_ends_come_first() {
        let all: Vec<_> = (0..5).map(|_| claimant(0, 1, 0, 0)).collect();
        assert_eq!(in_turns(&all), [0, 4, 1, 3, 2]);
        let later = [(1, 0), (0, 0), (0, 0), (0, 3)];
        let later: Vec<_> = later.iter().map(|(turn, h)| claimant(0, 1, *turn, *h)).collect();
        assert_eq!(in_turns(&later), [1, 2, 0, 3], "second pieces, and what is large, come later");
        assert!(in_turns::<u32>(&[]).is_empty());
    }

    #[test]
    fn sizes_are_of_one_class_up_to_twice_as_large() {
        let classes = [0, 1, 2, 3, 4, 1023, 1024, u64::MAX].map(size_class);
        assert_eq!(classes, [0, 1, 2, 2, 3, 10, 11, 64]);
    }
}
