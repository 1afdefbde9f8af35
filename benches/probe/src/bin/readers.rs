//! The work of the floor program (`floor.c`) on any number of threads, to see whether parallel
//! reading pays.
//!
//!     readers THREADS DIRECTORY
//!
//! Lists the directory, then makes the same calls for each metadata directory as `floor.c`.

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

const RUN: usize = 8;

fn read(path: &Path, most: u64) -> bool {
    let mut bytes = Vec::new();
    File::open(path).is_ok_and(|file| file.take(most).read_to_end(&mut bytes).is_ok_and(|n| n > 0))
}

fn look(directory: &Path) {
    let _ = fs::metadata(directory);
    read(&directory.join("entry_points.txt"), 1 << 20);
    if !read(&directory.join("METADATA"), 4096) {
        read(&directory.join("PKG-INFO"), 4096);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [threads, directory] = arguments.as_slice() else {
        return Err("readers THREADS DIRECTORY".into());
    };
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|end| end == "dist-info" || end == "egg-info")
        {
            found.push(path);
        }
    }
    let queue = Mutex::new(found.chunks(RUN));
    thread::scope(|scope| {
        for _ in 0..threads.parse().unwrap_or(1) {
            scope.spawn(|| {
                while let Some(run) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    run.iter().for_each(|directory| look(directory));
                }
            });
        }
    });
    println!("{{\"distributions\": {}}}", found.len());
    Ok(())
}
