//! What nginx tells us of the request to judge: header fields as bytes, each absent, present
//! once, or repeated. No meaning is read into them here.

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

/// The header fields of a subrequest, all set by nginx from its own variables.
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
    /// `X-Real-IP`: nginx's `$remote_addr`.
    pub real_ip: Field<'a>,
    /// `X-Request-ID`: nginx's `$request_id`, for the log.
    pub id: Field<'a>,
}

impl Request<'_> {
    /// Whether `X-Original-Method` and `X-Original-URI`, where present, are single and well formed.
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
        method && uri
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
}
