use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    max_bcrypt_cost: 5,
    allow_plaintext: true,
};

fn parse(text: &str) -> Result<PasswordHash, HashError> {
    PasswordHash::parse(text.as_bytes(), LIMITS)
}

/// Drepper's `SHA-crypt.txt`, with its salts as crypt(3) cuts and its rounds as crypt(3) raises
/// them.
const SHA_CRYPT: [(&str, &str); 14] = [
    (
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "Hello world!",
    ),
    (
        "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
        "Hello world!",
    ),
    (
        "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5",
        "This is just a test",
    ),
    (
        "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
        "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    ),
    (
        "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
        "we have a short salt string but not a short password",
    ),
    (
        "$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD",
        "a short string",
    ),
    (
        "$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC",
        "the minimum number is still observed",
    ),
    (
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu\
         esI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        "Hello world!",
    ),
    (
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sb\
         HbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        "Hello world!",
    ),
    (
        "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQ\
         zQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
        "This is just a test",
    ),
    (
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wP\
         vMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
        "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    ),
    (
        "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0g\
         ge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
        "we have a short salt string but not a short password",
    ),
    (
        "$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwc\
         elCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1",
        "a short string",
    ),
    (
        "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58j\
         aTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
        "the minimum number is still observed",
    ),
];

/// The first three are from «Password Formats» in Apache's documentation. The others are what
/// `openssl passwd`, libxcrypt and slapd's `{SSHA}` make.
const OTHERS: [(&str, &str); 12] = [
    (
        "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        "myPassword",
    ),
    ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "myPassword"),
    ("{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=", "myPassword"),
    ("$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0", "secret"),
    (
        "$apr1$saltsalt$vpTsMadTgQ6uf6rY3K1Yy/",
        "a password of a good forty bytes, for more than two blocks",
    ),
    ("$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "secret"),
    ("$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1", "Hello world!"),
    (
        "$1$ab$ox7tgi9h7FUwtpBPieXtU1",
        "a password of a good forty bytes, for more than two blocks",
    ),
    ("$1$$ysVNzQc4CTMkp5daOdZ.3/", "secret"),
    ("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", "secret"),
    ("{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==", "secret"),
    ("{PLAIN}Aladdin's open sesame", "Aladdin's open sesame"),
];

fn vectors() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHA_CRYPT.into_iter().chain(OTHERS)
}

#[test]
fn published_vectors() {
    for (text, password) in vectors() {
        let hash = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert!(hash.matches(password.as_bytes()), "{text}");
        let others = [
            "".to_owned(),
            format!("{password} "),
            password.to_uppercase() + "x",
            password.chars().skip(1).collect(),
        ];
        for other in others {
            assert!(!hash.matches(other.as_bytes()), "{text}: {other}");
        }
    }
}

/// Whatever single character of the text is changed, the password is no longer right.
#[test]
fn every_character_counts() {
    for (text, password) in OTHERS.into_iter().chain(SHA_CRYPT.into_iter().take(1)) {
        // The letter of bcrypt is the one exception.
        for at in (0..text.len()).filter(|at| !(text.starts_with("$2") && *at == 2)) {
            for other in [b'.', b'z', b'$'] {
                let mut bytes = text.as_bytes().to_vec();
                if std::mem::replace(&mut bytes[at], other) == other {
                    continue;
                }
                let accepted = PasswordHash::parse(&bytes, LIMITS)
                    .is_ok_and(|hash| hash.matches(password.as_bytes()));
                assert!(!accepted, "{}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    for (text, _) in vectors().filter(|(text, _)| !text.starts_with("{PLAIN}")) {
        for length in 1..text.len() {
            let cut: String = text.chars().take(length).collect();
            // The salt of {SSHA} has any length, so a cut may leave a hash, of another password.
            let error = parse(&cut);
            assert!(error.is_err() || text.starts_with("{SSHA}"), "{cut}");
        }
        let long = parse(&format!("{text}x"));
        assert!(
            matches!(long, Err(HashError::Long | HashError::Damaged)),
            "{text}x"
        );
    }
}

#[test]
fn shapes_that_verify_nowhere() {
    let sha256 = |rounds: &str| format!("$5${rounds}saltstring${}", ".".repeat(43));
    let rows = [
        (sha256(""), None),
        (sha256("rounds=1000$"), None),
        (sha256("rounds=1000000$"), None),
        (sha256("rounds=999$"), Some(HashError::BadRounds)),
        (sha256("rounds=0$"), Some(HashError::BadRounds)),
        (sha256("rounds=$"), Some(HashError::BadRounds)),
        (sha256("rounds=05000$"), Some(HashError::BadRounds)),
        (sha256("rounds=+5000$"), Some(HashError::BadRounds)),
        (sha256("rounds=5000"), Some(HashError::BadRounds)),
        (sha256("rounds=1000001$"), Some(HashError::TooManyRounds)),
        (
            sha256("rounds=99999999999999999999$"),
            Some(HashError::TooManyRounds),
        ),
        (sha256("toolongsalt"), Some(HashError::Damaged)),
        ("$5$rounds=1000".to_owned(), Some(HashError::Short)),
        // Two bits too many: 43 characters hold 258.
        (
            format!("$5$saltstring${}z", ".".repeat(42)),
            Some(HashError::Damaged),
        ),
        (
            "$1$123456789$......................".to_owned(),
            Some(HashError::Damaged),
        ),
        (
            "$apr1$a b$......................".to_owned(),
            Some(HashError::Damaged),
        ),
        (
            "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE".to_owned(),
            Some(HashError::Short),
        ),
        (
            "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNF=".to_owned(),
            Some(HashError::Damaged),
        ),
        // A digest and a byte that would pass for a salt.
        (
            "{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNEx".to_owned(),
            Some(HashError::Damaged),
        ),
        (
            "{SHA}VBPuJHI7uixaa6LQGWx4s-5GKNE=".to_owned(),
            Some(HashError::Damaged),
        ),
        (
            "{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA".to_owned(),
            Some(HashError::Damaged),
        ),
        ("{SSHA}c2FsdA==".to_owned(), Some(HashError::Short)),
        (
            format!("{{SSHA}}{}", "A".repeat(1 << 20)),
            Some(HashError::Damaged),
        ),
        ("{PLAIN}".to_owned(), Some(HashError::Empty)),
        ("{PLAIN}a\rb".to_owned(), Some(HashError::Damaged)),
    ];
    for (text, error) in rows {
        assert_eq!(
            parse(&text).err(),
            error,
            "{}",
            text.get(..80).unwrap_or(&text)
        );
    }
}

#[test]
fn formats_that_are_not_used() {
    let rows: &[(&str, HashError)] = &[
        ("", HashError::Empty),
        ("$2$10$abc", HashError::FlawedBcrypt),
        ("$2x$10$abc", HashError::FlawedBcrypt),
        ("$y$j9T$salt$digest", HashError::Unsupported("yescrypt")),
        (
            "$7$C6..../....salt$digest",
            HashError::Unsupported("scrypt"),
        ),
        ("$argon2id$v=19$m=65536", HashError::Unsupported("Argon2")),
        ("{CRYPT}rqXexS6ZhobKA", HashError::Unsupported("{CRYPT}")),
        ("rqXexS6ZhobKA", HashError::Des),
        ("1fWDc9QWYCWrQ", HashError::Des),
        ("secret", HashError::Unmarked),
        ("$2z$10$abc", HashError::Unknown),
        ("{sha}VBPuJHI7uixaa6LQGWx4s+5GKNE=", HashError::Unknown),
        ("{plain}secret", HashError::Unknown),
        ("!", HashError::Unmarked),
        ("*0", HashError::Unmarked),
    ];
    for (text, error) in rows {
        assert_eq!(parse(text), Err(*error), "{text}");
    }
    let seen = PasswordHash::parse(b"{PLAIN}secret", Limits::default());
    assert_eq!(seen, Err(HashError::Plaintext));
}

/// RFC 7617, section 2 and 2.1: what a client sends for «123£» is C2 A3 in UTF-8 and A3 in
/// Latin-1. Both are bytes, and each is another password.
#[test]
fn passwords_are_bytes() {
    let utf8 = "$apr1$saltsalt$7327nk9euo.MhkkglxONC.";
    let latin1 = "$apr1$saltsalt$kpAXDX8j9Idmle23cKw8h.";
    assert!(parse(utf8).unwrap().matches(b"123\xc2\xa3"));
    assert!(!parse(utf8).unwrap().matches(b"123\xa3"));
    assert!(parse(latin1).unwrap().matches(b"123\xa3"));
    assert!(!parse(latin1).unwrap().matches(b"123\xc2\xa3"));
}

/// What crypt(3) does not take is not taken. These are libxcrypt's, of 511 times 'x'.
#[test]
fn long_passwords() {
    let rows = [
        "$5$rounds=1000$a$Ly9U92hsUbSWQX0Uk7fCTL5zglNqpbWVyK2HY6taCYD",
        "$2y$04$CCCCCCCCCCCCCCCCCCCCC.ug0A3dTXhy5U.dFjx/qguZ8I4CB77BC",
        "$1$a$sx41nXK1roHu.OzXJY682/",
    ];
    let password = vec![b'x'; 1024];
    for text in rows {
        let hash = parse(text).unwrap();
        assert!(hash.matches(&password[..511]), "{text}");
        assert!(!hash.matches(&password[..512]), "{text}");
        assert!(!hash.matches(&password), "{text}");
    }
}

#[test]
fn no_two_hashes_feed_a_mac_the_same() {
    let changed = [
        "$2y$04$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        "$2y$05$c4WoMPo3SXsafkva.HHa6.XQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqG",
        "$1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        "$apr1$r31....$HqJZimcKQFAMYayBlzkrA/",
        "$apr1$r31.....$HqJZimcKQFAMYayBlzkr./",
        "$5$rounds=5001$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$5$saltstrin$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc4",
        "{SSHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=",
        "{PLAIN}VBPuJHI7uixaa6LQGWx4s+5GKNE=",
    ];
    let mut macs = BTreeSet::new();
    for text in vectors().map(|(text, _)| text).chain(changed) {
        let mut mac = blake3::Hasher::new();
        parse(text).unwrap().fingerprint(&mut mac);
        assert!(macs.insert(*mac.finalize().as_bytes()), "{text}");
    }
}

#[test]
fn a_million_hashes_are_small() {
    assert!(size_of::<Option<PasswordHash>>() <= 48);
}

#[test]
fn debug_hides_the_hash() {
    for (text, _) in vectors() {
        let hash = parse(text).unwrap();
        assert_eq!(
            format!("{hash:?}"),
            format!("PasswordHash({}, ***)", hash.kind())
        );
    }
}

fn any_mark() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "$2y$04$",
        "$2a$05$",
        "$2b$",
        "$apr1$",
        "$1$",
        "$5$",
        "$6$",
        "$5$rounds=1000$",
        "$6$rounds=",
        "{SHA}",
        "{SSHA}",
    ])
}

proptest! {
    #[test]
    fn bytes_never_panic(mark in any_mark(), bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let text = [mark.as_bytes(), &bytes].concat();
        if let Ok(hash) = PasswordHash::parse(&text, LIMITS) {
            prop_assert!(!hash.matches(b"secret"));
        }
    }

    /// Text that is nearly a hash: what is well formed is computed and matches nothing.
    #[test]
    fn text_never_panics(mark in any_mark(), text in "[./0-9A-Za-z$=+]{0,100}") {
        if let Ok(hash) = parse(&format!("{mark}{text}")) {
            prop_assert!(!hash.matches(b"secret"));
        }
    }

    /// A hash is what it was read from, whichever bytes change.
    #[test]
    fn a_damaged_hash_matches_nothing(
        vector in 0..OTHERS.len() - 1,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (text, password) = OTHERS[vector];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at.index(text.len())] = byte;
        }
        let same = bytes == text.as_bytes();
        let letter = text.starts_with("$2") && bytes[..2] == text.as_bytes()[..2]
            && bytes[3..] == text.as_bytes()[3..];
        let right = PasswordHash::parse(&bytes, LIMITS)
            .is_ok_and(|hash| hash.matches(password.as_bytes()));
        prop_assert!(!right || same || letter, "{}", bytes.escape_ascii());
    }
}
