//! Two layers side by side, in one pass over each.
//!
//! Reads both at the same time and lets equal entries cancel each other out. What is left differs: its facts are at hand
//! where they could be kept, else both layers are read once more. Gives differences that are explained where they can be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    CompareError, Difference, Which,
    content::Hash,
    entry::{self, Facts},
    layer::{Layer, path_hash},
    matcher::{Matcher, Seen, Unmatched, Waiting},
    package_updates::{self, Kept},
};
use crate::{digest::DiffId, image::Compression};

/// Package databases come before everything else that differs: they tell why it does.
pub(super) const FIRST: [&str; 3] =
    ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// What reading two layers gave.
pub(super) struct Pair {
    /// The diffID of the left (published) layer.
    pub(super) left: DiffId,
    /// The diffID of the right (rebuilt) layer.
    pub(super) right: DiffId,
    /// How their entries compare, when the diffIDs differ.
    pub(super) entries: Option<Entries>,
    /// How each is stored, whatever its media type says.
    pub(super) stored: [Compression; 2],
    /// What each compressed stream says beside its content, where that differs.
    pub(super) asides: Option<[Option<Hash>; 2]>,
}

/// How the entries of two layers compare.
pub(super) struct Entries {
    /// Whether the paths come in the same order.
    pub(super) same_order: bool,
    /// Whether equal files have different times.
    pub(super) other_times: bool,
    /// Whether a side has compiled modules of Python, so that times may decide what runs.
    pub(super) modules: bool,
    /// What differs, by path.
    pub(super) differences: Vec<Difference>,
    /// Paths that differ beyond those.
    pub(super) more: u64,
    /// Files that tell something about packages.
    pub(super) kept: Vec<Kept>,
}

/// Compares two layers.
pub(super) fn compare(left: &Layer<'_>, right: &Layer<'_>) -> Result<Pair, CompareError> {
    let matcher = Matcher::default();
    let (ours, theirs) = std::thread::scope(|scope| {
        let lane = matcher.lane(Which::Published);
        let other = scope.spawn(move || left.scan(&lane));
        let theirs = {
            let lane = matcher.lane(Which::Rebuilt);
            right.scan(&lane)
        };
        (other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), theirs)
    });
    let ((ours, left_order), (theirs, right_order)) = (ours?, theirs?);
    let asides = (ours.asides != theirs.asides).then_some([ours.asides, theirs.asides]);
    let stored = [ours.compression, theirs.compression];
    let (left_id, right_id) = (ours.diff_id, theirs.diff_id);
    if left_id == right_id {
        return Ok(Pair { left: left_id, right: right_id, entries: None, stored, asides });
    }
    let same_order = left_order == right_order;
    let unmatched = matcher.finish();
    let (other_times, modules) = (unmatched.other_times, unmatched.modules);
    let (differences, more, kept) = unlike(left, right, unmatched)?;
    let entries = Some(Entries { same_order, other_times, modules, differences, more, kept });
    Ok(Pair { left: left_id, right: right_id, entries, stored, asides })
}

type Unlike = (Vec<Difference>, u64, Vec<Kept>);

fn unlike(
    left: &Layer<'_>,
    right: &Layer<'_>,
    mut unmatched: Unmatched,
) -> Result<Unlike, CompareError> {
    let picked = pick(&unmatched, left.limits.differences);
    let more = unmatched.waiting.len().saturating_sub(picked.len()) as u64;
    let (left_facts, right_facts) = match at_hand(&mut unmatched, &picked) {
        Some(facts) => facts,
        None => {
            drop(unmatched);
            std::thread::scope(|scope| {
                let ours = scope.spawn(|| left.facts(&picked));
                let theirs = right.facts(&picked);
                let ours = ours.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok::<_, CompareError>((ours?, theirs?))
            })?
        }
    };
    let paths: BTreeSet<&String> = left_facts.keys().chain(right_facts.keys()).collect();
    let (mut differences, mut kept) = (Vec::new(), Vec::new());
    for path in paths {
        let facts = (left_facts.get(path), right_facts.get(path));
        differences.extend(entry::differences(left.position, path, facts, left.limits));
        if package_updates::is_wanted(path) {
            let bytes = |facts: Option<&Facts>| facts.and_then(|f| f.bytes.clone());
            if let (Some(left), Some(right)) = (bytes(facts.0), bytes(facts.1)) {
                kept.push(Kept { path: path.clone(), left, right });
            }
        }
    }
    Ok((differences, more, kept))
}

/// The paths that are reported: package databases, then the lowest hashes, which are the same on every run.
fn pick(unmatched: &Unmatched, most: usize) -> BTreeSet<Hash> {
    let first =
        FIRST.map(path_hash).into_iter().filter(|path| unmatched.waiting.contains_key(path));
    let mut picked: BTreeSet<Hash> = first.take(most).collect();
    let mut rest = BTreeSet::new();
    for path in unmatched.waiting.keys().filter(|path| !picked.contains(*path)) {
        rest.insert(*path);
        if rest.len() + picked.len() > most {
            rest.pop_last();
        }
    }
    picked.append(&mut rest);
    picked
}

type Found = BTreeMap<String, Facts>;

/// The facts of the picked paths on both sides, if all of them are still there.
fn at_hand(unmatched: &mut Unmatched, picked: &BTreeSet<Hash>) -> Option<(Found, Found)> {
    let (mut left, mut right) = (Found::new(), Found::new());
    for path in picked {
        if unmatched.repeated.contains(path) {
            return None;
        }
        match unmatched.waiting.remove(path)? {
            Waiting::One(Which::Published, seen) => add(&mut left, seen)?,
            Waiting::One(Which::Rebuilt, seen) => add(&mut right, seen)?,
            Waiting::Several(queues) => {
                let [ours, theirs] = *queues;
                add_all(&mut left, ours)?;
                add_all(&mut right, theirs)?;
            }
        }
    }
    Some((left, right))
}

fn add_all(found: &mut Found, queue: VecDeque<Seen>) -> Option<()> {
    queue.into_iter().try_for_each(|seen| add(found, seen))
}

fn add(found: &mut Found, seen: Seen) -> Option<()> {
    let entry = seen.entry?;
    found.insert(entry.path.clone(), Facts::new(*entry, seen.content));
    Some(())
}
