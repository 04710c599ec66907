//! The files that `nginx -T` prints, one after the other, put together again as nginx reads them:
//! each `include` is replaced by what it names.

use std::path::Path;
use std::rc::Rc;

use super::syntax::{Directive, Position, SyntaxError, parse};

/// A whole configuration.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) directives: Vec<Directive>,
    /// Includes of files that we were not given.
    pub(super) absent: Vec<Position>,
    /// The main file.
    pub(super) file: Rc<str>,
}

/// Reads the output of `nginx -T`, or a single file that stands for itself under `name`.
pub(super) fn read(name: &str, text: &str) -> Result<Configuration, SyntaxError> {
    let files: Vec<(Rc<str>, &str)> = split(name, text);
    let mut parsed = Vec::new();
    for (file, text) in &files {
        parsed.push((Rc::clone(file), parse(file, text)?));
    }
    let file = files
        .first()
        .map_or_else(|| name.into(), |(file, _)| Rc::clone(file));
    let mut absent = Vec::new();
    let directives = match parsed.first() {
        Some((_, main)) => {
            let folder = Path::new(&*file).parent().unwrap_or_else(|| Path::new(""));
            let files = IncludedFiles {
                folder,
                parsed: &parsed,
            };
            files.put_together(main, 0, &mut absent)?
        }
        None => Vec::new(),
    };
    Ok(Configuration {
        directives,
        absent,
        file,
    })
}

/// The files in the order of their first use, the main one first.
fn split<'a>(name: &str, text: &'a str) -> Vec<(Rc<str>, &'a str)> {
    let mut files: Vec<(Rc<str>, usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(path) = line
            .trim_end()
            .strip_prefix(MARK)
            .and_then(|l| l.strip_suffix(':'))
        {
            if let Some((_, _, end)) = files.last_mut() {
                *end = at;
            }
            files.push((path.into(), at + line.len(), text.len()));
        }
        at += line.len();
    }
    if files.is_empty() {
        return vec![(name.into(), text)];
    }
    let cut = |(path, start, end)| (path, text.get(start..end).unwrap_or_default());
    files.into_iter().map(cut).collect()
}

struct IncludedFiles<'a> {
    /// Where the main file is: relative names are meant from there.
    folder: &'a Path,
    parsed: &'a [(Rc<str>, Vec<Directive>)],
}

impl IncludedFiles<'_> {
    fn put_together(
        &self,
        directives: &[Directive],
        depth: u8,
        absent: &mut Vec<Position>,
    ) -> Result<Vec<Directive>, SyntaxError> {
        let mut whole = Vec::new();
        for directive in directives {
            let place = &directive.place;
            if depth == DEEPEST {
                let what = "files that include each other, or too many blocks";
                return Err(SyntaxError {
                    place: place.clone(),
                    what,
                });
            }
            if directive.name != "include" {
                let mut directive = directive.clone();
                if let Some(block) = &directive.block {
                    directive.block = Some(self.put_together(block, depth + 1, absent)?);
                }
                whole.push(directive);
                continue;
            }
            let pattern = self.folder.join(directive.first());
            let pattern = pattern.to_string_lossy();
            let mut found: Vec<_> = self
                .parsed
                .iter()
                .filter(|(file, _)| matches(&pattern, file))
                .collect();
            found.sort_by(|(a, _), (b, _)| a.cmp(b));
            // A file that is included twice may be printed twice.
            found.dedup_by(|(a, _), (b, _)| a == b);
            // nginx -T prints every file that there is: a pattern that fits none is none's.
            if found.is_empty() && (self.parsed.len() == 1 || !pattern.contains(['*', '?', '['])) {
                absent.push(place.clone());
            }
            for (_, included) in found {
                whole.extend(self.put_together(included, depth + 1, absent)?);
            }
        }
        Ok(whole)
    }
}

/// Whether a path fits a pattern of the shell. No `*` or `?` stands for a slash.
fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => path.is_empty(),
        Some('*') => {
            let ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
            ends.map(|at| path.split_at(at))
                .take_while(|(passed, _)| !passed.contains('/'))
                .any(|(_, left)| matches(rest.as_str(), left))
        }
        Some(first) => {
            let mut left = path.chars();
            let Some(c) = left.next() else { return false };
            let (fits, rest) = match (first, rest.as_str().split_once(']')) {
                ('?', _) => (c != '/', rest.as_str()),
                ('[', Some((class, rest))) => (in_class(class, c), rest),
                _ => (c == first, rest.as_str()),
            };
            fits && matches(rest, left.as_str())
        }
    }
}

fn in_class(class: &str, c: char) -> bool {
    let (negated, class) = match class.strip_prefix(['!', '^']) {
        Some(class) => (true, class),
        None => (false, class),
    };
    let mut members = class.chars().peekable();
    let mut found = false;
    while let Some(from) = members.next() {
        let to = members
            .next_if_eq(&'-')
            .and_then(|_| members.next())
            .unwrap_or(from);
        found |= (from..=to).contains(&c);
    }
    found != negated
}

const MARK: &str = "# configuration file ";
/// Deeper than anybody includes, and not too deep for the stack.
const DEEPEST: u8 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf", true),
            (
                "/etc/nginx/conf.d/*.conf",
                "/etc/nginx/conf.d/x/a.conf",
                false,
            ),
            ("/e/*", "/e/", true),
            ("/e/?.c", "/e/a.c", true),
            ("/e/?.c", "/e//.c", false),
            ("/e/[a-cx].c", "/e/b.c", true),
            ("/e/[!a-c].c", "/e/b.c", false),
            ("/e/a.c", "/e/a.c", true),
            ("/e/a.c", "/e/a.cc", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn includes_keep_their_files_and_lines() {
        let text = "nginx: the configuration file /e/nginx.conf syntax is ok\n\
                    # configuration file /e/nginx.conf:\n\
                    http {\n  include d/*.conf;\n  include none/*.conf;\n}\n\n\
                    # configuration file /e/d/a.conf:\nserver {\n  include /e/s.conf;\n}\n\n\
                    # configuration file /e/s.conf:\n\nreturn 204;\n\n\
                    # configuration file /e/d/b.conf:\nserver { }\n";
        let configuration = read("-", text).unwrap();
        assert!(configuration.absent.is_empty());
        let http = &configuration.directives[0];
        let servers = http.inside();
        assert_eq!(servers.len(), 2);
        let inner = &servers[0].inside()[0];
        assert_eq!((inner.name.as_str(), inner.place.line), ("return", 2));
        assert_eq!(&*inner.place.file, "/e/s.conf");
        assert_eq!(
            servers[0].place,
            Position {
                file: "/e/d/a.conf".into(),
                line: 1
            }
        );
    }

    #[test]
    fn includes_that_lead_nowhere() {
        let alone = read("nginx.conf", "a;\ninclude b;\ninclude c/*;\n").unwrap();
        let lines: Vec<_> = alone.absent.iter().map(|place| place.line).collect();
        assert_eq!(lines, [2, 3]);
        let circle = read("-", "# configuration file /a:\ninclude /a;\n");
        assert!(circle.unwrap_err().what.contains("include each other"));
    }
}
