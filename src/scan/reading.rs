//! Many metadata directories, read at once.
//!
//! Reading is waiting for the kernel, and the kernel has a core to spare more often than not. Each
//! thread takes one short run of the listing after the other, and what the threads bring is put together in the order of the
//! listing: how many there were makes no difference to the result. A thread that cannot be had (a
//! limit on processes, say) is no loss: the others do its work.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::distribution::{self, Report};
use crate::freshness::Sighting;
use crate::index::write::{DistributionDraft, EntryArena};
use crate::rooted::Directory;

/// Below so many metadata directories a thread costs more than it saves.
const WORTH_A_THREAD: usize = 128;
/// More threads than this only wait for each other.
const MOST_THREADS: usize = 4;

/// How many metadata directories a thread takes at a time.
const RUN: usize = 32;

/// What was read, in the order of the sightings.
pub(super) struct Batch {
    pub(super) drafts: Vec<(DistributionDraft, Report)>,
    pub(super) arena: EntryArena,
}

/// What one thread has read: runs, by their numbers.
#[derive(Default)]
struct Share {
    runs: Vec<(usize, Vec<(DistributionDraft, Report)>)>,
    arena: EntryArena,
}

/// Reads all these metadata directories. `progress` hears now and then how many have been read.
pub(super) fn read_all(
    directory: &Directory<'_>,
    sightings: &mut [&mut Sighting],
    egg_base: Option<&[u8]>,
    progress: &mut dyn FnMut(usize),
) -> Batch {
    let threads = (sightings.len() / WORTH_A_THREAD).min(MOST_THREADS);
    let threads = if threads > 1 {
        threads.min(processors())
    } else {
        1
    };
    let count = AtomicUsize::new(0);
    let queue = Mutex::new(sightings.chunks_mut(RUN).enumerate());
    let next_run = || queue.lock().ok().and_then(|mut queue| queue.next());
    let work = |progress: &mut dyn FnMut(usize)| {
        let mut share = Share::default();
        let mut buffer = Vec::new();
        while let Some((number, run)) = next_run() {
            let mut drafts = Vec::with_capacity(run.len());
            for sighting in run {
                let (mut report, arena) = (Report::default(), &mut share.arena);
                let draft = distribution::read(
                    directory,
                    sighting,
                    egg_base,
                    arena,
                    &mut buffer,
                    &mut report,
                );
                drafts.push((draft, report));
            }
            progress(count.fetch_add(drafts.len(), Ordering::Relaxed) + drafts.len());
            share.runs.push((number, drafts));
        }
        share
    };
    let shares = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads)
            .map_while(|_| {
                let helper = || work(&mut |_| ());
                thread::Builder::new().spawn_scoped(scope, helper).ok()
            })
            .collect();
        let mut shares = vec![work(progress)];
        for helper in helpers {
            shares.push(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        shares
    });
    put_together(shares)
}

fn put_together(shares: Vec<Share>) -> Batch {
    let mut arena = EntryArena::default();
    let mut runs = Vec::new();
    for mut share in shares {
        let shift = arena.append(share.arena);
        for (draft, _) in share.runs.iter_mut().flat_map(|(_, drafts)| drafts) {
            draft.entries = draft.entries.shifted(shift);
        }
        runs.append(&mut share.runs);
    }
    runs.sort_unstable_by_key(|(number, _)| *number);
    Batch {
        drafts: runs.into_iter().flat_map(|(_, drafts)| drafts).collect(),
        arena,
    }
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
