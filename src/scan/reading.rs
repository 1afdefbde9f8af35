//! Many metadata directories, read at once.
//!
//! What several threads read is put together in the order of the listing: how many there were makes
//! no difference to the result.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::distribution::{self, Report};
use crate::freshness::Sighting;
use crate::index::DistributionDraft;
use crate::parallel::in_runs;
use crate::rooted::Directory;

/// What is to be read, and where it goes.
struct Place<'p> {
    sighting: &'p mut Sighting,
    read: &'p mut (DistributionDraft, Report),
}

/// Reads all these metadata directories. `progress` hears now and then how many have been read.
pub(super) fn read_all(
    directory: &Directory<'_>,
    sightings: &mut [&mut Sighting],
    egg_base: Option<&[u8]>,
    progress: &mut dyn FnMut(usize),
) -> Vec<(DistributionDraft, Report)> {
    let mut drafts = Vec::new();
    drafts.resize_with(sightings.len(), Default::default);
    // Each goes to its place at once: there are too many to have them twice.
    let places = sightings.iter_mut().zip(&mut drafts);
    let mut places: Vec<Place<'_>> = places
        .map(|(sighting, read)| Place { sighting, read })
        .collect();
    let count = AtomicUsize::new(0);
    // Each thread has room for one file after the other.
    let work = |buffer: &mut Vec<u8>, run: &mut [Place<'_>]| {
        for Place { sighting, read } in run.iter_mut() {
            let (draft, report) = read;
            *draft = distribution::read(directory, sighting, egg_base, buffer, report);
        }
        count.fetch_add(run.len(), Ordering::Relaxed);
    };
    in_runs(&mut places, work, &mut || {
        progress(count.load(Ordering::Relaxed))
    });
    drafts
}
