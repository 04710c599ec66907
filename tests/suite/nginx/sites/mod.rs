//! Sites as people have them, with the shipped nginx files included: nothing that a site says for
//! itself opens the gate or breaks it, whether htgate answers, is slow, hangs or is gone. And the
//! guards in those files that see to it: without one of them its rows fail.

mod applications;
mod backends;
mod checked;
mod directives;
mod errors;
mod guards;
mod halves;
mod knows;
mod merged;
mod open;
mod refusals;
mod rewrites;
mod scene;
mod settings;
mod unmerged;
mod ways;

use std::thread;
use std::time::Duration;

use crate::support::signal;
use backends::{fastcgi, slow};
use scene::{Site, State, faults, gate, serve};

/// Every row of the table.
fn sites() -> Vec<&'static Site> {
    let tables = [
        applications::SITES,
        rewrites::SITES,
        errors::SITES,
        settings::SITES,
        halves::SITES,
    ];
    tables.into_iter().flatten().collect()
}

fn check(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_site_is_closed_and_works_whatever_htgate_does() {
    let sites = sites();
    assert!(sites.len() >= 45, "{}", sites.len());
    let folder = crate::support::folder();
    let php = fastcgi(folder.path());
    let (mut quick, late) = (gate(), gate());
    let relay = slow(folder.path(), late.socket(), Duration::from_secs(3));
    let mut found = Vec::new();
    let start = |gate: &std::path::Path| -> Vec<_> {
        let start = |site: &&'static Site| (*site, serve(site, gate, &php, &|text| text));
        sites.iter().map(start).collect()
    };
    let each = |servers: &[(&'static Site, crate::support::Nginx)], state| -> Vec<String> {
        thread::scope(|scope| {
            let asking: Vec<_> = servers
                .iter()
                .map(|(site, nginx)| scope.spawn(move || faults(site, nginx, state)))
                .collect();
            asking
                .into_iter()
                .flat_map(|asking| asking.join().unwrap())
                .collect()
        })
    };
    thread::scope(|scope| {
        let slow = scope.spawn(|| each(&start(&relay), State::There));
        let servers = start(&quick.socket());
        // Twice, since a cache may hold the first answer.
        for _ in 0..2 {
            found.extend(each(&servers, State::There));
        }
        signal(&quick.child, "STOP");
        found.extend(each(&servers, State::Away));
        quick.child.kill().unwrap();
        quick.child.wait().unwrap();
        found.extend(each(&servers, State::Away));
        found.extend(slow.join().unwrap());
    });
    check(&found);
}
