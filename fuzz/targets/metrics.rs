//! An engine's page of metrics: see `phalanx_fuzz::metrics`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::metrics::run(data));
