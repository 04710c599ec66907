//! The prompt for a password, on a terminal of its own.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::htpasswd_accepts;
use crate::support::{Begin as _, attempt, folder, said};

/// A program on a terminal of its own, with what it shows.
struct Terminal {
    child: Child,
    shown: String,
}

impl Terminal {
    fn start(command: &str) -> Self {
        let mut script = Command::new("script");
        script.args(["-qefc", command, "/dev/null"]);
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self {
            child: script.begin(),
            shown: String::new(),
        }
    }

    fn wait_for(&mut self, text: &str) {
        while !self.shown.contains(text) {
            let mut byte = [0; 64];
            let count = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert!(count > 0, "{text} is not shown: {}", self.shown);
            self.shown += &String::from_utf8_lossy(&byte[..count]);
        }
    }

    fn type_in(&mut self, text: &str) {
        // The prompt is there a moment before the echo is off.
        thread::sleep(Duration::from_millis(300));
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    fn end(mut self) -> (String, Option<i32>) {
        let _ = self
            .child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut self.shown);
        let status = self.child.wait().unwrap();
        (self.shown, status.code())
    }
}

#[test]
fn the_prompt_shows_nothing_and_leaves_the_terminal_as_it_was() {
    let folder = folder();
    let file = folder.path().join("htpasswd");
    let binary = env!("CARGO_BIN_EXE_htgate");
    let place = file.display();
    let ask = |first: &str, second: &str| {
        let command = format!("{binary} user add --cost 4 --htpasswd {place} alice");
        let mut terminal = Terminal::start(&command);
        terminal.wait_for("New password: ");
        terminal.type_in(first);
        terminal.wait_for("The same again: ");
        terminal.type_in(second);
        terminal.end()
    };
    let (shown, code) = ask("sesame-one\n", "sesame-two\n");
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("the two passwords differ") && !shown.contains("sesame"),
        "{shown}"
    );
    assert!(!file.exists());
    let (shown, code) = ask("sesame\n", "sesame\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
    assert!(htpasswd_accepts(&file, "alice", "sesame"));

    // Nobody types a password for nothing.
    let command = format!("{binary} user add --htpasswd {place} alice");
    let (shown, code) = Terminal::start(&command).end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("alice: the user already exists") && !shown.contains("New password"),
        "{shown}"
    );

    let before = fs::read(&file).unwrap();
    let command = format!("{binary} user set --htpasswd {place} alice; echo code $?; stty -a");
    let mut terminal = Terminal::start(&command);
    terminal.wait_for("New password: ");
    terminal.type_in("\u{3}");
    let (shown, _) = terminal.end();
    assert!(shown.contains("interrupted; nothing is changed"), "{shown}");
    assert!(shown.contains("code 1"), "{shown}");
    for flag in ["echo", "isig", "icanon"] {
        assert!(
            shown.split_whitespace().any(|word| word == flag),
            "{flag} is off: {shown}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), before);

    // Without any terminal it says what else there is.
    let mut command = Command::new("setsid");
    command
        .args(["-w", binary, "user", "verify", "alice", "--htpasswd"])
        .arg(&file);
    let output = attempt(&mut command);
    assert!(
        said(&output).contains("use --password-stdin"),
        "{}",
        said(&output)
    );
    assert_eq!(output.status.code(), Some(1));
}
