//! The grammar of what stands in a registry's paths, as distribution's routes have it: names of
//! repositories, tags, digests and uploads. All of it is ASCII.

/// In bytes; a registry refuses longer ones.
pub(super) const LONGEST_REPOSITORY: usize = 255;

/// A repository: components between slashes, the first of which may be a host with a port.
pub(crate) fn is_repository(name: &str) -> bool {
    if name.len() > LONGEST_REPOSITORY {
        return false;
    }
    let mut components = name.split('/');
    let first = components.next().unwrap_or_default();
    let mut rest = components.peekable();
    let first_fits = is_component(first) || (rest.peek().is_some() && is_host(first));
    first_fits && rest.all(is_component)
}

/// One component: lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
pub(super) fn is_component(text: &str) -> bool {
    let mut rest = text;
    loop {
        let letters =
            rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if letters.len() == rest.len() {
            return false;
        }
        if letters.is_empty() {
            return true;
        }
        rest = letters.trim_start_matches(['.', '_', '-']);
        let separator = letters.strip_suffix(rest).unwrap_or_default();
        let dashes = !separator.is_empty() && separator.bytes().all(|byte| byte == b'-');
        if !dashes && !matches!(separator, "." | "_" | "__") {
            return false;
        }
    }
}

/// The first component of a longer name may be a host, in either case, with a port or without.
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

/// A tag or a digest.
pub(super) fn is_reference(text: &str) -> bool {
    is_tag(text) || is_digest(text)
}

/// An algorithm, a colon, and what it computed.
pub(super) fn is_digest(text: &str) -> bool {
    let Some((algorithm, encoded)) = text.split_once(':') else {
        return false;
    };
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(fits)
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte);
    algorithm.split(['.', '+', '_', '-']).all(is_part)
        && !encoded.is_empty()
        && encoded.bytes().all(fits)
}

/// The handle of an upload that has begun.
pub(super) fn is_upload(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte))
}

const LONGEST_TAG: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grammar: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(grammar(text), "{text:?}");
        }
        for text in bad {
            assert!(!grammar(text), "{text:?}");
        }
    }

    #[test]
    fn repositories() {
        let long = format!("a/{}", "b".repeat(253));
        let too_long = format!("{long}b");
        check(
            is_repository,
            &[
                "a",
                "a/b",
                "team/app-1",
                "a.b/c_d/e__f/g---h",
                "0/1",
                "tags/list",
                "blobs/uploads",
                "localhost:5000/a",
                "Host.example:5000/a/b",
                "HOST/a",
                "a-b.c/d",
                &long,
            ],
            &[
                "",
                "/",
                "a/",
                "/a",
                "a//b",
                "A",
                "a/B",
                "Host.example",
                "localhost:5000",
                "a/b:1",
                "-a",
                "a-",
                "a..b",
                "a___b",
                "a._b",
                "_catalog",
                "a/_b",
                "h:/a",
                "h:x/a",
                "-h/a",
                "a b",
                "ü",
                "a%2fb",
                "[::1]:5000/a",
                &too_long,
            ],
        );
    }

    #[test]
    fn references() {
        let tag = "t".repeat(128);
        let too_long = "t".repeat(129);
        check(
            is_reference,
            &[
                "1",
                "latest",
                "_x",
                "V1.0-rc",
                &tag,
                "sha256:ab",
                "sha512+b64u:aZ_-=",
            ],
            &[
                "",
                ".x",
                "-x",
                "a:",
                ":a",
                "a/b",
                "a+b",
                "sha256:a:b",
                "SHA256:ab",
                "a b",
                &too_long,
            ],
        );
        check(is_digest, &["sha256:ab"], &["latest", "sha256", "sha256:"]);
        check(is_upload, &["0-A_b.c=", "list"], &["", "a:b", "a/b", "a+b"]);
    }
}
