//! The function behind bcrypt: Blowfish with its expensive key schedule (Provos and Mazières,
//! «A Future-Adaptable Password Scheme», 1999). In safe Rust, and as fast as libxcrypt's C; how
//! that is measured, and what else there is, stands in bench/hash/README.md.

mod pi;

use std::array;
use std::hint::black_box;

use zeroize::Zeroize;

/// 2^cost rounds over a key of at least one byte, which is repeated as far as it must reach.
pub fn bcrypt(cost: u8, salt: &[u8; 16], key: &[u8]) -> [u8; 24] {
    bcrypt_with_pauses(cost, salt, key, &|| ())
}

/// The same, with a `pause` after each round.
pub fn bcrypt_with_pauses(cost: u8, salt: &[u8; 16], key: &[u8], pause: &dyn Fn()) -> [u8; 24] {
    let mut key = repeat(key);
    let salt = repeat(salt);
    let mut state = Blowfish {
        keys: pi::KEYS,
        boxes: pi::BOXES,
    };
    state.expand_with_salt(&key, &salt);
    for _ in 0..1_u64 << cost {
        state.expand(&key);
        state.expand(&salt);
        pause();
    }
    key.zeroize();

    let mut digest = [0; 24];
    for (digest, text) in digest.chunks_exact_mut(8).zip(TEXT) {
        let (left, right) = (0..64).fold(text, |block, _| state.encrypt(block));
        for (to, from) in digest
            .iter_mut()
            .zip(left.to_be_bytes().into_iter().chain(right.to_be_bytes()))
        {
            *to = from;
        }
    }
    digest
}

/// «OrpheanBeholderScryDoubt», which is encrypted in the end.
const TEXT: [(u32, u32); 3] = [
    (0x4f72_7068, 0x6561_6e42),
    (0x6568_6f6c, 0x6465_7253),
    (0x6372_7944, 0x6f75_6274),
];

const KEYS: usize = 18;

/// Derived from the password, and wiped like it.
struct Blowfish {
    keys: [u32; KEYS],
    boxes: [[u32; 256]; 4],
}

impl Drop for Blowfish {
    fn drop(&mut self) {
        self.keys.zeroize();
        self.boxes.zeroize();
    }
}

impl Blowfish {
    // One copy for key and salt: it is the whole time, and fits the cache of instructions.
    #[inline(never)]
    fn expand(&mut self, key: &[u32; KEYS]) {
        self.mix(key);
        self.refill(|| (0, 0));
    }

    fn expand_with_salt(&mut self, key: &[u32; KEYS], salt: &[u32; KEYS]) {
        self.mix(key);
        let [a, b, c, d, ..] = *salt;
        let mut halves = [(a, b), (c, d)].into_iter().cycle();
        self.refill(|| halves.next().unwrap_or_default());
    }

    fn mix(&mut self, key: &[u32; KEYS]) {
        for (own, other) in self.keys.iter_mut().zip(key) {
            *own ^= other;
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "fixed ranges of fixed arrays; an iterator would borrow what encrypt reads"
    )]
    #[inline(always)]
    fn refill(&mut self, mut salt: impl FnMut() -> (u32, u32)) {
        let mut block = (0, 0);
        let mut next = |state: &Self| {
            let (left, right) = salt();
            block = state.encrypt((block.0 ^ left, block.1 ^ right));
            block
        };
        for at in 0..KEYS / 2 {
            (self.keys[2 * at], self.keys[2 * at + 1]) = next(self);
        }
        for one in 0..4 {
            for at in 0..128 {
                (self.boxes[one][2 * at], self.boxes[one][2 * at + 1]) = next(self);
            }
        }
    }

    #[inline(always)]
    fn encrypt(&self, (mut left, mut right): (u32, u32)) -> (u32, u32) {
        let [first, keys @ .., last] = &self.keys;
        let mut used = 0;
        left ^= first;
        for pair in keys.chunks_exact(2) {
            let &[one, two] = pair else { break };
            // The next round waits for the substitution, not for this xor, as long as it comes
            // first. A value that is used once the compiler may put behind: it costs 8 %.
            let keyed = right ^ one;
            used |= keyed;
            right = keyed ^ self.substitute(left);
            let keyed = left ^ two;
            used |= keyed;
            left = keyed ^ self.substitute(right);
        }
        black_box(used);
        (right ^ last, left)
    }

    #[expect(clippy::indexing_slicing, reason = "a byte is an index of 256 words")]
    #[inline(always)]
    fn substitute(&self, half: u32) -> u32 {
        // Shifts and not to_be_bytes, which would swap the bytes first.
        let byte = |shift: u32| usize::from((half >> shift) as u8);
        let [first, second, third, fourth] = &self.boxes;
        (first[byte(24)].wrapping_add(second[byte(16)]) ^ third[byte(8)])
            .wrapping_add(fourth[byte(0)])
    }
}

/// The bytes as big-endian words, over and over.
fn repeat(bytes: &[u8]) -> [u32; KEYS] {
    let mut bytes = bytes.iter().cycle();
    array::from_fn(|_| {
        bytes
            .by_ref()
            .take(4)
            .fold(0, |word, byte| word << 8 | u32::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Another implementation, by other people.
        #[test]
        fn agrees_with_the_bcrypt_crate(
            cost in 4_u8..7, salt: [u8; 16], key in proptest::collection::vec(any::<u8>(), 1..=72),
        ) {
            prop_assert_eq!(
                bcrypt(cost, &salt, &key),
                ::bcrypt::bcrypt(cost.into(), salt, &key)
            );
        }
    }
}
