//! What is wrong with users, files, the key of tokens, and nginx's configuration: each finding with
//! its place and its remedy. Pure: others read the files and measure. No finding ever quotes a hash
//! or a key.

pub(crate) mod nginx;
pub(crate) mod token;
pub(crate) mod users;

use std::fmt;
use std::str::FromStr;

use crate::Fault;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What kind of thing it is.
    pub rule: CheckRule,
    /// The file that it is in.
    pub file: String,
    /// The line, from 1, where it has one.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// This fault, as a finding of this kind in this file.
    pub(crate) fn new(rule: CheckRule, file: &str, fault: Fault) -> Self {
        Self {
            rule,
            file: file.to_owned(),
            line: fault.line,
            what: fault.what,
            remedy: fault.remedy,
        }
    }
}

/// A finding in check's own words: what is wrong, a semicolon, and what to do.
pub(crate) fn finding(rule: CheckRule, file: &str, line: Option<u64>, words: &str) -> Finding {
    let (what, remedy) = words.split_once("; ").unwrap_or((words, "correct it"));
    let fault = Fault::new(what, remedy);
    Finding::new(rule, file, Fault { line, ..fault })
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {} [{}]", self.what, self.remedy, self.rule)
    }
}

/// Whether something must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// It breaks something, or opens it.
    Error,
    /// It works, and may not be what was meant.
    Note,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $severity:ident;)*) => {
        /// The kinds of findings. `docs/check.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum CheckRule {
            $($(#[$doc])* $variant,)*
        }

        impl CheckRule {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, as it is printed and as `--ignore` takes it.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Whether something must be done.
            pub(crate) fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }
        }
    };
}

rules! {
    /// `htgate.toml` or another setting cannot be used.
    Settings, "settings", Error;
    /// An access rule that changes nothing.
    Idle, "idle-rule", Error;
    /// A file cannot be read.
    Unreadable, "unreadable", Error;
    /// Nobody can log in.
    NoUsers, "no-users", Error;
    /// A line of the users file is left out.
    FaultyLine, "faulty-line", Error;
    /// A user has several lines.
    Duplicate, "duplicate", Error;
    /// Everybody on the machine can read the hashes.
    Readable, "readable", Error;
    /// Everybody on the machine decides who gets in.
    Writable, "writable", Error;
    /// Hashes that are guessed too easily if the file is stolen.
    WeakFormat, "weak-format", Note;
    /// Hashes that keep this machine busy for long.
    SlowFormat, "slow-format", Note;
    /// The key of tokens cannot be used.
    TokenKey, "token-key", Error;
    /// Its certificate makes registries refuse the tokens, or soon will.
    TokenCertificate, "token-certificate", Error;
    /// A registry would know the key by another name.
    TokenId, "token-id", Error;
    /// Tokens that some registries do not understand, or that take long to sign.
    TokenChoice, "token-choice", Note;
    /// nginx would not understand this, or we do not see all of it.
    Syntax, "syntax", Error;
    /// Nothing asks htgate.
    NoGate, "no-gate", Error;
    /// Anybody can ask htgate through nginx.
    MissingInternal, "missing-internal", Error;
    /// Bodies are sent to htgate, or announced.
    BodyPassed, "body-passed", Error;
    /// Large bodies are refused by the auth location.
    BodyLimit, "body-limit", Error;
    /// A connection to htgate for each request.
    NoKeepalive, "no-keepalive", Error;
    /// The answer for one is given to another.
    ProxyCache, "proxy-cache", Error;
    /// An address passes instead of a password.
    SatisfyAny, "satisfy-any", Error;
    /// A refusal is turned into something else.
    ErrorPage, "error-page", Error;
    /// A location passes requests on without a password.
    OpenLocation, "open-location", Error;
    /// Another way through nginx leads to the same application.
    Bypass, "bypass", Error;
    /// The application, or htgate, can be reached past nginx.
    OpenPort, "open-port", Error;
    /// The API header is missing on errors.
    ApiHeader, "api-header", Error;
    /// What a client sends reaches htgate.
    ClientHeaders, "client-headers", Error;
    /// htgate is not told what it must know.
    MissingHeader, "missing-header", Error;
    /// Clients of a registry cannot get tokens, or use them.
    TokenLocation, "token-location", Error;
}

impl fmt::Display for CheckRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CheckRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = Self::ALL.iter().map(|rule| rule.name()).collect();
        let mut all = Self::ALL.iter().copied();
        let found = all.find(|rule| rule.name() == text);
        found.ok_or_else(|| format!("use one of {}", names.join(", ")))
    }
}
