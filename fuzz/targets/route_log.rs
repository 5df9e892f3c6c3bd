//! The log of a balancer: see `phalanx_fuzz::route_log`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::route_log::run(data));
