//! `/healthz`, `/readyz` and `/metrics`: for people and their tools, not for nginx.

use std::time::{Duration, SystemTime};

use actix_http::body::BoxBody;
use actix_http::header::{CONTENT_TYPE, HeaderValue};
use actix_http::{Response, StatusCode};
use jiff::Timestamp;

use crate::judge::Judge;
use crate::token::CERTIFICATE_NOTICE;

/// The process lives and answers.
pub(super) fn healthz() -> Response<BoxBody> {
    text(PLAIN, "alive\n".to_owned())
}

/// Users are loaded: how many, since when, and whether the files' newest state is in effect.
pub(super) fn readyz(judge: &Judge) -> Response<BoxBody> {
    let snapshot = judge.store().read();
    let trouble = judge.store().trouble().map_or_else(
        || "none".to_owned(),
        |trouble| format!("since {}: {}", timestamp(trouble.since), trouble.what),
    );
    let users = snapshot.files.users.count();
    let mut body = format!("ready\nusers: {users}\n");
    if let Some(faulty) = &snapshot.files.faulty_lines {
        body += &format!("faulty lines: {faulty}\n");
    }
    let since = timestamp(snapshot.since);
    body += &format!("since: {since}\nlast reload failed: {trouble}\n");
    if let Some(signer) = &snapshot.files.signer {
        let ends = match signer.ends() {
            None => "does not matter".to_owned(),
            Some(end) => timestamp(end) + remedy(end),
        };
        body += &format!("token certificate ends: {ends}\n");
    }
    text(PLAIN, body)
}

/// The counters as Prometheus reads them.
pub(super) fn metrics(judge: &Judge) -> Response<BoxBody> {
    judge.measure();
    text(OPEN_METRICS, judge.metrics().text())
}

/// What to do about a certificate that ends then.
fn remedy(end: SystemTime) -> &'static str {
    match end.duration_since(SystemTime::now()).unwrap_or_default() {
        Duration::ZERO => " (it ended: make a new one with 'htgate token init FOLDER')",
        left if left < CERTIFICATE_NOTICE => {
            " (soon: make a new one with 'htgate token init FOLDER')"
        }
        _ => "",
    }
}

fn text(content_type: HeaderValue, body: String) -> Response<BoxBody> {
    let mut response = Response::with_body(StatusCode::OK, BoxBody::new(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// RFC 3339, in UTC, to the second.
fn timestamp(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "unknown".to_owned(), |time| format!("{time:.0}"))
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
