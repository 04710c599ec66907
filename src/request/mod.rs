//! What nginx tells us of the request to judge: header fields as bytes, each absent, present
//! once, or repeated. No meaning is read into them here.

pub mod client;
pub mod credentials;
pub(crate) mod percent;

use clap::ValueEnum;
use serde::Deserialize;

/// What stands before htgate. It decides which header fields are read: those that this front sets
/// from its own variables, and no others, because a client could send those itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Front {
    /// nginx with the shipped files.
    #[default]
    Nginx,
    /// The ingress-nginx controller of Kubernetes.
    IngressNginx,
    /// NGINX Gateway Fabric.
    GatewayFabric,
}

/// One header field of the subrequest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<'a> {
    /// The field is not there.
    #[default]
    Absent,
    /// The field is there once, with this value.
    One(&'a [u8]),
    /// The field is there more than once: nobody can say which one the application will read.
    Repeated,
}

/// The type of the body that the application will read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType<'a> {
    /// Nobody says what it is, or two fields do.
    #[default]
    Unknown,
    /// The client sent none.
    None,
    /// The client sent this one.
    Named(&'a [u8]),
}

/// The header fields of a subrequest, all set by nginx from its own variables. The names are those
/// of the default [`Front`].
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// `Authorization`, as the client sent it.
    pub authorization: Field<'a>,
    /// `User-Agent`, as the client sent it.
    pub user_agent: Field<'a>,
    /// `X-Original-Method`: nginx's `$request_method`.
    pub method: Field<'a>,
    /// `X-Original-URI`: nginx's `$request_uri`.
    pub uri: Field<'a>,
    /// `X-Original-Content-Type`: nginx's `$http_content_type`, or `none`.
    pub content_type: BodyType<'a>,
    /// `X-Original-Server`: nginx's `$server_name`: not what the client sent, but the
    /// first name in the block that answers. nginx keeps it in lower case, without a dot at the
    /// beginning; a wildcard, a regular expression and `_` stand there as they are written. It is
    /// empty where a block has no name, and then nginx sends no field.
    pub server: Field<'a>,
    /// `X-Real-IP`: nginx's `$remote_addr`.
    pub real_ip: Field<'a>,
    /// `X-Request-ID`: nginx's `$request_id`, for the log.
    pub id: Field<'a>,
    /// Whether nginx can leave the query of an upload out: it asks `/auth?mounts=drop` then.
    pub drops_mounts: bool,
}

impl<'a> Request<'a> {
    /// The server's name, where it has one that can be compared.
    pub fn server_name(&self) -> Option<&'a str> {
        match self.server {
            Field::One(name) if !name.is_empty() => std::str::from_utf8(name).ok(),
            Field::One(_) | Field::Absent | Field::Repeated => None,
        }
    }

    /// Whether `X-Original-Method` and `X-Original-URI`, where present, are single and well formed,
    /// and `X-Original-Server` is not doubled.
    ///
    /// A method is a token (RFC 9110, section 9.1). A request target has no blanks or control
    /// bytes, and begins like one of the forms of RFC 9112, section 3.2.
    pub fn original_is_clean(&self) -> bool {
        let method = match self.method {
            Field::Absent => true,
            Field::One(method) => !method.is_empty() && method.iter().copied().all(is_token_byte),
            Field::Repeated => false,
        };
        let uri = match self.uri {
            Field::Absent => true,
            Field::One(uri) => is_target(uri),
            Field::Repeated => false,
        };
        method && uri && self.server != Field::Repeated
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_target(uri: &[u8]) -> bool {
    let form = uri == b"*"
        || uri.starts_with(b"/")
        || uri.starts_with(b"http://")
        || uri.starts_with(b"https://");
    form && uri.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn originals() {
        let rows: &[(Field<'_>, Field<'_>, bool)] = &[
            (Field::Absent, Field::Absent, true),
            (Field::One(b"GET"), Field::One(b"/v2/"), true),
            (Field::One(b"M-SEARCH"), Field::One(b"*"), true),
            (Field::One(b"GET"), Field::One(b"http://h/v2/"), true),
            (Field::One(b"GET"), Field::One(b"/caf\xc3\xa9"), true),
            (Field::Repeated, Field::One(b"/"), false),
            (Field::One(b"GET"), Field::Repeated, false),
            (Field::One(b"G ET"), Field::One(b"/"), false),
            (Field::One(b""), Field::One(b"/"), false),
            (Field::One(b"GET"), Field::One(b""), false),
            (Field::One(b"GET"), Field::One(b"v2/"), false),
            (Field::One(b"GET"), Field::One(b"/a b"), false),
            (Field::One(b"GET"), Field::One(b"/a\tb"), false),
        ];
        for (method, uri, clean) in rows {
            let request = Request {
                method: *method,
                uri: *uri,
                ..Request::default()
            };
            assert_eq!(request.original_is_clean(), *clean, "{method:?} {uri:?}");
        }
    }

    #[test]
    fn servers() {
        let rows: &[(Field<'_>, Option<&str>, bool)] = &[
            (Field::Absent, None, true),
            (Field::One(b""), None, true),
            (Field::One(b"\xff.example"), None, true),
            (Field::One(b"docs.example"), Some("docs.example"), true),
            (Field::One(b"_"), Some("_"), true),
            (Field::Repeated, None, false),
        ];
        for (server, name, clean) in rows {
            let request = Request {
                server: *server,
                ..Request::default()
            };
            let seen = (request.server_name(), request.original_is_clean());
            assert_eq!(seen, (*name, *clean), "{server:?}");
        }
    }

    #[test]
    fn fronts_are_called_the_same_everywhere() {
        let names = ["nginx", "ingress-nginx", "gateway-fabric"];
        assert_eq!(Front::value_variants().len(), names.len());
        for (front, name) in Front::value_variants().iter().zip(names) {
            assert_eq!(Front::from_str(name, false), Ok(*front));
            let in_json = format!("\"{name}\"");
            assert_eq!(serde_json::from_str::<Front>(&in_json).unwrap(), *front);
        }
    }
}
