//! Attempts: system calls that an attacker would try, and the kernel's answers.

use super::*;

/// All calls that change a file or its folder.
pub(super) fn writing(folder: &str) -> Attempts {
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
pub(super) fn talking(setting: &Setting) -> Attempts {
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
pub(super) fn the_parent(setting: &Setting) -> Attempts {
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
pub(super) fn tracing(setting: &Setting) -> Attempts {
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
pub(super) fn rising() -> Attempts {
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
pub(super) fn terminal() -> Attempts {
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
pub(super) fn multiplying() -> Attempts {
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
pub(super) fn memory() -> Attempts {
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
pub(super) fn descriptors() -> Attempts {
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
pub(super) fn forbidden(name: &str) {
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
