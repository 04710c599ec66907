//! Reading a file that another program may be writing. `htpasswd` truncates the file and writes it
//! again, so a torn read is the normal case: a reading counts when a second one, after a quiet
//! moment, agrees with it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::Fault;

/// What the file system says of an open file. Modification times alone are never trusted: an
/// older file may be moved in, and `cp -p` sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Device and inode.
    identity: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
    mode: u32,
}

impl Fingerprint {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            identity: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
            mode: metadata.mode(),
        }
    }

    /// Whether both are the same file, whatever its content is now.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Whether its last change was long ago. A time in the future is no time.
    fn is_at_rest(&self) -> bool {
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        [self.modified, self.changed].iter().all(|(seconds, _)| {
            let then = u64::try_from(*seconds).map(Duration::from_secs);
            then.is_ok_and(|then| now.checked_sub(then).is_some_and(|age| age > LONG_AGO))
        })
    }

    /// Whether only its owner, and root, can read it.
    pub(crate) fn is_private(&self) -> bool {
        self.mode & 0o077 == 0
    }

    /// Whether the file is in no directory any more, so that nobody can reach it to change it.
    pub(crate) fn is_orphan(&self) -> bool {
        self.links == 0
    }
}

/// How a reader waits. A closure is called after each answer of the file system, and waits as time goes
/// by.
pub(crate) trait Waiting {
    /// The file system has answered.
    fn step(&self);

    /// Since some moment.
    fn now(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}

impl<F: Fn()> Waiting for F {
    fn step(&self) {
        self();
    }
}

/// A file's content with what the file system said before it was read.
pub(crate) struct Reading {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: [u8; 32],
    pub(crate) fingerprint: Fingerprint,
}

/// What is wrong with a file that cannot be opened or read.
pub(crate) fn unreadable(error: &io::Error) -> Fault {
    let (what, remedy) = match error.kind() {
        io::ErrorKind::NotFound => ("the file does not exist", "create it, or correct the path"),
        io::ErrorKind::PermissionDenied => (
            "permission denied",
            "make it readable for the user htgate runs as",
        ),
        _ => return Fault::new(error.to_string(), "check the path and its file system"),
    };
    Fault::new(what, remedy)
}

/// What is wrong with a key that is not [private](Fingerprint::is_private).
pub(crate) fn exposed() -> Fault {
    Fault::new(
        "users other than its owner may read or write this key",
        "run chmod 600 on it, and give it to the user htgate runs as",
    )
}

/// What the file system says of the file right now. Opens it: a network file system then asks its
/// server instead of its own memory.
pub(crate) fn look(path: &Path) -> Result<Fingerprint, Fault> {
    open(path).map(|(_, fingerprint)| fingerprint)
}

/// Whether there is nothing to read in a file.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty()
}

/// Reads the file as it is at this moment, stable or not.
pub(crate) fn read(path: &Path) -> Result<Reading, Fault> {
    read_open(path, &|| ()).map(|(_, reading)| reading)
}

/// Reads the file when nothing is known of it yet. One reading counts if by its times nobody has
/// touched the file lately. Clocks can err: what stays in force must be read once more later.
pub(crate) fn read_first(path: &Path) -> Result<Reading, Fault> {
    let reading = read(path)?;
    if reading.fingerprint.is_at_rest() && look(path)? == reading.fingerprint {
        return Ok(reading);
    }
    read_stable(path, |_| false, &|| ())
}

/// Reads the file when two readings agree. A content that `looks_begun` may be a write that has
/// only just begun: it must stay for longer.
pub(crate) fn read_stable(
    path: &Path,
    looks_begun: impl Fn(&[u8]) -> bool,
    waiting: &dyn Waiting,
) -> Result<Reading, Fault> {
    let mut start = None;
    loop {
        let (file, reading) = retry(path, waiting)?;
        // Only from here on: a large file may take long to read.
        let start = *start.get_or_insert_with(|| waiting.now());
        let is_late = waiting.now() - start > USUAL_WAIT;
        let is_stable = if looks_begun(&reading.bytes) {
            stays(path, &reading, BEGUN_QUIET, waiting)
        } else if is_late {
            keeps_content(file, &reading, waiting)
        } else {
            stays(path, &reading, QUIET, waiting)
        };
        if is_stable {
            return Ok(reading);
        }
        if is_late && waiting.now() - start > LONGEST_WAIT {
            return Err(Fault::new(
                "the file keeps changing",
                "write a temporary file and rename it into place",
            ));
        }
    }
}

/// Reads the file; a failure counts only if it lasts, because a file may be gone for a moment while
/// another takes its name.
fn retry(path: &Path, waiting: &dyn Waiting) -> Result<(File, Reading), Fault> {
    let start = waiting.now();
    loop {
        match read_open(path, waiting) {
            Err(_) if waiting.now() - start < QUIET => waiting.sleep(STEP),
            result => return result,
        }
    }
}

/// Whether the path leads to the same file, unchanged, for this long, and a second reading agrees.
fn stays(path: &Path, reading: &Reading, quiet: Duration, waiting: &dyn Waiting) -> bool {
    let start = waiting.now();
    while waiting.now() - start < quiet {
        waiting.sleep(STEP);
        waiting.step();
        if look(path).ok() != Some(reading.fingerprint) {
            return false;
        }
    }
    open(path).is_ok_and(|(mut file, fingerprint)| {
        fingerprint == reading.fingerprint
            && digest(&mut file, fingerprint, waiting, |_| ()).is_ok_and(|it| it == reading.digest)
    })
}

/// Whether an open file has the same content a moment later. That is all that can be asked where a
/// program renames whole files into place all the time, or writes again what is there already.
fn keeps_content(mut file: File, reading: &Reading, waiting: &dyn Waiting) -> bool {
    waiting.sleep(BRIEF_QUIET);
    waiting.step();
    let metadata = file.rewind().and_then(|()| file.metadata());
    metadata.is_ok_and(|metadata| {
        let later = Fingerprint::of(&metadata);
        digest(&mut file, later, waiting, |_| ()).is_ok_and(|it| it == reading.digest)
    })
}

fn read_open(path: &Path, waiting: &dyn Waiting) -> Result<(File, Reading), Fault> {
    let (mut file, fingerprint) = open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(fingerprint.size.min(LARGEST)).unwrap_or(0));
    let take = |portion: &[u8]| bytes.extend_from_slice(portion);
    let digest = digest(&mut file, fingerprint, waiting, take)?;
    let reading = Reading {
        bytes,
        digest,
        fingerprint,
    };
    Ok((file, reading))
}

/// The digest of a file's content, which is handed out portion by portion.
fn digest(
    file: &mut File,
    fingerprint: Fingerprint,
    waiting: &dyn Waiting,
    mut take: impl FnMut(&[u8]),
) -> Result<[u8; 32], Fault> {
    if fingerprint.size > LARGEST {
        let size = fingerprint.size;
        let what = format!("{size} bytes are over the limit of {LARGEST} bytes");
        return Err(Fault::new(what, "split the users"));
    }
    let mut digest = blake3::Hasher::new();
    let mut portion = vec![0; PORTION];
    let mut whole = file.take(LARGEST + 1);
    loop {
        let read = match whole.read(&mut portion) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| unreadable(&error))?,
        };
        let Some(portion) = portion.get(..read).filter(|portion| !portion.is_empty()) else {
            return Ok(*digest.finalize().as_bytes());
        };
        digest.update(portion);
        take(portion);
        waiting.step();
    }
}

fn open(path: &Path) -> Result<(File, Fingerprint), Fault> {
    // Checked before opening, because opening a device or a FIFO may have an effect; and after,
    // because another file may have taken the name in between.
    check_regular(&path.metadata().map_err(|error| unreadable(&error))?)?;
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    check_regular(&metadata)?;
    Ok((file, Fingerprint::of(&metadata)))
}

fn check_regular(metadata: &Metadata) -> Result<(), Fault> {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "directory",
        kind if kind.is_fifo() => "FIFO",
        kind if kind.is_socket() => "socket",
        _ => "device",
    };
    let what = format!("this is a {kind}");
    Err(Fault::new(what, "put a regular file there"))
}

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;
/// How much is read in one step, in bytes.
const PORTION: usize = 256 * 1024;
/// Two readings this far apart must agree.
pub(crate) const QUIET: Duration = Duration::from_millis(50);
/// A file that was not stable within [`USUAL_WAIT`] must only keep its content for this long.
const BRIEF_QUIET: Duration = Duration::from_millis(10);
/// A file that looks as if a program had only begun to write it must stay so for this long.
const BEGUN_QUIET: Duration = Duration::from_secs(1);
/// No program takes this long to write users, and clocks seldom differ by it.
const LONG_AGO: Duration = Duration::from_secs(60);
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// After this time the file counts as unstable, and is tried again at the next look.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
