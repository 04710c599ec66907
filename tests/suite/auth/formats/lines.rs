//! Lines of users files, and passwords to try on them: right, nearly right and wrong; as tools
//! write them, and damaged.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha1::{Digest as _, Sha1};

use crate::support::{folder, run};

/// One line with the password that it was made from.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    /// What follows the hash.
    end: Vec<u8>,
    password: Vec<u8>,
}

impl Entry {
    pub(crate) fn line(&self) -> Vec<u8> {
        [&self.name[..], b":", &self.hash, &self.end].concat()
    }

    /// The format's mark.
    pub(crate) fn mark(&self) -> &'static str {
        let marks = [
            "$2a$", "$2b$", "$2y$", "$2x$", "$apr1$", "$1$", "$5$", "$6$", "$y$", "{SHA}",
            "{SSHA}", "{PLAIN}",
        ];
        let found = marks
            .into_iter()
            .find(|mark| self.hash.starts_with(mark.as_bytes()));
        found.unwrap_or("other")
    }

    /// Passwords to try, the one it was made from among them.
    pub(crate) fn guesses(&self, random: &mut Random, count: usize) -> Vec<Vec<u8>> {
        let mut guesses = vec![self.password.clone()];
        while guesses.len() < count {
            guesses.push(match random.below(8) {
                0 => Vec::new(),
                1 => self.hash.clone(),
                2 => [&self.password[..], b"x"].concat(),
                3 => self.password.iter().copied().take(72).collect(),
                4 => self.password.iter().copied().take(8).collect(),
                5 => self.password.to_ascii_uppercase(),
                6 => random.password(),
                _ => random.mutate(&self.password),
            });
        }
        guesses
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line().escape_ascii())
    }
}

/// Entries of every format. Half of them are as they were made, the others damaged or decorated.
pub(crate) fn generate(random: &mut Random, count: usize) -> Vec<Entry> {
    let passwords: Vec<_> = (0..count).map(|_| random.password()).collect();
    let settings: Vec<_> = (0..count).map(|_| random.setting()).collect();
    let asked: Vec<_> = passwords.iter().cloned().zip(settings).collect();
    let mut hashes = crypt(&asked);
    for (at, hash) in hashes.iter_mut().enumerate() {
        match at % 10 {
            0 => *hash = sha(&passwords[at]),
            1 => {
                let salt = random.bytes(0..20, 0..=255);
                *hash = salted_sha(&passwords[at], &salt);
            }
            2 => *hash = [b"{PLAIN}", &passwords[at][..]].concat(),
            _ => (),
        }
    }
    // Another writer of the same formats, with salts of its own.
    let writers = ["-apr1", "-1", "-5", "-6"];
    for (start, writer) in (3..).zip(writers) {
        let share = if start < 5 { 10 } else { 50 };
        let mine: Vec<_> = (start..count).step_by(share).collect();
        let asked: Vec<_> = mine.iter().map(|at| passwords[*at].clone()).collect();
        for (at, hash) in mine.into_iter().zip(openssl(writer, &asked)) {
            hashes[at] = hash;
        }
    }
    let entries = passwords.into_iter().zip(hashes).enumerate();
    entries
        .map(|(number, (password, hash))| {
            let mut name = format!("user{number}").into_bytes();
            if number % 7 == 0 {
                name.extend(b"\xe9 \xc3\xa9");
            }
            decorate(
                random,
                Entry {
                    name,
                    hash,
                    end: b"\n".to_vec(),
                    password,
                },
            )
        })
        .collect()
}

fn decorate(random: &mut Random, mut entry: Entry) -> Entry {
    match random.below(20) {
        0 => entry.end = b"\r\n".to_vec(),
        1 => entry.end = b":a comment\n".to_vec(),
        2 => entry.end = b"::$1$:\n".to_vec(),
        3 => entry.end = b" \n".to_vec(),
        4 => entry.end = b"eve:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n".to_vec(),
        5 => entry.end = b"\rmore\n".to_vec(),
        6 => {
            entry.hash.pop();
        }
        7 => entry.hash.push(b'.'),
        8 | 9 => entry.hash = random.mutate(&entry.hash),
        10 => entry.hash.insert(0, b' '),
        // Another letter, or a mark that is not there.
        11 => entry.hash = [b"$2x$", entry.hash.get(4..).unwrap_or_default()].concat(),
        12 => entry.hash = entry.password.clone(),
        _ => (),
    }
    // What would begin another field or line is not ours to say.
    entry.hash.retain(|byte| !b":\r\n\0".contains(byte));
    entry
}

/// crypt(3) itself, by way of perl, which every Debian has.
pub(crate) fn crypt(asked: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let lines = asked
        .iter()
        .map(|(password, setting)| format!("{} {}\n", hex(password), hex(setting)))
        .collect::<String>();
    let program = r#"while (<>) { chomp; my ($p, $s) = map { pack "H*", $_ } split / /, $_, 2;
        my $h = crypt($p, $s); print defined $h ? $h : "*0", "\n" }"#;
    let folder = folder();
    fs::write(folder.path().join("in"), lines).unwrap();
    let output = run(Command::new("perl")
        .args(["-e", program])
        .arg(folder.path().join("in")));
    let hashes: Vec<_> = split(&output.stdout);
    assert_eq!(hashes.len(), asked.len());
    hashes
}

/// `openssl passwd`, which makes up the salts.
pub(crate) fn openssl(format: &str, passwords: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let folder = folder();
    let lines = [&passwords.join(&b'\n')[..], b"\n"].concat();
    fs::write(folder.path().join("in"), lines).unwrap();
    let mut command = Command::new("openssl");
    command
        .args(["passwd", format, "-in"])
        .arg(folder.path().join("in"));
    let hashes = split(&run(&mut command).stdout);
    assert_eq!(hashes.len(), passwords.len());
    hashes
}

fn split(lines: &[u8]) -> Vec<Vec<u8>> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    lines
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

pub(crate) fn sha(password: &[u8]) -> Vec<u8> {
    format!("{{SHA}}{}", BASE64_STANDARD.encode(Sha1::digest(password))).into_bytes()
}

pub(crate) fn salted_sha(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let digest = Sha1::new()
        .chain_update(password)
        .chain_update(salt)
        .finalize();
    let bytes = [&digest[..], salt].concat();
    format!("{{SSHA}}{}", BASE64_STANDARD.encode(bytes)).into_bytes()
}

/// SplitMix64 (Steele, Lea and Flood 2014). `HTGATE_TEST_SEED` repeats a run.
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("HTGATE_TEST_SEED")
            .ok()
            .map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        Self { seed, state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(
        &mut self,
        length: std::ops::Range<usize>,
        of: std::ops::RangeInclusive<u8>,
    ) -> Vec<u8> {
        let length = length.start + self.below(length.len());
        let (low, high) = (*of.start(), *of.end());
        let span = usize::from(high - low) + 1;
        (0..length).map(|_| low + self.below(span) as u8).collect()
    }

    /// Printable ASCII mostly; Latin-1, UTF-8, control characters, none and very long ones too.
    fn password(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => Vec::new(),
            1 => self.bytes(1..20, 0xa0..=0xff),
            2 => "pässwörd£日本".into(),
            3 => self.bytes(60..90, b'!'..=b'~'),
            4 => self.bytes(500..520, b'!'..=b'~'),
            5 => self.bytes(1020..1025, b'!'..=b'~'),
            6 => self.bytes(1..5, 0x01..=0x08),
            7 => self.bytes(1..4, b':'..=b':'),
            _ => self.bytes(1..30, b' '..=b'~'),
        }
    }

    /// What crypt(3) is asked for: cheap ones, some that it refuses, some that we do.
    fn setting(&mut self) -> Vec<u8> {
        let salt = |random: &mut Self, length| random.bytes(length, b'a'..=b'z');
        let odd = |random: &mut Self, length| random.bytes(length, b' '..=b'~');
        let (mark, salt) = match self.below(16) {
            0 => ("$2a$04$", salt(self, 22..23)),
            1 => ("$2b$04$", salt(self, 22..23)),
            2 => ("$2y$04$", salt(self, 22..23)),
            3 => ("$2x$04$", salt(self, 22..23)),
            4 => ("$1$", salt(self, 0..9)),
            5 => ("$1$", odd(self, 0..12)),
            6 => ("$5$rounds=1000$", salt(self, 0..20)),
            7 => ("$5$rounds=1001$", odd(self, 0..17)),
            8 => ("$6$rounds=1000$", salt(self, 0..20)),
            9 => ("$6$rounds=1337$", odd(self, 0..17)),
            10 => ("$6$rounds=999$", salt(self, 8..9)),
            11 => ("", salt(self, 2..3)),
            12 => ("$y$j75$", salt(self, 8..9)),
            13 => ("$2b$05$", salt(self, 22..23)),
            14 => ("$5$rounds=02000$", salt(self, 8..9)),
            _ => ("$6$rounds=1010$", salt(self, 16..17)),
        };
        [mark.as_bytes(), &salt].concat()
    }

    /// One byte changed, gone or more.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = self.below(bytes.len() + 1);
        let byte = self.bytes(1..2, b' '..=b'~')[0];
        match self.below(3) {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, byte),
        }
        bytes
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTGATE_TEST_SEED={}", self.seed)
    }
}
