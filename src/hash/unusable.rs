//! Formats that are known and not computed here, for messages.

use super::HashError;

/// Why a text without a mark that we compute is not a hash for us.
pub(super) fn unusable(text: &[u8]) -> HashError {
    match text {
        b"" => return HashError::Empty,
        [b'$', b'2', b'$' | b'x', ..] => return HashError::FlawedBcrypt,
        _ => (),
    }
    let unsupported = UNSUPPORTED.iter().find(|(mark, _)| {
        let start = text.get(..mark.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(mark)
    });
    if let Some((_, name)) = unsupported {
        return HashError::Unsupported(name);
    }
    let is_crypt_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"./".contains(byte);
    if text.len() == DES_LENGTH && text.iter().all(is_crypt_byte) {
        return HashError::Des;
    }
    match text {
        [b'$' | b'{', ..] => HashError::Unknown,
        _ => HashError::Unmarked,
    }
}

/// By their marks in crypt(5), in LDAP (RFC 2307), and as frameworks and databases write them.
const UNSUPPORTED: [(&[u8], &str); 29] = [
    (b"$y$", "yescrypt"),
    (b"$gy$", "gost-yescrypt"),
    (b"$7$", "scrypt"),
    (b"$scrypt$", "scrypt"),
    (b"scrypt:", "scrypt"),
    (b"$argon2", "Argon2"),
    (b"argon2", "Argon2"),
    (b"$pbkdf2", "PBKDF2"),
    (b"pbkdf2", "PBKDF2"),
    (b"$sha1$", "PBKDF1-SHA1"),
    (b"$md5", "Sun MD5"),
    (b"$3$", "NT"),
    (b"$P$", "phpass (WordPress)"),
    (b"$H$", "phpass"),
    (b"$S$", "Drupal"),
    (b"$8$", "Cisco type 8"),
    (b"$9$", "Cisco type 9"),
    (b"$bcrypt-sha256$", "bcrypt-sha256"),
    (b"bcrypt_sha256$", "Django"),
    (b"SCRAM-SHA-", "SCRAM"),
    (b"{CRYPT}", "{CRYPT}"),
    (b"{MD5}", "{MD5}"),
    (b"{SMD5}", "{SMD5}"),
    (b"{SHA2", "{SHA256}"),
    (b"{SHA5", "{SHA512}"),
    (b"{SSHA", "{SSHA256} and {SSHA512}"),
    (b"{PBKDF2", "PBKDF2"),
    (b"{ARGON2", "Argon2"),
    (b"{noop}", "{noop}"),
];

/// Two characters of salt and eleven of digest (crypt(5), "descrypt").
const DES_LENGTH: usize = 13;
