//! The arguments of the commands that look at packages.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::FreshnessArg;

/// `epcache query`.
#[derive(Debug, Args)]
#[command(
    override_usage = "epcache query [GROUP [NAME]] [--import NAME] [--long|--json|--explain] [--system|--user|\
                      --venv DIR|--python VERSION|--path DIR...] [--root DIR] [--index FILE...] \
                      [--freshness auto|fast|strict|trust]"
)]
pub struct QueryArgs {
    /// The group, such as console_scripts, or a pattern such as 'pytest*'
    pub group: Option<String>,
    /// The name in the group, or a pattern
    pub name: Option<String>,
    /// Where to look
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Which distributions provide the import name NAME (numpy, or yaml)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["group", "long", "explain"])]
    pub import: Option<String>,
    /// Print distribution, version and metadata directory as well
    #[arg(long, conflicts_with = "json")]
    pub long: bool,
    /// Say which interpreter is asked, which search directories it has, and which index answers
    /// for each, or why none does
    #[arg(long, conflicts_with = "long")]
    pub explain: bool,
    /// Print JSON: an array of objects, or with --explain an object
    #[arg(long)]
    pub json: bool,
}

/// `epcache list`.
#[derive(Debug, Args)]
#[command(
    override_usage = "epcache list [NAME...] [--system|--user|--venv DIR|--python VERSION|\
                      --path DIR...] [--root DIR] [--index FILE...] [--freshness auto|fast|strict|trust] [--json]"
)]
pub struct ListArgs {
    /// The distributions (default: all)
    pub name: Vec<String>,
    /// Where to look
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Print JSON: an array of objects
    #[arg(long)]
    pub json: bool,
}

/// `epcache check`.
#[derive(Debug, Args)]
#[command(
    override_usage = "epcache check [DISTRIBUTION...] [--system|--venv DIR|--python VERSION|--path DIR...] \
                      [--root DIR] [--list] [--json]"
)]
pub struct CheckArgs {
    /// The distributions (default: all)
    pub distribution: Vec<String>,
    /// The packages of every interpreter of the system
    #[arg(long, conflicts_with_all = ["venv", "python", "path"])]
    pub system: bool,
    /// The packages of the virtual environment DIR (default: the active one, else those of python3)
    #[arg(long, value_name = "DIR", conflicts_with_all = ["python", "path"])]
    pub venv: Option<PathBuf>,
    /// The packages of Python VERSION (3.12; or the path of an interpreter); with --path, for that
    /// one
    #[arg(long, value_name = "VERSION")]
    pub python: Option<OsString>,
    /// The packages in these directories, in sys.path order
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub path: Vec<PathBuf>,
    /// Take DIR for the root of the file system; it may be the tree of a single package
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Explain every kind of finding
    #[arg(long)]
    pub list: bool,
    /// Print JSON: an object
    #[arg(long)]
    pub json: bool,
}

/// Where to look something up.
#[derive(Debug, Default, Args)]
pub struct PlaceArgs {
    /// Search what `refresh --system` indexes: the packages of all Pythons of the system
    #[arg(long, group = "what")]
    pub system: bool,
    /// Search what `refresh --user` indexes: your own packages
    #[arg(long, group = "what")]
    pub user: bool,
    /// Search these directories, in sys.path order
    #[arg(long, value_name = "DIR", num_args = 1.., group = "what")]
    pub path: Vec<PathBuf>,
    /// Search as the Python of the virtual environment DIR does
    #[arg(long, value_name = "DIR", group = "what")]
    pub venv: Option<PathBuf>,
    /// Search as Python VERSION does (3.12; or the path of an interpreter)
    #[arg(long, value_name = "VERSION", group = "what")]
    pub python: Option<OsString>,
    /// Take DIR for the root of the file system
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Ask these indexes instead of those in the usual places
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub index: Vec<PathBuf>,
    /// How hard to look for changes since the index was written (default: auto, for indexes that
    /// the configuration names what it says)
    #[arg(long, value_name = "LEVEL")]
    pub freshness: Option<FreshnessArg>,
}
