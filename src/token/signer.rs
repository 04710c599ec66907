//! A key, its certificate and the settings to signed tokens (RFC 7515 and 7519).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::json;

use super::certificate::{Certificate, CertificateError};
use super::grants::GrantedScopes;
use super::jwk::{fingerprint, thumbprint};
use super::key::{Algorithm, KeyError, SigningKey};
use super::{KeyId, TokenSettings};
use crate::Fault;
use crate::verdict::UserName;

/// Signs tokens with one key.
#[derive(Debug)]
pub(crate) struct Signer {
    key: SigningKey,
    /// The same for every token, encoded, with the point that follows it.
    header: String,
    issuer: String,
    service: String,
    lifetime: Duration,
    ends: Option<SystemTime>,
}

/// Why a key and a certificate sign nothing together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PairError {
    /// The key itself.
    Key(KeyError),
    /// The certificate itself.
    Certificate(CertificateError),
    /// The certificate is another key's.
    Mismatch,
}

/// The system gives no randomness, or its clock stands before 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SigningError;

/// A signed token, and what a client is told with it.
pub(crate) struct Token {
    /// The token: whoever has it may do what it says.
    pub text: String,
    /// For how long.
    pub lifetime: Duration,
    /// From when.
    pub issued: SystemTime,
    /// What it grants.
    pub grants: GrantedScopes,
    /// Whose it is; nobody's in particular without one.
    pub user: Option<UserName>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    /// One string: registry 2.8 reads no list.
    aud: &'a str,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    access: &'a GrantedScopes,
}

impl Signer {
    /// Puts a key and its certificate together, both in PEM form.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them, or with both together.
    pub(crate) fn new(
        settings: &TokenSettings,
        key: &[u8],
        certificate: &[u8],
    ) -> Result<Self, PairError> {
        let key = SigningKey::from_pem(key).map_err(PairError::Key)?;
        let chain = Certificate::all_from_pem(certificate).map_err(PairError::Certificate)?;
        let Some(certificate) = chain.first().filter(|own| own.public_key == key.public()) else {
            return Err(PairError::Mismatch);
        };
        let algorithm = key.algorithm().as_str();
        let header = match settings.key_id {
            KeyId::X5c => {
                let chain: Vec<_> = chain
                    .iter()
                    .map(|c| BASE64_STANDARD.encode(&c.der))
                    .collect();
                json!({ "typ": "JWT", "alg": algorithm, "x5c": chain })
            }
            KeyId::JwkThumbprint => {
                let id = thumbprint(certificate).map_err(PairError::Certificate)?;
                json!({ "typ": "JWT", "alg": algorithm, "kid": id })
            }
            KeyId::Libtrust => {
                json!({ "typ": "JWT", "alg": algorithm, "kid": fingerprint(certificate) })
            }
        };
        Ok(Self {
            header: BASE64_URL_SAFE_NO_PAD.encode(header.to_string()) + ".",
            issuer: settings.issuer.clone(),
            service: settings.service.clone(),
            lifetime: settings.lifetime,
            ends: match settings.key_id {
                KeyId::X5c => Certificate::first_end(&chain),
                KeyId::JwkThumbprint | KeyId::Libtrust => None,
            },
            key,
        })
    }

    /// Signs a token for this user, or for nobody in particular.
    ///
    /// # Errors
    ///
    /// A system without randomness or time.
    pub(crate) fn sign(
        &self,
        user: Option<UserName>,
        grants: GrantedScopes,
        now: SystemTime,
    ) -> Result<Token, SigningError> {
        let seconds = now.duration_since(UNIX_EPOCH).map_err(|_| SigningError)?;
        let seconds = seconds.as_secs();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| SigningError)?;
        let claims = Claims {
            iss: &self.issuer,
            sub: &user.as_ref().map(UserName::encoded).unwrap_or_default(),
            aud: &self.service,
            exp: seconds.saturating_add(self.lifetime.as_secs()),
            nbf: seconds.saturating_sub(LATE_CLOCK_SECONDS),
            iat: seconds,
            jti: BASE64_URL_SAFE_NO_PAD.encode(id),
            access: &grants,
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| SigningError)?;
        let mut text = self.header.clone();
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let signature = self.key.sign(text.as_bytes()).ok_or(SigningError)?;
        text.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(Token {
            text,
            lifetime: self.lifetime,
            issued: now,
            grants,
            user,
        })
    }

    /// How it signs.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// When its tokens are good no more: with the first of the certificates that they carry.
    /// Registries look at no dates of a key that tokens only name.
    pub(crate) fn ends(&self) -> Option<SystemTime> {
        self.ends
    }
}

impl From<PairError> for Fault {
    fn from(error: PairError) -> Self {
        match error {
            PairError::Key(error) => error.into(),
            PairError::Certificate(error) => error.into(),
            PairError::Mismatch => Self::new(
                "the certificate is another key's",
                "put the key and the certificate there that belong together",
            ),
        }
    }
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no token could be signed: the system gives no randomness or no time")
    }
}

/// A registry's clock may be behind ours by so much, besides its own leeway.
const LATE_CLOCK_SECONDS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::super::NewKey;
    use super::*;

    #[test]
    fn the_first_certificate_that_ends_counts_where_tokens_carry_it() {
        let day = Duration::from_secs(24 * 60 * 60);
        let make = |days: u32| {
            NewKey::generate(Algorithm::Es256, "test", days * day, SystemTime::now()).unwrap()
        };
        let (own, other) = (make(100), make(10));
        let chain = format!("{}{}", own.certificate, other.certificate);
        let ends = |key_id| {
            let settings = TokenSettings {
                key: "k".into(),
                certificate: "c".into(),
                key_id,
                issuer: "htgate".to_owned(),
                service: "registry".to_owned(),
                lifetime: Duration::from_secs(300),
                path: "/token".to_owned(),
            };
            let signer = Signer::new(&settings, own.key.as_bytes(), chain.as_bytes());
            signer.unwrap().ends()
        };
        let left = ends(KeyId::X5c).unwrap().duration_since(SystemTime::now());
        assert!((9 * day..=10 * day).contains(&left.unwrap()));
        assert_eq!(ends(KeyId::JwkThumbprint), None);
        assert_eq!(ends(KeyId::Libtrust), None);
    }
}
