//! Hostile jobs: what an attacker does after taking the worker over.
//!
//! Most jobs try one system call after the other. They report the kernel's answers as the reason
//! why there is no index, which the parent prints like any other reason. Other jobs die or lie. The
//! tests decide what is right.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::sync::OnceLock;
use std::time::Duration;

use epcache::commands::Work;
use epcache::consumers::{self, Form};
use epcache::index::format::distribution_flag;
use epcache::privsep::{self, Bounds, Job, Policy, Sender, Terms, kind};
use epcache::rooted::Root;
use epcache::worker::{self, Request};
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::wait::{WaitPidFlag, waitpid};

// If there are two, the older one takes a structure.
#[cfg(not(target_pointer_width = "32"))]
use libc::SYS_mmap as SYS_MMAP;
#[cfg(target_pointer_width = "32")]
use libc::SYS_mmap2 as SYS_MMAP;

use super::index_checks::repair;
use super::index_support;
use super::program::{INHERITED, LEFT_BEHIND, SETTING, Setting};

/// The kernel's answer to a call.
type Said = Result<usize, Errno>;

pub(crate) const PROGRESS: u8 = kind::FIRST_OF_JOB;
const COUNTS: u8 = PROGRESS + 1;
const INDEX: u8 = PROGRESS + 2;
const WARNING: u8 = PROGRESS + 3;
const NOTE: u8 = PROGRESS + 5;
const FAILED: u8 = PROGRESS + 7;
const DONE: u8 = PROGRESS + 8;
const FILE: u8 = PROGRESS + 9;
const FORMS: u64 = Form::ALL.len() as u64;

/// A secret that must not appear anywhere: jobs write it wherever they can.
pub(crate) const CANARY: &str = "a-dead-canary";

/// A system call that bypasses libc.
fn call<const N: usize>(number: c_long, arguments: [usize; N]) -> Said {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the caller makes sure that pointers among the arguments are valid for the call. Its
    // effect on this process is what the tests try.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(Errno::last()),
        result => Ok(result as usize),
    }
}

const HERE: usize = libc::AT_FDCWD as usize;

fn at(text: &CStr) -> usize {
    text.as_ptr() as usize
}

fn c(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("no NUL")
}

fn open(path: &str, flags: i32) -> Said {
    let path = c(path);
    call(libc::SYS_openat, [HERE, at(&path), flags as usize, 0o666])
}

/// The pipe to the parent: the descriptor that is open only for writing, before any attempt.
static PIPE: OnceLock<usize> = OnceLock::new();

fn pipe() -> usize {
    let status = |fd| call(libc::SYS_fcntl, [fd, libc::F_GETFL as usize]);
    let find = || (3..1024).find(|&fd| status(fd).is_ok_and(|flags| flags & 3 == 1));
    *PIPE.get_or_init(|| find().expect("a pipe"))
}

/// Attempts with their names.
type Attempts = Vec<(&'static str, Said)>;

/// All calls that change a file or its folder.
fn writing(folder: &str) -> Attempts {
    let victim = format!("{folder}/victim");
    let (path, new) = (c(&*victim), c(format!("{folder}/new")));
    let (victim_at, new_at) = (at(&path), at(&new));
    let open_new = |flags| open(&format!("{folder}/new"), flags);
    let read = open(&victim, libc::O_RDONLY).expect("readable by all");
    let text = CANARY.as_ptr() as usize;
    let user = c("user.epcache");
    // `struct open_how`
    let how = [libc::O_RDWR as u64, 0, 0];
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
    let mut attempts: Attempts = vec![
        ("write", open(&victim, libc::O_WRONLY)),
        ("read-write", open(&victim, libc::O_RDWR)),
        ("append", open(&victim, libc::O_WRONLY | libc::O_APPEND)),
        (
            "openat2",
            call(
                libc::SYS_openat2,
                [HERE, victim_at, how.as_ptr() as usize, size_of_val(&how)],
            ),
        ),
        ("unnamed", open(folder, libc::O_TMPFILE | libc::O_RDWR)),
        ("chmod", call(libc::SYS_fchmodat, [HERE, victim_at, 0o777])),
        ("fchmod", call(libc::SYS_fchmod, [read, 0o777])),
        (
            "chown",
            call(libc::SYS_fchownat, [HERE, victim_at, 1, 1, 0]),
        ),
        ("touch", call(libc::SYS_utimensat, [HERE, victim_at, 0, 0])),
        (
            "xattr",
            call(libc::SYS_setxattr, [victim_at, at(&user), text, 4, 0]),
        ),
        ("fallocate", call(libc::SYS_fallocate, [read, 0, 0, 4096])),
        (
            "write-on",
            call(libc::SYS_write, [read, text, CANARY.len()]),
        ),
        (
            "pwrite",
            call(libc::SYS_pwrite64, [read, text, CANARY.len(), 0]),
        ),
        ("ftruncate", call(libc::SYS_ftruncate, [read, 0])),
        (
            "map",
            call(SYS_MMAP, [0, 4096, 3, libc::MAP_SHARED as usize, read, 0]),
        ),
        (
            "copy",
            call(libc::SYS_copy_file_range, [read, 0, read, 0, 10, 0]),
        ),
        ("sendfile", call(libc::SYS_sendfile, [read, read, 0, 10])),
        ("truncate-on-open", open(&victim, libc::O_TRUNC)),
        ("truncate", call(libc::SYS_truncate, [victim_at, 0])),
        ("mkdir", call(libc::SYS_mkdirat, [HERE, new_at, 0o777])),
        (
            "rmdir",
            call(
                libc::SYS_unlinkat,
                [HERE, new_at, libc::AT_REMOVEDIR as usize],
            ),
        ),
        (
            "symlink",
            call(libc::SYS_symlinkat, [victim_at, HERE, new_at]),
        ),
        (
            "fifo",
            call(
                libc::SYS_mknodat,
                [HERE, new_at, (libc::S_IFIFO | 0o666) as usize, 0],
            ),
        ),
        (
            "link",
            call(libc::SYS_linkat, [HERE, victim_at, HERE, new_at, 0]),
        ),
        (
            "rename",
            call(libc::SYS_renameat2, [HERE, victim_at, HERE, new_at, 0]),
        ),
        ("create", open_new(libc::O_WRONLY | libc::O_CREAT)),
        ("unlink", call(libc::SYS_unlinkat, [HERE, victim_at, 0])),
    ];
    #[cfg(target_arch = "x86_64")]
    attempts.extend([
        (
            "old-open",
            call(libc::SYS_open, [victim_at, libc::O_RDWR as usize, 0]),
        ),
        ("old-creat", call(libc::SYS_creat, [new_at, 0o666])),
        ("old-unlink", call(libc::SYS_unlink, [new_at])),
        ("old-rename", call(libc::SYS_rename, [victim_at, new_at])),
        ("old-mkdir", call(libc::SYS_mkdir, [new_at, 0o777])),
    ]);
    attempts
}

fn connect(family: i32, address: &[u8]) -> Said {
    let socket = call(
        libc::SYS_socket,
        [family as usize, libc::SOCK_STREAM as usize, 0],
    )?;
    call(
        libc::SYS_connect,
        [socket, address.as_ptr() as usize, address.len()],
    )
}

/// `struct sockaddr_in` of this machine.
fn local(port: u16) -> Vec<u8> {
    let family = (libc::AF_INET as u16).to_ne_bytes();
    [&family[..], &port.to_be_bytes(), &[127, 0, 0, 1], &[0; 8]].concat()
}

/// `struct sockaddr_un`
fn unix(name: &[u8]) -> Vec<u8> {
    [&(libc::AF_UNIX as u16).to_ne_bytes()[..], name].concat()
}

/// All ways to talk to another process.
fn talking(setting: &Setting) -> Attempts {
    let port = setting.fact("port").parse().expect("a port");
    let abstract_name = format!("\0{}", setting.fact("abstract"));
    let socket_path = format!("{}/socket\0", setting.fact("open"));
    let bound = || {
        let stream = libc::SOCK_STREAM as usize;
        let socket = call(libc::SYS_socket, [libc::AF_INET as usize, stream, 0])?;
        let address = local(0);
        call(
            libc::SYS_bind,
            [socket, address.as_ptr() as usize, address.len()],
        )
    };
    let datagram = || {
        let kind = libc::SOCK_DGRAM as usize;
        let socket = call(libc::SYS_socket, [libc::AF_INET as usize, kind, 0])?;
        let address = local(port);
        let text = CANARY.as_ptr() as usize;
        let to = address.as_ptr() as usize;
        call(
            libc::SYS_sendto,
            [socket, text, CANARY.len(), 0, to, address.len()],
        )
    };
    let mut pair = [0i32; 2];
    let socket =
        |family: i32, kind: i32| call(libc::SYS_socket, [family as usize, kind as usize, 0]);
    vec![
        ("tcp", connect(libc::AF_INET, &local(port))),
        ("udp", datagram()),
        ("bind", bound()),
        (
            "unix-path",
            connect(libc::AF_UNIX, &unix(socket_path.as_bytes())),
        ),
        (
            "unix-abstract",
            connect(libc::AF_UNIX, &unix(abstract_name.as_bytes())),
        ),
        ("netlink", socket(libc::AF_NETLINK, libc::SOCK_RAW)),
        ("tcp6", socket(libc::AF_INET6, libc::SOCK_STREAM)),
        (
            "socketpair",
            call(libc::SYS_socketpair, [1, 1, 0, pair.as_mut_ptr() as usize]),
        ),
    ]
}

/// Attacks on the parent, from which there is much to gain.
fn the_parent(setting: &Setting) -> Attempts {
    let parent = setting.parent as usize;
    let of_parent = |name: &str, flags| open(&format!("/proc/{parent}/{name}"), flags);
    // `siginfo_t`, of a kind that user space may make: SI_QUEUE.
    let mut info = [0i32; 32];
    info[2] = -1;
    let pidfd = call(libc::SYS_pidfd_open, [parent, 0]);
    vec![
        ("kill", call(libc::SYS_kill, [parent, 0])),
        ("tkill", call(libc::SYS_tkill, [parent, 0])),
        ("tgkill", call(libc::SYS_tgkill, [parent, parent, 0])),
        (
            "sigqueue",
            call(
                libc::SYS_rt_sigqueueinfo,
                [parent, 0, info.as_ptr() as usize],
            ),
        ),
        (
            "pidfd-signal",
            pidfd.and_then(|fd| call(libc::SYS_pidfd_send_signal, [fd, 0, 0, 0])),
        ),
        (
            "pidfd-getfd",
            pidfd.and_then(|fd| call(libc::SYS_pidfd_getfd, [fd, INHERITED as usize, 0])),
        ),
        ("read-memory", of_parent("mem", libc::O_RDONLY)),
        ("write-memory", of_parent("mem", libc::O_RDWR)),
        ("environment", of_parent("environ", libc::O_RDONLY)),
        (
            "descriptor",
            of_parent(&format!("fd/{INHERITED}"), libc::O_RDONLY),
        ),
        ("oom", of_parent("oom_score_adj", libc::O_WRONLY)),
        (
            "limits",
            call(
                libc::SYS_prlimit64,
                [
                    parent,
                    libc::RLIMIT_CPU as usize,
                    [1u64, 1].as_ptr() as usize,
                    0,
                ],
            ),
        ),
    ]
}

/// The same, with calls that end the caller if they are filtered.
fn tracing(setting: &Setting) -> Attempts {
    let parent = setting.parent as usize;
    let mut byte = 0u8;
    let here = [&raw mut byte as usize, 1];
    let there = [setting as *const Setting as usize, 1];
    let (here, there) = (here.as_ptr() as usize, there.as_ptr() as usize);
    vec![
        (
            "attach",
            call(
                libc::SYS_ptrace,
                [libc::PTRACE_SEIZE as usize, parent, 0, 0],
            ),
        ),
        (
            "read",
            call(libc::SYS_process_vm_readv, [parent, here, 1, there, 1, 0]),
        ),
        (
            "write",
            call(libc::SYS_process_vm_writev, [parent, here, 1, there, 1, 0]),
        ),
    ]
}

/// Ways to become another user again.
fn rising() -> Attempts {
    let mut groups = [0u32; 1];
    let header = [0x2008_0522u32, 0];
    let all = [u32::MAX; 6];
    vec![
        ("setresuid", call(libc::SYS_setresuid, [0, 0, 0])),
        ("setuid", call(libc::SYS_setuid, [0])),
        ("setresgid", call(libc::SYS_setresgid, [0, 0, 0])),
        (
            "setgroups",
            call(libc::SYS_setgroups, [1, groups.as_mut_ptr() as usize]),
        ),
        (
            "capset",
            call(
                libc::SYS_capset,
                [header.as_ptr() as usize, all.as_ptr() as usize],
            ),
        ),
        ("shadow", open("/etc/shadow", libc::O_RDONLY)),
        (
            "mknod",
            call(
                libc::SYS_mknodat,
                [
                    HERE,
                    at(c"/dev/shm/epcache-disk"),
                    libc::S_IFBLK as usize,
                    0x800,
                ],
            ),
        ),
    ]
}

/// The terminal that the parent was started on.
fn terminal() -> Attempts {
    let typed = b"x";
    let ioctl = |fd| {
        call(
            libc::SYS_ioctl,
            [fd, libc::TIOCSTI as usize, typed.as_ptr() as usize],
        )
    };
    let own = open("/dev/tty", libc::O_RDONLY);
    let mut attempts: Attempts = vec![
        ("open", own),
        ("type-0", ioctl(0)),
        ("type-1", ioctl(1)),
        ("type-2", ioctl(2)),
        (
            "acquire",
            call(libc::SYS_ioctl, [0, libc::TIOCSCTTY as usize, 1]),
        ),
    ];
    if let Ok(fd) = own {
        attempts.push(("type", ioctl(fd)));
    }
    attempts
}

/// Ways to start more processes and threads.
fn multiplying() -> Attempts {
    let child = |said: Said| {
        if said == Ok(0) {
            let _ = call(libc::SYS_exit_group, [0]);
        }
        said
    };
    let signal = libc::SIGCHLD as usize;
    // `struct clone_args`: a child that signals its end.
    let arguments = [0, 0, 0, 0, signal as u64, 0, 0, 0];
    let size = size_of_val(&arguments);
    let mut attempts = vec![
        ("clone", child(call(libc::SYS_clone, [signal, 0, 0, 0, 0]))),
        (
            "clone3",
            child(call(libc::SYS_clone3, [arguments.as_ptr() as usize, size])),
        ),
        (
            "thread",
            std::thread::Builder::new()
                .spawn(|| ())
                .map(|_| 0)
                .map_err(errno),
        ),
    ];
    #[cfg(target_arch = "x86_64")]
    attempts.push(("fork", child(call(libc::SYS_fork, []))));
    // A fork bomb: many of them.
    let bomb = (0..1000).map(|_| child(call(libc::SYS_clone, [signal, 0, 0, 0, 0])));
    attempts.push(("bomb", bomb.reduce(Result::or).expect("many")));
    attempts
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// More memory, and code in it.
fn memory() -> Attempts {
    let (private, page) = ((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize, 4096);
    let spare = private | libc::MAP_NORESERVE as usize;
    let none = usize::MAX;
    let map = |size: usize, rights: usize, flags| call(SYS_MMAP, [0, size, rights, flags, none, 0]);
    let writable = map(page, 3, private).expect("a page");
    // Code that lies in readable memory.
    let program =
        open("/proc/self/exe", libc::O_RDONLY).or_else(|_| open("/bin/true", libc::O_RDONLY));
    let program = program.expect("a program") as usize;
    let mapped = call(
        SYS_MMAP,
        [0, page, 5, libc::MAP_PRIVATE as usize, program, 0],
    );
    // Before the address space is used up.
    let real = map(600 << 20, 3, private);
    let mut pieces = 0;
    while pieces < 64 && map(256 << 20, 0, spare).is_ok() {
        pieces += 1;
    }
    let files = (0..2000).find_map(|_| open("/dev/null", libc::O_RDONLY).err());
    vec![
        ("mapped", mapped),
        ("code", map(page, 7, private)),
        (
            "turned-to-code",
            call(libc::SYS_mprotect, [writable, page, 5]),
        ),
        ("real", real),
        ("much", map(5 << 30, 0, spare)),
        (
            "piece-by-piece",
            if pieces < 16 {
                Err(Errno::ENOMEM)
            } else {
                Ok(pieces)
            },
        ),
        ("files", files.map_or(Ok(0), Err)),
    ]
}

/// Open descriptors: none of the parent's, which has written this to all of its own.
fn descriptors() -> Attempts {
    let text = CANARY.as_ptr() as usize;
    let pipe = pipe();
    for fd in (0..1024).filter(|&fd| fd != pipe) {
        let _ = call(libc::SYS_write, [fd, text, CANARY.len()]);
        let _ = call(libc::SYS_pwrite64, [fd, text, CANARY.len(), 0]);
        let _ = call(libc::SYS_ftruncate, [fd, 0]);
    }
    let open = |fd: &usize| call(libc::SYS_fcntl, [*fd, libc::F_GETFD as usize]).is_ok();
    let mut standard = 0;
    for fd in 0..3 {
        // SAFETY: a structure of numbers that the kernel fills in.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        let said = call(libc::SYS_fstat, [fd, &raw mut stat as usize]);
        standard += usize::from(said.is_ok() && stat.st_mode & libc::S_IFMT == libc::S_IFIFO);
    }
    vec![
        ("open", Ok((0..1 << 16).filter(open).count())),
        ("dead-pipes", Ok(standard)),
        (
            "inherited",
            call(libc::SYS_write, [INHERITED as usize, text, CANARY.len()]),
        ),
        ("error", call(libc::SYS_write, [2, text, CANARY.len()])),
        ("output", call(libc::SYS_write, [1, text, CANARY.len()])),
    ]
}

/// A call that no program makes to read metadata.
fn forbidden(name: &str) {
    let (sh, root, text) = (c"/bin/sh", c"/", c"epcache");
    let none = [0usize; 1];
    let none = none.as_ptr() as usize;
    let id = std::process::id() as usize;
    let mut zeros = [0u64; 32];
    let zeros = zeros.as_mut_ptr() as usize;
    let (sh, root, text) = (at(sh), at(root), at(text));
    let said = match name {
        "execve" => call(libc::SYS_execve, [sh, none, none]),
        "execveat" => {
            let program = open("/bin/sh", libc::O_RDONLY).expect("readable by all");
            call(
                libc::SYS_execveat,
                [program, at(c""), none, none, libc::AT_EMPTY_PATH as usize],
            )
        }
        "ptrace" => call(libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, 0, 0]),
        "process_vm_readv" => call(libc::SYS_process_vm_readv, [id, zeros, 0, zeros, 0, 0]),
        "process_vm_writev" => call(libc::SYS_process_vm_writev, [id, zeros, 0, zeros, 0, 0]),
        "mount" => call(
            libc::SYS_mount,
            [root, root, text, libc::MS_BIND as usize, 0],
        ),
        "umount" => call(libc::SYS_umount2, [root, 0]),
        "pivot_root" => call(libc::SYS_pivot_root, [root, root]),
        "chroot" => call(libc::SYS_chroot, [root]),
        "fsopen" => call(libc::SYS_fsopen, [text, 0]),
        "open_tree" => call(libc::SYS_open_tree, [HERE, root, 1]),
        "move_mount" => call(libc::SYS_move_mount, [HERE, root, HERE, root, 0]),
        "mount_setattr" => call(libc::SYS_mount_setattr, [HERE, root, 0, zeros, 32]),
        "unshare" => call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize]),
        "setns" => call(libc::SYS_setns, [0, 0]),
        "bpf" => call(libc::SYS_bpf, [0, zeros, 32]),
        "perf_event_open" => call(libc::SYS_perf_event_open, [zeros, 0, 0, 0, 0]),
        "userfaultfd" => call(libc::SYS_userfaultfd, [1]),
        "keyctl" => call(libc::SYS_keyctl, [0, 0, 0]),
        "add_key" => call(libc::SYS_add_key, [text, text, text, 1, 0]),
        "request_key" => call(libc::SYS_request_key, [text, text, 0, 0]),
        "io_uring_setup" => call(libc::SYS_io_uring_setup, [1, zeros]),
        "io_uring_enter" => call(libc::SYS_io_uring_enter, [0, 0, 0, 0, 0, 0]),
        "io_uring_register" => call(libc::SYS_io_uring_register, [0, 0, 0, 0]),
        "init_module" => call(libc::SYS_init_module, [zeros, 8, text]),
        "finit_module" => call(libc::SYS_finit_module, [0, text, 0]),
        "delete_module" => call(libc::SYS_delete_module, [text, 0]),
        "kexec_load" => call(libc::SYS_kexec_load, [0, 0, zeros, 0]),
        #[cfg(target_arch = "x86_64")]
        "x32" => call(0x4000_0000 + libc::SYS_getpid, []),
        #[cfg(target_arch = "x86_64")]
        "i386" => {
            let mut result = 20usize; // getpid
            // SAFETY: takes nothing, and only changes the registers that are declared here.
            unsafe {
                std::arch::asm!("int 0x80", inlateout("rax") result, out("r8") _, out("r9") _,
                    out("r10") _, out("r11") _);
            }
            Ok(result)
        }
        other => panic!("no call {other}"),
    };
    say_last(&[("survived", said)]);
}

/// A valid index, to put false numbers in.
fn honest(root: &Root, request: &Request) -> Vec<u8> {
    worker::run(root, request, &mut |_| ())
        .expect("an index")
        .index
}

fn send_index(sender: &mut Sender<File>, index: &[u8]) {
    announce(sender, index.len());
    send(sender, INDEX, index);
    send(sender, DONE, b"");
}

fn announce(sender: &mut Sender<File>, size: usize) {
    let counts = [1, 1, 1, 1, 0, size as u64, 0, 0];
    send(sender, COUNTS, &counts.map(u64::to_le_bytes).concat());
}

fn numbers(one: u64, two: u64) -> Vec<u8> {
    [one.to_le_bytes(), two.to_le_bytes()].concat()
}

/// A valid index of about so many bytes that takes long to verify: it has many short rows, half of
/// them equal, and text that is not ASCII.
fn large(size: usize) -> Vec<u8> {
    let distribution = |number: usize| {
        let entries = (0..20).map(|n| format!("g{n}: {number} = \u{e9}"));
        let entries: Vec<_> = entries.collect();
        let entries: Vec<_> = entries.iter().map(String::as_str).collect();
        let file_name = format!("x-{number}.dist-info");
        let mut dist = index_support::dist(&file_name, &format!("x{}", number / 2), &entries);
        dist.flags |= (number as u32 % 2) * distribution_flag::SHADOWED;
        dist
    };
    let distributions = (0..size / 1000).map(distribution).collect();
    index_support::write(&[index_support::directory("/large", distributions)], false)
}

/// Ignores errors: the parent may not read any more.
fn send(sender: &mut Sender<File>, kind: u8, payload: &[u8]) {
    let _ = sender.send(kind, payload);
}

fn write_raw(bytes: &[u8]) {
    let pipe = pipe();
    let _ = call(
        libc::SYS_write,
        [pipe, bytes.as_ptr() as usize, bytes.len()],
    );
}

fn for_ever() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Sends the last message through the pipe.
fn say_last(attempts: &[(&str, Said)]) {
    let words = attempts.iter().map(|(name, said)| match said {
        Ok(result) => format!(" {name}=+{result}"),
        Err(errno) => format!(" {name}={errno:?}"),
    });
    let text = format!("attempts:{}", words.collect::<String>());
    let length = (text.len() as u32).to_le_bytes();
    write_raw(&[&[FAILED][..], &length, text.as_bytes()].concat());
}

/// Runs in place of the worker's job.
pub(crate) const HOSTILE: Work = |root, request, sender| {
    let setting = SETTING.get().expect("set before the fork");
    pipe();
    let (job, argument) = setting.job.split_once(' ').unwrap_or((&setting.job, ""));
    match job {
        "write" => say_last(&writing(setting.fact(argument))),
        "fill" => {
            let victim = format!("{}/victim", setting.fact("open"));
            let written = open(&victim, libc::O_WRONLY | libc::O_APPEND).and_then(|fd| {
                call(
                    libc::SYS_write,
                    [fd, CANARY.as_ptr() as usize, CANARY.len()],
                )
            });
            say_last(&[("fill", written)]);
        }
        "talk" => say_last(&talking(setting)),
        "parent" => say_last(&the_parent(setting)),
        "trace" => say_last(&tracing(setting)),
        "rise" => say_last(&rising()),
        "terminal" => say_last(&terminal()),
        "multiply" => say_last(&multiplying()),
        "memory" => say_last(&memory()),
        "descriptors" => say_last(&descriptors()),
        "forbidden" => forbidden(argument),
        "limits" => {
            let limits = std::fs::read("/proc/self/limits").expect("the process's limits");
            send(sender, FAILED, &limits);
        }
        "lie" => {
            let mut index = honest(root, request);
            let (offset, number) = argument.split_once('=').expect("an offset and a number");
            let offset: usize = offset.parse().expect("an offset");
            let number: u32 = number.parse().expect("a number");
            index[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
            assert!(repair(&mut index));
            send_index(sender, &index);
        }
        "truth-and-then-nothing" => {
            send_index(sender, &honest(root, request));
            for_ever();
        }
        "damage" => {
            let mut index = honest(root, request);
            let last = index.len() - 1;
            index[last] ^= 1;
            send_index(sender, &index);
        }
        "cut" => {
            let index = honest(root, request);
            send_index(sender, &index[..index.len() / 2]);
        }
        "no-index" => send_index(sender, b"#!/bin/sh\necho no index\n"),
        "nothing" => send_index(sender, b""),
        "ten-gigabytes" => {
            announce(sender, 256 << 20);
            let part = vec![0; 1 << 20];
            for _ in 0..10 << 10 {
                send(sender, INDEX, &part);
            }
        }
        "promise" => {
            announce(sender, 256 << 20);
            send(sender, DONE, b"");
        }
        "crumbs" => {
            announce(sender, 256 << 20);
            let piece = vec![0; argument.parse().expect("a size")];
            while sender.send(INDEX, &piece).is_ok() {}
        }
        "files" => {
            let piece = [numbers(0, 0), vec![b'x'; 1 << 19]].concat();
            while sender.send(FILE, &piece).is_ok() {}
        }
        "many-files" => {
            for number in 0.. {
                let sent = sender.send(FILE, &numbers(number / FORMS, number % FORMS));
                if sent.is_err() {
                    break;
                }
            }
        }
        "view" => {
            let index = honest(root, request);
            announce(sender, index.len());
            send(sender, INDEX, &index);
            for _ in 0..64 {
                send(sender, FILE, &[numbers(0, 0), vec![b'x'; 1 << 19]].concat());
            }
            send(sender, DONE, b"");
        }
        // The largest values of everything, as costly to show as possible, and an index of so many
        // bytes.
        "everything" => {
            let index = large(argument.parse().expect("a size"));
            announce(sender, index.len());
            send(sender, INDEX, &index);
            let most = FORMS * consumers::MOST as u64;
            for number in 0..most {
                let piece = vec![b'x'; (32 << 20) / most as usize];
                send(
                    sender,
                    FILE,
                    &[numbers(number / FORMS, number % FORMS), piece].concat(),
                );
            }
            for kind in [WARNING, NOTE] {
                for _ in 0..60 {
                    let text = b"\x01".repeat(8 << 10);
                    send(sender, kind, &[numbers(0, 0), text].concat());
                }
                for _ in 0..400 {
                    send(sender, kind, &numbers(0, 0));
                }
            }
            send(sender, DONE, b"");
        }
        "remarks" => {
            let payload = [&16u64.to_le_bytes()[..], &[0; 8], &[b'/'; 5000]].concat();
            for _ in 0..100_000 {
                send(sender, WARNING, &payload);
            }
        }
        "announce" => {
            let counts = [u64::MAX; 8];
            send(sender, COUNTS, &counts.map(u64::to_le_bytes).concat());
        }
        "unchanged" => {
            send(
                sender,
                COUNTS,
                &[0, 0, 0, 0, 0, 0, 1, 0].map(u64::to_le_bytes).concat(),
            );
            send(sender, DONE, b"");
        }
        // This says that all users may read it.
        "public" => send_index(sender, &honest(root, request)),
        "garbage" => write_raw(&[0xa5; 4096]),
        "long-frame" => write_raw(&[&[PROGRESS][..], &u32::MAX.to_le_bytes(), &[0; 64]].concat()),
        "half-a-frame" => write_raw(&[&[PROGRESS][..], &16u32.to_le_bytes(), &[0; 7]].concat()),
        "done-first" => send(sender, DONE, b""),
        "index-first" => send(sender, INDEX, b"an index"),
        "counts-twice" => {
            for _ in 0..2 {
                send(sender, COUNTS, &[0; 64]);
            }
        }
        "begin-again" => send(sender, 0, &[0, 2, 1]),
        "unknown" => send(sender, 200, b""),
        "reserved" => send(sender, 9, b""),
        "refuse" => send(
            sender,
            1,
            b"\x1b]0;pwned\x07\repcache: all is well\nepcache: really",
        ),
        "panicked" => send(sender, 2, b"\x1b[2J\nepcache: all is well"),
        "failed" => send(sender, FAILED, b"\xff\x1b[2J\nepcache: all is well"),
        "crash" => {
            // SAFETY: none, on purpose.
            unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }
        }
        "abort" => std::process::abort(),
        "panic" => panic!("\x1b[2Joh"),
        "exit" => {
            let _ = call(libc::SYS_exit_group, [argument.parse().expect("a status")]);
        }
        "eat" => drop(Vec::<u8>::with_capacity(8 << 30)),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "hang" => for_ever(),
        "deaf" => {
            let mut all = [u64::MAX; 1];
            let how = libc::SIG_BLOCK as usize;
            let _ = call(
                libc::SYS_rt_sigprocmask,
                [how, all.as_mut_ptr() as usize, 0, 8],
            );
            for_ever();
        }
        "close" => {
            let _ = call(libc::SYS_close, [pipe()]);
            for_ever();
        }
        "progress" => loop {
            if sender.send(PROGRESS, &[0; 16]).is_err() {
                break;
            }
        },
        other => panic!("no job {other}"),
    }
};

/// Jobs that run through the library, with limits that a test can wait for. Returns the exit
/// status.
pub(crate) fn within_bounds(setting: &Setting) -> Option<i32> {
    let (silence, time, size) = match setting.job.split_once(' ').map_or("", |(_, bound)| bound) {
        "silence" => (300, 60_000, u64::MAX),
        "time" => (60_000, 500, u64::MAX),
        "size" => (60_000, 60_000, 1 << 20),
        _ => return None,
    };
    let bounds = Bounds {
        silence: Duration::from_millis(silence),
        time: Duration::from_millis(time),
        size,
    };
    let policy = Policy::default();
    let terms = Terms {
        policy: &policy,
        bounds,
        kept: &[],
        writable: &[],
    };
    let root = Root::system();
    let request = Request::full(
        worker::Scope::Paths(Vec::new()),
        epcache::scan::Purpose::Running,
    );
    let job = Job {
        enter: Box::new(|| false),
        prepare: Box::new(|| worker::prepare(&root, &request)),
        work: Box::new(|sender| HOSTILE(&root, &request, sender)),
    };
    let done = privsep::run(terms, job, &mut |_| Ok(false)).map(drop);
    // This process goes on, as a daemon would. The worker must not.
    if waitpid(None, Some(WaitPidFlag::WNOHANG)) != Err(Errno::ECHILD) {
        return Some(LEFT_BEHIND.into());
    }
    match done {
        Ok(()) => Some(0),
        Err(trouble) => {
            eprintln!("{trouble}");
            Some(2)
        }
    }
}
