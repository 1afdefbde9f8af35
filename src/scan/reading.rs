//! Reads many metadata directories at once, on several threads.
//!
//! The input is the listing and the budget. The output is the distributions in the order of the
//! listing, so that the number of threads does not change the result.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::budget::{Budget, Cost, Spent};
use super::content::Extent;
use super::distribution::{self, Reading, Report};
use super::dropping::{self, Dropped};
use crate::freshness::{Listing, Sighting};
use crate::index::DistributionDraft;
use crate::index::format::distribution_flag;
use crate::parallel::in_runs;
use crate::rooted::Directory;

/// A metadata directory, read or unread, and the report about it.
pub(super) type Read = (DistributionDraft, Report);

/// A metadata directory to read, and the place of the result.
struct Place<'p> {
    sighting: &'p Sighting,
    number: usize,
    /// `None` if it could not be read within the budget.
    draft: Option<DistributionDraft>,
    report: Report,
}

/// Shared by all reading in one search directory.
pub(super) struct Reader<'r> {
    pub(super) directory: &'r Directory<'r>,
    pub(super) egg_base: Option<&'r [u8]>,
    pub(super) limits: Budget,
    pub(super) extent: Extent,
}

impl Reader<'_> {
    /// Reads all metadata directories that are not reused, within the budget. `kept` returns the
    /// cost of those that are. If the budget does not suffice for one of these, it is left unread
    /// too. `progress` is called from time to time with the number of directories read. Also
    /// returns the total cost.
    pub(super) fn read_all(
        &self,
        listing: &mut Listing,
        kept: &mut [Option<Cost>],
        progress: &mut dyn FnMut(usize),
    ) -> (Vec<Read>, Dropped, Cost) {
        let mut dropped = Dropped::default();
        let (mut places, mut spent) = self.attempt(listing, kept, &dropped, progress);
        if spent.is_over() {
            drop(places);
            let sightings = &listing.sightings;
            dropped =
                dropping::dropped(self.directory, self.egg_base, sightings, kept, self.limits);
            let sightings = listing.sightings.iter_mut().zip(&mut *kept);
            for ((sighting, kept), number) in sightings.zip(0..) {
                if dropped.unread.has(number) || dropped.bare.has(number) {
                    (sighting.same_as, *kept) = (None, None);
                }
            }
            (places, spent) = self.attempt(listing, kept, &dropped, progress);
        }
        let unread = |sighting| distribution::unread(self.directory, sighting, self.egg_base);
        let read = places.into_iter().map(|place| {
            // A directory that has grown meanwhile is left unread too.
            let draft = place.draft.unwrap_or_else(|| unread(place.sighting));
            (draft, place.report)
        });
        let cost = spent.total().max(dropped.counted);
        (read.collect(), dropped, cost)
    }

    /// Reads all that are neither reused nor dropped. Returns the cost.
    fn attempt<'l>(
        &self,
        listing: &'l Listing,
        kept: &[Option<Cost>],
        dropped: &Dropped,
        progress: &mut dyn FnMut(usize),
    ) -> (Vec<Place<'l>>, Spent) {
        let spent = Spent::on(self.limits, kept.iter().flatten());
        let sightings = listing.sightings.iter().zip(kept).zip(0..);
        let to_read = sightings.filter(|((_, kept), _)| kept.is_none());
        let mut places: Vec<Place<'_>> = to_read
            .map(|((sighting, _), number)| Place {
                sighting,
                number,
                draft: None,
                report: Report::default(),
            })
            .collect();
        let count = AtomicUsize::new(0);
        // Each thread reuses its buffer for one file after the other.
        let work = |buffer: &mut Vec<u8>, run: &mut [Place<'_>]| {
            let mut reading = Reading {
                directory: self.directory,
                egg_base: self.egg_base,
                spent: &spent,
                buffer,
            };
            for place in run.iter_mut() {
                if dropped.unread.has(place.number) || spent.is_over() {
                    continue;
                }
                let is_bare = dropped.bare.has(place.number);
                let extent = if is_bare {
                    Extent::EntryPoints
                } else {
                    self.extent
                };
                place.draft = reading.read(place.sighting, extent, &mut place.report);
                if let Some(draft) = place.draft.as_mut().filter(|_| is_bare) {
                    // It is read again each time: the budget may reach for it then.
                    draft.flags |= distribution_flag::WARNED;
                }
            }
            count.fetch_add(run.len(), Ordering::Relaxed);
        };
        in_runs(&mut places, work, &mut || {
            progress(count.load(Ordering::Relaxed))
        });
        (places, spent)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::rooted::Root;

    const LIMITS: Budget = Budget(Cost {
        content: 10_000,
        entries: 100,
        listed: 20_000,
        text: 3000,
    });

    fn dist(site: &Path, name: &str, files: &[(&str, String)]) {
        let path = site.join(format!("{name}-1.dist-info"));
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("METADATA"), format!("Name: {name}\nVersion: 1\n")).unwrap();
        for (file, content) in files {
            fs::write(path.join(file), content).unwrap();
        }
    }

    fn entries(count: usize) -> Vec<(&'static str, String)> {
        let lines: String = (0..count).map(|number| format!("{number}=a\n")).collect();
        vec![("entry_points.txt", format!("[g]\n{lines}"))]
    }

    fn bytes(size: usize) -> Vec<(&'static str, String)> {
        vec![("entry_points.txt", "\n".repeat(size))]
    }

    /// Reads all but those that are taken over at this cost.
    fn read_all(site: &Path, kept: &dyn Fn(&[u8]) -> Option<Cost>) -> (Vec<Read>, Dropped) {
        let root = Root::system();
        let directory = root.open_dir(site).unwrap();
        let reader = Reader {
            directory: &directory,
            egg_base: None,
            limits: LIMITS,
            extent: Extent::Everything,
        };
        let mut listing = Listing::now(&directory).unwrap();
        // In any order of the directory.
        listing
            .sightings
            .sort_by(|one, other| one.file_name.cmp(&other.file_name));
        let sightings = listing.sightings.iter();
        let mut kept: Vec<_> = sightings.map(|it| kept(&it.file_name)).collect();
        let (read, dropped, _) = reader.read_all(&mut listing, &mut kept, &mut |_| ());
        let taken_over = kept.iter().flatten().count();
        assert_eq!(read.len() + taken_over, listing.sightings.len());
        (read, dropped)
    }

    /// Which are unread, and that the largest is called so.
    fn unread(site: &Path, kept: &dyn Fn(&[u8]) -> Option<Cost>) -> Vec<String> {
        let (
            read,
            Dropped {
                unread: dropped, ..
            },
        ) = read_all(site, kept);
        let is_unread = |draft: &&DistributionDraft| draft.flags & distribution_flag::UNREAD != 0;
        let drafts = read.iter().map(|(draft, _)| draft);
        let unread: Vec<_> = drafts.filter(is_unread).collect();
        assert_eq!(unread.len(), dropped.count());
        assert!(
            unread
                .iter()
                .all(|it| it.entries.is_empty() && it.version == b"1")
        );
        assert!(unread.is_empty() || unread.iter().any(|it| it.file_name == dropped.largest));
        let name = |it: &&DistributionDraft| String::from_utf8(it.name.clone()).unwrap();
        unread.iter().map(name).collect()
    }

    fn none(_: &[u8]) -> Option<Cost> {
        None
    }

    #[test]
    fn what_just_fits_is_read_and_what_does_not_goes_largest_first() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        dist(site, "a", &bytes(4_000));
        dist(site, "b", &bytes(4_000));
        dist(site, "c", &bytes(2_000));
        assert!(unread(site, &none).is_empty());
        dist(site, "d", &bytes(1));
        assert_eq!(unread(site, &none), ["a"]);
        dist(site, "d", &bytes(6_000));
        assert_eq!(unread(site, &none), ["d"]);
        dist(site, "e", &bytes(5_000));
        assert_eq!(unread(site, &none), ["d", "e"]);
    }

    #[test]
    fn entry_points_are_counted_in_the_rest() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        dist(site, "a", &entries(40));
        dist(site, "b", &entries(60));
        assert!(unread(site, &none).is_empty());
        dist(site, "c", &entries(1));
        assert_eq!(unread(site, &none), ["b"]);
        // The largest file has few entry points. Without it, the others still have too many.
        let long = format!("[g]\na = {}\n", "x".repeat(9_900));
        dist(site, "long", &[("entry_points.txt", long)]);
        assert_eq!(unread(site, &none), ["b", "long"]);
        // Bad ones do not count, and neither do those with control characters.
        dist(
            site,
            "c",
            &[("entry_points.txt", "[g]\na=\x01\n".repeat(5))],
        );
        assert_eq!(unread(site, &none), ["long"]);
    }

    #[test]
    fn headers_count_where_the_first_bytes_do_not_tell() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        let late = |size: usize| format!("X: {}\nName: late\nVersion: 1\n", "x".repeat(size));
        dist(site, "a", &[("METADATA", late(8_000))]);
        dist(site, "b", &bytes(5_000));
        assert!(unread(site, &none).is_empty());
        dist(site, "a", &[("METADATA", late(10_000))]);
        assert_eq!(unread(site, &none), ["a"]);
        // With an empty METADATA, PKG-INFO counts.
        let old = [("METADATA", String::new()), ("PKG-INFO", late(10_000))];
        dist(site, "a", &old);
        assert_eq!(unread(site, &none), ["a"]);
        // A long description costs nothing.
        let described = format!("Name: a\nVersion: 1\n\n{}", "x".repeat(100_000));
        dist(site, "a", &[("METADATA", described)]);
        assert!(unread(site, &none).is_empty());
    }

    #[test]
    fn reused_distributions_count_as_if_they_were_read() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        dist(site, "a", &bytes(6_000));
        dist(site, "b", &entries(60));
        dist(site, "c", &bytes(3_000));
        let cost = |content, entries| {
            Some(Cost {
                content,
                entries,
                ..Cost::default()
            })
        };
        let kept = |name: &[u8]| match name.first()? {
            b'a' => cost(6_000, 0),
            b'b' => cost(300, 60),
            _ => None,
        };
        assert!(unread(site, &kept).is_empty());
        dist(site, "d", &bytes(3_000));
        assert_eq!(unread(site, &none), ["a"]);
        assert_eq!(unread(site, &kept), ["a"]);
        dist(site, "d", &entries(50));
        assert_eq!(unread(site, &none), ["b"]);
        assert_eq!(unread(site, &kept), ["b"]);
    }

    /// Those that lose their requirements and import names, and nothing else.
    fn bare(site: &Path, kept: &dyn Fn(&[u8]) -> Option<Cost>) -> Vec<String> {
        let (read, dropped) = read_all(site, kept);
        assert_eq!(dropped.unread.count(), 0);
        let unknown = distribution_flag::REQUIREMENTS_UNKNOWN | distribution_flag::IMPORTS_UNKNOWN;
        let drafts = read.iter().map(|(draft, _)| draft);
        let bare = drafts.filter(|it| it.flags & unknown == unknown);
        let bare: Vec<_> = bare
            .map(|it| {
                assert!(it.flags & distribution_flag::WARNED != 0 && it.version == b"1");
                String::from_utf8(it.name.clone()).unwrap()
            })
            .collect();
        assert_eq!(bare.len(), dropped.bare.count());
        bare
    }

    #[test]
    fn the_largest_lists_of_files_lose_their_names_and_nothing_else() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        let record = |rows: usize| vec![("RECORD", "p/a.py,,\n".repeat(rows))];
        dist(site, "a", &record(1100));
        dist(site, "b", &record(1000));
        assert!(bare(site, &none).is_empty());
        dist(site, "c", &record(200));
        assert_eq!(bare(site, &none), ["a"]);
        // What is taken over counts as if it were read.
        let kept = |name: &[u8]| {
            name.starts_with(b"b").then_some(Cost {
                listed: 9000,
                text: 2,
                ..Cost::default()
            })
        };
        assert_eq!(bare(site, &kept), ["a"]);
    }

    #[test]
    fn the_most_requirements_and_import_names_are_left_out() {
        let site = tempfile::tempdir().unwrap();
        let site = site.path();
        let top = |size: usize| vec![("top_level.txt", "n".repeat(size))];
        dist(site, "a", &top(1500));
        dist(site, "b", &top(1400));
        assert!(bare(site, &none).is_empty());
        dist(site, "c", &top(200));
        assert_eq!(bare(site, &none), ["a"]);
    }
}
