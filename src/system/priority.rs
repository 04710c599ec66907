//! What the system's scheduler is told of our threads. The only file that names
//! `thread_priority`.

use std::cell::Cell;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use thread_priority::unix::{set_thread_priority_and_policy, thread_native_id};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// Lets every other thread of the machine go before the calling one, which gets what they leave.
///
/// This is `SCHED_IDLE` (sched(7)) and not a nice value, which counts only within a session or
/// control group: nginx is in another one, and would share the cores with us half and half.
///
/// # Errors
///
/// What the system refuses; to lower oneself needs no right.
pub(crate) fn lower() -> io::Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .map_err(|error| io::Error::other(format!("{error:?}")))
}

/// Pauses in long work. A thread that comes last still keeps its core for a whole slice,
/// milliseconds long, from threads of other sessions and containers, nginx's among them: the kernel
/// compares these first.
pub(crate) struct Pauses {
    working_since: Cell<Instant>,
}

impl Pauses {
    /// The work begins.
    pub(crate) fn new() -> Self {
        Self {
            working_since: Cell::new(Instant::now()),
        }
    }

    /// Rests for as long as was worked.
    pub(crate) fn rest_as_long(&self) {
        let worked = self.worked();
        if worked >= WORK {
            self.rest(worked.min(LONGEST_REST));
        }
    }

    /// Rests for as long as others need, which is asked after some work.
    pub(crate) fn rest_for(&self, others: impl FnOnce() -> Duration) {
        if self.worked() < WORK {
            return;
        }
        match others() {
            Duration::ZERO => self.working_since.set(Instant::now()),
            needed => self.rest(needed),
        }
    }

    fn worked(&self) -> Duration {
        self.working_since.get().elapsed()
    }

    fn rest(&self, time: Duration) {
        thread::sleep(time);
        self.working_since.set(Instant::now());
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new()
    }
}

/// Much shorter than a slice, much longer than a change of threads.
const WORK: Duration = Duration::from_micros(300);
/// Where the machine is busy, time passes without any work being done.
const LONGEST_REST: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_before_some_work_is_done() {
        let pauses = Pauses::new();
        pauses.working_since.set(Instant::now() + 1000 * WORK);
        pauses.rest_for(|| panic!("too early"));
        pauses.working_since.set(Instant::now());
        thread::sleep(2 * WORK);
        let asked = Cell::new(0);
        let rest = Duration::from_millis(20);
        let start = Instant::now();
        pauses.rest_for(|| {
            asked.set(asked.get() + 1);
            rest
        });
        assert_eq!(asked.get(), 1);
        assert!(start.elapsed() >= rest);
        // The rest is no work.
        assert!(pauses.working_since.get() >= start + rest);
    }

    #[test]
    fn a_rest_is_as_long_as_the_work_up_to_a_bound() {
        let pauses = Pauses::new();
        thread::sleep(WORK);
        let start = Instant::now();
        pauses.rest_as_long();
        assert!(start.elapsed() >= WORK);
    }
}
