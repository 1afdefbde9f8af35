//! Privilege separation: a child process does the work after it has given up all other rights.
//!
//! The input is a job, the user to do it as, and limits ([`Terms`]). The output is the frames that
//! the job has sent, in order, and what was in force meanwhile ([`Sandbox`]). The parent does not
//! look at what the child reads. The child can only read files, as a user who may read what every
//! user may read, and write into one pipe.
//!
//! This room knows nothing of Python or of indexes. It is the only room with `unsafe` code, all of
//! it in `kernel.rs`, which wraps system calls. It does not interpret the frames of a job. The
//! receiver must treat them as hostile.
//!
//! The child gives up its rights in the order of `worker::confine`:
//!
//! 1. descriptors, session, directory, environment
//! 2. the ability to gain new privileges
//! 3. writing and network (Landlock)
//! 4. Now it opens the directories that the user has named.
//! 5. groups, group, user, capabilities, being traced
//! 6. Now it starts its threads: after the next step none can be started.
//! 7. resource limits, system calls (seccomp)

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

/// The types of frames.
pub mod kind {
    /// What is in force. Always the first frame.
    pub(super) const IN_FORCE: u8 = 0;
    /// Why the job was not begun.
    pub(super) const REFUSED: u8 = 1;
    /// The message of a panic.
    pub(super) const PANICKED: u8 = 2;
    /// The first type that belongs to the job.
    pub const FIRST_OF_JOB: u8 = 16;
}

/// The user to read packages as, if the configuration names no other.
pub const USER: &str = "_epcache";

/// What the administrator has configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The user that root reads packages as, if the configuration names one. Otherwise [`USER`], or
    /// `nobody` if that does not exist.
    pub user: Option<String>,
    /// Whether root gives up its privileges to read packages.
    pub drop_privileges: bool,
    /// Whether to refuse to run without Landlock and seccomp filters.
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

/// What the parent accepts from a worker.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long it may send nothing. (A worker that reads from a dead network mount sends nothing.)
    pub silence: Duration,
    /// How long it may take in total.
    pub time: Duration,
    /// How many bytes it may send in total.
    pub size: u64,
}

/// The work to do in the child. It sends its results.
pub type Work<'w> = Box<dyn FnOnce(&mut Sender<File>) + 'w>;

/// A step in the child before the work.
pub type Step<'s> = Box<dyn FnOnce() + 's>;

/// A job for the child.
pub struct Job<'j> {
    /// Opens what the user has named, with this process's own rights, but already unable to write.
    /// Its result can be trusted, because no package has been read yet.
    pub enter: Box<dyn FnOnce() -> bool + 'j>,
    /// Starts the threads that the work needs. Later no thread can be started.
    pub prepare: Step<'j>,
    /// The work.
    pub work: Work<'j>,
}

/// What was in force while the job was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sandbox {
    /// The user that did it.
    pub privileges: Privileges,
    /// How much of Landlock was in force.
    pub landlock: Landlock,
    /// Whether system calls were filtered.
    pub seccomp: bool,
    /// The result of [`Job::enter`].
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

    /// The parent knows the target user better than the child's message does.
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

    /// What was in force, as a text for messages.
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

    /// What this kernel lacks, as a text for messages. `None` if it lacks nothing.
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

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing was read, because privileges could not be given up.
    #[error("{0}: nothing is read")]
    NotSeparated(#[from] Refusal),
    /// Nothing was read, for the reason that the child gives.
    #[error("{0}: nothing is read")]
    Refused(String),
    /// The child could not be started.
    #[error("cannot start a process that reads packages: {0}")]
    NoProcess(#[from] Errno),
    /// The child ended before its job was done.
    #[error("the process that does the work ended: {0}")]
    Died(String),
    /// The job panicked.
    #[error("a bug in epcache: {0}")]
    Panicked(String),
    /// The child sent nothing for so many seconds.
    #[error(
        "the process that reads packages sent nothing for {0} s (does a file system hang?): gave up"
    )]
    Silent(u64),
    /// The job took longer than so many seconds.
    #[error("packages were not read within {0} s: gave up")]
    TooSlow(u64),
    /// The child sent more than so many bytes.
    #[error("the process that reads packages sent more than {0} bytes: gave up")]
    TooMuch(u64),
    /// The child sent something that is not part of a job.
    #[error("the process that reads packages sent an invalid message: {0}")]
    Nonsense(String),
}

/// Resets what this process may have inherited: files that it creates are readable by all, and a
/// file that exceeds the size limit gives an error, as a full disk does.
pub fn settle() {
    umask(Mode::from_bits_truncate(0o022));
    kernel::survive_file_size_limit();
}

/// The conditions of a job.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// What the administrator has configured.
    pub policy: &'t Policy,
    /// What is accepted from the child.
    pub bounds: Bounds,
    /// The descriptors that the child keeps.
    pub kept: &'t [BorrowedFd<'t>],
    /// The directories to which the parent goes on writing.
    pub writable: &'t [BorrowedFd<'t>],
}

/// Does the job in a child. `receive` gets each of the job's frames, and returns whether it was the
/// last.
///
/// From then on this process can write only to the directories in the terms and execute nothing. It
/// keeps only the capabilities that it needs for that.
///
/// The returned worker may not have ended yet. Dropping it ends it.
///
/// # Errors
/// [`Trouble`]. If privileges could not be given up, the job is not begun.
pub fn run(
    terms: Terms<'_>,
    job: Job<'_>,
    receive: &mut dyn FnMut(Frame) -> Result<bool, String>,
) -> Result<(Sandbox, Worker), Trouble> {
    let target = identity::target(&Root::system(), terms.policy)?;
    let (output, input) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    // A larger pipe means fewer switches between the processes. If it is refused, the default works
    // too.
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
