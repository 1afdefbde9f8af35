//! Does many small tasks on as many threads as pay off.
//!
//! The input is a list of items and a function. The output is the items after the function has
//! changed them. Each thread takes one short run of items after the other. If a thread cannot be
//! started (for example because of a limit on processes), the others do its work. Most time is
//! spent waiting for the kernel, so more threads help. If the file system is on another machine,
//! the number of processors does not limit how many threads may wait.
//!
//! This room keeps the threads. They are started once, then wait. A process that gives up the right
//! to start threads starts them before ([`prepare`]).

use std::sync::{Mutex, OnceLock};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// For fewer items a thread costs more than it saves.
const WORTH_A_THREAD: usize = 128;
/// More threads would only wait for each other.
const MOST_THREADS: usize = 4;
/// The number of threads that wait for slow answers. More would overload the server.
const WAITING_THREADS: usize = 8;
/// How many items a thread takes at a time.
const RUN: usize = 8;

/// The threads that help the caller.
struct Helpers {
    pool: ThreadPool,
    /// How many items are worth one thread.
    worth: usize,
}

/// `None` if there are no threads.
static HELPERS: OnceLock<Option<Helpers>> = OnceLock::new();

fn helpers() -> Option<&'static Helpers> {
    prepare(false);
    HELPERS.get()?.as_ref()
}

/// Starts the threads, for a process that cannot start them later. If the file system answers
/// slowly, there are more of them, and fewer items are worth one.
pub(crate) fn prepare(answers_late: bool) {
    let (threads, worth) = if answers_late {
        (WAITING_THREADS, RUN)
    } else {
        (processors().min(MOST_THREADS), WORTH_A_THREAD)
    };
    HELPERS.get_or_init(|| {
        let count = threads - 1;
        let pool = (count > 0).then(|| ThreadPoolBuilder::new().num_threads(count).build());
        let pool = pool?.ok()?;
        Some(Helpers { pool, worth })
    });
}

/// Calls `work` once for each run of `items`. Each thread has its own state for these calls. The
/// calling thread works too, and calls `progress` from time to time.
pub(crate) fn in_runs<T: Send, S: Default>(
    items: &mut [T],
    work: impl Fn(&mut S, &mut [T]) + Sync,
    progress: &mut dyn FnMut(),
) {
    let count = items.len();
    let queue = Mutex::new(items.chunks_mut(RUN));
    let next_run = || queue.lock().ok().and_then(|mut queue| queue.next());
    let share = |progress: &mut dyn FnMut()| {
        let mut state = S::default();
        while let Some(run) = next_run() {
            work(&mut state, run);
            progress();
        }
    };
    let made = HELPERS.get().and_then(Option::as_ref);
    let worth = made.map_or(WORTH_A_THREAD, |helpers| helpers.worth);
    let wanted = (count / worth).saturating_sub(1);
    let helpers = if wanted > 0 { helpers() } else { None };
    let Some(Helpers { pool, .. }) = helpers else {
        return share(progress);
    };
    pool.in_place_scope(|scope| {
        for _ in 0..wanted.min(pool.current_num_threads()) {
            scope.spawn(|_| share(&mut || ()));
        }
        share(progress);
    });
}

/// The number of processors that this process may use.
fn processors() -> usize {
    let usable = sched_getaffinity(Pid::from_raw(0)).map(|set| {
        (0..CpuSet::count())
            .filter(|&number| set.is_set(number).unwrap_or(false))
            .count()
    });
    usable.unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_for_any_number_of_items() {
        for count in [0, 1, 31, 32, 33, 127, 300, 10_000] {
            let mut items = vec![0usize; count];
            let work = |seen: &mut usize, run: &mut [usize]| {
                for item in run {
                    *item += 1;
                    *seen += 1;
                }
                assert!(*seen <= count);
            };
            in_runs(&mut items, work, &mut || ());
            assert_eq!(items, vec![1; count]);
        }
    }
}
