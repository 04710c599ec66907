//! The formats of LDAP (RFC 2307): `{SHA}`, one SHA-1 of the password, and `{SSHA}`, one of the
//! password and a salt.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use super::HashError;

/// A parsed `{SHA}` hash, or `{SSHA}` hash with its salt.
#[derive(Clone, PartialEq, Eq)]
pub struct LdapSha {
    digest: [u8; DIGEST],
    salt: Box<[u8]>,
}

impl LdapSha {
    /// A hash of these very bytes, which need not come from any password.
    pub(super) fn from_parts(digest: [u8; DIGEST], salt: &[u8]) -> Self {
        Self {
            digest,
            salt: salt.into(),
        }
    }

    /// Reads what follows `{SHA}`.
    pub(super) fn parse(rest: &[u8]) -> Result<Self, HashError> {
        match rest.len() {
            ..ENCODED => Err(HashError::Short),
            // Without its padding it would hold a byte more.
            ENCODED => Self::parse_salted(rest).and_then(|hash| {
                hash.salt
                    .is_empty()
                    .then_some(hash)
                    .ok_or(HashError::Damaged)
            }),
            _ => Err(HashError::Long),
        }
    }

    /// Reads what follows `{SSHA}`.
    pub(super) fn parse_salted(rest: &[u8]) -> Result<Self, HashError> {
        // Whoever writes these pads them, and nginx compares the text.
        let mut bytes = [0; DIGEST + LONGEST_SALT];
        let length = BASE64_STANDARD
            .decode_slice(rest, &mut bytes)
            .map_err(|_| HashError::Damaged)?;
        let (digest, salt) = bytes
            .get(..length)
            .and_then(<[u8]>::split_first_chunk)
            .ok_or(HashError::Short)?;
        Ok(Self::from_parts(*digest, salt))
    }

    /// Whether the password has this digest.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let computed: [u8; DIGEST] = Sha1::new()
            .chain_update(password)
            .chain_update(&self.salt)
            .finalize()
            .into();
        computed.ct_eq(&self.digest).into()
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        mac.update(&self.digest).update(&self.salt);
    }
}

pub(super) const DIGEST: usize = 20;
/// Servers write 4 to 20 bytes.
const LONGEST_SALT: usize = 64;
/// A digest in Base64.
const ENCODED: usize = 28;
