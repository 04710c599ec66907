//! Where a `proxy_pass` leads to, and who else can get there.

use std::net::IpAddr;

use super::scope::Scope;
use super::syntax::Directive;

/// What the argument of a `proxy_pass` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PassTarget<'a> {
    /// A name, an address, or `unix:/path`.
    pub(super) host: &'a str,
    /// Empty where the request's own path is passed on.
    pub(super) path: &'a str,
    port: u16,
}

impl<'a> PassTarget<'a> {
    pub(super) fn parse(url: &'a str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let port = if scheme == "https" { 443 } else { 80 };
        let end = match rest.strip_prefix("unix:") {
            // A colon ends the socket's path.
            Some(socket) => socket.find(':').map(|at| at + "unix:".len()),
            None => {
                let ends = [
                    "/",
                    "$request_uri",
                    "$htgate_uri",
                    "$uri",
                    "$document_uri",
                    "$is_args",
                    "$args",
                ];
                ends.iter().filter_map(|end| rest.find(end)).min()
            }
        };
        let end = end.unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = path.strip_prefix(':').unwrap_or(path);
        Self { host, path, port }
    }

    /// The `upstream` block that the host names.
    pub(super) fn upstream<'s>(&self, scope: Scope<'s>) -> Option<&'s Directive> {
        let http = scope.outward().last()?.opener;
        http.own("upstream")
            .find(|upstream| upstream.first() == self.host)
    }
}

/// The `proxy_pass` of a level itself, and where it leads to.
pub(super) fn proxy_pass(scope: Scope<'_>) -> Option<(&Directive, PassTarget<'_>)> {
    let said = scope.opener.own("proxy_pass").last()?;
    Some((said, PassTarget::parse(said.first())))
}

/// Where somebody listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BackendAddress {
    Unix(String),
    Ip(IpAddr, u16),
    Name(String, u16),
}

impl BackendAddress {
    pub(super) fn parse(text: &str, default_port: u16) -> Self {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::Unix(path.to_owned());
        }
        let (host, port) = text
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse().ok()?)))
            .unwrap_or((text, default_port));
        match host.trim_start_matches('[').trim_end_matches(']') {
            "localhost" => Self::Ip([127, 0, 0, 1].into(), port),
            host => host.parse().map_or_else(
                |_| Self::Name(host.to_owned(), port),
                |ip| Self::Ip(ip, port),
            ),
        }
    }

    /// The port, if it has one.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(_, port) | Self::Name(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// Whether only this machine can connect. Names are believed to be private: they are those of
    /// containers, and what they lead to is not known here.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Self::Ip(ip, _) if !ip.is_loopback())
    }

    /// Whether it is this machine's, and that of a server that listens on the other.
    pub(super) fn is_served_by(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Ip(ip, port), Self::Ip(all, listening))
            if port == listening && (ip.is_loopback() || ip.is_unspecified())
            && (all.is_unspecified() || all == ip))
    }
}

/// An address, and the directive that has it.
pub(super) type Backend<'a> = (BackendAddress, &'a Directive);

/// The addresses that a level hands its requests to. None where only nginx knows them, while it
/// runs.
pub(super) fn backends(scope: Scope<'_>) -> Vec<Backend<'_>> {
    let mut found = Vec::new();
    for said in scope.opener.passes() {
        for url in targets(scope, said).unwrap_or_default() {
            match PassTarget::parse(&url).upstream(scope) {
                Some(upstream) => {
                    found.extend(
                        addresses(scope, &url)
                            .into_iter()
                            .zip(upstream.own("server")),
                    );
                }
                None => found.extend(addresses(scope, &url).into_iter().map(|it| (it, said))),
            }
        }
    }
    found
}

/// The addresses that a URL leads to: those of the `upstream` that it names, or its own.
pub(super) fn addresses(scope: Scope<'_>, url: &str) -> Vec<BackendAddress> {
    let target = PassTarget::parse(url);
    let address = |text: &str| BackendAddress::parse(text, target.port);
    match target.upstream(scope) {
        Some(upstream) => upstream
            .own("server")
            .map(|it| address(it.first()))
            .collect(),
        None => vec![address(target.host)],
    }
}

/// The URLs that a `proxy_pass` or its like may stand for, with each value of the variables in its
/// host. Nothing where the configuration does not have the values.
pub(super) fn targets(scope: Scope<'_>, said: &Directive) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![said.first().to_owned()];
    while let Some(url) = open.pop() {
        let host = PassTarget::parse(&url).host;
        let Some((_, rest)) = host.split_once('$') else {
            found.push(url);
            continue;
        };
        let rest = rest.trim_start_matches('{');
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let name = rest.get(..end.unwrap_or(rest.len()))?;
        for value in values(scope, name) {
            let braces = url.replacen(&format!("${{{name}}}"), value, 1);
            let next = braces.replacen(&format!("${name}"), value, 1);
            // A variable that stands for itself would never end.
            if found.len() + open.len() < MOST_TARGETS && next.len() < LONGEST_TARGET {
                open.push(next);
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// What a variable may be: by `set` in the server, and by `map` and its like.
fn values<'a>(scope: Scope<'a>, name: &str) -> impl Iterator<Item = &'a str> {
    let variable = format!("${name}");
    let is_it = |it: &&Directive, word: &str| word == variable && !it.arguments.is_empty();
    let http = scope.outward().last().map(|http| http.opener);
    let maps = http.into_iter().flat_map(|http| &http.block);
    let maps = maps.filter(|it| matches!(it.name.as_str(), "map" | "geo" | "split_clients"));
    let mapped = maps
        .filter(|it| is_it(it, it.last()))
        .flat_map(|map| &map.block);
    let server = scope.around("server");
    let sets = server.into_iter().flat_map(Scope::below);
    let sets = sets.flat_map(|it| it.opener.own("set"));
    let set = sets.filter(|it| is_it(it, it.first()));
    let found: Vec<_> = mapped.chain(set).map(Directive::last).collect();
    found.into_iter()
}

const MOST_TARGETS: usize = 100;
const LONGEST_TARGET: usize = 1000;

/// The addresses that a server listens on.
pub(super) fn listens(server: &Directive) -> Vec<Backend<'_>> {
    let listens = server.own("listen");
    let mut found: Vec<_> = listens.map(|it| (listen(it.first()), it)).collect();
    if found.is_empty() {
        found.push((listen("80"), server));
    }
    found
}

fn listen(text: &str) -> BackendAddress {
    match text.strip_prefix("*:").unwrap_or(text).parse() {
        Ok(port) => BackendAddress::Ip([0, 0, 0, 0].into(), port),
        Err(_) => BackendAddress::parse(text, 80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (url, host, path) in [
            ("http://htgate/auth", "htgate", "/auth"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080", ""),
            ("http://unix:/run/h.sock:/auth", "unix:/run/h.sock", "/auth"),
            ("http://unix:/run/h.sock", "unix:/run/h.sock", ""),
            ("https://[::1]:8080/", "[::1]:8080", "/"),
            ("$backend", "$backend", ""),
            ("http://app$request_uri", "app", "$request_uri"),
            (
                "http://app:80$uri$is_args$args",
                "app:80",
                "$uri$is_args$args",
            ),
        ] {
            let target = PassTarget::parse(url);
            assert_eq!((target.host, target.path), (host, path), "{url}");
        }
    }

    #[test]
    fn addresses() {
        for (text, public, port) in [
            ("127.0.0.1:5000", false, Some(5000)),
            ("localhost", false, Some(80)),
            ("[::1]:5000", false, Some(5000)),
            ("unix:/run/x", false, None),
            ("registry:5000", false, Some(5000)),
            ("10.0.0.5:5000", true, Some(5000)),
            ("0.0.0.0", true, Some(80)),
            ("[2001:db8::1]", true, Some(80)),
        ] {
            let address = BackendAddress::parse(text, 80);
            assert_eq!(
                (address.is_public(), address.port()),
                (public, port),
                "{text}"
            );
        }
        for (text, public, port) in [
            ("80", true, Some(80)),
            ("*:81", true, Some(81)),
            ("[::]:82", true, Some(82)),
            ("127.0.0.1:83", false, Some(83)),
            ("unix:/x", false, None),
        ] {
            let address = listen(text);
            assert_eq!(
                (address.is_public(), address.port()),
                (public, port),
                "{text}"
            );
        }
    }
}
