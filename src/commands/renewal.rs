//! What all refreshes have in common, whoever asks for them: scan, verify, publish; and where the
//! system index goes.

use std::path::PathBuf;

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

/// Where the system index may go, in order of preference.
pub(super) fn system_places() -> Vec<PathBuf> {
    SYSTEM_INDEXES.map(PathBuf::from).to_vec()
}
