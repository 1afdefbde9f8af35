//! The lock that keeps writers of one published file apart. It is a separate file beside it.
//!
//! The input is an open folder and the time to wait. The output is a lock that is held until it is
//! dropped. Any user who can open a file can lock it for ever. So the lock file is one that only
//! this user can open.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use super::PublishError;
use super::folder::Folder;
use crate::waiting::Waiting;

/// How long to wait before the next attempt.
const ROUND: Duration = Duration::from_millis(10);

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(Option<Flock<File>>);

impl Drop for Lock {
    fn drop(&mut self) {
        // `Flock` panics on drop if unlocking fails, for example because a file server has gone. In
        // that case the kernel unlocks when this process ends.
        let mut held = self.0.take();
        while let Some(lock) = held {
            held = match lock.unlock() {
                Err((back, Errno::EINTR)) => Some(back),
                Err((back, _)) => return std::mem::forget(back),
                Ok(_) => None,
            };
        }
    }
}

/// Waits up to `patience` for another writer that has locked the folder's published file.
pub(super) fn lock(folder: &Folder, patience: Duration) -> Result<Lock, PublishError> {
    let mut name = folder.name().to_owned();
    name.push(".lock");
    let path = folder.path().with_file_name(&name);
    lock_file(folder, &name, patience).map_err(PublishError::at("lock", &path))
}

fn lock_file(folder: &Folder, name: &OsStr, patience: Duration) -> io::Result<Lock> {
    let mut waiting = Waiting::begin();
    loop {
        if let Some(lock) = try_lock(folder, name)? {
            return Ok(lock);
        }
        if waiting.passed() >= patience {
            let text = format!("another refresh has held it for {} s", patience.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        sleep(ROUND);
        waiting.count(ROUND);
    }
}

/// `None` if another writer has the lock, or has just created or removed the file.
fn try_lock(folder: &Folder, name: &OsStr) -> io::Result<Option<Lock>> {
    let opened = match folder.open_file(name, OFlag::O_RDWR) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => folder.make_file(name),
        opened => opened,
    };
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if metadata.uid() != geteuid().as_raw() {
        let text = format!("it belongs to user {}, remove it", metadata.uid());
        return Err(io::Error::other(text));
    }
    // It may come from an archive, or another program may have created it.
    if metadata.mode() & 0o077 != 0 {
        if metadata.nlink() > 1 {
            // Its other name belongs to another program: a new file replaces it here.
            folder.remove(name);
            return Ok(None);
        }
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(locked) => {
            let lock = Lock(Some(locked));
            // Another process may have removed the file between opening and locking.
            #[allow(clippy::useless_conversion)] // its type differs between architectures
            let here = folder.stat(name).map(|stat| u64::from(stat.st_ino)).ok();
            Ok(Some(lock).filter(|_| here == Some(metadata.ino())))
        }
        Err((_, Errno::EAGAIN | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}
