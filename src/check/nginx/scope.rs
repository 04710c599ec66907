//! The levels of a configuration, and what each inherits from those around it.

use super::include::Configuration;
use super::syntax::Directive;

/// All levels of the http context.
pub(super) struct ScopeTree<'a> {
    levels: Vec<Level<'a>>,
    /// The servers of the stream context.
    pub(super) streams: Vec<&'a Directive>,
}

/// Which level: what a directive's block makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(usize);

struct Level<'a> {
    parent: Option<Id>,
    /// The directive whose block this is; none for a whole file.
    opener: Option<&'a Directive>,
    inside: &'a [Directive],
}

impl<'a> ScopeTree<'a> {
    pub(super) fn new(configuration: &'a Configuration) -> Self {
        let main = &configuration.directives;
        let mut tree = Self {
            levels: Vec::new(),
            streams: Vec::new(),
        };
        for stream in main.iter().filter(|directive| directive.name == "stream") {
            let inside = stream.inside().iter();
            tree.streams
                .extend(inside.filter(|directive| directive.name == "server"));
        }
        match main.iter().find(|directive| directive.name == "http") {
            Some(http) => tree.grow(None, Some(http), http.inside()),
            // A file of conf.d alone.
            None => tree.grow(None, None, main),
        }
        tree
    }

    fn grow(&mut self, parent: Option<Id>, opener: Option<&'a Directive>, inside: &'a [Directive]) {
        let id = Id(self.levels.len());
        self.levels.push(Level {
            parent,
            opener,
            inside,
        });
        for directive in inside {
            if LEVELS.contains(&directive.name.as_str()) {
                self.grow(Some(id), Some(directive), directive.inside());
            }
        }
    }

    fn level(&self, id: Id) -> Option<&Level<'a>> {
        self.levels.get(id.0)
    }

    /// All levels that directives of this name open.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = Id> {
        let opens = move |level: &Level<'_>| level.opener.is_some_and(|it| it.name == name);
        let ids = self.levels.iter().enumerate();
        ids.filter(move |(_, level)| opens(level))
            .map(|(id, _)| Id(id))
    }

    /// All levels.
    pub(super) fn all(&self) -> impl Iterator<Item = Id> {
        (0..self.levels.len()).map(Id)
    }

    /// The directive whose block a level is.
    pub(super) fn opener(&self, id: Id) -> Option<&'a Directive> {
        self.level(id)?.opener
    }

    /// What stands in a level itself.
    pub(super) fn inside(&self, id: Id) -> &'a [Directive] {
        self.level(id).map_or(&[], |level| level.inside)
    }

    /// A level and those around it, inside out.
    pub(super) fn outward(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(id), |id| self.level(*id)?.parent)
    }

    /// The server or location around a level, or the level itself: where an `if` belongs to.
    pub(super) fn around(&self, id: Id, name: &str) -> Option<Id> {
        self.outward(id)
            .find(|id| self.opener(*id).is_some_and(|opener| opener.name == name))
    }

    /// The directive of this name that is in effect: the nearest one.
    pub(super) fn effective(&self, id: Id, name: &str) -> Option<&'a Directive> {
        self.effective_all(id, name).last().copied()
    }

    /// The value that is in effect.
    pub(super) fn value(&self, id: Id, name: &str) -> Option<&'a str> {
        self.effective(id, name).map(Directive::first)
    }

    /// The directives of this name that are in effect: lists are inherited as a whole, by a level
    /// that has none of its own.
    pub(super) fn effective_all(&self, id: Id, name: &str) -> Vec<&'a Directive> {
        self.outward(id)
            .map(|id| own(self.inside(id), name).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The location of a server that a path leads to. Regular expressions are not tried.
    pub(super) fn location(&self, server: Id, path: &str) -> Option<Id> {
        let of_server = |id: &Id| self.around(*id, "server") == Some(server);
        let locations = self.named("location").filter(of_server);
        let fit = |id: Id| {
            let opener = self.opener(id)?;
            match opener.first() {
                "=" if opener.last() == path => Some((usize::MAX, id)),
                "=" | "~" | "~*" => None,
                name if name.starts_with('@') => (name == path).then_some((usize::MAX, id)),
                _ => path
                    .starts_with(opener.last())
                    .then_some((opener.last().len(), id)),
            }
        };
        locations
            .filter_map(fit)
            .max_by_key(|(length, _)| *length)
            .map(|(_, id)| id)
    }

    /// Whether no client can ask for a location by its path.
    pub(super) fn is_internal(&self, id: Id) -> bool {
        let around = self.around(id, "location").unwrap_or(id);
        let named = self
            .opener(around)
            .is_some_and(|opener| opener.first().starts_with('@'));
        named || self.effective(id, "internal").is_some()
    }
}

/// The directives of this name in a block.
pub(super) fn own<'a>(inside: &'a [Directive], name: &str) -> impl Iterator<Item = &'a Directive> {
    inside
        .iter()
        .filter(move |directive| directive.name == name)
}

const LEVELS: [&str; 4] = ["server", "location", "if", "limit_except"];
