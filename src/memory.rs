//! Room for millions of bytes at once.
//!
//! The kernel gives memory out by pages of 4 KiB, each at its first touch, which for an index of a large
//! system is thousands of times: as dear as all that is done with it. Pages of 2 MiB are given out at once.
//! Many systems do so by themselves, others to who asks.

use crate::privsep;

/// Below so many bytes there is hardly a large page in it.
const WORTH_ASKING: usize = 4 << 20;

/// So many zeros, of which none takes memory before it is touched.
pub(crate) fn zeros(size: usize) -> Vec<u8> {
    let mut zeros = vec![0; size];
    prefer_large_pages(&mut zeros);
    zeros
}

/// Asks for large pages behind all the room that a vector has.
pub(crate) fn prefer_large_pages(room: &mut Vec<u8>) {
    if room.capacity() >= WORTH_ASKING {
        privsep::prefer_large_pages(room);
    }
}
