//! Feeds `epcache::privsep::frames` and `epcache::worker::Reception`; see `frame_checks.rs` for
//! what must hold.

#![no_main]

#[path = "../frame_checks.rs"]
mod frame_checks;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    frame_checks::frames(input);
});
