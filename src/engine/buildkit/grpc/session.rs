//! The session of one solve: what BuildKit may ask of its client, which is to take the result.
//!
//! Turns a channel to BuildKit into a session (moby/buildkit, `session/session.go`): an HTTP/2 connection that is tunnelled
//! through `Control.Session` and on which the client is the server. It offers `FileSend`, by which the exporter's archive comes, and
//! `Health`, without which BuildKit gives the session up. Offers no files, secrets, SSH agents or credentials, so none can be
//! asked for.

use std::{
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
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

use crate::{limits::key, rebuild::FailureKind};

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
    refusal: Refusal,
    _tasks: JoinSet<()>,
}

/// Why the result was not taken, where that is so.
type Refusal = Arc<OnceLock<(FailureKind, String)>>;

impl Session {
    /// Opens a session whose result goes to the layout `to`, at most `limit_bytes` of it.
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
        let refusal = Refusal::default();
        let (layout, begun) = (to.to_owned(), AtomicBool::new(false));
        let receiver = Receiver { layout, limit_bytes, begun, refusal: Arc::clone(&refusal) };
        tasks.spawn(serve(ours, receiver));
        Ok(Self { id: id.to_owned(), refusal, _tasks: tasks })
    }

    /// Why the result was not taken, where it came and that is so. BuildKit says of it only that its client failed.
    pub fn refusal(&self) -> Option<(FailureKind, String)> {
        self.refusal.get().cloned()
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

/// Takes the exporter's archive, once, and apart while it comes.
struct Receiver {
    layout: PathBuf,
    limit_bytes: u64,
    begun: AtomicBool,
    refusal: Refusal,
}

impl Receiver {
    fn refuse(&self, kind: FailureKind, why: String) -> Status {
        let status = Status::internal(why.clone());
        let _ = self.refusal.set((kind, why));
        status
    }
}

#[tonic::async_trait]
impl FileSend for Receiver {
    type DiffCopyStream = BoxStream<'static, Result<FileBytes, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<FileBytes>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        if self.begun.swap(true, Ordering::SeqCst) {
            return Err(Status::already_exists("one result is taken and no more"));
        }
        let (sender, receiver) = mpsc::channel(MESSAGES);
        let layout = self.layout.clone();
        let unpacking = tokio::task::spawn_blocking(move || {
            unpack(Incoming { receiver, current: io::Cursor::default() }, &layout)
        });
        let (mut incoming, mut left) = (request.into_inner(), self.limit_bytes);
        while let Some(message) = incoming.message().await? {
            left = left.checked_sub(message.data.len() as u64).ok_or_else(|| {
                let (limit, key) = (self.limit_bytes, key("rebuild_disk_bytes"));
                let why = format!("the result has more than {limit} bytes ({key})");
                self.refuse(FailureKind::BuildFailed, why)
            })?;
            // Whoever unpacks has had enough: the end of the archive, or an error that comes below.
            if sender.send(message.data).await.is_err() {
                break;
            }
        }
        drop(sender);
        let unpacked = unpacking.await.map_err(io::Error::other).flatten();
        unpacked.map_err(|error| {
            let why = format!("the exporter's archive: {error}");
            self.refuse(FailureKind::EngineUnavailable, why)
        })?;
        Ok(Response::new(stream::empty().boxed()))
    }
}

/// Messages as they come, read as one.
struct Incoming {
    receiver: mpsc::Receiver<Vec<u8>>,
    current: io::Cursor<Vec<u8>>,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match Read::read(&mut self.current, buffer)? {
                0 if !buffer.is_empty() => match self.receiver.blocking_recv() {
                    Some(next) => self.current = io::Cursor::new(next),
                    None => return Ok(0),
                },
                length => return Ok(length),
            }
        }
    }
}

/// Files of a layout out of the archive: nothing else is in one, and nothing else comes out. Reads it to its end, so that
/// whoever sends it is not cut short.
fn unpack(mut archive: impl Read, layout: &Path) -> io::Result<()> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut entries = tar::Archive::new(&mut archive);
    for entry in entries.entries()? {
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
                let copied = io::copy(&mut entry, &mut fs::File::create_new(to)?)?;
                if copied != entry.size() {
                    return Err(invalid(format!("{} breaks off", path.display())));
                }
            }
            other => return Err(invalid(format!("{} is a {other:?}", path.display()))),
        }
    }
    io::copy(&mut archive, &mut io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_leaves_its_folder_or_breaks_off_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("out");
        let archive = |path: &str, kind: tar::EntryType, length: usize| {
            let mut header = tar::Header::new_gnu();
            // The crate refuses to write such names itself.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(kind);
            header.set_size(3);
            header.set_cksum();
            let mut builder = tar::Builder::new(Vec::new());
            builder.append(&header, &b"xyz"[..]).unwrap();
            let bytes = builder.into_inner().unwrap();
            let _ = fs::remove_dir_all(&layout);
            unpack(&bytes[..length.min(bytes.len())], &layout)
        };
        let all = usize::MAX;
        assert!(archive("blobs/sha256/aa", tar::EntryType::Regular, all).is_ok());
        assert_eq!(fs::read(layout.join("blobs/sha256/aa")).unwrap(), b"xyz");
        assert!(archive("blobs/sha256/aa", tar::EntryType::Regular, 512 + 2).is_err());
        assert!(archive("../x", tar::EntryType::Regular, all).is_err());
        assert!(archive("/etc/x", tar::EntryType::Regular, all).is_err());
        assert!(archive("blobs/l", tar::EntryType::Symlink, all).is_err());
        assert!(!folder.path().join("x").exists());
    }

    #[test]
    fn messages_are_read_as_one() {
        let (sender, receiver) = mpsc::channel(8);
        for part in ["ab", "", "cde", ""] {
            sender.try_send(part.as_bytes().to_vec()).unwrap();
        }
        drop(sender);
        let mut all = String::new();
        Incoming { receiver, current: io::Cursor::default() }.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcde");
    }
}
