//! `htgate explain`: what the access rules say of one request, or of what a token is asked for.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{FAILED, complain, complain_of};
use crate::config::{RulesFile, path};
use crate::files::stable_read;
use crate::htpasswd::Users;
use crate::request::{BodyType, Field, Request};
use crate::rules::access::{Access, Decision, Grounds, Obstacle, RequestLine, Who};
use crate::token::{GrantedScopes, Scopes};

/// The request to explain, or the scopes.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The htgate.toml with the rules [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
    /// The htpasswd file that the user must be in [default: the one in htgate.toml]; without one
    /// it is taken for granted.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE", value_parser = path())]
    pub htpasswd: Option<PathBuf>,
    /// Who asks; without it, somebody without credentials.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The request's method.
    #[arg(long, value_name = "METHOD", required_unless_present = "scope")]
    pub method: Option<String>,
    /// The request's target, as the client sends it: /v2/team/app/manifests/1.
    #[arg(long, value_name = "URI", required_unless_present = "scope")]
    pub uri: Option<String>,
    /// The request's Content-Type, which counts for uploads; without it the client sent none.
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
    /// The server, as nginx's $server_name has it; without it only patterns without a server count.
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// Instead of a request: what a token is asked for; may be repeated.
    #[arg(long, value_name = "SCOPE", conflicts_with_all = ["method", "uri", "content_type"])]
    pub scope: Vec<String>,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let file = match RulesFile::load(options.config.as_deref()) {
        Ok(file) => file,
        Err(error) => return complain_of(&error),
    };
    let users = options.htpasswd.as_ref().or(file.htpasswd.as_ref());
    let stranger_to = match users.map(|path| is_user(path, &file, options)).transpose() {
        Ok(Some(false)) => users,
        Ok(_) => None,
        Err(what) => return complain(what, FAILED),
    };
    let stranger_to = stranger_to.map(|path| path.as_path());
    let who = options
        .user
        .as_ref()
        .map_or(Who::Anonymous, |name| Who::User(name.as_bytes()));
    if !options.scope.is_empty() {
        return explain_scopes(options, &file.access, stranger_to, who);
    }
    let decision = match stranger_to {
        None => file.access.decide(who, &request(options)),
        Some(_) => Decision::Deny(Obstacle::Anonymous),
    };
    // Where nobody reads, the exit code is enough.
    let _ = tell(options, &file.access, stranger_to, &decision);
    match decision {
        Decision::Allow(_) => ExitCode::SUCCESS,
        Decision::Deny(_) => ExitCode::from(FAILED),
    }
}

/// Whether the user is in the file. Nobody in particular need not be.
fn is_user(path: &Path, file: &RulesFile, options: &Options) -> Result<bool, String> {
    let Some(name) = &options.user else {
        return Ok(true);
    };
    let reading =
        stable_read::read(path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    let (users, _) = Users::parse(&reading.bytes, file.limits);
    Ok(users.find(name.as_bytes()).is_some())
}

/// What a token would grant of the scopes. Less than all of it is a failure here, as it will be
/// for whoever asks.
fn explain_scopes(
    options: &Options,
    access: &Access,
    stranger_to: Option<&Path>,
    who: Who<'_>,
) -> ExitCode {
    let scopes = match Scopes::read(options.scope.iter().map(String::as_bytes)) {
        Ok(scopes) => scopes,
        Err(error) => return complain(error, FAILED),
    };
    // Without rules a user is granted all that is asked for.
    let asked = GrantedScopes::of(&scopes, Who::User(b""), None, &Access::default());
    let granted = match stranger_to {
        None => GrantedScopes::of(&scopes, who, options.server.as_deref(), access),
        Some(_) => GrantedScopes::default(),
    };
    let nothing = GrantedScopes::default();
    let is_all = granted == asked && asked != nothing;
    let verdict = if is_all {
        format!("granted: {}", granted.scope())
    } else if granted != nothing {
        format!("granted in part: {}", granted.scope())
    } else if stranger_to.is_some() {
        "denied: the user is unknown".to_owned()
    } else if asked == nothing {
        "denied: this asks for nothing".to_owned()
    } else if options.user.is_none() {
        "denied: credentials are needed for this".to_owned()
    } else {
        "denied: no rule allows any of it".to_owned()
    };
    let seen = match asked.scope() {
        scope if scope.is_empty() => "nothing that a registry knows".to_owned(),
        scope => scope,
    };
    let mut out = io::stdout().lock();
    // Where nobody reads, the exit code is enough.
    let _ = writeln!(out, "{verdict}")
        .and_then(|()| tell_user(&mut out, options, stranger_to))
        .and_then(|()| writeln!(out, "scope: {}", visible(&options.scope.join(" "))))
        .and_then(|()| tell_server(&mut out, options))
        .and_then(|()| writeln!(out, "seen as: {seen}"));
    match is_all {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FAILED),
    }
}

/// The command line asks for both, where there is no scope.
fn method_and_uri(options: &Options) -> (&str, &str) {
    let method = options.method.as_deref().unwrap_or_default();
    (method, options.uri.as_deref().unwrap_or_default())
}

fn request(options: &Options) -> Request<'_> {
    let (method, uri) = method_and_uri(options);
    Request {
        method: Field::One(method.as_bytes()),
        uri: Field::One(uri.as_bytes()),
        content_type: options
            .content_type
            .as_ref()
            .map_or(BodyType::None, |kind| BodyType::Named(kind.as_bytes())),
        server: options
            .server
            .as_ref()
            .map_or(Field::Absent, |name| Field::One(name.as_bytes())),
        // As the shipped files do.
        drops_mounts: true,
        ..Request::default()
    }
}

fn tell(
    options: &Options,
    access: &Access,
    stranger_to: Option<&Path>,
    decision: &Decision,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (verdict, why) = match decision {
        Decision::Allow(grounds) => ("allowed", explain_grounds(*grounds, access)),
        Decision::Deny(_) if stranger_to.is_some() => ("denied", "the user is unknown".to_owned()),
        Decision::Deny(obstacle) => ("denied", explain_obstacle(obstacle)),
    };
    writeln!(out, "{verdict}: {why}")?;
    tell_user(&mut out, options, stranger_to)?;
    let (method, uri) = method_and_uri(options);
    writeln!(out, "request: {} {}", visible(method), visible(uri))?;
    tell_server(&mut out, options)?;
    if !access.has_rules() {
        return writeln!(out, "seen as: not looked at");
    }
    let line = RequestLine::read(&request(options));
    match line.as_ref().map(RequestLine::operation) {
        Ok(Ok(asked)) => writeln!(out, "seen as: {}", visible(&asked.to_string())),
        Ok(Err(unclear)) => writeln!(out, "seen as: {unclear}"),
        Err(unclear) => writeln!(out, "seen as: {unclear}"),
    }
}

fn tell_user(
    out: &mut impl io::Write,
    options: &Options,
    stranger_to: Option<&Path>,
) -> io::Result<()> {
    match &options.user {
        Some(name) => write!(out, "user: {}", visible(name))?,
        None => write!(out, "user: none (anonymous)")?,
    }
    if let Some(path) = stranger_to {
        write!(out, " (not in {})", path.display())?;
    }
    writeln!(out)
}

fn tell_server(out: &mut impl io::Write, options: &Options) -> io::Result<()> {
    match &options.server {
        Some(name) => writeln!(out, "server: {}", visible(name)),
        None => Ok(()),
    }
}

fn explain_grounds(grounds: Grounds, access: &Access) -> String {
    match grounds {
        Grounds::NoRules => "there are no access rules, so every user may do everything".to_owned(),
        Grounds::Base => "every user may ask for the registry's base".to_owned(),
        Grounds::Rule(rule) => {
            let line = access.line(rule).unwrap_or_default();
            format!("by rule {rule}, in line {line}")
        }
        Grounds::Unmounted(rule) => {
            let line = access.line(rule).unwrap_or_default();
            format!(
                "by rule {rule}, in line {line}, but without the mount, since no rule allows to pull \
                 its source; where nginx cannot leave it out (docs/access.md), this is denied"
            )
        }
    }
}

fn explain_obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Anonymous => "credentials are needed for this".to_owned(),
        Obstacle::Unclear(_) => "no rule can allow what is not clear".to_owned(),
        Obstacle::NoRule(what) => format!("no rule allows {}", visible(what)),
    }
}

/// Without what would move a terminal's cursor.
fn visible(text: &str) -> String {
    let visible = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(visible).collect()
}
