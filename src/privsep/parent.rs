//! The parent's side: reading what the worker sends, with patience that ends.

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

/// How long a worker that has been killed is waited for. One that sleeps in the kernel (on a dead network
/// mount) stays until that lets it go.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a wait lasts before the clock is looked at again.
pub(super) const ROUND: Duration = Duration::from_millis(100);
/// How long a wait is where nothing tells when to stop.
const NAP: Duration = Duration::from_micros(200);
/// What a wait that ended early counts for, where the clock stands still.
const SHORT_ROUND: Duration = Duration::from_millis(1);

/// What is larger than this goes right to where it belongs.
const SMALL: usize = 8 << 10;

/// `CAP_KILL` of linux/capability.h
const KILL: u64 = 1 << 5;

/// Gives up what only the child needed. What cannot be given up is no reason to stop: this process reads no
/// package.
pub(super) fn confine(target: Privileges, writable: &[BorrowedFd<'_>]) {
    // A worker of another user is ended by who may end everybody's. What is written to is this user's own.
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

/// A worker under way. When this goes, the worker goes.
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

    /// What the worker has sent, up to and with the frame that `receive` says is the last.
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

    /// The status with which a child ends that is to end by itself within `rest`.
    ///
    /// # Errors
    /// [`Trouble::Died`], and [`Trouble::TooSlow`] after `patience` in all.
    pub(super) fn status(&mut self, rest: Duration, patience: Duration) -> Result<u8, Trouble> {
        self.wait(rest);
        match self.ended {
            Some(WaitStatus::Exited(_, status)) => Ok(u8::try_from(status).unwrap_or(u8::MAX)),
            Some(_) => Err(self.death()),
            None => Err(Trouble::TooSlow(patience.as_secs())),
        }
    }

    /// How the worker ended, for one that should not have.
    fn death(&mut self) -> Trouble {
        self.wait(FAREWELL);
        Trouble::Died(match self.ended {
            Some(WaitStatus::Signaled(_, Signal::SIGSYS, _)) => {
                let tracer = if is_traced() {
                    " (which proot, or whatever else traces it, may have put in)"
                } else {
                    ""
                };
                format!("it made a forbidden system call{tracer}")
            }
            Some(WaitStatus::Signaled(_, Signal::SIGABRT, _)) => {
                "it gave up, out of memory perhaps".into()
            }
            Some(WaitStatus::Signaled(_, Signal::SIGXCPU, _)) => {
                "it used up its processor time".into()
            }
            Some(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
            // Its own ends come with a frame.
            Some(WaitStatus::Exited(_, status)) => {
                format!("exit status {status} (a library loaded into it, such as fakeroot's?)")
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
                        // Linux before 5.3, or a filter that does not know the call.
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
            // Whatever it still does is of no use to anybody.
            let _ = kill(self.process, Signal::SIGKILL);
            self.wait(FAREWELL);
        }
    }
}

/// Whether something traces this process, and its worker as well: it may change their system calls.
fn is_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|it| it.strip_prefix("TracerPid:"));
    tracer.is_some_and(|process| process.trim() != "0")
}

/// Rounded up, or the last millisecond would be spent asking again and again.
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

/// Why no more is read.
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

/// A pipe that does not block, and is not waited for longer, nor read from more, than is agreed.
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
