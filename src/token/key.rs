//! The private key: PEM text to something that signs. ES256 and RS256 (RFC 7518, section 3).

use std::fmt;

use crate::Fault;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// The name in a token's header.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A private key. `Debug` shows nothing of it.
pub(super) enum SigningKey {
    Es256(EcdsaKeyPair),
    Rs256(rsa::KeyPair),
}

/// What is wrong with a key's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// No private key in it, or one that is encrypted.
    NoKey,
    /// A key of another kind, one that is too short, or a broken one.
    Unusable,
}

impl SigningKey {
    /// Takes the first private key of a PEM text: PKCS#8, SEC 1 or PKCS#1.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoKey)?;
        let der = key.secret_der();
        let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve, der) {
            return Ok(Self::Es256(pair));
        }
        let pair = match &key {
            PrivateKeyDer::Pkcs1(_) => rsa::KeyPair::from_der(der),
            _ => rsa::KeyPair::from_pkcs8(der),
        };
        // Those of less than 2048 bits are refused here, too (RFC 7518, section 3.3).
        pair.map(Self::Rs256).map_err(|_| KeyError::Unusable)
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::Es256,
            Self::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The public half, as the bits of a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::Es256(pair) => pair.public_key().as_ref(),
            Self::Rs256(pair) => pair.public_key().as_ref(),
        }
    }

    /// Nothing if the system gives no randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => {
                let signature = pair.sign(&random, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().as_str())
    }
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        let what = match error {
            KeyError::NoKey => "there is no unencrypted private key in PEM form",
            KeyError::Unusable => {
                "the key is neither of the curve P-256 nor an RSA one of 2048 bits or more"
            }
        };
        Self::new(what, "make one with 'htgate token init FOLDER'")
    }
}
