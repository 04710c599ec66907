//! What is shipped around the program: compose, packages, units, Kubernetes, monitoring.

mod bans;
mod compose;
mod compose_token;
mod fabric;
mod fail2ban;
mod fresh;
mod ingress;
mod kubernetes;
mod monitoring;
mod package;
mod prepare;
mod recreate;
mod swarm;
mod systemd;
