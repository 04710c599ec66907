//! Where a `proxy_pass` leads to, and who else can get there.

use std::net::IpAddr;

use super::scope::{Id, ScopeTree, own};
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
            None => rest.find('/'),
        };
        let (host, path) = rest
            .split_at_checked(end.unwrap_or(rest.len()))
            .unwrap_or((rest, ""));
        Self {
            host,
            path: path.strip_prefix(':').unwrap_or(path),
            port,
        }
    }

    /// The `upstream` block that the host names.
    pub(super) fn upstream(&self, tree: &ScopeTree<'a>) -> Option<&'a Directive> {
        let http = tree.all().next()?;
        own(tree.inside(http), "upstream").find(|upstream| upstream.first() == self.host)
    }
}

/// An address of an application, and the directive that has it.
pub(super) struct Backend<'a> {
    pub(super) address: BackendAddress<'a>,
    pub(super) said: &'a Directive,
}

/// Where somebody listens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BackendAddress<'a> {
    Unix(&'a str),
    Ip(IpAddr, u16),
    Name(&'a str, u16),
}

impl<'a> BackendAddress<'a> {
    pub(super) fn parse(text: &'a str, default_port: u16) -> Self {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::Unix(path);
        }
        let split = text
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':') || bare(host) != *host);
        let (host, port) = match split {
            Some((host, port)) => (host, port.parse().unwrap_or(default_port)),
            None => (text, default_port),
        };
        match bare(host) {
            "localhost" => Self::Ip([127, 0, 0, 1].into(), port),
            host => host
                .parse()
                .map_or(Self::Name(host, port), |ip| Self::Ip(ip, port)),
        }
    }

    /// Whether only this machine can connect. Names are believed to be private: they are those of
    /// containers, and what they lead to is not known here.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Self::Ip(ip, _) if !ip.is_loopback())
    }

    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(_, port) | Self::Name(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }
}

/// The addresses that a level hands its requests to. None where only nginx knows them, while it
/// runs.
pub(super) fn backends<'a>(tree: &ScopeTree<'a>, id: Id) -> Vec<Backend<'a>> {
    let passes = tree
        .inside(id)
        .iter()
        .filter(|directive| super::is_pass(directive));
    let mut found = Vec::new();
    for said in passes {
        let target = PassTarget::parse(said.first());
        match target.upstream(tree) {
            Some(upstream) => found.extend(own(upstream.inside(), "server").map(|said| Backend {
                address: BackendAddress::parse(said.first(), target.port),
                said,
            })),
            None if target.host.contains('$') => (),
            None => found.push(Backend {
                address: BackendAddress::parse(target.host, target.port),
                said,
            }),
        }
    }
    found
}

/// The addresses that a server listens on.
pub(super) fn listens(inside: &[Directive]) -> Vec<(BackendAddress<'_>, Option<&Directive>)> {
    let parse = |said| (listen(Directive::first(said)), Some(said));
    let found: Vec<_> = own(inside, "listen").map(parse).collect();
    if found.is_empty() {
        vec![(listen("80"), None)]
    } else {
        found
    }
}

fn listen(text: &str) -> BackendAddress<'_> {
    let any = IpAddr::from([0, 0, 0, 0]);
    match text.strip_prefix("*:").unwrap_or(text).parse() {
        Ok(port) => BackendAddress::Ip(any, port),
        Err(_) => BackendAddress::parse(text, 80),
    }
}

fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
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
