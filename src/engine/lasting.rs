//! A thread that lasts as long as the process.
//!
//! Turns a closure into one that runs there. `PR_SET_PDEATHSIG` ends a program when the *thread* that started it ends, and the
//! threads of a runtime come and go: what is started from here ends with the process, however that ends, and no earlier.

use std::{
    io,
    sync::{OnceLock, mpsc},
};

type Task = Box<dyn FnOnce() + Send>;

/// Runs `what` on the lasting thread, and waits for it.
///
/// # Errors
/// The thread cannot be had.
pub fn run<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static TASKS: OnceLock<Option<mpsc::Sender<Task>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts programs is gone");
    let tasks = TASKS.get_or_init(start).as_ref().ok_or_else(gone)?;
    let (give, take) = mpsc::sync_channel(1);
    let task = move || {
        let _ = give.send(what());
    };
    tasks.send(Box::new(task)).map_err(|_| gone())?;
    take.recv().map_err(|_| gone())
}

fn start() -> Option<mpsc::Sender<Task>> {
    let (send, receive) = mpsc::channel::<Task>();
    let work = move || receive.iter().for_each(|task| task());
    std::thread::Builder::new().name("hallmark-start".to_owned()).spawn(work).ok()?;
    Some(send)
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_runs_on_one_thread() {
        let id = || std::thread::current().id();
        let first = super::run(id).unwrap();
        let second = std::thread::spawn(move || super::run(id).unwrap()).join().unwrap();
        assert_eq!(first, second);
        assert_ne!(first, id());
    }
}
