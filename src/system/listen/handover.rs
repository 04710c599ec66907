//! Sockets that are open when we start: systemd opens them, keeps connections waiting while we
//! start or restart, and lets us need no right to open any (sd_listen_fds(3)). The only file that
//! names `listenfd`.

use std::env;
use std::io;

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Listener, unix};

/// What was handed over.
pub(crate) struct Handover {
    sockets: ListenFd,
    /// As the socket unit's FileDescriptorName has them; by default the unit's own name.
    names: Vec<String>,
}

impl Handover {
    /// What the environment tells of. To be called once, before the first thread: it takes its
    /// variables out of the environment.
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
            return Err(io::Error::other(
                "no socket was handed over (LISTEN_FDS is not set for this process); start \
                 htgate.socket, or name an address",
            ));
        }
        (0..self.sockets.len())
            .map(|place| self.take_one(place))
            .collect()
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
        let listens = match &listener {
            Listener::Tcp(tcp) => SockRef::from(tcp).is_listener()?,
            Listener::Unix(unix) => SockRef::from(unix).is_listener()?,
        };
        if !listens {
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

    /// Sockets that nobody takes would let nginx wait for ever.
    pub(super) fn warn_if_unused(&self) {
        if self.sockets.len() > 0 {
            log::warn!(
                "systemd has handed over sockets ({}) on which nobody will answer; say \
                 --listen systemd",
                self.names.join(", ")
            );
        }
    }
}
