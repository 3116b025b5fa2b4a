//! `hallmark schema`: the JSON Schemas of what hallmark prints and writes.

use super::{Failure, args::Schema};
use crate::{
    policy::nearest::did_you_mean,
    report::{json, schema},
    untrusted::{Page, line},
};

/// The schema of this name with those that it refers to, or the list of all.
pub(super) fn run(args: &Schema) -> Result<String, Failure> {
    let Some(name) = &args.name else { return Ok(list()) };
    let found = schema::find(name).ok_or_else(|| {
        let names = || schema::ALL.iter().map(|schema| schema.name);
        Failure::of_operator(&format!(
            "there is no schema {name:?}\n  help: {}one of {}",
            did_you_mean(name, names()),
            names().collect::<Vec<_>>().join(", ")
        ))
    })?;
    Ok(json::lines(&found.bundled()))
}

fn list() -> String {
    let mut page = Page::default();
    for schema in schema::ALL {
        let by = schema.by;
        line!(page, "{:<20} {:<54} {by}", schema.name, schema.id());
    }
    page.into_text()
}
