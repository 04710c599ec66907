//! The users file replaced in one step, under a lock. Anyone who replaces it through here waits
//! for the others who do. A program that does not lock the file is noticed until just before the
//! rename: then the edit starts again from what that program wrote.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::stable_read::{Fingerprint, ReadError, is_blank, look, read, settle};
use crate::htpasswd::EditError;

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
    /// It existed.
    Replaced,
    /// It is new.
    Made,
}

/// Why a file is not changed. Its text, with the file's path before it, is one line.
#[derive(Debug)]
pub(crate) enum ReplaceError {
    /// The change does not fit the file as it is.
    Edit(EditError),
    /// One line: what is wrong and what to do.
    Other(String),
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(error) => error.fmt(f),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for ReplaceError {}

impl From<ReadError> for ReplaceError {
    fn from(error: ReadError) -> Self {
        Self::Other(crate::Fault::from(error).to_string())
    }
}

impl ReplaceError {
    fn other(what: &str) -> Self {
        Self::Other(what.to_owned())
    }

    /// For `map_err`, with what could not be done.
    fn io(doing: &str) -> impl Fn(io::Error) -> Self {
        move |error| {
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
}

/// Replaces a file by what `edit` makes of it. A link stays, and what it leads to is replaced.
///
/// The file is at every moment the old one or the new one, whenever this process is killed.
///
/// # Errors
///
/// What keeps the file from being changed, or the change from lasting.
pub(crate) fn replace(
    path: &Path,
    absent: Absent,
    mut edit: impl FnMut(&[u8]) -> Result<Vec<u8>, EditError>,
) -> Result<Edited, ReplaceError> {
    let path = follow(path)?;
    let made = absent == Absent::Make && make(&path)?;
    for _ in 0..MOST_ATTEMPTS {
        let held = lock(&path)?;
        sweep(&path);
        let metadata = held.metadata().map_err(ReadError::from)?;
        let before = settle(&path, |bytes| !made && is_blank(bytes))?;
        if !Fingerprint::of(&metadata).is_same_file(&before.fingerprint) {
            continue;
        }
        let bytes = edit(&before.bytes).map_err(ReplaceError::Edit)?;
        let aside = Aside::write(&path, &bytes, &metadata)?;
        let now = read(&path)?;
        if (now.fingerprint, now.digest) == (before.fingerprint, before.digest) {
            aside.rename_to(&path)?;
            return Ok(if made { Edited::Made } else { Edited::Replaced });
        }
    }
    let what = "another program keeps changing the file; end that program and try again";
    Err(ReplaceError::other(what))
}

/// Where a path leads. The file itself may be absent.
fn follow(path: &Path) -> Result<PathBuf, ReplaceError> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => Ok(path),
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(path).is_ok() {
                let what = "this is a link to nothing; fix it or remove it";
                return Err(ReplaceError::other(what));
            }
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            let folder = parent.canonicalize();
            Ok(folder
                .map_err(ReplaceError::io("enter its folder"))?
                .join(name))
        }
        (Err(error), ..) => Err(ReplaceError::io("find it")(error)),
    }
}

/// Makes an empty file where none is, and says whether it did.
fn make(path: &Path) -> Result<bool, ReplaceError> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(NEW_MODE);
    match options.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(ReplaceError::io("make it")(error)),
    }
}

/// Waits for the lock. It is on the file itself, so it counts only if the path still leads to that
/// file once the lock is there.
fn lock(path: &Path) -> Result<File, ReplaceError> {
    let start = Instant::now();
    loop {
        // Looked at first: opening a FIFO would hang.
        let fingerprint = look(path)?;
        // A network file system locks only what is open for writing.
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file
            .or_else(|_| File::open(path))
            .map_err(ReadError::from)?;
        match file.try_lock() {
            Ok(()) => {
                let held = Fingerprint::of(&file.metadata().map_err(ReadError::from)?);
                if held.is_same_file(&fingerprint) && look(path)?.is_same_file(&held) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) if start.elapsed() < LONGEST_WAIT => thread::sleep(STEP),
            Err(TryLockError::WouldBlock) => {
                let what = "another program has locked it for half a minute; end that one first";
                return Err(ReplaceError::other(what));
            }
            Err(TryLockError::Error(error)) => return Err(ReplaceError::io("lock it")(error)),
        }
    }
}

/// Removes what killed processes have left beside the file, as far as possible.
fn sweep(path: &Path) {
    let folder = path.parent().map(fs::read_dir);
    for entry in folder.into_iter().flatten().flatten().flatten() {
        // Opening a FIFO would hang, and another one may have that name a moment later.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_aside(&entry.file_name(), path) {
            continue;
        }
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(entry.path());
        // A process that is still writing its own has it locked.
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is a name that [`Aside`] gives, and not just one that begins like it.
fn is_aside(name: &OsStr, path: &Path) -> bool {
    let prefix = aside_prefix(path);
    let rest = name
        .as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes());
    rest.is_some_and(|rest| {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        rest.len() == 16 && rest.iter().all(is_digit)
    })
}

fn aside_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".htgate-");
    prefix
}

/// A finished file under a name of its own, locked, which goes when it is not wanted.
struct Aside {
    path: PathBuf,
    file: File,
    wanted: bool,
}

impl Aside {
    /// Writes these bytes beside a file, with that file's owner and mode.
    fn write(beside: &Path, bytes: &[u8], like: &Metadata) -> Result<Self, ReplaceError> {
        let writing = ReplaceError::io("write a new file beside it");
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| writing(error.into()))?;
        let mut name = aside_prefix(beside);
        name.push(format!("{:016x}", u64::from_ne_bytes(random)));
        let path = beside.with_file_name(name);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(PRIVATE);
        let file = options.open(&path).map_err(&writing)?;
        let mut aside = Self {
            path,
            file,
            wanted: false,
        };
        let file = &mut aside.file;
        file.lock().map_err(&writing)?;
        file.write_all(bytes).map_err(&writing)?;
        let own = file.metadata().map_err(&writing)?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            fchown(&*file, Some(like.uid()), Some(like.gid()))
                .map_err(ReplaceError::io("keep its owner and group"))?;
        }
        let mode = Permissions::from_mode(like.mode() & 0o7777);
        file.set_permissions(mode).map_err(&writing)?;
        file.sync_all().map_err(&writing)?;
        Ok(aside)
    }

    fn rename_to(mut self, path: &Path) -> Result<(), ReplaceError> {
        fs::rename(&self.path, path).map_err(ReplaceError::io("replace it"))?;
        self.wanted = true;
        // A rename outlasts a loss of power only once the folder is on the disk as well.
        let folder = File::open(path.parent().unwrap_or_else(|| Path::new("/")));
        let synced = folder.and_then(|folder| folder.sync_all());
        synced.map_err(ReplaceError::io("sync its folder"))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.wanted {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Each attempt takes a twentieth of a second and more.
const MOST_ATTEMPTS: usize = 50;
/// A new file is for its owner and group; the umask may take more away.
const NEW_MODE: u32 = 0o640;
/// Until owner and mode are those of the file that is replaced.
const PRIVATE: u32 = 0o600;
const STEP: Duration = Duration::from_millis(10);
/// Each process holds the lock for a fraction of a second.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
