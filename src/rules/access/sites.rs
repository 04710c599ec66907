//! Where a pattern holds: on every server, or on the one that it names.

use std::collections::HashMap;

use super::RuleId;
use super::pattern::Pattern;
use super::tree::PatternTree;

/// All patterns of all rules, by the server that they hold on.
#[derive(Debug, Default)]
pub(super) struct Sites {
    everywhere: Site,
    by_server: HashMap<Box<str>, Site>,
}

#[derive(Debug, Default)]
struct Site {
    repositories: PatternTree,
    paths: PatternTree,
}

/// What holds on one server.
pub(super) struct Here<'a> {
    everywhere: &'a Site,
    own: Option<&'a Site>,
}

impl Sites {
    pub(super) fn insert_repository(&mut self, pattern: &Pattern, rule: RuleId) {
        let site = self.site(pattern);
        site.repositories.insert(pattern.pieces(), rule);
    }

    pub(super) fn insert_path(&mut self, pattern: &Pattern, rule: RuleId) {
        let site = self.site(pattern);
        site.paths.insert(pattern.pieces(), rule);
    }

    /// The one look-up of a request.
    pub(super) fn at(&self, server: Option<&str>) -> Here<'_> {
        Here {
            everywhere: &self.everywhere,
            own: server.and_then(|name| self.by_server.get(name)),
        }
    }

    fn site(&mut self, pattern: &Pattern) -> &mut Site {
        match pattern.server() {
            None => &mut self.everywhere,
            Some(name) => self.by_server.entry(name.into()).or_default(),
        }
    }
}

impl Here<'_> {
    /// Hands out the rules with a pattern that matches a repository, in ascending order within
    /// each portion.
    pub(super) fn repositories(&self, name: &str, mut found: impl FnMut(&[RuleId])) {
        for site in self.sites() {
            site.repositories.matches(name, &mut found);
        }
    }

    /// The same for a path without its first slash.
    pub(super) fn paths(&self, path: &str, mut found: impl FnMut(&[RuleId])) {
        for site in self.sites() {
            site.paths.matches(path, &mut found);
        }
    }

    fn sites(&self) -> impl Iterator<Item = &Site> {
        std::iter::once(self.everywhere).chain(self.own)
    }
}
