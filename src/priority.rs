//! What the system's scheduler is told of our threads. The only file that names `rustix`.

use std::io;

/// Lets every other thread on the machine go before the calling one, which gets what they leave.
///
/// On Linux a nice value is a thread's own (setpriority(2), "C library/kernel differences").
///
/// # Errors
///
/// What the system refuses; to lower oneself needs no right.
pub fn lower() -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, LOWEST)?)
}

/// nice(1)'s last.
const LOWEST: i32 = 19;
