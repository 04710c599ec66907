//! The priority of our threads. The only file that names
//! `thread_priority`.

use std::io;

use thread_priority::unix::{
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};

/// Gives the calling thread only the time that every other thread of the machine leaves.
///
/// This is `SCHED_IDLE` (sched(7)) and not a nice value, which counts only within a session or
/// control group: nginx is in another one, and would share the cores with us half and half.
/// Lowering a priority needs no privilege.
pub(crate) fn lower() -> io::Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    match set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        // The crate then sets the nice value to 0, which a process that was started with a higher one
        // may not do. An idle thread has no use for it.
        Err(error) if thread_schedule_policy().ok() != Some(idle) => {
            Err(io::Error::other(format!("{error:?}")))
        }
        _ => Ok(()),
    }
}
