//! Privilege separation: work done by a child that has given up everything it does not need.
//!
//! In come a job, whom to do it as, and bounds; out come the frames that the job has sent, one after the
//! other, and what was in force meanwhile. The parent does not look at what the child looks at; the child
//! can do nothing but read files as a user who may read what everybody may, and write into one pipe.
//!
//! This room knows nothing of Python or of indexes, and it is the only one with `unsafe` in it
//! (`kernel.rs`, which wraps system calls). What the frames of a job mean is for those who send and receive them
//! to say; whoever receives them is to take them for hostile.
//!
//! The order of what the child gives up is that of `worker::confine`: descriptors, session, directory,
//! environment; new privileges; Landlock (no writing, no network). Then it opens the directories that somebody has
//! named. Then it gives up groups, group, user, capabilities, and being looked into; then its threads are made, then
//! come limits and the filter of system calls, since after them there is no making threads.

mod deadline;
pub mod frames;
mod identity;
mod kernel;
mod landlock;
mod limits;
mod parent;
mod passwd;
mod seccomp;
mod worker;

use std::fs::File;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, getpid, pipe2};

use crate::rooted::Root;
pub use deadline::within;
pub use frames::{Frame, Sender};
pub use identity::{Privileges, Refusal, become_owner, refuse_pretended_root};
pub use landlock::Landlock;
pub use parent::Worker;
pub use passwd::Ids;

/// The kinds of frames.
pub mod kind {
    /// What is in force: the first frame of all.
    pub(super) const IN_FORCE: u8 = 0;
    /// Why there will be no job.
    pub(super) const REFUSED: u8 = 1;
    /// What a panic said.
    pub(super) const PANICKED: u8 = 2;
    /// From here on, kinds belong to the job.
    pub const FIRST_OF_JOB: u8 = 16;
}

/// The user to read packages as, where nothing else is configured.
pub const USER: &str = "_epcache";

/// How the administrator wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The user that root reads packages as, where one is configured; else [`USER`], or where that
    /// does not exist, `nobody`.
    pub user: Option<String>,
    /// Whether root gives its privileges up for that.
    pub drop_privileges: bool,
    /// Whether a kernel without Landlock or seccomp filters is not good enough.
    pub require_sandbox: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            user: None,
            drop_privileges: true,
            require_sandbox: false,
        }
    }
}

/// What is accepted from a worker.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// For how long it may be silent. (One that reads from a dead network mount is.)
    pub silence: Duration,
    /// How long it may take in all.
    pub time: Duration,
    /// How many bytes it may send in all.
    pub size: u64,
}

/// What is to be done in the child: it sends what comes of it.
pub type Work<'w> = Box<dyn FnOnce(&mut Sender<File>) + 'w>;

/// What is to be done in the child before the work.
pub type Step<'s> = Box<dyn FnOnce() + 's>;

/// A job for the child.
pub struct Job<'j> {
    /// Opens what somebody has named: with this process's own rights, but already unable to write. What it
    /// says can be relied on, since no package has been read yet.
    pub enter: Box<dyn FnOnce() -> bool + 'j>,
    /// Makes the threads that the work wants: the last moment at which that can be done.
    pub prepare: Step<'j>,
    /// The work.
    pub work: Work<'j>,
}

/// What was in force while the job was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// Whom it was done as.
    pub privileges: Privileges,
    /// How much of Landlock.
    pub landlock: Landlock,
    /// Whether system calls were filtered.
    pub seccomp: bool,
    /// What [`Job::enter`] has said.
    pub said_on_entry: bool,
}

impl Sandbox {
    fn to_bytes(self) -> [u8; 4] {
        let namespace = self.privileges == Privileges::Namespace;
        let landlock = match self.landlock {
            Landlock::Missing => 0,
            Landlock::Partial => 1,
            Landlock::Full => 2,
        };
        [
            namespace.into(),
            landlock,
            self.seccomp.into(),
            self.said_on_entry.into(),
        ]
    }

    /// Whom the worker was to become is known here better than there.
    fn of_bytes(bytes: &[u8], target: Privileges) -> Option<Self> {
        let &[namespace, landlock, seccomp, said] = bytes else {
            return None;
        };
        Some(Self {
            privileges: match (namespace, target) {
                (0, target) => target,
                (1, Privileges::Dropped(_)) => Privileges::Namespace,
                _ => return None,
            },
            landlock: match landlock {
                0 => Landlock::Missing,
                1 => Landlock::Partial,
                2 => Landlock::Full,
                _ => return None,
            },
            seccomp: flag(seccomp)?,
            said_on_entry: flag(said)?,
        })
    }

    /// What was in force, in words for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let who = match self.privileges {
            privileges if privileges.is_shared() => "as nobody".into(),
            Privileges::Dropped(ids) => format!("as user {}", ids.uid),
            Privileges::Namespace => "as the only user of this namespace".into(),
            Privileges::Unprivileged => "as the caller".into(),
            Privileges::Kept => "as root".into(),
        };
        let landlock = match self.landlock {
            Landlock::Full => "Landlock",
            Landlock::Partial => "Landlock in part",
            Landlock::Missing => "no Landlock",
        };
        let seccomp = if self.seccomp {
            "seccomp"
        } else {
            "no seccomp"
        };
        format!("packages read {who}, {landlock}, {seccomp}")
    }

    /// What this kernel lacks, in words for who may want to know; None where nothing is missing.
    #[must_use]
    pub fn lack(&self) -> Option<&'static str> {
        match (self.landlock, self.seccomp) {
            (Landlock::Missing, false) => Some("neither Landlock nor seccomp filters"),
            (Landlock::Missing, true) => Some("no Landlock"),
            (_, false) => Some("no seccomp filters"),
            _ => None,
        }
    }
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Why a job came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing was read: privileges could not be given up.
    #[error("{0}: nothing is read")]
    NotSeparated(#[from] Refusal),
    /// Nothing was read: the child says why.
    #[error("{0}: nothing is read")]
    Refused(String),
    /// There was no child.
    #[error("no process to read packages in: {0}")]
    NoProcess(#[from] Errno),
    /// The child ended before its job did.
    #[error("the process that does the work ended: {0}")]
    Died(String),
    /// The job panicked.
    #[error("a mistake in epcache: {0}")]
    Panicked(String),
    /// Seconds of silence.
    #[error(
        "the process that reads packages said nothing for {0} s (a file system that hangs?), given up"
    )]
    Silent(u64),
    /// Seconds in all.
    #[error("packages were not read within {0} s, given up")]
    TooSlow(u64),
    /// So many bytes, and more to come.
    #[error("the process that reads packages sends more than {0} bytes, given up")]
    TooMuch(u64),
    /// What arrived is not what a job sends.
    #[error("the process that reads packages sends what makes no sense: {0}")]
    Nonsense(String),
}

/// What a process that writes begins with, whatever it was started with: what it makes is open to all, and
/// a limit on the size of files is an error like a full disk.
pub fn settle() {
    umask(Mode::from_bits_truncate(0o022));
    kernel::survive_file_size_limit();
}

/// Under which conditions a job is done.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// How the administrator wants it.
    pub policy: &'t Policy,
    /// What is accepted from the child.
    pub bounds: Bounds,
    /// The descriptors that the child keeps.
    pub kept: &'t [BorrowedFd<'t>],
    /// The directories that the parent goes on writing in.
    pub writable: &'t [BorrowedFd<'t>],
}

/// Has the job done in a child. `receive` gets each of the job's frames and says whether it was the last.
///
/// Meanwhile, and from then on, this process itself can write nowhere but where the terms say, execute
/// nothing, and has none of root's capabilities that it does not need for that.
///
/// The worker that is returned may still be about to end; dropping it sees to that.
///
/// # Errors
/// [`Trouble`]. Unless privileges could be given up, the job is not even begun.
pub fn run(
    terms: Terms<'_>,
    job: Job<'_>,
    receive: &mut dyn FnMut(Frame) -> Result<bool, String>,
) -> Result<(Sandbox, Worker), Trouble> {
    let target = identity::target(&Root::system(), terms.policy)?;
    let (output, input) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // Fewer turns between the two processes. Who may not have it does with less.
    let _ = fcntl(&output, FcntlArg::F_SETPIPE_SZ(1 << 20));
    let orders = worker::Orders {
        parent: getpid(),
        target,
        kept: terms.kept,
        require_sandbox: terms.policy.require_sandbox,
    };
    kernel::keep_ended_children();
    match kernel::split()? {
        ForkResult::Child => worker::live(input, &orders, job),
        ForkResult::Parent { child } => {
            drop(input);
            let mut worker = Worker::new(child);
            parent::confine(target, terms.writable);
            let sandbox = worker.listen(output, target, terms.bounds, receive)?;
            Ok((sandbox, worker))
        }
    }
}
