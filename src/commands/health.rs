//! `htgate health`: for a container's health check, where there is no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{FAILED, complain, complain_of, reason};
use crate::config::{ConfigError, Settings, path};
use crate::system::listen::Address;

/// How to find the htgate to ask.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// An address that it listens on [default: the first in htgate.toml, or 127.0.0.1:8080].
    #[arg(
        long,
        env = "HTGATE_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    pub listen: Vec<Address>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let address = match address(options) {
        Ok(address) => address,
        Err(error) => return complain_of(&error),
    };
    match ask(&address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200") => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            // Where nobody reads, the exit code is enough.
            let _ = io::stdout().write_all(body.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            let status = answer.lines().next().unwrap_or("nothing");
            complain(
                format_args!("{address} answers '{status}'; is that an htgate?"),
                FAILED,
            )
        }
        Err(error) => complain(
            format_args!(
                "{address} does not answer: {}; start htgate, or use --listen ADDRESS with the \
                 address that it listens on",
                reason(&error)
            ),
            FAILED,
        ),
    }
}

fn address(options: &Options) -> Result<Address, ConfigError> {
    let listen = match options.listen.is_empty() {
        true => Settings::of_file(options.config.as_deref())?.listen(),
        false => options.listen.clone(),
    };
    Ok(match listen.into_iter().next().unwrap_or_default() {
        Address::Systemd => Address::Unix(PACKAGED_SOCKET.into()),
        address => address,
    })
}

fn ask(address: &Address) -> io::Result<String> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream)
        }
        Address::Systemd => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn exchange(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: htgate\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// An htgate that listens on every address is asked over the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

/// Where the packaged htgate.socket listens.
const PACKAGED_SOCKET: &str = "/run/htgate/htgate.sock";
const PATIENCE: Duration = Duration::from_secs(3);
/// In bytes.
const LONGEST_ANSWER: u64 = 64 * 1024;
