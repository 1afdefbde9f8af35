//! `epcache status`: the indexes and their states.
//!
//! The input is the places of indexes and the wanted search directories. The output is a table, or
//! JSON.

mod print;
mod record;
mod scope;
mod settings;

use std::collections::HashSet;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

use super::consumers::Consumers;
use super::say_what_hangs;
use super::triggers::Triggers;
use super::{Done, STALE, SUCCESS, configuration, mending, moved_from, open_root, say_missing};
use crate::cli::{Cli, StatusArgs};
use crate::environment::Environment;
use crate::json::JsonText;
use crate::layout::{Found, Reason};
use crate::lookup::{OpenIndex, PlaceKind, Unusable, places};
use crate::rooted::Root;
use crate::state::now;
use crate::terminal::Output;
use record::record_statuses;

pub(crate) fn run(cli: &Cli, arguments: &StatusArgs) -> Done {
    let watched = say_what_hangs();
    let root = open_root(arguments.root.as_deref())?;
    let environment = Environment::of_process();
    let config = configuration(&root);
    let mut output = Output::stdout();
    if arguments.config {
        return settings::print(&config, &mut output, arguments.json);
    }
    let asked = scope::asked(arguments, &root, &environment, &config)?;
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        fresh: true,
        ..Report::default()
    };
    if !asked.is_narrow || asked.own == Some(PlaceKind::System) {
        say_missing(&root, &config);
        report.triggers = Some(Triggers::look(&root, &config, &environment));
        report.consumers = Some(Consumers::look(&root));
    }
    let looking = Looking {
        root: &root,
        environment: &environment,
        venv: asked.venv.as_deref(),
        only: asked.is_narrow.then(|| paths(&asked.wanted)),
    };
    let given = arguments.index.iter().cloned();
    let mut indexes: Vec<_> = given.map(|path| (PlaceKind::Given, path)).collect();
    if indexes.is_empty() {
        indexes = places(&root, &environment, asked.venv.as_deref(), &config);
    }
    for (kind, path) in indexes {
        // What is named on the command line is a path of the running system.
        let system = Root::system();
        let below = if kind == PlaceKind::Given {
            &system
        } else {
            &root
        };
        let opened = OpenIndex::open(below, &path, kind);
        let is_own = asked.own == Some(kind) || kind == PlaceKind::Given;
        report.add_index(&looking, opened, kind, &path, is_own);
    }
    report.judge_indexes();
    for (found, mending) in asked.wanted {
        report.add_wanted(&root, found, &mending);
    }
    drop(watched);
    match (cli.quiet, arguments.json) {
        (true, _) => {}
        (false, true) => output.json(&report)?,
        (false, false) => report.print(&mut output, cli.verbose > 0)?,
    }
    if cli.verbose > 0 && !arguments.json {
        writeln!(output)?;
        settings::print(&config, &mut output, false)?;
    }
    output.flush()?;
    Ok(if report.fresh { SUCCESS } else { STALE })
}

/// The paths of the search directories.
fn paths(wanted: &[(Found, String)]) -> HashSet<Vec<u8>> {
    let directories = wanted.iter().flat_map(|(found, _)| &found.directories);
    directories
        .map(|directory| directory.path.as_os_str().as_bytes().to_vec())
        .collect()
}

/// What the indexes are looked at for.
struct Looking<'l> {
    root: &'l Root,
    environment: &'l Environment,
    venv: Option<&'l Path>,
    /// The search directories of which records are looked at; `None`: all.
    only: Option<HashSet<Vec<u8>>>,
}

impl Looking<'_> {
    fn is_asked(&self, spellings: &[Vec<u8>]) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| spellings.iter().any(|path| only.contains(path)))
    }
}

/// What `status --json` prints.
#[derive(Serialize, Default)]
pub(super) struct Report {
    /// The program's version.
    pub(super) version: &'static str,
    /// Whether every wanted search directory has a fresh record, and no index is damaged, or is
    /// wrong about a directory for which no other one is right.
    pub(super) fresh: bool,
    pub(super) indexes: Vec<IndexStatus>,
    pub(super) directories: Vec<DirectoryStatus>,
    skipped: Vec<Skipped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) triggers: Option<Triggers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumers: Option<Consumers>,
    /// The commands that make everything fresh.
    mending: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct IndexStatus {
    pub(super) path: JsonText,
    pub(super) kind: &'static str,
    /// Whether the command line names it.
    #[serde(skip)]
    is_given: bool,
    /// `fresh`, `stale`, `missing`, or `unusable`.
    pub(super) state: &'static str,
    /// Why it is unusable.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    #[serde(skip)]
    pub(super) modified: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    pub(super) suspect: bool,
    pub(super) records: Vec<RecordStatus>,
    /// The command that updates it.
    #[serde(skip)]
    mending: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RecordStatus {
    pub(super) path: JsonText,
    /// `fresh`, `stale`, `unreadable`, or `untrusted`.
    pub(super) state: &'static str,
    /// Whether the directory does not exist, which may be right.
    missing: bool,
    why: Vec<String>,
    pub(super) distributions: u32,
    pub(super) entry_points: u32,
    /// Metadata directories that were not usable, or not readable, when the index was written.
    problems: Vec<String>,
    #[serde(skip)]
    spellings: Vec<Vec<u8>>,
}

/// A search directory that the system, or the active environment, has.
#[derive(Serialize)]
pub(super) struct DirectoryStatus {
    pub(super) path: JsonText,
    /// `fresh`, `stale`, `unreadable`, or `missing` in every index.
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<JsonText>,
    /// Whether there is anything at that path.
    #[serde(skip)]
    is_there: bool,
}

#[derive(Serialize)]
pub(super) struct Skipped {
    pub(super) path: JsonText,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    why: String,
    /// As it should be, on every machine with such packages.
    #[serde(skip)]
    is_usual: bool,
}

pub(super) mod words {
    //! Of states.

    pub(in super::super) const FRESH: &str = "fresh";
    pub(in super::super) const STALE: &str = "stale";
    pub(in super::super) const MISSING: &str = "missing";
    pub(in super::super) const UNREADABLE: &str = "unreadable";
    pub(in super::super) const UNUSABLE: &str = "unusable";
    pub(in super::super) const UNTRUSTED: &str = "untrusted";
}
use words::{FRESH, MISSING, STALE as STALE_WORD, UNTRUSTED, UNUSABLE};

impl Report {
    fn add_index(
        &mut self,
        looking: &Looking<'_>,
        opened: Result<OpenIndex, Unusable>,
        kind: PlaceKind,
        path: &Path,
        is_own: bool,
    ) {
        let Looking {
            root, environment, ..
        } = looking;
        let mut status = IndexStatus {
            path: path.into(),
            kind: kind.word(),
            is_given: kind == PlaceKind::Given,
            state: UNUSABLE,
            why: None,
            age_seconds: None,
            modified: None,
            size: None,
            suspect: false,
            records: Vec::new(),
            mending: None,
        };
        match opened {
            Err(Unusable::Missing) => status.state = MISSING,
            Err(unusable) => {
                // One that is not trusted is treated as missing: it is its owner who can mend it.
                let counts = is_own || looking.only.is_none();
                self.fresh &= !(counts && matches!(unusable, Unusable::Damage(_)));
                status.why = Some(unusable.to_string());
            }
            Ok(index) => {
                status.age_seconds = Some(now().saturating_sub(index.modified()));
                status.modified = Some(index.modified());
                status.size = Some(index.index().size());
                status.suspect = index.index().is_suspect();
                match record_statuses(root, &index, &|spellings| looking.is_asked(spellings)) {
                    Ok(records) => {
                        // A record that is not trusted is treated as missing. It needs no update.
                        let all_fresh = records
                            .iter()
                            .all(|record| [FRESH, UNTRUSTED].contains(&record.state));
                        status.state = if all_fresh { FRESH } else { STALE_WORD };
                        status.records = records;
                    }
                    Err(damage) => status.why = Some(damage.to_string()),
                }
                if let Some(old) = moved_from(&index, looking.venv) {
                    status.state = STALE_WORD;
                    let old = old.display();
                    status.why = Some(format!("it is of {old}, the environment has moved"));
                }
                status.mending = Some(mending(&index, root, environment));
                self.fresh &= status.state != UNUSABLE;
            }
        }
        if looking.only.is_some() && !is_own && status.records.is_empty() {
            return;
        }
        self.indexes.push(status);
    }

    /// Judges the indexes. One that is wrong about a directory does no harm if another one is right
    /// about it: lookups use that one.
    fn judge_indexes(&mut self) {
        let right: HashSet<&[u8]> = self
            .indexes
            .iter()
            .flat_map(|index| &index.records)
            .filter(|record| record.state == FRESH)
            .flat_map(|record| record.spellings.iter().map(Vec::as_slice))
            .collect();
        let wrong = |record: &RecordStatus| {
            ![FRESH, UNTRUSTED].contains(&record.state)
                && !record
                    .spellings
                    .iter()
                    .all(|path| right.contains(path.as_slice()))
        };
        let harmful: Vec<String> = self
            .indexes
            .iter()
            .filter(|index| index.state == UNUSABLE || index.records.iter().any(wrong))
            .filter_map(|index| index.mending.clone())
            .collect();
        self.fresh &= harmful.is_empty();
        for mending in harmful {
            self.add_mending(&mending);
        }
    }

    /// Adds the directories that should be in an index. `mending` is the command that adds them.
    fn add_wanted(&mut self, root: &Root, wanted: Found, mending: &str) {
        for directory in wanted.directories {
            let path = directory.path.as_os_str().as_bytes();
            let records = || {
                self.indexes.iter().flat_map(|index| {
                    let of = |record: &&RecordStatus| {
                        record.state != UNTRUSTED
                            && record.spellings.iter().any(|spelling| spelling == path)
                    };
                    index
                        .records
                        .iter()
                        .filter(of)
                        .map(move |record| (index, record))
                })
            };
            let best = records()
                .find(|(_, record)| record.state == FRESH)
                .or(records().next());
            let state = best.map_or(MISSING, |(_, record)| record.state);
            let index = best.map(|(index, _)| index.path.clone());
            self.directories.push(DirectoryStatus {
                path: directory.path.as_path().into(),
                state,
                index,
                is_there: root.exists(&directory.path),
            });
            self.fresh &= state == FRESH;
            if state == MISSING {
                self.add_mending(mending);
            }
        }
        for (path, reason) in &wanted.left_out {
            self.skipped.push(Skipped {
                path: path.as_path().into(),
                line: None,
                why: reason.to_string(),
                is_usual: !matches!(reason, Reason::TooMuch(_)),
            });
        }
        for note in wanted.notes {
            // setuptools' own, and ours.
            let usual = ["distutils-precedence.pth", "epcache-auto.pth"];
            let name = note.path.file_name();
            let is_usual = usual.iter().any(|usual| name == Some(usual.as_ref()));
            self.skipped.push(Skipped {
                is_usual,
                path: note.path.as_path().into(),
                line: note.line,
                why: note.text,
            });
        }
    }

    fn add_mending(&mut self, command: &str) {
        if !self.mending.iter().any(|known| known == command) {
            self.mending.push(command.to_owned());
        }
    }
}
