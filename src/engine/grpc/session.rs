//! The session of one solve: what BuildKit may ask of its client, which is to take the result.
//!
//! Turns a channel to BuildKit into a session (moby/buildkit, `session/session.go`): an HTTP/2 connection that is tunnelled
//! through `Control.Session` and on which the client is the server. It offers `FileSend`, by which the exporter's archive comes, and
//! `Health`, without which BuildKit gives the session up. Offers no files, secrets, SSH agents or credentials, so none can be
//! asked for.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bollard_buildkit_proto::{
    health::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    moby::{
        buildkit::v1::{BytesMessage, control_client::ControlClient},
        filesync::v1::{
            BytesMessage as FileBytes,
            file_send_server::{FileSend, FileSendServer},
        },
    },
};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc,
    task::JoinSet,
};
use tonic::{
    Request, Response, Status, Streaming,
    metadata::{MetadataMap, MetadataValue},
    transport::{Channel, Server},
};

/// Bytes that are on the way at once.
const WINDOW_BYTES: usize = 256 << 10;
/// Messages that are on the way at once.
const MESSAGES: usize = 16;
/// Largest message that is taken, in bytes; BuildKit's own bound is 16 MiB.
const MESSAGE_BYTES: usize = 16 << 20;

/// A running session; everything of it ends when this is dropped.
pub struct Session {
    /// Its name, by which a solve refers to it.
    pub id: String,
    _tasks: JoinSet<()>,
}

impl Session {
    /// Opens a session whose result goes to the file `to`, at most `limit_bytes` of it.
    ///
    /// # Errors
    /// BuildKit does not open one.
    pub async fn open(
        client: &mut ControlClient<Channel>,
        id: &str,
        to: &Path,
        limit_bytes: u64,
    ) -> Result<Self, Status> {
        let (sender, receiver) = mpsc::channel::<BytesMessage>(MESSAGES);
        let outgoing = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|message| (message, receiver))
        });
        let mut request = Request::new(outgoing);
        headers(request.metadata_mut(), id)?;
        let incoming = client.session(request).await?.into_inner();
        let (ours, theirs) = tokio::io::duplex(WINDOW_BYTES);
        let (from_server, to_server) = tokio::io::split(theirs);
        let mut tasks = JoinSet::new();
        tasks.spawn(send(from_server, sender));
        tasks.spawn(receive(incoming, to_server));
        tasks.spawn(serve(
            ours,
            Receiver { file: to.to_owned(), limit_bytes, begun: Mutex::default() },
        ));
        Ok(Self { id: id.to_owned(), _tasks: tasks })
    }
}

/// What the session is called, and what can be called in it.
fn headers(metadata: &mut MetadataMap, id: &str) -> Result<(), Status> {
    let text = |text: &str| {
        text.parse::<MetadataValue<_>>().map_err(|_| Status::invalid_argument("no session name"))
    };
    metadata.insert("x-docker-expose-session-uuid", text(id)?);
    metadata.insert("x-docker-expose-session-name", text("hallmark")?);
    for method in ["/moby.filesync.v1.FileSend/DiffCopy", "/grpc.health.v1.Health/Check"] {
        metadata.append("x-docker-expose-session-grpc-method", text(method)?);
    }
    Ok(())
}

async fn send(mut from: tokio::io::ReadHalf<DuplexStream>, to: mpsc::Sender<BytesMessage>) {
    let mut buffer = vec![0; 32 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let data = buffer.get(..length).unwrap_or_default().to_vec();
        if to.send(BytesMessage { data }).await.is_err() {
            break;
        }
    }
}

async fn receive(mut from: Streaming<BytesMessage>, mut to: tokio::io::WriteHalf<DuplexStream>) {
    while let Ok(Some(message)) = from.message().await {
        if to.write_all(&message.data).await.is_err() {
            break;
        }
    }
}

async fn serve(connection: DuplexStream, receiver: Receiver) {
    let files = FileSendServer::new(receiver).max_decoding_message_size(MESSAGE_BYTES);
    let incoming = stream::iter([Ok::<_, std::io::Error>(connection)]).chain(stream::pending());
    // It ends with the session; what broke shows in the solve.
    let _ = Server::builder()
        .add_service(HealthServer::new(Alive))
        .add_service(files)
        .serve_with_incoming(incoming)
        .await;
}

struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("only Check is answered"))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only Check is answered"))
    }
}

/// Takes the exporter's archive, once.
struct Receiver {
    file: PathBuf,
    limit_bytes: u64,
    begun: Mutex<bool>,
}

#[tonic::async_trait]
impl FileSend for Receiver {
    type DiffCopyStream = BoxStream<'static, Result<FileBytes, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<FileBytes>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let begun = std::mem::replace(
            &mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner),
            true,
        );
        if begun {
            return Err(Status::already_exists("one result is taken and no more"));
        }
        let broken = |e: std::io::Error| Status::internal(e.to_string());
        let mut file = std::fs::File::create(&self.file).map_err(broken)?;
        let (mut incoming, mut left) = (request.into_inner(), self.limit_bytes);
        while let Some(message) = incoming.message().await? {
            left = left.checked_sub(message.data.len() as u64).ok_or_else(|| {
                Status::resource_exhausted(format!(
                    "the result is larger than {} bytes",
                    self.limit_bytes
                ))
            })?;
            file.write_all(&message.data).map_err(broken)?;
        }
        Ok(Response::new(stream::empty().boxed()))
    }
}
