//! The vectors of the specification: what they are made of, and what readers have to say of them.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test uses a part of it"
)]

mod cases;
mod expected;
mod lies;
mod rust;

use super::{index_checks, index_support};

pub use cases::{Case, cases};
pub use expected::{expected, text};
pub use lies::{Found, Lie, lies};
pub use rust::of_rust;
