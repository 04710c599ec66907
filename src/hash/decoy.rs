//! Hashes of no password, for names that are no user's: whoever asks for an unknown name pays
//! what a user of this very file would cost.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::bcrypt::{Bcrypt, DIGEST, SALT};
use super::{Kind, PasswordHash};

/// The process's secret, from which decoys are made and chosen.
///
/// One seed serves every reload: a wrong password for an unknown name is then remembered across
/// reloads just as one for a user whose line did not change.
pub struct DecoySeed {
    key: [u8; 32],
    names: RandomState,
}

impl DecoySeed {
    /// A seed from random bytes that nobody else knows.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            names: RandomState::new(),
        }
    }

    /// A hash of the given kind. Its digest is 184 pseudo-random bits, so no password is known
    /// to match, and it cannot be malformed, for it is made from parts and not from text.
    fn forge(&self, kind: Kind) -> PasswordHash {
        let mut bytes = [0; SALT + DIGEST];
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        match kind {
            Kind::Bcrypt { cost } => {
                hasher
                    .update(b"bcrypt")
                    .update(&[cost])
                    .finalize_xof()
                    .fill(&mut bytes);
                let (mut salt, mut digest) = ([0; SALT], [0; DIGEST]);
                salt.iter_mut()
                    .chain(&mut digest)
                    .zip(bytes)
                    .for_each(|(to, from)| *to = from);
                PasswordHash::Bcrypt(Bcrypt::from_parts(cost, salt, digest))
            }
        }
    }
}

impl fmt::Debug for DecoySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecoySeed(***)")
    }
}

/// One decoy for each kind of hash in a file, each with its share of all names.
#[derive(Debug)]
pub struct Decoys {
    names: RandomState,
    /// Each kind's decoy, with the number of users of this kind and all before it.
    shares: Vec<(u64, PasswordHash)>,
    last: PasswordHash,
}

impl Decoys {
    /// Decoys in the proportions of a file's users.
    pub fn forge(seed: &DecoySeed, users: &BTreeMap<Kind, u64>) -> Self {
        let mut total = 0;
        let shares: Vec<_> = users
            .iter()
            .map(|(kind, count)| {
                total += count;
                (total, seed.forge(*kind))
            })
            .collect();
        let last = match shares.last() {
            Some((_, decoy)) => decoy.clone(),
            None => seed.forge(Kind::Bcrypt {
                cost: super::WEAK_BCRYPT_COST,
            }),
        };
        Self {
            names: seed.names.clone(),
            shares,
            last,
        }
    }

    /// The decoy for a name: always the same one while the file's proportions last.
    pub fn choose(&self, name: &[u8]) -> &PasswordHash {
        let total = self.shares.last().map_or(0, |(total, _)| *total);
        // Scaled, not taken modulo: a user more or less moves few names to another kind.
        let place = (u128::from(self.names.hash_one(name)) * u128::from(total)) >> u64::BITS;
        self.shares
            .iter()
            .find(|(bound, _)| place < u128::from(*bound))
            .map_or(&self.last, |(_, decoy)| decoy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(decoys: &Decoys, names: u32) -> BTreeMap<Kind, u32> {
        let mut seen = BTreeMap::new();
        for name in 0..names {
            *seen
                .entry(decoys.choose(&name.to_be_bytes()).kind())
                .or_default() += 1;
        }
        seen
    }

    #[test]
    fn the_files_own_proportions() {
        let (weak, strong) = (Kind::Bcrypt { cost: 5 }, Kind::Bcrypt { cost: 12 });
        let users = BTreeMap::from([(weak, 1), (strong, 3)]);
        let decoys = Decoys::forge(&DecoySeed::new([7; 32]), &users);
        let seen = choose(&decoys, 10_000);
        assert!((2_200..2_800).contains(&seen[&weak]), "{seen:?}");
        assert_eq!(seen[&weak] + seen[&strong], 10_000);
    }

    #[test]
    fn no_users() {
        let decoys = Decoys::forge(&DecoySeed::new([7; 32]), &BTreeMap::new());
        assert_eq!(
            choose(&decoys, 10),
            BTreeMap::from([(Kind::Bcrypt { cost: 10 }, 10)])
        );
    }

    #[test]
    fn the_same_across_reloads_and_different_across_processes() {
        let users = BTreeMap::from([(Kind::Bcrypt { cost: 4 }, 2)]);
        let seed = DecoySeed::new([7; 32]);
        let (first, second) = (Decoys::forge(&seed, &users), Decoys::forge(&seed, &users));
        let other = Decoys::forge(&DecoySeed::new([8; 32]), &users);
        assert!(first.choose(b"eve") == second.choose(b"eve"));
        assert!(first.choose(b"eve") != other.choose(b"eve"));
    }

    #[test]
    fn a_decoy_is_computed_and_matches_nothing() {
        let users = BTreeMap::from([(Kind::Bcrypt { cost: 4 }, 2)]);
        let decoys = Decoys::forge(&DecoySeed::new([7; 32]), &users);
        for password in [&b""[..], b"secret", b"\0"] {
            assert!(!decoys.choose(b"eve").matches(password));
        }
    }
}
