//! Changes to the bytes of a file that leave every other byte as it is: comments, order, faulty
//! lines, line ends, a byte-order mark, a missing last line end.

use std::fmt;

use super::lines::{BYTE_ORDER_MARK, pieces};
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
        match name {
            [] => Err(NameError::Empty),
            [b'#', ..] => Err(NameError::Comment),
            _ if name.contains(&b':') => Err(NameError::Colon),
            _ if name.iter().any(u8::is_ascii_control) => Err(NameError::Control),
            _ if name.len() > LONGEST_USER => Err(NameError::Long),
            _ if name.starts_with(BYTE_ORDER_MARK) || name.trim_ascii() != name => {
                Err(NameError::Invisible)
            }
            _ => Ok(Self(name.into())),
        }
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
            Self::Empty => f.write_str("the user name is empty; say whom you mean"),
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

/// Why a file is left as it is. Its text is a remedy as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The user has a line already.
    Exists,
    /// The user has no line.
    Absent,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "the user is there already; set a password with 'htgate user set'",
            Self::Absent => "there is no such user; see 'htgate user list'",
        })
    }
}

impl std::error::Error for EditError {}

/// The file with a new line for a user who has none.
///
/// # Errors
///
/// [`EditError::Exists`], for a faulty line too.
pub fn add(file: &[u8], name: &Name, hash: &str) -> Result<Vec<u8>, EditError> {
    if has(file, name) {
        return Err(EditError::Exists);
    }
    let mut edited = file.to_vec();
    append(
        &mut edited,
        &[name.as_bytes(), b":", hash.as_bytes()].concat(),
    );
    Ok(edited)
}

/// The file with another hash in the line that counts for a user, the first. What follows the
/// hash stays.
///
/// # Errors
///
/// [`EditError::Absent`].
pub fn set(file: &[u8], name: &Name, hash: &str) -> Result<Vec<u8>, EditError> {
    let mut edited = Vec::with_capacity(file.len() + hash.len());
    let mut found = false;
    for piece in pieces(file) {
        if found || piece.name() != Some(name.as_bytes()) {
            edited.extend([piece.mark, piece.text, piece.end].concat());
            continue;
        }
        found = true;
        edited.extend([piece.mark, name.as_bytes(), b":", hash.as_bytes()].concat());
        if let Some(comment) = piece.text.splitn(3, |byte| *byte == b':').nth(2) {
            edited.extend([b":", comment].concat());
        }
        edited.extend(piece.end);
    }
    if found {
        Ok(edited)
    } else {
        Err(EditError::Absent)
    }
}

/// The file without any line of a user.
///
/// # Errors
///
/// [`EditError::Absent`].
pub fn remove(file: &[u8], name: &Name) -> Result<Vec<u8>, EditError> {
    if !has(file, name) {
        return Err(EditError::Absent);
    }
    let mut edited = Vec::with_capacity(file.len());
    for piece in pieces(file) {
        edited.extend(piece.mark);
        if piece.name() != Some(name.as_bytes()) {
            edited.extend([piece.text, piece.end].concat());
        }
    }
    Ok(edited)
}

fn has(file: &[u8], name: &Name) -> bool {
    pieces(file).any(|piece| piece.name() == Some(name.as_bytes()))
}

/// Puts a line at the end, with line ends like the file's last.
pub(super) fn append(file: &mut Vec<u8>, line: &[u8]) {
    let ends = pieces(file).map(|piece| piece.end);
    let end = ends
        .filter(|end| !end.is_empty())
        .last()
        .unwrap_or(b"\n")
        .to_vec();
    if pieces(file)
        .last()
        .is_some_and(|last| last.end.is_empty() && !last.text.is_empty())
    {
        file.extend(&end);
    }
    file.extend([line, &end].concat());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

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

    #[test]
    fn add_set_and_remove_touch_nothing_else() {
        let check = |seen: Result<Vec<u8>, EditError>, expected: Result<&str, EditError>| {
            let seen = seen.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(seen, expected.map(str::to_owned));
        };
        let rows = [
            // given, added z, set a
            ("", "z:H\n", None),
            ("a:1\n", "a:1\nz:H\n", Some("a:H\n")),
            ("a:1", "a:1\nz:H\n", Some("a:H")),
            ("a:1\r\n", "a:1\r\nz:H\r\n", Some("a:H\r\n")),
            ("b:2\r\na:1", "b:2\r\na:1\r\nz:H\r\n", Some("b:2\r\na:H")),
            ("\u{feff}a:1\n", "\u{feff}a:1\nz:H\n", Some("\u{feff}a:H\n")),
            ("\u{feff}", "\u{feff}z:H\n", None),
            (
                "#a:1\n\n a:1\nbad\na:1:A. B.:c\na:3\n",
                "#a:1\n\n a:1\nbad\na:1:A. B.:c\na:3\nz:H\n",
                Some("#a:1\n\n a:1\nbad\na:H:A. B.:c\na:3\n"),
            ),
            ("a:\n", "a:\nz:H\n", Some("a:H\n")),
        ];
        for (given, added, changed) in rows {
            check(add(given.as_bytes(), &name("z"), "H"), Ok(added));
            check(remove(added.as_bytes(), &name("q")), Err(EditError::Absent));
            let expected = changed.ok_or(EditError::Absent);
            check(set(given.as_bytes(), &name("a"), "H"), expected);
            if changed.is_some() {
                check(
                    add(given.as_bytes(), &name("a"), "H"),
                    Err(EditError::Exists),
                );
            }
        }
        let all = "\u{feff}a:1\n#a\nb:2:a\na:3\r\na";
        check(
            remove(all.as_bytes(), &name("a")),
            Ok("\u{feff}#a\nb:2:a\na"),
        );
    }

    proptest! {
        #[test]
        fn pieces_are_the_file(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let again: Vec<u8> = pieces(&file)
                .flat_map(|piece| [piece.mark, piece.text, piece.end].concat())
                .collect();
            prop_assert_eq!(again, file);
        }

        #[test]
        fn what_is_added_can_be_removed_again(file in "(\u{feff})?([#a-c:\r\n]{0,40}\n)?") {
            let added = add(file.as_bytes(), &name("new"), "H").unwrap();
            prop_assert!(added.starts_with(file.as_bytes()));
            prop_assert_eq!(remove(&added, &name("new")).unwrap(), file.as_bytes());
        }
    }
}
