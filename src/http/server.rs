//! Listeners to connections, and HTTP/1.1 on each of them. Like
//! `actix_web::HttpServer`, except for the kind of connection that a unix socket gets.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::{DispatchError, ParseError};
use actix_http::{HttpService, KeepAlive};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_web::dev::Server;
use actix_web::rt::spawn;
use actix_web::rt::time::sleep;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::unix_stream::UnixConnection;
use super::{Gate, route};
use crate::request::Request;
use crate::system::listen::Listener;
use crate::system::process;
use crate::verdict::Reason;

/// Answers on all listeners until the shutdown comes; then takes no further connection, and lets the
/// requests in hand finish.
pub(crate) fn serve(
    listeners: Vec<Listener>,
    workers: usize,
    gate: &Gate,
    shutdown: impl Future<Output = ()> + 'static,
) -> io::Result<Server> {
    let mut server = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections_per_worker(workers))
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS);
    for (number, listener) in listeners.into_iter().enumerate() {
        let name = format!("listener-{number}");
        let draining = server.graceful_shutdown_signal();
        let gate = gate.clone();
        let drained = move || {
            let draining = draining.clone();
            async move { draining.notified().await }
        };
        server = match listener {
            Listener::Tcp(listener) => server.listen(name, listener, move || {
                let connect = |stream: TcpStream| ready(Ok((stream, None)));
                fn_service(connect).and_then(conversation(&gate, KEEP_ALIVE_TCP, drained.clone()))
            })?,
            Listener::Unix(listener) => server.listen_uds(name, listener, move || {
                let connect = |stream: UnixStream| {
                    let connection = UnixConnection::new(stream).map_err(DispatchError::Io);
                    ready(connection.map(|connection| (connection, None)))
                };
                fn_service(connect).and_then(conversation(&gate, KEEP_ALIVE_UNIX, drained.clone()))
            })?,
        };
    }
    let server = server.run();
    let handle = server.handle();
    spawn(async move {
        shutdown.await;
        // To stop at once would drop connections that no worker has taken over yet, with their requests.
        handle.pause().await;
        sleep(HANDING_OVER).await;
        handle.stop(true).await;
    });
    Ok(server)
}

/// HTTP/1.1 over one connection.
fn conversation<T, Drained, Fut>(
    gate: &Gate,
    keep_alive: KeepAlive,
    drained: Drained,
) -> impl ServiceFactory<
    (T, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<T, Drained, Fut>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    Drained: Fn() -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let gate = Rc::new(gate.clone());
    let refusing = Rc::clone(&gate);
    HttpService::build()
        .keep_alive(keep_alive)
        .client_request_timeout(FIRST_REQUEST)
        .graceful_shutdown_signal(drained)
        // nginx closes both ways when its client has gone: its slot in the queue is free.
        .h1_allow_half_closed(false)
        .h1(fn_service(move |request| route(request, Rc::clone(&gate))))
        .map_err(move |error| count_malformed(error, &refusing))
}

/// How many connections there may be. More wait in the listener's backlog.
pub(crate) fn most_connections(workers: usize) -> usize {
    workers.saturating_mul(connections_per_worker(workers))
}

/// How many files must be allowed for so many connections.
pub(crate) fn open_files_for(connections: usize, workers: usize) -> usize {
    connections.saturating_add(reserved(workers))
}

/// Few enough that files can still be opened: without a descriptor for the users file a removed user
/// would stay.
fn connections_per_worker(workers: usize) -> usize {
    let left = process::open_files().saturating_sub(reserved(workers));
    (left / workers.max(1)).clamp(1, MOST_CONNECTIONS)
}

/// File descriptors that are not connections.
fn reserved(workers: usize) -> usize {
    RESERVED.saturating_add(workers.saturating_mul(RESERVED_PER_WORKER))
}

/// Counts a request that the HTTP library cannot read: it answers 400 or 431, and ends the
/// connection with this error. One whose client has gone before the answer is not seen here.
fn count_malformed(error: DispatchError, gate: &Gate) -> DispatchError {
    if let DispatchError::Parse(parse) = &error
        && !matches!(parse, ParseError::Io(_) | ParseError::Timeout)
    {
        let reason = Reason::MalformedRequest;
        gate.judge.metrics().count(reason);
        gate.audit.report(&Request::default(), reason, None);
    }
    error
}

/// Longer than nginx's 60 s (`keepalive_timeout` of an upstream), so that nginx never reuses a
/// connection that is just being closed.
const KEEP_ALIVE_TCP: KeepAlive = KeepAlive::Timeout(Duration::from_secs(90));
/// A peer on this machine cannot vanish without the system telling us, so a connection lasts until
/// nginx closes it, and no request sets a timer.
const KEEP_ALIVE_UNIX: KeepAlive = KeepAlive::Os;
/// How long a new connection may be silent. The library's clock is half a second behind, and much more
/// when the process has been frozen: on waking it would answer 408 to requests that have just come,
/// which nginx makes a 500. So this is longer than a frozen process is of use to anybody; it ends
/// connections whose peer has vanished.
const FIRST_REQUEST: Duration = Duration::from_secs(3600);
/// A worker takes over what has been accepted, and reads its request, in far less time; where both cores
/// are taken by other programs 0.2 s were too few.
const HANDING_OVER: Duration = Duration::from_secs(1);
/// How long requests in hand may take to finish: less than the ten seconds after which Docker kills a
/// container. The slowest hash that is allowed takes less.
const SHUTDOWN_SECONDS: u64 = 8;
/// File descriptors for files, watches, listeners and the log ...
const RESERVED: usize = 64;
/// ... and for what a worker needs beside its connections.
const RESERVED_PER_WORKER: usize = 8;
/// The most for each worker, whatever the system allows.
const MOST_CONNECTIONS: usize = 25_000;
