//! `scope` parameters to what is asked for ("Docker Registry v2 authentication", scope grammar).
//! What cannot be read asks for nothing; only too much of it is an error.

use std::collections::BTreeMap;
use std::fmt;

use crate::rules::access::is_repository;

/// What a client wants to do, each repository once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// Whether to list all repositories.
    pub(super) catalog: bool,
    pub(super) repositories: BTreeMap<String, Wanted>,
}

/// What to do with one repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) pull: bool,
    pub(super) push: bool,
    pub(super) delete: bool,
}

/// More than anybody needs: a token must fit into a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScopeError {
    /// More than `MOST_SCOPES`.
    TooMany,
    /// Longer in all than `LONGEST_SCOPES`.
    TooLong,
}

impl Scopes {
    /// Reads the values of all `scope` parameters; each may hold several, between blanks.
    ///
    /// # Errors
    ///
    /// When there are too many, or they are too long.
    pub(crate) fn read<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ScopeError> {
        let (mut scopes, mut count, mut length) = (Self::default(), 0, 0);
        for value in values {
            length += value.len();
            if length > LONGEST_SCOPES {
                return Err(ScopeError::TooLong);
            }
            for scope in value.split(|byte| *byte == b' ') {
                if scope.is_empty() {
                    continue;
                }
                count += 1;
                if count > MOST_SCOPES {
                    return Err(ScopeError::TooMany);
                }
                // What no registry can mean grants nothing.
                let _ = std::str::from_utf8(scope)
                    .ok()
                    .and_then(|scope| scopes.add(scope));
            }
        }
        Ok(scopes)
    }

    /// Nothing, where a registry has no such thing.
    fn add(&mut self, scope: &str) -> Option<()> {
        // A name may hold a colon, before a port.
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let is_action =
            |action: &str| action == "*" || action.bytes().all(|byte| byte.is_ascii_lowercase());
        if !actions.split(',').all(is_action) {
            return None;
        }
        match kind {
            "registry" if name == "catalog" => {
                self.catalog |= actions.split(',').any(|action| action == "*");
            }
            // docker asks so for plugins; a registry looks for the plain type.
            "repository" | "repository(plugin)" if is_repository(name) => {
                let wanted = self.repositories.entry(name.to_owned()).or_default();
                for action in actions.split(',') {
                    let all = action == "*";
                    wanted.pull |= all || action == "pull";
                    wanted.push |= all || action == "push";
                    wanted.delete |= all || action == "delete";
                }
            }
            _ => return None,
        }
        Some(())
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "ask for at most {MOST_SCOPES} scopes at once"),
            Self::TooLong => write!(f, "scopes of more than {LONGEST_SCOPES} bytes in all"),
        }
    }
}

impl std::error::Error for ScopeError {}

/// A client asks for one repository, and another one to mount from; builders for some more.
const MOST_SCOPES: usize = 32;
/// In bytes, so that the token fits into a header field of 16 KiB.
const LONGEST_SCOPES: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As `repository:pull,push,delete`, in the order of names, with `catalog` first.
    fn read(values: &[&str]) -> String {
        let scopes = Scopes::read(values.iter().map(|value| value.as_bytes())).unwrap();
        let mut seen = Vec::new();
        if scopes.catalog {
            seen.push("catalog".to_owned());
        }
        for (name, wanted) in scopes.repositories {
            let words = [
                (wanted.pull, "pull"),
                (wanted.push, "push"),
                (wanted.delete, "delete"),
            ];
            let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|w| w.1).collect();
            seen.push(format!("{name}={}", words.join(",")));
        }
        seen.join(" ")
    }

    #[test]
    fn what_is_asked_for() {
        let rows: &[(&[&str], &str)] = &[
            (&[], ""),
            (&[""], ""),
            (&["repository:team/app:pull"], "team/app=pull"),
            (&["repository:team/app:pull,push"], "team/app=pull,push"),
            (&["repository:a:push"], "a=push"),
            (&["repository:a:*"], "a=pull,push,delete"),
            (&["repository:a:delete"], "a=delete"),
            (&["repository:a:pull repository:b:push"], "a=pull b=push"),
            (&["repository:a:pull", "repository:b:push"], "a=pull b=push"),
            (&["repository:a:pull", "repository:a:push"], "a=pull,push"),
            (&["  repository:a:pull  "], "a=pull"),
            (&["repository:h:5000/a:pull"], "h:5000/a=pull"),
            (&["repository(plugin):a:pull"], "a=pull"),
            (&["repository(class):a:pull"], ""),
            (&["registry:catalog:*"], "catalog"),
            (&["registry:catalog:pull"], ""),
            (&["registry:other:*"], ""),
            (&["repository:a:"], "a="),
            (&["repository:a:admin"], "a="),
            (&["repository:a:Pull"], ""),
            (&["repository:A:pull"], ""),
            (&["repository:a/../b:pull"], ""),
            (&["repository::pull"], ""),
            (&["repository:a"], ""),
            (&["repository"], ""),
            (&["plugin:a:pull"], ""),
            (&["Repository:a:pull"], ""),
            (&["repository:a:pull;push"], ""),
            (&["repository:\u{e9}:pull"], ""),
        ];
        for (values, expected) in rows {
            assert_eq!(read(values), *expected, "{values:?}");
        }
    }

    #[test]
    fn bounds() {
        let many = |count| vec!["repository:a:pull"; count].join(" ");
        assert!(Scopes::read([many(MOST_SCOPES).as_bytes()]).is_ok());
        let error = Scopes::read([many(MOST_SCOPES + 1).as_bytes()]).unwrap_err();
        assert_eq!(error, ScopeError::TooMany);
        let long = [b'a'; LONGEST_SCOPES + 1];
        assert!(Scopes::read([long.split_at(1).1]).is_ok());
        assert_eq!(Scopes::read([&long[..]]).unwrap_err(), ScopeError::TooLong);
        let halves = long.split_at(10);
        assert_eq!(
            Scopes::read([halves.0, halves.1]).unwrap_err(),
            ScopeError::TooLong
        );
    }

    proptest! {
        #[test]
        fn only_names_that_a_registry_knows(value in "[a-z:/,* ().0-9A-Z\u{e9}-]{0,120}") {
            if let Ok(scopes) = Scopes::read([value.as_bytes()]) {
                for name in scopes.repositories.keys() {
                    prop_assert!(is_repository(name));
                }
            }
        }
    }
}
