//! `{PLAIN}`: the password itself, where the operator allows that. Its digest is kept instead, so
//! that no password stays in memory, and all comparisons take equally long.

use subtle::ConstantTimeEq as _;

use super::HashError;

/// A parsed `{PLAIN}` password.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain {
    digest: [u8; DIGEST],
}

impl Plain {
    /// The password with this digest, which need not be known.
    pub(super) fn from_parts(digest: [u8; DIGEST]) -> Self {
        Self { digest }
    }

    /// Reads what follows `{PLAIN}`.
    pub(super) fn parse(password: &[u8]) -> Result<Self, HashError> {
        if password.is_empty() {
            return Err(HashError::Empty);
        }
        // Nobody can send these (RFC 7617).
        if password.iter().any(u8::is_ascii_control) {
            return Err(HashError::Damaged);
        }
        Ok(Self::from_parts(digest(password)))
    }

    /// Whether the password is this one.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        digest(password).ct_eq(&self.digest).into()
    }

    pub(super) fn fingerprint(&self, mac: &mut blake3::Hasher) {
        mac.update(&self.digest);
    }
}

pub(super) const DIGEST: usize = blake3::OUT_LEN;

fn digest(password: &[u8]) -> [u8; DIGEST] {
    *blake3::hash(password).as_bytes()
}
