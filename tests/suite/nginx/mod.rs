//! The shipped nginx files in the sites that people have.

mod outage;
mod pages;
mod shipped;
mod sites;
