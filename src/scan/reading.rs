//! Many metadata directories, read at once.
//!
//! What several threads read is put together in the order of the listing: how many there were makes
//! no difference to the result.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::distribution::{self, Report};
use crate::freshness::Sighting;
use crate::index::write::{DistributionDraft, EntryArena};
use crate::parallel::{RUN, in_runs};
use crate::rooted::Directory;

/// What was read, in the order of the sightings.
pub(super) struct Batch {
    pub(super) drafts: Vec<(DistributionDraft, Report)>,
    pub(super) arena: EntryArena,
}

/// What is to be read, and where it goes.
struct Place<'p> {
    sighting: &'p mut Sighting,
    read: &'p mut (DistributionDraft, Report),
}

/// What one thread has read.
#[derive(Default)]
struct Share {
    /// The numbers of the runs.
    runs: Vec<usize>,
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
    let mut drafts = Vec::new();
    drafts.resize_with(sightings.len(), Default::default);
    // Each goes to its place at once: there are too many to have them twice.
    let places = sightings.iter_mut().zip(&mut drafts);
    let mut places: Vec<Place<'_>> = places
        .map(|(sighting, read)| Place { sighting, read })
        .collect();
    let count = AtomicUsize::new(0);
    let work = |share: &mut Share, number: usize, run: &mut [Place<'_>]| {
        let Share { arena, buffer, .. } = share;
        for Place { sighting, read } in run.iter_mut() {
            let (draft, report) = read;
            *draft = distribution::read(directory, sighting, egg_base, arena, buffer, report);
        }
        count.fetch_add(run.len(), Ordering::Relaxed);
        share.runs.push(number);
    };
    let shares = in_runs(&mut places, work, &mut || {
        progress(count.load(Ordering::Relaxed))
    });
    let arena = put_together(shares, &mut drafts);
    Batch { drafts, arena }
}

fn put_together(shares: Vec<Share>, drafts: &mut [(DistributionDraft, Report)]) -> EntryArena {
    let mut arena = EntryArena::default();
    let mut runs: Vec<_> = drafts.chunks_mut(RUN).collect();
    for share in shares {
        let shift = arena.append(share.arena);
        for number in share.runs {
            for (draft, _) in runs
                .get_mut(number)
                .into_iter()
                .flat_map(|run| run.iter_mut())
            {
                draft.entries = draft.entries.shifted(shift);
            }
        }
    }
    arena
}
