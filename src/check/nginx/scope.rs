//! The levels of a configuration, and what each inherits from those around it.

use super::syntax::Directive;

/// All levels of the http context.
pub(super) struct ScopeTree<'a> {
    /// The directive whose block each is, and the level around it.
    levels: Vec<(&'a Directive, Option<usize>)>,
    /// The servers of the stream context.
    pub(super) streams: Vec<&'a Directive>,
}

impl<'a> ScopeTree<'a> {
    pub(super) fn new(main: &'a Directive) -> Self {
        let streams = main.own("stream").flat_map(|stream| stream.own("server"));
        let mut tree = Self {
            levels: Vec::new(),
            streams: streams.collect(),
        };
        // A file of conf.d alone has no http.
        tree.grow(main.own("http").next().unwrap_or(main), None);
        tree
    }

    fn grow(&mut self, opener: &'a Directive, parent: Option<usize>) {
        let id = self.levels.len();
        self.levels.push((opener, parent));
        for directive in &opener.block {
            if LEVELS.contains(&directive.name.as_str()) {
                self.grow(directive, Some(id));
            }
        }
    }

    fn scope(&'a self, id: usize) -> Option<Scope<'a>> {
        let &(opener, parent) = self.levels.get(id)?;
        Some(Scope {
            tree: self,
            parent,
            opener,
        })
    }

    /// All levels.
    pub(super) fn all(&'a self) -> impl Iterator<Item = Scope<'a>> {
        (0..self.levels.len()).filter_map(|id| self.scope(id))
    }
}

/// A level: what a directive's block makes.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    tree: &'a ScopeTree<'a>,
    parent: Option<usize>,
    /// The directive whose block this is.
    pub(super) opener: &'a Directive,
}

impl PartialEq for Scope<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.opener, other.opener)
    }
}

impl<'a> Scope<'a> {
    /// A level and those around it, inside out.
    pub(super) fn outward(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |scope| scope.tree.scope(scope.parent?))
    }

    /// The server or location around a level, or the level itself: where an `if` belongs to.
    pub(super) fn around(self, name: &str) -> Option<Self> {
        self.outward().find(|scope| scope.opener.name == name)
    }

    /// The directive of this name that is in effect: the nearest one.
    pub(super) fn effective(self, name: &str) -> Option<&'a Directive> {
        self.effective_all(name).last().copied()
    }

    /// The value that is in effect.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        self.effective(name).map(Directive::first)
    }

    /// The directives of this name that are in effect: lists are inherited as a whole, by a level
    /// that has none of its own.
    pub(super) fn effective_all(self, name: &str) -> Vec<&'a Directive> {
        self.outward()
            .map(|scope| scope.opener.own(name).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The location of the same server that a path leads to. Regular expressions are not tried.
    pub(super) fn location(self, path: &str) -> Option<Self> {
        let server = self.around("server")?;
        let fit = |scope: Self| {
            let (first, name) = (scope.opener.first(), scope.opener.last());
            let is_exact = first == "=" || first.starts_with('@');
            let fits = path == name || (!is_exact && path.starts_with(name));
            (fits && !first.starts_with('~')).then_some(((is_exact, name.len()), scope))
        };
        self.tree
            .all()
            .filter(|scope| scope.opener.name == "location")
            .filter(|scope| scope.around("server") == Some(server))
            .filter_map(fit)
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, scope)| scope)
    }

    /// The header that nginx sends, if it is said which.
    pub(super) fn header(self, name: &str) -> Option<&'a Directive> {
        let mut set = self.effective_all("proxy_set_header").into_iter().rev();
        set.find(|said| said.first().eq_ignore_ascii_case(name))
    }

    /// Whether what a client sends goes on, where nothing else is said of it.
    pub(super) fn passes_headers(self) -> bool {
        self.value("proxy_pass_request_headers") != Some("off")
    }

    /// Whether no client can ask for a location by its path.
    pub(super) fn is_internal(self) -> bool {
        let location = self.around("location").unwrap_or(self);
        location.opener.first().starts_with('@') || self.effective("internal").is_some()
    }
}

const LEVELS: [&str; 4] = ["server", "location", "if", "limit_except"];
