//! Changes to the bytes of a file that leave every other byte as it is: comments, order, faulty
//! lines, line ends, a byte-order mark, a missing last line end.

use std::fmt;

use super::lines::pieces;
use super::name::Name;

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
