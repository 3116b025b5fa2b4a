//! Configurations side by side: what has no effect at run time (class D), and everything else (class E).
//!
//! Compares the whole documents. Only keys that are known to be without effect are benign; a key that nobody here knows
//! counts as effective, and so do labels, which policies and tools act upon. `null` and an absent key are the same
//! (writers in Go differ in which of the two they give). `rootfs.diff_ids` are claims and not compared: the layers are.

use serde_json::Value;

use super::{Class, Difference, Place, SideValue, What, content::cut};

/// Top-level keys without effect at run time (image-spec v1.1, config.md; Docker's older fields; BuildKit's caches).
const BENIGN: &[&str] = &[
    "created",
    "author",
    "history",
    "comment",
    "container",
    "container_config",
    "docker_version",
    "id",
    "parent",
];
const BENIGN_PREFIX: &str = "moby.buildkit.";

/// Levels of objects that are opened to name what differs in them.
const DEPTH: usize = 4;

/// What differs in the configurations.
pub(super) fn differences(left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for key in keys(left, right) {
        let benign = BENIGN.contains(&key) || key.starts_with(BENIGN_PREFIX);
        let class = if benign { Class::ConfigBenign } else { Class::ConfigRuntime };
        walk(&mut found, class, &pointer("", key), (left.get(key), right.get(key)), DEPTH);
    }
    found
}

/// The keys of both, sorted, each once.
fn keys<'v>(left: &'v Value, right: &'v Value) -> Vec<&'v str> {
    let of = |value: &'v Value| value.as_object().into_iter().flat_map(|map| map.keys());
    let keys: std::collections::BTreeSet<&str> =
        of(left).chain(of(right)).map(String::as_str).collect();
    keys.into_iter().collect()
}

/// A JSON pointer (RFC 6901) one key further.
fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn walk(
    found: &mut Vec<Difference>,
    class: Class,
    place: &str,
    (left, right): (Option<&Value>, Option<&Value>),
    depth: usize,
) {
    let there = |value: Option<&Value>| value.is_some_and(|v| !v.is_null());
    if place == "/rootfs/diff_ids" || left == right || (!there(left) && !there(right)) {
        return;
    }
    match (left, right) {
        (Some(left @ Value::Object(_)), Some(right @ Value::Object(_))) if depth > 0 => {
            for key in keys(left, right) {
                let values = (left.get(key), right.get(key));
                walk(found, class, &pointer(place, key), values, depth - 1);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right)))
            if depth > 0 && left.len() == right.len() =>
        {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                let place = pointer(place, &at.to_string());
                walk(found, class, &place, (Some(left), Some(right)), depth - 1);
            }
        }
        _ => {
            let place = Place::Config(place.to_owned());
            let found_here = Difference::new(place, class, What::Value);
            found.push(found_here.between(left.map(side), right.map(side)));
        }
    }
}

fn side(value: &Value) -> SideValue {
    SideValue::Text(match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_known_keys_are_benign() {
        let base = json!({
            "os": "linux", "created": "a", "history": [{"created": "x"}], "rootfs": {"diff_ids": ["1"]},
            "config": {"Env": ["A=1"], "Labels": {"a/b": "1"}},
        });
        let cases = [
            ("/created", json!("b"), Some(("/created", Class::ConfigBenign))),
            ("/author", json!("me"), Some(("/author", Class::ConfigBenign))),
            ("/history/0/created", json!("y"), Some(("/history/0/created", Class::ConfigBenign))),
            ("/history", json!([]), Some(("/history", Class::ConfigBenign))),
            (
                "/moby.buildkit.cache.v0",
                json!("x"),
                Some(("/moby.buildkit.cache.v0", Class::ConfigBenign)),
            ),
            (
                "/container_config",
                json!({"Cmd": []}),
                Some(("/container_config", Class::ConfigBenign)),
            ),
            ("/rootfs/diff_ids", json!(["2"]), None),
            ("/config/Cmd", Value::Null, None),
            ("/config/Cmd", json!(["sh"]), Some(("/config/Cmd", Class::ConfigRuntime))),
            ("/config/Env", json!(["A=2"]), Some(("/config/Env/0", Class::ConfigRuntime))),
            ("/config/Env", json!(["A=1", "B=1"]), Some(("/config/Env", Class::ConfigRuntime))),
            (
                "/config/Labels",
                json!({"a/b": "2"}),
                Some(("/config/Labels/a~1b", Class::ConfigRuntime)),
            ),
            ("/config/created", json!("x"), Some(("/config/created", Class::ConfigRuntime))),
            ("/os", json!("windows"), Some(("/os", Class::ConfigRuntime))),
            ("/variant", json!("v8"), Some(("/variant", Class::ConfigRuntime))),
            ("/new.field", json!(1), Some(("/new.field", Class::ConfigRuntime))),
        ];
        for (place, new, want) in cases {
            let mut other = base.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            match other.pointer_mut(parent).unwrap() {
                Value::Array(list) => list[0] = new,
                object => object[key] = new,
            }
            for (left, right) in [(&base, &other), (&other, &base)] {
                let found = differences(left, right);
                let found: Vec<_> = found.iter().map(|d| (&d.place, d.class)).collect();
                let want = want.map(|(place, class)| (Place::Config(place.to_owned()), class));
                assert_eq!(found, want.iter().map(|(p, c)| (p, *c)).collect::<Vec<_>>(), "{place}");
            }
        }
    }
}
