//! Where the service listens: addresses as people write them, and sockets that are ready.

mod address;
mod handover;
mod remedy;
mod unix;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Protocol, Socket, Type};

pub(crate) use self::address::{Address, SocketMode};
pub(crate) use self::handover::Handover;

/// A socket that connections can already queue at.
#[derive(Debug)]
pub(crate) enum Listener {
    /// IPv4, or IPv6 and nothing else.
    Tcp(TcpListener),
    /// A unix socket, with its mode and group.
    Unix(UnixListener),
}

impl Listener {
    /// Listens on every address, and logs it, with the mode and owner of unix sockets.
    ///
    /// # Errors
    ///
    /// One line about the first address that cannot be used, with a remedy where there is one.
    pub(crate) fn open(
        addresses: &[Address],
        mode: SocketMode,
        group: Option<&str>,
        mut handover: Handover,
    ) -> Result<Vec<Self>, String> {
        let mut listeners = Vec::new();
        for address in addresses {
            let explain = |error: io::Error| {
                let what = remedy::explain(address, &error);
                format!("cannot listen on {address}: {what}")
            };
            match address {
                Address::Tcp(tcp) => {
                    let listener = bind_tcp(*tcp).map_err(explain)?;
                    let bound = listener.local_addr().map_err(explain)?;
                    log::info!("listening on {bound}");
                    listeners.push(Self::Tcp(listener));
                }
                Address::Unix(path) => {
                    let listener = unix::bind(path, mode, group).map_err(explain)?;
                    unix::announce(path);
                    listeners.push(Self::Unix(listener));
                }
                Address::Systemd => listeners.extend(handover.take().map_err(explain)?),
            }
        }
        if !addresses.contains(&Address::Systemd) {
            handover.warn_if_unused();
        }
        Ok(listeners)
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // As nginx does: 0.0.0.0 and [::] can then be given side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that may queue before they are taken.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_unix_socket_is_replaced_only_when_nobody_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix(path.clone());
        let bind = || open(&address, "0640");
        let first = bind().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(bind().unwrap_err().contains("another process answers"));
        drop(first);
        assert!(path.exists(), "the socket is left behind");
        drop(bind().unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(bind().unwrap_err().to_string().contains("not a socket"));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn both_families_on_one_port() {
        let any = "127.0.0.1:0".parse().unwrap();
        let Ok(Listener::Tcp(first)) = open(&any, "0660") else {
            panic!("must listen");
        };
        let port = first.local_addr().unwrap().port();
        let six = format!("[::1]:{port}").parse().unwrap();
        assert!(open(&six, "0660").is_ok());
        let again = format!("127.0.0.1:{port}").parse().unwrap();
        let error = open(&again, "0660").unwrap_err().to_string();
        assert!(error.contains("cannot listen on 127.0.0.1"), "{error}");
    }

    #[test]
    fn nothing_handed_over() {
        let error = open(&Address::Systemd, "0660").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot listen on systemd: no socket was handed over"),
            "{error}"
        );
    }

    fn open(address: &Address, mode: &str) -> Result<Listener, String> {
        let handover = Handover::from_environment();
        let address = std::slice::from_ref(address);
        Listener::open(address, mode.parse().unwrap(), None, handover)
            .map(|mut listeners| listeners.remove(0))
    }
}
