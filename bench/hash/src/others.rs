//! bcrypt on top of RustCrypto's block cipher, without the crate between them.

use ::blowfish::Blowfish;

pub fn on_blowfish(cost: u8, salt: &[u8; 16], key: &[u8]) -> [u8; 24] {
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, key);
    for _ in 0..1_u64 << cost {
        state.bc_expand_key(key);
        state.bc_expand_key(salt);
    }
    let mut digest = *b"OrpheanBeholderScryDoubt";
    for block in digest.chunks_exact_mut(8) {
        let (left, right) = block.split_at_mut(4);
        let word = |half: &[u8]| half.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        let start = [word(left), word(right)];
        let [l, r] = (0..64).fold(start, |halves, _| state.bc_encrypt(halves));
        left.copy_from_slice(&l.to_be_bytes());
        right.copy_from_slice(&r.to_be_bytes());
    }
    digest
}
