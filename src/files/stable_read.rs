//! Reading a file that somebody may be writing. `htpasswd` truncates the file and writes it
//! again, so a torn read is the normal case: a reading counts when a second one, after a quiet
//! moment, agrees with it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::Fault;

/// What the file system says of an open file. Modification times alone are never trusted: an
/// older file may be moved in, and `cp -p` sets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    links: u64,
    mode: u32,
}

impl Fingerprint {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            links: metadata.nlink(),
            mode: metadata.mode(),
        }
    }

    /// Whether both are the same file, whatever it holds by now.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether nobody but its owner, and root, can read it.
    pub(crate) fn is_private(&self) -> bool {
        self.mode & 0o077 == 0
    }

    /// Whether no directory holds the file any more, so that nobody can reach it to change it.
    pub(crate) fn is_orphan(&self) -> bool {
        self.links == 0
    }
}

/// A file's content with what the file system said before it was read.
pub(crate) struct Reading {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: [u8; 32],
    pub(crate) fingerprint: Fingerprint,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Missing,
    Io(io::Error),
    NotAFile(&'static str),
    TooLarge(u64),
    Restless,
    Exposed,
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Missing => {
                Self::new("the file does not exist", "create it, or correct the path")
            }
            ReadError::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => Self::new(
                "permission denied",
                "make it readable for the user htgate runs as",
            ),
            ReadError::Io(error) => Self::new(error.to_string(), "look at its file system"),
            ReadError::NotAFile(kind) => {
                Self::new(format!("this is a {kind}"), "put a regular file there")
            }
            ReadError::TooLarge(size) => Self::new(
                format!("{size} bytes are over the limit of {LARGEST} bytes"),
                "split the users",
            ),
            ReadError::Exposed => Self::new(
                "others than its owner may read or write this key",
                "use chmod 600, and give it to the user htgate runs as",
            ),
            ReadError::Restless => Self::new(
                "the file keeps changing",
                "write a temporary file and rename it into place",
            ),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Io(error)
        }
    }
}

/// What the file system says of the file right now. Opens it, for a network file system then
/// asks its server instead of its own memory.
pub(crate) fn look(path: &Path) -> Result<Fingerprint, ReadError> {
    open(path).map(|(_, fingerprint)| fingerprint)
}

/// Reads the file when it has come to rest. A content that `looks_begun` may be a write that has
/// only just begun: it counts after a longer time.
pub(crate) fn settle(
    path: &Path,
    looks_begun: impl Fn(&[u8]) -> bool,
) -> Result<Reading, ReadError> {
    settle_stepwise(path, looks_begun, &|| ())
}

/// The same, with a `step` after each answer of the file system.
pub(crate) fn settle_stepwise(
    path: &Path,
    looks_begun: impl Fn(&[u8]) -> bool,
    step: &dyn Fn(),
) -> Result<Reading, ReadError> {
    let mut reading = retry(path, step)?;
    // From here on: to read a large file may take long by itself.
    let start = Instant::now();
    let mut quiet_since = Instant::now();
    loop {
        step();
        let suspect = looks_begun(&reading.bytes);
        if start.elapsed() > USUAL_WAIT && !suspect {
            drop(reading);
            return hurry(path, looks_begun, step);
        }
        if quiet_since.elapsed() >= if suspect { BEGUN_QUIET } else { QUIET } {
            if is_still(&reading, path, step) {
                return Ok(reading);
            }
            (reading, quiet_since) = (retry(path, step)?, Instant::now());
        }
        thread::sleep(STEP);
        let unchanged = look(path).is_ok_and(|fingerprint| fingerprint == reading.fingerprint);
        if !unchanged {
            (reading, quiet_since) = (retry(path, step)?, Instant::now());
        }
    }
}

/// Whether there is nothing to read in a file.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty()
}

/// Takes what it can of a file that never rests. Who moves whole files into place all the time
/// is followed file by file: each one must only stay as it is while it is read.
fn hurry(
    path: &Path,
    looks_begun: impl Fn(&[u8]) -> bool,
    step: &dyn Fn(),
) -> Result<Reading, ReadError> {
    let start = Instant::now();
    while start.elapsed() < LONGEST_WAIT {
        step();
        let (mut file, fingerprint) = open(path)?;
        let reading = read_from(&mut file, fingerprint, step)?;
        thread::sleep(BRIEF_QUIET);
        file.rewind()?;
        let later = Fingerprint::of(&file.metadata()?);
        let again = digest(&mut file, later, step, |_| ())?;
        // Its times may change all the time: somebody writes what is there already.
        if again == reading.digest && !looks_begun(&reading.bytes) {
            return Ok(reading);
        }
    }
    Err(ReadError::Restless)
}

/// Reads the file; a failure counts only if it lasts, for a file may be gone for a moment while
/// another takes its name.
fn retry(path: &Path, step: &dyn Fn()) -> Result<Reading, ReadError> {
    let start = Instant::now();
    loop {
        match read_stepwise(path, step) {
            Err(_) if start.elapsed() < QUIET => thread::sleep(STEP),
            result => return result,
        }
    }
}

/// Whether a second reading says the same. It is not kept.
fn is_still(reading: &Reading, path: &Path, step: &dyn Fn()) -> bool {
    open(path).is_ok_and(|(mut file, fingerprint)| {
        fingerprint == reading.fingerprint
            && digest(&mut file, fingerprint, step, |_| ()).is_ok_and(|it| it == reading.digest)
    })
}

/// Reads the file as it is this moment, at rest or not.
pub(crate) fn read(path: &Path) -> Result<Reading, ReadError> {
    read_stepwise(path, &|| ())
}

fn read_stepwise(path: &Path, step: &dyn Fn()) -> Result<Reading, ReadError> {
    let (mut file, fingerprint) = open(path)?;
    read_from(&mut file, fingerprint, step)
}

fn read_from(
    file: &mut File,
    fingerprint: Fingerprint,
    step: &dyn Fn(),
) -> Result<Reading, ReadError> {
    let mut bytes = Vec::with_capacity(usize::try_from(fingerprint.size.min(LARGEST)).unwrap_or(0));
    let digest = digest(file, fingerprint, step, |portion| {
        bytes.extend_from_slice(portion);
    })?;
    Ok(Reading {
        bytes,
        digest,
        fingerprint,
    })
}

/// The digest of all that is in a file, which is handed out portion by portion.
fn digest(
    file: &mut File,
    fingerprint: Fingerprint,
    step: &dyn Fn(),
    mut take: impl FnMut(&[u8]),
) -> Result<[u8; 32], ReadError> {
    if fingerprint.size > LARGEST {
        return Err(ReadError::TooLarge(fingerprint.size));
    }
    let mut digest = blake3::Hasher::new();
    let mut portion = vec![0; PORTION];
    let mut whole = file.take(LARGEST + 1);
    loop {
        let read = match whole.read(&mut portion) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(portion) = portion.get(..read).filter(|portion| !portion.is_empty()) else {
            return Ok(*digest.finalize().as_bytes());
        };
        digest.update(portion);
        take(portion);
        step();
    }
}

fn open(path: &Path) -> Result<(File, Fingerprint), ReadError> {
    // Asked before opening, for opening a device or a FIFO may do something; and after, for
    // another file may have taken the name meanwhile.
    regular(&path.metadata()?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    Ok((file, Fingerprint::of(&metadata)))
}

fn regular(metadata: &Metadata) -> Result<(), ReadError> {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => Ok(()),
        () if kind.is_dir() => Err(ReadError::NotAFile("directory")),
        () if kind.is_fifo() => Err(ReadError::NotAFile("FIFO")),
        () if kind.is_socket() => Err(ReadError::NotAFile("socket")),
        () => Err(ReadError::NotAFile("device")),
    }
}

/// The largest file that is read, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;
/// So much is read in one step, in bytes.
const PORTION: usize = 256 * 1024;
/// Two readings this far apart must agree.
pub(crate) const QUIET: Duration = Duration::from_millis(50);
/// A file that has not rested for [`QUIET`] within [`USUAL_WAIT`] must stay the same this long.
const BRIEF_QUIET: Duration = Duration::from_millis(10);
/// A file that looks as if somebody had only begun to write it must stay so this long.
const BEGUN_QUIET: Duration = Duration::from_secs(1);
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// After so much hurry in vain the file is said to be restless, and tried again at the next look.
const LONGEST_WAIT: Duration = Duration::from_secs(4);
const STEP: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_written_in_pieces_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        fs::write(&path, "").unwrap();
        let writer = {
            let path = path.clone();
            thread::spawn(move || {
                for pieces in 1..=10 {
                    thread::sleep(Duration::from_millis(20));
                    fs::write(&path, "line\n".repeat(pieces)).unwrap();
                }
            })
        };
        let reading = settle(&path, is_blank).unwrap();
        writer.join().unwrap();
        assert_eq!(reading.bytes, "line\n".repeat(10).as_bytes());
    }

    #[test]
    fn an_empty_file_counts_after_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        fs::write(&path, "\n").unwrap();
        let start = Instant::now();
        assert_eq!(settle(&path, is_blank).unwrap().bytes, b"\n");
        assert!(start.elapsed() >= BEGUN_QUIET);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let fifo = folder.path().join("fifo");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .unwrap()
                .success()
        );
        for (path, expected) in [
            (folder.path(), "this is a directory"),
            (&socket, "this is a socket"),
            (&fifo, "this is a FIFO"),
            (Path::new("/dev/null"), "this is a device"),
            (&folder.path().join("none"), "does not exist"),
        ] {
            let error = Fault::from(settle(path, is_blank).err().unwrap()).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_older_file_with_kept_times_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("htpasswd"), folder.path().join("other"));
        fs::write(&path, "new\n").unwrap();
        let before = look(&path).unwrap();
        fs::write(&other, "old\n").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(old)
            .unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(look(&path).unwrap(), before);
    }

    #[test]
    fn a_file_that_nobody_can_reach_is_an_orphan() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        fs::write(&path, "").unwrap();
        let file = File::open(&path).unwrap();
        assert!(!Fingerprint::of(&file.metadata().unwrap()).is_orphan());
        fs::remove_file(&path).unwrap();
        assert!(Fingerprint::of(&file.metadata().unwrap()).is_orphan());
    }
}
