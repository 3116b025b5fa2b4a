//! What bills of materials say, for people and for machines.

pub mod check;
pub mod diff;
