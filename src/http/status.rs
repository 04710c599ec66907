//! `/healthz`, `/readyz` and `/metrics`: for people and their tools, not for nginx.

use std::time::SystemTime;

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::{HttpResponse, web};
use jiff::Timestamp;

use super::NO_STORE;
use crate::judge::Judge;

/// The process lives and answers.
pub(super) async fn healthz() -> HttpResponse {
    text("alive\n".to_owned())
}

/// Users are loaded: how many, since when, and whether the files' newest state is in effect.
pub(super) async fn readyz(judge: web::Data<Judge>) -> HttpResponse {
    let snapshot = judge.store.read();
    let trouble = match judge.store.trouble() {
        None => "none".to_owned(),
        Some(trouble) => format!("since {}: {}", timestamp(trouble.since), trouble.what),
    };
    text(format!(
        "ready\nusers: {}\nsince: {}\nlast reload failed: {trouble}\n",
        snapshot.users().count(),
        timestamp(snapshot.since()),
    ))
}

/// The counters as Prometheus reads them.
pub(super) async fn metrics(judge: web::Data<Judge>) -> HttpResponse {
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (right, wrong) = judge.cache.sizes();
    judge.metrics.remembered_right.set(gauge(right));
    judge.metrics.remembered_wrong.set(gauge(wrong));
    judge
        .metrics
        .waiting
        .set(gauge(judge.room.waiting() as u64));
    match judge.metrics.text() {
        Ok(text) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, NO_STORE))
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

fn text(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, NO_STORE))
        .content_type(ContentType::plaintext())
        .body(body)
}

/// RFC 3339, in UTC, to the second.
fn timestamp(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| "unknown".to_owned(), |time| format!("{time:.0}"))
}
