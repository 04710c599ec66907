//! Which header fields are read, by what stands before htgate. Each front has one row; what only
//! another row would read is not looked at, because there it may be the client's own.

use actix_http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN, USER_AGENT};

use crate::request::{BodyType, Field, Front, Request};

/// The header fields that one front sets from its own variables.
struct Row {
    method: HeaderName,
    uri: HeaderName,
    content_type: TypeField,
    server: Option<HeaderName>,
    address: Option<HeaderName>,
}

/// Where the type of a body is read.
enum TypeField {
    /// A field that is always set: the client's type, or [`NO_TYPE`]. Without it the type is unknown.
    Set(HeaderName),
    /// The client's own field, passed on unchanged. Without it there is no type.
    Passed(HeaderName),
}

static NGINX: Row = Row {
    method: X_ORIGINAL_METHOD,
    uri: X_ORIGINAL_URI,
    content_type: TypeField::Set(name("x-original-content-type")),
    server: Some(name("x-original-server")),
    address: Some(X_REAL_IP),
};

/// The location that the controller writes passes all of the client's headers on and overwrites
/// these, with `auth-method` the URI as well.
static INGRESS_NGINX: Row = Row {
    method: X_ORIGINAL_METHOD,
    uri: X_ORIGINAL_URI,
    content_type: TypeField::Passed(CONTENT_TYPE),
    server: None,
    address: Some(X_REAL_IP),
};

static GATEWAY_FABRIC: Row = Row {
    method: name("method"),
    uri: name("path"),
    content_type: TypeField::Passed(CONTENT_TYPE),
    server: None,
    address: None,
};

/// What a front passes on of a request. `X-Request-ID` is read from each: it is only for the log.
pub(super) fn read_request(front: Front, headers: &HeaderMap) -> Request<'_> {
    let row = match front {
        Front::Nginx => &NGINX,
        Front::IngressNginx => &INGRESS_NGINX,
        Front::GatewayFabric => &GATEWAY_FABRIC,
    };
    let optional = |name: &Option<HeaderName>| match name {
        Some(name) => field(headers, name),
        None => Field::Absent,
    };
    Request {
        authorization: field(headers, &AUTHORIZATION),
        user_agent: field(headers, &USER_AGENT),
        method: field(headers, &row.method),
        uri: field(headers, &row.uri),
        content_type: row.content_type.read(headers),
        server: optional(&row.server),
        real_ip: optional(&row.address),
        id: field(headers, &X_REQUEST_ID),
        drops_mounts: false,
    }
}

/// Whether a page of another site, or of nobody knows which, makes a browser send this. Pages can send
/// forms without asking first; clients of registries send neither field.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let from = field(headers, &SEC_FETCH_SITE);
    let is_own = matches!(from, Field::Absent | Field::One(b"none" | b"same-origin"));
    headers.contains_key(ORIGIN) || !is_own
}

impl TypeField {
    fn read<'a>(&self, headers: &'a HeaderMap) -> BodyType<'a> {
        match self {
            Self::Set(name) => match field(headers, name) {
                Field::One(NO_TYPE) => BodyType::None,
                // nginx sends no empty fields.
                Field::One(b"") | Field::Absent | Field::Repeated => BodyType::Unknown,
                Field::One(text) => BodyType::Named(text),
            },
            Self::Passed(name) => match field(headers, name) {
                Field::Absent => BodyType::None,
                Field::One(text) => BodyType::Named(text),
                Field::Repeated => BodyType::Unknown,
            },
        }
    }
}

fn field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Field<'a> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::One(value.as_bytes()),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

const X_ORIGINAL_METHOD: HeaderName = name("x-original-method");
const X_ORIGINAL_URI: HeaderName = name("x-original-uri");
const X_REAL_IP: HeaderName = name("x-real-ip");
/// W3C, "Fetch Metadata Request Headers".
static SEC_FETCH_SITE: HeaderName = name("sec-fetch-site");
static X_REQUEST_ID: HeaderName = name("x-request-id");
/// What the shipped files send where the client sent no type.
const NO_TYPE: &[u8] = b"none";

const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

#[cfg(test)]
mod tests {
    use actix_http::header::HeaderValue;

    use super::*;

    /// What a front is told: method, URI, type, server, address.
    type Seen<'a> = (Field<'a>, Field<'a>, BodyType<'a>, Field<'a>, Field<'a>);

    fn seen(front: Front, headers: &HeaderMap) -> Seen<'_> {
        let request = read_request(front, headers);
        (
            request.method,
            request.uri,
            request.content_type,
            request.server,
            request.real_ip,
        )
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let (name, value) = (HeaderName::from_static(name), *value);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    /// Every field of every row.
    const ALL: [&str; 9] = [
        "x-original-method",
        "x-original-uri",
        "x-original-content-type",
        "x-original-server",
        "x-real-ip",
        "x-original-url",
        "method",
        "path",
        "content-type",
    ];

    #[test]
    fn each_front_has_its_own_fields_and_is_blind_to_the_others() {
        let one = |text: &'static str| Field::One(text.as_bytes());
        let named = |text: &'static str| BodyType::Named(text.as_bytes());
        let rows = [
            (
                Front::Nginx,
                &ALL[..5],
                (
                    one("x-original-method"),
                    one("x-original-uri"),
                    named("x-original-content-type"),
                    one("x-original-server"),
                    one("x-real-ip"),
                ),
                BodyType::Unknown,
            ),
            (
                Front::IngressNginx,
                &[
                    "x-original-method",
                    "x-original-uri",
                    "content-type",
                    "x-real-ip",
                ],
                (
                    one("x-original-method"),
                    one("x-original-uri"),
                    named("content-type"),
                    Field::Absent,
                    one("x-real-ip"),
                ),
                BodyType::None,
            ),
            (
                Front::GatewayFabric,
                &["method", "path", "content-type"],
                (
                    one("method"),
                    one("path"),
                    named("content-type"),
                    Field::Absent,
                    Field::Absent,
                ),
                BodyType::None,
            ),
        ];
        for (front, own, expected, without_type) in rows {
            let name = format!("{front:?}");
            // Each field has its own name as its value; the others are decoys, doubled ones too.
            let whole = ALL.map(|field| (field, field));
            assert_eq!(seen(front, &headers(&whole)), expected, "{name}");
            let is_own = |field: &str| own.contains(&field);
            let decoys = whole.iter().filter(|(field, _)| !is_own(field));
            let decoys: Vec<_> = decoys.copied().collect();
            let doubled = [&whole[..], &decoys].concat();
            assert_eq!(seen(front, &headers(&doubled)), expected, "{name}");
            let nothing = (
                Field::Absent,
                Field::Absent,
                without_type,
                Field::Absent,
                Field::Absent,
            );
            assert_eq!(seen(front, &headers(&decoys)), nothing, "{name}");
            // One that is doubled is never taken.
            let own: Vec<_> = own.iter().map(|field| (*field, *field)).collect();
            let twice = headers(&[&own[..], &own].concat());
            let twice = seen(front, &twice);
            assert_eq!((twice.0, twice.1), (Field::Repeated, Field::Repeated));
            assert_eq!(twice.2, BodyType::Unknown, "{name}");
        }
    }

    #[test]
    fn pages_of_other_sites() {
        const SITE: &str = "sec-fetch-site";
        let rows: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[(SITE, "none")], false),
            (&[(SITE, "same-origin")], false),
            (&[(SITE, "same-site")], true),
            (&[(SITE, "cross-site")], true),
            (&[(SITE, "")], true),
            (&[(SITE, "none"), (SITE, "none")], true),
            (&[("origin", "https://evil.example")], true),
            (&[("origin", "null"), (SITE, "same-origin")], true),
        ];
        for (fields, expected) in rows {
            assert_eq!(is_cross_site(&headers(fields)), *expected, "{fields:?}");
        }
    }

    #[test]
    fn types_of_bodies() {
        let named = |text: &'static str| BodyType::Named(text.as_bytes());
        let (unknown, none) = (BodyType::Unknown, BodyType::None);
        let rows = [
            (Front::Nginx, None, unknown),
            (Front::Nginx, Some("none"), none),
            (Front::Nginx, Some(""), unknown),
            (Front::Nginx, Some("None"), named("None")),
            (Front::Nginx, Some("text/plain"), named("text/plain")),
            (Front::IngressNginx, None, none),
            (Front::IngressNginx, Some("none"), named("none")),
            (Front::IngressNginx, Some(""), named("")),
            (Front::GatewayFabric, None, none),
            (Front::GatewayFabric, Some("a/b"), named("a/b")),
        ];
        for (front, sent, expected) in rows {
            let name = match front {
                Front::Nginx => "x-original-content-type",
                Front::IngressNginx | Front::GatewayFabric => "content-type",
            };
            let fields: Vec<_> = sent.iter().map(|value| (name, *value)).collect();
            let headers = headers(&fields);
            let seen = read_request(front, &headers).content_type;
            assert_eq!(seen, expected, "{front:?} {sent:?}");
        }
    }
}
