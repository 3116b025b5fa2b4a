//! Known vulnerabilities of what is in an image, from data on this disk.
//!
//! Records and feeds go through [`database::Builder`] into one file; [`matching::known`] holds the packages of an
//! image against it. Three answers are kept apart: a package is affected, it is not, or nobody can tell. No data is
//! not clean: what no record could have spoken about is a gap with a name. Nothing here reads a file, a clock or the
//! network.

mod cpe;
pub mod csaf;
pub mod database;
pub mod distribution;
pub mod ecosystem;
pub mod feeds;
pub mod matching;
pub mod osv;
pub mod range;
pub mod record;
mod severity;
pub mod subject;
mod twin;
pub mod version;
pub mod vex;

use severity::said;
