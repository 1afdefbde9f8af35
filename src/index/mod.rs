//! The index: the published file, with one record for each search directory.
//!
//! The input is the bytes of a [`Source`], or encoded records. The output is answers from an index,
//! or the bytes of one. [`Index`] reads, [`verify()`] checks every byte, [`mod@write`] makes bytes
//! from records. `docs/specification` specifies the format; [`mod@format`] has its numbers, and
//! only `rows` knows the position of each in a row. This room does not know where bytes come from
//! or go to. No bytes can make a reader panic, loop, or allocate more than the length of the file.
//!
//! From the bottom to the top: `format`, `stamp`; `rows`; `source`; `body` (checked bytes, and rows
//! among them); `view`; `record`; `read`, `verify`, `rule`; `draft`, `encode`, `write`.

mod body;
mod draft;
mod encode;
pub mod format;
mod read;
mod record;
mod rows;
mod rule;
mod source;
mod stamp;
mod verify;
mod view;
pub mod write;

pub use draft::{DistributionDraft, Drafts, EntryDraft, EntryList};
pub use encode::EncodedRecord;
pub use read::Index;
pub use record::Record;
pub use rule::Rule;
pub use source::{Damage, Source};
pub use stamp::Stamp;
pub use verify::verify;
pub use view::{Distribution, Entry, FileFacts, Group, ImportName, Outline, Requirements};

#[cfg(test)]
mod tests;
