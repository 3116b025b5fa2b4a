//! The `hallmark.yaml` of the working folder, which is read where `--config` names it and nowhere else.
//!
//! Whoever has one there may think that it counts: a run that goes by no other file that was named says that it does not.

use std::{fs, io::Write as _, path::Path};

use super::{
    args::{Command, Global},
    context,
};

/// What is said of it.
pub(super) const NOTE: &str = "./hallmark.yaml is not read: it may belong to who made the folder; --config hallmark.yaml reads it";

/// Whether it is there, and another file than the one that is read, by whatever name.
pub(super) fn is_there(read: Option<&Path>) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let here = real(Path::new("hallmark.yaml"));
    here.is_some() && here != read.and_then(real)
}

/// Says on stderr that it is not read, where neither option nor variable names a file.
pub(super) fn mention(command: &Command, global: &Global, dress: impl Fn(String) -> String) {
    let is_meant = match command {
        Command::Verify(_)
        | Command::Inspect(_)
        | Command::Inventory(_)
        | Command::Rebuild(_)
        | Command::Materials(_)
        | Command::Diff(_)
        | Command::Sign(_)
        | Command::Provenance(_)
        | Command::Policy(_)
        | Command::Sbom(_)
        | Command::Vulns(_)
        | Command::Serve(_) => true,
        // These say themselves what they read or write, or read none.
        Command::Init(_)
        | Command::Config(_)
        | Command::Trust(_)
        | Command::Explain(_)
        | Command::Schema(_)
        | Command::Completions(_)
        | Command::Man(_) => false,
    };
    if is_meant
        && !global.quiet
        && !context::is_named(global)
        && is_there(context::file(global).as_deref())
    {
        // A closed stderr changes nothing.
        let _ = std::io::stderr().write_all(dress(format!("note: {NOTE}\n")).as_bytes());
    }
}
