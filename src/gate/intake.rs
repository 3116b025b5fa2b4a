//! Bodies of reviews, so many at a time that they fit into memory (attack C13).
//!
//! What has not come yet takes no place: the first bytes of a body are counted as they come, and only what is longer, or
//! comes when too many such bytes are held, takes a place. A body that comes slowly is given up, so that nobody holds what
//! others wait for longer than it takes to send it (attack C17). How many bodies one address sends is not counted: the
//! apiserver may share its address with others.
//!
//! Most reviews are small. A few large ones are taken in at a time and the others wait: who sends large bodies slowly keeps
//! large ones out until their time is over, and no small one. What is read is parsed before its place is given up; two
//! large ones are parsed at a time, on threads where nothing else waits.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use super::review::{self, Request, ReviewError};

/// Bytes of a body that need no place: what a person wrote, and what had no time yet to become more.
const FIRST_BYTES: usize = 64 << 10;
/// Bytes that are held without a place, of all bodies together.
const FIRST_BYTES_HELD: usize = 16 << 20;
/// Time for a body that has no end, on top of what its bytes take at [`BYTES_PER_SECOND`]; the apiserver sends at once.
const GRACE: Duration = Duration::from_secs(3);
/// Slowest rate at which a body may come.
const BYTES_PER_SECOND: u32 = 256 << 10;
/// Bytes of a review that is small; a pod that a person wrote has a tenth of them.
const SMALL_BYTES: usize = 256 << 10;
/// Reviews that are taken in at the same time.
const AT_ONCE: usize = 128;
/// Of these, reviews that are not small.
const LARGE_AT_ONCE: usize = 6;
/// Large reviews that are parsed at the same time.
const PARSED_AT_ONCE: usize = 2;

/// The places for bodies.
pub(super) struct Intake {
    first: Semaphore,
    all: Semaphore,
    large: Semaphore,
    parsing: Semaphore,
    grace: Duration,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            first: Semaphore::new(FIRST_BYTES_HELD),
            all: Semaphore::new(AT_ONCE),
            large: Semaphore::new(LARGE_AT_ONCE),
            parsing: Semaphore::new(PARSED_AT_ONCE),
            grace: GRACE,
        }
    }
}

/// Why there is no body.
pub(super) enum Unread {
    /// More bytes than are read.
    TooLarge,
    /// It ended early.
    Broken,
    /// It came too slowly.
    TooSlow,
}

/// What a body takes of the memory for all; given back when it is dropped.
#[derive(Default)]
struct Held<'a> {
    first: Option<SemaphorePermit<'a>>,
    place: Option<SemaphorePermit<'a>>,
    large: Option<SemaphorePermit<'a>>,
}

impl Intake {
    /// Reads a body and the review in it.
    pub(super) async fn take(
        &self,
        body: Body,
        limit_bytes: usize,
    ) -> Result<Result<Request, ReviewError>, Unread> {
        let (bytes, held) = self.read(body, limit_bytes).await?;
        if held.large.is_none() {
            return Ok(review::parse(&bytes, limit_bytes));
        }
        let _parsing = self.parsing.acquire().await;
        let parsed = tokio::task::spawn_blocking(move || review::parse(&bytes, limit_bytes));
        parsed.await.map_err(|_| Unread::Broken)
    }

    /// The bytes of a body, and what it takes.
    async fn read(&self, body: Body, limit_bytes: usize) -> Result<(Vec<u8>, Held<'_>), Unread> {
        let mut stream = body.into_data_stream();
        let (mut bytes, mut held) = (Vec::new(), Held::default());
        let mut waited = Duration::ZERO;
        loop {
            let earned = Duration::from_secs(bytes.len() as u64) / BYTES_PER_SECOND;
            let left = (self.grace + earned).saturating_sub(waited);
            // The time that it waits for a place of ours is not the sender's.
            let asked = Instant::now();
            let next = timeout(left, stream.next()).await.map_err(|_| Unread::TooSlow)?;
            waited += asked.elapsed();
            let Some(chunk) = next else { return Ok((bytes, held)) };
            let chunk: Bytes = chunk.map_err(|_| Unread::Broken)?;
            if chunk.len() > limit_bytes - bytes.len() {
                return Err(Unread::TooLarge);
            }
            let grown = bytes.len() + chunk.len();
            if held.place.is_none() && !self.is_first(&mut held, chunk.len(), grown) {
                // No semaphore here is ever closed; without a permit the bound would not hold, the answer would.
                held.place = self.all.acquire().await.ok();
                held.first = None;
            }
            if held.large.is_none() && grown > SMALL_BYTES {
                held.large = self.large.acquire().await.ok();
                // Grown by doubling it would take twice its size for a while.
                bytes.reserve_exact(limit_bytes - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
    }

    /// Whether bytes that came are held without a place. Never waits: who has a place goes on, so that places come free.
    fn is_first<'a>(&'a self, held: &mut Held<'a>, len: usize, grown: usize) -> bool {
        let permits = u32::try_from(len).ok().filter(|_| grown <= FIRST_BYTES);
        let Some(permit) = permits.and_then(|len| self.first.try_acquire_many(len).ok()) else {
            return false;
        };
        match &mut held.first {
            Some(first) => first.merge(permit),
            none => *none = Some(permit),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::Arc};

    use futures_util::stream;

    use super::*;

    const LIMIT: usize = 8 << 20;

    /// These bytes, and then nothing, without an end.
    fn unfinished(bytes: usize) -> Body {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![b' '; bytes]))]);
        Body::from_stream(first.chain(stream::pending()))
    }

    /// Lets `count` bodies begin that have so many bytes and no end.
    async fn begin(intake: &Arc<Intake>, count: usize, bytes: usize) {
        for _ in 0..count {
            let intake = Arc::clone(intake);
            tokio::spawn(async move { intake.take(unfinished(bytes), LIMIT).await.is_ok() });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    /// Whether a body of so many bytes is read at once.
    async fn is_read(intake: &Intake, bytes: usize) -> bool {
        let body = Body::from(vec![b' '; bytes]);
        let read = timeout(Duration::from_millis(500), intake.take(body, LIMIT)).await;
        // What is in it is no review; that this is known says that it was read.
        matches!(read, Ok(Ok(Err(_))))
    }

    #[tokio::test]
    async fn c17_what_has_not_come_takes_no_place() {
        let intake = Arc::new(Intake::default());
        begin(&intake, 2000, 1).await;
        for bytes in [100, FIRST_BYTES, FIRST_BYTES + 1, SMALL_BYTES + 1] {
            assert!(is_read(&intake, bytes).await, "{bytes}");
        }
        assert_eq!(intake.first.available_permits(), FIRST_BYTES_HELD - 2000);
        assert_eq!(intake.all.available_permits(), AT_ONCE);
    }

    #[tokio::test]
    async fn c17_places_that_slow_bodies_hold_keep_no_small_one_out() {
        let intake = Arc::new(Intake::default());
        begin(&intake, AT_ONCE + 1, FIRST_BYTES + 1).await;
        assert_eq!(intake.all.available_permits(), 0, "they came so far");
        assert!(is_read(&intake, FIRST_BYTES).await);
        assert!(!is_read(&intake, FIRST_BYTES + 1).await, "the bound holds");
    }

    #[tokio::test]
    async fn c17_bytes_without_a_place_are_bounded_and_places_take_over() {
        let intake = Arc::new(Intake::default());
        begin(&intake, FIRST_BYTES_HELD / FIRST_BYTES, FIRST_BYTES).await;
        assert_eq!(intake.first.available_permits(), 0);
        assert!(is_read(&intake, 100).await, "in a place");
        begin(&intake, AT_ONCE, 1).await;
        assert!(!is_read(&intake, 100).await, "the bound holds");
    }

    #[tokio::test]
    async fn c17_a_slow_body_is_given_up_and_what_it_held_comes_back() {
        let grace = Duration::from_millis(50);
        let intake = Intake { grace, ..Intake::default() };
        let start = Instant::now();
        for bytes in [0, 1, FIRST_BYTES + 1, SMALL_BYTES + 1] {
            let slow = intake.take(unfinished(bytes), LIMIT).await;
            assert!(matches!(slow, Err(Unread::TooSlow)), "{bytes}");
        }
        assert!(start.elapsed() >= grace * 4 && start.elapsed() < Duration::from_secs(4));
        assert_eq!(intake.first.available_permits(), FIRST_BYTES_HELD);
        assert_eq!(intake.all.available_permits(), AT_ONCE);
        assert_eq!(intake.large.available_permits(), LARGE_AT_ONCE);
        // A byte now and then does not help.
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
        });
        let dripped = timeout(Duration::from_secs(4), intake.take(Body::from_stream(drip), LIMIT));
        assert!(matches!(dripped.await, Ok(Err(Unread::TooSlow))));
    }
}
