//! The files that `nginx -T` prints, one after the other, put together again as nginx reads them:
//! each `include` is replaced by what it names.

use std::collections::BTreeMap;
use std::path::Path;

use glob::{MatchOptions, Pattern};

use super::super::{CheckRule, Finding};
use super::syntax::{Directive, NOT_TAKEN, parse};

/// Reads the output of `nginx -T`, or a single file that stands for itself under `name`. Beside
/// it, includes of files that we were not given.
pub(super) fn read(name: &str, text: &str) -> Result<(Directive, Vec<Finding>), Finding> {
    let files = split(name, text);
    let mut parsed = Vec::new();
    for (path, text) in &files {
        parsed.push((*path, parse(path, text)?));
    }
    let (main, whole) = parsed.first().cloned().unwrap_or_default();
    let mut files = IncludedFiles {
        folder: Path::new(main).parent().unwrap_or_else(|| Path::new("")),
        // A file that is included twice may be printed twice.
        parsed: &parsed.into_iter().rev().collect(),
        absent: Vec::new(),
    };
    let whole = files.put_together(whole, 0)?;
    Ok((whole, files.absent))
}

/// The files with their names in the order of their first use, the main one first.
pub(super) fn split<'a>(name: &'a str, text: &'a str) -> Vec<(&'a str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let mark = line.trim_end().strip_prefix("# configuration file ");
        if let Some(path) = mark.and_then(|mark| mark.strip_suffix(':')) {
            files.push((path, String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        }
    }
    if files.is_empty() {
        files.push((name, text.to_owned()));
    }
    files
}

struct IncludedFiles<'a> {
    /// Where the main file is: relative names are meant from there.
    folder: &'a Path,
    parsed: &'a BTreeMap<&'a str, Directive>,
    absent: Vec<Finding>,
}

impl IncludedFiles<'_> {
    fn put_together(&mut self, mut outer: Directive, depth: u8) -> Result<Directive, Finding> {
        for directive in std::mem::take(&mut outer.block) {
            if depth == DEEPEST {
                let what = "files that include each other, or too many blocks";
                return Err(directive.finding(CheckRule::Syntax, what, NOT_TAKEN));
            }
            if directive.name != "include" {
                outer.block.push(self.put_together(directive, depth + 1)?);
                continue;
            }
            let pattern = self.folder.join(directive.first());
            let pattern = pattern.to_string_lossy();
            let fits = |(file, _): &(&&str, _)| matches(&pattern, file);
            let mut found = self.parsed.iter().filter(fits).peekable();
            // nginx -T prints every file that there is: a pattern that fits none is none's.
            if found.peek().is_none()
                && (self.parsed.len() == 1 || !pattern.contains(['*', '?', '[']))
            {
                let what = "this file is missing from the input, so it was not checked";
                let remedy = "pipe the output of 'nginx -T' into this";
                self.absent
                    .push(directive.finding(CheckRule::Syntax, what, remedy));
            }
            for (_, included) in found {
                let included = self.put_together(included.clone(), depth + 1)?;
                outer.block.extend(included.block);
            }
        }
        Ok(outer)
    }
}

/// Whether a path fits a pattern of the shell. No `*` or `?` stands for a slash.
fn matches(pattern: &str, path: &str) -> bool {
    let options = MatchOptions {
        require_literal_separator: true,
        ..MatchOptions::default()
    };
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, options))
}

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
        let (main, absent) = read("-", text).unwrap();
        assert_eq!(absent, []);
        let http = &main.block[0];
        let servers = &http.block;
        assert_eq!(servers.len(), 2);
        let inner = &servers[0].block[0];
        assert_eq!((inner.name.as_str(), inner.line), ("return", 2));
        assert_eq!(&*inner.file, "/e/s.conf");
        let first = &servers[0];
        assert_eq!((&*first.file, first.line), ("/e/d/a.conf", 1));
    }

    #[test]
    fn includes_that_lead_nowhere() {
        let (_, absent) = read("nginx.conf", "a;\ninclude b;\ninclude c/*;\n").unwrap();
        let lines: Vec<_> = absent.iter().map(|it| it.fault.line).collect();
        assert_eq!(lines, [Some(2), Some(3)]);
        let circle = read("-", "# configuration file /a:\ninclude /a;\n").unwrap_err();
        assert!(circle.fault.what.contains("include each other"));
    }
}
