//! Makes the bytes of an index from a request: layout, scan, index, in this order.
//!
//! The input is a [`Request`], the output is a [`Product`]. This room prints and writes nothing. It
//! runs in a process that can only read.

mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::FileStat;

use crate::consumers::{self, Consumer, Form};
use crate::freshness::{Listing, Names, Recall, is_missing};
use crate::index::format::{RULES, SIZE_LIMIT, SUSPECT_AT};
use crate::index::write::{self, WriteError};
use crate::index::{Damage, EncodedRecord, Index, Record, verify};
use crate::layout::{self, Found, LayoutError, SearchDirectory};
use crate::metadata::text::has_control;
use crate::parallel;
use crate::privsep::Sender;
use crate::rooted::{Audience, Readers, Root};
use crate::scan::budget::Budget;
use crate::scan::{self, Extent, Purpose, Warning};

pub use message::{MOST_BYTES, Reception};

/// How often progress is reported.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

/// The search directories of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of every interpreter of the system, and those in the configuration.
    System {
        /// From the configuration.
        extra: Vec<PathBuf>,
    },
    /// A user's own.
    User {
        /// The home directory.
        home: PathBuf,
        /// `PYTHONUSERBASE`, instead of `~/.local`.
        user_base: Option<PathBuf>,
    },
    /// A virtual environment's own.
    Venv(PathBuf),
    /// These, in `sys.path` order.
    Paths(Vec<PathBuf>),
}

impl Scope {
    /// The purpose of an index of these directories. `image` says that the user wants an image.
    /// `epoch` is `SOURCE_DATE_EPOCH`: it is set when a system is built, and the system's index is
    /// part of the build. A shell may export it for other reasons, so it does not count for a
    /// user's own directories.
    #[must_use]
    pub fn purpose(&self, image: bool, epoch: Option<i64>) -> Purpose {
        let is_system = matches!(self, Self::System { .. });
        if image || (is_system && epoch.is_some()) {
            Purpose::Image { epoch }
        } else {
            Purpose::Running
        }
    }

    /// The directories that the user has named.
    pub fn named(&self) -> impl Iterator<Item = &Path> {
        let (many, one) = match self {
            Self::System { extra: paths } | Self::Paths(paths) => (paths.as_slice(), None),
            Self::User { home, .. } => (&[][..], Some(home)),
            Self::Venv(dir) => (&[][..], Some(dir)),
        };
        many.iter().chain(one).map(PathBuf::as_path)
    }
}

/// Metadata directories by the directory that contains them, as a package manager has named them.
/// No others have changed.
pub type Named = BTreeMap<PathBuf, BTreeSet<Vec<u8>>>;

/// A request for an index.
#[derive(Debug)]
pub struct Request {
    /// The search directories.
    pub scope: Scope,
    /// Paths that a configuration names, and what to say of each one that does not exist.
    pub if_missing: Vec<(PathBuf, Warning)>,
    /// For the running system, or for an image.
    pub purpose: Purpose,
    /// The index to start from, which must not be suspect. `None`: everything is read.
    pub old: Option<File>,
    /// Besides new and removed names, only these have changed since the old index was made. `None`:
    /// any may have changed.
    pub named: Option<Named>,
    /// The consumers that want files beside the index. `None`: leave existing files untouched.
    pub consumers: Option<Vec<Consumer>>,
    /// The users who can reach the index.
    pub readers: Readers,
    /// Whether the index is for all users, even if some of the directories are not. Those are left
    /// to live lookups then. Otherwise it is for its owner only, and complete.
    pub is_shared: bool,
}

impl Request {
    /// A request to read everything.
    #[must_use]
    pub fn full(scope: Scope, purpose: Purpose) -> Self {
        Self {
            scope,
            if_missing: Vec::new(),
            purpose,
            old: None,
            named: None,
            consumers: None,
            readers: Readers::default(),
            is_shared: false,
        }
    }
}

/// The result of a request.
#[derive(Debug, Default)]
pub struct Product {
    /// The index. Empty if it is unchanged.
    pub index: Vec<u8>,
    /// Whether it equals the old one, to the last byte. (The old one may be suspect by now.)
    pub unchanged: bool,
    /// The files for consumers: the consumer's number in the request, the form, the content.
    pub files: Vec<(usize, Form, Vec<u8>)>,
    /// The number of search directories in it, including missing ones.
    pub directories: usize,
    /// The number of metadata directories in it.
    pub distributions: usize,
    /// The number of entry points in it, without those of shadowed twins.
    pub entry_points: usize,
    /// The number of metadata directories that were read.
    pub scanned: usize,
    /// The number of metadata directories that were taken from an older index.
    pub reused: usize,
    /// What is not usable, and why.
    pub warnings: Vec<Warning>,
    /// Search directories that could not be read. They have no record.
    pub failures: Vec<Warning>,
    /// Information about things that were not followed, such as import lines in `.pth` files.
    pub notes: Vec<layout::Note>,
    /// Directories on a `sys.path` that have no record on purpose.
    pub left_out: Vec<(PathBuf, layout::Reason)>,
    /// Whether the index is only for its owner, because other users cannot reach the packages.
    pub private: bool,
    /// How many more warnings, failures, notes and so on are not in these lists.
    pub unsaid: usize,
}

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The search directories could not be determined.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The records do not fit in an index.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A given path is not a search directory.
    #[error("--path {}: {why}", path.display())]
    Path {
        /// The given path.
        path: PathBuf,
        /// What is wrong, and what may have been meant.
        why: String,
    },
    /// The result is not a valid index.
    #[error("the new index: {0}")]
    Damage(#[from] Damage),
}

/// The state of the work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// The number of search directories.
    pub directories: usize,
    /// The number of metadata directories read so far.
    pub distributions: usize,
}

/// Opens the directories that the request names, before this process gives up root's rights.
/// Returns whether a directory that the user has named is closed to some readers of the index.
pub fn enter(root: &Root, request: &Request) -> bool {
    root.open_named(request.scope.named());
    match &request.scope {
        Scope::Paths(paths) => paths.iter().any(|path| is_closed(root, request, path)),
        _ => false,
    }
}

/// Starts the threads of [`job`]. Call this while threads can still be started.
pub fn prepare(root: &Root, request: &Request) {
    let mut named = request.scope.named();
    let is_late = match &request.scope {
        Scope::System { .. } => root.answers_late(Path::new("/usr")),
        _ => named.any(|path| root.answers_late(path)),
    };
    parallel::prepare(is_late);
}

/// Handles a request below `root`, in a process that can only read, and sends the result.
pub fn job(root: &Root, request: &Request, sender: &mut Sender<File>) {
    let mut last = Instant::now();
    let outcome = run(root, request, &mut |progress| {
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            let _ = message::send_progress(sender, progress);
        }
    });
    // Ignores the error: the receiver has gone.
    let _ = message::send_outcome(sender, outcome);
}

/// Handles a request below `root`. `progress` is called from time to time.
///
/// # Errors
/// [`WorkerError`].
pub fn run(
    root: &Root,
    request: &Request,
    progress: &mut dyn FnMut(Progress),
) -> Result<Product, WorkerError> {
    let old = match (&request.old, request.purpose) {
        (Some(file), Purpose::Running) => usable_index(file),
        _ => None,
    };
    let mut found = search_directories(root, &request.scope)?;
    let paths = found
        .directories
        .iter()
        .map(|directory| directory.path.as_path());
    let private = !request.is_shared && paths.clone().any(|path| is_closed(root, request, path));
    // An index for its owner only may contain what other users must not read.
    let was_private = request.old.as_ref().is_some_and(is_private);
    let old = old.filter(|_| private || !was_private);
    let mut product = Product {
        notes: found.notes,
        left_out: found.left_out,
        private,
        ..Product::default()
    };
    let mut state = Progress {
        directories: found.directories.len(),
        distributions: 0,
    };
    let mut records = Vec::with_capacity(found.directories.len());
    let named = request.named.as_ref();
    let work = Work {
        root,
        request,
        private,
        purpose: request.purpose,
        named: named.and_then(|named| located(root, named)),
        old: old.as_ref(),
    };
    let mut shared = BTreeMap::new();
    let mut doubts = Vec::new();
    for directory in found.directories {
        let before = product.scanned;
        let mut step = |read| {
            state.distributions = before + read;
            progress(state);
        };
        let names = found.listed.remove(directory.path.as_os_str());
        let path = directory.path.clone();
        let budget = match directory.origin.pth_site() {
            Some(site) => shared.entry(site.to_owned()).or_default(),
            None => &mut Budget::default(),
        };
        if let Some(record) = product.add(&work, directory, names, budget, &mut step) {
            // A directory in the older index may have become empty.
            let is_given = matches!(request.scope, Scope::Paths(_)) && work.record(&path).is_none();
            if is_given && record.distribution_count() == 0 {
                doubts.extend(layout::doubt(root, &path).map(|why| (path, why)));
            }
            records.push(record);
        }
    }
    // One of several may be empty or missing: interpreters have such directories on sys.path.
    if records
        .iter()
        .all(|record| record.distribution_count() == 0)
    {
        if let Some((path, why)) = doubts.pop() {
            return Err(WorkerError::Path { path, why });
        }
    }
    let doubts = doubts.into_iter();
    let doubts = doubts.map(|(path, text)| Warning { path, text });
    product.warnings.extend(doubts);
    let named = request.if_missing.iter();
    let missing = named.filter(|(path, _)| root.stat(path).is_err_and(|error| is_missing(&error)));
    product
        .warnings
        .extend(missing.map(|(_, text)| text.clone()));
    let image = request.purpose != Purpose::Running;
    // An equal index that other users could read before, or can now, is written again.
    let same = old.as_ref().filter(|_| private == was_private);
    product.write(records, image, same)?;
    if let Some(consumers) = &request.consumers {
        let unchanged = same.filter(|_| product.unchanged);
        let bytes = unchanged.map_or(&product.index, Index::source);
        let index = Index::open(bytes.as_slice())?;
        let made = consumers::files(&index, consumers, message::FILES_LIMIT)?;
        product.files = made.files;
        let left_out = made.left_out.into_iter();
        let left_out = left_out.filter_map(|number| consumers.get(number));
        product.failures.extend(left_out.map(|consumer| Warning {
            path: PathBuf::from(&consumer.name),
            text: "too much for this consumer's files, none is written".into(),
        }));
    }
    if image
        && private == was_private
        && request
            .old
            .as_ref()
            .is_some_and(|old| is_in(old, &product.index))
    {
        product.index = Vec::new();
        product.unchanged = true;
    }
    Ok(product)
}

/// Shared by all directories of a request.
struct Work<'w> {
    root: &'w Root,
    request: &'w Request,
    /// Whether only its owner can read the index.
    private: bool,
    purpose: Purpose,
    /// `None`: anything may have changed.
    named: Option<Located<'w>>,
    old: Option<&'w Index<Vec<u8>>>,
}

/// Device and inode number. They identify a directory with any spelling of its path.
type Inode = (u64, u64);

/// The names in directories.
type Located<'n> = Vec<(Inode, &'n BTreeSet<Vec<u8>>)>;

#[allow(clippy::useless_conversion)] // their types differ between architectures
fn inode(stat: &FileStat) -> Inode {
    (stat.st_dev.into(), stat.st_ino.into())
}

/// The directories in which something was named. `None` if one of them is not known.
fn located<'n>(root: &Root, named: &'n Named) -> Option<Located<'n>> {
    let mut located = Vec::with_capacity(named.len());
    for (directory, names) in named {
        match root.stat(directory) {
            Ok(stat) => located.push((inode(&stat), names)),
            Err(error) if is_missing(&error) => {}
            Err(_) => return None,
        }
    }
    Some(located)
}

/// The older index, if a writer may reuse it: every byte is valid, and it was read by the rules of
/// this program.
fn usable_index(file: &File) -> Option<Index<Vec<u8>>> {
    let size = file.metadata().ok().filter(|it| it.is_file())?.len();
    let size = usize::try_from(size).ok().filter(|_| size <= SIZE_LIMIT)?;
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let index = Index::open(bytes).ok()?;
    let usable = index.rules() == RULES && !index.is_image() && verify(&index).is_ok();
    usable.then_some(index)
}

/// Whether some readers of the index cannot reach a search directory. A missing one hides nothing.
fn is_closed(root: &Root, request: &Request, path: &Path) -> bool {
    match root.stat(path) {
        Err(error) if is_missing(&error) => false,
        _ => {
            let readers = &request.readers;
            !root.is_open_to(readers, path) || !(request.is_shared || root.leads_to(readers, path))
        }
    }
}

/// Whether only its owner may read a file.
fn is_private(file: &File) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.mode() & 0o044 == 0)
}

/// Whether a file has these bytes. The suspect byte may differ.
fn is_in(file: &File, bytes: &[u8]) -> bool {
    let size = file.metadata().map(|metadata| metadata.len());
    if !size.is_ok_and(|size| size == bytes.len() as u64) {
        return false;
    }
    let mut there = vec![0; bytes.len()];
    let is_read = file.read_exact_at(&mut there, 0).is_ok();
    let suspect = usize::try_from(SUSPECT_AT).ok();
    if let Some(suspect) = suspect.and_then(|at| there.get_mut(at)) {
        *suspect = 0;
    }
    is_read && there == bytes
}

/// The search directories of a scope.
///
/// # Errors
/// [`LayoutError`], if a path is not a virtual environment.
pub fn search_directories(root: &Root, scope: &Scope) -> Result<Found, LayoutError> {
    Ok(match scope {
        Scope::System { extra } => layout::system(root, extra),
        Scope::User { home, user_base } => layout::user(root, home, user_base.as_deref()),
        Scope::Venv(dir) => layout::venv(root, dir)?,
        Scope::Paths(paths) => layout::given(root, paths),
    })
}

impl Product {
    /// Makes an index of the records. If they do not fit in one, the largest of them is left out,
    /// so that one directory does not affect the others.
    fn write(
        &mut self,
        mut records: Vec<EncodedRecord>,
        image: bool,
        old: Option<&Index<Vec<u8>>>,
    ) -> Result<(), WriteError> {
        let index = loop {
            let too_large = match write::index(&records, image) {
                Ok(index) => break index,
                Err(too_large) => too_large,
            };
            let sizes = records.iter().map(EncodedRecord::size).enumerate();
            let largest = sizes.max_by_key(|(_, size)| *size).map(|(at, _)| at);
            let record = records.remove(largest.ok_or(too_large)?);
            let text = format!(
                "its entry points would take {} MiB of the index, left out of it",
                record.size() >> 20
            );
            self.failures.push(Warning {
                path: record.path().to_owned(),
                text,
            });
        };
        self.directories = records.len();
        for record in &records {
            self.distributions += record.distribution_count();
            self.entry_points += record.entry_count();
        }
        if old.is_some_and(|old| write::are_same(&index, old.source())) {
            self.unchanged = true;
        } else {
            self.index = index;
        }
        Ok(())
    }

    fn add(
        &mut self,
        work: &Work<'_>,
        SearchDirectory { path, aliases, .. }: SearchDirectory,
        names: Option<Names>,
        budget: &mut Budget,
        progress: &mut dyn FnMut(usize),
    ) -> Option<EncodedRecord> {
        let has_control = |path: &Path| has_control(path.as_os_str().as_bytes());
        let (bad, aliases): (Vec<_>, Vec<_>) =
            aliases.into_iter().partition(|alias| has_control(alias));
        let bad_path = has_control(&path).then(|| path.clone());
        self.failures
            .extend(bad.into_iter().chain(bad_path).map(|path| Warning {
                path,
                text: "a control character in its path, not in the index".into(),
            }));
        if has_control(&path) {
            return None;
        }
        let record = match scan_path(work, &path, names, budget, progress) {
            Ok(scanned) => {
                self.scanned += scanned.read;
                self.reused += scanned.reused;
                self.warnings.extend(scanned.warnings);
                scanned.record
            }
            Err(error) if is_missing(&error) => match archive(work.root, &path) {
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

impl<'w> Work<'w> {
    /// The audience of a search directory.
    fn audience(&self, path: &Path) -> Audience {
        if self.private {
            Audience::Own
        } else if is_closed(self.root, self.request, path) {
            Audience::Outside
        } else {
            Audience::All(self.request.readers.clone())
        }
    }

    /// The older index's record of a search directory with exactly this path, not of an alias.
    fn record(&self, path: &Path) -> Option<Record<'w, Vec<u8>>> {
        let record = self.old?.find(path.as_os_str().as_bytes()).ok()??;
        (!record.is_alias()).then_some(record)
    }
}

fn scan_path(
    work: &Work<'_>,
    path: &Path,
    names: Option<Names>,
    budget: &mut Budget,
    progress: &mut dyn FnMut(usize),
) -> io::Result<scan::Scanned> {
    let audience = work.audience(path);
    let is_outside = matches!(audience, Audience::Outside);
    let directory = work.root.open_dir(path)?.read_for(audience);
    let mut scan_listed = |listing, old: Option<&Record<'_, _>>| {
        scan::directory(
            &directory,
            listing,
            old,
            (work.purpose, Extent::Everything),
            budget,
            progress,
        )
        .map_err(io::Error::other)
    };
    if work.purpose != Purpose::Running {
        // Does not wait for the clock, and leaves no time out because it is young: the index must
        // not depend on the speed of this machine. No reader uses the times alone.
        let listing = Listing::now(&directory)?;
        return scan_listed(listing, None);
    }
    let named = match &work.named {
        None => None,
        Some(located) => {
            let here = inode(&directory.stat()?);
            let here = located.iter().filter(|(inode, _)| *inode == here);
            Some(here.flat_map(|(_, names)| (*names).clone()).collect())
        }
    };
    let old = work.record(path).filter(|_| !is_outside);
    let recall = || match &old {
        Some(record) => Recall::of(record, named.as_ref(), &directory),
        None => Ok(None),
    };
    let listing = Listing::settled_since(&directory, names, &recall)?;
    scan_listed(listing, old.as_ref())
}

/// A file on `sys.path` is an archive. Only Python reads its entry points.
fn archive(root: &Root, path: &Path) -> Option<Warning> {
    root.is_file(path).then(|| Warning {
        path: path.to_owned(),
        text: "an archive, its entry points are not in the index".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Stamp;
    use crate::index::{DistributionDraft, EntryDraft};

    /// A record of so many mebibytes.
    fn record(path: &str, mebibytes: usize) -> EncodedRecord {
        let value = vec![b'x'; 1 << 20];
        let entry = EntryDraft {
            group: b"g",
            name: b"n",
            value: &value,
        };
        let draft = DistributionDraft {
            file_name: b"big-1.dist-info".to_vec(),
            entries: std::iter::repeat_n(entry, mebibytes).collect(),
            ..DistributionDraft::default()
        };
        let stamps = (Stamp::UNKNOWN, Stamp::UNKNOWN);
        EncodedRecord::new(Path::new(path), 0, stamps, &[draft])
    }

    #[test]
    fn of_records_that_do_not_fit_together_the_largest_is_left_out_and_named() {
        let records = vec![record("/a", 90), record("/large", 100), record("/b", 90)];
        let mut product = Product::default();
        product.write(records, false, None).unwrap();
        let index = Index::open(product.index).unwrap();
        assert!(index.find(b"/a").unwrap().is_some());
        assert!(index.find(b"/large").unwrap().is_none());
        assert!(index.find(b"/b").unwrap().is_some());
        assert_eq!(product.failures.len(), 1);
        assert_eq!(product.failures[0].path, Path::new("/large"));
    }
}
