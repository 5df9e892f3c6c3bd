//! A cluster and a gang in notation: see `phalanx_fuzz::notation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::notation::run(data));
