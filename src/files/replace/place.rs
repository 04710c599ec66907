//! One file's place in its folder: who holds it, and what takes it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::RewriteError;
use super::stable_read::{self, Fingerprint, QUIET, ReadError, Reading};

/// Makes an empty file where none is, and says whether it did.
pub(super) fn make(path: &Path) -> Result<bool, RewriteError> {
    let mut options = OpenOptions::new();
    match options
        .write(true)
        .create_new(true)
        .mode(NEW_MODE)
        .open(path)
    {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(RewriteError::io("make it", &error)),
    }
}

/// A file that is locked against others who lock it. The lock is on the file itself, so it
/// survives renames only because whoever gets it looks whether the path still leads there.
pub(super) struct Held {
    path: PathBuf,
    file: File,
    /// What had the path before us. Somebody may have it open still.
    replaced: Option<File>,
}

impl Held {
    /// Waits for the lock.
    pub(super) fn take(path: &Path) -> Result<Self, RewriteError> {
        Ok(Self {
            path: path.to_owned(),
            file: lock(path)?,
            replaced: None,
        })
    }

    /// Puts other bytes in the place of what was read, with the same owner and mode. Does nothing
    /// and says `false` if what was read is not there any more.
    pub(super) fn replace(
        &mut self,
        expected: &Reading,
        bytes: &[u8],
    ) -> Result<bool, RewriteError> {
        let metadata = self.file.metadata().map_err(ReadError::from)?;
        if !Fingerprint::of(&metadata).is_same_file(&expected.fingerprint) {
            self.file = lock(&self.path)?;
            return Ok(false);
        }
        let new = self.write_aside(bytes, &metadata)?;
        let now = stable_read::read(&self.path)?;
        if (now.fingerprint, now.digest) != (expected.fingerprint, expected.digest) {
            return Ok(false);
        }
        let new = new.become_file(&self.path)?;
        self.replaced = Some(std::mem::replace(&mut self.file, new));
        sync_folder(&self.path).map_err(|error| RewriteError::io("sync its folder", &error))?;
        Ok(true)
    }

    /// What the file that we replaced holds by now.
    pub(super) fn replaced(&self) -> Result<Vec<u8>, ReadError> {
        let Some(mut file) = self.replaced.as_ref() else {
            return Ok(Vec::new());
        };
        let mut last: Option<Vec<u8>> = None;
        for _ in 0..MOST_READINGS {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.read_to_end(&mut bytes)?;
            if last.is_some_and(|last| last == bytes) {
                return Ok(bytes);
            }
            last = Some(bytes);
            thread::sleep(QUIET);
        }
        Err(ReadError::Restless)
    }

    /// Removes what writers that were killed have left, as far as that can be.
    pub(super) fn sweep(&self) {
        let folder = self.path.parent().map(fs::read_dir);
        let entries = folder.into_iter().flatten().flatten();
        let prefix = aside_prefix(&self.path);
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name
                .as_encoded_bytes()
                .starts_with(prefix.as_encoded_bytes())
            {
                continue;
            }
            // Whoever still writes one has it locked.
            if File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn write_aside(&self, bytes: &[u8], like: &fs::Metadata) -> Result<Aside, RewriteError> {
        let writing = |error: io::Error| RewriteError::io("write a new file beside it", &error);
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| writing(error.into()))?;
        let mut name = aside_prefix(&self.path);
        name.push(format!("{:016x}", u64::from_ne_bytes(random)));
        let path = self.path.with_file_name(name);
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&path);
        let mut aside = Aside {
            path,
            file: Some(file.map_err(writing)?),
        };
        if let Some(file) = &mut aside.file {
            file.lock().map_err(writing)?;
            file.write_all(bytes).map_err(writing)?;
            let own = file.metadata().map_err(writing)?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
                fchown(&*file, Some(like.uid()), Some(like.gid()))
                    .map_err(|error| RewriteError::io("keep its owner and group", &error))?;
            }
            file.set_permissions(Permissions::from_mode(like.mode() & 0o7777))
                .map_err(writing)?;
            file.sync_all().map_err(writing)?;
        }
        Ok(aside)
    }
}

/// A finished file under a name of its own, which goes when it is not wanted.
struct Aside {
    path: PathBuf,
    file: Option<File>,
}

impl Aside {
    fn become_file(mut self, path: &Path) -> Result<File, RewriteError> {
        let replacing = |error: io::Error| RewriteError::io("replace it", &error);
        fs::rename(&self.path, path).map_err(replacing)?;
        self.file
            .take()
            .ok_or_else(|| replacing(io::ErrorKind::NotFound.into()))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn lock(path: &Path) -> Result<File, RewriteError> {
    let start = Instant::now();
    loop {
        // Looked at first: a FIFO would hang whoever opens it.
        let fingerprint = stable_read::look(path)?;
        // A network file system locks only what is open for writing.
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file
            .or_else(|_| File::open(path))
            .map_err(ReadError::from)?;
        match file.try_lock() {
            Ok(()) => {
                let held = Fingerprint::of(&file.metadata().map_err(ReadError::from)?);
                if held.is_same_file(&fingerprint) && stable_read::look(path)?.is_same_file(&held) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(STEP),
            Err(TryLockError::WouldBlock) => {
                let what = "another program has locked it for half a minute; end that one first";
                return Err(RewriteError::Other(what.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(RewriteError::io("lock it", &error)),
        }
    }
}

/// A rename lasts through a loss of power only when the folder is on the disk, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new("/")))?.sync_all()
}

fn aside_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".htgate-");
    prefix
}

/// A new file is for its owner and group; the umask may take more away.
const NEW_MODE: u32 = 0o640;
/// Until owner and mode are those of the file that is replaced.
const PRIVATE: u32 = 0o600;
const STEP: Duration = Duration::from_millis(10);
/// Whoever writes to the old file for longer than these take never ends.
const MOST_READINGS: u8 = 100;
/// Each writer holds the lock for a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);
