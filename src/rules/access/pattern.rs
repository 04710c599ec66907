//! Patterns over components between slashes: `*` is one component, `**` any number of them, at
//! the end at least one. `//SERVER/` before it is the one server where it holds. What can never
//! match is an error.

use super::name::{LONGEST_REPOSITORY, is_component, is_host};
use super::registry_path;
use super::target::Target;

/// A pattern for repositories, or for paths without their first slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The only server where it holds, if it names one.
    server: Option<Box<str>>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This component.
    Literal(Box<str>),
    /// `*`: one component, whichever.
    One,
    /// `**`: any number of components.
    Deep,
}

impl Pattern {
    /// A pattern over the names of repositories.
    pub(super) fn repository(text: &str) -> Result<Self, &'static str> {
        let (server, text) = split_server(text)?;
        let pieces = split(text)?;
        let mut longest = 0;
        for (number, piece) in pieces.iter().enumerate() {
            longest += 1;
            let Piece::Literal(component) = piece else {
                continue;
            };
            longest += component.len();
            let is_first = pieces
                .iter()
                .take(number)
                .all(|piece| *piece == Piece::Deep);
            let is_last = number + 1 == pieces.len();
            let may_be_host = is_first && !is_last;
            let fits = is_component(component) || (may_be_host && is_host(component));
            if !fits {
                return Err(NO_NAME);
            }
        }
        if longest > LONGEST_REPOSITORY + 1 {
            return Err(NO_NAME);
        }
        Ok(Self { server, pieces })
    }

    /// A pattern over decoded paths.
    pub(super) fn path(text: &str) -> Result<Self, &'static str> {
        let (server, text) = match split_server(text)? {
            // The slash after the server is the path's first.
            (Some(server), relative) => (Some(server), format!("/{relative}")),
            (None, text) => (None, text.to_owned()),
        };
        let relative = text.strip_prefix('/').ok_or(NO_SLASH)?;
        // Escaped, so that only what stays as it is when it is decoded can be a pattern.
        let escaped: String = text
            .chars()
            .map(|c| {
                if c == '?' {
                    "%3F".to_owned()
                } else {
                    c.to_string()
                }
            })
            .collect();
        let is_clean = Target::clean(escaped.as_bytes()).is_ok();
        if !is_clean || text.contains('%') {
            return Err(UNCLEAN);
        }
        if registry_path(&text).is_some() {
            return Err(REGISTRY);
        }
        let pieces = split(relative)?;
        Ok(Self { server, pieces })
    }

    /// Whether it is `**`, on every server.
    pub(super) fn is_everything(&self) -> bool {
        self.server.is_none() && self.pieces == [Piece::Deep]
    }

    /// The only server where it holds, if it names one.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether this one matches whatever the other one matches, wherever that holds. Says no where
    /// it cannot tell.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let holds_there = self.server.is_none() || self.server == other.server;
        holds_there && covers(&self.pieces, &other.pieces)
    }
}

/// Takes `//SERVER/` from the beginning of a pattern. nginx lower-cases the names in a
/// `server_name`, except regular expressions, and drops a dot at the beginning of the first.
fn split_server(text: &str) -> Result<(Option<Box<str>>, &str), &'static str> {
    let Some(text) = text.strip_prefix("//") else {
        return Ok((None, text));
    };
    let (server, rest) = text.split_once('/').ok_or(SERVER)?;
    let is_unlike_nginx = |c: char| {
        c.is_ascii_uppercase() || c.is_whitespace() || c.is_control() || "*;{}\"'\\".contains(c)
    };
    // A wildcard is the first or the last label (ngx_http_core_server_name).
    let name = server
        .strip_prefix("*.")
        .or_else(|| server.strip_suffix(".*"));
    let name = name.unwrap_or(server);
    let fits = match server.strip_prefix('~') {
        Some(expression) => !expression.is_empty() && !expression.contains(char::is_control),
        None => !name.is_empty() && !name.starts_with('.') && !name.contains(is_unlike_nginx),
    };
    if !fits {
        return Err(SERVER);
    }
    Ok((Some(server.into()), rest))
}

fn split(text: &str) -> Result<Vec<Piece>, &'static str> {
    text.split('/')
        .map(|component| match component {
            "*" => Ok(Piece::One),
            "**" => Ok(Piece::Deep),
            _ if component.contains('*') => Err(STAR),
            _ => Ok(Piece::Literal(component.into())),
        })
        .collect()
}

fn covers(ours: &[Piece], theirs: &[Piece]) -> bool {
    match (ours, theirs) {
        ([], []) => true,
        ([Piece::Deep], _) => !theirs.is_empty(),
        ([Piece::Deep, rest @ ..], _) if covers(rest, theirs) => true,
        ([Piece::Deep, ..], [_, after @ ..]) => covers(ours, after),
        ([Piece::One, rest @ ..], [Piece::One, after @ ..]) => covers(rest, after),
        ([Piece::One, rest @ ..], [Piece::Literal(text), after @ ..]) => {
            !text.is_empty() && covers(rest, after)
        }
        ([Piece::Literal(a), rest @ ..], [Piece::Literal(b), after @ ..]) => {
            a == b && covers(rest, after)
        }
        _ => false,
    }
}

// Why a pattern can never match, and what to write instead.
const STAR: &str = "a star is a whole component: write 'team/*' or 'team/**'";
const NO_NAME: &str = "no repository has such a name: lower-case letters and digits, with '.', '_' or \
                       '-' between them, '/' between components, no tag and no slash at either end";
const NO_SLASH: &str = "a path begins with '/'";
const UNCLEAN: &str = "no such path is allowed through: write it decoded, without '%', '#', \
                       backslash, empty segments, '.' or '..'";
const REGISTRY: &str = "what is under /v2/ is the registry's: use 'repositories' and 'actions'";
const SERVER: &str = "after '//' comes the first server_name of nginx's block, in lower case and \
                      without a leading dot, and then '/': '//docs.example/docs/**'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_can_match() {
        for text in [
            "a",
            "team/app",
            "*",
            "**",
            "team/*",
            "team/**",
            "**/cache",
            "a/**/b",
            "*/*/x",
            "Host.example:5000/*",
            "**/HOST/a",
            "a/**/**",
            "//registry.example/team/**",
            "//registry.example/**",
            "//_/a",
            "//*.example.com/a",
            "//www.example.*/a",
            "//~^Registry[0-9]+\\.example$/a",
            "//a:5000/x",
        ] {
            assert!(Pattern::repository(text).is_ok(), "{text}");
        }
        for text in [
            "/",
            "/*",
            "/**",
            "/docs/",
            "/docs/**",
            "/a b/ü",
            "/what?",
            "/v3",
            "/v2x/**",
            "/**/v2/",
            "//docs.example/",
            "//docs.example/**",
            "//docs.example/docs/",
            "//bücher.example/a",
        ] {
            assert!(Pattern::path(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn patterns_that_cannot() {
        let long = format!("a/{}", "b".repeat(254));
        let rows = [
            ("", NO_NAME),
            ("/a", NO_NAME),
            ("a/", NO_NAME),
            ("a//b", NO_NAME),
            ("Team/App", NO_NAME),
            ("team/App", NO_NAME),
            ("a:1", NO_NAME),
            ("a/b:1", NO_NAME),
            ("HOST", NO_NAME),
            ("-a", NO_NAME),
            ("a/../b", NO_NAME),
            ("*/HOST/a", NO_NAME),
            ("%61", NO_NAME),
            ("a b", NO_NAME),
            (&long, NO_NAME),
            ("team-*", STAR),
            ("***", STAR),
            ("a/**b", STAR),
            ("//registry.example/", NO_NAME),
            ("//registry.example//a", NO_NAME),
            ("//registry.example/Team/App", NO_NAME),
            ("//registry.example/team-*", STAR),
            ("//registry.example", SERVER),
            ("///team/app", SERVER),
            ("//Registry.example/team/app", SERVER),
            ("//.example.com/team/app", SERVER),
            ("//registry example/team/app", SERVER),
            ("//registry.example\n/team/app", SERVER),
            ("//~/team/app", SERVER),
            ("//*/team/app", SERVER),
            ("//**/team/app", SERVER),
            ("//a.*.b/team/app", SERVER),
            ("//*./team/app", SERVER),
            ("//a;b{}/team/app", SERVER),
        ];
        for (text, fault) in rows {
            assert_eq!(Pattern::repository(text).unwrap_err(), fault, "{text}");
        }
        let rows = [
            ("", NO_SLASH),
            ("docs/**", NO_SLASH),
            ("**", NO_SLASH),
            ("/a//b", UNCLEAN),
            ("//", SERVER),
            ("///", SERVER),
            ("//docs.example", SERVER),
            ("//Docs.example/docs/**", SERVER),
            ("//docs.example//a", UNCLEAN),
            ("//docs.example/../a", UNCLEAN),
            ("//docs.example/v2/a", REGISTRY),
            ("/a/../b", UNCLEAN),
            ("/./", UNCLEAN),
            ("/a%20b", UNCLEAN),
            ("/a#b", UNCLEAN),
            ("/a\\b", UNCLEAN),
            ("/a\nb", UNCLEAN),
            ("/;a", UNCLEAN),
            ("/v2", REGISTRY),
            ("/v2/", REGISTRY),
            ("/v2/**", REGISTRY),
            ("/v2/a", REGISTRY),
            ("/docs*", STAR),
            ("/*.html", STAR),
        ];
        for (text, fault) in rows {
            assert_eq!(Pattern::path(text).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn covering() {
        let rows = [
            ("**", "**", true),
            ("**", "a/b", true),
            ("**", "*/x/**", true),
            ("*", "a", true),
            ("*", "**", false),
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/*", "a", false),
            ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a/*", true),
            ("a/*", "a/**", false),
            ("**/x", "x", true),
            ("**/x", "a/**/x", true),
            ("**/x", "x/y", false),
            ("a", "*", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/*/b", true),
            ("a/**/b", "a/b/c", false),
            ("a/**", "//s/a/b", true),
            ("//s/a/**", "//s/a/b", true),
            ("//s/a/**", "a/b", false),
            ("//s/a/**", "//t/a/b", false),
            ("//s/**", "//s.example/a", false),
        ];
        for (ours, theirs, expected) in rows {
            let parse = |text| Pattern::repository(text).unwrap();
            assert_eq!(
                parse(ours).covers(&parse(theirs)),
                expected,
                "{ours} {theirs}"
            );
        }
        let parse = |text| Pattern::path(text).unwrap();
        assert!(!parse("/a/*").covers(&parse("/a/")));
        assert!(parse("/a/**").covers(&parse("/a/")));
    }
}
