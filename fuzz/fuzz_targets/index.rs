//! Feeds `epcache::index`; see `index_checks.rs` for what must hold.

#![no_main]

#[path = "../index_checks.rs"]
mod index_checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| index_checks::index(input));
