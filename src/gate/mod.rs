//! The admission webhook: AdmissionReview v1 in, a decision in time out.
//!
//! [`router`] turns HTTP into a [`review::Request`], bounded by [`intake`]; [`shape`] keeps of its object what [`subjects`] needs
//! to tell which images it runs, [`flight`] has each of them verified once however many ask, in its turn ([`shares`]),
//! [`message`] says the outcome in words, [`tls`] serves it. The gate decides nothing
//! about an image: it is given a function that does. Whatever goes wrong on the way (a body that cannot be read, an
//! unknown kind, a panic, no time left) denies, and says what to do about it. Nothing is let through but DELETE and
//! the namespaces that the operator exempted by exact name.

mod admit;
pub mod flight;
mod intake;
mod message;
pub mod review;
mod router;
pub mod shape;
mod shares;
pub mod subjects;
pub mod tls;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use flight::{Judged, Patience, Verify};
pub use router::router;
pub use tls::{ServeError, TlsFiles, serve};

/// What the operator set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespaces that are let through unseen, by exact name.
    pub namespaces_exempt: BTreeSet<String>,
    /// Time for one answer; the apiserver's own timeout shortens it.
    pub budget: Duration,
    /// What happens to images that are named by tag.
    pub tags: Tags,
    /// Bytes of one review (`limits.reviewBytes`).
    pub review_bytes: usize,
    /// How long a verification may take.
    pub patience: Patience,
}

/// What happens to images that are named by tag (attack E5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tags {
    /// They are denied: what was checked and what a node pulls later could differ.
    #[default]
    Deny,
    /// The tag is resolved once, its digest is verified, and a warning says that the node may pull something else.
    Resolve,
}

/// The webhook without its socket.
pub struct Gate {
    settings: Settings,
    flights: flight::Flights,
    intake: intake::Intake,
    draining: AtomicBool,
}

impl Gate {
    /// A gate that asks `verify` about each image.
    pub fn new(settings: Settings, verify: Arc<Verify>) -> Arc<Self> {
        let flights = flight::Flights::new(verify, settings.patience);
        let (intake, draining) = (intake::Intake::default(), AtomicBool::new(false));
        Arc::new(Self { settings, flights, intake, draining })
    }

    /// Says at `/readyz` from now on that no more requests are wanted; those that come are answered all the same.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
