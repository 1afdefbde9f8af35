//! The `epcache` program: see `epcache --help`.

use std::process::ExitCode;

use epcache::environment::Environment;
use epcache::{cli, commands, terminal, worker};

/// Exit status: the command failed.
const FAILURE: u8 = 2;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    let filters = Environment::of_process().log.unwrap_or_default();
    terminal::start_log(cli.verbose, cli.quiet, &filters);
    match commands::run(&cli, worker::job) {
        Ok(status) => ExitCode::from(status),
        // The reader of the output has seen enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::from(FAILURE)
        }
    }
}
