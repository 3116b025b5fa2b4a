//! Licences: what packages and their files say, as SPDX expressions.
//!
//! Turns the words of each ecosystem into a [`Licence`] (SPDX 2.3, annex D), with the crate `spdx` as the judge of identifiers and
//! grammar. Names that distributions, languages and people use for a licence are read through tables (`names.rs`). What no table has
//! and what means several licences is no licence: a term of its own, which no rule can take for an allowed one. Nothing is guessed
//! from a licence's text.

mod debian;
mod expression;
mod names;

pub use debian::{FILE_BYTES as COPYRIGHT_BYTES, of_copyright};
pub use expression::{Licence, Unreadable, is_term, read};

#[cfg(test)]
mod tests;
