//! Which rules are found to change nothing.

use super::*;
use crate::rules::access::Action;
use crate::rules::access::tests::{compile, rule, site};

#[test]
fn rules_that_change_nothing_are_found() {
    use Action::{Catalog, Pull, Push};
    let rows = [
        (vec![rule(&[], &["a"], &[Pull])], vec![(1, Reason::NoUsers)]),
        (
            vec![rule(&["@empty"], &["a"], &[Pull])],
            vec![(1, Reason::NoUsers)],
        ),
        (vec![rule(&["@empty", "a"], &["a"], &[Pull])], vec![]),
        (vec![rule(&["a"], &[], &[Catalog])], vec![]),
        (
            vec![
                rule(&["a"], &["x/**"], &[Push]),
                rule(&["a"], &["x/y"], &[Pull]),
            ],
            vec![(2, Reason::Covered(1))],
        ),
        (
            vec![
                rule(&["a"], &["x/y"], &[Pull]),
                rule(&["*"], &["**"], &[Pull]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![rule(&["a"], &["x"], &[Pull]), rule(&["a"], &["x"], &[Pull])],
            vec![(2, Reason::Covered(1))],
        ),
        (
            vec![
                rule(&["@developers"], &["x"], &[Pull]),
                rule(&["bob"], &["x"], &[Pull]),
            ],
            vec![(2, Reason::Covered(1))],
        ),
        (
            vec![
                rule(&["alice", "bob"], &["x"], &[Pull]),
                rule(&["@developers"], &["x"], &[Pull]),
            ],
            vec![(2, Reason::Covered(1))],
        ),
        (
            vec![
                rule(&["*"], &["x"], &[Pull]),
                rule(&["anonymous"], &["x"], &[Pull]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![rule(&["a"], &["x"], &[Pull]), rule(&["b"], &["x"], &[Pull])],
            vec![],
        ),
        (
            vec![rule(&["a"], &["x"], &[Pull]), rule(&["a"], &["x"], &[Push])],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![
                rule(&["a"], &["x"], &[Pull]),
                rule(&["a"], &["x", "y"], &[Pull]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![
                site(&["a"], &["/x"], &["GET"]),
                site(&["a"], &["/**"], &["PUT"]),
            ],
            vec![],
        ),
        (
            vec![
                site(&["a"], &["/x"], &["HEAD"]),
                site(&["a"], &["/**"], &["GET"]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![
                site(&["a"], &["/x"], &["*"]),
                site(&["a"], &["/**"], &["GET"]),
            ],
            vec![],
        ),
        (
            vec![
                rule(&["a"], &["x"], &[Pull]),
                site(&["a"], &["/**"], &["*"]),
            ],
            vec![],
        ),
        (
            vec![
                site(&["a"], &["/x"], &["*"]),
                site(&["a"], &["/**"], &["GET", "*"]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![
                rule(&["a"], &["//s/x"], &[Pull]),
                rule(&["a"], &["x"], &[Pull]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
        (
            vec![
                rule(&["a"], &["x"], &[Pull]),
                rule(&["a"], &["//s/**"], &[Pull]),
            ],
            vec![],
        ),
        (
            vec![
                site(&["a"], &["//s/x", "//t/x"], &["GET"]),
                site(&["a"], &["//s/**"], &["GET"]),
            ],
            vec![],
        ),
        (
            vec![
                site(&["a"], &["//s/x", "//t/x"], &["GET"]),
                site(&["a"], &["//s/**", "/x"], &["GET"]),
            ],
            vec![(1, Reason::Covered(2))],
        ),
    ];
    for (number, (rules, expected)) in rows.into_iter().enumerate() {
        let access = compile(rules).unwrap();
        assert_eq!(access.unused_rules(), expected, "row {number}");
        for (fault, (rule, _)) in access.unused().iter().zip(expected) {
            assert_eq!(fault.line, Some(rule as u64 * 10));
        }
    }
    let access = compile(vec![rule(&["@empty"], &["a"], &[Pull])]).unwrap();
    let text = access.unused()[0].to_string();
    assert_eq!(
        text,
        "line 10: [[access]] rule 1: it applies to nobody; name users, or give its groups members"
    );
}
