//! Where outcomes are kept, so that the next review of the same image need not wait.
//!
//! An outcome is kept under what it depends on and no more: the image by its digest, the digest of configuration, policies and
//! roots, and which of the presets was chosen for it. A tag is never a key, because it can move (attack E4). The seam is [`Verdicts`]; what is behind it
//! may forget at any time, and a store that cannot be read has nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{choice::Chosen, outcome::Outcome};
use crate::reference::{PinnedReference, Reference, Selector};

/// Outcomes that are kept in memory.
const MAX_KEPT: usize = 10_000;

/// What an outcome depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerdictKey {
    /// The image. Where it lies counts: evidence is found beside it, and rules go by its repository.
    pub image: PinnedReference,
    /// Digest of what decisions are made by: configuration, policies, roots.
    pub rules: String,
    /// Which of the presets.
    pub chosen: Chosen,
}

impl VerdictKey {
    /// The key of an image, if its name says which bytes it is.
    pub fn of(reference: &Reference, rules: &str, chosen: Chosen) -> Option<Self> {
        let Reference::At(location, Selector::Digest(digest)) = reference else { return None };
        let image = PinnedReference { location: location.clone(), digest: digest.clone() };
        Some(Self { image, rules: rules.to_owned(), chosen })
    }
}

/// Where outcomes are kept; asked while reviews wait, so that it may not block.
pub trait Verdicts: Send + Sync {
    /// An outcome that still counts.
    fn find(&self, key: &VerdictKey) -> Option<Arc<Outcome>>;
    /// Keeps an outcome for its time.
    fn keep(&self, key: VerdictKey, outcome: &Arc<Outcome>);
    /// Forgets all, because they are asked for by other rules from now on.
    fn clear(&self);
}

/// How long outcomes are kept.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Those that let an image through.
    pub allowed: Duration,
    /// All others.
    pub denied: Duration,
}

impl Default for Times {
    /// Denials are kept shortly, so that a fix is seen soon (as kubernetes' ImagePolicyWebhook does).
    fn default() -> Self {
        Self { allowed: Duration::from_secs(300), denied: Duration::from_secs(30) }
    }
}

type Kept = HashMap<VerdictKey, (Instant, Arc<Outcome>)>;

/// Outcomes in the memory of the process, up to a number of them.
#[derive(Default)]
pub struct InMemory {
    times: Times,
    kept: Mutex<Kept>,
}

impl InMemory {
    /// Keeps outcomes for `times`.
    pub fn new(times: Times) -> Self {
        Self { times, kept: Mutex::default() }
    }

    /// A map is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdicts for InMemory {
    fn find(&self, key: &VerdictKey) -> Option<Arc<Outcome>> {
        let mut kept = self.lock();
        let (until, outcome) = kept.get(key)?;
        if Instant::now() < *until {
            return Some(Arc::clone(outcome));
        }
        kept.remove(key);
        None
    }

    fn keep(&self, key: VerdictKey, outcome: &Arc<Outcome>) {
        let (now, mut kept) = (Instant::now(), self.lock());
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (until, _)| now < *until);
        }
        if kept.len() >= MAX_KEPT {
            let oldest = kept.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                kept.remove(&oldest);
            }
        }
        let time = if outcome.is_allowed() { self.times.allowed } else { self.times.denied };
        kept.insert(key, (now + time, Arc::clone(outcome)));
    }

    fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::testing;

    fn key(n: usize, rules: &str) -> VerdictKey {
        let reference = format!("r.example/app@sha256:{n:064x}").parse().expect("valid");
        VerdictKey::of(&reference, rules, Chosen::default()).expect("by digest")
    }

    fn outcome(allowed: bool) -> Arc<Outcome> {
        Arc::new(testing::outcome(&key(0, "").image, allowed))
    }

    #[test]
    fn an_outcome_is_found_by_image_rules_and_preset_alone() {
        let verdicts = InMemory::default();
        verdicts.keep(key(1, "a"), &outcome(true));
        assert!(verdicts.find(&key(1, "a")).is_some());
        assert!(verdicts.find(&key(1, "b")).is_none(), "other rules");
        assert!(verdicts.find(&key(2, "a")).is_none(), "another image");
        let elsewhere = format!("r.example/other@sha256:{:064x}", 1).parse().expect("valid");
        let elsewhere = VerdictKey::of(&elsewhere, "a", Chosen::default()).expect("by digest");
        assert!(verdicts.find(&elsewhere).is_none(), "the same bytes at another place");
        let tagged = "r.example/app:1".parse().expect("valid");
        assert_eq!(VerdictKey::of(&tagged, "a", Chosen::default()), None, "E4: a tag can move");
        for chosen in [
            Chosen { entry: Some(0), raised: None },
            Chosen { entry: None, raised: Some("regulated") },
        ] {
            let key = VerdictKey { chosen, ..key(1, "a") };
            assert!(verdicts.find(&key).is_none(), "by another preset");
        }
        verdicts.clear();
        assert!(verdicts.find(&key(1, "a")).is_none(), "forgotten");
    }

    #[test]
    fn outcomes_are_kept_for_their_own_time() {
        let times = Times { allowed: Duration::from_secs(60), denied: Duration::ZERO };
        let verdicts = InMemory::new(times);
        for (n, allowed) in [(1, true), (2, false)] {
            verdicts.keep(key(n, "a"), &outcome(allowed));
            assert_eq!(verdicts.find(&key(n, "a")).is_some(), allowed);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let verdicts = InMemory::default();
        let outcome = outcome(true);
        for n in 0..=MAX_KEPT {
            verdicts.keep(key(n, "a"), &outcome);
        }
        assert_eq!(verdicts.lock().len(), MAX_KEPT);
        assert!(verdicts.find(&key(0, "a")).is_none(), "the oldest goes first");
    }
}
