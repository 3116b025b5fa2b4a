//! Policies that are compiled once somebody asks for them.
//!
//! Whoever asks first compiles, or waits for whoever compiles already. A copy on another thread may ask ahead of everybody.
//! Equal bundles under equal limits are compiled once while somebody holds them: the gate reads its files again every few
//! seconds, and mostly finds what it has.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use super::{
    Bundle, Exception, Judgement, Needs, Policies, PolicyError, PolicyInput, engine::broken,
};
use crate::{
    contents::malware::rules::RuleSet, digest::Digest, finding::Code, limits::Limits,
    verdict::DEFAULT_LEVEL,
};

type Compiled = Result<Policies, PolicyError>;
type Compile = Box<dyn FnOnce() -> Compiled + Send>;
type Lazy = LazyLock<Compiled, Compile>;

/// Policies that somebody holds.
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// Policies that go when whoever holds them lets go.
struct Held {
    compiled: Weak<Lazy>,
    bundle: Weak<Bundle>,
    limits: Limits,
}

impl Held {
    fn get(&self) -> Option<Deferred> {
        let (compiled, bundle) = (self.compiled.upgrade()?, self.bundle.upgrade()?);
        Some(Deferred { compiled, bundle, limits: self.limits.clone() })
    }
}

/// Policies that are ready, or soon will be.
#[derive(Clone)]
pub struct Deferred {
    compiled: Arc<Lazy>,
    bundle: Arc<Bundle>,
    limits: Limits,
}

impl Deferred {
    /// Policies that whoever asks first compiles.
    pub fn new(bundle: Bundle, limits: Limits) -> Self {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.compiled.strong_count() > 0);
        let mut known = held.iter().filter_map(Held::get);
        if let Some(known) = known.find(|it| *it.bundle == bundle && it.limits == limits) {
            return known;
        }
        let new = Self::apart(bundle, limits);
        let (compiled, bundle) = (Arc::downgrade(&new.compiled), Arc::downgrade(&new.bundle));
        held.push(Held { compiled, bundle, limits: new.limits.clone() });
        new
    }

    fn apart(bundle: Bundle, limits: Limits) -> Self {
        let bundle = Arc::new(bundle);
        let (source, within) = (Arc::clone(&bundle), limits.clone());
        let compile: Compile = Box::new(move || Policies::compile(&source, &within));
        Self { compiled: Arc::new(LazyLock::new(compile)), bundle, limits }
    }

    /// The same rules under a stricter preset, not compiled yet.
    ///
    /// # Errors
    /// As [`Bundle::under`].
    pub fn under(&self, preset: &str) -> Result<Self, PolicyError> {
        Ok(Self::new((*self.bundle).clone().under(preset)?, self.limits.clone()))
    }

    /// The same exceptions, each with whether its rule is among these.
    pub fn excepted(&self, exceptions: &[Exception]) -> Vec<Exception> {
        let told = exceptions.iter().cloned().map(|mut exception| {
            exception.elsewhere = false;
            let one = std::slice::from_ref(&exception);
            exception.elsewhere = !self.ready().is_ok_and(|rules| rules.clear(one).is_ok());
            exception
        });
        told.collect()
    }

    /// The compiled policies.
    ///
    /// # Errors
    /// As [`Policies::compile`].
    pub fn ready(&self) -> Result<&Policies, &PolicyError> {
        LazyLock::force(&self.compiled).as_ref()
    }

    /// What the rules have to know about an image; nothing where they cannot be asked.
    pub fn needs(&self) -> Needs {
        self.ready().map(Policies::needs).unwrap_or_default()
    }

    /// What files are scanned by, where somebody gave YARA rules.
    pub fn malware(&self) -> Option<RuleSet> {
        self.ready().ok().and_then(Policies::malware).cloned()
    }

    /// Packages that have to know what is in the layers, or about a rebuild.
    pub fn asking(&self) -> &[String] {
        self.ready().map(Policies::asking).unwrap_or_default()
    }

    /// What the rules deny for where nobody vouches for it; nothing where they cannot be asked.
    pub fn waits_for(&self) -> BTreeSet<Code> {
        self.ready().map(Policies::waits_for).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bundles_are_compiled_once_while_somebody_holds_them() {
        let bundle = |code: &str| {
            let text = format!(
                "package hallmark.held\n\ndeny contains {{\"code\": \"{code}\", \"msg\": \"x\"}} if true\n"
            );
            Bundle::from_files([("held.rego".to_owned(), text)]).unwrap()
        };
        let new = |code: &str, limits: Limits| Deferred::new(bundle(code), limits);
        let first = new("held-a", Limits::default());
        let again = new("held-a", Limits::default());
        assert!(Arc::ptr_eq(&first.compiled, &again.compiled));
        assert!(std::ptr::eq(first.ready().unwrap(), again.ready().unwrap()));
        assert!(!Arc::ptr_eq(&first.compiled, &new("held-b", Limits::default()).compiled));
        let mut shorter = Limits::default();
        shorter.policy /= 2;
        assert!(!Arc::ptr_eq(&first.compiled, &new("held-a", shorter).compiled));
        let gone = Arc::downgrade(&first.compiled);
        drop((first, again));
        assert!(gone.upgrade().is_none(), "nothing is kept that nobody holds");
    }
}
