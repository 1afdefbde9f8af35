//! A set of files in a folder beside a published file: what it is to be, no more and no less.

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
    /// Sees to it that the folder `name` beside the published file has these files, each put in place at once
    /// or left alone where it says the same already, and no others; without any, the folder goes. To be called
    /// by who holds the place. All is tried, whatever fails; the first failure is reported.
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
            // Not empty: somebody else's, and theirs to keep.
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
        // Whatever was done to it since it was made.
        if make_it && stat.st_mode & 0o7777 != 0o755 {
            fchmod(&folder, FOLDER_MODE)?;
        }
        Ok(folder)
    }
}

/// Removes the files that are not wanted: those whose registration has gone, and what a writer that crashed
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
