//! JSON Schemas (2020-12) of the documents that hallmark prints and writes.
//!
//! Each lies in `docs/schemas`, has an `$id` with its version, and refers to others by theirs. [`Published::bundled`] puts those that it
//! refers to into one document, so that a validator needs nothing else (JSON Schema core, section 9.3.1, "Bundling"). Those of
//! `hallmark/input/v1` and `hallmark/comparison/v1` are generated from the types, the others are written by hand; every answer of the
//! integration tests is held against them. They are closed: a member that a schema does not name is in no document of the same program.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What every `$id` begins with; a name and a version follow.
pub const BASE: &str = "https://hallmark.dev/schemas/";

/// A schema that is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// As on the command line: `verdict`.
    pub name: &'static str,
    /// As in its documents: `v1`.
    pub version: &'static str,
    /// What prints or writes such a document.
    pub by: &'static str,
    text: &'static str,
}

macro_rules! published {
    ($($name:literal $version:literal $by:literal,)*) => {
        /// All of them, by name.
        pub const ALL: &[Published] = &[$(Published {
            name: $name,
            version: $version,
            by: $by,
            text: include_str!(concat!("../../docs/schemas/", $name, ".", $version, ".json")),
        }),*];
    };
}

published! {
    "approval" "v0.1" "no command: it is written by hand, and signed",
    "blueprint" "v0.1" "hallmark policy blueprint",
    "build-manifest" "v1" "hallmark provenance create",
    "build-statement" "v1" "hallmark provenance embed --statement",
    "comparison" "v1" "hallmark diff",
    "configuration" "v1" "hallmark config show",
    "configuration-check" "v1" "hallmark config check",
    "decision" "v1" "hallmark serve, a line for each decision",
    "draft" "v1" "hallmark init",
    "embedded" "v1" "hallmark provenance embed",
    "error" "v1" "every command that answers in JSON, where it has no answer",
    "evidence" "v1" "hallmark verify --save, in its folder",
    "explained" "v1" "hallmark policy explain",
    "explanations" "v1" "hallmark explain",
    "finding" "v1" "no command by itself: it is part of others",
    "imported" "v1" "hallmark trust import",
    "input" "v1" "hallmark policy input, hallmark rebuild; part of verdict and inspection",
    "inspection" "v1" "hallmark inspect",
    "inventory" "v1" "hallmark inventory",
    "judgement" "v1" "hallmark policy eval",
    "materials" "v1" "hallmark materials fetch",
    "plan" "v1" "hallmark rebuild --plan",
    "plans" "v1" "hallmark rebuild --plan --all-platforms",
    "policy-import" "v1" "hallmark policy import",
    "policy-remarks" "v1" "hallmark policy check",
    "policy-tests" "v1" "hallmark policy test",
    "provenance-check" "v1" "hallmark provenance check",
    "rebuild-verdict" "v0.1" "hallmark rebuild --attest",
    "rebuilds" "v1" "hallmark rebuild --all-platforms",
    "roots" "v1" "hallmark trust show",
    "sbom-check" "v1" "hallmark sbom check",
    "sbom-diff" "v1" "hallmark sbom diff",
    "schemas" "v1" "hallmark schema",
    "signed" "v1" "hallmark sign, hallmark provenance attest",
    "trust-cache" "v1" "hallmark trust update, in its folder",
    "updated-roots" "v1" "hallmark trust update",
    "verdict" "v1" "hallmark verify of one image",
    "verdicts" "v1" "hallmark verify of several images, and of a list",
    "verification-summary" "v1" "hallmark verify --attest, hallmark verify -o vsa in each line",
    "vulnerability-database" "v1" "hallmark vulns import, hallmark vulns info",
    "vulnerability-matches" "v1" "hallmark vulns match",
}

/// The schema of this name; a document's own word for it, as `hallmark/verdict/v1`, and an `$id` are names, too.
pub fn find(name: &str) -> Option<&'static Published> {
    ALL.iter().find(|schema| schema.name == name || schema.id() == name || schema.word() == name)
}

impl Published {
    /// Its `$id`.
    pub fn id(&self) -> String {
        format!("{BASE}{}/{}", self.name, self.version)
    }

    /// The word by which a document names it, where it does: `hallmark/verdict/v1`.
    pub fn word(&self) -> String {
        format!("hallmark/{}/{}", self.name, self.version)
    }

    /// The schema, which may refer to others.
    pub fn value(&self) -> Value {
        // A test reads every one.
        serde_json::from_str(self.text).unwrap_or_default()
    }

    /// The schema, and in it every one that it refers to.
    pub fn bundled(&self) -> Value {
        let mut value = self.value();
        let mut others = BTreeMap::new();
        gather(&value, &self.id(), &mut others);
        let Value::Object(members) = &mut value else { return value };
        if others.is_empty() {
            return value;
        }
        let own = members.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(own) = own {
            own.extend(others);
        }
        value
    }
}

/// Adds every schema that this one refers to, and those that these refer to.
fn gather(value: &Value, own: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str).unwrap_or_default();
            let id = reference.split('#').next().unwrap_or_default();
            if id != own
                && !found.contains_key(id)
                && let Some(other) = ALL.iter().find(|schema| schema.id() == id)
            {
                let other = other.value();
                found.insert(id.to_owned(), other.clone());
                gather(&other, own, found);
            }
            members.values().for_each(|member| gather(member, own, found));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, own, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::json;

    use super::*;
    use crate::{policy, report::comparison::ComparisonReport};

    fn folder() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schemas"))
    }

    /// Closes every object of a generated schema: a member that it does not name is none. What stands beside a reference is closed
    /// together with what it refers to.
    fn closed(mut root: Value, id: &str) -> Value {
        let mut open = BTreeSet::new();
        beside(&root, &mut open);
        let definitions = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
        close(&mut root, false);
        for (name, mut definition) in definitions {
            close(&mut definition, open.contains(&format!("#/$defs/{name}")));
            root["$defs"][&name] = definition;
        }
        root["$id"] = json!(id);
        root
    }

    /// References that have members beside them.
    fn beside(value: &Value, open: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let (Some(Value::String(to)), true) =
                    (members.get("$ref"), members.contains_key("properties"))
                {
                    open.insert(to.clone());
                }
                members.values().for_each(|member| beside(member, open));
            }
            Value::Array(items) => items.iter().for_each(|item| beside(item, open)),
            _ => {}
        }
    }

    fn close(schema: &mut Value, stays_open: bool) {
        let Value::Object(members) = schema else { return };
        for (word, member) in members.iter_mut() {
            match (word.as_str(), member) {
                ("properties", Value::Object(all)) => {
                    all.values_mut().for_each(|member| close(member, false));
                }
                ("items" | "additionalProperties", member) => close(member, false),
                ("anyOf" | "oneOf" | "allOf", Value::Array(all)) => {
                    all.iter_mut().for_each(|member| close(member, false));
                }
                _ => {}
            }
        }
        let mixed =
            ["$ref", "anyOf", "oneOf", "allOf"].iter().any(|word| members.contains_key(*word));
        if members.contains_key("properties") && !stays_open {
            let word = if mixed { "unevaluatedProperties" } else { "additionalProperties" };
            members.entry(word).or_insert(Value::Bool(false));
        }
    }

    #[test]
    fn generated_schemas_are_those_of_the_types() {
        let generated = [
            ("input", json!(policy::input::schema())),
            ("comparison", json!(ComparisonReport::json_schema())),
        ];
        for (name, schema) in generated {
            let published = find(name).unwrap();
            let path = folder().join(format!("{name}.{}.json", published.version));
            let schema = closed(schema, &published.id());
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            if std::env::var_os("HALLMARK_WRITE_DOCS").is_some() {
                fs::write(&path, &text).unwrap();
            }
            let there = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                there == text,
                "write it again: HALLMARK_WRITE_DOCS=1 cargo test --lib report::schema"
            );
        }
    }

    #[test]
    fn every_file_is_published_and_is_a_schema() {
        let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
        let files: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
        let of = |schema: &Published| format!("{}.{}.json", schema.name, schema.version);
        assert_eq!(files, ALL.iter().map(of).collect());
        assert!(ALL.is_sorted_by_key(|schema| schema.name));
        for schema in ALL {
            let value = schema.value();
            assert_eq!(value["$id"], schema.id());
            assert_eq!(value["$schema"], "https://json-schema.org/draft/2020-12/schema");
            let bundled = schema.bundled();
            let valid = jsonschema::meta::validate(&bundled);
            assert!(valid.is_ok(), "{}: {valid:?}", schema.name);
            jsonschema::validator_for(&bundled).expect(schema.name);
            for name in [schema.name.to_owned(), schema.id(), schema.word()] {
                assert_eq!(find(&name), Some(schema), "{name}");
            }
        }
        assert_eq!(find("verdict/v1"), None);
    }

    /// A schema that lets anything through says nothing.
    #[test]
    fn schemas_refuse_what_is_not_in_them() {
        let error = json!({
            "schema": "hallmark/error/v1", "partial": [], "error": {
                "exitCode": 2, "kind": "usage", "message": "m", "details": [], "finding": null,
            },
        });
        let validator = jsonschema::validator_for(&find("error").unwrap().bundled()).unwrap();
        assert!(validator.is_valid(&error));
        let finding = json!({
            "code": "x-y", "severity": "error", "title": "t", "subject": "s", "facts": {"why": ["a", 1]}, "help": "h",
            "because": null,
        });
        type Change<'a> = (&'a str, Value, bool);
        let changes: [Change<'_>; 8] = [
            ("/error/finding", finding.clone(), true),
            ("/schema", json!("hallmark/error/v2"), false),
            ("/error/exitCode", json!(0), false),
            ("/error/kind", json!("other"), false),
            ("/error/finding", json!({}), false),
            ("/partial", json!([{}]), false),
            ("/partial", json!([{"schema": "hallmark/signed/v1"}]), true),
            ("/error/details", Value::Null, false),
        ];
        for (pointer, value, valid) in changes {
            let mut changed = error.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_eq!(validator.is_valid(&changed), valid, "{pointer}: {changed:#}");
        }
        let mut more = error.clone();
        more["error"]["finding"] = finding;
        more["error"]["finding"]["facts"]["when"] = json!("now");
        assert!(!validator.is_valid(&more), "a fact of no name");
        more = error;
        more["more"] = json!(1);
        assert!(!validator.is_valid(&more), "a member of no name");
    }

    /// The docs name each with what prints it, and its document in clear stands in one place.
    #[test]
    fn the_docs_list_every_schema() {
        let text = fs::read_to_string(folder().join("../reports.md")).unwrap();
        for schema in ALL {
            let row = format!("| `{}` | `{}` | {} |", schema.name, schema.id(), schema.by);
            assert!(text.contains(&row), "docs/reports.md has no row\n{row}");
        }
        let text = fs::read_to_string(folder().join("../provenance.md")).unwrap();
        let (_, part) = text.split_once("### Schema of the file").unwrap();
        let (_, part) = part.split_once("```json\n").unwrap();
        let (part, _) = part.split_once("```").unwrap();
        let told: Value = serde_json::from_str(part).unwrap();
        let mut value = find("build-manifest").unwrap().value();
        value.as_object_mut().unwrap().remove("title");
        assert_eq!(told, value, "docs/provenance.md");
    }
}
