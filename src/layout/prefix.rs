//! The part of getpath: it finds the prefixes of the standard library from an executable.
//!
//! The input is an executable, its version and the directory where the search starts. The output is
//! `prefix`, `exec_prefix` and `platlibdir`. The search is that of CPython's getpath (in C up to
//! 3.10, in Python from 3.11), without environment variables and build trees. Values that are
//! compiled into the executable (`PREFIX`, `PLATLIBDIR`) are not read from it, but derived from the
//! files on disk.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::rooted::Root;

use super::LayoutError;
use super::pathname::{directory_of, joined};

/// The number of links that CPython follows from an executable.
const MAX_LINKS: usize = 40;

/// Where configure's `PREFIX` may be if the search from the executable fails. It fails for
/// `/bin/python3` on a merged `/usr`, because getpath never tries `/` itself.
const BUILT_IN: [&str; 2] = ["/usr", "/usr/local"];

/// The result of the search from an executable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) prefix: PathBuf,
    pub(super) exec_prefix: PathBuf,
    pub(super) platlibdir: &'static str,
}

/// A version as in file names: `3.12`, with a `t` for a free-threaded build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Abi {
    pub(super) version: (u8, u8),
    pub(super) free_threaded: bool,
}

impl Abi {
    pub(super) fn suffix(self) -> &'static str {
        if self.free_threaded { "t" } else { "" }
    }

    /// `python3.13t`, the name of the standard library's directory.
    pub(super) fn directory(self) -> String {
        format!(
            "python{}.{}{}",
            self.version.0,
            self.version.1,
            self.suffix()
        )
    }

    /// `python313t.zip`.
    pub(super) fn zip(self) -> String {
        format!(
            "python{}{}{}.zip",
            self.version.0,
            self.version.1,
            self.suffix()
        )
    }

    /// The version in the name of an executable or a directory: `python3.13td`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        let text = name.strip_prefix("python")?;
        Self::parse(text.strip_suffix("-dbg").unwrap_or(text))
    }

    /// `3.12`, `3.13t`, `3.7m`. The letters are build flags. Only `t` moves the library.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let flags = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if !flags
            .chars()
            .all(|flag| matches!(flag, 't' | 'd' | 'm' | 'u'))
        {
            return None;
        }
        let (major, minor) = text.strip_suffix(flags)?.split_once('.')?;
        let version = (major.parse().ok()?, minor.parse().ok()?);
        (version.0 == 3).then_some(Self {
            version,
            free_threaded: flags.contains('t'),
        })
    }
}

/// Follows the links of an executable's last component, as getpath does: `/bin/python3` becomes
/// `/bin/python3.11`, even if `/bin` is a link. Returns all paths on the way, the given one first.
pub(super) fn link_chain(root: &Root, executable: &Path) -> Vec<PathBuf> {
    let mut chain = vec![executable.to_owned()];
    let mut path = executable.to_owned();
    while chain.len() <= MAX_LINKS {
        let Ok(target) = root.read_link(&path) else {
            break;
        };
        path = joined(&directory_of(&path), target);
        chain.push(path.clone());
    }
    chain
}

/// Whether the executable is a 64-bit program. An error if it is not a program.
pub(super) fn is_64_bit(root: &Root, executable: &Path) -> Result<bool, LayoutError> {
    let failed = |source| LayoutError::Io {
        path: executable.to_owned(),
        source,
    };
    let (mut file, _) = root.open_file(executable).map_err(failed)?;
    let mut magic = [0; 5];
    match file.read_exact(&mut magic) {
        Ok(()) if magic.starts_with(b"\x7fELF") => Ok(magic.ends_with(&[2])),
        _ => Err(LayoutError::NotAnInterpreter(executable.to_owned())),
    }
}

/// Searches upwards from `start` (the executable's directory, or `home` in pyvenv.cfg), then where
/// the compiled-in prefix may be: above the places where the program may have been installed, or at
/// the usual prefixes.
///
/// A free-threaded build is installed as `python3.13t` and also as `python3.13`. So if a place has
/// no library for the name, the other name is tried.
pub(super) fn search(
    root: &Root,
    start: &Path,
    installed_at: &[PathBuf],
    abi: Abi,
    wide: bool,
) -> Option<(Abi, Prefixes)> {
    let other = Abi {
        free_threaded: !abi.free_threaded,
        ..abi
    };
    let first = |mut places: Box<dyn Iterator<Item = PathBuf> + '_>, libdir: LibdirOf| {
        places.find_map(|place| {
            [abi, other].into_iter().find_map(|abi| {
                let libdir = libdir(root, &place, abi, wide)?;
                Some((abi, place.clone(), libdir))
            })
        })
    };
    // From 3.11 on, the archive of the library is searched before the library itself.
    let by_archive = (abi.version >= (3, 11))
        .then(|| first(Box::new(upwards(start)), archive_libdir))
        .flatten();
    let (abi, prefix, platlibdir) = by_archive.or_else(|| {
        let places = upwards(start)
            .chain(installed_at.iter().flat_map(|place| upwards(place)))
            .chain(BUILT_IN.iter().map(PathBuf::from));
        first(Box::new(places), platlibdir)
    })?;
    // From 3.14 on, the prefix itself is tried first.
    let nearest = (abi.version >= (3, 14)).then(|| prefix.clone());
    let exec_prefix = nearest
        .into_iter()
        .chain(upwards(start))
        .find(|place| root.is_dir(&dynload(place, platlibdir, abi)))
        .unwrap_or_else(|| prefix.clone());
    let found = Prefixes {
        prefix,
        exec_prefix,
        platlibdir,
    };
    Some((abi, found))
}

/// Which of `lib64` and `lib` below a prefix contains a file that marks the standard library.
type LibdirOf = fn(&Root, &Path, Abi, bool) -> Option<&'static str>;

fn archive_libdir(root: &Root, prefix: &Path, abi: Abi, _wide: bool) -> Option<&'static str> {
    ["lib64", "lib"]
        .into_iter()
        .find(|libdir| root.is_file(&joined(&joined(prefix, libdir), abi.zip())))
}

/// The directories from `start` upwards, without `/`.
fn upwards(start: &Path) -> impl Iterator<Item = PathBuf> {
    let mut next = start.to_owned();
    std::iter::from_fn(move || {
        let place = std::mem::take(&mut next);
        if place.as_os_str().is_empty() {
            return None;
        }
        next = directory_of(&place);
        Some(place)
    })
}

pub(super) fn stdlib(prefix: &Path, platlibdir: &str, abi: Abi) -> PathBuf {
    joined(&joined(prefix, platlibdir), abi.directory())
}

pub(super) fn dynload(exec_prefix: &Path, platlibdir: &str, abi: Abi) -> PathBuf {
    joined(&stdlib(exec_prefix, platlibdir, abi), "lib-dynload")
}

/// Which of `lib64` and `lib` below a prefix contains the standard library, if any. If both lead to
/// the same directory (Arch's `/usr/lib64`), it is `lib`. If both contain one (multilib), it
/// depends on whether the program has 64 bits.
pub(super) fn platlibdir(root: &Root, prefix: &Path, abi: Abi, wide: bool) -> Option<&'static str> {
    let has = |libdir| {
        let stdlib = stdlib(prefix, libdir, abi);
        let found = ["os.py", "os.pyc"]
            .iter()
            .any(|landmark| root.is_file(&joined(&stdlib, landmark)));
        found.then(|| root.real_path(&stdlib).ok())
    };
    match (has("lib64"), has("lib")) {
        (Some(_), None) => Some("lib64"),
        (None, Some(_)) => Some("lib"),
        (Some(in_lib64), Some(in_lib)) if wide && in_lib64 != in_lib => Some("lib64"),
        (Some(_), Some(_)) => Some("lib"),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        let abi = |version, free_threaded| {
            Some(Abi {
                version,
                free_threaded,
            })
        };
        assert_eq!(Abi::of_name("python3.12"), abi((3, 12), false));
        assert_eq!(Abi::of_name("python3.13t"), abi((3, 13), true));
        assert_eq!(Abi::of_name("python3.13td"), abi((3, 13), true));
        assert_eq!(Abi::of_name("python3.7m"), abi((3, 7), false));
        assert_eq!(Abi::of_name("python3.14-dbg"), abi((3, 14), false));
        for name in [
            "python3",
            "python",
            "python3.11-config",
            "python2.7",
            "pypy3.10",
            "python3.",
        ] {
            assert_eq!(Abi::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_search_goes_up_and_never_reaches_the_root() {
        let places: Vec<_> = upwards(Path::new("/a/b")).collect();
        assert_eq!(places, [Path::new("/a/b"), Path::new("/a")]);
    }
}
