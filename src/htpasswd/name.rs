//! What a user name may be, said once: what a client can send, and of that what a person may
//! choose for a new line.

use std::fmt;

use super::lines::BYTE_ORDER_MARK;
use crate::Fault;
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
    pub fn new(name: &[u8]) -> Result<Self, Fault> {
        if let Some(fault) = unsendable(name) {
            return Err(fault);
        }
        if name.starts_with(b"#") {
            let what = "a line that begins with '#' is a comment";
            return Err(Fault::new(what, "choose another name"));
        }
        if name.starts_with(BYTE_ORDER_MARK) || name.trim_ascii() != name {
            let what = "the user name begins or ends with something invisible";
            return Err(Fault::new(what, "leave that out"));
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

/// Why no client can send a name, if none can. Files may have names that [`Name::new`] refuses: nginx
/// accepts a blank at either end.
pub(super) fn unsendable(name: &[u8]) -> Option<Fault> {
    let (what, remedy) = match name {
        [] => ("the user name is empty", "enter one"),
        _ if name.contains(&b':') => ("a user name cannot hold ':'", "choose another name"),
        _ if name.iter().any(u8::is_ascii_control) => {
            let what = "a user name cannot hold control characters";
            (what, "choose another name")
        }
        _ if name.len() > LONGEST_USER => {
            let what = format!("the user name has over {LONGEST_USER} bytes");
            return Some(Fault::new(what, "choose a shorter one"));
        }
        _ => return None,
    };
    Some(Fault::new(what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be() {
        let long = "x".repeat(LONGEST_USER + 1);
        let rows: &[(&[u8], Option<&str>)] = &[
            (b"alice", None),
            (b"al ice@example.org", None),
            (b"\xe9", None),
            (b"", Some("is empty")),
            (b"a:b", Some("':'")),
            (b"#a", Some("'#'")),
            (b"a\nb", Some("control characters")),
            (b"a\x7f", Some("control characters")),
            (long.as_bytes(), Some("over 512 bytes")),
            (b" a", Some("invisible")),
            (b"\xef\xbb\xbfa", Some("invisible")),
        ];
        for (text, expected) in rows {
            let seen = Name::new(text).err().map(|fault| fault.what);
            match (&seen, expected) {
                (Some(what), Some(part)) => assert!(what.contains(part), "{text:?}: {what}"),
                _ => assert_eq!(seen.is_some(), expected.is_some(), "{text:?}"),
            }
        }
    }
}
