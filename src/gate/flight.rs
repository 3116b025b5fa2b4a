//! One verification of an image at a time, however many ask for it.
//!
//! A verification runs in a task of its own: it goes on when the review that started it runs out of time, so that the
//! retry finds it done, and a panic in it denies one image and nothing else. What was found about a digest is kept for
//! a short while; what was found about a tag never is, because a tag can move (attack E4, CVE-2026-122321).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, ready},
};
use tokio::sync::Semaphore;

use crate::reference::{Reference, Selector};

/// Verifications that run at the same time; more wait.
const CONCURRENT: usize = 16;
/// Verifications that run or wait; more are denied (attack E11).
const MAX_FLYING: usize = 1024;
/// Findings that are kept.
const MAX_KEPT: usize = 10_000;

/// What `verify` says about one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whether it may run.
    pub allowed: bool,
    /// The image as it was looked at, for messages.
    pub reference: String,
    /// The digest that was judged: the one in the reference where it has one, else the one that its tag was resolved
    /// to, of the index or manifest. An image is let through only with its digest.
    pub digest: Option<String>,
    /// Why not: what, why and help of each finding, in lines.
    pub reasons: Vec<String>,
    /// What the user should know all the same.
    pub warnings: Vec<String>,
}

impl Judged {
    /// A denial by the gate itself.
    pub fn denied(reference: &Reference, reason: impl Into<String>) -> Self {
        Self {
            allowed: false,
            reference: reference.to_string(),
            digest: None,
            reasons: vec![reason.into()],
            warnings: Vec::new(),
        }
    }
}

/// The function that judges an image.
pub type Verify = dyn Fn(Reference) -> BoxFuture<'static, Judged> + Send + Sync;

/// A verification under way; every clone gets the same outcome.
pub type Flight = Shared<BoxFuture<'static, Arc<Judged>>>;

/// How long outcomes about digests are kept.
#[derive(Debug, Clone, Copy)]
struct Keep {
    allowed: Duration,
    denied: Duration,
}

/// Denials are kept shortly, so that a fix is seen soon (as kubernetes' ImagePolicyWebhook does).
const KEEP: Keep = Keep { allowed: Duration::from_secs(300), denied: Duration::from_secs(30) };

#[derive(Default)]
struct Table {
    flying: HashMap<String, Flight>,
    kept: HashMap<String, (Instant, Arc<Judged>)>,
}

/// All verifications of this process.
pub struct Flights {
    verify: Arc<Verify>,
    permits: Arc<Semaphore>,
    table: Arc<Mutex<Table>>,
    keep: Keep,
}

impl Flights {
    /// None yet.
    pub fn new(verify: Arc<Verify>) -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        Self { verify, permits, table: Arc::default(), keep: KEEP }
    }

    /// The outcome for `reference`: a kept one, that of a verification under way, or that of a new one.
    pub fn join(&self, reference: &Reference) -> Flight {
        let key = reference.to_string();
        let mut table = lock(&self.table);
        if let Some((until, judged)) = table.kept.get(&key) {
            if Instant::now() < *until {
                return ready(Arc::clone(judged)).boxed().shared();
            }
            table.kept.remove(&key);
        }
        if let Some(flight) = table.flying.get(&key) {
            return flight.clone();
        }
        if table.flying.len() >= MAX_FLYING {
            let why = format!(
                "{MAX_FLYING} verifications are running or waiting already\nhelp: try again"
            );
            return ready(Arc::new(Judged::denied(reference, why))).boxed().shared();
        }
        let flight = self.start(&key, reference);
        table.flying.insert(key, flight.clone());
        flight
    }

    /// Runs in tasks of its own: nobody has to wait for it to come to its end.
    fn start(&self, key: &str, reference: &Reference) -> Flight {
        let work = {
            let (verify, permits) = (Arc::clone(&self.verify), Arc::clone(&self.permits));
            let reference = reference.clone();
            tokio::spawn(async move {
                // The semaphore is never closed; without a permit the bound would not hold, the outcome would.
                let _permit = permits.acquire_owned().await;
                verify(reference).await
            })
        };
        let (table, keep) = (Arc::clone(&self.table), self.keep);
        let (key, reference) = (key.to_owned(), reference.clone());
        let land = tokio::spawn(async move {
            let judged = work.await.unwrap_or_else(|error| {
                tracing::error!(image = %reference, %error, "a verification came to no end");
                Judged::denied(&reference, LOST)
            });
            let judged = Arc::new(judged);
            lock(&table).land(&key, &reference, &judged, keep);
            judged
        });
        land.then(|landed| async {
            landed.unwrap_or_else(|_| {
                Arc::new(Judged {
                    allowed: false,
                    reference: String::new(),
                    digest: None,
                    reasons: vec![LOST.to_owned()],
                    warnings: Vec::new(),
                })
            })
        })
        .boxed()
        .shared()
    }
}

/// What is said where a verification panicked or was cut off.
const LOST: &str = "internal-error: hallmark failed while it verified this image\nhelp: see the log of hallmark serve";

impl Table {
    fn land(&mut self, key: &str, reference: &Reference, judged: &Arc<Judged>, keep: Keep) {
        self.flying.remove(key);
        let pinned = matches!(reference, Reference::At(_, Selector::Digest(_)));
        if !pinned {
            return;
        }
        let now = Instant::now();
        if self.kept.len() >= MAX_KEPT {
            self.kept.retain(|_, (until, _)| now < *until);
        }
        if self.kept.len() >= MAX_KEPT {
            let oldest = self.kept.iter().min_by_key(|(_, (until, _))| *until);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.kept.remove(&oldest);
            }
        }
        let time = if judged.allowed { keep.allowed } else { keep.denied };
        self.kept.insert(key.to_owned(), (now + time, Arc::clone(judged)));
    }
}

/// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn pinned(n: usize) -> Reference {
        format!("r.example/app@sha256:{n:064x}").parse().expect("valid")
    }

    /// Flights whose verification counts its calls, takes `time`, and says what `allowed` says.
    fn flights(time: Duration, allowed: bool, keep: Keep) -> (Flights, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let mut flights = Flights::new(Arc::new(move |reference: Reference| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(time).await;
                Judged { allowed, ..Judged::denied(&reference, "no") }
            }
            .boxed()
        }));
        flights.keep = keep;
        (flights, calls)
    }

    const NOT_KEPT: Keep = Keep { allowed: Duration::ZERO, denied: Duration::ZERO };

    #[tokio::test]
    async fn a_thousand_that_ask_at_once_get_one_verification() {
        let (flights, calls) = flights(Duration::from_millis(50), true, NOT_KEPT);
        let all = (0..1000).map(|_| flights.join(&pinned(1)));
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|judged| judged.allowed));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        flights.join(&pinned(1)).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "nothing is kept for no time");
    }

    #[tokio::test]
    async fn outcomes_about_digests_are_kept_and_about_tags_are_not() {
        let (flights, calls) = flights(Duration::ZERO, true, KEEP);
        for (reference, want) in [
            (pinned(1), 1),
            (pinned(1), 1),
            (pinned(2), 2),
            ("r.example/app:1".parse().expect("valid"), 3),
            ("r.example/app:1".parse().expect("valid"), 4),
        ] {
            flights.join(&reference).await;
            assert_eq!(calls.load(Ordering::SeqCst), want, "{reference}");
        }
    }

    #[tokio::test]
    async fn denials_are_kept_for_their_own_time() {
        let keep = Keep { allowed: Duration::from_secs(60), denied: Duration::ZERO };
        let (flights, calls) = flights(Duration::ZERO, false, keep);
        flights.join(&pinned(1)).await;
        flights.join(&pinned(1)).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_number_of_flights_is_bounded() {
        let (flights, calls) = flights(Duration::from_secs(60), true, KEEP);
        let started: Vec<_> = (0..MAX_FLYING).map(|n| flights.join(&pinned(n))).collect();
        assert!(started.iter().all(|flight| flight.peek().is_none()));
        let judged = flights.join(&pinned(MAX_FLYING)).await;
        assert!(judged.reasons.iter().any(|reason| reason.contains("try again")), "{judged:?}");
        tokio::task::yield_now().await;
        assert!(calls.load(Ordering::SeqCst) <= CONCURRENT);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (flights, _) = flights(Duration::ZERO, true, KEEP);
        let judged = Arc::new(Judged::denied(&pinned(0), "no"));
        for n in 0..=MAX_KEPT {
            lock(&flights.table).land(&n.to_string(), &pinned(n), &judged, KEEP);
        }
        assert_eq!(lock(&flights.table).kept.len(), MAX_KEPT);
    }

    #[tokio::test]
    async fn a_panic_denies() {
        let flights = Flights::new(Arc::new(|_| panic!("in the function itself")));
        let judged = flights.join(&pinned(1)).await;
        assert!(!judged.allowed && judged.reasons == [LOST], "{judged:?}");
        let flights = Flights::new(Arc::new(|_| async { panic!("in its future") }.boxed()));
        assert!(!flights.join(&pinned(1)).await.allowed);
    }
}
