//! The one walk along a path: component by component, each by descriptor.
//!
//! The input is an open directory and a path. The output is the place where the path leads,
//! together with the descriptor of every directory on the way. So `..` goes back along this way,
//! and asks the file system nothing. The [`Guide`] decides whether a link is followed and what
//! happens to a missing component. An absolute link leads to the directory where the walk began.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat};

use super::{FileType, file_type, open_at};

/// The number of links at which a walk gives up, as the kernel's `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// How deep a path may lead. A walk holds a descriptor for each directory on its way, and several
/// walks run at the same time. So one bad link must not use up the descriptors of the process.
pub(super) const MOST_DIRECTORIES: usize = 128;

/// Flags for a step: they open the component itself, of any kind.
pub(crate) const STEP: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Makes the decisions on a walk.
pub(crate) trait Guide {
    /// Why a walk stops early.
    type Error;

    /// The error for a component that cannot be opened.
    fn failed(&self, path: PathBuf, error: io::Error) -> Self::Error;

    /// Whether the walk may follow the link `name` in the directory that it has reached.
    fn follow(&self, here: &Walked<'_>, name: &OsStr, link: &FileStat) -> Result<(), Self::Error>;

    /// What to continue with if `name` does not exist. `link` is the link that the name comes from,
    /// if it comes from one.
    fn missing(
        &self,
        here: &Walked<'_>,
        name: &OsStr,
        _link: Option<&Path>,
    ) -> Result<OwnedFd, Self::Error> {
        Err(self.failed(here.path_of(name), Errno::ENOENT.into()))
    }
}

/// The place that a walk has reached.
pub(crate) struct Walked<'a> {
    anchor: BorrowedFd<'a>,
    way: Vec<(OsString, OwnedFd)>,
    /// Whether the walk tried to leave the anchor: by `..` above it, or by an absolute link.
    pub(super) has_left: bool,
}

impl Walked<'_> {
    /// The descriptor of the place that the walk has reached.
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

    /// The path without links, with the anchor as `/`.
    pub(crate) fn path(&self) -> PathBuf {
        let mut path = PathBuf::from("/");
        path.extend(self.names());
        path
    }

    /// The path of an entry of the directory that the walk has reached.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path().join(name)
    }

    /// Opens what the walk found, for use. Fails if a link has taken its place meanwhile.
    pub(super) fn open(mut self, flags: OFlag) -> io::Result<OwnedFd> {
        let last = self.way.pop();
        let name = last.as_ref().map_or(OsStr::new("."), |(name, _)| name);
        let flags = flags | OFlag::O_NOFOLLOW;
        Ok(open_at(self.fd(), name, flags, Mode::empty())?)
    }
}

/// A component that the walk has not reached yet, and the link that it comes from.
struct Ahead {
    name: OsString,
    link: Option<PathBuf>,
}

/// Walks along a path from `anchor`.
///
/// # Errors
/// What the guide returns for a failure: those of `open(2)`, ELOOP after 40 links, ENAMETOOLONG if
/// the path is too deep.
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

/// The components of a path in reverse order.
fn reversed_components(path: &Path, link: Option<&Path>) -> Vec<Ahead> {
    let mut names: Vec<OsString> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            _ => None,
        })
        .collect();
    // `x/` and `x/.` ask for a directory, but `Path` drops both endings. A last component `.` makes
    // the walk fail on a file in the same way.
    if path.as_os_str().as_bytes().ends_with(b"/") && !names.is_empty() {
        names.push(OsString::from("."));
    }
    let link = |name| Ahead {
        name,
        link: link.map(Path::to_owned),
    };
    names.into_iter().rev().map(link).collect()
}

/// Follows every link. For reading below a root, where a link cannot lead out.
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
