//! Operations on an inventory: see `phalanx_fuzz::inventory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::inventory::run(data));
