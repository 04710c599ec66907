//! What systemd is told of us, if it started us (sd_notify(3)): the order in which services
//! start, and `systemctl status`, depend on it. The only file that names `sd_notify`. Nobody is
//! told of a failure: without systemd there is nobody to tell, and the service goes on.

use sd_notify::NotifyState;

/// We answer, with the files as they are now.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// We read the files anew because we were asked to; [`ready`] must follow.
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

fn tell(state: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(state);
}
