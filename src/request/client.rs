//! Who asks, as far as fairness goes: the address that nginx names, or the network that a customer
//! of an IPv6 provider gets.

use std::hash::{DefaultHasher, Hasher as _};
use std::net::{IpAddr, Ipv6Addr};

use crate::request::Field;

/// An address that strikes are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// An IPv4 address.
    V4([u8; 4]),
    /// The first 64 bits of an IPv6 address. Whoever has one address has all that begin so
    /// (RFC 6177, section 2), and could guess from each of them.
    V6([u8; 8]),
    /// nginx names none, or nothing that is an address. It has no strikes: they would be everybody's.
    Unknown,
    /// In the queue, the claimed name stands for an address that is not known; a hash of it.
    Name(u64),
}

impl Client {
    /// Reads `X-Real-IP`.
    pub fn new(real_ip: Field<'_>) -> Self {
        match address(real_ip) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => Self::V6(network(address)),
        }
    }

    /// The network whose addresses take turns together: an IPv4 address, or the first 48 bits of an
    /// IPv6 address, which is what a provider gives to one site (RFC 6177, section 2).
    #[must_use]
    pub fn network(self) -> Self {
        match self {
            Self::V6([a, b, c, d, e, f, ..]) => Self::V6([a, b, c, d, e, f, 0, 0]),
            Self::V4(_) | Self::Unknown | Self::Name(_) => self,
        }
    }

    /// Who takes turns for a password that claims this name.
    #[must_use]
    pub fn or_name(self, claimed: &[u8]) -> Self {
        match self {
            Self::Unknown => {
                let mut name = DefaultHasher::new();
                name.write(claimed);
                Self::Name(name.finish())
            }
            Self::V4(_) | Self::V6(_) | Self::Name(_) => self,
        }
    }
}

/// The address in `X-Real-IP`. An IPv4 address in IPv6 clothes (RFC 4291, section 2.5.5.2) is
/// taken for what it is.
pub fn address(real_ip: Field<'_>) -> Option<IpAddr> {
    let Field::One(text) = real_ip else {
        return None;
    };
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn network(address: Ipv6Addr) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let v6 = |text: &str| {
            let Client::V6(network) = Client::new(Field::One(text.as_bytes())) else {
                panic!("{text} is IPv6");
            };
            network
        };
        let rows: &[(Field<'_>, Client)] = &[
            (Field::One(b"192.0.2.7"), Client::V4([192, 0, 2, 7])),
            (Field::One(b"::ffff:192.0.2.7"), Client::V4([192, 0, 2, 7])),
            (Field::One(b"unix:"), Client::Unknown),
            (Field::One(b"192.0.2.7, 192.0.2.8"), Client::Unknown),
            (Field::One(b"192.0.2.7:80"), Client::Unknown),
            (Field::One(b"\xff"), Client::Unknown),
            (Field::One(b""), Client::Unknown),
            (Field::Absent, Client::Unknown),
            (Field::Repeated, Client::Unknown),
        ];
        for (field, expected) in rows {
            assert_eq!(Client::new(*field), *expected, "{field:?}");
        }
        assert_eq!(v6("2001:db8:1:2::1"), v6("2001:db8:1:2:ffff::9"));
        assert_ne!(v6("2001:db8:1:2::1"), v6("2001:db8:1:3::1"));
        let turns = |text: &str| Client::V6(v6(text)).network();
        assert_eq!(turns("2001:db8:1:2::1"), turns("2001:db8:1:ffff::1"));
        assert_ne!(turns("2001:db8:1:2::1"), turns("2001:db8:2:2::1"));
    }

    #[test]
    fn the_name_counts_only_where_no_address_is_known() {
        let v4 = Client::V4([192, 0, 2, 7]);
        assert_eq!(v4.or_name(b"alice"), v4);
        let [alice, bob] = [&b"alice"[..], b"bob"].map(|name| Client::Unknown.or_name(name));
        assert_ne!(alice, bob);
        assert_eq!(alice, Client::Unknown.or_name(b"alice").network());
    }
}
