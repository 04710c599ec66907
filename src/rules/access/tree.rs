//! All patterns of all rules, merged at their common beginnings, so that a name is held against
//! a thousand of them in the time of one: each component is one step, wherever it leads.

use std::collections::HashMap;

use super::RuleId;
use super::pattern::Piece;

/// One place in the patterns, and what follows from there.
#[derive(Debug, Default)]
pub(super) struct PatternTree {
    literal: HashMap<Box<str>, Self>,
    one: Option<Box<Self>>,
    deep: Option<Box<Self>>,
    /// Reached by `**`, which may take more components.
    is_deep: bool,
    /// Rules of which a pattern ends here.
    ends: Vec<RuleId>,
    /// Rules of which a pattern ends here with `**`.
    below: Vec<RuleId>,
}

impl PatternTree {
    pub(super) fn insert(&mut self, pieces: &[Piece], rule: RuleId) {
        let (next, rest) = match pieces {
            [] => return note(&mut self.ends, rule),
            [Piece::Deep] => return note(&mut self.below, rule),
            [Piece::Literal(text), rest @ ..] => {
                (self.literal.entry(text.clone()).or_default(), rest)
            }
            [Piece::One, rest @ ..] => (&mut **self.one.get_or_insert_default(), rest),
            [Piece::Deep, rest @ ..] => {
                let deep = self.deep.get_or_insert_default();
                deep.is_deep = true;
                (&mut **deep, rest)
            }
        };
        next.insert(rest, rule);
    }

    /// Hands out the rules with a pattern that matches, in ascending order within each portion.
    pub(super) fn matches(&self, name: &str, mut found: impl FnMut(&[RuleId])) {
        let (mut here, mut next) = (Vec::new(), Vec::new());
        self.enter(&mut here);
        for component in name.split('/') {
            for place in here.drain(..) {
                found(&place.below);
                if place.is_deep {
                    place.enter(&mut next);
                }
                if let Some(literal) = place.literal.get(component) {
                    literal.enter(&mut next);
                }
                if let Some(one) = &place.one
                    && !component.is_empty()
                {
                    one.enter(&mut next);
                }
            }
            std::mem::swap(&mut here, &mut next);
        }
        for place in here {
            found(&place.ends);
        }
    }

    /// `**` may also take nothing: what follows it is entered with the place before it. Once is
    /// enough, or the same would be entered anew with every component.
    fn enter<'a>(&'a self, places: &mut Vec<&'a Self>) {
        if places.iter().any(|place| std::ptr::eq(*place, self)) {
            return;
        }
        places.push(self);
        if let Some(deep) = &self.deep {
            deep.enter(places);
        }
    }
}

/// A rule may have a pattern twice.
fn note(rules: &mut Vec<RuleId>, rule: RuleId) {
    if rules.last() != Some(&rule) {
        rules.push(rule);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;
    use crate::rules::access::pattern::Pattern;

    fn rules(patterns: &[&str], name: &str) -> Vec<RuleId> {
        let mut tree = PatternTree::default();
        for (pattern, rule) in patterns.iter().zip(0..) {
            tree.insert(Pattern::repository(pattern).unwrap().pieces(), rule);
        }
        let mut seen = Vec::new();
        tree.matches(name, |rules| seen.extend(rules));
        seen.sort_unstable();
        seen.dedup();
        seen
    }

    #[test]
    fn components_are_whole() {
        let rows = [
            ("team", "team", true),
            ("team", "team2", false),
            ("team/*", "team/app", true),
            ("team/*", "team", false),
            ("team/*", "team/app/x", false),
            ("team/*", "team-evil/x", false),
            ("team/**", "team/app", true),
            ("team/**", "team/a/b/c", true),
            ("team/**", "team", false),
            ("team/**", "team-evil/x", false),
            ("team/**", "x/team/app", false),
            ("*", "a", true),
            ("*", "a/b", false),
            ("**", "a", true),
            ("**", "a/b/c", true),
            ("**/cache", "cache", true),
            ("**/cache", "a/b/cache", true),
            ("**/cache", "a/cache/b", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/b/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/x/y", false),
            ("a/**/*", "a", false),
            ("a/**/*", "a/x", true),
            ("**/a/**/b/**", "x/a/y/b/z", true),
            ("**/a/**/b/**", "x/a/y/b", false),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(
                !rules(&[pattern], name).is_empty(),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn all_rules_that_match_are_found() {
        let patterns = [
            "a/b", "a/*", "a/**", "**", "**/b", "*/b", "*/*", "a/b", "c/b", "a",
        ];
        assert_eq!(rules(&patterns, "a/b"), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    /// `**` in the midst of long names must not multiply.
    #[test]
    fn many_stars_cost_little() {
        let pattern = ["**/a"; 12].join("/") + "/b";
        let name = ["a"; 4000].join("/");
        let start = Instant::now();
        assert!(rules(&[&pattern], &name).is_empty());
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
    }

    /// The same by trying everything.
    fn naive(pieces: &[&str], name: &[&str]) -> bool {
        match pieces {
            [] => name.is_empty(),
            ["**"] => !name.is_empty(),
            ["**", rest @ ..] => (0..=name.len()).any(|taken| naive(rest, &name[taken..])),
            [piece, rest @ ..] => {
                let fits = |first: &str| piece == &first || *piece == "*";
                !name.is_empty() && fits(name[0]) && naive(rest, &name[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            patterns in proptest::collection::vec("(a|b|\\*|\\*\\*)(/(a|b|\\*|\\*\\*)){0,4}", 1..6),
            name in "[abc](/[abc]){0,5}",
        ) {
            let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
            let seen = rules(&patterns, &name);
            let parts: Vec<_> = name.split('/').collect();
            for (pattern, rule) in patterns.iter().zip(0..) {
                let pieces: Vec<_> = pattern.split('/').collect();
                prop_assert_eq!(seen.contains(&rule), naive(&pieces, &parts), "{} {}", pattern, name);
            }
        }

        #[test]
        fn covering_is_sound(
            ours in "(a|b|\\*|\\*\\*)(/(a|b|\\*|\\*\\*)){0,3}",
            theirs in "(a|b|\\*|\\*\\*)(/(a|b|\\*|\\*\\*)){0,3}",
            name in "[ab](/[ab]){0,5}",
        ) {
            let covers = Pattern::repository(&ours).unwrap()
                .covers(&Pattern::repository(&theirs).unwrap());
            if covers && !rules(&[&theirs], &name).is_empty() {
                prop_assert!(!rules(&[&ours], &name).is_empty(), "{} {} {}", ours, theirs, name);
            }
        }
    }
}
