//! A body whose prompt is to be tokens: see `phalanx_fuzz::prompt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::prompt::run(data));
