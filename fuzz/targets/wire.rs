//! What an engine publishes: see `phalanx_fuzz::wire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::wire::run(data));
