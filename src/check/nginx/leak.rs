//! What wastes work, gives passwords away, or is served without one by the nature of nginx.

use super::super::{CheckRule, Finding};
use super::Site;
use super::bypass::WELL_KNOWN;
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{backends, listens};

pub(super) fn check(site: &Site<'_>, findings: &mut Vec<Finding>) {
    for &scope in &site.guarded {
        if !site.tokens.contains(&scope) {
            findings.extend(auth_basic(scope));
        }
        findings.extend(scope.opener.own("return").filter_map(body));
        findings.extend(variables(scope));
        // A registry that checks tokens gets them by the same header.
        if !site.has_tokens_for(scope) {
            findings.extend(password(scope));
            findings.extend(api_header(site, scope));
        }
        let server = scope.around("server");
        findings.extend(server.and_then(|server| plain_http(server)));
    }
    for scope in site.tree.all() {
        findings.extend(twice(scope));
        findings.extend(
            scope
                .opener
                .own("add_header")
                .filter_map(|said| header(scope, said)),
        );
        if scope.opener.name == "server" {
            findings.extend(acme(site, scope));
        }
    }
}

fn auth_basic(scope: Scope<'_>) -> Option<Finding> {
    let said = scope.effective("auth_basic")?;
    let (what, remedy) = match said.first() {
        "off" => (
            "'auth_basic off' does not open this: htgate is asked all the same",
            "write 'auth_request off;' if it should be open, and remove this line",
        ),
        _ => (
            "nginx itself hashes every password here, beside htgate",
            "remove this line, and the auth_basic_user_file",
        ),
    };
    // What is nested inherits the line, and one finding is enough.
    let is_new = said.first() != "off" || scope.opener.own("auth_basic").next().is_some();
    is_new.then(|| said.finding(CheckRule::AuthBasic, what, remedy))
}

/// A `return` comes before the password is asked for (`NGX_HTTP_REWRITE_PHASE`).
fn body(said: &Directive) -> Option<Finding> {
    let is_answer = said.first().starts_with('2') && said.arguments.len() > 1;
    let what = "nginx answers this without asking for a password";
    let remedy = "if it is for everybody put 'auth_request off;' above it, otherwise serve a file";
    is_answer.then(|| said.finding(CheckRule::ReturnBody, what, remedy))
}

/// Lines of its own have replaced those by which the gate sets its variables.
fn variables(scope: Scope<'_>) -> Option<Finding> {
    let own = scope.opener.own("auth_request_set").next()?;
    let mut lost = scope
        .parent()?
        .effective_all("auth_request_set")
        .into_iter();
    let mut has = scope.opener.own("auth_request_set");
    let lost = lost.find(|lost| !has.any(|own| own.first() == lost.first()))?;
    let what = format!(
        "lines of its own replace the gate's here, so that {} is empty",
        lost.first()
    );
    let remedy = "leave it out, and use $htgate_user";
    Some(own.finding(CheckRule::OwnVariables, &what, remedy))
}

fn password(scope: Scope<'_>) -> Option<Finding> {
    let pass = scope.opener.passes().next()?;
    let (kind, put) = match pass.name.as_str() {
        "proxy_pass" => ("proxy", "proxy_set_header Authorization ''"),
        "grpc_pass" => ("grpc", "grpc_set_header Authorization ''"),
        "fastcgi_pass" => ("fastcgi", "fastcgi_param HTTP_AUTHORIZATION ''"),
        "uwsgi_pass" => ("uwsgi", "uwsgi_param HTTP_AUTHORIZATION ''"),
        _ => ("scgi", "scgi_param HTTP_AUTHORIZATION ''"),
    };
    let (list, rest) = put.split_once(' ')?;
    let (name, _) = rest.split_once(' ')?;
    let all = scope.effective_all(list);
    let is_ended = all
        .iter()
        .any(|said| said.first().eq_ignore_ascii_case(name))
        || scope.value(&format!("{kind}_pass_request_headers")) == Some("off");
    // A list is inherited as a whole: one line in another place would replace it.
    let (said, place) = match all.last() {
        Some(last) => (*last, "below this line"),
        None => (pass, "here"),
    };
    let what = "the password goes on to the application";
    let remedy = format!("put \"{put};\" {place}, if the application does not need it");
    (!is_ended).then(|| said.finding(CheckRule::PasswordPassed, what, &remedy))
}

fn plain_http(server: Scope<'_>) -> Option<Finding> {
    let redirects = |said: &Directive| {
        let is_about = |it: &String| it.contains("$scheme") || it.contains("$https");
        said.arguments.iter().any(is_about) && said.has("return")
    };
    if server.value("ssl") == Some("on") || server.opener.own("if").any(redirects) {
        return None;
    }
    let plain = |said: &Directive| !said.arguments.iter().any(|it| it == "ssl" || it == "quic");
    let mut listens = listens(server.opener).into_iter();
    let (_, said) = listens.find(|(address, said)| address.is_public() && plain(said))?;
    let what = "passwords come in clear here";
    let remedy = "listen with 'ssl', or on 127.0.0.1 behind a proxy that does";
    Some(said.finding(CheckRule::PlainHttp, what, remedy))
}

/// The header by which clients know a registry, where it is on some answers only, or twice.
fn header(scope: Scope<'_>, said: &Directive) -> Option<Finding> {
    let is_it = |said: &Directive| said.first().eq_ignore_ascii_case(API_VERSION);
    if !is_it(said) {
        return None;
    }
    if said.last() != "always" {
        let what = "the API header is missing on 401 and other errors, so clients see no registry";
        return Some(said.finding(CheckRule::ApiHeader, what, "put 'always' behind it"));
    }
    let merges = scope
        .effective("add_header_inherit")
        .filter(|it| it.first() == "merge")?;
    let outer = scope.parent()?.effective_all("add_header");
    let what = "with this the API header is sent twice, here and where it is inherited";
    let remedy = "leave it out, or write it in the locations that need it";
    outer
        .into_iter()
        .any(is_it)
        .then(|| merges.finding(CheckRule::ApiHeader, what, remedy))
}

/// A registry whose refusals do not say that they are one's.
fn api_header(site: &Site<'_>, scope: Scope<'_>) -> Option<Finding> {
    let server = scope.around("server")?;
    let is_registry = scope
        .prefix()
        .is_some_and(|it| it.trim_end_matches('/') == "/v2");
    // Other interfaces have a second version as well.
    let is_port = backends(scope)
        .iter()
        .any(|(it, _)| it.port() == Some(5000));
    let mut passes = scope.opener.passes();
    let is_registry = is_registry && (is_port || passes.any(|it| it.first().contains("registry")));
    let mut headers = server.effective_all("add_header").into_iter();
    let has_it = headers.any(|said| said.first().eq_ignore_ascii_case(API_VERSION));
    let mut maps = site.tree.all().next()?.opener.own("map");
    let has_variable = maps.any(|map| map.last() == "$htgate_api_version");
    let what = "refusals have no API header, so old clients see no registry";
    let remedy =
        format!("put 'add_header {API_VERSION} $htgate_api_version always;' into the server");
    let is_lost = is_registry && has_variable && !has_it;
    is_lost.then(|| server.opener.finding(CheckRule::ApiHeader, what, &remedy))
}

/// Directives that nginx takes once in a block. With two it does not start.
fn twice(scope: Scope<'_>) -> Option<Finding> {
    let names = ["auth_request", "satisfy", "proxy_intercept_errors"];
    names.into_iter().find_map(|name| {
        let mut all = scope.opener.own(name);
        let (first, last) = (all.next()?, all.last()?);
        // The site's own, not the include's.
        let is_own = |said: &&Directive| said.file == scope.opener.file;
        let said = if is_own(&last) { last } else { first };
        let what = format!("nginx does not start: '{name}' is in this block twice");
        let remedy = "remove this line, or move it into a location in the block";
        Some(said.finding(CheckRule::Twice, &what, remedy))
    })
}

/// A certificate that cannot be renewed: whoever renews it has no password (RFC 8555, section 8.3).
fn acme<'a>(site: &Site<'a>, server: Scope<'a>) -> Option<Finding> {
    let path = format!("{WELL_KNOWN}/acme-challenge/");
    let at = |server: Scope<'a>| server.location(&format!("{path}x")).unwrap_or(server);
    let here = at(server);
    if !site.guards(here) || here.opener.has("return") {
        return None;
    }
    let remedy = format!("put 'location ^~ {path} {{ auth_request off; }}' into this server");
    let prefix = here.prefix().unwrap_or_default();
    if path.starts_with(prefix) && prefix.contains("acme") {
        let what = "a certificate is renewed without a password, and is asked for one here";
        return Some(here.opener.finding(CheckRule::Acme, what, &remedy));
    }
    let certificate = server.value("ssl_certificate").unwrap_or_default();
    let mut made = ["letsencrypt", "certbot", "acme"].into_iter();
    let name = server.value("server_name").unwrap_or_default();
    // It is asked for over HTTP, and answered there or sent on to here. A name with a wildcard is
    // proved by DNS.
    let sends_on = |it: Scope<'a>| {
        it.opener
            .own("return")
            .any(|it| it.first().starts_with('3'))
    };
    let is_asked = |it: Scope<'a>| {
        let is_plain = listens(it.opener)
            .iter()
            .any(|(it, _)| it.port() == Some(80));
        is_plain && (sends_on(it) || sends_on(at(it)) || site.guards(at(it)))
    };
    let mut same = site
        .tree
        .servers()
        .filter(|it| it.value("server_name") == Some(name));
    let is_made_so = made.any(|word| certificate.contains(word)) && !name.starts_with(['.', '*']);
    let what = "whether this certificate is renewed by a file, which a password keeps back, is not \
                known here";
    (is_made_so && same.any(is_asked))
        .then(|| server.opener.finding(CheckRule::CannotTell, what, &remedy))
}

const API_VERSION: &str = "Docker-Distribution-Api-Version";
