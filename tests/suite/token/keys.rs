//! Keys of tokens and their certificates: what `openssl` makes is taken or refused, what htgate
//! makes and signs is what `openssl` and registries expect, and every fault says what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::said;
use serde_json::Value;

use super::keyring::{Keys, P256, Token, computed};

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
