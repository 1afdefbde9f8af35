//! The system calls that the worker may make: those for reading, and for writing into one pipe.
//!
//! The input is the descriptor of that pipe. The output is a program for the kernel's classic BPF
//! machine. It is generated here and not by a library: seccompiler supports three architectures,
//! libseccomp needs its C library, and a list with two kinds of condition is not more than this.
//!
//! A call that epcache never makes ends the process: execute, trace, mount, or the ABI of another
//! architecture. A call that a library may try, but does not need, fails with an errno. All other
//! calls fail with ENOSYS, as on an older kernel, so that libc uses an older call instead.

use std::ffi::c_long;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{
    self, BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, sock_filter,
};

use super::kernel;

/// Filters the system calls of this process from now on, in all of its threads.
///
/// # Errors
/// If the kernel has no such filters.
pub(super) fn restrict(pipe: BorrowedFd<'_>) -> io::Result<()> {
    kernel::filter_system_calls(&mut program(pipe.as_raw_fd(), std::process::id()))
}

/// Allowed with any arguments. `libc` makes all of these calls to read files and for memory,
/// threads and time. None changes anything that outlives the process.
#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
    // Files. (No new descriptor can be writable: see `openat` below.)
    libc::SYS_pread64, libc::SYS_read, libc::SYS_readv, libc::SYS_preadv, libc::SYS_close,
    libc::SYS_lseek, libc::SYS_statx, libc::SYS_getdents64, libc::SYS_readlinkat,
    libc::SYS_getxattr, libc::SYS_fgetxattr, libc::SYS_statfs, libc::SYS_fstatfs,
    // Memory.
    libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk,
    // Existing threads, and their end.
    libc::SYS_sched_yield, libc::SYS_sched_getaffinity, libc::SYS_set_robust_list, libc::SYS_rseq,
    libc::SYS_exit, libc::SYS_exit_group,
    // Signals, for a process that aborts.
    libc::SYS_rt_sigreturn, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Identity and time. No code expects these to fail.
    libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getuid, libc::SYS_geteuid, libc::SYS_getgid,
    libc::SYS_getegid, libc::SYS_getrandom,
];

#[cfg(not(target_arch = "riscv32"))]
#[rustfmt::skip]
const ALLOWED_BUT_ON_RISCV32: &[c_long] = &[
    libc::SYS_futex, libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep, libc::SYS_gettimeofday,
];
#[cfg(target_arch = "riscv32")]
const ALLOWED_BUT_ON_RISCV32: &[c_long] = &[];

/// Here it takes a pointer to its arguments, which a filter cannot read.
#[cfg(target_arch = "s390x")]
const ALLOWED_UNSEEN: &[c_long] = &[libc::SYS_mmap];
#[cfg(not(target_arch = "s390x"))]
const ALLOWED_UNSEEN: &[c_long] = &[];

/// Allowed unless the memory is executable, which the third argument says.
#[cfg(target_arch = "s390x")]
const MAPPING: &[c_long] = &[libc::SYS_mprotect];
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
const MAPPING: &[c_long] = &[libc::SYS_mprotect, libc::SYS_mmap2];
#[cfg(target_arch = "powerpc")]
const MAPPING: &[c_long] = &[libc::SYS_mprotect, libc::SYS_mmap, libc::SYS_mmap2];
#[cfg(not(any(
    target_arch = "s390x",
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "powerpc"
)))]
const MAPPING: &[c_long] = &[libc::SYS_mprotect, libc::SYS_mmap];

/// `fstat` under its names on each architecture, and calls with wider times.
#[cfg(all(target_pointer_width = "64", not(target_arch = "loongarch64")))]
const ALLOWED_BY_WIDTH: &[c_long] = &[libc::SYS_fstat, libc::SYS_newfstatat];
#[cfg(target_arch = "loongarch64")]
const ALLOWED_BY_WIDTH: &[c_long] = &[];
#[cfg(all(target_pointer_width = "32", not(target_arch = "riscv32")))]
#[rustfmt::skip]
const ALLOWED_BY_WIDTH: &[c_long] = &[
    libc::SYS_fstat64, libc::SYS_fstatat64, libc::SYS__llseek, libc::SYS_statfs64,
    libc::SYS_fstatfs64, libc::SYS_sigreturn,
    // futex_time64, clock_gettime64, clock_nanosleep_time64: the same number on all 32-bit
    // architectures.
    422, 403, 407,
];
#[cfg(target_arch = "riscv32")]
const ALLOWED_BY_WIDTH: &[c_long] = &[libc::SYS_fstat, libc::SYS_newfstatat, 422, 403, 407];

/// `open` and `readlink`, which newer architectures lack.
#[cfg(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "s390x",
    target_arch = "powerpc64",
    target_arch = "powerpc"
))]
const OLD: [Option<c_long>; 2] = [Some(libc::SYS_open), Some(libc::SYS_readlink)];
#[cfg(not(any(
    target_arch = "x86_64",
    target_arch = "x86",
    target_arch = "arm",
    target_arch = "s390x",
    target_arch = "powerpc64",
    target_arch = "powerpc"
)))]
const OLD: [Option<c_long>; 2] = [None, None];

#[cfg(any(target_arch = "x86", target_arch = "arm"))]
#[rustfmt::skip]
const ALLOWED_WITH_WIDE_IDS: &[c_long] = &[
    libc::SYS_getuid32, libc::SYS_geteuid32, libc::SYS_getgid32, libc::SYS_getegid32,
];
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
const ALLOWED_WITH_WIDE_IDS: &[c_long] = &[];

/// epcache never makes these calls: a worker that does has been taken over.
#[rustfmt::skip]
const DEADLY: &[c_long] = &[
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_fsopen,
    libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount_setattr, libc::SYS_setns, libc::SYS_unshare,
    libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_userfaultfd,
    libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key,
    libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_kexec_load,
];

/// These fail: a library may try them, and then works without.
const REFUSED: &[(c_long, Errno)] = &[
    (libc::SYS_ioctl, Errno::ENOTTY),
    (libc::SYS_socket, Errno::EPERM),
    (libc::SYS_socketpair, Errno::EPERM),
    (libc::SYS_connect, Errno::EPERM),
    (libc::SYS_bind, Errno::EPERM),
    (libc::SYS_sendto, Errno::EPERM),
    (libc::SYS_sendmsg, Errno::EPERM),
    (libc::SYS_kill, Errno::EPERM),
    (libc::SYS_tkill, Errno::EPERM),
    (libc::SYS_pidfd_send_signal, Errno::EPERM),
    (libc::SYS_rt_sigqueueinfo, Errno::EPERM),
    (libc::SYS_clone, Errno::EPERM),
];

/// `AUDIT_ARCH_*` of linux/audit.h: the ELF machine, and bits for 64-bit and little-endian.
const ARCHITECTURE: u32 = {
    const LITTLE: u32 = 0x4000_0000;
    const WIDE: u32 = 0x8000_0000;
    let machine: u32 = if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "x86") {
        3
    } else if cfg!(target_arch = "aarch64") {
        183
    } else if cfg!(target_arch = "arm") {
        40
    } else if cfg!(any(target_arch = "riscv64", target_arch = "riscv32")) {
        243
    } else if cfg!(target_arch = "powerpc64") {
        21
    } else if cfg!(target_arch = "powerpc") {
        20
    } else if cfg!(target_arch = "s390x") {
        22
    } else if cfg!(target_arch = "loongarch64") {
        258
    } else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        8
    } else if cfg!(target_arch = "sparc64") {
        43
    } else {
        0
    };
    let wide = if cfg!(target_pointer_width = "64") {
        WIDE
    } else {
        0
    };
    let little = if cfg!(target_endian = "little") {
        LITTLE
    } else {
        0
    };
    machine | wide | little
};

/// The offsets in `struct seccomp_data` of the call's number, the ABI, and an argument's lower
/// half.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const fn argument_at(number: u32) -> u32 {
    16 + 8 * number + if cfg!(target_endian = "big") { 4 } else { 0 }
}

/// A process started for x32 has its own call numbers, under the architecture of x86-64.
const X32_BIT: u32 = 0x4000_0000;

fn statement(code: u32, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the kernel's codes fit in 16 bits"
    )]
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn end(verdict: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, verdict)
}

fn refusal(errno: Errno) -> u32 {
    SECCOMP_RET_ERRNO | errno as u32
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn program(pipe: i32, process: u32) -> Vec<sock_filter> {
    let is = |k, jt, jf| jump(BPF_JMP | BPF_JEQ | BPF_K, k, jt, jf);
    let has = |k, jt, jf| jump(BPF_JMP | BPF_JSET | BPF_K, k, jt, jf);
    let mut program = vec![
        load(ARCHITECTURE_AT),
        is(ARCHITECTURE, 1, 0),
        end(SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_AT),
    ];
    if cfg!(target_arch = "x86_64") {
        program.extend([has(X32_BIT, 0, 1), end(SECCOMP_RET_KILL_PROCESS)]);
    }
    // A call that is decided by an argument. `verdicts` has the result if the test passes, and the
    // result if it fails.
    let mut conditional = |call, argument, test: sock_filter, verdicts: [u32; 2]| {
        let [yes, no] = verdicts;
        program.extend([
            is(number(call), 0, 4),
            load(argument_at(argument)),
            test,
            end(yes),
            end(no),
        ]);
    };
    let refused = refusal(Errno::EPERM);
    let read_only = refusal(Errno::EROFS);
    #[allow(clippy::cast_sign_loss, reason = "flags are bits")]
    let writing =
        (libc::O_ACCMODE & !libc::O_PATH | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u32;
    conditional(
        libc::SYS_openat,
        2,
        has(writing, 1, 0),
        [SECCOMP_RET_ALLOW, read_only],
    );
    let [open, read_link] = OLD;
    if let Some(open) = open {
        conditional(open, 1, has(writing, 1, 0), [SECCOMP_RET_ALLOW, read_only]);
    }
    #[allow(clippy::cast_sign_loss, reason = "flags are bits")]
    let executable = libc::PROT_EXEC as u32;
    for &call in MAPPING {
        let test = has(executable, 1, 0);
        conditional(call, 2, test, [SECCOMP_RET_ALLOW, refused]);
    }
    #[allow(clippy::cast_sign_loss, reason = "a descriptor")]
    let pipe = pipe as u32;
    for call in [libc::SYS_write, libc::SYS_writev] {
        conditional(
            call,
            0,
            is(pipe, 0, 1),
            [SECCOMP_RET_ALLOW, refusal(Errno::EBADF)],
        );
    }
    conditional(
        libc::SYS_tgkill,
        0,
        is(process, 0, 1),
        [SECCOMP_RET_ALLOW, refused],
    );
    #[cfg(all(target_pointer_width = "32", not(target_arch = "riscv32")))]
    let descriptor_calls = [libc::SYS_fcntl, libc::SYS_fcntl64];
    #[cfg(not(all(target_pointer_width = "32", not(target_arch = "riscv32"))))]
    let descriptor_calls = [libc::SYS_fcntl];
    for call in descriptor_calls {
        program.push(is(number(call), 0, 6));
        program.push(load(argument_at(1)));
        #[allow(clippy::cast_sign_loss, reason = "numbers of commands")]
        let [get, set, status] =
            [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL].map(|command| command as u32);
        program.extend([
            is(get, 3, 0),
            is(set, 2, 0),
            is(status, 1, 0),
            end(refused),
            end(SECCOMP_RET_ALLOW),
        ]);
    }

    let allowed = [
        ALLOWED,
        ALLOWED_BUT_ON_RISCV32,
        ALLOWED_UNSEEN,
        ALLOWED_BY_WIDTH,
        read_link.as_slice(),
        ALLOWED_WITH_WIDE_IDS,
    ];
    for &call in allowed.into_iter().flatten() {
        program.extend([is(number(call), 0, 1), end(SECCOMP_RET_ALLOW)]);
    }
    for &(call, errno) in REFUSED {
        program.extend([is(number(call), 0, 1), end(refusal(errno))]);
    }
    for &call in DEADLY {
        program.extend([is(number(call), 0, 1), end(SECCOMP_RET_KILL_PROCESS)]);
    }
    program.push(end(refusal(Errno::ENOSYS)));
    program
}
