//! `htgate user`: what `htpasswd` does, for machines without it, and with nobody lost where two
//! of them run at the same time.

mod options;
mod password;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

pub(super) use self::options::Command;
use self::options::{NamedUser, NewPassword, UsersOptions, VerifyOptions};
use super::{FAILED, MOST_LINES, complain, print};
use crate::Fault;
use crate::files::replace::{Absent, replace};
use crate::files::stable_read::read_first;
use crate::hash::{BCRYPT_SALT, Bcrypt};
use crate::htpasswd::{self, EditError, LineErrors, Name, Users, lines, odd};

pub(super) fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Add(new) => match odd(new.user.name.as_bytes()) {
            Some(cause) => Err(Fault::from(cause).to_string()),
            None => write(new, Absent::Make, htpasswd::add, "added"),
        },
        Command::Set(new) => write(new, Absent::Refuse, htpasswd::set, "set the password of"),
        Command::Remove(user) => remove(user),
        Command::List(options) => list(options),
        Command::Verify(options) => verify(options),
    };
    done.unwrap_or_else(|what| complain(what, FAILED))
}

type Edit = fn(&[u8], &Name, &str) -> Result<Vec<u8>, EditError>;

fn write(new: &NewPassword, absent: Absent, edit: Edit, done: &str) -> Result<ExitCode, String> {
    let NamedUser { file, name } = &new.user;
    let path = file.path().map_err(|error| error.to_string())?;
    let limits = new.limits.limits(file.config.as_deref());
    let most = limits.map_err(|error| error.to_string())?.max_bcrypt_cost;
    if new.cost > most {
        let what = format!("--cost {} is over max_bcrypt_cost {most}", new.cost);
        return Err(format!(
            "{what}; use less, or raise that limit with --max-bcrypt-cost"
        ));
    }
    // Before anybody types a password for nothing.
    if absent == Absent::Refuse || path.exists() {
        let refused = |error| format!("{}: {}: {error}", path.display(), readable(name.as_bytes()));
        edit(&read_file(&path)?, name, ANY_HASH).map_err(refused)?;
    }
    let password = if new.generate {
        password::generate()?
    } else {
        password::new(new.password.password_stdin)?
    };
    let mut salt = [0; BCRYPT_SALT];
    getrandom::fill(&mut salt).map_err(|error| format!("no random numbers: {error}"))?;
    let hash = Bcrypt::of(&password, new.cost, salt).to_text();
    let is_new = replace_file(&path, name, absent, |file| edit(file, name, &hash))?;
    report(&path, done, name);
    if is_new {
        let what = "made this file; see that htgate can read it, by its group";
        complain(format_args!("{}: {what}", path.display()), 0);
    }
    if new.generate {
        return Ok(print(&[&password[..], b"\n"].concat()));
    }
    Ok(ExitCode::SUCCESS)
}

fn remove(user: &NamedUser) -> Result<ExitCode, String> {
    let path = user.file.path().map_err(|error| error.to_string())?;
    replace_file(&path, &user.name, Absent::Refuse, |file| {
        htpasswd::remove(file, &user.name)
    })?;
    report(&path, "removed", &user.name);
    Ok(ExitCode::SUCCESS)
}

/// On standard error, as htpasswd does: a generated password stands alone on standard output.
fn report(path: &Path, done: &str, name: &Name) {
    let name = readable(name.as_bytes());
    complain(format_args!("{}: {done} {name}", path.display()), 0);
}

/// Returns whether the file is new.
fn replace_file(
    path: &Path,
    name: &Name,
    absent: Absent,
    edit: impl Fn(&[u8]) -> Result<Vec<u8>, EditError>,
) -> Result<bool, String> {
    let name = readable(name.as_bytes());
    let edit = |file: &[u8]| edit(file).map_err(|error| format!("{name}: {error}"));
    replace(path, absent, edit).map_err(|what| format!("{}: {what}", path.display()))
}

fn list(options: &UsersOptions) -> Result<ExitCode, String> {
    let path = options.file.path().map_err(|error| error.to_string())?;
    let (file, users, errors) = read(&path, options)?;
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    for name in lines(&file).filter_map(|line| line.name()) {
        if let Some(hash) = users.find(name).filter(|_| seen.insert(name)) {
            listed.push((readable(name), hash.kind()));
        }
    }
    let widths = listed.iter().map(|(name, _)| name.chars().count());
    let width = widths.max().unwrap_or(0).min(WIDEST_NAME);
    let mut text = String::new();
    for (name, kind) in listed {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:width$}  {kind}");
    }
    let code = print(text.as_bytes());
    let path = path.display();
    for error in errors.first() {
        complain(
            format_args!("{path}:{}: {}", error.line, Fault::from(error.fault)),
            0,
        );
    }
    let untold = errors.count() - errors.first().len() as u64;
    if untold > 0 {
        complain(format_args!("{path}: {untold} more lines are faulty"), 0);
    }
    Ok(code)
}

fn verify(options: &VerifyOptions) -> Result<ExitCode, String> {
    let name = &options.name;
    let path = options
        .file
        .file
        .path()
        .map_err(|error| error.to_string())?;
    let (file, users, errors) = read(&path, &options.file)?;
    let path = path.display();
    let Some(hash) = users.find(name.as_bytes()) else {
        let line = lines(&file).find(|line| line.name() == Some(name.as_bytes()));
        let Some(line) = line else {
            return Err(format!("{path}: {name}: {}", EditError::Absent));
        };
        let error = errors
            .first()
            .iter()
            .find(|error| error.line == line.number);
        let fault = error.map_or_else(
            || "this line cannot be used".to_owned(),
            |error| Fault::from(error.fault).to_string(),
        );
        return Err(format!("{path}:{}: {fault}", line.number));
    };
    if hash.matches(&password::known(options.password.password_stdin)?) {
        return Ok(print(
            format!("this is the password of '{name}'\n").as_bytes(),
        ));
    }
    Err(format!("{path}: this is not the password of '{name}'"))
}

fn read(path: &Path, options: &UsersOptions) -> Result<(Vec<u8>, Users, LineErrors), String> {
    let file = read_file(path)?;
    let limits = options.limits.limits(options.file.config.as_deref());
    let limits = limits.map_err(|error| error.to_string())?;
    let (users, errors) = Users::parse_and_tell(&file, limits, MOST_LINES);
    Ok((file, users, errors))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let reading = read_first(path);
    let reading = reading.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(reading.bytes)
}

/// A name without anything that a terminal would act on, and in quotes where it does not look like a
/// name.
fn readable(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(text) if odd(name).is_some() => format!("{text:?}"),
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => name.escape_ascii().to_string(),
    }
}

/// Stands for any hash, to see whether an edit would be refused.
const ANY_HASH: &str = "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=";

/// A longer name pushes its own line to the right, and no other.
const WIDEST_NAME: usize = 40;
