//! A location that asks htgate: what must hold of each, whatever it asks for.

use super::super::{CheckRule, Finding};
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::backends;

/// The location, and what is found there.
pub(super) struct HtgateLocation<'a> {
    pub(super) scope: Scope<'a>,
    /// What it is called in a message.
    pub(super) kind: &'static str,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl HtgateLocation<'_> {
    pub(super) fn tell(&mut self, rule: CheckRule, said: &Directive, what: &str, remedy: &str) {
        self.findings.push(said.finding(rule, what, remedy));
    }

    /// Tells what is wrong, and what to put into the location.
    pub(super) fn tell_to_put(&mut self, rule: CheckRule, said: &Directive, what: &str, put: &str) {
        let quote = if put.contains('\'') { '"' } else { '\'' };
        let remedy = format!("put {quote}{put};{quote} into the {}", self.kind);
        self.tell(rule, said, what, &remedy);
    }

    /// The location must have or inherit this statement, and not another of its kind.
    pub(super) fn want(&mut self, rule: CheckRule, statement: &str, what: &str) {
        let (name, value) = statement.rsplit_once(' ').unwrap_or((statement, ""));
        let (said, sent): (_, fn(&Directive) -> &str) = match name.strip_prefix("proxy_set_header ")
        {
            Some(header) => (self.scope.header(header), Directive::last),
            None => (self.scope.effective(name), Directive::first),
        };
        if said.map(sent) != Some(value.trim_matches('\'')) {
            let said = said.unwrap_or(self.scope.opener);
            self.tell_to_put(rule, said, what, statement);
        }
    }

    /// A header that must be sent, and be this variable.
    pub(super) fn check_header(&mut self, name: &str, value: &str) {
        let said = self.scope.header(name);
        let what = match said.map(Directive::last) {
            None => format!("htgate is not sent {name}"),
            // The module for real addresses may set others, but a client may not.
            Some(sent) if name == "X-Real-IP" && !sent.contains("$http_") => return,
            Some(sent) if is_variable(sent, value) => return,
            Some(sent) => format!("{name} is '{sent}', not {value}"),
        };
        let said = said.unwrap_or(self.scope.opener);
        let statement = format!("proxy_set_header {name} {value}");
        self.tell_to_put(CheckRule::MissingHeader, said, &what, &statement);
    }

    /// The answers must not be cached: `what` would happen.
    pub(super) fn check_cache(&mut self, what: &str) {
        let cache = self.scope.effective("proxy_cache");
        if let Some(said) = cache.filter(|said| said.first() != "off") {
            self.tell_to_put(CheckRule::ProxyCache, said, what, "proxy_cache off");
        }
    }

    /// Nobody else may be able to reach htgate.
    pub(super) fn check_ports(&mut self) {
        for (address, said) in backends(self.scope) {
            if address.is_public() {
                let what = "anyone who can reach this port can try passwords past nginx";
                let remedy = "let htgate listen on a unix socket or on 127.0.0.1";
                self.tell(CheckRule::OpenPort, said, what, remedy);
            }
        }
    }
}

/// Whether what is sent is this variable, with braces or without.
pub(super) fn is_variable(sent: &str, name: &str) -> bool {
    sent.replace(['{', '}'], "") == name
}
