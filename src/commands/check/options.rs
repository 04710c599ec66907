//! What `htgate check` is asked.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::check::{CheckRule, Finding};
use crate::config::{LimitOptions, MOST_THREADS, number, path};

/// What to look at.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples: htgate check --htpasswd /etc/htgate/users/htpasswd\n          \
                  nginx -T | htgate check --nginx\n\n\
                  Exit code 1 if something must be fixed. Each finding ends in the name of its \
                  rule, which --ignore takes; a line of nginx's configuration that is meant can \
                  say '# htgate check: ignore RULE' itself."
)]
pub(crate) struct Options {
    /// The htpasswd file [default: the one in htgate.toml].
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE", value_parser = path())]
    pub htpasswd: Option<PathBuf>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
    /// What a hash may be and cost.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Passwords that are hashed at once [default: the number of cores].
    #[arg(long, env = "HTGATE_HASH_THREADS", value_name = "N",
          value_parser = |text: &str| number(text, &(1..=MOST_THREADS)))]
    pub hash_threads: Option<usize>,
    /// The output of 'nginx -T' [default: standard input].
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-",
          value_parser = path())]
    pub nginx: Option<PathBuf>,
    /// How findings are printed.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: OutputFormat,
    /// The version of nginx, for findings that not all versions have.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub nginx_version: Option<[u32; 3]>,
    /// Leave the findings of a rule out, everywhere or in one place; may be repeated.
    #[arg(long, value_name = "RULE[@FILE[:LINE]]")]
    pub ignore: Vec<Ignored>,
}

/// Findings that are meant.
#[derive(Clone, Debug)]
pub(crate) struct Ignored {
    rule: CheckRule,
    /// The end of the file's path; all files where it is empty.
    file: PathBuf,
    line: Option<u64>,
}

impl Ignored {
    /// Whether a finding is one of them.
    pub(super) fn has(&self, finding: &Finding) -> bool {
        self.rule == finding.rule
            && Path::new(&finding.file).ends_with(&self.file)
            && self
                .line
                .is_none_or(|line| finding.fault.line == Some(line))
    }
}

impl FromStr for Ignored {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rule, place) = text.split_once('@').unwrap_or((text, ""));
        let line = place.rsplit_once(':');
        let line = line.and_then(|(file, line)| Some((file, line.parse().ok()?)));
        Ok(Self {
            rule: rule.parse()?,
            file: line.map_or(place, |(file, _)| file).into(),
            line: line.map(|(_, line)| line),
        })
    }
}

fn version(text: &str) -> Result<[u32; 3], String> {
    let numbers: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    let version = numbers.and_then(|numbers| numbers.try_into().ok());
    version.ok_or_else(|| "use three numbers, such as 1.29.7, as 'nginx -v' prints them".to_owned())
}

/// How something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}
