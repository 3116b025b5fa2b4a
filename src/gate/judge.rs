//! From the name of an image to what came of asking about it, by the same `verify` as the command line.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::{
    choice::Chosen,
    flight::Verify,
    outcome::{Outcome, Own},
};
use crate::{
    finding::Subject,
    policy::{Deferred, PolicyError},
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
    /// Rules under presets that objects asked for, made when the first one does.
    raised: Mutex<HashMap<Chosen, Deferred>>,
}

impl Judge {
    /// Whoever judges in this context.
    pub fn new(repositories: Vec<Location>, context: Context) -> Self {
        Self { repositories, context, raised: Mutex::default() }
    }

    /// The function that judges an image.
    pub fn verify(self) -> Arc<Verify> {
        let judge = Arc::new(self);
        Arc::new(move |reference: Reference, chosen: Chosen| {
            let judge = Arc::clone(&judge);
            async move { judge.judge(&reference, chosen).await }.boxed()
        })
    }

    /// The context with the chosen rules, and no others.
    async fn context(&self, chosen: Chosen) -> Result<Context, Own> {
        let lost = |why: &dyn std::fmt::Display| {
            tracing::error!(?chosen, %why, "the chosen preset cannot be judged by");
            UNUSABLE
        };
        let criteria = self.context.criteria.of(chosen.entry);
        let mut criteria = criteria.ok_or_else(|| lost(&"there is no such entry"))?;
        if let Some(preset) = chosen.raised {
            let raised = self.raised(chosen, &criteria.policies, preset).map_err(|e| lost(&e))?;
            let (policies, exceptions) = (raised.clone(), criteria.exceptions);
            // Compiling takes longer than an answer to anybody else may wait.
            let ready = tokio::task::spawn_blocking(move || {
                policies.ready().map_err(Clone::clone).map(|_| policies.excepted(&exceptions))
            });
            let ready = ready.await.map_err(|error| lost(&error))?;
            criteria.exceptions = ready.map_err(|error| lost(&error))?;
            criteria.policies = raised;
        }
        Ok(Context { criteria, ..self.context.clone() })
    }

    fn raised(
        &self,
        chosen: Chosen,
        policies: &Deferred,
        preset: &str,
    ) -> Result<Deferred, PolicyError> {
        // A map is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = raised.get(&chosen) {
            return Ok(known.clone());
        }
        let made = policies.under(preset)?;
        raised.insert(chosen, made.clone());
        Ok(made)
    }

    /// Resolves a name once, and judges what it is then.
    async fn judge(&self, reference: &Reference, chosen: Chosen) -> Outcome {
        let context = match self.context(chosen).await {
            Ok(context) => context,
            Err(own) => return Outcome::Gate(own),
        };
        let context = &context;
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

const UNUSABLE: Own = Own::new(
    "gate-preset",
    "the preset that was chosen for the image cannot be judged by\nhelp: see the log of hallmark serve",
);
