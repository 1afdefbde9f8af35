//! Many small things done on as many threads as it pays for.
//!
//! Asking a file system is waiting for the kernel, and the kernel has a core to spare more often than
//! not. Each thread takes one short run of the things after the other. A thread that cannot be had
//! (a limit on processes, say) is no loss: the others do its work.
//!
//! Where the file system is another machine's, the kernel waits as well, and processors have nothing to do with how
//! many may wait at a time.
//!
//! The threads are made once, and wait: a process that confines itself makes them before ([`prepare`]).

use std::sync::{Mutex, OnceLock};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// Below so many things a thread costs more than it saves.
const WORTH_A_THREAD: usize = 128;
/// More threads than this only wait for each other.
const MOST_THREADS: usize = 4;
/// So many wait for answers that come late. More are no kindness to whoever answers.
const WAITING_THREADS: usize = 8;
/// How many things a thread takes at a time.
const RUN: usize = 8;

/// The threads that help whoever calls.
struct Helpers {
    pool: ThreadPool,
    /// How many things are worth one of them.
    worth: usize,
}

/// None where there can be none.
static HELPERS: OnceLock<Option<Helpers>> = OnceLock::new();

fn helpers() -> Option<&'static Helpers> {
    prepare(false);
    HELPERS.get()?.as_ref()
}

/// Makes the threads, for a process that cannot any more when it needs them: more of them, and for less, where it is
/// answers that are waited for.
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

/// Calls `work` for runs of `items`, each run once. Each thread has a state of its own for its calls. The
/// calling thread works as well; `progress` is called there, now and then.
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

/// How many processors this process may use.
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
    fn every_item_is_worked_on_once_however_many_there_are() {
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
