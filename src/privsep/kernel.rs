//! A thin layer over the kernel, for system calls that no safe crate offers: one function for each.
//!
//! All `unsafe` code of epcache is in this file. It makes the system calls that change the user
//! directly. A library that replaces libc (fakeroot) would report success and do nothing, and libc
//! would send signals to change the user of all threads, of which there are none yet.

#![allow(
    unsafe_code,
    reason = "system calls that no safe wrapper makes the way they are needed here"
)]

use std::ffi::{c_int, c_long, c_uint, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, Pid, fork};

// On old 32-bit architectures, the calls with these names take IDs of 16 bits.
#[cfg(not(any(
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "m68k",
    target_arch = "sparc"
)))]
use libc::{
    SYS_getgroups as SYS_GETGROUPS, SYS_getresgid as SYS_GETRESGID, SYS_getresuid as SYS_GETRESUID,
    SYS_setgroups as SYS_SETGROUPS, SYS_setresgid as SYS_SETRESGID, SYS_setresuid as SYS_SETRESUID,
};
#[cfg(any(
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "m68k",
    target_arch = "sparc"
))]
use libc::{
    SYS_getgroups32 as SYS_GETGROUPS, SYS_getresgid32 as SYS_GETRESGID,
    SYS_getresuid32 as SYS_GETRESUID, SYS_setgroups32 as SYS_SETGROUPS,
    SYS_setresgid32 as SYS_SETRESGID, SYS_setresuid32 as SYS_SETRESUID,
};

/// Leaves an ID unchanged.
const KEEP: c_uint = c_uint::MAX;

fn done(result: c_long) -> nix::Result<()> {
    Errno::result(result).map(drop)
}

/// A child that is a copy of this process.
///
/// # Errors
/// Those of `fork(2)`.
pub(super) fn split() -> nix::Result<ForkResult> {
    // SAFETY: a forked child of a process with several threads may call only certain functions. The
    // program has one thread here. (A test harness has more, but glibc keeps its allocator usable.)
    unsafe { fork() }
}

/// Resets SIGCHLD, so that an ended child stays until it is waited for, and its number is not used
/// again before.
pub(super) fn keep_ended_children() {
    // SAFETY: the default action is not a function of this process.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// Makes a file that exceeds the size limit an error, instead of ending this process.
pub(super) fn survive_file_size_limit() {
    // SAFETY: ignoring a signal calls no function of this process.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

/// A descriptor to `poll` on until that process has ended.
///
/// # Errors
/// Those of `pidfd_open(2)`: ENOSYS before Linux 5.3.
pub(super) fn watch(process: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: only passes numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just created it, and no other code owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ends this process at once. No destructors run, and no buffer that was copied from the parent is
/// written twice.
pub(super) fn leave(status: c_int) -> ! {
    // SAFETY: passes a number, and does not return.
    unsafe { libc::_exit(status) }
}

/// Gives up all supplementary groups.
pub(super) fn drop_groups() -> nix::Result<()> {
    // SAFETY: the kernel does not read a list of no groups.
    done(unsafe { libc::syscall(SYS_SETGROUPS, 0usize, std::ptr::null::<libc::gid_t>()) })
}

/// Sets the real, effective and saved group.
pub(super) fn set_group(gid: c_uint) -> nix::Result<()> {
    // SAFETY: only passes numbers.
    done(unsafe { libc::syscall(SYS_SETRESGID, gid, gid, gid) })
}

/// Sets the real, effective and saved user.
pub(super) fn set_user(uid: c_uint) -> nix::Result<()> {
    // SAFETY: only passes numbers.
    done(unsafe { libc::syscall(SYS_SETRESUID, uid, uid, uid) })
}

/// Sets only the saved user, to see whether the kernel would let this process be that user.
pub(super) fn try_user(uid: c_uint) -> nix::Result<()> {
    // SAFETY: only passes numbers.
    done(unsafe { libc::syscall(SYS_SETRESUID, KEEP, KEEP, uid) })
}

/// The real, effective and saved user in the kernel.
pub(super) fn users() -> nix::Result<[c_uint; 3]> {
    three_ids(SYS_GETRESUID)
}

/// The real, effective and saved group in the kernel.
pub(super) fn groups() -> nix::Result<[c_uint; 3]> {
    three_ids(SYS_GETRESGID)
}

fn three_ids(call: c_long) -> nix::Result<[c_uint; 3]> {
    let mut ids: [c_uint; 3] = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: passes three pointers to numbers that outlive the call.
    let result =
        unsafe { libc::syscall(call, &raw mut *real, &raw mut *effective, &raw mut *saved) };
    done(result)?;
    Ok(ids)
}

/// The number of supplementary groups of this process.
pub(super) fn supplementary_groups() -> nix::Result<c_long> {
    // SAFETY: the kernel does not write to a list with no room.
    Errno::result(unsafe { libc::syscall(SYS_GETGROUPS, 0usize, std::ptr::null::<libc::gid_t>()) })
}

/// The first argument of `capset(2)`.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// Half of the capabilities: the kernel passes 64 bits as two times 32.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Keeps only these capabilities (bits by their numbers), as far as this process has them.
pub(super) fn keep_capabilities(kept: u64) -> nix::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: the kernel reads one header and writes two halves. All outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) })?;
    for (half, kept) in halves.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        half.permitted &= kept;
        half.effective = half.permitted;
        half.inheritable = 0;
    }
    // SAFETY: the kernel reads one header and two halves. All outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) })
}

/// Whether this process has no capability left.
pub(super) fn has_no_capability() -> nix::Result<bool> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: the kernel reads one header and writes two halves. All outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) })?;
    Ok(halves
        .iter()
        .all(|half| half.effective | half.permitted | half.inheritable == 0))
}

fn prctl(option: c_int, argument: c_ulong) -> nix::Result<()> {
    // SAFETY: all options used here take numbers, and ignore the zeros.
    let result = unsafe { libc::prctl(option, argument, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
    done(result.into())
}

/// Removes every capability from the bounding set, so that no executed program can gain it.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub(super) fn empty_bounding_set() -> nix::Result<()> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Err(Errno::EINVAL) => break, // the kernel has no more
            other => other?,
        }
    }
    Ok(())
}

/// From now on this process gains no new rights, by execve or otherwise.
pub(super) fn set_no_new_privileges() -> nix::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// No process of the same user may trace this one, and it writes no core file.
pub(super) fn set_undumpable() -> nix::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// The kernel ends this process when its parent ends.
pub(super) fn end_with_parent() -> nix::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)
}

/// Memory that was writable cannot become executable (Linux 6.3).
pub(super) fn refuse_new_code() -> nix::Result<()> {
    const PR_SET_MDWE: c_int = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: c_ulong = 1;
    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
}

/// Empties the environment, and the memory that it was in.
pub(super) fn clear_environment() {
    // SAFETY: there is one thread. `environ` is a list of strings that ends with a null pointer.
    // Each string is memory of this process up to its NUL. No code keeps a pointer into it: Rust's
    // standard library copies what it returns.
    unsafe {
        unsafe extern "C" {
            static mut environ: *mut *mut std::ffi::c_char;
        }
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            libc::memset((*entry).cast(), 0, libc::strlen(*entry));
            entry = entry.add(1);
        }
        libc::clearenv();
    }
}

/// Closes every descriptor from 3 on except these, which are sorted.
pub(super) fn close_all_but(kept: &[RawFd]) {
    let mut first: RawFd = 3;
    for &fd in kept {
        if fd > first {
            close_range(first, fd - 1);
        }
        first = first.max(fd + 1);
    }
    close_range(first, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    // SAFETY: no code uses the closed descriptors any more. This is a child that never returns to
    // the code that owns them, and it ends without running destructors.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Linux before 5.9, or a system-call filter that does not know the call. A descriptor may be
    // higher than a limit that was lowered later.
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.filter(|fd| (first..=last).contains(fd)).collect()
    });
    let open: Vec<RawFd> = listed.unwrap_or_else(|_| {
        // SAFETY: returns a number.
        let most = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) }.clamp(256, 1 << 16);
        (first..=last.min(RawFd::try_from(most).unwrap_or(last))).collect()
    });
    for fd in open {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// Makes `fd` a copy of `source`.
pub(super) fn duplicate_to(source: BorrowedFd<'_>, fd: RawFd) -> nix::Result<()> {
    // SAFETY: as in `close_range`. Descriptors 0 to 2 are never closed, only replaced.
    done(unsafe { libc::dup2(source.as_raw_fd(), fd) }.into())
}

/// Filters the system calls of all threads of this process. `no_new_privs` must be set.
///
/// # Errors
/// Those of `seccomp(2)`: EINVAL or ENOSYS if the kernel has no filters.
pub(super) fn filter_system_calls(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = program.len().try_into().map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel copies and checks the program, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        thread if thread > 0 => Err(io::Error::other("a thread cannot be filtered")),
        _ => Err(io::Error::last_os_error()),
    }
}
