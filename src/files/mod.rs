//! All that touches the disk: reading a file that another program may be writing, following the files
//! that the snapshot is made of, and replacing the users file.

pub(crate) mod reload;
pub(crate) mod replace;
pub(crate) mod stable_read;
