//! Patterns over components between slashes: `*` is one component, `**` any number of them, at
//! the end at least one. What can never match is an error.

use std::fmt;

use super::name::{LONGEST_REPOSITORY, is_component, is_host};
use super::registry_path;
use super::target::Target;

/// A pattern for repositories, or for paths without their first slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

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
    pub(super) fn repository(text: &str) -> Result<Self, PatternFault> {
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
                return Err(PatternFault::NoName);
            }
        }
        if longest > LONGEST_REPOSITORY + 1 {
            return Err(PatternFault::NoName);
        }
        Ok(Self(pieces))
    }

    /// A pattern over decoded paths.
    pub(super) fn path(text: &str) -> Result<Self, PatternFault> {
        let relative = text.strip_prefix('/').ok_or(PatternFault::NoSlash)?;
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
            return Err(PatternFault::Unclean);
        }
        if registry_path(text).is_some() {
            return Err(PatternFault::Registry);
        }
        split(relative).map(Self)
    }

    /// `**`.
    pub(super) fn everything() -> Self {
        Self(vec![Piece::Deep])
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether this one matches whatever the other one matches. Says no where it cannot tell.
    pub(super) fn covers(&self, other: &Self) -> bool {
        covers(&self.0, &other.0)
    }
}

fn split(text: &str) -> Result<Vec<Piece>, PatternFault> {
    text.split('/')
        .map(|component| match component {
            "*" => Ok(Piece::One),
            "**" => Ok(Piece::Deep),
            _ if component.contains('*') => Err(PatternFault::Star),
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

/// Why a pattern can never match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternFault {
    /// A star within a component.
    Star,
    /// No repository has such a name.
    NoName,
    /// A path without its first slash.
    NoSlash,
    /// No request that is let through has such a path.
    Unclean,
    /// A path that is the registry's.
    Registry,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Star => "a star is a whole component: write 'team/*' or 'team/**'",
            Self::NoName => {
                "no repository has such a name: lower-case letters and digits, with '.', '_' or \
                 '-' between them, '/' between components, no tag and no slash at either end"
            }
            Self::NoSlash => "a path begins with '/'",
            Self::Unclean => {
                "no such path is let through: write it decoded, without '%', '#', backslash, \
                 empty segments, '.' or '..'"
            }
            Self::Registry => {
                "what is under /v2/ is the registry's: say 'repositories' and 'actions'"
            }
        })
    }
}

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
        ] {
            assert!(Pattern::repository(text).is_ok(), "{text}");
        }
        for text in [
            "/", "/*", "/**", "/docs/", "/docs/**", "/a b/ü", "/what?", "/v3", "/v2x/**", "/**/v2/",
        ] {
            assert!(Pattern::path(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn patterns_that_cannot() {
        use PatternFault::{NoName, NoSlash, Registry, Star, Unclean};
        let long = format!("a/{}", "b".repeat(254));
        let rows = [
            ("", NoName),
            ("/a", NoName),
            ("a/", NoName),
            ("a//b", NoName),
            ("Team/App", NoName),
            ("team/App", NoName),
            ("a:1", NoName),
            ("a/b:1", NoName),
            ("HOST", NoName),
            ("-a", NoName),
            ("a/../b", NoName),
            ("*/HOST/a", NoName),
            ("%61", NoName),
            ("a b", NoName),
            (&long, NoName),
            ("team-*", Star),
            ("***", Star),
            ("a/**b", Star),
        ];
        for (text, fault) in rows {
            assert_eq!(Pattern::repository(text).unwrap_err(), fault, "{text}");
        }
        let rows = [
            ("", NoSlash),
            ("docs/**", NoSlash),
            ("**", NoSlash),
            ("/a//b", Unclean),
            ("//", Unclean),
            ("/a/../b", Unclean),
            ("/./", Unclean),
            ("/a%20b", Unclean),
            ("/a#b", Unclean),
            ("/a\\b", Unclean),
            ("/a\nb", Unclean),
            ("/;a", Unclean),
            ("/v2", Registry),
            ("/v2/", Registry),
            ("/v2/**", Registry),
            ("/v2/a", Registry),
            ("/docs*", Star),
            ("/*.html", Star),
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
