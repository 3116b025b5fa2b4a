//! Policies that are compiled once somebody asks for them.
//!
//! Whoever asks first compiles, or waits for whoever compiles already. A copy on another thread may ask ahead of everybody.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use super::{
    Bundle, Exception, Judgement, Needs, Policies, PolicyError, PolicyInput, engine::broken,
};
use crate::{digest::Digest, limits::Limits, verdict::DEFAULT_LEVEL};

type Compiled = Result<Policies, PolicyError>;
type Compile = Box<dyn FnOnce() -> Compiled + Send>;

/// Policies that are ready, or soon will be.
#[derive(Clone)]
pub struct Deferred(Arc<LazyLock<Compiled, Compile>>);

impl Deferred {
    /// Policies that whoever asks first compiles.
    pub fn new(bundle: Bundle, limits: Limits) -> Self {
        let compile: Compile = Box::new(move || Policies::compile(&bundle, &limits));
        Self(Arc::new(LazyLock::new(compile)))
    }

    /// The compiled policies.
    ///
    /// # Errors
    /// As [`Policies::compile`].
    pub fn ready(&self) -> Result<&Policies, &PolicyError> {
        LazyLock::force(&self.0).as_ref()
    }

    /// What the rules have to know about an image; nothing where they cannot be asked.
    pub fn needs(&self) -> Needs {
        self.ready().map(Policies::needs).unwrap_or_default()
    }

    /// Packages that have to know what is in the layers, or about a rebuild.
    pub fn asking(&self) -> &[String] {
        self.ready().map(Policies::asking).unwrap_or_default()
    }

    /// The rung of the ladder that the settings ask for.
    pub fn asked_level(&self) -> u8 {
        self.ready().map_or(DEFAULT_LEVEL, Policies::asked_level)
    }

    /// Judges an image. Policies that do not compile deny it.
    pub fn judge(
        &self,
        input: &PolicyInput,
        exceptions: &[Exception],
        limits: &Limits,
    ) -> Judgement {
        match self.ready() {
            Ok(policies) => policies.judge(input, exceptions, limits),
            Err(error) => broken(error, &input.image.reference),
        }
    }

    /// As [`Policies::digest`]; where they do not compile, that of the reason.
    pub fn digest(&self, exceptions: &[Exception]) -> Digest {
        match self.ready() {
            Ok(policies) => policies.digest(exceptions),
            Err(error) => Digest::sha256(error.to_string().as_bytes()),
        }
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}
