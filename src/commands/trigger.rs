//! `epcache trigger`: a transaction of the package manager has ended, refresh the system index if it
//! touched Python packages.
//!
//! It never hurts the transaction. It reads what it is given to the end, says nothing unless something
//! is amiss, and ends with status 0 whatever happens (unless `--strict`): a failure is a line on standard
//! error, one in the state file, one in the journal, and an index that readers suspect.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::renewal::{
    Patience, Renewed, Work, incomplete, old_index, readers, registered, renew, system_places,
};
use super::{
    CommandError, Done, FAILURE, SUCCESS, configuration, failed, open_root, system_mending,
};
use crate::cli::{PackageManager, TriggerArgs};
use crate::config::Config;
use crate::environment::Environment;
use crate::index::format::SUSPECT_AT;
use crate::journal;
use crate::lookup::SYSTEM_INDEXES;
use crate::privsep::{self, Sandbox};
use crate::publish::{Destination, Folder, Place, PublishError, lock_first};
use crate::rooted::Root;
use crate::state::{self, Caller, Outcome, Run};
use crate::trigger::{self, Touched};
use crate::worker::{Request, Scope};

/// How long a trigger waits for another writer: far longer than an honest refresh takes, and not so long
/// that whoever watches the package manager wonders. Not to get the lock is a failure like any other, and
/// costs readers a closer look.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long its worker may take: longer than an honest one does on the slowest disk, and no longer than
/// somebody watches a package manager that does nothing.
const WORKER_PATIENCE: Patience = Patience {
    silence: Duration::from_secs(30),
    time: Duration::from_secs(300),
};

/// All of it, the parts included that look at configuration and index: whatever it waits for, it ends.
const WHOLE_PATIENCE: Duration = Duration::from_secs(310);

pub(crate) fn run(arguments: &TriggerArgs, work: Work) -> Done {
    privsep::settle();
    // First of all, whatever is switched off: rpm's list is to be read.
    let told = Told::by(arguments);
    let serve = || match caught(|| serve(arguments, told, work)) {
        Ok(()) => SUCCESS,
        Err(error) => {
            log::error!("{error}");
            FAILURE
        }
    };
    let status = privsep::within(WHOLE_PATIENCE, serve).unwrap_or_else(|trouble| {
        log::error!("trigger: {trouble}; lookups check for themselves");
        FAILURE
    });
    Ok(if arguments.strict { status } else { SUCCESS })
}

/// What the package manager has said.
struct Told {
    caller: Caller,
    touched: Touched,
}

impl Told {
    fn by(arguments: &TriggerArgs) -> Self {
        let (caller, touched) = match arguments.manager {
            PackageManager::Rpm => (Caller::Rpm, trigger::rpm_stdin()),
            PackageManager::Dpkg => (Caller::Dpkg, trigger::dpkg(&arguments.args)),
        };
        Self { caller, touched }
    }
}

fn serve(arguments: &TriggerArgs, told: Told, work: Work) -> Result<(), CommandError> {
    panic::set_hook(Box::new(|panic| {
        if let Ok(mut said) = PANIC.lock() {
            *said = panic.to_string();
        }
    }));
    let environment = Environment::of_process();
    answer(arguments, told, &environment, |root, request, place| {
        let quiet = &mut |_| ();
        renew(root, request, Some(place), WORKER_PATIENCE, work, quiet)
    })
}

/// `work` makes what is requested and publishes it at the place.
fn answer(
    arguments: &TriggerArgs,
    Told { caller, touched }: Told,
    environment: &Environment,
    work: impl FnOnce(&Root, &Request, &Place) -> Result<Renewed, CommandError>,
) -> Result<(), CommandError> {
    let started = Instant::now();
    let default_root = match caller {
        Caller::Dpkg => environment.dpkg_root.as_deref(),
        _ => None,
    };
    log::debug!("{}: touched: {touched:?}", caller.word());
    if touched == Touched::Nothing {
        return Ok(());
    }
    privsep::refuse_pretended_root().map_err(failed)?;
    let root = open_root(arguments.root.as_deref().or(default_root))?;
    let config = configuration(&root);
    let places = system_places();
    let record = |result, message: &str, sandbox: Option<Sandbox>| {
        let epoch = environment.source_date_epoch;
        let run = Run::ended(result, message, started.elapsed(), epoch);
        let run = run.within(sandbox.filter(|_| epoch.is_none()).map(|it| it.describe()));
        state::record(&root, &places, caller, &run);
        run
    };
    if let Some(why) = switched_off(&config, environment) {
        log::warn!("{} trigger: nothing refreshed, {why}", caller.word());
        record(Outcome::Skipped, why, None);
        return Ok(());
    }
    let scope = Scope::System {
        extra: config.directories,
    };
    let purpose = scope.purpose(false, environment.source_date_epoch);
    let mut request = Request::full(scope, purpose);
    request.consumers = Some(registered(&root));
    request.is_shared = true;
    if let Touched::Named(named) = touched {
        request.named = Some(named);
    }
    let refreshed = caught(|| refresh(&root, request, &places, work));
    let sandbox = refreshed.as_ref().ok().map(|renewed| renewed.sandbox);
    if let Some(lack) = sandbox.and_then(|sandbox| sandbox.lack()) {
        say_once(&root, caller, lack, sandbox);
    }
    let failure = match refreshed {
        Ok(renewed) => incomplete(&renewed.product),
        Err(error) => Some(error.to_string()),
    };
    let Some(failure) = failure else {
        record(Outcome::Ok, "", sandbox);
        return Ok(());
    };
    let run = record(Outcome::Failed, &failure, sandbox);
    if root.is_system() {
        journal::error(&format!("{} trigger: {}", caller.word(), run.message));
    }
    let mending = system_mending(&root);
    Err(failed(format!(
        "{} trigger: {failure}; until `{mending}` mends it, lookups check for themselves",
        caller.word()
    )))
}

/// What the kernel lacks is news the first time, and not with every transaction.
fn say_once(root: &Root, caller: Caller, lack: &str, sandbox: Option<Sandbox>) {
    let before = state::read(root, &SYSTEM_INDEXES.map(Path::new));
    let before = before.get(&caller).map(|run| run.sandbox.as_str());
    let is_known = before == sandbox.map(|sandbox| sandbox.describe()).as_deref();
    let level = if is_known {
        log::Level::Info
    } else {
        log::Level::Warn
    };
    log::log!(level, "this kernel has {lack}: packages are read without");
}

/// Why the triggers do nothing, where the administrator wants it so.
pub(super) fn switched_off(config: &Config, environment: &Environment) -> Option<&'static str> {
    if environment.disable {
        Some("EPCACHE_DISABLE is set")
    } else if !config.auto_update {
        Some("the configuration says auto-update = no")
    } else {
        None
    }
}

fn refresh(
    root: &Root,
    mut request: Request,
    places: &[Destination],
    work: impl FnOnce(&Root, &Request, &Place) -> Result<Renewed, CommandError>,
) -> Result<Renewed, CommandError> {
    let locked = lock_first(places, |path| Place::lock(root, path, PATIENCE));
    let place = locked.map_err(|error| {
        for path in places {
            let folder = Folder::of(root, path);
            said(folder.and_then(|folder| folder.overwrite_byte(SUSPECT_AT, SUSPECT)));
        }
        failed(error)
    })?;
    // What others suspect is not started from; but what only this trigger does, is.
    request.old = old_index(&place);
    request.readers = readers(&place);
    // Before the work and not after it has failed: whoever is killed marks nothing any more.
    said(place.overwrite_byte(SUSPECT_AT, SUSPECT));
    let renewed = work(root, &request, &place)?;
    if renewed.product.unchanged {
        said(place.overwrite_byte(SUSPECT_AT, RIGHT));
    }
    // One's own package manager is no place for what is wrong with others' packages: `status` says it.
    for warning in &renewed.product.warnings {
        log::info!("{warning}");
    }
    Ok(renewed)
}

/// The old index may be wrong from now on, until there is a new one.
const SUSPECT: u8 = 1;
/// It has turned out to be right.
const RIGHT: u8 = 0;

/// Where no index is, there is none to be marked.
fn said(marked: Result<(), PublishError>) {
    if let Err(error) = marked {
        log::debug!("not marked: {error}");
    }
}

/// What the last panic said, in whichever thread, for one line about it.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// A panic is a failure like any other.
fn caught<T>(work: impl FnOnce() -> Result<T, CommandError>) -> Result<T, CommandError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let what = PANIC.lock().map(|said| said.clone()).unwrap_or_default();
        Err(failed(format!("a bug in epcache: {what}")))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_panic_is_a_failure_that_leaves_a_suspect_index_and_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("usr/lib/epcache");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("index"), [0; 64]).unwrap();
        let arguments = TriggerArgs {
            manager: PackageManager::Dpkg,
            root: Some(dir.path().to_owned()),
            strict: false,
            args: Vec::new(),
        };
        let told = Told::by(&arguments);
        let served = answer(&arguments, told, &Environment::default(), |_, _, _| {
            panic!("oh")
        });
        assert!(matches!(served, Err(CommandError::Failed(_))));
        let index = fs::read(folder.join("index")).unwrap();
        assert_eq!(index[SUSPECT_AT as usize], 1);
        let root = Root::at(dir.path()).unwrap();
        let state = state::read(&root, &[Path::new("/usr/lib/epcache/index")]);
        assert_eq!(state[&Caller::Dpkg].result, Outcome::Failed);
    }
}
