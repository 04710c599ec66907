//! The shipped nginx files in the sites that people have.

mod outage;
mod shipped;
mod sites;
