//! Addresses as people write them, and the permissions of unix sockets.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Address {
    /// `127.0.0.1:8080` or `[::1]:8080`.
    Tcp(SocketAddr),
    /// `unix:/run/htgate/htgate.sock`.
    Unix(PathBuf),
    /// `systemd`: the sockets that a systemd socket unit has opened for us.
    Systemd,
}

impl Default for Address {
    fn default() -> Self {
        Self::Tcp(([127, 0, 0, 1], 8080).into())
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(FORMS),
            None => text.parse().map(Self::Tcp).map_err(|_| FORMS),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// The permission bits of a unix socket. Whoever may write to it may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SocketMode(pub(super) u32);

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl FromStr for SocketMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o777 => Ok(Self(mode)),
            _ => Err("write octal permission bits, such as 0660"),
        }
    }
}

impl TryFrom<String> for SocketMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// How an address is written.
const FORMS: &str = "write 127.0.0.1:8080, [::1]:8080, unix:/run/htgate/htgate.sock or systemd";

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
            ("unix:h.sock", Err(FORMS)),
            ("systemd", Ok(Address::Systemd)),
            ("localhost:8080", Err(FORMS)),
            ("8080", Err(FORMS)),
            ("::1:8080", Err(FORMS)),
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
            assert!(text.parse::<SocketMode>().is_err(), "{text}");
        }
    }
}
