//! `epcache list`: the installed distributions, their places, and their interpreters.
//!
//! The input is a scope and names. The output is one line, or JSON object, for each distribution.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::asking::{Asking, search_path, user_base};
use super::{CommandError, Done, NONE_FOUND, SUCCESS, configuration, open_root, say_what_hangs};
use crate::cli::{ListArgs, PlaceArgs};
use crate::config::Config;
use crate::environment::Environment;
use crate::index::Damage;
use crate::index::format::distribution_flag::{HAS_METADATA, SHADOWED};
use crate::json::JsonText;
use crate::layout::{self, Interpreter, LayoutError, Mode, Wanted};
use crate::lookup::Answers;
use crate::metadata::normalize::normalize_bytes;
use crate::rooted::Root;
use crate::terminal::{DIM, NAME, Output, escape_bytes};

pub(crate) fn run(arguments: &ListArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.place.root.as_deref())?;
    let environment = Environment::of_process();
    let config = configuration(&root);
    let places = Places::of(&arguments.place, &root, &environment, &config)?;
    let paths: Vec<_> = places.0.iter().map(|place| place.path.clone()).collect();
    let venv = arguments.place.venv.as_ref().or(environment.venv.as_ref());
    let asking = Asking {
        root: &root,
        environment: &environment,
        config: &config,
        place: &arguments.place,
        paths: &paths,
        venv: venv.map(PathBuf::as_path),
    };
    let names = arguments.name.iter();
    let names: Vec<_> = names.map(|it| normalize_bytes(it.as_bytes())).collect();
    let mut found = asking.ask(&|answers| distributions(answers, &names))?;
    drop(watched);
    found.sort_by(|one, other| (&one.key, one.number).cmp(&(&other.key, other.number)));
    let shown = || found.iter().filter(|it| it.counts);
    let mut output = Output::stdout();
    if arguments.json {
        let rows = found.iter().map(|it| it.json(&places)).collect::<Vec<_>>();
        output.json(&rows)?;
    } else if output.is_terminal() {
        let rows: Vec<_> = shown().map(|it| it.cells(&places)).collect();
        output.table([NAME, anstyle::Style::new(), DIM, DIM], &rows)?;
    } else {
        for distribution in shown() {
            writeln!(output, "{}", distribution.cells(&places).join("\t"))?;
        }
    }
    output.flush()?;
    Ok(match shown().next() {
        Some(_) => SUCCESS,
        None => NONE_FOUND,
    })
}

/// A search directory, and the interpreters that have it on `sys.path`.
struct Place {
    path: PathBuf,
    /// The path without links. `None` if it leads nowhere.
    real: Option<PathBuf>,
    interpreters: Vec<Interpreted>,
}

#[derive(Clone, PartialEq, Serialize)]
struct Interpreted {
    version: String,
    executable: Option<JsonText>,
}

impl Interpreted {
    fn of(interpreter: &Interpreter) -> Self {
        Self {
            version: interpreter.version_text(),
            executable: interpreter.executable.as_deref().map(JsonText::from),
        }
    }
}

/// The search directories to look in, each only once.
struct Places(Vec<Place>);

impl Places {
    /// Those of the scope. Without one, those of every interpreter of the system, of the active
    /// virtual environment and of the user.
    fn of(
        arguments: &PlaceArgs,
        root: &Root,
        environment: &Environment,
        config: &Config,
    ) -> Result<Self, CommandError> {
        let mut places = Self(Vec::new());
        let is_asked = arguments.venv.is_some() || arguments.python.is_some();
        if is_asked || arguments.user || !arguments.path.is_empty() {
            let searched = search_path(arguments, root, environment, config)?;
            let interpreter = searched.interpreter.as_ref().map(Interpreted::of);
            for path in searched.paths {
                places.add(root, path, interpreter.clone());
            }
            return Ok(places);
        }
        let user_base = user_base(root, environment).filter(|_| !arguments.system);
        let mode = match arguments.system {
            true => Mode::Isolated,
            false => Mode::Ordinary(user_base.as_deref()),
        };
        let venv = environment.venv.as_deref();
        if let Some(venv) = venv.filter(|_| root.is_system() && !arguments.system) {
            match layout::find_interpreter(root, &Wanted::Venv(venv.to_owned()), None) {
                Ok(interpreter) => places.add_all(root, &interpreter, mode),
                Err(error @ LayoutError::NotAVenv(_)) => log::warn!("VIRTUAL_ENV: {error}"),
                Err(error) => log::warn!("{error}"),
            }
        }
        for interpreter in layout::interpreters(root) {
            places.add_all(root, &interpreter, mode);
        }
        // Site directories of removed versions, and those in the configuration.
        for directory in layout::system(root, &config.directories).directories {
            places.add(root, directory.path, None);
        }
        Ok(places)
    }

    fn add_all(&mut self, root: &Root, interpreter: &Interpreter, mode: Mode<'_>) {
        let this = Interpreted::of(interpreter);
        for entry in layout::sys_path_as(root, interpreter, mode).entries {
            self.add(root, entry.path, Some(this.clone()));
        }
    }

    /// Two interpreters may spell the path of one directory differently.
    fn add(&mut self, root: &Root, path: PathBuf, interpreter: Option<Interpreted>) {
        let real = root.real_path(&path).ok();
        let same = |it: &&mut Place| it.path == path || (real.is_some() && it.real == real);
        match self.0.iter_mut().find(same) {
            Some(place) => {
                let new = interpreter.filter(|it| !place.interpreters.contains(it));
                place.interpreters.extend(new);
            }
            None => self.0.push(Place {
                path,
                real,
                interpreters: interpreter.into_iter().collect(),
            }),
        }
    }

    fn of_number(&self, number: usize) -> (&Path, &[Interpreted]) {
        let place = self.0.get(number);
        place.map_or((Path::new(""), &[]), |it| (&it.path, &it.interpreters))
    }
}

/// A distribution, and the number of its search directory.
struct Listed {
    key: Vec<u8>,
    name: Vec<u8>,
    version: Vec<u8>,
    file_name: Vec<u8>,
    number: usize,
    has_metadata: bool,
    /// It has core metadata, and no other one in its directory is chosen instead.
    counts: bool,
}

/// All distributions, or those with these normalized names.
fn distributions(answers: &Answers<'_>, names: &[Vec<u8>]) -> Result<Vec<Listed>, (usize, Damage)> {
    let mut found = Vec::new();
    for number in 0..answers.len() {
        let at = |damage| (number, damage);
        let (_, record) = answers.record(number).map_err(at)?;
        for distribution in record.distributions() {
            let distribution = distribution.map_err(at)?;
            let key = normalize_bytes(&distribution.name);
            if !names.is_empty() && !names.contains(&key) {
                continue;
            }
            let has_metadata = distribution.has(HAS_METADATA);
            found.push(Listed {
                counts: has_metadata && !distribution.has(SHADOWED),
                has_metadata,
                key,
                name: distribution.name,
                version: distribution.version,
                file_name: distribution.file_name,
                number,
            });
        }
    }
    Ok(found)
}

#[derive(Serialize)]
struct Row<'a> {
    name: JsonText<&'a [u8]>,
    version: JsonText<&'a [u8]>,
    path: JsonText,
    interpreters: &'a [Interpreted],
    has_metadata: bool,
    counts: bool,
}

impl Listed {
    fn json<'a>(&'a self, places: &'a Places) -> Row<'a> {
        let (directory, interpreters) = places.of_number(self.number);
        let path = directory.join(std::ffi::OsStr::from_bytes(&self.file_name));
        Row {
            name: JsonText(&self.name),
            version: JsonText(&self.version),
            path: path.as_path().into(),
            interpreters,
            has_metadata: self.has_metadata,
            counts: self.counts,
        }
    }

    /// Name, version, search directory, versions of interpreters.
    fn cells(&self, places: &Places) -> [String; 4] {
        let (directory, interpreters) = places.of_number(self.number);
        let mut versions: Vec<&str> = interpreters.iter().map(|it| &*it.version).collect();
        versions.dedup();
        [
            escape_bytes(&self.name),
            escape_bytes(&self.version),
            escape_bytes(directory.as_os_str().as_bytes()),
            versions.join(","),
        ]
    }
}
