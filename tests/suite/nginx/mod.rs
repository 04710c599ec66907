//! The shipped nginx files in the sites that people have.

mod auth_basic;
mod outage;
mod shipped;
mod sites;
