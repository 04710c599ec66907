//! The ways to an application that is behind the gate, and those around it.

use super::super::{CheckRule, Finding};
use super::gate::Gates;
use super::location::Tell;
use super::scope::{Id, ScopeTree, own};
use super::syntax::Directive;
use super::tokens::TokenLocations;
use super::upstream::{Backend, BackendAddress, PassTarget, backends, listens};
use super::{at, is_pass};

pub(super) fn check(
    tree: &ScopeTree<'_>,
    gates: &Gates,
    tokens: &TokenLocations,
    findings: &mut Vec<Finding>,
) {
    let mut tell =
        |rule, said: &Directive, message: &str| findings.push(at(rule, &said.place, message));
    let mut guarded = Vec::new();
    for id in tree.all() {
        for said in own(tree.inside(id), "add_header") {
            let is_api = said
                .first()
                .eq_ignore_ascii_case("Docker-Distribution-Api-Version");
            if is_api && said.last() != "always" {
                let message = "the API header is missing on 401 and other errors, and clients \
                               then see no registry; put 'always' behind it";
                tell(CheckRule::ApiHeader, said, message);
            }
        }
        if !gates.guard(tree, id) || gates.have(id) {
            continue;
        }
        if let Some(said) = tree
            .effective(id, "satisfy")
            .filter(|said| said.first() == "any")
        {
            let message = "an allowed address passes without a password; write 'satisfy all;'";
            tell(CheckRule::SatisfyAny, said, message);
        }
        for said in tree.effective_all(id, "error_page") {
            if let Some(message) = error_page(tree, gates, id, said) {
                tell(CheckRule::ErrorPage, said, &message);
            }
        }
        guarded.extend(backends(tree, id));
    }
    for backend in &guarded {
        if backend.address.is_public() {
            let message = "whoever reaches this port needs no password; let the application \
                           listen on 127.0.0.1 or a unix socket, or a firewall admit only nginx";
            tell(CheckRule::OpenPort, backend.said, message);
        }
    }
    locations(tree, tokens, &guarded, &mut tell);
    servers(tree, gates, &guarded, &mut tell);
    streams(tree, &guarded, &mut tell);
}

/// What is wrong with an `error_page` that takes one of the gate's refusals.
fn error_page(tree: &ScopeTree<'_>, gates: &Gates, id: Id, said: &Directive) -> Option<String> {
    let mut codes = said.arguments.iter();
    let code = codes.find(|code| REFUSALS.contains(&code.as_str()))?;
    let answer = said
        .arguments
        .iter()
        .find_map(|argument| argument.strip_prefix('='));
    match answer.map(|status| (status, status.chars().next())) {
        Some((status, Some('2'))) => Some(format!(
            "a client that is refused with {code} is answered with {status}; leave '={status}' out"
        )),
        Some((status, Some('3'))) => Some(format!(
            "a client that is refused with {code} is sent elsewhere with {status}, and is never asked for a \
             password; leave '={status}' out"
        )),
        Some((_, Some(_))) => None,
        open => {
            let page = tree.location(tree.around(id, "server")?, said.last())?;
            let inside = tree.inside(page);
            let passes = inside.iter().any(is_pass);
            let returns = inside.iter().any(|directive| directive.name == "return");
            // Without '=' the status stays, but the body is the page's.
            let serves = passes || (open.is_some() && !returns);
            (serves && !returns && !gates.guard(tree, page)).then(|| {
                format!(
                    "a client that is refused with {code} gets what {} serves, without a password; \
                     let that location 'return' an error",
                    said.last()
                )
            })
        }
    }
}

/// Locations that pass requests on to a guarded application and ask for no password.
fn locations(
    tree: &ScopeTree<'_>,
    tokens: &TokenLocations,
    guarded: &[Backend<'_>],
    tell: &mut Tell<'_>,
) {
    for id in tree.all() {
        let Some(pass) = tree.inside(id).iter().find(|directive| is_pass(directive)) else {
            continue;
        };
        let auth = tree.effective(id, "auth_request");
        let asks_nobody = auth.is_none_or(|said| said.first() == "off");
        if !asks_nobody || tree.is_internal(id) || is_closed(tree, id) {
            continue;
        }
        let leads_there = |backend: &Backend<'_>| is_guarded(guarded, &backend.address);
        if let Some(said) = auth.filter(|_| !tokens.stand_for(tree, id)) {
            let message = "this location passes requests on without a password; \
                           leave 'auth_request off' out, or serve it from files";
            tell(CheckRule::OpenLocation, said, message);
        } else if backends(tree, id).iter().any(leads_there) {
            let message = "this is a way to a guarded application without a password; \
                           include htgate-server.conf in this server, too";
            tell(CheckRule::Bypass, pass, message);
        }
    }
}

/// Servers of this nginx that a guarded location passes requests on to, and that everybody can
/// reach.
fn servers(tree: &ScopeTree<'_>, gates: &Gates, guarded: &[Backend<'_>], tell: &mut Tell<'_>) {
    let is_local = |address: &BackendAddress<'_>| matches!(address, BackendAddress::Ip(ip, _) if ip.is_loopback() || ip.is_unspecified());
    let backends = guarded.iter().map(|backend| &backend.address);
    let ports: Vec<_> = backends
        .filter(|address| is_local(address))
        .filter_map(BackendAddress::port)
        .collect();
    for server in tree.named("server") {
        if gates.guard(tree, server) || is_closed(tree, server) {
            continue;
        }
        for (address, said) in listens(tree.inside(server)) {
            let leads_there = address.port().is_some_and(|port| ports.contains(&port));
            let said = said.or_else(|| tree.opener(server));
            if let Some(said) = said.filter(|_| leads_there && address.is_public()) {
                let message = "a guarded location passes requests on to this server, and everybody \
                               can reach its port; let it listen on 127.0.0.1";
                tell(CheckRule::OpenPort, said, message);
            }
        }
    }
}

/// Servers of the `stream` context that lead to a guarded application.
fn streams(tree: &ScopeTree<'_>, guarded: &[Backend<'_>], tell: &mut Tell<'_>) {
    for server in &tree.streams {
        let listens = listens(server.inside());
        if !listens.iter().any(|(address, _)| address.is_public()) {
            continue;
        }
        for pass in own(server.inside(), "proxy_pass") {
            let host = PassTarget::parse(pass.first()).host;
            if is_guarded(guarded, &BackendAddress::parse(host, 0)) {
                let message = "this port leads to a guarded application without a password; \
                               remove this server";
                tell(CheckRule::Bypass, pass, message);
            }
        }
    }
}

fn is_guarded(guarded: &[Backend<'_>], address: &BackendAddress<'_>) -> bool {
    guarded.iter().any(|backend| backend.address == *address)
}

/// Whether something else than htgate keeps people out, or only this machine gets in.
fn is_closed(tree: &ScopeTree<'_>, id: Id) -> bool {
    let is_on = |name| tree.value(id, name).is_some_and(|value| value != "off");
    let denies = tree
        .effective_all(id, "deny")
        .iter()
        .any(|said| said.first() == "all");
    let local = tree.around(id, "server").is_some_and(|server| {
        let addresses = listens(tree.inside(server));
        addresses.iter().all(|(address, _)| !address.is_public())
    });
    denies || local || is_on("auth_basic") || tree.value(id, "ssl_verify_client") == Some("on")
}

/// The statuses with which nginx refuses for htgate.
const REFUSALS: [&str; 3] = ["401", "403", "500"];
