//! Certificates: what a token needs of one that is there, and new ones with their keys.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::Certificate as X509;
use x509_cert::der::{Decode as _, Encode as _};

use super::key::Algorithm;
use crate::Fault;

/// A certificate, as far as tokens need to know it.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The whole of it, in DER.
    pub(super) der: Vec<u8>,
    /// Its `SubjectPublicKeyInfo`, in DER (RFC 5280, section 4.1).
    pub(super) public_info: Vec<u8>,
    /// The bits of the key in there.
    pub(super) public_key: Vec<u8>,
    /// From when it is good.
    pub begins: SystemTime,
    /// Until when.
    pub ends: SystemTime,
}

/// Not a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CertificateError;

impl Certificate {
    /// Reads all certificates of a PEM text, at least one.
    ///
    /// # Errors
    ///
    /// Where there is none, or one of them is broken.
    pub(crate) fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let all = CertificateDer::pem_slice_iter(pem)
            .map(|der| Self::from_der(der.map_err(|_| CertificateError)?.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        match all.as_slice() {
            [] => Err(CertificateError),
            _ => Ok(all),
        }
    }

    /// When the first of them ends.
    pub(crate) fn first_end(chain: &[Self]) -> Option<SystemTime> {
        chain.iter().map(|certificate| certificate.ends).min()
    }

    fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed = X509::from_der(der).map_err(|_| CertificateError)?;
        let parsed = parsed.tbs_certificate();
        let public = parsed.subject_public_key_info();
        let bits = public.subject_public_key.as_bytes();
        Ok(Self {
            der: der.to_vec(),
            public_info: public.to_der().map_err(|_| CertificateError)?,
            public_key: bits.ok_or(CertificateError)?.to_vec(),
            begins: parsed.validity().not_before.to_system_time(),
            ends: parsed.validity().not_after.to_system_time(),
        })
    }

    /// Whether it is a key of P-256 of which registry 3.1 computes another thumbprint than
    /// RFC 7638 has it.
    pub(crate) fn has_short_coordinate(&self) -> bool {
        has_short_coordinate(&self.public_key)
    }
}

/// Whether a coordinate of a point begins with a zero. Registry 3.1 leaves those out when it
/// computes a thumbprint, and then does not find the key: distribution,
/// registry/auth/token/util.go. No RSA key begins as a point does (SEC 1, section 2.3.3).
fn has_short_coordinate(point: &[u8]) -> bool {
    point.first() == Some(&4) && (point.get(1) == Some(&0) || point.get(33) == Some(&0))
}

impl From<CertificateError> for Fault {
    fn from(_: CertificateError) -> Self {
        let what = "there is no certificate in PEM form, or a broken one";
        Self::new(what, "make one with 'htgate token init FOLDER'")
    }
}

/// A new key with its certificate, both in PEM form.
pub(crate) struct NewKey {
    /// The private key, in PKCS#8.
    pub key: String,
    /// The certificate that it has signed for itself.
    pub certificate: String,
}

impl NewKey {
    /// Makes a key, and a certificate for it that says whose tokens it signs.
    ///
    /// # Errors
    ///
    /// When the system gives no randomness; the text says more.
    pub(crate) fn generate(
        algorithm: Algorithm,
        name: &str,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, String> {
        let pair = generate_pair(algorithm).map_err(|error| error.to_string())?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = Vec::<ExtendedKeyUsagePurpose>::new();
        // The registry's clock may be behind ours.
        parameters.not_before = (now - CLOCK_LEEWAY).into();
        parameters.not_after = (now + lifetime).into();
        let certificate = parameters
            .self_signed(&pair)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            key: pair.serialize_pem(),
            certificate: certificate.pem(),
        })
    }
}

fn generate_pair(algorithm: Algorithm) -> Result<KeyPair, rcgen::Error> {
    match algorithm {
        Algorithm::Rs256 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        Algorithm::Es256 => loop {
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            if !has_short_coordinate(pair.public_key_raw()) {
                return Ok(pair);
            }
        },
    }
}

const CLOCK_LEEWAY: Duration = Duration::from_secs(60 * 60);
