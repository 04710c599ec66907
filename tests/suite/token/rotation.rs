//! Keys that change, or break, while htgate serves.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{Gate, both_ways, eventually, line, run, said};
use crate::token::jwt::header;
use crate::token::scene::{
    SERVICE, ask, certificate, key, make_key, prepare, prepare_with, registry, show, start,
    start_with, token, uri,
};

/// The certificate that a token names.
fn signer(token: &str) -> String {
    header(token)["x5c"][0].as_str().unwrap().to_owned()
}

fn readyz(gate: &Gate) -> String {
    gate.ask("GET /readyz", &[]).text()
}

fn is_well(gate: &Gate) -> bool {
    readyz(gate).contains("last reload failed: none\n")
}

/// A new key and its certificate beside the old ones.
fn make_another(gate: &Gate) -> PathBuf {
    let folder = gate.folder.path().join("new");
    make_key(&folder, &[]);
    folder
}

fn mv(from: &Path, to: &Path) {
    run(Command::new("mv").args([from, to]));
}

#[test]
fn a_new_key_takes_effect_without_a_restart() {
    for files in [["token.key", "token.crt"], ["token.crt", "token.key"]] {
        both_ways(|options, patience| {
            let gate = start_with(prepare(), options, &[]);
            let new = make_another(&gate);
            let bundle = gate.folder.path().join("bundle");
            let both = [certificate(&gate), new.join("token.crt")];
            let both = both.map(|file| fs::read_to_string(file).unwrap());
            fs::write(&bundle, both.concat()).unwrap();
            let (old_only, knows_both) = (registry(&certificate(&gate)), registry(&bundle));
            let new_only = registry(&new.join("token.crt"));
            let old = token(&gate, "admin", &[]);
            let statuses = |token: &str| {
                [&old_only, &knows_both, &new_only].map(|registry| show(registry, token).status)
            };
            assert_eq!(statuses(&old), [200, 200, 401]);

            let is_new = || {
                // Every one of them is good, also between the two moves.
                let token = token(&gate, "admin", &[]);
                assert_eq!(show(&knows_both, &token).status, 200);
                signer(&token) != signer(&old)
            };
            let begun = Instant::now();
            for (place, file) in files.into_iter().enumerate() {
                mv(&new.join(file), &gate.folder.path().join("keys").join(file));
                if place == 0 {
                    for _ in 0..10 {
                        assert!(!is_new(), "half a pair signs nothing");
                    }
                }
            }
            let apart = begun.elapsed();
            let took = eventually("the new key signs", patience, is_new);
            println!("{files:?} {options:?}: {took:?}");
            let new = token(&gate, "admin", &[]);
            assert_eq!(statuses(&new), [401, 200, 200]);
            assert_eq!(statuses(&old), [200, 200, 401]);
            assert!(is_well(&gate), "{}", readyz(&gate));
            // Whoever moves both within a second has made no mistake.
            let is_told = gate.log().contains("ERROR");
            assert!(
                !is_told || apart > Duration::from_millis(900),
                "{}",
                gate.log()
            );
            // Nobody needs a password hashed again for that.
            assert_eq!(gate.hashes(), 1);
        });
    }
}

/// To RS256 and back: what a registry reads of it is in each token.
#[test]
fn the_algorithm_may_change_too() {
    let gate = start(prepare());
    let new = gate.folder.path().join("new");
    make_key(&new, &["--algorithm", "rs256"]);
    let registry = registry(&new.join("token.crt"));
    for file in ["token.key", "token.crt"] {
        mv(&new.join(file), &gate.folder.path().join("keys").join(file));
    }
    let is_new = || header(&token(&gate, "admin", &[]))["alg"] == "RS256";
    eventually("RS256", PATIENCE, is_new);
    assert_eq!(show(&registry, &token(&gate, "admin", &[])).status, 200);
}

/// What is done to a folder with a key, and what is said of it.
struct Trouble {
    name: &'static str,
    spoil: fn(&Path),
    told: &'static str,
}

fn mode(folder: &Path, mode: u32) {
    fs::set_permissions(folder.join("token.key"), Permissions::from_mode(mode)).unwrap();
}

/// Without changing the file's mode.
fn overwrite(folder: &Path, file: &str, content: &str) {
    fs::write(folder.join(file), content).unwrap();
}

const EXPOSED: &str =
    "token.key: users other than its owner may read or write this key; run chmod 600";
const NO_KEY: &str = "token.key: there is no unencrypted private key in PEM form";
const UNUSABLE: &str =
    "token.key: the key is neither of the curve P-256 nor an RSA one of 2048 bits or more";

const TROUBLES: &[Trouble] = &[
    Trouble {
        name: "mismatch",
        spoil: |folder| {
            let other = folder.with_extension("other");
            make_key(&other, &[]);
            mv(&other.join("token.crt"), &folder.join("token.crt"));
        },
        told: "token.crt: the certificate is another key's",
    },
    Trouble {
        name: "readable for everybody",
        spoil: |folder| mode(folder, 0o644),
        told: EXPOSED,
    },
    Trouble {
        name: "readable for the group",
        spoil: |folder| mode(folder, 0o640),
        told: EXPOSED,
    },
    Trouble {
        name: "writable for others",
        spoil: |folder| mode(folder, 0o602),
        told: EXPOSED,
    },
    Trouble {
        name: "a broken key",
        spoil: |folder| overwrite(folder, "token.key", "-----BEGIN PRIVATE KEY-----\n"),
        told: NO_KEY,
    },
    Trouble {
        name: "a key of another kind",
        spoil: |folder| {
            let key = run(Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]));
            overwrite(folder, "token.key", &String::from_utf8(key.stdout).unwrap());
        },
        told: UNUSABLE,
    },
    Trouble {
        name: "a key too short",
        spoil: |folder| {
            let key = run(Command::new("openssl").args(["genrsa", "1024"]));
            overwrite(folder, "token.key", &String::from_utf8(key.stdout).unwrap());
        },
        told: UNUSABLE,
    },
    Trouble {
        name: "an encrypted key",
        spoil: |folder| {
            let key = folder.join("token.key");
            run(Command::new("openssl")
                .args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"])
                .arg(&key)
                .arg("-out")
                .arg(folder.join("encrypted")));
            let text = fs::read_to_string(folder.join("encrypted")).unwrap();
            overwrite(folder, "token.key", &text);
        },
        told: NO_KEY,
    },
    Trouble {
        name: "no key",
        spoil: |folder| fs::remove_file(folder.join("token.key")).unwrap(),
        told: "token.key: the file does not exist; create it, or correct the path",
    },
    Trouble {
        name: "a broken certificate",
        spoil: |folder| overwrite(folder, "token.crt", "no certificate\n"),
        told: "token.crt: there is no certificate in PEM form",
    },
    Trouble {
        name: "no certificate",
        spoil: |folder| fs::remove_file(folder.join("token.crt")).unwrap(),
        told: "token.crt: the file does not exist; create it, or correct the path",
    },
];

#[test]
fn at_the_start_trouble_is_one_line_and_an_exit_code() {
    for trouble in TROUBLES {
        let folder = prepare();
        (trouble.spoil)(&folder.path().join("keys"));
        let place = |name: &str| folder.path().join(name).display().to_string();
        let output = crate::token::scene::htgate(&[
            "--htpasswd",
            &place("htpasswd"),
            "--config",
            &place("htgate.toml"),
            "--listen",
            "127.0.0.1:0",
        ]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{}: {text}", trouble.name);
        assert_eq!(text.lines().count(), 1, "{}: {text}", trouble.name);
        assert!(text.starts_with("htgate: /"), "{}: {text}", trouble.name);
        let expected = trouble.told;
        assert!(text.contains(expected), "{}: {text}", trouble.name);
    }
}

#[test]
fn while_it_serves_the_last_good_key_stays() {
    // All at once: each waits for most of its time.
    thread::scope(|scope| {
        let threads: Vec<_> = TROUBLES
            .iter()
            .map(|trouble| {
                (
                    trouble.name,
                    scope.spawn(|| both_ways(|options, _| survives(trouble, options))),
                )
            })
            .collect();
        for (name, thread) in threads {
            assert!(thread.join().is_ok(), "{name}");
        }
    });
}

fn survives(trouble: &Trouble, options: &[&str]) {
    let gate = start_with(prepare(), options, &[]);
    let keys = gate.folder.path().join("keys");
    let registry = registry(&certificate(&gate));
    let first = signer(&token(&gate, "admin", &[]));
    let aside = gate.folder.path().join("aside");
    run(Command::new("cp").arg("-a").args([&keys, &aside]));

    (trouble.spoil)(&keys);
    eventually(trouble.name, PATIENCE, || {
        readyz(&gate).contains(trouble.told)
    });
    assert!(!is_well(&gate));
    assert_eq!(gate.metric("htgate_last_reload_successful"), 0.0);
    gate.wait_for_log(trouble.told);
    let good = token(&gate, "admin", &[]);
    assert_eq!(signer(&good), first, "{}", trouble.name);
    assert_eq!(show(&registry, &good).status, 200, "{}", trouble.name);
    // The users still change meanwhile.
    let users = fs::read_to_string(gate.users()).unwrap();
    fs::write(gate.users(), users + &line("bob", "secret", 4)).unwrap();
    eventually("bob gets a token", PATIENCE, || {
        ask(&gate, "bob", &[]).status == 200
    });
    assert!(!is_well(&gate));

    for file in ["token.key", "token.crt"] {
        mv(&aside.join(file), &keys.join(file));
    }
    eventually("the trouble is over", PATIENCE, || is_well(&gate));
    assert_eq!(gate.metric("htgate_last_reload_successful"), 1.0);
    assert_eq!(signer(&token(&gate, "admin", &[])), first);
    let log = gate.log();
    let count = log
        .lines()
        .filter(|line| line.contains(trouble.told))
        .count();
    assert_eq!(count, 1, "{} is said once:\n{log}", trouble.name);

    // And a new key is found after all that.
    let new = make_another(&gate);
    for file in ["token.crt", "token.key"] {
        mv(&new.join(file), &keys.join(file));
    }
    eventually("the new key signs", PATIENCE, || {
        signer(&token(&gate, "admin", &[])) != first
    });
}

/// One fault after another, without a good pair between them: only the last one is told.
#[test]
fn what_is_told_is_what_is_wrong_now() {
    both_ways(|options, _| {
        let gate = start_with(prepare(), options, &[]);
        let keys = gate.folder.path().join("keys");
        let good_key = fs::read_to_string(key(&gate)).unwrap();
        let says = |what: &str, not: &str| {
            eventually(what, PATIENCE, || {
                let readyz = readyz(&gate);
                readyz.contains(what) && (not.is_empty() || !readyz.contains(not))
            });
        };
        let (no_key, no_certificate) = ("no unencrypted private key", "no certificate in PEM");
        overwrite(&keys, "token.key", "no key\n");
        says(no_key, "");
        let certificate = fs::read_to_string(certificate(&gate)).unwrap();
        overwrite(&keys, "token.crt", "no certificate\n");
        overwrite(&keys, "token.key", &good_key);
        says(no_certificate, no_key);
        // A certificate that is good, and another key's.
        let new = make_another(&gate);
        mv(&new.join("token.crt"), &keys.join("token.crt"));
        says("is another key's", no_certificate);
        overwrite(&keys, "token.key", "no key\n");
        says(no_key, "is another key's");
        overwrite(&keys, "token.key", &good_key);
        overwrite(&keys, "token.crt", &certificate);
        eventually("the trouble is over", PATIENCE, || is_well(&gate));
    });
}

fn seconds_from_now(days: u64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now + Duration::from_secs(days * 24 * 60 * 60)).as_secs_f64()
}

#[test]
fn a_certificate_that_ends_soon_is_told() {
    let warning = "the certificate ends in ";
    let hint = " (soon: make a new one with 'htgate token init FOLDER')";
    let check = |gate: &Gate, days: u64, is_soon: bool| {
        let ends = gate.metric("htgate_token_certificate_end_timestamp_seconds{}");
        let expected = seconds_from_now(days);
        assert!((ends - expected).abs() < 120.0, "{days} days: {ends}");
        let readyz = readyz(gate);
        let told = readyz
            .lines()
            .find(|line| line.starts_with("token certificate ends: 2"));
        assert_eq!(told.unwrap().ends_with(hint), is_soon, "{readyz}");
        assert!(readyz.contains("last reload failed: none\n"), "{readyz}");
    };
    for (days, is_soon) in [(31, false), (29, true)] {
        let gate = start(prepare_with("", &["--days", &days.to_string()]));
        check(&gate, days, is_soon);
        let log = gate.log();
        assert_eq!(log.contains(warning), is_soon, "{log}");
        assert!(
            !is_soon || log.contains("the certificate ends in 28 days"),
            "{log}"
        );
        if !is_soon {
            continue;
        }
        // It still signs, and openssl agrees on the end.
        assert_eq!(ask(&gate, "admin", &[]).status, 200);
        let end = run(Command::new("openssl")
            .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in"])
            .arg(certificate(&gate)));
        let end = said(&end).trim().replace("notAfter=", "").replace(' ', "T");
        assert!(readyz(&gate).contains(&end), "{end}: {}", readyz(&gate));
        // A new one ends the warning.
        let new = make_another(&gate);
        for file in ["token.key", "token.crt"] {
            mv(&new.join(file), &gate.folder.path().join("keys").join(file));
        }
        eventually("it is over", PATIENCE, || !readyz(&gate).contains(hint));
        check(&gate, 3650, false);
        assert_eq!(gate.log().matches(warning).count(), 1);
    }
}

/// A new service or path waits for a restart, and says so.
#[test]
fn settings_wait_for_a_restart() {
    let gate = start(prepare());
    crate::token::scene::configure(
        gate.folder.path(),
        "service = 'other'",
        crate::support::RULES,
    );
    gate.wait_for_log("take effect with a restart: token");
    let query = |service: &str| gate.ask(&format!("GET {}", uri("/token", service, &[])), &[]);
    assert_eq!(query(SERVICE).status, 200);
    assert_eq!(query("other").status, 400);
}

/// For what is not about how long it takes: many look at once. A pair that does not match is given
/// a second in any case, since the other half may follow.
const PATIENCE: Duration = Duration::from_secs(20);
