//! What /auth answers, what a password costs, and what guessing costs.

mod answers;
mod attack;
mod audit;
mod connections;
mod formats;
mod queue;
mod stale;
mod verification;
