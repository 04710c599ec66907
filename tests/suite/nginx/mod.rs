//! The shipped nginx files in the sites that people have.

mod auth_basic;
mod fastcgi;
mod outage;
mod pages;
mod shipped;
mod sites;
