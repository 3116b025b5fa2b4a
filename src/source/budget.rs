//! Bytes that one process holds at the same time, however many images it judges (attacks C13 and C15).
//!
//! Who needs some waits until they are free. Whoever needs more than there are at all gets all of them: what one image may
//! have is another limit's affair. A holder never asks for more, so that no two wait for each other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// What is counted as one: shares are of whole units.
const UNIT_BYTES: u64 = 64 << 10;

/// A number of bytes that is shared.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: u32,
}

/// Bytes that are held, until it is dropped.
#[derive(Debug)]
pub struct Share(#[expect(dead_code, reason = "holds its units")] Option<OwnedSemaphorePermit>);

impl Budget {
    /// All of it free.
    pub fn new(bytes: u64) -> Self {
        let units = units(bytes).max(1);
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits for so many bytes.
    pub async fn take(&self, bytes: u64) -> Share {
        let wanted = units(bytes).min(self.units);
        // It is never closed; without a permit the bound would not hold, the verdict would.
        Share(Arc::clone(&self.free).acquire_many_owned(wanted).await.ok())
    }
}

fn units(bytes: u64) -> u32 {
    // As many as a semaphore has: more bytes than any machine.
    let most = (Semaphore::MAX_PERMITS as u64).min(u64::from(u32::MAX));
    u32::try_from(bytes.div_ceil(UNIT_BYTES).min(most)).unwrap_or(u32::MAX)
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
            evidence: Budget::new(limits.process_evidence_bytes),
            layers: Budget::new(limits.process_layer_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn c15_what_is_held_is_bounded_and_comes_back() {
        let budget = Budget::new(4 * UNIT_BYTES);
        let take = |bytes| budget.take(bytes).now_or_never();
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
        assert!(Budget::new(u64::MAX).take(u64::MAX).now_or_never().is_some());
    }
}
