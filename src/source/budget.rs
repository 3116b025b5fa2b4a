//! Bytes that one process holds at the same time, however many images it judges (attacks C13, C14 and C15).
//!
//! Who needs some waits until they are free. A holder never asks for more, so that no two wait for each other.
//!
//! A registry decides how long its transfers take, so that what is held for one of them may be held for long. A budget that is
//! [shared out](Budget::shared_out) therefore gives one party at most half of it, and keeps a quarter for small needs alone:
//! most signatures are small, and whoever holds much of it does not keep them waiting.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{limits::Limits, reference::Location};

/// What is counted as one: shares are of whole units.
const UNIT_BYTES: u64 = 64 << 10;
/// A need that is small.
const SMALL_BYTES: u64 = 1 << 20;

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
    held: Mutex<Held>,
    given_back: Notify,
}

#[derive(Debug, Default)]
struct Held {
    units: u64,
    by_party: BTreeMap<String, u64>,
}

/// Bytes that are held, until it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    party: String,
    units: u64,
}

impl Budget {
    /// All of it free, and all of it for whoever comes first. Whoever needs more than there are at all gets all of them: what
    /// one image may have is another limit's affair.
    pub fn new(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        Self::of(units, units, 0)
    }

    /// All of it free: half of it for one party at most, and a quarter for small needs alone.
    pub fn shared_out(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        Self::of(units, (units / 2).max(1), units / 4)
    }

    fn of(units: u64, party: u64, reserve: u64) -> Self {
        let (held, given_back) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { units, party, reserve, held, given_back }))
    }

    /// The bytes that one party has at most. Who needs more is counted as if it needed so many.
    pub fn most(&self) -> u64 {
        self.0.party.saturating_mul(UNIT_BYTES)
    }

    /// Waits for so many bytes. A party is who decides how long they are held: a registry.
    pub async fn take(&self, party: &str, bytes: u64) -> Share {
        loop {
            let mut given_back = std::pin::pin!(self.0.given_back.notified());
            // Before it is looked: what is given back in between is not missed.
            given_back.as_mut().enable();
            if let Some(share) = self.take_now(party, bytes) {
                return share;
            }
            given_back.await;
        }
    }

    fn take_now(&self, party: &str, bytes: u64) -> Option<Share> {
        let inner = &*self.0;
        let wanted = units(bytes).min(inner.party);
        let small = wanted <= units(SMALL_BYTES);
        let most = if small { inner.units } else { inner.units.saturating_sub(inner.reserve) };
        let mut held = inner.held();
        let of_party = held.by_party.get(party).copied().unwrap_or_default();
        let (all, own) = (held.units.saturating_add(wanted), of_party.saturating_add(wanted));
        if all > most || own > inner.party {
            return None;
        }
        held.units = all;
        held.by_party.insert(party.to_owned(), own);
        Some(Share { budget: self.clone(), party: party.to_owned(), units: wanted })
    }
}

impl Inner {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.budget.0.held();
        held.units = held.units.saturating_sub(self.units);
        let left = held.by_party.get(&self.party).map(|own| own.saturating_sub(self.units));
        match left {
            Some(left) if left > 0 => drop(held.by_party.insert(self.party.clone(), left)),
            _ => drop(held.by_party.remove(&self.party)),
        }
        drop(held);
        self.budget.0.given_back.notify_waiters();
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
    /// Attestations in memory (`limits.processEvidenceBytes`).
    pub evidence: Budget,
    /// Fetched layers on disk (`limits.processLayerBytes`).
    pub layers: Budget,
}

impl Budgets {
    /// As the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self {
            evidence: Budget::shared_out(limits.process_evidence_bytes),
            layers: Budget::new(limits.process_layer_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::time::timeout;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn c15_what_is_held_is_bounded_and_comes_back() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let take = |bytes| budget.take("any", bytes).now_or_never();
        let first = take(3 * UNIT_BYTES).expect("free");
        assert!(take(UNIT_BYTES + 1).is_none(), "one byte too many");
        let second = take(UNIT_BYTES).expect("just fits");
        assert!(take(1).is_none());
        assert!(take(0).is_some(), "nothing is always there");
        drop((first, second));
        let all = take(u64::MAX).expect("more than there is takes all");
        assert!(take(1).is_none());
        drop(all);
        assert!(take(4 * UNIT_BYTES).is_some());
        assert!(Budget::new(u64::MAX).take("any", u64::MAX).now_or_never().is_some());
    }

    #[test]
    fn c14_a_registry_that_holds_much_keeps_nobody_else_waiting() {
        let budget = Budgets::new(&Limits::default()).evidence;
        let take = |party: &str, bytes| budget.take(party, bytes).now_or_never();
        // Four pieces of the largest size in one image, and one by one.
        for sizes in [vec![160 * MIB], vec![40 * MIB; 4]] {
            let hog: Vec<_> = sizes.iter().map(|bytes| take("hog", *bytes)).collect();
            assert!(hog[0].is_some(), "{sizes:?}: it has its own share");
            assert!(take("hog", 1).is_none(), "{sizes:?}: and no more");
            assert!(take("honest", 40 * MIB).is_some(), "{sizes:?}");
        }
        // Many registries: what is small has room still, and what is given back is there again.
        let hogs: Vec<_> = (0..9).filter_map(|n| take(&format!("hog{n}"), 40 * MIB)).collect();
        assert_eq!(hogs.len(), 3);
        assert!(take("honest", MIB + 1).is_none());
        let small: Vec<_> = (0..40).filter_map(|n| take(&format!("good{n}"), MIB)).collect();
        assert_eq!(small.len(), 40);
        assert!(take("good40", 1).is_none(), "the bound holds");
        drop((small, hogs));
        assert!(take("honest", 80 * MIB).is_some());
        assert_eq!(budget.0.held().by_party, BTreeMap::new());
    }

    #[tokio::test]
    async fn c14_who_waits_is_woken_and_who_leaves_the_queue_holds_nothing() {
        let budget = Budget::shared_out(8 * MIB);
        let held = budget.take("hog", 4 * MIB).await;
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, budget.take("hog", MIB)).await.is_err());
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.take("hog", 4 * MIB).await }
        });
        tokio::time::sleep(soon).await;
        drop(held);
        assert_eq!(waiting.await.unwrap().units, units(4 * MIB));
        assert_eq!(budget.0.held().units, 0);
    }

    #[test]
    fn every_need_can_be_met_by_a_budget_of_any_size() {
        for bytes in [0, 1, UNIT_BYTES, 2 * UNIT_BYTES, 3 * MIB, u64::MAX] {
            for need in [0, 1, bytes / 2, bytes, u64::MAX] {
                let taken = Budget::shared_out(bytes).take("any", need).now_or_never();
                assert!(taken.is_some(), "{need} of {bytes}");
            }
        }
    }
}
