//! Lines and files that people really have, and the cause that each is told.

use crate::Fault;
use crate::hash::Limits;
use crate::htpasswd::Users;

const HASH: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const APR1: &str = "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/";

/// Given a line, in which `@` stands for a hash, a part of what is told about it.
const LINES: &[(&str, &str)] = &[
    // What is no entry at all.
    ("alice", "no colon"),
    ("---", "this is not a users file"),
    ("-----BEGIN CERTIFICATE-----", "this is not a users file"),
    (
        "version https://git-lfs.github.com/spec/v1",
        "this is not a users file",
    ),
    ("-----BEGIN PGP MESSAGE-----", "the file is encrypted"),
    ("$ANSIBLE_VAULT;1.1;AES256", "the file is encrypted"),
    ("age-encryption.org/v1", "the file is encrypted"),
    ("ENC[AES256_GCM,data:x,iv:y]", "the file is encrypted"),
    ("<<<<<<< HEAD", "merge conflict"),
    ("=======", "merge conflict"),
    (">>>>>>> 1a2b3c4 (users)", "merge conflict"),
    ("  # nobody", "comment"),
    ("// alice", "comment"),
    ("; alice: left in May", "comment"),
    ("-- alice", "comment"),
    // Quotes, also curly ones.
    ("\"alice:@\"", "quotes around the line"),
    ("'alice:@'", "quotes around the line"),
    ("\"alice\": \"@\",", "quotes around the line"),
    ("`alice:@`", "quotes around the line"),
    ("alice:\"@\"", "quotes around the line or its hash"),
    ("alice:'@'", "quotes around the line or its hash"),
    (
        "alice:\u{201c}@\u{201d}",
        "quotes around the line or its hash",
    ),
    ("alice:'@':Alice A.", "quotes around the hash"),
    ("alice:'@", "quotes around the hash"),
    // Something else than a colon, or too many of it.
    ("alice @", "where the colon belongs"),
    ("alice\t@", "where the colon belongs"),
    ("alice=@", "where the colon belongs"),
    ("alice,@", "where the colon belongs"),
    ("alice;@", "where the colon belongs"),
    ("@", "a hash without a user"),
    (":@", "the user name is empty"),
    ("@:alice", "the hash stands before the name"),
    (
        "alice:registry:0123456789abcdef0123456789abcdef",
        "htdigest",
    ),
    ("alice:x:1000:1000:Alice:/home/alice:/bin/sh", "/etc/passwd"),
    ("alice:*:19000:0:99999:7:::", "locks the user out"),
    ("alice:!:19000:0:99999:7:::", "locks the user out"),
    ("alice:!@", "locks the user out"),
    // Blanks.
    ("alice: @", "blank stands before the hash"),
    ("alice:\t@", "blank stands before the hash"),
    ("alice:\u{a0}@", "blank stands before the hash"),
    ("alice:\u{feff}@", "blank stands before the hash"),
    ("alice:@ ", "blank stands behind the hash"),
    ("alice:@\t:Alice", "blank stands behind the hash"),
    ("alice:@ # Alice A.", "something follows the hash"),
    ("alice:@bob:@", "two entries stand on one line"),
    ("alice:@\rbob:@", "carriage return alone"),
    // What tools make of a hash on its way.
    (
        "alice:$$2y$$05$$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "doubled",
    ),
    ("alice:$$apr1$$r31.....$$HqJZimcKQFAMYayBlzkrA/", "doubled"),
    (
        "alice:\\$2y\\$05\\$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "backslashes",
    ),
    (
        "alice:ybash5.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "has replaced the '$...'",
    ),
    ("alice:y-bash5", "has replaced the '$...'"),
    (
        "alice:y/bin/sh5.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "has replaced the '$...'",
    ),
    ("alice:y./adduser.sh0/x", "has replaced the '$...'"),
    (
        "alice:y5CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "has replaced the '$...'",
    ),
    ("alice:", "as where a shell reads '$...'"),
    ("alice::Alice A.", "as where a shell reads '$...'"),
    (
        "alice:%242y%2405%24CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGy",
        "percent-encoded",
    ),
    ("alice:${ALICE_HASH}", "placeholder"),
    ("alice:$ALICE_HASH", "placeholder"),
    ("alice:{{ alice_hash }}", "placeholder"),
    ("alice:<hash>", "placeholder"),
    ("alice:%HASH%", "placeholder"),
    (
        "alice:2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "lacks its first '$'",
    ),
    (
        "alice:apr1$r31.....$HqJZimcKQFAMYayBlzkrA/",
        "lacks its first '$'",
    ),
    (
        "alice:y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "start of the hash is missing",
    ),
    (
        "alice:$2Y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "wrong case",
    ),
    ("alice:{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", "wrong case"),
    (
        "alice:{CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl",
        "word in braces",
    ),
    ("alice:{bcrypt}@", "word in braces"),
    // Damaged hashes.
    (
        "alice:$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0Xou",
        "cut short",
    ),
    (
        "alice:$2y$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "two digits",
    ),
    (
        "alice:$2y$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "over max_bcrypt_cost",
    ),
    (
        "alice:$6$rounds=500$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl",
        "rounds",
    ),
    (
        "alice:$6$rounds=9000000$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl",
        "rounds are over",
    ),
    ("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/", "cut short"),
    ("alice:$apr1$r31.....", "cut short"),
    (
        "alice:$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "flawed",
    ),
    // Other formats, and none.
    ("alice:{PLAIN}s3cret", "allow_plaintext"),
    ("alice:s3cret", "may be the password itself"),
    ("alice: s3cret", "may be the password itself"),
    ("alice:s3cret:Alice", "may be the password itself"),
    (
        "alice:correct horse battery staple, and more",
        "may be the password itself",
    ),
    ("alice:rqXexS6ZhobKA", "DES"),
    ("alice:{CRYPT}rqXexS6ZhobKA", "{CRYPT}"),
    ("alice:{MD5}CY9rzUYh03PK3k6DJie09g==", "{MD5}"),
    ("alice:{SSHA512}0Xou0Xou", "{SSHA512}"),
    ("alice:$pbkdf2-sha256$29000$x$y", "PBKDF2"),
    ("alice:pbkdf2_sha256$600000$x$y", "PBKDF2"),
    ("alice:$argon2id$v=19$m=65536,t=3,p=4$x$y", "Argon2"),
    ("alice:$y$j9T$x$y", "yescrypt"),
    ("alice:$P$BxxxxxxxxxxxxxxxxxxxxxxxxxxxxxO", "phpass"),
    ("alice:5ebe2294ecd0e0f08eab7690d2a6ee69", "plain digest"),
    (
        "alice:*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19",
        "plain digest",
    ),
    (
        "alice:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        "plain digest",
    ),
    ("alice:$zz$what", "unknown format"),
    // Base64.
    ("YWxpY2U6czNjcmV0", "docker's config.json"),
    // Users, with names that nobody can mean.
    (" alice:@", "invisible"),
    ("HTPASSWD=alice:@", "assignment"),
    ("- alice:@", "lists"),
    ("\"alice:@", "a quote"),
    (";alice:@", "comments"),
    ("{{user}}:@", "placeholder"),
    ("first:@", "earlier line"),
];

/// Given a file, a part of what is told about its first faulty line.
fn check(file: &[u8], expected: &str) {
    let text = String::from_utf8_lossy(file);
    let (_, errors) = Users::parse(file, Limits::default());
    let told = errors.first().first().map(|error| Fault::from(error.fault));
    let told = told.map(|fault| fault.to_string()).unwrap_or_default();
    assert!(told.contains(expected), "{text:?}: {told}");
    for secret in [HASH, SHA, APR1, "s3cret"] {
        assert!(!told.contains(secret), "{text:?}: {told}");
    }
}

#[test]
fn lines_that_people_have() {
    assert!(LINES.len() > 60);
    for hash in [HASH, SHA, APR1] {
        for (line, expected) in LINES {
            let line = line.replace('@', hash);
            let file = format!("first:{HASH}\n{line}\nlast:{HASH}\n");
            check(file.as_bytes(), expected);
            let (users, errors) = Users::parse(file.as_bytes(), Limits::default());
            assert!(users.find(b"first").is_some() && users.find(b"last").is_some());
            assert_eq!(errors.first()[0].line, 2, "{line}");
        }
    }
}

#[test]
fn files_that_people_have() {
    let good = format!("alice:{HASH}\nbob:{HASH}\n");
    let encoded = |big: bool| -> Vec<u8> {
        let mark = "\u{feff}".chars();
        let units = mark.chain(good.chars()).map(|character| character as u16);
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    check(&encoded(true), "UTF-16");
    check(&encoded(false), "UTF-16");
    check(&encoded(false)[2..], "UTF-16");
    check(good.replace('\n', "\r").as_bytes(), "carriage return alone");
    check(format!("\u{feff}\u{feff}{good}").as_bytes(), "invisible");
    check(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\n", "compressed");
    check(b"\0GITCRYPT\0\x01\x02", "encrypted");
    let base64 = |text: &str| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
    check(base64(&good).as_bytes(), "Kubernetes Secret");
    check(&base64(&good).as_bytes()[..76], "Kubernetes Secret");
    for other in [
        "{\"auths\": {}}\n",
        "[users]\nalice = x",
        "<?xml version='1.0'?>",
    ] {
        check(other.as_bytes(), "this is not a users file");
    }
}
