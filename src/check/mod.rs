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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file that it is in.
    pub file: String,
    /// Where in the file, what is wrong, and what to do about it.
    pub fault: Fault,
    /// What kind of thing it is.
    pub rule: CheckRule,
}

impl Finding {
    /// This fault, as a finding of this kind in this file.
    pub(crate) fn new(rule: CheckRule, file: &str, fault: Fault) -> Self {
        let file = file.to_owned();
        Self { rule, file, fault }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { line, what, remedy } = &self.fault;
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        let (file, rule) = (&self.file, self.rule.name());
        write!(f, "{file}{line}: {what}; {remedy} [{rule}]")
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
    ($($variant:ident, $name:literal, $severity:ident;)*) => {
        /// The kinds of findings. `docs/check.md` explains each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum CheckRule {
            $($variant,)*
        }

        impl CheckRule {
            const ALL: &[Self] = &[$(Self::$variant,)*];

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
    Settings, "settings", Error;
    Idle, "idle-rule", Error;
    UnknownUser, "unknown-user", Note;
    UserName, "user-name", Note;
    Unreadable, "unreadable", Error;
    NoUsers, "no-users", Error;
    FaultyLine, "faulty-line", Error;
    Duplicate, "duplicate", Error;
    OddName, "odd-name", Error;
    Readable, "readable", Error;
    Writable, "writable", Error;
    WeakFormat, "weak-format", Note;
    SlowFormat, "slow-format", Note;
    TokenKey, "token-key", Error;
    TokenCertificate, "token-certificate", Error;
    TokenId, "token-id", Error;
    TokenChoice, "token-choice", Note;
    Syntax, "syntax", Error;
    NoGate, "no-gate", Error;
    MissingInternal, "missing-internal", Error;
    BodyPassed, "body-passed", Error;
    BodyLimit, "body-limit", Error;
    NoKeepalive, "no-keepalive", Error;
    ProxyCache, "proxy-cache", Error;
    SatisfyAny, "satisfy-any", Error;
    ErrorPage, "error-page", Error;
    OpenLocation, "open-location", Error;
    Bypass, "bypass", Error;
    OpenPort, "open-port", Error;
    ApiHeader, "api-header", Error;
    ClientHeaders, "client-headers", Error;
    MissingHeader, "missing-header", Error;
    TokenLocation, "token-location", Error;
    BeforeGate, "before-gate", Error;
    TakenOver, "taken-over", Error;
    HalfGate, "half-gate", Error;
    ReturnBody, "return-body", Error;
    OwnVariables, "own-variables", Error;
    AuthBasic, "auth-basic", Error;
    Acme, "acme", Error;
    Twice, "twice", Error;
    HttpVersion, "http-version", Error;
    KeptMount, "kept-mount", Error;
    UnknownServer, "unknown-server", Error;
    LostPage, "lost-page", Note;
    LongWait, "long-wait", Note;
    PasswordPassed, "password-passed", Note;
    PlainHttp, "plain-http", Note;
    CannotTell, "cannot-tell", Note;
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
