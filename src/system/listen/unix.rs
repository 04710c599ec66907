//! A unix socket that is never seen without its mode and group.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Socket, Type};

use super::{BACKLOG, SocketMode};

/// Binds under another name and renames the socket when it has its mode and group: nginx would log a
/// socket that is absent, or that it may not open, as critical. For the same reason a socket is left
/// behind when the service stops.
pub(super) fn bind(path: &Path, mode: SocketMode, group: Option<&str>) -> io::Result<UnixListener> {
    refuse_to_displace(path)?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(&aside)?)?;
    let ready = (|| {
        if let Some(group) = group {
            chown(&aside, None, Some(group_id(group)?)).map_err(|error| foreign(group, error))?;
        }
        fs::set_permissions(&aside, Permissions::from_mode(mode.0))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        fs::rename(&aside, path)
    })();
    if let Err(error) = ready {
        let _ = fs::remove_file(&aside);
        return Err(error);
    }
    Ok(socket.into())
}

/// Logs the path, mode and owner. The path may be in a folder that we may not read.
pub(super) fn announce(path: &Path) {
    let place = path.display();
    match fs::metadata(path) {
        Ok(owner) => log::info!(
            "listening on unix:{place} (mode {:04o}, user {}, group {}: nginx's workers must be \
             allowed to write to it)",
            owner.mode() & 0o777,
            owner.uid(),
            owner.gid()
        ),
        Err(_) => log::info!("listening on unix:{place}"),
    }
}

fn refuse_to_displace(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let what = "the path exists and is not a socket; remove it";
            Err(io::Error::other(what))
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let what = "another process answers there; stop it first";
                Err(io::Error::other(what))
            }
        },
    }
}

/// A group's number from its name, by `/etc/group` (group(5)), or the number itself. A static
/// binary has no name service to ask.
fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let unknown = || {
        let what = format!("there is no group '{group}' in {GROUPS}");
        io::Error::other(format!("{what}; use the name of one, or its number"))
    };
    #[expect(clippy::disallowed_methods, reason = "a regular file of the system")]
    let groups = fs::read(GROUPS).map_err(|_| unknown())?;
    let find = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        let number = std::str::from_utf8(fields.nth(1)?).ok()?;
        (name == group.as_bytes()).then(|| number.parse().ok())?
    };
    groups
        .split(|byte| *byte == b'\n')
        .find_map(find)
        .ok_or_else(unknown)
}

/// Only root can give a file to a group that it is not in itself.
fn foreign(group: &str, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let what = format!("may not give the socket to the group '{group}'");
            io::Error::other(format!("{what}; make htgate's user a member of it"))
        }
        _ => error,
    }
}

const GROUPS: &str = "/etc/group";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        assert_eq!(group_id("0").unwrap(), 0);
        assert_eq!(group_id("root").unwrap(), 0);
        let error = group_id("no-such-group").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no group 'no-such-group' in /etc/group; use the name of one, or its number"
        );
    }
}
