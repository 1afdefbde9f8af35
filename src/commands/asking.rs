//! How the commands that look something up ask the indexes: of which search directories, and what
//! is said of indexes that could not be used.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{CommandError, failed, mending, moved_from, open_indexes, plural};
use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::environment::Environment;
use crate::freshness::Level;
use crate::index::Damage;
use crate::layout::{self, Interpreter, LayoutError, Mode, Wanted};
use crate::lookup::{Answers, OpenIndex, PlaceKind, Stale};
use crate::rooted::Root;
use crate::scan::{Difference, Extent};
use crate::worker::{self, Scope};

/// Computes a result from the answers, or returns the search directory whose record is damaged.
type Find<'f, T> = &'f dyn Fn(&Answers<'_>) -> Result<T, (usize, Damage)>;

/// Where to look, and in which indexes.
pub(super) struct Asking<'a> {
    pub(super) root: &'a Root,
    pub(super) environment: &'a Environment,
    pub(super) config: &'a Config,
    pub(super) place: &'a PlaceArgs,
    /// The search directories in order.
    pub(super) paths: &'a [PathBuf],
    /// The virtual environment that they belong to.
    pub(super) venv: Option<&'a Path>,
}

impl Asking<'_> {
    /// The result of `find` for the answers. If an index turns out to be damaged, its directories
    /// are read live, and `find` is called again. Warns about everything that is not usable.
    pub(super) fn ask<T>(&self, find: Find<'_, T>) -> Result<T, CommandError> {
        self.ask_in(Extent::EntryPoints, find)
    }

    /// The same, where requirements or import names are asked for.
    pub(super) fn ask_everything<T>(&self, find: Find<'_, T>) -> Result<T, CommandError> {
        self.ask_in(Extent::Everything, find)
    }

    fn ask_in<T>(&self, extent: Extent, find: Find<'_, T>) -> Result<T, CommandError> {
        let Self { root, place, .. } = self;
        let indexes = open_indexes(root, &place.index, self.environment, self.venv, self.config);
        let level_of = |index: &OpenIndex| self.level(index.kind());
        let mut answers = Answers::find_with(root, self.paths, &indexes, &level_of, extent);
        let found = loop {
            match find(&answers) {
                Ok(found) => break found,
                Err((number, damage)) => {
                    let text = damage.to_string();
                    if !answers.give_up(root, number, damage) {
                        return Err(failed(text));
                    }
                }
            }
        };
        self.warn(&answers, &indexes);
        Ok(found)
    }

    /// Where nothing is found in a directory of `--path`, which no index knows, the path may be a
    /// mistake.
    fn warn_of_doubts(&self, answers: &Answers<'_>, indexes: &[OpenIndex]) {
        for (number, given) in self.place.path.iter().enumerate() {
            let Ok((path, record)) = answers.record(number) else {
                continue;
            };
            let knows = |index: &OpenIndex| matches!(index.find(self.root, path), Ok(Some(_)));
            if record.distribution_count() == 0 && !indexes.iter().any(knows) {
                if let Some(why) = layout::doubt(self.root, path) {
                    log::warn!("--path {}: {why}", given.display());
                }
            }
        }
    }

    /// How closely to look for changes if an index of this kind answers.
    pub(super) fn level(&self, kind: PlaceKind) -> Level {
        match (self.place.freshness, kind) {
            (Some(level), _) => level.into(),
            (None, PlaceKind::Configured) => self.config.freshness,
            (None, _) => Level::Auto,
        }
    }

    fn warn(&self, answers: &Answers<'_>, indexes: &[OpenIndex]) {
        for (number, damage) in &answers.damaged {
            if let Some(index) = indexes.get(*number) {
                log::warn!("{}: index not used: {damage}", index.path().display());
            }
        }
        for warning in &answers.warnings {
            log::warn!("{warning}");
        }
        self.warn_of_doubts(answers, indexes);
        let mending = |index| mending(index, self.root, self.environment);
        for stale in &answers.stale {
            let index = indexes.iter().find(|index| index.path() == stale.index);
            log::warn!(
                "{}",
                describe(stale, &index.map(mending).unwrap_or_default())
            );
        }
        for index in indexes {
            if let Some(old) = moved_from(index, self.venv) {
                log::warn!(
                    "{}: index not used: it is of {}, the environment has moved; `{}` mends it",
                    index.path().display(),
                    old.display(),
                    mending(index)
                );
            }
        }
    }
}

/// The search directories to look in, and the reason.
pub(super) struct Searched {
    pub(super) paths: Vec<PathBuf>,
    /// The interpreter that has them.
    pub(super) interpreter: Option<Interpreter>,
    /// The option or variable that names the interpreter or the directories.
    pub(super) by: &'static str,
}

impl Searched {
    /// The virtual environment that has these directories.
    pub(super) fn venv(&self) -> Option<&Path> {
        let venv = self.interpreter.as_ref().and_then(|it| it.venv.as_ref());
        venv.map(|venv| venv.prefix.as_path())
    }
}

/// The search directories of an interpreter, or those of `--system`, `--user` or `--path`.
pub(super) fn search_path(
    arguments: &PlaceArgs,
    root: &Root,
    environment: &Environment,
    config: &Config,
) -> Result<Searched, CommandError> {
    if let Some((scope, by)) = named_scope(arguments, environment, config)? {
        let found = worker::search_directories(root, &scope).map_err(failed)?;
        let paths = found.directories.into_iter().map(|found| found.path);
        return Ok(Searched {
            paths: paths.collect(),
            interpreter: None,
            by,
        });
    }
    let (venv, python) = (arguments.venv.as_deref(), arguments.python.as_deref());
    let (interpreter, by) = interpreter(venv, python, root, environment)?;
    let user_base = user_base(root, environment);
    let mode = Mode::Ordinary(user_base.as_deref());
    let sys_path = layout::sys_path_as(root, &interpreter, mode);
    for note in &sys_path.notes {
        log::info!("{note}");
    }
    let paths = sys_path.entries.into_iter().map(|entry| entry.path);
    Ok(Searched {
        paths: paths.collect(),
        interpreter: Some(interpreter),
        by,
    })
}

/// Where interpreters look for the user's own packages. Below a root there is no user.
pub(super) fn user_base(root: &Root, environment: &Environment) -> Option<PathBuf> {
    environment.python_user_base().filter(|_| root.is_system())
}

/// The search directories of an option that names no interpreter, and that option.
fn named_scope(
    arguments: &PlaceArgs,
    environment: &Environment,
    config: &Config,
) -> Result<Option<(Scope, &'static str)>, CommandError> {
    Ok(if arguments.system {
        let extra = config.directories.clone();
        Some((Scope::System { extra }, "--system"))
    } else if arguments.user {
        let home = environment.home.clone();
        let home = home.ok_or_else(|| failed("--user: HOME is not set"))?;
        let user_base = environment.user_base.clone();
        Some((Scope::User { home, user_base }, "--user"))
    } else if arguments.path.is_empty() {
        None
    } else {
        Some((Scope::Paths(arguments.path.clone()), "--path"))
    })
}

/// The interpreter to look for as, and the option or variable that names it.
pub(super) fn interpreter(
    venv: Option<&Path>,
    python: Option<&OsStr>,
    root: &Root,
    environment: &Environment,
) -> Result<(Interpreter, &'static str), CommandError> {
    let (wanted, by) = match (venv, python, &environment.venv) {
        (Some(dir), ..) => (Wanted::Venv(dir.to_owned()), "--venv"),
        (_, Some(python), _) if python.as_bytes().contains(&b'/') => {
            (Wanted::Executable(PathBuf::from(python)), "--python")
        }
        (_, Some(python), _) => {
            let version = python.to_string_lossy().into_owned();
            (Wanted::Version(version), "--python")
        }
        (None, None, Some(venv)) if root.is_system() => (Wanted::Venv(venv.clone()), "VIRTUAL_ENV"),
        _ => (Wanted::Default, "python3"),
    };
    let found = layout::find_interpreter(root, &wanted, environment.path.as_deref());
    let found = found.map_err(|error| match &error {
        LayoutError::NoSuchVersion(version) => failed(format!(
            "--python {version}: no such Python found; name a version such as 3.12, or a path"
        )),
        _ if by == "VIRTUAL_ENV" => failed(format!("VIRTUAL_ENV: {error}")),
        _ => failed(error),
    })?;
    Ok((found, by))
}

/// One line about a directory for which an index is wrong.
fn describe(stale: &Stale, mending: &str) -> String {
    let differing = stale.differences.len().max(1);
    format!(
        "{}: {} from the index ({}); answered live, `{mending}` mends it",
        stale.path.display(),
        plural(differing, "distribution differs", "distributions differ"),
        in_words(stale),
    )
}

/// The differences between an index and a directory, as text.
pub(super) fn in_words(stale: &Stale) -> String {
    const NAMED: usize = 3;
    let mut named = Vec::new();
    for difference in stale.differences.iter().take(NAMED) {
        let (name, what) = match difference {
            Difference::Added(name) => (name, "new"),
            Difference::Removed(name) => (name, "gone"),
            Difference::Changed(name) => (name, "changed"),
        };
        named.push(format!("{} {what}", String::from_utf8_lossy(name)));
    }
    if stale.differences.len() > NAMED {
        named.push("…".into());
    }
    if named.is_empty() {
        named.push("the directory has appeared".into());
    }
    named.join(", ")
}
