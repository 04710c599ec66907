//! What nginx runs before it asks htgate, for the question as well: the `rewrite`, `if` and
//! `return` lines of the server (`NGX_HTTP_SERVER_REWRITE_PHASE`).

use super::super::{CheckRule, Finding};
use super::pattern::Pattern;
use super::scope::Scope;
use super::syntax::Directive;

/// Checks what a server runs for the question that goes by this name.
pub(super) fn check(server: Scope<'_>, question: &str, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    let mut is_stopped = false;
    for said in &server.opener.block {
        let holds = Condition::of(said).holds(question);
        let begins = said.block.first().map(|it| it.name.as_str());
        match said.name.as_str() {
            "break" => is_stopped = true,
            "if" if holds == Holds::Always && begins == Some("break") => is_stopped = true,
            // Everything ends here, for clients as well.
            "return" => break,
            "rewrite" => seen.extend(rewrite(said, question)),
            "if" if holds != Holds::Never => {
                let runs = said.block.iter().take_while(|it| it.name != "break");
                seen.extend(runs.filter_map(|inner| match inner.name.as_str() {
                    "rewrite" => rewrite(inner, question),
                    // Where it is not about the path, a client's request ends here as well.
                    "return" if holds != Holds::Both && inner.first().starts_with('2') => {
                        Some((CheckRule::BeforeGate, inner))
                    }
                    _ => None,
                }));
            }
            _ => (),
        }
        if is_stopped {
            break;
        }
    }
    let guard = format!("if ($uri = {question}) {{ break; }}");
    let remedy = match is_stopped {
        true => format!("move it below the line '{guard}'"),
        false => format!("put '{guard}' above it"),
    };
    for (rule, said) in seen {
        let what = match rule {
            CheckRule::CannotTell => "whether this takes the question to htgate is not known here",
            _ => "nginx runs this for the question to htgate as well, and answers it itself",
        };
        findings.push(said.finding(rule, what, &remedy));
    }
}

/// A `rewrite` that takes the question. A redirect of it is not an answer.
fn rewrite<'a>(said: &'a Directive, question: &str) -> Option<(CheckRule, &'a Directive)> {
    if said.redirects() {
        return None;
    }
    match Pattern::new(said.first(), false).fits(question) {
        Some(fits) => fits.then_some((CheckRule::BeforeGate, said)),
        None => Some((CheckRule::CannotTell, said)),
    }
}

/// Whether an `if` is taken for the question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Always,
    Never,
    /// It is about the file that is asked for, or cannot be read here.
    Maybe,
    /// It is about the client's request, and is taken for both or for neither.
    Both,
}

/// The words of an `if`.
pub(super) struct Condition<'a>(pub(super) Vec<&'a str>);

impl<'a> Condition<'a> {
    pub(super) fn of(said: &'a Directive) -> Self {
        let words = said.arguments.iter().zip(1..);
        let words = words.map(|(word, number)| {
            let word = word
                .strip_prefix('(')
                .filter(|_| number == 1)
                .unwrap_or(word);
            let is_last = number == said.arguments.len();
            word.strip_suffix(')').filter(|_| is_last).unwrap_or(word)
        });
        Self(words.filter(|word| !word.is_empty()).collect())
    }

    fn holds(&self, question: &str) -> Holds {
        let always = |holds| if holds { Holds::Always } else { Holds::Never };
        match self.0[..] {
            ["$uri" | "$document_uri", "=", value] => always(value == question),
            ["$uri" | "$document_uri", "!=", value] => always(value != question),
            ["$uri" | "$document_uri", operator, value] => {
                let matched = Pattern::new(value, operator.ends_with('*')).fits(question);
                matched.map_or(Holds::Maybe, |it| always(it != operator.starts_with('!')))
            }
            [first, ..] if first.starts_with(['-', '!']) => Holds::Maybe,
            [first, ..] if first.contains("filename") => Holds::Maybe,
            _ => Holds::Both,
        }
    }
}
