//! What systemd is told about this process, if it started it (sd_notify(3)): the order in which
//! services start, and `systemctl status`, depend on it. The only file that names `sd_notify`.
//! Failures are ignored, because the service goes on without systemd. A thread of its own sends the
//! messages: a systemd that does not read them must not delay a reload.

use std::collections::VecDeque;
use std::env;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;

use sd_notify::NotifyState;

/// The service answers, with the files as they are now.
pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The files are read again on request; [`ready`] must follow.
pub(crate) fn reloading() {
    // systemd takes only a time after its own request for an answer to it.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        send(&[NotifyState::Reloading, now]);
    }
}

/// The requests in hand are finished, and the process ends.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub(crate) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// Never waits: if systemd does not read its messages in time, the oldest is dropped.
fn send(states: &[NotifyState<'_>]) {
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    if !*STARTED.get_or_init(start) {
        return;
    }
    let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if messages.len() == MOST_MESSAGES {
        messages.pop_front();
    }
    messages.push_back(lines.join("\n"));
    QUEUED.notify_one();
}

/// Whether there is a systemd, and a thread that talks to it.
fn start() -> bool {
    let send_all = || {
        loop {
            let messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
            let messages = QUEUED.wait_while(messages, |messages| messages.is_empty());
            let message = messages.unwrap_or_else(PoisonError::into_inner).pop_front();
            let message = message.unwrap_or_default();
            let _ = sd_notify::notify(&[NotifyState::Custom(&message)]);
        }
    };
    let thread = thread::Builder::new().name("systemd".to_owned());
    env::var_os("NOTIFY_SOCKET").is_some() && thread.spawn(send_all).is_ok()
}

static STARTED: OnceLock<bool> = OnceLock::new();
static MESSAGES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static QUEUED: Condvar = Condvar::new();
/// More messages than a start, a reload and a stop send.
const MOST_MESSAGES: usize = 16;
