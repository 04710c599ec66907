//! Where the service listens: addresses as people write them, and sockets that are ready.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use socket2::{Domain, Protocol, Socket, Type};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// `127.0.0.1:8080` or `[::1]:8080`.
    Tcp(SocketAddr),
    /// `unix:/run/htgate/htgate.sock`.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(BadAddress),
            None => text.parse().map(Self::Tcp).map_err(|_| BadAddress),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Not an address.
#[derive(Debug, PartialEq, Eq)]
pub struct BadAddress;

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write 127.0.0.1:8080, [::1]:8080 or unix:/run/htgate/htgate.sock")
    }
}

impl std::error::Error for BadAddress {}

/// The permission bits of a unix socket. Whoever may write to it may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SocketMode(u32);

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl FromStr for SocketMode {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err(BadMode),
        }
    }
}

impl TryFrom<String> for SocketMode {
    type Error = BadMode;

    fn try_from(text: String) -> Result<Self, BadMode> {
        text.parse()
    }
}

/// Not a mode.
#[derive(Debug, PartialEq, Eq)]
pub struct BadMode;

impl fmt::Display for BadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write octal permission bits, such as 0660")
    }
}

impl std::error::Error for BadMode {}

/// A socket that connections can already queue at.
#[derive(Debug)]
pub enum Listener {
    /// IPv4, or IPv6 and nothing else.
    Tcp(TcpListener),
    /// A unix socket, with the mode and group it shall have.
    Unix(UnixListener),
}

/// Why an address cannot be listened on: one line.
#[derive(Debug)]
pub struct ListenError(String);

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ListenError {}

impl Listener {
    /// Listens on an address, and logs where, with who may connect to a unix socket.
    ///
    /// # Errors
    ///
    /// What the system refuses, with the address and, where there is one, a remedy.
    pub fn bind(
        address: &Address,
        mode: SocketMode,
        group: Option<&str>,
    ) -> Result<Self, ListenError> {
        let explain =
            |error: io::Error| ListenError(format!("cannot listen on {address}: {error}"));
        match address {
            Address::Tcp(tcp) => {
                let listener = bind_tcp(*tcp).map_err(explain)?;
                let bound = listener.local_addr().map_err(explain)?;
                log::info!("listening on {bound}");
                Ok(Self::Tcp(listener))
            }
            Address::Unix(path) => {
                let listener = bind_unix(path, mode, group).map_err(explain)?;
                let owner = fs::metadata(path).map_err(explain)?;
                log::info!(
                    "listening on {address} (mode {:04o}, user {}, group {}: nginx's workers must \
                     be allowed to write to it)",
                    owner.mode() & 0o777,
                    owner.uid(),
                    owner.gid()
                );
                Ok(Self::Unix(listener))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
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

/// Binds under another name and moves the socket into place when it has its mode and group:
/// nginx never finds no socket there (it would log that as critical), nor one that it may not
/// open. For the same reason a socket is left behind when the service stops.
fn bind_unix(path: &Path, mode: SocketMode, group: Option<&str>) -> io::Result<UnixListener> {
    refuse_to_displace(path)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(&aside)?)?;
    let ready = (|| {
        if let Some(group) = group {
            chown(&aside, None, Some(group_id(group)?))?;
        }
        fs::set_permissions(&aside, Permissions::from_mode(mode.0))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        fs::rename(&aside, path)
    })();
    if let Err(error) = ready {
        let _ = fs::remove_file(&aside);
        return Err(error);
    }
    Ok(socket.into())
}

fn refuse_to_displace(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(io::Error::other(
            "something that is no socket is there; remove it",
        )),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::other(
                "another process answers there; stop it first",
            )),
        },
    }
}

/// A group's number from its name, by `/etc/group` (group(5)), or the number itself. A static
/// binary has no name service to ask.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let unknown = || io::Error::other(format!("there is no group '{group}' in /etc/group"));
    #[expect(clippy::disallowed_methods, reason = "a regular file of the system")]
    let groups = fs::read(GROUPS).map_err(|_| unknown())?;
    let find = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        let number = std::str::from_utf8(fields.nth(1)?).ok()?;
        (name == group.as_bytes()).then(|| number.parse().ok())?
    };
    groups
        .split(|byte| *byte == b'\n')
        .find_map(find)
        .ok_or_else(unknown)
}

const GROUPS: &str = "/etc/group";

/// Connections that may queue before they are taken.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |text: &str| Ok(Address::Tcp(text.parse().unwrap()));
        let rows = [
            ("127.0.0.1:8080", tcp("127.0.0.1:8080")),
            ("[::1]:8080", tcp("[::1]:8080")),
            ("unix:/run/h.sock", Ok(Address::Unix("/run/h.sock".into()))),
            ("unix:h.sock", Err(BadAddress)),
            ("localhost:8080", Err(BadAddress)),
            ("8080", Err(BadAddress)),
            ("::1:8080", Err(BadAddress)),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn modes() {
        assert_eq!("0660".parse(), Ok(SocketMode(0o660)));
        assert_eq!("666".parse(), Ok(SocketMode(0o666)));
        for text in ["", "0888", "01777", "rw-rw----"] {
            assert_eq!(text.parse::<SocketMode>(), Err(BadMode), "{text}");
        }
    }

    #[test]
    fn groups() {
        assert_eq!(group_id("0").unwrap(), 0);
        assert_eq!(group_id("root").unwrap(), 0);
        let error = group_id("no-such-group").unwrap_err().to_string();
        assert_eq!(error, "there is no group 'no-such-group' in /etc/group");
    }

    #[test]
    fn a_unix_socket_is_replaced_only_when_nobody_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let address = Address::Unix(path.clone());
        let bind = || Listener::bind(&address, SocketMode(0o640), None);
        let first = bind().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(
            bind()
                .unwrap_err()
                .to_string()
                .contains("another process answers")
        );
        drop(first);
        assert!(path.exists(), "the socket is left behind");
        drop(bind().unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(bind().unwrap_err().to_string().contains("no socket"));
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn both_families_on_one_port() {
        let any = "127.0.0.1:0".parse().unwrap();
        let Ok(Listener::Tcp(first)) = Listener::bind(&any, SocketMode::default(), None) else {
            panic!("must listen");
        };
        let port = first.local_addr().unwrap().port();
        let six = format!("[::1]:{port}").parse().unwrap();
        assert!(Listener::bind(&six, SocketMode::default(), None).is_ok());
        let again = format!("127.0.0.1:{port}").parse().unwrap();
        let error = Listener::bind(&again, SocketMode::default(), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot listen on 127.0.0.1"), "{error}");
    }
}
