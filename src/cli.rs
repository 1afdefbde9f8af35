//! The command line: its definition, and what is said of mistakes in it.

mod looking;
mod mistakes;
mod shell;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::freshness::Level;

pub use looking::{CheckArgs, ListArgs, PlaceArgs, QueryArgs};
pub use shell::{AfterArgs, CompleteArgs, CompletionsArgs, Shell};

/// Exit status: something went wrong, or the arguments were not understood.
const FAILURE: u8 = 2;

/// The other name of the program, which means `epcache refresh`.
const REFRESH_NAME: &str = "refresh-entrypoints-cache";

/// An index of the entry points of every installed Python distribution.
#[derive(Debug, Parser)]
#[command(name = "epcache", version, about, max_term_width = 80)]
pub struct Cli {
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    #[arg(display_order = 100)]
    pub verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, display_order = 100)]
    pub quiet: bool,
    /// What is asked for
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the metadata of installed distributions and publish the index
    Refresh(RefreshArgs),
    /// Look up entry points; without a group, list the groups.
    ///
    /// Without a scope, the interpreter that python3 is answers: that of the active virtual
    /// environment (VIRTUAL_ENV), else the first python3 on PATH, your own packages (~/.local)
    /// included. PYTHONPATH is not taken into account. "epcache query --explain" shows which
    /// interpreter that is.
    ///
    /// In a GROUP or NAME, * ? and [...] are patterns: quote them
    Query(QueryArgs),
    /// List distributions: name, version, where, and for which interpreters
    List(ListArgs),
    /// Say what is wrong with packages (exit status 0, 1 if something is)
    Check(CheckArgs),
    /// Say what is fresh, stale or missing (exit status 0 or 3).
    ///
    /// What is as it should be is left out; -v shows it, and the settings. -q prints nothing: the
    /// exit status tells
    Status(StatusArgs),
    /// Check every byte of an index (exit status 0, 1 if it is damaged)
    Verify(VerifyArgs),
    /// Write out all of an index as JSON
    Export(ExportArgs),
    /// Print what to put where, so that the index follows pip, uv, make and others
    Hook(HookArgs),
    /// Print a shell's completion
    Completions(CompletionsArgs),
    /// What the functions of epcache hook call
    #[command(hide = true)]
    After(AfterArgs),
    /// What the shells' completions call
    #[command(hide = true)]
    Complete(CompleteArgs),
    /// What package managers call: refresh the system index if Python packages were touched.
    ///
    /// rpm's %transfiletriggerin and %transfiletriggerpostun call it with the list of files on standard
    /// input. It is read to its end; where no metadata directory, .pth file or search directory is in it,
    /// nothing is done. An empty list says nothing, so everything is read.
    ///
    /// On Debian, postinst calls it with all of its own arguments behind "--": "triggered" and the
    /// directories in which files have changed (or epcache-refresh, which other packages may activate with
    /// dpkg-trigger), "configure", or any others.
    ///
    /// A failure does no harm to the transaction. It is one line on standard error, in the journal and in
    /// epcache status, and the index is marked, so that lookups check what it says. For another refresh that
    /// is at work it waits no longer than 5 seconds. "auto-update = no" in the configuration switches it off,
    /// and so does EPCACHE_DISABLE=1 in the environment
    Trigger(TriggerArgs),
}

/// `epcache refresh`.
#[derive(Debug, Default, Args)]
#[command(
    override_usage = "epcache refresh [--system|--user|--venv DIR|--path DIR...] [--root DIR] \
                      [--output FILE] [--full] [--image] [--dry-run] [--json]"
)]
pub struct RefreshArgs {
    /// The whole system's search directories (default for root)
    #[arg(long, group = "scope")]
    pub system: bool,
    /// Your own search directories (default for others, outside of a virtual environment)
    #[arg(long, group = "scope")]
    pub user: bool,
    /// The search directories of the virtual environment DIR (default: the active one)
    #[arg(long, value_name = "DIR", group = "scope")]
    pub venv: Option<PathBuf>,
    /// These search directories, in sys.path order (needs --output)
    #[arg(long, value_name = "DIR", num_args = 1.., group = "scope", requires = "output")]
    pub path: Vec<PathBuf>,
    /// Take DIR for the root of the file system
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Write the index to FILE instead of its usual place
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Read everything anew, whatever an older index says
    #[arg(long)]
    pub full: bool,
    /// Make an index for an image: the same wherever it is built
    #[arg(long)]
    pub image: bool,
    /// Do everything but write
    #[arg(long)]
    pub dry_run: bool,
    /// Print a summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// `epcache status`.
#[derive(Debug, Args)]
#[command(
    override_usage = "epcache status [--system|--user|--venv DIR|--python VERSION|--path DIR...] \
                      [--root DIR] [--index FILE...] [--config] [--json]"
)]
pub struct StatusArgs {
    /// About what `refresh --system` indexes (default: this, and the active virtual environment)
    #[arg(long, group = "of")]
    pub system: bool,
    /// About your own packages
    #[arg(long, group = "of")]
    pub user: bool,
    /// About the packages in the virtual environment DIR, those of its base left out
    #[arg(long, value_name = "DIR", group = "of")]
    pub venv: Option<PathBuf>,
    /// About all that Python VERSION has on sys.path (3.12; or the path of an interpreter)
    #[arg(long, value_name = "VERSION", group = "of")]
    pub python: Option<OsString>,
    /// About these search directories
    #[arg(long, value_name = "DIR", num_args = 1.., group = "of")]
    pub path: Vec<PathBuf>,
    /// Look at these indexes instead of those in the usual places
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub index: Vec<PathBuf>,
    /// Print the settings that are in force, and where each comes from
    #[arg(long)]
    pub config: bool,
    /// Take DIR for the root of the file system
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print JSON: an object
    #[arg(long)]
    pub json: bool,
}

/// `epcache hook`.
#[derive(Debug, Args)]
#[command(override_usage = "epcache hook [pip|uv|make|containerfile|direnv|tox|conda] [--fish]")]
pub struct HookArgs {
    /// For fish, instead of bash, zsh, dash and other POSIX shells
    #[arg(long)]
    pub fish: bool,
    /// The tool (without it: a list)
    #[arg(value_name = "TOOL")]
    pub tool: Option<Tool>,
}

/// What `epcache hook` has something for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    /// A shell function around pip
    Pip,
    /// A shell function around uv
    Uv,
    /// A target for a Makefile
    Make,
    /// A line for a Containerfile
    Containerfile,
    /// Lines for .envrc
    Direnv,
    /// Lines for tox.ini
    Tox,
    /// An activation script of a conda environment
    Conda,
}

/// `epcache verify`.
#[derive(Debug, Args)]
#[command(override_usage = "epcache verify [--explain] [FILE]")]
pub struct VerifyArgs {
    /// Name the rule that a damaged index breaks, as docs/specification/file.md numbers them
    #[arg(long)]
    pub explain: bool,
    /// The index (default: every one in the usual places)
    pub file: Option<PathBuf>,
}

/// `epcache export`.
#[derive(Debug, Args)]
#[command(override_usage = "epcache export [--index FILE]")]
pub struct ExportArgs {
    /// The index (default: the first one in the usual places)
    #[arg(long, value_name = "FILE")]
    pub index: Option<PathBuf>,
}

/// `epcache trigger`.
#[derive(Debug, Args)]
#[command(override_usage = "epcache trigger rpm|dpkg [--root DIR] [--strict] [-- ARGS...]")]
pub struct TriggerArgs {
    /// The package manager that calls
    #[arg(value_name = "MANAGER")]
    pub manager: PackageManager,
    /// Take DIR for the root of the file system (default with dpkg: $DPKG_ROOT)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// End with status 2 if the index could not be refreshed
    #[arg(long)]
    pub strict: bool,
    /// What the package manager says: with dpkg all arguments of postinst; with rpm they are ignored
    #[arg(value_name = "ARGS", value_parser = OsStringValueParser::new().try_map(no_option))]
    pub args: Vec<OsString>,
}

/// No argument of postinst begins with `-`. So this one is an option that stands behind `--`, and to
/// ignore it could refresh another system than the one that is meant.
fn no_option(word: OsString) -> Result<OsString, &'static str> {
    if word.as_bytes().starts_with(b"-") {
        return Err("options stand before \"--\"");
    }
    Ok(word)
}

/// Those who call `epcache trigger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PackageManager {
    /// rpm, with a list of files on standard input
    Rpm,
    /// dpkg, with the arguments of postinst
    Dpkg,
}

/// [`Level`] by the words of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FreshnessArg {
    /// The directory, and in small ones each metadata directory
    Auto,
    /// The directory alone
    Fast,
    /// The directory, each metadata directory, and the files in it that were read
    Strict,
    /// Nothing
    Trust,
}

impl From<FreshnessArg> for Level {
    fn from(argument: FreshnessArg) -> Self {
        match argument {
            FreshnessArg::Auto => Self::Auto,
            FreshnessArg::Fast => Self::Fast,
            FreshnessArg::Strict => Self::Strict,
            FreshnessArg::Trust => Self::Trust,
        }
    }
}

/// The arguments, the program's own name first, as what they ask for; or, where they ask for help or
/// are mistaken, the exit status once that has been said.
///
/// # Errors
/// The exit status.
pub fn parse(arguments: Vec<OsString>) -> Result<Cli, ExitCode> {
    let arguments = renamed(arguments);
    if arguments.len() < 2 {
        return Err(mistakes::print_help());
    }
    understood(&arguments).map_err(|error| mistakes::report_usage(&error, &arguments))
}

/// What the arguments ask for, the program's own name first.
///
/// # Errors
/// clap's, if they ask for help, or are mistaken.
pub(crate) fn understood(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = definition().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// Under its other name, the program is `epcache refresh`.
fn renamed(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == REFRESH_NAME) {
        arguments.insert(1, "refresh".into());
    }
    arguments
}

/// The command line's definition, for man pages and completions.
#[must_use]
pub fn definition() -> clap::Command {
    let mut all = Cli::command();
    let names: Vec<_> = all
        .get_subcommands()
        .map(|it| it.get_name().to_owned())
        .collect();
    for name in names {
        all = all.mut_subcommand(name, |command| {
            let usage = wrapped(&command.clone().render_usage().to_string());
            command.override_usage(usage)
        });
    }
    all
}

/// A usage in lines that fit a terminal of 80 columns behind `Usage: `, broken in front of brackets.
fn wrapped(usage: &str) -> String {
    const WIDTH: usize = 72;
    let usage = usage.trim_start_matches("Usage: ");
    let mut lines = vec![String::new()];
    for (number, part) in usage.split(" [").enumerate() {
        let part = match number {
            0 => part.to_owned(),
            _ => format!(" [{part}"),
        };
        match lines.last_mut() {
            Some(line) if line.len() + part.len() <= WIDTH => line.push_str(&part),
            _ => lines.push(format!("  {}", part.trim_start())),
        }
    }
    lines.join("\n       ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_of_each_command_names_all_of_its_options() {
        for command in definition().get_subcommands_mut() {
            let usage = command.render_usage().to_string();
            let own = |arg: &&clap::Arg| !arg.is_global_set() && arg.get_id() != "help";
            let options = command.get_arguments().filter(own);
            for option in options.filter_map(clap::Arg::get_long) {
                assert!(usage.contains(&format!("--{option}")), "{usage}: {option}");
            }
            let longest = usage.lines().map(str::len).max();
            assert!(longest <= Some(80), "{usage}");
            let synopsis = usage.replace(['[', ']', '|'], " ");
            for word in synopsis.split_whitespace() {
                if let Some(option) = word.strip_prefix("--").filter(|it| !it.is_empty()) {
                    let is_there = |arg: &clap::Arg| arg.get_long() == Some(option);
                    assert!(command.get_arguments().any(is_there), "{usage}: {option}");
                }
            }
        }
    }
}
