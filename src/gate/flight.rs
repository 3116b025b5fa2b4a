//! One verification of an image at a time, however many ask for it.
//!
//! A verification runs in a task of its own: it goes on for a while when the review that started it runs out of time, so
//! that the retry finds it done, and a panic in it denies one image and nothing else. It begins when its registry and
//! namespace have a slot ([`shares`](super::shares)), holds it for a moment, and ends at its deadline, or when nobody has
//! waited for it for a while (attack C14). What was found about a digest is kept for a short while ([`verdicts`](super::verdicts));
//! what was found about a tag never is, because a tag can move (attack E4, CVE-2026-122321).

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, ready},
};
use tokio::{sync::watch, time::sleep};

use super::{
    choice::Chosen,
    outcome::{Outcome, Own},
    shares::{Crowded, Party, Pulse, SIZES, Shares, Sizes, Slot},
    verdicts::{InMemory, VerdictKey, Verdicts},
};
use crate::reference::{Location, Reference};

/// Time after which a verification goes on without its slot.
const SLOT_TIME: Duration = Duration::from_secs(1);
/// Time within which a registry is quick.
const QUICK: Duration = Duration::from_secs(5);

/// The function that judges an image, by the chosen preset.
pub type Verify = dyn Fn(Reference, Chosen) -> BoxFuture<'static, Outcome> + Send + Sync;

/// How long a verification may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From when it is asked for to its end.
    pub deadline: Duration,
    /// For which nobody needs to wait for it.
    pub linger: Duration,
}

impl Default for Patience {
    /// Times for verifications without a rebuild: a registry's own time limits end them long before.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(300), linger: Duration::from_secs(60) }
    }
}

/// A verification under way; every clone gets the same outcome.
type Flight = Shared<BoxFuture<'static, Arc<Outcome>>>;

/// How many wait for one verification.
type Watchers = watch::Sender<usize>;

/// Somebody who waits for a verification, until it is dropped.
pub struct Wait {
    flight: Flight,
    watchers: Option<Arc<Watchers>>,
}

impl Wait {
    fn for_nothing(outcome: Arc<Outcome>) -> Self {
        Self { flight: ready(outcome).boxed().shared(), watchers: None }
    }

    fn joined(flying: &Flying) -> Self {
        flying.watchers.send_modify(|count| *count += 1);
        Self { flight: flying.flight.clone(), watchers: Some(Arc::clone(&flying.watchers)) }
    }
}

impl Future for Wait {
    type Output = Arc<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<Outcome>> {
        self.flight.poll_unpin(cx)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(watchers) = &self.watchers {
            watchers.send_modify(|count| *count -= 1);
        }
    }
}

struct Flying {
    flight: Flight,
    watchers: Arc<Watchers>,
}

/// By what a verification is made.
#[derive(Clone)]
pub struct Rules {
    /// What judges.
    pub verify: Arc<Verify>,
    /// How long it may take.
    pub patience: Patience,
    /// Digest of what is judged by.
    pub digest: String,
}

/// What is asked: about which image, and by which preset.
type Asked = (String, Chosen);

struct Table {
    rules: Rules,
    flying: HashMap<Asked, Flying>,
}

/// All verifications of this process.
pub struct Flights {
    shares: Shares,
    table: Arc<Mutex<Table>>,
    verdicts: Arc<dyn Verdicts>,
}

impl Flights {
    /// None yet; outcomes are kept in memory.
    pub fn new(rules: Rules) -> Self {
        Self::sized(rules, SIZES, Arc::new(InMemory::default()))
    }

    fn sized(rules: Rules, sizes: Sizes, verdicts: Arc<dyn Verdicts>) -> Self {
        let table = Table { rules, flying: HashMap::new() };
        Self { shares: Shares::new(sizes), table: Arc::new(Mutex::new(table)), verdicts }
    }

    /// The outcome for `reference`, which somebody in `namespace` asks for: a kept one, that of a verification under way, or
    /// that of a new one. There is none where the preset was chosen by other rules than those in force: it may be none of theirs.
    pub fn join(
        &self,
        reference: &Reference,
        namespace: &str,
        (chosen, by): (Chosen, &str),
    ) -> Option<Wait> {
        let key = (reference.to_string(), chosen);
        let mut table = lock(&self.table);
        if table.rules.digest != by {
            return None;
        }
        let kept = VerdictKey::of(reference, &table.rules.digest, chosen);
        if let Some(outcome) = kept.and_then(|kept| self.verdicts.find(&kept)) {
            return Some(Wait::for_nothing(outcome));
        }
        if let Some(flying) = table.flying.get(&key) {
            return Some(Wait::joined(flying));
        }
        let flying = self.start(&key, reference, namespace, table.rules.clone());
        let wait = Wait::joined(&flying);
        table.flying.insert(key, flying);
        Some(wait)
    }

    /// Judges by `verify` from now on, and forgets what was judged otherwise. Whoever waits already gets the old answer, which
    /// is not kept.
    pub fn replace(&self, rules: Rules) {
        let mut table = lock(&self.table);
        table.rules = rules;
        self.verdicts.clear();
        table.flying.clear();
    }

    /// Runs in tasks of its own: nobody has to wait for it to come to its end.
    fn start(&self, key: &Asked, reference: &Reference, namespace: &str, rules: Rules) -> Flying {
        let watchers = Arc::new(Watchers::new(0));
        let course = Course {
            key: key.clone(),
            reference: reference.clone(),
            party: Party { host: host(reference), namespace: namespace.to_owned() },
            rules,
            shares: self.shares.clone(),
            table: Arc::clone(&self.table),
            watchers: Arc::clone(&watchers),
            verdicts: Arc::clone(&self.verdicts),
        };
        let flight = tokio::spawn(course.run());
        let flight = flight.map(|landed| landed.unwrap_or_else(|_| Arc::new(Outcome::Gate(LOST))));
        Flying { flight: flight.boxed().shared(), watchers }
    }
}

/// The registry that a verification waits for.
fn host(reference: &Reference) -> String {
    match reference {
        Reference::At(Location::Registry(repository), _) => repository.registry.clone(),
        other => other.to_string(),
    }
}

/// One verification, from the queue to its outcome.
struct Course {
    key: Asked,
    reference: Reference,
    party: Party,
    rules: Rules,
    shares: Shares,
    table: Arc<Mutex<Table>>,
    watchers: Arc<Watchers>,
    verdicts: Arc<dyn Verdicts>,
}

impl Course {
    async fn run(self) -> Arc<Outcome> {
        let outcome = tokio::select! {
            outcome = self.fly() => outcome,
            () = sleep(self.rules.patience.deadline) => Outcome::Gate(TOO_LONG),
        };
        let outcome = Arc::new(outcome);
        let mut table = lock(&self.table);
        let own =
            table.flying.get(&self.key).is_some_and(|f| Arc::ptr_eq(&f.watchers, &self.watchers));
        if own {
            table.flying.remove(&self.key);
        }
        // Rules may have changed since it began: then it is no longer in the table, and not kept. Nor is a reason of the
        // gate's own, which says nothing about the image.
        let about_image = !matches!(*outcome, Outcome::Gate(_));
        if let Some(key) = VerdictKey::of(&self.reference, &self.rules.digest, self.key.1)
            && own
            && about_image
        {
            self.verdicts.keep(key, &outcome);
        }
        outcome
    }

    async fn fly(&self) -> Outcome {
        let mut slot = tokio::select! {
            entered = self.shares.enter(self.party.clone()) => match entered {
                Ok(slot) => slot,
                Err(Crowded) => return Outcome::Gate(CROWDED),
            },
            // Nothing has been done yet that a retry could find.
            () = self.forsaken(Duration::ZERO) => return Outcome::Gate(FORSAKEN),
        };
        let begun = Instant::now();
        let pulse = Arc::new(Pulse::new(begun));
        let (verify, reference) = (Arc::clone(&self.rules.verify), self.reference.clone());
        let (_, chosen) = self.key;
        let work = Beating {
            work: async move { verify(reference, chosen).await }.boxed(),
            pulse: Arc::clone(&pulse),
        };
        // Whichever way this ends, by the deadline too, the work ends with it.
        let work = Tied(tokio::spawn(work));
        let outcome = tokio::select! {
            outcome = work => outcome.unwrap_or_else(|error| {
                tracing::error!(image = %self.reference, %error, "a verification came to no end");
                Outcome::Gate(LOST)
            }),
            () = self.forsaken(self.rules.patience.linger) => Outcome::Gate(FORSAKEN),
            () = outstay(&mut slot, pulse) => Outcome::Gate(OUSTED),
        };
        slot.was_quick(!matches!(outcome, Outcome::Gate(_)) && begun.elapsed() < QUICK);
        outcome
    }

    /// Ends once nobody has waited for `linger`. Nobody can join any more then.
    async fn forsaken(&self, linger: Duration) {
        let mut watched = self.watchers.subscribe();
        loop {
            // The sender lives as long as `self`.
            let _ = watched.wait_for(|count| *count == 0).await;
            let again = async {
                let _ = watched.wait_for(|count| *count > 0).await;
            };
            tokio::select! {
                () = again => continue,
                () = sleep(linger) => {}
            }
            let mut table = lock(&self.table);
            if *self.watchers.borrow() == 0 {
                let own = table.flying.get(&self.key);
                if own.is_some_and(|f| Arc::ptr_eq(&f.watchers, &self.watchers)) {
                    table.flying.remove(&self.key);
                }
                return;
            }
        }
    }
}

/// Ends once a verification that takes long has to make room for others.
async fn outstay(slot: &mut Slot, pulse: Arc<Pulse>) {
    sleep(SLOT_TIME).await;
    slot.step_aside(pulse).await;
}

/// Work that tells when it gets on: it is looked at again when something came that it waited for.
struct Beating<T> {
    work: BoxFuture<'static, T>,
    pulse: Arc<Pulse>,
}

impl<T> Future for Beating<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.pulse.beat();
        self.work.poll_unpin(cx)
    }
}

/// A task that ends with whoever waits for it.
struct Tied<T>(tokio::task::JoinHandle<T>);

impl<T> Future for Tied<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(cx)
    }
}

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is said where a verification panicked or was cut off.
const LOST: Own = Own::new(
    "internal-error",
    "hallmark failed while it verified this image\nhelp: see the log of hallmark serve",
);
const TOO_LONG: Own = Own::new(
    "gate-ended",
    "the verification took too long and was ended\n\
    help: see whether the registry answers; try again",
);
const CROWDED: Own = Own::new(
    "gate-crowded",
    "too many verifications of this registry are waiting already\nhelp: try again",
);
const OUSTED: Own = Own::new(
    "gate-ended",
    "the verification took long while many others waited, and was ended\n\
    help: see whether the registry answers; try again",
);
const FORSAKEN: Own = Own::new(
    "gate-ended",
    "nobody waited for the verification any more, so that it was ended\nhelp: try again",
);

/// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::gate::{testing, verdicts::Times};

    fn pinned(n: usize) -> Reference {
        format!("r.example/app@sha256:{n:064x}").parse().expect("valid")
    }

    /// Flights whose verification counts its calls, takes `time`, and says what `allowed` says.
    fn flights(time: Duration, allowed: bool, times: Times) -> (Flights, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let verify = move |reference: Reference, _: Chosen| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(time).await;
                testing::about(&reference, allowed)
            }
            .boxed()
        };
        let rules = rules(Arc::new(verify), Patience::default());
        (Flights::sized(rules, SIZES, Arc::new(InMemory::new(times))), calls)
    }

    fn rules(verify: Arc<Verify>, patience: Patience) -> Rules {
        Rules { verify, patience, digest: "sha256:1".to_owned() }
    }

    /// Judges by the same rules as if they were others.
    fn forget(flights: &Flights) {
        let rules = lock(&flights.table).rules.clone();
        flights.replace(rules);
    }

    fn wait(flights: &Flights, reference: &Reference, namespace: &str) -> Wait {
        let by = lock(&flights.table).rules.digest.clone();
        flights.join(reference, namespace, (Chosen::default(), &by)).expect("the rules in force")
    }

    fn join(flights: &Flights, n: usize) -> Wait {
        wait(flights, &pinned(n), "default")
    }

    const NOT_KEPT: Times = Times { allowed: Duration::ZERO, denied: Duration::ZERO };
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_thousand_that_ask_at_once_get_one_verification() {
        let (flights, calls) = flights(Duration::from_millis(50), true, NOT_KEPT);
        let all = (0..1000).map(|_| join(&flights, 1));
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|outcome| outcome.is_allowed()));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "nothing is kept for no time");
    }

    #[tokio::test]
    async fn outcomes_about_digests_are_kept_and_about_tags_are_not() {
        let (flights, calls) = flights(Duration::ZERO, true, Times::default());
        for (reference, want) in [
            (pinned(1), 1),
            (pinned(1), 1),
            (pinned(2), 2),
            ("r.example/app:1".parse().expect("valid"), 3),
            ("r.example/app:1".parse().expect("valid"), 4),
        ] {
            wait(&flights, &reference, "default").await;
            assert_eq!(calls.load(Ordering::SeqCst), want, "{reference}");
        }
        forget(&flights);
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 5, "what is forgotten is judged again");
    }

    #[tokio::test]
    async fn e24_what_was_judged_by_one_preset_is_no_answer_for_another() {
        let (flights, calls) = flights(Duration::from_millis(20), true, Times::default());
        let by = |chosen| flights.join(&pinned(1), "default", (chosen, "sha256:1"));
        let entry = Chosen { entry: Some(0), raised: None };
        let raised = Chosen { entry: Some(0), raised: Some("regulated") };
        for _ in 0..2 {
            let all =
                [Chosen::default(), entry, raised].map(|chosen| by(chosen).expect("in force"));
            futures_util::future::join_all(all).await;
        }
        assert_eq!(calls.load(Ordering::SeqCst), 3, "each is judged once");
        let old = flights.join(&pinned(1), "default", (entry, "sha256:0"));
        assert!(old.is_none(), "what other rules chose means nothing to these");
    }

    #[tokio::test]
    async fn what_was_begun_by_other_rules_is_not_kept() {
        let (flights, calls) = flights(Duration::from_millis(30), true, Times::default());
        let old = join(&flights, 1);
        tokio::task::yield_now().await;
        forget(&flights);
        assert!(join(&flights, 1).await.is_allowed() && old.await.is_allowed());
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "the second one is kept");
    }

    /// A verification that tells by its registry: `dead` never answers. Counts what begins and what is cut off.
    fn mixed(patience: Patience, sizes: Sizes) -> (Flights, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        struct Cut(Arc<AtomicUsize>);
        impl Drop for Cut {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, cut) = (Arc::clone(&begun), Arc::clone(&ended));
        let verify = move |reference: Reference, _: Chosen| {
            count.fetch_add(1, Ordering::SeqCst);
            let cut = Cut(Arc::clone(&cut));
            async move {
                if reference.to_string().starts_with("dead") {
                    std::future::pending::<()>().await;
                }
                drop(cut);
                testing::about(&reference, true)
            }
            .boxed()
        };
        (
            Flights::sized(rules(Arc::new(verify), patience), sizes, Arc::new(InMemory::default())),
            begun,
            ended,
        )
    }

    fn at(host: &str, n: usize) -> Reference {
        format!("{host}/app@sha256:{n:064x}").parse().expect("valid")
    }

    #[tokio::test]
    async fn c14_a_verification_ends_at_its_deadline() {
        let patience = Patience { deadline: Duration::from_millis(50), linger: LONG };
        let (flights, begun, ended) = mixed(patience, SIZES);
        let judged = wait(&flights, &at("dead.example", 1), "a").await;
        assert_eq!(*judged, Outcome::Gate(TOO_LONG));
        sleep(Duration::from_millis(20)).await;
        assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (1, 1));
        assert!(lock(&flights.table).flying.is_empty());
    }

    #[tokio::test]
    async fn c14_work_that_nobody_waits_for_is_ended_after_a_while() {
        let patience = Patience { deadline: LONG, linger: Duration::from_millis(300) };
        let (flights, begun, ended) = mixed(patience, SIZES);
        let first = wait(&flights, &at("dead.example", 1), "a");
        sleep(Duration::from_millis(20)).await;
        drop(first);
        sleep(Duration::from_millis(20)).await;
        let retry = wait(&flights, &at("dead.example", 1), "a");
        sleep(Duration::from_millis(400)).await;
        assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (1, 0), "joined");
        drop(retry);
        sleep(Duration::from_millis(500)).await;
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        assert!(lock(&flights.table).flying.is_empty());
    }

    #[tokio::test]
    async fn c14_an_honest_image_is_decided_while_thousands_at_dead_registries_are_asked_for() {
        const BUDGET: Duration = Duration::from_secs(60);
        let patience = Patience { deadline: LONG, linger: Duration::from_millis(50) };
        let (flights, begun, _) = mixed(patience, SIZES);
        // 2,048 images, in one namespace, at one registry up to one registry each.
        for hosts in [1, 4, 64, 2048] {
            let dead = |n: usize| at(&format!("dead{}.example", n % hosts), n);
            let waits: Vec<_> = (0..2048).map(|n| wait(&flights, &dead(n), "attack")).collect();
            for round in 0..4 {
                // Once it has shown that it is quick, not even its own namespace starves it.
                for namespace in ["default", "attack"] {
                    sleep(Duration::from_millis(5)).await;
                    let n = hosts * 100 + round * 2 + usize::from(namespace == "attack");
                    let honest = wait(&flights, &at("good.example", n), namespace);
                    let judged = tokio::time::timeout(BUDGET, honest).await;
                    assert!(
                        judged.is_ok_and(|outcome| outcome.is_allowed()),
                        "{hosts} hosts, {namespace}"
                    );
                }
            }
            drop(waits);
            sleep(Duration::from_millis(300)).await;
            assert!(lock(&flights.table).flying.is_empty(), "{hosts} hosts");
        }
        assert!(begun.load(Ordering::SeqCst) < 4 * (SIZES.slots + 10), "most never began");
    }

    /// A verification that never ends where the name has `dead`, gets on for three seconds where it has `slow`, and ends at
    /// once otherwise.
    fn shared() -> Flights {
        let verify = |reference: Reference, _: Chosen| {
            async move {
                let name = reference.to_string();
                if name.contains("dead") {
                    std::future::pending::<()>().await;
                }
                for _ in 0..30 * usize::from(name.contains("slow")) {
                    sleep(Duration::from_millis(100)).await;
                }
                testing::about(&reference, true)
            }
            .boxed()
        };
        let rules = rules(Arc::new(verify), Patience { deadline: LONG, linger: LONG });
        Flights::sized(rules, SIZES, Arc::new(InMemory::default()))
    }

    #[tokio::test]
    async fn c18_long_work_at_one_registry_keeps_no_other_namespace_out_of_it() {
        let flights = shared();
        let long = |n| wait(&flights, &at("shared.example/dead", n), "evil");
        let _waits: Vec<_> = (0..2 * SIZES.host).map(long).collect();
        tokio::task::yield_now().await;
        for n in 0..3 {
            let honest = wait(&flights, &at("shared.example/good", n), "team");
            let judged = tokio::time::timeout(SLOT_TIME / 2, honest).await;
            assert!(
                judged.is_ok_and(|outcome| outcome.is_allowed()),
                "part of the registry's slots are not theirs"
            );
            let own = wait(&flights, &at("shared.example/good", 100 + n), "evil");
            let judged = tokio::time::timeout(SLOT_TIME * 4, own).await;
            assert!(judged.is_ok_and(|outcome| outcome.is_allowed()), "theirs are taken in turns");
        }
    }

    #[tokio::test]
    async fn c19_work_that_gets_on_comes_to_its_end_while_hundreds_are_silent() {
        let flights = shared();
        let hosts = |n: usize| format!("dead{}.example", n % 60);
        for namespace in ["evil", "evil1", "evil2"] {
            for n in 0..400 {
                let wait = wait(&flights, &at(&format!("{}/{namespace}", hosts(n)), n), namespace);
                tokio::spawn(wait);
            }
        }
        // All places aside are taken.
        sleep(SLOT_TIME * 4).await;
        let honest =
            ["team", "evil"].map(|n| wait(&flights, &at(&format!("r.example/slow/{n}"), 1), n));
        for (judged, namespace) in
            futures_util::future::join_all(honest).await.iter().zip(["team", "evil"])
        {
            assert!(judged.is_allowed(), "{namespace}: {judged:?}");
        }
    }

    #[tokio::test]
    async fn c19_work_is_not_lost_when_its_review_ends_while_others_wait() {
        let flights = shared();
        let dead = |n| wait(&flights, &at(&format!("dead{n}.example"), n), "evil");
        let _waits: Vec<_> = (0..2 * SIZES.slots).map(dead).collect();
        let slow = at("r.example/slow", 1);
        drop(tokio::time::timeout(SLOT_TIME * 2, wait(&flights, &slow, "team")).await);
        sleep(SLOT_TIME * 3).await;
        let judged = tokio::time::timeout(SLOT_TIME / 2, wait(&flights, &slow, "team")).await;
        assert!(judged.is_ok_and(|outcome| outcome.is_allowed()), "the retry finds it done");
    }

    #[tokio::test]
    async fn a_reason_of_the_gate_is_not_kept() {
        let patience = Patience { deadline: Duration::from_millis(20), linger: LONG };
        let (flights, begun, _) = mixed(patience, SIZES);
        for _ in 0..2 {
            let outcome = wait(&flights, &at("dead.example", 1), "a").await;
            assert_eq!(*outcome, Outcome::Gate(TOO_LONG));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 2, "it is tried again");
    }

    #[tokio::test]
    async fn a_panic_denies() {
        let first: Arc<Verify> = Arc::new(|_, _| panic!("in the function itself"));
        let second: Arc<Verify> = Arc::new(|_, _| async { panic!("in its future") }.boxed());
        for verify in [first, second] {
            let flights = Flights::new(rules(verify, Patience::default()));
            assert_eq!(*join(&flights, 1).await, Outcome::Gate(LOST));
        }
    }
}
