//! Several `htgate user` at once, and some that are killed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::{Duration, Instant};

use super::{feed, htpasswd_accepts, start, user};
use crate::support::{folder, line, said};

fn random(below: u64) -> u64 {
    getrandom::u64().unwrap() % below
}

fn many_users(count: usize) -> String {
    let hash = line("x", "secret", 4);
    let hash = hash.trim_end().trim_start_matches("x:");
    (0..count)
        .map(|number| format!("user{number}:{hash}\n"))
        .collect()
}

#[test]
fn two_htgate_at_once_lose_nobody() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let given = format!("# first\n{}# last\n", many_users(2000));
    fs::write(&file, &given).unwrap();
    for round in 0..25 {
        let names = ["a", "b"].map(|letter| format!("{letter}{round}"));
        let children = names.each_ref().map(|name| {
            let command = user(&["add", "--password-stdin", "--cost", "4", name], &file);
            start(command, "secret")
        });
        // Sooner or later than the first one's reading.
        thread::sleep(Duration::from_millis(random(100)));
        let remove = (round > 0).then(|| format!("b{}", round - 1));
        let remove = remove.map(|name| feed(user(&["remove", &name], &file), ""));
        for output in children.map(|child| child.wait_with_output().unwrap()) {
            assert!(output.status.success(), "{}", said(&output));
        }
        assert!(remove.is_none_or(|output| output.status.success()));
        let text = fs::read_to_string(&file).unwrap();
        for name in names {
            let own = text
                .lines()
                .filter(|line| line.starts_with(&format!("{name}:")));
            assert_eq!(own.count(), 1, "{name}");
        }
        // All of the a, and the last b.
        assert_eq!(text.lines().count(), 2002 + round + 2, "round {round}");
        assert!(
            text.starts_with(&given),
            "round {round}: nothing else is touched"
        );
    }
    for name in ["a7", "b24"] {
        assert!(htpasswd_accepts(&file, name, "secret"), "{name}");
    }
}

#[test]
fn killed_at_any_moment_the_file_is_the_old_or_the_new_one() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    // Large enough that writing it takes a while.
    let given = many_users(10_000);
    fs::write(&file, &given).unwrap();
    let set = || {
        start(
            user(&["set", "--password-stdin", "--cost", "4", "user7"], &file),
            "new",
        )
    };
    // How long it takes until the new file is there: the kills fall before and just after that.
    let (clock, first) = (Instant::now(), fs::metadata(&file).unwrap().ino());
    let mut child = set();
    while fs::metadata(&file).unwrap().ino() == first {
        thread::sleep(Duration::from_micros(100));
    }
    let whole = u64::try_from(clock.elapsed().as_micros()).unwrap();
    assert!(child.wait().unwrap().success());

    let shape = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("user7:"));
        lines.fold(String::new(), |all, line| all + line + "\n")
    };
    let untouched = shape(&given);
    let mut before = fs::read_to_string(&file).unwrap();
    let (mut old, mut new, mut middle) = (0, 0, 0);
    for round in 0..60 {
        let mut child = set();
        thread::sleep(Duration::from_micros(whole / 2 + random(whole)));
        let _ = child.kill();
        child.wait().unwrap();
        middle += fs::read_dir(folder.path()).unwrap().count() - 1;
        let now = fs::read_to_string(&file).unwrap();
        if now == before {
            old += 1;
            continue;
        }
        new += 1;
        assert!(
            now.len() == before.len(),
            "round {round}: torn: {} bytes",
            now.len()
        );
        assert!(shape(&now) == untouched, "round {round}: torn");
        before = now;
    }
    println!("{old} times the old file, {new} times the new one; {middle} times in the middle");
    assert!(htpasswd_accepts(&file, "user7", "new"));
    // The next one takes away what the killed ones left.
    assert!(set().wait().unwrap().success());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
