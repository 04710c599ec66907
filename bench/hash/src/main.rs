//! `hash-bench SUBJECT COST COUNT` computes as many bcrypt hashes. bench/hash/run.py measures it
//! from outside.

mod others;

use std::hint::black_box;

const SALT: [u8; 16] = [7; 16];
const KEY: &[u8] = b"correct horse\0";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, cost, count] = arguments.as_slice() else {
        panic!("usage: hash-bench SUBJECT COST COUNT")
    };
    let hash: fn(u8) -> [u8; 24] = match subject.as_str() {
        "htgate" => |cost| htgate_bcrypt::bcrypt(cost, &SALT, black_box(KEY)),
        "bcrypt" => |cost| bcrypt::bcrypt(cost.into(), SALT, black_box(KEY)),
        "blowfish" => |cost| others::on_blowfish(cost, &SALT, black_box(KEY)),
        _ => panic!("no subject {subject}"),
    };
    assert_eq!(hash(4), htgate_bcrypt::bcrypt(4, &SALT, KEY), "they agree");
    let (cost, count): (u8, u32) = (cost.parse().unwrap(), count.parse().unwrap());
    for _ in 0..count {
        black_box(hash(black_box(cost)));
    }
}
