//! Watching for file systems that do not answer.
//!
//! A question about a path on a dead mount never comes back, and nobody but another thread can say so.
//! Each question to the file system counts up; a thread that sees the count stand still names the path
//! that was asked about last.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, park_timeout};
use std::time::Duration;

/// How often the thread looks.
const ROUND: Duration = Duration::from_secs(1);

static IS_WATCHED: AtomicBool = AtomicBool::new(false);
static QUESTIONS: AtomicU64 = AtomicU64::new(0);
static LAST_PATH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// A question about what lies at this path.
pub(crate) fn asked(path: &Path) {
    if IS_WATCHED.load(Ordering::Relaxed) {
        QUESTIONS.fetch_add(1, Ordering::Relaxed);
        let mut last = LAST_PATH.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(path.to_owned());
    }
}

/// A question about what lies in a directory that is open.
pub(super) fn asked_inside() {
    QUESTIONS.fetch_add(1, Ordering::Relaxed);
}

/// Questions are watched until this is dropped. Then the thread is gone as well: a process may fork.
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

/// Watches the questions of this process from now on. `report` hears of a path about which the file
/// system has not answered, and for how long; once a second, from another thread.
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
    // Without a thread, nobody says anything.
    Watched(std::thread::Builder::new().spawn(look).ok())
}
