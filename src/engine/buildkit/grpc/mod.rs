//! BuildKit at an address, over its own API.
//!
//! Turns a plan into one `Control.Solve` (moby/buildkit, `api/services/control`) with the source policy of [`pins`] and takes the
//! exporter's archive through the session, so nothing is shared with the daemon's host. What only this way can say, it says: the
//! compatibility version that the provenance records. Progress comes from `Control.Status`. Dropping the future ends the session
//! and with it the build.
//!
//! The daemon may be others' too, so a solve uses no cache, names caches of its own for `RUN --mount=type=cache`, and asks for no
//! entitlement. What such a daemon's storage does to others' builds is not ours to bound.

mod session;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use async_trait::async_trait;
use bollard_buildkit_proto::moby::buildkit::v1::{
    Exporter, InfoRequest, SolveRequest, SolveResponse, StatusRequest, StatusResponse, Vertex,
    VertexStatus,
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

use crate::{
    engine::{Built, Engine, Runs, buildkit, inputs::Inputs, sandbox::Shell, version},
    limits::Limits,
    rebuild::{EngineKind, EngineReport, Failure, FailureKind, Lack, Plan, pins},
};
use session::Session;

/// How long what BuildKit says of a build that failed may take to come.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
}

async fn connect(address: &Address) -> Result<Channel, String> {
    let failed = |e: &dyn std::fmt::Display| format!("BuildKit at {address}: {e}");
    match address {
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

/// An error and what is below it, each once: tonic's own words are "transport error", and what is below says so again.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(next) = below {
        let words = next.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
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

    fn runs(&self) -> Runs {
        Runs::Elsewhere
    }

    async fn build(
        &self,
        plan: &Plan,
        shell: &Shell<'_>,
        _: &Inputs<'_>,
    ) -> Result<Built, Failure> {
        shell.sink.stage(&format!("asking BuildKit at {}", self.address));
        let policy = pins::buildkit_policy(plan);
        let order = Order { plan, policy: &policy, runs: Runs::Elsewhere };
        build(&self.address, order, shell, &self.limits).await
    }
}

/// What is asked of a BuildKit.
pub(super) struct Order<'a> {
    /// What to build.
    pub plan: &'a Plan,
    /// The source policy, which may lead to a store instead of the plan's origins.
    pub policy: &'a Value,
    /// Whether the daemon was made for this build alone, and shut in.
    pub runs: Runs,
}

/// Has an order built, once the daemon's version is known to be good enough for it.
pub(super) async fn build(
    address: &Address,
    order: Order<'_>,
    shell: &Shell<'_>,
    limits: &Limits,
) -> Result<Built, Failure> {
    let Order { plan, policy, runs } = order;
    let gone = |why: String| {
        let lost = FailureKind::Lacks(Lack::Address);
        let kind = if runs == Runs::Elsewhere { lost } else { FailureKind::EngineUnavailable };
        shell.failure(kind, why)
    };
    let channel = connect(address).await.map_err(gone)?;
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
        network: buildkit::network(shell, runs, plan),
        numbers: buildkit::numbers(shell, runs),
        ephemeral: runs == Runs::Here,
        served: None,
        unbounded: None,
    };
    let id = name(shell.work);
    let layout = shell.work.join("out");
    let session = Session::open(&mut client, &id, &layout, limits.rebuild_disk_bytes).await;
    let session = session.map_err(|status| gone(said(&status)))?;
    shell.sink.stage("building");
    let mut follow = pin!(follow(client.clone(), id.clone(), shell));
    let mut solve = pin!(solve(channel, request(plan, policy, &id, &session.id)));
    let solved = tokio::select! {
        solved = &mut solve => {
            // What a step that failed printed last may still be on its way.
            if solved.is_err() {
                let _ = tokio::time::timeout(LAST_WORDS, follow).await;
            }
            solved
        }
        // Its end says nothing: the solve does.
        () = &mut follow => solve.await,
    };
    let solved = solved.map_err(|status| match session.refusal() {
        Some((kind, why)) => shell.failure(kind, why),
        None => buildkit::held_back(failure(&status, shell), plan),
    });
    let received = solved.and_then(|_| match layout.join("index.json").is_file() {
        true => Ok(()),
        false => Err(gone("BuildKit gave no image".to_owned())),
    });
    received.map_err(|failure| Failure { engine: Some(Box::new(report.clone())), ..failure })?;
    // Asked again of the job that ran.
    let report = EngineReport { network: buildkit::network(shell, runs, plan), ..report };
    Ok(Built { layout, report, pins: pins::digest(&pins::buildkit_policy(plan)), frontend: None })
}

/// A name that no other build has: that of the folder around the job's is random.
pub(super) fn name(work: &Path) -> String {
    let folder = work.parent().and_then(Path::file_name);
    let name = folder.map(|name| name.to_string_lossy().into_owned());
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

fn request(plan: &Plan, policy: &Value, id: &str, session: &str) -> Newer {
    let mut attributes: HashMap<String, String> =
        buildkit::frontend_options(plan).into_iter().collect();
    attributes.insert("no-cache".to_owned(), String::new());
    attributes.insert(buildkit::CACHES.to_owned(), id.to_owned());
    if buildkit::own_frontend(plan) {
        attributes.insert("cmdline".to_owned(), String::new());
    }
    let request = SolveRequest {
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
    };
    Newer { request, compatibility: plan.compatibility, proxy: !plan.fetched.is_empty() }
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

/// A solve with fields that the generated message does not have: `CompatibilityVersion = 16` (since BuildKit 0.30) and
/// `ProxyNetwork = 17` (since 0.31). Older ones ignore them, so the second needs a look at the version.
#[derive(Debug, Clone, Default, PartialEq)]
struct Newer {
    request: SolveRequest,
    compatibility: Option<i64>,
    proxy: bool,
}

/// Numbers of the fields.
const COMPATIBILITY: u32 = 16;
const PROXY: u32 = 17;

impl prost::Message for Newer {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.request.encode_raw(buffer);
        if let Some(version) = &self.compatibility {
            prost::encoding::int64::encode(COMPATIBILITY, version, buffer);
        }
        if self.proxy {
            prost::encoding::bool::encode(PROXY, &self.proxy, buffer);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            COMPATIBILITY => {
                let version = self.compatibility.get_or_insert_default();
                prost::encoding::int64::merge(wire_type, version, buffer, context)
            }
            PROXY => prost::encoding::bool::merge(wire_type, &mut self.proxy, buffer, context),
            _ => self.request.merge_field(tag, wire_type, buffer, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let version = self.compatibility.as_ref();
        let version = version.map_or(0, |v| prost::encoding::int64::encoded_len(COMPATIBILITY, v));
        let proxy = match self.proxy {
            true => prost::encoding::bool::encoded_len(PROXY, &true),
            false => 0,
        };
        self.request.encoded_len() + version + proxy
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

async fn solve(channel: Channel, request: Newer) -> Result<SolveResponse, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|e| Status::unavailable(chain(&e)))?;
    let codec = tonic_prost::ProstCodec::<Newer, SolveResponse>::default();
    let path =
        tonic::codegen::http::uri::PathAndQuery::from_static("/moby.buildkit.v1.Control/Solve");
    Ok(grpc.unary(Request::new(request), path, codec).await?.into_inner())
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
        told.transfers(&status).iter().for_each(|line| shell.tell(line));
    }
}

/// Steps of one build that are told of.
const STEPS_MAX: usize = 10_000;

/// The steps that were named, by their digests.
#[derive(Debug, Default)]
struct Told {
    steps: BTreeMap<String, ToldStep>,
}

#[derive(Debug)]
struct ToldStep {
    number: usize,
    is_over: bool,
}

impl Told {
    /// New lines in the form of `buildctl --progress=plain`: `#1 name` where a step begins, `#1 DONE 0.3s` or what broke where it
    /// ends, `#1 text` for what it prints, so that no step can speak as BuildKit. BuildKit lists steps before they begin, those that
    /// depend on others last.
    fn lines(&mut self, status: &StatusResponse) -> Vec<String> {
        let mut lines = Vec::new();
        let begun = |vertex: &&Vertex| vertex.started.is_some() || !vertex.error.is_empty();
        for vertex in status.vertexes.iter().filter(begun) {
            let next = self.steps.len() + 1;
            let known = self.steps.contains_key(&vertex.digest);
            if !known && next > STEPS_MAX {
                continue;
            }
            let fresh = ToldStep { number: next, is_over: false };
            let step = self.steps.entry(vertex.digest.clone()).or_insert(fresh);
            let number = step.number;
            if !known {
                lines.push(format!("#{number} {}", vertex.name));
            }
            if !step.is_over && (vertex.completed.is_some() || !vertex.error.is_empty()) {
                step.is_over = true;
                lines.push(format!("#{number} {}", end(vertex)));
            }
        }
        let number = |digest: &str| self.steps.get(digest).map_or(0, |step| step.number);
        for log in &status.logs {
            let (number, text) = (number(&log.vertex), String::from_utf8_lossy(&log.msg));
            lines.extend(text.lines().map(|line| format!("#{number} {line}")));
        }
        lines
    }

    /// How far transfers within steps are, for people who wait.
    fn transfers(&self, status: &StatusResponse) -> Vec<String> {
        let line = |transfer: &VertexStatus| {
            let step = self.steps.get(&transfer.vertex).filter(|step| !step.is_over)?;
            let (number, id) = (step.number, &transfer.id);
            let (current, total) = (transfer.current, transfer.total);
            let counted = transfer.completed.is_none() && current > 0 && total > 0;
            counted.then(|| format!("#{number} {id} {current} / {total}"))
        };
        status.statuses.iter().filter_map(line).collect()
    }
}

/// How a step ended.
fn end(vertex: &Vertex) -> String {
    if !vertex.error.is_empty() {
        return format!("ERROR: {}", vertex.error);
    }
    if vertex.cached {
        return "CACHED".to_owned();
    }
    let times = vertex.started.zip(vertex.completed);
    let Some((from, to)) = times else { return "DONE".to_owned() };
    let nanos = f64::from(to.nanos) - f64::from(from.nanos);
    let seconds = to.seconds as f64 - from.seconds as f64 + nanos / 1e9;
    format!("DONE {:.1}s", seconds.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn what_is_below_an_error_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("transport error")]
        struct Outer(#[source] Middle);
        #[derive(Debug, thiserror::Error)]
        #[error("/run/b.sock: gone")]
        struct Middle(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("gone")]
        struct Inner;
        assert_eq!(chain(&Outer(Middle(Inner))), "transport error: /run/b.sock: gone");
    }

    #[test]
    fn newer_fields_of_a_solve_have_their_numbers() {
        let request = SolveRequest { r#ref: "x".to_owned(), ..SolveRequest::default() };
        let plain = request.encode_to_vec();
        // Tags as varints: 16 << 3 and 17 << 3.
        let (version, proxied) = (vec![0x80, 0x01, 30], vec![0x88, 0x01, 1]);
        for (compatibility, proxy, more) in [
            (None, false, vec![]),
            (Some(30), false, version.clone()),
            (None, true, proxied.clone()),
            (Some(30), true, [version, proxied].concat()),
        ] {
            let newer = Newer { request: request.clone(), compatibility, proxy };
            let encoded = newer.encode_to_vec();
            assert_eq!(encoded, [plain.clone(), more].concat());
            assert_eq!(Newer::decode(encoded.as_slice()).unwrap(), newer);
        }
    }

    /// A step of a build; `times` are its start and its end, in seconds.
    fn vertex(digest: &str, times: (Option<i64>, Option<i64>)) -> Vertex {
        let at = |seconds: Option<i64>| {
            let mut time =
                Vertex { started: Some(Default::default()), ..Vertex::default() }.started;
            time.iter_mut().zip(seconds).for_each(|(time, seconds)| time.seconds = seconds);
            time.filter(|_| seconds.is_some())
        };
        let (digest, name) = (digest.to_owned(), format!("[1/2] {digest}"));
        Vertex { digest, name, started: at(times.0), completed: at(times.1), ..Vertex::default() }
    }

    #[test]
    fn steps_are_told_as_buildkits_client_tells_them() {
        let mut told = Told::default();
        let (waits, runs) = (vertex("a", (None, None)), vertex("b", (Some(1), None)));
        let status = |vertexes: Vec<Vertex>| StatusResponse { vertexes, ..Default::default() };
        assert_eq!(told.lines(&status(vec![waits, runs])), ["#1 [1/2] b"]);
        let transfer = |vertex: &str, current, total| VertexStatus {
            id: "layer".to_owned(),
            vertex: vertex.to_owned(),
            current,
            total,
            ..Default::default()
        };
        let transfers = StatusResponse {
            statuses: vec![transfer("b", 1, 2), transfer("b", 0, 2), transfer("x", 1, 2)],
            ..Default::default()
        };
        assert_eq!(told.transfers(&transfers), ["#1 layer 1 / 2"]);
        let cached = Vertex { cached: true, ..vertex("c", (Some(1), Some(1))) };
        let broken = Vertex { error: "exit code: 1".to_owned(), ..vertex("d", (Some(1), None)) };
        let absurd = vertex("e", (Some(i64::MIN), Some(i64::MAX)));
        let backwards = vertex("f", (Some(i64::MAX), Some(i64::MIN)));
        let over = vertex("b", (Some(1), Some(3)));
        let lines = told.lines(&status(vec![over.clone(), cached, broken, backwards]));
        let want = [
            "#1 DONE 2.0s",
            "#2 [1/2] c",
            "#2 CACHED",
            "#3 [1/2] d",
            "#3 ERROR: exit code: 1",
            "#4 [1/2] f",
            "#4 DONE 0.0s",
        ];
        assert_eq!(lines, want);
        assert_eq!(told.lines(&status(vec![over])), [""; 0], "what is over is told once");
        assert_eq!(told.lines(&status(vec![absurd])).len(), 2);
        assert_eq!(told.transfers(&transfers), [""; 0], "of what goes on alone");
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
}
