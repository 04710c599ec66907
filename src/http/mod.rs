//! HTTP: header fields in, status and header fields out. The only room that names `actix_web`,
//! but for the start of its runtime.

mod auth;
mod server;
mod status;
mod unix_stream;

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpResponse, web};

pub use self::auth::{BadRealm, Realm};
pub use self::server::serve;
use crate::judge::Judge;

/// The routes of the service.
fn routes(config: &mut web::ServiceConfig, judge: &Arc<Judge>, realm: &Realm) {
    config
        .app_data(web::Data::from(Arc::clone(judge)))
        .app_data(web::Data::new(realm.clone()))
        .route("/auth", web::route().to(auth::auth))
        .route("/healthz", web::get().to(status::healthz))
        .route("/readyz", web::get().to(status::readyz))
        .route("/metrics", web::get().to(status::metrics))
        .default_service(web::to(nothing_here));
}

async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound()
        .insert_header((CACHE_CONTROL, NO_STORE))
        .finish()
}

/// On every answer: an nginx `proxy_cache` over one would let an anonymous request pass after an
/// authorised one.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
