//! Bodies of reviews, so many at a time that they fit into memory (attack C13).
//!
//! Most reviews are small. A few large ones are taken in at a time and the others wait: who sends large bodies slowly keeps
//! large ones out until their time is over, and no small one. What is read is parsed before its place is given up; two
//! large ones are parsed at a time, on threads where nothing else waits.

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::review::{self, Request, ReviewError};

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
    all: Semaphore,
    large: Semaphore,
    parsing: Semaphore,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            all: Semaphore::new(AT_ONCE),
            large: Semaphore::new(LARGE_AT_ONCE),
            parsing: Semaphore::new(PARSED_AT_ONCE),
        }
    }
}

/// Why there is no body.
pub(super) enum Unread {
    /// More bytes than are read.
    TooLarge,
    /// It ended early.
    Broken,
}

impl Intake {
    /// Reads a body and the review in it.
    pub(super) async fn take(
        &self,
        body: Body,
        limit_bytes: usize,
    ) -> Result<Result<Request, ReviewError>, Unread> {
        // No semaphore here is ever closed; without a permit the bound would not hold, the answer would.
        let _place = self.all.acquire().await;
        let (bytes, large) = self.read(body, limit_bytes).await?;
        if large.is_none() {
            return Ok(review::parse(&bytes, limit_bytes));
        }
        let _parsing = self.parsing.acquire().await;
        let parsed = tokio::task::spawn_blocking(move || review::parse(&bytes, limit_bytes));
        parsed.await.map_err(|_| Unread::Broken)
    }

    /// The bytes of a body, and the place that it takes where it is large.
    async fn read(
        &self,
        body: Body,
        limit_bytes: usize,
    ) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), Unread> {
        let mut stream = body.into_data_stream();
        let (mut bytes, mut large) = (Vec::new(), None);
        while let Some(chunk) = stream.next().await {
            let chunk: Bytes = chunk.map_err(|_| Unread::Broken)?;
            if chunk.len() > limit_bytes - bytes.len() {
                return Err(Unread::TooLarge);
            }
            if large.is_none() && bytes.len() + chunk.len() > SMALL_BYTES {
                large = self.large.acquire().await.ok();
                // Grown by doubling it would take twice its size for a while.
                bytes.reserve_exact(limit_bytes - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, large))
    }
}
