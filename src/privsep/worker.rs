//! The child's side: it gives up its rights, then does the work.
//!
//! The input is a pipe, [`Orders`] and a job. The output is frames in the pipe: what is in force,
//! then those of the job, or the reason why there is none.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, getppid, pipe2, setsid};

use super::frames::Sender;
use super::identity::{self, Privileges};
use super::landlock::Landlock;
use super::{Job, Sandbox, Step, kernel, kind, landlock, limits, seccomp};

/// The user that the child must become, and what it keeps.
pub(super) struct Orders<'o> {
    pub(super) parent: Pid,
    pub(super) target: Privileges,
    pub(super) kept: &'o [BorrowedFd<'o>],
    pub(super) require_sandbox: bool,
}

/// The message of the last panic.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// The whole life of the child. It never returns to the code that it is a copy of.
pub(super) fn live(pipe: OwnedFd, orders: &Orders<'_>, job: Job<'_>) -> ! {
    panic::set_hook(Box::new(|panic| {
        if let Ok(mut said) = PANIC.lock() {
            *said = panic.to_string();
        }
    }));
    let mut sender = Sender::new(File::from(pipe));
    let worked = panic::catch_unwind(AssertUnwindSafe(|| {
        let Job {
            enter,
            prepare,
            work,
        } = job;
        match confine(sender.pipe(), orders, enter, prepare) {
            Ok(sandbox) => {
                let sent = sender.send(kind::IN_FORCE, &sandbox.to_bytes());
                if sent.is_ok() {
                    work(&mut sender);
                }
            }
            Err(why) => drop(sender.send(kind::REFUSED, why.as_bytes())),
        }
    }));
    if worked.is_err() {
        let what = PANIC.lock().map(|said| said.clone()).unwrap_or_default();
        let _ = sender.send(kind::PANICKED, what.as_bytes());
    }
    kernel::leave(i32::from(worked.is_err()))
}

/// Gives up everything but reading files and writing into the pipe.
fn confine(
    pipe: BorrowedFd<'_>,
    orders: &Orders<'_>,
    enter: impl FnOnce() -> bool,
    prepare: Step<'_>,
) -> Result<Sandbox, String> {
    isolate(pipe, orders.kept).map_err(|error| format!("the worker is not isolated: {error}"))?;
    let failed = |error| format!("prctl: {error}");
    kernel::end_with_parent().map_err(failed)?;
    if getppid() != orders.parent {
        return Err("the parent has gone".into());
    }
    kernel::set_no_new_privileges().map_err(failed)?;
    let landlock = landlock::restrict_to_reading();
    let said_on_entry = enter();
    let privileges = identity::assume(orders.target).map_err(|refusal| refusal.to_string())?;
    kernel::set_undumpable().map_err(failed)?;
    // Again, because changing the user resets it.
    kernel::end_with_parent().map_err(failed)?;
    if getppid() != orders.parent {
        return Err("the parent has gone".into());
    }
    // A new thread inherits these rights, and later none can be started.
    prepare();
    limits::set().map_err(|error| format!("setrlimit: {error}"))?;
    // Older kernels do not have it.
    let _ = kernel::refuse_new_code();
    let seccomp = seccomp::restrict(pipe).is_ok();
    let is_lacking = landlock == Landlock::Missing || !seccomp;
    let why = if orders.require_sandbox {
        Some("the configuration says require-sandbox = yes")
    } else if privileges.is_shared() {
        Some("packages are read as nobody only in a sandbox (as a user _epcache also without one)")
    } else {
        None
    };
    if let Some(why) = why.filter(|_| is_lacking) {
        let what = if seccomp {
            "Landlock"
        } else {
            "seccomp filters"
        };
        return Err(format!("{why}, and this kernel has no {what}"));
    }
    Ok(Sandbox {
        privileges,
        landlock,
        seccomp,
        said_on_entry,
    })
}

/// Gives up the descriptors, terminal, directory and variables that this process has inherited.
fn isolate(pipe: BorrowedFd<'_>, kept: &[BorrowedFd<'_>]) -> nix::Result<()> {
    // Pipes without another end, because /dev may be missing, and /dev/null there may be any file.
    let (output, _) = pipe2(OFlag::O_CLOEXEC)?;
    let (_, input) = pipe2(OFlag::O_CLOEXEC)?;
    kernel::duplicate_to(output.as_fd(), 0)?;
    kernel::duplicate_to(input.as_fd(), 1)?;
    kernel::duplicate_to(input.as_fd(), 2)?;
    drop((output, input));
    let mut kept: Vec<_> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    kept.push(pipe.as_raw_fd());
    kept.sort_unstable();
    kernel::close_all_but(&kept);
    // Fails only for a process that already leads a session.
    let _ = setsid();
    chdir("/")?;
    kernel::clear_environment();
    umask(Mode::from_bits_truncate(0o077));
    Ok(())
}
