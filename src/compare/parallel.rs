//! Work on several layers at once.

use std::{
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Most threads: each may hold the fingerprints of a layer with two million entries (128 MiB).
const THREADS_MAX: usize = 8;

/// Does `work` for every job, on as many threads as the machine has processors; results come in the order of the jobs.
/// `each_takes` says how many threads a job has itself.
pub(super) fn each<J: Sync, R: Send>(
    jobs: &[J],
    each_takes: usize,
    work: impl Fn(&J) -> R + Sync,
) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (processors.min(THREADS_MAX) / each_takes.max(1)).min(jobs.len());
    if threads < 2 {
        return jobs.iter().map(work).collect();
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs.len())));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(at) else { break };
                    let result = work(job);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let jobs: Vec<u64> = (0..100).collect();
        let squares: Vec<u64> = jobs.iter().map(|n| n * n).collect();
        assert_eq!(each(&jobs, 1, |n| n * n), squares);
        assert_eq!(each(&[] as &[u64], 1, |n| n * n), Vec::<u64>::new());
    }
}
