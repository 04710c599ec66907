//! The users file replaced in one step, under a lock. Anyone who replaces it through here waits
//! for the others who do. A program that does not lock the file is noticed until just before the
//! rename: then the edit starts again from what that program wrote.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Fault;
use crate::files::stable_read::{Fingerprint, is_blank, look, read, read_stable};

/// What to do where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Make an empty one, and edit that.
    Make,
    /// Refuse: it is an error.
    Refuse,
}

/// Replaces a file with what `edit` returns for its content; returns whether the file is new. A
/// link stays, and the file that it leads to is replaced.
///
/// At every moment there is either the old file or the new one, even if this process is killed.
///
/// # Errors
///
/// One line: the error of `edit`, or what keeps the file from being changed, or the change from
/// lasting.
pub(crate) fn replace(
    path: &Path,
    absent: Absent,
    mut edit: impl FnMut(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<bool, String> {
    let path = follow(path)?;
    let is_new = absent == Absent::Make && make(&path)?;
    for _ in 0..MOST_ATTEMPTS {
        let held = lock(&path)?;
        sweep(&path);
        let metadata = held.metadata().map_err(cannot("look at it"))?;
        let looks_begun = |bytes: &[u8]| !is_new && is_blank(bytes);
        let before = read_stable(&path, looks_begun, &|| ()).map_err(line)?;
        if !Fingerprint::of(&metadata).is_same_file(&before.fingerprint) {
            continue;
        }
        let aside = Aside::write(&path, &edit(&before.bytes)?, &metadata)?;
        let now = read(&path).map_err(line)?;
        if (now.fingerprint, now.digest) == (before.fingerprint, before.digest) {
            aside.rename_to(&path)?;
            return Ok(is_new);
        }
    }
    Err("another program keeps changing the file; end that program and try again".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn line(fault: Fault) -> String {
    fault.to_string()
}

/// For `map_err`, with what could not be done.
fn cannot(doing: &str) -> impl Fn(io::Error) -> String {
    move |error| {
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => "; run this as the folder's owner or as root",
            io::ErrorKind::ReadOnlyFilesystem => "; change it where it comes from",
            io::ErrorKind::ResourceBusy => {
                "; a file that is mounted alone cannot be replaced: mount its folder"
            }
            _ => "",
        };
        format!("cannot {doing}: {error}{remedy}")
    }
}

/// Where a path leads. The file itself may be absent.
fn follow(path: &Path) -> Result<PathBuf, String> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => Ok(path),
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            if path.is_symlink() {
                return Err("this is a link to nothing; fix it or remove it".to_owned());
            }
            let parent = Path::new(".").join(parent).canonicalize();
            Ok(parent.map_err(cannot("enter its folder"))?.join(name))
        }
        (Err(error), ..) => Err(cannot("find it")(error)),
    }
}

/// Makes an empty file where there is none; returns whether it did.
fn make(path: &Path) -> Result<bool, String> {
    let mut options = OpenOptions::new();
    match options
        .write(true)
        .create_new(true)
        .mode(NEW_MODE)
        .open(path)
    {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot("make it")(error)),
    }
}

/// Waits for the lock. It is on the file itself, so it counts only if the path still leads to that
/// file once the lock is there.
fn lock(path: &Path) -> Result<File, String> {
    let start = Instant::now();
    loop {
        // Checked first, because opening a FIFO would hang.
        let fingerprint = look(path).map_err(line)?;
        // A network file system locks only what is open for writing.
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file
            .or_else(|_| File::open(path))
            .map_err(cannot("open it"))?;
        match file.try_lock() {
            Ok(()) => {
                let held = Fingerprint::of(&file.metadata().map_err(cannot("look at it"))?);
                let now = look(path).map_err(line)?;
                if held.is_same_file(&fingerprint) && held.is_same_file(&now) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) if start.elapsed() < LONGEST_WAIT => thread::sleep(STEP),
            Err(TryLockError::WouldBlock) => {
                let what = "another program has locked it for half a minute; end that one first";
                return Err(what.to_owned());
            }
            Err(TryLockError::Error(error)) => return Err(cannot("lock it")(error)),
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
        let mut options = OpenOptions::new();
        let options = options.custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let file = options.read(true).open(entry.path());
        // A process that is still writing its own has it locked.
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is a name that [`Aside`] gives, and not just one that begins like it.
fn is_aside(name: &OsStr, path: &Path) -> bool {
    let (name, prefix) = (name.as_encoded_bytes(), aside_prefix(path));
    let rest = name.strip_prefix(prefix.as_encoded_bytes());
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(is_digit))
}

fn aside_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".htgate-");
    prefix
}

/// A finished, locked file under a temporary name, which is removed unless it was renamed.
struct Aside {
    path: PathBuf,
    file: File,
}

impl Aside {
    /// Writes these bytes beside a file, with that file's owner and mode.
    fn write(beside: &Path, bytes: &[u8], like: &Metadata) -> Result<Self, String> {
        let writing = cannot("write a new file beside it");
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| writing(error.into()))?;
        let mut name = aside_prefix(beside);
        name.push(format!("{:016x}", u64::from_ne_bytes(random)));
        let path = beside.with_file_name(name);
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(PRIVATE);
        let file = options.open(&path).map_err(&writing)?;
        let aside = Self { path, file };
        let mut file = &aside.file;
        file.lock().map_err(&writing)?;
        file.write_all(bytes).map_err(&writing)?;
        let own = file.metadata().map_err(&writing)?;
        if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
            let changed = fchown(file, Some(like.uid()), Some(like.gid()));
            changed.map_err(cannot("keep its owner and group"))?;
        }
        let mode = Permissions::from_mode(like.mode() & 0o7777);
        file.set_permissions(mode).map_err(&writing)?;
        file.sync_all().map_err(&writing)?;
        Ok(aside)
    }

    fn rename_to(self, path: &Path) -> Result<(), String> {
        fs::rename(&self.path, path).map_err(cannot("replace it"))?;
        // A rename outlasts a loss of power only once the folder is on the disk as well.
        let folder = File::open(path.parent().unwrap_or_else(|| Path::new("/")));
        let synced = folder.and_then(|folder| folder.sync_all());
        synced.map_err(cannot("sync its folder"))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // After the rename there is nothing under that name.
        let _ = fs::remove_file(&self.path);
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
