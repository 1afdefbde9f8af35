//! What all refreshes have in common, whoever asks for them: scan, verify, publish; and where the
//! system index goes.

use std::path::{Path, PathBuf};

use super::{CommandError, failed, plural};
use crate::index::{self, Index};
use crate::lookup::SYSTEM_INDEXES;
use crate::publish::{Outcome, Place};
use crate::rooted::Root;
use crate::worker::{self, Product, Progress, Request};

/// Does what is requested below `root`, and publishes it at `place`, if there is one.
pub(super) fn renew(
    root: &Root,
    request: &Request,
    place: Option<&Place>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Product, Option<Outcome>), CommandError> {
    let product = worker::run(root, request, progress).map_err(failed)?;
    verify(&product.index)?;
    let outcome = place.map(|place| place.publish(&product.index));
    Ok((product, outcome.transpose().map_err(failed)?))
}

/// Nothing is published that a reader would refuse.
fn verify(bytes: &[u8]) -> Result<(), CommandError> {
    Index::open(bytes.to_vec())
        .and_then(|index| index::verify(&index))
        .map_err(|damage| {
            failed(format!(
                "the new index is not sound, not published: {damage}"
            ))
        })
}

/// What of the request could not be done although an index was published, in one line.
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

/// Where the system index below `root` may go, in order of preference.
///
/// # Errors
/// Where none of the places can be used. That the second cannot is no matter, as long as the first
/// can.
pub(super) fn system_places(root: &Root) -> Result<Vec<PathBuf>, CommandError> {
    let mut usable = Vec::with_capacity(SYSTEM_INDEXES.len());
    let mut refusal = None;
    for path in SYSTEM_INDEXES {
        match outside(root, Path::new(path)) {
            Ok(path) => usable.push(path),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match refusal {
        Some(error) if usable.is_empty() => Err(error),
        _ => Ok(usable),
    }
}

/// The place of a file that may be yet to be made, its links resolved within the root. A link that
/// leads nowhere there may lead somewhere outside: nothing is made behind it.
///
/// # Errors
/// Such a link.
pub(super) fn outside(root: &Root, path: &Path) -> Result<PathBuf, CommandError> {
    for ancestor in path.ancestors().skip(1) {
        match root.real_path(ancestor) {
            Ok(real) => {
                let rest = path.strip_prefix(ancestor).unwrap_or(path);
                return Ok(root.outside(&real.join(rest)));
            }
            Err(_) if root.read_link(ancestor).is_ok() => {
                let link = root.outside(ancestor);
                let text = "is a link that leads nowhere, make what it leads to";
                return Err(failed(format!("{} {text}", link.display())));
            }
            Err(_) => {}
        }
    }
    Ok(root.outside(path))
}
