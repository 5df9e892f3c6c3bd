//! What comes to one rank's feed: see `phalanx_fuzz::feed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::feed::run(data));
