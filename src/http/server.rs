//! Listeners to connections, and HTTP/1.1 on each of them. What `actix_web::HttpServer` does,
//! but for the kind of connection that a unix socket gets.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_web::dev::Server;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::unix_stream::UnixConnection;
use super::{Gate, route};
use crate::listen::Listener;

/// Answers on all listeners until the shutdown comes; then lets the requests in hand finish.
///
/// # Errors
///
/// Listeners that the system does not let us use.
pub fn serve(
    listeners: Vec<Listener>,
    workers: usize,
    gate: &Gate,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let mut server = Server::build()
        .workers(workers)
        .shutdown_signal(shutdown)
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
                fn_service(|stream: TcpStream| ready(Ok((stream, None))))
                    .and_then(conversation(&gate, drained.clone()))
            })?,
            Listener::Unix(listener) => server.listen_uds(name, listener, move || {
                let connect = |stream: UnixStream| {
                    let connection = UnixConnection::new(stream).map_err(DispatchError::Io);
                    ready(connection.map(|connection| (connection, None)))
                };
                fn_service(connect).and_then(conversation(&gate, drained.clone()))
            })?,
        };
    }
    Ok(server.run())
}

/// HTTP/1.1 over one connection.
fn conversation<T, Drained, Fut>(
    gate: &Gate,
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
    let gate = gate.clone();
    HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .graceful_shutdown_signal(drained)
        // nginx closes both ways when its client has gone: the place in the waiting room is free.
        .h1_allow_half_closed(false)
        .h1(fn_service(move |request| route(request, gate.clone())))
}

/// Longer than nginx's 60 s (`keepalive_timeout` of an upstream), so that nginx never reuses a
/// connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(90);
/// What requests in hand get to finish. The slowest hash that is allowed takes less.
const SHUTDOWN_SECONDS: u64 = 10;
