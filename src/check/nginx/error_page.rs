//! What becomes of a refusal: the `error_page` that is in force for a status, and what it ends in.

use super::super::{CheckRule, Finding};
use super::Site;
use super::closed::refuses;
use super::scope::Scope;
use super::syntax::Directive;

/// How a request ends that an `error_page` takes.
enum Ending {
    /// As an error.
    Refused,
    /// With something else, which is said here.
    Answered(String),
    /// With a redirect.
    Elsewhere(String),
    /// Only nginx knows, while it runs.
    Unknown,
}

/// A guarded level: what a client gets that htgate refuses.
pub(super) fn check_guarded(site: &Site<'_>, scope: Scope<'_>, findings: &mut Vec<Finding>) {
    // With these nginx refuses for htgate.
    for code in ["401", "403", "500"] {
        let Some(said) = in_force(scope, code) else {
            let is_asked = !site.tokens.contains(&scope);
            findings.extend(lost(scope, code).filter(|_| is_asked));
            continue;
        };
        let (rule, what, remedy) = match ending(site, scope, said, false) {
            Ending::Refused => continue,
            Ending::Unknown => {
                let what = format!("where this leads a client that gets {code} is not known here");
                (
                    CheckRule::CannotTell,
                    what,
                    "look whether it needs a password",
                )
            }
            Ending::Answered(how) | Ending::Elsewhere(how) => {
                let what = format!("a client that is refused with {code} {how}");
                (
                    CheckRule::ErrorPage,
                    what,
                    "let it lead to a location that only returns an error",
                )
            }
        };
        findings.push(said.finding(rule, &what, remedy));
    }
}

/// A page of the site's own that comes after the gate's, and so never.
pub(super) fn check_late(scope: Scope<'_>) -> Option<Finding> {
    let has = |said: &&Directive, code: &str| said.arguments.iter().any(|it| it == code);
    let late = |code: &&str| {
        let mut all = scope
            .opener
            .own("error_page")
            .filter(|said| has(said, code));
        let is_gates = all.next()?.last().starts_with("@htgate_");
        all.next().filter(|_| is_gates)
    };
    let said = ["401", "403"].iter().find_map(late)?;
    let what = "this page is never shown: the gate's own, above it, has that status already";
    let remedy = "put the line above the include";
    Some(said.finding(CheckRule::LostPage, what, remedy))
}

/// An auth location: what nginx takes for htgate's answer while htgate is away.
pub(super) fn check_question(site: &Site<'_>, scope: Scope<'_>, findings: &mut Vec<Finding>) {
    let intercepts = scope.value("proxy_intercept_errors") == Some("on");
    let refusals: &[&str] = if intercepts { &["401", "403"] } else { &[] };
    let own = ["400", "413", "500", "502", "503", "504"];
    for code in own.iter().chain(refusals) {
        let Some(said) = in_force(scope, code) else {
            continue;
        };
        let what = match ending(site, scope, said, true) {
            // A redirect is not an answer to the question.
            Ending::Refused | Ending::Elsewhere(_) => continue,
            Ending::Unknown => "may be answered by this error page".to_owned(),
            Ending::Answered(how) => format!("{how}, and everybody passes"),
        };
        let what = format!("the question to htgate, where it ends in {code}, {what}");
        let remedy = "put 'error_page 599 /none;' into the auth location, so that it inherits none";
        findings.push(said.finding(CheckRule::ErrorPage, &what, remedy));
        return;
    }
}

/// The `error_page` that nginx uses for a status: the first of the list that has it
/// (`ngx_http_special_response_handler`).
fn in_force<'a>(scope: Scope<'a>, code: &str) -> Option<&'a Directive> {
    let mut all = scope.effective_all("error_page").into_iter();
    all.find(|said| said.arguments.iter().any(|it| it == code))
}

/// A list of its own has replaced the gate's.
fn lost(scope: Scope<'_>, code: &str) -> Option<Finding> {
    let own = scope.opener.own("error_page").next()?;
    in_force(scope.parent()?, code)?;
    let what = "error pages of its own replace the gate's here, so that refusals are nginx's own \
                pages, with 403 and 500 in place of 404, 429 and 503";
    let remedy = "repeat the error_page lines of htgate-gate.conf here";
    Some(own.finding(CheckRule::LostPage, what, remedy))
}

fn ending(site: &Site<'_>, scope: Scope<'_>, said: &Directive, is_question: bool) -> Ending {
    let target = said.last();
    let answer = said.arguments.iter().find_map(|it| it.strip_prefix('='));
    let elsewhere = |status: &str| {
        Ending::Elsewhere(format!(
            "is sent elsewhere with {status}, and never asked for a password"
        ))
    };
    let path = target.split('?').next().unwrap_or_default();
    match answer {
        Some(status) if status.starts_with('2') => {
            return Ending::Answered(format!("is answered with {status}"));
        }
        Some(status) if status.starts_with('3') => return elsewhere(status),
        Some("") | None => (),
        Some(_) => return Ending::Refused,
    }
    if target.contains("://") {
        return elsewhere("302");
    }
    // With a "=" alone the status is that of the page; otherwise it stays.
    let keeps_status = answer.is_none();
    if path.contains('$') {
        return Ending::Unknown;
    }
    let page = scope.location(path).or_else(|| scope.around("server"));
    let Some(page) = page else {
        return Ending::Refused;
    };
    let returns: Vec<_> = page
        .below()
        .iter()
        .flat_map(|it| it.opener.own("return"))
        .collect();
    let to = |first: char| returns.iter().find(move |it| it.first().starts_with(first));
    if let Some(said) = to('3').or_else(|| to('h')).or_else(|| to('$')) {
        return elsewhere(said.first());
    }
    // Subrequests are not asked for a password.
    let asks_again = site.guards(page) && !is_question;
    let is_passed = page.opener.passes().next().is_some();
    // What is passed on under a name has the path that was refused.
    let serves = match keeps_status {
        true => is_passed && path.starts_with('@') && !is_question,
        false => returns.is_empty() || to('2').is_some(),
    };
    if asks_again || refuses(page) || !serves {
        return Ending::Refused;
    }
    Ending::Answered(format!("gets what {path} serves, without a password"))
}

#[cfg(test)]
mod tests {
    use super::super::{Known, findings};
    use super::*;

    #[test]
    fn lines_that_came_too_late() {
        let gate = "auth_request _q; error_page 401 @htgate_401;";
        let (own, off) = ("error_page 401 /own.html;", "auth_basic off;");
        let rows = [
            (gate.to_owned(), vec![]),
            (format!("{gate} {own}"), vec![CheckRule::LostPage]),
            (format!("{own} {gate}"), vec![]),
            (format!("{gate} {off}"), vec![CheckRule::AuthBasic]),
            (
                format!("{gate} location /a {{ auth_request off; {off} }}"),
                vec![],
            ),
        ];
        for (lines, expected) in rows {
            let text = format!(
                "upstream htgate {{ server unix:/x; keepalive 1; }}\n\
                 server {{ listen 443 ssl; {lines} location = _q {{ internal; \
                 proxy_pass http://htgate/auth; }} location @htgate_401 {{ return 401; }} \
                 location = /own.html {{ auth_request off; }} }}"
            );
            let ours = [CheckRule::LostPage, CheckRule::AuthBasic];
            let seen = findings("site.conf", &text, &Known::default()).into_iter();
            let seen: Vec<_> = seen
                .map(|it| it.rule)
                .filter(|it| ours.contains(it))
                .collect();
            assert_eq!(seen, expected, "{lines}");
        }
    }
}
