//! The parameters of a token request, from a query or a form, each read in one way only.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::scopes::{ScopeError, Scopes};
use crate::request::percent::decode;

/// What a client asks for.
pub(crate) struct Ask {
    /// What it wants to do.
    pub scopes: Scopes,
    /// From a form: its name and password, as an `Authorization` field would hold them, so that
    /// both are read by the same rules.
    pub credentials: Option<Zeroizing<Vec<u8>>>,
}

/// Why a request for a token cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadAsk {
    /// A parameter that cannot be decoded.
    Encoding,
    /// A parameter that is there twice.
    Repeated(&'static str),
    /// One that must be there.
    Missing(&'static str),
    /// A service that we do not sign for.
    Service,
    /// A grant type that is not `password`.
    GrantType,
    /// More scopes than anybody needs.
    Scope(ScopeError),
}

#[derive(Default)]
struct Parameters<'a> {
    service: Option<Value<'a>>,
    grant_type: Option<Value<'a>>,
    username: Option<Value<'a>>,
    password: Option<Zeroizing<Vec<u8>>>,
    scopes: Vec<Value<'a>>,
}

type Value<'a> = std::borrow::Cow<'a, [u8]>;

impl Ask {
    /// Reads a query: credentials come in `Authorization`.
    ///
    /// # Errors
    ///
    /// Why it cannot be answered.
    pub(crate) fn from_query(query: &[u8], service: &str) -> Result<Self, BadAsk> {
        let parameters = Parameters::read(query)?;
        Ok(Self {
            scopes: parameters.scopes(service)?,
            credentials: None,
        })
    }

    /// Reads a form (RFC 6749, section 4.3): credentials are in it.
    ///
    /// # Errors
    ///
    /// Why it cannot be answered.
    pub(crate) fn from_form(form: &[u8], service: &str) -> Result<Self, BadAsk> {
        let parameters = Parameters::read(form)?;
        let scopes = parameters.scopes(service)?;
        match parameters.grant_type.as_deref() {
            None => return Err(BadAsk::Missing("grant_type")),
            Some(b"password") => (),
            Some(_) => return Err(BadAsk::GrantType),
        }
        let missing = |name| move || BadAsk::Missing(name);
        let name = parameters.username.ok_or_else(missing("username"))?;
        let password = parameters.password.ok_or_else(missing("password"))?;
        Ok(Self {
            scopes,
            credentials: Some(as_basic(&name, &password)),
        })
    }
}

/// As `Basic`, in which a name has no colon: one that has is nobody's, and must not lend its end
/// to the password.
fn as_basic(name: &[u8], password: &[u8]) -> Zeroizing<Vec<u8>> {
    if name.contains(&b':') {
        return Zeroizing::new(b"Basic".to_vec());
    }
    let mut pair = Zeroizing::new(Vec::with_capacity(name.len() + password.len() + 1));
    pair.extend_from_slice(name);
    pair.push(b':');
    pair.extend_from_slice(password);
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*pair));
    Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())
}

impl<'a> Parameters<'a> {
    fn read(text: &'a [u8]) -> Result<Self, BadAsk> {
        let mut found = Self::default();
        for pair in text
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let mut part =
                || decode(parts.next().unwrap_or_default(), true).ok_or(BadAsk::Encoding);
            let (key, value) = (part()?, part()?);
            let (place, name) = match key.as_ref() {
                b"scope" => {
                    found.scopes.push(value);
                    continue;
                }
                b"service" => (&mut found.service, "service"),
                b"grant_type" => (&mut found.grant_type, "grant_type"),
                b"username" => (&mut found.username, "username"),
                b"password" => {
                    let value = Zeroizing::new(value.into_owned());
                    if found.password.replace(value).is_some() {
                        return Err(BadAsk::Repeated("password"));
                    }
                    continue;
                }
                // client_id, account, offline_token, access_type and what else there is.
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(BadAsk::Repeated(name));
            }
        }
        Ok(found)
    }

    fn scopes(&self, own: &str) -> Result<Scopes, BadAsk> {
        match &self.service {
            None => return Err(BadAsk::Missing("service")),
            Some(service) if service.as_ref() != own.as_bytes() => return Err(BadAsk::Service),
            Some(_) => (),
        }
        Scopes::read(self.scopes.iter().map(AsRef::as_ref)).map_err(BadAsk::Scope)
    }
}

impl fmt::Display for BadAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("a parameter has a broken escape"),
            Self::Repeated(name) => write!(f, "{name} is there twice"),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Service => f.write_str("no tokens are given for this service"),
            Self::GrantType => f.write_str("the only grant_type is password"),
            Self::Scope(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BadAsk {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Field;
    use crate::request::credentials::Presented;

    const SERVICE: &str = "registry.example.com";

    #[test]
    fn queries() {
        let rows: &[(&str, Result<(), BadAsk>)] = &[
            ("service=registry.example.com", Ok(())),
            (
                "service=registry%2Eexample.com&scope=x&account=alice",
                Ok(()),
            ),
            (
                "client_id=docker&offline_token=true&service=registry.example.com",
                Ok(()),
            ),
            ("", Err(BadAsk::Missing("service"))),
            ("scope=repository:a:pull", Err(BadAsk::Missing("service"))),
            ("service=", Err(BadAsk::Service)),
            ("service=other", Err(BadAsk::Service)),
            ("service=Registry.example.com", Err(BadAsk::Service)),
            (
                "service=registry.example.com&service=registry.example.com",
                Err(BadAsk::Repeated("service")),
            ),
            ("service=%zz", Err(BadAsk::Encoding)),
        ];
        for (query, expected) in rows {
            let seen = Ask::from_query(query.as_bytes(), SERVICE).map(|_| ());
            assert_eq!(seen, *expected, "{query}");
        }
    }

    #[test]
    fn forms() {
        let form = |rest: &str| {
            let form = format!("service={SERVICE}&{rest}");
            Ask::from_form(form.as_bytes(), SERVICE).map(|ask| ask.credentials.unwrap())
        };
        let rows: &[(&str, &[u8], &[u8])] = &[
            ("username=alice&password=secret", b"alice", b"secret"),
            ("username=alice&password=a%3Ab+%2B", b"alice", b"a:b +"),
            ("username=%E9&password=%FC", b"\xe9", b"\xfc"),
            ("username=alice&password=", b"alice", b""),
        ];
        for (rest, user, password) in rows {
            let header = form(&format!("grant_type=password&{rest}")).unwrap();
            let Presented::Credentials(seen) = Presented::parse(Field::One(&header)) else {
                panic!("{rest} must be readable");
            };
            assert_eq!((seen.claimed(), seen.password()), (*user, *password));
        }
        // A colon in the name can neither move a part of it into the password nor hide it.
        for rest in ["username=alice:sec&password=ret", "username=:&password="] {
            let header = form(&format!("grant_type=password&{rest}")).unwrap();
            let presented = Presented::parse(Field::One(&header));
            assert!(matches!(presented, Presented::Malformed(..)), "{rest}");
        }
        let rows = [
            ("", BadAsk::Missing("grant_type")),
            (
                "grant_type=refresh_token&refresh_token=x",
                BadAsk::GrantType,
            ),
            (
                "grant_type=password&password=x",
                BadAsk::Missing("username"),
            ),
            (
                "grant_type=password&username=x",
                BadAsk::Missing("password"),
            ),
            (
                "grant_type=password&username=x&username=y&password=z",
                BadAsk::Repeated("username"),
            ),
        ];
        for (rest, expected) in rows {
            assert_eq!(form(rest).unwrap_err(), expected, "{rest}");
        }
    }
}
