//! Why an address cannot be used, and what to do about it.

use std::io::{Error, ErrorKind};
use std::path::Path;

use super::Address;

/// One line for people. What was found out here says its remedy itself.
pub(super) fn explain(address: &Address, error: &Error) -> String {
    if error.raw_os_error().is_none() && error.kind() == ErrorKind::Other {
        return error.to_string();
    }
    let known = match address {
        Address::Tcp(tcp) => explain_tcp(tcp.port(), error),
        Address::Unix(path) => explain_unix(path, error),
        Address::Systemd => None,
    };
    known.unwrap_or_else(|| {
        let text = error.to_string();
        let what = text.split(" (os error").next().unwrap_or_default();
        format!("{what}; choose another address with --listen")
    })
}

fn explain_tcp(port: u16, error: &Error) -> Option<String> {
    if error.raw_os_error() == Some(libc::EAFNOSUPPORT) {
        let what = "this process may not use such addresses, or the machine has none";
        return Some(format!("{what}; use another one, or a unix socket"));
    }
    Some(match error.kind() {
        ErrorKind::PermissionDenied if port < FIRST_OPEN_PORT => format!(
            "only root may listen on ports under {FIRST_OPEN_PORT}; choose a higher one, such as \
             8080"
        ),
        ErrorKind::AddrInUse => format!(
            "the port is taken; choose another one, or stop what listens there ('ss -ltnp \
             sport = :{port}' shows it)"
        ),
        ErrorKind::AddrNotAvailable => "this machine does not have that address; use one that \
                                        'ip address' shows, or 127.0.0.1"
            .to_owned(),
        _ => return None,
    })
}

fn explain_unix(path: &Path, error: &Error) -> Option<String> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/")).display();
    Some(match error.kind() {
        ErrorKind::NotFound => {
            format!("the folder {folder} does not exist; make it ('mkdir -p {folder}')")
        }
        ErrorKind::NotADirectory => {
            format!("{folder} is not a folder; choose a path in one")
        }
        ErrorKind::PermissionDenied => format!(
            "permission denied; let the user htgate runs as write to {folder}, or choose another \
             folder"
        ),
        ErrorKind::ReadOnlyFilesystem => {
            format!("{folder} is read-only; choose a folder that htgate can write to")
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidFilename => {
            format!("the path is too long for a socket; use one of at most {LONGEST_PATH} bytes")
        }
        _ => return None,
    })
}

/// Lower ones are root's (ip_unprivileged_port_start in ip(7)).
const FIRST_OPEN_PORT: u16 = 1024;
/// What unix(7) allows with its final zero, less the four bytes of ".new".
const LONGEST_PATH: usize = 103;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_remedy() {
        let rows = [
            (
                "127.0.0.1:80",
                libc::EACCES,
                "only root may listen on ports under 1024; choose a",
            ),
            (
                "127.0.0.1:8080",
                libc::EADDRINUSE,
                "the port is taken; choose another one, or stop",
            ),
            (
                "192.0.2.1:8080",
                libc::EADDRNOTAVAIL,
                "this machine does not have that address; use",
            ),
            (
                "[::1]:8080",
                libc::EAFNOSUPPORT,
                "this process may not use such addresses, or",
            ),
            (
                "127.0.0.1:8080",
                libc::EMFILE,
                "Too many open files; choose another address",
            ),
            (
                "unix:/a/b/s",
                libc::ENOENT,
                "the folder /a/b does not exist; make it ('mkdir -p /a/b",
            ),
            (
                "unix:/a/b/s",
                libc::ENOTDIR,
                "/a/b is not a folder; choose a path in one",
            ),
            (
                "unix:/a/b/s",
                libc::EACCES,
                "permission denied; let the user htgate runs as write to",
            ),
            (
                "unix:/s",
                libc::EROFS,
                "/ is read-only; choose a folder that htgate can write to",
            ),
            (
                "unix:/s",
                libc::ENAMETOOLONG,
                "the path is too long for a socket; use one of at most",
            ),
        ];
        for (address, number, expected) in rows {
            let seen = explain(&address.parse().unwrap(), &Error::from_raw_os_error(number));
            assert!(seen.starts_with(expected), "{address}: {seen}");
            assert!(!seen.contains("os error"), "{seen}");
        }
    }
}
