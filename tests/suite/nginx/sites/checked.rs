//! `htgate check --nginx` of the sites in the tables: silent where the shipped files keep the gate
//! closed, and with a finding, its line and a remedy where no include can.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::nginx::sites::backends::{fastcgi, gone};
use crate::nginx::sites::open::{self, Fault, Shape};
use crate::nginx::sites::scene::{SECRET, SITE, Site, gate, send, serve, text};
use crate::nginx::sites::{sites, ways};
use crate::support::{Nginx, authorization, folder};

/// What is found in a site that listens where everybody can connect: rules, and the text of their
/// lines.
fn found(site: &Site) -> Vec<(String, String)> {
    let text = text(
        site,
        Path::new("/run/htgate.sock"),
        Path::new("/run/php"),
        &|it| it,
    )
    .replace("include /etc/nginx/mime.types;", "")
    .replace("{listen}", "443 ssl")
    .replace("{folder}", "/srv");
    let folder = folder();
    let file = folder.path().join("nginx.conf");
    fs::write(&file, format!("events {{ }}\nhttp {{\n{text}\n}}\n")).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_htgate"));
    let check = check
        .args(["check", "--format", "json", "--nginx"])
        .arg(&file);
    let output = check.output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    let text = fs::read_to_string(&file).unwrap();
    let mut found: Vec<_> = findings
        .map(|it| {
            let line = usize::try_from(it["line"].as_u64().unwrap_or(1)).unwrap();
            let line = text
                .lines()
                .nth(line - 1)
                .unwrap_or_else(|| panic!("{}: {it:#}", site.name))
                .trim();
            (it["rule"].as_str().unwrap().to_owned(), line.to_owned())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn sites_that_the_include_keeps_closed_are_in_order() {
    let mut wrong = Vec::new();
    for site in sites() {
        // An application may want the password, and a location its own error pages.
        let found = found(site).into_iter();
        let found: Vec<_> = found
            .filter(|(rule, _)| !["password-passed", "lost-page"].contains(&rule.as_str()))
            .collect();
        if !found.is_empty() {
            wrong.push(format!("{}: {found:#?}", site.name));
        }
    }
    crate::nginx::sites::check(&wrong);
}

#[test]
fn what_no_include_can_save_is_found_and_its_remedies_work() {
    let folder = folder();
    let php = fastcgi(folder.path());
    let gate = gate();
    let gone = gone(folder.path());
    let mut wrong = Vec::new();
    for shape in open::SHAPES.iter().chain(ways::SHAPES) {
        let site = |shape: &Shape| Site {
            name: shape.name,
            http: shape.http,
            server: shape.server,
            ..SITE
        };
        let broken = site(shape);
        let mut expected: Vec<_> = shape.found.iter().collect();
        expected.sort();
        let seen = found(&broken);
        let fits = |(seen, expected): (&(String, String), &&(&str, &str))| {
            seen.0 == expected.0
                && seen.1.contains(
                    &expected
                        .1
                        .replace("{folder}", "/srv")
                        .replace("{php}", "unix:/run/php"),
                )
        };
        if seen.len() != expected.len() || !seen.iter().zip(&expected).all(fits) {
            wrong.push(format!("{}: found {seen:#?}", shape.name));
        }
        let (http, server) = shape.remedied();
        let remedied = Site {
            http: http.leak(),
            server: server.leak(),
            ..broken
        };
        let left = found(&remedied);
        if !left.is_empty() {
            wrong.push(format!(
                "{}, with the remedies: found {left:#?}",
                shape.name
            ));
        }
        let (request, is_open) = match shape.fault {
            Fault::Open(request) | Fault::OpenWhileAway(request) => (request, true),
            Fault::Broken(request) => (request, false),
            Fault::Unproven => continue,
        };
        let socket = match shape.fault {
            Fault::OpenWhileAway(_) => gone.clone(),
            _ => gate.socket(),
        };
        let nginx = serve(&broken, &socket, &php, &|it| it);
        if is_served(&nginx, request, "") != is_open {
            wrong.push(format!("{}: is open: {}", shape.name, !is_open));
        }
        let nginx = serve(&remedied, &socket, &php, &|it| it);
        if is_served(&nginx, request, "") {
            wrong.push(format!("{}: is open with the remedies", shape.name));
        }
        let nginx = serve(&remedied, &gate.socket(), &php, &|it| it);
        if !shape.works.is_empty()
            && !is_served(&nginx, shape.works, &authorization("alice", "secret"))
        {
            wrong.push(format!("{}: does not work with the remedies", shape.name));
        }
    }
    crate::nginx::sites::check(&wrong);
}

fn is_served(nginx: &Nginx, request: &str, header: &str) -> bool {
    let answer = send(nginx, request, header).read(false).unwrap();
    answer.text().contains(SECRET)
}
