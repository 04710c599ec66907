//! A registry's token server: what a client asks for, what of it the access rules grant, and a
//! signed token that says so ("token authentication" of the distribution project). Knows no HTTP
//! and no files; keys and certificates come as PEM text.

mod ask;
mod certificate;
mod grants;
mod jwk;
mod key;
mod scopes;
mod signer;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub(crate) use self::ask::Ask;
pub(crate) use self::certificate::{Certificate, NewKey};
pub(crate) use self::grants::GrantedScopes;
pub(crate) use self::jwk::key_set;
pub(crate) use self::key::Algorithm;
pub(crate) use self::scopes::Scopes;
pub(crate) use self::signer::{PairError, Signer, Token};

/// `[token]`: what to sign, with what, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct TokenSettings {
    /// The file with the private key.
    pub key: PathBuf,
    /// The file with its certificate, perhaps followed by those that lead to the registry's root.
    pub certificate: PathBuf,
    /// How a token names its key.
    pub key_id: KeyId,
    /// Who signs: the registry's `issuer`.
    pub issuer: String,
    /// For whom: the registry's `service`.
    pub service: String,
    /// How long a token is good.
    pub lifetime: Duration,
    /// The path that is answered.
    pub path: String,
}

/// How a token tells a registry which key has signed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyId {
    /// By the certificate itself, which must lead to the registry's `rootcertbundle`: the one way
    /// that registry 2.8 and all of 3.x understand.
    #[default]
    X5c,
    /// By the thumbprint of RFC 7638, as registry 3.x finds keys of its `jwks`.
    JwkThumbprint,
    /// By the fingerprint of the libtrust library, as registry 2.8 finds keys.
    Libtrust,
}

/// What htgate answers besides: no path of tokens.
pub(crate) const OTHER_PATHS: [&str; 4] = ["/auth", "/healthz", "/readyz", "/metrics"];

/// Before this long, somebody should see to a new certificate.
pub(crate) const CERTIFICATE_NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
