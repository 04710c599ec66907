//! What a user name may be, said once: what a client can send, and of that what a person may
//! choose for a new line.

use std::fmt;

use super::lines::BYTE_ORDER_MARK;
use crate::request::credentials::LONGEST_USER;

/// A name that a line can begin with and a client can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Takes a name as a person gave it.
    ///
    /// # Errors
    ///
    /// Why no user can have it.
    pub fn new(name: &[u8]) -> Result<Self, NameError> {
        sendable(name)?;
        if name.starts_with(b"#") {
            return Err(NameError::Comment);
        }
        if name.starts_with(BYTE_ORDER_MARK) || name.trim_ascii() != name {
            return Err(NameError::Invisible);
        }
        Ok(Self(name.into()))
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.0).fmt(f)
    }
}

/// Whether a client can send a name. Files may hold such names that [`Name::new`] refuses:
/// nginx accepts a blank at either end.
pub(super) fn sendable(name: &[u8]) -> Result<(), NameError> {
    match name {
        [] => Err(NameError::Empty),
        _ if name.contains(&b':') => Err(NameError::Colon),
        _ if name.iter().any(u8::is_ascii_control) => Err(NameError::Control),
        _ if name.len() > LONGEST_USER => Err(NameError::Long),
        _ => Ok(()),
    }
}

/// Why no user can have a name. Its text is a remedy as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No byte at all.
    Empty,
    /// A line that begins so is a comment.
    Comment,
    /// A colon ends the name, in the file and in what clients send.
    Colon,
    /// A control character, which RFC 7617 forbids.
    Control,
    /// More bytes than are accepted from clients.
    Long,
    /// White space or a byte-order mark at an end, where nobody sees it.
    Invisible,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the user name is empty; enter one"),
            Self::Comment => {
                f.write_str("a line that begins with '#' is a comment; choose another name")
            }
            Self::Colon => f.write_str("a user name cannot hold ':'; choose another name"),
            Self::Control => {
                f.write_str("a user name cannot hold control characters; choose another name")
            }
            Self::Long => write!(
                f,
                "the user name has over {LONGEST_USER} bytes; choose a shorter one"
            ),
            Self::Invisible => {
                f.write_str("the user name begins or ends with something invisible; leave that out")
            }
        }
    }
}

impl std::error::Error for NameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be() {
        let long = "x".repeat(LONGEST_USER + 1);
        let rows: &[(&[u8], Option<NameError>)] = &[
            (b"alice", None),
            (b"al ice@example.org", None),
            (b"\xe9", None),
            (b"", Some(NameError::Empty)),
            (b"a:b", Some(NameError::Colon)),
            (b"#a", Some(NameError::Comment)),
            (b"a\nb", Some(NameError::Control)),
            (b"a\x7f", Some(NameError::Control)),
            (long.as_bytes(), Some(NameError::Long)),
            (b" a", Some(NameError::Invisible)),
            (b"\xef\xbb\xbfa", Some(NameError::Invisible)),
        ];
        for (text, expected) in rows {
            assert_eq!(Name::new(text).err(), *expected, "{text:?}");
        }
    }
}
