//! Which parts of an older index's record are still true, for the refresh that starts from it.
//!
//! The input is the record and what is known to have changed. The output is marks in a [`Listing`].
//! This is stricter than readers are: an old distribution is reused only if its metadata directory
//! has both recorded times, so that the result is the same as reading everything again. A copy,
//! which has other times, is read.

use std::collections::{BTreeSet, HashMap};
use std::io;

use super::listing::{Listing, Sighting};
use super::same;
use crate::index::format::{distribution_flag, record_flag};
use crate::index::{Outline, Record, Source, Stamp};
use crate::rooted::Directory;

/// Distributions with a warning are read again, so that the warning is repeated. So are unread
/// ones, because they may have become readable.
const READ_AGAIN: u32 =
    distribution_flag::UNREAD | distribution_flag::PROBLEM | distribution_flag::WARNED;

/// A record, and what is known about changes since then.
pub struct Recall<'r> {
    outlines: Vec<Outline<'r>>,
    /// The metadata directories that may have changed. `None` if any may have.
    named: Option<&'r BTreeSet<Vec<u8>>>,
}

impl<'r> Recall<'r> {
    /// `None` if the record's or the directory's times show no changes
    /// (`docs/specification/trust.md`: *speak*).
    ///
    /// # Errors
    /// Those of `stat(2)` and `statvfs(2)`, and damage in the record.
    pub fn of<S: Source>(
        record: &Record<'r, S>,
        named: Option<&'r BTreeSet<Vec<u8>>>,
        directory: &Directory<'_>,
    ) -> io::Result<Option<Self>> {
        let silent = record_flag::SILENT | record_flag::SORTED | record_flag::MISSING;
        let whole = Stamp::changed(&directory.stat()?).is_whole_second();
        if record.flags() & silent != 0 || (whole && directory.read_only_device()?.is_some()) {
            return Ok(None);
        }
        let outlines = record.outlines().collect::<Result<_, _>>();
        let outlines = outlines.map_err(io::Error::other)?;
        Ok(Some(Self { outlines, named }))
    }

    /// Finds the number of each sighting in the record, and fills in the times of those that need
    /// no look: nothing has touched them, and their times cannot repeat.
    pub(super) fn before_looking(
        &self,
        sightings: &mut [Sighting],
        may_repeat: impl Fn(Stamp) -> bool,
    ) {
        let numbered = (0..).zip(&self.outlines);
        let numbers: HashMap<&[u8], u32> = numbered
            .map(|(number, outline)| (&*outline.file_name, number))
            .collect();
        for sighting in &mut *sightings {
            sighting.recorded_as = numbers.get(sighting.file_name.as_slice()).copied();
        }
        let Some(named) = self.named else { return };
        for sighting in sightings.iter_mut().filter(|it| !it.may_be_link) {
            let Some(then) = self.recorded(sighting) else {
                continue;
            };
            if same(then.stamps, then.stamps)
                && !may_repeat(then.stamps.1)
                && then.flags & READ_AGAIN == 0
                && !named.contains(&sighting.file_name)
            {
                sighting.stamps = then.stamps;
                sighting.is_looked_at = true;
            }
        }
    }

    /// Marks the sightings that are as recorded.
    pub(super) fn after_looking(&self, listing: &mut Listing) {
        for sighting in &mut listing.sightings {
            let is_same = self.recorded(sighting).is_some_and(|then| {
                same(sighting.stamps, then.stamps) && then.flags & READ_AGAIN == 0
            });
            sighting.same_as = sighting.recorded_as.filter(|_| is_same);
        }
    }

    fn recorded(&self, sighting: &Sighting) -> Option<&Outline<'r>> {
        self.outlines.get(sighting.recorded_as? as usize)
    }
}
