//! Sockets that are open when we start: systemd opens them, keeps connections waiting while we
//! start or restart, and lets us need no right to open any (sd_listen_fds(3)). The only file that
//! names `listenfd`.

use std::env;
use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Listener, unix};

/// The sockets that were handed over.
pub(crate) struct Handover {
    sockets: ListenFd,
    /// Each socket's FileDescriptorName; by default its socket unit's own name.
    names: Vec<String>,
}

impl Handover {
    /// The sockets that the environment describes. To be called once, before the first thread: it
    /// removes its variables from the environment.
    pub(crate) fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self {
            sockets: ListenFd::from_env(),
            names: names.split(':').map(str::to_owned).collect(),
        }
    }

    /// Takes all sockets, and logs where they listen.
    pub(super) fn take(&mut self) -> io::Result<Vec<Listener>> {
        if self.sockets.len() == 0 {
            let what = "no socket was handed over (LISTEN_FDS is not set for this process)";
            let remedy = "start htgate.socket, or name an address";
            return Err(io::Error::other(format!("{what}; {remedy}")));
        }
        let places = 0..self.sockets.len();
        places.map(|place| self.take_one(place)).collect()
    }

    fn take_one(&mut self, place: usize) -> io::Result<Listener> {
        let name = self.names.get(place).map_or("no name", String::as_str);
        let unfit = |what: &str| {
            io::Error::other(format!(
                "socket {} ({name}) is {what}; use ListenStream= and Accept=no",
                place + 1
            ))
        };
        let listener = if let Ok(Some(tcp)) = self.sockets.take_tcp_listener(place) {
            Listener::Tcp(tcp)
        } else if let Ok(Some(unix)) = self.sockets.take_unix_listener(place) {
            Listener::Unix(unix)
        } else {
            return Err(unfit("neither TCP nor a unix stream socket"));
        };
        let socket = match &listener {
            Listener::Tcp(tcp) => SockRef::from(tcp),
            Listener::Unix(unix) => SockRef::from(unix),
        };
        if !socket.is_listener()? {
            return Err(unfit("a connection"));
        }
        match &listener {
            Listener::Tcp(tcp) => log::info!("listening on {}, {name}", tcp.local_addr()?),
            Listener::Unix(unix) => match unix.local_addr()?.as_pathname() {
                Some(path) => unix::announce(path),
                None => log::info!("listening on {name}"),
            },
        }
        Ok(listener)
    }

    /// Warns of sockets that are not taken: nginx would wait for ever there.
    pub(super) fn warn_if_unused(&self) {
        if self.sockets.len() > 0 {
            let names = self.names.join(", ");
            let what = "that htgate does not use; use --listen systemd";
            log::warn!("systemd has handed over sockets ({names}) {what}");
        }
    }
}
