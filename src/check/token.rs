//! Faults of the key that signs tokens and of its certificate, and which registries understand
//! what it signs.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{CheckRule, Finding};
use crate::Fault;
use crate::token::{
    Algorithm, CERTIFICATE_NOTICE, Certificate, KeyId, PairError, Signer, TokenSettings,
};

/// What signs tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// How.
    pub algorithm: Algorithm,
    /// Until when its certificate is good, and those that stand behind it in the file.
    pub ends: SystemTime,
}

/// What was read of `[token]`; nothing of a file that cannot be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenFiles<'a> {
    /// What `htgate.toml` says.
    pub settings: &'a TokenSettings,
    /// Where it says so.
    pub config: &'a str,
    /// The key's file.
    pub key: Option<&'a [u8]>,
    /// The certificate's file.
    pub certificate: Option<&'a [u8]>,
}

impl TokenFiles<'_> {
    /// What is wrong with it now, and what it signs with if it does.
    pub(crate) fn findings(&self, now: SystemTime) -> (Vec<Finding>, Option<Signs>) {
        let settings = self.settings;
        let certificate = settings.certificate.display().to_string();
        let mut findings = Vec::new();
        let mut tell = |rule, file: &str, fault| findings.push(Finding::new(rule, file, fault));
        let signer = self
            .key
            .map(|key| Signer::new(settings, key, self.certificate.unwrap_or_default()));
        match &signer {
            Some(Err(PairError::Key(error))) => {
                let file = settings.key.display().to_string();
                tell(CheckRule::TokenKey, &file, (*error).into());
            }
            Some(Err(error @ PairError::Mismatch)) => {
                tell(CheckRule::TokenCertificate, &certificate, (*error).into());
            }
            // The certificate alone is looked at below.
            Some(Err(PairError::Certificate(_)) | Ok(_)) | None => (),
        }
        let chain = self
            .certificate
            .map_or(Ok(Vec::new()), Certificate::all_from_pem);
        let chain = chain.unwrap_or_else(|error| {
            tell(CheckRule::TokenCertificate, &certificate, error.into());
            Vec::new()
        });
        let signs = signer.and_then(Result::ok).map(|signer| Signs {
            algorithm: signer.algorithm(),
            ends: Certificate::first_end(&chain).unwrap_or(now),
        });
        let words = |(what, remedy): (&str, &str)| Fault::new(what, remedy);
        match settings.key_id {
            KeyId::X5c => {
                if let Some(fault) = dates(&chain, now) {
                    tell(CheckRule::TokenCertificate, &certificate, fault);
                }
            }
            KeyId::JwkThumbprint => {
                if chain.first().is_some_and(Certificate::has_short_coordinate) {
                    tell(CheckRule::TokenId, &certificate, words(MISNAMED));
                }
                tell(CheckRule::TokenChoice, self.config, words(ONLY_3));
            }
            KeyId::Libtrust => tell(CheckRule::TokenChoice, self.config, words(ONLY_2)),
        }
        if signs.is_some_and(|signs| signs.algorithm == Algorithm::Rs256) {
            tell(CheckRule::TokenChoice, self.config, words(SLOW));
        }
        (findings, signs)
    }
}

/// What is wrong with the dates. A registry looks at them where a token brings its certificates
/// along, and at those of all of them.
fn dates(chain: &[Certificate], now: SystemTime) -> Option<Fault> {
    let begins = chain.iter().map(|it| it.begins).max()?;
    let ends = Certificate::first_end(chain)?;
    let day = day(if begins > now { begins } else { ends });
    let refuse = "registries refuse every token";
    let (what, remedy) = if begins > now {
        let what = format!("the certificate is good from {day} on, and {refuse} until then");
        (what, "check this machine's clock")
    } else if ends < now {
        (
            format!("the certificate ended on {day}, and {refuse}"),
            RENEW,
        )
    } else if ends < now + CERTIFICATE_NOTICE {
        (
            format!("the certificate ends on {day}, and then {refuse}"),
            RENEW,
        )
    } else {
        return None;
    };
    Some(Fault::new(what, remedy))
}

/// A day in UTC.
pub(crate) fn day(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

const RENEW: &str = "make a new key and certificate with 'htgate token init FOLDER'";
/// distribution, registry/auth/token/util.go: big numbers' bytes, which have no leading zeros.
const MISNAMED: (&str, &str) = (
    "a coordinate of this key begins with a zero byte, and registry 3.1 knows such a key of its \
     rootcertbundle by another thumbprint than the right one",
    "make a new key with 'htgate token init FOLDER'",
);
const ONLY_3: (&str, &str) = (
    "only registry 3.x knows keys by \"jwk-thumbprint\", and 3.0 does not know the P-256 keys of its \
     rootcertbundle by it",
    "use \"x5c\" where the registry has a rootcertbundle",
);
const ONLY_2: (&str, &str) = (
    "only registry 2.8 knows keys by \"libtrust\", and 3.x does not",
    "use \"x5c\", which both understand",
);
const SLOW: (&str, &str) = (
    "an RSA key takes many times as long to sign as one of P-256, and its tokens are longer",
    "make one with 'htgate token init FOLDER' unless you have to use RSA",
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token::NewKey;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn settings(key_id: KeyId) -> TokenSettings {
        TokenSettings {
            key: "k".into(),
            certificate: "c".into(),
            key_id,
            issuer: "htgate".to_owned(),
            service: "registry".to_owned(),
            lifetime: Duration::from_secs(300),
            path: "/token".to_owned(),
        }
    }

    fn new_key(algorithm: Algorithm) -> NewKey {
        NewKey::generate(algorithm, "test", 100 * DAY, SystemTime::now()).unwrap()
    }

    /// Each finding as "FILE RULE: WHAT".
    fn seen(key_id: KeyId, key: &str, certificate: &str, now: SystemTime) -> Vec<String> {
        let settings = settings(key_id);
        let read = TokenFiles {
            settings: &settings,
            config: "t",
            key: Some(key.as_bytes()),
            certificate: Some(certificate.as_bytes()),
        };
        let (findings, signs) = read.findings(now);
        for finding in &findings {
            let text = finding.to_string();
            assert!(!text.contains('\n') && !text.contains("-----"), "{text}");
            assert!(!finding.fault.remedy.is_empty(), "{text}");
        }
        let works = findings.iter().all(|it| it.rule != CheckRule::TokenKey);
        assert!(signs.is_none() || works, "{findings:#?}");
        findings
            .iter()
            .map(|it| format!("{} {}: {}", it.file, it.rule.name(), it.fault.what))
            .collect()
    }

    #[test]
    fn faults_of_keys_and_certificates() {
        let now = SystemTime::now();
        let (one, other) = (new_key(Algorithm::Es256), new_key(Algorithm::Es256));
        let rsa = new_key(Algorithm::Rs256);
        let broken = one.certificate.replacen("MII", "AAA", 1);
        let both = format!("{}{}", one.certificate, other.certificate);
        let rows: &[(&str, &str, SystemTime, &[&str])] = &[
            (&one.key, &one.certificate, now, &[]),
            (&one.key, &both, now, &[]),
            (&one.key, &one.certificate, now + 69 * DAY, &[]),
            (
                &one.key,
                &one.certificate,
                now + 71 * DAY,
                &["c token-certificate: the certificate ends on "],
            ),
            (
                &one.key,
                &one.certificate,
                now + 101 * DAY,
                &["c token-certificate: the certificate ended on "],
            ),
            (
                &one.key,
                &one.certificate,
                now - DAY,
                &["c token-certificate: the certificate is good from "],
            ),
            (
                &one.key,
                &other.certificate,
                now,
                &["c token-certificate: the certificate is another key's"],
            ),
            (
                &one.key,
                &broken,
                now,
                &["c token-certificate: there is no certificate in PEM form"],
            ),
            (
                &one.key,
                "",
                now,
                &["c token-certificate: there is no certificate in PEM form"],
            ),
            (
                &one.certificate,
                &one.certificate,
                now,
                &["k token-key: there is no unencrypted private key"],
            ),
            (
                "",
                &one.certificate,
                now + 101 * DAY,
                &[
                    "k token-key: there is no unencrypted",
                    "c token-certificate: the certificate ended on ",
                ],
            ),
            (
                &rsa.key,
                &rsa.certificate,
                now,
                &["t token-choice: an RSA key takes"],
            ),
        ];
        for (number, (key, certificate, now, expected)) in rows.iter().enumerate() {
            let seen = seen(KeyId::X5c, key, certificate, *now);
            assert_eq!(seen.len(), expected.len(), "{number}: {seen:#?}");
            for (seen, expected) in seen.iter().zip(*expected) {
                assert!(seen.starts_with(expected), "{number}: {seen}");
            }
        }
    }

    /// Its y begins with a zero byte, as that of every 256th key does.
    const SHORT: &str = "-----BEGIN CERTIFICATE-----\n\
                     MIIBbzCCARWgAwIBAgIUVtswH8qBHqnlwCYHRS1GFDASvjowCgYIKoZIzj0EAwIw\n\
                     DDEKMAgGA1UEAwwBdDAgFw0yNjExMjUxOTM0MDVaGA8yMTI2MTEwMTE5MzQwNVow\n\
                     DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCZnFZeqTV6R\n\
                     aP7hd4KdKhKQeEbcSaSaRT6tsUaerwguAGSt3QeICZZ1KjQLu7A318KgbtjbbAfY\n\
                     A3hRzG8Jdw6jUzBRMB0GA1UdDgQWBBQwUTCFdplShJPpQArGDyK2ghm2WDAfBgNV\n\
                     HSMEGDAWgBQwUTCFdplShJPpQArGDyK2ghm2WDAPBgNVHRMBAf8EBTADAQH/MAoG\n\
                     CCqGSM49BAMCA0gAMEUCIQCZhnmNgtJFc7P0EPWeS5NFgN3csIFV6bhrxwgunAj1\n\
                     0gIgXTWb8lgmwEqqhUi6YAvmeBWU5GzNAcIjbG6npTwgczc=\n\
                     -----END CERTIFICATE-----";

    #[test]
    fn a_key_that_registry_3_1_knows_by_another_name() {
        for (key_id, expected) in [
            (KeyId::X5c, &[][..]),
            (
                KeyId::JwkThumbprint,
                &[CheckRule::TokenId, CheckRule::TokenChoice],
            ),
            (KeyId::Libtrust, &[CheckRule::TokenChoice]),
        ] {
            let settings = settings(key_id);
            let read = TokenFiles {
                settings: &settings,
                config: "t",
                key: None,
                certificate: Some(SHORT.as_bytes()),
            };
            let in_2027 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
            let (findings, signs) = read.findings(in_2027);
            let rules: Vec<_> = findings.iter().map(|it| it.rule).collect();
            assert_eq!((rules.as_slice(), signs), (expected, None));
        }
    }

    #[test]
    fn ways_to_name_a_key() {
        let now = SystemTime::now();
        let key = new_key(Algorithm::Es256);
        let rows = [
            (KeyId::X5c, None),
            (KeyId::JwkThumbprint, Some("registry 3.x knows")),
            (KeyId::Libtrust, Some("registry 2.8 knows")),
        ];
        for (key_id, expected) in rows {
            let found = seen(key_id, &key.key, &key.certificate, now);
            match expected {
                None => assert_eq!(found, Vec::<String>::new()),
                Some(text) => assert!(
                    found.len() == 1
                        && found[0].starts_with("t token-choice")
                        && found[0].contains(text),
                    "{found:?}"
                ),
            }
            // No registry looks at the dates of a certificate that a token only names.
            let later = seen(key_id, &key.key, &key.certificate, now + 101 * DAY);
            assert_eq!(later.len(), 1, "{later:?}");
            assert_eq!(
                later[0].starts_with("c token-certificate"),
                key_id == KeyId::X5c
            );
        }
    }
}
