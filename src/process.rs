//! What the kernel says of this process, in the files below /proc/self.
//!
//! In a tree that is made elsewhere anything may lie there: a FIFO that blocks whoever opens it, a file
//! that lies. So they are read only where the file system is the kernel's own.

use std::fs::File;
use std::io::{self, Read};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, fstatfs};

/// `PROC_SUPER_MAGIC` of linux/magic.h
pub(crate) const PROC: u32 = 0x9fa0;

/// More is not read, in bytes.
const LIMIT: u64 = 1 << 16;

/// The content of a file in /proc/self.
///
/// # Errors
/// Those of opening and reading it; [`io::ErrorKind::Unsupported`] where /proc is not the kernel's.
pub(crate) fn read(name: &str) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let own = open("/proc/self", flags, Mode::empty())?;
    if !is_proc(fstatfs(&own)?.filesystem_type()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = File::from(openat(&own, name, flags, Mode::empty())?);
    let mut content = Vec::new();
    file.take(LIMIT).read_to_end(&mut content)?;
    Ok(content)
}

/// As [`read`], as text; empty where it cannot be had.
pub(crate) fn text(name: &str) -> String {
    String::from_utf8(read(name).unwrap_or_default()).unwrap_or_default()
}

/// Whether a file system is the kernel's view of processes.
pub(crate) fn is_proc(FsType(number): FsType) -> bool {
    // How wide it is, and whether it has a sign, differs between architectures.
    number as u32 == PROC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_own_files_are_read_and_no_others() {
        assert!(text("status").contains("Uid:"));
        assert!(read("no such file").is_err());
        // A link, which a file of ours is not.
        assert!(read("exe").is_err());
    }
}
