//! How an unusable line was made, guessed from its shape: lines break in a few ways, and the remedy
//! depends on the way. Asked only about a line that cannot be used, so that no guess ever decides
//! about a user.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::name::is_invisible;
use crate::Fault;
use crate::hash::{NEW_PASSWORD, begins_as_hash};

/// What went wrong when a line was written. Quotes nothing of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What is wrong, in lower case.
    pub what: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self::new(cause.what, cause.remedy)
    }
}

/// The cause of an unusable line, where its shape tells.
pub(super) fn guess(line: &[u8]) -> Option<Cause> {
    let line = Parts::of(line);
    let mut causes = CAUSES.iter();
    let (_, what, remedy) = causes.find(|(fits, ..)| fits(&line))?;
    Some(Cause { what, remedy })
}

/// An unusable line, taken apart.
struct Parts<'a> {
    whole: &'a [u8],
    /// The whole without blanks and other invisible characters at its ends.
    shown: &'a [u8],
    /// What stands before the first colon; none where there is no colon.
    name: Option<&'a [u8]>,
    /// What stands behind the first colon.
    second: &'a [u8],
    /// The same without anything invisible at its ends.
    hash: &'a [u8],
    /// What stands behind the second colon.
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(whole: &'a [u8]) -> Self {
        let mut fields = whole.splitn(3, |byte| *byte == b':');
        let name = fields.next().filter(|name| name.len() < whole.len());
        let second = fields.next().unwrap_or_default();
        Self {
            whole,
            shown: trim(whole),
            name,
            second,
            hash: trim(second),
            rest: fields.next().unwrap_or_default(),
        }
    }

    /// Whether the line has no colon, and this is so of it.
    fn alone(&self, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.name.is_none() && fits(self.shown)
    }
}

type Row = (fn(&Parts<'_>) -> bool, &'static str, &'static str);

/// The first row that fits is the cause.
const CAUSES: &[Row] = &[
    // The file.
    (
        |line| {
            begins_with_any(
                line.whole,
                &[b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ"],
            )
        },
        "the file is compressed",
        "unpack it",
    ),
    (
        |line| {
            begins_with_any(
                line.whole,
                &[
                    b"$ANSIBLE_VAULT;",
                    b"\0GITCRYPT",
                    b"-----BEGIN PGP",
                    b"ENC[",
                    b"age-encryption.org/",
                ],
            )
        },
        "the file is encrypted",
        "decrypt it",
    ),
    (
        |line| {
            begins_with_any(
                line.whole,
                &[
                    b"---",
                    b"{\"",
                    b"[",
                    b"<?",
                    b"<!",
                    b"version https://git-lfs",
                ],
            )
        },
        "this is not a users file",
        "give the file that 'htpasswd' writes",
    ),
    (
        |line| {
            begins_with_any(
                line.whole,
                &[b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||"],
            )
        },
        "a merge conflict of git was left in the file",
        "resolve it",
    ),
    (
        |line| line.whole.contains(&0),
        "this is UTF-16, or not text at all",
        "save the file as UTF-8",
    ),
    (
        |line| line.whole.trim_ascii_end().contains(&b'\r'),
        "lines end in a carriage return alone",
        "end them in a line feed",
    ),
    // The line.
    (
        |line| begins_with_any(line.shown, &[b"#", b";", b"//", b"--"]),
        "this seems to be a comment, which only '#' in the first column begins",
        "put it there",
    ),
    (
        |line| is_quoted(line.shown),
        "there are quotes around the line or its hash",
        "remove them",
    ),
    (
        |line| line.alone(begins_as_hash),
        "a hash without a user",
        "write the user's name and ':' before it",
    ),
    (
        |line| {
            line.alone(|text| base64_behind_colon(text).is_some_and(|hash| begins_as_hash(&hash)))
        },
        "the line is Base64, as in a Kubernetes Secret",
        "decode it with 'base64 -d'",
    ),
    (
        |line| line.alone(|text| base64_behind_colon(text).is_some()),
        "this is Base64 of a name and a password, as in docker's config.json",
        NEW_PASSWORD,
    ),
    (
        |line| line.alone(is_separated_otherwise),
        "something else stands where the colon belongs",
        "write the line as 'user:hash'",
    ),
    (
        |line| line.name.is_some_and(begins_as_hash),
        "the hash stands before the name",
        "write the line as 'user:hash'",
    ),
    (
        |line| line.rest.len() == 32 && is_hex(line.rest) && !begins_as_hash(line.hash),
        "this is a line of htdigest, for Digest authentication alone",
        NEW_PASSWORD,
    ),
    (
        |line| line.hash == b"x" && line.rest.contains(&b':'),
        "this is a line of /etc/passwd, which holds no hashes",
        NEW_PASSWORD,
    ),
    // The hash.
    (
        |line| {
            line.second.len() > line.hash.len()
                && line.second.starts_with(line.hash)
                && begins_as_hash(line.hash)
        },
        "a blank stands behind the hash",
        "remove it",
    ),
    (
        |line| line.second.len() > line.hash.len() && begins_as_hash(line.hash),
        "a blank stands before the hash",
        "remove it",
    ),
    (
        |line| is_quoted(line.hash),
        "there are quotes around the hash",
        "remove them",
    ),
    (
        |line| line.hash.starts_with(b"$$"),
        "each '$' of the hash is doubled, as in docker-compose.yml",
        "write each once",
    ),
    (
        |line| line.hash.starts_with(b"\\"),
        "there are backslashes in the hash, as for a shell",
        "remove them",
    ),
    (
        |line| begins_with_any(line.hash, &[b"%24", b"%7B"]),
        "the hash is percent-encoded",
        "decode it",
    ),
    (
        |line| is_template(line.hash),
        "a placeholder stands where the hash belongs",
        "fill the hash in",
    ),
    (
        |line| begins_as_hash(&[b"$", line.hash].concat()),
        "the hash lacks its first '$'",
        "put it there",
    ),
    (
        |line| !begins_as_hash(line.hash) && begins_in_other_case(line.hash),
        "the start of the hash is in the wrong case",
        "write $2y$, $apr1$, {SHA} and the like exactly so",
    ),
    (
        |line| begins_as_hash(behind_braces(line.hash)),
        "a word in braces stands before the hash, as in LDAP",
        "remove it with its braces",
    ),
    (
        |line| is_expanded(line.hash),
        "a shell or make has replaced the '$...' in the hash",
        "set a new password, and put the hash in single quotes there",
    ),
    (
        |line| is_locked(line.hash),
        "a '!' or '*' before the hash locks the user out, as in /etc/shadow",
        "remove it if the user should log in",
    ),
    (
        |line| is_digest(line.hash),
        "this is a plain digest, such as MD5 or SHA-256, in hexadecimal",
        NEW_PASSWORD,
    ),
    (
        |line| is_beheaded(line.hash),
        "the start of the hash is missing",
        NEW_PASSWORD,
    ),
];

pub(super) fn begins_with_any(text: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| text.starts_with(start))
}

/// Whether one of the usual quotes stands at either end.
pub(super) fn is_quoted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let quotes = [
        '"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}',
    ];
    text.starts_with(quotes) || text.ends_with(quotes)
}

/// What stands behind the colon in a text that is Base64.
fn base64_behind_colon(text: &[u8]) -> Option<Vec<u8>> {
    // A file may be one line, cut anywhere.
    let whole = text.get(..text.len() / 4 * 4)?;
    let decoded = BASE64_STANDARD.decode(whole).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let is_name = decoded.get(..colon)?.iter().all(u8::is_ascii_graphic);
    is_name.then(|| decoded.get(colon + 1..).unwrap_or_default().to_vec())
}

/// `user=hash`, `user hash` and the like.
fn is_separated_otherwise(line: &[u8]) -> bool {
    let separators = line
        .iter()
        .enumerate()
        .filter(|(_, byte)| b" \t=,;|".contains(byte));
    let mut behind = separators.filter_map(|(at, _)| line.get(at + 1..));
    behind.any(begins_as_hash)
}

/// `${HASH}`, `$HASH`, `{{ hash }}`, `<hash>` and `%HASH%`.
fn is_template(text: &[u8]) -> bool {
    let pairs: [(&[u8], &[u8]); 5] = [
        (b"${", b"}"),
        (b"$(", b")"),
        (b"{{", b"}}"),
        (b"<", b">"),
        (b"%", b"%"),
    ];
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    let is_variable = |name: &[u8]| name.len() > 1 && name.iter().all(is_name);
    text.strip_prefix(b"$").is_some_and(is_variable)
        || pairs
            .iter()
            .any(|(start, end)| text.starts_with(start) && text.ends_with(end))
}

fn begins_in_other_case(text: &[u8]) -> bool {
    begins_as_hash(&text.to_ascii_lowercase()) || begins_as_hash(&text.to_ascii_uppercase())
}

fn behind_braces(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'}');
    let behind = end
        .filter(|_| text.starts_with(b"{"))
        .and_then(|end| text.get(end + 1..));
    behind.unwrap_or_default()
}

/// What `alice:$2y$05$...` becomes where `$` begins a variable: `$2` is empty, `$0` the shell's name
/// (`y-bash5...`) or, in make, empty (`y5...`), and the salt is a variable as well.
fn is_expanded(text: &[u8]) -> bool {
    let [b'a' | b'b' | b'y', rest @ ..] = text else {
        return false;
    };
    let by_shell = rest
        .windows(3)
        .any(|part| matches!(part, [b's', b'h', b'0'..=b'9']));
    let by_make = rest.len() > LONGEST_USUAL_PASSWORD
        && rest.first().is_some_and(u8::is_ascii_digit)
        && rest
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(byte));
    by_shell || by_make
}

/// `!`, `!!`, `*`, or one of them before a hash.
fn is_locked(text: &[u8]) -> bool {
    let hash = text.trim_ascii_start();
    let locks = hash.iter().take_while(|byte| b"!*".contains(byte)).count();
    let hash = hash.get(locks..).unwrap_or_default();
    locks > 0 && (hash.is_empty() || begins_as_hash(hash))
}

/// Of MD5, SHA-1 (MySQL puts a `*` before it) or SHA-2.
fn is_digest(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"*").unwrap_or(text);
    matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128) && is_hex(text)
}

fn is_beheaded(text: &[u8]) -> bool {
    let dollars = text.iter().filter(|byte| **byte == b'$').count();
    !begins_with_any(text, &[b"$", b"{"]) && dollars > 1 && text.len() > LONGEST_USUAL_PASSWORD
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

/// Without blanks and other invisible characters at its ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim_matches(is_invisible).as_bytes(),
        Err(_) => text.trim_ascii(),
    }
}

/// In bytes. Hashes are longer.
const LONGEST_USUAL_PASSWORD: usize = 30;

#[cfg(test)]
mod tests;
