//! The text of a policy: see `phalanx_fuzz::policy_yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phalanx_fuzz::policy_yaml::run(data));
