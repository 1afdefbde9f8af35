//! The index: the published file, one record per search directory.
//!
//! [`mod@write`] turns records into bytes, [`Index`] answers from them through any [`Source`],
//! [`verify()`] checks every byte, [`mod@old`] hands an older index's records to the next one. The format is specified in `docs/format.md`; [`mod@format`] has its
//! numbers. Nothing here knows where the bytes come from or go to, and nothing that the bytes can
//! say makes a reader panic, loop, or allocate more than the file is long.

mod arena;
mod encode;
pub mod format;
pub mod old;
mod read;
mod record;
mod rows;
pub mod splice;
mod stamp;
mod tables;
mod verify;
pub mod write;

pub use read::{Damage, Index, Source};
pub use record::Record;
pub use rows::{Distribution, Entry, Group};
pub use stamp::Stamp;
pub use verify::verify;

#[cfg(test)]
mod tests;
