//! Users by name. A lookup costs the same with one user or a million; so many are spread over
//! small tables, since one large one would take long to grow and to free.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState, VacantEntry};

use crate::hash::PasswordHash;

/// `None`: the name stands in the file, but its first line has no usable hash.
type Stored = Option<PasswordHash>;

/// As many tables as a power of two.
#[derive(Debug)]
pub(super) struct Tables(Box<[HashMap<Box<[u8]>, Stored>]>);

impl Tables {
    /// Room for about so many users.
    pub(super) fn with_room(users: usize) -> Self {
        let tables = (users / USERS_OF_A_TABLE + 1).next_power_of_two();
        let hasher = RandomState::new();
        let table = |_| HashMap::with_capacity_and_hasher(users / tables, hasher.clone());
        Self((0..tables).map(table).collect())
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<&PasswordHash> {
        self.0.get(self.place(name))?.get(name)?.as_ref()
    }

    /// The entry of a name that is new.
    pub(super) fn vacancy(&mut self, name: &[u8]) -> Option<VacantEntry<'_, Box<[u8]>, Stored>> {
        let place = self.place(name);
        match self.0.get_mut(place)?.entry(name.into()) {
            Entry::Vacant(vacancy) => Some(vacancy),
            Entry::Occupied(_) => None,
        }
    }

    /// Frees everything, with a `pause` now and then.
    pub(super) fn dismiss(self, pause: &dyn Fn()) {
        for table in self.0 {
            for (user, number) in table.into_iter().zip(1..) {
                drop(user);
                if number % USERS_BETWEEN_PAUSES == 0 {
                    pause();
                }
            }
            pause();
        }
    }

    /// Which table. That names can be chosen to share one does no harm: the tables' own hashes
    /// have a random key.
    fn place(&self, name: &[u8]) -> usize {
        let mix = |sum: usize, byte: &u8| sum.wrapping_mul(31).wrapping_add(usize::from(*byte));
        name.iter().fold(0, mix) & self.0.len().saturating_sub(1)
    }
}

/// About so many: a table that is filled within milliseconds.
const USERS_OF_A_TABLE: usize = 8192;
const USERS_BETWEEN_PAUSES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spread() {
        let mut tables = Tables::with_room(1_000_000);
        for number in 0..100_000 {
            let name = format!("user{number}");
            tables.vacancy(name.as_bytes()).unwrap().insert(None);
        }
        let fullest = tables.0.iter().map(HashMap::len).max().unwrap();
        assert_eq!(tables.0.len(), 128);
        assert!(fullest < 2 * 100_000 / 128, "{fullest}");
        assert!(tables.vacancy(b"user99999").is_none());
        let pauses = std::cell::Cell::new(0);
        tables.dismiss(&|| pauses.set(pauses.get() + 1));
        assert!(pauses.get() > 100_000 / USERS_BETWEEN_PAUSES);
    }

    #[test]
    fn no_room_is_room_enough() {
        let mut tables = Tables::with_room(0);
        assert!(tables.find(b"alice").is_none());
        tables.vacancy(b"alice").unwrap().insert(None);
        assert!(tables.vacancy(b"alice").is_none());
    }
}
