//! Whom files are open to: whether everybody may read what an index is to say.
//!
//! In come directories and files; out goes whether nobody is kept from them. A file is open where both its
//! group and all others may read it. A directory is open where both may enter it, and list it where listing
//! matters. One of the two alone is not enough: a group without a right that others have is kept out on purpose. An
//! access control list may take rights from single users and groups, so it is looked at as well. What cannot be
//! told counts as closed. Whether *this* process may read something is not the question.
//!
//! Those who read an index have reached its folder. So a directory above both the folder and the packages keeps
//! none of them out, and does not count.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::FileStat;
use rustix::fs::{fgetxattr, getxattr};
use rustix::io::Errno;

use super::{OPEN_FLAGS, Root};

/// What is wanted of a file or a directory, as the last digit of a mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want(u32);

impl Want {
    /// To read a file.
    pub(super) const READ: Self = Self(0o4);
    /// To list a directory, and to go to what is in it.
    pub(super) const LIST: Self = Self(0o5);
    /// To go to what is in a directory.
    pub(super) const PASS: Self = Self(0o1);

    /// Whether the mode keeps nobody out.
    pub(super) fn is_in_mode(self, stat: &FileStat) -> bool {
        let bits = self.0 | self.0 << 3;
        stat.st_mode & bits == bits
    }

    /// Whether the access control list of something open, if it has one, keeps nobody out.
    pub(super) fn is_in_list(self, open: impl AsFd) -> bool {
        self.is_in(|buffer| fgetxattr(&open, ACCESS_LIST, buffer))
    }

    fn is_in(self, get: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> bool {
        let mut buffer = [0; LONGEST_LIST];
        match get(&mut buffer) {
            Ok(length) => self.is_in_all(buffer.get(..length).unwrap_or_default()),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => true,
            Err(_) => false,
        }
    }

    /// Whether all entries of an access control list have this, but the owner's. Its form is that of
    /// linux/posix_acl_xattr.h: a version, and for each entry a tag, the rights, and whose they are.
    fn is_in_all(self, list: &[u8]) -> bool {
        const OWNER: u16 = 0x01;
        const MASK: u16 = 0x10;
        const OTHERS: u16 = 0x20;
        let Some((&[2, 0, 0, 0], entries)) = list.split_first_chunk() else {
            return false;
        };
        let parsed = entries.chunks(8).map(|entry| match *entry {
            [a, b, c, d, _, _, _, _] => {
                let rights = u32::from(u16::from_le_bytes([c, d]));
                (u16::from_le_bytes([a, b]), rights)
            }
            // Cut short.
            _ => (OTHERS, 0),
        });
        let mask = parsed.clone().find(|(tag, _)| *tag == MASK);
        let mask = mask.map_or(u32::MAX, |(_, rights)| rights);
        parsed
            .map(|(tag, rights)| match tag {
                OWNER | MASK => u32::MAX,
                OTHERS => rights,
                _ => rights & mask,
            })
            .all(|rights| rights & self.0 == self.0)
    }
}

const ACCESS_LIST: &str = "system.posix_acl_access";
/// A longer one counts as one that keeps somebody out, in bytes.
const LONGEST_LIST: usize = 1024;

/// Those who can reach an index.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// The path of the index's folder, without links. None: where that is is not known, and every directory counts.
    pub folder: Option<PathBuf>,
}

impl Readers {
    fn is_below(&self, directory: &Path) -> bool {
        let folder = self.folder.as_deref();
        folder.is_some_and(|folder| folder.starts_with(directory))
    }
}

impl Root {
    /// Whether all these readers can go to the directory at `path` and list it.
    #[must_use]
    pub fn is_open_to(&self, readers: &Readers, path: &Path) -> bool {
        self.real_path(path).is_ok_and(|real| {
            self.directory_is_open(&real, Want::LIST) && self.way_is_open_to(readers, &real)
        })
    }

    /// Whether all who can go to the directory at `path` can go to the readers' folder: if not, the readers are
    /// fewer than all.
    #[must_use]
    pub fn leads_to(&self, readers: &Readers, path: &Path) -> bool {
        let (Some(folder), Ok(real)) = (&readers.folder, self.real_path(path)) else {
            return true;
        };
        let outside = self.outside(&real);
        let below = folder.ancestors().take_while(|it| !outside.starts_with(it));
        below.into_iter().all(|directory| {
            let own = directory.strip_prefix(self.path());
            match own {
                Ok(inside) => self.directory_is_open(&Path::new("/").join(inside), Want::PASS),
                Err(_) => Self::system().directory_is_open(directory, Want::PASS),
            }
        })
    }

    /// Whether all these readers can pass the directories above a path without links.
    pub(super) fn way_is_open_to(&self, readers: &Readers, real: &Path) -> bool {
        let counts = |directory: &&Path| !readers.is_below(&self.outside(directory));
        let mut way = real.ancestors().skip(1).take_while(counts);
        if !way.all(|directory| self.directory_is_open(directory, Want::PASS)) {
            return false;
        }
        // Then those above a root of its own.
        let mut above = self.path().ancestors();
        self.is_system()
            || above
                .by_ref()
                .take_while(|directory| !readers.is_below(directory))
                .skip(1)
                .all(|directory| Self::system().directory_is_open(directory, Want::PASS))
    }

    pub(super) fn directory_is_open(&self, real: &Path, want: Want) -> bool {
        let path = self.outside(real);
        // By its path first, since root opens no search directory. A process that has given up root's rights
        // may have to go through one that is held.
        let list = |buffer: &mut [u8]| match getxattr(&path, ACCESS_LIST, &mut *buffer) {
            Err(Errno::ACCESS | Errno::NOENT) => {
                let open = self.open(real, OPEN_FLAGS | OFlag::O_DIRECTORY);
                fgetxattr(open.map_err(|_| Errno::ACCESS)?, ACCESS_LIST, buffer)
            }
            found => found,
        };
        self.stat(real).is_ok_and(|stat| want.is_in_mode(&stat)) && want.is_in(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16)]) -> Vec<u8> {
        let entry = |&(tag, rights): &(u16, u16)| {
            let (tag, rights) = (tag.to_le_bytes(), rights.to_le_bytes());
            [&tag[..], &rights, &u32::MAX.to_le_bytes()].concat()
        };
        [vec![2, 0, 0, 0], entries.iter().flat_map(entry).collect()].concat()
    }

    #[test]
    fn a_list_is_open_where_it_takes_nothing_from_anybody() {
        // Owner, a user, group, a group, mask, others.
        let with = |user, group, mask, others| {
            list(&[
                (1, 0),
                (2, user),
                (4, 5),
                (8, group),
                (16, mask),
                (32, others),
            ])
        };
        assert!(Want::LIST.is_in_all(&with(5, 7, 5, 5)));
        for bad in [
            with(4, 7, 7, 7),
            with(7, 1, 7, 7),
            with(7, 7, 4, 7),
            with(7, 7, 7, 0),
        ] {
            assert!(!Want::LIST.is_in_all(&bad));
        }
        assert!(Want::READ.is_in_all(&list(&[(1, 6), (4, 4), (32, 4)])));
        assert!(!Want::READ.is_in_all(&list(&[(1, 6), (4, 0), (32, 4)])));
    }

    #[test]
    fn what_is_no_list_counts_as_closed() {
        let good = list(&[(1, 7), (4, 7), (32, 7)]);
        assert!(Want::PASS.is_in_all(&good));
        assert!(!Want::PASS.is_in_all(&good[..good.len() - 1]));
        assert!(!Want::PASS.is_in_all(&[]));
        assert!(!Want::PASS.is_in_all(&[3, 0, 0, 0]));
    }
}
