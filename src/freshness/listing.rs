//! The metadata directories of a search directory at one moment, with their times.
//!
//! The input is an open directory, the output is a [`Listing`]. A time is worth recording only if
//! every later change must result in another one. The kernel takes times from a clock that ticks
//! every few milliseconds, so two changes within one tick look like one (git calls this the
//! racy-clean problem). [`Listing::settled`] waits until such a tick is over, and records no time
//! if waiting does not help.

use std::io;
use std::time::Duration;

use nix::time::ClockId;

use super::{Names, Recall};
use crate::index::Stamp;
use crate::parallel::in_runs;
use crate::rooted::{Directory, FileType, file_type};
use crate::waiting::Waiting;

/// How often a directory is listed again if it changes while it is listed.
const TRIES: u32 = 5;
/// How long to wait for the kernel's clock to tick: the slowest one in use ticks every 10 ms.
const PATIENCE: Duration = Duration::from_millis(40);
/// How long to wait before looking at the clock again.
const ROUND: Duration = Duration::from_millis(1);

/// A search directory when it was listed.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its own mtime and ctime. Unknown if the next change might not change them.
    pub stamps: (Stamp, Stamp),
    /// Its metadata directories in listing order.
    pub sightings: Vec<Sighting>,
    /// Metadata directories that are treated as missing.
    pub left_out: LeftOut,
}

/// Metadata directories whose names have control characters.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Their number.
    pub count: usize,
    /// The first of their names, by bytes.
    pub first: Vec<u8>,
}

impl LeftOut {
    pub(super) fn add(&mut self, name: &[u8]) {
        if self.count == 0 || name < self.first.as_slice() {
            self.first = name.to_vec();
        }
        self.count += 1;
    }
}

/// A metadata directory when it was listed.
#[derive(Debug)]
pub struct Sighting {
    /// Its name.
    pub file_name: Vec<u8>,
    /// Its type, or the reason why it is not known (such as a dangling link).
    pub found: io::Result<FileType>,
    /// Its mtime and ctime, links followed. Unknown if the next change might not change them.
    pub stamps: (Stamp, Stamp),
    /// The distribution of an old record with the same content, if any.
    pub same_as: Option<u32>,
    /// The distribution of an old record with the same name, if any.
    pub recorded_as: Option<u32>,
    /// Whether it may be a link, according to the listing. The target of a link has another name.
    pub(super) may_be_link: bool,
    /// Whether its times are known.
    pub(super) is_looked_at: bool,
}

impl Listing {
    /// Lists a directory once, for a reader that answers for this moment.
    ///
    /// # Errors
    /// Those of `stat(2)` and `readdir(3)` on the directory itself.
    pub fn now(directory: &Directory<'_>) -> io::Result<Self> {
        let mut listing = Names::list(directory, |_| ())?.listing;
        listing.look_at_each(directory);
        Ok(listing)
    }

    fn look_at_each(&mut self, directory: &Directory<'_>) {
        let look = |(): &mut (), run: &mut [&mut Sighting]| {
            for sighting in run {
                sighting.found = directory.stat_entry(&sighting.file_name).map(|stat| {
                    sighting.stamps = (Stamp::modified(&stat), Stamp::changed(&stat));
                    file_type(&stat)
                });
                sighting.is_looked_at = true;
            }
        };
        let unknown = self.sightings.iter_mut().filter(|it| !it.is_looked_at);
        in_runs(&mut unknown.collect::<Vec<_>>(), look, &mut || ());
    }

    /// Lists a directory for the index: until it does not change, and until every time in it is
    /// older than the clock's last tick. A time that does not get there soon is left unknown.
    ///
    /// # Errors
    /// Those of `stat(2)` and `readdir(3)` on the directory itself.
    pub fn settled(directory: &Directory<'_>) -> io::Result<Self> {
        Self::settled_since(directory, None, &|| Ok(None))
    }

    /// The same, starting from `names` if they were listed before, and from what is recalled of an
    /// older index. Unchanged metadata directories are marked, and those that need no look get
    /// none. `recall` is called after the names have been listed.
    ///
    /// # Errors
    /// Those of `stat(2)` and `readdir(3)` on the directory itself, and those of `recall`.
    pub fn settled_since<'r>(
        directory: &Directory<'_>,
        mut names: Option<Names>,
        recall: &dyn Fn() -> io::Result<Option<Recall<'r>>>,
    ) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            let names = match names.take() {
                Some(names) if names.may_hold(directory)? => names,
                _ => Names::list(directory, |_| ())?,
            };
            let Names {
                clock, mut listing, ..
            } = names;
            let recall = recall()?;
            if let Some(recall) = &recall {
                recall.before_looking(&mut listing.sightings, |stamp| clock.may_repeat(stamp));
            }
            listing.look_at_each(directory);
            let after = directory.stat()?;
            let still = listing.stamps == (Stamp::modified(&after), Stamp::changed(&after));
            let young = listing
                .youngest()
                .filter(|&changed| clock.may_repeat(changed));
            if !still || young.is_some() {
                let waited = young.is_none_or(|changed| clock.wait_beyond(changed));
                if tries < TRIES && waited {
                    continue;
                }
                listing.forget_young(&clock, still);
            }
            if let Some(recall) = &recall {
                recall.after_looking(&mut listing);
            }
            return Ok(listing);
        }
    }

    fn youngest(&self) -> Option<Stamp> {
        let own = std::iter::once(self.stamps.1);
        let inner = self.sightings.iter().map(|sighting| sighting.stamps.1);
        own.chain(inner)
            .filter(|&stamp| stamp != Stamp::UNKNOWN)
            .max_by_key(|stamp| stamp.raw())
    }

    fn forget_young(&mut self, clock: &Clock, still: bool) {
        const UNKNOWN: (Stamp, Stamp) = (Stamp::UNKNOWN, Stamp::UNKNOWN);
        if !still || clock.may_repeat(self.stamps.1) {
            self.stamps = UNKNOWN;
        }
        for sighting in &mut self.sightings {
            if clock.may_repeat(sighting.stamps.1) {
                sighting.stamps = UNKNOWN;
            }
        }
    }
}

/// The clock from which the kernel takes times, read before anything is looked at.
#[derive(Debug)]
pub(super) struct Clock(Stamp);

impl Clock {
    pub(super) fn now() -> Self {
        // The fine clock is ahead of the coarse one. Without a coarse one, nothing looks older than
        // it is, and everything may look young for one more tick.
        let time = ClockId::CLOCK_REALTIME_COARSE
            .now()
            .or_else(|_| ClockId::CLOCK_REALTIME.now());
        #[allow(clippy::useless_conversion)] // i32 on 32-bit systems
        Self(time.map_or(Stamp::UNKNOWN, |time| {
            Stamp::new(i64::from(time.tv_sec()), i64::from(time.tv_nsec()))
        }))
    }

    /// Whether a change from now on could result in the same ctime again. (Only the kernel sets a
    /// ctime, and every change sets it, even if the mtime is reset later.)
    pub(super) fn may_repeat(&self, changed: Stamp) -> bool {
        if changed.is_whole_second() {
            // A file system that stores whole seconds, or every other second (FAT).
            changed.seconds() >= self.0.seconds() - 1
        } else {
            changed.raw() >= self.0.raw()
        }
    }

    /// Waits until a change can no longer result in this ctime. False if that takes too long.
    fn wait_beyond(&self, changed: Stamp) -> bool {
        if changed.is_whole_second() {
            return false;
        }
        let mut waiting = Waiting::begin();
        // Look once more after the last sleep, which may have been long on a busy machine.
        loop {
            let patient = waiting.passed() < PATIENCE;
            if !Self::now().may_repeat(changed) {
                return true;
            }
            if !patient {
                return false;
            }
            std::thread::sleep(ROUND);
            waiting.count(ROUND);
        }
    }
}
