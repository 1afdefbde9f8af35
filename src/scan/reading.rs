//! Many metadata directories, read at once.
//!
//! What several threads read is put together in the order of the listing: how many there were makes
//! no difference to the result.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::distribution::{self, Report};
use crate::freshness::Sighting;
use crate::index::write::{DistributionDraft, EntryArena};
use crate::parallel::in_runs;
use crate::rooted::Directory;

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
    /// Room for one file after the other.
    buffer: Vec<u8>,
}

/// Reads all these metadata directories. `progress` hears now and then how many have been read.
pub(super) fn read_all(
    directory: &Directory<'_>,
    sightings: &mut [&mut Sighting],
    egg_base: Option<&[u8]>,
    progress: &mut dyn FnMut(usize),
) -> Batch {
    let count = AtomicUsize::new(0);
    let work = |share: &mut Share, number: usize, run: &mut [&mut Sighting]| {
        let mut drafts = Vec::with_capacity(run.len());
        for sighting in run {
            let mut report = Report::default();
            let Share { arena, buffer, .. } = share;
            let draft =
                distribution::read(directory, sighting, egg_base, arena, buffer, &mut report);
            drafts.push((draft, report));
        }
        count.fetch_add(drafts.len(), Ordering::Relaxed);
        share.runs.push((number, drafts));
    };
    put_together(in_runs(sightings, work, &mut || {
        progress(count.load(Ordering::Relaxed))
    }))
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
