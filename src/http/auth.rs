//! `/auth`: nginx's subrequest to a verdict, and the verdict to what `auth_request` understands.

use std::str::FromStr;
use std::time::Duration;

use actix_http::body::BoxBody;
use actix_http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_http::{Response, StatusCode};
use serde::Deserialize;

use super::Gate;
use super::front::read_request;
use crate::request::{Front, Request};
use crate::verdict::{UserName, Verdict};

/// The challenge of every 401.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Realm(pub(super) HeaderValue);

impl Default for Realm {
    fn default() -> Self {
        let challenge = "Basic realm=\"htgate\", charset=\"UTF-8\"";
        Self(HeaderValue::from_static(challenge))
    }
}

impl FromStr for Realm {
    type Err = &'static str;

    /// A Basic challenge with this realm, quoted as in RFC 9110, section 5.6.4. Control characters
    /// and characters outside ASCII are an error.
    fn from_str(realm: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let quoted = realm.replace('\\', r"\\").replace('"', r#"\""#);
        let challenge = format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"");
        match HeaderValue::try_from(challenge) {
            Ok(challenge) if realm.bytes().all(fits) => Ok(Self(challenge)),
            _ => Err("use printable ASCII characters only"),
        }
    }
}

impl TryFrom<String> for Realm {
    type Error = &'static str;

    fn try_from(realm: String) -> Result<Self, Self::Error> {
        realm.parse()
    }
}

/// Any method; of the query only [`DROPS_MOUNTS`] counts; the body is not read.
pub(super) async fn auth(
    headers: &HeaderMap,
    query: Option<&str>,
    gate: &Gate,
) -> Response<BoxBody> {
    let request = Request {
        // Only the shipped files can leave a query out.
        drops_mounts: query == Some(DROPS_MOUNTS) && gate.front == Front::Nginx,
        ..read_request(gate.front, headers)
    };
    let verdict = gate.judge.judge(&request).await;
    gate.audit
        .report(&request, verdict.reason(), verdict.detail());
    response(&verdict, &gate.realm)
}

/// nginx passes on 2xx, 401 and 403 and makes everything else a 500, so the status meant for the
/// client travels in `X-Auth-Status`. The body is always empty, or nginx would drop the connection.
fn response(verdict: &Verdict, realm: &Realm) -> Response<BoxBody> {
    let fixed = HeaderValue::from_static;
    let client = |status| Some((X_AUTH_STATUS, fixed(status)));
    let (status, field) = match verdict {
        Verdict::Allow { user, .. } => {
            let name = user.as_ref().map_or_else(|| fixed(""), user_name);
            (StatusCode::NO_CONTENT, Some((X_AUTH_USER, name)))
        }
        Verdict::Challenge(_) => {
            let challenge = realm.0.clone();
            (
                StatusCode::UNAUTHORIZED,
                Some((WWW_AUTHENTICATE, challenge)),
            )
        }
        Verdict::RefuseAgent => (StatusCode::FORBIDDEN, client("404")),
        Verdict::Forbid => (StatusCode::FORBIDDEN, client("403")),
        Verdict::Throttle(..) => (StatusCode::FORBIDDEN, client("429")),
        Verdict::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, client("503")),
        Verdict::Fault => (StatusCode::INTERNAL_SERVER_ERROR, None),
    };
    let mut response = Response::new(status);
    let headers = response.headers_mut();
    headers.insert(X_AUTH_REASON, fixed(verdict.reason().as_str()));
    if let Some((name, value)) = field {
        headers.insert(name, value);
    }
    if let Verdict::Allow {
        drops_mount: true, ..
    } = verdict
    {
        headers.insert(X_AUTH_MOUNT, fixed("drop"));
    }
    if let Verdict::Throttle(wait, _) | Verdict::Busy(wait) = verdict {
        headers.insert(RETRY_AFTER, whole_seconds(*wait));
    }
    response
}

/// `Retry-After` in whole seconds (RFC 9110, section 10.2.3), never too early.
pub(super) fn whole_seconds(wait: Duration) -> HeaderValue {
    let begun = u64::from(wait.subsec_nanos() > 0);
    HeaderValue::from(wait.as_secs().saturating_add(begun).max(1))
}

pub(super) fn user_name(user: &UserName) -> HeaderValue {
    HeaderValue::try_from(user.encoded()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(super) const X_AUTH_REASON: HeaderName = HeaderName::from_static("x-auth-reason");
/// The query by which an nginx file says that it sends an upload on without its own query where
/// the answer has `X-Auth-Mount: drop`. No client reaches this address.
const DROPS_MOUNTS: &str = "mounts=drop";
const X_AUTH_MOUNT: HeaderName = HeaderName::from_static("x-auth-mount");
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
            assert_eq!(realm.parse::<Realm>().unwrap().0, expected);
        }
        assert!("a\nb".parse::<Realm>().is_err());
        assert!("caf\u{e9}".parse::<Realm>().is_err());
    }
}
