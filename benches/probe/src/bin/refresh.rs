//! A refresh of one search directory with and without privilege separation. All else is equal.
//!
//!     refresh separated|unseparated full|old DIRECTORY OUTPUT
//!
//! `separated` does the work in a child, as `epcache` does. `unseparated` calls the same function
//! in this process. Both lock the place, verify the result, and publish it. `old` starts from the
//! index at OUTPUT.

use std::error::Error;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use epcache::index::{self, Index};
use epcache::privsep::{self, Bounds, Job, Policy, Terms, Worker};
use epcache::publish::{Destination, Place};
use epcache::rooted::Root;
use epcache::scan::Purpose;
use epcache::worker::{self, Product, Reception, Request, Scope};

const PATIENCE: Duration = Duration::from_secs(60);

fn unseparated(root: &Root, request: &Request) -> Result<Product, Box<dyn Error>> {
    worker::prepare(root, request);
    Ok(worker::run(root, request, &mut |_| {})?)
}

/// The result, and the child, which may not have ended yet.
fn separated(
    root: &Root,
    request: &Request,
    place: &Place,
) -> Result<(Product, Worker), Box<dyn Error>> {
    let old = request.old.as_ref().map(File::as_fd);
    let kept: Vec<_> = root.descriptor().into_iter().chain(old).collect();
    let terms = Terms {
        policy: &Policy::default(),
        bounds: Bounds {
            silence: PATIENCE,
            time: PATIENCE,
            size: worker::MOST_BYTES,
        },
        kept: &kept,
        writable: &[place.folder().directory()],
    };
    let job = Job {
        enter: Box::new(|| worker::enter(root, request)),
        prepare: Box::new(|| worker::prepare(root, request)),
        work: Box::new(|sender| worker::job(root, request, sender)),
    };
    let mut reception = Reception::default();
    let (_, ending) = privsep::run(terms, job, &mut |frame| reception.take(frame, &mut |_| {}))?;
    Ok((reception.outcome()?, ending))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [how, start, directory, output] = arguments.as_slice() else {
        return Err("refresh separated|unseparated full|old DIRECTORY OUTPUT".into());
    };
    let root = Root::system();
    let directory = Path::new(directory);
    let place = Destination::of_file(Path::new(output));
    let place = Place::lock(&Root::system(), &place, PATIENCE)?;
    let scope = Scope::Paths(vec![PathBuf::from(directory)]);
    let mut request = Request::full(scope, Purpose::Running);
    if start == "old" {
        request.old = place.published();
    }
    let (product, _ending) = match how.as_str() {
        "separated" => {
            separated(&root, &request, &place).map(|(product, child)| (product, Some(child)))?
        }
        _ => (unseparated(&root, &request)?, None),
    };
    if !product.unchanged {
        index::verify(&Index::open(product.index.as_slice())?)?;
        place.publish(&product.index)?;
    }
    println!("{{\"distributions\": {}}}", product.distributions);
    Ok(())
}
