//! The locations through which nginx asks htgate: which they are, and what each must say.

use super::super::{CheckRule, Finding};
use super::Site;
use super::location::HtgateLocation;
use super::scope::{Scope, ScopeTree};
use super::syntax::Directive;
use super::upstream::proxy_pass;

/// The `auth_request` that is asked before a level is entered.
pub(super) fn asks(scope: Scope<'_>) -> Option<&Directive> {
    let said = scope.effective("auth_request");
    said.filter(|said| said.first() != "off")
}

/// Finds the auth locations that lead to htgate, and those that try to.
pub(super) fn find<'a>(tree: &'a ScopeTree<'a>, findings: &mut Vec<Finding>) -> Vec<Scope<'a>> {
    let mut gates = Vec::new();
    for scope in tree.all().filter(|it| it.around("server").is_some()) {
        let Some(said) = asks(scope) else { continue };
        let Some(location) = scope.location(said.first()) else {
            let what = "no location of this server is named by this auth_request";
            findings.push(said.finding(CheckRule::NoGate, what, "include htgate-server.conf"));
            continue;
        };
        let Some((pass, target)) = proxy_pass(location) else {
            continue;
        };
        let asked = match target.path {
            "" => said.first(),
            path => path,
        };
        if asked.split('?').next() == Some(ENDPOINT) {
            if !gates.contains(&location) {
                gates.push(location);
            }
        } else if target.host.contains("htgate") {
            let what = format!("this asks {asked}");
            let remedy = format!("htgate answers at {ENDPOINT}");
            findings.push(pass.finding(CheckRule::NoGate, &what, &remedy));
        }
    }
    gates
}

/// What every auth location must say.
pub(super) fn check(site: &Site<'_>, findings: &mut Vec<Finding>) {
    for &scope in &site.gates {
        let mut location = HtgateLocation {
            scope,
            kind: "auth location",
            findings,
        };
        if !scope.is_internal() {
            let what = "clients can ask the auth location themselves";
            location.tell_to_put(CheckRule::MissingInternal, scope.opener, what, "internal");
        }
        check_statements(&mut location);
        location.check_cache("a cached answer lets the next request pass without a password");
        location.check_ports();
    }
}

fn check_statements(location: &mut HtgateLocation<'_>) {
    let scope = location.scope;
    let rule = CheckRule::BodyPassed;
    let what = "bodies are sent to htgate, which reads none";
    location.want(rule, "proxy_pass_request_body off", what);
    let what = "a body is announced to htgate that never comes";
    location.want(rule, "proxy_set_header Content-Length ''", what);
    let limit = scope.value("client_max_body_size").unwrap_or("1m");
    if limit.trim_end_matches(char::is_alphabetic).parse() != Ok(0_u64) {
        let what = format!("uploads over {limit} are refused by the auth location, with a 500");
        location.want(CheckRule::BodyLimit, "client_max_body_size 0", &what);
    }

    let rule = CheckRule::NoKeepalive;
    if let Some((said, remedy)) = no_keepalive(scope) {
        let what = "every request opens a connection to htgate";
        location.tell(rule, said, what, remedy);
    }
    if scope.value("proxy_http_version") != Some("2") {
        let what = "HTTP/1.0 closes the connection to htgate after each request";
        location.want(rule, "proxy_http_version 1.1", what);
    }
    let what = "nginx asks htgate to close each connection";
    location.want(rule, "proxy_set_header Connection ''", what);

    let what = "every header of a client reaches htgate";
    let statement = "proxy_pass_request_headers off";
    location.want(CheckRule::ClientHeaders, statement, what);
    location.check_header("X-Real-IP", "$remote_addr");
    location.check_header("X-Original-Method", "$request_method");
    location.check_header("X-Original-URI", "$request_uri");
    if !scope.passes_headers() {
        location.check_header("Authorization", "$http_authorization");
        location.check_header("User-Agent", "$http_user_agent");
    }
}

/// Where connections are not kept open, and what to do about it.
fn no_keepalive(scope: Scope<'_>) -> Option<(&Directive, &'static str)> {
    let (pass, target) = proxy_pass(scope)?;
    let Some(upstream) = target.upstream(scope) else {
        let remedy = "name an upstream block with 'keepalive 32;' here";
        return (!target.host.contains('$')).then_some((pass, remedy));
    };
    let said = upstream.own("keepalive").last();
    let is_off = said.is_none_or(|said| said.first() == "0");
    let remedy = "put 'keepalive 32;' into this upstream block";
    is_off.then_some((said.unwrap_or(upstream), remedy))
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
