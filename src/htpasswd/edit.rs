//! Changes to the bytes of a file that leave every other byte as it is: comments, order, faulty
//! lines, line ends, a byte-order mark, a missing last line end. The edited bytes are parsed
//! before they are handed out.

use std::fmt;

use super::lines::{Line, lines, pieces};
use super::name::Name;
use super::{LineFault, Users};
use crate::hash::{Limits, PasswordHash};

/// Why a file is left as it is. Its text is a remedy as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The user has a line already.
    Exists,
    /// The user has no line.
    Absent,
    /// The change would affect another user's entry as well, on this line.
    Tangled(u64),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => {
                f.write_str("the user already exists; set a password with 'htgate user set NAME'")
            }
            Self::Absent => f.write_str("there is no such user; see 'htgate user list'"),
            Self::Tangled(line) => write!(
                f,
                "nothing is written, because line {line} would change for another user as well; \
                 put each user on a line of its own, without stray carriage returns or byte-order \
                 marks, and try again"
            ),
        }
    }
}

impl std::error::Error for EditError {}

/// The file with a new line for a user who has none.
///
/// # Errors
///
/// [`EditError::Exists`], for a faulty line as well, or [`EditError::Tangled`].
pub fn add(file: &[u8], name: &Name, hash: &str) -> Result<Vec<u8>, EditError> {
    if has(file, name) {
        return Err(EditError::Exists);
    }
    let mut edited = file.to_vec();
    append(
        &mut edited,
        &[name.as_bytes(), b":", hash.as_bytes()].concat(),
    );
    checked(file, edited, name, Some(hash))
}

/// The file with another hash in the line that counts for a user, the first. What follows the
/// hash stays.
///
/// # Errors
///
/// [`EditError::Absent`] or [`EditError::Tangled`].
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
    if !found {
        return Err(EditError::Absent);
    }
    checked(file, edited, name, Some(hash))
}

/// The file without any line of a user.
///
/// # Errors
///
/// [`EditError::Absent`] or [`EditError::Tangled`].
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
    checked(file, edited, name, None)
}

fn has(file: &[u8], name: &Name) -> bool {
    pieces(file).any(|piece| piece.name() == Some(name.as_bytes()))
}

/// Puts a line at the end, with line ends like the file's last. A carriage return alone ends no
/// line: it gets its line feed.
fn append(file: &mut Vec<u8>, line: &[u8]) {
    if file.ends_with(b"\r") {
        file.push(b'\n');
    }
    let end = pieces(file)
        .map(|piece| piece.end)
        .filter(|end| !end.is_empty())
        .last();
    let end = end.unwrap_or(b"\n").to_vec();
    let last = pieces(file).last();
    if last.is_some_and(|last| last.end.is_empty() && !last.text.is_empty()) {
        file.extend(&end);
    }
    file.extend([line, &end].concat());
}

/// The edited file, if it says of this user what was meant, and of all others what it said.
fn checked(
    before: &[u8],
    after: Vec<u8>,
    name: &Name,
    hash: Option<&str>,
) -> Result<Vec<u8>, EditError> {
    let own = |line: &Line<'_>| line.name() == Some(name.as_bytes());
    let shared = lines(before)
        .filter(own)
        .find(|line| holds_another(line.text));
    let now = lines(&after).find(own);
    let as_meant = match (now, hash) {
        (None, None) => true,
        (Some(line), Some(hash)) => {
            let (users, _) = Users::parse(line.text, ANY);
            let meant = PasswordHash::parse(hash.as_bytes(), ANY);
            meant.is_ok_and(|meant| users.find(name.as_bytes()) == Some(&meant))
        }
        _ => false,
    };
    let wrong = match (shared, as_meant) {
        (Some(line), _) => Some(line.number),
        (None, false) => Some(now.map_or(1, |line| line.number)),
        (None, true) => changed_for_others(before, &after, name),
    };
    wrong.map_or(Ok(after), |line| Err(EditError::Tangled(line)))
}

/// Whether the line of a user also seems to hold the entry of another one.
fn holds_another(line: &[u8]) -> bool {
    let (_, errors) = Users::parse(line, ANY);
    let glued = errors
        .first()
        .iter()
        .any(|error| error.fault == LineFault::Glued);
    glued || line.trim_ascii_end().contains(&b'\r')
}

/// The first line of other users, or comment, that differs between the two.
fn changed_for_others(before: &[u8], after: &[u8], name: &Name) -> Option<u64> {
    let mut left = others(after, name);
    let changed =
        others(before, name).find(|(_, text)| left.next().map(|(_, text)| text) != Some(text));
    changed.or_else(|| left.next()).map(|(number, _)| number)
}

fn others<'a>(file: &'a [u8], name: &Name) -> impl Iterator<Item = (u64, &'a [u8])> {
    let theirs = (1..)
        .zip(pieces(file))
        .filter(|(_, piece)| piece.name() != Some(name.as_bytes()));
    theirs
        .map(|(number, piece)| (number, piece.text))
        .filter(|(_, text)| !text.is_empty())
}

/// Whether the service accepts a hash is for its settings to decide, not for an edit.
const ANY: Limits = Limits {
    max_bcrypt_cost: 31,
    allow_plaintext: true,
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "$2y$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    /// Expects this file, in which `H` stands for the hash.
    fn check(seen: Result<Vec<u8>, EditError>, expected: Result<&str, EditError>) {
        let seen = seen.map(|bytes| String::from_utf8(bytes).unwrap().replace(HASH, "H"));
        assert_eq!(seen, expected.map(str::to_owned));
    }

    #[test]
    fn add_set_and_remove_touch_nothing_else() {
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
            // A carriage return alone ends no line.
            ("a:1\r", "a:1\r\nz:H\r\n", Some("a:H\r")),
            ("b:2\na:1\r", "b:2\na:1\r\nz:H\r\n", Some("b:2\na:H\r")),
            ("\r", "\r\nz:H\r\n", None),
            ("a:1\r\r\n", "a:1\r\r\nz:H\r\n", Some("a:H\r\n")),
            ("a:1:c\n#\r#\n", "a:1:c\n#\r#\nz:H\n", Some("a:H:c\n#\r#\n")),
            (
                "b:1\rc:1\na:1",
                "b:1\rc:1\na:1\nz:H\n",
                Some("b:1\rc:1\na:H"),
            ),
        ];
        for (given, added, changed) in rows {
            check(add(given.as_bytes(), &name("z"), HASH), Ok(added));
            check(remove(added.as_bytes(), &name("q")), Err(EditError::Absent));
            let expected = changed.ok_or(EditError::Absent);
            check(set(given.as_bytes(), &name("a"), HASH), expected);
            if changed.is_some() {
                check(
                    add(given.as_bytes(), &name("a"), HASH),
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

    #[test]
    fn a_line_that_holds_another_user_is_left_alone() {
        let rows = [
            ("a:1\rb:2\n", 1),
            ("b:1\na:1\rb:2\rc:3\r", 2),
            ("a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=b:$apr1$x$y\n", 1),
        ];
        for (file, line) in rows {
            let tangled = EditError::Tangled(line);
            check(set(file.as_bytes(), &name("a"), HASH), Err(tangled));
            check(remove(file.as_bytes(), &name("a")), Err(tangled));
            add(file.as_bytes(), &name("z"), HASH).unwrap();
        }
        // The mark would move to the start of the file, where it is not part of a name.
        let file = "a:1\n\u{feff}b:2\n";
        check(
            remove(file.as_bytes(), &name("a")),
            Err(EditError::Tangled(2)),
        );
        // A hash that would not come back out of the file is not written.
        for hash in ["", "x", "x\n", &format!("{HASH}\nb:{HASH}")] {
            check(add(b"a:1\n", &name("z"), hash), Err(EditError::Tangled(2)));
        }
    }

    /// The users' lines, read in the plainest way.
    fn lines_but_of(name: &str, file: &[u8]) -> Vec<String> {
        let text = String::from_utf8(file.to_vec()).unwrap();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines = text
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line));
        let others = lines.filter(|line| line.split_once(':').is_none_or(|(user, _)| user != name));
        others
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    proptest! {
        #[test]
        fn no_other_line_changes(
            file in "(\u{feff})?((#| |\u{feff})?[ab]{0,2}:?(1|[$]5[$]|[{]SHA[}])?(:c)?(\n|\r\n|\r){0,2}){0,8}",
            name in "[abz]",
        ) {
            let (bytes, user) = (file.as_bytes(), Name::new(name.as_bytes()).unwrap());
            let edits = [add(bytes, &user, HASH), set(bytes, &user, HASH), remove(bytes, &user)];
            let marks = file.matches('\u{feff}').count();
            let odd = file.replace("\r\n", "").contains('\r')
                || marks > usize::from(file.starts_with('\u{feff}'))
                || file.lines().any(|line| line.matches(':').count() > 1);
            for (edit, removes) in edits.into_iter().zip([false, false, true]) {
                match edit {
                    Ok(edited) => {
                        prop_assert_eq!(lines_but_of(&name, bytes), lines_but_of(&name, &edited));
                        let (users, _) = Users::parse(&edited, Limits::default());
                        let hash = PasswordHash::parse(HASH.as_bytes(), ANY).unwrap();
                        prop_assert_eq!(users.find(name.as_bytes()), Some(&hash).filter(|_| !removes));
                    }
                    Err(EditError::Tangled(_)) => prop_assert!(odd),
                    Err(_) => (),
                }
            }
        }

        #[test]
        fn pieces_are_the_file(file in proptest::collection::vec(any::<u8>(), 0..200)) {
            let again: Vec<u8> = pieces(&file)
                .flat_map(|piece| [piece.mark, piece.text, piece.end].concat())
                .collect();
            prop_assert_eq!(again, file);
        }

        #[test]
        fn what_is_added_can_be_removed_again(file in "(\u{feff})?([#a-c:\r\n]{0,40}\n)?") {
            let added = add(file.as_bytes(), &name("new"), HASH).unwrap();
            prop_assert!(added.starts_with(file.as_bytes()));
            prop_assert_eq!(remove(&added, &name("new")).unwrap(), file.as_bytes());
        }
    }
}
