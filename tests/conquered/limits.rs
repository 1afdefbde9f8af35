//! Memory, resource limits, open files and forbidden system calls of a conquered worker.

use super::*;

#[test]
fn memory_is_limited_and_never_becomes_code() {
    if !root_for("a conquered worker that eats memory") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("memory")
            },
            &REFRESH,
        ))
    };
    let told = told_by(&[]);
    for (name, by) in [
        ("real", "ENOMEM"),
        ("much", "ENOMEM"),
        ("piece-by-piece", "ENOMEM"),
        ("files", "EMFILE"),
    ] {
        assert_eq!(told[name], by, "{name} in {told:?}");
    }
    for name in ["mapped", "code", "turned-to-code"] {
        assert_eq!(told[name], "EPERM", "{name} in {told:?}");
    }
    // Linux 6.3.
    let told = told_by(&["seccomp"]);
    for name in ["code", "turned-to-code"] {
        assert!(told[name] == "EACCES" || !has_mdwe(), "{name} in {told:?}");
    }
    all_succeeded(&told, &["mapped"]);
    all_succeeded(&told_by(&["limits"]), &["real", "much", "piece-by-piece"]);
    let ran = prey.conquer("eat");
    assert!(
        gave_up(&ran).contains("it aborted, perhaps out of memory"),
        "{ran:?}"
    );
    prey.is_unharmed();
}

/// Whether the kernel can keep writable memory from becoming code.
fn has_mdwe() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 3)
}

#[test]
fn limits_that_no_attempt_can_show_are_set() {
    if !root_for("the limits of a worker") {
        return;
    }
    let prey = Prey::new();
    let ran = prey.conquer("limits");
    assert_eq!(ran.code, 2, "{ran:?}");
    for (limit, soft) in [
        ("Max cpu time", "60"),
        ("Max data size", "536870912"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max locked memory", "0"),
        ("Max msgqueue size", "0"),
        ("Max open files", "1024"),
        ("Max address space", "4294967296"),
    ] {
        let of = |line: &str| {
            line.split(limit)
                .nth(1)
                .map(|rest| rest.split_whitespace().next() == Some(soft))
        };
        assert_eq!(of(&ran.stderr), Some(true), "{limit} in {ran:?}");
    }
    prey.is_unharmed();
}

#[test]
fn a_conquered_worker_cannot_publish_private_files_that_root_has_opened() {
    if !root_for("what a conquered worker says of a closed folder") {
        return;
    }
    let prey = Prey::new();
    prey.tree
        .dist("private/site", "mine", "[g]\nmine = mine:main\n");
    prey.tree.dir("out");
    for (closed, expected) in [(0o700, 0o600), (0o755, 0o644)] {
        set_mode(prey.tree.path("private"), closed);
        let refresh = [
            "refresh",
            "-q",
            "--path",
            "private/site",
            "--output",
            "out/index",
        ];
        let ran = prey.conquer_with(&Run::of("public"), &refresh);
        assert_eq!(ran.code, 0, "{ran:?}");
        let metadata = fs::metadata(prey.tree.path("out/index")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, expected);
    }
}

#[test]
fn a_conquered_worker_holds_only_the_pipe_and_files_for_reading() {
    if !root_for("what a conquered worker holds") {
        return;
    }
    let prey = Prey::new();
    for (without, written) in [(&[][..], "EBADF"), (&["seccomp", "landlock"], "EPIPE")] {
        let run = Run {
            without,
            ..Run::of("descriptors")
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        // Three ends of a dead pipe, the pipe, the search directory (only to reach its entries),
        // and the old index for reading.
        assert_eq!(
            (&*told["open"], &*told["dead-pipes"]),
            ("+6", "+3"),
            "{told:?}"
        );
        assert_eq!(told["inherited"], "EBADF");
        assert_eq!((&*told["error"], &*told["output"]), (written, written));
        prey.is_unharmed();
    }
}

/// Calls that epcache never makes. (`kexec_file_load` and others of later kernels are unknown
/// calls.)
const FORBIDDEN: &[&str] = &[
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "mount",
    "umount",
    "pivot_root",
    "chroot",
    "fsopen",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "keyctl",
    "add_key",
    "request_key",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    #[cfg(target_arch = "x86_64")]
    "x32",
    #[cfg(target_arch = "x86_64")]
    "i386",
];

#[test]
fn a_forbidden_system_call_ends_the_worker() {
    if !guards_for("a conquered worker that does what is forbidden") {
        return;
    }
    let prey = Prey::new();
    for name in FORBIDDEN {
        let ran = prey.conquer(&format!("forbidden {name}"));
        let why = gave_up(&ran);
        // A kernel without 32-bit calls treats the instruction as an error.
        let no_such_calls = *name == "i386" && why.ends_with("killed by SIGSEGV");
        assert!(
            why.ends_with("it made a forbidden system call") || no_such_calls,
            "{name}: {why}"
        );
    }
    // Without a filter, the user and Landlock are left, and still no program can be executed.
    for name in ["execve", "execveat", "mount", "chroot", "perf_event_open"] {
        let run = Run {
            without: &["seccomp"],
            ..Run::of(&format!("forbidden {name}"))
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        assert!(
            ["EACCES", "EPERM"].contains(&&*told["survived"]),
            "{name}: {told:?}"
        );
    }
    let run = Run {
        without: &["seccomp", "landlock"],
        ..Run::of("forbidden execve")
    };
    assert_eq!(
        prey.conquer_with(&run, &REFRESH).code,
        2,
        "a program that said nothing"
    );
    prey.is_unharmed();
}
