//! What an import leaves out, and what that changes.

use std::fmt;

/// Characters of a name in a message.
const MOST_SHOWN: usize = 80;

/// A document that is none of those that are read, or that its own tool would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct Invalid {
    /// Which part, as `spec.rules[0].verifyImages[0]`.
    pub at: String,
    /// What is wrong with it.
    pub why: String,
}

impl Invalid {
    /// That a part is wrong.
    pub(super) fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { at: at.into(), why: why.into() }
    }
}

/// What is accepted because a part is left out, beside what the policy accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// More: what the part asks for is not asked here.
    More,
    /// Less: an image that the policy lets pass may be denied.
    Less,
    /// The same: the part says how the other tool works.
    Same,
}

impl Effect {
    /// The word in documents: what is accepted.
    pub fn word(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
            Self::Same => "same",
        }
    }
}

/// A part that is not in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// Which part.
    pub at: String,
    /// Why, and what to do.
    pub why: String,
    /// What that changes.
    pub effect: Effect,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} (accepts {})",
            self.at,
            self.why,
            match self.effect {
                Effect::More => "more than the policy",
                Effect::Less => "less",
                Effect::Same => "the same",
            }
        )
    }
}

/// Names of strangers in places and messages.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).flat_map(char::escape_default).collect()
}
