//! The steps that all refreshes share: scan, verify, publish. Also the places of the system index.
//!
//! The input is a request and a place. The output is a published index and a summary.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::fstat;

use super::{CommandError, configuration, failed, plural};
use crate::consumers::{self, Consumer, Form};
use crate::index::format::SUSPECT_AT;
use crate::index::{self, Index};
use crate::lookup::SYSTEM_INDEXES;
use crate::privsep::{self, Bounds, Job, Sandbox, Sender, Terms};
use crate::publish::{Destination, FOR_ALL, FOR_OWNER, Folder, Outcome, Place, PublishError};
use crate::rooted::{Readers, Root};
use crate::scan::Warning;
use crate::worker::{self, Product, Progress, Reception, Request};

/// The work in a process that can only read: [`worker::job`].
pub type Work = fn(&Root, &Request, &mut Sender<File>);

/// How long to wait for a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// While it sends nothing.
    pub(super) silence: Duration,
    /// In total.
    pub(super) time: Duration,
}

/// The result of a renewal.
#[derive(Debug)]
pub(super) struct Renewed {
    pub(super) product: Product,
    /// `None` if there was no place to publish at.
    pub(super) outcome: Option<Outcome>,
    pub(super) sandbox: Sandbox,
    /// The size of the index in bytes.
    pub(super) size: u64,
}

/// Handles the request below `root` in a process that can only read, and publishes the result at
/// `place`, if there is one.
pub(super) fn renew(
    root: &Root,
    request: &Request,
    place: Option<&Place>,
    patience: Patience,
    work: Work,
    progress: &mut dyn FnMut(Progress),
) -> Result<Renewed, CommandError> {
    // From the running system, whatever root the packages are below: the maker of an image does not
    // decide how it is read.
    let policy = configuration(&Root::system()).policy;
    let later = match place {
        Some(place) if request.consumers.is_some() => later_places(root, place),
        _ => Vec::new(),
    };
    let writable: Vec<_> = place
        .map(Place::folder)
        .into_iter()
        .chain(&later)
        .map(Folder::directory)
        .collect();
    let old = request.old.as_ref().map(AsFd::as_fd);
    let kept: Vec<_> = root.descriptor().into_iter().chain(old).collect();
    let terms = Terms {
        policy: &policy,
        bounds: Bounds {
            silence: patience.silence,
            time: patience.time,
            size: worker::MOST_BYTES,
        },
        kept: &kept,
        writable: &writable,
    };
    let job = Job {
        enter: Box::new(|| worker::enter(root, request)),
        prepare: Box::new(|| worker::prepare(root, request)),
        work: Box::new(|sender| work(root, request, sender)),
    };
    let mut reception = Reception::default();
    let received = privsep::run(terms, job, &mut |frame| reception.take(frame, progress));
    let (sandbox, _ending) = received.map_err(failed)?;
    let mut product = reception.outcome().map_err(failed)?;
    let outcome = if product.unchanged {
        // Without an old index, nothing can be unchanged.
        if request.old.is_none() {
            return Err(failed("the worker returned no index"));
        }
        place.map(|_| Outcome::Unchanged)
    } else {
        verify(&product.index)?;
        // The worker reports what other users can reach. If it lies, its owner's own index is more
        // or less open than its packages, but not than the folders that root has led it through.
        // The system's index is for all users.
        let is_private = product.private || sandbox.said_on_entry;
        let mode = match is_private && !request.is_shared {
            true => FOR_OWNER,
            false => FOR_ALL,
        };
        let outcome = place.map(|place| place.publish(&product.index, mode));
        outcome.transpose().map_err(|error| unwritten(&error))?
    };
    // After the index: a consumer that hears of a change reads it.
    if let (Some(place), Some(consumers)) = (place, &request.consumers) {
        let failures = tell(place, consumers, &product.files);
        product.failures.extend(failures);
        later.iter().for_each(forget);
    }
    let size = match (&request.old, product.unchanged) {
        (Some(old), true) => old.metadata().map_or(0, |metadata| metadata.len()),
        _ => product.index.len() as u64,
    };
    Ok(Renewed {
        size,
        product,
        outcome,
        sandbox,
    })
}

/// An index that cannot be written, and what can be done about it.
pub(super) fn unwritten(error: &PublishError) -> CommandError {
    let next = if error.is_forbidden() || error.is_read_only() {
        "; --output FILE writes it elsewhere, and EPCACHE_INDEX=FILE lets lookups find it there"
    } else if error.is_full() {
        "; the old index stays in place: make room, or write elsewhere with --output FILE"
    } else {
        ""
    };
    failed(format!("{error}{next}"))
}

/// Writes the files for consumers beside the index, and removes all others: either no consumer
/// wants them any more, or they could not be made, and no view is better than a wrong one. If one
/// cannot be written, the others still are.
fn tell(place: &Place, consumers: &[Consumer], files: &[(usize, Form, Vec<u8>)]) -> Vec<Warning> {
    let mut failures = Vec::new();
    for folder in [consumers::VIEWS, consumers::STAMPS] {
        let wanted: Vec<_> = files
            .iter()
            .filter(|(_, form, _)| form.folder() == folder)
            .filter_map(|(number, form, content)| {
                let consumer = consumers.get(*number)?;
                let asked = consumer.forms.contains(form);
                asked.then(|| (form.file_name(&consumer.name), content.as_slice()))
            })
            .collect();
        if let Err(error) = place.folder().keep_beside(folder, &wanted) {
            failures.push(Warning {
                path: place.path().with_file_name(folder),
                text: error.to_string(),
            });
        }
    }
    failures
}

/// The places for the system index after this one. Files for consumers there are from a time when
/// this one could not be written.
fn later_places(root: &Root, place: &Place) -> Vec<Folder> {
    system_places()
        .iter()
        .skip_while(|destination| destination.shown(root) != place.path())
        .skip(1)
        .filter_map(|destination| Folder::of(root, destination).ok())
        .collect()
}

/// Removes the files for consumers. So if there are two views, the one at the later place is right.
fn forget(folder: &Folder) {
    for name in [consumers::VIEWS, consumers::STAMPS] {
        if let Err(error) = folder.keep_beside(name, &[]) {
            log::debug!("{error}");
        }
    }
}

/// The consumers of the system index below `root`. Mistakes in registrations are not a failure:
/// `status` reports them.
pub(super) fn registered(root: &Root) -> Vec<Consumer> {
    let (consumers, remarks) = consumers::read(root);
    for remark in remarks {
        log::info!("{remark}");
    }
    consumers
}

/// The index at a place, to start the next one from: only if no other user could have written it,
/// if its mode is right, and if it is not suspect.
pub(super) fn old_index(place: &Place) -> Option<File> {
    let file = place.published()?;
    let mut suspect = [1];
    file.read_exact_at(&mut suspect, SUSPECT_AT).ok()?;
    let mode = file.metadata().ok()?.mode() & 0o7777;
    (suspect == [0] && [FOR_ALL, FOR_OWNER].contains(&mode)).then_some(file)
}

/// The users who can reach the index at a place.
pub(super) fn readers(place: &Place) -> Readers {
    let folder = || -> Option<PathBuf> {
        let path = place.path().parent().filter(|path| *path != Path::new(""));
        let real = fs::canonicalize(path.unwrap_or(Path::new("."))).ok()?;
        // The path may lead elsewhere since the folder was opened.
        let (there, here) = (
            fs::metadata(&real).ok()?,
            fstat(place.folder().directory()).ok()?,
        );
        #[allow(clippy::useless_conversion)] // their types differ between architectures
        let is_same =
            there.dev() == u64::from(here.st_dev) && there.ino() == u64::from(here.st_ino);
        is_same.then_some(real)
    };
    Readers { folder: folder() }
}

/// Refuses to publish an index that a reader would refuse.
fn verify(bytes: &[u8]) -> Result<(), CommandError> {
    Index::open(bytes)
        .and_then(|index| index::verify(&index))
        .map_err(|damage| {
            failed(format!(
                "the new index is invalid and is not published: {damage}"
            ))
        })
}

/// The parts of the request that failed although an index was published, in one line.
pub(super) fn incomplete(product: &Product) -> Option<String> {
    let first = product.failures.first()?;
    let others = match product.failures.len() - 1 {
        0 => String::new(),
        count => format!(
            " (and {} more)",
            plural(count, "search directory", "search directories")
        ),
    };
    Some(format!("{first}{others}"))
}

/// The places for the system index in order of preference. Root does not follow a link in place of
/// the folder itself.
pub(super) fn system_places() -> Vec<Destination> {
    let destination = |path: &str| {
        let path = Path::new(path);
        let named = path.ancestors().nth(2).unwrap_or(path);
        let below = path.strip_prefix(named).unwrap_or(path);
        Destination::new(named, below)
    };
    SYSTEM_INDEXES.map(destination).to_vec()
}
