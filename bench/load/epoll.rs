//! Waits for many sockets at once, and for the next due time: the standard library does neither,
//! and this program shall need no crate.

use std::ffi::c_void;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    pub fn new() -> Result<Self, Error> {
        match unsafe { epoll_create1(EPOLL_CLOEXEC) } {
            -1 => Err(Error::last_os_error()),
            // It was opened just now, and belongs to nobody else.
            fd => Ok(Self {
                fd: unsafe { OwnedFd::from_raw_fd(fd) },
            }),
        }
    }

    /// Watches a socket until it is closed; `data` is what [`wait`](Self::wait) calls it.
    pub fn add(&self, fd: RawFd, data: u64) -> Result<(), Error> {
        let mut event = Event {
            events: EPOLLIN,
            data,
        };
        match unsafe { epoll_ctl(self.fd.as_raw_fd(), EPOLL_CTL_ADD, fd, &mut event) } {
            -1 => Err(Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// The sockets that can be read; none when the time is over.
    pub fn wait(&self, most: Duration) -> Result<impl Iterator<Item = u64> + use<>, Error> {
        let mut events = [Event { events: 0, data: 0 }; MOST];
        let most = Timespec {
            seconds: most.as_secs() as i64,
            nanoseconds: most.subsec_nanos().into(),
        };
        let count = unsafe {
            epoll_pwait2(
                self.fd.as_raw_fd(),
                events.as_mut_ptr(),
                MOST as i32,
                &most,
                ptr::null(),
            )
        };
        if count == -1 {
            return Err(Error::last_os_error());
        }
        Ok(events
            .into_iter()
            .take(count as usize)
            .map(|event| event.data))
    }
}

#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(packed))]
#[derive(Clone, Copy)]
struct Event {
    events: u32,
    data: u64,
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

unsafe extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(epoll: i32, operation: i32, fd: i32, event: *mut Event) -> i32;
    // Not epoll_wait: its milliseconds are too coarse for a steady rate.
    fn epoll_pwait2(
        epoll: i32,
        events: *mut Event,
        most: i32,
        timeout: *const Timespec,
        signals: *const c_void,
    ) -> i32;
}

const EPOLL_CLOEXEC: i32 = 0o2_000_000;
const EPOLLIN: u32 = 1;
const EPOLL_CTL_ADD: i32 = 1;
const MOST: usize = 64;
