//! Who may do what: which clients are refused by their `User-Agent`, and what the access rules
//! allow.

pub mod access;
pub mod user_agent;
