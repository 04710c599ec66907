//! Public keys as registries without `rootcertbundle` know them (RFC 7517), and their names.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_cert::der::asn1::UintRef;
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

use super::certificate::{Certificate, CertificateError};

/// The members of a JWK that RFC 7638 takes into a thumbprint, in its order.
fn essentials(certificate: &Certificate) -> Result<Value, CertificateError> {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    if let Some(point) = certificate.public_info.strip_prefix(&P256) {
        let (x, y) = point.split_at_checked(32).ok_or(CertificateError)?;
        return Ok(json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) }));
    }
    let numbers = SliceReader::new(&certificate.public_key)
        .and_then(|mut reader| {
            reader.sequence(|inner| Ok((UintRef::decode(inner)?, UintRef::decode(inner)?)))
        })
        .map_err(|_: x509_cert::der::Error| CertificateError)?;
    let (modulus, exponent) = numbers;
    Ok(json!({
        "e": encode(exponent.as_bytes()),
        "kty": "RSA",
        "n": encode(modulus.as_bytes()),
    }))
}

/// What stands before the point in the `SubjectPublicKeyInfo` of an uncompressed key of P-256
/// (RFC 5480, section 2).
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The thumbprint of RFC 7638, with SHA-256.
pub(super) fn thumbprint(certificate: &Certificate) -> Result<String, CertificateError> {
    let essentials = essentials(certificate)?.to_string();
    Ok(BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, essentials.as_bytes())))
}

/// The name by which registry 2.8 knows keys: libtrust's fingerprint, which is the first 240 bits
/// of the key's SHA-256 in base32, four and four.
pub(super) fn fingerprint(certificate: &Certificate) -> String {
    let hash = digest(&SHA256, &certificate.public_info);
    let letters: Vec<char> = hash.as_ref().chunks_exact(5).flat_map(base32).collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(":")
}

/// RFC 4648, section 6: five bytes are eight letters.
fn base32(bytes: &[u8]) -> impl Iterator<Item = char> + use<> {
    let bits = bytes
        .iter()
        .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8u8)
        .rev()
        .map(move |place| match (bits >> (place * 5)) as u8 & 31 {
            letter @ 0..26 => char::from(b'A' + letter),
            digit => char::from(b'2' + (digit - 26)),
        })
}

/// A JWK set of the certificates' keys: the registry's `jwks`.
///
/// # Errors
///
/// A key that is neither of P-256 nor of RSA.
pub(crate) fn key_set(certificates: &[Certificate]) -> Result<Value, CertificateError> {
    let keys = certificates.iter().map(|certificate| {
        let mut key = essentials(certificate)?;
        let is_rsa = key.get("kty").is_some_and(|kind| kind == "RSA");
        if let Value::Object(members) = &mut key {
            members.insert("use".to_owned(), "sig".into());
            let algorithm = if is_rsa { "RS256" } else { "ES256" };
            members.insert("alg".to_owned(), algorithm.into());
            members.insert("kid".to_owned(), thumbprint(certificate)?.into());
        }
        Ok(key)
    });
    Ok(json!({ "keys": keys.collect::<Result<Vec<_>, _>>()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638, section 3.1, and its thumbprint.
    #[test]
    fn the_thumbprint_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let modulus = BASE64_URL_SAFE_NO_PAD.decode(n).unwrap();
        // SEQUENCE { INTEGER 0 modulus, INTEGER 65537 }
        let mut key = vec![0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0];
        key.extend(modulus);
        key.extend([2, 3, 1, 0, 1]);
        let certificate = Certificate {
            der: Vec::new(),
            public_info: Vec::new(),
            public_key: key,
            begins: std::time::UNIX_EPOCH,
            ends: std::time::UNIX_EPOCH,
        };
        assert_eq!(
            thumbprint(&certificate).unwrap(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        let letters: String = base32(b"fooba").collect();
        assert_eq!(letters, "MZXW6YTB");
    }
}
