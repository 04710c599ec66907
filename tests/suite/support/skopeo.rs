//! skopeo, with a memory of its own.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::{attempt, said};

/// skopeo for one registry, which calls itself what it is called by users whose password is
/// `secret`. What other tests did changes nothing.
pub struct Skopeo {
    memory: TempDir,
    registry: String,
}

impl Skopeo {
    pub fn new(registry: String) -> Self {
        Self {
            memory: tempfile::tempdir().unwrap(),
            registry,
        }
    }

    /// Anything. For root its memory is a fixed folder of the system, unless it takes itself for
    /// somebody else.
    pub fn run(&self, arguments: &[&str]) -> Output {
        attempt(
            Command::new("skopeo")
                .args(["--insecure-policy", "--debug"])
                .args(arguments)
                .env("_CONTAINERS_ROOTLESS_UID", "1000")
                .env("XDG_DATA_HOME", self.memory.path())
                .env("XDG_RUNTIME_DIR", self.memory.path())
                .env("HOME", self.memory.path()),
        )
    }

    /// Copies an image; `user@repository:tag` stands for one in the registry, and nobody's name is
    /// empty.
    pub fn copy(&self, from: &str, to: &str) -> Output {
        let mut arguments = vec!["copy".to_owned()];
        for (side, place) in [("src", from), ("dest", to)] {
            if let Some((user, _)) = place.split_once('@') {
                arguments.push(format!("--{side}-tls-verify=false"));
                arguments.push(match user {
                    "" => format!("--{side}-no-creds"),
                    user => format!("--{side}-creds={user}:secret"),
                });
            }
        }
        arguments.extend([from, to].map(|place| self.place(place)));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments)
    }

    /// Anything that is done with one image.
    pub fn with(&self, command: &str, place: &str) -> Output {
        let (user, _) = place.split_once('@').unwrap();
        let credentials = match user {
            "" => "--no-creds".to_owned(),
            user => format!("--creds={user}:secret"),
        };
        let arguments = [
            command,
            "--tls-verify=false",
            &credentials,
            &self.place(place),
        ];
        self.run(&arguments)
    }

    fn place(&self, place: &str) -> String {
        match place.split_once('@') {
            Some((_, name)) => format!("docker://{}/{name}", self.registry),
            None => place.to_owned(),
        }
    }
}

/// Whether a client ended well, and said one of these, with a bar between them: what a refusal is
/// called depends on the version.
pub fn check_client(output: &Output, good: bool, words: &str) {
    let text = said(output);
    assert_eq!(output.status.success(), good, "{text}");
    let is_said = words.split('|').any(|words| text.contains(words));
    assert!(is_said, "{words} is not in {text}");
    assert!(!text.contains("invalid character"), "{text}");
}
