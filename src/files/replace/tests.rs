use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use super::*;
use crate::htpasswd::{Name, add, remove, set};

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn put(path: &Path, user: &str) -> Result<Edited, RewriteError> {
    rewrite(path, Absent::Refuse, |file| add(file, &name(user), "ours"))
}

fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn read(path: &Path) -> String {
    String::from_utf8(stable_read::read(path).unwrap().bytes).unwrap()
}

/// A process that calls itself `htpasswd`, has the file open as number 3, waits until another
/// file took its place, and then runs these commands, with the file's path in `$1`.
fn writer(path: &Path, commands: &str) -> Child {
    let script = format!(
        "echo htpasswd >/proc/$$/comm
        exec 3<>\"$1\"
        first=$(stat -c %i \"$1\")
        echo ready
        while [ \"$(stat -c %i \"$1\")\" = \"$first\" ]; do sleep 0.01; done
        {commands}"
    );
    let mut child = Command::new("sh")
        .args(["-c", &script, "sh"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    child
}

/// Given a file, what we do and what a writer without a lock does at the worst moment: expected.
fn check(
    given: &str,
    ours: impl FnMut(&[u8]) -> Result<Vec<u8>, EditError>,
    theirs: &str,
    expected: &str,
) -> Result<Edited, RewriteError> {
    let (_folder, path) = file(given);
    let mut child = writer(&path, theirs);
    let result = rewrite(&path, Absent::Refuse, ours);
    child.wait().unwrap();
    assert_eq!(read(&path), expected, "{theirs}");
    result
}

#[test]
fn what_is_written_over_the_new_file_stays_and_ours_is_done_again() {
    let over = "sleep 0.3; printf '# c\\na:1\\nb:1\\ntheirs:1\\n' >\"$1\"";
    let add = |file: &[u8]| add(file, &name("x"), "ours");
    let set = |file: &[u8]| set(file, &name("a"), "ours");
    let remove = |file: &[u8]| remove(file, &name("a"));
    let given = "# c\na:1\nb:1\n";
    check(given, add, over, "# c\na:1\nb:1\ntheirs:1\nx:ours\n").unwrap();
    check(given, set, over, "# c\na:ours\nb:1\ntheirs:1\n").unwrap();
    check(given, remove, over, "# c\nb:1\ntheirs:1\n").unwrap();
    let truncated = format!(": >\"$1\"; {over}");
    check(given, add, &truncated, "# c\na:1\nb:1\ntheirs:1\nx:ours\n").unwrap();
}

#[test]
fn what_is_written_to_the_old_file_is_carried_over() {
    let add = |file: &[u8]| add(file, &name("x"), "ours");
    let given = "# c\na:1\nb:1\n";
    let late = "sleep 0.3; printf '# c\\na:1\\nb:1\\ntheirs:1\\n' >&3";
    check(given, add, late, "# c\na:1\nb:1\ntheirs:1\nx:ours\n").unwrap();
    // It had truncated the file before we read it.
    check("# c\n", add, late, "# c\na:1\nb:1\ntheirs:1\nx:ours\n").unwrap();
    // It was killed after it truncated the file.
    let torn = ": >/proc/$$/fd/3";
    check(given, add, torn, "# c\na:1\nb:1\nx:ours\n").unwrap();
    // It was held up in the middle, and had another user's line at the start.
    let cut = "printf 'a:2\\n' >&3; : >/proc/$$/fd/3; printf 'a:2\\n' >\"/proc/$$/fd/3\"";
    check("a:1\nb:1\nc:1\n", add, cut, "a:1\nb:1\nc:1\nx:ours\n").unwrap();
    // It removed a user.
    let gone = ": >/proc/$$/fd/3; printf '# c\\nb:1\\n' >\"/proc/$$/fd/3\"";
    check(given, add, gone, "# c\nb:1\nx:ours\n").unwrap();
    let both = format!("printf '# c\\na:1\\nb:2\\nx:ours\\n' >\"$1\"; {late}");
    check(given, add, &both, "# c\na:1\nb:2\ntheirs:1\nx:ours\n").unwrap();
}

#[test]
fn what_is_undone_on_purpose_stays_undone() {
    let given = "a:1\nb:1\n";
    let add = |file: &[u8]| add(file, &name("x"), "ours");
    let undo = "printf 'a:1\\nb:1\\n' >\"$1\"";
    let error = check(given, add, undo, given).unwrap_err().to_string();
    assert!(
        error.starts_with("another program changed the same user"),
        "{error}"
    );
    let later = "printf 'a:3\\nb:1\\n' >\"$1\"";
    let set = |file: &[u8]| set(file, &name("a"), "2");
    check(given, set, later, "a:3\nb:1\n").unwrap_err();
}

#[test]
fn writers_wait_for_each_other() {
    let (folder, path) = file("");
    thread::scope(|scope| {
        for number in 0..5 {
            let path = &path;
            scope.spawn(move || put(path, &format!("user{number}")).unwrap());
        }
    });
    assert_eq!(read(&path).lines().count(), 5);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left"
    );
}

#[test]
fn a_change_between_reading_and_replacing_is_seen() {
    let (_folder, path) = file("a:1\n");
    let mut turns = 0;
    rewrite(&path, Absent::Refuse, |file| {
        turns += 1;
        match turns {
            1 => fs::write(&path, "a:1\nb:1\n").unwrap(),
            2 => {
                let other = path.with_extension("new");
                fs::write(&other, "a:1\nb:1\nc:1\n").unwrap();
                fs::rename(other, &path).unwrap();
            }
            _ => (),
        }
        add(file, &name("x"), "ours")
    })
    .unwrap();
    assert_eq!(read(&path), "a:1\nb:1\nc:1\nx:ours\n");
}

#[test]
fn links_mode_and_owner_stay() {
    let (folder, path) = file("a:1\n");
    fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
    // Only root can have a file of somebody else to begin with.
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if root {
        std::os::unix::fs::chown(&path, Some(4711), Some(4712)).unwrap();
    }
    let link = folder.path().join("link");
    symlink("htpasswd", &link).unwrap();
    put(&link, "x").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(read(&path), "a:1\nx:ours\n");
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o604);
    assert!(!root || (metadata.uid(), metadata.gid()) == (4711, 4712));
}

#[test]
fn a_file_is_made_only_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let error = put(&path, "x").unwrap_err().to_string();
    assert!(error.starts_with("the file does not exist"), "{error}");
    let made = rewrite(&path, Absent::Make, |file| add(file, &name("x"), "ours")).unwrap();
    assert_eq!(made, Edited::Made);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o007, 0);
    let link = folder.path().join("link");
    symlink("nothing", &link).unwrap();
    let error = rewrite(&link, Absent::Make, |_| Ok(Vec::new()))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("this is a link to nothing"), "{error}");
}

#[test]
fn what_a_killed_writer_left_is_removed() {
    let (folder, path) = file("a:1\n");
    let (dead, alive) = (
        folder.path().join(".htpasswd.htgate-0000000000000001"),
        folder.path().join(".htpasswd.htgate-0000000000000002"),
    );
    fs::write(&dead, "a:").unwrap();
    fs::write(&alive, "a:").unwrap();
    let locked = File::open(&alive).unwrap();
    locked.lock().unwrap();
    put(&path, "x").unwrap();
    assert!(!dead.exists() && alive.exists());
}
