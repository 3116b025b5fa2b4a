//! Ctrl-C and SIGTERM: how a call ends before its answer is there.
//!
//! Whoever waits here may be dropped: its work removes what it left on disk and stops what it started.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// The signals that end a call. Those that came since the beginning are not missed, however late somebody waits for them.
pub(super) struct Interruption {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Interruption {
    /// Listens from now on.
    pub(super) fn begin() -> Self {
        let listen = |kind| signal(kind).ok();
        Self {
            interrupt: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
        }
    }

    /// Waits for one of them, and says how the call ends by it.
    pub(super) async fn comes(&mut self) -> Failure {
        tokio::select! {
            () = received(&mut self.interrupt) => Failure::new(130, "interrupted".to_owned()),
            () = received(&mut self.terminate) => Failure::new(143, "terminated".to_owned()),
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    let received = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    // Where none can come, nobody is ended by it.
    if received.is_none() {
        pending::<()>().await;
    }
}
