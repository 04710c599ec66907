//! `htgate explain`: what the access rules say of one request.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::{FAILED, complain, complain_of};
use crate::access::{Access, Decision, Grounds, Obstacle, RequestLine, Who};
use crate::cli::ExplainOptions;
use crate::config::RulesFile;
use crate::htpasswd::Users;
use crate::request::{Field, Request};

pub(super) fn run(options: &ExplainOptions) -> ExitCode {
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
    let decision = match (stranger_to, &options.user) {
        (None, Some(name)) => decide(&file.access, Who::User(name.as_bytes()), options),
        (None, None) => decide(&file.access, Who::Anonymous, options),
        (Some(_), _) => Decision::Deny(Obstacle::Anonymous),
    };
    // Where nobody reads, the exit code is enough.
    let _ = tell(
        options,
        &file.access,
        stranger_to.map(|path| path.as_path()),
        &decision,
    );
    match decision {
        Decision::Allow(_) => ExitCode::SUCCESS,
        Decision::Deny(_) => ExitCode::from(FAILED),
    }
}

/// Whether the user is in the file. Nobody in particular need not be.
fn is_user(path: &Path, file: &RulesFile, options: &ExplainOptions) -> Result<bool, String> {
    let Some(name) = &options.user else {
        return Ok(true);
    };
    #[expect(clippy::disallowed_methods, reason = "a person waits and sees")]
    let bytes =
        fs::read(path).map_err(|error| format!("{}: cannot read it: {error}", path.display()))?;
    let (users, _) = Users::parse(&bytes, file.limits);
    Ok(users.find(name.as_bytes()).is_some())
}

fn request(options: &ExplainOptions) -> Request<'_> {
    Request {
        method: Field::One(options.method.as_bytes()),
        uri: Field::One(options.uri.as_bytes()),
        content_type: options
            .content_type
            .as_ref()
            .map_or(Field::Absent, |kind| Field::One(kind.as_bytes())),
        ..Request::default()
    }
}

fn decide(access: &Access, who: Who<'_>, options: &ExplainOptions) -> Decision {
    access.decide(who, &request(options))
}

fn tell(
    options: &ExplainOptions,
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
    match &options.user {
        Some(name) => write!(out, "user: {}", visible(name))?,
        None => write!(out, "user: none (anonymous)")?,
    }
    if let Some(path) = stranger_to {
        write!(out, " (not in {})", path.display())?;
    }
    let (method, uri) = (visible(&options.method), visible(&options.uri));
    writeln!(out, "\nrequest: {method} {uri}")?;
    if !access.has_rules() {
        return writeln!(out, "seen as: not looked at");
    }
    let line = RequestLine::read(&request(options));
    match line.as_ref().map(RequestLine::asked) {
        Ok(Ok(asked)) => writeln!(out, "seen as: {}", visible(&asked.to_string())),
        Ok(Err(unclear)) => writeln!(out, "seen as: {unclear}"),
        Err(unclear) => writeln!(out, "seen as: {unclear}"),
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
