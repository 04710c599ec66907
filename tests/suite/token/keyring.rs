//! Keys and certificates that openssl makes, and what it says of htgate's.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{Gate, attempt, basic, folder, line, run, said};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with the keys of one test.
pub(super) struct Keys(pub(super) TempDir);

impl Keys {
    pub(super) fn new() -> Self {
        Self(folder())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs openssl in the folder.
    pub(super) fn openssl(&self, arguments: &str) -> Output {
        run(Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.0.path()))
    }

    /// A key that openssl makes, which nobody else can read.
    pub(super) fn key(&self, name: &str, arguments: &str) {
        self.openssl(&format!("{arguments} -out {name}"));
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// A certificate for it.
    pub(super) fn certificate(&self, name: &str, key: &str) {
        self.openssl(&format!(
            "req -x509 -key {key} -days 100 -subj /CN=test -out {name}"
        ));
    }

    /// Runs htgate in the folder.
    pub(super) fn htgate(&self, arguments: &[&str]) -> Output {
        attempt(
            Command::new(env!("CARGO_BIN_EXE_htgate"))
                .args(arguments)
                .current_dir(self.0.path()),
        )
    }

    /// The same, where it must succeed.
    pub(super) fn must(&self, arguments: &[&str]) -> String {
        let output = self.htgate(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Settings for these files, and users beside them.
    pub(super) fn settings(&self, key: &str, certificate: &str, key_id: &str) -> String {
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
    pub(super) fn refusal(&self, key: &str, certificate: &str) -> String {
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
    pub(super) fn token(self, key: &str, certificate: &str, key_id: &str) -> (Token, Self) {
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
pub(super) fn take_folder(mut gate: Gate) -> TempDir {
    std::mem::replace(&mut gate.folder, folder())
}

pub(super) struct Token(pub(super) String);

impl Token {
    pub(super) fn header(&self) -> Value {
        let header = self.0.split('.').next().unwrap();
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
        serde_json::from_slice(&header).unwrap()
    }

    /// The certificates that it brings along.
    pub(super) fn chain(&self) -> Vec<Vec<u8>> {
        let header = self.header();
        let chain = header["x5c"].as_array().unwrap().iter();
        chain
            .map(|one| BASE64_STANDARD.decode(one.as_str().unwrap()).unwrap())
            .collect()
    }

    /// Asks openssl whether the key of this certificate has signed it.
    pub(super) fn is_signed_by(&self, keys: &Keys, certificate: &str) -> bool {
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
pub(super) fn as_der(signature: &[u8]) -> Vec<u8> {
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
pub(super) fn computed(keys: &Keys, certificate: &str) -> [String; 2] {
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
pub(super) const P256: &str = "ecparam -name prime256v1 -genkey -noout";
