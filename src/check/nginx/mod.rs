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
use scope::ScopeTree;
use syntax::{Directive, Position};

/// What is wrong with a configuration: the output of `nginx -T`, or a single file that is called
/// `name`.
pub(crate) fn findings(name: &str, text: &str) -> Vec<Finding> {
    let configuration = match include::read(name, text) {
        Ok(configuration) => configuration,
        Err(error) => {
            let message = format!("{}; see what 'nginx -t' says", error.what);
            return vec![at(CheckRule::Syntax, &error.place, &message)];
        }
    };
    let mut findings = Vec::new();
    for place in &configuration.absent {
        let message = "this file is not given, so what it says is not seen; \
                       pipe the output of 'nginx -T' into this";
        findings.push(at(CheckRule::Syntax, place, message));
    }
    let tree = ScopeTree::new(&configuration);
    let gates = gate::find(&tree, &mut findings);
    let tokens = tokens::find(&tree, &gates);
    if gates.is_empty() && tokens.is_empty() {
        let message = "no auth_request leads to htgate's /auth; \
                       include htgate-server.conf in the server to guard";
        findings.push(finding(
            CheckRule::NoGate,
            &configuration.file,
            None,
            message,
        ));
    }
    gate::check(&tree, &gates, &mut findings);
    tokens::check(&tree, &gates, &tokens, &mut findings);
    bypass::check(&tree, &gates, &tokens, &mut findings);
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

/// Until every message here comes in two.
fn finding(rule: CheckRule, file: &str, line: Option<u64>, words: &str) -> Finding {
    let (what, remedy) = words.split_once("; ").unwrap_or((words, ""));
    let fault = Fault::new(what, remedy);
    Finding::new(rule, file, Fault { line, ..fault })
}

fn at(rule: CheckRule, place: &Position, message: &str) -> Finding {
    finding(rule, &place.file, Some(place.line), message)
}

/// The directives that hand a request to somebody else.
fn is_pass(directive: &Directive) -> bool {
    const PASSES: [&str; 5] = [
        "proxy_pass",
        "fastcgi_pass",
        "uwsgi_pass",
        "scgi_pass",
        "grpc_pass",
    ];
    PASSES.contains(&directive.name.as_str())
}

#[cfg(test)]
mod tests;
