//! Who may work at the same time: slots for verifications, shared out between registries and namespaces.
//!
//! A verification mostly waits for its registry, and a registry can make it wait for ever (attack C14). So a registry gets
//! a few slots only, a namespace gets a part of these and of all; some slots are kept for registries that were quick the
//! last time; and whoever waits for a registry with the fewest verifications under way comes first, and there the namespace
//! that has the fewest. A slot is held for a moment: who has not come to an end then steps aside and goes on without one, so
//! that slots are taken in turns however long the work of others is (attack C18).
//!
//! Where too many stand aside, one has to end. A few places are every namespace's own. Beyond them who is silent gives way
//! to who gets on; then the namespace that holds most gives way, there the registry that holds most, and there who was
//! silent longest, or who has had its time, or who came last: not whoever is nearest to its end (attack C19).
//!
//! What waits is bounded, too: where all places are taken, the namespace that most wait for loses one to one that has
//! fewer, and in one namespace the registry that most wait for to another.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// How many slots there are, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Slots in all.
    pub(super) slots: usize,
    /// Of these, slots for registries that were quick the last time.
    pub(super) kept: usize,
    /// Slots of one registry.
    pub(super) host: usize,
    /// Of these, slots of one namespace.
    pub(super) asker: usize,
    /// Slots of one namespace, of those that are not kept.
    pub(super) namespace: usize,
    /// Who may go on without a slot.
    pub(super) aside: usize,
    /// Of these, places that a namespace does not lose to others that have more.
    pub(super) own: usize,
    /// Who may wait for a slot.
    pub(super) waiting: usize,
}

/// The sizes of a gate. Most verifications wait for the network, so that there are more of them than processors; each may
/// hold an index, a manifest and a configuration, so that one namespace cannot fill 512 MiB with them.
pub(super) const SIZES: Sizes = Sizes {
    slots: 48,
    kept: 16,
    host: 12,
    asker: 8,
    namespace: 24,
    aside: 64,
    own: 4,
    waiting: 4096,
};
/// Registries that are remembered as quick.
const MAX_QUICK: usize = 1024;
/// Time without any progress after which a verification is silent; a busy registry takes less to answer.
const SILENCE: Duration = Duration::from_secs(2);
/// Time aside that a verification is not to be robbed of by those that came later and are like it.
const TENURE: Duration = Duration::from_secs(15);

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

/// When a verification last got on.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    /// Milliseconds from then to the last beat.
    beat: AtomicU64,
}

impl Pulse {
    pub(super) fn new(begun: Instant) -> Self {
        Self { begun, beat: AtomicU64::new(0) }
    }

    /// It gets on.
    pub(super) fn beat(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(since, Ordering::Relaxed);
    }

    fn silence(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        now.saturating_duration_since(self.begun).saturating_sub(last)
    }
}

/// Somebody who waits.
struct Waiting {
    party: Party,
    start: oneshot::Sender<Slot>,
}

/// Somebody who goes on without a slot.
struct Aside {
    party: Party,
    since: Instant,
    pulse: Arc<Pulse>,
    /// Dropping it ends the work.
    _end: oneshot::Sender<()>,
}

#[derive(Default)]
struct Table {
    queue: Vec<Waiting>,
    running: usize,
    hosts: HashMap<String, usize>,
    namespaces: HashMap<String, usize>,
    parties: HashMap<Party, usize>,
    /// The oldest first.
    aside: BTreeMap<u64, Aside>,
    stepped: u64,
    quick: HashSet<String>,
}

struct Inner {
    sizes: Sizes,
    table: Mutex<Table>,
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
        match self.aside {
            Some(number) => drop(table.aside.remove(&number)),
            None => table.vacate(&self.party),
        }
        self.shares.share_out(table);
    }
}

impl Slot {
    /// Leaves the slot to others, and ends once this one has to end.
    pub(super) async fn step_aside(&mut self, pulse: Arc<Pulse>) {
        let (end, ended) = oneshot::channel();
        {
            let mut table = self.shares.lock();
            table.vacate(&self.party);
            table.stepped += 1;
            let (number, now) = (table.stepped, Instant::now());
            let party = self.party.clone();
            table.aside.insert(number, Aside { party, since: now, pulse, _end: end });
            self.aside = Some(number);
            if table.aside.len() > self.shares.0.sizes.aside {
                let least = table.least(self.shares.0.sizes.own, now);
                least.map(|number| table.aside.remove(&number));
            }
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
        Self(Arc::new(Inner { sizes, table: Mutex::default() }))
    }

    /// Waits for a slot.
    pub(super) async fn enter(&self, party: Party) -> Result<Slot, Crowded> {
        let (start, started) = oneshot::channel();
        {
            let mut table = self.lock();
            table.queue.retain(|waiting| !waiting.start.is_closed());
            if table.queue.len() >= self.0.sizes.waiting {
                table.make_room(&party)?;
            }
            table.queue.push(Waiting { party, start });
            self.share_out(table);
        }
        started.await.map_err(|_| Crowded)
    }

    /// Gives free slots away. A slot that nobody takes any more comes back to the next call.
    fn share_out<'s>(&'s self, mut table: MutexGuard<'s, Table>) {
        table.queue.retain(|waiting| !waiting.start.is_closed());
        while let Some(Waiting { party, start }) = table.next(&self.0.sizes) {
            table.occupy(&party);
            let slot = Slot { shares: self.clone(), party, aside: None };
            drop(table);
            // Who is gone drops the slot, which shares it out again: not while the table is locked.
            drop(start.send(slot));
            table = self.lock();
        }
    }

    /// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// One slot more is taken.
    fn occupy(&mut self, party: &Party) {
        self.running += 1;
        *self.hosts.entry(party.host.clone()).or_default() += 1;
        *self.namespaces.entry(party.namespace.clone()).or_default() += 1;
        *self.parties.entry(party.clone()).or_default() += 1;
    }

    /// One slot less is taken.
    fn vacate(&mut self, party: &Party) {
        self.running -= 1;
        less(&mut self.hosts, &party.host);
        less(&mut self.namespaces, &party.namespace);
        less(&mut self.parties, party);
    }

    /// The first of those who may begin whose registry has the fewest slots, and there the namespace with the fewest.
    fn next(&mut self, sizes: &Sizes) -> Option<Waiting> {
        let may = |(_, waiting): &(usize, &Waiting)| {
            self.has_share(&waiting.party, sizes) && self.has_slot(&waiting.party, sizes)
        };
        let waiting = self.queue.iter().enumerate().filter(may);
        let first = waiting.min_by_key(|(place, Waiting { party, .. })| {
            let (host, asker) = (count(&self.hosts, &party.host), count(&self.parties, party));
            (host, asker, count(&self.namespaces, &party.namespace), *place)
        });
        first.map(|(place, _)| place).map(|place| self.queue.remove(place))
    }

    /// Whether registry and namespace have less than their share.
    fn has_share(&self, party: &Party, sizes: &Sizes) -> bool {
        count(&self.hosts, &party.host) < sizes.host
            && count(&self.parties, party) < sizes.asker
            && (count(&self.namespaces, &party.namespace) < sizes.namespace
                || self.quick.contains(&party.host))
    }

    fn has_slot(&self, party: &Party, sizes: &Sizes) -> bool {
        let kept = if self.quick.contains(&party.host) { 0 } else { sizes.kept };
        self.running < sizes.slots.saturating_sub(kept)
    }

    /// The one of those aside that has to end first: see the module.
    fn least(&self, own: usize, now: Instant) -> Option<u64> {
        let (mut namespaces, mut parties) = (HashMap::new(), HashMap::new());
        for Aside { party, .. } in self.aside.values() {
            *namespaces.entry(party.namespace.as_str()).or_insert(0_usize) += 1;
            *parties.entry(party).or_insert(0_usize) += 1;
        }
        let claim = |(number, one): &(&u64, &Aside)| {
            let holds = namespaces.get(one.party.namespace.as_str()).copied().unwrap_or_default();
            let at_host = parties.get(&one.party).copied().unwrap_or_default();
            let silence = one.pulse.silence(now);
            let silent = silence >= SILENCE;
            let aside = now.saturating_duration_since(one.since);
            (
                holds > own,
                silent,
                holds,
                at_host,
                // Of what gets on this says nothing: any moment could be the last.
                silent.then_some(silence),
                (aside >= TENURE).then_some(aside),
                **number,
            )
        };
        self.aside.iter().max_by_key(claim).map(|(number, _)| *number)
    }

    /// Sends away the last who waits in the namespace that has most of them, if it has more than that of `party`; in its
    /// own namespace the last for the registry that most wait for.
    fn make_room(&mut self, party: &Party) -> Result<(), Crowded> {
        let (mut namespaces, mut parties) = (HashMap::new(), HashMap::new());
        for Waiting { party, .. } in &self.queue {
            *namespaces.entry(party.namespace.as_str()).or_insert(0_usize) += 1;
            *parties.entry(party).or_insert(0_usize) += 1;
        }
        let own = count(&namespaces, party.namespace.as_str());
        // Among equals the least by name: what happens does not depend on the order of a hash table.
        let most = namespaces.iter().max_by_key(|(name, count)| (**count, Reverse(**name)));
        let (most, held) = most.map(|(name, count)| (*name, *count)).ok_or(Crowded)?;
        let (from, bound) = match held > own + 1 {
            true => (most, 0),
            false => (party.namespace.as_str(), count(&parties, &party) + 1),
        };
        let hosts = parties.iter().filter(|(party, _)| party.namespace == from);
        let most = hosts.max_by_key(|(party, count)| (**count, Reverse(party.host.as_str())));
        let most = most.filter(|(_, count)| **count > bound).map(|(party, _)| *party);
        let most = most.ok_or(Crowded)?;
        let last = self.queue.iter().rposition(|one| one.party == *most).ok_or(Crowded)?;
        self.queue.remove(last);
        Ok(())
    }
}

fn count<K, Q>(counts: &HashMap<K, usize>, key: &Q) -> usize
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    counts.get(key).copied().unwrap_or_default()
}

fn less<K, Q>(counts: &mut HashMap<K, usize>, key: &Q)
where
    K: Hash + Eq + std::borrow::Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
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

    const SMALL: Sizes =
        Sizes { slots: 8, kept: 2, host: 3, asker: 3, namespace: 5, aside: 2, own: 1, waiting: 10 };

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

    /// Lets a slot step aside, whose work is silent for so many milliseconds.
    fn aside(mut slot: Slot, silent: u64) -> BoxFuture<'static, ()> {
        let begun = Instant::now().checked_sub(Duration::from_millis(silent)).expect("not before");
        let mut stepped = async move { slot.step_aside(Arc::new(Pulse::new(begun))).await }.boxed();
        match (&mut stepped).now_or_never() {
            Some(()) => std::future::ready(()).boxed(),
            None => stepped,
        }
    }

    /// The one of these that has ended.
    fn ended(all: &mut [BoxFuture<'static, ()>]) -> Vec<usize> {
        let ended =
            all.iter_mut().enumerate().filter_map(|(n, one)| one.now_or_never().map(|()| n));
        ended.collect()
    }

    #[test]
    fn c18_who_steps_aside_leaves_the_slot_to_the_registry_and_the_namespace() {
        let shares = Shares::new(Sizes { asker: 2, ..SMALL });
        let mut held = Vec::new();
        let mut evil: Vec<_> = (0..9).map(|_| enter(&shares, "shared", "evil")).collect();
        assert_eq!(
            started(&mut evil, &mut held),
            2,
            "a namespace has a part of a registry's slots"
        );
        let mut honest: Vec<_> = (0..2).map(|_| enter(&shares, "shared", "team")).collect();
        assert_eq!(started(&mut honest, &mut held), 1, "another one has the rest");
        let stepped = [held.remove(0), held.remove(1)].map(|slot| aside(slot, 0));
        assert_eq!(started(&mut evil, &mut held), 1, "its part again, and no more");
        assert_eq!(started(&mut honest, &mut held), 1, "whoever has fewer there comes first");
        drop((stepped, held, evil));
        let table = shares.lock();
        assert_eq!((table.running, table.aside.len(), table.hosts.len()), (0, 0, 0));
        assert_eq!((table.namespaces.len(), table.parties.len()), (0, 0));
    }

    #[test]
    fn c19_who_has_to_end_is_who_holds_most_and_gets_on_least() {
        const LONG: u64 = 60_000;
        // Host, namespace and silence of each that steps aside, of whom the last is one too many; who ends.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str, u64)], usize);
        let cases: [Case<'_>; 8] = [
            ("the silent one", &[("a", "x", 0), ("b", "x", LONG), ("c", "x", 0)], 1),
            ("silent longest", &[("a", "x", LONG), ("b", "x", LONG + 9), ("c", "x", LONG)], 1),
            ("the last, where all get on", &[("a", "x", 0), ("b", "x", 0), ("c", "x", 0)], 2),
            ("of the namespace with most", &[("a", "y", 0), ("b", "x", 0), ("c", "x", 0)], 2),
            ("of the registry with most", &[("a", "x", 0), ("a", "x", 0), ("c", "x", 0)], 1),
            ("not the last of a namespace", &[("a", "x", LONG), ("b", "y", 0), ("c", "y", 0)], 2),
            ("nor for what is silent", &[("a", "x", 0), ("b", "x", 0), ("c", "x", LONG)], 2),
            ("silence before number", &[("a", "x", 0), ("a", "x", 0), ("c", "x", LONG)], 2),
        ];
        for (name, all, want) in cases {
            let shares = Shares::new(SMALL);
            let mut stepped = Vec::new();
            for (host, namespace, silent) in all {
                let entered = enter(&shares, host, namespace).now_or_never();
                let slot = entered.and_then(Result::ok).expect("a slot");
                stepped.push(aside(slot, *silent));
            }
            assert_eq!(ended(&mut stepped), [want], "{name}");
        }
    }

    #[test]
    fn c19_work_like_others_has_its_time_and_then_gives_way() {
        let shares = Shares::new(SMALL);
        let step = |host| {
            let entered = enter(&shares, host, "x").now_or_never();
            aside(entered.and_then(Result::ok).expect("a slot"), 0)
        };
        let mut all = vec![step("a"), step("b")];
        let back = |long: Duration| {
            let mut table = shares.lock();
            let first = table.aside.values_mut().next().expect("one");
            first.since = Instant::now().checked_sub(long).expect("not before");
        };
        back(TENURE / 2);
        all.push(step("c"));
        assert_eq!(ended(&mut all), [2]);
        all.truncate(2);
        back(TENURE * 2);
        all.push(step("d"));
        assert_eq!(ended(&mut all), [0]);
    }

    #[test]
    fn c18_a_namespace_that_asks_much_of_a_registry_keeps_nobody_else_from_waiting_there() {
        let (shares, mut held) = (Shares::new(SMALL), Vec::new());
        let mut evil: Vec<_> = (0..13).map(|_| enter(&shares, "shared", "evil")).collect();
        assert_eq!((started(&mut evil, &mut held), evil.len()), (3, 10));
        let mut honest = vec![enter(&shares, "shared", "team")];
        assert_eq!((started(&mut honest, &mut held), honest.len()), (0, 1), "it waits");
        started(&mut evil, &mut held);
        assert_eq!(evil.len(), 9, "one of them was sent away");
        held.clear();
        assert_eq!(started(&mut honest, &mut held), 1);
    }
}
