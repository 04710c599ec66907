//! Paths of files, as people write them. What is a hash, a key or `user:password` instead is refused
//! here, so that no message about a file that does not exist ever prints it.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a path on the command line, or in the environment.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(read)
}

/// Reads a path in `htgate.toml`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    read(String::deserialize(from)?.into()).map_err(D::Error::custom)
}

/// The same, of a key that may be absent.
pub(super) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    deserialize(from).map(Some)
}

fn read(text: OsString) -> Result<PathBuf, &'static str> {
    match is_secret(&text) {
        true => Err(
            "this is not the path of a file but its content; write it into a file, and \
                     name that",
        ),
        false => Ok(text.into()),
    }
}

/// Whether somebody has written a secret where it does not belong.
pub(crate) fn is_secret(text: &OsStr) -> bool {
    let text = text.to_string_lossy();
    // As compose and shells want it.
    let plain = text.replace('\\', "").replace("$$", "$");
    let is_line = text.contains(':') && !text.contains('/');
    is_line || MARKS.iter().any(|mark| plain.contains(mark))
}

/// What hashes begin with, and keys.
const MARKS: [&str; 16] = [
    "$2a$",
    "$2b$",
    "$2x$",
    "$2y$",
    "$1$",
    "$5$",
    "$6$",
    "$7$",
    "$y$",
    "$apr1$",
    "$argon2",
    "{SHA",
    "{SSHA",
    "{PLAIN}",
    "{CRYPT}",
    "-----BEGIN",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_paths() {
        let hash = "$2y$05$C/3ceNsPAWQRfT6JHTGQ1Ow7KBqGnLfGaDYnBzkUjJGIxmDz9T.wi";
        let rows = [
            ("htpasswd", false),
            ("./a:b", false),
            ("/etc/htgate/users/htpasswd", false),
            ("/srv/$HOME/{a}", false),
            (hash, true),
            (&format!("alice:{hash}"), true),
            (&hash.replace('$', "$$"), true),
            (&hash.replace('$', "\\$"), true),
            ("alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", true),
            ("$apr1$/a$/b", true),
            ("alice:secret", true),
            ("-----BEGIN PRIVATE KEY-----\nMIGH/", true),
        ];
        for (text, expected) in rows {
            assert_eq!(is_secret(text.as_ref()), expected, "{text}");
            assert_eq!(read(text.into()).is_err(), expected, "{text}");
        }
    }
}
