//! Asks an HTTP server over and over, and counts the answers, as wrk does; but over unix sockets
//! too, at a steady rate if wanted, from many addresses, and with a new wrong password each time.
//!
//! `load KEY=VALUE...`; see [`Options`]. Prints `KEY VALUE` lines: requests, seconds, p50 and p99
//! in µs, connections that the server closed, and the answers by status.
//!
//! Each connection has one request on its way at a time, for so does nginx's. One thread waits for
//! all of them with epoll, for so does nginx.

mod connection;
mod epoll;
mod request;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fs;
use std::str::FromStr;
use std::time::{Duration, Instant};

use connection::{Connection, Heard};
use epoll::Epoll;
use request::{Template, from_block};

/// What is asked of this program.
struct Options {
    /// `unix:/PATH` or `127.0.0.1:PORT`.
    address: String,
    /// The file with the request; `{basic}` in it becomes a new guess each time, `{address}`
    /// another address.
    request: String,
    connections: u32,
    /// When to end, and after how many answers at the latest (0: no matter how many).
    seconds: f64,
    requests: u64,
    /// Requests a second; 0 is as fast as the answers come. The wait of a request that is late
    /// counts from when it was due.
    rate: f64,
    /// How many addresses of 127.0.0.0/8 the connections come from; 0 is the usual one.
    sources: u32,
    /// How many of those are passed over: they have been used before.
    skip: u32,
    /// Whose password is guessed; `*` is another unknown one each time.
    user: String,
    /// How many addresses `{address}` stands for.
    addresses: u32,
    /// Count answers of any status, and open closed connections again. Else both are errors.
    tolerate: bool,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("load: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut template = Template::new(
        &fs::read(&options.request)?,
        &options.user,
        options.addresses,
    );
    let mut swarm = Swarm::open(&options)?;
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(options.seconds);
    let most = match options.requests {
        0 => u64::MAX,
        most => most,
    };
    let mut sent = 0;
    while Instant::now() < end && swarm.answered() < most {
        let now = Instant::now();
        // Ask whatever is due, as long as a connection is free for it.
        let mut next = end;
        while let Some(number) = swarm.idle.front().copied() {
            if sent >= most {
                break;
            }
            let due = match options.rate {
                0.0 => now,
                rate => start + Duration::from_secs_f64(sent as f64 / rate),
            };
            if due > now {
                next = next.min(due);
                break;
            }
            swarm.idle.pop_front();
            swarm.ask(number, template.next(), due)?;
            sent += 1;
        }
        swarm.hear(next.saturating_duration_since(now))?;
    }
    swarm.report(start.elapsed());
    Ok(())
}

impl Options {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut given = BTreeMap::new();
        for argument in arguments {
            let (key, value) = argument
                .split_once('=')
                .ok_or_else(|| format!("'{argument}' is not KEY=VALUE"))?;
            given.insert(key.to_owned(), value.to_owned());
        }
        let options = Self {
            address: take(&mut given, "address", None)?,
            request: take(&mut given, "request", None)?,
            connections: take(&mut given, "connections", None)?,
            seconds: take(&mut given, "seconds", None)?,
            requests: take(&mut given, "requests", Some(0))?,
            rate: take(&mut given, "rate", Some(0.0))?,
            sources: take(&mut given, "sources", Some(0))?,
            skip: take(&mut given, "skip", Some(0))?,
            user: take(&mut given, "user", Some("*".to_owned()))?,
            addresses: take(&mut given, "addresses", Some(1))?,
            tolerate: take(&mut given, "tolerate", Some(false))?,
        };
        match given.keys().next() {
            Some(key) => Err(format!("there is no option '{key}'").into()),
            None => Ok(options),
        }
    }
}

fn take<T: FromStr<Err: Error + 'static>>(
    given: &mut BTreeMap<String, String>,
    key: &str,
    default: Option<T>,
) -> Result<T, Box<dyn Error>> {
    match (given.remove(key), default) {
        (Some(value), _) => Ok(value.parse()?),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(format!("{key}=... is missing").into()),
    }
}

/// All connections, and what was heard on them.
struct Swarm<'a> {
    options: &'a Options,
    epoll: Epoll,
    connections: Vec<Connection>,
    /// When what each is busy with was due.
    due: Vec<Instant>,
    /// Those that are not busy, the longest free first.
    idle: VecDeque<usize>,
    waits: Vec<u64>,
    statuses: BTreeMap<u16, u64>,
    closed: u64,
}

impl<'a> Swarm<'a> {
    fn open(options: &'a Options) -> Result<Self, Box<dyn Error>> {
        let mut swarm = Self {
            options,
            epoll: Epoll::new()?,
            connections: Vec::new(),
            due: Vec::new(),
            idle: VecDeque::new(),
            waits: Vec::with_capacity(1 << 20),
            statuses: BTreeMap::new(),
            closed: 0,
        };
        for number in 0..options.connections as usize {
            let connection = swarm.connect(number)?;
            swarm.connections.push(connection);
            swarm.due.push(Instant::now());
            swarm.idle.push_back(number);
        }
        Ok(swarm)
    }

    fn connect(&self, number: usize) -> Result<Connection, Box<dyn Error>> {
        let source = match self.options.sources {
            0 => None,
            sources => {
                let source = self.options.skip + number as u32 % sources;
                Some(from_block(127, source))
            }
        };
        let connection = Connection::open(&self.options.address, source)?;
        self.epoll.add(connection.fd(), number as u64)?;
        Ok(connection)
    }

    fn ask(&mut self, number: usize, request: &[u8], due: Instant) -> Result<(), Box<dyn Error>> {
        self.due[number] = due;
        match self.connections[number].ask(request) {
            // It was closed between two requests.
            Err(_) if self.options.tolerate => {
                self.reopen(number)?;
                self.connections[number].ask(request)
            }
            result => result,
        }
    }

    fn hear(&mut self, most: Duration) -> Result<(), Box<dyn Error>> {
        for number in self.epoll.wait(most)? {
            let number = number as usize;
            match self.connections[number].hear()? {
                Heard::Nothing => (),
                Heard::Answer(status) => {
                    if !(self.options.tolerate || (200..300).contains(&status)) {
                        return Err(format!("answered {status}").into());
                    }
                    self.waits
                        .push(self.due[number].elapsed().as_nanos() as u64);
                    *self.statuses.entry(status).or_default() += 1;
                    self.idle.push_back(number);
                }
                Heard::End if self.options.tolerate => {
                    self.reopen(number)?;
                    if !self.idle.contains(&number) {
                        self.idle.push_back(number);
                    }
                }
                Heard::End => return Err("the server closed a connection".into()),
            }
        }
        Ok(())
    }

    fn reopen(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        self.closed += 1;
        self.connections[number] = self.connect(number)?;
        Ok(())
    }

    fn answered(&self) -> u64 {
        self.waits.len() as u64
    }

    fn report(&mut self, elapsed: Duration) {
        self.waits.sort_unstable();
        let percentile = |share: f64| {
            let place = (self.waits.len() as f64 * share) as usize;
            self.waits
                .get(place)
                .map_or(f64::NAN, |nanoseconds| *nanoseconds as f64 / 1e3)
        };
        println!("requests {}", self.waits.len());
        println!("seconds {}", elapsed.as_secs_f64());
        println!("p50_us {}", percentile(0.5));
        println!("p99_us {}", percentile(0.99));
        println!("closed {}", self.closed);
        for (status, count) in &self.statuses {
            println!("{status} {count}");
        }
    }
}
