//! The locations through which nginx asks htgate: which they are, and what each must say.

use super::super::{CheckRule, Finding};
use super::at;
use super::location::{HtgateLocation, Tell};
use super::scope::{Id, ScopeTree, own};
use super::upstream::PassTarget;

/// The auth locations that lead to htgate.
pub(super) struct Gates(Vec<Id>);

impl Gates {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        self.0.iter().copied()
    }

    /// Whether a level is one of them.
    pub(super) fn have(&self, id: Id) -> bool {
        self.0.contains(&id)
    }

    /// Whether a request to this level is asked for a password first.
    pub(super) fn guard(&self, tree: &ScopeTree<'_>, id: Id) -> bool {
        target(tree, id).is_some_and(|target| self.0.contains(&target))
    }
}

/// The location that is asked before a level is entered.
fn target(tree: &ScopeTree<'_>, id: Id) -> Option<Id> {
    let path = tree
        .value(id, "auth_request")
        .filter(|path| *path != "off")?;
    tree.location(tree.around(id, "server")?, path)
}

/// Finds the auth locations that lead to htgate, and those that try to.
pub(super) fn find(tree: &ScopeTree<'_>, findings: &mut Vec<Finding>) -> Gates {
    let mut gates = Vec::new();
    let levels = tree.all().filter(|id| tree.around(*id, "server").is_some());
    for id in levels {
        let Some(said) = tree.effective(id, "auth_request") else {
            continue;
        };
        if said.first() == "off" {
            continue;
        }
        let Some(location) = target(tree, id) else {
            let message = "no location of this server is named by this auth_request; \
                           include htgate-server.conf";
            findings.push(at(CheckRule::NoGate, &said.place, message));
            continue;
        };
        let Some(pass) = own(tree.inside(location), "proxy_pass").last() else {
            continue;
        };
        let target = PassTarget::parse(pass.first());
        let asked = if target.path.is_empty() {
            said.first()
        } else {
            target.path
        };
        if asked.split('?').next() == Some(ENDPOINT) {
            if !gates.contains(&location) {
                gates.push(location);
            }
        } else if target.host.contains("htgate") {
            let message = format!("this asks {asked}; htgate answers at {ENDPOINT}");
            findings.push(at(CheckRule::NoGate, &pass.place, &message));
        }
    }
    Gates(gates)
}

/// What every auth location must say.
pub(super) fn check(tree: &ScopeTree<'_>, gates: &Gates, findings: &mut Vec<Finding>) {
    for id in &gates.0 {
        if let Some(location) = HtgateLocation::new(tree, *id, "auth location") {
            let gate = GateCheck(location);
            gate.check(&mut |rule, said, message| findings.push(at(rule, &said.place, message)));
        }
    }
}

struct GateCheck<'a>(HtgateLocation<'a>);

impl GateCheck<'_> {
    fn check(&self, tell: &mut Tell<'_>) {
        let location = &self.0;
        if !location.tree.is_internal(location.id) {
            let message = "clients can ask the auth location themselves; put 'internal;' into it";
            tell(CheckRule::MissingInternal, location.opener, message);
        }
        self.check_body(tell);
        self.check_connections(tell);
        self.check_headers(tell);
        location.check_cache(
            "a remembered answer lets the next request pass without a password",
            tell,
        );
        location.check_ports(tell);
    }

    fn check_body(&self, tell: &mut Tell<'_>) {
        let location = &self.0;
        if location.tree.value(location.id, "proxy_pass_request_body") != Some("off") {
            let said = location.said("proxy_pass_request_body");
            let message = "bodies are sent to htgate, which reads none; \
                           put 'proxy_pass_request_body off;' into the auth location";
            tell(CheckRule::BodyPassed, said, message);
        }
        if location
            .header("Content-Length")
            .is_none_or(|said| !said.last().is_empty())
        {
            let said = location.header("Content-Length").unwrap_or(location.opener);
            let message = "a body is announced to htgate that never comes; \
                           put \"proxy_set_header Content-Length '';\" into the auth location";
            tell(CheckRule::BodyPassed, said, message);
        }
        let limit = location
            .tree
            .value(location.id, "client_max_body_size")
            .unwrap_or("1m");
        if limit
            .trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .parse()
            != Ok(0_u64)
        {
            let said = location.said("client_max_body_size");
            let message = format!(
                "uploads over {limit} are refused by the auth location, with a 500; \
                 put 'client_max_body_size 0;' into it"
            );
            tell(CheckRule::BodyLimit, said, &message);
        }
    }

    fn check_connections(&self, tell: &mut Tell<'_>) {
        let location = &self.0;
        let Some(pass) = own(location.tree.inside(location.id), "proxy_pass").last() else {
            return;
        };
        let target = PassTarget::parse(pass.first());
        match target.upstream(location.tree) {
            None if target.host.contains('$') => (),
            None => {
                let message = "every request opens a connection to htgate; name an upstream \
                               block with 'keepalive 32;' here";
                tell(CheckRule::NoKeepalive, pass, message);
            }
            Some(upstream) => {
                let keepalive = own(upstream.inside(), "keepalive").last();
                if keepalive.is_none_or(|said| said.first() == "0") {
                    let message = "every request opens a connection to htgate; \
                                   put 'keepalive 32;' into this upstream block";
                    tell(
                        CheckRule::NoKeepalive,
                        keepalive.unwrap_or(upstream),
                        message,
                    );
                }
            }
        }
        if location
            .tree
            .value(location.id, "proxy_http_version")
            .is_none_or(|version| version == "1.0")
        {
            let said = location.said("proxy_http_version");
            let message = "HTTP/1.0 closes the connection to htgate after each request; \
                           put 'proxy_http_version 1.1;' into the auth location";
            tell(CheckRule::NoKeepalive, said, message);
        }
        if location
            .header("Connection")
            .is_none_or(|said| !said.last().is_empty())
        {
            let said = location.header("Connection").unwrap_or(location.opener);
            let message = "nginx asks htgate to close each connection; \
                           put \"proxy_set_header Connection '';\" into the auth location";
            tell(CheckRule::NoKeepalive, said, message);
        }
    }

    fn check_headers(&self, tell: &mut Tell<'_>) {
        let location = &self.0;
        let needed = [
            ("X-Real-IP", "$remote_addr"),
            ("X-Original-Method", "$request_method"),
            ("X-Original-URI", "$request_uri"),
        ];
        let mut needed = needed.to_vec();
        if location.passes_headers() {
            let said = location.said("proxy_pass_request_headers");
            let message = "every header of a client reaches htgate; \
                           put 'proxy_pass_request_headers off;' into the auth location";
            tell(CheckRule::ClientHeaders, said, message);
        } else {
            needed.extend([
                ("Authorization", "$http_authorization"),
                ("User-Agent", "$http_user_agent"),
            ]);
        }
        for (name, value) in needed {
            location.check_header(name, value, tell);
        }
    }
}

/// Where htgate answers.
const ENDPOINT: &str = "/auth";

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn no_gate_at_all() {
        let seen = findings("nginx.conf", "http { server { listen 80; } }");
        assert_eq!(
            (seen[0].rule, seen[0].fault.line),
            (CheckRule::NoGate, None)
        );
        let wrong = "upstream htgate { server unix:/x; }\nserver { auth_request /_a; location = /_a {\n\
                     internal; proxy_pass http://htgate/; } }";
        let seen = findings("site.conf", wrong);
        let lines: Vec<_> = seen.iter().map(|it| (it.rule, it.fault.line)).collect();
        assert_eq!(
            lines,
            [(CheckRule::NoGate, None), (CheckRule::NoGate, Some(3))]
        );
        // Another service is none of our business.
        let other =
            "server { auth_request /_a; location = /_a { proxy_pass http://oauth/validate; } }";
        let seen = findings("site.conf", other);
        assert_eq!(
            seen.iter().map(|it| it.rule).collect::<Vec<_>>(),
            [CheckRule::NoGate]
        );
    }
}
