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
    /// Something that can be no user's credentials, told from its shape alone.
    Unusable,
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
            Field::Repeated => return Self::Unusable,
            Field::One(header) => header,
        };
        if header.len() > LONGEST_HEADER {
            return Self::Unusable;
        }
        let Some(decoded) = encoded_part(header).and_then(decode) else {
            return Self::Unusable;
        };
        if decoded.as_slice() == b":" {
            return Self::Nothing;
        }
        match Credentials::split(decoded) {
            Some(credentials) => Self::Credentials(credentials),
            None => Self::Unusable,
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

    fn split(decoded: Zeroizing<Vec<u8>>) -> Option<Self> {
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let credentials = Self { decoded, colon };
        let user = credentials.claimed().len();
        let fits = user > 0 && user <= LONGEST_USER;
        let fits = fits && credentials.password().len() <= LONGEST_PASSWORD;
        // To the end, whatever comes first: without a way out, many bytes are looked at at once.
        let control = (credentials.decoded.iter()).fold(false, |any, b| any | b.is_ascii_control());
        (fits && !control).then_some(credentials)
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
        Unusable,
        Pair(&'a [u8], &'a [u8]),
    }

    fn check(header: &[u8], expected: &Expect<'_>) {
        let presented = Presented::parse(Field::One(header));
        let seen = match &presented {
            Presented::Nothing => Expect::Nothing,
            Presented::Unusable => Expect::Unusable,
            Presented::Credentials(c) => Expect::Pair(c.claimed(), c.password()),
        };
        assert_eq!(&seen, expected, "{}", String::from_utf8_lossy(header));
    }

    #[test]
    fn header_shapes() {
        use Expect::{Nothing, Pair, Unusable};
        let rows: &[(&[u8], Expect<'_>)] = &[
            (b"Basic YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"basic YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"BASIC    YWxpY2U6c2VjcmV0", Pair(b"alice", b"secret")),
            (b"Basic YTpi", Pair(b"a", b"b")),
            (b"Basic YTpiYw==", Pair(b"a", b"bc")),
            (b"Basic YTpiYw", Pair(b"a", b"bc")),
            (b"Basic YTpiYw=", Unusable),
            (b"Basic YTpiYx==", Unusable),
            (b"Basic YTpiYw===", Unusable),
            (b"Basic YTpiYw== ", Unusable),
            (b"Basic YTpiYw==x", Unusable),
            (b"Basic YTpiYw==, Basic YTpi", Unusable),
            (b"Basic\tYTpi", Unusable),
            (b"Basic \tYTpi", Unusable),
            (b"Basic", Unusable),
            (b"Basic ", Unusable),
            (b"BasicYTpi", Unusable),
            (b"Basi YTpi", Unusable),
            (b"", Unusable),
            (b"Bearer YTpi", Unusable),
            (b"Basic Og==", Nothing),
            (b"Basic Og", Nothing),
            (b"Basic OnB3", Unusable),
            (b"Basic YTo=", Pair(b"a", b"")),
            (b"Basic YTpiOmM=", Pair(b"a", b"b:c")),
            (b"Basic YWxpY2U=", Unusable),
            (b"Basic 6Tr8", Pair(b"\xe9", b"\xfc")),
            (b"Basic YTpi_-", Unusable),
            (b"Basic YTo-Pj4/", Unusable),
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
            Presented::Unusable
        ));
    }

    #[test]
    fn limits() {
        let encode = |user: usize, password: usize| {
            let pair = [vec![b'u'; user], vec![b':'], vec![b'p'; password]].concat();
            format!("Basic {}", BASE64_STANDARD.encode(pair)).into_bytes()
        };
        let usable = |header: &[u8]| {
            matches!(
                Presented::parse(Field::One(header)),
                Presented::Credentials(_)
            )
        };
        assert!(usable(&encode(LONGEST_USER, LONGEST_PASSWORD)));
        assert!(!usable(&encode(LONGEST_USER + 1, 1)));
        assert!(!usable(&encode(1, LONGEST_PASSWORD + 1)));
        let spaces = " ".repeat(LONGEST_HEADER - b"BasicYTpi".len());
        assert!(usable(format!("Basic{spaces}YTpi").as_bytes()));
        assert!(!usable(format!("Basic{spaces} YTpi").as_bytes()));
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
        fn a_control_byte_anywhere_is_unusable(
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
            check(format!("Basic {}", BASE64_STANDARD.encode(pair)).as_bytes(), &Expect::Unusable);
        }
    }
}
