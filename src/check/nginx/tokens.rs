//! The locations through which a registry's clients get tokens, and what each must say. A registry
//! whose clients get tokens checks them itself, so that nothing needs to stand before it.

use super::super::{CheckRule, Finding};
use super::Site;
use super::gate::asks;
use super::location::{HtgateLocation, is_variable};
use super::scope::{Scope, ScopeTree};
use super::syntax::Directive;
use super::upstream::{backends, proxy_pass};
use crate::token::OTHER_PATHS;

impl Site<'_> {
    /// Whether a level needs no gate: it gives tokens itself, or it is the registry of a server
    /// that gives them.
    pub(super) fn has_tokens_for(&self, scope: Scope<'_>) -> bool {
        let server = scope.around("server");
        let mut servers = self.tokens.iter().map(|token| token.around("server"));
        self.tokens.contains(&scope)
            || (is_registry(path(scope)) && servers.any(|other| other == server))
    }
}

/// Finds them: whatever leads to htgate and to none of its other paths, as the path of tokens is
/// for each to choose.
pub(super) fn find<'a>(tree: &'a ScopeTree<'a>, gates: &[Scope<'a>]) -> Vec<Scope<'a>> {
    let asked: Vec<_> = gates.iter().flat_map(|gate| backends(*gate)).collect();
    let leads = |scope: &Scope<'_>| {
        let Some((_, target)) = proxy_pass(*scope) else {
            return false;
        };
        let is_asked = |address| asked.iter().any(|(other, _)| *other == address);
        let is_htgate = target.host.contains("htgate")
            || backends(*scope).into_iter().any(|(one, _)| is_asked(one));
        let path = match target.path {
            "" => path(*scope),
            path => path.split(['?', '$']).next().unwrap_or_default(),
        };
        is_htgate && !matches!(path, "" | "/") && !OTHER_PATHS.contains(&path)
    };
    let open = tree.all().filter(|scope| !scope.is_internal());
    open.filter(leads).collect()
}

/// What every one of them must say.
pub(super) fn check(site: &Site<'_>, findings: &mut Vec<Finding>) {
    for &scope in &site.tokens {
        let mut location = HtgateLocation {
            scope,
            kind: "token location",
            findings,
        };
        check_statements(&mut location);
        location.check_cache("a cached token is given to the next client that asks");
        location.check_ports();
        let registry = scope.location("/v2/");
        findings.extend(registry.and_then(|registry| refused_tokens(site, registry)));
    }
}

/// The registry in the server of a token location: tokens must reach it.
fn refused_tokens(site: &Site<'_>, registry: Scope<'_>) -> Option<Finding> {
    proxy_pass(registry)?;
    let rule = CheckRule::TokenLocation;
    if site.guards(registry) {
        let what = "tokens are refused here, where htgate asks for a password";
        let remedy = "if the registry has 'auth: token:', put 'auth_request off;' here, \
                      otherwise leave htgate-token.conf out";
        return Some(registry.opener.finding(rule, what, remedy));
    }
    let said = match registry.header("Authorization") {
        Some(said) if !is_variable(said.last(), "$http_authorization") => said,
        None if !registry.passes_headers() => registry.opener,
        _ => return None,
    };
    let what = "tokens end here, and the registry sees none";
    Some(said.finding(rule, what, "leave this out"))
}

/// Where it stands, and what it sends along.
fn check_statements(location: &mut HtgateLocation<'_>) {
    let (scope, rule) = (location.scope, CheckRule::TokenLocation);
    if is_registry(path(scope)) {
        let what = "this is under /v2/, where clients expect the registry";
        let remedy = "move it, for instance to /auth/token, and the registry's realm with it";
        location.tell(rule, scope.opener, what, remedy);
    }
    if asks(scope).is_some() {
        let what = "asking for a token already takes a password, so nobody can get one without";
        location.tell_to_put(rule, scope.opener, what, "auth_request off");
    }

    // Otherwise all clients would be one, and all would pay for the guesses of one.
    location.check_header("X-Real-IP", "$remote_addr");
    for (name, value) in [
        ("Authorization", "$http_authorization"),
        ("User-Agent", "$http_user_agent"),
        // Without it the form of a POST is none.
        ("Content-Type", "$http_content_type"),
        // By these a form on another site's page is known.
        ("Origin", "$http_origin"),
        ("Sec-Fetch-Site", "$http_sec_fetch_site"),
    ] {
        // A client's own goes on by itself, if nothing else is said.
        let goes_on = match scope.header(name).map(Directive::last) {
            None => scope.passes_headers(),
            Some(sent) => name == "Content-Type" && sent == "$content_type",
        };
        if !goes_on {
            location.check_header(name, value);
        }
    }
    let body = scope.effective("proxy_pass_request_body");
    if let Some(said) = body.filter(|said| said.first() == "off") {
        let what = "forms do not reach htgate, and containerd sends one first";
        location.tell_to_put(rule, said, what, "proxy_pass_request_body on");
    }
}

/// The path that a level is for; of an `if`, that of the location around it.
fn path(scope: Scope<'_>) -> &str {
    let location = scope.around("location");
    location.map_or("", |location| location.opener.last())
}

/// Whether a path, or a regular expression for some, is the registry's.
fn is_registry(path: &str) -> bool {
    let rest = path.trim_start_matches('^').strip_prefix("/v2");
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-'))
}

#[cfg(test)]
mod tests {
    use super::super::super::Severity;
    use super::super::{Known, findings};
    use super::*;

    const HTTP: &str = include_str!("../../../nginx/htgate.conf");
    const SERVER: &str = include_str!("../../../nginx/registry-token.conf");
    const TOKEN: &str = include_str!("../../../nginx/htgate-token.conf");
    const GATE: &str = include_str!("../../../nginx/htgate-server.conf");
    const INCLUDE: &str = "include /etc/nginx/htgate-token.conf;";

    /// What is found in what `nginx -T` prints of the shipped files: rules, with the text of
    /// their lines.
    fn seen(server: &str, token: &str) -> Vec<(CheckRule, String)> {
        let files = [
            ("/etc/nginx/nginx.conf", "http { include conf.d/*.conf; }"),
            ("/etc/nginx/conf.d/htgate.conf", HTTP),
            ("/etc/nginx/conf.d/registry-token.conf", server),
            ("/etc/nginx/htgate-token.conf", token),
            ("/etc/nginx/htgate-server.conf", GATE),
        ];
        let print = |(path, text)| format!("# configuration file {path}:\n{text}\n");
        let text = |finding: &Finding| {
            let (_, text) = files
                .iter()
                .find(|(path, _)| *path == finding.file)
                .unwrap();
            let line = finding
                .fault
                .line
                .and_then(|line| text.lines().nth(line as usize - 1));
            line.unwrap_or_default().trim().to_owned()
        };
        let found = findings("-", &files.map(print).concat(), &Known::default());
        let faults = found
            .iter()
            .filter(|it| it.rule.severity() == Severity::Error);
        faults.map(|it| (it.rule, text(it))).collect()
    }

    fn one(rule: CheckRule, line: &str) -> Vec<(CheckRule, String)> {
        vec![(rule, line.to_owned())]
    }

    #[test]
    fn the_shipped_files_are_in_order() {
        assert_eq!(seen(SERVER, TOKEN), []);
        // Beside a gate for the rest of the server.
        let gated = SERVER
            .replace(
                INCLUDE,
                &format!("{INCLUDE} include /etc/nginx/htgate-server.conf;"),
            )
            .replace("location /v2/ {", "location /v2/ { auth_request off;");
        assert_eq!(seen(&gated, TOKEN), []);
    }

    /// Given the token location with one thing in it replaced: the rule it breaks, and the line.
    #[test]
    fn planted_faults() {
        let here = "location = /auth/token {";
        let rows: &[(&str, &str, CheckRule, &str)] = &[
            (
                "location = /auth/token",
                "location = /v2/token",
                CheckRule::TokenLocation,
                "location = /v2/token {",
            ),
            (
                "proxy_cache off",
                "proxy_cache all",
                CheckRule::ProxyCache,
                "proxy_cache all;",
            ),
            (
                "    proxy_set_header X-Real-IP $remote_addr;\n",
                "",
                CheckRule::MissingHeader,
                here,
            ),
            (
                "X-Real-IP $remote_addr",
                "X-Real-IP $http_x_real_ip",
                CheckRule::MissingHeader,
                "proxy_set_header X-Real-IP $http_x_real_ip;",
            ),
            (
                "    proxy_set_header Authorization $http_authorization;\n",
                "",
                CheckRule::MissingHeader,
                here,
            ),
            (
                "Authorization $http_authorization",
                "Authorization ''",
                CheckRule::MissingHeader,
                "proxy_set_header Authorization '';",
            ),
            (
                "    proxy_set_header User-Agent $http_user_agent;\n",
                "",
                CheckRule::MissingHeader,
                here,
            ),
            (
                "    proxy_set_header Content-Type $content_type;\n",
                "",
                CheckRule::MissingHeader,
                here,
            ),
            (
                "proxy_cache off;",
                "proxy_pass_request_body off;",
                CheckRule::TokenLocation,
                "proxy_pass_request_body off;",
            ),
        ];
        for (from, to, rule, line) in rows {
            assert!(TOKEN.contains(from), "{from}");
            let token = TOKEN.replacen(from, to, 1);
            assert_eq!(seen(SERVER, &token), one(*rule, line), "{from} -> {to}");
        }
        // What leads elsewhere gives no tokens.
        for elsewhere in ["http://htgate/metrics", "http://elsewhere/token"] {
            let token = TOKEN.replace("http://htgate/token", elsewhere);
            let rules: Vec<_> = seen(SERVER, &token).iter().map(|it| it.0).collect();
            assert_eq!(rules, [CheckRule::NoGate], "{elsewhere}");
        }
    }

    /// The path is for each to choose, a client's own headers do no harm, and who listens on TCP
    /// needs no upstream.
    #[test]
    fn what_is_no_fault() {
        for (from, to) in [
            ("http://htgate/token", "http://htgate/tokens$is_args$args"),
            ("$content_type", "$http_content_type"),
            ("    proxy_pass_request_headers off;\n", ""),
            ("    auth_request off;\n", ""),
            (
                "http://htgate/token",
                "http://unix:/run/htgate/htgate.sock:/token",
            ),
        ] {
            assert!(TOKEN.contains(from), "{from}");
            assert_eq!(seen(SERVER, &TOKEN.replacen(from, to, 1)), [], "{to}");
        }
    }

    #[test]
    fn paths_of_registries() {
        for (path, expected) in [
            ("/v2", true),
            ("/v2/", true),
            ("/v2/team/", true),
            ("^/v2(/|$)", true),
            ("/v20/", false),
            ("/v2x", false),
            ("/", false),
            ("/auth/v2/", false),
        ] {
            assert_eq!(is_registry(path), expected, "{path}");
        }
    }

    #[test]
    fn a_gate_and_tokens_beside_each_other() {
        let both = format!("{INCLUDE} include /etc/nginx/htgate-server.conf;");
        let gated = SERVER.replace(INCLUDE, &both);
        let registry = one(CheckRule::TokenLocation, "location /v2/ {");
        assert_eq!(seen(&gated, TOKEN), registry);

        let open = gated.replace("location /v2/ {", "location /v2/ { auth_request off;");
        let asked = TOKEN.replace("    auth_request off;\n", "");
        let location = one(CheckRule::TokenLocation, "location = /auth/token {");
        assert_eq!(seen(&open, &asked), location);

        // Passwords end at nginx where htgate is asked about each request; tokens must not.
        let line = "proxy_set_header Authorization '';";
        let cleared = SERVER.replace(
            "proxy_http_version 1.1;",
            &format!("proxy_http_version 1.1;\n{line}"),
        );
        assert_eq!(seen(&cleared, TOKEN), one(CheckRule::TokenLocation, line));

        // Only a registry is believed to check tokens.
        let application = "location /ui/ { auth_request off; proxy_pass http://127.0.0.1:1; }";
        let more = open.replace("location / {", &format!("{application}\nlocation / {{"));
        assert_eq!(
            seen(&more, TOKEN),
            one(CheckRule::OpenLocation, application)
        );

        // And none that another server guards by asking htgate.
        let other = format!(
            "{SERVER}\nserver {{ include /etc/nginx/htgate-server.conf;\n\
             add_header Docker-Distribution-Api-Version $htgate_api_version always;\n\
             location /v2/ {{ proxy_pass http://registry; }} }}"
        );
        let way = one(CheckRule::Bypass, "proxy_pass http://registry;");
        assert_eq!(seen(&other, TOKEN), way);
    }
}
