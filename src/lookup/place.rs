//! Where indexes are, and which of them are trusted.
//!
//! The input is a root, the user's environment and a path. The output is an open index, or the
//! reason why it is not used. A reader trusts an index of a directory only if its writer could also
//! change what runs from that directory: the owner is root, the reader, or the directory's owner,
//! and no other user can write to the file or its folder. An index that is not trusted is treated
//! as missing. A user who can rename a folder further up can only put another index there that
//! fulfils these conditions.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::AnySource;
use crate::config::Config;
use crate::environment::Environment;
use crate::freshness::Circumstances;
use crate::index::{Damage, Index, Record};
use crate::owner::may_be_unmapped;
use crate::rooted::{Directory, Root, read_only_device};

/// The system's own indexes, in the order in which they are searched.
pub const SYSTEM_INDEXES: [&str; 2] = ["/usr/lib/epcache/index", "/var/cache/epcache/index"];

/// Why a place is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// Named on the command line.
    Given,
    /// In `$EPCACHE_INDEX`.
    Environment,
    /// The virtual environment's.
    Venv,
    /// The user's.
    User,
    /// In the configuration.
    Configured,
    /// The system's.
    System,
}

impl PlaceKind {
    /// The word for it in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Environment => "environment",
            Self::Venv => "venv",
            Self::User => "user",
            Self::Configured => "configured",
            Self::System => "system",
        }
    }
}

/// The places where an index may be, in the order in which they are searched. Below a root of its
/// own only those of that root.
#[must_use]
pub fn places(
    root: &Root,
    environment: &Environment,
    venv: Option<&Path>,
    config: &Config,
) -> Vec<(PlaceKind, PathBuf)> {
    let mut places = Vec::new();
    if root.is_system() {
        places.extend(
            environment
                .indexes
                .iter()
                .cloned()
                .map(|at| (PlaceKind::Environment, at)),
        );
    }
    places.extend(venv.map(|venv| (PlaceKind::Venv, venv.join(".epcache/index"))));
    if root.is_system() {
        places.extend(environment.user_index().map(|at| (PlaceKind::User, at)));
    }
    let configured = config.indexes.iter().cloned();
    places.extend(configured.map(|at| (PlaceKind::Configured, at)));
    places.extend(SYSTEM_INDEXES.map(|at| (PlaceKind::System, PathBuf::from(at))));
    places
}

/// Why an index is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It does not exist.
    #[error("missing")]
    Missing,
    /// It cannot be opened.
    #[error("cannot be opened: {0}")]
    Io(io::Error),
    /// Users other than its owner could have written it.
    #[error("not trusted: {0}")]
    Untrusted(String),
    /// It is damaged, or not an index.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// An index, and its folder.
struct IndexFile<'r> {
    path: PathBuf,
    folder: Directory<'r>,
    file: File,
    stat: FileStat,
}

/// Finds an index. It is opened in its folder. So if a folder is replaced meanwhile, the one that
/// is checked is still that of the index.
fn find<'r>(root: &'r Root, path: &Path) -> io::Result<IndexFile<'r>> {
    let open = |path: PathBuf| -> io::Result<_> {
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let folder = root.hold(parent.unwrap_or(Path::new(".")))?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let (file, stat) = folder.open_own_file(name)?;
        Ok(IndexFile {
            path,
            folder,
            file,
            stat,
        })
    };
    match open(path.to_owned()) {
        // A link may lead to it.
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            open(root.real_path(path)?)
        }
        found => found,
    }
}

/// An open index. It is trusted for directories that its owner may describe.
pub struct OpenIndex {
    path: PathBuf,
    kind: PlaceKind,
    index: Index<AnySource>,
    owner: u32,
    modified: i64,
    circumstances: Circumstances,
}

impl OpenIndex {
    /// Opens the index at a path below `root`.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn open(root: &Root, path: &Path, kind: PlaceKind) -> Result<Self, Unusable> {
        let missing_or = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unusable::Missing,
            // It is readable only by its owner, as the packages in it are.
            io::ErrorKind::PermissionDenied => Unusable::Missing,
            _ => Unusable::Io(error),
        };
        let IndexFile {
            path: real,
            folder,
            file,
            stat,
        } = find(root, path).map_err(missing_or)?;
        let folder_stat = folder.stat().map_err(missing_or)?;
        // The owner is not known.
        if may_be_unmapped(stat.st_uid) {
            return Err(Unusable::Missing);
        }
        let folder = folder.path();
        let named = |path: &Path| root.real_path(path).unwrap_or_else(|_| path.to_owned());
        for (what, stat) in [(real.as_path(), &stat), (folder, &folder_stat)] {
            if stat.st_mode & 0o022 != 0 {
                let text = format!("others can write {}", named(what).display());
                return Err(Unusable::Untrusted(text));
            }
        }
        if folder_stat.st_uid != stat.st_uid && folder_stat.st_uid != 0 {
            let text = format!("{} belongs to somebody else", named(folder).display());
            return Err(Unusable::Untrusted(text));
        }
        Self::of_file(path, kind, file, &stat)
    }

    fn of_file(
        path: &Path,
        kind: PlaceKind,
        file: File,
        stat: &FileStat,
    ) -> Result<Self, Unusable> {
        let read_only_device = read_only_device(&file).map_err(Unusable::Io)?;
        let index = Index::open(Box::new(file) as AnySource)?;
        let circumstances = Circumstances {
            suspect: index.is_suspect(),
            read_only_device,
        };
        #[allow(clippy::useless_conversion)] // its type differs between architectures
        let modified = stat.st_mtime.into();
        let path = path.to_owned();
        Ok(Self {
            path,
            kind,
            index,
            owner: stat.st_uid,
            modified,
            circumstances,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it is searched.
    #[must_use]
    pub fn kind(&self) -> PlaceKind {
        self.kind
    }

    /// Its content.
    #[must_use]
    pub fn index(&self) -> &Index<AnySource> {
        &self.index
    }

    /// When it was published, in seconds since 1970.
    #[must_use]
    pub fn modified(&self) -> i64 {
        self.modified
    }

    /// The conditions on which the freshness of its records also depends.
    #[must_use]
    pub fn circumstances(&self) -> Circumstances {
        self.circumstances
    }

    /// Whether its owner may describe a search directory: only a user who already decides what runs
    /// from there.
    #[must_use]
    pub fn may_speak_of(&self, root: &Root, path: &Path) -> bool {
        let owner_of = |path: &Path| root.stat(path).ok().map(|stat| stat.st_uid);
        self.owner == 0
            || self.owner == nix::unistd::geteuid().as_raw()
            || owner_of(path) == Some(self.owner)
    }

    /// Its record of a search directory, if it has one and its owner may describe that directory.
    ///
    /// # Errors
    /// [`Damage`] in what the lookup read.
    pub fn find(&self, root: &Root, path: &Path) -> Result<Option<Record<'_, AnySource>>, Damage> {
        let record = self.index.find(path.as_os_str().as_bytes())?;
        Ok(record.filter(|_| self.may_speak_of(root, path)))
    }
}
