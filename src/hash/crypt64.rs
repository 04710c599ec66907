//! What MD5-crypt and SHA-crypt share: how crypt(3) writes a salt and a digest.

use super::HashError;

/// A salt of at most `LONGEST` bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Salt<const LONGEST: usize> {
    length: u8,
    bytes: [u8; LONGEST],
}

impl<const LONGEST: usize> Salt<LONGEST> {
    /// The first bytes, as many as there are and fit.
    pub(super) fn new(bytes: impl IntoIterator<Item = u8>) -> Self {
        let mut salt = Self {
            length: 0,
            bytes: [0; LONGEST],
        };
        for (to, from) in salt.bytes.iter_mut().zip(bytes) {
            *to = from;
            salt.length += 1;
        }
        salt
    }

    /// Reads a salt and the `$` behind it, and returns what follows.
    ///
    /// crypt(3) takes whatever is printable, except what would end a field or a line somewhere.
    /// It ignores what is too much, but compares it: such a line verifies nowhere.
    pub(super) fn parse(text: &[u8]) -> Result<(Self, &[u8]), HashError> {
        let end = text.iter().position(|byte| *byte == b'$');
        let (salt, rest) = text
            .split_at_checked(end.ok_or(HashError::Short)?)
            .ok_or(HashError::Short)?;
        let is_salt = |byte: &u8| byte.is_ascii_graphic() && !b"!*:;\\".contains(byte);
        if salt.len() > LONGEST || !salt.iter().all(is_salt) {
            return Err(HashError::Damaged);
        }
        Ok((
            Self::new(salt.iter().copied()),
            rest.get(1..).unwrap_or_default(),
        ))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    pub(super) fn length(&self) -> u8 {
        self.length
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        mac.update(&[self.length]).update(&self.bytes);
    }
}

/// Reads a digest. Its bytes stand in the order that the format has, six bits a character, the
/// lowest first; bits that are left over must be zero.
pub(super) fn digest<const N: usize>(text: &[u8], order: &[u8; N]) -> Result<[u8; N], HashError> {
    let characters = (N * 8).div_ceil(6);
    if text.len() < characters {
        return Err(HashError::Short);
    }
    if text.len() > characters {
        return Err(HashError::Long);
    }
    let mut digest = [0; N];
    let mut places = order.iter();
    let (mut pending, mut bits) = (0_u16, 0);
    for character in text {
        let value = ALPHABET.iter().position(|known| known == character);
        let value = value.and_then(|value| u16::try_from(value).ok());
        pending |= value.ok_or(HashError::Damaged)? << bits;
        bits += 6;
        if bits < 8 {
            continue;
        }
        if let Some(byte) = places
            .next()
            .and_then(|place| digest.get_mut(usize::from(*place)))
        {
            *byte = (pending & 0xff) as u8;
            pending >>= 8;
            bits -= 8;
        }
    }
    if pending != 0 {
        return Err(HashError::Damaged);
    }
    Ok(digest)
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let order = [2, 0, 1];
        let rows = [
            (&b"...."[..], Ok([0, 0, 0])),
            (b"zzzz", Ok([255, 255, 255])),
            // 1 + (8 << 6) + (16 << 12) are the bytes 1, 2 and 1, for the places 2, 0 and 1.
            (b"/6E.", Ok([2, 1, 1])),
            (b"...", Err(HashError::Short)),
            (b".....", Err(HashError::Long)),
            (b"..+.", Err(HashError::Damaged)),
            (b"..\xff.", Err(HashError::Damaged)),
        ];
        for (text, expected) in rows {
            assert_eq!(digest(text, &order), expected, "{}", text.escape_ascii());
        }
        // One byte in two characters leaves four bits.
        assert_eq!(digest(b"z1", &[0]), Ok([255]));
        assert_eq!(digest(b"z2", &[0]), Err(HashError::Damaged));
        assert_eq!(digest(b"zE", &[0]), Err(HashError::Damaged));
    }

    #[test]
    fn salts() {
        let parse = |text| Salt::<4>::parse(text).map(|(salt, rest)| (salt.bytes().to_vec(), rest));
        assert_eq!(parse(b"ab$cd"), Ok((b"ab".to_vec(), &b"cd"[..])));
        assert_eq!(parse(b"$cd$"), Ok((Vec::new(), &b"cd$"[..])));
        assert_eq!(parse(b"+=/.$"), Ok((b"+=/.".to_vec(), &b""[..])));
        assert_eq!(parse(b"abcd"), Err(HashError::Short));
        for bad in [
            &b"abcde$"[..],
            b"a b$",
            b"a!$",
            b"a\\$",
            b"a*$",
            b"a\xe9$",
            b"a\x7f$",
        ] {
            assert_eq!(
                parse(bad),
                Err(HashError::Damaged),
                "{}",
                bad.escape_ascii()
            );
        }
    }
}
