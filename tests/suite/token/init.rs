//! What `htgate token init` makes.

use std::fs::{self};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{attempt, said};

use super::keyring::Keys;

#[test]
fn init_makes_a_whole_set_or_nothing() {
    let keys = Keys::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    for (folder, algorithm, options) in [
        ("new/es", "ES256", &["--service", "registry.test"][..]),
        ("new/rs", "RS256", &["--algorithm", "rs256", "--days", "40"]),
    ] {
        let arguments = [&["token", "init", folder][..], options].concat();
        let text = keys.must(&arguments);
        let file = |name: &str| format!("{folder}/{name}");
        for (name, expected) in [
            ("token.key", 0o600),
            ("token.crt", 0o644),
            ("token.jwks", 0o644),
        ] {
            let path = keys.path(&file(name));
            assert_eq!(mode(&path), expected, "{name}");
            assert!(text.contains(&path.display().to_string()), "{name}: {text}");
        }
        assert!(
            text.contains(&format!("signingalgorithms: [{algorithm}]")),
            "{text}"
        );
        assert_eq!(
            algorithm == "ES256",
            text.contains("service: registry.test"),
            "{text}"
        );
        let made = fs::read_to_string(keys.path(&file("token.jwks"))).unwrap();
        assert_eq!(made, keys.must(&["token", "jwks", &file("token.crt")]));
        // A registry's root: signed by itself, and good for as long as it was said.
        let certificate = file("token.crt");
        keys.openssl(&format!("verify -CAfile {certificate} {certificate}"));
        let days = if algorithm == "ES256" { 3650 } else { 40 };
        let ends = |seconds: u64| {
            let command = format!("x509 -in {certificate} -noout -checkend {seconds}");
            let mut command_line = Command::new("openssl");
            command_line
                .args(command.split(' '))
                .current_dir(keys.0.path());
            !attempt(&mut command_line).status.success()
        };
        let end = days * 24 * 60 * 60;
        assert!(!ends(end - 3600) && ends(end + 3600), "{folder}");
    }

    // Whatever is there already, nothing is touched, and nothing is added.
    for name in ["token.key", "token.crt", "token.jwks"] {
        let folder = keys.path(&format!("old-{name}"));
        fs::create_dir(&folder).unwrap();
        // A link that leads nowhere is something, too.
        match name {
            "token.jwks" => std::os::unix::fs::symlink("/nowhere", folder.join(name)).unwrap(),
            _ => fs::write(folder.join(name), "old").unwrap(),
        }
        let output = keys.htgate(&["token", "init", folder.to_str().unwrap()]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let what = format!("{name} is there already, and stays as it is; name another folder");
        assert!(text.contains(&what), "{text}");
        let left: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        assert_eq!(left, [name]);
        if name != "token.jwks" {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), "old");
        }
    }
    fs::write(keys.path("file"), "").unwrap();
    for (arguments, code, expected) in [
        (&["file/folder"][..], 1, "cannot make this folder"),
        (&["x", "--days", "0"], 2, "0 is not in 1..=36500"),
        (
            &["x", "--algorithm", "hs256"],
            2,
            "[possible values: es256, rs256]",
        ),
        (&[], 2, "<FOLDER>"),
    ] {
        let output = keys.htgate(&[&["token", "init"], arguments].concat());
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    assert!(!keys.path("x").exists());
}
