//! The cost of a lookup inside a running process, without the start of a program.
//!
//!     lookup TIMES INDEX DIRECTORY GROUP fast|auto|trust
//!
//! Opens the index, finds the record and looks up the group, so many times, each time from the
//! start. Prints the nanoseconds of each of ten parts as a JSON list.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use epcache::freshness::Level;
use epcache::lookup::{Answers, OpenIndex, PlaceKind, entry_points};
use epcache::rooted::Root;

const PORTIONS: u32 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [times, index, directory, group, level] = arguments.as_slice() else {
        return Err("lookup TIMES INDEX DIRECTORY GROUP fast|auto|trust".into());
    };
    let times = times.parse::<u32>()?.div_ceil(PORTIONS);
    let level = match level.as_str() {
        "fast" => Level::Fast,
        "trust" => Level::Trust,
        _ => Level::Auto,
    };
    let root = Root::system();
    let paths = [PathBuf::from(directory)];
    let mut nanoseconds = Vec::new();
    let mut found = 0;
    for _ in 0..PORTIONS {
        let began = Instant::now();
        for _ in 0..times {
            let indexes = [OpenIndex::open(&root, Path::new(index), PlaceKind::Given)?];
            let answers = Answers::find(&root, &paths, &indexes, &|_| level);
            found = entry_points(&answers, Some(group), None)
                .map_err(|(_, damage)| damage)?
                .len();
        }
        nanoseconds.push(began.elapsed().as_nanos() / u128::from(times));
    }
    println!("{{\"entry_points\": {found}, \"nanoseconds\": {nanoseconds:?}}}");
    Ok(())
}
