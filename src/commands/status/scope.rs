//! What `epcache status` is asked about: search directories, and the commands that index them.

use std::path::{Path, PathBuf};

use super::super::asking::{interpreter, user_base};
use super::super::{CommandError, failed, system_mending};
use crate::cli::StatusArgs;
use crate::config::Config;
use crate::environment::Environment;
use crate::layout::{self, Found, Mode};
use crate::lookup::PlaceKind;
use crate::rooted::Root;
use crate::terminal::shell_word;
use crate::worker::{Scope, search_directories};

/// What is asked about.
pub(super) struct Asked {
    /// Search directories, each with the command that indexes it.
    pub(super) wanted: Vec<(Found, String)>,
    /// The environment whose index is asked as well.
    pub(super) venv: Option<PathBuf>,
    /// Whether nothing else is of interest.
    pub(super) is_narrow: bool,
    /// Where the index of these directories would be.
    pub(super) own: Option<PlaceKind>,
}

/// What is asked about. Without a scope: the system, and the active environment.
pub(super) fn asked(
    arguments: &StatusArgs,
    root: &Root,
    environment: &Environment,
    config: &Config,
) -> Result<Asked, CommandError> {
    let found = |scope: &Scope| search_directories(root, scope).map_err(failed);
    let narrow = |wanted, venv, own| Asked {
        wanted,
        venv,
        is_narrow: true,
        own,
    };
    let of_venv = |dir: &Path| format!("epcache refresh --venv {}", shell_word(dir));
    if let Some(dir) = &arguments.venv {
        let wanted = vec![(found(&Scope::Venv(dir.clone()))?, of_venv(dir))];
        return Ok(narrow(wanted, Some(dir.clone()), Some(PlaceKind::Venv)));
    }
    if arguments.user {
        let home = environment.home.clone();
        let home = home.ok_or_else(|| failed("--user: HOME is not set"))?;
        let user_base = environment.user_base.clone();
        let of_user = found(&Scope::User { home, user_base })?;
        let wanted = vec![(of_user, "epcache refresh --user".into())];
        return Ok(narrow(wanted, None, Some(PlaceKind::User)));
    }
    if !arguments.path.is_empty() {
        for path in &arguments.path {
            if let Some(why) = layout::doubt(root, &layout::absolute(root, path)) {
                log::warn!("--path {}: {why}", path.display());
            }
        }
        let of_paths = found(&Scope::Paths(arguments.path.clone()))?;
        let words: Vec<_> = arguments.path.iter().map(|it| shell_word(it)).collect();
        let command = format!("epcache refresh --path {} --output ...", words.join(" "));
        return Ok(narrow(vec![(of_paths, command)], None, None));
    }
    if let Some(python) = &arguments.python {
        let (interpreter, _) = interpreter(None, Some(python), root, environment)?;
        let user_base = user_base(root, environment);
        let venv = interpreter.venv.as_ref().map(|venv| venv.prefix.clone());
        let mode = Mode::Ordinary(user_base.as_deref());
        let mut wanted = Vec::new();
        for entry in layout::sys_path_as(root, &interpreter, mode).entries {
            let is_below = |dir: &Option<PathBuf>| {
                let dir = dir.as_ref();
                dir.is_some_and(|dir| entry.path.starts_with(dir))
            };
            let command = match &venv {
                Some(dir) if is_below(&venv) => of_venv(dir),
                _ if is_below(&user_base) => "epcache refresh --user".into(),
                _ => system_mending(root),
            };
            let found = Found {
                directories: vec![entry],
                ..Found::default()
            };
            wanted.push((found, command));
        }
        return Ok(narrow(wanted, venv, None));
    }
    let mut wanted = Vec::new();
    let active = environment.venv.clone();
    let venv = active.filter(|_| root.is_system() && !arguments.system);
    if let Some(dir) = &venv {
        match search_directories(root, &Scope::Venv(dir.clone())) {
            Ok(found) => wanted.push((found, of_venv(dir))),
            Err(error) => log::warn!("VIRTUAL_ENV: {error}"),
        }
    }
    let extra = config.directories.clone();
    wanted.push((found(&Scope::System { extra })?, system_mending(root)));
    Ok(Asked {
        wanted,
        venv,
        is_narrow: arguments.system,
        own: Some(PlaceKind::System),
    })
}
