use std::os::unix::fs::symlink;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::htpasswd::{Name, add};

const HASH: &str = "$2y$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn put(path: &Path, user: &str) -> Result<bool, String> {
    replace(path, Absent::Refuse, |file| edit(file, user))
}

fn edit(file: &[u8], user: &str) -> Result<Vec<u8>, String> {
    add(file, &name(user), HASH).map_err(|error| error.to_string())
}

fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, content).unwrap();
    (folder, path)
}

/// What is in a file, with `ours` for the hash.
fn text(path: &Path) -> String {
    String::from_utf8(read(path).unwrap().bytes)
        .unwrap()
        .replace(HASH, "ours")
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
    assert_eq!(text(&path).lines().count(), 5);
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
    replace(&path, Absent::Refuse, |file| {
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
        edit(file, "x")
    })
    .unwrap();
    assert_eq!(text(&path), "a:1\nb:1\nc:1\nx:ours\n");
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
    assert_eq!(text(&path), "a:1\nx:ours\n");
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o604);
    assert!(!root || (metadata.uid(), metadata.gid()) == (4711, 4712));
}

#[test]
fn a_file_is_made_only_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    let error = put(&path, "x").unwrap_err();
    assert!(error.starts_with("the file does not exist"), "{error}");
    let made = replace(&path, Absent::Make, |file| edit(file, "x")).unwrap();
    assert!(made);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o007, 0);
    let link = folder.path().join("link");
    symlink("nothing", &link).unwrap();
    let error = replace(&link, Absent::Make, |_| Ok(Vec::new())).unwrap_err();
    assert!(error.starts_with("this is a link to nothing"), "{error}");
}

#[test]
fn a_file_that_never_rests_is_left_alone() {
    let (folder, path) = file("a:1\n");
    let mut turns = 0;
    let result = replace(&path, Absent::Refuse, |file| {
        turns += 1;
        fs::write(&path, format!("a:1\n#{turns}\n")).unwrap();
        edit(file, "x")
    });
    let error = result.unwrap_err();
    assert!(
        error.starts_with("another program keeps changing"),
        "{error}"
    );
    assert_eq!(turns, MOST_ATTEMPTS);
    assert_eq!(text(&path), format!("a:1\n#{turns}\n"));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left"
    );
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let (folder, path) = file("a:1\n");
    let (dead, alive) = (
        folder.path().join(".htpasswd.htgate-0000000000000001"),
        folder.path().join(".htpasswd.htgate-000000000000000f"),
    );
    fs::write(&dead, "a:").unwrap();
    fs::write(&alive, "a:").unwrap();
    let locked = File::open(&alive).unwrap();
    locked.lock().unwrap();
    put(&path, "x").unwrap();
    assert!(!dead.exists() && alive.exists());
}

#[test]
fn what_only_looks_left_over_stays() {
    let (folder, path) = file("a:1\n");
    let inside = |name: &str| folder.path().join(name);
    let files = [
        ".htpasswd.htgate-",
        ".htpasswd.htgate-notes",
        ".htpasswd.htgate-0000",
        ".htpasswd.htgate-000000000000000F",
        ".htpasswd.htgate-00000000000000001",
        ".htpasswd.htgate-0000000000000001.bak",
        "htpasswd.htgate-0000000000000001",
        ".other.htgate-0000000000000001",
    ];
    for name in files {
        fs::write(inside(name), "a:").unwrap();
    }
    let fifos = [".htpasswd.htgate-000a", ".htpasswd.htgate-000000000000000a"];
    for name in fifos {
        assert!(
            Command::new("mkfifo")
                .arg(inside(name))
                .status()
                .unwrap()
                .success()
        );
    }
    let (link, directory) = (
        ".htpasswd.htgate-000000000000000b",
        ".htpasswd.htgate-000000000000000c",
    );
    symlink(files[0], inside(link)).unwrap();
    fs::create_dir(inside(directory)).unwrap();
    put(&path, "x").unwrap();
    for name in files.iter().chain(&fifos).chain(&[link, directory]) {
        assert!(fs::symlink_metadata(inside(name)).is_ok(), "{name}");
    }
}
