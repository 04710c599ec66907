//! Tokens for a registry, end to end: the real htgate signs them, a real registry checks them,
//! and real clients ask for them through the real nginx with the shipped files.

mod answers;
mod bounds;
mod clients;
mod forged;
mod init;
mod jwt;
mod keyring;
mod keys;
mod memory;
mod random;
mod revoked;
mod rotation;
mod scene;
mod through_nginx;
