//! The key of tokens and its certificate.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{check, said, write};
use crate::support::{folder, line, run};

/// Makes keys with their certificates: `token.key` and `token.crt` in a folder of their own.
fn init(folder: &Path, options: &[&str]) {
    run(Command::new(env!("CARGO_BIN_EXE_htgate"))
        .args(["token", "init"])
        .arg(folder)
        .args(options));
}

/// The rules that are broken, each with the name of the file, and what signs.
fn seen(config: &Path) -> (Vec<(String, String)>, Value, bool) {
    let config = config.display().to_string();
    let output = check(&["--config", &config, "--format", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = json["findings"].as_array().unwrap().iter();
    let findings = findings
        .filter(|finding| finding["rule"] != "slow-format" && finding["rule"] != "weak-format")
        .map(|finding| {
            let file = word(finding, "file");
            let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
            (word(finding, "rule"), name.to_owned())
        });
    (
        findings.collect(),
        json["tokens"].clone(),
        output.status.success(),
    )
}

#[test]
fn keys_certificates_and_who_else_can_touch_them() {
    let folder = folder();
    let place = folder.path();
    write(&place.join("htpasswd"), &line("alice", "secret", 4), 0o640);
    init(&place.join("good"), &[]);
    init(&place.join("other"), &["--days", "29"]);
    init(&place.join("rsa"), &["--algorithm", "rs256"]);
    write(&place.join("good/broken.key"), "no key\n", 0o600);
    write(&place.join("good/broken.crt"), "no certificate\n", 0o644);
    let copy = |from: &str, to: &str, mode| {
        fs::copy(place.join(from), place.join(to)).unwrap();
        fs::set_permissions(place.join(to), Permissions::from_mode(mode)).unwrap();
    };
    copy("good/token.key", "good/exposed.key", 0o640);
    fs::create_dir(place.join("open")).unwrap();
    copy("good/token.key", "open/token.key", 0o600);
    fs::set_permissions(place.join("open"), Permissions::from_mode(0o777)).unwrap();

    // Key, certificate, key_id, what is found, and whether they can sign.
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], bool);
    let rows: &[Row<'_>] = &[
        ("good/token.key", "good/token.crt", "x5c", &[], true),
        (
            "good/absent.key",
            "good/token.crt",
            "x5c",
            &[("unreadable", "absent.key")],
            false,
        ),
        (
            "good/exposed.key",
            "good/token.crt",
            "x5c",
            &[("token-key", "exposed.key")],
            false,
        ),
        (
            "good/broken.key",
            "good/token.crt",
            "x5c",
            &[("token-key", "broken.key")],
            false,
        ),
        (
            "open/token.key",
            "good/token.crt",
            "x5c",
            &[("writable", "token.key")],
            true,
        ),
        (
            "good/token.key",
            "good/absent.crt",
            "x5c",
            &[("unreadable", "absent.crt")],
            false,
        ),
        (
            "good/token.key",
            "good/broken.crt",
            "x5c",
            &[("token-certificate", "broken.crt")],
            false,
        ),
        (
            "good/token.key",
            "rsa/token.crt",
            "x5c",
            &[("token-certificate", "token.crt")],
            false,
        ),
        (
            "other/token.key",
            "other/token.crt",
            "x5c",
            &[("token-certificate", "token.crt")],
            true,
        ),
        (
            "rsa/token.key",
            "rsa/token.crt",
            "x5c",
            &[("token-choice", "htgate.toml")],
            true,
        ),
        (
            "good/token.key",
            "good/token.crt",
            "libtrust",
            &[("token-choice", "htgate.toml")],
            true,
        ),
        (
            "rsa/token.key",
            "rsa/token.crt",
            "jwk-thumbprint",
            &[("token-choice", "htgate.toml"); 2],
            true,
        ),
    ];
    let config = place.join("htgate.toml");
    for (key, certificate, key_id, expected, signs) in rows {
        let text = format!(
            "htpasswd = '{0}/htpasswd'\n[token]\nkey = '{0}/{key}'\n\
             certificate = '{0}/{certificate}'\nservice = 'registry'\nkey_id = '{key_id}'\n",
            place.display()
        );
        write(&config, &text, 0o644);
        let (found, tokens, is_good) = seen(&config);
        let expected: Vec<_> = expected
            .iter()
            .map(|(rule, file)| ((*rule).to_owned(), (*file).to_owned()))
            .collect();
        assert_eq!(found, expected, "{key} {certificate} {key_id}");
        let is_only_known = expected.iter().all(|(rule, _)| rule == "token-choice");
        assert_eq!(is_good, is_only_known, "{key} {certificate} {key_id}");
        assert_eq!(tokens.is_object(), *signs, "{key} {certificate}: {tokens}");
    }
}

#[test]
fn what_signs_is_said() {
    let folder = folder();
    let place = folder.path().display();
    write(
        &folder.path().join("htpasswd"),
        &line("alice", "secret", 10),
        0o640,
    );
    init(&folder.path().join("key"), &["--algorithm", "rs256"]);
    let config = folder.path().join("htgate.toml");
    let text = format!(
        "htpasswd = '{place}/htpasswd'\n[token]\nkey = '{place}/key/token.key'\n\
         certificate = '{place}/key/token.crt'\nservice = 'registry'\n"
    );
    write(&config, &text, 0o644);
    let output = run(Command::new("openssl")
        .args(["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in"])
        .arg(folder.path().join("key/token.crt")));
    let end = said(&output);
    let end = end
        .trim_start_matches("notAfter=")
        .split(' ')
        .next()
        .unwrap();
    let (_, tokens, _) = seen(&config);
    let expected = serde_json::json!({
        "key": format!("{place}/key/token.key"),
        "certificate": format!("{place}/key/token.crt"),
        "algorithm": "RS256",
        "certificate_ends": end,
    });
    assert_eq!(tokens, expected);
    let text = said(&check(&["--config", &config.display().to_string()]));
    let line = format!("{place}/key/token.key: tokens: RS256, certificate good until {end}\n");
    assert!(text.contains(&line), "{line}: {text}");
}
