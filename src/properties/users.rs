//! The users file and the hashes in it.

use std::collections::BTreeSet;

use super::fields;
use crate::hash::{Limits, PasswordHash, begins_as_hash};
use crate::htpasswd::{self, EditError, Name, Users, lines};

/// Editing one user changes no other, and does what it says; or it fails, and nothing is written.
pub fn htpasswd(data: &[u8]) {
    let [name, file] = fields(data);
    let limits = Limits::default();
    let (before, _) = Users::parse(file, limits);
    let Ok(name) = Name::new(name) else {
        return;
    };
    type Edit<'a> = &'a dyn Fn() -> Result<Vec<u8>, EditError>;
    let edits: [(Edit<'_>, bool); 3] = [
        (&|| htpasswd::add(file, &name, HASH), true),
        (&|| htpasswd::set(file, &name, HASH), true),
        (&|| htpasswd::remove(file, &name), false),
    ];
    let hash = PasswordHash::parse(HASH.as_bytes(), limits).unwrap();
    for (edit, is_there) in edits {
        let Ok(edited) = edit() else {
            continue;
        };
        let (after, _) = Users::parse(&edited, limits);
        let names = lines(file).chain(lines(&edited));
        let names: BTreeSet<_> = names.filter_map(|line| line.name()).collect();
        for other in names.into_iter().filter(|it| *it != name.as_bytes()) {
            assert_eq!(before.find(other), after.find(other), "{other:?}");
        }
        let expected = Some(&hash).filter(|_| is_there);
        assert_eq!(after.find(name.as_bytes()), expected);
    }
}

/// A hash is read in one way, more freedom changes none, no two are taken for the same when they
/// are remembered, and a plain password is itself.
pub fn hash(data: &[u8]) {
    let [one, other, password] = fields(data);
    let free = Limits {
        max_bcrypt_cost: 31,
        allow_plaintext: true,
    };
    let read = |text| PasswordHash::parse(text, free).ok();
    if let Ok(hash) = PasswordHash::parse(one, Limits::default()) {
        assert_eq!(read(one), Some(hash));
    }
    let Some(hash) = read(one) else {
        return;
    };
    assert!(begins_as_hash(one));
    assert!(!one.contains(&b'\n'));
    if let Some(other) = read(other) {
        assert_eq!(hash == other, fingerprint(&hash) == fingerprint(&other));
    }
    // The others take their time, and are compared with libxcrypt elsewhere.
    match &hash {
        PasswordHash::Plain(_) => {
            let plain = one.strip_prefix(b"{PLAIN}").unwrap();
            assert!(hash.matches(plain));
            assert_eq!(hash.matches(password), plain == password);
        }
        PasswordHash::Sha(_) | PasswordHash::SaltedSha(_) => {
            assert!(!(hash.matches(password) && hash.matches(&[password, b"."].concat())));
        }
        _ => (),
    }
}

fn fingerprint(hash: &PasswordHash) -> blake3::Hash {
    let mut mac = blake3::Hasher::new();
    hash.fingerprint(&mut mac);
    mac.finalize()
}

const HASH: &str = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
