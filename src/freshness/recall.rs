//! What of a record of an older index still holds, for the refresh that starts from it.
//!
//! Stricter than what readers believe: an old distribution is taken over only where its metadata
//! directory has both the times that were recorded, so that what comes out is what reading all of it
//! again would give. A copy, which has other times, is read.

use std::collections::{BTreeSet, HashMap};
use std::io;

use super::listing::{Listing, Sighting};
use super::same;
use crate::index::Stamp;
use crate::index::format::distribution_flag;
use crate::index::old::OldRecord;
use crate::rooted::Directory;

/// What was warned of is read again, so that it is warned of again; and what could not be read, since
/// it may have become readable.
const READ_AGAIN: u32 =
    distribution_flag::UNREAD | distribution_flag::PROBLEM | distribution_flag::WARNED;

/// How far apart a name's places in the two lists may be for both to go on in step.
const STEPS: usize = 8;

/// A record, and what is known of what has happened since.
pub struct Recall<'r> {
    record: &'r OldRecord<'r>,
    /// The metadata directories that may have changed; None where all may have.
    named: Option<&'r BTreeSet<Vec<u8>>>,
}

impl<'r> Recall<'r> {
    /// None where the record's times, or the directory's, tell of no change (`docs/format.md`, "Freshness": *speak*).
    ///
    /// # Errors
    /// Those of `stat(2)` and `statvfs(2)`.
    pub fn of(
        record: &'r OldRecord<'r>,
        named: Option<&'r BTreeSet<Vec<u8>>>,
        directory: &Directory<'_>,
    ) -> io::Result<Option<Self>> {
        let whole = Stamp::changed(&directory.stat()?).is_whole_second();
        let speaks =
            record.is_of_running_system() && !(whole && directory.read_only_device()?.is_some());
        Ok(speaks.then_some(Self { record, named }))
    }

    /// Finds each sighting's number in the record, and fills in the times of those that need not be
    /// looked at: nobody has touched them, and their times cannot repeat.
    pub(super) fn before_looking(
        &self,
        sightings: &mut [Sighting],
        may_repeat: impl Fn(Stamp) -> bool,
    ) {
        self.match_names(sightings);
        let Some(named) = self.named else { return };
        for sighting in sightings {
            let Some(number) = sighting.recorded_as.filter(|_| !sighting.may_be_link) else {
                continue;
            };
            let stamps = self.record.stamps(number);
            if same(stamps, stamps)
                && !may_repeat(stamps.1)
                && self.record.flags_of(number) & READ_AGAIN == 0
                && !named.contains(&sighting.file_name)
            {
                sighting.stamps = stamps;
                sighting.is_looked_at = true;
            }
        }
    }

    /// Tells which sightings are as recorded.
    pub(super) fn after_looking(&self, listing: &mut Listing) {
        for sighting in &mut listing.sightings {
            sighting.same_as = sighting.recorded_as.filter(|&number| {
                same(sighting.stamps, self.record.stamps(number))
                    && self.record.flags_of(number) & READ_AGAIN == 0
            });
        }
    }

    fn match_names(&self, sightings: &mut [Sighting]) {
        let count = self.record.len();
        let (mut left_over, mut unmatched) = (Vec::new(), Vec::new());
        let (mut position, mut number) = (0, 0);
        // In step, as long as the directory lists what it still has in the order that it had.
        while let Some(sighting) = sightings.get_mut(position) {
            if number < count && self.record.file_name(number) == sighting.file_name {
                sighting.recorded_as = Some(number);
                (position, number) = (position + 1, number + 1);
                continue;
            }
            let (come, gone) =
                self.difference(sightings.get(position..).unwrap_or_default(), number);
            unmatched.extend(position..position + come);
            left_over.extend(number..number + gone);
            (position, number) = (position + come, number + gone);
        }
        left_over.extend(number..count);
        let numbers: HashMap<&[u8], u32> = left_over
            .into_iter()
            .map(|number| (self.record.file_name(number), number))
            .collect();
        for position in unmatched {
            if let Some(sighting) = sightings.get_mut(position) {
                sighting.recorded_as = numbers.get(sighting.file_name.as_slice()).copied();
            }
        }
    }

    /// How many sightings, and how many numbers, to pass over until both lists may be in step again.
    fn difference(&self, sightings: &[Sighting], number: u32) -> (usize, u32) {
        let left = self.record.len().saturating_sub(number);
        let steps = (0..=STEPS).flat_map(|sum| (0..=sum).map(move |come| (come, sum - come)));
        for (come, gone) in steps.skip(1) {
            let gone = u32::try_from(gone).unwrap_or(left);
            let meets = gone < left
                && sightings.get(come).is_some_and(|sighting| {
                    sighting.file_name == self.record.file_name(number + gone)
                });
            if meets {
                return (come, gone);
            }
        }
        (1, left.min(1))
    }
}
