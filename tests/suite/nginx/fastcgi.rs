//! As much FastCGI as nginx needs to take it for PHP.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

/// What nginx says of a request. Of a name that it says twice the last one counts, as with PHP.
pub(super) type Parameters = BTreeMap<String, String>;

/// Answers everything with a text, at a socket that nginx's workers may open.
pub(super) fn serve(
    socket: &Path,
    answer: impl Fn(&Parameters) -> String + Clone + Send + 'static,
) {
    let listener = UnixListener::bind(socket).unwrap();
    fs::set_permissions(socket, Permissions::from_mode(0o666)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || {
                let text = answer(&read(&mut stream)?);
                let text = format!("Content-Type: text/plain\r\n\r\n{text}");
                stream.write_all(&record(STDOUT, text.as_bytes()))?;
                stream.write_all(&record(END, &[0; 8]))
            });
        }
    });
}

/// A request is records, until an empty one of its body: a head of eight bytes, content, padding.
fn read(stream: &mut UnixStream) -> io::Result<Parameters> {
    let mut pairs = Vec::new();
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let mut content = vec![0; length + usize::from(head[6])];
        stream.read_exact(&mut content)?;
        match head[1] {
            PARAMETERS => pairs.extend_from_slice(&content[..length]),
            BODY if length == 0 => break,
            _ => {}
        }
    }
    let mut pairs = &pairs[..];
    let mut parameters = Parameters::new();
    while !pairs.is_empty() {
        let lengths = [length(&mut pairs)?, length(&mut pairs)?];
        let [name, value] = lengths.map(|length| {
            let (text, rest) = pairs.split_at(length);
            pairs = rest;
            String::from_utf8_lossy(text).into_owned()
        });
        parameters.insert(name, value);
    }
    Ok(parameters)
}

/// One byte, or four, of which the first bit says so.
fn length(pairs: &mut &[u8]) -> io::Result<usize> {
    let mut bytes = [0; 4];
    pairs.read_exact(&mut bytes[3..])?;
    if bytes[3] >= 0x80 {
        bytes[0] = bytes[3] & 0x7f;
        pairs.read_exact(&mut bytes[1..])?;
    }
    Ok(usize::try_from(u32::from_be_bytes(bytes)).unwrap())
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = [1, kind, 0, 1, length[0], length[1], 0, 0];
    [&head, content].concat()
}

/// Kinds of records.
const END: u8 = 3;
const PARAMETERS: u8 = 4;
const BODY: u8 = 5;
const STDOUT: u8 = 6;
