//! Whom the fail2ban jail would ban, and whom it must not: those who share an address with a build
//! job that has an old password, or with a visitor of a hostile page.

use std::fs;

use super::fail2ban::{PLAIN, counted};
use super::monitoring::gate_with_tokens;
use crate::support::{Gate, Nginx, authorization, gated, repository, send, shipped};

const NAT: &str = "X-Test-Address: 203.0.113.7";
const ORIGIN: &str = "Origin: https://evil.example";
const CROSS_SITE: &str = "Sec-Fetch-Site: cross-site";

/// A gated site that has the token endpoint as well.
fn start(gate: &Gate) -> Nginx {
    let socket = gate.socket();
    let http = gated(&socket, &shipped("htgate-token.conf", &socket));
    Nginx::start(&format!(
        "set_real_ip_from unix:; real_ip_header X-Test-Address;\n{http}"
    ))
}

/// A form for a token, as a client or as a page sends it.
fn form(nginx: &Nginx, headers: &[&str], password: &str) -> u16 {
    let body = format!("grant_type=password&service=registry&username=alice&password={password}");
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let headers = [&[kind, NAT], headers].concat();
    send(&nginx.target(), "POST", "/auth/token", &headers, &body).status
}

/// How many lines the filter would count, once this is in the log.
fn guesses(gate: &Gate) -> usize {
    // A last refusal, of a kind of its own: what was to be logged before is there then.
    gate.ask("GET /auth", &["User-Agent: docker/1.3.0"]);
    gate.wait_for_log("reason=user-agent");
    counted(&gate.log(), PLAIN).len()
}

fn most_retries() -> usize {
    let jail = fs::read_to_string(repository("monitoring/fail2ban/jail.d/htgate.conf")).unwrap();
    let mut lines = jail.lines();
    let number = lines.find_map(|line| line.strip_prefix("maxretry = "));
    number.unwrap().parse().unwrap()
}

/// Headers as browsers send them. A page can make a browser send a form without asking first; an
/// `Authorization` it cannot.
#[test]
fn no_page_of_another_site_makes_its_visitors_guess() {
    let gate = gate_with_tokens(&[]);
    let nginx = start(&gate);
    for guess in 0..100 {
        // Older browsers send one of the two.
        for headers in [
            &[ORIGIN, CROSS_SITE][..],
            &[ORIGIN],
            &[CROSS_SITE],
            &["Origin: null", "Sec-Fetch-Site: same-site"],
        ] {
            assert_eq!(form(&nginx, headers, &guess.to_string()), 403);
        }
    }
    // An image, a frame, a fetch, and the question before a fetch with an Authorization.
    for (method, mode, dest) in [
        ("GET", "no-cors", "image"),
        ("GET", "navigate", "iframe"),
        ("GET", "cors", "empty"),
        ("POST", "no-cors", "empty"),
        ("OPTIONS", "cors", "empty"),
    ] {
        let mode = format!("Sec-Fetch-Mode: {mode}");
        let dest = format!("Sec-Fetch-Dest: {dest}");
        let asks = "Access-Control-Request-Headers: authorization";
        let headers = [NAT, ORIGIN, CROSS_SITE, &mode, &dest, asks];
        let ask = |uri: &str| send(&nginx.target(), method, uri, &headers, "").status;
        assert_eq!(ask("/file"), 401, "{method} {dest}");
        let query = "/auth/token?service=registry&username=alice&password=guess";
        let expected = match method {
            "GET" => 200,
            "POST" => 403,
            _ => 404,
        };
        assert_eq!(ask(query), expected, "{method} {dest}");
    }
    assert_eq!(gate.hashes(), 0);
    assert_eq!(gate.metric("htgate_strikes_total"), 0.0);
    let refused = gate.metric("htgate_token_answers_total{reason=\"cross-site\"}");
    assert_eq!(refused, 401.0);
    assert!(gate.log().contains("reason=cross-site"));
    assert_eq!(guesses(&gate), 0);
    // Clients of registries send neither field, and pages of the site itself say so.
    for headers in [
        &[][..],
        &["Sec-Fetch-Site: none"],
        &["Sec-Fetch-Site: same-origin"],
    ] {
        assert_eq!(form(&nginx, headers, "secret"), 200, "{headers:?}");
    }
}

/// A browser that remembers an old password sends it along, whichever page asks; so do forgotten
/// build jobs. Each old password is one guess, however often it comes.
#[test]
fn no_stale_robot_gets_its_neighbours_banned() {
    let gate = gate_with_tokens(&[]);
    let nginx = start(&gate);
    let ask = |password: &str, more: &[&str]| {
        let credentials = authorization("alice", password);
        let headers = [&[NAT, credentials.as_str()], more].concat();
        nginx.ask("GET /file", &headers).status
    };
    // Throttled at first: nobody has logged in from there.
    let robots: Vec<_> = (0..40).map(|robot| format!("old {robot}")).collect();
    for round in 0..10 {
        for robot in &robots {
            let status = ask(robot, &[CROSS_SITE, "Sec-Fetch-Mode: no-cors"]);
            assert!(matches!(status, 401 | 429), "{status}");
        }
        if round == 4 {
            assert_eq!(gate.hashes(), 10);
            // One that is remembered, whose address is familiar from now on.
            assert_eq!(gate.login("alice", "secret"), 204);
            assert_eq!(ask("secret", &[]), 200);
        }
    }
    assert_eq!(gate.metric("htgate_strikes_total"), 40.0);
    let lines = guesses(&gate);
    assert!(lines < most_retries(), "{lines} of {}", most_retries());
}

/// Everything that a guesser tries is another password, and counts until it is banned.
#[test]
fn who_guesses_on_is_banned() {
    let gate = gate_with_tokens(&[]);
    let nginx = start(&gate);
    let mut guess = 0;
    crate::support::eventually("a ban", std::time::Duration::from_secs(300), || {
        for _ in 0..200 {
            guess += 1;
            let credentials = authorization("alice", &guess.to_string());
            nginx.ask("GET /file", &[NAT, &credentials]);
        }
        gate.log().matches("address=203.0.113.7 ").count() > most_retries()
    });
    assert!(guesses(&gate) >= most_retries());
    assert_eq!(gate.hashes(), 10);
}
