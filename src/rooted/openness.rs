//! Whether every reader of an index could read the packages themselves.
//!
//! The input is a directory or a file, and who can reach the index ([`Readers`]). The output is
//! whether none of them is kept out. A file is open if both its group and all others may read it. A
//! directory is open if both may enter it, and also list it where listing matters. The bits of
//! others are not enough: a group with fewer rights than others is kept out on purpose. An access
//! control list can take rights from single users and groups, so it is read too. If something
//! cannot be determined, it counts as closed. What *this* process may read does not matter here.
//!
//! A reader of an index has reached its folder. So a directory above both the folder and the
//! packages keeps no reader out, and is not checked.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::FileStat;
use rustix::fs::{fgetxattr, getxattr};
use rustix::io::Errno;

use super::{OPEN_FLAGS, Root};

/// A right to a file or a directory, as the last digit of a mode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want(u32);

impl Want {
    /// Read a file.
    pub(super) const READ: Self = Self(0o4);
    /// List a directory, and reach its entries.
    pub(super) const LIST: Self = Self(0o5);
    /// Reach the entries of a directory.
    pub(super) const PASS: Self = Self(0o1);

    /// Whether the mode gives this right to group and others.
    pub(super) fn is_in_mode(self, stat: &FileStat) -> bool {
        let bits = self.0 | self.0 << 3;
        stat.st_mode & bits == bits
    }

    /// Whether the access control list of an open file takes this right from no user. True without
    /// a list.
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

    /// Whether every entry of an access control list but the owner's has this right. The form of a
    /// list is that of linux/posix_acl_xattr.h: a version, then for each entry a tag, the rights,
    /// and an ID.
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
            // The entry is cut short.
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
/// In bytes. A longer list counts as one that keeps a user out.
const LONGEST_LIST: usize = 1024;

/// The users who can reach an index.
#[derive(Debug, Clone, Default)]
pub struct Readers {
    /// The path of the index's folder, without links. `None` if it is not known: every directory
    /// counts.
    pub folder: Option<PathBuf>,
}

impl Readers {
    fn is_below(&self, directory: &Path) -> bool {
        let folder = self.folder.as_deref();
        folder.is_some_and(|folder| folder.starts_with(directory))
    }
}

impl Root {
    /// Whether all these readers can reach the directory at `path` and list it.
    #[must_use]
    pub fn is_open_to(&self, readers: &Readers, path: &Path) -> bool {
        self.real_path(path).is_ok_and(|real| {
            self.directory_is_open(&real, Want::LIST) && self.way_is_open_to(readers, &real)
        })
    }

    /// Whether all users who can reach the directory at `path` can reach the readers' folder. If
    /// not, the index has fewer readers than the packages.
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
        // Then the directories above a root of its own.
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
        // By path first, because root opens no search directory. A process that has given up root's
        // rights may have to go through a descriptor that it holds.
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
    fn a_list_that_takes_a_right_from_no_user_is_open() {
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
    fn an_invalid_list_counts_as_closed() {
        let good = list(&[(1, 7), (4, 7), (32, 7)]);
        assert!(Want::PASS.is_in_all(&good));
        assert!(!Want::PASS.is_in_all(&good[..good.len() - 1]));
        assert!(!Want::PASS.is_in_all(&[]));
        assert!(!Want::PASS.is_in_all(&[3, 0, 0, 0]));
    }
}
