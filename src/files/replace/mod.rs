//! The users file replaced at once and under a lock, with nobody's change lost that can be seen.
//!
//! Who writes through here waits for who else does. `htpasswd` locks nothing: it reads the file,
//! and a moment later truncates whatever then has its name and writes it anew. So after a file
//! took its place we look again, when nobody can be between those two steps any more: at the new
//! file, which may have been written over with what was read before, and at the old one, which
//! may have been written to after it lost its name. What was lost there is done again.

mod place;
mod writers;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::place::Held;
use crate::files::stable_read::{self, ReadError, is_blank, settle};
use crate::htpasswd::{EditError, Patch};

/// Whether a file that is absent is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It is made, empty, and then edited.
    Make,
    /// It is an error.
    Refuse,
}

/// What became of a file that was edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// It was there.
    Replaced,
    /// It is new.
    Made,
}

/// Why a file is not changed. Its text, with the file's path before it, is one line.
#[derive(Debug)]
pub(crate) enum RewriteError {
    /// The change does not fit the file as it is.
    Edit(EditError),
    /// One line: what is wrong and what to do.
    Other(String),
}

impl fmt::Display for RewriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(error) => error.fmt(f),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for RewriteError {}

impl From<ReadError> for RewriteError {
    fn from(error: ReadError) -> Self {
        Self::Other(error.to_string())
    }
}

impl RewriteError {
    fn io(doing: &str, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as the folder's owner or as root",
            io::ErrorKind::ReadOnlyFilesystem => "; change it where it comes from",
            io::ErrorKind::ResourceBusy => {
                "; a file that is mounted alone cannot be replaced: mount its folder"
            }
            _ => "",
        };
        Self::Other(format!("cannot {doing}: {error}{remedy}"))
    }
}

/// Replaces a file by what `edit` makes of it. A link stays, and what it leads to is replaced.
///
/// The file is at every moment the old one or the new one, whenever this process is killed.
///
/// # Errors
///
/// What keeps the file from being changed, or the change from lasting.
pub(crate) fn rewrite(
    path: &Path,
    absent: Absent,
    mut edit: impl FnMut(&[u8]) -> Result<Vec<u8>, EditError>,
) -> Result<Edited, RewriteError> {
    let path = follow(path)?;
    let made = absent == Absent::Make && place::make(&path)?;
    let mut held = Held::take(&path)?;
    held.sweep();
    let mut rounds = 0..MOST_ROUNDS;
    let (mut before, mut after) = loop {
        rounds.next().ok_or(ReadError::Restless)?;
        let reading = settle(&path, |bytes| !made && is_blank(bytes))?;
        let edited = edit(&reading.bytes).map_err(RewriteError::Edit)?;
        if held.replace(&reading, &edited)? {
            break (reading.bytes, edited);
        }
    };
    let (asked_from, asked_to) = (before.clone(), after.clone());
    let last = loop {
        rounds.next().ok_or(ReadError::Restless)?;
        writers::wait_out();
        let stray = held.replaced()?;
        let now = settle(&path, |bytes| !after.is_empty() && is_blank(bytes))?;
        if stray == before && now.bytes == after {
            break after;
        }
        let ours = Patch::between(&before, &after);
        let wanted = if stray != before && is_whole(&stray, &before) {
            Patch::between(&after, &now.bytes).apply(&ours.apply(&stray))
        } else if Patch::between(&before, &now.bytes).is_empty() {
            // Nothing but our change is gone: somebody wanted it so.
            now.bytes.clone()
        } else {
            ours.apply(&now.bytes)
        };
        if wanted == now.bytes {
            break wanted;
        }
        if held.replace(&now, &wanted)? {
            (before, after) = (now.bytes, wanted);
        }
    };
    if Patch::between(&asked_from, &asked_to).holds_in(&last) {
        return Ok(if made { Edited::Made } else { Edited::Replaced });
    }
    Err(RewriteError::Other(
        "another program changed the same user at the same time; look at it with \
         'htgate user list' and try again"
            .to_owned(),
    ))
}

/// Whether what was written to a file that had lost its name is all of it. A writer that was
/// killed or held up leaves a file cut short; one that is done takes away one user at most.
fn is_whole(stray: &[u8], before: &[u8]) -> bool {
    !before.starts_with(stray) && Patch::between(before, stray).removed() <= 1
}

/// Where a path leads. The file itself may be absent.
fn follow(path: &Path) -> Result<PathBuf, RewriteError> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => Ok(path),
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                let what = "this is a link to nothing; mend it or remove it";
                return Err(RewriteError::Other(what.to_owned()));
            }
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            let folder = parent.canonicalize();
            let folder = folder.map_err(|error| RewriteError::io("enter its folder", &error))?;
            Ok(folder.join(name))
        }
        (Err(error), ..) => Err(RewriteError::io("find it", &error)),
    }
}

/// So often the file may change under our hands. Each round takes a tenth of a second and more.
const MOST_ROUNDS: usize = 50;

#[cfg(test)]
mod tests;
