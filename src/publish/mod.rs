//! Publishing: replaces a file at once, or not at all.
//!
//! The input is bytes and a destination below a root. The output is a published file, or an error
//! and the old file as it was. The way to the file's folder is walked once, and each step is
//! checked (`way.rs`). From then on the folder is held open, and everything happens in it
//! (`folder.rs`). The bytes go into a temporary file, which is synced and renamed over the old
//! file. Then the folder is synced. A reader sees the old file or the new one, also over NFS. A
//! lock (`lock.rs`) keeps writers apart. Readers need no lock.
//!
//! This room knows nothing about what it publishes. It keeps an open folder and a lock while a
//! [`Place`] exists.

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

/// The mode of a file that every user may read, and only its owner may write.
pub const FOR_ALL: u32 = 0o644;
/// The mode of a file that only its owner may read and write.
pub const FOR_OWNER: u32 = 0o600;

/// How long a writer waits for another writer.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing was published. The previous file is still in place, unchanged.
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

    /// Whether the file system is mounted read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.source.kind() == io::ErrorKind::ReadOnlyFilesystem
    }

    /// Whether the directory does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        is_missing(&self.source)
    }

    /// Whether this user may not write to the directory.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether there is no room: the file system is full, or the user's share of it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded)
    }

    /// Whether the file cannot be changed in place, but a changed copy may replace it: it has a
    /// second hard link, or is larger than this process may write.
    fn needs_a_copy(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, TooManyLinks};
        matches!(self.source.kind(), TooManyLinks | FileTooLarge)
    }

    /// Whether another writer held the lock for the whole time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }

    /// Whether a link on the way leads nowhere.
    #[must_use]
    pub fn leads_nowhere(&self) -> bool {
        let objection = self.source.get_ref().and_then(|it| it.downcast_ref());
        matches!(objection, Some(Objection::Way(Untrusted::Nowhere { .. })))
    }
}

/// A place to publish at. No other writer has it until it is dropped.
#[derive(Debug)]
pub struct Place {
    folder: Folder,
    _lock: lock::Lock,
}

/// The result of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The new file is in place.
    Written,
    /// The old file has the same content already.
    Unchanged,
}

impl Place {
    /// Takes the place at a destination below `root`. Creates its folder (0755) if it is missing,
    /// waits up to `patience` for other writers, and removes what a crashed writer has left.
    ///
    /// # Errors
    /// [`PublishError`], also if the way to the folder is not safe.
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

    /// The path of the published file, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// See [`Folder::published`].
    #[must_use]
    pub fn published(&self) -> Option<File> {
        self.folder.published()
    }

    /// Overwrites one byte of the published file. If the file has a second hard link, or this
    /// process may not write a file of that length, a changed copy replaces the file. If no copy
    /// can be made (a full disk), the file is removed: no file is better than a wrong one.
    /// # Errors
    /// [`PublishError`]: then the file is gone, or did not exist.
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

    /// Publishes `bytes` with this mode, [`FOR_ALL`] or [`FOR_OWNER`].
    ///
    /// # Errors
    /// [`PublishError`]: then the old file is still in place.
    pub fn publish(&self, bytes: &[u8], mode: u32) -> Result<Outcome, PublishError> {
        if self.folder.holds(bytes, mode) {
            return Ok(Outcome::Unchanged);
        }
        self.folder.replace(bytes, mode)?;
        Ok(Outcome::Written)
    }
}

/// Takes the first of these destinations that exists and is not on a read-only file system. `lock`
/// takes one destination.
///
/// [`PublishError`]; if no destination can be used, that of the first one.
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
