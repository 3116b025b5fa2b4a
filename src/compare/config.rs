//! Configurations side by side: what has no effect at run time (class D), and everything else (class E).
//!
//! Compares the whole documents. Only keys that are known to be without effect are benign; a key that nobody here knows
//! counts as effective, and so do labels, which policies and tools act upon. `null` and an absent key are the same
//! (writers in Go differ in which of the two they give). `rootfs.diff_ids` are claims and not compared: the layers are.

use serde_json::Value;

use super::{Class, Difference, Place, What, shown};
use crate::contents::secrets::shown_line;

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
        let at = At { pointer: pointer("", key), key };
        walk(&mut found, class, &at, (left.get(key), right.get(key)), DEPTH);
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

/// A JSON pointer (RFC 6901) one key further, as it may be shown: names of labels and volumes are the image's own.
fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", shown_line(key).replace('~', "~0").replace('/', "~1"))
}

/// Where a value is.
struct At<'v> {
    pointer: String,
    /// The key that it, or the list that it is in, has.
    key: &'v str,
}

fn walk(
    found: &mut Vec<Difference>,
    class: Class,
    at: &At<'_>,
    (left, right): (Option<&Value>, Option<&Value>),
    depth: usize,
) {
    let there = |value: Option<&Value>| value.is_some_and(|v| !v.is_null());
    if at.pointer == "/rootfs/diff_ids" || left == right || (!there(left) && !there(right)) {
        return;
    }
    match (left, right) {
        (Some(left @ Value::Object(_)), Some(right @ Value::Object(_))) if depth > 0 => {
            for key in keys(left, right) {
                let values = (left.get(key), right.get(key));
                let below = At { pointer: pointer(&at.pointer, key), key };
                walk(found, class, &below, values, depth - 1);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right)))
            if depth > 0 && left.len() == right.len() =>
        {
            let [ours, theirs] = [left, right].map(|list| shown::elements(at.key, list));
            let mut told = ours.iter().zip(&theirs);
            for (position, (left, right)) in left.iter().zip(right).enumerate() {
                let pointer = pointer(&at.pointer, &position.to_string());
                let below = At { pointer, key: at.key };
                let told = told.next().map(|(left, right)| [left, right]);
                match told.filter(|_| left != right && (left.is_string() || right.is_string())) {
                    Some(told) => differ(found, class, &below, told.map(Some)),
                    None => walk(found, class, &below, (Some(left), Some(right)), depth - 1),
                }
            }
        }
        _ => differ(found, class, at, [left, right]),
    }
}

/// Two values that differ, as they may be shown: what was compared is not what is told.
fn differ(found: &mut Vec<Difference>, class: Class, at: &At<'_>, sides: [Option<&Value>; 2]) {
    let place = Place::Config(at.pointer.clone());
    let [left, right] = shown::sides(at.key, sides);
    found.push(Difference::new(place, class, What::Value).between(left, right));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn g26_secrets_are_compared_and_not_shown() {
        let config = |secret: &str| {
            json!({
                "config": {
                    "Env": ["PATH=/bin", format!("PGPASSWORD={secret}")],
                    "Cmd": ["/app", "--password", secret],
                    "Labels": {"app.token": secret},
                },
                "history": [{"created_by": format!("ENV PGPASSWORD={secret} A=1")}],
            })
        };
        let longer = |mut config: Value| {
            config["config"]["Env"].as_array_mut().unwrap().push(json!("B=1"));
            config
        };
        let (one, other) = (config("s9df8sdf"), config("q7Zk2mPw"));
        assert_eq!(differences(&one, &one.clone()), []);
        for (left, right) in [(one.clone(), other.clone()), (longer(one), other)] {
            let found = differences(&left, &right);
            let places: Vec<_> = found.iter().map(|d| d.place.to_string()).collect();
            assert_eq!(places.len(), 4, "{places:?}");
            let told = format!("{found:?}");
            assert!(!told.contains("s9df8sdf") && !told.contains("q7Zk2mPw"), "{told}");
            assert!(told.contains("PGPASSWORD=[secret]") && told.contains("A=1"), "{told}");
        }
    }

    #[test]
    fn g32_a_secret_in_a_key_is_not_shown() {
        let token = format!("glpat-{}", "q7Zk2mPwX9vL4tRb8NcY");
        let config = |path: &str| {
            json!({
                "config": {"Volumes": {path: {}}, "Labels": {path: "1"}, "WorkingDir": path, "User": path},
            })
        };
        let found = differences(&config(&token), &config("/data"));
        let told: Vec<_> = found.iter().map(|d| format!("{} {d:?}", d.place)).collect();
        assert!(!told.concat().contains(&token), "{told:?}");
        assert!(told.iter().any(|one| one.contains("/config/Volumes/[secret]")), "{told:?}");
        assert!(told.iter().any(|one| one.contains("/config/Volumes/~1data")), "{told:?}");
    }

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
