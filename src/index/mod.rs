//! The index: the published file, one record per search directory.
//!
//! [`Index`] answers from the bytes of any [`Source`], [`verify()`] checks every byte, [`mod@write`]
//! turns records into bytes. The format is specified in `docs/specification`; [`mod@format`] has its
//! numbers, and `rows` alone knows where in a row each of them lies. Nothing here knows where the
//! bytes come from or go to, and nothing that the bytes can say makes a reader panic, loop, or
//! allocate more than the file is long.
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
