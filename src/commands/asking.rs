//! How the commands that look something up ask the indexes: of which search directories, and what is said of
//! indexes that could not be used.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{CommandError, failed, mending, moved_from, open_indexes, plural};
use crate::cli::PlaceArgs;
use crate::config::Config;
use crate::environment::Environment;
use crate::freshness::Level;
use crate::index::Damage;
use crate::layout::{self, Interpreter, LayoutError, Wanted};
use crate::lookup::{Answers, OpenIndex, PlaceKind, Stale};
use crate::rooted::Root;
use crate::scan::Difference;

/// Makes something of the answers, or says of which search directory the record is damaged.
type Find<'f, T> = &'f dyn Fn(&Answers<'_>) -> Result<T, (usize, Damage)>;

/// Where to look, and in which indexes.
pub(super) struct Asking<'a> {
    pub(super) root: &'a Root,
    pub(super) environment: &'a Environment,
    pub(super) config: &'a Config,
    pub(super) place: &'a PlaceArgs,
    /// The search directories, in their order.
    pub(super) paths: &'a [PathBuf],
    /// The virtual environment that they are of.
    pub(super) venv: Option<&'a Path>,
}

impl Asking<'_> {
    /// What `find` makes of the answers. Where an index turns out to be damaged, its directories are read live, and
    /// `find` is called again. Everything that could not be used is warned of.
    pub(super) fn ask<T>(&self, find: Find<'_, T>) -> Result<T, CommandError> {
        let Self { root, place, .. } = self;
        let indexes = open_indexes(root, &place.index, self.environment, self.venv, self.config);
        let level_of = |index: &OpenIndex| match (place.freshness, index.kind()) {
            (Some(level), _) => level.into(),
            (None, PlaceKind::Configured) => self.config.freshness,
            (None, _) => Level::Auto,
        };
        let mut answers = Answers::find(root, self.paths, &indexes, &level_of);
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

    fn warn(&self, answers: &Answers<'_>, indexes: &[OpenIndex]) {
        for (number, damage) in &answers.damaged {
            if let Some(index) = indexes.get(*number) {
                log::warn!("{}: index not used: {damage}", index.path().display());
            }
        }
        for warning in &answers.warnings {
            log::warn!("{warning}");
        }
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

/// The search directories to look in, and the virtual environment that they are of.
pub(super) fn search_path(
    arguments: &PlaceArgs,
    root: &Root,
    environment: &Environment,
) -> Result<(Vec<PathBuf>, Option<PathBuf>), CommandError> {
    let Some(interpreter) = interpreter(arguments, root, environment)? else {
        return Ok((given(arguments, root), None));
    };
    let sys_path = layout::sys_path(root, &interpreter);
    for note in &sys_path.notes {
        log::info!("{note}");
    }
    let paths = sys_path.entries.into_iter().map(|entry| entry.path);
    Ok((paths.collect(), interpreter.venv.map(|venv| venv.prefix)))
}

/// The directories of `--path`.
pub(super) fn given(arguments: &PlaceArgs, root: &Root) -> Vec<PathBuf> {
    let found = layout::given(root, &arguments.path).directories;
    found.into_iter().map(|found| found.path).collect()
}

/// The interpreter to look for as; `None` with `--path`.
pub(super) fn interpreter(
    arguments: &PlaceArgs,
    root: &Root,
    environment: &Environment,
) -> Result<Option<Interpreter>, CommandError> {
    if !arguments.path.is_empty() {
        return Ok(None);
    }
    let wanted = match (&arguments.venv, &arguments.python, &environment.venv) {
        (Some(dir), ..) => Wanted::Venv(dir.clone()),
        (_, Some(python), _) if python.as_bytes().contains(&b'/') => {
            Wanted::Executable(PathBuf::from(python))
        }
        (_, Some(python), _) => Wanted::Version(python.to_string_lossy().into_owned()),
        (None, None, Some(venv)) if root.is_system() => Wanted::Venv(venv.clone()),
        _ => Wanted::Default,
    };
    let found = layout::find_interpreter(root, &wanted, environment.path.as_deref());
    found.map(Some).map_err(|error| match &error {
        LayoutError::NoSuchVersion(version) => failed(format!(
            "--python {version}: no such Python found; name a version such as 3.12, or a path"
        )),
        _ if arguments.venv.is_none() && matches!(wanted, Wanted::Venv(_)) => {
            failed(format!("VIRTUAL_ENV: {error}"))
        }
        _ => failed(error),
    })
}

/// One line about a directory that an index is wrong about.
fn describe(stale: &Stale, mending: &str) -> String {
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
    format!(
        "{}: {} differs from the index ({}); answered live, `{mending}` mends it",
        stale.path.display(),
        plural(
            stale.differences.len().max(1),
            "distribution",
            "distributions"
        ),
        named.join(", "),
    )
}
