//! Room for many bytes at once.
//!
//! The kernel gives memory out by pages of 4 KiB, each at its first touch, which for an index is dozens of times: as
//! dear as all that is done with it. It gives out several pages at once to who asks. For a very large index that is
//! not done: how much of its room will be touched, only the content tells.

use std::ops::RangeInclusive;

use crate::privsep;

/// For how many bytes asking saves more than it costs, and nobody misses what was taken too early.
const WORTH_ASKING: RangeInclusive<usize> = 64 << 10..=4 << 20;

/// So many zeros.
pub(crate) fn zeros(size: usize) -> Vec<u8> {
    let mut zeros = vec![0; size];
    furnish(&mut zeros);
    zeros
}

/// Asks for the pages behind all the room that a vector has: it is about to be filled.
pub(crate) fn furnish(room: &mut Vec<u8>) {
    if WORTH_ASKING.contains(&room.capacity()) {
        privsep::populate(room);
    }
}
