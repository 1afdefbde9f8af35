//! Reports file systems that do not answer.
//!
//! A system call for a path on a dead mount never returns, so only another thread can report it.
//! The input is a call of [`asked`] before each question to a file system, which increments a
//! counter. If the counter stops, the thread reports the path of the last question. This room keeps
//! that counter and that path, for the whole process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, park_timeout};
use std::time::Duration;

/// How often the thread looks at the counter.
const ROUND: Duration = Duration::from_secs(1);

static IS_WATCHED: AtomicBool = AtomicBool::new(false);
static QUESTIONS: AtomicU64 = AtomicU64::new(0);
static LAST_PATH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Counts a question about this path.
pub(crate) fn asked(path: &Path) {
    if IS_WATCHED.load(Ordering::Relaxed) {
        QUESTIONS.fetch_add(1, Ordering::Relaxed);
        let mut last = LAST_PATH.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(path.to_owned());
    }
}

/// Counts a question about an entry of an open directory.
pub(super) fn asked_inside() {
    QUESTIONS.fetch_add(1, Ordering::Relaxed);
}

/// The watching thread. Dropping this value ends the thread, so that the process may fork.
#[derive(Debug)]
pub struct Watched(Option<JoinHandle<()>>);

impl Drop for Watched {
    fn drop(&mut self) {
        IS_WATCHED.store(false, Ordering::Relaxed);
        if let Some(thread) = self.0.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Watches the questions of this process from now on. `report` receives the path for which the file
/// system has not answered, and for how long. It runs once a second, in another thread.
#[must_use]
pub fn watch(report: fn(&Path, Duration)) -> Watched {
    IS_WATCHED.store(true, Ordering::Relaxed);
    let look = move || {
        let (mut seen, mut still) = (QUESTIONS.load(Ordering::Relaxed), Duration::ZERO);
        loop {
            park_timeout(ROUND);
            if !IS_WATCHED.load(Ordering::Relaxed) {
                return;
            }
            let now = QUESTIONS.load(Ordering::Relaxed);
            still = if now == seen {
                still + ROUND
            } else {
                Duration::ZERO
            };
            seen = now;
            let last = LAST_PATH
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let (Some(path), false) = (last, still.is_zero()) {
                report(&path, still);
            }
        }
    };
    // If the thread cannot be started, nothing is reported.
    Watched(std::thread::Builder::new().spawn(look).ok())
}
