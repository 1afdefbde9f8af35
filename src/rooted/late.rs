//! Recognizes slow file systems: each question goes to another machine or process, and back.
//!
//! The input is an open file, the output is yes or no.

use std::os::fd::AsFd;

use nix::sys::statfs::{FsType, fstatfs};

/// Their numbers in `statfs(2)`: from linux/magic.h, and of file systems outside Linux.
#[rustfmt::skip]
const LATE: [u32; 11] = [
    0x6969,      // NFS
    0x6573_5546, // FUSE
    0x517b,      // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x00c3_6400, // Ceph
    0x0102_1997, // 9P
    0x5346_414f, // AFS
    0x7375_7245, // Coda
    0x4750_4653, // GPFS
    0x0bd0_0bd0, // Lustre
];

/// Whether this file is on a slow file system.
pub(super) fn answers_late(fd: impl AsFd) -> bool {
    fstatfs(fd).is_ok_and(|stat| {
        let FsType(number) = stat.filesystem_type();
        // Its width and sign differ between architectures.
        LATE.contains(&(number as u32))
    })
}
