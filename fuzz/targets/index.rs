//! Operations on a fleet index: see `phalanx_fuzz::index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::index::run(data));
