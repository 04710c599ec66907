//! What stands behind nginx: a PHP that answers everything, and an htgate that is slow.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::nginx::sites::scene::SECRET;

/// Speaks as much FastCGI as nginx needs to take it for PHP.
pub(super) fn fastcgi(folder: &Path) -> PathBuf {
    listen(folder.join("php.sock"), |mut stream| {
        loop {
            let mut head = [0; 8];
            stream.read_exact(&mut head)?;
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            let mut content = vec![0; length + usize::from(head[6])];
            stream.read_exact(&mut content)?;
            const STDIN: u8 = 5;
            if head[1] == STDIN && length == 0 {
                break;
            }
        }
        let body = format!("Content-Type: text/plain\r\n\r\n{SECRET} php\n");
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let mut answer = vec![1, 6, 0, 1, length[0], length[1], 0, 0];
        answer.extend_from_slice(body.as_bytes());
        answer.extend_from_slice(&[1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        stream.write_all(&answer)
    })
}

/// A relay to htgate that holds every answer back.
pub(super) fn slow(folder: &Path, gate: PathBuf, delay: Duration) -> PathBuf {
    listen(folder.join("slow.sock"), move |mut from_nginx| {
        let mut to_gate = UnixStream::connect(&gate)?;
        let (mut questions, mut forward) = (from_nginx.try_clone()?, to_gate.try_clone()?);
        thread::spawn(move || io::copy(&mut questions, &mut forward));
        let mut answer = [0; 16 * 1024];
        loop {
            let length = to_gate.read(&mut answer)?;
            if length == 0 {
                return Ok(());
            }
            thread::sleep(delay);
            from_nginx.write_all(&answer[..length])?;
        }
    })
}

/// A socket that nginx's workers may open, and at which nobody listens any more.
pub(super) fn gone(folder: &Path) -> PathBuf {
    bind(folder.join("gone.sock")).1
}

/// Serves each connection on a thread of its own, at a socket that nginx's workers may open.
fn listen(
    path: PathBuf,
    serve: impl Fn(UnixStream) -> io::Result<()> + Clone + Send + 'static,
) -> PathBuf {
    let (listener, path) = bind(path);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || serve(stream));
        }
    });
    path
}

fn bind(path: PathBuf) -> (UnixListener, PathBuf) {
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    (listener, path)
}
