//! Where what takes long is computed: on threads of its own, and in turns.
//!
//! A stranger decides how much there is to check beside an image. The threads that answer requests never do it, and of those
//! that do only a few compute at the same time; each gives its place to whoever waits longest after a short while, so that an
//! image with one signature does not wait for one with thousands (attack C22).

use std::{
    num::NonZero,
    panic,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Time after which a place is given to whoever waits.
const TURN: Duration = Duration::from_millis(25);

/// Places for computing.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

/// A place, for as long as somebody waits for the result.
pub struct Turn {
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
    since: Instant,
    wanted: Weak<()>,
    runtime: Handle,
}

impl Default for Turns {
    /// A place for each processor, and two at least: not all work can give its place away before its end.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(2, NonZero::get).max(2))
    }
}

impl Turns {
    fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// Computes something. Where nobody waits for it any more, it hears of that ([`Turn::go_on`]). A panic goes on here.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Turn) -> T + Send + 'static,
    ) -> T {
        let waiting = Arc::new(());
        let (places, wanted) = (Arc::clone(&self.0), Arc::downgrade(&waiting));
        // Nobody closes it.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        let (since, runtime) = (Instant::now(), Handle::current());
        let mut turn = Turn { places, place, since, wanted, runtime };
        let span = tracing::Span::current();
        let computing = tokio::task::spawn_blocking(move || span.in_scope(|| work(&mut turn)));
        match computing.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panicked) => panic::resume_unwind(panicked),
                // The runtime ends, and with it whoever waits.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Turn {
    /// Lets others have their turn where this one was long. Whether anybody still waits for the result.
    pub fn go_on(&mut self) -> bool {
        if self.since.elapsed() >= TURN {
            self.place = None;
            self.place = self.runtime.block_on(Arc::clone(&self.places).acquire_owned()).ok();
            self.since = Instant::now();
        }
        self.wanted.strong_count() > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// Computes until it is told to end.
    fn endless(turn: &mut Turn, ended: &AtomicBool) {
        while turn.go_on() {
            thread::sleep(Duration::from_micros(100));
        }
        ended.store(true, Ordering::SeqCst);
    }

    #[tokio::test]
    async fn c22_what_takes_long_keeps_nobody_waiting_and_ends_with_who_waited() {
        let turns = Turns::new(1);
        let ended: Vec<Arc<AtomicBool>> = (0..4).map(|_| Arc::default()).collect();
        let hogs: Vec<_> = ended
            .iter()
            .map(|ended| {
                let (turns, ended) = (turns.clone(), Arc::clone(ended));
                tokio::spawn(async move { turns.run(move |turn| endless(turn, &ended)).await })
            })
            .collect();
        // One thread runs this test: it is free all the while.
        tokio::time::sleep(TURN).await;
        for number in 0..4 {
            let small = timeout(SOON, turns.run(move |_| number)).await;
            assert_eq!(small, Ok(number), "it has its turn");
        }
        assert!(ended.iter().all(|ended| !ended.load(Ordering::SeqCst)), "somebody waits for them");
        hogs.iter().for_each(|hog| hog.abort());
        let all = async {
            while !ended.iter().all(|ended| ended.load(Ordering::SeqCst)) {
                tokio::time::sleep(TURN).await;
            }
        };
        timeout(SOON, all).await.expect("nobody waits for them any more");
    }

    #[tokio::test]
    #[should_panic(expected = "a fault")]
    async fn a_panic_comes_to_whoever_waits() {
        Turns::new(1).run(|_| panic!("a fault")).await;
    }
}
