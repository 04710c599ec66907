//! All that touches the disk: reading a file that somebody may be writing, following the files
//! that the snapshot is made of, and replacing the users file.

pub mod reload;
pub mod replace;
pub mod stable_read;
