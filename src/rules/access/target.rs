//! The request target as nginx received it, to the path and the query that the application will
//! understand. nginx finds its location by a path that it has decoded and tidied, but forwards
//! the one that the client wrote. So what two readers could read in two ways is refused.

use std::borrow::Cow;

use super::Unclear;
use crate::request::percent::decode;

/// A path that is read only one way, and the query as it came.
pub(super) struct Target<'a> {
    pub(super) path: Cow<'a, str>,
    pub(super) query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Decodes the path once.
    pub(super) fn clean(target: &'a [u8]) -> Result<Self, Unclear> {
        let mut parts = target.splitn(2, |byte| *byte == b'?');
        let path = parts.next().unwrap_or_default();
        // nginx strips scheme and host from a target in absolute form.
        if !path.starts_with(b"/") {
            return Err(Unclear::Path("it does not begin with '/'"));
        }
        if path.contains(&b'#') {
            return Err(Unclear::Path("it has a '#'"));
        }
        let path = match decode(path, false).ok_or(Unclear::Path("it has a broken escape"))? {
            Cow::Borrowed(path) => std::str::from_utf8(path).map(Cow::Borrowed),
            Cow::Owned(path) => String::from_utf8(path)
                .map(Cow::Owned)
                .map_err(|error| error.utf8_error()),
        };
        let path = path.map_err(|_| Unclear::Path("it is not UTF-8"))?;
        check(&path)?;
        Ok(Self {
            path,
            query: parts.next(),
        })
    }
}

fn check(path: &str) -> Result<(), Unclear> {
    let is_trouble = |byte: u8| matches!(byte, b'%' | b'#' | b'\\') || byte.is_ascii_control();
    if path.bytes().any(is_trouble) || (!path.is_ascii() && path.contains(char::is_control)) {
        return Err(Unclear::Path(
            "after decoding it still has a '%', '#', backslash or control character",
        ));
    }
    let inside = path.strip_prefix('/').unwrap_or(path);
    // A last segment may be empty: the path of a folder.
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let mut segments = inside.as_bytes().split(|byte| *byte == b'/');
    if !inside.is_empty() && segments.any(is_doubtful) || path == "//" {
        return Err(Unclear::Path("it has an empty segment, '.' or '..'"));
    }
    Ok(())
}

/// Some servers cut parameters off before they look for dots.
fn is_doubtful(segment: &[u8]) -> bool {
    match segment {
        [] | [b';', ..] => true,
        [b'.', ..] => {
            let name = segment.split(|byte| *byte == b';').next();
            matches!(name, Some(b"." | b".."))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clean_paths_are_decoded_once() {
        let rows: &[(&str, &str, Option<&str>)] = &[
            ("/", "/", None),
            ("/v2/?n=1?", "/v2/", Some("n=1?")),
            (
                "/v2/a%2Fb/blobs/sha256%3aff",
                "/v2/a/b/blobs/sha256:ff",
                None,
            ),
            ("/a+b/%2B%20;v=1?", "/a+b/+ ;v=1", Some("")),
            ("/caf%C3%A9/%3F", "/café/?", None),
            ("/.a/..b/...", "/.a/..b/...", None),
        ];
        for (target, path, query) in rows {
            let clean = Target::clean(target.as_bytes()).ok().unwrap();
            assert_eq!(clean.path, *path);
            assert_eq!(clean.query, query.map(str::as_bytes));
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let rows: &[&[u8]] = &[
            b"",
            b"*",
            b"v2/",
            b"http://h/v2/",
            b"?x=/v2/",
            b"//",
            b"/a//b",
            b"/./a",
            b"/a/..",
            b"/a/../b",
            b"/a/.",
            b"/%2e%2e/a",
            b"/a%2f%2fb",
            b"/a/..%2fb",
            b"/a/..;x/b",
            b"/a/.;/b",
            b"/;x/b",
            b"/a/;",
            b"/a%252fb",
            b"/100%25",
            b"/a\\b",
            b"/a%5cb",
            b"/a%00",
            b"/a%0ab",
            b"/a%7f",
            b"/a#b",
            b"/a#?b",
            b"/a%23b",
            b"/%",
            b"/%2",
            b"/%zz",
            b"/%+1",
            b"/\xff",
            b"/%c0%ae%c0%ae/",
            b"/a%c2%85b",
        ];
        for target in rows {
            let shown = String::from_utf8_lossy(target);
            assert!(Target::clean(target).is_err(), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn a_clean_path_stays_what_it_is(target in "/[a-z0-9%/.;+#\\\\2eF]{0,40}") {
            if let Ok(clean) = Target::clean(target.as_bytes()) {
                let again = Target::clean(clean.path.as_bytes()).ok().unwrap();
                prop_assert_eq!(&again.path, &clean.path);
            }
        }
    }
}
