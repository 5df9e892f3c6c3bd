//! Bytes as a snapshot of a fleet index: see `phalanx_fuzz::snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::snapshot::run(data));
