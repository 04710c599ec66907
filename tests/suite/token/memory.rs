//! What of passwords is left in htgate's memory after their requests.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use regex::bytes::Regex;

use crate::support::{Connection, Gate, Target, authorization, eventually, skip};
use crate::token::scene::{SERVICE, post, prepare, start_with};

/// 40 over one connection that stays, 80 over as many that end, and 40 in forms. A thousand requests
/// later none is there: what is freed is wiped, requests that the HTTP library keeps for reuse have
/// lost their fields, and the buffer of the one connection has been written over.
#[test]
fn passwords_do_not_stay_in_memory() {
    let gate = start_with(prepare(), &["--strikes", "1000"], &[]);
    let target = Target::Unix(gate.socket());
    let mut stays = Connection::open(&target).unwrap();
    let mut end = Vec::new();
    for number in 0..40 {
        let header = |kind: &str| authorization("reader", &format!("{SECRET}{kind}{number:02}"));
        let answer = stays.ask("GET /auth", &[&header("and")]);
        assert_eq!(answer.unwrap().status, 401);
        for (target, kind) in [(&target, "end"), (&Target::Tcp(gate.tcp), "tcp")] {
            let mut one = Connection::open(target).unwrap();
            let header = header(kind);
            let request = format!("GET /auth HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
            one.send(request.as_bytes()).unwrap();
            end.push(one);
        }
        let form = format!(
            "grant_type=password&service={SERVICE}&client_id=x&username=reader\
             &password={SECRET}form{number:02}"
        );
        assert_eq!(post(&gate, &[], &form).status, 401);
    }
    for mut one in end {
        assert_eq!(one.read(false).unwrap().status, 401);
    }
    let warm = [
        &authorization("reader", "secret"),
        "X-Original-Method: GET",
        "X-Original-URI: /v2/",
    ];
    for _ in 0..1000 {
        let answer = stays.ask("GET /auth", &warm);
        assert_eq!(answer.unwrap().status, 204);
    }
    // As they were sent. Decoded, one may be left on a stack.
    let encoded = BASE64_STANDARD.encode(format!("reader:{SECRET}"));
    let sought = Regex::new(&format!("(?-u)({encoded}|password={SECRET}).{{6}}")).unwrap();
    eventually("none is left", Duration::from_secs(20), || {
        let memory = match writable_memory(&gate) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                skip(
                    "passwords_do_not_stay_in_memory",
                    "only root may read the memory of a process that is not dumpable",
                );
                return true;
            }
            memory => memory.unwrap(),
        };
        let users = gate.users().display().to_string();
        let control = Regex::new(&regex::escape(&users)).unwrap();
        assert!(control.is_match(&memory), "what is in use is found");
        let found: BTreeSet<_> = sought.find_iter(&memory).map(|it| it.as_bytes()).collect();
        println!("{} passwords are in memory", found.len());
        found.is_empty()
    });
}

fn writable_memory(gate: &Gate) -> io::Result<Vec<u8>> {
    let folder = format!("/proc/{}", gate.child.id());
    let file = File::open(format!("{folder}/mem"))?;
    let mut memory = Vec::new();
    for line in fs::read_to_string(format!("{folder}/maps"))?.lines() {
        let mut words = line.split(' ');
        let (range, mode) = (words.next().unwrap(), words.next().unwrap());
        if !mode.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|place| u64::from_str_radix(place, 16).unwrap());
        let end = memory.len();
        memory.resize(end + (to - from) as usize, 0);
        // What has been unmapped since is not memory any more.
        let _ = file.read_exact_at(&mut memory[end..], from);
    }
    Ok(memory)
}

/// 18 bytes with `reader:` before it, so that Base64 begins alike for all.
const SECRET: &str = "sesame-door";
