//! The token endpoint: a query or a form to a signed token, and refusals as registries write
//! them. nginx passes clients' requests on to it, so the answers are for clients.

use std::time::Duration;

use actix_http::body::{BodyStream, BoxBody, to_bytes_limited};
use actix_http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_http::{HttpMessage as _, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Gate;
use super::auth::{X_AUTH_REASON, X_AUTH_USER, user_name, whole_seconds};
use super::front::{is_cross_site, read_request};
use crate::request::Field;
use crate::token::{Ask, Token};
use crate::verdict::{Reason, Verdict};

/// GET with a query (distribution's "token authentication"), POST with a form (its OAuth2
/// variant). No refresh tokens.
pub(super) async fn token(request: &mut Request, service: &str, gate: &Gate) -> Response<BoxBody> {
    if request.method() == Method::POST && is_cross_site(request.headers()) {
        let reason = Reason::CrossSite;
        gate.judge.metrics().count_token(reason.as_str());
        gate.audit.report(&read(request, gate), reason, None);
        let why = "a page of another site may not ask for a token";
        return failure(StatusCode::FORBIDDEN, reason.as_str(), "DENIED", why);
    }
    let asked = match ask(request, service).await {
        Ok(asked) => asked,
        Err(why) => {
            gate.judge.metrics().count_token("bad-request");
            return failure(StatusCode::BAD_REQUEST, "bad-request", "UNSUPPORTED", &why);
        }
    };
    let mut read = read(request, gate);
    if let Some(credentials) = &asked.credentials {
        read.authorization = Field::One(credentials);
    }
    match gate.judge.issue(&read, &asked.scopes).await {
        Ok(token) => success(&token, request.method() == Method::POST),
        Err(verdict) => {
            gate.audit.report(&read, verdict.reason(), verdict.detail());
            refusal(&verdict, gate)
        }
    }
}

/// What is known of a request, with its own method and path, and without its query: a client might
/// put a password into that.
fn read<'a>(request: &'a Request, gate: &Gate) -> crate::request::Request<'a> {
    crate::request::Request {
        method: Field::One(request.method().as_str().as_bytes()),
        uri: Field::One(request.path().as_bytes()),
        ..read_request(gate.front, request.headers())
    }
}

async fn ask(request: &mut Request, service: &str) -> Result<Ask, String> {
    if request.method() == Method::GET {
        let query = request.uri().query().unwrap_or_default();
        return Ask::from_query(query.as_bytes(), service).map_err(|error| error.to_string());
    }
    let form = form(request).await?;
    if request.headers().contains_key(AUTHORIZATION) {
        return Err("a form holds its credentials itself; send no Authorization".to_owned());
    }
    Ask::from_form(&form, service).map_err(|error| error.to_string())
}

/// The body of a POST.
async fn form(request: &mut Request) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let kind = request.content_type();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err("the body must be a form: application/x-www-form-urlencoded");
    }
    let body = to_bytes_limited(BodyStream::new(request.take_payload()), LARGEST_FORM);
    match timeout(SLOWEST_FORM, body).await {
        Ok(Ok(Ok(body))) => Ok(Zeroizing::new(body.into())),
        Ok(Ok(Err(_))) => Err("the body broke off"),
        Ok(Err(_)) => Err("the body is too large"),
        Err(_) => Err("the body takes too long"),
    }
}

/// What a client gets (distribution's "token authentication", and RFC 6749, section 5.1). Older
/// clients read `token`, and OAuth2 clients `access_token`.
fn success(token: &Token, with_scope: bool) -> Response<BoxBody> {
    let issued = Timestamp::try_from(token.issued).unwrap_or_default();
    let mut body = json!({
        "token": token.text.as_str(),
        "access_token": token.text.as_str(),
        "expires_in": token.lifetime.as_secs(),
        "issued_at": format!("{issued:.0}"),
    });
    if let (true, Some(body)) = (with_scope, body.as_object_mut()) {
        body.insert("scope".to_owned(), token.grants.scope().into());
    }
    let (reason, user) = match &token.user {
        Some(user) => (Reason::Ok, user_name(user)),
        None => (Reason::Anonymous, HeaderValue::from_static("")),
    };
    let mut response = response(StatusCode::OK, reason.as_str(), &body);
    response.headers_mut().insert(X_AUTH_USER, user);
    response
}

fn refusal(verdict: &Verdict, gate: &Gate) -> Response<BoxBody> {
    let (status, code, message) = match verdict {
        Verdict::Challenge(_) => (401, "UNAUTHORIZED", "authentication required"),
        Verdict::RefuseAgent => (404, "UNSUPPORTED", "this client is not supported"),
        Verdict::Throttle(..) => (429, "TOOMANYREQUESTS", "too many wrong passwords"),
        Verdict::Busy(_) => (503, "UNAVAILABLE", "too many logins at once, try again"),
        Verdict::Fault | Verdict::Forbid | Verdict::Allow { .. } => {
            (500, "UNKNOWN", "internal error")
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = failure(status, verdict.reason().as_str(), code, message);
    let headers = response.headers_mut();
    if let Verdict::Challenge(_) = verdict {
        headers.insert(WWW_AUTHENTICATE, gate.realm.0.clone());
    }
    if let Verdict::Throttle(wait, _) | Verdict::Busy(wait) = verdict {
        headers.insert(RETRY_AFTER, whole_seconds(*wait));
    }
    response
}

/// An error as a registry writes it (OCI distribution specification, "Error Codes"). Docker shows
/// its message only where there is a detail, which other clients print behind it.
fn failure(status: StatusCode, reason: &'static str, code: &str, why: &str) -> Response<BoxBody> {
    let error = json!({ "code": code, "message": why, "detail": "no token is given" });
    response(status, reason, &json!({ "errors": [error] }))
}

fn response(status: StatusCode, reason: &'static str, body: &Value) -> Response<BoxBody> {
    let mut response = Response::with_body(status, BoxBody::new(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(X_AUTH_REASON, HeaderValue::from_static(reason));
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// In bytes: the longest scopes, name and password, each percent-encoded.
const LARGEST_FORM: usize = 16 * 1024;
const SLOWEST_FORM: Duration = Duration::from_secs(10);
