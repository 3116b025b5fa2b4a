//! Verdicts and comparisons in words: for people, for machines, for the apiserver.
//!
//! Renders what was decided and decides nothing. The same verdict gives the same bytes. Text that comes from images or
//! registries is escaped by the writer ([`crate::untrusted`]), so that no label can write to a terminal (attack F6).

pub mod branches;
mod cause;
pub mod comparison;
pub mod container_scanning;
pub mod difference;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod inspect;
pub mod inventory;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod plan;
pub mod run;
pub mod sarif;
pub mod sbom;
pub mod schema;
pub mod shown;
pub mod summary;
pub mod text;
mod told;
mod vulnerabilities;

pub use shown::clean;
pub(crate) use vulnerabilities::ruling_words;

#[cfg(test)]
mod tests;
