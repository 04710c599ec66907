//! HTTP: header fields in, status and header fields out. The only module that names `actix_http`.

mod auth;
mod front;
mod server;
mod status;
mod token;
mod unix_stream;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::body::BoxBody;
use actix_http::header::{CACHE_CONTROL, HeaderValue};
use actix_http::{HttpMessage as _, Method, Request, Response, StatusCode};

pub(crate) use self::auth::Realm;
pub(crate) use self::server::{most_connections, open_files_for, serve};
use crate::judge::Judge;
use crate::observe::audit::Audit;
use crate::request::Front;

/// What every request needs. Clones share it.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Decides whether a request is allowed.
    pub judge: Arc<Judge>,
    /// Reports refusals.
    pub audit: Audit,
    /// The kind of nginx in front, which decides which header fields are read.
    pub front: Front,
    /// The challenge of every 401.
    pub realm: Realm,
    /// The token endpoint, if there is one.
    pub tokens: Option<TokenEndpoint>,
}

/// The token endpoint.
#[derive(Clone)]
pub(crate) struct TokenEndpoint {
    /// The path of the endpoint.
    pub path: String,
    /// The registry's `service`.
    pub service: String,
}

/// The routes of the service. Each worker has a gate of its own, so that a request counts no
/// reference that another thread counts as well.
async fn route(request: Request, gate: Rc<Gate>) -> Result<Response<BoxBody>, Infallible> {
    let mut forgotten = Forgotten(request);
    let request = &mut forgotten.0;
    let mut response = match (request.path(), request.method()) {
        ("/auth", _) => {
            let query = request.uri().query();
            auth::auth(request.headers(), query, &gate).await
        }
        ("/healthz", &Method::GET) => status::healthz(),
        ("/readyz", &Method::GET) => status::readyz(&gate.judge),
        ("/metrics", &Method::GET) => status::metrics(&gate.judge),
        (path, &Method::GET | &Method::POST) => match &gate.tokens {
            Some(tokens) if tokens.path == path => {
                token::token(request, &tokens.service, &gate).await
            }
            _ => Response::new(StatusCode::NOT_FOUND),
        },
        _ => Response::new(StatusCode::NOT_FOUND),
    };
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(response)
}

/// A request whose header fields are gone when it has been answered, or its client has hung up. The
/// HTTP library keeps requests for reuse as they are, with the passwords in them.
struct Forgotten(Request);

impl Drop for Forgotten {
    fn drop(&mut self) {
        self.0.headers_mut().clear();
    }
}

/// On every answer: an nginx `proxy_cache` over one would let an anonymous request pass after an
/// authorised one.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
