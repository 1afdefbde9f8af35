//! Finds out what is wrong with installed packages: files that are not understood, things in the
//! wrong place, entry points that lead nowhere, names that clash, missing requirements.
//!
//! Input: a root, the interpreters or directories concerned, perhaps names of distributions.
//! Output: findings, each of a kind that [`catalogue`] explains. Files are read live and as data,
//! within the budget of the scan and this room's own limits. Nothing is imported, run or printed.
//! [`job`] runs in the sandboxed child. [`Reception`] receives what it sends and trusts none of it.

pub mod catalogue;
mod clash;
mod entry_file;
mod finding;
mod group;
mod listings;
mod message;
mod modules;
mod place;
mod reference;
mod requirement;
mod setting;
mod site;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::index::format::distribution_flag as flag;
use crate::layout::{LayoutError, Wanted};
use crate::metadata::marker::Environment;
use crate::metadata::normalize::{normalize, normalize_bytes};
use crate::privsep::Sender;
use crate::rooted::Root;

pub use finding::{Finding, MOST};
pub use message::{MOST_BYTES, Reception};
pub use setting::Scope;

use finding::Findings;
use listings::Listings;
use modules::Modules;
use requirement::Requiring;
use setting::Setting;
use site::{Installed, Site};

/// The maximum number of distributions that are checked, of all search directories together.
const MOST_DISTRIBUTIONS: usize = 200_000;

/// A request for a check.
#[derive(Debug)]
pub struct Request {
    /// The packages to check.
    pub scope: Scope,
    /// The distributions, by any spelling of their names. Empty for all.
    pub names: Vec<String>,
    /// The value of `PATH`.
    pub path_env: Option<OsString>,
    /// The user's own packages (`~/.local`), if they count.
    pub user_base: Option<PathBuf>,
    /// The kind of machine, as `uname -m` has it.
    pub machine: Option<String>,
}

/// The result of a check.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Sorted by file and line.
    pub findings: Vec<Finding>,
    /// The interpreters whose packages were checked.
    pub interpreters: Vec<String>,
    /// The number of distributions that were checked.
    pub distributions: usize,
    /// How many more findings there were.
    pub unsaid: usize,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The search directories could not be determined.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No distribution has this name.
    #[error("no distribution {0} is installed there")]
    NoSuchDistribution(String),
}

/// Opens the directories that the request names, before this process gives up root's rights.
pub fn enter(root: &Root, request: &Request) {
    let (paths, wanted) = match &request.scope {
        Scope::System => return,
        Scope::Interpreter(wanted) => (&[][..], wanted),
        Scope::Paths(paths, wanted) => (paths.as_slice(), wanted),
    };
    let prefix = |bin: &Path| bin.parent().map(Path::to_owned);
    let of_program = |program: &Path| program.parent().and_then(prefix);
    // A link leads to the interpreter whose standard library it is.
    let real = |program: &Path| of_program(&fs::canonicalize(program).ok()?);
    let named: Vec<PathBuf> = match (wanted, &request.path_env) {
        (Wanted::Venv(dir), _) => {
            let base = real(&dir.join("bin/python3")).or_else(|| real(&dir.join("bin/python")));
            base.into_iter().chain([dir.clone()]).collect()
        }
        (Wanted::Executable(program), _) => {
            let both = [of_program(program), real(program)];
            both.into_iter().flatten().collect()
        }
        // The interpreter is searched there.
        (_, Some(path)) => std::env::split_paths(path)
            .filter_map(|it| prefix(&it))
            .collect(),
        (_, None) => Vec::new(),
    };
    root.open_named(paths.iter().chain(&named).map(PathBuf::as_path));
}

/// Handles a request, and sends the result.
pub fn job(root: &Root, request: &Request, sender: &mut Sender<File>) {
    // Ignores the error: the receiver has gone.
    let _ = message::send(sender, run(root, request));
}

/// Handles a request below `root`.
///
/// # Errors
/// [`CheckError`].
pub fn run(root: &Root, request: &Request) -> Result<Checked, CheckError> {
    let user_base = request.user_base.as_deref();
    let path_env = request.path_env.as_ref();
    let settings = setting::settings(root, &request.scope, path_env, user_base)?;
    let names = request.names.iter();
    let mut work = Work {
        root,
        listings: Listings::new(root),
        sites: HashMap::new(),
        findings: Findings::about(names.map(|it| normalize_bytes(it.as_bytes())).collect()),
        distributions: 0,
    };
    for setting in &settings {
        work.findings.interpreter = None;
        let sites = setting.sites.iter();
        let sites: Vec<_> = sites.map(|path| work.site(path)).collect();
        work.findings.interpreter.clone_from(&setting.label);
        work.check(setting, &sites, request.machine.clone());
    }
    for name in &request.names {
        let key = normalize_bytes(name.as_bytes());
        let mut all = work.sites.values().flat_map(|site| &site.distributions);
        if !all.any(|it| normalize_bytes(it.name()) == key) {
            return Err(CheckError::NoSuchDistribution(name.clone()));
        }
    }
    Ok(Checked {
        interpreters: settings.into_iter().filter_map(|it| it.label).collect(),
        distributions: work.distributions,
        unsaid: work.findings.unsaid,
        findings: work.findings.sorted(),
    })
}

/// Shared by all settings.
struct Work<'r> {
    root: &'r Root,
    listings: Listings<'r>,
    /// The search directories that have been read, by their paths.
    sites: HashMap<PathBuf, Rc<Site>>,
    findings: Findings,
    distributions: usize,
}

impl Work<'_> {
    /// A search directory, read once.
    fn site(&mut self, path: &Path) -> Rc<Site> {
        if let Some(site) = self.sites.get(path) {
            return site.clone();
        }
        let site = if self.distributions >= MOST_DISTRIBUTIONS {
            let text =
                format!("more than {MOST_DISTRIBUTIONS} distributions have been read before");
            let kind = catalogue::UNCHECKED;
            self.findings.add(kind, path, None, b"", text);
            Site::empty(path)
        } else {
            let site = Site::read(self.root, path, &mut self.findings);
            place::check(&site, &mut self.listings, &mut self.findings);
            site
        };
        self.distributions += site.distributions.len();
        let site = Rc::new(site);
        self.sites.insert(path.to_owned(), site.clone());
        site
    }

    /// Checks the distributions of one `sys.path` together.
    fn check(&mut self, setting: &Setting, sites: &[Rc<Site>], machine: Option<String>) {
        let counting = self.counting(sites);
        let installed: Vec<&Installed> = counting.iter().map(|(_, one)| *one).collect();
        let tag = setting.tag.clone();
        let paths = [setting.library.as_slice(), &setting.sites].concat();
        let mut modules = Modules::new(self.root, paths, tag);
        let by_name = || {
            let name = |it: &Installed| normalize(&String::from_utf8_lossy(it.name()));
            installed.iter().map(|it| (name(it), *it)).collect()
        };
        let requiring = setting.version.map(|version| Requiring {
            root: self.root,
            by_name: by_name(),
            environment: Environment { version, machine },
            is_whole: setting.is_whole,
        });
        let Self {
            root,
            listings,
            findings,
            ..
        } = self;
        for (site, one) in &counting {
            if !findings.is_wanted(one.name()) {
                continue;
            }
            let is_whole = setting.is_whole;
            reference::check(root, one, &mut modules, listings, is_whole, findings);
            clash::scripts(&site.path, one, listings, findings);
            if let Some(requiring) = &requiring {
                requiring.check(one, findings);
            }
        }
        group::check(&installed, findings);
        clash::same_names(root, &counting, findings);
    }

    /// The distributions that count, in the library's order: those with metadata first, and of
    /// those of one name the first.
    fn counting<'s>(&mut self, sites: &'s [Rc<Site>]) -> Vec<(&'s Site, &'s Installed)> {
        let mut first: HashMap<&[u8], &Installed> = HashMap::new();
        let mut counting = Vec::new();
        for has_metadata in [true, false] {
            for site in sites {
                let chosen = site.distributions.iter().filter(|it| {
                    it.row.has(flag::HAS_METADATA) == has_metadata && !it.row.has(flag::SHADOWED)
                });
                for one in chosen {
                    match first.get(&*one.row.key) {
                        None => {
                            first.insert(&one.row.key, one);
                            counting.push((&**site, one));
                        }
                        Some(earlier) if earlier.path != one.path => {
                            let at = earlier.path.display();
                            let text = format!("hidden by {} in {at}", earlier.shown());
                            let kind = catalogue::SHADOWED;
                            self.findings.add(kind, &one.path, None, one.name(), text);
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        counting
    }
}
