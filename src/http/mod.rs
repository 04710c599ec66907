//! HTTP: header fields in, status and header fields out. The only room that names `actix_http`.

mod auth;
mod server;
mod status;
mod unix_stream;

use std::convert::Infallible;
use std::sync::Arc;

use actix_http::body::BoxBody;
use actix_http::header::{CACHE_CONTROL, HeaderValue};
use actix_http::{HttpMessage as _, Method, Request, Response, StatusCode};

pub use self::auth::{BadRealm, Realm};
pub use self::server::serve;
use crate::audit::Audit;
use crate::judge::Judge;

/// What every request needs. Clones share it.
#[derive(Clone)]
pub struct Gate {
    /// Decides.
    pub judge: Arc<Judge>,
    /// Reports refusals.
    pub audit: Audit,
    /// What the challenge says.
    pub realm: Realm,
}

/// The routes of the service.
async fn route(request: Request, gate: Gate) -> Result<Response<BoxBody>, Infallible> {
    let response = match (request.path(), request.method()) {
        ("/auth", _) => auth::auth(request.headers(), &gate).await,
        ("/healthz", &Method::GET) => status::healthz(),
        ("/readyz", &Method::GET) => status::readyz(&gate.judge),
        ("/metrics", &Method::GET) => status::metrics(&gate.judge),
        _ => Response::new(StatusCode::NOT_FOUND),
    };
    Ok(never_stored(response))
}

fn never_stored(mut response: Response<BoxBody>) -> Response<BoxBody> {
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// On every answer: an nginx `proxy_cache` over one would let an anonymous request pass after an
/// authorised one.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
