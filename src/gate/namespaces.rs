//! Labels of namespaces, kept for a moment, and read once however many ask.
//!
//! A review does not say which labels its namespace has, and whoever makes an object must not say it either: the apiserver is asked
//! ([`apiserver`](super::apiserver)). What it says counts for a few seconds ([`Times`]), and that it could not be read for a moment.
//! Where nobody can tell the labels, images are denied.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::policy::namespaces::{Labels, is_name};

/// Questions at the same time.
const MAX_QUESTIONS: usize = 8;
/// Namespaces that are kept: more than a cluster can have (Kubernetes, "Considerations for large clusters": 10,000).
const MAX_KEPT: usize = 16 << 10;

/// How long labels are kept, and waited for.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Labels, from when they are asked for.
    pub fresh: Duration,
    /// That they could not be read.
    pub failed: Duration,
    /// One question.
    pub question: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let [fresh, failed, question] = [5, 1, 3].map(Duration::from_secs);
        Self { fresh, failed, question }
    }
}

/// Labels, or why they cannot be told.
pub type Told = Result<Arc<Labels>, Arc<str>>;

/// The function that reads the labels of a namespace.
pub type ReadLabels = dyn Fn(String) -> BoxFuture<'static, Result<Labels, String>> + Send + Sync;

struct Kept {
    until: Instant,
    told: Shared<BoxFuture<'static, Told>>,
}

type Table = Arc<Mutex<HashMap<String, Kept>>>;

/// The namespaces of a cluster.
pub struct Namespaces {
    read: Arc<ReadLabels>,
    kept: Table,
    questions: Arc<Semaphore>,
    times: Times,
}

impl Namespaces {
    /// Namespaces whose labels `read` tells; none is read yet.
    pub fn new(read: Arc<ReadLabels>, times: Times) -> Self {
        let questions = Arc::new(Semaphore::new(MAX_QUESTIONS));
        Self { read, kept: Table::default(), questions, times }
    }

    /// The labels of a namespace.
    pub(super) async fn labels(&self, name: &str) -> Told {
        if !is_name(name) {
            return Err("the review names no namespace".into());
        }
        self.ask(name)?.await
    }

    fn ask(&self, name: &str) -> Result<Shared<BoxFuture<'static, Told>>, Arc<str>> {
        let (now, mut kept) = (Instant::now(), lock(&self.kept));
        if let Some(Kept { told, .. }) = kept.get(name).filter(|kept| now < kept.until) {
            return Ok(told.clone());
        }
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() >= MAX_KEPT {
            return Err("too many namespaces are asked for at the same time".into());
        }
        // A task of its own: it goes on when the review that asked first runs out of time.
        let question = Question {
            read: (self.read)(name.to_owned()),
            questions: Arc::clone(&self.questions),
            kept: Arc::clone(&self.kept),
            name: name.to_owned(),
            times: self.times,
        };
        let task = tokio::spawn(question.answer());
        let told = task.map(|ended| ended.unwrap_or_else(|_| Err("reading them failed".into())));
        let told = told.boxed().shared();
        kept.insert(name.to_owned(), Kept { until: now + self.times.fresh, told: told.clone() });
        Ok(told)
    }
}

/// One question, from the queue to its answer.
struct Question {
    read: BoxFuture<'static, Result<Labels, String>>,
    questions: Arc<Semaphore>,
    kept: Table,
    name: String,
    times: Times,
}

impl Question {
    async fn answer(self) -> Told {
        // Never closed, so that a permit always comes.
        let _permit = self.questions.acquire().await;
        let told = timeout(self.times.question, self.read).await;
        let late = || Err(format!("no answer within {:?}", self.times.question));
        let told = told.unwrap_or_else(|_| late());
        if told.is_err()
            && let Some(kept) = lock(&self.kept).get_mut(&self.name)
        {
            kept.until = kept.until.min(Instant::now() + self.times.failed);
        }
        told.map(Arc::new).map_err(Arc::from)
    }
}

/// A map is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
fn lock(table: &Table) -> MutexGuard<'_, HashMap<String, Kept>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const TIMES: Times = Times {
        fresh: Duration::from_millis(400),
        failed: Duration::from_millis(50),
        question: Duration::from_millis(100),
    };

    /// Namespaces of which `lost` cannot be read and `slow` never is, and how often one was asked for.
    fn namespaces(times: Times) -> (Namespaces, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let read = move |name: String| {
            let round = count.fetch_add(1, Ordering::SeqCst).to_string();
            async move {
                match name.as_str() {
                    "lost" => return Err("403".to_owned()),
                    "slow" => std::future::pending::<()>().await,
                    "panics" => panic!("as asked"),
                    _ => sleep(10 * MS).await,
                }
                Ok(Labels::from([("round".to_owned(), round)]))
            }
            .boxed()
        };
        (Namespaces::new(Arc::new(read), times), asked)
    }

    #[tokio::test]
    async fn labels_are_read_once_for_all_who_ask_and_again_after_a_while() {
        let (namespaces, asked) = namespaces(TIMES);
        let all = (0..100).map(|_| namespaces.labels("pay"));
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|told| told.as_ref().unwrap()["round"] == "0"));
        namespaces.labels("team").await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2, "each namespace by itself");
        sleep(TIMES.fresh).await;
        assert_eq!(namespaces.labels("pay").await.unwrap()["round"], "2", "read again");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_said_and_asked_again_soon() {
        let (namespaces, asked) = namespaces(Times { fresh: Duration::from_secs(3600), ..TIMES });
        for (name, want) in
            [("lost", "403"), ("slow", "within 100ms"), ("panics", "failed"), ("", "no namespace")]
        {
            let why = namespaces.labels(name).await.unwrap_err();
            assert!(why.contains(want), "{name}: {why}");
        }
        let before = asked.load(Ordering::SeqCst);
        sleep(TIMES.failed).await;
        namespaces.labels("lost").await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), before + 1);
        for evil in ["../pods", "a/b", "a?x=y", "A", "a\n"] {
            assert!(namespaces.labels(evil).await.is_err(), "{evil}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), before + 1, "nothing but names is asked for");
    }

    #[tokio::test]
    async fn a_question_goes_on_when_nobody_waits_for_it_any_more() {
        let (namespaces, asked) = namespaces(Times::default());
        drop(timeout(MS, namespaces.labels("pay")).await);
        assert_eq!(namespaces.labels("pay").await.unwrap()["round"], "0");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
