//! What systemd is told of us, if it started us (sd_notify(3)): the order in which services
//! start, and `systemctl status`, depend on it. The only file that names `sd_notify`. Nobody is
//! told of a failure: without systemd there is nobody to tell, and the service goes on. A thread of
//! its own does the telling: a systemd that does not listen must not hold up a reload.

use std::env;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use sd_notify::NotifyState;

/// We answer, with the files as they are now.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// We read the files again because we were asked to; [`ready`] must follow.
pub fn reloading() {
    // systemd takes only a time after its own request for an answer to it.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// We finish the requests in hand, and end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// Never waits: what systemd does not take in time is not said.
fn tell(states: &[NotifyState<'_>]) {
    let lines: Vec<_> = states.iter().map(ToString::to_string).collect();
    if let Some(queue) = QUEUE.get_or_init(start) {
        let _ = queue.try_send(lines.join("\n"));
    }
}

fn start() -> Option<SyncSender<String>> {
    env::var_os("NOTIFY_SOCKET")?;
    let (sender, queue) = sync_channel::<String>(LENGTH);
    let talk = move || {
        for message in queue {
            let _ = sd_notify::notify(&[NotifyState::Custom(&message)]);
        }
    };
    let thread = thread::Builder::new().name("systemd".to_owned());
    thread.spawn(talk).ok().map(|_| sender)
}

static QUEUE: OnceLock<Option<SyncSender<String>>> = OnceLock::new();
/// More than a start, a reload and a stop have to say.
const LENGTH: usize = 16;
