//! Operations on a balancer: see `phalanx_fuzz::route_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::route_ops::run(data));
