//! The levels of a configuration, and what each inherits from those around it.

use super::pattern::Pattern;
use super::syntax::Directive;

/// All levels of the http context.
pub(super) struct ScopeTree<'a> {
    levels: Vec<Level<'a>>,
    /// The servers of the stream context.
    pub(super) streams: Vec<&'a Directive>,
}

struct Level<'a> {
    /// The directive whose block it is.
    opener: &'a Directive,
    /// The level around it.
    parent: Option<usize>,
    /// The levels in it.
    children: Vec<usize>,
    /// The regular expression of a location that has one.
    pattern: Option<Pattern>,
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

    fn grow(&mut self, opener: &'a Directive, parent: Option<usize>) -> usize {
        let id = self.levels.len();
        self.levels.push(Level {
            opener,
            parent,
            children: Vec::new(),
            pattern: match location_name(opener) {
                ("~", text) => Some(Pattern::new(text, false)),
                ("~*", text) => Some(Pattern::new(text, true)),
                _ => None,
            },
        });
        for directive in &opener.block {
            if LEVELS.contains(&directive.name.as_str()) {
                let child = self.grow(directive, Some(id));
                if let Some(level) = self.levels.get_mut(id) {
                    level.children.push(child);
                }
            }
        }
        id
    }

    fn scope(&'a self, id: usize) -> Option<Scope<'a>> {
        let level = self.levels.get(id)?;
        Some(Scope {
            tree: self,
            level,
            opener: level.opener,
        })
    }

    /// All servers.
    pub(super) fn servers(&'a self) -> impl Iterator<Item = Scope<'a>> {
        self.all().filter(|scope| scope.opener.name == "server")
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
    level: &'a Level<'a>,
    /// The directive whose block this is.
    pub(super) opener: &'a Directive,
}

impl PartialEq for Scope<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<'a> Scope<'a> {
    /// What tells it from all others.
    pub(super) fn id(self) -> *const Directive {
        self.opener
    }

    /// A level and those around it, inside out.
    pub(super) fn outward(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |scope| scope.parent())
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

    /// The level around this one.
    pub(super) fn parent(self) -> Option<Self> {
        self.tree.scope(self.level.parent?)
    }

    /// The levels in it, and not those in them.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let children = self.level.children.iter();
        children.filter_map(move |id| self.tree.scope(*id))
    }

    /// The level and all in it.
    pub(super) fn below(self) -> Vec<Self> {
        let mut found = vec![self];
        for child in self.children() {
            found.extend(child.below());
        }
        found
    }

    /// The regular expression of a location that has one.
    pub(super) fn pattern(self) -> Option<&'a Pattern> {
        self.level.pattern.as_ref()
    }

    /// The prefix that a location is for, `/` where it is the server; none where it is not a prefix.
    pub(super) fn prefix(self) -> Option<&'a str> {
        match (self.opener.name.as_str(), location_name(self.opener)) {
            ("server", _) => Some("/"),
            ("location", ("" | "^~" | "=", name)) if !name.starts_with('@') => Some(name),
            _ => None,
        }
    }

    /// Whether it is for one path alone.
    pub(super) fn is_exact(self) -> bool {
        location_name(self.opener).0 == "="
    }

    /// Whether regular expressions are not tried for what this location is for.
    pub(super) fn is_final(self) -> bool {
        matches!(location_name(self.opener).0, "=" | "^~")
    }

    /// The location of the same server that a path leads to, or that a name with `@` stands for.
    pub(super) fn location(self, path: &str) -> Option<Self> {
        self.around("server")?.find(path, true)
    }

    /// The same, as if there were no regular expressions.
    pub(super) fn plain_location(self, path: &str) -> Option<Self> {
        self.around("server")?.find(path, false)
    }

    /// As `ngx_http_core_find_location` does it, level by level.
    fn find(self, path: &str, with_patterns: bool) -> Option<Self> {
        let fit = |scope: Self| {
            let (modifier, name) = location_name(scope.opener);
            let is_exact = modifier == "=" || name.starts_with('@');
            let fits = path == name || (!is_exact && path.starts_with(name));
            let is_plain = scope.opener.name == "location" && scope.level.pattern.is_none();
            (is_plain && fits).then_some(((is_exact, name.len()), scope))
        };
        let plain = self.children().filter_map(fit);
        let plain = plain.max_by_key(|(fit, _)| *fit);
        if let Some(((true, _), found)) = plain {
            return Some(found);
        }
        let plain = plain.map(|(_, scope)| scope);
        let nested = plain.and_then(|it| it.find(path, with_patterns));
        if nested.is_some_and(|it| it.level.pattern.is_some()) {
            return nested;
        }
        let found = nested.or(plain);
        if !with_patterns || plain.is_some_and(Self::is_final) {
            return found;
        }
        let fits = |scope: &Self| scope.pattern().and_then(|it| it.fits(path)) == Some(true);
        let matched = self.children().find(fits);
        let deeper = matched.and_then(|it| it.find(path, true));
        deeper.or(matched).or(found)
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

/// What stands before the name of a location, and the name: with a space between them or without.
fn location_name(opener: &Directive) -> (&str, &str) {
    if opener.name != "location" {
        return ("", "");
    }
    if let [modifier, name] = &opener.arguments[..] {
        return (modifier, name);
    }
    let name = opener.first();
    let modifiers = ["=", "^~", "~*", "~"].into_iter();
    let mut parts = modifiers.filter_map(|it| Some((it, name.strip_prefix(it)?)));
    parts.next().unwrap_or(("", name))
}

const LEVELS: [&str; 4] = ["server", "location", "if", "limit_except"];
