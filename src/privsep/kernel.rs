//! The thin layer that wraps the kernel: what no safe crate has, one function a call.
//!
//! Everything `unsafe` of epcache is in this file. The system calls that change who this process is are made
//! raw: a library that stands in for libc (fakeroot) would say yes to them and do nothing, and
//! libc itself would take the ids of all threads along by signals, of which there are none yet.

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

// On 32-bit architectures that are old enough, the calls of these names take ids of 16 bits.
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

/// An id that is to stay as it is.
const KEEP: c_uint = c_uint::MAX;

fn done(result: c_long) -> nix::Result<()> {
    Errno::result(result).map(drop)
}

/// A child that is a copy of this process.
///
/// # Errors
/// Those of `fork(2)`.
pub(super) fn split() -> nix::Result<ForkResult> {
    // SAFETY: what a forked child of a process with several threads may call is limited; the program
    // has one thread here. (In a test harness, which has more, glibc keeps its allocator usable.)
    unsafe { fork() }
}

/// An ended child stays until it is waited for, whatever whoever started this process has arranged: its number
/// is nobody else's until then.
pub(super) fn keep_ended_children() {
    // SAFETY: the default is no function of this process.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
}

/// A file that grows beyond a limit is an error like a full disk, and does not end this process.
pub(super) fn survive_file_size_limit() {
    // SAFETY: to ignore a signal is no function of this process.
    let _ = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
}

/// A descriptor that can be waited on (`poll`) until that process has ended.
///
/// # Errors
/// Those of `pidfd_open(2)`: ENOSYS before Linux 5.3.
pub(super) fn watch(process: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, process.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Ends this process at once: no destructors, and nothing that the parent has buffered is written twice.
pub(super) fn leave(status: c_int) -> ! {
    // SAFETY: takes a number, and does not come back.
    unsafe { libc::_exit(status) }
}

/// Gives up all supplementary groups.
pub(super) fn drop_groups() -> nix::Result<()> {
    // SAFETY: a list of no groups is not looked at.
    done(unsafe { libc::syscall(SYS_SETGROUPS, 0usize, std::ptr::null::<libc::gid_t>()) })
}

/// Sets the real, effective and saved group.
pub(super) fn set_group(gid: c_uint) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::syscall(SYS_SETRESGID, gid, gid, gid) })
}

/// Sets the real, effective and saved user.
pub(super) fn set_user(uid: c_uint) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::syscall(SYS_SETRESUID, uid, uid, uid) })
}

/// Sets the saved user alone: whether the kernel would let this process be that user.
pub(super) fn try_user(uid: c_uint) -> nix::Result<()> {
    // SAFETY: takes numbers only.
    done(unsafe { libc::syscall(SYS_SETRESUID, KEEP, KEEP, uid) })
}

/// The real, effective and saved user, as the kernel has them.
pub(super) fn users() -> nix::Result<[c_uint; 3]> {
    three_ids(SYS_GETRESUID)
}

/// The real, effective and saved group, as the kernel has them.
pub(super) fn groups() -> nix::Result<[c_uint; 3]> {
    three_ids(SYS_GETRESGID)
}

fn three_ids(call: c_long) -> nix::Result<[c_uint; 3]> {
    let mut ids: [c_uint; 3] = [0; 3];
    let [real, effective, saved] = &mut ids;
    // SAFETY: three pointers to numbers that outlive the call.
    let result =
        unsafe { libc::syscall(call, &raw mut *real, &raw mut *effective, &raw mut *saved) };
    done(result)?;
    Ok(ids)
}

/// How many supplementary groups this process is in.
pub(super) fn supplementary_groups() -> nix::Result<c_long> {
    // SAFETY: a list that has room for nothing is not written to.
    Errno::result(unsafe { libc::syscall(SYS_GETGROUPS, 0usize, std::ptr::null::<libc::gid_t>()) })
}

/// What `capset(2)` is told.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// One half of the capabilities: the 64 of them travel as two times 32.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityHalf {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Keeps these capabilities (bits by their numbers) and no others, where this process has them.
pub(super) fn keep_capabilities(kept: u64) -> nix::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: the kernel reads one header and fills in two halves, which outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) })?;
    for (half, kept) in halves.iter_mut().zip([kept as u32, (kept >> 32) as u32]) {
        half.permitted &= kept;
        half.effective = half.permitted;
        half.inheritable = 0;
    }
    // SAFETY: the kernel reads one header and two halves, which outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) })
}

/// Whether this process has no capability left.
pub(super) fn has_no_capability() -> nix::Result<bool> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION,
        pid: 0,
    };
    let mut halves = [CapabilityHalf::default(); 2];
    // SAFETY: the kernel reads one header and fills in two halves, which outlive the call.
    done(unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) })?;
    Ok(halves
        .iter()
        .all(|half| half.effective | half.permitted | half.inheritable == 0))
}

fn prctl(option: c_int, argument: c_ulong) -> nix::Result<()> {
    // SAFETY: all of the options used here take numbers, and ignore those that are zero.
    let result = unsafe { libc::prctl(option, argument, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
    done(result.into())
}

/// Takes every capability out of the bounding set: no program that is executed could gain it.
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

/// Neither execve nor anything else gives this process new rights from now on.
pub(super) fn set_no_new_privileges() -> nix::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Nobody of the same user may look into this process, and it leaves no core file.
pub(super) fn set_undumpable() -> nix::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// The kernel ends this process when its parent ends.
pub(super) fn end_with_parent() -> nix::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as c_ulong)
}

/// No memory that could be written becomes code (Linux 6.3).
pub(super) fn refuse_new_code() -> nix::Result<()> {
    const PR_SET_MDWE: c_int = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: c_ulong = 1;
    prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)
}

/// Empties the environment, and the memory that it was in.
pub(super) fn clear_environment() {
    // SAFETY: there is one thread; `environ` is a list of strings that ends with a null pointer, each
    // of them memory of this process up to its NUL. Nothing has kept a pointer into it: Rust's standard
    // library copies what it hands out.
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

/// Closes every descriptor from 3 on but these, which are sorted.
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
    // SAFETY: what is closed belongs to nobody any more: this is a child that never returns to the
    // code which owns the descriptors, and ends without running their destructors.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // Linux before 5.9, or a filter that does not know the call. Descriptors may be beyond a limit
    // that was lowered since.
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.filter(|fd| (first..=last).contains(fd)).collect()
    });
    let open: Vec<RawFd> = listed.unwrap_or_else(|_| {
        // SAFETY: asks for a number.
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
    // SAFETY: as in `close_range`; 0 to 2 are never closed, only replaced.
    done(unsafe { libc::dup2(source.as_raw_fd(), fd) }.into())
}

/// Filters the system calls of all threads of this process. `no_new_privs` must be set.
///
/// # Errors
/// Those of `seccomp(2)`: EINVAL or ENOSYS where the kernel has no filters.
pub(super) fn filter_system_calls(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let length = program.len().try_into().map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program, which outlives the call, and checks it.
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
        thread if thread > 0 => Err(io::Error::other("a thread that cannot be filtered")),
        _ => Err(io::Error::last_os_error()),
    }
}
