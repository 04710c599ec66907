//! What is asked: the same bytes each time, or a new guess each time.

use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

/// A request in which `{basic}` and `{address}` stand for what changes.
pub struct Template {
    parts: Vec<Part>,
    user: String,
    /// Guesses of one run are not those of another.
    run: u128,
    addresses: u32,
    count: u32,
    request: Vec<u8>,
}

enum Part {
    Fixed(Vec<u8>),
    Basic,
    Address,
}

impl Template {
    /// `user` is whose password is guessed; `*` is another unknown one each time. `{address}` goes
    /// round so many addresses.
    pub fn new(text: &[u8], user: &str, addresses: u32) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(next) = (0..rest.len()).find(|&at| named(&rest[at..]).is_some()) {
            let Some((part, length)) = named(&rest[next..]) else {
                break;
            };
            parts.push(Part::Fixed(rest[..next].to_vec()));
            parts.push(part);
            rest = &rest[next + length..];
        }
        parts.push(Part::Fixed(rest.to_vec()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            parts,
            user: user.to_owned(),
            run: now.map_or(0, |since| since.as_nanos()),
            addresses: addresses.max(1),
            count: 0,
            request: Vec::new(),
        }
    }

    /// The next request.
    pub fn next(&mut self) -> &[u8] {
        let Self {
            parts,
            user,
            run,
            addresses,
            count,
            request,
        } = self;
        if let [Part::Fixed(same)] = &parts[..] {
            return same;
        }
        request.clear();
        for part in parts.iter() {
            match part {
                Part::Fixed(bytes) => request.extend_from_slice(bytes),
                Part::Basic => {
                    let pair = match user.as_str() {
                        "*" => format!("unknown-{count}:{run:x}-{count}"),
                        user => format!("{user}:{run:x}-{count}"),
                    };
                    base64(pair.as_bytes(), request);
                }
                Part::Address => {
                    let address = from_block(10, *count % *addresses);
                    request.extend_from_slice(address.to_string().as_bytes());
                }
            }
        }
        *count += 1;
        request
    }
}

/// The n-th address under `first`; none ends in 0 or 255.
pub fn from_block(first: u8, number: u32) -> Ipv4Addr {
    let (rest, last) = (number / 250, number % 250 + 1);
    Ipv4Addr::new(first, 1 + (rest >> 8) as u8, rest as u8, last as u8)
}

fn named(text: &[u8]) -> Option<(Part, usize)> {
    if text.starts_with(b"{basic}") {
        Some((Part::Basic, b"{basic}".len()))
    } else if text.starts_with(b"{address}") {
        Some((Part::Address, b"{address}".len()))
    } else {
        None
    }
}

fn base64(bytes: &[u8], to: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0, |all, byte| all << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..4 {
            to.push(if place <= chunk.len() {
                LETTERS[(group >> (18 - 6 * place) & 63) as usize]
            } else {
                b'='
            });
        }
    }
}
