//! The text of one file of nginx's configuration to directives, by the rules of
//! `ngx_conf_read_token`: words, quotes, escapes, comments, blocks.

use std::iter::Peekable;
use std::rc::Rc;
use std::str::Chars;

use super::super::{CheckRule, Finding};
use crate::Fault;

/// One directive, or a whole file as one without a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// The directives inside.
    pub(super) block: Vec<Self>,
    pub(super) file: Rc<str>,
    pub(super) line: u64,
}

impl Directive {
    /// The first argument, or nothing.
    pub(super) fn first(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }

    /// The last argument, or nothing.
    pub(super) fn last(&self) -> &str {
        self.arguments.last().map_or("", String::as_str)
    }

    /// Those of this name inside.
    pub(super) fn own(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.block.iter().filter(move |it| it.name == name)
    }

    /// Whether there is one of this name inside.
    pub(super) fn has(&self, name: &str) -> bool {
        self.own(name).next().is_some()
    }

    /// Whether it is a `rewrite` that answers with a redirect.
    pub(super) fn redirects(&self) -> bool {
        let to = self.arguments.get(1).map_or("", String::as_str);
        self.name == "rewrite"
            && (to.starts_with("http")
                || to.starts_with("$scheme")
                || matches!(self.last(), "redirect" | "permanent"))
    }

    /// Those inside that hand a request to somebody else.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Self> {
        let inside = self.block.iter();
        inside.filter(|it| {
            let kind = it.name.strip_suffix("_pass");
            matches!(kind, Some("proxy" | "fastcgi" | "uwsgi" | "scgi" | "grpc"))
        })
    }

    /// What is wrong here, and what to do about it.
    pub(super) fn finding(&self, rule: CheckRule, what: &str, remedy: &str) -> Finding {
        Finding::new(rule, &self.file, Fault::new(what, remedy).at(self.line))
    }
}

/// Reads one file.
pub(super) fn parse(file: &str, text: &str) -> Result<Directive, Finding> {
    let mut reader = Reader {
        chars: text.chars().peekable(),
        file: file.into(),
        line: 1,
    };
    let block = reader.block(0)?;
    Ok(reader.directive(Vec::new(), block, 1))
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    file: Rc<str>,
    line: u64,
}

enum Lexeme {
    Word(String),
    /// One of `;`, `{`, `}`.
    Mark(char),
    End,
}

impl Reader<'_> {
    fn block(&mut self, depth: u8) -> Result<Vec<Directive>, Finding> {
        let mut directives = Vec::new();
        let mut words = Vec::new();
        let mut line = self.line;
        loop {
            let lexeme = self.lexeme()?;
            if words.is_empty() {
                line = self.line;
            }
            let block = match lexeme {
                Lexeme::Word(word) => {
                    words.push(word);
                    continue;
                }
                Lexeme::Mark('}') if words.is_empty() && depth > 0 => return Ok(directives),
                Lexeme::End if words.is_empty() && depth == 0 => return Ok(directives),
                Lexeme::Mark('}') => return self.error("a '}' that closes nothing"),
                Lexeme::End => return self.error("the file ends within a directive or block"),
                Lexeme::Mark(';') => Vec::new(),
                Lexeme::Mark(_) if depth == DEEPEST => return self.error("too many blocks"),
                Lexeme::Mark(_) if words.first().is_some_and(|name| name.ends_with(LUA)) => {
                    self.skip_block()?
                }
                Lexeme::Mark(_) => self.block(depth + 1)?,
            };
            if words.is_empty() {
                return self.error("a ';' or '{' without a directive");
            }
            directives.push(self.directive(std::mem::take(&mut words), block, line));
        }
    }

    fn directive(&self, words: Vec<String>, block: Vec<Directive>, line: u64) -> Directive {
        let mut words = words.into_iter();
        Directive {
            name: words.next().unwrap_or_default(),
            arguments: words.collect(),
            block,
            file: Rc::clone(&self.file),
            line,
        }
    }

    fn lexeme(&mut self) -> Result<Lexeme, Finding> {
        loop {
            match self.next() {
                None => return Ok(Lexeme::End),
                Some(mark @ (';' | '{' | '}')) => return Ok(Lexeme::Mark(mark)),
                Some('#') => while self.next().is_some_and(|c| c != '\n') {},
                Some(quote @ ('"' | '\'')) => return self.quoted(quote).map(Lexeme::Word),
                Some(c) if is_space(c) => (),
                Some(c) => return Ok(Lexeme::Word(self.bare(c))),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Finding> {
        let mut word = String::new();
        loop {
            match self.next() {
                None => return self.error("the file ends within quotes"),
                Some('\\') => self.escape(&mut word),
                Some(c) if c == quote => return Ok(word),
                Some(c) => word.push(c),
            }
        }
    }

    fn bare(&mut self, first: char) -> String {
        let mut word = String::new();
        let mut next = Some(first);
        while let Some(c) = next {
            if c == '\\' {
                self.escape(&mut word);
            } else {
                word.push(c);
            }
            // The brace of "${name}" opens no block.
            let in_variable = c == '$' && self.chars.peek() == Some(&'{');
            let goes_on = |c: &char| in_variable || !(is_space(*c) || matches!(c, ';' | '{'));
            next = self.chars.next_if(goes_on);
        }
        word
    }

    /// What follows a backslash. It stays where nginx lets it stay.
    fn escape(&mut self, word: &mut String) {
        match self.next() {
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }

    /// Past the end of a block that is Lua: its braces come in pairs, outside of its strings.
    fn skip_block(&mut self) -> Result<Vec<Directive>, Finding> {
        let mut open = 1;
        while open > 0 {
            match self.next() {
                None => return self.error("the file ends within a block"),
                Some('{') => open += 1,
                Some('}') => open -= 1,
                Some(quote @ ('"' | '\'')) => {
                    self.quoted(quote)?;
                }
                Some('-') if self.chars.next_if_eq(&'-').is_some() => {
                    while self.next().is_some_and(|c| c != '\n') {}
                }
                Some(_) => (),
            }
        }
        Ok(Vec::new())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.line += u64::from(c == '\n');
        Some(c)
    }

    fn error<T>(&self, what: &str) -> Result<T, Finding> {
        let fault = Fault::new(what, NOT_TAKEN).at(self.line);
        Err(Finding::new(CheckRule::Syntax, &self.file, fault))
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Deeper than anybody nests blocks, and not too deep for the stack.
const DEEPEST: u8 = 50;
/// What to do where nginx would not take it either.
pub(super) const NOT_TAKEN: &str = "see what 'nginx -t' says";
const LUA: &str = "_by_lua_block";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn show(directives: &[Directive]) -> String {
        let show_one = |directive: &Directive| {
            let words = [
                std::slice::from_ref(&directive.name),
                &directive.arguments[..],
            ]
            .concat();
            let block = match &directive.block[..] {
                [] => String::new(),
                block => format!("{{{}}}", show(block)),
            };
            format!("{}<{}>{block}", directive.line, words.join("|"))
        };
        directives.iter().map(show_one).collect()
    }

    fn check(text: &str, expected: &str) {
        let seen = match parse("f", text) {
            Ok(file) => show(&file.block),
            Err(error) => format!("{}: {}", error.fault.line.unwrap(), error.fault.what),
        };
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn words_quotes_comments_and_blocks() {
        check("", "");
        check("a;", "1<a>");
        check("a b\n c;\r\n d{}", "1<a|b|c>3<d>");
        check("# x;\na # y\n b;#", "2<a|b>");
        check("a b#c;", "1<a|b#c>");
        check(r#"a "b;\"{ c" 'd"\'#';"#, r#"1<a|b;"{ c|d"'#>"#);
        check("a ''; b \"x\ny\"; c;", "1<a|>1<b|x\ny>2<c>");
        check(r"a ~^/v2\.;", r"1<a|~^/v2\.>");
        check("a ${b}c; d$e{ f; }", "1<a|${b}c>1<d$e>{1<f>}");
        check("a {\n b {\n c d;\n }\n}\n", "1<a>{2<b>{3<c|d>}}");
        check(
            "if ($a = \"b\") { return 1; }",
            "1<if|($a|=|b|)>{1<return|1>}",
        );
        check(
            "x_by_lua_block {\n local t = {\"}\"} -- }\n}\nb;",
            "1<x_by_lua_block>4<b>",
        );
    }

    #[test]
    fn what_nginx_would_not_take() {
        check("a", "1: the file ends within a directive or block");
        check("a {\n", "2: the file ends within a directive or block");
        check("a;\n}", "2: a '}' that closes nothing");
        check("a 'b\n", "2: the file ends within quotes");
        check(";", "1: a ';' or '{' without a directive");
        check(&"a {".repeat(1000), "1: too many blocks");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a{};'\"\\\\#$ \n]{0,60}") {
            let _ = parse("f", &text);
        }
    }
}
