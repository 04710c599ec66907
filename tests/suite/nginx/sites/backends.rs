//! What stands behind nginx: a PHP that answers everything, and an htgate that is slow.

use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::nginx::sites::scene::SECRET;

/// A PHP that answers everything.
pub(super) fn fastcgi(folder: &Path) -> PathBuf {
    let socket = folder.join("php.sock");
    crate::nginx::fastcgi::serve(&socket, |_| format!("{SECRET} php\n"));
    socket
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
