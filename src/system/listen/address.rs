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
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if text == "systemd" {
            return Ok(Self::Systemd);
        }
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
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// Not an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadAddress;

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write 127.0.0.1:8080, [::1]:8080, unix:/run/htgate/htgate.sock or systemd")
    }
}

impl std::error::Error for BadAddress {}

/// The permission bits of a unix socket. Whoever may write to it may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SocketMode(u32);

impl SocketMode {
    /// As chmod(2) takes it.
    pub(super) fn bits(self) -> u32 {
        self.0
    }
}

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
pub(crate) struct BadMode;

impl fmt::Display for BadMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write octal permission bits, such as 0660")
    }
}

impl std::error::Error for BadMode {}

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
            ("systemd", Ok(Address::Systemd)),
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
}
