//! Hashes of no password, for names that are no user's: whoever asks for an unknown name pays
//! what a user of this very file would cost.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use super::crypt64::Salt;
use super::{Bcrypt, Kind, LdapSha, Md5Crypt, PasswordHash, Plain, ShaCrypt, WEAK_BCRYPT_COST};

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

    /// A hash of the given kind. Its digest is pseudo-random, so no password is known to match,
    /// and it cannot be malformed, for it is made from parts and not from text.
    fn forge(&self, kind: Kind) -> PasswordHash {
        let mut random = blake3::Hasher::new_keyed(&self.key)
            .update(format!("{kind:?}").as_bytes())
            .finalize_xof();
        match kind {
            Kind::Bcrypt { cost } => {
                let salt = draw(&mut random);
                PasswordHash::Bcrypt(Bcrypt::from_parts(cost, salt, draw(&mut random)))
            }
            Kind::Apr1 { salt } => PasswordHash::Apr1(forge_md5_crypt(&mut random, salt)),
            Kind::Md5Crypt { salt } => PasswordHash::Md5Crypt(forge_md5_crypt(&mut random, salt)),
            Kind::Sha256Crypt { rounds, salt } => {
                PasswordHash::Sha256Crypt(Box::new(forge_sha_crypt(&mut random, rounds, salt)))
            }
            Kind::Sha512Crypt { rounds, salt } => {
                PasswordHash::Sha512Crypt(Box::new(forge_sha_crypt(&mut random, rounds, salt)))
            }
            Kind::Sha => PasswordHash::Sha(LdapSha::from_parts(draw(&mut random), &[])),
            Kind::SaltedSha => {
                let salt: [u8; 8] = draw(&mut random);
                PasswordHash::SaltedSha(LdapSha::from_parts(draw(&mut random), &salt))
            }
            Kind::Plain => PasswordHash::Plain(Plain::from_parts(draw(&mut random))),
        }
    }
}

fn draw<const N: usize>(random: &mut blake3::OutputReader) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn draw_salt<const N: usize>(random: &mut blake3::OutputReader, length: u8) -> Salt<N> {
    Salt::new(draw::<N>(random).into_iter().take(length.into()))
}

fn forge_md5_crypt(random: &mut blake3::OutputReader, salt: u8) -> Md5Crypt {
    Md5Crypt::from_parts(draw_salt(random, salt), draw(random))
}

fn forge_sha_crypt<const N: usize>(
    random: &mut blake3::OutputReader,
    rounds: u32,
    salt: u8,
) -> ShaCrypt<N> {
    ShaCrypt::from_parts(rounds, draw_salt(random, salt), draw(random))
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
                cost: WEAK_BCRYPT_COST,
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
        let share = self
            .shares
            .partition_point(|(bound, _)| u128::from(*bound) <= place);
        self.shares
            .get(share)
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
    fn a_decoy_of_each_kind_is_that_kind_and_matches_nothing() {
        let kinds = [
            Kind::Bcrypt { cost: 4 },
            Kind::Apr1 { salt: 8 },
            Kind::Md5Crypt { salt: 3 },
            Kind::Sha256Crypt {
                rounds: 1000,
                salt: 16,
            },
            Kind::Sha512Crypt {
                rounds: 1001,
                salt: 0,
            },
            Kind::Sha,
            Kind::SaltedSha,
            Kind::Plain,
        ];
        for kind in kinds {
            let users = BTreeMap::from([(kind, 2)]);
            let decoys = Decoys::forge(&DecoySeed::new([7; 32]), &users);
            let decoy = decoys.choose(b"eve");
            assert_eq!(decoy.kind(), kind);
            for password in [&b""[..], b"secret", b"\0"] {
                assert!(!decoy.matches(password), "{kind}");
            }
        }
    }
}
