//! The ways to an application that is behind the gate, and those around it.

use super::super::{CheckRule, Finding};
use super::Site;
use super::gate::asks;
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{Backend, BackendAddress, PassTarget, backends, listens};

pub(super) fn check(site: &Site<'_>, findings: &mut Vec<Finding>) {
    let mut guarded = Vec::new();
    for scope in site.tree.all() {
        findings.extend(scope.opener.own("add_header").filter_map(api_header));
        if site.guards(scope) && !site.gates.contains(&scope) {
            findings.extend(satisfy(scope));
            let pages = scope.effective_all("error_page").into_iter();
            findings.extend(pages.filter_map(|said| error_page(site, scope, said)));
            guarded.extend(backends(scope));
        }
    }
    for (_, said) in guarded.iter().filter(|(address, _)| address.is_public()) {
        let what = "anyone who can reach this port needs no password";
        let remedy = "let the application listen on 127.0.0.1 or a unix socket, or let a \
                      firewall admit only nginx";
        findings.push(said.finding(CheckRule::OpenPort, what, remedy));
    }
    let scopes = site.tree.all();
    findings.extend(scopes.filter_map(|scope| location(site, &guarded, scope)));
    servers(site, &guarded, findings);
    streams(site, &guarded, findings);
}

fn api_header(said: &Directive) -> Option<Finding> {
    let name = "Docker-Distribution-Api-Version";
    let what = "the API header is missing on 401 and other errors, so clients see no registry";
    (said.first().eq_ignore_ascii_case(name) && said.last() != "always")
        .then(|| said.finding(CheckRule::ApiHeader, what, "put 'always' behind it"))
}

fn satisfy(scope: Scope<'_>) -> Option<Finding> {
    let said = scope.effective("satisfy");
    let said = said.filter(|said| said.first() == "any")?;
    let what = "an allowed address passes without a password";
    Some(said.finding(CheckRule::SatisfyAny, what, "write 'satisfy all;'"))
}

/// What is wrong with an `error_page` that takes one of the gate's refusals.
fn error_page(site: &Site<'_>, scope: Scope<'_>, said: &Directive) -> Option<Finding> {
    let mut arguments = said.arguments.iter().map(String::as_str);
    // The statuses with which nginx refuses for htgate.
    let code = arguments.find(|code| matches!(*code, "401" | "403" | "500"))?;
    let answer = arguments.find_map(|argument| argument.strip_prefix('='));
    let mut remedy = format!("leave '={}' out", answer.unwrap_or_default());
    let then = match answer {
        Some(status) if status.starts_with('2') => format!("is answered with {status}"),
        Some(status) if status.starts_with('3') => {
            format!("is sent elsewhere with {status}, and is never asked for a password")
        }
        None | Some("") => {
            let page = scope.location(said.last())?;
            let returns = page.opener.own("return").next().is_some();
            // Without '=' the status stays, but the body is the page's.
            let serves = answer.is_some() || page.opener.passes().next().is_some();
            if returns || !serves || site.guards(page) {
                return None;
            }
            remedy = "let that location 'return' an error".to_owned();
            format!("gets what {} serves, without a password", said.last())
        }
        Some(_) => return None,
    };
    let what = format!("a client that is refused with {code} {then}");
    Some(said.finding(CheckRule::ErrorPage, &what, &remedy))
}

/// A location that passes requests on to a guarded application and asks for no password.
fn location(site: &Site<'_>, guarded: &[Backend<'_>], scope: Scope<'_>) -> Option<Finding> {
    let pass = scope.opener.passes().next()?;
    if asks(scope).is_some() || scope.is_internal() || is_closed(scope) {
        return None;
    }
    let off = scope.effective("auth_request");
    if let Some(said) = off.filter(|_| !site.has_tokens_for(scope)) {
        let what = "this location passes requests on without a password";
        let remedy = "leave 'auth_request off' out, or serve it from files";
        return Some(said.finding(CheckRule::OpenLocation, what, remedy));
    }
    let mut backends = backends(scope).into_iter();
    let is_way = backends.any(|(address, _)| leads_to(guarded, &address));
    let what = "this is a way to a guarded application without a password";
    let remedy = "include htgate-server.conf in this server as well";
    is_way.then(|| pass.finding(CheckRule::Bypass, what, remedy))
}

/// Servers of this nginx that a guarded location passes requests on to, and that everybody can
/// reach.
fn servers(site: &Site<'_>, guarded: &[Backend<'_>], findings: &mut Vec<Finding>) {
    let servers = site.tree.all().filter(|it| it.opener.name == "server");
    for server in servers.filter(|it| !site.guards(*it) && !is_closed(*it)) {
        for (address, said) in listens(server.opener) {
            let mut backends = guarded.iter();
            if address.is_public() && backends.any(|(it, _)| it.is_served_by(&address)) {
                let what = "a guarded location passes requests on to this server, and everybody \
                            can reach its port";
                let remedy = "let it listen on 127.0.0.1";
                findings.push(said.finding(CheckRule::OpenPort, what, remedy));
            }
        }
    }
}

/// Servers of the `stream` context that lead to a guarded application.
fn streams(site: &Site<'_>, guarded: &[Backend<'_>], findings: &mut Vec<Finding>) {
    let is_open = |server: &Directive| listens(server).iter().any(|(it, _)| it.is_public());
    let open = site.tree.streams.iter().filter(|server| is_open(server));
    for pass in open.flat_map(|server| server.own("proxy_pass")) {
        let host = PassTarget::parse(pass.first()).host;
        if leads_to(guarded, &BackendAddress::parse(host, 0)) {
            let what = "this port leads to a guarded application without a password";
            findings.push(pass.finding(CheckRule::Bypass, what, "remove this server"));
        }
    }
}

fn leads_to(guarded: &[Backend<'_>], address: &BackendAddress<'_>) -> bool {
    guarded.iter().any(|(other, _)| other == address)
}

/// Whether something other than htgate asks for a password, or only this machine can connect.
fn is_closed(scope: Scope<'_>) -> bool {
    let denies = scope.effective_all("deny");
    let listens = scope.around("server").map(|it| listens(it.opener));
    listens.is_some_and(|all| all.iter().all(|(address, _)| !address.is_public()))
        || denies.iter().any(|said| said.first() == "all")
        || !matches!(scope.value("auth_basic"), None | Some("off"))
        || scope.value("ssl_verify_client") == Some("on")
}
