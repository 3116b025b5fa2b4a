//! Connections, so many at a time that what they hold fits into memory (attack C20).
//!
//! Whoever reaches the port may open one, so that a new one is always let in, and an old one ends for it where there are too
//! many, in all or of one address: one of the address that has most of them; one that asks nothing before one that sends a
//! review, and that before one that waits for an answer; among these the one that has been at it longest. The apiserver has
//! few, sends at once, and waits: others go before its own. Addresses say no more than that, because it may share its
//! address with pods. A connection that asks nothing for long ends by itself.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::http::Request;
use axum_server::accept::Accept;
use futures_util::{FutureExt, future::BoxFuture, task::AtomicWaker};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tower::Service;

/// How many connections there are, and for how long.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// Connections in all.
    all: usize,
    /// Of these, connections of one address.
    address: usize,
    /// Time to the first request.
    first: Duration,
    /// Time from one request to the next.
    idle: Duration,
}

/// The sizes of a gate. An apiserver needs a connection for each 16 reviews that it asks about at the same time, and closes
/// its own after 90 s of silence.
const SIZES: Sizes =
    Sizes { all: 256, address: 64, first: Duration::from_secs(15), idle: Duration::from_secs(180) };
/// Time between two looks for those that ask nothing.
const SWEEP: Duration = Duration::from_secs(5);

/// All connections.
#[derive(Clone)]
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    sizes: Sizes,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// The number of the last one.
    last: u64,
    all: BTreeMap<u64, Entry>,
}

struct Entry {
    address: IpAddr,
    /// Requests whose body is not there yet.
    receiving: usize,
    /// Requests that are answered.
    answering: usize,
    asked: bool,
    /// When it came to what it is at.
    since: Instant,
    end: Arc<End>,
}

/// What a connection is at: the first to go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Nothing,
    Sending,
    Waiting,
}

impl Entry {
    fn at(&self) -> At {
        match (self.answering, self.receiving) {
            (0, 0) => At::Nothing,
            (0, _) => At::Sending,
            _ => At::Waiting,
        }
    }

    /// Changes what it is at.
    fn change(&mut self, now: Instant, by: impl FnOnce(&mut Self)) {
        let before = self.at();
        by(self);
        if self.at() != before {
            self.since = now;
        }
    }
}

/// The order to end.
#[derive(Default)]
struct End {
    said: AtomicBool,
    waker: AtomicWaker,
}

impl End {
    fn say(&self) {
        self.said.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// An error once it was said; else whoever asks is woken when it is.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        self.waker.register(cx.waker());
        match self.said.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionAborted.into()),
            false => Ok(()),
        }
    }
}

/// One connection, until it is dropped.
struct Connection {
    connections: Connections,
    number: u64,
    address: IpAddr,
    end: Arc<End>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.lock().all.remove(&self.number);
    }
}

impl Connections {
    pub(super) fn new() -> Self {
        Self::sized(SIZES)
    }

    fn sized(sizes: Sizes) -> Self {
        Self(Arc::new(Inner { sizes, table: Mutex::default() }))
    }

    /// Lets one in, and ends another one where there are too many.
    fn enter(&self, address: IpAddr) -> Connection {
        // An IPv6 socket names those of IPv4 in its own way.
        let address = address.to_canonical();
        let end = Arc::new(End::default());
        let mut table = self.lock();
        table.make_room(address, &self.0.sizes);
        table.last += 1;
        let (number, since) = (table.last, Instant::now());
        let entry = Entry {
            address,
            receiving: 0,
            answering: 0,
            asked: false,
            since,
            end: Arc::clone(&end),
        };
        table.all.insert(number, entry);
        Connection { connections: self.clone(), number, address, end }
    }

    /// Ends those that ask nothing for too long, again and again.
    pub(super) async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.lock().sweep(Instant::now(), &self.0.sizes);
        }
    }

    fn change(&self, number: u64, by: impl FnOnce(&mut Entry)) {
        // One that has to end is not there any more.
        if let Some(entry) = self.lock().all.get_mut(&number) {
            entry.change(Instant::now(), by);
        }
    }

    /// A table is whole between any two statements that hold the lock, so that a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn make_room(&mut self, address: IpAddr, sizes: &Sizes) {
        let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for entry in self.all.values() {
            *held.entry(entry.address).or_default() += 1;
        }
        let own = held.get(&address).copied().unwrap_or_default();
        let from = if own >= sizes.address {
            Some(address)
        } else if self.all.len() >= sizes.all {
            held.into_iter().max_by_key(|(_, count)| *count).map(|(address, _)| address)
        } else {
            None
        };
        let of = self.all.iter().filter(|(_, entry)| Some(entry.address) == from);
        let first = of.min_by_key(|(number, entry)| (entry.at(), entry.since, **number));
        if let Some(number) = first.map(|(number, _)| *number) {
            self.end(number);
        }
    }

    fn sweep(&mut self, now: Instant, sizes: &Sizes) {
        let over = |entry: &Entry| {
            let patience = if entry.asked { sizes.idle } else { sizes.first };
            entry.at() == At::Nothing && now.saturating_duration_since(entry.since) >= patience
        };
        let over = self.all.iter().filter(|(_, entry)| over(entry));
        for number in over.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.end(number);
        }
    }

    fn end(&mut self, number: u64) {
        if let Some(entry) = self.all.remove(&number) {
            entry.end.say();
        }
    }
}

/// A request under way, in its extensions.
pub(super) struct Asking {
    connection: Arc<Connection>,
    /// Whether its body is still to come.
    receiving: AtomicBool,
}

impl Asking {
    fn begin(connection: &Arc<Connection>) -> Arc<Self> {
        let Connection { connections, number, .. } = &**connection;
        connections.change(*number, |entry| {
            entry.receiving += 1;
            entry.asked = true;
        });
        Arc::new(Self { connection: Arc::clone(connection), receiving: AtomicBool::new(true) })
    }

    /// Who asks.
    pub(super) fn address(&self) -> IpAddr {
        self.connection.address
    }

    /// Its body is there.
    pub(super) fn is_read(&self) {
        if self.receiving.swap(false, Ordering::Relaxed) {
            self.connection.connections.change(self.connection.number, |entry| {
                entry.receiving -= 1;
                entry.answering += 1;
            });
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let receiving = *self.receiving.get_mut();
        self.connection.connections.change(self.connection.number, |entry| match receiving {
            true => entry.receiving -= 1,
            false => entry.answering -= 1,
        });
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Watched<TcpStream>;
    type Service = Telling<S>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let address = stream.set_nodelay(true).and_then(|()| stream.peer_addr());
        ready(address.map(|address| {
            let connection = Arc::new(self.enter(address.ip()));
            let watched = Watched { stream, end: Arc::clone(&connection.end) };
            (watched, Telling { service, connection })
        }))
    }
}

/// A stream that breaks once its connection has to end.
pub(super) struct Watched<T> {
    stream: T,
    end: Arc<End>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.end.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.end.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A service that tells its connection what it is at.
#[derive(Clone)]
pub(super) struct Telling<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S, B> Service<Request<B>> for Telling<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let asking = Asking::begin(&self.connection);
        request.extensions_mut().insert(Arc::clone(&asking));
        let answer = self.service.call(request);
        async move {
            let answer = answer.await;
            drop(asking);
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Sizes = Sizes { all: 4, address: 3, ..SIZES };

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    /// Which of these were told to end.
    fn ended(all: &[Arc<Connection>]) -> Vec<usize> {
        let ended = all.iter().enumerate().filter(|(_, one)| one.end.said.load(Ordering::Acquire));
        ended.map(|(n, _)| n).collect()
    }

    #[test]
    fn c20_a_new_connection_is_let_in_and_who_holds_most_and_asks_least_goes() {
        use At::{Nothing, Sending, Waiting};
        // Address and occupation of each, of whom the last one comes when there are enough; who ends.
        type Case<'a> = (&'a str, &'a [(u8, At)], &'a [usize]);
        let cases: [Case<'_>; 9] = [
            ("there is room", &[(1, Nothing), (1, Nothing), (1, Nothing), (2, Nothing)], &[]),
            ("oldest", &[(1, Nothing), (1, Nothing), (1, Nothing), (1, Nothing)], &[0]),
            ("idle first", &[(1, Sending), (1, Waiting), (1, Nothing), (1, Nothing)], &[2]),
            ("then who sends", &[(1, Waiting), (1, Sending), (1, Waiting), (1, Nothing)], &[1]),
            ("then who waits", &[(1, Waiting), (1, Waiting), (1, Waiting), (1, Nothing)], &[0]),
            (
                "of the address itself",
                &[(2, Nothing), (1, Sending), (1, Sending), (1, Sending), (1, Nothing)],
                &[1],
            ),
            (
                "of the address with most",
                &[(2, Nothing), (1, Waiting), (1, Waiting), (1, Waiting), (3, Nothing)],
                &[1],
            ),
            (
                "whoever comes",
                &[(3, Nothing), (2, Nothing), (1, Sending), (1, Waiting), (2, Nothing)],
                &[2],
            ),
            ("nobody of few", &[(2, Nothing), (1, Nothing), (1, Nothing), (2, Nothing)], &[]),
        ];
        for (name, all, want) in cases {
            let connections = Connections::sized(SMALL);
            let (mut held, mut asking) = (Vec::new(), Vec::new());
            for (from, at) in all {
                let connection = Arc::new(connections.enter(address(*from)));
                if *at > Nothing {
                    asking.push(Asking::begin(&connection));
                }
                if *at == Waiting {
                    asking.last().expect("one").is_read();
                }
                held.push(connection);
            }
            assert_eq!(ended(&held), want, "{name}");
            drop((held, asking));
            assert!(connections.lock().all.is_empty(), "{name}");
        }
    }

    #[test]
    fn c20_who_asks_nothing_for_long_is_ended_and_who_asks_is_not() {
        let connections = Connections::sized(Sizes { all: 9, address: 9, ..SIZES });
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().expect("an address");
        let all: Vec<_> = (0..4).map(|_| Arc::new(connections.enter(mapped))).collect();
        assert_eq!(all[0].address, address(1));
        let asking = Asking::begin(&all[1]);
        drop(Asking::begin(&all[2]));
        let answering = Asking::begin(&all[3]);
        answering.is_read();
        let sweep = |after: Duration| {
            connections.lock().sweep(Instant::now() + after, &SIZES);
            ended(&all)
        };
        assert!(sweep(Duration::ZERO).is_empty());
        assert_eq!(sweep(SIZES.first), [0]);
        assert_eq!(sweep(SIZES.idle), [0, 2]);
        drop((asking, answering));
        assert_eq!(sweep(SIZES.idle), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn c20_a_stream_breaks_when_its_connection_has_to_end() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let connections = Connections::sized(Sizes { address: 1, ..SMALL });
        let first = connections.enter(address(1));
        let (mut other, stream) = tokio::io::duplex(64);
        let mut watched = Watched { stream, end: Arc::clone(&first.end) };
        other.write_all(b"a").await.expect("room");
        assert_eq!(watched.read_u8().await.expect("a byte"), b'a');
        let reading = tokio::spawn(async move {
            let read = watched.read_u8().await;
            (read.map_err(|error| error.kind()), watched.write_u8(0).await.is_err())
        });
        tokio::task::yield_now().await;
        assert!(!reading.is_finished());
        let _second = connections.enter(address(1));
        let ended = tokio::time::timeout(Duration::from_secs(5), reading).await;
        let ended = ended.expect("it is woken").expect("no panic");
        assert_eq!(ended, (Err(io::ErrorKind::ConnectionAborted), true));
    }
}
