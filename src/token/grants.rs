//! What is asked for and what the rules allow: their intersection, as a registry reads it.

use serde::Serialize;

use super::scopes::{Scopes, Wanted};
use crate::rules::access::{Access, Action, Operation, Who};

/// The `access` claim: each action by its own name, never `*` for all of them.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct GrantedScopes(Vec<GrantedScope>);

#[derive(Debug, PartialEq, Eq, Serialize)]
struct GrantedScope {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    actions: Vec<&'static str>,
}

impl GrantedScopes {
    /// Of what is asked for, what they may do on the server of that name. Granting less than was
    /// asked for is not an error: the registry will refuse what is missing.
    pub(crate) fn of(scopes: &Scopes, who: Who<'_>, server: Option<&str>, access: &Access) -> Self {
        let mut grants = Vec::new();
        // The one action that is called so.
        if scopes.catalog && access.allows(who, server, &Operation::Catalog) {
            grants.push(GrantedScope {
                kind: "registry",
                name: "catalog".to_owned(),
                actions: vec!["*"],
            });
        }
        for (name, wanted) in &scopes.repositories {
            let may = |action| {
                let from = Vec::new();
                access.allows(who, server, &Operation::Repository { action, name, from })
            };
            let actions: Vec<_> = actions(*wanted)
                .filter(|(action, _)| may(*action))
                .map(|(_, word)| word)
                .collect();
            if !actions.is_empty() {
                grants.push(GrantedScope {
                    kind: "repository",
                    name: name.clone(),
                    actions,
                });
            }
        }
        Self(grants)
    }

    /// The same as scopes, with blanks between them.
    pub(crate) fn scope(&self) -> String {
        let scopes: Vec<_> = self
            .0
            .iter()
            .map(|grant| format!("{}:{}:{}", grant.kind, grant.name, grant.actions.join(",")))
            .collect();
        scopes.join(" ")
    }
}

fn actions(wanted: Wanted) -> impl Iterator<Item = (Action, &'static str)> {
    let all = [
        (wanted.pull, Action::Pull, "pull"),
        (wanted.push, Action::Push, "push"),
        (wanted.delete, Action::Delete, "delete"),
    ];
    all.into_iter()
        .filter(|(is_wanted, ..)| *is_wanted)
        .map(|(_, action, word)| (action, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::access::{Groups, Rule};

    fn access(rules: &[(&str, &str, &[Action])]) -> Access {
        let rules = rules.iter().map(|(user, repository, actions)| Rule {
            users: vec![(*user).to_owned()],
            repositories: vec![(*repository).to_owned()],
            actions: actions.to_vec(),
            ..Rule::default()
        });
        Access::compile(Groups::new(), (1..).zip(rules)).unwrap()
    }

    #[test]
    fn the_intersection_of_asked_and_allowed() {
        use Action::{Catalog, Delete, Pull, Push};
        let rules = access(&[
            ("alice", "team/**", &[Push]),
            ("bob", "team/app", &[Pull]),
            ("bob", "own/**", &[Pull, Push, Delete]),
            ("anonymous", "public/*", &[Pull]),
            ("root", "**", &[Delete, Catalog]),
            ("carol", "//registry.test/team/*", &[Push]),
        ]);
        let rows = [
            (
                "alice",
                "repository:team/app:pull",
                "repository:team/app:pull",
            ),
            (
                "alice",
                "repository:team/app:push",
                "repository:team/app:push",
            ),
            (
                "alice",
                "repository:team/app:*",
                "repository:team/app:pull,push",
            ),
            ("alice", "repository:other:pull,push", ""),
            ("bob", "repository:team/app:*", "repository:team/app:pull"),
            (
                "bob",
                "repository:own/x:*",
                "repository:own/x:pull,push,delete",
            ),
            ("bob", "repository:public/x:*", "repository:public/x:pull"),
            ("bob", "registry:catalog:*", ""),
            ("root", "registry:catalog:*", "registry:catalog:*"),
            ("root", "repository:a:*", "repository:a:delete"),
            (
                "carol",
                "repository:team/app:*",
                "repository:team/app:pull,push",
            ),
            (
                "",
                "repository:public/x:pull,push",
                "repository:public/x:pull",
            ),
            ("", "repository:team/app:pull", ""),
            (
                "bob",
                "repository:team/app:pull,push repository:own/x:pull",
                "repository:own/x:pull repository:team/app:pull",
            ),
        ];
        for (user, asked, expected) in rows {
            let scopes = Scopes::read([asked.as_bytes()]).unwrap();
            let who = match user {
                "" => Who::Anonymous,
                name => Who::User(name.as_bytes()),
            };
            let grants = GrantedScopes::of(&scopes, who, Some("registry.test"), &rules);
            assert_eq!(grants.scope(), expected, "{user} asks for {asked}");
            for server in [None, Some(""), Some("registry"), Some("Registry.test")] {
                let elsewhere = GrantedScopes::of(&scopes, who, server, &rules).scope();
                let expected = if user == "carol" { "" } else { expected };
                assert_eq!(elsewhere, expected, "{user} asks {server:?} for {asked}");
            }
        }
    }

    #[test]
    fn without_rules_every_user_may_do_everything_and_nobody_else_anything() {
        let none = Access::default();
        let scopes = Scopes::read([&b"registry:catalog:* repository:a:*"[..]]).unwrap();
        let grants = GrantedScopes::of(&scopes, Who::User(b"alice"), None, &none);
        assert_eq!(
            grants.scope(),
            "registry:catalog:* repository:a:pull,push,delete"
        );
        assert_eq!(
            GrantedScopes::of(&scopes, Who::Anonymous, None, &none),
            GrantedScopes::default()
        );
    }
}
