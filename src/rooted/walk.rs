//! The one walk along a path: component after component, each by descriptor.
//!
//! In come an open directory and a path; out comes where the path leads, with the descriptor of every
//! directory on the way, so that `..` is a step back on this very way and never a question to the file
//! system. Whether a link counts, and what becomes of a component that is missing, is for the [`Guide`]
//! to say. An absolute link leads to the directory where the walk began.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat};

use super::{FileType, file_type, open_at};

/// What a walk gives up at, as the kernel's `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// How deep a path may lead. A walk holds a descriptor for each directory on its way, and several go
/// on at once: one bad link must not use up all that the process may have.
pub(super) const MOST_DIRECTORIES: usize = 128;

/// Flags for a step: the component itself, whatever it is.
pub(crate) const STEP: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What decides on a walk.
pub(crate) trait Guide {
    /// Why a walk ends before its end.
    type Error;

    /// The error for a component that cannot be opened.
    fn failed(&self, path: PathBuf, error: io::Error) -> Self::Error;

    /// Whether the link `name`, in the directory where the walk is, may be followed.
    fn follow(&self, here: &Walked<'_>, name: &OsStr, link: &FileStat) -> Result<(), Self::Error>;

    /// What to go on with where there is no `name`. `link` is the link that the name comes from, if
    /// it comes from one.
    fn missing(
        &self,
        here: &Walked<'_>,
        name: &OsStr,
        _link: Option<&Path>,
    ) -> Result<OwnedFd, Self::Error> {
        Err(self.failed(here.path_of(name), Errno::ENOENT.into()))
    }
}

/// Where a walk has got to.
pub(crate) struct Walked<'a> {
    anchor: BorrowedFd<'a>,
    way: Vec<(OsString, OwnedFd)>,
    /// Whether the anchor was all that kept the walk from going elsewhere.
    pub(super) has_left: bool,
}

impl Walked<'_> {
    /// What the walk has reached.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.way.last().map_or(self.anchor, |(_, fd)| fd.as_fd())
    }

    /// Every directory from the anchor to here.
    pub(crate) fn directories(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let way = self.way.iter().map(|(_, fd)| fd.as_fd());
        std::iter::once(self.anchor).chain(way)
    }

    /// The names of the directories below the anchor.
    pub(crate) fn names(&self) -> impl Iterator<Item = &OsString> {
        self.way.iter().map(|(name, _)| name)
    }

    /// The path without links, from the anchor as `/`.
    pub(crate) fn path(&self) -> PathBuf {
        let mut path = PathBuf::from("/");
        path.extend(self.names());
        path
    }

    /// The path of an entry of where the walk is.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    /// Opens for real what the walk found. A link that has taken its place meanwhile is refused.
    pub(super) fn open(mut self, flags: OFlag) -> io::Result<OwnedFd> {
        let last = self.way.pop();
        let name = last.as_ref().map_or(OsStr::new("."), |(name, _)| name);
        let flags = flags | OFlag::O_NOFOLLOW;
        Ok(open_at(self.fd(), name, flags, Mode::empty())?)
    }
}

/// A component that is yet to be gone to, and the link that it comes from.
struct Ahead {
    name: OsString,
    link: Option<PathBuf>,
}

/// Walks along a path from `anchor`.
///
/// # Errors
/// What the guide makes of a failure: those of `open(2)`, ELOOP after 40 links, ENAMETOOLONG where it
/// is too deep.
pub(crate) fn walk<'a, G: Guide>(
    anchor: BorrowedFd<'a>,
    path: &Path,
    guide: &G,
) -> Result<Walked<'a>, G::Error> {
    let mut walked = Walked {
        anchor,
        way: Vec::new(),
        has_left: false,
    };
    let mut ahead = reversed_components(path, None);
    let mut links = 0;
    while let Some(Ahead { name, link }) = ahead.pop() {
        if name == ".." {
            walked.has_left |= walked.way.pop().is_none();
            continue;
        }
        let failed = |error: io::Error| guide.failed(walked.path_of(&name), error);
        let fd = match open_at(walked.fd(), name.as_os_str(), STEP, Mode::empty()) {
            Err(Errno::ENOENT) => guide.missing(&walked, &name, link.as_deref())?,
            opened => opened.map_err(|errno| failed(errno.into()))?,
        };
        if name == "." {
            continue;
        }
        let stat = fstat(fd.as_fd()).map_err(|errno| failed(errno.into()))?;
        if file_type(&stat) != FileType::Link {
            if walked.way.len() == MOST_DIRECTORIES {
                return Err(failed(Errno::ENAMETOOLONG.into()));
            }
            walked.way.push((name, fd));
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(failed(Errno::ELOOP.into()));
        }
        guide.follow(&walked, &name, &stat)?;
        let target = readlinkat(fd.as_fd(), "").map_err(|errno| failed(errno.into()))?;
        let target = PathBuf::from(target);
        let link = walked.path_of(&name);
        if target.is_absolute() {
            walked.way.clear();
            walked.has_left = true;
        }
        ahead.extend(reversed_components(&target, Some(&link)));
    }
    Ok(walked)
}

/// The components of a path, the first one last.
fn reversed_components(path: &Path, link: Option<&Path>) -> Vec<Ahead> {
    let mut names: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect();
    // `x/` and `x/.` ask for a directory; Path drops both, so say it again in a way that fails the
    // same on a file: opening a component below it.
    if path.as_os_str().as_bytes().ends_with(b"/") && !names.is_empty() {
        names.push(OsString::from("."));
    }
    let link = |name| Ahead {
        name,
        link: link.map(Path::to_owned),
    };
    names.into_iter().rev().map(link).collect()
}

/// Follows every link, for reading below a root: what lies there cannot lead out of it.
pub(super) struct WithinRoot;

impl Guide for WithinRoot {
    type Error = io::Error;

    fn failed(&self, _: PathBuf, error: io::Error) -> io::Error {
        error
    }

    fn follow(&self, _: &Walked<'_>, _: &OsStr, _: &FileStat) -> io::Result<()> {
        Ok(())
    }
}
