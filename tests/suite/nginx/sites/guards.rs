//! Without one of the guards in the shipped files, sites that it was put there for are open or
//! broken.

use std::thread;

use crate::nginx::sites::backends::{fastcgi, gone};
use crate::nginx::sites::scene::{State, faults, gate, serve, without};
use crate::nginx::sites::sites;
use crate::support::folder;

/// A guard, in what state of htgate it counts, and sites that need it.
type Guard = (&'static str, State, &'static [&'static str]);

/// The name of the question without a slash at its beginning: with one, and without the `if`, most
/// rewrites take it for a page.
const NAME: &str = "_htgate_auth";

const GUARDS: &[Guard] = &[
    (
        "if ($uri = _htgate_auth) {",
        State::There,
        &[
            "single-page application by a rewrite",
            "a slash at the end",
            "break, last, redirect and set in ifs",
            "old addresses by a map",
            "a cache of pages as files",
        ],
    ),
    (
        NAME,
        State::There,
        &[
            "wordpress in several languages, by rewrites from before try_files",
            "a front controller from above the include",
            "everything below a folder, from above the include",
            "everything below a folder, without a flag",
            "everything below a folder, last",
            "everything below a folder, break",
            "everything to the application's prefix",
            "language prefixes",
            "language by cookie and header",
            "pages without .html",
            "maintenance of everything but the office",
            "hidden files are refused",
            "several servers, one without the gate",
            "one location, and the site's own rewrites and friendly pages",
        ],
    ),
    (
        "error_page 599 @htgate_500;",
        State::Away,
        &[
            "maintenance by a map, with a page that is a 200",
            "a friendly page in the server",
            "a friendly page for everything, after the include",
            "a fallback application",
            "error pages that have error pages",
            "an application that answers for every error",
            "one location, and the site's own rewrites and friendly pages",
        ],
    ),
    (
        "satisfy all;",
        State::There,
        &["any of an address and a password, in http"],
    ),
    (
        "proxy_cache off;",
        State::There,
        &[
            "a cache of everything in http",
            "a cache of everything in the server",
        ],
    ),
    // Without it the gate takes the other half for missing.
    (
        "set $htgate_here yes;",
        State::There,
        &["files alone", "one location"],
    ),
];

#[test]
fn sites_need_the_guards() {
    let folder = folder();
    let php = fastcgi(folder.path());
    let gate = gate();
    let gone = gone(folder.path());
    let socket = gate.socket();
    let sites = sites();
    let mut wrong = Vec::new();
    for (guard, state, expected) in GUARDS {
        let socket = if *state == State::There {
            &socket
        } else {
            &gone
        };
        // A fault is also what keeps nginx from starting, and what it logs as it ends.
        let broken: Vec<_> = thread::scope(|scope| {
            let runs: Vec<_> = sites
                .iter()
                .map(|site| {
                    let run = || {
                        let nginx = serve(site, socket, &php, &|text| spoilt(&text, guard));
                        let first = faults(site, &nginx, *state);
                        [first, faults(site, &nginx, *state)].concat()
                    };
                    (site.name, scope.spawn(run))
                })
                .collect();
            let results = runs.into_iter().map(|(name, run)| (name, run.join()));
            let broken = results.filter(|(_, run)| !matches!(run, Ok(faults) if faults.is_empty()));
            broken.map(|(name, _)| name).collect()
        });
        let missing: Vec<_> = expected
            .iter()
            .filter(|name| !broken.contains(name))
            .collect();
        if !missing.is_empty() {
            wrong.push(format!(
                "without {guard}, {state:?}: {missing:?} are not broken; {broken:#?} are"
            ));
        }
    }
    crate::nginx::sites::check(&wrong);
}

fn spoilt(text: &str, guard: &str) -> String {
    if guard != NAME {
        return without(text, guard);
    }
    let named = text.replace(NAME, &format!("/{NAME}"));
    without(&named, &format!("if ($uri = /{NAME}) {{"))
}
