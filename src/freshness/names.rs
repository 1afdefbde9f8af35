//! The names of metadata directories in a search directory, listed while looking for other files.
//!
//! The input is an open directory. The output is its names, its times, and the time of the listing.
//! Listing a large directory is the slowest part of a refresh with few changes, so a listing that
//! another room has made is used again. The times tell whether it is still true, as for any listing
//! (`listing.rs`).

use std::io;

use super::listing::{Clock, LeftOut, Listing, Sighting};
use crate::index::Stamp;
use crate::metadata::directory_name::{egg_base, recognise};
use crate::metadata::text::has_control;
use crate::rooted::{Directory, FileType};

/// A listing without the times of the entries.
#[derive(Debug)]
pub struct Names {
    /// Device and inode number of the directory.
    inode: (u64, u64),
    /// From before anything was looked at.
    pub(super) clock: Clock,
    pub(super) listing: Listing,
}

impl Names {
    /// Lists a directory. `visit` receives every name in it. Metadata directories with a control
    /// character in their name are left out: writers and readers ignore them.
    ///
    /// # Errors
    /// Those of `stat(2)` and `readdir(3)` on the directory itself.
    pub fn list(directory: &Directory<'_>, mut visit: impl FnMut(&[u8])) -> io::Result<Self> {
        let clock = Clock::now();
        let stat = directory.stat()?;
        let path = directory.path().to_owned();
        let egg_base = egg_base(path.as_os_str().as_encoded_bytes());
        let mut sightings = Vec::new();
        let mut left_out = LeftOut::default();
        directory.for_each_name(|name, may_be_link| {
            visit(name);
            if recognise(name, egg_base).is_none() {
                return;
            }
            if has_control(name) {
                left_out.add(name);
            } else {
                sightings.push(Sighting {
                    file_name: name.to_vec(),
                    found: Ok(FileType::Other),
                    stamps: (Stamp::UNKNOWN, Stamp::UNKNOWN),
                    same_as: None,
                    recorded_as: None,
                    may_be_link,
                    is_looked_at: false,
                });
            }
        })?;
        #[allow(clippy::useless_conversion)] // their types differ between architectures
        let inode = (stat.st_dev.into(), stat.st_ino.into());
        Ok(Self {
            inode,
            clock,
            listing: Listing {
                stamps: (Stamp::modified(&stat), Stamp::changed(&stat)),
                sightings,
                left_out,
            },
        })
    }

    /// The number of names.
    #[must_use]
    pub fn count(&self) -> usize {
        self.listing.sightings.len()
    }

    /// Whether they may still be those of this directory. This is certain only if nothing changes
    /// until everything else has been looked at.
    pub(super) fn may_hold(&self, directory: &Directory<'_>) -> io::Result<bool> {
        let stat = directory.stat()?;
        #[allow(clippy::useless_conversion)]
        let inode = (stat.st_dev.into(), stat.st_ino.into());
        let stamps = (Stamp::modified(&stat), Stamp::changed(&stat));
        Ok(
            self.inode == inode
                && self.listing.stamps == stamps
                && !self.clock.may_repeat(stamps.1),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;
    use crate::rooted::Root;

    fn listed(root: &Root, path: &Path) -> Names {
        // Waits until its times are old enough to show the next change.
        sleep(Duration::from_millis(30));
        Names::list(&root.open_dir(path).unwrap(), |_| ()).unwrap()
    }

    fn settled(root: &Root, path: &Path, names: Names, meanwhile: &dyn Fn()) -> usize {
        let recall = || {
            meanwhile();
            Ok(None)
        };
        let directory = root.open_dir(path).unwrap();
        let listing = Listing::settled_since(&directory, Some(names), &recall).unwrap();
        listing.sightings.len()
    }

    #[test]
    fn names_hold_until_the_directory_changes() {
        let (root, site) = (Root::system(), tempfile::tempdir().unwrap());
        let site = site.path();
        fs::create_dir(site.join("a-1.dist-info")).unwrap();
        let mut names = listed(&root, site);
        assert!(names.may_hold(&root.open_dir(site).unwrap()).unwrap());
        // A missing directory shows that it is not listed again.
        names.listing.sightings.clear();
        assert_eq!(settled(&root, site, names, &|| ()), 0);

        let names = listed(&root, site);
        fs::create_dir(site.join("b-1.dist-info")).unwrap();
        assert!(!names.may_hold(&root.open_dir(site).unwrap()).unwrap());
        assert_eq!(settled(&root, site, names, &|| ()), 2);
    }

    #[test]
    fn a_directory_created_while_all_else_is_looked_at_is_listed() {
        let (root, site) = (Root::system(), tempfile::tempdir().unwrap());
        let site = site.path();
        fs::create_dir(site.join("a-1.dist-info")).unwrap();
        let names = listed(&root, site);
        let come = || drop(fs::create_dir(site.join("b-1.dist-info")));
        assert_eq!(settled(&root, site, names, &come), 2);
    }

    #[test]
    fn names_of_another_directory_of_the_same_times_do_not_hold() {
        let root = Root::system();
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(two.path().join("a-1.dist-info")).unwrap();
        let mut names = listed(&root, one.path());
        names.listing.stamps = listed(&root, two.path()).listing.stamps;
        assert_eq!(settled(&root, two.path(), names, &|| ()), 1);
    }
}
