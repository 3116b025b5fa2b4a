//! `hallmark schema`: the JSON Schemas of what hallmark prints and writes.

use serde_json::{Value, json};

use super::{
    Failure,
    args::{Format, Schema},
};
use crate::{
    policy::nearest::did_you_mean,
    report::{self, schema},
    untrusted::{Page, line},
};

/// The schema of this name with those that it refers to, or the list of all.
pub(super) fn run(args: &Schema) -> Result<String, Failure> {
    let Some(name) = &args.name else { return Ok(list(args.output)) };
    let found = schema::find(name).ok_or_else(|| {
        let names = || schema::ALL.iter().map(|schema| schema.name);
        Failure::of_operator(&format!(
            "there is no schema {name:?}\n  help: {}one of {}",
            did_you_mean(name, names()),
            names().collect::<Vec<_>>().join(", ")
        ))
    })?;
    Ok(report::json::lines(&found.bundled()))
}

/// Schema of the list.
const LIST: &str = "hallmark/schemas/v1";

fn list(output: Format) -> String {
    if output == Format::Json {
        let one = |schema: &schema::Published| json!({ "name": schema.name, "id": schema.id(), "by": schema.by });
        let all: Vec<Value> = schema::ALL.iter().map(one).collect();
        return report::json::lines(&json!({ "schema": LIST, "schemas": all }));
    }
    let mut page = Page::default();
    for schema in schema::ALL {
        let by = schema.by;
        line!(page, "{:<20} {:<54} {by}", schema.name, schema.id());
    }
    page.into_text()
}
