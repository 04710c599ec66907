//! What keeps clients out of a level, other than htgate.

use super::before::Condition;
use super::pattern::Pattern;
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::listens;

/// Whether something other than htgate keeps clients out.
pub(super) fn refuses(scope: Scope<'_>) -> bool {
    let denies = scope.effective_all("deny");
    denies.iter().any(|said| said.first() == "all")
        || !matches!(scope.value("auth_basic"), None | Some("off"))
        || scope.value("ssl_verify_client") == Some("on")
}

/// Whether only this machine can connect.
pub(super) fn is_private(server: Scope<'_>) -> bool {
    let listens = listens(server.opener);
    listens.iter().all(|(address, _)| !address.is_public())
}

/// Whether nginx answers everybody here itself, with a redirect or an error; nothing where it lets
/// everybody on, false where an `if` decides.
pub(super) fn ends(scope: Scope<'_>) -> Option<bool> {
    let is_end = |said: &Directive| match said.name.as_str() {
        "return" => true,
        "rewrite" => {
            said.redirects() && Pattern::new(said.first(), false).fits("/a/b") == Some(true)
        }
        _ => false,
    };
    let refuses = |said: &Directive| is_end(said) && !said.first().starts_with('2');
    let condition = |said: &Directive| match Condition::of(said).0[..] {
        // Whatever else is asked for, or without a certificate.
        ["$uri" | "$document_uri", operator, _] if operator.starts_with('!') => Some(true),
        ["$ssl_client_verify", ..] => Some(true),
        // What a client chooses keeps nobody out.
        [first, ..] if CHOSEN.iter().any(|it| first.starts_with(it)) => None,
        _ => Some(false),
    };
    let block = &scope.opener.block;
    let ifs = block
        .iter()
        .filter(|it| it.name == "if" && it.block.iter().any(refuses));
    let all = block.iter().any(is_end).then_some(true);
    all.or_else(|| ifs.filter_map(condition).max())
}

/// Variables that are as the client wants them, or about one path or file.
const CHOSEN: [&str; 12] = [
    "$host",
    "$http_",
    "$request",
    "$uri",
    "$document_uri",
    "$arg",
    "$query",
    "$scheme",
    "$https",
    "$server_port",
    "-",
    "!-",
];
