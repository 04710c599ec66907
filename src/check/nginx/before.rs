//! What nginx runs before it asks htgate, for the question as well: the `rewrite`, `if` and
//! `return` lines of the server (`NGX_HTTP_SERVER_REWRITE_PHASE`).

use super::super::{CheckRule, Finding};
use super::pattern::Pattern;
use super::scope::Scope;
use super::syntax::Directive;

/// Checks what a server runs for the question that goes by this name.
pub(super) fn check(server: Scope<'_>, question: &str, findings: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    let mut is_guarded = false;
    for said in &server.opener.block {
        let holds = Condition::of(said).map(|condition| condition.holds(question));
        match said.name.as_str() {
            "break" => is_guarded = true,
            // Everything ends here, for clients as well.
            "return" => break,
            "rewrite" => seen.extend(rewrite(said, question)),
            "if" if holds == Some(Holds::Never) => (),
            "if" => {
                let first = said.block.first().map(|it| it.name.as_str());
                is_guarded = holds == Some(Holds::Always) && first == Some("break");
                for inner in said.block.iter().filter(|_| !is_guarded) {
                    match inner.name.as_str() {
                        "break" => break,
                        "rewrite" => seen.extend(rewrite(inner, question)),
                        // Where it is not about the path, the client's request ends here as well.
                        "return" if holds == Some(Holds::Maybe) || holds == Some(Holds::Always) => {
                            let is_answer = inner.first().starts_with('2');
                            seen.extend(is_answer.then_some((CheckRule::BeforeGate, inner)));
                        }
                        _ => (),
                    }
                }
            }
            _ => (),
        }
        if is_guarded {
            break;
        }
    }
    let guard = format!("if ($uri = {question}) {{ break; }}");
    let remedy = match is_guarded {
        true => format!("move it below the line '{guard}'"),
        false => format!("put '{guard}' above it"),
    };
    for (rule, said) in seen {
        let what = match rule {
            CheckRule::CannotTell => {
                "whether this takes the question to htgate elsewhere is not known here"
            }
            _ => {
                "nginx runs this for the question to htgate as well, so that something else answers it"
            }
        };
        findings.push(said.finding(rule, what, &remedy));
    }
}

/// A `rewrite` that takes the question.
fn rewrite<'a>(said: &'a Directive, question: &str) -> Option<(CheckRule, &'a Directive)> {
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

struct Condition<'a>(Vec<&'a str>);

impl<'a> Condition<'a> {
    fn of(said: &'a Directive) -> Option<Self> {
        (said.name == "if").then(|| {
            let mut words: Vec<_> = said.arguments.iter().map(String::as_str).collect();
            if let Some(first) = words.first_mut() {
                *first = first.strip_prefix('(').unwrap_or(first);
            }
            if let Some(last) = words.last_mut() {
                *last = last.strip_suffix(')').unwrap_or(last);
            }
            words.retain(|it| !it.is_empty());
            Self(words)
        })
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
