//! From the name of an image to what came of asking about it, by the same `verify` as the command line.

use std::sync::Arc;

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::{flight::Verify, outcome::Outcome};
use crate::{
    finding::Subject,
    reference::{Location, Reference},
    source,
    verify::{Context, verify},
};

/// What images are judged by.
pub struct Judge {
    /// Where bare digests are looked up.
    pub repositories: Vec<Location>,
    /// How the world is reached, what is judged by, how images are rebuilt.
    pub context: Context,
}

impl Judge {
    /// The function that judges an image.
    pub fn verify(self) -> Arc<Verify> {
        let judge = Arc::new(self);
        Arc::new(move |reference: Reference| {
            let judge = Arc::clone(&judge);
            async move { judge.judge(&reference).await }.boxed()
        })
    }

    /// Resolves a name once, and judges what it is then.
    async fn judge(&self, reference: &Reference) -> Outcome {
        let context = &self.context;
        if let Some(finding) = context.hopeless(reference) {
            return Outcome::not_judged(finding);
        }
        let (sources, limits) = (&context.world.sources, &context.world.limits);
        match source::resolve(reference, &self.repositories, sources, limits).await {
            Ok(pinned) => {
                let verdict = verify(pinned, context, Timestamp::now()).await;
                Outcome::Judged(Box::new(verdict.into()))
            }
            Err(error) => {
                Outcome::not_judged(error.into_finding(Subject::Image(reference.to_string())))
            }
        }
    }
}
