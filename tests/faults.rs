//! A refresh with a fault: each system call of the writer and of its worker in turn fails, in each
//! way that it can, or is the last one of its process.
//!
//! After each fault, the index is the old one or the new one, byte for byte, or names what it
//! lacks. The next refresh repairs everything, and no process is left. A signal that interrupts a
//! call changes nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect"
)]
#![allow(unsafe_code, reason = "ptrace has no safe wrapper")]

#[path = "support/cli.rs"]
mod cli;
#[path = "faults/tracer.rs"]
mod tracer;

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cli::{Tree, left_out, names, root_for, set_mode};
use epcache::index::{Index, verify};
use nix::errno::Errno::{self, *};
use nix::libc::{self, c_long};
use tracer::{Call, Effect, Fault, Role, Traced};

/// Calls that newer architectures lack. Faults can be injected only on this one (`KNOWN`).
#[cfg(target_arch = "x86_64")]
const POLL: c_long = libc::SYS_poll;
#[cfg(target_arch = "x86_64")]
const DUP2: c_long = libc::SYS_dup2;
#[cfg(target_arch = "x86_64")]
const RENAMEAT: c_long = libc::SYS_renameat;
#[cfg(not(target_arch = "x86_64"))]
const POLL: c_long = -1;
#[cfg(not(target_arch = "x86_64"))]
const DUP2: c_long = -1;
#[cfg(not(target_arch = "x86_64"))]
const RENAMEAT: c_long = -1;

/// How a call can fail. Other calls cannot fail, or nothing depends on them.
const FAILURES: &[(c_long, &[Errno])] = &[
    (libc::SYS_openat, &[EIO, EMFILE, ENOMEM, ENOSPC, EROFS]),
    (libc::SYS_read, &[EIO]),
    (libc::SYS_pread64, &[EIO, ENOMEM]),
    (libc::SYS_readlinkat, &[EIO, ENOMEM]),
    (libc::SYS_getdents64, &[EIO, ENOMEM]),
    (libc::SYS_newfstatat, &[EIO, ENOMEM]),
    (libc::SYS_fstat, &[EIO]),
    (libc::SYS_statx, &[EIO, ENOMEM]),
    (libc::SYS_statfs, &[EIO]),
    (libc::SYS_fstatfs, &[EIO]),
    (libc::SYS_write, &[ENOSPC, EIO, EPIPE]),
    (libc::SYS_writev, &[EIO, EPIPE]),
    (libc::SYS_pidfd_open, &[EMFILE, ENOMEM]),
    (libc::SYS_pwrite64, &[ENOSPC, EIO]),
    (libc::SYS_fsync, &[EIO, ENOSPC]),
    (libc::SYS_fchmod, &[EIO, EROFS]),
    (libc::SYS_mkdirat, &[ENOSPC, EROFS]),
    (RENAMEAT, &[EIO, ENOSPC, EROFS]),
    (libc::SYS_renameat2, &[EIO, ENOSPC, EROFS]),
    (libc::SYS_unlinkat, &[EIO, EROFS]),
    (libc::SYS_flock, &[EIO, ENOLCK, ENOMEM]),
    (libc::SYS_mmap, &[ENOMEM]),
    (libc::SYS_mremap, &[ENOMEM]),
    (libc::SYS_pipe2, &[EMFILE, ENFILE]),
    (libc::SYS_clone, &[EAGAIN, ENOMEM]),
    (POLL, &[ENOMEM]),
    (libc::SYS_ppoll, &[ENOMEM]),
    (libc::SYS_fcntl, &[EMFILE]),
    (libc::SYS_chdir, &[EIO]),
    (DUP2, &[EMFILE]),
    (libc::SYS_close, &[EIO]),
    (libc::SYS_close_range, &[ENOSYS]),
    (libc::SYS_prctl, &[EPERM, EINVAL]),
    (libc::SYS_capget, &[EPERM]),
    (libc::SYS_capset, &[EPERM]),
    (libc::SYS_setgroups, &[EPERM]),
    (libc::SYS_setresgid, &[EPERM]),
    (libc::SYS_setresuid, &[EPERM, EAGAIN, EINVAL]),
    (libc::SYS_setsid, &[EPERM]),
    (libc::SYS_prlimit64, &[EPERM]),
    (
        libc::SYS_landlock_create_ruleset,
        &[ENOSYS, EOPNOTSUPP, ENOMEM],
    ),
    (libc::SYS_landlock_add_rule, &[ENOMEM]),
    (libc::SYS_landlock_restrict_self, &[ENOMEM]),
    (libc::SYS_seccomp, &[ENOSYS, EINVAL, ENOMEM]),
];

/// Calls that a signal can interrupt.
const INTERRUPTIBLE: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_fsync,
    libc::SYS_flock,
    POLL,
    libc::SYS_ppoll,
    libc::SYS_wait4,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
];

/// Files to refresh, an index from before the last change, and the correct one.
struct Stage {
    tree: Tree,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let tree = Tree::new();
        for name in ["a", "b"] {
            tree.dist("site", name, &format!("[g]\n{name} = {name}:main\n"));
        }
        tree.dir("index");
        tree.refresh(&["site"], "index/index");
        let old = fs::read(tree.path("index/index")).unwrap();
        // As a package manager does it: another directory, not new content in the same one.
        fs::remove_dir_all(tree.path("site/a-1.dist-info")).unwrap();
        tree.file("site/a-2.dist-info/METADATA", "Name: a\nVersion: 2\n");
        tree.file(
            "site/a-2.dist-info/entry_points.txt",
            "[g]\nanother = a:main\n",
        );
        tree.dist("site", "c", "[g]\nc = c:main\n");
        tree.link(
            "../c-1.dist-info/entry_points.txt",
            "site/linked-1.dist-info/entry_points.txt",
        );
        tree.file(
            "site/linked-1.dist-info/METADATA",
            "Name: linked\nVersion: 1\n",
        );
        tree.refresh(&["site"], "index/index");
        let new = fs::read(tree.path("index/index")).unwrap();
        let stage = Self { tree, old, new };
        stage.set();
        stage
    }

    /// Puts the old index in place.
    fn set(&self) {
        fs::write(self.tree.path("index/index"), &self.old).unwrap();
        set_mode(self.tree.path("index/index"), 0o644);
    }

    fn index(&self) -> Vec<u8> {
        fs::read(self.tree.path("index/index")).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_epcache"));
        command.args(["refresh", "--path", "site", "--output", "index/index"]);
        command.env_clear().current_dir(self.tree.path(""));
        command
    }

    /// Checks the promises after a refresh with a fault. The error says which one is broken.
    fn judge(&self, ran: &Traced, fault: Fault) -> Result<(), String> {
        let index = self.index();
        let sound = Index::open(index.clone()).and_then(|index| verify(&index));
        sound.map_err(|damage| format!("a damaged index: {damage}"))?;
        let (is_old, is_new) = (index == self.old, index == self.new);
        let complaints = complaints(&ran.stderr);
        match ran.code {
            Some(0) if is_new => {}
            // Everything that the index lacks is named: a file, or the search directory.
            Some(0 | 1) if !is_old && complaints.contains("/site") => {}
            Some(1 | 2) | None if is_old || is_new => {}
            _ => {
                let which = if is_old { "old" } else { "another" };
                return Err(format!(
                    "status {:?}, {which} index: {complaints:?}",
                    ran.code
                ));
            }
        }
        if fault.effect != Effect::Fails(EINTR) || (is_new && complaints.is_empty()) {
            return Ok(());
        }
        Err(format!("interrupted: {complaints:?}"))
    }

    /// Checks that the next refresh repairs everything.
    fn mended(&self) -> Result<(), String> {
        let output = self.command().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || !complaints(&said).is_empty() {
            return Err(format!("the next refresh: {} {said}", output.status));
        }
        if self.index() != self.new {
            return Err("the next refresh has published another index".into());
        }
        match names(self.tree.path("index")).as_slice() {
            [index, lock] if index == "index" && lock == "index.lock" => Ok(()),
            names => Err(format!("leftovers: {names:?}")),
        }
    }
}

/// Warnings and errors, without the last line with the summary.
fn complaints(stderr: &str) -> String {
    let is_complaint = |line: &&str| !line.contains(" 1 search directory: ");
    stderr
        .lines()
        .filter(is_complaint)
        .collect::<Vec<_>>()
        .join("\n")
}

/// All faults that are possible at these calls.
fn faults(calls: &[Call]) -> Vec<Fault> {
    let mut all = Vec::new();
    // How often the writer looks for the end of its worker depends on timing.
    let waits = [libc::SYS_wait4, libc::SYS_clock_nanosleep];
    let is_again = |call: &&Call| !(waits.contains(&call.number) && call.before > 2);
    for &call in calls.iter().filter(is_again) {
        let mut add = |effect| all.push(Fault { call, effect });
        add(Effect::Dies);
        if INTERRUPTIBLE.contains(&call.number) {
            add(Effect::Fails(EINTR));
        }
        let failures = FAILURES.iter().find(|(number, _)| *number == call.number);
        for &errno in failures.map_or(&[][..], |(_, errnos)| errnos) {
            add(Effect::Fails(errno));
        }
    }
    all
}

#[test]
fn after_any_fault_the_index_is_the_old_one_or_the_new_one() {
    let what = "a refresh with faults";
    if !root_for(what) {
        return;
    }
    if !tracer::KNOWN {
        return left_out(
            what,
            "the registers of this architecture are not known here",
        );
    }
    let clean = tracer::run(&mut Stage::new().command(), None);
    assert_eq!(
        (clean.code, complaints(&clean.stderr)),
        (Some(0), String::new())
    );
    // Only some of the calls of the loader and of the runtime before the program starts are tried.
    // The runtime's check of the standard descriptors is the first poll(2).
    let begin = clean.calls.iter().position(|call| call.number == POLL);
    let faults = faults(&clean.calls[begin.unwrap()..]);
    let (next, reached, wrong) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        Mutex::new(Vec::new()),
    );
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let stage = Stage::new();
                while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    stage.set();
                    let ran = tracer::run(&mut stage.command(), Some(fault));
                    reached.fetch_add(ran.reached.into(), Ordering::Relaxed);
                    let judged = stage.judge(&ran, fault).and_then(|()| stage.mended());
                    if let Err(why) = judged {
                        wrong.lock().unwrap().push(format!("{fault:?}: {why}"));
                    }
                }
            });
        }
    });
    let count = |role| {
        faults
            .iter()
            .filter(|fault| fault.call.role == role)
            .count()
    };
    let _ = writeln!(
        std::io::stderr(),
        "faults: {} of {} were reached, {} in the writer, {} in the worker",
        reached.load(Ordering::Relaxed),
        faults.len(),
        count(Role::Writer),
        count(Role::Worker),
    );
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        faults.len(),
        wrong.join("\n")
    );
}
