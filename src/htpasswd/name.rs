//! What a user name may be, said once: what a client can send, and of that what a person may
//! choose for a new line.

use std::fmt;

use super::cause::{Cause, begins_with_any, is_quoted, trim};
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
        Ok(Self(name.into()))
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why nobody can have meant a name, if that is so. It is a user all the same, as for nginx: a line
/// of another kind of file, with an entry in it.
pub fn odd(name: &[u8]) -> Option<Cause> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._@".contains(byte);
    if name.iter().all(is_plain) {
        return None;
    }
    let mut rows = ODD.iter();
    let (_, what) = rows.find(|(fits, _)| fits(name))?;
    let remedy = "write the name alone before the colon";
    Some(Cause { what, remedy })
}

type Row = (fn(&[u8]) -> bool, &'static str);

const ODD: [Row; 5] = [
    (
        |name| trim(name) != name || has_invisible(name),
        "something invisible is part of the user name",
    ),
    (is_quoted, "a quote is part of the user name"),
    (
        |name| begins_with_any(name, &[b";", b"//", b"--", b"- ", b"* "]),
        "a mark of lists or comments is part of the user name; only '#' begins a comment",
    ),
    (is_assignment, "an assignment is part of the user name"),
    (
        |name| {
            [&b"${"[..], b"{{", b"$("]
                .iter()
                .any(|mark| find(name, mark).is_some())
        },
        "a placeholder is part of the user name",
    ),
];

/// `HTPASSWD=alice`, `export X=alice` and `users = "alice`, but not the `CN=alice` of directories.
fn is_assignment(name: &[u8]) -> bool {
    let Some((left, right)) = find(name, b"=").and_then(|at| name.split_at_checked(at)) else {
        return false;
    };
    let is_variable = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    left.starts_with(b"export ")
        || left.ends_with(b" ")
        || begins_with_any(right, &[b"=\"", b"='"])
        || left.len() > 3 && left.iter().all(is_variable)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn has_invisible(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    text.chars()
        .any(|character| character != ' ' && is_invisible(character))
}

/// Blanks of all kinds, controls, and characters without width or that turn the direction.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
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
            (b" a", None),
        ];
        for (text, expected) in rows {
            let seen = Name::new(text).err().map(|fault| fault.what);
            match (&seen, expected) {
                (Some(what), Some(part)) => assert!(what.contains(part), "{text:?}: {what}"),
                _ => assert_eq!(seen.is_some(), expected.is_some(), "{text:?}"),
            }
        }
    }

    #[test]
    fn names_that_nobody_can_mean() {
        let rows = [
            ("alice", None),
            ("al ice@example.org", None),
            ("CN=alice,OU=people", None),
            ("uid=alice", None),
            ("EXAMPLE\\alice", None),
            ("p\u{e4}ivi-1.2_3+x", None),
            (" alice", Some("invisible")),
            ("alice\t", Some("invisible")),
            ("alice\u{a0}", Some("invisible")),
            ("\u{feff}alice", Some("invisible")),
            ("al\u{200b}ice", Some("invisible")),
            ("alice\u{202e}", Some("invisible")),
            ("\"alice", Some("quote")),
            ("'alice", Some("quote")),
            ("\u{201c}alice", Some("quote")),
            ("- alice", Some("lists")),
            (";alice", Some("comments")),
            ("//alice", Some("comments")),
            ("HTPASSWD=alice", Some("assignment")),
            ("export USERS=alice", Some("assignment")),
            ("users = \"alice", Some("assignment")),
            ("users=\"alice", Some("assignment")),
            ("${USER}", Some("placeholder")),
            ("{{ user }}", Some("placeholder")),
        ];
        for (name, expected) in rows {
            let seen = odd(name.as_bytes()).map(|cause| cause.what);
            match (seen, expected) {
                (Some(what), Some(part)) => assert!(what.contains(part), "{name:?}: {what}"),
                _ => assert_eq!(seen.is_some(), expected.is_some(), "{name:?}"),
            }
        }
    }
}
