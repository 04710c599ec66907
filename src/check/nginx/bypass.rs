//! The ways to what is behind the gate, and those around it.

use super::super::{CheckRule, Finding};
use super::Site;
use super::closed::{ends, is_private, refuses};
use super::gate::asks;
use super::place::Place;
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{Backend, BackendAddress, PassTarget, backends, listens, targets};

pub(super) fn check(site: &Site<'_>, findings: &mut Vec<Finding>) {
    let (mut applications, mut guarded) = (Vec::new(), Vec::new());
    for &scope in &site.guarded {
        applications.extend(backends(scope));
        guarded.extend(Place::all(scope));
        findings.extend(hand_over(site, scope));
        findings.extend(taken_by_pattern(site, scope));
    }
    for (_, said) in applications
        .iter()
        .filter(|(address, _)| address.is_public())
    {
        let what = "anyone who can reach this port needs no password";
        let remedy = "let the application listen on 127.0.0.1 or a unix socket, or let a \
                      firewall admit only nginx";
        findings.push(said.finding(CheckRule::OpenPort, what, remedy));
    }
    for scope in site.tree.all().filter(|scope| is_open(site, *scope)) {
        findings.extend(open_location(site, scope, &guarded));
    }
    servers(site, &applications, findings);
    streams(site, &applications, findings);
}

/// Whether clients get to a level and are asked for nothing there.
fn is_open(site: &Site<'_>, scope: Scope<'_>) -> bool {
    let Some(server) = scope.around("server") else {
        return false;
    };
    // A server that is half guarded may have everybody behind another proxy.
    let is_reached = !is_private(server) || site.has_gate(server);
    is_reached
        && ends(server) != Some(true)
        && ends(scope) != Some(true)
        && asks(scope).is_none()
        && !site.tokens.contains(&scope)
        && !scope.is_internal()
        && !refuses(scope)
        && !scope.prefix().is_some_and(|it| it.starts_with(WELL_KNOWN))
}

/// A level that asks for no password, and hands out what a guarded one does.
fn open_location(site: &Site<'_>, scope: Scope<'_>, guarded: &[Place<'_>]) -> Option<Finding> {
    let pass = scope.opener.passes().next().or_else(|| fallback(scope));
    let off = scope.effective("auth_request");
    let has_gate = scope
        .around("server")
        .is_some_and(|server| site.has_gate(server));
    let is_off = has_gate && !site.has_tokens_for(scope);
    if let (Some(said), Some(_), true) = (off, pass, is_off) {
        let what = "this location passes requests on without a password";
        let remedy = "leave 'auth_request off' out, or serve it from files; if it is meant, write \
                      '# htgate check: ignore open-location' behind it";
        return Some(said.finding(CheckRule::OpenLocation, what, remedy));
    }
    // Files that are open on purpose.
    if off.is_some() && pass.is_none() {
        return None;
    }
    let mut ways = Place::all(scope).into_iter();
    let outer = scope.around("server").and_then(ends);
    if let Some(way) = ways.find(|way| guarded.iter().any(|place| way.leads_to(place))) {
        if ends(scope).or(outer).is_some() {
            let what =
                "whether an 'if' keeps clients from what is guarded elsewhere is not known here";
            return Some(way.said.finding(CheckRule::CannotTell, what, LOOK));
        }
        let what = "this is a way to what is guarded elsewhere, without a password";
        let remedy = match has_gate {
            true => "include htgate-gate.conf in this block as well",
            false => "include htgate-server.conf in this server as well",
        };
        return Some(way.said.finding(CheckRule::Bypass, what, remedy));
    }
    let unknown = pass.filter(|pass| !guarded.is_empty() && targets(scope, pass).is_none())?;
    let what = "where this leads, without a password, is known to nginx alone while it runs";
    Some(unknown.finding(CheckRule::CannotTell, what, LOOK))
}

/// What an open location passes on by way of a named one, which asks for nothing either.
fn fallback(scope: Scope<'_>) -> Option<&Directive> {
    let fallbacks = scope
        .opener
        .own("try_files")
        .chain(scope.opener.own("error_page"));
    let mut names = fallbacks
        .map(Directive::last)
        .filter(|it| it.starts_with('@'));
    names.find_map(|name| {
        let named = scope
            .location(name)
            .filter(|named| asks(*named).is_none())?;
        named.opener.passes().next()
    })
}

/// What a guarded location hands over to a location that asks for no password.
fn hand_over(site: &Site<'_>, scope: Scope<'_>) -> Option<Finding> {
    let leads_out = |path: &str| {
        let path = path
            .split(['?', '$'])
            .next()
            .filter(|path| path.starts_with('/'))?;
        let to = scope.location(path).or_else(|| scope.around("server"))?;
        // A single page is meant to be open.
        let serves = !to.opener.has("return") && !to.is_exact();
        (serves && !site.guards(to) && !refuses(to)).then(|| path.to_owned())
    };
    let is_passed = |path: &String| {
        let to = scope.location(path);
        to.is_some_and(|to| to.opener.passes().next().is_some())
    };
    let rewrites = scope.opener.own("rewrite");
    let goes_on = |said: &&Directive| matches!(said.last(), "last") || said.arguments.len() == 2;
    for said in rewrites.filter(goes_on) {
        let to = said.arguments.get(1).and_then(|to| leads_out(to));
        if let Some(to) = to.filter(|_| scope.around("location").is_some()) {
            let what = format!("this leads past the gate to {to}, which asks for no password");
            let remedy = format!("include htgate-gate.conf in a location for {to} as well");
            return Some(said.finding(CheckRule::Bypass, &what, &remedy));
        }
    }
    // Of an error page only a script sees what was asked for.
    let is_page = |said: &&Directive| said.last().contains(".php");
    let pages = scope.opener.own("error_page").filter(is_page);
    let mut fallbacks = scope.opener.own("try_files").chain(pages);
    let found = fallbacks.find_map(|said| Some((said, leads_out(said.last()).filter(is_passed)?)));
    let (said, to) = found?;
    let what = format!("{to} may show what is guarded to a client that asks for {to} itself");
    let remedy = "include htgate-server.conf in the server, instead of a gate for this location";
    Some(said.finding(CheckRule::Bypass, &what, remedy))
}

/// A location with a regular expression that takes requests away from a guarded prefix.
fn taken_by_pattern(site: &Site<'_>, scope: Scope<'_>) -> Option<Finding> {
    let (prefix, outer) = (scope.prefix()?, scope.parent()?);
    if scope.opener.name != "location" || scope.is_final() || site.guards(outer) {
        return None;
    }
    let mut others = outer.children().filter_map(|other| {
        let takes = other.pattern()?.may_begin(prefix);
        (is_open(site, other) && takes != Some(false)).then_some((other, takes))
    });
    let (other, takes) = others.next()?;
    let pattern = other.opener.arguments.join(" ");
    let remedy = format!(
        "write 'location ^~ {prefix}', and put into it what it needs of 'location {pattern}'"
    );
    let (rule, takes) = match takes {
        Some(_) => (CheckRule::Bypass, "takes"),
        None => (CheckRule::CannotTell, "may take"),
    };
    let what = format!("'location {pattern}' {takes} requests below {prefix} past the gate");
    Some(scope.opener.finding(rule, &what, &remedy))
}

/// Servers of this nginx that a guarded location passes requests on to, and that everybody can
/// reach.
fn servers(site: &Site<'_>, guarded: &[Backend<'_>], findings: &mut Vec<Finding>) {
    let servers = site.tree.servers();
    for server in servers.filter(|it| !site.guards(*it) && !refuses(*it) && !is_private(*it)) {
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
        let address = BackendAddress::parse(PassTarget::parse(pass.first()).host, 0);
        if guarded.iter().any(|(other, _)| *other == address) {
            let what = "this port leads to a guarded application without a password";
            findings.push(pass.finding(CheckRule::Bypass, what, "remove this server"));
        }
    }
}

const LOOK: &str = "look whether it can lead to what is guarded";
/// What is for everybody (RFC 8615): for one, what renews certificates.
pub(super) const WELL_KNOWN: &str = "/.well-known";
