//! A unix-socket connection that is woken to read, and to write only while it could not.
//!
//! Tokio's own stream asks the system for both from the beginning. On a unix socket the system
//! then wakes us each time the peer *reads* what we wrote, because there is room to write again:
//! two wake-ups a request instead of one, paid by nginx as much as by us. nginx itself asks to
//! write only after it could not, and so does this stream.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A connection over a unix socket.
pub(super) struct UnixConnection {
    stream: AsyncFd<UnixStream>,
    /// The same socket, registered for writing, while the peer does not keep up.
    blocked: Option<AsyncFd<UnixStream>>,
}

impl UnixConnection {
    /// Takes over a connection that tokio has accepted.
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = register(stream.into_std()?, Interest::READABLE)?;
        Ok(Self {
            stream,
            blocked: None,
        })
    }
}

impl AsyncRead for UnixConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.stream.poll_read_ready(context))?;
            let places = buffer.remaining().min(ONE_READ);
            let room = buffer.initialize_unfilled_to(places);
            let Ok(result) = readable.try_io(|stream| stream.get_ref().read(room)) else {
                // It was not readable after all; try_io has noted that.
                continue;
            };
            let length = match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if 0 < length && length < places {
                // All that was there has been read: asking again would cost a call for nothing.
                readable.clear_ready();
            }
            buffer.advance(length);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for UnixConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = self.stream.get_ref().write(bytes);
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_writable(context))?;
                }
                written => {
                    self.blocked = None;
                    return Poll::Ready(written);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(std::net::Shutdown::Write))
    }
}

impl UnixConnection {
    /// Waits for room after a write that found none.
    fn poll_writable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let blocked = match &mut self.blocked {
            Some(blocked) => blocked,
            none => {
                let again = self.stream.get_ref().try_clone()?;
                none.insert(register(again, Interest::WRITABLE)?)
            }
        };
        // The next write decides whether it is true.
        ready!(blocked.poll_write_ready(context))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

/// Tokio deprecates this safe function for an unsafe one, since a type may hand out one
/// descriptor when it is registered and another one later. The standard library's does not.
#[expect(
    deprecated,
    reason = "sound for UnixStream, and the other one is unsafe"
)]
fn register(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

/// The most that one call reads. The room for it is zeroed before each call, and the rest of a
/// large buffer would be zeroed for nothing: a subrequest is about 500 bytes.
const ONE_READ: usize = 2048;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        actix_web::rt::System::new().block_on(future)
    }

    fn pair() -> (UnixConnection, UnixStream) {
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let theirs = theirs.into_std().unwrap();
        theirs.set_nonblocking(false).unwrap();
        (UnixConnection::new(ours).unwrap(), theirs)
    }

    #[test]
    fn reads_what_comes_and_the_end() {
        block_on(async {
            let (mut ours, mut theirs) = pair();
            let mut buffer = [0; 16];
            for text in ["one", "two"] {
                theirs.write_all(text.as_bytes()).unwrap();
                let length = ours.read(&mut buffer).await.unwrap();
                assert_eq!(&buffer[..length], text.as_bytes());
            }
            // The last bytes together with the end.
            theirs.write_all(b"three").unwrap();
            drop(theirs);
            let mut rest = Vec::new();
            ours.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"three");
        });
    }

    #[test]
    fn writes_more_than_the_socket_holds() {
        block_on(async {
            let (mut ours, mut theirs) = pair();
            let much: Vec<u8> = (0..4_000_000_u32).map(|n| n as u8).collect();
            let expected = much.clone();
            let reader = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                let mut all = Vec::new();
                theirs.read_to_end(&mut all).unwrap();
                all
            });
            ours.write_all(&much).await.unwrap();
            assert!(
                ours.blocked.is_none(),
                "registered only while it cannot write"
            );
            ours.shutdown().await.unwrap();
            assert!(reader.join().unwrap() == expected);
        });
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error() {
        block_on(async {
            let (mut ours, theirs) = pair();
            drop(theirs);
            let error = ours.write_all(b"x").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        });
    }
}
