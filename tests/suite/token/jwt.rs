//! Tokens taken apart, and made by hand: openssl signs, so that nothing of htgate's vouches for
//! itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::Value;

use crate::support::{folder, run};

/// The three parts of a token, decoded.
#[derive(Clone)]
pub(super) struct Parts(pub(super) [Vec<u8>; 3]);

impl Parts {
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<_> = token.split('.').map(decode).collect();
        Self(parts.try_into().unwrap())
    }

    /// The token that they are.
    pub(super) fn join(&self) -> String {
        self.0.each_ref().map(|part| encode(part)).join(".")
    }

    /// Another header or payload, and the old signature.
    pub(super) fn with(&self, part: usize, bytes: &[u8]) -> String {
        let mut parts = self.clone();
        parts.0[part] = bytes.to_vec();
        parts.join()
    }
}

pub(super) fn header(token: &str) -> Value {
    serde_json::from_slice(&Parts::of(token).0[0]).unwrap()
}

pub(super) fn claims(token: &str) -> Value {
    serde_json::from_slice(&Parts::of(token).0[1]).unwrap()
}

/// What a token grants, as scopes with blanks between them.
pub(super) fn granted(token: &str) -> String {
    let claims = claims(token);
    let access = claims["access"].as_array().unwrap();
    let scopes: Vec<_> = access
        .iter()
        .map(|grant| {
            let actions = grant["actions"].as_array().unwrap();
            let actions: Vec<_> = actions.iter().map(|a| a.as_str().unwrap()).collect();
            let text = |key: &str| grant[key].as_str().unwrap();
            format!("{}:{}:{}", text("type"), text("name"), actions.join(","))
        })
        .collect();
    scopes.join(" ")
}

/// A token with this header and these claims, signed with a key of the curve P-256.
pub(super) fn sign(header: &Value, claims: &Value, key: &Path) -> String {
    let text = unsigned(header, claims);
    let der = openssl(&text, |command| {
        command.arg("-sign").arg(key);
    });
    format!("{text}.{}", encode(&raw(&der)))
}

/// The same with an HMAC, whose secret are these bytes.
pub(super) fn sign_with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let text = unsigned(header, claims);
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mac = openssl(&text, |command| {
        command.args(["-mac", "HMAC", "-macopt", &format!("hexkey:{digits}")]);
    });
    format!("{text}.{}", encode(&mac))
}

/// What is signed.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn openssl(text: &str, options: impl Fn(&mut Command)) -> Vec<u8> {
    let folder = folder();
    let file = folder.path().join("text");
    fs::write(&file, text).unwrap();
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-binary"]);
    options(&mut command);
    run(command.arg(file)).stdout
}

/// A signature of two numbers in DER, as JWTs have it: both of 32 bytes (RFC 7518, section 3.4).
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = der
        .strip_prefix(&[0x30, u8::try_from(der.len() - 2).unwrap()])
        .unwrap();
    let mut raw = Vec::new();
    for _ in 0..2 {
        assert_eq!(rest[0], 0x02);
        let (number, after) = rest[2..].split_at(rest[1].into());
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        raw.resize(raw.len() + 32 - digits.len(), 0);
        raw.extend_from_slice(digits);
        rest = after;
    }
    raw
}

/// The same two numbers in DER again.
pub(super) fn der(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for half in raw.chunks(32) {
        let zeros = half.iter().take_while(|byte| **byte == 0).count();
        let mut number = half[zeros..].to_vec();
        if number.first().is_none_or(|byte| *byte > 0x7f) {
            number.insert(0, 0);
        }
        body.extend([0x02, u8::try_from(number.len()).unwrap()]);
        body.append(&mut number);
    }
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}
