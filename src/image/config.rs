//! Image configurations.
//!
//! Turns the bytes of a configuration into what a container starts with, what its layers should hash to and how it says
//! that it was built (image-spec v1.1, config.md; Docker's form is the same). What it leaves out of its platform may stand
//! in the index. Refuses configurations without layer list, and environment entries that are no `NAME=value`. Nothing in
//! it is true because it says so: diffIDs are claims until the layers are hashed, history is a story.
use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use super::{Checked, FormatError, platform::Stated, wire};
use crate::{
    digest::{ConfigDigest, DiffId},
    limits::Limits,
};

const WHAT: &str = "image configuration";

const KEYS: &[&str] =
    &["architecture", "os", "variant", "created", "author", "config", "rootfs", "history"];
const RUNTIME_KEYS: &[&str] = &[
    "User",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "StopSignal",
    "Healthcheck",
    "Shell",
    "OnBuild",
    "ArgsEscaped",
];
const ROOTFS_KEYS: &[&str] = &["type", "diff_ids"];
const HISTORY_KEYS: &[&str] = &["created", "created_by", "author", "comment", "empty_layer"];

/// An image configuration (image-spec v1.1, config.md).
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// Digest and bytes.
    pub document: Checked<ConfigDigest>,
    /// The platform, as far as it is said.
    pub platform: Stated,
    /// Creation time as written.
    pub created: Option<String>,
    /// What has an effect at run time.
    pub runtime: RuntimeConfig,
    /// Digests of the uncompressed layers, base first, as *claimed*.
    pub diff_ids: Vec<DiffId>,
    /// One entry for each build instruction.
    pub history: Vec<History>,
}

/// What a container starts with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeConfig {
    /// User and group.
    pub user: String,
    /// Environment, `NAME=value`, in order.
    pub env: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Labels, sorted.
    pub labels: BTreeMap<String, String>,
    /// Ports, sorted.
    pub exposed_ports: Vec<String>,
    /// Volumes, sorted.
    pub volumes: Vec<String>,
    /// Signal that stops it.
    pub stop_signal: Option<String>,
    /// How Docker asks whether it is well, as `CMD`, `CMD-SHELL` or `NONE` with arguments; empty where nothing is said.
    pub healthcheck: Vec<String>,
    /// What commands in the form of a shell are given to; empty where nothing is said.
    pub shell: Vec<String>,
    /// Instructions for those who build on the image (Docker's `OnBuild`).
    pub on_build: Vec<String>,
}

/// One instruction of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// When, as written.
    pub created: Option<String>,
    /// The instruction.
    pub created_by: String,
    /// The builder's comment, as `buildkit.dockerfile.v0`.
    pub comment: String,
    /// Whether it made no layer.
    pub empty_layer: bool,
}

#[derive(Deserialize)]
struct WireConfig {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    created: Option<String>,
    config: Option<WireRuntime>,
    rootfs: WireRootfs,
    history: Option<Vec<WireHistory>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct WireRuntime {
    user: Option<String>,
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    exposed_ports: Option<BTreeMap<String, Value>>,
    volumes: Option<BTreeMap<String, Value>>,
    stop_signal: Option<String>,
    healthcheck: Option<Value>,
    shell: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireRootfs {
    #[serde(rename = "type")]
    kind: String,
    diff_ids: Vec<String>,
}

#[derive(Deserialize)]
struct WireHistory {
    created: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    empty_layer: Option<bool>,
}

impl ImageConfig {
    /// Reads an image configuration.
    ///
    /// # Errors
    /// [`FormatError`] when a required field is missing or of the wrong form, or when a limit is exceeded.
    pub fn parse(document: Checked<ConfigDigest>, limits: &Limits) -> Result<Self, FormatError> {
        let bounds = limits.json(limits.config_bytes);
        let json = Value::Object(wire::object(WHAT, &document.bytes, bounds, "config_bytes")?);
        check_keys(&json)?;
        let wire: WireConfig = wire::into(WHAT, json)?;
        Ok(Self {
            document,
            platform: wire::stated(WHAT, wire.os, wire.architecture, wire.variant)?,
            created: wire.created,
            runtime: wire.config.unwrap_or_default().check()?,
            diff_ids: wire.rootfs.check(limits)?,
            history: wire.history.unwrap_or_default().into_iter().map(History::from).collect(),
        })
    }

    /// The whole document: what no field holds is compared, too. Not kept, because it is many times as large as its text.
    pub fn json(&self) -> Value {
        // It was read before; a test's own bytes may be anything.
        serde_json::from_slice(&self.document.bytes).unwrap_or_default()
    }
}

/// Whether a runtime that reads these bytes as a configuration, of whatever media type, finds an architecture in them. Only
/// such a manifest can be taken for a node where the index says no platform. Bytes that start as an object and cannot be
/// read count as if they did: another program may be more lenient.
pub fn names_architecture(bytes: &[u8]) -> bool {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return false;
    }
    serde_json::from_slice::<Architectures>(bytes).map_or(true, |found| found.0)
}

/// Whether an object has a key that Go reads as `architecture`, with an architecture in it; nothing else is kept.
struct Architectures(bool);

impl<'de> Deserialize<'de> for Architectures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Architectures;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = false;
                while let Some(key) = map.next_key::<String>()? {
                    if wire::folded(&key) != "architecture" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let said = map.next_value::<Option<String>>()?.unwrap_or_default();
                    found |= !said.is_empty() && !said.eq_ignore_ascii_case("unknown");
                }
                Ok(Architectures(found))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

fn check_keys(json: &Value) -> Result<(), FormatError> {
    wire::exact_keys(WHAT, Some(json), KEYS)?;
    wire::exact_keys(WHAT, json.get("config"), RUNTIME_KEYS)?;
    wire::exact_keys(WHAT, json.get("rootfs"), ROOTFS_KEYS)?;
    let history = json.get("history").and_then(Value::as_array);
    let mut entries = history.into_iter().flatten();
    entries.try_for_each(|entry| wire::exact_keys(WHAT, Some(entry), HISTORY_KEYS))
}

impl WireRuntime {
    fn check(self) -> Result<RuntimeConfig, FormatError> {
        let env = self.env.unwrap_or_default();
        if let Some(bad) = env.iter().find(|entry| !entry.contains('=')) {
            let why = format!("environment entry {bad:?} has not the form NAME=value");
            return Err(wire::malformed(WHAT, why));
        }
        Ok(RuntimeConfig {
            user: self.user.unwrap_or_default(),
            env,
            entrypoint: self.entrypoint.unwrap_or_default(),
            cmd: self.cmd.unwrap_or_default(),
            working_dir: self.working_dir.unwrap_or_default(),
            labels: self.labels.unwrap_or_default(),
            exposed_ports: self.exposed_ports.unwrap_or_default().into_keys().collect(),
            volumes: self.volumes.unwrap_or_default().into_keys().collect(),
            stop_signal: self.stop_signal.filter(|signal| !signal.is_empty()),
            healthcheck: self.healthcheck.as_ref().map(health_test).unwrap_or_default(),
            shell: self.shell.unwrap_or_default(),
            on_build: self.on_build.unwrap_or_default(),
        })
    }
}

/// The test of a `Healthcheck`. It is Docker's own, so that one of another form is none.
fn health_test(healthcheck: &Value) -> Vec<String> {
    let words = healthcheck.get("Test").and_then(Value::as_array).into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl WireRootfs {
    fn check(self, limits: &Limits) -> Result<Vec<DiffId>, FormatError> {
        if self.kind != "layers" {
            let why = format!("rootfs.type is {:?}, expected \"layers\"", self.kind);
            return Err(wire::malformed(WHAT, why));
        }
        wire::count(WHAT, self.diff_ids.len(), "diff_ids", limits.layers, "layers")?;
        let parse = |text: &String| text.parse().map_err(|error| wire::malformed(WHAT, error));
        self.diff_ids.iter().map(parse).collect()
    }
}

impl From<WireHistory> for History {
    fn from(wire: WireHistory) -> Self {
        Self {
            created: wire.created,
            created_by: wire.created_by.unwrap_or_default(),
            comment: wire.comment.unwrap_or_default(),
            empty_layer: wire.empty_layer.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    const DIFF: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

    fn read(value: &Value, limits: &Limits) -> Result<ImageConfig, FormatError> {
        let bytes = Bytes::from(value.to_string());
        let document = Checked::new(WHAT, ConfigDigest::of(&bytes), bytes).unwrap();
        ImageConfig::parse(document, limits)
    }

    fn config() -> Value {
        json!({
            "architecture": "arm64", "variant": "v8", "os": "linux", "created": "2023-11-14T22:13:20Z",
            "config": {
                "Env": ["PATH=/bin", "EMPTY="], "Entrypoint": ["/app"], "Cmd": null, "User": "1000:1000",
                "Labels": {"b": "2", "a": "1"}, "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}},
                "StopSignal": "SIGTERM",
            },
            "rootfs": {"type": "layers", "diff_ids": [DIFF]},
            "history": [{"created_by": "COPY . /"}, {"created_by": "ENV a=b", "empty_layer": true}],
        })
    }

    #[test]
    fn reads_every_field() {
        let read = read(&config(), &Limits::default()).unwrap();
        assert_eq!(read.platform.variant.as_deref(), Some("v8"));
        assert_eq!(read.platform.resolve(None).unwrap().to_string(), "linux/arm64");
        assert_eq!(read.runtime.env, ["PATH=/bin", "EMPTY="]);
        assert_eq!(read.runtime.entrypoint, ["/app"]);
        assert!(read.runtime.cmd.is_empty());
        assert_eq!(read.runtime.labels.len(), 2);
        assert_eq!(
            (&*read.runtime.exposed_ports[0], &*read.runtime.volumes[0]),
            ("80/tcp", "/data")
        );
        assert_eq!(read.diff_ids[0].to_string(), DIFF);
        assert_eq!(read.history.iter().map(|h| h.empty_layer).collect::<Vec<_>>(), [false, true]);
        assert_eq!(read.json(), config());
    }

    #[test]
    fn what_a_lenient_reader_takes_for_a_configuration_is_seen() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let cases = [
            ("{}", false),
            (" {\"architecture\":\"\"}", false),
            ("{\"architecture\":\"unknown\",\"os\":\"unknown\"}", false),
            ("{\"architecture\":null}", false),
            ("[1]", false),
            ("\u{7f}ELF", false),
            (deep.as_str(), false),
            ("{\"os\":\"linux\",\"architecture\":\"amd64\"}", true),
            ("{\"Architecture\":\"amd64\"}", true),
            ("{\"architecture\":\"amd64\",\"architecture\":\"\"}", true),
            ("{\"architecture\":7}", true),
            ("{\"architecture\":\"amd64\"", true),
        ];
        for (text, want) in cases {
            assert_eq!(names_architecture(text.as_bytes()), want, "{text:.60}");
        }
    }

    #[test]
    fn refuses_what_is_no_image_configuration() {
        let cases = [
            ("/os", json!(1), "expected a string"),
            ("/os", json!("a/b"), "no word of a platform"),
            ("/rootfs", Value::Null, "WireRootfs"),
            ("/rootfs/type", json!("layers+base"), "rootfs.type"),
            ("/rootfs/diff_ids", json!(["sha256:1"]), "hex digits"),
            ("/rootfs/Diff_IDs", json!([]), "in some programs"),
            ("/Config", json!({"Cmd": ["evil"]}), "in some programs"),
            ("/config/entrypoint", json!(["evil"]), "in some programs"),
            ("/config/Env", json!(["PATH"]), "NAME=value"),
            ("/config/Env", json!([1]), "expected a string"),
            ("/history", json!("x"), "expected a sequence"),
            ("/config/Labels", json!({"a": 1}), "expected a string"),
        ];
        for (pointer, new, want) in cases {
            let mut value = config();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            value.pointer_mut(parent).unwrap()[key] = new;
            let error = read(&value, &Limits::default()).expect_err(pointer).to_string();
            assert!(error.contains(want), "{pointer}: {error}");
        }
    }

    #[test]
    fn limits_hold_at_n_and_n_plus_one() {
        let mut value = config();
        value["rootfs"]["diff_ids"] = json!([DIFF, DIFF]);
        let layers = |layers| Limits { layers, ..Limits::default() };
        assert!(read(&value, &layers(2)).is_ok());
        assert!(matches!(read(&value, &layers(1)), Err(FormatError::Limit { found: 2, .. })));
        let length = value.to_string().len();
        let bytes = |config_bytes| Limits { config_bytes, ..Limits::default() };
        assert!(read(&value, &bytes(length)).is_ok());
        assert!(matches!(read(&value, &bytes(length - 1)), Err(FormatError::Limit { .. })));
    }
}
