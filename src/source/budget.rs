//! What one process holds at the same time, however many images it judges (attacks C13, C14, C15, C24 and C25).
//!
//! A [`Meter`] counts what one verification takes of a [`Budget`], as it takes it: nothing is counted because somebody
//! announced it, and what is dropped is free. Where too little is left, who needs some waits.
//!
//! A registry decides how long its transfers take, so that what is held for one of them may be held for long. So
//! - one party, a registry, has a part of the budget at most, and a quarter is for needs that are small;
//! - who holds less comes first among those who wait;
//! - while somebody waits, of those who hold more than a little for longer than a moment ([`MOMENT`]) the one has to end whose
//!   party holds the most, and at least as much as that of who waits ([`Meter::ended`]). However many registries trickle, a
//!   small need waits for a moment and not for them; and no two wait for each other for ever.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::{limits::Limits, reference::Location};

/// What is counted as one.
const UNIT_BYTES: u64 = 4 << 10;
/// A need that is small: of memory, of trees, of layers on disk.
const SMALL_BYTES: [u64; 3] = [4 << 20, 8 << 20, 64 << 20];
/// How long anybody may hold much while others wait. An answer of the gate takes three times as long at most.
const MOMENT: Duration = Duration::from_secs(3);
/// The same, of a tree of files: so many times as long.
const TREE_MOMENTS: u32 = 3;
/// How often who waits looks who holds much for too long.
const LOOK: Duration = Duration::from_millis(200);

/// A number of bytes that is shared.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    units: u64,
    /// What one party has at most.
    party: u64,
    /// What only small needs get.
    reserve: u64,
    /// What only large needs get.
    apart: u64,
    /// What is small.
    small: u64,
    /// How long anybody may hold much while others wait.
    moment: Duration,
    table: Mutex<Table>,
    given_back: Notify,
}

#[derive(Debug, Default)]
struct Table {
    units: u64,
    parties: BTreeMap<String, u64>,
    meters: BTreeMap<u64, Entry>,
    last: u64,
}

/// What one meter counts.
#[derive(Debug)]
struct Entry {
    party: String,
    units: u64,
    /// Whether it may have to end for others.
    yields: bool,
    /// Since when it holds more than a little.
    since: Option<Instant>,
    /// What it waits for.
    wanted: u64,
    end: watch::Sender<bool>,
}

/// What one verification holds of a budget. It is given back with the last handle.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    budget: Budget,
    id: u64,
    party: String,
    end: watch::Sender<bool>,
}

/// Bytes that are held, until it is dropped or its meter is.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    id: u64,
    bytes: u64,
    units: u64,
}

impl Budget {
    /// All of it free. A party has at most `party` quarters of it. Where that is not all, one quarter is for needs of `small` bytes.
    fn new(bytes: u64, party: u64, small: u64, moment: Duration) -> Self {
        let units = self::units(bytes).max(1);
        let party = (units.saturating_mul(party) / 4).clamp(1, units);
        let reserve = if party < units { units / 4 } else { 0 };
        let small = self::units(small).min(units / 8);
        let (table, given_back) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { units, party, reserve, apart: 0, small, moment, table, given_back }))
    }

    /// With what is not kept for small needs kept for large ones, which are met as a whole or not at all.
    fn apart(mut self) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.apart = inner.units.saturating_sub(inner.reserve);
        }
        self
    }

    /// The bytes that one party has at most. Of what a meter needs beyond that nothing is counted: what one image may have is
    /// another limit's affair.
    pub fn most(&self) -> u64 {
        self.0.party.saturating_mul(UNIT_BYTES)
    }

    /// A meter that has counted nothing yet. A party is who decides how long things are held: a registry.
    pub fn meter(&self, party: &str) -> Meter {
        self.meter_with(party.to_owned(), watch::Sender::new(false))
    }

    fn meter_with(&self, party: String, end: watch::Sender<bool>) -> Meter {
        let mut table = self.0.table();
        table.last = table.last.saturating_add(1);
        let id = table.last;
        let counter = Counter { budget: self.clone(), id, party: party.clone(), end: end.clone() };
        let entry = Entry { party, units: 0, yields: true, since: None, wanted: 0, end };
        table.meters.insert(id, entry);
        drop(table);
        Meter(Arc::new(counter))
    }
}

impl Meter {
    /// A share of nothing, which grows.
    pub fn share(&self) -> Share {
        Share { budget: self.0.budget.clone(), id: self.0.id, bytes: 0, units: 0 }
    }

    /// A meter for a part of the work, which gives back what it holds by itself; it ends with the whole.
    pub fn part(&self) -> Self {
        self.0.budget.meter_with(self.0.party.clone(), self.0.end.clone())
    }

    /// Waits for so many bytes, and holds them until the meter is dropped.
    pub async fn keep(&self, bytes: u64) {
        self.0.budget.add(self.0.id, units(bytes)).await;
    }

    /// The bytes that one party has at most.
    pub fn most(&self) -> u64 {
        self.0.budget.most()
    }

    /// The bytes of a small need.
    pub fn small(&self) -> u64 {
        self.0.budget.0.small.saturating_mul(UNIT_BYTES)
    }

    /// Gives back what is kept beyond so many bytes.
    pub fn shrink(&self, bytes: u64) {
        self.0.budget.give_back(self.0.id, |held| held.saturating_sub(units(bytes)));
    }

    /// What is held by now does not depend on a registry any more: it need not end for others.
    pub fn settle(&self) {
        if let Some(entry) = self.0.budget.0.table().meters.get_mut(&self.0.id) {
            entry.yields = false;
        }
    }

    /// Whoever works for this meter has to end.
    pub fn end(&self) {
        self.0.end.send_replace(true);
    }

    /// Comes to an end once whoever works for this meter has to end.
    pub async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.end.subscribe().wait_for(|end| *end).await;
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let mut table = self.budget.0.table();
        if let Some(entry) = table.meters.remove(&self.id) {
            table.less(&entry.party, entry.units);
        }
        drop(table);
        self.budget.0.given_back.notify_waiters();
    }
}

impl Share {
    /// Waits for so many bytes more.
    pub async fn grow(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        let more = units(self.bytes).saturating_sub(self.units);
        // Units that its meter has no place for are not counted, and so not given back.
        self.units = self.units.saturating_add(self.budget.add(self.id, more).await);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.units > 0 {
            self.budget.give_back(self.id, |_| self.units);
        }
    }
}

/// Forgets what somebody waited for who waits no more.
struct Waits<'b>(&'b Inner, u64);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.0.table().meters.get_mut(&self.1) {
            entry.wanted = 0;
        }
        self.0.given_back.notify_waiters();
    }
}

impl Budget {
    /// Takes away as many of a meter's units as `units` says of those that it holds.
    fn give_back(&self, id: u64, units: impl FnOnce(u64) -> u64) {
        let mut table = self.0.table();
        if let Some(entry) = table.meters.get_mut(&id) {
            let units = units(entry.units).min(entry.units);
            entry.units = entry.units.saturating_sub(units);
            if entry.units <= self.0.little() {
                entry.since = None;
            }
            let party = entry.party.clone();
            table.less(&party, units);
        }
        drop(table);
        self.0.given_back.notify_waiters();
    }

    /// Waits for so many units, and says how many were counted.
    async fn add(&self, id: u64, wanted: u64) -> u64 {
        let (mut waits, mut look) = (None, Instant::now() + LOOK);
        loop {
            let mut given_back = std::pin::pin!(self.0.given_back.notified());
            // Before it is looked: what is given back in between is not missed.
            given_back.as_mut().enable();
            if let Some(counted) = self.0.add_now(id, wanted) {
                drop(waits);
                return counted;
            }
            waits.get_or_insert_with(|| Waits(&self.0, id));
            tokio::select! {
                () = given_back => {}
                () = sleep_until(look) => {
                    self.0.make_room(id);
                    look = Instant::now() + LOOK;
                }
            }
        }
    }
}

impl Inner {
    /// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What everybody may hold for as long as they like.
    fn little(&self) -> u64 {
        self.small / 4
    }

    fn add_now(&self, id: u64, wanted: u64) -> Option<u64> {
        let mut table = self.table();
        let Some(entry) = table.meters.get(&id) else { return Some(0) };
        let wanted = wanted.min(self.party.saturating_sub(entry.units));
        if wanted == 0 {
            return Some(0);
        }
        if !table.has_room(self, id, wanted) {
            let entry = table.meters.get_mut(&id)?;
            entry.wanted = wanted;
            return None;
        }
        table.units = table.units.saturating_add(wanted);
        let entry = table.meters.get_mut(&id)?;
        entry.units = entry.units.saturating_add(wanted);
        if entry.units > self.little() {
            entry.since.get_or_insert_with(Instant::now);
        }
        let party = entry.party.clone();
        let of_party = table.parties.entry(party).or_default();
        *of_party = of_party.saturating_add(wanted);
        Some(wanted)
    }

    /// Ends the one that others have to make room for `id`, if somebody has to.
    fn make_room(&self, id: u64) {
        let table = self.table();
        let Some(waiting) = table.meters.get(&id) else { return };
        let own = table.of_party(&waiting.party);
        let crowded_at_home = own.saturating_add(waiting.wanted) > self.party;
        let ending = table.meters.values().filter(|entry| *entry.end.borrow());
        if ending.map(|entry| entry.units).sum::<u64>() >= waiting.wanted {
            return;
        }
        let has_to = |(other, entry): &(&u64, &Entry)| {
            let more = match crowded_at_home {
                true => entry.party == waiting.party && entry.units >= waiting.units,
                false => entry.party != waiting.party && table.of_party(&entry.party) >= own,
            };
            let long = entry.since.is_some_and(|since| since.elapsed() >= self.moment);
            more && long && entry.yields && **other != id && !*entry.end.borrow()
        };
        let most = |(other, entry): &(&u64, &Entry)| {
            (table.of_party(&entry.party), entry.units, std::cmp::Reverse(**other))
        };
        if let Some((_, entry)) = table.meters.iter().filter(has_to).max_by_key(most) {
            tracing::debug!(
                party = entry.party,
                units = entry.units,
                "ended a verification for which others wait"
            );
            entry.end.send_replace(true);
        }
    }
}

impl Table {
    fn of_party(&self, party: &str) -> u64 {
        self.parties.get(party).copied().unwrap_or_default()
    }

    /// Whether so much is free for a meter, and nobody waits whose party holds less and could have it.
    fn has_room(&self, inner: &Inner, id: u64, wanted: u64) -> bool {
        let is_large = |entry: &&Entry| entry.units > inner.small;
        let large = self.meters.values().filter(is_large).map(|entry| entry.units).sum::<u64>();
        let fits = |entry: &Entry, wanted: u64| {
            let after = entry.units.saturating_add(wanted);
            let all = self.units.saturating_add(wanted);
            let of_its_kind = if after <= inner.small {
                all.saturating_sub(large) <= inner.units.saturating_sub(inner.apart)
            } else {
                let others =
                    if is_large(&entry) { large.saturating_sub(entry.units) } else { large };
                others.saturating_add(after) <= inner.units.saturating_sub(inner.reserve)
            };
            of_its_kind
                && all <= inner.units
                && self.of_party(&entry.party).saturating_add(wanted) <= inner.party
        };
        let Some(own) = self.meters.get(&id) else { return true };
        let held = self.of_party(&own.party);
        let before = |other: &Entry| {
            other.wanted > 0 && other.party != own.party && self.of_party(&other.party) < held
        };
        let mut others = self.meters.values();
        fits(own, wanted) && !others.any(|other| before(other) && fits(other, other.wanted))
    }

    fn less(&mut self, party: &str, units: u64) {
        self.units = self.units.saturating_sub(units);
        let left = self.of_party(party).saturating_sub(units);
        match left {
            0 => drop(self.parties.remove(party)),
            left => drop(self.parties.insert(party.to_owned(), left)),
        }
    }
}

fn units(bytes: u64) -> u64 {
    bytes.div_ceil(UNIT_BYTES)
}

/// Who decides how long the bytes of an image take: its registry, or the folder or file that it is in.
pub fn party(location: &Location) -> String {
    match location {
        Location::Registry(repository) => repository.registry.to_string(),
        other => other.to_string(),
    }
}

/// The budgets of a process.
#[derive(Debug, Clone)]
pub struct Budgets {
    /// Manifests, configurations and attestations in memory (`limits.processEvidenceBytes`).
    pub evidence: Budget,
    /// Trees of files in memory (`limits.processTreeBytes`).
    pub trees: Budget,
    /// Fetched layers on disk (`limits.processLayerBytes`).
    pub layers: Budget,
}

impl Budgets {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self::with_moment(limits, MOMENT)
    }

    pub(super) fn with_moment(limits: &Limits, moment: Duration) -> Self {
        let [evidence, trees, layers] = SMALL_BYTES;
        Self {
            evidence: Budget::new(limits.process_evidence_bytes, 2, evidence, moment),
            // A tree is read from the disk: that takes longer, and ends.
            trees: Budget::new(limits.process_tree_bytes, 3, trees, moment * TREE_MOMENTS).apart(),
            layers: Budget::new(limits.process_layer_bytes, 4, layers, moment),
        }
    }
}

/// What one verification holds of each budget. Who works for it ends with it.
#[derive(Debug)]
pub struct Meters {
    /// Of [`Budgets::evidence`].
    pub evidence: Meter,
    /// Of [`Budgets::trees`].
    pub trees: Meter,
    /// Of [`Budgets::layers`].
    pub layers: Meter,
}

impl Meters {
    /// Nothing yet, for an image at this place.
    pub fn new(budgets: &Budgets, location: &Location) -> Self {
        let party = party(location);
        Self {
            evidence: budgets.evidence.meter(&party),
            trees: budgets.trees.meter(&party),
            layers: budgets.layers.meter(&party),
        }
    }

    /// Comes to an end once the verification has to end, because it held for long what others waited for; gives the name of the
    /// limit.
    pub async fn ended(&self) -> &'static str {
        tokio::select! {
            () = self.evidence.ended() => "process_evidence_bytes",
            () = self.trees.ended() => "process_tree_bytes",
            () = self.layers.ended() => "process_layer_bytes",
        }
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        for meter in [&self.evidence, &self.trees, &self.layers] {
            meter.end();
        }
    }
}

/// Bytes of memory that a JSON document takes when it is read, beside its text: no more than one value, of so many bytes at
/// most, stands between two of these characters.
pub fn weight(text: &[u8], limits: &Limits) -> u64 {
    const VALUE_BYTES: u64 = 48;
    let marks = text.iter().filter(|byte| matches!(byte, b',' | b':' | b'{' | b'[')).count();
    (marks.min(limits.json_values) as u64).saturating_mul(VALUE_BYTES)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const MIB: u64 = 1 << 20;
    const SOON: Duration = Duration::from_millis(20);
    /// Longer than anybody holds much while others wait, in these tests.
    const LATER: Duration = Duration::from_secs(2);

    fn hasty() -> Budget {
        Budgets::with_moment(&Limits::default(), SOON).evidence
    }

    impl Budget {
        /// Bytes that are held, and by how many parties.
        pub(in crate::source) fn held(&self) -> (u64, usize) {
            let table = self.0.table();
            (table.units * UNIT_BYTES, table.parties.len())
        }
    }

    /// A meter that holds so much, if it gets it at once.
    fn holding(budget: &Budget, party: &str, bytes: u64) -> Option<Meter> {
        let meter = budget.meter(party);
        meter.keep(bytes).now_or_never().map(|()| meter)
    }

    #[tokio::test]
    async fn c15_what_is_held_is_bounded_and_comes_back() {
        let budget = Budget::new(4 * UNIT_BYTES, 4, 0, MOMENT);
        let meter = budget.meter("any");
        let mut share = meter.share();
        share.grow(1).now_or_never().expect("free");
        share.grow(2 * UNIT_BYTES).now_or_never().expect("free");
        assert_eq!(budget.held(), (3 * UNIT_BYTES, 1));
        assert!(holding(&budget, "any", UNIT_BYTES + 1).is_none(), "one byte too many");
        let second = holding(&budget, "any", UNIT_BYTES).expect("just fits");
        assert!(holding(&budget, "any", 1).is_none());
        assert!(holding(&budget, "any", 0).is_some(), "nothing is always there");
        drop(share);
        assert_eq!(budget.held(), (UNIT_BYTES, 1));
        drop((second, meter));
        let all = holding(&budget, "any", u64::MAX).expect("more than there is takes all");
        assert!(holding(&budget, "any", 1).is_none());
        let mut late = all.share();
        drop(all);
        late.grow(MIB).now_or_never().expect("its meter is gone");
        drop(late);
        assert_eq!(budget.held(), (0, 0));
    }

    #[tokio::test]
    async fn c14_a_registry_that_holds_much_keeps_nobody_else_waiting() {
        let budget = Budgets::new(&Limits::default()).evidence;
        // Four pieces of the largest size in one image, and one by one.
        for sizes in [vec![160 * MIB], vec![40 * MIB; 4]] {
            let hog: Vec<_> = sizes.iter().map(|bytes| holding(&budget, "hog", *bytes)).collect();
            assert!(hog[0].is_some(), "{sizes:?}: it has its own share");
            assert!(holding(&budget, "hog", 1).is_none(), "{sizes:?}: and no more");
            assert!(holding(&budget, "honest", 40 * MIB).is_some(), "{sizes:?}");
        }
        // Many registries: what is small has room still, and what is given back is there again.
        let hogs: Vec<_> =
            (0..9).filter_map(|n| holding(&budget, &format!("hog{n}"), 40 * MIB)).collect();
        assert_eq!(hogs.len(), 3);
        assert!(holding(&budget, "honest", 5 * MIB).is_none());
        let small: Vec<_> =
            (0..10).filter_map(|n| holding(&budget, &format!("good{n}"), 4 * MIB)).collect();
        assert_eq!(small.len(), 10);
        assert!(holding(&budget, "good40", 1).is_none(), "the bound holds");
        drop((small, hogs));
        assert!(holding(&budget, "honest", 80 * MIB).is_some());
        assert_eq!(budget.held(), (0, 0));
    }

    #[tokio::test]
    async fn c14_who_waits_is_woken_and_who_leaves_the_queue_holds_nothing() {
        let budget = Budget::new(8 * MIB, 2, MIB, LATER * 10);
        let held = holding(&budget, "hog", 4 * MIB).expect("free");
        let leaves = budget.meter("hog");
        assert!(timeout(SOON, leaves.keep(MIB)).await.is_err());
        let waiting = tokio::spawn({
            let meter = budget.meter("hog");
            async move { meter.keep(4 * MIB).await }
        });
        tokio::time::sleep(SOON).await;
        drop(held);
        waiting.await.unwrap();
        drop(leaves);
        assert_eq!(budget.held(), (0, 0));
    }

    /// However many registries hold all there is, and for however long: who needs less than they hold waits for a moment.
    #[tokio::test]
    async fn c14_who_holds_much_for_long_ends_for_who_needs_little() {
        for (hogs, each, need) in [(2, 80, 6), (4, 40, 6), (16, 10, 6), (40, 4, 3)] {
            let budget = hasty();
            let hogs: Vec<_> = (0..hogs)
                .map(|n| {
                    let meter = budget.meter(&format!("hog{n}"));
                    tokio::spawn(async move {
                        let grow = async {
                            for _ in 0..each {
                                meter.keep(MIB).await;
                            }
                            std::future::pending::<()>().await;
                        };
                        tokio::select! {
                            () = grow => {}
                            () = meter.ended() => {}
                        }
                    })
                })
                .collect();
            tokio::time::sleep(SOON * 2).await;
            let honest = budget.meter("honest");
            let got = timeout(LATER, async {
                for _ in 0..need * 4 {
                    honest.keep(MIB / 4).await;
                }
            });
            assert!(got.await.is_ok(), "{} of {each} MiB", hogs.len());
            assert!(honest.ended().now_or_never().is_none(), "it is not the one to end");
            hogs.iter().for_each(tokio::task::JoinHandle::abort);
        }
    }

    #[tokio::test]
    async fn c14_who_holds_little_or_only_for_a_moment_or_not_for_a_registry_does_not_end() {
        // Nobody but "much" may be the one.
        let budget = Budget::new(16 * MIB, 4, 4 * MIB, SOON);
        let little = holding(&budget, "little", MIB / 2).expect("free");
        let settled = holding(&budget, "settled", 8 * MIB).expect("free");
        settled.settle();
        let much = holding(&budget, "much", 7 * MIB).expect("free");
        let waits = budget.meter("waits");
        let keep = tokio::spawn(async move { waits.keep(2 * MIB).await });
        timeout(LATER, much.ended()).await.expect("it holds the most of those who may have to end");
        assert!(!keep.is_finished(), "it has not given anything back");
        assert!(
            little.ended().now_or_never().is_none() && settled.ended().now_or_never().is_none()
        );
        drop(much);
        keep.await.unwrap();
        // While there is room nobody ends.
        let alone = holding(&budget, "alone", 5 * MIB).expect("free");
        assert!(timeout(LATER / 4, alone.ended()).await.is_err());
    }

    /// Two that hold half each and want more would wait for each other.
    #[tokio::test]
    async fn c14_no_two_wait_for_each_other() {
        for (party, each) in [("one", 40), ("two", 55)] {
            let budget = hasty();
            let (a, b) = (budget.meter("one"), budget.meter(party));
            a.keep(each * MIB).await;
            b.keep(each * MIB).await;
            let grow = |meter: Meter| async move {
                tokio::select! {
                    () = meter.keep(25 * MIB) => true,
                    () = meter.ended() => false,
                }
            };
            let both = futures_util::future::join(grow(a), grow(b));
            let (a, b) = timeout(LATER, both).await.expect("they come to an end");
            assert!(a != b, "{party}: one ends, and the other has what it needs");
        }
    }

    /// Trees do not grow step by step: who needs a large one has all of it, while small ones come and go.
    #[tokio::test]
    async fn c25_one_large_tree_and_some_small_ones_have_room_together() {
        let trees = Budgets::new(&Limits::default()).trees;
        let (small, most) = (trees.meter("any").small(), trees.most());
        let smalls: Vec<_> =
            (0..9).filter_map(|n| holding(&trees, &format!("small{n}"), small)).collect();
        assert_eq!(smalls.len(), 6);
        let large = holding(&trees, "large", most).expect("kept for it");
        assert!(holding(&trees, "other", most).is_none());
        large.shrink(most / 3);
        assert!(holding(&trees, "other", most).is_none());
        assert!(holding(&trees, "other", most / 2).is_some());
        assert!(holding(&trees, "honest", small).is_none());
        drop((smalls, large));
        assert!(holding(&trees, "honest", small).is_some());
        assert_eq!(trees.held(), (0, 0));
    }

    #[tokio::test]
    async fn what_is_left_of_a_part_goes_with_it_and_it_ends_with_the_whole() {
        let budgets = Budgets::new(&Limits::default());
        let meters = Meters::new(&budgets, &Location::Layout("x".into()));
        let part = meters.trees.part();
        part.keep(MIB).await;
        assert_eq!(budgets.trees.held(), (MIB, 1));
        part.keep(3 * MIB).await;
        part.shrink(MIB);
        let other = part.clone();
        drop(part);
        assert_eq!(budgets.trees.held(), (MIB, 1));
        drop(meters);
        other.ended().now_or_never().expect("the verification is over");
        drop(other);
        assert_eq!(budgets.trees.held(), (0, 0));
    }

    #[test]
    fn every_need_can_be_met_by_a_budget_of_any_size() {
        for bytes in [0, 1, UNIT_BYTES, 2 * UNIT_BYTES, 3 * MIB, u64::MAX] {
            let limits = Limits {
                process_evidence_bytes: bytes,
                process_tree_bytes: bytes,
                process_layer_bytes: bytes,
                ..Limits::default()
            };
            let Budgets { evidence, trees, layers } = Budgets::new(&limits);
            for need in [0, 1, bytes / 2, bytes, u64::MAX] {
                for budget in [&evidence, &trees, &layers] {
                    assert!(holding(budget, "any", need).is_some(), "{need} of {bytes}");
                }
            }
        }
    }

    #[test]
    fn c24_values_weigh_more_than_their_text() {
        let limits = Limits { json_values: 10, ..Limits::default() };
        for (text, want) in
            [("\"aaaa\"", 0), ("{\"a\":1}", 96), ("[{},{}]", 192), ("[,,,,,,,,,,,,,", 480)]
        {
            assert_eq!(weight(text.as_bytes(), &limits), want, "{text}");
        }
    }
}
