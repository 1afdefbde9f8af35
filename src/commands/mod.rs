//! One file per subcommand. Each calls the rooms below, and prints.
//!
//! The input is the parsed command line, the output is the exit status or a [`CommandError`].

mod after;
mod asking;
mod check;
mod complete;
mod completions;
mod consumers;
mod explain;
mod export;
mod hook;
mod importing;
mod list;
mod near;
mod query;
mod refresh;
mod renewal;
mod status;
mod trigger;
mod triggers;
mod verify;
mod wanted;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

pub use renewal::Work;

use crate::cli::{Cli, Command};
use crate::config::{self, Config};
use crate::environment::Environment;
use crate::index::Damage;
use crate::lookup::{OpenIndex, PlaceKind, SYSTEM_INDEXES, Unusable, places};
use crate::rooted::{Root, Watched, watch};
use crate::terminal::shell_word;

/// Runs the command of the command line, and returns the exit status. `work` runs in the process
/// that can only read: [`worker::job`](crate::worker::job).
///
/// # Errors
/// [`CommandError`], which the caller prints.
/// [`CommandError`], which is yet to be said.
pub fn run(cli: &Cli, work: Work) -> Result<u8, CommandError> {
    match &cli.command {
        Command::Refresh(arguments) => refresh::run(arguments, work),
        Command::Query(arguments) => query::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Status(arguments) => status::run(cli, arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Hook(arguments) => hook::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Complete(arguments) => complete::run(arguments),
        Command::After(arguments) => after::run(arguments, work),
        Command::Trigger(arguments) => trigger::run(arguments, work),
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Its result could not be written to standard output.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// Any other reason, as a message for the user.
    #[error("{0}")]
    Failed(String),
}

impl CommandError {
    /// Whether the reader of standard output has seen enough.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Just an exit status, or an error for the last line.
type Done = Result<u8, CommandError>;

const SUCCESS: u8 = 0;
const FAILURE: u8 = 2;
const NONE_FOUND: u8 = 1;
const DAMAGED: u8 = 1;
const INCOMPLETE: u8 = 1;
const STALE: u8 = 3;

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(error.to_string())
}

/// Reports a file system that does not answer, and ends the process after a while.
fn say_what_hangs() -> Watched {
    const PATIENCE: Duration = Duration::from_secs(5);
    const END: Duration = Duration::from_secs(30);
    watch(|path, silent| {
        let path = path.display();
        if silent == PATIENCE {
            let seconds = silent.as_secs();
            log::warn!("{path}: no answer for {seconds} s (a network mount that has gone?)");
        } else if silent == END {
            log::error!("{path}: no answer for {} s: gave up", silent.as_secs());
            std::process::exit(FAILURE.into());
        }
    })
}

fn open_root(dir: Option<&Path>) -> Result<Root, CommandError> {
    match dir {
        None => Ok(Root::system()),
        Some(dir) => {
            Root::at(dir).map_err(|error| failed(format!("--root {}: {error}", dir.display())))
        }
    }
}

/// The settings. Mistakes in those of the running system are reported once per process.
fn configuration(root: &Root) -> Config {
    static OF_SYSTEM: OnceLock<Config> = OnceLock::new();
    let read = || {
        let (config, remarks) = config::read(root);
        for remark in remarks {
            log::warn!("{remark}");
        }
        config
    };
    match root.is_system() {
        true => OF_SYSTEM.get_or_init(read).clone(),
        false => read(),
    }
}

/// Reports configured search directories that do not exist.
fn say_missing(root: &Root, config: &Config) {
    for remark in config::missing(root, config) {
        log::warn!("{remark}");
    }
}

/// The indexes that exist and are trusted. One that is not trusted is treated as missing. If the
/// command line names it, there is a warning.
fn open_indexes(
    root: &Root,
    given: &[PathBuf],
    environment: &Environment,
    venv: Option<&Path>,
    config: &Config,
) -> Vec<OpenIndex> {
    let mut indexes = Vec::new();
    let mut open = |root: &Root, kind, path: &Path| match OpenIndex::open(root, path, kind) {
        Ok(index) => indexes.push(index),
        Err(Unusable::Missing) if kind != PlaceKind::Given => {}
        Err(error) => {
            let level = match (&error, kind) {
                (Unusable::Damage(_), _) | (_, PlaceKind::Given) => log::Level::Warn,
                _ => log::Level::Info,
            };
            log::log!(level, "{}: index not used: {error}", path.display());
        }
    };
    if given.is_empty() {
        for (kind, path) in places(root, environment, venv, config) {
            open(root, kind, &path);
        }
    } else {
        // A path on the command line belongs to the system where the command runs.
        for path in given {
            open(&Root::system(), PlaceKind::Given, path);
        }
    }
    indexes
}

/// The command that updates an index, quoted for a shell.
fn mending(index: &OpenIndex, root: &Root, environment: &Environment) -> String {
    /// With more search directories than this the command would be too long to show.
    const NAMED: usize = 8;
    let path = index.path();
    let is_system = |system: &str| {
        let system = Path::new(system);
        path == system || path == root.outside(system)
    };
    let folder = path.parent().filter(|folder| folder.ends_with(".epcache"));
    let venv = folder.and_then(Path::parent);
    let venv = venv.filter(|venv| root.is_file(&venv.join("pyvenv.cfg")));
    if SYSTEM_INDEXES.into_iter().any(is_system) {
        return system_mending(root);
    }
    let mut command = String::from("epcache refresh");
    if let Some(venv) = venv {
        let venv = if venv.as_os_str().is_empty() {
            Path::new(".")
        } else {
            venv
        };
        command = format!("{command} --venv {}", shell_word(venv));
    } else if environment.user_index().as_deref() == Some(path) {
        command.push_str(" --user");
    } else {
        let directories = search_directories(index).unwrap_or_default();
        if directories.len() <= NAMED {
            command.push_str(" --path");
            for directory in &directories {
                command = format!("{command} {}", shell_word(directory));
            }
        } else {
            command.push_str(" ...");
        }
        command = format!("{command} --output {}", shell_word(path));
    }
    if !root.is_system() {
        command = format!("{command} --root {}", shell_word(root.path()));
    }
    command
}

/// The command that updates the system index below a root.
fn system_mending(root: &Root) -> String {
    match root.is_system() {
        true => "epcache refresh --system".into(),
        false => format!(
            "epcache refresh --system --root {}",
            shell_word(root.path())
        ),
    }
}

/// Where the virtual environment was when its index was made, if that was another place. Then none
/// of its search directories has a record.
fn moved_from(index: &OpenIndex, venv: Option<&Path>) -> Option<PathBuf> {
    let venv = std::path::absolute(venv?).ok()?;
    let (index, is_venvs) = (index.index(), index.kind() == PlaceKind::Venv);
    for row in (0..index.directory_count()).take_while(|_| is_venvs) {
        let (path, ..) = index.directory(row).ok()?;
        if Path::new(OsStr::from_bytes(&path)).starts_with(&venv) {
            return None;
        }
    }
    let paths = index.paths().ok().filter(|_| is_venvs)?;
    paths.into_iter().next().map(path_of)
}

/// The search directories that an index has records of, in order.
fn search_directories(index: &OpenIndex) -> Result<Vec<PathBuf>, Damage> {
    let paths = index.index().paths()?;
    Ok(paths.into_iter().map(path_of).collect())
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// A time span in its largest unit.
fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => plural(seconds.max(0) as usize, "second", "seconds"),
        60..3600 => plural((seconds / 60) as usize, "minute", "minutes"),
        3600..86400 => plural((seconds / 3600) as usize, "hour", "hours"),
        _ => plural((seconds / 86400) as usize, "day", "days"),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
