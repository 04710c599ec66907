#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| htgate::properties::token(data));
