//! The locations through which nginx asks htgate: which they are, and what each must say.

use super::super::{CheckRule, Finding};
use super::location::HtgateLocation;
use super::scope::{Scope, ScopeTree};
use super::syntax::Directive;
use super::upstream::{Backend, backends, proxy_pass};
use super::{Known, Site, before, error_page};
use crate::Fault;
use crate::request::Front;

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
        let Some(location) = scope.plain_location(said.first()) else {
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
        let plain = asked.strip_suffix("$htgate_mounts").unwrap_or(asked);
        if plain.split('?').next() == Some(ENDPOINT) && is_htgate(location) {
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

/// Whether something asks htgate, and not another service with the same path: by its name, its port,
/// or what it is sent.
fn is_htgate(location: Scope<'_>) -> bool {
    let is_named = |it: &Backend<'_>| it.0.port() == Some(PORT) || it.1.first().contains("htgate");
    let upstream = proxy_pass(location).is_some_and(|(_, target)| target.host.contains("htgate"));
    upstream
        || location.header("X-Original-URI").is_some()
        || backends(location).iter().any(is_named)
}

/// What every auth location must say, and what is around it.
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
        check_statements(&mut location, site.known);
        location.check_cache("a cached answer lets the next request pass without a password");
        location.check_ports();
        error_page::check_question(site, scope, findings);
    }
    let mut questions = Vec::new();
    for &scope in &site.guarded {
        error_page::check_guarded(site, scope, findings);
        findings.extend(error_page::check_late(scope));
        let satisfy = scope.effective("satisfy");
        if let Some(said) = satisfy.filter(|said| said.first() == "any") {
            let what = "an allowed address passes without a password";
            findings.push(said.finding(CheckRule::SatisfyAny, what, "write 'satisfy all;'"));
        }
        let question = asks(scope)
            .map(Directive::first)
            .zip(scope.around("server"));
        questions.extend(question.filter(|it| !questions.contains(it)));
    }
    for (question, server) in questions {
        before::check(server, question, findings);
        findings.extend(taken_over(server, question));
    }
    findings.extend(halves(site));
    findings.extend(kept_mounts(site));
    findings.extend(unknown_servers(site));
}

/// A location with a regular expression that nginx takes for the question.
fn taken_over(server: Scope<'_>, question: &str) -> Option<Finding> {
    let meant = server.plain_location(question)?;
    let remedy = format!("write 'location = {question}'");
    if server.location(question) != Some(meant) {
        let what = "a location with a regular expression answers the question instead of this one";
        return Some(meant.opener.finding(CheckRule::TakenOver, what, &remedy));
    }
    let is_unknown = |it: &Scope<'_>| it.pattern().is_some_and(|it| it.fits(question).is_none());
    let mut others = server.children().filter(is_unknown);
    let unknown = others.next().filter(|_| !meant.is_final())?;
    let what = "whether this answers the question to htgate is not known here";
    Some(unknown.opener.finding(CheckRule::CannotTell, what, &remedy))
}

/// What sends the query on that htgate allows a request only without: any `proxy_pass` of a server in
/// which something says that it is left out, since internal redirects keep variables.
fn kept_mounts(site: &Site<'_>) -> Vec<Finding> {
    let sets = |scope: Scope<'_>, drops: bool| {
        let mut said = scope.opener.own("set");
        said.any(|it| it.first() == "$htgate_mounts" && it.last().contains(DROPS_MOUNTS) == drops)
    };
    let always = |gate: Scope<'_>| {
        proxy_pass(gate).is_some_and(|(_, target)| target.path.contains(DROPS_MOUNTS))
    };
    let mut found = Vec::new();
    for server in site.tree.servers().filter(|it| site.has_gate(*it)) {
        let all = server.below();
        let own_gates = site.gates.iter().filter(|gate| all.contains(gate));
        let drops = all.iter().any(|scope| sets(*scope, true)) || own_gates.copied().any(always);
        if !drops {
            continue;
        }
        let passes = all.iter().filter(|scope| {
            let is_ours = site.gates.contains(scope) || site.tokens.contains(scope);
            !is_ours && !sets(**scope, false)
        });
        let kept = passes.flat_map(|scope| scope.opener.own("proxy_pass"));
        let kept = kept.filter(|said| !said.first().ends_with("$htgate_uri"));
        let what = "a request that htgate allows only without its query can come here, by an \
                    internal redirect as well, and is sent on with it";
        let remedy = "put '$htgate_uri' at the end, or 'set $htgate_mounts '';' into this location";
        found.extend(kept.map(|said| said.finding(CheckRule::KeptMount, what, remedy)));
    }
    found
}

/// Servers that have one half of the include.
fn halves(site: &Site<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for server in site.tree.servers() {
        let mut locations = None;
        for said in &server.opener.block {
            if said.name == "set" && said.first() == "$htgate_here" {
                locations = Some(said);
            } else if said.name == "if" && said.first() == "($htgate_here" && locations.is_none() {
                let what = "without htgate-locations.conf above it this answers everybody with 500";
                let remedy = "include htgate-locations.conf above it, once in this server";
                found.push(said.finding(CheckRule::HalfGate, what, remedy));
            }
        }
        if let Some(said) = locations.filter(|_| !site.has_gate(server)) {
            let what = "htgate-locations.conf asks nobody for a password";
            let remedy = "include htgate-gate.conf as well, in the location to guard";
            found.push(said.finding(CheckRule::HalfGate, what, remedy));
        }
    }
    found
}

/// Servers that rules name and that none of the guarded ones is.
fn unknown_servers(site: &Site<'_>) -> Vec<Finding> {
    let name = |scope: &Scope<'_>| {
        let name = scope.around("server")?.opener.own("server_name").next()?;
        // As nginx has it in $server_name.
        let name = name.first().trim_start_matches('.');
        let is_pattern = name.starts_with('~');
        Some(if is_pattern {
            name.to_owned()
        } else {
            name.to_lowercase()
        })
    };
    let all = site.guarded.iter().chain(&site.tokens);
    let known: Vec<_> = all.filter_map(name).collect();
    let missing = site.known.servers.iter().filter(|it| !known.contains(it));
    let file = site.tree.all().next().map_or("", |http| &http.opener.file);
    let found = missing.map(|server| {
        let what = format!(
            "a rule names '//{server}/', and no guarded server has that as its first server_name"
        );
        let fault = Fault::new(what, "correct the rule, or the server_name");
        Finding::new(CheckRule::UnknownServer, file, fault)
    });
    found.collect()
}

fn check_statements(location: &mut HtgateLocation<'_>, known: &Known) {
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

    check_connection(location, known);
    location.check_wait();

    let what = "every header of a client reaches htgate";
    let statement = "proxy_pass_request_headers off";
    location.want(CheckRule::ClientHeaders, statement, what);
    let fields: &[(&str, &str)] = match known.front {
        Front::Nginx | Front::IngressNginx => &[
            ("X-Real-IP", "$remote_addr"),
            ("X-Original-Method", "$request_method"),
            ("X-Original-URI", "$request_uri"),
        ],
        Front::GatewayFabric => &[("Method", "$request_method"), ("Path", "$request_uri")],
    };
    for (name, value) in fields {
        location.check_header(name, value);
    }
    location.check_header("Authorization", "$http_authorization");
    location.check_header("User-Agent", "$http_user_agent");
    if known.has_repositories {
        match known.front {
            Front::Nginx => {
                location.check_header("X-Original-Content-Type", "$htgate_content_type");
            }
            // The controller passes all of a client's headers on.
            Front::IngressNginx => {}
            Front::GatewayFabric => location.check_header("Content-Type", "$http_content_type"),
        }
    }
    if !known.servers.is_empty() {
        location.check_header("X-Original-Server", "$server_name");
    }
}

/// Connections to htgate are kept open: by default from nginx 1.29.7 on, and before only by these.
fn check_connection(location: &mut HtgateLocation<'_>, known: &Known) {
    let (scope, rule) = (location.scope, CheckRule::NoKeepalive);
    // What a finding begins with, if it holds: what somebody has written holds for all versions.
    let holds = |is_written: bool| match known.version {
        _ if is_written => Some(""),
        Some(version) => (version < BY_DEFAULT).then_some(""),
        None => Some("before nginx 1.29.7, "),
    };
    if let Some((said, remedy, is_written)) = no_keepalive(scope)
        && let Some(before) = holds(is_written)
    {
        let what = format!("{before}every request opens a connection to htgate");
        location.tell(rule, said, &what, remedy);
    }
    let version = scope.effective("proxy_http_version");
    if let Some(said) = version.filter(|said| said.first() == "2") {
        let what = "htgate does not speak HTTP/2, so that everybody gets 500";
        location.tell_to_put(CheckRule::HttpVersion, said, what, "proxy_http_version 1.1");
    } else if let Some(before) = holds(version.is_some()) {
        let what = format!("{before}HTTP/1.0 closes the connection to htgate after each request");
        location.want(rule, "proxy_http_version 1.1", &what);
    }
    if let Some(before) = holds(scope.header("Connection").is_some()) {
        let what = format!("{before}nginx asks htgate to close each connection");
        location.want(rule, "proxy_set_header Connection ''", &what);
    }
}

/// Where connections are not kept open, what to do about it, and whether somebody wants it so.
fn no_keepalive(scope: Scope<'_>) -> Option<(&Directive, &'static str, bool)> {
    let (pass, target) = proxy_pass(scope)?;
    let Some(upstream) = target.upstream(scope) else {
        let remedy = "name an upstream block with 'keepalive 32;' here";
        return (!target.host.contains('$')).then_some((pass, remedy, true));
    };
    let said = upstream.own("keepalive").last();
    let is_off = said.is_none_or(|said| said.first() == "0");
    let remedy = "put 'keepalive 32;' into this upstream block";
    is_off.then_some((said.unwrap_or(upstream), remedy, said.is_some()))
}

/// The first version that keeps connections open by default, with HTTP/1.1.
const BY_DEFAULT: [u32; 3] = [1, 29, 7];
/// The port of `--listen`, where nothing else is said.
const PORT: u16 = 8080;
/// The query by which nginx says that it can leave an upload's own query out.
const DROPS_MOUNTS: &str = "mounts=drop";
/// Where htgate answers.
const ENDPOINT: &str = "/auth";

#[cfg(test)]
mod tests {
    use super::super::findings;
    use super::*;

    #[test]
    fn no_gate_at_all() {
        let seen = findings(
            "nginx.conf",
            "http { server { listen 80; } }",
            &Known::default(),
        );
        assert_eq!(
            (seen[0].rule, seen[0].fault.line),
            (CheckRule::NoGate, None)
        );
        let wrong = "upstream htgate { server unix:/x; }\nserver { auth_request /_a; location = /_a {\n\
                     internal; proxy_pass http://htgate/; } }";
        let seen = findings("site.conf", wrong, &Known::default());
        let lines: Vec<_> = seen.iter().map(|it| (it.rule, it.fault.line)).collect();
        assert_eq!(
            lines,
            [(CheckRule::NoGate, None), (CheckRule::NoGate, Some(3))]
        );
        // Another service is none of our business.
        let other =
            "server { auth_request /_a; location = /_a { proxy_pass http://oauth/validate; } }";
        let seen = findings("site.conf", other, &Known::default());
        assert_eq!(
            seen.iter().map(|it| it.rule).collect::<Vec<_>>(),
            [CheckRule::NoGate]
        );
    }

    #[test]
    fn mounts_that_are_not_dropped() {
        let site = |question: &str, lines: &str| {
            let text = format!(
                "upstream htgate {{ server unix:/x; keepalive 1; }}\nserver {{ auth_request _q; \
                 location = _q {{ internal; proxy_pass http://htgate{question}; }}\n\
                 location /v2/ {{ {lines} }} }}"
            );
            let seen = findings("site.conf", &text, &Known::default());
            seen.iter().any(|it| it.rule == CheckRule::KeptMount)
        };
        let (set, variable) = ("set $htgate_mounts '?mounts=drop';", "/auth$htgate_mounts");
        let (kept, dropped) = ("proxy_pass http://r;", "proxy_pass http://r$htgate_uri;");
        let beside = |lines: &str| format!("{set} {dropped} }} location @fb {{ {lines}");
        let rows = [
            (variable, format!("{set} {dropped}"), false),
            (variable, format!("{set} {kept}"), true),
            (variable, kept.to_owned(), false),
            (variable, dropped.to_owned(), false),
            ("/auth", kept.to_owned(), false),
            ("/auth?mounts=drop", kept.to_owned(), true),
            ("/auth?mounts=drop", dropped.to_owned(), false),
            // Where an internal redirect may lead to.
            (variable, beside(kept), true),
            (variable, beside(dropped), false),
            (
                variable,
                beside(&format!("set $htgate_mounts ''; {kept}")),
                false,
            ),
            (variable, beside("proxy_pass http://r$request_uri;"), true),
            (variable, beside("return 404;"), false),
        ];
        for (question, lines, expected) in rows {
            assert_eq!(site(question, &lines), expected, "{question} {lines}");
        }
    }
}
