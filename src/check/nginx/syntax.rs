//! The text of one file of nginx's configuration to directives, by the rules of
//! `ngx_conf_read_token`: words, quotes, escapes, comments, blocks.

use std::iter::Peekable;
use std::rc::Rc;
use std::str::Chars;

use super::super::{CheckRule, Finding};
use crate::Fault;

/// One directive, with its block if it has one.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) block: Option<Vec<Self>>,
    pub(super) place: Position,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
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

    /// The directives inside.
    pub(super) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Those of this name inside.
    pub(super) fn own(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.inside().iter().filter(move |it| it.name == name)
    }

    /// Those inside that hand a request to somebody else.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Self> {
        let inside = self.inside().iter();
        inside.filter(|it| PASSES.contains(&it.name.as_str()))
    }

    /// What is wrong here, and what to do about it.
    pub(super) fn finding(
        &self,
        rule: CheckRule,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let fault = Fault::new(what, remedy).at(self.place.line);
        Finding::new(rule, &self.place.file, fault)
    }
}

impl Position {
    /// What nginx would not take either.
    pub(super) fn unreadable(&self, what: &str) -> Finding {
        let fault = Fault::new(what, "see what 'nginx -t' says").at(self.line);
        Finding::new(CheckRule::Syntax, &self.file, fault)
    }
}

/// Reads one file.
pub(super) fn parse(file: &Rc<str>, text: &str) -> Result<Vec<Directive>, Finding> {
    let mut reader = Reader {
        file: Rc::clone(file),
        chars: text.chars().peekable(),
        line: 1,
    };
    reader.block(0)
}

struct Reader<'a> {
    file: Rc<str>,
    chars: Peekable<Chars<'a>>,
    line: u64,
}

enum Lexeme {
    Word(String),
    Semicolon,
    Open,
    Close,
    End,
}

impl Reader<'_> {
    fn block(&mut self, depth: u8) -> Result<Vec<Directive>, Finding> {
        let mut directives = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut line = self.line;
        loop {
            let token = self.token()?;
            if words.is_empty() {
                line = self.line;
            }
            let block = match token {
                Lexeme::Word(word) => {
                    words.push(word);
                    continue;
                }
                Lexeme::Close if words.is_empty() && depth > 0 => return Ok(directives),
                Lexeme::End if words.is_empty() && depth == 0 => return Ok(directives),
                Lexeme::Close => return Err(self.error("a '}' that closes nothing")),
                Lexeme::End => return Err(self.error("the file ends within a directive or block")),
                Lexeme::Semicolon => None,
                Lexeme::Open if depth == DEEPEST => return Err(self.error("too many blocks")),
                Lexeme::Open if words.first().is_some_and(|name| name.ends_with(LUA)) => {
                    self.skip_block()?;
                    Some(Vec::new())
                }
                Lexeme::Open => Some(self.block(depth + 1)?),
            };
            let mut words = std::mem::take(&mut words).into_iter();
            let Some(name) = words.next() else {
                return Err(self.error("a ';' or '{' without a directive"));
            };
            directives.push(Directive {
                name,
                arguments: words.collect(),
                block,
                place: self.place(line),
            });
        }
    }

    fn token(&mut self) -> Result<Lexeme, Finding> {
        loop {
            match self.next() {
                None => return Ok(Lexeme::End),
                Some(';') => return Ok(Lexeme::Semicolon),
                Some('{') => return Ok(Lexeme::Open),
                Some('}') => return Ok(Lexeme::Close),
                Some('#') => while self.next().is_some_and(|c| c != '\n') {},
                Some(quote @ ('"' | '\'')) => return self.quoted(quote),
                Some(c) if is_space(c) => (),
                Some(c) => return Ok(self.bare(c)),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Lexeme, Finding> {
        let mut word = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("the file ends within quotes")),
                Some('\\') => self.escape(&mut word),
                Some(c) if c == quote => return Ok(Lexeme::Word(word)),
                Some(c) => word.push(c),
            }
        }
    }

    fn bare(&mut self, first: char) -> Lexeme {
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
        Lexeme::Word(word)
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
    fn skip_block(&mut self) -> Result<(), Finding> {
        let mut open = 1;
        while open > 0 {
            match self.next() {
                None => return Err(self.error("the file ends within a block")),
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
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn place(&self, line: u64) -> Position {
        let file = Rc::clone(&self.file);
        Position { file, line }
    }

    fn error(&self, what: &str) -> Finding {
        self.place(self.line).unreadable(what)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Deeper than anybody nests blocks, and not too deep for the stack.
const DEEPEST: u8 = 50;
const PASSES: [&str; 5] = [
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
];
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
            let block = directive.block.as_deref();
            let block = block.map_or(String::new(), |block| format!("{{{}}}", show(block)));
            format!("{}<{}>{block}", directive.place.line, words.join("|"))
        };
        directives.iter().map(show_one).collect()
    }

    fn check(text: &str, expected: &str) {
        let seen = match parse(&"f".into(), text) {
            Ok(directives) => show(&directives),
            Err(error) => format!("{}: {}", error.fault.line.unwrap(), error.fault.what),
        };
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn words_quotes_comments_and_blocks() {
        check("", "");
        check("a;", "1<a>");
        check("a b\n c;\r\n d{}", "1<a|b|c>3<d>{}");
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
            "1<x_by_lua_block>{}4<b>",
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
            let _ = parse(&"f".into(), &text);
        }
    }
}
