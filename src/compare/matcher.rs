//! Where the entries of two layers meet.
//!
//! Two threads read a layer each and offer what they find; an entry that has its equal on the other side is dropped at
//! once, so that nothing is kept of what two layers have in common. Contents wait as bytes and are compared as bytes: no
//! hash is computed for a file that is equal on both sides. A side that is far ahead waits for the other; where that
//! would not help, as with layers in another order, what waits is reduced to its hashes. Which of the two happened is seen
//! in no result.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{Which, content::Hash, normalize::pyc};
use crate::image::tar::Entry;

/// Bytes of entries that one side may have waiting.
const HELD_BYTES: usize = 32 << 20;
/// What an entry without content is counted as, in bytes: more than its fields take.
const ENTRY_BYTES: usize = 1 << 10;
/// Paths in the order of their coming before those that are gone are dropped from the list.
const ORDER_MAX: usize = 8 * HELD_BYTES / ENTRY_BYTES;

/// The content of an entry.
pub(super) enum Content {
    /// All of it.
    Bytes(Vec<u8>),
    /// Its digest: it is larger than what is kept.
    Hash(Hash),
}

impl Content {
    pub(super) fn hash(&self) -> Hash {
        match self {
            Self::Bytes(bytes) => Sha256::digest(bytes).into(),
            Self::Hash(hash) => *hash,
        }
    }
}

/// An entry that was read.
pub(super) struct Seen {
    /// Hash of everything that counts but the content.
    pub(super) mark: Hash,
    pub(super) content: Content,
    /// The entry itself, as long as there is room for it.
    pub(super) entry: Option<Box<Entry>>,
    /// The time of a file, or of another name for one: a compiled module of Python may come from it.
    pub(super) time: Option<i64>,
}

impl Seen {
    fn equals(&self, other: &Self) -> bool {
        self.mark == other.mark
            && match (&self.content, &other.content) {
                (Content::Bytes(left), Content::Bytes(right)) => left == right,
                (left, right) => left.hash() == right.hash(),
            }
    }

    /// Whether this may be a compiled module with a time in it.
    fn may_be_module(&self) -> bool {
        match &self.content {
            Content::Bytes(bytes) => pyc::compiled_from(bytes).is_some(),
            Content::Hash(_) => true,
        }
    }

    fn held_bytes(&self) -> usize {
        let content = match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::Hash(_) => 0,
        };
        if self.entry.is_some() { ENTRY_BYTES + content } else { 0 }
    }

    /// Reduces it to its hashes.
    fn strip(&mut self) {
        self.content = Content::Hash(self.content.hash());
        self.entry = None;
    }
}

/// Entries of one path that have no equal yet, in the order of each side.
pub(super) enum Waiting {
    One(Which, Seen),
    Several(Box<[VecDeque<Seen>; 2]>),
}

#[derive(Default)]
struct Side {
    /// A part of the hash of every path seen, to notice a path that comes again.
    paths: HashSet<u64>,
    held: usize,
    /// What waits, the oldest first; may name paths that are gone.
    order: VecDeque<Hash>,
    done: bool,
    stalled: bool,
}

#[derive(Default)]
struct State {
    waiting: HashMap<Hash, Waiting>,
    repeated: HashSet<Hash>,
    sides: [Side; 2],
    /// Equal files have different times.
    other_times: bool,
    /// There are compiled modules of Python.
    modules: bool,
}

/// What had no equal.
pub(super) struct Unmatched {
    /// By hash of the path.
    pub(super) waiting: HashMap<Hash, Waiting>,
    /// Paths that one side has more than once.
    pub(super) repeated: HashSet<Hash>,
    /// Whether equal files have different times.
    pub(super) other_times: bool,
    /// Whether a side has compiled modules of Python, so that times may decide what runs.
    pub(super) modules: bool,
}

/// The meeting place.
#[derive(Default)]
pub(super) struct Matcher {
    state: Mutex<State>,
    moved: Condvar,
}

/// One side's access to it; the side is done when this is dropped.
pub(super) struct Lane<'m> {
    matcher: &'m Matcher,
    which: Which,
}

impl Matcher {
    pub(super) fn lane(&self, which: Which) -> Lane<'_> {
        Lane { matcher: self, which }
    }

    pub(super) fn finish(self) -> Unmatched {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let State { waiting, repeated, other_times, modules, .. } = state;
        Unmatched { waiting, repeated, other_times, modules }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane<'_> {
    /// Offers an entry; `path` is the hash of its path.
    pub(super) fn offer(&self, path: Hash, seen: Seen) {
        let mut state = self.matcher.lock();
        state.put(self.which, path, seen);
        if state.other(self.which).stalled {
            self.matcher.moved.notify_one();
        }
        while state.side(self.which).held > HELD_BYTES {
            let other = state.other(self.which);
            if other.done || other.stalled {
                state.make_room(self.which);
                break;
            }
            state.side(self.which).stalled = true;
            let moved = self.matcher.moved.wait(state);
            state = moved.unwrap_or_else(PoisonError::into_inner);
            state.side(self.which).stalled = false;
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.matcher.lock().side(self.which).done = true;
        self.matcher.moved.notify_one();
    }
}

impl State {
    fn side(&mut self, which: Which) -> &mut Side {
        let [left, right] = &mut self.sides;
        match which {
            Which::Published => left,
            Which::Rebuilt => right,
        }
    }

    fn other(&mut self, which: Which) -> &mut Side {
        self.side(which.other())
    }

    fn put(&mut self, which: Which, path: Hash, seen: Seen) {
        self.modules |= seen.may_be_module();
        let part = u64::from_le_bytes(std::array::from_fn(|at| path.get(at).copied().unwrap_or(0)));
        if !self.side(which).paths.insert(part) {
            self.repeated.insert(path);
        }
        match self.waiting.remove(&path) {
            None => {
                self.hold(which, path, seen.held_bytes());
                self.waiting.insert(path, Waiting::One(which, seen));
            }
            Some(Waiting::One(other, there)) if other != which && there.equals(&seen) => {
                self.meet(there.time, seen.time);
                self.release(other, there.held_bytes());
            }
            Some(waiting) => self.queue(which, path, seen, waiting),
        }
    }

    /// Adds to the entries of a path and takes out what is equal at both fronts.
    fn queue(&mut self, which: Which, path: Hash, seen: Seen, waiting: Waiting) {
        let mut queues = match waiting {
            Waiting::Several(queues) => queues,
            Waiting::One(first, there) => {
                let mut queues = Box::<[VecDeque<Seen>; 2]>::default();
                queue_of(&mut queues, first).push_back(there);
                queues
            }
        };
        self.hold(which, path, seen.held_bytes());
        queue_of(&mut queues, which).push_back(seen);
        let [left, right] = &mut *queues;
        while let (Some(l), Some(r)) = (left.front(), right.front())
            && l.equals(r)
        {
            self.meet(l.time, r.time);
            self.release(Which::Published, l.held_bytes());
            self.release(Which::Rebuilt, r.held_bytes());
            left.pop_front();
            right.pop_front();
        }
        if !left.is_empty() || !right.is_empty() {
            self.waiting.insert(path, Waiting::Several(queues));
        }
    }

    /// Notes the times of two equal entries.
    fn meet(&mut self, left: Option<i64>, right: Option<i64>) {
        self.other_times |= left != right;
    }

    fn hold(&mut self, which: Which, path: Hash, bytes: usize) {
        let Self { waiting, sides: [left, right], .. } = self;
        let side = match which {
            Which::Published => left,
            Which::Rebuilt => right,
        };
        if side.held == 0 {
            side.order.clear();
        } else if side.order.len() > ORDER_MAX {
            side.order.retain(|path| waiting.contains_key(path));
        }
        side.held = side.held.saturating_add(bytes);
        side.order.push_back(path);
    }

    fn release(&mut self, which: Which, bytes: usize) {
        let side = self.side(which);
        side.held = side.held.saturating_sub(bytes);
    }

    /// Reduces what waits longest to its hashes, until half of the room is free.
    fn make_room(&mut self, which: Which) {
        while self.side(which).held > HELD_BYTES / 2 {
            let Some(path) = self.side(which).order.pop_front() else { break };
            let mut freed = 0;
            let mut strip = |seen: &mut Seen| {
                freed += seen.held_bytes();
                seen.strip();
            };
            match self.waiting.get_mut(&path) {
                Some(Waiting::One(side, seen)) if *side == which => strip(seen),
                Some(Waiting::Several(queues)) => {
                    queue_of(queues, which).iter_mut().for_each(strip);
                }
                Some(Waiting::One(..)) | None => {}
            }
            self.release(which, freed);
        }
    }
}

fn queue_of(queues: &mut [VecDeque<Seen>; 2], which: Which) -> &mut VecDeque<Seen> {
    let [left, right] = queues;
    match which {
        Which::Published => left,
        Which::Rebuilt => right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tar::EntryKind;

    fn path(number: u32) -> Hash {
        Sha256::digest(number.to_le_bytes()).into()
    }

    fn seen(content: &[u8]) -> Seen {
        let entry = Entry {
            path: "/x".to_owned(),
            kind: EntryKind::File,
            mode: 0,
            odd_type_bits: 0,
            uid: 0,
            gid: 0,
            uname: String::new(),
            gname: String::new(),
            size: content.len() as u64,
            mtime: 0,
            link: None,
            device: None,
            xattrs: Default::default(),
            pax: Default::default(),
            global: Default::default(),
            offset: 0,
        };
        Seen {
            mark: Hash::default(),
            content: Content::Bytes(content.to_vec()),
            entry: Some(Box::new(entry)),
            time: None,
        }
    }

    fn meet(left: &[(u32, &[u8])], right: &[(u32, &[u8])]) -> Unmatched {
        let matcher = Matcher::default();
        std::thread::scope(|scope| {
            for (which, entries) in [(Which::Published, left), (Which::Rebuilt, right)] {
                let lane = matcher.lane(which);
                scope.spawn(move || {
                    entries
                        .iter()
                        .for_each(|(number, content)| lane.offer(path(*number), seen(content)));
                });
            }
        });
        matcher.finish()
    }

    #[test]
    fn equal_entries_meet_in_any_order() {
        let large = vec![7; HELD_BYTES / 8];
        let forward: Vec<(u32, &[u8])> = (0..40).map(|n| (n, large.as_slice())).collect();
        let backward: Vec<_> = forward.iter().rev().copied().collect();
        // Far more than may wait, met from both ends: neither side can help the other.
        assert!(meet(&forward, &backward).waiting.is_empty());
        assert!(meet(&forward, &forward).waiting.is_empty());
        let (most, last) = (&forward[..39], [(39, b"other".as_slice())]);
        let unlike = meet(&forward, &[most, &last].concat());
        assert_eq!(unlike.waiting.keys().collect::<Vec<_>>(), [&path(39)]);
        assert_eq!(meet(&forward, &[]).waiting.len(), 40);
    }

    #[test]
    fn entries_of_one_path_are_a_list() {
        let (a, b) = ((1, b"a".as_slice()), (1, b"b".as_slice()));
        let cases: [(&[_], &[_], bool); 6] = [
            (&[a, b], &[a, b], true),
            (&[a, b], &[b, a], false),
            (&[a, a], &[a], false),
            (&[a], &[a, b], false),
            (&[a, b, a], &[a, b, a], true),
            (&[a, b], &[a, a], false),
        ];
        for (left, right, same) in cases {
            for (left, right) in [(left, right), (right, left)] {
                let found = meet(left, right);
                assert_eq!(found.waiting.is_empty(), same, "{left:?} {right:?}");
                assert_eq!(found.repeated.contains(&path(1)), left.len().max(right.len()) > 1);
            }
        }
    }
}
