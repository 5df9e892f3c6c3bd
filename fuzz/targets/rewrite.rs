//! The body of a request to the gateway: see `phalanx_fuzz::rewrite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::rewrite::run(data));
