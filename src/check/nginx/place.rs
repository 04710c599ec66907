//! What a level serves: which files, or which paths of which application. Two levels that serve
//! the same are two ways to it.

use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{BackendAddress, PassTarget, addresses, targets};

/// A folder or file, or a path of an application, that a level serves to whoever gets there.
pub(super) struct Place<'a> {
    /// The level.
    pub(super) scope: Scope<'a>,
    /// What says so.
    pub(super) said: &'a Directive,
    owner: Owner,
    /// What of it. Nothing where the location has a regular expression.
    path: Option<String>,
    /// Whether the application gets the path as the client wrote it.
    is_raw: bool,
}

#[derive(PartialEq, Eq)]
enum Owner {
    Files,
    Application(BackendAddress),
}

impl<'a> Place<'a> {
    /// All that a level itself serves. A PHP script is a file like others.
    pub(super) fn all(scope: Scope<'a>) -> Vec<Self> {
        let passes: Vec<_> = scope.opener.passes().collect();
        let is_script = passes.iter().any(|said| said.name == "fastcgi_pass");
        // An "if" without one of its own passes on to where the location around it does.
        let is_condition =
            passes.is_empty() && scope.prefix().is_none() && scope.pattern().is_none();
        if is_condition || scope.opener.has("return") {
            Vec::new()
        } else if passes.is_empty() || is_script {
            files(scope).into_iter().collect()
        } else {
            let each = passes.into_iter();
            each.flat_map(|said| applications(scope, said)).collect()
        }
    }

    /// Whether this one, which asks for no password, is a way to what the other one guards. One to
    /// a part of it is meant.
    pub(super) fn leads_to(&self, guarded: &Self) -> bool {
        if self.owner != guarded.owner {
            return false;
        }
        // nginx chooses a location by the path that it has decoded, and a raw one may be read
        // otherwise.
        if self.is_raw {
            return true;
        }
        let (Some(open), Some(closed)) = (&self.path, &guarded.path) else {
            let server = self.scope.around("server");
            return self.owner != Owner::Files && server != guarded.scope.around("server");
        };
        closed.strip_prefix(open.as_str()).is_some_and(|rest| {
            let path = prefix(self.scope).map(|prefix| format!("{prefix}{rest}"));
            let found = path.map(|path| self.scope.location(&path));
            found == Some(self.scope.around("location"))
        })
    }
}

fn applications<'a>(scope: Scope<'a>, said: &'a Directive) -> Vec<Place<'a>> {
    let is_http = matches!(said.name.as_str(), "proxy_pass" | "grpc_pass");
    let mut places = Vec::new();
    for url in targets(scope, said).unwrap_or_default() {
        let path = PassTarget::parse(&url).path;
        let is_own = path.is_empty() || path.contains('$');
        for address in addresses(scope, &url) {
            places.push(Place {
                scope,
                said,
                owner: Owner::Application(address),
                path: prefix(scope).map(|prefix| if is_own { prefix } else { path }.to_owned()),
                is_raw: is_http && is_own && !path.contains("$uri"),
            });
        }
    }
    places
}

fn files(scope: Scope<'_>) -> Option<Place<'_>> {
    // Where the server has a location for everything, nothing gets to the server itself. A page of
    // its own is meant.
    let is_empty = scope.opener.name == "server" && scope.plain_location("/").is_some();
    if is_empty || scope.is_exact() {
        return None;
    }
    let own = scope.opener.own("alias").last();
    let said = own.or_else(|| scope.effective("root"))?;
    let path = match own {
        Some(alias) => prefix(scope).map(|_| alias.first().to_owned()),
        None => prefix(scope).map(|prefix| said.first().trim_end_matches('/').to_owned() + prefix),
    };
    Some(Place {
        scope,
        said,
        owner: Owner::Files,
        path,
        is_raw: false,
    })
}

/// The prefix that a level is for; of an `if`, that of the location around it.
fn prefix(scope: Scope<'_>) -> Option<&str> {
    let location = scope.around("location");
    location.or_else(|| scope.around("server"))?.prefix()
}
