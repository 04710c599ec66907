//! Regular expressions of nginx's configuration. They are PCRE's: of what Rust's cannot read,
//! look-around for one, nothing is known.

use regex_automata::hybrid::dfa::DFA;
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind};

/// A regular expression.
pub(super) struct Pattern(Option<DFA>);

impl Pattern {
    pub(super) fn new(text: &str, ignores_case: bool) -> Self {
        let syntax = syntax::Config::new()
            .case_insensitive(ignores_case)
            .unicode(false)
            .utf8(false);
        let config = DFA::config().match_kind(MatchKind::All);
        let mut builder = DFA::builder();
        Self(builder.configure(config).syntax(syntax).build(text).ok())
    }

    /// Whether it fits a path; nothing where that is not known.
    pub(super) fn fits(&self, path: &str) -> Option<bool> {
        let dfa = self.0.as_ref()?;
        let found = dfa.try_search_fwd(&mut dfa.create_cache(), &Input::new(path));
        found.ok().map(|found| found.is_some())
    }

    /// Whether it can fit something below a prefix; nothing where that is not known.
    pub(super) fn may_begin(&self, prefix: &str) -> Option<bool> {
        let dfa = self.0.as_ref()?;
        let cache = &mut dfa.create_cache();
        let mut state = dfa.start_state_forward(cache, &Input::new(prefix)).ok()?;
        for byte in prefix.bytes() {
            state = dfa.next_state(cache, state, byte).ok()?;
            if state.is_match() || state.is_dead() {
                return Some(state.is_match());
            }
        }
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_below_a_prefix() {
        for (pattern, expected) in [
            (r"\.php$", Some(true)),
            ("^/private/.*", Some(true)),
            ("^/pri", Some(true)),
            ("^/(css|js|images)/", Some(false)),
            ("^/(css|private)/", Some(true)),
            ("^/$", Some(false)),
            ("^/", Some(true)),
            ("^/other", Some(false)),
            (r"^/[a-z]+\.txt", Some(false)),
            (r"^/.+\.txt", Some(true)),
            ("^/(?!private)", None),
            ("^/[a-z]{2}/", Some(false)),
            (r"^/[^/]+\.html$", Some(false)),
        ] {
            let seen = Pattern::new(pattern, false).may_begin("/private/");
            assert_eq!(seen, expected, "{pattern}");
        }
        assert_eq!(
            Pattern::new("^/PRIV", true).may_begin("/private/"),
            Some(true)
        );
        assert_eq!(Pattern::new("^/(?!x)", false).fits("/a"), None);
    }
}
