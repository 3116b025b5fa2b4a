//! Manifests side by side: the envelope around configuration and layers (class B), and what runtimes obey in it (class E).
//!
//! Whole documents are compared, with all that a descriptor says. Digests and sizes are left out: they follow from what they
//! name, which is compared itself. Only keys and annotations that are known to be without effect are benign; what nobody here
//! knows counts as obeyed: runtimes hand annotations on to whatever runs the container, lazily pulling snapshotters find
//! another table of contents by them, and a runtime fetches a blob from `urls` before it asks the registry.
//!
//! Of an index only what its entries on the way to the manifest make runtimes do is compared: it is another one after every
//! build.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Class, Difference, Place, Side, SideValue, What, content::cut, shown};
use crate::{
    contents::secrets::shown_line,
    image::{Manifest, MediaType},
};

/// Annotations without effect (image-spec v1.1, annotations.md; BuildKit, containerd).
const BENIGN: [&str; 19] = [
    "org.opencontainers.image.created",
    "org.opencontainers.image.authors",
    "org.opencontainers.image.url",
    "org.opencontainers.image.documentation",
    "org.opencontainers.image.source",
    "org.opencontainers.image.version",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.vendor",
    "org.opencontainers.image.licenses",
    "org.opencontainers.image.ref.name",
    "org.opencontainers.image.title",
    "org.opencontainers.image.description",
    "org.opencontainers.image.base.digest",
    "org.opencontainers.image.base.name",
    "org.opencontainers.artifact.created",
    "org.opencontainers.artifact.description",
    "buildkit/createdat",
    "buildkit/rewritten-timestamp",
    "io.containerd.image.name",
];

/// Starts of others.
const BENIGN_STARTS: [&str; 3] =
    ["com.docker.official-images.", "containerd.io/distribution.source.", "vnd.docker.reference."];

fn is_benign(key: &str) -> bool {
    BENIGN.contains(&key) || BENIGN_STARTS.iter().any(|start| key.starts_with(start))
}

/// What an entry of an index says that makes no runtime do anything: what the entry names is judged and compared itself.
const OF_ENTRIES: [&str; 7] =
    ["mediaType", "digest", "size", "platform", "artifactType", "data", "annotations"];

/// What differs in the envelopes.
pub(super) fn differences(left: &Manifest, right: &Manifest) -> Vec<Difference> {
    let mut found = Vec::new();
    let types = [left, right].map(|side| Value::from(side.media_type.as_str()));
    value(&mut found, "mediaType", "mediaType", Class::Envelope, types.each_ref());
    let [left, right] = [left, right].map(|side| json(&side.document.bytes));
    for key in keys([&left, &right]) {
        let sides = [&left, &right].map(|side| &side[key]);
        match key {
            "schemaVersion" | "mediaType" => {}
            "annotations" => annotations(&mut found, key, sides),
            "config" => descriptor(&mut found, key, sides),
            "layers" => {
                let count = sides.map(|side| side.as_array().map_or(0, Vec::len));
                for at in 0..count[0].max(count[1]) {
                    descriptor(&mut found, &format!("layers/{at}"), sides.map(|side| &side[at]));
                }
            }
            "artifactType" | "subject" => value(&mut found, key, key, Class::Envelope, sides),
            _ => value(&mut found, key, key, Class::ConfigRuntime, sides),
        }
    }
    found
}

/// What differs in what indexes make runtimes do on the way to the manifests.
pub(super) fn listings(left: Side<'_>, right: Side<'_>) -> Vec<Difference> {
    let [left, right] = [obeyed(left), obeyed(right)];
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let key = name.rsplit('/').next().unwrap_or_default();
        let sides = [&left, &right].map(|side| side.get(name).unwrap_or(&Value::Null));
        value(&mut found, name, key, Class::ConfigRuntime, sides);
    }
    found
}

/// What runtimes obey in the entries that lead to a manifest, by where it stands.
fn obeyed(side: Side<'_>) -> BTreeMap<String, Value> {
    let indexes = || side.outer.iter().map(AsRef::as_ref).chain(side.index);
    let documents = indexes().map(|index| &index.document).chain([&side.manifest.document]);
    let ours: BTreeSet<String> = documents
        .flat_map(|document| document.digests())
        .map(|digest| digest.to_string())
        .collect();
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for index in indexes() {
        let index = json(&index.document.bytes);
        for entry in index["manifests"].as_array().into_iter().flatten() {
            if !entry["digest"].as_str().is_some_and(|digest| ours.contains(digest)) {
                continue;
            }
            let odd = entry.as_object().into_iter().flatten();
            for (key, value) in odd.filter(|(key, _)| !OF_ENTRIES.contains(&key.as_str())) {
                if !is_nothing(value) {
                    let name = format!("index/{}", cut(&shown_line(key)));
                    said.entry(name).or_default().insert(value.to_string());
                }
            }
        }
    }
    said.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect()
}

/// What differs between two descriptors; there may be one on one side only.
fn descriptor(found: &mut Vec<Difference>, name: &str, sides: [&Value; 2]) {
    for key in keys(sides) {
        let [left, right] = sides.map(|side| &side[key]);
        let below = format!("{name}/{}", cut(&shown_line(key)));
        let class = match key {
            "digest" | "size" => continue,
            "mediaType" if is_told_elsewhere(name, sides) => continue,
            "annotations" => {
                annotations(found, &below, [left, right]);
                continue;
            }
            "mediaType" | "artifactType" | "data" => Class::Envelope,
            // containerd fetches from `urls` first, and leaves out a child for another platform.
            _ => Class::ConfigRuntime,
        };
        value(found, &below, key, class, [left, right]);
    }
}

/// Whether a layer is there on one side only, or is stored in another way: layers are compared themselves.
fn is_told_elsewhere(name: &str, sides: [&Value; 2]) -> bool {
    let how = sides.map(|side| {
        side["mediaType"].as_str().and_then(|text| MediaType::new(text).layer_compression())
    });
    name != "config"
        && sides[0]["digest"] != sides[1]["digest"]
        && (how[0] != how[1] || sides.iter().any(|side| side.is_null()))
}

fn annotations(found: &mut Vec<Difference>, name: &str, sides: [&Value; 2]) {
    for key in keys(sides) {
        let class = if is_benign(key) { Class::Envelope } else { Class::ConfigRuntime };
        let below = format!("{name}/{}", cut(key));
        value(found, &below, key, class, sides.map(|side| &side[key]));
    }
}

/// Two values, where they differ; what is empty and what is not there are the same.
fn value(found: &mut Vec<Difference>, name: &str, key: &str, class: Class, sides: [&Value; 2]) {
    if sides[0] == sides[1] || sides.into_iter().all(is_nothing) {
        return;
    }
    let [left, right] = sides.map(|side| {
        (!side.is_null()).then(|| match side {
            Value::String(text) => shown::text(key, text),
            other => shown::side(key, other),
        })
    });
    let place = Place::Manifest(name.to_owned());
    found.push(Difference::new(place, class, What::Value).between(left, right));
}

/// Two manifests that say the same in other bytes.
pub(super) fn form(left: &Manifest, right: &Manifest) -> Difference {
    let [left, right] =
        [left, right].map(|side| Some(SideValue::Text(side.document.digest.to_string())));
    let place = Place::Manifest("digest".to_owned());
    Difference::new(place, Class::Envelope, What::Value).between(left, right)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A document that was read before.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// The keys of both, sorted, each once.
fn keys<'v>(sides: [&'v Value; 2]) -> BTreeSet<&'v str> {
    let of = |value: &'v Value| value.as_object().into_iter().flat_map(|map| map.keys());
    sides.into_iter().flat_map(of).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classes(
        of: fn(&mut Vec<Difference>, &str, [&Value; 2]),
        sides: [&Value; 2],
    ) -> Vec<(String, Class)> {
        let [left, right] = sides;
        let told = |sides| {
            let mut found = Vec::new();
            of(&mut found, "layers/0", sides);
            found.iter().map(|d| (d.place.to_string(), d.class)).collect::<Vec<_>>()
        };
        assert_eq!(told([left, right]), told([right, left]));
        told([left, right])
    }

    #[test]
    fn h84_annotations_that_nobody_knows_are_runtime_configuration() {
        let benign = [
            "org.opencontainers.image.created",
            "org.opencontainers.image.base.name",
            "containerd.io/distribution.source.docker.io",
            "com.docker.official-images.bashbrew.arch",
            "buildkit/rewritten-timestamp",
        ];
        let obeyed = [
            "containerd.io/snapshot/stargz/toc.digest",
            "containerd.io/snapshot/overlaybd/blob-digest",
            "io.containers.estargz.uncompressed-size",
            "io.github.containers.zstd-chunked.manifest-checksum",
            "run.oci.handler",
            "krun.custom_kernel",
            "krun.exec",
            "krun.variant",
            "krun.cpus",
            "krun.ram_mib",
            "org.systemd.property.DeviceAllow",
            "io.podman.annotations.privileged",
            "seccomp-profile.kubernetes.cri-o.io/POD",
            "cdi.k8s.io/gpu",
            "org.criu.config",
            "org.opencontainers.image.stopSignal",
            "org.example.note",
        ];
        let benign = benign.map(|key| (key, Class::Envelope));
        for (key, class) in benign.into_iter().chain(obeyed.map(|key| (key, Class::ConfigRuntime)))
        {
            let (one, two) = (json!({key: "1"}), json!({key: "2"}));
            for sides in [[&one, &two], [&one, &Value::Null], [&json!({}), &two]] {
                let found = classes(annotations, sides);
                let found: Vec<_> = found.into_iter().map(|(_, class)| class).collect();
                assert_eq!(found, [class], "{key}");
            }
        }
    }

    #[test]
    fn h83_all_that_a_descriptor_says_is_compared() {
        let base = json!({"mediaType": MediaType::OCI_LAYER, "digest": "a", "size": 1});
        let cases = [
            ("urls", json!(["https://example.org/"]), Some(Class::ConfigRuntime)),
            ("urls", json!([]), None),
            (
                "platform",
                json!({"os": "windows", "architecture": "amd64"}),
                Some(Class::ConfigRuntime),
            ),
            ("unknown", json!(1), Some(Class::ConfigRuntime)),
            ("annotations", json!({"krun.exec": "x"}), Some(Class::ConfigRuntime)),
            ("annotations", json!({"org.opencontainers.image.title": "x"}), Some(Class::Envelope)),
            ("artifactType", json!("x/y"), Some(Class::Envelope)),
            ("data", json!("e30="), Some(Class::Envelope)),
            ("mediaType", json!(MediaType::DOCKER_LAYER), Some(Class::Envelope)),
            ("size", json!(2), None),
        ];
        for (key, value, want) in cases {
            let mut other = base.clone();
            other[key] = value;
            let found: Vec<_> = classes(descriptor, [&base, &other]);
            assert_eq!(
                found.iter().map(|(_, class)| *class).collect::<Vec<_>>(),
                want.as_slice(),
                "{key}"
            );
        }
        // A layer that the other side does not have.
        let mut odd = base.clone();
        odd["urls"] = json!(["https://example.org/"]);
        assert_eq!(classes(descriptor, [&base, &Value::Null]), []);
        assert_eq!(classes(descriptor, [&odd, &Value::Null]).len(), 1);
    }
}
