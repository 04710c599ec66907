//! Keys of tokens and their certificates: what `openssl` makes is taken or refused, what htgate
//! makes and signs is what `openssl` and registries expect, and every fault says what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says what it measured"
)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;
use support::{Gate, attempt, basic, folder, line, run, said};
use tempfile::TempDir;

/// A folder with the keys of one test.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        Self(folder())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs openssl in the folder.
    fn openssl(&self, arguments: &str) -> Output {
        run(Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.0.path()))
    }

    /// A key that openssl makes, which nobody else can read.
    fn key(&self, name: &str, arguments: &str) {
        self.openssl(&format!("{arguments} -out {name}"));
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// A certificate for it.
    fn certificate(&self, name: &str, key: &str) {
        self.openssl(&format!(
            "req -x509 -key {key} -days 100 -subj /CN=test -out {name}"
        ));
    }

    /// Runs htgate in the folder.
    fn htgate(&self, arguments: &[&str]) -> Output {
        attempt(
            Command::new(env!("CARGO_BIN_EXE_htgate"))
                .args(arguments)
                .current_dir(self.0.path()),
        )
    }

    /// The same, where it must succeed.
    fn must(&self, arguments: &[&str]) -> String {
        let output = self.htgate(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Settings for these files, and users beside them.
    fn settings(&self, key: &str, certificate: &str, key_id: &str) -> String {
        fs::write(self.path("htpasswd"), line("alice", "secret", 4)).unwrap();
        let place = self.0.path().display();
        let config = self.path("htgate.toml");
        fs::write(
            &config,
            format!(
                "[token]\nkey = '{place}/{key}'\ncertificate = '{place}/{certificate}'\n\
                 service = 'registry'\nkey_id = '{key_id}'\n"
            ),
        )
        .unwrap();
        config.display().to_string()
    }

    /// Why htgate does not start with these files.
    fn refusal(&self, key: &str, certificate: &str) -> String {
        let config = self.settings(key, certificate, "x5c");
        let output = self.htgate(&[
            "--config",
            &config,
            "--htpasswd",
            "htpasswd",
            "--listen",
            "127.0.0.1:0",
        ]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        said(&output)
    }

    /// A token that htgate signs with these files.
    fn token(self, key: &str, certificate: &str, key_id: &str) -> (Token, Self) {
        let config = self.settings(key, certificate, key_id);
        let gate = Gate::start_in(self.0, &["--config", &config]);
        let authorization = format!("Authorization: {}", basic("alice", "secret"));
        let answer = gate.ask(
            "GET /token?service=registry&scope=repository:a/b:pull",
            &[&authorization],
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let token = Token(answer["token"].as_str().unwrap().to_owned());
        (token, Self(take_folder(gate)))
    }
}

/// The folder of a gate that has ended.
fn take_folder(mut gate: Gate) -> TempDir {
    std::mem::replace(&mut gate.folder, folder())
}

struct Token(String);

impl Token {
    fn header(&self) -> Value {
        let header = self.0.split('.').next().unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
        serde_json::from_slice(&header).unwrap()
    }

    /// The certificates that it brings along.
    fn chain(&self) -> Vec<Vec<u8>> {
        let header = self.header();
        let chain = header["x5c"].as_array().unwrap().iter();
        chain
            .map(|one| BASE64_STANDARD.decode(one.as_str().unwrap()).unwrap())
            .collect()
    }

    /// Asks openssl whether the key of this certificate has signed it.
    fn is_signed_by(&self, keys: &Keys, certificate: &str) -> bool {
        let (message, signature) = self.0.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        let signature = match self.header()["alg"].as_str() {
            Some("ES256") => as_der(&signature),
            Some("RS256") => signature,
            other => panic!("{other:?}"),
        };
        fs::write(keys.path("message"), message).unwrap();
        fs::write(keys.path("signature"), signature).unwrap();
        keys.openssl(&format!(
            "x509 -in {certificate} -noout -pubkey -out public.pem"
        ));
        let verify = "dgst -sha256 -verify public.pem -signature signature message";
        let output = attempt(
            Command::new("openssl")
                .args(verify.split(' '))
                .current_dir(keys.0.path()),
        );
        output.status.success()
    }
}

/// A signature of two numbers of 32 bytes (RFC 7518, section 3.4), as openssl reads it.
fn as_der(signature: &[u8]) -> Vec<u8> {
    assert_eq!(signature.len(), 64);
    let numbers: Vec<u8> = signature
        .chunks(32)
        .flat_map(|number| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            let number = &number[zeros..];
            let sign = usize::from(number.first().is_none_or(|byte| *byte > 127));
            let length = (number.len() + sign) as u8;
            [&[2, length], &[0][..sign], number].concat()
        })
        .collect();
    [&[0x30, numbers.len() as u8], &numbers[..]].concat()
}

/// The same computed by a few lines of Python from what openssl says of a key: thumbprint
/// (RFC 7638) and libtrust's fingerprint.
fn computed(keys: &Keys, certificate: &str) -> [String; 2] {
    let script = r#"
import base64, hashlib, json, re, subprocess, sys
openssl = lambda *a, **k: subprocess.run(["openssl", *a], check=True, capture_output=True, **k).stdout
pem = openssl("x509", "-in", sys.argv[1], "-noout", "-pubkey")
der = openssl("pkey", "-pubin", "-outform", "DER", input=pem)
encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
text = openssl("pkey", "-pubin", "-noout", "-text", input=pem).decode()
if "Modulus" in text:
    modulus = openssl("x509", "-in", sys.argv[1], "-noout", "-modulus").decode().split("=")[1]
    exponent = int(re.search(r"Exponent: (\d+)", text)[1])
    size = (exponent.bit_length() + 7) // 8
    members = {"e": encode(exponent.to_bytes(size, "big")), "kty": "RSA",
               "n": encode(bytes.fromhex(modulus.strip()))}
else:
    members = {"crv": "P-256", "kty": "EC", "x": encode(der[-64:-32]), "y": encode(der[-32:])}
canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
print(encode(hashlib.sha256(canonical).digest()))
letters = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
print(":".join(letters[at:at + 4] for at in range(0, 48, 4)))
"#;
    let output = run(Command::new("python3")
        .args(["-c", script, certificate])
        .current_dir(keys.0.path()));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    [lines.next().unwrap(), lines.next().unwrap()]
}

const P256: &str = "ecparam -name prime256v1 -genkey -noout";

#[test]
fn keys_of_every_form_sign_what_openssl_verifies() {
    let mut keys = Keys::new();
    keys.key("sec1.key", P256);
    keys.key("with-parameters.key", "ecparam -name prime256v1 -genkey");
    keys.key("p8.key", "pkcs8 -topk8 -nocrypt -in sec1.key");
    keys.key(
        "genpkey.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    );
    keys.key(
        "rsa-p8.key",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
    );
    keys.key("rsa-p1.key", "rsa -traditional -in rsa-p8.key");
    keys.key(
        "rsa-3072.key",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
    );
    let begins = |name: &str, text: &str| {
        let key = fs::read_to_string(keys.path(name)).unwrap();
        assert!(key.starts_with(text), "{name} is {key}");
    };
    begins("sec1.key", "-----BEGIN EC PRIVATE KEY");
    begins("with-parameters.key", "-----BEGIN EC PARAMETERS");
    begins("p8.key", "-----BEGIN PRIVATE KEY");
    begins("rsa-p1.key", "-----BEGIN RSA PRIVATE KEY");
    begins("rsa-p8.key", "-----BEGIN PRIVATE KEY");
    for (key, algorithm) in [
        ("sec1.key", "ES256"),
        ("with-parameters.key", "ES256"),
        ("p8.key", "ES256"),
        ("genpkey.key", "ES256"),
        ("rsa-p8.key", "RS256"),
        ("rsa-p1.key", "RS256"),
        ("rsa-3072.key", "RS256"),
    ] {
        keys.certificate("token.crt", key);
        let token;
        (token, keys) = keys.token(key, "token.crt", "x5c");
        assert_eq!(token.header()["alg"], algorithm, "{key}");
        assert!(token.is_signed_by(&keys, "token.crt"), "{key}");
        // openssl is no yes-man.
        let mut other = token.0.clone().into_bytes();
        let at = other.iter().position(|byte| *byte == b'.').unwrap() + 5;
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let other = Token(String::from_utf8(other).unwrap());
        assert!(!other.is_signed_by(&keys, "token.crt"), "{key}");
    }
}

#[test]
fn keys_that_cannot_sign_are_refused_in_one_line_with_a_remedy() {
    let keys = Keys::new();
    keys.key("good.key", P256);
    keys.certificate("good.crt", "good.key");
    keys.key("encrypted.key", "pkcs8 -topk8 -passout pass:x -in good.key");
    keys.key(
        "encrypted-sec1.key",
        "ec -aes128 -passout pass:x -in good.key",
    );
    keys.key(
        "rsa-2040.key",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2040",
    );
    keys.key(
        "rsa-1024.key",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
    );
    keys.key("p384.key", "ecparam -name secp384r1 -genkey -noout");
    keys.key("ed25519.key", "genpkey -algorithm ED25519");
    keys.key("other.key", P256);
    fs::copy(keys.path("good.crt"), keys.path("certificate.key")).unwrap();
    let text = fs::read_to_string(keys.path("good.key")).unwrap();
    fs::write(keys.path("torn.key"), &text[..text.len() / 2]).unwrap();
    fs::write(
        keys.path("torn.crt"),
        &fs::read(keys.path("good.crt")).unwrap()[..300],
    )
    .unwrap();
    for private in ["certificate.key", "torn.key"] {
        fs::set_permissions(keys.path(private), Permissions::from_mode(0o600)).unwrap();
    }
    for (mode, name) in [
        (0o640, "group.key"),
        (0o604, "others.key"),
        (0o620, "writable.key"),
    ] {
        fs::copy(keys.path("good.key"), keys.path(name)).unwrap();
        fs::set_permissions(keys.path(name), Permissions::from_mode(mode)).unwrap();
    }
    for (key, certificate, what, remedy) in [
        (
            "encrypted.key",
            "good.crt",
            "no unencrypted private key",
            "htgate token init",
        ),
        ("encrypted-sec1.key", "good.crt", "key", "htgate token init"),
        (
            "certificate.key",
            "good.crt",
            "no unencrypted private key",
            "htgate token init",
        ),
        (
            "torn.key",
            "good.crt",
            "no unencrypted private key",
            "htgate token init",
        ),
        (
            "rsa-1024.key",
            "good.crt",
            "an RSA one of 2048 bits or more",
            "htgate token init",
        ),
        (
            "rsa-2040.key",
            "good.crt",
            "an RSA one of 2048 bits or more",
            "htgate token init",
        ),
        (
            "p384.key",
            "good.crt",
            "neither of the curve P-256 nor an RSA one",
            "htgate token init",
        ),
        (
            "ed25519.key",
            "good.crt",
            "neither of the curve P-256 nor an RSA one",
            "htgate token init",
        ),
        (
            "absent.key",
            "good.crt",
            "does not exist",
            "correct the path",
        ),
        (
            "group.key",
            "good.crt",
            "users other than its owner may read",
            "chmod 600",
        ),
        (
            "others.key",
            "good.crt",
            "users other than its owner may read",
            "chmod 600",
        ),
        (
            "writable.key",
            "good.crt",
            "users other than its owner may read or write",
            "chmod 600",
        ),
        (
            "other.key",
            "good.crt",
            "the certificate is another key's",
            "that belong together",
        ),
        (
            "good.key",
            "absent.crt",
            "does not exist",
            "correct the path",
        ),
        (
            "good.key",
            "good.key",
            "no certificate in PEM form",
            "htgate token init",
        ),
        (
            "good.key",
            "torn.crt",
            "no certificate in PEM form",
            "htgate token init",
        ),
    ] {
        let text = keys.refusal(key, certificate);
        let named = if key == "good.key" || key == "other.key" {
            certificate
        } else {
            key
        };
        for part in [what, remedy, named] {
            assert!(text.contains(part), "{key} {certificate}: {part}: {text}");
        }
        let faults: Vec<_> = text.lines().filter(|line| line.contains(remedy)).collect();
        assert_eq!(faults.len(), 1, "{key} {certificate}: {text}");
        assert!(!text.contains("-----"), "{text}");
    }
}

#[test]
fn the_names_of_keys_are_what_others_compute() {
    let mut keys = Keys::new();
    for (key, make) in [
        ("ec", P256),
        (
            "rsa",
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        ),
    ] {
        let (private, certificate) = (format!("{key}.key"), format!("{key}.crt"));
        keys.key(&private, make);
        keys.certificate(&certificate, &private);
        let [thumbprint, fingerprint] = computed(&keys, &certificate);
        for (key_id, expected) in [("jwk-thumbprint", &thumbprint), ("libtrust", &fingerprint)] {
            let token;
            (token, keys) = keys.token(&private, &certificate, key_id);
            let header = token.header();
            assert_eq!(header["kid"], **expected, "{key} {key_id}");
            assert!(header.get("x5c").is_none(), "{header}");
            assert!(token.is_signed_by(&keys, &certificate), "{key} {key_id}");
        }
        let set = keys.must(&["token", "jwks", &certificate]);
        let set: Value = serde_json::from_str(&set).unwrap();
        assert_eq!(set["keys"][0]["kid"], *thumbprint);
    }
    // Several certificates, one of them with another behind it, in the order in which they come.
    let both = [keys.path("rsa.crt"), keys.path("ec.crt")].map(|path| fs::read(path).unwrap());
    fs::write(keys.path("both.crt"), both.concat()).unwrap();
    let set = keys.must(&["token", "jwks", "ec.crt", "both.crt"]);
    let set: Value = serde_json::from_str(&set).unwrap();
    let kinds: Vec<_> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| [&key["kty"], &key["alg"], &key["use"]].map(|it| it.as_str().unwrap()))
        .collect();
    let (ec, rsa) = (["EC", "ES256", "sig"], ["RSA", "RS256", "sig"]);
    assert_eq!(kinds, [ec, rsa, ec]);
    assert_eq!(set["keys"][0]["kid"], set["keys"][2]["kid"]);

    keys.key("p384.key", "ecparam -name secp384r1 -genkey -noout");
    keys.certificate("p384.crt", "p384.key");
    for (certificate, what, remedy) in [
        (
            "p384.crt",
            "neither of the curve P-256 nor an RSA one",
            "htgate token init",
        ),
        (
            "ec.key",
            "ec.key: there is no certificate in PEM form",
            "htgate token init",
        ),
        (
            "absent",
            "absent: the file does not exist",
            "correct the path",
        ),
    ] {
        let output = keys.htgate(&["token", "jwks", "ec.crt", certificate]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(what) && text.contains(remedy), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// A chain of a root, one between, and the leaf: the token brings leaf and middle along, the leaf
/// first, and with the root alone openssl finds the way.
#[test]
fn a_chain_is_sent_leaf_first() {
    let keys = Keys::new();
    for name in ["root.key", "middle.key", "leaf.key"] {
        keys.key(name, P256);
    }
    let ca = "basicConstraints=critical,CA:TRUE";
    keys.openssl(&format!(
        "req -x509 -key root.key -days 100 -subj /CN=root -addext {ca} -out root.crt"
    ));
    fs::write(keys.path("ca.ext"), format!("{ca}\n")).unwrap();
    fs::write(keys.path("leaf.ext"), "basicConstraints=CA:FALSE\n").unwrap();
    for (name, above, extension) in [("middle", "root", "ca.ext"), ("leaf", "middle", "leaf.ext")] {
        keys.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        keys.openssl(&format!(
            "x509 -req -in {name}.csr -CA {above}.crt -CAkey {above}.key -CAcreateserial \
             -days 50 -extfile {extension} -out {name}.crt"
        ));
    }
    let read = |name: &str| fs::read(keys.path(name)).unwrap();
    fs::write(
        keys.path("chain.crt"),
        [read("leaf.crt"), read("middle.crt")].concat(),
    )
    .unwrap();
    fs::write(
        keys.path("wrong.crt"),
        [read("middle.crt"), read("leaf.crt")].concat(),
    )
    .unwrap();
    let refusal = keys.refusal("leaf.key", "wrong.crt");
    assert!(
        refusal.contains("the certificate is another key's"),
        "{refusal}"
    );

    let (token, keys) = keys.token("leaf.key", "chain.crt", "x5c");
    let chain = token.chain();
    assert_eq!(chain.len(), 2);
    for (number, (der, name)) in chain.iter().zip(["leaf", "middle"]).enumerate() {
        fs::write(keys.path(&format!("sent{number}.der")), der).unwrap();
        keys.openssl(&format!("x509 -in {name}.crt -outform DER -out {name}.der"));
        assert_eq!(*der, fs::read(keys.path(&format!("{name}.der"))).unwrap());
        keys.openssl(&format!(
            "x509 -inform DER -in sent{number}.der -out sent{number}.crt"
        ));
    }
    keys.openssl("verify -CAfile root.crt -untrusted sent1.crt sent0.crt");
    assert!(token.is_signed_by(&keys, "sent0.crt"));
}

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
