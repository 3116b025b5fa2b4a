//! Licences: what packages and their files say, as SPDX expressions.
//!
//! Turns the words of each ecosystem into a [`Licence`] (SPDX 2.3, annex D), with the crate `spdx` as the judge of identifiers and
//! grammar. Names that distributions, languages and people use for a licence are read through tables (`names.rs`). What no table has
//! and what means several licences is no licence: a term of its own, which no rule can take for an allowed one. A text is that of a
//! licence where it is so whole (`texts.rs`); nothing is guessed from a part of one.

mod debian;
mod expression;
mod names;
mod texts;

pub use debian::{FILE_BYTES as COPYRIGHT_BYTES, of_copyright};
pub use expression::{Licence, Unreadable, is_term, read};
pub use texts::{FILE_BYTES as TEXT_FILE_BYTES, of_text};

#[cfg(test)]
mod tests;
