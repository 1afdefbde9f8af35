//! The way to a folder that is written to: every step by descriptor, every step held against one rule.
//!
//! In come a root and a path, out goes the open folder, or what is wrong with the way. Whoever may swap
//! a directory on the way for a link could lead root to write anywhere. So each directory must belong to
//! root or to this user, and each link that is followed, too; and for root each must be safe from all
//! others: none of them may write to it, unless it is sticky and lies on the way only. The rule begins
//! where the caller's path does: at `/`, at the current directory, or at the root given by `--root`.
//!
//! What is checked is what is open: whatever is swapped meanwhile, the folder is the one that was found.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, mkdirat};
use nix::unistd::geteuid;

use super::PublishError;
use crate::owner::is_unmapped;
use crate::rooted::{FileType, Root, file_type, open_at};

/// What the walk gives up at, as the kernel's `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;
/// How deep it may lead: each directory on the way is held open.
const MOST_DIRECTORIES: usize = 128;

const STEP: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);
const FOLDER_MODE: Mode = Mode::from_bits_truncate(0o755);

/// Why a way is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Objection {
    #[error("{} belongs to user {owner}, {}", path.display(), neither(*.user))]
    Owner {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error("{} is a link of user {owner}'s, {}", path.display(), neither(*.user))]
    Link {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error("others than root can write to {}", path.display())]
    Writable { path: PathBuf },
    #[error("{} is a link that leads nowhere, make what it leads to", path.display())]
    Nowhere { path: PathBuf },
}

fn neither(user: u32) -> String {
    match user {
        0 => "not to root".to_owned(),
        user => format!("neither to root nor to this user, {user}"),
    }
}

/// Whether what is missing on the way is made, open to all whatever the umask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Report,
}

/// Opens a directory by O_PATH, if the way there is safe from others.
pub(super) fn directory(root: &Root, path: &Path) -> Result<OwnedFd, PublishError> {
    let walk = Walk::begin(root, path, path, Missing::Report)?;
    walk.to(path)
}

/// Opens the folder of `path`, which is to be named in errors as `shown`.
pub(super) fn folder_of(
    root: &Root,
    path: &Path,
    shown: &Path,
    missing: Missing,
) -> Result<OwnedFd, PublishError> {
    let walk = Walk::begin(root, path, shown, missing)?;
    let folder = walk.to(path.parent().unwrap_or(Path::new("")))?;
    // Open for real: a descriptor that was opened by O_PATH cannot be listed or synced.
    open_at(&folder, ".", FOLDER, Mode::empty())
        .map_err(|errno| PublishError::at("open", shown)(errno.into()))
}

/// Where a walk begins, and what stops its `..` and absolute links.
enum Start<'r> {
    /// The system's root directory.
    System(OwnedFd),
    /// The current directory, or one above it (`..`, `../..`). An absolute link leads to the system's root
    /// from here.
    Current(OwnedFd, PathBuf),
    /// The root given by `--root`.
    Root(BorrowedFd<'r>, &'r Path),
}

impl<'r> Start<'r> {
    fn of(root: &'r Root, path: &Path) -> io::Result<Self> {
        Ok(match root.anchor() {
            Some(anchor) => Self::Root(anchor, root.path()),
            None if path.is_absolute() => Self::system()?,
            None => Self::Current(open_at(AT_FDCWD, ".", STEP, Mode::empty())?, PathBuf::new()),
        })
    }

    fn system() -> io::Result<Self> {
        Ok(Self::System(open_at(AT_FDCWD, "/", STEP, Mode::empty())?))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::System(fd) | Self::Current(fd, _) => fd.as_fd(),
            Self::Root(fd, _) => *fd,
        }
    }
}

struct Walk<'r> {
    start: Start<'r>,
    /// Every directory since the start, so that `..` is a step back on this very way.
    way: Vec<(OsString, OwnedFd)>,
    user: u32,
    missing: Missing,
    shown: &'r Path,
}

/// A name that is yet to be gone to, and the link that it comes from.
struct Ahead {
    name: OsString,
    link: Option<PathBuf>,
}

impl<'r> Walk<'r> {
    fn begin(
        root: &'r Root,
        path: &Path,
        shown: &'r Path,
        missing: Missing,
    ) -> Result<Self, PublishError> {
        Ok(Self {
            start: Start::of(root, path).map_err(PublishError::at("open", shown))?,
            way: Vec::new(),
            user: geteuid().as_raw(),
            missing,
            shown,
        })
    }

    fn to(mut self, folder: &Path) -> Result<OwnedFd, PublishError> {
        let mut ahead = names_of(folder, None);
        let mut links = 0;
        self.check_directory(ahead.is_empty())?;
        while let Some(Ahead { name, link }) = ahead.pop() {
            let path = self.path_of(Some(&name));
            let at = || PublishError::at("open", &path);
            if name == ".." {
                self.back().map_err(at())?;
                self.check_directory(ahead.is_empty())?;
                continue;
            }
            let fd = self.step(&name, link)?;
            let stat = fstat(&fd).map_err(io::Error::from).map_err(at())?;
            match file_type(&stat) {
                FileType::Directory if self.way.len() < MOST_DIRECTORIES => {
                    self.way.push((name, fd));
                    self.check_directory(ahead.is_empty())?;
                }
                FileType::Directory => return Err(at()(Errno::ENAMETOOLONG.into())),
                FileType::Link => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(at()(Errno::ELOOP.into()));
                    }
                    self.check_link(&path, &stat)?;
                    let target = readlinkat(&fd, "").map_err(io::Error::from);
                    let target = PathBuf::from(target.map_err(at())?);
                    if target.is_absolute() {
                        self.restart().map_err(at())?;
                    }
                    ahead.extend(names_of(&target, Some(&path)));
                    // Where nothing is ahead any more, this is the folder.
                    self.check_directory(ahead.is_empty())?;
                }
                _ => return Err(at()(Errno::ENOTDIR.into())),
            }
        }
        open_at(self.here(), ".", STEP, Mode::empty())
            .map_err(|errno| PublishError::at("open", &self.path_of(None))(errno.into()))
    }

    /// Opens an entry of where the walk is, whatever it is, and makes it if need be. What a link leads
    /// to is not made: it may be meant for somewhere else.
    fn step(&self, name: &OsStr, link: Option<PathBuf>) -> Result<OwnedFd, PublishError> {
        let at = |action| PublishError::at(action, &self.path_of(Some(name)));
        let open = || open_at(self.here(), name, STEP, Mode::empty()).map_err(io::Error::from);
        match (open(), link) {
            (Err(error), Some(path)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.refuse(Objection::Nowhere { path }));
            }
            (Err(error), None)
                if error.kind() == io::ErrorKind::NotFound && self.missing == Missing::Make => {}
            (opened, _) => return opened.map_err(at("open")),
        }
        match mkdirat(self.here(), name, FOLDER_MODE) {
            Ok(()) => {
                let made = open().map_err(at("open"))?;
                self.open_to_all(&made).map_err(at("create"))?;
                Ok(made)
            }
            // Somebody else has made it meanwhile.
            Err(Errno::EEXIST) => open().map_err(at("open")),
            Err(errno) => Err(at("create")(errno.into())),
        }
    }

    /// What was made has the mode that the umask left it, if it is the one: where others may write, they
    /// may have been quicker.
    fn open_to_all(&self, made: &OwnedFd) -> io::Result<()> {
        let stat = fstat(made)?;
        let is_directory = file_type(&stat) == FileType::Directory;
        if is_directory && stat.st_uid == self.user && stat.st_mode & 0o777 != 0o755 {
            fchmod(
                open_at(made, ".", FOLDER, Mode::empty())?,
                FOLDER_MODE.union(Mode::from_bits_truncate(stat.st_mode & 0o7000)),
            )?;
        }
        Ok(())
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.way
            .last()
            .map_or(self.start.fd(), |(_, fd)| fd.as_fd())
    }

    /// `..`: never above a root.
    fn back(&mut self) -> io::Result<()> {
        if self.way.pop().is_none() {
            if let Start::Current(fd, path) = &self.start {
                let above = open_at(fd, "..", STEP, Mode::empty())?;
                self.start = Start::Current(above, path.join(".."));
            }
        }
        Ok(())
    }

    /// An absolute link.
    fn restart(&mut self) -> io::Result<()> {
        self.way.clear();
        if matches!(self.start, Start::Current(..)) {
            self.start = Start::system()?;
        }
        Ok(())
    }

    /// The path, for people, of where the walk is, or of an entry of it.
    fn path_of(&self, name: Option<&OsStr>) -> PathBuf {
        let mut path = match &self.start {
            Start::System(_) => PathBuf::from("/"),
            Start::Root(_, path) => path.to_path_buf(),
            Start::Current(_, path) => path.clone(),
        };
        path.extend(
            self.way
                .iter()
                .map(|(name, _)| name.as_os_str())
                .chain(name),
        );
        if path.as_os_str().is_empty() {
            path = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        }
        path
    }

    /// Holds where the walk is against the rule.
    fn check_directory(&self, is_last: bool) -> Result<(), PublishError> {
        let path = || self.path_of(None);
        let stat =
            fstat(self.here()).map_err(|errno| PublishError::at("open", &path())(errno.into()))?;
        if !self.trusts(stat.st_uid) {
            return Err(self.refuse(Objection::Owner {
                path: path(),
                owner: stat.st_uid,
                user: self.user,
            }));
        }
        // In a sticky directory others cannot touch root's entries, but make some before root does.
        let is_sticky = stat.st_mode & 0o1000 != 0;
        let is_writable = stat.st_mode & 0o022 != 0;
        if self.user == 0 && is_writable && (is_last || !is_sticky) {
            return Err(self.refuse(Objection::Writable { path: path() }));
        }
        Ok(())
    }

    /// Holds a link in a directory that was checked against the rule.
    fn check_link(&self, path: &Path, stat: &FileStat) -> Result<(), PublishError> {
        if self.trusts(stat.st_uid) {
            return Ok(());
        }
        Err(self.refuse(Objection::Link {
            path: path.to_owned(),
            owner: stat.st_uid,
            user: self.user,
        }))
    }

    /// Who has no number in this namespace is out of its power, as root is.
    fn trusts(&self, owner: u32) -> bool {
        owner == 0 || owner == self.user || is_unmapped(owner)
    }

    fn refuse(&self, objection: Objection) -> PublishError {
        PublishError::refused(self.shown, objection)
    }
}

/// The names of a path, the first one last.
fn names_of(path: &Path, link: Option<&Path>) -> Vec<Ahead> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        _ => None,
    });
    let mut names: Vec<_> = names
        .map(|name| Ahead {
            name: name.to_owned(),
            link: link.map(Path::to_owned),
        })
        .collect();
    names.reverse();
    names
}
