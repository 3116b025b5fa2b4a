//! One verification of an image at a time, however many ask for it.
//!
//! A verification runs in a task of its own: it goes on for a while when the review that started it runs out of time, so
//! that the retry finds it done, and a panic in it denies one image and nothing else. It begins when its registry and
//! namespace have a slot ([`shares`](super::shares)), holds it for a moment, and ends at its deadline, or when nobody has
//! waited for it for a while (attack C14). What was found about a digest is kept for a short while; what was found about a
//! tag never is, because a tag can move (attack E4, CVE-2026-122321).

use std::{
    collections::{BTreeSet, HashMap},
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

use super::shares::{Crowded, Party, Pulse, SIZES, Shares, Sizes, Slot};
use crate::{
    reference::{Location, Reference, Selector},
    untrusted::cut,
};

/// Findings that are kept.
const MAX_KEPT: usize = 10_000;
/// Bytes of the reasons, of the notices and of the warnings that are kept of one image: more than a message takes.
const MAX_WORDS_BYTES: usize = 8 << 10;
/// Bytes of the dots at the end of a text that is cut.
const DOTS: usize = 3;
/// Time after which a verification goes on without its slot.
const SLOT_TIME: Duration = Duration::from_secs(1);
/// Time within which a registry is quick.
const QUICK: Duration = Duration::from_secs(5);

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
    /// What was wrong, or weak where nothing was, by name: codes of findings, or the gate's own words.
    pub codes: BTreeSet<String>,
    /// Why not: what, why and help of each finding, in lines.
    pub reasons: Vec<String>,
    /// What the operator has to hear all the same: what was let through that would be denied otherwise.
    pub notices: Vec<String>,
    /// What the user should know all the same.
    pub warnings: Vec<String>,
    /// How much was said of evidence that nobody vouches for.
    pub remarks: usize,
}

impl Judged {
    /// A denial for one reason, which has a name.
    pub fn denied(reference: &Reference, code: &str, reason: impl Into<String>) -> Self {
        Self {
            allowed: false,
            reference: reference.to_string(),
            digest: None,
            codes: BTreeSet::from([code.to_owned()]),
            reasons: vec![reason.into()],
            notices: Vec::new(),
            warnings: Vec::new(),
            remarks: 0,
        }
    }

    /// The same, with no more words than a message can hold: thousands of outcomes are kept.
    fn bounded(mut self) -> Self {
        for words in [&mut self.reasons, &mut self.notices, &mut self.warnings] {
            let mut left = MAX_WORDS_BYTES;
            words.retain_mut(|text| {
                *text = cut(std::mem::take(text), left);
                left = left.saturating_sub(text.len());
                // What is left of a text that was cut to nothing are dots.
                !text.is_empty() && (left > 0 || text.len() > DOTS)
            });
            words.shrink_to_fit();
        }
        self
    }
}

/// The function that judges an image.
pub type Verify = dyn Fn(Reference) -> BoxFuture<'static, Judged> + Send + Sync;

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
type Flight = Shared<BoxFuture<'static, Arc<Judged>>>;

/// How many wait for one verification.
type Watchers = watch::Sender<usize>;

/// Somebody who waits for a verification, until it is dropped.
pub struct Wait {
    flight: Flight,
    watchers: Option<Arc<Watchers>>,
}

impl Wait {
    fn for_nothing(judged: Arc<Judged>) -> Self {
        Self { flight: ready(judged).boxed().shared(), watchers: None }
    }

    fn joined(flying: &Flying) -> Self {
        flying.watchers.send_modify(|count| *count += 1);
        Self { flight: flying.flight.clone(), watchers: Some(Arc::clone(&flying.watchers)) }
    }
}

impl Future for Wait {
    type Output = Arc<Judged>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<Judged>> {
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

/// How long outcomes about digests are kept.
#[derive(Debug, Clone, Copy)]
struct Keep {
    allowed: Duration,
    denied: Duration,
}

/// Denials are kept shortly, so that a fix is seen soon (as kubernetes' ImagePolicyWebhook does).
const KEEP: Keep = Keep { allowed: Duration::from_secs(300), denied: Duration::from_secs(30) };

struct Flying {
    flight: Flight,
    watchers: Arc<Watchers>,
}

/// By what a verification is made.
#[derive(Clone)]
struct Judge {
    verify: Arc<Verify>,
    patience: Patience,
}

struct Table {
    judge: Judge,
    flying: HashMap<String, Flying>,
    kept: HashMap<String, (Instant, Arc<Judged>)>,
}

/// All verifications of this process.
pub struct Flights {
    shares: Shares,
    table: Arc<Mutex<Table>>,
    keep: Keep,
}

impl Flights {
    /// None yet.
    pub fn new(verify: Arc<Verify>, patience: Patience) -> Self {
        Self::sized(verify, patience, SIZES)
    }

    fn sized(verify: Arc<Verify>, patience: Patience, sizes: Sizes) -> Self {
        let judge = Judge { verify, patience };
        let table = Table { judge, flying: HashMap::new(), kept: HashMap::new() };
        Self { shares: Shares::new(sizes), table: Arc::new(Mutex::new(table)), keep: KEEP }
    }

    /// The outcome for `reference`, which somebody in `namespace` asks for: a kept one, that of a verification under way, or
    /// that of a new one.
    pub fn join(&self, reference: &Reference, namespace: &str) -> Wait {
        let key = reference.to_string();
        let mut table = lock(&self.table);
        if let Some((until, judged)) = table.kept.get(&key) {
            if Instant::now() < *until {
                return Wait::for_nothing(Arc::clone(judged));
            }
            table.kept.remove(&key);
        }
        if let Some(flying) = table.flying.get(&key) {
            return Wait::joined(flying);
        }
        let flying = self.start(&key, reference, namespace, table.judge.clone());
        let wait = Wait::joined(&flying);
        table.flying.insert(key, flying);
        wait
    }

    /// Judges by `verify` from now on, and forgets what was judged otherwise. Whoever waits already gets the old answer, which
    /// is not kept.
    pub fn replace(&self, verify: Arc<Verify>, patience: Patience) {
        let mut table = lock(&self.table);
        table.judge = Judge { verify, patience };
        table.kept.clear();
        table.flying.clear();
    }

    /// Runs in tasks of its own: nobody has to wait for it to come to its end.
    fn start(&self, key: &str, reference: &Reference, namespace: &str, judge: Judge) -> Flying {
        let watchers = Arc::new(Watchers::new(0));
        let course = Course {
            key: key.to_owned(),
            reference: reference.clone(),
            party: Party { host: host(reference), namespace: namespace.to_owned() },
            judge,
            shares: self.shares.clone(),
            table: Arc::clone(&self.table),
            watchers: Arc::clone(&watchers),
            keep: self.keep,
        };
        let lost = LOST.about(reference);
        let flight = tokio::spawn(course.run());
        let flight = flight.map(|landed| landed.unwrap_or_else(|_| Arc::new(lost)));
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
    key: String,
    reference: Reference,
    party: Party,
    judge: Judge,
    shares: Shares,
    table: Arc<Mutex<Table>>,
    watchers: Arc<Watchers>,
    keep: Keep,
}

/// How a verification ended.
enum End {
    Judged(Judged),
    /// The gate's own reason for a denial, which says nothing about the image.
    Given(Own),
}

impl Course {
    async fn run(self) -> Arc<Judged> {
        let end = tokio::select! {
            end = self.fly() => end,
            () = sleep(self.judge.patience.deadline) => End::Given(TOO_LONG),
        };
        let mut table = lock(&self.table);
        let own =
            table.flying.get(&self.key).is_some_and(|f| Arc::ptr_eq(&f.watchers, &self.watchers));
        if own {
            table.flying.remove(&self.key);
        }
        match end {
            End::Judged(judged) => {
                let judged = Arc::new(judged.bounded());
                // Rules may have changed since it began: then it is no longer in the table, and not kept.
                if own {
                    table.land(&self.key, &self.reference, &judged, self.keep);
                }
                judged
            }
            End::Given(own) => Arc::new(own.about(&self.reference)),
        }
    }

    async fn fly(&self) -> End {
        let mut slot = tokio::select! {
            entered = self.shares.enter(self.party.clone()) => match entered {
                Ok(slot) => slot,
                Err(Crowded) => return End::Given(CROWDED),
            },
            // Nothing has been done yet that a retry could find.
            () = self.forsaken(Duration::ZERO) => return End::Given(FORSAKEN),
        };
        let begun = Instant::now();
        let pulse = Arc::new(Pulse::new(begun));
        let (verify, reference) = (Arc::clone(&self.judge.verify), self.reference.clone());
        let work = Beating {
            work: async move { verify(reference).await }.boxed(),
            pulse: Arc::clone(&pulse),
        };
        // Whichever way this ends, by the deadline too, the work ends with it.
        let work = Tied(tokio::spawn(work));
        let end = tokio::select! {
            judged = work => End::Judged(judged.unwrap_or_else(|error| {
                tracing::error!(image = %self.reference, %error, "a verification came to no end");
                LOST.about(&self.reference)
            })),
            () = self.forsaken(self.judge.patience.linger) => End::Given(FORSAKEN),
            () = outstay(&mut slot, pulse) => End::Given(OUSTED),
        };
        slot.was_quick(matches!(end, End::Judged(_)) && begun.elapsed() < QUICK);
        end
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

/// A reason of the gate itself: its name in logs, and its words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own(pub(super) &'static str, pub(super) &'static str);

impl Own {
    /// The denial of an image for it.
    pub(super) fn about(self, reference: &Reference) -> Judged {
        Judged::denied(reference, self.0, self.1)
    }
}

/// What is said where a verification panicked or was cut off.
const LOST: Own = Own(
    "internal-error",
    "internal-error: hallmark failed while it verified this image\nhelp: see the log of hallmark serve",
);
const TOO_LONG: Own = Own(
    "gate-ended",
    "the verification took too long and was ended\n\
    help: see whether the registry answers; try again",
);
const CROWDED: Own = Own(
    "gate-crowded",
    "too many verifications of this registry are waiting already\nhelp: try again",
);
const OUSTED: Own = Own(
    "gate-ended",
    "the verification took long while many others waited, and was ended\n\
    help: see whether the registry answers; try again",
);
const FORSAKEN: Own = Own(
    "gate-ended",
    "nobody waited for the verification any more, so that it was ended\nhelp: try again",
);

impl Table {
    fn land(&mut self, key: &str, reference: &Reference, judged: &Arc<Judged>, keep: Keep) {
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
        let verify = move |reference: Reference| {
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(time).await;
                Judged { allowed, ..Judged::denied(&reference, "no", "no") }
            }
            .boxed()
        };
        let mut flights = Flights::new(Arc::new(verify), Patience::default());
        flights.keep = keep;
        (flights, calls)
    }

    /// Judges by the same rules as if they were others.
    fn forget(flights: &Flights) {
        let Judge { verify, patience } = lock(&flights.table).judge.clone();
        flights.replace(verify, patience);
    }

    fn join(flights: &Flights, n: usize) -> Wait {
        flights.join(&pinned(n), "default")
    }

    const NOT_KEPT: Keep = Keep { allowed: Duration::ZERO, denied: Duration::ZERO };
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_thousand_that_ask_at_once_get_one_verification() {
        let (flights, calls) = flights(Duration::from_millis(50), true, NOT_KEPT);
        let all = (0..1000).map(|_| join(&flights, 1));
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|judged| judged.allowed));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        join(&flights, 1).await;
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
            flights.join(&reference, "default").await;
            assert_eq!(calls.load(Ordering::SeqCst), want, "{reference}");
        }
        forget(&flights);
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 5, "what is forgotten is judged again");
    }

    #[tokio::test]
    async fn what_was_begun_by_other_rules_is_not_kept() {
        let (flights, calls) = flights(Duration::from_millis(30), true, KEEP);
        let old = join(&flights, 1);
        tokio::task::yield_now().await;
        forget(&flights);
        assert!(join(&flights, 1).await.allowed && old.await.allowed);
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2, "the second one is kept");
    }

    #[tokio::test]
    async fn denials_are_kept_for_their_own_time() {
        let keep = Keep { allowed: Duration::from_secs(60), denied: Duration::ZERO };
        let (flights, calls) = flights(Duration::ZERO, false, keep);
        join(&flights, 1).await;
        join(&flights, 1).await;
        assert_eq!(calls.load(Ordering::SeqCst), 2);
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
        let verify = move |reference: Reference| {
            count.fetch_add(1, Ordering::SeqCst);
            let cut = Cut(Arc::clone(&cut));
            async move {
                if reference.to_string().starts_with("dead") {
                    std::future::pending::<()>().await;
                }
                drop(cut);
                Judged { allowed: true, ..Judged::denied(&reference, "no", "no") }
            }
            .boxed()
        };
        (Flights::sized(Arc::new(verify), patience, sizes), begun, ended)
    }

    fn at(host: &str, n: usize) -> Reference {
        format!("{host}/app@sha256:{n:064x}").parse().expect("valid")
    }

    #[tokio::test]
    async fn c14_a_verification_ends_at_its_deadline() {
        let patience = Patience { deadline: Duration::from_millis(50), linger: LONG };
        let (flights, begun, ended) = mixed(patience, SIZES);
        let judged = flights.join(&at("dead.example", 1), "a").await;
        assert_eq!(judged.reasons, [TOO_LONG.1]);
        sleep(Duration::from_millis(20)).await;
        assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (1, 1));
        assert!(lock(&flights.table).flying.is_empty());
    }

    #[tokio::test]
    async fn c14_work_that_nobody_waits_for_is_ended_after_a_while() {
        let patience = Patience { deadline: LONG, linger: Duration::from_millis(300) };
        let (flights, begun, ended) = mixed(patience, SIZES);
        let first = flights.join(&at("dead.example", 1), "a");
        sleep(Duration::from_millis(20)).await;
        drop(first);
        sleep(Duration::from_millis(20)).await;
        let retry = flights.join(&at("dead.example", 1), "a");
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
            let waits: Vec<_> = (0..2048).map(|n| flights.join(&dead(n), "attack")).collect();
            for round in 0..4 {
                // Once it has shown that it is quick, not even its own namespace starves it.
                for namespace in ["default", "attack"] {
                    sleep(Duration::from_millis(5)).await;
                    let n = hosts * 100 + round * 2 + usize::from(namespace == "attack");
                    let honest = flights.join(&at("good.example", n), namespace);
                    let judged = tokio::time::timeout(BUDGET, honest).await;
                    assert!(judged.is_ok_and(|j| j.allowed), "{hosts} hosts, {namespace}");
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
        let verify = |reference: Reference| {
            async move {
                let name = reference.to_string();
                if name.contains("dead") {
                    std::future::pending::<()>().await;
                }
                for _ in 0..30 * usize::from(name.contains("slow")) {
                    sleep(Duration::from_millis(100)).await;
                }
                Judged { allowed: true, ..Judged::denied(&reference, "no", "no") }
            }
            .boxed()
        };
        Flights::sized(Arc::new(verify), Patience { deadline: LONG, linger: LONG }, SIZES)
    }

    #[tokio::test]
    async fn c18_long_work_at_one_registry_keeps_no_other_namespace_out_of_it() {
        let flights = shared();
        let long = |n| flights.join(&at("shared.example/dead", n), "evil");
        let _waits: Vec<_> = (0..2 * SIZES.host).map(long).collect();
        tokio::task::yield_now().await;
        for n in 0..3 {
            let honest = flights.join(&at("shared.example/good", n), "team");
            let judged = tokio::time::timeout(SLOT_TIME / 2, honest).await;
            assert!(judged.is_ok_and(|j| j.allowed), "part of the registry's slots are not theirs");
            let own = flights.join(&at("shared.example/good", 100 + n), "evil");
            let judged = tokio::time::timeout(SLOT_TIME * 4, own).await;
            assert!(judged.is_ok_and(|j| j.allowed), "theirs are taken in turns");
        }
    }

    #[tokio::test]
    async fn c19_work_that_gets_on_comes_to_its_end_while_hundreds_are_silent() {
        let flights = shared();
        let hosts = |n: usize| format!("dead{}.example", n % 60);
        for namespace in ["evil", "evil1", "evil2"] {
            for n in 0..400 {
                let wait = flights.join(&at(&format!("{}/{namespace}", hosts(n)), n), namespace);
                tokio::spawn(wait);
            }
        }
        // All places aside are taken.
        sleep(SLOT_TIME * 4).await;
        let honest =
            ["team", "evil"].map(|n| flights.join(&at(&format!("r.example/slow/{n}"), 1), n));
        for (judged, namespace) in
            futures_util::future::join_all(honest).await.iter().zip(["team", "evil"])
        {
            assert!(judged.allowed, "{namespace}: {judged:?}");
        }
    }

    #[tokio::test]
    async fn c19_work_is_not_lost_when_its_review_ends_while_others_wait() {
        let flights = shared();
        let dead = |n| flights.join(&at(&format!("dead{n}.example"), n), "evil");
        let _waits: Vec<_> = (0..2 * SIZES.slots).map(dead).collect();
        let slow = at("r.example/slow", 1);
        drop(tokio::time::timeout(SLOT_TIME * 2, flights.join(&slow, "team")).await);
        sleep(SLOT_TIME * 3).await;
        let judged = tokio::time::timeout(SLOT_TIME / 2, flights.join(&slow, "team")).await;
        assert!(judged.is_ok_and(|j| j.allowed), "the retry finds it done");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let (flights, _) = flights(Duration::ZERO, true, KEEP);
        let judged = Arc::new(Judged::denied(&pinned(0), "no", "no"));
        for n in 0..=MAX_KEPT {
            lock(&flights.table).land(&n.to_string(), &pinned(n), &judged, KEEP);
        }
        assert_eq!(lock(&flights.table).kept.len(), MAX_KEPT);
        let long =
            Judged { reasons: vec!["x".repeat(5000); 1000], ..Judged::denied(&pinned(0), "", "") };
        let bytes: usize = long.bounded().reasons.iter().map(String::len).sum();
        assert!((MAX_WORDS_BYTES - 8..=MAX_WORDS_BYTES).contains(&bytes), "{bytes}");
    }

    #[tokio::test]
    async fn a_panic_denies() {
        let patience = Patience::default();
        let flights = Flights::new(Arc::new(|_| panic!("in the function itself")), patience);
        let judged = join(&flights, 1).await;
        assert!(!judged.allowed && judged.reasons == [LOST.1], "{judged:?}");
        let flights =
            Flights::new(Arc::new(|_| async { panic!("in its future") }.boxed()), patience);
        assert!(!join(&flights, 1).await.allowed);
    }
}
