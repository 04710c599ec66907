//! A real registry behind the gate, and its clients.

mod proxied;
