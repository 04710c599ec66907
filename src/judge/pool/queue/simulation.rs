//! What the rules of the queue come to for clients, offices and attackers, in virtual time: two threads,
//! a hash of 50 ms, the default number of slots and the default deadline. No strikes are counted here,
//! so every attacker may guess on.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Queue, Ticket};
use crate::request::Field;
use crate::request::client::Client;

/// In milliseconds, as all times here.
const HASH: u64 = 50;
const THREADS: usize = 2;
const SLOTS: usize = 1024;
const DEADLINE: u64 = 10_000;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Stranger,
    Office,
    /// Guesses; the number tells attackers apart where that matters.
    Attacker(u8),
}

#[derive(Clone, Copy)]
struct Login {
    who: Who,
    network: Client,
    since: u64,
}

/// What became of the logins of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    hashed: usize,
    /// Refused when they came, or displaced later.
    busy: usize,
    late: usize,
    longest_wait: u64,
}

struct Simulation {
    queue: Queue<Login>,
    now: u64,
    /// When each thread is free, and whose hash it computes until then.
    threads: [(u64, Option<Login>); THREADS],
    deadlines: VecDeque<(u64, Ticket)>,
    familiar: HashSet<Client>,
    tallies: BTreeMap<Who, Tally>,
}

impl Simulation {
    /// Runs for so long; `arrivals` says who comes in each millisecond.
    fn run(duration: u64, arrivals: impl Fn(u64) -> Vec<(Who, IpAddr)>) -> Self {
        let mut simulation = Self {
            queue: Queue::new(SLOTS),
            now: 0,
            threads: [(0, None); THREADS],
            deadlines: VecDeque::new(),
            familiar: HashSet::new(),
            tallies: BTreeMap::new(),
        };
        for now in 0..duration {
            simulation.now = now;
            for (who, address) in arrivals(now) {
                simulation.enter(Login {
                    who,
                    network: network(address),
                    since: now,
                });
            }
            simulation.step();
        }
        for now in duration..=duration + DEADLINE {
            simulation.now = now;
            simulation.step();
        }
        assert_eq!(
            (simulation.queue.len(), simulation.queue.lines.len()),
            (0, 0)
        );
        simulation
    }

    fn enter(&mut self, login: Login) {
        let familiar = self.familiar.contains(&login.network);
        let Some((ticket, displaced)) = self.queue.enter(login.network, familiar, login) else {
            self.tally(login.who).busy += 1;
            return;
        };
        self.deadlines.push_back((self.now + DEADLINE, ticket));
        if let Some(displaced) = displaced {
            self.tally(displaced.who).busy += 1;
        }
        // All that is kept, is kept for a slot.
        assert!(self.queue.len() <= SLOTS && self.queue.lines.len() <= SLOTS);
    }

    fn step(&mut self) {
        while let Some(&(deadline, ticket)) = self.deadlines.front()
            && deadline <= self.now
        {
            self.deadlines.pop_front();
            if let Some(late) = self.queue.leave(ticket) {
                self.tally(late.who).late += 1;
            }
        }
        for thread in 0..THREADS {
            let (free, hashed) = self.threads[thread];
            if self.now < free {
                continue;
            }
            if let Some(login) = hashed
                && !matches!(login.who, Who::Attacker(_))
            {
                self.familiar.insert(login.network);
            }
            let next = self.queue.next();
            self.threads[thread] = (self.now + HASH, next);
            if let Some(login) = next {
                let wait = self.now - login.since;
                let tally = self.tally(login.who);
                tally.hashed += 1;
                tally.longest_wait = tally.longest_wait.max(wait);
            } else {
                self.threads[thread].0 = self.now;
            }
        }
    }

    fn tally(&mut self, who: Who) -> &mut Tally {
        self.tallies.entry(who).or_default()
    }

    fn of(&self, who: Who) -> Tally {
        self.tallies.get(&who).copied().unwrap_or_default()
    }
}

fn network(address: IpAddr) -> Client {
    let text = address.to_string();
    Client::new(Field::One(text.as_bytes())).network()
}

/// Always the same number for the same number (splitmix64).
fn random(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How many of so many a second come in this millisecond, evenly.
fn due(per_second: u64, now: u64) -> u64 {
    (now + 1) * per_second / SECOND - now * per_second / SECOND
}

fn v4(number: u64) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 | (number as u32 & 0x00ff_ffff)).into()
}

/// 320 guesses a second from 1,600 networks of /64, all of one /48.
fn site(now: u64) -> impl Iterator<Item = (Who, IpAddr)> {
    (0..due(320, now)).map(move |n| {
        let number = random(now * 8 + n) % 1600;
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, number as u16, 0, 0, 0, 1);
        (Who::Attacker(0), address.into())
    })
}

/// So many, each of whom comes once, in a moment of a minute.
fn strangers(count: u64) -> impl Fn(u64) -> Vec<(Who, IpAddr)> {
    let mut moments: HashMap<u64, Vec<_>> = HashMap::new();
    for number in 0..count {
        let moment = moments.entry(random(number) % MINUTE).or_default();
        moment.push((Who::Stranger, v4(number)));
    }
    move |now| moments.get(&now).cloned().unwrap_or_default()
}

#[test]
fn one_site_with_1600_networks_holds_up_no_stranger() {
    let strangers = strangers(100);
    let end = Simulation::run(MINUTE, |now| site(now).chain(strangers(now)).collect());
    let strangers = end.of(Who::Stranger);
    assert_eq!(
        (strangers.hashed, strangers.busy, strangers.late),
        (100, 0, 0)
    );
    assert!(strangers.longest_wait < SECOND, "{strangers:?}");
    // What the site can have is what others leave.
    assert!(end.of(Who::Attacker(0)).hashed > 2000, "{:?}", end.tallies);
}

#[test]
fn an_office_of_60_behind_one_address_comes_back_at_once_beside_it() {
    let office = |now| if now == 30 * SECOND { 60 } else { 0 };
    let end = Simulation::run(MINUTE, |now| {
        let office = (0..office(now)).map(|_| (Who::Office, v4(7)));
        site(now).chain(office).collect()
    });
    let office = end.of(Who::Office);
    assert_eq!((office.hashed, office.busy, office.late), (60, 0, 0));
    // Every second hash is the office's.
    assert!(office.longest_wait <= 60 * HASH + HASH, "{office:?}");
}

/// 2,000 guesses a second from one address, beside thousands of strangers who alone would use half
/// of the threads.
#[test]
fn the_longest_line_gives_way() {
    let strangers = strangers(1200);
    let end = Simulation::run(MINUTE, |now| {
        let flood = (0..due(2000, now)).map(|_| (Who::Attacker(0), v4(0xff_ffff)));
        flood.chain(strangers(now)).collect()
    });
    let strangers = end.of(Who::Stranger);
    assert_eq!(
        (strangers.hashed, strangers.busy, strangers.late),
        (1200, 0, 0)
    );
    assert!(strangers.longest_wait < SECOND, "{strangers:?}");
    let flood = end.of(Who::Attacker(0));
    assert!(flood.busy > 100_000, "{flood:?}");
}

/// However much more than its share each of them asks for.
#[test]
fn attackers_of_different_greed_get_the_same() {
    let end = Simulation::run(MINUTE, |now| {
        let attackers = (1..=10_u8).flat_map(|n| {
            let guesses = due(u64::from(n) * 20, now);
            (0..guesses).map(move |_| (Who::Attacker(n), v4(n.into())))
        });
        attackers.collect()
    });
    let shares: Vec<_> = (1..=10).map(|n| end.of(Who::Attacker(n)).hashed).collect();
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(most - least <= most / 10, "{shares:?}");
}

/// 5,000 addresses guess a thousand times a second: more than the queue can hold. Who has logged in
/// once comes before all of them.
#[test]
fn an_address_that_is_known_waits_for_no_attacker() {
    let visits = [1, 20, 35, 50].map(|second| second * SECOND);
    let end = Simulation::run(MINUTE, |now| {
        let attackers = (0..due(1000, now)).filter(|_| now > 2 * SECOND).map(|n| {
            let number = random(now * 8 + n) % 5000;
            (Who::Attacker(0), v4(0x10_0000 + number))
        });
        let offices = if visits.contains(&now) { 40 } else { 0 };
        let offices = (0..offices).map(|n| (Who::Office, v4(n)));
        attackers.chain(offices).collect()
    });
    let office = end.of(Who::Office);
    assert_eq!((office.hashed, office.busy, office.late), (160, 0, 0));
    assert!(office.longest_wait <= 21 * HASH, "{office:?}");
}
