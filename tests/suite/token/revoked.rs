//! Who may no more gets no further token.

use std::process::Command;

use crate::support::{Gate, RULES, authorization, both_ways, eventually, run};
use crate::token::jwt::granted;
use crate::token::scene::{SERVICE, ask, configure, post, prepare, start_with, token, uri};

fn htpasswd(gate: &Gate, options: &[&str], user: &[&str]) {
    run(Command::new("htpasswd")
        .args(options)
        .arg(gate.users())
        .args(user));
}

/// By a query and by a form.
fn statuses(gate: &Gate, user: &str, password: &str) -> [u16; 2] {
    let query = format!(
        "GET {}",
        uri("/token", SERVICE, &["repository:team/app:pull"])
    );
    let form = format!("grant_type=password&service={SERVICE}&username={user}&password={password}");
    // Each time from another address: these are no guesses.
    let address = format!("X-Real-IP: {}", crate::support::another_address());
    [
        gate.ask(&query, &[&authorization(user, password), &address])
            .status,
        post(gate, &[&address], &form).status,
    ]
}

#[test]
fn a_removed_user_gets_no_further_token() {
    both_ways(|options, patience| {
        let gate = start_with(prepare(), options, &[]);
        assert_eq!(statuses(&gate, "reader", "secret"), [200, 200]);
        htpasswd(&gate, &["-D"], &["reader"]);
        let took = eventually("reader is refused", patience, || {
            assert_eq!(statuses(&gate, "admin", "secret"), [200, 200]);
            statuses(&gate, "reader", "secret") == [401, 401]
        });
        println!("{options:?}: removed within {took:?}");
        for _ in 0..20 {
            assert_eq!(statuses(&gate, "reader", "secret"), [401, 401]);
        }
    });
}

#[test]
fn a_changed_password_ends_the_old_one() {
    both_ways(|options, patience| {
        let gate = start_with(prepare(), options, &[]);
        assert_eq!(statuses(&gate, "reader", "secret"), [200, 200]);
        htpasswd(&gate, &["-bB", "-C", "4"], &["reader", "new"]);
        let took = eventually("the old password is refused", patience, || {
            statuses(&gate, "reader", "secret") == [401, 401]
        });
        println!("{options:?}: changed within {took:?}");
        assert_eq!(statuses(&gate, "reader", "new"), [200, 200]);
        assert_eq!(statuses(&gate, "reader", "secret"), [401, 401]);
    });
}

#[test]
fn rights_that_are_taken_are_in_no_further_token() {
    both_ways(|options, patience| {
        let gate = start_with(prepare(), options, &[]);
        let scopes = &["repository:team/app:* repository:public/app:*"];
        let pull = "repository:team/app:pull,delete";
        let of = |user: &str| granted(&token(&gate, user, scopes));
        assert_eq!(of("deleter"), format!("repository:public/app:pull {pull}"));
        let rules = RULES.replace("actions = [\"pull\", \"delete\"]", "actions = [\"pull\"]");
        configure(gate.folder.path(), "", &rules);
        let took = eventually("deleter deletes no more", patience, || {
            of("deleter") == "repository:public/app:pull repository:team/app:pull"
        });
        println!("{options:?}: taken within {took:?}");
        // And what anybody may do goes for nobody, too.
        configure(
            gate.folder.path(),
            "",
            &rules.replace("public/**", "open/**"),
        );
        eventually("nobody pulls no more", patience, || of("").is_empty());
        assert_eq!(of("deleter"), "repository:team/app:pull");
        let hashes = gate.hashes();
        assert_eq!(ask(&gate, "deleter", scopes).status, 200);
        assert_eq!((hashes, gate.hashes()), (1, 1));
    });
}
