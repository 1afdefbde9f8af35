//! Freshness, decision 6 in full: every trap gives the new answer, and no harmless change costs a warning or a read.
//! `freshness/traps.rs`, `images.rs` and `trust.rs` have the traps, `harmless.rs` the harmless changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at what it does not expect"
)]

#[path = "freshness/harmless.rs"]
mod harmless;
#[path = "freshness/images.rs"]
mod images;
#[path = "freshness/mounts.rs"]
mod mounts;
#[path = "freshness/site.rs"]
mod site;
#[path = "freshness/traps.rs"]
mod traps;
#[path = "freshness/trust.rs"]
mod trust;
