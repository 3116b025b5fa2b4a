//! BuildKit at an address, over its own API.
//!
//! Turns a plan into one `Control.Solve` (moby/buildkit, `api/services/control`) with the source policy of [`pins`] and takes the
//! exporter's archive through the session, so nothing is shared with the daemon's host. What only this way can say, it says: the
//! compatibility version that the provenance records. Progress comes from `Control.Status`. Dropping the future ends the session
//! and with it the build.
//!
//! The daemon is the operator's choice and others may use it, so a solve uses no cache, names caches of its own for `RUN
//! --mount=type=cache`, and asks for no entitlement. What its storage does to others' builds is not ours to bound.

mod session;

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Component, Path, PathBuf},
};

use async_trait::async_trait;
use bollard_buildkit_proto::moby::buildkit::v1::{
    Exporter, InfoRequest, SolveRequest, SolveResponse, StatusRequest, StatusResponse, Vertex,
    control_client::ControlClient,
    sourcepolicy::{self, AttrConstraint, MatchType, Policy, PolicyAction, Rule, Selector, Update},
};
use hyper_util::rt::TokioIo;
use prost::{
    DecodeError,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType},
};
use serde_json::Value;
use tonic::{
    Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri},
};

use super::{Built, Engine, buildkit, sandbox::Shell, version};
use crate::{
    attest::provenance::Network,
    limits::Limits,
    rebuild::{EngineKind, EngineReport, Failure, FailureKind, Plan, pins},
};
use session::Session;

/// Where a BuildKit is, and how it knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket on this machine.
    Unix(PathBuf),
    /// Another machine, over TLS with certificates on both sides.
    Tls {
        /// `host:port`.
        host: String,
        /// Files in PEM: the daemon's authority, our certificate, our key.
        ca: PathBuf,
        /// Our certificate chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// BuildKit at an address.
pub struct Grpc {
    address: Address,
    limits: Limits,
}

impl Grpc {
    /// An engine that speaks to this address.
    pub fn new(address: Address, limits: &Limits) -> Self {
        Self { address, limits: limits.clone() }
    }

    async fn connect(&self) -> Result<Channel, String> {
        let failed = |e: &dyn std::fmt::Display| format!("BuildKit at {}: {e}", self.address);
        match &self.address {
            Address::Unix(path) => {
                let path = path.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    async move { tokio::net::UnixStream::connect(path).await.map(TokioIo::new) }
                });
                // The name is never looked up; HTTP/2 wants one.
                let endpoint = Endpoint::from_static("http://buildkit");
                endpoint.connect_with_connector(connector).await.map_err(|e| failed(&chain(&e)))
            }
            Address::Tls { host, ca, certificate, key } => {
                let read = |path: &Path| {
                    fs::read(path).map_err(|e| failed(&format!("{}: {e}", path.display())))
                };
                let tls = ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(read(ca)?))
                    .identity(Identity::from_pem(read(certificate)?, read(key)?));
                let endpoint = Endpoint::from_shared(format!("https://{host}"));
                let endpoint = endpoint.map_err(|e| failed(&e))?;
                let endpoint = endpoint.tls_config(tls).map_err(|e| failed(&chain(&e)))?;
                endpoint.connect().await.map_err(|e| failed(&chain(&e)))
            }
        }
    }
}

/// An error and what is below it: tonic's own words are "transport error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(next) = below {
        text = format!("{text}: {next}");
        below = next.source();
    }
    text
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tls { host, .. } => write!(f, "tcp://{host}"),
        }
    }
}

#[async_trait]
impl Engine for Grpc {
    fn kind(&self) -> EngineKind {
        EngineKind::Buildkit
    }

    async fn build(&self, plan: &Plan, shell: &Shell<'_>) -> Result<Built, Failure> {
        let gone = |why: String| shell.failure(FailureKind::EngineUnavailable, why);
        shell.talk.stage(&format!("asking BuildKit at {}", self.address));
        let channel = self.connect().await.map_err(gone)?;
        let mut client = ControlClient::new(channel.clone());
        let info = client.info(InfoRequest {}).await;
        let version = info.ok().and_then(|answer| answer.into_inner().buildkit_version);
        let version = version.map_or_else(|| "unknown".to_owned(), |v| v.version);
        version::refuse_buildkit(&version, plan)?;
        let report = EngineReport {
            kind: EngineKind::Buildkit,
            driver: "buildkit api".to_owned(),
            version: format!("buildkitd {version}"),
            reason: String::new(),
            network: Network::None,
            ephemeral: false,
        };
        let policy = pins::buildkit_policy(plan);
        let id = name(shell.work);
        let archive = shell.work.join("result.tar");
        let limit = self.limits.rebuild_disk_bytes;
        let session = Session::open(&mut client, &id, &archive, limit).await;
        let session = session.map_err(|status| gone(said(&status)))?;
        shell.talk.stage("building");
        let follow = follow(client.clone(), id.clone(), shell);
        let solve = solve(channel, request(plan, &policy, &id, &session.id), plan.compatibility);
        let solved = tokio::select! {
            solved = solve => solved,
            // Its end says nothing: the solve does.
            () = async { follow.await; std::future::pending::<()>().await } => unreachable(),
        };
        let engine =
            |failure: Failure| Failure { engine: Some(Box::new(report.clone())), ..failure };
        solved.map_err(|status| engine(failure(&status, shell)))?;
        drop(session);
        let layout = shell.work.join("out");
        unpack(&archive, &layout)
            .map_err(|e| engine(shell.broken("the exporter's archive", &e)))?;
        Ok(Built { layout, report, pins: pins::digest(&policy) })
    }
}

/// What a future that never ends gives.
fn unreachable() -> Result<SolveResponse, Status> {
    Err(Status::internal("the progress of a build ended before the build"))
}

/// A name that no other build has: the work folder's is random.
fn name(work: &Path) -> String {
    let name = work.file_name().map(|name| name.to_string_lossy().into_owned());
    format!("{}-{}", name.unwrap_or_default(), std::process::id())
}

fn said(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// What a failed solve means; BuildKit's words are the same as through its own client.
fn failure(status: &Status, shell: &Shell<'_>) -> Failure {
    use tonic::Code;
    let words = format!("error: {}", status.message());
    let (kind, why) = match status.code() {
        Code::Unavailable | Code::Cancelled | Code::Aborted => {
            (FailureKind::EngineUnavailable, format!("BuildKit went away: {}", status.message()))
        }
        _ if status.message().contains("transport") || status.message().contains("h2 protocol") => {
            (FailureKind::EngineUnavailable, format!("BuildKit went away: {}", status.message()))
        }
        _ => buildkit::classify(&words),
    };
    shell.failure(kind, why)
}

fn request(plan: &Plan, policy: &Value, id: &str, session: &str) -> SolveRequest {
    let mut attributes: HashMap<String, String> =
        buildkit::frontend_options(plan).into_iter().collect();
    attributes.insert("no-cache".to_owned(), String::new());
    attributes.insert("build-arg:BUILDKIT_CACHE_MOUNT_NS".to_owned(), id.to_owned());
    SolveRequest {
        r#ref: id.to_owned(),
        session: session.to_owned(),
        frontend: "dockerfile.v0".to_owned(),
        frontend_attrs: attributes,
        source_policy: Some(policy_message(policy)),
        exporters: vec![Exporter {
            r#type: "oci".to_owned(),
            attrs: buildkit::exporter_options(plan).into_iter().collect(),
        }],
        internal: true,
        ..SolveRequest::default()
    }
}

/// The policy as a message, from the JSON that reports and digests are made of.
fn policy_message(policy: &Value) -> Policy {
    let rules = policy.get("rules").and_then(Value::as_array);
    Policy { version: 1, rules: rules.into_iter().flatten().map(rule).collect() }
}

fn rule(rule: &Value) -> Rule {
    let text = |pointer: &str| {
        rule.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    // Whatever is not understood denies.
    let action = PolicyAction::from_str_name(&text("/action")).unwrap_or(PolicyAction::Deny);
    let match_type = MatchType::from_str_name(&text("/selector/match_type"));
    let constraints = rule.pointer("/selector/constraints").and_then(Value::as_array);
    let constraint = |value: &Value| AttrConstraint {
        key: value.get("key").and_then(Value::as_str).unwrap_or_default().to_owned(),
        value: value.get("value").and_then(Value::as_str).unwrap_or_default().to_owned(),
        condition: sourcepolicy::AttrMatch::Equal.into(),
    };
    let updates = rule.get("updates").map(|_| Update {
        identifier: text("/updates/identifier"),
        attrs: strings(rule.pointer("/updates/attrs")),
    });
    Rule {
        action: action.into(),
        selector: Some(Selector {
            identifier: text("/selector/identifier"),
            match_type: match_type.unwrap_or(MatchType::Exact).into(),
            constraints: constraints.into_iter().flatten().map(constraint).collect(),
        }),
        updates,
    }
}

fn strings(object: Option<&Value>) -> HashMap<String, String> {
    let entries = object.and_then(Value::as_object);
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    entries.into_iter().flatten().filter_map(text).collect()
}

/// A solve with a field that the generated message does not have: `CompatibilityVersion = 16` (since BuildKit 0.30; older ones
/// ignore it).
#[derive(Debug, Clone, Default, PartialEq)]
struct Compatible {
    request: SolveRequest,
    version: Option<i64>,
}

/// Number of the field.
const COMPATIBILITY: u32 = 16;

impl prost::Message for Compatible {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.request.encode_raw(buffer);
        if let Some(version) = &self.version {
            prost::encoding::int64::encode(COMPATIBILITY, version, buffer);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag == COMPATIBILITY {
            let version = self.version.get_or_insert_default();
            return prost::encoding::int64::merge(wire_type, version, buffer, context);
        }
        self.request.merge_field(tag, wire_type, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        let version = self.version.as_ref();
        let own = version.map_or(0, |v| prost::encoding::int64::encoded_len(COMPATIBILITY, v));
        self.request.encoded_len() + own
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

async fn solve(
    channel: Channel,
    request: SolveRequest,
    version: Option<i64>,
) -> Result<SolveResponse, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|e| Status::unavailable(chain(&e)))?;
    let codec = tonic_prost::ProstCodec::<Compatible, SolveResponse>::default();
    let path =
        tonic::codegen::http::uri::PathAndQuery::from_static("/moby.buildkit.v1.Control/Solve");
    let answer = grpc.unary(Request::new(Compatible { request, version }), path, codec).await?;
    Ok(answer.into_inner())
}

/// Tells what happens, and keeps the log.
async fn follow(mut client: ControlClient<Channel>, id: String, shell: &Shell<'_>) {
    let Ok(answer) = client.status(StatusRequest { r#ref: id }).await else { return };
    let mut stream = answer.into_inner();
    let mut told = Told::default();
    while let Ok(Some(status)) = stream.message().await {
        for line in told.lines(&status) {
            shell.log.push(format!("{line}\n").as_bytes());
            shell.tell(&line);
        }
    }
}

/// Steps of one build that are told of.
const STEPS_MAX: usize = 10_000;

/// Which steps were named, by their digests.
#[derive(Debug, Default)]
struct Told {
    steps: BTreeMap<String, usize>,
}

impl Told {
    /// New lines: steps that begin and end as `#1 name`, and what they print as `#1 text`, so that no step can speak as BuildKit.
    /// BuildKit lists steps before they begin, those that depend on others last.
    fn lines(&mut self, status: &StatusResponse) -> Vec<String> {
        let mut lines = Vec::new();
        let begun = |vertex: &&Vertex| vertex.started.is_some() || !vertex.error.is_empty();
        for vertex in status.vertexes.iter().filter(begun) {
            let next = self.steps.len() + 1;
            let known = self.steps.contains_key(&vertex.digest);
            if !known && next > STEPS_MAX {
                continue;
            }
            let number = *self.steps.entry(vertex.digest.clone()).or_insert(next);
            if !known {
                lines.push(format!("#{number} {}", vertex.name));
            }
            if !vertex.error.is_empty() {
                lines.push(format!("#{number} {}", vertex.error));
            }
        }
        for log in &status.logs {
            let number = self.steps.get(&log.vertex).copied().unwrap_or_default();
            let text = String::from_utf8_lossy(&log.msg);
            lines.extend(text.lines().map(|line| format!("#{number} {line}")));
        }
        lines
    }
}

/// Files of a layout out of the archive: nothing else is in one, and nothing else comes out.
fn unpack(archive: &Path, layout: &Path) -> io::Result<()> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut archive = tar::Archive::new(fs::File::open(archive)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain {
            return Err(invalid(format!("{} leaves the layout", path.display())));
        }
        let to = layout.join(&path);
        match entry.header().entry_type() {
            tar::EntryType::Directory => fs::create_dir_all(to)?,
            tar::EntryType::Regular => {
                fs::create_dir_all(to.parent().unwrap_or(layout))?;
                io::copy(&mut entry, &mut fs::File::create_new(to)?)?;
            }
            other => return Err(invalid(format!("{} is a {other:?}", path.display()))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn the_compatibility_version_is_field_16_of_a_solve() {
        let request = SolveRequest { r#ref: "x".to_owned(), ..SolveRequest::default() };
        let plain = request.encode_to_vec();
        let with = Compatible { request: request.clone(), version: Some(30) }.encode_to_vec();
        // Tag 16 as a varint: 16 << 3 = 128.
        assert_eq!(with, [plain.clone(), vec![0x80, 0x01, 30]].concat());
        let without = Compatible { request: request.clone(), version: None };
        assert_eq!(without.encode_to_vec(), plain);
        let read = Compatible::decode(with.as_slice()).unwrap();
        assert_eq!(read, Compatible { request, version: Some(30) });
    }

    #[test]
    fn the_policy_says_the_same_as_a_message() {
        let plan = crate::rebuild::tests::plan();
        let json = pins::buildkit_policy(&plan);
        let message = policy_message(&json);
        let rules = json["rules"].as_array().unwrap();
        assert_eq!(message.rules.len(), rules.len());
        for (rule, json) in message.rules.iter().zip(rules) {
            let selector = rule.selector.as_ref().unwrap();
            assert_eq!(rule.action().as_str_name(), json["action"].as_str().unwrap());
            assert_eq!(selector.identifier, json["selector"]["identifier"].as_str().unwrap());
            let kind = json["selector"]["match_type"].as_str().unwrap();
            assert_eq!(selector.match_type().as_str_name(), kind);
            let wanted = json["selector"]["constraints"].as_array().map_or(0, Vec::len);
            assert_eq!(selector.constraints.len(), wanted);
            assert_eq!(rule.updates.is_some(), json.get("updates").is_some());
        }
        let unknown = serde_json::json!({ "rules": [{ "action": "NEW", "selector": {} }] });
        assert_eq!(policy_message(&unknown).rules[0].action(), PolicyAction::Deny);
    }

    #[test]
    fn an_archive_that_leaves_its_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = |path: &str, kind: tar::EntryType| {
            let mut header = tar::Header::new_gnu();
            // The crate refuses to write such names itself.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(kind);
            header.set_size(1);
            header.set_cksum();
            let file = folder.path().join("a.tar");
            let mut builder = tar::Builder::new(fs::File::create(&file).unwrap());
            builder.append(&header, &b"x"[..]).unwrap();
            builder.finish().unwrap();
            let _ = fs::remove_dir_all(folder.path().join("out"));
            unpack(&file, &folder.path().join("out"))
        };
        assert!(archive("blobs/sha256/aa", tar::EntryType::Regular).is_ok());
        assert!(archive("../x", tar::EntryType::Regular).is_err());
        assert!(archive("/etc/x", tar::EntryType::Regular).is_err());
        assert!(archive("blobs/l", tar::EntryType::Symlink).is_err());
        assert!(!folder.path().join("x").exists());
    }
}
