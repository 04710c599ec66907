//! The answer to one request, without a word of HTTP. «No» is an answer here, not an error.

use std::time::Duration;

use crate::request::credentials::{Credentials, Flaw};

/// What becomes of a request.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may pass.
    Allow {
        /// As this user, or as nobody.
        user: Option<UserName>,
        /// Only without its query, which asks the registry to mount what it may not read.
        drops_mount: bool,
    },
    /// It must show (other) credentials.
    Challenge(Challenge),
    /// Its User-Agent is not welcome.
    RefuseAgent,
    /// Its user is known and may not do this.
    Forbid,
    /// Its address has shown too many wrong passwords to have another one tried before this time
    /// has passed.
    Throttle(Duration, Guess),
    /// It could not be decided now: too many passwords wait to be hashed. Try again after this
    /// time.
    Busy(Duration),
    /// It could not be decided at all: a fault of ours, which never allows.
    Fault,
}

/// Why credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// None were sent.
    NoCredentials,
    /// What was sent is of an unknown user, or has a wrong password: which of them is nobody's
    /// business.
    Wrong(Guess),
    /// What was sent can be nobody's credentials, for this reason.
    Malformed(Flaw),
}

/// What a refused password is to those who count guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The first refusal of this password for this name since the users changed.
    New,
    /// Another one, as of a build job with an old password. However many come, nothing is learned.
    Repeated,
}

/// The name of a user whose password has been verified. Only a verdict that allows carries one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserName(Vec<u8>);

impl UserName {
    /// Turns a claim into a name. For the judge alone, after the hash agreed.
    pub(crate) fn proven(credentials: &Credentials) -> Self {
        Self(credentials.claimed().to_vec())
    }

    /// The name's bytes, in whatever encoding the client and the file share.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name in visible ASCII: what is not, and the percent sign itself, is percent-encoded,
    /// or two names could look alike.
    pub(crate) fn encoded(&self) -> String {
        use std::fmt::Write as _;
        let mut encoded = String::with_capacity(self.0.len());
        for byte in &self.0 {
            if byte.is_ascii_graphic() && *byte != b'%' {
                encoded.push(char::from(*byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    }
}

impl Verdict {
    /// The word that logs and metrics know it by.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Allow { user: Some(_), .. } => Reason::Ok,
            Self::Allow { user: None, .. } => Reason::Anonymous,
            Self::Challenge(Challenge::NoCredentials) => Reason::NoCredentials,
            Self::Challenge(Challenge::Wrong(_)) => Reason::BadCredentials,
            Self::Challenge(Challenge::Malformed(_)) => Reason::MalformedCredentials,
            Self::RefuseAgent => Reason::UserAgent,
            Self::Forbid => Reason::Access,
            Self::Throttle(..) => Reason::Throttled,
            Self::Busy(_) => Reason::Busy,
            Self::Fault => Reason::Fault,
        }
    }

    /// One more word for the audit line, where there is more to say.
    pub(crate) fn detail(&self) -> Option<&'static str> {
        match self {
            Self::Challenge(Challenge::Malformed(flaw)) => Some(flaw.as_str()),
            Self::Challenge(Challenge::Wrong(Guess::Repeated))
            | Self::Throttle(_, Guess::Repeated) => Some("repeated"),
            _ => None,
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $word:literal;)*) => {
        /// One word for a verdict.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason there is, in the order of their declaration.
            pub(crate) const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word as headers, logs and metrics spell it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

reasons! {
    /// The password is right.
    Ok, "ok";
    /// The rules allow it without a password.
    Anonymous, "anonymous";
    /// No credentials were sent.
    NoCredentials, "no-credentials";
    /// Unknown user or wrong password.
    BadCredentials, "bad-credentials";
    /// Nobody's credentials, by their shape alone.
    MalformedCredentials, "malformed-credentials";
    /// Another site's page makes a browser ask for a token.
    CrossSite, "cross-site";
    /// Not HTTP: the request was refused before anything in it could be judged.
    MalformedRequest, "malformed-request";
    /// The client is not welcome.
    UserAgent, "user-agent";
    /// The user may not do this.
    Access, "access";
    /// Too many wrong passwords from there.
    Throttled, "throttled";
    /// The queue is full, or took too long.
    Busy, "busy";
    /// We failed.
    Fault, "fault";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Field;
    use crate::request::credentials::Presented;

    #[test]
    fn user_names_are_encoded_one_to_one() {
        // "alice:x", "a b:x", "a%20b:x" and the Latin-1 bytes of "é:x".
        let rows = [
            ("YWxpY2U6eA==", "alice"),
            ("YSBiOng=", "a%20b"),
            ("YSUyMGI6eA==", "a%2520b"),
            ("6Tp4", "%E9"),
        ];
        for (encoded, expected) in rows {
            let header = format!("Basic {encoded}");
            let Presented::Credentials(credentials) =
                Presented::parse(Field::One(header.as_bytes()))
            else {
                panic!("{header} must be readable");
            };
            assert_eq!(UserName::proven(&credentials).encoded(), expected);
        }
    }
}
