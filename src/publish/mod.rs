//! Publishing: one file in place of another, at once or not at all.
//!
//! In come bytes and a destination below a root, out goes a published file, or an error and the old file
//! as it was. The way to the file's folder is gone once, each step checked (`way.rs`); from then on the
//! folder is held open, and everything happens in it (`folder.rs`). The bytes go into a temporary file, are
//! synced, and renamed over the old file; then the folder is synced. A reader sees the old file or the
//! new one, over NFS too. A lock (`lock.rs`) keeps writers apart; readers need none.
//!
//! This room knows nothing of what it publishes.

mod beside;
mod folder;
mod lock;
mod way;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::rooted::{Root, Untrusted, is_missing};
use way::{Missing, Objection};

pub use folder::Folder;
pub use way::Destination;

/// The mode of a file that everybody reads and its owner writes.
pub const FOR_ALL: u32 = 0o644;
/// The mode of a file that its owner alone reads and writes.
pub const FOR_OWNER: u32 = 0o600;

/// How long a writer waits for another one.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing was published. The file that was there before is still there, untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PublishError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl PublishError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }

    fn refused(path: &Path, objection: Objection) -> Self {
        Self::at("write", path)(io::Error::other(objection))
    }

    /// Whether the place cannot be written by anyone: mounted read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.source.kind() == io::ErrorKind::ReadOnlyFilesystem
    }

    /// Whether there is no such directory.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        is_missing(&self.source)
    }

    /// Whether the place may not be written by this user.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether a file cannot be changed where it is, but perhaps a copy of it: it has a second name, or is beyond this process's limit.
    fn needs_a_copy(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, TooManyLinks};
        matches!(self.source.kind(), TooManyLinks | FileTooLarge)
    }

    /// Whether another writer held the lock all the time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }

    /// Whether there is no such place: a link on the way leads nowhere.
    #[must_use]
    pub fn leads_nowhere(&self) -> bool {
        let objection = self.source.get_ref().and_then(|it| it.downcast_ref());
        matches!(objection, Some(Objection::Way(Untrusted::Nowhere { .. })))
    }
}

/// A place to publish at, held by this writer alone until it is dropped.
#[derive(Debug)]
pub struct Place {
    folder: Folder,
    _lock: lock::Lock,
}

/// What publishing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The new file is in place.
    Written,
    /// The old one says the same already.
    Unchanged,
}

impl Place {
    /// Takes the place at a destination below `root`: makes its folder (0755) if need be,
    /// waits up to `patience` for other writers, and clears away what a writer that crashed has left.
    ///
    /// # Errors
    /// [`PublishError`], also where the way there is not safe.
    pub fn lock(
        root: &Root,
        destination: &Destination,
        patience: Duration,
    ) -> Result<Self, PublishError> {
        let folder = Folder::open(root, destination, Missing::Make)?;
        let lock = lock::lock(&folder, patience)?;
        folder.clear_leftovers();
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// The folder that is written to.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The path of the published file, for people.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// As [`Folder::published`].
    #[must_use]
    pub fn published(&self) -> Option<File> {
        self.folder.published()
    }

    /// Overwrites one byte of the published file; where it has a second name, or this process may write no
    /// file that long, in a copy that takes its place. Where that cannot be made (a full disk), the file is
    /// taken away: no file is better than one that says what is not so.
    ///
    /// # Errors
    /// [`PublishError`], for the file is gone or was not there.
    pub fn overwrite_byte(&self, offset: u64, byte: u8) -> Result<(), PublishError> {
        match self.folder.overwrite_byte(offset, byte) {
            Err(error) if error.needs_a_copy() => {
                let replaced = self.folder.replace_byte(offset, byte);
                if replaced.is_err() {
                    self.folder.remove(self.folder.name());
                }
                replaced
            }
            done => done,
        }
    }

    /// Puts `bytes` in place with this mode, [`FOR_ALL`] or [`FOR_OWNER`].
    ///
    /// # Errors
    /// [`PublishError`]; the old file is in place then.
    pub fn publish(&self, bytes: &[u8], mode: u32) -> Result<Outcome, PublishError> {
        if self.folder.holds(bytes, mode) {
            return Ok(Outcome::Unchanged);
        }
        self.folder.replace(bytes, mode)?;
        Ok(Outcome::Written)
    }
}

/// Takes the first of these destinations that there is and that is not on a read-only file system, as
/// `lock` does it.
///
/// # Errors
/// [`PublishError`]; where there is none, that of the first.
pub fn lock_first(
    destinations: &[Destination],
    lock: impl Fn(&Destination) -> Result<Place, PublishError>,
) -> Result<Place, PublishError> {
    let mut refusal = None;
    for destination in destinations {
        match lock(destination) {
            Ok(place) => return Ok(place),
            Err(error) if error.is_read_only() || error.leads_nowhere() => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let nowhere = || PublishError::at("publish at", Path::new(""))(io::ErrorKind::NotFound.into());
    Err(refusal.unwrap_or_else(nowhere))
}

#[cfg(test)]
mod tests;
