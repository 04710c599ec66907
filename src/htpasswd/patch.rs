//! Two changes of the same version of a file brought together, user by user.

use std::collections::HashMap;

use super::edit::append;
use super::lines::pieces;

/// What became of the users from one version of a file to another: a means to bring two changes
/// of the same version together.
#[derive(Debug, PartialEq, Eq)]
pub struct Patch<'a> {
    /// In the order of the later version, then those who are gone.
    changes: Vec<Change<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Change<'a> {
    name: &'a [u8],
    from: Vec<&'a [u8]>,
    to: Vec<&'a [u8]>,
}

impl<'a> Patch<'a> {
    /// What changed between two versions.
    pub fn between(from: &'a [u8], to: &'a [u8]) -> Self {
        let (mut old, mut new) = (by_name(from), by_name(to));
        let mut changes = Vec::new();
        for name in pieces(to)
            .chain(pieces(from))
            .filter_map(|piece| piece.name())
        {
            let (from, to) = (old.remove(name), new.remove(name));
            if from != to {
                changes.push(Change {
                    name,
                    from: from.unwrap_or_default(),
                    to: to.unwrap_or_default(),
                });
            }
        }
        Self { changes }
    }

    /// Whether no user changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many users are gone.
    pub fn removed(&self) -> usize {
        let gone = |change: &&Change<'_>| change.to.is_empty();
        self.changes.iter().filter(gone).count()
    }

    /// Whether a version of the file says of the changed users what the later version said.
    pub fn holds_in(&self, file: &[u8]) -> bool {
        let present = by_name(file);
        self.changes
            .iter()
            .all(|change| lines_in(&present, change.name) == change.to)
    }

    /// Another version of the file with the same changes. A user of whom it says something else
    /// than the version before the change did is left alone: that is a later change.
    pub fn apply(&self, file: &[u8]) -> Vec<u8> {
        let present = by_name(file);
        let mut to_do: HashMap<_, _> = self
            .changes
            .iter()
            .filter(|change| lines_in(&present, change.name) == change.from)
            .map(|change| (change.name, change.to.iter()))
            .collect();
        let mut edited = Vec::with_capacity(file.len());
        for piece in pieces(file) {
            edited.extend(piece.mark);
            match piece.name().and_then(|name| to_do.get_mut(name)) {
                None => edited.extend([piece.text, piece.end].concat()),
                Some(lines) => {
                    if let Some(line) = lines.next() {
                        edited.extend([line, piece.end].concat());
                    }
                }
            }
        }
        for change in &self.changes {
            for line in to_do.remove(change.name).into_iter().flatten() {
                append(&mut edited, line);
            }
        }
        edited
    }
}

/// The lines of each user.
fn by_name(file: &[u8]) -> HashMap<&[u8], Vec<&[u8]>> {
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for piece in pieces(file) {
        if let Some(name) = piece.name() {
            lines.entry(name).or_default().push(piece.text);
        }
    }
    lines
}

fn lines_in<'a, 'b>(present: &'b HashMap<&[u8], Vec<&'a [u8]>>, name: &[u8]) -> &'b [&'a [u8]] {
    present.get(name).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_changes_of_the_same_version_come_together() {
        let rows = [
            // before, ours, theirs, expected
            ("a:1\n", "a:1\nx:1\n", "a:1\ny:1\n", "a:1\ny:1\nx:1\n"),
            ("#c\na:1\n", "#c\na:2\n", "#c\na:1\ny:1\n", "#c\na:2\ny:1\n"),
            ("a:1\nb:1\n", "b:1\n", "a:1\nb:1\ny:1\n", "b:1\ny:1\n"),
            // The same user: what was written later stays.
            ("a:1\n", "a:2\n", "a:3\n", "a:3\n"),
            ("a:1\n", "a:2\n", "", ""),
            ("a:1\na:2\n", "a:3\na:2\n", "#c\na:1\na:2", "#c\na:3\na:2"),
        ];
        for (before, ours, theirs, expected) in rows {
            let patch = Patch::between(before.as_bytes(), ours.as_bytes());
            let seen = String::from_utf8(patch.apply(theirs.as_bytes())).unwrap();
            assert_eq!(seen, expected, "{before:?} {ours:?} {theirs:?}");
        }
        assert!(Patch::between(b"#x\na:1\n", b"a:1").is_empty());
    }

    proptest! {
        #[test]
        fn a_patch_leads_from_one_version_to_the_other(
            from in "([a-d]:[12]\n){0,6}", to in "([a-d]:[12]\n){0,6}",
        ) {
            let patched = Patch::between(from.as_bytes(), to.as_bytes()).apply(from.as_bytes());
            prop_assert!(Patch::between(&patched, to.as_bytes()).is_empty());
        }
    }
}
