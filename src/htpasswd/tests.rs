//! Whole files, and what becomes of their lines.

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
        ("x:$zz$secret", LineFault::Hash(HashError::Unknown)),
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
