//! Faults in nginx's configuration that break the gate or open it.

mod before;
mod bypass;
mod closed;
mod error_page;
mod exempt;
mod gate;
mod include;
mod leak;
mod location;
mod pattern;
mod place;
mod scope;
mod syntax;
mod tokens;
mod upstream;

use std::collections::HashSet;

use super::{CheckRule, Finding};
use crate::Fault;
use crate::request::Front;
use scope::{Scope, ScopeTree};
use syntax::Directive;

/// What is known beside the configuration.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The version of nginx: major, minor, patch.
    pub version: Option<[u32; 3]>,
    /// What asks htgate: each front sends other headers.
    pub front: Front,
    /// Whether rules say what may be done in a registry, so that types of uploads count.
    pub has_repositories: bool,
    /// The servers that rules name.
    pub servers: Vec<String>,
}

/// What is wrong with a configuration: the output of `nginx -T`, or a single file that is called
/// `name`.
pub(crate) fn findings(name: &str, text: &str, known: &Known) -> Vec<Finding> {
    let (main, mut findings) = match include::read(name, text) {
        Ok(read) => read,
        Err(finding) => return vec![finding],
    };
    let tree = &ScopeTree::new(&main);
    let gates = gate::find(tree, &mut findings);
    let mut site = Site {
        tokens: tokens::find(tree, &gates),
        tree,
        gates,
        guarded: Vec::new(),
        guarded_servers: HashSet::new(),
        known,
    };
    let is_guarded = |it: &Scope<'_>| site.guards(*it) && !site.gates.contains(it);
    site.guarded = tree.all().filter(is_guarded).collect();
    let servers = site.guarded.iter().filter_map(|it| it.around("server"));
    site.guarded_servers = servers.map(Scope::id).collect();
    gate::check(&site, &mut findings);
    let has_half = findings.iter().any(|it| it.rule == CheckRule::HalfGate);
    if site.gates.is_empty() && site.tokens.is_empty() && !has_half {
        let what = "no auth_request leads to htgate's /auth";
        let fault = Fault::new(what, "include htgate-server.conf in the server to guard");
        findings.push(Finding::new(CheckRule::NoGate, &main.file, fault));
    }
    tokens::check(&site, &mut findings);
    bypass::check(&site, &mut findings);
    leak::check(&site, &mut findings);
    exempt::leave_out(name, text, &mut findings);
    findings.sort();
    // What several locations inherit is one fault.
    findings.dedup();
    findings
}

/// A configuration, and its locations that ask htgate.
struct Site<'a> {
    tree: &'a ScopeTree<'a>,
    /// The auth locations that lead to htgate.
    gates: Vec<Scope<'a>>,
    /// The locations that lead to htgate's token endpoint.
    tokens: Vec<Scope<'a>>,
    /// The levels whose requests are asked for a password first.
    guarded: Vec<Scope<'a>>,
    /// The servers that those are in.
    guarded_servers: HashSet<*const Directive>,
    known: &'a Known,
}

impl Site<'_> {
    /// Whether a request to this level is asked for a password first.
    fn guards(&self, scope: Scope<'_>) -> bool {
        let asked = gate::asks(scope).and_then(|said| scope.plain_location(said.first()));
        scope.around("server").is_some() && asked.is_some_and(|asked| self.gates.contains(&asked))
    }

    /// Whether anything in a server is guarded.
    fn has_gate(&self, server: Scope<'_>) -> bool {
        self.guarded_servers.contains(&server.id())
    }
}

#[cfg(test)]
mod tests;
