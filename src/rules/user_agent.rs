//! Which clients are turned away by their User-Agent alone.
//! A User-Agent is what the client says of itself: this is hygiene, not protection.

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::Fault;

/// What the built-in rules refuse: Docker 1.3 to 1.5, and Docker's first ping up to 1.5, which
/// sent Go's old default `Go 1.1 package http`. The space keeps `Go-http-client/1.1` welcome.
pub const DEFAULT_DENY: [&str; 2] = [r"^docker/1\.[345]", r"^Go "];
/// What the built-in rules admit all the same.
pub const DEFAULT_EXCEPT: [&str; 1] = [r"^docker/1\.5\.[0-9]-dev"];

/// Compiled `deny` and `except` patterns, over bytes.
#[derive(Clone, Debug)]
pub struct UserAgentRules {
    deny: RegexSet,
    except: RegexSet,
}

impl UserAgentRules {
    /// Compiles both lists.
    ///
    /// # Errors
    ///
    /// The first pattern that `regex` cannot compile, with the reason, in one line.
    pub fn compile<S: AsRef<str>>(deny: &[S], except: &[S]) -> Result<Self, Fault> {
        Ok(Self {
            deny: compile(deny)?,
            except: compile(except)?,
        })
    }

    /// Whether a request with this User-Agent may go on.
    pub fn admit(&self, user_agent: &[u8]) -> bool {
        !self.deny.is_match(user_agent) || self.except.is_match(user_agent)
    }
}

fn compile<S: AsRef<str>>(patterns: &[S]) -> Result<RegexSet, Fault> {
    build(patterns).map_err(|error| {
        // The set's error does not say which pattern it means, so each is tried alone.
        let culprit = patterns
            .iter()
            .find(|pattern| build(&[pattern.as_ref()]).is_err());
        let pattern = culprit.map_or("", |pattern| pattern.as_ref());
        let (why, remedy) = explain(&error);
        Fault::new(format!("pattern '{pattern}': {why}"), remedy)
    })
}

fn build<S: AsRef<str>>(patterns: &[S]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns)
        .unicode(false)
        .dot_matches_new_line(true)
        .build()
}

/// What is wrong with a pattern, and what to do.
fn explain(error: &regex::Error) -> (String, &'static str) {
    let text = error.to_string();
    if text.contains("look-around") {
        let what = "look-ahead and look-behind are not supported";
        return (
            what.to_owned(),
            "put what should still be admitted into 'except'",
        );
    }
    // The last line of a syntax error says what is wrong; those before it draw where.
    let last = text.lines().last().unwrap_or_default();
    (
        last.trim_start_matches("error: ").to_owned(),
        "correct the pattern",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> UserAgentRules {
        let deny = DEFAULT_DENY.map(str::to_owned);
        UserAgentRules::compile(&deny, &DEFAULT_EXCEPT.map(str::to_owned)).unwrap()
    }

    #[test]
    fn built_in_rules() {
        let rules = built_in();
        let refused: &[&str] = &[
            "docker/1.3.0 go/go1.3.3 git-commit/d344625 kernel/3.16 os/linux arch/amd64",
            "docker/1.4.1 go/go1.3.3",
            "docker/1.5.0 go/go1.4.1",
            "docker/1.5",
            "docker/1.5-dev",
            "docker/1.5.10-dev",
            "docker/1.5.0-rc1",
            "docker/1.5.0-DEV",
            "docker/1.30.0",
            "Go 1.1 package http",
            "Go http package",
            "Go ",
        ];
        let admitted: &[&str] = &[
            "",
            "docker/1.5.0-dev go/go1.4.1",
            "docker/1.5.0-develop",
            "docker/1.2.0",
            "docker/1.6.2",
            "docker/28.2.2 go/go1.24.3 UpstreamClient(Docker-Client/28.2.2 \\(linux\\))",
            "Docker/1.3.0",
            " docker/1.3.0",
            "Go-http-client/1.1",
            "Go-http-client/2.0",
            "Go",
            "Google-HTTP-Java-Client/1.27.0 (gzip)",
            "containers/5.29.2 (github.com/containers/image)",
            "curl/7.88.1",
        ];
        for agent in refused {
            assert!(!rules.admit(agent.as_bytes()), "{agent:?} must be refused");
        }
        for agent in admitted {
            assert!(rules.admit(agent.as_bytes()), "{agent:?} must be admitted");
        }
    }

    /// The recipe's own expression, read by hand, over every short tail of a small alphabet.
    #[test]
    fn equals_the_recipe() {
        fn recipe(agent: &[u8]) -> bool {
            if agent.starts_with(b"Go ") {
                return false;
            }
            match agent.strip_prefix(b"docker/1.") {
                Some([b'3' | b'4', ..]) => false,
                Some([b'5', b'.', b'0'..=b'9', b'-', b'd', b'e', b'v', ..]) => true,
                Some([b'5', ..]) => false,
                _ => true,
            }
        }
        let rules = built_in();
        let alphabet: &[u8] = b"345.09-dev \xff";
        for prefix in [&b"docker/1."[..], b"docker/1.5.0", b"Go", b"docker/1.5.0-d"] {
            let mut tails = vec![prefix.to_vec()];
            for _ in 0..4 {
                for agent in &tails {
                    assert_eq!(rules.admit(agent), recipe(agent), "{agent:?}");
                }
                tails = tails
                    .iter()
                    .flat_map(|tail| alphabet.iter().map(|byte| [&tail[..], &[*byte]].concat()))
                    .collect();
            }
        }
    }

    #[test]
    fn a_look_ahead_points_to_except() {
        let deny = [r"^(docker\/1\.(3|4|5(?!\.[0-9]-dev))|Go ).*$".to_owned()];
        let error = UserAgentRules::compile(&deny, &[]).unwrap_err().to_string();
        assert!(error.contains("'except'"), "{error}");
        assert!(error.contains("docker"), "{error}");
    }

    #[test]
    fn a_broken_pattern_is_named_in_one_line() {
        let deny = ["^good".to_owned(), "(".to_owned()];
        let error = UserAgentRules::compile(&deny, &[]).unwrap_err().to_string();
        assert_eq!(error, "pattern '(': unclosed group; correct the pattern");
    }
}
