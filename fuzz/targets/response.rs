//! An engine's response: see `phalanx_fuzz::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::response::run(data));
