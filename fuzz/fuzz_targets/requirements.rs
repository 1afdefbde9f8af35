//! Feeds `epcache::metadata::requirements`; see `checks.rs` for what must hold.

#![no_main]

#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| checks::requirements(input));
