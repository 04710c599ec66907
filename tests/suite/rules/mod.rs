//! Access rules: which request is which operation, and who may do it.

mod clients;
mod engines;
mod explain;
mod fronts;
mod reloaded;
mod requests;
mod servers;
