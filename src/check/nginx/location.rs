//! A location that asks htgate: what must hold of each, whatever it asks for.

use super::super::{CheckRule, Finding};
use super::scope::Scope;
use super::syntax::Directive;
use super::upstream::{backends, proxy_pass};

/// The location, and what is found there.
pub(super) struct HtgateLocation<'a> {
    pub(super) scope: Scope<'a>,
    /// What it is called in a message.
    pub(super) kind: &'static str,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl HtgateLocation<'_> {
    pub(super) fn tell(&mut self, rule: CheckRule, said: &Directive, what: &str, remedy: &str) {
        self.findings.push(said.finding(rule, what, remedy));
    }

    /// Tells what is wrong, and what to put into the location.
    pub(super) fn tell_to_put(&mut self, rule: CheckRule, said: &Directive, what: &str, put: &str) {
        let quote = if put.contains('\'') { '"' } else { '\'' };
        let remedy = format!("put {quote}{put};{quote} into the {}", self.kind);
        self.tell(rule, said, what, &remedy);
    }

    /// The location must have or inherit this statement, and not another of its kind.
    pub(super) fn want(&mut self, rule: CheckRule, statement: &str, what: &str) {
        let (name, value) = statement.rsplit_once(' ').unwrap_or((statement, ""));
        let (said, sent): (_, fn(&Directive) -> &str) = match name.strip_prefix("proxy_set_header ")
        {
            Some(header) => (self.scope.header(header), Directive::last),
            None => (self.scope.effective(name), Directive::first),
        };
        if said.map(sent) != Some(value.trim_matches('\'')) {
            let said = said.unwrap_or(self.scope.opener);
            self.tell_to_put(rule, said, what, statement);
        }
    }

    /// A header that must be sent, and be this variable.
    pub(super) fn check_header(&mut self, name: &str, value: &str) {
        let said = self.scope.header(name);
        let what = match said.map(Directive::last) {
            None => format!("htgate is not sent {name}"),
            // The module for real addresses may set others, but a client may not.
            Some(sent) if name == "X-Real-IP" && !sent.contains("$http_") => return,
            Some(sent) if is_variable(sent, value) => return,
            Some(sent) => format!("{name} is '{sent}', not {value}"),
        };
        let said = said.unwrap_or(self.scope.opener);
        let statement = format!("proxy_set_header {name} {value}");
        self.tell_to_put(CheckRule::MissingHeader, said, &what, &statement);
    }

    /// The answers must not be cached: `what` would happen.
    pub(super) fn check_cache(&mut self, what: &str) {
        let cache = self.scope.effective("proxy_cache");
        if let Some(said) = cache.filter(|said| said.first() != "off") {
            self.tell_to_put(CheckRule::ProxyCache, said, what, "proxy_cache off");
        }
    }

    /// Where there are several htgates, one that is frozen must not be waited for too long to ask
    /// another.
    pub(super) fn check_wait(&mut self) {
        let upstream = proxy_pass(self.scope).and_then(|(_, target)| target.upstream(self.scope));
        let count = upstream.map_or(0, |upstream| upstream.own("server").count());
        let wait = self.scope.effective("proxy_read_timeout");
        let is_short =
            |said: &Directive| seconds(said.first()).is_none_or(|wait| wait <= LONGEST_WAIT);
        if count > 1 && !wait.is_some_and(is_short) {
            let said = wait.unwrap_or(self.scope.opener);
            let what =
                format!("there are {count} htgates, and a frozen one is waited for too long");
            let remedy = "write 'proxy_read_timeout 5s;', and start each with --queue-seconds 4";
            self.tell(CheckRule::LongWait, said, &what, remedy);
        }
    }

    /// Nobody else may be able to reach htgate.
    pub(super) fn check_ports(&mut self) {
        for (address, said) in backends(self.scope) {
            if address.is_public() {
                let what = "anyone who can reach this port can try passwords past nginx";
                let remedy = "let htgate listen on a unix socket or on 127.0.0.1";
                self.tell(CheckRule::OpenPort, said, what, remedy);
            }
        }
    }
}

/// Whether what is sent is this variable, with braces or without.
pub(super) fn is_variable(sent: &str, name: &str) -> bool {
    sent.replace(['{', '}'], "") == name
}

/// Whole seconds, as nginx reads a time in one unit (nginx's `ngx_parse_time`).
fn seconds(time: &str) -> Option<u64> {
    if let Some(milliseconds) = time.strip_suffix("ms") {
        return milliseconds.parse().ok().map(|it: u64| it / 1000);
    }
    if let Some(minutes) = time.strip_suffix('m') {
        return minutes.parse().ok().map(|it: u64| it.saturating_mul(60));
    }
    time.strip_suffix('s').unwrap_or(time).parse().ok()
}

/// Seconds after which nginx still asks another one, by the `proxy_next_upstream_timeout` of the shipped
/// files.
const LONGEST_WAIT: u64 = 7;

#[cfg(test)]
mod tests {
    use super::super::{Known, findings};
    use super::*;

    #[test]
    fn several_that_are_waited_for() {
        let several = "server unix:/x; server unix:/y;";
        let rows = [
            (several, "proxy_read_timeout 15s;", true),
            (several, "proxy_read_timeout 15;", true),
            (several, "", true),
            (several, "proxy_read_timeout 5s;", false),
            (several, "proxy_read_timeout 5000ms;", false),
            (several, "proxy_read_timeout 15000ms;", true),
            (several, "proxy_read_timeout 1m;", true),
            ("server unix:/x;", "proxy_read_timeout 15s;", false),
        ];
        for (servers, line, expected) in rows {
            let text = format!(
                "upstream htgate {{ {servers} keepalive 1; }}\nserver {{ auth_request _q; \
                 location = _q {{ internal; proxy_pass http://htgate/auth; {line} }} }}"
            );
            let seen = findings("site.conf", &text, &Known::default());
            let is_seen = seen.iter().any(|it| it.rule == CheckRule::LongWait);
            assert_eq!(is_seen, expected, "{servers} {line}");
        }
    }
}
