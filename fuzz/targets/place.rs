//! A cluster and gangs in YAML: see `phalanx_fuzz::place`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::place::run(data));
