//! epcache: `updatedb` and `locate` for Python entry points.
//!
//! The rooms, in the order in which data flows. Each calls only rooms below it.

#![deny(unsafe_code)]

pub mod freshness;
pub mod index;
pub mod layout;
pub mod metadata;
pub mod rooted;
pub mod scan;
