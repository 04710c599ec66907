//! `Authorization` bytes to credentials, as RFC 7617 has it and not an inch wider. Knows neither
//! users nor HTTP types. What it hands out wipes itself from memory.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::request::Field;

/// A longer `Authorization` is refused unread. In bytes.
pub const LONGEST_HEADER: usize = 8 * 1024;
/// A longer user name is refused. In bytes.
pub const LONGEST_USER: usize = 512;
/// A longer password is refused. In bytes.
pub const LONGEST_PASSWORD: usize = 1024;

/// What an `Authorization` field presents.
#[derive(Debug)]
pub enum Presented {
    /// No field, or the empty name with the empty password (podman sends it).
    Nothing,
    /// Something that can be no user's credentials, told from its shape alone; with the name that
    /// it claims, where that can be read.
    Malformed(Flaw, Option<Credentials>),
    /// A name and a password that claims it.
    Credentials(Credentials),
}

impl Presented {
    /// Reads an `Authorization` field.
    ///
    /// The scheme is case-insensitive and followed by one or more spaces (RFC 9110, section
    /// 11.4); the rest is canonical Base64 with or without its padding (RFC 4648, section 3.5),
    /// of a name without a colon, a colon, and a password, with no control bytes (RFC 7617,
    /// section 2).
    pub fn parse(authorization: Field<'_>) -> Self {
        let header = match authorization {
            Field::Absent => return Self::Nothing,
            Field::Repeated => return Self::Malformed(Flaw::Repeated, None),
            Field::One(header) => header,
        };
        match Self::decode(header) {
            Ok(pair) if pair.pair() == b":" => Self::Nothing,
            Ok(pair) => match pair.flaw() {
                None => Self::Credentials(pair),
                Some(flaw) => Self::Malformed(flaw, Some(pair)),
            },
            Err(flaw) => Self::Malformed(flaw, None),
        }
    }

    fn decode(header: &[u8]) -> Result<Credentials, Flaw> {
        if header.len() > LONGEST_HEADER {
            return Err(Flaw::TooLong);
        }
        let encoded = encoded_part(header).ok_or(Flaw::NotBasic)?;
        let decoded = decode(encoded).ok_or(Flaw::NotBase64)?;
        // Without a colon there is no name to tell: all of it may be a password.
        let colon = decoded.iter().position(|byte| *byte == b':');
        let colon = colon.ok_or(Flaw::NoColon)?;
        Ok(Credentials { decoded, colon })
    }

    /// The name that is claimed, for the log.
    pub(crate) fn claimed(&self) -> Field<'_> {
        match self {
            Self::Credentials(pair) | Self::Malformed(_, Some(pair)) => Field::One(pair.claimed()),
            Self::Nothing | Self::Malformed(_, None) => Field::Absent,
        }
    }
}

/// Why something can be no user's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is more than one `Authorization` field.
    Repeated,
    /// Another scheme, or nothing after it.
    NotBasic,
    /// Not the Base64 of anything.
    NotBase64,
    /// No colon, so no name and no password.
    NoColon,
    /// The name is empty.
    NoName,
    /// The field, the name or the password is longer than any that is accepted.
    TooLong,
    /// A control character in the name or the password, often a line feed at the end.
    ControlCharacter,
}

impl Flaw {
    /// One word for the operator.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Repeated => "repeated-header",
            Self::NotBasic => "not-basic",
            Self::NotBase64 => "not-base64",
            Self::NoColon => "no-colon",
            Self::NoName => "no-name",
            Self::TooLong => "too-long",
            Self::ControlCharacter => "control-character",
        }
    }
}

/// A claimed name with its password. Each copy is wiped when dropped; `Debug` shows neither.
#[derive(Clone)]
pub struct Credentials {
    decoded: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    /// The name that is claimed. It is nobody's name until the password agrees.
    pub fn claimed(&self) -> &[u8] {
        self.decoded.get(..self.colon).unwrap_or_default()
    }

    /// The name, a colon and the password, in the clear, as they were sent.
    pub fn pair(&self) -> &[u8] {
        &self.decoded
    }

    /// The password, in the clear.
    pub fn password(&self) -> &[u8] {
        self.decoded.get(self.colon + 1..).unwrap_or_default()
    }

    fn flaw(&self) -> Option<Flaw> {
        let (user, password) = (self.claimed().len(), self.password().len());
        // To the end, whatever comes first: without a way out, many bytes are looked at at once.
        let control = (self.decoded.iter()).fold(false, |any, b| any | b.is_ascii_control());
        if user == 0 {
            Some(Flaw::NoName)
        } else if user > LONGEST_USER || password > LONGEST_PASSWORD {
            Some(Flaw::TooLong)
        } else {
            control.then_some(Flaw::ControlCharacter)
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

fn encoded_part(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(b"Basic".len())?;
    let encoded = rest.trim_ascii_start();
    let blanks = rest.get(..rest.len() - encoded.len())?;
    let separated = !blanks.is_empty() && blanks.iter().all(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(b"Basic") && separated && !encoded.is_empty()).then_some(encoded)
}

fn decode(encoded: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let engine = if encoded.ends_with(b"=") {
        &PADDED
    } else {
        &UNPADDED
    };
    let estimate = base64::decoded_len_estimate(encoded.len());
    // Not vec![0; …]: for zeroed memory glibc takes a slower way.
    let mut decoded = Zeroizing::new(Vec::with_capacity(estimate));
    decoded.resize(estimate, 0);
    let length = engine.decode_slice(encoded, &mut decoded).ok()?;
    decoded.truncate(length);
    Some(decoded)
}

const fn strict(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(padding);
    GeneralPurpose::new(&STANDARD, config)
}

const PADDED: GeneralPurpose = strict(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = strict(DecodePaddingMode::RequireNone);

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Expect<'a> {
        Nothing,
        Malformed(Flaw),
        Pair(&'a [u8], &'a [u8]),
    }

    fn check(header: &[u8], expected: &Expect<'_>) {
        let presented = Presented::parse(Field::One(header));
        let seen = match &presented {
            Presented::Nothing => Expect::Nothing,
            Presented::Malformed(flaw, _) => Expect::Malformed(*flaw),
            Presented::Credentials(c) => Expect::Pair(c.claimed(), c.password()),
        };
        assert_eq!(&seen, expected, "{}", String::from_utf8_lossy(header));
    }

    #[test]
    fn header_shapes() {
        use Expect::{Malformed, Nothing, Pair};
        use Flaw::{NoColon, NoName, NotBase64, NotBasic};
        let rows: &[(&[u8], Expect<'_>)] = &[
            (b"Basic YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"basic YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"BASIC    YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"Basic YTpi", Pair(b"a", b"b")),
            (b"Basic YTpiYw==", Pair(b"a", b"bc")),
            (b"Basic YTpiYw", Pair(b"a", b"bc")),
            (b"Basic YTpiYw=", Malformed(NotBase64)),
            (b"Basic YTpiYx==", Malformed(NotBase64)),
            (b"Basic YTpiYw===", Malformed(NotBase64)),
            (b"Basic YTpiYw== ", Malformed(NotBase64)),
            (b"Basic YTpiYw==x", Malformed(NotBase64)),
            (b"Basic YTpiYw==, Basic YTpi", Malformed(NotBase64)),
            (b"Basic\tYTpi", Malformed(NotBasic)),
            (b"Basic \tYTpi", Malformed(NotBasic)),
            (b"Basic", Malformed(NotBasic)),
            (b"Basic ", Malformed(NotBasic)),
            (b"BasicYTpi", Malformed(NotBasic)),
            (b"Basi YTpi", Malformed(NotBasic)),
            (b"", Malformed(NotBasic)),
            (b"Bearer YTpi", Malformed(NotBasic)),
            (b"Basic Og==", Nothing),
            (b"Basic Og", Nothing),
            (b"Basic OnB3", Malformed(NoName)),
            (b"Basic YTo=", Pair(b"a", b"")),
            (b"Basic YTpiOmM=", Pair(b"a", b"b:c")),
            (b"Basic YWxpY2U=", Malformed(NoColon)),
            (b"Basic 6Tr8", Pair(b"\xe9", b"\xfc")),
            (b"Basic YTpi_-", Malformed(NotBase64)),
            (b"Basic YTo-Pj4/", Malformed(NotBase64)),
            (b"Basic YTo+Pj4/", Pair(b"a", b">>>?")),
        ];
        for (header, expected) in rows {
            check(header, expected);
        }
        assert!(matches!(
            Presented::parse(Field::Absent),
            Presented::Nothing
        ));
        assert!(matches!(
            Presented::parse(Field::Repeated),
            Presented::Malformed(Flaw::Repeated, None)
        ));
    }

    #[test]
    fn the_name_is_read_where_that_is_what_it_is() {
        let long = format!("alice:{}", "x".repeat(LONGEST_PASSWORD + 1));
        let rows = [
            ("alice:secret\n", Flaw::ControlCharacter, Some("alice")),
            (long.as_str(), Flaw::TooLong, Some("alice")),
            (":secret", Flaw::NoName, Some("")),
            // It may be the password, or the Base64 of one.
            ("secret", Flaw::NoColon, None),
            ("YWxpY2U6c2VjcmV0", Flaw::NoColon, None),
        ];
        for (pair, expected, name) in rows {
            let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
            let presented = Presented::parse(Field::One(header.as_bytes()));
            let Presented::Malformed(flaw, _) = presented else {
                panic!("{presented:?}");
            };
            let name = name.map_or(Field::Absent, |name| Field::One(name.as_bytes()));
            assert_eq!((flaw, presented.claimed()), (expected, name), "{pair}");
        }
    }

    #[test]
    fn limits() {
        let encode = |user: usize, password: usize| {
            let pair = [vec![b'u'; user], vec![b':'], vec![b'p'; password]].concat();
            format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
        };
        let is_too_long = |header: &[u8]| match Presented::parse(Field::One(header)) {
            Presented::Credentials(_) => false,
            Presented::Malformed(Flaw::TooLong, _) => true,
            other => panic!("{other:?}"),
        };
        assert!(!is_too_long(&encode(LONGEST_USER, LONGEST_PASSWORD)));
        assert!(is_too_long(&encode(LONGEST_USER + 1, 1)));
        assert!(is_too_long(&encode(1, LONGEST_PASSWORD + 1)));
        let spaces = " ".repeat(LONGEST_HEADER - b"BasicYTpi".len());
        assert!(!is_too_long(format!("Basic{spaces}YTpi").as_bytes()));
        assert!(is_too_long(format!("Basic{spaces} YTpi").as_bytes()));
    }

    #[test]
    fn debug_hides_both() {
        let presented = Presented::parse(Field::One(b"Basic YWxpY2U6c2VjcmV0"));
        assert_eq!(format!("{presented:?}"), "Credentials(Credentials(***))");
    }

    proptest! {
        #[test]
        fn never_panics(header in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let _ = Presented::parse(Field::One(&header));
        }

        #[test]
        fn what_a_client_encodes_is_what_we_read(
            user in "[^:\\x00-\\x1f\\x7f]{1,64}",
            password in "[^\\x00-\\x1f\\x7f]{0,64}",
            padded: bool,
        ) {
            let pair = format!("{user}:{password}");
            let encoded = if padded {
                BASE64_STANDARD.encode(&pair)
            } else {
                BASE64_STANDARD_NO_PAD.encode(&pair)
            };
            check(
                format!("bAsIc {encoded}").as_bytes(),
                &Expect::Pair(user.as_bytes(), password.as_bytes()),
            );
        }

        #[test]
        fn a_control_byte_anywhere_is_malformed(
            before in "[a-z]{1,8}", control in 0u8..0x20, after in "[a-z]{0,8}", first: bool,
        ) {
            let mut pair = before.into_bytes();
            if first {
                pair.push(control);
                pair.push(b':');
            } else {
                pair.push(b':');
                pair.push(control);
            }
            pair.extend_from_slice(after.as_bytes());
            let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
            check(header.as_bytes(), &Expect::Malformed(Flaw::ControlCharacter));
        }
    }
}
