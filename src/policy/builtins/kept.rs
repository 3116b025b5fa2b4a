//! Compiled expressions, kept for the next call: those of a policy are few, used for every image and for every package in it, and
//! take a thousand times as long to compile as to match.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Result;
use regex::Regex;

/// Most expressions of one kind that are kept; all are forgotten where one more comes.
const MAX_KEPT: usize = 256;
/// Bytes of one that is kept. What is longer comes of data rather than of a policy, and is compiled each time.
const MAX_BYTES: usize = 512;

/// Compiled expressions by their texts. They are shared and not copied: each copy has scratch memory of its own to fill.
pub(super) struct Kept(Mutex<BTreeMap<String, Arc<Regex>>>);

impl Kept {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// The expression of this text; `compile` makes it where it is not there.
    ///
    /// # Errors
    /// As `compile`.
    pub(super) fn get(
        &self,
        text: &str,
        compile: impl FnOnce() -> Result<Regex>,
    ) -> Result<Arc<Regex>> {
        // A map is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(text) {
            return Ok(Arc::clone(known));
        }
        // Not under the lock: others match meanwhile.
        let compiled = Arc::new(compile()?);
        if text.len() <= MAX_BYTES {
            let mut kept = lock();
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
            kept.insert(text.to_owned(), Arc::clone(&compiled));
        }
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_expression_is_compiled_once_and_what_is_kept_is_bounded() {
        let (kept, count) = (Kept::new(), Cell::new(0));
        let get = |text: &str| {
            let compile = || {
                count.set(count.get() + 1);
                Ok(Regex::new(&regex::escape(text))?)
            };
            assert!(kept.get(text, compile).unwrap().is_match(text), "{text}");
        };
        for _ in 0..3 {
            get("a");
            get("b");
        }
        assert_eq!(count.get(), 2);
        let long = "x".repeat(MAX_BYTES + 1);
        get(&long);
        get(&long);
        assert_eq!(count.get(), 4, "a long one is compiled each time");
        (0..MAX_KEPT).for_each(|number| get(&number.to_string()));
        assert!(kept.0.lock().unwrap().len() <= MAX_KEPT);
        let broken = "(".to_owned();
        assert!(kept.get(&broken, || Ok(Regex::new(&broken)?)).is_err());
    }
}
