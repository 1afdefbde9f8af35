//! The parent's side: it receives what the worker sends, within limits of time and size.
//!
//! The input is the pipe from the worker, the limits, and a function that receives frames. The
//! output is what was in force, or the reason why the worker failed ([`Trouble`]). It keeps the
//! worker's process, and ends it at the latest when [`Worker`] is dropped.

use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, read};

use super::frames::{self, Frame};
use super::identity::Privileges;
use super::{Bounds, Sandbox, Trouble, kernel, kind, landlock};
use crate::waiting::Waiting;

/// How long to wait for a worker that was killed. One that sleeps in the kernel (on a dead network
/// mount) stays until the kernel returns.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long to wait before looking at the clock again.
pub(super) const ROUND: Duration = Duration::from_millis(100);
/// How long to sleep if the kernel cannot report the end of a process.
const NAP: Duration = Duration::from_micros(200);
/// How much time to count for a wait that ended early, if the clock stands still.
const SHORT_ROUND: Duration = Duration::from_millis(1);

/// In bytes. Larger reads bypass the buffer.
const SMALL: usize = 8 << 10;

/// `CAP_KILL` of linux/capability.h
const KILL: u64 = 1 << 5;

/// Gives up the rights that only the child needed. If that fails, the parent goes on, because it
/// reads no package.
pub(super) fn confine(target: Privileges, writable: &[BorrowedFd<'_>]) {
    // Ending a worker of another user needs CAP_KILL. The parent writes only its own user's files.
    let kept = match target {
        Privileges::Dropped(_) => KILL,
        _ => 0,
    };
    let confined = kernel::keep_capabilities(kept).and_then(|()| kernel::set_no_new_privileges());
    if let Err(error) = confined {
        log::debug!("privileges are kept: {error}");
    }
    landlock::restrict_writing_to(writable);
}

/// A running worker. Dropping it ends the worker.
#[derive(Debug)]
pub struct Worker {
    process: Pid,
    ended: Option<WaitStatus>,
}

impl Worker {
    pub(super) fn new(process: Pid) -> Self {
        Self {
            process,
            ended: None,
        }
    }

    /// Receives frames from the worker, up to the one that `receive` calls the last.
    pub(super) fn listen(
        &mut self,
        pipe: OwnedFd,
        target: Privileges,
        bounds: Bounds,
        receive: &mut dyn FnMut(Frame) -> Result<bool, String>,
    ) -> Result<Sandbox, Trouble> {
        let mut pipe = BufReader::with_capacity(SMALL, PatientPipe::new(pipe, bounds));
        let mut sandbox = None;
        loop {
            let frame = match frames::read(&mut pipe) {
                Ok(Some(frame)) => frame,
                Ok(None) => return Err(self.death()),
                Err(error) => {
                    return Err(match (pipe.get_ref().given_up, error.kind()) {
                        (Some(trouble), _) => trouble.into(),
                        (None, io::ErrorKind::UnexpectedEof) => self.death(),
                        (None, _) => Trouble::Nonsense(error.to_string()),
                    });
                }
            };
            match (frame.kind, &sandbox) {
                (kind::REFUSED, _) => return Err(Trouble::Refused(text(&frame))),
                (kind::PANICKED, _) => return Err(Trouble::Panicked(text(&frame))),
                (kind::IN_FORCE, None) => {
                    let in_force = Sandbox::of_bytes(&frame.payload, target);
                    sandbox = Some(in_force.ok_or_else(|| nonsense(&frame))?);
                }
                (kind::FIRST_OF_JOB.., Some(sandbox)) => {
                    if receive(frame).map_err(Trouble::Nonsense)? {
                        return Ok(*sandbox);
                    }
                }
                _ => return Err(nonsense(&frame)),
            }
        }
    }

    /// The exit status of a child that should end by itself within `rest`.
    ///
    /// # Errors
    /// [`Trouble::Died`], and [`Trouble::TooSlow`] if it does not end; `patience` is the limit to
    /// report.
    pub(super) fn status(&mut self, rest: Duration, patience: Duration) -> Result<u8, Trouble> {
        self.wait(rest);
        match self.ended {
            Some(WaitStatus::Exited(_, status)) => Ok(u8::try_from(status).unwrap_or(u8::MAX)),
            Some(_) => Err(self.death()),
            None => Err(Trouble::TooSlow(patience.as_secs())),
        }
    }

    /// How a worker ended that should not have ended yet.
    fn death(&mut self) -> Trouble {
        self.wait(FAREWELL);
        Trouble::Died(match self.ended {
            Some(WaitStatus::Signaled(_, Signal::SIGSYS, _)) => {
                let tracer = if is_traced() {
                    " (perhaps one of proot, or of another program that traces it)"
                } else {
                    ""
                };
                format!("it made a forbidden system call{tracer}")
            }
            Some(WaitStatus::Signaled(_, Signal::SIGABRT, _)) => {
                "it aborted, perhaps out of memory".into()
            }
            Some(WaitStatus::Signaled(_, Signal::SIGXCPU, _)) => {
                "it used up its processor time".into()
            }
            Some(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            // If the worker ends by itself, it sends a frame first.
            Some(WaitStatus::Exited(_, status)) => {
                format!(
                    "exit status {status} (did a preloaded library, such as fakeroot's, end it?)"
                )
            }
            _ => "it closed its pipe".into(),
        })
    }

    fn wait(&mut self, patience: Duration) {
        let mut waiting = Waiting::begin();
        let mut watch = None;
        while self.ended.is_none() {
            match waitpid(self.process, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {
                    let rest = patience.saturating_sub(waiting.passed());
                    if rest.is_zero() {
                        return;
                    }
                    match watch.get_or_insert_with(|| kernel::watch(self.process)) {
                        Ok(end) => {
                            let round = rest.min(ROUND);
                            let mut watched = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
                            let _ = poll(&mut watched, timeout(round));
                            waiting.count(round);
                        }
                        // Linux before 5.3, or a system-call filter that does not know the call.
                        Err(_) => {
                            sleep(NAP);
                            waiting.count(NAP);
                        }
                    }
                }
                Err(Errno::EINTR) => {}
                Ok(status) => self.ended = Some(status),
                Err(_) => return,
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // Its results are no longer needed.
            let _ = kill(self.process, Signal::SIGKILL);
            self.wait(FAREWELL);
        }
    }
}

/// Whether a process traces this one, and so the worker too: it may change their system calls.
fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|it| it.strip_prefix("TracerPid:"));
    tracer.is_some_and(|process| process.trim() != "0")
}

/// Rounds up. Otherwise the last millisecond would be a busy loop.
pub(super) fn timeout(wait: Duration) -> PollTimeout {
    PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
}

fn text(frame: &Frame) -> String {
    let bytes = frame.payload.get(..frame.payload.len().min(4096));
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn nonsense(frame: &Frame) -> Trouble {
    Trouble::Nonsense(format!("an unexpected frame of kind {}", frame.kind))
}

/// Why reading was stopped.
#[derive(Debug, Clone, Copy)]
enum GivenUp {
    Silence(u64),
    Time(u64),
    Size(u64),
}

impl From<GivenUp> for Trouble {
    fn from(given_up: GivenUp) -> Self {
        match given_up {
            GivenUp::Silence(seconds) => Self::Silent(seconds),
            GivenUp::Time(seconds) => Self::TooSlow(seconds),
            GivenUp::Size(bytes) => Self::TooMuch(bytes),
        }
    }
}

/// A non-blocking pipe with limits on the time to wait and the bytes to read.
struct PatientPipe {
    pipe: OwnedFd,
    bounds: Bounds,
    waiting: Waiting,
    left: u64,
    given_up: Option<GivenUp>,
}

impl PatientPipe {
    fn new(pipe: OwnedFd, bounds: Bounds) -> Self {
        Self {
            pipe,
            bounds,
            waiting: Waiting::begin(),
            left: bounds.size,
            given_up: None,
        }
    }

    fn give_up(&mut self, why: GivenUp) -> io::Error {
        self.given_up = Some(why);
        io::ErrorKind::TimedOut.into()
    }
}

impl Read for PatientPipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Bounds {
            silence,
            time,
            size,
        } = self.bounds;
        let mut silent = Waiting::begin();
        let count = loop {
            if self.waiting.passed() >= time {
                return Err(self.give_up(GivenUp::Time(time.as_secs())));
            }
            match read(self.pipe.as_fd(), buffer) {
                Err(Errno::EAGAIN) => {}
                Err(Errno::EINTR) => continue,
                count => break count?,
            }
            if silent.passed() >= silence {
                return Err(self.give_up(GivenUp::Silence(silence.as_secs())));
            }
            let mut watched = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            let waited = match poll(&mut watched, timeout(ROUND)) {
                Ok(0) => ROUND,
                Ok(_) | Err(Errno::EINTR) => SHORT_ROUND,
                Err(error) => return Err(error.into()),
            };
            silent.count(waited);
            self.waiting.count(waited);
        };
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(self.give_up(GivenUp::Size(size))),
        }
        Ok(count)
    }
}
