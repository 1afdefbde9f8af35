//! `epcache refresh`: reads the packages of a scope and publishes the index.
//!
//! The input is the scope and the place. The output is a summary, and a published index.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::renewal::{
    Patience, Renewed, Work, incomplete, old_index, readers, registered, renew, system_places,
    unwritten,
};
use super::{
    CommandError, Done, INCOMPLETE, SUCCESS, configuration, failed, open_root, plural,
    say_what_hangs,
};
use crate::cli::RefreshArgs;
use crate::config::{self, Remark};
use crate::environment::Environment;
use crate::json::JsonText;
use crate::layout::{self, LayoutError};
use crate::privsep::{self, Sandbox};
use crate::publish::{Destination, LOCK_PATIENCE, Outcome, Place, PublishError, lock_first};
use crate::rooted::Root;
use crate::scan::Warning;
use crate::state::{self, Caller, Run};
use crate::terminal::{Output, say, shell_word};
use crate::worker::{Progress, Request, Scope};

/// A shorter refresh shows no progress.
const SHOW_PROGRESS_AFTER: Duration = Duration::from_millis(500);
const SHOW_PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// A user waits and can interrupt it.
const PATIENCE: Patience = Patience {
    silence: Duration::from_secs(120),
    time: Duration::from_secs(3600),
};

pub(crate) fn run(arguments: &RefreshArgs, work: Work) -> Done {
    let started = Instant::now();
    privsep::settle();
    privsep::refuse_pretended_root().map_err(failed)?;
    let root = open_root(arguments.root.as_deref())?;
    let environment = Environment::of_process();
    let watched = say_what_hangs();
    let mut if_missing = Vec::new();
    let scope = scope(arguments, &root, &environment, &mut if_missing)?;
    let mut places = destinations(arguments, &scope, &environment)?;
    let owner = other_owner(&root, &scope, &mut places)?;
    // The lock and the worker have their own limits. And a process that changes its user has one
    // thread.
    drop(watched);
    if let Some((uid, gid)) = owner {
        log::info!("refreshed as the tree's owner, user {uid}");
        privsep::become_owner(uid, gid).map_err(failed)?;
    }
    let purpose = scope.purpose(arguments.image, environment.source_date_epoch);
    let mut request = Request::full(scope, purpose);
    request.if_missing = if_missing;
    // The user has named the place. The index has the owner of the packages in it.
    let is_system = matches!(request.scope, Scope::System { .. });
    request.is_shared = is_system && arguments.output.is_none();
    // An index for another place leaves no state here.
    let is_usual = arguments.output.is_none() && !arguments.dry_run;
    let is_system = is_usual && matches!(request.scope, Scope::System { .. });
    request.consumers = is_system.then(|| registered(&root));
    let done = refresh(arguments, &root, &mut request, &places, work);
    // A user who wants an image wants only the index in it.
    if is_system && !arguments.image {
        let (result, message) = match &done {
            Ok((_, renewed)) => match incomplete(&renewed.product) {
                None => (state::Outcome::Ok, String::new()),
                Some(text) => (state::Outcome::Failed, text),
            },
            Err(error) => (state::Outcome::Failed, error.to_string()),
        };
        let epoch = environment.source_date_epoch;
        let sandbox = done.as_ref().ok().map(|(_, renewed)| renewed.sandbox);
        let run = Run::ended(result, &message, started.elapsed(), epoch)
            .within(sandbox.filter(|_| epoch.is_none()).map(|it| it.describe()));
        state::record(&root, &places, Caller::Refresh, &run);
    }
    let (path, renewed) = done?;
    report(arguments, &renewed, &path, started.elapsed())?;
    Ok(if renewed.product.failures.is_empty() {
        SUCCESS
    } else {
        INCOMPLETE
    })
}

/// The owner of another user's tree, user and group. The tree is refreshed as that user, including
/// publishing, because that user decides what is in it and where links in it lead. The file system
/// may give a false owner, so the places to write to are opened before.
fn other_owner(
    root: &Root,
    scope: &Scope,
    places: &mut [Destination],
) -> Result<Option<(u32, u32)>, CommandError> {
    let (Scope::Venv(dir) | Scope::User { home: dir, .. }) = scope else {
        return Ok(None);
    };
    if !root.is_system() || !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let owner = Destination::new(dir, "").hold().map_err(failed)?;
    if owner.st_uid == 0 {
        return Ok(None);
    }
    for place in places {
        place.hold().map_err(failed)?;
    }
    Ok(Some((owner.st_uid, owner.st_gid)))
}

fn refresh(
    arguments: &RefreshArgs,
    root: &Root,
    request: &mut Request,
    places: &[Destination],
    work: Work,
) -> Result<(PathBuf, Renewed), CommandError> {
    // A path on the command line belongs to the caller, whatever the root is.
    let system = Root::system();
    let base = match arguments.output {
        Some(_) => &system,
        None => root,
    };
    // Lock before reading anything: of two refreshes the later one has seen the later state.
    let place = if arguments.dry_run {
        None
    } else {
        Some(lock(base, places, &request.scope)?)
    };
    let path = match (&place, places.first()) {
        (Some(place), _) => place.path().to_owned(),
        (None, Some(place)) => place.shown(base),
        (None, None) => PathBuf::new(),
    };

    let mut progress = Spinner::new();
    request.old = place
        .as_ref()
        .filter(|_| !arguments.full)
        .and_then(old_index);
    request.readers = place.as_ref().map(readers).unwrap_or_default();
    let mut show = |state| progress.show(state);
    let renewed = renew(root, request, place.as_ref(), PATIENCE, work, &mut show);
    progress.clear();
    Ok((path, renewed?))
}

fn scope(
    arguments: &RefreshArgs,
    root: &Root,
    environment: &Environment,
    if_missing: &mut Vec<(PathBuf, Warning)>,
) -> Result<Scope, CommandError> {
    // A place to write to is created, so check before what must exist already.
    let home = || {
        let Some(home) = &environment.home else {
            return Err(failed("--user: HOME is not set"));
        };
        match Destination::new(home, "").hold() {
            Ok(_) => Ok(home.clone()),
            Err(error) if error.is_missing() => Err(failed(format!(
                "--user: HOME is {}, which is no directory",
                home.display()
            ))),
            Err(error) => Err(failed(error)),
        }
    };
    let venv = |dir: PathBuf| {
        // On the running system, the directory's owner decides what is in it: look only at its
        // name.
        let is_there = if root.is_system() {
            let mut marker = Destination::new(&dir, "pyvenv.cfg");
            match marker.hold() {
                Err(error) if !error.is_missing() => return Err(failed(error)),
                _ => marker.is_there(),
            }
        } else {
            root.is_file(&dir.join("pyvenv.cfg"))
        };
        match is_there {
            true => Ok(Scope::Venv(dir)),
            false => Err(failed(LayoutError::NotAVenv(dir))),
        }
    };
    let mut system = || {
        let config = configuration(root);
        let named = config::if_missing(&config).into_iter();
        *if_missing = named.map(|(path, text)| (path, warning(text))).collect();
        Scope::System {
            extra: config.directories,
        }
    };
    let user = || {
        Ok(Scope::User {
            home: home()?,
            user_base: environment.user_base.clone(),
        })
    };
    if let Some(dir) = &arguments.venv {
        return venv(absolute(root, dir)?);
    }
    if !arguments.path.is_empty() {
        // The process that reads has another working directory.
        let paths = arguments
            .path
            .iter()
            .map(|path| layout::absolute(root, path));
        return Ok(Scope::Paths(paths.collect()));
    }
    if arguments.user {
        return user();
    }
    let is_root = nix::unistd::geteuid().is_root();
    if arguments.system || is_root || !root.is_system() {
        let active = environment.venv.as_deref();
        let active = active.filter(|_| !arguments.system && root.is_system());
        if let Some(dir) = active.filter(|_| log::log_enabled!(log::Level::Warn)) {
            let dir = shell_word(dir);
            say(&format!(
                "the active environment is left alone: `epcache refresh --venv {dir}` is for it"
            ));
        }
        return Ok(system());
    }
    match &environment.venv {
        Some(dir) => {
            venv(absolute(root, dir)?).map_err(|error| failed(format!("VIRTUAL_ENV: {error}")))
        }
        None => user(),
    }
}

fn warning(Remark { path, line, text }: Remark) -> Warning {
    let path = match line {
        Some(line) => PathBuf::from(format!("{}:{line}", path.display())),
        None => path,
    };
    Warning { path, text }
}

/// Below a root of its own, any path is one inside that root.
fn absolute(root: &Root, path: &Path) -> Result<PathBuf, CommandError> {
    if root.is_system() {
        std::path::absolute(path).map_err(|error| failed(format!("{}: {error}", path.display())))
    } else {
        Ok(Path::new("/").join(path))
    }
}

/// The places for the index in order of preference, as seen from inside the root unless given.
fn destinations(
    arguments: &RefreshArgs,
    scope: &Scope,
    environment: &Environment,
) -> Result<Vec<Destination>, CommandError> {
    if let Some(output) = &arguments.output {
        return Ok(vec![Destination::of_file(output)]);
    }
    let inside = match scope {
        Scope::System { .. } => return Ok(system_places()),
        Scope::Venv(dir) => Destination::new(dir, ".epcache/index"),
        Scope::User { home, .. } => match &environment.cache_home {
            Some(cache) => Destination::new(cache, "epcache/index"),
            None => Destination::new(home, ".cache/epcache/index"),
        },
        Scope::Paths(_) => return Err(failed("--path needs --output FILE")),
    };
    Ok(vec![inside])
}

fn lock(base: &Root, places: &[Destination], scope: &Scope) -> Result<Place, CommandError> {
    lock_first(places, |place| lock_patiently(base, place)).map_err(|error| {
        if error.is_forbidden() && matches!(scope, Scope::System { .. }) {
            failed(format!(
                "{error}; --system is for root, --user and --venv are for everybody"
            ))
        } else {
            unwritten(&error)
        }
    })
}

/// Reports when it has to wait.
fn lock_patiently(base: &Root, place: &Destination) -> Result<Place, PublishError> {
    match Place::lock(base, place, SHOW_PROGRESS_AFTER) {
        Err(error) if error.is_busy() => {
            log::warn!(
                "{}: another refresh is at work, waiting for it for up to {} s",
                place.shown(base).display(),
                LOCK_PATIENCE.as_secs()
            );
            Place::lock(base, place, LOCK_PATIENCE)
        }
        done => done,
    }
}

/// The progress of a slow refresh on a terminal: a line with a growing number, removed at the end.
struct Spinner {
    started: Instant,
    watched: bool,
    shown: Option<(Instant, String)>,
}

impl Spinner {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            watched: std::io::stderr().is_terminal() && log::log_enabled!(log::Level::Warn),
            shown: None,
        }
    }

    fn show(&mut self, state: Progress) {
        let is_old = |(at, _): &(Instant, String)| at.elapsed() > SHOW_PROGRESS_EVERY;
        if self.watched
            && self.started.elapsed() > SHOW_PROGRESS_AFTER
            && self.shown.as_ref().is_none_or(is_old)
        {
            let line = format!("epcache: {} distributions read …", state.distributions);
            let _ = write!(std::io::stderr(), "\r{line}");
            self.shown = Some((Instant::now(), line));
        }
    }

    fn clear(&self) {
        if let Some((_, line)) = &self.shown {
            let _ = write!(std::io::stderr(), "\r{:1$}\r", "", line.chars().count());
        }
    }
}

/// What `refresh --json` prints.
#[derive(Serialize)]
struct Summary {
    directories: usize,
    distributions: usize,
    entry_points: usize,
    reused: usize,
    scanned: usize,
    warnings: Vec<String>,
    errors: Vec<String>,
    notes: Vec<String>,
    left_out: Vec<LeftOut>,
    unsaid: usize,
    index: JsonText,
    written: bool,
    size: u64,
    elapsed_ms: f64,
    sandbox: InForce,
}

#[derive(Serialize)]
struct LeftOut {
    path: JsonText,
    reason: String,
}

/// What was in force while packages were read.
#[derive(Serialize)]
struct InForce {
    privileges: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    landlock: &'static str,
    seccomp: bool,
}

impl From<Sandbox> for InForce {
    fn from(sandbox: Sandbox) -> Self {
        Self {
            privileges: sandbox.privileges.word(),
            uid: sandbox.privileges.uid(),
            landlock: sandbox.landlock.word(),
            seccomp: sandbox.seccomp,
        }
    }
}

fn report(
    arguments: &RefreshArgs,
    Renewed {
        product,
        outcome,
        sandbox,
        size,
    }: &Renewed,
    path: &Path,
    elapsed: Duration,
) -> Result<(), CommandError> {
    if let Some(lack) = sandbox.lack() {
        log::warn!("this kernel has {lack}: packages were read without");
    }
    for failure in &product.failures {
        log::error!("{failure}");
    }
    for warning in &product.warnings {
        log::warn!("{warning}");
    }
    for note in &product.notes {
        log::info!("{note}");
    }
    for (path, reason) in &product.left_out {
        log::info!("{}: left to live lookups: {reason}", path.display());
    }
    if product.unsaid > 0 {
        log::warn!("{} more remarks are not shown", product.unsaid);
    }
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    if arguments.json {
        let summary = Summary {
            directories: product.directories,
            distributions: product.distributions,
            entry_points: product.entry_points,
            reused: product.reused,
            scanned: product.scanned,
            warnings: product.warnings.iter().map(ToString::to_string).collect(),
            errors: product.failures.iter().map(ToString::to_string).collect(),
            notes: product.notes.iter().map(ToString::to_string).collect(),
            left_out: product
                .left_out
                .iter()
                .map(|(path, reason)| LeftOut {
                    path: path.as_path().into(),
                    reason: reason.to_string(),
                })
                .collect(),
            unsaid: product.unsaid,
            index: path.into(),
            written: *outcome == Some(Outcome::Written),
            size: *size,
            elapsed_ms: (milliseconds * 1000.0).round() / 1000.0,
            sandbox: (*sandbox).into(),
        };
        let mut output = Output::stdout();
        output.json(&summary)?;
        output.flush()?;
    }
    // The summary, unless the user wants silence.
    if log::log_enabled!(log::Level::Warn) && !arguments.json {
        let fate = match outcome {
            Some(Outcome::Written) => "written",
            Some(Outcome::Unchanged) => "unchanged",
            None => "not written (dry run)",
        };
        say(&format!(
            "{} in {}, {}: {} {fate} in {milliseconds:.1} ms",
            plural(product.entry_points, "entry point", "entry points"),
            plural(product.distributions, "distribution", "distributions"),
            plural(
                product.directories,
                "search directory",
                "search directories"
            ),
            path.display(),
        ));
    }
    Ok(())
}
