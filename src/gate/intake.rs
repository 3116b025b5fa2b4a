//! Bodies of reviews, so many at a time that they fit into memory (attack C13).
//!
//! What has come of all bodies is counted in one sum, whatever connection and protocol it came by, and what has not come
//! takes nothing. Where the sum is reached, the body that began first is given up: the apiserver sends at once, so that the
//! oldest is one that comes slowly, and nobody keeps others out by what is held (attack C20). A body that comes slowly is
//! given up anyhow after a while (attack C17). How many bodies one address sends is not counted: the apiserver may share its
//! address with others.
//!
//! Most reviews are small. A few large ones are taken in at a time, shared out among addresses, and the others wait: who sends
//! large bodies slowly keeps large ones of the same address out until their time is over, and no small one. What is read is
//! parsed before its place is given up; two large ones are parsed at a time, on threads where nothing else waits.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, timeout},
};

use super::{
    review::{self, Request, ReviewError},
    shares::{Party, Shares, Sizes, Slot},
};

/// Bytes that are held of all bodies that have no place for a large one.
const HELD_BYTES: usize = 32 << 20;
/// Time for a body that has no end, on top of what its bytes take at [`BYTES_PER_SECOND`]; the apiserver sends at once.
const GRACE: Duration = Duration::from_secs(3);
/// Slowest rate at which a body may come.
const BYTES_PER_SECOND: u32 = 256 << 10;
/// Bytes of a review that is small; a pod that a person wrote has a tenth of them.
const SMALL_BYTES: usize = 256 << 10;
/// Reviews that are not small, of which each may hold as many bytes as a review may have: places in all, of one address, and
/// to wait for one.
const LARGE: Sizes =
    Sizes { slots: 6, kept: 0, host: 4, asker: 4, namespace: 4, aside: 0, own: 0, waiting: 64 };
/// Large reviews that are parsed at the same time.
const PARSED_AT_ONCE: usize = 2;

/// The places for bodies.
pub(super) struct Intake {
    table: Mutex<Table>,
    large: Shares,
    parsing: Semaphore,
    grace: Duration,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            large: Shares::new(LARGE),
            parsing: Semaphore::new(PARSED_AT_ONCE),
            grace: GRACE,
        }
    }
}

/// What is held of bodies that have no place for a large one.
#[derive(Default)]
struct Table {
    bytes: usize,
    /// The number of the last body.
    last: u64,
    /// The oldest first.
    bodies: BTreeMap<u64, Part>,
}

/// What is held of one body.
struct Part {
    bytes: usize,
    /// Dropping it gives the body up.
    _end: oneshot::Sender<()>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// More bytes than are read.
    TooLarge,
    /// It ended early.
    Broken,
    /// It came too slowly.
    TooSlow,
}

/// A body's part of what is held of all, until it is dropped.
struct Held<'a> {
    intake: &'a Intake,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.intake.lock().give_up(self.number);
    }
}

impl Held<'_> {
    /// Counts bytes that came. Where there are too many, the oldest body is given up, be it this one.
    fn grow(&self, bytes: usize) {
        let mut table = self.intake.lock();
        let Some(part) = table.bodies.get_mut(&self.number) else { return };
        part.bytes += bytes;
        table.bytes += bytes;
        while table.bytes > HELD_BYTES {
            let Some(oldest) = table.bodies.keys().next().copied() else { return };
            table.give_up(oldest);
        }
    }
}

impl Table {
    fn give_up(&mut self, number: u64) {
        if let Some(part) = self.bodies.remove(&number) {
            self.bytes -= part.bytes;
        }
    }
}

/// What a body takes of the memory for all; given back when it is dropped.
enum Place<'a> {
    Small(Held<'a>),
    Large(Slot),
}

impl Intake {
    /// Reads a body, which comes from an address, and the review in it.
    pub(super) async fn take(
        &self,
        body: Body,
        limit_bytes: usize,
        from: Option<IpAddr>,
    ) -> Result<Result<Request, ReviewError>, Unread> {
        let (bytes, place) = self.read(body, limit_bytes, from).await?;
        let slot = match place {
            Place::Small(_held) => return Ok(review::parse(&bytes, limit_bytes)),
            Place::Large(slot) => slot,
        };
        // Never closed; without a permit the bound would not hold, the answer would.
        let _parsing = self.parsing.acquire().await;
        let parsed = tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone: the place is taken as long as the bytes are there.
            let _slot = slot;
            review::parse(&bytes, limit_bytes)
        });
        parsed.await.map_err(|_| Unread::Broken)
    }

    /// The bytes of a body, and what it takes.
    async fn read(
        &self,
        body: Body,
        limit_bytes: usize,
        from: Option<IpAddr>,
    ) -> Result<(Vec<u8>, Place<'_>), Unread> {
        let mut stream = body.into_data_stream();
        let (mut bytes, mut place) = (Vec::new(), Place::Small(self.begin()));
        let mut waited = Duration::ZERO;
        loop {
            let earned = Duration::from_secs(bytes.len() as u64) / BYTES_PER_SECOND;
            let left = (self.grace + earned).saturating_sub(waited);
            // The time that it waits for a place of ours is not the sender's.
            let asked = Instant::now();
            let next = timeout(left, stream.next());
            let next = match &mut place {
                Place::Small(held) => tokio::select! {
                    next = next => next,
                    // Nothing is ever sent.
                    _ = &mut held.ended => return Err(Unread::TooSlow),
                },
                Place::Large(_) => next.await,
            };
            let next = next.map_err(|_| Unread::TooSlow)?;
            waited += asked.elapsed();
            let Some(chunk) = next else { return Ok((bytes, place)) };
            let chunk: Bytes = chunk.map_err(|_| Unread::Broken)?;
            if chunk.len() > limit_bytes - bytes.len() {
                return Err(Unread::TooLarge);
            }
            if let Place::Small(held) = &mut place {
                held.grow(chunk.len());
                if bytes.len() + chunk.len() > SMALL_BYTES {
                    let entered = tokio::select! {
                        entered = self.large.enter(party(from)) => entered,
                        _ = &mut held.ended => return Err(Unread::TooSlow),
                    };
                    place = Place::Large(entered.map_err(|_| Unread::TooSlow)?);
                    // Grown by doubling it would take twice its size for a while.
                    bytes.reserve_exact(limit_bytes - bytes.len());
                }
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    fn begin(&self) -> Held<'_> {
        let (end, ended) = oneshot::channel();
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        table.bodies.insert(number, Part { bytes: 0, _end: end });
        Held { intake: self, number, ended }
    }

    /// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whom a large body takes its place.
fn party(from: Option<IpAddr>) -> Party {
    let host = from.map(|address| address.to_string()).unwrap_or_default();
    Party { namespace: host.clone(), host }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use futures_util::stream;

    use super::*;

    const LIMIT: usize = 8 << 20;

    fn address(n: u8) -> Option<IpAddr> {
        Some([10, 0, 0, n].into())
    }

    /// These bytes, and then nothing, without an end.
    fn unfinished(bytes: usize) -> Body {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes]))]);
        Body::from_stream(first.chain(stream::pending()))
    }

    type Taking = tokio::task::JoinHandle<Option<Unread>>;

    /// Lets `count` bodies of an address begin that have so many bytes and no end.
    async fn begin(intake: &Arc<Intake>, count: usize, bytes: usize, from: u8) -> Vec<Taking> {
        let all = (0..count).map(|_| {
            let intake = Arc::clone(intake);
            tokio::spawn(
                async move { intake.take(unfinished(bytes), LIMIT, address(from)).await.err() },
            )
        });
        let all = all.collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        all
    }

    /// Whether a body of so many bytes is read at once.
    async fn is_read(intake: &Intake, bytes: usize, from: u8) -> bool {
        let body = Body::from(vec![b' '; bytes]);
        let read =
            timeout(Duration::from_millis(500), intake.take(body, LIMIT, address(from))).await;
        // What is in it is no review; that this is known says that it was read.
        matches!(read, Ok(Ok(Err(_))))
    }

    #[tokio::test]
    async fn c17_what_has_not_come_takes_no_place() {
        let intake = Arc::new(Intake::default());
        begin(&intake, 2000, 1, 1).await;
        for bytes in [100, SMALL_BYTES, SMALL_BYTES + 1] {
            assert!(is_read(&intake, bytes, 1).await, "{bytes}");
        }
        assert_eq!(intake.lock().bytes, 2000);
    }

    #[tokio::test]
    async fn c20_bytes_are_counted_in_one_sum_and_the_oldest_body_gives_way() {
        let intake = Arc::new(Intake::default());
        let all = begin(&intake, HELD_BYTES / SMALL_BYTES, SMALL_BYTES, 1).await;
        assert_eq!(intake.lock().bytes, HELD_BYTES);
        assert!(all.iter().all(|one| !one.is_finished()));
        assert!(is_read(&intake, SMALL_BYTES, 1).await, "others are read all the same");
        assert!(is_read(&intake, SMALL_BYTES + 1, 1).await, "large ones as well");
        let mut all = all.into_iter();
        for _ in 0..2 {
            let first = timeout(Duration::from_secs(1), all.next().expect("one")).await;
            assert_eq!(first.expect("given up").expect("no panic"), Some(Unread::TooSlow));
        }
        assert!(all.all(|one| !one.is_finished()), "no more than there had to be");
        assert!(intake.lock().bytes <= HELD_BYTES);
    }

    #[tokio::test]
    async fn c20_large_bodies_of_one_address_keep_no_other_out() {
        let intake = Arc::new(Intake::default());
        let all = begin(&intake, 200, SMALL_BYTES + 1, 1).await;
        let waiting = all.iter().filter(|one| !one.is_finished()).count();
        assert_eq!(waiting, LARGE.host + LARGE.waiting, "as many have or wait for a place");
        assert!(is_read(&intake, SMALL_BYTES + 1, 2).await, "another address");
        assert!(!is_read(&intake, SMALL_BYTES + 1, 1).await, "the bound holds");
        assert!(is_read(&intake, SMALL_BYTES, 1).await, "a small one");
    }

    #[tokio::test]
    async fn c17_a_slow_body_is_given_up_and_what_it_held_comes_back() {
        let grace = Duration::from_millis(50);
        let intake = Intake { grace, ..Intake::default() };
        let start = Instant::now();
        for bytes in [0, 1, SMALL_BYTES, SMALL_BYTES + 1] {
            let slow = intake.take(unfinished(bytes), LIMIT, None).await;
            assert!(matches!(slow, Err(Unread::TooSlow)), "{bytes}");
        }
        assert!(start.elapsed() >= grace * 4 && start.elapsed() < Duration::from_secs(5));
        {
            let table = intake.lock();
            assert_eq!((table.bytes, table.bodies.len()), (0, 0));
        }
        for _ in 0..2 * LARGE.slots {
            assert!(is_read(&intake, SMALL_BYTES + 1, 1).await);
        }
        // A byte now and then does not help.
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
        });
        let drip = intake.take(Body::from_stream(drip), LIMIT, None);
        assert!(matches!(timeout(Duration::from_secs(4), drip).await, Ok(Err(Unread::TooSlow))));
    }
}
