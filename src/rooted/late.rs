//! File systems that answer late: each question goes to another machine or another process, and comes back.

use std::os::fd::AsFd;

use nix::sys::statfs::{
    AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, FUSE_SUPER_MAGIC, FsType, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
    fstatfs,
};

/// Numbers of linux/magic.h and of file systems that are not part of Linux, as `statfs(2)` has them: Ceph, CIFS,
/// SMB2, 9P, GPFS, Lustre.
const OTHERS: [u32; 6] = [
    0x00c3_6400,
    0xff53_4d42,
    0xfe53_4d42,
    0x0102_1997,
    0x4750_4653,
    0x0bd0_0bd0,
];

/// Whether what lies here is on such a file system.
pub(super) fn answers_late(fd: impl AsFd) -> bool {
    let known = [
        NFS_SUPER_MAGIC,
        FUSE_SUPER_MAGIC,
        SMB_SUPER_MAGIC,
        AFS_SUPER_MAGIC,
        CODA_SUPER_MAGIC,
    ];
    fstatfs(fd).is_ok_and(|stat| {
        let FsType(number) = stat.filesystem_type();
        // Its type, and whether it has a sign, differ between architectures.
        known.contains(&FsType(number)) || OTHERS.contains(&(number as u32))
    })
}
