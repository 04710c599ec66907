//! A location that asks htgate: what must hold of each, whatever it asks for.

use super::super::CheckRule;
use super::scope::{Id, ScopeTree};
use super::syntax::Directive;
use super::upstream::backends;

/// The location.
pub(super) struct HtgateLocation<'a> {
    pub(super) tree: &'a ScopeTree<'a>,
    pub(super) id: Id,
    pub(super) opener: &'a Directive,
    /// What it is called in a message.
    kind: &'static str,
}

pub(super) type Tell<'a> = dyn FnMut(CheckRule, &Directive, &str) + 'a;

impl<'a> HtgateLocation<'a> {
    /// None for a whole file.
    pub(super) fn new(tree: &'a ScopeTree<'a>, id: Id, kind: &'static str) -> Option<Self> {
        let opener = tree.opener(id)?;
        Some(Self {
            tree,
            id,
            opener,
            kind,
        })
    }

    /// Whether what a client sends goes on to htgate, where nothing else is said of it.
    pub(super) fn passes_headers(&self) -> bool {
        self.tree.value(self.id, "proxy_pass_request_headers") != Some("off")
    }

    /// A header that must be sent, and be this variable.
    pub(super) fn check_header(&self, name: &str, value: &str, tell: &mut Tell<'_>) {
        let kind = self.kind;
        let remedy = format!("put 'proxy_set_header {name} {value};' into the {kind}");
        match self.header(name) {
            None => {
                let message = format!("htgate is not sent {name}; {remedy}");
                tell(CheckRule::MissingHeader, self.opener, &message);
            }
            // What else it may be, the module for real addresses knows; not the client.
            Some(said) if name == "X-Real-IP" && !said.last().contains("$http_") => (),
            Some(said) if is_variable(said, value) => (),
            Some(said) => {
                let message = format!("{name} is '{}', not {value}; {remedy}", said.last());
                tell(CheckRule::MissingHeader, said, &message);
            }
        }
    }

    /// The answers must not be cached: `what` would happen.
    pub(super) fn check_cache(&self, what: &str, tell: &mut Tell<'_>) {
        let cache = self.tree.effective(self.id, "proxy_cache");
        if let Some(said) = cache.filter(|said| said.first() != "off") {
            let message = format!("{what}; put 'proxy_cache off;' into the {}", self.kind);
            tell(CheckRule::ProxyCache, said, &message);
        }
    }

    /// Nobody else may be able to reach htgate.
    pub(super) fn check_ports(&self, tell: &mut Tell<'_>) {
        for backend in backends(self.tree, self.id) {
            if backend.address.is_public() {
                let message = "whoever reaches this port can try passwords past nginx; let htgate \
                               listen on a unix socket or on 127.0.0.1";
                tell(CheckRule::OpenPort, backend.said, message);
            }
        }
    }

    /// The header that nginx sends, if it is said which.
    pub(super) fn header(&self, name: &str) -> Option<&'a Directive> {
        let set = self.tree.effective_all(self.id, "proxy_set_header");
        set.into_iter()
            .rev()
            .find(|said| said.first().eq_ignore_ascii_case(name))
    }

    /// Where something is said, or should be.
    pub(super) fn said(&self, name: &str) -> &'a Directive {
        self.tree.effective(self.id, name).unwrap_or(self.opener)
    }
}

/// Whether what is said ends in this variable, with braces or without.
pub(super) fn is_variable(said: &Directive, name: &str) -> bool {
    said.last().replace(['{', '}'], "") == name
}
