//! The bytes of an htpasswd file to users, with every line that cannot be used and why. A bad
//! line never costs another one its effect. Knows no paths and no reload policy.

mod edit;
mod lines;
mod name;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

pub use self::edit::{EditError, add, remove, set};
pub use self::lines::{Line, lines};
pub use self::name::Name;
use crate::Fault;
use crate::hash::{HashError, Kind, Limits, PasswordHash, begins_as_hash};
use crate::request::credentials::LONGEST_USER;

/// The users of one file.
#[derive(Debug)]
pub struct Users {
    /// `None`: the name stands in the file, but its first line has no usable hash.
    by_name: HashMap<Box<[u8]>, Option<PasswordHash>>,
    kinds: BTreeMap<Kind, u64>,
}

impl Users {
    /// Reads a file. The first line of a name counts, as in nginx and Apache, even where it is
    /// unusable: a line broken on purpose, to lock somebody out, is not undone by an older one.
    pub fn parse(file: &[u8], limits: Limits) -> (Self, LineErrors) {
        Self::parse_and_tell(file, limits, MOST_LINE_ERRORS)
    }

    /// Reads a file, and lists up to `most` faulty lines one by one.
    pub fn parse_and_tell(file: &[u8], limits: Limits, most: usize) -> (Self, LineErrors) {
        let count = file.iter().filter(|byte| **byte == b'\n').count();
        // A file of another kind gets no more room than a users file of its size.
        let room = count.min(file.len() / SHORTEST_USUAL_LINE);
        let mut users = Self {
            by_name: HashMap::with_capacity(room),
            kinds: BTreeMap::new(),
        };
        let mut errors = LineErrors::default();
        for line in lines(file) {
            if let Err(fault) = users.admit(line.text, limits) {
                let error = LineError {
                    line: line.number,
                    fault,
                };
                errors.push(error, most);
            }
        }
        (users, errors)
    }

    /// The hash of a user, if there is such a user.
    pub fn find(&self, name: &[u8]) -> Option<&PasswordHash> {
        self.by_name.get(name)?.as_ref()
    }

    /// How many users there are of each kind of hash.
    pub fn kinds(&self) -> &BTreeMap<Kind, u64> {
        &self.kinds
    }

    /// How many users there are.
    pub fn count(&self) -> u64 {
        self.kinds.values().sum()
    }

    fn admit(&mut self, line: &[u8], limits: Limits) -> Result<(), LineFault> {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let name = fields.next().unwrap_or_default();
        let hash = fields.next().ok_or(LineFault::NoColon)?;
        if name.is_empty() {
            return Err(LineFault::EmptyName);
        }
        if name::unsendable(name).is_some() {
            return Err(LineFault::ImpossibleName);
        }
        let Entry::Vacant(place) = self.by_name.entry(name.into()) else {
            return Err(LineFault::Duplicate);
        };
        // As nginx and Apache have it, the hash ends at the next colon, a password in plain text
        // too, and the rest is a comment.
        let comment = fields.next().unwrap_or_default();
        let parsed = PasswordHash::parse(hash, limits);
        if is_glued(&parsed, comment) {
            place.insert(None);
            return Err(LineFault::Glued);
        }
        match parsed {
            Ok(hash) => {
                *self.kinds.entry(hash.kind()).or_default() += 1;
                place.insert(Some(hash));
                Ok(())
            }
            Err(error) => {
                place.insert(None);
                Err(LineFault::Hash(error))
            }
        }
    }
}

/// Whether the next entry's name seems to stand behind this one's hash, and its hash where the
/// comment would.
fn is_glued(parsed: &Result<PasswordHash, HashError>, comment: &[u8]) -> bool {
    let may_have_a_name_behind = match parsed {
        // These have no length of their own.
        Ok(PasswordHash::SaltedSha(_) | PasswordHash::Plain(_)) => true,
        Ok(_) => false,
        Err(error) => matches!(error, HashError::Long | HashError::Damaged),
    };
    may_have_a_name_behind && begins_as_hash(comment)
}

/// A line that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line's number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: LineFault,
}

/// What is wrong with a line. The [`Fault`] that is made of it quotes nothing of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Not `user:hash`.
    NoColon,
    /// Nothing before the colon.
    EmptyName,
    /// A name that no client can send.
    ImpossibleName,
    /// The name stands in an earlier line.
    Duplicate,
    /// Another entry follows without a line break.
    Glued,
    /// The hash cannot be used.
    Hash(HashError),
}

impl From<LineFault> for Fault {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::NoColon => Self::new("no colon", "write the line as 'user:hash'"),
            LineFault::EmptyName => Self::new("the user name is empty", "put one before the colon"),
            LineFault::ImpossibleName => Self::new(
                format!(
                    "the user name has control characters or over {LONGEST_USER} bytes and can \
                     never log in"
                ),
                "rename the user",
            ),
            LineFault::Duplicate => Self::new(
                "the user stands in an earlier line, which counts",
                "remove one of them",
            ),
            LineFault::Glued => Self::new(
                "two entries stand on one line",
                "put a line break between them",
            ),
            LineFault::Hash(error) => error.into(),
        }
    }
}

/// The lines that were left out: the first ones, and how many in all.
#[derive(Debug, Default)]
pub struct LineErrors {
    first: Vec<LineError>,
    count: u64,
}

impl LineErrors {
    /// The first errors, in the order of their lines.
    pub fn first(&self) -> &[LineError] {
        &self.first
    }

    /// How many lines were left out.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn push(&mut self, error: LineError, most: usize) {
        if self.first.len() < most {
            self.first.push(error);
        }
        self.count += 1;
    }
}

/// In bytes: a name, and the shortest hash that people have.
const SHORTEST_USUAL_LINE: usize = 32;

/// No more faulty lines than this are told one by one: a file of another kind, given by mistake,
/// would fill the log.
pub const MOST_LINE_ERRORS: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    const B: &str = "$2y$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    fn parse(file: &[u8]) -> (Users, LineErrors) {
        Users::parse(file, Limits::default())
    }

    /// Given a file, expected its users and the lines left out.
    fn check(file: &[u8], users: &[&[u8]], faults: &[(u64, LineFault)]) {
        let (seen, errors) = parse(file);
        let text = String::from_utf8_lossy(file);
        for user in users {
            assert!(seen.find(user).is_some(), "{text}: {user:?} is missing");
        }
        assert_eq!(seen.count(), users.len() as u64, "{text}");
        let seen: Vec<_> = errors.first().iter().map(|e| (e.line, e.fault)).collect();
        assert_eq!(seen, faults, "{text}");
    }

    #[test]
    fn files() {
        let line = |name: &str| format!("{name}:{A}\n").into_bytes();
        check(b"", &[], &[]);
        check(&line("alice"), &[b"alice"], &[]);
        check(format!("alice:{A}").as_bytes(), &[b"alice"], &[]);
        check(
            format!("alice:{A}\r\nbob:{A}\r\n").as_bytes(),
            &[b"alice", b"bob"],
            &[],
        );
        check(format!("\u{feff}alice:{A}\n").as_bytes(), &[b"alice"], &[]);
        check(
            format!("# note\n\n  \t\nalice:{A}:Alice A.\n").as_bytes(),
            &[b"alice"],
            &[],
        );
        check(
            format!("#bob:{A}\nal ice:{A}\n").as_bytes(),
            &[b"al ice"],
            &[],
        );
        check(
            &[b"\xe9:".as_slice(), A.as_bytes()].concat(),
            &[b"\xe9"],
            &[],
        );
        check(format!("alice:{A}::::\n").as_bytes(), &[b"alice"], &[]);
    }

    #[test]
    fn bad_lines_among_good_ones() {
        let bad: &[(&str, LineFault)] = &[
            ("alice", LineFault::NoColon),
            (":x", LineFault::EmptyName),
            ("x:", LineFault::Hash(HashError::Empty)),
            ("x::comment", LineFault::Hash(HashError::Empty)),
            ("x:secret", LineFault::Hash(HashError::Unknown)),
            ("\u{1}x:$2y$05$", LineFault::ImpossibleName),
            ("first:x", LineFault::Duplicate),
        ];
        for (line, fault) in bad {
            let file = format!("first:{A}\n{line}\nlast:{A}\n");
            check(file.as_bytes(), &[b"first", b"last"], &[(2, *fault)]);
        }
    }

    const OF_EACH_FORMAT: [&str; 7] = [
        A,
        "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu\
         esI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
    ];

    #[test]
    fn glued_lines_of_every_format() {
        for hash in OF_EACH_FORMAT {
            for next in OF_EACH_FORMAT {
                let file = format!("first:{hash}eric:{next}\nlast:{A}\n");
                check(file.as_bytes(), &[b"last"], &[(1, LineFault::Glued)]);
            }
            let file = format!("first:{hash}:{{a note}}\nlast:{hash}:$5\n");
            check(file.as_bytes(), &[b"first", b"last"], &[]);
        }
    }

    #[test]
    fn plaintext_ends_at_a_colon_and_is_allowed_by_name() {
        let file = b"a:{PLAIN}se cret:{note}\nb:{PLAIN}xc:{PLAIN}y\nd:{PLAIN}\n";
        let refused = LineFault::Hash(HashError::Plaintext);
        check(
            file,
            &[],
            &[
                (1, refused),
                (2, LineFault::Hash(HashError::Plaintext)),
                (3, refused),
            ],
        );
        let limits = Limits {
            allow_plaintext: true,
            ..Limits::default()
        };
        let (users, errors) = Users::parse(file, limits);
        assert!(users.find(b"a").unwrap().matches(b"se cret"));
        assert!(!users.find(b"a").unwrap().matches(b"se cret:{note}"));
        let faults: Vec<_> = errors.first().iter().map(|e| (e.line, e.fault)).collect();
        let expected = [
            (2, LineFault::Glued),
            (3, LineFault::Hash(HashError::Empty)),
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn the_first_line_of_a_name_counts() {
        let (users, errors) = parse(format!("alice:{A}\nalice:{B}\n").as_bytes());
        assert_eq!(
            users.find(b"alice").unwrap().kind(),
            Kind::Bcrypt { cost: 5 }
        );
        assert_eq!(errors.first()[0].line, 2);
        let (users, errors) = parse(format!("alice:!{A}\nalice:{B}\n").as_bytes());
        assert!(
            users.find(b"alice").is_none(),
            "a line broken on purpose must lock out"
        );
        assert_eq!(errors.count(), 2);
    }

    #[test]
    fn kinds_are_counted() {
        let (users, _) = parse(format!("a:{A}\nb:{B}\nc:{B}\nc:{A}\nd:x\n").as_bytes());
        let expected = [(Kind::Bcrypt { cost: 4 }, 2), (Kind::Bcrypt { cost: 5 }, 1)];
        assert_eq!(users.kinds(), &BTreeMap::from(expected));
        assert!(users.find(b"d").is_none() && users.find(b"").is_none());
    }

    #[test]
    fn a_flood_of_errors_is_counted_not_kept() {
        let (_, errors) = parse("x\n".repeat(1000).as_bytes());
        assert_eq!(
            (errors.first().len(), errors.count()),
            (MOST_LINE_ERRORS, 1000)
        );
    }

    proptest! {
        #[test]
        fn never_panics(file in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(&file);
        }

        #[test]
        fn a_comment_line_changes_nothing_but_numbers(
            lines in proptest::collection::vec("[a-c:$2y]{0,12}", 0..12), at in 0usize..12,
        ) {
            let mut lines: Vec<String> = lines;
            lines.push(format!("good:{A}"));
            let (before, errors_before) = parse(lines.join("\n").as_bytes());
            lines.insert(at.min(lines.len()), "# comment".to_owned());
            let (after, errors_after) = parse(lines.join("\n").as_bytes());
            prop_assert_eq!(before.count(), after.count());
            prop_assert!(after.find(b"good").is_some());
            let faults = |errors: &LineErrors| {
                errors.first().iter().map(|e| e.fault).collect::<Vec<_>>()
            };
            prop_assert_eq!(faults(&errors_before), faults(&errors_after));
        }
    }
}
