//! A worker that has been taken over: with anything it tries, the old index stays, nothing else
//! changes, and the program ends in time with one clear message.
//!
//! Each hostile job runs in place of the worker's, in this test program, which is started once more
//! (see `conquered/program.rs`). If two guards prevent one thing, the job runs again without either
//! of them, and once without any: a test that passes without any guard would test nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]
#![allow(
    unsafe_code,
    reason = "who has taken a worker over is not careful either"
)]

#[path = "support/cli.rs"]
mod cli;
#[path = "../fuzz/index_checks.rs"]
mod index_checks;
#[path = "index_support/mod.rs"]
mod index_support;
#[path = "conquered/jobs.rs"]
mod jobs;
#[path = "conquered/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use cli::{NOBODY, Ran, Tree, names, root_for, run, set_mode, tool_for};
use epcache::index::format::SUSPECT_AT;
use epcache::index::{Index, verify};
use jobs::CANARY;
use program::{LEFT_BEHIND, Run};

/// Not a test itself: the tests below start it.
#[test]
fn as_program() {
    program::live();
}

const REFRESH: [&str; 6] = ["refresh", "-q", "--path", "site", "--output", "index/index"];

/// Things to protect: an index, a folder that all users may write to, and one of root's.
struct Prey {
    tree: Tree,
    index: Vec<u8>,
}

impl Prey {
    fn new() -> Self {
        let tree = Tree::new();
        tree.dist("site", "a", "[g]\na = a:main\n[console_scripts]\nb = a:b\n");
        tree.dist("site", "b", "[g]\nc = b:main\n");
        tree.dir("index");
        tree.refresh(&["site"], "index/index");
        // The second one would be different.
        tree.dist("site", "new", "[g]\nnew = new:main\n");
        for folder in ["open", "closed"] {
            tree.file(&format!("{folder}/victim"), "untouched");
        }
        set_mode(tree.path("open"), 0o777);
        set_mode(tree.path("open/victim"), 0o666);
        let index = fs::read(tree.path("index/index")).unwrap();
        Self { tree, index }
    }

    /// Gives everything to a user, who then is the parent's and the worker's user.
    fn of_nobody() -> Self {
        let prey = Self::new();
        for name in [
            "index",
            "index/index",
            "index/index.lock",
            "open",
            "open/victim",
            "closed",
            "closed/victim",
        ] {
            prey.tree.give(name);
        }
        prey
    }

    fn facts(&self, run: Run) -> Run {
        let tree = |name| self.tree.text(name);
        run.fact("open", tree("open"))
            .fact("closed", tree("closed"))
            .fact("inherited", tree("index/index"))
    }

    fn conquer_with(&self, run_: &Run, arguments: &[&str]) -> Ran {
        let mut command = self.tree.program(&program::own_path());
        let ran = run(self.facts(run_.clone()).command(&mut command, arguments));
        assert_ne!(
            ran.code,
            i32::from(LEFT_BEHIND),
            "somebody is left: {run_:?}: {ran:?}"
        );
        ran
    }

    fn conquer(&self, job: &str) -> Ran {
        self.conquer_with(&Run::of(job), &REFRESH)
    }

    /// The same, with a limit on the parent's memory beside an index of so many MiB, and on its
    /// time.
    fn conquer_cheaply(&self, job: &str, index: u64, arguments: &[&str]) -> Ran {
        let peak = self.tree.text("peak");
        let ran = self.conquer_with(&Run::of(job).fact("peak", &peak), arguments);
        let peak = fs::read_to_string(peak).unwrap();
        let peak = peak.parse::<u64>().unwrap() / 1024;
        println!("{job}: {peak} MiB");
        assert!(peak < index + 64, "{job}: {peak} MiB");
        ran
    }

    /// Checks that nothing has changed.
    fn is_unharmed(&self) {
        let index = fs::read(self.tree.path("index/index")).unwrap();
        assert!(index == self.index, "the index is another");
        verify(&Index::open(index).unwrap()).unwrap();
        assert_eq!(names(self.tree.path("index")), ["index", "index.lock"]);
        for folder in ["open", "closed"] {
            assert!(
                names(self.tree.path(folder))
                    .iter()
                    .all(|name| ["victim", "socket"].contains(&name.as_str()))
            );
            let victim = fs::read_to_string(self.tree.path(folder).join("victim"));
            assert_eq!(victim.unwrap(), "untouched");
        }
        assert_eq!(cli::mode(self.tree.path("open/victim")), 0o666);
        assert_eq!(cli::mode(self.tree.path("closed/victim")), 0o644);
    }
}

/// Whether this machine has all guards that the tests take away: for root, with a kernel that has
/// all of Landlock. Prints why not.
fn guards_for(name: &str) -> bool {
    if !root_for(name) {
        return false;
    }
    let tree = Tree::new();
    tree.dir("site");
    let dry = [
        "refresh",
        "--dry-run",
        "--json",
        "--path",
        "site",
        "--output",
        "index",
    ];
    let sandbox = run(&mut tree.epcache(&dry)).json()["sandbox"].clone();
    let all = sandbox["landlock"] == "full" && sandbox["seccomp"] == true;
    if !all {
        cli::left_out(name, &format!("this kernel has not all guards: {sandbox}"));
    }
    all
}

/// Checks that the program ended with status 2 and one line that names the reason.
fn gave_up(ran: &Ran) -> &str {
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        !ran.stderr.contains(CANARY) && !ran.stdout.contains(CANARY),
        "{ran:?}"
    );
    let line = ran.complaint();
    assert!(!line.chars().any(char::is_control), "{ran:?}");
    line.strip_prefix("epcache: error: ")
        .unwrap_or_else(|| panic!("{ran:?}"))
}

/// The kernel's answer to each attempt of a job: the name of an errno, or `+` and a number.
fn told(ran: &Ran) -> BTreeMap<String, String> {
    let line = gave_up(ran)
        .strip_prefix("attempts:")
        .unwrap_or_else(|| panic!("{ran:?}"));
    line.split_whitespace()
        .map(|word| word.split_once('=').expect("a name and what came of it"))
        .map(|(name, said)| (name.to_owned(), said.to_owned()))
        .collect()
}

/// Checks that all of these attempts failed with one of these errnos, except the named ones.
fn all_refused(told: &BTreeMap<String, String>, by: &[&str], but: &[&str]) {
    assert!(!told.is_empty());
    for (name, said) in told {
        assert!(
            but.contains(&name.as_str()) || by.contains(&said.as_str()),
            "{name}: {said} in {told:?}"
        );
    }
}

/// Checks that these attempts succeeded: without a guard they can.
fn all_succeeded(told: &BTreeMap<String, String>, names: &[&str]) {
    for name in names {
        assert!(told[*name].starts_with('+'), "{name} in {told:?}");
    }
}

#[test]
fn a_conquered_worker_cannot_write_where_all_users_may_write() {
    if !guards_for("a conquered worker that writes") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("write open")
            },
            &REFRESH,
        ))
    };
    // The filter, with or without Landlock.
    for without in [&[][..], &["landlock"]] {
        let told = told_by(without);
        all_refused(&told, &["EROFS", "ENOSYS"], &["write-on", "map"]);
        assert_eq!((&*told["write-on"], &*told["map"]), ("EBADF", "EACCES"));
        for open in [
            "write",
            "read-write",
            "append",
            "unnamed",
            "create",
            "truncate-on-open",
        ] {
            assert_eq!(told[open], "EROFS", "{open}");
        }
        prey.is_unharmed();
    }
    // Only Landlock. It does not cover times and attributes.
    let told = told_by(&["seccomp"]);
    let of_the_descriptor = ["EBADF", "EINVAL"];
    let by = [&["EACCES", "EPERM", "EXDEV"][..], &of_the_descriptor].concat();
    all_refused(&told, &by, &["touch", "xattr", "rmdir", "old-unlink"]);
    for one in [
        "write",
        "create",
        "truncate",
        "truncate-on-open",
        "unlink",
        "mkdir",
        "symlink",
        "fifo",
    ] {
        assert_eq!(told[one], "EACCES", "{one} in {told:?}");
    }
    prey.is_unharmed();
    // Neither. The file size limit allows no byte beyond the present ones.
    let run = Run {
        without: &["seccomp", "landlock"],
        ..Run::of("fill")
    };
    let ran = prey.conquer_with(&run, &REFRESH);
    assert!(ran.complaint().ends_with("fill=EFBIG"), "{ran:?}");
    prey.is_unharmed();
    // Without the limit too.
    let told = told_by(&["seccomp", "landlock", "limits"]);
    let possible = [
        "write",
        "read-write",
        "append",
        "openat2",
        "touch",
        "truncate",
        "mkdir",
        "symlink",
        "rename",
    ];
    all_succeeded(&told, &possible);
}

#[test]
fn without_landlock_and_filter_a_conquered_worker_cannot_write_roots_files() {
    if !root_for("a conquered worker that writes") {
        return;
    }
    let prey = Prey::new();
    let without: [&[_]; 2] = [&[], &["seccomp", "landlock"]];
    for (without, by) in without.into_iter().zip([
        &["EROFS", "ENOSYS"][..],
        &["EACCES", "EPERM", "EBADF", "EINVAL", "ENOENT"],
    ]) {
        let run = Run {
            without,
            ..Run::of("write closed")
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        all_refused(&told, by, &["write-on", "map", "rmdir"]);
        assert_ne!(told["write"], "ENOENT");
        prey.is_unharmed();
    }
    // Also below the index's own folder.
    fs::write(prey.tree.path("index/victim"), "untouched").unwrap();
    for without in without {
        let run = Run {
            without,
            ..Run::of("write index")
        }
        .fact("index", prey.tree.text("index"));
        let told = told(&prey.conquer_with(&run, &REFRESH));
        assert!(!told.values().any(|said| said.starts_with('+')), "{told:?}");
        assert_eq!(
            fs::read_to_string(prey.tree.path("index/victim")).unwrap(),
            "untouched"
        );
    }
    fs::remove_file(prey.tree.path("index/victim")).unwrap();
    prey.is_unharmed();
}

#[test]
fn a_conquered_worker_of_the_owner_cannot_write_either() {
    if !guards_for("a conquered worker of another user") {
        return;
    }
    for (without, held) in [
        (&["landlock"][..], true),
        (&["seccomp"], true),
        (&["seccomp", "landlock", "limits"], false),
    ] {
        let prey = Prey::of_nobody();
        let run = Run {
            without,
            user: Some(NOBODY),
            ..Run::of("write closed")
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        let writes = ["write", "create", "truncate", "unlink", "mkdir", "append"];
        if held {
            for name in writes {
                assert!(
                    !told[name].starts_with('+'),
                    "{without:?}: {name} in {told:?}"
                );
            }
        } else {
            all_succeeded(
                &told,
                &["write", "truncate", "rename", "mkdir", "append", "chmod"],
            );
        }
    }
}

#[test]
fn a_conquered_worker_cannot_talk_to_other_processes() {
    if !guards_for("a conquered worker that connects") {
        return;
    }
    let prey = Prey::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("epcache-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listening = UnixListener::bind_addr(&address).unwrap();
    let path = prey.tree.path("open/socket");
    let _by_path = UnixListener::bind(&path).unwrap();
    set_mode(&path, 0o777);
    let told_by = |without| {
        let run = Run {
            without,
            ..Run::of("talk")
        }
        .fact("port", tcp.local_addr().unwrap().port())
        .fact("abstract", &name);
        told(&prey.conquer_with(&run, &REFRESH))
    };
    all_refused(&told_by(&[]), &["EPERM"], &[]);
    all_refused(&told_by(&["landlock"]), &["EPERM"], &[]);
    // Landlock covers TCP and abstract names.
    let told = told_by(&["seccomp"]);
    for (name, by) in [
        ("tcp", "EACCES"),
        ("bind", "EACCES"),
        ("unix-abstract", "EPERM"),
    ] {
        assert_eq!(told[name], by, "{name} in {told:?}");
    }
    let told = told_by(&["seccomp", "landlock"]);
    all_succeeded(
        &told,
        &[
            "tcp",
            "udp",
            "bind",
            "unix-path",
            "unix-abstract",
            "netlink",
            "socketpair",
        ],
    );
    prey.is_unharmed();
}

#[test]
fn the_parent_is_out_of_reach() {
    if !guards_for("a conquered worker that turns on its parent") {
        return;
    }
    let of_root = |job: &str, without| {
        let prey = Prey::new();
        let told = told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of(job)
            },
            &REFRESH,
        ));
        prey.is_unharmed();
        told
    };
    for without in [&[][..], &["landlock"]] {
        let told = of_root("parent", without);
        all_refused(&told, &["EPERM", "ENOSYS", "EACCES", "EROFS"], &[]);
        assert_eq!(told["kill"], "EPERM");
    }
    // Another user would be enough.
    let without: &[_] = &["seccomp", "landlock"];
    all_refused(&of_root("parent", without), &["EPERM", "EACCES"], &[]);
    all_refused(&of_root("trace", without), &["EPERM"], &[]);

    // With the same user, the filter prevents it, except where reading is enough. Landlock prevents
    // that.
    let of_nobody = |job: &str, without| {
        let prey = Prey::of_nobody();
        let run = Run {
            without,
            user: Some(NOBODY),
            ..Run::of(job)
        };
        let told = told(&prey.conquer_with(&run, &REFRESH));
        prey.is_unharmed();
        told
    };
    all_refused(
        &of_nobody("parent", &[]),
        &["EPERM", "ENOSYS", "EACCES", "EROFS"],
        &[],
    );
    all_refused(
        &of_nobody("parent", &["seccomp"]),
        &["EPERM", "EACCES"],
        &["limits"],
    );
    all_refused(&of_nobody("trace", &["seccomp"]), &["EPERM"], &[]);
    let told = of_nobody("parent", &["landlock"]);
    let reading = ["read-memory", "environment", "descriptor"];
    all_refused(&told, &["EPERM", "ENOSYS", "EROFS"], &reading);
    let told = of_nobody("parent", &["seccomp", "landlock"]);
    all_succeeded(
        &told,
        &["kill", "tkill", "tgkill", "sigqueue", "pidfd-signal"],
    );
}

#[test]
fn there_is_no_way_back_to_root() {
    if !root_for("a conquered worker that would be root again") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("rise")
            },
            &REFRESH,
        ))
    };
    let told = told_by(&[]);
    all_refused(&told, &["ENOSYS"], &["shadow"]);
    assert_eq!(told["shadow"], "EACCES");
    // Without a filter, the user has no right to it.
    let told = told_by(&["seccomp", "landlock"]);
    all_refused(&told, &["EPERM"], &["shadow"]);
    assert_eq!(told["shadow"], "EACCES");
    prey.is_unharmed();
}

#[test]
fn the_callers_terminal_is_out_of_reach() {
    if !root_for("a conquered worker on a terminal")
        || !tool_for("a conquered worker on a terminal", "script")
    {
        return;
    }
    let prey = Prey::new();
    for (without, by) in [(&[][..], "ENOTTY"), (&["seccomp", "landlock"], "ENOTTY")] {
        let run_ = Run {
            without,
            ..Run::of("terminal")
        };
        let mut command = prey
            .tree
            .on_terminal("\"$PROGRAM\" --exact as_program --nocapture --test-threads=1");
        command.env("PROGRAM", program::own_path());
        let ran = run(prey.facts(run_).environment(&mut command, &REFRESH));
        assert_eq!(ran.code, 2, "{ran:?}");
        let line = ran.stdout.split_once("epcache: error: attempts:");
        let (_, line) = line.unwrap_or_else(|| panic!("{ran:?}"));
        let said: BTreeMap<_, _> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .collect();
        // It has no terminal, and cannot open one by that name.
        assert_eq!(said["open"], "ENXIO", "{said:?}");
        for typed in ["type-0", "type-1", "type-2", "acquire"] {
            assert_eq!(said[typed], by, "{typed} in {said:?}");
        }
    }
    prey.is_unharmed();
}

#[test]
fn a_conquered_worker_cannot_start_processes_or_threads() {
    if !root_for("a conquered worker that multiplies") {
        return;
    }
    let prey = Prey::new();
    let told_by = |without| {
        told(&prey.conquer_with(
            &Run {
                without,
                ..Run::of("multiply")
            },
            &REFRESH,
        ))
    };
    all_refused(&told_by(&["limits"]), &["EPERM", "ENOSYS"], &[]);
    all_refused(&told_by(&["seccomp"]), &["EAGAIN"], &[]);
    all_refused(&told_by(&[]), &["EPERM", "ENOSYS"], &[]);
    all_succeeded(
        &told_by(&["seccomp", "limits"]),
        &["clone", "clone3", "thread", "bomb"],
    );
    prey.is_unharmed();
}

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

#[test]
fn the_parent_reports_how_the_worker_ended() {
    if !root_for("a conquered worker that dies") {
        return;
    }
    let prey = Prey::new();
    let cases = [
        ("crash", "ended: killed by SIGSEGV"),
        ("abort", "ended: it aborted, perhaps out of memory"),
        ("panic", "a bug in epcache: panicked at "),
        ("exit 0", "ended: exit status 0"),
        ("exit 7", "ended: exit status 7"),
        ("close", "ended: it closed its pipe"),
        ("half-a-frame", "ended: exit status 0"),
    ];
    for (job, expected) in cases {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).contains(expected), "{job}: {ran:?}");
    }
    // Processor time: a lower limit that exists already stays.
    let run = Run {
        processor: Some(2),
        ..Run::of("spin")
    };
    let ran = prey.conquer_with(&run, &REFRESH);
    assert!(
        gave_up(&ran).ends_with("it used up its processor time"),
        "{ran:?}"
    );
    prey.is_unharmed();
}

#[test]
fn invalid_messages_are_refused() {
    if !root_for("a conquered worker that talks nonsense") {
        return;
    }
    let prey = Prey::new();
    let nonsense = "sent an invalid message: ";
    let cases = [
        ("garbage", "a frame of 2779096485 bytes"),
        ("long-frame", "a frame of 4294967295 bytes"),
        ("done-first", "a frame of kind 24 where none belongs"),
        ("index-first", "more of an index than announced"),
        ("counts-twice", "a frame of kind 17 where none belongs"),
        ("announce", "an index of 18446744073709551615 bytes"),
        ("begin-again", "an unexpected frame of kind 0"),
        ("unknown", "a frame of kind 200 where none belongs"),
        ("reserved", "an unexpected frame of kind 9"),
        ("ten-gigabytes", "more of an index than announced"),
        ("promise", "a frame of kind 24 where none belongs"),
        ("crumbs 0", "too many frames"),
        ("crumbs 1", "too many frames"),
        ("crumbs 1000", "too many frames"),
        ("progress", "too many frames"),
        ("remarks", "too many remarks"),
        ("files", "too much in files"),
        ("many-files", "a file for no consumer"),
    ];
    for (job, expected) in cases {
        let sends_an_index = ["ten-gigabytes", "crumbs 1000"].contains(&job);
        let ran = prey.conquer_cheaply(job, if sends_an_index { 256 } else { 0 }, &REFRESH);
        let why = gave_up(&ran);
        assert!(
            why.ends_with(&format!("{nonsense}{expected}")),
            "{job}: {why}"
        );
    }
    // Its text is shown as one harmless line.
    for job in ["refuse", "panicked", "failed"] {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).contains("all is well"), "{job}: {ran:?}");
    }
    prey.is_unharmed();
}

#[test]
fn the_largest_valid_answer_costs_the_parent_little() {
    if !root_for("a conquered worker that says much") {
        return;
    }
    let prey = Prey::new();
    let refresh = [&REFRESH[..], &["--json"]].concat();
    let ran = prey.conquer_cheaply("everything 16000000", 16, &refresh);
    assert_eq!(ran.code, 0, "{ran:?}");
    let index = fs::read(prey.tree.path("index/index")).unwrap();
    assert!(index.len() > 10 << 20, "{}", index.len());
    assert!(ran.stdout.len() > 4 << 20 && !ran.stdout.contains('\x01'));
    // A view that is written, and then compared with the existing one.
    prey.tree.system("root");
    let registration = "[consumer]\ngroups = *\nview = json\n";
    let registrations = "root/usr/lib/epcache/consumers.d";
    prey.tree
        .file(&format!("{registrations}/x.conf"), registration);
    let refresh = ["refresh", "-q", "--system", "--root", "root", "--full"];
    for _ in 0..2 {
        let ran = prey.conquer_cheaply("view", 0, &refresh);
        assert_eq!(ran.code, 0, "{ran:?}");
        let view = prey.tree.path("root/usr/lib/epcache/views/x.json");
        assert_eq!(fs::metadata(view).unwrap().len(), 32 << 20);
    }
}

#[test]
fn an_index_with_false_numbers_is_not_published() {
    if !root_for("a conquered worker that lies") {
        return;
    }
    let prey = Prey::new();
    let unsound = "the new index is not sound, not published: ";
    for job in ["damage", "cut", "no-index", "nothing"] {
        let ran = prey.conquer(job);
        assert!(gave_up(&ran).starts_with(unsound), "{job}: {ran:?}");
    }
    // Only the index that it was given can be called unchanged.
    let full = [&REFRESH[..], &["--full"]].concat();
    let ran = prey.conquer_with(&Run::of("unchanged"), &full);
    assert_eq!(gave_up(&ran), "the new index is none");
    // With correct checksums. index_damage.rs tests what `verify` finds; here only that it is
    // called.
    for number in [0x7fff_ffff, u32::MAX] {
        for offset in lies(&prey) {
            let ran = prey.conquer(&format!("lie {offset}={number}"));
            assert!(
                gave_up(&ran).starts_with(unsound),
                "{number} at {offset}: {ran:?}"
            );
        }
    }
    prey.is_unharmed();
}

/// Positions of numbers that matter: the counts in the header, the positions of a record and its
/// tables.
fn lies(prey: &Prey) -> Vec<usize> {
    let number =
        |at: usize| u32::from_le_bytes(prey.index[at..at + 4].try_into().unwrap()) as usize;
    let body = 64 + 4 * number(24);
    let record = body + number(28) * 16;
    let mut all = vec![28, 32, body];
    all.extend([0, 4, 8, 16, 20, 24, 28].map(|at| record + at));
    all
}

#[test]
fn a_silent_or_slow_worker_is_ended() {
    if !root_for("a conquered worker that takes its time") {
        return;
    }
    let prey = Prey::new();
    for (job, expected) in [
        ("hang silence", "sent nothing for 0 s"),
        ("deaf silence", "sent nothing for 0 s"),
        ("spin silence", "sent nothing for 0 s"),
        ("hang time", "were not read within 0 s: gave up"),
        ("progress time", "were not read within 0 s: gave up"),
        ("progress size", "sent more than 1048576 bytes: gave up"),
    ] {
        let ran = prey.conquer(job);
        assert_eq!(ran.code, 2, "{job}: {ran:?}");
        assert!(ran.complaint().contains(expected), "{job}: {ran:?}");
    }
    prey.is_unharmed();
}

#[test]
fn a_worker_that_does_not_end_after_its_last_message_is_killed_and_its_index_published() {
    if !root_for("a conquered worker that stays") {
        return;
    }
    let prey = Prey::new();
    let ran = prey.conquer("truth-and-then-nothing");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let index = fs::read(prey.tree.path("index/index")).unwrap();
    assert!(index != prey.index);
    verify(&Index::open(index).unwrap()).unwrap();
}

#[test]
fn the_worker_ends_with_its_parent() {
    if !root_for("a conquered worker without a parent") {
        return;
    }
    let prey = Prey::new();
    for job in ["hang", "deaf", "spin"] {
        let run = Run::of(job).fact("killed", "soon");
        let ran = prey.conquer_with(&run, &REFRESH);
        assert_eq!(ran.code, 128 + 9, "{job}: {ran:?}");
        prey.is_unharmed();
    }
}

#[test]
fn a_conquered_worker_does_not_fail_the_package_manager() {
    if !root_for("a conquered worker of a trigger") {
        return;
    }
    let prey = Prey::new();
    prey.tree.system("root");
    let ran = run(&mut prey
        .tree
        .epcache(&["refresh", "-q", "--system", "--root", "root"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = ["var/cache", "var/lib", "usr/lib"]
        .map(|folder| prey.tree.path("root").join(folder).join("epcache/index"));
    let path = path.iter().find(|path| path.exists()).expect("an index");
    let mut index = fs::read(path).unwrap();
    index[SUSPECT_AT as usize] = 1;
    for job in [
        "crash",
        "garbage",
        "damage",
        "forbidden execve",
        "close",
        "panic",
        "multiply",
        "write open",
    ] {
        let ran = prey.conquer_with(&Run::of(job), &["trigger", "dpkg", "--root", "root"]);
        assert_eq!(
            (ran.code, ran.stderr.lines().count()),
            (0, 1),
            "{job}: {ran:?}"
        );
        assert!(ran.stderr.contains("dpkg trigger: "), "{job}: {ran:?}");
        assert!(
            fs::read(path).unwrap() == index,
            "{job}: the old index, under suspicion"
        );
        verify(&Index::open(index.clone()).unwrap()).unwrap();
    }
    prey.is_unharmed();
}
