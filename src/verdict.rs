//! The answer to one request, without a word of HTTP. «No» is an answer here, not an error.

use std::time::Duration;

use crate::credentials::Credentials;

/// What becomes of a request.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass, as this user.
    Allow(UserName),
    /// It must show (other) credentials.
    Challenge(Challenge),
    /// Its User-Agent is not welcome.
    RefuseAgent,
    /// Its user is known and may not do this.
    Forbid,
    /// Its address has shown too many wrong passwords, or has too many waiting, to have another
    /// one tried before this time has passed.
    Throttle(Duration),
    /// It could not be decided now: too many passwords wait to be hashed. Try again after this
    /// time.
    Busy(Duration),
    /// It could not be decided at all: a fault of ours, which never allows.
    Fault,
}

/// Why credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// None were sent.
    NoCredentials,
    /// What was sent is malformed, or of an unknown user, or with a wrong password: which of
    /// them is nobody's business.
    BadCredentials,
}

/// The name of a user whose password has been verified. Only a verdict that allows carries one.
#[derive(Debug, PartialEq, Eq)]
pub struct UserName(Vec<u8>);

impl UserName {
    /// Turns a claim into a name. For the judge alone, after the hash agreed.
    pub(crate) fn proven(credentials: &Credentials) -> Self {
        Self(credentials.claimed().to_vec())
    }

    /// The name's bytes, in whatever encoding the client and the file share.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Verdict {
    /// The word that logs and metrics know it by.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Allow(_) => Reason::Ok,
            Self::Challenge(Challenge::NoCredentials) => Reason::NoCredentials,
            Self::Challenge(Challenge::BadCredentials) => Reason::BadCredentials,
            Self::RefuseAgent => Reason::UserAgent,
            Self::Forbid => Reason::Access,
            Self::Throttle(_) => Reason::Throttled,
            Self::Busy(_) => Reason::Busy,
            Self::Fault => Reason::Fault,
        }
    }
}

/// One word for a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The password is right.
    Ok,
    /// Nothing to judge was sent.
    NoCredentials,
    /// Unknown user, wrong password, or not readable.
    BadCredentials,
    /// The client is not welcome.
    UserAgent,
    /// The user may not do this.
    Access,
    /// Too many wrong passwords from there, or too many waiting.
    Throttled,
    /// The waiting room is full.
    Busy,
    /// We failed.
    Fault,
}

impl Reason {
    /// Every reason there is, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NoCredentials,
        Self::BadCredentials,
        Self::UserAgent,
        Self::Access,
        Self::Throttled,
        Self::Busy,
        Self::Fault,
    ];

    /// The word as headers, logs and metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NoCredentials => "no-credentials",
            Self::BadCredentials => "bad-credentials",
            Self::UserAgent => "user-agent",
            Self::Access => "access",
            Self::Throttled => "throttled",
            Self::Busy => "busy",
            Self::Fault => "fault",
        }
    }
}
