//! A request becomes the bytes of an index: layout, scan, index, in this order.
//!
//! One function, with no printing and no writing in it: what it needs is in the request, what it has
//! to say is in the product. It is what runs where nothing but reading is allowed.

mod message;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::freshness::{Listing, is_missing};
use crate::index::write::{self, EncodedRecord, WriteError};
use crate::index::{Damage, Record};
use crate::layout::{self, Found, LayoutError, SearchDirectory};
use crate::parallel;
use crate::privsep::Sender;
use crate::rooted::Root;
use crate::scan::{self, Purpose, Warning};

pub use message::{MOST_BYTES, Reception};

/// How often whoever waits hears how far the work is.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// Which search directories an index is wanted of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of every interpreter of the system, and those that the configuration adds.
    System {
        /// From the configuration.
        extra: Vec<PathBuf>,
    },
    /// A user's own.
    User {
        /// The home directory.
        home: PathBuf,
        /// `PYTHONUSERBASE`, in place of `~/.local`.
        user_base: Option<PathBuf>,
    },
    /// A virtual environment's own.
    Venv(PathBuf),
    /// These, in `sys.path` order.
    Paths(Vec<PathBuf>),
}

impl Scope {
    /// The directories that somebody has named.
    pub fn named(&self) -> impl Iterator<Item = &Path> {
        let (many, one) = match self {
            Self::System { extra: paths } | Self::Paths(paths) => (paths.as_slice(), None),
            Self::User { home, .. } => (&[][..], Some(home)),
            Self::Venv(dir) => (&[][..], Some(dir)),
        };
        many.iter().chain(one).map(PathBuf::as_path)
    }
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of which directories.
    pub scope: Scope,
    /// For the running system, or for an image.
    pub purpose: Purpose,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Product {
    /// The index.
    pub index: Vec<u8>,
    /// Search directories in it, missing ones included.
    pub directories: usize,
    /// Metadata directories in it.
    pub distributions: usize,
    /// Entry points in it, without those of shadowed twins.
    pub entry_points: usize,
    /// Metadata directories that were read.
    pub scanned: usize,
    /// Metadata directories that were taken from an older index.
    pub reused: usize,
    /// What could not be used, and why.
    pub warnings: Vec<Warning>,
    /// Search directories that could not be read at all: they have no record.
    pub failures: Vec<Warning>,
    /// What was seen and not followed, such as import lines in `.pth` files.
    pub notes: Vec<layout::Note>,
    /// What is on some `sys.path` and has no record, on purpose.
    pub left_out: Vec<(PathBuf, layout::Reason)>,
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The search directories could not be told.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The records do not fit into an index.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Where the work has got to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Search directories in all.
    pub directories: usize,
    /// Metadata directories read so far.
    pub distributions: usize,
}

/// Makes the threads that [`job`] works on: to be called while that is allowed.
pub fn prepare() {
    parallel::prepare();
}

/// Does what is requested below `root`, where nothing but reading is allowed, and sends what comes of it.
pub fn job(root: &Root, request: &Request, sender: &mut Sender<File>) {
    let mut last = Instant::now();
    let outcome = run(root, request, &mut |progress| {
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            let _ = message::send_progress(sender, progress);
        }
    });
    // Where nobody listens any more, there is nobody to tell.
    let _ = message::send_outcome(sender, outcome);
}

/// Does what is requested below `root`. `progress` hears now and then how far it is.
///
/// # Errors
/// [`WorkerError`].
pub fn run(
    root: &Root,
    request: &Request,
    progress: &mut dyn FnMut(Progress),
) -> Result<Product, WorkerError> {
    let found = search_directories(root, &request.scope)?;
    let mut product = Product {
        notes: found.notes,
        left_out: found.left_out,
        ..Product::default()
    };
    let mut state = Progress {
        directories: found.directories.len(),
        distributions: 0,
    };
    let mut records = Vec::with_capacity(found.directories.len());
    for directory in found.directories {
        let before = product.scanned;
        let mut step = |read| {
            state.distributions = before + read;
            progress(state);
        };
        if let Some(record) = product.add(root, directory, request.purpose, &mut step) {
            records.push(record);
        }
    }
    product.index = product.write(&mut records, request.purpose != Purpose::Running)?;
    product.directories = records.len();
    for record in &records {
        product.distributions += record.distribution_count();
        product.entry_points += record.entry_count();
    }
    Ok(product)
}

/// The search directories of a scope.
///
/// # Errors
/// [`LayoutError`], where a virtual environment is none.
pub fn search_directories(root: &Root, scope: &Scope) -> Result<Found, LayoutError> {
    Ok(match scope {
        Scope::System { extra } => layout::system(root, extra),
        Scope::User { home, user_base } => layout::user(root, home, user_base.as_deref()),
        Scope::Venv(dir) => layout::venv(root, dir)?,
        Scope::Paths(paths) => layout::given(root, paths),
    })
}

impl Product {
    /// The bytes of an index of the records. Where they do not fit into one, the largest of them is
    /// left out: nobody's directory costs all the others theirs.
    fn write(
        &mut self,
        records: &mut Vec<EncodedRecord>,
        image: bool,
    ) -> Result<Vec<u8>, WriteError> {
        loop {
            match write::index(records, image) {
                Err(WriteError::TooLarge) if !records.is_empty() => {
                    let sizes = records.iter().map(EncodedRecord::size).enumerate();
                    let largest = sizes.max_by_key(|(_, size)| *size).map_or(0, |(at, _)| at);
                    let record = records.remove(largest);
                    let text = format!(
                        "its entry points would take {} MiB of the index, left out of it",
                        record.size() >> 20
                    );
                    self.failures.push(Warning {
                        path: record.path().to_owned(),
                        text,
                    });
                }
                written => return written,
            }
        }
    }

    fn add(
        &mut self,
        root: &Root,
        SearchDirectory { path, aliases, .. }: SearchDirectory,
        purpose: Purpose,
        progress: &mut dyn FnMut(usize),
    ) -> Option<EncodedRecord> {
        let record = match scan_path(root, &path, purpose, progress) {
            Ok(scanned) => {
                self.scanned += scanned.read;
                self.reused += scanned.reused;
                self.warnings.extend(scanned.warnings);
                scanned.record
            }
            Err(error) if is_missing(&error) => match archive(root, &path) {
                Some(warning) => {
                    self.warnings.push(warning);
                    return None;
                }
                None => scan::missing(&path),
            },
            Err(error) => {
                let text = format!("cannot be read, not in the index: {error}");
                self.failures.push(Warning { path, text });
                return None;
            }
        };
        Some(record.with_aliases(aliases))
    }
}

fn scan_path(
    root: &Root,
    path: &Path,
    purpose: Purpose,
    progress: &mut dyn FnMut(usize),
) -> io::Result<scan::Scanned> {
    let directory = root.open_dir(path)?;
    let listing = Listing::settled(&directory)?;
    let no_old: Option<&Record<'_, Vec<u8>>> = None;
    scan::directory(&directory, listing, no_old, purpose, progress)
        .map_err(|damage: Damage| io::Error::other(damage))
}

/// A file on `sys.path` is an archive; its entry points are read by nobody but Python.
fn archive(root: &Root, path: &Path) -> Option<Warning> {
    root.is_file(path).then(|| Warning {
        path: path.to_owned(),
        text: "an archive, its entry points are not in the index".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::write::{DistributionDraft, EntryArena};
    use crate::index::{Index, Stamp};

    /// A record of so many mebibytes.
    fn record(path: &str, mebibytes: usize) -> EncodedRecord {
        let value = vec![b'x'; 1 << 20];
        let mut arena = EntryArena::default();
        let entry = (b"g".as_slice(), b"n".as_slice(), value.as_slice(), false);
        let entries = arena.add(std::iter::repeat_n(entry, mebibytes));
        let file_name = b"big-1.dist-info".to_vec();
        let draft = DistributionDraft {
            file_name,
            entries,
            ..DistributionDraft::default()
        };
        let stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
        EncodedRecord::new(Path::new(path), 0, stamps, &[draft], &arena)
    }

    #[test]
    fn of_records_that_do_not_fit_together_the_largest_is_left_out_and_named() {
        let mut records = vec![record("/a", 90), record("/large", 100), record("/b", 90)];
        let mut product = Product::default();
        let bytes = product.write(&mut records, false).unwrap();
        let index = Index::open(bytes).unwrap();
        assert!(index.find(b"/a").unwrap().is_some());
        assert!(index.find(b"/large").unwrap().is_none());
        assert!(index.find(b"/b").unwrap().is_some());
        assert_eq!(product.failures.len(), 1);
        assert_eq!(product.failures[0].path, Path::new("/large"));
    }
}
