//! A request to what the application will do with it. Under `/v2/` that is the table of a
//! registry's endpoints, read from the right, since a repository may be called `blobs` or `tags`.

use std::fmt;

use super::name::{is_digest, is_reference, is_repository, is_upload};
use super::target::Target;
use super::{Action, Unclear, registry_path};
use crate::request::percent::decode;
use crate::request::{BodyType, Field, Request};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// `/v2/` itself: clients learn there that this is a registry and that their password is good.
    Base,
    /// The names of all repositories.
    Catalog,
    /// Something with one repository.
    Repository {
        /// What to do with it.
        action: Action,
        /// Its name.
        name: &'a str,
        /// Other repositories that a blob shall be mounted from: they are pulled from.
        from: Vec<String>,
    },
    /// Outside a registry.
    Path {
        /// The method.
        method: &'a str,
        /// The decoded path, with its first slash.
        path: &'a str,
    },
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("the registry's base"),
            Self::Catalog => f.write_str("catalog"),
            Self::Repository { action, name, from } => {
                write!(f, "{action} {name}")?;
                from.iter()
                    .try_for_each(|name| write!(f, ", {} {name}", Action::Pull))
            }
            Self::Path { method, path } => write!(f, "{method} {path}"),
        }
    }
}

/// What of a request decides what it asks for.
pub struct RequestLine<'a> {
    method: &'a str,
    target: Target<'a>,
    content_type: BodyType<'a>,
}

impl<'a> RequestLine<'a> {
    /// Takes a request that can be read in one way only.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn read(request: &Request<'a>) -> Result<Self, Unclear> {
        let (Field::One(method), Field::One(uri), true) =
            (request.method, request.uri, request.original_is_clean())
        else {
            return Err(Unclear::Headers);
        };
        Ok(Self {
            method: std::str::from_utf8(method).map_err(|_| Unclear::Headers)?,
            target: Target::clean(uri)?,
            content_type: request.content_type,
        })
    }

    /// What it asks for.
    ///
    /// # Errors
    ///
    /// Under `/v2/`, that it is nothing a registry is asked for.
    pub fn operation(&self) -> Result<Operation<'_>, Unclear> {
        let path = self.target.path.as_ref();
        match registry_path(path) {
            Some(endpoint) => self.endpoint(endpoint),
            None => Ok(Operation::Path {
                method: self.method,
                path,
            }),
        }
    }

    fn endpoint<'b>(&'b self, path: &'b str) -> Result<Operation<'b>, Unclear> {
        let from = from_parameters(self.target.query.unwrap_or_default())?;
        let reads = matches!(self.method, "GET" | "HEAD");
        match path {
            "" if reads => return Ok(Operation::Base),
            "_catalog" if reads => return Ok(Operation::Catalog),
            _ => (),
        }
        let (name, place) = Place::find(path).ok_or(Unclear::Endpoint)?;
        let action = match (place, self.method) {
            (Place::Blob | Place::Manifest | Place::List, "GET" | "HEAD") => Action::Pull,
            (Place::Blob | Place::Manifest, "DELETE") => Action::Delete,
            (Place::Manifest, "PUT") | (Place::Uploads, "POST") => Action::Push,
            // To ask how far an upload is and to give it up belong to pushing.
            (Place::Upload, "GET" | "HEAD" | "PATCH" | "PUT" | "DELETE") => Action::Push,
            _ => return Err(Unclear::Endpoint),
        };
        if matches!(place, Place::Uploads | Place::Upload) && may_be_form(self.content_type) {
            return Err(Unclear::Form);
        }
        if !is_repository(name) {
            return Err(Unclear::Endpoint);
        }
        let from = if matches!(place, Place::Uploads) {
            from
        } else {
            Vec::new()
        };
        Ok(Operation::Repository { action, name, from })
    }
}

#[derive(Clone, Copy)]
enum Place {
    Blob,
    Manifest,
    /// Tags or referrers.
    List,
    Uploads,
    Upload,
}

impl Place {
    fn find(path: &str) -> Option<(&str, Self)> {
        let (before, last) = path.rsplit_once('/')?;
        let (name, kind) = before.rsplit_once('/')?;
        match (kind, last) {
            ("tags", "list") => Some((name, Self::List)),
            ("manifests", reference) if is_reference(reference) => Some((name, Self::Manifest)),
            ("referrers", digest) if is_digest(digest) => Some((name, Self::List)),
            ("blobs", digest) if is_digest(digest) => Some((name, Self::Blob)),
            // The registry redirects this to the path with a slash.
            ("blobs", "uploads") => Some((name, Self::Uploads)),
            ("uploads", "") => Some((name.strip_suffix("/blobs")?, Self::Uploads)),
            ("uploads", upload) if is_upload(upload) => {
                Some((name.strip_suffix("/blobs")?, Self::Upload))
            }
            _ => None,
        }
    }
}

/// The values of every `from`, each a repository. A registry in Go takes the first, and leaves
/// out a pair with a `;` or a broken escape: a query that has one is refused whole.
fn from_parameters(query: &[u8]) -> Result<Vec<String>, Unclear> {
    let mut found = Vec::new();
    if query.is_empty() {
        return Ok(found);
    }
    if query
        .iter()
        .any(|byte| !byte.is_ascii() || b";#".contains(byte))
    {
        return Err(Unclear::Query);
    }
    for pair in query.split(|byte| *byte == b'&') {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let mut part = || decode(parts.next().unwrap_or_default(), true).ok_or(Unclear::Query);
        let (key, value) = (part()?, part()?);
        if key.as_ref() == b"from" {
            let name = std::str::from_utf8(&value).ok();
            let name = name.filter(|name| is_repository(name));
            found.push(name.ok_or(Unclear::From)?.to_owned());
        }
    }
    Ok(found)
}

/// A registry also takes parameters from a form in the body, and nginx does not show us bodies.
/// What is not certainly of another type may be one: Go lower-cases more than ASCII letters, and
/// takes the first of many fields, which newer versions of nginx join with commas.
fn may_be_form(content_type: BodyType<'_>) -> bool {
    let text = match content_type {
        BodyType::None => return false,
        BodyType::Named(text) => text,
        BodyType::Unknown => return true,
    };
    let kind = text.split(|byte| *byte == b';').next().unwrap_or_default();
    let kind = kind.trim_ascii().to_ascii_lowercase();
    !text.is_ascii()
        || text.contains(&b',')
        || kind == b"application/x-www-form-urlencoded"
        || kind.starts_with(b"multipart/")
}

#[cfg(test)]
mod tests;
