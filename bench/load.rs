//! Asks an HTTP server the same thing over and over, and counts the answers, as wrk does; but over
//! unix sockets too, which wrk cannot.
//!
//! `load ADDRESS REQUEST_FILE CONNECTIONS SECONDS` prints requests, seconds, p50 and p99 in µs.
//! ADDRESS is `unix:/PATH` or `127.0.0.1:PORT`. Anything but an empty 204 is an error.
//!
//! Each connection has one request on its way at a time, for so does nginx's. One thread waits for
//! all of them with epoll, for so does nginx.

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

trait Stream: Read + Write + AsRawFd {}
impl<T: Read + Write + AsRawFd> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    answer: Vec<u8>,
    asked: Instant,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("load: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, file, connections, seconds] = arguments.as_slice() else {
        return Err("usage: load ADDRESS REQUEST_FILE CONNECTIONS SECONDS".into());
    };
    let request = std::fs::read(file)?;
    let limit = Duration::from_secs_f64(seconds.parse()?);
    let epoll = Epoll::new()?;
    let mut all = Vec::new();
    for number in 0..connections.parse()? {
        let stream = connect(address)?;
        epoll.add(stream.as_raw_fd(), number)?;
        let answer = Vec::with_capacity(4096);
        all.push(Connection {
            stream,
            answer,
            asked: Instant::now(),
        });
    }
    let start = Instant::now();
    for connection in &mut all {
        connection.ask(&request)?;
    }
    let mut waits = Vec::with_capacity(1 << 20);
    while start.elapsed() < limit {
        for number in epoll.wait()? {
            let connection = &mut all[number as usize];
            if connection.is_answered()? {
                waits.push(connection.asked.elapsed().as_nanos() as u64);
                connection.ask(&request)?;
            }
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    waits.sort_unstable();
    let percentile = |share: f64| {
        let place = (waits.len() as f64 * share) as usize;
        waits
            .get(place)
            .map_or(f64::NAN, |nanoseconds| *nanoseconds as f64 / 1e3)
    };
    println!(
        "{} {elapsed} {} {}",
        waits.len(),
        percentile(0.5),
        percentile(0.99)
    );
    Ok(())
}

fn connect(address: &str) -> Result<Box<dyn Stream>, Box<dyn Error>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        return Ok(Box::new(stream));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(Box::new(stream))
}

impl Connection {
    fn ask(&mut self, request: &[u8]) -> Result<(), Box<dyn Error>> {
        self.asked = Instant::now();
        self.answer.clear();
        // One small request fits into any socket's empty buffer.
        match self.stream.write(request)? {
            written if written == request.len() => Ok(()),
            _ => Err("a request was not taken in one piece".into()),
        }
    }

    fn is_answered(&mut self) -> Result<bool, Box<dyn Error>> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => self.answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        if !self.answer.ends_with(b"\r\n\r\n") {
            return Ok(false);
        }
        if !self.answer.starts_with(b"HTTP/1.1 204 ") {
            let line = self
                .answer
                .split(|byte| *byte == b'\r')
                .next()
                .unwrap_or_default();
            return Err(format!("answered {}", String::from_utf8_lossy(line)).into());
        }
        Ok(true)
    }
}

/// The standard library waits for one socket at a time only, and this file shall need no crate.
struct Epoll {
    fd: RawFd,
}

#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(packed))]
#[derive(Clone, Copy)]
struct Event {
    events: u32,
    data: u64,
}

unsafe extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(epoll: i32, operation: i32, fd: i32, event: *mut Event) -> i32;
    fn epoll_wait(epoll: i32, events: *mut Event, most: i32, milliseconds: i32) -> i32;
}

impl Epoll {
    fn new() -> std::io::Result<Self> {
        match unsafe { epoll_create1(0) } {
            -1 => Err(std::io::Error::last_os_error()),
            fd => Ok(Self { fd }),
        }
    }

    fn add(&self, fd: RawFd, data: u64) -> std::io::Result<()> {
        let mut event = Event {
            events: EPOLLIN,
            data,
        };
        match unsafe { epoll_ctl(self.fd, EPOLL_CTL_ADD, fd, &mut event) } {
            -1 => Err(std::io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    fn wait(&self) -> std::io::Result<impl Iterator<Item = u64> + use<>> {
        let mut events = [Event { events: 0, data: 0 }; MOST];
        let count = unsafe { epoll_wait(self.fd, events.as_mut_ptr(), MOST as i32, 1000) };
        if count == -1 {
            return Err(std::io::Error::last_os_error());
        }
        Ok(events
            .into_iter()
            .take(count as usize)
            .map(|event| event.data))
    }
}

const EPOLLIN: u32 = 1;
const EPOLL_CTL_ADD: i32 = 1;
const MOST: usize = 64;
