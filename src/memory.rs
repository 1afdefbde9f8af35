//! Room for many bytes at once.
//!
//! The kernel gives memory out by pages of 4 KiB, each at its first touch, which for an index is dozens to
//! thousands of times: as dear as all that is done with it. It gives out several pages at once to who asks: those
//! behind some room right away, or, for more, pages of 2 MiB.

use crate::privsep;

/// Below so many bytes, asking costs more than it saves.
const WORTH_ASKING: usize = 64 << 10;
/// From so many bytes on there is a large page in it. So much, and no more, is taken before it is needed.
const WORTH_A_LARGE_PAGE: usize = 4 << 20;

/// So many zeros.
pub(crate) fn zeros(size: usize) -> Vec<u8> {
    let mut zeros = vec![0; size];
    furnish(&mut zeros);
    zeros
}

/// Asks for the pages behind all the room that a vector has: it is about to be filled.
pub(crate) fn furnish(room: &mut Vec<u8>) {
    match room.capacity() {
        WORTH_A_LARGE_PAGE.. => privsep::prefer_large_pages(room),
        WORTH_ASKING.. => privsep::populate(room),
        _ => {}
    }
}
