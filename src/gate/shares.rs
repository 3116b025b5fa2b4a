//! Who may work at the same time: slots for verifications, shared out between registries and namespaces.
//!
//! A verification mostly waits for its registry, and a registry can make it wait for ever (attack C14). So a registry gets
//! a few slots only, and so does a namespace; some slots are kept for registries that were quick the last time; and
//! whoever waits for a registry with the fewest verifications under way comes first. Who has not come to an end in a moment
//! steps aside and goes on without a slot; where too many stand there, the one that has stood there longest has to end. What waits is bounded, too: where all
//! places are taken, the registry that most wait for loses one to a registry that fewer wait for.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{oneshot, watch};

/// How many slots there are, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Slots in all.
    pub(super) slots: usize,
    /// Of these, slots for registries that were quick the last time.
    pub(super) kept: usize,
    /// Slots of one registry.
    pub(super) host: usize,
    /// Slots of one namespace, of those that are not kept.
    pub(super) namespace: usize,
    /// Who may go on without a slot.
    pub(super) aside: usize,
    /// Who may wait for a slot.
    pub(super) waiting: usize,
}

/// The sizes of a gate. Most verifications wait for the network, so that there are more of them than processors; each may
/// hold an index, a manifest and a configuration, so that one namespace cannot fill 512 MiB with them.
pub(super) const SIZES: Sizes =
    Sizes { slots: 48, kept: 16, host: 8, namespace: 24, aside: 64, waiting: 4096 };
/// Registries that are remembered as quick.
const MAX_QUICK: usize = 1024;

/// For whom a verification works.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Party {
    /// The registry, with its port.
    pub(super) host: String,
    /// The namespace of whoever asked first.
    pub(super) namespace: String,
}

/// No place is left to wait at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crowded;

/// Somebody who waits.
struct Waiting {
    party: Party,
    start: oneshot::Sender<Slot>,
}

#[derive(Default)]
struct Table {
    queue: Vec<Waiting>,
    running: usize,
    hosts: HashMap<String, usize>,
    namespaces: HashMap<String, usize>,
    /// Who goes on without a slot, the oldest first; dropping the sender ends it.
    aside: BTreeMap<u64, oneshot::Sender<()>>,
    stepped: u64,
    quick: HashSet<String>,
}

struct Inner {
    sizes: Sizes,
    table: Mutex<Table>,
    pressed: watch::Sender<bool>,
}

/// All slots.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

/// The right to work, until it is dropped.
pub(super) struct Slot {
    shares: Shares,
    party: Party,
    /// Its number among those who stepped aside.
    aside: Option<u64>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.shares.lock();
        less(&mut table.hosts, &self.party.host);
        match self.aside {
            Some(number) => drop(table.aside.remove(&number)),
            None => table.vacate(&self.party),
        }
        self.shares.share_out(table);
    }
}

impl Slot {
    /// Leaves the slot to others, and ends once this one has to end.
    pub(super) async fn step_aside(&mut self) {
        let (end, ended) = oneshot::channel();
        {
            let mut table = self.shares.lock();
            table.vacate(&self.party);
            if table.aside.len() >= self.shares.0.sizes.aside {
                table.aside.pop_first();
            }
            table.stepped += 1;
            let number = table.stepped;
            table.aside.insert(number, end);
            self.aside = Some(number);
            self.shares.share_out(table);
        }
        // Nothing is ever sent.
        let _ = ended.await;
    }

    /// Remembers whether the registry was quick.
    pub(super) fn was_quick(&self, quick: bool) {
        let mut table = self.shares.lock();
        if !quick {
            table.quick.remove(&self.party.host);
        } else if table.quick.len() < MAX_QUICK {
            table.quick.insert(self.party.host.clone());
        }
    }
}

impl Shares {
    pub(super) fn new(sizes: Sizes) -> Self {
        let (table, pressed) = (Mutex::default(), watch::Sender::new(false));
        Self(Arc::new(Inner { sizes, table, pressed }))
    }

    /// Waits for a slot.
    pub(super) async fn enter(&self, party: Party) -> Result<Slot, Crowded> {
        let (start, started) = oneshot::channel();
        {
            let mut table = self.lock();
            table.queue.retain(|waiting| !waiting.start.is_closed());
            if table.queue.len() >= self.0.sizes.waiting {
                table.make_room(&party.host)?;
            }
            table.queue.push(Waiting { party, start });
            self.share_out(table);
        }
        started.await.map_err(|_| Crowded)
    }

    /// Ends once somebody waits who would work if there were more slots.
    pub(super) async fn pressed(&self) {
        let mut pressed = self.0.pressed.subscribe();
        // The sender lives as long as `self`.
        let _ = pressed.wait_for(|pressed| *pressed).await;
    }

    /// Gives free slots away. A slot that nobody takes any more comes back to the next call.
    fn share_out<'s>(&'s self, mut table: MutexGuard<'s, Table>) {
        table.queue.retain(|waiting| !waiting.start.is_closed());
        while let Some(Waiting { party, start }) = table.next(&self.0.sizes) {
            table.running += 1;
            *table.hosts.entry(party.host.clone()).or_default() += 1;
            *table.namespaces.entry(party.namespace.clone()).or_default() += 1;
            let slot = Slot { shares: self.clone(), party, aside: None };
            drop(table);
            // Who is gone drops the slot, which shares it out again: not while the table is locked.
            drop(start.send(slot));
            table = self.lock();
        }
        let pressed =
            table.queue.iter().any(|waiting| table.has_share(&waiting.party, &self.0.sizes));
        self.0.pressed.send_if_modified(|was| std::mem::replace(was, pressed) != pressed);
    }

    /// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// One slot less is taken.
    fn vacate(&mut self, party: &Party) {
        self.running -= 1;
        less(&mut self.namespaces, &party.namespace);
    }

    /// The first of those who may begin whose registry has the fewest slots.
    fn next(&mut self, sizes: &Sizes) -> Option<Waiting> {
        let may = |(_, waiting): &(usize, &Waiting)| {
            self.has_share(&waiting.party, sizes) && self.has_slot(&waiting.party, sizes)
        };
        let waiting = self.queue.iter().enumerate().filter(may);
        let first = waiting.min_by_key(|(place, waiting)| {
            let namespace = count(&self.namespaces, &waiting.party.namespace);
            (count(&self.hosts, &waiting.party.host), namespace, *place)
        });
        first.map(|(place, _)| place).map(|place| self.queue.remove(place))
    }

    /// Whether registry and namespace have less than their share.
    fn has_share(&self, party: &Party, sizes: &Sizes) -> bool {
        count(&self.hosts, &party.host) < sizes.host
            && (count(&self.namespaces, &party.namespace) < sizes.namespace
                || self.quick.contains(&party.host))
    }

    fn has_slot(&self, party: &Party, sizes: &Sizes) -> bool {
        let kept = if self.quick.contains(&party.host) { 0 } else { sizes.kept };
        self.running < sizes.slots.saturating_sub(kept)
    }

    /// Sends away the last who waits for the registry that most wait for, if more wait for it than for `host`.
    fn make_room(&mut self, host: &str) -> Result<(), Crowded> {
        let mut waiting: HashMap<&str, usize> = HashMap::new();
        for one in &self.queue {
            *waiting.entry(&one.party.host).or_default() += 1;
        }
        let own = waiting.get(host).copied().unwrap_or_default();
        // Among equals the least by name: what happens does not depend on the order of a hash table.
        let most = waiting.iter().max_by_key(|(host, count)| (**count, std::cmp::Reverse(**host)));
        let (most, count) =
            most.map(|(host, count)| ((*host).to_owned(), *count)).ok_or(Crowded)?;
        if count <= own + 1 {
            return Err(Crowded);
        }
        let last = self.queue.iter().rposition(|one| one.party.host == most).ok_or(Crowded)?;
        self.queue.remove(last);
        Ok(())
    }
}

fn count<K: Hash + Eq + std::borrow::Borrow<str>>(counts: &HashMap<K, usize>, key: &str) -> usize {
    counts.get(key).copied().unwrap_or_default()
}

fn less(counts: &mut HashMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;

    const SMALL: Sizes = Sizes { slots: 8, kept: 2, host: 3, namespace: 5, aside: 2, waiting: 10 };

    type Entering = BoxFuture<'static, Result<Slot, Crowded>>;

    fn enter(shares: &Shares, host: &str, namespace: &str) -> Entering {
        let party = Party { host: host.to_owned(), namespace: namespace.to_owned() };
        let shares = shares.clone();
        let mut entering = async move { shares.enter(party).await }.boxed();
        // Polled once, it stands in the queue.
        match (&mut entering).now_or_never() {
            Some(entered) => std::future::ready(entered).boxed(),
            None => entering,
        }
    }

    /// How many of these have a slot; the slots are kept in `held`.
    fn started(all: &mut Vec<Entering>, held: &mut Vec<Slot>) -> usize {
        let before = held.len();
        all.retain_mut(|entering| match entering.now_or_never() {
            Some(Ok(slot)) => {
                held.push(slot);
                false
            }
            Some(Err(Crowded)) => false,
            None => true,
        });
        held.len() - before
    }

    #[test]
    fn c14_a_registry_and_a_namespace_have_their_share_and_no_more() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let mut dead: Vec<_> = (0..4).map(|_| enter(&shares, "dead", "a")).collect();
        assert_eq!(started(&mut dead, &mut held), 3, "a registry");
        let mut more: Vec<_> = (0..3).map(|n| enter(&shares, &format!("dead{n}"), "a")).collect();
        assert_eq!(started(&mut more, &mut held), 2, "a namespace");
        let mut other = vec![enter(&shares, "dead9", "b"), enter(&shares, "dead10", "c")];
        assert_eq!(started(&mut other, &mut held), 1, "all but what is kept");
        let mut quick = vec![enter(&shares, "good", "a")];
        assert_eq!(started(&mut quick, &mut held), 0, "nobody knows that it is good");
        held.pop();
        assert_eq!(started(&mut other, &mut held), 1, "first come among equals");
        held.pop();
        assert_eq!(started(&mut quick, &mut held), 0, "its namespace has its share");
        drop(more);
        drop(held.remove(0));
        // Its registry has fewer slots than the others that wait.
        assert_eq!(started(&mut quick, &mut held), 1);
        held.last().expect("it").was_quick(true);
        held.pop();
        started(&mut dead, &mut held);
        let mut again: Vec<_> = (0..4).map(|_| enter(&shares, "good", "a")).collect();
        assert!(
            started(&mut again, &mut held) >= 2,
            "slots are kept for it, whatever its namespace does"
        );
    }

    #[test]
    fn who_is_gone_takes_no_slot() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let mut all: Vec<_> = (0..6).map(|_| enter(&shares, "r", "a")).collect();
        assert_eq!(started(&mut all, &mut held), 3);
        drop(all);
        held.clear();
        let mut next = vec![enter(&shares, "r", "a")];
        assert_eq!(started(&mut next, &mut held), 1);
        drop(held);
        let table = shares.lock();
        assert_eq!((table.running, table.queue.len(), table.hosts.len()), (0, 0, 0));
    }

    #[test]
    fn c14_who_waits_is_bounded_and_the_many_make_room_for_the_few() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let mut dead: Vec<_> = (0..13).map(|_| enter(&shares, "dead", "a")).collect();
        assert_eq!(started(&mut dead, &mut held), 3);
        assert_eq!(dead.len(), 10);
        let full = enter(&shares, "dead", "a").now_or_never();
        assert!(matches!(full, Some(Err(Crowded))), "one more");
        let mut other = vec![enter(&shares, "other", "a")];
        assert_eq!(started(&mut other, &mut held), 1);
        started(&mut dead, &mut held);
        assert_eq!(dead.len(), 9, "one of them was sent away");
    }

    #[test]
    fn c14_who_steps_aside_makes_room_and_the_oldest_has_to_end() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let dead = |n: usize| enter(&shares, &format!("dead{n}"), "a");
        let mut all: Vec<_> = (0..5).map(dead).collect();
        assert_eq!(started(&mut all, &mut held), 5);
        let mut honest = vec![enter(&shares, "good", "a")];
        assert_eq!(started(&mut honest, &mut held), 0, "its namespace has its share");
        let mut aside: Vec<_> = held
            .into_iter()
            .map(|mut slot| async move { slot.step_aside().await }.boxed())
            .collect();
        assert!((&mut aside[0]).now_or_never().is_none());
        let mut held = Vec::new();
        assert_eq!(started(&mut honest, &mut held), 1);
        assert!((&mut aside[1]).now_or_never().is_none());
        assert!((&mut aside[0]).now_or_never().is_none(), "there is room for two");
        assert!((&mut aside[2]).now_or_never().is_none());
        assert!((&mut aside[0]).now_or_never().is_some(), "the oldest ends");
        drop((aside, held));
        let table = shares.lock();
        assert_eq!((table.running, table.aside.len(), table.hosts.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn pressure_is_known() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let mut all: Vec<_> = (0..4).map(|_| enter(&shares, "a", "a")).collect();
        started(&mut all, &mut held);
        assert!(
            shares.pressed().now_or_never().is_none(),
            "a registry that has its share presses nobody"
        );
        let mut more: Vec<_> =
            (0..4).map(|n| enter(&shares, &format!("r{n}"), &format!("n{n}"))).collect();
        started(&mut more, &mut held);
        assert!(shares.pressed().now_or_never().is_some());
        drop(more);
        held.pop();
        assert!(shares.pressed().now_or_never().is_none());
    }
}
