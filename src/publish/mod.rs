//! Publishing: one file in place of another, at once or not at all.
//!
//! In come bytes and a path, out goes a published file, or an error and the old file as it was. The
//! bytes go into a temporary file in the same directory, are synced, and renamed over the old file;
//! then the directory is synced. A reader sees the old file or the new one, over NFS too. A lock, on
//! a file of its own that nobody else may open, keeps writers apart; readers need none.
//!
//! This room knows nothing of what it publishes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use tempfile::NamedTempFile;

/// How long a writer waits for another one.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(30);

const TEMPORARY_SUFFIX: &str = ".tmp";
/// How many letters and digits make the name of a temporary file its own.
const UNIQUE_LENGTH: usize = 6;

/// Why nothing was published. The file that was there before is still there, untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PublishError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl PublishError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }

    /// Whether the place cannot be written by anyone: mounted read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.source.kind() == io::ErrorKind::ReadOnlyFilesystem
    }

    /// Whether the place may not be written by this user.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether another writer held the lock all the time.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.source.kind() == io::ErrorKind::TimedOut
    }
}

/// A place to publish at, held by this writer alone until it is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    directory: PathBuf,
    /// The directory itself, whatever its path leads to by now.
    held: File,
    _lock: Flock<File>,
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
    /// Takes the place: makes its directory (0755, whatever the umask) if need be, waits up to
    /// `patience` for other writers, and clears away what a writer that crashed has left.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn lock(path: &Path, patience: Duration) -> Result<Self, PublishError> {
        check_name(path).map_err(PublishError::at("write", path))?;
        let directory = directory_of(path).to_owned();
        make_directory(&directory).map_err(PublishError::at("create", &directory))?;
        let lock_path = with_suffix(path, ".lock");
        let lock = lock_file(&lock_path, patience).map_err(PublishError::at("lock", &lock_path))?;
        let held = File::open(&directory).map_err(PublishError::at("open", &directory))?;
        let place = Self {
            path: path.to_owned(),
            directory,
            held,
            _lock: lock,
        };
        place.clear_leftovers();
        Ok(place)
    }

    /// Puts `bytes` in place, readable by everybody, writable by the owner.
    ///
    /// # Errors
    /// [`PublishError`]; the old file is in place then.
    pub fn publish(&self, bytes: &[u8]) -> Result<Outcome, PublishError> {
        if self.holds(bytes) {
            return Ok(Outcome::Unchanged);
        }
        let written = || -> io::Result<()> {
            let temporary = temporary_of(&self.path, bytes)?;
            temporary.as_file().sync_all()?;
            temporary
                .persist(&self.path)
                .map_err(|failed| failed.error)?;
            File::open(&self.directory)?.sync_all()
        };
        written().map_err(PublishError::at("write", &self.path))?;
        Ok(Outcome::Written)
    }

    /// The file that is in place now, if only its owner, this user, could have written it.
    #[must_use]
    pub fn published(&self) -> Option<File> {
        let flags = OFlag::O_RDONLY
            | OFlag::O_CLOEXEC
            | OFlag::O_NOCTTY
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK;
        let name = self.path.file_name()?;
        let file = File::from(openat(&self.held, name, flags, Mode::empty()).ok()?);
        let metadata = file.metadata().ok()?;
        let is_ours = metadata.is_file()
            && metadata.uid() == nix::unistd::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0;
        is_ours.then_some(file)
    }

    /// Whether the published file is these bytes already, and as accessible as it should be.
    fn holds(&self, bytes: &[u8]) -> bool {
        let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
        let Ok(file) = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&self.path)
        else {
            return false;
        };
        let same_size = file.metadata().is_ok_and(|metadata| {
            metadata.is_file()
                && metadata.len() == bytes.len() as u64
                && metadata.mode() & 0o7777 == 0o644
                && metadata.uid() == nix::unistd::geteuid().as_raw()
        });
        let mut buffer = vec![0; 64 << 10];
        same_size
            && bytes
                .chunks(buffer.len())
                .zip(0u64..)
                .all(|(chunk, number)| {
                    let offset = number * (64 << 10);
                    buffer.get_mut(..chunk.len()).is_some_and(|part| {
                        file.read_exact_at(part, offset).is_ok() && *part == *chunk
                    })
                })
    }

    /// Under the lock there is no other writer: a temporary file of this place is a leftover. What
    /// cannot be cleared away is in nobody's way.
    fn clear_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        let prefix = temporary_prefix(&self.path);
        for name in entries.flatten().map(|entry| entry.file_name()) {
            // The place may be in a directory that has other files: no more than our own names.
            let unique = name
                .as_bytes()
                .strip_prefix(prefix.as_bytes())
                .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX.as_bytes()));
            if unique.is_some_and(|unique| {
                unique.len() == UNIQUE_LENGTH && unique.iter().all(u8::is_ascii_alphanumeric)
            }) {
                let _ = fs::remove_file(self.directory.join(name));
            }
        }
    }
}

/// Takes the first of `paths` that is not on a read-only file system, as `lock` does it.
///
/// # Errors
/// [`PublishError`]; where all are read-only, that of the first.
pub fn lock_first(
    paths: &[PathBuf],
    lock: impl Fn(&Path) -> Result<Place, PublishError>,
) -> Result<(PathBuf, Place), PublishError> {
    let mut refusal = None;
    for path in paths {
        match lock(path) {
            Ok(place) => return Ok((path.clone(), place)),
            Err(error) if error.is_read_only() => {
                refusal.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let nowhere = || PublishError::at("publish at", Path::new(""))(io::ErrorKind::NotFound.into());
    Err(refusal.unwrap_or_else(nowhere))
}

/// Puts a small file in place beside a published one, at once or not at all, but under no lock and without
/// waiting for the disk: for what may as well be lost. What a writer that crashed has left of it, the
/// next one to lock `published` clears away.
///
/// # Errors
/// [`PublishError`]; the old file is in place then.
pub fn write_beside(published: &Path, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
    let path = published.with_file_name(name);
    let written = || -> io::Result<()> {
        let temporary = temporary_of(published, bytes)?;
        temporary.persist(&path).map_err(|failed| failed.error)?;
        Ok(())
    };
    written().map_err(PublishError::at("write", &path))
}

/// `bytes` in a new file, readable by everybody, that a later writer of `path` will know as a leftover.
fn temporary_of(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new()
        .prefix(&temporary_prefix(path))
        .rand_bytes(UNIQUE_LENGTH)
        .suffix(TEMPORARY_SUFFIX)
        .tempfile_in(directory_of(path))?;
    temporary.write_all(bytes)?;
    temporary
        .as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    Ok(temporary)
}

fn temporary_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!(".{}.", name.to_string_lossy())
}

fn directory_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Overwrites one byte of a published file in place. It needs no space and no second file: it works
/// on a full disk.
///
/// # Errors
/// Those of opening the file and writing to it.
pub fn overwrite_byte(path: &Path, offset: u64, byte: u8) -> io::Result<()> {
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    file.write_all_at(&[byte], offset)
}

/// Whether a file can be put there at all, before anything is made for it.
fn check_name(path: &Path) -> io::Result<()> {
    let named = path.file_name().is_some() && !path.as_os_str().as_bytes().ends_with(b"/");
    let in_the_way = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if named && !in_the_way {
        Ok(())
    } else {
        Err(Errno::EISDIR.into())
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(directory) {
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = directory
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            make_directory(parent.ok_or(error)?)?;
            make_directory(directory)
        }
        // On a read-only file system the kernel says so before it looks whether it is there.
        Err(_) if directory.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Locks a file that only its owner may open: whoever can open a file can lock it for ever.
fn lock_file(path: &Path, patience: Duration) -> io::Result<Flock<File>> {
    let started = Instant::now();
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(path)?;
        // It may have come from an archive, or from a hand that did not know.
        let metadata = file.metadata()?;
        if metadata.mode() & 0o077 != 0 && metadata.uid() == nix::unistd::geteuid().as_raw() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => {
                    // Somebody may have removed the file between opening and locking.
                    let here = fs::symlink_metadata(path)
                        .map(|metadata| metadata.ino())
                        .ok();
                    if here == Some(lock.metadata()?.ino()) {
                        return Ok(lock);
                    }
                    break;
                }
                Err((back, Errno::EAGAIN | Errno::EINTR)) => file = back,
                Err((_, errno)) => return Err(errno.into()),
            }
            if started.elapsed() >= patience {
                let text = format!("another refresh has held it for {} s", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            sleep(Duration::from_millis(10));
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
