//! The `epcache` program: see `epcache --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    epcache::cli::run(std::env::args_os().collect())
}
