//! Which of BuildKit's daemons builds.

use std::sync::Arc;

use super::{
    client, daemon,
    grpc::{Address, Grpc},
};
use crate::{
    engine::{Engine, EngineSettings, SharedBuilder, host::Missing},
    environment,
    limits::Limits,
};

/// Finds what builds with BuildKit's own daemon: one that is started for the job, or the one that `BUILDKIT_HOST` names where the
/// operator lets others' be used.
///
/// # Errors
/// Says which programs are missing.
pub fn find(settings: &EngineSettings, limits: &Limits) -> Result<Arc<dyn Engine>, Missing> {
    let shared = environment::filled("BUILDKIT_HOST");
    match (shared, settings.shared_builder) {
        // A daemon of others cannot be told to take its images from a store.
        (Some(address), SharedBuilder::Allowed) if settings.store.is_none() => {
            match address.to_str().and_then(|address| address.strip_prefix("unix://")) {
                Some(path) => Ok(Arc::new(Grpc::new(Address::Unix(path.into()), limits))),
                None => Ok(Arc::new(client::Buildctl::find(address)?)),
            }
        }
        _ => Ok(Arc::new(daemon::Buildkitd::find(limits)?)),
    }
}
