//! The admission webhook: AdmissionReview v1 in, a decision in time out.
//!
//! [`connections`] bounds who may ask, [`router`] turns HTTP into a [`review::Request`], bounded by [`intake`]; [`shape`] keeps
//! of its object what [`subjects`] needs to tell which images it runs, [`flight`] has each of them verified once however many
//! ask, in its turn ([`shares`]), by the preset that [`choice`] finds for it, in [`judge`], and [`verdicts`] keeps each [`outcome`]; [`message`] says it in words,
//! [`decisions`] writes it down, [`tls`] serves it. Nothing but [`judge`] knows how an image is judged. Whatever goes wrong on the way (a body that cannot be read, an
//! unknown kind, a panic, no time left) denies, and says what to do about it. Nothing is let through but DELETE and
//! the namespaces that the operator exempted by exact name.

mod admit;
pub mod apiserver;
pub mod choice;
mod connections;
mod decisions;
pub mod flight;
mod intake;
mod judge;
mod message;
pub mod namespaces;
pub mod outcome;
pub mod review;
mod router;
pub mod shape;
mod shares;
pub mod subjects;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod verdicts;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use apiserver::Apiserver;
pub use choice::Presets;
use decisions::Decisions;
pub use flight::{Patience, Verify};
pub use judge::Judge;
pub use router::router;
pub use tls::{ServeError, TlsFiles, serve};

/// What the operator set.
#[derive(Clone)]
pub struct Settings {
    /// By which presets images are judged.
    pub presets: Arc<Presets>,
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
    /// Digest of everything that decisions are made by, for people.
    pub rules: String,
}

impl Settings {
    /// These, and what judges by them.
    fn rules(&self, verify: Arc<Verify>) -> flight::Rules {
        flight::Rules { verify, patience: self.patience, digest: self.rules.clone() }
    }
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
    settings: RwLock<Arc<Settings>>,
    reloads: Reloads,
    flights: flight::Flights,
    intake: intake::Intake,
    draining: AtomicBool,
    decisions: OnceLock<Decisions>,
}

/// How often rules were read again since the start.
#[derive(Default)]
struct Reloads {
    taken: AtomicU64,
    refused: AtomicU64,
}

impl Gate {
    /// A gate that asks `verify` about each image.
    pub fn new(settings: Settings, verify: Arc<Verify>) -> Arc<Self> {
        let flights = flight::Flights::new(settings.rules(verify));
        Arc::new(Self {
            settings: RwLock::new(Arc::new(settings)),
            reloads: Reloads::default(),
            flights,
            intake: intake::Intake::default(),
            draining: AtomicBool::new(false),
            decisions: OnceLock::new(),
        })
    }

    /// Writes a line of JSON (`hallmark/decision/v1`) to `to` for each decision from now on; only the first call counts.
    ///
    /// # Errors
    /// The thread that writes cannot be had.
    pub fn tell(&self, to: impl Write + Send + 'static) -> io::Result<()> {
        let _ = self.decisions.set(Decisions::to(to)?);
        Ok(())
    }

    /// Decides by other rules from now on, and forgets what was found by the old ones. A review under way is decided by the
    /// settings that it came under.
    pub fn replace(&self, settings: Settings, verify: Arc<Verify>) {
        let mut held = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: no review sees new settings with old verdicts.
        self.flights.replace(settings.rules(verify));
        *held = Arc::new(settings);
        self.reloads.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts rules that could not be taken; the last good ones stay.
    pub fn refuse(&self) {
        self.reloads.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What monitoring is told (Prometheus text format 0.0.4).
    fn metrics(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (taken, refused) = (count(&self.reloads.taken), count(&self.reloads.refused));
        let rules = &self.settings().rules;
        format!(
            "# HELP hallmark_rules_info The configuration, policies and roots that decisions are made by.\n\
             # TYPE hallmark_rules_info gauge\n\
             hallmark_rules_info{{digest=\"{rules}\"}} 1\n\
             # HELP hallmark_rules_reloads_total Rules that were read again after a change.\n\
             # TYPE hallmark_rules_reloads_total counter\n\
             hallmark_rules_reloads_total{{result=\"taken\"}} {taken}\n\
             hallmark_rules_reloads_total{{result=\"refused\"}} {refused}\n"
        )
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
