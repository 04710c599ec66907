//! What must hold whatever comes in. `make test` tries each property with the seeds in `fuzz/seeds`
//! and what random changes make of them, `make fuzz` with what a fuzzer finds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a property that does not hold panics"
)]

mod config;
mod http;
mod registry;
mod users;

pub use self::config::{config, nginx};
pub use self::http::{credentials, log};
pub use self::registry::{request, token};
pub use self::users::{hash, htpasswd};

/// What holds for any bytes, or panics.
pub type Property = fn(&[u8]);

/// Each by the name of its fuzz target and of its folder of seeds.
pub const ALL: [(&str, Property); 8] = [
    ("config", config),
    ("credentials", credentials),
    ("hash", hash),
    ("htpasswd", htpasswd),
    ("log", log),
    ("nginx", nginx),
    ("request", request),
    ("token", token),
];

/// The first fields of an input, with NUL between them; the last one has the rest.
fn fields<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    [(); N].map(|()| parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::files::stable_read::read;

    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds")).join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|_| panic!("no {}", folder.display()));
        let seeds: Vec<_> = files
            .map(|file| read(&file.unwrap().path()).unwrap().bytes)
            .collect();
        assert!(!seeds.is_empty(), "{name} has no seed");
        seeds
    }

    #[test]
    fn each_has_a_fuzz_target() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/fuzz_targets");
        let files = fs::read_dir(folder).unwrap();
        let mut targets: Vec<_> = files
            .map(|file| file.unwrap().path().file_stem().unwrap().to_owned())
            .collect();
        targets.sort();
        assert_eq!(targets, ALL.map(|(name, _)| name));
    }

    #[test]
    fn they_hold_for_every_seed() {
        for (name, property) in ALL {
            for seed in seeds(name) {
                property(&seed);
            }
        }
    }

    proptest! {
        #[test]
        fn they_hold_for_changed_seeds(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..4, 0usize..8), 1..5),
            seed: prop::sample::Index,
            bytes in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            for (name, property) in ALL {
                let seeds = seeds(name);
                let mut data = seeds[seed.index(seeds.len())].clone();
                for (place, removed, piece) in &changes {
                    let place = place.index(data.len() + 1);
                    let end = (place + removed).min(data.len());
                    data.splice(place..end, bytes.iter().copied().take(*piece));
                }
                property(&data);
            }
        }
    }
}
