//! One connection to a server, with one request on its way at a time.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;

trait Stream: Read + Write + AsRawFd {}
impl<T: Read + Write + AsRawFd> Stream for T {}

pub struct Connection {
    stream: Box<dyn Stream>,
    answer: Vec<u8>,
}

/// What came of a look at a connection.
pub enum Heard {
    /// A whole answer, with this status.
    Answer(u16),
    /// Not all of it yet.
    Nothing,
    /// The server has closed the connection.
    End,
}

impl Connection {
    /// `address` is `unix:/PATH` or `127.0.0.1:PORT`; `source` is for the latter only.
    pub fn open(address: &str, source: Option<Ipv4Addr>) -> Result<Self, Box<dyn Error>> {
        let stream: Box<dyn Stream> = if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(path)?;
            stream.set_nonblocking(true)?;
            Box::new(stream)
        } else {
            let stream = match source {
                Some(source) => connect_from(source, address.parse()?)?,
                None => TcpStream::connect(address)?,
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Box::new(stream)
        };
        Ok(Self {
            stream,
            answer: Vec::with_capacity(4096),
        })
    }

    pub fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    pub fn ask(&mut self, request: &[u8]) -> Result<(), Box<dyn Error>> {
        self.answer.clear();
        // One small request fits into any socket's empty buffer.
        match self.stream.write(request)? {
            written if written == request.len() => Ok(()),
            _ => Err("a request was not taken in one piece".into()),
        }
    }

    pub fn hear(&mut self) -> Result<Heard, Box<dyn Error>> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Ok(Heard::End),
            Ok(length) => self.answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Nothing),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Heard::End),
            Err(error) => return Err(error.into()),
        }
        let Some(body) = self
            .answer
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
        else {
            return Ok(Heard::Nothing);
        };
        let (head, body) = (&self.answer[..body], &self.answer[body + 4..]);
        let status = std::str::from_utf8(head.get(9..12).unwrap_or_default())?.parse()?;
        let whole = status == 204 || body.len() >= content_length(head)?;
        Ok(if whole {
            Heard::Answer(status)
        } else {
            Heard::Nothing
        })
    }
}

fn content_length(head: &[u8]) -> Result<usize, Box<dyn Error>> {
    for line in std::str::from_utf8(head)?.split("\r\n") {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(value.trim().parse()?);
        }
    }
    Err("an answer does not say how long it is".into())
}

/// A connection from this address of the machine's own: the standard library chooses one itself.
fn connect_from(source: Ipv4Addr, target: SocketAddrV4) -> Result<TcpStream, io::Error> {
    let fd = unsafe { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // It was opened just now, and belongs to nobody else.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    let length = size_of::<Address>() as u32;
    let from = Address::from(SocketAddrV4::new(source, 0));
    let to = Address::from(target);
    if unsafe { bind(fd, &from, length) } == -1 || unsafe { connect(fd, &to, length) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(stream)
}

/// `sockaddr_in`.
#[repr(C)]
struct Address {
    family: u16,
    port: [u8; 2],
    ip: [u8; 4],
    zero: [u8; 8],
}

impl From<SocketAddrV4> for Address {
    fn from(address: SocketAddrV4) -> Self {
        Self {
            family: AF_INET as u16,
            port: address.port().to_be_bytes(),
            ip: address.ip().octets(),
            zero: [0; 8],
        }
    }
}

unsafe extern "C" {
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn bind(fd: i32, address: *const Address, length: u32) -> i32;
    fn connect(fd: i32, address: *const Address, length: u32) -> i32;
}

const AF_INET: i32 = 2;
const SOCK_STREAM: i32 = 1;
const SOCK_CLOEXEC: i32 = 0o2_000_000;
