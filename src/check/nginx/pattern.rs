//! Regular expressions of nginx's configuration. They are PCRE's: of what `regex` cannot read,
//! look-around for one, nothing is known.

use regex::bytes::RegexBuilder;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Look;
use regex_syntax::hir::literal::Extractor;

/// A regular expression.
pub(super) struct Pattern {
    text: String,
    ignores_case: bool,
}

impl Pattern {
    pub(super) fn new(text: &str, ignores_case: bool) -> Self {
        let text = text.to_owned();
        Self { text, ignores_case }
    }

    /// Whether it fits a path; nothing where that is not known.
    pub(super) fn fits(&self, path: &str) -> Option<bool> {
        let mut builder = RegexBuilder::new(&self.text);
        let builder = builder.case_insensitive(self.ignores_case).unicode(false);
        let regex = builder.build().ok()?;
        Some(regex.is_match(path.as_bytes()))
    }

    /// Whether it can fit something below a prefix; nothing where that is not known.
    pub(super) fn may_begin(&self, prefix: &str) -> Option<bool> {
        let mut builder = ParserBuilder::new();
        let builder = builder.case_insensitive(self.ignores_case).unicode(false);
        let parsed = builder.utf8(false).build().parse(&self.text);
        let Ok(hir) = parsed else {
            return (!self.text.starts_with('^')).then_some(true);
        };
        let looks = hir.properties();
        if !looks.look_set_prefix().contains(Look::Start) {
            return Some(true);
        }
        let is_ended = looks.look_set_suffix().contains(Look::End);
        let begins = Extractor::new().extract(&hir);
        Some(begins.literals().is_none_or(|begins| {
            begins.iter().any(|begin| {
                let (is_whole, begin) = (is_ended && begin.is_exact(), begin.as_bytes());
                begin.starts_with(prefix.as_bytes())
                    || (!is_whole && prefix.as_bytes().starts_with(begin))
            })
        }))
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
            (r"^/[a-z]+\.txt", Some(true)),
            ("^/(?!private)", None),
            ("(?<!x)y", Some(true)),
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
