//! Reads the command line with what the environment adds: an empty variable counts as unset, the
//! usual configuration file is there or not, and a wrong value names the variable that it comes from.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory as _, Error, FromArgMatches as _};

use super::Cli;
use crate::config::{USUAL_FILE, is_secret};

/// What was asked; ends the process where that cannot be understood.
pub(super) fn read() -> Cli {
    let words: Vec<_> = env::args_os().collect();
    parse(&words, USUAL_FILE).unwrap_or_else(|error| error.exit())
}

fn parse(words: &[OsString], usual: &'static str) -> Result<Cli, Error> {
    let usual = is_there(Path::new(usual)).then_some(usual);
    let command = complete(Cli::command(), usual);
    let read = command.clone().try_get_matches_from(words);
    let read = read.and_then(|matches| Cli::from_arg_matches(&matches));
    read.map_err(|error| explain(error, &command, words))
}

/// What cannot be looked at is not skipped: reading it says why.
fn is_there(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let found = path.symlink_metadata();
    found.map_or_else(
        |error| !matches!(error.kind(), NotFound | NotADirectory),
        |_| true,
    )
}

fn complete(command: Command, usual: Option<&'static str>) -> Command {
    let set = |arg: Arg| {
        let value = arg.get_env().and_then(env::var_os);
        let arg = match value.is_some_and(|value| value.is_empty()) {
            true => arg.env(None::<&'static str>),
            false => arg,
        };
        match usual {
            Some(usual) if arg.get_id() == "config" => arg.default_value(usual),
            _ => arg,
        }
    };
    let command = command.mut_args(set);
    command.mut_subcommands(|inner| complete(inner, usual))
}

/// The same error, which names a variable where the value comes from one, and shows no secret.
fn explain(mut error: Error, command: &Command, words: &[OsString]) -> Error {
    if let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg)
        && let Some(variable) = variable(shown, command, words)
    {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    // Whoever writes something behind the name of a user, as htpasswd -b has it, writes a password.
    let is_password = error.kind() == ErrorKind::UnknownArgument
        && words.get(1).is_some_and(|word| word == "user");
    let is_hidden =
        |shown: &str| is_secret(OsStr::new(shown)) || (is_password && !shown.starts_with('-'));
    for kind in [
        ContextKind::InvalidArg,
        ContextKind::InvalidValue,
        ContextKind::InvalidSubcommand,
    ] {
        if let Some(ContextValue::String(shown)) = error.get(kind)
            && is_hidden(shown)
        {
            error.insert(kind, ContextValue::String("(not shown)".to_owned()));
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// The variable that an option's value comes from: the option is not among the words.
fn variable(shown: &str, command: &Command, words: &[OsString]) -> Option<String> {
    let option = shown.split([' ', '[', '=']).next().unwrap_or_default();
    let long = option.strip_prefix("--")?;
    let is_given = words.iter().any(|word| {
        let word = word.to_string_lossy();
        word.split('=').next() == Some(option)
    });
    let mut all = Vec::new();
    each(command, &mut |arg| {
        if arg.get_long() == Some(long) && !is_given {
            all.extend(
                arg.get_env()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    });
    all.pop()
}

fn each(command: &Command, see: &mut impl FnMut(&Arg)) {
    command.get_arguments().for_each(&mut *see);
    command.get_subcommands().for_each(|inner| each(inner, see));
}

/// A warning for each variable that looks like one of ours and is none.
pub(super) fn unknown_variables() -> Vec<String> {
    let mut known = BTreeSet::new();
    each(&Cli::command(), &mut |arg| {
        known.extend(
            arg.get_env()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    });
    let set = env::vars_os().map(|(name, value)| {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        (text(name), text(value))
    });
    let unknown = set.filter(|(name, value)| is_unknown(name, value, &known));
    let warn = |(name, _): (String, String)| {
        let likeness = |other: &&String| strsim::damerau_levenshtein(&name, other);
        let nearest = known.iter().min_by_key(likeness).map_or("", String::as_str);
        format!("{name:?} is not a setting, and has no effect; the nearest known one is {nearest}")
    };
    unknown.map(warn).collect()
}

fn is_unknown(name: &str, value: &str, known: &BTreeSet<String>) -> bool {
    // Kubernetes describes a Service called htgate in HTGATE_SERVICE_HOST, HTGATE_PORT and others.
    let is_service = name.contains("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    let is_port = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let has_port = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
        let before = name.split_once(protocol).map(|(before, _)| before);
        before.is_some_and(|name| name.ends_with(|c: char| c.is_ascii_digit()))
    });
    let is_ours = name.starts_with("HTGATE_") && !known.contains(name);
    is_ours && !value.is_empty() && !(is_service || is_port || has_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_file_is_the_configuration_where_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htgate.toml");
        let usual: &'static str = path.display().to_string().leak();
        let config = |words: &str| {
            let words: Vec<_> = words.split(' ').map(OsString::from).collect();
            match parse(&words, usual).unwrap().command {
                Some(super::super::Command::Serve(settings)) => settings.config,
                Some(super::super::Command::Explain(options)) => options.config,
                Some(super::super::Command::Health(options)) => options.config,
                Some(_) => panic!("{words:?}"),
                None => parse(&words, usual).unwrap().serve.config,
            }
        };
        let lines = [
            "htgate",
            "htgate serve",
            "htgate health",
            "htgate explain --method GET --uri /",
        ];
        for line in lines {
            assert_eq!(config(line), None, "{line}");
        }
        // A link to nowhere is there, and cannot be read.
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        for line in lines {
            assert_eq!(config(line), Some(path.clone()), "{line}");
            assert_eq!(
                config(&format!("{line} --config other")),
                Some("other".into())
            );
        }
    }

    #[test]
    fn variables_that_are_nobodys() {
        let known = BTreeSet::from(["HTGATE_WORKERS".to_owned()]);
        let rows = [
            ("HTGATE_WORKERS", "4", false),
            ("HTGATE_WORKRES", "4", true),
            ("HTGATE_WORKRES", "", false),
            ("HTGATE_PORT", "8080", true),
            ("HTGATE_PORT", "tcp://10.0.0.1:8080", false),
            ("HTGATE_SERVICE_HOST", "10.0.0.1", false),
            ("HTGATE_SERVICE_PORT", "8080", false),
            ("HTGATE_SERVICE_PORT_HTTP", "8080", false),
            ("HTGATE_PORT_8080_TCP", "tcp://10.0.0.1:8080", false),
            ("HTGATE_PORT_8080_TCP_PROTO", "tcp", false),
            ("HTGATE_PORT_8080_TCP_PORT", "8080", false),
            ("HTGATE_PORT_8080_TCP_ADDR", "10.0.0.1", false),
            ("HTGATE_AUTH_SERVICE_HOST", "10.0.0.1", false),
            ("PATH", "/bin", false),
        ];
        for (name, value, expected) in rows {
            assert_eq!(is_unknown(name, value, &known), expected, "{name}={value}");
        }
    }
}
