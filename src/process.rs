//! What the kernel reports about this process in the files below /proc/self.
//!
//! The input is a file name, the output is its content. In a tree that is being built, /proc may
//! contain any file: a FIFO that blocks an open, or false content. So a file is read only if the
//! file system there is the kernel's.

use std::fs::File;
use std::io::{self, Read};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, fstatfs};

/// `PROC_SUPER_MAGIC` of linux/magic.h
pub(crate) const PROC: u32 = 0x9fa0;

/// In bytes. The rest is not read.
const LIMIT: u64 = 1 << 16;

/// The content of a file in /proc/self.
///
/// # Errors
/// Those of opening and reading it; [`io::ErrorKind::Unsupported`] if /proc is not the kernel's.
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

/// The same as [`read`], as text. Empty if it cannot be read.
pub(crate) fn text(name: &str) -> String {
    String::from_utf8(read(name).unwrap_or_default()).unwrap_or_default()
}

/// Whether a file system is the kernel's view of processes.
pub(crate) fn is_proc(FsType(number): FsType) -> bool {
    // Its width and sign differ between architectures.
    number as u32 == PROC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernels_own_files_are_read() {
        assert!(text("status").contains("Uid:"));
        assert!(read("no such file").is_err());
        // A link, which none of the files that epcache reads is.
        assert!(read("exe").is_err());
    }
}
