//! Runs work in a child, and ends it when its time is up, even if the child is blocked.
//!
//! The input is the work and a time limit. The output is the exit status of the work. A process
//! that waits for a dead file system, or for a reader of its output, cannot end itself. So the work
//! runs in a child, and the parent only watches the clock. The child's output goes through the
//! parent. So a child that is stuck in the kernel holds none of the caller's descriptors, and a
//! pipe without a reader blocks no process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::unistd::{ForkResult, pipe2, read, write};

use super::parent::{ROUND, Worker, timeout};
use super::{Trouble, kernel};
use crate::waiting::Waiting;

/// In bytes. Output of the child beyond this is dropped.
const MOST_PRINTED: usize = 64 << 10;
/// In bytes. A pipe that is reported writable takes this many without blocking.
const PIECE: usize = 512;
/// How long the reader may leave the output unread. Then the rest is dropped.
const UNREAD: Duration = Duration::from_secs(5);

/// Runs `work` in a child for at most `patience`, and returns its status. The child's standard
/// output and standard error go to this process's standard error. If no child can be started, this
/// process does the work itself.
///
/// # Errors
/// [`Trouble::TooSlow`] and [`Trouble::Died`].
pub fn within(patience: Duration, work: impl FnOnce() -> u8) -> Result<u8, Trouble> {
    let pipe = || -> nix::Result<_> {
        let (output, input) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((output, input))
    };
    let Ok((output, input)) = pipe() else {
        return Ok(work());
    };
    kernel::keep_ended_children();
    match kernel::split() {
        Ok(ForkResult::Child) => {
            let prepared = kernel::end_with_parent().and_then(|()| redirect(&input));
            drop((output, input));
            kernel::leave(match prepared {
                Ok(()) => work().into(),
                Err(_) => 1,
            })
        }
        Ok(ForkResult::Parent { child }) => {
            drop(input);
            let mut waiting = Waiting::begin();
            let mut worker = Worker::new(child);
            if !pass_on(&output, patience, &mut waiting) {
                return Err(Trouble::TooSlow(patience.as_secs()));
            }
            worker.status(patience.saturating_sub(waiting.passed()), patience)
        }
        Err(_) => Ok(work()),
    }
}

/// Makes the child print into the pipe, and read nothing.
fn redirect(input: &OwnedFd) -> nix::Result<()> {
    let (nothing, _) = pipe2(OFlag::O_CLOEXEC)?;
    kernel::duplicate_to(nothing.as_fd(), 0)?;
    kernel::duplicate_to(input.as_fd(), 1)?;
    kernel::duplicate_to(input.as_fd(), 2)
}

/// Passes on what the child prints until it closes its end. False if that takes too long.
fn pass_on(output: &OwnedFd, patience: Duration, waiting: &mut Waiting) -> bool {
    let (mut printed, mut unread) = (0, Duration::ZERO);
    let mut buffer = [0; PIECE];
    while waiting.passed() < patience {
        match read(output, &mut buffer) {
            Ok(0) => return true,
            Ok(count) => {
                let piece = buffer.get(..count).unwrap_or_default();
                if printed < MOST_PRINTED && unread < UNREAD {
                    printed += count;
                    unread += print(piece, UNREAD.saturating_sub(unread), waiting);
                }
            }
            Err(Errno::EAGAIN) => {
                let mut watched = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
                if poll(&mut watched, timeout(ROUND)) == Ok(0) {
                    waiting.count(ROUND);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return true,
        }
    }
    false
}

/// Writes to standard error when it is writable. Returns how long it was not.
fn print(piece: &[u8], patience: Duration, waiting: &mut Waiting) -> Duration {
    let stderr = io::stderr();
    let mut waited = Duration::ZERO;
    while waited < patience {
        let mut watched = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut watched, timeout(ROUND)) == Ok(0) {
            waited += ROUND;
            waiting.count(ROUND);
        } else {
            let _ = write(&stderr, piece);
            break;
        }
    }
    waited
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Instant;

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn work_that_ends_in_time_has_its_own_status() {
        assert_eq!(within(LONG, || 7).unwrap(), 7);
    }

    #[test]
    fn work_that_waits_for_ever_is_ended() {
        let began = Instant::now();
        let ended = within(SHORT, || {
            sleep(LONG);
            0
        });
        assert!(matches!(ended, Err(Trouble::TooSlow(_))), "{ended:?}");
        assert!(began.elapsed() < LONG);
    }

    #[test]
    fn work_that_closes_its_output_and_goes_on_is_ended() {
        let ended = within(SHORT, || {
            let (nothing, _) = pipe2(OFlag::O_CLOEXEC).unwrap();
            for fd in 1..=2 {
                kernel::duplicate_to(nothing.as_fd(), fd).unwrap();
            }
            sleep(LONG);
            0
        });
        assert!(matches!(ended, Err(Trouble::TooSlow(_))), "{ended:?}");
    }

    #[test]
    fn killed_work_is_distinguished_from_failed_work() {
        let ended = within(LONG, || {
            let own = nix::unistd::getpid();
            nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL).unwrap();
            0
        });
        assert!(matches!(ended, Err(Trouble::Died(_))), "{ended:?}");
        assert_eq!(within(LONG, || 2).unwrap(), 2);
    }

    const ASKED: &str = "EPCACHE_TEST_PRINT";

    /// Only does something in the process that the tests below start.
    #[test]
    fn a_lot_is_printed_where_asked() {
        if std::env::var_os(ASKED).is_none() {
            return;
        }
        let print = || {
            for _ in 0..5000 {
                let _ = write(io::stderr(), &[b'x'; 1000]);
            }
            3
        };
        assert_eq!(within(LONG, print).unwrap(), 3);
    }

    fn printing() -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "privsep::deadline::tests::a_lot_is_printed_where_asked";
        command.args(["--exact", name, "--nocapture"]);
        command.env(ASKED, "yes").stdout(Stdio::null());
        command
    }

    #[test]
    fn output_is_passed_on_up_to_a_limit() {
        let output = printing().output().unwrap();
        assert!(output.status.success());
        let printed = output.stderr.iter().filter(|&&it| it == b'x').count();
        assert!(
            (MOST_PRINTED..MOST_PRINTED + PIECE).contains(&printed),
            "{printed}"
        );
    }

    #[test]
    fn a_caller_that_does_not_read_delays_the_work_only_for_a_few_seconds() {
        let mut process = printing().stderr(Stdio::piped()).spawn().unwrap();
        let pipe = process.stderr.take().unwrap();
        // Smaller than the output that is passed on.
        fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let began = Instant::now();
        let mut status = process.try_wait().unwrap();
        while status.is_none() && began.elapsed() < UNREAD * 3 {
            sleep(ROUND);
            status = process.try_wait().unwrap();
        }
        let _ = process.kill();
        assert!(status.expect("an end").success());
        assert!(began.elapsed() >= UNREAD);
    }
}
