//! Image configurations.
use std::collections::BTreeMap;

use serde_json::Value;

use super::{Checked, Platform};
use crate::digest::{ConfigDigest, DiffId};

/// An image configuration (image-spec v1.1, config.md).
#[derive(Debug, Clone, PartialEq)]
pub struct ImageConfig {
    /// Digest and bytes.
    pub document: Checked<ConfigDigest>,
    /// The platform.
    pub platform: Platform,
    /// Creation time as written.
    pub created: Option<String>,
    /// What has an effect at run time.
    pub runtime: RuntimeConfig,
    /// Digests of the uncompressed layers, base first, as *claimed*.
    pub diff_ids: Vec<DiffId>,
    /// One entry for each build instruction.
    pub history: Vec<History>,
    /// The whole document: what no field above holds is compared too.
    pub json: Value,
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
