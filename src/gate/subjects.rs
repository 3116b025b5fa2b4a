//! From a Kubernetes object to the images that it runs.
//!
//! Turns a pod, or the pod template of a workload, into [`Image`]s: all container lists through one iterator (attack E6)
//! and image volumes. Kinds are matched exactly, with group and version: in a kind or version that is not in [`TEMPLATES`]
//! nobody can say where the images are, so that it is refused (attacks E11, E13). Nothing is skipped because of
//! something that a user can set, such as a deletion timestamp (attack E8). Names other than of a registry are refused: a
//! pod cannot make the gate read its own disk.
//!
//! Of an UPDATE, [`changes`] gives the images that the object did not have at the same place before: the same name, in a
//! container or volume of the same name in the same list, pulled at the same times. What the cluster holds already is not
//! started by the change of something else, and refusing to take a finalizer off a pod stops nothing that runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{choice::PRESET_LABEL, review::GroupVersionKind};
use crate::reference::{Location, Reference, ReferenceError};

/// Distinct images of one object that are judged; a pod with more is refused (attack C3).
pub const MAX_IMAGES: usize = 128;

/// Kinds that are read, and the way from the object to its pod specification.
const TEMPLATES: [(&str, &str, &str, &[&str]); 9] = [
    ("", "v1", "Pod", &["spec"]),
    ("", "v1", "ReplicationController", &["spec", "template", "spec"]),
    ("", "v1", "PodTemplate", &["template", "spec"]),
    ("apps", "v1", "Deployment", &["spec", "template", "spec"]),
    ("apps", "v1", "ReplicaSet", &["spec", "template", "spec"]),
    ("apps", "v1", "StatefulSet", &["spec", "template", "spec"]),
    ("apps", "v1", "DaemonSet", &["spec", "template", "spec"]),
    ("batch", "v1", "Job", &["spec", "template", "spec"]),
    ("batch", "v1", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
];

/// The lists of containers in a pod specification (`core/v1 PodSpec`).
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The list of volumes, some of which are images.
const VOLUMES: &str = "volumes";

/// An image that an object runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name, as read.
    pub reference: Reference,
    /// Where it is named, such as `spec.containers[0].image`, sorted.
    pub paths: BTreeSet<String>,
}

/// What an UPDATE brings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Images that were not there, in the order of their names.
    pub new: Vec<Image>,
    /// Where the object names images as it did before.
    pub unchanged: usize,
}

/// Why an object's images cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not a kind whose images hallmark knows.
    #[error(
        "hallmark cannot tell which images an object of kind {0} runs; narrow the rules of the webhook configuration to the kinds in deploy/"
    )]
    Kind(String),
    /// The object says that it is another kind than the request does.
    #[error("the request is about {asked}, but the object says {found:?}")]
    Disagrees {
        /// Kind in the request.
        asked: String,
        /// Kind in the object.
        found: String,
    },
    /// Something is not there or has another type.
    #[error("{path}: expected {expected}, found {found}")]
    Form {
        /// Where.
        path: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A key that differs from a known one only in case: parsers disagree about it (attack E17).
    #[error("{path}: key {found:?} is to be written {expected:?}")]
    Case {
        /// Where.
        path: String,
        /// As written.
        found: String,
        /// As it should be.
        expected: &'static str,
    },
    /// The name of an image is not in the grammar.
    #[error("{path}: {error}")]
    Reference {
        /// Where.
        path: String,
        /// What is wrong.
        error: ReferenceError,
    },
    /// The name is a path or a bare digest.
    #[error("{path}: {text:?} names no image in a registry")]
    NotInRegistry {
        /// Where.
        path: String,
        /// As written.
        text: String,
    },
    /// More images than are judged.
    #[error("the object runs more than {MAX_IMAGES} images")]
    TooMany,
}

/// The distinct images of `object`, in the order of their names.
///
/// # Errors
/// See [`SubjectError`]; the object is then to be denied.
pub fn images(kind: &GroupVersionKind, object: &Value) -> Result<Vec<Image>, SubjectError> {
    distinct(names(&specification(kind, object)?)?)
}

/// The images that `object` has and `old` does not have at the same place.
///
/// # Errors
/// As [`images`] about `object`. An old object that cannot be read has no images.
pub fn changes(
    kind: &GroupVersionKind,
    object: &Value,
    old: &Value,
) -> Result<Changes, SubjectError> {
    let names = names(&specification(kind, object)?)?;
    let before = specification(kind, old).and_then(|spec| self::names(&spec)).unwrap_or_default();
    let (had, has) = (by_owner(&before), by_owner(&names));
    let is_old = |named: &Named<'_>| match named.owner() {
        // Of two with one name nobody can say which is which.
        Some(owner) => {
            has.get(&owner).is_some_and(|use_| use_.is_some() && had.get(&owner) == Some(use_))
        }
        None => false,
    };
    let (unchanged, new): (Vec<_>, Vec<_>) = names.iter().partition(|named| is_old(named));
    let (unchanged, new) = (unchanged.len(), new.into_iter().cloned().collect());
    Ok(Changes { new: distinct(new)?, unchanged })
}

/// What each owner uses; `None` where several have one name.
fn by_owner<'a>(names: &[Named<'a>]) -> BTreeMap<Owner<'a>, Option<Use<'a>>> {
    let mut owners = BTreeMap::new();
    for named in names {
        let Some(owner) = named.owner() else { continue };
        let use_ = named.image.value.as_str().map(|image| (image, named.pulled));
        owners.entry(owner).and_modify(|twice| *twice = None).or_insert(use_);
    }
    owners
}

fn distinct(names: Vec<Named<'_>>) -> Result<Vec<Image>, SubjectError> {
    let mut found: BTreeMap<String, Image> = BTreeMap::new();
    for Named { image: name, .. } in names {
        let reference = reference(&name)?;
        let image = found.entry(reference.to_string());
        let image = image.or_insert_with(|| Image { reference, paths: BTreeSet::new() });
        image.paths.insert(name.path);
        if found.len() > MAX_IMAGES {
            return Err(SubjectError::TooMany);
        }
    }
    Ok(found.into_values().collect())
}

/// The preset that the pods of an object ask for by their label [`PRESET_LABEL`].
///
/// # Errors
/// As [`images`], or a label that is no text.
pub fn asked_preset<'a>(
    kind: &GroupVersionKind,
    object: &'a Value,
) -> Result<Option<&'a str>, SubjectError> {
    let way = way(kind)?;
    let above = way.split_last().map(|(_, above)| above).unwrap_or_default();
    let top = At { value: object, path: String::new() };
    let pod = above.iter().try_fold(top, |place, key| place.need(key))?;
    let Some(metadata) = pod.get("metadata")? else { return Ok(None) };
    let Some(labels) = metadata.get("labels")? else { return Ok(None) };
    labels.value.as_object().ok_or_else(|| labels.wrong("an object"))?;
    // Labels of keys that differ in case are different labels.
    let label = labels.value.get(PRESET_LABEL);
    let label = label.map(|value| At { value, path: labels.below(PRESET_LABEL) });
    label.map(|label| label.text()).transpose()
}

/// The way from an object of this kind to its pod specification.
fn way(kind: &GroupVersionKind) -> Result<&'static [&'static str], SubjectError> {
    let found = TEMPLATES.iter().find(|(group, version, name, _)| {
        kind.group == *group && kind.version == *version && kind.kind == *name
    });
    found.map(|(_, _, _, way)| *way).ok_or_else(|| SubjectError::Kind(kind.to_string()))
}

/// The pod specification in an object of this kind.
fn specification<'a>(kind: &GroupVersionKind, object: &'a Value) -> Result<At<'a>, SubjectError> {
    let way = way(kind)?;
    let top = At { value: object, path: String::new() };
    agree(kind, &top)?;
    way.iter().try_fold(top, |place, key| place.need(key))
}

/// The object's own kind, where it says one, is the request's.
fn agree(kind: &GroupVersionKind, object: &At<'_>) -> Result<(), SubjectError> {
    let api_version = match kind.group.as_str() {
        "" => kind.version.clone(),
        group => format!("{group}/{}", kind.version),
    };
    for (key, want) in [("kind", &kind.kind), ("apiVersion", &api_version)] {
        if let Some(said) = object.get(key)? {
            let said = said.text()?;
            if said != want {
                let found = said.to_owned();
                return Err(SubjectError::Disagrees { asked: kind.to_string(), found });
            }
        }
    }
    Ok(())
}

/// A container or volume: the list that it is in, and its name.
type Owner<'a> = (&'static str, &'a str);
/// The image that it uses, and when a node pulls that.
type Use<'a> = (&'a str, Option<&'a str>);

/// A place that names an image.
#[derive(Debug, Clone)]
struct Named<'a> {
    image: At<'a>,
    list: &'static str,
    name: Option<&'a str>,
    pulled: Option<&'a str>,
}

impl<'a> Named<'a> {
    fn owner(&self) -> Option<Owner<'a>> {
        Some((self.list, self.name?))
    }
}

/// Every name of an image in a pod specification: all container lists, then image volumes.
fn names<'a>(spec: &At<'a>) -> Result<Vec<Named<'a>>, SubjectError> {
    let mut names = Vec::new();
    // The apiserver refuses a pod without containers; so do we, because a missing list must not look like an empty one.
    if spec.need("containers")?.value.as_array().is_some_and(Vec::is_empty) {
        let path = spec.below("containers");
        let (expected, found) = ("at least one container", "an empty list");
        return Err(SubjectError::Form { path, expected, found });
    }
    for list in CONTAINER_LISTS {
        for container in spec.items(list)? {
            let image = container.need("image")?;
            let (name, pulled) = (container.word("name")?, container.word("imagePullPolicy")?);
            names.push(Named { image, list, name, pulled });
        }
    }
    for volume in spec.items(VOLUMES)? {
        if let Some(image) = volume.get("image")? {
            let (name, pulled) = (volume.word("name")?, image.word("pullPolicy")?);
            names.push(Named { image: image.need("reference")?, list: VOLUMES, name, pulled });
        }
    }
    Ok(names)
}

fn reference(name: &At<'_>) -> Result<Reference, SubjectError> {
    let text = name.text()?;
    let path = || name.path.clone();
    match text.parse::<Reference>() {
        Ok(reference @ Reference::At(Location::Registry(_), _)) => Ok(reference),
        Ok(_) => Err(SubjectError::NotInRegistry { path: path(), text: text.to_owned() }),
        Err(error) => Err(SubjectError::Reference { path: path(), error }),
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn wrong(&self, expected: &'static str) -> SubjectError {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        SubjectError::Form { path: self.path.clone(), expected, found }
    }

    fn text(&self) -> Result<&'a str, SubjectError> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    /// The value of a key; null counts as absent, as it does for the apiserver.
    fn get(&self, key: &'static str) -> Result<Option<At<'a>>, SubjectError> {
        let map = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        self.check_case(map, key)?;
        let value = map.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| At { value, path: self.below(key) }))
    }

    /// The text of a key that need not be there.
    fn word(&self, key: &'static str) -> Result<Option<&'a str>, SubjectError> {
        self.get(key)?.map(|value| value.text()).transpose()
    }

    fn need(&self, key: &'static str) -> Result<At<'a>, SubjectError> {
        self.get(key)?.ok_or_else(|| SubjectError::Form {
            path: self.below(key),
            expected: "a value",
            found: "nothing",
        })
    }

    /// The items of a list, none where there is no list.
    fn items(&self, key: &'static str) -> Result<Vec<At<'a>>, SubjectError> {
        let Some(list) = self.get(key)? else { return Ok(Vec::new()) };
        let items = list.value.as_array().ok_or_else(|| list.wrong("a list"))?;
        let item = |(index, value)| At { value, path: format!("{}[{index}]", list.path) };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn check_case(&self, map: &Map<String, Value>, key: &'static str) -> Result<(), SubjectError> {
        let twin = map.keys().find(|k| k.as_str() != key && k.eq_ignore_ascii_case(key));
        twin.map_or(Ok(()), |found| {
            let (path, found) = (self.path.clone(), found.clone());
            Err(SubjectError::Case { path, found, expected: key })
        })
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn gvk(group: &str, version: &str, kind: &str) -> GroupVersionKind {
        let (group, version, kind) = (group.to_owned(), version.to_owned(), kind.to_owned());
        GroupVersionKind { group, version, kind }
    }

    fn pod(spec: &Value) -> Result<Vec<Image>, SubjectError> {
        images(&gvk("", "v1", "Pod"), &json!({"kind": "Pod", "apiVersion": "v1", "spec": spec}))
    }

    fn shown(images: &[Image]) -> Vec<String> {
        let show = |image: &Image| {
            let paths: Vec<_> = image.paths.iter().map(String::as_str).collect();
            format!("{} at {}", image.reference, paths.join(" "))
        };
        images.iter().map(show).collect()
    }

    #[test]
    fn every_list_of_a_pod_is_read_and_equal_names_are_one_image() {
        let spec = json!({
            "containers": [{"image": "r.example/a:1"}, {"image": "r.example/b:1"}],
            "initContainers": [{"image": "r.example/a:1"}],
            "ephemeralContainers": [{"image": "debug"}],
            "volumes": [{"emptyDir": {}}, {"image": {"reference": "r.example/v:1"}}],
        });
        let want = [
            "docker.io/library/debug:latest at spec.ephemeralContainers[0].image",
            "r.example/a:1 at spec.containers[0].image spec.initContainers[0].image",
            "r.example/b:1 at spec.containers[1].image",
            "r.example/v:1 at spec.volumes[1].image.reference",
        ];
        assert_eq!(shown(&pod(&spec).expect("valid")), want);
    }

    #[test]
    fn every_kind_with_a_pod_is_read() {
        for (group, version, kind, way) in TEMPLATES {
            let mut object = json!({"containers": [{"image": "r.example/a:1"}]});
            for key in way.iter().rev() {
                object = json!({ *key: object });
            }
            let found = images(&gvk(group, version, kind), &object).expect(kind);
            let want = format!("r.example/a:1 at {}.containers[0].image", way.join("."));
            assert_eq!(shown(&found), [want], "{kind}");
        }
    }

    #[test]
    fn the_preset_that_pods_ask_for_is_read_at_the_pod_and_nowhere_else() {
        let labels =
            |preset: Value| json!({"metadata": {"labels": {"hallmark.dev/preset": preset}}});
        for (group, version, kind, way) in TEMPLATES {
            let kind = gvk(group, version, kind);
            let mut object = labels("regulated".into());
            for key in way[..way.len() - 1].iter().rev() {
                object = json!({ *key: object, "metadata": {"labels": {"hallmark.dev/preset": "signed"}} });
            }
            assert_eq!(asked_preset(&kind, &object), Ok(Some("regulated")), "{kind}");
        }
        let pod = gvk("", "v1", "Pod");
        for none in [
            json!({}),
            json!({"metadata": null}),
            json!({"metadata": {"labels": null}}),
            json!({"metadata": {"labels": {"Hallmark.dev/preset": "regulated"}}}),
        ] {
            assert_eq!(asked_preset(&pod, &none), Ok(None), "{none}");
        }
        for (wrong, want) in [
            (labels(json!(1)), "metadata.labels.hallmark.dev/preset: expected a text"),
            (labels(json!(null)), "found nothing"),
            (json!({"metadata": {"labels": []}}), "metadata.labels: expected an object"),
            (json!({"Metadata": {}}), "is to be written \"metadata\""),
        ] {
            let error = asked_preset(&pod, &wrong).expect_err(want).to_string();
            assert!(error.contains(want), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let one = |image: Value| json!({"containers": [{"image": image}]});
        let cases = [
            (json!(null), "spec: expected a value, found nothing"),
            (json!([]), "spec: expected an object, found a list"),
            (json!({}), "spec.containers: expected a value"),
            (json!({"containers": []}), "spec.containers: expected at least one container"),
            (json!({"containers": {}}), "spec.containers: expected a list, found an object"),
            (json!({"containers": [{}]}), "spec.containers[0].image: expected a value"),
            (json!({"containers": ["x"]}), "spec.containers[0]: expected an object, found a text"),
            (one(json!(7)), "spec.containers[0].image: expected a text, found a number"),
            (one(json!("")), "spec.containers[0].image: an image reference is missing"),
            (one(json!(" r.example/a")), "spec.containers[0].image: "),
            (one(json!("r.example/a@")), "spec.containers[0].image: "),
            (one(json!("oci:/etc")), "names no image in a registry"),
            (one(json!(format!("sha256:{}", "0".repeat(64)))), "names no image in a registry"),
            (
                json!({"containers": [{"image": "a", "Image": "b"}]}),
                "\"Image\" is to be written \"image\"",
            ),
            (json!({"containers": [{"image": "a"}], "InitContainers": []}), "\"InitContainers\""),
            (
                json!({"containers": [{"image": "a"}], "volumes": [{"image": {}}]}),
                "spec.volumes[0].image.reference",
            ),
        ];
        for (spec, want) in cases {
            let error = pod(&spec).expect_err(&spec.to_string()).to_string();
            assert!(error.contains(want), "{spec}\n{error}");
        }
    }

    #[test]
    fn unknown_kinds_and_versions_are_refused() {
        let spec = json!({"spec": {"containers": [{"image": "a"}], "template": {"spec": {"containers": []}}}});
        let cases = [
            ("", "v2", "Pod"),
            ("", "v1", "pod"),
            ("apps", "v1beta1", "Deployment"),
            ("", "v1", "ConfigMap"),
            ("autoscaling", "v1", "Scale"),
            ("", "v1", "PodExecOptions"),
        ];
        for (group, version, kind) in cases {
            let error = images(&gvk(group, version, kind), &spec).expect_err(kind);
            assert!(matches!(error, SubjectError::Kind(_)), "{kind}: {error}");
        }
        let other = json!({"kind": "Job", "spec": {"containers": []}});
        let error = images(&gvk("", "v1", "Pod"), &other).expect_err("a job");
        assert!(matches!(error, SubjectError::Disagrees { .. }), "{error}");
    }

    #[test]
    fn h40_an_update_brings_what_was_not_at_the_same_place() {
        let both = |old: Value, new: Value| {
            let changes =
                changes(&gvk("", "v1", "Pod"), &json!({"spec": new}), &json!({"spec": old}));
            let changes = changes.expect("valid");
            (shown(&changes.new).len(), changes.unchanged)
        };
        let one = |name: &str, image: &str| json!({"containers": [{"name": name, "image": image}]});
        let pulled = |when: &str| json!({"containers": [{"name": "a", "image": "x", "imagePullPolicy": when}]});
        let volume = |name: &str, image: &str, when: &str| {
            json!({
                "containers": [{"name": "a", "image": "x"}],
                "volumes": [{"name": name, "image": {"reference": image, "pullPolicy": when}}],
            })
        };
        let init = json!({
            "initContainers": [{"name": "a", "image": "x"}], "containers": [{"name": "b", "image": "y"}],
        });
        let swapped = json!({
            "initContainers": [{"name": "a", "image": "y"}], "containers": [{"name": "b", "image": "x"}],
        });
        let debug = json!({
            "containers": [{"name": "a", "image": "x"}], "ephemeralContainers": [{"name": "d", "image": "x"}],
        });
        let twice = json!({
            "containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}],
        });
        let reordered = |first: &str, second: &str| json!({"containers": [{"name": first, "image": first}, {"name": second, "image": second}]});
        let cases = [
            ("nothing changes", one("a", "x"), one("a", "x"), (0, 1)),
            ("the order of containers", reordered("a", "b"), reordered("b", "a"), (0, 2)),
            ("another image", one("a", "x"), one("a", "y"), (1, 0)),
            ("another tag", one("a", "x:1"), one("a", "x:2"), (1, 0)),
            ("the same under another name", one("a", "x"), one("b", "x"), (1, 0)),
            (
                "without a name",
                json!({"containers": [{"image": "x"}]}),
                json!({"containers": [{"image": "x"}]}),
                (1, 0),
            ),
            ("pulled at other times", pulled("Never"), pulled("Always"), (1, 0)),
            ("images change places", init.clone(), swapped, (2, 0)),
            ("an init container becomes a container", init, one("a", "x"), (1, 0)),
            ("an image that runs elsewhere in the pod", one("a", "x"), debug.clone(), (1, 1)),
            ("a debug container that was there", debug.clone(), debug, (0, 2)),
            ("two of one name", twice.clone(), twice.clone(), (1, 0)),
            ("a second of that name", one("a", "x"), twice, (1, 0)),
            ("an image volume", volume("v", "y", "Always"), volume("v", "y", "Always"), (0, 2)),
            (
                "another image volume",
                volume("v", "y", "Always"),
                volume("v", "z", "Always"),
                (1, 1),
            ),
            (
                "a volume of another name",
                volume("v", "y", "Always"),
                volume("w", "y", "Always"),
                (1, 1),
            ),
            (
                "a volume pulled at other times",
                volume("v", "y", "Never"),
                volume("v", "y", "Always"),
                (1, 1),
            ),
            ("no old object", Value::Null, one("a", "x"), (1, 0)),
            ("an old object that cannot be read", json!({"containers": {}}), one("a", "x"), (1, 0)),
        ];
        for (name, old, new, want) in cases {
            assert_eq!(both(old, new), want, "{name}");
        }
    }

    #[test]
    fn h40_what_was_there_is_not_even_read() {
        let spec = json!({"spec": {"containers": [{"name": "a", "image": "NOT A NAME"}]}});
        let kind = gvk("", "v1", "Pod");
        assert!(images(&kind, &spec).is_err());
        assert_eq!(changes(&kind, &spec, &spec).map(|c| (c.new.len(), c.unchanged)), Ok((0, 1)));
        let other = json!({"kind": "Job", "spec": spec["spec"]});
        assert!(changes(&kind, &spec, &other).is_err(), "an old object of another kind has none");
        let renamed = json!({"spec": {"containers": [{"name": "a", "Image": "x", "image": "x"}]}});
        assert!(changes(&kind, &renamed, &renamed).is_err(), "the object itself is read in full");
    }

    #[test]
    fn h40_every_kind_with_a_pod_is_compared() {
        for (group, version, kind, way) in TEMPLATES {
            let object = |image: &str| {
                let spec = json!({"containers": [{"name": "a", "image": image}]});
                way.iter().rev().fold(spec, |inner, key| json!({ *key: inner }))
            };
            let kind = gvk(group, version, kind);
            let count = |old: &str| {
                changes(&kind, &object("x"), &object(old)).map(|c| (c.new.len(), c.unchanged))
            };
            assert_eq!((count("x"), count("y")), (Ok((0, 1)), Ok((1, 0))), "{kind}");
        }
    }

    #[test]
    fn the_number_of_images_is_bounded() {
        let spec = |count: usize| {
            let containers: Vec<_> =
                (0..count).map(|i| json!({"image": format!("r.example/a:{i}")})).collect();
            json!({ "containers": containers })
        };
        assert_eq!(pod(&spec(MAX_IMAGES)).map(|found| found.len()), Ok(MAX_IMAGES));
        assert_eq!(pod(&spec(MAX_IMAGES + 1)), Err(SubjectError::TooMany));
    }

    #[test]
    fn the_webhook_in_deploy_sends_exactly_the_kinds_that_are_read() {
        use serde::Deserialize;
        let text = include_str!("../../deploy/webhook.yaml");
        let webhook = yaml_serde::Deserializer::from_str(text)
            .map(|document| Value::deserialize(document).expect("YAML"))
            .find(|object| object["kind"] == "ValidatingWebhookConfiguration")
            .expect("a webhook");
        let webhook = &webhook["webhooks"][0];
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert!(webhook.get("objectSelector").is_none(), "users set labels (E11)");
        // What is not sent is an UPDATE alone, and only where the part with the pod stays as it is (H40).
        let conditions = webhook["matchConditions"].as_array().expect("conditions");
        assert_eq!(conditions.len(), 1, "all of them have to hold");
        let condition = conditions[0]["expression"].as_str().expect("an expression");
        let begin = r#"request.operation != "UPDATE" || has(request.subResource) || ("#;
        assert!(condition.starts_with(begin), "{condition}");
        for (_, _, kind, way) in TEMPLATES {
            let template = way.iter().position(|key| key.to_lowercase().ends_with("template"));
            let own = way[..=template.unwrap_or_default()].join(".");
            let compared = format!("object.{own} != oldObject.{own}");
            assert!(condition.contains(&compared), "{kind}: {compared}");
        }
        let list = |value: &Value| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            items.map(|item| item.as_str().expect("text").to_owned()).collect()
        };
        let mut sent = BTreeSet::new();
        for rule in webhook["rules"].as_array().expect("rules") {
            assert!(list(&rule["operations"]).contains(&"UPDATE".to_owned()), "{rule}");
            for resource in list(&rule["resources"]) {
                let (group, version) =
                    (&list(&rule["apiGroups"])[0], &list(&rule["apiVersions"])[0]);
                sent.insert(format!("{group}/{version}/{resource}"));
            }
        }
        assert!(sent.remove("/v1/pods/ephemeralcontainers"), "E6");
        let read = TEMPLATES
            .map(|(group, version, kind, _)| format!("{group}/{version}/{}s", kind.to_lowercase()));
        assert_eq!(sent, BTreeSet::from(read));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        const KEYS: [&str; 10] = [
            "spec",
            "template",
            "jobTemplate",
            "containers",
            "initContainers",
            "volumes",
            "image",
            "reference",
            "Image",
            "kind",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 4, move |inner| {
            let map = prop::collection::btree_map(prop::sample::select(&KEYS), inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                map.prop_map(|m| m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_object_makes_it_panic(object in any_json(), which in 0..TEMPLATES.len()) {
            let (group, version, kind, _) = TEMPLATES[which];
            let _ = images(&gvk(group, version, kind), &object);
            let _ = changes(&gvk(group, version, kind), &object, &object);
            let _ = asked_preset(&gvk(group, version, kind), &object);
        }
    }
}
