//! `sign-bench ALGORITHM KEY LENGTH COUNT` signs a message of so many bytes so many times, with a
//! key in PKCS#8 form (DER). bench/parts/token.py measures it from outside.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [algorithm, key, length, count] = arguments.as_slice() else {
        panic!("usage: sign-bench ALGORITHM KEY LENGTH COUNT")
    };
    let key = std::fs::read(key).unwrap();
    let message = vec![b'x'; length.parse().unwrap()];
    let count: u32 = count.parse().unwrap();
    let random = SystemRandom::new();
    match algorithm.as_str() {
        "ES256" => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key).unwrap();
            for _ in 0..count {
                black_box(pair.sign(&random, black_box(&message)).unwrap());
            }
        }
        "RS256" => {
            let pair = rsa::KeyPair::from_pkcs8(&key).unwrap();
            let mut signature = vec![0; pair.public_modulus_len()];
            for _ in 0..count {
                pair.sign(&RSA_PKCS1_SHA256, &random, black_box(&message), &mut signature)
                    .unwrap();
                black_box(&signature);
            }
        }
        _ => panic!("no algorithm {algorithm}"),
    }
}
