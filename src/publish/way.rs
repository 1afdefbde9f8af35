//! The way to the folder of a published file.
//!
//! The input is a [`Destination`]: a directory that the user has named, and a path below it. The
//! output is the open folder, or the reason for a refusal. On the way to the named directory the
//! kernel follows links. If this process is root, it follows only links that no other user could
//! have made (`rooted/trust.rs`). Below the named directory no link is followed, not even root's.
//! With `--root`, the named directory is that root, and everything is below it.
//!
//! The checks apply to open directories. So the folder stays the one that was checked, even if its
//! path leads to another one meanwhile.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat};
use nix::unistd::geteuid;

use super::PublishError;
use crate::rooted::{
    FileType, Guide, Root, STEP, TrustedLinks, Untrusted, Walked, asked, file_type, is_root_s,
    open_at, walk,
};

pub(super) const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
pub(super) const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);

/// Why root does not write there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Objection {
    #[error("{} belongs to user {owner}, not to root: use a folder that root owns", path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("users other than root can write to {0}: run `chmod go-w {0}`", path.display())]
    Writable { path: PathBuf },
    #[error(
        "{} is a link, and links are not followed here: put a directory in its place",
        path.display()
    )]
    Link { path: PathBuf },
    #[error(transparent)]
    Way(Untrusted),
}

/// Whether a missing directory is created (readable by all), or reported as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Report,
}

/// Where to publish a file: below a directory that the user has named. Below a root, both are paths
/// as seen from inside of it.
#[derive(Debug, Clone)]
pub struct Destination {
    named: PathBuf,
    below: PathBuf,
    held: Option<Rc<OwnedFd>>,
}

impl Destination {
    /// The file `below` (a relative path) a directory that the user has named.
    #[must_use]
    pub fn new(named: &Path, below: impl Into<PathBuf>) -> Self {
        Self {
            named: named.to_owned(),
            below: below.into(),
            held: None,
        }
    }

    /// A file that the user has named, by an absolute path or by one from the current directory.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let text = path.as_os_str().as_bytes();
        let is_directory = text.ends_with(b"/") || text.ends_with(b"/.");
        let name = path.file_name().filter(|_| !is_directory);
        let (named, below) = match name {
            Some(name) => (path.parent().unwrap_or(Path::new("")), name.into()),
            None => (path, PathBuf::new()),
        };
        Self {
            named: named.to_owned(),
            below,
            held: None,
        }
    }

    /// Opens the named directory now, on the running system, because this process may become
    /// another user later. From here on no link below it is followed, whatever user this process
    /// is.
    ///
    /// [`PublishError`], also if the way to the directory is not safe.
    /// [`PublishError`], also where the way there is not safe.
    pub fn hold(&mut self) -> Result<FileStat, PublishError> {
        let at = PublishError::at("open", &self.named);
        let held = open_named(&self.named, Missing::Report)?;
        let stat = fstat(&held).map_err(|errno| at(errno.into()))?;
        self.held = Some(Rc::new(held));
        Ok(stat)
    }

    /// Whether the file exists. A link counts too. For a destination that is held.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let found = self.held.as_ref().map(|held| {
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
            fstatat(held, self.below.as_path(), flags)
        });
        matches!(found, Some(Ok(_)))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.named.join(&self.below)
    }

    /// The path of the file as it is outside of a root, for messages.
    #[must_use]
    pub fn shown(&self, root: &Root) -> PathBuf {
        if root.is_system() {
            self.path()
        } else {
            root.outside(&self.path())
        }
    }

    /// The file's own name. `None` for a path that names a directory.
    pub(super) fn file_name(&self) -> Option<&OsStr> {
        self.below.file_name()
    }

    /// Opens the folder of the file.
    pub(super) fn folder(&self, root: &Root, missing: Missing) -> Result<OwnedFd, PublishError> {
        let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
        let shown = self.shown(root);
        let walk_from = |start: BorrowedFd<'_>, named: &Path, below: &Path| {
            let guide = NoLinks {
                named,
                shown: &shown,
                missing,
            };
            guide.open(start, below)
        };
        let folder = match (root.descriptor(), &self.held) {
            (Some(anchor), _) => walk_from(anchor, root.path(), &folder(&self.path()))?,
            (None, Some(held)) => walk_from(held.as_fd(), &self.named, &folder(&self.below))?,
            (None, None) if geteuid().is_root() => {
                let named = open_named(&self.named, missing)?;
                walk_from(named.as_fd(), &self.named, &folder(&self.below))?
            }
            (None, None) => open_named(&folder(&self.path()), missing)?,
        };
        // Reopen it: a descriptor that was opened with O_PATH cannot be listed or synced.
        open_at(&folder, ".", FOLDER, Mode::empty())
            .map_err(|errno| PublishError::at("open", &shown)(errno.into()))
    }
}

/// Opens (with O_PATH) a directory that the user has named. If this process is root, it follows no
/// link that another user could have made.
fn open_named(path: &Path, missing: Missing) -> Result<OwnedFd, PublishError> {
    asked(path);
    let at = |action| PublishError::at(action, path);
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    if geteuid().is_root() {
        let trusted = TrustedLinks {
            make: (missing == Missing::Make).then_some(|here, name| make(here.fd(), name)),
        };
        let absolute = std::path::absolute(path).map_err(at("open"))?;
        return match trusted.open(&absolute) {
            Ok(opened) => directory(opened.fd, path),
            Err(Untrusted::Io { path, error }) => Err(PublishError::at("open", &path)(error)),
            Err(untrusted) => Err(PublishError::refused(path, Objection::Way(untrusted))),
        };
    }
    let open = || {
        open_at(
            AT_FDCWD,
            path,
            OFlag::O_PATH | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    };
    match (open(), path.file_name()) {
        (Err(Errno::ENOENT), Some(name)) if missing == Missing::Make => {
            let above = open_named(path.parent().unwrap_or(Path::new("")), missing)?;
            make(above.as_fd(), name).map_err(at("create"))
        }
        (opened, _) => directory(opened.map_err(|errno| at("open")(errno.into()))?, path),
    }
}

/// Returns what was opened if it is a directory.
fn directory(opened: OwnedFd, path: &Path) -> Result<OwnedFd, PublishError> {
    let at = PublishError::at("open", path);
    match fstat(&opened) {
        Ok(stat) if file_type(&stat) == FileType::Directory => Ok(opened),
        Ok(_) => Err(at(Errno::ENOTDIR.into())),
        Err(errno) => Err(at(errno.into())),
    }
}

/// The walk below a named directory. If this process is root, only root may write to each
/// directory.
struct NoLinks<'a> {
    named: &'a Path,
    /// The path of the file that is to be written, for messages.
    shown: &'a Path,
    missing: Missing,
}

impl NoLinks<'_> {
    fn open(&self, start: BorrowedFd<'_>, below: &Path) -> Result<OwnedFd, PublishError> {
        let walked = walk(start, below, self)?;
        self.check(&walked)?;
        let fd = walked.fd().try_clone_to_owned();
        fd.map_err(PublishError::at("open", self.named))
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.named.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn check(&self, walked: &Walked<'_>) -> Result<(), PublishError> {
        if !geteuid().is_root() {
            return Ok(());
        }
        for (depth, directory) in walked.directories().enumerate() {
            let path = || {
                let mut path = self.named.to_owned();
                path.extend(walked.names().take(depth));
                match path.as_os_str().is_empty() {
                    true => PathBuf::from("."),
                    false => path,
                }
            };
            let stat = fstat(directory)
                .map_err(|errno| PublishError::at("open", &path())(errno.into()))?;
            let owner = stat.st_uid;
            if !is_root_s(owner) {
                return Err(self.refuse(Objection::Owner {
                    path: path(),
                    owner,
                }));
            }
            if stat.st_mode & 0o022 != 0 {
                return Err(self.refuse(Objection::Writable { path: path() }));
            }
        }
        Ok(())
    }

    fn refuse(&self, objection: Objection) -> PublishError {
        PublishError::refused(self.shown, objection)
    }
}

impl Guide for NoLinks<'_> {
    type Error = PublishError;

    fn failed(&self, path: PathBuf, error: io::Error) -> PublishError {
        PublishError::at("open", &self.path(&path))(error)
    }

    fn follow(&self, here: &Walked<'_>, name: &OsStr, _: &FileStat) -> Result<(), PublishError> {
        let path = self.path(&here.path_of(name));
        Err(self.refuse(Objection::Link { path }))
    }

    fn missing(
        &self,
        here: &Walked<'_>,
        name: &OsStr,
        _: Option<&Path>,
    ) -> Result<OwnedFd, PublishError> {
        let path = self.path(&here.path_of(name));
        if self.missing == Missing::Report {
            return Err(PublishError::at("open", &path)(Errno::ENOENT.into()));
        }
        self.check(here)?;
        make(here.fd(), name).map_err(PublishError::at("create", &path))
    }
}

/// Creates a directory, readable by all as far as the umask allows. If another process has created
/// it meanwhile, takes that one.
pub(super) fn make(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    match mkdirat(directory, name, FOLDER_MODE) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(open_at(directory, name, STEP, Mode::empty())?)
}
