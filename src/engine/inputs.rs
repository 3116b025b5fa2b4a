//! The inputs of one build, brought to where it is shut in.
//!
//! Turns a plan into a store that holds what the plan pins and nothing else: the operator's own, or one for the job alone, which
//! hallmark's own clients fill. The builder is given that store in place of a network ([`super::store::serve`]).

use std::{collections::BTreeSet, sync::PoisonError};

use super::{
    EngineSettings,
    egress::is_allowable,
    layout::registries,
    sandbox::Shell,
    store::{
        Store,
        fetch::{self, Origins, StoreError},
        serve::{self, Given, Serving},
    },
};
use crate::{
    digest::Digest,
    limits::Limits,
    rebuild::{Failure, FailureKind, Lack, Plan},
    source::{Refusal, SourceError},
};

/// Where a build takes its inputs from.
pub struct Inputs<'a> {
    store: Store,
    /// What fills the store, where it is the job's.
    origins: Option<&'a EngineSettings>,
    limits: &'a Limits,
    /// What the builder was given.
    given: Given,
}

impl<'a> Inputs<'a> {
    /// The operator's store, or one in the job's folder.
    pub(super) fn of(settings: &'a EngineSettings, limits: &'a Limits, shell: &Shell<'_>) -> Self {
        let given = Given::default();
        match &settings.store {
            Some(store) => Self { store: store.clone(), origins: None, limits, given },
            None => {
                let store = Store::at(&shell.work.join("inputs"));
                Self { store, origins: Some(settings), limits, given }
            }
        }
    }

    /// The store.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The bounds.
    pub(super) fn limits(&self) -> &Limits {
        self.limits
    }

    /// Digests of what the builder was given so far.
    pub(super) fn given(&self) -> BTreeSet<Digest> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers for the store where the job's programs reach it.
    ///
    /// # Errors
    /// [`FailureKind::EngineUnavailable`] where no socket can be had.
    pub(super) fn serve(&self, shell: &Shell<'_>) -> Result<Serving, Failure> {
        let serving =
            shell.listen().and_then(|socket| serve::serve(&self.store, socket, self.given.clone()));
        serving.map_err(|e| shell.broken("cannot give the inputs to the builder", &e))
    }

    /// Fetches what is not there.
    ///
    /// # Errors
    /// [`FailureKind::SourceGone`] where an origin does not give what is pinned, [`FailureKind::SourceUnreachable`] where none
    /// answers.
    pub(super) async fn fetch(&self, plan: &Plan, shell: &Shell<'_>) -> Result<(), Failure> {
        let Some(settings) = self.origins else { return Ok(()) };
        let sources = registries(settings);
        let origins = Origins { settings, sources: &sources };
        let fetched = fetch::fetch(plan, &self.store, &origins, self.limits, shell).await;
        fetched.map(drop).map_err(|error| failure(&error, shell))
    }

    /// Fetches what steps are going to download, where the builder takes nothing from here: that it is what was recorded, and
    /// at an address that may be reached, is known before a builder elsewhere is asked to let them.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(super) async fn check_downloads_of_steps(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
    ) -> Result<(), Failure> {
        let Some(settings) = self.origins.filter(|_| !plan.fetched.is_empty()) else {
            return Ok(());
        };
        let sources = registries(settings);
        let origins = Origins { settings, sources: &sources };
        let shell = &shell.outside();
        let fetched =
            fetch::downloads_of_steps(plan, &self.store, &origins, self.limits, shell).await;
        fetched.map(drop).map_err(|error| failure(&error, shell))
    }
}

fn failure(error: &StoreError, shell: &Shell<'_>) -> Failure {
    let kind = match error {
        error if error.is_for_want_of_room() => FailureKind::Lacks(Lack::Room),
        error if error.is_of_machine() => FailureKind::EngineUnavailable,
        error if error.is_unanswered() => FailureKind::SourceUnreachable,
        StoreError::Git { why, .. } | StoreError::Download { why, .. } if is_allowable(why) => {
            FailureKind::SourceForbidden
        }
        StoreError::Source(SourceError::Refused { rule: Refusal::Address(_), .. }) => {
            FailureKind::SourceForbidden
        }
        _ => FailureKind::SourceGone,
    };
    shell.failure(kind, error.to_string())
}
