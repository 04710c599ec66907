//! Faults in nginx's configuration that break the gate or open it.

mod bypass;
mod gate;
mod include;
mod location;
mod scope;
mod syntax;
mod tokens;
mod upstream;

use super::{CheckRule, Finding};
use crate::Fault;
use scope::{Scope, ScopeTree};

/// What is wrong with a configuration: the output of `nginx -T`, or a single file that is called
/// `name`.
pub(crate) fn findings(name: &str, text: &str) -> Vec<Finding> {
    let (main, mut findings) = match include::read(name, text) {
        Ok(read) => read,
        Err(finding) => return vec![finding],
    };
    let tree = &ScopeTree::new(&main);
    let gates = gate::find(tree, &mut findings);
    let site = Site {
        tokens: tokens::find(tree, &gates),
        tree,
        gates,
    };
    if site.gates.is_empty() && site.tokens.is_empty() {
        let what = "no auth_request leads to htgate's /auth";
        let fault = Fault::new(what, "include htgate-server.conf in the server to guard");
        findings.push(Finding::new(CheckRule::NoGate, &main.file, fault));
    }
    gate::check(&site, &mut findings);
    tokens::check(&site, &mut findings);
    bypass::check(&site, &mut findings);
    // What several locations inherit is one fault.
    let mut unique: Vec<Finding> = Vec::new();
    for finding in findings {
        if !unique.contains(&finding) {
            unique.push(finding);
        }
    }
    unique.sort_by(|a, b| (&a.file, a.fault.line, a.rule).cmp(&(&b.file, b.fault.line, b.rule)));
    unique
}

/// A configuration, and its locations that ask htgate.
struct Site<'a> {
    tree: &'a ScopeTree<'a>,
    /// The auth locations that lead to htgate.
    gates: Vec<Scope<'a>>,
    /// The locations that lead to htgate's token endpoint.
    tokens: Vec<Scope<'a>>,
}

impl Site<'_> {
    /// Whether a request to this level is asked for a password first.
    fn guards(&self, scope: Scope<'_>) -> bool {
        let asked = gate::asks(scope).and_then(|said| scope.location(said.first()));
        asked.is_some_and(|asked| self.gates.contains(&asked))
    }
}

#[cfg(test)]
mod tests;
