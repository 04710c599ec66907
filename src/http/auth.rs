//! `/auth`: nginx's subrequest to a verdict, and the verdict to what `auth_request` understands.

use std::fmt;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_http::{Response, StatusCode};

use super::Gate;
use super::front::question;
use crate::verdict::{UserName, Verdict};

/// The challenge of every 401.
#[derive(Clone, Debug)]
pub(crate) struct Realm(HeaderValue);

/// A realm that no header can carry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRealm;

impl Realm {
    /// A Basic challenge with this realm, quoted as RFC 9110, section 5.6.4, has it.
    ///
    /// # Errors
    ///
    /// [`BadRealm`] for control characters and for what is not ASCII.
    pub(crate) fn new(realm: &str) -> Result<Self, BadRealm> {
        if !realm
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(BadRealm);
        }
        let quoted = realm.replace('\\', r"\\").replace('"', r#"\""#);
        HeaderValue::from_str(&format!("Basic realm=\"{quoted}\", charset=\"UTF-8\""))
            .map(Self)
            .map_err(|_| BadRealm)
    }

    pub(super) fn challenge(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for BadRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use printable ASCII characters only")
    }
}

impl std::error::Error for BadRealm {}

/// Any method, any query; the body is not read.
pub(super) async fn auth(headers: &HeaderMap, gate: &Gate) -> Response<BoxBody> {
    let question = question(gate.front, headers);
    let verdict = gate.judge.judge(&question).await;
    gate.audit.report(&question, verdict.reason());
    answer(&verdict, &gate.realm)
}

/// nginx passes on 2xx, 401 and 403 and makes everything else a 500, so the status meant for the
/// client travels in `X-Auth-Status`. Every answer's body is empty, or nginx would drop the
/// connection.
fn answer(verdict: &Verdict, realm: &Realm) -> Response<BoxBody> {
    let mut response = Response::new(status(verdict));
    let headers = response.headers_mut();
    headers.insert(
        X_AUTH_REASON,
        HeaderValue::from_static(verdict.reason().as_str()),
    );
    match verdict {
        Verdict::Allow(user) => {
            headers.insert(X_AUTH_USER, name(user));
        }
        Verdict::AllowAnonymous => {
            headers.insert(X_AUTH_USER, HeaderValue::from_static(""));
        }
        Verdict::Challenge(_) => {
            headers.insert(WWW_AUTHENTICATE, realm.challenge());
        }
        Verdict::RefuseAgent => {
            headers.insert(X_AUTH_STATUS, HeaderValue::from_static("404"));
        }
        Verdict::Forbid => {
            headers.insert(X_AUTH_STATUS, HeaderValue::from_static("403"));
        }
        Verdict::Throttle(wait) => {
            headers.insert(X_AUTH_STATUS, HeaderValue::from_static("429"));
            headers.insert(RETRY_AFTER, whole_seconds(*wait));
        }
        Verdict::Busy(wait) => {
            headers.insert(X_AUTH_STATUS, HeaderValue::from_static("503"));
            headers.insert(RETRY_AFTER, whole_seconds(*wait));
        }
        Verdict::Fault => (),
    }
    response
}

fn status(verdict: &Verdict) -> StatusCode {
    match verdict {
        Verdict::Allow(_) | Verdict::AllowAnonymous => StatusCode::NO_CONTENT,
        Verdict::Challenge(_) => StatusCode::UNAUTHORIZED,
        Verdict::RefuseAgent | Verdict::Forbid | Verdict::Throttle(_) => StatusCode::FORBIDDEN,
        Verdict::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        Verdict::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// `Retry-After` in whole seconds (RFC 9110, section 10.2.3), never too early.
pub(super) fn whole_seconds(wait: Duration) -> HeaderValue {
    let begun = u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(wait.as_secs().saturating_add(begun).max(1))
}

pub(super) fn name(user: &UserName) -> HeaderValue {
    HeaderValue::try_from(user.encoded()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(super) const X_AUTH_REASON: HeaderName = HeaderName::from_static("x-auth-reason");
const X_AUTH_STATUS: HeaderName = HeaderName::from_static("x-auth-status");
pub(super) const X_AUTH_USER: HeaderName = HeaderName::from_static("x-auth-user");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_never_told_to_come_too_early() {
        for (milliseconds, expected) in
            [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (59_900, "60")]
        {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), expected);
        }
    }

    #[test]
    fn realms_are_quoted() {
        let rows = [
            (
                "Registry realm",
                r#"Basic realm="Registry realm", charset="UTF-8""#,
            ),
            (
                r#"a "b" \c"#,
                r#"Basic realm="a \"b\" \\c", charset="UTF-8""#,
            ),
        ];
        for (realm, expected) in rows {
            assert_eq!(Realm::new(realm).unwrap().0, expected);
        }
        assert_eq!(Realm::new("a\nb").err(), Some(BadRealm));
        assert_eq!(Realm::new("caf\u{e9}").err(), Some(BadRealm));
    }
}
