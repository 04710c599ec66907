//! Every format against those who read it too: Debian's nginx, whose crypt(3) is libxcrypt, and
//! Apache's htpasswd. We accept nothing that they refuse; what we refuse and they accept has one
//! of the reasons in docs/formats.md.

mod lines;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use htgate::hash::{HashError, Limits, PasswordHash};
use htgate::htpasswd::{LineFault, Users};
use htgate::request::Field;
use htgate::request::credentials::Presented;

use crate::support::{Connection, Gate, Nginx, attempt, basic, folder};
use lines::{Entry, Random};

const LIMITS: Limits = Limits {
    max_bcrypt_cost: 14,
    allow_plaintext: true,
};

/// An nginx that does the work itself, with this users file.
fn auth_basic(users: &[u8]) -> Nginx {
    let nginx = Nginx::start(
        "error_log {folder}/error.log crit; access_log off;
        server { listen {listen}; root {folder}/www; keepalive_requests 1000000;
            auth_basic test; auth_basic_user_file {folder}/users; }",
    );
    fs::write(nginx.folder.path().join("users"), users).unwrap();
    nginx
}

fn header(name: &[u8], password: &[u8]) -> String {
    let pair = [name, b":", password].concat();
    format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair))
}

/// What we say, without a server around it.
fn accepts(users: &Users, name: &[u8], password: &[u8]) -> bool {
    let header = header(name, password);
    let (_, value) = header.split_once(": ").unwrap();
    match Presented::parse(Field::One(value.as_bytes())) {
        Presented::Credentials(credentials) => users
            .find(credentials.claimed())
            .is_some_and(|hash| hash.matches(credentials.password())),
        Presented::Nothing | Presented::Malformed(..) => false,
    }
}

/// Why we refuse what another accepts; the rows of the table in docs/formats.md.
fn reason(entry: &Entry, password: &[u8]) -> Option<&'static str> {
    if password.iter().any(u8::is_ascii_control) {
        return Some("control characters in the password");
    }
    if entry
        .line()
        .split(|byte| *byte == b'\r')
        .nth(1)
        .is_some_and(|rest| rest != b"\n")
    {
        return Some("a carriage return inside a line");
    }
    let (_, errors) = Users::parse(&entry.line(), LIMITS);
    let fault = errors.first().first()?.fault;
    match fault {
        LineFault::Glued => Some("two entries on one line"),
        LineFault::Hash(HashError::Des) => Some("DES crypt"),
        LineFault::Hash(HashError::FlawedBcrypt) => Some("$2x$"),
        LineFault::Hash(HashError::Unsupported(_)) => Some("yescrypt and others"),
        LineFault::Hash(HashError::Empty) if entry.hash.starts_with(b"{PLAIN}") => {
            Some("{PLAIN} and nothing")
        }
        LineFault::Hash(HashError::Damaged) if entry.hash.starts_with(b"$apr1$") => {
            Some("a salt of apr1 that crypt(3) would not take")
        }
        LineFault::Hash(HashError::Damaged) if entry.hash.starts_with(b"{PLAIN}") => {
            Some("control characters in the password")
        }
        _ => None,
    }
}

#[test]
fn ten_thousand_pairs() {
    let mut random = Random::new();
    let entries = lines::generate(&mut random, 2_000);
    let pairs: Vec<_> = entries
        .iter()
        .flat_map(|entry| {
            let guesses = entry.guesses(&mut random, 5);
            guesses.into_iter().map(move |guess| (entry, guess))
        })
        .collect();
    assert_eq!(pairs.len(), 10_000);
    let file: Vec<u8> = entries.iter().flat_map(Entry::line).collect();
    let (users, _) = Users::parse(&file, LIMITS);

    let nginx = auth_basic(&file);
    let (ours, theirs) = thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let mut connection = Connection::open(&nginx.target()).unwrap();
            let mut ask = |entry: &Entry, guess: &[u8]| {
                let header = header(&entry.name, guess);
                connection.ask("GET /file", &[&header]).unwrap().status == 200
            };
            let all = pairs.iter().map(|(entry, guess)| ask(entry, guess));
            all.collect::<Vec<_>>()
        });
        let all = pairs
            .iter()
            .map(|(entry, guess)| accepts(&users, &entry.name, guess));
        (all.collect::<Vec<_>>(), theirs.join().unwrap())
    });

    let mut differences = BTreeMap::<_, u32>::new();
    let (mut both, mut neither) = (BTreeMap::<_, u32>::new(), 0);
    for (((entry, guess), ours), theirs) in pairs.iter().zip(&ours).zip(&theirs) {
        match (ours, theirs) {
            (true, true) => *both.entry(entry.mark()).or_default() += 1,
            (false, false) => neither += 1,
            (true, false) => panic!(
                "{random}: only we accept {entry} with {}",
                guess.escape_ascii()
            ),
            (false, true) => {
                let reason = reason(entry, guess).unwrap_or_else(|| {
                    panic!(
                        "{random}: only nginx accepts {entry} with {}",
                        guess.escape_ascii()
                    )
                });
                *differences.entry(reason).or_default() += 1;
            }
        }
    }
    println!("both accept {both:?}; neither {neither}; nginx alone {differences:?}");
    for mark in [
        "$2a$", "$2b$", "$2y$", "$apr1$", "$1$", "$5$", "$6$", "{SHA}", "{SSHA}", "{PLAIN}",
    ] {
        assert!(both[mark] >= 20, "{mark} is tested: {both:?}");
    }
    let explained: u32 = differences.values().sum();
    assert!(
        explained < 1_500,
        "differences are the exception: {differences:?}"
    );
}

/// A process each, so these are fewer.
#[test]
fn htpasswd_agrees() {
    let mut random = Random::new();
    let folder = folder();
    let path = folder.path().join("users");
    let (mut both, mut alone) = (0, 0);
    for entry in lines::generate(&mut random, 150) {
        // Formats of nginx alone.
        if entry.hash.starts_with(b"{SSHA}") || entry.hash.starts_with(b"{PLAIN}") {
            continue;
        }
        // A comment is one for Apache's mod_authn_file, but `htpasswd -v` takes it for the hash.
        let line = entry.line();
        let fields: Vec<_> = line.split(|byte| *byte == b':').take(2).collect();
        fs::write(&path, [&fields.join(&b':')[..], b"\n"].concat()).unwrap();
        let (users, _) = Users::parse(&entry.line(), LIMITS);
        for guess in entry.guesses(&mut random, 2) {
            if guess.len() > LONGEST_FOR_HTPASSWD {
                continue;
            }
            let mut command = Command::new("htpasswd");
            command.arg("-vb").arg(&path);
            command.args([OsStr::from_bytes(&entry.name), OsStr::from_bytes(&guess)]);
            let theirs = attempt(&mut command).status.success();
            let ours = accepts(&users, &entry.name, &guess);
            let what = format!("{random}: {entry} with {}", guess.escape_ascii());
            assert!(theirs || !ours, "only we accept {what}");
            let explained = ours || !theirs || reason(&entry, &guess).is_some();
            assert!(explained, "only htpasswd accepts {what}");
            both += u32::from(ours && theirs);
            alone += u32::from(theirs && !ours);
        }
    }
    assert!(both >= 20, "both accept {both}, htpasswd alone {alone}");
}

/// `MAX_STRING_LEN` in Apache's passwd_common.h, less the NUL.
const LONGEST_FOR_HTPASSWD: usize = 255;

/// The real htgate and the real nginx with one file.
#[test]
fn a_mixed_file_gets_the_verdicts_of_nginx() {
    let secret = "correct horse";
    let settings = [
        "$2a$04$CCCCCCCCCCCCCCCCCCCCC.",
        "$2b$04$CCCCCCCCCCCCCCCCCCCCC.",
        "$2y$05$CCCCCCCCCCCCCCCCCCCCC.",
        "$1$saltsalt$",
        "$5$saltstring$",
        "$5$rounds=1000$saltstring$",
        "$6$saltstring$",
        "$6$rounds=1234$saltstring$",
    ];
    let asked: Vec<_> = settings
        .map(|setting| (secret.into(), setting.into()))
        .into();
    let mut hashes = lines::crypt(&asked);
    hashes.extend(lines::openssl("-apr1", &[secret.into()]));
    hashes.push(lines::sha(secret.as_bytes()));
    hashes.push(lines::salted_sha(secret.as_bytes(), b"some salt"));
    hashes.push([b"{PLAIN}", secret.as_bytes()].concat());

    let mut file = Vec::new();
    for (number, hash) in hashes.iter().enumerate() {
        let ends: [&[u8]; 3] = [b"\n", b"\r\n", b":a comment: with colons\n"];
        file.extend(format!("user{number}:").into_bytes());
        file.extend([hash, ends[number % 3]].concat());
    }
    let nginx = auth_basic(&file);
    let gate = Gate::start(std::str::from_utf8(&file).unwrap(), &["--allow-plaintext"]);
    for number in 0..=hashes.len() {
        let name = format!("user{number}");
        let known = number < hashes.len();
        for (guess, right) in [(secret, known), ("", false), ("Correct horse", false)] {
            let header = format!("Authorization: {}", basic(&name, guess));
            let theirs = nginx.ask("GET /file", &[&header]).status;
            let ours = gate.login(&name, guess);
            let expected = if right { (204, 200) } else { (401, 401) };
            assert_eq!((ours, theirs), expected, "{name} with '{guess}'");
        }
    }
    let warning = "10 users have a weakly hashed password";
    assert!(gate.log().contains(warning), "{}", gate.log());
}

/// Without the setting a plaintext line is left out, and the log says what to do.
#[test]
fn plaintext_is_refused_by_default() {
    let gate = Gate::start("alice:{PLAIN}secret\nbob:secret\n", &[]);
    assert_eq!(gate.login("alice", "secret"), 401);
    assert_eq!(gate.login("bob", "secret"), 401);
    gate.wait_for_log("htpasswd:1: {PLAIN} is refused without allow_plaintext");
    gate.wait_for_log("htpasswd:2: this is not a hash");
    assert!(!gate.log().contains("secret"));
}

/// The longest password is not much dearer than a short one, in any format.
#[test]
fn a_long_password_costs_little_more() {
    let asked = [("x".into(), "$6$rounds=20000$saltstring$".into())];
    let hash = PasswordHash::parse(&lines::crypt(&asked)[0], LIMITS).unwrap();
    let time = |length: usize| {
        let password = vec![b'x'; length];
        let clock = std::time::Instant::now();
        assert_eq!(hash.matches(&password), length == 1);
        clock.elapsed().as_secs_f64()
    };
    let median = |length: usize| {
        let mut times = [(); 5].map(|()| time(length));
        times.sort_by(f64::total_cmp);
        times[2]
    };
    let (short, long) = (median(1), median(511));
    assert!(long < 20.0 * short, "{long} s and {short} s");
    assert!(median(1024) < short, "refused unread");
}
