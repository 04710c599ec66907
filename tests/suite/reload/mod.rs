//! Changes on the disk, and everything that can keep one from taking effect.

mod changes;
mod stuck;
mod trouble;
