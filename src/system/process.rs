//! What the system allows this process, and what others may see of it. The only file that names
//! `rustix`.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Raises the soft limit of open files to the hard one. Shells and containers often give 1,024, and
/// leave it to each program to ask for more.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        // systemd has set both, and the shipped unit forbids the call.
        return Ok(());
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// How many files may be open.
pub(crate) fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Leaves no core dump, and lets no other process of the same user read the memory, where passwords
/// are (`PR_SET_DUMPABLE`, prctl(2)). root still can.
pub(crate) fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
