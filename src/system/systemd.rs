//! What systemd is told of us, if it started us (sd_notify(3)): the order in which services
//! start, and `systemctl status`, depend on it. The only file that names `sd_notify`. Nobody is
//! told of a failure: without systemd there is nobody to tell, and the service goes on. A thread of
//! its own does the telling: a systemd that does not listen must not hold up a reload.

use std::collections::VecDeque;
use std::env;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;

use sd_notify::NotifyState;

/// We answer, with the files as they are now.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// We read the files again because we were asked to; [`ready`] must follow.
pub(crate) fn reloading() {
    // systemd takes only a time after its own request for an answer to it.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// We finish the requests in hand, and end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub(crate) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// Never waits: of what systemd does not take in time, the oldest is left out.
fn tell(states: &[NotifyState<'_>]) {
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    if !*STARTED.get_or_init(start) {
        return;
    }
    let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if messages.len() == MOST_MESSAGES {
        messages.pop_front();
    }
    messages.push_back(lines.join("\n"));
    NEWS.notify_one();
}

/// Whether there is a systemd, and a thread that talks to it.
fn start() -> bool {
    let talk = || {
        loop {
            let messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
            let mut messages = NEWS
                .wait_while(messages, |messages| messages.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            let message = messages.pop_front().unwrap_or_default();
            drop(messages);
            let _ = sd_notify::notify(&[NotifyState::Custom(&message)]);
        }
    };
    let thread = thread::Builder::new().name("systemd".to_owned());
    env::var_os("NOTIFY_SOCKET").is_some() && thread.spawn(talk).is_ok()
}

static STARTED: OnceLock<bool> = OnceLock::new();
static MESSAGES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static NEWS: Condvar = Condvar::new();
/// More than a start, a reload and a stop have to say.
const MOST_MESSAGES: usize = 16;
