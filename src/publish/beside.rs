//! A folder beside the published file that contains exactly the given files.
//!
//! The input is the folder's name and the files with their content. The output is that folder, or
//! the first error.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::dir::{Dir, Type};
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::folder::Folder;
use super::way::{FOLDER, FOLDER_MODE, make};
use super::{FOR_ALL, PublishError};
use crate::rooted::open_at;

impl Folder {
    /// Makes the folder `name` beside the published file contain exactly these files. Each file is
    /// replaced at once, or left alone if its content is the same. Without any files the folder is
    /// removed. The caller must hold the place. After a failure the rest is still done, and the
    /// first failure is returned.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn keep_beside(&self, name: &str, files: &[(String, &[u8])]) -> Result<(), PublishError> {
        let path = self.path().with_file_name(name);
        let at = |action| PublishError::at(action, &path);
        let folder = match self.open_beside(name, !files.is_empty()) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound && files.is_empty() => {
                return Ok(());
            }
            Err(error) => return Err(at("open")(error)),
        };
        let mut first = Ok(());
        for (file_name, bytes) in files {
            let file = self
                .beside(&path.join(file_name), &folder)
                .map_err(at("open"))?;
            let written = if file.holds(bytes, FOR_ALL) {
                Ok(())
            } else {
                file.replace(bytes, FOR_ALL)
            };
            first = first.and(written);
        }
        let wanted = |entry: &[u8]| files.iter().any(|(name, _)| name.as_bytes() == entry);
        let cleared = clear(&folder, wanted).map_err(at("clear"));
        if files.is_empty() {
            // Not empty: it contains directories of other programs, which stay.
            let _ = unlinkat(self.directory(), name, UnlinkatFlags::RemoveDir);
        }
        first.and(cleared)
    }

    fn open_beside(&self, name: &str, make_it: bool) -> io::Result<OwnedFd> {
        if make_it {
            make(self.directory(), name.as_ref())?;
        }
        let folder = open_at(self.directory(), name, FOLDER, Mode::empty())?;
        let stat = fstat(&folder)?;
        if stat.st_uid != geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        // Another program may have changed the mode since.
        if make_it && stat.st_mode & 0o7777 != 0o755 {
            fchmod(&folder, FOLDER_MODE)?;
        }
        Ok(folder)
    }
}

/// Removes every other file: those of registrations that are gone, and those that a crashed writer
/// has left.
fn clear(folder: &OwnedFd, wanted: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let mut listing = open_at(folder.as_fd(), ".", FOLDER, Mode::empty()).and_then(Dir::from_fd)?;
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        let is_directory = entry.file_type() == Some(Type::Directory);
        if name != b"." && name != b".." && !is_directory && !wanted(name) {
            let name = OsStr::from_bytes(name);
            unlinkat(folder.as_fd(), name, UnlinkatFlags::NoRemoveDir)?;
        }
    }
    Ok(())
}
